"""The arithmetic of convolution, against Keras, TensorFlow and sums done another way."""

import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.arithmetic import (
    Conv,
    Dense,
    GlobalPool,
    Pool,
    conv_multiply_adds,
    conv_parameters,
    dense_parameters,
    output_size,
    read_stack,
    receptive_field,
    same_padding,
    size_preserving_padding,
    windows,
)

many = settings(derandomize=True, deadline=None, max_examples=150)
some = settings(derandomize=True, deadline=None, max_examples=40)

paddings = st.one_of(
    st.sampled_from(["valid", "same"]),
    st.integers(0, 4),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)


def both(padding):
    """An explicit padding as `(before, after)`."""
    return padding if isinstance(padding, tuple) else (padding, padding)


@st.composite
def axes(draw):
    """Arguments of `output_size` for which at least one window fits."""
    kernel, dilation = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    reach = dilation * (kernel - 1) + 1
    padding = draw(paddings)
    added = {"same": reach, "valid": 0}[padding] if isinstance(padding, str) else sum(both(padding))
    size = draw(st.integers(max(1, reach - added), 40))
    return dict(
        size=size,
        kernel=kernel,
        stride=draw(st.integers(1, 5)),
        padding=padding,
        dilation=dilation,
    )


# ---------------------------------------------------------------------------------------------
# One axis
# ---------------------------------------------------------------------------------------------


def keras_output_size(size, kernel, stride, padding, dilation):
    """The same question, put to Keras' layers."""
    before_and_after = 0
    if not isinstance(padding, str):
        before_and_after, padding = padding, "valid"
    row = keras.layers.ZeroPadding1D(before_and_after)(np.zeros((1, size, 1), "float32"))
    layer = keras.layers.Conv1D(1, kernel, stride, padding, dilation_rate=dilation)
    output = layer(row)
    assert layer.compute_output_shape(row.shape) == tuple(output.shape)
    return output.shape[1]


@given(axes())
@many
def test_output_size_is_keras(axis):
    if axis["stride"] > 1 and axis["dilation"] > 1:
        with pytest.raises(ValueError, match="not supported in conjunction"):
            keras_output_size(**axis)
        axis["dilation"] = 1
    assert output_size(**axis) == keras_output_size(**axis)


def test_both_axes_of_conv2d_and_pooling_layers():
    image = keras.Input((23, 17, 3))
    padded = keras.layers.ZeroPadding2D(((1, 2), (0, 3)))(image)
    for layer in (
        keras.layers.Conv2D(4, (5, 2), (3, 2)),
        keras.layers.MaxPooling2D((5, 2), (3, 2)),
        keras.layers.AveragePooling2D((5, 2), (3, 2)),
    ):
        assert layer(padded).shape[1:3] == (
            output_size(23, kernel=5, stride=3, padding=(1, 2)),
            output_size(17, kernel=2, stride=2, padding=(0, 3)),
        )


@given(axes())
@many
def test_output_size_counts_the_windows_that_fit(axis):
    size, kernel, stride = axis["size"], axis["kernel"], axis["stride"]
    padding, dilation = axis["padding"], axis["dilation"]
    if padding == "same":
        assert output_size(**axis) == int(np.ceil(size / stride))
        return
    before, after = (0, 0) if padding == "valid" else both(padding)
    last_pixel = size + after - 1
    fitting = 0
    for start in itertools.count(-before, stride):
        if start + (kernel - 1) * dilation > last_pixel:
            break
        fitting += 1
    assert output_size(**axis) == fitting


def windows_read_by_tensorflow(size, kernel, stride, padding, dilation):
    """For each window, which tap lies on which pixel: a measurement, not a formula.

    Each image of the batch has one bright pixel, and tap t of the filter weighs t + 1. What comes
    out of image i at window w is then one more than the tap that lies on pixel i, or nothing.
    `tf.nn.conv2d` is asked because Keras refuses strides together with dilation.
    """
    bright = np.eye(size, dtype="float32")[:, None, :, None]
    if isinstance(padding, str):
        padding = padding.upper()
    else:
        padding = [[0, 0], [0, 0], both(padding), [0, 0]]
    taps = np.arange(1, kernel + 1, dtype="float32").reshape(1, -1, 1, 1)
    seen = tf.nn.conv2d(bright, taps, [1, 1, stride, 1], padding, dilations=[1, 1, dilation, 1])
    return [
        {int(tap) - 1: pixel for pixel, tap in enumerate(column) if tap}
        for column in seen.numpy()[:, 0, :, 0].T
    ]


@given(axes())
@many
def test_windows_are_those_that_tensorflow_reads(axis):
    ours = [
        {tap: pixel for tap, pixel in enumerate(window) if 0 <= pixel < axis["size"]}
        for window in windows(**axis)
    ]
    assert ours == windows_read_by_tensorflow(**axis)


def test_small_integers_of_numpy_do_not_wrap_round():
    small = np.uint8(3)
    assert windows(300, small, stride=small, dilation=small) == windows(300, 3, 3, 0, 3)


@given(axes())
@many
def test_windows_are_as_many_as_output_size_says(axis):
    result = windows(**axis)
    assert len(result) == output_size(**axis)
    assert all(len(window) == axis["kernel"] for window in result)


@given(axes())
@many
def test_same_padding_is_what_tensorflow_adds(axis):
    axis["padding"] = "same"
    measured = windows_read_by_tensorflow(**axis)
    size, stride, dilation = axis["size"], axis["stride"], axis["dilation"]
    # Any tap on a real pixel tells where its window begins. A dilated window of an axis of few
    # pixels may lie on none of them: then it tells nothing.
    starts = [
        min(pixel - tap * dilation for tap, pixel in each.items()) for each in measured if each
    ]
    if len(starts) < len(measured):
        return
    last_pixel = starts[-1] + (axis["kernel"] - 1) * dilation
    before, after = same_padding(size, axis["kernel"], stride, dilation)
    if before + after:
        assert (before, after) == (-starts[0], last_pixel - (size - 1))
    else:
        assert starts[0] == 0 and last_pixel <= size - 1


def test_same_padding_of_known_networks():
    assert same_padding(224, kernel=7, stride=2) == (2, 3)
    assert same_padding(32, kernel=3, stride=2) == (0, 1)


def test_size_preserving_padding_fails_for_stride_1_and_even_kernels_only():
    tried, kept, failed = 0, 0, set()
    for size, kernel, stride in itertools.product(range(4, 65), range(1, 12), range(1, 5)):
        if kernel > size:
            continue
        tried += 1
        padding = size_preserving_padding(size, kernel, stride)
        result = output_size(size, kernel, stride, padding)
        if result == size:
            kept += 1
        else:
            assert result == size + 1
            failed.add((size, kernel, stride))
    assert (tried, kept, len(failed)) == (2572, 2279, 293)
    assert failed == {
        (size, kernel, 1) for size in range(4, 65) for kernel in range(2, 12, 2) if kernel <= size
    }


# ---------------------------------------------------------------------------------------------
# Stacks
# ---------------------------------------------------------------------------------------------

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
two_paddings = st.sampled_from(["valid", "same"])


@st.composite
def convolutions(draw):
    strides = draw(st.sampled_from([1, 1, 2, (1, 2), (3, 1)]))
    dilation = draw(st.sampled_from([1, 1, 2, (2, 3)])) if strides == 1 else 1
    return Conv(
        filters=draw(st.sampled_from([2, 4, 6])),
        kernel_size=draw(st.one_of(st.integers(1, 4), pairs)),
        strides=strides,
        padding=draw(two_paddings),
        dilation_rate=dilation,
        groups=draw(st.sampled_from([1, 1, 2])),
        use_bias=draw(st.booleans()),
    )


pools = st.builds(
    Pool,
    pool_size=st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3))),
    strides=st.sampled_from([None, None, 1, 2, (2, 1)]),
    padding=two_paddings,
)
window_layers = st.lists(st.one_of(convolutions(), pools), min_size=1, max_size=4)


def keras_layers(layer):
    """The Keras layers that do what `layer` says."""
    if isinstance(layer, Conv):
        return [keras.layers.Conv2D(**vars(layer), kernel_initializer="ones")]
    if isinstance(layer, Pool):  # average, so that a gradient reaches every pixel of a window
        return [keras.layers.AveragePooling2D(**vars(layer))]
    if isinstance(layer, GlobalPool):
        return [keras.layers.GlobalAveragePooling2D()]
    return [keras.layers.Flatten(), keras.layers.Dense(**vars(layer))]


def measured_receptive_field(layers, size):
    """Height and width of the region whose pixels move a unit in the middle of the output."""
    model = keras.Sequential([each for layer in layers for each in keras_layers(layer)])
    image = tf.zeros((1, *size, 2))
    with tf.GradientTape() as tape:
        tape.watch(image)
        output = model(image)
        unit = tf.reduce_sum(output[0, output.shape[1] // 2, output.shape[2] // 2])
    moved = tape.gradient(unit, image).numpy()[0].any(axis=-1)
    rows, columns = (np.flatnonzero(moved.any(axis=axis)) for axis in (1, 0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@given(window_layers)
@some
def test_receptive_field_is_where_the_gradient_arrives(layers):
    expected = receptive_field(layers)
    # Three times the field and room for the strides, so that the unit's window lies inside.
    size = [3 * extent + 20 for extent in expected]
    assert measured_receptive_field(layers, size) == expected


def resnet_20():
    blocks = [(16, 1), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)]
    return [Conv(16, 3)] + [
        Conv(filters, 3, strides) for filters, first in blocks for strides in (first, 1)
    ]


known_networks = {
    "LeNet-5, C5": (32, [Conv(6, 5), Pool(), Conv(16, 5), Pool(), Conv(120, 5)]),
    "AlexNet, pool5": (
        195,
        [Conv(96, 11, 4), Pool(3, 2), Conv(256, 5), Pool(3, 2)]
        + [Conv(384, 3), Conv(384, 3), Conv(256, 3), Pool(3, 2)],
    ),
    "VGG-16, pool5": (
        212,
        [layer for count in (2, 2, 3, 3, 3) for layer in (*[Conv(64, 3)] * count, Pool())],
    ),
    "ResNet-20": (81, resnet_20()),
}


@pytest.mark.parametrize("name", known_networks)
def test_receptive_fields_of_known_networks(name):
    expected, layers = known_networks[name]
    assert receptive_field(layers) == (expected, expected)


def products_by_counting(layer, incoming, outgoing):
    """How many products one layer computes: a Keras layer of ones, fed with ones, adds them up."""
    if isinstance(layer, Dense):
        return int(np.ones((layer.units, np.prod(incoming))).sum())
    if not isinstance(layer, Conv):
        return 0
    # Padding counts as a product too, so the image is so large that nothing need be padded.
    sizes = zip(
        outgoing,
        *(
            np.broadcast_to(each, 2)
            for each in (layer.kernel_size, layer.strides, layer.dilation_rate)
        ),
        strict=False,
    )
    needed = [(out - 1) * stride + (taps - 1) * rate + 1 for out, taps, stride, rate in sizes]
    ones = keras.layers.Conv2D(
        **{**vars(layer), "padding": "valid", "use_bias": False}, kernel_initializer="ones"
    )
    return int(np.sum(ones(np.ones((1, *needed, incoming[-1]), "float32")), dtype="float64"))


ends = st.sampled_from([[], [Dense(7)], [GlobalPool(), Dense(5, use_bias=False)]])
image_shapes = st.tuples(st.integers(30, 60), st.integers(30, 60), st.sampled_from([2, 4]))


@given(image_shapes, window_layers, ends)
@some
def test_read_stack_is_keras(input_shape, layers, end):
    layers = layers + end
    try:
        readings = read_stack(input_shape, layers)
    except ValueError as error:
        assert "larger than the padded input" in str(error)
        with pytest.raises(ValueError):
            keras.Sequential(
                [keras.Input(input_shape), *(k for layer in layers for k in keras_layers(layer))]
            )
        return
    shape = (1, *input_shape)
    for layer, reading in zip(layers, readings, strict=True):
        incoming = shape
        parameters = 0
        for keras_layer in keras_layers(layer):
            keras_layer.build(shape)
            shape = keras_layer.compute_output_shape(shape)
            parameters += keras_layer.count_params()
        assert reading.layer is layer
        assert reading.output_shape == shape[1:]
        assert reading.parameters == parameters
        assert reading.multiply_adds == products_by_counting(layer, incoming[1:], shape[1:])
    fields = [reading.receptive_field for reading in readings]
    window = [layer for layer in layers if isinstance(layer, (Conv, Pool))]
    assert fields[: len(window)] == [
        receptive_field(window[:count]) for count in range(1, len(window) + 1)
    ]
    assert set(fields[len(window) :]) <= {input_shape[:2]}


def test_the_counts_of_lenet_1998():
    """C1 has 156 parameters and 122,304 connections, C5 48,120 of both (LeCun 1998, II.B)."""
    first = read_stack((32, 32, 1), [Conv(6, 5)])[0]
    assert first.parameters == 156
    assert first.multiply_adds + 28 * 28 * 6 == 122_304  # a bias is a connection too
    last = read_stack((5, 5, 16), [Conv(120, 5)])[0]
    assert last.parameters == last.multiply_adds + 120 == 48_120


def test_the_parameters_of_modern_lenet_and_of_alexnet_in_two_groups():
    lenet = [Conv(6, 5, padding="same"), Pool(), Conv(16, 5), Pool()]
    lenet += [Dense(120), Dense(84), Dense(10)]
    assert sum(row.parameters for row in read_stack((28, 28, 1), lenet)) == 61_706
    alexnet = [Conv(96, 11, 4), Pool(3, 2), Conv(256, 5, padding="same", groups=2), Pool(3, 2)]
    alexnet += [Conv(384, 3, padding="same"), Conv(384, 3, padding="same", groups=2)]
    alexnet += [Conv(256, 3, padding="same", groups=2), Pool(3, 2)]
    alexnet += [Dense(4096), Dense(4096), Dense(1000)]
    assert sum(row.parameters for row in read_stack((227, 227, 3), alexnet)) == 60_965_224


# ---------------------------------------------------------------------------------------------
# What a learner reads when it goes wrong
# ---------------------------------------------------------------------------------------------


def message_of(function, *arguments, **named):
    with pytest.raises(ValueError) as caught:
        function(*arguments, **named)
    return str(caught.value)


def test_kernel_larger_than_the_padded_input():
    assert message_of(output_size, 5, kernel=9) == (
        "kernel 9 is larger than the padded input 5 (size 5, padding 0): "
        "use padding='same' or a kernel of at most 5"
    )


@given(st.integers(1, 12), st.integers(2, 12), st.integers(0, 2), st.integers(1, 4))
@many
def test_the_kernel_that_the_error_proposes_fits_and_is_the_largest(
    size, kernel, padding, dilation
):
    try:
        output_size(size, kernel, padding=padding, dilation=dilation)
    except ValueError as error:
        proposed = int(str(error).rsplit(" ", 1)[1])
        assert output_size(size, proposed, padding=padding, dilation=dilation) >= 1
        message_of(output_size, size, proposed + 1, padding=padding, dilation=dilation)
        assert output_size(size, kernel, padding="same", dilation=dilation) == size


def test_a_dilated_kernel_says_how_far_it_spans():
    assert message_of(output_size, 8, kernel=5, dilation=3).startswith(
        "kernel 5 with dilation 3 spans 13 pixels and is larger than the padded input 8"
    )


WHOLE_NUMBERS = [
    *((output_size, name) for name in ("size", "kernel", "stride", "padding", "dilation")),
    *((windows, name) for name in ("size", "kernel", "stride", "padding", "dilation")),
    *((same_padding, name) for name in ("size", "kernel", "stride", "dilation")),
    *((size_preserving_padding, name) for name in ("size", "kernel", "stride")),
]


@pytest.mark.parametrize(("function", "name"), WHOLE_NUMBERS)
@pytest.mark.parametrize("wrong", [7.5, 3.0, "3", True, None, -1, 0])
def test_every_argument_is_a_whole_number_and_large_enough(function, name, wrong):
    arguments = {"size": 7, "kernel": 3, name: wrong}
    if (name, wrong) == ("padding", 0):
        assert function(**arguments)  # no padding is a padding
        return
    message = message_of(function, **arguments)
    assert message.startswith(f"{name} must be ")
    assert repr(wrong) in message


@pytest.mark.parametrize("wrong", ["full", "SAME", (1,), (1, 2, 3), (1, -1), (0.5, 1)])
def test_padding_that_is_none_of_the_four_ways(wrong):
    assert "padding" in message_of(output_size, 7, 3, padding=wrong)


def test_groups_that_do_not_divide():
    assert message_of(conv_parameters, 3, 4, 3, groups=2) == (
        "groups=2 must divide both the 3 channels and the 4 filters"
    )
    assert "groups=2" in message_of(conv_multiply_adds, (4, 4, 5), 4, 3, groups=2)
    assert "groups must be at least 1" in message_of(conv_parameters, 4, 4, 3, groups=0)


def test_a_stack_that_does_not_fit_names_the_layer():
    message = message_of(read_stack, (8, 8, 1), [Pool(), Pool(), Conv(4, 3)])
    assert message.startswith("layer 3, Conv(filters=4, kernel_size=3")
    assert message.endswith(
        "kernel 3 is larger than the padded input 2 (size 2, padding valid): "
        "use padding='same' or a kernel of at most 2"
    )
    assert "(height, width, channels)" in message_of(read_stack, (8, 8), [Conv(4, 3)])
    assert "(height, width, channels)" in message_of(read_stack, (8, 8, 1), [Dense(4), Pool()])
    assert "sees its whole input" in message_of(receptive_field, [Conv(4, 3), Dense(4)])
    assert "filters must be a whole number" in message_of(read_stack, (8, 8, 1), [Conv(2.5, 3)])
    assert "units must be at least 1" in message_of(read_stack, (8, 8, 1), [Dense(0)])


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_numpy_integers_are_whole_numbers(kind):
    assert output_size(kind(200), kind(3), kind(20), kind(1), kind(2)) == output_size(
        200, 3, 20, 1, 2
    )
    read = windows(1000, kind(3), kind(20), kind(1), kind(2))
    assert read == windows(1000, 3, 20, 1, 2)
    assert {type(pixel) for window in read for pixel in window} == {int}
    assert dense_parameters(kind(84), kind(10)) == 850
    layers = [Conv(kind(6), kind(5), (kind(1), kind(1))), Pool(kind(2)), Dense(kind(10))]
    shapes = [row.output_shape for row in read_stack((28, 28, 1), layers)]
    assert repr(shapes) == "[(24, 24, 6), (12, 12, 6), (10,)]"


@pytest.mark.parametrize(
    "layer", [keras.layers.Conv2DTranspose(4, 2), keras.layers.MaxPooling2D(2)]
)
def test_layers_of_keras_are_not_taken_for_the_courses_own(layer):
    for read in (receptive_field, lambda stack: read_stack((8, 8, 3), stack)):
        with pytest.raises(ValueError, match=r"is no layer of this module: use Conv\(\.\.\.\)"):
            read([layer])
