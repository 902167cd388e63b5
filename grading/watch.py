"""Ends a box that uses too much memory or too many processes.

Where the box is in a control group, the kernel holds it to its limits and the watch only tells what
happened. Elsewhere the watch counts by itself, the more often the less is left.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil

from grading.groups import Group

PAUSE, SHORTEST = 0.2, 0.005  # seconds between two looks
FASTEST = 10_000_000_000  # bytes that a box may take in a second, about
CLOSE = 0.8  # of its limit: from there on a box stands still while it is counted
LEAST_FREE = 0.03  # of the machine's memory: below that the largest box has to go
FOLDERS = ("tmp", "dev/shm", "course/work")  # those of a box that are in memory
FILE = 1200  # bytes that the kernel keeps for each of its files
SOCKET = 213_000  # bytes that one may have on their way
USUAL = 64  # open files of a process


class Watch:
    """Looks after one box until it is closed.

    Attributes:
        why: what the box was ended for: 'out of memory', 'too many processes', or ''.
        held: bytes that it held when the watch looked last, where the watch counts.
    """

    live: ClassVar[set["Watch"]] = set()

    def __init__(
        self, process: subprocess.Popen[bytes], limits: Any, group: Group | None = None
    ) -> None:
        self.process, self.limits, self.group = process, limits, group
        self.why, self.held, self.over = "", 0, threading.Event()
        self.live.add(self)
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        """Look now and then, until the box is closed."""
        pause, members = SHORTEST, list[int]()
        with suppress(PermissionError):  # root alone may come first, where the box fills the cores
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        while not self.over.wait(pause):
            if self.held > CLOSE * self.limits.memory * 1_000_000:
                signal_all(members, signal.SIGSTOP)  # to find all of them takes a moment, too
            members, pause = self.members(), PAUSE
            if self.group is None:
                pause = self.count(members)
            elif self.group.out_of_memory():
                self.why = "out of memory"
            if len(members) > self.limits.processes:
                self.why = "too many processes"
            if self.why:
                self.end()
                return

    def count(self, members: Sequence[int]) -> float:
        """Count the box's memory; returns the seconds until it is worth while to look again."""
        most = self.limits.memory * 1_000_000
        self.held = memory_of(members)
        if self.held > most:  # perhaps some of it is shared; to find out takes a while
            signal_all(members, signal.SIGSTOP)
            self.held = memory_of(members, shared=True)
        if self.held > most or (self.held == max(watch.held for watch in list(self.live)) > 0
                                and free() < LEAST_FREE):  # fmt: skip
            self.why = "out of memory"
        else:
            signal_all(members, signal.SIGCONT)
        return min(PAUSE, max(SHORTEST, (most - self.held) / FASTEST))

    def members(self) -> list[int]:
        """The numbers of all processes of the box."""
        if self.group is not None:
            return self.group.members()
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [member.pid for member in family]

    def verdict(self) -> str:
        """Why the box has ended, as far as the watch or the kernel ended it."""
        if not self.why and self.group is not None and self.group.out_of_memory():
            self.why = "out of memory"
        return self.why

    def end(self) -> None:
        """Kill all: the first process of a box takes every other with it."""
        signal_all([*self.members(), self.process.pid], signal.SIGKILL)

    def kill(self) -> None:
        """Close the box."""
        self.over.set()
        self.end()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe:
                    pipe.close()
            except OSError:
                pass  # what was still to be written has no reader any more
        self.thread.join()
        self.live.discard(self)
        if self.group is not None:
            self.group.close()


# --- Counting without a control group -------------------------------------------------------------


def signal_all(members: Sequence[int], what: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for member in members:
        with suppress(psutil.Error):
            psutil.Process(member).send_signal(what)


def memory_of(members: Sequence[int], shared: bool = False) -> int:
    """Bytes that processes hold together, with the files in their folders in memory.

    With `shared`, what several of them share counts once, and that takes the kernel some time to
    find out; without, it counts for each.
    """
    of_one = _proportional if shared else _private
    return sum(map(of_one, members)) + _files_of(members)


def _private(member: int) -> int:
    """Bytes of one process that are no file's, and the kernel's tables of them."""
    names = ("RssAnon", "VmPTE", "VmSwap")
    return sum(_numbers(f"/proc/{member}/status").get(name, 0) for name in names)


def _proportional(member: int) -> int:
    """The same, where a page that n processes share is an n-th of a page."""
    shares = _numbers(f"/proc/{member}/smaps_rollup")
    if "Pss_Anon" not in shares:
        return _private(member)
    tables = _numbers(f"/proc/{member}/status").get("VmPTE", 0)
    return shares["Pss_Anon"] + shares.get("SwapPss", 0) + tables


def _numbers(file: str) -> dict[str, int]:
    """From each name of a file of the kernel's to its bytes."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:  # the process is gone
        return {}
    words = (line.split() for line in lines if line.endswith(" kB"))
    return {name[0].rstrip(":"): 1024 * int(name[1]) for name in words if len(name) == 3}


def _files_of(members: Sequence[int]) -> int:
    """Bytes of the files in a box's folders, of the kernel's notes on them, and of sockets.

    What is open is not looked at one by one, which would take too long: beyond a few, all of it
    counts as sockets.
    """
    sockets = sum(max(0, _open_files(member) - USUAL) for member in members)
    held = SOCKET * sockets
    for member in members:
        if os.path.isdir(f"/proc/{member}/root/{FOLDERS[-1]}"):
            return held + sum(_held_by(f"/proc/{member}/root/{folder}") for folder in FOLDERS)
    return held


def _open_files(member: int) -> int:
    """How many files a process has open."""
    folder = f"/proc/{member}/fd"
    try:
        return os.stat(folder).st_size or len(os.listdir(folder))  # older kernels tell no size
    except OSError:
        return 0


def _held_by(folder: str) -> int:
    try:
        state = os.statvfs(folder)
    except OSError:
        return 0
    return (state.f_blocks - state.f_bfree) * state.f_frsize + FILE * (
        state.f_files - state.f_ffree
    )


def free() -> float:
    """The part of this machine's memory that is free."""
    memory = psutil.virtual_memory()
    return memory.available / memory.total
