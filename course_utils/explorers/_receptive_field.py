"""The receptive field: which pixels a unit sees, and how its region grows layer by layer."""

from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..arithmetic import Conv, Pool, span
from ..graph import IMAGE
from ..plots import PALETTE, label
from .controls import choice, slider
from .drawing import Drawing, Grid, as_bytes, compact
from .frame import Explorer
from .images import as_image, middle
from .networks import BUILDERS, Fields, Network, named, read, read_stack

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


class ReceptiveField(Explorer):
    """Shows which pixels a unit sees, and the arithmetic of its region layer by layer.

    Point at the map or at the image to choose a unit, at a line of the table to choose a layer.

    Args:
        network: a list of `arithmetic.Conv` and `arithmetic.Pool`, a functional or sequential
            Keras model, a function without arguments that builds one (its weights are then never
            made), or the name of a network of the course, such as 'VGG-16'. When None, LeNet.
        image: `(height, width)` or `(height, width, 3)`. For a Keras network it is cut and
            scaled to the size that the network takes. When None, one of the course's pictures.
    """

    def __init__(self, network=None, image=None):
        self.image, self.note, self.own = None, "", None
        if image is not None:
            image, self.note = as_image(image, largest=512)
            self.image = as_bytes(image)
        if isinstance(network, (list, tuple)):
            self.own = self._read_stack(network)
        elif network is not None and not isinstance(network, str):
            self.own = read(network).without_resizing()
        first = OWN if self.own else network if isinstance(network, str) else FIRST
        choices = [OWN] * bool(self.own) + [FIRST, *BUILDERS]
        if first not in choices:
            raise ValueError(f"network: there is no {first!r}, choose one of {', '.join(choices)}")
        layers = _layers_to_choose(self.network(first))
        controls = {
            "network": choice("network", choices, first),
            "layer": choice("layer", layers, layers[min(3, len(layers) - 1)][1]),
            "row": slider("row of the unit", 0, 0, 0, width="320px"),
            "column": slider("column of the unit", 0, 0, 0, width="320px"),
        }
        super().__init__(controls)

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

    def picture(self, height, width, channels=3):
        """An image of this size, and what was done to it."""
        image, note = self.image, self.note
        if image is None:
            return _fitted_sample(height, width, channels), ""
        if image.shape[:2] != (height, width):
            size = "×".join(map(str, image.shape[:2]))
            note = f"{note} image: cut and scaled from {size} to the network's {height}×{width}."
        return _fitted(image, height, width), note.strip()

    def react(self, name):
        """Keeps the layers to choose and the ranges in line with the network."""
        controls, network = self.controls, self.network(self.controls["network"].value)
        if name == "network":
            layers = _layers_to_choose(network)
            controls["layer"].options = layers
            controls["layer"].value = layers[min(3, len(layers) - 1)][1]
        # One value for each unit of the layer's map, at about the same place of the image.
        extents = network.rows[controls["layer"].value].output_shape[:2]
        for axis, extent in zip((controls["row"], controls["column"]), extents, strict=True):
            if axis.max != extent - 1:
                share = (axis.value + 0.5) / (axis.max + 1)
                axis.max = extent - 1
                axis.value = int(share * extent)
            axis.disabled = extent == 1

    def draw(self, network, layer, row, column):
        """The picture: the image with the region, the map with the unit, and the arithmetic."""
        scene = Scene(self.network(network), layer, row, column)
        picture, note = self.picture(*scene.network.input_shape)
        lines = len(scene.steps) * (1 if scene.alike else 2)
        drawing = Drawing(760, scene.below + LINE * lines + 24)
        _draw_image(drawing, scene, picture)
        _draw_map(drawing, scene)
        _draw_legend(drawing, scene)
        _draw_table(drawing, scene)
        drawing.say(note, scene.network.note, *_notes(scene))
        drawing.alt = (
            f"{network}, {scene.row.name}: the unit in row {row}, column {column} of "
            f"{_extent(scene.row.output_shape)} sees {_sizes(scene)} pixels of an image of "
            f"{_extent(scene.size)}: {_places(scene)}. Neighbouring units lie "
            f"{_jumps(scene)} apart in the image."
        )
        return drawing


@cache
def _lenet():
    return read_stack(FIRST, (32, 32, 1), LENET)


@cache
def _fitted_sample(height, width, channels):
    """A picture of the course such as a network takes."""
    from .. import data

    if height > 32:
        image = data.photo("cat")[:, 80:380]
    elif channels == 3:
        image = data.load("cifar10", "test").images[7]
    else:
        image = np.pad(data.load("mnist", "test").images[7, ..., 0], 2)
    return _fitted(image, height, width)


def _fitted(image, height, width):
    """The middle of an image, cut and scaled to this size."""
    image = middle(image, height, width)
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _layers_to_choose(network):
    """Pairs (words, number) of the layers with maps whose units see more than those before."""
    layers = [
        (f"{row.name}, {_extent(row.output_shape)}", number)
        for number, row in enumerate(network.rows)
        if row.changes and network.fields[number] and len(row.output_shape) == 3
    ]
    if not layers:
        words = "has no layer with a window that moves over an image, no convolution say"
        raise ValueError(f"network: {network.name} {words}")
    return layers


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
        self.row = network.rows[layer]
        self.fields = network.fields[layer]
        self.regions = self.regions_before[layer]
        self.size = network.input_shape[:2]
        self.pixels = pixels_read(network, layer, self.unit)

    @cached_property
    def steps(self):
        """The table's lines."""
        way = self.network.way_to(self.number)
        lines = []
        for number in way:
            row = self.network.rows[number]
            before = self.network.fields[self.network.widest_input(number)]
            step = Step(row.name, number, row.windows, 1, before, self.network.fields[number])
            if lines and len(way) > MOST_LINES and _alike(lines[-1], step):
                last = lines.pop()
                step = step._replace(windows=last.windows, count=last.count + 1, before=last.before)
            lines.append(step)
        return lines

    @property
    def alike(self):
        """Whether down and across are the same, so that one number says both."""
        seen = [axes for step in self.steps for axes in (step.before, step.after)]
        return all(down[1:] == across[1:] for down, across in seen)  # size and jump

    @cached_property
    def regions_before(self):
        """What the unit in the middle of the window sees, for each layer on the way."""
        number, unit, regions = self.number, self.unit, {}
        while number != IMAGE:
            regions[number] = tuple(map(Fields.region, self.network.fields[number], unit))
            unit = tuple(map(_middle, self.network.rows[number].windows, unit))
            number = self.network.widest_input(number)
        return regions

    @property
    def margins(self):
        """How many pixels outside the image are shown, down and across: alike for all units."""
        return _margins(self.network)

    @property
    def around(self):
        """Where the image lies in the picture, with what is shown around it."""
        shape = [size + 2 * margin for size, margin in zip(self.size, self.margins, strict=True)]
        return Grid.fit(LEFT, TOP, SIDE, shape)

    @property
    def image(self):
        """Where the image lies in the picture."""
        left, top = self.around.corner(*self.margins)
        return Grid.fit(left, top, self.around.cell[0] * max(self.size), self.size)

    @property
    def map(self):
        """Where the layer's map lies in the picture."""
        return Grid.fit(RIGHT, TOP, MAP, self.row.output_shape)

    def unit_above(self, row, column):
        """The unit that looks at a place of what `around` shows, as values of the controls."""
        places = (row - self.margins[0], column - self.margins[1])
        units = (axis.nearest(place) for axis, place in zip(self.fields, places, strict=True))
        ends = zip(("row", "column"), units, self.row.output_shape[:2], strict=True)
        return {name: min(max(unit, 0), extent - 1) for name, unit, extent in ends}

    @property
    def below(self):
        """Where the table's first line stands."""
        return TOP + max(self.around.height, 300) + 88


def _middle(window, unit):
    """The place in the middle of what a unit reads, the first of two if there are two."""
    return window.first + window.stride * unit + window.dilation * ((window.kernel - 1) // 2)


def _alike(*steps):
    """Whether a layer adds as much to the region as those of a line, and keeps the jump."""
    windows = [[window[:3] for window in step.windows] for step in steps]
    jumps = [[axis.jump for axis in step.before] for step in steps]
    return windows[0] == windows[1] and jumps[0] == jumps[1]


@cache
def _margins(network: Network):
    margins = []
    for axis, size in enumerate(network.input_shape[:2]):
        outside = 0
        for _, number in _layers_to_choose(network):
            fields, units = network.fields[number][axis], network.rows[number].output_shape[axis]
            outside = max(outside, -fields.region(0)[0], fields.region(units - 1)[1] - size + 1)
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
        for source in network.rows[number].inputs:
            shape = network.input_shape if source == IMAGE else network.rows[source].output_shape
            below = tuple(map(_read_by, places[number], network.rows[number].windows, shape))
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


def _extent(shape):
    return f"{shape[0]}×{shape[1]}"


def _sizes(scene):
    return "×".join(str(axis.size) for axis in scene.fields)


def _jumps(scene):
    down, across = (axis.jump for axis in scene.fields)
    if down == across:
        return f"{down} pixel{'s' * (down > 1)}"
    return f"{down} (down) and {across} (across) pixels"


def _places(scene):
    return ", ".join(
        f"{name} {compact(first)} to {compact(last)}"
        for name, (first, last) in zip(("rows", "columns"), scene.regions, strict=True)
    )


def _notes(scene):
    """What a reader may not have expected, a sentence each."""
    rows, columns = scene.pixels
    if not len(rows) or not len(columns):
        yield "This unit sees padding alone, and nothing of the image."
        return
    if any(axis.size > size for axis, size in zip(scene.fields, scene.size, strict=True)):
        yield f"A region of {_sizes(scene)} is larger than the image."
    elif len(rows) * len(columns) < np.prod([axis.size for axis in scene.fields]):
        inside = [
            len(range(max(0, first), min(last + 1, size)))
            for (first, last), size in zip(scene.regions, scene.size, strict=True)
        ]
        if len(rows) < inside[0] or len(columns) < inside[1]:
            yield (
                f"Of the {inside[0]} rows and {inside[1]} columns of its region in the image, "
                f"it depends on {len(rows)} and {len(columns)}: the others no window reads."
            )
    if any(
        pixels[0] < first or pixels[-1] > last
        for pixels, (first, last) in zip(scene.pixels, scene.regions, strict=True)
    ):
        yield "A narrower branch looks beside the widest one, so it sees a little more."


def _draw_image(drawing, scene, picture):
    drawing.text(LEFT, TOP - 28, f"image {_extent(scene.size)}", 14, bold=True)
    drawing.text(LEFT, TOP - 10, f"seen: {_places(scene)}", 12)
    if any(scene.margins):
        drawing.rect(*scene.around[:4], "#f4f4f4")
        _hatch_outside(drawing, scene)
        drawing.rect(*scene.around[:4], "none", PALETTE["neutral"], 1, (2, 3))
    step = -(-max(scene.size) // 256)  # more pixels than that nobody sees, and they take time
    pixels = picture[::step, ::step]
    shares = np.full(scene.size, 0.4)
    shares[np.ix_(*scene.pixels)] = 1
    shares = shares[::step, ::step].reshape(*pixels.shape[:2], *[1] * (pixels.ndim - 2))
    pixels = (255 - shares * (255.0 - pixels)).astype(np.uint8)
    drawing.pixels(scene.image, pixels, "input", smooth=scene.image.cell[0] < 3)
    for step in scene.steps[:-1]:
        _draw_region(drawing, scene, scene.regions_before[step.number], [(PALETTE["kernel"], 1)])
    _draw_region(drawing, scene, scene.regions, [("black", 5), (PALETTE["output"], 3)])
    drawing.on(scene.around, scene.unit_above)


def _shown(scene, regions):
    """Where some pixels begin and end, as far as they are in the picture: rows, columns."""
    ends = zip(regions, scene.size, scene.margins, strict=True)
    return [
        (max(first, -margin), min(last + 1, size + margin)) for (first, last), size, margin in ends
    ]


def _hatch_outside(drawing, scene):
    """Hatches the part of the region that is not in the image."""
    (upper, lower), (begin, end) = _shown(scene, scene.regions)
    height, width = scene.size
    strips = (
        (upper, min(lower, 0), begin, end),
        (max(upper, height), lower, begin, end),
        (max(upper, 0), min(lower, height), begin, min(end, 0)),
        (max(upper, 0), min(lower, height), max(begin, width), end),
    )
    for first, last, near, far in strips:
        if last > first and far > near:
            drawing.hatch(*scene.image.part(first, near, last - first, far - near))


def _draw_region(drawing, scene, regions, strokes):
    """A frame round some pixels, without the sides that lie beyond the picture's edge."""
    rows, columns = _shown(scene, regions)
    if rows[1] <= rows[0] or columns[1] <= columns[0]:
        return  # far out in the padding
    (left, top), (right, bottom) = (
        scene.image.corner(*place) for place in zip(rows, columns, strict=True)
    )
    sides = (
        (regions[0][0], rows[0], [(left, top), (right, top)]),
        (regions[1][1] + 1, columns[1], [(right, top), (right, bottom)]),
        (regions[0][1] + 1, rows[1], [(right, bottom), (left, bottom)]),
        (regions[1][0], columns[0], [(left, bottom), (left, top)]),
    )
    for colour, width in strokes:
        if all(wanted == shown for wanted, shown, _ in sides):
            drawing.rect(left, top, right - left, bottom - top, "none", colour, width)
            continue
        for wanted, shown, side in sides:
            if wanted == shown:
                drawing.line(side, colour, width)


def _draw_map(drawing, scene):
    grid, (row, column) = scene.map, scene.unit
    cell = grid.cell[0]
    name = f"{scene.row.name}: map of {_extent(scene.row.output_shape)}"
    drawing.text(RIGHT, TOP - 28, name, 14, bold=True)
    drawing.text(RIGHT, TOP - 10, f"unit in row {row}, column {column}", 12)
    drawing.rect(*grid[:4], "#e6f5f0", "none")
    ends = [((line, 0), (line, grid.columns)) for line in range(1, grid.rows)]
    ends += [((0, line), (grid.rows, line)) for line in range(1, grid.columns)]
    for start, end in ends if cell >= 4 else ():
        drawing.line([grid.corner(*start), grid.corner(*end)], "#a0a0a0", 0.6)
    drawing.rect(*grid[:4], "none", PALETTE["output"], 2)
    x, y = grid.corner(row + 0.5, column + 0.5)
    if cell < 12:  # two lines lead to a small unit
        right, bottom = RIGHT + grid.width, TOP + grid.height
        for ends in ([(RIGHT, y), (right, y)], [(x, TOP), (x, bottom)]):
            drawing.line(ends, PALETTE["neutral"], 0.8, (3, 3))
    side = max(cell, 5)
    drawing.rect(x - side / 2, y - side / 2, side, side, PALETTE["output"], "black", 1.5)
    drawing.on(grid, lambda row, column: {"row": row, "column": column})


def _draw_legend(drawing, scene):
    """What the frames mean, and the number that matters."""
    top = TOP + MAP + 26
    drawing.text(RIGHT, top, f"It sees {_sizes(scene)} pixels.", 16, bold=True)
    drawing.text(RIGHT, top + 20, f"The next unit looks {_jumps(scene)} further on.", 12)

    def region(x, y):
        drawing.rect(x, y, 14, 12, "none", "black", 5)
        drawing.rect(x, y, 14, 12, "none", PALETTE["output"], 3)

    def outside(x, y):
        drawing.rect(x, y, 14, 12, "#f4f4f4", PALETTE["neutral"], 1, (2, 3))
        drawing.hatch(x, y, 14, 12)

    entries = (
        (region, "its region: the receptive field"),
        (("none", PALETTE["kernel"], 1.2), "thin: region of one unit in each layer before"),
        (outside, "the region outside the image: padding"),
        (("#c0c0c0", PALETTE["input"], 1.5), "pale: pixels that it does not see"),
    )
    drawing.legend(RIGHT, top + 44, entries, 19)


def _draw_table(drawing, scene):
    """One line for each layer that changes something: the sum, the jump and the extent."""
    top, grey = scene.below, PALETTE["neutral"]
    drawing.text(COLUMNS[0], top - 52, "Layer by layer", 14, bold=True)
    words = "from r = 1 and jump = 1; a: the span of the window, in pixels of its input"
    drawing.text(COLUMNS[0] + 130, top - 52, words, 11, colour=grey)
    heads = "layer", "window", "r + (a − 1)·jump = r", "jump·stride", "columns of the image"
    for x, head in zip(COLUMNS, heads, strict=True):
        drawing.text(x, top - 26, head, 11, colour=grey)
    drawing.line([(LEFT, top - 17), (740, top - 17)], "#bbbbbb", 1)
    axes = [(0, "")] if scene.alike else [(0, ", down"), (1, ", across")]
    lines = Grid(LEFT, top - 12, 720, LINE * len(axes) * len(scene.steps), len(scene.steps), 1)
    drawing.on(lines, lambda line, _: {"layer": scene.steps[line].number})
    # The bars: each region as columns of the image.
    margin, columns = scene.margins[1], scene.size[1]
    shape = len(scene.steps), columns + 2 * margin
    bars = Grid(COLUMNS[-1], lines.top, BAR, lines.height, *shape)
    ground = bars.part(0, margin, len(scene.steps), columns)
    drawing.rect(*ground, "#e5f0f7", PALETTE["input"], 1)
    for number, step in enumerate(scene.steps):
        last = step is scene.steps[-1]
        for line, (axis, ending) in enumerate(axes):
            place = top + LINE * (len(axes) * number + line)
            _draw_line(drawing, place, step, axis, step.name + ending, last)
        first, end = _shown(scene, scene.regions_before[step.number])[1]
        left, above, width, height = bars.part(number, first + margin, 1, end - first)
        colour = PALETTE["output" if last else "kernel"]
        drawing.rect(left, above + 3, max(2, width), height - 6, colour, "black", 0.7)


def _draw_line(drawing, place, step, axis, name, bold):
    """A line of the table, along one axis."""
    window, before, after = step.windows[axis], step.before[axis], step.after[axis]
    reach = span(window.kernel, window.dilation)
    drawing.text(COLUMNS[0], place, label(name, 27), 11 if len(name) < 21 else 9, bold=bold)
    many, times = (f"{step.count} of ", f"{step.count}·") if step.count > 1 else ("", "")
    drawing.text(COLUMNS[1], place, many + _window_words(step.windows), 11)
    line = f"{before.size} + {times}({reach} − 1)·{before.jump} ="
    drawing.text(COLUMNS[2], place, line, 11)
    drawing.text(COLUMNS[3] - 14, place, after.size, 11, "end", bold=True)
    line = f"{before.jump}·{window.stride} = {after.jump}"
    drawing.text(COLUMNS[3], place, line, 11)


def _window_words(windows):
    (rows, down, *_), (columns, across, *_) = windows
    words, dilation = f"{rows}×{columns}", max(window.dilation for window in windows)
    if down != 1 or across != 1:
        words += f", stride {down if down == across else f'{down}×{across}'}"
    return words + (f", dilation {dilation}" if dilation != 1 else "")
