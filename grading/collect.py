"""Who handed in what: reads what learning platforms export, a folder or a zip.

Everything is read into memory, nothing is unpacked to the disk, and nothing is ever written to the
folder. Whoever sent a file may have chosen its name and every byte of it.
"""

import csv
import io
import re
import stat
import unicodedata
import zipfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 25_000_000  # of one file
MOST_TOTAL = 4_000_000_000  # of all files that are read
MOST_FILES = 20_000
DEEPEST = 3  # zips in zips

# What systems and platforms put beside the files of students.
NOBODY_SENT = re.compile(
    r"(^|/)(__MACOSX|\.ipynb_checkpoints|\.git)(/|$)|(^|/)(\.DS_Store|Thumbs\.db|desktop\.ini"
    r"|\._[^/]*|timestamps?\.txt|gradebook\.db|nbgrader_config\.py)$",
    re.IGNORECASE,
)
# Words that are no names of people.
WORDS = re.compile(
    r"^(copy|kopie|of|von|late|assignsubmission|file|onlinetext|submitted|submissions?|final|new|"
    r"solutions?|exercise|ex\d+|version|v\d+|ipynb|notebook|untitled|my|py|zip|\d{4,})$"
)
COLUMNS = {
    "id": ("id", "studentid", "student", "username", "user", "login", "matriculationnumber",
           "matriculation", "number", "sisloginid", "idnumber"),
    "name": ("name", "fullname", "studentname"),
    "first": ("firstname", "givenname", "first"),
    "last": ("lastname", "surname", "familyname", "last"),
    "email": ("email", "emailaddress", "mail"),
}  # fmt: skip


class Student(NamedTuple):
    """A line of the roster."""

    id: str
    name: str
    email: str = ""


class Submission(NamedTuple):
    """What one student handed in: the file that counts, and the names of the others.

    Attributes:
        student: the roster's id, or one that is made from the file's name.
        matched: whether it is known who that is.
        file: where it was found, zips included, for the report.
        content: the file's bytes; none when it cannot be taken.
        time: when it was handed in, in seconds since 1970.
        earlier: further files of the same student.
        problem: why it cannot be taken, or ''.
    """

    student: str
    name: str
    matched: bool
    file: str
    content: bytes
    time: float
    earlier: tuple[str, ...] = ()
    problem: str = ""


class Collection(NamedTuple):
    """All submissions, the students without one, and what an instructor should know."""

    submissions: list[Submission]
    missing: list[Student]
    notes: list[str]


class _Found(NamedTuple):
    file: str
    content: bytes
    time: float
    problem: str = ""


# --- The roster -----------------------------------------------------------------------------------


def read_roster(path):
    """The students in a CSV with a header: an id, a name (or first and last name), an e-mail.

    Raises:
        ValueError: when a column is missing, an id stands twice, or it is no CSV; with the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(f"the roster {path} cannot be read: {problem}") from None
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=first.count)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    header = [re.sub(r"[^a-z]", "", cell.lower()) for cell in rows[0]] if rows else []
    places = {kind: next((header.index(name) for name in names if name in header), None)
              for kind, names in COLUMNS.items()}  # fmt: skip
    named = places["name"] is not None or places["last"] is not None
    if places["id"] is None or not named:
        raise ValueError(f"the roster {path} needs the columns id and name (or first name and last "
                         f"name) in its first line; found: {first[:100]!r}")  # fmt: skip
    students, lines = [], {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {kind: row[place].strip() if place is not None and place < len(row) else ""
                 for kind, place in places.items()}  # fmt: skip
        if not cells["id"]:
            raise ValueError(f"{path}, line {number}: no id")
        if cells["id"] in lines:
            raise ValueError(f"{path}, line {number}: the id {cells['id']} stands in line "
                             f"{lines[cells['id']]} already")  # fmt: skip
        if not re.fullmatch(r"\w[\w.@+ -]*", cells["id"]):
            raise ValueError(f"{path}, line {number}: the id {cells['id']!r} cannot name a file: "
                             "use letters, digits and . @ + - _")  # fmt: skip
        lines[cells["id"]] = number
        name = cells["name"] or f"{cells['first']} {cells['last']}".strip()
        students.append(Student(cells["id"], name, cells["email"]))
    return students


# --- Finding files --------------------------------------------------------------------------------


def collect(place, exercise, roster=()):
    """Find every submission in a folder or a zip, and say whose it is.

    Args:
        place: the path of the folder or the zip.
        exercise: its name, `ex02_output_size`: such words in file names are nobody's name.
        roster: the students, if known.

    Raises:
        ValueError: when there is nothing at that place.
    """
    place, notes = Path(place), []
    if not place.exists():
        raise ValueError(f"there is no {place}: give the folder or zip with the submissions")
    reader = _Reader(notes)
    found = sorted(reader.read(place), key=lambda each: each.file)
    if not found:
        raise ValueError(f"nothing was handed in in {place}: expected are notebooks, folders or "
                         "zips of them")  # fmt: skip
    by_student, names = {}, {}
    for each in found:
        student, name, matched = _who(each.file, exercise, roster, notes)
        by_student.setdefault(student, []).append(each)
        names[student] = (name, matched)
    submissions = []
    for student, theirs in sorted(by_student.items()):
        *earlier, last = sorted(theirs, key=_order)
        submissions.append(
            Submission(
                student,
                *names[student],
                last.file,
                last.content,
                last.time,
                tuple(each.file for each in earlier),
                last.problem,
            )  # fmt: skip
        )
        if earlier:
            notes.append(f"{student} handed in {len(theirs)} files: {last.file} counts")
    missing = [student for student in roster if student.id not in by_student]
    return Collection(submissions, missing, notes)


def _order(found):
    """Notebooks before all else, then the latest, then the highest number in the name."""
    stem = found.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    number = re.search(r"(?:\((\d+)\)|-(\d+))$", stem.strip())
    number = int(number.group(1) or number.group(2)) if number else 0
    readable = found.file.lower().endswith(".ipynb") and not found.problem
    return readable, found.time, number, found.file


class _Reader:
    """Reads folders and zips, and stops at what is too much."""

    def __init__(self, notes):
        self.notes, self.room, self.files = notes, MOST_TOTAL, MOST_FILES

    def read(self, place):
        """Every file that a student may have sent."""
        if place.is_file():
            yield from self.file(place, place.name)
            return
        for path in sorted(place.rglob("*")):
            name = _printable(path.relative_to(place).as_posix())
            inside_link = any(
                above.is_symlink() for above in path.parents if place in above.parents
            )
            if path.is_symlink():
                self.notes.append(f"{name} is a link and was not followed")
            elif path.is_file() and not inside_link:
                yield from self.file(path, name)

    def file(self, path, name):
        """One file of the disk; a zip is looked into."""
        if NOBODY_SENT.search(name):
            return
        time = _time_in(name) or path.stat().st_mtime
        if path.stat().st_size > MOST_BYTES and not name.lower().endswith(".zip"):
            yield _Found(name, b"", time, _too_large())
        elif path.stat().st_size > MOST_TOTAL:
            yield _Found(name, b"", time, "the zip is too large to be read")
        elif name.lower().endswith(".zip"):
            with open(path, "rb") as stream:
                yield from self.zip(stream, name, time, 1)
        elif self.allowed(name, path.stat().st_size):
            yield _Found(name, path.read_bytes(), time)

    def allowed(self, name, size):
        """Whether one more file of this size is read; else a note says that it is not."""
        self.files, self.room = self.files - 1, self.room - size
        if self.files < 0 or self.room < 0:
            if not any("too many files" in note for note in self.notes):
                self.notes.append(f"too many files, or too large together: {name} and what comes "
                                  "behind it was left out")  # fmt: skip
            return False
        return True

    def zip(self, stream, name, time, depth):
        """The files in a zip, read with a cap on each, whatever its directory says."""
        try:
            archive = zipfile.ZipFile(stream)
            entries = archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as problem:
            yield _Found(name, b"", time, f"the zip is damaged ({problem})")
            return
        if len(entries) > MOST_FILES:
            yield _Found(name, b"", time, f"the zip has more than {MOST_FILES} entries")
            return
        for entry in entries:
            inside = f"{name}/{_printable(entry.filename)}"
            if entry.is_dir() or NOBODY_SENT.search(inside):
                continue
            if stat.S_ISLNK(entry.external_attr >> 16):
                self.notes.append(f"{inside} is a link and was not followed")
                continue
            yield from self.entry(archive, entry, inside, depth)

    def entry(self, archive, entry, inside, depth):
        """One file in a zip."""
        time = _time_in(inside) or _entry_time(entry)
        try:
            if entry.flag_bits & 1:
                raise zipfile.BadZipFile("it is encrypted")
            with archive.open(entry) as stream:
                content = stream.read(MOST_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError,
                NotImplementedError, ValueError) as problem:  # fmt: skip
            yield _Found(inside, b"", time, f"the file in the zip is damaged ({problem})")
            return
        if len(content) > MOST_BYTES:
            yield _Found(inside, b"", time, _too_large())
        elif not self.allowed(inside, len(content)):
            return
        elif inside.lower().endswith(".zip") and depth < DEEPEST:
            yield from self.zip(io.BytesIO(content), inside, time, depth + 1)
        else:
            yield _Found(inside, content, time)


def _too_large():
    return f"the file is larger than {MOST_BYTES // 1_000_000} MB"


def _printable(name):
    """An entry's name without anything that leads out of the zip, for the report only."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    text = "/".join(parts) or "without a name"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]


def _entry_time(entry):
    try:
        return datetime(*entry.date_time).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def _time_in(name):
    """The time that nbgrader or a platform wrote into a name, 2026-11-26-14-05-00 say, or None."""
    found = re.search(r"(20\d\d)-(\d\d)-(\d\d)[-_ T](\d\d)[-_:](\d\d)(?:[-_:](\d\d))?", name)
    try:
        return datetime(*(int(part or 0) for part in found.groups())).timestamp() if found else None
    except ValueError:
        return None


# --- Whose is it? ---------------------------------------------------------------------------------


def _who(file, exercise, roster, notes):
    """The student's id and name, and whether that is certain."""
    if roster:
        fitting = _fitting(file, roster)
        if len(fitting) == 1:
            return fitting[0].id, fitting[0].name, True
        if fitting:
            several = ", ".join(student.id for student in fitting)
            notes.append(f"{file} fits several students: {several}")
        else:
            notes.append(f"{file} fits nobody of the roster")
    name = _name_in(file, exercise)
    made = _folded(name)[0].replace(" ", "-")[:60] or "nobody"
    return (f"unmatched-{made}" if roster else made), name, not roster


def _fitting(file, roster):
    """The students whom a path names: first by the file's own name, then by the folders, inwards.

    An id or an e-mail is stronger than a name; nothing is guessed from what only looks alike.
    """
    for part in reversed(file.split("/")):
        lengths = {student: _by_id(student, part.lower()) for student in roster}
        longest = max(lengths.values())
        if longest:  # 'jane_doe' is hers, and not the one of the student with the id 'jane'
            return [student for student, length in lengths.items() if length == longest]
        spellings = [spelling.split() for spelling in _folded(part)]
        found = [student for student in roster if _by_name(student, spellings)]
        if found:
            return found
    return []


def _by_id(student, part):
    """How many letters of an id or an e-mail stand in a part of a path, as a whole; 0 for none."""
    keys = [student.id.lower()]
    if "@" in student.email:
        keys += [student.email.lower(), student.email.lower().split("@")[0]]
    whole = r"(?<![a-z0-9]){}(?![a-z0-9])"
    return max((len(key) for key in keys if re.search(whole.format(re.escape(key)), part)),
               default=0)  # fmt: skip


def _by_name(student, spellings):
    """Whether all of a student's names stand in one spelling of a part of a path."""
    for name in _folded(student.name):
        words = name.split()
        if len(words) < 2:
            continue
        for found in spellings:
            if set(words) <= set(found):
                return True
            # Canvas writes 'doejane': last name and first names without a space between.
            joined = {"".join(words), "".join([words[-1], *words[:-1]])}
            if joined & set(found):
                return True
    return False


def _folded(text):
    """A text in plain letters, in the two ways in which ä, ö, ü are written."""
    text = text.lower().replace("ß", "ss").replace("ø", "o").replace("ł", "l").replace("æ", "ae")
    wide = re.sub("[äöü]", lambda found: {"ä": "ae", "ö": "oe", "ü": "ue"}[found.group()],
                  unicodedata.normalize("NFC", text))  # fmt: skip
    spellings = []
    for each in (text, wide):
        plain = unicodedata.normalize("NFKD", each)
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        plain = re.sub(r"[^\w]+|_+", " ", plain).strip()
        if plain not in spellings:
            spellings.append(plain)
    return spellings


def _name_in(file, exercise):
    """What may be a name in a path: the innermost part that is more than words of the exercise."""
    of_exercise = {exercise.lower(), *re.split(r"[\W_]+", exercise.lower())}
    *folders, own = file.split("/")
    stem = re.sub(r"\.\w{1,5}$", "", own)
    stem = re.sub(r"\(\d+\)|(?<=\d)-\d+$", " ", stem)  # of a second download, or a second try
    for part in (stem, *reversed(folders)):
        words = [word for word in re.split(r"[\W_]+", part) if word
                 and word.lower() not in of_exercise and not WORDS.match(word.lower())]  # fmt: skip
        if any(not word.isdigit() for word in words):
            return " ".join(words)
    return folders[-1] if folders else re.sub(r"\.\w{1,5}$", "", own)
