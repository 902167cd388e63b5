"""Exercise 9 has a second set of right answers in other words, and many known mistakes."""

import re
from pathlib import Path

from handed_in import in_bytes, released

from grading import batch, files, questions

ROOT = Path(__file__).parents[1]
NAME = "ex09_where_and_which_pixel"


def test_a_second_correct_submission_scores_in_full(bubblewrap, tmp_path):
    path = ROOT / "tests" / "other_answers" / f"{NAME}.matrices.py"
    pieces = re.split(r"^# %% (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    notebook = released(NAME)
    sources = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    for cell in notebook["cells"]:
        cell["source"] = sources.pop(cell["id"], cell["source"])
    assert not sources, f"no such cells: {list(sources)}"
    handed_in = tmp_path / "submissions" / "someone" / "my notebook.ipynb"
    handed_in.parent.mkdir(parents=True)
    handed_in.write_bytes(in_bytes(notebook))
    place = tmp_path / "graded"
    files.write_atomically(place / "secret_seed", "20261126\n")
    results = batch.grade(NAME, handed_in.parents[1], None, place, tell=lambda line: None)
    for name, entry in results["someone"]["questions"].items():
        assert (entry["points"], entry["status"]) == (entry["max"], "correct"), (name, entry)


def test_the_usual_mistakes_are_known():
    """Rows and columns swapped, inclusive borders, the overlap twice, doubles across classes."""
    exercise = questions.load(NAME)
    hints = [hint for question in exercise.questions for hint in question.mistakes]
    assert len(hints) >= 40
    for words in ("swapped", "half open", "counts the overlap once", "same class"):
        assert any(words in hint for hint in hints), words
