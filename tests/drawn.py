"""What several tests read of an explorer's picture, and how they move its controls."""

import base64
import io
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SVG = "{http://www.w3.org/2000/svg}"


def parsed(explorer):
    """The picture's SVG, as a tree of elements."""
    return ElementTree.fromstring(explorer.drawing.svg())


def texts(explorer):
    """Every text in the picture."""
    return [each.text for each in parsed(explorer).iter(f"{SVG}text")]


def pixels_at(address):
    """The pixels of a PNG file that an address in the picture holds."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2]))))


def pictures(explorer):
    """The images in the picture, in the order in which they were drawn."""
    return [pixels_at(each.get("href")) for each in parsed(explorer).iter(f"{SVG}image")]


def png_of(explorer):
    """The picture as it is shown where nothing runs."""
    return Image.open(io.BytesIO(explorer.drawing.png()))


def point(explorer, x, y):
    """What a click writes into the hidden box; the time tells two clicks apart."""
    explorer._pointer.value = f"{x} {y} {time.monotonic_ns()}"


def set_to(explorer, **state):
    """Moves some controls, none of which may cause a message; gives the picture's alt text."""
    for name, value in state.items():
        explorer.controls[name].value = value
        assert explorer.problem == ""
    return explorer.drawing.alt


def written_in(notebook, ids, until, **namespace):
    """What some cells of a notebook define, by name; of each cell what stands before `until`."""
    for cell in nbformat.read(NOTEBOOKS / notebook, as_version=4).cells:
        if cell.id in ids:
            exec(compile(cell.source.partition(until)[0], cell.id, "exec"), namespace)
    return namespace
