"""What one student is asked: cases of his own, their right answers, and his variant.

The cases are drawn from an HMAC of the instructor's secret seed and the student's id, so that they
are another student's for nobody else, and the same each time. They are drawn until every known
mistake of the question fails. Networks take time to build: their cases come in a few sets, and the
HMAC says which is whose.
"""

import ast
import hmac
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from course_utils import answers, checks
from grading import questions, results

SETS = 4  # of cases for the questions about networks
MORE = 2  # short answers that fit another variant, and not this one, before that is told


class Paper(NamedTuple):
    """The cases of one student.

    Attributes:
        asked: from each question's name to `{"probe": …, "cases": [encoded arguments]}`, as the
            runner takes it; each different case once.
        places: from each question's name to the places of each part's cases in that list.
        right: from each question's name to the right answers, one for each different case; of short
            answers those of `variant`.
        exercise: with the known mistakes of the variant.
        wrong: from the name of each question about networks to a place for what known mistakes
            answer, which all students of one set share; a `judge.Judge` fills it when it has to.
    """

    asked: dict
    places: dict
    right: dict
    exercise: questions.Exercise
    wrong: dict


class Papers:
    """Draws the papers of an exercise from one secret."""

    def __init__(self, exercise: questions.Exercise, secret: Any) -> None:
        self.exercise, self.secret = exercise, str(secret)
        self.kept: dict[tuple[str, str], questions.Settled] = {}
        self.wrong: dict[tuple[str, str], dict] = {}

    def of(self, student: str, variant: int = 0) -> Paper:
        """The paper of one student; the short answers are those of the variant."""
        asked: dict[str, Any] = {}
        places: dict[str, Any] = {}
        wrong: dict[str, dict] = {}
        right = self.exercise.short_answers(variant)
        for question in self.exercise.questions:
            if question.is_open:  # the same pictures for all: `competition`
                continue
            drawn: list[list[dict]]
            expected: list[list[Any]]
            if question.probe == "values":
                drawn, expected = [[{}] for _ in question.parts], []
            else:
                drawn, expected = self._settled(question, student)
            cases: list[dict] = []
            values, where = [], []
            for number, part in enumerate(drawn):
                for place, case in enumerate(part):
                    if case not in cases:
                        cases.append(case)
                        values.append(expected[number][place] if expected else right[question.name])
                where.append([cases.index(case) for case in part])
            asked[question.name] = {"probe": question.probe, "cases": cases}
            places[question.name], right[question.name] = where, values
            if question.probe == "network":
                shared = (question.name, self.whose(question, student))
                wrong[question.name] = self.wrong.setdefault(shared, {})
        return Paper(asked, places, right, self._in_variant[variant], wrong)

    def _settled(self, question: questions.Question, student: str) -> questions.Settled:
        """The cases of one question and their right answers, drawn once for a student or a set."""
        whose = self.whose(question, student)
        if (question.name, whose) not in self.kept:
            settled = questions.settled(question, self.seed(question, whose), self._right(question))
            self.kept[question.name, whose] = settled
        return self.kept[question.name, whose]

    def whose(self, question: questions.Question, student: str) -> str:
        """A student, or the set of cases that he shares with others."""
        networks = question.probe == "network"
        return f"set {self.seed(question, student) % SETS}" if networks else student

    def _right(self, question: questions.Question) -> Callable[..., Any]:
        return self.exercise.code.answer(question)

    def seed(self, question: questions.Question, student: str) -> int:
        """A whole number of 128 bits that nobody can tell without the secret."""
        about = f"{self.exercise.name}/{question.name}/{student}"
        return int(hmac.new(self.secret.encode(), about.encode(), "sha256").hexdigest()[:32], 16)

    @cached_property
    def _in_variant(self) -> list[questions.Exercise]:
        return [self.exercise.in_variant(number) for number in range(len(self.exercise.variants))]


class Public(Papers):
    """The paper that `check` has: the same for all, drawn from a seed that everybody knows."""

    def __init__(self, exercise: questions.Exercise) -> None:
        super().__init__(exercise, "")

    def _settled(self, question: questions.Question, student: str) -> questions.Settled:
        return questions.settled(question, questions.PUBLIC_SEED, self._right(question))


# --- Whose variant --------------------------------------------------------------------------------


def variant_of(exercise: questions.Exercise, outcome: results.Outcome) -> results.Variant:
    """The variant that a submission is judged by, a `results.Variant`.

    It is that of the name in the notebook's own cell. Where none is there, a right answer must not
    lose its points for that: it is the variant that the answers fit best.
    """
    if len(exercise.variants) == 1 or outcome.problem:
        return results.Variant()
    student = named_in(outcome.notebook)
    counts = fitting(exercise, outcome.replies)
    number = exercise.variant_of(student) if student else int(np.argmax(counts))
    most = max(counts)
    others = [other for other, count in enumerate(counts)
              if count == most and most >= counts[number] + MORE]  # fmt: skip
    return results.Variant(number, student, others)


def named_in(notebook: dict[str, Any] | None) -> str:
    """The name that a student wrote into a notebook's first cell; '' where there is none."""
    cells = notebook["cells"] if notebook else []
    text = next((cell["source"] for cell in cells if cell["id"] == checks.STUDENT_CELL), "")
    found = re.findall(r"^[ \t]*STUDENT[ \t]*=[ \t]*([^\n]{1,300})", text, re.M)
    try:
        name = ast.literal_eval(found[-1])  # as Python reads it, and without running it
    except (IndexError, SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return ""
    known = isinstance(name, str | int) and not isinstance(name, bool)
    return str(name).strip()[:100] if known else ""


def fitting(exercise: questions.Exercise, replies: Any) -> list[int]:
    """How many short answers are right in each variant: a list of numbers.

    Args:
        replies: a submission's, by question; whatever came.
    """
    right = [exercise.short_answers(number) for number in range(len(exercise.variants))]
    came = {name: short_answers(replies.get(name)) for name in right[0]}
    return [sum(_same(came[name].get(entry), value)
                for name, wanted in variant.items() for entry, value in wanted.items())
            for variant in right]  # fmt: skip


def _same(came: Any, wanted: Any) -> bool:
    """Whether a short answer is the right one; False for whatever is no short answer."""
    try:
        return answers.canonical(came) == answers.canonical(wanted)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False


def short_answers(reply: Any) -> dict[str, Any]:
    """The dictionary in a reply to a question of short answers, or an empty one."""
    try:
        value = answers.decode(reply[0]["value"])
    except (KeyError, IndexError, TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
