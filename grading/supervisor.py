"""Runs a notebook in a box, again and again if it must, until every question is settled.

A cell or a question that brings the whole process down (by `os._exit`, an endless loop that nothing
interrupts, too much memory, too many processes) is left out when the notebook is run again: a bad
cell costs its own question and no other. What runs in the box is `inside_box`.
"""

import json
import queue
import selectors
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from grading import sandbox
from grading.watch import Watch

GRACE = 5  # seconds that a process has to end a cell by itself
MOST_REPLIES = 60_000_000  # bytes from one process
STARTING = 120  # seconds until the first cell
OWN_LOSSES = 3  # so many cells of a student's own may bring the process down, then none is run
SPARE = 4  # times a cell's seconds: what the cells of a student's own may take together


class Limits(NamedTuple):
    """What one submission may use."""

    seconds: int = 30  # for a cell, or for the cases of a question
    memory: int = 2000  # in MB
    processes: int = 64

    @property
    def total(self) -> int:
        """Seconds for the cells, however often the notebook has to be run; as much for answers."""
        return 10 * self.seconds + STARTING

    @property
    def tasks(self) -> int:
        """Processes and threads."""
        return 10 * self.processes


@dataclass
class Ran:
    """What came of one notebook.

    Attributes:
        outputs: from the id of a cell to its outputs, whatever a box may call an output. Those of
            a run in which no question had been put yet.
        answers: from the name of each question to the list of its answers, one for each case.
        later: the same, of a later version of the answer where the notebook has one.
        again: the same, with the right answers to other questions in the learner's place.
        notes: from a question to what had become of its name at the end: 'gone', 'changed'.
        called: from a question to what it called although it was asked to write it.
        lost_cells: from the id of a cell to what it brought the process down by.
        lost: the same from the name of a question.
    """

    outputs: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)
    again: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    called: dict[str, list[str]] = field(default_factory=dict)
    lost_cells: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


Again = Callable[[Ran], dict[str, dict[str, str]]]


def run(
    notebook: dict[str, Any],
    requests: dict[str, Any],
    limits: Limits | None = None,
    box: sandbox.Box | None = None,
    forbidden: dict[str, tuple[str, ...]] | None = None,
    again: Again | None = None,
) -> Ran:
    """Run a notebook and put the questions to it.

    Args:
        notebook: a dictionary of the notebook format.
        requests: from the name of each question to `{"probe": …, "cases": […]}`.
        box: the sandbox; by default the one of this machine.
        forbidden: from a question to the dotted names of what its answer is not to call.
        again: tells from what came which questions to ask again, each with the sources that define
            other questions' right answers.
    """
    limits, box = limits or Limits(), box or sandbox.find()
    supervisor = Supervisor(notebook, requests, limits, box, forbidden or {}, again)
    supervisor.run()
    return supervisor.ran


class Supervisor:
    """Runs one notebook until every question is settled.

    Attributes:
        ran: what came of it so far.
        at: the cell that the process is in: its id, 'start', 'between', or 'behind' all of them.
    """

    def __init__(
        self,
        notebook: dict[str, Any],
        requests: dict[str, Any],
        limits: Limits,
        box: sandbox.Box,
        forbidden: dict[str, tuple[str, ...]],
        again: Again | None,
    ) -> None:
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        self.cells = [{"id": cell["id"], "source": cell["source"]} for cell in cells]
        self.requests, self.limits, self.box = requests, limits, box
        self.forbidden, self.again = forbidden, again
        self.spare = [cell["id"] for cell in cells if cell["id"].startswith("own-")]
        self.ran = Ran()
        self.at = "start"
        self.skipped: set[str] = set()  # beside the cells that were lost
        self.full: set[str] = set()  # cells that ended for want of memory, and are not skipped yet
        self.secret = True  # no question has been put yet
        self.tried = False  # again, after it was lost between two cells

    def run(self) -> None:
        """Run the notebook as often as it takes."""
        self.cells_until = time.monotonic() + self.limits.total
        for _ in range(len(self.cells) + 2 * len(self.requests) + 3):
            if self.run_once():
                return
        self.lose_all("crashed")

    def run_once(self) -> bool:
        """Run the notebook once; whether everything is settled."""
        process = Process(self.box, self.limits)
        try:
            if not self.run_cells(process):
                return self.cell_was_lost(process.why)
            self.secret = False
            done = self.ask(process) and self.ask_again(process)
            return done or not (self.left() or self.to_ask_again())
        finally:
            process.close()

    # --- Cells ------------------------------------------------------------------------------------

    def run_cells(self, process: "Process") -> bool:
        """Let a process run the cells; False when it is lost, in the cell `at`."""
        process.write(
            cells=self.cells,
            skip=sorted(self.skipped | set(self.ran.lost_cells)),
            spare=self.spare,
            spare_seconds=SPARE * self.limits.seconds,
            questions={name: asked["probe"] for name, asked in self.requests.items()},
            forbidden=self.forbidden,
            user=self.box.user,
            **self.limits._asdict(),
        )
        self.at, patience = "start", STARTING
        while True:
            message = process.message(patience, self.cells_until)
            if message is None:
                return False
            if "ready" in message:
                self.at = "behind"
                return True
            cell = message.get("cell")
            if "outputs" in message:
                self.cell_has_run(str(cell), message)
                self.at = "between"
            elif isinstance(cell, str):
                self.at = cell
            patience = self.limits.seconds + GRACE

    def cell_has_run(self, cell: str, message: dict[str, Any]) -> None:
        """Keep a cell's outputs, unless a hidden case might be among them."""
        if self.secret:
            self.ran.outputs.setdefault(cell, message["outputs"])
        if message.get("memory") and cell not in self.skipped:
            self.full.add(cell)

    def cell_was_lost(self, why: str) -> bool:
        """Leave out what the process was lost in; whether there is nothing more to be done."""
        if self.at == "between" and not self.tried:  # nobody's cell: once more
            self.tried = True
            self.skipped.update(self.behind_the_answers())
            return False
        if self.at in ("start", "between") or self.at in self.ran.lost_cells:
            self.lose_all(why)
            return True
        self.ran.lost_cells[self.at] = why
        if sum(cell in self.ran.lost_cells for cell in self.spare) >= OWN_LOSSES:
            self.skipped.update(self.spare)
        return False

    def do_without_the_last(self) -> bool:
        """Skip the own cells behind the answers, which may leave a trap; whether there are any."""
        last = set(self.behind_the_answers()) - self.skipped
        self.skipped |= last
        return bool(last)

    def behind_the_answers(self) -> list[str]:
        """The student's own cells behind the last cell of a question."""
        ids = [cell["id"] for cell in self.cells]
        of_questions = {cell for name in self.requests for cell in cells_of(name)}
        last = max((place for place, cell in enumerate(ids) if cell in of_questions), default=-1)
        return [cell for cell in ids[last + 1 :] if cell in self.spare]

    # --- Questions --------------------------------------------------------------------------------

    def left(self) -> list[str]:
        """The questions that are not settled."""
        return [name for name in self.requests
                if name not in self.ran.answers and name not in self.ran.lost]  # fmt: skip

    def ask(self, process: "Process") -> bool:
        """Put the questions that are left to a process; False when it has to be run again."""
        for name in self.left():
            reply = self.put(process, name)
            lost_by = process.why if reply is None else ""
            about_memory = lost_by == "out of memory" or _has(reply or {}, "memory")
            if about_memory and self.can_do_without(name):
                return False
            if reply is None:
                if not self.do_without_the_last():
                    self.ran.lost[name] = lost_by
                return False
            self.keep(name, reply)
            if about_memory and self.left():
                return False  # the next one is not to pay for this one's memory
        return True

    def put(self, process: "Process", name: str, **more: Any) -> dict[str, Any] | None:
        """Put one question; its reply, or None when the process is lost."""
        process.write(question=name, **self.requests[name], **more)
        patience = 2 * self.limits.seconds + GRACE
        until = time.monotonic() + patience  # whatever else is sent meanwhile
        reply: dict[str, Any] | None = {}
        while reply is not None and reply.get("question") != name:
            reply = process.message(patience, until)
        return reply

    def keep(self, name: str, reply: dict[str, Any]) -> None:
        """Keep what may be kept of a reply, whatever it is."""
        self.ran.answers[name] = reply.get("answers")
        if isinstance(reply.get("later"), list):
            self.ran.later[name] = reply["later"]
        if reply.get("note") in ("gone", "changed"):
            self.ran.notes[name] = reply["note"]
        called = self.forbidden_of(name, reply.get("called"))
        if called:
            self.ran.called[name] = called

    def forbidden_of(self, name: str, called: Any) -> list[str]:
        """Of what a box says was called those names that the question's list has, or what is below.

        Anything else was made up in the box.
        """
        names = self.forbidden.get(name, ())
        return [
            each
            for each in (called if isinstance(called, list) else [])
            if isinstance(each, str) and len(each) < 200
            if any(f"{each}.".startswith(f"{part}.") for part in names)
        ]

    def can_do_without(self, name: str) -> bool:
        """Skip the cells that wanted memory, so that others have it; whether there are any."""
        without = self.full - set(cells_of(name))
        self.skipped |= without
        self.full -= without
        return bool(without)

    def to_ask_again(self) -> dict[str, dict[str, str]]:
        """The questions to ask again, each with others' right answers."""
        wanted = self.again(self.ran) if self.again else {}
        return {name: instead for name, instead in wanted.items() if name not in self.ran.again}

    def ask_again(self, process: "Process") -> bool:
        """Ask those questions again that may have failed by others; False when one is lost."""
        for name, instead in self.to_ask_again().items():
            self.ran.again[name] = None
            reply = self.put(process, name, instead=instead)
            if reply is None:
                return False
            if not reply.get("called"):
                self.ran.again[name] = reply.get("answers")
        return True

    def lose_all(self, why: str) -> None:
        """Settle what is left: nothing more will come."""
        self.ran.lost.update(dict.fromkeys(self.left(), why))


def cells_of(question: str) -> tuple[str, str]:
    """The ids of the cells of a question's answer and of its check."""
    cell = question.replace("_", "-")
    return cell, f"{cell}-check"


def _has(reply: dict[str, Any], mark: str) -> bool:
    answers = reply.get("answers")
    return isinstance(answers, list) and any(
        isinstance(answer, dict) and answer.get(mark) for answer in answers
    )


class Process:
    """A box at work, and what it says.

    Attributes:
        why: what it was lost by, once it is lost.
    """

    def __init__(self, box: sandbox.Box, limits: Limits) -> None:
        group = box.group(limits)
        self.box, self.limits = box, limits
        self.process = cast(Any, box.start(group))  # with pipes at both ends
        self.waiting = selectors.DefaultSelector()
        self.waiting.register(self.process.stdout, selectors.EVENT_READ)
        self.watch = Watch(self.process, limits, group)
        self.buffer, self.read, self.why = bytearray(), 0, ""
        # A thread writes: a process that does not read must not stop the grader.
        self.outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.writer = threading.Thread(target=self.send, daemon=True)
        self.writer.start()

    def write(self, **message: Any) -> None:
        """Put one order into the outbox."""
        self.outbox.put(json.dumps(message).encode() + b"\n")

    def send(self) -> None:
        """Send what is in the outbox, until None is."""
        try:
            while (line := self.outbox.get()) is not None:
                self.process.stdin.write(line)
                self.process.stdin.flush()
        except (OSError, ValueError):
            pass  # the process is dead: whoever reads from it notices

    def message(self, seconds: float, until: float = float("inf")) -> dict[str, Any] | None:
        """The next message, or None when the process is lost; then `why` tells."""
        end = min(time.monotonic() + seconds, until)
        while True:
            line, mark, rest = self.buffer.partition(b"\n")
            if mark:
                self.buffer = rest
                return self.understood(bytes(line))
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
                self.why = self.watch.verdict() or "crashed"
                return None
            self.buffer += piece

    def understood(self, line: bytes) -> dict[str, Any] | None:
        """A line as a message; one that is none loses the process."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self.why = "crashed"
            return None
        return message

    def close(self) -> None:
        """End the box and let go of all that belongs to it."""
        self.waiting.close()
        self.outbox.put(None)
        self.watch.kill()
        self.box.stop()
        self.writer.join()
