"""Inside a network: the maps and filters of its layers, and what an answer hangs on."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.ImageColor import getrgb

from ..plots import PALETTE
from . import shell
from .drawing import Drawing, written
from .subject import FILTERS, GRAD_CAM, MAPS, OCCLUSION, PREDICTED, read_subject

WIDTH, HEIGHT = 760, 704
LEFT, RIGHT = 20, 410  # where the two large panels begin
ABOVE, BELOW = 50, 336  # where the image and the large panels begin
SMALL, LARGE = 170, 330  # the longer side of the image, and of a large panel
TILES = 8  # in a row of a mosaic
BARS, BAR = 66, 31  # the first bar, and from one to the next
NAMES, LONGEST, WORD = 345, 150, 15  # where a bar's name ends, its length, letters of a name


@shell.message_in_place
def inside(network=None, image=None, class_names=None, scale=None):
    """Looks into a network while it looks at an image: maps, filters, occlusion, Grad-CAM.

    Point at a tile of a mosaic to choose its map, at the image to see the value there or to put
    the grey square there, at a bar to have its class explained. What was run through the network
    once is kept, so call this again after training on.

    *Occlusion* covers a part of the image with mid-grey and tells how far the class's logit
    falls: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014),
    section 4.2. *Grad-CAM* adds up the maps of a layer, each weighed by the mean gradient of the
    class's logit, and keeps what is positive: Selvaraju et al., "Grad-CAM" (2017), section 3,
    equations 1 and 2. Notebook 09 writes both out.

    Args:
        network: a functional or sequential Keras model that turns images `(batch, height, width,
            1 or 3)` into logits or softmax probabilities `(batch, classes)`; or the name of a
            recorded run with its weights; when None, the recorded 'vgg_small'.
        image: one image, `(height, width)` or `(height, width, 1 or 3)`, or several of equal
            size, `(images, height, width, 1 or 3)`. Bytes are scaled as `scale` says, other
            numbers go in as they are. When None, test images of CIFAR-10 or MNIST.
        class_names: a word for each class; when None, those of the set, or numbers.
        scale: what `data.scale` needs to make numbers of bytes, `{"low": 0.0, "high": 1.0}` say;
            when None, as in the recorded run, and for your own network -2 to 2 (0 to 255 if it
            begins with a layer that scales).

    Returns:
        An `Explorer`; the last line of a cell shows it.
    """
    subject = read_subject(network, image, class_names, scale)
    first = subject.first
    layer = subject.last_like(subject.convolutions[0])
    rows, columns = subject.size
    square = shell.slider("square", 1, min(rows, columns), max(1, min(rows, columns) // 4))
    square.continuous_update = False  # each size is a run through the network
    names = [(name, number) for number, name in enumerate(subject.class_names)]
    views = [MAPS, *([FILTERS] if subject.filters else []), OCCLUSION, GRAD_CAM]
    maps = subject.passed(first)[0][layer]
    liveliest = int(np.argmax(maps.std(axis=(0, 1))))
    highest = np.unravel_index(np.argmax(maps[..., liveliest]), maps.shape[:2])
    row, column = (
        (2 * at + 1) * pixels // (2 * units)
        for at, pixels, units in zip(highest, subject.size, maps.shape[:2], strict=True)
    )
    controls = {
        "picture": shell.choice("image", list(subject.pictures), first),
        "view": shell.choice("view", views, MAPS),
        "layer": shell.choice("layer", subject.layers_for(MAPS), layer),
        "number": shell.slider("map", 0, subject.count(layer) - 1, liveliest),
        "label": shell.choice("class", [("the predicted one", PREDICTED), *names], PREDICTED),
        "square": square,
        "row": shell.slider("row", 0, rows - 1, int(row)),
        "column": shell.slider("column", 0, columns - 1, int(column)),
    }
    return shell.Explorer(
        partial(render, subject), controls, partial(react, subject), partial(point, subject)
    )


# ---------------------------------------------------------------------------------------------
# Controls that hang on each other, and pointing
# ---------------------------------------------------------------------------------------------


def react(subject, name, controls):
    """Offers the layers that the view can show, the maps that the layer has, and no more."""
    view, layer = controls["view"].value, controls["layer"]
    offered = subject.layers_for(view)
    if name == "view" and list(layer.options) != offered:
        kept = layer.value
        layer.options = offered
        if kept in offered:
            layer.value = kept
        else:  # maps after a convolution: its filters; filters never lack maps
            order = list(subject.shapes)
            before = [each for each in offered if order.index(each) < order.index(kept)]
            layer.value = before[-1] if before else offered[-1]
    if name == "view" and view == GRAD_CAM:
        spread = [each for each in subject.convolutions if max(subject.shapes[each][:2]) > 1]
        layer.value = subject.last_like((spread or subject.convolutions)[-1])
    count = subject.kernel(layer.value).shape[-1] if view == FILTERS else subject.count(layer.value)
    controls["number"].max = count - 1  # ipywidgets moves the value along
    controls["layer"].disabled = view == OCCLUSION
    controls["number"].disabled = view not in (MAPS, FILTERS)
    controls["square"].disabled = view != OCCLUSION
    for each in ("row", "column"):
        controls[each].disabled = view == FILTERS


class Box(NamedTuple):
    """A rectangle of the picture with rows and columns in it."""

    left: float
    top: float
    width: float
    height: float
    rows: int
    columns: int

    def cell(self, x, y):
        """The `(row, column)` at a place of the picture, None outside."""
        row = math.floor((y - self.top) / self.height * self.rows)
        column = math.floor((x - self.left) / self.width * self.columns)
        inside_it = 0 <= row < self.rows and 0 <= column < self.columns
        return (row, column) if inside_it else None

    def corner(self, row, column):
        """Where a cell begins, `(x, y)`."""
        return self.left + column * self.pitch[0], self.top + row * self.pitch[1]

    @property
    def pitch(self):
        """The width and height of a cell."""
        return self.width / self.columns, self.height / self.rows


def _box(left, top, side, shape):
    """A box for an image of `shape`, whose longer side is `side`."""
    rows, columns = shape[:2]
    unit = side / max(rows, columns)
    return Box(left, top, unit * columns, unit * rows, rows, columns)


def _mosaic_box(shape, number):
    """The box of a mosaic of maps `(height, width, maps)`, and the numbers of those shown."""
    first = number // TILES**2 * TILES**2
    shown = range(first, min(shape[-1], first + TILES**2))
    across = min(TILES, math.ceil(math.sqrt(shape[-1])))
    down = math.ceil(len(shown) / across)
    height, width = down * shape[0], across * shape[1]
    unit = LARGE / max(height, width)
    return Box(LEFT, BELOW, unit * width, unit * height, down, across), shown


def point(subject, x, y, picture, view, layer, number, label, **_):
    """Which map, which class or which pixel somebody pointed at."""
    whole = _box(LEFT, ABOVE, SMALL, subject.size)
    if cell := whole.cell(x, y):
        return dict(zip(("row", "column"), cell, strict=True)) if view != FILTERS else {}
    line = math.floor((y - BARS + 7) / BAR)
    if y < ABOVE + SMALL + 10 and x > whole.left + whole.width:
        listed = _listed(subject, picture, label)
        return {"label": listed[line]} if 0 <= line < len(listed) else {}
    if view in (MAPS, FILTERS):
        shape = subject.shapes[layer] if view == MAPS else subject.kernel(layer).shape
        shape = shape if len(shape) > 1 else (1, 1, *shape)
        box, shown = _mosaic_box((*shape[:2], shape[-1]), number)
        if cell := box.cell(x, y):
            tile = cell[0] * box.columns + cell[1]
            return {"number": shown[tile]} if tile < len(shown) else {}
    if view == FILTERS:
        return {}
    for left in (LEFT, RIGHT) if view != MAPS else (RIGHT,):
        if cell := _box(left, BELOW, LARGE, subject.size).cell(x, y):
            return dict(zip(("row", "column"), cell, strict=True))
    return {}


# ---------------------------------------------------------------------------------------------
# The picture
# ---------------------------------------------------------------------------------------------


def render(subject, picture, view, layer, number, label, square, row, column):
    """The picture: image and answer above, below them what the view shows."""
    drawing = Drawing(WIDTH, HEIGHT, note=subject.note)
    scores = subject.passed(picture)[1]
    about = subject.explained(picture, label)
    parts = {MAPS: _draw_maps, FILTERS: _draw_filters, OCCLUSION: _draw_occlusion}
    draw = parts.get(view, _draw_grad_cam)
    state = {"picture": picture, "layer": layer, "number": number, "about": about}
    finding, details, covered = draw(drawing, subject, **state, size=square, place=(row, column))
    _draw_image(drawing, subject, picture, None if view == FILTERS else (row, column))
    _draw_answer(drawing, subject, picture, label, covered)
    drawing.text(LEFT, 250, finding, 12.5, bold=True)
    for line, words in enumerate(details):
        drawing.text(LEFT, 268 + 16 * line, words, 11, colour="#505050")
    answer = int(np.argmax(scores))
    chance = _per_cent(_softmax(scores)[answer])
    drawing.alt = (
        f"The network answers '{subject.class_names[answer]}' with {chance} for the image "
        f"'{picture}'. {view}: {finding}"
    )
    return drawing


def _softmax(scores):
    grown = np.exp(scores - scores.max())
    return grown / grown.sum()


def _per_cent(share):
    return f"{100 * share:.1f} %"


def _fine(number, digits=2):
    """A number in few characters, with so many digits that count if it is small."""
    small = 0 < abs(number) < 0.1
    return f"{number:.{digits}g}".replace("-", "−") if small else written(number)


def _listed(subject, picture, label):
    """The classes that have a bar: the five likeliest, and the one that is explained."""
    best = np.argsort(-subject.passed(picture)[1], kind="stable")[:5].tolist()
    about = subject.explained(picture, label)
    return best if about in best else [*best[:-1], about]


def _short(words):
    return words if len(words) <= WORD else words[: WORD - 1] + "…"


def _draw_image(drawing, subject, picture, place):
    box, shape = _box(LEFT, ABOVE, SMALL, subject.size), subject.pictures[picture].numbers.shape
    title = f"image: {_short(picture)}, {'×'.join(map(str, shape))}"
    drawing.text(LEFT, ABOVE - 12, title, 12, bold=True)
    drawing.image(*box[:4], subject.pictures[picture].shown())
    drawing.rect(*box[:4], "none", PALETTE["input"], 2)
    if place is not None:
        _mark(drawing, *box.corner(*place), *box.pitch)


def _mark(drawing, left, top, width, height):
    """A frame round a place, black and white: seen on any ground, and never too small."""
    extra = max(0, 8 - width) / 2, max(0, 8 - height) / 2
    left, top, width, height = (
        *(left - extra[0], top - extra[1]),
        *(width + 2 * extra[0], height + 2 * extra[1]),
    )
    drawing.rect(left, top, width, height, "none", "black", 4)
    drawing.rect(left, top, width, height, "none", "white", 1.8)


def _draw_answer(drawing, subject, picture, label, covered):
    """The likeliest classes as bars; with `covered` scores a second, hatched bar for each."""
    scores = subject.passed(picture)[1]
    about, shares = subject.explained(picture, label), _softmax(scores)
    drawing.text(230, ABOVE - 12, "what the network answers", 12, bold=True)
    grey = PALETTE["neutral"]
    legend = "▸ the class that is explained"
    if covered is not None:
        legend += "; hatched: with the square"
    drawing.text(NAMES + 10, ABOVE + 4, legend, 10, colour=grey)
    drawing.text(740, ABOVE - 12, subject.score, 10, "end", colour=grey)
    for line, number in enumerate(_listed(subject, picture, label)):
        top, bold = BARS + BAR * line, number == about
        name = _short(subject.class_names[number])
        words = f"▸ {name}" if bold else name
        drawing.text(NAMES, top + 13, words, 12, "end", bold)
        length = LONGEST * shares[number]
        drawing.rect(NAMES + 10, top, max(length, 0.6), 17, PALETTE["output"])
        values = _per_cent(shares[number])
        shown = written(scores[number])
        if covered is not None:
            left_over = LONGEST * _softmax(covered)[number]
            drawing.rect(NAMES + 10, top + 17, max(left_over, 0.6), 8, "white", PALETTE["lost"])
            drawing.hatch(NAMES + 10, top + 17, left_over, 8, PALETTE["lost"], 5, 1.2)
            length = max(length, left_over)
            values += f" → {_per_cent(_softmax(covered)[number])}"
            shown += f" → {written(covered[number])}"
        drawing.text(NAMES + 16 + length, top + 13, values, 11, bold=bold)
        drawing.text(740, top + 13, shown, 11, "end", bold)


def _draw_tiles(drawing, box, tiles, chosen, role, dead=()):
    """A mosaic of tiles, uint8 `(tiles, height, width)` or with colours, one of them framed."""
    height, width = tiles.shape[1:3]
    larger = max(1, round(24 / max(height, width)))
    tiles = tiles.repeat(larger, axis=1).repeat(larger, axis=2)
    gap = max(2, round(0.08 * larger * max(height, width)))
    pitch = tiles.shape[1] + gap, tiles.shape[2] + gap
    sheet = np.full((box.rows * pitch[0], box.columns * pitch[1], *tiles.shape[3:]), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = (
            place * step + gap // 2
            for place, step in zip(divmod(index, box.columns), pitch, strict=True)
        )
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    drawing.image(*box[:4], sheet)
    for index in dead:
        drawing.hatch(
            *box.corner(*divmod(index, box.columns)), *box.pitch, PALETTE["lost"], box.pitch[0] / 4
        )
    drawing.frame(*box.corner(*divmod(chosen, box.columns)), *box.pitch, PALETTE[role], 3)


def _title(drawing, left, words, details):
    drawing.text(left, BELOW - 23, words, 12, bold=True)
    drawing.text(left, BELOW - 8, details, 10, colour=PALETTE["neutral"])


def _draw_values(drawing, box, values, shades):
    """Numbers written over an image, where its pixels have room for them."""
    rows, columns = values.shape
    cell = Box(*box[:4], rows, columns)
    if min(cell.pitch) < 34:
        return
    largest = np.abs(values).max()
    for (row, column), value in np.ndenumerate(values):
        x, y = cell.corner(row + 0.5, column + 0.5)
        bright = np.mean(shades[row, column]) > 118
        size, colour = min(11, min(cell.pitch) / 3.8), "black" if bright else "white"
        words = _fine(value, 1) if largest < 0.1 else written(value)
        drawing.text(x, y + 4, words, size, "middle", colour=colour)


def _draw_maps(drawing, subject, picture, layer, number, about, size, place):
    """All maps of a layer, and one of them large."""
    maps = subject.passed(picture)[0][layer]
    flat = maps.ndim == 1
    maps = maps.reshape(1, 1, -1) if flat else maps
    box, shown = _mosaic_box(maps.shape, number)
    chosen, limits = maps[..., number], (maps.min(), maps.max())
    tiles = [shell.as_bytes(maps[..., each], limits if flat else None) for each in shown]
    dead = [tile for tile, each in enumerate(shown) if np.ptp(maps[..., each]) == 0 and not flat]
    rows, columns = chosen.shape
    kind = "unit" if flat else "map"
    count = f"{maps.shape[-1]} {kind}s" + ("" if flat else f" of {rows}×{columns}")
    if len(shown) < maps.shape[-1]:
        count += f": {shown[0]} to {shown[-1]}"
    own = "black: the lowest of all, white: the highest" if flat else "each from black to white"
    hatched = "; hatched: the same everywhere" if dead else ""
    _title(drawing, LEFT, f"{layer}, {count}", own + hatched)
    _draw_tiles(drawing, box, np.array(tiles), number - shown[0], "output", dead)

    large = _box(RIGHT, BELOW, 90 if flat else LARGE, subject.size)
    shades = shell.as_bytes(chosen, limits if flat else None)
    ends = f"black {_fine(chosen.min())}, white {_fine(chosen.max())}"
    if np.ptp(chosen) == 0 and not flat:
        ends = f"{_fine(chosen.min())} everywhere: nothing in this image excites it"
    _title(drawing, RIGHT, f"{kind} {number}", "" if flat else ends)
    drawing.image(*large[:4], shades)
    _draw_values(drawing, large, chosen, shades)
    drawing.rect(*large[:4], "none", PALETTE["output"], 2)
    if flat:
        value = f"Unit {number} of {layer} gives {_fine(chosen[0, 0])}."
        return (
            value,
            ["It belongs to the whole image: behind the flattening nothing has a place."],
            None,
        )
    row, column = _unit(subject, place, chosen.shape)
    cell = Box(*large[:4], rows, columns)
    _mark(drawing, *cell.corner(row, column), *cell.pitch)
    finding = (
        f"Map {number} of {layer} gives {_fine(chosen[row, column])} at row {row}, "
        f"column {column} of its {rows}×{columns}."
    )
    top = np.unravel_index(np.argmax(chosen), chosen.shape)
    details = [f"Highest: {_fine(chosen.max())} at row {top[0]}, column {top[1]}."]
    idle = int((np.ptp(maps, axis=(0, 1)) == 0).sum())
    if idle:
        details.append(f"{idle} of the {maps.shape[-1]} maps are the same everywhere here.")
    return finding, details, None


def _unit(subject, place, shape):
    """The unit of a map that lies where a pixel of the image lies."""
    return tuple(
        index * units // pixels
        for index, units, pixels in zip(place, shape, subject.size, strict=True)
    )


def _draw_filters(drawing, subject, picture, layer, number, about, size, place):
    """All filters of a convolution, and one of them large."""
    kernel = subject.kernel(layer)
    height, width, depth, count = kernel.shape
    coloured = depth == 3 and layer == subject.filters[0]
    box, shown = _mosaic_box((height, width, count), number)
    pictures = np.moveaxis(kernel if coloured else kernel.mean(axis=2), -1, 0)
    tiles = np.array([_round_grey(pictures[each]) for each in shown])
    part = f": {shown[0]} to {shown[-1]}" if len(shown) < count else ""
    summary = "weight 0 is mid-grey, each on its own scale"
    if depth > 1 and not coloured:
        summary = "each as the mean of its slices: a summary, not the filter"
    _title(drawing, LEFT, f"{layer}, {count} filters of {height}×{width}×{depth}{part}", summary)
    _draw_tiles(drawing, box, tiles, number - shown[0], "kernel")

    own = kernel[..., number]
    words = f"filter {number}"
    if coloured:
        _title(drawing, RIGHT, f"{words} as a picture, and colour by colour", summary)
        _draw_colours(drawing, own)
        grey = 3 * np.sum(own.mean(axis=2) ** 2) / (np.sum(own**2) or 1)
        finding = f"Filter {number} of {layer}: {100 * grey:.0f} % of its sum of squares is grey."
        details = [
            "100 % would treat red, green and blue alike; 0 % would only compare them; random "
            "numbers have 33 %."
        ]
        return finding, details, None
    if depth == 1:
        large = _box(RIGHT, BELOW, LARGE, own.shape)
        shades = _round_grey(own[..., 0])
        _title(drawing, RIGHT, words, "weight 0 is mid-grey")
        drawing.image(*large[:4], shades)
        _draw_values(drawing, large, own[..., 0], shades)
        drawing.rect(*large[:4], "none", PALETTE["kernel"], 2.5)
        return f"Filter {number} of {layer} is {height}×{width}.", [], None
    across = min(TILES, math.ceil(math.sqrt(depth)))
    slices = np.moveaxis(_round_grey(own), -1, 0)[: TILES**2]
    down = math.ceil(len(slices) / across)
    unit = LARGE / max(across * width, down * height)
    large = Box(RIGHT, BELOW, unit * across * width, unit * down * height, down, across)
    some = f"its {depth} slices" if len(slices) == depth else f"{len(slices)} of its {depth} slices"
    strongest = int(np.argmax(np.sum(own**2, axis=(0, 1))[: len(slices)]))
    _title(drawing, RIGHT, f"{words}: {some}", "one for each map before it; weight 0 is mid-grey")
    _draw_tiles(drawing, large, slices, strongest, "kernel")
    share = np.sum(own[..., strongest] ** 2) / (np.sum(own**2) or 1)
    finding = f"Filter {number} of {layer} weighs {depth} maps, map {strongest} most."
    details = [f"Framed: this slice has {100 * share:.0f} % of the filter's sum of squares."]
    return finding, details, None


def _round_grey(weights):
    """Weights as bytes: 0 becomes mid-grey, the largest in size black or white."""
    most = np.abs(weights).max() or 1.0
    return shell.as_bytes(weights, (-most, most))


def _draw_colours(drawing, weights):
    """A filter of three colours as a picture, and each colour as numbers on greys."""
    side, small, gap = 214, 102, 12
    box = _box(RIGHT + (LARGE - side) / 2, BELOW, side, weights.shape)
    drawing.image(*box[:4], _round_grey(weights))
    drawing.rect(*box[:4], "none", PALETTE["kernel"], 2.5)
    shades = _round_grey(weights)
    for channel, name in enumerate(("red", "green", "blue")):
        left = RIGHT + channel * (small + gap)
        one = _box(left, BELOW + LARGE - small, small, weights.shape)
        drawing.image(*one[:4], shades[..., channel])
        _draw_values(drawing, one, weights[..., channel], shades[..., channel])
        drawing.rect(*one[:4], "none", PALETTE["kernel"], 1.5)
        middle = left + one.width / 2
        drawing.text(middle, BELOW + LARGE + 16, name, 11, "middle")


def _draw_occlusion(drawing, subject, picture, layer, number, about, size, place):
    """The image with the square, and how far the score falls for each place of it."""
    image, whole = subject.pictures[picture], subject.passed(picture)[1]
    found = subject.falls(picture, size)
    falls = whole[about] - found.scores[..., about]
    down, across = found.nearest(*place)
    top, left = down * found.stride, across * found.stride
    covered = image.numbers.copy()
    covered[top : top + size, left : left + size] = image.grey

    box = _box(LEFT, BELOW, LARGE, subject.size)
    _title(drawing, LEFT, "the image with the square", f"{size}×{size} pixels of mid-grey")
    drawing.image(*box[:4], image.shown(covered))
    drawing.rect(*box[:4], "none", PALETTE["input"], 2)
    unit = box.pitch
    square = *box.corner(top, left), unit[0] * size, unit[1] * size
    drawing.frame(*square, PALETTE["lost"], 3)

    box = _box(RIGHT, BELOW, LARGE, subject.size)
    name = subject.class_names[about]
    least_of_all = "rises most" if falls.min() < 0 else "falls least"
    title = f"how far '{_short(name)}' falls, by the square's middle"
    key = f"● falls most   ■ {least_of_all}   hatched: no middle there"
    _title(drawing, RIGHT, title, key)
    drawing.hatch(*box[:4], "#bbbbbb", 8)
    edge = (size - found.stride) / 2
    step = unit[0] * found.stride, unit[1] * found.stride
    corner = box.left + unit[0] * edge, box.top + unit[1] * edge
    size_of_all = step[0] * falls.shape[1], step[1] * falls.shape[0]
    centred = Box(*corner, *size_of_all, *falls.shape)
    most = np.abs(falls).max() or 1.0
    drawing.image(*centred[:4], _two_ways(falls / most))
    drawing.rect(*box[:4], "none", PALETTE["lost"], 2)
    best, least = (np.unravel_index(each(falls), falls.shape) for each in (np.argmax, np.argmin))
    x, y = centred.corner(best[0] + 0.5, best[1] + 0.5)
    drawing.circle(x, y, 5, "black", "white", 1.5)
    x, y = centred.corner(least[0] + 0.5, least[1] + 0.5)
    drawing.rect(x - 4.5, y - 4.5, 9, 9, "black", "white", 1.5)
    _mark(drawing, *centred.corner(down, across), *centred.pitch)
    ends = f"rises by {_fine(most)}", f"falls by {_fine(most)} (white: 0)"
    _draw_ramp(drawing, RIGHT, _two_ways(np.linspace(-1, 1, 61)), *ends)

    fall = falls[down, across]
    way = "falls by" if fall >= 0 else "rises by"
    values = f"{_fine(whole[about])} → {_fine(whole[about] - fall)}"
    finding = (
        f"Covered round row {top + size // 2}, column {left + size // 2}, the {subject.score} of "
        f"'{_short(name)}' {way} {_fine(abs(fall))}: {values}."
    )
    places = f"{falls.shape[0]}×{falls.shape[1]} places, {found.stride} pixels apart"
    extremes = f"It falls by up to {_fine(falls.max())}"
    if falls.min() < 0:
        extremes += f" and rises by up to {_fine(-falls.min())}"
    scores = found.scores[down, across]
    answer = int(np.argmax(scores))
    details = [f"{extremes}, at {places}."]
    if answer != int(np.argmax(whole)):
        details.append(f"With the square here the answer is '{subject.class_names[answer]}'.")
    return finding, details, scores


def _draw_grad_cam(drawing, subject, picture, layer, number, about, size, place):
    """The map of a layer's evidence for a class, as it is and over the image."""
    cam = subject.grad_cams(picture, about)[layer]
    rows, columns = cam.shape
    most = float(cam.max())
    shares = cam / (most or 1.0)
    name = _short(subject.class_names[about])

    box = _box(LEFT, BELOW, LARGE, subject.size)
    shades = _heat(shares)
    title = f"Grad-CAM for '{name}' from {layer}"
    _title(drawing, LEFT, title, f"{rows}×{columns} squares: all that it has")
    drawing.image(*box[:4], shades)
    _draw_values(drawing, box, cam, shades)
    drawing.rect(*box[:4], "none", PALETTE["gradient"], 2.5)
    cell = Box(*box[:4], rows, columns)
    row, column = _unit(subject, place, cam.shape)
    _mark(drawing, *cell.corner(row, column), *cell.pitch)

    box = _box(RIGHT, BELOW, LARGE, subject.size)
    words = "smoothed: it looks finer, and no information was added"
    _title(drawing, RIGHT, "the same over the image", words)
    drawing.image(*box[:4], _over(subject.pictures[picture].shown(), shares), smooth=True)
    drawing.rect(*box[:4], "none", PALETTE["gradient"], 2.5)
    _mark(drawing, *box.corner(*place), *box.pitch)
    words = f"{_fine(most)}: speaks for it most"
    _draw_ramp(drawing, LEFT, _heat(np.linspace(0, 1, 61)), "0", words)

    finding = f"At row {row}, column {column} the maps of {layer} speak for '{name}' with "
    finding += f"{_fine(cam[row, column])}."
    if most == 0:
        return finding, [f"Nowhere do they speak for it: Grad-CAM is 0 for '{name}'."], None
    top = np.unravel_index(np.argmax(cam), cam.shape)
    details = [f"Most: {_fine(most)} at row {top[0]}, column {top[1]} of {rows}×{columns}."]
    return finding, details, None


def _draw_ramp(drawing, left, colours, low, high):
    """What the colours of a map mean, with the words for both ends."""
    top, begin = BELOW + LARGE + 12, left + 6.4 * len(low) + 6
    drawing.text(left, top + 9, low, 11)
    drawing.image(begin, top, 90, 11, colours[None])
    drawing.rect(begin, top, 90, 11, "none", PALETTE["neutral"], 0.7)
    drawing.text(begin + 96, top + 9, high, 11)


def _blend(values, places, colours):
    """Colours for numbers: at each of the `places` one, in between a mixture."""
    channels = [np.interp(values, places, channel) for channel in np.transpose(colours)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _heat(shares):
    """From black over the colour of a gradient to white, for 0 to 1."""
    return _blend(shares, (0, 0.65, 1), ([0, 0, 0], getrgb(PALETTE["gradient"]), [255, 255, 255]))


def _two_ways(shares):
    """From dark grey over white to the colour of what is lost, for -1 to 1."""
    return _blend(shares, (-1, 0, 1), ([51, 51, 51], [255, 255, 255], getrgb(PALETTE["lost"])))


def _over(shown, shares):
    """An image in grey with a smoothed map laid over it."""
    height, width = shown.shape[:2]
    grey = shown.mean(axis=-1) if shown.ndim == 3 else shown
    smooth = Image.fromarray(shares.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    smooth = np.asarray(smooth)[..., None]
    mixed = (1 - 0.8 * smooth) * grey[..., None] + 0.8 * smooth * getrgb(PALETTE["gradient"])
    return mixed.astype(np.uint8)
