"""Every notebook, as committed: executed, clean, readable, and in the frame of the course.

That the cells *run* is nbval's part; these tests read the files.
"""

import re
import statistics
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# The cells that every notebook has, in this order, by id.
FRAME_BEFORE = ("title", "badges", "goals", "cost", "set-up-text", "set-up")
FRAME_AFTER = ("your-turn", "take-away", "sources", "next")
FRAME_TEXT = {
    "goals": "**After this notebook you will be able to**",
    "cost": "**Time, memory, device.**",
    "set-up-text": "## Set-up",
    "your-turn": "## Your turn",
    "take-away": "## What to take away",
    "sources": "## Sources",
}
# Folders of somebody's machine. A web address or a path inside the course is no such thing.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|work|tmp|Users|usr|opt|mnt)/|[A-Z]:\\\\Users")


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [(cell, output) for cell in code_cells(notebook) for output in cell.outputs]


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_the_series_is_numbered_without_a_gap():
    assert NOTEBOOKS, "no notebook found"
    assert [int(path.stem[:2]) for path in NOTEBOOKS] == list(range(len(NOTEBOOKS)))


def test_is_valid_and_small(path, notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert path.stat().st_size <= 1_500_000


def test_was_executed_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_has_no_error_and_no_log_lines(notebook):
    for cell, output in outputs(notebook):
        assert output.output_type != "error", cell.id
        assert output.get("name") != "stderr", (cell.id, output.text)
        assert "WARNING" not in output.get("text", ""), cell.id


def test_carries_no_widget_state_and_no_machine(notebook):
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        folded = {"cellView", "jupyter"} if cell.id == "set-up" else set()
        assert set(cell.metadata) <= {"tags"} | folded, cell.id
        for output in cell.get("outputs", []):
            assert not any("widget" in kind for kind in output.get("data", {})), cell.id
    assert not MACHINE_PATH.search(nbformat.writes(notebook))


def test_the_pattern_for_machine_paths_finds_some():
    assert MACHINE_PATH.search('"/home/someone/course"')
    assert not MACHINE_PATH.search("https://example.org/home/page and data/home/x")


def test_the_set_up_cell_is_folded(notebook):
    (cell,) = [cell for cell in notebook.cells if cell.id == "set-up"]
    assert cell.metadata["jupyter"] == {"source_hidden": True}  # JupyterLab, VS Code
    assert cell.metadata["cellView"] == "form"  # Colab


def test_cell_ids_are_unique_and_speak(notebook):
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each) for each in ids), ids


def test_has_the_frame(path, notebook):
    ids = [cell.id for cell in notebook.cells]
    assert tuple(ids[: len(FRAME_BEFORE)]) == FRAME_BEFORE
    assert tuple(ids[-len(FRAME_AFTER) :]) == FRAME_AFTER
    cells = {cell.id: cell for cell in notebook.cells}
    assert cells["title"].source.startswith(f"# {path.stem[:2]} ")
    for cell_id, opening in FRAME_TEXT.items():
        assert cells[cell_id].source.startswith(opening), cell_id
    goals = re.findall(r"^- ", cells["goals"].source, re.MULTILINE)
    assert 3 <= len(goals) <= 5
    assert "Predict first" in text_of(notebook)


def test_links_between_files_resolve(path, notebook):
    for target in re.findall(r"\]\(([^)#]+)\)", text_of(notebook)):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target


def test_pictures_carry_alt_text(notebook):
    pictures = 0
    for cell, output in outputs(notebook):
        data = output.get("data", {})
        assert "image/jpeg" not in data and "image/svg+xml" not in data, cell.id
        if "image/png" in data:
            pictures += 1
            alt = output.metadata["image/png"]["alt"]
            assert len(alt) >= 40 and alt == "".join(data["text/plain"]), cell.id
    assert pictures >= 3
    assert not re.search(r"!\[\]\(", text_of(notebook)), "a picture without alt text"
    assert "<img" not in text_of(notebook)


def test_cells_are_short(notebook):
    # The set-up cell is folded; tests/test_address.py looks after it.
    cells = [cell for cell in code_cells(notebook) if cell.id != "set-up"]
    lengths = {cell.id: len(cell.source.splitlines()) for cell in cells}
    assert max(lengths.values()) <= 30, lengths
    assert statistics.median(lengths.values()) <= 7, lengths


def test_cells_with_checked_output_have_one(notebook):
    checked = [cell for cell in code_cells(notebook) if "NBVAL_CHECK_OUTPUT" in cell.source]
    assert len(checked) >= 2
    for cell in checked:
        assert cell.source.startswith("# NBVAL_CHECK_OUTPUT\n"), cell.id
        assert cell.outputs, f"{cell.id} checks an output that it does not have"
        # nbval cannot compare pictures.
        assert not any("image/png" in output.get("data", {}) for output in cell.outputs), cell.id


def test_prose_keeps_its_voice(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"`[^`]*`|\$[^$]*\$|!\[", "", cell.source)
            assert "!" not in prose, cell.id
            american = re.search(r"\b(\w*(colou?r)\w*|normalize\w*|center\w*|gray\w*)\b", prose)
            assert american is None or american.group(1).lower().startswith(
                ("colour", "discolour")
            ), (cell.id, american.group(0))
