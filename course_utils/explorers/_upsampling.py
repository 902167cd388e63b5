"""Transposed convolution: one number lays its stamp, stamps overlap and add up."""

from typing import NamedTuple

import numpy as np

from ..arithmetic import transposed_output_size
from ..convolution import conv2d_transpose
from ..plots import PALETTE
from .controls import choice, play, slider
from .drawing import Drawing, Grid, compact
from .frame import Explorer
from .images import as_image

KERNELS = ("ones", "a hill", "rising")
LARGEST = 8  # rows and columns of an input: more would not be read
SMALL_MAP = np.array([[1, 0, 2, 0], [0, 3, 0, 1], [2, 0, 1, 0], [0, 1, 0, 2]], dtype=float)

# Where things stand, in pixels of the picture.
LEFT, TOP, SIDE = 20, 62, 150  # the input; its longer side
BELOW = TOP + SIDE + 60  # the kernel
MIDDLE, ACROSS = 214, 320  # the output
RIGHT, SMALL = 570, 170  # the counts


class Upsampling(Explorer):
    """A transposed convolution, stamp by stamp, and how many stamps each output gets.

    Point at a number of the input, or at the output, to see one stamp.

    Args:
        numbers: the input, `(height, width)`, at most 8×8; when None, a small map.
    """

    def __init__(self, numbers=None):
        self.numbers = _checked(SMALL_MAP if numbers is None else numbers)
        last = self.numbers.size - 1
        position = slider("number of the input", 0, last, min(5, last))
        super().__init__(
            {
                "kind": choice("kernel", KERNELS, "ones"),
                "kernel": slider("kernel size", 1, 6, 3),
                "stride": slider("stride", 1, 4, 2),
                "padding": slider("padding", 0, 3, 0),
                "position": position,
                "play": play(position),
            }
        )

    def draw(self, kind, kernel, stride, padding, position):
        """The picture: input, kernel, output with one stamp, and the counts."""
        numbers = self.numbers
        laid = stamps(numbers, kind, kernel, stride, padding, position)
        row, column = divmod(position, numbers.shape[1])
        drawing = Drawing(760, 480)
        given = _draw_grid(drawing, numbers, f"input {_size(numbers)}", LEFT, TOP, SIDE, "input")
        drawing.frame(*given.part(row, column), PALETTE["kernel"])
        title = f"kernel {_size(laid.kernel)}"
        _draw_grid(drawing, laid.kernel, title, LEFT, BELOW, 130, "kernel")
        title = f"output {_size(laid.output)}"
        output = _draw_grid(drawing, laid.output, title, MIDDLE, TOP, ACROSS, "output")
        title = "stamps on each output"
        counts = _draw_grid(drawing, laid.counts, title, RIGHT, TOP, SMALL, "neutral")
        for grid in (output, counts):
            _draw_reach(drawing, laid.reach, grid)
        drawing.on(given, lambda row, column: {"position": row * numbers.shape[1] + column})
        drawing.on(output, lambda *place: self._stamp_round(place, kernel, stride, padding))
        for line, (name, size) in enumerate(zip(("height", "width"), numbers.shape, strict=True)):
            words = _sum(name, size, kernel, stride, padding)
            drawing.text(MIDDLE, TOP + ACROSS + 46 + 20 * line, words, 12)
        finding = _finding(laid.counts, kernel, stride)
        for line, words in enumerate(finding):
            drawing.text(RIGHT, TOP + SMALL + 30 + 18 * line, words, 11)
        value = compact(numbers[row, column])
        place = ", column ".join(compact(where * stride - padding) for where in (row, column))
        words = f"framed: {value} × kernel, its stamp, from row {place} on"
        drawing.text(MIDDLE, TOP + ACROSS + 24, words, 13, bold=True)
        drawing.alt = (
            f"Transposed convolution of {_size(numbers)} numbers, kernel {kernel}×{kernel} "
            f"({kind}), stride {stride}, padding {padding}: output {_size(laid.output)}. The "
            f"number {value} at row {row}, column {column} lays its stamp on {laid.reach.sum()} "
            f"outputs. {' '.join(finding)}"
        )
        return drawing

    def _stamp_round(self, place, kernel, stride, padding):
        """The number of the input whose stamp lies round a place of the output."""
        row, column = (
            min(max(round((where + padding - (kernel - 1) / 2) / stride), 0), size - 1)
            for where, size in zip(place, self.numbers.shape, strict=True)
        )
        return {"position": row * self.numbers.shape[1] + column}


def _checked(numbers):
    image, _ = as_image(numbers, "numbers", largest=10**6)
    if image.ndim != 2 or max(image.shape) > LARGEST:
        raise ValueError(
            f"numbers: at most {LARGEST} rows and {LARGEST} columns, not of shape "
            f"{np.shape(numbers)}: take a part of them, numbers[:{LARGEST}, :{LARGEST}]"
        )
    return image.astype(float)


class Stamps(NamedTuple):
    """What is drawn, before it is drawn."""

    kernel: np.ndarray
    output: np.ndarray
    counts: np.ndarray  # how many stamps reach each output
    stamp: np.ndarray  # what the chosen number alone gives
    reach: np.ndarray  # where its stamp lies, True or False


def kernel_of(kind, size):
    """The kernel with this name, `(size, size)`."""
    rising = np.arange(1.0, size + 1)
    line = {
        "ones": np.ones(size),
        "a hill": np.minimum(rising, rising[::-1]) / np.ceil(size / 2),
        "rising": rising,
    }
    return np.outer(line[kind], line[kind])


def stamps(numbers, kind, kernel, stride, padding, position):
    """Computes everything from the values of the controls."""
    weights = kernel_of(kind, kernel)

    def laid(values, weights):
        return conv2d_transpose(
            values[None, ..., None], weights[..., None, None], strides=stride, padding=padding
        )[0, ..., 0]

    chosen = (np.arange(numbers.size) == position).reshape(numbers.shape)
    ones = np.ones_like(weights)
    return Stamps(
        kernel=weights,
        output=laid(numbers, weights),
        counts=laid(np.ones_like(numbers), ones),
        stamp=laid(numbers * chosen, weights),
        reach=laid(chosen.astype(float), ones) > 0,
    )


def _size(numbers):
    return "×".join(map(str, numbers.shape))


def _sum(name, size, kernel, stride, padding):
    outputs = transposed_output_size(size, kernel, stride, padding)
    return f"{name}: ({size} − 1) · {stride} + {kernel} − 2 · {padding} = {outputs}"


def _finding(counts, kernel, stride):
    """What the counts say, in lines that fit beside the picture."""
    low, high = int(counts.min()), int(counts.max())
    if low == high:
        even = f"{kernel} is a multiple of {stride}: even."
        return [f"Stamps on each output: {low}.", *([] if kernel % stride else [even])]
    lines = [f"From {low} to {high} stamps on an output."]
    if low == 0:
        return [*lines, f"{kernel} is less than {stride}:", "gaps that no stamp reaches."]
    if kernel % stride == 0:
        return [*lines, f"{kernel} is a multiple of {stride}: even,", "but for the border."]
    both = np.ptp(counts, axis=0).any() and np.ptp(counts, axis=1).any()
    pattern = "a checkerboard." if both else "stripes."
    return [*lines, f"{kernel} is no multiple of {stride}:", pattern]


def _draw_grid(drawing, numbers, title, left, top, side, role):
    drawing.text(left, top - 10, title, 13, bold=True)
    limits = min(0, numbers.min()), max(numbers.max(), numbers.min() + 1, 0)
    grid = Grid.fit(left, top, side, numbers.shape)
    drawing.numbers(grid, numbers, limits, role, 13)
    return grid


def _draw_reach(drawing, reach, grid):
    """A frame round the outputs on which the chosen number lays its stamp."""
    rows, columns = np.flatnonzero(reach.any(axis=1)), np.flatnonzero(reach.any(axis=0))
    if rows.size:  # else padding has cut it off
        drawing.frame(*grid.part(rows[0], columns[0], rows.size, columns.size), PALETTE["kernel"])
