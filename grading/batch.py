"""All submissions of an exercise: `make grade EXERCISE=ex02 SUBMISSIONS=folder`.

What was graded is on the disk at once, one file a student. So it may be interrupted at any moment
and run again: what is there and still holds is not graded anew. What earlier runs graded stays, in
every report; a run may bring one late file alone.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from grading import (
    collect,
    files,
    identity,
    matches,
    questions,
    reports,
    roster,
    sandbox,
    schedule,
    submission,
)
from grading.collect import Collection, Submission
from grading.examiner import Examiner, Options, about
from grading.results import OF_GROUP, Outcome, Result

__all__ = ["Options", "grade", "regrade"]

Tell = Callable[[str], object]


def grade(
    name: str,
    place: str | Path,
    class_list: str | Path | None = None,
    folder: str | Path = "graded",
    options: Options | None = None,
    tell: Tell = print,
) -> dict[str, Result]:
    """Collect, run and judge all submissions of an exercise, and write every report.

    Args:
        name: of the exercise, or its beginning: `ex02`.
        place: the folder or zip with the submissions.
        class_list: the path of a list with the students; None for the one that was read last.
        folder: the instructor's own; see `files.Folder`.
        tell: takes lines on the progress.

    Returns:
        the results by student.

    Raises:
        ValueError: when the exercise, the submissions or the list are not as they should be.
        sandbox.NoSandbox: when there is none and `unsafe` is not set.
    """
    options = options or Options()
    exercise = _exercise(name, options)
    sandbox.find(options.unsafe, options.image)  # or refuse before anything is done
    course = files.Folder(folder)
    with course.prepare():
        known = _class_list(course, class_list, tell)
        plan = reports.plan_of(course, exercise)
        said = matches.read(course.report(exercise.name, "matches.csv"))
        collection = collect.collect(place, exercise.name, known.students, said)
        before, put_by = course.results(exercise.name), partial(course.handed_in, exercise.name)
        collection = collect.at_listed_times(collection, before, put_by)
        collection = _one_identity_each(collection, before)
        _tell_what_came(exercise, collection, tell)
        _take_over(course, exercise, collection, said, tell)
        for sentence in matches.settle(course, exercise, known.students):
            tell(f"  {sentence}")
        examiner = Examiner(exercise, course, options)
        _hand_in_together(examiner, collection, plan, known.students, tell)
        _examine(examiner, _chosen(collection.submissions, options), tell)
        _keep(course, exercise, collection)
        return reports.write(exercise.name, folder, tell)


def regrade(
    name: str,
    folder: str | Path = "graded",
    options: Options | None = None,
    tell: Tell = print,
) -> dict[str, Result]:
    """Grade again what was handed in before: one question, one student, or all.

    The files are those that `grade` put by; `options` says which students and questions.
    """
    options = (options or Options())._replace(again=True)
    exercise = _exercise(name, options)
    sandbox.find(options.unsafe, options.image)
    course = files.Folder(folder)
    with course.prepare():
        handed_in = [
            _put_by(course, exercise, result) for result in course.results(exercise.name).values()
        ]
        if not handed_in:
            raise ValueError(f"nothing is graded yet for {exercise.name} in {course.place}")
        _examine(Examiner(exercise, course, options), _chosen(handed_in, options), tell)
        return reports.write(exercise.name, folder, tell)


def _exercise(name: str, options: Options) -> questions.Exercise:
    exercise = questions.load(name)
    known = {question.name for question in exercise.questions}
    if unknown := set(options.questions) - known:
        raise ValueError(f"no question is called {', '.join(sorted(unknown))}: choose from "
                         f"{', '.join(sorted(known))}")  # fmt: skip
    return exercise


def _class_list(
    course: files.Folder, path: str | Path | None, tell: Tell
) -> roster.Roster:  # fmt: skip
    """The list that is given, or the one of the last run."""
    if path is None:
        known = roster.Roster.from_json(files.read_json(course.roster))
        if known.students:
            tell(f"the class list is that of the last run: {len(known.students)} students")
        return known
    known = roster.read(path)
    files.write_json(course.roster, known.to_json())
    for note in known.notes[:5]:
        tell(f"  {note}")
    if len(known.notes) > 5:
        tell(f"  and {len(known.notes) - 5} more without one")
    return known


def _tell_what_came(exercise: questions.Exercise, collection: Collection, tell: Tell) -> None:
    tell(f"{exercise.name}: {len(collection.submissions)} submissions")
    unmatched = [one for one in collection.submissions if not one.matched]
    if unmatched:
        tell(f"  {len(unmatched)} are not matched to a student: see matches.csv")
    counts = Counter(collection.fates.values())
    listed = ", ".join(f"{count} {fate}" for fate, count in counts.most_common())
    tell(f"  {len(collection.fates)} files: {listed}")


def _one_identity_each(collection: Collection, before: dict[str, Result]) -> Collection:
    """A student whom an earlier run knew by another number of the platform: nobody guesses."""
    found = []
    here = {one.identity for one in collection.submissions}
    for one in collection.submissions:
        earlier = before.get(one.student)
        if (
            one.matched
            and one.graded_as == one.student
            and earlier is not None
            and earlier.identity not in ("", one.identity)
            and earlier.identity not in here
            and _platform(earlier.identity) == _platform(one.identity) != ""
        ):
            made = identity.Whose(one.identity)
            student = f"unmatched-{identity.slug(one.name)}-{made.digest}"
            why = (f"{one.student} was graded before as {earlier.identity!r}, and this is "
                   f"{one.identity!r}")  # fmt: skip
            collection.noted[one.file] = f"is not matched: {why}"
            one = replace(one, student=student, graded_as=student, matched=False, why=why,
                          likeliest=(one.student,))  # fmt: skip
        found.append(one)
    return replace(collection, submissions=found)


def _platform(key: str) -> str:
    """The platform of an identity whose number or user name it wrote."""
    first = key.split(" ")[0]
    return first if first in ("moodle", "canvas", "blackboard", "brightspace", "sakai") else ""


def _take_over(
    course: files.Folder,
    exercise: questions.Exercise,
    collection: Collection,
    said: dict[str, str],
    tell: Tell,
) -> None:
    """What an earlier run graded under another name goes to the student whom it is known to be."""
    before = course.results(exercise.name)
    by_identity = {result.identity: result for result in before.values() if result.identity}
    for at, one in enumerate(collection.submissions):
        old = by_identity.get(one.identity)
        if old is None or old.student == one.student or not one.matched:
            continue
        if one.student in before and one.file not in said and one.graded_as not in said:
            continue
        one = replace(one, graded_as=old.graded_as or old.student)
        collection.submissions[at] = one
        matches.move(course, exercise, old, about(old, one))
        tell(f"  {old.student} is {one.student} ({one.name})")


def _hand_in_together(
    examiner: Examiner,
    collection: Collection,
    plan: schedule.Schedule,
    students: Iterable[roster.Student],
    tell: Tell,
) -> None:
    """One file for each group of `course.toml`, whichever run it came in; the others are named."""
    before = examiner.course.results(examiner.exercise.name)
    here = {one.student: one for one in collection.submissions}
    names = {student.id: student.name for student in students}
    for group in plan.groups:
        theirs = [here[student] for student in group if student in here] + [
            _put_by(examiner.course, examiner.exercise, before[student])
            for student in group
            if student in before.keys() - here
            and not before[student].problem
            and not before[student].identity.startswith(OF_GROUP)
        ]
        if not theirs:
            continue
        last = _latest(theirs, here, plan, examiner.exercise.name)
        others = tuple(one.file for one in theirs if one.file != last.file)
        last = replace(last, earlier=(*last.earlier, *others))
        note = f"{last.file} of {last.student} counts"
        if others:
            note += f", not {' or '.join(others)}"
            tell(f"  {' and '.join(group)} hand in together: {note}")
            fate = "not graded: another one of the group counts"
            collection.fates.update(dict.fromkeys(others, fate))
            collection.noted[last.student] = f"hands in for {' and '.join(group)}: {note}"
        if last.student in here:
            here[last.student] = last
        for student in group:
            own, old = here.get(student), before.get(student)
            if student == last.student or (own and own.file == last.file):
                continue
            graded_as = (own and own.graded_as) or (old and old.graded_as) or student
            copy = replace(last, student=student, name=names.get(student, student),
                           identity=f"{OF_GROUP}{last.student}", graded_as=graded_as)  # fmt: skip
            if own or not examiner.holds(old, copy):
                here[student] = copy
                collection.noted[student] = f"hands in with {last.student}: {note}"
    collection.submissions[:] = sorted(here.values(), key=lambda one: one.student)


def _latest(
    theirs: list[Submission], here: dict[str, Submission], plan: schedule.Schedule, exercise: str
) -> Submission:
    """The file of a group that counts, as for one student: the latest that somebody worked on."""
    if len(theirs) == 1:
        return theirs[0]
    times = {one.student: plan.handed_in.get(one.student, one.time) for one in theirs}
    work = [one for one in theirs if not one.problem] or theirs
    work = [one for one in work if not collect.is_untouched(one.content, exercise)] or work
    if None in times.values():  # then nothing says more than what came in this run
        work = [one for one in work if one.student in here] or work
    return max(work, key=lambda one: (times[one.student] or 0.0, one.student))


def _chosen(submissions: list[Submission], options: Options) -> list[Submission]:
    if not options.students:
        return submissions
    known = {one.student for one in submissions}
    if unknown := [student for student in options.students if student not in known]:
        raise ValueError(f"nothing was handed in by {', '.join(unknown)}")
    return [one for one in submissions if one.student in options.students]


def _put_by(course: files.Folder, exercise: questions.Exercise, result: Result) -> Submission:
    """A submission of an earlier run, from the file that was put by."""
    path = course.handed_in(exercise.name, result.student)
    problem = result.problem
    if not path.exists() and not problem:
        problem = "the file that was handed in is not there any more: grade the export again"
    return Submission(
        student=result.student,
        name=result.name,
        matched=result.matched,
        file=result.file,
        load=lambda: path.read_bytes(),
        time=result.time,
        earlier=tuple(result.earlier),
        problem=problem if not path.exists() or not path.stat().st_size else "",
        identity=result.identity,
        graded_as=result.graded_as or result.student,
        why=result.why,
        likeliest=tuple(result.likeliest),
        late=result.late,
        clock=result.clock,
        listed=result.listed,
    )


def _examine(examiner: Examiner, submissions: list[Submission], tell: Tell) -> None:
    """Run and judge; leaves a result for each submission on the disk."""
    course, name, options = examiner.course, examiner.exercise.name, examiner.options
    before = course.results(name)
    todo = [
        one
        for one in submissions
        if options.again or not examiner.holds(before.get(one.student), one)
    ]
    if len(todo) < len(submissions):
        tell(f"  {len(submissions) - len(todo)} are graded already")
    began = time.monotonic()
    for done, (one, outcome) in enumerate(_run_all(examiner, todo), start=1):
        old = before.get(one.student)
        if options.questions and old is not None and not examiner.is_of(old, one):
            tell(f"  {one.student}: not the file of before, so every question is judged anew")
        result = _judged(examiner, one, outcome, old)
        examiner.keep(result, outcome.notebook, one.content)
        left = (time.monotonic() - began) / done * (len(todo) - done)
        to_go = f" ({_in_words(left)} to go)" if left >= 20 else ""
        tell(f"  {done} of {len(todo)}: {one.student}, {summary(result)}{to_go}")
    for one in submissions:
        old = before.get(one.student)
        if old is not None and examiner.holds(old, one) and about(old, one) != old:
            files.write_json(course.result(name, old.student), about(old, one).to_json())


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _judged(
    examiner: Examiner, handed_in: Submission, outcome: Outcome, before: Result | None
) -> Result:
    """The result of one submission; what not even the judge can bear is one student's problem."""
    try:
        return examiner.judged(handed_in, outcome, before)
    except Exception as problem:
        return examiner.judged(handed_in, Outcome(problem=_failed(problem)), before)


def _failed(problem: BaseException) -> str:
    return f"the grader itself failed on it ({type(problem).__name__}: {str(problem)[:200]})"


def summary(result: Result) -> str:
    """A result in a few words."""
    if result.status != "graded":
        return result.status
    points = sum(question.points for question in result.questions.values())
    most = sum(question.max for question in result.questions.values())
    return f"{points:g} of {most:g} points"


def _keep(course: files.Folder, exercise: questions.Exercise, collection: Collection) -> None:
    """What the reports tell beside the results; what earlier runs told stays."""
    path = course.report(exercise.name, "collection.json")
    kept = files.read_json(path) or {}
    files_now = set(collection.fates)
    noted = {
        about: note
        for about, note in kept.get("noted", {}).items()
        if about not in files_now and about not in collection.noted
    }
    data = {
        "noted": {**noted, **collection.noted},
        "fates": {**kept.get("fates", {}), **collection.fates},
    }
    files.write_json(path, data)


# --- In parallel ----------------------------------------------------------------------------------


def _run_all(examiner: Examiner, todo: list[Submission]) -> Iterator[tuple[Submission, Outcome]]:
    """Each submission with what it answered, as they come in."""
    if not todo:
        return
    examiner.paper(todo[0].graded_as)  # the right answers first: without them nothing is graded
    _ = examiner.hidden  # the same for all
    if examiner.options.cluster:
        yield from _run_on_cluster(examiner, todo, examiner.options.cluster)
        return
    workers = examiner.options.workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)
    try:
        # A thread waits for its box; the work is done by the processes inside. No more are begun
        # than can be done soon: each holds a notebook in memory.
        left, waiting = iter(todo), dict[Future[Outcome], Submission]()
        while True:
            while len(waiting) < 2 * workers and (one := next(left, None)) is not None:
                waiting[pool.submit(_run, examiner, one)] = one
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), _result_of(future)
    finally:
        # Whoever interrupts waits for no box: `__main__` ends the process, and they end with it.
        pool.shutdown(wait=False, cancel_futures=True)


def _run(examiner: Examiner, one: Submission) -> Outcome:
    return submission.run(examiner.job(one))


def _result_of(done: Any) -> Outcome:
    """What came of one submission, whatever happened: the others go on."""
    problem = done.exception()
    if isinstance(problem, sandbox.NoSandbox):
        raise problem  # on a machine of the cluster: no submission's fault
    return Outcome(problem=_failed(problem)) if problem else done.result()


def _run_on_cluster(
    examiner: Examiner, todo: list[Submission], address: str
) -> Iterator[tuple[Submission, Outcome]]:
    """The same on the machines of a Dask cluster; each needs this course and a sandbox."""
    from distributed import Client, as_completed

    with Client(address) as client:
        waiting = {
            client.submit(submission.run, examiner.job(one), pure=False): one for one in todo
        }
        for done in as_completed(waiting):
            yield waiting[done], _result_of(done)
