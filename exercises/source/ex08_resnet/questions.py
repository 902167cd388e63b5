"""Exercise 8, ResNet: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, by_hand, numbers, whole

SECONDS = 120
MEMORY = 4000
FORBIDDEN = ("course_utils.models",)

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "number": -2, "maps": 128, "narrow": 32, "stages": 4, "blocks": 3, "inputs": 24, "outputs": 48,
    "slope": 2, "row": 2, "seed": 8,
}  # fmt: skip


def own_numbers(rng):
    narrow, inputs = 8 * whole(rng, 2, 8), 4 * whole(rng, 3, 12)
    return {
        "number": -whole(rng, 1, 9),
        "maps": 4 * narrow,
        "narrow": narrow,
        "stages": whole(rng, 3, 6),
        "blocks": whole(rng, 3, 6),
        "inputs": inputs,
        "outputs": 2 * inputs,
        "slope": whole(rng, 2, 5),
        "row": whole(rng, 2, 4),
        "seed": whole(rng, 1, 999),
    }


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


# --- 3 The block ----------------------------------------------------------------------------------


def block_case(rng, shortcut, more, strides):
    channels = whole(rng, 2, 4)
    return {
        "input_shape": (whole(rng, 4, 5), whole(rng, 6, 7), channels),
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


# --- 4 The network --------------------------------------------------------------------------------


def network_case(rng, blocks, shortcut):
    steps = np.cumsum([whole(rng, 2, 4) for _ in blocks])
    return {
        "blocks": blocks,
        "filters": [2 + int(step) for step in steps],
        "input_shape": (whole(rng, 8, 10), whole(rng, 11, 13), whole(rng, 1, 3)),
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


# Of the solutions that the mistakes change: the lines of `build_block`, and of `build_resnet`.
FIRST_HALF = "layers.ReLU()(norm(layers.Conv2D(filters, 3, strides, **options)(x)))"
SECOND_HALF = "norm(layers.Conv2D(filters, 3, **options)(change))"
END = "layers.ReLU()(layers.Add()([change, carried]))"
ADDED = "layers.Add()([change, carried])"
PROJECTED = "norm(layers.Conv2D(filters, 1, strides, **options)(x))"
BEGINNING = """    outputs = layers.Conv2D(filters[0], 3, padding="same", use_bias=False)(image)
    outputs = layers.ReLU()(norm(outputs))
"""
BLOCK = """block = build_block(outputs.shape[1:], filters[stage], strides, shortcut)
            outputs = block(outputs)"""
PLAIN = """for step in (strides, 1):
                options = {"padding": "same", "use_bias": False}
                outputs = layers.Conv2D(filters[stage], 3, step, **options)(outputs)
                outputs = layers.ReLU()(norm(outputs))"""

# fmt: off
QUESTIONS = [
    by_hand("negative", "bottleneck", "projections", "projection", "gradient", mistakes={
        "One more step follows the addition.": ("max(0, own.number)", "own.number"),
        "Only the middle one of the three is 3×3.":
            [("own.maps * own.narrow + 9", "9 * own.maps * own.narrow + 9"),
             ("own.narrow * own.maps,", "9 * own.narrow * own.maps,")],
        "There are three convolutions: the last one leads back to as many maps as came in.":
            (" + own.narrow * own.maps", ""),
        "Each filter reads all maps that come in, and there are many filters.":
            ("own.maps * own.narrow + 9 * own.narrow**2 + own.narrow * own.maps",
             "own.maps + 9 * own.narrow + own.narrow"),
        "There are no biases.":
            [("own.narrow * own.maps,", "own.narrow * own.maps + 2 * own.narrow + own.maps,"),
             ("2 * own.outputs", "3 * own.outputs")],
        "The first stage already gets 64 maps, and keeps their size.": ("stages - 1", "stages"),
        "A projection in every block is option C.": ("own.stages - 1", "own.stages * own.blocks"),
        "Only one block of a stage changes the shape.":
            ("own.stages - 1", "(own.stages - 1) * own.blocks"),
        "Batch norm has numbers that are trained, too.": (" + 2 * own.outputs", ""),
        "The moving mean and the moving variance are not trained.":
            ("2 * own.outputs", "4 * own.outputs"),
        "A projection is 1×1.": ("own.inputs * own.outputs", "9 * own.inputs * own.outputs"),
        "Batch norm trains two numbers for each map.": ("2 * own.outputs", "own.outputs"),
        "The direct way, past F, is missing.": ("(1 + own.slope)", "own.slope"),
        "Each block multiplies: by how much?": ("** own.row", "* own.row"),
        "The direct way is there in each block, not once for all.":
            ("(1 + own.slope) **", "1 + own.slope **"),
    }),
    Question("pad_shortcut", [
        Part("more channels", 1, more_channels), Part("strides", 1, with_strides),
    ], mistakes={
        "The zeros come behind the channels, not in front of them.":
            ("(0, missing)", "(missing, 0)"),
        "All zeros come behind the channels.":
            ("(0, missing)", "(missing // 2, missing - missing // 2)"),
        "`filters` is the number of channels in the end, not that of the zeros.":
            ("filters - maps.shape[-1]", "filters"),
        "The last axis holds the channels: images, height, width, channels.":
            ("(0, 0), (0, 0), (0, missing)", "(0, missing), (0, 0), (0, 0)"),
        "Fill up with zeros, not with copies.": ("missing)))", 'missing)), mode="edge")'),
        "Begin with the first pixel of the first row.":
            ("::strides, ::strides", "strides - 1 :: strides, strides - 1 :: strides"),
        "Keep all images: the first axis is not to be thinned out.":
            ("[:, ::strides", "[::strides"),
        "The columns are thinned out like the rows.": (", ::strides]", "]"),
        "Rows and columns are thinned out by `strides`.": ("[:, ::strides, ::strides]", ""),
        "Every second pixel, not the first half of them.":
            ("::strides, ::strides", ": maps.shape[1] // strides, : maps.shape[2] // strides"),
        "The maps are NHWC: the channels are the last axis.":
            [("[:, ::strides", "[:, :, ::strides"), ("shape[-1]", "shape[1]"),
             ("(0, 0), (0, 0), (0, missing)", "(0, max(missing, 0)), (0, 0), (0, 0)")],
    }),
    Question("build_block", [
        Part("parameters", 1, both_options, of="parameters"),
        Part("the shape stays", 1, same_shape), Part("option A", 1, option_a),
        Part("option B", 1, option_b),
    ], probe="network", tolerance=1e-4, mistakes={
        "The last ReLU comes after the addition.":
            (END, "layers.Add()([layers.ReLU()(change), carried])"),
        "The addition is followed by a ReLU.": (END, ADDED),
        "One ReLU between the convolutions, one after the addition, no other.":
            ("[change, carried]", "[layers.ReLU()(change), carried]"),
        "A ReLU is missing between the convolutions.": ("layers.ReLU()(norm", "(norm"),
        "The shortcut begins at the block's input, not behind its first layers.":
            [("change = norm", "first = change\n    change = norm"),
             ("change, carried", "change, first")],
        "The shortcut is added once.": ("[change, carried]", "[change, carried, carried]"),
        "Where is the shortcut? This is the plain block.": (ADDED, "change"),
        "Add the shortcut; do not concatenate it.": ("layers.Add", "layers.Concatenate"),
        "Batch norm is missing: one behind each convolution.":
            [("ReLU()(norm(", "ReLU()(("), ("change = norm", "change = ")],
        "Batch norm is missing behind one of the convolutions.": ("change = norm", "change = "),
        "Batch norm is missing behind the first convolution.": ("ReLU()(norm(", "ReLU()(("),
        "Batch norm comes before the ReLU.":
            ("layers.ReLU()(norm(layers.Conv2D(filters, 3, s",
             "norm(layers.ReLU()(layers.Conv2D(filters, 3, s"),
        "Batch norm comes before the addition.":
            [("change = norm", "change = "), (ADDED, f"norm({ADDED})")],
        "That is the later order, with batch norm first. Take the paper's of 2015.":
            [(FIRST_HALF, "layers.Conv2D(filters, 3, strides, **options)(layers.ReLU()(norm(x)))"),
             (SECOND_HALF, "layers.Conv2D(filters, 3, **options)(layers.ReLU()(norm(change)))"),
             (END, ADDED)],
        "It is the first of the two convolutions that has the stride.":
            [("3, **options", "3, strides, padding='same', use_bias=False"),
             ("3, strides, **options", "3, **options")],
        "The convolutions have no bias.": ("False", "True"),
        "The projection is followed by batch norm.": (PROJECTED, PROJECTED[5:-1]),
        "The projection is a 1×1 convolution.": ("filters, 1, strides", "filters, 3, strides"),
        "Where the shape stays, the shortcut is x itself (this is option C).":
            ("strides > 1 or filters != x.shape[-1]", "True"),
        "Option A has no projection.": ('shortcut == "A"', "False"),
        "Option B has a projection, also where zeros would do.": ('shortcut == "A"', "True"),
        "The zeros come behind the channels, not in front of them.":
            ("(0, missing)", "(missing, 0)"),
        "Option A keeps single pixels; it takes no mean.":
            ("x[:, ::strides, ::strides]", 'layers.AveragePooling2D(strides, padding="same")(x)'),
        "Option A keeps single pixels; it takes no maximum.":
            ("x[:, ::strides, ::strides]", 'layers.MaxPooling2D(strides, padding="same")(x)'),
        "Leave dropout out.":
            ("    carried = x\n", "    change = layers.Dropout(0.2)(change)\n    carried = x\n"),
    }),
    Question("build_resnet", [
        Part("one stage", 1, one_stage), Part("three stages", 1, three_stages),
        Part("several blocks", 1, several_blocks),
    ], probe="network", tolerance=1e-4, mistakes={
        "The first stage keeps the size of the maps.": ("stage > 0 and ", ""),
        "Only the first block of a stage has a stride of 2.": (" and number == 0", ""),
        "The first block of a stage has the stride, not the last.":
            ("number == 0", "number == count - 1"),
        "From one stage to the next the maps become half as large.": ("strides = 2", "strides = 1"),
        "Stage number i has blocks[i] blocks.": ("range(count)", "range(1)"),
        "The first convolution is followed by batch norm and ReLU.":
            ("    outputs = layers.ReLU()(norm(outputs))\n", ""),
        "The first convolution is followed by batch norm.": ("norm(outputs)", "outputs"),
        "The first batch norm is followed by a ReLU.": ("layers.ReLU()(norm", "(norm"),
        "The first convolution has no bias.": ("False", "True"),
        "Where is the first convolution? The image does not go into a block.":
            (BEGINNING, "    outputs = image\n"),
        "Take the mean of each map; do not flatten them.": ("GlobalAveragePooling2D", "Flatten"),
        "Take the mean of each map, not its largest number.": ("GlobalAverage", "GlobalMax"),
        "The dense layer has a bias.": ("Dense(classes)", "Dense(classes, use_bias=False)"),
        "Return the scores themselves, without a softmax.":
            ("Dense(classes)", 'Dense(classes, activation="softmax")'),
        "The shortcuts are missing in the blocks.": (BLOCK, PLAIN),
        "Every block has the option that `shortcut` says.": ("strides, shortcut", 'strides, "A"'),
    }),
    Question("gradient_norms", [
        Part("no shortcut", 1, without_shortcut), Part("a shortcut", 1, with_shortcut),
        Part("other factors", 1, other_factors),
    ], tolerance=1e-5, mistakes={
        "Begin with what enters the first block, and end with what leaves the last.":
            ("norms[::-1]", "norms"),
        "One number more: also for what leaves the last block.": ("norms[::-1]", "norms[:0:-1]"),
        "One number more: also for what enters the first block.": ("norms[::-1]", "norms[-2::-1]"),
        "The loss is the sum of the outputs, not their mean.":
            ("np.ones(entering[-1].shape)", "np.ones(entering[-1].shape) / entering[-1].size"),
        "The norm is the square root of the sum of squares.":
            ("norms[::-1]", "np.square(norms[::-1])"),
        "On the way forwards, the branch has a ReLU.": ("np.maximum(x @ one, 0)", "(x @ one)"),
        "On the way back, the ReLU stops the gradient where its input was negative.":
            (" * (x @ one > 0)", ""),
        "On the way back, the shortcut passes the gradient on as well.":
            ("factor * gradient + ", ""),
        "On the way back, the shortcut has its factor, too.": ("factor * gradient", "gradient"),
        "The factor is that of the shortcut, not of the branch.":
            ("factor * gradient + branch", "gradient + factor * branch"),
        "On the way forwards, the shortcut has its factor, too.": ("factor * x", "x"),
        "On the way back, the matrices are transposed.": [("two.T", "two"), ("one.T", "one")],
        "Walk back: the last block comes first.": ("first[::-1], second[::-1]", "first, second"),
        "The ReLU reads `x @ first`; where that was negative, nothing comes back.":
            ("(x @ one > 0)", "(x > 0)"),
    }),
]
