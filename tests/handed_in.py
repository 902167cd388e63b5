"""Submissions as students send them, made from an exercise's release, for the grader's tests."""

import json
from functools import cache

from grading import questions, rehearsal


@cache
def release_of(exercise):
    """The students' notebook as text: read once."""
    return json.dumps(questions.load(exercise).released)


def released(exercise="ex02"):
    """The students' notebook as a plain dictionary."""
    return json.loads(release_of(exercise))


@cache
def solutions(exercise="ex02"):
    """From the id of each cell of an answer to the source's solution."""
    return rehearsal.solutions(questions.load(exercise))


def answered(exercise="ex02", written=False, **changes):
    """A release with every answer right but those in `changes` (`readers="…"`).

    Written answers, and the plots that belong to them, stay empty unless `written` is true: points
    for them come from a reader.
    """
    notebook = released(exercise)
    right = solutions(exercise)
    ids = {cell["id"] for cell in notebook["cells"]}
    for cell in notebook["cells"]:
        name = cell["id"].replace("-", "_")
        checked = f"{cell['id']}-check" in ids
        if cell["id"] in right and (checked or written or name in changes):
            cell["source"] = changes.get(name, right[cell["id"]])
    return notebook


def in_bytes(notebook):
    """A notebook as a file."""
    return json.dumps(notebook, indent=1).encode()


def cell_of(notebook, cell_id):
    """The cell with this id."""
    return next(cell for cell in notebook["cells"] if cell["id"] == cell_id)


def place_of(notebook, cell_id):
    """Where the cell with this id stands."""
    return notebook["cells"].index(cell_of(notebook, cell_id))


def own_cell(source, cell_id="mine", kind="code"):
    """A cell that a student adds."""
    cell = {"cell_type": kind, "id": cell_id, "metadata": {}, "source": source}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})
