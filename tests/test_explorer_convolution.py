"""The convolution stepper without a browser: its numbers against a sum by hand, its refusals."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from drawn import point, texts
from PIL import Image

from course_utils import data
from course_utils.convolution import conv2d_loops
from course_utils.explorers import convolution
from course_utils.explorers._convolution import LEFT, RIGHT, TOP, read_kernel

PATCH = np.arange(36).reshape(6, 6) ** 2 % 97


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same", 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_every_output_is_the_sum_of_its_products(stride, padding, dilation):
    kernel = [[1, -2, 3], [0, 4, 0], [-1, 0, 2]]
    explorer = convolution(PATCH, kernel, stride, padding, dilation)
    expected = conv2d_loops(
        PATCH[None, ..., None].astype(float),
        np.array(kernel, float)[..., None, None],
        strides=stride,
        padding=padding,
        dilation_rate=dilation,
    )[0, ..., 0]
    assert f"output {expected.shape[0]}×{expected.shape[1]}" in texts(explorer)
    assert explorer.controls["position"].max == expected.size - 1
    for position, number in enumerate(expected.ravel()):
        explorer.controls["position"].value = position
        said = f"{number:.0f}".replace("-", "−")
        assert explorer.drawing.alt.endswith(f"gives {said}.")
        assert any(text.endswith(f"=  {said}") for text in texts(explorer))


def test_the_output_fills_up():
    explorer = convolution(PATCH)
    explorer.controls["position"].value = 0
    few = len(texts(explorer))
    explorer.controls["position"].value = 5
    assert len(texts(explorer)) == few + 5  # five more numbers stand in the output


def test_formula_has_the_numbers_in_it():
    explorer = convolution(PATCH, stride=2, padding="same", dilation=2)
    lines = "\n".join(texts(explorer))
    assert "⌊(6 + 1 + 2 − 5) / 2⌋ + 1 = 3" in lines
    assert "2·(3 − 1) + 1 = 5" in lines


def test_what_surprises_is_said():
    assert (
        "'same' pads 0 before and 1 after"
        in convolution(PATCH, [[1, 1], [1, 1]], padding="same").drawing.note
    )
    assert "has no middle" in convolution(PATCH, [[1, 1], [1, 1]], padding="same").drawing.note
    assert "no window reads 1 of the 6" in convolution(PATCH, stride=2).drawing.note
    assert "steps past all 6 pixels" in convolution(PATCH, stride=8).drawing.note
    assert convolution(PATCH).drawing.note == ""
    wide = convolution(np.zeros((4, 9)), [[1, 1, 1]], stride=4)
    assert "Height" in wide.drawing.note and "Width" not in wide.drawing.note.split("Height")[0]


def test_presets_and_numbers_follow_each_other():
    explorer = convolution(PATCH)
    explorer.controls["preset"].value = "box blur"
    assert read_kernel(explorer.controls["kernel"].value).tolist() == [[1, 1, 1]] * 3
    explorer.controls["kernel"].value = "1, 2; 3, 4"
    assert explorer.controls["preset"].value == "your own"
    assert read_kernel(explorer.controls["kernel"].value).tolist() == [[1, 2], [3, 4]]


def test_pointing_goes_there():
    explorer = convolution(PATCH)
    cell = 300 / 6
    point(explorer, RIGHT + cell * 2.5, TOP + cell * 1.5)
    assert explorer.controls["position"].value == 1 * 4 + 2
    point(explorer, LEFT + cell * 1.5, TOP + cell * 3.5)  # the window whose middle is there
    assert explorer.controls["position"].value == 2 * 4 + 0
    point(explorer, RIGHT + cell * 5.5, TOP + cell * 1.5)  # beside the output
    assert explorer.controls["position"].value == 2 * 4 + 0
    point(explorer, "nowhere", "at all")
    assert explorer.problem == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the kernel is empty"),
        ("1 0\n1", "row 2 of the kernel has 1 numbers and row 1 has 2"),
        ("1 x 1", "row 1 of the kernel: 'x' is not a number"),
        ("1 nan 1", "'nan' is not a number"),
        ("1 1e999 1", "'1e999' is not a number"),
        ("1 " * 8, "larger than 7×7"),
        ("1 1 1 1 1 1 1", "larger than the padded input"),
    ],
)
def test_a_kernel_that_makes_no_sense_is_refused_in_place(text, problem):
    explorer = convolution(PATCH)
    before = explorer.drawing
    explorer.controls["kernel"].value = text
    assert problem in explorer.problem and problem.replace("'", "&#x27;") in explorer._message.value
    assert explorer.drawing is before
    explorer.controls["kernel"].value = "1 1 1"
    assert explorer.problem == "" and explorer.drawing is not before


@pytest.mark.parametrize("pixels", [-1, 17, 10**9])
def test_a_padding_that_cannot_be_drawn_is_refused_in_place(pixels):
    explorer = convolution(PATCH, padding=1)
    explorer.controls["pixels"].value = pixels
    assert f"{pixels} pixels cannot be drawn" in explorer.problem


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"image": np.zeros((0, 4))}, "it is empty"),
        ({"image": np.zeros(4)}, "the shape must be"),
        ({"image": np.full((4, 4), np.inf)}, "not finite"),
        ({"image": "a cat"}, "numbers"),
        ({"stride": 20}, "stride: 20 is not between 1 and 8"),
        ({"padding": "some"}, "padding: 'some' is none of valid, same"),
        ({"image": np.zeros((2, 2))}, "larger than the padded input"),
        ({"kernel": [["a"]]}, "kernel: rows of numbers"),
        ({"kernel": [[1, 2], [3]]}, "kernel: rows of numbers"),
        ({"kernel": np.zeros((3, 3, 3))}, "kernel: rows of numbers"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_place(arguments, problem):
    explorer = convolution(**arguments)
    assert problem in explorer.problem
    bundle, _ = explorer._repr_mimebundle_()
    assert problem in bundle["text/plain"]


def test_a_photograph_is_scaled_down_and_colours_become_grey():
    large = np.zeros((3000, 4000, 3), np.uint8)
    large[..., 0] = 30
    explorer = convolution(large, [[1]])
    assert "3000×4000 pixels were scaled to 48×64" in explorer.drawing.note
    assert explorer.drawing.alt.endswith("gives 10.")


def test_the_default_offers_pictures_of_the_course():
    explorer = convolution()
    assert "input 6×6" in texts(explorer)
    explorer.controls["picture"].value = "a digit"
    assert "input 28×28" in texts(explorer)
    digit = data.load("mnist", "test").images[7, ..., 0].astype(float)
    explorer.controls["position"].value = 26 * 13 + 13
    window = digit[13:16, 13:16]
    expected = np.sum(window * [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    assert explorer.drawing.alt.endswith(f"gives {expected:.0f}.".replace("-", "−"))


def test_svg_and_png_are_whole():
    drawing = convolution(PATCH, padding="same", dilation=2).drawing
    root = ElementTree.fromstring(drawing.svg())
    assert root.get("aria-label") == drawing.alt
    picture = Image.open(io.BytesIO(drawing.png()))
    assert picture.size == (2 * round(drawing.width), round(2 * drawing.height))
