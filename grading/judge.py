"""Compares what a submission answered with what is right, outside the submission's process.

What it says may be read by students, so it tells nothing of the hidden cases: how many are right,
in which way the first wrong one is wrong, and a hint where the mistake is a known one.
"""

import builtins

import numpy as np

from course_utils import answers, checks
from course_utils.environment import quiet_tensorflow
from grading.results import PartResult, QuestionResult


class Judge:
    """What is right for one exercise and one seed, and the answers that known mistakes give."""

    def __init__(self, exercise, asked, places, right):
        self.exercise, self.asked, self.places, self.right = exercise, asked, places, right
        self.wrong_answers = {}

    def question(self, question, replies, state, lost, raised):
        """The points of one question, part by part.

        Args:
            question: a `questions.Question`.
            replies: the submission's replies, one for each different case; whatever came.
            state: of the answer's cell: 'answered', 'untouched' or 'missing'.
            lost: what brought the process down at this question, or ''.
            raised: the name of the error that the answer's cell ended in, or ''.

        Returns:
            a `results.QuestionResult`.
        """
        came = [self._read(reply) for reply in self._whole(question, replies)]
        places = zip(question.parts, self.places[question.name], strict=True)
        parts = [self._part(question, part, where, came) for part, where in places]
        points = sum(part.points for part in parts)
        status = self._status(question, points, came, state, lost, raised)
        return QuestionResult(points, question.points, status, parts)

    def _whole(self, question, replies):
        count = len(self.asked[question.name]["cases"])
        if not isinstance(replies, list) or len(replies) != count:
            return [{"missing": True}] * count
        return replies

    def _read(self, reply):
        """One reply as `(value, problem)`; `problem` is '' when there is a value."""
        if not isinstance(reply, dict):
            return None, "no answer"
        if "value" in reply:
            try:
                return answers.decode(reply["value"]), ""
            except ValueError:
                return None, "no answer"
        if reply.get("timeout"):
            return None, "timed out"
        if "error" in reply:
            return None, f"raised {_known_error(str(reply['error']))}"
        return None, "no answer"

    def _part(self, question, part, where, came):
        verdicts = []
        for place in where:
            value, problem = came[place]
            verdicts.append(problem or self._verdict(question, part, place, value))
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

    def _verdict(self, question, part, place, value):
        """'' when a value is right, else a few words without any number of the case."""
        wanted = checks.part_of(self.right[question.name][place], part.of)
        value = checks.part_of(value, part.of)
        if part.cases is None:
            same = answers.canonical(value) == answers.canonical(wanted)
            return "" if same else "not answered" if value is None else "not right"
        if not answers.difference(wanted, value, question.tolerance):
            return ""
        if value is None:
            return "nothing (None) came back"
        shapes = [np.shape(each) if answers.numeric(each) else None for each in (wanted, value)]
        if shapes[0] is not None and shapes[0] != shapes[1]:
            return "the shape is wrong"
        return "the values are wrong" if shapes[0] is None or shapes[0] else "the number is wrong"

    def _hint(self, question, part, where, came):
        """The hint of the known mistake that gives what came, in most of the part's cases."""
        best, most = "", 0
        for hint, wrong in self._mistakes(question).items():
            told = sum(self._tells(question, part, place, wrong[place], came) for place in where)
            if told > most:
                best, most = hint, told
        return best

    def _tells(self, question, part, place, mistaken, came):
        """Whether a known mistake gives the wrong answer that came to a case."""
        value, problem = came[place]
        if problem or mistaken is None or not self._verdict(question, part, place, value):
            return False
        value, mistaken = checks.part_of(value, part.of), checks.part_of(mistaken, part.of)
        if mistaken is None:
            return False
        if part.cases is None:
            return answers.canonical(value) == answers.canonical(mistaken)
        return not answers.difference(mistaken, value, question.tolerance)

    def _mistakes(self, question):
        """From each hint to its mistake's answers, computed when the first wrong answer comes."""
        if question.name not in self.wrong_answers:
            cases = self.asked[question.name]["cases"]
            self.wrong_answers[question.name] = {
                hint: [mistaken(question, mistake, case) for case in cases]
                for hint, mistake in question.mistakes.items()
            }
        return self.wrong_answers[question.name]

    def _status(self, question, points, came, state, lost, raised):
        if points == question.points:
            return "correct"
        if points:
            return "partly correct"
        if state in ("untouched", "missing"):
            return state
        problems = [problem for _, problem in came]
        nothing = all(problems)
        if lost and nothing:
            return lost
        if "timed out" in problems or (nothing and raised == "TimeLimit"):
            return "timed out"
        memory = [problem == "raised MemoryError" for problem in problems]
        if nothing and (all(memory) or raised == "MemoryError"):
            return "out of memory"
        return "crashed" if nothing else "wrong"


def mistaken(question, mistake, case):
    """What a known mistake answers to one case; None where it raises."""
    if question.probe == "values":
        return mistake
    if question.probe == "network":
        quiet_tensorflow()
    try:
        return checks.ask(question.probe, mistake, case)
    except Exception:  # a mistake may well end in an error
        return None


def _known_error(text):
    """The kind of an error, where it is one of Python's: its text could tell the case."""
    kind = text.split(":", 1)[0].strip()
    return kind if isinstance(getattr(builtins, kind, None), type) else "an error"
