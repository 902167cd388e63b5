"""The figures: one picture each, with its words, in colours that everybody tells apart."""

import base64
import io
import itertools
import re
import subprocess
import sys
from pathlib import Path

import IPython.display
import numpy as np
import pytest
from figures import few_log_ticks
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from course_utils import arithmetic, plots
from course_utils.anatomy import Row
from course_utils.plots import PALETTE

ROOT = Path(__file__).resolve().parent.parent

HISTORY = {
    "loss": [1.0, 0.5, 0.2],
    "accuracy": [0.5, 0.8, 0.9],
    "val_loss": [0.9, 0.6, 0.3],
    "val_accuracy": [0.6, 0.7, 0.85],
    "seconds": [1.0, 1.0, 1.0],
}
WITHOUT_TEST = {**HISTORY, "val_loss": [], "val_accuracy": []}
ROWS = [
    Row("C1", "Conv2D", (28, 28, 6), 156, 1, 1, (5, 5)),
    Row("S2", "Subsampling", (14, 14, 6), 12, 1, 1, (6, 6)),
    Row("F6", "Dense", (84,), 1, 1, 1, None),
]
DIGITS = [np.full((4, 4), 80 * index, np.uint8) for index in range(3)]

# Every function of the module that shows a figure itself.
SHOWING = {
    "show": lambda alt: plots.show(plots.subplots()[0], alt),
    "images": lambda alt: plots.images(DIGITS, alt),
    "windows": lambda alt: plots.windows(7, 3, alt, stride=2),
    "architecture": lambda alt: plots.architecture(ROWS, (32, 32, 1), alt),
    "curves": lambda alt: plots.curves({"ours": HISTORY}, alt),
    "confusion": lambda alt: plots.confusion([[3, 1], [0, 4]], ["cup", "plate"], alt),
}
# Those that draw into axes, or give a figure or data, and show nothing.
NOT_SHOWING = {"subplots", "to_png", "mime_bundle", "picture", "number_grid", "draw_curves"}
NOT_SHOWING |= {"label", "log_ticks"}


class Notebook:
    """What a notebook would keep of the calls of `display`."""

    def __init__(self):
        self.outputs, self.figures = [], []

    def display(self, data, metadata=None, raw=False):
        assert raw, "a figure must come as data, or its alt text is lost"
        self.outputs.append((data, metadata))


@pytest.fixture
def notebook(monkeypatch):
    kept = Notebook()
    monkeypatch.setattr(IPython.display, "display", kept.display)
    show = plots.show

    def show_and_keep(figure, alt):
        kept.figures.append(figure)
        show(figure, alt)

    monkeypatch.setattr(plots, "show", show_and_keep)
    return kept


# ---------------------------------------------------------------------------------------------
# One picture, with words
# ---------------------------------------------------------------------------------------------


def test_every_public_function_is_tried_here():
    public = {
        name
        for name, value in vars(plots).items()
        if getattr(value, "__module__", None) == plots.__name__ and not name.startswith("_")
    }
    assert public == set(SHOWING) | NOT_SHOWING


@pytest.mark.parametrize("name", SHOWING)
def test_a_function_shows_one_picture_with_alt_text(name, notebook):
    alt = f'What <{name}> shows, & "more".'
    SHOWING[name](alt)
    ((data, metadata),) = notebook.outputs
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == alt
    assert set(metadata) == {"image/png"} and metadata["image/png"]["alt"] == alt
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
        picture.load()
        assert picture.format == "PNG"
        # Stored with more dots than it is shown with, at most as wide as the text.
        assert picture.width == pytest.approx(1.25 * metadata["image/png"]["width"], abs=2)
        assert metadata["image/png"]["width"] <= 96 * plots.WIDTH + 1
        assert len(np.unique(np.asarray(picture))) > 1 or name == "show"


@pytest.mark.parametrize("alt", ["", "  \n"])
@pytest.mark.parametrize("name", SHOWING)
def test_a_picture_without_words_is_refused(name, alt, notebook):
    with pytest.raises(ValueError, match="alt is empty"):
        SHOWING[name](alt)
    assert notebook.outputs == []


def test_the_same_figure_gives_the_same_bytes():
    def draw():
        return plots.to_png(plots.draw_curves({"ours": HISTORY}, "a title"))

    assert draw() == draw()


# ---------------------------------------------------------------------------------------------
# What is drawn
# ---------------------------------------------------------------------------------------------


def test_subplots_gives_a_figure_without_global_state():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    figure, axes = plots.subplots(2, 3, height=4)
    assert isinstance(figure, Figure) and axes.shape == (2, 3)
    assert tuple(figure.get_size_inches()) == (plots.WIDTH, 4)
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    "sliding",
    [
        dict(size=7, kernel=3, stride=3),
        dict(size=7, kernel=3, padding="same"),
        dict(size=8, kernel=2, stride=2, padding=(0, 1)),
        dict(size=9, kernel=3, dilation=2, stride=2),
        dict(size=3, kernel=3),
    ],
    ids=str,
)
def test_windows_draws_each_window_and_each_pixel(sliding, notebook):
    plots.windows(**sliding, alt="Some windows.")
    (axes,) = notebook.figures[0].axes
    expected = arithmetic.windows(**sliding)
    assert [list(line.get_xdata()) for line in axes.lines] == [list(each) for each in expected]
    assert len({line.get_ydata()[0] for line in axes.lines}) == len(expected)  # one below another
    count = arithmetic.output_size(**sliding)
    assert len(expected) == count
    assert axes.get_title(loc="left") == f"{count} window{'s' if count > 1 else ''}"

    seen = {pixel for window in expected for pixel in window}
    before, after = arithmetic.padding_amounts(**sliding)
    hatches = {
        round(square.get_x() + 0.45): square.get_hatch()
        for square in axes.patches
        if isinstance(square, Rectangle)
    }
    assert list(hatches) == list(range(-before, sliding["size"] + after))
    for pixel, hatch in hatches.items():
        if not 0 <= pixel < sliding["size"]:
            assert hatch == "....", "padding is dotted"
        else:
            assert hatch == (None if pixel in seen else "////"), "an unread pixel is hatched"
    numbers = [text.get_text() for text in axes.texts if not text.get_text().startswith("output")]
    assert list(filter(None, numbers)) == [str(pixel) for pixel in range(sliding["size"])]


def test_images_fill_a_grid(notebook):
    plots.images(DIGITS, "Three.", titles=["a", "b", "c"], columns=2, title="All", role="input")
    figure = notebook.figures[0]
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(figure.axes) == 4 and len(drawn) == 3
    assert [axes.get_title() for axes in drawn] == ["a", "b", "c"]
    for axes, digit in zip(drawn, DIGITS, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), digit)
        assert axes.images[0].get_clim() == (0, 255)  # bytes keep their brightness
        assert to_rgb(axes.spines["top"].get_edgecolor()) == to_rgb(PALETTE["input"])


def test_a_picture_may_be_grey_or_in_colour():
    for shape in [(5, 6), (5, 6, 1), (5, 6, 3)]:
        image = np.random.default_rng(0).random(shape)
        _, axes = plots.subplots()
        plots.picture(axes, image)
        assert axes.images[0].get_array().shape == ((5, 6, 3) if shape[-1] == 3 else (5, 6))


def test_a_number_grid_writes_every_number():
    _, axes = plots.subplots()
    plots.number_grid(axes, [[1, -2, 3], [np.nan, 5, 6]], role="kernel", marked=[(1, 2)])
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "1", (1, 0): "−2", (2, 0): "3", (1, 1): "5", (2, 1): "6"}
    assert [patch.get_xy() for patch in axes.patches] == [(1.5, 0.5)]
    _, axes = plots.subplots()
    plots.number_grid(axes, [[0.5, 0.25]])
    assert [text.get_text() for text in axes.texts] == ["0.50", "0.25"]


def test_numbers_can_be_read_on_their_background():
    _, axes = plots.subplots()
    plots.number_grid(axes, np.arange(25).reshape(5, 5))
    shades = axes.images[0].get_array()
    for text in axes.texts:
        column, row = text.get_position()
        grey = np.full(3, float(shades[row, column]))
        assert contrast(to_rgb(text.get_color()), grey) >= 4.5


def test_an_architecture_names_every_layer(notebook):
    plots.architecture(ROWS, (32, 32, 1), "A network.", title="It shrinks")
    (axes,) = notebook.figures[0].axes
    assert [text.get_text() for text in axes.texts] == [
        "input\n32×32×1",
        "C1\n28×28×6",
        "S2\n14×14×6",
        "F6\n84",
    ]
    assert axes.get_title(loc="left") == "It shrinks"
    edges = {to_rgb(patch.get_edgecolor()) for patch in axes.patches}
    assert edges == {to_rgb(PALETTE[role]) for role in ("input", "kernel", "neutral", "output")}


def test_curves_show_loss_and_error(notebook):
    plots.curves({"ours": HISTORY, "recorded": WITHOUT_TEST}, "Two runs.", title="Both fall")
    left, right = notebook.figures[0].axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in left.lines}
    assert drawn == {
        "ours, training": HISTORY["loss"],
        "ours, test": HISTORY["val_loss"],
        "recorded, training": HISTORY["loss"],
    }
    np.testing.assert_allclose(right.lines[0].get_ydata(), [50, 20, 10])
    np.testing.assert_allclose(right.lines[1].get_ydata(), [40, 30, 15])
    assert list(left.lines[0].get_xdata()) == [1, 2, 3]
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss", "error, per cent")
    assert left.get_xlabel() == right.get_xlabel() == "epoch"
    styles = [line.get_linestyle() for line in left.lines]
    assert styles[0] == styles[1] != styles[2]  # no colour is needed to tell the runs apart


def test_curves_of_a_training_under_way_leave_room():
    left, _ = plots.draw_curves({"this run": WITHOUT_TEST}, epochs=10).axes
    assert left.get_xlim() == (0.5, 10.5)
    empty = {key: [] for key in HISTORY}
    plots.to_png(plots.draw_curves({"this run": empty}, epochs=10))  # nothing to draw is no error


# ---------------------------------------------------------------------------------------------
# Log axes
# ---------------------------------------------------------------------------------------------

RANGES = [(50, 62), (2.31, 2.33), (1.1, 2.3), (9.5, 31), (0.003, 2.5), (14, 90), (1e-19, 1e2)]


@pytest.mark.parametrize("low, high", [*RANGES, (3e-7, 4e-7), (2e7, 9e8), (99.9, 100)])
def test_a_log_axis_shows_three_numbers_whatever_it_spans(low, high):
    figure, axes = plots.subplots()
    axes.plot([1, 2], [low, high])
    axes.set(yscale="log")  # as a notebook says it
    assert few_log_ticks(figure) == []
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert not any("mathdefault" in text for text in texts)  # no formula, and none asked for
    assert 3 <= len(texts) <= 12
    values = [float(re.sub("(.*)·?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)$", from_powers, text)) for text in texts]
    np.testing.assert_allclose(values, axes.get_yticks(), rtol=1e-6)


def from_powers(match):
    power = match[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return f"{match[1].rstrip('·') or 1}e{power}"


def test_a_log_axis_with_one_number_is_found():
    figure, axes = plots.subplots()
    axes.plot([1, 2], [50, 62])
    axes.set(yscale="log", ylabel="error")
    axes.set_yticks([50])
    assert few_log_ticks(figure) == [" error: ['50']"]


def test_ticks_of_ones_own_choice_stay():
    figure, axes = plots.subplots()
    axes.plot([1, 300], [1, 2])
    axes.set_xscale("log")
    axes.set_xticks([1, 10, 300])
    plots.to_png(figure)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "10", "300"]


def test_a_curve_that_is_level_is_not_magnified_into_one_that_falls():
    level = {"loss": [2.31, 2.29], "accuracy": [0.1, 0.12], "val_loss": [2.3]}
    for axes in plots.draw_curves({"ours": level}).axes:
        low, high = axes.get_ylim()
        assert high >= 1.99 * low


def test_an_error_of_zero_stays_on_the_axis():
    perfect = {**HISTORY, "accuracy": [0.9, 1.0, 1.0], "val_accuracy": [0.8, 0.9, 1.0]}
    figure = plots.draw_curves({"ours": perfect})
    assert few_log_ticks(figure) == []
    axes = figure.axes[1]
    bottom = axes.get_yticks()[0]
    assert axes.get_yticklabels()[0].get_text() == "0"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [10, bottom, bottom])
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [20, 10, bottom])
    assert axes.get_ylim()[0] < bottom < 10


def test_an_accuracy_rounded_above_1_is_an_error_of_zero():
    rounded = {**HISTORY, "accuracy": [0.9, 1 + 1e-6, np.nan], "val_accuracy": []}
    axes = plots.draw_curves({"ours": rounded}).axes[1]
    assert axes.get_yscale() == "log" and axes.get_yticklabels()[0].get_text() == "0"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [10, axes.get_yticks()[0], np.nan])


def test_a_history_without_accuracy_has_no_panel_of_errors():
    figure = plots.draw_curves({"ours": {"loss": [2.0, 1.0], "mae": [1, 2]}})
    plots.to_png(figure)
    assert figure.axes[0].axison and not figure.axes[1].axison
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training"]


@pytest.mark.parametrize("loss", [[0.0, 0.0], [-1.0, -2.0], [np.nan, np.nan], [np.inf, 1.0], []])
def test_any_loss_can_be_drawn(loss):
    history = {**WITHOUT_TEST, "loss": loss, "accuracy": [1.0] * len(loss)}
    figure = plots.draw_curves({"ours": history})
    plots.to_png(figure)
    scale = "linear" if -1.0 in loss else "log"
    assert figure.axes[0].get_yscale() == scale


# ---------------------------------------------------------------------------------------------
# Anybody's text
# ---------------------------------------------------------------------------------------------

NAMES = [
    "bill_$1_and_$5",
    "p^{2} $x_0$ \\frac",
    "a<b>&c",
    "_hidden",
    "two\nlines",
    "三角形",
    "🫠",
    "ж",
]


def test_a_name_is_never_a_formula_nor_a_warning(notebook, recwarn):
    plots.images([DIGITS[0]] * len(NAMES), "Names.", titles=np.array(NAMES), title=NAMES[1])
    plots.confusion(np.eye(len(NAMES), dtype=int), NAMES, "Names.", title=NAMES[0])
    plots.curves({name: HISTORY for name in NAMES}, "Names.", title=NAMES[1])
    plots.windows(5, 3, "Names.", title=NAMES[0])
    assert not [str(warning.message) for warning in recwarn]
    drawn = [axes.get_title() for axes in notebook.figures[0].axes]
    assert drawn[2:5] == ["a<b>&c", " _hidden", "two\nlines"]
    assert drawn[0].startswith("bill_$") and drawn[0].endswith("$5")
    ticks = [text.get_text() for text in notebook.figures[1].axes[0].get_yticklabels()]
    assert ticks[0] == "bill_$1_and_$5" and ticks[4] == "two lines"
    legend = [text.get_text() for text in notebook.figures[2].legends[0].get_texts()]
    assert len(legend) == 2 * len(NAMES)  # none is left out


def test_letters_that_no_font_has_are_spelled(monkeypatch):
    monkeypatch.setattr(plots, "_letters", lambda: frozenset(map(ord, "abc ")))
    figure, axes = plots.subplots()
    axes.set_title("a 三\nb")
    names = ["🐱\N{VARIATION SELECTOR-16}\N{ZERO WIDTH JOINER}", "é", "ปี", "ปู"]
    axes.set_yticks(range(4), labels=names)
    plots.to_png(figure)
    assert axes.get_title(loc="left") == "a ‹4E09›\nb"
    ticks = [text.get_text() for text in axes.get_yticklabels()]
    assert ticks == ["‹cat face›", "‹00E9›", "‹0E1B›‹0E35›", "‹0E1B›‹0E39›"]


def test_a_font_with_the_letters_is_used_where_it_is_installed():
    script = (
        "import dataclasses\n"
        "from matplotlib.font_manager import fontManager\n"
        "entry = dataclasses.replace(fontManager.ttflist[0], name='Symbola')\n"
        "fontManager.ttflist.append(entry)\n"
        "from course_utils import plots\n"
        "print(plots.mpl.rcParams['font.family'])"
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == "'Symbola']"


@pytest.mark.parametrize(
    "text, most, expected",
    [
        ("a" * 30, 9, "aaaa…aaaa"),
        ("a\tb\x00c\n", 24, "a b c"),
        ("\udcff.jpg", 24, ".jpg"),
        ("", 24, "(no name)"),
        ("_x", 24, " _x"),
        (7, 24, "7"),
    ],
)
def test_a_label_is_one_short_line(text, most, expected):
    assert plots.label(text, most) == expected
    assert len(plots.label("x" * 999, most)) == most


# ---------------------------------------------------------------------------------------------
# Confusion
# ---------------------------------------------------------------------------------------------


def test_a_confusion_matrix_is_shaded_by_the_share_of_its_row(notebook):
    plots.confusion([[8, 2], [50, 50]], ["few", "many"], "Cups.")
    (axes,) = notebook.figures[0].axes
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.2, 0.8], [0.5, 0.5]])
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["8\n80%", "2\n20%", "50\n50%", "50\n50%"]
    framed = [patch.get_xy() for patch in axes.patches]
    assert framed == [(-0.5, -0.5), (0.5, 0.5)]  # the diagonal
    assert axes.get_title(loc="left") == "58 of 110 are right: the diagonal"
    for text in axes.texts:
        grey = np.full(3, float(axes.images[0].get_array()[text.get_position()[::-1]]))
        assert contrast(to_rgb(text.get_color()), grey) >= 4


def test_of_many_classes_those_with_most_mistakes_are_shown(notebook):
    counts = np.diag(np.full(120, 9))
    counts[100, 3], counts[7, 8] = 5, 4
    plots.confusion(counts, range(120), "Many.")
    words = [text.get_text() for text in notebook.figures[0].axes[0].get_yticklabels()]
    assert len(words) == 12 and {"100", "7"} <= set(words)
    plots.confusion(np.zeros((2, 2), int), ["a", "b"], "Nothing was tested.")


# ---------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------

AXES = plots.subplots()[1]
COLOURED = np.zeros((32, 32, 3))
WRONG = {
    "no pictures": lambda: plots.images([], "alt"),
    "an array of none": lambda: plots.images(np.zeros((0, 4, 4)), "alt"),
    "too few titles": lambda: plots.images(DIGITS, "alt", titles=["a"]),
    "a title for all": lambda: plots.images(DIGITS, "alt", titles="abc"),
    "no column": lambda: plots.images(DIGITS, "alt", columns=0),
    "a size of NaN": lambda: plots.images(DIGITS, "alt", size=np.nan),
    "a thousand pictures": lambda: plots.images([DIGITS[0]] * 1000, "alt"),
    "a billion rows": lambda: plots.subplots(10**9),
    "a text for a height": lambda: plots.subplots(height="3"),
    "axes of text": lambda: plots.picture("axes", DIGITS[0]),
    "a word for an image": lambda: plots.picture(AXES, "cat"),
    "a role that is none": lambda: plots.picture(AXES, DIGITS[0], role="output map"),
    "a list for a role": lambda: plots.picture(AXES, DIGITS[0], role=["input"]),
    "four channels": lambda: plots.picture(AXES, np.zeros((3, 3, 4))),
    "one limit": lambda: plots.picture(AXES, DIGITS[0], limits=3),
    "complex numbers": lambda: plots.picture(AXES, np.zeros((3, 3), complex)),
    "a ragged image": lambda: plots.picture(AXES, [[1, 2], [3]]),
    "a title of arrays": lambda: plots.picture(AXES, DIGITS[0], title=np.zeros(3)),
    "a grid of one axis": lambda: plots.number_grid(AXES, [1, 2]),
    "a huge grid": lambda: plots.number_grid(AXES, np.zeros((1000, 1000))),
    "half a digit": lambda: plots.number_grid(AXES, [[1]], digits=0.5),
    "a mark that is no cell": lambda: plots.number_grid(AXES, [[1]], marked=[3]),
    "a million pixels": lambda: plots.windows(10**6, 3, "alt"),
    "rows of text": lambda: plots.architecture(["C1"], (32, 32, 1), "alt"),
    "no rows": lambda: plots.architecture([], (32, 32, 1), "alt"),
    "an input of one number": lambda: plots.architecture(ROWS, 32, "alt"),
    "one image as a list": lambda: plots.images(COLOURED, "alt"),
    "masked numbers": lambda: plots.number_grid(AXES, np.ma.masked_equal([[1, 2]], 2)),
    "one history": lambda: plots.draw_curves(HISTORY),
    "no history": lambda: plots.draw_curves({}),
    "a history of words": lambda: plots.draw_curves({"ours": {"loss": ["a"], "accuracy": [1]}}),
    "accuracies in per cent": lambda: plots.draw_curves({"ours": {"loss": [1], "accuracy": [80]}}),
    "an accuracy below 0": lambda: plots.draw_curves({"ours": {"loss": [1], "accuracy": [-0.1]}}),
    "a history without a loss": lambda: plots.draw_curves({"ours": {"accuracy": [1.0]}}),
    "half an epoch": lambda: plots.draw_curves({"ours": HISTORY}, epochs=0.5),
    "no alt text": lambda: plots.show(plots.subplots()[0], None),
    "no figure": lambda: plots.to_png(None),
    "counts of one axis": lambda: plots.confusion([1, 2], ["a", "b"], "alt"),
    "negative counts": lambda: plots.confusion([[1, -1], [0, 1]], ["a", "b"], "alt"),
    "a name too few": lambda: plots.confusion([[1, 0], [0, 1]], ["a"], "alt"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_what_cannot_be_drawn_is_refused_with_a_sentence(wrong):
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        wrong()


def test_an_array_with_three_at_its_end_may_be_a_list_of_pictures(notebook):
    kernels = np.zeros((5, 3, 3))
    says = r"one picture: \[picture\], or list\(pictures\) if they are 5, 3 wide"
    with pytest.raises(ValueError, match=says):
        plots.images(kernels, "Five kernels.")
    plots.images(list(kernels), "Five kernels.")
    assert len(notebook.figures[0].axes) == 5


def test_a_palette_is_drawn_by_its_colours():
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 200, 10, 30])
    _, axes = plots.subplots()
    plots.picture(axes, picture)
    drawn = 255 * axes.images[0].get_array()[0, 0]
    np.testing.assert_allclose(drawn, [200, 10, 30])
    for mode in ("YCbCr", "LAB", "HSV", "CMYK"):
        plots.picture(axes, Image.new("RGB", (4, 4), "red").convert(mode))
        red, *others = axes.images[-1].get_array()[0, 0]
        assert red > 0.95 and max(others) < 0.05, mode


HALVES = np.repeat([[0.25, 0.75]], 8, axis=0)[..., None].repeat(3, axis=-1)


@pytest.mark.parametrize(
    "image, limits, drawn",
    [
        (HALVES, None, (0.25, 0.75)),
        (HALVES, (0, 1), (0.25, 0.75)),
        (255 * HALVES, (0, 255), (0.25, 0.75)),
        (4 * HALVES - 2, (-2, 2), (0.25, 0.75)),
        (4 * HALVES - 2, None, (0, 1)),
        (np.uint8(256 * HALVES), (64, 192), (0, 1)),
        (np.uint16(65535 * HALVES), (0, 65535), (0.25, 0.75)),
    ],
)
def test_colours_are_drawn_between_their_limits(image, limits, drawn):
    _, axes = plots.subplots()
    plots.picture(axes, image, limits=limits)
    np.testing.assert_allclose(axes.images[0].get_array()[0, :, 0], drawn, atol=1e-4)


@pytest.mark.parametrize("grey, drawn", [(0, 0), (0.5, 0.5), (1, 1), (200, 1), (-3, 0)])
def test_one_grey_is_as_bright_as_it_says(grey, drawn):
    _, axes = plots.subplots()
    plots.picture(axes, np.full((3, 3), float(grey)))
    assert axes.images[0].norm(float(grey)) == drawn


@pytest.mark.parametrize("kind", [np.uint8, np.uint32, np.int64])
def test_the_classes_with_most_mistakes_are_shown_whatever_counts_them(kind, monkeypatch):
    counts = np.diag(np.full(15, 50)).astype(kind)
    counts[3, 4], counts[14, 0] = 40, 30
    figures = []
    monkeypatch.setattr(plots, "show", lambda figure, alt: figures.append(figure))
    plots.confusion(counts, list("abcdefghijklmno"), "alt")
    names = "".join(tick.get_text() for tick in figures[0].axes[0].get_yticklabels())
    assert len(names) == 12 and {"d", "o"} <= set(names)


# ---------------------------------------------------------------------------------------------
# Colours
# ---------------------------------------------------------------------------------------------

# How colours look with one kind of cones missing, on linear RGB.
# Source: Machado, Oliveira, Fernandes, "A physiologically-based model for simulation of color
# vision deficiency", IEEE TVCG 15 (2009), the matrices of severity 1.0.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colour):
    """The amounts of light of an sRGB colour (IEC 61966-2-1)."""
    colour = np.asarray(colour, dtype=float)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def lab(light):
    """CIE L*a*b* of linear sRGB under D65: a distance of about 2 is just seen."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    ratio = to_xyz @ np.clip(light, 0, 1) / to_xyz.sum(axis=1)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def distance(one, other, vision):
    lights = [VISION[vision] @ linear(to_rgb(PALETTE[role])) for role in (one, other)]
    return float(np.linalg.norm(lab(lights[0]) - lab(lights[1])))


def contrast(one, other):
    """The contrast ratio of WCAG 2, from 1 to 21."""
    luminance = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (one, other))
    return (luminance[1] + 0.05) / (luminance[0] + 0.05)


def test_the_simulation_keeps_white_and_confuses_red_with_green():
    for matrix in VISION.values():
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=2e-6)
    red, green = linear([0.8, 0.25, 0.1]), linear([0.45, 0.45, 0.1])
    usual = np.linalg.norm(lab(red) - lab(green))
    matrix = VISION["deuteranopia"]
    assert np.linalg.norm(lab(matrix @ red) - lab(matrix @ green)) < usual / 2


@pytest.mark.parametrize("vision", VISION)
def test_people_of_any_colour_vision_tell_the_roles_apart(vision):
    roles = ("input", "kernel", "output", "gradient", "lost")
    distances = {
        pair: round(distance(*pair, vision), 1) for pair in itertools.combinations(roles, 2)
    }
    nearest = min(distances, key=distances.get)
    assert distances[nearest] >= 15, f"{nearest}: {distances[nearest]}"


def test_lines_and_words_are_dark_enough():
    ratios = {role: round(contrast(to_rgb(PALETTE[role]), (1, 1, 1)), 2) for role in PALETTE}
    # WCAG 2.2, 1.4.11: 3 to 1 for lines. The kernel's orange is lighter, and never stands alone:
    # it has dots, a line style or words beside it.
    too_light = {role for role, ratio in ratios.items() if ratio < 3}
    assert too_light <= {"kernel"}, ratios
    assert ratios["kernel"] >= 2, ratios


def test_the_palette_is_written_in_one_way():
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in PALETTE.values())
    assert len(set(PALETTE.values())) == len(PALETTE)


def test_many_curves_can_be_told_apart():
    history = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.8]}
    names = [f"learning rate 0.{'0' * number}1, batch size 128" for number in range(9)]
    figure = plots.draw_curves({name: history for name in names})
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(looks) == len(words) == len(set(words)) == 9


@pytest.mark.parametrize(
    "numbers, said",
    [
        ([[50000.4, 1]], ["50000.40", "1.00"]),
        ([[-0.0, 3]], ["0", "3"]),
        ([[-0.001, 0.5]], ["−0.001", "0.50"]),
        ([[3e-7, 5]], ["3e−07", "5"]),
        ([[-np.inf, 4, np.nan, np.inf]], ["−∞", "4", "∞"]),
        ([[-np.inf]], ["−∞"]),
    ],
)
def test_a_grid_writes_numbers_as_they_are(numbers, said):
    figure, axes = plots.subplots()
    plots.number_grid(axes, numbers)
    assert [text.get_text() for text in axes.texts] == said
    with pytest.raises(ValueError, match="a marked cell must be at most 0, not 5"):
        plots.number_grid(axes, numbers, marked=[(5, 5)])


def test_where_decimals_are_asked_for_a_grid_keeps_to_them():
    _, axes = plots.subplots()
    plots.number_grid(axes, [[0.04, 1]], digits=1)
    assert [text.get_text() for text in axes.texts] == ["0.0", "1.0"]


@pytest.mark.filterwarnings("error")
def test_infinite_numbers_are_shaded_as_the_smallest_and_the_largest():
    _, axes = plots.subplots()
    plots.number_grid(axes, [[-np.inf, 1, 2, np.inf]])
    assert axes.images[0].get_array().tolist() == [[0.25, 0.25, 1, 1]]


def test_counts_are_written_to_the_last_image(notebook):
    plots.confusion([[1_234_567, 0], [0, 2_000_001]], ["a", "b"], "Two classes.")
    words = [text.get_text() for text in notebook.figures[-1].axes[0].texts]
    assert words == ["1,234,567\n100%", "0", "0", "2,000,001\n100%"]


def test_a_confusion_with_a_mistake_is_not_100_per_cent(notebook):
    plots.confusion([[998, 2], [1, 199]], ["a", "b"], "Two classes, nearly right.")
    words = [text.get_text() for text in notebook.figures[-1].axes[0].texts]
    assert words == ["998\n>99%", "2\n<1%", "1\n<1%", "199\n>99%"]
    for counts in ([[1e300, 0], [0, 1]], [[np.nan, 0], [0, 1]]):
        with pytest.raises(ValueError, match="too large|there is a NaN"):
            plots.confusion(counts, ["a", "b"], "Two classes.")
    with pytest.raises(ValueError, match="class_names must be a list"):
        plots.confusion([[1, 0], [0, 1]], {"a", "b"}, "Two classes.")
