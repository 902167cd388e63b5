"""Exercise 4, LeNet: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import COURSE_SUMS, Part, Question, by_hand, one_of, whole

SECONDS = 120
MEMORY = 4000
FORBIDDEN = (*COURSE_SUMS, "scipy", "sklearn")

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {"side": 32, "channels": 3, "maps": 4, "percent": 4, "tested": 2500, "seed": 0}


def own_numbers(rng):
    return {
        "side": 4 * whole(rng, 9, 16),
        "channels": one_of(rng, 2, 4, 5, 6, 7, 8),
        "maps": whole(rng, 5, 8),
        "percent": whole(rng, 2, 9),
        "tested": 100 * whole(rng, 8, 60),
        "seed": whole(rng, 1, 999),
    }


# --- 2 A column of shapes -------------------------------------------------------------------------


def image_shape(rng):
    """Height and width differ, and neither can be divided by 2."""
    return (2 * whole(rng, 10, 14) + 1, 2 * whole(rng, 16, 20) + 1, one_of(rng, 1, 3))


def conv(rng, padding, kernels=(3, 5, 7)):
    return ("conv", whole(rng, 4, 32), one_of(rng, *kernels), padding)


def convolutions(rng):
    stacks = (("same",), ("valid",), ("valid", "same", "valid"))
    return [{"input_shape": image_shape(rng), "stack": [conv(rng, padding) for padding in stack]}
            for stack in stacks]  # fmt: skip


def poolings(rng):
    stacks = (
        [conv(rng, "same"), ("pool", 2)],
        [("pool", 3), conv(rng, "valid", (3,)), ("pool", 2)],
        [conv(rng, "valid", (2, 4)), ("pool", 2), ("pool", 3)],
    )
    return [{"input_shape": image_shape(rng), "stack": stack} for stack in stacks]


def to_the_end(rng):
    ends = [("flatten",), ("dense", whole(rng, 50, 99))], [("flatten",), ("dense", 84)]
    starts = (
        [conv(rng, "same"), ("pool", 2)],
        [conv(rng, "same"), ("pool", 2), conv(rng, "valid", (5,)), ("pool", 2)],
    )
    stacks = [start + end for start, end in zip(starts, ends, strict=True)]
    stacks[1].append(("dense", whole(rng, 5, 20)))
    return [{"input_shape": image_shape(rng), "stack": stack} for stack in stacks]


# --- 3 Build it -----------------------------------------------------------------------------------


def network_case(rng, activation, pooling, **more):
    case = {
        "input_shape": (2 * whole(rng, 8, 11), 2 * whole(rng, 12, 14) + 1, one_of(rng, 1, 3)),
        "classes": whole(rng, 3, 12),
        "activation": activation,
        "pooling": pooling,
        "weight_seed": whole(rng, 1, 10_000),
    }
    return {**case, **more}


def sizes(rng):
    usual = {"input_shape": (28, 28, 1), "classes": 10}
    return [network_case(rng, "relu", "max", **usual), network_case(rng, "relu", "max")]


def relu_and_maximum(rng):
    return [network_case(rng, "relu", "max") for _ in range(2)]


def average(rng):
    return [network_case(rng, "relu", "average") for _ in range(2)]


def other_activations(rng):
    names = ("tanh", one_of(rng, "elu", "softsign", "sigmoid"))
    return [network_case(rng, name, pooling) for name, pooling in zip(names, ("max", "average"))]


# --- 4 and 5 Mistakes, class by class -------------------------------------------------------------


def scores_for(rng, answers, classes):
    """Scores whose highest is that of the answers, above and below zero."""
    scores = np.round(rng.normal(scale=2, size=(len(answers), classes)), 2)
    scores[np.arange(len(answers)), answers] = scores.max(axis=1) + 0.5
    return scores


def tested(rng, classes, count, known):
    """A test in which class 0 is often taken for class 1, and only the `known` classes occur."""
    labels = np.concatenate([known, [0, 0, 0], rng.choice(known, count)])
    answers = np.where(rng.random(len(labels)) < 0.5, labels, rng.choice(known, len(labels)))
    answers[len(known) : len(known) + 3] = 1
    order = rng.permutation(len(labels))
    return {"labels": labels[order], "scores": scores_for(rng, answers[order], classes)}


def all_classes(rng):
    return [tested(rng, classes, 20, np.arange(classes)) for classes in (3, whole(rng, 4, 6))]


def some_classes(rng):
    cases = []
    for _ in range(2):
        classes = whole(rng, 5, 6)
        cases.append(tested(rng, classes, 12, np.arange(classes - 1 - whole(rng, 0, 1))))
    return cases


def table_of(rng, classes):
    """Few mistakes, most images right, and not the same number of each class."""
    return rng.integers(0, 4, (classes, classes)) + np.diag(rng.integers(5, 30, classes))


def full_tables(rng):
    return [{"table": table_of(rng, classes)} for classes in (3, whole(rng, 4, 6))]


def tables_with_gaps(rng):
    cases = []
    for _ in range(2):
        table = table_of(rng, 5)
        table[whole(rng, 0, 4)] = 0
        cases.append({"table": table})
    return cases


SAME = 'padding="same", activation=activation),\n        pool(2),'
VALID = "16, 5, activation=activation),\n        pool(2),"
DENSE = ("layers.Dense(120, activation=activation),\n        layers.Dense(84, "
         "activation=activation),")  # fmt: skip
BEHIND = "\n        pool(2),\n        layers.Activation(activation),"
OTHER_POOL = "    kind, pool = pool, lambda size: kind(size, {})\n    image = outputs"

# fmt: off
QUESTIONS = [
    by_hand("conv1", "flat", "dense1", "partial", "spread", mistakes={
        "Every filter has a bias.": [("channels + 1)", "channels)"), ("2 * 9 + 1", "2 * 9")],
        "A filter is as deep as its input: how many channels has this one?":
            ("25 * own.channels", "25"),
        "There is one bias for each filter, not one in all.":
            ("(25 * own.channels + 1) * 6", "25 * own.channels * 6 + 1"),
        "One bias for each filter, not for each of its kernels.":
            [("25 * own.channels + 1", "26 * own.channels"), ("2 * 9 + 1", "2 * (9 + 1)")],
        "That is one map. How many are there?": ("16 * side", "side"),
        "That is for images of 28×28.": ("own.side // 2", "28 // 2"),
        "conv2 has no padding.": ("own.side // 2 - 4", "own.side // 2"),
        "There are two poolings.": ("// 2 - 4) // 2", "// 2 - 4)"),
        "Every unit has a bias.": ("(flat + 1) * 120", "flat * 120"),
        "A filter sees two maps, not all of them.": ("2 * 9", "own.maps * 9"),
        "A filter sees two maps, so it has two kernels.": ("2 * 9", "9"),
        "How many pairs can be made of these maps?": ("pairs * (", "own.maps * ("),
        "Pair (0, 1) and pair (1, 0) are the same pair.": ("- 1) // 2", "- 1)"),
        "Nearly: to a whole number.": ("(1 - share)))", "(1 - share)), 1)"),
        "Yes, and now rounded to a whole number.": ("round(np.sqrt", "float(np.sqrt"),
        "That is the variance.": ("np.sqrt", ""),
        "That is the number of mistakes, not its spread.":
            ("np.sqrt(own.tested * share * (1 - share))", "own.tested * share"),
        "That is the deviation of the share, in per cent. How many digits is it?":
            ("np.sqrt(own.tested * share * (1 - share))",
             "100 * np.sqrt(share * (1 - share) / own.tested)"),
    }),
    Question("output_shapes", [
        Part("convolutions", 1, convolutions), Part("poolings", 1, poolings),
        Part("flat and dense", 1, to_the_end),
    ], forbidden=("keras", "tensorflow"), mistakes={
        "One too few: a window of 5 fits 24 times into 28 pixels.": ("_size - 1 if", "_size if"),
        "With padding 'valid' a convolution takes pixels away.":
            ('kernel_size - 1 if padding == "valid" else 0', "0"),
        "With padding 'same' a convolution keeps the size.": (' if padding == "valid" else 0', ""),
        "A kernel of 5 takes 4 pixels in all, not 2.": ("_size - 1 if", "_size // 2 if"),
        "A filter is as deep as its input and gives one map, whatever comes in.":
            ("lost, filters)", "lost, shape[2] * filters)"),
        "A convolution gives as many maps as it has filters.":
            ("lost, filters)", "lost, shape[2])"),
        "Height comes before width.":
            ("tuple(input_shape), []", "(*input_shape[1::-1], input_shape[2]), []"),
        "Channels come last (NHWC).":
            ("append(shape)", "append((shape[2], *shape[:2]) if len(shape) == 3 else shape)"),
        "A pooling drops a window that does not fit whole: round down.":
            [("shape[0] // numbers", "-(-shape[0] // numbers"), ("[0], shape[1]", "[0]), shape[1]"),
             ("shape[1] // numbers[0]", "-(-shape[1] // numbers[0])")],
        "Not every pooling halves: divide by its own `size`.":
            [("shape[0] // numbers[0]", "shape[0] // 2"),
             ("shape[1] // numbers[0]", "shape[1] // 2")],
        "The windows of a pooling do not overlap: their stride is their size.":
            [("shape[0] // numbers[0]", "shape[0] - numbers[0] + 1"),
             ("shape[1] // numbers[0]", "shape[1] - numbers[0] + 1")],
        "A pooling keeps the number of maps.": ("], shape[2])", "], shape[2] // numbers[0])"),
        "All numbers of *all* maps lie in the flat row.": ("np.prod(shape)", "np.prod(shape[:2])"),
        "How many numbers are in three maps of 2×2? Not 2 + 2 + 3.":
            ("np.prod(shape)", "sum(shape)"),
        "A flat row has a shape as well, a tuple of one number: (400,).":
            ("append(shape)", "append(shape if len(shape) == 3 else shape[0])"),
        "Leave the axis of the images out.": ("append(shape)", "append((None, *shape))"),
        "The shape of the input itself does not belong to the list.":
            ("tuple(input_shape), []", "tuple(input_shape), [tuple(input_shape)]"),
        "Return the shapes of all layers, not only of the last one.":
            ("return shapes", "return shapes[-1]"),
    }),
    Question("build_lenet", [
        Part("numbers of parameters", 1, sizes, of="parameters"),
        Part("ReLU and maximum", 1, relu_and_maximum, of="outputs"),
        Part("average pooling", 1, average, of="outputs"),
        Part("other activations", 1, other_activations, of="outputs"),
    ], probe="network", tolerance=1e-4, mistakes={
        "conv1 pads.": (', padding="same"', ""),
        "conv2 does not pad.": ("Conv2D(16, 5", 'Conv2D(16, 5, padding="same"'),
        "Biases are missing.":
            [(layer, f"{layer}, use_bias=False") for layer in
             ("Conv2D(6, 5", "Conv2D(16, 5", "Dense(120", "Dense(84", "Dense(classes")],
        "The stride of a pooling is 2, so that its windows do not overlap.":
            ("    image = outputs", OTHER_POOL.format("strides=1")),
        "The poolings do not pad.": ("    image = outputs", OTHER_POOL.format('padding="same"')),
        "dense1 is the one with 120 units, dense2 the one with 84.":
            [("84", "1200"), ("Dense(120,", "Dense(84,"), ("1200", "120")],
        "A dense layer is missing.": ("        layers.Dense(84, activation=activation),\n", ""),
        "The maps are flattened, not averaged: the dense layers see every pixel of them.":
            ("Flatten", "GlobalAveragePooling2D"),
        "There are not always ten classes.": ("Dense(classes)", "Dense(10)"),
        "The network gives scores: leave the softmax to the loss.":
            ("Dense(classes)", 'Dense(classes, activation="softmax")'),
        "Without an activation, convolutions and dense layers only ever add up.":
            ("    image =", "    activation = None\n    image ="),
        "The last layer has no activation.":
            ("Dense(classes)", "Dense(classes, activation=activation)"),
        "The convolutions have an activation, too.":
            [('"same", activation=activation', '"same"'),
             ("16, 5, activation=activation", "16, 5")],
        "dense1 and dense2 have an activation, too.":
            (DENSE, "layers.Dense(120),\n        layers.Dense(84),"),
        "Not every network has ReLUs: use `activation`.":
            ("    image =", '    activation = "relu"\n    image ='),
        "The dense layers use `activation`, too.": (DENSE, DENSE.replace("=activation", '="relu"')),
        "`pooling` can be 'average'.": ("[pooling]", '["max"]'),
        "`pooling` can be 'max'.": ("[pooling]", '["average"]'),
        "The activation comes before the pooling, not after it.":
            [(SAME, f'padding="same"),{BEHIND}'), (VALID, f"16, 5),{BEHIND}")],
        "Leave dropout out: it is not in the table.":
            ("layers.Flatten(),", "layers.Flatten(), layers.Dropout(0.5),"),
        "Leave batch norm out: it is not in the table.":
            ("layers.Flatten(),", "layers.BatchNormalization(), layers.Flatten(),"),
    }),
    Question("confusion", [
        Part("all classes occur", 1, all_classes),
        Part("some classes do not occur", 1, some_classes),
    ], mistakes={
        "Rows say what it is, columns what the network says.": ("label, answer]", "answer, label]"),
        "A pair that comes up several times counts several times; `+= 1` with lists of places "
        "adds to each place once.": ("+= 1", "= 1"),
        "What is right counts, too, on the diagonal.": ("+= 1", "+= label != answer"),
        "One row and one column for each class, also for those that do not occur.":
            ("scores.shape[1]", "max(labels.max(), scores.argmax(axis=1).max()) + 1"),
        "There are not always ten classes: `scores` has a column for each.":
            ("scores.shape[1]", "10"),
        "Count the images; the shares come in the next question.":
            ("return table", "return table / len(labels)"),
        "Count the images of each row; the shares come in the next question.":
            ("return table", "return table / np.maximum(table.sum(axis=1, keepdims=True), 1)"),
        "The answer is the class with the highest score.": ("argmax", "argmin"),
        "The highest score counts, not the one furthest from 0.":
            ("scores.argmax", "np.abs(scores).argmax"),
    }),
    Question("class_errors", [
        Part("every class has images", 1, full_tables),
        Part("a class without images", 1, tables_with_gaps),
    ], mistakes={
        "True classes are the rows: this is the share of each *answer*.": ("axis=1", "axis=0"),
        "Those are images of other classes that were taken for this one.":
            ("images - np.diag", "table.sum(axis=0) - np.diag"),
        "The share of the images of that class, not of all images.":
            ("np.maximum(images, 1)", "table.sum()"),
        "In per cent, from 0 to 100.": ("100 * ", ""),
        "Do not round to whole per cent.":
            ("100 * wrong / np.maximum(images, 1)",
             "(100 * wrong / np.maximum(images, 1)).round()"),
        "That is the share which is right.": ("100 * wrong", "100 * np.diagonal(table)"),
        "That is the number of mistakes, not their share.":
            ("100 * wrong / np.maximum(images, 1)", "wrong"),
        "A class without images divides by 0. Its error is 0.":
            ("np.maximum(images, 1)", "np.where(images, images, np.nan)"),
        "Nothing wrong among no images: 0 per cent, not 100.":
            ("100 * wrong", "100 - 100 * np.diagonal(table)"),
        "One number for each class, also for one without images.":
            ("return 100 * wrong / np.maximum(images, 1)",
             "return (100 * wrong / images.clip(1))[images > 0]"),
        "One number for each class, not one for all.":
            ("wrong / np.maximum(images, 1)", "wrong.sum() / images.sum()"),
    }),
]
