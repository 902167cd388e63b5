"""Who handed in what: from what learning platforms export, a folder or a zip, to submissions.

| step | module |
| --- | --- |
| list every file, zips included, within limits | `archives` |
| say whose each is, or why that is not known | `identity`, with `platforms` and `roster` |
| of each student's files, choose the notebook of this exercise | here |

Every file has a fate, and `Collection.fates` tells it. What is wrong with one student's files is
that student's problem and nobody else's.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from course_utils import checks
from grading import archives, identity, platforms, questions
from grading.archives import Item
from grading.identity import Whose
from grading.roster import Student

__all__ = ["Collection", "Student", "Submission", "collect", "exercise_in"]

MOST_READ = 100_000_000  # bytes of notebooks of one student
MOST_EARLIER = 20  # of a student's other files that are named
DOCUMENT = re.compile(r"\.(py|pdf|docx?|odt|rtf|html?|txt|md|zip|pages)$", re.I)
TIMES = re.compile(r"(\d{4})[-.]?(\d\d)[-.]?(\d\d)[ T_]?(\d\d)[-:.]?(\d\d)(?:[-:.]?(\d\d))?", re.I)
# Behind a time: by how much it is ahead of UTC, or the name of a place.
ZONE = re.compile(r"(?:[.,]\d+)?\s*(?:(UTC|GMT|Z)\b|([+-]\d\d):?(\d\d)\b|([A-Z]\w+(?:/[\w+-]+)+))?")


@dataclass(frozen=True)
class Submission:
    """What one student handed in: the file that counts, and the names of the others.

    Attributes:
        student: the roster's id, or one that is made from the file's name.
        matched: whether it is known who that is.
        file: where it was found, zips included, for the report.
        load: reads the file's bytes; see `content`.
        time: when it was handed in, in seconds since 1970; None where nothing says so.
        earlier: further files of the same student.
        problem: why it cannot be taken, or ''.
        identity: what the platform wrote for this student; the same in every export.
        graded_as: whose variant of the hidden cases it gets: the student's own id, or the one that
            it had before somebody said whose it is.
        why: the reason where it is not known whose it is; `likeliest` then names two students.
        late: whether the platform marks it as late.
        clock: what says the time: 'the platform', 'the file' or ''.
    """

    student: str
    name: str
    matched: bool
    file: str
    load: Callable[[], bytes] = field(default=bytes, compare=False)
    time: float | None = None
    earlier: tuple[str, ...] = ()
    problem: str = ""
    identity: str = ""
    graded_as: str = ""
    why: str = ""
    likeliest: tuple[str, ...] = ()
    late: bool = False
    clock: str = ""

    @property
    def content(self) -> bytes:
        """The file's bytes; none when it cannot be taken."""
        return b"" if self.problem else self.load()


@dataclass(frozen=True)
class Collection:
    """All submissions, the students without one, and what an instructor should know.

    Attributes:
        notes: sentences; `noted` holds them by the file that they are about.
        fates: from each file that was found to what became of it.
    """

    submissions: list[Submission]
    missing: list[Student]
    noted: dict[str, str] = field(default_factory=dict)
    fates: dict[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What an instructor should know, in sentences."""
        return [f"{file} {note}" for file, note in self.noted.items()]


def collect(
    place: str | Path,
    exercise: str,
    roster: Sequence[Student] = (),
    matches: dict[str, str] | None = None,
    groups: Sequence[Sequence[str]] = (),
) -> Collection:
    """Find every submission in a folder or a zip, and say whose it is.

    Args:
        place: the path of the folder or the zip.
        exercise: its name, `ex02_output_size`: such words in file names are nobody's name.
        roster: the students, if known.
        matches: from a file (as reports name it) or an unmatched id to the id of a student.
        groups: ids of students who hand in together.

    Raises:
        ValueError: when there is nothing at that place.
    """
    place = Path(place)
    if not place.exists():
        raise ValueError(f"there is no {place}: give the folder or zip with the submissions")
    reader = archives.Reader()
    items = list(reader.read(place))
    try:
        return _Collector(place, exercise, roster, items, reader, matches or {}, groups).collect()
    finally:
        reader.close()


class _Collector:
    """Works on the files of one export."""

    def __init__(
        self,
        place: Path,
        exercise: str,
        roster: Sequence[Student],
        items: list[Item],
        reader: archives.Reader,
        matches: dict[str, str],
        groups: Sequence[Sequence[str]],
    ) -> None:
        self.exercise, self.roster, self.reader = exercise, roster, reader
        self.matches, self.groups = matches, groups
        self.noted = dict(reader.notes)
        self.fates: dict[str, str] = {}
        self.prefix = f"{place.name}/" if place.is_file() and place.suffix.lower() == ".zip" else ""
        self.items: dict[str, Item] = {}
        for item in items:  # a zip may hold two files of one name
            path, count = item.path, 1
            while path in self.items:
                count += 1
                stem, dot, ending = item.path.rpartition(".")
                path = f"{stem} ({count}){dot}{ending}"
            self.items[path] = replace(item, path=path) if count > 1 else item
        if not self.items:
            raise ValueError(f"nothing was handed in in {place}: expected are notebooks, folders "
                             "or zips of them")  # fmt: skip
        self.register = identity.Register(roster, exercise)

    def collect(self) -> Collection:
        """Everything that was handed in."""
        short = {path: path.removeprefix(self.prefix) for path in self.items}
        settled = {
            short[path]: student
            for path in self.items
            for student in (self.matches.get(path) or self.matches.get(short[path]),)
            if student
        }
        whose = identity.decide(
            short.values(), self.roster, self.exercise, self._gradescope(), settled
        )
        groups: dict[str, list[tuple[Item, Whose]]] = defaultdict(list)
        for path, item in self.items.items():
            groups[self._group(short[path], whose[short[path]])].append((item, whose[short[path]]))
        submissions: list[Submission] = []
        for key in sorted(groups):
            submissions += self._submissions(groups[key])
        submissions = self._of_groups(self._distinct(submissions))
        submissions.sort(key=lambda one: one.student)
        handed_in = {one.student for one in submissions}
        missing = [student for student in self.roster if student.id not in handed_in]
        submissions = [one if one.matched else self._guessed(one, missing) for one in submissions]
        return Collection(submissions, missing, self.noted, self.fates)

    def _guessed(self, one: Submission, missing: list[Student]) -> Submission:
        """The two students who are the likeliest: those whom it names, then those without work."""
        text = f"{one.name} {one.file.rpartition('/')[2]}"
        best = [*one.likeliest, *(student.id for student in self.register.likeliest(text, missing))]
        return replace(one, likeliest=tuple(dict.fromkeys(best))[:2])

    @staticmethod
    def _group(path: str, whose: Whose) -> str:
        """What belongs together: a student's files by whatever way, or those of one identity."""
        if whose.known:
            return "\0".join(student.id for student in whose.students)
        return f"{whose.key}\0"

    def _gradescope(self) -> dict[str, platforms.Submitters]:
        """Gradescope's own list, where it stands beside the folders of the submissions."""
        for path, item in sorted(self.items.items(), key=lambda each: each[0].count("/")):
            folder, _, name = path.rpartition("/")
            beside = f"{folder}/submission_" if folder else "submission_"
            if re.fullmatch(r"submission_metadata\.ya?ml", name) and item.load and not item.packed:
                if any(other.startswith(beside) and "/" in other[len(beside) :]
                       for other in self.items):  # fmt: skip
                    try:
                        return platforms.read_gradescope(item.load())
                    except Exception as problem:
                        self.noted[path] = f"cannot be read ({problem})"
        return {}

    def _submissions(self, files: list[tuple[Item, Whose]]) -> list[Submission]:
        """What one identity handed in; one submission for each of a group's students."""
        whose = files[0][1]
        items = [item for item, _ in files]
        work = []
        for item in items:
            if platforms.COMPANIONS.search(item.path):
                self.fates[item.path] = "of the platform"
            else:
                work.append(item)
        if not work and not (whose.platform and whose.platform not in ("a name", "a folder")):
            return []
        if not work:
            problem = f"no notebook was handed in, only {items[0].path.rpartition('/')[2]}"
            chosen, others = replace(items[0], problem=problem), list[Item]()
        else:
            chosen, others = self._choose(work, whose)
        base = self._submission(chosen, others, whose, items)
        self.fates[chosen.path] = (
            "unreadable" if base.problem else "graded" if base.matched else "unmatched, graded"
        )
        if not whose.known or len(whose.students) < 2:
            return [base]
        return [
            replace(base, student=student.id, name=student.name, graded_as=student.id)
            for student in whose.students
        ]

    def _submission(
        self, chosen: Item, others: list[Item], whose: Whose, items: list[Item]
    ) -> Submission:
        time, clock = self._time(chosen, whose, items)
        listed, folder = [], chosen.path.rpartition("/")[0]
        for item in others:
            beside = not item.packed and item.path.rpartition("/")[0] == folder
            if item.is_notebook or (beside and DOCUMENT.search(item.path)):
                listed.append(item)
                self.fates[item.path] = "not graded: another one counts"
            else:
                self.fates[item.path] = "beside the notebook"
        earlier = tuple(item.path for item in listed)
        student_id, name = self._name(whose, chosen)
        if len(earlier) > 0:
            self.noted[student_id] = f"handed in {len(listed) + 1} files: {chosen.path} counts"
        if not whose.known and self.roster:
            self.noted[chosen.path] = f"is not matched: {whose.why}"
        matched = whose.known or not self.roster
        graded_as = student_id
        by_hand = self.matches.get(chosen.path) or self.matches.get(
            chosen.path.removeprefix(self.prefix)
        )
        if whose.known and by_hand:
            graded_as = self._made(whose, chosen)
        return Submission(
            student=student_id,
            name=name,
            matched=matched,
            file=chosen.path,
            load=chosen.load or bytes,
            time=time,
            earlier=earlier[:MOST_EARLIER],
            problem=chosen.problem,
            identity=self._key(whose, chosen),
            graded_as=graded_as,
            why="" if matched else whose.why,
            likeliest=tuple(student.id for student in whose.students),
            late=whose.late,
            clock=clock,
        )

    def _key(self, whose: Whose, chosen: Item) -> str:
        """The identity; a file of which nothing is known is known by what is in it."""
        if whose.platform:
            return whose.key
        try:
            content = chosen.load() if chosen.load else b""
        except Exception:
            content = b""
        return f"{whose.key} {hashlib.sha256(content).hexdigest()[:12]}"

    def _name(self, whose: Whose, chosen: Item) -> tuple[str, str]:
        """The id and the name of whoever handed it in."""
        if whose.known:
            return whose.students[0].id, whose.students[0].name
        shown = whose.shown or identity.slug(chosen.path.rpartition("/")[2]) or "nobody"
        return self._made(whose, chosen), shown

    def _made(self, whose: Whose, chosen: Item) -> str:
        """An id for somebody who is not on the class list: by what is there, and no other's."""
        made = identity.slug(whose.shown) or "nobody"
        if self.roster:
            key = self._key(whose, chosen)
            return f"unmatched-{made}-{identity.Whose(key).digest}"
        if not whose.platform:
            return f"{made}-{identity.Whose(self._key(whose, chosen)).digest}"
        return made

    def _distinct(self, submissions: list[Submission]) -> list[Submission]:
        """Without a class list two may have one name: then each has a mark of its own."""
        by_student: dict[str, list[Submission]] = defaultdict(list)
        for one in submissions:
            by_student[one.student].append(one)
        found = []
        for student, theirs in by_student.items():
            for one in theirs:
                made = student
                if len(theirs) > 1:
                    made = f"{student}-{identity.Whose(one.identity).digest}"
                found.append(replace(one, student=made, graded_as=made) if made != student else one)
        return found

    def _of_groups(self, submissions: list[Submission]) -> list[Submission]:
        """The same submission for those of a group who have none."""
        found = {one.student: one for one in submissions}
        known = {student.id: student for student in self.roster}
        for group in self.groups:
            theirs = [found[student] for student in group if student in found]
            if not theirs:
                continue
            latest = max(theirs, key=lambda one: (one.time or 0.0, one.student))
            for student in group:
                if student not in found:
                    name = known[student].name if student in known else student
                    found[student] = replace(
                        latest, student=student, name=name, graded_as=student,
                        identity=f"group of {latest.student}",
                    )  # fmt: skip
                    self.noted[student] = f"hands in with {latest.student}: {latest.file}"
        return list(found.values())

    # --- The right one of several -----------------------------------------------------------------

    def _choose(self, items: list[Item], whose: Whose) -> tuple[Item, list[Item]]:
        """The notebook that counts, and the others; with the reason where none can be taken."""
        room = MOST_READ
        read: list[
            tuple[Item, int, str]
        ] = []  # with its cells of this exercise, and another's name
        first = sorted(items, key=lambda item: (not item.is_notebook, item.path.count("/")))
        several = sum(item.is_notebook for item in items) > 1
        looked_at = 0
        for item in first:
            count, other = 0, ""
            is_wanted = item.is_notebook and item.load is not None and not item.problem
            if is_wanted and (looked_at >= archives.MOST_NOTEBOOKS or item.size > room):
                reason = (
                    f"more than {archives.MOST_NOTEBOOKS} notebooks or "
                    f"{MOST_READ // 1_000_000} MB were handed in: hand in the one notebook"
                )
                item = replace(item, problem=reason, load=None)
            elif is_wanted:
                looked_at += 1
                item, content = self._read(item)
                room -= len(content)
                count, other = exercise_in(content, self.exercise)
            read.append((item, count, other))
        most = max(count for _, count, _ in read)
        read.sort(key=lambda each: _order(each[0], 2 * each[1] >= most, each[2], each[1]))
        chosen, count, other = read[-1]
        if not chosen.problem and other and not count:
            number = re.match(r"ex0*(\d+)", self.exercise)
            wanted = f"exercise {number[1]}" if number else self.exercise
            chosen = replace(chosen, problem=f"this is {other}, not {wanted}")
        elif not chosen.problem and not chosen.is_notebook and chosen.load is not None:
            chosen, _ = self._read(chosen)
        elif not chosen.problem and chosen.load is None:
            chosen = replace(chosen, problem=f"no notebook was handed in, but {chosen.path}")
        if several and chosen.problem.startswith("this is"):
            self.noted[chosen.path] = "is another exercise's, and none of this exercise is there"
        others = []
        for item, cells, named in read[:-1]:
            if item.is_notebook and not item.problem and (named or (count > 1 and not cells)):
                fate = "another exercise's" if named else "beside the notebook"
                self.fates[item.path] = fate  # the course's own notebooks, a sheet for sums
            else:
                others.append(item)
        return chosen, others

    def _read(self, item: Item) -> tuple[Item, bytes]:
        """A file with its bytes put by, or with the reason why it has none."""
        assert item.load is not None
        try:
            content = item.load()
        except Exception as problem:  # a damaged entry, a file that may not be read, a lost disk
            said = getattr(problem, "strerror", None) or str(problem)[:150] or repr(problem)[:150]
            why = f"the file is damaged or cannot be read ({said})"
            return replace(item, problem=why, load=None), b""
        if not item.packed:
            item = replace(item, load=self.reader.spool.keep(content))
        return item, content

    # --- When -------------------------------------------------------------------------------------

    def _time(
        self, chosen: Item, whose: Whose, items: list[Item]
    ) -> tuple[float | None, str]:  # fmt: skip
        """When it was handed in, and what says so: never what its student named."""
        if whose.time is not None:
            return whose.time, "the platform"
        for student in whose.students if whose.known else ():
            if student.handed_in and (time := time_in(student.handed_in)) is not None:
                return time, "the platform"
        for item in items:
            name = item.path.rpartition("/")[2].lower()
            if name in ("timestamp.txt", "timestamps.txt") and item.load and not item.packed:
                try:
                    time = time_in(item.load()[:200].decode("utf-8", "replace"))
                except Exception:
                    continue
                if time is not None:
                    return time, "the platform"
        own = chosen.path.rpartition("/")[2]
        if (stamp := re.match(r"(\d{14})_", own)) and platforms.read_ilias(
            chosen.path.rpartition("/")[0].rpartition("/")[2]
        ):
            time = time_in(stamp[1])
            if time is not None:
                return time, "the platform"
        if whose.platform in platforms.WITHOUT_TIMES or not chosen.time:
            return None, ""
        return chosen.time, "the file"


def _order(item: Item, of_this: bool, other: str, count: int) -> tuple[object, ...]:
    """Notebooks that can be read before all else, then this exercise's, then the latest."""
    stem = item.path.rpartition("/")[2].split(".")[0].strip()
    copy = re.search(r"(?:\((\d+)\)|-(\d+))$", stem)
    number = int(copy.group(1) or copy.group(2)) if copy else 0
    version = max((int(found) for found in re.findall(r"(?i)(?:^|/)version (\d{1,6})(?=/)",
                                                      item.path)), default=0)  # fmt: skip
    name = tuple((int(part), "") if part.isdigit() else (-1, part)
                 for part in re.split(r"(\d{1,18})", item.path))  # fmt: skip
    readable = item.is_notebook and not item.problem
    attempt = platforms.read(item.path.rpartition("/")[2], True)
    when = attempt.time if attempt and attempt.time else item.time
    return (
        readable, of_this and count > 0, not other, version, when, item.inner, number, count, name
    )  # fmt: skip


def time_in(text: str) -> float | None:
    """The time that a platform wrote, in seconds since 1970; None where there is none in it."""
    for form in (
        "%A, %d %B %Y, %I:%M %p", "%A, %d. %B %Y, %H:%M", "%d %B %Y, %I:%M %p",
        "%Y-%m-%d %H:%M:%S %z", "%m/%d/%Y %I:%M %p",
    ):  # fmt: skip
        try:
            return datetime.strptime(text.strip(), form).timestamp()
        except (ValueError, OverflowError):
            continue
    found = TIMES.search(text)
    if found is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        when = datetime(year, month, day, hour, minute, second)
        return when.replace(tzinfo=_zone_in(text[found.end() :])).timestamp()
    except (ValueError, OverflowError):
        return None


def _zone_in(text: str) -> tzinfo | None:
    """The zone that a text begins with; None where it names none that is known here."""
    found = ZONE.match(text)
    if found is None or not any(found.groups()):
        return None
    if found[2]:
        return timezone(timedelta(hours=int(found[2]), minutes=int(found[2][0] + found[3])))
    try:
        return UTC if found[1] else ZoneInfo(found[4])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


# --- Which exercise is it? ------------------------------------------------------------------------


MARKS = re.compile(rb'"(?:grade_)?id": ?"([\w-]{1,60})"')
TITLE = re.compile(rb'"# (Exercise \d+[^"\\]{0,80})')


@lru_cache(maxsize=1)
def marks_of_exercises() -> dict[str, tuple[str, frozenset[bytes]]]:
    """For each exercise its title, and the ids of cells that no other exercise has."""
    ids: dict[str, set[bytes]] = {}
    titles: dict[str, str] = {}
    for name in questions.names():
        path = checks.RELEASES / name / f"{name}.ipynb"
        content = path.read_bytes() if path.exists() else b""
        ids[name] = set(MARKS.findall(content))
        title = TITLE.search(content)
        titles[name] = title[1].decode("utf-8", "replace") if title else name
    found = {}
    for name, own in ids.items():
        others: set[bytes] = set().union(*(ids[other] for other in ids if other != name))
        found[name] = (titles[name], frozenset(own - others))
    return found


def exercise_in(content: bytes, exercise: str) -> tuple[int, str]:
    """How many of an exercise's own cells a notebook carries, and which other it is of instead.

    Cells are told by their ids and marks; where both are gone, by the title.
    """
    known = marks_of_exercises()
    ids, heading = set(MARKS.findall(content)), TITLE.search(content)
    title = heading[1].decode("utf-8", "replace") if heading else ""
    counts = {name: len(marks & ids) + (title == named) for name, (named, marks) in known.items()}
    own = next((name for name in counts if name == exercise or name.startswith(f"{exercise}_")), "")
    best = max(counts, key=lambda name: counts[name], default="")
    if best and best != own and counts[best] > counts.get(own, 0):
        named = known[best][0]
        return counts.get(own, 0), named[:1].lower() + named[1:]
    return counts.get(own, 0), ""
