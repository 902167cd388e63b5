"""Brings gradebook and results together: feedback, `grades.csv`, the class page, the lists."""

import csv
import difflib
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from grading import (
    class_page,
    feedback,
    files,
    gradebook,
    grades,
    matches,
    questions,
    roster,
    schedule,
    similar,
)
from grading.pages import joined
from grading.questions import Exercise
from grading.results import OF_GROUP, Result


def write(
    name: str, folder: str | Path = "graded", tell: Callable[[str], object] = print
) -> dict[str, Result]:
    """Write feedback, `grades.csv` and the class page.

    Returns:
        the results by student, with the points by hand, the changes and what lateness costs.

    Raises:
        ValueError: when nothing is graded yet, or `course.toml` is not as it should be.
    """
    exercise = questions.load(name)
    course = files.Folder(folder)
    kept = files.read_json(course.report(exercise.name, "collection.json"))
    if kept is None:
        raise ValueError(f"nothing is graded yet for {exercise.name} in {course.place}: begin with "
                         f"make grade EXERCISE={exercise.name} SUBMISSIONS=folder")  # fmt: skip
    known = roster.Roster.from_json(files.read_json(course.roster))
    for sentence in matches.settle(course, exercise, known.students):
        tell(f"  {sentence}")
    for path in course.damaged(exercise.name):
        tell(f"  {path.stem} is left out: its result is damaged. Grade that submission again")
    plan = plan_of(course, exercise, tell)
    results = gradebook.synchronise(course, exercise, course.results(exercise.name))
    results = {student: plan.applied(result) for student, result in results.items()}
    for student, result in results.items():
        partner = result.identity.removeprefix(OF_GROUP)
        if result.identity.startswith(OF_GROUP) and partner not in plan.group_of(student):
            tell(f"  {student} has the grade of {partner}'s file, and course.toml has them in no "
                 f"group: grade what {student} handed in, or delete "
                 f"{os.path.relpath(course.result(exercise.name, student))}")  # fmt: skip
    codes, texts, digests = {}, {}, {}
    for student, result in results.items():
        notebook = files.read_json(course.notebook(exercise.name, student))
        page = feedback.page(result, exercise, notebook)
        files.write_atomically(course.feedback(exercise.name, student), page)
        if notebook is not None:
            codes[student] = codes_of(exercise, notebook)
            texts[student] = _texts(exercise, notebook, result)
            digests[student] = _digest(course.handed_in(exercise.name, student))
    released = codes_of(exercise, exercise.released)
    likeness = similar.likeness(codes, released, texts, digests, _compared(course, exercise))
    everyone = list(results.values())
    missing = [student for student in known.students if student.id not in results]
    grades.write(everyone, exercise, course.report(exercise.name, "grades.csv"), missing)
    notes = [f"{about} {note}" for about, note in kept.get("noted", {}).items()]
    page = class_page.page(everyone, exercise, likeness, missing, notes)
    files.write_atomically(course.report(exercise.name, "class.html"), page)
    said = matches.read(course.report(exercise.name, "matches.csv"))
    matches.write(course.report(exercise.name, "matches.csv"), everyone, said)
    unreadable = {one.file: "unreadable" for one in everyone if one.problem}
    _write_fates(course, exercise, {**kept.get("fates", {}), **unreadable})
    _tell(course, exercise, everyone, tell)
    return results


def plan_of(
    course: files.Folder, exercise: Exercise, tell: Callable[[str], object] = lambda line: None
) -> schedule.Schedule:
    """What `course.toml` says on an exercise.

    Args:
        tell: takes lines on ids that nobody has so far, where there is no class list.

    Raises:
        ValueError: when something in it is not understood, or an id in it is not on the class list.
    """
    plan = schedule.read(course.schedule, exercise.name, grades.parts(exercise))
    students = roster.Roster.from_json(files.read_json(course.roster)).students
    graded = course.results(exercise.name) if plan.ids else {}
    known = {student.id for student in students} | graded.keys()
    # Whoever writes no id may have written a name or an e-mail.
    spellings = {text.lower(): student.id for student in students for text in student[:3] if text}
    spellings = spellings or {student.lower(): student for student in graded}
    said = []
    for student, key in plan.ids.items():
        if student not in known:
            near = difflib.get_close_matches(student.lower(), spellings, 1, cutoff=0.5)
            nearest = f"; the nearest is {spellings[near[0]]}" if near else ""
            said.append(f"{course.schedule}, {key}: {student!r} is nobody's id{nearest}")
    if said and students:
        raise ValueError(f"{'. '.join(said)}. Write ids as the class list has them")
    for sentence in said:
        tell(f"  {sentence}")
    return plan


def _tell(
    course: files.Folder,
    exercise: Exercise,
    results: list[Result],
    tell: Callable[[str], object],
) -> None:
    """Where everything lies, and what is still to be done."""
    for label, path in (
        ("grades", course.report(exercise.name, "grades.csv")),
        ("the class", course.report(exercise.name, "class.html")),
        ("feedback", course.place / "feedback" / exercise.name),
    ):
        tell(f"{label}: {os.path.relpath(path)}")
    unmatched = sum(not result.matched for result in results)
    if unmatched:
        path = course.report(exercise.name, "matches.csv")
        tell(f"{unmatched} not matched: write their ids into {os.path.relpath(path)}, then make "
             f"report EXERCISE={exercise.name}")  # fmt: skip
    waiting = sum(
        entry.status == "needs manual grading"
        for result in results
        for entry in result.entries.values()
    )
    if waiting:
        tell(f"{waiting} written answers are to be read: make review, then make report "
             f"EXERCISE={exercise.name}")  # fmt: skip


def codes_of(exercise: Exercise, notebook: Any) -> dict[str, str]:
    """The code of each question's answer."""
    sources = {cell["id"]: joined(cell["source"]) for cell in notebook["cells"]}
    return {question.name: sources.get(question.cell, "") for question in exercise.questions}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _texts(exercise: Exercise, notebook: Any, result: Result) -> dict[str, str]:
    """The answers in words, but for those that are as they were handed out."""
    sources = {cell["id"]: joined(cell["source"]) for cell in notebook["cells"]}
    return {
        cell: sources.get(cell, "")
        for cell, entry in result.written.items()
        if entry.status != "untouched"
    }


def _compared(course: files.Folder, exercise: Exercise) -> dict[str, dict[str, str]]:
    """The published solution, and what lies in `compare/<exercise>/`: earlier years', say."""
    source = nbformat.read(exercise.source, as_version=4)
    found = {"the published solution": codes_of(exercise, source)}
    place = course.place / "compare" / exercise.name
    for path in sorted(place.rglob("*.ipynb"))[:2000]:
        notebook = files.read_json(path)
        try:
            found[path.relative_to(place).as_posix()] = codes_of(exercise, notebook)
        except (TypeError, KeyError, AttributeError):
            continue  # no notebook of this format
    return found


def _write_fates(course: files.Folder, exercise: Exercise, fates: dict[str, str]) -> None:
    """`files.csv`: what became of each file that was handed in."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["file", "what became of it"])
    for file, fate in sorted(fates.items()):
        writer.writerow([grades.no_formula("file", file), fate])
    path = course.report(exercise.name, "files.csv")
    files.write_atomically(path, lines.getvalue().encode("utf-8-sig", "replace"))
