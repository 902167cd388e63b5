"""Exercise 2, output size and padding: the cases, and the mistakes that it knows."""

from grading.questions import COURSE_SUMS, Part, Question, by_hand, numbers, whole

SECONDS = 30
MEMORY = 2000
FORBIDDEN = (*COURSE_SUMS, "scipy", "tensorflow.nn")

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "size": 20,
    "kernel": 5,
    "stride": 3,
    "dilation": 3,
    "pixels": 15,
    "layers": 10,
    "side": 64,
}


def own_numbers(rng):
    kernel = whole(rng, 3, 7)
    return {
        "size": whole(rng, 26, 56),
        "kernel": kernel,
        "stride": whole(rng, 2, min(kernel, 5)),  # or windows would leave gaps between them
        "dilation": whole(rng, 3, 4),
        "pixels": whole(rng, 13, 18),
        "layers": whole(rng, 5, 12),
        "side": 8 * whole(rng, 7, 14),
    }


# --- 2 The formula --------------------------------------------------------------------------------


def one_by_one(rng):
    return [{"size": whole(rng, 10, 60), "kernel": whole(rng, 1, 9)} for _ in range(3)]


def with_stride(rng):
    cases = []
    for stride in (2, 3, 4):
        kernel, windows = whole(rng, 1, 9), whole(rng, 4, 12)
        rest = whole(rng, 1, stride - 1)  # pixels that no window reads
        size = kernel + stride * windows + rest
        cases.append({"size": size, "kernel": kernel, "stride": stride})
    return cases


def with_padding(rng):
    zeros = [{"before": whole(rng, 0, 4), "after": whole(rng, 5, 8)} for _ in range(3)]
    return [{**case, **more} for case, more in zip(with_stride(rng), zeros)]


def with_dilation(rng):
    cases = [
        {"size": whole(rng, 30, 60), "kernel": whole(rng, 3, 6), "dilation": whole(rng, 2, 4)}
        for _ in range(3)
    ]
    return [*cases, {**cases[0], "stride": whole(rng, 2, 3)}]


# --- 3 The padding called 'same' ------------------------------------------------------------------


def odd_kernels(rng):
    return [{"size": whole(rng, 8, 40), "kernel": kernel} for kernel in (3, 5, 7)]


def even_kernels(rng):
    return [{"size": whole(rng, 8, 40), "kernel": kernel} for kernel in (2, 4, 6)]


def strided_kernels(rng):
    # Kernel, stride, and what is left when the size is divided by the stride.
    kinds = ((3, 2, 0), (4, 3, 0), (7, 2, 1), (5, 3, 1), (1, 2, 0), (2, 4, 0))
    return [
        {"size": stride * whole(rng, 4, 10) + left, "kernel": kernel, "stride": stride}
        for kernel, stride, left in kinds
    ]


# --- 4 Zeros around an image ----------------------------------------------------------------------


def square(rng):
    size = whole(rng, 4, 6)
    return [{"images": numbers(rng, 2, size, size, 3), "kernel_size": (kernel, kernel)}
            for kernel in (3, 4)]  # fmt: skip


def two_axes(rng):
    return [{"images": numbers(rng, 2, whole(rng, 4, 6), whole(rng, 7, 9), 3), "kernel_size": pair}
            for pair in ((2, 5), (4, 1))]  # fmt: skip


def two_strides(rng):
    images = numbers(rng, 2, 2 * whole(rng, 2, 3), 2 * whole(rng, 4, 5), 3)  # even: strides matter
    return [{"images": images, "kernel_size": (3, 4), "strides": pair} for pair in ((1, 2), (2, 3))]


# --- 5 Who reads the border? ----------------------------------------------------------------------


def rows_alone(rng):
    return [{"size": whole(rng, 8, 14), "kernel": kernel} for kernel in (3, 4, 5)]


def rows_padded(rng):
    return [{"size": whole(rng, 8, 14), "kernel": 5, "padding": padding} for padding in (1, 2, 4)]


# fmt: off
QUESTIONS = [
    by_hand("row", "lost", "same", "dilated", mistakes={
        "The first window starts at pixel 0: count it as well as the last.":
            ("own.stride + 1", "own.stride"),
        "Where does the last window end?": ('"lost": (own.size - own.kernel)', '"lost": own.size'),
        "'same' does not mean that the size stays: what does the stride do to it?":
            ("-(-own.size // own.stride)", "own.size"),
        "Round up: a last, incomplete stride counts.":
            ("-(-own.size // own.stride)", "own.size // own.stride"),
        "How many pixels does the filter span, from its first tap to its last?":
            ("own.dilation * (own.kernel - 1)", "own.dilation * own.kernel + 1"),
        "That is without the dilation.": ("own.dilation * (own", "(own"),
        "One too few: the window at the very start counts, too.":
            ('"dilated": own.size', '"dilated": own.size - 1'),
    }),
    Question("output_size", [
        Part("stride 1", 1, one_by_one), Part("larger strides", 1, with_stride),
        Part("padding", 1, with_padding), Part("dilation", 1, with_dilation),
    ], mistakes={
        "One too few: the window at the very start counts as well.": ("stride + 1", "stride"),
        "Round down: a window that does not fit whole does not count.":
            ("(size + before + after - span) // stride",
             "-((span - size - before - after) // stride)"),
        "Round down always: `//`, not `round`.":
            ("(size + before + after - span) // stride",
             "round((size + before + after - span) / stride)"),
        "`before` and `after` need not be equal.": ("before + after", "2 * before"),
        "The zeros at the end count, too.": ("before + after", "before"),
        "A filter of 3 with dilation 2 spans 5 pixels, not 6.": ("(kernel - 1) + 1", "kernel"),
        "With dilation, the filter spans more pixels than it has taps.": ("- span", "- kernel"),
        "Where is the stride?": (" // stride", ""),
        "What the filter spans is taken off before the division, not behind it.":
            ("- span) // stride", "- kernel) // stride - (dilation - 1) * (kernel - 1)"),
    }),
    Question("same_padding", [
        Part("odd kernels", 1, odd_kernels), Part("even kernels", 1, even_kernels),
        Part("strides", 1, strided_kernels),
    ], mistakes={
        "The odd zero goes to the other end.":
            ("total // 2, total - total // 2", "total - total // 2, total // 2"),
        "One zero too many: an odd number of zeros cannot be split equally.":
            ("total // 2, total - total // 2", "-(-total // 2), -(-total // 2)"),
        "One zero too few: an odd number of zeros cannot be split equally.":
            ("total - total // 2", "total // 2"),
        "That is right for a stride of 1. What does the stride change?":
            ("max((outputs - 1) * stride + kernel - size, 0)", "kernel - 1"),
        "No padding can be less than 0.":
            ("max((outputs - 1) * stride + kernel - size, 0)",
             "(outputs - 1) * stride + kernel - size"),
        "The number of outputs is rounded up.": ("-(-size // stride)", "size // stride"),
        "Two numbers are wanted: the zeros before, and those behind.":
            ("total // 2, total - total // 2", "total"),
    }),
    Question("pad_same", [
        Part("square", 1, square), Part("height and width differ", 1, two_axes),
        Part("strides", 1, two_strides),
    ], mistakes={
        "The axes are images, height, width, channels (NHWC), not NCHW.":
            [("images.shape[2]", "images.shape[3]"), ("images.shape[1]", "images.shape[2]"),
             ("(0, 0), rows, columns, (0, 0)", "(0, 0), (0, 0), rows, columns")],
        "Height comes before width, in the images and in the pairs.":
            [("kernel_size[0], strides[0]", "kernel_size[-1], strides[-1]"),
             ("kernel_size[1], strides[1]", "kernel_size[0], strides[0]")],
        "The odd zero goes to the bottom and to the right.":
            ("rows, columns, (0, 0)", "rows[::-1], columns[::-1], (0, 0)"),
        "The strides change how many zeros are needed.":
            [(", strides[0]", ""), (", strides[1]", "")],
        "The second stride is that of the width.": ("strides[1]", "strides[0]"),
        "Height and width need zeros of their own.": ("rows, columns, (0", "rows, rows, (0"),
        "Zeros, not copies of the border.": ("(0, 0)))", '(0, 0)), mode="edge")'),
    }),
    Question("readers", [
        Part("no padding", 1, rows_alone), Part("padding", 1, rows_padded),
    ], mistakes={
        "The last window is missing.": ("- kernel + 1", "- kernel"),
        "Leave the counts of the zeros out: one number for each pixel.":
            ("counts[padding : padding + size]", "counts"),
        "The first counts are those of the zeros: leave these out.":
            ("counts[padding : padding + size]", "counts[:size]"),
        "There are zeros at both ends.": ("range(size + 2 * padding", "range(size + padding"),
        "A window that begins in the zeros reads pixels as well.":
            ("range(size + 2 * padding - kernel + 1)",
             "range(padding, size + padding - kernel + 1)"),
        "A slice ends before its second number.": ("start + kernel]", "start + kernel - 1]"),
        "Several windows read the same pixel: count them all.": ("+= 1", "= 1"),
    }),
]
