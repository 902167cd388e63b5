"""Transposed convolution: sizes and numbers against Keras, the gradient, and another way."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils.arithmetic import (
    output_size,
    padding_amounts,
    padding_by_axis,
    pair,
    transposed_output_size,
)
from course_utils.convolution import conv2d, conv2d_gradients, conv2d_transpose


def geometry(rng):
    """A random input, kernel, strides, padding and output padding."""
    strides = tuple(int(step) for step in rng.integers(1, 5, 2))
    extra = None
    if rng.random() < 0.5:
        extra = tuple(int(rng.integers(0, step)) for step in strides)
    channels, filters = rng.integers(1, 4, 2)
    maps = rng.normal(size=(2, *rng.integers(1, 7, 2), channels)).astype("float32")
    kernels = rng.normal(size=(*rng.integers(1, 6, 2), filters, channels)).astype("float32")
    return maps, kernels, strides, str(rng.choice(["valid", "same"])), extra


def geometries():
    """200 random ones that TensorFlow can compute, and how many it could not."""
    rng, found, refused = np.random.default_rng(0), [], []
    while len(found) < 200:
        drawn = geometry(rng)
        maps, kernels, strides, padding, extra = drawn
        layer = keras.layers.Conv2DTranspose(
            kernels.shape[2], kernels.shape[:2], strides, padding, output_padding=extra
        )
        layer.build(maps.shape)
        bias = rng.normal(size=kernels.shape[2]).astype("float32")
        layer.set_weights([kernels, bias])
        try:
            found.append((drawn, bias, np.array(layer(maps)), layer))
        except (ValueError, tf.errors.OpError):  # which kind and words depends on the processor
            refused.append((drawn, layer))
    return found, refused


@pytest.fixture(scope="module")
def drawn():
    return geometries()


def test_it_gives_what_keras_gives(drawn):
    for (maps, kernels, *rest), bias, expected, _ in drawn[0]:
        outputs = conv2d_transpose(maps, kernels, bias, *rest)
        assert outputs.shape == expected.shape and outputs.dtype == "float32"
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_the_size_is_what_keras_says(drawn):
    cases = [(case, layer) for case, _, _, layer in drawn[0]] + drawn[1]
    for (maps, kernels, strides, padding, extra), layer in cases:
        expected = layer.compute_output_shape(maps.shape)[1:3]
        axes = zip(maps.shape[1:3], kernels.shape, strides, extra or (None, None), strict=False)
        for (size, kernel, stride, more), large in zip(axes, expected, strict=True):
            if large > 0:
                assert transposed_output_size(size, kernel, stride, padding, more) == large
            else:
                with pytest.raises(ValueError, match="leaves nothing"):
                    transposed_output_size(size, kernel, stride, padding, more)


def test_what_tensorflow_refuses_is_refused_with_a_sentence(drawn):
    assert drawn[1]
    for (maps, kernels, *rest), _ in drawn[1]:
        with pytest.raises(ValueError, match="leave output_padding out|leaves nothing"):
            conv2d_transpose(maps, kernels, None, *rest)


@pytest.mark.parametrize("padding", ["valid", "same", 0, 1, (1, 2), ((0, 1), (1, 0))])
@pytest.mark.parametrize("strides", [1, 2, (3, 1)])
@pytest.mark.parametrize("kernel", [(3, 3), (4, 2)])
def test_it_is_the_gradient_that_leads_back_to_the_pixels(padding, strides, kernel):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 12, 12, 3))
    kernels = rng.normal(size=(*kernel, 3, 5))  # from 3 channels to 5, and back
    maps = conv2d(images, kernels, strides=strides, padding=padding)
    axes = zip(maps.shape[1:3], kernel, pair(strides), padding_by_axis(padding), strict=True)
    extra = None  # what the floor lost, which only a number as padding leaves open
    if not isinstance(padding, str):
        extra = tuple(12 - transposed_output_size(*axis) for axis in axes)
    back = conv2d_transpose(maps, kernels, None, strides, padding, extra)
    expected = conv2d_gradients(images, kernels, maps, strides, padding).images
    rows, columns = back.shape[1:3]
    np.testing.assert_allclose(back[:, :12, :12], expected[:, :rows, :columns], atol=1e-12)
    assert not expected[:, rows:].any() and not expected[:, :, columns:].any()  # read by no window


def test_output_size_leads_back_to_where_it_came_from():
    for size in range(1, 9):
        for kernel in range(1, 6):
            for stride in range(1, 5):
                for padding in (0, 1, (0, 2), "same"):
                    for extra in [None, *range(stride)]:
                        if padding == "same" and extra is not None:
                            continue
                        try:
                            large = transposed_output_size(size, kernel, stride, padding, extra)
                            back = output_size(large, kernel, stride, padding)
                        except ValueError:
                            both = sum(padding_amounts(size, kernel, stride, padding))
                            assert extra is None or (size - 1) * stride + kernel <= both
                            continue
                        try:
                            large = transposed_output_size(size, kernel, stride, padding, extra)
                            back = output_size(large, kernel, stride, padding)
                        except ValueError:
                            before, after = padding_amounts(size, kernel, stride, padding)
                            assert (
                                size - 1
                            ) * stride + kernel - before - after < 1 or extra is None
                            continue
                        assert back == size


def test_stamps_add_up():
    one = conv2d_transpose(np.eye(3)[None, ..., None], np.ones((2, 2, 1, 1)), strides=2)
    np.testing.assert_array_equal(one[0, ..., 0], np.kron(np.eye(3), np.ones((2, 2))))
    counts = conv2d_transpose(np.ones((1, 1, 4, 1)), np.ones((1, 3, 1, 1)), strides=(1, 2))
    assert counts.ravel().tolist() == [1, 1, 2, 1, 2, 1, 2, 1, 1]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: transposed_output_size(2, 3, 2, output_padding=2), "less than the stride 2"),
        (lambda: transposed_output_size(1, 1, 1, padding=1), "use less padding"),
        (lambda: transposed_output_size(0, 3), "size must be at least 1"),
        (lambda: transposed_output_size(2, 3, padding="full"), "'valid', 'same'"),
        (
            lambda: conv2d_transpose(np.ones((1, 2, 2, 3)), np.ones((3, 3, 3, 5))),
            r"\(height, width, filters, channels\) with 3 channels",
        ),
        (lambda: conv2d_transpose(np.ones((2, 2)), np.ones((3, 3, 1, 1))), "try images"),
        (
            lambda: conv2d_transpose(np.ones((1, 2, 2, 1)), np.ones((3, 3, 4, 1)), np.ones(3)),
            "one number for each of the 4 filters",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
