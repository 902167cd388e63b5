"""Lay the notes of `tools/notes.md` for whoever teaches into the notebooks, below the set-up cell.

    python tools/notes.py             lay them, or bring them up to date
    python tools/notes.py --check     exit with 1 when a notebook has another note, or none

A note is a cell with the tag `instructor`: `make lab`, `make zip` and the site's pages leave it
out, and the teaching plan collects it. Nothing else in a notebook changes, and nothing has to be
executed again. It needs nothing installed.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import work

ROOT = Path(__file__).resolve().parent.parent
NOTE = "for-teachers"  # the id of the cell
BEFORE = "set-up"  # the id of the cell that it stands below
TITLE = "**For whoever teaches.** "


def notes(root=ROOT):
    """The notes by notebook: `{"04_lenet": "..."}`."""
    text = (root / "tools" / "notes.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: words.strip() for name, words in zip(parts[::2], parts[1::2], strict=True)}


def with_note(text, words):
    """A notebook's text with this note in it.

    Raises:
        ValueError: the notebook has no set-up cell.
    """
    notebook = json.loads(text)
    cells = [cell for cell in notebook["cells"] if cell.get("id") != NOTE]
    places = [number for number, cell in enumerate(cells) if cell.get("id") == BEFORE]
    if not places:
        raise ValueError(f"there is no cell {BEFORE!r} to lay the note below")
    source = (TITLE + words).splitlines(keepends=True)
    note = {"cell_type": "markdown", "id": NOTE, "metadata": {"tags": ["instructor"]}}
    cells.insert(places[0] + 1, note | {"source": source})
    if cells == notebook["cells"]:
        return text  # to the byte as it is
    # As nbformat writes it.
    return json.dumps(notebook | {"cells": cells}, ensure_ascii=False, indent=1) + "\n"


def wanted(root=ROOT):
    """Every notebook that has a note, with the text that it should have.

    Raises:
        ValueError: there is a note for no notebook, or for something that is none.
    """
    paths = {path.stem: path for path in work.notebooks(root)}
    found = notes(root)
    if odd := sorted(found.keys() - paths.keys()):
        raise ValueError(f"tools/notes.md has a note for {', '.join(odd)}, which is no notebook")
    texts = {}
    for name, words in found.items():
        work.read_notebook(paths[name])
        try:
            texts[paths[name]] = with_note(paths[name].read_text(encoding="utf-8"), words)
        except ValueError as problem:
            raise ValueError(f"{name}: {problem}") from None
    return texts


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say what is out of step")
    options = parser.parse_args(arguments)
    try:
        texts = wanted()
    except ValueError as problem:
        print(f"notes: {problem}", file=sys.stderr)
        return 1
    stale = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        if options.check:
            print(f"{path.name} does not have its note: python tools/notes.py")
        else:
            path.write_text(texts[path], encoding="utf-8", newline="\n")
            print(f"written: {path.name}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
