"""Exercise 3, pooling: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, numbers, whole

SECONDS = 30
MEMORY = 2000


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


def pooled(images, size, strides, pick, up=False):
    """Every window by `pick`; with `up`, also those that do not fit whole."""
    count = (-(-(length - size) // strides) + 1 if up else (length - size) // strides + 1
             for length in images.shape[1:3])  # fmt: skip
    rows, columns = count
    found = np.zeros((len(images), rows, columns, images.shape[3]))
    for row, column in np.ndindex(rows, columns):
        window = images[:, row * strides :, column * strides :][:, :size, :size]
        found[:, row, column] = pick(window, axis=(1, 2))
    return found


def max_by_mean(images, pool_size, strides):
    return pooled(images, pool_size, strides, np.mean)


def max_with_rest(images, pool_size, strides):
    return pooled(images, pool_size, strides, np.max, up=True)


def max_without_strides(images, pool_size, strides):
    return pooled(images, pool_size, pool_size, np.max)


def max_of_sizes(images, pool_size, strides):
    return np.abs(pooled(np.abs(images), pool_size, strides, np.max))


def max_over_channels(images, pool_size, strides):
    found = pooled(images, pool_size, strides, np.max)
    return np.broadcast_to(found.max(axis=-1, keepdims=True), found.shape)


def max_as_nchw(images, pool_size, strides):
    turned = images.transpose(0, 2, 3, 1)
    if min(turned.shape[1:3]) < pool_size:
        raise ValueError("the window does not fit")
    return pooled(turned, pool_size, strides, np.max).transpose(0, 3, 1, 2)


def mean_by_max(images, pool_size, strides):
    return pooled(images, pool_size, strides, np.max)


def mean_by_sum(images, pool_size, strides):
    return pooled(images, pool_size, strides, np.sum)


def mean_without_strides(images, pool_size, strides):
    return pooled(images, pool_size, pool_size, np.mean)


def mean_over_channels(images, pool_size, strides):
    found = pooled(images, pool_size, strides, np.mean)
    return np.broadcast_to(found.mean(axis=-1, keepdims=True), found.shape)


def median(images, pool_size, strides):
    return pooled(images, pool_size, strides, np.median)


# --- 4 Back to the winner -------------------------------------------------------------------------


def gradient_case(image, rng, size, strides):
    rows, columns = ((length - size) // strides + 1 for length in image.shape)
    arrives = numbers(rng, rows, columns)
    return {"image": image, "output_gradient": arrives, "pool_size": size, "strides": strides}


def different_numbers(rng, height, width):
    """Every number once, in a random order: there is one winner in each window."""
    return rng.permutation(height * width).reshape(height, width) / 4


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


def sent_back(image, output_gradient, pool_size, strides, share):
    """The gradient of every window, shared out among its pixels by `share(window)`."""
    found = np.zeros(image.shape)
    for row, column in np.ndindex(output_gradient.shape):
        place = np.s_[row * strides :, column * strides :]
        part = image[place][:pool_size, :pool_size]
        found[place][:pool_size, :pool_size] += share(part) * output_gradient[row, column]
    return found


def to_all_alike(image, output_gradient, pool_size, strides):
    return sent_back(image, output_gradient, pool_size, strides, lambda part: 1 / part.size)


def to_all_winners(image, output_gradient, pool_size, strides):
    return sent_back(image, output_gradient, pool_size, strides, lambda part: part == part.max())


def to_the_last_winner(image, output_gradient, pool_size, strides):
    def last(part):
        chosen = np.zeros(part.size)
        chosen[np.flatnonzero(part == part.max())[-1]] = 1
        return chosen.reshape(part.shape)

    return sent_back(image, output_gradient, pool_size, strides, last)


def to_every_pixel(image, output_gradient, pool_size, strides):
    return sent_back(image, output_gradient, pool_size, strides, np.ones_like)


def times_the_pixel(image, output_gradient, pool_size, strides):
    return to_all_winners(image, output_gradient, pool_size, strides) * image


def overwritten(image, output_gradient, pool_size, strides):
    found = np.zeros(image.shape)
    for row, column in np.ndindex(output_gradient.shape):
        part = image[row * strides :, column * strides :][:pool_size, :pool_size]
        down, across = divmod(int(part.argmax()), part.shape[1])
        found[row * strides + down, column * strides + across] = output_gradient[row, column]
    return found


# --- 5 Shifted ------------------------------------------------------------------------------------


def without_pooling(rng):
    return [{"image": numbers(rng, 6, 8), "pixels": whole(rng, 1, 7), "pool_size": 1}]


def with_pooling(rng):
    return [{"image": numbers(rng, 8, 12), "pixels": pixels, "pool_size": pool_size}
            for pixels, pool_size in ((1, 2), (whole(rng, 2, 6), 4), (whole(rng, 2, 5), 2))]  # fmt: skip


def two_maps(image, pixels, pool_size, axis=1):
    both = np.stack([image, np.roll(image, pixels, axis=axis)])[..., None]
    return pooled(both, pool_size, pool_size, np.max)


def change_downwards(image, pixels, pool_size):
    still, shifted = two_maps(image, pixels, pool_size, axis=0)
    return np.linalg.norm(shifted - still) / np.linalg.norm(still)


def change_not_relative(image, pixels, pool_size):
    still, shifted = two_maps(image, pixels, pool_size)
    return np.linalg.norm(shifted - still)


def change_without_root(image, pixels, pool_size):
    still, shifted = two_maps(image, pixels, pool_size)
    return np.sum((shifted - still) ** 2) / np.sum(still**2)


def change_by_mean(image, pixels, pool_size):
    still, shifted = two_maps(image, pixels, pool_size)
    return np.abs(shifted - still).mean() / np.abs(still).mean()


def change_of_shifted_map(image, pixels, pool_size):
    still, _ = two_maps(image, pixels, pool_size)
    return np.linalg.norm(np.roll(still, pixels, axis=1) - still) / np.linalg.norm(still)


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("mean", "overlapping", "winners", "parameters")],
        probe="values",
        mistakes={
            "That is the maximum.": {"mean": 9},
            "That is the sum: divide it by the size of the window.": {"mean": 19},
            "Which window is at the lower left?": {"mean": 2.25},
            "Windows may overlap: where can they begin?": {"overlapping": 1},
            "How many windows fit in each direction?": {"overlapping": 2},
            "With a stride of 1, they begin at 0 and at 1.": {"overlapping": 9},
            "Only the largest number of each window.": {"winners": 16},
            "A maximum has nothing to learn.": {"parameters": 256},
            "No weights, and no biases either.": {"parameters": 64},
        },
    ),
    Question(
        "max_pool",
        [
            Part("windows side by side", 1, side_by_side),
            Part("overlapping windows", 1, overlapping),
            Part("a rest that does not fit", 1, with_rest),
        ],
        mistakes={
            "That is the mean of each window.": max_by_mean,
            "Leave out the windows that do not fit whole.": max_with_rest,
            "The stride need not be the size of the window.": max_without_strides,
            "The largest number, not the largest size: −3 is smaller than 1.": max_of_sizes,
            "Each channel is pooled by itself.": max_over_channels,
            "The axes are images, height, width, channels (NHWC).": max_as_nchw,
        },
    ),
    Question(
        "average_pool",
        [
            Part("windows side by side", 1, side_by_side),
            Part("overlapping windows", 1, overlapping),
        ],
        mistakes={
            "That is the maximum of each window.": mean_by_max,
            "That is the sum of each window.": mean_by_sum,
            "The stride need not be the size of the window.": mean_without_strides,
            "Each channel is pooled by itself.": mean_over_channels,
            "The mean, not the median.": median,
        },
    ),
    Question(
        "max_pool_gradient",
        [
            Part("windows side by side", 1, one_window_each),
            Part("a winner of several windows", 2, several_windows),
            Part("ties", 1, ties),
        ],
        mistakes={
            "That is the gradient of the mean.": to_all_alike,
            "Where several are equally large, only one of them wins.": to_all_winners,
            "Where several are equally large, the first wins.": to_the_last_winner,
            "Only the winner gets the gradient.": to_every_pixel,
            "The gradient arrives as it is: it is not multiplied by the pixel.": times_the_pixel,
            "A pixel that wins several windows gets the sum.": overwritten,
        },
    ),
    Question(
        "change",
        [Part("without pooling", 1, without_pooling), Part("with pooling", 1, with_pooling)],
        mistakes={
            "To the right: the width is the second axis.": change_downwards,
            "Divide by the norm of the map that was not shifted.": change_not_relative,
            "The norm is the root of the sum of squares.": change_without_root,
            "The norm, not the mean of the sizes.": change_by_mean,
            "Shift the image, not the pooled map.": change_of_shifted_map,
        },
    ),
]
