"""`make lab` as a learner sees it: JupyterLab in a browser, where 'Run All Cells' works."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
FIRST = "00_start_here.ipynb"
NEEDED = ("Makefile", "pyproject.toml", "requirements.lock", "tools", "course_utils", "data")
SECONDS_TO_RUN = 240

CONNECTED = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.sessionContext?.session?.kernel?.connectionStatus === 'connected'
        && panel.sessionContext.kernelDisplayStatus === 'idle';
}"""
# JupyterLab draws only the cells in sight, so the cells are read from its model.
CELLS = """() => Array.from(window.jupyterapp.shell.currentWidget.content.model.cells)
    .filter(cell => cell.type === 'code' && cell.sharedModel.source.trim())
    .map(cell => ({
        source: cell.sharedModel.source,
        number: cell.executionCount,
        pending: cell.executionState === 'running',
        outputs: cell.sharedModel.outputs,
    }))"""


@pytest.fixture
def chromium():
    """The path of a Chromium or Chrome of this machine."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    if os.environ.get("CI"):
        pytest.fail("no chromium on this machine: apt-get install chromium")
    pytest.skip("no chromium on this machine")


@pytest.fixture
def lab(course_copy, learner_environment, tmp_path):
    """The address of a JupyterLab that `make lab` started in a copy of the course."""
    ready = ROOT / ".venv" / "course.json"
    assert ready.exists(), "this test needs the course's own .venv: run it with make test"
    course = course_copy(*NEEDED, f"notebooks/{FIRST}")
    (course / ".venv").symlink_to(ROOT / ".venv")

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = "--no-browser --expose-app-in-browser --ServerApp.port_retries=0"
    options += f" --ServerApp.ip=127.0.0.1 --ServerApp.port={port} --IdentityProvider.token="
    # A learner's own settings of Jupyter are none of this test's business.
    private = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "LAB_SETTINGS_DIR", "LAB_WORKSPACES_DIR")
    names = [f"JUPYTER{'' if name.startswith('LAB') else '_'}{name}" for name in private]
    env = learner_environment | {name: str(tmp_path / name) for name in names}
    log_path = tmp_path / "lab.log"
    with open(log_path, "w") as log:
        server = subprocess.Popen(
            ["make", "lab", f"LAB_ARGS={options}"],
            cwd=course,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(server, f"{address}/api", log_path)
        assert not (course / "build").exists(), "a ready .venv is not installed again"
        yield address
    finally:
        _end(server)


def _wait_for(server, address, log_path):
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"make lab does not serve {address}:\n{log_path.read_text()}")


def _end(server):
    """End make, the server and its kernels, and wait until they are gone."""
    try:
        family = [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]
    except psutil.NoSuchProcess:
        return
    os.killpg(server.pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=20)
    for process in alive:
        process.kill()
    server.wait(timeout=20)


def test_run_all_cells(lab, chromium):
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: _note(message, lab, complaints))
        page.goto(f"{lab}/lab/tree/notebooks/{FIRST}")
        page.wait_for_function(CONNECTED, timeout=90_000)

        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
        cells, deadline = [], time.monotonic() + SECONDS_TO_RUN
        while time.monotonic() < deadline:
            cells = page.evaluate(CELLS)
            done = all(cell["number"] and not cell["pending"] for cell in cells)
            if done and page.evaluate(CONNECTED) or any(map(_errors, cells)):
                break  # an error ends 'Run All Cells'
            time.sleep(0.5)

        pictures = ROOT / "build" / "screenshots"
        pictures.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=pictures / FIRST.replace(".ipynb", ".png"))
        browser.close()

    assert cells, "the notebook has no code cells"
    for cell in cells:
        assert not _errors(cell), f"{cell['source']}\n{json.dumps(_errors(cell), indent=1)}"
    assert [cell["number"] for cell in cells] == list(range(1, len(cells) + 1))
    assert complaints == []


def _errors(cell):
    return [output for output in cell["outputs"] if output["output_type"] == "error"]


def _note(message, address, complaints):
    """Keep what our own server's pages complain about; no outside address is the course's."""
    if message.type == "error" and message.location.get("url", "").startswith(address):
        complaints.append(f"{message.text} ({message.location['url']})")
