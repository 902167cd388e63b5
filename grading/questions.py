"""What an exercise asks, and with which numbers: read from `exercises/source/<name>/questions.py`.

That file holds no right answer. The right answers are those of the exercise's own notebook: it goes
through the same process as a submission, and what it answers is what is expected.
"""

import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from course_utils import answers, checks

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "exercises" / "source"
PUBLIC_SEED = 0  # of the cases that `check` runs; those of the grader come from a secret one


@dataclass(frozen=True)
class Part:
    """A part of a question with points of its own: all of its cases right, or no point.

    Attributes:
        name: what it is about, in a word or three: 'stride 2', say. Feedback shows it.
        points: a whole number.
        cases: a function of a NumPy generator that gives a list of cases, each a dictionary of
            arguments. None for a short answer, which has no arguments.
        of: the entry of the answer that counts, where the answer is a dictionary.
    """

    name: str
    points: int
    cases: Callable[[np.random.Generator], list[dict]] | None = None
    of: str | None = None


@dataclass(frozen=True)
class Question:
    """One question, answered by the variable of its name.

    Attributes:
        name: of the function (or the dictionary of short answers) in the notebook. The cell of the
            answer has the id `name` with dashes, the cell below it with the check `name-check`.
        parts: the points.
        probe: how the answer becomes data: `call`, `values` or `network` (`course_utils.checks`).
        tolerance: see `course_utils.answers.difference`.
        mistakes: hints, each with the answer that it is for: a function like the learner's, wrong
            in a well-known way; for `values` a dictionary of wrong values.
    """

    name: str
    parts: list[Part]
    probe: str = "call"
    tolerance: float = 1e-6
    mistakes: dict[str, Any] = field(default_factory=dict)

    @property
    def points(self):
        """All points of the question."""
        return sum(part.points for part in self.parts)

    @property
    def cell(self):
        """The id of the cell with the answer."""
        return self.name.replace("_", "-")

    @property
    def check_cell(self):
        """The id of the cell with the check, which carries the points."""
        return f"{self.cell}-check"

    def cases(self, seed):
        """The cases of every part, in order; part by part drawn from a generator of its own."""
        drawn = []
        for place, part in enumerate(self.parts):
            rng = np.random.default_rng([seed, place, *self.name.encode()])
            drawn.append(part.cases(rng) if part.cases else [{}])
        return drawn


@dataclass(frozen=True)
class Exercise:
    """One exercise: where it lies, what it asks and how much it may use."""

    name: str
    questions: list[Question]
    seconds: int  # for one cell, or for the cases of one question
    memory: int  # in MB, for everything that a submission starts

    @property
    def source(self):
        """The path of the notebook with the solutions."""
        return SOURCES / self.name / f"{self.name}.ipynb"

    @property
    def release(self):
        """The path of the notebook that students get."""
        return checks.RELEASES / self.name / f"{self.name}.ipynb"

    @cached_property
    def released(self):
        """The students' notebook, read once."""
        return nbformat.read(self.release, as_version=4)

    @property
    def written(self):
        """From the id of each answer that somebody reads to its points."""
        marked = {cell.id: marks_of(cell) for cell in self.released.cells}
        return {cell_id: marks.points for cell_id, marks in marked.items()
                if marks and marks.grade and marks.solution}  # fmt: skip

    @property
    def points(self):
        """All points of the exercise."""
        questions = sum(question.points for question in self.questions)
        return questions + sum(self.written.values())


def marks_of(cell):
    """nbgrader's marks of a cell; an empty dictionary for a cell without any."""
    return cell["metadata"].get("nbgrader", {})


def names():
    """The names of all exercises, in order."""
    return sorted(path.parent.name for path in SOURCES.glob("*/questions.py"))


def load(name):
    """The exercise with this name, or with the only name that begins so (`ex02`).

    Raises:
        ValueError: when none or several fit.
    """
    fitting = [each for each in names() if each == name or each.startswith(f"{name}_")]
    if len(fitting) != 1:
        raise ValueError(f"no exercise is called {name!r}: choose from {', '.join(names())}")
    text = runpy.run_path(str(SOURCES / fitting[0] / "questions.py"))
    return Exercise(
        fitting[0], text["QUESTIONS"], text.get("SECONDS", 30), text.get("MEMORY", 2000)
    )


def requests(exercise, seed):
    """What the runner is asked: for each question its probe and the different cases of its parts.

    Returns:
        a dictionary from the question's name to `{"probe": …, "cases": [encoded arguments]}`, and
        one from the question's name to the places of each part's cases in that list.
    """
    asked, places = {}, {}
    for question in exercise.questions:
        cases, where = [], []
        for drawn in question.cases(seed):
            encoded = [{name: answers.encode(value) for name, value in case.items()}
                       for case in drawn]  # fmt: skip
            cases += [case for case in encoded if case not in cases]
            where.append([cases.index(case) for case in encoded])
        asked[question.name] = {"probe": question.probe, "cases": cases}
        places[question.name] = where
    return asked, places


# --- For the files with the cases -----------------------------------------------------------------


def whole(rng, low, high):
    """A whole number from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))


def one_of(rng, *choices):
    """One of several choices."""
    return choices[whole(rng, 0, len(choices) - 1)]


def numbers(rng, *shape):
    """Random numbers with two decimals."""
    return np.round(rng.normal(size=shape), 2)
