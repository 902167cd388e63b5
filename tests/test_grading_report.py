"""Feedback, grades, the class page: each status shown apart, and nothing of a student's runs."""

import csv
import io

import pytest
from handed_in import answered

from grading import collect, questions, report, similar

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x00\x1b[31m\ud800"
EXERCISE = questions.load("ex02")
QUESTIONS = {question.name: question for question in EXERCISE.questions}
STATUSES = ("correct", "partly correct", "wrong", "untouched", "missing", "crashed", "timed out",
            "out of memory", "too many processes", "changed by hand")  # fmt: skip


def result_of(student="s1", status="graded", written=None, said="the shape is wrong", **statuses):
    """A made-up result; statuses by question, 'correct' where none is given."""
    entries = {}
    for name, question in QUESTIONS.items():
        kind = statuses.get(name, "correct")
        right = kind == "correct"
        parts = [{"name": part.name, "max": part.points, "points": part.points if right else 0,
                  "verdict": "right" if right else said, "hint": "" if right else f"hint: {said}"}
                 for part in question.parts]  # fmt: skip
        points = question.points if right else 0
        entries[name] = {"points": points, "max": question.points, "status": kind, "parts": parts}
    unread = {"points": None, "max": 3, "status": "needs manual grading", "comment": ""}
    return {"student": student, "name": f"Name of {student}", "matched": True, "file": "a.ipynb",
            "exercise": EXERCISE.name, "earlier": [], "status": status, "problem": "",
            "repairs": [], "questions": entries, "written": {"explain": written or unread},
            "seconds": 1.0}  # fmt: skip


def rows_of(results, tmp_path, missing=()):
    path = tmp_path / "grades.csv"
    report.write_grades(results, EXERCISE, path, missing)
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "spreadsheets take it for Latin-1 otherwise"
    return {row["student"]: row for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))}


def test_every_status_has_its_own_word(tmp_path):
    results = [result_of(f"s{place}", readers=status) for place, status in enumerate(STATUSES)]
    rows = rows_of(results, tmp_path)
    assert [rows[f"s{place}"]["readers status"] for place in range(len(STATUSES))] == list(STATUSES)
    assert (rows["s0"]["points"], rows["s2"]["points"], rows["s2"]["max"]) == ("16", "14", "19")
    for status, result in zip(STATUSES, results, strict=True):
        assert f">{status}</span>" in report.feedback_page(result, EXERCISE, None)
    page = report.class_page(results, EXERCISE, [], {}, [], [])
    assert "readers: 1 correct, 1 partly correct" in page


def test_unread_unreadable_untouched_and_missing_are_told_apart(tmp_path):
    read = {"points": 2, "max": 3, "status": "graded", "comment": "The price is missing."}
    unreadable = {**result_of("d", "unreadable"), "problem": "the file is empty"}
    results = [
        result_of("a"),
        result_of("b", written=read),
        result_of("c", "untouched"),
        unreadable,
    ]
    rows = rows_of(results, tmp_path, [collect.Student("e", "Eve")])
    statuses = {student: row["status"] for student, row in rows.items()}
    assert statuses == {"a": "needs manual grading", "b": "graded", "c": "untouched",
                        "d": "unreadable", "e": "not handed in"}  # fmt: skip
    assert rows["a"]["explain points"] == ""
    assert rows["a"]["explain status"] == "needs manual grading"
    assert (rows["b"]["explain points"], rows["b"]["points"]) == ("2", "18")
    assert rows["d"]["remarks"] == "the file is empty"
    assert rows["d"]["readers status"] == "unreadable"
    page = report.feedback_page(results[1], EXERCISE, None)
    assert "18 of 19 points" in page and "The price is missing." in page
    assert "still to be read" in report.feedback_page(results[0], EXERCISE, None)
    whole = report.class_page(results, EXERCISE, [], {}, [collect.Student("e", "Eve")], ["a note"])
    for words in ("4 handed in", "1 with a written answer to be read", "1 unreadable",
                  "1 untouched", "1 not handed in", "a note", "(Eve) did not hand in"):  # fmt: skip
        assert words in whole


def test_remarks(tmp_path):
    result = {**result_of("a"), "matched": False, "earlier": ["x.ipynb", "y.ipynb"]}
    result["repairs"] = ["the cell readers stood 2 times: the last that is answered counts"]
    row = rows_of([result], tmp_path)["a"]
    assert row["remarks"] == "not in the roster; also handed in: x.ipynb, y.ipynb"
    assert row["repaired"] == "yes"
    assert "stood 2 times" in report.feedback_page(result, EXERCISE, None)
    page = report.class_page([result], EXERCISE, [], {}, [], [])
    assert "a cell stood 2 times" in page and "a is not in the roster" in page


@pytest.mark.parametrize("start", ["=HYPERLINK(1)", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(tmp_path, start):
    row = rows_of([{**result_of("a"), "name": start}], tmp_path)["a"]
    assert row["name"].startswith("'")


def test_nothing_of_a_student_is_html():
    result = result_of(NASTY, said=NASTY, readers="wrong")
    result |= {"name": NASTY, "file": NASTY, "earlier": [NASTY], "repairs": [NASTY]}
    result["written"]["explain"]["comment"] = NASTY
    notebook = answered()
    for cell in notebook["cells"]:
        cell["source"] = NASTY
        if cell["cell_type"] == "code":
            picture = {"image/png": f"iVBOR{NASTY}", "text/plain": NASTY}
            cell["outputs"] = [
                {"output_type": "stream", "name": "stdout", "text": NASTY},
                {"output_type": "error", "ename": NASTY, "evalue": NASTY, "traceback": [NASTY]},
                {"output_type": "display_data", "data": picture,
                 "metadata": {"image/png": {"alt": NASTY}}},
                {"output_type": "display_data", "data": {"text/plain": NASTY}, "metadata": {}},
            ]  # fmt: skip
    pair = similar.Pair(NASTY, NASTY, 0.9, 30, {NASTY: (NASTY, NASTY)})
    for page in (
        report.feedback_page(result, EXERCISE, notebook),
        report.class_page(
            [result],
            EXERCISE,
            [pair],
            {NASTY: 0.9, "b": 0.2},
            [collect.Student(NASTY, NASTY)],
            [NASTY],
        ),
    ):
        page.encode("utf-8")
        assert (
            "<script" not in page and "<img src=x" not in page and "onerror=alert(1)>" not in page
        )
        assert "\x00" not in page and "\x1b" not in page
        assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


def test_pictures_have_alt_text_and_hints_are_counted_by_student():
    results = [result_of(f"s{place}", readers="wrong") for place in range(5)]
    page = report.class_page([*results, result_of("good")], EXERCISE, [], {}, [], [])
    assert page.count('<img alt="Students by') == 2
    assert "How many students made each known mistake. readers: hint: the shape is wrong 5." in page
    assert '<td>hint: the shape is wrong</td><td class="number">5</td>' in page


# --- Near-identical answers -----------------------------------------------------------------------

LONG = """def readers(size, kernel, padding=0):
    counts = np.zeros(size + 2 * padding, int)
    for start in range(size + 2 * padding - kernel + 1):
        counts[start : start + kernel] += 1
    inside = counts[padding : padding + size]
    return [int(number) for number in inside]
"""
RENAMED = """def readers(size, kernel, padding=0):
    # my own idea
    anzahl = np.zeros( size + 2 * padding, int )

    for i in range(size + 2 * padding - kernel + 1):
        anzahl[i : i + kernel] += 1
    mitte = anzahl[padding : padding + size]
    return [int(n) for n in mitte]
"""
OTHER = """def readers(size, kernel, padding=0):
    row = np.pad(np.ones(size), padding)
    seen = np.lib.stride_tricks.sliding_window_view(np.arange(len(row)), kernel)
    return np.bincount(seen.ravel(), minlength=len(row))[padding : len(row) - padding]
"""
ALIKE = "def output_size(size, kernel):\n    return size - kernel + 1\n"
STUB = {"readers": "def readers(size, kernel, padding=0):\n    # YOUR CODE HERE\n    ..."}


def everybody(**codes):
    """A class of twelve with the same short answer and no long one, but for those named."""
    class_of = {f"s{number}": {"output_size": ALIKE, "readers": ""} for number in range(12)}
    return class_of | {
        name: {"output_size": ALIKE, "readers": code} for name, code in codes.items()
    }


def test_a_copy_with_other_names_is_found():
    (pair,) = similar.pairs(everybody(ada=LONG, ben=RENAMED, eve=OTHER), STUB)
    assert (pair.first, pair.second, list(pair.codes)) == ("ada", "ben", ["readers"])
    assert pair.share > 0.95


def test_a_copy_in_another_order_with_more_in_it_is_found():
    copy = "import math\n\ndef helper(x):\n    return math.sqrt(x) + 17\n\n" + RENAMED
    (pair,) = similar.pairs(everybody(ada=LONG, ben=copy), STUB)
    assert pair.share > 0.9


def test_different_answers_and_what_everybody_writes_are_not():
    assert similar.pairs(everybody(ada=LONG, eve=OTHER), STUB) == []
    assert similar.pairs(everybody(), STUB) == []
    assert similar.pairs({f"s{number}": {"readers": LONG} for number in range(30)}, STUB) == []
    untouched = everybody(ada=STUB["readers"], ben=STUB["readers"])
    assert similar.pairs(untouched, STUB) == []


@pytest.mark.parametrize("code", ["def (", "'''", "\x00", "    x\n  y", "é" * 50, "", "(" * 500])
def test_code_that_is_no_python_stops_nothing(code):
    similar.pairs({"a": {"readers": code}, "b": {"readers": code}}, STUB)


def test_how_near_the_nearest_is():
    nearest = similar.nearest(everybody(ada=LONG, ben=RENAMED, eve=OTHER), STUB)
    assert nearest["ada"] == nearest["ben"] > 0.95
    assert nearest["eve"] == nearest["s0"] == 0


def test_docstrings_comments_and_white_space_do_not_count():
    with_words = LONG.replace("    counts =", '    """Counts."""\n    # count\n    counts =')
    assert similar.fingerprints(with_words) == similar.fingerprints(LONG)
