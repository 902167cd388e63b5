"""Exercise 9, where and which pixel: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, whole

SECONDS = 120
MEMORY = 4000


# --- 2 A transposed convolution -------------------------------------------------------------------


def numbers(rng, *shape):
    return np.round(rng.normal(size=shape), 2)


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


def stamped(maps, kernels, step, cut=(0, 0), add=True):
    """Stamps of `kernels` on a sheet, `step` apart, with `cut` taken off at both ends."""
    height, width = maps.shape[:2]
    rows, columns, filters = kernels.shape[:3]
    sheet = np.zeros(((height - 1) * step + rows, (width - 1) * step + columns, filters))
    for row in range(height):
        for column in range(width):
            place = (
                slice(row * step, row * step + rows),
                slice(column * step, column * step + columns),
            )
            sheet[place] = kernels @ maps[row, column] + (sheet[place] if add else 0)
    return sheet[cut[0] : len(sheet) - cut[1], cut[0] : sheet.shape[1] - cut[1]]


def overwriting(maps, kernels, stride, padding):
    return stamped(maps, kernels, stride, (padding, padding), add=False)


def turned_kernel(maps, kernels, stride, padding):
    return stamped(maps, kernels[::-1, ::-1], stride, (padding, padding))


def without_stride(maps, kernels, stride, padding):
    return stamped(maps, kernels, 1, (padding, padding))


def stride_too_large(maps, kernels, stride, padding):
    return stamped(maps, kernels, stride + 1, (padding, padding))


def nothing_cut(maps, kernels, stride, padding):
    return stamped(maps, kernels, stride)


def cut_at_the_start(maps, kernels, stride, padding):
    return stamped(maps, kernels, stride, (padding, 0))


def cut_twice(maps, kernels, stride, padding):
    return stamped(maps, kernels, stride, (2 * padding, 2 * padding))


def padded_outside(maps, kernels, stride, padding):
    zeros = (padding, padding)
    return np.pad(stamped(maps, kernels, stride), (zeros, zeros, (0, 0)))


def rows_as_columns(maps, kernels, stride, padding):
    return stamped(maps, kernels.swapaxes(0, 1), stride, (padding, padding))


def filters_as_channels(maps, kernels, stride, padding):
    return stamped(maps, kernels.swapaxes(2, 3), stride, (padding, padding))


def first_channel(maps, kernels, stride, padding):
    return stamped(maps[..., :1], kernels[..., :1], stride, (padding, padding))


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


def shares(first, second, more=0, clip=True):
    """The area of the overlap and of each box, with `more` pixels on each side length."""
    sides = [min(first[2 + axis], second[2 + axis]) - max(first[axis], second[axis]) + more
             for axis in (0, 1)]  # fmt: skip
    both = np.prod([max(side, 0) if clip else side for side in sides])
    areas = [(each[2] - each[0] + more) * (each[3] - each[1] + more) for each in (first, second)]
    return both, *areas


def inclusive_borders(first, second):
    both, one, other = shares(first, second, more=1)
    return both / (one + other - both)


def union_with_overlap_twice(first, second):
    both, one, other = shares(first, second)
    return both / (one + other)


def of_the_smaller(first, second):
    both, one, other = shares(first, second)
    return both / min(one, other)


def of_the_first(first, second):
    both, one, _ = shares(first, second)
    return both / one


def dice(first, second):
    both, one, other = shares(first, second)
    return 2 * both / (one + other)


def negative_sides(first, second):
    both, one, other = shares(first, second, clip=False)
    return both / (one + other - both)


def heights_and_widths(first, second):
    corners = [[top, left, top + height, left + width] for top, left, height, width in
               (first, second)]  # fmt: skip
    both, one, other = shares(*corners)
    return both / (one + other - both)


def overlap_alone(first, second):
    return shares(first, second)[0]


# --- 4 One digit, one box -------------------------------------------------------------------------


def crowd(rng, classes, threshold):
    """Boxes on a chain: each overlaps the next, so that what is dropped matters for the others."""
    count = 7
    left = np.cumsum(rng.integers(2, 5, count))
    boxes = np.stack([np.zeros(count), left, np.full(count, 10), left + 10], axis=1)
    return {
        "boxes": boxes,
        "scores": np.round(rng.permutation(count) / count + 0.1, 3),
        "labels": rng.permutation(np.arange(count) % classes),
        "threshold": threshold,
    }


def one_class(rng):
    return [crowd(rng, 1, 0.5) for _ in range(4)]


def several_classes(rng):
    return [crowd(rng, classes, 0.4) for classes in (2, 3, 2, 3)]


def other_thresholds(rng):
    return [crowd(rng, 1, threshold) for threshold in (0.15, 0.3, 0.75, 0.9)]


def suppressed(boxes, scores, labels, threshold, worst=False, whole_list=False, above=True):
    """The places that stay, with what a mistake changes."""
    order = np.argsort(scores if worst else -np.asarray(scores), kind="stable")
    staying = []
    for number, place in enumerate(order):
        before = order[:number] if whole_list else staying
        overlaps = [iou_of(boxes[place], boxes[other]) * (labels[place] == labels[other])
                    for other in before]  # fmt: skip
        if not any((value > threshold) == above for value in overlaps):
            staying.append(int(place))
    return staying


def iou_of(first, second):
    both, one, other = shares(first, second)
    return both / (one + other - both)


def across_classes(boxes, scores, labels, threshold):
    return suppressed(boxes, scores, np.zeros(len(boxes)), threshold)


def lowest_first(boxes, scores, labels, threshold):
    return suppressed(boxes, scores, labels, threshold, worst=True)


def in_their_old_order(boxes, scores, labels, threshold):
    return sorted(suppressed(boxes, scores, labels, threshold))


def dropped_ones_drop(boxes, scores, labels, threshold):
    return suppressed(boxes, scores, labels, threshold, whole_list=True)


def fixed_threshold(boxes, scores, labels, threshold):
    return suppressed(boxes, scores, labels, 0.5)


def the_other_way(boxes, scores, labels, threshold):
    return suppressed(boxes, scores, labels, threshold, above=False)


def best_of_each_class(boxes, scores, labels, threshold):
    return suppressed(boxes, scores, labels, -1)


def all_of_them(boxes, scores, labels, threshold):
    return suppressed(boxes, scores, labels, 1)


# --- 5 A U-Net ------------------------------------------------------------------------------------


def unet_case(rng, depth):
    side = 2 ** (depth + 1)
    return {
        "filters": whole(rng, 2, 4),
        "depth": depth,
        "input_shape": [side * whole(rng, 1, 2), side * 3, whole(rng, 1, 3)],
        "classes": whole(rng, 3, 6),
        "batch": 1,
        "weight_seed": whole(rng, 1, 10_000),
    }


def one_pooling(rng):
    return [unet_case(rng, 1) for _ in range(2)]


def several_poolings(rng):
    return [unet_case(rng, depth) for depth in (2, 3)]


def unet(double=2, convolutions=2, join="concatenate", up=2, last=None, late=False, order=1):
    """A function like the learner's, with one thing wrong."""

    def build(filters, depth, input_shape, classes):
        import keras
        from keras import layers

        def twice(maps, width):
            for _ in range(convolutions):
                maps = layers.Conv2D(width, 3, padding="same", activation="relu")(maps)
            return maps

        joined = {
            "concatenate": lambda maps, kept: layers.Concatenate()([maps, kept][::order]),
            "add": lambda maps, kept: layers.Add()([maps, kept]),
            "leave out": lambda maps, kept: maps,
        }
        image = outputs = keras.Input(tuple(input_shape))
        kept = []
        for stage in range(depth):
            maps = twice(outputs, filters * double**stage)
            outputs = layers.MaxPooling2D(2)(maps)
            kept.append(outputs if late else maps)
        outputs = twice(outputs, filters * double**depth)
        for stage in reversed(range(depth)):
            width, carried = filters * double**stage, kept[stage]
            if late:
                carried = layers.UpSampling2D(2)(carried)
            options = {"strides": 2, "padding": "same"}
            outputs = layers.Conv2DTranspose(width, up, **options)(outputs)
            outputs = twice(joined[join](outputs, carried), width)
        return keras.Model(image, layers.Conv2D(classes, 1, activation=last)(outputs))

    return build


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("size", "stamps", "iou", "precision")],
        probe="values",
        mistakes={
            "The last stamp begins at 5 · 3 = 15 and is 4 long; then cut at both ends.": {
                "size": 16
            },
            "Padding cuts at both ends.": {"size": 18},
            "Padding takes away here: it is the way back.": {"size": 21},
            "How far apart do the stamps begin, and how long is one?": {"stamps": 2},
            "Along one axis: not rows times columns.": {"stamps": 9},
            "The union counts the overlap once.": {"iou": 16 / 60},
            "Row `bottom` and column `right` do not belong to the box.": {"iou": 25 / 59},
            "That is the share of one box.": {"iou": 16 / 30},
            "Of those so far, not of all five.": {"precision": 0.6},
            "That is the recall.": {"precision": 1.0},
        },
    ),
    Question(
        "conv2d_transpose",
        [
            Part("stride 1", 1, stride_one),
            Part("larger strides", 1, larger_strides),
            Part("padding", 1, with_padding),
            Part("channels and filters", 1, channels_and_filters),
        ],
        mistakes={
            "Where stamps overlap they add up: `+=`, not `=`.": overwriting,
            "The kernel is not turned: its first number goes to the upper left.": turned_kernel,
            "The stamps begin `stride` apart.": without_stride,
            "The first stamps begin at 0 and at `stride`.": stride_too_large,
            "Padding cuts rows and columns off.": nothing_cut,
            "Padding cuts at the end as well as at the start.": cut_at_the_start,
            "So many rows and columns are cut off at each end, not twice as many.": cut_twice,
            "Here padding takes rows and columns away; it puts none on.": padded_outside,
            "Rows and columns of the kernel are swapped.": rows_as_columns,
            "The kernel's axes: rows, columns, filters, channels.": filters_as_channels,
            "Every output adds up over all channels of the maps.": first_channel,
        },
    ),
    Question(
        "box_iou",
        [
            Part("overlapping", 1, overlapping),
            Part("apart", 1, apart),
            Part("one inside the other", 1, inside),
        ],
        mistakes={
            "Boxes are half open: a height is bottom − top, without + 1.": inclusive_borders,
            "The union counts the overlap once: one + other − both.": union_with_overlap_twice,
            "Divide by the union, not by the smaller box.": of_the_smaller,
            "Divide by the union, not by the first box.": of_the_first,
            "That is Dice, which counts the overlap twice.": dice,
            "Boxes that are apart share nothing: each side of the overlap is at least 0.": (
                negative_sides
            ),
            "The last two numbers are bottom and right, not height and width.": heights_and_widths,
            "That is the overlap in pixels; divide it by the union.": overlap_alone,
        },
    ),
    Question(
        "suppress",
        [
            Part("one class", 1, one_class),
            Part("several classes", 1, several_classes),
            Part("other thresholds", 1, other_thresholds),
        ],
        mistakes={
            "Only boxes of the same class suppress each other.": across_classes,
            "Begin with the highest score.": lowest_first,
            "The places come in the order of the scores, highest first.": in_their_old_order,
            "A box that was dropped drops no other.": dropped_ones_drop,
            "The threshold is an argument.": fixed_threshold,
            "A box is dropped if it overlaps by *more* than the threshold.": the_other_way,
            "Several boxes of a class may stay: there may be several digits of it.": (
                best_of_each_class
            ),
            "Nothing was dropped.": all_of_them,
        },
    ),
    Question(
        "build_unet",
        [
            Part("parameters", 1, several_poolings, of="parameters"),
            Part("one pooling", 1, one_pooling),
            Part("several poolings", 1, several_poolings),
        ],
        probe="network",
        tolerance=1e-4,
        mistakes={
            "Where are the shortcuts? The way up gets the maps of the way down.": unet(
                join="leave out"
            ),
            "Concatenate the shortcut; do not add it.": unet(join="add"),
            "Each stage has two convolutions.": unet(convolutions=1),
            "From stage to stage the filters double.": unet(double=1),
            "The transposed convolutions are 2×2.": unet(up=3),
            "Return the scores themselves, without a softmax.": unet(last="softmax"),
            "The shortcut takes the maps before they are pooled.": unet(late=True),
            "In the join the maps from below come first.": unet(order=-1),
        },
    ),
]
