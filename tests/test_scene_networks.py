"""`unet` and `detector`: sizes that fit, shapes, losses and metric by another way."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from course_utils import models, scenes


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def test_they_have_the_parameters_that_they_say():
    assert trainable(models.unet()) == 188_347
    assert trainable(models.unet(shortcuts=False)) == 178_619
    assert trainable(models.detector()) == 148_223


def test_a_detector_has_the_trunk_of_the_unet():
    """Every layer of the way down has its twin, under the same name."""
    unet, detector = models.unet(), models.detector()
    for layer in detector.layers[:-1]:
        same = unet.get_layer(layer.name)
        assert [weight.shape for weight in layer.weights] == [
            weight.shape for weight in same.weights
        ]


def test_any_fitting_size_will_do():
    for depth, shape in ((1, (8, 20, 3)), (3, (32, 48, 1))):
        network = models.unet(filters=4, depth=depth, input_shape=shape, classes=5)
        assert network.output_shape[1:] == (*shape[:2], 5)
        cells = models.detector(filters=4, depth=depth, input_shape=shape, classes=5).output_shape
        assert cells[1:] == (shape[0] // 2 ** (depth + 1), shape[1] // 2 ** (depth + 1), 10)


@pytest.mark.parametrize("build", [models.unet, models.detector])
def test_a_side_that_cannot_be_halved_is_refused(build):
    with pytest.raises(ValueError, match="60×64 cannot be halved 3 times: .* multiples of 8"):
        build(input_shape=(60, 64, 3))
    with pytest.raises(ValueError, match="depth must be at least 1"):
        build(depth=0)


def test_the_loss_of_pixels_weighs_the_digits():
    rng = np.random.default_rng(0)
    masks, logits = rng.integers(0, 11, (3, 4, 5)), rng.normal(size=(3, 4, 5, 11))
    logits = logits.astype("float32")
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    losses = -np.log(np.take_along_axis(shares, masks[..., None], axis=-1))[..., 0]
    weights = np.where(masks == 0, 1, 2.0)
    expected = [np.average(one, weights=other) for one, other in zip(losses, weights, strict=True)]
    found = models.digits_weigh_more(masks.astype("uint8"), logits)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_loss_of_cells_asks_for_box_and_class_only_where_a_digit_is():
    cells = scenes.cells_from_boxes([[10, 20, 34, 36]], [7])[None]
    outputs = np.zeros((1, 8, 8, 15), "float32")
    outputs[..., 0] = np.where(cells[..., 0] > 0, 9, -9)
    outputs[0, 2, 3, 1:5] = cells[0, 2, 3, 1:5]
    outputs[0, 2, 3, 5 + 7] = 50
    assert float(models.detector_loss(cells, outputs)[0]) < 0.01
    elsewhere = outputs.copy()
    elsewhere[0, 5, 5, 1:] = 8  # a box and a class where nothing is: nobody asks
    np.testing.assert_allclose(
        models.detector_loss(cells, elsewhere), models.detector_loss(cells, outputs)
    )
    outputs[0, 2, 3, 1] += 0.5
    assert float(models.detector_loss(cells, outputs)[0]) == pytest.approx(4 * 0.5, abs=0.01)


def test_the_accuracy_of_cells():
    cells = scenes.cells_from_boxes([[10, 20, 34, 36], [40, 40, 60, 60]], [7, 2])[None]
    outputs = np.zeros((1, 8, 8, 15), "float32")
    outputs[..., 0] = -1
    metric = models.cell_accuracy()
    assert metric.name == "accuracy"
    metric.update_state(cells, outputs)
    assert float(metric.result()) == pytest.approx(62 / 64)
    outputs[0, 2, 3, [0, 5 + 7]] = 5  # one digit found, with its class
    outputs[0, 6, 6, [0, 5 + 3]] = 5  # the other with a wrong one
    metric.reset_state()
    metric.update_state(cells, outputs)
    assert float(metric.result()) == pytest.approx(63 / 64)
