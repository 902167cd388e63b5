"""The notes for whoever teaches: laid into the notebooks, and in no learner's hands."""

import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pytest
import work
import zip_course

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("notes", ROOT / "tools" / "notes.py")
TOOL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TOOL)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_every_notebook_has_a_note_of_a_few_sentences():
    notes = TOOL.notes()
    assert len(notes) >= 13 and list(notes) == sorted(notes)
    for name, words in notes.items():
        assert 2 <= len(re.findall(r"[.?](?: |$)", words)) <= 6 and "\n" not in words, name


def test_the_sections_that_a_note_names_are_there():
    """What stands in italics is a heading of the notebook."""
    for name, words in TOOL.notes().items():
        text = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
        headings = set(re.findall(r'"#+ ([^"\\]+)(?:\\n)?"', text))
        for title in re.findall(r"\*([^*]+)\*", words):
            assert any(heading.startswith(title) for heading in headings), (name, title)


def test_the_notes_are_laid():
    assert [path.name for path, text in TOOL.wanted().items() if path.read_text() != text] == []


def course_with_notes(course_copy):
    course = course_copy("notebooks", "tools/notes.md", "tools/work.py", "tools/zip_course.py")
    for path, text in TOOL.wanted(course).items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return course


def test_a_note_stands_below_the_set_up_and_changes_nothing_else(course_copy):
    before = {path.stem: nbformat.read(path, 4) for path in NOTEBOOKS}
    course = course_with_notes(course_copy)
    for path in (course / "notebooks").glob("*.ipynb"):
        after = nbformat.read(path, 4)
        nbformat.validate(after)
        ids = [cell.id for cell in after.cells]
        assert ids[ids.index("set-up") + 1] == TOOL.NOTE and ids.count(TOOL.NOTE) == 1
        others = [cell for cell in after.cells if cell.id != TOOL.NOTE]
        assert others == [cell for cell in before[path.stem].cells if cell.id != TOOL.NOTE]
        written = path.read_text(encoding="utf-8")
        nbformat.write(after, path)
        assert path.read_text(encoding="utf-8") == written, "as nbformat writes it"
    assert {path: path.read_text() for path in TOOL.wanted(course)} == TOOL.wanted(course)


def test_no_learner_gets_a_note(course_copy):
    course = course_with_notes(course_copy)
    for path in (course / "notebooks").glob("*.ipynb"):
        assert b"For whoever teaches" in path.read_bytes()
        assert b"For whoever teaches" not in work.copy_of(path)
    for name, content in zip_course.files(course).items():
        assert not (name.startswith("notebooks/") and b"For whoever teaches" in content), name


def test_a_note_for_no_notebook_is_refused(course_copy):
    course = course_copy("notebooks", "tools/notes.md")
    (course / "notebooks" / "04_lenet.ipynb").unlink()
    with pytest.raises(ValueError, match="a note for 04_lenet, which is no notebook"):
        TOOL.wanted(course)
    (course / "notebooks" / "04_lenet.ipynb").write_text('{"worksheets": []}')
    with pytest.raises(ValueError, match="notebooks/04_lenet.ipynb is not a whole notebook"):
        TOOL.wanted(course)
    with pytest.raises(ValueError, match="no cell 'set-up'"):
        TOOL.with_note(json.dumps({"cells": []}), "words")
