"""Pooling: the winner or the mean of each window, and what a shift of the input changes."""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from ..arithmetic import output_size, unread
from ..arithmetic import windows as windows_of
from ..convolution import average_pool2d, conv2d, max_pool2d, max_pool2d_gradient
from ..plots import PALETTE
from . import shell
from .drawing import Drawing, written

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


@shell.message_in_place
def pooling(image=None):
    """Pools a map: the winner or the mean of each window, and what a shift changes.

    Point at the pooled map, or at the input, to go to a window.

    Args:
        image: `(height, width)` or `(height, width, 3)`; colours become grey. When None, a small
            map with its numbers and the edges of a digit are offered.

    Returns:
        An `Explorer`; the last line of a cell shows it.
    """
    images, note = _offered(image)
    first = next(iter(images))
    position = shell.slider("window number", 0, 0, 0)
    size = min(2, *images[first].shape)
    controls = {
        "picture": shell.choice("image", list(images), first),
        "kind": shell.choice("pooling", KINDS, MAXIMUM),
        "window": shell.slider("window size", 1, size, size),
        "stride": shell.slider("stride", 1, LARGEST_WINDOW, 2),
        "shift": shell.slider("shift, pixels", 0, FARTHEST, 1),
        "position": position,
        "play": shell.play(position),
    }
    shown = shell.Explorer(
        partial(render, images, note), controls, partial(react, images), partial(point, images)
    )
    position.value = min(1, position.max)  # on the small map the window that the 8 came into
    return shown


def _offered(image):
    """The maps to choose from, by name, and what was done to the reader's own."""
    given = {"a map of 6×6": SMALL_MAP, "the edges of a digit": _edges_of_a_digit()}
    if image is None:
        return given, ""
    own, note = shell.as_image(image)
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
    def cell(self):
        """The side of a pixel of the input, in pixels of the picture."""
        return SIDE / max(self.image.shape)

    @property
    def out_cell(self):
        """The side of a pixel of the pooled map."""
        return min(ROOMY, ACROSS / max(self.after.shape))


def scene(images, picture, kind, window, stride, shift, **_):
    """Reads the controls."""
    image = images[picture]
    everything = kind.startswith("global")
    kind = kind.removeprefix("global ")
    size = image.shape if everything else (window, window)
    stride = max(size) if everything else stride
    shifted = np.roll(image, shift, axis=1)
    before, after = (_pooled(each, kind, size, stride) for each in (image, shifted))
    reads = (windows_of(*axis, stride) for axis in zip(image.shape, size, strict=True))
    return Scene(image, shifted, before, after, kind, size, stride, *reads)


def _pooled(image, kind, size, stride):
    pool = max_pool2d if kind == MAXIMUM else average_pool2d
    return pool(image[None, ..., None], size, stride)[0, ..., 0]


def react(images, name, controls):
    """Keeps the controls in line: the largest window with the image, the last one with both."""
    height, width = images[controls["picture"].value].shape
    window, stride = controls["window"], controls["stride"]
    window.max = min(LARGEST_WINDOW, height, width)  # ipywidgets moves the value along
    everything = controls["kind"].value.startswith("global")
    window.disabled = stride.disabled = everything
    outputs = 1
    for size in () if everything else (height, width):
        outputs *= output_size(size, window.value, stride.value)
    controls["position"].max = outputs - 1


def point(images, x, y, **state):
    """Which window somebody pointed at, in the pooled map or round a pixel of the input."""
    seen = scene(images, **state)
    if x < RIGHT - 20:
        row, column = int((y - TOP) // seen.cell), int((x - LEFT) // seen.cell)
        if not (0 <= row < seen.image.shape[0] and 0 <= column < seen.image.shape[1]):
            return {}
        row, column = (
            min(range(len(reads)), key=lambda index: abs(np.mean(reads[index]) - place))
            for reads, place in ((seen.rows, row), (seen.columns, column))
        )
    else:
        row, column = int((y - TOP) // seen.out_cell), int((x - RIGHT) // seen.out_cell)
    if 0 <= row < len(seen.rows) and 0 <= column < len(seen.columns):
        return {"position": row * len(seen.columns) + column}
    return {}


def relative_change(after, before):
    """How far two maps are apart, relative to the size of the first; None if that has none."""
    size = np.linalg.norm(before)
    return float(np.linalg.norm(after - before) / size) if size else None


def winners(seen, position=None):
    """Which pixels win, as a mask of the input: those of all windows, or that of one.

    Of all windows those count in which one pixel is larger than another: where all are equal the
    first one wins, which is a convention and would fill an empty map with winners.
    """
    images = seen.shifted[None, ..., None]
    smallest = -max_pool2d(-images, seen.size, seen.stride)
    chosen = (seen.after > smallest[0, ..., 0]).astype(float)
    if position is not None:
        chosen = np.arange(seen.after.size).reshape(seen.after.shape) == position
    gradient = max_pool2d_gradient(images, chosen[None, ..., None], seen.size, seen.stride)
    return gradient[0, ..., 0] > 0


def render(images, note, picture, kind, window, stride, shift, position, **_):
    """The picture: input and pooled map, the window's sum or winner, and the shift test."""
    seen = scene(images, picture, kind, window, stride, shift)
    row, column = divmod(position, len(seen.columns))
    drawing = Drawing(760, BELOW + 162)
    changes = [relative_change(seen.shifted, seen.image), relative_change(seen.after, seen.before)]
    changed = ~np.isclose(seen.after, seen.before, rtol=1e-9, atol=1e-9)
    _draw_input(drawing, seen, shift, row, column)
    won = _draw_winners(drawing, seen, position)
    _draw_legend(drawing, seen)
    _draw_pooled(drawing, seen, kind, changed, row, column)
    result = _draw_window(drawing, seen, won, row, column)
    _draw_shift_test(drawing, seen, shift, changes, changed)
    drawing.note = " ".join(filter(None, [note, *_notes(seen, changes)]))
    height, width = seen.image.shape
    size = "×".join(map(str, seen.after.shape))
    drawing.alt = (
        f"{kind.capitalize()} pooling of {height}×{width} pixels, windows of {seen.size[0]}×"
        f"{seen.size[1]} with stride {seen.stride}, gives {size}. {result} "
        f"A shift of {shift} changes the input by {_share(changes[0])}, the pooled map by "
        f"{_share(changes[1])}: {changed.sum()} of {changed.size} places."
    )
    return drawing


def _share(change):
    return "–" if change is None else f"{change:.2f}"


def _notes(seen, changes):
    """What a reader may not have expected, a sentence each."""
    if seen.kind == MAXIMUM and (seen.image == seen.image.flat[0]).all():
        yield "All numbers are equal: no pixel wins more than by coming first."
    if None in changes:
        yield "What is zero everywhere has no relative change."
    for name, size, reads in zip(
        ("rows", "columns"), seen.image.shape, (seen.rows, seen.columns), strict=True
    ):
        lost = len(unread(size, reads))
        if lost:
            yield f"No window reads {lost} of the {size} {name} (hatched)."


def _limits(seen):
    return seen.image.min(), seen.image.max()


def _place_of(reads, cell, start):
    """Where a window begins along an axis of the picture, and how long it is."""
    return start + cell * reads[0], cell * len(reads)


def _draw_input(drawing, seen, shift, row, column):
    """The shifted input, its window and its neighbours, and what no window reads."""
    height, width = seen.image.shape
    cell, grey = seen.cell, PALETTE["neutral"]
    moved = f", moved {shift} to the right" if shift else ""
    drawing.text(LEFT, 28, f"input {height}×{width}{moved}", 14, bold=True)
    low, high = map(written, _limits(seen))
    drawing.text(LEFT, 46, f"black {low}, white {high}", 11, colour=grey)
    shell.draw_numbers(drawing, seen.shifted, _limits(seen), LEFT, TOP, cell, "input")
    for index in unread(height, seen.rows):
        drawing.hatch(LEFT, TOP + cell * index, cell * width, cell, PALETTE["lost"])
    for index in unread(width, seen.columns):
        drawing.hatch(LEFT + cell * index, TOP, cell, cell * height, PALETTE["lost"])
    for down, across in ((row + 1, column), (row, column + 1), (row, column)):
        if down == len(seen.rows) or across == len(seen.columns):
            continue
        left, long = _place_of(seen.columns[across], cell, LEFT)
        top, high = _place_of(seen.rows[down], cell, TOP)
        if (down, across) == (row, column):
            line = 2.5 if cell >= MARKED else 1.5
            drawing.frame(left, top, long, high, PALETTE["kernel"], line)
        else:
            drawing.rect(left, top, long, high, "none", "white", 2.5)
            drawing.rect(left, top, long, high, "none", PALETTE["kernel"], 2.5, (5, 4))


def _draw_winners(drawing, seen, position):
    """A dot on the winner of each window; gives back the place of the winner in this one."""
    if seen.kind != MAXIMUM:
        return None
    (won,) = np.argwhere(winners(seen, position))
    for place in np.argwhere(winners(seen)):
        _draw_dot(drawing, seen, place, 1)
    _draw_dot(drawing, seen, won, 1.4)
    return won


def _draw_dot(drawing, seen, place, larger):
    """The dot of a winner: in a corner, where the pixel's number stands in the middle."""
    down, across = (0.17, 0.83) if seen.cell >= 22 else (0.5, 0.5)
    radius = larger * max(1.5, min(5, 0.26 * seen.cell))
    x, y = LEFT + seen.cell * (place[1] + across), TOP + seen.cell * (place[0] + down)
    drawing.circle(x, y, radius, PALETTE["output"], "white", min(1, radius / 4))
    if larger > 1:
        drawing.circle(x, y, radius + 1, "none", "black", 1.2)


def _draw_legend(drawing, seen):
    top = TOP + seen.cell * len(seen.image) + 14
    drawing.rect(LEFT + 1, top, 12, 12, "none", PALETTE["kernel"], 2.5)
    drawing.text(LEFT + 22, top + 10, "the window", 11)
    drawing.rect(LEFT + 111, top, 12, 12, "none", PALETTE["kernel"], 2, (3, 2))
    drawing.text(LEFT + 132, top + 10, "its neighbours", 11)
    top += 24
    if seen.kind == MAXIMUM:
        drawing.circle(LEFT + 7, top + 6, 5, PALETTE["output"])
        drawing.text(LEFT + 22, top + 10, "a winner", 11)
    drawing.hatch(LEFT + 110, top - 1, 14, 14, PALETTE["lost"], 4)
    drawing.text(LEFT + 132, top + 10, "read by no window", 11)


def _draw_pooled(drawing, seen, kind, changed, row, column):
    """The pooled map, with what the shift changed."""
    height, width = seen.after.shape
    cell, grey = seen.out_cell, PALETTE["neutral"]
    drawing.text(RIGHT, 28, f"{kind}: {height}×{width}", 14, bold=True)
    words = "black and white: as on the left"
    if changed.any() and cell >= MARKED:
        words = "▲ larger, ▼ smaller than before the shift"
    drawing.text(RIGHT, 46, words, 11, colour=grey)
    shell.draw_numbers(drawing, seen.after, _limits(seen), RIGHT, TOP, cell, "output")
    if cell >= MARKED:
        shades = shell.as_bytes(seen.after, _limits(seen))
        size = round(min(12, 0.8 * cell if cell < 22 else 0.28 * cell))
        for down, across in np.argwhere(changed):
            colour = "white" if shades[down, across] < 118 else "black"
            mark = "▲" if seen.after[down, across] > seen.before[down, across] else "▼"
            x, y = RIGHT + cell * (across + 0.5), TOP + cell * (down + 0.5) + 0.36 * size
            if cell >= 22:
                y = TOP + cell * (down + 1) - 4
            if cell >= 40:
                mark = f"{mark} was {written(seen.before[down, across])}"
                size = 9
            drawing.text(x, y, mark, size, "middle", colour=colour)
    place = RIGHT + cell * column, TOP + cell * row
    line = 2.5 if cell >= MARKED else 1.5
    drawing.frame(*place, cell, cell, PALETTE["kernel"], line)


def _draw_window(drawing, seen, won, row, column):
    """What becomes of the window's numbers, and the size; gives the former as a sentence."""
    place = TOP + seen.out_cell * len(seen.after) + 30
    numbers = seen.shifted[np.ix_(seen.rows[row], seen.columns[column])].ravel()
    result = written(seen.after[row, column])
    drawing.text(RIGHT, place, f"window at row {row}, column {column}", 12)
    terms = [written(number) for number in numbers]
    if seen.kind == MAXIMUM:
        words = f"max({', '.join(terms)})"
        short = f"largest of {numbers.size} numbers"
    else:
        terms = [f"({each})" if each.startswith("−") else each for each in terms]
        words = f"({' + '.join(terms)}) / {numbers.size}"
        short = f"mean of {numbers.size} numbers"
    drawing.text(
        RIGHT, place + 24, f"{words if len(words) <= 32 else short} = {result}", 15, bold=True
    )
    sentence = f"The window at row {row}, column {column} gives {result}"
    if seen.kind == MAXIMUM:
        equals = int((numbers == numbers.max()).sum())
        first = f", first of {equals} equals" if equals > 1 else " of the input"
        where = f"winner: row {won[0]}, column {won[1]}{first}"
        sentence += f", {where}"
    else:
        where = f"no winner: every pixel counts 1/{numbers.size}"
    drawing.text(RIGHT, place + 46, where, 12)
    place += 70
    for name, size, taps, outputs in zip(
        ("height", "width"), seen.image.shape, seen.size, seen.after.shape, strict=True
    ):
        words = f"{name}: ⌊({size} − {taps}) / {seen.stride}⌋ + 1 = {outputs}"
        drawing.text(RIGHT, place, words, 12, colour=PALETTE["neutral"])
        place += 18
    return sentence + "."


def _draw_shift_test(drawing, seen, shift, changes, changed):
    """How much the shift changes: as two numbers with bars, and as pictures."""
    grey = PALETTE["neutral"]
    drawing.line([(LEFT, BELOW - 22), (740, BELOW - 22)], "#bbbbbb", 1)
    words = (
        f"moved {shift} to the right, what leaves comes in at the left" if shift else "not moved"
    )
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

    reach = max(np.abs(seen.shifted - seen.image).max(), np.abs(seen.after - seen.before).max())
    ends = (-reach, reach) if reach else (-1, 1)
    panels = (
        ("pooled, unshifted", seen.before, _limits(seen), "output"),
        ("change, input", seen.shifted - seen.image, ends, "input"),
        ("change, pooled", seen.after - seen.before, ends, "output"),
    )
    for index, (name, numbers, limits, role) in enumerate(panels):
        left, cell = RIGHT + (SMALL + 28) * index, SMALL / max(numbers.shape)
        size = cell * numbers.shape[1], cell * numbers.shape[0]
        drawing.text(left, BELOW + 20, name, 11)
        drawing.image(left, BELOW + 28, *size, shell.as_bytes(numbers, limits))
        drawing.rect(left, BELOW + 28, *size, "none", PALETTE[role], 2)
    words = "change: grey the same, white larger, black smaller"
    drawing.text(740, BELOW + 46 + SMALL, words, 10, "end", colour=grey)
