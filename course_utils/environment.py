"""The machine under the course: start TensorFlow quietly, and say whether all is in place.

Importing this module does not import TensorFlow.
"""

import importlib.metadata
import os
import platform
import re
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("numpy", "tensorflow", "keras", "matplotlib", "pillow", "ipywidgets")
ENOUGH_MEMORY = 1.5  # GB, what the largest default run of a notebook takes

HOW_TO_INSTALL = "close this notebook and run `make lab` (README.md gives the ways without make)"


def quiet_tensorflow():
    """Import TensorFlow and Keras and run one operation, without TensorFlow's log lines.

    TensorFlow's C++ part writes to the process's error stream at import and at its first
    operation; a notebook would keep those lines as output. They are held back here, and given
    out after all if the import fails. Later errors and warnings are shown as ever. On a GPU,
    memory is taken as needed instead of all at once. Calling it again costs nothing.

    Raises:
        ImportError: when TensorFlow or Keras is missing or does not load, with their own text.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _quiet_error_stream():
        import keras  # noqa: F401
        import tensorflow as tf

        try:
            for gpu in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            pass  # TensorFlow is already at work, and its memory settings stand
        tf.linalg.matmul(tf.ones((1, 1)), tf.ones((1, 1)))


@contextmanager
def _quiet_error_stream():
    """Hold back what is written to file descriptor 2; give it out when the block fails.

    Replacing `sys.stderr` would not do: C++ code writes to the descriptor itself.
    """
    try:
        kept = os.dup(2)
    except OSError:  # a process without an error stream has nothing to hold back
        yield
        return
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                held_back.seek(0)
                os.write(2, held_back.read())


def check():
    """Print one line for each thing that the course needs: `OK`, or what to do about it.

    It looks at Python, at the packages (their versions against the ranges in `pyproject.toml`),
    at the free memory in GB, and at the device that TensorFlow computes on.

    Returns:
        True when nothing has to be done.
    """
    ranges = _ranges()
    lines = [_check_python(ranges["python"])]
    lines += [_check_package(name, ranges[name]) for name in PACKAGES]
    lines.append(_check_memory(free_memory()))
    if all(fine for fine, *_ in lines):
        lines.append((True, "device", _device(), ""))
    for fine, name, found, advice in lines:
        print(f"{'OK' if fine else 'TO DO':<6} {name:<11} {found:<24} {advice}".rstrip())
    return all(fine for fine, *_ in lines)


def free_memory():
    """Memory in GB (10⁹ bytes) that a program can still take, or None where that is not known.

    Known on Linux, also inside a container with a limit of its own, as on Binder.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        free = min(free, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no container, or one without a limit
    return free / 1e9


def processor():
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _ranges():
    """The supported versions by name, 'python' included: {'numpy': '<3,>=2.1', ...}."""
    beside = Path(__file__).parent.parent / "pyproject.toml"
    if beside.is_file():
        project = tomllib.loads(beside.read_text(encoding="utf-8"))["project"]
        python, lines = project["requires-python"], project["dependencies"]
    else:  # installed with pip
        python = importlib.metadata.metadata("course-utils")["Requires-Python"]
        lines = importlib.metadata.requires("course-utils") or []

    ranges = {"python": python}
    for line in lines:
        name, supported = re.fullmatch(r"([\w-]+)\s*([^;]*).*", line).groups()
        if "extra ==" not in line:
            ranges[name] = supported.strip()
    return ranges


def _within(version, supported):
    """Whether '2.21.0' is within '>=2.20,<2.22'; only these two signs are used here."""

    def numbers(text):
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    for bound in supported.split(","):
        at_least = bound.startswith(">=")
        if (numbers(version) >= numbers(bound)) != at_least:
            return False
    return True


def _installed(name):
    """The installed version of a package, or None. TensorFlow also comes as 'tensorflow-cpu'."""
    for distribution in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pass
    return None


def _check_python(supported):
    version = platform.python_version()
    fine = _within(version, supported)
    return fine, "python", version, "" if fine else f"the course needs {supported}"


def _check_package(name, supported):
    version = _installed(name)
    if version is None:
        return False, name, "missing", HOW_TO_INSTALL
    fine = _within(version, supported)
    return fine, name, version, "" if fine else f"the course needs {supported}: {HOW_TO_INSTALL}"


def _check_memory(free):
    if free is None:
        return True, "memory", "not known here", ""
    fine = free >= ENOUGH_MEMORY
    advice = f"close other programs: a notebook takes up to {ENOUGH_MEMORY} GB"
    return fine, "memory", f"{free:.1f} GB free", "" if fine else advice


def _device():
    quiet_tensorflow()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return f"GPU, {len(gpus)} of them" if len(gpus) > 1 else "GPU"
    return f"CPU, {os.cpu_count()} cores"
