"""What lies where in the instructor's folder, and how it is written: whole, or not at all."""

import fcntl
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from grading.results import Result

HALF_DONE = ".half-done-"
os.umask(UMASK := os.umask(0))  # the only way to ask for it is to set it
CONFIG = """# Written by `python -m grading`; nbgrader reads it.
c = get_config()  # noqa: F821
import os

c.CourseDirectory.course_id = "course"
c.Exchange.root = os.getcwd()  # nothing is exchanged, but nbgrader wants a place for it
c.HTMLExporter.sanitize_html = True  # what students wrote is shown, not run
c.Exporter.template_name = "formgrade"
"""


def write_atomically(path: str | Path, text: str | bytes, secret: bool = False) -> None:
    """Write a file so that a crash leaves the old one or the new one, and never a half.

    Args:
        path: of the file; its folder is made.
        text: a string, or bytes.
        secret: for its owner's eyes only; other files have the rights that the system gives.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text if isinstance(text, bytes) else text.encode("utf-8")
    handle, half_done = tempfile.mkstemp(dir=path.parent, prefix=HALF_DONE)
    try:
        with os.fdopen(handle, "wb") as file:
            if not secret:
                os.fchmod(file.fileno(), 0o666 & ~UMASK)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half_done, path)
    except BaseException:
        Path(half_done).unlink(missing_ok=True)
        raise


def name_of(student: str) -> str:
    """An id as a part of a path: what no file should be called by is written as in `CS=2F2020`.

    No two ids have one name. It is also nbgrader's id of the student: that names its folders, and
    stands in its addresses as it is.
    """
    return re.sub(
        r"^\W|[^\w.@+ -]",
        lambda mark: "".join(f"={byte:02X}" for byte in mark[0].encode("utf-8", "replace")),
        student,
    )


class Folder:
    """The instructor's folder for all exercises; it is also a course folder of nbgrader's.

    `graded/` by default, with `<student>` as `name_of` writes it:

        secret_seed                               the hidden cases come from it: keep it to yourself
        gradebook.db                              nbgrader's database
        autograded/<student>/<exercise>/          each notebook as it ran
        handed_in/<exercise>/<student>.ipynb      each file as it was handed in
        results/<exercise>/<student>.json         what was graded
        course.toml                               due dates and changes: yours to write (`schedule`)
        roster.json                               the class list that was read last
        feedback/<exercise>/<student>.html        for the student
        reports/<exercise>/grades.csv, class.html, matches.csv, files.csv
        give_back/<exercise>/                     what a platform takes
    """

    def __init__(self, place: str | Path = "graded") -> None:
        self.place = Path(place).resolve()

    def prepare(self) -> TextIO:
        """Make what is missing, and remove what a killed grader left half done.

        Returns:
            a lock on the folder: an open file, to be closed by whoever is done.

        Raises:
            ValueError: when another grader is at work in this folder.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        lock = open(self.place / "lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise ValueError(f"another grader is at work in {self.place}: wait for it") from None
        for path in self.place.rglob(f"{HALF_DONE}*"):
            path.unlink(missing_ok=True)
        if not (self.place / "nbgrader_config.py").exists():
            write_atomically(self.place / "nbgrader_config.py", CONFIG)
        return lock

    @property
    def seed(self) -> int:
        """The secret seed, made when it is first asked for."""
        path = self.place / "secret_seed"
        if not path.exists():
            write_atomically(path, f"{secrets.randbits(128)}\n", secret=True)
        return int(path.read_text(encoding="utf-8"))

    @property
    def gradebook(self) -> Path:
        """The path of nbgrader's database."""
        return self.place / "gradebook.db"

    def result(self, exercise: str, student: str) -> Path:
        """The path of one result."""
        return self.place / "results" / exercise / f"{name_of(student)}.json"

    def notebook(self, exercise: str, student: str) -> Path:
        """The path of one notebook as it ran, where nbgrader looks for it."""
        return self.place / "autograded" / name_of(student) / exercise / f"{exercise}.ipynb"

    def handed_in(self, exercise: str, student: str) -> Path:
        """The path of one file as it was handed in: not where nbgrader would run it."""
        return self.place / "handed_in" / exercise / f"{name_of(student)}.ipynb"

    @property
    def schedule(self) -> Path:
        """The path of `course.toml`."""
        return self.place / "course.toml"

    @property
    def roster(self) -> Path:
        """The path of the class list that was read last."""
        return self.place / "roster.json"

    def feedback(self, exercise: str, student: str) -> Path:
        """The path of one student's feedback."""
        return self.place / "feedback" / exercise / f"{name_of(student)}.html"

    def report(self, exercise: str, name: str) -> Path:
        """The path of a report: `grades.csv` or `class.html`."""
        return self.place / "reports" / exercise / name

    def results(self, exercise: str) -> dict[str, Result]:
        """Every result of an exercise, by student; those of `damaged` are left out."""
        read = [result for _, result in self._read(exercise) if result is not None]
        return {result.student: result for result in read}

    def damaged(self, exercise: str) -> list[Path]:
        """The files of results that hold none: they have to be graded anew."""
        return [path for path, result in self._read(exercise) if result is None]

    def _read(self, exercise: str) -> Iterator[tuple[Path, Result | None]]:
        """Every file of a result, with what it holds; None where that is no result."""
        for path in sorted((self.place / "results" / exercise).glob("*.json")):
            try:
                yield path, Result.from_json(read_json(path))
            except ValueError:
                yield path, None


def read_json(path: str | Path) -> Any:
    """What a JSON file holds, or None when it is not there or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: str | Path, data: Any) -> None:
    """Write data as a JSON file, whole or not at all."""
    write_atomically(path, json.dumps(data, indent=1) + "\n")
