"""AlexNet, VGG and ResNet against their papers' counts, arithmetic, and Keras' own networks."""

import functools
import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from course_utils import models
from course_utils.anatomy import anatomy
from course_utils.arithmetic import (
    Conv,
    Dense,
    Pool,
    conv_multiply_adds,
    conv_parameters,
    dense_parameters,
    read_stack,
)


@pytest.fixture
def memory_is_given_back():
    """For what makes a network of a hundred megabytes or more; to look for it takes time."""
    yield
    keras.utils.clear_session()
    gc.collect()


# Trainable parameters and multiply-adds, and what a unit of the last map sees.
COUNTS = {
    "alexnet": (models.alexnet, 60_965_224),
    "alexnet, one group": (lambda: models.alexnet(groups=1), 62_378_344),
    "VGG A": (lambda: models.vgg("A"), 132_863_336),
    "VGG B": (lambda: models.vgg("B"), 133_047_848),
    "VGG C": (lambda: models.vgg("C"), 133_638_952),
    "VGG D": (lambda: models.vgg("D"), 138_357_544),
    "VGG E": (lambda: models.vgg("E"), 143_667_240),
    "ResNet-18": (lambda: models.resnet(18), 11_689_512),
    "ResNet-34": (lambda: models.resnet(34), 21_797_672),
    "ResNet-50": (lambda: models.resnet(50, "v1"), 25_557_032),
    "ResNet-101": (lambda: models.resnet(101), 44_549_160),
    "ResNet-152": (lambda: models.resnet(152), 60_192_808),
    "ResNet-50 v1.5": (lambda: models.resnet(50, "v1.5"), 25_557_032),
    "CIFAR ResNet-20": (lambda: models.resnet_cifar(20), 269_722),
    "CIFAR ResNet-32": (lambda: models.resnet_cifar(32), 464_154),
    "CIFAR ResNet-44": (lambda: models.resnet_cifar(44), 658_586),
    "CIFAR ResNet-56": (lambda: models.resnet_cifar(56), 853_018),
    "CIFAR ResNet-110": (lambda: models.resnet_cifar(110), 1_727_962),
    "CIFAR ResNet-20, B": (lambda: models.resnet_cifar(20, shortcut="B"), 269_722 + 2_752),
    "CIFAR ResNet-56, B": (lambda: models.resnet_cifar(56, shortcut="B"), 853_018 + 2_752),
    "plain-56": (lambda: models.resnet_cifar(56, residual=False), 853_018),
    "alexnet_small": (models.alexnet_small, 957_450),
    "vgg_small": (models.vgg_small, 814_570),
}


@functools.cache
def anatomy_of(name):
    return anatomy(COUNTS[name][0])


@pytest.mark.parametrize("name", COUNTS)
def test_trainable_parameters(name):
    assert anatomy_of(name).parameters == COUNTS[name][1]


@pytest.mark.parametrize(
    ("name", "layer", "field"),
    [
        ("alexnet", "pool5", 195),
        ("VGG D", "pool5", 212),
        ("CIFAR ResNet-20", "stage3_block3_relu2", 81),
    ],
)
def test_receptive_fields(name, layer, field):
    rows = {row.name: row for row in anatomy_of(name).rows}
    assert rows[layer].receptive_field == (field, field)


# ---------------------------------------------------------------------------------------------
# Multiply-adds, counted once more from the papers' tables by pure arithmetic
# ---------------------------------------------------------------------------------------------


def stack_of_alexnet(groups):
    return [
        *(Conv(96, 11, strides=4), Pool(3, strides=2)),
        *(Conv(256, 5, padding="same", groups=groups), Pool(3, strides=2)),
        Conv(384, 3, padding="same"),
        Conv(384, 3, padding="same", groups=groups),
        *(Conv(256, 3, padding="same", groups=groups), Pool(3, strides=2)),
        *(Dense(4096), Dense(4096), Dense(1000)),
    ]


# The paper's table 1, column by column: a number is a 3×3 convolution, a negative one a 1×1, and
# 0 a pooling.
VGG_COLUMNS = {
    "A": "64 0 128 0 256 256 0 512 512 0 512 512 0",
    "B": "64 64 0 128 128 0 256 256 0 512 512 0 512 512 0",
    "C": "64 64 0 128 128 0 256 256 -256 0 512 512 -512 0 512 512 -512 0",
    "D": "64 64 0 128 128 0 256 256 256 0 512 512 512 0 512 512 512 0",
    "E": "64 64 0 128 128 0 256 256 256 256 0 512 512 512 512 0 512 512 512 512 0",
}


def stack_of_vgg(configuration):
    numbers = map(int, VGG_COLUMNS[configuration].split())
    convolutional = [
        Conv(abs(number), 3 if number > 0 else 1, padding="same") if number else Pool(2)
        for number in numbers
    ]
    return [*convolutional, Dense(4096), Dense(4096), Dense(1000)]


STACKS = {
    "alexnet": ((227, 227, 3), stack_of_alexnet(2)),
    "alexnet, one group": ((227, 227, 3), stack_of_alexnet(1)),
    **{f"VGG {name}": ((224, 224, 3), stack_of_vgg(name)) for name in VGG_COLUMNS},
}


@pytest.mark.parametrize("name", STACKS)
def test_multiply_adds_of_a_stack(name):
    shape, stack = STACKS[name]
    readings, table = read_stack(shape, stack), anatomy_of(name)
    assert table.parameters == sum(reading.parameters for reading in readings)
    assert table.multiply_adds == sum(reading.multiply_adds for reading in readings)


def cost_of_resnet(first, stages, classes, bottleneck=False, strides_in=0, projections=True):
    """`(trainable parameters, multiply-adds)` by arithmetic alone.

    `first` is `(side, channels, filters, kernel_size)` of the first convolution with the side of
    its output; `stages` lists `(blocks, side, filters)`.
    """
    side, channels, width, kernel = first
    parameters = conv_parameters(channels, width, kernel, use_bias=False) + 2 * width
    work = conv_multiply_adds((side, side, width), channels, kernel)
    before = stages[0][1]

    def conv(side, channels, filters, kernel):
        nonlocal parameters, work
        parameters += conv_parameters(channels, filters, kernel, use_bias=False) + 2 * filters
        work += conv_multiply_adds((side, side, filters), channels, kernel)

    for blocks, side, filters in stages:
        out = 4 * filters if bottleneck else filters
        for block in range(blocks):
            if bottleneck:
                conv(side if block or strides_in == 0 else before, width, filters, 1)
                conv(side, filters, filters, 3)
                conv(side, filters, out, 1)
            else:
                conv(side, width, filters, 3)
                conv(side, filters, filters, 3)
            if projections and width != out:
                conv(side, width, out, 1)
            width, before = out, side
    return parameters + dense_parameters(width, classes), work + width * classes


def imagenet_cost(blocks, bottleneck, strides_in=0):
    stages = [(count, 56 >> place, 64 << place) for place, count in enumerate(blocks)]
    return cost_of_resnet((112, 3, 64, 7), stages, 1000, bottleneck, strides_in)


def cifar_cost(depth, projections=False):
    stages = [((depth - 2) // 6, 32 >> place, 16 << place) for place in range(3)]
    return cost_of_resnet((32, 3, 16, 3), stages, 10, projections=projections)


RESNET_COSTS = {
    "ResNet-18": imagenet_cost((2, 2, 2, 2), bottleneck=False),
    "ResNet-34": imagenet_cost((3, 4, 6, 3), bottleneck=False),
    "ResNet-50": imagenet_cost((3, 4, 6, 3), bottleneck=True),
    "ResNet-50 v1.5": imagenet_cost((3, 4, 6, 3), bottleneck=True, strides_in=1),
    "ResNet-101": imagenet_cost((3, 4, 23, 3), bottleneck=True),
    "ResNet-152": imagenet_cost((3, 8, 36, 3), bottleneck=True),
    "CIFAR ResNet-20": cifar_cost(20),
    "CIFAR ResNet-110": cifar_cost(110),
    "CIFAR ResNet-20, B": cifar_cost(20, projections=True),
    "plain-56": cifar_cost(56),
}


@pytest.mark.parametrize("name", RESNET_COSTS)
def test_multiply_adds_of_a_resnet(name):
    table = anatomy_of(name)
    assert (table.parameters, table.multiply_adds) == RESNET_COSTS[name]


# ---------------------------------------------------------------------------------------------
# AlexNet
# ---------------------------------------------------------------------------------------------


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def test_alexnet_has_the_papers_sizes():
    shapes = {row.name: row.output_shape for row in anatomy_of("alexnet").rows}
    assert shapes["conv1"] == (55, 55, 96)
    assert shapes["pool1"] == (27, 27, 96)
    assert shapes["conv2"] == (27, 27, 256)
    assert shapes["pool2"] == (13, 13, 256)
    assert shapes["conv3"] == shapes["conv4"] == (13, 13, 384)
    assert shapes["conv5"] == (13, 13, 256)
    assert shapes["pool5"] == (6, 6, 256)
    assert shapes["dense1"] == shapes["dense2"] == (4096,)
    order = [row.name for row in anatomy_of("alexnet").rows]
    assert order[:6] == ["conv1", "norm1", "pool1", "conv2", "norm2", "pool2"]
    assert order[-5:] == ["dense1", "dropout1", "dense2", "dropout2", "logits"]


def test_response_normalisation_is_tensorflows_with_the_papers_constants():
    maps = 30 * numbers(2, 5, 4, 12)  # large, so that the constants matter
    expected = tf.nn.lrn(maps, depth_radius=2, bias=2, alpha=1e-4, beta=0.75)
    found = models.LocalResponseNormalization()(maps)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.abs(found - maps * 2**-0.75).max() > 0.1


def small_alexnet(groups):
    return models.alexnet(groups, input_shape=(67, 67, 3), classes=4)


def test_a_filter_of_alexnet_sees_its_own_half_only():
    network = small_alexnet(groups=2)
    grouped = [layer.name for layer in network.layers if getattr(layer, "groups", 1) == 2]
    assert grouped == ["conv2", "conv4", "conv5"]
    maps = numbers(1, 7, 7, 96)
    changed = maps.copy()
    changed[..., :48] += 100
    conv2 = network.get_layer("conv2")
    moved = np.abs(conv2(changed).numpy() - conv2(maps).numpy()).max(axis=(0, 1, 2)) > 0
    assert moved[:128].any() and not moved[128:].any()


def test_alexnet_begins_as_its_paper_says():
    network = small_alexnet(groups=1)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "dense1", "dense2", "logits"):
        kernel, bias = network.get_layer(name).get_weights()
        assert kernel.std() == pytest.approx(0.01, rel=0.1), name
        assert np.all(bias == (0 if name in ("conv1", "conv3", "logits") else 1)), name


def test_the_small_alexnet_is_the_notes():
    network = models.alexnet_small()
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [128] * 5
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    pools = [layer for layer in network.layers if isinstance(layer, layers.MaxPooling2D)]
    assert [layer.name for layer in pools] == ["pool1", "pool2", "pool5"]  # AlexNet's places
    assert {(layer.pool_size, layer.strides) for layer in pools} == {((3, 3), (2, 2))}
    assert [layer.rate for layer in network.layers if isinstance(layer, layers.Dropout)] == [
        0.5
    ] * 2


def test_tanh_reaches_every_layer_but_the_last():
    network = models.alexnet_small(activation="tanh")
    activations = {
        layer.name: layer.activation.__name__
        for layer in network.layers
        if hasattr(layer, "activation")
    }
    assert activations.pop("logits") == "linear"
    assert set(activations.values()) == {"tanh"} and len(activations) == 7


# ---------------------------------------------------------------------------------------------
# VGG
# ---------------------------------------------------------------------------------------------


def test_vgg_c_has_its_three_small_filters():
    kinds = {
        layer.name: layer.kernel_size[0]
        for layer in models.vgg("C", (32, 32, 3), 10).layers
        if isinstance(layer, layers.Conv2D)
    }
    assert [name for name, kernel in kinds.items() if kernel == 1] == [
        "conv3_3",
        "conv4_3",
        "conv5_3",
    ]
    assert len(kinds) == 13


def test_the_small_vgg_with_and_without_normalisation():
    normed, bare = models.vgg_small(), models.vgg_small(batch_norm=False)
    norms = [layer for layer in normed.layers if isinstance(layer, layers.BatchNormalization)]
    assert len(norms) == 6 and {(norm.momentum, norm.epsilon) for norm in norms} == {(0.9, 1e-5)}
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in bare.layers)
    # A bias for each filter instead of a scale and a shift.
    filters = 2 * (32 + 64 + 128)
    count = {
        network: sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
        for network in (normed, bare)
    }
    assert count[normed] - count[bare] == filters


# ---------------------------------------------------------------------------------------------
# ResNet
# ---------------------------------------------------------------------------------------------


def test_keras_counts_the_moving_statistics_too():
    network = models.resnet_cifar(20)
    assert network.count_params() == 269_722 + 1_376


def test_option_a_is_a_subsampled_identity_with_zero_maps():
    maps = numbers(2, 7, 6, 3)
    carried = models.PadShortcut(filters=5, strides=2)(maps).numpy()
    assert carried.shape == (2, 4, 3, 5)
    for row, column in np.ndindex(4, 3):
        np.testing.assert_array_equal(carried[:, row, column, :3], maps[:, 2 * row, 2 * column])
    assert not carried[..., 3:].any()


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_where_the_shape_stays_the_shortcut_is_bare(shortcut):
    network = models.resnet_cifar(20, shortcut=shortcut)
    on_the_way = [
        layer.name for layer in network.layers if layer.name.endswith(("shortcut", "shortcut_norm"))
    ]
    changing = ["stage2_block1_shortcut", "stage3_block1_shortcut"]
    parts = ("",) if shortcut == "A" else ("", "_norm")
    assert on_the_way == [name + part for name in changing for part in parts]
    added = [layer for layer in network.layers if isinstance(layer, layers.Add)]
    assert len(added) == 9 and added[3].name == "stage2_block1_add"


def test_a_block_whose_layers_give_nothing_is_the_identity():
    network = models.resnet_cifar(8)
    for layer in network.layers:
        if layer.name.endswith("norm2"):
            layer.gamma.assign(np.zeros_like(layer.gamma))
    before, after = (network.get_layer(name).output for name in ("relu1", "stage1_block1_relu2"))
    looked = keras.Model(network.input, [before, after])
    np.testing.assert_array_equal(*looked(numbers(2, 32, 32, 3)))


def test_the_plain_twin_has_the_same_layers_without_shortcuts():
    residual, plain = models.resnet_cifar(20), models.resnet_cifar(20, residual=False)
    shortcuts = {
        layer.name
        for layer in residual.layers
        if isinstance(layer, (layers.Add, models.PadShortcut))
    }
    kept = [layer.name for layer in residual.layers if layer.name not in shortcuts]
    assert [layer.name for layer in plain.layers] == kept
    assert [each.shape for each in plain.weights] == [each.shape for each in residual.weights]
    assert (residual.name, plain.name) == ("resnet20", "plain20")


def test_a_strided_convolution_looks_where_its_shortcut_looks():
    """Of an image with one bright pixel, both must find it in the same place."""
    network = models.resnet_cifar(8)
    names = ["stage2_block1_conv1", "stage2_block1_shortcut"]
    block = keras.Model(
        network.get_layer("stage1_block1_relu2").output,
        [network.get_layer(name).output for name in names],
    )
    kernel = np.zeros_like(network.get_layer(names[0]).kernel)
    kernel[1, 1] = 1  # only the centre of the window
    network.get_layer(names[0]).kernel.assign(kernel)
    maps = np.zeros((1, 32, 32, 16), "float32")
    maps[0, 10, 20] = 1
    convolved, carried = (outputs[0].numpy().sum(axis=-1) for outputs in block(maps))
    assert np.argwhere(convolved).tolist() == np.argwhere(carried).tolist() == [[5, 10]]


def test_v1_strides_the_first_and_v15_the_second_convolution():
    for name, sides in (("ResNet-50", (28, 28, 28)), ("ResNet-50 v1.5", (56, 28, 28))):
        rows = {row.name: row for row in anatomy_of(name).rows}
        for stage in (2, 3, 4):
            outputs = [rows[f"stage{stage}_block1_conv{number}"] for number in (1, 2, 3)]
            found = [row.output_shape[0] * 2 ** (stage - 2) for row in outputs]
            assert tuple(found) == sides, (name, stage)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.alexnet(groups=3), "groups must be 1 or 2, not 3"),
        (lambda: models.alexnet(input_shape=(64, 90, 3)), "64×90 is too small .* at least 67×67"),
        (lambda: models.alexnet_small(input_shape=(14, 14, 3)), "use at least 15×15"),
        (lambda: models.vgg("F"), "configuration must be one of A, B, C, D, E, not 'F'"),
        (lambda: models.vgg("A", input_shape=(31, 31, 3)), "use at least 32×32"),
        (lambda: models.vgg_small(input_shape=(32, 7, 3)), "32×7 is too small .* at least 8×8"),
        (lambda: models.resnet(20), "there is no ResNet-20: use 18 or 34"),
        (lambda: models.resnet(200), "there is no ResNet-200: use 152"),
        (lambda: models.resnet(50, "v2"), "version must be 'v1' or 'v1.5', not 'v2'"),
        (lambda: models.resnet_cifar(18), "depth must be 6n . 2, not 18: use 14 or 20"),
        (lambda: models.resnet_cifar(2), "use 8"),
        (lambda: models.resnet(depth="50"), "depth must be a whole number, not '50'"),
        (lambda: models.resnet_cifar(depth=None), "depth must be a whole number, not None"),
        (lambda: models.resnet(input_shape=(8, 8)), "input_shape must be .height, width, channels"),
        (lambda: models.vgg_small(classes=0), "classes must be at least 1, not 0"),
        (lambda: models.vgg_small(weight_decay=float("nan")), "weight_decay must be a finite"),
        (lambda: models.alexnet_small(dropout="half"), "dropout must be a number, not 'half'"),
        (lambda: models.lenet5_modern(pooling=["max"]), "pooling must be 'max' or 'average'"),
        (lambda: models.resnet_cifar(shortcut="C"), "shortcut must be 'A' or 'B', not 'C'"),
    ],
)
def test_what_is_impossible_is_refused_with_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


SMALLEST = {
    "alexnet": lambda: models.alexnet(1, (67, 67, 3), 4),
    "alexnet_small": lambda: models.alexnet_small(input_shape=(15, 15, 3), classes=4),
    "vgg": lambda: models.vgg("A", (32, 32, 3), 4),
    "vgg_small": lambda: models.vgg_small(input_shape=(8, 8, 3), classes=4),
    "resnet18": lambda: models.resnet(18, input_shape=(40, 33, 1), classes=4),
    "resnet_cifar": lambda: models.resnet_cifar(8, input_shape=(15, 9, 1), classes=4),
    "resnet_cifar, B": lambda: models.resnet_cifar(8, True, "B", 0.0, (15, 9, 1), 4),
}


@pytest.mark.parametrize("build", SMALLEST.values(), ids=SMALLEST)
def test_any_size_and_any_number_of_classes(build):
    network = build()
    outputs = network(numbers(2, *network.input_shape[1:])).numpy()
    assert outputs.shape == (2, 4) and np.all(np.isfinite(outputs))


# ---------------------------------------------------------------------------------------------
# Weight decay
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build",
    [
        models.alexnet_small,
        models.vgg_small,
        lambda **options: models.resnet_cifar(8, shortcut="B", **options),
    ],
)
def test_weight_decay_is_half_the_sum_of_squares_of_every_kernel(build):
    network = build(weight_decay=0.02)
    kernels = [weight for weight in network.trainable_weights if weight.name == "kernel"]
    assert len(kernels) >= 7
    expected = 0.01 * sum(np.square(kernel.numpy()).sum() for kernel in kernels)
    assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-5)
    assert not build().losses


# ---------------------------------------------------------------------------------------------
# Keras' own networks, weight by weight
# ---------------------------------------------------------------------------------------------


def randomised(network):
    """The network with random numbers in every weight, biases and moving statistics included."""
    draw = np.random.default_rng(0)
    for layer in network.layers:
        for weight in layer.weights:
            if weight.name == "kernel":
                fan_in = np.prod(weight.shape[:-1])
                value = draw.standard_normal(weight.shape, "float32") * np.float32(fan_in**-0.5)
            elif weight.name in ("gamma", "moving_variance"):
                value = draw.uniform(0.5, 1.5, weight.shape)
            else:
                value = draw.normal(0, 0.1, weight.shape)
            weight.assign(value)
    return network


def assert_same_outputs(ours, theirs):
    images = numbers(2, *theirs.input_shape[1:], seed=1)
    expected, found = theirs(images).numpy(), ours(images).numpy()
    unit = expected.std()
    assert unit > 1e-3  # the images and the weights matter
    np.testing.assert_allclose(found / unit, expected / unit, atol=1e-4)


@pytest.mark.parametrize(("configuration", "name"), [("D", "VGG16"), ("E", "VGG19")])
def test_vgg_takes_the_weights_of_keras(configuration, name, memory_is_given_back):
    """For small images: at full size three quarters of the weights are of one dense layer."""
    shape, build = (64, 64, 3), getattr(keras.applications, name)
    theirs = randomised(build(weights=None, input_shape=shape, classifier_activation=None))
    ours = models.vgg(configuration, shape)
    ours.set_weights(theirs.get_weights())
    assert_same_outputs(ours, theirs)


def test_resnet50_takes_the_weights_of_keras(memory_is_given_back):
    """For small images: the weights are those of any size."""
    shape, build = (64, 64, 3), keras.applications.ResNet50
    theirs = randomised(build(weights=None, input_shape=shape, classifier_activation=None))
    ours = models.resnet(50, input_shape=shape)

    def carry(our, their):
        """A convolution's weights and those of the normalisation behind it."""
        kernel, bias = theirs.get_layer(f"{their}_conv").get_weights()
        ours.get_layer(our).set_weights([kernel])
        gamma, beta, mean, variance = theirs.get_layer(f"{their}_bn").get_weights()
        norm = our.replace("conv", "norm") if "conv" in our else f"{our}_norm"
        # We have no bias; the mean that is taken away takes it along.
        ours.get_layer(norm).set_weights([gamma, beta, mean - bias, variance])

    carry("conv1", "conv1")
    for stage, blocks in enumerate(models.RESNET_BLOCKS[50], start=1):
        for block in range(1, blocks + 1):
            our, their = f"stage{stage}_block{block}", f"conv{stage + 1}_block{block}"
            for number in (1, 2, 3):
                carry(f"{our}_conv{number}", f"{their}_{number}")
            if block == 1:
                carry(f"{our}_shortcut", f"{their}_0")
    ours.get_layer("logits").set_weights(theirs.get_layer("predictions").get_weights())
    assert_same_outputs(ours, theirs)
