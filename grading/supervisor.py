"""Runs a notebook by `runner.py`, again and again if it must, until every question is settled.

A cell or a question that brings the whole process down (by `os._exit`, an endless loop that nothing
interrupts, too much memory, too many processes) is left out when the notebook is run again: a bad
cell costs its own question and no other.
"""

import json
import queue
import selectors
import threading
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
        lost_cells: from the id of a cell to what it brought the process down by.
        lost: the same from the name of a question.
    """

    notebook: dict | None
    answers: dict
    lost_cells: dict
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
        # A thread writes: a process that does not read must not stop the grader.
        self.outbox = queue.SimpleQueue()
        self.writer = threading.Thread(target=self.send, daemon=True)
        self.writer.start()

    def write(self, **message):
        self.outbox.put(json.dumps(message).encode() + b"\n")

    def send(self):
        """Send what is in the outbox, until None is."""
        try:
            while (line := self.outbox.get()) is not None:
                self.process.stdin.write(line)
                self.process.stdin.flush()
        except (OSError, ValueError):
            pass  # the process is dead: whoever reads from it notices

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
        self.outbox.put(None)
        self.watch.kill()
        self.box.stop()
        self.writer.join()


def run(notebook, requests, limits=None, box=None):
    """Run a notebook and put the questions to it.

    Args:
        notebook: a dictionary of the notebook format.
        requests: from the name of each question to `{"probe": …, "cases": […]}`.
        box: the sandbox; by default the one of this machine.
    """
    limits, box = limits or Limits(), box or sandbox.find()
    code = [cell["id"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    executed, answers, lost_cells, lost = None, {}, {}, {}
    until = time.monotonic() + limits.total
    for _ in range(len(code) + len(requests) + 1):
        left = {name: asked for name, asked in requests.items()
                if name not in answers and name not in lost}  # fmt: skip
        process = _Process(box, limits, until)
        try:
            in_cell, found = _run_cells(process, notebook, lost_cells, limits)
            executed = found or executed
            asked = None if in_cell else _ask(process, left, answers, limits)
        finally:
            process.close()
        if in_cell is None and asked is None:
            break
        if in_cell in lost_cells or in_cell == "start":  # it comes no further than last time
            lost.update({name: process.why for name in left})
            break
        (lost_cells if in_cell else lost)[in_cell or asked] = process.why
    return Ran(executed, answers, lost_cells, lost)


def _run_cells(process, notebook, lost_cells, limits):
    """Let a process run the cells: the one that it is lost in, or None, and the notebook."""
    order = {"notebook": notebook, "skip": sorted(lost_cells), "user": process.box.user}
    process.write(**order, **limits._asdict())
    at, patience = "start", STARTING
    while True:
        message = process.message(patience)
        if message is None:
            return at, None
        if "notebook" in message:
            return None, message["notebook"]
        at, patience = str(message.get("cell", at)), limits.seconds + GRACE


def _ask(process, left, answers, limits):
    """Put the questions to a process: the one that it is lost in, or None."""
    for name, asked in left.items():
        process.write(question=name, **asked)
        reply = {}
        while reply.get("question") != name:
            reply = process.message(limits.seconds + GRACE)
            if reply is None:
                return name
        answers[name] = reply.get("answers")
    return None
