"""Answers as data, and what `check` says about them."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course_utils import answers, checks
from course_utils.checks import CheckFailed, Checks

# --- Answers travel -------------------------------------------------------------------------------

PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(),
    arrays.arrays(
        st.sampled_from(["bool", "int8", "int64", "uint8", "float32", "float64", "complex64"]),
        arrays.array_shapes(min_dims=0, min_side=0, max_side=3),
    ),
)  # fmt: skip
ANSWERS = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)


def same(one, other):
    if isinstance(one, np.ndarray) and one.shape:
        return one.dtype == other.dtype and np.array_equal(
            one, other, equal_nan=one.dtype.kind in "fc"
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one is other or bool(np.array_equal(one, other)) or (one != one and other != other)


@given(ANSWERS)
def test_what_is_encoded_is_decoded(value):
    assert same(value, answers.decode(json.loads(json.dumps(answers.encode(value)))))


def test_numpy_numbers_and_tensors_are_data():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.eye(2)

    assert answers.encode(np.float32(1.5)) == 1.5 and answers.encode(np.int64(3)) == 3
    assert np.array_equal(answers.decode(answers.encode(Tensor())), np.eye(2))


@pytest.mark.parametrize(
    "value", [object(), len, {1, 2}, b"x", ..., np.array([object()]), np.array(["x"]), [len]]
)
def test_what_is_no_data_is_refused(value):
    with pytest.raises(TypeError, match="can be checked"):
        answers.encode(value)


def test_numbers_that_no_json_holds_are_refused_or_shortened():
    assert answers.encode(np.longdouble(1.5)) == 1.5
    with pytest.raises(TypeError, match="300 digits"):
        answers.encode(10**5000)


def test_an_answer_within_itself_ends():
    endless = []
    endless.append(endless)
    with pytest.raises(TypeError, match="lists inside one another"):
        answers.encode(endless)


EMPTY = base64.b64encode(b"").decode()
EIGHT = base64.b64encode(bytes(8)).decode()


@pytest.mark.parametrize(
    "data",
    [
        {"dtype": "O", "shape": [1], "bytes": EIGHT},
        {"dtype": "|V8", "shape": [1], "bytes": EIGHT},
        {"dtype": "f8,f8", "shape": [1], "bytes": EIGHT},
        {"dtype": "f8", "shape": [10**15], "bytes": EIGHT},
        {"dtype": "f8", "shape": [-1], "bytes": EIGHT},
        {"dtype": "f8", "shape": [2], "bytes": EIGHT},
        {"dtype": "f8", "shape": "x", "bytes": EIGHT},
        {"dtype": "f8", "shape": [1], "bytes": "no base64!"},
        {"dtype": "f8", "shape": [1], "bytes": 7},
        {"dtype": ["f8"], "shape": [1], "bytes": EIGHT},
        {"dtype": "f8", "shape": [1] * 100, "bytes": EIGHT},
        {"dtype": "f8", "shape": [10**9, 0], "bytes": EMPTY},
        {"dtype": "f8", "shape": [0, 10**5, 10**5], "bytes": EMPTY},
        {"dtype": ",", "shape": [1], "bytes": EIGHT},
        {"dtype": "(1,", "shape": [1], "bytes": EIGHT},
        {"dtype": None, "shape": [1], "bytes": EIGHT},
        {"dtype": "f99", "shape": [1], "bytes": EIGHT},
        {"pickle": "gASV"},
        {"dict": [1]},
        {"tuple": {"a": 1}},
        {"dict": {}, "more": 1},
    ],
)
def test_what_encode_does_not_write_is_refused(data):
    with pytest.raises(ValueError):
        answers.decode(data)


def test_lists_too_deep_are_refused():
    data = []
    for _ in range(1000):
        data = [data]
    with pytest.raises(ValueError, match="too deep"):
        answers.decode(data)


# --- Answers are compared -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expected, came",
    [
        (3, 3.0), (3, np.int8(3)), (0.1 + 0.2, 0.3), ((1, 2), [1, 2]),
        ([1.0, 2.0], np.array([1, 2])),
        (np.eye(2), np.eye(2, dtype="float32")), ({"a": 1}, {"a": 1.0, "more": 2}), ("x", "x"),
        ([(64, 3), "pool"], [[64, 3], "pool"]), (np.array([np.nan]), np.array([np.nan])),
        (np.zeros((0, 3)), np.zeros((0, 3))), (None, None), (True, np.True_),
        (True, np.array(True)), (1e9, 1e9 + 1),
    ],
)  # fmt: skip
def test_right_answers(expected, came):
    assert answers.difference(expected, answers.decode(answers.encode(came))) == ""


@pytest.mark.parametrize(
    "expected, came, says",
    [
        (3, 4, "expected 3, came 4"),
        (3, None, "is there a `return`"),
        (3, "three", "expected 3, came 'three'"),
        ("pool", 3, "expected 'pool', came 3"),
        (True, 1, "expected True, came 1"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "expected shape (2, 3), came shape (3, 2)"),
        ([1, 2, 3], [1, 5, 3], "at index 1: expected 2, came 5 (1 of 3 numbers differ)"),
        (np.eye(2), np.ones((2, 2)), "at index (0, 1): expected 0, came 1 (2 of 4 numbers differ)"),
        ({"a": 1}, {"b": 1}, "'a' is missing"),
        ({"a": 1}, 7, "a dictionary with a"),
        ({"a": 1}, {"a": 2}, "'a': expected 1, came 2"),
        ([(64, 3), "pool"], [(64, 3)], "expected 2 values, came 1"),
        ([(64, 3), "pool"], [(64, 1), "pool"], "number 0 of the 2 values: at index 1"),
        ([(64, 3), "pool"], 3, "in a list or tuple"),
        (np.zeros(2), [[1], [2, 3]], "came [[1], [2, 3]]"),
        (np.array([1.0]), np.array([np.nan]), "came nan"),
        (1.0, np.inf, "came inf"),
    ],
)
def test_wrong_answers_are_told_in_a_sentence(expected, came, says):
    assert says in answers.difference(expected, came)


def test_the_tolerance_is_of_the_largest_number():
    expected = np.array([1000.0, 0.0])
    assert answers.difference(expected, expected + 5e-4, tolerance=1e-6) == ""
    assert answers.difference(expected, expected + 5e-3, tolerance=1e-6) != ""


def test_equal_short_answers_have_one_text():
    for one, other in ((3, 3.0), ((1, 2), [1, 2.0]), ("Pool ", "pool"), (np.array([1]), [1])):
        assert answers.canonical(one) == answers.canonical(other)
    assert answers.canonical(0.1 + 0.2) == answers.canonical(0.3)
    assert answers.canonical(1234567.0) == answers.canonical(1234567)
    assert len({answers.canonical(each) for each in (1, 2, "1", None, [1])}) == 5


# --- What `check` says ----------------------------------------------------------------------------


def case_of(arguments, expected, **mistakes):
    return {
        "arguments": {name: answers.encode(value) for name, value in arguments.items()},
        "expected": answers.encode(expected),
        "mistakes": [{"hint": hint, "answer": answers.encode(answer)}
                     for hint, answer in mistakes.items()],
    }  # fmt: skip


@pytest.fixture
def check():
    salt = "made up"
    seal = {"salt": salt, "answer": checks.sealed(5, salt),
            "mistakes": {checks.sealed(4, salt): "Count both ends."}}  # fmt: skip
    square = [
        case_of({"size": 3}, 9, Doubled=6, Cubed=27),
        case_of({"size": 2}, 4, Cubed=8),
        case_of({"size": 4}, 16, Doubled=8, Cubed=64),
    ]
    grid = [case_of({"image": np.eye(3)}, np.eye(3)[::-1], Sideways=np.eye(3))]
    return Checks(
        {
            "count": {"probe": "values", "tolerance": 0, "parts": [
                {"name": "ends", "points": 1, "of": "ends", "seal": seal},
            ]},
            "square": {"probe": "call", "tolerance": 1e-6, "parts": [
                {"name": "small", "points": 1, "of": None, "cases": square},
            ]},
            "flip": {"probe": "call", "tolerance": 1e-6, "parts": [
                {"name": "eye", "points": 1, "of": None, "cases": grid},
            ]},
        }
    )  # fmt: skip


def said(check, question, answer):
    with pytest.raises(CheckFailed) as caught:
        check(question, answer)
    return str(caught.value)


def test_right_answers_are_told_so(check, capsys):
    check("count", {"ends": 5.0})
    check("square", lambda size: size**2)
    assert capsys.readouterr().out == "count: right, all 1 answers.\nsquare: right, all 3 cases.\n"


def test_short_answers(check):
    assert "ends: 4 is not right.\n    Hint: Count both ends." in said(check, "count", {"ends": 4})
    assert "Hint" not in said(check, "count", {"ends": 17})
    assert "not answered yet" in said(check, "count", {"ends": ...})
    assert "is missing" in said(check, "count", {})
    assert "is missing" in said(check, "count", ...)
    assert "is not right" in said(check, "count", {"ends": len})


def test_the_hint_is_that_of_the_mistake_that_explains_most(check):
    assert "Hint: Doubled" in said(check, "square", lambda size: 2 * size)
    assert "Hint: Cubed" in said(check, "square", lambda size: size**3)
    assert "Hint" not in said(check, "square", lambda size: -1)


def test_the_case_that_failed_is_at_hand(check):
    text = said(check, "flip", lambda image: image)
    assert "flip(image=[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])" in text
    assert "at index (0, 0): expected 0, came 1 (4 of 9 numbers differ)" in text
    assert "Hint: Sideways" in text
    assert np.array_equal(check.arguments["image"], check.came)
    assert np.array_equal(check.expected, np.eye(3)[::-1])


def test_an_error_is_told_with_the_line(check, tmp_path):
    cell, theirs = tmp_path / "cell.py", {}
    cell.write_text("def square(size):\n    return size / 0\n")
    exec(compile(cell.read_text(), cell, "exec"), theirs)
    text = said(check, "square", theirs["square"])
    assert "square(size=3) raised ZeroDivisionError: division by zero" in text
    assert text.endswith("(in `return size / 0`)")
    assert "not a function" in said(check, "square", ...)
    assert "is there a `return`" in said(check, "square", lambda size: None)
    assert "can be checked" in said(check, "square", lambda size: len)


def test_arguments_cannot_be_spoiled(check):
    def flip(image):
        image[:] = 0
        return np.eye(3)[::-1]

    check("flip", flip)
    check("flip", flip)


def test_unknown_questions_and_exercises(check):
    with pytest.raises(KeyError, match="choose from count, square, flip"):
        check("sqare", 3)
    with pytest.raises(FileNotFoundError, match="fetch the course again"):
        checks.checks_of("ex99_nothing")


def test_a_notebook_shows_the_sentence_alone():
    assert CheckFailed("one\ntwo")._render_traceback_() == ["one", "two"]


def test_networks_agree_whatever_the_order_in_which_layers_were_made():
    from course_utils.environment import quiet_tensorflow

    quiet_tensorflow()
    import keras
    from keras import layers

    def build(branch_first, filters=3, join=None):
        image = keras.Input((6, 6, 2))
        made = {}
        for name in ("main", "branch") if not branch_first else ("branch", "main"):
            kernel_size = 3 if name == "main" else 1
            made[name] = layers.Conv2D(filters, kernel_size, padding="same")(image)
        return keras.Model(image, (join or layers.Add())([made["main"], made["branch"]]))

    one, other = (checks.network(build, 7, branch_first=first) for first in (False, True))
    assert answers.difference(one, other, 1e-5) == ""
    assert one["output shape"] == [6, 6, 3] and one["parameters"] == 57 + 9
    wrong = checks.network(build, 7, branch_first=False, join=layers.Maximum())
    assert answers.difference(one["outputs"], wrong["outputs"], 1e-4)
    assert answers.difference(
        one["outputs"], checks.network(build, 8, branch_first=False)["outputs"]
    )
    with pytest.raises(TypeError, match="a Keras model should come back, not a int"):
        checks.network(lambda: 3, 7)
