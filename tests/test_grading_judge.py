"""Whatever a box says it answered, the judge gives points or a few words, and tells no case."""

import base64
import sys
from dataclasses import replace

import numpy as np
import pytest

from course_utils import answers
from grading import judge, papers, questions, submission
from grading.results import Answer
from grading.supervisor import Ran

EXERCISE = questions.load("ex02")
PAPER = papers.Papers(EXERCISE, "secret").of("somebody")
QUESTIONS = {question.name: question for question in PAPER.exercise.questions}
SOLUTIONS = judge.solutions(EXERCISE)
RIGHT = PAPER.right
JUDGE = judge.Judge(PAPER.exercise, PAPER.asked, PAPER.places, RIGHT)
REPLIES = {name: [{"value": answers.encode(value)} for value in values]
           for name, values in RIGHT.items()}  # fmt: skip


def of_shape(shape, count=1, dtype="<f8"):
    content = base64.b64encode(bytes(8 * count)).decode()
    return {"dtype": dtype, "shape": shape, "bytes": content}


ODD = {
    "complex": {"value": answers.encode(np.array([6 + 1j]))},
    "complex, without axes": {"value": answers.encode(np.array(6 + 1j))},
    "60 axes": {"value": of_shape([1] * 60)},
    "70 axes": {"value": of_shape([1] * 70)},
    "an axis that is no number": {"value": of_shape([None])},
    "a whole number of 4,000 digits": {"value": 10**4000},
    "not a number": {"value": float("nan")},
    "infinite": {"value": float("inf")},
    "half a character": {"value": "\ud800"},
    "a dictionary of dictionaries": {"value": {"dict": {"row": {"dict": {"row": 1}}}}},
    "lists without end": {"value": [[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]},
    "yes": {"value": True},
    "dates": {"value": of_shape([1], dtype="<M8")},
    "no reply": 7,
    "an error that is a list": {"error": ["ValueError"]},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("name", QUESTIONS)
def test_an_odd_answer_is_a_wrong_one(name, odd):
    replies = [odd] * len(REPLIES[name])
    entry = JUDGE.question(QUESTIONS[name], Answer(replies))
    assert entry.points == 0 and entry.status in ("wrong", "crashed")


def test_long_short_answers_are_wrong_and_read_once(monkeypatch):
    long = {"value": {"dict": dict.fromkeys(RIGHT["by_hand"][0], [1.5] * 100_000)}}
    entry = JUDGE.question(QUESTIONS["by_hand"], Answer([long]))
    assert entry.points == 0 and entry.status == "wrong"
    read, short_answers = [], papers.short_answers
    monkeypatch.setattr(papers, "short_answers", lambda reply: read.append(reply)
                        or short_answers(reply))  # fmt: skip
    counts = papers.fitting(EXERCISE, {"by_hand": [long]})
    assert counts == [0] * len(EXERCISE.variants) and len(read) == 1
    assert papers.fitting(EXERCISE, REPLIES)[0] == 4


def test_one_odd_short_answer_costs_itself():
    for odd in (10**4000, answers.encode(np.array(6 + 1j)), of_shape([1] * 60), "\ud800"):
        value = {"dict": {**REPLIES["by_hand"][0]["value"]["dict"], "row": odd}}
        entry = JUDGE.question(QUESTIONS["by_hand"], Answer([{"value": value}]))
        assert entry.points == 3 and entry.status == "partly correct"


def test_what_known_mistakes_answer_is_computed_for_a_wrong_answer_alone(monkeypatch):
    """Networks of known mistakes take seconds to build, and a class has many untouched copies."""
    asked = []
    monkeypatch.setattr(judge, "mistaken", lambda question, *more: asked.append(question.name))
    fresh = judge.Judge(PAPER.exercise, PAPER.asked, PAPER.places, RIGHT)
    for name, question in QUESTIONS.items():
        for replies in (REPLIES[name], [{"error": "ValueError"}] * len(REPLIES[name]), None):
            fresh.question(question, Answer(replies))
    assert asked == []
    fresh.question(QUESTIONS["readers"], Answer([{"value": -1}] * len(REPLIES["readers"])))
    assert set(asked) == {"readers"}


def test_students_of_one_set_share_what_known_mistakes_answer(monkeypatch):
    alike = ([[{}], [{}], [{}], [{}]], [[0], [0], [0], [0]])
    monkeypatch.setattr(papers.questions, "settled", lambda question, *more: alike)
    exercise = questions.load("ex08")
    (network, *_) = asked = [each for each in exercise.questions if each.probe == "network"]
    drawn = papers.Papers(replace(exercise, questions=asked[:1]), "secret")
    wrong = {}
    for student in map(str, range(12)):
        whose = drawn.seed(network, student) % papers.SETS
        wrong.setdefault(whose, []).append(drawn.of(student).wrong[network.name])
    assert len(wrong) > 1
    for shared in wrong.values():
        assert all(each is shared[0] for each in shared)
    first, second, *_ = (shared[0] for shared in wrong.values())
    assert first is not second


def test_an_error_is_named_only_where_it_is_the_same_for_all_cases():
    question, count = QUESTIONS["readers"], len(REPLIES["readers"])

    def verdict(*names):
        replies = [{"error": names[place % len(names)]} for place in range(count)]
        return JUDGE.question(question, Answer(replies)).parts[0].verdict

    assert verdict("TypeError").endswith("raised TypeError")
    assert verdict("TypeError", "KeyError").endswith("raised an error")
    assert verdict("size_is_12").endswith("raised an error")
    some = [{"error": "KeyError"}, *REPLIES["readers"][1:]]
    parts = JUDGE.question(question, Answer(some)).parts
    assert not any("KeyError" in part.verdict for part in parts)


def test_the_best_version_counts_and_says_so():
    question, right = QUESTIONS["readers"], REPLIES["readers"]
    wrong = [{"value": -1}] * len(right)
    assert JUDGE.question(question, Answer(right, later=wrong)).comment == ""
    entry = JUDGE.question(question, Answer(wrong, later=right))
    assert (entry.points, entry.status) == (2, "correct") and "a later version" in entry.comment
    entry = JUDGE.question(question, Answer(wrong, again=right, instead=["same_padding"]))
    assert entry.points == 2 and entry.comment == "asked again, with the right `same_padding`"
    entry = JUDGE.question(question, Answer(wrong, later=wrong, again=wrong, instead=["x"]))
    assert entry.points == 0 and entry.comment == ""


def test_an_answer_that_calls_the_course_gets_nothing():
    name = "course_utils.arithmetic.same_padding"
    entry = JUDGE.question(
        QUESTIONS["same_padding"], Answer(REPLIES["same_padding"], called=[name])
    )
    assert entry.points == 0 and entry.status == "wrong" and name in entry.comment
    assert entry.flagged
    assert all(name in part.verdict for part in entry.parts)
    entry = JUDGE.question(
        QUESTIONS["same_padding"], Answer(REPLIES["same_padding"], mentions=[name])
    )
    assert entry.points == entry.max and "to be looked at" in entry.comment and entry.flagged
    assert not JUDGE.question(QUESTIONS["same_padding"], Answer(REPLIES["same_padding"])).flagged


def test_only_what_failed_behind_another_is_asked_again():
    assert JUDGE.to_ask_again(Ran(answers=REPLIES)) == {}
    without = {name: replies for name, replies in REPLIES.items() if name != "pad_same"}
    assert JUDGE.to_ask_again(Ran(answers=without)) == {}
    del without["same_padding"], without["by_hand"]
    assert JUDGE.to_ask_again(Ran(answers=without)) == {"pad_same": ["same_padding"]}
    called = Ran(answers=without, called={"output_size": ["course_utils.arithmetic"]})
    assert JUDGE.to_ask_again(called) == {
        "same_padding": ["output_size"],
        "pad_same": ["output_size", "same_padding"],
    }


def test_the_judge_takes_no_time_for_a_huge_whole_number():
    digits = sys.get_int_max_str_digits()
    assert digits and not judge._same(10 ** (digits + 1), 1)


@pytest.mark.parametrize(
    "answer, own, told",
    [
        ("from course_utils.convolution import conv2d", "", ["course_utils.convolution"]),
        ("from course_utils import plots, convolution", "", ["course_utils.convolution"]),
        ("return size - kernel + 1", "from course_utils import convolution", []),
        ("return size", "import course_utils.convolution as c\nexec(open(c.__file__).read())",
         ["course_utils.convolution"]),
        ("exec(open('course_utils/convolution.py').read())", "", ["course_utils"]),
        ("model.compile()\nre.compile('course_utils')", "", []),
        # A megabyte that a search with two wildcards would take hours for.
        ("# " + "from course_utils import a " * 37_000, "", []),
    ],
)  # fmt: skip
def test_what_may_go_round_the_guard_goes_to_a_reader(answer, own, told):
    cells = [{"id": "output-size", "cell_type": "code", "source": answer},
             {"id": "own-1", "cell_type": "code", "source": own}]  # fmt: skip
    found = submission.mentions(questions.load("ex02"), {"cells": cells})
    assert found.get("output_size", []) == told
