"""From the source of an exercise to what students get: `make release`.

The students' notebook is the source without its solutions (nbgrader's own preprocessors take them
out), and `checks.json` holds the public cases for `check`: right answers, and those of well-known
mistakes, as data.
"""

import json

import nbformat
from nbgrader import preprocessors
from traitlets.config import Config

from course_utils import answers, checks
from grading import judge, questions, sandbox, supervisor

STUB = "# YOUR CODE HERE\n..."
TEXT_STUB = "YOUR ANSWER HERE"


def release_notebook(exercise):
    """The students' notebook of an exercise."""
    notebook = nbformat.read(exercise.source, as_version=4)
    check_source(exercise, notebook)
    config = Config()
    config.ClearSolutions.code_stub = {"python": STUB}
    config.ClearSolutions.text_stub = TEXT_STUB
    for step in ("ClearSolutions", "LockCells", "ClearOutput", "ComputeChecksums"):
        notebook, _ = getattr(preprocessors, step)(config=config).preprocess(notebook, {})
    return notebook


def check_source(exercise, notebook):
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


def expected(exercise, seed, box=None):
    """The right answers to the cases of one seed: those of the source notebook.

    Returns:
        a dictionary from the question's name to the decoded answers, one for each different case.

    Raises:
        RuntimeError: when the source notebook itself does not answer.
    """
    notebook = nbformat.read(exercise.source, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if _is_needed(cell, exercise)]
    asked, _ = questions.requests(exercise, seed)
    ran = supervisor.run(notebook, asked, supervisor.Limits(exercise.seconds, exercise.memory), box)
    right = {}
    for name, request in asked.items():
        replies = ran.answers.get(name, [{"error": ran.lost.get(name, "no answer")}])
        faults = [reply for reply in replies if "value" not in reply]
        if faults or len(replies) != len(request["cases"]):
            raise RuntimeError(f"{exercise.source.name} does not answer {name}: {faults[:1]}")
        right[name] = [answers.decode(reply["value"]) for reply in replies]
    return right


def _is_needed(cell, exercise):
    """Whether a cell of the source has to run for an answer: plots and checks have not."""
    marks = questions.marks_of(cell)
    if marks.get("solution"):
        return cell.id in {question.cell for question in exercise.questions}
    return not marks.get("grade")


def public_checks(exercise):
    """What `checks.json` holds."""
    right = expected(exercise, questions.PUBLIC_SEED, sandbox.find(unsafe=True))
    asked, places = questions.requests(exercise, questions.PUBLIC_SEED)
    found = {}
    for question in exercise.questions:
        cases = asked[question.name]["cases"]
        wrong = {hint: [judge.mistaken(question, mistake, case) for case in cases]
                 for hint, mistake in question.mistakes.items()}  # fmt: skip
        parts = []
        for part, where in zip(question.parts, places[question.name], strict=True):
            entry = {"name": part.name, "points": part.points, "of": part.of}
            if part.cases is None:
                entry["seal"] = _seal(exercise, question, part, right[question.name][0])
            else:
                entry["cases"] = [_case(question, part, place, asked, right, wrong)
                                  for place in where]  # fmt: skip
            parts.append(entry)
        found[question.name] = {
            "probe": question.probe, "tolerance": question.tolerance, "parts": parts,
        }  # fmt: skip
    return {"exercise": exercise.name, "questions": found}


def _case(question, part, place, asked, right, wrong):
    """One case for `check`: arguments, the right answer, and the telling wrong ones."""
    wanted = checks.part_of(right[question.name][place], part.of)
    mistakes = []
    for hint, replies in wrong.items():
        came = checks.part_of(replies[place], part.of)
        if came is not None and answers.difference(wanted, came, question.tolerance):
            mistakes.append({"hint": hint, "answer": answers.encode(came)})
    return {
        "arguments": asked[question.name]["cases"][place],
        "expected": answers.encode(wanted),
        "mistakes": mistakes,
    }


def _seal(exercise, question, part, answer):
    """A short answer and its mistakes as hashes."""
    salt = f"{exercise.name}/{question.name}/{part.of}"
    hints = {checks.sealed(mistake[part.of], salt): hint
             for hint, mistake in question.mistakes.items() if part.of in mistake}  # fmt: skip
    return {"salt": salt, "answer": checks.sealed(answer[part.of], salt), "mistakes": hints}


def write(exercise):
    """Write the release of one exercise; returns its folder."""
    folder = exercise.release.parent
    folder.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(release_notebook(exercise)) + "\n"
    exercise.release.write_text(text, encoding="utf-8")
    found = json.dumps(public_checks(exercise), indent=1, ensure_ascii=False) + "\n"
    (folder / "checks.json").write_text(found, encoding="utf-8")
    return folder
