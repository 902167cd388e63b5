"""All submissions of an exercise: `make grade EXERCISE=ex02 SUBMISSIONS=folder`.

What was graded is on the disk at once, one file a student. So it may be interrupted at any moment
and run again: what is there and still holds is not graded anew.
"""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import nbformat

from course_utils import answers, checks
from grading import (
    collect,
    files,
    gradebook,
    judge,
    papers,
    questions,
    report,
    results,
    sandbox,
    similar,
    submission,
)

VERSION = 2  # of the grader: raised when the same submission may get another grade


class Options(NamedTuple):
    """How submissions are run.

    Attributes:
        workers: how many at once; None for one each processor core.
        unsafe: without a sandbox.
        image: of a container engine, for the sandbox.
        cluster: the address of a Dask scheduler, or None for this machine.
        again: grade what is graded already.
        seconds: for a cell, or for the cases of a question; None for what the exercise says.
    """

    workers: int | None = None
    unsafe: bool = False
    image: str | None = None
    cluster: str | None = None
    again: bool = False
    seconds: int | None = None


def grade(name, place, roster=None, folder="graded", options=None, tell=print):
    """Collect, run and judge all submissions of an exercise, and write every report.

    Args:
        name: of the exercise, or its beginning: `ex02`.
        place: the folder or zip with the submissions.
        roster: the path of a CSV with the students, or None.
        folder: the instructor's own; see `files.Folder`.
        tell: takes lines on the progress.

    Returns:
        the results by student.

    Raises:
        ValueError: when the exercise, the submissions or the roster are not as they should be.
        sandbox.NoSandbox: when there is none and `unsafe` is not set.
    """
    options = options or Options()
    exercise = questions.load(name)
    sandbox.find(options.unsafe, options.image)  # or refuse before anything is done
    course = files.Folder(folder)
    with course.prepare():
        _grade(exercise, course, place, roster, options, tell)
        return write_reports(exercise.name, folder, tell)


def _grade(exercise, course, place, roster, options, tell):
    """Collect, run and judge; leaves a result for each student on the disk."""
    students = collect.read_roster(roster) if roster else []
    collection = collect.collect(place, exercise.name, students)
    tell(f"{exercise.name}: {len(collection.submissions)} submissions")

    examiner = Examiner(exercise, course, options)
    before = course.results(exercise.name)
    todo = [each for each in collection.submissions
            if options.again or not examiner.holds(before.get(each.student), each)]  # fmt: skip
    if len(todo) < len(collection.submissions):
        tell(f"  {len(collection.submissions) - len(todo)} are graded already")
    done = 0
    for each, outcome in _run_all(examiner, todo, options):
        done += 1
        result = _judged(examiner, each, outcome, before.get(each.student))
        examiner.keep(result, outcome.notebook)
        tell(f"  {done} of {len(todo)}: {each.student}, {summary(result)}")
    for each in collection.submissions:
        examiner.refresh(each, before.get(each.student))
    _keep_collection(course, exercise, collection, students)


def _judged(examiner, handed_in, outcome, before):
    """The result of one submission; what not even the judge can bear is one student's problem."""
    try:
        return examiner.judged(handed_in, outcome, before)
    except Exception as problem:
        return examiner.judged(handed_in, results.Outcome(problem=_failed(problem)), before)


def _failed(problem):
    return f"the grader itself failed on it ({type(problem).__name__}: {str(problem)[:200]})"


def summary(result):
    """A result in a few words."""
    if result.status != "graded":
        return result.status
    points = sum(question.points for question in result.questions.values())
    most = sum(question.max for question in result.questions.values())
    return f"{points:g} of {most:g} points"


class Examiner:
    """Knows what is right for an exercise, and turns answers into results."""

    def __init__(self, exercise, course, options):
        self.exercise, self.course, self.options = exercise, course, options
        self.release = json.loads(json.dumps(exercise.released))  # plain, for other machines
        seconds = options.seconds or exercise.seconds
        self.limits = {"seconds": seconds, "memory": exercise.memory}
        self.papers = papers.Papers(exercise, course.seed)
        self.cases = _digest(VERSION, self.limits, exercise.release.read_bytes(), course.seed,
                             exercise.source.read_bytes(),
                             (exercise.source.parent / "questions.py").read_bytes())  # fmt: skip

    def paper(self, handed_in, variant=0):
        """What one student is asked, and what is right."""
        return self.papers.of(handed_in.student, variant)

    def job(self, handed_in):
        """What `submission.run` needs for one submission."""
        paper = self.paper(handed_in)
        return results.Job(
            student=handed_in.student,
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
        )

    def digest(self, handed_in):
        """A name for everything that this submission's grade depends on."""
        return _digest(self.cases, handed_in.content, handed_in.problem)

    def holds(self, result, handed_in):
        """Whether a result on the disk is that of this very submission."""
        return result is not None and result.digest == self.digest(handed_in)

    def refresh(self, handed_in, result):
        """Bring what a result says about its file up to date; its grade stays."""
        if self.holds(result, handed_in):
            told = replace(
                result,
                name=handed_in.name,
                matched=handed_in.matched,
                file=handed_in.file,
                earlier=list(handed_in.earlier),
            )
            if told != result:
                path = self.course.result(self.exercise.name, result.student)
                files.write_json(path, told.to_json())

    def judged(self, handed_in, outcome, before):
        """The result of one submission; `before` is the one that it had, or None."""
        variant = papers.variant_of(self.exercise, outcome)
        paper = self.paper(handed_in, variant.number or 0)
        examined = judge.Judge(paper.exercise, paper.asked, paper.places, paper.right)
        answered = {}
        for question in paper.exercise.questions:
            answered[question.name] = examined.question(question, outcome.answer_to(question))
        states = {state for cell, state in outcome.answered.items() if cell != checks.STUDENT_CELL}
        nothing = states <= {"untouched"} and not any(entry.points for entry in answered.values())
        return results.Result(
            student=handed_in.student,
            name=handed_in.name,
            matched=handed_in.matched,
            exercise=self.exercise.name,
            file=handed_in.file,
            earlier=list(handed_in.earlier),
            digest=self.digest(handed_in),
            status="unreadable" if outcome.problem else "untouched" if nothing else "graded",
            problem=outcome.problem,
            repairs=outcome.repairs,
            questions=answered,
            written={
                cell: self._written(cell, points, outcome, before)
                for cell, points in self.exercise.written.items()
            },
            variant=variant,
            seconds=round(outcome.seconds, 2),
        )

    def _written(self, cell, points, outcome, before):
        """A written answer: whether somebody must read it, or read it again."""
        cells = outcome.notebook["cells"] if outcome.notebook else []
        text = next((each["source"] for each in cells if each["id"] == cell), "")
        earlier = before.written.get(cell) if before else None
        answer = _digest(text)
        if outcome.answered.get(cell) == "answered":
            entry = results.WrittenResult(None, points, "needs manual grading")
        else:
            entry = results.WrittenResult(0, points, "untouched")
        changed = earlier is not None and earlier.answer not in ("", answer)
        return replace(entry, answer=answer, changed=changed)

    def keep(self, result, notebook):
        """Put one result on the disk, after its notebook: the result says that both are there."""
        exercise, student = self.exercise.name, result.student
        path = self.course.notebook(exercise, student)
        if notebook is not None:
            files.write_atomically(path, nbformat.writes(nbformat.from_dict(notebook)) + "\n")
        else:
            path.unlink(missing_ok=True)
        files.write_json(self.course.result(exercise, student), result.to_json())


def _digest(*things):
    whole = hashlib.sha256()
    for thing in things:
        whole.update(thing if isinstance(thing, bytes) else repr(thing).encode("utf-8", "replace"))
        whole.update(b"\0")
    return whole.hexdigest()[:32]


def _keep_collection(course, exercise, collection, roster):
    """What the reports tell beside the results; submissions of earlier runs stay in them.

    A run may bring only those that came late. What an earlier run could not match, or matched
    without the roster, is left out when a roster is there.
    """
    path = course.report(exercise.name, "collection.json")
    earlier = (files.read_json(path) or {}).get("students", [])
    known = {student.id for student in roster}
    students = {each.student for each in collection.submissions}
    students |= {student for student in earlier if not roster or student in known}
    missing = [list(each) for each in collection.missing if each.id not in students]
    kept = {"missing": missing, "notes": collection.notes, "students": sorted(students)}
    files.write_json(path, kept)


def write_reports(name, folder="graded", tell=print):
    """Bring gradebook and results together, and write feedback, `grades.csv` and the class page.

    Returns:
        the results by student, with the points that were given by hand.
    """
    exercise = questions.load(name)
    course = files.Folder(folder)
    kept = files.read_json(course.report(exercise.name, "collection.json"))
    if kept is None:
        raise ValueError(f"nothing is graded yet for {exercise.name} in {course.place}: begin with "
                         f"make grade EXERCISE={exercise.name} SUBMISSIONS=folder")  # fmt: skip
    graded = {student: result for student, result in course.results(exercise.name).items()
              if student in kept["students"]}  # fmt: skip
    graded = gradebook.synchronise(course, exercise, graded)
    codes = {}
    for student, result in graded.items():
        notebook = files.read_json(course.notebook(exercise.name, student))
        page = report.feedback_page(result, exercise, notebook)
        files.write_atomically(course.feedback(exercise.name, student), page)
        if notebook is not None:
            codes[student] = _codes(exercise, notebook)
    missing = [collect.Student(*each) for each in kept["missing"]]
    given = _codes(exercise, exercise.released)
    pairs, nearest = similar.pairs(codes, given), similar.nearest(codes, given)
    everyone = list(graded.values())
    report.write_grades(everyone, exercise, course.report(exercise.name, "grades.csv"), missing)
    page = report.class_page(everyone, exercise, pairs, nearest, missing, kept["notes"])
    files.write_atomically(course.report(exercise.name, "class.html"), page)
    for label, path in (("grades", course.report(exercise.name, "grades.csv")),
                        ("the class", course.report(exercise.name, "class.html")),
                        ("feedback", course.place / "feedback" / exercise.name)):  # fmt: skip
        tell(f"{label}: {os.path.relpath(path)}")
    waiting = sum(
        entry.status == "needs manual grading"
        for result in everyone
        for entry in result.written.values()
    )
    if waiting:
        tell(f"{waiting} written answers are to be read: make review, then make report "
             f"EXERCISE={exercise.name}")  # fmt: skip
    return graded


def _codes(exercise, notebook):
    sources = {cell["id"]: report.joined(cell["source"]) for cell in notebook["cells"]}
    return {question.name: sources.get(question.cell, "") for question in exercise.questions}


# --- In parallel ----------------------------------------------------------------------------------


def _run_all(examiner, todo, options):
    """Each submission with what it answered, as they come in."""
    if not todo:
        return
    examiner.paper(todo[0])  # the right answers first: without them nothing can be graded
    if options.cluster:
        yield from _run_on_cluster(examiner, todo, options.cluster)
        return
    with _workers(options.workers or os.cpu_count() or 1) as pool:
        # A thread waits for its box; the work is done by the processes inside.
        waiting = {pool.submit(submission.run, examiner.job(each)): each for each in todo}
        for done in as_completed(waiting):
            yield waiting[done], _result_of(done)


def _result_of(done):
    """What came of one submission, whatever happened: the others go on."""
    problem = done.exception()
    if isinstance(problem, sandbox.NoSandbox):
        raise problem  # on a machine of the cluster: no submission's fault
    return results.Outcome(problem=_failed(problem)) if problem else done.result()


@contextmanager
def _workers(count):
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # an interruption does not start those that wait


def _run_on_cluster(examiner, todo, address):
    """The same on the machines of a Dask cluster; each needs this course and a sandbox."""
    from distributed import Client
    from distributed import as_completed as as_they_come

    with Client(address) as client:
        waiting = {client.submit(submission.run, examiner.job(each), pure=False): each
                   for each in todo}  # fmt: skip
        for done in as_they_come(waiting):
            yield waiting[done], _result_of(done)
