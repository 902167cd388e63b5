"""Exercise 5, AlexNet's augmentation: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, whole

SECONDS = 30
MEMORY = 2000


def images_of(rng, count, height, width, channels=3):
    """Bytes, as `data.load` gives them."""
    return rng.integers(0, 256, size=(count, height, width, channels), dtype=np.uint8)


# --- 2 Mean 0, deviation 1 ------------------------------------------------------------------------


def coloured(rng, count):
    """Images in which every channel has a range of its own."""
    tops = rng.permutation([60, 130, 250])
    return (rng.random((count, 4, 3, 3)) * tops + 5 * rng.random(3)).astype(np.uint8)


def training_alone(rng):
    images = [coloured(rng, count) for count in (2, 4)]
    return [{"images": each, "training_images": each} for each in images]


def other_images(rng):
    return [{"images": coloured(rng, count), "training_images": coloured(rng, others)}
            for count, others in ((2, 4), (3, 2), (1, 3))]  # fmt: skip


def scaled(images, known, axes):
    mean, deviation = (of(known, axis=axes, keepdims=True) for of in (np.mean, np.std))
    return (images - mean) / np.maximum(deviation, 1e-9)


def standardise_by_themselves(images, training_images):
    return scaled(images, images, (0, 1, 2))


def standardise_all_channels(images, training_images):
    return scaled(images, training_images, None)


def standardise_each_image(images, training_images):
    return scaled(images, images, (1, 2))


def standardise_each_pixel(images, training_images):
    return scaled(images, training_images, 0)


def standardise_each_column(images, training_images):
    return scaled(images, training_images, (0, 1))


def standardise_by_variance(images, training_images):
    mean, variance = (of(training_images, axis=(0, 1, 2)) for of in (np.mean, np.var))
    return (images - mean) / variance


def standardise_mean_only(images, training_images):
    return images - training_images.mean(axis=(0, 1, 2))


# --- 3 Cut windows out ----------------------------------------------------------------------------


def one_place(rng):
    cases = []
    for row, column in ((0, whole(rng, 1, 3)), (whole(rng, 2, 3), whole(rng, 0, 1))):
        size, places = whole(rng, 3, 4), np.ones(3, int)
        images = images_of(rng, 3, 7, 7)
        cases.append({"images": images, "rows": row * places, "columns": column * places,
                      "size": (size, size)})  # fmt: skip
    return cases


def places_of(rng, count, places):
    """A place for each image, no two of them equal along this axis."""
    return rng.permutation(places)[:count]


def own_places(rng):
    cases = []
    for count, side in ((3, 9), (4, 8)):  # in images of 8, some windows reach the border
        rows, columns = (places_of(rng, count, 5) for _ in range(2))
        images = images_of(rng, count, side, side, 2)
        cases.append({"images": images, "rows": rows, "columns": columns, "size": (4, 4)})
    return cases


def two_sides(rng):
    cases = []
    for size in ((whole(rng, 2, 3), 4), (5, whole(rng, 2, 3))):
        rows, columns = places_of(rng, 3, 10 - max(size)), places_of(rng, 3, 11 - max(size))
        images = images_of(rng, 3, 11, 12)
        cases.append({"images": images, "rows": rows, "columns": columns, "size": size})
    return cases


def windows(images, rows, columns, height, width):
    pieces = [
        image[row : row + height, column : column + width]
        for image, row, column in zip(images, rows, columns, strict=True)
    ]
    return np.stack(pieces)


def crop_at_first_place(images, rows, columns, size):
    count = len(images)
    return windows(images, [rows[0]] * count, [columns[0]] * count, *size)


def crop_column_first(images, rows, columns, size):
    return windows(images, columns, rows, *size)


def crop_width_first(images, rows, columns, size):
    return windows(images, rows, columns, *reversed(size))


def crop_as_nchw(images, rows, columns, size):
    return windows(images.transpose(0, 2, 3, 1), rows, columns, *size).transpose(0, 3, 1, 2)


def crop_one_too_many(images, rows, columns, size):
    return windows(images, rows, columns, size[0] + 1, size[1] + 1)


def crop_one_too_few(images, rows, columns, size):
    return windows(images, rows, columns, size[0] - 1, size[1] - 1)


def crop_from_one(images, rows, columns, size):
    return windows(images, np.maximum(rows - 1, 0), np.maximum(columns - 1, 0), *size)


def crop_from_below(images, rows, columns, size):
    return windows(images, images.shape[1] - size[0] - rows, columns, *size)


# --- 4 Mirror some of them ------------------------------------------------------------------------


def all_or_none(rng):
    images = [images_of(rng, 2, whole(rng, 3, 4), whole(rng, 5, 6)) for _ in range(2)]
    return [{"images": images[0], "which": np.array([True, True])},
            {"images": images[1], "which": np.array([False, False])}]  # fmt: skip


def only_some(rng):
    cases = []
    for mirrored in ((1, 0, 0), (0, 1, 1, 0, 0)):
        images = images_of(rng, len(mirrored), whole(rng, 3, 4), whole(rng, 3, 4), 2)
        cases.append({"images": images, "which": rng.permutation(np.array(mirrored) > 0)})
    return cases


def chosen(images, others, which):
    return np.stack([other if flag else image
                     for image, other, flag in zip(images, others, which, strict=True)])  # fmt: skip


def flip_upside_down(images, which):
    return chosen(images, images[:, ::-1], which)


def flip_colours(images, which):
    return chosen(images, images[..., ::-1], which)


def flip_both_ways(images, which):
    return chosen(images, np.rot90(images, 2, axes=(1, 2)), which)


def flip_all(images, which):
    return images[:, :, ::-1]


def flip_the_others(images, which):
    return chosen(images[:, :, ::-1], images, which)


def flip_order(images, which):
    return chosen(images, images[::-1], which)


def flip_by_first(images, which):
    return images[:, :, ::-1] if which[0] else images


def flip_only_those(images, which):
    return images[:, :, ::-1][which]


# --- 5 Epoch after epoch --------------------------------------------------------------------------


def augment_case(rng, pixels, epochs, fill=0, count=5):
    return {"images": images_of(rng, count, whole(rng, 4, 5), whole(rng, 6, 7), 2),
            "pixels": pixels, "epochs": epochs, "seed": whole(rng, 1, 10_000),
            "fill": fill}  # fmt: skip


def unshifted(rng):
    return [augment_case(rng, 0, 1, count=count) for count in (5, 6)]


def shifted(rng):
    return [augment_case(rng, pixels, 1) for pixels in (1, whole(rng, 2, 3))]


def framed(rng):
    return [augment_case(rng, whole(rng, 2, 3), 1, fill=whole(rng, 50, 250)) for _ in range(2)]


def several_epochs(rng):
    return [augment_case(rng, pixels, 3, fill=whole(rng, 50, 250)) for pixels in (1, 2)]


def augmented(case, limit=None, order="rcm", mirror=flip_upside_down, **options):
    """Epoch after epoch, with what a mistake does to the draws, the mirror, the frame, the cut."""
    images, pixels, epochs, seed, fill = case
    rng, n = np.random.default_rng(seed), len(images)
    limit = 2 * pixels + 1 if limit is None else limit
    shown = []
    for _ in range(epochs):
        rng = np.random.default_rng(seed) if options.get("restarts") else rng
        draws = {}
        for what in order:
            draws[what] = rng.random(n) < 0.5 if what == "m" else rng.integers(0, limit, size=n)
        if options.get("together"):
            draws = {what: np.repeat(draw[:1], n) for what, draw in draws.items()}
        rows, columns, mirrored = draws["r"], draws["c"], draws["m"]
        start = images if options.get("late") else mirror(images, mirrored)
        images = start if options.get("in_place") else images
        pad = options.get("pad", {"mode": "constant", "constant_values": fill})
        padded = np.pad(start, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), **pad)
        moved = windows(padded, rows, columns, *images.shape[1:3])
        images = moved if options.get("goes_on") else images
        shown.append(mirror(moved, mirrored) if options.get("late") else moved)
    return np.stack(shown)


def left_to_right(images, which):
    return chosen(images, images[:, :, ::-1], which)


def augment_together(images, pixels, epochs, seed, fill=0):
    case = (images, pixels, epochs, seed, fill)
    return augmented(case, mirror=left_to_right, together=True)


def augment_upside_down(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill))


def augment_the_others(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), mirror=flip_the_others)


def augment_without_last_place(images, pixels, epochs, seed, fill=0):
    case = (images, pixels, epochs, seed, fill)
    return augmented(case, max(2 * pixels, 1), mirror=left_to_right)


def augment_half_the_places(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), pixels + 1, mirror=left_to_right)


def augment_columns_first(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), order="crm", mirror=left_to_right)


def augment_mirrors_first(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), order="mrc", mirror=left_to_right)


def augment_mirrored_late(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), mirror=left_to_right, late=True)


def augment_black_frame(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, 0), mirror=left_to_right)


def augment_edge_frame(images, pixels, epochs, seed, fill=0):
    case = (images, pixels, epochs, seed, fill)
    return augmented(case, mirror=left_to_right, pad={"mode": "edge"})


def augment_rolled(images, pixels, epochs, seed, fill=0):
    case = (images, pixels, epochs, seed, fill)
    return augmented(case, mirror=left_to_right, pad={"mode": "wrap"})


def augment_same_again(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), mirror=left_to_right, restarts=True)


def augment_in_place(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), mirror=left_to_right, in_place=True)


def augment_further(images, pixels, epochs, seed, fill=0):
    return augmented((images, pixels, epochs, seed, fill), mirror=left_to_right, goes_on=True)


def augment_images_first(images, pixels, epochs, seed, fill=0):
    case = (images, pixels, epochs, seed, fill)
    return augmented(case, mirror=left_to_right).swapaxes(0, 1)


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("versions", "paper", "corner", "groups", "dropout")],
        probe="values",
        mistakes={
            "That is without the mirror images.": {"versions": 63, "paper": 1089},
            "How many places are there from the first to the last, both included?": {
                "versions": 96
            },
            "So says the paper. But from place 0 to place 32, both included, how many are there?": {
                "paper": 2048
            },
            "Mirrors, too: and count the places from the first to the last.": {
                "versions": 48,
                "paper": 1024,
            },
            "Count the place at which the window lies exactly on the photograph, too.": {
                "corner": 16
            },
            "At some of the places the window begins below that pixel, or to the right of it.": {
                "corner": 81
            },
            "Along one axis, yes. And along the other?": {"corner": 5},
            "A filter sees only the maps of its own group.": {"groups": 153_696},
            "Every filter has a bias.": {"groups": 38_400},
            "That is one of the four groups.": {"groups": 9_624},
            "One bias for each filter, whatever the groups.": {"groups": 38_784},
            "Keras puts it right while training, so that nothing is left to do at test time.": {
                "dropout": 1
            },
            "On average the next layer should see what it would see without dropout.": {
                "dropout": 0.8
            },
            "The rate is the share that is switched off.": {"dropout": 5},
            "That is for a rate of 0.5.": {"dropout": 2},
        },
    ),
    Question(
        "standardise",
        [Part("the training images", 1, training_alone), Part("other images", 1, other_images)],
        tolerance=1e-5,
        mistakes={
            "Mean and deviation come from `training_images`, whatever the images.": (
                standardise_by_themselves
            ),
            "Each channel has a mean and a deviation of its own.": standardise_all_channels,
            "One mean for each channel, not for each image: take it over all images.": (
                standardise_each_image
            ),
            "One mean for each channel, not for each pixel: take it over all pixels.": (
                standardise_each_pixel
            ),
            "One mean for each channel, not for each column of pixels.": standardise_each_column,
            "The deviation is the root of the variance.": standardise_by_variance,
            "And the deviation?": standardise_mean_only,
        },
    ),
    Question(
        "crop",
        [
            Part("one place for all", 1, one_place),
            Part("a place for each image", 1, own_places),
            Part("height and width differ", 1, two_sides),
        ],
        mistakes={
            "Every image has a place of its own.": crop_at_first_place,
            "`rows` says how far down the window begins, `columns` how far to the right.": (
                crop_column_first
            ),
            "Height comes before width in `size`.": crop_width_first,
            "The axes are images, height, width, channels (NHWC), not NCHW.": crop_as_nchw,
            "One row and one column too many: a slice ends before its second number.": (
                crop_one_too_many
            ),
            "One row and one column too few: a slice ends before its second number.": (
                crop_one_too_few
            ),
            "Rows and columns count from 0, as NumPy does.": crop_from_one,
            "Row 0 is at the top.": crop_from_below,
        },
    ),
    Question(
        "flip",
        [Part("all or none", 1, all_or_none), Part("some of them", 1, only_some)],
        mistakes={
            "These stand upside down. Which axis goes from left to right?": flip_upside_down,
            "These have red and blue exchanged. Which axis goes from left to right?": flip_colours,
            "These are turned by half a turn: one axis too many is reversed.": flip_both_ways,
            "Each image has its own entry in `which`.": flip_by_first,
            "Images with `False` stay as they are.": flip_all,
            "It is those with `True` that are mirrored.": flip_the_others,
            "The images keep their order; the pixels within them change it.": flip_order,
            "Those that are not mirrored belong to the answer, too.": flip_only_those,
        },
    ),
    Question(
        "augment",
        [
            Part("mirrors without a shift", 1, unshifted),
            Part("shifts", 1, shifted),
            Part("the value of the frame", 1, framed),
            Part("several epochs", 1, several_epochs),
        ],
        mistakes={
            "These stand upside down: mirror left to right.": augment_upside_down,
            "It is the others that are mirrored.": augment_the_others,
            "One draw for the whole batch: every image has a row, a column and a mirror "
            "of its own.": augment_together,
            "The last place never comes up: `integers` does not draw its upper limit.": (
                augment_without_last_place
            ),
            "The window can begin anywhere from the frame's corner to twice `pixels` further.": (
                augment_half_the_places
            ),
            "The rows are drawn before the columns.": augment_columns_first,
            "The mirrors are drawn last.": augment_mirrors_first,
            "Mirror first, then shift: here the frame was mirrored as well.": augment_mirrored_late,
            "The frame has the value `fill`, not always 0.": augment_black_frame,
            "The frame has the value `fill`; it does not go on with the border pixels.": (
                augment_edge_frame
            ),
            "What leaves the image on one side must not come back on the other.": augment_rolled,
            "Every epoch shows the same: make the generator once, before the epochs.": (
                augment_same_again
            ),
            "Each epoch starts from the original images. Have the mirrored ones been written "
            "over them?": augment_in_place,
            "Each epoch starts from the original images, not from those of the epoch before.": (
                augment_further
            ),
            "The first axis of the answer is that of the epochs.": augment_images_first,
        },
    ),
]
