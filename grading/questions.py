"""What an exercise asks, and with which numbers: read from `exercises/source/<name>/questions.py`.

That file holds no right answer: what is right is what the exercise's own notebook answers, and a
known mistake is that notebook's solution with one thing wrong. It is said as a patch, a pair of
what stands in the cell of the answer and what the mistake has in its place, or a list of these:

    mistakes={"The window at the very start counts as well.": ("// stride + 1", "// stride")}

`make release` sees that each piece stands there exactly once, and that the patch changes an answer.
Where no patch says it, a mistake may be a function like the learner's, and for short answers a
dictionary of wrong ones.
"""

import runpy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from course_utils import answers, checks
from grading.source import Patched, Source, ask, marks_of

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "exercises" / "source"
PUBLIC_SEED = 0  # of the cases that `check` runs; those of the grader come from a secret one
# Cases part by part, and the right answers in the same shape.
Settled = tuple[list[list[dict]], list[list[Any]]]
MOST_DRAWS = 50  # until every known mistake fails
# Where the course itself has the sums that an exercise asks for.
COURSE_SUMS = tuple(f"course_utils.{name}" for name in
                    ("convolution", "arithmetic", "anatomy", "models"))  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A part of a question with points of its own: all of its cases right, or no point.

    Attributes:
        name: what it is about, in a word or three: 'stride 2', say. Feedback shows it.
        points: a whole number.
        cases: a function of a NumPy generator that gives a list of cases, each a dictionary of
            arguments. None for a short answer, which has no arguments.
        of: the entry of the answer that counts, where the answer is a dictionary.
        least: the share of the hidden pictures that a network has to get right (`handed_in`).
    """

    name: str
    points: int
    cases: Callable[[np.random.Generator], list[dict]] | None = None
    of: str | None = None
    least: float | None = None


@dataclass(frozen=True)
class Question:
    """One question, answered by the variable of its name.

    Attributes:
        name: of the function (or the dictionary of short answers) in the notebook. The cell of the
            answer has the id `name` with dashes, the cell below it with the check `name-check`.
        parts: the points.
        probe: how the answer becomes data: `call`, `values` or `network` (`course_utils.checks`),
            or `handed_in`: the answer is a network in a picture, `grading.competition` measures it.
        tolerance: see `course_utils.answers.difference`.
        mistakes: hints, each with the mistake that it is for: a patch of the solution. Once the
            exercise is loaded, a function like the learner's; for `values` see `in_variant`.
        forbidden: dotted names of what the answer must not call, beside those of the exercise.
    """

    name: str
    parts: list[Part]
    probe: str = "call"
    tolerance: float = 1e-6
    mistakes: dict[str, Any] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """All points of the question."""
        return sum(part.points for part in self.parts)

    @property
    def is_open(self) -> bool:
        """Whether nothing is right or wrong about it: a network is measured."""
        return self.probe == "handed_in"

    @property
    def cell(self) -> str:
        """The id of the cell with the answer."""
        return self.name.replace("_", "-")

    @property
    def check_cell(self) -> str:
        """The id of the cell with the check, which carries the points."""
        return f"{self.cell}-check"

    def cases(self, seed: int, draw: int = 0) -> list[list[dict]]:
        """The cases of every part, in order; part by part drawn from a generator of its own.

        Args:
            seed: a whole number.
            draw: how often cases have been drawn before that let a known mistake pass.
        """
        drawn = []
        for place, part in enumerate(self.parts):
            again = [draw] if draw else []
            rng = np.random.default_rng([seed, place, *self.name.encode(), *again])
            drawn.append(part.cases(rng) if part.cases else [{}])
        return drawn


@dataclass(frozen=True)
class Exercise:
    """One exercise: where it lies, what it asks and how much it may use.

    Attributes:
        code: the source notebook, as code.
        first: the students' own numbers in variant 0, that of the source; {} where all have the
            same.
        own_numbers: a function of a NumPy generator that draws those of another variant.
        forbidden: dotted names (`course_utils.convolution`) of what no answer may call.
    """

    name: str
    questions: list[Question]
    seconds: int  # for one cell, or for the cases of one question
    memory: int  # in MB, for everything that a submission starts
    code: Source
    first: dict = field(default_factory=dict)
    own_numbers: Callable[[np.random.Generator], dict] | None = None
    forbidden: tuple[str, ...] = ()

    @cached_property
    def variants(self) -> list[dict]:
        """The students' own numbers, variant by variant: no two alike, and in each of them every
        known mistake gives a wrong answer that no other gives.

        Raises:
            ValueError: when so many draws do not give such numbers; it says which mistake is right.
        """
        found: list[dict] = []
        rng = np.random.default_rng([PUBLIC_SEED, *self.name.encode()])
        numbers, unfit = self.first, ""
        for _ in range(MOST_DRAWS * checks.VARIANTS):
            unfit = self._unfit(numbers)
            if unfit and not found:
                break
            if not unfit and numbers not in found:
                found.append(numbers)
            if self.own_numbers is None or len(found) == checks.VARIANTS:
                return found
            numbers = self.own_numbers(rng)
        raise ValueError(f"{self.name}, the numbers {numbers} of a variant: {unfit}")

    def _unfit(self, numbers: dict[str, Any]) -> str:
        """Why these numbers make no variant, or ''."""
        wrong: dict[tuple[str, str, str], str] = {}
        for question in self.questions:
            patches = question.mistakes if question.probe == "values" else {}
            for hint, mistake in patches.items():
                if not isinstance(mistake, Patched):
                    continue
                values = mistake.values(numbers)
                if not values:
                    return f"a known mistake is right: {hint}"
                for entry, value in values.items():
                    other = wrong.setdefault((question.name, entry, answers.canonical(value)), hint)
                    if other != hint:
                        return f"two known mistakes give the same {entry}: {other} {hint}"
        return ""

    @property
    def source(self) -> Path:
        """The path of the notebook with the solutions."""
        return SOURCES / self.name / f"{self.name}.ipynb"

    @property
    def release(self) -> Path:
        """The path of the notebook that students get."""
        return checks.RELEASES / self.name / f"{self.name}.ipynb"

    @cached_property
    def released(self) -> nbformat.NotebookNode:
        """The students' notebook, read once."""
        return nbformat.read(self.release, as_version=4)

    @property
    def competition(self) -> Question | None:
        """The question that a network answers, or None."""
        return next((question for question in self.questions if question.is_open), None)

    @property
    def written(self) -> dict[str, int]:
        """From the id of each answer that somebody reads to its points."""
        marked = {cell.id: marks_of(cell) for cell in self.released.cells}
        return {cell_id: marks.points for cell_id, marks in marked.items()
                if marks and marks.grade and marks.solution}  # fmt: skip

    @property
    def points(self) -> int:
        """All points of the exercise."""
        questions = sum(question.points for question in self.questions)
        return questions + sum(self.written.values())

    def variant_of(self, student: str) -> int:
        """The number of the variant that a student has."""
        return checks.variant_of(self.name, student, len(self.variants))

    def short_answers(self, variant: int) -> dict[str, Any]:
        """From the name of each question of short answers to what is right in a variant."""
        return dict(self._short_answers[variant])

    @cached_property
    def _short_answers(self) -> list[dict[str, Any]]:
        asked = [question for question in self.questions if question.probe == "values"]
        return [{question.name: self.code.short_answers(question, numbers) for question in asked}
                for numbers in self.variants]  # fmt: skip

    def in_variant(self, variant: int) -> "Exercise":
        """The exercise whose short answers have the known mistakes of one variant, as values."""
        numbers = self.variants[variant]
        return replace(self, questions=[
            replace(question, mistakes={
                hint: mistake.values(numbers) if isinstance(mistake, Patched) else mistake
                for hint, mistake in question.mistakes.items()
            }) if question.probe == "values" else question
            for question in self.questions
        ])  # fmt: skip


def _source(name: str, questions: list[Question]) -> Source:
    path = SOURCES / name / f"{name}.ipynb"
    keras = any(question.probe == "network" for question in questions)
    return Source(path, [question.cell for question in questions if not question.is_open], keras)


def names() -> list[str]:
    """The names of all exercises, in order."""
    return sorted(path.parent.name for path in SOURCES.glob("*/questions.py"))


def load(name: str) -> Exercise:
    """The exercise with this name, or with the only name that begins so (`ex02`).

    Raises:
        ValueError: when none or several fit.
    """
    fitting = [known for known in names() if known == name or known.startswith(f"{name}_")]
    if len(fitting) != 1:
        raise ValueError(f"no exercise is called {name!r}: choose from {', '.join(names())}")
    name = fitting[0]
    text = runpy.run_path(str(SOURCES / name / "questions.py"))
    code = _source(name, text["QUESTIONS"])
    asked = [replace(question, mistakes={hint: _mistake(code, question, mistake)
                                         for hint, mistake in question.mistakes.items()})
             for question in text["QUESTIONS"]]  # fmt: skip
    return Exercise(
        name, asked, text.get("SECONDS", 30), text.get("MEMORY", 2000), code,
        text.get("FIRST", {}), text.get("own_numbers"), text.get("FORBIDDEN", ()),
    )  # fmt: skip


def _mistake(code: Source, question: Question, mistake: Any) -> Any:
    """A patch as what it makes of the solution; a function or a dictionary as it is."""
    if callable(mistake) or isinstance(mistake, dict):
        return mistake
    return Patched(code, question, mistake)


# --- Cases that no known mistake passes -----------------------------------------------------------


def settled(question: Question, seed: int, right: Any) -> Settled:
    """Cases of one seed in which every known mistake fails, drawn again until it does.

    Args:
        right: the right answer, a function like the learner's.

    Returns:
        the cases part by part, and the right answers case by case, in the same shape.

    Raises:
        ValueError: when a mistake passes in all of MOST_DRAWS draws; it says which.
    """
    passing = []
    for draw in range(MOST_DRAWS):
        drawn = [[_encoded(case) for case in cases] for cases in question.cases(seed, draw)]
        expected = [[answered(question, right, case) for case in cases] for cases in drawn]
        passing = [hint for hint, mistake in question.mistakes.items()
                   if passes(question, mistake, drawn, expected)]  # fmt: skip
        if not passing:
            return drawn, expected
    raise ValueError(f"{question.name}: in {MOST_DRAWS} draws of cases from the seed {seed} a "
                     f"known mistake passes: {'; '.join(passing)}")  # fmt: skip


def passes(
    question: Question, mistake: Any, drawn: list[list[dict]], expected: list[list[Any]]
) -> bool:
    """Whether a known mistake answers every case right."""
    for part, cases, wanted in zip(question.parts, drawn, expected, strict=True):
        for case, value in zip(cases, wanted, strict=True):
            try:
                came = answered(question, mistake, case)
            except Exception:  # a mistake may well end in an error
                return False
            one, other = checks.part_of(value, part.of), checks.part_of(came, part.of)
            if answers.difference(one, other, question.tolerance):
                return False
    return True


def answered(question: Question, answer: Any, case: dict[str, Any]) -> Any:
    """What an answer gives for an encoded case, as data that has travelled."""
    return answers.decode(answers.encode(ask(question.probe, answer, case)))


def _encoded(case: dict[str, Any]) -> dict[str, Any]:
    return {name: answers.encode(value) for name, value in case.items()}


# --- For the files with the cases -----------------------------------------------------------------


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))


def one_of(rng: np.random.Generator, *choices: Any) -> Any:
    """One of several choices."""
    return choices[whole(rng, 0, len(choices) - 1)]


def numbers(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Random numbers with two decimals."""
    return np.round(rng.normal(scale=scale, size=shape), 2)


def by_hand(*names: str, mistakes: dict[str, Any]) -> Question:
    """The question of short answers that every exercise begins with, a point each."""
    return Question("by_hand", [Part(name, 1, of=name) for name in names], "values",
                    mistakes=mistakes)  # fmt: skip
