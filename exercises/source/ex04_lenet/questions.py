"""Exercise 4, LeNet: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, one_of, whole

SECONDS = 120
MEMORY = 4000


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


def fits_without_one(size, kernel, padding):
    return size - kernel if padding == "valid" else size


def fits_as_same(size, kernel, padding):
    return size


def fits_as_valid(size, kernel, padding):
    return size - kernel + 1


def fits(size, kernel, padding):
    return fits_as_valid(size, kernel, padding) if padding == "valid" else size


def down(size, window):
    return size // window


def column(case, fit=fits, pool=down, flat=np.prod, deep=lambda channels, filters: filters):
    """The shapes, with what a mistake does to a window, a pooling, the flat row or the depth."""
    shape, stack = case
    found = []
    for kind, *numbers in stack:
        if kind == "conv":
            sides = [fit(side, *numbers[1:]) for side in shape[:2]]
            shape = (*sides, deep(shape[2], numbers[0]))
        elif kind == "pool":
            shape = (pool(shape[0], *numbers), pool(shape[1], *numbers), shape[2])
        else:
            shape = (int(flat(shape)) if kind == "flatten" else numbers[0],)
        found.append(tuple(shape))
    return found


def shapes_without_one(input_shape, stack):
    return column((input_shape, stack), fits_without_one)


def shapes_as_same(input_shape, stack):
    return column((input_shape, stack), fits_as_same)


def shapes_as_valid(input_shape, stack):
    return column((input_shape, stack), fits_as_valid)


def shapes_too_deep(input_shape, stack):
    return column((input_shape, stack), deep=lambda channels, filters: channels * filters)


def shapes_of_input_depth(input_shape, stack):
    return column((input_shape, stack), deep=lambda channels, filters: channels)


def shapes_width_first(input_shape, stack):
    height, width, channels = input_shape
    return column(((width, height, channels), stack))


def shapes_channels_first(input_shape, stack):
    return [(each[2], *each[:2]) if len(each) == 3 else each
            for each in column((input_shape, stack))]  # fmt: skip


def shapes_rounded_up(input_shape, stack):
    return column((input_shape, stack), pool=lambda size, window: -(-size // window))


def shapes_halved(input_shape, stack):
    return column((input_shape, stack), pool=lambda size, window: size // 2)


def shapes_sliding(input_shape, stack):
    return column((input_shape, stack), pool=lambda size, window: size - window + 1)


def shapes_of_one_map(input_shape, stack):
    return column((input_shape, stack), flat=lambda shape: np.prod(shape[:2]))


def shapes_of_sum(input_shape, stack):
    return column((input_shape, stack), flat=sum)


def shapes_with_images(input_shape, stack):
    return [(None, *each) for each in column((input_shape, stack))]


def shapes_with_input(input_shape, stack):
    return [tuple(input_shape), *column((input_shape, stack))]


def shapes_as_numbers(input_shape, stack):
    return [each if len(each) == 3 else each[0] for each in column((input_shape, stack))]


def shapes_last_only(input_shape, stack):
    return column((input_shape, stack))[-1]


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


def built(case, first=None, second=None, pool=None, flat="Flatten", units=(120, 84), last=None,
          dense=None, after=False, biases=True):  # fmt: skip
    """A LeNet in which some options are those of a mistake."""
    import keras
    from keras import layers

    input_shape, classes, activation, pooling = case
    kinds = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
    image = outputs = keras.Input(tuple(input_shape))
    inside = None if after else activation
    for filters, options in ((6, {"padding": "same"}), (16, {})):
        options = {**options, **((first if filters == 6 else second) or {})}
        options = {"activation": inside, "use_bias": biases, **options}
        outputs = layers.Conv2D(filters, 5, **options)(outputs)
        outputs = kinds[pooling](2, **(pool or {}))(outputs)
        outputs = layers.Activation(activation)(outputs) if after else outputs
    outputs = getattr(layers, flat)()(outputs)
    for number in units:
        options = {"activation": activation, "use_bias": biases, **(dense or {})}
        outputs = layers.Dense(number, **options)(outputs)
    logits = layers.Dense(classes, activation=last, use_bias=biases)
    return keras.Model(image, logits(outputs))


def built_valid(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), first={"padding": "valid"})


def built_same(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), second={"padding": "same"})


def built_without_biases(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), biases=False)


def built_sliding(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), pool={"strides": 1})


def built_padded_pool(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), pool={"padding": "same"})


def built_other_way_round(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), units=(84, 120))


def built_without_dense2(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), units=(120,))


def built_global(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), flat="GlobalAveragePooling2D")


def built_ten_classes(input_shape, classes, activation, pooling):
    return built((input_shape, 10, activation, pooling))


def built_with_softmax(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), last="softmax")


def built_with_last_activation(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), last=activation)


def built_linear(input_shape, classes, activation, pooling):
    return built((input_shape, classes, "linear", pooling))


def built_linear_convolutions(input_shape, classes, activation, pooling):
    linear = {"activation": None}
    return built((input_shape, classes, activation, pooling), first=linear, second=linear)


def built_linear_dense(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), dense={"activation": None})


def built_with_relu(input_shape, classes, activation, pooling):
    return built((input_shape, classes, "relu", pooling))


def built_with_relu_at_the_end(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), dense={"activation": "relu"})


def built_with_maximum(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, "max"))


def built_with_average(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, "average"))


def built_pooled_first(input_shape, classes, activation, pooling):
    return built((input_shape, classes, activation, pooling), after=True)


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


def counted(rows, columns, classes):
    table = np.zeros((classes, classes), int)
    np.add.at(table, (rows, columns), 1)
    return table


def confusion_transposed(labels, scores):
    return counted(scores.argmax(axis=1), labels, scores.shape[1])


def confusion_counted_once(labels, scores):
    table = np.zeros((scores.shape[1],) * 2, int)
    table[labels, scores.argmax(axis=1)] += 1
    return table


def confusion_of_mistakes(labels, scores):
    table = counted(labels, scores.argmax(axis=1), scores.shape[1])
    np.fill_diagonal(table, 0)
    return table


def confusion_of_known_classes(labels, scores):
    return counted(
        labels, scores.argmax(axis=1), max(labels.max(), scores.argmax(axis=1).max()) + 1
    )


def confusion_of_ten(labels, scores):
    return counted(labels, scores.argmax(axis=1), 10)


def confusion_in_shares(labels, scores):
    table = counted(labels, scores.argmax(axis=1), scores.shape[1])
    return table / len(labels)


def confusion_in_shares_of_rows(labels, scores):
    table = counted(labels, scores.argmax(axis=1), scores.shape[1])
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1)


def confusion_of_lowest(labels, scores):
    return counted(labels, scores.argmin(axis=1), scores.shape[1])


def confusion_of_sizes(labels, scores):
    return counted(labels, np.abs(scores).argmax(axis=1), scores.shape[1])


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


def right_and_all(table, axis):
    return np.diagonal(table), np.maximum(table.sum(axis=axis), 1)


def errors_by_answer(table):
    right, images = right_and_all(table, 0)
    return 100 * (1 - right / images)


def errors_of_all(table):
    right, _ = right_and_all(table, 1)
    return 100 * (table.sum(axis=1) - right) / table.sum()


def errors_as_fractions(table):
    right, images = right_and_all(table, 1)
    return (table.sum(axis=1) - right) / images


def shares_right(table):
    right, images = right_and_all(table, 1)
    return 100 * right / images


def errors_as_numbers(table):
    return table.sum(axis=1) - np.diagonal(table)


def errors_not_a_number(table):
    images = table.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return 100 - 100 * np.diagonal(table) / images


def errors_of_a_hundred(table):
    return 100 - shares_right(table)


def errors_without_gaps(table):
    found = errors_not_a_number(table)
    return found[np.isfinite(found)]


def errors_of_the_mean(table):
    return 100 * (1 - np.trace(table) / table.sum())


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("conv1", "flat", "dense1", "partial", "spread")],
        probe="values",
        mistakes={
            "Every filter has a bias.": {"conv1": 450, "partial": 108},
            "A filter is as deep as its input, and this one has three channels.": {"conv1": 156},
            "There is one bias for each filter, not one in all.": {"conv1": 451},
            "One bias for each filter, not for each of its kernels.": {
                "conv1": 468,
                "partial": 120,
            },
            "That is one map. How many are there?": {"flat": 36},
            "That is for images of 28×28.": {"flat": 400, "dense1": 48_120},
            "conv2 has no padding.": {"flat": 1024, "dense1": 123_000},
            "Every unit has a bias.": {"dense1": 69_120},
            "A filter sees two maps, not all four.": {"partial": 222},
            "A filter sees two maps, so it has two kernels.": {"partial": 60},
            "How many pairs can be made of four maps?": {"partial": 76},
            "Pair (0, 1) and pair (1, 0) are the same pair.": {"partial": 228},
            "Nearly: to a whole number.": {"spread": 9.8},
            "Yes, and now rounded to a whole number.": {"spread": 9.79796},
            "That is the variance.": {"spread": 96},
            "That is the number of mistakes, not its spread.": {"spread": 100},
            "That is the deviation of the share, in per cent. How many digits is it?": {
                "spread": 0
            },
        },
    ),
    Question(
        "output_shapes",
        [
            Part("convolutions", 1, convolutions),
            Part("poolings", 1, poolings),
            Part("flat and dense", 1, to_the_end),
        ],
        mistakes={
            "One too few: a window of 5 fits 24 times into 28 pixels.": shapes_without_one,
            "With padding 'valid' a convolution takes pixels away.": shapes_as_same,
            "With padding 'same' a convolution keeps the size.": shapes_as_valid,
            "A filter is as deep as its input and gives one map, whatever comes in.": (
                shapes_too_deep
            ),
            "A convolution gives as many maps as it has filters.": shapes_of_input_depth,
            "Height comes before width.": shapes_width_first,
            "Channels come last (NHWC).": shapes_channels_first,
            "A pooling drops a window that does not fit whole: round down.": shapes_rounded_up,
            "Not every pooling halves: divide by its own `size`.": shapes_halved,
            "The windows of a pooling do not overlap: their stride is their size.": shapes_sliding,
            "All numbers of *all* maps lie in the flat row.": shapes_of_one_map,
            "How many numbers are in three maps of 2×2? Not 2 + 2 + 3.": shapes_of_sum,
            "A flat row has a shape as well, a tuple of one number: (400,).": shapes_as_numbers,
            "Leave the axis of the images out.": shapes_with_images,
            "The shape of the input itself does not belong to the list.": shapes_with_input,
            "Return the shapes of all layers, not only of the last one.": shapes_last_only,
        },
    ),
    Question(
        "build_lenet",
        [
            Part("numbers of parameters", 1, sizes, of="parameters"),
            Part("ReLU and maximum", 1, relu_and_maximum, of="outputs"),
            Part("average pooling", 1, average, of="outputs"),
            Part("other activations", 1, other_activations, of="outputs"),
        ],
        probe="network",
        tolerance=1e-4,
        mistakes={
            "conv1 pads.": built_valid,
            "conv2 does not pad.": built_same,
            "Biases are missing.": built_without_biases,
            "The stride of a pooling is 2, so that its windows do not overlap.": built_sliding,
            "The poolings do not pad.": built_padded_pool,
            "dense1 is the one with 120 units, dense2 the one with 84.": built_other_way_round,
            "A dense layer is missing.": built_without_dense2,
            "The maps are flattened, not averaged: the dense layers see every pixel of them.": (
                built_global
            ),
            "There are not always ten classes.": built_ten_classes,
            "The network gives scores: leave the softmax to the loss.": built_with_softmax,
            "Without an activation, convolutions and dense layers only ever add up.": built_linear,
            "The last layer has no activation.": built_with_last_activation,
            "The convolutions have an activation, too.": built_linear_convolutions,
            "dense1 and dense2 have an activation, too.": built_linear_dense,
            "Not every network has ReLUs: use `activation`.": built_with_relu,
            "The dense layers use `activation`, too.": built_with_relu_at_the_end,
            "`pooling` can be 'average'.": built_with_maximum,
            "`pooling` can be 'max'.": built_with_average,
            "The activation comes before the pooling, not after it.": built_pooled_first,
        },
    ),
    Question(
        "confusion",
        [
            Part("all classes occur", 1, all_classes),
            Part("some classes do not occur", 1, some_classes),
        ],
        mistakes={
            "Rows say what it is, columns what the network says.": confusion_transposed,
            "A pair that comes up several times counts several times; `+= 1` with lists of "
            "places adds to each place once.": confusion_counted_once,
            "What is right counts, too, on the diagonal.": confusion_of_mistakes,
            "One row and one column for each class, also for those that do not occur.": (
                confusion_of_known_classes
            ),
            "There are not always ten classes: `scores` has a column for each.": confusion_of_ten,
            "Count the images; the shares come in the next question.": confusion_in_shares,
            "Count the images of each row; the shares come in the next question.": (
                confusion_in_shares_of_rows
            ),
            "The answer is the class with the highest score.": confusion_of_lowest,
            "The highest score counts, not the one furthest from 0.": confusion_of_sizes,
        },
    ),
    Question(
        "class_errors",
        [
            Part("every class has images", 1, full_tables),
            Part("a class without images", 1, tables_with_gaps),
        ],
        mistakes={
            "True classes are the rows: this is the share of each *answer*.": errors_by_answer,
            "The share of the images of that class, not of all images.": errors_of_all,
            "In per cent, from 0 to 100.": errors_as_fractions,
            "That is the share which is right.": shares_right,
            "That is the number of mistakes, not their share.": errors_as_numbers,
            "A class without images divides by 0. Its error is 0.": errors_not_a_number,
            "Nothing wrong among no images: 0 per cent, not 100.": errors_of_a_hundred,
            "One number for each class, also for one without images.": errors_without_gaps,
            "One number for each class, not one for all.": errors_of_the_mean,
        },
    ),
]
