"""Exercise 2, output size and padding: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, whole

SECONDS = 30
MEMORY = 2000


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
    return [
        {"size": whole(rng, 30, 60), "kernel": whole(rng, 2, 6), "dilation": whole(rng, 2, 4)}
        for _ in range(3)
    ]


def size_without_one(size, kernel, stride=1, before=0, after=0, dilation=1):
    return (size + before + after - dilation * (kernel - 1) - 1) // stride


def size_rounded_up(size, kernel, stride=1, before=0, after=0, dilation=1):
    return -(-(size + before + after - dilation * (kernel - 1) - 1) // stride) + 1


def size_with_before_twice(size, kernel, stride=1, before=0, after=0, dilation=1):
    return (size + 2 * before - dilation * (kernel - 1) - 1) // stride + 1


def size_of_long_span(size, kernel, stride=1, before=0, after=0, dilation=1):
    return (size + before + after - dilation * kernel) // stride + 1


def size_without_dilation(size, kernel, stride=1, before=0, after=0, dilation=1):
    return (size + before + after - kernel) // stride + 1


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


def zeros_needed(size, kernel, stride):
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)


def odd_zero_first(size, kernel, stride=1):
    total = zeros_needed(size, kernel, stride)
    return total - total // 2, total // 2


def both_rounded_up(size, kernel, stride=1):
    each = -(-zeros_needed(size, kernel, stride) // 2)
    return each, each


def as_without_stride(size, kernel, stride=1):
    return (kernel - 1) // 2, kernel // 2


def padding_below_zero(size, kernel, stride=1):
    total = (-(-size // stride) - 1) * stride + kernel - size
    return total // 2, total - total // 2


# --- 4 Zeros around an image ----------------------------------------------------------------------


def images_of(rng, height, width):
    return np.round(rng.normal(size=(2, height, width, 3)), 2)


def square(rng):
    size = whole(rng, 4, 6)
    return [{"images": images_of(rng, size, size), "kernel_size": (kernel, kernel)}
            for kernel in (3, 4)]  # fmt: skip


def two_axes(rng):
    return [{"images": images_of(rng, whole(rng, 4, 6), whole(rng, 7, 9)), "kernel_size": pair}
            for pair in ((2, 5), (4, 1))]  # fmt: skip


def two_strides(rng):
    images = images_of(rng, 2 * whole(rng, 2, 3), 2 * whole(rng, 4, 5))  # even: strides matter
    return [{"images": images, "kernel_size": (3, 4), "strides": pair} for pair in ((1, 2), (2, 3))]


def padded(images, kernel_size, strides, axes, zeros=odd_zero_first):
    amounts = [(0, 0)] * 4
    for axis, kernel, stride in zip(axes, kernel_size, strides):
        amounts[axis] = zeros(images.shape[axis], kernel, stride)
    return np.pad(images, amounts)


def right_zeros(size, kernel, stride):
    return odd_zero_first(size, kernel, stride)[::-1]


def padded_as_nchw(images, kernel_size, strides=(1, 1)):
    return padded(images, kernel_size, strides, (2, 3), right_zeros)


def padded_width_first(images, kernel_size, strides=(1, 1)):
    return padded(images, kernel_size, strides, (2, 1), right_zeros)


def padded_odd_zero_first(images, kernel_size, strides=(1, 1)):
    return padded(images, kernel_size, strides, (1, 2))


def padded_as_without_strides(images, kernel_size, strides=(1, 1)):
    return padded(images, kernel_size, (1, 1), (1, 2), right_zeros)


# --- 5 Who reads the border? ----------------------------------------------------------------------


def rows_alone(rng):
    return [{"size": whole(rng, 8, 14), "kernel": kernel} for kernel in (3, 4, 5)]


def rows_padded(rng):
    return [{"size": whole(rng, 8, 14), "kernel": 5, "padding": padding} for padding in (1, 2, 4)]


def readers_without_last_window(size, kernel, padding=0):
    counts = np.zeros(size + 2 * padding, int)
    for start in range(size + 2 * padding - kernel):
        counts[start : start + kernel] += 1
    return counts[padding : padding + size]


def readers_with_zeros(size, kernel, padding=0):
    counts = np.zeros(size + 2 * padding, int)
    for start in range(size + 2 * padding - kernel + 1):
        counts[start : start + kernel] += 1
    return counts


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("row", "lost", "same", "dilated")],
        probe="values",
        mistakes={
            "The last window starts at pixel 15, the first at 0: count both.": {"row": 5},
            "Where does the last window end?": {"lost": 2},
            "'same' does not mean that the size stays: what does the stride do to it?": {
                "same": 20
            },
            "Round up: a last, incomplete stride counts.": {"same": 6},
            "How many pixels does the filter span, from its first tap to its last?": {"dilated": 6},
            "That is without the dilation.": {"dilated": 16},
        },
    ),
    Question(
        "output_size",
        [
            Part("stride 1", 1, one_by_one),
            Part("larger strides", 1, with_stride),
            Part("padding", 1, with_padding),
            Part("dilation", 1, with_dilation),
        ],
        mistakes={
            "One too few: the window at the very start counts as well.": size_without_one,
            "Round down: a window that does not fit whole does not count.": size_rounded_up,
            "`before` and `after` need not be equal.": size_with_before_twice,
            "A filter of 3 with dilation 2 spans 5 pixels, not 6.": size_of_long_span,
            "With dilation, the filter spans more pixels than it has taps.": size_without_dilation,
        },
    ),
    Question(
        "same_padding",
        [
            Part("odd kernels", 1, odd_kernels),
            Part("even kernels", 1, even_kernels),
            Part("strides", 1, strided_kernels),
        ],
        mistakes={
            "The odd zero goes to the other end.": odd_zero_first,
            "One zero too many: an odd number of zeros cannot be split equally.": both_rounded_up,
            "That is right for a stride of 1. What does the stride change?": as_without_stride,
            "No padding can be less than 0.": padding_below_zero,
        },
    ),
    Question(
        "pad_same",
        [
            Part("square", 1, square),
            Part("height and width differ", 1, two_axes),
            Part("strides", 1, two_strides),
        ],
        mistakes={
            "The axes are images, height, width, channels (NHWC), not NCHW.": padded_as_nchw,
            "Height comes before width, in the images and in the pairs.": padded_width_first,
            "The odd zero goes to the bottom and to the right.": padded_odd_zero_first,
            "The strides change how many zeros are needed.": padded_as_without_strides,
        },
    ),
    Question(
        "readers",
        [Part("no padding", 1, rows_alone), Part("padding", 1, rows_padded)],
        mistakes={
            "The last window is missing.": readers_without_last_window,
            "Leave the counts of the zeros out: one number for each pixel.": readers_with_zeros,
        },
    ),
]
