"""Every explorer in JupyterLab, as axe sees it: our own outputs, not JupyterLab's page."""

import pytest
from accessible import findings
from lab import SHUT_DOWN, notebook_of

from course_utils import explorers

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
