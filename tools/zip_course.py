"""Write `build/course.zip`: the course for a Drive, a learning platform or a memory stick.

It holds what a learner needs and nothing else: the notebooks and exercises without outputs (as
`work.py` lays them), the package, the data. Put it beside a notebook, or on a Drive that Colab has
mounted, and the notebook's set-up cell unpacks it. The same course gives the same bytes each time.
What else lies in the course's folders, hidden or of somebody's own, is left out, since the archive
is for everybody. It needs nothing installed.
"""

import sys
import zipfile
from pathlib import Path

from work import copy_of, in_the_way, originals

ROOT = Path(__file__).resolve().parent.parent
TOP = "course"
WHOLE = (
    *("README.md", "LICENSE", "LICENSE-TEXT.md", "Makefile"),
    *("pyproject.toml", "environment.yml", "requirements.lock"),
    *("course_utils/**/*.py", "extras/**/*.py", "exercises/release/*/checks.json"),
    *("data/README.md", "data/SHA256SUMS", "data/SHA256SUMS-complete"),
    *("data/runs/*.json", "data/runs/leaderboard.csv", "data/weights/*.weights.h5"),
    # So that the README's first lines do in it what they do in a clone.
    *("tools/set_up.py", "tools/work.py", "tools/reminder.py"),
)
SUMS = "data/SHA256SUMS"  # the pictures, by name
MEGABYTES = 30  # what platforms and mail usually take
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip knows, so that no clock is in it


def files(root=ROOT):
    """What goes in: `{name: bytes}`, in order."""
    paths = [*originals(root), *(path for form in WHOLE for path in root.glob(form))]
    for sums in root.glob(SUMS):
        lines = sums.read_text(encoding="utf-8").splitlines()
        paths += [sums.parent / line.split()[-1] for line in lines if line.strip()]
    content = {}
    for path in paths:
        name = path.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        led_out = not path.resolve().is_relative_to(root.resolve())  # by a link
        if path.is_file() and not hidden and not led_out:
            content[name] = copy_of(path)
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
        print(f"zip: {in_the_way(problem)}, then run this again", file=sys.stderr)
        return 1
    except ValueError as problem:
        print(f"zip: {problem}, then run this again", file=sys.stderr)
        return 1
    print(f"{place.relative_to(ROOT)}, {size:.1f} MB: put it on a Drive or a learning platform")
    if size > MEGABYTES:
        print(f"zip: more than {MEGABYTES} MB, which many platforms refuse", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
