"""Convolution and pooling, forwards and backwards, in NumPy.

Arrays are laid out as in Keras: images are NHWC `(batch, height, width, channels)`, kernels are
HWIO `(height, width, input channels, filters)`. Like every deep-learning library we slide the
kernel without flipping it: in a mathematician's words this is cross-correlation. Shapes that do not
fit together, and arrays that do not hold real numbers, are refused with a ValueError.

Each function exists to be read. `conv2d_loops` is the definition; `conv2d` is the same sum, with
the loops handed to NumPy; the gradients follow from the definition by the chain rule.
"""

import math
from typing import NamedTuple

import numpy as np

from .arguments import numeric_array, whole_number
from .arithmetic import (
    output_size,
    padding_amounts,
    padding_by_axis,
    pair,
    span,
    transposed_output_size,
)

MOST_NUMBERS = 2**32  # of padded or stamped images, or of all windows together: 16 GB

# --- The definition -------------------------------------------------------------------------------


def conv2d_loops(images, kernels, bias=None, strides=1, padding="valid", dilation_rate=1, groups=1):
    """A convolution layer written as its definition: one window, one filter, one sum at a time.

    Arguments, numbers and errors are those of `conv2d`; it is hundreds of times slower.

    >>> conv2d_loops(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2))).shape
    (1, 2, 2, 2)
    """
    images, kernels, groups = _checked(images, kernels, groups)
    plan = _plan(images.shape, kernels.shape[:2], strides, padding, dilation_rate)
    padded = _pad_with(images, plan, 0)
    depth, filters = kernels.shape[2:]
    outputs = np.zeros((len(images), *plan.output_size, filters), dtype=images.dtype)
    for image, row, column, index in np.ndindex(outputs.shape):
        top, left = row * plan.strides[0], column * plan.strides[1]
        first = index // (filters // groups) * depth  # the first channel of this filter's group
        window = padded[
            image,
            top : top + plan.span[0] : plan.dilation[0],
            left : left + plan.span[1] : plan.dilation[1],
            first : first + depth,
        ]
        outputs[image, row, column, index] = np.sum(window * kernels[..., index])
    return outputs if bias is None else outputs + _checked_bias(bias, filters, outputs.dtype)


# --- The same sum, vectorised ---------------------------------------------------------------------


def conv2d(images, kernels, bias=None, strides=1, padding="valid", dilation_rate=1, groups=1):
    """A convolution layer: every filter at every window, as one matrix product.

    Args:
        images: `(batch, height, width, channels)`.
        kernels: `(kernel height, kernel width, channels // groups, filters)`.
        bias: `(filters,)`, or None for no bias.
        strides: pixels between windows, one number or `(vertical, horizontal)`.
        padding: 'valid', 'same', a number of pixels, or for each axis a number or a pair
            `(before, after)`.
        dilation_rate: pixels between taps, one number or `(vertical, horizontal)`.
        groups: channels and filters are split into so many groups that do not see each other.

    Returns:
        `(batch, output height, output width, filters)`, float32 or what the arguments need.

    >>> conv2d(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2)), strides=2, padding="same").shape
    (1, 2, 2, 2)
    """
    images, kernels, groups = _checked(images, kernels, groups)
    plan = _plan(images.shape, kernels.shape[:2], strides, padding, dilation_rate)
    columns = _window_columns(images, plan)
    outputs = [
        _as_rows(group_columns) @ group_kernels.reshape(-1, group_kernels.shape[-1])
        for group_columns, group_kernels in _by_group(groups, columns, kernels)
    ]
    outputs = np.concatenate(outputs, axis=-1) if groups > 1 else outputs[0]
    if bias is not None:
        outputs += _checked_bias(bias, kernels.shape[-1], outputs.dtype)
    return outputs.reshape(len(images), *plan.output_size, kernels.shape[-1])


class Gradients(NamedTuple):
    """The gradients of a loss with respect to what went into a convolution layer."""

    images: np.ndarray
    kernels: np.ndarray
    bias: np.ndarray


def conv2d_gradients(
    images, kernels, output_gradient, strides=1, padding="valid", dilation_rate=1, groups=1
):
    """The backward pass of `conv2d`.

    Args:
        output_gradient: the gradient of the loss with respect to the layer's output, in the
            output's shape. The other arguments are those of `conv2d`.

    Returns:
        `Gradients(images, kernels, bias)`, each in the shape of what it is the gradient of.

    Each output is a sum of products, so a kernel weight collects (pixel × output gradient) over
    all windows, and a pixel collects (weight × output gradient) over all windows that read it.

    Source: Goodfellow, Bengio, Courville, "Deep Learning" (2016), section 9.5, eq. 9.11 to 9.13.
    """
    images, kernels, groups = _checked(images, kernels, groups)
    plan = _plan(images.shape, kernels.shape[:2], strides, padding, dilation_rate)
    shape = (len(images), *plan.output_size, kernels.shape[-1])
    output_gradient = _checked_gradient(output_gradient, shape, images.dtype)
    columns = _window_columns(images, plan)
    image_gradients, kernel_gradients = [], []
    for group_images, group_columns, group_kernels, gradient in _by_group(
        groups, images, columns, kernels, output_gradient
    ):
        rows = gradient.reshape(-1, gradient.shape[-1])
        kernel_gradients.append((_as_rows(group_columns).T @ rows).reshape(group_kernels.shape))
        shares = (gradient @ group_kernels[tap].T for tap in np.ndindex(plan.kernel))
        image_gradients.append(_added_to_pixels(group_images, plan, shares))
    return Gradients(
        images=np.concatenate(image_gradients, axis=-1),
        kernels=np.concatenate(kernel_gradients, axis=-1),
        bias=output_gradient.sum(axis=(0, 1, 2)),
    )


def conv2d_transpose(maps, kernels, bias=None, strides=1, padding="valid", output_padding=None):
    """A transposed convolution: each number lays its stamp of the kernel; stamps add up.

    It is what `conv2d_gradients` does for the pixels, used forwards: `maps` in the place of the
    gradient at the output.

    Args:
        maps: `(batch, height, width, channels)`.
        kernels: `(kernel height, kernel width, filters, channels)`, as Keras' `Conv2DTranspose`
            has them: what `conv2d` would need for the way back.
        bias: `(filters,)`, or None for no bias.
        strides: outputs between stamps, one number or `(vertical, horizontal)`.
        padding: as for `conv2d`; so many outputs are cut off.
        output_padding: as for `arithmetic.transposed_output_size`, one number, `(vertical,
            horizontal)`, or None.

    Returns:
        `(batch, output height, output width, filters)`.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic" (2016), chapter 4.

    >>> conv2d_transpose(np.ones((1, 2, 2, 1)), np.ones((3, 3, 1, 1)), strides=2)[0, 2, :, 0]
    array([2., 2., 4., 2., 2.])
    """
    maps, kernels = _checked_images(maps, "maps"), _checked_numbers(kernels, "kernels")
    if kernels.ndim != 4 or kernels.shape[3] != maps.shape[3] or not kernels.size:
        raise ValueError(
            f"kernels must be (height, width, filters, channels) with {maps.shape[3]} channels, "
            f"not of shape {kernels.shape}"
        )
    size, kernel, strides = maps.shape[1:3], kernels.shape[:2], pair(strides, "strides")
    extra = (None, None) if output_padding is None else pair(output_padding, "output_padding", 0)
    outputs = tuple(
        map(transposed_output_size, size, kernel, strides, padding_by_axis(padding), extra)
    )
    # The convolution that leads from the outputs back to the maps reads where a stamp is laid.
    shape = (len(maps), *outputs, kernels.shape[2])
    back = _plan(shape, kernel, strides, padding, 1)
    if back.output_size != size:
        raise ValueError(
            f"output_padding {output_padding} with padding {padding!r} gives {outputs} outputs, "
            f"from which no convolution leads back to {size}: leave output_padding out"
        )
    stamps = (maps @ kernels[tap].T for tap in np.ndindex(kernel))
    stamped = _added_to_pixels(np.zeros(shape, np.result_type(maps, kernels)), back, stamps)
    if bias is None:
        return stamped
    return stamped + _checked_bias(bias, kernels.shape[2], stamped.dtype)


# --- Pooling --------------------------------------------------------------------------------------


def max_pool2d(images, pool_size=2, strides=None, padding="valid"):
    """The largest number of every window, channel by channel.

    Args:
        images: `(batch, height, width, channels)`.
        pool_size: one number or `(vertical, horizontal)`.
        strides: as `pool_size`, and equal to it when None; smaller strides overlap the windows.
        padding: as for `conv2d`; padding never wins.

    Returns:
        `(batch, output height, output width, channels)`.

    Raises:
        ValueError: a window would hold nothing but padding.

    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    images, plan = _checked_pool(images, pool_size, strides, padding)
    return _window_columns(images, plan, -np.inf).max(axis=(3, 4))


def max_pool2d_gradient(images, output_gradient, pool_size=2, strides=None, padding="valid"):
    """The backward pass of `max_pool2d`: all of a window's gradient goes to its winner.

    Between equals the first one wins (top to bottom, left to right), as in TensorFlow. Arguments
    and errors are those of `max_pool2d`; `output_gradient` has the output's shape, the result that
    of `images`.
    """
    images, plan = _checked_pool(images, pool_size, strides, padding)
    lowest = np.maximum(images, np.finfo(images.dtype).min)  # of -inf, too, the padding never wins
    columns = _window_columns(lowest, plan, -np.inf)
    taps = math.prod(plan.kernel)
    winners = columns.reshape(*columns.shape[:3], taps, columns.shape[-1]).argmax(axis=3)
    output_gradient = _checked_gradient(output_gradient, winners.shape, images.dtype)
    won = (np.where(winners == tap, output_gradient, 0) for tap in range(taps))
    return _added_to_pixels(images, plan, won)


def average_pool2d(images, pool_size=2, strides=None, padding="valid"):
    """The mean of every window, channel by channel. Padding is not counted, as in Keras.

    Arguments, result and errors are those of `max_pool2d`.

    >>> average_pool2d(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    images, plan = _checked_pool(images, pool_size, strides, padding)
    sums = _window_columns(images, plan).sum(axis=(3, 4))
    return sums / _pixels_in_window(images, plan)


def average_pool2d_gradient(images, output_gradient, pool_size=2, strides=None, padding="valid"):
    """The backward pass of `average_pool2d`: a window's gradient is shared equally.

    Arguments, result and errors are those of `max_pool2d_gradient`.
    """
    images, plan = _checked_pool(images, pool_size, strides, padding)
    shape = (len(images), *plan.output_size, images.shape[-1])
    output_gradient = _checked_gradient(output_gradient, shape, images.dtype)
    share = output_gradient / _pixels_in_window(images, plan)
    return _added_to_pixels(images, plan, [share] * math.prod(plan.kernel))


# --- How a window slides: shared by all of the above ----------------------------------------------


class _Plan(NamedTuple):
    """Where the windows lie, along both axes."""

    kernel: tuple
    span: tuple
    strides: tuple
    dilation: tuple
    output_size: tuple
    padding: tuple  # for np.pad: one (before, after) for each of the four axes

    def pixels_under(self, tap):
        """The padded pixels that lie under one tap of the kernel, window by window."""
        starts = [place * rate for place, rate in zip(tap, self.dilation, strict=True)]
        return tuple(
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(starts, self.output_size, self.strides, strict=True)
        )


def _plan(shape, kernel, strides, padding, dilation_rate):
    strides, dilation = pair(strides, "strides"), pair(dilation_rate, "dilation_rate")
    axes = list(zip(shape[1:3], kernel, strides, padding_by_axis(padding), dilation, strict=True))
    amounts = [padding_amounts(*axis) for axis in axes]
    padded = [size + sum(ends) for size, ends in zip(shape[1:3], amounts, strict=True)]
    if math.prod((shape[0], *padded, shape[3])) > MOST_NUMBERS:
        maps = f"maps of {padded[0]}×{padded[1]}"
        raise ValueError(f"padding and strides make {maps}, too large for the memory: use less")
    return _Plan(
        kernel=tuple(kernel),
        span=tuple(span(taps, rate) for taps, rate in zip(kernel, dilation, strict=True)),
        strides=strides,
        dilation=dilation,
        output_size=tuple(output_size(*axis) for axis in axes),
        padding=((0, 0), *amounts, (0, 0)),
    )


def _window_columns(images, plan, padding=0):
    """Every window as a view: `(batch, output height, output width, taps, taps, channels)`.

    No window is copied here; neighbours share their pixels.
    """
    padded = _pad_with(images, plan, padding)
    views = np.lib.stride_tricks.sliding_window_view(padded, plan.span, axis=(1, 2))
    views = views[:, :: plan.strides[0], :: plan.strides[1]]
    return views[..., :: plan.dilation[0], :: plan.dilation[1]].transpose(0, 1, 2, 4, 5, 3)


def _as_rows(columns):
    """One row of numbers for each window. This copies, and is where the memory goes."""
    if columns.size > MOST_NUMBERS:
        raise ValueError("the windows hold too many numbers: take fewer images or a smaller kernel")
    return columns.reshape(-1, int(np.prod(columns.shape[3:])))


def _by_group(groups, *arrays):
    """The arrays, split along their last axis: what the first group has of each, and so on."""
    return zip(*(np.split(array, groups, axis=-1) for array in arrays), strict=True)


def _pad_with(images, plan, value):
    if not any(map(any, plan.padding)):
        return images  # np.pad would copy them
    return np.pad(images, plan.padding, constant_values=value)


def _added_to_pixels(images, plan, parts):
    """Adds up at each pixel what it gets from the windows: `parts` has an array for each tap."""
    sums = np.zeros_like(_pad_with(images, plan, 0))
    for tap, part in zip(np.ndindex(plan.kernel), parts, strict=True):
        sums[(slice(None), *plan.pixels_under(tap))] += part
    _, (top, bottom), (left, right), _ = plan.padding
    _, height, width, _ = sums.shape
    return sums[:, top : height - bottom, left : width - right]


def _pixels_in_window(images, plan):
    """How many real pixels each window holds: `(1, output height, output width, 1)`."""
    ones = np.ones((1, *images.shape[1:3], 1), dtype=images.dtype)
    return _window_columns(ones, plan).sum(axis=(3, 4))


# --- Checks ---------------------------------------------------------------------------------------


def _checked_images(images, name="images"):
    images = _checked_numbers(images, name)
    if images.ndim != 4:
        hints = {2: f": try {name}[None, ..., None]", 3: f": try {name}[None] or {name}[..., None]"}
        shape = f"not of shape {images.shape}{hints.get(images.ndim, '')}"
        raise ValueError(f"{name} must be (batch, height, width, channels), {shape}")
    return images


def _checked_numbers(array, name):
    """An array in a float type; NaN stays NaN."""
    array = numeric_array(array, name, finite=False)
    return array.astype(np.result_type(array, np.float32), copy=False)


def _checked(images, kernels, groups):
    images, kernels = _checked_images(images), _checked_numbers(kernels, "kernels")
    if kernels.ndim != 4:
        raise ValueError(
            f"kernels must be (height, width, channels, filters), not of shape {kernels.shape}"
        )
    if 0 in kernels.shape or 0 in images.shape[1:]:
        shapes = f"images of shape {images.shape}, kernels of shape {kernels.shape}"
        raise ValueError(f"nothing to convolve: {shapes}")
    channels, (depth, filters) = images.shape[-1], kernels.shape[2:]
    groups = whole_number(groups, "groups", 1)
    if depth * groups != channels:
        raise ValueError(
            f"kernels are {depth} deep, but images of {channels} channels "
            f"in {groups} group(s) need {channels / groups:g}"
        )
    if filters % groups:
        raise ValueError(f"groups={groups} must divide the {filters} filters")
    dtype = np.result_type(images, kernels)
    return images.astype(dtype, copy=False), kernels.astype(dtype, copy=False), groups


def _checked_pool(images, pool_size, strides, padding):
    images = _checked_images(images)
    pool_size = pair(pool_size, "pool_size")
    strides = pool_size if strides is None else strides
    plan = _plan(images.shape, pool_size, strides, padding, 1)
    if any(map(any, plan.padding)) and not _pixels_in_window(images, plan).all():
        words = "nothing but padding: pad by fewer pixels than pool_size"
        raise ValueError(f"padding {padding} leaves a window of {pool_size} with {words}")
    return images, plan


def _checked_bias(bias, filters, dtype):
    wanted = f"one number for each of the {filters} filters, not shape"
    return _checked_shape(bias, "bias", (filters,), wanted, dtype)


def _checked_gradient(output_gradient, shape, dtype):
    wanted = f"the output's shape {tuple(shape)}, not"
    return _checked_shape(output_gradient, "output_gradient", shape, wanted, dtype)


def _checked_shape(array, name, shape, wanted, dtype):
    array = _checked_numbers(array, name).astype(dtype, copy=False)
    if array.shape != tuple(shape):
        raise ValueError(f"{name} must have {wanted} {array.shape}")
    return array
