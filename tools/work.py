"""Lay a learner's own copies of the notebooks and exercises, without outputs, in the folder `work`.

    python tools/work.py        `make lab` calls it each time, and Binder once

What is under `work` is not part of the repository: write into it, and `git pull` still works. The
copies lie as their originals do, `work/notebooks/...` beside `work/exercises/release/...`, so links
between them hold. Running this again renews the copies that are still as they were laid, brings
back those that were removed, and never touches one that was changed, nor a link. It needs nothing
installed.
"""

import errno
import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "work"
LAID = ".laid.json"  # what was laid, by name: the SHA-256 of the copy's bytes
FOR_TEACHERS = "instructor"  # cells with this tag are left out


def notebooks(root=ROOT):
    """The course's own notebooks, in order: not what else somebody or some system left there."""
    paths = sorted((root / "notebooks").glob("*.ipynb"))
    return [path for path in paths if re.fullmatch(r"\d\d_\w+", path.stem)]


def exercises(root=ROOT, folder="release"):
    """The notebooks of the exercises, in order: each has its folder's name."""
    paths = sorted((root / "exercises" / folder).glob("*/*.ipynb"))
    return [path for path in paths if path.stem == path.parent.name]


def originals(root=ROOT):
    """All that a learner gets a copy of."""
    return [*notebooks(root), *exercises(root), *root.glob("notebooks/glossary.md")]


def read_notebook(path):
    """A notebook's JSON.

    Raises:
        ValueError: it has no cells as format 4 has them.
    """
    try:
        notebook = json.loads(path.read_bytes())
        whole = all({"cell_type", "metadata", "source"} <= {*cell} for cell in notebook["cells"])
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise ValueError(
            f"{path.parent.name}/{path.name} is not a whole notebook (half a merge, or of an old "
            "format): mend it, or bring it back with git checkout"
        )
    return notebook


def copy_of(path):
    """A learner's copy, as bytes; of a notebook: nothing has run yet, no answer is in view."""
    original = path.read_bytes()
    if path.suffix != ".ipynb":
        return original
    notebook = read_notebook(path)
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
    """Bring `work` up to date.

    Returns the names that were laid, renewed, and kept though stale; and sentences on what was
    passed over: originals that are no notebooks, links, a list of what was laid that is damaged.
    """
    folder = root / FOLDER
    before, new, renewed, own, remarks = {}, [], [], [], []
    try:
        before = {**json.loads((folder / LAID).read_text(encoding="utf-8"))}
    except (FileNotFoundError, NotADirectoryError):
        pass  # nothing was laid yet
    except (OSError, ValueError, TypeError):
        remarks.append(
            f"{FOLDER}/{LAID} could not be read: copies that differ from the course's count as "
            "yours. Remove those that you have not worked in, and they are laid anew"
        )
    laid = {**before}  # also what is gone for the moment: it may come back
    for path in originals(root):
        name = path.relative_to(root).as_posix()
        laid[name], place = before.get(name), folder / name
        try:
            copy = copy_of(path)
        except ValueError as problem:
            remarks.append(str(problem))
            continue
        present = sum_of(place.read_bytes()) if place.is_file() else None
        if present not in (None, laid[name], sum_of(copy)):
            # Changed by the learner. Say so when the course has a newer one than it began with.
            if laid[name] != sum_of(copy):
                own.append(name)
            continue
        if present != sum_of(copy):
            if place.is_symlink():  # into a cloud's folder, say, which may be away for the moment
                remarks.append(
                    f"{FOLDER}/{name} is a link, and left as it is: for the course's newer copy, "
                    "give the link another name"
                )
                continue
            write(place, copy)
            (renewed if present else new).append(name)
        laid[name] = sum_of(copy)
    if laid != before:
        write(folder / LAID, (json.dumps(laid, indent=1) + "\n").encode())
    return new, renewed, own, remarks


def in_the_way(problem):
    """What an `OSError` that stopped a tool means, and what to do."""
    if problem.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        path = Path(problem.filename2 or problem.filename)
        while not os.path.lexists(path):  # a folder was to be made below a file
            path = path.parent
        kind = "a folder" if path.is_dir() else "no folder"
        return f"{path} is in the way: it is {kind}. Give it another name"
    return {
        errno.ENOSPC: "no room on the disk. Make room",
        errno.EDQUOT: "your quota is used up. Make room",
    }.get(problem.errno, f"{problem}. See whether it is yours to read and to write")


def main():
    """Lay the copies and say what was done; the exit status is 0 or 1."""
    try:
        new, renewed, own, remarks = lay()
    except OSError as problem:
        reason = in_the_way(problem)
        print(f"work: {reason}, then run this again: what is there is kept", file=sys.stderr)
        return 1
    for words in remarks:  # no reason not to begin with the others
        print(f"work: {words}", file=sys.stderr)
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
