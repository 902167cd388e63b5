"""The sandbox refuses where there is none, and says how it would be started elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from handed_in import answered, in_bytes

from grading import running, sandbox

ROOT = Path(__file__).parents[1]


@pytest.fixture
def no_bubblewrap(monkeypatch):
    monkeypatch.setattr(sandbox, "trouble_with_bubblewrap", lambda: "bubblewrap is not installed")


def test_without_a_sandbox_it_refuses(no_bubblewrap):
    with pytest.raises(sandbox.NoSandbox, match="apt-get install bubblewrap") as caught:
        sandbox.find()
    assert "--unsafe-no-sandbox" in str(caught.value) and "--image" in str(caught.value)
    assert isinstance(sandbox.find(unsafe=True), sandbox.Unsafe)


def test_the_command_line_refuses_before_it_does_anything(tmp_path):
    """On a machine whose path has no bwrap on it."""
    path = tmp_path / "submissions" / "jane.ipynb"
    path.parent.mkdir()
    path.write_bytes(in_bytes(answered()))
    words = [sys.executable, "-m", "grading", "grade", "ex02", path.parent]
    words += ["--folder", tmp_path / "graded"]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("grading: bubblewrap is not installed. Submissions are run in a")
    assert "Traceback" not in done.stderr and not (tmp_path / "graded").exists()


def test_in_so_many_words_it_runs_without(tmp_path):
    path = tmp_path / "submissions" / "jane.ipynb"
    path.parent.mkdir()
    path.write_bytes(in_bytes(answered()))
    words = [sys.executable, "-m", "grading", "grade", "ex02", path.parent, "--unsafe-no-sandbox"]
    words += ["--folder", tmp_path / "graded"]
    where = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PATH": where}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 1: jane, 16 of 16 points" in done.stdout
    assert "with your rights" in done.stderr


def test_a_container_engine_gets_every_limit(monkeypatch):
    monkeypatch.setattr(
        shutil, "which", lambda name: f"/usr/bin/{name}" if name == "podman" else None
    )
    box = sandbox.find(image="course:latest")
    command = box.command()
    assert command[:2] == ["/usr/bin/podman", "run"]
    for word in ("--network=none", "--read-only", "--cap-drop=ALL", "--user=65534:65534",
                 "--security-opt=no-new-privileges", "--memory=4000m", "--rm"):  # fmt: skip
        assert word in command
    volumes = [word for word in command if word.startswith("--volume=")]
    assert len(volumes) == 4 and all(word.endswith(":ro") for word in volumes)
    assert not any("source" in word or "tests" in word for word in volumes)
    assert command[-4:] == ["course:latest", "python", "-B", sandbox.RUNNER]
    killed = []
    monkeypatch.setattr(subprocess, "run", lambda words, **options: killed.append(words))
    box.stop()
    assert killed == [["/usr/bin/podman", "kill", box.running]]
    assert f"--name={box.running}" in command and f"--name={box.running}" not in box.command()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(sandbox.NoSandbox, match="neither docker nor podman"):
        sandbox.find(image="course:latest")


def test_bubblewrap_shows_nothing_but_what_a_notebook_needs():
    command = sandbox.Bubblewrap().command()
    shown = [command[place + 2] for place, word in enumerate(command) if word == "--ro-bind"]
    assert {"/course/course_utils", "/course/data", "/course/exercises/release"} < set(shown)
    assert sandbox.RUNNER in shown
    assert not any(place.endswith(("source", "tests", ".git")) for place in shown)
    assert "--unshare-net" in command and "--clearenv" in command
    assert not any(word.startswith("--bind") for word in command), "nothing outside is writable"


def code(cell_id, source):
    return {"cell_type": "code", "id": cell_id, "source": source, "metadata": {}}


def test_the_box_of_a_grader_that_is_not_root(bubblewrap):
    """There the box has a namespace of users, in which nobody is anybody outside."""
    box = sandbox.Bubblewrap()
    box.user = None
    assert "--unshare-user" in box.command() and "--cap-add" not in box.command()
    cells = [
        code("home", "import os\nopen('mine', 'w').write('x')\nnumber = 3"),
        code("outside", "open('/course/data/was_here', 'w')"),
        code("bomb", "while True:\n    try: os.fork()\n    except OSError: pass"),
        code("answer", "def double(x): return number * x"),
    ]
    asked = {"double": {"probe": "call", "cases": [{"x": 2}]}}
    ran = running.run({"cells": cells}, asked, running.Limits(seconds=4), box)
    assert ran.answers == {"double": [{"value": 6}]}
    assert list(ran.lost_cells) == ["bomb"] and ran.lost == {}
    outputs = {cell["id"]: cell["outputs"] for cell in ran.notebook["cells"]}
    assert outputs["home"] == [] and outputs["outside"][0]["ename"] == "OSError"


def test_a_runner_that_does_not_start_is_no_endless_wait():
    class Broken(sandbox.Box):
        def command(self):
            return [sys.executable, "-c", "raise SystemExit(3)"]

    cell = {"cell_type": "code", "id": "a", "source": "", "metadata": {}}
    ran = running.run({"cells": [cell]}, {"q": {"probe": "call", "cases": [{}]}}, box=Broken())
    assert ran.lost == {"q": "crashed"} and ran.answers == {} and ran.notebook is None


def test_a_process_that_talks_without_end_is_cut_off(monkeypatch):
    class Talker(sandbox.Box):
        def command(self):
            return [sys.executable, "-c", "while True: print('x' * 100_000)"]

    monkeypatch.setattr(running, "MOST_REPLIES", 3_000_000)
    ran = running.run({"cells": []}, {"q": {"probe": "call", "cases": [{}]}}, box=Talker())
    assert ran.lost == {"q": "crashed"}


def test_a_process_that_does_not_read_is_not_waited_for(monkeypatch):
    class Deaf(sandbox.Box):
        def command(self):
            return [sys.executable, "-c", "import time; time.sleep(1000)"]

    monkeypatch.setattr(running, "STARTING", 1)
    cells = [code("long", "x = 1\n" * 1_000_000)]  # far more than a pipe holds
    ran = running.run({"cells": cells}, {"q": {"probe": "call", "cases": [{}]}}, box=Deaf())
    assert ran.lost == {"q": "timed out"}


def test_a_cell_and_a_question_of_one_name_are_two_things(monkeypatch):
    """What is lost in an answer does not take the cell away that others call."""
    cells = [
        code("half", "import os\ndef half(x):\n    return os._exit(0) if x == 13 else x / 2"),
        code("quarter", "def quarter(x): return half(half(x))"),
    ]
    asked = {
        "half": {"probe": "call", "cases": [{"x": 13}]},
        "quarter": {"probe": "call", "cases": [{"x": 8}]},
    }
    ran = running.run({"cells": cells}, asked, box=sandbox.find(unsafe=True))
    assert ran.lost == {"half": "crashed"} and ran.lost_cells == {}
    assert ran.answers == {"quarter": [{"value": 2.0}]}


@pytest.mark.parametrize("line", ["[1]", "no json", '{"notebook": 7}', "[" * 5000, '{"cell": []}'])
def test_nonsense_on_the_line_is_data(line):
    class Liar(sandbox.Box):
        def command(self):
            code = f"print({line!r}, flush=True); print({json.dumps({'question': 'q'})!r})"
            return [sys.executable, "-c", code]

    ran = running.run({"cells": []}, {"q": {"probe": "call", "cases": [{}]}}, box=Liar())
    assert ran.answers in ({}, {"q": None})
