"""Runs a notebook by `runner.py`, again and again if it must, until every question is settled.

A cell or a question that brings the whole process down (by `os._exit`, an endless loop that nothing
interrupts, too much memory, too many processes) is left out when the notebook is run again: a bad
cell costs its own question and no other.
"""

import json
import selectors
import time
from typing import NamedTuple

from grading import sandbox

GRACE = 5  # seconds that a process has to end a cell by itself
MOST_REPLIES = 24_000_000  # bytes from one process
STARTING = 120  # seconds until the first cell


class Limits(NamedTuple):
    """What one submission may use."""

    seconds: int = 30  # for a cell, or for the cases of a question
    memory: int = 2000  # in MB
    processes: int = 64

    @property
    def total(self):
        """Seconds for everything, however often the notebook has to be run."""
        return 10 * self.seconds + STARTING


class Ran(NamedTuple):
    """What came of one notebook.

    Attributes:
        notebook: with its outputs, or None when it never ran to its end.
        answers: from the name of each question to the list of its answers, one for each case.
        lost: from the id of a cell, or the name of a question, to what brought the process down.
    """

    notebook: dict | None
    answers: dict
    lost: dict


class _Process:
    """A runner at work, and what it says."""

    def __init__(self, box, limits, until):
        self.box, self.limits, self.until = box, limits, until
        self.process = box.start()
        self.waiting = selectors.DefaultSelector()
        self.waiting.register(self.process.stdout, selectors.EVENT_READ)
        self.watch = sandbox.Watch(self.process, limits)
        self.buffer, self.read, self.why = bytearray(), 0, ""

    def write(self, **message):
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            pass  # it is dead: reading will tell

    def message(self, seconds):
        """The next message, or None when the process is lost; then `why` tells."""
        end = min(time.monotonic() + seconds, self.until)
        while True:
            line, mark, rest = self.buffer.partition(b"\n")
            if mark:
                self.buffer = rest
                return self.understood(line)
            self.why = self.watch.why
            if not self.why and time.monotonic() > end:
                self.why = "timed out"
            if self.why:
                return None
            if not self.waiting.select(timeout=0.05):
                continue
            piece = self.process.stdout.read1(1 << 20)
            self.read += len(piece)
            if not piece or self.read > MOST_REPLIES:
                self.why = self.watch.why or "crashed"
                return None
            self.buffer += piece

    def understood(self, line):
        """A line as a message; one that is none loses the process."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self.why = "crashed"
            return None
        return message

    def close(self):
        self.waiting.close()
        self.watch.kill()


def run(notebook, requests, limits=None, box=None):
    """Run a notebook and put the questions to it.

    Args:
        notebook: a dictionary of the notebook format.
        requests: from the name of each question to `{"probe": …, "cases": […]}`.
        box: the sandbox; by default the one of this machine.
    """
    limits, box = limits or Limits(), box or sandbox.find()
    code = [cell["id"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    executed, answers, lost = None, {}, {}
    until = time.monotonic() + limits.total
    for _ in range(len(code) + len(requests) + 1):
        left = {name: asked for name, asked in requests.items()
                if name not in answers and name not in lost}  # fmt: skip
        process = _Process(box, limits, until)
        try:
            at, found = _one_run(process, notebook, left, lost, answers, limits)
        finally:
            process.close()
        executed = found or executed
        if at is None:
            break
        if at in lost or at == "start":  # it does not come further than last time
            lost.update({name: process.why for name in left if name not in answers})
            break
        lost[at] = process.why
    return Ran(executed, answers, lost)


def _one_run(process, notebook, left, lost, answers, limits):
    """One process: where it was lost (None: nowhere), and the executed notebook."""
    user = process.box.user
    process.write(notebook=notebook, skip=sorted(lost), seconds=limits.seconds, user=user,
                  memory=limits.memory, processes=limits.processes)  # fmt: skip
    at, patience = "start", STARTING
    executed = None
    while executed is None:
        message = process.message(patience)
        if message is None:
            return at, None
        at, patience = str(message.get("cell", at)), limits.seconds + GRACE
        executed = message.get("notebook")
    for name, asked in left.items():
        process.write(question=name, **asked)
        at, reply = name, {}
        while reply.get("question") != name:
            reply = process.message(limits.seconds + GRACE)
            if reply is None:
                return at, executed
        answers[name] = reply.get("answers")
    return None, executed
