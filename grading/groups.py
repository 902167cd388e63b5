"""Control groups: the kernel's own account of what a box uses, where a grader may make them.

A group holds everything to its limit, also what belongs to no process: shared memory, files in
memory, buffers of sockets, the kernel's notes on files. A grader that is root may make groups; an
ordinary user may where systemd gave a part of the tree away, as it does to what
`systemd-run --user --scope` starts. Both versions of the interface are known.
"""

import itertools
import os
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psutil

PREFIX = "grading-"
NUMBERS = itertools.count(1)
ENTER = 'for group; do shift; [ "$group" = -- ] && break; echo $$ > "$group/cgroup.procs"; done'
CLOSING = 5  # seconds that the kernel has to take killed processes out of a group


class Group:
    """A control group for one box.

    Attributes:
        places: its folders: one, or one for memory and one for processes (version 1).
    """

    def __init__(self, parents: Sequence[Path], memory: int, tasks: int) -> None:
        self.places: list[Path] = []
        name = f"{PREFIX}{os.getpid()}-{next(NUMBERS)}"
        for parent in parents:
            place = parent / name
            place.mkdir()
            self.places.append(place)
        for setting, value in _settings(memory, tasks).items():
            for place in self.places:
                if (place / setting).exists():
                    (place / setting).write_text(str(value))

    def command(self, words: list[str]) -> list[str]:
        """A command line that enters the group before it becomes `words`."""
        return ["/bin/sh", "-ec", f'{ENTER}; exec "$@"', "sh", *map(str, self.places), "--", *words]

    def members(self) -> list[int]:
        """The numbers of all its processes."""
        try:
            return [int(line) for line in (self.places[0] / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def out_of_memory(self) -> bool:
        """Whether the kernel had to end a process for memory."""
        for name in ("memory.events", "memory.oom_control"):
            try:
                words = (self.places[0] / name).read_text().split()
            except OSError:
                continue
            counts = dict(zip(words[::2], words[1::2], strict=False))
            return int(counts.get("oom_kill", 0)) > 0
        return False

    def close(self) -> None:
        """Take the group away; its processes are dead or about to be."""
        end = time.monotonic() + CLOSING
        for place in self.places:
            while not _removed(place) and time.monotonic() < end:
                time.sleep(0.01)


def _settings(memory: int, tasks: int) -> dict[str, int]:
    """The files of a group and what is to be in them, of both versions."""
    return {
        "memory.limit_in_bytes": memory,
        "memory.memsw.limit_in_bytes": memory,  # with what is swapped out
        "memory.max": memory,
        "memory.swap.max": 0,
        "memory.oom.group": 1,
        "pids.max": tasks,
    }


def _removed(place: Path) -> bool:
    try:
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@cache
def parents() -> tuple[Path, ...]:
    """The folders in which groups for boxes can be made; () where there are none."""
    for found in (_version_1(), _version_2()):
        if found and _works(found):
            _clear(found)
            return found
    return ()


def _works(places: Sequence[Path]) -> bool:
    """Whether a process can be put into a group there."""
    try:
        group = Group(places, 100_000_000, 100)
    except OSError:
        return False
    try:
        done = subprocess.run(group.command(["true"]), capture_output=True, check=False)
    finally:
        group.close()
    return done.returncode == 0


def _clear(places: Sequence[Path]) -> None:
    """Remove the empty groups of graders that were killed."""
    for place in places:
        for group in place.glob(f"{PREFIX}*-*"):
            number = group.name.removeprefix(PREFIX).partition("-")[0]
            if number.isdecimal() and not psutil.pid_exists(int(number)):
                _removed(group)


def _version_1() -> tuple[Path, ...]:
    memory = _own("memory")
    return (memory, *filter(None, [_own("pids")])) if memory else ()


def _version_2() -> tuple[Path, ...]:
    """The nearest folder above this process that hands control of memory to what is below it."""
    own = _own("")
    for place in [own, *own.parents] if own else []:
        try:
            controllers = (place / "cgroup.subtree_control").read_text().split()
        except OSError:
            return ()
        if "memory" in controllers and os.access(place, os.W_OK):
            return (place,)
    return ()


def _own(controller: str) -> Path | None:
    """The folder of this process's group, for a controller of version 1 or ('') version 2."""
    path = next((path for _, names, path in _lines("/proc/self/cgroup", ":", 2)
                 if controller in names.split(",")), None)  # fmt: skip
    if path is None:
        return None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words, _, kinds = line.partition(" - ")
        root, mount = words.split()[3:5]
        kind, _, options = kinds.split(maxsplit=2)
        fits = controller in options.split(",") if controller else kind == "cgroup2"
        if kind.startswith("cgroup") and fits:
            inside = path.removeprefix(root.rstrip("/"))
            return Path(mount) / inside.lstrip("/")
    return None


def _lines(file: str, mark: str, count: int) -> list[list[str]]:
    try:
        text = Path(file).read_text()
    except OSError:
        return []
    return [line.split(mark, count) for line in text.splitlines()]
