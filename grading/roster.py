"""The class list, as platforms and spreadsheets write it, and as a table that can be given back.

A list is recognised by its columns, not by its file's name. Text is UTF-8, UTF-16 or cp1252, its
fields stand between commas, semicolons or tabs, and `sep=;` may stand in its first line; `.xlsx` is
read as well. Whoever has no number of their own is a row all the same, named by e-mail or by name.
"""

import csv
import io
import re
import unicodedata
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

PLAIN_ID = re.compile(r"\w[\w.@+ -]*")
WITHOUT_ID = re.compile(r"[^\w.@+-]+")
MOST_ABOVE = 20  # lines above the columns: a title, a date


class Student(NamedTuple):
    """A line of the class list.

    Attributes:
        id: as the platform has it; files are named by `files.name_of` it.
        name: as it is shown.
        first: the first names, where the list has them apart; `last` the family name.
        user: the name that the student has at the platform, '' where it is the id.
        number: the platform's own, which stands in the names of its exports: 'canvas 20001'.
        handed_in: when the platform says it was handed in; '' where it does not.
    """

    id: str
    name: str
    email: str = ""
    first: str = ""
    last: str = ""
    user: str = ""
    number: str = ""
    handed_in: str = ""


FIRST = tuple("firstname givenname first firstnames vorname prenom nombre nome".split())
LAST = tuple("lastname surname familyname last nachname nom apellidos cognome".split())


class Kind(NamedTuple):
    """One platform's list: the columns by which it is known, and where things stand in it.

    Attributes:
        signs: columns that only this list has, all of them.
        id: the columns that may hold the id, the best first; the first that is filled counts.
    """

    signs: tuple[str, ...]
    id: tuple[str, ...]
    name: tuple[str, ...] = ("name", "fullname", "studentname", "student")
    first: tuple[str, ...] = FIRST
    last: tuple[str, ...] = LAST
    email: tuple[str, ...] = ("email", "emailaddress", "mail")
    user: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    handed_in: tuple[str, ...] = ()


# The platforms' own lists, by the columns of their exports; the first whose signs are there is it.
KINDS = {
    "moodle worksheet": Kind(
        ("identifier", "grade", "lastmodifiedgrade"),
        ("idnumber", "username", "emailaddress", "identifier"),
        name=("fullname",),
        number=("identifier",),
        handed_in=("lastmodifiedsubmission",),
    ),
    "canvas": Kind(
        ("student", "id", "sisloginid", "section"),
        ("sisuserid", "sisloginid", "id"),
        name=("student",),
        user=("sisloginid",),
        number=("id",),
    ),
    "canvas with two names": Kind(
        ("lastname", "firstname", "id", "sisloginid", "section"),
        ("sisuserid", "sisloginid", "id"),
        name=(),
        user=("sisloginid",),
        number=("id",),
    ),
    "blackboard": Kind(
        ("lastname", "firstname", "username", "lastaccess"),
        ("username", "studentid"),
        name=(),
        user=("studentid",),
    ),
    "github classroom": Kind(
        ("identifier", "githubusername"),
        ("identifier", "githubusername"),
        name=("name", "identifier"),
        user=("githubusername",),
    ),
    "gradescope": Kind(("sid", "email"), ("sid", "email"), number=("submissionid",),
                       handed_in=("submissiontime",)),
    "d2l": Kind(("orgdefinedid",), ("orgdefinedid", "username"), user=("username",)),
    "moodle participants": Kind(
        ("firstname", "lastname", "emailaddress", "idnumber"),
        ("idnumber", "username", "emailaddress"),
        user=("username",),
    ),
    "google classroom": Kind(
        ("lastname", "firstname", "emailaddress"),
        ("idnumber", "username", "studentid", "id", "emailaddress"),
    ),
}  # fmt: skip
PLAIN = Kind(
    (),
    ("id", "studentid", "identifikator", "idnummer", "idnumber", "studentnumber",
     "matriculationnumber", "matriculation",
     "matrikelnummer", "numerodidentification", "numerodeid", "matricola",
     "number", "username", "user", "login", "anmeldename", "sisloginid",
     "student", "emailaddress", "emailadresse", "email", "mail"),
    name=("name", "fullname", "studentname", "student", "vollstandigername"),
    email=("email", "emailaddress", "emailadresse", "adressedecourriel", "direcciondecorreo",
           "indirizzoemail", "mail"),
    user=("username", "user", "login", "githubusername", "github"),
    number=("canvasid", "participant", "identifier"),
)  # fmt: skip


@dataclass(frozen=True)
class Roster:
    """The students, and the table that they were read from.

    Attributes:
        kind: whose list it is: a key of `KINDS`, or 'plain'.
        students: in the order of the list.
        header: the first line of the table, as it stands there.
        rows: all further lines; `lines` holds, for each student's id, the place of theirs.
        notes: what an instructor should know of it.
    """

    kind: str = "plain"
    students: tuple[Student, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"students": [student._asdict() for student in self.students]}

    @classmethod
    def from_json(cls, data: Any) -> "Roster":
        """What `to_json` gave; an empty one for anything else."""
        try:
            return cls(
                data["kind"],
                tuple(Student(**student) for student in data["students"]),
                tuple(data["header"]),
                tuple(tuple(row) for row in data["rows"]),
                dict(data["lines"]),
                tuple(data["notes"]),
            )
        except (TypeError, KeyError):
            return cls()


def read(path: str | Path) -> Roster:
    """Read a class list.

    Raises:
        ValueError: when there are no columns for it, an id stands twice, or it is no table; with
            the line.
    """
    path = Path(path)
    table = _table(path)
    top = _top(table)
    header = table[top] if table else []
    columns = _columns(header)
    if columns is None:
        shown = ", ".join(header)[:100]
        raise ValueError(f"the roster {path} needs the columns id and name (or first name and last "
                         f"name) in its first line; found: {shown!r}")  # fmt: skip
    name, places = columns
    students: list[Student] = []
    lines: dict[str, int] = {}
    notes: list[str] = []
    for number, row in enumerate(table[top + 1 :], start=top + 2):
        student = _student(name, places, row)
        if student is None:
            continue
        if student in students:
            notes.append(f"{path.name}, line {number}: {student.name} stands there twice")
            continue
        if student.id in lines:
            raise ValueError(f"{path}, line {number}: the id {student.id} stands in line "
                             f"{lines[student.id] + top + 2} already")  # fmt: skip
        if not _first_filled(places["id"][:1], row):
            notes.append(f"{path.name}, line {number}: {student.name or student.email} has no "
                         f"{header[places['id'][0]]} and is called {student.id}")  # fmt: skip
        lines[student.id] = number - top - 2
        students.append(student)
    if not students:
        raise ValueError(f"the roster {path} names nobody below its first line")
    rows = tuple(tuple(row) for row in table[top + 1 :])
    return Roster(name, tuple(students), tuple(header), rows, lines, tuple(notes))


def _top(table: list[list[str]]) -> int:
    """The place of the line with the columns: above it may stand a title or a date, shorter."""
    for at, row in enumerate(table[:MOST_ABOVE]):
        above = max((sum(map(bool, line)) for line in table[:at]), default=0)
        if _columns(row) and above < sum(map(bool, row)):
            return at
    return 0


def _columns(header: list[str]) -> tuple[str, dict[str, list[int]]] | None:
    """Whose list begins with such a line, and where things stand in it; None for another line."""
    plain = [plain_column(cell) for cell in header]
    name, kind = next(
        ((name, kind) for name, kind in KINDS.items() if set(kind.signs) <= set(plain)),
        ("plain", PLAIN),
    )
    places = {
        what: [plain.index(column) for column in getattr(kind, what) if column in plain]
        for what in ("id", "name", "first", "last", "email", "user", "number", "handed_in")
    }
    named = places["name"] or places["last"] or name == "moodle worksheet"
    return (name, places) if places["id"] and named else None


def _student(kind: str, places: dict[str, list[int]], row: list[str]) -> Student | None:
    """The student of a line; None where the line is nobody's."""
    cells = {what: _first_filled(where, row) for what, where in places.items()}
    first, last, name = cells["first"], cells["last"], cells["name"]
    if kind.startswith("canvas") and (name or last).strip().lower().startswith(
        ("points possible", "student, test")
    ):
        return None
    if not any(cells[what] for what in ("id", "name", "first", "last", "email")):
        return None
    if kind == "google classroom" and "@" not in cells["email"]:
        return None  # lines on dates and points
    if not first and name.count(",") == 1 and kind != "github classroom":
        last, first = (part.strip() for part in name.split(","))
        name = ""
    name = name or f"{first} {last}".strip()
    student_id = cells["id"].removeprefix("#") if kind == "d2l" else cells["id"]
    number = ""
    if kind == "moodle worksheet" and student_id == cells["number"]:
        student_id = student_id.replace(" ", "-").lower()
    if kind == "github classroom" and not PLAIN_ID.fullmatch(student_id):
        student_id = cells["user"] or WITHOUT_ID.sub("-", student_id).strip("-")
    if blind := re.fullmatch(r"(?i)(?:participant|teilnehmer)\S*\s*(\d+)", student_id):
        student_id = f"participant-{blind[1]}"  # a worksheet in another language
        number = f"moodle {blind[1]}"
    if not student_id:
        student_id = cells["email"] or WITHOUT_ID.sub("-", name.lower()).strip("-.")
    if digits := re.search(r"\d+$", cells["number"]):
        platform = kind.split()[0] if kind != "plain" else _plain_platform(cells["number"])
        number = f"{platform} {digits[0]}"
    user = cells["user"].removeprefix("#")
    name = name or student_id
    return Student(
        student_id, name, cells["email"], first, last, user, number, cells["handed_in"]
    )  # fmt: skip


def _plain_platform(number: str) -> str:
    return "moodle" if re.match(r"(?i)participant|teiln", number) else "canvas"


def _first_filled(places: list[int], row: list[str]) -> str:
    return next((row[at].strip() for at in places if at < len(row) and row[at].strip()), "")


def plain_column(cell: str) -> str:
    """A column's name in small letters, without accents, marks and remarks."""
    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKD", cell).lower())


# --- From a file to a table -----------------------------------------------------------------------


def _table(path: Path) -> list[list[str]]:
    """The lines of a list, each a list of cells."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ValueError(f"the roster {path} cannot be read: {problem.strerror}") from None
    if content.startswith(b"PK\x03\x04"):
        return _table_of_workbook(path, content)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError(f"the roster {path} is an old .xls workbook: save it as .xlsx or CSV")
    text = decoded(content).replace("\r\n", "\n").replace("\r", "\n")  # of an older Mac's Excel
    if "\0" in text:
        raise ValueError(f"the roster {path} cannot be read: it is no text. Save it as CSV (UTF-8)")
    delimiter = ""
    if asked := re.match(r"sep=(.)\n", text):
        delimiter, text = asked[1], text[asked.end() :]
    try:
        delimiter = delimiter or _delimiter(text)
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as problem:
        raise ValueError(f"the roster {path} cannot be read: {problem}") from None


def _delimiter(text: str) -> str:
    """What parts the cells: the mark that gives the columns' line the most that are known."""
    known = {column for kind in (*KINDS.values(), PLAIN) for column in sum(kind, ())}
    first = text.split("\n")[:MOST_ABOVE]

    def worth(mark: str) -> tuple[int, int]:
        rows = [next(csv.reader([line], delimiter=mark), []) for line in first]
        return max((len({plain_column(cell) for cell in row} & known), len(row)) for row in rows)

    return max(",;\t", key=worth)


def decoded(content: bytes) -> str:
    """A text in UTF-8, UTF-16 or cp1252: in the first of them that fits."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if content[1:2] == b"\0" or content[:1] == b"\0":
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _table_of_workbook(path: Path, content: bytes) -> list[list[str]]:
    """The first sheet of an .xlsx file."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise ValueError(f"to read {path} takes openpyxl, which make installs with the grader; "
                         "or save it as CSV") from None  # fmt: skip
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # some programs write too small ones
        rows = [[_cell(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    except (zipfile.BadZipFile, LookupError, SyntaxError, ValueError, OSError) as problem:
        raise ValueError(f"the roster {path} cannot be read as a workbook: {problem}") from None
    return [row for row in rows if any(row)]


def _cell(value: Any) -> str:
    """A cell of a workbook: a whole number without the point that spreadsheets give it."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
