"""Convolution and pooling in NumPy, against Keras, TensorFlow and numerical gradients."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import convolution
from course_utils.arithmetic import windows
from course_utils.convolution import (
    average_pool2d,
    average_pool2d_gradient,
    conv2d,
    conv2d_gradients,
    conv2d_loops,
    max_pool2d,
    max_pool2d_gradient,
)

many = settings(derandomize=True, deadline=None, max_examples=100)
some = settings(derandomize=True, deadline=None, max_examples=40)
few = settings(derandomize=True, deadline=None, max_examples=15)

seeds = st.integers(0, 10**6)
amounts = st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3)))
paddings = st.one_of(
    st.sampled_from(["valid", "same"]), st.integers(0, 3), st.tuples(amounts, amounts)
)


def one_or_two(smallest, largest):
    number = st.integers(smallest, largest)
    return st.one_of(number, st.tuples(number, number))


def close(ours, theirs, dtype="float64"):
    tolerance = {"float32": 1e-4, "float64": 1e-10}[dtype]
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------------------------------------
# Convolution
# ---------------------------------------------------------------------------------------------


@st.composite
def convolutions(draw, largest=14, dtypes=("float32", "float64"), most_channels=3):
    """Images, kernels, bias, and how the kernels slide."""
    groups = draw(st.integers(1, 3))
    depth = draw(st.integers(1, most_channels))
    filters = groups * draw(st.integers(1, 2))
    taps = [draw(st.integers(1, 4)) for _ in range(2)]
    sliding = dict(
        strides=draw(one_or_two(1, 3)),
        padding=draw(paddings),
        dilation_rate=draw(one_or_two(1, 3)),
        groups=groups,
    )
    spans = (np.array(taps) - 1) * sliding["dilation_rate"] + 1
    height, width = (draw(st.integers(span, max(span, largest))) for span in spans.tolist())
    dtype = draw(st.sampled_from(dtypes))
    random = np.random.default_rng(draw(seeds))
    shapes = (draw(st.integers(1, 2)), height, width, groups * depth), (*taps, depth, filters)
    arrays = [random.normal(size=shape).astype(dtype) for shape in (*shapes, (filters,))]
    return *arrays, sliding


def padded_outside(images, padding, value=0):
    """Explicit padding done beforehand, and the word for what is left to do."""
    if isinstance(padding, str):
        return images, padding
    vertical, horizontal = padding if isinstance(padding, tuple) else (padding, padding)
    amounts = [np.broadcast_to(each, 2).tolist() for each in (0, vertical, horizontal, 0)]
    return tf.pad(images, amounts, constant_values=value), "valid"


def spread_out(kernels, dilation):
    """A dilated kernel is a kernel with zeros between its taps."""
    height, width, depth, filters = kernels.shape
    down, right = dilation
    apart = tf.reshape(kernels, (height, 1, width, 1, depth, filters))
    apart = tf.pad(apart, [(0, 0), (0, down - 1), (0, 0), (0, right - 1), (0, 0), (0, 0)])
    apart = tf.reshape(apart, (height * down, width * right, depth, filters))
    return apart[: (height - 1) * down + 1, : (width - 1) * right + 1]


def tensorflow_conv2d(images, kernels, bias, strides, padding, dilation_rate, groups):
    """`tf.nn.conv2d` of a spread-out kernel, group by group.

    On a CPU TensorFlow has no gradient for groups, nor, in float64, for dilation.
    """
    images, padding = padded_outside(images, padding)
    strides, dilation = (np.broadcast_to(each, 2).tolist() for each in (strides, dilation_rate))
    kernels = spread_out(kernels, dilation)
    outputs = [
        tf.nn.conv2d(*group, strides, padding.upper())
        for group in zip(
            tf.split(images, groups, axis=-1), tf.split(kernels, groups, axis=-1), strict=True
        )
    ]
    return tf.concat(outputs, axis=-1) + bias


@given(convolutions())
@many
def test_conv2d_is_tensorflow(case):
    images, kernels, bias, sliding = case
    ours = conv2d(images, kernels, bias, **sliding)
    assert ours.dtype == images.dtype
    close(ours, tensorflow_conv2d(images, kernels, bias, **sliding), images.dtype.name)


@given(convolutions())
@some
def test_conv2d_is_the_keras_layer(case):
    images, kernels, bias, sliding = case
    if np.max(sliding["strides"]) > 1:
        sliding["dilation_rate"] = 1  # Keras refuses both together
    padded, padding = padded_outside(images, sliding["padding"])
    layer = keras.layers.Conv2D(
        filters=kernels.shape[-1],
        kernel_size=kernels.shape[:2],
        **{**sliding, "padding": padding},
        dtype=images.dtype.name,
    )
    layer.build(padded.shape)
    layer.set_weights([kernels, bias])
    close(conv2d(images, kernels, bias, **sliding), layer(padded), images.dtype.name)


@given(convolutions(largest=8))
@many
def test_conv2d_is_its_definition(case):
    images, kernels, bias, sliding = case
    ours = conv2d(images, kernels, bias, **sliding)
    definition = conv2d_loops(images, kernels, bias, **sliding)
    assert ours.dtype == definition.dtype == images.dtype
    close(ours, definition, images.dtype.name)


def test_the_kernel_is_not_flipped():
    """With one bright pixel, cross-correlation gives the kernel back turned by 180 degrees."""
    image = np.zeros((1, 5, 5, 1))
    image[0, 2, 2, 0] = 1
    kernel = np.arange(9.0).reshape(3, 3)
    for function in (conv2d, conv2d_loops):
        output = function(image, kernel[:, :, None, None])
        np.testing.assert_array_equal(output[0, :, :, 0], kernel[::-1, ::-1])


def test_one_window_is_one_sum_of_products():
    random = np.random.default_rng(0)
    images, kernels = random.normal(size=(2, 4, 3, 5)), random.normal(size=(4, 3, 5, 2))
    expected = images.reshape(2, -1) @ kernels.reshape(-1, 2)
    for function in (conv2d, conv2d_loops):
        output = function(images, kernels, strides=7)
        assert output.shape == (2, 1, 1, 2)
        close(output[:, 0, 0], expected)


@given(convolutions(largest=10))
@some
def test_conv2d_gradients_are_those_of_tensorflow(case):
    images, kernels, bias, sliding = case
    inputs = [tf.constant(each) for each in (images, kernels, bias)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = tensorflow_conv2d(*inputs, **sliding)
        weights = np.random.default_rng(1).normal(size=output.shape).astype(images.dtype)
        loss = tf.reduce_sum(output * weights)
    ours = conv2d_gradients(images, kernels, weights, **sliding)
    for name, our, their in zip(ours._fields, ours, tape.gradient(loss, inputs), strict=True):
        assert our.dtype == images.dtype, name
        assert our.shape == their.shape, name
        close(our, their, images.dtype.name)


def numerical_gradient(function, array, step):
    """Central differences, one number of `array` at a time."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (function(up) - function(down)) / (2 * step)
    return gradient


@given(convolutions(largest=5, dtypes=["float64"], most_channels=2))
@few
def test_conv2d_gradients_are_numerical_gradients(case):
    images, kernels, bias, sliding = case
    shape = conv2d(images, kernels, **sliding).shape
    weights = np.random.default_rng(1).normal(size=shape)
    ours = conv2d_gradients(images, kernels, weights, **sliding)

    def loss(images=images, kernels=kernels, bias=bias):
        return np.sum(conv2d(images, kernels, bias, **sliding) * weights)

    # A convolution is linear in each of its inputs, so even a large step is exact.
    for name, start in (("images", images), ("kernels", kernels), ("bias", bias)):
        numerical = numerical_gradient(lambda value, name=name: loss(**{name: value}), start, 0.5)
        close(getattr(ours, name), numerical)


# ---------------------------------------------------------------------------------------------
# Pooling
# ---------------------------------------------------------------------------------------------


@st.composite
def poolings(draw, largest=12, dtypes=("float32", "float64"), ties=False):
    """Images, and how the windows slide; no window lies wholly in the padding.

    All pixels are below zero, so that a zero of the padding would win.
    """
    pool_size = draw(one_or_two(1, 4))
    height_and_width = np.broadcast_to(pool_size, 2).tolist()
    inside = [st.integers(0, min(size - 1, 2)) for size in height_and_width]
    padding = draw(
        st.one_of(
            st.sampled_from(["valid", "same"]),
            st.tuples(*(st.tuples(each, each) for each in inside)),
            st.integers(0, min(2, *(size - 1 for size in height_and_width))),
        )
    )
    shape = [draw(st.integers(1, 2))]
    shape += [draw(st.integers(size, largest)) for size in height_and_width]
    shape += [draw(st.integers(1, 3))]
    random = np.random.default_rng(draw(seeds))
    count = int(np.prod(shape))
    values = random.integers(-3, 0, count) if ties else random.permutation(count) - count
    images = values.reshape(shape).astype(draw(st.sampled_from(dtypes)))
    strides = draw(st.one_of(st.none(), one_or_two(1, 4)))
    return images, dict(pool_size=pool_size, strides=strides, padding=padding)


def keras_pool(layer, images, sliding, value=0):
    padded, padding = padded_outside(images, sliding["padding"], value)
    return layer(**{**sliding, "padding": padding}, dtype=images.dtype.name)(padded)


@given(poolings())
@some
def test_max_pooling_is_keras(case):
    images, sliding = case
    ours = max_pool2d(images, **sliding)
    assert ours.dtype == images.dtype
    theirs = keras_pool(keras.layers.MaxPooling2D, images, sliding, value=-np.inf)
    np.testing.assert_array_equal(ours, theirs)


@given(poolings())
@some
def test_average_pooling_is_keras_and_does_not_count_padding(case):
    images, sliding = case
    ours = average_pool2d(images, **sliding)
    assert ours.dtype == images.dtype
    if isinstance(sliding["padding"], str):
        close(ours, keras_pool(keras.layers.AveragePooling2D, images, sliding), images.dtype.name)
    close(ours, means_of_real_pixels(images, **sliding), images.dtype.name)


def means_of_real_pixels(images, pool_size, strides, padding):
    """Window by window, the mean over the pixels that exist."""
    strides = pool_size if strides is None else strides
    if not isinstance(padding, tuple):
        padding = (padding, padding)
    axes = zip(
        images.shape[1:3],
        np.broadcast_to(pool_size, 2).tolist(),
        np.broadcast_to(strides, 2).tolist(),
        padding,
        strict=True,
    )
    rows, columns = (
        [[pixel for pixel in window if 0 <= pixel < axis[0]] for window in windows(*axis)]
        for axis in axes
    )
    means = [[images[:, row][:, :, column].mean(axis=(1, 2)) for column in columns] for row in rows]
    return np.moveaxis(means, 2, 0)


def test_average_pooling_of_ones_with_padding_is_one():
    ones = np.ones((1, 5, 5, 1), "float32")
    np.testing.assert_array_equal(average_pool2d(ones, 2, padding="same"), np.ones((1, 3, 3, 1)))
    np.testing.assert_array_equal(average_pool2d(ones, 3, 1, padding=2), np.ones((1, 7, 7, 1)))


def tensorflow_pool_gradient(pool, images, sliding):
    """What `tf.GradientTape` says of a pooling layer, and the output gradient it was given."""
    image = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(image)
        output = keras_pool(pool, image, sliding, value=-np.inf)
        weights = np.random.default_rng(1).normal(size=output.shape).astype(images.dtype)
        loss = tf.reduce_sum(output * weights)
    return tape.gradient(loss, image), weights


@given(poolings(ties=True))
@many
def test_max_pooling_gradient_is_tensorflow_with_ties(case):
    images, sliding = case
    theirs, weights = tensorflow_pool_gradient(keras.layers.MaxPooling2D, images, sliding)
    ours = max_pool2d_gradient(images, weights, **sliding)
    assert ours.dtype == images.dtype
    close(ours, theirs, images.dtype.name)


@given(poolings())
@some
def test_average_pooling_gradient_is_tensorflow(case):
    images, sliding = case
    if not isinstance(sliding["padding"], str):
        sliding["padding"] = "same"  # explicit padding: see the numerical gradients below
    theirs, weights = tensorflow_pool_gradient(keras.layers.AveragePooling2D, images, sliding)
    ours = average_pool2d_gradient(images, weights, **sliding)
    assert ours.dtype == images.dtype
    close(ours, theirs, images.dtype.name)


@pytest.mark.parametrize(
    ("pool", "pool_gradient"),
    [(max_pool2d, max_pool2d_gradient), (average_pool2d, average_pool2d_gradient)],
)
@given(case=poolings(largest=5, dtypes=["float64"]))
@some
def test_pooling_gradients_are_numerical_gradients(pool, pool_gradient, case):
    images, sliding = case
    weights = np.random.default_rng(1).normal(size=pool(images, **sliding).shape)
    # The pixels are different whole numbers, so a step below one half changes no winner.
    numerical = numerical_gradient(
        lambda moved: np.sum(pool(moved, **sliding) * weights), images, 0.25
    )
    close(pool_gradient(images, weights, **sliding), numerical)


def test_between_equals_the_first_pixel_wins():
    gradient = max_pool2d_gradient(np.zeros((1, 4, 4, 1)), np.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(
        gradient[0, :, :, 0], [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    )


@pytest.mark.parametrize("pool", [max_pool2d, average_pool2d])
@pytest.mark.parametrize("padding", [2, ((0, 2), 0), (0, (3, 0))])
def test_a_window_of_nothing_but_padding_is_refused(pool, padding):
    with pytest.raises(ValueError, match="nothing but padding"):
        pool(np.ones((1, 4, 4, 1)), 2, padding=padding)


# ---------------------------------------------------------------------------------------------
# Types, and what goes wrong
# ---------------------------------------------------------------------------------------------

photo = np.arange(2 * 6 * 6 * 2).reshape(2, 6, 6, 2)
filters = np.ones((3, 3, 2, 4), "float32")


def test_integer_images_are_taken_as_numbers_not_modulo_256():
    bytes_ = np.full((1, 3, 3, 1), 255, "uint8")
    kernel = np.ones((3, 3, 1, 1), "float32")
    for function in (conv2d, conv2d_loops):
        output = function(bytes_, kernel)
        assert output.dtype == "float32" and output.item() == 9 * 255
    for pool in (max_pool2d, average_pool2d):
        output = pool(bytes_, 3)
        assert output.dtype == "float32" and output.item() == 255
    assert conv2d(photo.tolist(), filters.tolist()).dtype == "float64"


@pytest.mark.parametrize("function", [conv2d, conv2d_loops])
@pytest.mark.parametrize("bias_type", ["int64", "float64"])
def test_the_bias_does_not_widen_the_output(function, bias_type):
    output = function(photo.astype("float32"), filters, np.arange(4).astype(bias_type))
    assert output.dtype == "float32"
    close(output, function(photo.astype("float32"), filters) + np.arange(4), "float32")


def test_inputs_are_not_modified():
    images, kernels, bias = photo.astype("float64"), filters.astype("float64"), np.ones(4)
    output_gradient, pooled = np.ones((2, 4, 4, 4)), np.ones((2, 3, 3, 2))
    arrays = [images, kernels, bias, output_gradient, pooled]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    conv2d(images, kernels, bias)
    conv2d_loops(images, kernels, bias)
    conv2d_gradients(images, kernels, output_gradient)
    for pool, pool_gradient in (
        (max_pool2d, max_pool2d_gradient),
        (average_pool2d, average_pool2d_gradient),
    ):
        pool(images)
        pool_gradient(images, pooled)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("function", [conv2d, conv2d_loops])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            dict(images=photo[0]),
            "images must be (batch, height, width, channels), not of shape (6, 6, 2): "
            "try images[None] or images[..., None]",
        ),
        (
            dict(images=photo[0, :, :, 0]),
            "images must be (batch, height, width, channels), not of shape (6, 6): "
            "try images[None, ..., None]",
        ),
        (
            dict(kernels=filters[0]),
            "kernels must be (height, width, channels, filters), not of shape (3, 2, 4)",
        ),
        (
            dict(images=photo[..., :1]),
            "kernels are 2 deep, but images of 1 channels in 1 group(s) need 1",
        ),
        (dict(groups=2), "kernels are 2 deep, but images of 2 channels in 2 group(s) need 1"),
        (
            dict(kernels=filters[:, :, :1, :3], groups=2),
            "groups=2 must divide the 3 filters",
        ),
        (dict(groups=0), "groups must be at least 1, not 0"),
        (dict(groups=(1, 2)), "groups must be a whole number, not (1, 2)"),
        (dict(strides=0), "strides must be at least 1, not 0"),
        (dict(strides=(1, 2, 3)), "strides must be one number or two, not (1, 2, 3)"),
        (dict(dilation_rate=1.5), "dilation_rate must be a whole number, not 1.5"),
        (
            dict(padding="full"),
            "padding must be 'valid', 'same' or a number of pixels, not 'full'",
        ),
        (
            dict(padding=(1, 1, 1, 1)),
            "padding for two axes is (vertical, horizontal), not (1, 1, 1, 1)",
        ),
        (
            dict(kernels=np.ones((9, 3, 2, 4))),
            "kernel 9 is larger than the padded input 6 (size 6, padding valid): "
            "use padding='same' or a kernel of at most 6",
        ),
        (
            dict(bias=np.ones(3)),
            "bias must have one number for each of the 4 filters, not shape (3,)",
        ),
        (
            dict(bias=1.0),
            "bias must be an array of numbers, not float",
        ),
    ],
)
def test_shapes_that_do_not_fit(function, arguments, message):
    with pytest.raises(ValueError) as caught:
        function(**{"images": photo, "kernels": filters, **arguments})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["max_pool2d_gradient", "average_pool2d_gradient"])
def test_the_output_gradient_has_the_shape_of_the_output(name):
    wrong = "output_gradient must have the output's shape {}, not {}"
    with pytest.raises(ValueError) as caught:
        conv2d_gradients(photo, filters, np.ones((2, 6, 6, 4)))
    assert str(caught.value) == wrong.format((2, 4, 4, 4), (2, 6, 6, 4))
    with pytest.raises(ValueError) as caught:
        getattr(convolution, name)(photo, np.ones((2, 3, 3, 1)))
    assert str(caught.value) == wrong.format((2, 3, 3, 2), (2, 3, 3, 1))


def test_pooling_errors():
    with pytest.raises(ValueError, match="pool_size must be at least 1"):
        max_pool2d(photo, 0)
    with pytest.raises(ValueError, match=r"images\[None\] or images\[\.\.\., None\]"):
        average_pool2d(photo[0])


@pytest.mark.parametrize("padding", ["same", ((1, 1), (1, 1))])
def test_padding_never_wins_not_even_over_minus_infinity(padding):
    images = np.full((1, 2, 2, 1), -np.inf)
    arrives = np.ones_like(max_pool2d(images, 3, 1, padding))
    gradient = max_pool2d_gradient(images, arrives, 3, 1, padding)
    assert gradient[0, ..., 0].tolist() == [[4, 0], [0, 0]]  # as TensorFlow has it


def test_an_argument_that_is_no_array_is_named_by_its_kind():
    with pytest.raises(ValueError, match="images must be an array of numbers, not KerasTensor"):
        conv2d(keras.Input((3, 3, 1)), np.ones((1, 1, 1, 1)))


@pytest.mark.parametrize("function", [conv2d, conv2d_loops])
def test_a_small_type_counts_groups_as_well(function):
    images, kernels = np.ones((1, 3, 3, 300)), np.ones((3, 3, 75, 8))
    groups = np.uint8(4)  # 4 × 75 are 44 in eight bits
    outputs = function(images, kernels, groups=groups)
    np.testing.assert_array_equal(outputs, np.full((1, 1, 1, 8), 9 * 75))
    gradients = conv2d_gradients(images, kernels, np.ones((1, 1, 1, 8)), groups=groups)
    assert gradients.images.shape == images.shape and gradients.kernels.shape == kernels.shape


def test_windows_that_do_not_fit_into_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(convolution, "MOST_NUMBERS", 1000)
    images, kernels = np.zeros((1, 12, 12, 3)), np.zeros((5, 5, 3, 1))
    with pytest.raises(ValueError, match="the windows hold too many numbers: take fewer images"):
        conv2d(images, kernels)
    assert conv2d(images, kernels[:1, :1]).shape == (1, 12, 12, 1)
