"""Exercise 10: the networks that were handed in, measured on hidden pictures and drawn by cost.

A network comes as a picture among the outputs that the student's notebook was saved with
(`course_utils.competition`). Nothing of the notebook runs where it is measured: a box of its own
builds the network from the picture, counts what it costs, and lets it answer. The labels never
enter that box, and what comes out of it is read as data.
"""

import base64
import binascii
import hashlib
import re
import statistics
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from course_utils import answers, data, plots, runs
from course_utils import competition as rules
from course_utils.environment import quiet_tensorflow
from grading import sandbox, supervisor
from grading.questions import Exercise, Question
from grading.results import Outcome, PartResult, QuestionResult, Result

VERSIONS = 2  # of each test picture
TRAINING = 1000  # training pictures that are shown as well, for comparison
LARGEST = rules.LARGEST + 100_000  # bytes of a PNG file
LONGEST = 400  # characters of a sentence from the box
DEVIATIONS = 3  # by which the test pictures are known better than the training pictures
GUESSING = 0.2  # right, up to which two networks may answer alike by chance: always one class, say
MOST_NAMES = 25  # of students that a figure can hold
ASKED = "measured"
# All that runs in the box: the course's own function.
CELL = {
    "cell_type": "code",
    "id": ASKED,
    "source": "from course_utils.competition import measured",
}
MISSING = ("no picture of a network stands below the cell with its check: run it, and save the "
           "notebook with its outputs")  # fmt: skip
OWN_CLASSIFY = re.compile(r"^(?:def[ \t]+classify\b|classify[ \t]*=(?!=))", re.MULTILINE)


class Hidden(NamedTuple):
    """What every network is shown.

    Attributes:
        images: uint8 (n, 32, 32, 3), in an order that nobody knows.
        labels: int32 (n,).
        counts: bool (n,): whether it is a test picture; the others are for comparison.
    """

    images: np.ndarray
    labels: np.ndarray
    counts: np.ndarray


class Landmark(NamedTuple):
    """A network of the course: the name of its recorded run, its cost and its test error, in %."""

    name: str
    multiply_adds: int
    error: float


def rules_of(exercise: Exercise) -> list[bytes]:
    """What the points of a network depend on beside the exercise; [] where there is none."""
    files = (Path(__file__), Path(rules.__file__)) if exercise.competition else ()
    return [path.read_bytes() for path in files]


def hidden(seed: int) -> Hidden:
    """The pictures of one seed: each test picture of the course in a few versions, and others."""
    test, train = data.load("cifar10", "test"), data.load("cifar10", "train")
    shown = [(test, True)] * VERSIONS
    shown += [(data.Dataset(train.images[:TRAINING], train.labels[:TRAINING], ()), False)]
    images = [rules.vary(each.images, seed + place) for place, (each, _) in enumerate(shown)]
    labels = np.concatenate([each.labels for each, _ in shown])
    counts = np.concatenate([np.full(len(each.labels), test) for each, test in shown])
    order = np.random.default_rng([seed, len(labels)]).permutation(len(labels))
    return Hidden(np.concatenate(images)[order], labels[order], counts[order])


# --- In the box -----------------------------------------------------------------------------------


def picture_of(outputs: Any) -> bytes | None:
    """The last PNG picture among the outputs that a file has for a cell; None where there is none.

    One that is too large, or no base64, is b"": a picture, but of no network.
    """
    for output in reversed(outputs) if isinstance(outputs, list) else ():
        forms = output.get("data") if isinstance(output, dict) else None
        content = forms.get("image/png") if isinstance(forms, dict) else None
        if isinstance(content, list):
            content = "".join(line for line in content if isinstance(line, str))
        if isinstance(content, str):
            try:
                return base64.b64decode("".join(content.split()), validate=True)
            except (binascii.Error, ValueError):
                return b""
    return None


def measure(
    picture: bytes | None, images: Any, limits: supervisor.Limits, box: sandbox.Box
) -> dict[str, Any]:
    """What a network in a picture answers, and what it costs.

    Args:
        images: the hidden ones, encoded.

    Returns:
        `labels`, `parameters`, `multiply_adds` and `views`; or `problem`, a sentence, and `status`.
    """
    if picture is None:
        return _without(MISSING, "")
    if len(picture) > LARGEST:
        return _without(
            f"the picture has {len(picture) / 1e6:.1f} MB, more than a network within the limits "
            "can have"
        )
    case = {"picture": answers.encode(np.frombuffer(picture, np.uint8)), "images": images}
    asked = {ASKED: {"probe": "call", "cases": [case]}}
    ran = supervisor.run({"cells": [CELL]}, asked, limits, box)
    replies = ran.answers.get(ASKED)
    if isinstance(replies, list) and len(replies) == 1 and isinstance(replies[0], dict):
        count = len(answers.decode(images))
        return _read(replies[0], count, limits)
    return _lost(ran.lost.get(ASKED) or "crashed", limits)


def _without(problem: str, status: str = "wrong") -> dict[str, Any]:
    return {"problem": problem, "status": status}


def _lost(status: str, limits: supervisor.Limits) -> dict[str, Any]:
    """What is said of a network that gave no answer."""
    told = {
        "timed out": f"the network was too slow: its answers took more than {limits.seconds} s",
        "out of memory": f"the network needs more memory than there is ({limits.memory} MB)",
    }
    return _without(told.get(status, "the network brought its process down"), status)


def _read(reply: dict[str, Any], count: int, limits: supervisor.Limits) -> dict[str, Any]:
    """A box's reply, whatever it is."""
    if reply.get("timeout"):
        return _lost("timed out", limits)
    if reply.get("memory"):
        return _lost("out of memory", limits)
    try:
        found = answers.decode(reply["value"])
        if "problem" in found:
            told = str(found["problem"])[:LONGEST]
            return _without(told.encode("utf-8", "replace").decode("utf-8"))
        labels = np.asarray(found["labels"])
        numbers = {name: found[name] for name in ("parameters", "multiply_adds", "views")}
        fits = labels.shape == (count,) and labels.dtype.kind == "i"
        if fits and all(type(number) is int for number in numbers.values()):
            return {"labels": labels.tolist(), **numbers}
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    return _lost("crashed", limits)


# --- Judging --------------------------------------------------------------------------------------


def judged(question: Question, outcome: Outcome, shown: Hidden) -> QuestionResult:
    """The points of a network: for each part, whether enough hidden pictures are right."""
    found, state = outcome.measured, outcome.answer_to(question).state
    if "labels" not in found:
        told = found.get("problem", MISSING)
        status = found.get("status") or (state if state != "answered" else "wrong")
        parts = [PartResult(part.name, part.points, 0, "not measured") for part in question.parts]
        return QuestionResult(0, question.points, status, parts, told)
    right = np.asarray(found["labels"]) == shown.labels
    accuracy, on_training = float(right[shown.counts].mean()), float(right[~shown.counts].mean())
    verdict = f"{100 * accuracy:.1f} % are right"
    parts = [
        PartResult(part.name, part.points, part.points)
        if part.least is not None and accuracy >= part.least
        else PartResult(part.name, part.points, 0, verdict)
        for part in question.parts
    ]
    points = sum(part.points for part in parts)
    status = "correct" if points == question.points else "partly correct" if points else "wrong"
    numbers = {name: found[name] for name in ("parameters", "multiply_adds", "views")}
    digest = hashlib.sha256(np.asarray(found["labels"], "<i8").tobytes()).hexdigest()[:16]
    measured: dict[str, Any] = {"accuracy": accuracy, "on_training": on_training, **numbers}
    measured["digest"] = digest
    return QuestionResult(points, question.points, status, parts,
                          _told(measured, shown, outcome), measured=measured)  # fmt: skip


def _told(measured: dict[str, Any], shown: Hidden, outcome: Outcome) -> str:
    """What was measured, in a sentence or two."""
    counted = int(shown.counts.sum())
    views = f" in {measured['views']} views" if measured["views"] > 1 else ""
    told = (
        f"{100 * measured['accuracy']:.1f} % of {counted:,} hidden pictures are right, and "
        f"{100 * measured['on_training']:.1f} % of {len(shown.labels) - counted:,} training "
        f"pictures; {measured['parameters']:,} parameters, {measured['multiply_adds']:,} "
        f"multiply-adds for a picture{views}"
    )
    cells = outcome.notebook["cells"] if outcome.notebook else []
    if any(cell["cell_type"] == "code" and OWN_CLASSIFY.search(cell["source"]) for cell in cells):
        told += ". The notebook's own `classify` was not asked: the network is, by the course's"
    return told


# --- Error against cost ---------------------------------------------------------------------------


@cache
def landmarks() -> list[Landmark]:
    """Of each network of the course its best recorded run on complete CIFAR-10, by cost.

    The costs are counted by `anatomy`. Short runs are there to be compared with short ones only.
    """
    quiet_tensorflow()
    best: dict[str, Landmark] = {}
    for name in runs.recorded_names():
        run = runs.recorded_run(name)
        recipe = run["recipe"]
        other = recipe["data"] != "cifar10" or {"part", "hold_out"} & set(recipe)
        if other or name.endswith("_short"):
            continue
        try:
            cost = runs.anatomy(lambda recipe=recipe: runs.network_of(recipe))
        except ValueError:  # a recipe of another kind
            continue
        work = recipe.get("views", 1) * cost.multiply_adds
        found = Landmark(name, work, statistics.mean(run["test_error"]))
        before = best.setdefault(recipe["network"], found)
        best[recipe["network"]] = min(before, found, key=lambda each: each.error)
    return sorted(best.values(), key=lambda each: each.multiply_adds)


def ranked(results: Sequence[Result], name: str) -> list[tuple[Result, dict[str, Any]]]:
    """Those whose network was measured, the most accurate first, of equal ones the cheapest.

    Args:
        name: of the question.
    """
    found = [(result, result.questions[name].measured) for result in results
             if name in result.questions and result.questions[name].measured]  # fmt: skip
    return sorted(found, key=lambda each: (-each[1]["accuracy"], each[1]["multiply_adds"]))


def table(found: Sequence[tuple[Result, dict[str, Any]]]) -> dict[str, Any]:
    """The ranking as rows of texts."""
    header = ["place", "student", "error, %", "on training pictures, %", "multiply-adds",
              "parameters", "views"]  # fmt: skip
    rows = [
        [place, result.student, f"{100 - 100 * one['accuracy']:.1f}",
         f"{100 - 100 * one['on_training']:.1f}", f"{one['multiply_adds']:,}",
         f"{one['parameters']:,}", one["views"]]
        for place, (result, one) in enumerate(found, start=1)
    ]  # fmt: skip
    return {"header": header, "rows": rows}


def to_look_at(found: Sequence[tuple[Result, dict[str, Any]]]) -> list[str]:
    """Sentences on networks that seem to have been trained on test pictures, or handed in twice.

    No measure tells that for sure: the test pictures are the course's, and everybody has them. And
    two who run the same cell with the same seed may get the same network.
    """
    told, least = [], min((each.error for each in landmarks()), default=0.0)
    for result, one in found:
        right, other = one["accuracy"], one["on_training"]
        tested = len(data.load("cifar10", "test").labels)
        spread = (right * (1 - right) / tested + other * (1 - other) / TRAINING) ** 0.5
        if right - other > DEVIATIONS * spread:
            told.append(f"{result.student}: the test pictures are known better than the training "
                        f"pictures ({100 * right:.1f} against {100 * other:.1f} %).")  # fmt: skip
        elif 100 - 100 * right < least:
            told.append(f"{result.student}: {100 - 100 * right:.1f} % error, less than any "
                        f"recorded network of the course ({least:.1f} %).")  # fmt: skip
    alike: dict[str, list[str]] = {}
    for result, one in found:
        if one["accuracy"] > GUESSING and "digest" in one:
            alike.setdefault(one["digest"], []).append(result.student)
    told += [f"{', '.join(students)}: the same answer to every picture, so one network, it seems."
             for students in alike.values() if len(students) > 1]  # fmt: skip
    return told


def draw(
    found: Sequence[tuple[Result, dict[str, Any]]], known: Sequence[Landmark]
) -> tuple[Any, str]:
    """Error against multiply-adds, with the course's own networks; and what it shows in words."""
    figure, axes = plots.subplots(height=4)
    costs = [one["multiply_adds"] for _, one in found]
    errors = [100 - 100 * one["accuracy"] for _, one in found]
    axes.scatter(costs, errors, color=plots.PALETTE["output"], edgecolors="#333333", zorder=3,
                 label="handed in, on hidden pictures")  # fmt: skip
    axes.scatter([each.multiply_adds for each in known], [each.error for each in known],
                 marker="s", color="white", edgecolors="black", zorder=2,
                 label="the course's, recorded on the whole test set")  # fmt: skip
    names = [(each.name, each.multiply_adds, each.error) for each in known]
    names += [(result.student, cost, error) for (result, _), cost, error in
              zip(found[:MOST_NAMES], costs, errors, strict=False)]  # fmt: skip
    for place, (name, cost, error) in enumerate(names):
        # Neighbours among the landmarks have their names above and below.
        side = (-5, 4 - 12 * (place % 2)) if place < len(known) else (5, 3)
        axes.annotate(plots.label(name), (cost, error), xytext=side, fontsize=7,
                      textcoords="offset points", ha="right" if side[0] < 0 else "left",
                      )  # fmt: skip
    axes.axvline(rules.MOST_MULTIPLY_ADDS, color="black", linestyle="--", linewidth=0.8,
                 label="as many as are allowed")  # fmt: skip
    axes.set(xscale="log", xlabel="multiply-adds for one picture", ylabel="error, %")
    axes.set_ylim(0, 1.1 * max([*errors, *(each.error for each in known)]))
    best = found[0]
    axes.set_title(f"The best of {len(found)}: {plots.label(best[0].student)}, "
                   f"{errors[0]:.1f} % error")  # fmt: skip
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    listed = "; ".join(f"{name}: {error:.1f} % at {cost:,}" for name, cost, error in names)
    return figure, f"Error against multiply-adds for one picture, on a logarithmic axis. {listed}."
