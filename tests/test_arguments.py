"""Every public function, with every argument given what no learner should get away with.

Public is what a notebook or an exercise imports from `course_utils`. Whatever an argument is, a
call ends well or in a ValueError (or an error that the docstring's "Raises" names) with a sentence
for the learner; and what makes no sense at all is never taken in silence.
"""

import ast
import functools
import importlib
import io
import json
import re
import signal
from collections import defaultdict
from contextlib import contextmanager, redirect_stdout
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ml_dtypes import bfloat16

from course_utils import answers, arguments

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises" / "source").rglob("*.ipynb"))

# ---------------------------------------------------------------------------------------------
# What is public
# ---------------------------------------------------------------------------------------------


def used_in(path):
    """What a notebook uses of the package: `{'data.load', 'arithmetic.Conv', ...}`."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    trees = [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_utils"):
            inside = node.module.removeprefix("course_utils").removeprefix(".")
            for alias in node.names:
                whole = f"{inside}.{alias.name}" if inside else alias.name
                names[alias.asname or alias.name] = whole
    attributes = {
        f"{names[node.value.id]}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
    }
    return attributes | set(names.values())


def named(name):
    """The object that `'data.load'` names."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(f"course_utils.{module}"), attribute)


@functools.cache
def public():
    """The names of all functions and classes that a notebook or an exercise uses."""
    names = set().union(*map(used_in, NOTEBOOKS + EXERCISES))
    # Neither modules nor constants. (To ask Python what is callable would import TensorFlow here.)
    names = {name for name in names if "." in name and not name.split(".")[-1].isupper()}
    return sorted(names - NOT_OURS)


# ---------------------------------------------------------------------------------------------
# What arguments are given
# ---------------------------------------------------------------------------------------------

HUGE = 10**30
ANYTHING = {
    "nothing": None,
    "yes": True,
    "zero": 0,
    "a negative number": -3,
    "a fraction": 1.5,
    "a huge number": HUGE,
    "a huge negative number": -HUGE,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a complex number": 1 + 2j,
    "a number as text": "3",
    "a word": "three",
    "no text": "",
    "bytes": b"3",
    "no list": [],
    "a list of words": ["a", "b"],
    "a list of nothing": [None],
    "rows of different lengths": [[1, 2], [3]],
    "three numbers": [1, 2, 3],
    "a dictionary": {"a": 1},
    "an object": object(),
    "a function": len,
    "an array of three": np.arange(1, 4),
    "an array of NaN": np.full((1, 4, 4, 1), np.nan, np.float32),
    "an empty array": np.zeros((0, 4, 4, 1), np.float32),
    "an array of words": np.array(["a", "b"]),
    "an array of objects": np.array([object(), None]),
    "an array of complex numbers": np.ones((1, 4, 4, 1), complex),
    "an array of five axes": np.ones((1, 1, 4, 4, 1), np.float32),
}
NO_ARRAY = {name for name in ANYTHING if "array" not in name}
NOT_A_NUMBER = {
    *("NaN", "a complex number", "a number as text", "a word", "no text", "bytes", "no list"),
    *("a list of words", "a list of nothing", "rows of different lengths", "a dictionary"),
    *("an object", "a function", "an array of three", "an array of NaN", "an empty array"),
    *("an array of words", "an array of objects", "an array of complex numbers"),
    *("an array of five axes", "three numbers"),
}
NEGATIVE = {"a negative number", "a huge negative number"}
# By kind of argument: what must be refused. Anything else is refused or taken.
REFUSED = {
    "size": NOT_A_NUMBER | NEGATIVE | {"infinity", "a fraction", "zero"},
    "count": NOT_A_NUMBER | NEGATIVE | {"infinity", "a fraction"},
    "whole": NOT_A_NUMBER | {"infinity", "a fraction"},
    "padding": NOT_A_NUMBER | NEGATIVE | {"infinity", "a fraction"},
    "number": NOT_A_NUMBER | {"infinity"},
    "positive": NOT_A_NUMBER | NEGATIVE | {"infinity"},
    # A text that says no would be taken for yes.
    "flag": {"a word", "a number as text", "a list of words", "an object", "an array of three"},
    "choice": set(ANYTHING) - {"nothing", "yes", "zero"},
    "array": {
        *("nothing", "a word", "bytes", "a dictionary", "an object", "a function", "no text"),
        *("a list of words", "a list of nothing", "rows of different lengths"),
        *("a complex number", "a number as text", "an array of words", "an array of objects"),
        *("an array of complex numbers", "an array of five axes"),
    },
    "network": set(ANYTHING) - {"nothing", "a function"},
    "alt": set(ANYTHING) - {"a word", "a number as text"},
    "anything": set(),
}
# What an argument is given of which everything may be taken (a title, say).
A_FEW = {"nothing", "a fraction", "no list", "three numbers", "an object", "an array of words"}
REFUSED["matrix"] = set(ANYTHING)
REFUSED["shape"] = set(ANYTHING) - {"three numbers", "an array of three"}
REFUSED["list"] = {
    *("nothing", "yes", "zero", "a negative number", "a fraction", "a huge number", "NaN"),
    *("a huge negative number", "infinity", "a complex number", "an object", "a function"),
}
# Nothing at all is a list of none, whatever its type.
REFUSED["several"] = REFUSED["network"] - {"no list", "no text", "an empty array", "three numbers"}

# Numbers name classes, too: `range(10)`, or the labels themselves.
REFUSED["names"] = REFUSED["several"] - {"an array of three"}

IMAGES = np.arange(2 * 6 * 6 * 2, dtype=np.float32).reshape(2, 6, 6, 2)
KERNELS = np.ones((3, 3, 2, 4), np.float32)
PHOTOGRAPHS = np.arange(4 * 32 * 32 * 3, dtype=np.uint8).reshape(4, 32, 32, 3)
PLANE = np.arange(36, dtype=np.uint8).reshape(6, 6)
CONVOLVED = {"strides": "size", "padding": "padding", "dilation_rate": "size", "groups": "size"}
POOLED = {"pool_size": "size", "strides": "size?", "padding": "padding"}
WINDOWS = {
    **{"size": "size", "kernel": "size", "stride": "size"},
    **{"padding": "padding", "dilation": "size"},
}


MASKS = np.arange(16, dtype=np.uint8).reshape(1, 4, 4) % 3
BOXES = [[0, 0, 4, 4], [8, 8, 20, 20]]


@functools.cache
def material():
    return named("scenes.material")("test", False)


@functools.cache
def painted():
    return named("scenes.paint")(material(), 1)


def axes():
    return named("plots.subplots")()[1]


def figure():
    return named("plots.subplots")()[0]


@functools.cache
def small_network():
    import keras

    keras.utils.set_random_seed(1)
    first = keras.layers.Conv2D(2, 3, activation="relu")
    last = keras.layers.Dense(3)
    return keras.Sequential([keras.Input((8, 8, 1)), first, keras.layers.Flatten(), last])


@functools.cache
def entrant():
    """A network that may be handed in."""
    import keras

    pooled = keras.layers.GlobalAveragePooling2D()
    return keras.Sequential([keras.Input((32, 32, 3)), pooled, keras.layers.Dense(10)])


@functools.cache
def batches():
    images, labels = np.zeros((6, 8, 8, 1), np.float32), np.arange(6) % 3
    return named("data.pipeline")(images, labels, batch_size=3, training=True)


@functools.cache
def speednet_network():
    return named("speednet.network")((4, 4, 4))


def rows():
    return named("anatomy.anatomy")(small_network()).rows


def logits():
    return np.ones((2, 10), np.float32)


def history():
    return {"loss": [1.0, 0.5], "accuracy": [0.5, 0.6]}


def fresh(builder):
    """Says that an argument is made anew for each call."""
    return SimpleNamespace(build=builder)


# Each public function: a call that is right, and of each argument the kind (with "?": None is
# right, too). A function that is not here makes `test_every_public_function_is_tried` fail.
CALLS = {
    "anatomy.anatomy": ({"network": fresh(small_network)}, {"network": "network"}),
    "arithmetic.Conv": (
        {"filters": 4, "kernel_size": 3},
        {"filters": "size", "kernel_size": "size", "use_bias": "flag", **CONVOLVED},
    ),
    "arithmetic.Dense": ({"units": 3}, {"units": "size", "use_bias": "flag"}),
    "arithmetic.Pool": ({}, POOLED),
    "arithmetic.conv_multiply_adds": (
        {"output_shape": (4, 4, 2), "channels": 3, "kernel_size": 3},
        {"output_shape": "shape", "channels": "size", "kernel_size": "size", "groups": "size"},
    ),
    "arithmetic.conv_parameters": (
        {"channels": 3, "filters": 4, "kernel_size": 3},
        {
            **{"channels": "size", "filters": "size", "kernel_size": "size", "groups": "size"},
            "use_bias": "flag",
        },
    ),
    "arithmetic.dense_parameters": (
        {"inputs": 3, "units": 4},
        {"inputs": "size", "units": "size", "use_bias": "flag"},
    ),
    "arithmetic.output_size": ({"size": 6, "kernel": 3}, WINDOWS),
    "arithmetic.windows": ({"size": 6, "kernel": 3}, WINDOWS),
    "arithmetic.same_padding": (
        {"size": 6, "kernel": 3},
        {"size": "size", "kernel": "size", "stride": "size", "dilation": "size"},
    ),
    "arithmetic.size_preserving_padding": (
        {"size": 6, "kernel": 3},
        {"size": "size", "kernel": "size", "stride": "size"},
    ),
    "arithmetic.read_stack": (
        {"input_shape": (8, 8, 3), "layers": fresh(lambda: [named("arithmetic.Conv")(4, 3)])},
        {"input_shape": "shape", "layers": "several"},
    ),
    "arithmetic.receptive_field": (
        {"layers": fresh(lambda: [named("arithmetic.Conv")(4, 3)])},
        {"layers": "several"},
    ),
    "checks.checks_of": ({"exercise": "ex02_output_size"}, {"exercise": "choice"}),
    "competition.classify": (
        {"network": fresh(entrant), "images": np.zeros((2, 32, 32, 3), np.uint8)},
        {"network": "network", "images": "array"},
    ),
    "competition.cost": ({"network": fresh(entrant)}, {"network": "network"}),
    "competition.vary": (
        {"images": np.zeros((2, 4, 4, 1), np.uint8), "seed": 1},
        {"images": "array", "seed": "count"},
    ),
    "competition.with_views": (
        {"network": fresh(entrant)},
        {"network": "network", "shifts": "list", "mirrored": "flag"},
    ),
    "convolution.conv2d": (
        {"images": IMAGES, "kernels": KERNELS},
        {"images": "array", "kernels": "array", "bias": "array?", **CONVOLVED},
    ),
    "convolution.conv2d_loops": (
        {"images": IMAGES[:1], "kernels": KERNELS},
        {"images": "array", "kernels": "array", "bias": "array?", **CONVOLVED},
    ),
    "convolution.conv2d_gradients": (
        {"images": IMAGES, "kernels": KERNELS, "output_gradient": np.ones((2, 4, 4, 4))},
        {"images": "array", "kernels": "array", "output_gradient": "array", **CONVOLVED},
    ),
    "convolution.max_pool2d": ({"images": IMAGES}, {"images": "array", **POOLED}),
    "convolution.average_pool2d": ({"images": IMAGES}, {"images": "array", **POOLED}),
    "convolution.max_pool2d_gradient": (
        {"images": IMAGES, "output_gradient": np.ones((2, 3, 3, 2))},
        {"images": "array", "output_gradient": "array", **POOLED},
    ),
    "convolution.average_pool2d_gradient": (
        {"images": IMAGES, "output_gradient": np.ones((2, 3, 3, 2))},
        {"images": "array", "output_gradient": "array", **POOLED},
    ),
    "data.load": (
        {"name": "mnist", "split": "test", "full": False},
        {"name": "choice", "split": "choice", "full": "flag"},
    ),
    "data.photo": ({"name": "cat"}, {"name": "choice"}),
    "data.scale": (
        {"images": np.zeros((1, 4, 4, 1), np.uint8)},
        {"images": "array", "low": "number", "high": "number", "border": "count"},
    ),
    "data.pipeline": (
        {"images": np.zeros((6, 4, 4, 1), np.float32), "labels": np.arange(6), "training": True},
        {
            **{"images": "array", "labels": "array", "batch_size": "size?", "training": "flag"},
            **{"augment": "network?", "seed": "whole"},
        },
    ),
    "data.shift_and_flip": ({}, {"pixels": "count", "flip": "flag", "fill": "number"}),
    "devices.detect": ({}, {}),
    "devices.suited": ({"capabilities": [(7, 5)]}, {"capabilities": "list"}),
    "environment.begin": ({"version": "0.1"}, {"version": "choice"}),
    "environment.begin_exercise": (
        {"version": "0.1", "exercise": "ex02_output_size"},
        {"version": "choice", "exercise": "choice"},
    ),
    "environment.begin_notebook": ({"version": "0.1"}, {"version": "choice"}),
    "environment.check": ({}, {}),
    "environment.free_memory": ({}, {}),
    "environment.quiet_tensorflow": ({}, {}),
    "explorers.architecture": (
        {"network": fresh(small_network)},
        {"network": "network?", "beside": "network?"},
    ),
    "explorers.augmentation": (
        {},
        {"image": "array?", "shift": "count", "flip": "flag", "rotation": "count"},
    ),
    "explorers.channels": ({}, {"image": "array?", "filters": "array?"}),
    "explorers.convolution": (
        {},
        {
            **{"image": "array?", "kernel": "array?", "stride": "size"},
            **{"padding": "padding", "dilation": "size"},
        },
    ),
    "explorers.gradient_flow": (
        {"depth": 2},
        {
            **{"depth": "size", "activation": "choice", "initialisation": "choice"},
            **{"batch_norm": "flag", "shortcuts": "flag", "yours": "array?"},
        },
    ),
    "explorers.inside": (
        {"network": fresh(small_network), "image": np.zeros((8, 8), np.uint8)},
        {
            **{"network": "network?", "image": "array?", "class_names": "anything"},
            "scale": "anything",
        },
    ),
    "explorers.pooling": ({}, {"image": "array?"}),
    "explorers.receptive_field": (
        {"network": fresh(small_network)},
        {"network": "network?", "image": "array?"},
    ),
    "explorers.training": (
        {"network": fresh(small_network), "train": fresh(batches), "start": False},
        {"network": "network?", "train": "several?", "test": "several?", "start": "flag"},
    ),
    "models.alexnet": (
        {"input_shape": (67, 67, 3), "classes": 3},
        {"groups": "size", "input_shape": "shape", "classes": "size"},
    ),
    "models.alexnet_small": (
        {"filters": 4},
        {
            **{"filters": "size", "activation": "choice", "dropout": "positive"},
            **{"weight_decay": "positive", "input_shape": "shape", "classes": "size"},
        },
    ),
    "models.digit_targets": ({}, {}),
    "models.l2": ({"weight_decay": 0.1}, {"weight_decay": "positive"}),
    "models.lenet5": ({}, {}),
    "models.lenet5_loss": (
        {"labels": np.array([1, 2]), "logits": fresh(logits)},
        {"labels": "array", "logits": "array", "rubbish_penalty": "number"},
    ),
    "models.lenet5_modern": (
        {},
        {"activation": "choice", "pooling": "choice", "input_shape": "shape"},
    ),
    "models.resnet": (
        {"depth": 18, "input_shape": (32, 32, 3), "classes": 3},
        {"depth": "size", "version": "choice", "input_shape": "shape", "classes": "size"},
    ),
    "models.resnet_cifar": (
        {"depth": 8},
        {
            **{"depth": "size", "residual": "flag", "shortcut": "choice"},
            **{"weight_decay": "positive", "input_shape": "shape", "classes": "size"},
        },
    ),
    "models.vgg": (
        {"configuration": "A", "input_shape": (32, 32, 3), "classes": 3},
        {"configuration": "choice", "input_shape": "shape", "classes": "size"},
    ),
    "models.vgg_small": (
        {},
        {
            **{"batch_norm": "flag", "weight_decay": "positive"},
            **{"input_shape": "shape", "classes": "size"},
        },
    ),
    "plots.architecture": (
        {"rows": fresh(rows), "input_shape": (8, 8, 1), "alt": "a network"},
        {"rows": "several", "input_shape": "shape", "alt": "alt", "title": "anything"},
    ),
    "plots.curves": (
        {"histories": fresh(lambda: {"a": history()}), "alt": "a curve"},
        {"histories": "network", "alt": "alt", "title": "anything"},
    ),
    "plots.images": (
        {"pictures": [PLANE], "alt": "a picture"},
        {
            **{"pictures": "array", "alt": "alt", "titles": "anything", "columns": "size"},
            **{"title": "anything", "role": "choice", "limits": "several?", "size": "positive?"},
        },
    ),
    "plots.number_grid": (
        {"axes": fresh(axes), "numbers": PLANE},
        {
            **{"axes": "network", "numbers": "array", "title": "anything", "role": "choice"},
            **{"shade": "flag", "digits": "count?", "marked": "anything"},
        },
    ),
    "plots.picture": (
        {"axes": fresh(axes), "image": PLANE},
        {
            **{"axes": "network", "image": "array", "title": "anything", "role": "choice"},
            "limits": "several?",
        },
    ),
    "plots.show": (
        {"figure": fresh(figure), "alt": "a figure"},
        {"figure": "network", "alt": "alt"},
    ),
    "plots.subplots": (
        {},
        {"rows": "size", "columns": "size", "height": "positive", "width": "positive"},
    ),
    "plots.windows": (
        {"size": 6, "kernel": 3, "alt": "six pixels"},
        {**WINDOWS, "alt": "alt", "title": "anything"},
    ),
    "speednet.Muon": (
        {"steps": 4, "first": 2},
        {"steps": "size", "first": "size", "batch_size": "size"},
    ),
    "speednet.Straight": ({}, {}),
    "speednet.batches": (
        {"images": PHOTOGRAPHS, "labels": np.arange(4), "batch_size": 2},
        {
            **{"images": "array", "labels": "array", "batch_size": "size", "seed": "count"},
            "alternate": "flag",
        },
    ),
    "speednet.soft_relu": ({"values": np.ones(3, np.float32)}, {}),
    "speednet.network": ({"filters": (4, 4, 4)}, {"filters": "shape", "straight": "flag"}),
    "speednet.orthogonal": (
        {"matrix": np.ones((4, 3), np.float32)},
        {"matrix": "matrix", "rounds": "count"},
    ),
    "speednet.smoothed_loss": (
        {"labels": np.array([1, 2]), "logits": fresh(logits)},
        {"logits": "matrix", "smoothing": "positive"},
    ),
    "speednet.whiten": (
        {"model": fresh(speednet_network), "images": PHOTOGRAPHS},
        {"model": "network", "images": "array"},
    ),
    "training.cosine_sgd": (
        {"learning_rate": 0.1, "steps": 10},
        {"learning_rate": "positive", "steps": "size", "warm_up": "positive", "end": "positive"},
    ),
    "training.error_percent": (
        {"model": fresh(small_network), "batches": fresh(batches)},
        {"model": "network", "batches": "network"},
    ),
    "training.fit": (
        {"model": fresh(small_network), "train": fresh(batches), "epochs": 1, "live": False},
        {
            **{"model": "network", "train": "network", "test": "network?", "epochs": "size"},
            **{"learning_rate": "positive", "optimizer": "several?", "loss": "several?"},
            **{"title": "anything", "live": "flag", "checkpoints": "anything"},
            **{"callbacks": "several", "precision": "choice", "accuracy": "several?"},
        },
    ),
    "runs.network_of": ({"recipe": {"network": "lenet5"}}, {"recipe": "network"}),
    "runs.recorded_network": ({"name": "vgg_small"}, {"name": "choice"}),
    "runs.recorded_names": ({}, {}),
    "runs.recorded_run": ({"name": "lenet5"}, {"name": "choice"}),
    "runs.results_table": ({}, {}),
    "training.set_seed": ({"seed": 1}, {"seed": "whole"}),
}
DETECTOR = {"detections": "several", "truths": "several", "threshold": "positive"}
CALLS |= {
    "inside_keras.all_layers": ({"model": fresh(small_network)}, {"model": "network"}),
    "inside_keras.without_weights": (
        {"build": fresh(lambda: small_network)},
        {"build": "anything"},
    ),
    "arithmetic.transposed_output_size": (
        {"size": 6, "kernel": 3},
        {
            **{"size": "size", "kernel": "size", "stride": "size", "padding": "padding"},
            "output_padding": "count?",
        },
    ),
    "convolution.conv2d_transpose": (
        {"maps": IMAGES, "kernels": np.ones((3, 3, 4, 2), np.float32)},
        {
            **{"maps": "array", "kernels": "array", "bias": "array?", "strides": "size"},
            **{"padding": "padding", "output_padding": "count?"},
        },
    ),
    "explorers.upsampling": ({}, {"numbers": "array?"}),
    "metrics.iou": (
        {"truth": MASKS > 0, "answer": MASKS > 0},
        {"truth": "array", "answer": "array"},
    ),
    "metrics.class_ious": (
        {"truth": MASKS, "answer": MASKS, "classes": range(3)},
        {"truth": "array", "answer": "array", "classes": "list"},
    ),
    "metrics.mean_iou": (
        {"truth": MASKS, "answer": MASKS, "classes": range(3)},
        {"truth": "array", "answer": "array", "classes": "list"},
    ),
    "metrics.box_iou": (
        {"first": BOXES, "second": BOXES},
        {"first": "array", "second": "array"},
    ),
    "metrics.non_maximum_suppression": (
        {"boxes": BOXES, "scores": [0.9, 0.8]},
        {"boxes": "array", "scores": "array", "labels": "array?", "threshold": "positive"},
    ),
    "metrics.precision_recall": (
        {"detections": [(BOXES, [0.9, 0.8])], "truths": [BOXES]},
        DETECTOR,
    ),
    "metrics.average_precision": (
        {"detections": [(BOXES, [0.9, 0.8])], "truths": [BOXES]},
        DETECTOR,
    ),
    "metrics.mean_average_precision": (
        {
            **{"detections": [(BOXES, [0.9, 0.8], [1, 2])], "truths": [(BOXES, [1, 2])]},
            "classes": range(3),
        },
        {**DETECTOR, "classes": "list"},
    ),
    "models.cell_accuracy": ({}, {}),
    "plots.confusion": (
        {"counts": np.eye(3, dtype=int), "class_names": list("abc"), "alt": "all right"},
        {"counts": "array", "class_names": "names", "alt": "alt", "title": "anything"},
    ),
    "plots.label": ({"text": "a name"}, {"text": "anything", "most": "size"}),
    "predictions.predict": ({"question": "How many?"}, {"question": "alt"}),
    "predictions.again": ({}, {"today": "anything"}),
    "predictions.progress": ({}, {}),
    "predictions.summary": ({}, {}),
    "scenes.material": ({"split": "test", "full": False}, {"split": "choice", "full": "flag"}),
    "scenes.paint": (
        {"material": fresh(material), "count": 1},
        {
            **{"material": "network", "count": "size", "seed": "anything", "size": "size"},
            **{"digits": "anything", "sides": "anything", "overlap": "positive"},
        },
    ),
    "scenes.pipeline": (
        {"material": fresh(material), "steps": 1, "batch_size": 1},
        {
            **{"material": "network", "steps": "size", "batch_size": "size"},
            **{"targets": "choice", "seed": "anything"},
        },
    ),
    "scenes.ready": (
        {"scenes": fresh(painted)},
        {"scenes": "network", "targets": "choice"},
    ),
    "scenes.cells_from_boxes": (
        {"boxes": BOXES, "labels": [1, 2]},
        {"boxes": "array", "labels": "array", "size": "size", "cell": "size"},
    ),
    "scenes.detections": (
        {"outputs": np.zeros((1, 2, 2, 15), np.float32)},
        {"outputs": "array", "least": "positive", "threshold": "positive"},
    ),
    "training.cosine_adam": (
        {"learning_rate": 0.1, "steps": 10},
        {"learning_rate": "positive", "steps": "size"},
    ),
}
# The same names after a module was split, and what is no function of ours.
ELSEWHERE = {"runs": "training", "watching": "training"}
NOT_OURS = {"plots.mpl"}
# Calls that would rightly work for ever, where a test would leave files behind, or where what goes
# wrong is a function of the caller's own.
NOT_TRIED = {
    ("data.pipeline", "augment"): {"a function"},
    ("models.alexnet_small", "activation"): {"a function"},
    ("models.lenet5_modern", "activation"): {"a function"},
    ("scenes.paint", "count"): {"a huge number"},
    ("scenes.pipeline", "steps"): {"a huge number"},
    ("training.fit", "epochs"): {"a huge number"},
    ("training.fit", "loss"): {"a function"},
    ("training.fit", "checkpoints"): NO_ARRAY & {"a word", "a number as text", "bytes"},
}


def read(layer):
    """Lets a layer's description be read: what it says is looked at then."""
    return named("arithmetic.read_stack")(
        (8,) if type(layer).__name__ == "Dense" else (8, 8, 4), [layer]
    )


# What is done with what a function gives, where a mistake shows only then.
USED = {"arithmetic.Conv": read, "arithmetic.Pool": read, "arithmetic.Dense": read}

# ---------------------------------------------------------------------------------------------
# The calls
# ---------------------------------------------------------------------------------------------

# What Python, NumPy, Keras and TensorFlow say for themselves is no sentence for a learner.
FOREIGN = re.compile(
    r"unsupported operand|object is not|has no attribute|not subscriptable|must be real number,"
    r"|could not convert string|invalid literal|truth value of|inhomogeneous|positional argument"
    r"|unexpected keyword|not supported between|can't multiply|object cannot be interpreted"
    r"|division by zero|unhashable|Maximum allowed|out of bounds|could not be broadcast"
    r"|expected str, bytes|Traceback|to unpack|setting an array element|identifier:"
)


def raises_of(function):
    """The names of the errors that a docstring promises."""
    _, _, promised = (function.__doc__ or "").partition("Raises:")
    return set(re.findall(r"^\s+(\w*(?:Error|Failed)): ", promised, re.MULTILINE)) | {"ValueError"}


@contextmanager
def bounded(seconds=20):
    """Ends a call that works for ever; what counts is the processor's time, not the wall's."""

    def end(*_):
        raise RecursionError("it works for ever")

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def made(value):
    return value.build() if isinstance(value, SimpleNamespace) else value


def outcome(name, arguments):
    """'' where a call ended well, else the error's type and text."""
    with bounded(3 if name.startswith(("arithmetic", "convolution")) else 20):
        try:
            with redirect_stdout(io.StringIO()):
                answer = named(name)(**{key: made(value) for key, value in arguments.items()})
                answer = USED.get(name, lambda same: same)(answer)
        except Exception as problem:
            return type(problem).__name__, str(problem)
    # An explorer says above its picture what is wrong.
    problem = getattr(answer, "problem", "")
    return ("ValueError", problem) if problem else ("", "")


def faults(name):
    """What one function does wrong: `{what it does: [the arguments it does it with]}`."""
    listed = name if name in CALLS else _before_the_split(name)
    right, kinds = CALLS[listed]
    allowed, wrong = raises_of(named(name)), defaultdict(list)
    kind, text = outcome(name, right)
    if kind:
        wrong[f"{kind}: {text[:80]}"].append("the right call")
    for argument, sort in kinds.items():
        refused = REFUSED[sort.removesuffix("?")]
        refused = refused - ({"nothing"} if sort.endswith("?") else set())
        given = set(A_FEW if sort == "anything" else ANYTHING)
        for what in sorted(given - NOT_TRIED.get((listed, argument), set())):
            kind, text = outcome(name, right | {argument: ANYTHING[what]})
            if not kind and what in refused:
                wrong[f"{argument} taken without a word"].append(what)
            elif kind and kind not in allowed:
                wrong[f"{argument}: {kind}: {text[:60]!r}"].append(what)
            elif kind and (not text.strip() or FOREIGN.search(text)):
                wrong[f"{argument}: no sentence for a learner: {text[:60]!r}"].append(what)
    return wrong


def _before_the_split(name):
    module, _, rest = name.partition(".")
    return f"{ELSEWHERE.get(module, module)}.{rest}"


def refusing(problem):
    """What refuses to become an array, as a tensor that needs a gradient does."""

    def refuse(self, dtype=None, copy=None):
        raise problem

    return type("Tensor", (), {"__array__": refuse, "__len__": lambda self: 1})()


@pytest.mark.parametrize("problem", [RuntimeError, TypeError, ValueError])
def test_an_object_that_is_no_array_says_why(problem):
    tensor = refusing(problem("use tensor.detach().cpu()"))
    for check in (arguments.numeric_array, arguments.listed):
        says = r"weights must be an array of numbers, not Tensor: use tensor\.detach"
        with pytest.raises(ValueError, match=says):
            check(tensor, "weights")
    with pytest.raises(TypeError, match=r"holds a Tensor that is no array: use tensor\.detach"):
        answers.encode([tensor])
    if problem is not ValueError:  # rows of different lengths are one
        with pytest.raises(ValueError, match=r"weights must .*, not list: use tensor\.detach"):
            arguments.numeric_array([tensor], "weights")


COMPLEX, YES = np.complex128(1 + 2j), np.True_


@pytest.mark.parametrize(
    "value",
    [COMPLEX, YES, np.array(YES), np.array("1"), np.bytes_(b"1"), bytearray(b"1")],
)
def test_what_only_turns_into_a_number_is_none(value):
    with pytest.raises(ValueError, match="rate must be a number, not"):
        arguments.finite_number(value, "rate")


@pytest.mark.parametrize("kind", [int, float, Fraction, Decimal, np.uint8, np.array, bfloat16])
def test_a_number_of_any_kind_is_one(kind):
    assert arguments.finite_number(kind(2), "rate") == 2


@pytest.mark.parametrize("kind", ["V2", [("a", "i2")]])
def test_raw_bytes_and_tables_are_no_numbers(kind):
    with pytest.raises(ValueError, match="weights must be an array of numbers, not"):
        arguments.numeric_array(np.array([b"12", b"34"]).view(kind), "weights")
    assert arguments.numeric_array(np.ones(2, bfloat16), "weights").dtype == np.float32


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_is_public_is_read_from_the_notebooks():
    assert len(public()) > 60
    assert {"data.load", "arithmetic.Conv", "environment.quiet_tensorflow"} <= set(public())


@pytest.mark.parametrize("name", public())
def test_a_public_function_takes_or_refuses_with_a_sentence(name, monkeypatch):
    if name.startswith("explorers."):  # or each call would read the same sheets again
        data = importlib.import_module("course_utils.data")
        monkeypatch.setattr(data, "load", functools.cache(data.load))
    known = name in CALLS or _before_the_split(name) in CALLS
    assert known, f"{name} is public: give it a line in CALLS"
    wrong = [f"{fault}: {', '.join(given)}" for fault, given in faults(name).items()]
    assert not wrong, "\n" + "\n".join(wrong)
