"""What a notebook builds layer by layer is what `course_utils` has.

The code cells that build the network `name` carry the tag `network:name`; together they define a
function `build_name()`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import inspect
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from keras import layers, ops

from course_utils import models, speednet

ROOT = Path(__file__).parents[1]
TAG = "network:"


def tagged_cells():
    """`{(notebook, network): [source, ...]}`, the cells in their order."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith(TAG) and cell.cell_type == "code":
                    found.setdefault((path.name, tag.removeprefix(TAG)), []).append(cell.source)
    return found


CELLS = tagged_cells()
# A public function of `models` that needs nothing to be called and gives a network is a network.
NOT_NETWORKS = {
    *("digit_targets", "scaled_tanh", "checked_labels", "lenet5_loss", "l2"),
    *("detector_loss", "digits_weigh_more", "cell_accuracy"),
}
NETWORKS = {
    name: value
    for name, value in vars(models).items()
    if inspect.isfunction(value) and value.__module__ == models.__name__ and name[0] != "_"
    if name not in NOT_NETWORKS
} | {"speednet": speednet.network}


def test_every_network_of_the_package_is_built_in_a_notebook():
    assert set(NETWORKS) >= {"lenet5", "lenet5_modern"}
    assert {network for _, network in CELLS} == set(NETWORKS)


def built_in_the_open(notebook, network):
    """Run the tagged cells as the notebook does, and call the function that they define."""
    # What cells before them have imported.
    namespace = {"keras": keras, "layers": layers, "np": np, "models": models, "ops": ops}
    namespace["speednet"] = speednet
    for source in CELLS[notebook, network]:
        exec(compile(source, f"{notebook}, {TAG}{network}", "exec"), namespace)
    build = namespace.get(f"build_{network}")
    assert build, f"the cells of {notebook} tagged {TAG}{network} define no build_{network}()"
    # A cell that called the package for its network would always agree with it.
    package = f"{NETWORKS[network].__module__.rpartition('.')[2]}.{NETWORKS[network].__name__}("
    assert package not in "".join(CELLS[notebook, network])
    return build


# What is too big to be made whole is compared on smaller images; other networks as they are.
SMALL = {"classes": 10, "input_shape": (32, 32, 3)}
ARGUMENTS = {
    "alexnet": [{"classes": 10, "input_shape": (67, 67, 3), "groups": groups} for groups in (1, 2)],
    "alexnet_small": [{}, {"activation": "tanh", "dropout": 0.2, "filters": 8}],
    "vgg": [{"configuration": configuration, **SMALL} for configuration in "CD"],
    "vgg_small": [{}, {"batch_norm": False}],
    "resnet": [
        {"depth": 18, **SMALL},
        {"depth": 50, "version": "v1", **SMALL},
        {"depth": 50, "version": "v1.5", **SMALL},
    ],
    "speednet": [{}, {"filters": (8, 4, 6)}],
    "unet": [{}, {"shortcuts": False}, {"depth": 1}],
    "resnet_cifar": [{}, {"depth": 14, "shortcut": "B"}, {"depth": 14, "residual": False}],
}
CASES = [
    (notebook, network, arguments)
    for notebook, network in CELLS
    for arguments in ARGUMENTS.get(network, [{}])
]


@pytest.fixture(
    params=CASES, ids=lambda case: f"{case[1]} {list(case[2].values())}", scope="module"
)
def two(request):
    """The notebook's network and the package's, from the same seed."""
    notebook, network, arguments = request.param
    keras.utils.set_random_seed(0)
    ours = built_in_the_open(notebook, network)(**arguments)
    keras.utils.set_random_seed(0)
    return ours, NETWORKS[network](**arguments)


def test_what_is_not_given_is_the_same_too(two, request):
    notebook, network, _ = request.node.callspec.params["two"]
    ours = inspect.signature(built_in_the_open(notebook, network)).parameters
    theirs = inspect.signature(NETWORKS[network]).parameters
    for name, parameter in ours.items():
        assert parameter.default == theirs[name].default, name


def computing(network):
    return [layer for layer in network.layers if not isinstance(layer, layers.InputLayer)]


def shapes_of(inputs):
    """The shapes of what goes into a layer; where branches meet there are several."""
    return [each.shape for each in (inputs if isinstance(inputs, list) else [inputs])]


def settings(layer):
    """What a layer was asked to do, as far as Keras itself knows it."""
    if not type(layer).__module__.startswith("keras."):
        return {}  # a layer of our own: its weights and outputs are compared
    options = layer.get_config()
    if callable(getattr(layer, "activation", None)):
        options["activation"] = layer.activation.__name__
    options.pop("build_config", None)
    return options


def test_the_layers_are_the_same_in_the_same_order(two):
    ours, theirs = map(computing, two)
    assert [layer.name for layer in ours] == [layer.name for layer in theirs]
    for our, their in zip(ours, theirs, strict=True):
        assert type(our).__name__ == type(their).__name__, our.name
        assert our.output.shape == their.output.shape, our.name
        assert shapes_of(our.input) == shapes_of(their.input), our.name
        assert settings(our) == settings(their), our.name
    assert two[0].input_shape == two[1].input_shape


def trainable(layer):
    return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)


def test_the_weights_have_the_same_shapes_and_begin_alike(two):
    for our, their in zip(*map(computing, two), strict=True):
        shapes = [[weight.shape for weight in layer.weights] for layer in (our, their)]
        assert shapes[0] == shapes[1], our.name
        assert trainable(our) == trainable(their), our.name
        for weight, same in zip(our.get_weights(), their.get_weights(), strict=True):
            if np.ptp(same) == 0:
                np.testing.assert_array_equal(weight, same, err_msg=our.name)
            else:  # the layers may be made, and so be drawn, in another order
                assert weight.std() == pytest.approx(same.std(), rel=0.1), our.name
                assert abs(weight.mean() - same.mean()) < 0.2 * same.std(), our.name
    assert trainable(two[0]) == trainable(two[1])


def test_the_outputs_are_the_same(two):
    ours, theirs = two
    numbers = np.random.default_rng(0)
    # Biases too get values, or a missing one would not be noticed.
    values = [
        value + np.float32(0.1) * numbers.standard_normal(value.shape, "float32")
        for value in theirs.get_weights()
    ]
    theirs.set_weights(values)
    ours.set_weights(values)
    images = numbers.random((4, *theirs.input_shape[1:]), "float32")
    expected = theirs(images).numpy()
    np.testing.assert_allclose(ours(images), expected, rtol=1e-6, atol=1e-6)
    assert np.ptp(expected, axis=0).min() > 0  # the images matter
