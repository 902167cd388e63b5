"""What an import of the course brings with it, each tried in an interpreter of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path.stem for path in (ROOT / "course_utils").glob("[!_]*.py")) + ["explorers"]
HEAVY = {"tensorflow", "keras", "matplotlib", "numpy", "PIL", "IPython", "ipywidgets"}

# These define Keras layers and callbacks, so they cannot wait. Every other module can.
NEEDS_KERAS = {"models", "speednet", "training", "watching"}

IMPORT_AND_REPORT = """
import sys
network = []
sys.addaudithook(lambda event, _: network.append(event) if event in (
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request") else None)
import importlib, json
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps([sorted(name for name in sys.modules if "." not in name), network]))
"""
WITHOUT_KERAS = """
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
import importlib
try:
    importlib.import_module(sys.argv[1])
except ImportError as error:
    print(error.name)
"""


def printed(code, *names):
    """What a program prints that is given the names of modules."""
    command = [sys.executable, "-c", code, *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def loaded_by(*names, code=IMPORT_AND_REPORT):
    """The top-level packages in memory after imports, and the network calls they made."""
    packages, network = json.loads(printed(code, *names))
    return set(packages), network


def test_the_package_alone_brings_nothing_heavy():
    packages, network = loaded_by("course_utils")
    assert "course_utils" in packages
    assert not packages & HEAVY
    assert network == []


@pytest.mark.parametrize("module", sorted({*MODULES} - NEEDS_KERAS))
def test_tensorflow_is_imported_only_where_needed_and_nothing_uses_the_internet(module):
    packages, network = loaded_by(f"course_utils.{module}")
    assert not packages & {"tensorflow", "keras"}
    assert network == []


def test_what_needs_keras_does_not_use_the_internet_either():
    """All in one process: each would import TensorFlow anew, the most that an import takes."""
    packages, network = loaded_by(*(f"course_utils.{module}" for module in sorted(NEEDS_KERAS)))
    assert {"tensorflow", "keras"} <= packages
    assert network == []


@pytest.mark.parametrize("module", sorted(NEEDS_KERAS))
def test_what_is_said_to_need_keras_does(module):
    assert printed(WITHOUT_KERAS, f"course_utils.{module}") == "keras\n"


def test_the_program_for_several_machines_waits_with_all_that_is_heavy():
    assert not loaded_by("extras.distributed")[0] & HEAVY


def test_arithmetic_is_pure_python():
    assert not loaded_by("course_utils.arithmetic")[0] & HEAVY


def test_convolution_needs_numpy_only():
    assert loaded_by("course_utils.convolution")[0] & HEAVY == {"numpy"}


def test_a_network_call_would_be_noticed():
    code = IMPORT_AND_REPORT.replace(
        "import importlib, json\n",
        "import importlib, json, socket\nsocket.getaddrinfo('127.0.0.1', 80)\n",
    )
    assert loaded_by("course_utils", code=code)[1] == ["socket.getaddrinfo"]
