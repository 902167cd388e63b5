"""The receptive field: which pixels a unit sees, and how its region grows layer by layer."""

from functools import cache, cached_property, partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..arithmetic import Conv, Pool, span
from ..plots import PALETTE
from . import shell
from .drawing import Drawing, written
from .networks import BUILDERS, IMAGE, Network, named, read, read_stack, shortened

FIRST = "LeNet"  # the stack of notebook 02, which needs no Keras
LENET = (Conv(6, 5), Pool(2), Conv(16, 5), Pool(2), Conv(120, 5))
OWN = "yours"
SIDES = 64, 227  # of the photograph, for a stack that brings none: the first that is large enough

LEFT, TOP, SIDE = 20, 52, 320  # the image with what is around it
RIGHT, MAP = 420, 190  # the map
LINE = 16  # of the table
COLUMNS = 20, 184, 296, 482, 580  # where the table's columns begin; the last is the bar
BAR = 160
MOST_LINES = 20  # a longer table gathers layers that are alike
ROUND = 0.2  # of the image, how much of what lies outside it is shown at most


@shell.message_in_place
def receptive_field(network=None, image=None):
    """Shows which pixels a unit sees, and the arithmetic of its region layer by layer.

    Point at the map or at the image to choose a unit, at a line of the table to choose a layer.

    Args:
        network: a list of `arithmetic.Conv` and `arithmetic.Pool`, a functional or sequential
            Keras model, a function without arguments that builds one (its weights are then never
            made), or the name of a network of the course, such as 'VGG-16'. When None, LeNet.
        image: `(height, width)` or `(height, width, 3)`. For a Keras network it is cut and
            scaled to the size that the network takes. When None, one of the course's pictures.

    Returns:
        An `Explorer`; the last line of a cell shows it.
    """
    offer = Offer(network, image)
    first = OWN if offer.own else network if isinstance(network, str) else FIRST
    choices = [OWN] * bool(offer.own) + [FIRST, *BUILDERS]
    if first not in choices:
        raise ValueError(f"network: there is no {first!r}, choose one of {', '.join(choices)}")
    layers = _layers_to_choose(offer.network(first))
    layer = layers[min(3, len(layers) - 1)][1]
    controls = {
        "network": shell.choice("network", choices, first),
        "layer": shell.choice("layer", layers, layer),
        "row": shell.slider("row of the unit", 0, 0, 0),
        "column": shell.slider("column of the unit", 0, 0, 0),
    }
    for name in ("row", "column"):
        controls[name].layout.width = "320px"
    _set_ranges(offer.network(first), controls, share=(0.5, 0.5))
    return shell.Explorer(
        partial(render, offer), controls, partial(react, offer), partial(point, offer)
    )


class Offer:
    """The networks to choose from, and the picture that each one gets."""

    def __init__(self, network=None, image=None):
        self.image, self.note = None, ""
        if image is not None:
            image, self.note = shell.as_image(image, largest=512)
            self.image = shell.as_bytes(image)
        self.own = None
        if isinstance(network, (list, tuple)):
            self.own = self._read_stack(network)
        elif network is not None and not isinstance(network, str):
            self.own = read(network)
        if self.own:
            _layers_to_choose(self.own)
        self.picture = cache(self._picture)

    def _read_stack(self, stack):
        if self.image is not None:
            channels = self.image.shape[2:] or (1,)
            return read_stack(OWN, (*self.image.shape[:2], *channels), stack)
        for side in SIDES:
            try:
                return read_stack(OWN, (side, side, 3), stack)
            except ValueError as problem:
                if side == SIDES[-1]:
                    raise ValueError(f"network: {problem}") from None

    def network(self, name):
        """The network with this name."""
        if name == OWN:
            return self.own
        return _lenet() if name == FIRST else named(name)

    def _picture(self, height, width, channels=3):
        """An image of this size, and what was done to it."""
        image, note = self.image, self.note
        if image is None:
            return _fitted(_sample(height, channels), height, width), ""
        if image.shape[:2] != (height, width):
            size = "×".join(map(str, image.shape[:2]))
            note = f"{note} image: cut and scaled from {size} to the network's {height}×{width}."
        return _fitted(image, height, width), note.strip()


@cache
def _lenet():
    return read_stack(FIRST, (32, 32, 1), LENET)


@cache
def _sample(height, channels):
    """A picture of the course such as a network takes."""
    from .. import data

    if height > 32:
        return data.photo("cat")[:, 80:380]
    if channels == 3:
        return data.load("cifar10", "test").images[7]
    return np.pad(data.load("mnist", "test").images[7, ..., 0], 2)


def _fitted(image, height, width):
    """The middle of an image, cut and scaled to this size."""
    image = shell.middle(image, height, width)
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _layers_to_choose(network):
    """The layers with maps whose units see more than those before: pairs (words, name).

    Raises:
        ValueError: there are none.
    """
    found = [
        (f"{layer.row.name}, {layer.row.output_shape[0]}×{layer.row.output_shape[1]}", number)
        for number, layer in enumerate(network.layers)
        if layer.changes and network.seen[number] and len(layer.row.output_shape) == 3
    ]
    if not found:
        raise ValueError(
            f"network: {network.name} has no layer with a window that moves over an image: "
            "give it a convolution or a pooling"
        )
    return found


# ---------------------------------------------------------------------------------------------
# What a unit sees
# ---------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A line of the table: layers in a row that do the same, mostly one; `name` is the last's."""

    name: str
    number: int
    windows: tuple
    count: int
    before: tuple
    after: tuple


class Scene:
    """What is drawn, before it is drawn."""

    def __init__(self, network, layer, row, column):
        self.network, self.number, self.unit = network, layer, (row, column)
        self.row = network.layers[layer].row
        self.seen = network.seen[layer]
        self.regions = tuple(axis.by(unit) for axis, unit in zip(self.seen, self.unit, strict=True))
        self.size = network.input_shape[:2]
        self.pixels = pixels_read(network, layer, self.unit)

    @cached_property
    def steps(self):
        """The table's lines."""
        way = self.network.way_to(self.number)
        lines = []
        for number in way:
            layer = self.network.layers[number]
            before = self.network.seen[self.network.widest_input(number)]
            after = self.network.seen[number]
            if lines and len(way) > MOST_LINES and _alike(lines[-1], layer.windows, before):
                last = lines.pop()
                lines.append(
                    last._replace(
                        name=layer.row.name, number=number, count=last.count + 1, after=after
                    )
                )
            else:
                lines.append(Step(layer.row.name, number, layer.windows, 1, before, after))
        return lines

    @property
    def alike(self):
        """Whether down and across are the same, so that one number says both."""
        return all(
            axes[0].size == axes[1].size and axes[0].jump == axes[1].jump
            for step in self.steps
            for axes in (step.before, step.after)
        )

    @cached_property
    def regions_before(self):
        """What the unit in the middle of the window sees, for each layer on the way."""
        number, unit, regions = self.number, self.unit, {}
        while number != IMAGE:
            axes = zip(self.network.seen[number], unit, strict=True)
            regions[number] = tuple(axis.by(place) for axis, place in axes)
            windows = self.network.layers[number].windows
            unit = tuple(window.middle(place) for window, place in zip(windows, unit, strict=True))
            number = self.network.widest_input(number)
        return regions

    @property
    def margins(self):
        """How many pixels outside the image are shown, down and across: alike for all units."""
        return _margins(self.network)

    @property
    def cell(self):
        """The side of one pixel, in pixels of the picture."""
        return SIDE / max(
            size + 2 * margin for size, margin in zip(self.size, self.margins, strict=True)
        )

    @property
    def corner(self):
        """Where the image's upper left corner lies."""
        return LEFT + self.cell * self.margins[1], TOP + self.cell * self.margins[0]

    @property
    def map_cell(self):
        """The side of one unit of the map, in pixels of the picture."""
        return MAP / max(self.row.output_shape[:2])

    @property
    def below(self):
        """Where the table's first line stands."""
        height = self.cell * (self.size[0] + 2 * self.margins[0])
        return TOP + max(height, 300) + 88


def _alike(step, windows, before):
    """Whether a layer adds as much to the region as those of a line, and keeps the jump."""
    same = all(one[:3] == other[:3] for one, other in zip(step.windows, windows, strict=True))
    return same and [axis.jump for axis in step.before] == [axis.jump for axis in before]


@cache
def _margins(network: Network):
    margins = []
    for axis, size in enumerate(network.input_shape[:2]):
        outside = 0
        for _, number in _layers_to_choose(network):
            seen, units = network.seen[number][axis], network.layers[number].row.output_shape[axis]
            outside = max(outside, -seen.by(0)[0], seen.by(units - 1)[1] - size + 1)
        margins.append(min(outside, max(2, round(ROUND * size))))
    return tuple(margins)


def pixels_read(network, layer, unit):
    """The rows and the columns of the image that a unit depends on, all branches together.

    Zeros of the padding are no pixels, on whichever map they lie.

    Args:
        network: a `Network`.
        layer: the number of a layer.
        unit: `(row, column)` in its map.

    Returns:
        `(rows, columns)`, two sorted arrays; empty if the unit sees padding alone.
    """
    places = {layer: tuple(np.array([place]) for place in unit)}
    for number in range(layer, IMAGE, -1):
        if number not in places:
            continue
        windows, inputs = network.layers[number].windows, network.layers[number].inputs
        for source in inputs:
            row = network.layers[source].row if source != IMAGE else None
            shape = network.input_shape if row is None else row.output_shape
            below = tuple(map(_read_by, places[number], windows, shape))
            if not all(map(len, below)):
                continue  # nothing but padding
            if source in places:
                below = tuple(
                    one if one is other else np.union1d(one, other)
                    for one, other in zip(places[source], below, strict=True)
                )
            places[source] = below
    return places.get(IMAGE, (np.array([], int),) * 2)


def _read_by(units, window, size):
    """The places of a map that some units read along one axis, without those in the padding."""
    if window == (1, 1, 1, 0) and units[-1] < size:
        return units
    taps = window.dilation * np.arange(window.kernel) + window.first
    places = np.unique(np.add.outer(window.stride * units, taps))
    return places[(places >= 0) & (places < size)]


# ---------------------------------------------------------------------------------------------
# The controls
# ---------------------------------------------------------------------------------------------


def react(offer, name, controls):
    """Keeps the layers to choose and the ranges in line with the network."""
    network = offer.network(controls["network"].value)
    shares = [(controls[each].value + 0.5) / (controls[each].max + 1) for each in ("row", "column")]
    if name == "network":
        layers = _layers_to_choose(network)
        controls["layer"].options = layers
        controls["layer"].value = layers[min(3, len(layers) - 1)][1]
    if name in ("network", "layer", "pointer"):
        _set_ranges(network, controls, shares)


def _set_ranges(network, controls, share):
    """One value for each unit of the layer's map, at about the same place of the image."""
    extents = network.layers[controls["layer"].value].row.output_shape[:2]
    for name, extent, part in zip(("row", "column"), extents, share, strict=True):
        if controls[name].max != extent - 1:
            controls[name].max = extent - 1
            controls[name].value = int(part * extent)
        controls[name].disabled = extent == 1


def point(offer, x, y, network, layer, row, column):
    """The unit on the map, the one that looks at a pixel of the image, or a line's layer."""
    seen = Scene(offer.network(network), layer, row, column)
    if y > seen.below - 12:
        line = int((y - seen.below + 12) // LINE)
        steps = seen.steps if seen.alike else [step for step in seen.steps for _ in range(2)]
        return {"layer": steps[line].number} if line < len(steps) else {}
    extents = seen.row.output_shape[:2]
    if x > RIGHT - 10:
        place = (y - TOP) / seen.map_cell, (x - RIGHT) / seen.map_cell
        if not all(0 <= one < extent for one, extent in zip(place, extents, strict=True)):
            return {}
        return {"row": int(place[0]), "column": int(place[1])}
    left, top = seen.corner
    place = (y - top) / seen.cell - 0.5, (x - left) / seen.cell - 0.5
    units = (axis.nearest(one) for axis, one in zip(seen.seen, place, strict=True))
    row, column = (min(max(unit, 0), last - 1) for unit, last in zip(units, extents, strict=True))
    return {"row": row, "column": column}


# ---------------------------------------------------------------------------------------------
# The picture
# ---------------------------------------------------------------------------------------------


def render(offer, network, layer, row, column):
    """The picture: the image with the region, the map with the unit, and the arithmetic."""
    seen = Scene(offer.network(network), layer, row, column)
    picture, note = offer.picture(*seen.network.input_shape)
    lines = len(seen.steps) * (1 if seen.alike else 2)
    drawing = Drawing(760, seen.below + LINE * lines + 24)
    _draw_image(drawing, seen, picture)
    _draw_map(drawing, seen)
    _draw_legend(drawing, seen)
    _draw_table(drawing, seen)
    drawing.note = " ".join(filter(None, [note, *_notes(seen)]))
    sizes = _sizes(seen)
    drawing.alt = (
        f"{network}, {seen.row.name}: the unit in row {row}, column {column} of "
        f"{_extent(seen.row.output_shape)} sees {sizes} pixels of an image of "
        f"{_extent(seen.size)}: {_places(seen)}. Neighbouring units lie "
        f"{_jumps(seen)} apart in the image."
    )
    return drawing


def _extent(shape):
    return f"{shape[0]}×{shape[1]}"


def _sizes(seen):
    return "×".join(str(axis.size) for axis in seen.seen)


def _jumps(seen):
    down, across = (axis.jump for axis in seen.seen)
    if down == across:
        return f"{down} pixel{'s' * (down > 1)}"
    return f"{down} (down) and {across} (across) pixels"


def _places(seen):
    return ", ".join(
        f"{name} {written(first)} to {written(last)}"
        for name, (first, last) in zip(("rows", "columns"), seen.regions, strict=True)
    )


def _notes(seen):
    """What a reader may not have expected, a sentence each."""
    rows, columns = seen.pixels
    if not len(rows) or not len(columns):
        yield "This unit sees padding alone, and nothing of the image."
        return
    if any(axis.size > size for axis, size in zip(seen.seen, seen.size, strict=True)):
        yield f"A region of {_sizes(seen)} is larger than the image."
    elif len(rows) * len(columns) < np.prod([axis.size for axis in seen.seen]):
        inside = [
            len(range(max(0, first), min(last + 1, size)))
            for (first, last), size in zip(seen.regions, seen.size, strict=True)
        ]
        if len(rows) < inside[0] or len(columns) < inside[1]:
            yield (
                f"Of the {inside[0]} rows and {inside[1]} columns of its region in the image, "
                f"it depends on {len(rows)} and {len(columns)}: the others no window reads."
            )
    if any(
        found[0] < first or found[-1] > last
        for found, (first, last) in zip(seen.pixels, seen.regions, strict=True)
    ):
        yield "A narrower branch looks beside the widest one, so it sees a little more."


def _draw_image(drawing, seen, picture):
    cell, (left, top) = seen.cell, seen.corner
    height, width = (cell * size for size in seen.size)
    outer = [
        cell * (size + 2 * margin) for size, margin in zip(seen.size, seen.margins, strict=True)
    ]
    drawing.text(LEFT, TOP - 28, f"image {_extent(seen.size)}", 14, bold=True)
    drawing.text(LEFT, TOP - 10, f"seen: {_places(seen)}", 12)
    if any(seen.margins):
        drawing.rect(LEFT, TOP, outer[1], outer[0], "#f4f4f4")
        _hatch_outside(drawing, seen, outer)
        drawing.rect(LEFT, TOP, outer[1], outer[0], "none", PALETTE["neutral"], 1, (2, 3))
    step = -(-max(seen.size) // 256)  # more pixels than that nobody sees, and they take time
    pixels = picture[::step, ::step]
    shares = np.full(seen.size, 0.4)
    shares[np.ix_(*seen.pixels)] = 1
    shares = shares[::step, ::step].reshape(*pixels.shape[:2], *[1] * (pixels.ndim - 2))
    pixels = (255 - shares * (255.0 - pixels)).astype(np.uint8)
    drawing.image(left, top, width, height, pixels, smooth=cell < 3)
    drawing.rect(left, top, width, height, "none", PALETTE["input"], 2)
    for step in seen.steps[:-1]:
        _draw_region(drawing, seen, seen.regions_before[step.number], [(PALETTE["kernel"], 1)])
    _draw_region(drawing, seen, seen.regions, [("black", 5), (PALETTE["output"], 3)])


def _hatch_outside(drawing, seen, outer):
    """Hatches the part of the region that is not in the image."""
    left, top = seen.corner
    sides = []
    for (first, last), size, margin in zip(seen.regions, seen.size, seen.margins, strict=True):
        sides.append((max(first, -margin), min(last + 1, size + margin)))
    (upper, lower), (begin, end) = sides
    cell, (height, width) = seen.cell, seen.size
    strips = (
        (upper, min(lower, 0), begin, end),
        (max(upper, height), lower, begin, end),
        (max(upper, 0), min(lower, height), begin, min(end, 0)),
        (max(upper, 0), min(lower, height), max(begin, width), end),
    )
    for first, last, near, far in strips:
        if last > first and far > near:
            drawing.hatch(
                left + cell * near,
                top + cell * first,
                cell * (far - near),
                cell * (last - first),
                PALETTE["neutral"],
            )


def _draw_region(drawing, seen, regions, strokes):
    """A frame round some pixels, without the sides that lie beyond the picture's edge."""
    left, top = seen.corner
    (upper, lower), (begin, end) = (
        (max(first, -margin), min(last + 1, size + margin))
        for (first, last), size, margin in zip(regions, seen.size, seen.margins, strict=True)
    )
    if lower <= upper or end <= begin:
        return  # far out in the padding
    cut = [
        (first < -margin, last + 1 > size + margin)
        for (first, last), size, margin in zip(regions, seen.size, seen.margins, strict=True)
    ]
    x = [left + seen.cell * place for place in (begin, end)]
    y = [top + seen.cell * place for place in (upper, lower)]
    for colour, width in strokes:
        whole = not any(map(any, cut))
        if whole:
            drawing.rect(x[0], y[0], x[1] - x[0], y[1] - y[0], "none", colour, width)
            continue
        for side in (0, 1):
            if not cut[0][side]:
                drawing.line([(x[0], y[side]), (x[1], y[side])], colour, width)
            if not cut[1][side]:
                drawing.line([(x[side], y[0]), (x[side], y[1])], colour, width)


def _draw_map(drawing, seen):
    rows, columns = seen.row.output_shape[:2]
    cell = seen.map_cell
    width, height = cell * columns, cell * rows
    name = f"{seen.row.name}: map of {_extent(seen.row.output_shape)}"
    drawing.text(RIGHT, TOP - 28, name, 14, bold=True)
    drawing.text(RIGHT, TOP - 10, f"unit in row {seen.unit[0]}, column {seen.unit[1]}", 12)
    drawing.rect(RIGHT, TOP, width, height, "#e6f5f0", "none")
    if cell >= 4:
        for row in range(1, rows):
            y = TOP + cell * row
            drawing.line([(RIGHT, y), (RIGHT + width, y)], "#a0a0a0", 0.6)
        for column in range(1, columns):
            x = RIGHT + cell * column
            drawing.line([(x, TOP), (x, TOP + height)], "#a0a0a0", 0.6)
    drawing.rect(RIGHT, TOP, width, height, "none", PALETTE["output"], 2)
    x, y = RIGHT + cell * (seen.unit[1] + 0.5), TOP + cell * (seen.unit[0] + 0.5)
    if cell < 12:  # a small unit is found by two lines
        for ends in ([(RIGHT, y), (RIGHT + width, y)], [(x, TOP), (x, TOP + height)]):
            drawing.line(ends, PALETTE["neutral"], 0.8, (3, 3))
    side = max(cell, 5)
    drawing.rect(x - side / 2, y - side / 2, side, side, PALETTE["output"], "black", 1.5)


def _draw_legend(drawing, seen):
    """What the frames mean, and the number that matters."""
    top = TOP + MAP + 26
    drawing.text(RIGHT, top, f"It sees {_sizes(seen)} pixels.", 16, bold=True)
    drawing.text(RIGHT, top + 20, f"The next unit looks {_jumps(seen)} further on.", 12)
    top += 34
    drawing.rect(RIGHT, top, 22, 12, "none", "black", 5)
    drawing.rect(RIGHT, top, 22, 12, "none", PALETTE["output"], 3)
    drawing.text(RIGHT + 32, top + 10, "its region: the receptive field", 11)
    drawing.rect(RIGHT, top + 19, 22, 12, "none", PALETTE["kernel"], 1.2)
    drawing.text(RIGHT + 32, top + 29, "thin: regions of the layers before", 11)
    drawing.rect(RIGHT, top + 38, 22, 12, "#f4f4f4", PALETTE["neutral"], 1, (2, 3))
    drawing.hatch(RIGHT, top + 38, 22, 12, PALETTE["neutral"])
    drawing.text(RIGHT + 32, top + 48, "the region outside the image: padding", 11)
    drawing.rect(RIGHT, top + 57, 22, 12, "#b8d5e8", PALETTE["input"], 1.5)
    drawing.text(RIGHT + 32, top + 67, "pale: pixels that it does not see", 11)


def _draw_table(drawing, seen):
    """One line for each layer that changes something: the sum, the jump and the extent."""
    top = seen.below
    drawing.text(COLUMNS[0], top - 52, "Layer by layer", 14, bold=True)
    grey = PALETTE["neutral"]
    words = "from r = 1 and jump = 1; k: pixels that the window reaches over"
    drawing.text(COLUMNS[0] + 130, top - 52, words, 11, colour=grey)
    heads = "layer", "window", "r + (k − 1)·jump = r", "jump·stride", "columns of the image"
    for x, head in zip(COLUMNS, heads, strict=True):
        drawing.text(x, top - 26, head, 11, colour=grey)
    drawing.line([(LEFT, top - 17), (740, top - 17)], "#bbbbbb", 1)
    axes = [(0, "")] if seen.alike else [(0, ", down"), (1, ", across")]
    place = top
    scale = BAR / (seen.size[1] + 2 * seen.margins[1])
    image_left = COLUMNS[-1] + scale * seen.margins[1]
    height = LINE * len(seen.steps) * len(axes)
    drawing.rect(image_left, top - 12, scale * seen.size[1], height, "#e5f0f7", PALETTE["input"], 1)
    for step in seen.steps:
        last = step is seen.steps[-1]
        for axis, ending in axes:
            window, before, after = step.windows[axis], step.before[axis], step.after[axis]
            reach = span(window.kernel, window.dilation)
            times = f"{step.count}·" if step.count > 1 else ""
            name = step.name + ending
            size = 11 if len(name) < 21 else 9
            drawing.text(COLUMNS[0], place, shortened(name, 28), size, bold=last)
            many = f"{step.count} of " if step.count > 1 else ""
            drawing.text(COLUMNS[1], place, many + _window_words(step.windows), 11)
            line = f"{before.size} + {times}({reach} − 1)·{before.jump} ="
            drawing.text(COLUMNS[2], place, line, 11)
            drawing.text(COLUMNS[3] - 14, place, after.size, 11, "end", bold=True)
            line = f"{before.jump}·{window.stride} = {after.jump}"
            drawing.text(COLUMNS[3], place, line, 11)
            place += LINE
        first, end = seen.regions_before[step.number][1]
        first, end = max(first, -seen.margins[1]), min(end + 1, seen.size[1] + seen.margins[1])
        colour = PALETTE["output" if last else "kernel"]
        drawing.rect(
            image_left + scale * first,
            place - LINE * len(axes) - 9,
            max(2, scale * (end - first)),
            LINE * len(axes) - 6,
            colour,
            "black",
            0.7,
        )


def _window_words(windows):
    down, across = windows
    words = f"{down.kernel}×{across.kernel}"
    if down.stride != 1 or across.stride != 1:
        both = f"{down.stride}×{across.stride}" if down.stride != across.stride else down.stride
        words += f", stride {both}"
    if down.dilation != 1 or across.dilation != 1:
        words += f", dilation {max(down.dilation, across.dilation)}"
    return words
