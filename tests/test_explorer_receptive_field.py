"""The explorer `receptive_field` without a browser: regions, arithmetic, controls, refusals."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from drawn import texts
from keras import layers
from PIL import Image

from course_utils import arithmetic, models
from course_utils.anatomy import anatomy
from course_utils.arithmetic import Conv, Dense, GlobalPool, Pool
from course_utils.explorers import networks, receptive_field
from course_utils.explorers._receptive_field import LEFT, LINE, MAP, RIGHT, TOP, Scene, pixels_read

ROOT = Path(__file__).parents[1]


def numbers_of(network):
    return {layer.name: number for number, layer in enumerate(network.rows)}


def choose(explorer, name):
    """Chooses a layer by its name."""
    values = {words.split(",")[0]: value for words, value in explorer.controls["layer"].options}
    explorer.controls["layer"].value = values[name]


# ---------------------------------------------------------------------------------------------
# The region, against gradients
# ---------------------------------------------------------------------------------------------


def straight():
    """Kernels of even and odd size, strides, dilation, 'same' and 'valid', unlike axes."""
    return keras.Sequential(
        [
            keras.Input((37, 30, 2)),
            layers.Conv2D(2, (4, 3), strides=(2, 1), padding="same", name="even"),
            layers.AveragePooling2D(3, strides=2, padding="same", name="average"),
            layers.Conv2D(2, 3, dilation_rate=2, padding="same", name="dilated"),
            layers.ZeroPadding2D(((0, 2), (1, 0)), name="zeros"),
            layers.Cropping2D(((1, 0), (0, 1)), name="cropped"),
            layers.DepthwiseConv2D(2, strides=2, name="depthwise"),
        ]
    )


def gaps():
    """Strides longer than the window: rows and columns that nobody reads, also inside."""
    return keras.Sequential(
        [
            keras.Input((20, 23, 1)),
            layers.Conv2D(1, 2, strides=3, name="first"),
            layers.Conv2D(1, 1, strides=2, padding="same", name="strided"),
            layers.Conv2D(1, 3, padding="same", name="last"),
        ]
    )


def branches():
    """A residual block with a strided shortcut, and an inception-like one."""
    image = keras.Input((24, 24, 2))
    main = layers.Conv2D(3, 3, padding="same", name="a")(image)
    main = layers.ZeroPadding2D(1, name="pad")(main)
    main = layers.Conv2D(3, 3, strides=2, name="b")(main)
    short = layers.Conv2D(3, 1, strides=2, name="shortcut")(image)
    outputs = layers.Add(name="add")([short, main])
    parts = [layers.Conv2D(2, size, padding="same", name=f"p{size}")(outputs) for size in (1, 3, 5)]
    outputs = layers.Concatenate(name="joined")(parts)
    return keras.Model(image, layers.AveragePooling2D(2, name="end")(outputs))


def beside():
    """Branches that look at different places, because 'same' pads the strided one unequally."""
    image = keras.Input((16, 16, 1))
    wide = layers.Conv2D(1, 4, strides=2, padding="same", name="wide")(image)
    narrow = layers.Cropping2D(((3, 0), (3, 0)), name="off")(image)
    narrow = layers.Conv2D(1, 2, strides=2, padding="same", name="narrow")(narrow)
    wide = layers.Cropping2D(((0, 1), (0, 1)), name="cut")(wide)
    return keras.Model(image, layers.Add(name="sum")([wide, narrow]))


LINEAR = {"straight": straight, "gaps": gaps, "branches": branches, "beside": beside}
RESIDUAL = {
    "resnet8": lambda: models.resnet_cifar(8, input_shape=(20, 20, 3)),
    "resnet8 B": lambda: models.resnet_cifar(8, shortcut="B", input_shape=(20, 20, 3)),
    "resnet18": lambda: models.resnet(18, input_shape=(64, 64, 3), classes=5),
    "bottlenecks": lambda: models.resnet(50, "v1", (40, 40, 3), 5),
}


def with_ones(network):
    """All weights positive, so that nothing cancels and every ReLU passes what it gets."""
    for weight in network.weights:
        if "kernel" in weight.path:
            weight.assign(np.full(weight.shape, 1 / np.prod(weight.shape[:-1])))
    return network


def averaging(layer):
    """The layer, or in the place of a max pooling an average: its gradient goes to every pixel."""
    if not isinstance(layer, layers.MaxPooling2D):
        return type(layer).from_config(layer.get_config())
    return layers.AveragePooling2D(layer.pool_size, layer.strides, layer.padding, name=layer.name)


@pytest.mark.parametrize("name", LINEAR)
def test_the_pixels_are_those_that_change_a_unit(name):
    """Every pixel by itself: an image that is 1 there, through kernels of ones, at every unit."""
    network = with_ones(LINEAR[name]())
    height, width, channels = network.inputs[0].shape[1:]
    images = np.eye(height * width, dtype="float32").reshape(-1, height, width, 1)
    images = np.repeat(images, channels, axis=-1)
    read, tried = networks.read(network), 0
    for number, layer in enumerate(read.rows):
        outputs = network.get_layer(layer.name).output
        answers = np.asarray(keras.Model(network.inputs[0], outputs)(images)).any(axis=-1)
        answers = answers.reshape(height, width, *layer.output_shape[:2])
        for unit in np.ndindex(*layer.output_shape[:2]):
            seen = answers[:, :, unit[0], unit[1]]
            expected = [np.flatnonzero(seen.any(axis=axis)).tolist() for axis in (1, 0)]
            found = [axis.tolist() for axis in pixels_read(read, number, unit)]
            assert found == expected, (layer.name, unit)
            tried += 1
    assert tried > 80


@pytest.mark.parametrize("name", RESIDUAL)
def test_the_pixels_are_those_with_a_gradient(name):
    network = with_ones(keras.models.clone_model(RESIDUAL[name](), clone_function=averaging))
    read, tried = networks.read(network), 0
    image = tf.Variable(np.ones((1, *read.input_shape), "float32"))
    chosen = [n for n, layer in enumerate(read.rows) if layer.changes and n > 8]
    for number in chosen[:: 1 + len(chosen) // 4]:
        row = read.rows[number]
        part = keras.Model(network.inputs[0], network.get_layer(row.name).output)
        rows, columns = row.output_shape[:2]
        units = ((0, 0), (rows // 2, columns // 3), (rows - 1, 0))
        with tf.GradientTape(persistent=True) as tape:
            maps = part(image)[0]
            values = [tf.reduce_sum(maps[unit]) for unit in units]
        for unit, value in zip(units, values, strict=True):
            seen = tape.gradient(value, image).numpy()[0].any(axis=-1)
            expected = [np.flatnonzero(seen.any(axis=axis)).tolist() for axis in (1, 0)]
            found = [axis.tolist() for axis in pixels_read(read, number, unit)]
            assert found == expected, (row.name, unit)
            tried += 1
    assert tried > 8


BUILT = {**LINEAR, **RESIDUAL}


@pytest.mark.parametrize("name", [name for name in BUILT if name not in ("gaps", "beside")])
def test_the_frame_goes_round_the_pixels(name):
    """Where no pixel is lost, a unit depends on all of its region that is in the image."""
    read = networks.read(BUILT[name])
    last = max(number for number, layer in enumerate(read.rows) if layer.changes)
    rows, columns = read.rows[last].output_shape[:2]
    for unit in ((0, 0), (rows // 2, columns // 2), (rows - 1, columns - 1)):
        seen = Scene(read, last, *unit)
        for (first, end), size, pixels in zip(seen.regions, seen.size, seen.pixels, strict=True):
            if name == "straight":
                assert first <= pixels[0] and pixels[-1] <= end  # its cropping loses some
            else:
                assert list(pixels) == list(range(max(0, first), min(end + 1, size)))


@pytest.mark.parametrize(
    "build",
    [
        *(models.lenet5, models.alexnet, models.vgg, models.alexnet_small, models.vgg_small),
        *(models.resnet, models.resnet_cifar, straight, gaps, branches),
    ],
)
def test_sizes_are_those_of_anatomy(build):
    read, rows = networks.read(build), anatomy(build).rows
    assert read.rows == rows
    known = 0
    for number, row in enumerate(rows):
        if isinstance(row.receptive_field, tuple):
            assert tuple(axis.size for axis in read.fields[number]) == row.receptive_field, row.name
            known += 1
        else:
            assert read.fields[number] is None
    assert known > 2


def test_a_stack_is_read_as_arithmetic_reads_it():
    stack = [Conv(8, (3, 5), strides=(2, 1), padding="same"), Pool(3, strides=2), Conv(6, 3)]
    shape = (40, 32, 4)
    readings = arithmetic.read_stack(shape, stack)
    read = networks.read_stack("mine", shape, [*stack, GlobalPool(), Dense(7)])
    assert [layer.name for layer in read.rows] == [
        *("conv1", "pool1", "conv2", "globalpool1", "dense1")
    ]
    for number, reading in enumerate(readings):
        row = read.rows[number]
        assert row.output_shape == reading.output_shape
        assert row.parameters == reading.parameters
        assert row.multiply_adds == reading.multiply_adds
        assert row.activation_bytes == 4 * np.prod(reading.output_shape)
        assert tuple(axis.size for axis in read.fields[number]) == reading.receptive_field
    assert read.fields[3] is None and read.fields[4] is None
    # and where the units look, against the windows themselves
    first = arithmetic.windows(40, 3, 2, "same")
    assert [read.fields[0][0].region(unit) for unit in range(20)] == [(w[0], w[-1]) for w in first]


# ---------------------------------------------------------------------------------------------
# The picture and its controls
# ---------------------------------------------------------------------------------------------


def test_the_first_picture_needs_no_keras():
    code = (
        "import sys; from course_utils.explorers import receptive_field as shown; "
        "e = shown(); assert not e.problem; print('keras' in sys.modules, e.drawing.alt)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ran.stdout.startswith("False LeNet, pool2")


def test_the_first_picture():
    explorer = receptive_field()
    # by hand: 1 + 4·1 = 5, 5 + 1·1 = 6, 6 + 4·2 = 14, 14 + 1·2 = 16; unit 2 starts at 2·4 = 8
    assert "sees 16×16 pixels" in explorer.drawing.alt
    assert "rows 8 to 23, columns 8 to 23" in explorer.drawing.alt
    found = texts(explorer)
    assert "It sees 16×16 pixels." in found
    for line in ("1 + (5 − 1)·1 =", "5 + (2 − 1)·1 =", "6 + (5 − 1)·2 =", "14 + (2 − 1)·2 ="):
        assert line in found
    assert explorer.drawing.note == ""
    assert Image.open(io.BytesIO(explorer.drawing.png())).width == 1520


def test_only_what_is_seen_has_full_colours():
    image = np.full((12, 12), 100, np.uint8)
    explorer = receptive_field([Conv(1, 2, strides=3)], image)
    explorer.controls["row"].value, explorer.controls["column"].value = 1, 2
    pixels = next(shape for shape in explorer.drawing._shapes if shape[0] == "image")[5]
    assert sorted(zip(*(axis.tolist() for axis in np.nonzero(pixels == 100)), strict=True)) == [
        *((3, 6), (3, 7), (4, 6), (4, 7))
    ]
    assert (pixels == 100).sum() == 4


def test_layers_and_units_follow_each_other():
    explorer = receptive_field()
    controls = explorer.controls
    assert [words for words, _ in controls["layer"].options] == [
        *("conv1, 28×28", "pool1, 14×14", "conv2, 10×10", "pool2, 5×5", "conv3, 1×1")
    ]
    choose(explorer, "conv1")
    assert (controls["row"].max, controls["column"].max) == (27, 27)
    assert (controls["row"].value, controls["column"].value) == (14, 14)  # the middle, as before
    controls["row"].value, controls["column"].value = 27, 3
    assert "rows 27 to 31, columns 3 to 7" in explorer.drawing.alt
    choose(explorer, "conv3")
    assert controls["row"].max == 0 and controls["row"].disabled
    assert "rows 0 to 31, columns 0 to 31" in explorer.drawing.alt
    choose(explorer, "pool1")
    assert not controls["row"].disabled
    assert explorer.problem == ""


def test_pointing_at_the_map_the_image_and_the_table():
    explorer = receptive_field()
    cell = MAP / 5
    explorer._pointed(f"{RIGHT + 3.5 * cell} {TOP + 1.5 * cell} 1")
    assert (explorer.controls["row"].value, explorer.controls["column"].value) == (1, 3)
    assert "rows 4 to 19, columns 12 to 27" in explorer.drawing.alt
    pixel = 320 / 32
    explorer._pointed(f"{LEFT + 24.5 * pixel} {TOP + 7.5 * pixel} 2")  # regions 0 to 15, 16 to 31
    assert (explorer.controls["row"].value, explorer.controls["column"].value) == (0, 4)
    explorer._pointed(f"{LEFT + 1} {TOP + 319} 3")
    assert (explorer.controls["row"].value, explorer.controls["column"].value) == (4, 0)
    before = explorer.drawing.alt
    explorer._pointed("700 200 4")  # beside the map
    assert explorer.drawing.alt == before
    line = TOP + 320 + 88 + LINE  # the table's second line
    explorer._pointed(f"100 {line} 5")
    assert "pool1: the unit in row 12" in explorer.drawing.alt
    explorer._pointed(f"100 {line + 10 * LINE} 6")  # below the last one
    assert "pool1: the unit in row 12" in explorer.drawing.alt and not explorer.problem


def test_a_network_of_the_course():
    explorer = receptive_field()
    explorer.controls["network"].value = "VGG-16"
    choose(explorer, "pool5")
    explorer.controls["row"].value, explorer.controls["column"].value = 0, 3
    # 212 pixels; 13 convolutions pad 1 each: 2·(1 + 2) + 3·(4 + 8 + 16) = 90 pixels before
    assert "sees 212×212 pixels" in explorer.drawing.alt
    assert "rows −90 to 121, columns 6 to 217" in explorer.drawing.alt
    assert "196 + (2 − 1)·16 =" in texts(explorer)
    explorer.controls["network"].value = "resnet20"
    assert len(explorer.controls["layer"].options) == 19 + 2  # two shortcuts have a stride
    explorer.controls["network"].value = "LeNet"
    assert "LeNet, pool2" in explorer.drawing.alt and not explorer.problem


def test_a_long_table_gathers_what_is_alike():
    explorer = receptive_field("ResNet-152")
    choose(explorer, "stage4_block3_conv2")
    found = texts(explorer)
    # 36 blocks with a 3×3 convolution each, where neighbours are 16 pixels apart
    assert "163 + 36·(3 − 1)·16 =" in found and "36 of 3×3" in found
    assert "It sees 1507×1507 pixels." in found
    assert "larger than the image" in explorer.drawing.note
    assert explorer.drawing.height < 750


def test_ones_own_image_is_cut_and_scaled():
    image = np.zeros((30, 50, 3))
    image[:, 10:40] = 1  # what remains when it is cut to a square
    explorer = receptive_field("vgg_small", image)
    assert "cut and scaled from 30×50" in explorer.drawing.note
    choose(explorer, "pool3")
    explorer.controls["row"].value, explorer.controls["column"].value = 1, 1
    pixels = next(shape for shape in explorer.drawing._shapes if shape[0] == "image")[5]
    assert pixels.shape == (32, 32, 3) and (pixels > 250).all()
    explorer = receptive_field([Conv(1, 3)], np.zeros((4000, 3000), np.uint8))
    assert "4000×3000 pixels were scaled" in explorer.drawing.note
    explorer = receptive_field([Conv(1, 3)], np.arange(35).reshape(5, 7))
    assert "an image of 5×7" in explorer.drawing.alt and explorer.drawing.note == ""


def test_ones_own_networks():
    explorer = receptive_field([Conv(1, (3, 5), strides=(1, 2)), Conv(1, 3, dilation_rate=3)])
    choose(explorer, "conv2")
    found = texts(explorer)
    # down 3 + 6·1 = 9; across 5 + 6·2 = 17
    assert "It sees 9×17 pixels." in found
    assert "3 + (7 − 1)·1 =" in found and "5 + (7 − 1)·2 =" in found
    explorer._pointed(f"100 {TOP + 320 + 88} 1")
    assert "conv1" in explorer.drawing.alt
    for own in (straight, straight()):
        explorer = receptive_field(own)
        assert explorer.controls["network"].value == "yours"
        explorer.controls["network"].value = "LeNet"
        explorer.controls["network"].value = "yours"
        choose(explorer, "depthwise")
        assert explorer.problem == ""
    # AlexNet's first layers fit no small picture
    deep = [Conv(96, 11, strides=4), Pool(3, 2), Pool(3, 2), Pool(3, 2)]
    assert "an image of 227×227" in receptive_field(deep).drawing.alt


def test_what_a_reader_may_not_expect():
    explorer = receptive_field([Conv(1, 2, strides=3), Conv(1, 2)], np.zeros((9, 9)))
    choose(explorer, "conv2")
    assert "Of the 5 rows and 5 columns" in explorer.drawing.note
    assert "it depends on 4 and 4" in explorer.drawing.note
    explorer = receptive_field([Conv(1, 1, strides=2, padding=3)], np.zeros((4, 4)))
    explorer.controls["row"].value = 0
    assert "padding alone" in explorer.drawing.note
    assert "rows −3 to −3" in explorer.drawing.alt
    explorer = receptive_field(beside)
    explorer.controls["layer"].value = explorer.controls["layer"].options[0][1]
    assert explorer.problem == ""


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((7,), "network: a Keras model or a function"),
        (("VGG-17",), "there is no 'VGG-17'"),
        ((np.zeros((3, 3)),), "network: a Keras model or a function"),
        ((lambda: 5,), "the function must build a Keras model"),
        ((lambda size: size,), "network: a Keras model or a function"),
        ((layers.Conv2D(1, 3),), "network: a Keras model or a function"),
        (([],), "no layer with a window"),
        (([Dense(3)],), "no layer with a window"),
        (([Conv(1, 3), "pool"],), "layer 2"),
        (([Conv(1, 300)],), "network: layer 1"),
        (([Conv(1, 3)], np.zeros((2, 2))), "layer 1"),
        ((None, np.zeros((0, 3))), "image: it is empty"),
        ((None, np.zeros((2, 3, 4, 5))), "image: the shape must be"),
        ((None, "cat.png"), "image: an array of numbers is needed"),
        ((keras.Sequential([keras.Input((5,)), layers.Dense(2)]),), "no layer with a window"),
        ((keras.Sequential([layers.Conv2D(2, 3)]),), "built and with one input"),
    ],
)
def test_what_makes_no_sense_is_said_in_place(arguments, words):
    explorer = receptive_field(*arguments)
    assert words in explorer.problem
    assert 'role="alert"' in explorer._message.value
    assert explorer._repr_mimebundle_()[0]["text/plain"] == explorer.problem


def test_the_last_picture_stays(monkeypatch):
    explorer = receptive_field()
    picture = explorer._picture.value
    monkeypatch.setitem(networks.BUILDERS, "VGG-11", ("vgg", {"configuration": "Z"}))
    networks.named.cache_clear()
    explorer.controls["network"].value = "VGG-11"
    assert "configuration must be one of" in explorer.problem
    assert explorer._picture.value == picture
    explorer.controls["network"].value = "LeNet"
    assert explorer.problem == ""
