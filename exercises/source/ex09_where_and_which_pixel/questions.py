"""Exercise 9, where and which pixel: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, by_hand, numbers, whole

SECONDS = 120
MEMORY = 4000
FORBIDDEN = ("course_utils.models", "course_utils.convolution", "course_utils.metrics",
             "course_utils.scenes")  # fmt: skip

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "inputs": 6, "kernel": 4, "stride": 3, "padding": 1, "wide": 5, "step": 2,
    "first": [0, 0, 6, 5], "second": [2, 1, 8, 6], "right": [1, 1, 0, 1, 0],
}  # fmt: skip


def own_numbers(rng):
    top, left, down, across = (whole(rng, low, low + 3) for low in (0, 0, 1, 1))
    before = rng.permutation([1, 1] + [0] * whole(rng, 1, 3)).tolist()
    return {
        "inputs": whole(rng, 5, 12),
        "kernel": whole(rng, 5, 8),
        "stride": whole(rng, 2, 4),
        "padding": whole(rng, 1, 2),
        "wide": whole(rng, 5, 11),
        "step": whole(rng, 2, 4),
        "first": [top, left, top + whole(rng, 5, 8), left + whole(rng, 5, 8)],
        "second": [top + down, left + across, top + down + 6, left + across + whole(rng, 5, 7)],
        "right": [*before, 1, *[0] * whole(rng, 1, 2)],
    }


# --- 2 A transposed convolution -------------------------------------------------------------------


def transpose_case(rng, stride, padding=0, channels=1, filters=1):
    """Height and width differ, and so do those of the kernel."""
    kernel = 2 * padding + whole(rng, 1, 2), 2 * padding + 3
    return {
        "maps": numbers(rng, whole(rng, 2, 3), whole(rng, 4, 5), channels),
        "kernels": numbers(rng, *kernel, filters, channels),
        "stride": stride,
        "padding": padding,
    }


def stride_one(rng):
    return [transpose_case(rng, 1) for _ in range(3)]


def larger_strides(rng):
    return [transpose_case(rng, stride) for stride in (2, 3, 4)]


def with_padding(rng):
    return [transpose_case(rng, stride, padding) for stride, padding in ((1, 1), (2, 1), (3, 2))]


def channels_and_filters(rng):
    pairs = (whole(rng, 2, 3), 1), (1, whole(rng, 2, 3)), (2, 4)
    return [transpose_case(rng, 2, 1, *pair) for pair in pairs]


# --- 3 Two boxes ----------------------------------------------------------------------------------


def box(rng, top, left):
    top, left = top + whole(rng, 0, 3), left + whole(rng, 0, 3)
    return [top, left, top + whole(rng, 9, 12), left + whole(rng, 6, 8)]


def overlapping(rng):
    return [{"first": box(rng, 0, 0), "second": box(rng, 4, 2)} for _ in range(3)]


def apart(rng):
    first = box(rng, 0, 0)
    top, left, bottom, right = first
    beside = [top, right, bottom - 1, right + 5]  # touches it
    far = box(rng, 30, 30)  # apart in both directions
    return [{"first": first, "second": other} for other in (beside, far, box(rng, 40, 0))]


def inside(rng):
    cases = []
    for _ in range(3):
        outer = box(rng, 0, 0)
        inner = [outer[0] + 1, outer[1] + 2, outer[2] - whole(rng, 2, 4), outer[3] - 1]
        cases += [{"first": outer, "second": inner}, {"first": inner, "second": outer}]
    return cases[:4]


# --- 4 One digit, one box -------------------------------------------------------------------------


def chain(rng, left, width, classes, threshold):
    """Boxes each of which overlaps the next, so that what is dropped matters for the others."""
    count = len(left)
    return {
        "boxes": np.stack([np.zeros(count), left, np.full(count, 10), left + width], axis=1),
        "scores": np.round(rng.permutation(count) / count + 0.1, 3),
        "labels": rng.permutation(np.arange(count) % classes),
        "threshold": threshold,
    }


def crowd(rng, classes, threshold):
    """A chain, and far below it a copy of one of its boxes, which shares that one's columns only."""
    case = chain(rng, np.cumsum(rng.integers(2, 5, 7)), 10, classes, threshold)
    copied = whole(rng, 0, 6)
    below = {"boxes": case["boxes"][copied] + [20, 0, 20, 0], "labels": case["labels"][copied]}
    below["scores"] = 0.05  # asked last
    return case | {name: np.concatenate([case[name], [below[name]]]) for name in below}


def just_at_the_threshold(rng):
    """Neighbours share 6 of 12 columns: that is the threshold, and not more."""
    return chain(rng, 3 * np.arange(7), 9, 1, 0.5)


def one_class(rng):
    return [*(crowd(rng, 1, 0.5) for _ in range(3)), just_at_the_threshold(rng)]


def several_classes(rng):
    return [crowd(rng, classes, 0.4) for classes in (2, 3, 2, 3)]


def other_thresholds(rng):
    return [crowd(rng, 1, threshold) for threshold in (0.15, 0.3, 0.75, 0.9)]


# --- 5 A U-Net ------------------------------------------------------------------------------------


def unet_case(rng, depth):
    side = 2**depth
    return {
        "filters": whole(rng, 2, 4),
        "depth": depth,
        "input_shape": (side * whole(rng, 1, 2), side * 3, whole(rng, 1, 3)),
        "classes": whole(rng, 3, 6),
        "batch": 1,
        "weight_seed": whole(rng, 1, 10_000),
    }


def one_pooling(rng):
    return [unet_case(rng, 1) for _ in range(2)]


def several_poolings(rng):
    return [unet_case(rng, depth) for depth in (2, 3)]


# Of the solutions that the mistakes change: where each begins, and lines that several change.
STAMPS, BOXES = "height, width, channels =", "height = min"
CUT = "[padding : len(sheet) - padding, padding : sheet.shape[1] - padding]"
UNION = "(areas[0] + areas[1] - both)"
JOIN = "[outputs, kept[stage]]"
DOWN, BOTTOM = "append(twice(outputs, filters * 2**stage", "filters * 2**depth"
UP, JOINED = "filters * 2**stage, 2, strides=2", "outputs = twice(outputs, filters * 2**stage)"

# fmt: off
QUESTIONS = [
    by_hand("size", "stamps", "iou", "precision", mistakes={
        "The last stamp begins at (inputs − 1) · stride and is as long as the kernel.":
            ("(own.inputs - 1) * own.stride + own.kernel", "own.inputs * own.stride"),
        "The first stamp begins at 0.": ("(own.inputs - 1)", "own.inputs"),
        "Padding cuts at both ends.": ("2 * own.padding", "own.padding"),
        "Padding takes away here: it is the way back.": ("- 2 * own", "+ 2 * own"),
        "How far apart do the stamps begin, and how long is one?":
            ("-(-own.wide // own.step)", "own.wide // own.step"),
        "Along one axis: not rows times columns.":
            ("-(-own.wide // own.step)", "(-(-own.wide // own.step)) ** 2"),
        "The union counts the overlap once.": (" - both)", ")"),
        "Row `bottom` and column `right` do not belong to the box.":
            [("min(bottom, bottom_2)", "min(bottom, bottom_2) + 1"),
             ("min(right, right_2)", "min(right, right_2) + 1"),
             ("(bottom - top) * (right - left)", "(bottom - top + 1) * (right - left + 1)"),
             ("(bottom_2 - top_2) * (right_2 - left_2)",
              "(bottom_2 - top_2 + 1) * (right_2 - left_2 + 1)")],
        "That is the share of one box.": ("(one + other - both)", "one"),
        "Of those so far, not of all.": ("3 / last", "3 / len(own.right)"),
        "That is the recall.": ("3 / last", "3 / 3"),
    }),
    Question("conv2d_transpose", [
        Part("stride 1", 1, stride_one), Part("larger strides", 1, larger_strides),
        Part("padding", 1, with_padding), Part("channels and filters", 1, channels_and_filters),
    ], mistakes={
        "Where stamps overlap they add up: `+=`, not `=`.": ("+= stamp", "= stamp"),
        "The kernel is not turned: its first number goes to the upper left.":
            ("kernels[..., channel]", "kernels[::-1, ::-1, :, channel]"),
        "The stamps begin `stride` apart.": ("i * stride, j * stride", "i, j"),
        "The first stamps begin at 0 and at `stride`.": (STAMPS, f"stride += 1\n    {STAMPS}"),
        "The last stamp begins at (rows − 1) · stride: the sheet ends where it ends.":
            ("(height - 1) * stride + rows, (width - 1) * stride + columns",
             "height * stride + rows, width * stride + columns"),
        "Padding cuts rows and columns off.": (CUT, ""),
        "Padding cuts at the end as well as at the start.": (CUT, "[padding:, padding:]"),
        "So many rows and columns are cut off at each end, not twice as many.":
            (STAMPS, f"padding *= 2\n    {STAMPS}"),
        "Here padding takes rows and columns away; it puts none on.":
            (f"sheet{CUT}", "np.pad(sheet, ((padding, padding), (padding, padding), (0, 0)))"),
        "Rows and columns of the kernel are swapped.":
            (STAMPS, f"kernels = kernels.swapaxes(0, 1)\n    {STAMPS}"),
        "The kernel's axes: rows, columns, filters, channels.":
            (STAMPS, f"kernels = kernels.swapaxes(2, 3)\n    {STAMPS}"),
        "Every output adds up over all channels of the maps.": ("range(channels)", "range(1)"),
    }),
    Question("box_iou", [
        Part("overlapping", 1, overlapping), Part("apart", 1, apart),
        Part("one inside the other", 1, inside),
    ], mistakes={
        "Boxes are half open: a height is bottom − top, without + 1.":
            [("max(first[0], second[0])", "max(first[0], second[0]) + 1"),
             ("max(first[1], second[1])", "max(first[1], second[1]) + 1"),
             ("box[2] - box[0]", "box[2] - box[0] + 1"),
             ("box[3] - box[1]", "box[3] - box[1] + 1")],
        "The union counts the overlap once: one + other − both.": (" - both)", ")"),
        "Divide by the union, not by the smaller box.": (UNION, "min(areas)"),
        "Divide by the union, not by the larger box.": (UNION, "max(areas)"),
        "Divide by the union, not by the first box.": (UNION, "areas[0]"),
        "That is Dice, which counts the overlap twice.":
            (f"both / {UNION}", "2 * both / sum(areas)"),
        "Boxes that are apart share nothing: each side of the overlap is at least 0.":
            ("max(height, 0) * max(width, 0)", "height * width"),
        "Two negative sides make no overlap: each is at least 0 before they are multiplied.":
            ("max(height, 0) * max(width, 0)", "max(height * width, 0)"),
        "The last two numbers are bottom and right, not height and width.":
            (BOXES, "first, second = [(*box[:2], box[0] + box[2], box[1] + box[3]) "
                    f"for box in (first, second)]\n    {BOXES}"),
        "That is the overlap in pixels; divide it by the union.": (f" / {UNION}", ""),
    }),
    Question("suppress", [
        Part("one class", 1, one_class), Part("several classes", 1, several_classes),
        Part("other thresholds", 1, other_thresholds),
    ], mistakes={
        "Boxes that share columns and no rows do not overlap.":
            ("box_iou(boxes[place], boxes[other])",
             "box_iou(*([0, each[1], 10, each[3]] for each in (boxes[place], boxes[other])))"),
        "Only boxes of the same class suppress each other.":
            ("labels[other] == labels[place]", "True"),
        "Begin with the highest score.": ("-scores", "scores"),
        "The places come in the order of the scores, highest first.":
            ("return staying", "return sorted(staying)"),
        "A box that was dropped drops no other.":
            ("in staying if", "in range(len(boxes)) if scores[other] > scores[place] and"),
        "The threshold is an argument.": ("<= threshold", "<= 0.5"),
        "A box is dropped if it overlaps by *more* than the threshold.":
            ("<= threshold", "> threshold"),
        "As much as the threshold is not more: the box stays.": ("<= threshold", "< threshold"),
        "Compare with every box that stays, not only with the last of them.":
            ("box_iou(boxes[place], boxes[other]) <= threshold for other in rivals",
             "box_iou(boxes[place], boxes[other]) <= threshold for other in rivals[-1:]"),
        "Return places, not boxes.":
            ("return staying", "return [boxes[place] for place in staying]"),
        "Several boxes of a class may stay: there may be several digits of it.":
            ("<= threshold", "< 0"),
        "Nothing was dropped.": ("<= threshold", "<= 1"),
    }),
    Question("build_unet", [
        Part("parameters", 1, several_poolings, of="parameters"),
        Part("one pooling", 1, one_pooling), Part("several poolings", 1, several_poolings),
    ], probe="network", tolerance=1e-4, mistakes={
        "Where are the shortcuts? The way up gets the maps of the way down.":
            (f"layers.Concatenate()({JOIN})", "outputs"),
        "Concatenate the shortcut; do not add it.": ("Concatenate", "Add"),
        "Each stage has two convolutions.": ("range(2)", "range(1)"),
        "After each join come two convolutions, too.": (JOINED, "pass"),
        "The bottom has two convolutions of its own.":
            (f"outputs = twice(outputs, {BOTTOM})", "pass"),
        "Each convolution of the stages is followed by a ReLU.": (', activation="relu"', ""),
        "From stage to stage the filters double.":
            [(DOWN, "append(twice(outputs, filters"), (BOTTOM, "filters"),
             (UP, "filters, 2, strides=2"), (JOINED, "outputs = twice(outputs, filters)")],
        "The bottom has twice the filters of the last stage.":
            (BOTTOM, "filters * 2 ** (depth - 1)"),
        "Max-pooling keeps the largest of four, not their mean.":
            ("layers.MaxPooling2D", "layers.AveragePooling2D"),
        "The transposed convolutions are 2×2.": ("2, strides=2", '3, strides=2, padding="same"'),
        "A transposed convolution has weights; it is no mere enlargement.":
            (f"layers.Conv2DTranspose({UP})", "layers.UpSampling2D(2)"),
        "The transposed convolution of a stage has that stage's filters.":
            (UP, "filters * 2 ** (stage + 1), 2, strides=2"),
        "The transposed convolutions have no activation.":
            (UP, f'{UP}, activation="relu"'),
        "The scores come from a 1×1 convolution.":
            ("(classes, 1)", '(classes, 3, padding="same")'),
        "Return the scores themselves, without a softmax.":
            ("(classes, 1)", '(classes, 1, activation="softmax")'),
        "The shortcut takes the maps before they are pooled.":
            (JOIN, "[outputs, layers.UpSampling2D(2)(layers.MaxPooling2D(2)(kept[stage]))]"),
        "In the join the maps from below come first.": (JOIN, "[kept[stage], outputs]"),
    }),
]
