"""A grader without boxes, for tests of what is around them: every notebook answers at once.

A notebook's answers come from its code: the solution's is right, any other is wrong. Who is asked,
what is kept, and what comes out is the grader's own work.
"""

import json

from handed_in import solutions

from grading import batch, class_page, files, questions, repair, submission
from grading.results import Outcome

NAME = "ex02_output_size"
SEED = 7


def without_pictures(monkeypatch):
    """The class page's figures are not drawn: nobody looks at them."""
    monkeypatch.setattr(class_page, "_drawn", lambda figure, alt: class_page.Drawn("", alt))


def answered_at_once(job):
    """What `submission.run` gives, without a box."""
    try:
        if job.problem:
            raise repair.Unreadable(job.problem)
        exercise = questions.load("ex02")
        mended = repair.repair(job.content, job.file, exercise.released)
    except repair.Unreadable as problem:
        return Outcome(problem=str(problem))
    sources = {cell["id"]: cell["source"] for cell in mended.notebook["cells"]}
    known, replies = solutions("ex02"), {}
    for question in exercise.questions:
        if question.name in job.requests and sources[question.cell] == known[question.cell]:
            replies[question.name] = [{"value": value} for value in job.right[question.name]]
    return Outcome(
        repairs=mended.log,
        answered=mended.answered,
        notebook={**mended.notebook, "cells": [with_outputs(c) for c in mended.notebook["cells"]]},
        replies=replies,
        seconds=0.1,
    )


def with_outputs(cell):
    code = cell["cell_type"] == "code"
    return {**cell, **({"outputs": [], "execution_count": 1} if code else {})}


def without_boxes(monkeypatch):
    """Let the grader answer at once, and remember whom it graded."""
    graded = []

    def run(job):
        graded.append(job.student)
        return answered_at_once(job)

    without_pictures(monkeypatch)
    monkeypatch.setattr(submission, "run", run)
    return graded


def grade(place, roster, folder, tell=lambda line: None, **options):
    """Grade a folder as the command does; the secret seed is always the same."""
    files.write_atomically(folder / "secret_seed", f"{SEED}\n")
    how = batch.Options(unsafe=True, workers=2, **options)
    return batch.grade("ex02", place, roster, folder, how, tell)


def points_of(result):
    return sum(entry.points for entry in result.questions.values())


def in_json(data):
    return json.dumps(data).encode()
