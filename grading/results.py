"""What travels through the grader: a job, what came of it, and the result that is kept and shown.

They are plain data. A `Job` and an `Outcome` go to a process or a machine of a cluster and back; a
`Result` lies on the disk as JSON. `Result.from_json` is the one place that reads older files: what
they lack takes its default, and what nobody knows any more is left out.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

OF_GROUP = "group of "  # begins the identity of whoever has the file of another of the group


@dataclass(frozen=True)
class Job:
    """What `submission.run` needs for one submission.

    Attributes:
        student: whose it is: the roster's id, or the file's own where that is not known.
        content: the bytes of the file.
        file: its name, for what is said about it.
        problem: why it cannot be taken at all, or ''.
        release: the students' notebook, as nbformat reads it.
        requests: from each question to `{"probe": …, "cases": […]}`.
        limits: the arguments of `supervisor.Limits`.
        box: the arguments of `sandbox.find`.
        exercise: its name, where questions may be asked again: `submission.run` then judges.
        places: from each question to the places of each part's cases.
        right: from each question to the right answers, encoded.
        pictures: for a network that is handed in: the hidden ones, encoded.
    """

    student: str
    content: bytes
    file: str
    problem: str
    release: Any
    requests: dict[str, Any]
    limits: dict[str, Any]
    box: dict[str, Any]
    exercise: str = ""
    places: dict[str, Any] = field(default_factory=dict)
    right: dict[str, Any] = field(default_factory=dict)
    pictures: Any = None


@dataclass(frozen=True)
class Outcome:
    """What came of one submission in its box, before anybody judges it.

    Attributes:
        problem: why it cannot be read, or ''.
        repairs: what was mended, a sentence each.
        answered: from the id of each answer's cell to 'answered', 'untouched' or 'missing'.
        notebook: as it ran.
        replies: from each question to its replies.
        later: the same, of a later version of the answer where the notebook has one.
        again: the same, with the right answers to the questions in `instead`.
        instead: from a question that was asked again to those questions.
        notes: from a question to what had become of its name at the end: 'gone', 'changed'.
        called: from a question to what it called although it was to be written.
        lost_cells: from the id of a cell to what it brought the process down by.
        lost: the same from a question.
        raised: from the id of a cell to the name of the error that it ended in.
        mentions: from a question to what stands in its answer's cell although it was to be written.
        measured: of the network that was handed in, where the exercise asks for one:
            `competition.measure`.
        seconds: that all of it took.
    """

    problem: str = ""
    repairs: list[str] = field(default_factory=list)
    answered: dict[str, str] = field(default_factory=dict)
    notebook: dict[str, Any] | None = None
    replies: dict[str, Any] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)
    again: dict[str, Any] = field(default_factory=dict)
    instead: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    called: dict[str, list[str]] = field(default_factory=dict)
    lost_cells: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    raised: dict[str, str] = field(default_factory=dict)
    mentions: dict[str, list[str]] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def answer_to(self, question: Any) -> "Answer":
        """All that is known of the answer to one question."""
        name, cell = question.name, question.cell
        return Answer(
            replies=self.replies.get(name),
            later=self.later.get(name),
            again=self.again.get(name),
            instead=self.instead.get(name, []),
            note=self.notes.get(name, ""),
            called=self.called.get(name, []),
            mentions=self.mentions.get(name, []),
            state=self.answered.get(cell, "missing"),
            lost=self.lost.get(name) or self.lost_cells.get(cell, ""),
            raised=self.raised.get(cell, ""),
        )


@dataclass(frozen=True)
class Answer:
    """What came of one question, before anybody judges it; see `Outcome`.

    Attributes:
        replies: one for each different case, or whatever came.
        state: of the answer's cell: 'answered', 'untouched' or 'missing'.
        lost: what brought the process down at this question, or ''.
        raised: the name of the error that the answer's cell ended in, or ''.
    """

    replies: Any = None
    later: Any = None
    again: Any = None
    instead: list[str] = field(default_factory=list)
    note: str = ""
    called: list[str] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    state: str = "answered"
    lost: str = ""
    raised: str = ""


@dataclass(frozen=True)
class PartResult:
    """The points of one part of a question, and why."""

    name: str
    max: float
    points: float
    verdict: str = "right"
    hint: str = ""

    @property
    def right(self) -> bool:
        """Whether it has all of its points."""
        return self.points == self.max


@dataclass(frozen=True)
class QuestionResult:
    """The points of one question, part by part; README.md lists the statuses.

    Attributes:
        comment: of a reader, or why the points are what they are.
        answer: a digest of the code.
        changed: whether an earlier submission had another code.
        flagged: whether it calls, or may call, what was to be written.
        measured: of a network that was handed in: `accuracy`, `on_training`, `parameters`,
            `multiply_adds`, `views`, and a `digest` of its answers.
    """

    points: float
    max: float
    status: str
    parts: list[PartResult] = field(default_factory=list)
    comment: str = ""
    answer: str = ""
    changed: bool = False
    flagged: bool = False
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenResult:
    """The points of an answer that somebody reads.

    Attributes:
        points: None as long as nobody has read it.
        comment: of the reader.
        answer: a digest of the text.
        changed: whether an earlier submission had another text.
    """

    points: float | None
    max: float
    status: str
    comment: str = ""
    answer: str = ""
    changed: bool = False


@dataclass(frozen=True)
class Variant:
    """Which of the variants of the short answers a submission is judged by.

    Attributes:
        number: of the variant; None where all have the same numbers.
        student: whom the notebook itself names, or ''.
        others: the variants that the answers fit although they do not fit this one.
    """

    number: int | None = None
    student: str = ""
    others: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """What is known of one submission.

    Attributes:
        student: the roster's id, or one that is made from the file's name.
        name: of the student.
        matched: whether it is known who that is.
        exercise: its name.
        file: the one that was graded.
        earlier: further files of the same student.
        digest: a name for everything that the grade depends on.
        status: 'graded', 'untouched' or 'unreadable'.
        problem: why it could not be graded, or ''.
        repairs: what was mended, a sentence each.
        questions: by name; those that the judge gives points for.
        written: by the id of their cell; those that somebody reads.
        variant: of the short answers.
        seconds: that it took.
        identity: what the platform wrote for this student; the same in every export.
        graded_as: whose variant of the hidden cases it got.
        why: the reason where it is not known whose it is; `likeliest` then names two students.
        time: when it was handed in, in seconds since 1970; None where nothing says so.
        clock: what says the time: 'the platform', 'the file' or ''.
        listed: the time that the class list told for the student when this file came.
        late: whether the platform marks it as late.
        penalty: what lateness costs, in points; only in reports. `lateness` says it in words.
    """

    student: str
    name: str
    matched: bool
    exercise: str
    file: str
    earlier: list[str] = field(default_factory=list)
    digest: str = ""
    status: str = "graded"
    problem: str = ""
    repairs: list[str] = field(default_factory=list)
    questions: dict[str, QuestionResult] = field(default_factory=dict)
    written: dict[str, WrittenResult] = field(default_factory=dict)
    variant: Variant = field(default_factory=Variant)
    seconds: float = 0.0
    identity: str = ""
    graded_as: str = ""
    why: str = ""
    likeliest: list[str] = field(default_factory=list)
    time: float | None = None
    clock: str = ""
    listed: float | None = None
    late: bool = False
    penalty: float = 0.0
    lateness: str = ""

    @property
    def entries(self) -> dict[str, QuestionResult | WrittenResult]:
        """All that has points, those that somebody reads behind the others."""
        return {**self.questions, **self.written}

    @property
    def points(self) -> float:
        """The points that there are so far."""
        return sum(entry.points or 0 for entry in self.entries.values())

    @property
    def max(self) -> float:
        """The points that there can be."""
        return sum(entry.max for entry in self.entries.values())

    @property
    def total(self) -> float:
        """The points that count: less what lateness costs."""
        return round(self.points - self.penalty, 2)

    @property
    def state(self) -> str:
        """The status; one that is graded but for a written answer says so."""
        waits = any(entry.status == "needs manual grading" for entry in self.entries.values())
        return "needs manual grading" if self.status == "graded" and waits else self.status

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The result that a file holds, of this version of the grader or an older one.

        Raises:
            ValueError: when it is none.
        """
        try:
            questions = {
                name: _made(
                    QuestionResult,
                    entry,
                    parts=[_made(PartResult, part) for part in entry["parts"]],
                )
                for name, entry in data["questions"].items()
            }
            written = {cell: _made(WrittenResult, entry) for cell, entry in data["written"].items()}
            variant = _made(Variant, data.get("variant", {}))
            return _made(cls, data, questions=questions, written=written, variant=variant)
        except (TypeError, KeyError, AttributeError) as problem:
            raise ValueError(f"this is no result of the grader: {problem!r}") from None


def _made(kind: type[Any], data: dict[str, Any], **parts: Any) -> Any:
    """Of a dictionary what a kind of result has a place for, and the parts that have kinds."""
    names = {place.name for place in fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in names} | parts)
