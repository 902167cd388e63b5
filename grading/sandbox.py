"""The box in which a submission runs: bubblewrap, or a container engine where there is one.

Inside there is no network, nothing of other students, of the tests or of the solutions, and no file
that can be written but in small folders in memory that are gone afterwards. Memory and processes
are limited twice: by the system, and by a watch that ends the whole box.
"""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from functools import cache
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
COURSE = "/course"  # where the box has it, with the student's folder inside, as in a clone
WORK = f"{COURSE}/work"
RUNNER = "/grader/runner.py"
# Of the course only what a notebook uses: no solutions, no tests, no grader.
PARTS = ("course_utils", "data", "exercises/release")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/fonts")
WORK_SIZE, SMALL_SIZE = 300_000_000, 64_000_000  # bytes of the folders in memory
USERS = itertools.count(300_000)  # each box its own: a limit on processes counts by user


class NoSandbox(RuntimeError):
    """This machine has no sandbox."""


def variables(course=COURSE, work=WORK):
    """The environment of a runner: nothing of the grader's own."""
    return {
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

    user = None

    def start(self):
        """A started runner, a Popen with pipes for its input and output."""
        return subprocess.Popen(
            self.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment(),
            cwd=self.folder(),
            start_new_session=True,
        )

    def stop(self):
        """End what is still running although its first process was killed."""

    def environment(self):
        """The environment of the command itself."""
        return dict(os.environ)

    def folder(self):
        """Where the command starts."""
        return "/"


class Bubblewrap(Box):
    """A box made by bubblewrap, which most Linux systems have as a package."""

    def __init__(self):
        # A grader that is root (in a container, say) must not run submissions as root.
        self.user = next(USERS) if os.getuid() == 0 else None

    def command(self):
        """The whole command line."""
        spaces = ["--unshare-user"] if self.user is None else []
        spaces += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        words = ["bwrap", *spaces, "--die-with-parent", "--new-session", "--clearenv"]
        words += ["--cap-drop", "ALL"]
        if self.user is not None:  # for the runner's change to that user, after which it has none
            words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        for name, value in variables().items():
            words += ["--setenv", name, value]
        words += ["--proc", "/proc", "--dev", "/dev"]
        for place, size in (("/tmp", SMALL_SIZE), ("/dev/shm", SMALL_SIZE)):
            words += ["--perms", "1777", "--size", str(size), "--tmpfs", place]
        for place in SYSTEM:
            words += ["--ro-bind-try", place, place]
        places = {place: place for place in (sys.base_prefix, sys.prefix)
                  if not place.startswith("/usr")}  # fmt: skip
        places |= {f"{COURSE}/{part}": ROOT / part for part in PARTS}
        places[RUNNER] = ROOT / "grading" / "runner.py"
        above = {folder for place in places for folder in Path(place).parents}
        for folder in sorted(above - {Path("/")}):  # else bubblewrap makes them for root alone
            words += ["--perms", "0755", "--dir", str(folder)]
        for inside, outside in places.items():
            words += ["--ro-bind", str(outside), inside]
        words += ["--perms", "1777", "--size", str(WORK_SIZE), "--tmpfs", WORK]
        for fonts in font_lists():
            words += ["--perms", "1777", "--dir", f"{WORK}/.matplotlib"]
            words += ["--ro-bind", str(fonts), f"{WORK}/.matplotlib/{fonts.name}"]
        words += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", WORK]
        return [*words, sys.executable, "-B", RUNNER]

    def environment(self):
        """Nothing is needed but the place of `bwrap`."""
        return {"PATH": os.environ.get("PATH", os.defpath)}


class Container(Box):
    """A box made by Docker or Podman, from an image that has the course's packages."""

    def __init__(self, engine, image, memory=4000, processes=64):
        self.engine, self.image = engine, image
        self.memory, self.processes = memory, processes
        self.running = None  # the name of the container that was started last

    def command(self):
        """The whole command line."""
        self.running = f"grading-{uuid.uuid4().hex}"
        words = [self.engine, "run", "--rm", "--interactive", "--init", "--network=none"]
        words += [f"--name={self.running}"]
        words += ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        words += ["--user=65534:65534", f"--memory={self.memory}m"]
        words += [f"--memory-swap={self.memory}m", f"--pids-limit={8 * self.processes}"]
        for place, size in ((WORK, WORK_SIZE), ("/tmp", SMALL_SIZE)):
            words += [f"--tmpfs={place}:size={size},mode=1777"]
        for part in PARTS:
            words += [f"--volume={ROOT / part}:{COURSE}/{part}:ro"]
        words += [f"--volume={ROOT / 'grading' / 'runner.py'}:{RUNNER}:ro", f"--workdir={WORK}"]
        for name, value in variables().items():
            words += ["--env", f"{name}={value}"]
        return [*words, self.image, "python", "-B", RUNNER]

    def stop(self):
        """The engine's client is dead; the container would live on."""
        subprocess.run([self.engine, "kill", self.running], capture_output=True, check=False)


class Unsafe(Box):
    """No box at all: the submission may do whatever the grader may. For your own notebooks."""

    def __init__(self):
        self.place = tempfile.TemporaryDirectory(prefix="grading-")

    def command(self):
        """The runner itself."""
        return [sys.executable, "-B", str(ROOT / "grading" / "runner.py")]

    def environment(self):
        """As in the box, with this machine's paths."""
        return {**variables(str(ROOT), self.place.name), "PATH": os.environ.get("PATH", "")}

    def folder(self):
        """A folder that is removed with this object."""
        return self.place.name


def find(unsafe=False, image=None):
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
def trouble_with_bubblewrap():
    """Why bubblewrap cannot be used here; '' when it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    command = Bubblewrap().command()
    command = [*command[: command.index(RUNNER) - 2], sys.executable, "-c", "print(1)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"bubblewrap does not work here ({done.stderr.strip()})"


@cache
def font_lists():
    """Matplotlib's list of this machine's fonts: making it anew takes a second in every box."""
    import matplotlib.font_manager  # writes the list where there is none

    return sorted(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


class Watch:
    """Ends a box whose processes together use too much memory, or are too many."""

    def __init__(self, process, limits, pause=0.2):
        self.process, self.limits, self.pause = process, limits, pause
        self.why, self.over = "", threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        """Look now and then, until the box is closed."""
        while not self.over.wait(self.pause):
            members = self.members()
            if len(members) > self.limits.processes:
                self.why = "too many processes"
            elif sum(map(private_memory, members)) > self.limits.memory * 1_000_000:
                self.why = "out of memory"
            if self.why:
                self.end()
                return

    def members(self):
        """Every process of the box."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def end(self):
        """Kill all: the first process of a box takes every other with it."""
        for member in [*self.members(), self.process]:
            try:
                member.kill()
            except (psutil.NoSuchProcess, ProcessLookupError):
                pass

    def kill(self):
        """Close the box."""
        self.over.set()
        self.end()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass  # what was still to be written has no reader any more
        self.thread.join()


def private_memory(process):
    """Bytes of a process that are not a file's."""
    try:
        memory = process.memory_info()
        return memory.rss - getattr(memory, "shared", 0)
    except psutil.NoSuchProcess:
        return 0
