"""When work is due, what lateness costs, and what is changed for everybody: `course.toml`.

The file lies beside the grades and is written by hand:

    groups = [["s01", "s02"]]            # hand in together: one file, one time for all of them

    [ex02]
    due = 2026-05-04T23:59:00            # of the instructor's place, or with an offset: …+02:00
    grace_hours = 2                      # late by less costs nothing
    penalty_per_day = 10                 # per cent of the points, for each day begun
    most_penalty = 50                    # per cent; 100 where nothing is said

    [ex02.extensions]
    s03 = 2026-05-11T23:59:00

    [ex02.handed_in]                     # where the platform's export tells no time
    s04 = 2026-05-05T10:00:00

    [[ex02.changes]]
    question = "readers"
    part = "padding"                     # without it, the whole question
    do = "give"                          # everybody all of its points; or "drop"
    students = ["s05"]                   # only these: their answer is accepted, too
    reason = "The text did not say that the row may be shorter than the kernel."

The file says when each submission counts; nothing of it is kept with the grades, so a later change
reaches all of them with the next report.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from itertools import chain
from pathlib import Path
from typing import Any

from grading.questions import names
from grading.results import PartResult, QuestionResult, Result, WrittenResult

KEYS = {
    "due",
    "grace_hours",
    "penalty_per_day",
    "most_penalty",
    "extensions",
    "handed_in",
    "changes",
}
DEEDS = ("give", "drop")


@dataclass(frozen=True)
class Change:
    """What is given to everybody, or dropped, and why."""

    question: str
    do: str
    reason: str
    part: str = ""
    students: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lateness:
    """How late a submission is, and what that costs.

    Attributes:
        days: begun behind the date; 0 for one in time.
        points: that it costs.
        said: in a sentence, '' for one in time.
    """

    days: int = 0
    points: float = 0.0
    said: str = ""


@dataclass(frozen=True)
class Schedule:
    """What `course.toml` says on one exercise."""

    due: float | None = None
    grace_hours: float = 0.0
    penalty_per_day: float = 0.0
    most_penalty: float = 100.0
    extensions: dict[str, float] = field(default_factory=dict)
    handed_in: dict[str, float] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def ids(self) -> dict[str, str]:
        """Every id that the file names, and the key where it does."""
        named = {
            "groups": chain.from_iterable(self.groups),
            "extensions": self.extensions,
            "handed_in": self.handed_in,
            "changes": chain.from_iterable(change.students for change in self.changes),
        }
        return {student: key for key, students in named.items() for student in students}

    def time_of(self, result: Result) -> float | None:
        """When a submission was handed in, as far as anything says so."""
        given = self._given(self.handed_in, result.student)
        return result.time if given is None else given

    def _given(self, times: dict[str, float], student: str) -> float | None:
        """The latest time that the file gives a student, or somebody of the same group."""
        group = self.group_of(student)
        return max((times[each] for each in group if each in times), default=None)

    def group_of(self, student: str) -> tuple[str, ...]:
        """Those who hand in together with a student, and the student."""
        return next((group for group in self.groups if student in group), (student,))

    def lateness(self, result: Result) -> Lateness:
        """How late a submission is."""
        extension = self._given(self.extensions, result.student)
        due = self.due if extension is None else extension
        when = self.time_of(result)
        own = self.extensions.get(result.student) == extension
        extended = "" if extension is None else (
            " (extended)" if own else " (extended for the group)")  # fmt: skip
        if due is None:
            return Lateness(said="Marked as late by the platform." if result.late else "")
        if when is None:
            if not result.late or extended:
                return Lateness()
            said = (f"Marked as late by the platform, which says no time: give it in course.toml "
                    f"(handed_in, {result.student}).")  # fmt: skip
            return Lateness(said=said)
        over = when - due
        if over <= 0:
            return Lateness()
        said = f"Handed in {shown(when)}, due {shown(due)}{extended}"
        by_file = result.clock == "the file" and self._given(self.handed_in, result.student) is None
        clock = ", by the file's own time" if by_file else ""
        if over <= 3600 * self.grace_hours:
            return Lateness(said=f"{said}{clock}: within the {self.grace_hours:g} hours of grace.")
        days = math.ceil(over / 86_400)
        share = min(days * self.penalty_per_day, self.most_penalty) / 100
        points = round(share * max(result.points, 0), 2)
        count = "1 day" if days == 1 else f"{days} days"
        if not self.penalty_per_day:
            return Lateness(days, 0.0, f"{said}{clock}: {count} late.")
        return Lateness(days, points, f"{said}{clock}: {count} late, {100 * share:g} per cent off.")

    def applied(self, result: Result) -> Result:
        """A result with the changes that reach everybody, and what lateness costs."""
        for change in self.changes:
            if not change.students or set(self.group_of(result.student)) & set(change.students):
                result = _changed(result, change)
        late = self.lateness(result)
        return replace(result, penalty=late.points, lateness=late.said, time=self.time_of(result))


def _changed(result: Result, change: Change) -> Result:
    """A result after one change; what it says is in the question's comment."""
    if result.problem:
        return result
    entry = result.entries.get(change.question)
    if entry is None:
        return result
    # Points by hand that are held wait for nobody where the whole question is settled.
    settled = entry.status == "needs manual grading" and not change.part
    comment = _joined("" if settled else entry.comment, _said(change))
    if isinstance(entry, WrittenResult):
        most = entry.max if change.do == "give" else 0
        points = max(most, entry.points or 0) if change.do == "give" else 0
        given = replace(entry, points=points, max=most, status=_status(change), comment=comment)
        return replace(result, written={**result.written, change.question: given})
    parts = [
        _part(part, change) if change.part in ("", part.name) else part for part in entry.parts
    ]
    by_hand = entry.status == "changed by hand"
    keeps = change.part and (by_hand or entry.status == "needs manual grading")
    changed = replace(
        entry,
        points=_by_hand(entry, change, parts) if by_hand else sum(part.points for part in parts),
        max=sum(part.max for part in parts),
        status=entry.status if keeps else _status(change),
        parts=[part for part in parts if part.max] if change.do == "drop" else parts,
        comment=comment,
    )
    return replace(result, questions={**result.questions, change.question: changed})


def _by_hand(question: QuestionResult, change: Change, parts: list[PartResult]) -> float:
    """Points by hand after a change: of the whole answer, so that nobody knows of which parts.

    What is given comes on top of them, up to all that there are: nobody has less for the change.
    """
    most = sum(part.max for part in parts)
    if change.do == "drop":
        return min(question.points, most)
    added = sum(part.points for part in parts) - sum(part.points for part in question.parts)
    given = min(question.points + added, most) if change.part else most
    return max(question.points, given)


def _part(part: PartResult, change: Change) -> PartResult:
    if change.do == "drop":
        return replace(part, points=0, max=0)
    if part.right:
        return part
    return replace(part, points=part.max, verdict="accepted", hint="")


def _status(change: Change) -> str:
    return "given to all" if change.do == "give" else "dropped"


def _said(change: Change) -> str:
    what = f"the part '{change.part}'" if change.part else "this question"
    whom = "" if change.students else " for everybody"
    done = "counts in full" if change.do == "give" else "does not count"
    return f"{what[:1].upper()}{what[1:]} {done}{whom}: {change.reason}"


def _joined(*texts: str) -> str:
    return "\n".join(text for text in texts if text)


def shown(when: float) -> str:
    """A time as reports show it, of the instructor's place."""
    return datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M")


# --- From the file --------------------------------------------------------------------------------


def read(path: Path, exercise: str, parts: Mapping[str, Sequence[str]] | None = None) -> Schedule:
    """What the file says on an exercise; a plain `Schedule` where there is no file.

    Args:
        exercise: its whole name; the file may use the beginning, `ex02`.
        parts: from the names of its questions to those of their parts, which changes are about.

    Raises:
        ValueError: when something in the file is not understood; with the file and the key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Schedule()
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"{path} is not TOML: {problem}") from None
    groups = _groups(path, data.get("groups", []))
    begun = exercise.split("_")[0]
    table: dict[str, Any] = {}
    for name, value in data.items():
        if name == "groups":
            continue
        if not isinstance(value, dict):
            raise ValueError(f"{path}: {name} is no table: write [ex02] above what belongs to it")
        if not any(name in (known, known.split("_")[0]) for known in names()):
            raise ValueError(f"{path}: there is no exercise {name}: write [{begun}], say")
        if name in (exercise, begun):
            table = value
    unknown = set(table) - KEYS
    if unknown:
        raise ValueError(f"{path}: [{begun}] does not know {', '.join(sorted(unknown))}: choose "
                         f"from {', '.join(sorted(KEYS))}")  # fmt: skip
    return Schedule(
        due=_time(path, "due", table["due"]) if "due" in table else None,
        grace_hours=_number(path, table, "grace_hours", 0.0),
        penalty_per_day=_number(path, table, "penalty_per_day", 0.0, 100.0),
        most_penalty=_number(path, table, "most_penalty", 100.0, 100.0),
        extensions=_times(path, table, "extensions"),
        handed_in=_times(path, table, "handed_in"),
        changes=tuple(_change(path, change, parts or {}) for change in table.get("changes", [])),
        groups=groups,
    )


def _groups(path: Path, data: Any) -> tuple[tuple[str, ...], ...]:
    ids = [student for group in data for student in group] if isinstance(data, list) else []
    if not isinstance(data, list) or not all(isinstance(group, list) for group in data):
        raise ValueError(f'{path}: groups is a list of lists of ids: [["s01", "s02"]]')
    doubled = sorted({str(student) for student in ids if ids.count(student) > 1})
    if doubled:
        raise ValueError(f"{path}: {', '.join(doubled)} is in two groups")
    return tuple(tuple(str(student) for student in group) for group in data)


def _time(path: Path, key: str, value: Any) -> float:
    """A date is its last minute."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(23, 59, 59))
    if not isinstance(value, datetime):
        raise ValueError(f"{path}: {key} = {value!r} is no time: write 2026-05-04T23:59:00")
    return value.timestamp()


def _times(path: Path, table: dict[str, Any], key: str) -> dict[str, float]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"{path}: {key} is a table: a line 's01 = 2026-05-11T23:59:00' for each")
    return {student: _time(path, f"{key}.{student}", when) for student, when in value.items()}


def _number(
    path: Path, table: dict[str, Any], key: str, default: float, most: float = 1e6
) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{path}: {key} = {value!r} is no number from 0 to {most:g}")
    return float(value)


def _change(path: Path, data: Any, parts: Mapping[str, Sequence[str]]) -> Change:
    if not isinstance(data, dict):
        raise ValueError(f"{path}: changes are tables: [[ex02.changes]]")
    unknown = set(data) - {"question", "part", "do", "students", "reason"}
    if unknown:
        raise ValueError(f"{path}: a change does not know {', '.join(sorted(unknown))}")
    for key in ("question", "do", "reason"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise ValueError(f"{path}: a change needs a {key}; students read the reason")
    if data["do"] not in DEEDS:
        raise ValueError(f"{path}: do = {data['do']!r}: choose from {', '.join(DEEDS)}")
    if parts and data["question"] not in parts:
        raise ValueError(f"{path}: no question is called {data['question']!r}: choose from "
                         f"{', '.join(sorted(parts))}")  # fmt: skip
    if parts and "part" in data and data["part"] not in (known := parts[data["question"]]):
        raise ValueError(f"{path}: {data['question']} has no part {data['part']!r}: choose from "
                         f"{', '.join(known) or 'none'}")  # fmt: skip
    students = data.get("students", [])
    if not isinstance(students, list):
        raise ValueError(f"{path}: students is a list of ids")
    return Change(
        data["question"], data["do"], data["reason"].strip(), str(data.get("part", "")),
        tuple(str(student) for student in students),
    )  # fmt: skip
