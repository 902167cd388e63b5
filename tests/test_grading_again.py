"""What stays from run to run: rows, remarks, unmatched work, points by hand, changes."""

import csv
import io
import json
import os
import sqlite3
from dataclasses import replace
from datetime import datetime

import pytest
from handed_in import answered, in_bytes, released
from quickly_graded import NAME, grade, points_of, without_boxes

from grading import batch, files, gradebook, grades, questions, reports, results, schedule

ROSTER = "id,name,email\ns1,Ada Lovelace,ada@x.org\ns2,Bob Miller,bob@x.org\ns3,Eve O'Neill,\n"
WRONG = "def readers(size, **more):\n    return [0] * size"


@pytest.fixture
def class_of(tmp_path, monkeypatch):
    """A folder for exports, a class list, and whom the grader graded."""
    (tmp_path / "class.csv").write_text(ROSTER, encoding="utf-8")
    return tmp_path, tmp_path / "class.csv", without_boxes(monkeypatch)


def put(place, file, notebook=None):
    path = place / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(in_bytes(notebook or answered()))
    return path


def rows(folder, name="grades.csv"):
    text = (folder / "reports" / NAME / name).read_text(encoding="utf-8-sig")
    return {next(iter(row.values())): row for row in csv.DictReader(io.StringIO(text))}


def page(folder):
    return (folder / "reports" / NAME / "class.html").read_text(encoding="utf-8")


def test_one_late_file_changes_nothing_for_the_others(class_of):
    place, roster, graded = class_of
    put(place, "in/Ada Lovelace_5_assignsubmission_file_/a.ipynb")
    put(place, "in/Participant_700_assignsubmission_file_/b.ipynb")
    put(place, "in/Nobody Known_9_assignsubmission_file_/c.ipynb")
    (place / "in" / "link.ipynb").symlink_to(place / "class.csv")
    grade(place / "in", roster, place / "graded")
    before, told = rows(place / "graded"), page(place / "graded")
    assert len(before) == 5 and "link.ipynb is a link" in told
    unmatched = [row for row in before.values() if "not in the roster" in row["remarks"]]
    assert len(unmatched) == 2 and all("perhaps s" in row["remarks"] for row in unmatched)
    graded.clear()
    put(place, "late/Bob Miller_6_assignsubmission_file_/a.ipynb")
    grade(place / "late", None, place / "graded")  # the class list is kept
    after, told_again = rows(place / "graded"), page(place / "graded")
    assert graded == ["s2"]
    assert {key: row for key, row in after.items() if key != "s2"} == {
        key: row for key, row in before.items() if key != "s2"
    }
    assert after["s2"]["status"] == "graded" and before["s2"]["status"] == "not handed in"
    assert "link.ipynb is a link" in told_again and "Participant_700" in told_again


def test_matches_settle_whose_it_is_and_nothing_is_graded_again(class_of):
    place, roster, graded = class_of
    file = "Participant_700_assignsubmission_file_/b.ipynb"
    put(place, f"in/{file}", answered(written=True))
    put(place, "in/Participant_701_assignsubmission_file_/b.ipynb")
    grade(place / "in", roster, place / "graded")
    folder = place / "graded"
    path = folder / "reports" / NAME / "matches.csv"
    lines = rows(folder, "matches.csv")
    assert set(lines) == {file, file.replace("700", "701")}
    unmatched = lines[file]["graded as"]
    by_hand(folder, unmatched, "explain", 2)
    text = path.read_text(encoding="utf-8-sig").replace(f"{file},", f"{file},s3", 1)
    path.write_text(text, encoding="utf-8-sig")
    graded.clear()
    told = []
    with files.Folder(folder).prepare():
        reports.write("ex02", folder, told.append)
    table = rows(folder)
    assert graded == [] and unmatched not in table and len(table) == 4
    assert table["s3"]["explain points"] == "2", "what a reader gave goes along"
    assert any("is s3's now (Eve O'Neill)" in line for line in told)
    assert (folder / "feedback" / NAME / "s3.html").exists()
    assert not (folder / "feedback" / NAME / f"{unmatched}.html").exists()
    grade(place / "in", roster, folder)
    assert graded == [] and rows(folder) == table, "the next export is settled as well"


def test_a_match_with_nobody_is_said(class_of):
    place, roster, _ = class_of
    put(place, "in/Participant_700_assignsubmission_file_/b.ipynb")
    grade(place / "in", roster, place / "graded")
    path = place / "graded" / "reports" / NAME / "matches.csv"
    path.write_text("file,id\nParticipant_700_assignsubmission_file_/b.ipynb,s9\n")
    told = []
    grade(place / "in", roster, place / "graded", told.append)
    assert any("s9 is not on the class list" in line for line in told)
    assert "s9" in path.read_text(encoding="utf-8-sig"), "what somebody wrote is not lost"


def test_a_better_list_takes_over_what_was_graded_without_one(class_of):
    place, roster, graded = class_of
    put(place, "in/Ada Lovelace_5_assignsubmission_file_/a.ipynb")
    assert set(grade(place / "in", None, place / "graded")) == {"ada-lovelace-5"}
    graded.clear()
    assert set(grade(place / "in", roster, place / "graded")) == {"s1"}
    assert graded == []


def test_another_number_of_the_platform_is_another_person_until_somebody_says_so(class_of):
    place, roster, _ = class_of
    put(place, "in/Ada Lovelace_5_assignsubmission_file_/a.ipynb")
    grade(place / "in", roster, place / "graded")
    put(place, "late/Ada Lovelace_905_assignsubmission_file_/a.ipynb", answered(readers=WRONG))
    found = grade(place / "late", roster, place / "graded")
    assert points_of(found["s1"]) == 16
    (other,) = (result for result in found.values() if not result.matched)
    assert "graded before as 'moodle 5'" in other.why and other.likeliest[0] == "s1"


def by_hand(folder, student, cell, points):
    """Give points as formgrader does."""
    with gradebook.opened(files.Folder(folder)) as book:
        notebook = book.find_submission_notebook(NAME, NAME, student)
        grades = {grade.name: grade for grade in notebook.grades}
        grades[cell].manual_score = points
        grades[cell].needs_manual_grade = False
        book.db.commit()


def wrong_and_read(class_of):
    """A class after its first grading, two points by hand for a wrong answer, and its file."""
    place, roster, _ = class_of
    path = put(place, "in/s1/a.ipynb", answered(readers=WRONG))
    folder = place / "graded"
    grade(place / "in", roster, folder)
    by_hand(folder, "s1", "readers-check", 2)
    return place, roster, folder, path


def test_points_by_hand_for_an_answer_that_changed_are_held(class_of):
    place, roster, folder, path = wrong_and_read(class_of)
    by_hand(folder, "s1", "output-size-check", 1)
    found = grade(place / "in", roster, folder)["s1"].questions
    assert (found["readers"].points, found["readers"].status) == (2, "changed by hand")
    path.write_bytes(in_bytes(answered(readers=WRONG.replace("0", "5"))))
    for _ in range(2):  # and they are held for good, not until the next run
        result = grade(place / "in", roster, folder)["s1"]
        found = result.questions
        assert (found["readers"].points, found["readers"].status) == (0, "needs manual grading")
        assert "2 points were given by hand" in found["readers"].comment
        assert found["output_size"].status == "changed by hand"
        assert result.state == "needs manual grading"
    assert "points by hand are held" in rows(folder)["s1"]["remarks"]
    assert "Points by hand that are held" in page(folder)
    by_hand(folder, "s1", "readers-check", 1)
    again = grade(place / "in", roster, folder)["s1"].questions["readers"]
    assert (again.points, again.status) == (1, "changed by hand")


def test_one_question_or_one_student_is_graded_again(class_of):
    place, roster, graded = class_of
    put(place, "in/s1/a.ipynb")
    put(place, "in/s2/a.ipynb")
    folder = place / "graded"
    grade(place / "in", roster, folder)
    path = folder / "results" / NAME / "s2.json"
    data = json.loads(path.read_text())
    for name in ("readers", "pad_same"):
        data["questions"][name]["points"] = 0
    path.write_text(json.dumps(data))
    graded.clear()
    options = batch.Options(unsafe=True, students=("s2",), questions=("readers",))
    found = batch.regrade("ex02", folder, options, lambda line: None)
    assert graded == ["s2"]
    points = {name: entry.points for name, entry in found["s2"].questions.items()}
    assert (points["readers"], points["pad_same"]) == (2, 0)
    assert points_of(found["s1"]) == 16
    batch.regrade("ex02", folder, batch.Options(unsafe=True), lambda line: None)
    assert sorted(graded) == ["s1", "s2", "s2"]
    with pytest.raises(ValueError, match="no question is called"):
        batch.regrade("ex02", folder, options._replace(questions=("x",)), lambda line: None)
    with pytest.raises(ValueError, match="nothing was handed in by s9"):
        batch.regrade("ex02", folder, options._replace(students=("s9",)), lambda line: None)


def test_an_exercise_that_gained_and_renamed_a_question_goes_on(class_of, monkeypatch):
    place, roster, _ = class_of
    put(place, "in/s1/a.ipynb")
    folder = place / "graded"
    grade(place / "in", roster, folder)
    exercise = questions.load("ex02")
    renamed = exercise.released.copy()
    for cell in renamed.cells:
        if cell.id in ("readers", "readers-check"):
            cell.id = cell.metadata.nbgrader["grade_id"] = cell.id.replace("readers", "counts")
    newer = [
        replace(question, name="counts") if question.name == "readers" else question
        for question in exercise.questions
    ]
    gained = replace(exercise, questions=newer)
    gained.__dict__["released"] = renamed
    path = place / "release.ipynb"
    path.write_text(json.dumps(renamed))
    monkeypatch.setattr(type(exercise), "release", property(lambda self: path))
    course = files.Folder(folder)
    old = course.results(NAME)
    merged = gradebook.synchronise(course, gained, old)
    assert merged["s1"].questions["readers"].points == 2
    entry = results.QuestionResult(1, 2, "partly correct")
    fresh = replace(old["s1"], digest="new", questions={**old["s1"].questions, "counts": entry})
    merged = gradebook.synchronise(course, gained, {"s1": fresh})
    assert merged["s1"].questions["counts"].points == 1


def test_points_by_hand_are_held_once_for_an_answer_and_not_for_a_new_time(class_of):
    place, roster, folder, path = wrong_and_read(class_of)
    path.write_bytes(in_bytes(answered(readers=WRONG.replace("0", "5"))))
    grade(place / "in", roster, folder)
    by_hand(folder, "s1", "readers-check", 1)  # read again
    os.utime(path, (1, 1_000_000))
    found = grade(place / "in", roster, folder)["s1"]
    assert found.time == 1_000_000
    entry = found.questions["readers"]
    assert (entry.points, entry.status) == (1, "changed by hand")


def test_one_question_of_a_file_that_changed_is_not_graded_alone(class_of):
    place, roster, _ = class_of
    path = put(place, "in/s1/a.ipynb", answered(readers=WRONG, output_size=WRONG))
    put(place, "in/s2/a.ipynb", answered(readers=WRONG))
    grade(place / "in", roster, place / "graded")
    path.write_bytes(in_bytes(answered()))
    told = []
    how = {"again": True, "questions": ("output_size",)}
    found = grade(place / "in", roster, place / "graded", told.append, **how)
    assert points_of(found["s1"]) == 16 and points_of(found["s2"]) == 14
    assert [line for line in told if "judged anew" in line] == [
        "  s1: not the file of before, so every question is judged anew"
    ]


# --- Groups ---------------------------------------------------------------------------------------


def attempt(student, hour):
    """A file of Blackboard's, which writes the time."""
    return f"Ex_{student}_attempt_2026-05-04-{hour:02}-00-00_{student}.ipynb"


def of_group(folder):
    """Of the group of s1 and s3: the file that each is graded for, its points and what it costs."""
    table = {result.student: result for result in files.Folder(folder).results(NAME).values()}
    costs = rows(folder)
    return [
        (table[student].file, points_of(table[student]), costs[student]["penalty"])
        for student in ("s1", "s3")
    ]


@pytest.mark.parametrize("first, second", [(("s1", 8), ("s3", 10)), (("s3", 10), ("s1", 8))])
def test_the_latest_file_of_a_group_counts_for_all_of_it_in_whichever_run(class_of, first, second):
    place, roster, graded = class_of
    folder = place / "graded"
    files.write_atomically(folder / "course.toml", 'groups = [["s1", "s3"]]')
    work = {"s1": answered(readers=WRONG), "s3": answered()}
    put(place, f"one/{attempt(*first)}", work[first[0]])
    grade(place / "one", roster, folder)
    assert [file for file, *_ in of_group(folder)] == [attempt(*first)] * 2
    put(place, f"two/{attempt(*second)}", work[second[0]])
    told = []
    grade(place / "two", roster, folder, told.append)
    assert of_group(folder) == [(attempt("s3", 10), 16, "0")] * 2
    (line,) = [line for line in told if "hand in together" in line]
    assert line.endswith(f"{attempt('s3', 10)} of s3 counts, not {attempt('s1', 8)}")
    fates = rows(folder, "files.csv")
    assert "of the group" in fates[attempt("s1", 8)]["what became of it"]
    graded.clear()
    for run in ("one", "two"):  # an older export once more changes nothing
        grade(place / run, None, folder)
        assert of_group(folder) == [(attempt("s3", 10), 16, "0")] * 2
    assert graded == []


def test_a_file_as_it_was_handed_out_is_not_the_group_s(class_of):
    place, roster, _ = class_of
    folder = place / "graded"
    files.write_atomically(folder / "course.toml", 'groups = [["s1", "s3"]]')
    put(place, f"one/{attempt('s1', 8)}")
    grade(place / "one", roster, folder)
    put(place, f"two/{attempt('s3', 10)}", released())
    grade(place / "two", roster, folder)
    assert of_group(folder) == [(attempt("s1", 8), 16, "0")] * 2


def test_a_group_is_known_from_the_next_run_on_and_forgotten_aloud(class_of):
    place, roster, graded = class_of
    folder = place / "graded"
    put(place, "in/s1/a.ipynb")
    grade(place / "in", roster, folder)
    files.write_atomically(folder / "course.toml", 'groups = [["s1", "s3"]]')
    put(place, "late/s2/a.ipynb")
    graded.clear()
    grade(place / "late", roster, folder)
    assert sorted(graded) == ["s2", "s3"] and rows(folder)["s3"]["points"] == "16"
    (folder / "course.toml").unlink()
    told = []
    with files.Folder(folder).prepare():
        reports.write("ex02", folder, told.append)
    assert any("s3 has the grade of s1's file" in line for line in told)


def test_what_somebody_of_a_group_is_given_counts_for_the_group(class_of):
    place, roster, _ = class_of
    course = COURSE.replace("s2 = 2026", "s3 = 2026") + "[ex02.handed_in]\ns1 = 2026-05-05T10:00:00"
    files.write_atomically(place / "graded" / "course.toml", course)
    put(place, "in/adalovelace_20001_9_a.ipynb")  # Canvas tells no time
    grade(place / "in", roster, place / "graded")
    table = rows(place / "graded")
    assert [table[student]["penalty"] for student in ("s1", "s3")] == ["0", "0"]
    plan = schedule.read(place / "graded" / "course.toml", NAME, PARTS)
    for student, said in (("s1", "(extended for the group)"), ("s3", "(extended)")):
        result = plan.applied(late(0, student=student, time=None))
        assert result.time == datetime(2026, 5, 5, 10).timestamp()
        later = replace(plan, handed_in={"s3": datetime(2026, 5, 7).timestamp()})
        assert f"{said}: 1 day late" in later.applied(late(0, student=student)).lateness


# --- Ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, says",
    [
        (
            "[ex02.extensions]\ns11 = 2026-05-04",
            "extensions: 's11' is nobody's id; the nearest is s1",
        ),
        ("[ex02.handed_in]\n'bob@x.org' = 2026-05-04", "handed_in: 'bob@x.org' .* nearest is s2"),
        (
            "groups = [['s1', 'Eve Oneill']]",
            "groups: 'Eve Oneill' is nobody's id; the nearest is s3",
        ),
        (
            "[[ex02.changes]]\nquestion = 'readers'\ndo = 'give'\nreason = 'y'\n"
            "students = ['s1', 'x']",
            "changes: 'x' is nobody's id. Write ids as",
        ),
    ],
)
def test_ids_that_nobody_has_are_refused_with_the_nearest(class_of, text, says):
    place, roster, graded = class_of
    put(place, "in/s1/a.ipynb")
    files.write_atomically(place / "graded" / "course.toml", text)
    with pytest.raises(ValueError, match=f"course.toml, {says}"):
        grade(place / "in", roster, place / "graded")
    assert graded == []


def test_without_a_class_list_ids_that_nobody_has_are_said(class_of):
    place, _, _ = class_of
    put(place, "in/s1/a.ipynb")
    files.write_atomically(place / "graded" / "course.toml", "[ex02.extensions]\ns2 = 2026-05-04")
    told = []
    grade(place / "in", None, place / "graded", told.append)
    assert any("'s2' is nobody's id" in line for line in told)


def test_ids_that_could_name_no_file_are_graded_like_any_other(class_of):
    place, roster, _ = class_of
    ids = ["o'brien", "CS/2020/015", "CS=2F2020=2F015", "../x"]
    lines = [f'"{student}",Ann Bell{at},ann{at}@x.org' for at, student in enumerate(ids)]
    roster.write_text("\n".join(["id,name,email", *lines]))
    for at in range(len(ids)):
        put(place, f"in/ann{at}/a.ipynb", answered(readers=WRONG, written=True))
    folder = place / "graded"
    grade(place / "in", roster, folder)
    course = files.Folder(folder)
    for at, student in enumerate(ids):
        assert rows(folder)[student]["points"] == "14"
        assert course.feedback(NAME, student).parent == folder.resolve() / "feedback" / NAME
        by_hand(folder, files.name_of(student), "explain", at)
        assert course.notebook(NAME, student).parts[-3] == files.name_of(student)
    assert course.feedback(NAME, "CS/2020/015").name == "CS=2F2020=2F015.html"
    found = grade(place / "in", roster, folder)
    assert [found[student].written["explain"].points for student in ids] == [0, 1, 2, 3]
    assert not course.damaged(NAME) and not (folder.parent / "x.json").exists()


# --- Time, and what reaches everybody -------------------------------------------------------------

COURSE = """
groups = [["s1", "s3"]]

[ex02]
due = 2026-05-04T12:00:00
grace_hours = 2
penalty_per_day = 10
most_penalty = 25

[ex02.extensions]
s2 = 2026-05-06T12:00:00

[[ex02.changes]]
question = "readers"
part = "padding"
do = "give"
reason = "The text did not say which end."

[[ex02.changes]]
question = "by_hand"
do = "drop"
reason = "Two answers are right."
"""


def late(hours, **more):
    due = datetime(2026, 5, 4, 12).timestamp()
    question = {
        "readers": results.QuestionResult(
            0, 2, "wrong", [results.PartResult(name, 1, 0, "wrong") for name in ("a", "padding")]
        ),
        "by_hand": results.QuestionResult(4, 4, "correct", [results.PartResult("row", 4, 4)]),
        "output_size": results.QuestionResult(9, 10, "wrong", []),
    }
    made = results.Result("s1", "Ada", True, NAME, "a.ipynb", questions=question,
                          time=due + 3600 * hours, clock="the platform")  # fmt: skip
    return replace(made, **more)


PARTS = grades.parts(questions.load("ex02"))


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "course.toml"
    path.write_text(COURSE)
    return schedule.read(path, NAME, PARTS)


@pytest.mark.parametrize(
    "hours, share", [(-1, 0), (0, 0), (1.9, 0), (2.1, 0.1), (24, 0.1), (25, 0.2), (240, 0.25)]
)
def test_lateness_costs_by_the_day(plan, hours, share):
    result = plan.applied(late(hours))
    assert result.points == 10 and result.penalty == pytest.approx(10 * share)
    assert result.total == pytest.approx(10 - 10 * share)
    assert bool(result.lateness) == (hours > 0)
    assert ("grace" in result.lateness) == (0 < hours <= 2)


def test_extensions_and_marks_without_a_time(plan):
    assert plan.applied(late(47, student="s2")).penalty == 0
    assert plan.applied(late(71, student="s2")).penalty == 1
    marked = plan.applied(late(0, time=None, late=True))
    assert marked.penalty == 0 and "give it in course.toml" in marked.lateness
    assert plan.applied(late(0, time=None)).lateness == ""
    assert "own time" in plan.applied(late(30, clock="the file")).lateness


def test_changes_reach_everybody_with_their_reason(plan):
    result = plan.applied(late(0))
    readers = result.questions["readers"]
    assert (readers.points, readers.max, readers.status) == (1, 2, "given to all")
    assert "The text did not say which end." in readers.comment
    dropped = result.questions["by_hand"]
    assert (dropped.points, dropped.max, dropped.parts) == (0, 0, [])
    assert result.max == 12
    only = schedule.Change("readers", "give", "it is right, too", students=("s7",))
    plan = replace(plan, changes=(only,))
    assert plan.applied(late(0)).questions["readers"].points == 0
    assert plan.applied(late(0, student="s7")).questions["readers"].points == 2
    plan = replace(plan, groups=(("s7", "s8"),))  # they have one answer
    assert plan.applied(late(0, student="s8")).questions["readers"].points == 2


@pytest.mark.parametrize(
    "points, change, expected",
    [
        (0, {}, (2, 2, "given to all")),
        (2.5, {}, (2.5, 2, "given to all")),  # with a reader's extra credit
        (0.5, {"part": "padding"}, (1.5, 2, "changed by hand")),
        (2, {"part": "padding"}, (2, 2, "changed by hand")),
        (2, {"part": "padding", "do": "drop"}, (1, 1, "changed by hand")),
        (2, {"do": "drop"}, (0, 0, "dropped")),
    ],
)
def test_changes_reach_points_by_hand(plan, points, change, expected):
    plan = replace(plan, changes=(schedule.Change(**{"question": "readers", "do": "give",
                                                     "reason": "two ways"} | change),))  # fmt: skip
    result = late(0)
    given = replace(result.questions["readers"], points=points, status="changed by hand",
                    flagged=True, measured={"accuracy": 1})  # fmt: skip
    entry = plan.applied(replace(result, questions={"readers": given})).questions["readers"]
    assert (entry.points, entry.max, entry.status) == expected
    assert entry.flagged and entry.measured, "what is known of the answer stays"


def test_points_that_are_held_wait_unless_the_whole_question_is_given(plan):
    held = replace(late(0).questions["readers"], status="needs manual grading", comment="are held")
    result = late(0, questions={"readers": held}, written={
        "explain": results.WrittenResult(None, 3, "needs manual grading", "are held")})  # fmt: skip
    entry = plan.applied(result).questions["readers"]
    assert (entry.points, entry.status) == (1, "needs manual grading")
    whole = [schedule.Change(name, "give", "two ways") for name in ("readers", "explain")]
    for entry in replace(plan, changes=tuple(whole)).applied(result).entries.values():
        assert (entry.points, entry.status) == (entry.max, "given to all")
        assert "held" not in entry.comment and "two ways" in entry.comment


@pytest.mark.parametrize(
    "text, says",
    [
        ("[ex02]\ndeu = 3\n", "does not know deu"),
        ("[ex2]\ndue = 2026-05-04\n", "there is no exercise ex2: write .ex02., say"),
        (
            "[[ex02.changes]]\nquestion = 'readers'\npart = 'paddding'\ndo = 'give'\nreason = 'y'",
            "readers has no part 'paddding': choose from no padding, padding",
        ),
        ("[ex02]\ndue = 3\n", "is no time"),
        ("[ex02]\npenalty_per_day = 200\n", "no number from 0 to 100"),
        ("[[ex02.changes]]\nquestion = 'x'\ndo = 'give'\nreason = 'y'\n", "no question is called"),
        ("[[ex02.changes]]\nquestion = 'readers'\ndo = 'give'\n", "needs a reason"),
        ("[[ex02.changes]]\nquestion = 'readers'\ndo = 'x'\nreason = 'y'\n", "choose from give"),
        ("groups = [['a'], ['a']]\n", "a is in two groups"),
        ("ex02 = 3\n", "is no table"),
        ("x = = 3\n", "is not TOML"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, text, says):
    path = tmp_path / "course.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=says) as caught:
        schedule.read(path, NAME, PARTS)
    assert "course.toml" in str(caught.value)


def test_reports_show_raw_points_penalty_and_total(class_of):
    place, roster, _ = class_of
    put(place, "in/Ex_s1_attempt_2026-05-05-10-00-00_a.ipynb")
    put(place, "in/Ex_s2_attempt_2026-05-05-10-00-00_a.ipynb")
    files.write_atomically(place / "graded" / "course.toml", COURSE)
    grade(place / "in", roster, place / "graded")
    table = rows(place / "graded")
    assert [table["s1"][name] for name in ("points", "penalty", "total", "handed in")] == [
        "12", "1.2", "10.8", "2026-05-05 10:00",
    ]  # fmt: skip
    assert (table["s2"]["penalty"], table["s3"]["points"]) == ("0", "12"), "s3 hands in with s1"
    text = (place / "graded" / "feedback" / NAME / "s1.html").read_text(encoding="utf-8")
    assert "10.8 of 15 points" in text and "12 points, less 1.2" in text
    assert "Two answers are right." in text


def test_every_file_is_called_what_became_of_it(class_of):
    place, roster, _ = class_of
    put(place, "in/s1/a.ipynb")
    for student, file in (("s2", "a.rar"), ("s3", "a.ipynb")):
        (place / "in" / student).mkdir()
        (place / "in" / student / file).write_bytes(b"Rar!")
    grade(place / "in", roster, place / "graded")
    table = {file: row["what became of it"] for file, row in
             rows(place / "graded", "files.csv").items()}  # fmt: skip
    assert table == {"s1/a.ipynb": "graded", "s2/a.rar": "unreadable", "s3/a.ipynb": "unreadable"}


# --- What goes wrong around it --------------------------------------------------------------------


def test_a_damaged_result_is_said_and_the_others_are_reported(class_of):
    place, roster, _ = class_of
    for student in ("s1", "s2"):
        put(place, f"in/{student}/a.ipynb")
    grade(place / "in", roster, place / "graded")
    (place / "graded" / "results" / NAME / "s2.json").write_text("{")
    told = []
    with files.Folder(place / "graded").prepare():
        reports.write("ex02", place / "graded", told.append)
    assert any("s2 is left out" in line for line in told)


def test_a_database_that_is_in_use_is_a_sentence(class_of, monkeypatch):
    place, roster, _ = class_of
    put(place, "in/s1/a.ipynb")
    folder = place / "graded"
    grade(place / "in", roster, folder)
    put(place, "in/s2/a.ipynb")
    other = sqlite3.connect(folder / "gradebook.db")
    other.execute("begin exclusive")
    try:
        with pytest.raises(gradebook.NoGradebook, match="is the disk full, or is formgrader at"):
            grade(place / "in", roster, folder)
    finally:
        other.close()
    assert set(grade(place / "in", roster, folder)) == {"s1", "s2"}


def test_only_the_secret_seed_is_for_its_owner_alone(class_of):
    place, roster, _ = class_of
    put(place, "in/s1/a.ipynb")
    grade(place / "in", roster, place / "graded")
    folder = place / "graded"
    files.Folder(place / "new").prepare().close()
    assert (
        files.Folder(place / "new").seed
        and (place / "new" / "secret_seed").stat().st_mode & 0o77 == 0
    )
    feedback = folder / "feedback" / NAME / "s1.html"
    assert feedback.stat().st_mode & 0o777 == 0o666 & ~files.UMASK


def test_older_results_are_read(class_of):
    place, roster, _ = class_of
    put(place, "in/s1/a.ipynb")
    result = grade(place / "in", roster, place / "graded")["s1"]
    assert results.Result.from_json(result.to_json()) == result
    old = result.to_json()
    for key in ("identity", "graded_as", "time", "clock", "penalty", "likeliest", "why"):
        del old[key]
    for entry in old["questions"].values():
        del entry["comment"], entry["answer"], entry["changed"]
    assert results.Result.from_json({**old, "of a later version": 1}).points == result.points
    for nonsense in (None, [], {}, {"questions": 3, "written": {}}):
        with pytest.raises(ValueError, match="no result"):
            results.Result.from_json(nonsense)


def test_identical_work_is_listed_however_many_have_it(class_of):
    place, roster, _ = class_of
    words = "Ten layers take forty pixels from each side of the picture."
    for student in ("s1", "s2", "s3"):
        notebook = answered()
        next(cell for cell in notebook["cells"] if cell["id"] == "explain")["source"] = words
        put(place, f"in/{student}/a.ipynb", notebook)
    grade(place / "in", roster, place / "graded")
    text = page(place / "graded")
    for title in ("The same file, byte for byte", "The same code in every answer",
                  "The same words in a written answer"):  # fmt: skip
        assert f"<h3>{title}</h3>\n<ul><li>3 students" in text, title
    assert "the published solution" in text
