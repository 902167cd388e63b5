"""Predictions: what is asked, said, kept and asked again. Nothing waits, nothing fails."""

import json
import os
import re
import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from course_utils import checks, predictions
from course_utils.checks import checks_of
from course_utils.predictions import predict

OWN_FILE = predictions.PROGRESS


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "PROGRESS", tmp_path / ".progress.json")
    monkeypatch.setattr(predictions, "_asked", {})
    monkeypatch.setattr(predictions, "_told", set())
    return tmp_path / ".progress.json"


def kept(path):
    return json.loads(path.read_text(encoding="utf-8"))["predictions"]


def answer_of(prediction):
    return prediction.view.children[1].children[0]


def line_of(prediction):
    return prediction.view.children[1].children[2].value


def test_without_a_prediction_only_the_answer_is_told_and_nothing_is_kept(capsys, progress_file):
    predict("How many windows?").against(2)
    assert capsys.readouterr().out == "2\n"
    assert not progress_file.exists()


def test_a_prediction_stands_beside_the_answer(capsys, progress_file):
    guess = predict("How many windows?")
    answer_of(guess).value = "3"
    guess.against(np.int64(2))
    assert capsys.readouterr().out == "2. You said 3.\n"
    assert kept(progress_file)["How many windows?"]["right"] is False


def test_a_choice_is_made_by_its_button(capsys, progress_file):
    guess = predict("Which one?", "the dense layer", "the convolution")
    answer_of(guess).value = "the convolution"
    guess.view.children[1].children[1].value = True
    guess.against("the convolution")
    assert capsys.readouterr().out.endswith("You said the convolution, and were sure.\n")
    entry = kept(progress_file)["Which one?"]
    assert entry["right"] and entry["sure"] and "again" not in entry


def test_truth_values_and_numbers_are_choices_too(capsys):
    guess = predict("Is it linear?", True, False)
    assert list(answer_of(guess).options) == ["yes", "no"]
    answer_of(guess).value = "no"
    guess.against(np.bool_(True))
    assert capsys.readouterr().out == "yes. You said no.\n"


@pytest.mark.parametrize(
    "text, number",
    [("1,568", 1568), (" 12 %", 12), ("−3", -3), ("0.5", 0.5), ("1e3", 1000), ("61,706", 61706)],
)
def test_numbers_are_read_as_people_write_them(text, number):
    guess = predict("How many?")
    guess.say(text)
    assert guess.said == number


@pytest.mark.parametrize("value", [Fraction(1, 3), Decimal(1) / 3, np.float32(1 / 3), 1 / 3])
def test_every_kind_of_number_can_be_what_came(capsys, value):
    predict("How much?").against(value)
    assert capsys.readouterr().out.startswith("0.3333333")


@pytest.mark.parametrize(
    "text", ["0,5", "many", "", "nan", "1/0", "1,2,3", True, None, [3], "inf", 10**400]
)
def test_what_is_no_number_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match="a number is needed"):
        predict("How many?").say(text)


def test_a_field_with_no_number_says_so_in_its_place():
    guess = predict("How many?")
    answer_of(guess).value = "<b>many"
    assert "a number is needed" in line_of(guess) and "<b>many" not in line_of(guess)
    assert guess.said is None


def test_a_share_may_be_off(progress_file):
    for said, right in (("95", True), ("80", False)):
        guess = predict("How many?")
        guess.say(said)
        guess.against(100, within=0.1)
        assert kept(progress_file)["How many?"]["right"] is right


@pytest.mark.parametrize("within", ["0.1", None, [1], -1, float("nan"), True])
def test_a_share_that_is_none_is_refused(within):
    with pytest.raises(ValueError, match="within must be"):
        predict("How many?").against(100, within=within)


def test_a_share_of_numpys_is_kept(progress_file):
    guess = predict("How many?")
    guess.say(95)
    guess.against(100, within=np.float32(0.1))
    assert kept(progress_file)["How many?"]["right"] is True


def test_an_array_is_no_choice():
    guess = predict("Which?", 1, 2)
    for tell in (guess.say, guess.against):
        with pytest.raises(ValueError, match="one value is needed, not array"):
            tell(np.array([1, 2]))
    guess.say(np.int64(1))
    assert guess.said == 1


@pytest.mark.parametrize("choices, other", [((True, False), 1), ((0, 1), True), ((0, 1), np.True_)])
def test_one_and_true_are_not_the_same_choice(choices, other, progress_file):
    guess = predict("Which?", *choices)
    with pytest.raises(ValueError, match="is none of"):
        guess.say(other)
    guess.say(choices[0])
    guess.against(other)
    assert not progress_file.exists()


def test_what_came_and_was_no_choice_counts_for_nobody(capsys, progress_file):
    guess = predict("Which?", "up", "down")
    guess.say("up")
    guess.against("neither")
    assert capsys.readouterr().out == "neither. You said up.\n"
    assert not progress_file.exists()


@pytest.mark.parametrize(
    "question, choices",
    [
        ("", ()),
        (3, ()),
        ("A?", ("one",)),
        ("A?", (1, "1")),
        ("\ud800?", ()),
        ("A?", ("x", "\udc00")),
    ],
)
def test_a_question_that_nobody_can_answer_is_refused(question, choices):
    with pytest.raises(ValueError):
        predict(question, *choices)


def test_a_page_that_runs_nothing_shows_the_question():
    bundle = predict("Which?", "up", "down")._repr_mimebundle_()
    assert bundle["text/plain"] == "Your prediction: Which? (up; down)"
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_a_question_is_text_and_never_markup():
    guess = predict("Is 3 < 5 & <script>alert(1)</script> $x$?", "yes", "no")
    assert "<script>" not in guess.view.children[0].value


def test_the_summary_counts_and_names_what_was_sure_and_wrong(capsys):
    for question, said, sure in (("A?", 1, False), ("B?", 1, True), ("C?", 2, False)):
        guess = predict(question)
        guess.say(said, sure)
        guess.against(2)
    predict("D?")
    capsys.readouterr()
    predictions.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 of 4 questions predicted, 1 right."
    assert lines[1].startswith("Sure and wrong: 1.")
    assert [line[:6] for line in lines[2:]] == ["- B? 2", "- A? 2"]


def test_without_any_prediction_the_summary_says_so(capsys):
    predict("A?")
    predictions.summary()
    assert capsys.readouterr().out.startswith("1 question")


def missed(question, *choices, said, came):
    guess = predict(question, *choices)
    guess.say(said)
    guess.against(came)


def test_what_was_missed_is_asked_again_after_one_three_and_seven_days(progress_file, capsys):
    missed("A?", "up", "down", said="up", came="down")
    today = date.today()
    assert predictions.again(today) is None
    day = today
    for days, following in ((1, 3), (3, 7), (7, None)):
        day += timedelta(days)
        assert predictions.again(day - timedelta(1)) is None
        (asked,) = predictions.again(day).children
        asked.children[0].children[1].children[0].value = "down"
        assert "Right." in asked.children[1].value
        entry = kept(progress_file)["A?"]
        assert entry.get("again") == (following and (day + timedelta(following)).isoformat())
    assert predictions.again(day + timedelta(1000)) is None


def test_missed_again_it_begins_with_one_day_again(progress_file):
    missed("How many?", said=3, came=2)
    later = date.today() + timedelta(9)
    (asked,) = predictions.again(later).children
    asked.children[0].children[1].children[0].value = "4"
    assert kept(progress_file)["How many?"]["again"] == (later + timedelta(1)).isoformat()


def test_only_the_first_thing_said_counts_when_it_is_asked_again(progress_file):
    missed("How many?", said=3, came=2)
    (asked,) = predictions.again(date.today() + timedelta(1)).children
    field = asked.children[0].children[1].children[0]
    field.value = "7"
    assert "2. " in asked.children[1].value and field.disabled
    field.value = "2"
    assert kept(progress_file)["How many?"]["right"] is False


def test_a_time_of_day_is_a_day(progress_file):
    missed("A?", said=3, came=2)
    assert predictions.again(datetime.now()) is None
    assert predictions.again(datetime.now() + timedelta(1)) is not None


def change(path, question, **changes):
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["predictions"][question] |= changes
    path.write_text(json.dumps(whole), encoding="utf-8")


def test_a_day_that_no_wait_reaches_is_due(progress_file):
    missed("A?", said=3, came=2)
    change(progress_file, "A?", again="2099-01-01")
    assert predictions.again() is not None


def test_a_damaged_file_is_moved_aside_and_a_new_one_begins(progress_file, capsys):
    progress_file.write_text('{"predictions": [', encoding="utf-8")
    missed("A?", said=3, came=2)
    assert "could not be read" in capsys.readouterr().out
    assert list(kept(progress_file)) == ["A?"]
    assert progress_file.with_name(".progress.damaged.json").read_text() == '{"predictions": ['


def test_each_damaged_file_is_kept_and_told(progress_file, capsys):
    for number, text in enumerate(("[1]", "[2]")):
        progress_file.write_text(text, encoding="utf-8")
        predictions.summary()
        aside = progress_file.with_name(f".progress.damaged{number or ''}.json")
        assert f"it is {aside.name} now" in capsys.readouterr().out
        assert aside.read_text() == text


def test_a_file_that_cannot_be_opened_stays_where_it_is(progress_file, capsys):
    progress_file.mkdir()  # what cannot be opened, even by root
    predictions.summary()
    missed("A?", said=3, came=2)
    out = capsys.readouterr().out
    assert "cannot be read" in out and "cannot be kept" in out
    assert [path.name for path in progress_file.parent.iterdir()] == [progress_file.name]


@pytest.mark.parametrize(
    "entry",
    [
        {}, "x", None, [], {"came": None}, {"again": 20200101}, {"again": "soon"},
        {"choices": None}, {"step": "x"}, {"step": 9}, {"came": "many"}, {"within": "0"},
        {"said": 3},
    ],
)  # fmt: skip
def test_what_another_version_kept_is_passed_over_and_stays(progress_file, capsys, entry):
    for question in "AB":
        missed(question, said=3, came=2)
    whole = json.loads(progress_file.read_text(encoding="utf-8"))
    odd = whole["predictions"]["A"] | entry if isinstance(entry, dict) and entry else entry
    whole["predictions"]["A"] = odd
    progress_file.write_text(json.dumps(whole), encoding="utf-8")
    predictions.summary()
    predictions.progress()
    assert len(predictions.again(date.today() + timedelta(1)).children) == 1
    assert "1 of 2 questions predicted" in capsys.readouterr().out
    missed("C", said=3, came=2)
    assert kept(progress_file)["A"] == odd


SAYS = """
import sys
from pathlib import Path
from course_utils import predictions
predictions.PROGRESS = Path(sys.argv[1])
for number in range(40):
    guess = predictions.predict(f"{sys.argv[2]}, {number}?")
    guess.say(1)
    guess.against(2)
"""


def test_notebooks_at_once_lose_none_of_each_others_predictions(progress_file):
    root = predictions.COURSE
    running = [
        subprocess.Popen([sys.executable, "-c", SAYS, str(progress_file), name], cwd=root)
        for name in "abc"
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(kept(progress_file)) == 120
    assert [path.name for path in progress_file.parent.iterdir()] == [progress_file.name]


def test_the_lock_of_a_notebook_that_was_killed_holds_nobody_up(progress_file, monkeypatch):
    monkeypatch.setattr(predictions, "WAIT", 0.05)
    lock = progress_file.with_name(".progress.lock")
    lock.touch()
    missed("A?", said=3, came=2)
    assert list(kept(progress_file)) == ["A?"] and not lock.exists()


def test_where_nothing_can_be_kept_it_is_said_once_and_nothing_fails(monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for question in "AB":
        missed(question, said=3, came=2)
    assert capsys.readouterr().out.count("No space left on device") == 1


def exercise(folder, *said):
    """An exercise as a learner has saved it: one cell for each thing that `check` said."""
    path = folder / "exercises" / "release" / "ex01_first" / "ex01_first.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs = [[{"output_type": "stream", "text": [f"{line}\n"]}] for line in said]
    cells = [{"cell_type": "code", "source": "", "outputs": output} for output in outputs]
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return path


RIGHT, WRONG = "{}: right, all 12 cases.", "{}: not right yet.\n  right so far: other"


@pytest.mark.parametrize("where", [".", "work"])
def test_the_progress_counts_what_was_right_in_the_exercises(tmp_path, monkeypatch, capsys, where):
    monkeypatch.setattr(predictions, "COURSE", tmp_path)
    path = exercise(tmp_path)
    questions = {"questions": dict.fromkeys(("one", "two", "three"), {})}
    (path.parent / "checks.json").write_text(json.dumps(questions), encoding="utf-8")
    predictions.progress()
    assert capsys.readouterr().out == "ex01_first  0 of 3 questions right, as last saved\n"
    said = [RIGHT.format("one"), RIGHT.format("one"), WRONG.format("two"), RIGHT.format("old")]
    path = exercise(tmp_path / where, *said)
    predictions.progress()
    assert capsys.readouterr().out == "ex01_first  1 of 3 questions right, as last saved\n"
    for damaged in ("<<<<<<< ours", "[]", '{"cells": [{"outputs": 3}]}', '{"cells": [null]}'):
        path.write_text(damaged, encoding="utf-8")
        predictions.progress()
        assert "0 of 3" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", '{"questions": {', "<<<<<<< HEAD", "{}", "null", "[]"])
def test_an_exercise_whose_checks_are_damaged_costs_only_that(
    tmp_path, monkeypatch, capsys, content
):
    monkeypatch.setattr(predictions, "COURSE", tmp_path)
    monkeypatch.setattr(checks, "RELEASES", tmp_path / "exercises" / "release")
    for name, text in (("ex01_first", content), ("ex02_second", '{"questions": {"one": {}}}')):
        path = tmp_path / "exercises" / "release" / name / "checks.json"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    predictions.progress()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("ex01_first   not counted: ")
    assert "ex01_first/checks.json is damaged: bring it back with git checkout" in first
    assert second == "ex02_second  0 of 1 questions right, as last saved"
    with pytest.raises(ValueError, match=r"ex01_first/checks.json is damaged: .* git checkout"):
        checks_of("ex01_first")


def test_check_says_right_as_the_progress_reads_it(tmp_path, capsys):
    def output_size(size, kernel, stride=1, before=0, after=0, dilation=1):
        return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1

    checks_of("ex02_output_size")("output_size", output_size)
    path = exercise(tmp_path, capsys.readouterr().out)
    assert predictions._right_in(path) == {"output_size"}


def test_the_progress_knows_the_notebooks_and_their_headings(tmp_path, monkeypatch, capsys):
    cells = [
        {"cell_type": "markdown", "source": ["## Stride\n", "Text."]},
        {"cell_type": "code", "source": ['guess = predict(\n    "How many?",\n)\nguess']},
    ]
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "02_x.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    monkeypatch.setattr(predictions, "COURSE", tmp_path)
    missed("How many?", said=3, came=2)
    predictions.progress()
    predictions.summary()
    text = capsys.readouterr().out
    assert "02_x  1 of 1 predicted, 0 right" in text
    assert "Read again: 02_x, 'Stride'." in text


NO_NOTEBOOK = [
    b"", b"<<<<<<< ours", b"\xff\xfe\x00", b"[]", b'{"worksheets": []}', b'{"cells": [{}]}',
]  # fmt: skip
NO_PYTHON = [
    '%time predict("Lost?")',
    'predict("Half',
    "network.predict?\npredict(x)",
    "\0predict(",
]


@pytest.mark.parametrize("content", NO_NOTEBOOK + NO_PYTHON, ids=repr)
def test_what_a_learner_left_in_a_notebook_costs_only_that(tmp_path, monkeypatch, capsys, content):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [{"cell_type": "code", "source": ['predict("How many?"); network.predict(3)']}]
    (folder / "02_x.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    if isinstance(content, str):
        cells = [{"cell_type": "code", "source": content}, *cells]
        content = json.dumps({"cells": cells}).encode()
        (folder / "02_x.ipynb").write_bytes(content)
    else:
        (folder / "01_x.ipynb").write_bytes(content)
    monkeypatch.setattr(predictions, "COURSE", tmp_path)
    missed("How many?", said=3, came=2)
    predictions.progress()
    predictions.summary()
    assert "02_x  1 of 1 predicted, 0 right" in capsys.readouterr().out


def test_the_file_lies_beside_the_course_and_git_leaves_it_alone():
    assert OWN_FILE.parent == predictions.COURSE
    assert ".progress" in (predictions.COURSE / ".gitignore").read_text(encoding="utf-8")


NOTEBOOKS = sorted((predictions.COURSE / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def sources(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_each_notebook_asks_for_at_least_five_predictions_and_answers_each(path):
    code = sources(path)
    asked = re.findall(r"^(guess_\w+) = predict\(", "\n".join(code), re.MULTILINE)
    assert len(asked) == len(set(asked)) >= 5, asked
    for name in asked:
        question = next(i for i, source in enumerate(code) if f"{name} = predict(" in source)
        answers = [i for i, source in enumerate(code) if f"{name}.against(" in source]
        assert len(answers) == 1 and answers[0] > question, name
    assert code[-1].count("predictions.summary()") == 1 or "summary()" in "\n".join(code[-3:])


def test_there_are_at_least_fifty_five_predictions_and_no_question_is_asked_twice():
    asked = []
    for source in (source for path in NOTEBOOKS for source in sources(path)):
        found = predictions._questions_in(source) if "predict(" in source else []
        calls = re.findall(r"^guess_\w+ = predict\(", source, re.MULTILINE)
        assert len(found) >= len(calls), "a question that is no text alone is not counted"
        asked += found
    assert len(asked) == len(set(asked)) >= 55
