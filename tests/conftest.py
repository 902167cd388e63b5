"""What several tests share."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Times vary on a shared machine: a slow example is no mistake.
settings.register_profile("course", deadline=None)
settings.load_profile("course")

ROOT = Path(__file__).parents[1]
# The longest first, so that the two workers end together.
FIRST = (
    *(f"notebooks/{number}" for number in ("08", "07", "05", "09", "10", "06", "04", "00")),
    *("tests/test_browser", "tests/test_architectures", "notebooks/"),
)


def pytest_collection_modifyitems(items):
    """Put what takes long at the start; the order within a file stays."""

    def place(item):
        starts = [item.nodeid.startswith(start) for start in FIRST]
        return starts.index(True) if any(starts) else len(FIRST)

    items.sort(key=place)


@pytest.fixture
def learner_environment():
    """The environment variables of a learner's shell: nothing of the `make` that runs the tests."""
    ours = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "PYTHON", "ARGS", "LAB_ARGS")
    return {name: value for name, value in os.environ.items() if name not in ours}


@pytest.fixture
def course_copy(tmp_path):
    """Give a function that copies files and folders of the course to a place with a hard name."""

    def copy(*names):
        course = tmp_path / "Kurs über Faltung & Co"
        course.mkdir()
        for name in names:
            (course / name).parent.mkdir(exist_ok=True)
            if (ROOT / name).is_dir():
                unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
                shutil.copytree(ROOT / name, course / name, ignore=unwanted)
            else:
                shutil.copy2(ROOT / name, course / name)
        return course

    return copy
