"""Who handed in what: layouts, the right one of several files, archives that mean harm, times."""

import io
import json
import os
import stat
import zipfile
from datetime import UTC, datetime

import pytest
from handed_in import answered, cell_of, in_bytes, released

from grading import archives, collect, matches
from grading.collect import Student
from grading.examiner import about
from grading.results import Result

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
    "vanderbergzoe_1_2_ex02.ipynb": "4711",
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
    names = {f"student-{number}" for number in range(12)}
    names |= {"zoe-berg", "81234", "doejane-12345"}
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
    inner, names = zipped({"ex02.ipynb": b"inner"}), ("jdoe", "4711", "s1234567")
    put(tmp_path, "zips/all.zip", zipped({f"{name}/mine.zip": inner for name in names}))
    for name in names:
        put(tmp_path, f"folders/{name}/mine.zip", inner)
    for place in ("zips", "folders"):
        found = collect.collect(tmp_path / place, "ex02", ROSTER).submissions
        assert {each.student: each.content for each in found} == dict.fromkeys(names, b"inner")


def test_paths_that_lead_out_of_a_zip_lead_nowhere(tmp_path):
    names = ("../../jdoe.ipynb", "/jdoe.ipynb", "..\\\\..\\\\jdoe.ipynb")
    put(tmp_path, "in/all.zip", zipped({name: b"x" for name in names}))
    before = sorted(tmp_path.rglob("*"))
    (submission,) = collect.collect(tmp_path / "in", "ex02", ROSTER).submissions
    assert ".." not in submission.file and submission.student == "jdoe"
    assert len(submission.earlier) == 2, "each of the three is accounted for"
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
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    put(tmp_path, "jdoe.zip", zipped({"ex02.ipynb": bytes(50_000_000)}))
    put(tmp_path, "4711.zip", zipped({"ex02.ipynb": b"fine"}))
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
    assert submission.file.count(".zip") == archives.DEEPEST + 1


def test_many_files_of_one_student_cost_nobody_else(tmp_path):
    """12,000 files of a virtual environment, 3,000 notebooks, and a zip of zeros: each its own."""
    venv = {f".venv/lib/{number}.py": b"" for number in range(12_000)}
    put(tmp_path, "jdoe/project.zip", zipped({**venv, "ex02.ipynb": b"{}"}))
    many = {f"{number}.ipynb": b"{}" for number in range(3_500)}
    put(tmp_path, "4711/many.zip", zipped(many))
    zeros = {f"{number}.ipynb": bytes(24_900_000) for number in range(6)}
    put(tmp_path, "li1/zeros.zip", zipped(zeros))
    for number in range(archives.MOST_NOTEBOOKS + 5):
        put(tmp_path, f"li2/{number}.ipynb", b"{}")
    put(tmp_path, "s1234567/ex02.ipynb", b"{}")
    found = collect.collect(tmp_path, "ex02", ROSTER)
    by_student = {each.student: each for each in found.submissions}
    assert set(by_student) == {student.id for student in ROSTER} and found.missing == []
    assert by_student["jdoe"].content == by_student["s1234567"].content == b"{}"
    assert by_student["jdoe"].earlier == () and "jdoe" not in found.noted
    assert len(by_student["4711"].earlier) <= collect.MOST_EARLIER
    assert sum(fate == "graded" for fate in found.fates.values()) + sum(
        bool(each.problem) for each in found.submissions
    ) == len(ROSTER)


def test_a_zip_that_takes_work_is_read_by_another_process(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("ex02.ipynb", json.dumps({"cells": [], "pad": os.urandom(1000).hex()}))
    good = buffer.getvalue()
    at = good.index(b"ex02.ipynb") + 40
    broken = good[:at] + bytes(255 - byte for byte in good[at : at + 60]) + good[at + 60 :]
    put(tmp_path, "jdoe/good.zip", good)
    put(tmp_path, "4711/broken.zip", broken)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        for number in range(12):
            archive.writestr(f"{number}.ipynb", bytes(30_000_000))
    put(tmp_path, "li1/bomb.zip", buffer.getvalue())
    asked = []
    whole = archives.in_a_process
    monkeypatch.setattr(archives, "in_a_process", lambda *zip: asked.append(zip) or whole(*zip))
    found = {each.student: each for each in collect.collect(tmp_path, "ex02", ROSTER).submissions}
    assert json.loads(found["jdoe"].content)["cells"] == []
    assert "damaged" in found["4711"].problem and "larger than" in found["li1"].problem
    assert len(asked) == 3


def test_a_process_that_takes_too_long_is_one_student_s_problem(monkeypatch):
    def late(*arguments, **options):
        raise archives.subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(archives.subprocess, "run", late)
    ((name, _, _, problem, body),) = archives.in_a_process(b"")
    assert name == "" and "seconds to unpack" in problem and body is None


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_files_and_folders_that_cannot_be_read(tmp_path):
    put(tmp_path, "jdoe/ex02.ipynb").chmod(0)
    put(tmp_path, "4711/ex02.ipynb").parent.chmod(0)
    put(tmp_path, "li1/ex02.ipynb")
    unreadable_is_one_s_own_problem(tmp_path)
    (tmp_path / "4711").chmod(0o700)


def test_what_the_system_refuses_is_one_student_s_problem(tmp_path, monkeypatch):
    for student in ("jdoe", "4711", "li1"):
        put(tmp_path, f"{student}/ex02.ipynb")
    read, scan = archives.read_file, os.scandir

    def read_file(path, most=archives.MOST_BYTES):
        if path.parent.name == "jdoe":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, most)

    def scandir(path):
        if str(path).endswith("4711"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(archives, "read_file", read_file)
    monkeypatch.setattr(archives.os, "scandir", scandir)
    unreadable_is_one_s_own_problem(tmp_path)


def unreadable_is_one_s_own_problem(place):
    found = {each.student: each for each in collect.collect(place, "ex02", ROSTER).submissions}
    assert set(found) == {"jdoe", "4711", "li1"}
    assert "Permission denied" in found["jdoe"].problem
    assert "Permission denied" in found["4711"].problem
    assert not found["li1"].problem


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "cp1252"])
def test_names_in_zips_as_systems_write_them(tmp_path, encoding):
    """macOS writes UTF-8 and does not say so; DOS and Windows write letters of their own."""
    name = "Jörg Müller-Lüdenscheidt_9_assignsubmission_file_/ex02.ipynb"
    raw = name.encode(encoding)
    plain = zipped({"x" * len(raw): b"{}"})
    assert plain.count(b"x" * len(raw)) == 2
    put(tmp_path, "export.zip", plain.replace(b"x" * len(raw), raw))
    (submission,) = collect.collect(tmp_path / "export.zip", "ex02", ROSTER).submissions
    assert (submission.student, submission.file) == ("s1234567", f"export.zip/{name}")


def test_damaged_and_encrypted_zips(tmp_path):
    good = zipped({"jdoe.ipynb": os.urandom(2000)})
    put(tmp_path, "4711.zip", b"PK\x03\x04 no zip")
    put(tmp_path, "jdoe.zip", good[:60] + bytes(50) + good[110:])
    locked = bytearray(zipped({"s1234567.ipynb": b"x"}))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    put(tmp_path, "s1234567.zip", bytes(locked))
    found = {each.student: each for each in collect.collect(tmp_path, "ex02", ROSTER).submissions}
    assert set(found) == {"4711", "jdoe", "s1234567"}
    assert all(each.problem and each.content == b"" for each in found.values())


def test_strange_names_make_safe_ids(tmp_path):
    names = ["a/../b", "\x1b[31mred", "x" * 500, "<script>", "=cmd()", "…", "日本 太郎"]
    put(tmp_path, "all.zip", zipped({f"{name}/e.ipynb": b"" for name in names}))
    found = collect.collect(tmp_path, "ex02", ROSTER)
    for each in found.submissions:
        assert "/" not in each.student and len(each.student) < 80 and each.student.isprintable()


# --- The right one of several ---------------------------------------------------------------------


def notebook_of(exercise, *gone):
    notebook = released(exercise)
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] not in gone]
    return in_bytes(notebook)


def test_the_notebook_of_this_exercise_counts(tmp_path):
    ex02, ex03 = notebook_of("ex02"), notebook_of("ex03")
    put(tmp_path, "jdoe/course.zip", zipped({"ex01.ipynb": notebook_of("ex01"), "a.ipynb": ex02,
                                             "b/ex03.ipynb": ex03}))  # fmt: skip
    put(tmp_path, "4711/ex02_output_size.ipynb", ex02, 1_000)
    put(tmp_path, "4711/scratch.ipynb", b'{"cells": []}', 2_000)
    put(tmp_path, "li1/ex02.ipynb", ex02, 1_000)
    put(tmp_path, "li1/again.ipynb", notebook_of("ex02", "readers-check"), 2_000)
    put(tmp_path, "li2/exercise.ipynb", ex03)
    put(tmp_path, "s1234567/a.ipynb", notebook_of("ex01"), 5_000)
    put(tmp_path, "s1234567/b.ipynb", ex03, 6_000)
    found = {each.student: each for each in
             collect.collect(tmp_path, "ex02_output_size", ROSTER).submissions}  # fmt: skip
    assert found["jdoe"].file == "jdoe/course.zip/a.ipynb" and found["jdoe"].content == ex02
    assert found["4711"].file == "4711/ex02_output_size.ipynb"
    assert found["li1"].file == "li1/again.ipynb", "of two of this exercise the later one"
    assert found["li2"].problem == "this is exercise 3: pooling, not exercise 2"
    assert "this is exercise" in found["s1234567"].problem


def test_what_is_solved_does_not_lose_to_an_untouched_copy(tmp_path):
    named = released("ex02")
    cell_of(named, "student")["source"] = "Jane Doe"
    put(tmp_path, "jdoe/x.ipynb", in_bytes(answered("ex02")), 1_000)
    put(tmp_path, "jdoe/x (1).ipynb", in_bytes(named), 2_000)
    put(tmp_path, "4711/x.ipynb", in_bytes(answered("ex02")), 1_000)
    put(tmp_path, "4711/x (1).ipynb", in_bytes(answered("ex02", readers="pass")), 2_000)
    put(tmp_path, "li1/x.ipynb", notebook_of("ex02"), 1_000)
    found = collect.collect(tmp_path, "ex02_output_size", ROSTER)
    files = [each.file for each in found.submissions]
    assert files == ["4711/x (1).ipynb", "jdoe/x.ipynb", "li1/x.ipynb"]
    assert found.noted["jdoe"] == (
        "handed in 2 files: jdoe/x.ipynb counts, not jdoe/x (1).ipynb (untouched)"
    )


def test_a_clone_of_the_course_is_no_heap_of_remarks(tmp_path):
    place = "ex02-submissions/ex02-jdoe"
    for exercise in ("ex01", "ex02", "ex03"):
        put(tmp_path, f"{place}/exercises/release/{exercise}/{exercise}.ipynb",
            notebook_of(exercise))  # fmt: skip
    put(tmp_path, f"{place}/exercises/release/ex02/checks.json")
    put(tmp_path, f"{place}/notebooks/00_start_here.ipynb", b'{"cells": []}')
    put(tmp_path, f"{place}/README.md")
    found = collect.collect(tmp_path, "ex02_output_size", ROSTER)
    (submission,) = found.submissions
    assert submission.file.endswith("ex02/ex02.ipynb") and submission.earlier == ()
    assert found.notes == [] and len(found.fates) == 6


def test_marks_and_ids_may_be_gone(tmp_path):
    notebook = released("ex02")
    for place, cell in enumerate(notebook["cells"]):
        cell["metadata"], cell["id"] = {}, str(place)
    put(tmp_path, "jdoe/x.ipynb", in_bytes(notebook))
    put(tmp_path, "4711/x.ipynb", b"%PDF")
    found = {each.student: each for each in collect.collect(tmp_path, "ex02", ROSTER).submissions}
    assert found["jdoe"].problem == found["4711"].problem == ""


def test_the_tenth_version_comes_after_the_second(tmp_path):
    for version in (2, 10, 9):
        put(tmp_path, f"Submitted files/Jane Doe/Exercise 2/Version {version}/ex02.ipynb",
            str(version).encode(), 1_000)  # fmt: skip
    (submission,) = collect.collect(tmp_path, "ex02", ROSTER).submissions
    assert submission.content == b"10"


def test_the_last_attempt_counts_and_its_companion_is_no_submission(tmp_path):
    for second in (1, 3, 2):
        start = f"Exercise 2_jdoe_attempt_2026-05-04-10-00-0{second}"
        put(tmp_path, f"{start}_ex02.ipynb", str(second).encode(), 1_000)
        put(tmp_path, f"{start}.txt", b"Name: Jane Doe", 9_000)
    put(tmp_path, "Exercise 2_4711_attempt_2026-05-04-10-00-00.txt", b"nothing attached")
    found = collect.collect(tmp_path, "ex02", ROSTER)
    jane, zoe = found.submissions[1], found.submissions[0]
    assert (jane.content, len(jane.earlier), jane.clock) == (b"3", 2, "the platform")
    assert jane.time == datetime(2026, 5, 4, 10, 0, 3).timestamp()
    assert "no notebook was handed in" in zoe.problem
    assert sum(fate == "of the platform" for fate in found.fates.values()) >= 3


@pytest.mark.parametrize(
    "companion",
    [
        "grades.csv", "index.html", "jdoe/timestamp.txt", "jdoe/comments.txt",
        "Jane Doe_5_assignsubmission_onlinetext_/onlinetext.html", "submission_metadata.yml",
    ],
)  # fmt: skip
def test_what_platforms_put_beside_is_no_submission(tmp_path, companion):
    put(tmp_path, companion, b"2026-05-04 10:00:00 UTC")
    put(tmp_path, "4711/ex02.ipynb")
    found = collect.collect(tmp_path, "ex02", ROSTER)
    assert [each.student for each in found.submissions if not each.problem] == ["4711"]
    assert all(each.earlier == () for each in found.submissions)
    assert set(found.fates) == {"4711/ex02.ipynb", companion}


# --- Nobody's, and everybody's --------------------------------------------------------------------


def test_nobody_s_files_are_each_a_submission_of_its_own(tmp_path):
    for number in range(3):
        put(tmp_path, f"Participant_50000{number}_assignsubmission_file_/ex02.ipynb")
    put(tmp_path, "Jane Dot_7_assignsubmission_file_/ex02.ipynb")
    found = collect.collect(tmp_path, "ex02", ROSTER)
    assert len({each.student for each in found.submissions}) == 4
    assert all(each.student.startswith("unmatched-") and each.why for each in found.submissions)
    jane = next(each for each in found.submissions if "jane-dot" in each.student)
    assert jane.likeliest[0] == "jdoe" and len(jane.likeliest) == 2
    again = collect.collect(tmp_path, "ex02", ROSTER, {jane.file: "jdoe"})
    settled = next(each for each in again.submissions if each.student == "jdoe")
    assert settled.matched and settled.graded_as == jane.student
    assert settled.identity == jane.identity


def test_two_of_one_name_stay_apart_without_a_list(tmp_path):
    for number in (10101, 10102):
        put(tmp_path, f"Wei Li_{number}_assignsubmission_file_/ex02.ipynb")
    put(tmp_path, "Jane Doe_7_assignsubmission_file_/ex02.ipynb")
    found = collect.collect(tmp_path, "ex02")
    names = {each.student for each in found.submissions}
    assert names == {"wei-li-10101", "wei-li-10102", "jane-doe-7"}


def matched(place, folder, students=ROSTER):
    """What is collected with the matches of a folder's `matches.csv`, and the unmatched of it."""
    found = collect.collect(place, "ex02", students, matches.read(folder / "matches.csv"))
    unmatched = [
        Result(one.student, one.name, False, "ex02", one.file, graded_as=one.graded_as)
        for one in found.submissions
        if not one.matched
    ]
    return {one.student: one for one in found.submissions}, unmatched


def said(folder, results, student):
    """Write somebody's id beside everything that is unmatched."""
    matches.write(folder / "matches.csv", results, {one.graded_as: student for one in results})


@pytest.mark.parametrize("file", ["1/notebook.ipynb", "Student 1/a.ipynb", "file.ipynb"])
def test_a_match_is_not_the_next_one_s_who_has_the_same_path(tmp_path, file):
    put(tmp_path, f"in/{file}", b"Jane's")
    put(tmp_path, "in/2/x.ipynb", b"nobody's")
    before, unmatched = matched(tmp_path / "in", tmp_path)
    said(tmp_path, [one for one in unmatched if one.file == file], "jdoe")
    for content, student in ((b"Jane's", "jdoe"), (b"another's", None)):
        put(tmp_path, f"in/{file}", content)
        found, unmatched = matched(tmp_path / "in", tmp_path)
        assert [one.file for one in found.values() if one.matched] == ([file] if student else [])
        if student:
            assert found[student].graded_as in before
    assert len(unmatched) == 2, "it is asked again"


@pytest.mark.parametrize("folder", ["Participant_7001_assignsubmission_file_", "mallory"])
def test_a_match_of_what_says_who_it_is_holds_for_further_files(tmp_path, folder):
    put(tmp_path, f"in/{folder}/a.ipynb", b"first")
    put(tmp_path, f"in/{folder}/b.ipynb", b"also")
    put(tmp_path, "in/4711/b.ipynb", b"Zoe's")
    before, unmatched = matched(tmp_path / "in", tmp_path)
    said(tmp_path, unmatched, "jdoe")
    put(tmp_path, f"in/{folder}/c.ipynb", b"second", 3e9)
    found, unmatched = matched(tmp_path / "in", tmp_path)
    assert not unmatched and found["jdoe"].content == b"second"
    assert found["jdoe"].graded_as in before and len(found["jdoe"].earlier) == 2


# --- When -----------------------------------------------------------------------------------------


def test_times_are_the_platform_s_and_never_the_student_s(tmp_path):
    put(tmp_path, "Exercise 2_jdoe_attempt_2026-05-04-10-00-00_2099-01-01-00-00-00.ipynb")
    put(tmp_path, "bergzoe_LATE_20001_9001_x.ipynb", b"{}", 1_000)
    canvas, blackboard = sorted(collect.collect(tmp_path, "ex02", ROSTER).submissions,
                                key=lambda one: one.matched)  # fmt: skip
    assert blackboard.time == datetime(2026, 5, 4, 10).timestamp()
    assert canvas.late and canvas.time is None


STAMP = b"2026-05-04 10:24:00.5 UTC"
ILIAS = "ex/Submissions/Doe_Jane_jdoe_4711"
MOODLE = "Jane Doe_5_assignsubmission_file_"


@pytest.mark.parametrize(
    "file, stamp, told",
    [
        ("submitted/jdoe/ex02/a.ipynb", "submitted/jdoe/ex02/timestamp.txt", True),
        ("submitted/jdoe/ex02/sub/a.ipynb", "submitted/jdoe/ex02/timestamp.txt", True),
        ("submitted/jdoe/ex02/a.ipynb", "submitted/jdoe/ex01/timestamp.txt", False),
        ("submitted/jdoe/ex02/sub/a.ipynb", "submitted/jdoe/ex02/sub/timestamp.txt", False),
        ("jdoe/ex02/a.ipynb", "jdoe/ex02/timestamp.txt", False),
        (f"{MOODLE}/a.ipynb", f"{MOODLE}/timestamp.txt", False),
        (f"{MOODLE}/submitted/a/b/a.ipynb", f"{MOODLE}/submitted/a/b/timestamp.txt", False),
        (f"{MOODLE}/2099-01-01 00-00.ipynb", "", False),
        (f"{ILIAS}/20260504102400_a.ipynb", "", True),
        (f"{ILIAS}/20260504102400_a.zip/20990101000000_a.ipynb", "", True),
        (f"{ILIAS}/sub/20260504102400_a.ipynb", "", False),
        (f"{MOODLE}/Doe_Jane_jdoe_4711/20260504102400_a.ipynb", "", False),
        (f"{MOODLE}/a.zip/Doe_Jane_jdoe_4711/20260504102400_a.ipynb", "", False),
    ],
)
def test_a_time_is_the_platform_s_only_where_it_writes_it(tmp_path, file, stamp, told):
    place, packed, inner = file.partition(".zip/")
    if packed:
        put(tmp_path, f"{place}.zip", zipped({inner: b"{}"}), 1_000)
    else:
        put(tmp_path, file, b"{}", 1_000)
    if stamp:
        put(tmp_path, stamp, STAMP)
    (one,) = collect.collect(tmp_path, "ex02", ROSTER).submissions
    assert one.student == "jdoe" and one.clock == ("the platform" if told else "the file")
    assert one.time == 1_000 or datetime.fromtimestamp(one.time).year == 2026


def test_the_class_list_s_time_is_not_that_of_a_newer_file(tmp_path):
    """Whether the list is given again or not; a new list's time is the new file's."""
    put_by = tmp_path / "put by"
    listed = datetime(2026, 5, 4, 10)

    def run(content, when, before):
        put(tmp_path, f"in/{MOODLE}/a.ipynb", content, 1_000)
        roster = [ROSTER[0]._replace(handed_in=f"{when:%Y-%m-%d %H:%M}")]
        found = collect.collect(tmp_path / "in", "ex02", roster)
        found = collect.at_listed_times(found, before, lambda student: put_by)
        (one,) = found.submissions
        put_by.write_bytes(content)
        result = Result("jdoe", "Jane Doe", True, "ex02", one.file)
        return one, found.notes, {"jdoe": about(result, one)}

    one, notes, before = run(b"first", listed, {})
    assert (one.time, one.clock, notes) == (listed.timestamp(), "the platform", [])
    one, notes, before = run(b"first", listed, before)
    assert (one.time, one.clock, notes) == (listed.timestamp(), "the platform", [])
    for _ in range(2):
        one, notes, before = run(b"second", listed, before)
        assert (one.time, one.clock) == (1_000, "the file")
        assert "is newer than the class list" in notes[0]
    later = datetime(2026, 5, 6, 10)
    one, notes, before = run(b"second", later, before)
    assert (one.time, one.clock, notes) == (later.timestamp(), "the platform", [])


@pytest.mark.parametrize(
    "text, told",
    [
        ("Monday, 4 May 2026, 10:24 AM", datetime(2026, 5, 4, 10, 24)),
        ("20260504102400", datetime(2026, 5, 4, 10, 24)),
        ("2026-05-04 10:24:00 +0000", datetime(2026, 5, 4, 10, 24, tzinfo=UTC)),
        ("2026-05-04T12:24:00+02:00", datetime(2026, 5, 4, 10, 24, tzinfo=UTC)),
        ("2026-05-04 03:24:00.25-0700", datetime(2026, 5, 4, 10, 24, tzinfo=UTC)),
        ("2026-05-04T10:24:00Z", datetime(2026, 5, 4, 10, 24, tzinfo=UTC)),
        ("2026-05-04 12:24:00 Europe/Berlin", datetime(2026, 5, 4, 10, 24, tzinfo=UTC)),
        ("2026-05-04 10:24:00 Nowhere/Here", datetime(2026, 5, 4, 10, 24)),
        ("-", None),
        ("2026-99-99 10:24", None),
    ],
)
def test_times_as_platforms_write_them(text, told):
    assert collect.time_in(text) == (told.timestamp() if told else None)
