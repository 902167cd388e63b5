"""Four explorers in classic Notebook with ipywidgets 7, in a browser: as near as we come to Colab.

Colab's own page is not to be had. Its widgets are ipywidgets 7.7.1, whose sliders and buttons are
other ones than JupyterLab's, and classic Notebook is the page that they were written for. `make
test-colab` runs this in an environment with Colab's versions, and nothing else does.
"""

import importlib.metadata
import re
import sys
from pathlib import Path

import lab as lab_tools
import nbformat
import numpy as np
import pytest
from live import Live, filtered

from course_utils import data
from course_utils.convolution import conv2d

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots"
EXPLORERS = ("convolution", "pooling", "channels", "augmentation")
BEGIN = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom course_utils import explorers"
SECONDS_TO_RUN = 120


class Classic(Live):
    """An explorer whose sliders are those of ipywidgets 7."""

    HANDLE, RAIL = ".ui-slider-handle", ".ui-slider"


def locked(package):
    """The version that Colab has of a package."""
    lock = (ROOT / "tools" / "colab.lock").read_text(encoding="utf-8")
    return re.search(rf"^{package}==(.*)$", lock, re.MULTILINE)[1]


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """A notebook with the four explorers, of which all cells were run."""
    for package in ("ipywidgets", "notebook"):
        version = importlib.metadata.version(package)
        assert version == locked(package), f"{package} {version} here: run this by make test-colab"
    place = tmp_path_factory.mktemp("classic")
    cells = (f"explorers.{name}()" for name in EXPLORERS)
    nbformat.write(lab_tools.notebook_of(BEGIN, *cells), place / "explorers.ipynb")
    server = lab_tools.serving(
        lambda options: [sys.executable, "-m", "notebook", *options],
        folder=place,
        settings=place,
        options=lab_tools.CLASSIC,
    )
    with server as address, lab_tools.opening(browser) as open_page:
        page = open_page(
            f"{address}/notebooks/explorers.ipynb", height=1400, idle=lab_tools.IDLE_IN_CLASSIC
        )
        page.locator("#celllink").click()
        page.locator("#run_all_cells a").click()
        pictures = page.locator(".course-explorer svg[role=img]")
        pictures.nth(len(EXPLORERS) - 1).wait_for(timeout=1000 * SECONDS_TO_RUN)
        yield page


@pytest.fixture
def live(request, page):
    """The explorer that a test names by its own name."""
    name = request.node.name.removeprefix("test_")
    shown = Classic(page, EXPLORERS.index(name))
    shown.explorer.scroll_into_view_if_needed()
    shown.rest()
    yield shown
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shown.explorer.screenshot(path=SCREENSHOTS / f"classic_{name}.png")


def test_the_sliders_are_those_of_ipywidgets_7(page):
    assert page.locator(".course-explorer .ui-slider-handle").count() > 10
    assert page.locator(".course-explorer .noUi-handle").count() == 0


def test_convolution(live):
    patch = data.photo("photographer")[420:426, 145:151]
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])

    with live.changes():
        live.press("output number", "Home", "ArrowRight", "ArrowRight")
    assert f"gives {filtered(patch, sobel)[0, 2]:.0f}." in live.alt()
    with live.changes():
        live.point(400 + 50 * 1.5, 44 + 50 * 2.5)  # row 2, column 1 of the output
    assert f"row 2, column 1 of the output gives {filtered(patch, sobel)[2, 1]:.0f}." in live.alt()
    with live.changes():
        live.press("stride", "ArrowRight")
    assert any("/ 2⌋ + 1 = 2" in text for text in live.texts())
    with live.changes():
        live.slide("stride", 0)
    with live.changes():
        live.control("padding").select_option("a number")
    with live.changes():
        live.type("pixels", "3")
    assert "output 10×10" in live.texts()
    with live.changes():
        live.type("its numbers", "0.5 0 1")
    assert live.control("kernel").input_value() == "your own"
    with live.changes():
        live.press("output number", "End")
    expected = filtered(patch, np.array([[0.5, 0, 1]]), padding=3)
    assert f"gives {expected[-1, -1]:.0f}" in live.alt()
    live.type("its numbers", "1 b 1")
    live.wait_until(lambda: "'b' is not a number" in live.message(), "no message")
    assert "× kernel" in live.texts(), "the last picture stays"


def test_pooling(live):
    grid = np.array([[0, 1, 0, 0, 2, 1], [1, 8, 3, 0, 1, 2], [0, 2, 0, 0, 6, 0]], float)
    grid = np.vstack([grid, [[1, 0, 0, 1, 2, 0], [5, 0, 4, 0, 0, 3], [0, 1, 7, 2, 0, 1]]])

    def agrees(reduce, position):
        """The chosen window of 2×2 gives what NumPy gives for it."""
        shift = int(live.control("shift, pixels", ".widget-readout").inner_text())
        row, column = divmod(position, 3)
        moved = np.roll(grid, shift, axis=1)[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        number = f"{reduce(moved):.2f}".removesuffix(".00")
        return any(text.endswith(f" = {number}") for text in live.texts())

    assert "max: 3×3" in live.texts() and agrees(np.max, 1)
    with live.changes():
        live.press("shift, pixels", "Home")
    assert "0 of 9 places of the pooled map changed" in live.texts() and agrees(np.max, 1)
    with live.changes():
        live.slide("shift, pixels", 0.5)
    assert "not moved" not in live.texts() and agrees(np.max, 1)
    with live.changes():
        live.point(400 + 60 * 1.5, 62 + 60 * 2.5)  # row 2, column 1 of the pooled map
    assert agrees(np.max, 7)
    with live.changes():
        live.press("window number", "ArrowLeft")
    with live.changes():
        live.press("pooling", "ArrowDown")
    assert "average: 3×3" in live.texts() and agrees(np.mean, 6)
    with live.changes():
        live.press("window size", "ArrowRight")
    assert "No window reads 1 of the 6 rows" in live.message()
    with live.changes():
        live.control("pooling").select_option("global average")
    assert "global average: 1×1" in live.texts()
    with live.changes():
        live.control("pooling").select_option("max")
    live.press("window number", "Home")
    live.rest()
    with live.changes():  # the button that goes by itself
        live.explorer.locator(".widget-play button").first.click()


def test_channels(live):
    car = data.load("cifar10", "test").images[91].astype(float)
    edge = np.repeat(np.array([[1.0, 0, -1]]), 3, axis=0)
    red_to_green = np.stack([edge, -edge, np.zeros((3, 3))], axis=2)

    def number():
        texts = live.texts()
        return texts[texts.index("one number") + 1].replace("−", "-")

    def expected(row, column, bias=0):
        return f"{conv2d(car[None], red_to_green[..., None])[0, row, column, 0] + bias:.0f}"

    with live.changes():
        live.press("row", "Home", "ArrowRight", "ArrowRight")
    with live.changes():
        live.press("column", "End")
    assert "row 2, column 29:" in live.alt() and number() == expected(2, 29)
    with live.changes():
        live.point(20 + 84 / 32 * 20.5, 84 + 108 + 84 / 32 * 10.5)  # the green channel
    assert "row 9, column 19:" in live.alt() and number() == expected(9, 19)
    with live.changes():
        live.press("bias", "ArrowRight", "ArrowRight", "ArrowRight")
    assert number() == expected(9, 19, bias=3)
    with live.changes():
        live.press("number of filters", "ArrowRight")
    assert "(3·3·3 + 1)·4 = 112" in live.texts()
    with live.changes():
        live.type("blue slice", "0 0 0\n0 4 0\n0 0 0")
    red_to_green[1, 1, 2] = 4
    assert number() == expected(9, 19, bias=3)
    assert live.control("filter").input_value() == "your own"


def test_augmentation(live):
    def draws():
        return live.svg.locator("image").evaluate_all("all => all.map(one => one.href.baseVal)")

    before = draws()
    assert len(before) == 18 and {"162", "= (2·4 + 1)² · 2"} <= set(live.texts())
    with live.changes():
        live.press("shift, pixels", "ArrowRight", "ArrowRight")
    assert f"{(2 * 6 + 1) ** 2 * 2}" in live.texts()
    with live.changes():
        live.explorer.get_by_label("flip").click()
    assert "169" in live.texts()
    flipped = draws()
    with live.changes():
        live.explorer.get_by_role("button", name="draw again").click()
    assert draws()[2:] != flipped[2:] and draws()[0] == before[0]
    with live.changes():
        live.point(20 + 91 * 5 + 40, 340 + 122 + 40)  # the sixth of the second row
    assert "Draw 14 of 16" in live.texts()
    with live.changes():
        live.slide("shift, pixels", 0)
    assert "Sixteen draws, all alike" in live.texts()
