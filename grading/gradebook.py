"""nbgrader's database: points go in for formgrader to show, and come back with what a reader gave.

Points of the judge are nbgrader's 'auto' scores; what somebody enters in formgrader is its 'manual'
score, which counts before the other and is never overwritten from here.
"""

import hashlib
import logging
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

from grading import files
from grading.questions import marks_of


def with_programs(variables):
    """Environment variables with this Python's programs on the path: nbgrader calls `alembic`."""
    here = str(Path(sys.executable).parent)
    path = variables.get("PATH", "").split(os.pathsep)
    return {**variables, "PATH": os.pathsep.join([here, *path])} if here not in path else variables


def synchronise(course, exercise, results):
    """Write the results into the database, and give them back with the points given by hand.

    Returns:
        the results by student; a written answer that was read has its points and comment.
    """
    os.environ.update(with_programs(dict(os.environ)))
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    path = course.report(exercise.name, "synchronised.json")
    synchronised = files.read_json(path) or {}
    with warnings.catch_warnings(), Gradebook(f"sqlite:///{course.gradebook}") as book:
        warnings.simplefilter("ignore")  # of SQLAlchemy, on how nbgrader makes a submission
        released = hashlib.sha256(exercise.release.read_bytes()).hexdigest()
        if synchronised.get("release") != released:
            _enter_exercise(book, exercise)
        for student, result in results.items():
            if synchronised.get(student) != result.digest:
                _enter_result(book, exercise, result)
        book.db.commit()
        merged = {student: _with_points_by_hand(book, exercise, result)
                  for student, result in results.items()}  # fmt: skip
    digests = {student: result.digest for student, result in results.items()}
    files.write_json(path, {**digests, "release": released})
    return merged


def _enter_exercise(book, exercise):
    """The exercise, and its cells with their points."""
    name = exercise.name
    book.update_or_create_assignment(name)
    book.update_or_create_notebook(name, name)
    for cell in exercise.released.cells:
        marks = marks_of(cell)
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


def _enter_result(book, exercise, result):
    """One student's points, as far as the judge gives them."""
    name, student = exercise.name, result.student
    first, _, last = result.name.rpartition(" ")
    book.update_or_create_student(student, first_name=first, last_name=last)
    handed_in = book.update_or_create_submission(name, student)
    notebook = handed_in.notebooks[0]
    grades = {grade.name: grade for grade in notebook.grades}
    for question in exercise.questions:
        grade = grades[question.check_cell]
        grade.auto_score = result.questions[question.name].points
        grade.needs_manual_grade = False
    for cell, entry in result.written.items():
        grade = grades[cell]
        grade.auto_score = entry.points  # None: somebody has to read it
        untouched = entry.points is not None
        read = grade.manual_score is not None and not entry.changed
        grade.needs_manual_grade = not (untouched or read)
    verdicts = {question.cell: verdict_on(result.questions[question.name])
                for question in exercise.questions}  # fmt: skip
    for comment in notebook.comments:
        entry = result.written.get(comment.name)
        untouched = "No answer." if entry and entry.status == "untouched" else None
        comment.auto_comment = verdicts.get(comment.name, untouched)


def verdict_on(entry):
    """What formgrader shows as a comment on an answer; None on one that is right."""
    if entry.status == "correct":
        return None
    lines = [
        f"{part.name}: {part.verdict}. {part.hint}".strip()
        for part in entry.parts
        if not part.right
    ]
    return "\n\n".join([f"{entry.status.capitalize()}, by hidden cases.", *lines])


def _with_points_by_hand(book, exercise, result):
    """The result with what was entered in formgrader."""
    name = exercise.name
    try:
        notebook = book.find_submission_notebook(name, name, result.student)
    except MissingEntry:
        return result
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment.comment or "" for comment in notebook.comments}
    questions = dict(result.questions)
    for question in exercise.questions:
        grade = grades[question.check_cell]
        if grade.manual_score is not None or grade.extra_credit:
            questions[question.name] = replace(
                questions[question.name], points=_whole(grade.score), status="changed by hand"
            )
    written = {}
    for cell, entry in result.written.items():
        entry = replace(entry, comment=comments.get(cell, ""))
        grade = grades[cell]
        if grade.manual_score is not None or grade.extra_credit:
            status = "needs manual grading" if grade.needs_manual_grade else "graded"
            entry = replace(entry, points=_whole(grade.score), status=status)
        written[cell] = entry
    return replace(result, questions=questions, written=written)


def _whole(points):
    return int(points) if float(points).is_integer() else points
