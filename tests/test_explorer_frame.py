"""What all explorers share: the frame, the controls, the drawing, and images that people bring."""

import base64
import gc
import io
import subprocess
import sys
import weakref
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from drawn import parsed, png_of
from matplotlib import font_manager
from PIL import Image

from course_utils import explorers, plots
from course_utils.explorers import controls, frame, images
from course_utils.explorers.drawing import Drawing, Grid, _font_with, as_bytes

VIEW = "application/vnd.jupyter.widget-view+json"


class Square(frame.Explorer):
    """A square of some size and colour."""

    def __init__(self):
        super().__init__(
            {
                "size": controls.slider("size", 0, 20, 5),
                "colour": controls.choice("colour", ["red", "blue"], "red"),
            }
        )

    def draw(self, size, colour):
        if size == 13:
            raise ValueError("size: 13 brings bad luck")
        drawing = Drawing(100, 50, alt=f"A {colour} square of {size} pixels.")
        drawing.rect(0, 0, size, size, colour)
        return drawing


def test_a_control_changes_the_picture():
    explorer = Square()
    assert explorer.drawing.alt == "A red square of 5 pixels."
    explorer.controls["size"].value = 7
    explorer.controls["colour"].value = "blue"
    assert explorer.drawing.alt == "A blue square of 7 pixels."
    assert explorer.drawing.svg() in explorer._picture.value


def test_a_problem_is_said_in_place_and_the_picture_stays():
    explorer = Square()
    explorer.controls["size"].value = 13
    assert 'role="alert"' in explorer._message.value and "bad luck" in explorer._message.value
    assert "5 pixels" in explorer.drawing.alt and explorer.drawing.svg() in explorer._picture.value
    explorer.controls["size"].value = 14
    assert explorer._message.value == ""


def test_what_nobody_foresaw_is_no_traceback_either():
    class Broken(Square):
        def react(self, name):
            if name == "size":
                raise ZeroDivisionError

    explorer = Broken()
    explorer.controls["size"].value = 6
    assert explorer.problem == "ZeroDivisionError"


def test_text_from_outside_is_escaped():
    class Refusing(frame.Explorer):
        def draw(self, word):
            raise ValueError(f"{word!r} is no word")

    word = controls.text_box("word", "<script>alert(1)</script>")
    explorer = Refusing({"word": word})
    assert "<script>" not in explorer._message.value and "&lt;script&gt;" in explorer._message.value
    drawing = Drawing(10, 10, alt='"><script>')
    drawing.text(0, 0, "<script>")
    drawing.rect(0, 0, 1, 1, name="<script>")
    assert "<script>" not in drawing.svg()
    ElementTree.fromstring(drawing.svg())


def test_what_depends_on_a_control_follows_and_the_picture_is_drawn_once():
    drawn = []

    class Counting(Square):
        def react(self, name):
            if name == "colour":
                self.controls["size"].value = 9

        def draw(self, **state):
            drawn.append(state)
            return super().draw(**state)

    explorer = Counting()
    explorer.controls["colour"].value = "blue"
    assert drawn == [{"size": 5, "colour": "red"}, {"size": 9, "colour": "blue"}]


def test_pointing_sets_controls():
    class Pointed(Square):
        def draw(self, **state):
            drawing = super().draw(**state)
            drawing.on(Grid(0, 0, 20, 40, 1, 20), lambda row, column: {"size": column})
            return drawing

    explorer = Pointed()
    assert "onpointerdown" in explorer._picture.value
    explorer._pointer.value = "8 10 1"
    assert explorer.drawing.alt == "A red square of 8 pixels."
    explorer._pointer.value = "9 45 2"
    assert explorer.drawing.alt == "A red square of 8 pixels."
    assert "onpointerdown" not in Square()._picture.value


def test_a_grid_knows_its_cells():
    grid = Grid.fit(10, 20, 60, (2, 3))
    assert grid == Grid(10, 20, 60, 40, 2, 3) and grid.cell == (20, 20)
    for row in range(2):
        for column in range(3):
            left, top, width, height = grid.part(row, column)
            assert (left, top) == grid.corner(row, column)
            for share in (0, 0.5, 0.99):
                assert grid.at(left + share * width, top + share * height) == (row, column)
    for place in ((9.9, 30), (30, 19.9), (70, 30), (30, 60)):
        assert grid.at(*place) is None


def test_one_output_has_the_view_the_picture_and_the_words():
    explorer = Square()
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {VIEW, "image/png", "text/plain"}
    assert data[VIEW]["model_id"] == explorer.view.model_id
    assert metadata["image/png"]["alt"] == data["text/plain"] == explorer.drawing.alt
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.size == (200, 100)


def test_buttons_and_play_are_no_part_of_the_state():
    class Pressed(frame.Explorer):
        pressed = 0

        def go(self):
            self.pressed += 1

        def draw(self, step):
            return Drawing(1, 1, alt=str(step))

    slider, button = controls.slider("step", 0, 3, 0), controls.button("go")
    explorer = Pressed({"step": slider, "play": controls.play(slider), "go": button})
    assert explorer.state == {"step": 0}
    button.click()
    assert explorer.pressed == 1


@pytest.mark.parametrize("value", [-1, 21])
def test_a_slider_refuses_what_is_outside(value):
    with pytest.raises(ValueError, match="size: .* is not between 0 and 20"):
        controls.slider("size", 0, 20, value)


def test_a_choice_refuses_what_is_not_offered():
    with pytest.raises(ValueError, match="colour: 'green' is none of red, blue"):
        controls.choice("colour", ["red", ("dark", "blue")], "green")


@pytest.mark.parametrize("value", ["5", 2.5, None, np.nan, [1, 2], np.array([1, 2]), True])
def test_a_slider_wants_a_whole_number_and_a_choice_one_of_its_values(value):
    with pytest.raises(ValueError, match="size must be a whole number"):
        controls.slider("size", 0, 20, value)
    with pytest.raises(ValueError, match="size: .* is none of small, large"):
        controls.choice("size", ["small", "large"], value)


# ---------------------------------------------------------------------------------------------
# Text of the user's
# ---------------------------------------------------------------------------------------------

NAMES = ["$a_1$ & <b>", "a\nb", "猫 $x$", "😺_\x00\x1b", "a" * 200, "'\"><script>", "\ud800", "‮rtl"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_never_markup_and_never_ends_a_picture(name):
    drawing = Drawing(200, 40, alt=f"A class called {name}.")
    drawing.text(5, 20, name, 12, bold=True)
    drawing.rect(0, 0, 5, 5, name=name)
    root = ElementTree.fromstring(drawing.svg())
    (shown,) = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(shown) == len(name) and not set(shown) & set("\n\x00\x1b\ud800")
    assert [a for a, b in zip(shown, name, strict=True) if a != b] == [
        " " for letter in name if letter in "\n\x00\x1b\ud800"
    ]
    assert len(list(root)) == 3, "ground, text and rectangle, and nothing that the name made"
    assert (pixels(drawing)[:, 20:] < 200).any() or not shown.strip()


def test_letters_come_from_the_font_that_has_them(monkeypatch):
    _font_with.cache_clear()
    own = _font_with("a", False)
    assert own == _font_with("é", False) == _font_with("⌊", False) and "DejaVuSans.ttf" in own
    assert "DejaVuSans-Bold" in _font_with("a", True)
    # matplotlib brings a font of last resort from 3.11 on: before, a machine may have none.
    last_resort = any("LastResort" in font.fname for font in font_manager.fontManager.ttflist)
    found = _font_with("猫", False)
    assert found != own and (found or not last_resort)
    # No font has this one but that which shows a box with the script's name.
    assert _font_with("\U000e1234", False) is None or "LastResort" in _font_with(
        "\U000e1234", False
    )
    drawing, boxes = Drawing(60, 40), Drawing(60, 40)
    monkeypatch.setattr("matplotlib.font_manager.fontManager.ttflist", [])
    _font_with.cache_clear()
    drawing.text(5, 20, "\U000e1234\U000e1235", 12)
    boxes.text(5, 20, "□□", 12)
    np.testing.assert_array_equal(pixels(drawing), pixels(boxes))
    _font_with.cache_clear()


def test_a_message_with_a_users_text_is_one_line_of_text():
    class Refusing(frame.Explorer):
        def draw(self):
            raise ValueError("class '<b>$x$\n</b>' & no other")

    message = Refusing({})._message.value
    assert "<b>" not in message and "&lt;b&gt;$x$ &lt;/b&gt;" in message


# ---------------------------------------------------------------------------------------------
# Memory
# ---------------------------------------------------------------------------------------------


def test_an_explorer_that_nobody_keeps_is_gone_with_its_widgets():
    explorer, closed = Square(), []
    of_it, view = weakref.ref(explorer), explorer.view
    slider = explorer.controls["size"]
    view.observe(lambda change: closed.append(change["new"]), "comm")
    del explorer
    gc.collect()
    assert of_it() is None and closed == [None]
    slider.value = 9  # and what is left of it does nothing


class Kernel:
    """As much of IPython's kernel as tells cells apart."""

    def __init__(self, cell, run):
        self.parent = {"metadata": {"cellId": cell} if cell else {}, "header": {"msg_id": run}}

    def get_parent(self):
        return self.parent


def shown_in(monkeypatch, cell, run):
    """An explorer that this run of a cell shows and keeps no name of."""
    monkeypatch.setattr("IPython.get_ipython", lambda: Kernel(cell, run))
    explorer = frame.message_in_place(Square)()
    explorer._repr_mimebundle_()
    return weakref.ref(explorer)


def test_what_a_cell_shows_lives_until_the_cell_runs_again(monkeypatch):
    first, second = (shown_in(monkeypatch, "a", "1") for _ in range(2))
    other, unknown = shown_in(monkeypatch, "b", "2"), shown_in(monkeypatch, None, "3")
    gc.collect()
    assert all((first(), second(), other(), unknown()))
    first().controls["size"].value = 8
    assert "8 pixels" in first().drawing.alt
    again = shown_in(monkeypatch, "a", "4")
    gc.collect()
    assert first() is second() is None and all((again(), other(), unknown()))


# ---------------------------------------------------------------------------------------------
# Images
# ---------------------------------------------------------------------------------------------


def test_what_a_layer_gives_in_16_bits_is_an_image():
    import ml_dtypes

    numbers = np.arange(12).reshape(3, 4)
    for kind in (ml_dtypes.bfloat16, np.float16):
        image, note = images.as_image(numbers.astype(kind))
        assert image.tolist() == numbers.tolist() and note == ""


def test_a_picture_of_pillow_is_seen_in_its_colours():
    colours = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    picture = Image.fromarray(colours)
    palette = picture.quantize(64)
    np.testing.assert_array_equal(images.as_image(palette)[0], np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(images.as_image(picture)[0], colours)
    assert images.as_image(picture.convert("CMYK"))[0].shape == (5, 7, 3)
    assert images.as_image(picture.convert("L"))[0].shape == (5, 7)
    for see_through in (picture.convert("RGBA"), np.zeros((5, 7, 4))):
        with pytest.raises(ValueError, match=r"image\[..., :3\]"):
            images.as_image(see_through)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3)])
def test_images_of_the_usual_shapes_pass(shape):
    image, note = images.as_image(np.ones(shape, np.uint8))
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
        images.as_image(image, "mine")


def test_a_large_image_is_scaled_by_the_mean_of_its_pixels():
    image = np.zeros((128, 256), np.uint8)
    image[:, ::2] = 100
    smaller, note = images.as_image(image)
    assert smaller.shape == (32, 64) and smaller.dtype == np.uint8
    assert (smaller == 50).all() and "128×256 pixels were scaled to 32×64" in note


def test_bytes_of_any_numbers():
    assert as_bytes(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 127, 255]
    assert as_bytes(np.array([3.0, 3.0])).tolist() == [0, 0]
    assert as_bytes(np.array([-5.0, 10.0]), (0, 5)).tolist() == [0, 255]


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
    code += "assert 'course_utils.explorers._inside' in sys.modules\n"
    code += "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
