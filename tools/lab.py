"""Jupyter and a browser without a window: for the tests, and for `tools/bench.py`."""

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from extras.distributed import free_ports

# Whether a page shows a notebook whose kernel answers and has nothing to do.
IDLE = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return session?.session?.kernel?.connectionStatus === 'connected'
        && session.kernelDisplayStatus === 'idle';
}"""
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
# The same in classic Notebook, where the widgets' part of the page comes after the kernel.
IDLE_IN_CLASSIC = """() => {
    const kernel = window.Jupyter?.notebook?.kernel;
    return kernel?.is_connected() && kernel.info_reply.protocol_version && kernel.widget_manager
        && document.querySelector('#kernel_indicator_icon.kernel_idle_icon') !== null;
}"""
# The options that a server takes: its port, and nobody is asked who they are.
LAB = (
    *("--no-browser", "--expose-app-in-browser", "--ServerApp.port_retries=0"),
    *("--ServerApp.ip=127.0.0.1", "--ServerApp.port={port}", "--IdentityProvider.token="),
)
CLASSIC = (
    *("--no-browser", "--allow-root", "--NotebookApp.port_retries=0", "--NotebookApp.token="),
    *("--NotebookApp.ip=127.0.0.1", "--NotebookApp.port={port}"),
)
# A learner's own settings of Jupyter are none of our business.
PRIVATE = (
    *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"),
)


def notebook_of(*sources):
    """A notebook with a cell for each source."""
    import nbformat

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


@contextmanager
def serving(command, folder, settings, env=None, options=LAB):
    """Starts JupyterLab, or classic Notebook; gives its address, and ends it with all its kernels.

    Args:
        command: a function that makes the command from the server's own options.
        folder: where it is started.
        settings: a folder for its settings and its log.
        env: environment variables, if not ours.
        options: `LAB` or `CLASSIC`.

    Raises:
        RuntimeError: it does not answer; with its log.
    """
    (port,) = free_ports(1)
    env = (os.environ if env is None else env) | {name: f"{settings}/{name}" for name in PRIVATE}
    log = Path(settings) / "lab.log"
    with open(log, "w") as stream:
        server = subprocess.Popen(
            command([option.format(port=port) for option in options]),
            cwd=folder,
            env=env,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(server, f"{address}/api", log)
        yield address
    finally:
        end(server)


def wait_for(server, address, log, name="JupyterLab"):
    """Waits until the address of a server that was just started answers.

    Raises:
        RuntimeError: it does not, with the server's log.
    """
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"{name} does not serve {address}:\n{log.read_text()}")


def end(server):
    """Ends a server that leads a process group, with all its children, and waits for it."""
    import psutil

    try:
        family = [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]
    except psutil.NoSuchProcess:
        return
    os.killpg(server.pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=20)
    for process in alive:
        process.kill()
    server.wait(timeout=20)


def find_chromium():
    """The path of a Chromium or Chrome of this machine, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def browsing(chromium):
    """A browser of Playwright, without a window."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


@contextmanager
def opening(browser):
    """A function that opens a notebook and waits for its kernel; nothing may complain about it."""
    pages, complaints = [], []

    def note(message, server):
        """Keep what our own server's pages complain about; no outside address is the course's."""
        if message.type == "error" and message.location.get("url", "").startswith(server):
            complaints.append(f"{message.text} ({message.location['url']})")

    def open_page(address, height, idle=IDLE):
        server = "{0.scheme}://{0.netloc}".format(urlsplit(address))
        page = browser.new_page(viewport={"width": 1280, "height": height})
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: note(message, server))
        page.goto(address)
        page.wait_for_function(idle, timeout=90_000, polling=250)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
