"""From the source of an exercise to what students get: `make release`.

The students' notebook is the source without its solutions (nbgrader's own preprocessors take them
out), and `checks.json` holds the public cases for `check`: right answers, and those of well-known
mistakes, as data. It refuses a known mistake that is none.
"""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from nbgrader import preprocessors
from traitlets.config import Config

from course_utils import answers, checks
from grading import judge, papers, questions, source

STUB = "# YOUR CODE HERE\n..."
TEXT_STUB = "YOUR ANSWER HERE"
TRIALS = 10  # seeds with which every known mistake has to fail before an exercise is released
SOURCE = "variant 0"  # the student of a source notebook


def release_notebook(exercise: questions.Exercise) -> nbformat.NotebookNode:
    """The students' notebook of an exercise."""
    notebook = nbformat.read(exercise.source, as_version=4)
    check_source(exercise, notebook)
    config = Config()
    config.ClearSolutions.code_stub = {"python": STUB}
    config.ClearSolutions.text_stub = TEXT_STUB
    notebook = _after("ClearSolutions", notebook, config)
    short = {question.cell for question in exercise.questions if question.probe == "values"}
    for cell in notebook.cells:
        if cell.id == checks.STUDENT_CELL:
            cell.source = cell.source.replace(f'"{SOURCE}"', '""')
            cell.metadata.nbgrader.solution = True  # the student's own, like an answer
        elif cell.id in short:  # its dictionary is what is to be filled
            cell.source = cell.source.removesuffix(f"\n{STUB}")
    for step in ("LockCells", "ClearOutput", "ComputeChecksums"):
        notebook = _after(step, notebook, config)
    return notebook


def _after(step: str, notebook: nbformat.NotebookNode, config: Config) -> nbformat.NotebookNode:
    return getattr(preprocessors, step)(config=config).preprocess(notebook, {})[0]


def check_source(exercise: questions.Exercise, notebook: nbformat.NotebookNode) -> None:
    """Raise ValueError when a source notebook and its `questions.py` do not go together."""
    marked = {cell.id: marks for cell in notebook.cells if (marks := questions.marks_of(cell))}
    for cell_id, marks in marked.items():
        if marks.grade_id != cell_id:
            raise ValueError(f"{exercise.name}: cell {cell_id} has the grade_id {marks.grade_id}")
    for question in exercise.questions:
        for cell_id in (question.cell, question.check_cell):
            if cell_id not in marked:
                raise ValueError(f"{exercise.name}: no cell with marks has the id {cell_id}")
        points = marked[question.check_cell].get("points")
        if points != question.points:
            raise ValueError(f"{exercise.name}: {question.check_cell} says {points} points, "
                             f"questions.py {question.points}")  # fmt: skip


def check_mistakes(exercise: questions.Exercise) -> None:
    """Raise ValueError when a known mistake is none.

    Every patch has to fit its solution exactly once and to change an answer: in the public cases,
    and in those of a few other seeds; for short answers in every variant. It says which does not.
    """
    for question in exercise.questions:
        for mistake in question.mistakes.values():
            if isinstance(mistake, source.Patched):
                mistake.source.patched(question.cell, mistake.patch)
        if question.probe == "call":
            for seed in range(TRIALS):
                questions.settled(question, seed, exercise.code.answer(question))
    _ = exercise.variants


def public_checks(
    exercise: questions.Exercise, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What `checks.json` holds.

    Args:
        before: what it held so far. Hashes take long, and those of short answers that have not
            changed are taken from there.
    """
    paper = papers.Public(exercise).of("")
    found = {}
    for question in exercise.questions:
        entries: list[dict[str, Any]] = [{"name": part.name, "points": part.points, "of": part.of}
                   for part in question.parts]  # fmt: skip
        if question.is_open:
            pass
        elif question.probe == "values":
            for entry in entries:
                entry["kind"] = _kind(exercise, question, entry["of"])
        else:
            _add_cases(entries, question, paper)
        found[question.name] = {
            "probe": question.probe, "tolerance": question.tolerance, "parts": entries,
        }  # fmt: skip
    variants = [{name: answers.encode(value) for name, value in numbers.items()}
                for numbers in exercise.variants]  # fmt: skip
    made_of = digest_of_short_answers(exercise)
    whole = {"exercise": exercise.name, "short answers": made_of, "variants": variants,
             "questions": found}  # fmt: skip
    if before and before.get("short answers") == made_of:
        _take_seals(whole, before)
    else:
        seal(exercise, whole)
    return whole


def _kind(exercise: questions.Exercise, question: questions.Question, name: str) -> str:
    values = [exercise.short_answers(number)[question.name][name]
              for number in range(len(exercise.variants))]  # fmt: skip
    return "number" if not any(checks.no_number(value) for value in values) else "other"


def _add_cases(
    entries: list[dict[str, Any]], question: questions.Question, paper: papers.Paper
) -> None:
    """The public cases of one question, with the telling wrong answers."""
    cases, right = paper.asked[question.name]["cases"], paper.right[question.name]
    wrong = {hint: [judge.mistaken(question, mistake, case) for case in cases]
             for hint, mistake in question.mistakes.items()}  # fmt: skip
    for entry, where in zip(entries, paper.places[question.name], strict=True):
        entry["cases"] = []
        for place in where:
            wanted, mistakes = checks.part_of(right[place], entry["of"]), []
            for hint, replies in wrong.items():
                came = checks.part_of(replies[place], entry["of"])
                if came is not None and answers.difference(wanted, came, question.tolerance):
                    mistakes.append({"hint": hint, "answer": answers.encode(came)})
            entry["cases"].append({"arguments": cases[place], "expected": answers.encode(wanted),
                                   "mistakes": mistakes})  # fmt: skip


# --- Short answers --------------------------------------------------------------------------------


def digest_of_short_answers(exercise: questions.Exercise) -> str:
    """A name for all that the hashes of the short answers depend on, and for none of the answers.

    It is made of the solutions' text, which stands in the source for everybody to read.
    """
    asked = [question for question in exercise.questions if question.probe == "values"]
    texts = [exercise.code.cells[question.cell] for question in asked]
    mistakes = [[hint, getattr(mistake, "patch", mistake)] for question in asked
                for hint, mistake in question.mistakes.items()]  # fmt: skip
    parts = [part.of for question in asked for part in question.parts]
    whole = json.dumps([checks.COST, texts, mistakes, parts, exercise.variants])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _take_seals(whole: dict[str, Any], before: dict[str, Any]) -> None:
    for name, asked in whole["questions"].items():
        for entry, old in zip(asked["parts"], before["questions"][name]["parts"], strict=True):
            if "seals" in old:
                entry["seals"] = old["seals"]


def seal(exercise: questions.Exercise, whole: dict[str, Any]) -> None:
    """Put the short answers of every variant into the checks as hashes, and the known mistakes."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # scrypt lets other threads run
        for question in exercise.questions:
            if question.probe != "values":
                continue
            for entry in whole["questions"][question.name]["parts"]:
                numbers = range(len(exercise.variants))
                sealed = partial(seal_of, exercise, question.name, entry["of"])
                entry["seals"] = list(pool.map(sealed, numbers))


def seal_of(exercise: questions.Exercise, name: str, of: str, variant: int) -> dict[str, Any]:
    """A short answer of one variant and its known mistakes as hashes."""
    salt = f"{exercise.name}/{name}/{of}/{variant}"
    question = next(each for each in exercise.in_variant(variant).questions if each.name == name)
    right = exercise.short_answers(variant)[name][of]
    hints = {checks.sealed(mistake[of], salt): hint
             for hint, mistake in question.mistakes.items() if of in mistake}  # fmt: skip
    return {"salt": salt, "answer": checks.sealed(right, salt), "mistakes": hints}


def write(exercise: questions.Exercise) -> Path:
    """Write the release of one exercise; returns its folder."""
    folder = exercise.release.parent
    folder.mkdir(parents=True, exist_ok=True)
    check_mistakes(exercise)
    text = nbformat.writes(release_notebook(exercise)) + "\n"
    exercise.release.write_text(text, encoding="utf-8")
    path = folder / "checks.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    found = json.dumps(public_checks(exercise, before), indent=1, ensure_ascii=False) + "\n"
    path.write_text(found, encoding="utf-8")
    return folder
