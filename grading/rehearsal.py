"""Tries an exercise on itself before a class does: `python -m grading rehearse ex02`.

The answers of its own source, handed in by a student of every variant, have to score in full (a
network that is measured, some points); and no known mistake may pass, whatever the secret seed
gives a student to answer.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from course_utils import answers, checks
from grading import batch, judge, papers, repair
from grading.questions import Exercise, Question, marks_of
from grading.results import QuestionResult
from grading.source import ask

SEEDS = 60


def in_every_variant(exercise: Exercise, place: Path, tell: Callable[[str], Any]) -> list[str]:
    """Grade the source's answers once for each variant; a sentence for each that is not full.

    Args:
        place: an empty folder for what is handed in and what comes of it.
    """
    for number in range(len(exercise.variants)):
        path = place / "handed in" / f"variant-{number}" / f"{exercise.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(solved(exercise, number)), encoding="utf-8")
    found = batch.grade(exercise.name, place / "handed in", None, place / "graded", tell=tell)
    return [
        f"{student}: {name} has {entry.points:g} of {entry.max:g} points, {entry.status}"
        for student, result in found.items()
        for name, entry in result.questions.items()
        if not _is_good(entry) or result.problem or result.repairs
    ]


def _is_good(entry: QuestionResult) -> bool:
    """Whether an answer has all points; of a network, whether it could be measured and has some."""
    return entry.points == entry.max or bool(entry.measured and entry.points)


def solved(exercise: Exercise, variant: int) -> dict[str, Any]:
    """The students' notebook with the source's answers, of a student who has a variant."""
    right = solutions(exercise)
    notebook: dict[str, Any] = json.loads(json.dumps(exercise.released))
    saved = saved_outputs(exercise)
    for cell in notebook["cells"]:
        cell["source"] = right.get(cell["id"], cell["source"])
        if cell["id"] in saved:
            cell["outputs"] = saved[cell["id"]]
    return named(notebook, variant)


def saved_outputs(exercise: Exercise) -> dict[str, Any]:
    """What the source shows below the cells that the grader takes as they were saved."""
    source = nbformat.read(exercise.source, as_version=4)
    return {cell.id: json.loads(json.dumps(cell.outputs)) for cell in source.cells
            if repair.is_saved(cell)}  # fmt: skip


def solutions(exercise: Exercise) -> dict[str, str]:
    """From the id of each cell of an answer to the source's solution."""
    source = nbformat.read(exercise.source, as_version=4)
    return {cell.id: cell.source for cell in source.cells if marks_of(cell).get("solution")}


def named(notebook: dict[str, Any], variant: int) -> dict[str, Any]:
    """The notebook with a name in its first cell that has this variant, if it asks for one."""
    for cell in notebook["cells"]:
        if cell["id"] == checks.STUDENT_CELL:
            cell["source"] = cell["source"].replace('""', f'"variant {variant}"')
    return notebook


def passing(
    exercise: Exercise, seeds: int = SEEDS, secret: str | int = "rehearsal"
) -> Iterator[tuple[str, int, list[str]]]:
    """Each question with the number of tries, and those known mistakes that passed in one.

    Networks take time to build, and their cases come in a few sets: all of these are tried.
    """
    for question in exercise.questions:
        if question.is_open:
            continue
        alone = papers.Papers(replace(exercise, questions=[question]), secret)
        students = _students(alone, question, seeds)
        found: set[str] = set()
        for number, student in enumerate(students):
            paper = alone.of(student, number % len(exercise.variants))
            examined = judge.Judge(paper.exercise, paper.asked, paper.places, paper.right)
            (asked,) = paper.exercise.questions
            found |= {
                hint
                for hint, mistake in asked.mistakes.items()
                if _passes(examined, asked, mistake, paper)
            }
        yield question.name, len(students) * len(question.mistakes), sorted(found)


def _students(alone: papers.Papers, question: Question, seeds: int) -> list[str]:
    """Students who have other cases each: of networks as many as there are sets."""
    count = papers.SETS if question.probe == "network" else seeds
    found: dict[str, str] = {}
    names = (f"student {number}" for number in itertools.count())
    while len(found) < count:
        student = next(names)
        found.setdefault(alone.whose(question, student), student)
    return list(found.values())


def _passes(examined: judge.Judge, question: Question, mistake: Any, paper: papers.Paper) -> bool:
    """Whether a known mistake gets all points.

    Its answers take the place of the right ones case by case: the first wrong one is to cost a
    point, though all others are right.
    """
    right = paper.right[question.name]
    if question.probe == "values":
        replies = [{"value": answers.encode({**right[0], **mistake})}]
        return examined.points(question, replies) == question.points
    replies = [{"value": answers.encode(value)} for value in right]
    for place, case in enumerate(paper.asked[question.name]["cases"]):
        replies[place] = _reply(question, mistake, case)
        if examined.points(question, replies) < question.points:
            return False
    return True


def _reply(question: Question, mistake: Any, case: dict[str, Any]) -> dict[str, Any]:
    """What a box would send for a known mistake and one case."""
    try:
        return {"value": answers.encode(ask(question.probe, mistake, case))}
    except Exception as problem:  # a mistake may well end in an error
        return {"error": type(problem).__name__}
