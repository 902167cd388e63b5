"""Inside a network: the maps and filters of its layers, and what an answer hangs on."""

import math

import numpy as np
from PIL import Image
from PIL.ImageColor import getrgb

from ..plots import PALETTE
from .controls import choice, slider
from .drawing import Drawing, Grid, as_bytes, compact
from .frame import Explorer
from .grad_cam import FILTERS, GRAD_CAM, MAPS, OCCLUSION, PREDICTED
from .images import resized
from .subject import read_subject

WIDTH, HEIGHT = 760, 704
LEFT, RIGHT = 20, 410  # where the two large panels begin
ABOVE, BELOW = 50, 336  # where the image and the large panels begin
SMALL, LARGE = 170, 330  # the longer side of the image, and of a large panel
TILES = 8  # in a row of a mosaic
BARS, BAR = 66, 31  # the first bar, and from one to the next
NAMES, LONGEST, WORD = 345, 150, 15  # where a bar's name ends, its length, letters of a name


class Inside(Explorer):
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
    """

    def __init__(self, network=None, image=None, class_names=None, scale=None):
        self.subject = subject = read_subject(network, image, class_names, scale)
        first = subject.first
        layer = subject.last_like(subject.convolutions[0])
        rows, columns = subject.size
        square = slider("square", 1, min(rows, columns), max(1, min(rows, columns) // 4))
        square.continuous_update = False  # each size is a run through the network
        names = [(name, number) for number, name in enumerate(subject.class_names)]
        views = [MAPS, *([FILTERS] if subject.filters else []), OCCLUSION, GRAD_CAM]
        maps = subject.forward(first)[0][layer]
        liveliest = int(np.argmax(maps.std(axis=(0, 1))))
        highest = np.unravel_index(np.argmax(maps[..., liveliest]), maps.shape[:2])
        row, column = (
            (2 * at + 1) * pixels // (2 * units)
            for at, pixels, units in zip(highest, subject.size, maps.shape[:2], strict=True)
        )
        controls = {
            "picture": choice("image", list(subject.pictures), first),
            "view": choice("view", views, MAPS),
            "layer": choice("layer", subject.layers_for(MAPS), layer),
            "number": slider("map", 0, subject.count(layer) - 1, liveliest),
            "label": choice("class", [("the predicted one", PREDICTED), *names], PREDICTED),
            "square": square,
            "row": slider("row", 0, rows - 1, int(row)),
            "column": slider("column", 0, columns - 1, int(column)),
        }
        super().__init__(controls)

    def react(self, name):
        """Offers the layers that the view can show, the maps that the layer has, and no more."""
        subject, controls = self.subject, self.controls
        view, layer = controls["view"].value, controls["layer"]
        offered = subject.layers_for(view)
        if name == "view" and list(layer.options) != offered:
            kept = layer.value
            layer.options = offered
            if kept in offered:
                layer.value = kept
            else:  # maps after a convolution: its filters; filters never lack maps
                order = list(subject.shapes)
                before = [one for one in offered if order.index(one) < order.index(kept)]
                layer.value = before[-1] if before else offered[-1]
        if name == "view" and view == GRAD_CAM:
            spread = [one for one in subject.convolutions if max(subject.shapes[one][:2]) > 1]
            layer.value = subject.last_like((spread or subject.convolutions)[-1])
        filters = view == FILTERS
        count = subject.kernel(layer.value).shape[-1] if filters else subject.count(layer.value)
        controls["number"].max = count - 1  # ipywidgets moves the value along
        controls["layer"].disabled = view == OCCLUSION
        controls["number"].disabled = view not in (MAPS, FILTERS)
        controls["square"].disabled = view != OCCLUSION
        controls["row"].disabled = controls["column"].disabled = filters

    def draw(self, picture, view, layer, number, label, square, row, column):
        """The picture: image and answer above, below them what the view shows."""
        subject = self.subject
        drawing = Drawing(WIDTH, HEIGHT, note=subject.note)
        scores = subject.forward(picture)[1]
        about = subject.explained(picture, label)
        parts = {MAPS: _draw_maps, FILTERS: _draw_filters, OCCLUSION: _draw_occlusion}
        state = picture, layer, number, about, square, (row, column)
        finding, details, covered = parts.get(view, _draw_grad_cam)(drawing, subject, *state)
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


def _at(row, column):
    """A pixel of the image as values of the controls."""
    return {"row": row, "column": column}


def _softmax(scores):
    grown = np.exp(scores - scores.max())
    return grown / grown.sum()


def _per_cent(share):
    return f"{100 * share:.1f} %"


def _fine(number, digits=2):
    """A number in few characters, with so many digits that count if it is small."""
    small = 0 < abs(number) < 0.1
    return f"{number:.{digits}g}".replace("-", "−") if small else compact(number)


def _listed(subject, picture, label):
    """The classes that have a bar: the five likeliest, and the one that is explained."""
    best = np.argsort(-subject.forward(picture)[1], kind="stable")[:5].tolist()
    about = subject.explained(picture, label)
    return best if about in best else [*best[:-1], about]


def _short(words):
    return words if len(words) <= WORD else words[: WORD - 1] + "…"


def _draw_image(drawing, subject, picture, place):
    grid = Grid.fit(LEFT, ABOVE, SMALL, subject.size)
    shape = subject.pictures[picture].numbers.shape
    title = f"image: {_short(picture)}, {'×'.join(map(str, shape))}"
    drawing.text(LEFT, ABOVE - 12, title, 12, bold=True)
    drawing.pixels(grid, subject.pictures[picture].shown(), "input")
    if place is not None:
        _mark(drawing, *grid.part(*place))
        drawing.on(grid, _at)


def _mark(drawing, left, top, width, height):
    """A frame round a place, black and white: seen on any ground, and never too small."""
    extra = max(0, 8 - width) / 2, max(0, 8 - height) / 2
    place = left - extra[0], top - extra[1], width + 2 * extra[0], height + 2 * extra[1]
    drawing.rect(*place, "none", "black", 4)
    drawing.rect(*place, "none", "white", 1.8)


def _draw_answer(drawing, subject, picture, label, covered):
    """The likeliest classes as bars; with `covered` scores a second, hatched bar for each."""
    scores = subject.forward(picture)[1]
    about, shares = subject.explained(picture, label), _softmax(scores)
    drawing.text(230, ABOVE - 12, "what the network answers", 12, bold=True)
    grey = PALETTE["neutral"]
    legend = "▸ the class that is explained"
    if covered is not None:
        legend += "; hatched: with the square"
    drawing.text(NAMES + 10, ABOVE + 4, legend, 10, colour=grey)
    drawing.text(740, ABOVE - 12, subject.score, 10, "end", colour=grey)
    listed = _listed(subject, picture, label)
    bars = Grid(LEFT + SMALL + 1, BARS - 7, 740 - LEFT - SMALL, BAR * len(listed), len(listed), 1)
    drawing.on(bars, lambda line, _: {"label": listed[line]})
    for line, number in enumerate(listed):
        top, bold = BARS + BAR * line, number == about
        name = _short(subject.class_names[number])
        words = f"▸ {name}" if bold else name
        drawing.text(NAMES, top + 13, words, 12, "end", bold)
        length = LONGEST * shares[number]
        drawing.rect(NAMES + 10, top, max(length, 0.6), 17, PALETTE["output"])
        values = _per_cent(shares[number])
        shown = compact(scores[number])
        if covered is not None:
            left_over = LONGEST * _softmax(covered)[number]
            drawing.rect(NAMES + 10, top + 17, max(left_over, 0.6), 8, "white", PALETTE["lost"])
            drawing.hatch(NAMES + 10, top + 17, left_over, 8, PALETTE["lost"], 5, 1.2)
            length = max(length, left_over)
            values += f" → {_per_cent(_softmax(covered)[number])}"
            shown += f" → {compact(covered[number])}"
        drawing.text(NAMES + 16 + length, top + 13, values, 11, bold=bold)
        drawing.text(740, top + 13, shown, 11, "end", bold)


def _draw_tiles(drawing, grid, tiles, chosen, role, dead=()):
    """A mosaic of tiles, uint8 `(tiles, height, width)` or with colours, one of them framed."""
    height, width = tiles.shape[1:3]
    larger = max(1, round(24 / max(height, width)))
    tiles = tiles.repeat(larger, axis=1).repeat(larger, axis=2)
    gap = max(2, round(0.08 * larger * max(height, width)))
    pitch = tiles.shape[1] + gap, tiles.shape[2] + gap
    size = grid.rows * pitch[0], grid.columns * pitch[1], *tiles.shape[3:]
    sheet = np.full(size, 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = np.array(divmod(index, grid.columns)) * pitch + gap // 2
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    drawing.image(*grid[:4], sheet)
    for index in dead:
        place = grid.part(*divmod(index, grid.columns))
        drawing.hatch(*place, PALETTE["lost"], grid.cell[0] / 4)
    drawing.frame(*grid.part(*divmod(chosen, grid.columns)), PALETTE[role], 3)


def _title(drawing, left, words, details):
    drawing.heading(left, BELOW - 23, words, details, 12, 10, 15)


def _mosaic(drawing, shape, number):
    """The grid of a mosaic of maps `(height, width, maps)`, those shown as numbers and in words."""
    first = number // TILES**2 * TILES**2
    shown = range(first, min(shape[-1], first + TILES**2))
    grid = _tiled(LEFT, shape, len(shown))
    part = f": {shown[0]} to {shown[-1]}" if len(shown) < shape[-1] else ""

    def choose(row, column):
        tile = row * grid.columns + column
        return {"number": shown[tile]} if tile < len(shown) else {}

    drawing.on(grid, choose)
    return grid, shown, part


def _tiled(left, shape, shown):
    """The grid for `shown` tiles of maps `(height, width, maps)`, as square as it can be."""
    across = min(TILES, math.ceil(math.sqrt(shape[-1])))
    down = math.ceil(shown / across)
    height, width = down * shape[0], across * shape[1]
    unit = LARGE / max(height, width)
    return Grid(left, BELOW, unit * width, unit * height, down, across)


def _draw_values(drawing, grid, values, shades):
    """Numbers written over an image, where its pixels have room for them."""
    cells = grid._replace(rows=values.shape[0], columns=values.shape[1])
    if min(cells.cell) >= 34:
        small = np.abs(values).max() < 0.1
        words = (lambda value: _fine(value, 1)) if small else compact
        drawing.values(cells, values, shades, 11, words=words)


def _panel(drawing, left, subject, pixels, role, title, details, smooth=False):
    """A large picture of what belongs to the image: its places are the image's."""
    grid = Grid.fit(left, BELOW, LARGE, subject.size)
    _title(drawing, left, title, details)
    drawing.pixels(grid, pixels, role, smooth=smooth)
    drawing.on(grid, _at)
    return grid


def _draw_maps(drawing, subject, picture, layer, number, about, size, place):
    """All maps of a layer, and one of them large."""
    maps = subject.forward(picture)[0][layer]
    if maps.ndim == 1:
        return _draw_units(drawing, layer, maps, number)
    rows, columns, count = maps.shape
    grid, shown, part = _mosaic(drawing, maps.shape, number)
    chosen = maps[..., number]
    constant = np.ptp(maps, axis=(0, 1)) == 0
    tiles = np.array([as_bytes(maps[..., index]) for index in shown])
    dead = [tile for tile, index in enumerate(shown) if constant[index]]
    words = "each from black to white" + ("; hatched: the same everywhere" if dead else "")
    _title(drawing, LEFT, f"{layer}, {count} maps of {rows}×{columns}{part}", words)
    _draw_tiles(drawing, grid, tiles, number - shown[0], "output", dead)

    ends = f"black {_fine(chosen.min())}, white {_fine(chosen.max())}"
    if constant[number]:
        ends = f"{_fine(chosen.min())} everywhere: nothing in this image excites it"
    shades = as_bytes(chosen)
    large = _panel(drawing, RIGHT, subject, shades, "output", f"map {number}", ends)
    _draw_values(drawing, large, chosen, shades)
    row, column = _unit(subject, place, chosen.shape)
    _mark(drawing, *large._replace(rows=rows, columns=columns).part(row, column))
    finding = (
        f"Map {number} of {layer} gives {_fine(chosen[row, column])} at row {row}, "
        f"column {column} of its {rows}×{columns}."
    )
    top = np.unravel_index(np.argmax(chosen), chosen.shape)
    details = [f"Highest: {_fine(chosen.max())} at row {top[0]}, column {top[1]}."]
    if constant.any():
        details.append(f"{constant.sum()} of the {count} maps are the same everywhere here.")
    return finding, details, None


def _draw_units(drawing, layer, units, number):
    """All units of a layer that has no maps, and one of them large."""
    grid, shown, part = _mosaic(drawing, (1, 1, len(units)), number)
    shades = as_bytes(units).reshape(-1, 1, 1)
    words = "black: the lowest of all, white: the highest"
    _title(drawing, LEFT, f"{layer}, {len(units)} units{part}", words)
    _draw_tiles(drawing, grid, shades[list(shown)], number - shown[0], "output")
    _title(drawing, RIGHT, f"unit {number}", "")
    large = Grid.fit(RIGHT, BELOW, 90, (1, 1))
    drawing.pixels(large, shades[number], "output")
    _draw_values(drawing, large, units[[[number]]], shades[number])
    details = ["It belongs to the whole image: behind the flattening nothing has a place."]
    return f"Unit {number} of {layer} gives {_fine(units[number])}.", details, None


def _unit(subject, place, shape):
    """The unit of a map that lies where a pixel of the image lies."""
    return tuple(np.array(place) * shape // subject.size)


def _draw_filters(drawing, subject, picture, layer, number, about, size, place):
    """All filters of a convolution, and one of them large."""
    kernel = subject.kernel(layer)
    height, width, depth, count = kernel.shape
    coloured = depth == 3 and layer == subject.filters[0]
    grid, shown, part = _mosaic(drawing, (height, width, count), number)
    pictures = np.moveaxis(kernel if coloured else kernel.mean(axis=2), -1, 0)
    tiles = np.array([_round_grey(pictures[index]) for index in shown])
    summary = "weight 0 is mid-grey, each on its own scale"
    if depth > 1 and not coloured:
        summary = "each as the mean of its slices: a summary, not the filter"
    _title(drawing, LEFT, f"{layer}, {count} filters of {height}×{width}×{depth}{part}", summary)
    _draw_tiles(drawing, grid, tiles, number - shown[0], "kernel")

    own, words = kernel[..., number], f"filter {number}"
    if coloured:
        _title(drawing, RIGHT, f"{words} as a picture, and colour by colour", summary)
        _draw_colours(drawing, own)
        grey = 3 * np.sum(own.mean(axis=2) ** 2) / (np.sum(own**2) or 1)
        finding = f"Filter {number} of {layer}: {100 * grey:.0f} % of its sum of squares is grey."
        details = "100 % would treat red, green and blue alike; 0 % would only compare them; "
        return finding, [details + "random numbers have 33 %."], None
    if depth == 1:
        large = Grid.fit(RIGHT, BELOW, LARGE, own.shape)
        shades = _round_grey(own[..., 0])
        _title(drawing, RIGHT, words, "weight 0 is mid-grey")
        drawing.pixels(large, shades, "kernel", 2.5)
        _draw_values(drawing, large, own[..., 0], shades)
        return f"Filter {number} of {layer} is {height}×{width}.", [], None
    slices = np.moveaxis(_round_grey(own), -1, 0)[: TILES**2]
    large = _tiled(RIGHT, own.shape, len(slices))
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
    return as_bytes(weights, (-most, most))


def _draw_colours(drawing, weights):
    """A filter of three colours as a picture, and each colour as numbers on greys."""
    side, small, gap = 214, 102, 12
    shades = _round_grey(weights)
    grid = Grid.fit(RIGHT + (LARGE - side) / 2, BELOW, side, weights.shape)
    drawing.pixels(grid, shades, "kernel", 2.5)
    for channel, name in enumerate(("red", "green", "blue")):
        left = RIGHT + channel * (small + gap)
        grid = Grid.fit(left, BELOW + LARGE - small, small, weights.shape)
        drawing.pixels(grid, shades[..., channel], "kernel", 1.5)
        _draw_values(drawing, grid, weights[..., channel], shades[..., channel])
        drawing.text(left + grid.width / 2, BELOW + LARGE + 16, name, 11, "middle")


def _draw_occlusion(drawing, subject, picture, layer, number, about, size, place):
    """The image with the square, and how far the score falls for each place of it."""
    image, whole = subject.pictures[picture], subject.forward(picture)[1]
    covered = subject.occlusion(picture, size)
    falls = whole[about] - covered.scores[..., about]
    falls[np.abs(falls) < 1e-6 * max(1, np.abs(whole).max())] = 0  # what rounding leaves
    down, across = covered.nearest(*place)
    top, left = down * covered.stride, across * covered.stride
    numbers = image.numbers.copy()
    numbers[top : top + size, left : left + size] = image.grey

    words = "the image with the square", f"{size}×{size} pixels of mid-grey"
    grid = _panel(drawing, LEFT, subject, image.shown(numbers), "input", *words)
    drawing.frame(*grid.part(top, left, size, size), PALETTE["lost"], 3)
    _draw_falls(drawing, subject, falls, covered, subject.class_names[about], (down, across))

    fall, name = falls[down, across], subject.class_names[about]
    way = "falls by" if fall >= 0 else "rises by"
    values = f"{_fine(whole[about])} → {_fine(whole[about] - fall)}"
    finding = (
        f"Covered round row {top + size // 2}, column {left + size // 2}, the {subject.score} of "
        f"'{_short(name)}' {way} {_fine(abs(fall))}: {values}."
    )
    places = f"{falls.shape[0]}×{falls.shape[1]} places, {covered.stride} pixels apart"
    rises = f" and rises by up to {_fine(-falls.min())}" if falls.min() < 0 else ""
    scores = covered.scores[down, across]
    answer = int(np.argmax(scores))
    details = [f"It falls by up to {_fine(falls.max())}{rises}, at {places}."]
    if answer != int(np.argmax(whole)):
        details.append(f"With the square here the answer is '{subject.class_names[answer]}'.")
    return finding, details, scores


def _draw_falls(drawing, subject, falls, covered, name, place):
    """How far the score falls, at the middle of each square."""
    most, stride = np.abs(falls).max() or 1.0, covered.stride
    grid = Grid.fit(RIGHT, BELOW, LARGE, subject.size)
    drawing.on(grid, _at)
    title = f"how far '{_short(name)}' falls, by the square's middle"
    least_of_all = "rises most" if falls.min() < 0 else "falls least"
    key = f"● falls most   ■ {least_of_all}   hatched: no middle there"
    _title(drawing, RIGHT, title, key)
    drawing.hatch(*grid[:4], "#bbbbbb", 8)
    edge = (covered.size - stride) / 2
    middles = grid.part(edge, edge, stride * falls.shape[0], stride * falls.shape[1])
    cells = Grid(*middles, *falls.shape)
    drawing.image(*cells[:4], _two_ways(falls / most))
    drawing.rect(*grid[:4], "none", PALETTE["lost"], 2)
    ends = (np.unravel_index(end(falls), falls.shape) for end in (np.argmax, np.argmin))
    best, (x, y) = (cells.corner(row + 0.5, column + 0.5) for row, column in ends)
    drawing.circle(*best, 5, "black", "white", 1.5)
    drawing.rect(x - 4.5, y - 4.5, 9, 9, "black", "white", 1.5)
    _mark(drawing, *cells.part(*place))
    ends = f"rises by {_fine(most)}", f"falls by {_fine(most)} (white: 0)"
    _draw_ramp(drawing, RIGHT, _two_ways(np.linspace(-1, 1, 61)), *ends)


def _draw_grad_cam(drawing, subject, picture, layer, number, about, size, place):
    """The map of a layer's evidence for a class, as it is and over the image."""
    cam = subject.grad_cams(picture, about)[layer]
    rows, columns = cam.shape
    most = float(cam.max())
    shares = cam / (most or 1.0)
    name = _short(subject.class_names[about])

    shades = _heat(shares)
    words = f"Grad-CAM for '{name}' from {layer}", f"{rows}×{columns} squares: all that it has"
    grid = _panel(drawing, LEFT, subject, shades, "gradient", *words)
    _draw_values(drawing, grid, cam, shades)
    row, column = _unit(subject, place, cam.shape)
    _mark(drawing, *grid._replace(rows=rows, columns=columns).part(row, column))
    words = "the same over the image", "smoothed: it looks finer, and no information was added"
    pixels = _over(subject.pictures[picture].shown(), shares)
    grid = _panel(drawing, RIGHT, subject, pixels, "gradient", *words, smooth=True)
    _mark(drawing, *grid.part(*place))
    words = f"{_fine(most)}: speaks for it most"
    _draw_ramp(drawing, LEFT, _heat(np.linspace(0, 1, 61)), "0", words)

    value = _fine(cam[row, column])
    finding = f"At row {row}, column {column} the maps of {layer} speak for '{name}' with {value}."
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
    smooth = 0.8 * resized(shares, height, width, Image.Resampling.BILINEAR)[..., None]
    mixed = (1 - smooth) * grey[..., None] + smooth * getrgb(PALETTE["gradient"])
    return mixed.astype(np.uint8)
