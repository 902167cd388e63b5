"""`python -m grading`: release, grade, review, report."""

import argparse
import os
import subprocess
import sys

from grading import batch, files, gradebook, questions, release

# Of nbgrader's extensions those that a course with students' accounts on one server needs.
UNUSED = ("assignment_list", "course_list", "validate_assignment")


def main(arguments=None):
    """Do what the command line says; the exit status is 0, 1 (a problem) or 130 (interrupted)."""
    options = parser().parse_args(arguments)
    try:
        return options.do(options) or 0
    except (ValueError, RuntimeError, OSError) as problem:
        print(f"grading: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ngrading: interrupted; what is graded is kept, the same command goes on",
              file=sys.stderr)  # fmt: skip
        return 130


def parser():
    """What the command line may say."""
    whole = argparse.ArgumentParser("python -m grading", description="The grader, for instructors.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    each = commands.add_parser("release", help="write the students' copies from the sources")
    each.add_argument("exercises", nargs="*", metavar="EXERCISE", help="ex02, say; all by default")
    each.set_defaults(do=do_release)

    each = commands.add_parser("grade", help="collect, run and judge submissions; may be run again")
    each.add_argument("exercise", help="ex02, say")
    each.add_argument("submissions", help="folder or zip, as the learning platform exports it")
    each.add_argument("--roster", help="CSV with the columns id, name and email")
    each.add_argument("--workers", type=int, help="how many at once (default: one for each core)")
    each.add_argument("--cluster", metavar="tcp://…", help="a Dask scheduler: its machines do it")
    each.add_argument("--image", help="run in this image by Docker or Podman, not in bubblewrap")
    each.add_argument("--again", action="store_true", help="also what is graded already")
    each.add_argument("--seconds", type=int, help="for each cell, not the exercise's own")
    each.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run submissions with all your rights: your own notebooks only",
    )
    each.set_defaults(do=do_grade)
    _folder(each)

    each = commands.add_parser("review", help="open nbgrader's formgrader for the written answers")
    each.add_argument("server", nargs="*", help="options for JupyterLab, behind --")
    each.set_defaults(do=do_review)
    _folder(each)

    each = commands.add_parser(
        "report", help="feedback, grades.csv and class page, with the review"
    )
    each.add_argument("exercise", help="ex02, say")
    each.set_defaults(do=do_report)
    _folder(each)
    return whole


def _folder(command):
    command.add_argument("--folder", default="graded", help="where all of it is kept")


def do_release(options):
    """Write the students' copies."""
    for name in options.exercises or questions.names():
        folder = release.write(questions.load(name))
        print(f"written: {os.path.relpath(folder)}")


def do_grade(options):
    """Grade a folder of submissions."""
    if options.unsafe_no_sandbox:
        print("No sandbox: whatever a submission does, it does with your rights.", file=sys.stderr)
    how = batch.Options(
        workers=options.workers,
        unsafe=options.unsafe_no_sandbox,
        image=options.image,
        cluster=options.cluster,
        again=options.again,
        seconds=options.seconds,
    )
    batch.grade(options.exercise, options.submissions, options.roster, options.folder, how, say)


def do_review(options):
    """Open formgrader on the instructor's folder."""
    folder = files.Folder(options.folder)
    if not folder.gradebook.exists():
        raise ValueError(f"nothing is graded yet in {folder.place}: begin with make grade")
    folder.prepare().close()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.place}"]
    unused = {f"nbgrader.server_extensions.{name}": False for name in UNUSED}
    command += [f"--ServerApp.jpserver_extensions={unused}"]
    command += ["--LabApp.default_url=/formgrader/", *options.server]
    if hasattr(os, "getuid") and os.getuid() == 0:
        command.append("--allow-root")
    variables = gradebook.with_programs(dict(os.environ))
    return subprocess.run(command, cwd=folder.place, env=variables, check=False).returncode


def do_report(options):
    """Write the reports anew."""
    with files.Folder(options.folder).prepare():
        batch.write_reports(options.exercise, options.folder, say)


def say(line):
    """Print at once, into a log file as well."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
