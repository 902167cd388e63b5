"""`python -m grading`: release, rehearse, grade, regrade, review, report, give back."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from grading import (
    batch,
    files,
    give_back,
    gradebook,
    questions,
    rehearsal,
    release,
    reports,
)

# Of nbgrader's extensions those that a course with students' accounts on one server needs.
UNUSED = ("assignment_list", "course_list", "validate_assignment")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 0, 1 (a problem) or 130 (interrupted)."""
    options = parser().parse_args(arguments)
    try:
        return options.do(options) or 0
    except OSError as problem:
        where = f" ({problem.filename})" if problem.filename else ""
        print(f"grading: {problem.strerror or problem}{where}", file=sys.stderr)
        return 1
    except (ValueError, RuntimeError) as problem:
        print(f"grading: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ngrading: interrupted; what is graded is kept, the same command goes on",
              file=sys.stderr, flush=True)  # fmt: skip
        return 130


def end_at_once(status: int) -> None:
    """End this process and every box that it started, without waiting for any of them."""
    sys.stdout.flush()
    sys.stderr.flush()
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            pass
    os._exit(status)  # threads that wait for a box would hold up any other way out


def parser() -> argparse.ArgumentParser:
    """What the command line may say."""
    whole = argparse.ArgumentParser("python -m grading", description="The grader, for instructors.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("release", help="write the students' copies from the sources")
    command.add_argument(
        "exercises", nargs="*", metavar="EXERCISE", help="ex02, say; all by default"
    )
    command.set_defaults(do=do_release)

    command = commands.add_parser("rehearse", help="try exercises on their own answers")
    command.add_argument("exercises", nargs="*", metavar="EXERCISE", help="all by default")
    command.add_argument("--seeds", type=int, default=rehearsal.SEEDS, help="(60)")
    command.set_defaults(do=do_rehearse)

    command = commands.add_parser("grade", help="collect, run and judge; may be run again")
    command.add_argument("exercise", help="ex02, say")
    command.add_argument("submissions", help="folder or zip, as the learning platform exports it")
    command.add_argument("--roster", help="the class list, as the platform exports it")
    command.add_argument("--cluster", metavar="tcp://…", help="a Dask scheduler")
    command.add_argument("--again", action="store_true", help="also what is graded already")
    command.set_defaults(do=do_grade)
    _how(command)

    command = commands.add_parser("regrade", help="one question, one student, or all, once more")
    command.add_argument("exercise", help="ex02, say")
    command.set_defaults(do=do_regrade)
    _how(command)

    command = commands.add_parser("review", help="open formgrader for the written answers")
    command.add_argument("server", nargs="*", help="options for JupyterLab, behind --")
    command.set_defaults(do=do_review)
    _folder(command)

    command = commands.add_parser(
        "report", help="feedback, grades.csv and class page, with the review"
    )
    command.add_argument("exercise", help="ex02, say")
    command.set_defaults(do=do_report)
    _folder(command)

    command = commands.add_parser("give-back", help="the platform's own grade file and feedback")
    command.add_argument("exercise", help="ex02, say")
    command.add_argument("platform", choices=sorted(give_back.PLATFORMS))
    command.set_defaults(do=do_give_back)
    _folder(command)
    return whole


def _how(command: argparse.ArgumentParser) -> None:
    """What running submissions takes."""
    command.add_argument("--student", action="append", default=[], help="only this one's")
    command.add_argument("--question", action="append", default=[],
                         help="only this question anew; the others keep their points")  # fmt: skip
    command.add_argument("--workers", type=int, help="how many at once (one a core)")
    command.add_argument("--image", help="run in this image by Docker or Podman, not in bubblewrap")
    command.add_argument("--seconds", type=int, help="for each cell, not the exercise's own")
    command.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run submissions with all your rights: your own notebooks only",
    )
    _folder(command)


def _folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("--folder", default="graded", help="where all of it is kept")


def do_release(options: argparse.Namespace) -> None:
    """Write the students' copies."""
    for name in options.exercises or questions.names():
        folder = release.write(questions.load(name))
        print(f"written: {os.path.relpath(folder)}")


def do_rehearse(options: argparse.Namespace) -> int:
    """Grade the source's answers in every variant, and known mistakes under many seeds."""
    problems = 0
    for name in options.exercises or questions.names():
        exercise = questions.load(name)
        for question, tries, passed in rehearsal.passing(exercise, options.seeds):
            say(f"{exercise.name}, {question}: {tries} tries of known mistakes, {len(passed)} pass")
            problems += len(passed)
            for hint in passed:
                say(f"  passes: {hint}")
        with tempfile.TemporaryDirectory(prefix="rehearsal-") as place:
            short = rehearsal.in_every_variant(exercise, Path(place), lambda line: None)
        say(f"{exercise.name}: {len(exercise.variants)} variants, "
            f"{'all in full' if not short else '; '.join(short)}")  # fmt: skip
        problems += len(short)
    return 1 if problems else 0


def do_grade(options: argparse.Namespace) -> None:
    """Grade a folder of submissions."""
    how = _options(options)._replace(
        cluster=options.cluster, again=options.again or bool(options.question)
    )
    batch.grade(options.exercise, options.submissions, options.roster, options.folder, how, say)


def do_regrade(options: argparse.Namespace) -> None:
    """Grade again what was handed in before."""
    batch.regrade(options.exercise, options.folder, _options(options), say)


def _options(options: argparse.Namespace) -> batch.Options:
    if options.unsafe_no_sandbox:
        print("No sandbox: whatever a submission does, it does with your rights.", file=sys.stderr)
    return batch.Options(
        workers=options.workers,
        unsafe=options.unsafe_no_sandbox,
        image=options.image,
        seconds=options.seconds,
        students=tuple(options.student),
        questions=tuple(options.question),
    )


def do_review(options: argparse.Namespace) -> int:
    """Open formgrader on the instructor's folder."""
    folder = files.Folder(options.folder)
    if not folder.gradebook.exists():
        raise ValueError(f"nothing is graded yet in {folder.place}: begin with make grade")
    folder.prepare().close()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.place}"]
    unused = {f"nbgrader.server_extensions.{name}": False for name in UNUSED}
    command += [f"--ServerApp.jpserver_extensions={unused}"]
    command += ["--LabApp.default_url=/formgrader/gradebook", *options.server]
    if hasattr(os, "getuid") and os.getuid() == 0:
        command.append("--allow-root")
    variables = gradebook.with_programs(dict(os.environ))
    return subprocess.run(command, cwd=folder.place, env=variables, check=False).returncode


def do_report(options: argparse.Namespace) -> None:
    """Write the reports anew."""
    with files.Folder(options.folder).prepare():
        reports.write(options.exercise, options.folder, say)


def do_give_back(options: argparse.Namespace) -> None:
    """Write what the platform takes."""
    with files.Folder(options.folder).prepare():
        give_back.write(options.exercise, options.platform, options.folder, say)


def say(line: str) -> None:
    """Print at once, into a log file as well."""
    print(line, flush=True)


if __name__ == "__main__":
    status = main()
    if status == 130:
        end_at_once(status)
    sys.exit(status)
