"""What each learning platform writes into the names of an export: one small table of patterns.

Only the part that the platform wrote says whose work it is; what stands behind it (`rest`) was
named by the student, who may have given it another platform's form: the first mark counts. The
forms are those of the platforms' own sources and documents:

| platform | form |
| --- | --- |
| Moodle | `Jane Doe_5_assignsubmission_file_/a.ipynb`, without the last `_` since 4.1, or flat |
| Moodle, blind | `Participant_500001_assignsubmission_file_/a.ipynb` |
| Canvas | `doejane_20001_900001_a.ipynb`, `doejane_LATE_20001_900001_a.ipynb` |
| Canvas, anonymous | `anon_x7Gp2_900001_a.ipynb`, `LATE_anon_x7Gp2_900001_a.ipynb` |
| Blackboard | `Exercise 2_jdoe_attempt_2026-05-04-10-00-00_a.ipynb` and its `.txt` |
| Brightspace (D2L) | `152711-351765 - Jane Doe - May 4, 2026 1024 AM/a.ipynb`, or flat |
| Sakai | `Doe, Jane(jdoe)/Submission attachment(s)/a.ipynb` |
| Gradescope | `submission_9001/a.ipynb`, with `submission_metadata.yml` beside it |
| ILIAS | `Doe_Jane_jdoe_4711/20260504102400_a.ipynb` |
| GitHub Classroom | `ex02-submissions/ex02-octocat/…/a.ipynb` |
| Google Classroom | `Jane Doe - a.ipynb` |
| Teams | `Jane Doe/Exercise 2/Version 2/a.ipynb` |
| nbgrader, plain folders | `submitted/jdoe/ex02/a.ipynb`, `jdoe/a.ipynb`, `jdoe.ipynb` |

The last five have no mark of their own: `identity` knows them by the students that they name.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import yaml


@dataclass(frozen=True)
class Written:
    """What a platform wrote into one part of a path.

    Attributes:
        platform: its name.
        name: of a person, as it stands there; '' where there is none.
        users: what may be the user's name at the platform, from the shortest to the longest.
        number: the platform's own.
        late: whether the platform marks it as late.
        time: when it was handed in, in seconds since 1970, where the platform wrote that.
    """

    platform: str
    name: str = ""
    users: tuple[str, ...] = ()
    number: str = ""
    late: bool = False
    time: float | None = None

    @property
    def key(self) -> str:
        """A name for the identity: of all parts that the platform wrote for the same person."""
        whose = self.number or (self.users[-1] if self.users else self.name)
        return f"{self.platform} {whose}".lower()


FORMS = (
    (
        "Moodle",
        re.compile(
            r"(?P<name>[^_/]+)_(?P<number>\d+)_assign(?:submission|feedback)_[a-z]+"
            r"(?P<rest>(?:_.*)?)",
            re.I,
        ),
    ),
    (
        "Blackboard",
        re.compile(
            r"(?P<users>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?P<rest>_.*|\.txt)",
            re.I,
        ),
    ),
    (
        "Canvas",
        re.compile(
            r"(?:(?P<late>LATE)_)?anon_(?P<number>\w{3,}?)_(?:\d+|text|link)(?P<rest>[_.].+)"
        ),
    ),
    (
        "Canvas",
        re.compile(
            r"(?P<name>[^_/]+)_(?:(?P<late>LATE)_)?(?P<number>\d+)_(?:(?:question_)?\d+(?=_.)|"
            r"(?:text|link)(?=\.html?$))(?P<rest>.+)"
        ),
    ),
    (
        "Brightspace",
        re.compile(
            r"(?P<number>\d+)-\d+ ?- ?(?P<name>[^-].*?) ?- "
            r"?(?P<time>[A-Z][a-z]{2,8} \d{1,2}, \d{4} \d{3,4} [AP]M)(?P<rest>(?: ?- ?.*)?)"
        ),
    ),
    (
        "Sakai",
        re.compile(r"(?P<last>[^,/()]+), (?P<first>[^(/]+)\((?P<users>[^()/]+)\)(?P<rest>)"),
    ),
    ("Gradescope", re.compile(r"submission_(?P<number>\d+)(?P<rest>)")),
)  # fmt: skip
ILIAS = re.compile(r"(?P<name>.+)_(?P<users>[^_]+)_(?P<number>\d+)")
# Which of them stand in names of files; the others are folders.
FLAT = ("Moodle", "Blackboard", "Canvas", "Brightspace")
# How a time in a name is written.
TIMES = {"Blackboard": "%Y-%m-%d-%H-%M-%S", "Brightspace": "%b %d, %Y %I%M %p"}
# Where a file's own time says when it was handed in: not in a clone, and not in Canvas' zips, which
# carry the time of the download.
WITHOUT_TIMES = ("Canvas", "GitHub Classroom", "Gradescope", "Blackboard", "Brightspace")

# What systems and platforms put beside the files of students, and whole folders that are no work.
NOBODY_SENT = re.compile(
    r"(^|/)(__MACOSX|\.ipynb_checkpoints|\.git|\.github|\.venv|venv|\.venv-[\w.-]+|env|\.conda"
    r"|site-packages|dist-packages|node_modules|__pycache__|\.pytest_cache|\.ruff_cache|\.cache"
    r"|\.mypy_cache|\.hypothesis|\.tox|\.nox|\.idea|\.vscode|\.Trash[^/]*|\$RECYCLE\.BIN)(/|$)"
    r"|(^|/)(\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*|~\$[^/]*|\.gitignore|\.gitattributes)$",
    re.IGNORECASE,
)
COMPANIONS = re.compile(
    r"(^|/)(timestamps?\.txt|gradebook\.db|nbgrader_config\.py|onlinetext\.html?|comments\.txt"
    r"|feedbackText\.html?|[^/]*submissionText\.html?|grades\.(csv|xlsx?)|status\.(csv|xlsx?)"
    r"|submission_metadata\.ya?ml|submission_\d+\.ya?ml|metadata\.ya?ml|index\.html?"
    r"|SubmissionMeta\.json|\.submission_timestamp|criteria\.xlsx?)$"
    r"|_attempt_\d{4}(-\d\d){5}\.txt$|_assignsubmission_onlinetext(_|/)",
    re.IGNORECASE,
)


@lru_cache(maxsize=100_000)
def read(part: str, is_file: bool) -> Written | None:
    """What a platform wrote into one part of a path; None where it has no platform's form."""
    matches = [
        (platform, match)
        for platform, form in FORMS
        if (not is_file or platform in FLAT) and (match := form.fullmatch(part))
    ]
    if not matches:
        return None
    platform, match = min(matches, key=lambda each: each[1].start("rest"))
    found: dict[str, Any] = match.groupdict()
    name = found.get("name") or " ".join(
        found[kind] for kind in ("first", "last") if found.get(kind)
    )
    users = found.get("users") or ""
    return Written(
        platform,
        name=name.strip(),
        users=_endings(users) if platform == "Blackboard" else (users,) if users else (),
        number=found.get("number") or "",
        late=bool(found.get("late")),
        time=_time(found.get("time"), TIMES.get(platform, "")),
    )


def read_ilias(part: str) -> Written | None:
    """A folder of ILIAS, which looks like many others: it counts where it names somebody."""
    match = ILIAS.fullmatch(part)
    if match is None:
        return None
    return Written(
        "ILIAS", match["name"].replace("_", " "), (match["users"],), match["number"]
    )  # fmt: skip


def is_a_persons(above: str, part: str) -> bool:
    """Whether a folder is one person's by the name that a platform gave to the folder above it."""
    above = above.lower()
    if above.endswith("-submissions"):  # GitHub Classroom
        return part.lower().startswith(above.removesuffix("submissions"))
    if above in ("submissions", "abgaben"):  # ILIAS
        return read_ilias(part) is not None
    return above in ("submitted", "submitted files")  # nbgrader, Teams


def _endings(text: str) -> tuple[str, ...]:
    """'Exercise 2_j_doe' may end in the user 'doe' or 'j_doe': names of both have an underscore."""
    words = text.split("_")
    return tuple("_".join(words[at:]) for at in range(len(words) - 1, -1, -1))


def _time(text: str | None, form: str) -> float | None:
    try:
        if text and form == TIMES["Brightspace"]:  # '924 AM'
            text = re.sub(r" (\d{3}) ", r" 0\1 ", text)
            text = re.sub(r"^([A-Z][a-z]{2})[a-z]*", r"\1", text)
        return datetime.strptime(text, form).timestamp() if text else None
    except (ValueError, OverflowError, OSError):
        return None


# --- Gradescope's list of submissions -------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """Reads tags of Ruby's as plain data."""


def _plainly(loader: Any, suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _plainly)


@dataclass(frozen=True)
class Submitters:
    """Who handed in one of Gradescope's submissions, and when."""

    people: tuple[tuple[str, str, str], ...]  # name, SID and e-mail
    time: float | None = None


def read_gradescope(content: bytes) -> dict[str, Submitters]:
    """From each folder to its submitters; nothing when the file is not as it should be."""
    try:
        data = yaml.load(content, Loader=_Loader)  # noqa: S506 - a SafeLoader, made above
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        return {}
    found = {}
    for folder, about in data.items() if isinstance(data, dict) else ():
        if not isinstance(about, dict):
            continue
        listed = about.get(":submitters") or about.get("submitters") or []
        people = tuple(
            tuple(str(person.get(f":{key}") or person.get(key) or "") for key in
                  ("name", "sid", "email"))
            for person in listed if isinstance(person, dict)
        )  # fmt: skip
        when = about.get(":created_at") or about.get("created_at")
        time = when.timestamp() if isinstance(when, datetime) else None
        found[str(folder)] = Submitters(people, time)  # type: ignore[arg-type]
    return found
