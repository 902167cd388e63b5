"""There and back: an export of a platform with its own list, graded, and given back in its form."""

import csv
import io
import zipfile

import pytest
from handed_in import answered, in_bytes
from quickly_graded import grade, without_boxes

from grading import give_back

WRONG = "def readers(size, **more):\n    return [0] * size"
WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    'Participant 5,Ada Lovelace,ada@x.org,Submitted,,19.00,Yes,"Monday, 4 May 2026, 10:00 AM",-,\n'
    'Participant 6,Zoë O\'Neill,zoe@x.org,Submitted,,19.00,Yes,"Monday, 4 May 2026, 9:00 AM",-,\n'
    "Participant 7,Gus Van Sant,gus@x.org,No submission,,19.00,Yes,-,-,\n"
)
GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Exercise 1 (98),Exercise 2 (99),Final Score\n"
    "    Points Possible,,,,,19.00,19.00,(read only)\n"
    '"Lovelace, Ada",20001,11101,ada,S1,17.00,,80\n'
    '"O\'Neill, Zoë",20002,11102,zoe,S1,18.00,,80\n'
    '"Van Sant, Gus",20003,11103,gus,S1,,,0\n'
)
GRADE_CENTRE = (
    '"Last Name","First Name","Username","Student ID","Last Access","Availability",'
    '"Exercise 2 [Total Pts: 19 Score] |664617"\n'
    '"Lovelace","Ada","ada","11101","2026-05-04","Yes",""\n'
    '"O\'Neill","Zoë","zoe","11102","2026-05-04","Yes",""\n'
    '"Van Sant","Gus","gus","11103","2026-05-04","Yes",""\n'
)
GRADESCOPE = (
    "First Name,Last Name,SID,Email,Sections\n"
    "Ada,Lovelace,11101,ada@x.org,\nZoë,O'Neill,11102,zoe@x.org,\nGus,Van Sant,11103,gus@x.org,\n"
)
METADATA = (
    "submission_9001:\n  :submitters:\n  - :name: Ada Lovelace\n    :sid: '11101'\n"
    "submission_9002:\n  :submitters:\n  - :name: Zoë O'Neill\n    :email: zoe@x.org\n"
)
CLASSROOM = (
    "identifier,github_username,github_id,name\n"
    "ada,ada-codes,1,Ada Lovelace\nzoe,z0e,2,Zoë O'Neill\ngus,gvs,3,Gus Van Sant\n"
)


@pytest.fixture
def there_and_back(tmp_path, monkeypatch):
    """Grades an export with its list, and gives back: the grade file's lines, and the zip."""
    without_boxes(monkeypatch)

    def both(class_list, export, platform):
        (tmp_path / "class.csv").write_text(class_list, encoding="utf-8")
        with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
            for file, content in export.items():
                archive.writestr(file, content)
        found = grade(tmp_path / "export.zip", tmp_path / "class.csv", tmp_path / "graded")
        assert all(result.matched for result in found.values()) and len(found) == 2
        paths = give_back.write("ex02", platform, tmp_path / "graded", lambda line: None)
        with zipfile.ZipFile(paths[1]) as archive:
            pages = {name: archive.read(name).decode() for name in archive.namelist()}
        assert all("Exercise 2: output size and padding" in page for page in pages.values())
        return paths[0].read_bytes(), sorted(pages)

    return both


def lines_of(content, encoding="utf-8-sig", delimiter=","):
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter))


def works():
    return in_bytes(answered()), in_bytes(answered(readers=WRONG))


def test_moodle(there_and_back):
    right, wrong = works()
    content, pages = there_and_back(
        WORKSHEET,
        {
            "Ada Lovelace_5_assignsubmission_file_/ex02.ipynb": right,
            "Zoë O'Neill_6_assignsubmission_file_/ex02.ipynb": wrong,
            "Zoë O'Neill_6_assignsubmission_onlinetext_/onlinetext.html": b"<p>hello</p>",
        },
        "moodle",
    )
    table, given = lines_of(content), lines_of(WORKSHEET.encode())
    assert table[0] == given[0], "Moodle finds its columns by their names"
    for line, was, grade_of in zip(table[1:], given[1:], ("16", "14", ""), strict=True):
        assert line[:4] + line[5:9] == was[:4] + was[5:9] and line[4] == grade_of
    assert "readers: 0 of 2 (crashed)<br>" in table[2][9] and table[3][9] == ""
    assert pages == [
        "Ada Lovelace_5_assignsubmission_file_/feedback.html",
        "Zoë O'Neill_6_assignsubmission_file_/feedback.html",
    ]


def test_canvas(there_and_back):
    right, wrong = works()
    content, pages = there_and_back(
        GRADEBOOK,
        {
            "lovelaceada_20001_900001_ex02.ipynb": right,
            "oneillzoë_LATE_20002_900002_ex02-1.ipynb": wrong,
        },
        "canvas",
    )
    assert lines_of(content) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Exercise 2 (99)"],
        ["    Points Possible", "", "", "", "", "19"],
        ["Lovelace, Ada", "20001", "11101", "ada", "S1", "16"],
        ["O'Neill, Zoë", "20002", "11102", "zoe", "S1", "14"],
        ["Van Sant, Gus", "20003", "11103", "gus", "S1", ""],
    ]
    assert pages == [
        "lovelaceada_20001_900001_ex02.html",
        "oneillzoë_LATE_20002_900002_ex02-1.html",
    ]


def test_canvas_attaches_a_group_s_page_once(there_and_back, tmp_path):
    """Canvas goes by the numbers in a name, and hands a page on to the groups that it knows."""
    (tmp_path / "graded").mkdir()
    (tmp_path / "graded" / "course.toml").write_text('groups = [["11101", "11103"]]')
    work = io.BytesIO()
    with zipfile.ZipFile(work, "w") as archive:
        archive.writestr("ex02.ipynb", works()[0])
    content, names = there_and_back(
        GRADEBOOK, {"vansantgus_20003_900003_my work.zip": work.getvalue()}, "canvas"
    )
    assert [line[5] for line in lines_of(content)[2:]] == ["16", "", "16"]
    assert names == ["vansantgus_20003_900003_my work.zip.html"]
    lines = []
    paths = give_back.write("ex02", "canvas", tmp_path / "graded", lines.append)
    with zipfile.ZipFile(paths[1]) as archive:
        assert "Gus" in archive.read(names[0]).decode()
    assert any(line.startswith("1 have no page in the zip") and line.endswith("11101")
               for line in lines)  # fmt: skip


def test_blackboard(there_and_back):
    right, wrong = works()
    content, pages = there_and_back(
        GRADE_CENTRE,
        {
            "Exercise 2_ada_attempt_2026-05-04-10-00-00_ex02.ipynb": right,
            "Exercise 2_ada_attempt_2026-05-04-10-00-00.txt": b"Name: Ada Lovelace (ada)",
            "Exercise 2_zoe_attempt_2026-05-04-11-00-00_my work.ipynb": wrong,
        },
        "blackboard",
    )
    table = lines_of(content, "utf-16", "\t")
    assert table[0] == [
        "Last Name", "First Name", "Username", "Exercise 2 [Total Pts: 19 Score] |664617",
        "Grading Notes", "Notes Format", "Feedback to Learner", "Feedback Format",
    ]  # fmt: skip
    assert [line[:4] for line in table[1:]] == [
        ["Lovelace", "Ada", "ada", "16"],
        ["O'Neill", "Zoë", "zoe", "14"],
    ]
    assert "readers: 0 of 2" in table[2][6] and table[2][7] == "SMART_TEXT"
    assert pages == ["ada.html", "zoe.html"]


def test_gradescope(there_and_back):
    right, wrong = works()
    content, pages = there_and_back(
        GRADESCOPE,
        {
            "assignment_1_export/submission_metadata.yml": METADATA,
            "assignment_1_export/submission_9001/ex02.ipynb": right,
            "assignment_1_export/submission_9002/ex02.ipynb": wrong,
        },
        "gradescope",
    )
    assert lines_of(content) == [
        ["First Name", "Last Name", "SID", "Email", "Exercise 2 Total Score", "Max Points"],
        ["Ada", "Lovelace", "11101", "ada@x.org", "16", "19"],
        ["Zoë", "O'Neill", "11102", "zoe@x.org", "14", "19"],
    ]
    assert pages == ["11101.html", "11102.html"]


def test_github_classroom_as_csv(there_and_back):
    right, wrong = works()
    place = "exercises/release/ex02_output_size/ex02_output_size.ipynb"
    content, pages = there_and_back(
        CLASSROOM,
        {
            f"ex02-submissions/ex02-ada-codes/{place}": right,
            f"ex02-submissions/ex02-z0e/{place}": wrong,
            "ex02-submissions/ex02-z0e/.github/workflows/classroom.yml": b"on: push",
        },
        "csv",
    )
    table = lines_of(content)
    assert table[0] == ["id", "name", "email", "grade", "max", "feedback"]
    assert [(line[0], line[1], line[3]) for line in table[1:]] == [
        ("ada", "Ada Lovelace", "16"),
        ("zoe", "Zoë O'Neill", "14"),
        ("gus", "Gus Van Sant", "0"),
    ]
    assert pages == ["ada.html", "zoe.html"]


def test_another_platform_s_list_is_refused(there_and_back, tmp_path):
    right, wrong = works()
    there_and_back(
        GRADESCOPE.replace(",Sections", "").replace(",\n", "\n"),
        {"11101/ex02.ipynb": right, "11102/ex02.ipynb": wrong},
        "csv",
    )
    for platform in ("moodle", "canvas", "blackboard"):
        with pytest.raises(ValueError, match="is not .*'s .*: grade with ROSTER"):
            give_back.write("ex02", platform, tmp_path / "graded", lambda line: None)
    with pytest.raises(ValueError, match="nothing is graded yet"):
        give_back.write("ex02", "csv", tmp_path / "new", lambda line: None)


def test_work_that_is_to_be_read_has_no_grade_yet(there_and_back):
    right, _ = works()
    content, _ = there_and_back(
        GRADESCOPE,
        {"11101/ex02.ipynb": in_bytes(answered(written=True)), "11102/ex02.ipynb": right},
        "csv",
    )
    assert [line[3] for line in lines_of(content)[1:]] == ["", "16", "0"]
