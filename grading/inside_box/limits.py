"""What the process in the box may be and have, and the end of what it has started."""

import ctypes
import os
import resource
import time
from contextlib import suppress

import psutil

OPEN_FILES = 512
PR_SET_CHILD_SUBREAPER = 36  # `prctl(2)`
PATIENCE = 2  # seconds for processes that start others as fast as they are ended


def become(user):
    """Be a user who may do nothing, where the grader is root; None: be who one is."""
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)


def hold(memory, processes):
    """Hold this process, and each that it starts, to so many MB of data and so many processes."""
    for kind, most in (
        (resource.RLIMIT_DATA, memory * 1_000_000),
        (resource.RLIMIT_NPROC, 8 * processes),  # threads count, too
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 200_000_000),
    ):
        resource.setrlimit(kind, (most, most))


def adopt():
    """Be the parent of every process below this one whose own parent is gone, where Linux helps."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # macOS, without a sandbox, has none
    if prctl:
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_what_was_left():
    """End every process below this one: what a cell leaves behind is no other cell's to pay for.

    Returns:
        Whether there were any that still ran.
    """
    until, found = time.monotonic() + PATIENCE, False
    while running := [each for each in psutil.Process().children(recursive=True) if _runs(each)]:
        found = True
        for process in running:
            with suppress(psutil.Error):  # it may have ended by itself
                process.kill()
        psutil.wait_procs(running, timeout=0.1)
        if time.monotonic() > until:
            break  # the grader's watch sees to it
    return found


def _runs(process):
    """Whether a process still runs: one that has ended stays a number until its parent asks."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
