"""What lies where in the instructor's folder, and how it is written: whole, or not at all."""

import fcntl
import json
import os
import secrets
import tempfile
from pathlib import Path

from grading.results import Result

HALF_DONE = ".half-done-"
CONFIG = """# Written by `python -m grading`; nbgrader reads it.
c = get_config()  # noqa: F821
import os

c.CourseDirectory.course_id = "course"
c.Exchange.root = os.getcwd()  # nothing is exchanged, but nbgrader wants a place for it
c.HTMLExporter.sanitize_html = True  # what students wrote is shown, not run
c.Exporter.template_name = "formgrade"
"""


def write_atomically(path, text, encoding="utf-8"):
    """Write a file so that a crash leaves the old one or the new one, and never a half.

    Args:
        path: of the file; its folder is made.
        text: a string, or bytes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text if isinstance(text, bytes) else text.encode(encoding)
    handle, half_done = tempfile.mkstemp(dir=path.parent, prefix=HALF_DONE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half_done, path)
    except BaseException:
        Path(half_done).unlink(missing_ok=True)
        raise


class Folder:
    """The instructor's folder for all exercises; it is also a course folder of nbgrader's.

    `graded/` by default:

        secret_seed                               the hidden cases come from it: keep it to yourself
        gradebook.db                              nbgrader's database
        autograded/<student>/<exercise>/          each notebook as it ran
        results/<exercise>/<student>.json         what was graded
        feedback/<exercise>/<student>.html        for the student
        reports/<exercise>/grades.csv, class.html
    """

    def __init__(self, place="graded"):
        self.place = Path(place).resolve()

    def prepare(self):
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
    def seed(self):
        """The secret seed, made when it is first asked for."""
        path = self.place / "secret_seed"
        if not path.exists():
            write_atomically(path, f"{secrets.randbits(128)}\n")  # for its owner's eyes: mode 600
        return int(path.read_text(encoding="utf-8"))

    @property
    def gradebook(self):
        """The path of nbgrader's database."""
        return self.place / "gradebook.db"

    def result(self, exercise, student):
        """The path of one result."""
        return self.place / "results" / exercise / f"{student}.json"

    def notebook(self, exercise, student):
        """The path of one notebook as it ran, where nbgrader looks for it."""
        return self.place / "autograded" / student / exercise / f"{exercise}.ipynb"

    def feedback(self, exercise, student):
        """The path of one student's feedback."""
        return self.place / "feedback" / exercise / f"{student}.html"

    def report(self, exercise, name):
        """The path of a report: `grades.csv` or `class.html`."""
        return self.place / "reports" / exercise / name

    def results(self, exercise):
        """Every result of an exercise, by student; a damaged file is left out."""
        found = {}
        for path in sorted((self.place / "results" / exercise).glob("*.json")):
            try:
                found[path.stem] = Result.from_json(read_json(path))
            except ValueError:
                continue
        return found


def read_json(path):
    """What a JSON file holds, or None when it is not there or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path, data):
    """Write data as a JSON file, whole or not at all."""
    write_atomically(path, json.dumps(data, indent=1) + "\n")
