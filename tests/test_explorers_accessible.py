"""Every explorer in JupyterLab, as axe sees it: our own outputs, not JupyterLab's page."""

import pytest
from accessible import findings
from lab import SHUT_DOWN, notebook_of

from course_utils import explorers
from course_utils.explorers.frame import FIRST_SCRIPT

ONE_CELL = """import sys
sys.path.insert(0, "..")
from course_utils import explorers
explorers.{name}()"""


@pytest.fixture(scope="module")
def address(lab):
    names = explorers.__all__
    return lab(made={f"{name}.ipynb": notebook_of(ONE_CELL.format(name=name)) for name in names})


@pytest.mark.parametrize("name", explorers.__all__)
def test_axe_finds_nothing_serious(address, open_page, name):
    page = open_page(f"{address}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb", height=1400)
    page.keyboard.press("Escape")
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(".course-explorer svg[role=img]").wait_for(timeout=120_000)
    sliders = page.locator(".course-explorer [role=slider]")
    for number in range(sliders.count()):  # named by a script, once they are there
        page.wait_for_function(
            "number => document.querySelectorAll('.course-explorer [role=slider]')[number]"
            ".getAttribute('aria-label')",
            arg=number,
        )
    found = findings(page, ".course-explorer")
    assert not found, found
    page.evaluate(SHUT_DOWN)


# A slider and the buttons for playing as ipywidgets 8 makes them; the script of the frame beside.
SLIDER = """<div class="widget-slider widget-hslider"><label class="widget-label">{label}</label>
<div class="noUi-handle" tabindex="0" role="slider" aria-valuenow="1"></div></div>"""
PLAY = "".join(
    f'<button><i class="fa fa-{sign}"></i></button>' for sign in ("play", "stop", "retweet")
)
PAGE = f"""<!doctype html><html lang="en"><title>x</title><main><div class="course-explorer"><div>
{SLIDER.format(label="stride")}<div class="widget-play">{PLAY}</div></div>{FIRST_SCRIPT}</div>
</main>"""
NAMES = "all => all.map(each => each.getAttribute('aria-label'))"


def test_sliders_and_buttons_have_names(browser):
    page = browser.new_page()
    page.set_content(PAGE)
    page.wait_for_function("document.querySelector('[role=slider]').hasAttribute('aria-label')")
    parts = page.locator("[role=slider], button")
    names = ["stride", "play or pause", "back to the start", "again and again"]
    assert parts.evaluate_all(NAMES) == names
    add = "(row, slider) => row.insertAdjacentHTML('beforeend', slider)"
    page.locator(".course-explorer > div").evaluate(add, SLIDER.format(label="dilation"))
    page.wait_for_function(
        "[...document.querySelectorAll('[role=slider]')].every(each => each.ariaLabel)"
    )
    assert parts.evaluate_all(NAMES) == [*names, "dilation"]
    assert not findings(page, ".course-explorer")
    page.close()
