"""Feedback, grades, the class page: each status shown apart, and nothing of a student's runs."""

import csv
import html.parser
import io
import os
import re
from dataclasses import replace

import pytest
from handed_in import answered, cell_of

from course_utils import plots
from grading import class_page, feedback, grades, pages, questions, similar
from grading.results import PartResult, QuestionResult, Result, WrittenResult
from grading.roster import Student

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x00\x1b[31m\ud800"
EXERCISE = questions.load("ex02")
QUESTIONS = {question.name: question for question in EXERCISE.questions}
STYLE = (pages.TEMPLATES / "report.css").read_text(encoding="utf-8")
STATUSES = ("correct", "partly correct", "wrong", "untouched", "missing", "crashed", "timed out",
            "out of memory", "too many processes", "changed by hand", "given to all",
            "dropped")  # fmt: skip


def result_of(student="s1", status="graded", written=None, said="the shape is wrong", **statuses):
    """A made-up result; statuses by question, 'correct' where none is given."""
    entries = {}
    for name, question in QUESTIONS.items():
        kind = statuses.get(name, "correct")
        right = kind == "correct"
        parts = [
            PartResult(part.name, part.points, part.points)
            if right
            else PartResult(part.name, part.points, 0, said, f"hint: {said}")
            for part in question.parts
        ]
        points = question.points if right else 0
        entries[name] = QuestionResult(points, question.points, kind, parts)
    unread = WrittenResult(None, 3, "needs manual grading")
    return Result(
        student=student,
        name=f"Name of {student}",
        matched=True,
        exercise=EXERCISE.name,
        file="a.ipynb",
        status=status,
        questions=entries,
        written={"explain": written or unread},
        seconds=1.0,
    )


def rows_of(results, tmp_path, missing=()):
    path = tmp_path / "grades.csv"
    grades.write(results, EXERCISE, path, missing)
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "spreadsheets take it for Latin-1 otherwise"
    return {row["student"]: row for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))}


def test_every_status_has_its_own_word(tmp_path):
    results = [result_of(f"s{place}", readers=status) for place, status in enumerate(STATUSES)]
    rows = rows_of(results, tmp_path)
    assert [rows[f"s{place}"]["readers status"] for place in range(len(STATUSES))] == list(STATUSES)
    assert (rows["s0"]["points"], rows["s2"]["points"], rows["s2"]["max"]) == ("16", "14", "19")
    for status, result in zip(STATUSES, results, strict=True):
        assert f">{status}</span>" in feedback.page(result, EXERCISE, None)
    page = class_page.page(results, EXERCISE)
    assert "readers: 1 correct, 1 partly correct" in page


def test_unread_unreadable_untouched_and_missing_are_told_apart(tmp_path):
    read = WrittenResult(2, 3, "graded", "The price is missing.")
    unreadable = replace(result_of("d", "unreadable"), problem="the file is empty")
    results = [
        result_of("a"),
        result_of("b", written=read),
        result_of("c", "untouched"),
        unreadable,
    ]
    rows = rows_of(results, tmp_path, [Student("e", "Eve")])
    statuses = {student: row["status"] for student, row in rows.items()}
    assert statuses == {"a": "needs manual grading", "b": "graded", "c": "untouched",
                        "d": "unreadable", "e": "not handed in"}  # fmt: skip
    assert rows["a"]["explain points"] == ""
    assert rows["a"]["explain status"] == "needs manual grading"
    assert (rows["b"]["explain points"], rows["b"]["points"]) == ("2", "18")
    assert rows["d"]["remarks"] == "the file is empty"
    assert rows["d"]["readers status"] == "unreadable"
    page = feedback.page(results[1], EXERCISE, None)
    assert "18 of 19 points" in page and "The price is missing." in page
    assert "still to be read" in feedback.page(results[0], EXERCISE, None)
    whole = class_page.page(results, EXERCISE, missing=[Student("e", "Eve")], notes=["a note"])
    counts = re.findall(r"<li><strong>(\d+)</strong> ([^<]+)</li>", whole)
    assert counts == [("4", "handed in"), ("1", "graded"), ("1", "need reading"),
                      ("1", "untouched"), ("1", "unreadable"), ("1", "not handed in")]  # fmt: skip
    for heading, line in (("Unreadable", "d: the file is empty"), ("Notes", "a note"),
                          ("Not handed in", "e (Eve)")):  # fmt: skip
        assert f"<h3>{heading}</h3><ul><li>{line}</li></ul>" in whole


def test_remarks(tmp_path):
    repairs = ["the cell readers stood 2 times: the last that is answered counts"]
    earlier = ["x.ipynb", "y.ipynb"]
    result = replace(result_of("a"), matched=False, earlier=earlier, repairs=repairs)
    row = rows_of([result], tmp_path)["a"]
    assert row["remarks"] == "not in the roster; also handed in: x.ipynb, y.ipynb"
    assert row["repaired"] == "yes"
    assert "stood 2 times" in feedback.page(result, EXERCISE, None)
    page = class_page.page([result], EXERCISE)
    assert "a cell stood several times" in page and "In 1 of 1 submissions" in page
    assert "<h3>Not in the roster</h3><ul><li>a (a.ipynb)</li></ul>" in page
    assert "<li>a: graded a.ipynb, not graded x.ipynb, y.ipynb</li>" in page
    assert "Calls what was" not in page
    readers = replace(result.questions["readers"], comment="mentions <b>", flagged=True)
    result = replace(result, questions={**result.questions, "readers": readers})
    line = "<h3>Calls what was to be written</h3><ul><li>a, readers: mentions &lt;b&gt;</li>"
    assert line in class_page.page([result], EXERCISE)


def test_the_whole_table(tmp_path):
    read = WrittenResult(2.5, 3, "graded")
    results = [result_of("b", written=read, readers="wrong"), result_of("a")]
    path = tmp_path / "grades.csv"
    grades.write(results, EXERCISE, path, [Student("c", "Zoë, the last")])
    points = ",".join(f"{name} points,{name} status" for name in (*QUESTIONS, "explain"))
    right = "4,correct,4,correct,3,correct,3,correct"
    assert path.read_text(encoding="utf-8-sig").splitlines() == [
        f"student,name,{points},points,max,penalty,total,status,handed in,repaired,remarks",
        f"a,Name of a,{right},2,correct,,needs manual grading,16,19,0,16,needs manual grading,,no,",
        f"b,Name of b,{right},0,wrong,2.5,graded,16.5,19,0,16.5,graded,,no,",
        'c,"Zoë, the last",,,,,,,,,,,,,0,19,0,0,not handed in,,no,',
    ]


def test_points_below_nought_stay_a_number(tmp_path):
    read = WrittenResult(-1, 3, "graded")
    row = rows_of([result_of("a", written=read)], tmp_path)["a"]
    assert (row["explain points"], row["points"]) == ("-1", "15")


def test_a_crash_leaves_the_old_grades(tmp_path, monkeypatch):
    path = tmp_path / "grades.csv"
    grades.write([result_of("old")], EXERCISE, path)
    before = path.read_bytes()

    def full(*places):
        raise OSError("no space left on device")

    for stage in ("replace", "fsync"):
        with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
            patched.setattr(os, stage, full)
            grades.write([result_of("new")], EXERCISE, path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path], "half a file is left"


STARTS = [
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@sum",
    "\t1",
    "\r1",
    "\t=1",
    " =1",
    "\x00=1",
    "\ufeff=1",
    "＝1",
]


@pytest.mark.parametrize("start", STARTS)
def test_no_cell_is_a_formula(tmp_path, start):
    row = rows_of([replace(result_of("a"), name=start)], tmp_path)["a"]
    assert row["name"].startswith("'")


class Tags(html.parser.HTMLParser):
    """What a browser would make of a page: its tags, and whether they are closed in order."""

    EMPTY = ("meta", "img", "br", "hr")

    def __init__(self, page):
        super().__init__()
        self.found, self.open, self.wrong = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def assert_harmless(page):
    tags = Tags(page)
    assert tags.open == tags.wrong == []
    for tag, attributes in tags.found:
        assert tag not in ("script", "iframe", "form", "input", "link", "object", "svg", "a")
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:image/").startswith("data:image/")
        assert tag != "img" or attributes["alt"].strip()
        assert tag != "th" or attributes["scope"] in ("col", "row")


def test_nothing_of_a_student_is_html():
    result = result_of(NASTY, said=NASTY, readers="wrong")
    said = {"explain": WrittenResult(2, 3, "graded", NASTY)}
    result = replace(result, name=NASTY, file=NASTY, earlier=[NASTY], repairs=[NASTY], written=said)
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
    group = similar.Group([NASTY, NASTY], NASTY)
    near = similar.Near(NASTY, NASTY, [NASTY], 0.9)
    likeness = similar.Likeness(
        [pair], {NASTY: 0.9, "b": 0.2}, [group], [group], [group], [near], [NASTY]
    )
    missing = [Student(NASTY, NASTY)]
    for page in (
        feedback.page(result, EXERCISE, notebook),
        class_page.page([result], EXERCISE, likeness, missing, [NASTY]),
    ):
        page.encode("utf-8")
        assert_harmless(page)
        assert (
            "<script" not in page and "<img src=x" not in page and "onerror=alert(1)>" not in page
        )
        assert "\x00" not in page and "\x1b" not in page
        assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


def test_pictures_have_alt_text_and_hints_are_counted_by_student():
    results = [result_of(f"s{place}", readers="wrong") for place in range(5)]
    page = class_page.page([*results, result_of("good")], EXERCISE)
    assert page.count('<img alt="Students by') == 3
    assert "How many students made each known mistake. readers: hint: the shape is wrong 5." in page
    assert '<td>hint: the shape is wrong</td><td class="number">5</td>' in page


def markdown(source, **attachments):
    """A written answer as feedback shows it."""
    notebook = answered()
    cell = cell_of(notebook, "explain")
    cell |= {"source": source, "attachments": attachments}
    page = feedback.page(result_of(), EXERCISE, {**notebook, "cells": [cell]})
    assert_harmless(page)
    return page.split("as it ran</h2>")[1]


def test_no_text_loads_anything_or_leads_anywhere():
    source = """[a](http://evil.example) ![b](http://evil.example/p.png) <http://evil.example/c>
    [d](javascript:alert(1)) ![e](data:text/html;base64,xx) [f]: http://evil.example "x"

[f] ![](http://evil.example/"onerror="alert(1)) ![" onerror="alert(1)](x) <b onclick=1>g</b>"""
    assert "<img" not in markdown(source)
    assert 'a <span class="address">(http://evil.example)</span>' in markdown(source)


def test_pasted_pictures_and_headings():
    page = markdown(
        "# Mine\n\n![my plot](attachment:a%20b.png)", **{"a b.png": {"image/png": "AA=="}}
    )
    assert '<img alt="my plot" src="data:image/png;base64,AA==">' in page
    assert "<h3>Mine</h3>" in page, "a student's heading stands above the page's own"
    page = markdown("![x](attachment:y.svg)", **{"y.svg": {"image/svg+xml": "<svg>"}})
    assert "[picture: x]" in page


@pytest.mark.parametrize("source", ["[" * 15_000, "> " * 9_000, "- " * 9_000, "*a" * 9_000,
                                    "|" * 19_000, "`" * 19_999, "x" * 900_000,
                                    "$$" * 9_000, "$`" * 9_000])  # fmt: skip
def test_odd_texts_cost_nobody_their_feedback(source):
    markdown(source)
    markdown(source[: pages.LONGEST])


def test_no_page_sets_more_than_it_has_time_for(monkeypatch):
    """Some texts take time like the square of their length, and a notebook has 2000 cells."""
    created, asked = pages.mistune.create_markdown, []

    def counting(**options):
        made = created(**options)
        return lambda text: asked.append(len(text)) or made(text)

    monkeypatch.setattr(pages.mistune, "create_markdown", counting)
    texts = ["*a* " * 1499 + f"{place:04}" for place in range(20)]
    texts += ["<b>" * 3000, "the end"]
    cells = [{"cell_type": "markdown", "id": f"own-{place}", "metadata": {}, "source": text}
             for place, text in enumerate(texts)]  # fmt: skip
    page = feedback.page(result_of(), EXERCISE, {**answered(), "cells": cells})
    assert_harmless(page)
    assert asked == [6000] * 8 and sum(asked) <= pages.MOST_SET
    assert page.count("shown as it was written: it is too long") == len(texts) - 8
    assert "the end</pre>" in page and "<pre>&lt;b&gt;" in page
    assert "as it was written" in markdown("a" * (pages.LONGEST + 1))


def test_formulas_are_shown_as_they_were_written():
    page = markdown(r"Here $a_1 < b_2$ and $$\frac{1}{2}$$")
    assert '<span class="math">a_1 &lt; b_2</span>' in page and r"\frac{1}{2}</span>" in page


def test_outputs_are_shown_as_a_terminal_would():
    notebook = answered()
    text = "\x1b[31mred\x1b[0m \x1b]0;title\x07\n10 %\r20 %\rdone\r\nturn\u202eed"
    cell = cell_of(notebook, "readers")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
    page = feedback.page(result_of(), EXERCISE, notebook)
    assert '<pre class="output">red \ndone\nturn\ufffded</pre>' in page


def test_parts_that_are_right_are_named_too():
    result = result_of(output_size="partly correct")
    first = result.questions["output_size"].parts[0]
    result.questions["output_size"].parts[0] = PartResult(first.name, 1, 1)
    page = feedback.page(result, EXERCISE, None)
    assert "Right: stride 1</div>" in page
    assert "<strong>larger strides</strong> (0 of 1): the shape is wrong" in page
    assert page.count("hint: the shape is wrong") == 1


def test_untouched_and_missing_are_said_in_words():
    page = feedback.page(result_of(readers="untouched", pad_same="missing"), EXERCISE, None)
    assert "Left as it was handed out." in page and "Its cell was not there." in page


def test_nobody_everybody_unreadable_and_nothing_read(tmp_path):
    assert_harmless(class_page.page([], EXERCISE))
    unreadable = replace(result_of("d", "unreadable"), problem="the file is empty.")
    page = class_page.page([unreadable], EXERCISE)
    assert "<figure>" not in page
    page = feedback.page(unreadable, EXERCISE, None)
    assert "the file is empty.</p>" in page and "Handed in: a.ipynb" in page
    old = result_of("e")
    del old.questions["readers"]  # of an exercise that has changed since
    assert_harmless(class_page.page([result_of("a"), old], EXERCISE))


def test_points_and_statuses_are_there_in_numbers():
    read = WrittenResult(2, 3, "graded")
    results = [result_of("a", readers="wrong"), result_of("b", written=read)]
    page = class_page.page(results, EXERCISE)
    assert "readers: 0 points 1, 2 points 1." in page
    assert "explain: 2 points 1, 1 unread." in page
    assert '<th scope="row">readers</th><td class="number">1.0 of 2</td>' in page


def test_mistakes_stand_by_question():
    results = [result_of(f"s{number}", readers="wrong", by_hand="wrong") for number in range(2)]
    page = class_page.page([*results, result_of("x", readers="wrong")], EXERCISE)
    rows = re.findall(r'"row">(\w+)</th><td>([^<]+)</td><td class="number">(\d)</td>', page)
    parts = [("by_hand", part.name, "2") for part in QUESTIONS["by_hand"].parts]
    assert sorted(rows[2:6]) == sorted(parts)
    assert rows[6:] == [("readers", "no padding", "3"), ("readers", "padding", "3")]


def test_pairs_are_a_table_and_the_codes_side_by_side():
    pair = similar.Pair("a", "b", 0.934, 41, {"readers": ("<mine>", "yours")})
    results = [result_of("a"), result_of("b")]
    page = class_page.page(results, EXERCISE, similar.Likeness([pair], {"a": 0.934, "b": 0.934}))
    assert (
        '<th scope="row">a (Name of a)</th><td>b (Name of b)</td><td>readers</td>'
        '<td class="number">93 %</td><td class="number">41</td>'
    ) in page
    assert "<pre>&lt;mine&gt;</pre>" in page and "<pre>yours</pre>" in page
    assert "no proof" in page
    many = class_page.page(results, EXERCISE, similar.Likeness([pair] * 100))
    assert many.count("<pre>yours</pre>") == class_page.MOST_PAIRS
    assert many.count('<td class="number">93 %</td>') == 100


def test_words_can_be_read_on_white():
    colours = {pages.GOOD, pages.HALF, pages.BAD, pages.OPEN}
    colours |= set(re.findall(r"(?<!-)color: (#\w{6})", STYLE))
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour


def luminance(colour):
    """The relative luminance of WCAG."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
              for part in parts]  # fmt: skip
    return sum(part * share for part, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_no_two_statuses_look_alike():
    assert len(set(class_page.LOOKS.values())) == len(class_page.LOOKS)
    assert {*STATUSES, "needs manual grading", "graded"} == set(class_page.LOOKS)
    assert plots.PALETTE["output"].lower() == class_page.LOOKS["correct"][0]
