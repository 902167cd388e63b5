"""One submission, from the bytes of its file to what it answered: the unit of work.

It takes data and gives data, so that a process, a thread or a machine of a cluster can do it.
"""

import json
import re
import time
from functools import cache
from typing import Any

from course_utils import answers
from grading import competition, judge, questions, repair, sandbox, supervisor
from grading.questions import marks_of
from grading.results import Job, Outcome

# What makes code of a module's text or of another's code, where no guard sees it called.
TAKES_APART = re.compile(
    r"\b(getsource\w*|__code__|__file__|subprocess|find_spec|FunctionType|marshal|Popen|run_path"
    r"|run_module|spec_from_file_location|SourceFileLoader|os\.system)\b"
    r"|(?<![.\w])(exec|eval|compile)[ \t]*\("
)
AS_SAVED = "[as it was saved: the grader does not run this cell]\n"
MOST_SAVED, LARGEST_SAVED = 20, 300_000  # outputs of such a cell, and the bytes of one
BASE64_OF_PNG = re.compile(r"iVBOR[A-Za-z0-9+/=\n]*")


def run(job: Job) -> Outcome:
    """Repair and run one submission."""
    began = time.monotonic()
    try:
        if job.problem:
            raise repair.Unreadable(job.problem)
        mended = repair.repair_safely(job.content, job.file, job.release)
    except repair.Unreadable as problem:
        return Outcome(problem=str(problem))
    exercise = _exercise(job.exercise) if job.exercise else None
    repeat = Repeat(job, exercise) if exercise else None
    limits, box = supervisor.Limits(**job.limits), sandbox.find(**job.box)
    skipped = not_run(mended.notebook)
    ran = supervisor.run(
        {"cells": [cell for cell in mended.notebook["cells"] if cell["id"] not in skipped]},
        job.requests,
        limits,
        box,
        forbidden=forbidden(exercise),
        again=repeat.sources if repeat else None,
    )
    saved = dict.fromkeys(skipped) | mended.saved
    notebook = checked(ran, mended.notebook, saved)
    measured = {}
    if exercise and exercise.competition and job.pictures is not None:
        outputs = mended.saved.get(exercise.competition.check_cell)
        picture = competition.picture_of(outputs)
        measured = competition.measure(picture, job.pictures, limits, sandbox.find(**job.box))
    return Outcome(
        repairs=mended.log,
        answered=mended.answered,
        notebook=notebook,
        replies=ran.answers,
        later=ran.later,
        again={name: replies for name, replies in ran.again.items() if replies is not None},
        instead=repeat.instead if repeat else {},
        notes=ran.notes,
        called=ran.called,
        lost_cells=ran.lost_cells,
        lost=ran.lost,
        raised=raised(notebook),
        mentions=mentions(exercise, notebook) if exercise else {},
        measured=measured,
        seconds=time.monotonic() - began,
    )


@cache
def _exercise(name: str) -> questions.Exercise:
    return questions.load(name)


class Repeat:
    """One mistake costs once: which questions are asked again with others' right answers.

    Attributes:
        instead: from each of them to those others.
    """

    def __init__(self, job: Job, exercise: questions.Exercise) -> None:
        right = {name: answers.decode(value) for name, value in job.right.items()}
        self.judge = judge.Judge(exercise, job.requests, job.places, right)
        self.instead: dict[str, list[str]] = {}

    def sources(self, ran: supervisor.Ran) -> dict[str, dict[str, str]]:
        """From each question to ask again to the code of the others' right answers."""
        self.instead = self.judge.to_ask_again(ran)
        if not self.instead:
            return {}
        codes = judge.solutions(self.judge.exercise)
        return {name: {other: codes[other] for other in others}
                for name, others in self.instead.items()}  # fmt: skip


def forbidden(exercise: questions.Exercise | None) -> dict[str, tuple[str, ...]]:
    """From each question to the dotted names of what its answer is not to call."""
    if exercise is None:
        return {}
    everywhere = tuple(getattr(exercise, "forbidden", ()))
    return {question.name: everywhere + tuple(getattr(question, "forbidden", ()))
            for question in exercise.questions}  # fmt: skip


def mentions(exercise: questions.Exercise, notebook: dict[str, Any]) -> dict[str, list[str]]:
    """From each question to the forbidden names that stand in the code of its answer.

    In cells of the student's own they may stand, to compare; not beside what takes code apart.
    """
    sources = {cell["id"]: cell["source"] for cell in notebook["cells"]}
    own = "\n".join(cell["source"] for cell in notebook["cells"]
                    if cell["cell_type"] == "code" and cell["id"].startswith("own-"))  # fmt: skip
    names, found = forbidden(exercise), {}
    for question in exercise.questions:
        source = sources.get(question.cell, "")
        named = [name for name in names[question.name] if _mentions(source, name)
                 or (TAKES_APART.search(own) and _mentions(own, name))]  # fmt: skip
        if TAKES_APART.search(source) and "course_utils" in source + own:
            named = named or ["course_utils"]
        found[question.name] = named
    return {question: named for question, named in found.items() if named}


def _mentions(source: str, name: str) -> bool:
    """Whether code imports or calls what has a dotted name, as far as its words tell."""
    parent, _, last = name.rpartition(".")
    dotted = rf"\b{re.escape(parent.rpartition('.')[2])}\.{re.escape(last)}\b"
    imported = re.findall(rf"from[ \t]+{re.escape(parent)}[ \t]+import\b([^\n]*)", source)
    taken = any(re.search(rf"\b{re.escape(last)}\b", names) for names in imported)
    return taken or re.search(dotted, source) is not None


def raised(notebook: dict[str, Any]) -> dict[str, str]:
    """From the id of each cell that ended in an error to the error's name."""
    return {
        cell["id"]: output["ename"]
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    }


def not_run(notebook: dict[str, Any]) -> list[str]:
    """The ids of the cells that are not run: those with the tag, and a student's own behind them.

    They train a network, which takes minutes, or are about what came of it.
    """
    found: list[str] = []
    for cell in notebook["cells"]:
        own = cell["id"].startswith("own-") and found
        if cell["cell_type"] == "code" and (repair.is_saved(cell) or own):
            found.append(cell["id"])
    return found


def checked(
    ran: supervisor.Ran, mended: dict[str, Any], saved: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The notebook that was sent into the box, with those outputs that came back for its cells.

    Of the cells in `saved`, which were not run, those that the student's file has.

    The box may answer with anything: sources are not taken from there, and outputs only in the few
    forms that the runner makes. Somebody is going to open it in formgrader, where HTML in a text
    would have that person's rights: so texts lose theirs.
    """
    filled, count = [], 0
    for cell in mended["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell_id, known = cell["id"], saved or {}
            shown = _saved(known[cell_id]) if cell_id in known else _outputs(ran, cell_id)
            cell = {**cell, "outputs": shown, "execution_count": count}
        elif not marks_of(cell).get("locked") and cell["id"] != "badges":
            cell = {**cell, "source": harmless(cell["source"])}
        filled.append(cell)
    return {**mended, "cells": filled}


def _outputs(ran: supervisor.Ran, cell_id: str) -> list[dict[str, Any]]:
    """The outputs of one cell; of one that was left out, why."""
    outputs = ran.outputs.get(cell_id)
    found = [_output(output) for output in outputs] if isinstance(outputs, list) else []
    if cell_id in ran.lost_cells:
        text = f"[this cell was left out: {ran.lost_cells[cell_id]}]\n"
        found.append({"output_type": "stream", "name": "stdout", "text": text})
    return [output for output in found if output is not None]


def _saved(outputs: Any) -> list[dict[str, Any]]:
    """The outputs that a student's file has for a cell, few and small, behind a line that says so.

    A network in the form of a picture is large, and nothing to be seen: it is left out.
    """
    found = [{"output_type": "stream", "name": "stdout", "text": AS_SAVED}]
    for output in _a(list, outputs)[:MOST_SAVED]:
        plain = _output(_with_whole_texts(output))
        if plain and len(json.dumps(plain)) <= LARGEST_SAVED:
            found.append(plain)
    return found


def _with_whole_texts(output: Any) -> Any:
    """An output of a file, where a text may stand as a list of lines."""
    if not isinstance(output, dict):
        return None
    data = {form: _joined(content) for form, content in _a(dict, output.get("data")).items()}
    return {**output, "text": _joined(output.get("text")), "data": data}


def _joined(lines: Any) -> Any:
    return "".join(filter(lambda line: isinstance(line, str), lines)) \
        if isinstance(lines, list) else lines  # fmt: skip


def harmless(text: str) -> str:
    """A text in which no reader of Markdown finds a tag, an entity or a script's address.

    A character of no width takes them apart, so that they are seen as they were written.
    """
    text = re.sub(r"<(?=[A-Za-z/!?])", "<\u200b", text)
    text = re.sub(r"&(?=#?\w+;)", "&\u200b", text)
    return re.sub(r"(?i)(script|data|file|blob)(?=[\s\x00-\x20]*:)", "\\1\u200b", text)


def _output(output: Any) -> dict[str, Any] | None:
    """An output in one of the runner's forms, or None."""
    if not isinstance(output, dict):
        return None
    kind = output.get("output_type")
    if kind == "stream":
        return {"output_type": kind, "name": "stdout", "text": _text(output.get("text"))}
    if kind == "error":
        lines = _a(list, output.get("traceback"))
        return {"output_type": kind, "ename": _text(output.get("ename"))[:100],
                "evalue": _text(output.get("evalue")), "traceback": [_text(line) for line in lines],
                }  # fmt: skip
    data = _a(dict, output.get("data"))
    data = {
        form: _text(data[form])
        for form in ("image/png", "text/plain")
        if isinstance(data.get(form), str)
    }
    if not BASE64_OF_PNG.fullmatch(data.get("image/png", "iVBOR")):
        del data["image/png"]
    about = _a(dict, _a(dict, output.get("metadata")).get("image/png"))
    alt = {"image/png": {"alt": _text(about.get("alt"))}} if "image/png" in data else {}
    return {"output_type": "display_data", "data": data, "metadata": alt} if data else None


def _a(kind: type, value: Any) -> Any:
    """A value of a kind; an empty one of it for anything else."""
    return value if isinstance(value, kind) else kind()


def _text(value: Any) -> str:
    """A text without half characters, which no file could hold; '' for anything else."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""
