"""Exercise 8, ResNet: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, whole

SECONDS = 120
MEMORY = 4000


def numbers(rng, *shape, scale=1.0):
    return np.round(rng.normal(scale=scale, size=shape), 3)


# --- 2 Option A, in NumPy -------------------------------------------------------------------------


def more_channels(rng):
    channels = [whole(rng, 2, 3) for _ in range(2)]
    return [
        {"maps": numbers(rng, 2, 4, 3, each), "filters": each + more, "strides": 1}
        for each, more in zip(channels, (whole(rng, 1, 2), whole(rng, 4, 5)), strict=True)
    ]


def with_strides(rng):
    sizes = ((whole(rng, 3, 4) * 2, 5), (7, whole(rng, 3, 4) * 2), (whole(rng, 6, 8), 9))
    return [
        {"maps": numbers(rng, 3, *size, 2), "filters": 2 + more, "strides": strides}
        for size, more, strides in zip(sizes, (2, 0, whole(rng, 1, 4)), (2, 2, 3), strict=True)
    ]


def filled(maps, kept, before, after):
    """The kept pixels between channels of zeros."""
    zeros = np.zeros((*kept.shape[:3], before)), np.zeros((*kept.shape[:3], after))
    return np.concatenate([zeros[0], kept, zeros[1]], axis=-1)


def missing_of(maps, filters):
    return filters - maps.shape[-1]


def padded_in_front(maps, filters, strides):
    return filled(maps, maps[:, ::strides, ::strides], missing_of(maps, filters), 0)


def padded_on_both_sides(maps, filters, strides):
    missing = missing_of(maps, filters)
    kept = maps[:, ::strides, ::strides]
    return filled(maps, kept, missing // 2, missing - missing // 2)


def padded_by_filters(maps, filters, strides):
    return filled(maps, maps[:, ::strides, ::strides], 0, filters)


def padded_rows(maps, filters, strides):
    kept = maps[:, ::strides, ::strides]
    return np.pad(kept, ((0, 0), (0, missing_of(maps, filters)), (0, 0), (0, 0)))


def padded_with_copies(maps, filters, strides):
    kept = maps[:, ::strides, ::strides]
    return np.pad(kept, ((0, 0),) * 3 + ((0, missing_of(maps, filters)),), mode="edge")


def padded_from_second_pixel(maps, filters, strides):
    kept = maps[:, strides - 1 :: strides, strides - 1 :: strides]
    return filled(maps, kept, 0, missing_of(maps, filters))


def padded_images_strided(maps, filters, strides):
    return filled(maps, maps[::strides, ::strides], 0, missing_of(maps, filters))


def padded_rows_strided(maps, filters, strides):
    return filled(maps, maps[:, ::strides], 0, missing_of(maps, filters))


def padded_as_nchw(maps, filters, strides):
    missing = filters - maps.shape[1]
    return np.pad(maps[:, :, ::strides, ::strides], ((0, 0), (0, max(missing, 0)), (0, 0), (0, 0)))


# --- 3 The block ----------------------------------------------------------------------------------


def block_case(rng, shortcut, more, strides):
    channels = whole(rng, 2, 4)
    return {
        "input_shape": [whole(rng, 4, 5), whole(rng, 6, 7), channels],
        "batch": 1,
        "filters": channels + more,
        "strides": strides,
        "shortcut": shortcut,
        "weight_seed": whole(rng, 1, 10_000),
    }


def same_shape(rng):
    return [block_case(rng, shortcut, 0, 1) for shortcut in "AB"]


def changes(rng, shortcut):
    pairs = ((whole(rng, 2, 4), 2), (whole(rng, 1, 3), 1), (0, 2))
    return [block_case(rng, shortcut, *pair) for pair in pairs]


def option_a(rng):
    return changes(rng, "A")


def option_b(rng):
    return changes(rng, "B")


def both_options(rng):
    return [block_case(rng, shortcut, more, strides)
            for shortcut, more, strides in (("A", 3, 2), ("B", 3, 2), ("B", 0, 1))]  # fmt: skip


PAPER = "conv norm relu conv norm add relu"  # the order, as the text of the question has it


def norm(maps):
    from keras import layers

    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(maps)


def conv(maps, filters, kernel_size=3, strides=1, use_bias=False):
    from keras import layers

    options = {"padding": "same", "use_bias": use_bias}
    return layers.Conv2D(filters, kernel_size, strides, **options)(maps)


def fits(maps, filters, strides):
    return strides == 1 and maps.shape[-1] == filters


def zeros_behind(maps, filters, strides, front=False):
    from keras import ops

    amounts = (0, filters - maps.shape[-1])
    kept = maps[:, ::strides, ::strides]
    return ops.pad(kept, ((0, 0),) * 3 + (amounts[::-1] if front else amounts,))


def carry(maps, case, use_bias, everywhere=False, kernel_size=1, last=norm, pad=zeros_behind):
    """The shortcut, by option A or B, with what a mistake does to it."""
    filters, strides, shortcut = case
    if fits(maps, filters, strides) and not everywhere:
        return maps
    if shortcut == "A":
        return pad(maps, filters, strides)
    return last(conv(maps, filters, kernel_size, strides, use_bias))


def stacked(maps, filters, strides, shortcut, steps, use_bias=False, **options):
    """What comes out of a block whose layers are `steps`, by name.

    `keep` takes the shortcut there and not at the start; `conv/1` and `conv/s` say their stride.
    """
    from keras import layers

    outputs, carried, left = maps, None, strides
    for step in steps.split():
        if step == "conv":
            outputs, left = conv(outputs, filters, 3, left, use_bias), 1
        elif step in ("conv/1", "conv/s"):
            stride = strides if step == "conv/s" else 1
            outputs = conv(outputs, filters, 3, stride, use_bias)
        elif step == "norm":
            outputs = norm(outputs)
        elif step == "relu":
            outputs = layers.ReLU()(outputs)
        elif step == "keep":
            carried = outputs
        else:
            if carried is None:
                carried = carry(maps, (filters, strides, shortcut), use_bias, **options)
            join = layers.Concatenate() if step == "join" else layers.Add()
            outputs = join([outputs, carried])
    return outputs


def block(steps=PAPER, **options):
    """A function like the learner's, with what a mistake does to the order or to the shortcut."""

    def build(input_shape, filters, strides, shortcut):
        import keras

        image = keras.Input(tuple(input_shape))
        return keras.Model(image, stacked(image, filters, strides, shortcut, steps, **options))

    return build


def zeros_in_front(maps, filters, strides):
    return zeros_behind(maps, filters, strides, front=True)


def mean_of_windows(maps, filters, strides):
    from keras import layers

    kept = layers.AveragePooling2D(strides, padding="same")(maps) if strides > 1 else maps
    return zeros_behind(kept, filters, 1)


def largest_of_windows(maps, filters, strides):
    from keras import layers

    kept = layers.MaxPooling2D(strides, padding="same")(maps) if strides > 1 else maps
    return zeros_behind(kept, filters, 1)


def unchanged(maps):
    return maps


# --- 4 The network --------------------------------------------------------------------------------


def network_case(rng, blocks, shortcut):
    steps = np.cumsum([whole(rng, 2, 4) for _ in blocks])
    return {
        "blocks": blocks,
        "filters": [2 + int(step) for step in steps],
        "input_shape": [whole(rng, 8, 10), whole(rng, 11, 13), whole(rng, 1, 3)],
        "classes": whole(rng, 3, 9),
        "shortcut": shortcut,
        "weight_seed": whole(rng, 1, 10_000),
    }


def one_stage(rng):
    return [network_case(rng, [1], "A"), network_case(rng, [2], "B")]


def three_stages(rng):
    return [network_case(rng, [1, 1, 1], shortcut) for shortcut in "AB"]


def several_blocks(rng):
    pairs = ([whole(rng, 1, 2), 2], "A"), ([1, 2, whole(rng, 1, 2)], "B")
    return [network_case(rng, *pair) for pair in pairs]


def pooled(outputs):
    from keras import layers

    return layers.GlobalAveragePooling2D()(outputs)


def network(strided, start="conv norm relu", end=pooled, use_bias=True, last=None, steps=PAPER):
    """A function like the learner's; `strided(stage, number)` says which blocks have the stride."""

    def build(blocks, filters, input_shape, classes, shortcut):
        import keras
        from keras import layers

        image = keras.Input(tuple(input_shape))
        outputs = stacked(image, filters[0], 1, shortcut, start)
        for stage, count in enumerate(blocks):
            for number in range(count):
                strides = 2 if strided(stage, number, count) else 1
                outputs = stacked(outputs, filters[stage], strides, shortcut, steps)
        dense = layers.Dense(classes, use_bias=use_bias, activation=last)
        return keras.Model(image, dense(end(outputs)))

    return build


def first_of_later(stage, number, count):
    return stage > 0 and number == 0


def flat(outputs):
    from keras import layers

    return layers.Flatten()(outputs)


def largest(outputs):
    from keras import layers

    return layers.GlobalMaxPooling2D()(outputs)


# --- 5 The gradient on its way back ---------------------------------------------------------------


def stack_case(rng, factor):
    blocks, features = whole(rng, 3, 5), whole(rng, 5, 7)
    return {
        "first": numbers(rng, blocks, features, features, scale=0.6),
        "second": numbers(rng, blocks, features, features, scale=0.4),
        "inputs": numbers(rng, whole(rng, 2, 3), features),
        "factor": factor,
    }


def without_shortcut(rng):
    return [stack_case(rng, 0) for _ in range(2)]


def with_shortcut(rng):
    return [stack_case(rng, 1) for _ in range(2)]


def other_factors(rng):
    return [stack_case(rng, round(rng.uniform(*ends), 2)) for ends in ((0.3, 0.7), (1.3, 1.9))]


def relu(values):
    return np.maximum(values, 0)


def all_norms(first, second, inputs, factor, back, loss=np.ones_like, ahead=None):
    """The norms, from the last to the first, where `back` takes a gradient back past one block."""
    ahead = factor if ahead is None else ahead
    maps = [inputs]
    for one, two in zip(first, second, strict=True):
        maps.append(ahead * maps[-1] + relu(maps[-1] @ one) @ two)
    gradient = loss(maps[-1])
    found = [np.linalg.norm(gradient)]
    for place in reversed(range(len(first))):
        gradient = back(gradient, maps[place], first[place], second[place], factor)
        found.append(np.linalg.norm(gradient))
    return np.array(found)


def branch(gradient, values, one, two):
    return ((gradient @ two.T) * (values @ one > 0)) @ one.T


def back_past(gradient, values, one, two, factor):
    return factor * gradient + branch(gradient, values, one, two)


def norms_from_the_end(first, second, inputs, factor):
    return all_norms(first, second, inputs, factor, back_past)


def norms_without_output(first, second, inputs, factor):
    return norms_from_the_end(first, second, inputs, factor)[:0:-1]


def norms_without_input(first, second, inputs, factor):
    return norms_from_the_end(first, second, inputs, factor)[-2::-1]


def norms_of_mean(first, second, inputs, factor):
    def mean(outputs):
        return np.full(outputs.shape, 1 / outputs.size)

    return all_norms(first, second, inputs, factor, back_past, mean)[::-1]


def norms_squared(first, second, inputs, factor):
    return norms_from_the_end(first, second, inputs, factor)[::-1] ** 2


def norms_without_relu(first, second, inputs, factor):
    def back(gradient, values, one, two, factor):
        return factor * gradient + gradient @ two.T @ one.T

    return all_norms(first, second, inputs, factor, back)[::-1]


def norms_without_shortcut(first, second, inputs, factor):
    def back(gradient, values, one, two, factor):
        return branch(gradient, values, one, two)

    return all_norms(first, second, inputs, factor, back)[::-1]


def norms_without_factor(first, second, inputs, factor):
    def back(gradient, values, one, two, factor):
        return gradient + branch(gradient, values, one, two)

    return all_norms(first, second, inputs, factor, back)[::-1]


def norms_with_factor_back_only(first, second, inputs, factor):
    return all_norms(first, second, inputs, factor, back_past, ahead=1)[::-1]


def norms_not_transposed(first, second, inputs, factor):
    def back(gradient, values, one, two, factor):
        return factor * gradient + ((gradient @ two) * (values @ one > 0)) @ one

    return all_norms(first, second, inputs, factor, back)[::-1]


def norms_of_other_relu(first, second, inputs, factor):
    def back(gradient, values, one, two, factor):
        return factor * gradient + ((gradient @ two.T) * (values > 0)) @ one.T

    return all_norms(first, second, inputs, factor, back)[::-1]


QUESTIONS = [
    Question(
        "by_hand",
        [
            Part(name, 1, of=name)
            for name in ("negative", "bottleneck", "projections", "projection", "gradient")
        ],
        probe="values",
        mistakes={
            "One more step follows the addition.": {"negative": -2},
            "Only the middle one of the three is 3×3.": {"bottleneck": 82_944},
            "There are three convolutions: the last one leads back to 128 maps.": {
                "bottleneck": 13_312
            },
            "Each filter reads all maps that come in, and there are many filters.": {
                "bottleneck": 448
            },
            "There are no biases.": {"bottleneck": 17_600, "projection": 1_296},
            "The first stage already gets 64 maps, and keeps their size.": {"projections": 4},
            "A projection in every block is option C.": {"projections": 12},
            "Only one block of a stage changes the shape.": {"projections": 9},
            "Batch norm has numbers that are trained, too.": {"projection": 1_152},
            "The moving mean and the moving variance are not trained.": {"projection": 1_344},
            "A projection is 1×1.": {"projection": 10_464},
            "Batch norm trains two numbers for each map.": {"projection": 1_200},
            "The direct way, past F, is missing.": {"gradient": 4},
            "Each block multiplies: by how much?": {"gradient": 6},
            "The direct way is there in each block, not once for all.": {"gradient": 5},
        },
    ),
    Question(
        "pad_shortcut",
        [Part("more channels", 1, more_channels), Part("strides", 1, with_strides)],
        mistakes={
            "The zeros come behind the channels, not in front of them.": padded_in_front,
            "All zeros come behind the channels.": padded_on_both_sides,
            "`filters` is the number of channels in the end, not that of the zeros.": (
                padded_by_filters
            ),
            "The last axis holds the channels: images, height, width, channels.": padded_rows,
            "Fill up with zeros, not with copies.": padded_with_copies,
            "Begin with the first pixel of the first row.": padded_from_second_pixel,
            "Keep all images: the first axis is not to be thinned out.": padded_images_strided,
            "The columns are thinned out like the rows.": padded_rows_strided,
            "The maps are NHWC: the channels are the last axis.": padded_as_nchw,
        },
    ),
    Question(
        "build_block",
        [
            Part("parameters", 1, both_options, of="parameters"),
            Part("the shape stays", 1, same_shape),
            Part("option A", 1, option_a),
            Part("option B", 1, option_b),
        ],
        probe="network",
        tolerance=1e-4,
        mistakes={
            "The last ReLU comes after the addition.": block("conv norm relu conv norm relu add"),
            "The addition is followed by a ReLU.": block("conv norm relu conv norm add"),
            "One ReLU between the convolutions, one after the addition, no other.": block(
                "conv norm relu conv norm relu add relu"
            ),
            "A ReLU is missing between the convolutions.": block("conv norm conv norm add relu"),
            "The shortcut begins at the block's input, not behind its first layers.": block(
                "conv norm relu keep conv norm add relu"
            ),
            "The shortcut is added once.": block("conv norm relu conv norm add add relu"),
            "Where is the shortcut? This is the plain block.": block(
                "conv norm relu conv norm relu"
            ),
            "Add the shortcut; do not concatenate it.": block("conv norm relu conv norm join relu"),
            "Batch norm is missing: one behind each convolution.": block("conv relu conv add relu"),
            "Batch norm is missing behind one of the convolutions.": block(
                "conv norm relu conv add relu"
            ),
            "Batch norm is missing behind the first convolution.": block(
                "conv relu conv norm add relu"
            ),
            "Batch norm comes before the ReLU.": block("conv relu norm conv norm add relu"),
            "Batch norm comes before the addition.": block("conv norm relu conv add norm relu"),
            "That is the later order, with batch norm first. Take the paper's of 2015.": block(
                "norm relu conv norm relu conv add"
            ),
            "It is the first of the two convolutions that has the stride.": block(
                "conv/1 norm relu conv/s norm add relu"
            ),
            "The convolutions have no bias.": block(use_bias=True),
            "The projection is followed by batch norm.": block(last=unchanged),
            "The projection is a 1×1 convolution.": block(kernel_size=3),
            "Where the shape stays, the shortcut is x itself (this is option C).": block(
                everywhere=True
            ),
            "The zeros come behind the channels, not in front of them.": block(pad=zeros_in_front),
            "Option A keeps single pixels; it takes no mean.": block(pad=mean_of_windows),
            "Option A keeps single pixels; it takes no maximum.": block(pad=largest_of_windows),
        },
    ),
    Question(
        "build_resnet",
        [
            Part("one stage", 1, one_stage),
            Part("three stages", 1, three_stages),
            Part("several blocks", 1, several_blocks),
        ],
        probe="network",
        tolerance=1e-4,
        mistakes={
            "The first stage keeps the size of the maps.": network(
                lambda stage, number, count: number == 0
            ),
            "Only the first block of a stage has a stride of 2.": network(
                lambda stage, number, count: stage > 0
            ),
            "The first block of a stage has the stride, not the last.": network(
                lambda stage, number, count: stage > 0 and number == count - 1
            ),
            "From one stage to the next the maps become half as large.": network(
                lambda stage, number, count: False
            ),
            "The first convolution is followed by batch norm and ReLU.": network(
                first_of_later, start="conv"
            ),
            "The first convolution is followed by batch norm.": network(
                first_of_later, start="conv relu"
            ),
            "The first batch norm is followed by a ReLU.": network(
                first_of_later, start="conv norm"
            ),
            "Where is the first convolution? The image does not go into a block.": network(
                first_of_later, start=""
            ),
            "Take the mean of each map; do not flatten them.": network(first_of_later, end=flat),
            "Take the mean of each map, not its largest number.": network(
                first_of_later, end=largest
            ),
            "The dense layer has a bias.": network(first_of_later, use_bias=False),
            "Return the scores themselves, without a softmax.": network(
                first_of_later, last="softmax"
            ),
            "The shortcuts are missing in the blocks.": network(
                first_of_later, steps="conv norm relu conv norm relu"
            ),
        },
    ),
    Question(
        "gradient_norms",
        [
            Part("no shortcut", 1, without_shortcut),
            Part("a shortcut", 1, with_shortcut),
            Part("other factors", 1, other_factors),
        ],
        tolerance=1e-5,
        mistakes={
            "Begin with what enters the first block, and end with what leaves the last.": (
                norms_from_the_end
            ),
            "One number more: also for what leaves the last block.": norms_without_output,
            "One number more: also for what enters the first block.": norms_without_input,
            "The loss is the sum of the outputs, not their mean.": norms_of_mean,
            "The norm is the square root of the sum of squares.": norms_squared,
            "On the way back, the ReLU stops the gradient where its input was negative.": (
                norms_without_relu
            ),
            "On the way back, the shortcut passes the gradient on as well.": norms_without_shortcut,
            "On the way back, the shortcut has its factor, too.": norms_without_factor,
            "On the way forwards, the shortcut has its factor, too.": norms_with_factor_back_only,
            "On the way back, the matrices are transposed.": norms_not_transposed,
            "The ReLU reads `x @ first`; where that was negative, nothing comes back.": (
                norms_of_other_relu
            ),
        },
    ),
]
