"""A filter on a colour image: three slices, three sums, one number; n filters, n maps."""

import json
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from ..arithmetic import conv_parameters, output_size
from ..convolution import conv2d
from ..plots import PALETTE
from . import shell
from .convolution import as_text, read_kernel
from .drawing import Drawing, written

CHANNELS = ("red", "green", "blue")
SIDE = 3  # taps of a filter, across and down
MOST = 4  # filters
HEAVIEST = 1000  # what a weight may be, to either side
BIASES = 500  # how far a bias goes, to either side
LARGEST = 64  # pixels of an image's longer side

# Each as (red, green, blue).
RISE, FALL = "-1 0 1\n-1 0 1\n-1 0 1", "1 0 -1\n1 0 -1\n1 0 -1"
ONES, MINUS, NONE = ("\n".join([" ".join([word] * 3)] * 3) for word in ("1", "-1", "0"))
PRESETS = {
    "red to green edges": (FALL, RISE, NONE),
    "dark to bright edges": (RISE, RISE, RISE),
    "red against green": (ONES, MINUS, NONE),
    "blur, all channels": (ONES, ONES, ONES),
    "the red channel": ("0 0 0\n0 1 0\n0 0 0", NONE, NONE),
}
RANDOM, OWN = "random", "your own"

# Where things stand, in pixels of the picture.
LEFT, TOP, PITCH = 20, 84, 108  # the first channel, and from one to the next
CHANNEL = 84  # the longer side of a channel
WINDOW, SLICE, CELL, LINE = 126, 252, 34, 28  # where window and slice begin; a cell of theirs
SUMS, ADDITION = 438, 510  # where the sums of products end, where they are added
MAP_TOP, MAP = 232, 190  # the map of the filter that is shown
BELOW, SMALL, GAP = 478, 120, 24  # the row with the image and all the maps


@shell.message_in_place
def channels(image=None, filters=None):
    """A 3×3 filter on a colour image: as deep as the image, and one map for each filter.

    Point at the image or a channel to lay the window there, at a map to see its filter and how
    the number under the pointer came about.

    Args:
        image: `(height, width, 3)`, or `(height, width)`, which becomes three equal channels;
            bytes, or numbers that are scaled to 0 to 255. When None, only pictures of CIFAR-10
            are offered.
        filters: `(3, 3, 3)` for one filter or `(3, 3, 3, n)` for n of them, at most 4, laid out
            as in Keras: height, width, channel, filter. When None, filters made by hand.

    Returns:
        An `Explorer`; the last line of a cell shows it.
    """
    images, notes = _offered(image)
    given = [] if filters is None else _as_texts(filters)
    kept = given + [(*PRESETS[name], 0) for name in list(PRESETS)[: MOST - len(given)]]
    first = next(iter(images))
    row, column = _strongest(images[first], kept[0])
    height, width = images[first].shape[:2]
    across = shell.slider("column", 0, width - SIDE, column)
    controls = {
        "picture": shell.choice("image", list(images), first),
        "count": shell.slider("number of filters", 1, MOST, len(given) or 3),
        "shown": shell.slider("filter shown", 1, len(given) or 3, 1),
        "preset": shell.choice("filter", [*PRESETS, RANDOM, OWN], OWN),
        "seed": shell.number("seed", 0),
        "bias": shell.slider("bias", -BIASES, BIASES, 0),
        "red": shell.words("red slice", kept[0][0], rows=3, width="230px"),
        "green": shell.words("green slice", kept[0][1], rows=3, width="230px"),
        "blue": shell.words("blue slice", kept[0][2], rows=3, width="230px"),
        "row": shell.slider("row", 0, height - SIDE, row),
        "column": across,
        "play": shell.play(across),
        # The texts and the bias of every filter, and which of them is edited.
        "kept": shell.hidden("", json.dumps({"edited": 1, "filters": kept})),
    }
    return shell.Explorer(
        partial(render, images, notes), controls, partial(react, images), partial(point, images)
    )


@lru_cache(maxsize=1)
def _of_cifar():
    from .. import data

    pictures = data.load("cifar10", "test").images
    chosen = {"red car": 91, "deer on grass": 124, "green frog": 126, "yellow truck": 49}
    return {name: pictures[index] for name, index in (chosen | {"grey ship": 58}).items()}


def _offered(image):
    """The images to choose from, by name, and what must be said of each."""
    notes = {"grey ship": "A grey photograph: its three channels are equal."}
    if image is None:
        return _of_cifar(), notes
    own, note = shell.as_image(image, largest=LARGEST)
    if min(own.shape[:2]) < SIDE:
        raise ValueError(
            f"{note or 'image:'} {own.shape[0]}×{own.shape[1]} pixels have no room for a filter of "
            f"{SIDE}×{SIDE}: at least {SIDE} rows and {SIDE} columns are needed"
        )
    said = [note] if note else []
    if own.dtype != np.uint8:
        low, high = own.min(), own.max()
        if low < 0 or high > 255:
            said.append(f"image: numbers from {written(low)} to {written(high)} became 0 to 255.")
        elif high <= 1:
            said.append("image: numbers from 0 to 1 became 0 to 255.")
            low, high = 0, 1
        else:
            low, high = 0, 255
        own = np.round(255 * (own - low) / ((high - low) or 1)).astype(np.uint8)
    if own.ndim == 2:
        own = np.repeat(own[..., None], 3, axis=2)
        said.append("image: it is grey, so its three channels are equal.")
    return {"yours": own} | _of_cifar(), notes | {"yours": " ".join(said)}


def _as_texts(filters):
    """Filters given as an array, as the texts that are edited: (red, green, blue, bias) each."""
    filters = np.asarray(filters)
    if filters.dtype.kind not in "biuf":
        raise ValueError(f"filters: an array of numbers is needed, not of {filters.dtype}")
    if filters.ndim == 3:
        filters = filters[..., None]
    if filters.ndim != 4 or filters.shape[:3] != (SIDE, SIDE, 3) or not filters.shape[3]:
        raise ValueError(
            "filters: the shape must be (3, 3, 3) or (3, 3, 3, n), that is height, width, channel "
            f"and filter, not {np.shape(filters)}"
        )
    if filters.shape[3] > MOST:
        raise ValueError(
            f"filters: at most {MOST} are shown, these are {filters.shape[3]}: "
            f"filters[..., :{MOST}] takes the first ones"
        )
    if not np.isfinite(filters).all():
        raise ValueError("filters: they contain numbers that are not finite")
    return [(*map(as_text, np.moveaxis(each, 2, 0)), 0) for each in np.moveaxis(filters, 3, 0)]


def random_filter(seed, number):
    """The three slices of a filter of small whole numbers; each filter number has its own."""
    if seed < 0:
        raise ValueError(f"seed: {seed} is below 0, choose a whole number from 0 up")
    numbers = np.random.default_rng([seed, number]).integers(-3, 4, (3, SIDE, SIDE))
    return tuple(map(as_text, numbers))


def read_slices(red, green, blue):
    """A filter as `(3, 3, 3)`, height, width and channel, from the texts of its slices.

    Raises:
        ValueError: a slice cannot be read, is not 3×3, or too large; the message names it.
    """
    slices = []
    for name, text in zip(CHANNELS, (red, green, blue), strict=True):
        try:
            numbers = read_kernel(text)
        except ValueError as problem:
            raise ValueError(f"{name} slice: {problem}".replace("the kernel", "it")) from None
        if numbers.shape != (SIDE, SIDE):
            raise ValueError(
                f"{name} slice: it has {numbers.shape[0]} rows of {numbers.shape[1]} numbers, "
                f"and must have {SIDE} rows of {SIDE}"
            )
        if np.abs(numbers).max() > HEAVIEST:
            raise ValueError(f"{name} slice: there is room for weights up to ±{HEAVIEST} only")
        slices.append(numbers)
    return np.stack(slices, axis=2)


def _strongest(image, filter_texts):
    """Row and column where a filter finds most: a picture with something to see."""
    found = conv2d(image[None], read_slices(*filter_texts[:3])[..., None])[0, ..., 0]
    return tuple(int(place) for place in np.unravel_index(found.argmax(), found.shape))


class Scene(NamedTuple):
    """What is drawn, before it is drawn."""

    image: np.ndarray  # (height, width, 3)
    filters: np.ndarray  # (3, 3, 3, n)
    biases: np.ndarray  # (n,)
    answers: np.ndarray  # (height, width, n): the maps before the bias is added

    @property
    def longer(self):
        """Pixels of the image's longer side."""
        return max(self.image.shape[:2])


def scene(images, picture, count, kept, **_):
    """Reads the controls."""
    image, texts = images[picture].astype(float), json.loads(kept)["filters"][:count]
    filters = np.stack([read_slices(*each[:3]) for each in texts], axis=-1)
    answers = conv2d(image[None], filters)[0]
    return Scene(image, filters, np.array([each[3] for each in texts], float), answers)


def react(images, name, controls):
    """Keeps the controls in line: what is edited with the filter shown, sliders with the image."""
    shown, preset, seed = controls["shown"], controls["preset"], controls["seed"]
    slices, bias, kept = [controls[each] for each in CHANNELS], controls["bias"], controls["kept"]
    height, width = images[controls["picture"].value].shape[:2]
    for slider, size in ((controls["row"], height), (controls["column"], width)):
        slider.max = output_size(size, SIDE) - 1  # ipywidgets moves the value along
    shown.max = controls["count"].value
    held = json.loads(kept.value)
    if held["edited"] != shown.value:
        held["edited"] = shown.value
        *words, bias.value = held["filters"][shown.value - 1]
        for control, text in zip(slices, words, strict=True):
            control.value = text
    elif name in ("preset", "seed"):
        if name == "seed" or preset.value == RANDOM:
            words = random_filter(seed.value, shown.value)
        else:  # "your own" begins with what is there
            words = PRESETS.get(preset.value, [control.value for control in slices])
        for control, text in zip(slices, words, strict=True):
            control.value = text
    words = tuple(control.value for control in slices)
    read_slices(*words)
    held["filters"][shown.value - 1] = [*words, bias.value]
    kept.value = json.dumps(held)
    if name != "preset":
        preset.value = _name_of(words, seed.value, shown.value)


def _name_of(words, seed, number):
    """What the choice of filters calls these slices."""
    if seed >= 0 and words == random_filter(seed, number):
        return RANDOM
    return next((name for name, each in PRESETS.items() if each == words), OWN)


def point(images, x, y, **state):
    """The window round a pixel of the image or a channel, or the one behind a pixel of a map."""
    seen = scene(images, **state)
    last = np.array(seen.answers.shape[:2]) - 1
    for left, top, side, number in _panels(seen.answers.shape[2], state["shown"]):
        cell = side / seen.longer
        place = np.array([(y - top) // cell, (x - left) // cell]).astype(int)
        if (place < 0).any() or (place >= (seen.image.shape[:2] if not number else last + 1)).any():
            continue
        if not number:
            place = np.clip(place - SIDE // 2, 0, last)
        found = {"row": int(place[0]), "column": int(place[1])}
        return found | ({"shown": number} if number else {})
    return {}


def _panels(count, shown):
    """What can be pointed at: left, top, longer side, and of which filter it is the map, or 0."""
    yield from ((LEFT, TOP + PITCH * channel, CHANNEL, 0) for channel in range(3))
    yield ADDITION, MAP_TOP, MAP, shown
    yield LEFT, BELOW, SMALL, 0
    yield from ((_left_of(number), BELOW, SMALL, number) for number in range(1, count + 1))


def _left_of(number):
    """Where the small map of a filter begins."""
    return LEFT + SMALL + 32 + (number - 1) * (SMALL + GAP)


def render(images, notes, picture, count, shown, seed, row, column, kept, **_):
    """The picture: three channels and slices, three sums, one number, one map; then all maps."""
    seen = scene(images, picture, count, kept)
    window = seen.image[row : row + SIDE, column : column + SIDE]
    weights, bias = seen.filters[..., shown - 1], seen.biases[shown - 1]
    # Each slice as a filter of its own, on its channel alone: that is what `groups` does.
    sums = conv2d(window[None], weights[:, :, None], groups=3).ravel()
    total = seen.answers[row, column, shown - 1] + bias
    height, width = seen.answers.shape[:2]
    shape, parameters = (height, width, count), conv_parameters(3, count, SIDE)

    drawing = Drawing(760, BELOW + SMALL + 102)
    _draw_channels(drawing, seen, window, weights, sums, row, column)
    _draw_addition(drawing, sums, bias, total)
    _draw_map(drawing, seen, shown, row, column)
    names = [
        _name_of(tuple(each[:3]), seed, number)
        for number, each in enumerate(json.loads(kept)["filters"][:count], start=1)
    ]
    _draw_all(drawing, seen, names, shown, row, column)
    _draw_sizes(drawing, shape, parameters)
    rounded = "" if (seen.filters == np.round(seen.filters)).all() else "The sums are rounded."
    drawing.note = " ".join(filter(None, [notes.get(picture, ""), rounded]))
    parts = ", ".join(f"{name} {written(each)}" for name, each in zip(CHANNELS, sums, strict=True))
    drawing.alt = (
        f"Filter {shown} of {count}, row {row}, column {column}: the sums of products {parts} and "
        f"the bias {written(bias)} add up to {written(total)}, one number of one map. "
        f"{_maps(count).capitalize()}, shape {shape}, {parameters} weights."
    )
    return drawing


def _maps(count):
    return "1 filter gives 1 map" if count == 1 else f"{count} filters give {count} maps"


def _picture(drawing, left, top, side, longer, pixels, role):
    """An image or map, framed in the colour of its role; gives back the side of a pixel."""
    cell = side / longer
    size = cell * pixels.shape[1], cell * pixels.shape[0]
    drawing.image(left, top, *size, pixels)
    drawing.rect(left, top, *size, "none", PALETTE[role], 2)
    return cell


def _draw_channels(drawing, seen, window, weights, sums, row, column):
    """For each channel: itself, its pixels in the window, its slice, and their sum of products."""
    grey = PALETTE["neutral"]
    heads = ((LEFT, "image", "3 channels"), (WINDOW, "window", "3×3×3 pixels"))
    heads += ((SLICE, "one filter", "3×3×3 weights"), (SUMS - 58, "3 sums", "of 9 products"))
    for left, title, below in heads:
        drawing.text(left, 26, title, 14, bold=True)
        drawing.text(left, 42, below, 11, colour=grey)
    for index, name in enumerate(CHANNELS):
        top = TOP + PITCH * index
        drawing.text(LEFT, top - 7, f"{name} channel", 11)
        pixels = seen.image[..., index].astype(np.uint8)
        cell = _picture(drawing, LEFT, top, CHANNEL, seen.longer, pixels, "input")
        corner, side = (LEFT + cell * column, top + cell * row), cell * SIDE
        drawing.frame(*corner, side, side, PALETTE["kernel"], 2)
        drawing.text(WINDOW, top - 7, f"its {name}", 11)
        _table(drawing, WINDOW, top, window[..., index], "input")
        drawing.text((WINDOW + 3 * CELL + SLICE) / 2, top + 48, "×", 16, "middle")
        drawing.text(SLICE, top - 7, f"{name} slice", 11)
        _table(drawing, SLICE, top, weights[..., index], "kernel")
        drawing.text(SLICE + 3 * CELL + 12, top + 48, "=", 16, "middle")
        words = written(sums[index])
        drawing.text(SUMS, top + 48, words, 15 if len(words) < 7 else 11, "end", bold=True)


def _table(drawing, left, top, numbers, role):
    """Nine numbers; pixels on their own grey."""
    if role == "input":
        drawing.image(left, top, 3 * CELL, 3 * LINE, numbers.astype(np.uint8))
    for (row, column), number in np.ndenumerate(numbers):
        corner = left + CELL * column, top + LINE * row
        drawing.rect(*corner, CELL, LINE, "none", "#bbbbbb", 0.7)
        dark = role == "input" and number < 118
        place = corner[0] + CELL / 2, corner[1] + 18
        words = written(number)
        size = {5: 9, 6: 8}.get(len(words), 11 if len(words) < 5 else 7)
        drawing.text(*place, words, size, "middle", colour="white" if dark else "black")
    drawing.rect(left, top, 3 * CELL, 3 * LINE, "none", PALETTE[role], 2.5)


def _draw_addition(drawing, sums, bias, total):
    """The three sums and the bias, added as on paper."""
    grey, right = PALETTE["neutral"], ADDITION + MAP
    drawing.text(ADDITION, 26, "one sum", 14, bold=True)
    drawing.text(ADDITION, 42, "over all three channels", 11, colour=grey)
    for index, (name, number) in enumerate(zip((*CHANNELS, "bias"), (*sums, bias), strict=True)):
        place = 74 + 21 * index
        drawing.text(ADDITION, place, f"{'+ ' if index else '   '}{name}", 13)
        drawing.text(right, place, written(number), 13, "end")
        if index < 3:
            start = SUMS + 8, TOP + PITCH * index + 43
            turn = SUMS + 24 + 10 * index
            points = [start, (turn, start[1]), (turn, place - 5), (ADDITION - 6, place - 5)]
            drawing.line(points, "#999999", 1.2)
    drawing.rect(right - 56, 74 + 21 * 3 - 14, 62, 19, "none", PALETTE["kernel"], 2)
    drawing.line([(ADDITION, 148), (right, 148)], "black", 1.2)
    drawing.text(ADDITION, 172, "one number", 14, bold=True)
    words = written(total)
    drawing.text(right, 173, words, 20 if len(words) < 7 else 15, "end", bold=True)


def _draw_map(drawing, seen, shown, row, column):
    """The map of the filter that is shown, with the place of the number."""
    height, width = seen.answers.shape[:2]
    drawing.text(ADDITION, MAP_TOP - 26, f"one map of {height}×{width}", 14, bold=True)
    shades, ends = _shades(seen, shown)
    drawing.text(ADDITION, MAP_TOP - 10, ends, 11, colour=PALETTE["neutral"])
    cell = _picture(drawing, ADDITION, MAP_TOP, MAP, seen.longer, shades, "output")
    _mark(drawing, ADDITION, MAP_TOP, cell, row, column)
    right, level = ADDITION + MAP + 14, MAP_TOP + cell * (row + 0.5)
    points = [(right - 10, 167), (right, 167), (right, level)]
    end = ADDITION + cell * (column + 0.5) + max(cell, 7) / 2 + 4
    drawing.line([*points, (end, level)], "black", 1.2, (3, 3))


def _mark(drawing, left, top, cell, row, column):
    """A frame round one pixel of a map, never so small that it hides the pixel."""
    side = max(cell, 7)
    corner = (at + cell * (place + 0.5) - side / 2 for at, place in ((left, column), (top, row)))
    drawing.frame(*corner, side, side, PALETTE["kernel"], 1.5)


def _shades(seen, number):
    """A map as grey values, and what black and white are; the bias makes it brighter or darker."""
    answers = seen.answers[..., number - 1]
    reach = np.abs(answers).max() or 1.0
    limits = (-reach, reach) if answers.min() < 0 else (0, reach)
    ends = f"black {written(limits[0])}, white {written(limits[1])}"
    return shell.as_bytes(answers + seen.biases[number - 1], limits), ends


def _draw_all(drawing, seen, names, shown, row, column):
    """The image, and beside it the map of every filter."""
    grey = PALETTE["neutral"]
    drawing.text(LEFT, BELOW - 28, _maps(len(names)), 14, bold=True)
    right = drawing.width - LEFT
    for role, words, size in (
        ("output", "output", 44),
        ("kernel", "filter, its window", 104),
        ("input", "input", 36),
    ):
        drawing.text(right - size, BELOW - 28, words, 11)
        drawing.rect(right - size - 16, BELOW - 38, 11, 11, "none", PALETTE[role], 2.5)
        right -= size + 34
    drawing.text(LEFT, BELOW - 8, "the image", 11)
    cell = _picture(drawing, LEFT, BELOW, SMALL, seen.longer, seen.image.astype(np.uint8), "input")
    corner, side = (LEFT + cell * column, BELOW + cell * row), cell * SIDE
    drawing.frame(*corner, side, side, PALETTE["kernel"], 2)
    height, width = (cell * size for size in seen.answers.shape[:2])
    drawing.text(LEFT + SMALL + 16, BELOW + height / 2 + 6, "→", 18, "middle")
    for number in range(1, MOST + 1):
        left = _left_of(number)
        if number > len(names):
            drawing.rect(left, BELOW, width, height, "none", "#bbbbbb", 1, (4, 4))
            drawing.text(
                left + width / 2, BELOW + height / 2 + 4, "no filter", 11, "middle", colour=grey
            )
            continue
        title = f"map {number}" + (", shown above" if number == shown else "")
        drawing.text(left, BELOW - 8, title, 11, bold=number == shown)
        shades, ends = _shades(seen, number)
        _picture(drawing, left, BELOW, SMALL, seen.longer, shades, "output")
        if number == shown:
            _mark(drawing, left, BELOW, cell, row, column)
        drawing.text(left, BELOW + height + 16, names[number - 1], 11)
        size = 10 if len(ends) < 25 else 8
        drawing.text(left, BELOW + height + 30, ends, size, colour=grey)


def _draw_sizes(drawing, shape, parameters):
    """The output's shape, the number of weights, and why."""
    height, width, count = shape
    lines = (
        ("output", f"({height}, {width}, {count})", "height, width, one map for each filter"),
        ("weights", f"(3·3·3 + 1)·{count} = {parameters}", "as deep as the image, and a bias each"),
    )
    for index, (name, formula, why) in enumerate(lines):
        place = BELOW + SMALL + 64 + 24 * index
        drawing.text(LEFT, place, name, 13)
        drawing.text(_left_of(1), place, formula, 15, bold=True)
        drawing.text(_left_of(3), place, why, 12, colour=PALETTE["neutral"])
