"""Knows what is right for an exercise, and turns what a submission answered into its result."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import nbformat

from course_utils import answers, checks
from grading import competition, files, judge, papers, questions
from grading.collect import Submission
from grading.results import Job, Outcome, QuestionResult, Result, WrittenResult

VERSION = 3  # of the grader: raised when the same submission may get another grade


class Options(NamedTuple):
    """How submissions are run.

    Attributes:
        workers: how many at once; None for one each processor core.
        unsafe: without a sandbox.
        image: of a container engine, for the sandbox.
        cluster: the address of a Dask scheduler, or None for this machine.
        again: grade what is graded already.
        seconds: for a cell, or for the cases of a question; None for what the exercise says.
        students: only these; () for all.
        questions: grade only these anew, and keep the points of the others; () for all.
    """

    workers: int | None = None
    unsafe: bool = False
    image: str | None = None
    cluster: str | None = None
    again: bool = False
    seconds: int | None = None
    students: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


class Examiner:
    """Examines submissions of one exercise."""

    def __init__(
        self, exercise: questions.Exercise, course: files.Folder, options: Options
    ) -> None:
        self.exercise, self.course, self.options = exercise, course, options
        self.release = json.loads(json.dumps(exercise.released))  # plain, for other machines
        self.limits = {
            "seconds": options.seconds or exercise.seconds,
            "memory": exercise.memory,
        }
        self._papers = papers.Papers(exercise, course.seed)
        self._material = digest(
            VERSION,
            *competition.rules_of(exercise),
            self.limits,
            exercise.release.read_bytes(),
            exercise.source.read_bytes(),
            (exercise.source.parent / "questions.py").read_bytes(),
        )

    def paper(self, student: str, variant: int = 0) -> papers.Paper:
        """What a student is asked, and what is right; the short answers are those of a variant."""
        return self._papers.of(student, variant)

    @cached_property
    def hidden(self) -> competition.Hidden | None:
        """The pictures that all networks are shown, where the exercise asks for networks."""
        asked = self.exercise.competition
        return competition.hidden(self._papers.seed(asked, "all")) if asked else None

    @cached_property
    def _pictures(self) -> Any:
        return answers.encode(self.hidden.images) if self.hidden else None

    def job(self, handed_in: Submission) -> Job:
        """What `submission.run` needs for one submission."""
        paper = self.paper(handed_in.graded_as)
        return Job(
            student=handed_in.graded_as,
            content=handed_in.content,
            file=handed_in.file,
            problem=handed_in.problem,
            release=self.release,
            requests=paper.asked,
            limits=self.limits,
            box={"unsafe": self.options.unsafe, "image": self.options.image},
            exercise=self.exercise.name,
            places=paper.places,
            right={name: answers.encode(value) for name, value in paper.right.items()},
            pictures=self._pictures,
        )

    def digest(self, handed_in: Submission) -> str:
        """A name for everything that this submission's grade depends on."""
        whose = (self.course.seed, handed_in.graded_as)
        return digest(self._material, *whose, handed_in.content, handed_in.problem)

    def holds(self, result: Result | None, handed_in: Submission) -> bool:
        """Whether a result on the disk is that of this very submission."""
        return result is not None and result.digest == self.digest(handed_in)

    def is_of(self, result: Result, handed_in: Submission) -> bool:
        """Whether a result is of this very file, whatever it was judged by, and it could be read.

        It goes by the file that was put by: until the new result is kept, that is the old one.
        """
        path = self.course.handed_in(self.exercise.name, result.student)
        return not result.problem and path.exists() and path.read_bytes() == handed_in.content

    def judged(self, handed_in: Submission, outcome: Outcome, before: Result | None) -> Result:
        """The result of one submission; `before` is the one that the student had, or None.

        Points of questions that nobody asked to judge anew are kept where the file is the same.
        """
        variant = papers.variant_of(self.exercise, outcome)
        paper = self.paper(handed_in.graded_as, variant.number or 0)
        judges = judge.Judge(paper.exercise, paper.asked, paper.places, paper.right, paper.wrong)
        sources = _sources(outcome.notebook)
        named = self.options.questions  # where none is, all are judged anew and no file is read
        keeps = bool(named) and before is not None and self.is_of(before, handed_in)
        judged: dict[str, QuestionResult] = {}
        for question in paper.exercise.questions:
            earlier = before.questions.get(question.name) if before else None
            if earlier and keeps and question.name not in named:
                judged[question.name] = earlier
                continue
            cell = question.cell
            if question.is_open and self.hidden:
                entry = competition.judged(question, outcome, self.hidden)
            else:
                entry = judges.question(question, outcome.answer_to(question))
            answer = digest(sources.get(cell, ""))
            changed = earlier is not None and earlier.answer not in ("", answer)
            judged[question.name] = replace(entry, answer=answer, changed=changed)
        written = {
            cell: _written(cell, points, outcome, sources, before)
            for cell, points in self.exercise.written.items()
        }
        states = {state for cell, state in outcome.answered.items() if cell != checks.STUDENT_CELL}
        nothing = states <= {"untouched"} and not any(entry.points for entry in judged.values())
        return about(
            Result(
                student=handed_in.student,
                name=handed_in.name,
                matched=handed_in.matched,
                exercise=self.exercise.name,
                file=handed_in.file,
                digest=self.digest(handed_in),
                status="unreadable" if outcome.problem else "untouched" if nothing else "graded",
                problem=outcome.problem,
                repairs=outcome.repairs,
                questions=judged,
                written=written,
                variant=variant,
                seconds=round(outcome.seconds, 2),
            ),
            handed_in,
        )

    def keep(self, result: Result, notebook: dict[str, Any] | None, content: bytes) -> None:
        """Put one result on the disk, after its notebook: the result says that both are there."""
        exercise, student = self.exercise.name, result.student
        path = self.course.notebook(exercise, student)
        if notebook is not None:
            files.write_atomically(path, nbformat.writes(nbformat.from_dict(notebook)) + "\n")
        else:
            path.unlink(missing_ok=True)
        files.write_atomically(self.course.handed_in(exercise, student), content)
        files.write_json(self.course.result(exercise, student), result.to_json())


def about(result: Result, handed_in: Submission) -> Result:
    """A result with what is known of its file; its grade stays."""
    return replace(
        result,
        student=handed_in.student,
        name=handed_in.name,
        matched=handed_in.matched,
        file=handed_in.file,
        earlier=list(handed_in.earlier),
        identity=handed_in.identity,
        graded_as=handed_in.graded_as,
        why=handed_in.why,
        likeliest=list(handed_in.likeliest),
        time=handed_in.time,
        clock=handed_in.clock,
        listed=handed_in.listed,
        late=handed_in.late,
    )


def _written(
    cell: str, points: float, outcome: Outcome, sources: dict[str, str], before: Result | None
) -> WrittenResult:
    """A written answer: whether somebody must read it, or read it again."""
    earlier = before.written.get(cell) if before else None
    answer = digest(sources.get(cell, ""))
    if outcome.answered.get(cell) == "answered":
        entry = WrittenResult(None, points, "needs manual grading")
    else:
        entry = WrittenResult(0, points, "untouched")
    changed = earlier is not None and earlier.answer not in ("", answer)
    return replace(entry, answer=answer, changed=changed)


def _sources(notebook: dict[str, Any] | None) -> dict[str, str]:
    cells: Iterable[dict[str, Any]] = notebook["cells"] if notebook else ()
    return {cell["id"]: cell["source"] for cell in cells}


def digest(*things: Any) -> str:
    """A short name for some things, another one for any others."""
    whole = hashlib.sha256()
    for thing in things:
        whole.update(thing if isinstance(thing, bytes) else repr(thing).encode("utf-8", "replace"))
        whole.update(b"\0")
    return whole.hexdigest()[:32]
