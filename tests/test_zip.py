"""`make zip`: what is in it, that it is the same each time, and that a notebook begins with it."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import zip_course

ROOT = Path(__file__).parents[1]
EXERCISE = "exercises/release/ex01_convolution/ex01_convolution.ipynb"
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT.md", "requirements.lock")
FOLDERS = (
    *("tools", "course_utils", "extras", "data", "notebooks", "exercises"),
    *("environment.yml", "Makefile"),
)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = tmp_path_factory.mktemp("zip") / "course here"
    course.mkdir()
    for name in NEEDED + FOLDERS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, course / name)
        else:
            shutil.copy2(ROOT / name, course / name)
    return course


def zipped(course):
    command = [sys.executable, course / "tools" / "zip_course.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert [path.name for path in (course / "build").iterdir()] == ["course.zip"]
    return course / "build" / "course.zip"


@pytest.fixture(scope="module")
def archive(course):
    return zipped(course)


def test_it_is_small_and_holds_what_a_learner_needs(course, archive):
    assert archive.stat().st_size < 30e6
    with zipfile.ZipFile(archive) as content:
        names = {name.removeprefix("course/") for name in content.namelist()}
        assert {name.partition("/")[0] for name in content.namelist()} == {"course"}
        notebook = json.loads(content.read("course/notebooks/04_lenet.ipynb"))
    for wanted in (
        "notebooks/*.ipynb",
        "exercises/release/*/*",
        "course_utils/**/*.py",
        "extras/*.py",
        "data/**/*",
    ):
        found = {path.relative_to(course).as_posix() for path in course.glob(wanted)}
        files = {name for name in found if (course / name).is_file() and "__pycache__" not in name}
        files = {name for name in files if not name.startswith("data/runs/unfinished/")}
        assert files and files <= names, wanted
    assert not any(name.startswith(("exercises/source", "tests", "grading")) for name in names)
    assert not any(cell.get("outputs") for cell in notebook["cells"]), "no answer is in view"


def test_the_same_course_gives_the_same_bytes(course, archive):
    before = hashlib.sha256(archive.read_bytes()).digest()
    for path in course.rglob("*.py"):
        path.touch()
    assert hashlib.sha256(zipped(course).read_bytes()).digest() == before


def test_nothing_of_anybodys_own_is_in_it(course_copy, tmp_path):
    course = course_copy("course_utils", "data", "notebooks", "exercises/release")
    before = set(zip_course.files(course))
    assert {"data/photos/cat.png", "notebooks/glossary.md"} <= before
    secret = tmp_path / "grades.csv"
    secret.write_text("Ada,1.0")
    for name in (
        *("data/.DS_Store", "data/.env", "data/mine/grades.csv", "data/runs/grades.csv"),
        *("data/cifar-10-batches-py/data_batch_1", "data/photos/ada.png", "data/weights/x.txt"),
        *("notebooks/Untitled.ipynb", "notebooks/._04_lenet.ipynb", "notebooks/mine.md"),
        *("course_utils/._data.py", "course_utils/.old/data.py", "data/runs/._lenet5.json"),
        "exercises/release/ex01_convolution/Untitled.ipynb",
    ):
        (course / name).parent.mkdir(exist_ok=True)
        (course / name).write_bytes(b"secret")
    (course / "course_utils" / "linked.py").symlink_to(secret)
    (course / "data" / "runs" / "grades.json").symlink_to(secret)
    assert set(zip_course.files(course)) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("notebooks/04_lenet.ipynb", "zip: notebooks/04_lenet.ipynb is not a whole notebook"),
        ("build", "/build is in the way: it is no folder. Give it another name"),
        ("build/course.zip/x", "/build/course.zip is in the way: it is a folder. Give it another"),
    ],
)
def test_what_is_in_the_way_is_a_sentence(course_copy, name, said):
    course = course_copy("tools", "notebooks")
    (course / name).parent.mkdir(parents=True, exist_ok=True)
    (course / name).write_text("<<<<<<< ours")
    command = [sys.executable, course / "tools" / "zip_course.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and said in line and line.endswith("then run this again")


def test_in_an_unpacked_one_the_readmes_first_lines_do_what_they_say(archive, tmp_path):
    """But for the installation, which a test of the set-up makes: its answer is asked for."""
    shutil.unpack_archive(archive, tmp_path)
    course = tmp_path / "course"
    planned = ["make", "--no-print-directory", "--dry-run", "lab"]
    planned = subprocess.run(planned, cwd=course, capture_output=True, text=True, check=True)
    called = set(re.findall(r"tools/\w+\.py", planned.stdout))
    assert {"tools/set_up.py", "tools/work.py", "tools/reminder.py"} == called
    for words in (["tools/set_up.py", "--fits"], ["tools/work.py"]):
        done = subprocess.run([sys.executable, *words], cwd=course, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (course / "work" / "notebooks" / "00_start_here.ipynb").is_file()


def test_an_exercise_begins_with_nothing_but_the_zip_beside_it(archive, tmp_path):
    spec = importlib.util.spec_from_file_location("address", ROOT / "tools" / "address.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    cell = tool.set_up_cell(tool.present_address(), exercise="ex01_convolution")
    shutil.copy2(archive, tmp_path)
    script = "import sys; exec(sys.stdin.read()); print(check.questions.keys(), course)"
    script += "; from course_utils import data; print(data.photo('cat').shape)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        input=cell,
        capture_output=True,
        text=True,
        env={"PATH": "", "PYTHONUTF8": "1", "SYSTEMROOT": os.environ.get("SYSTEMROOT", "")},
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "course") in done.stdout and "(300, 451, 3)" in done.stdout
