"""Exercise 7, gradients by layer: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, whole

SECONDS = 30
MEMORY = 2000


# --- 2 A start ------------------------------------------------------------------------------------


def he(rng):
    return [{"layers": 2, "units": whole(rng, 3, 6), "gain": 2**0.5, "seed": whole(rng, 1, 999)}]


def any_gain(rng):
    return [
        {"layers": layers, "units": whole(rng, 3, 6), "gain": round(float(rng.uniform(0.4, 1.9)), 2),
         "seed": whole(rng, 1, 999)}
        for layers in (1, 3)
    ]  # fmt: skip


def drawn(layers, units, seed):
    return np.random.default_rng(seed).normal(size=(layers, units, units))


def start_by_fan_in(layers, units, gain, seed):
    return drawn(layers, units, seed) * gain / units


def start_without_fan_in(layers, units, gain, seed):
    return drawn(layers, units, seed) * gain


def start_with_root_of_gain(layers, units, gain, seed):
    return drawn(layers, units, seed) * np.sqrt(gain / units)


def start_with_both_fans(layers, units, gain, seed):
    return drawn(layers, units, seed) * gain / np.sqrt(2 * units)


def start_layer_by_layer(layers, units, gain, seed):
    matrices = [drawn(1, units, seed)[0] for _ in range(layers)]
    return np.array(matrices) * gain / np.sqrt(units)


# --- 3 Forwards -----------------------------------------------------------------------------------

FUNCTIONS = {
    "relu": lambda sums: np.where(sums > 0, sums, 0.0),
    "tanh": lambda sums: (1 - np.exp(-2 * sums)) / (1 + np.exp(-2 * sums)),
    "sigmoid": lambda sums: np.exp(sums) / (1 + np.exp(sums)),
}


def stack(rng, activation):
    layers, units = whole(rng, 3, 4), whole(rng, 4, 5)
    while True:
        weights = np.round(rng.normal(size=(layers, units, units)), 2)
        inputs = np.round(rng.normal(size=(whole(rng, 2, 3), units)), 2)
        if forwards(inputs, weights, activation)[-1].any():  # else no gradient comes back
            return {"inputs": inputs, "weights": weights, "activation": activation}


def stacks(activation):
    return lambda rng: [stack(rng, activation) for _ in range(2)]


def forwards(inputs, weights, activation, turned=False, but_last=False, sums=False):
    found, before = [inputs], [inputs]
    for number, matrix in enumerate(weights, start=1):
        before.append(found[-1] @ (matrix.T if turned else matrix))
        plain = but_last and number == len(weights)
        found.append(before[-1] if plain else FUNCTIONS[activation](before[-1]))
    return np.array(before if sums else found)


def forward_turned(inputs, weights, activation):
    return forwards(inputs, weights, activation, turned=True)


def forward_plain_at_the_end(inputs, weights, activation):
    return forwards(inputs, weights, activation, but_last=True)


def forward_sums(inputs, weights, activation):
    return forwards(inputs, weights, activation, sums=True)


def forward_without_inputs(inputs, weights, activation):
    return forwards(inputs, weights, activation)[1:]


def forward_last_only(inputs, weights, activation):
    return forwards(inputs, weights, activation)[-1]


def forward_always_relu(inputs, weights, activation):
    return forwards(inputs, weights, "relu")


# --- 4 Backwards ----------------------------------------------------------------------------------

SLOPES = {
    "relu": lambda leaving: (leaving > 0) * 1.0,
    "tanh": lambda leaving: (1 - leaving) * (1 + leaving),
    "sigmoid": lambda leaving: leaving - leaving * leaving,
}


def backwards(inputs, weights, activation, slope=True, turned=True, size=np.linalg.norm):
    """The sizes of all gradients, from the last layer to the first: of weights, and of inputs."""
    outputs = forwards(inputs, weights, activation)
    arriving, of_weights, of_inputs = np.ones(outputs[-1].shape), [], []
    for layer in reversed(range(len(weights))):
        if slope:
            arriving = arriving * SLOPES[activation](outputs[layer + 1])
        of_weights.append(size(outputs[layer].T @ arriving))
        arriving = arriving @ (weights[layer].T if turned else weights[layer])
        of_inputs.append(size(arriving))
    return of_weights, of_inputs


def norms_without_slope(inputs, weights, activation):
    return backwards(inputs, weights, activation, slope=False)[0][::-1]


def norms_not_transposed(inputs, weights, activation):
    return backwards(inputs, weights, activation, turned=False)[0][::-1]


def norms_from_the_end(inputs, weights, activation):
    return backwards(inputs, weights, activation)[0]


def norms_of_inputs(inputs, weights, activation):
    return backwards(inputs, weights, activation)[1][::-1]


def norms_by_mean(inputs, weights, activation):
    return backwards(inputs, weights, activation, size=lambda each: np.abs(each).mean())[0][::-1]


def norms_without_root(inputs, weights, activation):
    return backwards(inputs, weights, activation, size=lambda each: np.sum(each**2))[0][::-1]


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


def normalised(values, scale, shift, epsilon, axis=0, ddof=0, outside=False):
    mean = values.mean(axis=axis, keepdims=True)
    variance = values.var(axis=axis, ddof=ddof, keepdims=True)
    spread = np.sqrt(variance) + epsilon if outside else np.sqrt(variance + epsilon)
    return scale * ((values - mean) / spread) + shift


def normalise_images(values, scale, shift, epsilon=1e-3):
    return normalised(values, scale, shift, epsilon, axis=1)


def normalise_all(values, scale, shift, epsilon=1e-3):
    return normalised(values, scale, shift, epsilon, axis=(0, 1))


def normalise_with_one_less(values, scale, shift, epsilon=1e-3):
    return normalised(values, scale, shift, epsilon, ddof=1)


def normalise_without_epsilon(values, scale, shift, epsilon=1e-3):
    return normalised(values, scale, shift, 0.0)


def normalise_epsilon_outside(values, scale, shift, epsilon=1e-3):
    return normalised(values, scale, shift, epsilon, outside=True)


def normalise_only(values, scale, shift, epsilon=1e-3):
    return normalised(values, 1.0, 0.0, epsilon)


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("slope", "zeros", "fan_in", "passed")],
        probe="values",
        mistakes={
            "Where is the sigmoid steepest? Its slope there is x (1 − x).": {"slope": 1},
            "That is the value of the sigmoid where it is steepest.": {"slope": 0.5},
            "How often is it divided?": {"zeros": 10},
            "The filter is as deep as the maps it reads.": {"fan_in": 9},
            "The bias does not count here.": {"fan_in": 289},
            "The gradient behind the ReLU is 1, not the number that passed.": {"passed": 2.5},
            "Numbers below zero let no gradient through.": {"passed": 4},
        },
    ),
    Question(
        "start",
        [Part("He's gain", 1, he), Part("any gain", 1, any_gain)],
        tolerance=1e-6,
        mistakes={
            "The standard deviation falls with the root of the fan-in.": start_by_fan_in,
            "Divide by the root of the fan-in, the number of units.": start_without_fan_in,
            "The gain is a factor of the standard deviation, not of the variance.": (
                start_with_root_of_gain
            ),
            "Only the fan-in counts here.": start_with_both_fans,
            "One call for all layers: otherwise each gets the same weights.": start_layer_by_layer,
        },
    ),
    Question(
        "forward",
        [
            Part("ReLU", 1, stacks("relu")),
            Part("tanh", 1, stacks("tanh")),
            Part("sigmoid", 1, stacks("sigmoid")),
        ],
        tolerance=1e-5,  # float32 is right, too
        mistakes={
            "x W, not x times the transposed W.": forward_turned,
            "The last layer has the activation, too.": forward_plain_at_the_end,
            "Return what leaves the activation, not what enters it.": forward_sums,
            "The inputs come first.": forward_without_inputs,
            "Return every layer's output, and the inputs.": forward_last_only,
            "Which activation was asked for?": forward_always_relu,
        },
    ),
    Question(
        "gradient_norms",
        [
            Part("ReLU", 2, stacks("relu")),
            Part("tanh", 1, stacks("tanh")),
            Part("sigmoid", 1, stacks("sigmoid")),
        ],
        tolerance=1e-5,  # float32 is right, too
        mistakes={
            "Where is the slope of the activation?": norms_without_slope,
            "Backwards, the gradient goes through the transposed matrix.": norms_not_transposed,
            "In the order of the network: the first layer first.": norms_from_the_end,
            "The gradient of the weights, not of what enters the layer.": norms_of_inputs,
            "The norm, not the mean of the sizes.": norms_by_mean,
            "The norm is the root of the sum of squares.": norms_without_root,
        },
    ),
    Question(
        "normalise",
        [
            Part("mean and variance", 1, mean_and_spread),
            Part("scale and shift", 1, scale_and_shift),
        ],
        tolerance=1e-5,  # float32 is right, too
        mistakes={
            "Each unit over the images, not each image over its units.": normalise_images,
            "Each unit by itself, not all numbers together.": normalise_all,
            "The variance is a mean: divide by the number of images.": normalise_with_one_less,
            "Where is epsilon?": normalise_without_epsilon,
            "Epsilon is added to the variance, under the root.": normalise_epsilon_outside,
            "Where are scale and shift?": normalise_only,
        },
    ),
]
