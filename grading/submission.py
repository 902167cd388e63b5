"""One submission, from the bytes of its file to what it answered: the unit of work.

It takes data and gives data, so that a process, a thread or a machine of a cluster can do it.
"""

import re
import time

import nbformat

from grading import repair, running, sandbox
from grading.questions import marks_of
from grading.results import Job, Outcome

BASE64_OF_PNG = re.compile(r"iVBOR[A-Za-z0-9+/=\n]*")


def run(job: Job) -> Outcome:
    """Repair and run one submission."""
    began = time.monotonic()
    try:
        if job.problem:
            raise repair.Unreadable(job.problem)
        release = nbformat.from_dict(job.release)
        mended = repair.repair(job.content, job.file, release)
    except repair.Unreadable as problem:
        return Outcome(problem=str(problem))
    limits = running.Limits(**job.limits)
    ran = running.run(mended.notebook, job.requests, limits, sandbox.find(**job.box))
    notebook = checked(ran.notebook, mended.notebook)
    raised = {
        cell["id"]: output["ename"]
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    }
    return Outcome(
        repairs=mended.log,
        answered=mended.answered,
        notebook=notebook,
        replies=ran.answers,
        lost_cells=ran.lost_cells,
        lost=ran.lost,
        raised=raised,
        seconds=time.monotonic() - began,
    )


def checked(executed, mended):
    """The notebook that was sent into the box, with those outputs that came back for its cells.

    The box may answer with anything: sources are not taken from there, and outputs only in the few
    forms that the runner makes. Somebody is going to open it in formgrader, where HTML in a text
    would have that person's rights: so texts lose theirs.
    """
    outputs = {}
    cells = executed.get("cells") if isinstance(executed, dict) else None
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, dict) and isinstance(cell.get("outputs"), list):
            found = [_output(each) for each in cell["outputs"]]
            outputs[str(cell.get("id"))] = [each for each in found if each is not None]
    filled, count = [], 0
    for cell in mended["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell = {**cell, "outputs": outputs.get(cell["id"], []), "execution_count": count}
        elif not marks_of(cell).get("locked") and cell["id"] != "badges":
            cell = {**cell, "source": harmless(cell["source"])}
        filled.append(cell)
    return {**mended, "cells": filled}


def harmless(text):
    """A text in which no reader of Markdown finds a tag, an entity or a script's address.

    A character of no width takes them apart, so that they are seen as they were written.
    """
    text = re.sub(r"<(?=[A-Za-z/!?])", "<\u200b", text)
    text = re.sub(r"&(?=#?\w+;)", "&\u200b", text)
    return re.sub(r"(?i)(script|data|file|blob)(?=[\s\x00-\x20]*:)", "\\1\u200b", text)


def _output(output):
    """An output in one of the runner's forms, or None."""
    if not isinstance(output, dict):
        return None
    kind = output.get("output_type")
    if kind == "stream":
        return {"output_type": kind, "name": "stdout", "text": _text(output.get("text"))}
    if kind == "error":
        lines = output.get("traceback") if isinstance(output.get("traceback"), list) else []
        return {"output_type": kind, "ename": _text(output.get("ename"))[:100],
                "evalue": _text(output.get("evalue")), "traceback": [_text(line) for line in lines],
                }  # fmt: skip
    data = output.get("data") if isinstance(output.get("data"), dict) else {}
    data = {
        form: _text(data[form])
        for form in ("image/png", "text/plain")
        if isinstance(data.get(form), str)
    }
    if not BASE64_OF_PNG.fullmatch(data.get("image/png", "iVBOR")):
        del data["image/png"]
    metadata = output.get("metadata") if isinstance(output.get("metadata"), dict) else {}
    about = metadata.get("image/png") if isinstance(metadata.get("image/png"), dict) else {}
    alt = {"image/png": {"alt": _text(about.get("alt"))}} if "image/png" in data else {}
    return {"output_type": "display_data", "data": data, "metadata": alt} if data else None


def _text(value):
    """A text without half characters, which no file could hold; '' for anything else."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""
