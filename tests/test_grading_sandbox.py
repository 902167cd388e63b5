"""The sandbox refuses where there is none, and says how it would be started elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from handed_in import answered, in_bytes

from grading import sandbox, supervisor

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
    assert killed == [["/usr/bin/podman", "kill", box.name]]
    assert f"--name={box.name}" in command and f"--name={box.name}" not in box.command()
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
    ran = supervisor.run({"cells": cells}, asked, supervisor.Limits(seconds=4), box)
    assert ran.answers == {"double": [{"value": 6}]}
    assert list(ran.lost_cells) == ["bomb"] and ran.lost == {}
    assert ran.outputs["home"] == [] and ran.outputs["outside"][0]["ename"] == "OSError"


def test_a_runner_that_does_not_start_is_no_endless_wait():
    class Broken(sandbox.Box):
        def command(self):
            return [sys.executable, "-c", "raise SystemExit(3)"]

    cell = {"cell_type": "code", "id": "a", "source": "", "metadata": {}}
    ran = supervisor.run({"cells": [cell]}, {"q": {"probe": "call", "cases": [{}]}}, box=Broken())
    assert ran.lost == {"q": "crashed"} and ran.answers == {} == ran.outputs


def test_a_process_that_talks_without_end_is_cut_off(monkeypatch):
    class Talker(sandbox.Box):
        def command(self):
            return [sys.executable, "-c", "while True: print('x' * 100_000)"]

    monkeypatch.setattr(supervisor, "MOST_REPLIES", 3_000_000)
    ran = supervisor.run({"cells": []}, {"q": {"probe": "call", "cases": [{}]}}, box=Talker())
    assert ran.lost == {"q": "crashed"}


def test_a_process_that_does_not_read_is_not_waited_for(monkeypatch):
    class Deaf(sandbox.Box):
        def command(self):
            return [sys.executable, "-c", "import time; time.sleep(1000)"]

    monkeypatch.setattr(supervisor, "STARTING", 1)
    cells = [code("long", "x = 1\n" * 1_000_000)]  # far more than a pipe holds
    ran = supervisor.run({"cells": cells}, {"q": {"probe": "call", "cases": [{}]}}, box=Deaf())
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
    ran = supervisor.run({"cells": cells}, asked, box=sandbox.find(unsafe=True))
    assert ran.lost == {"half": "crashed"} and ran.lost_cells == {}
    assert ran.answers == {"quarter": [{"value": 2.0}]}


@pytest.mark.parametrize("line", ["[1]", "no json", '{"notebook": 7}', "[" * 5000, '{"cell": []}'])
def test_nonsense_on_the_line_is_data(line):
    class Liar(sandbox.Box):
        def command(self):
            code = f"print({line!r}, flush=True); print({json.dumps({'question': 'q'})!r})"
            return [sys.executable, "-c", code]

    ran = supervisor.run({"cells": []}, {"q": {"probe": "call", "cases": [{}]}}, box=Liar())
    assert ran.answers in ({}, {"q": None})


def asked(**questions):
    """Requests for functions, each with its cases."""
    return {name: {"probe": "call", "cases": cases} for name, cases in questions.items()}


def run(cells, questions, **options):
    """Run some cells without a sandbox: code of our own."""
    box = sandbox.find(unsafe=True)
    return supervisor.run({"cells": cells}, questions, box=box, **options)


def test_want_of_memory_in_one_cell_costs_no_other_question():
    cells = [
        code("large", "import numpy as np\ndef large(n): return float(np.ones(n).sum())"),
        code("plot", "hog = []\nwhile True: hog.append(np.ones(2_000_000))"),
    ]
    limits = supervisor.Limits(memory=600)
    ran = run(cells, asked(large=[{"n": 10_000_000}]), limits=limits)
    assert ran.answers == {"large": [{"value": 1e7}]} and ran.lost_cells == ran.lost == {}
    assert "MemoryError" in ran.outputs["plot"][-1]["ename"]


def test_want_of_memory_in_one_answer_costs_no_other_question():
    cells = [
        code("hogs", "import numpy as np\nhogs = []"),
        code("hog", "def hog():\n    while True: hogs.append(np.ones(2_000_000))"),
        code("large", "def large(n): return float(np.ones(n).sum())"),
    ]
    limits = supervisor.Limits(memory=600)
    ran = run(cells, asked(hog=[{}], large=[{"n": 10_000_000}]), limits=limits)
    assert ran.answers["hog"][0]["memory"] and ran.answers["large"] == [{"value": 1e7}]


def test_cells_of_ones_own_do_not_use_up_the_time_of_the_answers(monkeypatch):
    monkeypatch.setattr(supervisor, "SPARE", 0)
    cells = [code("double", "def double(x): return 2 * x"), code("own-1", "while True: pass")]
    ran = run(cells, asked(double=[{"x": 2}]), limits=supervisor.Limits(seconds=3))
    assert ran.answers == {"double": [{"value": 4}]} and ran.lost_cells == {}
    assert "not run" in ran.outputs["own-1"][0]["text"]


def test_who_goes_on_writing_does_not_go_on_for_ever():
    source = """import signal, sys, time
def chatter():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    frame = sys._getframe()
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    while True:
        time.sleep(0.2)
        frame.f_locals["channel"].write(hello=1)"""
    ran = run([code("chatter", source)], asked(chatter=[{}]), limits=supervisor.Limits(seconds=2))
    assert ran.lost == {"chatter": "timed out"}


def test_a_loss_behind_the_last_cell_is_nobodys():
    trap = "import os, threading\nthreading.Timer(0.2, os._exit, [0]).start()"
    cells = [code("slow", "import time\ndef slow(): time.sleep(1); return 1"), code("own-1", trap)]
    ran = run(cells, asked(slow=[{}]))
    assert ran.answers == {"slow": [{"value": 1}]} and ran.lost == ran.lost_cells == {}


def test_an_answer_counts_as_it_was_at_its_check():
    cells = [
        code("half", "def half(x): return x / 2"),
        code("half-check", "half(2)"),
        code("quarter", "def quarter(x): return half(half(x))"),
        code("quarter-check", ""),
        code("plot", "half = [half(x) for x in range(3)]\nmax = 3\ndel quarter"),
        code("late", "def late(x): ..."),
        code("late-check", ""),
        code("own-1", "def late(x): return x"),
    ]
    cases = [{"x": 8}]
    ran = run(cells, asked(half=cases, quarter=cases, late=cases))
    assert ran.answers == {
        "half": [{"value": 4}],
        "quarter": [{"value": 2}],
        "late": [{"value": None}],
    }
    assert ran.notes == {"half": "changed", "quarter": "gone"}
    assert ran.later == {"late": [{"value": 8}]}


CALLS = {
    "by_another_name": """
from course_utils.arithmetic import same_padding as mine
def NAME(size): return mine(size, 3, 1)""",
    "of_a_module": """
import course_utils.arithmetic as a
def NAME(size): return a.same_padding(size, 3, 1)""",
    "at_the_last_moment": """
def NAME(size):
    import importlib
    return importlib.import_module('course_utils.arithmetic').same_padding(size, 3, 1)""",
    "hidden_in_something": """
import functools
from course_utils import arithmetic
table = {'f': functools.partial(arithmetic.same_padding, kernel=3, stride=1)}
def NAME(size): return table['f'](size)""",
    "with_an_excuse": """
from course_utils.arithmetic import same_padding
def NAME(size):
    try: return same_padding(size, 3, 1)
    except BaseException: return (1, 1)""",
    "copied": """
import types
from course_utils.arithmetic import same_padding
names = {**same_padding.__globals__, '__name__': 'mine'}
mine = types.FunctionType(same_padding.__code__, names, 'mine', same_padding.__defaults__)
def NAME(size): return mine(size, 3, 1)""",
    "thrown_out": """
import sys
from course_utils.arithmetic import same_padding
sys.modules.pop('course_utils.arithmetic')
def NAME(size): return same_padding(size, 3, 1)""",
    "frozen": """
import gc
from course_utils.arithmetic import same_padding
gc.freeze()
def NAME(size): return same_padding(size, 3, 1)""",
}


def test_calling_the_course_is_seen():
    """Each way twice: where it is forbidden, and where something else is."""
    cells, questions, forbidden = [], {}, {}
    for way, source in CALLS.items():
        for name, module in ((way, "arithmetic"), (f"{way}_allowed", "convolution")):
            cells.append(code(name.replace("_", "-"), source.replace("NAME", name)))
            questions[name] = [{"size": 7}]
            forbidden[name] = (f"course_utils.{module}",)
    ran = run(cells, asked(**questions), forbidden=forbidden)
    assert ran.called == {way: ["course_utils.arithmetic.same_padding"] for way in CALLS}
    for way in CALLS:
        assert ran.answers[f"{way}_allowed"] == [{"value": {"tuple": [1, 1]}}]


def test_what_is_imported_while_a_question_is_asked_changes_nothing():
    """Each import makes the guard look again at what there is, its own copies among it."""
    source = """
from course_utils import convolution
def conv(n):
    import colorsys
    import numpy as np
    images, kernel = np.ones((1, n, n, 1)), np.ones((3, 3, 1, 1))
    return convolution.conv2d(images, kernel).shape
def own(n):
    from course_utils.arithmetic import output_size
    import wave
    return output_size(n, 3)"""
    forbidden = dict.fromkeys(("conv", "own"), ("course_utils.arithmetic",))
    asked_of_both = asked(conv=[{"n": 5}, {"n": 6}], own=[{"n": 5}])
    ran = run([code("conv", source)], asked_of_both, forbidden=forbidden)
    assert ran.called == {"own": ["course_utils.arithmetic.output_size"]}
    assert ran.answers["conv"] == [{"value": {"tuple": [1, n, n, 1]}} for n in (3, 4)]


def test_the_course_may_call_itself():
    source = """
import numpy as np
from course_utils import convolution
def conv(n):
    images, kernel = np.ones((1, n, n, 1)), np.ones((3, 3, 1, 1))
    return convolution.conv2d(images, kernel, padding='same').shape"""
    forbidden = {"conv": ("course_utils.arithmetic",)}
    ran = run([code("conv", source)], asked(conv=[{"n": 5}]), forbidden=forbidden)
    assert ran.called == {} and ran.answers["conv"] == [{"value": {"tuple": [1, 5, 5, 1]}}]


def test_keras_may_call_what_it_is_built_on():
    source = """
import keras
def conv(n):
    return keras.layers.Conv1D(1, 3)(keras.ops.ones((1, n, 1))).shape[1]"""
    direct = """
import tensorflow as tf
def direct(n):
    return tf.nn.conv1d(tf.ones((1, n, 1)), tf.ones((3, 1, 1)), 1, "VALID").shape[1]"""
    forbidden = dict.fromkeys(("conv", "direct"), ("tensorflow.nn",))
    cells = [code("conv", source), code("direct", direct)]
    questions = asked(conv=[{"n": 5}], direct=[{"n": 5}])
    ran = run(cells, questions, forbidden=forbidden)
    assert ran.answers["conv"] == [{"value": 3}]
    assert ran.called == {"direct": ["tensorflow.nn.conv1d"]}


def test_boxes_of_two_graders_have_users_of_their_own():
    users = {sandbox.user_of_box() for _ in range(1000)}
    low, high = sandbox.USERS
    assert len(users) > 990 and (low <= min(users) or max(users) < 65536) and max(users) < high
