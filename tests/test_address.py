"""The course's address: one place, and everything else equal to it; and the cell that uses it."""

import functools
import importlib.util
import io
import json
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
URL = "https://github.com/somebody/some-course"


@functools.cache
def tool():
    """tools/address.py as a module."""
    spec = importlib.util.spec_from_file_location("address", ROOT / "tools" / "address.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    """Every file's bytes by name."""
    return {path: path.read_bytes() for path in sorted(course.rglob("*")) if path.is_file()}


def test_everything_carries_the_address_of_pyproject():
    assert tool().stale() == []


def test_every_notebook_has_both_cells():
    assert tool().notebooks(), "no notebooks found"
    for path in tool().notebooks():
        kinds = {cell["id"]: cell["cell_type"] for cell in json.loads(path.read_text())["cells"]}
        assert kinds.get("badges") == "markdown" and kinds.get("set-up") == "code", path.name


def test_setting_and_unsetting_the_address(course):
    tool().write("", course)
    before = texts(course)

    tool().write(URL + ".git/", course)
    assert tool().present_address(course) == URL
    assert tool().stale(course) == []
    cells = {cell.id: cell.source for cell in nbformat.read(_try(course), 4).cells}
    assert f'ADDRESS = "{URL}"\n' in cells["set-up"]
    assert "blob/HEAD/notebooks/99_try.ipynb)" in cells["badges"]
    assert cells["badges"].count("[![Open in ") == 2
    assert cells["other"] == "old, wie Öl"
    assert f'Repository = "{URL}"' in (course / "pyproject.toml").read_text(encoding="utf-8")
    assert "github/somebody/some-course/blob" in (course / "README.md").read_text(encoding="utf-8")
    assert tool().write(URL, course) == [], "the second time changes nothing"

    tool().write("", course)
    assert texts(course) == before, "unsetting gives the very bytes back"


def _try(course):
    return course / "notebooks" / "99_try.ipynb"


def test_a_notebook_stays_as_nbformat_writes_it(course):
    tool().write(URL, course)
    written = _try(course).read_text(encoding="utf-8")
    nbformat.write(nbformat.read(_try(course), 4), _try(course))
    assert _try(course).read_text(encoding="utf-8") == written


def test_a_stale_notebook_is_found(course):
    _try(course).write_text(_try(course).read_text().replace("course_utils", "else"))
    assert [path.name for path in tool().stale(course)] == ["99_try.ipynb"]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/owner/name",
        "http://github.com/owner/name",
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
        tool().write(URL, course)


# --- The set-up cell, away from a clone -----------------------------------------------------------


def archive():
    """A course of one module, in the form of GitHub's archives: one folder on top."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("some-course-HEAD/README.md", "# A course")
        file.writestr("some-course-HEAD/course_utils/__init__.py", "")
        file.writestr(
            "some-course-HEAD/course_utils/environment.py",
            "def quiet_tensorflow():\n    print('quiet')\n",
        )
    return content.getvalue()


@pytest.fixture
def server():
    """A web server on loopback that gives out `content`, and counts how often."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(server.length or len(server.content)))
            self.end_headers()
            self.wfile.write(server.content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.paths, server.length = archive(), [], None
    server.address = f"http://127.0.0.1:{server.server_port}/somebody/some-course"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def run_cell(folder, address):
    """Run the set-up cell twice in one process, as a learner may, in some folder."""
    folder.mkdir(exist_ok=True)
    cell = tool().set_up_cell(address)
    twice = "import sys; cell = sys.stdin.read(); exec(cell); exec(cell)"
    twice += "; print(sys.path.count(str(course)))"
    return subprocess.run(
        [sys.executable, "-P", "-c", twice],
        cwd=folder,
        input=cell,
        capture_output=True,
        text=True,
        env={"PATH": "", "no_proxy": "*", "PYTHONUTF8": "1"},
    )


def test_the_cell_fetches_the_course_once(server, tmp_path):
    away = tmp_path / "Übung & mehr"
    for _ in range(2):  # the second is a new session in the same folder
        done = run_cell(away, server.address)
        assert done.stdout.split() == ["quiet", "quiet", "1"], done.stderr
        assert done.stderr == ""
    assert server.paths == ["/somebody/some-course/archive/HEAD.zip"]
    assert [path.name for path in away.iterdir()] == ["course"]
    assert (away / "course" / "README.md").exists()


@pytest.mark.parametrize("kind", ["cut", "broken off", "not a zip"])
def test_a_damaged_archive_leaves_nothing(server, tmp_path, kind):
    whole, away = server.content, tmp_path / "away"
    if kind == "not a zip":
        server.content = b"<html>Not found</html>"
    else:
        server.content = whole[: len(whole) // 2]
        server.length = len(whole) if kind == "broken off" else None
    done = run_cell(away, server.address)
    last = done.stderr.strip().splitlines()[-1]
    assert "Could not fetch the course from" in last and "run this cell again" in last
    assert done.stderr.count("Traceback") == 1
    assert list(away.iterdir()) == []

    server.content, server.length = whole, None
    assert run_cell(away, server.address).returncode == 0


def test_the_cell_without_network_says_so(tmp_path):
    done = run_cell(tmp_path / "away", "http://127.0.0.1:9/somebody/some-course")
    last = done.stderr.strip().splitlines()[-1]
    assert "Could not fetch the course" in last and "check the network" in last
    assert list((tmp_path / "away").iterdir()) == []


def test_the_cell_without_address_says_what_is_missing(tmp_path):
    done = run_cell(tmp_path / "away", "")
    last = done.stderr.strip().splitlines()[-1]
    assert "RuntimeError: No course_utils in" in last
    assert "no public address yet" in last and "clone" in last and "instructor" in last


def test_the_cell_finds_the_course_above_the_notebook(tmp_path):
    package = tmp_path / "course_utils"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "environment.py").write_text("def quiet_tensorflow(): print('quiet')")
    done = run_cell(tmp_path / "notebooks", "")
    assert done.stdout.split() == ["quiet", "quiet", "1"], done.stderr
    assert list((tmp_path / "notebooks").iterdir()) == []


def test_the_cell_is_short_and_of_the_standard_library():
    lines = (ROOT / "tools" / "set_up_cell.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 30
    names = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import", "from"))}
    assert names - {"course_utils"} <= sys.stdlib_module_names
    assert "pip" not in "".join(lines)
