"""Transposed convolution: one number lays its stamp, stamps overlap and add up."""

from functools import partial
from typing import NamedTuple

import numpy as np

from ..arithmetic import transposed_output_size
from ..convolution import conv2d_transpose
from ..plots import PALETTE
from . import shell
from .drawing import Drawing, written

KERNELS = ("ones", "a hill", "rising")
LARGEST = 8  # rows and columns of an input: more would not be read
SMALL_MAP = np.array([[1, 0, 2, 0], [0, 3, 0, 1], [2, 0, 1, 0], [0, 1, 0, 2]], dtype=float)

# Where things stand, in pixels of the picture.
LEFT, TOP, SIDE = 20, 62, 150  # the input; its longer side
BELOW = TOP + SIDE + 60  # the kernel
MIDDLE, ACROSS = 214, 320  # the output
RIGHT, SMALL = 570, 170  # the counts


@shell.message_in_place
def upsampling(numbers=None):
    """A transposed convolution, stamp by stamp, and how many stamps each output gets.

    Point at a number of the input, or at the output, to see one stamp.

    Args:
        numbers: the input, `(height, width)`, at most 8×8; when None, a small map.

    Returns:
        An `Explorer`; the last line of a cell shows it.
    """
    numbers = _checked(SMALL_MAP if numbers is None else numbers)
    position = shell.slider("number of the input", 0, numbers.size - 1, min(5, numbers.size - 1))
    controls = {
        "kind": shell.choice("kernel", KERNELS, "ones"),
        "kernel": shell.slider("kernel size", 1, 6, 3),
        "stride": shell.slider("stride", 1, 4, 2),
        "padding": shell.slider("padding", 0, 3, 0),
        "position": position,
        "play": shell.play(position),
    }
    return shell.Explorer(partial(render, numbers), controls, None, partial(point, numbers))


def _checked(numbers):
    image, _ = shell.as_image(numbers, "numbers", largest=10**6)
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


def point(numbers, x, y, kernel, stride, padding, **_):
    """Which number of the input somebody pointed at, or which has its stamp round an output."""
    if x < MIDDLE - 20:
        cell = SIDE / max(numbers.shape)
        row, column = int((y - TOP) // cell), int((x - LEFT) // cell)
        if not (0 <= row < numbers.shape[0] and 0 <= column < numbers.shape[1]):
            return {}
    else:
        sizes = [transposed_output_size(size, kernel, stride, padding) for size in numbers.shape]
        cell = ACROSS / max(sizes)
        places = int((y - TOP) // cell), int((x - MIDDLE) // cell)
        if not all(0 <= place < size for place, size in zip(places, sizes, strict=True)):
            return {}
        row, column = (
            min(max(round((place + padding - (kernel - 1) / 2) / stride), 0), size - 1)
            for place, size in zip(places, numbers.shape, strict=True)
        )
    return {"position": row * numbers.shape[1] + column}


def render(numbers, kind, kernel, stride, padding, position, **_):
    """The picture: input, kernel, output with one stamp, and the counts."""
    laid = stamps(numbers, kind, kernel, stride, padding, position)
    row, column = divmod(position, numbers.shape[1])
    drawing = Drawing(760, 480)
    _draw_grid(drawing, numbers, f"input {_size(numbers)}", LEFT, TOP, SIDE, "input")
    cell = SIDE / max(numbers.shape)
    drawing.frame(LEFT + cell * column, TOP + cell * row, cell, cell, PALETTE["kernel"])
    _draw_grid(drawing, laid.kernel, f"kernel {_size(laid.kernel)}", LEFT, BELOW, 130, "kernel")
    _draw_grid(drawing, laid.output, f"output {_size(laid.output)}", MIDDLE, TOP, ACROSS, "output")
    title = "stamps on each output"
    _draw_grid(drawing, laid.counts, title, RIGHT, TOP, SMALL, "neutral")
    for left, side in ((MIDDLE, ACROSS), (RIGHT, SMALL)):
        _draw_reach(drawing, laid.reach, left, side / max(laid.reach.shape))
    for line, (name, size) in enumerate(zip(("height", "width"), numbers.shape, strict=True)):
        words = _sum(name, size, kernel, stride, padding)
        drawing.text(MIDDLE, TOP + ACROSS + 46 + 20 * line, words, 12)
    seen = _finding(laid.counts, kernel, stride)
    for line, words in enumerate(seen):
        drawing.text(RIGHT, TOP + SMALL + 30 + 18 * line, words, 11)
    value = written(numbers[row, column])
    place = ", column ".join(written(where * stride - padding) for where in (row, column))
    words = f"framed: {value} × kernel, its stamp, from row {place} on"
    drawing.text(MIDDLE, TOP + ACROSS + 24, words, 13, bold=True)
    drawing.alt = (
        f"Transposed convolution of {_size(numbers)} numbers, kernel {kernel}×{kernel} "
        f"({kind}), stride {stride}, padding {padding}: output {_size(laid.output)}. The number "
        f"{value} at row {row}, column {column} lays its stamp on {laid.reach.sum()} outputs. "
        + " ".join(seen)
    )
    return drawing


def _size(numbers):
    return "×".join(map(str, numbers.shape))


def _sum(name, size, kernel, stride, padding):
    outputs = transposed_output_size(size, kernel, stride, padding)
    return f"{name}: ({size} − 1) · {stride} + {kernel} − 2 · {padding} = {outputs}"


def _finding(counts, kernel, stride):
    """What the counts say, in lines that fit beside the picture."""
    low, high = int(counts.min()), int(counts.max())
    lines = [f"From {low} to {high} stamps on an output."]
    if kernel < stride:
        lines += [f"{kernel} is less than {stride}:", "gaps that no stamp reaches."]
    elif kernel % stride:
        lines += [f"{kernel} is no multiple of {stride}:", "a checkerboard."]
    else:
        lines += [f"{kernel} is a multiple of {stride}: even,", "but for the border."]
    return lines


def _draw_grid(drawing, numbers, title, left, top, side, role):
    drawing.text(left, top - 10, title, 13, bold=True)
    limits = min(0, numbers.min()), max(numbers.max(), numbers.min() + 1, 0)
    shell.draw_numbers(drawing, numbers, limits, left, top, side / max(numbers.shape), role, 13)


def _draw_reach(drawing, reach, left, cell):
    """A frame round the outputs on which the chosen number lays its stamp."""
    rows, columns = np.flatnonzero(reach.any(axis=1)), np.flatnonzero(reach.any(axis=0))
    if not rows.size:
        return  # padding has cut it off
    x, y = left + cell * columns[0], TOP + cell * rows[0]
    drawing.frame(x, y, cell * columns.size, cell * rows.size, PALETTE["kernel"])
