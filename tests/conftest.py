"""What several tests share."""

import functools
import gc
import os
import shutil
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

import lab as lab_tools
import nbclient
import nbformat
import nbval.kernel
import pytest
from hypothesis import settings

# Times vary on a shared machine: a slow example is no mistake.
settings.register_profile("course", deadline=None)
settings.load_profile("course")

ROOT = Path(__file__).parents[1]
collect_ignore_glob = ["other_answers/*"]  # cells of notebooks, not modules
NEEDED = ("Makefile", "pyproject.toml", "requirements.lock", "tools", "course_utils", "data")
# The longest first, so that the workers end together. They are more than the cores that most
# have: two networks are trained beside something that mostly waits, for a browser or a box.
FIRST = (
    *("notebooks/10", "notebooks/11", "tests/test_explorers_in_browser"),
    *("tests/test_exercises", "notebooks/08", "tests/test_grading_interrupted"),
    *("notebooks/07", "notebooks/06", "tests/test_site"),
    *("notebooks/05", "notebooks/09", "tests/test_set_up"),
    *("notebooks/12", "notebooks/13", "tests/test_grading_wrecked"),
    *("notebooks/04", "tests/test_grading_submissions"),
    *("tests/test_own_images", "tests/test_distributed", "tests/test_grading_hour"),
    *("tests/test_architectures", "tests/test_training", "tests/test_grading_competition"),
    *("notebooks/", "tests/test_grading", "exercises/", "tests/test_browser"),
)


# What `make quick` runs: no TensorFlow, no network that is trained, no browser.
QUICK = {
    *("plots", "format", "notebooks", "notebook_text", "work", "zip"),
    *("explorer_channels", "explorer_convolution"),
    *("explorer_pooling", "grading_collect", "grading_repair", "grading_similar"),
}


# What runs where it is named, as by `make test-colab`, and not as one of all tests: the course's
# own environment has no classic Notebook. Named there, it fails and says so.
ONLY_BY_NAME = {"explorers_in_classic"}


def started_again(start):
    """Start a kernel a second time where another program was faster to take one of its ports.

    Jupyter looks for free ports, lets them go and tells the kernel, which takes them a second
    later. Of some forty kernels beside servers and browsers one may lose that race.
    """

    @functools.wraps(start)
    def twice(*args, **kwargs):
        try:
            return start(*args, **kwargs)
        except RuntimeError as error:
            if "Kernel died before replying" not in str(error):
                raise
            warnings.warn("a kernel did not start and was started again", stacklevel=2)
            return start(*args, **kwargs)

    return twice


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="only tests that need no TensorFlow")


def pytest_configure(config):
    nbval.kernel.start_new_kernel = started_again(nbval.kernel.start_new_kernel)
    nbclient.NotebookClient.execute = started_again(nbclient.NotebookClient.execute)
    if config.getoption("--quick"):
        sys.modules["tensorflow"] = None  # what imports it all the same fails
    workers = getattr(config.option, "numprocesses", None) or 1
    if workers > 1:  # threads of several that wait for each other on the same cores waste them
        for library in ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(library, str(max(1, os.cpu_count() // workers)))


def pytest_ignore_collect(collection_path, config):
    name = collection_path.stem.removeprefix("test_")
    if collection_path.suffix == ".py" and name in ONLY_BY_NAME:
        return True  # pytest does not ask about a file that it was given by name
    if config.getoption("--quick") and collection_path.suffix == ".py" and name not in QUICK:
        return True
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is collected, tests and TensorFlow, stays: Python need not look for garbage in it.

    A tenth of it is garbage, which stays with it: to find that takes longer than it is worth.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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


def needed(package, path):
    """The path of a program; without one, what needs it fails in CI and is skipped elsewhere."""
    if path is None and os.environ.get("CI") and sys.platform == "linux":
        pytest.fail(f"no {package} on this machine: apt-get install {package}")
    if path is None:
        pytest.skip(f"no {package} on this machine")
    return path


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium or Chrome of this machine."""
    return needed("chromium", lab_tools.find_chromium())


@pytest.fixture(scope="session")
def bubblewrap():
    """The path of bubblewrap on this machine."""
    return needed("bubblewrap", shutil.which("bwrap"))


@pytest.fixture(scope="module")
def browser(chromium):
    """A browser without a window."""
    with lab_tools.browsing(chromium) as browser:
        yield browser


@pytest.fixture
def open_page(browser):
    """A function that opens a notebook and waits for its kernel; nothing may complain about it."""
    with lab_tools.opening(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A function that starts JupyterLab by `make lab` in a copy of the course: its address.

    `start(made)` takes the notebooks that a test makes for itself, by name; the first of the
    course is there, too, and `work` with the copies that `make lab` lays and opens.
    """
    with ExitStack() as servers:

        def start(made=None):
            ready = ROOT / ".venv" / "course.json"
            assert ready.exists(), "this test needs the course's own .venv: run it with make test"
            place = tmp_path_factory.mktemp("lab")
            course = copy_of_course(place, *NEEDED, "notebooks/00_start_here.ipynb")
            (course / ".venv").symlink_to(ROOT / ".venv")
            for name, notebook in (made or {}).items():
                nbformat.write(notebook, course / "notebooks" / name)
            server = lab_tools.serving(
                lambda options: ["make", "lab", f"LAB_ARGS={' '.join(options)}"],
                folder=course,
                settings=place,
                env=shell_of_learner(),
            )
            address = servers.enter_context(server)
            printed = (place / "lab.log").read_text(encoding="utf-8")
            assert "/lab/tree/work/notebooks/00_start_here.ipynb" in printed, "not to the launcher"
            assert not (course / "build").exists(), "a ready .venv is not installed again"
            return address

        yield start
