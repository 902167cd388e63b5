"""`check`: what a learner asks while working on an exercise.

    check("output_size", output_size)

runs a question's public cases and says what was expected, what came, at which index, and, where the
answer is that of a well-known mistake, a hint. The cases lie as data in
`exercises/release/<exercise>/checks.json`, with the answers that are right and those of the
mistakes, but without any code that computes them. The grader asks the same functions with other
numbers, which are different for each student (`grading/`).

Short answers have no cases. What protects them: each student has one of sixteen variants of the
numbers (`check.own`), and the answers of each lie in the file as hashes by scrypt, of which a
machine tries about three in a second. That keeps them from being read, and makes a thousand guesses
five minutes; it does not keep a program from guessing a small number overnight, and whoever solves
another's variant with the formula has solved his own.
"""

import hashlib
import json
import os
import re
import secrets
import sys
import sysconfig
import traceback
import unicodedata
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from functools import cache
from numbers import Integral
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from course_utils import answers
from course_utils.arguments import same_shape
from course_utils.inside_keras import all_layers

ROOT = Path(__file__).resolve().parents[1]
RELEASES = ROOT / "exercises" / "release"
VARIANTS = 16
STUDENT_CELL = "student"  # the id of the cell in which a student says who he is
GRADING = "COURSE_GRADING"  # a variable of the environment: the grader judges short answers itself
COST = 2**16  # scrypt's: about a third of a second and 64 MB for each guess


class CheckFailed(AssertionError):
    """An answer that is not right yet. A notebook shows its sentence without a traceback."""

    def _render_traceback_(self):
        return str(self).splitlines()


def checks_of(exercise):
    """The function `check` of one exercise, `ex02_output_size` say.

    Raises:
        FileNotFoundError: when the course that is at hand has no such exercise.
        ValueError: `exercise` is no name, or its file is damaged.
    """
    if not isinstance(exercise, str):
        raise ValueError(f"exercise must be the name of one, not {exercise!r}")
    path = RELEASES / exercise / "checks.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: fetch the course again, this exercise is "
                                "newer than your copy of it")  # fmt: skip
    content = content_of(path, questions=dict)
    return Checks(content["questions"], exercise, content.get("variants", [{}]))


def content_of(path, **kinds):
    """What a file of the course's own says in JSON: a dict with entries of these kinds at least.

    Raises:
        ValueError: it is damaged: half written, or half a merge.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(content[name], kind) for name, kind in kinds.items()):
            return content
    except (ValueError, LookupError, TypeError):
        pass
    raise ValueError(f"{path} is damaged: bring it back with git checkout HEAD -- \"{path}\", or "
                     "fetch the course again")  # fmt: skip


class Checks:
    """Called with a question's name and an answer, it prints that all is right or says what is not.

    After a failed check `arguments`, `expected` and `came` hold the first case that failed, to look
    at. `own` gives a student's own numbers.
    """

    def __init__(self, questions, exercise="", variants=({},)):
        self.questions, self.exercise, self.variants = questions, exercise, variants
        self.variant = None if len(variants) > 1 else 0
        self.guest = f"guest-{secrets.token_hex(3)}"  # for whoever gives no name
        self.arguments = self.expected = self.came = None

    def own(self, student):
        """Print and return the numbers of one student.

        Args:
            student: a student number or user name, as a text; capitals and spaces do not matter.
                Without one, a name is made up and, where the notebook can be written, put into
                the cell.
        """
        name = str(student).strip() if isinstance(student, str | Integral) else None
        if name is None or isinstance(student, bool) or (name and not re.search(r"\w", name)):
            raise ValueError("STUDENT is your student number or user name between quotes, "
                             f"not {answers.shown(student)}")  # fmt: skip
        if not name:
            name = self.guest
            kept = _written_into_the_cell(name)
            print(f"No name is given, so here are the numbers of a made-up one. {kept}")
        self.variant = variant_of(self.exercise, name, len(self.variants))
        numbers = self.variants[self.variant]
        print(f"Your own numbers (variant {self.variant}):\n{listed(numbers)}")
        return SimpleNamespace(**{key: answers.decode(value) for key, value in numbers.items()})

    def __call__(self, question, answer=...):
        """Raises CheckFailed when the answer is not right yet, or no question has that name."""
        self.arguments = self.expected = self.came = None
        if not isinstance(question, str) or question not in self.questions:
            raise CheckFailed(f"No question is called {answers.shown(question)}: choose from "
                              f"{', '.join(self.questions)}.")  # fmt: skip
        asked = self.questions[question]
        if asked["probe"] == "handed_in":
            _hand_in(question, answer)
            return
        short = "seals" in asked["parts"][0]
        if short and os.environ.get(GRADING):
            print(f"{question}: the grader judges these answers by itself.")
            return
        if short:
            problems = self._problems_of_short(asked["parts"], question, answer)
        else:
            found = {part["name"]: self._problem_of(part, question, answer, asked)
                     for part in asked["parts"]}  # fmt: skip
            problems = {name: problem for name, problem in found.items() if problem}
        if problems:
            right = [part["name"] for part in asked["parts"] if part["name"] not in problems]
            lines = [f"{question}: not right yet."]
            lines += [f"  right so far: {', '.join(right)}"] if right else []
            lines += [f"  {name}: {problem}" for name, problem in problems.items()]
            raise CheckFailed("\n".join(lines)) from None
        count = sum(len(part.get("cases", [1])) for part in asked["parts"])
        print(f"{question}: right, all {count} {'answers' if short else 'cases'}.")

    def _problem_of(self, part, question, answer, asked):
        came = [_answer_to(case, part, answer, asked["probe"]) for case in part["cases"]]
        for case, (value, problem) in zip(part["cases"], came, strict=True):
            arguments = decoded(case["arguments"])
            expected = answers.decode(case["expected"])
            found = problem or answers.difference(expected, value, asked["tolerance"])
            if found:
                if self.arguments is None:
                    self.arguments, self.expected, self.came = arguments, expected, value
                text = f"{called(question, arguments)}{'' if problem else ':'} {found}"
                hint = "" if problem else _hint(case, part, came, asked["tolerance"])
                return f"{text}\n    Hint: {hint}" if hint else text
        return ""

    def _problems_of_short(self, parts, question, answer):
        if self.variant is None:
            raise CheckFailed(f"{question}: run the cell with STUDENT first, it has your numbers.")
        if answer is ... or not isinstance(answer, dict):
            names = ", ".join(repr(part["of"]) for part in parts)
            text = f"a dictionary with the entries {names} should stand there"
            came = answers.shown(answer)
            raise CheckFailed(f"{question}: not right yet.\n  {text}, not {came}")
        found = {part["name"]: _problem_of_short(part, answer, self.variant) for part in parts}
        return {name: problem for name, problem in found.items() if problem}


def _hand_in(question, network):
    """Show a network as the picture that the grader reads, if it breaks no rule."""
    from course_utils import competition

    try:
        competition.hand_in(question, network)
    except ValueError as problem:
        raise CheckFailed(f"{question}: not right yet.\n  {problem}.") from None


def decoded(arguments):
    """The arguments of a case from their data."""
    return {name: answers.decode(value) for name, value in arguments.items()}


def _answer_to(case, part, answer, probe):
    """A learner's answer to a case, or None and what was raised."""
    try:
        given = ask(probe, answer, case["arguments"])
        try:
            came = answers.decode(answers.encode(given))
        except TypeError as problem:  # the answer is at fault, and raised nothing
            return None, f"gave what cannot be compared: {problem}"
        return part_of(came, part["of"]), lacking(came, part["of"])
    except (Exception, SystemExit) as problem:
        return None, f"raised {raised(problem)}"


def _hint(failed, part, came, tolerance):
    """The hint of the known mistake that explains the failed case, and most of the others."""
    best, most = "", 0
    for mistake in failed["mistakes"]:
        hint, explained = mistake["hint"], 0
        for case, (value, _) in zip(part["cases"], came, strict=True):
            told = {other["hint"]: other["answer"] for other in case["mistakes"]}
            given = answers.decode(told.get(hint, case["expected"]))
            same = not answers.difference(given, value, tolerance)
            if case is failed and not same:
                explained = 0
                break
            explained += same
        if explained > most:
            best, most = hint, explained
    return best


def part_of(came, name):
    """The entry of an answer that a part of a question looks at; all of it when `name` is None."""
    return came.get(name) if name is not None and isinstance(came, dict) else came


def lacking(came, name):
    """A sentence when an answer has no entry `name`, though it should; '' when it has."""
    if name is None or came is None or (isinstance(came, dict) and name in came):
        return ""
    if isinstance(came, dict):
        return f"has no entry {name!r}: there are {', '.join(map(repr, came)) or 'none'}"
    kind = f"a {type(came).__name__}" if isinstance(came, tuple | list) else answers.shown(came)
    return f"should return a dictionary with an entry {name!r}, and {kind} came"


def called(question, arguments):
    """`output_size(size=7, kernel=3)`: a case as the learner would type it."""
    shown = ", ".join(f"{name}={answers.shown(value)}" for name, value in arguments.items())
    return f"{question}({shown})"


def raised(problem):
    """An exception, and the learner's own line that it came from."""
    frames = reversed(traceback.extract_tb(problem.__traceback__))
    line = next((frame.line for frame in frames if _is_theirs(frame.filename)), "")
    place = f" (in `{line}`)" if line else ""
    try:
        text = str(problem)[:300]
    except Exception:  # an exception of the learner's own may be wrong itself
        text = "its text cannot be shown"
    return f"{type(problem).__name__}: {text}{place}"


def _is_theirs(file):
    """Whether a file is the learner's: not the course's, nor Python's, nor a package's."""
    if file.startswith("<"):
        return file.startswith("<ipython")
    if {"site-packages", "dist-packages"} & set(Path(file).parts):
        return False
    places = [ROOT / "course_utils", ROOT / "grading"]
    places += [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib")]
    return not any(Path(file).resolve().is_relative_to(place) for place in places)


# --- Numbers of one's own, and short answers ------------------------------------------------------


def variant_of(exercise, student, variants=VARIANTS):
    """The number of the variant that a student has in an exercise; "variant 3" asks for the third.

    >>> variant_of("ex02_output_size", "Ada L.") == variant_of("ex02_output_size", "ada l.")
    True
    """
    name = "".join(unicodedata.normalize("NFKC", str(student)).casefold().split())
    chosen = re.fullmatch(r"variant(\d{1,6})", name)
    if chosen:
        return int(chosen[1]) % variants
    return hashlib.sha256(f"{exercise}/{name}".encode()).digest()[0] % variants


def listed(numbers):
    """Numbers with their names: single ones in rows, tables below."""
    single = [f"own.{name} = {value}" for name, value in numbers.items()
              if not isinstance(value, list)]  # fmt: skip
    lines = ["  " + "   ".join(single[place : place + 4]) for place in range(0, len(single), 4)]
    for name, value in numbers.items():
        if isinstance(value, list):
            rows = value if isinstance(value[0], list) else [value]
            lines += [f"  own.{name} ="]
            lines += ["    " + " ".join(f"{item:>4}" for item in row) for row in rows]
    return "\n".join(lines)


def _written_into_the_cell(name):
    """Put a made-up name into the cell that is running, where that can be done; says what to do."""
    advice = f'To keep them, write STUDENT = "{name}", or better your own name.'
    try:
        from IPython import get_ipython

        shell = get_ipython()
        text = shell.history_manager.input_hist_raw[-1]
    except (ImportError, AttributeError, IndexError):
        return advice
    filled = re.sub(r"""^(STUDENT\s*=\s*)(""|'')""", rf'\1"{name}"', text, count=1, flags=re.M)
    if filled != text:
        shell.set_next_input(filled, replace=True)
    return advice


def _problem_of_short(part, answer, variant):
    if part["of"] not in answer:
        return "is missing"
    value = answer[part["of"]]
    if value is ...:
        return "not answered yet"
    if part.get("kind") == "number" and (problem := no_number(value)):
        return problem
    seal = part["seals"][variant]
    found = sealed(value, seal["salt"])
    if found == seal["answer"]:
        return ""
    hint = seal["mistakes"].get(found)
    if not hint and part.get("kind") == "number" and _is_short_of_digits(value):
        hint = f"If it is rounded, give at least {answers.DIGITS} digits, or the fraction itself."
    return f"{answers.shown(value)} is not right." + (f"\n    Hint: {hint}" if hint else "")


def _is_short_of_digits(value):
    """Whether a number has decimals, but fewer digits than are compared."""
    text = _canonical(value)
    digits = text.replace(".", "").lstrip("-0")
    return re.fullmatch(r"-?\d+\.\d+", text) is not None and len(digits) < answers.DIGITS


def no_number(value):
    """A sentence when something else came than one number; '' for a number."""
    if isinstance(value, str):
        return f"{answers.shown(value)} is a text: write a number, without quotes."
    if callable(value) or isinstance(value, dict) or value is None:
        return f"{answers.shown(value)} is no number."
    if isinstance(value, int | float | Fraction | Decimal):  # of any size
        return ""
    shape = np.shape(value) if answers.numeric(value) else None
    if shape is None or shape:
        kind = "an array" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        many = "one number" if shape is not None and np.size(value) == 1 else "several values"
        return f"one number is expected, and {kind} with {many} came."
    return ""


def sealed(value, salt):
    """A short answer as a hash, so that the right one can be told without being shown.

    The hash is slow on purpose: `COST` says how slow.

    Raises:
        RuntimeError: where Python has no scrypt.
    """
    return _hash(_canonical(value), salt, COST)


def _canonical(value):
    try:
        return answers.canonical(value)
    except (TypeError, ValueError, OverflowError):
        return repr(type(value))


@cache
def _hash(text, salt, cost):
    memory = 2 * 128 * 8 * cost
    try:
        found = hashlib.scrypt(text.encode(), salt=salt.encode(), n=cost, r=8, p=1, maxmem=memory,
                               dklen=8)  # fmt: skip
    except (AttributeError, ValueError) as problem:
        raise RuntimeError(f"short answers need scrypt, and here it fails ({problem}): use another "
                           "Python, Colab or Binder") from None  # fmt: skip
    return found.hex()


# --- Probes: how an answer becomes data -----------------------------------------------------------


def ask(probe, answer, arguments):
    """The data that a learner's answer gives for one case, by one of `PROBES`.

    The case's arguments come encoded: each call gets its own copy, which it may spoil.
    """
    return PROBES[probe](answer, **decoded(arguments))


def call(answer, **arguments):
    """A function answers with what it returns."""
    if not callable(answer):
        raise TypeError(f"the answer is {answers.shown(answer)}, not a function")
    return answer(**arguments)


def values(answer):
    """A dictionary of short answers is data already; what is still `...` is left out.

    So is what is no data: it costs its own answer, not the others.
    """
    if not isinstance(answer, dict):
        raise TypeError(f"a dictionary should stand there, not {answers.shown(answer)}")
    return {name: value for name, value in answer.items() if _is_data(value)}


def _is_data(value):
    try:
        answers.encode(value)
    except (TypeError, ValueError):
        return False
    return True


@contextmanager
def _in_float32():
    """Keras computes as the right answers were computed, whatever policy the learner has set."""
    keras = sys.modules.get("keras")
    if keras is None:  # so nobody has set one
        yield
        return
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


@_in_float32()
def network(answer, weight_seed, batch=2, **arguments):
    """A function that builds a Keras model answers with what the model does.

    Every weight gets a number that depends on its shape, its place in it and the seed, so that two
    networks agree whatever the order in which their layers were made; then random images of
    `input_shape` go through it. A model that is not built yet (a subclass of `keras.Model`, or a
    `Sequential` without an input) is built by them.

    Returns:
        a dictionary: `output shape`, `parameters` and `outputs`; a sentence in place of the outputs
        of a network that gives others each time while it is trained, as Dropout does.
    """
    model = answer(**arguments)
    if not hasattr(model, "count_params"):
        what = "nothing (None)" if model is None else f"a {type(model).__name__}"
        raise TypeError(f"a Keras model should come back, not {what}")
    shape = _image_shape(model, arguments)
    images = np.random.default_rng(weight_seed).normal(size=(batch, *shape)).astype("float32")
    if not model.built or not model.weights:
        model(images, training=False)
    for weight in model.weights:
        weight.assign(_numbers_for(weight.shape, weight_seed))
    outputs = model(images, training=False)
    if not hasattr(outputs, "shape"):
        raise TypeError(f"the network should give one array, not a {type(outputs).__name__}")
    return {
        "output shape": list(outputs.shape[1:]),
        "parameters": model.count_params(),
        "outputs": RANDOM if _is_random(model, images) else np.array(outputs),
    }


RANDOM = "other numbers at each call while training: is there a Dropout?"


def _is_random(model, images):
    """Whether a network gives other outputs at each call while it is trained.

    Keras' own layers draw numbers by a generator, whose state is a variable of theirs, and no
    weight. A layer of somebody's own may do as it likes. A Dropout before few numbers may give the
    same several times.
    """
    if _is_keras_own(model) and all(map(_is_keras_own, all_layers(model))):
        if len(model.variables) == len(model.weights):
            return False
    first = np.array(model(images, training=True))
    again = (np.array(model(images, training=True)) for _ in range(20))
    return any(not np.array_equal(first, other, equal_nan=True) for other in again)


def _is_keras_own(layer):
    """Whether Keras says what a layer does: a Lambda calls a function of anybody's."""
    return type(layer).__module__.startswith("keras.") and type(layer).__name__ != "Lambda"


def _image_shape(model, arguments):
    """The shape of one image: what was asked for, which has to be what the model takes."""
    taken = getattr(model, "input_shape", None) if model.built else None
    taken = tuple(taken[1:]) if isinstance(taken, tuple) else None
    if "input_shape" not in arguments:
        return taken
    asked = tuple(arguments["input_shape"])
    if taken is not None and not same_shape(taken, asked):
        raise ValueError(f"the network takes images of shape {taken}, not of {asked}: its input "
                         "should have the shape `input_shape`")  # fmt: skip
    return asked


def _numbers_for(shape, seed):
    rng = np.random.default_rng([seed, *shape])
    if len(shape) < 2:  # a bias, or the scale, shift, mean or variance of a batch norm
        return rng.uniform(0.5, 1.5, size=shape).astype("float32")
    inputs = np.prod(shape[:-1])
    return rng.normal(0, np.sqrt(2 / inputs), size=shape).astype("float32")


PROBES = {"call": call, "values": values, "network": network}
