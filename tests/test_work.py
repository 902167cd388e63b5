"""A learner's own copies: laid once, renewed while untouched, and never lost."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAME = "notebooks/00_start_here.ipynb"
OTHER = "notebooks/01_convolution.ipynb"
EXERCISE = "exercises/release/ex01_convolution/ex01_convolution.ipynb"
SPEC = importlib.util.spec_from_file_location("work", ROOT / "tools" / "work.py")
TOOL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TOOL)


@pytest.fixture
def course(course_copy):
    return course_copy("tools/work.py", NAME, OTHER, "exercises/release")


def lay(course):
    """Run the tool as `make lab` does; give the lines it writes."""
    command = [sys.executable, course / "tools" / "work.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.splitlines()


def change(path, words="a newer sentence"):
    """Add words to a notebook's first cell, as its authors or a learner may."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"].append(f"\n\n{words}")
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def for_teachers(cell):
    return "instructor" in cell["metadata"].get("tags", [])


def test_the_first_start_lays_copies_without_outputs(course):
    lines = lay(course)
    count = 2 + len(list((course / "exercises" / "release").glob("*/*.ipynb")))
    assert lines == [f"Laid {count} notebooks to work in: work/ (yours: git takes no notice of it)"]
    copy, original = (json.loads((course / path / NAME).read_text()) for path in ("work", "."))
    assert any(cell.get("outputs") for cell in original["cells"])
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in copy["cells"])
    told = [cell for cell in original["cells"] if not for_teachers(cell)]
    assert [cell["source"] for cell in copy["cells"]] == [cell["source"] for cell in told]
    assert (course / "work" / EXERCISE).read_bytes() == (course / EXERCISE).read_bytes()
    before = contents(course)
    assert lay(course) == [] and contents(course) == before, "the second time does nothing"


def test_what_is_for_teachers_is_left_out(course):
    notebook = json.loads((course / NAME).read_text(encoding="utf-8"))
    notebook["cells"][1]["metadata"]["tags"] = ["instructor"]
    secret = notebook["cells"][1]["id"]
    (course / NAME).write_text(json.dumps(notebook), encoding="utf-8")
    lay(course)
    copy = json.loads((course / "work" / NAME).read_text(encoding="utf-8"))
    assert secret not in {cell["id"] for cell in copy["cells"]}
    assert len(copy["cells"]) == len([c for c in notebook["cells"] if not for_teachers(c)])


def test_untouched_copies_are_renewed(course):
    lay(course)
    change(course / NAME)
    assert lay(course) == [f"Renewed, as the course has a newer one: work/{NAME}"]
    assert "a newer sentence" in (course / "work" / NAME).read_text(encoding="utf-8")
    assert lay(course) == []


def test_touched_copies_are_kept(course):
    lay(course)
    change(course / "work" / NAME, "my answer")
    mine = (course / "work" / NAME).read_bytes()
    assert lay(course) == [], "nothing is newer, so there is nothing to say"
    change(course / NAME)
    for _ in range(2):
        (line,) = lay(course)
        assert line.startswith(f"Kept, as you have worked in it: work/{NAME} (")
        assert (course / "work" / NAME).read_bytes() == mine


def test_removed_and_renamed_copies_are_laid_anew(course):
    lay(course)
    change(course / "work" / NAME, "my answer")
    mine = (course / "work" / NAME).read_bytes()
    (course / "work" / NAME).rename(course / "work" / "notebooks" / "mine.ipynb")
    (course / "work" / OTHER).unlink()
    assert lay(course)[0].startswith("Laid 2 notebooks")
    assert (course / "work" / "notebooks" / "mine.ipynb").read_bytes() == mine
    assert "my answer" not in (course / "work" / NAME).read_text(encoding="utf-8")
    assert (course / "work" / OTHER).is_file()


@pytest.mark.parametrize("notes", ["", "not json", "[1]", "[]", None])
def test_without_its_notes_it_keeps_what_differs_and_says_so(course, notes):
    lay(course)
    change(course / "work" / NAME, "my answer")
    mine = (course / "work" / NAME).read_bytes()
    (course / "work" / TOOL.LAID).unlink()
    if notes is not None:
        (course / "work" / TOOL.LAID).write_text(notes)
    *_, own, remarks = TOOL.lay(course)
    assert own == [NAME] and (course / "work" / NAME).read_bytes() == mine
    assert [words.partition(":")[0] for words in remarks] == (
        [] if notes is None else [f"work/{TOOL.LAID} could not be read"]
    )


def test_a_notebook_that_was_gone_for_one_run_is_still_known(course):
    lay(course)
    (course / NAME).rename(course / "aside")
    assert lay(course) == []
    (course / "aside").rename(course / NAME)
    change(course / NAME)
    assert lay(course) == [f"Renewed, as the course has a newer one: work/{NAME}"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_left_alone(course, there):
    """A copy that was moved into a cloud's folder, which may be away for the moment."""
    lay(course)
    cloud, copy = course / "cloud", course / "work" / NAME
    shutil.move(copy, cloud)
    copy.symlink_to(cloud)
    assert TOOL.lay(course) == ([], [], [], [])
    change(course / NAME)
    if not there:
        cloud.unlink()
    for _ in range(2):
        new, renewed, own, (words,) = TOOL.lay(course)
        assert not new + renewed + own and words.startswith(f"work/{NAME} is a link, and left")
        assert copy.readlink() == cloud and cloud.exists() == there


DAMAGED = {
    "half a merge": b"<<<<<<< ours\n{}",
    "empty": b"",
    "binary": b"\x00\x05\x16\x07\xff",
    "old": json.dumps({"nbformat": 3, "worksheets": [{"cells": []}]}).encode(),
    "of odd cells": json.dumps({"cells": [{"cell_type": "code"}, 3]}).encode(),
    "a list": b"[]",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_original_is_named_and_the_others_are_laid(course, kind):
    whole = (course / OTHER).read_bytes()
    (course / OTHER).write_bytes(DAMAGED[kind])
    command = [sys.executable, course / "tools" / "work.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"work: {OTHER} is not a whole notebook (") and "git checkout" in line
    assert (course / "work" / NAME).is_file() and not (course / "work" / OTHER).exists()
    (course / OTHER).write_bytes(whole)
    assert lay(course)[0].startswith("Laid 1 notebooks")


def test_a_copy_outlives_a_damaged_original(course):
    lay(course)
    copy, whole = (course / "work" / OTHER).read_bytes(), (course / OTHER).read_bytes()
    (course / OTHER).write_bytes(b"")
    for _ in range(2):
        assert len(TOOL.lay(course)[3]) == 1 and (course / "work" / OTHER).read_bytes() == copy
    (course / OTHER).write_bytes(whole)
    change(course / OTHER)
    assert lay(course) == [f"Renewed, as the course has a newer one: work/{OTHER}"]


def test_what_is_not_the_courses_is_passed_over(course):
    for name in (
        *("notebooks/._00_start_here.ipynb", "notebooks/Untitled.ipynb"),
        *("notebooks/01_convolution-Copy1.ipynb", "notebooks/notes of mine.md"),
        f"{Path(EXERCISE).parent.as_posix()}/._{Path(EXERCISE).name}",
    ):
        (course / name).write_bytes(b"\x00\x05\x16\x07")
    lay(course)
    laid = {path.name for path in (course / "work").rglob("*.*")}
    assert not [name for name in laid if name[0] == "." and name != TOOL.LAID]
    assert not {"Untitled.ipynb", "01_convolution-Copy1.ipynb", "notes of mine.md"} & laid


def refused(course, *wrap):
    command = [*wrap, sys.executable, course / "tools" / "work.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("work: ") and "run this again" in line
    return line


def test_a_full_disk_leaves_nothing_half_done(course, bubblewrap):
    work = course / "work"
    work.mkdir()
    sandbox = [bubblewrap, "--dev-bind", "/", "/", "--size", "30000", "--tmpfs", work]
    find = f'find "{work}" -name ".*-done-*"'
    script = f'"{sys.executable}" "{course}/tools/work.py"; test -z "$({find})"'
    done = subprocess.run([*sandbox, "sh", "-c", script], capture_output=True, text=True)
    assert "no room on the disk" in done.stderr and done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_written(course, bubblewrap):
    line = refused(course, bubblewrap, "--dev-bind", "/", "/", "--ro-bind", course, course)
    assert "yours to read and to write" in line


def test_a_file_called_work_is_left_alone(course):
    (course / "work").write_text("my notes")
    line = refused(course)
    assert f"{course / 'work'} is in the way: it is no folder. Give it another name" in line
    assert (course / "work").read_text() == "my notes"


def test_a_link_that_leads_nowhere_and_a_folder_in_a_notebooks_place(course):
    (course / "work").symlink_to(course / "a disk that is not mounted")
    assert f"{course / 'work'} is in the way: it is no folder." in refused(course)
    (course / "work").unlink()
    (course / "work" / NAME).mkdir(parents=True)
    line = refused(course)
    assert f"{course / 'work' / NAME} is in the way: it is a folder. Give it another name" in line
    shutil.rmtree(course / "work" / "notebooks")
    (course / "work" / "notebooks").touch()
    assert f"{course / 'work' / 'notebooks'} is in the way: it is no folder" in refused(course)


def test_every_link_of_a_copy_leads_somewhere(course_copy):
    course = course_copy("tools/work.py", "notebooks", "exercises/release")
    lay(course)
    copies = [*course.glob("work/notebooks/*.ipynb"), *course.glob("work/exercises/**/*.ipynb")]
    links = 0
    for path in copies:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                for target in re.findall(r"\]\(([^)#]+)\)", "".join(cell["source"])):
                    if not target.startswith("https://"):
                        links += 1
                        assert (path.parent / target).is_file(), f"{path.name}: {target}"
    assert links > 50


def test_git_takes_no_notice_of_it():
    command = ["git", "check-ignore", f"work/{NAME}", "work/.laid.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 2


def test_binder_lays_them_too(course_copy):
    """repo2docker runs `postBuild` in the repository, with the environment's python first."""
    course = course_copy("tools/work.py", "tools/reminder.py", NAME, "postBuild")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(["./postBuild"], cwd=course, env={"PATH": path}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (course / "work" / NAME).is_file()
