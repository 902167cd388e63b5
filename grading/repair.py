"""From what a student sent to a notebook that can be run and graded, and a log of what was mended.

The release is the frame: its cells in its order, its checks and texts as they were, with the
student's answers in their places. Cells are found by their id, by nbgrader's marks, and when both
are gone by what they hold. Cells of the student's own stay behind the cell that they stood behind.
Nothing else of the file is used: no outputs but of the cells that the release marks as `not-run`,
no metadata, no names of people.

No code is parsed: Python's parser can be kept busy for minutes. A large file is read in a process
of its own (`python -m grading.repair`), so that nobody else waits for it.
"""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from grading.questions import marks_of

ROOT = Path(__file__).resolve().parents[1]
MOST_CELLS = 2000
MOST_SOURCE = 1_000_000  # characters of one cell
LARGE = 4_000_000  # bytes of a file from which on a process of its own reads it
MOST_MEMORY = 3_000_000_000  # bytes of that process
MOST_SECONDS = 60  # of that process
SENTENCE = 5  # words that are an answer, where somebody wrote into a question's text
NOTE = 15  # words that are an answer, wherever they stand
PICTURES = ("image/png", "image/jpeg")
NOT_RUN = "not-run"  # the tag of a cell that trains for minutes, or shows what came of it
BASE64 = re.compile(r"[A-Za-z0-9+/=\n]*")


Cell = dict[str, Any]
# The student's own cells, by the id of the release's cell that they stand behind.
Behind = dict[str | None, list[Cell]]


class Unreadable(ValueError):
    """A file that is no notebook; the sentence says what it is."""


class Repaired(NamedTuple):
    """A notebook that can be run.

    Attributes:
        notebook: a dictionary of the notebook format, without outputs.
        answered: from the id of each answer's cell to 'answered', 'untouched' or 'missing'.
        log: what was mended, a sentence each.
        saved: from the id of each cell that the grader does not run to its outputs, whatever the
            student's file has for them.
    """

    notebook: dict
    answered: dict
    log: list
    saved: dict


def repair_safely(content: bytes, file: str, release: nbformat.NotebookNode) -> Repaired:
    """The same as `repair`, of a file of any size and a release that is a plain dictionary."""
    if len(content) < LARGE:
        return repair(content, file, nbformat.from_dict(release))
    order = json.dumps({"file": file, "release": release}).encode() + b"\n"
    try:
        done = subprocess.run(
            [os.path.abspath(sys.executable), "-m", "grading.repair"],
            input=order + content,
            capture_output=True,
            cwd=ROOT,
            timeout=2 * MOST_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(f"the file takes more than {MOST_SECONDS} seconds to be read") from None
    except subprocess.CalledProcessError:
        size = len(content) // 1_000_000
        raise Unreadable(f"the file cannot be read with the memory there is: {size} MB") from None
    found = json.loads(done.stdout)
    if "problem" in found:
        raise Unreadable(found["problem"])
    return Repaired(**found)


def main() -> None:
    """Read a file from standard input and write what `repair` makes of it, within limits."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    order = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    try:
        release = nbformat.from_dict(order["release"])
        found = repair(content, order["file"], release)._asdict()
    except Unreadable as problem:
        found = {"problem": str(problem)}
    print(json.dumps(found))


def repair(content: bytes, file: str, release: nbformat.NotebookNode) -> Repaired:
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
    _keep_answers_in_questions(behind, chosen, release)
    extra = 0
    for cell in [None, *release.cells]:
        if cell is not None:
            cells.append(_from_release(cell, chosen.get(cell.id)))
            if _is_answer(cell):
                answered[cell.id] = _state(cell, chosen.get(cell.id))
        for own in behind.get(cell.id if cell is not None else None, []):
            extra += 1
            cells.append(_cell(own["cell_type"], f"own-{extra}", own["source"], {}))
    _find_written(answered, behind, release, log)
    log += [f"the answer's cell {cell_id} is missing" for cell_id, state in answered.items()
            if state == "missing"]  # fmt: skip
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": dict(release.metadata), "cells": cells}
    saved = {cell_id: found["outputs"] for cell_id, found in chosen.items()
             if found is not None and cell_id in _saved_in(release)}  # fmt: skip
    return Repaired(json.loads(json.dumps(whole)), answered, log, saved)


# --- Reading --------------------------------------------------------------------------------------


def read(content: bytes, file: str) -> list[Cell]:
    """The cells of a student's file, as plain dictionaries with a source each."""
    suffix = file.rsplit(".", 1)[-1].lower()
    if not content.strip():
        raise Unreadable("the file is empty")
    try:
        data = json.loads(content)  # UTF-8 or UTF-16
    except (ValueError, RecursionError):
        what = f"a .{suffix} file" if suffix != "ipynb" else "not JSON, as a notebook would be"
        if re.search(rb"^<{7} ", content, re.MULTILINE):
            what = "not merged to its end (it holds conflict markers)"
        raise Unreadable(f"the file is {what}: the notebook (.ipynb) itself is needed") from None
    cells = data.get("cells") if isinstance(data, dict) else None
    if cells is None and isinstance(data, dict):
        cells = _cells_of_worksheets(data.get("worksheets"))
    if not isinstance(cells, list):
        raise Unreadable("the file is JSON, but not a notebook: it has no cells")
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"the notebook has more than {MOST_CELLS} cells")
    return [plain for cell in cells if (plain := _plain(cell)) is not None]


def _cells_of_worksheets(sheets: Any) -> list[Cell] | None:
    """The cells of a notebook of the format before 2015, or None."""
    if not isinstance(sheets, list):
        return None
    lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
    cells = [cell for each in lists if isinstance(each, list) for cell in each]
    return [{"source": cell.get("input"), **cell} for cell in cells if isinstance(cell, dict)]


def _plain(cell: Any) -> Cell | None:
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
    metadata = _dictionary(cell.get("metadata"))
    marks = _dictionary(metadata.get("nbgrader"))
    names = [cell.get("id"), marks.get("grade_id"), metadata.get("id")]
    return {
        "cell_type": cell["cell_type"],
        "source": source,
        "words": " ".join(source.split()),
        "names": [name for name in names if isinstance(name, str)],
        "marked": bool(marks),
        "attachments": _pictures(cell.get("attachments")),
        "outputs": cell.get("outputs"),
    }


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _pictures(attachments: Any) -> dict[str, Any]:
    """What was pasted into a text cell, pictures only."""
    kept = {}
    for name, forms in attachments.items() if isinstance(attachments, dict) else ():
        if isinstance(forms, dict):
            kept[name] = {form: content for form, content in forms.items()
                          if form in PICTURES and isinstance(content, str)
                          and BASE64.fullmatch(content)}  # fmt: skip
    return kept


# --- Matching -------------------------------------------------------------------------------------


def match(
    theirs: list[Cell], cells: list[nbformat.NotebookNode]
) -> tuple[dict[str, list[Cell]], list[str]]:
    """From the id of each of the release's cells to the student's cells that stand for it."""
    ids = {cell.id for cell in cells}
    places: dict[str, list[Cell]] = {cell.id: [] for cell in cells}
    for own in theirs:
        name = next((name for name in own["names"] if name in ids), None)
        if name is not None:
            places[name].append(own)
    log = []
    for place, cell in enumerate(cells):
        if not places[cell.id]:
            found = _by_content(cell, cells[place - 1] if place else None, theirs, places)
            if found is not None:
                places[cell.id].append(found)
                if _is_answer(cell):
                    log.append(f"the cell {cell.id} had lost its marks: found by what it holds")
    return places, log


def _by_content(
    cell: nbformat.NotebookNode,
    before: nbformat.NotebookNode | None,
    theirs: list[Cell],
    places: dict[str, list[Cell]],
) -> Cell | None:
    """The student's cell that stands for one whose id is gone, or None."""
    taken = {id(own) for found in places.values() for own in found}
    free = [own for own in theirs
            if id(own) not in taken and own["cell_type"] == cell.cell_type]  # fmt: skip
    words = " ".join(cell.source.split())
    same = next((own for own in free if own["words"] == words), None)
    if same is not None or not _is_answer(cell):
        return same
    if cell.cell_type == "code":
        names = defined(cell.source)
        fitting = [own for own in free if names & _defined(own)]
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


def _defined(own: Cell) -> set[str]:
    """The names that a student's cell defines; found out once."""
    if "defines" not in own:
        own["defines"] = defined(own["source"])
    return own["defines"]


def defined(source: str) -> set[str]:
    """The names that a cell's code defines at its top level, as its lines begin with them."""
    names = set(re.findall(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", source, re.MULTILINE))
    for left in re.findall(r"^(\w[\w, \t]*)(?::[^=\n]*)?=(?!=)", source, re.MULTILINE):
        names |= set(re.findall(r"\w+", left))
    return names


def choose(
    cell_id: str, found: list[Cell], release: nbformat.NotebookNode, log: list[str]
) -> Cell | None:
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


def _is_answer(cell: nbformat.NotebookNode) -> bool:
    return marks_of(cell).get("solution", False)


def is_saved(cell: Any) -> bool:
    """Whether the grader takes a cell's outputs as the student saved them, and does not run it."""
    return NOT_RUN in cell["metadata"].get("tags", ())


def _saved_in(release: nbformat.NotebookNode) -> set[str]:
    return {cell.id for cell in release.cells if is_saved(cell)}


def _is_check(cell: nbformat.NotebookNode) -> bool:
    marks = marks_of(cell)
    return marks.get("grade", False) and not marks.get("solution", False)


def _same(source: str, other: str) -> bool:
    """Whether two sources say the same, whatever the white space at their ends."""
    return source.split() == other.split()


def _state(cell: nbformat.NotebookNode, own: Cell | None) -> str:
    if own is None:
        return "missing"
    return "untouched" if _same(own["source"], cell.source) else "answered"


def _changes(chosen: dict[str, Cell | None], release: nbformat.NotebookNode) -> list[str]:
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


def _other_order(
    theirs: list[Cell], chosen: dict[str, Cell | None], release: nbformat.NotebookNode
) -> list[str]:
    """A sentence when the student's cells stood in another order."""
    order = {id(own): place for place, cell in enumerate(release.cells)
             if (own := chosen[cell.id]) is not None}  # fmt: skip
    found = [order[id(own)] for own in theirs if id(own) in order]
    return [] if found == sorted(found) else ["the cells stood in another order: they are back"]


def _cells_of_their_own(
    theirs: list[Cell], chosen: dict[str, Cell | None], release: nbformat.NotebookNode
) -> Behind:
    """The student's own cells, by the id of the release's cell that they stood behind."""
    at = {id(own): cell_id for cell_id, own in chosen.items() if own is not None}
    names = {cell.id for cell in release.cells}
    behind: Behind = {}
    last = None
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
            place = last if twin is None else _before(twin.id, release)
            behind.setdefault(place, []).append(own)
    return behind


def _find_written(
    answered: dict[str, str], behind: Behind, release: nbformat.NotebookNode, log: list[str]
) -> None:
    """Let a reader see what may be an answer although its cell is as it was.

    It may stand in a cell of the student's own, and a plot that belongs to it may be there alone.
    """
    section, pictures, last = [], [], None
    for cell in release.cells:
        marks = marks_of(cell)
        section.append(cell.id)
        if _is_answer(cell) and not marks.get("grade"):
            pictures.append(cell.id)
        if _is_check(cell):
            section, pictures = [], []
        if _is_answer(cell) and marks.get("grade"):
            last = cell.id
            own = [cell for place in section for cell in behind.get(place, [])]
            _enter_written(answered, cell.id, own, pictures, log)
            section, pictures = [], []
    if last is not None:
        own = [cell for place in section for cell in behind.get(place, [])]
        _enter_written(answered, last, own, [], log)
    notes = [own for cells in behind.values() for own in cells
             if own["cell_type"] == "markdown" and len(own["words"].split()) >= NOTE]  # fmt: skip
    for cell in release.cells:
        if notes and marks_of(cell).get("grade") and _is_answer(cell):
            _enter_written(answered, cell.id, notes, [], log)


def _enter_written(
    answered: dict[str, str], cell_id: str, own: list[Cell], pictures: list[str], log: list[str]
) -> None:
    """Call a written answer answered where there is anything for a reader."""
    if answered[cell_id] == "answered":
        return
    if any(cell["words"] for cell in own):
        answered[cell_id] = "answered"
        log.append(f"the answer {cell_id} may stand in a cell of the student's own")
    elif any(answered.get(picture) == "answered" for picture in pictures):
        answered[cell_id] = "answered"


def _keep_answers_in_questions(
    behind: Behind, chosen: dict[str, Cell | None], release: nbformat.NotebookNode
) -> None:
    """Keep what somebody wrote into the text of a question, as a cell of its own behind it."""
    for cell, answer in zip(release.cells, release.cells[1:], strict=False):
        own = chosen.get(cell.id)
        if own is None or cell.cell_type != "markdown" or not marks_of(answer).get("grade"):
            continue
        more = set(own["words"].split()) - set(cell.source.split())
        if _is_answer(answer) and not _is_answer(cell) and len(more) >= SENTENCE:
            behind.setdefault(cell.id, []).insert(0, {**own, "names": []})


def _before(cell_id: str, release: nbformat.NotebookNode) -> str | None:
    ids = [cell.id for cell in release.cells]
    place = ids.index(cell_id)
    return ids[place - 1] if place else None


def _from_release(cell: nbformat.NotebookNode, own: Cell | None) -> Cell:
    """A cell of the release, with the student's answer where it is one."""
    source, attachments = cell.source, {}
    if own is not None and _is_answer(cell):
        source, attachments = own["source"], own["attachments"]
    made = _cell(cell.cell_type, cell.id, source, cell.metadata)
    if attachments and cell.cell_type == "markdown":
        made["attachments"] = attachments
    return made


def _cell(kind: str, cell_id: str, source: str, metadata: Any) -> Cell:
    cell = {"cell_type": kind, "id": cell_id, "metadata": dict(metadata), "source": source}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


if __name__ == "__main__":
    main()
