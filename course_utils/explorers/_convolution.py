"""The convolution stepper: one window after the other, with every product written out."""

from typing import NamedTuple

import numpy as np

from ..arguments import whole_number
from ..arithmetic import output_size, padding_amounts, span, unread, windows
from ..convolution import conv2d
from ..plots import PALETTE
from .controls import choice, number_box, play, slider, text_box
from .drawing import Drawing, Grid, compact
from .frame import Explorer
from .images import as_image, real_numbers

PRESETS = {
    "edges, across": "-1 0 1\n-2 0 2\n-1 0 1",
    "edges, down": "-1 -2 -1\n0 0 0\n1 2 1",
    "box blur": "1 1 1\n1 1 1\n1 1 1",
    "sharpen": "0 -1 0\n-1 5 -1\n0 -1 0",
    "identity": "0 0 0\n0 1 0\n0 0 0",
}
OWN = "your own"
LARGEST_KERNEL = 7

SIDE = 300  # pixels of the picture for the longer side of the input
LEFT, RIGHT, TOP = 20, 400, 44  # where the input and the output begin
BESIDE = 26  # pixels of the picture for one cell of the products


class Convolution(Explorer):
    """Steps through a convolution: the window, its products, their sum, the output filling up.

    Point at a pixel of the output, or of the input, to go there.

    Args:
        image: `(height, width)` or `(height, width, 3)`; colours become grey. When None, a small
            patch with its numbers, a digit and a photograph are offered.
        kernel: rows of numbers, at most 7×7; when None, one that finds edges.
        stride: pixels from one window to the next, 1 to 8.
        padding: 'valid', 'same' or a number of pixels for every side.
        dilation: pixels from one tap to the next, 1 to 4.
    """

    def __init__(self, image=None, kernel=None, stride=1, padding="valid", dilation=1):
        self.images, self.note = _offered(image)
        numbers = PRESETS["edges, across"] if kernel is None else as_text(kernel)
        by_hand = not isinstance(padding, str)
        ways, way = ["valid", "same", "a number"], "a number" if by_hand else padding
        pixels = whole_number(padding, "padding", 0) if by_hand else 2
        position = slider("output number", 0, 0, 0)
        controls = {
            "picture": choice("image", list(self.images), next(iter(self.images))),
            "preset": choice("kernel", [*PRESETS, OWN], _preset(numbers)),
            "kernel": text_box("its numbers", numbers, rows=4),
            "stride": slider("stride", 1, 8, stride),
            "padding": choice("padding", ways, way),
            "pixels": number_box("pixels", pixels),
            "dilation": slider("dilation", 1, 4, dilation),
            "position": position,
            "play": play(position),
        }
        super().__init__(controls)
        position.value = position.max // 2  # a picture with something to see

    def react(self, name):
        """Keeps preset and numbers in line with each other, and the position with the output."""
        preset, kernel = self.controls["preset"], self.controls["kernel"]
        if name == "preset" and preset.value != OWN:
            kernel.value = PRESETS[preset.value]
        if name == "kernel":
            preset.value = _preset(kernel.value)
        self.controls["pixels"].disabled = self.controls["padding"].value != "a number"
        scene = read_scene(self.images, **self.state)
        self.controls["position"].max = scene.rows.outputs * scene.columns.outputs - 1

    def draw(self, stride, padding, dilation, position, **state):
        """The picture: the input with its window, the output so far, products, sum and formula."""
        scene = read_scene(self.images, stride=stride, padding=padding, dilation=dilation, **state)
        ends = [(axis.before, axis.after) for axis in (scene.rows, scene.columns)]
        output = conv2d(
            scene.image[None, ..., None],
            scene.kernel[..., None, None],
            strides=stride,
            padding=ends,
            dilation_rate=dilation,
        )[0, ..., 0]
        row, column = divmod(position, scene.columns.outputs)
        down = np.array(scene.rows.windows[row]) + scene.rows.before
        across = np.array(scene.columns.windows[column]) + scene.columns.before
        window = np.pad(scene.image, ends)[np.ix_(down, across)]

        below = TOP + scene.cell * max(scene.rows.padded, scene.rows.outputs) + 34
        drawing = Drawing(760, below + BESIDE * len(window) + 96)
        _draw_input(drawing, scene)
        _draw_window(drawing, scene, down, across)
        _draw_output(drawing, output, position, scene.cell)
        _draw_products(drawing, window, scene.kernel, below)
        total, formulas = _draw_sums(drawing, window * scene.kernel, scene, stride, dilation, below)
        drawing.say(self.note, *_notes(scene, stride, padding))
        drawing.alt = (
            f"A convolution of {scene.rows.size}×{scene.columns.size} pixels with a kernel of "
            f"{scene.rows.taps}×{scene.columns.taps}. {formulas}. The window for row {row}, "
            f"column {column} of the output gives {total}."
        )
        return drawing


def _offered(image):
    """The images to choose from, by name, and what was done to the reader's own."""
    if image is not None:
        image, note = as_image(image)
        image = image if image.ndim == 2 else image.mean(axis=2)
        return {"yours": image}, note
    from .. import data

    photograph = data.photo("photographer")
    return {
        "a patch of 6×6": photograph[420:426, 145:151],
        "a digit": data.load("mnist", "test").images[7, ..., 0],
        "a photograph": photograph[96:352:4, 160:416:4],
    }, ""


def _preset(numbers):
    """What the choice of kernels calls these numbers."""
    return next((name for name, text in PRESETS.items() if text == numbers), OWN)


def as_text(kernel):
    """A kernel as `read_kernel` reads it, a line for each row; a ValueError if it has no rows."""
    try:
        kernel = real_numbers(np.atleast_2d(kernel), "kernel").astype(float)
    except ValueError:
        kernel = np.empty(0)
    if kernel.ndim != 2:
        raise ValueError("kernel: rows of numbers are needed, all of the same length")
    return "\n".join(" ".join(f"{number:g}" for number in row) for row in kernel)


def read_kernel(text):
    """The numbers of a kernel, from a text with a line for each row.

    Raises:
        ValueError: something is no number, a row is shorter than another, or it is too large.
    """
    rows = [line.replace(",", " ").split() for line in text.replace(";", "\n").splitlines()]
    rows = [row for row in rows if row]
    if not rows:
        raise ValueError("the kernel is empty: type a row of numbers, such as 1 0 -1")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"row {number} of the kernel has {len(row)} numbers and row 1 has {len(rows[0])}"
            )
    if max(len(rows), len(rows[0])) > LARGEST_KERNEL:
        raise ValueError(f"the kernel is larger than {LARGEST_KERNEL}×{LARGEST_KERNEL}")
    return np.array([[_as_number(word, row + 1) for word in rows[row]] for row in range(len(rows))])


def _as_number(word, row):
    try:
        value = float(word.replace("−", "-"))
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or abs(value) > 1e6:
        raise ValueError(f"row {row} of the kernel: {word!r} is not a number up to a million")
    return value


class Axis(NamedTuple):
    """One axis of the convolution: what the size formula needs, and what it gives."""

    size: int
    taps: int
    before: int
    after: int
    span: int
    outputs: int
    windows: list

    @property
    def padded(self):
        """Pixels with padding."""
        return self.before + self.size + self.after

    @property
    def unread(self):
        """The pixels that no window reads."""
        return unread(self.size, self.windows)


class Scene(NamedTuple):
    """What is drawn, before it is drawn."""

    image: np.ndarray
    kernel: np.ndarray
    rows: Axis
    columns: Axis

    @property
    def cell(self):
        """The side of one pixel of input and output, in pixels of the picture."""
        sizes = [max(axis.padded, axis.outputs) for axis in (self.rows, self.columns)]
        return SIDE / max(sizes)

    @property
    def padded(self):
        """Where the input lies in the picture, with its padding."""
        shape = self.rows.padded, self.columns.padded
        return Grid.fit(LEFT, TOP, self.cell * max(shape), shape)

    def position_near(self, row, column):
        """The output whose window lies round a place of the padded input, `{"position": ...}`."""
        row, column = (
            nearest(axis.windows, place - axis.before)
            for axis, place in ((self.rows, row), (self.columns, column))
        )
        return {"position": row * self.columns.outputs + column}


def nearest(windows, place):
    """The number of the window whose middle is nearest to a place."""
    return min(range(len(windows)), key=lambda index: abs(np.mean(windows[index]) - place))


def read_scene(images, picture, kernel, stride, padding, pixels, dilation, **_):
    """Reads the controls; a ValueError for a kernel or a padding that makes no sense."""
    image, numbers = images[picture].astype(float), read_kernel(kernel)
    if padding == "a number":
        if not 0 <= pixels <= 16:
            raise ValueError(f"padding: {pixels} pixels cannot be drawn, choose 0 to 16")
        padding = pixels
    axes = []
    for size, taps in zip(image.shape, numbers.shape, strict=True):
        ends = padding_amounts(size, taps, stride, padding, dilation)
        outputs = output_size(size, taps, stride, padding, dilation)
        reads = windows(size, taps, stride, ends, dilation)
        axes.append(Axis(size, taps, *ends, span(taps, dilation), outputs, reads))
    return Scene(image, numbers, *axes)


def _notes(scene, stride, padding):
    """What a reader may not have expected, a sentence each."""
    of_rows, of_columns = (list(_notes_of(axis, stride, padding)) for axis in scene[2:])
    if of_rows == of_columns:
        return [f"Height and width: {note}" for note in of_rows]
    return [f"Height: {note}" for note in of_rows] + [f"Width: {note}" for note in of_columns]


def _notes_of(axis, stride, padding):
    if stride > axis.size:
        yield f"a stride of {stride} steps past all {axis.size} pixels."
    if axis.before != axis.after:
        yield f"'same' pads {axis.before} before and {axis.after} after."
    if padding == "same" and axis.taps % 2 == 0:
        yield f"a kernel of {axis.taps} has no middle to put on a pixel."
    if axis.unread:
        yield f"no window reads {len(axis.unread)} of the {axis.size} (hatched)."


def _draw_input(drawing, scene):
    rows, columns, cell = scene.rows, scene.columns, scene.cell
    drawing.text(LEFT, TOP - 22, f"input {rows.size}×{columns.size}", 13, bold=True)
    whole = scene.padded
    if (rows.padded, columns.padded) != (rows.size, columns.size):
        words = "outside the frame, dotted: padding with zeros"
        drawing.text(LEFT, TOP - 7, words, 10, colour=PALETTE["neutral"])
        drawing.rect(*whole[:4], "#f0f0f0", PALETTE["neutral"], 1, (2, 3))
    low, high = scene.image.min(), scene.image.max()
    limits = (0, 255) if low >= 0 and 1 < high <= 255 else (low, high)
    corner = whole.corner(rows.before, columns.before)
    grid = Grid.fit(*corner, cell * max(scene.image.shape), scene.image.shape)
    drawing.numbers(grid, scene.image, limits, "input", largest=12)
    drawing.unread(grid, rows.unread, columns.unread)
    drawing.on(whole, scene.position_near)


def _draw_window(drawing, scene, down, across):
    """A frame round the window; if it has gaps, a dot on every pixel that it reads."""
    grid, taps = scene.padded, (len(down), len(across))
    sides = [int(places[-1] - places[0] + 1) for places in (down, across)]
    drawing.frame(*grid.part(down[0], across[0], *sides), PALETTE["kernel"])
    if tuple(sides) != taps:
        radius = max(1.5, min(4, scene.cell / 6))
        for row in down:
            for column in across:
                place = grid.corner(row + 0.15, column + 0.5)
                drawing.circle(*place, radius, PALETTE["kernel"], "black", 0.7)


def _draw_output(drawing, output, position, cell):
    rows, columns = output.shape
    limits, known = (output.min(), output.max()), position + 1
    ends = "black {}, white {}, hatched: not yet".format(*map(compact, limits))
    drawing.heading(RIGHT, TOP - 22, f"output {rows}×{columns}", ends, 13, 10, 15)
    grid = Grid.fit(RIGHT, TOP, cell * max(output.shape), output.shape)
    drawing.numbers(grid, output, limits, "output", 12, known)
    row, column = divmod(position, columns)
    drawing.hatch(*grid.part(row, column + 1, 1, columns - column - 1), "#bbbbbb", 8)
    drawing.hatch(*grid.part(row + 1, 0, rows - row - 1, columns), "#bbbbbb", 8)
    drawing.frame(*grid.part(row, column), PALETTE["kernel"])
    drawing.on(grid, lambda row, column: {"position": row * columns + column})


def _draw_products(drawing, window, kernel, top):
    """Window × kernel = products, as three small tables."""
    width, left = min(46, 230 / window.shape[1]), LEFT
    names, roles = ("window", "× kernel", "= products"), ("input", "kernel", "output")
    for name, role, table in zip(names, roles, (window, kernel, window * kernel), strict=True):
        drawing.text(left, top - 8, name, 12, bold=True)
        size = width * table.shape[1], BESIDE * table.shape[0]
        drawing.table(Grid(left, top, *size, *table.shape), table, role)
        left += size[0] + 20


def _draw_sums(drawing, products, scene, stride, dilation, top):
    """The sum of the products and the two formulas; gives both back as words."""
    place = top + BESIDE * len(products) + 24
    by_row = products.size > 9
    terms = products.sum(axis=1) if by_row else products.ravel()
    line = " + ".join(f"({compact(term)})" if term < 0 else compact(term) for term in terms)
    total = compact(products.sum())
    name = "sum, row by row" if by_row else "sum"
    drawing.text(LEFT, place, f"{name}:  {line}  =  {total}", 12, bold=True)
    general = "output = ⌊(size + padding before + after − span) / stride⌋ + 1"
    drawing.text(LEFT, place + 20, general, 12, colour=PALETTE["neutral"])
    place, formulas = place + 20, []
    for axis, label in ((scene.rows, "height"), (scene.columns, "width")):
        place += 20
        formula = (
            f"{label}: ⌊({axis.size} + {axis.before} + {axis.after} − {axis.span}) / {stride}⌋"
            f" + 1 = {axis.outputs}"
        )
        spans = f"     a window spans {dilation}·({axis.taps} − 1) + 1 = {axis.span} pixels"
        drawing.text(LEFT, place, formula + (spans if dilation > 1 else ""), 12)
        formulas.append(formula)
    return total, ", ".join(formulas)
