"""Compares what a submission answered with what is right, outside the submission's process.

What it says may be read by students, so it tells nothing of the hidden cases: how many are right,
in which way the first wrong one is wrong, and a hint where the mistake is a known one.
"""

import builtins
from collections.abc import Iterator, Sequence
from typing import Any

import nbformat
import numpy as np

from course_utils import answers, checks
from grading.questions import Exercise, Part, Question
from grading.results import Answer, PartResult, QuestionResult
from grading.source import ask

RAISED = "raised an error"
OUT_OF_MEMORY = "ran out of memory"
MEMORY_ERRORS = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")


class Judge:
    """What is right for one exercise and one seed, and the answers that known mistakes give."""

    def __init__(
        self,
        exercise: Exercise,
        asked: dict[str, Any],
        places: dict[str, Any],
        right: Any,
        wrong: dict[str, dict[str, list[Any]]] | None = None,
    ) -> None:
        self.exercise, self.asked, self.places, self.right = exercise, asked, places, right
        self.wrong = wrong or {}

    def question(self, question: Question, answer: Answer) -> QuestionResult:
        """The points of one question, part by part, for the best of its versions."""
        if answer.called:
            return _called(question, answer.called)
        versions = [(answer.replies, _on_name(question.name, answer.note))]
        if answer.later is not None:
            versions.append((answer.later, f"a later version of `{question.name}` counts"))
        if answer.again is not None:
            right = " and ".join(f"`{name}`" for name in answer.instead)
            versions.append((answer.again, f"asked again, with the right {right}"))
        replies, comment = max(versions, key=lambda version: self.points(question, version[0]))
        came = self._read_all(question, replies)
        parts = [
            self._part(question, part, where, came, verdicts)
            for part, where, verdicts in self._parts(question, came)
        ]
        points = sum(part.points for part in parts)
        status = self._status(question, points, came, answer)
        comments = [comment, _on_mentions(answer.mentions)]
        return QuestionResult(points, question.points, status, parts,
                              ". ".join(filter(None, comments)), flagged=bool(answer.mentions)
                              )  # fmt: skip

    def points(self, question: Question, replies: Any) -> int:
        """The points that replies get, without a word on why."""
        came = self._read_all(question, replies)
        return sum(0 if any(verdicts) else part.points
                   for part, _, verdicts in self._parts(question, came))  # fmt: skip

    def to_ask_again(self, ran: Any) -> dict[str, list[str]]:
        """From each question that failed to the earlier ones that failed as well.

        Args:
            ran: what came of a notebook: `supervisor.Ran`.
        """
        failed: list[str] = []
        wanted: dict[str, list[str]] = {}
        for question in self.exercise.questions:
            name = question.name
            if name not in self.asked:
                continue
            versions = [ran.answers.get(name), ran.later.get(name)]
            most = max(self.points(question, replies) for replies in versions)
            if question.probe == "values" or (most == question.points and name not in ran.called):
                continue
            if failed and name not in ran.called:
                wanted[name] = list(failed)
            failed.append(name)
        return wanted

    def _read_all(self, question: Question, replies: Any) -> list[tuple[Any, str]]:
        """The replies as pairs of a value and a problem, one for each different case."""
        count = len(self.asked[question.name]["cases"])
        if not isinstance(replies, list) or len(replies) != count:
            replies = [None] * count
        came = [self._read(reply) for reply in replies]
        # By the kind of its error an answer could tell the case: only one for all cases is named.
        if len({problem for _, problem in came}) > 1:
            came = [(value, RAISED if problem.startswith("raised ") else problem)
                    for value, problem in came]  # fmt: skip
        return came

    def _read(self, reply: Any) -> tuple[Any, str]:
        """One reply as `(value, problem)`; `problem` is '' when there is a value."""
        if not isinstance(reply, dict):
            return None, "no answer"
        if "value" in reply:
            try:
                return answers.decode(reply["value"]), ""
            except Exception:  # what a box sends may be anything
                return None, "no answer"
        if reply.get("timeout"):
            return None, "timed out"
        if reply.get("large"):
            return None, "gave more data than an answer can have"
        if reply.get("memory"):
            return None, OUT_OF_MEMORY
        return None, _raised(str(reply["error"])) if "error" in reply else "no answer"

    def _parts(
        self, question: Question, came: list[tuple[Any, str]]
    ) -> Iterator[tuple[Part, list[int], list[str]]]:
        """Each part with the places of its cases and a verdict on each of them."""
        for part, where in zip(question.parts, self.places[question.name], strict=True):
            yield part, where, [self._verdict(question, part, place, came) for place in where]

    def _part(
        self,
        question: Question,
        part: Part,
        where: list[int],
        came: list[tuple[Any, str]],
        verdicts: list[str],
    ) -> PartResult:
        wrong = [verdict for verdict in verdicts if verdict]
        if not wrong:
            return PartResult(part.name, part.points, part.points)
        verdict = wrong[0]
        if part.cases:
            count = f"{len(where) - len(wrong)} of {len(where)} hidden cases are right"
            verdict = f"{count}; the first wrong one: {wrong[0]}"
        return PartResult(
            part.name, part.points, 0, verdict, self._hint(question, part, where, came)
        )

    def _verdict(
        self, question: Question, part: Part, place: int, came: list[tuple[Any, str]]
    ) -> str:
        """'' when a value is right, else a few words without any number of the case."""
        value, problem = came[place]
        if problem:
            return problem
        wanted = checks.part_of(self.right[question.name][place], part.of)
        value = checks.part_of(value, part.of)
        if part.cases is None:
            return "" if _same(wanted, value) else "not answered" if value is None else "not right"
        if _close(wanted, value, question.tolerance):
            return ""
        if value is None:
            return "nothing (None) came back"
        shapes = [_shape(wanted), _shape(value)]
        if shapes[0] is not None and shapes[0] != shapes[1]:
            return "the shape is wrong"
        return "the values are wrong" if shapes[0] is None or shapes[0] else "the number is wrong"

    def _hint(
        self, question: Question, part: Part, where: list[int], came: list[tuple[Any, str]]
    ) -> str:
        """The hint of the known mistake that gives what came, in most of the part's cases."""
        best, most = "", 0
        if all(came[place][1] for place in where):  # no value came that a mistake could give
            return best
        for hint, wrong in self._mistakes(question).items():
            told = sum(self._tells(question, part, place, wrong[place], came) for place in where)
            if told > most:
                best, most = hint, told
        return best

    def _tells(
        self, question: Question, part: Part, place: int, mistaken: Any, came: list[tuple[Any, str]]
    ) -> bool:
        """Whether a known mistake gives the wrong answer that came to a case."""
        value, problem = came[place]
        if problem or mistaken is None or not self._verdict(question, part, place, came):
            return False
        value, mistaken = checks.part_of(value, part.of), checks.part_of(mistaken, part.of)
        if mistaken is None:
            return False
        if part.cases is None:
            return _same(mistaken, value)
        return _close(mistaken, value, question.tolerance)

    def _mistakes(self, question: Question) -> dict[str, list[Any]]:
        """From each hint to its mistake's answers, computed when the first wrong answer comes."""
        found = self.wrong.setdefault(question.name, {})
        if not found:
            cases = self.asked[question.name]["cases"]
            found |= {hint: [mistaken(question, mistake, case) for case in cases]
                      for hint, mistake in question.mistakes.items()}  # fmt: skip
        return found

    def _status(
        self, question: Question, points: float, came: list[tuple[Any, str]], answer: Answer
    ) -> str:
        if points == question.points:
            return "correct"
        if points:
            return "partly correct"
        if answer.state in ("untouched", "missing"):
            return answer.state
        problems = [problem for _, problem in came]
        nothing = all(problems)
        if answer.lost and nothing:
            return answer.lost
        if "timed out" in problems or (nothing and answer.raised == "TimeLimit"):
            return "timed out"
        if nothing and (OUT_OF_MEMORY in problems or answer.raised in MEMORY_ERRORS):
            return "out of memory"
        return "crashed" if nothing else "wrong"


def solutions(exercise: Exercise) -> dict[str, str]:
    """From each question to the code that answers it in the exercise's source."""
    cells = {cell.id: cell.source for cell in nbformat.read(exercise.source, as_version=4).cells}
    return {question.name: cells[question.cell] for question in exercise.questions}


def _called(question: Question, names: Sequence[str]) -> QuestionResult:
    """No points for an answer that calls what it was to be."""
    verdict = f"calls `{names[0]}` instead of doing it"
    parts = [PartResult(part.name, part.points, 0, verdict) for part in question.parts]
    comment = f"the answer calls {', '.join(f'`{name}`' for name in names)}: that was to be written"
    return QuestionResult(0, question.points, "wrong", parts, comment, flagged=True)


def _on_name(name: str, note: str) -> str:
    what = {"gone": "was gone", "changed": "was something else"}.get(note)
    return f"`{name}` {what} at the end of the notebook: it counts as its check found it" \
        if what else ""  # fmt: skip


def _on_mentions(names: Sequence[str]) -> str:
    return f"mentions {', '.join(f'`{name}`' for name in names)}: to be looked at" if names else ""


def _same(wanted: Any, value: Any) -> bool:
    """Whether two short answers are the same; no value is so odd that it stops the grader."""
    try:
        return answers.canonical(value) == answers.canonical(wanted)
    except Exception:
        return False


def _close(wanted: Any, value: Any, tolerance: float) -> bool:
    """Whether two answers are near enough; no value is so odd that it stops the grader."""
    try:
        return not answers.difference(wanted, value, tolerance)
    except Exception:
        return False


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of numbers; None for anything else."""
    try:
        return np.shape(value) if answers.numeric(value) else None
    except Exception:
        return None


def mistaken(question: Question, mistake: Any, case: dict[str, Any]) -> Any:
    """What a known mistake answers to one case; None where it raises."""
    if question.probe == "values":
        return mistake
    try:
        return ask(question.probe, mistake, case)
    except Exception:  # a mistake may well end in an error
        return None


def _raised(text: str) -> str:
    """What is said of an error: its kind, where it is one of Python's, and no word of its text."""
    kind = text.split(":", 1)[0].strip()
    return f"raised {kind}" if isinstance(getattr(builtins, kind, None), type) else RAISED
