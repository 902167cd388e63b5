"""Class lists as platforms and spreadsheets write them."""

import io
import re
import zipfile

import pytest

from grading import roster
from grading.roster import Student

JANE = Student("jdoe", "Jane Doe", "jane@example.org")
PLATFORMS = {
    "plain": ("id,name,email\njdoe,Jane Doe,jane@example.org\n", JANE),
    "plain, semicolons": (
        "Student ID;First name;Last name;E-mail\njdoe;Jane;Doe;jane@example.org\n\n",
        JANE._replace(first="Jane", last="Doe"),
    ),
    "plain, tabs": (
        "Email address\tSurname\tUsername\tFirst Name\njane@example.org\tDoe\tjdoe\tJane",
        JANE._replace(first="Jane", last="Doe", user="jdoe"),
    ),
    "moodle participants": (
        "First name,Last name,ID number,Email address,Groups\n"
        "Jane,Doe,,jane@example.org,\nZoë,Berg,4711,zoe@example.org,\n",
        Student("jane@example.org", "Jane Doe", "jane@example.org", "Jane", "Doe"),
    ),
    "moodle worksheet": (
        "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
        "Last modified (submission),Last modified (grade),Feedback comments\n"
        'Participant 5,Jane Doe,jane@example.org,Submitted,,19.00,Yes,"Monday, 4 May 2026",-,\n',
        Student("jane@example.org", "Jane Doe", "jane@example.org", number="moodle 5",
                handed_in="Monday, 4 May 2026"),
    ),
    "canvas": (
        "Student,ID,SIS User ID,SIS Login ID,Section,Exercise 2 (99)\n"
        '    Points Possible,,,,,19.00\n"Doe, Jane",20001,11101,jdoe,S1,\n'
        '"Student, Test",20009,,x,S1,\n',
        Student("11101", "Jane Doe", "", "Jane", "Doe", "jdoe", "canvas 20001"),
    ),
    "blackboard": (
        '"Last Name","First Name","Username","Student ID","Last Access","Availability"\n'
        '"Doe","Jane","jdoe","4711","2026-05-04","Yes"\n',
        Student("jdoe", "Jane Doe", "", "Jane", "Doe", "4711"),
    ),
    "google classroom": (
        "Last Name,First Name,Email Address,Exercise 2\nDate,,,2026-05-04\nPoints,,,19\n"
        "Doe,Jane,jane@example.org,\n",
        Student("jane@example.org", "Jane Doe", "jane@example.org", "Jane", "Doe"),
    ),
    "gradescope": (
        "First Name,Last Name,SID,Email,Sections,Total Score,Submission ID\n"
        "Jane,Doe,11101,jane@example.org,,,9001\n",
        Student("11101", "Jane Doe", "jane@example.org", "Jane", "Doe", "", "gradescope 9001"),
    ),
    "github classroom": (
        'identifier,github_username,github_id,name\n"Doe, Jane",jane-doe,1,Jane Doe\n',
        Student("jane-doe", "Jane Doe", "", "", "", "jane-doe"),
    ),
    "d2l": (
        "OrgDefinedId,Username,Last Name,First Name,Email,End-of-Line Indicator\n"
        "#4711,#jdoe,Doe,Jane,jane@example.org,#\n",
        Student("4711", "Jane Doe", "jane@example.org", "Jane", "Doe", "jdoe"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("platform", PLATFORMS)
def test_lists_of_platforms(tmp_path, platform):
    text, student = PLATFORMS[platform]
    path = tmp_path / "class.csv"
    path.write_text(text, encoding="utf-8")
    found = roster.read(path)
    assert found.kind == platform.split(",")[0]
    assert found.students[0] == student
    assert len(found.students) == (2 if platform == "moodle participants" else 1)
    assert student.name.split()[-1] in "".join(found.rows[found.lines[student.id]])
    assert roster.Roster.from_json(found.to_json()) == found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("form", ["{}", "sep=;\r\n{}"])
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lists_as_spreadsheets_save_them(tmp_path, encoding, form, end):
    path = tmp_path / "class.csv"
    text = form.format("id;name;email\r\n4711;Zoë Müller;zoe@example.org\r\n").replace("\r\n", end)
    path.write_bytes(text.encode(encoding))
    assert roster.read(path).students == (Student("4711", "Zoë Müller", "zoe@example.org"),)


ABOVE = ("\n\n", "Vision;;\nexported 2026-05-04;;\n\n", "sep=;\n\ufeff\n")


@pytest.mark.parametrize("above", ABOVE)
def test_lines_above_the_columns(tmp_path, above):
    path = tmp_path / "class.csv"
    text = f"{above}ID;Nom;Prénom;Adresse de courriel\n7;Berg;Zoë;z@example.org\n7;Ada;L;\n"
    path.write_text(text.removesuffix("7;Ada;L;\n"), encoding="utf-8")
    found = roster.read(path)
    (student,) = found.students
    assert (student.id, student.name, student.first) == ("7", "Zoë Berg", "Zoë")
    assert found.rows[found.lines["7"]][1] == "Berg"
    path.write_text(text, encoding="utf-8")
    lines = above.count("\n") - above.startswith("sep=")
    with pytest.raises(ValueError, match=f"line {lines + 3}: the id 7 stands in line {lines + 2}"):
        roster.read(path)


def test_a_line_that_stands_there_twice_is_said(tmp_path):
    path = tmp_path / "class.csv"
    path.write_text("id,name\n1,Ada L\n1,Ada L\n2,Bob M\n")
    found = roster.read(path)
    assert [student.id for student in found.students] == ["1", "2"]
    assert found.notes == ("class.csv, line 3: Ada L stands there twice",)


def test_a_workbook_is_a_list_too(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="comes with the grading extra")
    book = openpyxl.Workbook()
    for row in (["id", "name", "email"], [4711.0, "Zoë Müller", "zoe@example.org"], [None] * 3):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    path = tmp_path / "class.xlsx"
    path.write_bytes(content.getvalue())
    assert roster.read(path).students == (Student("4711", "Zoë Müller", "zoe@example.org"),)

    def with_sheet(change):
        """The workbook with another text of its sheet."""
        changed = io.BytesIO()
        with zipfile.ZipFile(content) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                sheet = name.endswith("sheet1.xml")
                new.writestr(name, change(old.read(name)) if sheet else old.read(name))
        return changed.getvalue()

    # As some programs leave it, which write line by line.
    path.write_bytes(with_sheet(lambda text: re.sub(rb'ref="[A-Z0-9:]+"', b'ref="A1"', text)))
    assert roster.read(path).students[0].name == "Zoë Müller"
    path.write_bytes(with_sheet(lambda text: text[:-80]))
    with pytest.raises(ValueError, match="cannot be read as a workbook"):
        roster.read(path)


def test_a_person_without_a_number_is_a_row_and_is_said(tmp_path):
    path = tmp_path / "class.csv"
    path.write_text("id,name,email\n,Ann B,\n,Cy D,cy@example.org\ne1,Eve F,\n")
    found = roster.read(path)
    assert [student.id for student in found.students] == ["ann-b", "cy@example.org", "e1"]
    assert len(found.notes) == 2 and "line 2: Ann B has no id" in found.notes[0]


def test_ids_are_as_the_platform_has_them(tmp_path):
    path = tmp_path / "class.csv"
    path.write_text("id,name\no'brien,Ann B\nCS/2020/015,Cy D\n../x,Eve F\n")
    assert [student.id for student in roster.read(path).students] == [
        "o'brien", "CS/2020/015", "../x",
    ]  # fmt: skip


def test_a_worksheet_in_german(tmp_path):
    path = tmp_path / "class.csv"
    text = "ID,Vollständiger Name,E-Mail-Adresse\nTeilnehmer/in5,Zoë Müller,zoe@example.org\n"
    path.write_text(text, encoding="utf-8")
    (student,) = roster.read(path).students
    assert (student.name, student.email) == ("Zoë Müller", "zoe@example.org")
    assert student.number == "moodle 5"


@pytest.mark.parametrize(
    "content, says",
    [
        (b"id,name\na,A B\na,C D\n", "line 3: the id a stands in line 2"),
        (b"mail,phone\n1,2\n", "needs the columns id and name"),
        (b"", "needs the columns"),
        (b"id,name\n", "names nobody"),
        (b"PK\x03\x04 nothing", "as a workbook"),
        (b"id,name\n1," + b"a" * 200_000, "cannot be read: field larger"),
        (b"\xd0\xcf\x11\xe0", "old .xls"),
    ],
)
def test_lists_that_are_wrong(tmp_path, content, says):
    path = tmp_path / "class.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        roster.read(path)
    assert "class.csv" in str(caught.value)
