"""`check`: what a learner asks while working on an exercise.

    check("output_size", output_size)

runs a question's public cases and says what was expected, what came, at which index, and, where the
answer is that of a well-known mistake, a hint. The cases lie as data in
`exercises/release/<exercise>/checks.json`, with the answers that are right and those of the
mistakes, but without any code that computes them. Short answers lie there as hashes, so that
reading the file gives nothing away.

The grader asks the same questions with other numbers (`grading/`).
"""

import hashlib
import json
import traceback
from pathlib import Path

import numpy as np

from course_utils import answers

RELEASES = Path(__file__).resolve().parents[1] / "exercises" / "release"


class CheckFailed(AssertionError):
    """An answer that is not right yet. A notebook shows its sentence without a traceback."""

    def _render_traceback_(self):
        return str(self).splitlines()


def checks_of(exercise):
    """The function `check` of one exercise, `ex02_output_size` say.

    Raises:
        FileNotFoundError: when the course that is at hand has no such exercise.
    """
    path = RELEASES / exercise / "checks.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: fetch the course again, this exercise is "
                                "newer than your copy of it")  # fmt: skip
    return Checks(json.loads(path.read_text(encoding="utf-8"))["questions"])


class Checks:
    """Called with a question's name and an answer, it prints that all is right or says what is not.

    After a failed check `arguments`, `expected` and `came` hold the case that failed, to look at.
    """

    def __init__(self, questions):
        self.questions = questions
        self.arguments = self.expected = self.came = None

    def __call__(self, question, answer):
        """Raises CheckFailed when the answer is not right yet; an unknown name is a KeyError."""
        if question not in self.questions:
            raise KeyError(f"no question {question!r}: choose from {', '.join(self.questions)}")
        asked = self.questions[question]
        problems = {}
        for part in asked["parts"]:
            problem = self._problem_of(part, question, answer, asked)
            if problem:
                problems[part["name"]] = problem
        if problems:
            right = [part["name"] for part in asked["parts"] if part["name"] not in problems]
            lines = [f"{question}: not right yet."]
            lines += [f"  right so far: {', '.join(right)}"] if right else []
            lines += [f"  {name}: {problem}" for name, problem in problems.items()]
            raise CheckFailed("\n".join(lines)) from None
        count = sum(len(part.get("cases", [1])) for part in asked["parts"])
        print(f"{question}: right, all {count} {'answers' if 'seal' in part else 'cases'}.")

    def _problem_of(self, part, question, answer, asked):
        if "seal" in part:
            return _problem_of_short(part, answer)
        came = [_answer_to(case, part, answer, asked["probe"]) for case in part["cases"]]
        for case, (value, problem) in zip(part["cases"], came, strict=True):
            arguments = decoded(case["arguments"])
            expected = answers.decode(case["expected"])
            found = problem or answers.difference(expected, value, asked["tolerance"])
            if found:
                self.arguments, self.expected, self.came = arguments, expected, value
                text = f"{called(question, arguments)}{'' if problem else ':'} {found}"
                hint = "" if problem else _hint(case, part, came, asked["tolerance"])
                return f"{text}\n    Hint: {hint}" if hint else text
        return ""


def decoded(arguments):
    """The arguments of a case from their data."""
    return {name: answers.decode(value) for name, value in arguments.items()}


def _answer_to(case, part, answer, probe):
    """A learner's answer to a case, or None and what was raised."""
    try:
        came = ask(probe, answer, case["arguments"])
        return part_of(answers.decode(answers.encode(came)), part["of"]), ""
    except Exception as problem:
        return None, f"raised {raised(problem)}"


def _hint(failed, part, came, tolerance):
    """The hint of the known mistake that explains the failed case, and most of the others."""
    best, most = "", 0
    for mistake in failed["mistakes"]:
        hint, explained = mistake["hint"], 0
        for case, (value, _) in zip(part["cases"], came, strict=True):
            told = {each["hint"]: each["answer"] for each in case["mistakes"]}
            given = answers.decode(told.get(hint, case["expected"]))
            same = not answers.difference(given, value, tolerance)
            if case is failed and not same:
                explained = 0
                break
            explained += same
        if explained > most:
            best, most = hint, explained
    return best


def _problem_of_short(part, answer):
    if not isinstance(answer, dict) or part["of"] not in answer:
        return "is missing"
    value = answer[part["of"]]
    if value is ...:
        return "not answered yet"
    seal = part["seal"]
    found = sealed(value, seal["salt"])
    if found == seal["answer"]:
        return ""
    hint = seal["mistakes"].get(found)
    return f"{answers.shown(value)} is not right." + (f"\n    Hint: {hint}" if hint else "")


def sealed(value, salt):
    """A short answer as a hash, so that the right one can be told without being shown."""
    try:
        text = answers.canonical(value)
    except TypeError:
        text = repr(type(value))
    return hashlib.sha256(f"{salt} {text}".encode()).hexdigest()[:16]


def part_of(came, name):
    """The entry of an answer that a part of a question looks at; all of it when `name` is None."""
    return came.get(name) if name is not None and isinstance(came, dict) else came


def called(question, arguments):
    """`output_size(size=7, kernel=3)`: a case as the learner would type it."""
    shown = ", ".join(f"{name}={answers.shown(value)}" for name, value in arguments.items())
    return f"{question}({shown})"


def raised(problem):
    """An exception, and the learner's own line that it came from."""
    frames = traceback.extract_tb(problem.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(str(RELEASES.parents[1]))]
    place = f" (in `{theirs[-1].line}`)" if theirs and theirs[-1].line else ""
    return f"{type(problem).__name__}: {str(problem)[:300]}{place}"


# --- Probes: how an answer becomes data -----------------------------------------------------------


def ask(probe, answer, arguments):
    """The data that a learner's answer gives for one case.

    Args:
        probe: one of PROBES.
        arguments: of the case, encoded: each call gets its own copy, which it may spoil.
    """
    return PROBES[probe](answer, **decoded(arguments))


def call(answer, **arguments):
    """A function answers with what it returns."""
    if not callable(answer):
        raise TypeError(f"the answer is {answers.shown(answer)}, not a function")
    return answer(**arguments)


def values(answer):
    """A dictionary of short answers is data already; what is still `...` is left out."""
    return {name: value for name, value in answer.items() if value is not ...}


def network(answer, weight_seed, batch=2, **arguments):
    """A function that builds a Keras model answers with what the model does.

    Every weight gets a number that depends on its shape, its place in it and the seed, so that two
    networks agree whatever the order in which their layers were made; then random images go
    through it.

    Returns:
        a dictionary: `output shape`, `parameters` and `outputs`.
    """
    model = answer(**arguments)
    if not hasattr(model, "count_params"):
        raise TypeError(f"a Keras model should come back, not a {type(model).__name__}")
    for weight in model.weights:
        weight.assign(_numbers_for(weight.shape, weight_seed))
    rng = np.random.default_rng(weight_seed)
    images = rng.normal(size=(batch, *model.input_shape[1:])).astype("float32")
    return {
        "output shape": list(model.output_shape[1:]),
        "parameters": model.count_params(),
        "outputs": np.array(model(images, training=False)),
    }


def _numbers_for(shape, seed):
    rng = np.random.default_rng([seed, *shape])
    if len(shape) < 2:  # a bias, or the scale, shift, mean or variance of a batch norm
        return rng.uniform(0.5, 1.5, size=shape).astype("float32")
    inputs = np.prod(shape[:-1])
    return rng.normal(0, np.sqrt(2 / inputs), size=shape).astype("float32")


PROBES = {"call": call, "values": values, "network": network}
