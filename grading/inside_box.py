"""Runs one notebook inside the sandbox and answers questions about it: the grader's other half.

This file is all of the grader that the sandbox can see. It is started as a script and speaks lines
of JSON: it reads its orders from its standard input, and writes to its standard output

    {"cell": id}                       before each cell,
    {"notebook": …}                    when all cells have run,
    {"question": …, "answers": […]}    for each question.

The questions' cases come after the notebook is out, so that no hidden number gets into it. Whatever
runs here may lie: the grader takes all of it as data, and compares by itself.
"""

import base64
import json
import os
import resource
import signal
import sys
import time
from contextlib import nullcontext

MOST_OUTPUT = 200_000  # characters of one cell that are kept
MOST_PICTURES = 10_000_000  # characters of all pictures of a notebook
KEPT = ("image/png", "text/plain")  # no HTML and no scripts: others open this notebook


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
        self.replies.write(json.dumps(message).encode() + b"\n")
        self.replies.flush()


class Outputs(list):
    """The outputs of one cell, in the notebook's format and of bounded size."""

    def __init__(self, room_for_pictures=MOST_PICTURES):
        self.room, self.room_for_pictures = MOST_OUTPUT, room_for_pictures

    def text(self, name, text):
        """Add what was printed to a stream."""
        if self.room <= 0 or not text:
            return
        if len(text) > self.room:
            text = text[: self.room] + "\n[the rest of this cell's output is left out]\n"
        self.room -= len(text)
        if self and self[-1].get("name") == name:
            self[-1]["text"] += text
        else:
            self.append({"output_type": "stream", "name": name, "text": text})

    def data(self, data, metadata):
        """Add what was displayed: its picture and its plain text."""
        kept = {}
        for form in KEPT:
            content = data.get(form)
            if isinstance(content, bytes):
                content = base64.b64encode(content).decode("ascii")
            budget = self.room_for_pictures if form == "image/png" else self.room
            if isinstance(content, str) and len(content) <= budget:
                kept[form] = content
        self.room -= len(kept.get("text/plain", ""))
        self.room_for_pictures -= len(kept.get("image/png", ""))
        alt = {form: metadata[form] for form in kept if isinstance(metadata.get(form), dict)}
        if kept:
            self.append({"output_type": "display_data", "data": kept, "metadata": alt})


class Stream:
    """What `print` writes to."""

    encoding = "utf-8"

    def __init__(self, shell, name):
        self.shell, self.name = shell, name

    def write(self, text):
        """Keep the text with the cell's outputs."""
        self.shell.outputs.text(self.name, str(text))
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
            shell.outputs = Outputs(shell.outputs.room_for_pictures)

    class Hook(DisplayHook):
        def write_output_prompt(self):
            pass

        def write_format_data(self, format_dict, md_dict=None):
            shell.outputs.data(format_dict, md_dict or {})

        def finish_displayhook(self):
            pass

    class Shell(InteractiveShell):
        outputs = Outputs()

        def _tee(self, channel):
            return nullcontext()  # IPython would keep a copy of all that is printed

        def _showtraceback(self, etype, evalue, stb):
            lines = [str(line)[:2000] for line in stb][-40:]
            error = {"ename": str(etype.__name__), "evalue": str(evalue)[:2000]}
            self.outputs.append({"output_type": "error", **error, "traceback": lines})

    shell = Shell.instance(
        display_pub_class=Publisher, displayhook_class=Hook, history_load_length=0
    )
    shell.history_manager.enabled = False
    shell.colors = "nocolor"
    sys.stdout, sys.stderr = Stream(shell, "stdout"), Stream(shell, "stderr")
    return shell


class Limit:
    """`with Limit(seconds):` ends what takes longer by a TimeLimit, again every second."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        signal.signal(signal.SIGALRM, self.over)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 1)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)

    def over(self, *_):
        """What the alarm clock calls."""
        raise TimeLimit(f"this took longer than {self.seconds} seconds")


def run_cells(shell, notebook, skip, seconds, channel):
    """Run every code cell but those of `skip`; errors stay in the cell, the rest runs on."""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        cell["outputs"] = []
        if cell["id"] in skip:
            continue
        channel.write(cell=cell["id"])
        shell.outputs = Outputs(shell.outputs.room_for_pictures)
        try:
            with Limit(seconds):
                shell.run_cell(cell["source"], store_history=True)
        except TimeLimit:
            text = f"This cell took longer than {seconds} seconds.\n"
            shell.outputs.append({"output_type": "error", "ename": "TimeLimit", "evalue": text,
                                  "traceback": [text]})  # fmt: skip
        cell["outputs"] = list(shell.outputs)


def reply(shell, request, seconds):
    """The answers to one question's cases, each as `{"value": …}` or `{"error": …}`."""
    from course_utils import answers, checks

    name, replies = request["question"], []
    if name not in shell.user_ns:
        return [{"missing": True}] * len(request["cases"])
    end = time.monotonic() + seconds
    for case in request["cases"]:
        try:
            with Limit(max(0.01, end - time.monotonic())):
                value = checks.ask(request["probe"], shell.user_ns[name], case)
                replies.append({"value": answers.encode(value)})
        except TimeLimit:
            replies.append({"timeout": True})
        except BaseException as problem:  # whatever a submission raises, SystemExit as well
            replies.append({"error": f"{type(problem).__name__}: {str(problem)[:300]}"})
    return replies


def limit_resources(memory, processes):
    """Hold this process, and each that it starts, to so many MB of data and so many processes."""
    for kind, most in (
        (resource.RLIMIT_DATA, memory * 1_000_000),
        (resource.RLIMIT_NPROC, 8 * processes),  # threads count, too
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 200_000_000),
    ):
        resource.setrlimit(kind, (most, most))


def main():
    """Follow the orders that come in until there are none any more."""
    channel = Channel()
    order = channel.read()
    if order["user"] is not None:  # the grader is root: be somebody who may do nothing
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    limit_resources(order["memory"], order["processes"])
    shell = make_shell()
    run_cells(shell, order["notebook"], order["skip"], order["seconds"], channel)
    channel.write(notebook=order["notebook"])
    shell.outputs = Outputs()
    while request := channel.read():
        answers = reply(shell, request, order["seconds"])
        channel.write(question=request["question"], answers=answers)
        shell.outputs = Outputs()


if __name__ == "__main__":
    main()
