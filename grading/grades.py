"""`grades.csv`, for a spreadsheet: points and a status for each question, the sum, and remarks."""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

from grading import files
from grading.pages import points
from grading.questions import Exercise
from grading.results import Result
from grading.roster import Student
from grading.schedule import shown

# A spreadsheet takes what begins so for a formula; some take the wide forms as well.
FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
LONGEST = 2_000  # characters of a cell: spreadsheets hold 32,767, and nobody reads so many
NUMBERS = ("max", "penalty", "total")


def names(exercise: Exercise) -> list[str]:
    """The questions of an exercise, those that somebody reads behind the others."""
    return list(parts(exercise))


def parts(exercise: Exercise) -> dict[str, list[str]]:
    """The same, with the names of the parts of each."""
    asked = {each.name: [part.name for part in each.parts] for each in exercise.questions}
    return asked | {name: [] for name in exercise.written}


def columns(exercise: Exercise) -> list[str]:
    """The first line of the table."""
    parts = [f"{name} {what}" for name in names(exercise) for what in ("points", "status")]
    sums = ["points", "max", "penalty", "total"]
    return ["student", "name", *parts, *sums, "status", "handed in", "repaired", "remarks"]


def table(
    results: Iterable[Result], exercise: Exercise, missing: Iterable[Student] = ()
) -> list[dict[str, str]]:
    """The rows of `grades.csv`.

    Args:
        results: of all students, with the points by hand and what lateness costs.
        missing: the students of the class list who did not hand in.
    """
    wanted = columns(exercise)
    rows = []
    for result in results:
        row = dict.fromkeys(wanted, "") | {"student": result.student, "name": result.name}
        for name, entry in result.entries.items():
            if f"{name} points" in row:
                row[f"{name} points"] = "" if entry.points is None else points(entry.points)
                row[f"{name} status"] = "unreadable" if result.problem else entry.status
        rows.append(
            row
            | {
                "points": points(result.points),
                "max": points(result.max),
                "penalty": points(result.penalty),
                "total": points(result.total),
                "status": result.state,
                "handed in": "" if result.time is None else shown(result.time),
                "repaired": "yes" if result.repairs else "no",
                "remarks": "; ".join(remarks(result)),
            }
        )
    for student in missing:
        row = dict.fromkeys(wanted, "")
        rows.append(
            row
            | {
                "student": student.id,
                "name": student.name,
                "points": "0",
                "max": points(exercise.points),
                "penalty": "0",
                "total": "0",
                "status": "not handed in",
                "repaired": "no",
            }
        )
    return sorted(rows, key=lambda row: row["student"])


def remarks(result: Result) -> list[str]:
    """What is to be said of one submission."""
    said = [result.problem] if result.problem else []
    if not result.matched:
        likeliest = f", perhaps {' or '.join(result.likeliest)}" if result.likeliest else ""
        said.append(f"not in the roster: {result.why}{likeliest}" if result.why
                    else "not in the roster")  # fmt: skip
    if result.lateness:
        said.append(result.lateness.rstrip("."))
    held = [name for name, entry in result.questions.items()
            if entry.status == "needs manual grading"]  # fmt: skip
    if held:
        said.append(f"points by hand are held, the answer has changed: {', '.join(held)}")
    if result.earlier:
        said.append(f"also handed in: {', '.join(result.earlier)}")
    return said


def write(
    results: Iterable[Result], exercise: Exercise, path: Path, missing: Iterable[Student] = ()
) -> None:
    """Write `grades.csv`: UTF-8 with a mark, and no cell that is a formula."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, columns(exercise), lineterminator="\n")
    writer.writeheader()
    for row in table(results, exercise, missing):
        writer.writerow({name: no_formula(name, value) for name, value in row.items()})
    files.write_atomically(path, lines.getvalue().encode("utf-8-sig", "replace"))


def no_formula(name: str, value: str) -> str:
    """A cell that no spreadsheet computes: a text that begins like a formula begins with '."""
    if name in NUMBERS or name.endswith("points"):
        return value  # a number, which may be below 0
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", value)
    if len(plain) > LONGEST:
        plain = f"{plain[:LONGEST]} …"
    begins = plain.lstrip(" \xa0\u200b\ufeff")[:1]
    return f"'{plain}" if begins in FORMULAS or value[:1] in ("\t", "\r") else plain
