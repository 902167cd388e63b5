"""Whatever a file holds, it becomes a notebook that can be run, or a sentence on why it cannot."""

import json

import nbformat
import pytest
from handed_in import answered, cell_of, in_bytes, own_cell, place_of, released, solutions
from hypothesis import given
from hypothesis import strategies as st

from grading import batch, collect, examiner, files, questions, repair, submission

EXERCISE = questions.load("ex02")
RELEASE = EXERCISE.released
RIGHT = solutions()
IDS = [cell.id for cell in RELEASE.cells]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
CELLS = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw"]) | JSON},
    optional={
        "id": st.sampled_from(IDS) | JSON,
        "source": st.sampled_from(list(RIGHT.values())) | st.lists(st.text(max_size=9)) | JSON,
        "metadata": st.fixed_dictionaries({}, optional={"nbgrader": JSON, "id": JSON}) | JSON,
        "attachments": JSON,
        "outputs": JSON,
    },
)
NOTEBOOKS = st.fixed_dictionaries(
    {}, optional={"cells": st.lists(CELLS | JSON, max_size=6) | JSON, "worksheets": JSON}
)


def is_well_formed(mended):
    nbformat.validate(nbformat.from_dict(mended.notebook))
    ids = [cell["id"] for cell in mended.notebook["cells"]]
    assert [cell_id for cell_id in ids if not cell_id.startswith("own-")] == IDS
    kept = {cell["id"]: cell["source"] for cell in mended.notebook["cells"]}
    for cell in RELEASE.cells:
        if not cell.metadata.get("nbgrader", {}).get("solution"):
            assert kept[cell.id] == cell.source, "locked cells are the release's"


@given(NOTEBOOKS | JSON)
def test_any_json(data):
    try:
        is_well_formed(repair.repair(json.dumps(data).encode(), "x.ipynb", RELEASE))
    except repair.Unreadable as problem:
        assert str(problem)


@given(st.binary(max_size=60))
def test_any_bytes(content):
    with pytest.raises(repair.Unreadable):
        repair.repair(content, "x.ipynb", RELEASE)


@given(
    st.permutations(range(len(IDS))), st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS))
)
def test_any_order_with_cells_gone_and_doubled(order, gone, doubled):
    notebook = answered(plot=RIGHT["plot"])
    cells = [notebook["cells"][place] for place in order]
    cells = [cell for cell in cells if cell["id"] not in gone]
    notebook["cells"] = [cell for cell in cells for _ in range(1 + (cell["id"] in doubled))]
    mended = repair.repair(in_bytes(notebook), "x.ipynb", RELEASE)
    is_well_formed(mended)
    for cell_id, source in RIGHT.items():
        if cell_of(mended.notebook, cell_id)["cell_type"] == "code":
            assert mended.answered[cell_id] == ("missing" if cell_id in gone else "answered")
            if cell_id not in gone:
                assert cell_of(mended.notebook, cell_id)["source"] == source


def test_the_student_s_own_cells_stay_where_they_were():
    notebook = answered()
    place = place_of(notebook, "readers")
    notebook["cells"].insert(place, own_cell("helper = 1"))
    notebook["cells"].insert(0, own_cell("first = 1", "another"))
    mended = repair.repair(in_bytes(notebook), "x.ipynb", RELEASE)
    cells = mended.notebook["cells"]
    assert cells[0]["source"] == "first = 1"
    helper = next(place for place, cell in enumerate(cells) if cell["source"] == "helper = 1")
    assert cells[helper + 1]["id"] == "readers" and mended.log == []


def test_nothing_but_answers_is_taken_over():
    notebook = answered()
    for cell in notebook["cells"]:
        cell["metadata"]["executionInfo"] = {"user": {"displayName": "Jane"}}
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "Jane"}]
    notebook["metadata"]["author"] = "Jane"
    mended = repair.repair(in_bytes(notebook), "x.ipynb", RELEASE)
    assert "Jane" not in json.dumps(mended.notebook)


def test_pasted_pictures_stay_with_a_written_answer():
    notebook = answered(written=True)
    picture = {"image/png": "iVBORw0KGgo="}
    cell_of(notebook, "explain")["attachments"] = {
        "a.png": picture,
        "b.svg": {"image/svg+xml": "x"},
    }
    mended = repair.repair(in_bytes(notebook), "x.ipynb", RELEASE)
    assert cell_of(mended.notebook, "explain")["attachments"] == {"a.png": picture, "b.svg": {}}


@pytest.mark.parametrize(
    "text, seen",
    [
        ("a < b and <= c", "a < b and <= c"),
        ("<script>x</script>", "<\u200bscript>x<\u200b/script>"),
        ("<!-- x -->", "<\u200b!-- x -->"),
        ("[x](javascript:alert(1))", "[x](javascript\u200b:alert(1))"),
        ("[x](JavaScript :alert(1))", "[x](JavaScript\u200b :alert(1))"),
        ("[x](java&#115;cript:x)", "[x](java&\u200b#115;cript:x)"),
        ("$a & b$", "$a & b$"),
    ],
)
def test_texts_lose_their_html(text, seen):
    assert submission.harmless(text) == seen


def test_what_breaks_the_grader_breaks_one_grade(tmp_path, monkeypatch):
    """A submission on which our own code fails is listed, and the rest is graded."""
    for name in ("ada", "ben"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.ipynb").write_bytes(in_bytes(answered()))
    whole, outcomes = submission.run, []

    def run(job):
        if "ada" in job.file:
            raise ZeroDivisionError("a fault of ours")
        outcomes.append(whole(job))
        return outcomes[-1]

    monkeypatch.setattr(submission, "run", run)
    options = batch.Options(unsafe=True)
    results = batch.grade("ex02", tmp_path / "in", None, tmp_path / "graded", options, tell=str)
    assert results["ada"].status == "unreadable"
    assert "the grader itself failed on it (ZeroDivisionError: a fault" in results["ada"].problem
    assert results["ben"].status == "graded"
    assert sum(entry.points for entry in results["ben"].questions.values()) == 16
    again = examiner.Examiner(EXERCISE, files.Folder(tmp_path / "graded"), options)
    handed_in = collect.collect(tmp_path / "in", "ex02").submissions[1]
    monkeypatch.setattr(examiner.Examiner, "judged", broken_once(examiner.Examiner.judged))
    result = batch._judged(again, handed_in, *outcomes, None)
    assert "the grader itself failed on it (KeyError" in result.problem


def broken_once(judged):
    calls = []

    def judge(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise KeyError("x")
        return judged(*arguments)

    return judge


def test_released_notebooks_are_left_as_they_are():
    mended = repair.repair(in_bytes(released()), "x.ipynb", RELEASE)
    assert mended.log == [] and set(mended.answered.values()) == {"untouched"}


def test_a_large_file_is_read_by_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(repair, "LARGE", 1000)
    plain = json.loads(json.dumps(RELEASE))
    content = in_bytes(answered())
    assert repair.repair_safely(content, "x.ipynb", plain) == repair.repair(
        content, "x.ipynb", RELEASE
    )
    with pytest.raises(repair.Unreadable, match="not JSON"):
        repair.repair_safely(b"{" * 2000, "x.ipynb", plain)


def test_what_takes_the_parser_long_is_not_parsed():
    """Python's parser needs seconds for such sources; without ids every cell is looked at."""
    notebook = answered()
    for place, cell in enumerate(notebook["cells"]):
        cell["metadata"], cell["id"] = {}, f"cell-{place}"
    for number in range(40):
        heavy = "x = " + "(" * 90 + "1 + " * 20_000 + "1" + ")" * 90
        notebook["cells"].append(own_cell(heavy, f"heavy-{number}"))
    mended = repair.repair(in_bytes(notebook), "x.ipynb", RELEASE)
    assert cell_of(mended.notebook, "readers")["source"] == RIGHT["readers"]


def test_names_are_found_where_lines_begin():
    source = """a, b = 1, 2
c: int = 3
def d(x=1):
    inside = 4
async def e(): pass
class F: pass
if g == 1: pass
print(h=2)
i.j = 5
k += 1
"""
    assert repair.defined(source) == {"a", "b", "c", "d", "e", "F"}


def test_a_notebook_in_utf_16_is_read():
    text = json.dumps(answered(), ensure_ascii=False)
    mended = repair.repair(text.encode("utf-16"), "x.ipynb", RELEASE)
    assert cell_of(mended.notebook, "readers")["source"] == RIGHT["readers"]


def test_conflict_markers_are_called_that():
    content = in_bytes(answered()).replace(b' "cells"', b'<<<<<<< HEAD\n "cells"', 1)
    with pytest.raises(repair.Unreadable, match="conflict markers"):
        repair.repair(content, "x.ipynb", RELEASE)


def test_an_answer_in_another_place_goes_to_the_reader():
    def state(change):
        notebook = released()
        change(notebook["cells"], notebook)
        return repair.repair(in_bytes(notebook), "x.ipynb", RELEASE).answered["explain"]

    text = own_cell("At the border fewer windows.", kind="markdown")
    note = own_cell(" ".join(["word"] * repair.NOTE), kind="markdown")
    assert state(lambda cells, notebook: None) == "untouched"
    behind = place_of(released(), "explain") + 1
    assert state(lambda cells, notebook: cells.insert(behind, text)) == "answered"
    assert state(lambda cells, notebook: cells.append(text)) == "answered"
    assert state(lambda cells, notebook: cells.insert(8, text)) == "untouched", "that of another"
    assert state(lambda cells, notebook: cells.insert(8, note)) == "answered"
    assert state(lambda cells, notebook: cells.insert(behind, own_cell("1 + 1"))) == "answered"

    def plot(cells, notebook):
        cell_of(notebook, "plot")["source"] += "\naxes.plot([1, 2])"

    assert state(plot) == "answered"
