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
from grading import archives, identity, platforms, questions, repair
from grading.archives import Item
from grading.identity import Whose
from grading.results import Result
from grading.roster import Student

__all__ = ["Collection", "Student", "Submission", "at_listed_times", "collect", "exercise_in"]

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
        listed: the time that the class list tells for the student; see `at_listed_times`.
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
    listed: float | None = None

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
) -> Collection:
    """Find every submission in a folder or a zip, and say whose it is.

    Args:
        place: the path of the folder or the zip.
        exercise: its name, `ex02_output_size`: such words in file names are nobody's name.
        roster: the students, if known.
        matches: from an unmatched id, or a file (as reports name it), to the id of a student.

    Raises:
        ValueError: when there is nothing at that place.
    """
    place = Path(place)
    if not place.exists():
        raise ValueError(f"there is no {place}: give the folder or zip with the submissions")
    reader = archives.Reader()
    items = list(reader.read(place))
    try:
        return _Collector(place, exercise, roster, items, reader, matches or {}).collect()
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
    ) -> None:
        self.exercise, self.roster, self.reader = exercise, roster, reader
        self.matches = matches
        self.noted = dict(reader.notes)
        self.fates: dict[str, str] = {}
        is_zip = place.is_file() and place.suffix.lower() == ".zip"
        self.prefix = f"{place.name}/" if is_zip else ""
        self.top = place.stem if is_zip else place.resolve().name
        self.graded_as: dict[str, str] = {}  # of what somebody matched: from its path
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
        self.untouched: set[str] = set()  # paths of copies of the release
        self.register = identity.Register(roster, exercise)

    def collect(self) -> Collection:
        """Everything that was handed in."""
        short = {path: self._short(path) for path in self.items}
        whose = identity.decide(
            short.values(), self.roster, self.exercise, self._gradescope(), self._settled, self.top
        )
        groups: dict[str, list[tuple[Item, Whose]]] = defaultdict(list)
        for path, item in self.items.items():
            groups[self._group(short[path], whose[short[path]])].append((item, whose[short[path]]))
        submissions: list[Submission] = []
        for key in sorted(groups):
            submissions += self._submissions(groups[key])
        submissions = sorted(self._distinct(submissions), key=lambda one: one.student)
        handed_in = {one.student for one in submissions}
        missing = [student for student in self.roster if student.id not in handed_in]
        submissions = [one if one.matched else self._guessed(one, missing) for one in submissions]
        return Collection(submissions, missing, self.noted, self.fates)

    def _short(self, path: str) -> str:
        return path.removeprefix(self.prefix)

    def _settled(self, whose: dict[str, Whose]) -> dict[str, str]:
        """From each path that somebody matched to the student's id: by what it is, not where.

        Everything else of the same identity goes along.
        """
        if not self.matches:
            return {}
        said = {key.rpartition("-")[2]: key for key in self.matches if key.startswith("unmatched-")}
        lines: dict[str, str] = {}
        by_identity: dict[str, str] = {}
        for path, item in self.items.items():
            short = self._short(path)
            line = next((key for key in (path, short) if key in self.matches), None)
            line = line or said.get(Whose(self._key(whose[short], item)).digest)
            if line:
                lines[short] = line
                by_identity.setdefault(whose[short].key, line)
        for path, one in whose.items():
            if line := lines.get(path) or by_identity.get(one.key):
                lines[path] = line
                self.graded_as[path] = line if line in said.values() else ""
        return {path: self.matches[line] for path, line in lines.items()}

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
            inside = any(platforms.read(part, False) for part in folder.split("/"))
            is_list = re.fullmatch(r"submission_metadata\.ya?ml", name) and not inside
            if is_list and item.load and not item.packed:
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
        work = []
        for item, each in files:
            if platforms.COMPANIONS.search(item.path):
                self.fates[item.path] = "of the platform"
            else:
                work.append((item, each))
        if not work and not (whose.platform and whose.platform not in ("a name", "a folder")):
            return []
        if not work:
            first = files[0][0]
            problem = f"no notebook was handed in, only {first.path.rpartition('/')[2]}"
            chosen, others = replace(first, problem=problem), list[Item]()
        else:
            chosen, others = self._choose(work)
        whose = next(each for item, each in files if item.path == chosen.path)
        base = self._submission(chosen, others, whose)
        self.fates[chosen.path] = (
            "unreadable" if base.problem else "graded" if base.matched else "unmatched, graded"
        )
        if not whose.known or len(whose.students) < 2:
            return [base]
        return [
            replace(base, student=student.id, name=student.name, graded_as=student.id)
            for student in whose.students
        ]

    def _submission(self, chosen: Item, others: list[Item], whose: Whose) -> Submission:
        time, clock = self._time(chosen, whose)
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
            shown = [f"{path} (untouched)" if path in self.untouched else path for path in earlier]
            more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
            self.noted[student_id] = (
                f"handed in {len(listed) + 1} files: {chosen.path} counts, "
                f"not {', '.join(shown[:3])}{more}"
            )
        if not whose.known and self.roster:
            self.noted[chosen.path] = f"is not matched: {whose.why}"
        matched = whose.known or not self.roster
        graded_as = student_id
        made = self.graded_as.get(self._short(chosen.path))
        if whose.known and made is not None:
            graded_as = made or self._made(whose, chosen)
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
            listed=self._listed(whose),
        )

    def _key(self, whose: Whose, chosen: Item) -> str:
        """The identity; where the export tells no more than a place, what is in the file tells it.

        Somebody else's may lie in folder 1 of the next export.
        """
        if whose.platform not in ("", "a folder", "a name"):
            return whose.key
        counts = any(word.isdigit() and len(word) <= identity.SHORT
                     for word in identity.folded(whose.shown)[0].split())  # fmt: skip
        if whose.platform and not counts and self.register.rests(whose.shown) != {""}:
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

    # --- The right one of several -----------------------------------------------------------------

    def _choose(self, work: list[tuple[Item, Whose]]) -> tuple[Item, list[Item]]:
        """The notebook that counts, and the others; with the reason where none can be taken."""
        room = MOST_READ
        read: list[tuple[Item, int, str]] = []  # with its cells of this exercise, another's name
        times = {item.path: whose.time or item.time for item, whose in work}
        items = [item for item, _ in work]
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
                if several and count and is_untouched(content, self.exercise):
                    self.untouched.add(item.path)
            read.append((item, count, other))
        most = max(count for _, count, _ in read)
        read.sort(
            key=lambda each: _order(
                each[0], each[1] if 2 * each[1] >= most else 0, each[2],
                each[0].path not in self.untouched, times[each[0].path],
            )
        )  # fmt: skip
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

    def _time(self, chosen: Item, whose: Whose) -> tuple[float | None, str]:
        """When it was handed in, and what says so: never what its student named."""
        time = whose.time if whose.time is not None else self._time_below(chosen, whose)
        if time is not None:
            return time, "the platform"
        if whose.platform in platforms.WITHOUT_TIMES or not chosen.time:
            return None, ""
        return chosen.time, "the file"

    def _time_below(self, chosen: Item, whose: Whose) -> float | None:
        """What ILIAS and nbgrader write right below a student's folder; deeper it is the student's.

        nbgrader writes a file: submitted/<student>/<exercise>/timestamp.txt.
        """
        first, _, rest = self._short(chosen.path).removeprefix(f"{whose.folder}/").partition("/")
        if whose.platform == "ILIAS":
            stamp = re.match(r"(\d{14})_", first)
            return time_in(stamp[1]) if stamp else None
        above = f"{self.top}/{whose.folder}".split("/")[-2]
        if not whose.folder or not rest or above.lower() != "submitted":
            return None
        beside = self.items.get(f"{self.prefix}{whose.folder}/{first}/timestamp.txt")
        if beside is None or beside.packed or beside.load is None:
            return None
        try:
            return time_in(beside.load()[:200].decode("utf-8", "replace"))
        except Exception:  # whatever a damaged export makes of its library
            return None

    @staticmethod
    def _listed(whose: Whose) -> float | None:
        """When the class list says that a known student handed in."""
        listed = (time_in(student.handed_in) for student in whose.students if whose.known)
        return next((time for time in listed if time is not None), None)


def at_listed_times(
    collection: Collection, before: dict[str, Result], put_by: Callable[[str], Path]
) -> Collection:
    """The same submissions at the times that the class list tells, where they are of these files.

    The list may be older than a file: then its time is that of the file which the student's result
    is of, and this one has its own.

    Args:
        before: the results of earlier runs, by student.
        put_by: gives the path of the file that a student handed in before.
    """
    at_times = []
    for one in collection.submissions:
        if one.listed is not None and one.clock != "the platform":
            old = before.get(one.student)
            if old is None or old.listed != one.listed:
                one = replace(one, time=one.listed, clock="the platform")
            elif put_by(one.student).exists() and put_by(one.student).read_bytes() == one.content:
                one = replace(one, time=old.time, clock=old.clock)
            if one.clock != "the platform":
                collection.noted[one.file] = (
                    "is newer than the class list, whose time is of an earlier file: "
                    "give the new list (ROSTER=)"
                )
        at_times.append(one)
    return replace(collection, submissions=at_times)


def _order(item: Item, count: int, other: str, solved: bool, when: float) -> tuple[object, ...]:
    """Notebooks that can be read before all else, then this exercise's, solved ones, the latest."""
    stem = item.path.rpartition("/")[2].split(".")[0].strip()
    copy = re.search(r"(?:\((\d+)\)|-(\d+))$", stem)
    number = int(copy.group(1) or copy.group(2)) if copy else 0
    version = max((int(found) for found in re.findall(r"(?i)(?:^|/)version (\d{1,6})(?=/)",
                                                      item.path)), default=0)  # fmt: skip
    name = tuple((int(part), "") if part.isdigit() else (-1, part)
                 for part in re.split(r"(\d{1,18})", item.path))  # fmt: skip
    readable = item.is_notebook and not item.problem
    return (
        readable, count > 0, not other, solved, version, when, item.inner, number, count, name
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


def _whole_name(exercise: str) -> str:
    """The name of an exercise of which the beginning may be given; '' for none of the course's."""
    names = questions.names()
    return next((name for name in names if f"{name}_".startswith(f"{exercise}_")), "")


def exercise_in(content: bytes, exercise: str) -> tuple[int, str]:
    """How many of an exercise's own cells a notebook carries, and which other it is of instead.

    Cells are told by their ids and marks; where both are gone, by the title.
    """
    known = marks_of_exercises()
    ids, heading = set(MARKS.findall(content)), TITLE.search(content)
    title = heading[1].decode("utf-8", "replace") if heading else ""
    counts = {name: len(marks & ids) + (title == named) for name, (named, marks) in known.items()}
    own = _whole_name(exercise)
    best = max(counts, key=lambda name: counts[name], default="")
    if best and best != own and counts[best] > counts.get(own, 0):
        named = known[best][0]
        return counts.get(own, 0), named[:1].lower() + named[1:]
    return counts.get(own, 0), ""


@lru_cache(maxsize=2)
def _words_of_release(exercise: str) -> frozenset[str]:
    """What stands in the cells that students get."""
    name = _whole_name(exercise)
    path = checks.RELEASES / name / f"{name}.ipynb"
    if not path.exists():
        return frozenset()
    return frozenset(cell["words"] for cell in repair.read(path.read_bytes(), path.name))


def is_untouched(content: bytes, exercise: str) -> bool:
    """Whether a notebook holds nothing that its release does not, but perhaps a name."""
    if len(content) >= repair.LARGE:
        return False  # a release has no outputs, and a large file costs much to read
    try:
        cells = repair.read(content, "")
    except repair.Unreadable:
        return False
    known = _words_of_release(exercise)
    return all(
        cell["words"] in known or not cell["words"] or checks.STUDENT_CELL in cell["names"]
        for cell in cells
    )
