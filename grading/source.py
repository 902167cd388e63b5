"""An exercise's own notebook as code: what is right, and what each known mistake answers.

The notebook in `exercises/source/` is the course's own and is trusted: its cells run here, in the
grader's process, once. A known mistake is that notebook's solution with one thing wrong in it, said
as a patch: `("stride + 1", "stride")`.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nbformat
import numpy as np

from course_utils import checks
from course_utils.environment import quiet_tensorflow
from course_utils.inside_keras import without_weights

if TYPE_CHECKING:
    from grading.questions import Question

OWN = re.compile(r"\bown\.")  # how a solution names the numbers of a student
# A pair of what stands there and what is to stand there, or several of them.
Patch = Sequence[str] | Sequence[Sequence[str]]
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def marks_of(cell: Any) -> Any:
    """nbgrader's marks of a cell; an empty dictionary for a cell without any."""
    return cell["metadata"].get("nbgrader", {})


class Source:
    """The cells of a source notebook that its answers need, and what they define.

    Args:
        path: of the notebook.
        answers: the ids of the cells that answer the questions.
        uses_keras: whether TensorFlow has to be started first, without its log lines.
    """

    def __init__(self, path: Path, answers: Iterable[str], uses_keras: bool = False) -> None:
        self.path, self.answers, self.uses_keras = path, set(answers), uses_keras

    @cached_property
    def cells(self) -> dict[str, str]:
        """The code cells by their ids, in order, up to the last answer: no plots, no checks."""
        notebook = nbformat.read(self.path, as_version=4)
        needed = {}
        for cell in notebook.cells:
            if cell.cell_type == "code" and self._is_needed(cell):
                needed[cell.id] = cell.source
        last = max((place for place, name in enumerate(needed) if name in self.answers), default=-1)
        return dict(list(needed.items())[: last + 1])

    def _is_needed(self, cell: Any) -> bool:
        marks = marks_of(cell)
        if cell.id in ("set-up", checks.STUDENT_CELL):  # the course is here, the numbers are given
            return False
        return cell.id in self.answers if marks.get("solution") else not marks.get("grade")

    @cached_property
    def names(self) -> dict[str, Any]:
        """What the notebook defines, up to the last answer."""
        if self.uses_keras:
            quiet_tensorflow()
        names = {"own": SimpleNamespace()}  # for short answers see there
        for cell_id, text in self.cells.items():
            if not self.holds_short_answers(cell_id):
                _run(text, names, self.path, cell_id)
        return names

    def holds_short_answers(self, cell_id: str) -> bool:
        """Whether a cell computes its answer from the numbers that each student has for himself."""
        return cell_id in self.answers and bool(OWN.search(self.cells[cell_id]))

    def answer(self, question: "Question", patch: Patch = ()) -> Any:
        """The function that answers a question, or the one that a patch makes of it.

        Raises:
            ValueError: when a piece of the patch does not stand in the solution exactly once.
        """
        if not patch:
            return self.names[question.name]
        names = dict(self.names)
        _run(self.patched(question.cell, patch), names, self.path, question.cell)
        return names[question.name]

    def short_answers(
        self, question: "Question", numbers: dict[str, Any], patch: Patch = ()
    ) -> dict[str, Any]:
        """The short answers to a question, as the cell computes them from a student's numbers."""
        if not self.holds_short_answers(question.cell):
            return self.answer(question, patch)
        names: dict[str, Any] = {"np": np, "own": SimpleNamespace(**numbers)}
        _run(self.patched(question.cell, patch), names, self.path, question.cell)
        return names[question.name]

    def patched(self, cell_id: str, patch: Patch) -> str:
        """The text of a cell whose solution has been patched."""
        before, begin, rest = self.cells[cell_id].partition(BEGIN)
        solution, end, after = rest.partition(END)
        for old, new in pieces(patch):
            if solution.count(old) != 1:
                raise ValueError(f"{self.path.parent.name}, {cell_id}: the patch {old!r} fits "
                                 f"{solution.count(old)} times, not once")  # fmt: skip
            solution = solution.replace(old, new)
        return before + begin + solution + end + after


def pieces(patch: Patch) -> list[tuple[str, str]]:
    """The pairs (old, new) of a patch: one pair, or a list of them."""
    alone = bool(patch) and isinstance(patch[0], str)
    return [(str(old), str(new)) for old, new in ([patch] if alone else patch)]


def _run(text: str, names: dict[str, Any], path: Path, cell_id: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(text, f"{path.name}, {cell_id}", "exec"), names)  # the course's own code


def ask(probe: str, answer: Any, case: dict[str, Any]) -> Any:
    """What an answer of the course's own gives for one encoded case: as `checks.ask`, but faster.

    Of a network half of the time goes into variables that are filled once. Ours does without; a
    learner's function may ask for their values, so it is never built like this.
    """
    if probe == "network":
        quiet_tensorflow()
        with contextlib.suppress(Exception):  # a mistake may raise, and does so again below
            return without_weights(partial(checks.ask, probe, answer, case))
    return checks.ask(probe, answer, case)


class Patched:
    """A known mistake: called like the learner's function, it answers as the patched one."""

    def __init__(self, source: Source, question: "Question", patch: Patch) -> None:
        self.source, self.question, self.patch = source, question, patch

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The patched function, made when it is first asked."""
        return self.source.answer(self.question, self.patch)

    def __call__(self, **arguments: Any) -> Any:
        """What the patched function answers."""
        return self.function(**arguments)

    def values(self, numbers: dict[str, Any]) -> dict[str, Any]:
        """The short answers that are wrong in the patched cell, for these numbers."""
        right = self.source.short_answers(self.question, numbers)
        wrong = self.source.short_answers(self.question, numbers, self.patch)
        return {name: value for name, value in wrong.items() if value != right[name]}
