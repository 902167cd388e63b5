"""The course's address: one place, and everything else equal to it; and the cell that uses it."""

import functools
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
URL = "https://github.com/somebody/some-course"
LONGEST = 30  # lines of a code cell


@functools.cache
def tool():
    """tools/address.py as a module."""
    spec = importlib.util.spec_from_file_location("address", ROOT / "tools" / "address.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def address(url=URL, host="github", version="0.2.0"):
    return tool().Address(url, host, version)


@pytest.fixture
def course(course_copy):
    """A copy of everything that carries the address, with one notebook that surely does."""
    course = course_copy("pyproject.toml", "README.md", "tools", "notebooks")
    notebook = nbformat.v4.new_notebook()
    for name in ("badges", "set-up"):
        kind = nbformat.v4.new_markdown_cell if name == "badges" else nbformat.v4.new_code_cell
        notebook.cells.append(kind("old", id=name))
    notebook.cells.append(nbformat.v4.new_markdown_cell("old, wie Öl", id="other"))
    nbformat.write(notebook, course / "notebooks" / "99_try.ipynb")
    tool().write(tool().present_address(course), course)
    return course


def texts(course):
    """Every file's bytes by name; what Python has compiled is no file of the course."""
    files = (path for path in course.rglob("*") if "__pycache__" not in path.parts)
    return {path: path.read_bytes() for path in sorted(files) if path.is_file()}


def test_everything_carries_the_address_of_pyproject():
    assert tool().stale() == []


def test_every_notebook_has_both_cells():
    assert tool().notebooks(), "no notebooks found"
    for path in tool().notebooks():
        kinds = {cell["id"]: cell["cell_type"] for cell in json.loads(path.read_text())["cells"]}
        assert kinds.get("badges") == "markdown" and kinds.get("set-up") == "code", path.name


def test_setting_and_unsetting_the_address(course):
    tool().write(address("", ""), course)
    before = texts(course)
    for url, host in ((URL + ".git/", ""), (URL, "github")):
        command = [sys.executable, course / "tools" / "address.py", url, "--host", host]
        assert subprocess.run(command, capture_output=True).returncode == 0
    assert tool().present_address(course)[:2] == (URL, "github")
    assert tool().stale(course) == []
    cells = {cell.id: cell for cell in nbformat.read(_try(course), 4).cells}
    assert f'ARCHIVE, VERSION = "{URL}/archive/v0.2.0.zip", "0.2.0"\n' in cells["set-up"].source
    assert cells["set-up"].metadata == tool().FOLDED
    assert "blob/v0.2.0/notebooks/99_try.ipynb)" in cells["badges"].source
    assert cells["badges"].source.count("[![Open in ") == 2
    assert cells["other"].source == "old, wie Öl"
    assert f'Repository = "{URL}"' in (course / "pyproject.toml").read_text(encoding="utf-8")
    assert "some-course/blob/v0.2.0" in (course / "README.md").read_text(encoding="utf-8")
    assert tool().write(address(), course) == [], "the second time changes nothing"

    tool().write(address("", ""), course)
    assert texts(course) == before, "unsetting gives the very bytes back"


def test_a_new_version_goes_everywhere(course, course_copy):
    tool().write(address(), course)
    project = course / "pyproject.toml"
    project.write_text(re.sub(r'(?m)^version = ".*"$', 'version = "1.4.0"', project.read_text()))
    (course / "course_utils").mkdir()
    (course / "course_utils" / "__init__.py").write_text('__version__ = "0.2.0"\n')
    (course / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.2.0\n")
    tool().write(tool().present_address(course), course)
    assert (course / "CITATION.cff").read_text() == "cff-version: 1.2.0\nversion: 1.4.0\n"
    assert 'v1.4.0.zip", "1.4.0"' in _try(course).read_text().replace('\\"', '"')
    assert (course / "course_utils" / "__init__.py").read_text() == '__version__ = "1.4.0"\n'


@pytest.mark.parametrize(
    ("url", "host", "archive", "badge"),
    [
        (URL, "github", f"{URL}/archive/v0.2.0.zip", "gh/somebody/some-course/v0.2.0"),
        (
            "https://gitlab.uni.example/institute/teaching/cnn",
            "gitlab",
            "https://gitlab.uni.example/institute/teaching/cnn/-/archive/v0.2.0/cnn-v0.2.0.zip",
            "git/https%3A%2F%2Fgitlab.uni.example%2Finstitute%2Fteaching%2Fcnn.git/v0.2.0",
        ),
        (
            "https://codeberg.org/somebody/cnn",
            "gitea",
            "https://codeberg.org/somebody/cnn/archive/v0.2.0.zip",
            "git/https%3A%2F%2Fcodeberg.org%2Fsomebody%2Fcnn.git/v0.2.0",
        ),
        (
            "https://bitbucket.org/somebody/cnn",
            "bitbucket",
            "https://bitbucket.org/somebody/cnn/get/v0.2.0.zip",
            "git/https%3A%2F%2Fbitbucket.org%2Fsomebody%2Fcnn.git/v0.2.0",
        ),
    ],
)
def test_the_archive_and_the_badges_of_each_kind_of_host(url, host, archive, badge):
    assert tool().checked(url) == (url, host)
    found = address(url, host)
    assert found.archive == archive
    text = tool().badge_text("notebooks/01_convolution.ipynb", found)
    assert f"https://mybinder.org/v2/{badge}?urlpath=lab/tree/work/notebooks/01_conv" in text
    assert ("colab.research" in text) == (host == "github"), "Colab opens GitHub's notebooks only"


def test_a_host_whose_name_does_not_tell_is_asked_for():
    url = "https://git.uni.example/institute/cnn"
    with pytest.raises(ValueError, match="which kind of git host is git.uni.example"):
        tool().checked(url)
    assert tool().checked(url, "gitlab") == tool().checked(url, " GitLab ") == (url, "gitlab")
    with pytest.raises(ValueError, match="HOST=gitlab"):
        tool().checked(url, "cvs")


def _try(course):
    return course / "notebooks" / "99_try.ipynb"


def test_a_notebook_stays_as_nbformat_writes_it(course):
    tool().write(address(), course)
    written = _try(course).read_text(encoding="utf-8")
    nbformat.write(nbformat.read(_try(course), 4), _try(course))
    assert _try(course).read_text(encoding="utf-8") == written


def test_a_damaged_notebook_is_named_and_a_foreign_one_passed_over(course):
    (course / "notebooks" / "._99_try.ipynb").write_bytes(b"\x00\x05\x16\x07")
    (course / "notebooks" / "Untitled.ipynb").write_text("")
    assert tool().stale(course) == []
    _try(course).write_text("<<<<<<< ours")
    with pytest.raises(ValueError, match="notebooks/99_try.ipynb is not a whole notebook"):
        tool().write(address(), course)


def test_a_stale_notebook_is_found(course):
    _try(course).write_text(_try(course).read_text().replace("course_utils", "else"))
    assert [path.name for path in tool().stale(course)] == ["99_try.ipynb"]


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/owner/name",
        "https://github.com/",
        "https://github.com/owner",
        "https://github.com/owner/name/tree/main",
        'https://github.com/owner/name"',
    ],
)
def test_another_address_is_refused(course, url):
    before = texts(course)
    command = [sys.executable, course / "tools" / "address.py", url]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "https://github.com/owner/name" in done.stderr and "Traceback" not in done.stderr
    assert texts(course) == before


def test_a_readme_without_markers_is_named(course):
    (course / "README.md").write_text("no markers here", encoding="utf-8")
    with pytest.raises(ValueError, match="README.md needs the markers"):
        tool().write(address(), course)


# --- The set-up cell, away from a clone -----------------------------------------------------------

ENVIRONMENT = """
def begin_notebook(version):
    print("version", version)
"""
RIGHT = ["version", "0.2.0"] * 2


def archive(top="some-course-0.2.0/", part="course_utils/environment.py", padding=0):
    """A course of one module, in the form of a git host's archives: one folder on top."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(f"{top}README.md", "# A course")
        file.writestr(f"{top}course_utils/__init__.py", "")
        file.writestr(f"{top}{part}", ENVIRONMENT)
        file.writestr(f"{top}data", os.urandom(padding))
    return content.getvalue()


@pytest.fixture
def server():
    """A web server on loopback that gives out `content`, in parts, and counts how often."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.paths.append(self.path)
            self.send_response(server.status)
            self.send_header("Content-Length", str(server.length or len(server.content)))
            self.end_headers()
            half = len(server.content) // 2
            self.wfile.write(server.content[:half])
            self.wfile.flush()
            server.pause.wait(server.seconds)
            self.wfile.write(server.content[half:])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.paths, server.length, server.status = archive(), [], None, 200
    server.pause, server.seconds = threading.Event(), 0
    server.address = f"http://127.0.0.1:{server.server_port}/somebody/some-course"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.pause.set()
    server.shutdown()
    server.server_close()


def cell_for(url, timeout=20, drive="/content/drive"):
    """The set-up cell with an address, another patience, and another place for the drive."""
    cell = tool().set_up_cell(address(url, "github" if url else ""))
    assert "timeout=20" in cell and '"/content/drive"' in cell
    return cell.replace("timeout=20", f"timeout={timeout}").replace("/content/drive", str(drive))


TWICE = (
    "import sys; cell = sys.stdin.read(); exec(cell); exec(cell); "
    "assert sys.path.count(str(course)) == 1"
)
ALONE = {"PATH": "", "no_proxy": "*", "PYTHONUTF8": "1"}


def run_cell(folder, cell, before="", wrap=()):
    """Run the set-up cell twice in one process, as a learner may, in some folder."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [*wrap, sys.executable, "-P", "-c", before + TWICE],
        cwd=folder,
        input=cell,
        capture_output=True,
        text=True,
        env=ALONE,
        timeout=60,
    )


def said(done):
    """What the cell stopped with: one line, and no error behind it."""
    assert done.returncode == 1 and done.stderr.count("Traceback") == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: ") and "run this cell again" in last, last
    return last


def words_of(done):
    """What the cell printed, without its progress."""
    assert done.returncode == 0, done.stderr
    return re.sub(r"\s*Fetching the course: \d+ MB ", "", done.stdout).split()


def test_the_cell_fetches_the_release_once(server, tmp_path):
    away = tmp_path / "Übung & mehr"
    for _ in range(2):  # the second is a new session in the same folder
        done = run_cell(away, cell_for(server.address))
        assert words_of(done) == RIGHT and done.stderr == ""
    assert server.paths == ["/somebody/some-course/archive/v0.2.0.zip"]
    assert [path.name for path in away.iterdir()] == ["course"]
    assert (away / "course" / "README.md").exists()


def test_what_takes_long_tells_how_far_it_is(server, tmp_path):
    server.content, server.seconds = archive(padding=3_000_000), 1
    done = run_cell(tmp_path / "away", cell_for(server.address))
    assert re.findall(r"Fetching the course: (\d) MB", done.stdout)[-1] == "3"


@pytest.mark.parametrize("place", ["beside", "above", "drive", "folder on the drive"])
def test_the_cell_unpacks_a_course_zip(tmp_path, place):
    away, drive = tmp_path / "content" / "week 1", tmp_path / "drive"
    away.mkdir(parents=True)
    folder = {
        "beside": away,
        "above": away.parent,
        "drive": drive / "MyDrive",
        "folder on the drive": drive / "MyDrive" / "Übungen",
    }[place]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "course.zip").write_bytes(archive("course/"))
    assert words_of(run_cell(away, cell_for("", drive=drive))) == RIGHT
    assert (away / "course" / "course_utils").is_dir()


@pytest.mark.parametrize("place", ["beside", "above", "in course", "on the drive"])
def test_the_cell_finds_the_course(tmp_path, place):
    away, drive = tmp_path / "content" / "notebooks", tmp_path / "drive"
    away.mkdir(parents=True)
    folder = {
        "beside": away,
        "above": tmp_path,
        "in course": away / "course",
        "on the drive": drive / "MyDrive" / "cnn",
    }[place]
    (folder / "course_utils").mkdir(parents=True)
    (folder / "course_utils" / "environment.py").write_text(ENVIRONMENT)
    before = sorted(tmp_path.rglob("*"))
    assert words_of(run_cell(away, cell_for("", drive=drive))) == RIGHT
    assert [
        path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in str(path)
    ] == before


def test_an_archive_without_a_folder_on_top_will_do(server, tmp_path):
    server.content = archive(top="")
    assert words_of(run_cell(tmp_path / "away", cell_for(server.address))) == RIGHT
    assert [path.name for path in (tmp_path / "away").iterdir()] == ["course"]


# What is wrong: how it is brought about, what the cell says, and what it says to do.
BROKEN = {
    "cut": ("not a zip file", "whole and open to you"),
    "broken off": ("", "whole and open to you"),
    "a page": ("not a zip file", "whole and open to you"),
    "another archive": ("no course", "whole and open to you"),
    "not found": ("404", "it takes a network, http"),
    "stalled": ("timed out", "it takes a network"),
    "no network": ("refused", "it takes a network"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_fetch_that_fails_is_a_sentence_and_leaves_nothing(server, tmp_path, kind):
    whole, away, url = server.content, tmp_path / "away", server.address
    if kind == "cut":
        server.content = whole[: len(whole) // 2]
    elif kind == "broken off":
        server.content, server.length = whole[: len(whole) // 2], len(whole)
    elif kind == "a page":
        server.content = b"<html>Sign in</html>"
    elif kind == "another archive":
        server.content = archive(part="something/else.py")
    elif kind == "not found":
        server.status = 404
    elif kind == "stalled":
        server.seconds = 30
    else:
        url = "http://127.0.0.1:9/somebody/some-course"
    line = said(run_cell(away, cell_for(url, timeout=1)))
    assert all(words in line for words in BROKEN[kind]), line
    assert list(away.iterdir()) == []

    server.content, server.length, server.status, server.seconds = whole, None, 200, 0
    assert words_of(run_cell(away, cell_for(server.address))) == RIGHT, "the next run mends it"


@pytest.mark.parametrize("kind", ["folder", "file", "empty folder"])
def test_something_else_called_course_is_left_alone(server, tmp_path, kind):
    away = tmp_path / "away"
    away.mkdir()
    if kind == "file":
        (away / "course").write_text("my notes")
    else:
        (away / "course").mkdir()
        if kind == "folder":
            (away / "course" / "notes.txt").write_text("my notes")
    before = {path: path.is_file() and path.read_text() for path in away.rglob("*")}
    line = said(run_cell(away, cell_for(server.address)))
    assert f"{away / 'course'} is in the way" in line and "give it another name" in line
    assert {path: path.is_file() and path.read_text() for path in away.rglob("*")} == before
    assert server.paths == [], "and nothing was fetched in vain"


@pytest.mark.parametrize("content", [b"half a z", archive(part="something/else.py")])
def test_a_course_zip_that_is_none(tmp_path, content):
    away = tmp_path / "away"
    away.mkdir()
    (away / "course.zip").write_bytes(content)
    line = said(run_cell(away, cell_for("")))
    assert "course.zip whole" in line
    assert [path.name for path in away.iterdir()] == ["course.zip"]


def test_no_course_and_no_address(tmp_path):
    line = said(run_cell(tmp_path / "away", cell_for("")))
    assert "no course in" in line and "no address yet" in line
    assert "put course.zip beside it" in line


def test_a_folder_that_takes_no_new_files(server, tmp_path, bubblewrap):
    away = tmp_path / "away"
    away.mkdir()
    sandbox = [bubblewrap, "--dev-bind", "/", "/", "--ro-bind", away, away, "--chdir", away]
    line = said(run_cell(away, cell_for(server.address), wrap=sandbox))
    assert "Read-only file system" in line and "to write in" in line
    assert server.paths == []


def test_a_full_disk(server, tmp_path, bubblewrap):
    server.content, away = archive(padding=3_000_000), tmp_path / "away"
    away.mkdir()
    size = ["--size", "1000000", "--tmpfs", away]
    sandbox = [bubblewrap, "--dev-bind", "/", "/", *size, "--chdir", away]
    before = f"import atexit, os; atexit.register(lambda: print(os.listdir({str(away)!r}))); "
    done = run_cell(away, cell_for(server.address), before, wrap=sandbox)
    assert "No space left" in said(done) and "100 MB to write in" in said(done)
    assert done.stdout.splitlines()[-1].endswith("[]"), "nothing half done was left"


def test_an_interrupted_fetch_leaves_nothing(server, tmp_path):
    server.seconds, away = 60, tmp_path / "away"
    away.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-P", "-c", TWICE],
        cwd=away,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ALONE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    running.stdin.write(cell_for(server.address))
    running.stdin.close()
    while not server.paths:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    running.wait(timeout=30)
    assert "KeyboardInterrupt" in running.stderr.read()
    assert list(away.iterdir()) == []


def test_an_older_course_says_what_to_do(tmp_path):
    package = tmp_path / "course" / "course_utils"
    shutil.copytree(ROOT / "course_utils", package, ignore=shutil.ignore_patterns("__pycache__"))
    text = (package / "__init__.py").read_text(encoding="utf-8")
    (package / "__init__.py").write_text(text.replace(f'"{_version()}"', '"0.0.9"'))
    line = said(run_cell(tmp_path, cell_for("")))
    assert "course is version 0.0.9" in line and "this notebook of 0.2.0" in line
    assert "give that folder another name" in line and "restart the kernel" in line


def _version():
    return tool().present_address().version


@pytest.mark.parametrize("form", ["a module", "a package"])
def test_another_course_utils_was_imported(tmp_path, form):
    (tmp_path / "course_utils").mkdir()
    (tmp_path / "course_utils" / "environment.py").write_text(ENVIRONMENT)
    other = tmp_path / "site" / ("course_utils.py" if form == "a module" else "course_utils")
    other.parent.mkdir()
    if form == "a package":
        other.mkdir()
        (other / "__init__.py").touch()
    else:
        other.touch()
    before = f"import sys; sys.path.insert(0, {str(other.parent)!r}); import course_utils; "
    line = said(run_cell(tmp_path / "week 1", cell_for(""), before))
    assert "another or older course_utils here: restart the kernel" in line


def test_a_course_from_before_this_cell_is_no_riddle(tmp_path):
    (tmp_path / "course_utils").mkdir()
    (tmp_path / "course_utils" / "environment.py").write_text("def begin(version): pass\n")
    line = said(run_cell(tmp_path, cell_for("")))
    assert str(tmp_path) in line and "another or older course_utils here" in line


def test_the_cell_of_an_exercise_brings_its_checks():
    cell = tool().set_up_cell(address(), exercise="ex01_convolution")
    assert cell.endswith('\ncheck = begin_exercise(VERSION, "ex01_convolution")')
    assert "begin_notebook" not in cell and "TensorFlow" not in cell
    assert re.search(r"import .*\bbegin_exercise\b", cell) and "# Finds the course" in cell


def test_the_cell_is_folded_and_of_the_standard_library():
    lines = (ROOT / "tools" / "set_up_cell.py").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# @title ") and lines[0].endswith('{ display-mode: "form" }')
    assert len(lines) <= LONGEST and max(map(len, lines)) <= 100
    assert len(tool().set_up_cell(address(), exercise="ex01").splitlines()) <= LONGEST
    names = re.findall(r"^\s*(?:import|from) (\w+)", "\n".join(lines), re.MULTILINE)
    assert set(names) - {"course_utils"} <= sys.stdlib_module_names
    assert "pip" not in "".join(lines)


def test_no_cell_is_longer_than_a_screen():
    """The set-up cell, too: it is folded, but the first that a beginner unfolds."""
    mark = "# NBVAL_CHECK_OUTPUT\n"
    lengths = {
        (path.stem, cell["id"]): len("".join(cell["source"]).removeprefix(mark).splitlines())
        for path in tool().notebooks()
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
    assert statistics.median(lengths.values()) <= 6
