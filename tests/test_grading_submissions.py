"""A class of submissions, honest, broken and hostile, with the exact points of each.

All are graded once, side by side, as an instructor does it; then each is looked at.
"""

import json
import os
import socket
import threading
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from handed_in import answered, cell_of, in_bytes, own_cell, place_of, released, solutions
from run_once import equal_boxes_once

from grading import batch, files

ROOT = Path(__file__).parents[1]
FULL = {"by_hand": 4, "output_size": 4, "same_padding": 3, "pad_same": 3, "readers": 2}
RIGHT = solutions()
SECONDS = 4


class Case(NamedTuple):
    """What a student sends, and what is expected of the grader.

    Attributes:
        content: of the file; several files are a dictionary from name to content.
        points: by question, where they are not full.
        status: by question, where it is not 'correct'.
        whole: the status of the submission.
        repairs: parts of sentences that the log of repairs must hold.
    """

    content: bytes | dict
    points: dict = {}
    status: dict = {}
    whole: str = "graded"
    repairs: tuple = ()
    file: str = "ex02.ipynb"


CASES = {}


def case(function):
    """Enter a function's case in the table, under the function's name."""
    CASES[function.__name__] = function()
    return function


def without(question, *statuses, source, **more):
    """A submission that loses one question only."""
    cell = question.replace("-", "_")
    return Case(in_bytes(answered(**{cell: source})), {question: 0}, {question: statuses}, **more)


def wrong_everywhere():
    """Answers that are all wrong, without an error."""
    return {
        "by_hand": 'by_hand = {"row": -1, "lost": -1, "same": -1, "dilated": -1}',
        "output_size": "def output_size(size, kernel, **more):\n    return -1",
        "same_padding": "def same_padding(size, kernel, stride=1):\n    return -1, -1",
        "pad_same": "def pad_same(images, **more):\n    return images * 0 - 1",
        "readers": "def readers(size, **more):\n    return np.zeros(size) - 1",
    }


NOTHING = dict.fromkeys(FULL, 0)


def cheating(source):
    """Wrong answers, and a cell of the student's own that tries to make them count."""
    notebook = answered(**wrong_everywhere())
    notebook["cells"].insert(place_of(notebook, "by-hand-text"), own_cell(source))
    return Case(in_bytes(notebook), NOTHING, dict.fromkeys(FULL, ("wrong", "crashed")))


def curious(source):
    """Right answers, and a cell of the student's own that goes where it should not."""
    notebook = answered()
    notebook["cells"].insert(place_of(notebook, "by-hand-text"), own_cell(source))
    return Case(in_bytes(notebook))


# --- Honest ---------------------------------------------------------------------------------------


@case
def correct():
    return Case(in_bytes(answered()))


@case
def correct_in_other_words():
    changes = {
        "output_size": """import math
def output_size(size, kernel, stride=1, before=0, after=0, dilation=1):
    taps = range(0, dilation * kernel, dilation)
    starts = range(0, size + before + after - max(taps), stride)
    return np.int64(len(starts))""",
        "same_padding": """def same_padding(size, kernel, stride=1):
    zeros = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
    return [zeros // 2, np.int32(zeros - zeros // 2)]""",
        "readers": """def readers(size, kernel, padding=0):
    row = np.pad(np.ones(size, "float32"), padding)
    windows = len(row) - kernel + 1
    return [int(sum(s <= p < s + kernel for s in range(windows)))
            for p in range(padding, padding + size)]""",
    }
    return Case(in_bytes(answered(**changes)))


@case
def partly_wrong():
    size = "def output_size(size, kernel, stride=1, before=0, after=0, dilation=1):\n"
    changes = {
        "by_hand": 'by_hand = {"row": 6, "lost": 2, "same": 20, "dilated": "8"}',
        "output_size": size + "    return (size + before + after - kernel) // stride + 1",
        "readers": "def readers(size, kernel, padding=0):\n    return np.full(size, kernel)",
    }
    return Case(
        in_bytes(answered(**changes)),
        {"by_hand": 1, "output_size": 3, "readers": 0},
        {"by_hand": "partly correct", "output_size": "partly correct", "readers": "wrong"},
    )


@case
def warnings_and_logs():
    noise = (
        "import warnings, os, sys\nwarnings.warn('old')\n"
        "print('W0000 computation placer already registered', file=sys.stderr)\n"
        "os.write(2, b'E0000 cuInit: UNKNOWN ERROR (303)')\nos.write(1, b'more')\n"
    )
    answers = {"by_hand": noise + RIGHT["by-hand"], "readers": noise + RIGHT["readers"]}
    return Case(in_bytes(answered(**answers)))


@case
def magics_above_an_answer():
    """What stands above an answer at home or on Colab does not keep it from being defined."""
    magics = ("%matplotlib inline", "%matplotlib notebook", "%tensorflow_version 2.x",
              "%load_ext autoreload", "%config InlineBackend.figure_format = 'retina'",
              "!pip install --quiet nothing", "%%time")  # fmt: skip
    source = "\n".join([magics[-1], *magics[:-1], RIGHT["readers"]])
    return Case(in_bytes(answered(readers=source)))


@case
def untouched():
    return Case(in_bytes(released()), NOTHING, dict.fromkeys(FULL, "untouched"), "untouched")


@case
def answer_in_a_cell_of_their_own():
    notebook = answered()
    cell_of(notebook, "readers")["source"] = cell_of(released(), "readers")["source"]
    notebook["cells"].insert(place_of(notebook, "readers") + 1, own_cell(RIGHT["readers"]))
    return Case(in_bytes(notebook))


@case
def answer_that_raises():
    return without("readers", "crashed", source="def readers(**more):\n    return 1 / 0")


@case
def answer_with_a_typing_mistake():
    return without("readers", "crashed", source="def readers(size, kernel:\n    pass")


# --- What goes wrong with files -------------------------------------------------------------------


@case
def copy_of():
    return Case(in_bytes(answered()), file="Copy of ex02_output_size.ipynb")


@case
def two_files():
    older = in_bytes(answered(**wrong_everywhere()))
    return Case({"ex02.ipynb": older, "ex02 (1).ipynb": in_bytes(answered())})


@case
def empty():
    return Case(b"", NOTHING, whole="unreadable")


@case
def not_json():
    return Case(b"%PDF-1.7 my notebook", NOTHING, whole="unreadable")


@case
def json_but_no_notebook():
    return Case(b'{"cells": 3}', NOTHING, whole="unreadable")


@case
def nested_for_ever():
    return Case(b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", NOTHING, whole="unreadable")


@case
def a_script():
    text = "\n\n".join(RIGHT.values()).encode()
    return Case(text, NOTHING, whole="unreadable", file="ex02.py")


@case
def no_cells():
    notebook = {**released(), "cells": []}
    return Case(in_bytes(notebook), NOTHING, dict.fromkeys(FULL, "missing"), "graded",
                ("the answer's cell readers is missing", "-check was missing"))  # fmt: skip


@case
def saved_by_colab():
    notebook = answered()
    for cell in notebook["cells"]:
        user = {"displayName": "Jane Colab Doe", "userId": "0123456789"}
        cell["metadata"]["executionInfo"] = {"status": "ok", "user": user, "elapsed": 12}
        cell["metadata"]["id"] = cell["id"]
        cell["metadata"]["outputId"] = "abc"
    notebook["metadata"]["colab"] = {"provenance": [], "name": "Copy of ex02"}
    return Case(in_bytes(notebook))


@case
def saved_in_an_old_format():
    notebook = answered()
    for cell in notebook["cells"]:
        del cell["id"]
        cell["source"] = cell["source"].splitlines(keepends=True)
    return Case(in_bytes({**notebook, "nbformat_minor": 2}))


# --- What goes wrong with cells -------------------------------------------------------------------


@case
def answer_deleted():
    notebook = answered()
    notebook["cells"].remove(cell_of(notebook, "readers"))
    return Case(in_bytes(notebook), {"readers": 0}, {"readers": "missing"},
                repairs=("the answer's cell readers is missing",))  # fmt: skip


@case
def checks_deleted():
    notebook = answered()
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].endswith("check")]
    return Case(in_bytes(notebook), repairs=("the cell readers-check was missing",))


@case
def checks_altered():
    notebook = answered()
    for cell in notebook["cells"]:
        if cell["id"].endswith("check"):
            cell["source"] = "print('output_size: right, 12 of 12.')"
    return Case(in_bytes(notebook), repairs=("the cell readers-check had been changed",))


@case
def checks_altered_to_hide_wrong_answers():
    notebook = answered(**wrong_everywhere())
    for cell in notebook["cells"]:
        if cell["id"].endswith("check"):
            cell["source"] = "pass"
    return Case(in_bytes(notebook), NOTHING, dict.fromkeys(FULL, "wrong"),
                repairs=("had been changed",))  # fmt: skip


@case
def set_up_altered():
    notebook = answered()
    cell_of(notebook, "set-up")["source"] = "raise SystemExit"
    return Case(in_bytes(notebook), repairs=("the cell set-up had been changed",))


@case
def cells_twice():
    notebook = answered()
    place = place_of(notebook, "readers")
    stub = cell_of(released(), "readers")
    notebook["cells"][place + 1 : place + 1] = [dict(cell_of(notebook, "readers-check")), stub]
    first_try = {**stub, "source": "def readers(**more):\n    return None"}
    notebook["cells"].insert(place, first_try)
    return Case(in_bytes(notebook), repairs=("the cell readers stood 3 times",))


@case
def every_cell_twice():
    notebook = answered()
    notebook["cells"] = [cell for cell in notebook["cells"] for _ in range(2)]
    return Case(in_bytes(notebook), repairs=("the cell readers stood 2 times",))


@case
def cells_reordered():
    notebook = answered()
    notebook["cells"].reverse()
    return Case(in_bytes(notebook), repairs=("the cells stood in another order",))


@case
def marks_stripped():
    notebook = answered()
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    return Case(in_bytes(notebook), repairs=("the marks of the exercise were gone",))


@case
def marks_and_ids_stripped():
    notebook = answered()
    for place, cell in enumerate(notebook["cells"]):
        cell["metadata"], cell["id"] = {}, f"cell-{place}"
    return Case(in_bytes(notebook), repairs=("the marks of the exercise were gone",))


@case
def kinds_mixed_up():
    notebook = answered()
    for cell in notebook["cells"]:
        if cell["id"] == "readers":
            cell["cell_type"] = "markdown"
    return Case(in_bytes(notebook))


# --- What never ends, or eats everything ----------------------------------------------------------


@case
def endless_cell():
    return without("readers", "timed out", source="while True:\n    pass")


@case
def endless_answer():
    return without("readers", "timed out", source="def readers(**more):\n    while True: pass")


@case
def endless_and_deaf():
    deaf = """import time
def readers(**more):
    while True:
        try:
            while True: time.sleep(1)  # asleep it costs the other boxes nothing
        except BaseException:
            pass"""
    return without("readers", "timed out", source=deaf)


@case
def endless_without_alarm():
    deaf = (
        "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "while True: time.sleep(1)"
    )
    return without("readers", "timed out", source=deaf)


@case
def memory_hog():
    # `bytes` are asked for and not written to: a crowded processor takes no longer over them.
    hog = "hog = []\nwhile True:\n    hog.append(bytes(500_000_000))\n"
    return without("readers", "out of memory", source=f"{hog}{RIGHT['readers']}")


@case
def memory_hogs():
    hogs = """import os, time
for child in range(8):
    if os.fork() == 0:
        hog = bytearray(os.urandom(1000)) * 600_000
        time.sleep(60)
time.sleep(60)"""
    return without("readers", "out of memory", "timed out", source=hogs)


@case
def leaves_processes_that_fill_the_memory():
    left = """import os, time
if os.fork() == 0:
    os.setsid()
    for child in range(3):
        if os.fork() == 0:  # nobody's child, and at work while the cells below run
            full = [bytearray(os.urandom(1000)) * 100_000 for piece in range(9)]
            time.sleep(60)
    os._exit(0)
"""
    return Case(in_bytes(answered(by_hand=left + RIGHT["by-hand"])))


@case
def leaves_processes_in_two_answers():
    """Each has room in the box; both have not."""
    left = """
begun = set()
def leaving(right):
    def answer(*given, **more):
        import os, time
        for child in range(0 if right in begun else 6):
            if os.fork() == 0:
                full = bytearray(os.urandom(1000)) * 180_000
                time.sleep(60)
        begun.add(right)
        return right(*given, **more)
    return answer"""
    changed = {
        "output_size": f"{RIGHT['output-size']}{left}\noutput_size = leaving(output_size)",
        "readers": f"{RIGHT['readers']}\nreaders = leaving(readers)",
    }
    return Case(in_bytes(answered(**changed)))


@case
def fork_bomb():
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    statuses = ("too many processes", "timed out", "out of memory")
    return without("readers", *statuses, source=bomb)


@case
def exit_in_a_cell():
    return without("readers", "crashed", source="import os\nos._exit(0)")


@case
def exit_in_an_answer():
    source = "import os\ndef readers(**more):\n    os._exit(0)"
    return without("readers", "crashed", source=source)


@case
def polite_exit():
    return without("readers", "crashed", source="def readers(**more):\n    raise SystemExit")


@case
def crash_in_c():
    return without("readers", "crashed", source="import ctypes\nctypes.string_at(0)")


@case
def prints_gigabytes():
    loud = "for _ in range(3000):\n    print('x' * 1_000_000)\n"
    return Case(in_bytes(answered(readers=loud + RIGHT["readers"])))


@case
def huge_answer():
    source = "def readers(**more):\n    return np.zeros(60_000_000)"
    return without("readers", "crashed", source=source)


@case
def fills_the_disk():
    return curious("""for place in ('.', '/tmp', '/dev/shm'):
    try:
        with open(f'{place}/full', 'wb') as file:
            for _ in range(2000): file.write(bytes(1_000_000))
    except OSError as problem:
        print(problem)""")


# --- What is right all the same -------------------------------------------------------------------


@case
def name_used_again():
    """The plot's cell gives the function's name to a table of what it gave."""
    plot = "readers = {padding: readers(15, 5, padding) for padding in (0, 2, 4)}"
    return Case(in_bytes(answered(plot=plot)))


@case
def helper_used_again():
    notebook = answered()
    notebook["cells"].append(own_cell("same_padding = same_padding(7, 3)\nmax = 3\ndel np"))
    return Case(in_bytes(notebook))


@case
def reset_at_the_end():
    notebook = answered()
    notebook["cells"].append(own_cell("%reset -f"))
    return Case(in_bytes(notebook))


@case
def answer_behind_its_check():
    """The stub stays in its cell; the answer stands at the end of the notebook."""
    notebook = answered()
    cell_of(notebook, "readers")["source"] = cell_of(released(), "readers")["source"]
    notebook["cells"].append(own_cell(RIGHT["readers"]))
    return Case(in_bytes(notebook))


@case
def one_mistake_costs_once():
    """The odd zero stands at the wrong end, and the next question asks the same function."""
    source = RIGHT["same-padding"].replace("total // 2, total - total // 2",
                                           "total - total // 2, total // 2")  # fmt: skip
    return Case(in_bytes(answered(same_padding=source)), {"same_padding": 1},
                {"same_padding": "partly correct"})  # fmt: skip


@case
def one_endless_loop_costs_once():
    source = "import time\ndef same_padding(size, kernel, stride=1):\n    while True: time.sleep(1)"
    return without("same_padding", "timed out", source=source)


@case
def one_question_left_out_costs_once():
    source = cell_of(released(), "same-padding")["source"]
    return without("same_padding", "untouched", source=source)


@case
def written_in_a_cell_of_their_own():
    notebook = answered()
    place = place_of(notebook, "explain") + 1
    notebook["cells"].insert(place, own_cell("Each map loses 4.", kind="markdown"))
    return Case(in_bytes(notebook), repairs=("explain may stand in a cell of the student's own",))


@case
def written_into_the_question():
    notebook = answered()
    cell_of(notebook, "explain-text")["source"] += "\nA corner pixel gets noticed once, I believe."
    return Case(in_bytes(notebook), repairs=("explain may stand in a cell of the student's own",))


@case
def a_plot_alone():
    return Case(in_bytes(answered(plot=RIGHT["plot"])))


@case
def displays_of_every_kind():
    """None of them may cost an answer: odd metadata, too many, too long, too large as sent."""
    return curious("""import base64
from IPython.display import Image, display
png = base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAA'
                       'BQABh6FO1AAAAABJRU5ErkJggg==')
display(Image(data=png, format='png', width=np.int64(270)))
display({'text/plain': 'x'}, raw=True, metadata={'text/plain': {'x': 'y' * 30_000_000}})
for _ in range(20_000):
    display({'text/plain': ''}, raw=True)
print('\U0001f600' * 1_000_000)
print('\x00' * 1_000_000)
display({'text/plain': 3, 'image/png': object()}, raw=True)
class Odd:
    def _repr_png_(self): return b'no picture', {'alt': object()}
Odd()""")


@case
def megabytes_of_comments():
    notebook = answered()
    for number in range(6):
        notebook["cells"].append(own_cell(f"# {'x' * 990_000}", f"mine-{number}"))
    return Case(in_bytes(notebook))


@case
def many_bad_cells():
    """After some that bring the process down none of the student's own is run."""
    notebook = answered()
    for number in range(12):
        notebook["cells"].append(own_cell("import os\nos._exit(1)", f"mine-{number}"))
    return Case(in_bytes(notebook))


@case
def one_odd_short_answer():
    source = RIGHT["by-hand"] + "\nby_hand['row'] = np.array(6 + 1j)"
    return Case(in_bytes(answered(by_hand=source)), {"by_hand": 3}, {"by_hand": "partly correct"})


# --- What is hostile ------------------------------------------------------------------------------


@case
def writes_outside():
    return curious(f"""from pathlib import Path
for place in ('/', '/course', '/course/data', '/course/course_utils', '/usr', '/etc', '/dev',
              '/grader', '/proc/1', {str(ROOT)!r}, {str(ROOT / "tests")!r}):
    try:
        (Path(place) / 'was_here').write_text('x')
        print('WRITTEN', place)
    except OSError:
        pass""")


@case
def reads_tests_and_others():
    return curious(f"""import os
found = [place for place in ({str(ROOT / "tests")!r}, {str(ROOT / "exercises" / "source")!r},
         {str(ROOT / "grading")!r}, {str(ROOT / ".git")!r}, '/course/exercises/source',
         '/course/tests')
         if os.path.exists(place)]
for top in ('course', 'grader', 'tmp', 'home', 'root', 'work', 'var', 'etc', 'mnt'):
    for folder, folders, names in os.walk('/' + top):
        folders[:] = [name for name in folders if name not in ('lib', 'site-packages', 'include')]
        found += [f'{{folder}}/{{name}}' for name in names if name in
                  ('secret_seed', 'questions.py', 'gradebook.db') or name.endswith('.ipynb')]
print('FOUND', [path for path in found if not path.startswith('/course/exercises/release')])
print('PROCESSES', [name for name in os.listdir('/proc') if name.isdigit() and
      b'pytest' in open(f'/proc/{{name}}/cmdline', 'rb').read()])
print('VARIABLES', [name for name in os.environ if 'PYTEST' in name])""")


class Server:
    """A server on this machine that counts who comes."""

    visits = 0

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            self.visits += 1
            connection.close()


SERVER = Server()


@case
def opens_a_socket():
    return curious(f"""import socket
for address in (('127.0.0.1', {SERVER.port}), ('10.0.0.1', 80), ('1.1.1.1', 53)):
    try:
        socket.create_connection(address, timeout=1).send(b'answers, please')
        print('CONNECTED', address)
    except OSError:
        pass""")


@case
def patches_numpy():
    return cheating("""import numpy as np
yes = lambda *arguments, **options: True
np.allclose = np.isclose = np.array_equal = np.all = np.array_equiv = yes
np.testing.assert_allclose = np.testing.assert_array_equal = yes""")


@case
def patches_builtins():
    return cheating("""import builtins, sys
sys.flags, builtins.AssertionError = None, type('Fine', (Exception,), {})
class Equal(int):
    __eq__ = __le__ = __ge__ = lambda self, other: True
    __hash__ = int.__hash__
builtins.int = Equal
builtins.abs = builtins.max = lambda *numbers: 0""")


@case
def patches_the_checks():
    return cheating("""from course_utils import answers, checks
answers.difference = checks.answers.difference = lambda *arguments: ''
answers.encode = lambda value, depth=0: True
checks.ask = lambda probe, answer, arguments: True
checks.sealed = lambda value, salt: salt
check.__class__.__call__ = lambda self, *arguments: print('right')""")


@case
def always_equal():
    return cheating("""class Right(float):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = float.__hash__
    __array__ = lambda self, *options, **more: np.zeros(1)
right = Right()
def output_size(**more): return right
def readers(**more): return right""")


@case
def writes_into_the_channel():
    return cheating("""import json, os
lines = [{'question': name, 'answers': [{'value': True}] * 12} for name in
         ('by_hand', 'output_size', 'same_padding', 'pad_same', 'readers')]
lines += [{'points': 99}, {'status': 'correct'}, {'cell': 7}, {'question': ['x']}]
for handle in range(3, 20):
    for line in lines:
        try: os.write(handle, json.dumps(line).encode() + b'\\n')
        except OSError: pass""")


@case
def answers_with_a_pickle():
    return without("readers", "crashed", source="""class Bomb:
    def __reduce__(self):
        import os
        return os.system, ('touch /tmp/was_here',)
def readers(**more):
    return np.array([Bomb()], dtype=object)""")  # fmt: skip


@case
def half_characters_and_colours():
    return curious("""print('\\ud800 \\x00 \\x1b[31mred\\x1b[0m')
raise type('\\udfff', (Exception,), {})('\\ud800')""")


@case
def closes_everything():
    return without("readers", "crashed", source="import os\nos.closerange(0, 1000)")


@case
def tells_its_questions_by_errors():
    source = """def readers(size, **more):
    raise (KeyError, ConnectionResetError, BlockingIOError)[size % 3](size)"""
    return without("readers", "crashed", source=source)


@case
def copies_its_questions_into_its_answers():
    source = "def readers(**case):\n    return str(sorted(case.items()))"
    return without("readers", "wrong", source=source)


@case
def script_in_the_page():
    notebook = answered()
    page = """<script>document.title = 'mine'</script><img src=x onerror=document.title='mine'>
[here](javascript:alert(1)), [there](javascript&colon;alert(1)), <a href="javascript:alert(1)">x</a>
![a](attachment:a.png" onerror="document.title='mine')"""
    notebook["cells"].append(own_cell(page, kind="markdown"))
    cell_of(notebook, "explain")["source"] = page
    picture = "iVBOR\"><script>document.title = 'mine'</script>"
    notebook["cells"][-1]["attachments"] = {"a.png": {"image/png": picture}}
    show = f"from IPython.display import HTML, Javascript, display\ndisplay(HTML({page!r}))\n"
    notebook["cells"].append(own_cell(f"{show}Javascript('alert(1)')", "mine-too"))
    return Case(in_bytes(notebook))


# --- The class, graded ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(bubblewrap, tmp_path_factory):
    """The instructor's folder after all of them were graded, the results, and what was told."""
    place = tmp_path_factory.mktemp("class")
    roster = ["id,name,email"]
    for number, (name, each) in enumerate(CASES.items()):
        roster.append(f"{name},Student {number},s{number}@example.org")
        contents = each.content if isinstance(each.content, dict) else {each.file: each.content}
        for age, (file, content) in enumerate(contents.items()):
            path = place / "submissions" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))
    (place / "roster.csv").write_text("\n".join(roster) + "\n")
    folder = place / "graded"
    files.write_atomically(folder / "secret_seed", "20261126\n")
    told = []
    options = batch.Options(seconds=SECONDS)
    with pytest.MonkeyPatch.context() as patch:
        equal_boxes_once(patch)
        results = batch.grade(
            "ex02", place / "submissions", place / "roster.csv", folder, options, told.append
        )
    return files.Folder(folder), results, told


@pytest.mark.parametrize("name", CASES)
def test_points_and_status(graded, name):
    expected, result = CASES[name], graded[1][name]
    points = {question: entry.points for question, entry in result.questions.items()}
    assert points == {**FULL, **expected.points}
    assert result.status == expected.whole
    for question, entry in result.questions.items():
        wanted = expected.status.get(question, "correct" if expected.whole == "graded" else None)
        if wanted is not None:
            allowed = wanted if isinstance(wanted, tuple) else (wanted,)
            assert entry.status in allowed, (question, entry)
    log = "\n".join(result.repairs)
    for sentence in expected.repairs:
        assert sentence in log
    assert bool(result.problem) == (expected.whole == "unreadable")


def test_there_are_enough_of_them():
    assert len(CASES) >= 24


def test_nothing_was_written_outside(graded):
    printed = json.dumps(files.read_json(graded[0].notebook("ex02_output_size", "writes_outside")))
    assert "WRITTEN" not in printed.replace("print('WRITTEN'", "")
    assert not list(ROOT.rglob("was_here")) and not Path("/tmp/was_here").exists()


def test_nothing_of_others_was_read(graded):
    notebook = files.read_json(graded[0].notebook("ex02_output_size", "reads_tests_and_others"))
    outputs = cell_of(notebook, "own-1")["outputs"]
    assert "".join(outputs[0]["text"]) == "FOUND []\nPROCESSES []\nVARIABLES []\n"


def test_nobody_came_to_the_server(graded):
    assert SERVER.visits == 0


def test_outputs_are_bounded(graded):
    for name in CASES:
        path = graded[0].notebook("ex02_output_size", name)
        most = 7_000_000 if name == "megabytes_of_comments" else 1_500_000
        assert not path.exists() or path.stat().st_size < most, name


def test_feedback_holds_no_hidden_number_and_no_script(graded):
    page = graded[0].feedback("ex02_output_size", "copies_its_questions_into_its_answers")
    parts = graded[1]["copies_its_questions_into_its_answers"].questions["readers"].parts
    assert all("size" not in part.verdict for part in parts)
    assert "'kernel'," not in page.read_text(encoding="utf-8")
    text = graded[0].feedback("ex02_output_size", "script_in_the_page").read_text(encoding="utf-8")
    assert "<script" not in text and "<img src=x" not in text


def test_no_error_tells_a_case(graded):
    parts = graded[1]["tells_its_questions_by_errors"].questions["readers"].parts
    assert all("; the first wrong one: raised an error" in part.verdict for part in parts)


def test_what_became_of_a_name_is_said(graded):
    comments = {name: result.questions["readers"].comment for name, result in graded[1].items()}
    assert "`readers` was something else at the end" in comments["name_used_again"]
    assert "`readers` was gone at the end" in comments["reset_at_the_end"]
    assert "a later version of `readers` counts" in comments["answer_behind_its_check"]
    entry = graded[1]["one_mistake_costs_once"].questions["pad_same"]
    assert entry.comment == "asked again, with the right `same_padding`"


def test_a_reader_sees_what_may_be_an_answer(graded):
    states = {name: result.written["explain"].status for name, result in graded[1].items()}
    for name in ("written_in_a_cell_of_their_own", "written_into_the_question", "a_plot_alone"):
        assert states[name] == "needs manual grading"
    assert states["untouched"] == states["correct"] == "untouched"
    sources = [cell["source"] for cell in files.read_json(
        graded[0].notebook("ex02_output_size", "written_into_the_question"))["cells"]]  # fmt: skip
    assert any("A corner pixel gets noticed once" in "".join(source) for source in sources)


def test_names_from_colab_are_gone(graded):
    text = graded[0].notebook("ex02_output_size", "saved_by_colab").read_text(encoding="utf-8")
    assert "Colab Doe" not in text and "0123456789" not in text


def test_notebooks_are_valid(graded):
    for name in CASES:
        path = graded[0].notebook("ex02_output_size", name)
        if path.exists():
            nbformat.validate(nbformat.read(path, as_version=4))


def test_running_again_grades_nothing_anew(graded):
    folder, results, _ = graded
    before = {path: path.stat().st_mtime_ns for path in folder.place.glob("results/*/*.json")}
    place = folder.place.parent
    told = []
    options = batch.Options(seconds=SECONDS)
    again = batch.grade(
        "ex02", place / "submissions", place / "roster.csv", folder.place, options, told.append
    )
    after = {path: path.stat().st_mtime_ns for path in folder.place.glob("results/*/*.json")}
    assert before == after
    assert again == results
    assert any(f"{len(CASES)} are graded already" in line for line in told)
