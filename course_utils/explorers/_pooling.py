"""Pooling: the winner or the mean of each window, and what a shift of the input changes."""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from ..arithmetic import output_size, unread
from ..arithmetic import windows as windows_of
from ..convolution import average_pool2d, conv2d, max_pool2d, max_pool2d_gradient
from ..plots import PALETTE
from ._convolution import nearest
from .controls import choice, play, slider
from .drawing import Drawing, Grid, as_bytes, compact
from .frame import Explorer
from .images import as_image

MAXIMUM, AVERAGE = "max", "average"
KINDS = (MAXIMUM, AVERAGE, "global max", "global average")
FARTHEST = 4  # pixels of a shift
LARGEST_WINDOW = 8
# Some peaks stay in their window of 2×2 when all move by one pixel, others leave it.
SMALL_MAP = np.array(
    [
        [0, 1, 0, 0, 2, 1],
        [1, 8, 3, 0, 1, 2],
        [0, 2, 0, 0, 6, 0],
        [1, 0, 0, 1, 2, 0],
        [5, 0, 4, 0, 0, 3],
        [0, 1, 7, 2, 0, 1],
    ],
    dtype=float,
)
EDGES = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])[..., None, None]  # of notebook 03

# Where things stand, in pixels of the picture.
LEFT, TOP, SIDE = 20, 62, 300  # the input; its longer side
RIGHT, ACROSS, ROOMY = 400, 230, 60  # the pooled map; its longer side, and its largest cell
BELOW = TOP + SIDE + 84  # the shift test
BAR, UNIT = 118, 96  # where the bars begin, and how long a change of 1 is
SMALL = 92  # the longer side of the small maps
MARKED = 9  # the smallest cell with room for a mark


class Pooling(Explorer):
    """Pools a map: the winner or the mean of each window, and what a shift changes.

    Point at the pooled map, or at the input, to go to a window.

    Args:
        image: `(height, width)` or `(height, width, 3)`; colours become grey. When None, a small
            map with its numbers and the edges of a digit are offered.
    """

    def __init__(self, image=None):
        self.images, self.note = _offered(image)
        first = next(iter(self.images))
        position = slider("window number", 0, 0, 0)
        size = min(2, *self.images[first].shape)
        controls = {
            "picture": choice("image", list(self.images), first),
            "kind": choice("pooling", KINDS, MAXIMUM),
            "window": slider("window size", 1, size, size),
            "stride": slider("stride", 1, LARGEST_WINDOW, 2),
            "shift": slider("shift, pixels", 0, FARTHEST, 1),
            "position": position,
            "play": play(position),
        }
        super().__init__(controls)
        position.value = min(1, position.max)  # on the small map the window that the 8 came into

    def react(self, name):
        """Keeps the largest window in line with the image, the last position with both."""
        height, width = self.images[self.controls["picture"].value].shape
        window, stride = self.controls["window"], self.controls["stride"]
        window.max = min(LARGEST_WINDOW, height, width)  # ipywidgets moves the value along
        everything = self.controls["kind"].value.startswith("global")
        window.disabled = stride.disabled = everything
        outputs = 1
        for size in () if everything else (height, width):
            outputs *= output_size(size, window.value, stride.value)
        self.controls["position"].max = outputs - 1

    def draw(self, picture, kind, window, stride, shift, position):
        """The picture: input and pooled map, the window's sum or winner, and the shift test."""
        scene = read_scene(self.images[picture], kind, window, stride, shift)
        row, column = divmod(position, len(scene.columns))
        drawing = Drawing(760, BELOW + 162)
        pairs = (scene.shifted, scene.image), (scene.after, scene.before)
        changes = [relative_change(*pair) for pair in pairs]
        rounding = 1e-9 * np.abs(scene.before).max()
        changed = ~np.isclose(scene.after, scene.before, rtol=0, atol=rounding)
        _draw_input(drawing, scene, shift, row, column)
        won = _draw_winners(drawing, scene, position)
        _draw_legend(drawing, scene)
        _draw_pooled(drawing, scene, kind, changed, row, column)
        result = _draw_window(drawing, scene, won, row, column)
        _draw_shift_test(drawing, scene, shift, changes, changed)
        drawing.say(self.note, *_notes(scene, changes))
        height, width = scene.image.shape
        size = "×".join(map(str, scene.after.shape))
        drawing.alt = (
            f"{kind.capitalize()} pooling of {height}×{width} pixels, windows of {scene.size[0]}×"
            f"{scene.size[1]} with stride {scene.stride}, gives {size}. {result} "
            f"A shift of {shift} changes the input by {_share(changes[0])}, the pooled map by "
            f"{_share(changes[1])}: {changed.sum()} of {changed.size} places."
        )
        return drawing


def _offered(image):
    """The maps to choose from, by name, and what was done to the reader's own."""
    given = {"a map of 6×6": SMALL_MAP, "the edges of a digit": _edges_of_a_digit()}
    if image is None:
        return given, ""
    own, note = as_image(image)
    if own.ndim == 3:
        own, note = own.mean(axis=2), f"{note} image: its colours became grey.".strip()
    return {"yours": own.astype(float)} | given, note


@lru_cache(maxsize=1)
def _edges_of_a_digit():
    """Where a digit gets brighter to the right, and nothing below zero: what a ReLU leaves."""
    from .. import data

    digit = data.scale(data.load("mnist", "test").images[7:8], border=2)
    return np.maximum(conv2d(digit, EDGES, padding="same"), 0)[0, ..., 0].astype(float)


class Scene(NamedTuple):
    """What is drawn, before it is drawn."""

    image: np.ndarray
    shifted: np.ndarray
    before: np.ndarray  # the pooled map of the image
    after: np.ndarray  # and of the shifted one
    kind: str  # max or average
    size: tuple  # of a window: rows, columns
    stride: int
    rows: list  # for each row of the pooled map, the pixels that its windows read
    columns: list

    @property
    def input(self):
        """Where the input lies in the picture."""
        return Grid.fit(LEFT, TOP, SIDE, self.image.shape)

    @property
    def output(self):
        """Where the pooled map lies in the picture."""
        side = min(ACROSS, ROOMY * max(self.after.shape))
        return Grid.fit(RIGHT, TOP, side, self.after.shape)

    @property
    def cell(self):
        """The side of a pixel of the input, in pixels of the picture."""
        return self.input.cell[0]

    def position(self, row, column):
        """A place of the pooled map as a value of its control."""
        return {"position": row * len(self.columns) + column}

    def window(self, row, column):
        """The rectangle of a window in the picture."""
        corner = self.rows[row][0], self.columns[column][0]
        return self.input.part(*corner, len(self.rows[row]), len(self.columns[column]))


def read_scene(image, kind, window, stride, shift):
    """Reads the controls."""
    everything = kind.startswith("global")
    kind = kind.removeprefix("global ")
    size = image.shape if everything else (window, window)
    stride = max(size) if everything else stride
    shifted = np.roll(image, shift, axis=1)
    before, after = (_pooled(pixels, kind, size, stride) for pixels in (image, shifted))
    reads = (windows_of(*axis, stride) for axis in zip(image.shape, size, strict=True))
    return Scene(image, shifted, before, after, kind, size, stride, *reads)


def _pooled(image, kind, size, stride):
    pool = max_pool2d if kind == MAXIMUM else average_pool2d
    return pool(image[None, ..., None], size, stride)[0, ..., 0]


def relative_change(after, before):
    """How far two maps are apart, relative to the size of the first; None if that has none."""
    size = np.linalg.norm(before)
    return float(np.linalg.norm(after - before) / size) if size else None


def winners(scene, position=None):
    """Which pixels win, as a mask of the input: those of all windows, or that of one.

    Of all windows those count in which one pixel is larger than another: where all are equal the
    first one wins, which is a convention and would fill an empty map with winners.
    """
    images = scene.shifted[None, ..., None]
    smallest = -max_pool2d(-images, scene.size, scene.stride)
    chosen = (scene.after > smallest[0, ..., 0]).astype(float)
    if position is not None:
        chosen = np.arange(scene.after.size).reshape(scene.after.shape) == position
    gradient = max_pool2d_gradient(images, chosen[None, ..., None], scene.size, scene.stride)
    return gradient[0, ..., 0] > 0


def _share(change):
    return "–" if change is None else f"{change:.2f}"


def _notes(scene, changes):
    """What a reader may not have expected, a sentence each."""
    if scene.kind == MAXIMUM and (scene.image == scene.image.flat[0]).all():
        yield "All numbers are equal: no pixel wins more than by coming first."
    if None in changes:
        yield "What is zero everywhere has no relative change."
    height, width = scene.image.shape
    for name, size, reads in (("rows", height, scene.rows), ("columns", width, scene.columns)):
        if lost := len(unread(size, reads)):
            yield f"No window reads {lost} of the {size} {name} (hatched)."


def _limits(scene):
    return scene.image.min(), scene.image.max()


def _draw_input(drawing, scene, shift, row, column):
    """The shifted input, its window and its neighbours, and what no window reads."""
    height, width = scene.image.shape
    grid = scene.input
    moved = f", moved {shift} to the right" if shift else ""
    ends = "black {}, white {}".format(*map(compact, _limits(scene)))
    drawing.heading(LEFT, 28, f"input {height}×{width}{moved}", ends, step=18)
    drawing.numbers(grid, scene.shifted, _limits(scene), "input")
    drawing.unread(grid, unread(height, scene.rows), unread(width, scene.columns))
    for down, across in ((row + 1, column), (row, column + 1)):
        if down < len(scene.rows) and across < len(scene.columns):
            drawing.rect(*scene.window(down, across), "none", "white", 2.5)
            drawing.rect(*scene.window(down, across), "none", PALETTE["kernel"], 2.5, (5, 4))
    line = 2.5 if scene.cell >= MARKED else 1.5
    drawing.frame(*scene.window(row, column), PALETTE["kernel"], line)
    drawing.on(
        grid, lambda *place: scene.position(*map(nearest, (scene.rows, scene.columns), place))
    )


def _draw_winners(drawing, scene, position):
    """A dot on the winner of each window; gives back the place of the winner in this one."""
    if scene.kind != MAXIMUM:
        return None
    (won,) = np.argwhere(winners(scene, position))
    for place in np.argwhere(winners(scene)):
        _draw_dot(drawing, scene, place, 1)
    _draw_dot(drawing, scene, won, 1.4)
    return won


def _draw_dot(drawing, scene, place, larger):
    """The dot of a winner: in a corner, where the pixel's number stands in the middle."""
    down, across = (0.17, 0.83) if scene.cell >= 22 else (0.5, 0.5)
    radius = larger * max(1.5, min(5, 0.26 * scene.cell))
    x, y = scene.input.corner(place[0] + down, place[1] + across)
    drawing.circle(x, y, radius, PALETTE["output"], "white", min(1, radius / 4))
    if larger > 1:
        drawing.circle(x, y, radius + 1, "none", "black", 1.2)


def _draw_legend(drawing, scene):
    left, top = LEFT + 1, TOP + scene.input.height + 24

    def dot(x, y):
        drawing.circle(x + 6, y + 6, 5, PALETTE["output"])

    entries = [(("none", PALETTE["kernel"], 2.5), "the window"), (dot, "a winner")]
    drawing.legend(left, top, entries[: 2 if scene.kind == MAXIMUM else 1], 24)
    entries = [(("none", PALETTE["kernel"], 2, (3, 2)), "its neighbours")]
    hatched = partial(drawing.hatch, width=14, height=14, stroke=PALETTE["lost"], step=4)
    drawing.legend(left + 110, top, [*entries, (hatched, "read by no window")], 24)


def _draw_pooled(drawing, scene, kind, changed, row, column):
    """The pooled map, with what the shift changed."""
    height, width = scene.after.shape
    grid = scene.output
    cell = grid.cell[0]
    words = "black and white: as on the left"
    if changed.any() and cell >= MARKED:
        words = "▲ larger, ▼ smaller than before the shift"
    drawing.heading(RIGHT, 28, f"{kind}: {height}×{width}", words, step=18)
    drawing.numbers(grid, scene.after, _limits(scene), "output")
    if cell >= MARKED:
        shades = as_bytes(scene.after, _limits(scene))
        size = round(min(12, 0.8 * cell if cell < 22 else 0.28 * cell))
        for down, across in np.argwhere(changed):
            colour = "white" if shades[down, across] < 118 else "black"
            mark = "▲" if scene.after[down, across] > scene.before[down, across] else "▼"
            x, y = grid.corner(down + 0.5, across + 0.5)
            y = y + 0.36 * size if cell < 22 else y + cell / 2 - 4
            if cell >= 40:
                mark = f"{mark} was {compact(scene.before[down, across])}"
                size = 9
            drawing.text(x, y, mark, size, "middle", colour=colour)
    drawing.frame(*grid.part(row, column), PALETTE["kernel"], 2.5 if cell >= MARKED else 1.5)
    drawing.on(grid, scene.position)


def _draw_window(drawing, scene, won, row, column):
    """What becomes of the window's numbers, and the size; gives the former as a sentence."""
    place = TOP + scene.output.height + 30
    numbers = scene.shifted[np.ix_(scene.rows[row], scene.columns[column])].ravel()
    result = compact(scene.after[row, column])
    drawing.text(RIGHT, place, f"window at row {row}, column {column}", 12)
    terms = [compact(number) for number in numbers]
    sentence = f"The window at row {row}, column {column} gives {result}"
    if scene.kind == MAXIMUM:
        words, short = f"max({', '.join(terms)})", "largest"
        equals = int((numbers == numbers.max()).sum())
        first = f", first of {equals} equals" if equals > 1 else " of the input"
        where = f"winner: row {won[0]}, column {won[1]}{first}"
        sentence += f", {where}"
    else:
        terms = [f"({term})" if term.startswith("−") else term for term in terms]
        words, short = f"({' + '.join(terms)}) / {numbers.size}", "mean"
        where = f"no winner: every pixel counts 1/{numbers.size}"
    words = words if len(words) <= 32 else f"{short} of {numbers.size} numbers"
    drawing.text(RIGHT, place + 24, f"{words} = {result}", 15, bold=True)
    drawing.text(RIGHT, place + 46, where, 12)
    place += 70
    for name, size, taps, outputs in zip(
        ("height", "width"), scene.image.shape, scene.size, scene.after.shape, strict=True
    ):
        words = f"{name}: ⌊({size} − {taps}) / {scene.stride}⌋ + 1 = {outputs}"
        drawing.text(RIGHT, place, words, 12, colour=PALETTE["neutral"])
        place += 18
    return sentence + "."


def _draw_shift_test(drawing, scene, shift, changes, changed):
    """How much the shift changes: as two numbers with bars, and as pictures."""
    grey, words = PALETTE["neutral"], "not moved"
    drawing.line([(LEFT, BELOW - 22), (740, BELOW - 22)], "#bbbbbb", 1)
    if shift:
        words = f"moved {shift} to the right, what leaves comes in at the left"
    drawing.text(LEFT, BELOW, "Shift test", 14, bold=True)
    drawing.text(BAR, BELOW, words, 12, colour=grey)
    bars = (("input", "input", changes[0]), ("pooled map", "output", changes[1]))
    for index, (name, role, change) in enumerate(bars):
        top = BELOW + 22 + 32 * index
        drawing.text(LEFT, top + 16, name, 13)
        length = UNIT * min(2, change or 0)
        drawing.line([(BAR, top - 3), (BAR, top + 25)], "black", 1)
        drawing.rect(BAR, top, length, 22, PALETTE[role])
        if role == "output":
            drawing.hatch(BAR, top, length, 22, "white", 7)
        drawing.text(BAR + length + 8, top + 17, _share(change), 16, bold=True)
    top = BELOW + 108
    drawing.text(LEFT, top, "change = ‖f(shifted) − f(image)‖ / ‖f(image)‖", 11, colour=grey)
    places = f"{changed.sum()} of {changed.size} place{'s' * (changed.size != 1)}"
    drawing.text(LEFT, top + 28, f"{places} of the pooled map changed", 14, bold=True)

    of_input, of_pooled = scene.shifted - scene.image, scene.after - scene.before
    reach = max(np.abs(of_input).max(), np.abs(of_pooled).max()) or 1
    panels = (
        ("pooled, unshifted", scene.before, _limits(scene), "output"),
        ("change, input", of_input, (-reach, reach), "input"),
        ("change, pooled", of_pooled, (-reach, reach), "output"),
    )
    for index, (name, numbers, limits, role) in enumerate(panels):
        left = RIGHT + (SMALL + 28) * index
        drawing.text(left, BELOW + 20, name, 11)
        grid = Grid.fit(left, BELOW + 28, SMALL, numbers.shape)
        drawing.pixels(grid, as_bytes(numbers, limits), role)
    words = "change: grey the same, white larger, black smaller"
    drawing.text(740, BELOW + 46 + SMALL, words, 10, "end", colour=grey)
