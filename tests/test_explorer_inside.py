"""The explorer `inside` without a browser: its numbers, its controls, what it refuses."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from drawn import point, set_to, texts, written_in
from keras import layers
from PIL import Image

from course_utils import data, runs
from course_utils.explorers import _inside as module
from course_utils.explorers import inside

ROOT = Path(__file__).parents[1]
NUMBERS = np.random.default_rng(0)
VIEWS = ("feature maps", "filters", "occlusion", "Grad-CAM")


@pytest.fixture(scope="module")
def recorded():
    return runs.recorded_network("vgg_small")


@pytest.fixture(scope="module")
def test_set():
    return data.load("cifar10", "test")


def of_notebook():
    """The functions that notebook 09 writes out, by name."""
    ids = ("maps", "occlusion", "grad-cam", "upsampled", "filters", "grey")
    until = "\nshares ="  # the functions, not their use
    return written_in("09_what_convnets_see.ipynb", ids, until, keras=keras, np=np, tf=tf)


def corner_network(softmax=False):
    """A network that sees nothing but the upper left 2×2 pixels, and its kernel's two signs.

    Map 0 is the image, map 1 its negative. Class 0 gets the sum of map 0 over the corner, class 1
    always 0.5, class 2 the sum of map 1 over the corner.
    """
    image = keras.Input((8, 8, 1))
    maps = layers.Conv2D(2, 1, use_bias=False, name="maps")(image)
    flat = layers.Flatten(name="flat")(maps)
    scores = layers.Dense(3, activation="softmax" if softmax else None, name="scores")(flat)
    network = keras.Model(image, scores)
    weights = np.zeros((8, 8, 2, 3))
    weights[:2, :2, 0, 0] = 1
    weights[:2, :2, 1, 2] = 1
    kernel = np.array([1.0, -1.0]).reshape(1, 1, 1, 2)
    network.set_weights([kernel, weights.reshape(-1, 3), np.array([0, 0.5, 0])])
    return network


def point_at(explorer, x, y):
    """A click, which may not cause a message."""
    point(explorer, f"{x:.0f}", f"{y:.0f}")
    assert explorer.problem == ""


# ---------------------------------------------------------------------------------------------
# Numbers
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("softmax", [False, True])
def test_occlusion_of_a_network_that_sees_one_corner(softmax):
    image = NUMBERS.uniform(-1, 1, (8, 8)).astype("float32")
    grey, corner = 0.0, image[:2, :2].sum()
    explorer = inside(corner_network(softmax), image)
    # Class 0 falls by what the square takes out of the corner: written out place by place.
    set_to(explorer, view="occlusion", label=0, square=3)
    for row, column in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (6, 6)]:
        covered = image.copy()
        covered[row - 1 : row + 2, column - 1 : column + 2] = grey
        fall = corner - covered[:2, :2].sum()
        alt = set_to(explorer, row=row, column=column)
        way = "falls by" if fall >= 0 else "rises by"
        size = f"{way} {module._fine(abs(np.float32(fall)))}:"
        assert f"row {row}, column {column}, the logit of 'class 0'" in alt
        assert size in alt or abs(fall) < 1e-6 and "by 0:" in alt


@pytest.mark.parametrize("softmax", [False, True])
def test_grad_cam_of_a_network_that_sees_one_corner(softmax):
    image = NUMBERS.uniform(-1, 1, (8, 8)).astype("float32")
    explorer = inside(corner_network(softmax), image)
    # The gradient of class 0 is 1 at four of the 64 places of map 0 and 0 in map 1, so the mean
    # is 4/64, and what is left of map 0 after the ReLU is what is positive in the image.
    expected = np.maximum(4 / 64 * image, 0)
    set_to(explorer, view="Grad-CAM", label=0)
    subject = explorer.subject
    assert np.allclose(subject.grad_cams("yours", 0)["maps"], expected, atol=1e-6)
    row, column = np.unravel_index(expected.argmax(), (8, 8))
    alt = set_to(explorer, row=int(row), column=int(column))
    assert f"row {row}, column {column} the maps of maps speak for 'class 0'" in alt
    assert alt.endswith(f"with {module._fine(expected.max())}.")
    # Class 1 hangs on no map, class 2 on the negative of the image.
    assert alt != set_to(explorer, label=1)
    assert any("Nowhere do they speak for it" in each for each in texts(explorer))
    assert np.allclose(subject.grad_cams("yours", 2)["maps"], np.maximum(4 / 64 * -image, 0))


def test_the_same_as_written_out_in_notebook_09(recorded, test_set):
    open_book = of_notebook()
    subject = inside(recorded, test_set.images[:3]).subject
    images = data.scale(test_set.images[:3], low=-2.0, high=2.0)
    for label in (0, 5):
        cam = open_book["grad_cam"](recorded, images[[1]], [label])
        assert np.allclose(subject.grad_cams("image 1", label)["relu3_2"], cam[0], atol=1e-5)
        falls = open_book["occlusion"](recorded, images[2], label)
        found = subject.occlusion("image 2", 8)
        ours = subject.forward("image 2")[1][label] - found.scores[..., label]
        assert ours.shape == (13, 13)
        # The notebook's map has the fall of the square that is centred there.
        assert np.allclose(falls[3:29:2, 3:29:2], ours, atol=1e-4)
        assert np.isnan(falls[2]).all() and np.isnan(falls[:, 29]).all()
    maps = open_book["output_of"](recorded, "relu2_2", images[:1])
    assert np.allclose(subject.forward("image 0")[0]["relu2_2"], maps[0], atol=1e-5)
    pictures = open_book["filter_pictures"](recorded)
    drawn = module._round_grey(np.moveaxis(subject.kernel("conv1_1"), -1, 0)[7])
    assert np.abs(drawn - 255 * pictures[7]).max() <= 1


def test_grey_share_is_that_of_notebook_09(recorded):
    shares = of_notebook()["grey_share"](recorded)
    explorer = inside()
    for number in (3, 30):
        set_to(explorer, view="filters", layer="conv1_1", number=number)
        assert f": {100 * shares[number]:.0f} % of its sum of squares" in explorer.drawing.alt


def test_bars_are_the_softmax_of_the_logits(recorded, test_set):
    explorer = inside()
    image = data.scale(test_set.images[[7]], low=-2.0, high=2.0)
    logits = recorded.predict(image, verbose=0)[0]
    shares = np.exp(logits) / np.exp(logits).sum()
    best = np.argsort(-logits)[:5]
    seen = texts(explorer)
    for number in best:
        assert f"{100 * shares[number]:.1f} %" in seen
        assert module.compact(logits[number]) in seen
    assert [f"▸ {test_set.class_names[best[0]]}"] == [each for each in seen if each[:2] == "▸ "][1:]
    # A class that is not among the five takes the place of the fifth.
    last = int(np.argmin(logits))
    set_to(explorer, label=last)
    assert f"▸ {test_set.class_names[last]}" in texts(explorer)
    assert test_set.class_names[best[4]] not in texts(explorer)


def test_a_quantised_network_is_asked_itself():
    """Its last kernel is kept in 8 bits, without the scale that belongs to it."""
    image = np.random.default_rng(0).random((8, 8, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    end = [layers.Flatten(), layers.Dense(3, activation="softmax")]
    network = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), *end])
    network.quantize("int8")
    seen = texts(inside(network, image))
    for share in network.predict(image[None], verbose=0)[0]:
        assert f"{100 * share:.1f} %" in seen


def test_softmax_and_logits_give_the_same_pictures():
    image = NUMBERS.uniform(-1, 1, (8, 8)).astype("float32")
    first, second = (inside(corner_network(softmax), image) for softmax in (False, True))
    raw = corner_network()
    third = inside(keras.Model(raw.input, layers.Softmax()(raw.output)), image)
    fourth = inside(keras.Model(raw.input, layers.Activation("softmax")(raw.output)), image)
    for view in VIEWS:
        drawn = [each.drawing.svg() for each in (first, second, third, fourth)]
        alts = {set_to(each, view=view, label=0) for each in (first, second, third, fourth)}
        assert len(alts) == 1
        assert drawn[0] == drawn[1]
    # A softmax that is no layer: the logarithm of the probability, whose slope is another.
    bare = inside(keras.Model(raw.input, keras.ops.softmax(raw.output)), image)
    assert "log probability" in texts(bare)


def test_a_map_and_its_value(recorded, test_set):
    image = data.scale(test_set.images[[3]], low=-2.0, high=2.0)
    reader = keras.Model(recorded.input, recorded.get_layer("relu2_2").output)
    maps = reader.predict(image, verbose=0)[0]
    explorer = inside()
    set_to(explorer, picture="cat", layer="relu2_2", number=40, row=21, column=9)
    value = module._fine(maps[10, 4, 40])  # 16×16 units lie on 32×32 pixels
    assert f"Map 40 of relu2_2 gives {value} at row 10, column 4" in explorer.drawing.alt
    idle = (maps.min(axis=(0, 1)) == maps.max(axis=(0, 1))).sum()
    told = [each for each in texts(explorer) if "are the same everywhere here" in each]
    assert told == ([f"{idle} of the 64 maps are the same everywhere here."] if idle else [])


def test_what_was_run_once_is_not_run_again(recorded, monkeypatch):
    explorer, runs = inside(recorded), []
    subject = explorer.subject
    run = subject.run

    def counted(images, *more):
        runs.append(len(images))
        return run(images, *more)

    monkeypatch.setattr(subject, "run", counted)
    set_to(explorer, number=3, layer="relu3_2", row=4, column=30)
    assert runs == [], "the first image was passed through when the explorer was made"
    set_to(explorer, view="occlusion", square=6)
    assert sum(runs) == 13 * 13 + 14 * 14, "8×8 and 6×6 pixels"
    runs.clear()
    set_to(explorer, row=1, column=2, label=4, view="Grad-CAM", square=8)
    assert runs == [1]
    set_to(explorer, layer="relu1_1", row=9, view="occlusion")
    set_to(explorer, view="Grad-CAM", column=5)
    assert runs == [1]


# ---------------------------------------------------------------------------------------------
# Controls and pointing
# ---------------------------------------------------------------------------------------------


def test_every_view_is_drawn_as_svg_and_png():
    explorer = inside()
    for view in VIEWS:
        set_to(explorer, view=view)
        for layer in explorer.controls["layer"].options:
            set_to(explorer, layer=layer)
            ElementTree.fromstring(explorer.drawing.svg())
        picture = Image.open(io.BytesIO(explorer.drawing.png()))
        assert picture.size == (2 * 760, 2 * 704)
        assert view in explorer.drawing.alt and len(explorer.drawing.alt) < 300


def test_only_layers_that_a_view_can_show_are_offered():
    explorer = inside()
    offered = explorer.controls["layer"]
    assert "flatten" in offered.options and "logits" in offered.options
    assert explorer.controls["square"].disabled and not explorer.controls["number"].disabled
    set_to(explorer, layer="relu2_2", view="filters")
    assert list(offered.options) == [f"conv{each}" for each in ("1_1 1_2 2_1 2_2 3_1 3_2".split())]
    assert offered.value == "conv2_2" and explorer.controls["number"].max == 63
    assert explorer.controls["row"].disabled
    set_to(explorer, view="Grad-CAM")
    assert offered.value == "relu3_2" and "dense1" not in offered.options
    assert explorer.controls["number"].disabled
    set_to(explorer, view="occlusion")
    assert offered.disabled and not explorer.controls["square"].disabled
    set_to(explorer, view="feature maps", layer="dense1")
    assert explorer.controls["number"].max == 255
    set_to(explorer, number=200)
    assert "Unit 200 of dense1" in explorer.drawing.alt
    assert "dense1, 256 units: 192 to 255" in texts(explorer)
    set_to(explorer, layer="relu1_1")
    assert explorer.controls["number"].value == 31, "the last one that there is"


def test_pointing_chooses_map_class_and_place():
    explorer = inside()
    state = explorer.controls
    set_to(explorer, layer="relu3_2", number=70)
    tile = 330 / 8
    point_at(explorer, 20 + 2.5 * tile, 336 + 1.5 * tile)  # the second row: 64 + 8 + 2
    assert state["number"].value == 74
    point_at(explorer, 410 + 330 * 10.5 / 32, 336 + 330 * 3.5 / 32)
    assert (state["row"].value, state["column"].value) == (3, 10)
    point_at(explorer, 20 + 170 * 30.5 / 32, 50 + 170 * 6.5 / 32)  # the small image
    assert (state["row"].value, state["column"].value) == (6, 30)
    best = np.argsort(-explorer.subject.forward("horse")[1])
    point_at(explorer, 400, 66 + 2 * 31 + 8)
    assert state["label"].value == best[2]
    set_to(explorer, view="occlusion")
    point_at(explorer, 20 + 330 * 12.5 / 32, 336 + 330 * 20.5 / 32)
    assert "Covered round row 20, column 12" in explorer.drawing.alt
    set_to(explorer, view="Grad-CAM")
    point_at(explorer, 410 + 330 * 0.5 / 32, 336 + 330 * 31.5 / 32)
    assert "At row 7, column 0 the maps of relu3_2" in explorer.drawing.alt
    set_to(explorer, view="filters", layer="conv1_1")
    point_at(explorer, 20 + 330 * 4.5 / 6, 336 + 330 * 5.5 / 6)  # there are 32, not 36
    before = state["number"].value
    point_at(explorer, 20 + 330 * 4.5 / 6, 336 + 330 * 0.5 / 6)
    assert (before, state["number"].value) == (31, 4)
    kept = dict(explorer.state)
    for place in ((600, 500), (5, 5), (755, 700), (60, 100)):  # where there is nothing to choose
        point_at(explorer, *place)
    assert explorer.state == kept


def test_a_square_as_large_as_the_image_and_one_pixel():
    explorer = inside()
    set_to(explorer, view="occlusion", square=32)
    assert "1×1 places" in " ".join(texts(explorer))
    set_to(explorer, square=1, row=31, column=31)
    ElementTree.fromstring(explorer.drawing.svg())
    assert "16×16 places, 2 pixels apart" in " ".join(texts(explorer))


# ---------------------------------------------------------------------------------------------
# Networks and images that people bring
# ---------------------------------------------------------------------------------------------


def small_network(shape=(12, 20, 3), classes=4, first=()):
    return keras.Sequential(
        [
            keras.Input(shape),
            *first,
            layers.Conv2D(5, (3, 5), padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes),
        ]
    )


def test_images_are_scaled_as_the_network_needs():
    network = small_network((8, 8, 1))
    image = NUMBERS.integers(0, 256, (8, 8), dtype=np.uint8)

    def taken(**options):
        explorer = inside(network, **options)
        picture = explorer.subject.pictures["yours"]
        return picture.numbers[..., 0], picture.grey, explorer.drawing.note

    numbers, grey, note = taken(image=image)
    assert np.allclose(numbers, image / 255 * 4 - 2, atol=1e-6) and grey == 0
    assert "In the images 0 became −2 and 255 became 2" in note
    numbers, grey, note = taken(image=image, scale={"low": 0.0, "high": 1.0})
    assert np.allclose(numbers, image / 255, atol=1e-6) and grey == 0.5 and note == ""
    numbers, grey, note = taken(image=image / 255 - 0.5)
    assert np.allclose(numbers, image / 255 - 0.5, atol=1e-6) and grey == 0
    assert "go into the network as they are" in note
    numbers, grey, _ = taken(image=image.astype(float))
    assert np.array_equal(numbers, image) and grey == 127.5
    network = small_network((8, 8, 1), first=[layers.Rescaling(1 / 255)])
    numbers, grey, _ = taken(image=image)
    assert np.array_equal(numbers, image) and grey == 127.5


def test_lenet5_sees_its_digits_in_a_frame():
    explorer = inside("lenet5")
    digits, labels, _ = data.load("mnist", "test")
    picture = explorer.subject.pictures["digit 3"]
    expected = data.scale(digits[labels == 3][:1], low=-0.1, high=1.175, border=2)[0]
    assert np.array_equal(picture.numbers, expected)
    set_to(explorer, picture="digit 3")
    assert "answers '3'" in explorer.drawing.alt and explorer.drawing.note == ""


@pytest.mark.parametrize(
    "image, said",
    [
        (np.zeros((4000, 3000, 3), np.uint8), "4000×3000 pixels, the middle 1800×3000"),
        (np.zeros((40, 20), np.uint8), "red, green and blue are alike"),
        (np.zeros((30, 12, 20, 3), np.uint8), "the first 20 of 30"),
    ],
)
def test_any_image_is_made_to_fit_and_that_is_said(image, said):
    explorer = inside(small_network(), image)
    assert explorer.problem == "" and said in explorer.drawing.note
    for view in VIEWS:
        set_to(explorer, view=view)


def test_the_middle_is_cut_out_and_averaged():
    image = np.zeros((8, 24, 3))
    image[:, 8:16] = NUMBERS.random((8, 8, 3))
    picture = inside(small_network((4, 4, 3)), image).subject.pictures["yours"]
    expected = image[:, 8:16].reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.allclose(picture.numbers, expected, atol=1e-6)


def test_colours_become_grey_for_a_grey_network():
    image = NUMBERS.random((8, 8, 3))
    explorer = inside(small_network((8, 8, 1)), image)
    picture = explorer.subject.pictures["yours"]
    assert np.allclose(picture.numbers[..., 0], image.mean(axis=-1), atol=1e-6)
    assert "became grey" in explorer.drawing.note


def test_networks_of_any_size_and_of_other_convolutions():
    image = keras.Input((None, None, 3))
    maps = layers.DepthwiseConv2D(3, depth_multiplier=2, name="deep")(image)
    maps = layers.SeparableConv2D(4, 3)(maps)
    network = keras.Model(image, layers.Dense(3)(layers.GlobalMaxPooling2D()(maps)))
    explorer = inside(network, NUMBERS.random((10, 14, 3)), class_names=["ant", "bee", "cow"])
    assert explorer.problem == ""
    set_to(explorer, view="filters", layer="deep", number=5)
    # The last filter sees the last colour alone.
    kernel = network.get_layer("deep").kernel.numpy()
    assert np.array_equal(explorer.subject.kernel("deep")[:, :, 0, 5], kernel[:, :, 2, 1])
    assert module.compact(kernel[1, 1, 2, 1]) in texts(explorer) or np.abs(kernel).min() < 0.1
    for view in ("feature maps", "occlusion", "Grad-CAM"):
        set_to(explorer, view=view, label=2)
        assert "▸ cow" in texts(explorer)


def test_layers_inside_a_shortcut_have_a_grad_cam():
    image = keras.Input((6, 6, 1))
    first = layers.Conv2D(3, 3, padding="same", name="first")(image)
    second = layers.Conv2D(3, 3, padding="same", name="second")(first)
    maps = layers.Add()([first, second])
    network = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(maps)))
    picture = NUMBERS.normal(size=(6, 6)).astype("float32")
    cam = inside(network, picture).subject.grad_cams("yours", 1)["second"]
    found = keras.Model(image, second)(picture[None, ..., None])[0].numpy()
    weights = network.layers[-1].kernel.numpy()[:, 1] / 36  # the mean over 6×6 places, by hand
    assert np.allclose(cam, np.maximum(found @ weights, 0), atol=1e-6)


def test_a_network_inside_a_network_is_looked_through():
    """The same layers, flat and as a trunk that is called: the same pictures in every view."""
    keras.utils.set_random_seed(0)
    image = NUMBERS.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    flat = keras.Sequential(
        [
            keras.Input((12, 20, 3)),
            layers.Conv2D(5, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(2, name="pool"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(4, name="logits"),
        ]
    )
    trunk = keras.Model(flat.inputs, flat.get_layer("pool").output, name="trunk")
    trunk.trainable = False
    inputs = keras.Input((12, 20, 3))
    maps = layers.RandomFlip(name="flip")(inputs)
    maps = keras.Sequential([trunk], name="outer")(maps, training=False)
    scores = flat.get_layer("logits")(flat.get_layer("mean")(maps))
    for end in (scores, layers.Softmax(name="end")(scores)):
        one, other = inside(flat, image), inside(keras.Model(inputs, end), image)
        assert other.problem == ""
        assert list(one.subject.shapes) == [
            name for name in other.subject.shapes if name not in ("flip", "end")
        ]
        for view in VIEWS:
            for layer in ("conv",) if view == "filters" else ("conv", "pool"):
                state = {"view": view, "layer": layer, "label": 2, "row": 4, "column": 7}
                assert set_to(one, **state) == set_to(other, **state)
        cams = [explorer.subject.grad_cams("yours", 2)["pool"] for explorer in (one, other)]
        np.testing.assert_allclose(*cams, atol=1e-6)
        assert cams[0].max() > 0


def test_one_output_in_a_dict_is_an_output():
    network = small_network()
    named = keras.Model(network.inputs, {"kind": network.outputs[0]})
    image = NUMBERS.random((12, 20, 3))
    assert inside(named, image).drawing.svg() == inside(network, image).drawing.svg()


@pytest.mark.parametrize("names", [["$a_1$", "<b>x</b> & y", "猫\n犬", "😺"]])
def test_class_names_are_shown_as_they_are(names):
    explorer = inside(small_network(), NUMBERS.random((12, 20, 3)), class_names=names)
    for view in VIEWS:
        set_to(explorer, view=view, label=2)
        shown = "\n".join(texts(explorer))
        assert all(name.replace("\n", " ") in shown for name in names)
        Image.open(io.BytesIO(explorer.drawing.png())).load()
    assert [label for label, _ in explorer.controls["label"].options[1:]] == names


def broken_network():
    network = small_network()
    network.set_weights([np.full_like(each, np.nan) for each in network.get_weights()])
    return network


def two_inputs():
    images = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    maps = layers.Conv2D(2, 3)(layers.Add()(images))
    return keras.Model(images, layers.Dense(2)(layers.Flatten()(maps)))


def without_convolution():
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])


class Written(keras.Model):
    """A network written as a class: nobody can look between its layers."""

    def __init__(self):
        super().__init__()
        self.maps = layers.Conv2D(2, 3)

    def call(self, images):
        return self.maps(images)[:, 0, 0]


CHANNELS_FIRST = keras.Sequential([keras.Input((3, 8, 9)), layers.Flatten(), layers.Dense(3)])


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: inside(5), "network: a Keras model or the name of a recorded run, not a int"),
        (lambda: inside("vgg_smal"), "a recorded run must be one of"),
        (lambda: inside("plain20_16"), "no weights of 'plain20_16' are kept"),
        (lambda: inside(two_inputs()), "it has 2 inputs and 1 outputs"),
        (lambda: inside(without_convolution()), "it has no convolution"),
        (lambda: inside(Written()), "begin it with keras.Input"),
        (lambda: inside(CHANNELS_FIRST), "channels last, not (None, 3, 8, 9)"),
        (lambda: inside(small_network(classes=1)), "two classes or more, not (None, 1)"),
        (lambda: inside(small_network((8, 8, 2))), "1 or 3"),
        (lambda: inside(broken_network()), "not finite"),
        (lambda: inside(image=np.zeros((0, 5))), "image: it is empty"),
        (lambda: inside(image=np.zeros((0, 5, 5, 3))), "image: there is none"),
        (lambda: inside(image=np.zeros(5)), "image: the shape must be"),
        (lambda: inside(image="cat"), "image: an array of numbers"),
        (lambda: inside(image=[np.zeros((5, 5, 3)), np.zeros((4, 4, 3))]), "the same size"),
        (lambda: inside(image=np.full((32, 32, 3), np.nan)), "not finite"),
        (lambda: inside(image=np.full((32, 32, 3), 200.0)), "was trained on −2 to 2"),
        (lambda: inside(class_names=["a", "b"]), "class_names: a list of 10 is needed"),
        (lambda: inside(class_names="abcdefghij"), "class_names must be a list"),
        (lambda: inside(scale={"low": 1.0, "high": 1.0}), "scale: two different numbers"),
        (lambda: inside(scale=2), "scale: two different numbers"),
        (lambda: inside(scale={"low": 0.0, "high": 1.0, "border": 16}), "leaves no room"),
    ],
)
def test_what_makes_no_sense_is_said_in_place(make, said):
    explorer = make()
    assert said in explorer.problem
    assert explorer.drawing is None
    assert said in explorer._repr_mimebundle_()[0]["text/plain"]


def test_the_last_picture_stays_when_a_network_fails_later(recorded):
    explorer = inside(recorded)
    kept = explorer.drawing.svg()
    subject = explorer.subject
    subject.run = lambda *given, **options: 1 / 0
    explorer.controls["picture"].value = "ship"
    assert "network: it cannot take an image of 32×32×3" in explorer.problem
    assert explorer.drawing.svg() == kept
    explorer.controls["picture"].value = "horse"
    assert explorer.problem == ""
