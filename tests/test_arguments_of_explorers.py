"""Whatever arithmetic, convolution and the explorers are given: a result, or a ValueError."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import inspect

import ml_dtypes
import numpy as np
import pytest

from course_utils import anatomy, arithmetic, convolution, explorers
from course_utils.arithmetic import Conv, Field, Pool

IMAGES, KERNELS = np.ones((2, 6, 6, 3)), np.ones((3, 3, 3, 4))
# What each argument may be; one after the other is replaced by something else.
RIGHT = {
    "size": 7,
    "kernel": 3,
    "dilation": 1,
    "stride": 1,
    "padding": 0,
    "reads": [(0, 1), (2, 3)],
    "value": 3,
    "name": "kernel_size",
    "smallest": 1,
    "channels": 3,
    "filters": 4,
    "kernel_size": 3,
    "groups": 1,
    "use_bias": True,
    "output_shape": (4, 4, 2),
    "inputs": 5,
    "units": 3,
    "field": Field(),
    "layers": [Conv(2, 3), Pool()],
    "input_shape": (9, 9, 1),
    "layer": Conv(2, 3),
    "output_padding": None,
    "images": IMAGES,
    "maps": np.ones((2, 6, 6, 4)),  # that `KERNELS` would give
    "kernels": KERNELS,
    "bias": np.ones(4),
    "strides": 2,
    "dilation_rate": 1,
    "pool_size": 2,
}
WRONG = [
    *(None, "three", "", "3", b"3", True, 0, -1, 2.5, 3.0, np.nan, np.inf, 1j, 10**9, 10**30),
    *((), [], (1,), (1, 2, 3), [1, "2"], [[1], [2, 3]], {}, {"a": 1}, {1, 2}, object(), print),
    *(np.array(2), np.array([2]), np.zeros(0), np.ones((2, 2)), np.full((2, 6, 6, 3), np.nan)),
    *(np.zeros((0, 6, 6, 3)), np.array(["a"]), np.array([None]), (None, None), ("a", "b")),
    *((10**9, 10**9), (1, -1), ((1, 2), (3, "x")), np.float32(2), np.uint8(2), Conv("a", "b")),
    *(
        [Conv(2, -1)],
        [Conv(2, 3, strides=(1, 2, 3))],
        [Pool(0)],
        [Pool("a")],
        [3],
        Field("a", None),
    ),
]


def functions():
    for module in (arithmetic, convolution):
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                if not name.startswith("_") and name not in ("whole_number", "padding_by_axis"):
                    yield pytest.param(function, id=name)


def right_for(function):
    names = list(inspect.signature(function).parameters)
    if "output_gradient" not in names:
        return {name: RIGHT[name] for name in names} | ({"bias": None} if "maps" in names else {})
    forward = getattr(
        convolution, function.__name__.replace("_gradients", "").replace("_gradient", "")
    )
    given = {name: RIGHT[name] for name in names if name != "output_gradient"}
    return given | {"output_gradient": np.ones_like(forward(**given))}


@pytest.mark.parametrize("function", list(functions()))
def test_every_argument_is_taken_or_refused_in_words(function):
    right = right_for(function)
    function(**right)
    for name in set(right) - {"name", "smallest"}:  # those are said by the course itself
        for wrong in WRONG:
            try:
                function(**{**right, name: wrong})
            except ValueError as refusal:
                assert len(str(refusal)) > 15 and "inhomogeneous" not in str(refusal), (name, wrong)
            except Exception as other:
                pytest.fail(f"{name}={wrong!r}: {other!r}")


def small_network():
    import keras
    from keras import layers

    ends = [layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3), *ends])


@pytest.mark.parametrize("name", explorers.__all__)
def test_every_argument_of_an_explorer_is_drawn_or_refused_in_words(name):
    make, right = getattr(explorers, name), {}
    if name in ("inside", "training"):
        right = {"network": small_network()}
    for argument in inspect.signature(make).parameters:
        if argument == "start":
            continue  # True would train
        for wrong in WRONG[1:]:  # None stands for what the course offers
            try:
                explorer = make(**{**right, argument: wrong})
            except Exception as other:
                pytest.fail(f"{argument}={wrong!r}: {other!r}")
            assert explorer.problem == "" or len(explorer.problem) > 15, (argument, wrong)
            assert (explorer.problem == "") == (explorer.drawing is not None), (argument, wrong)
            explorer.close()


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_anatomy_takes_networks_alone(wrong):
    if wrong is print:
        return  # calling it gives None, no network: see the message
    with pytest.raises((TypeError, ValueError), match="a Keras model or a function that builds"):
        anatomy.anatomy(wrong)


# ---------------------------------------------------------------------------------------------
# 16 bits, and no images at all
# ---------------------------------------------------------------------------------------------

POOLS = ("max_pool2d", "average_pool2d")


@pytest.mark.parametrize("kind", [ml_dtypes.bfloat16, np.float16])
def test_what_a_layer_gives_in_16_bits_is_computed_in_32(kind):
    numbers = np.random.default_rng(0).integers(-9, 9, IMAGES.shape)
    kernels = np.random.default_rng(1).integers(-3, 4, KERNELS.shape)
    result = convolution.conv2d(numbers.astype(kind), kernels.astype(kind), np.ones(4, kind))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, convolution.conv2d(numbers, kernels, np.ones(4)))
    for name in POOLS:
        pool = getattr(convolution, name)
        np.testing.assert_allclose(pool(numbers.astype(kind)), pool(numbers), rtol=1e-6)
        gradient = getattr(convolution, f"{name}_gradient")
        given = np.ones((2, 3, 3, 3))
        np.testing.assert_allclose(
            gradient(numbers.astype(kind), given.astype(kind)), gradient(numbers, given), rtol=1e-6
        )


def test_a_tensor_in_16_bits_is_taken():
    import tensorflow as tf

    tensor = tf.cast(tf.constant(IMAGES), tf.bfloat16)
    assert convolution.max_pool2d(tensor).shape == (2, 3, 3, 3)
    assert explorers.pooling(tensor[0]).problem == ""


@pytest.mark.parametrize("padding", ["valid", "same", 1])
@pytest.mark.parametrize("pool_size, strides", [(2, None), (3, 1), ((2, 3), 2)])
def test_no_images_have_no_gradients_of_the_right_shape(pool_size, strides, padding):
    none = np.zeros((0, 6, 6, 3))
    for name in POOLS:
        outputs = getattr(convolution, name)(none, pool_size, strides, padding)
        gradient = getattr(convolution, f"{name}_gradient")
        assert gradient(none, outputs, pool_size, strides, padding).shape == none.shape
