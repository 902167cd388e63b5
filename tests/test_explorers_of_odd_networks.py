"""Networks as people build them, in `anatomy` and in the explorers: drawn, or refused in words."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from odd_networks import ODD_NETWORKS

from course_utils import explorers
from course_utils.anatomy import anatomy

CLASSES = ("a class of one's own", "a class with", "sequential without Input", "normalised, seq")
REFUSED = {
    "anatomy": (
        *("channels first", "a sum written with +", "one layer called twice", "two images"),
        *("images of any size", *CLASSES),
    ),
    "inside": (
        *("channels first", "two", "one logit", "one probability", "a dict of outputs"),
        *("a class for each pixel", "maps for an end", "no weights", "no convolution"),
        *("rows one after the other", "a layer for each row", "one of one's own inside", *CLASSES),
    ),
}
REFUSED["architecture"] = REFUSED["anatomy"]
REFUSED["receptive_field"] = (
    *REFUSED["anatomy"],
    *("no convolution", "no weights", "rows one after the other", "a layer for each row"),
    "one of one's own inside",
)


def expected_to_be_refused(name, by):
    return any(name.startswith(start) for start in REFUSED[by])


def assert_words(text):
    assert 20 < len(text) < 500 and "\n" not in text and "Error" not in text, text


@pytest.mark.parametrize("name", sorted(ODD_NETWORKS))
def test_each_is_drawn_or_refused_in_words(name):
    network = ODD_NETWORKS[name]()
    if expected_to_be_refused(name, "anatomy"):
        with pytest.raises(ValueError) as refusal:
            anatomy(network)
        assert_words(str(refusal.value))
    else:
        table = anatomy(network)
        assert table.parameters == sum(np.prod(w.shape) for w in network.trainable_weights)
        assert network.name in table._repr_html_() and len(str(table).splitlines()) > 3
    for by in ("inside", "architecture", "receptive_field"):
        explorer = getattr(explorers, by)(network)
        if expected_to_be_refused(name, by):
            assert_words(explorer.problem)
            continue
        choices = explorer.controls["detail" if by == "architecture" else "layer"]
        views = explorer.controls.get("view", choices)
        for view in views.options:
            views.value = view if isinstance(view, str) else view[1]
            assert explorer.problem == "", (by, view)
            ElementTree.fromstring(explorer.drawing.svg())
        for choice in choices.options[:4]:
            choices.value = choice if isinstance(choice, str) else choice[1]
            assert explorer.problem == "", (by, choice)
        assert len(explorer.drawing.alt) > 40
        explorer.close()
