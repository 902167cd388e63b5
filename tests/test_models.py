"""The networks of `models`, against the paper's counts and against NumPy."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import itertools
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from course_utils import models, speednet, training

NETWORKS = {
    "lenet5": models.lenet5,
    "lenet5_modern": models.lenet5_modern,
    "lenet5_modern, near the paper": lambda: models.lenet5_modern("tanh", "average"),
    "alexnet": lambda: models.alexnet(2, (67, 67, 3), 10),
    "alexnet_small": models.alexnet_small,
    "vgg": lambda: models.vgg("C", (32, 32, 3), 10),
    "vgg_small": models.vgg_small,
    "resnet": lambda: models.resnet(18, "v1", (32, 32, 3), 10),
    "resnet_cifar": lambda: models.resnet_cifar(14),
    "resnet_cifar, B": lambda: models.resnet_cifar(8, shortcut="B"),
    "plain": lambda: models.resnet_cifar(14, residual=False),
}
TRAINABLE = {"lenet5": 60_000, "lenet5_modern": 61_706, "lenet5_modern, near the paper": 61_706}
# LeCun et al. 1998, section II.B.
LENET5_LAYERS = {"C1": 156, "S2": 12, "C3": 1_516, "S4": 32, "C5": 48_120, "F6": 10_164}
LENET5_SHAPES = {
    "C1": (28, 28, 6),
    "S2": (14, 14, 6),
    "C3": (10, 10, 16),
    "S4": (5, 5, 16),
    "C5": (1, 1, 120),
    "F6": (84,),
    "output": (10,),
}


def numbers(*shape, seed=0):
    """Random numbers, the same every time."""
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


@pytest.fixture(params=NETWORKS, scope="module")
def network(request):
    """One of the networks, for all tests that only look at it."""
    keras.utils.set_random_seed(0)
    built = NETWORKS[request.param]()
    built.again = NETWORKS[request.param]
    return built


def images_for(network, count=4):
    return numbers(count, *network.input_shape[1:])


# ---------------------------------------------------------------------------------------------
# Every network
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_lenet_has_as_many_trainable_parameters_as_its_source(name):
    network = NETWORKS[name]()
    assert trainable(network) == TRAINABLE[name]
    assert network.count_params() == TRAINABLE[name]  # nothing is hidden beside them


def test_a_network_gives_logits(network):
    outputs = network(images_for(network))
    assert outputs.shape == (4, 10)
    assert outputs.dtype == "float32"
    sums = outputs.numpy().sum(axis=1)
    assert np.all(np.isfinite(sums))
    assert not np.allclose(sums, 1)  # no softmax has been taken


def test_gradients_reach_every_weight(network):
    images, labels = images_for(network, 8), np.arange(8)
    loss = models.lenet5_loss
    if network.name != "lenet5":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(loss(labels, network(images)))
    weights = network.trainable_weights
    for weight, gradient in zip(
        weights, tape.gradient(value, [each.value for each in weights]), strict=True
    ):
        assert gradient is not None and np.all(np.isfinite(gradient)), weight.path
        # Some units may be dead for these few images, but no layer is.
        assert np.any(gradient), weight.path


def test_a_network_is_saved_and_loaded(network, tmp_path):
    images = images_for(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in network.layers]
    np.testing.assert_array_equal(loaded(images), network(images))


def test_the_same_seed_gives_the_same_weights(network):
    keras.utils.set_random_seed(0)
    again = network.again()
    keras.utils.set_random_seed(1)
    other = network.again()
    for ours, same in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, same)
    assert not np.array_equal(network.get_weights()[0], other.get_weights()[0])


# ---------------------------------------------------------------------------------------------
# LeNet-5, 1998
# ---------------------------------------------------------------------------------------------


def test_lenet5_is_the_papers_layer_by_layer():
    network = models.lenet5()
    counts = {layer.name: trainable(layer) for layer in network.layers if layer.weights}
    assert counts == LENET5_LAYERS
    shapes = {name: network.get_layer(name).output.shape[1:] for name in LENET5_SHAPES}
    assert shapes == LENET5_SHAPES
    assert network.input_shape == (None, 32, 32, 1)


def test_lenet5_squashes_after_each_of_its_layers():
    network = models.lenet5()
    for name in LENET5_LAYERS:
        squash = network.get_layer(f"{name}_squash")
        assert squash.activation is models.scaled_tanh
        assert np.abs(squash(np.float32([[-50.0, 50.0]]))).max() == pytest.approx(1.7159)


def test_the_connection_table_is_the_papers():
    table = models.C3_TABLE
    assert len(table) == 16
    assert sum(map(len, table)) == 60
    assert Counter(map(len, table)) == {3: 6, 4: 9, 6: 1}
    assert len(set(table)) == 16
    for seen in table:
        assert list(seen) == sorted(set(seen)) and set(seen) <= set(range(6))

    def on_a_ring(length):
        """All runs of so many neighbours, the first map being the last one's neighbour."""
        return {frozenset((start + step) % 6 for step in range(length)) for start in range(6)}

    assert set(map(frozenset, table[:6])) == on_a_ring(3)
    assert set(map(frozenset, table[6:12])) == on_a_ring(4)
    # The three that see two pairs that lie apart, which no run of neighbours is.
    apart = {frozenset((start + step) % 6 for step in (0, 1, 3, 4)) for start in range(3)}
    assert set(map(frozenset, table[12:15])) == apart
    assert table[15] == tuple(range(6))
    # Each map of S2 is seen by ten filters.
    assert set(Counter(itertools.chain(*table)).values()) == {10}


def test_scaled_tanh_keeps_one_and_minus_one():
    values = np.float32([-1, 0, 1, 1e3])
    np.testing.assert_allclose(models.scaled_tanh(values), [-1, 0, 1, 1.7159], atol=1e-3)
    many = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(
        models.scaled_tanh(many.astype("float32")), 1.7159 * np.tanh(2 * many / 3), rtol=1e-5
    )


def test_subsampling_is_a_trainable_sum():
    layer = models.Subsampling()
    maps = numbers(2, 6, 8, 3)
    layer.build(maps.shape)
    means = maps.reshape(2, 3, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(layer(maps), means, atol=1e-6)  # how it begins

    coefficient, bias = np.float32([2, -1, 0.5]), np.float32([1, 0, -3])
    layer.coefficient.assign(coefficient)
    layer.bias.assign(bias)
    expected = np.zeros((2, 3, 4, 3))
    for row, column in np.ndindex(3, 4):
        window = maps[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        expected[:, row, column] = coefficient * window.sum(axis=(1, 2)) + bias
    np.testing.assert_allclose(layer(maps), expected, atol=1e-5)


TABLES = {
    "C3": (models.C3_TABLE, 6, 5),
    "out of order": (((2, 0), (1,), (3, 2, 1)), 4, 3),
}


@pytest.fixture(params=TABLES)
def partial(request):
    """A partial convolution with random weights, and images for it."""
    table, maps, kernel_size = TABLES[request.param]
    layer = models.PartialConv2D(table, kernel_size)
    layer.build((None, 9, 8, maps))
    layer.kernel.assign(numbers(*layer.kernel.shape, seed=1))
    layer.bias.assign(numbers(*layer.bias.shape, seed=2))
    return layer, numbers(2, 9, 8, maps)


def test_a_partial_convolution_is_many_small_ones(partial):
    layer, maps = partial
    kernels = np.split(layer.kernel.numpy(), np.cumsum([len(seen) for seen in layer.table]), axis=1)
    outputs = layer(maps).numpy()
    assert outputs.shape == (2, 10 - layer.kernel_size, 9 - layer.kernel_size, len(layer.table))
    for index, seen in enumerate(layer.table):
        kernel = kernels[index].reshape(layer.kernel_size, layer.kernel_size, len(seen), 1)
        # The kernel's columns follow the table's order, and so do the gathered maps.
        alone = tf.nn.conv2d(maps[..., list(seen)], kernel, 1, "VALID")[..., 0]
        np.testing.assert_allclose(
            outputs[..., index], alone + layer.bias[index], atol=1e-4, err_msg=str(seen)
        )


def test_a_filter_ignores_the_maps_that_it_does_not_see(partial):
    layer, maps = partial
    before = layer(maps).numpy()
    for changed in range(maps.shape[-1]):
        other = maps.copy()
        other[..., changed] += 100
        moved = np.abs(layer(other).numpy() - before).max(axis=(0, 1, 2)) > 1
        assert moved.tolist() == [changed in seen for seen in layer.table]


def test_a_partial_convolution_that_sees_all_is_an_ordinary_one():
    layer = models.PartialConv2D([range(3)] * 4, 3)
    maps = numbers(2, 6, 6, 3)
    layer.build(maps.shape)
    assert trainable(layer) == (3 * 3 * 3 + 1) * 4
    ordinary = layer.kernel.numpy().reshape(3, 3, 4, 3).swapaxes(2, 3)
    np.testing.assert_allclose(layer(maps), tf.nn.conv2d(maps, ordinary, 1, "VALID"), atol=1e-5)


def test_a_partial_filter_begins_with_outputs_of_variance_one():
    keras.utils.set_random_seed(0)
    layer = models.PartialConv2D(models.C3_TABLE * 20, 5)
    outputs = layer(numbers(8, 9, 9, 6)).numpy()
    by_fan_in = outputs.reshape(8 * 25, 20, 16).swapaxes(0, 2).reshape(16, -1)
    for filters in (by_fan_in[:6], by_fan_in[6:15], by_fan_in[15:]):
        assert filters.std() == pytest.approx(1, abs=0.1)


def test_the_drawings_are_ten_different_digits():
    targets = models.digit_targets()
    assert targets.shape == (10, 84) and targets.dtype == np.float32
    assert set(np.unique(targets)) == {-1, 1}
    for one, other in itertools.combinations(range(10), 2):
        assert (targets[one] != targets[other]).sum() >= 5, f"{one} and {other} look alike"
    # The drawings are read row by row: a zero is its own mirror image, a seven has a roof.
    zero, seven = targets[0].reshape(12, 7), targets[7].reshape(12, 7)
    np.testing.assert_array_equal(zero[:, ::-1], zero)
    np.testing.assert_array_equal(zero[::-1], zero)
    assert seven[0].tolist() == [1] * 7


def test_the_output_is_the_negative_squared_distance_to_the_drawings():
    features = numbers(5, 84)
    expected = np.zeros((5, 10))
    for image, digit in np.ndindex(5, 10):
        drawing = models.digit_targets()[digit].astype("float64")
        expected[image, digit] = -((features[image] - drawing) ** 2).sum()
    np.testing.assert_allclose(models.RadialOutput()(features), expected, rtol=1e-5)
    # A drawing itself is at distance 0 from itself only.
    own = models.RadialOutput()(models.digit_targets()).numpy()
    np.testing.assert_array_equal(np.diag(own), np.zeros(10))
    assert (own.argmax(axis=1) == np.arange(10)).all() and (own == 0).sum() == 10


# ---------------------------------------------------------------------------------------------
# The loss of 1998
# ---------------------------------------------------------------------------------------------


def equation_9(labels, penalties, rubbish):
    """LeCun et al. 1998, eq. 9, as it is printed, for one image at a time, in float64."""
    return [
        penalty[label] + np.log(np.exp(-rubbish) + np.exp(-penalty).sum())
        for label, penalty in zip(labels, penalties.astype("float64"), strict=True)
    ]


@pytest.mark.parametrize("rubbish", [0.5, 10.0, 60.0])
def test_the_loss_is_equation_9(rubbish):
    penalties = np.abs(numbers(20, 10)) * 20
    labels = np.arange(20) % 10
    expected = equation_9(labels, penalties, rubbish)
    found = models.lenet5_loss(labels, -penalties, rubbish)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    column = models.lenet5_loss(labels[:, None], -penalties, rubbish)
    np.testing.assert_array_equal(column, found)


def test_the_rubbish_penalty_is_10_if_nothing_is_said():
    penalties, labels = np.abs(numbers(6, 10)) * 20, np.arange(6)
    np.testing.assert_allclose(
        models.lenet5_loss(labels, -penalties), equation_9(labels, penalties, 10), rtol=1e-5
    )


def test_without_a_rubbish_class_the_loss_is_cross_entropy():
    logits, labels = numbers(20, 10) * 3, np.arange(20) % 10
    cross_entropy = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    far = models.lenet5_loss(labels, logits, rubbish_penalty=1e4)
    np.testing.assert_allclose(far, cross_entropy, rtol=1e-5, atol=1e-6)


def test_a_near_rubbish_class_leaves_far_classes_in_peace():
    penalties = np.full((1, 10), 100.0, "float32")
    penalties[0, 3] = 0
    # Right class at 0, all others far beyond j: log(1 + exp(-j)) is left.
    found = models.lenet5_loss(np.array([3]), -penalties, 2.0)
    np.testing.assert_allclose(found, [np.log1p(np.exp(-2))], rtol=1e-5)


def test_the_loss_survives_large_penalties():
    found = models.lenet5_loss(np.array([0]), np.full((1, 10), -1e4, "float32"))
    np.testing.assert_allclose(found, [1e4 - 10], rtol=1e-6)  # exp(-1e4) is 0 in any float


# ---------------------------------------------------------------------------------------------
# LeNet-5 as it is built today
# ---------------------------------------------------------------------------------------------


def test_the_modern_network_has_the_usual_counts():
    network = models.lenet5_modern()
    counts = {layer.name: trainable(layer) for layer in network.layers if layer.weights}
    assert counts == {
        "conv1": 156,
        "conv2": 2_416,
        "dense1": 48_120,
        "dense2": 10_164,
        "logits": 850,
    }
    assert network.get_layer("logits").activation is keras.activations.linear


@pytest.mark.parametrize(
    "pooling, kind", [("max", layers.MaxPooling2D), ("average", layers.AveragePooling2D)]
)
def test_pooling_and_activation_can_be_chosen(pooling, kind):
    network = models.lenet5_modern("tanh", pooling)
    assert {type(network.get_layer(name)) for name in ("pool1", "pool2")} == {kind}
    for name in ("conv1", "conv2", "dense1", "dense2"):
        assert network.get_layer(name).activation is keras.activations.tanh


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="'max' or 'average', not 'maximum'"):
        models.lenet5_modern(pooling="maximum")


@pytest.mark.parametrize("label, said", [(-1, "-1"), (10, "10"), (1.9, "1.9")])
def test_a_label_that_is_no_class_is_refused_by_the_courses_own_losses(label, said):
    logits = np.zeros((2, 10), "float32")
    for loss in (models.lenet5_loss, speednet.smoothed_loss):
        with pytest.raises(ValueError, match=f"a label is {said}: 10 classes are 0 to 9"):
            loss([0, label], logits)
        with pytest.raises(ValueError, match="a row for each label"):
            loss([1], logits)


@pytest.mark.parametrize("loss", [models.lenet5_loss, speednet.smoothed_loss])
@pytest.mark.parametrize("label", [-1, 10])
def test_and_where_a_network_learns_by_them(loss, label):
    images, labels = np.zeros((4, 2, 2, 1), "float32"), np.array([0, 1, label, 3])
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    network = keras.Sequential([keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(10)])
    with pytest.raises(ValueError, match=f"a label is {label}, and the network gives 10 scores"):
        training.fit(network, batches, epochs=1, live=False, loss=loss)


def test_masks_with_a_channel_are_refused():
    with pytest.raises(ValueError, match=r"masks must be \(batch, height, width\)"):
        models.digits_weigh_more(np.zeros((4, 4, 4, 1), int), np.zeros((4, 4, 4, 11), "float32"))
