"""A filter on a colour image: three slices, three sums, one number; n filters, n maps."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arithmetic import conv_parameters, output_size
from ..convolution import conv2d
from ..plots import PALETTE
from ._convolution import as_text, read_kernel
from .controls import choice, number_box, play, slider, text_box
from .drawing import Drawing, Grid, as_bytes, compact
from .frame import Explorer
from .images import as_image, real_numbers

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
ROUNDED = "The sums are rounded."

# Where things stand, in pixels of the picture.
LEFT, TOP, PITCH = 20, 84, 108  # the first channel, and from one to the next
CHANNEL = 84  # the longer side of a channel
WINDOW, SLICE, CELL, LINE = 126, 252, 34, 28  # where window and slice begin; a cell of theirs
SUMS, ADDITION = 438, 510  # where the sums of products end, where they are added
MAP_TOP, MAP = 232, 190  # the map of the filter that is shown
BELOW, SMALL, GAP = 478, 120, 24  # the row with the image and all the maps


class Channels(Explorer):
    """A 3×3 filter on a colour image: as deep as the image, and one map for each filter.

    Point at the image or a channel to lay the window there, at a map to see its filter and how
    the number under the pointer came about.

    Args:
        image: `(height, width, 3)`, or `(height, width)`, which becomes three equal channels;
            bytes, or numbers that are scaled to 0 to 255. When None, only pictures of CIFAR-10
            are offered.
        filters: `(3, 3, 3)` for one filter or `(3, 3, 3, n)` for n of them, at most 4, laid out
            as in Keras: height, width, channel, filter. When None, filters made by hand.
    """

    def __init__(self, image=None, filters=None):
        self.images, self.notes = _offered(image)
        given = [] if filters is None else _as_texts(filters)
        presets = list(PRESETS.values())[: MOST - len(given)]
        # The texts and the bias of every filter, and which of them is edited.
        self.kept, self.edited = given + [(*slices, 0) for slices in presets], 1
        first = next(iter(self.images))
        row, column = _strongest(self.images[first], self.kept[0])
        height, width = self.images[first].shape[:2]
        across = slider("column", 0, width - SIDE, column)
        controls = {
            "picture": choice("image", list(self.images), first),
            "count": slider("number of filters", 1, MOST, len(given) or 3),
            "shown": slider("filter shown", 1, len(given) or 3, 1),
            "preset": choice("filter", [*PRESETS, RANDOM, OWN], OWN),
            "seed": number_box("seed", 0),
            "bias": slider("bias", -BIASES, BIASES, 0),
        }
        for name, words in zip(CHANNELS, self.kept[0], strict=False):
            controls[name] = text_box(f"{name} slice", words, rows=3)
        controls |= {
            "row": slider("row", 0, height - SIDE, row),
            "column": across,
            "play": play(across),
        }
        super().__init__(controls)

    def react(self, name):
        """Keeps what is edited in line with the filter shown, and sliders with the image."""
        controls = self.controls
        shown, preset, seed = controls["shown"], controls["preset"], controls["seed"]
        slices, bias = [controls[channel] for channel in CHANNELS], controls["bias"]
        shape = self.images[controls["picture"].value].shape
        for control, size in zip(("row", "column"), shape, strict=False):
            controls[control].max = output_size(size, SIDE) - 1  # ipywidgets moves the value along
        shown.max = controls["count"].value
        words = [control.value for control in slices]
        if self.edited != shown.value:
            self.edited = shown.value
            *words, bias.value = self.kept[shown.value - 1]
        elif name == "seed" or name == "preset" and preset.value == RANDOM:
            words = random_filter(seed.value, shown.value)
        elif name == "preset":  # "your own" begins with what is there
            words = PRESETS.get(preset.value, words)
        for control, numbers in zip(slices, words, strict=True):
            control.value = numbers
        read_slices(*words)
        self.kept[shown.value - 1] = (*words, bias.value)
        if name != "preset":
            preset.value = _name_of(tuple(words), seed.value, shown.value)

    def draw(self, picture, count, shown, seed, row, column, **_):
        """The picture: three channels and slices, three sums, one number, one map; all maps."""
        texts = self.kept[:count]
        scene = read_scene(self.images[picture], texts)
        window = scene.image[row : row + SIDE, column : column + SIDE]
        weights, bias = scene.filters[..., shown - 1], scene.biases[shown - 1]
        # Each slice as a filter of its own, on its channel alone: that is what `groups` does.
        sums = conv2d(window[None], weights[:, :, None], groups=3).ravel()
        total = scene.answers[row, column, shown - 1] + bias
        shape, parameters = scene.answers.shape, conv_parameters(3, count, SIDE)

        drawing = Drawing(760, BELOW + SMALL + 102)
        _draw_channels(drawing, scene, window, weights, sums, row, column)
        _draw_addition(drawing, sums, bias, total)
        _draw_map(drawing, scene, shown, row, column)
        names = [_name_of(text[:3], seed, number) for number, text in enumerate(texts, start=1)]
        _draw_all(drawing, scene, names, shown, row, column)
        _draw_sizes(drawing, shape, parameters)
        rounded = "" if (scene.filters == np.round(scene.filters)).all() else ROUNDED
        drawing.say(self.notes.get(picture), rounded)
        parts = ", ".join(map("{} {}".format, CHANNELS, map(compact, sums)))
        drawing.alt = (
            f"Filter {shown} of {count}, row {row}, column {column}: the sums of products {parts} "
            f"and the bias {compact(bias)} add up to {compact(total)}, one number of one map. "
            f"{_maps(count).capitalize()}, shape {shape}, {parameters} weights."
        )
        return drawing


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
    own, note = as_image(image, largest=LARGEST)
    if min(own.shape[:2]) < SIDE:
        size = f"{own.shape[0]}×{own.shape[1]} pixels"
        raise ValueError(f"{note or 'image:'} {size} have no room for a filter of {SIDE}×{SIDE}")
    said = [note] if note else []
    if own.dtype != np.uint8:
        low, high = own.min(), own.max()
        if 0 <= low <= high <= 255:
            low, high = 0, 1 if high <= 1 else 255
        if high != 255 or low:
            said.append(f"image: numbers from {compact(low)} to {compact(high)} became 0 to 255.")
        own = np.round(255 * (own - low) / ((high - low) or 1)).astype(np.uint8)
    if own.ndim == 2:
        own = np.repeat(own[..., None], 3, axis=2)
        said.append("image: it is grey, so its three channels are equal.")
    return {"yours": own} | _of_cifar(), notes | {"yours": " ".join(said)}


def _as_texts(filters):
    """Filters given as an array, as the texts that are edited: (red, green, blue, bias) each."""
    filters = real_numbers(filters, "filters")
    filters = filters[..., None] if filters.ndim == 3 else filters
    if filters.ndim != 4 or filters.shape[:3] != (SIDE, SIDE, 3) or not filters.size:
        words = "(3, 3, 3) or (3, 3, 3, n), that is height, width, channel and filter"
        raise ValueError(f"filters: the shape must be {words}, not {filters.shape}")
    if filters.shape[3] > MOST:
        raise ValueError(f"filters: at most {MOST} are shown, give it filters[..., :{MOST}]")
    if not np.isfinite(filters).all():
        raise ValueError("filters: they contain numbers that are not finite")
    return [(*map(as_text, np.moveaxis(one, 2, 0)), 0) for one in np.moveaxis(filters, 3, 0)]


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
            words = f"it has {numbers.shape[0]} rows of {numbers.shape[1]} numbers"
            raise ValueError(f"{name} slice: {words}, and must have {SIDE} rows of {SIDE}")
        if np.abs(numbers).max() > HEAVIEST:
            raise ValueError(f"{name} slice: there is room for weights up to ±{HEAVIEST} only")
        slices.append(numbers)
    return np.stack(slices, axis=2)


def _strongest(image, filter_texts):
    """Row and column where a filter finds most: a picture with something to see."""
    answers = conv2d(image[None], read_slices(*filter_texts[:3])[..., None])[0, ..., 0]
    return tuple(int(place) for place in np.unravel_index(answers.argmax(), answers.shape))


class Scene(NamedTuple):
    """What is drawn, before it is drawn."""

    image: np.ndarray  # (height, width, 3)
    filters: np.ndarray  # (3, 3, 3, n)
    biases: np.ndarray  # (n,)
    answers: np.ndarray  # (height, width, n): the maps before the bias is added


def read_scene(image, texts):
    """What is drawn, from the image and the texts and biases of the filters."""
    image = image.astype(float)
    filters = np.stack([read_slices(*slices) for *slices, _ in texts], axis=-1)
    biases = np.array([bias for *_, bias in texts], float)
    return Scene(image, filters, biases, conv2d(image[None], filters)[0])


def _name_of(words, seed, number):
    """What the choice of filters calls these slices."""
    if seed >= 0 and words == random_filter(seed, number):
        return RANDOM
    return next((name for name, slices in PRESETS.items() if slices == words), OWN)


def _left_of(number):
    """Where the small map of a filter begins."""
    return LEFT + SMALL + 32 + (number - 1) * (SMALL + GAP)


def _maps(count):
    return "1 filter gives 1 map" if count == 1 else f"{count} filters give {count} maps"


def _draw_image(drawing, scene, left, top, side, channel, row, column):
    """The image or a channel of it, with the window, which goes where somebody points."""
    pixels = scene.image[..., channel].astype(np.uint8)
    grid, last = Grid.fit(left, top, side, pixels.shape), np.array(scene.answers.shape[:2]) - 1
    drawing.pixels(grid, pixels, "input")
    drawing.frame(*grid.part(row, column, SIDE, SIDE), PALETTE["kernel"], 2)

    def lay_window(*place):
        corner = np.clip(np.array(place) - SIDE // 2, 0, last)
        return {"row": int(corner[0]), "column": int(corner[1])}

    drawing.on(grid, lay_window)
    return grid


def _draw_answers(drawing, scene, left, top, side, number, place=None):
    """The map of a filter, with a frame round a place; gives its grid and words for its ends."""
    answers = scene.answers[..., number - 1]
    reach = np.abs(answers).max() or 1.0
    limits = (-reach, reach) if answers.min() < 0 else (0, reach)
    # The bias makes it brighter or darker.
    shades = as_bytes(answers + scene.biases[number - 1], limits)
    cell = side / max(scene.image.shape[:2])
    grid = Grid.fit(left, top, cell * max(shades.shape), shades.shape)
    drawing.pixels(grid, shades, "output")
    if place:
        x, y = grid.corner(place[0] + 0.5, place[1] + 0.5)
        frame = max(cell, 7)  # never so small that it hides the pixel
        drawing.frame(x - frame / 2, y - frame / 2, frame, frame, PALETTE["kernel"], 1.5)
    drawing.on(grid, lambda row, column: {"row": row, "column": column, "shown": number})
    return grid, "black {}, white {}".format(*map(compact, limits))


def _draw_channels(drawing, scene, window, weights, sums, row, column):
    """For each channel: itself, its pixels in the window, its slice, and their sum of products."""
    drawing.heading(LEFT, 26, "image", "3 channels")
    drawing.heading(WINDOW, 26, "window", "3×3×3 pixels")
    drawing.heading(SLICE, 26, "one filter", "3×3×3 weights")
    drawing.heading(SUMS - 58, 26, "3 sums", "of 9 products")
    size = SIDE * CELL, SIDE * LINE
    for index, name in enumerate(CHANNELS):
        top = TOP + PITCH * index
        drawing.text(LEFT, top - 7, f"{name} channel", 11)
        _draw_image(drawing, scene, LEFT, top, CHANNEL, index, row, column)
        drawing.text(WINDOW, top - 7, f"its {name}", 11)
        pixels, grid = window[..., index].astype(np.uint8), Grid(WINDOW, top, *size, SIDE, SIDE)
        drawing.table(grid, pixels, "input", pixels)
        drawing.text((WINDOW + 3 * CELL + SLICE) / 2, top + 48, "×", 16, "middle")
        drawing.text(SLICE, top - 7, f"{name} slice", 11)
        drawing.table(grid._replace(left=SLICE), weights[..., index], "kernel")
        drawing.text(SLICE + 3 * CELL + 12, top + 48, "=", 16, "middle")
        words = compact(sums[index])
        drawing.text(SUMS, top + 48, words, 15 if len(words) < 7 else 11, "end", bold=True)


def _draw_addition(drawing, sums, bias, total):
    """The three sums and the bias, added as on paper."""
    right = ADDITION + MAP
    drawing.heading(ADDITION, 26, "one sum", "over all three channels")
    for index, (name, number) in enumerate(zip((*CHANNELS, "bias"), (*sums, bias), strict=True)):
        place = 74 + 21 * index
        drawing.text(ADDITION, place, f"{'+ ' if index else '   '}{name}", 13)
        drawing.text(right, place, compact(number), 13, "end")
        if index < 3:
            start = SUMS + 8, TOP + PITCH * index + 43
            turn = SUMS + 24 + 10 * index
            points = [start, (turn, start[1]), (turn, place - 5), (ADDITION - 6, place - 5)]
            drawing.line(points, "#999999", 1.2)
    drawing.rect(right - 56, 74 + 21 * 3 - 14, 62, 19, "none", PALETTE["kernel"], 2)
    drawing.line([(ADDITION, 148), (right, 148)], "black", 1.2)
    drawing.text(ADDITION, 172, "one number", 14, bold=True)
    words = compact(total)
    drawing.text(right, 173, words, 20 if len(words) < 7 else 15, "end", bold=True)


def _draw_map(drawing, scene, shown, row, column):
    """The map of the filter that is shown, with the place of the number."""
    height, width = scene.answers.shape[:2]
    place = ADDITION, MAP_TOP, MAP, shown, (row, column)
    grid, ends = _draw_answers(drawing, scene, *place)
    drawing.heading(ADDITION, MAP_TOP - 26, f"one map of {height}×{width}", ends)
    x, level = grid.corner(row + 0.5, column + 0.5)
    right = ADDITION + MAP + 14
    points = [(right - 10, 167), (right, 167), (right, level)]
    drawing.line([*points, (x + max(grid.cell[0], 7) / 2 + 4, level)], "black", 1.2, (3, 3))


def _draw_all(drawing, scene, names, shown, row, column):
    """The image, and beside it the map of every filter."""
    grey = PALETTE["neutral"]
    drawing.text(LEFT, BELOW - 28, _maps(len(names)), 14, bold=True)
    symbols = [("none", PALETTE[role], 2.5) for role in ("input", "kernel", "output")]
    entries = zip(symbols, ("input", "filter, its window", "output"), strict=True)
    drawing.legend(452, BELOW - 28, entries)
    drawing.text(LEFT, BELOW - 8, "the image", 11)
    _draw_image(drawing, scene, LEFT, BELOW, SMALL, slice(None), row, column)
    cell = SMALL / max(scene.image.shape[:2])
    height, width = (cell * size for size in scene.answers.shape[:2])
    drawing.text(LEFT + SMALL + 16, BELOW + height / 2 + 6, "→", 18, "middle")
    for number in range(1, MOST + 1):
        left = _left_of(number)
        if number > len(names):
            drawing.rect(left, BELOW, width, height, "none", "#bbbbbb", 1, (4, 4))
            place = left + width / 2, BELOW + height / 2 + 4
            drawing.text(*place, "no filter", 11, "middle", colour=grey)
            continue
        title = f"map {number}" + (", shown above" if number == shown else "")
        drawing.text(left, BELOW - 8, title, 11, bold=number == shown)
        place = (row, column) if number == shown else None
        _, ends = _draw_answers(drawing, scene, left, BELOW, SMALL, number, place)
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
