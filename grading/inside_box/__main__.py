"""Runs one notebook inside the sandbox and answers questions about it: the grader's other half.

This folder is all of the grader that the sandbox can see. It is started as a script and speaks
lines of JSON: it reads its orders from its standard input, and writes to its standard output

    {"cell": id}                                   before each cell,
    {"cell": id, "outputs": […], "memory": …}      behind it,
    {"ready": true}                                when all cells have run,
    {"question": …, "answers": […], …}             for each question.

The questions' cases come when all outputs are out, so that no hidden number gets into them.
Whatever runs here may lie: the grader takes all of it as data, and compares by itself.
"""

import errno
import gc
import json
import os
import signal
import sys
import time
from contextlib import nullcontext

import limits
from guard import Forbidden, Guard
from outputs import Outputs, Room
from versions import Versions

RESERVE = 30_000_000  # bytes
MOST_ANSWERS = 6_000_000  # bytes of the answers to one question


class TimeLimit(BaseException):
    """The time of a cell or a question is over."""


class Channel:
    """The two ends of the line to the grader, out of the way of what the notebook prints."""

    def __init__(self):
        self.requests = os.fdopen(os.dup(0), "rb")
        self.replies = os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(nothing, stream)

    def read(self):
        """The next order, or None when there is none any more."""
        line = self.requests.readline()
        return json.loads(line) if line else None

    def write(self, **message):
        """Send one line."""
        line = json.dumps(message, ensure_ascii=False)
        self.replies.write(line.encode("utf-8", "surrogatepass") + b"\n")
        self.replies.flush()


class Stream:
    """What `print` writes to."""

    encoding = "utf-8"

    def __init__(self, shell, name):
        self.shell, self.name = shell, name

    def write(self, text):
        """Keep the text with the cell's outputs."""
        self.shell.outputs.text(self.name, text)
        return len(text)

    def writelines(self, lines):
        """Keep several texts."""
        for line in lines:
            self.write(line)

    def flush(self):
        """There is nothing to flush."""

    def isatty(self):
        """No colours, please."""
        return False


def make_shell():
    """An IPython shell that keeps what a cell shows instead of showing it."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    class Publisher(DisplayPublisher):
        def publish(self, data, metadata=None, **_):
            shell.outputs.data(data, metadata or {})

        def clear_output(self, wait=False):
            shell.outputs = Outputs(shell.room)

    class Hook(DisplayHook):
        def write_output_prompt(self):
            pass

        def write_format_data(self, format_dict, md_dict=None):
            shell.outputs.data(format_dict, md_dict or {})

        def finish_displayhook(self):
            pass

    class Shell(InteractiveShell):
        room = Room()
        outputs = Outputs(room)
        out_of_memory = False
        reserve = None  # memory that is let go of when there is none left, to tell so

        def showtraceback(self, *arguments, **options):
            self.reserve = None
            super().showtraceback(*arguments, **options)

        def enable_matplotlib(self, gui=None):
            return "inline", None  # as it is already, whatever is asked for

        def run_line_magic(self, magic_name, line, _stack_depth=1):
            if self.find_line_magic(magic_name) is None:  # Colab's own, say: the cell goes on
                self.outputs.text("stdout", f"[%{magic_name} is not known here]\n")
                return None
            return super().run_line_magic(magic_name, line, _stack_depth + 1)

        def _tee(self, channel):
            return nullcontext()  # IPython would keep a copy of all that is printed

        def _showtraceback(self, etype, evalue, stb):
            self.out_of_memory = is_about_memory(evalue)
            self.outputs.error(etype.__name__, evalue, stb)

    shell = Shell.instance(
        display_pub_class=Publisher, displayhook_class=Hook, history_load_length=0
    )
    shell.history_manager.enabled = False
    shell.colors = "nocolor"
    sys.stdout, sys.stderr = Stream(shell, "stdout"), Stream(shell, "stderr")
    return shell


def is_about_memory(problem):
    """Whether an error says that there is no memory left."""
    return (
        isinstance(problem, MemoryError)
        or type(problem).__name__ == "ResourceExhaustedError"  # TensorFlow's
        or getattr(problem, "errno", None) == errno.ENOMEM
    )


class Limit:
    """`with Limit(seconds):` ends what takes longer by a TimeLimit, again every two seconds.

    Attributes:
        passed: whether it took longer.
    """

    def __init__(self, seconds):
        self.seconds, self.passed = seconds, False

    def __enter__(self):
        signal.signal(signal.SIGALRM, self.over)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 2)
        return self

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)

    def over(self, *_):
        """What the alarm clock calls."""
        self.passed = True
        raise TimeLimit(f"this took longer than {self.seconds} seconds")


def run_cells(shell, order, versions, channel):
    """Run every code cell but those to be skipped; errors stay in the cell, the rest runs on."""
    time_left = order["spare_seconds"]
    for cell in order["cells"]:
        if cell["id"] in order["skip"]:
            continue
        spare = cell["id"] in order["spare"]
        if spare and time_left <= 0:
            shell.outputs = Outputs(shell.room)
            shell.outputs.text("stdout", "[not run: the cells of your own took too long]\n")
            channel.write(cell=cell["id"], outputs=shell.outputs.close())
            continue
        channel.write(cell=cell["id"])
        began = time.monotonic()
        shell.outputs, shell.out_of_memory = Outputs(shell.room), False
        shell.reserve = reserve()
        run_cell(shell, cell, order["seconds"])
        time_left -= time.monotonic() - began if spare else 0
        memory = shell.out_of_memory
        forget_errors(shell)
        if limits.end_what_was_left():
            shell.outputs.text("stdout", "[a process that this cell had left running was ended]\n")
        versions.look(cell["id"])
        channel.write(cell=cell["id"], outputs=shell.outputs.close(), memory=memory)
    channel.write(ready=True)


def run_cell(shell, cell, seconds):
    """Run one cell."""
    limit = Limit(seconds)
    try:
        with limit:
            shell.run_cell(cell["source"], store_history=True)
    except TimeLimit:
        pass
    if limit.passed and not shell.outputs.has_error():
        text = f"This cell took longer than {seconds} seconds.\n"
        shell.outputs.error("TimeLimit", text, [text])


def reserve():
    """Memory to be let go of; none where there is none any more."""
    try:
        return bytearray(RESERVE)
    except MemoryError:
        return None


def forget_errors(shell):
    """Let go of a traceback: it keeps all that the functions on their way had in hand."""
    shell.reserve = None
    shell.last_execution_result = None
    names = ("last_type", "last_value", "last_traceback", "last_exc")
    if any(getattr(sys, name, None) is not None for name in names):
        for name in names:
            setattr(sys, name, None)
        gc.collect()


class Examination:
    """Puts the questions to what a notebook has defined."""

    def __init__(self, shell, versions, seconds, forbidden):
        from course_utils import answers, checks

        self.ask, self.encode = checks.ask, answers.encode
        self.shell, self.versions, self.seconds = shell, versions, seconds
        self.end = versions.current()
        self.forbidden, self.guard = forbidden, Guard()

    def reply(self, request):
        """What is to be sent for one question."""
        name = request["question"]
        candidates, note = self.versions.candidates(name, self.end)
        # Asked again, with others' right answers in the place of the learner's.
        instead = request.get("instead", {})
        answered, called = [], set()
        for version in candidates:
            answered.append(self.answers(request, version, instead))
            called.update(self.guard.called)
        nothing = [{"missing": True}] * len(request["cases"])
        return {
            "answers": answered[0] if answered else nothing,
            "later": answered[1] if len(answered) > 1 else None,
            "note": note,
            "called": sorted(called),
        }

    def answers(self, request, version, instead):
        """The answers of one version, each as `{"value": …}` or `{"error": …}`."""
        names, name = self.versions.names, request["question"]
        self.versions.restore(version)
        try:
            with Limit(self.seconds):
                for source in instead.values():
                    exec(source, names)
        except BaseException as problem:
            return [{"error": type(problem).__name__}] * len(request["cases"])
        replies, size, end = [], 0, time.monotonic() + self.seconds
        self.guard.begin(self.forbidden.get(name, ()))
        for case in request["cases"]:
            reply = self.answer(request["probe"], names.get(name), case, end)
            size += len(json.dumps(reply))
            replies.append(reply if size <= MOST_ANSWERS else {"large": True})
        self.guard.end()
        return replies

    def answer(self, probe, answer, case, end):
        """The answer to one case."""
        try:
            with Limit(max(0.01, end - time.monotonic())):
                value = self.ask(probe, answer, case)
                if getattr(value, "nbytes", 0) > MOST_ANSWERS:
                    return {"large": True}
                return {"value": self.encode(value)}
        except TimeLimit:
            return {"timeout": True}
        except Forbidden as problem:
            return {"error": str(problem), "forbidden": True}
        except BaseException as problem:  # whatever a submission raises, SystemExit as well
            return {"error": type(problem).__name__, "memory": is_about_memory(problem)}


def main():
    """Follow the orders that come in until there are none any more."""
    sys.path.pop(0)  # the grader's own folder: what a notebook imports is not looked for there
    channel = Channel()
    order = channel.read()
    limits.become(order["user"])
    limits.hold(order["memory"], order["processes"])
    limits.adopt()
    shell = make_shell()
    versions = Versions(shell.user_ns, order["questions"])
    run_cells(shell, order, versions, channel)
    shell.outputs = Outputs(Room())
    examination = None
    while request := channel.read():
        examination = examination or Examination(shell, versions, order["seconds"],
                                                 order["forbidden"])  # fmt: skip
        reply = examination.reply(request)
        limits.end_what_was_left()
        channel.write(question=request["question"], **reply)
        shell.outputs = Outputs(Room())


if __name__ == "__main__":
    main()
