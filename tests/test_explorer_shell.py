"""What all explorers share: the frame, the controls, the drawing, and images that people bring."""

import base64
import io
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from drawn import parsed, png_of
from PIL import Image

from course_utils import explorers, plots
from course_utils.explorers import shell
from course_utils.explorers.drawing import Drawing

VIEW = "application/vnd.jupyter.widget-view+json"


def render(size, colour):
    if size == 13:
        raise ValueError("size: 13 brings bad luck")
    drawing = Drawing(100, 50, alt=f"A {colour} square of {size} pixels.")
    drawing.rect(0, 0, size, size, colour)
    return drawing


def made(**more):
    controls = {
        "size": shell.slider("size", 0, 20, 5),
        "colour": shell.choice("colour", ["red", "blue"], "red"),
    }
    return shell.Explorer(render, controls, **more)


def test_a_control_changes_the_picture():
    explorer = made()
    assert explorer.drawing.alt == "A red square of 5 pixels."
    explorer.controls["size"].value = 7
    explorer.controls["colour"].value = "blue"
    assert explorer.drawing.alt == "A blue square of 7 pixels."
    assert explorer.drawing.svg() in explorer._picture.value


def test_a_problem_is_said_in_place_and_the_picture_stays():
    explorer = made()
    explorer.controls["size"].value = 13
    assert 'role="alert"' in explorer._message.value and "bad luck" in explorer._message.value
    assert "5 pixels" in explorer.drawing.alt and explorer.drawing.svg() in explorer._picture.value
    explorer.controls["size"].value = 14
    assert explorer._message.value == ""


def test_what_nobody_foresaw_is_no_traceback_either():
    def react(name, controls):
        if name == "size":
            raise ZeroDivisionError

    explorer = made(react=react)
    explorer.controls["size"].value = 6
    assert explorer.problem == "ZeroDivisionError"


def test_text_from_outside_is_escaped():
    def refuse(word):
        raise ValueError(f"{word!r} is no word")

    explorer = shell.Explorer(refuse, {"word": shell.words("word", "<script>alert(1)</script>")})
    assert "<script>" not in explorer._message.value and "&lt;script&gt;" in explorer._message.value
    drawing = Drawing(10, 10, alt='"><script>')
    drawing.text(0, 0, "<script>")
    drawing.rect(0, 0, 1, 1, name="<script>")
    assert "<script>" not in drawing.svg()
    ElementTree.fromstring(drawing.svg())


def test_what_depends_on_a_control_follows_and_the_picture_is_drawn_once():
    drawn = []

    def react(name, controls):
        if name == "colour":
            controls["size"].value = 9

    def counting(**state):
        drawn.append(state)
        return render(**state)

    explorer = shell.Explorer(counting, made().controls, react=react)
    explorer.controls["colour"].value = "blue"
    assert drawn == [{"size": 5, "colour": "red"}, {"size": 9, "colour": "blue"}]


def test_pointing_sets_controls():
    explorer = made(point=lambda x, y, **state: {"size": round(x)} if y < 40 else None)
    assert "onpointerdown" in explorer._picture.value
    explorer._pointer.value = "8 10 1"
    assert explorer.drawing.alt == "A red square of 8 pixels."
    explorer._pointer.value = "9 45 2"
    assert explorer.drawing.alt == "A red square of 8 pixels."
    assert "onpointerdown" not in made()._picture.value


def test_one_output_has_the_view_the_picture_and_the_words():
    explorer = made()
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {VIEW, "image/png", "text/plain"}
    assert data[VIEW]["model_id"] == explorer.view.model_id
    assert metadata["image/png"]["alt"] == data["text/plain"] == explorer.drawing.alt
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.size == (200, 100)


def test_buttons_and_play_are_no_part_of_the_state():
    slider, pressed = shell.slider("step", 0, 3, 0), []
    button = shell.button("go", lambda: pressed.append(True))
    controls = {"step": slider, "play": shell.play(slider), "go": button}
    explorer = shell.Explorer(lambda step: Drawing(1, 1, alt=str(step)), controls)
    assert explorer.state == {"step": 0}
    button.click()
    assert pressed == [True]


@pytest.mark.parametrize("value", [-1, 21])
def test_a_slider_refuses_what_is_outside(value):
    with pytest.raises(ValueError, match="size: .* is not between 0 and 20"):
        shell.slider("size", 0, 20, value)


def test_a_choice_refuses_what_is_not_offered():
    with pytest.raises(ValueError, match="colour: 'green' is none of red, blue"):
        shell.choice("colour", ["red", ("dark", "blue")], "green")


# ---------------------------------------------------------------------------------------------
# Images
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3)])
def test_images_of_the_usual_shapes_pass(shape):
    image, note = shell.as_image(np.ones(shape, np.uint8))
    assert note == "" and image.shape == tuple(n for n in shape if n != 1)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.zeros((0, 3)), "it is empty"),
        (np.zeros(3), "the shape must be"),
        (np.zeros((2, 2, 4)), "the shape must be"),
        (np.zeros((1, 2, 2, 3)), "the shape must be"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.array([["a"]]), "an array of numbers is needed"),
        (None, "an array of numbers is needed"),
        (np.zeros((2, 2), complex), "an array of numbers is needed"),
    ],
)
def test_other_images_are_refused_by_name(image, problem):
    with pytest.raises(ValueError, match=f"mine: .*{problem}"):
        shell.as_image(image, "mine")


def test_a_large_image_is_scaled_by_the_mean_of_its_pixels():
    image = np.zeros((128, 256), np.uint8)
    image[:, ::2] = 100
    smaller, note = shell.as_image(image)
    assert smaller.shape == (32, 64) and smaller.dtype == np.uint8
    assert (smaller == 50).all() and "128×256 pixels were scaled to 32×64" in note


def test_bytes_of_any_numbers():
    assert shell.as_bytes(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 127, 255]
    assert shell.as_bytes(np.array([3.0, 3.0])).tolist() == [0, 0]
    assert shell.as_bytes(np.array([-5.0, 10.0]), (0, 5)).tolist() == [0, 255]


# ---------------------------------------------------------------------------------------------
# The drawing
# ---------------------------------------------------------------------------------------------


def pixels(drawing):
    return np.array(Image.open(io.BytesIO(drawing.png())).convert("RGB")).astype(int)


def test_every_shape_is_seen_in_svg_and_in_png():
    shapes = {
        "rect": lambda drawing: drawing.rect(10, 10, 20, 20, "#0072B2", "black"),
        "dashed": lambda drawing: drawing.rect(10, 10, 20, 20, "none", "black", 2, (3, 3)),
        "line": lambda drawing: drawing.line([(5, 5), (30, 20), (35, 5)]),
        "circle": lambda drawing: drawing.circle(20, 20, 6, "#E69F00", "black"),
        "text": lambda drawing: drawing.text(5, 25, "⌊5 × −3⌋", 12, bold=True),
        "image": lambda drawing: drawing.image(5, 5, 20, 20, np.eye(4) * 255),
        "smooth": lambda drawing: drawing.image(5, 5, 20, 20, np.zeros((2, 2, 3)), smooth=True),
        "hatch": lambda drawing: drawing.hatch(5, 5, 20, 20),
    }
    empty = len(ElementTree.fromstring(Drawing(40, 40).svg()))
    for name, draw in shapes.items():
        drawing = Drawing(40, 40)
        draw(drawing)
        assert len(ElementTree.fromstring(drawing.svg())) > empty, name
        assert (pixels(drawing) < 200).any(), name


def test_shapes_lie_where_they_were_put():
    drawing = Drawing(40, 20)
    drawing.rect(10, 5, 20, 10, "black")
    dark = pixels(drawing).sum(axis=2) < 100
    rows, columns = np.nonzero(dark)
    assert (rows.min(), columns.min()) == (10, 20) and abs(rows.max() - 29) <= 1
    assert abs(columns.max() - 59) <= 1


def test_hatches_stay_inside_and_a_tiny_one_is_no_mistake():
    drawing = Drawing(40, 40)
    drawing.hatch(10, 10, 15, 8, "black")
    rows, columns = np.nonzero(pixels(drawing).sum(axis=2) < 300)
    assert rows.min() >= 18 and rows.max() <= 38 and columns.min() >= 18 and columns.max() <= 52
    drawing.hatch(0, 0, 0, 0)
    drawing.png()


# ---------------------------------------------------------------------------------------------
# Every explorer
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", explorers.__all__)
def test_each_can_be_shown_without_a_browser(name):
    explorer = getattr(explorers, name)()
    bundle, metadata = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == explorer.drawing.alt
    width, height = explorer.drawing.width, explorer.drawing.height
    assert png_of(explorer).size == (round(2 * width), round(2 * height))


@pytest.mark.parametrize("name", ["channels", "pooling"])
def test_the_colours_are_those_of_the_course(name):
    allowed = {colour.lower() for colour in plots.PALETTE.values()}
    for each in parsed(getattr(explorers, name)()).iter():
        for colour in (each.get("fill"), each.get("stroke")):
            if colour and colour.startswith("#"):
                grey = len({colour[1:3], colour[3:5], colour[5:7]}) == 1
                assert grey or colour.lower() in allowed


def test_importing_them_imports_neither_tensorflow_nor_keras():
    code = "import sys, course_utils.explorers\n"
    code += "assert 'course_utils.explorers.inside' in sys.modules\n"
    code += "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
