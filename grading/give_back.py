"""Back to the platform: its own grade file, filled in, and the feedback as it takes it.

`make give-back EXERCISE=ex02 PLATFORM=moodle` writes into `graded/give_back/ex02_output_size/`. The
grade file is the class list that the platform exported, with the grades in it: the platform knows
its own columns again. Nothing is uploaded from here; that would take a server (LTI).

| platform | the grade file | the feedback |
| --- | --- | --- |
| moodle | its grading worksheet, with *Grade* and *Feedback comments* | a zip of `Name_5_assignsubmission_file_/feedback.html` |
| canvas | its gradebook, with one column for the exercise | a zip of `doejane_20001_900001_ex02.html`: as *Upload Submissions* takes them |
| blackboard | its Grade Centre columns, tab-separated (UTF-16), with feedback | a zip for your own use: it takes feedback as text only |
| gradescope | First Name, Last Name, SID, Email and the score | a zip by SID |
| csv | id, name, e-mail, grade, feedback | a zip by id |
"""  # noqa: E501

import csv
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from grading import feedback, files, gradebook, pages, questions, reports
from grading.archives import NOTEBOOK
from grading.feedback import title_of
from grading.questions import Exercise
from grading.results import Result
from grading.roster import Roster, Student, plain_column

Rows = list[list[str]]


@dataclass(frozen=True)
class Work:
    """What is given back: an exercise's results, and the list of the students."""

    exercise: Exercise
    roster: Roster
    results: dict[str, Result]
    pages: dict[str, bytes]

    @property
    def title(self) -> str:
        """'Exercise 2', as platforms call the assignment."""
        return title_of(self.exercise).split(":")[0]

    def grade(self, student: str) -> str:
        """The points of a student; '' as long as they are not known."""
        result = self.results.get(student)
        if result is None or result.state == "needs manual grading":
            return ""
        return f"{result.total:g}"

    def text(self, student: str) -> str:
        """The feedback of a student in some lines."""
        result = self.results.get(student)
        return "" if result is None else feedback.summary(result)

    def in_html(self, student: str) -> str:
        """The same for a platform that takes HTML."""
        return pages.render("summary.html", lines=self.text(student).splitlines())


def write(
    name: str, platform: str, folder: str | Path = "graded", tell: Callable[[str], object] = print
) -> list[Path]:
    """Write the grade file of a platform, and the zip with the feedback.

    Returns:
        the paths of both.

    Raises:
        ValueError: when the class list that was read is not that platform's own, or nothing is
            graded.
    """
    exercise = questions.load(name)
    course = files.Folder(folder)
    known = Roster.from_json(files.read_json(course.roster))
    results = course.results(exercise.name)
    if not results:
        raise ValueError(f"nothing is graded yet for {exercise.name} in {course.place}")
    if not known.students:
        raise ValueError("there is no class list: grade with ROSTER=…, the list that the platform "
                         "exports")  # fmt: skip
    plan = reports.plan_of(course, exercise)
    results = gradebook.synchronise(course, exercise, results)
    results = {student: plan.applied(result) for student, result in results.items()}
    written_pages = {}
    for student, result in results.items():
        notebook = files.read_json(course.notebook(exercise.name, student))
        written_pages[student] = feedback.page(result, exercise, notebook).encode(
            "utf-8", "replace"
        )
    work = Work(exercise, known, results, written_pages)
    grade_file, content, names = PLATFORMS[platform](work)
    place = course.place / "give_back" / exercise.name
    written = [place / grade_file, place / f"{platform}-feedback.zip"]
    files.write_atomically(written[0], content)
    files.write_atomically(written[1], _zip(names, written_pages))
    tell(f"grades: {os.path.relpath(written[0])}")
    tell(f"feedback: {os.path.relpath(written[1])}")
    unmatched = sorted(student for student, result in results.items() if not result.matched)
    if unmatched:
        tell(f"{len(unmatched)} are not matched and not given back: {', '.join(unmatched)}")
    without = sorted(student for student, result in results.items()
                     if result.matched and student not in names)  # fmt: skip
    if without:
        tell(f"{len(without)} have no page in the zip, because no file that was handed in has "
             f"their number in its name (of a group, one has): {', '.join(without)}")  # fmt: skip
    waiting = sum(result.state == "needs manual grading" for result in results.values())
    if waiting:
        tell(f"{waiting} have no grade yet: their written answers are to be read (make review)")
    return written


def _zip(names: dict[str, str], pages: dict[str, bytes]) -> bytes:
    """A zip with each student's page under the name that the platform expects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, name in sorted(names.items()):
            if student in pages:
                entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
                archive.writestr(entry, pages[student], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


Given = tuple[str, bytes, dict[str, str]]  # name and content of the grade file; names of pages


def _own_list(work: Work, platform: str, kinds: Iterable[str], which: str) -> list[str]:
    """The header of the platform's own list, which is what it takes back."""
    if work.roster.kind not in kinds:
        raise ValueError(
            f"the class list that was read is not {platform}'s ({work.roster.kind}): grade with "
            f"ROSTER=… as {which}; or give back as csv"
        )
    return list(work.roster.header)


def _filled(
    work: Work, header: list[str], values: dict[int, Callable[[str], str]]
) -> Rows:  # fmt: skip
    """The list's own lines, with some columns filled in for the students who have a grade."""
    rows = [list(row) + [""] * (len(header) - len(row)) for row in work.roster.rows]
    for student, line in work.roster.lines.items():
        result = work.results.get(student)
        if result is None or not result.matched:
            continue
        for column, value in values.items():
            rows[line][column] = value(student)
    return rows


def _column(header: list[str], name: str) -> int:
    """The place of a column; it is added where there is none."""
    plain = [plain_column(cell) for cell in header]
    if name in plain:
        return plain.index(name)
    header.append({"grade": "Grade", "feedbackcomments": "Feedback comments"}.get(name, name))
    return len(header) - 1


def moodle(work: Work) -> Given:
    """Moodle's grading worksheet; its importer goes by Identifier, Grade and the last date."""
    which = "Moodle's grading worksheet (View all submissions, Download grading worksheet)"
    header = _own_list(work, "Moodle", ("moodle worksheet",), which)
    grade, comments = _column(header, "grade"), _column(header, "feedbackcomments")
    rows = _filled(work, header, {grade: work.grade, comments: work.in_html})
    names = {}
    for student in work.roster.students:
        number = student.number.partition(" ")[2]
        shown = re.sub(r"[_/\\:*?\"<>|]", " ", student.name)
        names[student.id] = f"{shown}_{number}_assignsubmission_file_/feedback.html"
    return "moodle-grades.csv", _csv([header, *rows]), names


def canvas(work: Work) -> Given:
    """Canvas' gradebook: Student, ID, the SIS columns, Section, and one column of grades.

    The column of the exercise is known by its title and number, 'Exercise 2 (99)'; where the
    gradebook has none yet, Canvas makes an assignment of a new title.
    """
    which = "Canvas' gradebook (Grades, Export)"
    header = _own_list(work, "Canvas", ("canvas", "canvas with two names"), which)
    wanted = re.compile(rf"\s*{re.escape(work.title)}\b(?!\d)", re.I)
    found = [at for at, cell in enumerate(header) if wanted.match(cell)]
    own = ("student", "lastname", "firstname", "id", "sisuserid", "sisloginid", "integrationid",
           "rootaccount", "section")  # fmt: skip
    kept = [at for at, cell in enumerate(header) if plain_column(cell) in own]
    if len(found) > 1:
        shown = ", ".join(header[at] for at in found)
        raise ValueError(f"the gradebook has several columns for {work.title}: {shown}; leave one")
    if not found:
        header.append(work.title)
        found = [len(header) - 1]
    column = found[0]
    rows = _filled(work, header, {column: work.grade})
    for row in rows:
        if row[0].strip().lower() == "points possible":
            row[column] = f"{work.exercise.points:g}"
    order = [*kept, column]
    table = [[row[at] for at in order] for row in [header, *rows]]
    return "canvas-grades.csv", _csv(table), _names_for_canvas(work)


def _names_for_canvas(work: Work) -> dict[str, str]:
    """The file that each student handed in, by whose numbers Canvas finds the submission.

    What it finds by them it attaches to that student's submission, and to those of a group that it
    knows. So a file is an entry once, with the page of the student whose number stands in it.
    """
    numbers = {student.id: student.number.partition(" ")[2] for student in work.roster.students}
    names = {}
    for student, result in work.results.items():
        for part in result.file.split("/"):  # also a zip, where the notebook was in one
            written = re.search(r"_(\d+)_\d+_", part)
            if written and written[1] == numbers.get(student):
                names[student] = f"{re.sub(NOTEBOOK, '', part)}.html"
    return names


def blackboard(work: Work) -> Given:
    """Blackboard's Grade Centre: names, user, the column, and its notes and feedback."""
    which = "Blackboard's (Grade Centre, Work Offline, Download)"
    header = _own_list(work, "Blackboard", ("blackboard",), which)
    plain = [plain_column(cell) for cell in header]
    wanted = re.compile(rf"\s*{re.escape(work.title)}\b(?!\d)", re.I)
    found = [cell for cell in header if wanted.match(cell)]
    column = found[0] if found else f"{work.title} [Total Pts: {work.exercise.points:g} Score]"
    who = [plain.index(name) for name in ("lastname", "firstname", "username")]
    table = [[*(header[at] for at in who), column, "Grading Notes", "Notes Format",
              "Feedback to Learner", "Feedback Format"]]  # fmt: skip
    for student, line in work.roster.lines.items():
        result = work.results.get(student)
        if result is None or not result.matched:
            continue
        row = work.roster.rows[line]
        table.append([*(row[at] for at in who), work.grade(student), "", "",
                      work.in_html(student), "SMART_TEXT"])  # fmt: skip
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter="\t", lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerows([_tame(cell) for cell in row] for row in table)
    names = {student.id: f"{files.name_of(student.id)}.html" for student in work.roster.students}
    return "blackboard-grades.xls", lines.getvalue().encode("utf-16"), names


def gradescope(work: Work) -> Given:
    """A list by SID and e-mail, as Gradescope's own export begins."""
    header = ["First Name", "Last Name", "SID", "Email", f"{work.title} Total Score", "Max Points"]
    table = [header]
    for student in work.roster.students:
        result = work.results.get(student.id)
        if result is not None and result.matched:
            first, last = _names(student)
            sid = "" if student.id == student.email else student.id
            table.append([first, last, sid, student.email, work.grade(student.id),
                          f"{result.max:g}"])  # fmt: skip
    names = {student.id: f"{files.name_of(student.id)}.html" for student in work.roster.students}
    return "gradescope-grades.csv", _csv(table), names


def plain(work: Work) -> Given:
    """A table for whatever else: id, name, e-mail, grade and feedback."""
    table = [["id", "name", "email", "grade", "max", "feedback"]]
    for student in work.roster.students:
        result = work.results.get(student.id)
        grade, most = ("0", f"{work.exercise.points:g}") if result is None else (
            work.grade(student.id), f"{result.max:g}")  # fmt: skip
        said = work.text(student.id) or "Not handed in."
        table.append([student.id, student.name, student.email, grade, most, said])
    names = {student.id: f"{files.name_of(student.id)}.html" for student in work.roster.students}
    return "grades.csv", _csv(table), names


def _names(student: Student) -> tuple[str, str]:
    return (student.first, student.last) if student.last else gradebook.names_of(student.name)


def _csv(table: Rows) -> bytes:
    """UTF-8 with the mark by which spreadsheets know it; platforms take it as well."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerows([_tame(cell) for cell in row] for row in table)
    return lines.getvalue().encode("utf-8-sig", "replace")


def _tame(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: numbers below 0 stay."""
    if cell[:1] in ("=", "+", "@", "\t", "\r") or (cell[:1] == "-" and not _is_number(cell)):
        return cell if cell == "-" else f"'{cell}"
    return cell


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", cell) is not None


PLATFORMS: dict[str, Callable[[Work], Given]] = {
    "blackboard": blackboard,
    "canvas": canvas,
    "csv": plain,
    "gradescope": gradescope,
    "moodle": moodle,
}
