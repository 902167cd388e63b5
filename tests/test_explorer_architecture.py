"""The explorer `architecture` without a browser: parts, shortcuts, costs, controls, refusals."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import keras
import numpy as np
import pytest
from drawn import texts
from keras import layers
from PIL import Image

from course_utils import models
from course_utils.anatomy import anatomy
from course_utils.explorers import architecture, networks
from course_utils.explorers._architecture import BARS, COSTS, DETAILS, TOP, Layout, in_order, plan

ROOT = Path(__file__).parents[1]
SPACE = "{http://www.w3.org/2000/svg}"


def names(read, detail):
    return [part.name for part in plan(read, detail).parts]


def inception_like():
    """Three branches that are concatenated, then a shortcut over a pre-activated convolution."""
    image = keras.Input((16, 16, 3), name="image")
    maps = layers.Conv2D(8, 3, strides=2, padding="same", name="first")(image)
    branches = [layers.Conv2D(4, 1, name="one")(maps)]
    branches.append(layers.Conv2D(4, 3, padding="same", name="three")(branches[0]))
    branches.append(layers.MaxPooling2D(3, strides=1, padding="same", name="pooled")(maps))
    maps = layers.Concatenate(name="joined")(branches)
    inner = layers.ReLU(name="ahead")(layers.BatchNormalization(name="norm")(maps))
    inner = layers.Conv2D(16, 3, padding="same", name="inner")(inner)
    maps = layers.Add(name="sum")([maps, inner])
    outputs = layers.GlobalAveragePooling2D(name="pool")(maps)
    return keras.Model(image, layers.Dense(5, name="logits")(outputs), name="mine")


NETWORKS = [*networks.BUILDERS, "mine"]


def read(name):
    return networks.read(inception_like if name == "mine" else name)


# ---------------------------------------------------------------------------------------------
# The parts
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_is_in_one_part_and_the_sums_are_those_of_anatomy(name):
    network = read(name)
    if name == "mine":
        table = anatomy(inception_like)
    else:
        function, options = networks.BUILDERS[name]
        table = anatomy(lambda: getattr(models, function)(**options))
    assert network.rows == table.rows
    expected = (table.parameters, table.multiply_adds, table.activation_bytes)
    for detail in DETAILS:
        read_plan = plan(network, detail)
        assert read_plan.totals == expected
        numbers = [number for part in read_plan.parts for number in part.numbers]
        assert sorted(numbers) == list(range(len(table.rows)))
        for part in read_plan.parts:
            assert part.shape == table.rows[part.numbers[-1]].output_shape
            assert part.field == table.rows[part.numbers[-1]].receptive_field
    assert len(plan(network, "layers").parts) == len(table.rows)


@pytest.mark.parametrize("name", NETWORKS)
def test_data_flows_to_the_right(name):
    network = read(name)
    place = {number: index for index, number in enumerate(in_order(network))}
    for number, layer in enumerate(network.rows):
        assert all(source == -1 or place[source] < place[number] for source in layer.inputs)
    for detail in DETAILS:
        assert all(source < target - 1 for source, target in plan(network, detail).skips)


@pytest.mark.parametrize(
    "name, stages",
    [
        ("LeNet-5", "C1 … S2, C3 … S4, C5, F6 … output"),
        ("LeNet, modern", "conv1 … pool1, conv2 … pool2, dense1 … logits"),
        ("AlexNet", "conv1 … pool1, conv2 … pool2, conv3 … pool5, dense1 … logits"),
        (
            "VGG-16",
            "conv1_1 … pool1, conv2_1 … pool2, conv3_1 … pool3, conv4_1 … pool4, "
            "conv5_1 … pool5, dense1 … logits",
        ),
        ("ResNet-152", "conv1 … pool1, stage1, stage2, stage3, stage4, pool … logits"),
        ("resnet20", "conv1 … stage1_block3_conv2, stage2, stage3, pool … logits"),
        ("plain56", "conv1 … stage1_block9_conv2, stage2, stage3, pool … logits"),
    ],
)
def test_stages_are_those_of_the_papers(name, stages):
    assert ", ".join(names(read(name), "stages")) == stages


def test_blocks():
    for depth, blocks in models.RESNET_BLOCKS.items():
        found = names(read(f"ResNet-{depth}"), "blocks")
        expected = [
            f"stage{stage}_block{block}"
            for stage, count in enumerate(blocks, start=1)
            for block in range(1, count + 1)
        ]
        assert found == ["conv1", "pool1", *expected, "pool", "logits"]
    assert len(names(read("plain56"), "blocks")) == 55 + 2  # each convolution by itself
    assert names(read("LeNet-5"), "blocks") == ["C1", "S2", "C3", "S4", "C5", "F6", "output"]
    assert names(read("mine"), "blocks") == ["first", "one … pooled", "inner", "pool", "logits"]
    assert [part.letters for part in plan(read("mine"), "blocks").parts] == [
        *("C", "2C P", "C", "P", "D")
    ]


def test_shortcuts_are_those_of_the_graph():
    # 16 blocks with one shortcut each. Layer by layer, an identity is one arc from the block's
    # input to the addition; a projection is two, one to it and one past it.
    read_plan = plan(read("ResNet-50"), "layers")
    named = [part.name for part in read_plan.parts]
    arcs = {(named[source], named[target]) for source, target in read_plan.skips}
    assert len(arcs) == 12 + 2 * 4
    assert ("stage1_block1_relu3", "stage1_block2_add") in arcs
    assert ("pool1", "stage1_block1_shortcut") in arcs
    assert ("stage1_block1_norm3", "stage1_block1_add") in arcs
    assert [part.inside for part in plan(read("ResNet-50"), "stages").parts] == [0, 3, 4, 6, 3, 0]
    assert sum(part.inside for part in plan(read("ResNet-50"), "blocks").parts) == 16
    assert not plan(read("ResNet-50"), "blocks").skips
    for detail in DETAILS:
        assert not plan(read("plain56"), detail).skips
    read_plan = plan(read("mine"), "layers")
    named = [part.name for part in read_plan.parts]
    arcs = {(named[source], named[target]) for source, target in read_plan.skips}
    assert ("joined", "sum") in arcs and ("first", "pooled") in arcs


# ---------------------------------------------------------------------------------------------
# The picture and its controls
# ---------------------------------------------------------------------------------------------


def test_the_first_picture():
    explorer = architecture()
    assert explorer.problem == "" and explorer.drawing.note == ""
    assert "ResNet-18: 12 blocks, 11,689,512 parameters" in explorer.drawing.alt
    assert Image.open(io.BytesIO(explorer.drawing.png())).width == 1520
    # 12 blocks; the fourth is stage1_block2: two convolutions of 64·64·9 and two norms of 2·64
    assert explorer.controls["number"].value == 4 and explorer.controls["number"].max == 12
    found = texts(explorer)
    assert "stage1_block2" in found and f"{2 * (64 * 64 * 9 + 128):,}" in found
    assert f"{2 * 56 * 56 * 64 * 64 * 9:,}" in found and "43×43 pixels" in found
    assert f"{7 * 56 * 56 * 64 * 4 / 1e6:.1f} MB" in found  # seven layers with 64 maps each


def test_slider_and_choice_follow_each_other():
    explorer = architecture("VGG-16")
    controls = explorer.controls
    controls["number"].value = 19
    assert controls["part"].label == "19: dense1"
    assert "102,764,544" in texts(explorer) and "74.3 % of all" in texts(explorer)
    controls["part"].value = controls["part"].options[1][1]
    assert controls["number"].value == 2 and "conv1_2 of VGG-16" in explorer.drawing.alt
    controls["detail"].value = "layers"
    assert controls["part"].label == "2: conv1_2" and controls["number"].max == 24
    controls["detail"].value = "stages"
    assert controls["part"].label == "1: conv1_1 … pool1" and controls["number"].max == 6
    assert "sees 6×6 pixels" in explorer.drawing.alt
    controls["network"].value = "LeNet-5"
    assert explorer.drawing.alt.startswith("LeNet-5: 4 stages") and not explorer.problem


def bars_of(explorer):
    """The heights of the bars, left to right, as they are drawn."""
    base = next(
        shape[1][0][1]
        for shape in explorer.drawing._shapes
        if shape[0] == "path" and len(shape[1]) == 2 and shape[3] == "#555555"
    )
    return base, [
        base - shape[1][0][1]
        for shape in explorer.drawing._shapes
        if shape[0] == "path" and shape[2] != "none" and abs(shape[1][2][1] - base) < 1e-6
    ]


@pytest.mark.parametrize("measure", range(3))
def test_bars_are_as_high_as_the_costs(measure):
    explorer = architecture("AlexNet")
    explorer.controls["detail"].value = "layers"
    explorer.controls["cost"].value = COSTS[measure]
    rows = anatomy(models.alexnet).rows
    costs = [(row.parameters, row.multiply_adds, row.activation_bytes)[measure] for row in rows]
    costs = np.array([cost for cost in costs if cost])
    assert np.allclose(bars_of(explorer)[1], BARS * costs / costs.max())


def test_two_networks_have_one_scale():
    explorer = architecture("LeNet-5", beside="LeNet, modern")
    rows = [*anatomy(models.lenet5).rows, *anatomy(models.lenet5_modern).rows]
    explorer.controls["detail"].value = "layers"
    costs = np.array([row.parameters for row in rows if row.parameters])
    assert np.allclose(bars_of(explorer)[1], BARS * costs / costs.max())
    assert "LeNet-5: 14 layers" in explorer.drawing.alt
    assert "beside LeNet, modern: 8 layers" in explorer.drawing.alt
    controls = explorer.controls
    assert not controls["side"].disabled
    controls["side"].value = "the right one"
    assert controls["number"].max == 8 and "of LeNet, modern, output" in explorer.drawing.alt
    controls["beside"].value = "nothing"
    assert controls["side"].disabled and controls["side"].value == "the left one"
    assert controls["number"].max == 14 and "beside" not in explorer.drawing.alt


def test_pointing_at_blocks_and_bars():
    explorer = architecture("ResNet-34", beside="VGG-16")
    layouts = [
        Layout(read("ResNet-34"), "blocks", 20, 345),
        Layout(read("VGG-16"), "blocks", 395, 345),
    ]
    for side, (layout, network) in enumerate(zip(layouts, ("ResNet-34", "VGG-16"), strict=True)):
        for index in (0, 7, len(layout.plan.parts) - 1):
            x, y, width, height = layout.box(index)
            explorer._pointed(f"{x + width / 2} {y + height / 2} {index}{side}")
            part = layout.plan.parts[index]
            assert f"Chosen: {part.name} of {network}, " in explorer.drawing.alt
            assert explorer.controls["number"].value == index + 1
            assert explorer.controls["part"].index == index
    base = bars_of(explorer)[0]
    x, width = layouts[0].bar(3)
    explorer._pointed(f"{x + width / 2} {base - 5} 9")
    assert "Chosen: stage1_block2 of ResNet-34" in explorer.drawing.alt
    assert explorer.controls["side"].value == "the left one"
    before = explorer.drawing.alt
    explorer._pointed("380 300 10")  # between the two
    assert explorer.drawing.alt == before and explorer.problem == ""


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_drawn_outside_and_no_two_parts_overlap(name):
    for detail in DETAILS:
        for width in (345, 720):
            layout = Layout(read(name), detail, 20, width)
            boxes = [layout.box(index) for index in range(len(layout.plan.parts))]
            for index, (x, y, w, h) in enumerate(boxes):
                assert 20 <= x and x + w <= 20 + width + 1e-6
                assert y >= TOP and y + h <= layout.below and w >= 3
                assert layout.part_in(*layout.grid.at(x + w / 2, y + h / 2)) == index
            assert layout.below < 420


def test_ones_own_networks():
    explorer = architecture(inception_like, beside=inception_like())
    assert explorer.controls["network"].value == "yours"
    assert explorer.controls["beside"].value == "yours beside"
    for detail in DETAILS:
        explorer.controls["detail"].value = detail
        assert explorer.problem == ""
        ElementTree.fromstring(explorer.drawing.svg())
    perceptron = keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), layers.Dense(9), layers.Dense(3)]
    )
    explorer = architecture(perceptron)
    assert "2 blocks, 7,095 parameters, 7,083 multiply-adds" in explorer.drawing.alt
    images = keras.Input((8, 8, 2))
    unknown = keras.Model(images, layers.Conv2DTranspose(3, 2, name="up")(images), name="odd")
    explorer = architecture(unknown)
    assert "not known" in explorer.drawing.note and "sees what is not known" in explorer.drawing.alt
    assert "at least 0 multiply-adds" in explorer.drawing.alt


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((7,), "network: a Keras model or a function"),
        ((None, 7), "beside: a Keras model or a function"),
        (("VGG-17",), "network: there is no 'VGG-17'"),
        ((None, "VGG-17"), "beside: there is no 'VGG-17'"),
        ((np.zeros((3, 3)),), "network: a Keras model or a function"),
        (([],), "network: a Keras model or a function"),
        ((lambda: 5,), "the function must build a Keras model"),
        ((layers.Conv2D(1, 3),), "network: a Keras model or a function"),
        ((keras.Sequential([layers.Conv2D(2, 3)]),), "built and with one input"),
    ],
)
def test_what_makes_no_sense_is_said_in_place(arguments, words):
    explorer = architecture(*arguments)
    assert words in explorer.problem
    assert 'role="alert"' in explorer._message.value


def test_the_last_picture_stays(monkeypatch):
    explorer = architecture("LeNet-5")
    picture = explorer._picture.value
    monkeypatch.setitem(networks.BUILDERS, "VGG-11", ("vgg", {"configuration": "Z"}))
    networks.named.cache_clear()
    explorer.controls["network"].value = "VGG-11"
    assert "configuration must be one of" in explorer.problem
    assert explorer._picture.value == picture
    explorer.controls["network"].value = "LeNet-5"
    assert explorer.problem == ""
