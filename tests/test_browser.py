"""`make lab` as a learner sees it: JupyterLab in a browser, where 'Run All Cells' works."""

import json
import re
import time
from pathlib import Path

from lab import IDLE

ROOT = Path(__file__).parents[1]
FIRST = "00_start_here.ipynb"
SECONDS_TO_RUN = 240

# JupyterLab draws only the cells in sight, so the cells are read from its model.
CELLS = """() => Array.from(window.jupyterapp.shell.currentWidget.content.model.cells)
    .filter(cell => cell.type === 'code' && cell.sharedModel.source.trim())
    .map(cell => ({
        source: cell.sharedModel.source,
        number: cell.executionCount,
        pending: cell.executionState === 'running',
        outputs: cell.sharedModel.outputs,
    }))"""


def test_run_all_cells(lab, open_page):
    page = open_page(f"{lab()}/lab/tree/work/notebooks/{FIRST}", height=1000)
    config = page.evaluate("() => document.getElementById('jupyter-config-data').textContent")
    assert json.loads(config)["news"] == {"disabled": True}, "no popup in the first hour"
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
    cells, deadline = [], time.monotonic() + SECONDS_TO_RUN
    while time.monotonic() < deadline:
        cells = page.evaluate(CELLS)
        done = all(cell["number"] and not cell["pending"] for cell in cells)
        if done and page.evaluate(IDLE) or any(map(_errors, cells)):
            break  # an error ends 'Run All Cells'
        time.sleep(0.5)

    pictures = ROOT / "build" / "screenshots"
    pictures.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=pictures / FIRST.replace(".ipynb", ".png"))

    assert cells, "the notebook has no code cells"
    for cell in cells:
        assert not _errors(cell), f"{cell['source']}\n{json.dumps(_errors(cell), indent=1)}"
    assert [cell["number"] for cell in cells] == list(range(1, len(cells) + 1))


def _errors(cell):
    return [output for output in cell["outputs"] if output["output_type"] == "error"]
