"""Exercise 10's networks: packed and unpacked, counted, asked, and refused with a sentence."""

import io
import struct
import zlib

import keras
import numpy as np
import pytest
from keras import layers
from packed import fitted, linear, pixels, png, recorded, table_of_tests
from PIL import Image

from course_utils import competition, data, models, speednet
from course_utils.anatomy import anatomy


def small(*more, scores=10):
    """A network with most of the layers that may stand in one."""
    image = keras.Input((32, 32, 3))
    maps = layers.Rescaling([1 / 64, 1 / 65, 1 / 66], offset=-2)(image)
    maps = layers.RandomFlip("horizontal")(maps)
    maps = layers.ZeroPadding2D(((1, 0), (0, 1)))(layers.Conv2D(4, 3, strides=2)(maps))
    other = layers.DepthwiseConv2D(3, padding="same", activation="gelu")(maps)
    maps = layers.Concatenate()([maps, layers.BatchNormalization(scale=False)(other)])
    maps = layers.LeakyReLU(0.1)(layers.Dropout(0.5)(maps))
    maps = layers.PReLU(shared_axes=[1, 2])(layers.MaxPooling2D(3, strides=2)(maps))
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(maps))
    maps = layers.Flatten()(layers.Multiply()([maps, gate]))
    for layer in more:
        maps = layer(maps)
    return keras.Model(image, layers.Dense(scores)(maps))


@pytest.fixture(scope="module")
def images():
    return data.load("cifar10", "test").images[:60]


BLACK = np.zeros((1, 32, 32, 3), np.uint8)


def refused(picture, images=BLACK):
    """What is said of a picture that holds no network within the rules."""
    found = competition.measured(np.frombuffer(picture, np.uint8), images)
    assert set(found) == {"problem"}, found
    return found["problem"]


# --- Packed and unpacked --------------------------------------------------------------------------


def test_what_comes_out_of_a_picture_is_the_network_that_went_in(images):
    keras.utils.set_random_seed(1)
    network = small()
    for weight in network.weights:  # batch norm's statistics are no zeros and ones
        weight.assign(weight + np.random.default_rng(2).uniform(0, 0.2, weight.shape))
    entry, spent = competition.unpack(competition.pack(network))
    expected = np.asarray(network(images.astype("float32"), training=False))
    came = np.asarray(entry.network(images.astype("float32"), training=False))
    np.testing.assert_allclose(came, expected, atol=0.01 * np.abs(expected).max())
    assert spent == competition.cost(network)
    assert spent.multiply_adds == anatomy(network).multiply_adds > 0
    assert spent.parameters == network.count_params() > anatomy(network).parameters


def test_the_courses_own_network_can_be_handed_in():
    network = recorded()
    entry, spent = competition.unpack(competition.pack(network))
    assert spent.multiply_adds == anatomy(network).multiply_adds
    images, labels, _ = data.load("cifar10", "test")
    right = competition.classify(entry, images[:100]) == labels[:100]
    assert right.mean() > 0.8


@pytest.mark.parametrize("build", [models.resnet_cifar, lambda _: speednet.network((8, 8, 8))])
def test_a_network_of_the_course_is_handed_in_behind_a_rescaling(build, images):
    """As exercise 10 says."""
    scaled = keras.Input((32, 32, 3)), layers.Rescaling(1 / 64, offset=-2)
    network = keras.Sequential([*scaled, build(8)])
    entry, _ = competition.unpack(competition.pack(network))
    expected = np.asarray(network(images.astype("float32"), training=False))
    came = np.asarray(entry.network(images.astype("float32"), training=False))
    np.testing.assert_allclose(came, expected, atol=0.01 * np.abs(expected).max())


def test_views_are_means_and_cost_their_multiply_adds(images):
    network = small()
    entry = competition.with_views(network, [(0, 0), (1, -2)])
    assert entry.views == ((0, 0, False), (0, 0, True), (1, -2, False), (1, -2, True))
    again, spent = competition.unpack(competition.pack(entry))
    assert again.views == entry.views
    assert spent.multiply_adds == 4 * competition.cost(network).multiply_adds
    assert spent.parameters == competition.cost(network).parameters
    shown = images.astype("float32")
    scores = 0
    for down, right in ((0, 0), (1, -2)):
        moved = np.pad(shown, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
        moved = moved[:, 2 - down : 34 - down, 2 - right : 34 - right]
        for view in (moved, moved[:, :, ::-1]):
            scores = scores + np.asarray(network(view, training=False))
    np.testing.assert_array_equal(competition.classify(entry, images), scores.argmax(axis=1))


def test_pictures_are_varied_within_what_is_promised(images):
    varied = competition.vary(images, 3)
    assert varied.dtype == np.uint8 and varied.shape == images.shape
    np.testing.assert_array_equal(varied, competition.vary(images, 3))
    assert (varied != competition.vary(images, 4)).any()
    plain = np.full((400, 8, 8, 1), 100, np.uint8)
    values = competition.vary(plain, 0)[:, 0, 0, 0]
    assert 85 <= values.min() < 88 and 112 < values.max() <= 115
    ramp = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None, None], (400, 8, 8, 1)) * 20
    tops = {int(image[3, 0, 0] > image[4, 0, 0]) for image in competition.vary(ramp, 0)}
    assert tops == {0}, "nothing is turned upside down"
    sides = ramp.transpose(0, 2, 1, 3)
    mirrored = [image[0, 2, 0] > image[0, 5, 0] for image in competition.vary(sides, 0)]
    assert 0.4 < np.mean(mirrored) < 0.6


def test_a_table_of_the_test_pictures_is_worth_nothing():
    images, labels, _ = data.load("cifar10", "test")
    entry, spent = competition.unpack(competition.pack(table_of_tests()))
    assert spent.parameters < competition.MOST_PARAMETERS
    as_they_are = competition.classify(entry, images[:150]) == labels[:150]
    assert as_they_are.mean() > 0.95
    varied = competition.classify(entry, competition.vary(images, 5)) == labels
    honest = competition.classify(fitted(4), competition.vary(images, 5)) == labels
    assert varied.mean() < 0.28 < honest.mean()


# --- Refused --------------------------------------------------------------------------------------


def test_a_picture_of_something_else():
    flat = np.zeros((20, 20, 3), np.uint8)
    assert "holds no network" in refused(png(flat))
    assert "cannot be read" in refused(b"\x89PNG\r\n\x1a\n" + b"x" * 100)
    assert "cannot be read" in refused(b"")
    assert "too large" in refused(png(np.zeros((1500, 1500, 3), np.uint8)))
    buffer = io.BytesIO()
    Image.fromarray(flat).save(buffer, format="GIF")
    assert "cannot be read" in refused(buffer.getvalue()), "PNG alone"


def test_a_picture_that_unpacks_to_a_gigabyte():
    small = png(np.zeros((8, 8, 3), np.uint8))
    for side, said in ((9_000, "too large"), (40_000, "cannot be read")):
        header = b"IHDR" + struct.pack(">2I", side, side) + small[24:29]
        bomb = small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
        assert said in refused(bomb)


@pytest.mark.parametrize(
    "layer, said",
    [
        (("Lambda", {"function": "import os"}, [-1]), "a layer is a Lambda, which may not stand"),
        (("os.system", {}, [-1]), "which may not stand in the network"),
        (("TFSMLayer", {"filepath": "x"}, [-1]), "which may not stand in the network"),
        (("Dense", {"units": 10, "activation": "evil"}, [-1]), "activation must be one of linear"),
        (("Dense", {"units": 10, "kernel_initializer": "zeros"}, [-1]), "it may not have"),
        (("Dense", {"units": -1}, [-1]), "it cannot be built"),
        (("Dense", {"units": 10}, [3]), "does not read from layers before it"),
        (("Add", {}, [-1]), "does not read from layers before it"),
        (("Rescaling", {"scale": 1, "offset": [[1, 2]] * 100}, [-1]), "a row of them"),
        (("Rescaling", {"scale": 1, "offset": {"class_name": "x"}}, [-1]), "a number or a word"),
        (("LeakyReLU", {"negative_slope": [1, 2]}, [-1]), "a row of them"),
        (("Rescaling", {"scale": 1, "offset": [0.5] * 64}, [-1]), "does not fit 3 channels"),
        (("\ud800", {}, [-1]), "a layer is a ?, which may not stand"),
        (("MaxPooling2D", {"padding": "\ud800"}, [-1]), "it cannot be built"),
        (("PadShortcut", {"filters": 1, "strides": 1}, [-1]), "it cannot be built"),
    ],
)
def test_a_layer_that_may_not_be(layer, said):
    plan, weights = linear(8)
    found = refused(pixels([layer, *plan], weights=weights))
    assert said in found
    assert found.isprintable(), "no half of a character, which no file can hold, and no colours"


@pytest.mark.parametrize("plan", [[], None, 3, [3], [[1, 2, 3]], [["Flatten", {}, [-1]]] * 301])
def test_a_plan_that_is_none(plan):
    assert "layer" in refused(pixels(plan))


@pytest.mark.parametrize("views", [[], 3, [[0, 0]], [[0, 9, True]], [[0, 0.5, True]]])
def test_views_that_are_none(views):
    plan, weights = linear(8)
    assert "with_views" in refused(pixels(plan, views, weights))


def test_a_description_that_is_none():
    plan, weights = linear(8)
    good = pixels(plan, weights=weights)
    assert competition.unpack(good)[1].parameters == 490
    text = Image.open(io.BytesIO(good)).tobytes()
    for change in (b"}" * 10, b"[" * 10):
        broken = text.replace(b'{"plan":', change[:8], 1)
        size = int(np.sqrt(len(broken) // 3))
        picture = png(np.frombuffer(broken, np.uint8).reshape(size, size, 3))
        assert "cannot be read" in refused(picture)


def test_weights_that_are_missing_or_no_numbers():
    plan, weights = linear(1)
    assert "is cut off" in refused(pixels(plan, weights=weights[: len(weights) // 2]))
    assert "no number (NaN or infinite)" in refused(pixels(*_with_nan()))


def _with_nan():
    plan, weights = linear(8, bias=np.nan)
    return plan, ((0, 0, False),), weights


def test_scores_that_are_no_numbers():
    """The weights are numbers; what they make of a picture is none."""
    plan, _ = linear(8)
    weights = np.full(480, 6e4, "<f2").tobytes() + np.full(10, 3e38, "<f4").tobytes()
    steep = ("Rescaling", {"scale": 1e38, "offset": 0}, [-1])
    plan = [steep, *[(kind, options, [source[0] + 1]) for kind, options, source in plan]]
    said = refused(pixels(plan, weights=weights), np.full((2, 32, 32, 3), 200, np.uint8))
    assert "a score is no number (NaN or infinite)" in said


def test_what_can_be_built_and_not_be_computed(monkeypatch):
    """As where a kernel is missing on a processor that a graphics card has."""

    def run(*_, **__):
        raise NotImplementedError("no kernel for \ud800")

    network = fitted(8)
    monkeypatch.setattr(type(network), "__call__", run)
    with pytest.raises(ValueError, match="the network cannot answer \\(no kernel for \\?\\)"):
        competition.classify(network, BLACK)


def test_too_many_parameters_and_too_much_work():
    wide = [("Flatten", {}, [-1]), ("Dense", {"units": 200}, [0]), ("Dense", {"units": 10}, [1])]
    assert "616,610 parameters: 500,000 are allowed" in refused(pixels(wide))
    huge = [("Flatten", {}, [-1]), ("Dense", {"units": 10**7}, [0]), ("Dense", {"units": 10}, [1])]
    assert "are allowed" in refused(pixels(huge)), "it is counted before it is built"
    plan = [("Conv2D", {"filters": 64, "kernel_size": [3, 3], "padding": "same"}, [-1]),
            ("Conv2D", {"filters": 96, "kernel_size": [3, 3], "padding": "same"}, [0]),
            ("GlobalMaxPooling2D", {}, [1]), ("Dense", {"units": 10}, [2])]  # fmt: skip
    assert "multiply-adds: 50,000,000 are allowed" in refused(pixels(plan))
    plan, weights = linear(1)
    views = [[0, 0, False]] * 100
    assert competition.unpack(pixels(plan, views, weights))[1].multiply_adds == 3_072_000
    plan = [("Conv2D", {"filters": 32, "kernel_size": [3, 3], "padding": "same"}, [-1]),
            ("GlobalMaxPooling2D", {}, [0]), ("Dense", {"units": 10}, [1])]  # fmt: skip
    said = refused(pixels(plan, [[down % 8, 0, False] for down in range(60)]))
    assert "53,103,360 multiply-adds, 60 views together: 50,000,000 are allowed" in said


def test_layers_that_multiply_nothing_are_bounded_as_well():
    padded = [("ZeroPadding2D", {"padding": [[900, 900], [900, 900]]}, [-1]),
              ("GlobalMaxPooling2D", {}, [0]), ("Dense", {"units": 10}, [1])]  # fmt: skip
    assert "MB are allowed" in refused(pixels(padded))


@pytest.mark.parametrize("units", [1, 9, 12])
def test_another_number_of_scores(units):
    """So no label is outside 0 to 9."""
    plan, weights = linear(8, units)
    assert f"gives {units} numbers for a picture, not 10 scores" in refused(pixels(plan))


def test_an_answer_for_every_pixel():
    plan = [("Conv2D", {"filters": 10, "kernel_size": [1, 1]}, [-1])]
    assert "gives 32×32×10 numbers for a picture" in refused(pixels(plan))


# --- Unusual, and honest --------------------------------------------------------------------------


def scores_of(build):
    """A network's scores, its own and those of what comes out of its picture."""
    keras.utils.set_random_seed(3)
    network = build()
    entry, spent = competition.unpack(competition.pack(network))
    shown = np.random.default_rng(4).integers(0, 256, (3, 32, 32, 3)).astype("float32")
    return *(np.asarray(each(shown, training=False)) for each in (network, entry.network)), spent


class OwnStep(keras.Model):
    """A model that is trained in a way of its own; its layers are Keras'."""

    def train_step(self, data):
        raise NotImplementedError


def speednet_in_small():
    from course_utils import speednet

    image = keras.Input((32, 32, 3))
    network = speednet.network((8, 16, 16))
    return keras.Model(image, network(layers.Rescaling(4 / 255, offset=-2)(image)))


def one_layer_twice():
    image = keras.Input((32, 32, 3))
    again = layers.Conv2D(3, 3, padding="same", activation="tanh")
    maps = layers.GlobalAveragePooling2D()(again(again(layers.Rescaling(1 / 255)(image))))
    return keras.Model(image, layers.Dense(10)(maps))


def of_any_size():
    image = keras.Input((None, None, 3), dtype="uint8")
    maps = layers.Conv2D(np.int64(6), 3, groups=3, strides=2)(layers.Rescaling(1 / 255)(image))
    return OwnStep(image, layers.Dense(10)(layers.GlobalMaxPooling2D()(maps)))


@pytest.mark.parametrize("build", [speednet_in_small, one_layer_twice, of_any_size])
def test_an_unusual_network_is_the_one_that_went_in(build):
    expected, came, _ = scores_of(build)
    np.testing.assert_allclose(came, expected, atol=0.01 * np.abs(expected).max())


def test_a_layer_that_is_used_twice_counts_twice():
    *_, spent = scores_of(one_layer_twice)
    assert spent.parameters == 2 * (9 * 3 * 3 + 3) + 40


# --- Refused while one works on it ----------------------------------------------------------------


class Own(layers.Dense):
    pass


Own.__name__ = "Dense"


def of_shape(*shape):
    image = keras.Input(shape)
    return keras.Model(image, layers.Dense(10)(layers.Flatten()(layers.MaxPooling2D(2)(image))))


def with_plus():
    image = keras.Input((32, 32, 3))
    maps = layers.GlobalAveragePooling2D()(image + layers.Conv2D(3, 1)(image))
    return keras.Model(image, layers.Dense(10)(maps))


def with_half_the_bits():
    network = fitted(8)
    network.quantize("int8")
    return network


@pytest.mark.parametrize(
    "build, said",
    [
        # Their weights fit in the picture of another network: nothing else would tell.
        (lambda: of_shape(64, 64, 3), r"reads pictures of shape \(64, 64, 3\), not \(32, 32, 3\)"),
        (lambda: of_shape(32, 32, 1), r"of shape \(32, 32, 1\)"),
        (with_half_the_bits, "without quantize"),
        (with_plus, r"an operation outside a layer \(Add\), as x \+ y makes one"),
        (lambda: None, "not nothing"),
        (lambda: 3, "a Keras model, not a int"),
        (lambda: keras.Sequential([layers.Dense(10)]), "begin it with keras.Input"),
        (lambda: small(layers.Lambda(lambda x: x)), "a Lambda, which may not stand"),
        (lambda: small(Own(3)), "a Dense of your own"),
        (lambda: small(layers.Dense(1300)), "parameters: 500,000 are allowed"),
        (lambda: small(layers.Dense(8, activation=lambda x: x)), "the activation of"),
        (lambda: small(scores=12), "gives 12 numbers"),
        (lambda: competition.with_views(small(), [(0, 0)] * 51), "102 views: 100 are allowed"),
    ],
)
def test_a_network_that_breaks_a_rule_is_told_before_it_is_handed_in(build, said):
    with pytest.raises(ValueError, match=said):
        competition.pack(build())


def test_weights_that_16_bits_cannot_say():
    network = fitted(8)
    network.layers[-1].kernel.assign(network.layers[-1].kernel * 1e6)
    with pytest.raises(ValueError, match="larger than 16 bits"):
        competition.pack(network)
