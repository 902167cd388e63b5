"""`matches.csv`: who an unmatched file belongs to, as somebody says; and the moves that follow.

The grader writes a line for each file that it could not match, with the reason and the two
likeliest students. Whoever knows better writes the student's id into the line. The next run, or the
next report, takes the grade over to that student; nothing is graded again.

A line is kept by the made-up id in its last column, which stands for what the platform wrote or for
what is in the file. Its path decides only where that column is empty: in the next export another
student's file may lie there.
"""

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from grading import files, gradebook
from grading.questions import Exercise
from grading.results import Result
from grading.roster import Student, decoded

COLUMNS = ("file", "id", "why", "likeliest", "second", "graded as")
DELIMITERS = ",;\t"


def read(path: Path) -> dict[str, str]:
    """From each made-up id, or the file where a line has none, to the id that somebody wrote there.

    Raises:
        ValueError: when the two columns are not there.
    """
    if not path.exists():
        return {}
    text = decoded(path.read_bytes())
    if text.startswith("sep="):
        text = text.split("\n", 1)[1]
    first = text.split("\n", 1)[0]
    table = csv.DictReader(io.StringIO(text), delimiter=max(DELIMITERS, key=first.count))
    if not {"file", "id"} <= set(table.fieldnames or ()):
        raise ValueError(f"{path} needs the columns file and id in its first line")
    found = {}
    for row in table:
        student = (row["id"] or "").strip().removeprefix("'")
        key = str(row.get("graded as") or row["file"] or "").strip().removeprefix("'")
        if student and key:
            found[key] = student
    return found


def write(path: Path, results: Iterable[Result], settled: dict[str, str]) -> None:
    """Write the lines of what is not matched, and of what somebody matched before.

    Args:
        settled: what `read` gave.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for result in sorted(results, key=lambda result: result.file):
        by_hand = settled.get(result.file, settled.get(result.graded_as, ""))
        if result.matched and not by_hand:
            continue
        count += 1
        likeliest = [*result.likeliest, "", ""][:2]
        row = (result.file, by_hand, result.why, *likeliest, result.graded_as)
        writer.writerow([harmless(cell) for cell in row])
    if count or path.exists():
        files.write_atomically(path, lines.getvalue().encode("utf-8-sig", "replace"))


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def settle(
    course: files.Folder, exercise: Exercise, students: Iterable[Student]
) -> list[str]:  # fmt: skip
    """Give each unmatched result to the student whom somebody named.

    Returns:
        a sentence for each that was given, or could not be.
    """
    said = read(course.report(exercise.name, "matches.csv"))
    by_id = {student.id: student for student in students}
    told = []
    for result in course.results(exercise.name).values():
        student = said.get(result.file, said.get(result.student))
        if result.matched or not student:
            continue
        if student not in by_id:
            told.append(f"matches.csv: {result.file}: {student} is not on the class list")
            continue
        name = by_id[student].name
        moved = replace(result, student=student, name=name, matched=True, why="", likeliest=[])
        move(course, exercise, result, moved)
        told.append(f"{result.file} is {student}'s now ({name})")
    return told


def move(course: files.Folder, exercise: Exercise, old: Result, new: Result) -> None:
    """Give a result another student: its grade, its notebook, and what readers gave for it."""
    if old.student == new.student:
        return
    replaced = course.results(exercise.name).get(new.student)
    if replaced is not None and replaced.file not in (new.file, *new.earlier):
        new = replace(new, earlier=[*new.earlier, replaced.file])
    for path in (course.notebook, course.handed_in):
        source, target = path(exercise.name, old.student), path(exercise.name, new.student)
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        else:
            target.unlink(missing_ok=True)
    gradebook.rename(course, exercise, old.student, new.student, new.name)
    files.write_json(course.result(exercise.name, new.student), new.to_json())
    course.result(exercise.name, old.student).unlink(missing_ok=True)
    course.feedback(exercise.name, old.student).unlink(missing_ok=True)
