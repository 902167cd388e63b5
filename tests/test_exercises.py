"""Every exercise: its source, what students get, what its checks say, and what its points are."""

import copy
import json
import re
import statistics
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import nbformat
import numpy as np
import pytest
from handed_in import answered, in_bytes, released, solutions
from quickly_graded import without_pictures

from course_utils import answers, checks
from grading import batch, files, papers, questions, rehearsal, release, results
from grading.source import Patched, ask

ROOT = Path(__file__).parents[1]
OTHERS = ROOT / "tests" / "other_answers"
NAMES = questions.names()
BEFORE = ("title", "badges", "rules", "set-up-text", "set-up", "imports")
NUMBERS = ("student-text", "student")  # where each student has numbers of his own
AFTER = ("explain-text", "explain", "hand-in")
SECRET = 20261126  # the same every time


@pytest.fixture(scope="module", params=NAMES)
def exercise(request):
    return questions.load(request.param)


@pytest.fixture(scope="module")
def source(exercise):
    return nbformat.read(exercise.source, as_version=4)


@pytest.fixture(scope="module")
def students(exercise):
    return exercise.released


@pytest.fixture(scope="module", autouse=True)
def networks_of_mistakes():
    """Four tests ask for what known mistakes' networks answer: each is built once for all."""
    build, kept = checks.PROBES["network"], {}

    def remembered(answer, **arguments):
        if not isinstance(answer, Patched):
            return build(answer, **arguments)
        key = (answer.source.path, answer.question.name, str(answer.patch), str(arguments))
        if key not in kept:
            kept[key] = build(answer, **arguments)
        return copy.deepcopy(kept[key])

    checks.PROBES["network"] = remembered
    yield
    checks.PROBES["network"] = build


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def marks_of(cell):
    return cell.metadata.get("nbgrader", {})


def points_of(notebook):
    return sum(marks_of(cell).get("points", 0) for cell in notebook.cells)


def test_there_is_one_for_each_of_nine_notebooks_and_a_competition_behind_all():
    numbers = [name[2:4] for name in NAMES]
    assert numbers == [f"{number:02}" for number in range(1, 11)]
    assert NAMES[-1] == "ex10_competition" == questions.load("ex10").name
    for name in NAMES[:-1]:  # the ninth goes with notebook 12
        notebook = name[2:].replace("09_", "12_")
        assert (ROOT / "notebooks" / f"{notebook}.ipynb").exists(), name


# --- The source -----------------------------------------------------------------------------------


def test_has_the_frame(exercise, source):
    ids = [cell.id for cell in source.cells]
    before = BEFORE + NUMBERS if exercise.own_numbers else BEFORE
    assert tuple(ids[: len(before)]) == before
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


def test_was_executed_and_is_all_right(exercise, source):
    asked = kept_checks(exercise)["questions"]
    counts = [cell.execution_count for cell in code_cells(source)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(source):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id
        if cell.id.endswith("-check"):
            question = asked[cell.id.removesuffix("-check").replace("-", "_")]
            cases = sum(len(part.get("cases", [part])) for part in question["parts"])
            told = f": right, all {'' if question['probe'] == 'handed_in' else cases}"
            assert told in cell.outputs[0].text, cell.id


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


def kept_checks(exercise):
    return json.loads((exercise.release.parent / "checks.json").read_text(encoding="utf-8"))


def test_checks_are_current(exercise):
    """Up to the last digits of a network's outputs, which differ from machine to machine."""
    kept = kept_checks(exercise)
    assert kept["short answers"] == release.digest_of_short_answers(exercise), (
        f"make release EXERCISE={exercise.name}"
    )
    same_data(release.public_checks(exercise, kept), kept)


def test_hashes_are_those_of_the_right_answers(exercise):
    """In one variant: a hash takes a third of a second, and all have been made alike."""
    variant = int(exercise.name[2:4]) % len(exercise.variants)
    for question in exercise.questions:
        for part in kept_checks(exercise)["questions"][question.name]["parts"]:
            if "seals" in part:
                right = exercise.short_answers(variant)[question.name][part["of"]]
                seal = part["seals"][variant]
                assert seal["answer"] == checks.sealed(right, seal["salt"]), part["of"]


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
        if cell.id == checks.STUDENT_CELL:
            assert 'STUDENT = ""' in cell.source
        elif marks_of(cell).get("solution"):
            stub = release.TEXT_STUB if cell.cell_type == "markdown" else "# YOUR CODE HERE"
            assert stub in cell.source, cell.id
    for cell_id, solution in solutions(exercise.name).items():
        inside = solution.partition("### BEGIN SOLUTION")[2].partition("### END SOLUTION")[0]
        for line in (inside or solution).splitlines():
            line = line.strip()
            if len(line) > 25:
                assert line not in text, (cell_id, line)


def test_checks_hold_no_code_and_no_short_answer(exercise):
    kept = kept_checks(exercise)
    assert (exercise.release.parent / "checks.json").stat().st_size < 600_000
    for asked in kept["questions"].values():
        if asked["probe"] == "values":
            for part in asked["parts"]:
                assert len(part["seals"]) == len(exercise.variants)
                for seal in part["seals"]:
                    assert set(seal) == {"salt", "answer", "mistakes"}
                    assert re.fullmatch(r"[0-9a-f]{16}", seal["answer"])
                salts = [seal["salt"] for seal in part["seals"]]
                assert len(set(salts)) == len(salts)


# --- Known mistakes -------------------------------------------------------------------------------


def test_there_are_twelve_known_mistakes_at_least(exercise):
    assert sum(len(question.mistakes) for question in exercise.questions) >= 12


def test_a_patch_that_fits_twice_or_not_at_all_is_refused():
    exercise = questions.load("ex02")
    question = next(asked for asked in exercise.questions if asked.name == "output_size")
    for old in ("span", "strides"):
        with pytest.raises(ValueError, match="fits . times, not once"):
            exercise.code.answer(question, (old, "stride"))


def test_a_mistake_that_passes_is_refused_by_its_hint():
    exercise = questions.load("ex02")
    question = next(asked for asked in exercise.questions if asked.name == "output_size")
    right = exercise.code.answer(question)
    harmless = replace(question, mistakes={"No mistake at all.": right})
    with pytest.raises(ValueError, match="No mistake at all"):
        questions.settled(harmless, 0, right)


def test_a_short_answer_that_a_mistake_gets_right_is_no_variant():
    exercise = questions.load("ex02")
    equal = {**exercise.first, "size": 21, "stride": 3}  # rounding up and down is the same
    with pytest.raises(ValueError, match="Round up"):
        _ = replace(exercise, first=equal).variants


@pytest.mark.parametrize("name", NAMES)
def test_every_known_mistake_is_caught_and_gets_its_hint(name, monkeypatch):
    """Short answers in every variant, under hashes that take no time: the real ones are above."""
    monkeypatch.setattr(checks, "COST", 2**4)
    exercise = questions.load(name)
    kept = kept_checks(exercise)
    release.seal(exercise, kept)
    check = checks.Checks(kept["questions"], name, kept["variants"])
    for question in exercise.questions:
        variants = range(len(exercise.variants)) if question.probe == "values" else [0]
        for variant in variants:
            if exercise.own_numbers:
                check.own(f"variant {variant}")
            right = exercise.short_answers(variant).get(question.name, {})
            known = exercise.in_variant(variant).questions[exercise.questions.index(question)]
            for hint, wrong in known.mistakes.items():
                answer = {**right, **wrong} if question.probe == "values" else wrong
                said = said_about(check, question.name, answer)
                assert said, (question.name, variant, hint)
                hints = re.findall(r"Hint: (.*)", said)
                assert "raised" in said or hint in hints, (question.name, variant, hint, said)


def said_about(check, question, answer):
    try:
        check(question, answer)
    except checks.CheckFailed as problem:
        return str(problem)
    return ""


# --- Points ---------------------------------------------------------------------------------------


def in_other_words(exercise, library):
    """A submission with the answers of `tests/other_answers`."""
    path = OTHERS / f"{exercise.name}.{library}.py"
    pieces = re.split(r"^# %% (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    notebook = released(exercise.name)
    sources = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    for cell in notebook["cells"]:
        cell["source"] = sources.pop(cell["id"], cell["source"])
    assert not sources, f"no such cells: {list(sources)}"
    return notebook


@pytest.mark.parametrize("name", ["ex01", "ex02", "ex03", "ex05", "ex07", "ex10"])
def test_short_answers_in_other_words_are_right_in_every_variant(name):
    exercise = questions.load(name)
    notebook = in_other_words(exercise, "numpy")
    cell = next(cell["source"] for cell in notebook["cells"] if cell["id"] == "by-hand")
    for variant, own in enumerate(exercise.variants):
        given = {"np": np, "own": SimpleNamespace(**own)}
        exec(cell, given)  # one of our own
        right = exercise.short_answers(variant)["by_hand"]
        for part, answer in given["by_hand"].items():
            assert answers.difference(answer, right[part], 1e-5) == "", (variant, part)


def others(exercise):
    """In which other words there are right answers: 'numpy', 'keras'."""
    return sorted(path.suffixes[-2][1:] for path in OTHERS.glob(f"{exercise.name}.*.py"))


@pytest.fixture(scope="module")
def graded(exercise, bubblewrap, tmp_path_factory):
    """The results of some submissions: untouched, the source's, and those in other words.

    Each is of another variant, so that all exercises together have every one of them. Networks are
    asked the set of cases that known mistakes are tried on below.
    """
    place = tmp_path_factory.mktemp(exercise.name)
    # The plot of 04 trains ten networks: it does so where the source itself is executed.
    written = exercise.name != "ex04_lenet"
    notebooks = {
        "untouched": released(exercise.name),
        "source": answered(exercise.name, written=written),
        **{library: in_other_words(exercise, library) for library in others(exercise)},
    }
    saved = rehearsal.saved_outputs(exercise)
    for number, (name, notebook) in enumerate(notebooks.items(), start=-1):
        for cell in notebook["cells"] if name == "source" else ():
            cell.update({"outputs": saved[cell["id"]]} if cell["id"] in saved else {})
        if name != "untouched" and exercise.own_numbers:
            variant = (2 * NAMES.index(exercise.name) + number) % checks.VARIANTS
            rehearsal.named(notebook, variant)
        path = place / "submissions" / name / "my notebook.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(in_bytes(notebook))
    files.write_atomically(place / "graded" / "secret_seed", f"{SECRET}\n")
    patient = batch.Options(seconds=120)  # TensorFlow may start slowly beside other tests
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(papers, "SETS", 1)
        without_pictures(patch)
        return batch.grade(
            exercise.name, place / "submissions", None, place / "graded", patient, lambda line: None
        )


def test_untouched_scores_nothing(exercise, graded):
    result = graded["untouched"]
    assert result.status == "untouched"
    for entry in result.entries.values():
        assert (entry.points, entry.status) == (0, "untouched")


def uses_keras(exercise):
    return any(question.probe == "network" for question in exercise.questions)


def test_correct_submissions_score_in_full(exercise, graded):
    """The source's own answers, and others in other words."""
    libraries = others(exercise)
    assert "keras" in libraries and ("numpy" in libraries or uses_keras(exercise))
    for who in ("source", *libraries):
        result = graded[who]
        for name, entry in result.questions.items():
            if exercise.competition and name == exercise.competition.name:
                # The source's network alone is there; nothing obliges it to be right everywhere.
                wanted = range(2, entry.max) if who == "source" else [0]
                assert entry.points in wanted, (who, name, entry)
                continue
            assert (entry.points, entry.status) == (entry.max, "correct"), (who, name, entry)
        assert result.repairs == [], who


def test_the_variants_of_the_submissions_are_all_there_are():
    exercises = [questions.load(name) for name in NAMES]
    counts = [1 + len(others(each)) if each.own_numbers else 0 for each in exercises]
    given = {(2 * place + number) % checks.VARIANTS
             for place, count in enumerate(counts) for number in range(count)}  # fmt: skip
    assert given == set(range(checks.VARIANTS))


def test_a_network_without_variables_answers_as_one_that_has_them(exercise):
    networks = [question for question in exercise.questions if question.probe == "network"]
    for question in networks:
        for cases in question.cases(seed=1):
            right = Mock(wraps=exercise.code.answer(question))
            case = {name: answers.encode(value) for name, value in cases[-1].items()}
            found = ask("network", right, case)
            assert right.call_count == 1, "it was built a second time, with variables"
            assert answers.difference(checks.ask("network", right, case), found, 1e-6) == ""


def test_hidden_cases_catch_every_known_mistake(exercise, monkeypatch):
    """With the numbers of students; `python -m grading rehearse` tries sixty seeds, and all sets.

    A network takes long to build: here one set of their cases.
    """
    monkeypatch.setattr(papers, "SETS", 1)
    for question, tries, passed in rehearsal.passing(exercise, 3, SECRET):
        assert tries and not passed, (question, passed)


def test_a_rehearsal_tries_all_sets_of_a_networks_cases():
    exercise = questions.load("ex08")
    alone = papers.Papers(exercise, "rehearsal")
    asked = next(question for question in exercise.questions if question.probe == "network")
    tried = {alone.whose(asked, student) for student in rehearsal._students(alone, asked, 1)}
    assert tried == {f"set {number}" for number in range(papers.SETS)}


# --- Each student's own numbers -------------------------------------------------------------------


def test_two_students_have_different_cases_and_one_has_the_same_each_time(exercise):
    if uses_keras(exercise):
        seeds = [papers.Papers(exercise, "s").seed(exercise.questions[1], who) for who in "ab"]
        assert seeds[0] != seeds[1]
        return
    first, again, other, elsewhere = (
        papers.Papers(exercise, secret).of(student).asked
        for secret, student in (("s", "ada"), ("s", "ada"), ("s", "bob"), ("t", "ada"))
    )
    assert first == again
    for question in exercise.questions:
        if question.probe not in ("values", "handed_in"):
            assert first[question.name] != other[question.name], question.name
            assert first[question.name] != elsewhere[question.name], question.name


def test_the_right_short_answers_are_right_in_their_own_variant_alone(exercise):
    kept = kept_checks(exercise)["variants"]
    assert [{name: answers.decode(value) for name, value in numbers.items()}
            for numbers in kept] == exercise.variants  # fmt: skip
    for number in range(len(exercise.variants)):
        values = exercise.short_answers(number)
        replies = {name: [{"value": answers.encode(value)}] for name, value in values.items()}
        counts = papers.fitting(exercise, replies)
        assert counts[number] == sum(map(len, values.values()))
        assert sum(count == counts[number] for count in counts) == 1, number
        said = results.Outcome(replies=replies, notebook=naming(f"variant {number}"))
        if exercise.own_numbers:
            assert papers.variant_of(exercise, said).number == number
            nameless = results.Outcome(replies=replies, notebook=naming(""))
            assert papers.variant_of(exercise, nameless).number == number


def naming(student):
    cell = {
        "id": "student",
        "source": f"STUDENT = {student!r}  # the name\nown = check.own(STUDENT)",
    }
    return {"cells": [cell]}


def test_answers_to_another_variant_are_told():
    exercise = questions.load("ex02")
    values = exercise.short_answers(5)
    replies = {name: [{"value": answers.encode(value)}] for name, value in values.items()}
    found = papers.variant_of(
        exercise, results.Outcome(replies=replies, notebook=naming("variant 2"))
    )
    assert (found.number, found.others) == (2, [5])


@pytest.mark.parametrize(
    "source, name",
    [
        ('STUDENT = "ada"', "ada"), ("STUDENT = 'ada'  # me", "ada"), ("STUDENT=11101", "11101"),
        ('STUDENT = ""', ""), ("STUDENT = me()", ""), ("", ""),
        ('STUDENT = ""\nSTUDENT = "bob"', "bob"),
        ("STUDENT = 12_345", "12345"), (r"STUDENT = 'O\'Neill'", "O'Neill"),
        ('STUDENT = "ada" "lovelace"', "adalovelace"), (r'STUDENT = "Zo\u00eb"', "Zoë"),
        ("STUDENT = True", ""), ("STUDENT = " + "(" * 250, ""),
    ],
)  # fmt: skip
def test_a_name_is_read_from_the_cell_without_running_it(source, name):
    assert papers.named_in({"cells": [{"id": "student", "source": source}]}) == name
    assert papers.named_in(None) == ""


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
