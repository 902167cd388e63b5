"""Whose work is it? From the paths of an export and the class list to students, or to a reason.

The part of a path that the platform wrote decides, the outermost first: what lies in a folder that
stands among students' folders is that folder's, whomever it names. What a student named counts only
where nothing else does, and never against it. Nothing is guessed: a name must be somebody's
whole name, an id or the part of an e-mail before the @ the whole of what stands there. Ways that
disagree, two identities for one student and two students of one name are *unmatched*, with the
reason, and the two likeliest students beside it.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from grading import platforms
from grading.platforms import Submitters, Written
from grading.roster import Student

# Words that are no names of people.
WORDS = re.compile(
    r"(copy|kopie|kopia|copia|copie|of|von|de|late|assignsubmission|file|onlinetext|submitted|"
    r"submissions?|submission|final|finale|finished|done|new|neu|solutions?|loesung|losung|answers?|"
    r"exercise|exercises|assignment|assignments|homework|hw\d*|ubung|uebung|ex\d+|aufgabe|version|v\d+|"
    r"ipynb|notebook|untitled\d*|my|py|zip|the|release|work|handed|in|abgabe)"
)
EMAIL = re.compile(r"[\w.+-]+@[a-z\d-]+(?:\.[a-z\d-]+)+")
SHORT = 3  # digits of an id that may as well be the number of an exercise, or of a copy
ROOT = ("",)


@dataclass(frozen=True)
class Whose:
    """Whose a file is.

    Attributes:
        key: of the identity: what has the same key is the same person's.
        students: whom the list names by it; one where it is known.
        why: the reason where it is not.
        platform: that wrote the name, or 'a name'.
        shown: the name as it stands there.
        late: whether the platform marks it as late.
        time: when it was handed in, where the platform says so.
        folder: the path of the folder that says it; '' where none does.
    """

    key: str
    students: tuple[Student, ...] = ()
    why: str = ""
    platform: str = ""
    shown: str = ""
    late: bool = False
    time: float | None = None
    folder: str = ""

    @property
    def known(self) -> bool:
        """Whether it is known whose it is; a group hands in together."""
        return bool(self.students) and not self.why

    @property
    def digest(self) -> str:
        """Six letters that tell this identity from others of the same name."""
        return hashlib.sha256(self.key.encode("utf-8", "replace")).hexdigest()[:6]


# --- Words ----------------------------------------------------------------------------------------


@lru_cache(maxsize=100_000)
def folded(text: str) -> tuple[str, ...]:
    """A text in plain small letters, in the two ways in which ä, ö, ü are written."""
    text = unicodedata.normalize("NFC", text).lower()
    text = text.replace("ß", "ss").replace("ø", "o").replace("ł", "l").replace("æ", "ae")
    text = text.replace("đ", "d").replace("ı", "i")
    wide = re.sub("[äöü]", lambda found: {"ä": "ae", "ö": "oe", "ü": "ue"}[found.group()], text)
    spellings = []
    for spelling in (text, wide):
        plain = unicodedata.normalize("NFKD", spelling)
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        plain = re.sub(r"[^\w]+|_+", " ", unicodedata.normalize("NFC", plain)).strip()
        if plain not in spellings:
            spellings.append(plain)
    return tuple(spellings)


def slug(text: str) -> str:
    """A text as a part of a file's name."""
    return folded(text)[0].replace(" ", "-")[:40].strip("-")


def _stem(part: str) -> str:
    """A part without the ending of a file, and without the number of a further copy."""
    part = re.sub(
        r"(\.(ipynb|zip|py|txt|html?|json|csv|pdf|docx?|md|tar|gz))+$", "", part, flags=re.I
    )
    return re.sub(r"\s*\(\d+\)$|(?<=\w)-\d{1,2}$", "", part.strip())


# --- The class list, by everything that may stand in a path ---------------------------------------


class Register:
    """The students by name, id, user, e-mail and number."""

    def __init__(self, students: Sequence[Student], exercise: str) -> None:
        self.students = students
        self.of_exercise = {exercise.lower(), *re.split(r"[\W_]+", exercise.lower())}
        self.of_exercise |= {word for name in folded(exercise) for word in name.split()}
        self.ids: dict[str, set[Student]] = defaultdict(set)
        self.names: dict[str, set[Student]] = defaultdict(set)
        self.squeezed: dict[str, set[Student]] = defaultdict(set)
        self.users: dict[str, set[Student]] = defaultdict(set)
        self.fields: dict[str, set[Student]] = defaultdict(set)
        self.emails: dict[str, set[Student]] = defaultdict(set)
        self.numbers: dict[str, set[Student]] = defaultdict(set)
        self.numbered = {student.number.partition(" ")[0] for student in students}
        for student in students:
            self.ids[student.id.lower()].add(student)
            email = student.email.lower()
            local = email.split("@")[0] if "@" in email else ""
            if email:
                self.emails[email].add(student)
            for user in {student.id.lower(), student.user.lower(), local} - {""}:
                self.users[user].add(student)
                self.fields[folded(user)[0]].add(student)
            if student.number:
                self.numbers[student.number.lower()].add(student)
            for name in self.spellings(student):
                words = name.split()
                for at in range(len(words)):
                    turned = words[at:] + words[:at]
                    self.names[" ".join(turned)].add(student)
                    self.squeezed["".join(turned)].add(student)

    @staticmethod
    def spellings(student: Student) -> set[str]:
        """A student's name in plain letters: as the list shows it, and of its two parts."""
        names = {student.name, f"{student.first} {student.last}", f"{student.last} {student.first}"}
        return {spelling for name in names if name.strip() for spelling in folded(name) if spelling}

    def by_name(self, text: str) -> set[Student]:
        """Whose whole name a text is, the words in any turn, or squeezed into one."""
        found: set[Student] = set()
        for spelling in folded(text):
            found |= self.names.get(spelling, set())
            if " " not in spelling:
                found |= self.squeezed.get(spelling, set())
        return found

    def by_user(self, text: str) -> set[Student]:
        """Whose id, user name or part of an e-mail before the @ a text is."""
        return self.users.get(text.lower(), set()) | self.emails.get(text.lower(), set())

    def by_text(self, part: str) -> set[Student]:
        """Whom a part names that no platform wrote: by one way, or by several together."""
        text = _stem(part)
        plain = text.lower()
        if (plain in self.ids or plain in self.users) and not self._says_nothing(plain):
            return self.ids.get(plain, set()) | self.users.get(plain, set()) | self.by_name(text)
        found: set[Student] = set()
        for spelling in folded(text):  # somebody may be called Late, or Copy
            found |= self.names.get(spelling, set())
        for email in EMAIL.findall(plain):
            found |= self._by_email(email)
            text = re.sub(re.escape(email), " ", text, flags=re.I)
        for rest in self.rests(text):
            if rest:
                found |= self._by_rest(rest.split())
        return found

    def _by_email(self, email: str) -> set[Student]:
        """Whose an e-mail is, perhaps with the exercise before it: 'ex02_jdoe@example.org'."""
        for at in [0, *(mark.end() for mark in re.finditer("[_-]", email.split("@")[0]))]:
            if email[at:] in self.emails and self.rests(email[:at]) <= {""}:
                return self.emails[email[at:]]
        return set()

    def _by_rest(self, words: list[str]) -> set[Student]:
        """Whom the words of a text are, when those of the exercise are taken away."""
        whole = " ".join(words)
        found = self.names.get(whole, set()) | self.fields.get(whole, set())
        if len(words) == 1:
            found = found | self.squeezed.get(whole, set())
        for at in range(1, len(words)):  # 'Jane Doe 4711', '4711 Jane Doe'
            one, two = " ".join(words[:at]), " ".join(words[at:])
            for name, field in ((one, two), (two, one)):
                found = found | (self.names.get(name, set()) & self.fields.get(field, set()))
        return found

    def rests(self, text: str) -> set[str]:
        """The words of a text that are not those of every file, in its spellings."""
        return {
            " ".join(word for word in spelling.split() if not self._says_nothing(word))
            for spelling in folded(text)
        }

    def _says_nothing(self, word: str) -> bool:
        return (
            word in self.of_exercise
            or WORDS.fullmatch(word) is not None
            or (word.isdigit() and len(word) <= SHORT)
        )

    def by_platform(self, written: Written) -> tuple[set[Student], str]:
        """Whom the list names by what a platform wrote, and why that is not one student."""
        ways: dict[str, set[Student]] = {}
        platform = written.platform.lower()
        if written.number and platform in self.numbered:
            number = f"{platform} {written.number.lower()}"
            ways["number"] = self.numbers.get(number, set())
        users = set().union(*(self.by_user(user) for user in written.users))
        if users:
            ways["user name"] = users
        if written.name and (named := self.by_name(written.name)):
            ways["name"] = named
        filled = [students for students in ways.values() if students]
        if not filled:
            return set(), f"{_who(written)} is nobody's on the class list"
        both = set.intersection(*filled)
        if not both or (len(filled) < len(ways)):
            told = ", ".join(
                f"its {way} is {' and '.join(sorted(s.id for s in students)) or 'nobody'}'s"
                for way, students in ways.items()
            )
            return set.union(*filled), f"{_who(written)}: {told}"
        if len(both) > 1:
            return both, _several(both)
        return both, ""

    def likeliest(
        self, text: str, missing: Iterable[Student] = (), count: int = 2
    ) -> list[Student]:
        """The students whose names and ids have the most runs of letters in common with a text.

        Args:
            missing: students without work, who are a little likelier.
        """
        theirs, without = _trigrams(text), set(missing)
        scores = {
            student: len(theirs & grams) / (len(theirs | grams) or 1) + 0.02 * (student in without)
            for student, grams in self._grams.items()
        }
        return sorted(scores, key=lambda student: (-scores[student], student.id))[:2]

    @property
    def _grams(self) -> dict[Student, set[str]]:
        if not hasattr(self, "_kept"):
            self._kept = {
                student: _trigrams(f"{student.name} {student.id} {student.user} {student.email}")
                for student in self.students
            }
        return self._kept


def _trigrams(text: str) -> set[str]:
    words = chain.from_iterable(spelling.split() for spelling in folded(text))
    return {f" {word} "[at : at + 3] for word in words for at in range(len(word))}


def _who(written: Written) -> str:
    parts = (written.name, *written.users[-1:], written.number)
    return f"{written.platform}'s {' '.join(part for part in parts if part)!r}"


def _several(students: Iterable[Student]) -> str:
    listed = sorted(students)
    if len({student.name for student in listed}) == 1:
        return f"{len(listed)} students are called {listed[0].name}: " + ", ".join(
            student.id for student in listed
        )
    return "it fits several students: " + ", ".join(student.id for student in listed)


# --- All files of an export -----------------------------------------------------------------------


class Export:
    """The paths of an export as a tree, and what each part of them says."""

    def __init__(
        self,
        paths: Iterable[str],
        register: Register,
        gradescope: dict[str, Submitters] | None = None,
        top: str = "",
    ) -> None:
        self.paths = {path: tuple(path.split("/")) for path in paths}
        self.register, self.top = register, top
        self.gradescope = gradescope or {}
        self.folders: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self.files: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for parts in self.paths.values():
            for at, part in enumerate(parts):
                place = self.files if at == len(parts) - 1 else self.folders
                place[parts[:at]].add(part)
        self.outermost = self._outermost()
        self._classrooms: dict[tuple[str, ...], bool] = {}
        self._with_names: dict[tuple[str, ...], bool] = {}
        self._named: dict[tuple[str, ...], frozenset[Student]] = {}
        self._inside: dict[tuple[str, ...], frozenset[Student]] = {}
        self._slugs = self._github_slugs()
        self._teams = self._moodle_teams()
        self._assignments = self._blackboard_assignments()

    def _outermost(self) -> dict[tuple[str, ...], Written]:
        """The first part of each path that has a platform's form: what is in it is a student's."""
        found = {}
        for parts in self.paths.values():
            for at, part in enumerate(parts):
                written = platforms.read(part, at == len(parts) - 1)
                if written is not None:
                    found[parts[: at + 1]] = written
                    break
        return found

    def _github_slugs(self) -> dict[tuple[str, ...], str]:
        """For a folder of clones, what stands before the user's name in each of them."""
        found = {}
        for place, names in self.folders.items():
            above = place[-1] if place else self.top
            if above.endswith("-submissions"):
                found[place] = above.removesuffix("submissions")
                continue
            starts = Counter(
                name[: at + 1]
                for name in names
                for at, letter in enumerate(name)
                if letter == "-" and name[at + 1 :].lower() in self.register.users
            )
            if starts:
                found[place] = max(starts, key=lambda start: (starts[start], -len(start)))
        return found

    def _moodle_teams(self) -> bool:
        """Whether Moodle put the name of a team before each name: 'Team A-Jane Doe'."""
        names = [
            written.name for written in self.outermost.values() if written.platform == "Moodle"
        ]
        with_team = sum(self._without_team(name) != name for name in names)
        return with_team > 1 and not any(self.register.by_name(name) for name in names)

    def _without_team(self, name: str) -> str:
        """What is a student's whole name behind the name of a team, which may have dashes, too."""
        for mark in re.finditer("-", name):
            if self.register.by_name(name[mark.end() :]):
                return name[mark.end() :]
        return name

    def _blackboard_assignments(self) -> Counter[str]:
        """What may stand before the users' names, and before how many users of the list it does."""
        wholes = {
            written.users for written in self.outermost.values() if written.platform == "Blackboard"
        }
        return Counter(
            users[-1][: -len(user)]
            for users in wholes
            for user in users
            if self.register.by_user(user)
        )

    def whose(self, path: str) -> Whose:
        """Whose a file is, by itself: `decide` looks at all of them together."""
        parts = self.paths[path]
        for at, part in enumerate(parts):
            place, is_file = parts[:at], at == len(parts) - 1
            written = None if self._is_classroom(place) else platforms.read(part, is_file)
            if written is not None:
                return self._by_platform(written, place, part)
            if is_file:
                return self._by_file(place, part, path)
            folder = "/".join((*place, part))
            if not self.register.students:
                if self._is_a_persons(place, part, parts):
                    platform = self._platform(place, part)
                    return Whose(folder, (), "", platform, part, folder=folder)
                continue
            named = self._by_folder(place, part)
            if named:
                why = _several(named) if len(named) > 1 else ""
                if not why and _is_weak(next(iter(named)), part):
                    why = self._contradiction(next(iter(named)), parts[at + 1 :])
                return Whose(
                    self._key(place, part), tuple(sorted(named)), why,
                    self._platform(place, part), _stem(part), folder=folder,
                )  # fmt: skip
            if self._is_nobodys(place, part):
                why = f"the folder {part!r} is nobody's on the class list"
                if len(self._people_in((*place, part))) > 1:
                    why += "; what it holds names several: if it is no student's, grade it alone"
                platform = self._platform(place, part)
                return Whose(folder, (), why, platform, _stem(part), folder=folder)
        raise AssertionError("a path has a last part")

    def _platform(self, place: tuple[str, ...], part: str) -> str:
        """Whose form a folder has that carries no platform's mark."""
        if place in self._slugs:
            return "GitHub Classroom"
        is_ilias = platforms.read_ilias(part) is not None and not self.register.by_text(part)
        return "ILIAS" if is_ilias else "a folder"

    def _key(self, place: tuple[str, ...], part: str) -> str:
        """A name for the identity of a folder or a file that carries no platform's mark."""
        rests = sorted(self.register.rests(_stem(part)) - {""})
        return "/".join((*place, "|".join(rests) or _stem(part).lower()))

    def _by_platform(self, written: Written, place: tuple[str, ...], part: str) -> Whose:
        register = self.register
        if written.platform == "Gradescope" and part in self.gradescope:
            return self._by_gradescope(written, self.gradescope[part])
        shown = written.name or (written.users[-1] if written.users else "")
        about = Whose(
            written.key, (), "", written.platform, f"{shown} {written.number}".strip(),
            written.late, written.time,
        )  # fmt: skip
        if not register.students:
            return about
        if written.platform == "Blackboard":
            users = tuple(user for user in written.users if register.by_user(user))
            starts = {user: self._assignments[written.users[-1][: -len(user)]] for user in users}
            most = max(starts.values(), default=0)
            written = replace(written, users=tuple(u for u in users if starts[u] == most))
        if self._teams and written.platform == "Moodle":
            written = replace(written, name=self._without_team(written.name))
        students, why = register.by_platform(written)
        return replace(about, students=tuple(sorted(students)), why=why)

    def _by_gradescope(self, written: Written, by: Submitters) -> Whose:
        """Gradescope's own list says who handed it in, perhaps several together."""
        shown = ", ".join(name for name, _, _ in by.people)
        about = Whose(written.key, (), "", "Gradescope", shown or written.number, False, by.time)
        if not self.register.students:
            return about
        found: list[Student] = []
        for name, sid, email in by.people:
            ways = (self.register.by_user(sid), self.register.by_user(email),
                    self.register.by_name(name))  # fmt: skip
            filled = [students for students in ways if students]
            one = set.intersection(*filled) if filled else set()
            if len(one) != 1:
                why = f"Gradescope's {name or sid or email!r} is not one student of the class list"
                everyone = set().union(*filled)
                return replace(about, students=tuple(sorted(everyone)), why=why)
            found += one
        if not found:
            return replace(about, why="Gradescope names nobody for it")
        return replace(about, students=tuple(sorted(set(found))))

    def _by_folder(self, place: tuple[str, ...], part: str) -> frozenset[Student]:
        """Whom a folder (or a zip) names that carries no platform's mark."""
        kept = self._named.get((*place, part))
        if kept is None:
            kept = frozenset(self._named_by(place, part))
            self._named[(*place, part)] = kept
        return kept

    def _named_by(self, place: tuple[str, ...], part: str) -> set[Student]:
        register = self.register
        if part.lower() in register.ids:
            return register.ids[part.lower()]
        slug = self._slugs.get(place)
        if slug and part.lower().startswith(slug.lower()):
            user = part[len(slug) :].lower()
            if user in register.users:
                return register.users[user]
        found = register.by_text(part)
        ilias = platforms.read_ilias(part) if not found else None
        if ilias is not None:
            users, names = register.by_user(ilias.users[0]), register.by_name(ilias.name)
            both = [students for students in (users, names) if students]
            found = set.intersection(*both) or set.union(*both) if both else set()
        return found

    def _people_in(self, place: tuple[str, ...], deep: int = 6) -> frozenset[Student]:
        """All students whom the parts below a folder name."""
        kept = self._inside.get(place)
        if kept is None:
            found: set[Student] = set()
            for part in self.files.get(place, ()):
                written = platforms.read(part, True)
                found |= (
                    self.register.by_platform(written)[0]
                    if written is not None
                    else self.register.by_text(part)
                )
            for part in self.folders.get(place, ()):
                written = platforms.read(part, False)
                if written is not None:
                    found |= self.register.by_platform(written)[0]
                elif named := self._by_folder(place, part):
                    found |= named
                elif deep:
                    found |= self._people_in((*place, part), deep - 1)
            kept = frozenset(found)
            self._inside[place] = kept
        return kept

    def _is_nobodys(self, place: tuple[str, ...], part: str) -> bool:
        """Whether a folder that names nobody stands where students' folders stand.

        Then what is in it was named by its student, and says nothing, however many it names.
        Otherwise it only holds folders together.
        """
        above = place[-1] if place else self.top
        if platforms.is_a_persons(above, part) or self._names_people(place):
            return True
        beside = self.folders[place]
        with_people = sum(bool(self._people_in((*place, name))) for name in beside)
        return len(beside) > 1 and 2 * with_people <= len(beside)

    def _names_people(self, place: tuple[str, ...]) -> bool:
        """Whether a name that stands at a place is a student's, or has a platform's form."""
        if place not in self._with_names:
            self._with_names[place] = any(
                platforms.read(name, False) is not None or self._by_folder(place, name)
                for name in self.folders.get(place, ())
            ) or any(
                platforms.read(name, True) is not None or self.register.by_text(name)
                for name in self.files.get(place, ())
            )
        return self._with_names[place] or self._is_classroom(place)

    def _contradiction(self, student: Student, inner: tuple[str, ...]) -> str:
        """A short number may be that of an exercise: whom the inner parts name must not differ."""
        for part in inner:
            others = self.register.by_text(part) - {student}
            if others:
                return f"the folder is {student.id}'s, and {part!r} names {sorted(others)[0].id}"
        return ""

    def _by_file(self, place: tuple[str, ...], part: str, path: str) -> Whose:
        """Whom the name of a file says that only its student chose, or Google Classroom wrote."""
        register, stem = self.register, _stem(part)
        nobody = Whose(path, (), "", "", stem)
        if not register.students:
            rest = next(iter(sorted(register.rests(stem))), "")
            words = [word for word in rest.split() if not re.fullmatch(r"\d{4,}", word)] or (
                rest.split()
            )
            key = "/".join((*place, " ".join(words)))
            return Whose(key, (), "", "a name", " ".join(words)) if words else nobody
        first = part.split(" - ")[0]
        if self._is_classroom(place):
            named = register.by_name(first) if " - " in part else set()
            why = "" if len(named) == 1 else _several(named) if named else (
                f"{first!r} is nobody's on the class list")  # fmt: skip
            key = "/".join((*place, folded(first)[0]))
            return Whose(key, tuple(sorted(named)), why, "Google Classroom", first)
        named = register.by_text(part)
        if len(named) == 1:
            return Whose(self._key(place, part), tuple(named), "", "a name", stem)
        why = _several(named) if named else "its name is nobody's on the class list"
        return replace(nobody, students=tuple(sorted(named)), why=why)

    def _is_classroom(self, place: tuple[str, ...]) -> bool:
        """Whether the files of a folder begin with their student's name and a dash."""
        if place not in self._classrooms:
            self._classrooms[place] = any(
                " - " in name and self.register.by_name(name.split(" - ")[0])
                for name in self.files.get(place, ())
            )
        return self._classrooms[place]

    def _is_a_persons(self, place: tuple[str, ...], part: str, parts: tuple[str, ...]) -> bool:
        """Without a class list: whether a folder is somebody's, and not one that holds others.

        The first level at which there are several folders is that of the people; where there is no
        such level, the first folder is somebody's whose name is more than words of every export.
        """
        branching = [at for at in range(len(parts) - 1) if len(self.folders[parts[:at]]) > 1]
        if branching:
            return len(place) == branching[0]
        if self.register.rests(_stem(part)) == {""}:
            return False
        return True


def _is_weak(student: Student, part: str) -> bool:
    return part == student.id and part.isdigit() and len(part) <= SHORT


def decide(
    paths: Iterable[str],
    students: Sequence[Student],
    exercise: str,
    gradescope: dict[str, Submitters] | None = None,
    settle: Callable[[dict[str, Whose]], dict[str, str]] = lambda found: {},
    top: str = "",
) -> dict[str, Whose]:
    """Whose each file is.

    Args:
        paths: of all files, with zips as folders; '/' between the parts.
        students: of the class list; none where there is no list.
        exercise: its name: such words in names are nobody's.
        gradescope: from a folder of Gradescope's to its submitters.
        settle: takes what the paths say, and gives the ids of students whom somebody named instead.
        top: the name of the folder or zip that holds all of them.
    """
    register = Register(students, exercise)
    export = Export(paths, register, gradescope, top)
    found = {path: export.whose(path) for path in export.paths}
    by_id = {student.id: student for student in students}
    by_hand = {path: by_id[named] for path, named in settle(found).items() if named in by_id}
    for path, student in by_hand.items():
        found[path] = replace(found[path], students=(student,), why="")
    identities: dict[Student, set[str]] = defaultdict(set)
    for path, whose in found.items():
        if whose.known and path not in by_hand:
            for student in whose.students:
                identities[student].add(whose.key)
    doubled = {student: keys for student, keys in identities.items() if len(keys) > 1}
    for path, whose in found.items():
        both = [student for student in whose.students if student in doubled]
        if whose.known and both and path not in by_hand:
            why = f"{len(doubled[both[0]])} different people here would be {both[0].id}"
            found[path] = replace(whose, why=why)
    return found
