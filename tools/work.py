"""Lay a learner's own copies of the notebooks and exercises, without outputs, in the folder `work`.

    python tools/work.py        `make lab` calls it each time, and Binder once

What is under `work` is not part of the repository: write into it, and `git pull` still works. The
copies lie as their originals do, `work/notebooks/...` beside `work/exercises/release/...`, so links
between them hold. Running this again renews the copies that are still as they were laid, brings
back those that were removed, and never touches one that was changed. It needs nothing installed.
"""

import errno
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "work"
LAID = ".laid.json"  # what was laid, by name: the SHA-256 of the copy's bytes
ORIGINALS = ("notebooks/*.ipynb", "notebooks/*.md", "exercises/release/*/*.ipynb")
FOR_TEACHERS = "instructor"  # cells with this tag are left out


def copy_of(path):
    """A learner's copy, as bytes; of a notebook: nothing has run yet, no answer is in view."""
    original = path.read_bytes()
    if path.suffix != ".ipynb":
        return original
    notebook = json.loads(original)
    cells = notebook["cells"]
    kept = [cell for cell in cells if FOR_TEACHERS not in cell["metadata"].get("tags", ())]
    if not any("outputs" in cell and cell["outputs"] for cell in kept) and kept == cells:
        return original  # an exercise, say: to the byte as it is
    notebook["cells"] = kept
    for cell in kept:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode()


def sum_of(content):
    return hashlib.sha256(content).hexdigest()


def write(path, content):
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".half-done-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def lay(root=ROOT):
    """Bring `work` up to date; return the names that were laid, renewed, and kept though stale."""
    folder = root / FOLDER
    try:
        before = dict(json.loads((folder / LAID).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        before = {}  # then what is there counts as the learner's own
    laid, new, renewed, own = {}, [], [], []
    for path in sorted(path for form in ORIGINALS for path in root.glob(form)):
        name = path.relative_to(root).as_posix()
        copy, place = copy_of(path), folder / name
        present = sum_of(place.read_bytes()) if place.is_file() else None
        if present not in (None, before.get(name), sum_of(copy)):
            # Changed by the learner. Say so when the course has a newer one than it began with.
            laid[name] = before.get(name)
            if laid[name] != sum_of(copy):
                own.append(name)
            continue
        if present != sum_of(copy):
            write(place, copy)
            (renewed if present else new).append(name)
        laid[name] = sum_of(copy)
    if laid != before:
        write(folder / LAID, (json.dumps(laid, indent=1) + "\n").encode())
    return new, renewed, own


def main():
    """Lay the copies and say what was done; the exit status is 0 or 1."""
    try:
        new, renewed, own = lay()
    except OSError as problem:
        reason = {
            errno.ENOSPC: "no room on the disk. Make room",
            errno.EDQUOT: "your quota is used up. Make room",
            errno.ENOTDIR: f"{FOLDER} is a file. Give it another name",
            errno.EEXIST: f"{FOLDER} is a file. Give it another name",
        }.get(problem.errno, f"{problem}. See whether the folder is yours to write in")
        print(f"work: {reason}, then run this again: what is there is kept", file=sys.stderr)
        return 1
    if new:
        print(f"Laid {len(new)} notebooks to work in: {FOLDER}/ (yours: git takes no notice of it)")
    for name in renewed:
        print(f"Renewed, as the course has a newer one: {FOLDER}/{name}")
    for name in own:
        print(f"Kept, as you have worked in it: {FOLDER}/{name} (for the course's newer one, "
              "give yours another name)")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
