"""Every exercise: its source, what students get, what its checks say, and what its points are."""

import json
import re
import statistics
from pathlib import Path

import nbformat
import numpy as np
import pytest
from handed_in import answered, in_bytes, released, solutions

from course_utils import answers, checks
from grading import batch, files, judge, questions, release

ROOT = Path(__file__).parents[1]
NAMES = questions.names()
BEFORE = ("title", "badges", "rules", "set-up-text", "set-up", "imports")
AFTER = ("explain-text", "explain", "hand-in")


@pytest.fixture(scope="module", params=NAMES)
def exercise(request):
    return questions.load(request.param)


@pytest.fixture(scope="module")
def source(exercise):
    return nbformat.read(exercise.source, as_version=4)


@pytest.fixture(scope="module")
def students(exercise):
    return exercise.released


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def marks_of(cell):
    return cell.metadata.get("nbgrader", {})


def points_of(notebook):
    return sum(marks_of(cell).get("points", 0) for cell in notebook.cells)


def test_there_is_one_for_each_of_nine_notebooks():
    numbers = [name[2:4] for name in NAMES]
    assert numbers == [f"{number:02}" for number in range(1, 10)]
    for name in NAMES:  # the ninth goes with notebook 12
        notebook = name[2:].replace("09_", "12_")
        assert (ROOT / "notebooks" / f"{notebook}.ipynb").exists(), name


# --- The source -----------------------------------------------------------------------------------


def test_has_the_frame(exercise, source):
    ids = [cell.id for cell in source.cells]
    assert tuple(ids[: len(BEFORE)]) == BEFORE
    assert tuple(ids[-len(AFTER) :]) == AFTER
    assert len(ids) == len(set(ids))
    assert source.cells[0].source.startswith(f"# Exercise {int(exercise.name[2:4])}: ")
    text = "\n".join(cell.source for cell in source.cells if cell.cell_type == "markdown")
    assert "Predict first" in text and "How it is graded" in text
    assert "plot" in ids, "every exercise has an experiment with a plot"


def test_points_add_up(exercise, source):
    total = points_of(source)
    assert 10 <= total <= 20
    rules = next(cell.source for cell in source.cells if cell.id == "rules")
    assert rules.startswith(f"**{total} points")
    rows = re.findall(r"^\|.*\|\s*(\d+)\s*\|$", rules, re.MULTILINE)
    assert sum(map(int, rows)) == total
    release.check_source(exercise, source)


def test_was_executed_and_is_all_right(source):
    counts = [cell.execution_count for cell in code_cells(source)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(source):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id
        if cell.id.endswith("-check"):
            assert ": right, " in cell.outputs[0].text, cell.id


def test_cells_are_short(source):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(source) if cell.id != "set-up"]
    assert max(lengths) <= 30 and statistics.median(lengths) <= 10


def test_pictures_carry_alt_text(source):
    pictures = [output for cell in code_cells(source) for output in cell.outputs
                if "image/png" in output.get("data", {})]  # fmt: skip
    assert pictures
    for output in pictures:
        assert len(output.metadata["image/png"]["alt"]) > 20


def test_prose_keeps_its_voice(source):
    for cell in source.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"`[^`]*`|\$[^$]*\$|!\[", "", cell.source)
            assert "!" not in prose, cell.id
            assert not re.search(r"\b(color|normalize|center|gray)", prose), cell.id


def test_links_resolve(exercise, source):
    for place in (exercise.source, exercise.release):
        for cell in source.cells:
            if cell.cell_type == "markdown":
                for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                    assert target.startswith("https://") or (place.parent / target).exists()


# --- What students get ----------------------------------------------------------------------------


def test_release_is_current(exercise, students):
    assert json.loads(json.dumps(release.release_notebook(exercise))) == json.loads(
        json.dumps(students)
    ), f"make release EXERCISE={exercise.name}"


def test_checks_are_current(exercise):
    """Up to the last digits of a network's outputs, which differ from machine to machine."""
    kept = json.loads((exercise.release.parent / "checks.json").read_text(encoding="utf-8"))
    same_data(release.public_checks(exercise), kept)


def same_data(new, kept):
    if isinstance(new, dict) and "bytes" in new:
        assert answers.difference(answers.decode(new), answers.decode(kept), 1e-3) == ""
    elif isinstance(new, dict):
        assert set(new) == set(kept)
        for key in new:
            same_data(new[key], kept[key])
    elif isinstance(new, list):
        assert len(new) == len(kept)
        for one, other in zip(new, kept, strict=True):
            same_data(one, other)
    elif isinstance(new, float):
        assert new == pytest.approx(kept, rel=1e-4, abs=1e-6)
    else:
        assert new == kept


def test_release_holds_no_solution(exercise, students):
    text = "\n".join(cell.source for cell in students.cells)
    assert "SOLUTION" not in text
    for cell in students.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        if marks_of(cell).get("solution"):
            stub = release.TEXT_STUB if cell.cell_type == "markdown" else "# YOUR CODE HERE"
            assert stub in cell.source, cell.id
    for cell_id, solution in solutions(exercise.name).items():
        inside = solution.partition("### BEGIN SOLUTION")[2].partition("### END SOLUTION")[0]
        for line in (inside or solution).splitlines():
            line = line.strip()
            if len(line) > 25:
                assert line not in text, (cell_id, line)


def test_checks_hold_no_code_and_no_short_answer(exercise):
    kept = json.loads((exercise.release.parent / "checks.json").read_text(encoding="utf-8"))
    assert (exercise.release.parent / "checks.json").stat().st_size < 600_000
    for asked in kept["questions"].values():
        if asked["probe"] == "values":
            for part in asked["parts"]:
                assert set(part["seal"]) == {"salt", "answer", "mistakes"}
                assert re.fullmatch(r"[0-9a-f]{16}", part["seal"]["answer"])


# --- What the checks say --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_known_mistake_is_caught_and_gets_its_hint(name):
    exercise = questions.load(name)
    check = checks.checks_of(name)
    for question in exercise.questions:
        if question.probe == "values":
            for hint, wrong in question.mistakes.items():
                assert hint in said_about(check, question.name, wrong)
            continue
        for hint, wrong in question.mistakes.items():
            said = said_about(check, question.name, wrong)
            assert said, (question.name, hint)
            hints = re.findall(r"Hint: (.*)", said)
            raises = "raised" in said
            assert raises or hint in hints, (question.name, hint, said)


def said_about(check, question, answer):
    try:
        check(question, answer)
    except checks.CheckFailed as problem:
        return str(problem)
    return ""


# --- Points ---------------------------------------------------------------------------------------


def in_other_words(exercise, library):
    """A submission with the answers of `tests/other_answers`, or None where there are none."""
    path = ROOT / "tests" / "other_answers" / f"{exercise.name}.{library}.py"
    if not path.exists():
        return None
    pieces = re.split(r"^# %% (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    notebook = released(exercise.name)
    sources = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    for cell in notebook["cells"]:
        cell["source"] = sources.pop(cell["id"], cell["source"])
    assert not sources, f"no such cells: {list(sources)}"
    return notebook


@pytest.fixture(scope="module")
def graded(exercise, bubblewrap, tmp_path_factory):
    """The results of four submissions: untouched, the source's, and two in other words."""
    place = tmp_path_factory.mktemp(exercise.name)
    notebooks = {
        "untouched": released(exercise.name),
        "source": answered(exercise.name, written=True),
    }
    for library in ("numpy", "keras"):
        notebooks[library] = in_other_words(exercise, library)
    for name, notebook in notebooks.items():
        if notebook is not None:
            path = place / "submissions" / name / "my notebook.ipynb"
            path.parent.mkdir(parents=True)
            path.write_bytes(in_bytes(notebook))
    files.write_atomically(place / "graded" / "secret_seed", "20261126\n")  # the same every time
    results = batch.grade(
        exercise.name, place / "submissions", None, place / "graded", tell=lambda line: None
    )
    return files.Folder(place / "graded"), results


def test_untouched_scores_nothing(exercise, graded):
    result = graded[1]["untouched"]
    assert result["status"] == "untouched"
    for entry in [*result["questions"].values(), *result["written"].values()]:
        assert (entry["points"], entry["status"]) == (0, "untouched")


def uses_keras(exercise):
    return any(question.probe == "network" for question in exercise.questions)


@pytest.mark.parametrize("who", ["source", "numpy", "keras"])
def test_a_correct_submission_scores_in_full(exercise, graded, who):
    if who == "numpy" and uses_keras(exercise):
        assert who not in graded[1], "a Keras network cannot be built by NumPy"
        return
    result = graded[1][who]
    for name, entry in result["questions"].items():
        assert (entry["points"], entry["status"]) == (entry["max"], "correct"), (name, entry)
    assert result["repairs"] == []


def test_hidden_cases_catch_every_known_mistake(exercise, graded):
    """With the numbers of a secret seed, not only with those of the public cases."""
    examiner = batch.Examiner(exercise, graded[0], batch.Options())
    for question in exercise.questions:
        if question.probe == "values":
            continue
        for hint, mistake in question.mistakes.items():
            replies = []
            for case in examiner.asked[question.name]["cases"]:
                came = judge.mistaken(question, mistake, case)
                replies.append({"error": "E"} if came is None else {"value": answers.encode(came)})
            entry = examiner.judge.question(question, replies, "answered", "", "")
            assert entry["points"] < question.points, (question.name, hint)


def test_cases_differ_from_seed_to_seed(exercise):
    for question in exercise.questions:
        if question.probe != "values":
            first, second = (questions.requests(exercise, seed)[0] for seed in (1, 2))
            assert first[question.name] != second[question.name], question.name
            again = questions.requests(exercise, 1)[0]
            assert first[question.name] == again[question.name]


def test_answers_are_numbers_that_a_float32_can_meet(exercise):
    """No answer of the public cases is so large or so small that its tolerance is meaningless."""
    kept = json.loads((exercise.release.parent / "checks.json").read_text(encoding="utf-8"))
    for name, asked in kept["questions"].items():
        for part in asked["parts"]:
            for case in part.get("cases", []):
                value = answers.decode(case["expected"])
                if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                    assert np.isfinite(value).all(), name
                    assert np.abs(value).max() < 1e6, name
