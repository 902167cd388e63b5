"""The box in which a submission runs: bubblewrap, or a container engine where there is one.

Inside there is no network, nothing of other students, of the tests or of the solutions, and no file
that can be written but in small folders in memory that are gone afterwards. What it may ask of the
kernel is filtered (`system_calls`). Memory and processes are limited by a control group where the
grader can make one (`groups`), and by a watch (`watch`).
"""

import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from grading import groups, system_calls

ROOT = Path(__file__).resolve().parents[1]
COURSE = "/course"  # where the box has it, with the student's folder inside, as in a clone
WORK = f"{COURSE}/work"
INSIDE = ROOT / "grading" / "inside_box"
RUNNER = "/grader/inside_box"  # where the box has that
# Of the course only what a notebook uses: no solutions, no tests, no grader.
PARTS = ("course_utils", "data", "exercises/release")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/fonts")
WORK_SIZE, SMALL_SIZE = 300_000_000, 64_000_000  # bytes of the folders in memory
USERS = (0x70000000, 0x7FFFFFFF)  # numbers that nothing else gives out: see `user_of_box`
PYTHON = os.path.abspath(sys.executable)  # started as ../venv/bin/python, it would not be found


class NoSandbox(RuntimeError):
    """This machine has no sandbox."""


def variables(course: str = COURSE, work: str = WORK) -> dict[str, str]:
    """The environment of a runner: nothing of the grader's own."""
    return {
        "COURSE_GRADING": "1",  # `check` leaves short answers to the grader: their hashes are slow
        "HOME": work,
        "IPYTHONDIR": f"{work}/.ipython",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": f"{work}/.matplotlib",
        "OMP_NUM_THREADS": "1",  # several boxes share the processor
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": course,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }


class Box:
    """A way to start a runner; `user` is the number that it changes to, or None."""

    user: int | None = None

    def start(self, group: groups.Group | None = None) -> subprocess.Popen[bytes]:
        """A started runner, a Popen with pipes for its input and output.

        Args:
            group: the `groups.Group` that it is put into, or None.
        """
        command, handles = self.started()
        try:
            return subprocess.Popen(
                group.command(command) if group else command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self.environment(),
                cwd=self.folder(),
                start_new_session=True,
                pass_fds=handles,
            )
        finally:
            for handle in handles:
                os.close(handle)

    def command(self) -> list[str]:
        """The whole command line."""
        raise NotImplementedError

    def started(self) -> tuple[list[str], tuple[int, ...]]:
        """The command line as it is started, and the open files that it needs."""
        return self.command(), ()

    def group(self, limits: Any) -> groups.Group | None:
        """A control group for one run, or None where there is none."""
        parents = groups.parents()
        return groups.Group(parents, limits.memory * 1_000_000, limits.tasks) if parents else None

    def stop(self) -> None:
        """End what is still running although its first process was killed."""

    def environment(self) -> dict[str, str]:
        """The environment of the command itself."""
        return dict(os.environ)

    def folder(self) -> str:
        """Where the command starts."""
        return "/"


class Bubblewrap(Box):
    """A box made by bubblewrap, which most Linux systems have as a package."""

    def __init__(self) -> None:
        # A grader that is root (in a container, say) must not run submissions as root.
        self.user = user_of_box() if os.getuid() == 0 else None

    def command(self, counted: bool = True) -> list[str]:
        """The whole command line; `counted` as in `system_calls.program`."""
        return ["bwrap", *self.words(counted), PYTHON, "-B", RUNNER]

    def started(self) -> tuple[list[str], tuple[int, ...]]:
        """The options come by a pipe: what stands in a command line can be read in the box."""
        counted = bool(groups.parents())
        options = b"".join(os.fsencode(word) + b"\0" for word in self.words(counted))
        handles = _pipe_with(options), _pipe_with(system_calls.program(counted))
        words = ["bwrap", "--args", str(handles[0]), "--seccomp", str(handles[1])]
        return [*words, PYTHON, "-B", RUNNER], handles

    def words(self, counted: bool) -> list[str]:
        """What bubblewrap is told."""
        spaces = ["--unshare-user"] if self.user is None else []
        spaces += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        words = [*spaces, "--die-with-parent", "--new-session", "--clearenv"]
        words += ["--cap-drop", "ALL"]
        if self.user is not None:  # for the runner's change to that user, after which it has none
            words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        for name, value in variables().items():
            words += ["--setenv", name, value]
        words += ["--proc", "/proc", "--dev", "/dev"]
        if not counted:  # mapped, it is memory that belongs to no process
            words += ["--ro-bind", "/dev/null", "/dev/zero"]
        for place in ("/tmp", "/dev/shm"):
            words += ["--perms", "1777", "--size", str(SMALL_SIZE), "--tmpfs", place]
        for place in SYSTEM:
            words += ["--ro-bind-try", place, place]
        prefixes = map(os.path.abspath, (sys.base_prefix, sys.prefix))
        places: dict[str, str | Path] = {
            place: place for place in prefixes if not place.startswith("/usr")
        }
        places |= {f"{COURSE}/{part}": ROOT / part for part in PARTS}
        places[RUNNER] = INSIDE
        above = {folder for place in places for folder in Path(place).parents}
        for folder in sorted(above - {Path("/")}):  # else bubblewrap makes them for root alone
            words += ["--perms", "0755", "--dir", str(folder)]
        for inside, outside in places.items():
            words += ["--ro-bind", str(outside), inside]
        words += ["--perms", "1777", "--size", str(WORK_SIZE), "--tmpfs", WORK]
        for fonts in font_lists():
            words += ["--perms", "1777", "--dir", f"{WORK}/.matplotlib"]
            words += ["--ro-bind", str(fonts), f"{WORK}/.matplotlib/{fonts.name}"]
        return [*words, "--remount-ro", "/", "--remount-ro", "/dev", "--chdir", WORK]

    def environment(self) -> dict[str, str]:
        """Nothing is needed but the place of `bwrap`."""
        return {"PATH": os.environ.get("PATH", os.defpath)}


def user_of_box() -> int:
    """A number of a user for one box, which is nobody's on this machine.

    The kernel counts processes by user. Two graders at once must not give out the same numbers, so
    they are drawn. In a container whose root has few numbers only, one of the upper half of these.
    """
    low, high = USERS
    ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    last = max(int(first) + int(count) for first, _, count in ranges)
    if last <= high:
        low, high = last // 2, last - 2
    return low + secrets.randbelow(high - low)


def _pipe_with(content: bytes) -> int:
    """The reading end of a pipe that holds a few thousand bytes."""
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(content)
    return reading


class Container(Box):
    """A box made by Docker or Podman, from an image that has the course's packages."""

    def __init__(self, engine: str, image: str, memory: int = 4000, processes: int = 64) -> None:
        self.engine, self.image = engine, image
        self.memory, self.processes = memory, processes
        self.name = ""  # of the container that was started last

    def command(self) -> list[str]:
        """The whole command line."""
        self.name = f"grading-{uuid.uuid4().hex}"
        words = [self.engine, "run", "--rm", "--interactive", "--init", "--network=none"]
        words += [f"--name={self.name}"]
        words += ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        words += ["--user=65534:65534", f"--memory={self.memory}m"]
        words += [f"--memory-swap={self.memory}m", f"--pids-limit={8 * self.processes}"]
        for place, size in ((WORK, WORK_SIZE), ("/tmp", SMALL_SIZE)):
            words += [f"--tmpfs={place}:size={size},mode=1777"]
        for part in PARTS:
            words += [f"--volume={ROOT / part}:{COURSE}/{part}:ro"]
        words += [f"--volume={INSIDE}:{RUNNER}:ro", f"--workdir={WORK}"]
        for name, value in variables().items():
            words += ["--env", f"{name}={value}"]
        return [*words, self.image, "python", "-B", RUNNER]

    def group(self, limits: Any) -> groups.Group | None:
        """The engine makes its own."""
        self.memory, self.processes = limits.memory, limits.processes
        return None

    def stop(self) -> None:
        """The engine's client is dead; the container would live on."""
        subprocess.run([self.engine, "kill", self.name], capture_output=True, check=False)


class Unsafe(Box):
    """No box at all: the submission may do whatever the grader may. For your own notebooks."""

    def __init__(self) -> None:
        self.place = tempfile.TemporaryDirectory(prefix="grading-")
        Path(self.place.name, "course").symlink_to(ROOT)  # where a notebook looks for it

    def command(self) -> list[str]:
        """The runner itself."""
        return [PYTHON, "-B", str(INSIDE)]

    def environment(self) -> dict[str, str]:
        """As in the box, with this machine's paths."""
        return {**variables(str(ROOT), self.place.name), "PATH": os.environ.get("PATH", "")}

    def folder(self) -> str:
        """A folder that is removed with this object."""
        return self.place.name


def find(unsafe: bool = False, image: str | None = None) -> Box:
    """The sandbox of this machine.

    Args:
        unsafe: run without one.
        image: of a container engine, which is used when it is given.

    Raises:
        NoSandbox: when there is none.
    """
    if unsafe:
        return Unsafe()
    if image:
        engine = shutil.which("docker") or shutil.which("podman")
        if engine is None:
            raise NoSandbox(f"image {image} is given, but neither docker nor podman is installed")
        return Container(engine, image)
    problem = trouble_with_bubblewrap()
    if problem:
        raise NoSandbox(
            f"{problem}. Submissions are run in a sandbox: install bubblewrap (apt-get install "
            "bubblewrap), or give --image with Docker or Podman. --unsafe-no-sandbox runs them "
            "with all the rights that you have; do that with your own notebooks only"
        )
    return Bubblewrap()


@cache
def trouble_with_bubblewrap() -> str:
    """Why bubblewrap cannot be used here; '' when it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    if not system_calls.machine_is_known():
        return f"there is no filter of system calls for {platform.machine()} processors"
    words, handles = Bubblewrap().started()
    words = [*words[: words.index(PYTHON)], PYTHON, "-c", "print(1)"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, pass_fds=handles)
    for handle in handles:
        os.close(handle)
    return "" if done.returncode == 0 else f"bubblewrap does not work here ({done.stderr.strip()})"


@cache
def font_lists() -> list[Path]:
    """Matplotlib's list of this machine's fonts: making it anew takes a second in every box."""
    import matplotlib.font_manager  # writes the list where there is none

    return sorted(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))
