"""The explorer `gradient_flow` without a browser: its numbers, its controls, what it refuses."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import re
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from drawn import SVG, set_to, texts, written_in
from keras import layers
from PIL import Image

from course_utils import data
from course_utils.convolution import average_pool2d, conv2d, conv2d_gradients
from course_utils.explorers import gradient_flow
from course_utils.explorers._gradient_flow import (
    ACTIVATIONS,
    Setting,
    flow,
    photographs,
    power,
    scientific,
    weights,
)

ROOT = Path(__file__).parents[1]


def of_notebook():
    """What notebook 07 builds its stacks with and measures them by."""
    images, labels = photographs()
    batch = {"batch": images.astype("float32"), "batch_labels": labels}
    known = {"keras": keras, "layers": layers, "np": np, "tf": tf, **batch}
    ids = ("he-numbers", "stack", "norm", "measure")
    return written_in("07_going_deeper.ipynb", ids, "\nn, rng =", **known)


def share(*setting):
    norms = flow(Setting(*setting))
    return norms[0] / norms[-1]


# ---------------------------------------------------------------------------------------------
# Numbers
# ---------------------------------------------------------------------------------------------


def test_the_photographs_are_those_of_the_notebook_pooled_alike():
    images, labels = photographs()
    test_set = data.load("cifar10", "test")
    expected = average_pool2d(data.scale(test_set.images[:2], low=-2.0, high=2.0), 2)
    assert np.allclose(images, expected) and labels.tolist() == test_set.labels[:2].tolist()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_same_as_the_stack_and_the_measure_of_notebook_07(activation, batch_norm):
    setting = Setting(6, activation, "He", batch_norm, False)
    open_book = of_notebook()
    network = open_book["build_stack"](6, activation.lower(), batch_norm=batch_norm, filters=16)
    kernels, to_scores = weights(setting)
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    for layer, kernel in zip(convolutions, kernels, strict=True):
        layer.set_weights([kernel])
    network.layers[-1].set_weights([to_scores, np.zeros(10)])
    arriving = open_book["measure"](network)["arriving"]
    assert np.allclose(flow(setting), arriving, rtol=2e-3)


@pytest.mark.parametrize(
    "depth, ends", [(2, {}), (3, {2: 0}), (5, {2: 0, 4: 2}), (6, {3: 1, 5: 3})]
)
def test_shortcuts_lead_around_two_layers_each(depth, ends):
    setting = Setting(depth, "ReLU", "Glorot", True, True)
    kernels, to_scores = weights(setting)
    image = maps = keras.Input((16, 16, 3))
    after = []
    for layer in range(depth):
        maps = layers.Conv2D(16, 3, padding="same", use_bias=False)(maps)
        maps = layers.BatchNormalization(epsilon=1e-5)(maps)
        if layer in ends:
            maps = layers.Add()([maps, after[ends[layer]]])
        maps = layers.Activation("relu")(maps)
        after.append(maps)
    scores = layers.Dense(10)(layers.GlobalAveragePooling2D()(maps))
    network = keras.Model(image, scores)
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    for layer, kernel in zip(convolutions, kernels, strict=True):
        layer.set_weights([kernel])
    network.layers[-1].set_weights([to_scores, np.zeros(10)])
    assert np.allclose(flow(setting), of_notebook()["measure"](network)["arriving"], rtol=2e-3)


def test_same_as_backward_by_hand_with_the_gradients_of_the_course():
    setting = Setting(4, "tanh", "Glorot", False, False)
    (maps, labels), (kernels, to_scores) = photographs(), weights(setting)
    inputs = []
    for kernel in kernels:
        inputs.append(maps)
        maps = np.tanh(conv2d(maps, kernel, padding="same"))
    grown = np.exp(maps.mean(axis=(1, 2)) @ to_scores)
    wrong = (grown / grown.sum(axis=1, keepdims=True) - np.eye(10)[labels]) / 2
    gradient = np.broadcast_to((wrong @ to_scores.T)[:, None, None] / 256, maps.shape)
    norms = []
    for kernel, before in zip(kernels[::-1], inputs[::-1], strict=True):
        norms.insert(0, np.linalg.norm(gradient))
        gradient = gradient * (1 - np.tanh(conv2d(before, kernel, padding="same")) ** 2)
        gradient = conv2d_gradients(before, kernel, gradient, padding="same").images
    assert np.allclose(flow(setting), norms, rtol=1e-9)


@pytest.mark.parametrize("name, deviation", [("Glorot", 1 / 12), ("He", np.sqrt(2) / 12)])
def test_the_first_weights_have_the_deviation_of_their_rule(name, deviation):
    kernels, _ = weights(Setting(50, "ReLU", name, False, False))
    assert [kernel.shape for kernel in kernels[:2]] == [(3, 3, 3, 16), (3, 3, 16, 16)]
    assert np.std(kernels[1:]) == pytest.approx(deviation, rel=0.01)  # fan-in and fan-out: 144
    assert np.mean(kernels[1:]) == pytest.approx(0, abs=deviation / 100)
    assert not np.allclose(kernels[1], kernels[2])
    # A deeper network begins with the same layers: what changes is the depth alone.
    shallow, _ = weights(Setting(7, "tanh", name, True, True))
    assert all(map(np.array_equal, shallow, kernels))


def test_what_is_known_of_deep_networks_holds():
    assert share(50, "sigmoid", "Glorot", False, False) < 1e-20
    assert share(50, "sigmoid", "He", False, False) < 1e-20
    assert share(50, "ReLU", "normal 0.01", False, False) < 1e-30
    assert share(50, "ReLU", "Glorot", False, False) < 1e-5
    assert 0.1 < share(50, "ReLU", "He", False, False) < 10
    assert share(50, "ReLU", "twice He's variance", False, False) > 1e5
    assert 0.01 < share(50, "tanh", "Glorot", False, False) < 10
    # Batch normalisation makes it grow by about 1.21 a layer, whatever the weights' scale.
    grown = share(50, "ReLU", "He", True, False)
    assert abs(grown ** (1 / 49) - np.sqrt(0.5 / (0.5 - 1 / (2 * np.pi)))) < 0.05
    assert abs(share(50, "ReLU", "normal 0.01", True, False) / grown - 1) < 0.5
    # A shortcut around every two layers keeps it, with batch normalisation; without it the sum
    # doubles from block to block.
    assert 1 < share(50, "ReLU", "He", True, True) < 30
    assert share(50, "ReLU", "He", False, True) > 1e3
    # Weights that are far too small leave the shortcuts alone, and the gradient passes.
    assert share(49, "ReLU", "normal 0.01", False, True) > 0.1


def test_depth_does_it():
    shares = [share(depth, "ReLU", "Glorot", False, False) for depth in (2, 10, 30, 50)]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.1


# ---------------------------------------------------------------------------------------------
# The picture and its controls
# ---------------------------------------------------------------------------------------------


def test_the_verdict_has_the_numbers():
    explorer = gradient_flow(40, "ReLU", "Glorot")
    first, *_, last = flow(Setting(40, "ReLU", "Glorot", False, False))
    verdict = f"The gradient vanishes: layer 1 gets {scientific(first / last)} times what layer 40"
    assert f"{verdict} gets." in texts(explorer)
    assert f"multiplies it by {(first / last) ** (1 / 39):.2f}," in explorer.drawing.alt
    assert "40 layers, ReLU, Glorot" in explorer.drawing.alt
    assert "The gradient arrives" in set_to(explorer, initialisation="He")
    assert "The gradient explodes" in set_to(explorer, initialisation="twice He's variance")


def test_scientific_numbers():
    numbers = (4.26e-9, 9.96e-5, 0.012, 1.0, 3420.4, 9999.9, 2.4e5, 0)
    expected = ["4.3·10⁻⁹", "1.0·10⁻⁴", "0.01", "1.00", "3,420", "1.0·10⁴", "2.4·10⁵", "0"]
    assert list(map(scientific, numbers)) == expected
    assert power(-10) == "10⁻¹⁰"


def test_the_label_of_the_share_covers_no_curve():
    yours = np.geomspace(1e-5, 1e-1, 30)
    tried = 0
    for setting in ((30, "sigmoid", "Glorot"), (50, "tanh", "normal 0.01"), (20, "ReLU", "He")):
        for own in (yours, yours[::-1], np.full(30, 1e-10), np.geomspace(1e-30, 1e3, 200), None):
            explorer = gradient_flow(*setting, yours=own)
            explorer.controls["keep"].click()
            set_to(explorer, depth=12)
            root = ElementTree.fromstring(explorer.drawing.svg())
            (label,) = [n for n in root.iter(f"{SVG}text") if (n.text or "").startswith("× ")] or [
                None
            ]
            if label is None:
                continue
            left, bottom = float(label.get("x")), float(label.get("y"))
            right, top = left + 8 * len(label.text), bottom - 12
            for node in root.iter(f"{SVG}polyline"):
                if float(node.get("stroke-width")) >= 1.4 or node.get("stroke") == "#9a9a9a":
                    corners = [tuple(map(float, c.split(","))) for c in node.get("points").split()]
                    for start, end in pairwise(corners):
                        for share in np.linspace(0, 1, 100):
                            x, y = np.array(start) * (1 - share) + np.array(end) * share
                            assert not (left <= x <= right and top <= y <= bottom)
            tried += 1
    assert tried > 10


@pytest.mark.parametrize("own", [[1.0, 1.1], [3e-7, 2e-7], [1e-310, 1e-3], [5.0] * 4, [1e300, 2.0]])
def test_the_axis_has_three_numbers_at_least(own):
    explorer = gradient_flow(2, "ReLU", "He", yours=own)
    assert explorer.problem == ""
    ticks = [text for text in texts(explorer) if re.fullmatch(r"(\d·)?10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", text)]
    assert len(set(ticks)) == len(ticks) >= 3


def drawn_heights(explorer, colour):
    """Where the corners of the line of this colour lie, from layer 1 on."""
    root = ElementTree.fromstring(explorer.drawing.svg())
    lines = [
        node.get("points").split()
        for node in root.iter("{http://www.w3.org/2000/svg}polyline")
        if node.get("stroke") == colour
    ]
    longest = max(lines, key=len)
    return [float(corner.split(",")[1]) for corner in longest]


def test_the_line_is_logarithmic():
    explorer = gradient_flow(30, "ReLU", "Glorot")
    heights = np.array(drawn_heights(explorer, "#CC79A7"))
    norms = flow(Setting(30, "ReLU", "Glorot", False, False))
    assert len(heights) == 30
    slope, rest = np.polyfit(np.log10(norms), heights, 1)
    assert slope < 0 and np.allclose(heights, slope * np.log10(norms) + rest, atol=0.02)


def test_before_and_kept_curves():
    explorer = gradient_flow(20, "tanh", "Glorot")
    assert "before" not in texts(explorer)
    set_to(explorer, activation="ReLU")
    assert ["before", "20 layers, tanh, Glorot"] == [
        each for each in texts(explorer) if each == "before" or "tanh" in each
    ]
    # While one control moves on, the network before it began to move stays.
    set_to(explorer, depth=21)
    set_to(explorer, depth=30)
    assert "20 layers, ReLU, Glorot" in texts(explorer)
    assert "21 layers, ReLU, Glorot" not in texts(explorer)
    set_to(explorer, depth=20)
    assert "before" not in texts(explorer), "it is what is drawn now"

    for depth in (5, 6, 7, 8, 8):
        set_to(explorer, depth=depth)
        explorer.controls["keep"].click()
    assert len(explorer.kept) == 3
    assert texts(explorer).count("kept") == 3
    assert "5 layers, ReLU, Glorot" not in texts(explorer), "the oldest went"
    assert scientific(share(6, "ReLU", "Glorot", False, False)) in texts(explorer)
    explorer.controls["forget"].click()
    assert "kept" not in texts(explorer)


def test_every_control_changes_the_picture():
    explorer = gradient_flow()
    changes = {
        "depth": 50,
        "activation": "tanh",
        "initialisation": "He",
        "batch_norm": True,
        "shortcuts": True,
        "layer": 44,
    }
    for name, value in changes.items():
        last = explorer.drawing.svg()
        set_to(explorer, **{name: value})
        assert explorer.drawing.svg() != last
    norms = flow(Setting(50, "tanh", "He", True, True))
    assert scientific(norms[43]) in texts(explorer) and "at layer 44" in texts(explorer)
    # The axis is as long as the deepest curve in it, so that each of its layers can be read.
    set_to(explorer, depth=10)
    assert explorer.controls["layer"].max == 50
    assert "–" in texts(explorer), "layer 44 of a network with ten"
    set_to(explorer, activation="ReLU")
    assert explorer.controls["layer"].value == explorer.controls["layer"].max == 10


def test_pointing_chooses_the_layer():
    explorer = gradient_flow(30)
    for x, layer in ((84, 1), (736, 30), (84 + 652 * 11 / 29, 12), (75, 1)):
        explorer._pointer.value = f"{x:.0f} 200 {layer}"
        assert explorer.controls["layer"].value == layer
    explorer._pointer.value = "400 500 7"
    assert explorer.controls["layer"].value == 1, "nothing is there to be chosen"


def test_a_setting_is_computed_once():
    explorer = gradient_flow(12, "tanh")
    set_to(explorer, depth=13)
    known = flow.cache_info().misses
    set_to(explorer, depth=12, layer=3)
    set_to(explorer, depth=13)
    assert flow.cache_info().misses == known


def test_svg_and_png():
    explorer = gradient_flow(50, "ReLU", "He", True, True, yours=[3, 2, 0, 1e-3])
    ElementTree.fromstring(explorer.drawing.svg())
    assert Image.open(io.BytesIO(explorer.drawing.png())).size == (1520, 1180)


def test_norms_of_your_own():
    norms = np.geomspace(1e-4, 2, 60)
    explorer = gradient_flow(20, yours=norms)
    assert "60 layers of your own" in texts(explorer)
    assert scientific(norms[0] / norms[-1]) in texts(explorer)
    set_to(explorer, layer=55)
    assert scientific(norms[54]) in texts(explorer)
    assert "–" in texts(explorer), "the stack has no layer 55"
    # Nothing arrives in some layers: the line is interrupted, and the rest is drawn.
    explorer = gradient_flow(4, yours=[0, 0, 1, 2, 3])
    assert explorer.problem == "" and len(drawn_heights(explorer, "#009E73")) == 3
    assert gradient_flow(4, yours=[0.0, 0.0]).problem == ""


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"depth": 1}, "depth must be at least 2"),
        ({"depth": 51}, "depth: 51 is not between 2 and 50"),
        ({"depth": "deep"}, "depth must be a whole number"),
        ({"activation": "gelu"}, "activation: 'gelu' is none of sigmoid, tanh, ReLU"),
        ({"initialisation": 0.01}, "first weights: 0.01 is none of"),
        ({"yours": 3}, "yours: a norm for each of 2 to 400 layers"),
        ({"yours": []}, "yours: a norm for each of 2 to 400 layers"),
        ({"yours": "abc"}, "yours: a list of numbers is needed"),
        ({"yours": [[1, 2], [3]]}, "yours: a list of numbers is needed"),
        ({"yours": np.ones((3, 2))}, "not an array of the shape (3, 2)"),
        ({"yours": [1, np.inf]}, "yours: a norm is a finite number"),
        ({"yours": [1, -1]}, "yours: a norm is a finite number"),
    ],
)
def test_what_makes_no_sense_is_said_in_place(arguments, said):
    explorer = gradient_flow(**arguments)
    assert said in explorer.problem and explorer.drawing is None


def test_the_last_picture_stays_when_something_fails(monkeypatch):
    explorer = gradient_flow(5)
    kept = explorer.drawing.svg()
    monkeypatch.setattr(sys.modules[gradient_flow.__module__], "flow", lambda setting: 1 / 0)
    explorer.controls["depth"].value = 6
    assert "division" in explorer.problem and explorer.drawing.svg() == kept
