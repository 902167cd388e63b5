"""The table of a network, against counts by hand, `arithmetic`, gradients and known networks."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import json
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from course_utils import arithmetic, models
from course_utils.anatomy import Anatomy, Row, Window, anatomy

ROOT = Path(__file__).parents[1]


def rows_of(network):
    return {row.name: row for row in anatomy(network).rows}


# ---------------------------------------------------------------------------------------------
# Known networks
# ---------------------------------------------------------------------------------------------

# From the paper and by hand: output, parameters, multiply-adds, receptive field.
LENET5 = {
    "C1": ((28, 28, 6), 156, 28 * 28 * 6 * 25, (5, 5)),
    "S2": ((14, 14, 6), 12, 14 * 14 * 6, (6, 6)),
    "C3": ((10, 10, 16), 1_516, 10 * 10 * 60 * 25, (14, 14)),
    "S4": ((5, 5, 16), 32, 5 * 5 * 16, (16, 16)),
    "C5": ((1, 1, 120), 48_120, 16 * 25 * 120, (32, 32)),
    "flatten": ((120,), 0, 0, (32, 32)),
    "F6": ((84,), 10_164, 120 * 84, None),
    "output": ((10,), 0, 84 * 10, None),
}


def test_lenet5_as_its_paper_counts_it():
    table = anatomy(models.lenet5())
    drawn = {row.name: row for row in table.rows if not row.name.endswith("_squash")}
    assert list(drawn) == list(LENET5)
    for name, (shape, parameters, multiply_adds, field) in LENET5.items():
        row = drawn[name]
        assert row.output_shape == shape, name
        assert row.parameters == parameters, name
        assert row.multiply_adds == multiply_adds, name
        assert row.receptive_field == field, name
        assert row.activation_bytes == 4 * np.prod(shape), name
    assert [row.name for row in table.rows if row.name.endswith("_squash")] == [
        f"{name}_squash" for name in ("C1", "S2", "C3", "S4", "C5", "F6")
    ]


def test_the_sums_are_those_of_the_rows():
    table = anatomy(models.lenet5())
    assert table.name == "lenet5"
    assert table.parameters == sum(row.parameters for row in table.rows) == 60_000
    assert table.multiply_adds == sum(entry[2] for entry in LENET5.values())
    assert table.activation_bytes == sum(row.activation_bytes for row in table.rows)


@pytest.mark.parametrize(
    "build, parameters, last_map, field",
    [
        (lambda: keras.applications.VGG16(weights=None), 138_357_544, "block5_pool", 212),
        (lambda: keras.applications.ResNet50(weights=None), 25_583_592, "conv5_block3_out", 483),
    ],
    ids=["VGG-16", "ResNet-50"],
)
def test_networks_that_everybody_knows(build, parameters, last_map, field):
    table = anatomy(build)
    assert table.parameters == sum(row.parameters for row in table.rows) == parameters
    rows = {row.name: row for row in table.rows}
    assert rows[last_map].receptive_field == (field, field)


def test_vgg16_takes_15_5_billion_multiply_adds():
    # 15,346,630,656 in its convolutions and 123,633,664 in its dense layers, by hand.
    table = anatomy(lambda: keras.applications.VGG16(weights=None))
    assert table.multiply_adds == 15_346_630_656 + 123_633_664


# ---------------------------------------------------------------------------------------------
# Agreement with `arithmetic`
# ---------------------------------------------------------------------------------------------


def test_it_agrees_with_arithmetic():
    network = keras.Sequential(
        [
            keras.Input((40, 32, 4)),
            layers.Conv2D(8, (3, 5), strides=(2, 1), padding="same"),
            layers.MaxPooling2D(3, strides=2),
            layers.Conv2D(6, 3, dilation_rate=2, groups=2, use_bias=False),
            layers.AveragePooling2D(2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(7),
        ]
    )
    stack = [
        arithmetic.Conv(8, (3, 5), strides=(2, 1), padding="same"),
        arithmetic.Pool(3, strides=2),
        arithmetic.Conv(6, 3, dilation_rate=2, groups=2, use_bias=False),
        arithmetic.Pool(2),
        arithmetic.GlobalPool(),
        arithmetic.Dense(7),
    ]
    readings = arithmetic.read_stack((40, 32, 4), stack)
    for row, reading in zip(anatomy(network).rows, readings, strict=True):
        assert row.output_shape == reading.output_shape, row.name
        assert row.parameters == reading.parameters, row.name
        assert row.multiply_adds == reading.multiply_adds, row.name
        # Where a unit sees everything, one says so and the other gives the image's size.
        assert (row.receptive_field or (40, 32)) == reading.receptive_field, row.name


@pytest.mark.parametrize(
    "layer, multiply_adds",
    [
        (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), 8 * 8 * 12 * 9),
        (layers.Conv2D(4, 1, padding="same"), 8 * 8 * 4 * 6),
        (layers.Dense(5), 8 * 8 * 5 * 6),
        (layers.BatchNormalization(), 0),
        (layers.ReLU(), 0),
        (layers.SeparableConv2D(4, 3), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_multiply_adds_of_other_layers(layer, multiply_adds):
    (row,) = anatomy(keras.Sequential([keras.Input((8, 8, 6)), layer])).rows
    assert row.multiply_adds == multiply_adds


def test_batch_normalisation_counts_what_is_trained():
    (row,) = anatomy(keras.Sequential([keras.Input((8, 8, 6)), layers.BatchNormalization()])).rows
    assert row.parameters == 12  # the moving mean and variance are not learned


# ---------------------------------------------------------------------------------------------
# Receptive fields against gradients
# ---------------------------------------------------------------------------------------------


def measured_field(network):
    """The height and width of what moves the unit in the middle, over ten random images."""
    image = tf.Variable(np.random.default_rng(0).random((10, *network.input_shape[1:]), "float32"))
    with tf.GradientTape() as tape:
        outputs = network(image)
        height, width = outputs.shape[1:3]
        unit = tf.reduce_sum(outputs[:, height // 2, width // 2])
    moved = np.abs(tape.gradient(unit, image)).sum(axis=(0, -1)) > 0
    rows, columns = np.flatnonzero(moved.any(axis=1)), np.flatnonzero(moved.any(axis=0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def with_a_skip_and_a_dilation():
    image = keras.Input((31, 31, 2))
    first = layers.Conv2D(4, 3, padding="same")(image)
    branch = layers.Conv2D(4, (3, 5), dilation_rate=2, padding="same")(first)
    branch = layers.Conv2D(4, 3, padding="same")(branch)
    return keras.Model(image, layers.Add(name="last")([first, branch]))


def with_branches_side_by_side():
    image = keras.Input((32, 32, 1))
    narrow = layers.Conv2D(2, 1, padding="same")(image)
    wide = layers.Conv2D(2, 7, padding="same")(image)
    joined = layers.Concatenate()([narrow, wide])
    joined = layers.MaxPooling2D(2)(joined)
    return keras.Model(image, layers.Conv2D(1, 3, name="last")(joined))


def with_strides():
    return keras.Sequential(
        [
            keras.Input((45, 45, 1)),
            layers.Conv2D(2, 3, strides=2),
            layers.AveragePooling2D(3, strides=2),
            layers.BatchNormalization(),
            layers.Conv2D(2, (1, 4), activation="tanh", name="last"),
        ]
    )


def with_shifted_branches():
    """The difference of neighbouring rows, and a window on it."""
    image = keras.Input((12, 12, 1))
    lower, upper = layers.Cropping2D(((1, 0), (0, 0))), layers.Cropping2D(((0, 1), (0, 0)))
    slope = layers.Subtract()([lower(image), upper(image)])
    return keras.Model(image, layers.Conv2D(1, 3, name="last")(slope))


@pytest.mark.parametrize(
    "build, field",
    [
        (with_shifted_branches, (4, 3)),
        (with_a_skip_and_a_dilation, (9, 13)),
        (with_branches_side_by_side, (12, 12)),
        (with_strides, (7, 19)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_receptive_field_is_where_gradients_go(build, field):
    keras.utils.set_random_seed(0)
    network = build()
    assert rows_of(network)["last"].receptive_field == field
    assert measured_field(network) == field


class Identity(layers.Layer):
    """Not what its name says: it mixes all places. A name is no knowledge."""

    def call(self, maps):
        return maps + keras.ops.mean(maps, axis=(1, 2), keepdims=True)


@pytest.mark.parametrize(
    "layer",
    [
        *(layers.UpSampling2D(2), layers.Conv2DTranspose(2, 3), layers.Permute((2, 1, 3))),
        *(Identity(), layers.Softmax(axis=(1, 2))),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_is_not_known_is_not_guessed(layer):
    table = anatomy(
        keras.Sequential([keras.Input((9, 9, 1)), layer, layers.Conv2D(2, 3), layers.Flatten()])
    )
    assert [row.receptive_field for row in table.rows] == ["?"] * 3
    assert table.rows[0].multiply_adds in (None, 0)  # 0 for a softmax
    assert isinstance(layer, layers.Softmax) or f"≥ {table.rows[1].multiply_adds:,}" in str(table)


def test_a_frozen_layer_costs_what_it_costs():
    frozen = layers.SeparableConv2D(4, 3, trainable=False)
    (row,) = anatomy(keras.Sequential([keras.Input((8, 8, 6)), frozen])).rows
    assert (row.parameters, row.multiply_adds) == (0, None)


def test_after_a_global_pooling_a_unit_sees_everything():
    for keepdims in (False, True):
        pooling = layers.GlobalMaxPooling2D(keepdims=keepdims)
        rows = anatomy(
            keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(2, 3), pooling])
        ).rows
        assert [row.receptive_field for row in rows] == [(3, 3), None]


# ---------------------------------------------------------------------------------------------
# A builder instead of a network
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [models.lenet5, models.lenet5_modern, with_strides])
def test_a_builder_gives_the_table_of_what_it_builds(build):
    def as_tuples(table):
        # Keras numbers layers without a name from thread to thread anew.
        return [row._replace(name="") for row in table.rows], table.parameters

    assert as_tuples(anatomy(build)) == as_tuples(anatomy(build()))


def test_after_a_builder_networks_are_built_as_before():
    keras.utils.set_random_seed(0)
    expected = models.lenet5_modern().get_weights()
    anatomy(models.lenet5)
    keras.utils.set_random_seed(0)
    network = models.lenet5_modern()
    for old, new in zip(expected, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    network.compile("sgd", "mse")
    network.fit(np.zeros((2, 28, 28, 1)), np.zeros((2, 10)), verbose=0)


def test_a_builders_error_reaches_its_caller():
    class Mine(Exception):
        pass

    def build():
        raise Mine("in the builder")

    running = threading.active_count()
    with pytest.raises(Mine, match="in the builder"):
        anatomy(build)
    assert threading.active_count() == running
    models.lenet5_modern()(np.zeros((1, 28, 28, 1)))  # and nothing is left in disorder


MEMORY = """
import json, os, resource
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
from keras import layers
from course_utils.anatomy import anatomy

def build():
    return keras.Sequential([keras.Input((8192,)), layers.Dense(16384), layers.Dense(8192)])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

anatomy(lambda: keras.Sequential([keras.Input((8,)), layers.Dense(16), layers.Dense(8)]))
before = peak()
table = anatomy(build)
after = peak()
small = keras.Sequential([keras.Input((8,)), layers.Dense(16), layers.Dense(8)])
values = [float(abs(weight.numpy()).sum()) for weight in small.weights]
print(json.dumps([table.parameters, after - before, peak() - before, values]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")
def test_a_gigabyte_of_weights_is_never_made():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    parameters, grown, grown_later, values = json.loads(done.stdout)
    assert parameters == 2 * 8192 * 16384 + 16384 + 8192
    unit = 1024 if sys.platform == "darwin" else 1  # macOS counts bytes, Linux kilobytes
    assert grown / unit < 100
    assert grown_later / unit < 100  # nor made later, when the next network is built
    assert values[0] > 0 and values[1] == 0  # which has its own weights


# ---------------------------------------------------------------------------------------------
# What cannot be read
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", [3, "lenet5", None, np.zeros(3)])
def test_what_is_no_network_is_refused(mistake):
    with pytest.raises(TypeError, match="a Keras model or a function that builds one"):
        anatomy(mistake)
    with pytest.raises(TypeError, match="must build a Keras model, but it gives"):
        anatomy(lambda: mistake)


class Written(keras.Model):
    """A network that is written as a class."""

    def __init__(self):
        super().__init__(name="mistake")
        self.dense = layers.Dense(3)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.dense(inputs)


def built_class():
    network = Written()
    network(np.zeros((1, 4)))
    return network


def two_inputs():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(inputs, layers.Add()(inputs), name="mistake")


def a_layer_twice():
    image, layer = keras.Input((8, 8, 3)), layers.Conv2D(3, 3)
    return keras.Model(image, layers.ReLU()(layer(layer(image))), name="mistake")


def outside_a_layer():
    image = keras.Input((8, 8, 3))
    summed = layers.Conv2D(3, 3, padding="same")(image) + image
    return keras.Model(image, layers.ReLU()(summed), name="mistake")


def unknown_length():
    image = keras.Input((64, 8))
    mixed = layers.EinsumDense("abc,cd->abd", output_shape=(None, 16), name="mistake")
    return keras.Model(image, mixed(image))


def any_size():
    return keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(3, 3)], name="mistake")


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: keras.Sequential([layers.Dense(3)], name="mistake"), "built and with one input"),
        (Written, "functional or sequential"),
        (built_class, "functional or sequential"),
        (two_inputs, "one input"),
        (a_layer_twice, "call each layer once"),
        (outside_a_layer, "additions and the like as layers"),
        (any_size, "give its input a size"),
        (unknown_length, "gives .*, of no known size"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_network_that_cannot_be_read_is_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message) as refused:
        anatomy(build())
    assert "mistake" in str(refused.value)


# ---------------------------------------------------------------------------------------------
# Networks as people build them
# ---------------------------------------------------------------------------------------------


def test_models_inside_are_read_with_the_network():
    def trunk(size):
        maps = [layers.Conv2D(4, 3, name="a"), layers.MaxPooling2D(2, name="b")]
        return keras.Sequential([keras.Input((size, size, 3)), *maps], name="trunk")

    head = [layers.Conv2D(5, 3, name="c"), layers.Flatten(name="d"), layers.Dense(2, name="e")]
    flat = keras.Sequential([*trunk(16).layers, *head])
    inputs = keras.Input((16, 16, 3))
    maps = keras.Sequential([layers.Rescaling(1.0, name="s"), trunk(None)])(inputs)
    for layer in (type(layer).from_config(layer.get_config()) for layer in head):
        maps = layer(maps)
    nested = keras.Model(inputs, maps)
    expected, table = anatomy(keras.Sequential([keras.Input((16, 16, 3)), flat])), anatomy(nested)
    assert [row.name for row in table.rows] == ["s", *(row.name for row in expected.rows)]
    for row, other in zip(table.rows[1:], expected.rows, strict=True):
        assert row._replace(inputs=()) == other._replace(inputs=())
        assert row.inputs == (other.inputs[0] + 1,)
    assert table.parameters == expected.parameters == anatomy(flat).parameters
    assert table.multiply_adds == anatomy(flat).multiply_adds


def test_a_model_called_twice_is_refused():
    block = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")])
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="call each layer once"):
        anatomy(keras.Model(inputs, block(block(inputs))))


def test_layers_of_another_network_are_read_where_they_now_stand():
    first = keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(2, 3), layers.Conv2D(2, 3)])
    inputs = keras.Input((17, 17, 1))
    maps = first.layers[1](layers.MaxPooling2D(2)(layers.Conv2D(2, 2)(inputs)))
    rows = anatomy(keras.Model(inputs, maps)).rows
    assert rows[-1].output_shape == (6, 6, 2) and rows[-1].receptive_field == (7, 7)


PREPARING = [
    (layers.Rescaling(1 / 255), (5, 5)),
    (layers.Normalization(mean=[0.0] * 3, variance=[1.0] * 3), (5, 5)),
    (layers.RandomFlip(), (5, 5)),
    (layers.RandomZoom(0.1), (5, 5)),
    (layers.RandomRotation(0.1), (5, 5)),
    (layers.Resizing(20, 24), (5, 5)),
    (layers.CenterCrop(8, 8), (5, 5)),
]


@pytest.mark.parametrize("layer, field", PREPARING, ids=lambda value: type(value).__name__)
def test_what_prepares_images_hides_no_convolution(layer, field):
    network = keras.Sequential([keras.Input((12, 12, 3)), layer, layers.Conv2D(4, 5)])
    rows = anatomy(network).rows
    assert [row.receptive_field for row in rows] == [(1, 1), field]
    assert rows[0].multiply_adds == 0


def test_a_resizing_behind_a_window_is_not_guessed():
    network = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Conv2D(4, 5), layers.Resizing(4, 4), layers.Conv2D(2, 3)]
    )
    assert [row.receptive_field for row in anatomy(network).rows] == [(5, 5), "?", "?"]


def test_a_row_says_what_it_reads_and_what_it_is():
    rows = rows_of(with_a_skip_and_a_dilation())
    names = list(rows)
    assert [row.role for row in rows.values()] == ["convolution"] * 3 + ["joining"]
    assert rows[names[0]].inputs == (-1,) and rows["last"].inputs == (0, 2)
    assert rows[names[1]].windows == (Window(3, 1, 2, -2), Window(5, 1, 2, -4))

    class Wide(layers.Conv2D):
        pass

    own = keras.Sequential([keras.Input((8, 8, 3)), Wide(2, 3), layers.PReLU(), layers.Flatten()])
    assert [row.role for row in anatomy(own).rows] == ["convolution", "activation", "other"]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_it_can_be_printed_on_any_console(encoding, monkeypatch):
    network = keras.Sequential(
        [
            keras.Input((8, 8, 6)),
            layers.SeparableConv2D(4, 3),
            layers.Conv2D(2, 3, name="输出\n😺"),
        ]
    )
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", console)
    print(anatomy(network), file=console, flush=True)
    lines = console.buffer.getvalue().decode(encoding).splitlines()
    assert ("≥ 1,152" if encoding == "utf-8" else ">=1,152") in lines[-1]
    assert len(lines) == 6 and lines[3].startswith("输出 😺" if encoding == "utf-8" else "?? ?")


# ---------------------------------------------------------------------------------------------
# What is shown
# ---------------------------------------------------------------------------------------------


class Table(HTMLParser):
    """Reads an HTML table and complains about what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.rows, self.caption = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append([tag, ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] == "caption":
            self.caption += data
        else:
            assert self.open[-1] in ("td", "th"), f"text outside a cell: {data}"
            self.rows[-1][-1][1] += data


def test_the_html_is_a_whole_table():
    table = anatomy(models.lenet5())
    read = Table(table._repr_html_())
    assert read.caption == "lenet5, for one image"
    header, *body, total = read.rows
    assert header == [["th", name] for name in Anatomy.HEADER]
    assert {tag for row in body for tag, _ in row} == {"td"}
    assert [tuple(text for _, text in row) for row in [*body, total]] == list(table.cells())
    assert len(body) == len(table.rows)
    assert [text for _, text in total][:4] == ["total", "", "", "60,000"]


def test_names_are_escaped():
    row = Row('<b>"&', "<i>Kind", (2, 2, 1), 0, None, 16, (1, 1))
    text = Anatomy("<script>alert(1)</script>", [row], 0)._repr_html_()
    assert "<b>" not in text and "<i>" not in text and "<script>" not in text
    read = Table(text)
    assert read.caption == "<script>alert(1)</script>, for one image"
    assert [cell for _, cell in read.rows[1]] == [
        '<b>"&',
        "<i>Kind",
        "2×2×1",
        "0",
        "?",
        "0.0",
        "1×1",
    ]


def test_the_text_is_aligned():
    table = anatomy(models.lenet5())
    header, rule, *body, second_rule, total = str(table).splitlines()
    assert header.split() == list(Anatomy.HEADER)
    assert set(rule) == {"-"} and rule == second_rule
    assert len(body) == len(table.rows)
    # Numbers end below the end of their heading.
    for heading in ("parameters", "multiply-adds", "kB"):
        end = header.index(heading) + len(heading)
        for line in (*body, total):
            assert line[end - 1].isdigit() and line[end : end + 2].strip() == "", line
    assert "C5  " in body[8] and body[8].endswith("32×32")
    assert repr(table) == str(table)
    assert max(map(len, str(table).splitlines())) <= 100


def joined_along_rows(image):
    bottom, top = (
        layers.Cropping2D(((6, 0), (0, 0)))(image),
        layers.Cropping2D(((0, 6), (0, 0)))(image),
    )
    return layers.Concatenate(axis=1)([bottom, top])


def repeated_over(image):
    return layers.Add()([image, layers.Conv2D(2, 12)(image)])


@pytest.mark.parametrize("join", [joined_along_rows, repeated_over])
def test_what_is_joined_along_an_axis_of_the_image_has_no_known_field(join):
    image = keras.Input((12, 12, 2))
    table = anatomy(keras.Model(image, layers.Conv2D(4, 3)(join(image))))
    assert [row.receptive_field for row in table.rows[-2:]] == ["?", "?"]
