"""Who handed in what: the layouts of learning platforms, rosters, and archives that mean harm."""

import io
import os
import stat
import zipfile

import pytest

from grading import collect
from grading.collect import Student

ROSTER = [
    Student("jdoe", "Jane Doe", "jane.doe@example.org"),
    Student("s1234567", "Jörg Müller-Lüdenscheidt", "joerg@example.org"),
    Student("4711", "Zoë van der Berg", "zoe@example.org"),
    Student("li1", "Wei Li", "wei.li@example.org"),
    Student("li2", "Wei Li", "wei.li.2@example.org"),
]

LAYOUTS = {
    # Moodle
    "Jane Doe_12345_assignsubmission_file_/notebook.ipynb": "jdoe",
    "Doe Jane_12345_assignsubmission_file_/Copy of ex02.ipynb": "jdoe",
    "Jörg Müller-Lüdenscheidt_99_assignsubmission_file_/ex02_output_size.ipynb": "s1234567",
    "Joerg Mueller-Luedenscheidt_99_assignsubmission_file_/x.ipynb": "s1234567",
    "Jorg Muller-Ludenscheidt_99_assignsubmission_file_/x.ipynb": "s1234567",
    # Canvas
    "doejane_12345_67890_ex02_output_size-2.ipynb": "jdoe",
    "doejane_LATE_12345_67890_ex02_output_size.ipynb": "jdoe",
    "vanderbergzoe_1_2_ex02.ipynb": None,  # Canvas' own guess at where the last name begins
    # by hand
    "Copy of ex02_output_size - Jane Doe.ipynb": "jdoe",
    "ex02 jane.doe@example.org.ipynb": "jdoe",
    "jane_doe.ipynb": "jdoe",
    "JDOE.ipynb": "jdoe",
    "4711/ex02 (1).ipynb": "4711",
    "zoë-van-der-berg/ex02.ipynb": "4711",
    "s1234567.ipynb": "s1234567",
    # nbgrader
    "submitted/li2/ex02_output_size/ex02_output_size.ipynb": "li2",
    "Wei Li_1_assignsubmission_file_/ex02.ipynb": None,  # there are two of them
    "wei.li.2@example.org.ipynb": "li2",  # 'wei.li' fits as well, but less of it
    "14711.ipynb": None,  # an id is a whole word
    "Janet Doerr.ipynb": None,
    "ex02.ipynb": None,
}


def put(place, file, content=b"{}", time=None):
    path = place / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if time is not None:
        os.utime(path, (time, time))
    return path


@pytest.mark.parametrize("file", LAYOUTS)
def test_layouts(tmp_path, file):
    put(tmp_path, file)
    found = collect.collect(tmp_path, "ex02_output_size", ROSTER)
    (submission,) = found.submissions
    assert submission.file == file
    if LAYOUTS[file] is None:
        assert not submission.matched and submission.student.startswith("unmatched-")
        assert any(file in note for note in found.notes)
        assert len(found.missing) == len(ROSTER)
    else:
        assert (submission.student, submission.matched) == (LAYOUTS[file], True)
        assert [student.id for student in found.missing] == [
            student.id for student in ROSTER if student.id != LAYOUTS[file]
        ]


@pytest.mark.parametrize("file", LAYOUTS)
def test_layouts_in_a_zip(tmp_path, file):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(file, "{}")
    (submission,) = collect.collect(path, "ex02_output_size", ROSTER).submissions
    assert submission.file == f"export.zip/{file}"
    assert submission.matched == (LAYOUTS[file] is not None)


def test_without_a_roster_the_name_is_the_student(tmp_path):
    for number in range(12):
        put(tmp_path, f"student-{number}/ex02.ipynb")
    put(tmp_path, "Copy of ex02_output_size - Zoë Berg (2).ipynb")
    put(tmp_path, "doejane_12345_67890_ex02-2.ipynb")
    put(tmp_path, "81234/ex02.ipynb")
    found = collect.collect(tmp_path, "ex02_output_size")
    names = {f"student-{number}" for number in range(12)} | {"zoe-berg", "doejane", "81234"}
    assert {submission.student for submission in found.submissions} == names
    assert all(submission.matched for submission in found.submissions)


def test_files_that_name_nobody_stay_apart(tmp_path):
    for name in ("ex02.ipynb", "Copy of ex02.ipynb", "final version.ipynb", "Untitled.ipynb"):
        put(tmp_path, name)
    for roster in ((), ROSTER):
        found = collect.collect(tmp_path, "ex02_output_size", roster)
        assert len({each.student for each in found.submissions}) == 4


def test_the_latest_of_several_counts_and_none_is_dropped(tmp_path):
    put(tmp_path, "jdoe/ex02.ipynb", b"first", 1_000)
    put(tmp_path, "jdoe/ex02 (2).ipynb", b"third", 2_000)
    put(tmp_path, "jdoe/ex02 (1).ipynb", b"second", 2_000)
    put(tmp_path, "jdoe/thoughts.pdf", b"%PDF", 9_000)
    found = collect.collect(tmp_path, "ex02", ROSTER)
    (submission,) = found.submissions
    assert submission.content == b"third"
    assert submission.earlier == ("jdoe/thoughts.pdf", "jdoe/ex02.ipynb", "jdoe/ex02 (1).ipynb")
    assert any("jdoe handed in 4 files" in note for note in found.notes)


def test_a_script_alone_is_a_submission(tmp_path):
    put(tmp_path, "jdoe/answers.py", b"x = 1")
    (submission,) = collect.collect(tmp_path, "ex02", ROSTER).submissions
    assert submission.file == "jdoe/answers.py" and submission.content == b"x = 1"


def test_what_nobody_sent_is_left_out(tmp_path):
    for file in ("__MACOSX/jdoe/._ex02.ipynb", ".DS_Store", "jdoe/.ipynb_checkpoints/ex02.ipynb",
                 "jdoe/Thumbs.db"):  # fmt: skip
        put(tmp_path, file)
    put(tmp_path, "jdoe/ex02.ipynb")
    (submission,) = collect.collect(tmp_path, "ex02", ROSTER).submissions
    assert submission.earlier == ()


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match="there is no .*nowhere"):
        collect.collect(tmp_path / "nowhere", "ex02")
    with pytest.raises(ValueError, match="nothing was handed in"):
        collect.collect(tmp_path, "ex02")


# --- Archives -------------------------------------------------------------------------------------


def zipped(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_zips_in_folders_and_in_zips(tmp_path):
    inner = zipped({"ex02.ipynb": b"inner"})
    put(tmp_path, "jdoe/mine.zip", inner)
    put(tmp_path, "all.zip", zipped({"Zoë van der Berg/mine.zip": inner}))
    found = collect.collect(tmp_path, "ex02", ROSTER)
    assert {each.student: each.content for each in found.submissions} == {
        "jdoe": b"inner",
        "4711": b"inner",
    }


def test_paths_that_lead_out_of_a_zip_lead_nowhere(tmp_path):
    names = ("../../jdoe.ipynb", "/etc/jdoe.ipynb", "..\\\\..\\\\jdoe.ipynb")
    put(tmp_path, "in/all.zip", zipped({name: b"x" for name in names}))
    before = sorted(tmp_path.rglob("*"))
    (submission,) = collect.collect(tmp_path / "in", "ex02", ROSTER).submissions
    assert ".." not in submission.file and submission.student == "jdoe"
    assert sorted(tmp_path.rglob("*")) == before


def test_links_are_not_followed(tmp_path):
    secret = put(tmp_path, "secret.ipynb", b"secret")
    put(tmp_path, "in/4711/ex02.ipynb")
    (tmp_path / "in" / "jdoe.ipynb").symlink_to(secret)
    (tmp_path / "in" / "li1").symlink_to(tmp_path)
    link = zipfile.ZipInfo("s1234567.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "in" / "all.zip", "w") as archive:
        archive.writestr(link, str(secret))
    found = collect.collect(tmp_path / "in", "ex02", ROSTER)
    assert [each.student for each in found.submissions] == ["4711"]
    assert sum("is a link" in note for note in found.notes) == 3


def test_a_bomb_is_a_problem_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "MOST_BYTES", 1_000_000)
    put(tmp_path, "all.zip", zipped({"jdoe.ipynb": bytes(50_000_000), "4711.ipynb": b"fine"}))
    put(tmp_path, "s1234567.ipynb", bytes(1_000_001))
    found = {each.student: each for each in collect.collect(tmp_path, "ex02", ROSTER).submissions}
    assert "larger than 1 MB" in found["jdoe"].problem and found["jdoe"].content == b""
    assert "larger than 1 MB" in found["s1234567"].problem
    assert found["4711"].content == b"fine"


def test_a_zip_within_itself_ends(tmp_path):
    content = b"x"
    for _ in range(10):
        content = zipped({"jdoe.zip": content})
    put(tmp_path, "all.zip", content)
    (submission,) = collect.collect(tmp_path, "ex02", ROSTER).submissions
    assert submission.file.count(".zip") == collect.DEEPEST + 1


def test_too_many_files_end_with_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "MOST_FILES", 5)
    for number in range(9):
        put(tmp_path, f"student-{number}.ipynb")
    found = collect.collect(tmp_path, "ex02")
    assert len(found.submissions) == 5
    assert sum("too many files" in note for note in found.notes) == 1


def test_damaged_and_encrypted_zips(tmp_path):
    good = zipped({"jdoe.ipynb": os.urandom(2000)})
    put(tmp_path, "4711.zip", b"PK\x03\x04 no zip")
    put(tmp_path, "jdoe.zip", good[:60] + bytes(50) + good[110:])
    locked = bytearray(zipped({"s1234567.ipynb": b"x"}))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    put(tmp_path, "other.zip", bytes(locked))
    found = {each.student: each for each in collect.collect(tmp_path, "ex02", ROSTER).submissions}
    assert set(found) == {"4711", "jdoe", "s1234567"}
    assert all(each.problem and each.content == b"" for each in found.values())


def test_strange_names_make_safe_ids(tmp_path):
    names = ["a/../b", "\x1b[31mred", "x" * 500, "<script>", "=cmd()", "…", "日本 太郎"]
    put(tmp_path, "all.zip", zipped({f"{name}/e.ipynb": b"" for name in names}))
    found = collect.collect(tmp_path, "ex02", ROSTER)
    for each in found.submissions:
        assert "/" not in each.student and len(each.student) < 80 and each.student.isprintable()


# --- The roster -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "id,name,email\njdoe,Jane Doe,jane@example.org\n",
        "\ufeffStudent ID;First name;Last name;E-mail\njdoe;Jane;Doe;jane@example.org\n\n",
        "Email address\tSurname\tUsername\tFirst Name\njane@example.org\tDoe\tjdoe\tJane",
    ],
)
def test_rosters(tmp_path, text):
    path = put(tmp_path, "class.csv", text.encode())
    assert collect.read_roster(path) == [Student("jdoe", "Jane Doe", "jane@example.org")]


@pytest.mark.parametrize(
    "content, says",
    [
        (b"id,name\na,A B\na,C D\n", "line 3: the id a stands in line 2"),
        (b"id,name\n,A B\n", "line 2: no id"),
        (b"id,name\n../x,A B\n", "cannot name a file"),
        (b"mail,phone\n1,2\n", "needs the columns id and name"),
        (b"", "needs the columns"),
        (b"id,name\n\xff\xfe,x\n", "cannot be read"),
    ],
)
def test_rosters_that_are_wrong(tmp_path, content, says):
    path = put(tmp_path, "class.csv", content)
    with pytest.raises(ValueError, match=says) as caught:
        collect.read_roster(path)
    assert "class.csv" in str(caught.value)
