"""What several tests share."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest
from hypothesis import settings

# Times vary on a shared machine: a slow example is no mistake.
settings.register_profile("course", deadline=None)
settings.load_profile("course")

ROOT = Path(__file__).parents[1]
NEEDED = ("Makefile", "pyproject.toml", "requirements.lock", "tools", "course_utils", "data")
# The longest first, so that the two workers end together.
FIRST = (
    *(f"notebooks/{number}" for number in ("08", "07", "05", "09", "10", "06", "04", "00")),
    *(
        "tests/test_browser",
        "tests/test_explorers_in_browser",
        "tests/test_architectures",
        "notebooks/",
    ),
)


def pytest_collection_modifyitems(items):
    """Put what takes long at the start; the order within a file stays."""

    def place(item):
        starts = [item.nodeid.startswith(start) for start in FIRST]
        return starts.index(True) if any(starts) else len(FIRST)

    items.sort(key=place)


def shell_of_learner():
    ours = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "PYTHON", "ARGS", "LAB_ARGS")
    return {name: value for name, value in os.environ.items() if name not in ours}


def copy_of_course(place, *names):
    course = place / "Kurs über Faltung & Co"
    course.mkdir()
    for name in names:
        (course / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(ROOT / name, course / name, ignore=unwanted)
        else:
            shutil.copy2(ROOT / name, course / name)
    return course


@pytest.fixture
def learner_environment():
    """The environment variables of a learner's shell: nothing of the `make` that runs the tests."""
    return shell_of_learner()


@pytest.fixture
def course_copy(tmp_path):
    """Give a function that copies files and folders of the course to a place with a hard name."""
    return lambda *names: copy_of_course(tmp_path, *names)


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium or Chrome of this machine."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    if os.environ.get("CI"):
        pytest.fail("no chromium on this machine: apt-get install chromium")
    pytest.skip("no chromium on this machine")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A function that starts JupyterLab by `make lab` in a copy of the course: its address.

    `start(made)` takes the notebooks that a test makes for itself, by name; the first of the
    course is there, too, as `make lab` opens it.
    """
    servers = []

    def start(made=None):
        ready = ROOT / ".venv" / "course.json"
        assert ready.exists(), "this test needs the course's own .venv: run it with make test"
        place = tmp_path_factory.mktemp("lab")
        course = copy_of_course(place, *NEEDED, "notebooks/00_start_here.ipynb")
        (course / ".venv").symlink_to(ROOT / ".venv")
        for name, notebook in (made or {}).items():
            nbformat.write(notebook, course / "notebooks" / name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = "--no-browser --expose-app-in-browser --ServerApp.port_retries=0"
        options += f" --ServerApp.ip=127.0.0.1 --ServerApp.port={port} --IdentityProvider.token="
        # A learner's own settings of Jupyter are none of a test's business.
        private = (
            "CONFIG_DIR",
            "DATA_DIR",
            "RUNTIME_DIR",
            "LAB_SETTINGS_DIR",
            "LAB_WORKSPACES_DIR",
        )
        names = [f"JUPYTER{'' if name.startswith('LAB') else '_'}{name}" for name in private]
        log_path = place / "lab.log"
        with open(log_path, "w") as log:
            server = subprocess.Popen(
                ["make", "lab", f"LAB_ARGS={options}"],
                cwd=course,
                env=shell_of_learner() | {name: str(place / name) for name in names},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        servers.append(server)
        address = f"http://127.0.0.1:{port}"
        _wait_for(server, f"{address}/api", log_path)
        assert not (course / "build").exists(), "a ready .venv is not installed again"
        return address

    yield start
    for server in servers:
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
