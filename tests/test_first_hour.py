"""What goes wrong in somebody's first hour, and that each time a sentence says what to do.

The set-up, the copies and the set-up cell have files of their own (`test_set_up`, `test_work`,
`test_address`): no network, a full disk, a folder that cannot be written, a notebook copied to
Downloads. Here: cells in the wrong order, a restart in the middle, a renamed notebook, two
JupyterLabs, a path with spaces.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import lab as lab_tools
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("reminder", ROOT / "tools" / "reminder.py")
TOOL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TOOL)


def ran(*cells, folder):
    """Run cells in a kernel that was just started; give the outputs of the last as one text."""
    import nbclient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    nbclient.NotebookClient(
        notebook,
        timeout=600,
        startup_timeout=600,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return "\n".join(
        "".join(output.get("traceback", [])) + output.get("text", "")
        for output in notebook.cells[-1].outputs
    )


LOAD = f"""import sys; sys.path.insert(0, {str(ROOT / "tools")!r})
get_ipython().run_line_magic("load_ext", "reminder")"""


@pytest.mark.parametrize("cell", ["from course_utils import data", "print(images.shape)"])
def test_a_middle_cell_after_a_restart_says_what_to_run(cell):
    said = ran(LOAD, cell, folder=ROOT / "notebooks")
    assert TOOL.WORDS in said and ("course_utils" in said or "'images' is not defined" in said)


def test_in_other_notebooks_nobody_is_reminded(tmp_path):
    assert TOOL.WORDS not in ran(LOAD, "print(images.shape)", folder=tmp_path)
    assert TOOL.WORDS not in ran(LOAD, "1 / 0", folder=ROOT / "notebooks")


def test_who_has_run_the_set_up_cell_is_not_reminded():
    here = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import course_utils"
    assert TOOL.WORDS not in ran(LOAD, here, "print(images.shape)", folder=ROOT / "notebooks")


def test_the_reminder_lies_in_an_environment_of_its_own(tmp_path):
    packages, prefix = tmp_path / "packages", tmp_path / "prefix"
    packages.mkdir()
    (prefix / "etc" / "ipython").mkdir(parents=True)
    config = prefix / "etc" / "ipython" / "ipython_kernel_config.py"
    config.write_text("c.Own.setting = True\n")
    for _ in range(2):
        TOOL.lie_down(prefix, packages)
    assert (packages / f"{TOOL.NAME}.py").read_bytes() == Path(TOOL.__file__).read_bytes()
    assert config.read_text() == "c.Own.setting = True\n" + TOOL.CONFIG, "once, and what was there"


def test_a_systems_python_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(TOOL, "lie_down", lambda *_: pytest.fail("it was changed"))
    monkeypatch.setattr(TOOL.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(TOOL.sys, "base_prefix", str(tmp_path))
    assert TOOL.main() == 0


def test_an_environment_that_cannot_be_written_goes_without(monkeypatch):
    def refuse(*_):
        raise OSError("Read-only file system")

    monkeypatch.setattr(TOOL, "lie_down", refuse)
    assert TOOL.main() == 0


def test_it_says_nothing_where_a_cell_was_interrupted_or_never_ran(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for error in (None, KeyboardInterrupt(), ValueError("x")):
        TOOL.remind(SimpleNamespace(error_in_exec=error))
    assert capsys.readouterr() == ("", "")


def test_a_notebook_without_a_set_up_cell_is_not_reminded_of_it(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.delitem(sys.modules, "course_utils", raising=False)
    failed = SimpleNamespace(error_in_exec=NameError("images"))
    mine = tmp_path / "mine.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("images")]), mine)
    for path, speaks in (
        (mine, False),
        (ROOT / "notebooks" / "04_lenet.ipynb", True),
        (tmp_path / "renamed since.ipynb", True),
    ):
        monkeypatch.setenv("JPY_SESSION_NAME", str(path))
        TOOL.remind(failed)
        assert (TOOL.WORDS in capsys.readouterr().err) == speaks, path


def test_a_notebook_may_have_any_name_and_lie_in_a_folder_below(course_copy):
    """The set-up cell finds the course above, whatever the notebook is called."""
    course = course_copy("notebooks/00_start_here.ipynb", "course_utils", "pyproject.toml")
    below = course / "my week 1"
    below.mkdir()
    shutil.move(course / "notebooks" / "00_start_here.ipynb", below / "Kopie von 00 (1).ipynb")
    cells = json.loads((below / "Kopie von 00 (1).ipynb").read_text(encoding="utf-8"))["cells"]
    (source,) = ["".join(cell["source"]) for cell in cells if cell["id"] == "set-up"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", source + "\nprint(course)"],
        cwd=below,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(course), done.stderr


def test_two_jupyterlabs_at_once_have_an_address_each(tmp_path, course_copy, learner_environment):
    """`make lab` in two terminals: both answer, and neither disturbs the other's copies."""
    if not (ROOT / ".venv" / "course.json").exists():
        pytest.skip("this test needs the course's own .venv: run it with make test")
    needed = ("Makefile", "pyproject.toml", "requirements.lock", "tools", "course_utils", "data")
    course = course_copy(*needed, "notebooks/00_start_here.ipynb")
    (course / ".venv").symlink_to(ROOT / ".venv")

    def served(name):
        place = tmp_path / name
        place.mkdir()
        return lab_tools.serving(
            lambda options: ["make", "lab", f"LAB_ARGS={' '.join(options)}"],
            folder=course,
            settings=place,
            env=learner_environment,
        )

    with served("first") as first, served("second") as second:
        assert first != second
        for address in (first, second):
            path = f"{address}/api/contents/work/notebooks/00_start_here.ipynb?content=0"
            assert json.load(urllib.request.urlopen(path, timeout=60))["type"] == "notebook"
    assert "Traceback" not in (tmp_path / "second" / "lab.log").read_text(encoding="utf-8")
