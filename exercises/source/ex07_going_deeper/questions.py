"""Exercise 7, gradients by layer: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, by_hand, numbers, one_of, whole

SECONDS = 30
MEMORY = 2000

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "steepness": 1,
    "layers": 20,
    "divisor": 10,
    "kernel_size": 3,
    "maps": 32,
    "entering": [-1, 2, 0.5, -3],
    "seed": 7,
}


def own_numbers(rng):
    return {
        "steepness": one_of(rng, 3, 5, 6, 7, 8),
        "layers": whole(rng, 12, 40),
        "divisor": one_of(rng, 10, 100),
        "kernel_size": one_of(rng, 3, 5, 7),
        "maps": 8 * whole(rng, 1, 9),
        "entering": [whole(rng, 1, 9) / 2 * one_of(rng, 1, -1) for _ in range(6)],
        "seed": whole(rng, 1, 999),
    }


# --- 2 A start ------------------------------------------------------------------------------------


def he(rng):
    return [{"layers": 2, "units": whole(rng, 3, 6), "gain": 2**0.5, "seed": whole(rng, 1, 999)}]


def any_gain(rng):
    return [{"layers": layers, "units": whole(rng, 3, 6),
             "gain": round(float(rng.uniform(0.4, 1.9)), 2), "seed": whole(rng, 1, 999)}
            for layers in (1, 3)]  # fmt: skip


# --- 3 Forwards -----------------------------------------------------------------------------------


def stack(rng, activation):
    layers, units = whole(rng, 3, 4), whole(rng, 4, 5)
    while True:
        weights = numbers(rng, layers, units, units)
        inputs = numbers(rng, whole(rng, 2, 3), units)
        signal = inputs
        for matrix in weights:
            signal = np.maximum(signal @ matrix, 0)
        if activation != "relu" or signal.any():  # else no gradient comes back
            return {"inputs": inputs, "weights": weights, "activation": activation}


def stacks(activation):
    return lambda rng: [stack(rng, activation) for _ in range(2)]


# --- 5 Batch normalisation ------------------------------------------------------------------------


def values_of(rng):
    spread = rng.uniform(0.05, 3, size=4)
    return np.round(rng.normal(rng.uniform(-3, 3, size=4), spread, size=(whole(rng, 5, 7), 4)), 2)


def mean_and_spread(rng):
    return [{"values": values_of(rng), "scale": np.ones(4), "shift": np.zeros(4)} for _ in range(2)]


def scale_and_shift(rng):
    cases = []
    for epsilon in (1e-3, 0.1):
        scale, shift = np.round(rng.uniform(0.5, 2, size=(2, 4)), 2)
        cases.append({"values": values_of(rng), "scale": scale, "shift": shift, "epsilon": epsilon})
    return cases


NORM = "np.linalg.norm(entering.T @ gradient)"
KEPT = f"        norms.append({NORM})\n"
SPREAD = "np.sqrt(values.var(axis=0) + epsilon)"

# fmt: off
QUESTIONS = [
    by_hand("slope", "n", "fan_in", "passed", mistakes={
        "Where is the sigmoid steepest? Its slope is its value times (1 − its value), times the "
        "steepness.": ("own.steepness / 4", "own.steepness"),
        "That is the value of the sigmoid where it is steepest.": ("own.steepness / 4", "1 / 2"),
        "How often is it divided?": ("own.layers * round(np.log10(own.divisor))", "own.divisor"),
        "10^-3 has its 1 at the third place: n is the exponent, not the number of zeros.":
            ("own.divisor))", "own.divisor)) - 1"),
        "The filter is as deep as the maps it reads.": (" * own.maps", ""),
        "A kernel of size 3 has 3 · 3 places.": ("own.kernel_size**2", "own.kernel_size"),
        "The bias does not count here.": ("own.maps", "own.maps + 1"),
        "The gradient behind the ReLU is 1, not the number that passed.":
            ("sum(number > 0", "sum(max(number, 0)"),
        "Numbers below zero let no gradient through.":
            ("sum(number > 0 for number in own.entering)", "len(own.entering)"),
    }),
    Question("start", [
        Part("He's gain", 1, he), Part("any gain", 1, any_gain),
    ], tolerance=1e-6, mistakes={
        "Where is the gain?": (" * gain", ""),
        "Multiply by the gain; do not divide by it.": ("* gain", "/ gain"),
        "The standard deviation falls with the root of the fan-in.": ("np.sqrt(units)", "units"),
        "Divide by the root of the fan-in, the number of units.": (" / np.sqrt(units)", ""),
        "The gain is a factor of the standard deviation, not of the variance.":
            ("gain / np.sqrt(units)", "np.sqrt(gain / units)"),
        "Only the fan-in counts here.": ("sqrt(units)", "sqrt(2 * units)"),
        "Multiply what was drawn as it is: do not make its standard deviation 1 first.":
            ("return drawn", "return drawn / drawn.std()"),
        "One call for all layers: otherwise each gets the same weights.":
            [("size=(layers, units, units)", "size=(units, units)"),
             ("return drawn", "return np.array([drawn] * layers)")],
    }),
    Question("forward", [
        Part("ReLU", 1, stacks("relu")), Part("tanh", 1, stacks("tanh")),
        Part("sigmoid", 1, stacks("sigmoid")),
    ], tolerance=1e-5, mistakes={
        "x W, not x times the transposed W.": ("@ matrix", "@ matrix.T"),
        "Each layer reads what leaves the layer before it.": ("outputs[-1] @", "inputs @"),
        "The last layer has the activation, too.":
            ("    return", "    outputs[-1] = outputs[-2] @ weights[-1]\n    return"),
        "Return what leaves the activation, not what enters it.":
            [("    return np.array(outputs)", "    return np.array(sums)"),
             ("    for matrix", "    sums = [inputs]\n    for matrix"),
             ("        outputs.append",
              "        sums.append(outputs[-1] @ matrix)\n        outputs.append")],
        "Where is the activation?":
            ("functions[activation](outputs[-1] @ matrix)", "outputs[-1] @ matrix"),
        "The inputs come first.": ("np.array(outputs)", "np.array(outputs[1:])"),
        "The inputs first, the output of the last layer last.": ("(outputs)", "(outputs[::-1])"),
        "Return every layer's output, and the inputs.": ("np.array(outputs)", "outputs[-1]"),
        "Which activation was asked for?": ("[activation]", '["relu"]'),
        "The sigmoid grows with z: what is the sign in its exponent?": ("np.exp(-z)", "np.exp(z)"),
    }),
    Question("gradient_norms", [
        Part("ReLU", 2, stacks("relu")), Part("tanh", 1, stacks("tanh")),
        Part("sigmoid", 1, stacks("sigmoid")),
    ], tolerance=1e-5, mistakes={
        "Where is the slope of the activation? That of a ReLU is 0 where its output is 0.":
            ("x > 0", "x >= 0"),
        "Where is the slope of the activation?": (" * slopes[activation](leaving)", ""),
        "The slope is told by what came out of the layer.": ("(leaving)", "(entering)"),
        "Backwards, the gradient goes through the transposed matrix.": ("matrix.T", "matrix"),
        "In the order of the network: the first layer first.": ("norms[::-1]", "norms"),
        "The gradient of the weights, not of what enters the layer.":
            [(KEPT, ""),
             ("matrix.T\n", "matrix.T\n        norms.append(np.linalg.norm(gradient))\n")],
        "The gradient of the weights, not the G that arrives at the layer.":
            [(KEPT, ""),
             ("        gradient = gradient * s",
              "        norms.append(np.linalg.norm(gradient))\n        gradient = gradient * s")],
        "The gradient of the weights, not G behind its slope: what had entered is missing.":
            ("entering.T @ gradient", "gradient"),
        "Times what had entered the layer, not what left it.": ("entering.T @", "leaving.T @"),
        "The loss is the sum of the outputs, not their mean.":
            ("np.ones(outputs[-1].shape)", "np.ones(outputs[-1].shape) / outputs[-1].size"),
        "The norm, not the mean of the sizes.": (NORM, "np.abs(entering.T @ gradient).mean()"),
        "The norm is the root of the sum of squares.":
            (NORM, "np.sum((entering.T @ gradient) ** 2)"),
    }),
    Question("normalise", [
        Part("mean and variance", 1, mean_and_spread), Part("scale and shift", 1, scale_and_shift),
    ], tolerance=1e-5, mistakes={
        "Each unit over the images, not each image over its units.":
            [("mean(axis=0)", "mean(axis=1, keepdims=True)"),
             ("var(axis=0)", "var(axis=1, keepdims=True)")],
        "Each unit by itself, not all numbers together.":
            [("mean(axis=0)", "mean()"), ("var(axis=0)", "var()")],
        "The mean has to become 0.": ("values - values.mean(axis=0)", "values"),
        "The variance is a mean: divide by the number of images.":
            ("var(axis=0", "var(axis=0, ddof=1"),
        "Where is epsilon?": (" + epsilon", ""),
        "`epsilon` is an argument, not always 0.001.": ("+ epsilon", "+ 1e-3"),
        "Epsilon is added to the variance, under the root.":
            (SPREAD, "(values.std(axis=0) + epsilon)"),
        "Divide by the root of the variance.": ("np.sqrt", ""),
        "Where are scale and shift?": [("scale * ", ""), (" + shift", "")],
        "Multiply by the scale first, then add the shift.":
            (f"scale * centred / {SPREAD} + shift", f"scale * (centred / {SPREAD} + shift)"),
    }),
]
