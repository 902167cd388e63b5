"""The arithmetic of convolution: sizes, padding, parameters, multiply-adds, receptive fields.

Pure Python, so that every line can be checked with pencil and paper. The first half works along
one axis (a row of pixels); the second half reads whole stacks of layers.

Words: `size` is a number of pixels, `kernel` the number of taps of a filter along the axis,
`stride` the step between two windows, `padding` the zeros added at both ends, and `dilation` the
distance between neighbouring taps (1: no gaps).

What is not a whole number, too small, or does not fit is refused with a ValueError that says what
would do.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from .arguments import flag, listed, whole_number

MOST_PLACES = 10**7  # that are listed one by one
KINDS = "Conv(...), Pool(...), GlobalPool(), Dense(...)"  # of layers in a stack

# --- One axis -------------------------------------------------------------------------------------


def span(kernel, dilation=1):
    """How many pixels a kernel reaches over: `dilation * (kernel - 1) + 1`.

    >>> span(3), span(3, dilation=2)
    (3, 5)
    """
    kernel = whole_number(kernel, "kernel", 1)
    dilation = whole_number(dilation, "dilation", 1)
    return dilation * (kernel - 1) + 1


def same_padding(size, kernel, stride=1, dilation=1):
    """The zeros that Keras' `padding='same'` adds, as `(before, after)`.

    'same' promises an output of `ceil(size / stride)`. When the zeros cannot be shared equally,
    the odd one goes after: to the bottom and to the right.

    Source: TensorFlow's documentation of `tf.nn`, "Notes on padding".

    >>> same_padding(224, kernel=7, stride=2)
    (2, 3)
    """
    size = whole_number(size, "size", 1)
    stride = whole_number(stride, "stride", 1)
    outputs = -(-size // stride)  # ceil without floating point
    total = max((outputs - 1) * stride + span(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def padding_amounts(size, kernel, stride=1, padding=0, dilation=1):
    """Any way of giving a padding, as `(before, after)`.

    Args:
        padding: 'valid' (none), 'same' (as Keras pads), a number of pixels for both ends, or a
            pair `(before, after)`. (For two axes at once a pair means something else: see
            `padding_by_axis`.)

    >>> padding_amounts(32, kernel=3, stride=2, padding="same")
    (0, 1)
    """
    if isinstance(padding, str):
        if padding == "valid":
            return 0, 0
        if padding == "same":
            return same_padding(size, kernel, stride, dilation)
        raise ValueError(f"padding must be 'valid', 'same' or a number of pixels, not {padding!r}")
    return pair(padding, "padding", 0)


def output_size(size, kernel, stride=1, padding=0, dilation=1):
    """How many windows fit along one axis, which is the size of the output.

    `floor((size + before + after - span) / stride) + 1`, where `span = dilation*(kernel-1) + 1`.

    Args:
        size: pixels along the axis.
        kernel: taps of the filter along the axis.
        stride: pixels from one window to the next.
        padding: 'valid', 'same', a number for both ends, or `(before, after)`.
        dilation: pixels between neighbouring taps; 1 means no gaps.

    Raises:
        ValueError: an argument is not a whole number or too small, or no window fits.

    >>> output_size(7, kernel=3, stride=3)
    2
    >>> output_size(227, kernel=11, stride=4)
    55
    """
    size = whole_number(size, "size", 1)
    stride = whole_number(stride, "stride", 1)
    reach = span(kernel, dilation)
    before, after = padding_amounts(size, kernel, stride, padding, dilation)
    padded = size + before + after
    if reach > padded:
        spans = f" with dilation {dilation} spans {reach} pixels and" if dilation > 1 else ""
        remedy = f"use padding='same' or a kernel of at most {(padded - 1) // dilation + 1}"
        given = f"{padded} (size {size}, padding {padding})"
        raise ValueError(
            f"kernel {kernel}{spans} is larger than the padded input {given}: {remedy}"
        )
    return (padded - reach) // stride + 1


def size_preserving_padding(size, kernel, stride=1):
    """The notes' padding, meant to keep the size: `ceil((size*(stride-1) + kernel - stride) / 2)`.

    The same number of zeros goes to both ends. **It fails for stride 1 and an even kernel**: the
    output is then one pixel larger than the input. An even kernel needs an odd number of zeros,
    and an odd number cannot be split equally. Notebook 02 finds the failing case.

    >>> size_preserving_padding(32, kernel=5)
    2
    >>> output_size(32, kernel=4, padding=size_preserving_padding(32, kernel=4))
    33
    """
    size = whole_number(size, "size", 1)
    kernel = whole_number(kernel, "kernel", 1)
    stride = whole_number(stride, "stride", 1)
    return -(-(size * (stride - 1) + kernel - stride) // 2)


def windows(size, kernel, stride=1, padding=0, dilation=1):
    """Which pixels each window reads, as one tuple of positions for each output.

    Arguments and errors are those of `output_size`. Position 0 is the first real pixel; negative
    positions, and those from `size` on, are padding.

    >>> windows(7, kernel=3, stride=3)
    [(0, 1, 2), (3, 4, 5)]
    """
    outputs = output_size(size, kernel, stride, padding, dilation)
    before, _ = padding_amounts(size, kernel, stride, padding, dilation)
    kernel, stride, dilation = int(kernel), int(stride), int(dilation)  # a uint8 would overflow
    if outputs * kernel > MOST_PLACES:
        raise ValueError(f"{outputs} windows of {kernel} pixels are too many to be listed")
    starts = [index * stride - before for index in range(outputs)]
    return [tuple(start + tap * dilation for tap in range(kernel)) for start in starts]


def unread(size, reads):
    """The pixels along an axis that no window reads; `reads` is what `windows` gives.

    >>> unread(7, windows(7, kernel=2, stride=2))
    [6]
    """
    if whole_number(size, "size", 1) > MOST_PLACES:
        raise ValueError(f"{size} pixels are too many to be listed")
    try:
        return sorted(set(range(size)) - {place for window in reads for place in window})
    except TypeError:
        raise ValueError(f"reads must be what `windows` gives, not {reads!r}") from None


def transposed_output_size(size, kernel, stride=1, padding=0, output_padding=None):
    """The output of a transposed convolution along one axis: `output_size` turned round.

    Each input lays a stamp of `kernel` outputs, `stride` apart: `(size - 1) * stride + kernel` in
    all. Padding cuts off at both ends what the convolution would have added there; output padding
    adds at the end the outputs that its floor would have lost.

    Args:
        size, kernel, stride: as for `output_size`.
        padding: 'valid', 'same', a number for both ends, or `(before, after)`.
        output_padding: more outputs at the end, fewer than `stride`. None takes as many as Keras
            does: 'same' then gives `size * stride`, 'valid' room for a whole stride, a number none.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic" (2016), chapter 4.

    >>> transposed_output_size(2, kernel=3, stride=2)
    5
    >>> transposed_output_size(8, kernel=3, stride=2, padding="same")
    16
    """
    size, kernel = whole_number(size, "size", 1), whole_number(kernel, "kernel", 1)
    stride = whole_number(stride, "stride", 1)
    word = padding if isinstance(padding, str) else ""
    if output_padding is None:
        if word == "same":
            return size * stride
        extra = max(stride - kernel, 0) if word == "valid" else 0
    else:
        extra = whole_number(output_padding, "output_padding", 0)
        if extra >= stride:
            raise ValueError(f"output_padding must be less than the stride {stride}, not {extra}")
    if word == "same":
        cut = kernel - kernel % 2  # as Keras counts
    else:
        cut = sum(padding_amounts(size, kernel, stride, padding))
    outputs = (size - 1) * stride + kernel - cut + extra
    if outputs < 1:
        raise ValueError(
            f"padding {padding} leaves nothing of the {outputs + cut} outputs (size {size}, "
            f"kernel {kernel}, stride {stride}): use less padding"
        )
    return outputs


# --- Layers: what one costs -----------------------------------------------------------------------


def pair(value, name="value", smallest=1):
    """One number or two, as `(vertical, horizontal)`.

    >>> pair(3), pair((1, 2))
    ((3, 3), (1, 2))
    """
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} must be one number or two, not {value!r}")
        return tuple(whole_number(number, name, smallest) for number in value)
    return (whole_number(value, name, smallest),) * 2


def padding_by_axis(padding):
    """A padding for each axis: a pair is `(vertical, horizontal)`, anything else serves both.

    >>> padding_by_axis("same"), padding_by_axis((0, (1, 2)))
    (('same', 'same'), (0, (1, 2)))
    """
    if isinstance(padding, (tuple, list)):
        if len(padding) != 2:
            raise ValueError(f"padding for two axes is (vertical, horizontal), not {padding!r}")
        return tuple(padding)
    return padding, padding


def conv_parameters(channels, filters, kernel_size, groups=1, use_bias=True):
    """Trainable numbers of a convolution: `(a * b * c + 1) * filters` for an a×b kernel.

    A filter is as deep as its input has channels, `c`; in `groups`, as deep as its group.
    `use_bias=False` leaves out the `+ 1`; `kernel_size` is one number or `(vertical, horizontal)`.

    >>> conv_parameters(channels=3, filters=32, kernel_size=3)
    896
    """
    channels = whole_number(channels, "channels", 1)
    filters = whole_number(filters, "filters", 1)
    groups = whole_number(groups, "groups", 1)
    if channels % groups or filters % groups:
        both = f"the {channels} channels and the {filters} filters"
        raise ValueError(f"groups={groups} must divide both {both}")
    height, width = pair(kernel_size, "kernel_size")
    return (height * width * (channels // groups) + flag(use_bias, "use_bias")) * filters


def conv_multiply_adds(output_shape, channels, kernel_size, groups=1):
    """Multiply-adds of a convolution for one image: every output number is one sum of products.

    `output_shape` is `(height, width, filters)`; the other arguments are those of
    `conv_parameters`.

    >>> conv_multiply_adds((32, 32, 32), channels=3, kernel_size=3)
    884736
    """
    if not isinstance(output_shape, (tuple, list)) or len(output_shape) != 3:
        raise ValueError(f"output_shape must be (height, width, filters), not {output_shape!r}")
    height, width, filters = (whole_number(size, "output_shape", 1) for size in output_shape)
    weights = conv_parameters(channels, filters, kernel_size, groups, use_bias=False)
    return height * width * weights


def dense_parameters(inputs, units, use_bias=True):
    """Trainable numbers of a dense layer: `(inputs + 1) * units`.

    >>> dense_parameters(84, 10)
    850
    """
    inputs = whole_number(inputs, "inputs", 1)
    return (inputs + flag(use_bias, "use_bias")) * whole_number(units, "units", 1)


# --- Stacks: a network read as a column of shapes -------------------------------------------------


@dataclass(frozen=True)
class Conv:
    """A convolution layer, as `keras.layers.Conv2D` takes it; `read_stack` looks at the numbers."""

    filters: int
    kernel_size: int | tuple
    strides: int | tuple = 1
    padding: str | int | tuple = "valid"
    dilation_rate: int | tuple = 1
    groups: int = 1
    use_bias: bool = True


@dataclass(frozen=True)
class Pool:
    """A pooling layer; like Keras', it strides by its own size unless told otherwise."""

    pool_size: int | tuple = 2
    strides: int | tuple | None = None
    padding: str | int | tuple = "valid"


@dataclass(frozen=True)
class GlobalPool:
    """One number for each channel: the whole map pooled at once."""


@dataclass(frozen=True)
class Dense:
    """A dense layer. It flattens what it gets, as a network does before its first dense layer."""

    units: int
    use_bias: bool = True


class Reading(NamedTuple):
    """What one layer of a stack gives and costs, for one image."""

    layer: object
    output_shape: tuple
    parameters: int
    multiply_adds: int
    receptive_field: tuple


class Field(NamedTuple):
    """The receptive field of a unit along one axis, and the input pixels between two units."""

    size: int = 1
    jump: int = 1


def grow(field, kernel, stride=1, dilation=1):
    """The receptive field one layer later: `size += (span - 1) * jump`, `jump *= stride`.

    Each layer adds `span - 1` neighbours, and a neighbour is `jump` input pixels away.

    Source: Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks",
    Distill (2019), section "Single-path networks".

    >>> grow(Field(), kernel=3, stride=2)
    Field(size=3, jump=2)
    """
    stride = whole_number(stride, "stride", 1)
    if not isinstance(field, Field):
        raise ValueError(f"field must be a Field(size, jump), not {field!r}")
    field = Field(*(whole_number(number, "field", 1) for number in field))
    return Field(field.size + (span(kernel, dilation) - 1) * field.jump, field.jump * stride)


def window_of(layer):
    """`(kernel, stride, dilation)` of a layer, Keras' too; each is (vertical, horizontal)."""
    name = "kernel_size" if hasattr(layer, "kernel_size") else "pool_size"
    if not hasattr(layer, name):
        raise ValueError(f"{layer!r} is no layer: use {KINDS}")
    kernel, strides = pair(getattr(layer, name), name), getattr(layer, "strides", None)
    if strides is None:
        strides = kernel if name == "pool_size" else 1
    dilation = pair(getattr(layer, "dilation_rate", 1), "dilation_rate")
    return kernel, pair(strides, "strides"), dilation


def receptive_field(layers):
    """The region of the input that one unit after `layers` can see, as `(height, width)`.

    It may be larger than the image: then a unit sees all of it, and padding around it.

    Args:
        layers: `Conv` and `Pool` layers, first to last.

    Raises:
        ValueError: a layer has no window of its own, like `Dense`, which sees everything.

    >>> receptive_field([Conv(8, 3), Conv(8, 3)])
    (5, 5)
    """
    fields = Field(), Field()
    for layer in listed(layers, "layers", "[Conv(8, 3)]"):
        _check_layer(layer)
        if isinstance(layer, (Dense, GlobalPool)):
            raise ValueError(f"{layer} sees its whole input: stop the list before it")
        fields = tuple(map(grow, fields, *window_of(layer)))
    return tuple(field.size for field in fields)


def read_stack(input_shape, layers):
    """Reads a network as a column of shapes: one `Reading` for each layer.

    Args:
        input_shape: `(height, width, channels)` of one image.
        layers: `Conv`, `Pool`, `GlobalPool` and `Dense` layers, first to last.

    Raises:
        ValueError: a layer does not fit; the message starts with its place in the stack.

    >>> [row.output_shape for row in read_stack((28, 28, 1), [Conv(6, 5), Pool(), Dense(10)])]
    [(24, 24, 6), (12, 12, 6), (10,)]
    """
    readings, layers = [], listed(layers, "layers", "[Conv(8, 3)]")
    input_shape = listed(input_shape, "input_shape", "(height, width, channels)")
    input_shape = tuple(whole_number(extent, "input_shape", 1) for extent in input_shape)
    shape, fields = input_shape, (Field(), Field())
    for number, layer in enumerate(layers, start=1):
        try:
            reading, fields = _read(layer, shape, fields, input_shape)
        except ValueError as error:
            raise ValueError(f"layer {number}, {layer}: {error}") from None
        readings.append(reading)
        shape = reading.output_shape
    return readings


def _check_layer(layer):
    """Refuses Keras' layers, which count otherwise: `anatomy` reads a network of those."""
    if not isinstance(layer, (Conv, Pool, GlobalPool, Dense)):
        raise ValueError(f"{layer!r} is no layer of this module: use {KINDS}")


def _read(layer, shape, fields, input_shape):
    """One layer's `Reading`, and the receptive fields after it."""
    _check_layer(layer)
    if isinstance(layer, Dense):
        inputs = math.prod(shape)
        weights = dense_parameters(inputs, layer.units, use_bias=False)
        parameters = dense_parameters(inputs, layer.units, layer.use_bias)
        return Reading(layer, (int(layer.units),), parameters, weights, input_shape[:2]), fields
    if len(shape) != 3:
        raise ValueError(f"it needs (height, width, channels), but what comes in is {shape}")
    height, width, channels = shape
    if isinstance(layer, GlobalPool):
        return Reading(layer, (channels,), 0, 0, input_shape[:2]), fields

    kernel, strides, dilation = window_of(layer)
    extents = map(
        output_size, (height, width), kernel, strides, padding_by_axis(layer.padding), dilation
    )
    fields = tuple(map(grow, fields, kernel, strides, dilation))
    region = tuple(field.size for field in fields)
    if isinstance(layer, Pool):
        return Reading(layer, (*extents, channels), 0, 0, region), fields
    parameters = conv_parameters(channels, layer.filters, kernel, layer.groups, layer.use_bias)
    output_shape = (*extents, int(layer.filters))
    multiply_adds = conv_multiply_adds(output_shape, channels, kernel, layer.groups)
    return Reading(layer, output_shape, parameters, multiply_adds, region), fields
