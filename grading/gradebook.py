"""nbgrader's database: points go in for formgrader to show, and come back with what a reader gave.

Points of the judge are nbgrader's 'auto' scores; what somebody enters in formgrader is its 'manual'
score, which counts before the other and is never overwritten from here.
"""

import hashlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from nbgrader import api, dbutil
from nbgrader.api import Comment, Grade, Gradebook, MissingEntry
from sqlalchemy.exc import SQLAlchemyError

from grading import files
from grading.questions import Exercise, marks_of
from grading.results import QuestionResult, Result, WrittenResult


def _version_of_tables() -> str:
    """What a new database notes; nbgrader starts a program to ask, which takes seconds."""
    return ScriptDirectory(dbutil.ALEMBIC_DIR).get_current_head() or ""


api.get_alembic_version = _version_of_tables


class NoGradebook(RuntimeError):
    """The database cannot be read or written."""


@contextmanager
def opened(course: files.Folder) -> Iterator[Any]:
    """nbgrader's database, open; what is wrong with it is said in a sentence."""
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), Gradebook(f"sqlite:///{course.gradebook}") as book:
            warnings.simplefilter("ignore")  # of SQLAlchemy, on how nbgrader makes a submission
            yield book
    except SQLAlchemyError as problem:
        said = str(getattr(problem, "orig", None) or problem).splitlines()[0]
        raise NoGradebook(
            f"the database {course.gradebook} cannot be used ({said}): is the disk full, or is "
            "formgrader at work on it? What is graded is kept; the same command goes on"
        ) from None


def with_programs(variables: dict[str, str]) -> dict[str, str]:
    """Environment variables with this Python's programs on the path: nbgrader calls `alembic`."""
    here = str(Path(sys.executable).parent)
    path = variables.get("PATH", "").split(os.pathsep)
    return {**variables, "PATH": os.pathsep.join([here, *path])} if here not in path else variables


def synchronise(
    course: files.Folder, exercise: Exercise, results: dict[str, Result]
) -> dict[str, Result]:
    """Write the results into the database, and give them back with the points given by hand.

    Returns:
        the results by student; a written answer that was read has its points and comment.

    Raises:
        NoGradebook: when the database cannot be read or written.
    """
    path = course.report(exercise.name, "synchronised.json")
    synchronised = files.read_json(path) or {}
    released = hashlib.sha256(exercise.release.read_bytes()).hexdigest()
    entered = {student: _entered(result) for student, result in results.items()}
    answers = {
        student: {name: entry.answer for name, entry in result.entries.items()}
        for student, result in results.items()
    }
    before = synchronised.get("answers", {})
    with opened(course) as book:
        if synchronised.get("release") != released:
            _enter_exercise(book, exercise)
        with _nothing_read_again(book):
            for student, result in results.items():
                if synchronised.get(student) != entered[student]:
                    _enter_result(book, exercise, result, before.get(student, {}))
        book.db.commit()
        merged = {
            student: _with_points_by_hand(book, exercise, result)
            for student, result in results.items()
        }
    files.write_json(path, {**entered, "release": released, "answers": answers})
    return merged


@contextmanager
def _nothing_read_again(book: Any) -> Iterator[None]:
    """nbgrader commits for every student: what was read of the exercise holds all the same."""
    session = book.db()
    session.expire_on_commit = False
    try:
        yield
    finally:
        session.expire_on_commit = True


def _entered(result: Result) -> str:
    """A name for what of a result stands in the database."""
    points = {name: (entry.points, entry.answer) for name, entry in result.entries.items()}
    whole = repr((result.digest, result.name, result.time, points))
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:32]


def rename(
    course: files.Folder, exercise: Exercise, old: str, new: str, name: str
) -> None:  # fmt: skip
    """Give what readers entered for one student to another, whose own is left out."""
    if not course.gradebook.exists():
        return
    with opened(course) as book:
        try:
            handed_in = book.find_submission(exercise.name, files.name_of(old))
        except MissingEntry:
            return
        first, last = names_of(name)
        student_id = files.name_of(new)
        student = book.update_or_create_student(student_id, first_name=first, last_name=last)
        try:
            book.remove_submission(exercise.name, student_id)
        except MissingEntry:
            pass
        handed_in.student = student
        book.db.commit()
    path = course.report(exercise.name, "synchronised.json")
    synchronised = files.read_json(path) or {}
    answers = synchronised.get("answers", {})
    answers[new] = answers.pop(old, {})  # which those points are for
    files.write_json(path, {**synchronised, "answers": answers})


def names_of(name: str) -> tuple[str, str]:
    """First and last name, as far as one can tell: 'van Sant' is one name."""
    words = name.split()
    at = len(words) - 1
    while at > 1 and words[at - 1][:1].islower():
        at -= 1
    particles = {"van", "von", "de", "da", "del", "della", "di", "du", "la", "le", "bin", "ibn"}
    while at > 1 and words[at - 1].lower() in particles:
        at -= 1
    return " ".join(words[:at]), " ".join(words[at:])


def _enter_exercise(book: Any, exercise: Exercise) -> None:
    """The exercise, and its cells with their points; those that it had once are taken out."""
    name = exercise.name
    book.update_or_create_assignment(name)
    notebook = book.update_or_create_notebook(name, name)
    cells = {cell.id: marks for cell in exercise.released.cells if (marks := marks_of(cell))}
    for cell in exercise.released.cells:
        marks = cells.get(cell.id)
        if not marks:
            continue
        book.update_or_create_source_cell(
            cell.id, name, name, source=cell.source, checksum=marks.get("checksum"),
            cell_type=cell.cell_type, locked=marks.locked,
        )  # fmt: skip
        if marks.grade:
            book.update_or_create_grade_cell(
                cell.id, name, name, max_score=marks.points, cell_type=cell.cell_type
            )
        if marks.solution:
            book.update_or_create_solution_cell(cell.id, name, name)
    for old in list(notebook.grade_cells):
        read = any(grade.manual_score is not None for grade in old.grades)
        if old.name not in cells and not read:  # what somebody gave is not thrown away
            for grade in list(old.grades):
                book.db.delete(grade)
            book.db.delete(old)
    book.db.commit()


def _complete(book: Any, notebook: Any) -> None:
    """Rows for the questions that an exercise gained after a student was entered."""
    source = notebook.notebook
    graded = {grade.name for grade in notebook.grades}
    for cell in source.grade_cells:
        if cell.name not in graded:
            book.db.add(Grade(cell_id=cell.id, notebook=notebook))
    commented = {comment.name for comment in notebook.comments}
    for cell in source.solution_cells:
        if cell.name not in commented:
            book.db.add(Comment(cell_id=cell.id, notebook=notebook))
    book.db.flush()
    book.db.refresh(notebook)


def _enter_result(book: Any, exercise: Exercise, result: Result, before: dict[str, str]) -> None:
    """One student's points, as far as the judge gives them.

    Points by hand for an answer that has changed since stay, marked for a reader to look again.

    Args:
        before: from each question to the digest of the answer that was entered last.
    """
    name, student = exercise.name, files.name_of(result.student)
    first, last = names_of(result.name)
    book.update_or_create_student(student, first_name=first, last_name=last)
    moment = {}
    if result.time is not None:
        moment["timestamp"] = datetime.fromtimestamp(result.time, UTC).isoformat()
    handed_in = book.update_or_create_submission(name, student, **moment)
    notebook = handed_in.notebooks[0]
    _complete(book, notebook)
    grades = {grade.name: grade for grade in notebook.grades}
    for question in exercise.questions:
        entry = result.questions.get(question.name)
        if entry is None:
            continue
        grade = grades[question.check_cell]
        grade.auto_score = entry.points
        if grade.manual_score is None:
            grade.needs_manual_grade = False
        elif _is_another(entry, before.get(question.name)):
            grade.needs_manual_grade = True
    for cell, written in result.written.items():
        grade = grades[cell]
        grade.auto_score = written.points  # None: somebody has to read it
        if grade.manual_score is None:
            grade.needs_manual_grade = written.points is None
        elif _is_another(written, before.get(cell)):
            grade.needs_manual_grade = True
    verdicts = {
        question.cell: verdict_on(result.questions[question.name])
        for question in exercise.questions
        if question.name in result.questions
    }
    for comment in notebook.comments:
        unread = result.written.get(comment.name)
        untouched = "No answer." if unread and unread.status == "untouched" else None
        comment.auto_comment = verdicts.get(comment.name, untouched)


def _is_another(entry: QuestionResult | WrittenResult, before: str | None) -> bool:
    """Whether an answer differs from the one that a reader had; a new time of the file does not.

    Args:
        before: its digest; None where older graders kept none, and the result alone tells.
    """
    return entry.changed if before is None else before not in ("", entry.answer)


def verdict_on(entry: QuestionResult) -> str | None:
    """What formgrader shows as a comment on an answer; None on one that is right."""
    if entry.status == "correct":
        return None
    lines = [
        f"{part.name}: {part.verdict}. {part.hint}".strip()
        for part in entry.parts
        if not part.right
    ]
    return "\n\n".join([f"{entry.status.capitalize()}, by hidden cases.", *lines])


HELD = "points were given by hand for an earlier answer; they do not count until it is read again"


def _with_points_by_hand(book: Any, exercise: Exercise, result: Result) -> Result:
    """The result with what was entered in formgrader."""
    name = exercise.name
    try:
        notebook = book.find_submission_notebook(name, name, files.name_of(result.student))
    except MissingEntry:
        return result
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment.comment or "" for comment in notebook.comments}
    of_readers = {comment.name: comment.manual_comment or "" for comment in notebook.comments}
    questions = dict(result.questions)
    for question in exercise.questions:
        entry, grade = questions.get(question.name), grades.get(question.check_cell)
        if entry is None or grade is None:
            continue
        said = (entry.comment, of_readers.get(question.cell, ""))
        entry = replace(entry, comment=". ".join(filter(None, said)))
        if grade.manual_score is not None and grade.needs_manual_grade:
            held = f"{_whole(grade.manual_score):g} {HELD}"
            entry = replace(entry, status="needs manual grading", comment=held)
        elif grade.manual_score is not None or grade.extra_credit:
            entry = replace(entry, points=_whole(grade.score), status="changed by hand")
        questions[question.name] = entry
    written = {}
    for cell, answer in result.written.items():
        answer = replace(answer, comment=comments.get(cell, ""))
        grade = grades.get(cell)
        if grade is not None and (grade.manual_score is not None or grade.extra_credit):
            if grade.needs_manual_grade:
                held = f"{_whole(grade.manual_score or 0):g} {HELD}"
                answer = replace(answer, points=None, status="needs manual grading", comment=held)
            else:
                answer = replace(answer, points=_whole(grade.score), status="graded")
        written[cell] = answer
    return replace(result, questions=questions, written=written)


def _whole(points: float) -> float:
    return int(points) if float(points).is_integer() else points
