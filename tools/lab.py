"""JupyterLab and a browser without a window: for the tests, and for `tools/bench.py`."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

# Whether a page shows a notebook whose kernel answers and has nothing to do.
IDLE = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return session?.session?.kernel?.connectionStatus === 'connected'
        && session.kernelDisplayStatus === 'idle';
}"""
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
# A learner's own settings of Jupyter are none of our business.
PRIVATE = (
    *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"),
)


def notebook_of(source):
    """A notebook with one cell."""
    import nbformat

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=kernel)


@contextmanager
def serving(command, folder, settings, env=None):
    """Starts JupyterLab; gives its address, and ends it with all its kernels.

    Args:
        command: a function that makes the command from JupyterLab's own options.
        folder: where it is started.
        settings: a folder for its settings and its log.
        env: environment variables, if not ours.

    Raises:
        RuntimeError: it does not answer; with its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--no-browser", "--expose-app-in-browser", "--ServerApp.port_retries=0"]
    options += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--IdentityProvider.token="]
    env = (os.environ if env is None else env) | {name: f"{settings}/{name}" for name in PRIVATE}
    log = Path(settings) / "lab.log"
    with open(log, "w") as stream:
        server = subprocess.Popen(
            command(options),
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
