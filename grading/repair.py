"""From what a student sent to a notebook that can be run and graded, and a log of what was mended.

The release is the frame: its cells in its order, its checks and texts as they were, with the
student's answers in their places. Cells are found by their id, by nbgrader's marks, and when both
are gone by what they hold. Cells of the student's own stay behind the cell that they stood behind.
Nothing else of the file is used: no outputs, no metadata, no names of people.
"""

import ast
import json
import re
from typing import NamedTuple

from grading.questions import marks_of

MOST_CELLS = 2000
MOST_SOURCE = 1_000_000  # characters of one cell
DEEPEST = 40  # objects in objects, in the file
PICTURES = ("image/png", "image/jpeg")
BASE64 = re.compile(r"[A-Za-z0-9+/=\n]*")


class Unreadable(ValueError):
    """A file that is no notebook; the sentence says what it is."""


class Repaired(NamedTuple):
    """A notebook that can be run.

    Attributes:
        notebook: a dictionary of the notebook format, without outputs.
        answered: from the id of each answer's cell to 'answered', 'untouched' or 'missing'.
        log: what was mended, a sentence each.
    """

    notebook: dict
    answered: dict
    log: list


def repair(content, file, release):
    """Put a student's answers into the release.

    Args:
        content: the bytes of the file.
        file: its name, to say what is wrong with it.
        release: the students' notebook, as nbformat reads it.

    Raises:
        Unreadable: when no notebook can be read from the file.
    """
    theirs = read(content, file)
    places, log = match(theirs, release.cells)
    chosen = {cell_id: choose(cell_id, found, release, log) for cell_id, found in places.items()}
    log += _changes(chosen, release) + _other_order(theirs, chosen, release)
    cells, answered = [], {}
    behind = _cells_of_their_own(theirs, chosen, release)
    extra = 0
    for cell in [None, *release.cells]:
        if cell is not None:
            cells.append(_from_release(cell, chosen.get(cell.id)))
            if _is_answer(cell):
                answered[cell.id] = _state(cell, chosen.get(cell.id))
        for own in behind.get(cell.id if cell is not None else None, []):
            extra += 1
            cells.append(_cell(own["cell_type"], f"own-{extra}", own["source"], {}))
    log += [f"the answer's cell {cell_id} is missing" for cell_id, state in answered.items()
            if state == "missing"]  # fmt: skip
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": dict(release.metadata), "cells": cells}
    return Repaired(json.loads(json.dumps(whole)), answered, log)


# --- Reading --------------------------------------------------------------------------------------


def read(content, file):
    """The cells of a student's file, as plain dictionaries with a source each."""
    suffix = file.rsplit(".", 1)[-1].lower()
    if not content.strip():
        raise Unreadable("the file is empty")
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        what = f"a .{suffix} file" if suffix != "ipynb" else "not JSON, as a notebook would be"
        raise Unreadable(f"the file is {what}: the notebook (.ipynb) itself is needed") from None
    if _depth(data) > DEEPEST:
        raise Unreadable("the file's objects are nested too deeply for a notebook")
    cells = data.get("cells") if isinstance(data, dict) else None
    if cells is None and isinstance(data, dict):
        cells = _cells_of_worksheets(data.get("worksheets"))
    if not isinstance(cells, list):
        raise Unreadable("the file is JSON, but not a notebook: it has no cells")
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"the notebook has more than {MOST_CELLS} cells")
    return [plain for cell in cells if (plain := _plain(cell)) is not None]


def _cells_of_worksheets(sheets):
    """The cells of a notebook of the format before 2015, or None."""
    if not isinstance(sheets, list):
        return None
    lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
    cells = [cell for each in lists if isinstance(each, list) for cell in each]
    return [{"source": cell.get("input"), **cell} for cell in cells if isinstance(cell, dict)]


def _depth(data):
    level, deep = [data], 0
    while level:
        deep += 1
        if deep > DEEPEST:
            break
        level = [item for each in level if isinstance(each, dict | list)
                 for item in (each.values() if isinstance(each, dict) else each)]  # fmt: skip
    return deep


def _plain(cell):
    """A student's cell: kind, source, the names that it might be found by, pasted pictures."""
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = cell.get("source")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        source = ""
    source = source.encode("utf-8", "replace").decode("utf-8")  # no half characters
    if len(source) > MOST_SOURCE:
        raise Unreadable(f"a cell has more than {MOST_SOURCE:,} characters")
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    marks = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    names = [cell.get("id"), marks.get("grade_id"), metadata.get("id")]
    return {
        "cell_type": cell["cell_type"],
        "source": source,
        "names": [name for name in names if isinstance(name, str)],
        "marked": bool(marks),
        "attachments": _pictures(cell.get("attachments")),
    }


def _pictures(attachments):
    """What was pasted into a text cell, pictures only."""
    kept = {}
    for name, forms in attachments.items() if isinstance(attachments, dict) else ():
        if isinstance(forms, dict):
            kept[name] = {form: content for form, content in forms.items()
                          if form in PICTURES and isinstance(content, str)
                          and BASE64.fullmatch(content)}  # fmt: skip
    return kept


# --- Matching -------------------------------------------------------------------------------------


def match(theirs, cells):
    """From the id of each of the release's cells to the student's cells that stand for it."""
    ids = {cell.id for cell in cells}
    places = {cell.id: [] for cell in cells}
    for own in theirs:
        name = next((name for name in own["names"] if name in ids), None)
        if name is not None:
            places[name].append(own)
    log = []
    for place, cell in enumerate(cells):
        if not places[cell.id]:
            own = _by_content(cell, cells[place - 1] if place else None, theirs, places)
            if own is not None:
                places[cell.id].append(own)
                if _is_answer(cell):
                    log.append(f"the cell {cell.id} had lost its marks: found by what it holds")
    return places, log


def _by_content(cell, before, theirs, places):
    """The student's cell that stands for one whose id is gone, or None."""
    taken = [id(own) for found in places.values() for own in found]
    free = [own for own in theirs if id(own) not in taken and own["cell_type"] == cell.cell_type]
    same = [own for own in free if _same(own["source"], cell.source)]
    if same:
        return same[0]
    if not _is_answer(cell):
        return None
    if cell.cell_type == "code":
        names = defined(cell.source)
        fitting = [own for own in free if names & defined(own["source"])]
        if fitting:
            return fitting[-1]
    # What stands right behind the question.
    asked = next(iter(places[before.id]), None) if before is not None else None
    if asked is not None:
        place = next(place for place, own in enumerate(theirs) if own is asked)
        behind = theirs[place + 1] if place + 1 < len(theirs) else None
        if behind is not None and any(own is behind for own in free):
            return behind
    return None


def defined(source):
    """The names that a cell's code defines at its top level, as far as it can be read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^(?:def\s+)?(\w+)\s*(?:\(.*\)\s*:|=[^=])", source, re.MULTILINE))
    names = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        for target in getattr(statement, "targets", []):
            names |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


def choose(cell_id, found, release, log):
    """Of several cells for one place the last that is answered; None when there is none."""
    if not found:
        return None
    stub = next(cell for cell in release.cells if cell.id == cell_id)
    changed = [own for own in found if not _same(own["source"], stub.source)]
    if len(found) > 1 and _is_answer(stub):
        log.append(f"the cell {cell_id} stood {len(found)} times: the last that is answered counts")
    elif len(found) > 1:
        log.append(f"the cell {cell_id} stood {len(found)} times")
    return (changed or found)[-1] if _is_answer(stub) else found[0]


# --- Putting together -----------------------------------------------------------------------------


def _is_answer(cell):
    return marks_of(cell).get("solution", False)


def _is_check(cell):
    marks = marks_of(cell)
    return marks.get("grade", False) and not marks.get("solution", False)


def _same(source, other):
    """Whether two sources say the same, whatever the white space at their ends."""
    return source.split() == other.split()


def _state(cell, own):
    if own is None:
        return "missing"
    return "untouched" if _same(own["source"], cell.source) else "answered"


def _changes(chosen, release):
    """Sentences on checks and texts that were altered or taken out, and on the order."""
    log, texts = [], 0
    for cell in release.cells:
        own = chosen[cell.id]
        if _is_answer(cell) or (own is not None and _same(own["source"], cell.source)):
            continue
        if _is_check(cell) or cell.cell_type == "code":
            what = "had been changed" if own is not None else "was missing"
            log.append(f"the cell {cell.id} {what}: it is as it was")
        else:
            texts += 1
    if texts:
        log.append(f"{texts} of the texts had been changed or taken out: they are as they were")
    if any(marks_of(cell) and not own["marked"]
           for cell in release.cells if (own := chosen[cell.id]) is not None):  # fmt: skip
        log.append("the marks of the exercise were gone: they are back")
    return log


def _other_order(theirs, chosen, release):
    """A sentence when the student's cells stood in another order."""
    order = {id(own): place for place, cell in enumerate(release.cells)
             if (own := chosen[cell.id]) is not None}  # fmt: skip
    found = [order[id(own)] for own in theirs if id(own) in order]
    return [] if found == sorted(found) else ["the cells stood in another order: they are back"]


def _cells_of_their_own(theirs, chosen, release):
    """The student's own cells, by the id of the release's cell that they stood behind."""
    at = {id(own): cell_id for cell_id, own in chosen.items() if own is not None}
    names = {cell.id for cell in release.cells}
    behind, last = {}, None
    for own in theirs:
        if id(own) in at:
            last = at[id(own)]
            continue
        spare = next((name for name in own["names"] if name in names), None)
        twin = next((cell for cell in release.cells if cell.id == spare), None)
        if twin is not None and (not _is_answer(twin) or _same(own["source"], twin.source)):
            continue  # a second copy of a check or a text, or of an empty answer
        if own["source"].strip():
            # An earlier try at an answer runs before the one that counts.
            place = last if twin is None else _before(spare, release)
            behind.setdefault(place, []).append(own)
    return behind


def _before(cell_id, release):
    ids = [cell.id for cell in release.cells]
    place = ids.index(cell_id)
    return ids[place - 1] if place else None


def _from_release(cell, own):
    """A cell of the release, with the student's answer where it is one."""
    source, attachments = cell.source, {}
    if own is not None and _is_answer(cell):
        source, attachments = own["source"], own["attachments"]
    made = _cell(cell.cell_type, cell.id, source, cell.metadata)
    if attachments and cell.cell_type == "markdown":
        made["attachments"] = attachments
    return made


def _cell(kind, cell_id, source, metadata):
    cell = {"cell_type": kind, "id": cell_id, "metadata": dict(metadata), "source": source}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})
