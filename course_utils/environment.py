"""The machine under the course: start TensorFlow quietly, and say whether all is in place.

Importing this module does not import TensorFlow.
"""

import gc
import importlib.metadata
import json
import os
import platform
import re
import sys
import sysconfig
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from . import __version__

PACKAGES = ("numpy", "tensorflow", "keras", "matplotlib", "pillow", "ipywidgets")
# The machines that TensorFlow is built for; tools/set_up.py has the same list.
WHEELS = ("linux-x86_64", "linux-aarch64", "macosx-arm64", "win-amd64")
HOW_TO_INSTALL = "close this notebook and run `make lab` (README.md gives the ways without make)"
ENOUGH_MEMORY = 1.5  # GB, what every notebook but 11 does with; that one looks what is free
SYSTEM = Path("/")  # where Linux says what memory there is
# Of a control group, in version 2 and in version 1: limit, use, and how much of it are files.
GROUPS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
# What the course takes for granted of Keras, by the names in `keras.config`.
KERAS = {
    "floatx": "float32",  # before the policy, which follows it where none was set
    "dtype_policy": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "max_epochs": None,  # with these two every training would end early
    "max_steps_per_epoch": None,
}


def begin(version):
    """What every notebook begins with: is the course as new as the notebook? Sets Keras, too.

    Raises:
        RuntimeError: the course is older, or Keras runs already on something other than TensorFlow.
        ValueError: `version` is none.
    """
    try:
        wanted = Version(version)
    except (TypeError, ValueError):
        raise ValueError(f"version must be one, '{__version__}' say, not {version!r}") from None
    if Version(__version__) < wanted:
        raise RuntimeError(
            f"{Path(__file__).parents[1]} is version {__version__} of the course, this notebook of "
            f"{version}: bring it up to date (git pull), or give that folder another name and it "
            "is fetched anew; then restart the kernel and run this cell again"
        )
    set_keras()


def begin_notebook(version):
    """What the set-up cell of a notebook ends with: `begin`, then `quiet_tensorflow`.

    Raises:
        RuntimeError: as `begin` does.
    """
    begin(version)
    quiet_tensorflow()


def begin_exercise(version, exercise):
    """What the set-up cell of an exercise ends with: `begin`; gives the exercise's `check`.

    TensorFlow waits for a cell that wants it: most exercises need NumPy only.

    Raises:
        RuntimeError: as `begin` does.
        FileNotFoundError: there is no such exercise.
    """
    from .checks import checks_of

    begin(version)
    return checks_of(exercise)


def set_keras():
    """Sets Keras to TensorFlow, float32 and channels last, and tells what the user had otherwise.

    `KERAS_BACKEND` and `keras.json` serve the user's other work. Keras itself is imported only
    where the latter differs; where it runs already, it is set as it runs.

    Raises:
        RuntimeError: Keras runs already, and not on TensorFlow, or its `keras.json` is wrong.
    """
    keras = sys.modules.get("keras")
    if keras and (here := keras.config.backend()) != "tensorflow":
        raise RuntimeError(f"Keras runs on {here} here: restart the kernel, run this cell first")
    own = {"KERAS_BACKEND": os.environ.get("KERAS_BACKEND") or "tensorflow"}
    os.environ["KERAS_BACKEND"] = "tensorflow"
    limits = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")
    own |= {name: os.environ.pop(name) for name in limits if name in os.environ}
    path = Path(os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras")), "keras.json")
    if keras is None and os.path.isfile(path):
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            if any(settings.get(name, usual) != usual for name, usual in KERAS.items()):
                import keras
        except (AttributeError, OSError, TypeError, ValueError) as problem:
            raise RuntimeError(f"{path} is not right ({problem}): mend or remove it") from None
    for name, usual in KERAS.items() if keras else ():
        value = getattr(keras.config, name)()
        own[name] = getattr(value, "name", value)  # a policy is known by its name
        if own[name] != usual:
            getattr(keras.config, f"set_{name}")(usual)
    usual = {"KERAS_BACKEND": "tensorflow"} | KERAS
    told = ", ".join(f"{name} = {own[name]}" for name in own if own[name] != usual.get(name))
    if told:
        print(f"Keras' settings of your own are left aside in this notebook: {told}")


def quiet_tensorflow():
    """Import TensorFlow and Keras and run one operation, without TensorFlow's log lines.

    TensorFlow's C++ part writes to the process's error stream at import and at its first
    operation; a notebook would keep those lines as output. They are held back here, where there
    is a place for them, and given out after all if the import fails. Later errors and warnings
    are shown as ever. What is there at its end is taken to stay: Python looks for garbage only in
    what comes later. On a GPU, memory is taken as needed instead of all at once. Calling it again
    costs nothing.

    Raises:
        ImportError: when TensorFlow or Keras is missing or does not load, with their own text.
        RuntimeError: as for `set_keras`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
    with _quiet_error_stream(), _here_to_stay("tensorflow"):
        try:
            keras = sys.modules.get("keras")
            if keras is None or keras.config.backend() != "tensorflow":
                set_keras()  # what a learner has set since then stays
            import keras
            import tensorflow as tf
        except ModuleNotFoundError as problem:
            raise ImportError(f"{problem}: {_remedy(problem.name)}") from None
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
        held_back = tempfile.TemporaryFile()
        kept = os.dup(2)
    except OSError:  # no place to hold it back, or no error stream
        yield
        return
    with held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(kept, held_back.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _here_to_stay(package):
    """Keep Python's search for garbage away from what the block imports, now and later.

    TensorFlow brings several hundred thousand objects, and nearly all of them stay. Looking through
    them takes a quarter of the time of the import, and a third of a second at each `clear_session`.
    What was there before is left out of the search, too; a cycle among it is no longer freed.
    """
    if package in sys.modules or not gc.isenabled():
        yield
        return
    gc.collect()  # garbage from before would stay, too
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def check():
    """Print one line for each thing that the course needs: `OK`, or what to do about it.

    It looks at Python, at the packages (their versions against the ranges in `pyproject.toml`),
    at the free memory in GB, and at the device that TensorFlow computes on.
    It gives True when nothing has to be done.

    Raises:
        FileNotFoundError: the course is not there as a whole, so its ranges are not known.
    """
    ranges = _ranges()
    lines = [_check_version(name, ranges[name]) for name in ("python", *PACKAGES)]
    lines.append(_check_memory(free_memory()))
    if all(fine for fine, *_ in lines):
        quiet_tensorflow()
        import tensorflow as tf

        gpus = len(tf.config.list_physical_devices("GPU"))
        device = f"GPU, {gpus} in all" if gpus else f"CPU, {_cores()} cores"
        lines.append((True, "device", device, ""))
    for fine, name, found, advice in lines:
        print(f"{'OK' if fine else 'TO DO':<6} {name:<11} {found:<24} {advice}".rstrip())
    return all(fine for fine, *_ in lines)


def free_memory():
    """Memory in GB (10⁹ bytes) that a program can still take, or None where that is not known.

    Known on Linux, also inside a container with a limit of its own, as on Binder. What the system
    keeps of files counts as free: it gives that memory back.
    """
    try:
        lines = (SYSTEM / "proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        return None
    for folder, *names, files in GROUPS:
        group = SYSTEM / "sys/fs/cgroup" / folder
        try:
            limit, used = (int((group / name).read_text()) for name in names)
            kept = re.search(rf"^{files} (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE)
            free = min(free, limit - used + int(kept.group(1) if kept else 0))
        except (OSError, ValueError):
            pass  # no container, or one without a limit
    return free / 1e9


def _cores():
    """How many processor cores this process may use: in a container perhaps not all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _ranges():
    """The supported versions by name, 'python' included: {'numpy': '>=2.1,<3', ...}."""
    beside = Path(__file__).parent.parent / "pyproject.toml"
    text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    project = tomllib.loads(text).get("project", {})
    if project.get("name") == "course-utils":  # and not a project that the package was copied into
        python, lines = project["requires-python"], project["dependencies"]
    else:  # installed with pip
        try:
            found = importlib.metadata.metadata("course-utils")
        except importlib.metadata.PackageNotFoundError:
            raise FileNotFoundError(
                f"the course's {beside} is missing: fetch the whole course, not {__package__} alone"
            ) from None
        python, lines = found["Requires-Python"], found.get_all("Requires-Dist") or []
    pairs = [
        re.match(r"([\w-]+)\s*([^; ]*)", line).groups() for line in lines if "extra" not in line
    ]
    return {"python": python} | dict(pairs)


def _within(version, supported):
    return SpecifierSet(supported).contains(version, prereleases=True)


def _installed(name):
    """The version of Python or a package, or None. TensorFlow also comes as 'tensorflow-cpu'."""
    if name == "python":
        return platform.python_version()
    for distribution in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pass
    return None


def _check_version(name, supported):
    version = _installed(name)
    if version is None:
        return False, name, "missing", _remedy(name)
    fine = _within(version, supported)
    return fine, name, version, "" if fine else f"the course needs {supported}: {HOW_TO_INSTALL}"


def _remedy(name):
    """What to do about a package that is missing; for some machines there is no TensorFlow."""
    machine = f"{sysconfig.get_platform().partition('-')[0]}-{platform.machine().lower()}"
    if name == "tensorflow" and machine not in WHEELS:
        return f"there is none for {machine}: use Colab, Binder or another machine (see README.md)"
    return HOW_TO_INSTALL


def _check_memory(free):
    if free is None:
        return True, "memory", "not known here", ""
    fine = free >= ENOUGH_MEMORY
    advice = f"close other programs: a notebook takes up to {ENOUGH_MEMORY} GB"
    return fine, "memory", f"{free:.1f} GB free", "" if fine else advice
