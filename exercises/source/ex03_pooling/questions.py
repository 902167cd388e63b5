"""Exercise 3, pooling: the cases, and the mistakes that it knows."""

from grading.questions import COURSE_SUMS, Part, Question, by_hand, numbers, whole

SECONDS = 30
MEMORY = 2000
FORBIDDEN = (*COURSE_SUMS, "scipy", "tensorflow.nn")

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "grid": [[2, 7, 1, 0], [3, 4, 8, 6], [5, 5, 2, 1], [0, 9, 3, 3]],
    "side": 4,
    "window": 3,
    "maps": 64,
    "top": 60,
    "left": 150,
}


def own_numbers(rng):
    return {
        "grid": rng.integers(0, 10, size=(4, 4)).tolist(),
        "side": 2 * whole(rng, 3, 8),
        "window": whole(rng, 3, 5),
        "maps": 8 * whole(rng, 2, 16),
        "top": whole(rng, 40, 70),
        "left": whole(rng, 130, 160),
    }


# --- 2 and 3 The maximum and the mean -------------------------------------------------------------


def side_by_side(rng):
    return [
        {"images": numbers(rng, 2, 2 * size, 3 * size, 3), "pool_size": size, "strides": size}
        for size in (2, 3)
    ]


def overlapping(rng):
    return [
        {"images": numbers(rng, 1, 7, 9, 2), "pool_size": 3, "strides": 2},
        {"images": numbers(rng, 2, 5, 6, 3), "pool_size": 2, "strides": 1},
    ]


def with_rest(rng):
    cases = []
    for size, strides in ((2, 2), (3, 2), (2, 3)):
        height, width = (strides * whole(rng, 2, 3) + size - 1 for _ in range(2))
        images = numbers(rng, 1, height, width, 2)
        cases.append({"images": images, "pool_size": size, "strides": strides})
    return cases


def overlapping_or_with_rest(rng):
    return overlapping(rng) + with_rest(rng)


# --- 4 Back to the winner -------------------------------------------------------------------------


def gradient_case(image, rng, size, strides):
    rows, columns = ((length - size) // strides + 1 for length in image.shape)
    arrives = numbers(rng, rows, columns)
    return {"image": image, "output_gradient": arrives, "pool_size": size, "strides": strides}


def different_numbers(rng, height, width):
    """Every number once, half of them below zero, in a random order: each window has one winner."""
    return (rng.permutation(height * width).reshape(height, width) - height * width // 2) / 4


def one_window_each(rng):
    return [
        gradient_case(different_numbers(rng, 4, 6), rng, 2, 2),
        gradient_case(different_numbers(rng, 6, 7), rng, 3, 3),
    ]


def several_windows(rng):
    cases = []
    for size, strides in ((3, 1), (3, 2), (2, 1)):
        image = different_numbers(rng, 5, 7)
        image[2, whole(rng, 2, 4)] = 99  # one that wins several windows
        cases.append(gradient_case(image, rng, size, strides))
    return cases


def ties(rng):
    return [gradient_case(rng.integers(0, 2, size=(4, 8)).astype(float), rng, size, size)
            for size in (2, 4)]  # fmt: skip


# --- 5 Shifted ------------------------------------------------------------------------------------


def without_pooling(rng):
    return [{"image": numbers(rng, 6, 8), "pixels": whole(rng, 1, 7), "pool_size": 1}]


def with_pooling(rng):
    pairs = ((1, 2), (whole(rng, 2, 6), 4), (whole(rng, 2, 5), 2))
    return [{"image": numbers(rng, 8, 12), "pixels": pixels, "pool_size": pool_size}
            for pixels, pool_size in pairs]  # fmt: skip


SUMMED = "np.linalg.norm(shifted - still) / np.linalg.norm(still)"  # of `change`, as a whole
ARRIVES = "gradient[top + down, left + across] += output_gradient[row, column]"
TO_ALL = "gradient[top : top + pool_size, left : left + pool_size] += output_gradient[row, column]"
INCOMPLETE = [("rows = (images.shape[1] - pool_size) // strides",
               "rows = -((pool_size - images.shape[1]) // strides)"),
              ("columns = (images.shape[2] - pool_size) // strides",
               "columns = -((pool_size - images.shape[2]) // strides)")]  # fmt: skip

# fmt: off
QUESTIONS = [
    by_hand("mean", "overlapping", "winners", "parameters", mistakes={
        "That is the maximum.": (".mean()", ".max()"),
        "That is the sum: divide it by the size of the window.": (".mean()", ".sum()"),
        "Which window is at the lower left?": ("[2:, :2]", "[2:, 2:]"),
        "The lower left, not the upper left.": ("[2:, :2]", "[:2, :2]"),
        "Windows may overlap: where can they begin?":
            ("(own.side - own.window + 1)", "(own.side // own.window)"),
        "How many windows fit in each direction?":
            ("(own.side - own.window + 1) ** 2", "own.side - own.window + 1"),
        "With a stride of 1, they begin at 0, at 1, at 2 ...: where does the last begin?":
            ("(own.side - own.window + 1)", "own.window"),
        "Only the largest number of each window.": ("(own.side // 2) ** 2", "own.side**2"),
        "A maximum has nothing to learn.": ('"parameters": 0', '"parameters": 4 * own.maps'),
        "No weights, and no biases either.": ('"parameters": 0', '"parameters": own.maps'),
    }),
    Question("max_pool", [
        Part("windows side by side", 1, side_by_side), Part("overlapping windows", 1, overlapping),
        Part("a rest that does not fit", 1, with_rest),
    ], mistakes={
        "That is the mean of each window.": ("window.max", "window.mean"),
        "Leave out the windows that do not fit whole.": INCOMPLETE,
        "The stride need not be the size of the window.":
            ("    rows = ", "    strides = pool_size\n    rows = "),
        "Windows begin `strides` pixels apart.": ("row * strides, column * strides", "row, column"),
        "The largest number, not the largest size: −3 is smaller than 1.":
            ("window.max", "np.abs(window).max"),
        "The largest number of a window may be below zero.":
            ("window.max(axis=(1, 2))", "window.max(axis=(1, 2), initial=0)"),
        "The largest number, not the smallest.": ("window.max", "window.min"),
        "Each channel is pooled by itself.": ("axis=(1, 2))", "axis=(1, 2, 3))[:, None]"),
        "The axes are images, height, width, channels (NHWC).":
            [("    rows = ", "    images = images.transpose(0, 2, 3, 1)\n    rows = "),
             ("return output", "return output.transpose(0, 3, 1, 2)")],
        "The last windows are missing.":
            [("strides + 1\n    columns", "strides\n    columns"),
             ("strides + 1\n    output", "strides\n    output")],
        "The numbers are cut to whole ones: what can your array hold?":
            ("images.shape[3]))", "images.shape[3]), int)"),
    }),
    Question("average_pool", [
        Part("windows side by side", 1, side_by_side),
        Part("overlapping windows, and a rest", 1, overlapping_or_with_rest),
    ], mistakes={
        "Leave out the windows that do not fit whole.": INCOMPLETE,
        "That is the maximum of each window.": ("window.mean", "window.max"),
        "That is the sum of each window.": ("window.mean", "window.sum"),
        "The stride need not be the size of the window.":
            ("    rows = ", "    strides = pool_size\n    rows = "),
        "Windows begin `strides` pixels apart.": ("row * strides, column * strides", "row, column"),
        "Each channel is pooled by itself.": ("axis=(1, 2))", "axis=(1, 2, 3))[:, None]"),
        "The mean, not the median.": ("window.mean(", "np.median(window, "),
        "Divide by the number of pixels in the window.":
            ("window.mean(axis=(1, 2))", "window.sum(axis=(1, 2)) / strides**2"),
    }),
    Question("max_pool_gradient", [
        Part("windows side by side", 1, one_window_each),
        Part("a winner of several windows", 2, several_windows), Part("ties", 1, ties),
    ], mistakes={
        "The largest number, not the largest size: −3 is smaller than 1.":
            ("np.argmax(window)", "np.argmax(np.abs(window))"),
        "That is the gradient of the mean.": (ARRIVES, f"{TO_ALL} / window.size"),
        "Where several are equally large, only one of them wins.":
            (ARRIVES, f"{TO_ALL} * (window == window.max())"),
        "Where several are equally large, they do not share: the first gets it all.":
            (ARRIVES, f"{TO_ALL} * (window == window.max()) / np.sum(window == window.max())"),
        "Where several are equally large, the first wins.":
            ("np.argmax(window)", "window.size - 1 - np.argmax(window[::-1, ::-1])"),
        "The first is looked for row by row, not column by column.":
            ("np.unravel_index(np.argmax(window), window.shape)",
             "np.unravel_index(np.argmax(window.T), window.T.shape)[::-1]"),
        "Only the winner gets the gradient.": (ARRIVES, TO_ALL),
        "The gradient arrives as it is: it is not multiplied by the pixel.":
            (ARRIVES, f"{ARRIVES} * window.max()"),
        "What arrives is `output_gradient`, not 1.": ("output_gradient[row, column]", "1"),
        "A pixel that wins several windows gets the sum.": ("+= output", "= output"),
        "The largest number wins, not the smallest.": ("np.argmax", "np.argmin"),
    }),
    Question("change", [
        Part("without pooling", 1, without_pooling), Part("with pooling", 1, with_pooling),
    ], mistakes={
        "To the right: the width is the second axis.": ("axis=1", "axis=0"),
        "To the right, not to the left.": ("np.roll(image, pixels", "np.roll(image, -pixels"),
        "What falls out at the right comes in at the left.":
            ("np.roll(image, pixels, axis=1)", "np.pad(image, ((0, 0), (pixels, 0)))[:, :-pixels]"),
        "Divide by the norm of the map that was not shifted.": (" / np.linalg.norm(still)", ""),
        "That is divided by the norm of the shifted map.": ("norm(still)", "norm(shifted)"),
        "The norm is the root of the sum of squares.":
            (SUMMED, "np.sum((shifted - still) ** 2) / np.sum(still**2)"),
        "The norm, not the mean of the sizes.":
            (SUMMED, "np.abs(shifted - still).mean() / np.abs(still).mean()"),
        "The root of the sum of squares, not the largest singular value (`ord=2`).":
            (SUMMED,
             "np.linalg.norm((shifted - still)[..., 0], 2) / np.linalg.norm(still[..., 0], 2)"),
        "Shift the image, not the pooled map.":
            ("(shifted - still)", "(np.roll(still, pixels, axis=1) - still)"),
        "Pool by the maximum, not by the mean.": ("max_pool", "average_pool"),
        "The windows do not overlap: their stride is their size.":
            ("pool_size, pool_size", "pool_size, 1"),
    }),
]
