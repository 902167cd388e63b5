"""Exercise 5, AlexNet's augmentation: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, by_hand, one_of, whole

SECONDS = 30
MEMORY = 2000
FORBIDDEN = ("course_utils.data.shift_and_flip",)

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "height": 40, "width": 30, "high": 32, "wide": 24, "large": 256, "small": 224, "frame": 4,
    "maps": 64, "filters": 96, "groups": 4, "rate": 0.2, "photo": 41, "seed": 0,
}  # fmt: skip


def own_numbers(rng):
    high, wide, small, groups = (
        whole(rng, *ends) for ends in ((28, 34), (20, 26), (200, 230), (2, 5))
    )
    return {
        "height": high + whole(rng, 5, 12),
        "width": wide + whole(rng, 5, 12),
        "high": high,
        "wide": wide,
        "large": small + whole(rng, 20, 40),
        "small": small,
        "frame": whole(rng, 3, 8),
        "maps": 8 * groups * whole(rng, 1, 4),
        "filters": 8 * groups * whole(rng, 2, 5),
        "groups": groups,
        "rate": one_of(rng, 0.2, 0.36, 0.375, 0.6, 0.75, 0.8),
        "photo": whole(rng, 0, 99),
        "seed": whole(rng, 1, 999),
    }


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


DRAWS = 'rows, columns = (rng.integers(0, 2 * pixels + 1, size=n) for _ in "rc")'
MIRRORS = "mirrored = flip(images, rng.random(n) < 0.5)"
SHOWN = "shown.append(crop(framed, rows, columns, images.shape[1:3]))"

# fmt: off
QUESTIONS = [
    by_hand("versions", "paper", "corner", "groups", "dropout", mistakes={
        "That is without the mirror images.": [("2 * places", "places"), ("2 * (own.l", "(own.l")],
        "How many places are there from the first to the last, both included?":
            [("own.high + 1", "own.high"), ("own.wide + 1", "own.wide")],
        "So the paper counts. But how many places are there from the first to the last, both "
        "included?": ("own.small + 1", "own.small"),
        "Mirrors, too: and count the places from the first to the last.":
            [("own.high + 1", "own.high"), ("own.wide + 1", "own.wide"), ("2 * places", "places"),
             ("2 * (own.large - own.small + 1)", "(own.large - own.small)")],
        "Count the place at which the window lies exactly on the photograph, too.":
            ("(own.frame + 1)", "own.frame"),
        "At some of the places the window begins below that pixel, or to the right of it.":
            ("(own.frame + 1)", "(2 * own.frame + 1)"),
        "Along one axis, yes. And along the other?": ("(own.frame + 1) ** 2", "own.frame + 1"),
        "A filter sees only the maps of its own group.": (" // own.groups", ""),
        "Every filter has a bias.": ("own.groups + 1)", "own.groups)"),
        "That is one of the groups.": ("* own.filters,", "* (own.filters // own.groups),"),
        "One bias for each filter, whatever the groups.": ("groups + 1)", "groups + own.groups)"),
        "Keras puts it right while training, so that nothing is left to do at test time.":
            ("1 / (1 - own.rate)", "1"),
        "On average the next layer should see what it would see without dropout.":
            ("1 / (1 - own.rate)", "1 - own.rate"),
        "The rate is the share that is switched off.": ("(1 - own.rate)", "own.rate"),
        "That is for a rate of 0.5.": ("1 / (1 - own.rate)", "2"),
    }),
    Question("standardise", [
        Part("the training images", 1, training_alone), Part("other images", 1, other_images),
    ], tolerance=1e-5, mistakes={
        "Mean and deviation come from `training_images`, whatever the images.":
            [("training_images.mean", "images.mean"), ("training_images.std", "images.std")],
        "Each channel has a mean and a deviation of its own.":
            [("mean(axis=(0, 1, 2))", "mean()"), ("std(axis=(0, 1, 2))", "std()")],
        "One mean for each channel, not for each image: take it over all images.":
            [("training_images.mean(axis=(0, 1, 2))", "images.mean(axis=(1, 2), keepdims=True)"),
             ("training_images.std(axis=(0, 1, 2))",
              "images.std(axis=(1, 2), keepdims=True).clip(1e-9)")],
        "One mean for each channel, not for each pixel: take it over all pixels.":
            [("mean(axis=(0, 1, 2))", "mean(axis=0)"),
             ("std(axis=(0, 1, 2))", "std(axis=0).clip(1e-9)")],
        "One mean for each channel, not for each column of pixels.":
            [("mean(axis=(0, 1, 2))", "mean(axis=(0, 1))"),
             ("std(axis=(0, 1, 2))", "std(axis=(0, 1)).clip(1e-9)")],
        "The deviation is the root of the variance.": (".std(", ".var("),
        "`np.std` as it is: divide by the number of pixels, not by one less.":
            ("std(axis=(0, 1, 2))", "std(axis=(0, 1, 2), ddof=1)"),
        "And the deviation?": (" / training_images.std(axis=(0, 1, 2))", ""),
        "And the mean?": ("(images - mean)", "images"),
        "Divide by the deviation, not by 255.": ("training_images.std(axis=(0, 1, 2))", "255"),
        "Bytes below zero wrap round: keep mean and difference as floats.":
            ("mean(axis=(0, 1, 2))", 'mean(axis=(0, 1, 2)).astype("uint8")'),
    }),
    Question("crop", [
        Part("one place for all", 1, one_place), Part("a place for each image", 1, own_places),
        Part("height and width differ", 1, two_sides),
    ], mistakes={
        "Every image has a place of its own.":
            ("zip(images, rows, columns)", "((image, rows[0], columns[0]) for image in images)"),
        "`rows` says how far down the window begins, `columns` how far to the right.":
            ("rows, columns)", "columns, rows)"),
        "Height comes before width in `size`.": ("height, width =", "width, height ="),
        "The axes are images, height, width, channels (NHWC), not NCHW.":
            [("zip(images,", "zip(images.transpose(0, 2, 3, 1),"),
             ("np.stack(windows)", "np.stack(windows).transpose(0, 3, 1, 2)")],
        "One row and one column too many: a slice ends before its second number.":
            ("= size", "= np.add(size, 1)"),
        "One row and one column too few: a slice ends before its second number.":
            ("= size", "= np.subtract(size, 1)"),
        "Rows and columns count from 0, as NumPy does.":
            ("rows, columns)", "(rows - 1).clip(0), (columns - 1).clip(0))"),
        "Row 0 is at the top.": ("rows, columns)", "images.shape[1] - size[0] - rows, columns)"),
        "Column 0 is at the left.":
            ("rows, columns)", "rows, images.shape[2] - size[1] - columns)"),
        "A window from each image, in one array.": ("np.stack(windows)", "windows[0]"),
    }),
    Question("flip", [
        Part("all or none", 1, all_or_none), Part("some of them", 1, only_some),
    ], mistakes={
        "These stand upside down. Which axis goes from left to right?":
            ("images[:, :, ::-1]", "images[:, ::-1]"),
        "These have red and blue exchanged. Which axis goes from left to right?":
            ("images[:, :, ::-1]", "images[..., ::-1]"),
        "These are turned by half a turn: one axis too many is reversed.":
            ("images[:, :, ::-1]", "images[:, ::-1, ::-1]"),
        "Each image has its own entry in `which`.": ("which[:, None, None, None]", "which[0]"),
        "Images with `False` stay as they are.": ("which[:, None, None, None]", "True"),
        "Nothing is mirrored.": ("which[:, None, None, None]", "False"),
        "It is those with `True` that are mirrored.": ("where(which", "where(~which"),
        "The images keep their order; the pixels within them change it.":
            ("images[:, :, ::-1]", "images[::-1]"),
        "All images in their order: not first those that are mirrored.":
            ("np.where(which[:, None, None, None], images[:, :, ::-1], images)",
             "np.concatenate([images[:, :, ::-1][which], images[~which]])"),
        "Those that are not mirrored belong to the answer, too.":
            ("np.where(which[:, None, None, None], images[:, :, ::-1], images)",
             "images[:, :, ::-1][which]"),
    }),
    Question("augment", [
        Part("mirrors without a shift", 1, unshifted), Part("shifts", 1, shifted),
        Part("the value of the frame", 1, framed), Part("several epochs", 1, several_epochs),
    ], mistakes={
        "These stand upside down: mirror left to right.":
            (MIRRORS, "which = (rng.random(n) < 0.5)[:, None, None, None]\n"
                      "        mirrored = np.where(which, images[:, ::-1], images)"),
        "It is the others that are mirrored.": ("< 0.5", ">= 0.5"),
        "One draw for the whole batch: every image has a row, a column and a mirror of its own.":
            (MIRRORS, "rows, columns = rows[:1].repeat(n), columns[:1].repeat(n)\n"
                      "        mirrored = flip(images, (rng.random(n) < 0.5)[:1].repeat(n))"),
        "The last place never comes up: `integers` does not draw its upper limit.":
            ("2 * pixels + 1", "max(2 * pixels, 1)"),
        "The window can begin anywhere from the frame's corner to twice `pixels` further.":
            ("2 * pixels + 1", "pixels + 1"),
        "The rows are drawn before the columns.": ("rows, columns = (", "columns, rows = ("),
        "The mirrors are drawn last.":
            (f"{DRAWS}\n        {MIRRORS}", f"{MIRRORS}\n        {DRAWS}"),
        "Mirror first, then shift: here the frame was mirrored as well.":
            [(MIRRORS, "mirrored = images"),
             (SHOWN, "moved = crop(framed, rows, columns, images.shape[1:3])\n"
                     "        shown.append(flip(moved, rng.random(n) < 0.5))")],
        "The frame has the value `fill`, not always 0.": (", constant_values=fill", ""),
        "The frame has the value `fill`; it does not go on with the border pixels.":
            ("constant_values=fill", 'mode="edge"'),
        "What leaves the image on one side must not come back on the other.":
            ("constant_values=fill", 'mode="wrap"'),
        "Every epoch shows the same: make the generator once, before the epochs.":
            (DRAWS, f"rng = np.random.default_rng(seed)\n        {DRAWS}"),
        "Each epoch starts from the original images. Were the mirrored ones written over them?":
            (MIRRORS, f"images = {MIRRORS}"),
        "Each epoch starts from the original images, not from those of the epoch before.":
            (SHOWN, SHOWN.replace("append(", "append(images := ")),
        "The first axis of the answer is that of the epochs.":
            ("stack(shown)", "stack(shown, axis=1)"),
        "Return what every epoch shows, not the last alone.": ("np.stack(shown)", "shown[-1]"),
    }),
]
