"""What the course changes inside Keras: a new Keras that breaks it is found here."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib
import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis.strategies import floats, integers
from odd_networks import CLASSES, ODD_NETWORKS, SHAPE

from course_utils import data, devices, inside_keras, training
from course_utils.training import error_percent, fit, set_seed


def with_batch_norm(shape=(6, 5, 3), filters=4, **options):
    """A convolution and a normalisation with random scale and shift, for images of `shape`."""
    set_seed(1)
    norm = keras.layers.BatchNormalization(name="norm", **options)
    convolution = keras.layers.Conv2D(filters, 3, use_bias=False)  # a bias would have no gradient
    model = keras.Sequential([keras.Input(shape), convolution, norm])
    for weight in norm.trainable_weights:
        weight.assign(np.random.default_rng(2).normal(1, 0.3, weight.shape))
    return model


def one_step(model, images):
    """Outputs and gradients in training; the moving statistics change on the way."""
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.reduce_sum(outputs * np.random.default_rng(3).normal(size=outputs.shape))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    moving = [keras.ops.convert_to_numpy(each) for each in model.get_layer("norm").weights[-2:]]
    return [outputs, *gradients], moving


@pytest.mark.parametrize("shape", [(3, 3, 1), (6, 5, 3), (17, 9, 8)])
@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9, "epsilon": 2e-5}, {"scale": False, "momentum": 0.6}]
)
def test_fused_normalisation_is_keras_own(shape, options):
    plain, fused = with_batch_norm(shape, **options), with_batch_norm(shape, **options)
    images = np.random.default_rng(0).normal(1, 2, (16, *shape)).astype("float32")
    for _ in range(3):
        expected, expected_moving = one_step(plain, images)
        with inside_keras.fused_batch_norm(fused):
            assert "call" in vars(fused.get_layer("norm"))  # it is really another one
            found, moving = one_step(fused, images)
        assert "call" not in vars(fused.get_layer("norm"))
        for ours, keras_own in zip(found, expected, strict=True):
            unit = np.abs(keras_own).max()
            np.testing.assert_allclose(ours / unit, keras_own / unit, atol=1e-5)
        np.testing.assert_allclose(moving, expected_moving, rtol=1e-5, atol=1e-5)
    with inside_keras.fused_batch_norm(fused):  # and measuring is the same
        np.testing.assert_allclose(fused(images), plain(images), atol=1e-4)


@pytest.mark.parametrize("options", [{"axis": 1}, {"center": False}])
def test_a_normalisation_that_the_kernel_does_not_know_stays_as_it_is(options):
    model = with_batch_norm(**options)
    with inside_keras.fused_batch_norm(model):
        assert "call" not in vars(model.get_layer("norm"))


def test_with_a_gpu_keras_own_normalisation_is_used(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    model = with_batch_norm()
    with inside_keras.fused_batch_norm(model):
        assert "call" not in vars(model.get_layer("norm"))


@settings(max_examples=15, deadline=None)
@given(
    side=integers(1, 9),
    maps=integers(1, 40),
    batch=integers(2, 20),
    mean=floats(-2, 2),
    deviation=floats(0.3, 3),
)
def test_fused_normalisation_is_keras_own_for_any_shape(side, maps, batch, mean, deviation):
    images = np.random.default_rng(0).normal(mean, deviation, (batch, side, side, maps))
    results = []
    for fused in (True, False):
        norm = keras.layers.BatchNormalization(name="norm")
        model = keras.Sequential([keras.Input((side, side, maps)), norm])
        for weight in norm.trainable_weights:
            weight.assign(np.random.default_rng(2).normal(1, 0.3, weight.shape))
        with inside_keras.fused_batch_norm(model) if fused else contextlib.nullcontext():
            results.append(one_step(model, images.astype("float32")))
    (found, moving), (expected, expected_moving) = results
    for ours, keras_own in zip(found, expected, strict=True):
        unit = max(1.0, np.abs(keras_own).max())
        np.testing.assert_allclose(ours / unit, keras_own / unit, atol=1e-5)
    np.testing.assert_allclose(moving, expected_moving, rtol=1e-5, atol=1e-5)


def test_fused_normalisation_in_bfloat16_is_keras_own():
    images = np.random.default_rng(0).normal(1, 2, (16, 6, 5, 3)).astype("float32")
    plain, fused = (with_batch_norm(dtype="mixed_bfloat16") for _ in range(2))
    expected, expected_moving = one_step(plain, images)
    with inside_keras.fused_batch_norm(fused):
        assert "call" in vars(fused.get_layer("norm"))
        found, moving = one_step(fused, images)
    assert found[0].dtype == "bfloat16"
    for ours, keras_own in zip(found, expected, strict=True):
        ours, keras_own = (np.asarray(each, "float32") for each in (ours, keras_own))
        unit = np.abs(keras_own).max()
        np.testing.assert_allclose(ours / unit, keras_own / unit, atol=0.03)  # 8 bits: 1/256
    np.testing.assert_allclose(moving, expected_moving, rtol=1e-2, atol=1e-2)


# ---------------------------------------------------------------------------------------------
# Layers in order, precision, weights that are not made
# ---------------------------------------------------------------------------------------------


def test_what_the_course_takes_for_granted_of_keras_is_there():
    model = ODD_NETWORKS["a model inside a model inside"]()
    kinds = [type(layer).__name__ for layer in inside_keras.all_layers(model)]
    assert kinds.count("Conv2D") == kinds.count("BatchNormalization") == 1
    for step in (
        "train_function",
        "test_function",
        "predict_function",
        "test_step",
        "predict_step",
    ):
        assert hasattr(model, step)
    layer = keras.layers.Dense(1)
    layer.dtype_policy = "mixed_bfloat16"
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")


def graphs():
    gc.collect()
    return sum(isinstance(each, tf.__internal__.FuncGraph) for each in gc.get_objects())


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])  # the second scales the loss
def test_a_training_leaves_no_graph_behind(precision):
    ends = keras.layers.Flatten(), keras.layers.Dense(3)
    model = keras.Sequential([*with_batch_norm().layers, *ends])
    batches = data.pipeline(np.ones((8, 6, 5, 3), "float32"), np.arange(8) % 3, 4, training=True)
    before = graphs()  # the batches have some of their own
    fit(model, batches, epochs=1, live="silent", precision=precision)
    assert "_all_reduce_sum_gradients" in dir(keras.optimizers.SGD)  # or Keras has changed
    del model
    keras.utils.clear_session()
    assert graphs() == before


def test_layers_of_networks_inside_compute_in_16_bits_too_and_those_of_ones_own_do_not():
    def precisions(name):
        model = ODD_NETWORKS[name]()
        model.build((None, *SHAPE))
        with inside_keras.computing_in("mixed_bfloat16", model):
            layers = inside_keras.all_layers(model)
            narrow = {type(layer).__name__ for layer in layers if layer.compute_dtype == "bfloat16"}
        assert "bfloat16" not in {layer.compute_dtype for layer in inside_keras.all_layers(model)}
        return narrow

    assert precisions("a frozen trunk and a new head") == {
        "Conv2D",
        "BatchNormalization",
        "Flatten",
    }
    assert precisions("a layer of one's own: Residual") == {"Conv2D", "Flatten"}
    assert precisions("Lambda") == {"Conv2D", "Flatten"}
    assert precisions("a class of one's own") == set()


def test_a_network_that_cannot_compute_in_16_bits_computes_in_32(monkeypatch, capsys):
    monkeypatch.setattr(inside_keras, "_knows_16_bits", lambda layer: bool(layer.name))  # all
    model = ODD_NETWORKS["a layer of one's own: TimesConstant"]()
    history = fit(model, batches(), epochs=1, live=False, precision="mixed_bfloat16")
    assert len(history["loss"]) == 1
    assert "a layer cannot compute in 16 bits, so all compute in float32" in capsys.readouterr().out


@pytest.fixture
def eagerly():
    """Nothing is traced: for a few steps that is quicker."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def batches_of(size, count=12, drop=True):
    images, labels = np.zeros((count, 6, 5, 3), "float32"), np.zeros(count, int)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(size, drop_remainder=drop)


@pytest.mark.parametrize(
    "kernel_size, batches, wrong",
    [
        (1, batches_of(3), True),
        ((1, 1), batches_of(3), True),
        (1, batches_of(6, drop=False), True),  # the last may be small
        (1, batches_of(4), False),
        (3, batches_of(3), False),
        ("separable", batches_of(3), True),
    ],
)
def test_where_bfloat16_may_be_wrong_a_processor_computes_in_float32(
    kernel_size, batches, wrong, monkeypatch, eagerly
):
    """oneDNN's gradients of 1×1 filters, with fewer images than threads."""
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "4")
    monkeypatch.setattr(
        devices, "detect", lambda: devices.Device("CPU", 1, "mixed_bfloat16", False)
    )
    asked, computing_in = [], training.computing_in
    monkeypatch.setattr(
        training, "computing_in", lambda *given: asked.append(given[0]) or computing_in(*given)
    )
    if kernel_size == "separable":
        inside = keras.layers.SeparableConv2D(4, 3)
    else:
        inside = keras.layers.Conv2D(4, kernel_size)
    ends = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((6, 5, 3)), keras.Sequential([inside]), *ends])
    assert inside_keras.wrong_in_bfloat16(model, batches) is wrong
    fit(model, batches, epochs=1, live="silent")
    fit(model, batches, epochs=1, live="silent", precision="mixed_bfloat16")
    assert asked == ["float32" if wrong else "mixed_bfloat16", "mixed_bfloat16"]


def test_without_weights_none_are_made():
    model = inside_keras.without_weights(ODD_NETWORKS["functional"])
    assert model.count_params() > 0
    assert all(weight._value is None for weight in model.weights)
    with pytest.raises(ZeroDivisionError):
        inside_keras.without_weights(lambda: 1 / 0)


# ---------------------------------------------------------------------------------------------
# Networks as people build them
# ---------------------------------------------------------------------------------------------

REFUSED = {
    "channels first": "has its channels first, which TensorFlow trains on a GPU only",
    "two images": "takes 2 images at once, train gives 1",
    "one logit": r"ends in one number: .* loss=keras.losses.BinaryCrossentropy\(from_logits=True\)",
    "one probability": "ends in one number",
    "two outputs": "has 2 outputs, and fit trains one",
    "a dict of outputs": "has 2 outputs, and fit trains one",
    "a class for each pixel": "ends in 10×10×3 scores for an image",
    "maps for an end": "ends in 10×10×4 scores for an image",
    "named in Chinese": "is none for TensorFlow: letters from A to z",
    "all frozen": "has nothing to learn",
    "no weights": "has nothing to learn",
}


def batches():
    images = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype("float32")
    return data.pipeline(images, np.arange(8) % CLASSES, 8, training=True)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ODD_NETWORKS)
def test_a_network_is_trained_or_refused_with_a_sentence(name, eagerly):
    model, given_batches = ODD_NETWORKS[name](), batches()
    options = {"epochs": 1, "live": "silent", "precision": "mixed_bfloat16"}
    if name in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[name]):
            fit(model, given_batches, **options)
        return
    history = fit(model, given_batches, given_batches, **options)
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    error = error_percent(model, given_batches)
    assert 100 * (1 - history["val_accuracy"][0]) == pytest.approx(error, abs=1e-4)
