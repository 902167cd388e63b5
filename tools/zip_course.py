"""Write `build/course.zip`: the course for a Drive, a learning platform or a memory stick.

It holds what a learner needs and nothing else: the notebooks and exercises without outputs (as
`work.py` lays them), the package, the data. Put it beside a notebook, or on a Drive that Colab has
mounted, and the notebook's set-up cell unpacks it. The same course gives the same bytes each time.
It needs nothing installed.
"""

import sys
import zipfile
from pathlib import Path

from work import ORIGINALS, copy_of

ROOT = Path(__file__).resolve().parent.parent
TOP = "course"
WHOLE = (
    *("README.md", "LICENSE*", "Makefile"),
    *("pyproject.toml", "environment.yml", "requirements.lock"),
)
FOLDERS = {
    "course_utils": ".py",
    "extras": ".py",
    "data": "",
    "exercises/release": "checks.json",
    # So that the README's first lines do in it what they do in a clone.
    "tools/set_up.py": "",
    "tools/work.py": "",
    "tools/reminder.py": "",
}
MEGABYTES = 30  # what platforms and mail usually take
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip knows, so that no clock is in it


def files(root=ROOT):
    """What goes in: `{name: bytes}`, in order."""
    content = {}
    for form in ORIGINALS:
        for path in root.glob(form):
            content[path.relative_to(root).as_posix()] = copy_of(path)
    paths = [path for form in WHOLE for path in root.glob(form)]
    for folder, ending in FOLDERS.items():
        place = root / folder
        paths += [place] if place.is_file() else place.rglob(f"*{ending}")
    for path in paths:
        name = path.relative_to(root).as_posix()
        if path.is_file() and "__pycache__" not in path.parts:
            content.setdefault(name, path.read_bytes())
    return dict(sorted(content.items()))


def write(place, root=ROOT):
    """Write the archive and return its size in MB."""
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(".half-done")
    try:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for name, content in files(root).items():
                about = zipfile.ZipInfo(f"{TOP}/{name}", DATE)
                about.create_system, about.external_attr = 3, 0o644 << 16  # the same on Windows
                packed = name.endswith((".png", ".h5", ".webp"))  # they would not become smaller
                about.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                archive.writestr(about, content)
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
    return place.stat().st_size / 1e6


def main():
    """Write it and say what it is for; the exit status is 0 or 1."""
    place = ROOT / "build" / "course.zip"
    try:
        size = write(place)
    except OSError as problem:
        print(f"zip: {problem}: make room, then run this again", file=sys.stderr)
        return 1
    print(f"{place.relative_to(ROOT)}, {size:.1f} MB: put it on a Drive or a learning platform")
    if size > MEGABYTES:
        print(f"zip: more than {MEGABYTES} MB, which many platforms refuse", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
