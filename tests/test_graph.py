"""The reader of a Keras network's graph: what a new version of Keras may break is said here."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers
from odd_networks import ODD_NETWORKS, Own

from course_utils import models
from course_utils.graph import IMAGE, calls_of, has_graph
from course_utils.inside_keras import without_weights


def test_only_what_keras_itself_runs_has_a_graph():
    class Changed(keras.Model):
        def __init__(self):
            image = keras.Input((4,))
            super().__init__(image, layers.Dense(2)(image))

        def call(self, images):
            return 2 * super().call(images)

    assert has_graph(models.lenet5_modern()) and has_graph(ODD_NETWORKS["functional"]())
    unbuilt = keras.Sequential([layers.Dense(3)])
    assert not any(map(has_graph, (unbuilt, Own(), Changed(), layers.Dense(3), None, 3)))
    unbuilt(np.zeros((1, 4)))
    assert has_graph(unbuilt)


@pytest.mark.parametrize(
    "build", [models.lenet5, lambda: models.resnet_cifar(8), lambda: models.resnet(18)]
)
def test_the_order_is_keras_own(build):
    network = without_weights(build)
    calls, ends = calls_of(network)
    expected = [layer for layer in network.layers if type(layer).__name__ != "InputLayer"]
    assert [call.layer for call in calls] == expected
    assert ends == [(len(calls) - 1, 0)]
    for number, call in enumerate(calls):
        assert all(IMAGE <= source < number for source, _ in call.sources)


@pytest.mark.parametrize("name", sorted(ODD_NETWORKS))
def test_running_the_calls_one_by_one_is_running_the_network(name):
    network = ODD_NETWORKS[name]()
    if not has_graph(network) or name == "channels first":
        return  # the explorers and `anatomy` refuse it, which their own tests see
    calls, ends = calls_of(network)
    assert len({call.name for call in calls}) == len(calls)
    shapes = [[12 if size is None else size for size in one.shape[1:]] for one in network.inputs]
    images = [
        keras.ops.convert_to_tensor(np.random.default_rng(0).uniform(0, 9, (2, *shape)), one.dtype)
        for shape, one in zip(shapes, network.inputs, strict=True)
    ]
    tensors = {(IMAGE, which): image for which, image in enumerate(images)}
    for number, call in enumerate(calls):
        layer = call.layer
        if "training" in layer.call.__code__.co_varnames:
            layer = partial(layer, training=False)
        outputs = call.run(tensors, layer)
        outputs = keras.tree.flatten(outputs)
        tensors |= {(number, which): output for which, output in enumerate(outputs)}
    expected = keras.tree.flatten(network(images if len(images) > 1 else images[0], training=False))
    for end, output in zip(ends, expected, strict=True):
        np.testing.assert_allclose(
            np.array(tensors[end], float), np.array(output, float), rtol=1e-2, atol=1e-3
        )


def test_without_weights_nothing_is_made_and_nothing_is_left_behind():
    network = without_weights(lambda: keras.Sequential([keras.Input((8,)), layers.Dense(3)]))
    assert network.output_shape == (None, 3)
    assert keras.Sequential([keras.Input((8,)), layers.Dense(3)]).get_weights()[0].shape == (8, 3)
