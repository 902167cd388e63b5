"""Predictions: say what will come before a cell tells it, and see later how right you were.

    guess = predict("How many windows of 3 fit into 7 pixels, two apart?")
    guess

    guess.against(output_size(7, 3, 2))

The first cell shows the question with a field for a number, or with a button for each choice. The
second prints `3`, or `3. You said 2.` if you said something. Running all cells never waits for you.
What cannot be asked, said or compared is refused with a ValueError.

What you said is kept in `.progress.json` beside the course, and nowhere else: nothing leaves your
machine. `summary` looks back at the end of a notebook, `progress` over all notebooks and exercises,
and `again` asks anew what was missed: after one day, after three and after seven.
"""

import ast
import itertools
import json
import math
import os
import re
import time
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from html import escape
from numbers import Rational
from pathlib import Path

from .arguments import finite_number
from .checks import content_of

COURSE = Path(__file__).resolve().parents[1]
PROGRESS = COURSE / ".progress.json"
DAYS = (1, 3, 7)  # until a question that was missed is asked again, and again
WAIT = 2  # seconds for another notebook that writes; one that was killed has left its lock
# What is kept of a prediction, and of which kind it is.
ENTRY = {
    "question": str,
    "choices": list,
    "said": str,
    "sure": bool,
    "came": str,
    "within": int | float,
    "right": bool,
}

_asked = {}  # the predictions of this kernel by question, in the order in which they were asked
_told = set()  # problems with the file that were told already


class Prediction:
    """A question, what you say, and what came.

    Attributes:
        question: a sentence.
        choices: what can be said; empty where a number is.
        said: your prediction, None as long as there is none.
        sure: whether you said that you are.
    """

    def __init__(self, question, choices=()):
        self.question, self.choices = question, choices
        self.said, self.sure = None, False
        self._view = None

    def say(self, answer, sure=False):
        """Predict by code what the buttons or the field predict by hand."""
        answer = _single(answer) if self.choices else _number(answer)
        if self.choices and not self._offers(answer):
            raise ValueError(f"{answer!r} is none of {_listed(self.choices)}")
        self.said = answer
        self.sure = bool(sure)

    def against(self, value, within=0.0):
        """Say what came, and what you had said.

        Args:
            value: what came: one of the choices, or a number.
            within: how far a predicted number may be off, as a share of what came: 0.1 for a tenth.
        """
        value = _single(value) if self.choices else _number(value)
        within = finite_number(within, "within", 0)
        if self.said is None:
            print(_shown(value))
            return
        print(f"{_shown(value)}. You said {_shown(self.said)}{', and were sure' * self.sure}.")
        if not self.choices or self._offers(value):  # or nobody could have been right
            _keep(self.question, _entry(self, value, within))

    def is_right(self, value, within=0.0):
        """Whether that is what was said; a number may be off by a share of what came."""
        if self.said is None or self.choices:
            return _same(self.said, value)
        return abs(self.said - value) <= within * abs(value) + 1e-9

    def _offers(self, value):
        return any(_same(value, choice) for choice in self.choices)

    @property
    def view(self):
        """The controls, made when they are shown for the first time."""
        self._view = self._view or _controls(self)
        return self._view

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The controls, and for a page that runs nothing the question."""
        ways = "; ".join(map(_shown, self.choices)) or "a number"
        view = {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id}
        return {
            "application/vnd.jupyter.widget-view+json": view,
            "text/plain": f"Your prediction: {self.question} ({ways})",
        }


def predict(question, *choices):
    """Ask for a prediction: a `Prediction`, whose `against` tells in the next cell what came.

    Args:
        question: a sentence that ends in a question mark.
        choices: two or more words, numbers or truth values, different from each other; without
            any, a number is asked for.
    """
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"question must be a sentence, not {question!r}")
    if len(choices) == 1 or len({_shown(choice) for choice in choices}) < len(choices):
        raise ValueError(f"choices must be two or more, and all different, not {_listed(choices)}")
    for text in (question, *map(_shown, choices)):
        if re.search(r"[\ud800-\udfff]", text):
            raise ValueError(f"{text!r} holds half a character, which no file can keep: remove it")
    _asked[question] = Prediction(question, choices)
    return _asked[question]


def summary():
    """Say how the predictions of this notebook went, and where to read again."""
    kept = _entries()
    entries = [kept[question] for question in _asked if question in kept]
    if not entries:
        print(
            f"{len(_asked)} questions asked, none predicted. The answers teach more after a guess."
        )
        return
    missed = [entry for entry in entries if not entry["right"]]
    sure = [entry for entry in missed if entry["sure"]]
    print(
        f"{len(entries)} of {len(_asked)} questions predicted, {len(entries) - len(missed)} right."
    )
    if sure:
        print(f"Sure and wrong: {len(sure)}. These are worth the most.")
    for entry in sorted(missed, key=lambda entry: not entry["sure"]):
        outcome = f"{entry['came']}, not {entry['said']}"
        print(f"- {entry['question']} {outcome}. {_where(entry['question'])}")


def progress():
    """Say how far you are: predictions by notebook, questions answered by exercise.

    An exercise counts as it was last saved, in `work/` or where the course has it.
    """
    kept, rows = _entries(), []
    for notebook, questions in _questions().items():
        entries = [kept[each] for each in questions if each in kept]
        right = sum(entry["right"] for entry in entries)
        rows.append((notebook, f"{len(entries)} of {len(questions)} predicted, {right} right"))
    rows += _exercises()
    width = max((len(name) for name, _ in rows), default=0)
    print("\n".join(f"{name:{width}}  {text}" for name, text in rows) or "Nothing yet.")


def again(today=None):
    """Ask anew what was missed and is due: a control that shows each question with its answer.

    `today` is a `datetime.date`, for a look ahead.
    """
    today = date.today() if today is None else today
    if not isinstance(today, date):
        raise ValueError(f"today must be a datetime.date, not {today!r}")
    today = today.date() if isinstance(today, datetime) else today
    due = [entry for entry in _entries().values() if "again" in entry and _is_due(entry, today)]
    if not due:
        print("Nothing to ask again today.")
        return None
    import ipywidgets as widgets

    return widgets.VBox([_asked_again(entry, today) for entry in due])


# --- What was said, in a file ---------------------------------------------------------------------


def _entry(prediction, value, within):
    """What is kept of a prediction; one that was missed says when to ask again."""
    right = prediction.is_right(value, within)
    entry = {
        "question": prediction.question,
        "choices": [_shown(choice) for choice in prediction.choices],
        "said": _shown(prediction.said),
        "sure": prediction.sure,
        "came": _shown(value),
        "within": within,
        "right": right,
    }
    if not right:
        entry |= {"step": 0, "again": (date.today() + timedelta(DAYS[0])).isoformat()}
    return entry


def _is_due(entry, today):
    """Whether a question is to be asked; a day too far off is that of a clock that was wrong."""
    days = (date.fromisoformat(entry["again"]) - today).days
    return not 0 < days <= DAYS[-1]


def _entries():
    """What is kept, by question, but for what another version of the course has kept otherwise."""
    try:
        kept = _read()["predictions"]
    except OSError as problem:
        _tell(f"{PROGRESS.name} cannot be read ({problem.strerror}): your progress is not shown")
        return {}
    return {question: entry for question, entry in kept.items() if _is_whole(entry)}


def _is_whole(entry):
    try:
        kinds = all(isinstance(entry[name], kind) for name, kind in ENTRY.items())
        came = entry["choices"] or isinstance(_number(entry["came"]), float)
        due = "again" not in entry or date.fromisoformat(entry["again"]) and DAYS[entry["step"]]
        return bool(kinds and came and due)
    except (LookupError, TypeError, ValueError):
        return False


def _keep(question, entry):
    """Keeps an entry, or says once that this cannot be done; the file is written whole or not."""
    part = PROGRESS.with_name(f".progress.{os.getpid()}.part")
    try:
        with _alone():
            kept = _read()  # another notebook may have written since
            kept["predictions"][question] = entry
            part.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
            os.replace(part, PROGRESS)
    except OSError as problem:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        _tell(f"your progress cannot be kept in {PROGRESS.name} ({problem.strerror})")


@contextmanager
def _alone():
    """The file for this notebook alone, as far as a lock beside it can be had in `WAIT` seconds."""
    lock, end = PROGRESS.with_name(".progress.lock"), time.monotonic() + WAIT
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            if time.monotonic() < end:
                time.sleep(0.01)
                continue
        break
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()


def _read():
    """The kept progress; a file that is damaged is moved aside, not written over."""
    try:
        kept = json.loads(PROGRESS.read_text(encoding="utf-8"))
        if isinstance(kept["predictions"], dict):
            return kept
    except FileNotFoundError:
        return {"predictions": {}}
    except (ValueError, LookupError, TypeError):
        pass
    names = (f".progress.damaged{number or ''}.json" for number in itertools.count())
    aside = next(path for path in map(PROGRESS.with_name, names) if not path.exists())
    os.replace(PROGRESS, aside)
    print(f"{PROGRESS.name} could not be read: it is {aside.name} now, and a new one begins")
    return {"predictions": {}}


def _tell(text):
    if text not in _told:
        _told.add(text)
        print(text)


# --- Where a question stands ----------------------------------------------------------------------


def _questions():
    """From the name of each notebook to its questions, with the heading that each stands under."""
    notebooks = {}
    for path in sorted((COURSE / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        heading, questions = "", {}
        for kind, source, _ in _cells(path):
            if kind == "markdown":
                heading = ([heading] + re.findall(r"^#+ (.*)$", source, re.MULTILINE))[-1]
            elif "predict(" in source:
                questions |= dict.fromkeys(_questions_in(source), heading)
        if questions:
            notebooks[path.stem] = questions
    return notebooks


def _exercises():
    """For each exercise its name, and in words how many of its questions are right."""
    rows = []
    for path in sorted((COURSE / "exercises" / "release").glob("ex[0-9][0-9]_*/checks.json")):
        notebook = path.with_name(f"{path.parent.name}.ipynb").relative_to(COURSE)
        copies = [COURSE / notebook, COURSE / "work" / notebook]
        try:
            questions = content_of(path, questions=dict)["questions"]
            right = max(len(_right_in(copy) & set(questions)) for copy in copies)
            text = f"{right} of {len(questions)} questions right, as last saved"
        except (OSError, ValueError) as problem:
            text = f"not counted: {problem}"
        rows.append((path.parent.name, text))
    return rows


def _cells(path):
    """The kind, the source and the printed text of each cell; none of what is no notebook."""
    try:
        return [
            (
                cell["cell_type"],
                "".join(cell["source"]),
                "\n".join("".join(output.get("text", "")) for output in cell.get("outputs", ())),
            )
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _right_in(path):
    """The questions that `check` calls right in a notebook's stored outputs; none without one."""
    text = "\n".join(printed for *_, printed in _cells(path))
    return set(re.findall(r"^(\w+): right, all \d+", text, re.MULTILINE))


def _questions_in(source):
    """The question of each call of `predict` in a cell; none in a cell that is no Python alone."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # half-written, or with a magic such as %time
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", getattr(call.func, "attr", None)) == "predict"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]


def _where(question):
    for notebook, questions in _questions().items():
        if question in questions:
            return f"Read again: {notebook}, '{questions[question]}'."
    return ""


# --- The controls ---------------------------------------------------------------------------------


def _controls(prediction):
    """The question, its choices or a field, 'I am sure', and a line that says what was noted."""
    import ipywidgets as widgets

    from .explorers.frame import FIRST_SCRIPT

    words = [_shown(choice) for choice in prediction.choices]
    if words:
        answer = widgets.ToggleButtons(options=words, value=None)
    else:
        answer = widgets.Text(placeholder="a number", continuous_update=False)
        answer.layout.width = "120px"
    sure = widgets.Checkbox(description="I am sure", indent=False)
    line = widgets.HTML()

    def note(_):
        if not answer.value:
            return
        try:
            value = prediction.choices[words.index(answer.value)] if words else answer.value
            prediction.say(value, sure.value)
            line.value = f'<div role="status">Noted: {escape(_shown(prediction.said))}.</div>'
        except ValueError as problem:
            line.value = f'<div role="alert">{escape(str(problem))}</div>'

    answer.observe(note, "value")
    sure.observe(note, "value")
    question = widgets.HTML(f"<b>{escape(prediction.question)}</b>")
    row = widgets.HBox([answer, sure, line], layout=widgets.Layout(flex_flow="row wrap"))
    keys = widgets.HTML(FIRST_SCRIPT, layout=widgets.Layout(display="none"))
    view = widgets.VBox([question, row, keys])
    view.add_class("course-explorer")  # whose keys stay its own
    return view


def _asked_again(entry, today):
    """The controls of a question that is asked anew; it tells its answer once something is said.

    Only the first thing said counts: afterwards the answer stands there.
    """
    import ipywidgets as widgets

    prediction = Prediction(entry["question"], tuple(entry["choices"]))
    answer = widgets.HTML()

    def tell(_):
        if prediction.said is None:
            return
        control.unobserve(tell, "value")
        control.disabled = True
        said, came = _shown(prediction.said), entry["came"]
        value = came if prediction.choices else _number(came)
        right = prediction.is_right(value, entry["within"])
        answer.value = f"{escape(came)}. {'Right.' if right else escape(_where(entry['question']))}"
        step = entry["step"] + 1 if right else 0
        kept = {key: value for key, value in entry.items() if key not in ("again", "step")}
        if step < len(DAYS):
            kept |= {"again": (today + timedelta(DAYS[step])).isoformat(), "step": step}
        _keep(entry["question"], {**kept, "said": said, "right": right})

    control = prediction.view.children[1].children[0]
    control.observe(tell, "value")
    return widgets.VBox([prediction.view, answer])


def _number(value):
    """A number from a number or a text like '1,568' or '12 %'; ValueError for anything else."""
    text = str(value).strip().replace("−", "-").removesuffix("%").strip()
    if re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    try:
        number = float(value if isinstance(value, Rational) else text)  # a Fraction is no text
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"a number is needed, with a point for decimals, not {value!r}")
    return number


def _single(value):
    """One value, a number of NumPy's as Python's; ValueError for an array."""
    if getattr(value, "ndim", 0):
        raise ValueError(f"one value is needed, not {value!r}")
    return value.item() if hasattr(value, "item") else value


def _same(one, other):
    """Whether two values are the same choice: 1 is not True, though Python calls them equal."""
    one, other = _single(one), _single(other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _shown(value):
    """A value as a learner would write it: `2`, not `2.0`; `yes` for True."""
    value = _single(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) and abs(value) < 1e9 else str(value)


def _listed(choices):
    return ", ".join(map(repr, choices)) or "none"
