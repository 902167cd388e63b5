"""Answers as data, and what `check` says about them."""

import base64
import json
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course_utils import answers, checks
from course_utils.checks import CheckFailed, Checks

REAL_COST = checks.COST

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
    assert answers.encode(Fraction(3, 4)) == answers.encode(Decimal("0.75")) == 0.75
    assert answers.encode(range(2, 8, 2)) == [2, 4, 6]
    assert answers.encode(np.array([(1, "a"), None], dtype=object)) == [{"tuple": [1, "a"]}, None]
    assert np.array_equal(answers.decode(answers.encode(Tensor())), np.eye(2))


@pytest.mark.parametrize(
    "value",
    [object(), len, {1, 2}, b"x", ..., np.array([object()]), np.array(["x"]), [len], 1j,
     np.zeros(2, "V8"), (i for i in "ab")],
)  # fmt: skip
def test_what_is_no_data_is_refused(value):
    says = "real numbers, texts, arrays of numbers, lists and dictionaries can be checked"
    with pytest.raises(TypeError, match=says):
        answers.encode(value)


def test_a_masked_array_is_no_answer_though_its_numbers_are_right():
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    with pytest.raises(TypeError, match="fill it first"):
        answers.encode([masked])
    assert "came [1, None, 3]" in answers.difference([1, 2, 3], masked)
    assert answers.encode(np.ma.array([1, 2])) == answers.encode(np.array([1, 2]))


def test_half_precision_is_widened():
    from ml_dtypes import bfloat16

    for value in (np.array([1.5, 2.0], bfloat16), bfloat16(1.5)):
        came = answers.decode(answers.encode(value))
        assert came.dtype == "float32" and came.shape == value.shape


def test_numbers_that_no_json_holds_are_refused_or_shortened():
    assert answers.encode(np.longdouble(1.5)) == 1.5
    with pytest.raises(TypeError, match="300 digits"):
        answers.encode(10**5000)


@pytest.mark.parametrize("value", [Decimal("sNaN"), Fraction(10**400)])
def test_what_no_float_holds_is_no_data(value):
    with pytest.raises(TypeError, match="is no float"):
        answers.encode(value)


def test_an_array_that_is_too_large_is_refused_before_it_is_copied():
    with pytest.raises(TypeError, match=r"shape \(1000000, 1000000\), which is too large"):
        answers.encode(np.broadcast_to(0.0, (10**6, 10**6)))


def test_a_long_text_among_numbers_takes_no_memory():
    tracemalloc.start()
    assert not answers.numeric(["x" * 2000] + [1] * 20_000)  # as an array 160 MB
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10_000_000


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
        (61706, 61706.0), (138357544, 138357544.0), (138357544, np.int64(138357544)), (3, 30 * 0.1),
        ([61706, 138357544], np.array([61706.0, 138357544.0])), (np.arange(3), [0.0, 1.0, 2.0]),
    ],
)  # fmt: skip
def test_right_answers(expected, came):
    assert answers.difference(expected, answers.decode(answers.encode(came))) == ""


@pytest.mark.parametrize(
    "expected, came, says",
    [
        (3, 4, "expected 3, came 4"),
        (3, None, "is there a `return`"),
        (3, "three", "expected 3, came the text 'three'"),
        ("pool", 3, "expected 'pool', came 3"),
        (True, 1, "expected True, came 1"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "expected shape (2, 3), came shape (3, 2)"),
        ([1, 2, 3], [1, 5, 3], "at index 1: expected 2, came 5 (1 of 3 numbers differ)"),
        (np.eye(2), np.ones((2, 2)), "at index (0, 1): expected 0, came 1 (2 of 4 numbers differ)"),
        ({"a": 1}, {"b": 1}, "'a' is missing"),
        ({"a": 1}, 7, "a dictionary with a"),
        ({"a": 1}, {"a": 2}, "'a': expected 1, came 2"),
        (3, [3], "one number is expected, and a list with one number came: [3]"),
        (3, np.array([3]), "one number is expected, and an array with one number came"),
        (3, "3", "expected 3, came the text '3'"),
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


@pytest.mark.parametrize(
    "expected, came, says",
    [
        (61706, 61700, "expected 61706, came 61700"),
        (138357544, 138357552.0, "expected 138357544, came 138357552"),
        ([61706, 3], [61706, 4], "at index 1: expected 3, came 4"),
        (1, True, "expected 1, came True"),
        (1, np.True_, "expected 1, came True"),
    ],
)
def test_whole_numbers_are_compared_exactly(expected, came, says):
    assert says in answers.difference(expected, came, 1e-4)


def test_numbers_that_differ_read_differently():
    says = answers.difference(1.827656, 1.827658, 1e-7)
    assert says == "expected 1.827656, came 1.827658"
    assert answers.difference(3, 3.0000004 + 1e-2) == "expected 3, came 3.01"


def test_the_tolerance_is_of_the_largest_number():
    expected = np.array([1000.0, 0.0])
    assert answers.difference(expected, expected + 5e-4, tolerance=1e-6) == ""
    assert answers.difference(expected, expected + 5e-3, tolerance=1e-6) != ""


def test_equal_short_answers_have_one_text():
    for one, other in ((3, 3.0), ((1, 2), [1, 2.0]), ("Pool ", "pool"), (np.array([1]), [1])):
        assert answers.canonical(one) == answers.canonical(other)
    assert answers.canonical(0.1 + 0.2) == answers.canonical(0.3)
    assert answers.canonical(1234567.0) == answers.canonical(1234567)
    assert answers.canonical(1 / (1 - 0.8)) == answers.canonical(5)
    assert answers.canonical(123456.7) != answers.canonical(123457)
    assert len({answers.canonical(each) for each in (1, 2, "1", None, [1])}) == 5


@pytest.mark.parametrize(
    "value",
    [[1.5] * 100_000, "x" * 2000, range(10**9), np.broadcast_to(1, (10**9,)), [[1, 2]] * 400,
     {"x" * 2000: 1}, [["x" * 600]] * 2],
    ids=["numbers", "text", "range", "array", "pairs", "key", "texts"],
)  # fmt: skip
def test_a_long_answer_is_no_short_one(value, monkeypatch):
    monkeypatch.setattr(answers, "encode", None)  # nor is it read to its end
    with pytest.raises(ValueError, match="at most 1000 numbers and characters"):
        answers.canonical(value)


# --- What `check` says ----------------------------------------------------------------------------


def case_of(arguments, expected, **mistakes):
    return {
        "arguments": {name: answers.encode(value) for name, value in arguments.items()},
        "expected": answers.encode(expected),
        "mistakes": [{"hint": hint, "answer": answers.encode(answer)}
                     for hint, answer in mistakes.items()],
    }  # fmt: skip


@pytest.fixture(autouse=True)
def a_quick_hash(monkeypatch):
    monkeypatch.setattr(checks, "COST", 2**4)
    monkeypatch.delenv(checks.GRADING, raising=False)


@pytest.fixture
def check():
    seals = []
    for right in (5, 8):
        salt = f"made up/{right}"
        mistakes = {checks.sealed(right - 1, salt): "Count both ends."}
        seals.append({"salt": salt, "answer": checks.sealed(right, salt), "mistakes": mistakes})
    square = [
        case_of({"size": 3}, 9, Doubled=6, Cubed=27),
        case_of({"size": 2}, 4, Cubed=8),
        case_of({"size": 4}, 16, Doubled=8, Cubed=64),
    ]
    grid = [case_of({"image": np.eye(3)}, np.eye(3)[::-1], Sideways=np.eye(3))]
    both = [{**case_of({"size": size}, size), "mistakes": []} for size in (1, 2)]
    made = Checks(
        {
            "count": {"probe": "values", "tolerance": 0, "parts": [
                {"name": "ends", "points": 1, "of": "ends", "kind": "number", "seals": seals},
            ]},
            "square": {"probe": "call", "tolerance": 1e-6, "parts": [
                {"name": "small", "points": 1, "of": None, "cases": square},
            ]},
            "flip": {"probe": "call", "tolerance": 1e-6, "parts": [
                {"name": "eye", "points": 1, "of": None, "cases": grid},
            ]},
            "two": {"probe": "call", "tolerance": 1e-6, "parts": [
                {"name": name, "points": 1, "of": name, "cases": both} for name in ("one", "other")
            ]},
        },
        "ex00_made_up",
        [{"size": 4, "grid": [[1, 2], [3, 4]]}, {"size": 7, "grid": [[5, 6], [7, 8]]}],
    )  # fmt: skip
    made.variant = 0
    return made


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
    assert "a dictionary with the entries 'ends'" in said(check, "count", ...)
    assert "a dictionary with the entries 'ends'" in said(check, "count", [5])
    assert "is no number" in said(check, "count", {"ends": len})


@pytest.mark.parametrize("value", [0.36, -0.364, 3.6364, np.float32(0.364)])
def test_a_number_that_may_be_rounded_too_much_is_told_so(check, value):
    assert "is not right.\n    Hint: If it is rounded, give at least 6 digits" in said(
        check, "count", {"ends": value}
    )


@pytest.mark.parametrize("value", [0.363636, 12.3456, 6, 6.0, 1e-9, np.inf, 4 / 11])
def test_a_number_with_digits_enough_is_just_wrong(check, value):
    assert "Hint" not in said(check, "count", {"ends": value})


def test_without_scrypt_short_answers_end_in_a_sentence(check, monkeypatch):
    def none(*_, **__):
        raise ValueError("unsupported")

    monkeypatch.setattr(checks.hashlib, "scrypt", none)
    with pytest.raises(RuntimeError, match="need scrypt.*use another Python"):
        check("count", {"ends": 12345})


def repr_of_few(value):
    """A short name for a test."""
    return answers.shown(value)[:20]


@pytest.mark.parametrize(
    "value, says",
    [
        ("5", "'5' is a text: write a number, without quotes."),
        ([5], "one number is expected, and a list with one number came."),
        (np.array([5.0]), "one number is expected, and an array with one number came."),
        ((5, 6), "one number is expected, and a tuple with several values came."),
        (None, "None is no number."), (5 + 0j, "is not right"), (10**400, "is not right"),
        (Fraction(1, 3), "Fraction(1, 3) is not right"), (Decimal("sNaN"), "is not right"),
        (10**5000, "a value of type int that cannot be shown is not right"),
        ("5" * 10**6, "5... is a text"), ([5] * 10**5, "several values"),
    ],
    ids=repr_of_few,
)  # fmt: skip
def test_what_is_no_number_is_told_apart_from_a_wrong_one(check, value, says):
    assert says in said(check, "count", {"ends": value})


def test_numpy_numbers_are_numbers(check, capsys):
    for value in (np.int8(5), np.float32(5), np.array(5)):
        check("count", {"ends": value})
    assert capsys.readouterr().out.count("right") == 3


def test_each_variant_has_its_own_answer(check, capsys):
    assert check.own("variant 1").size == 7 and check.own("Variant 0").grid == [[1, 2], [3, 4]]
    out = capsys.readouterr().out
    assert "Your own numbers (variant 1):" in out and "own.size = 7" in out
    assert "own.grid =\n       5    6\n       7    8" in out
    check.own("variant 1")
    assert "5 is not right" in said(check, "count", {"ends": 5})
    check("count", {"ends": 8})


def test_the_variant_depends_on_the_name_and_the_exercise_alone():
    one = [
        checks.variant_of("ex02", name)
        for name in ("Ada Lovelace", " ada lovelace ", "ADALOVELACE")
    ]
    assert len(set(one)) == 1
    assert checks.variant_of("ex02", 11101) == checks.variant_of("ex02", "11101")
    names = [f"s{number}" for number in range(400)]
    counts = np.bincount([checks.variant_of("ex02", name) for name in names], minlength=16)
    assert len(counts) == 16 and counts.min() > 8
    assert any(checks.variant_of("ex02", name) != checks.variant_of("ex03", name) for name in names)
    assert checks.variant_of("ex02", "anybody", 1) == 0


def test_without_a_name_one_is_made_up_and_kept_in_the_cell(check, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.user_ns["check"] = check
    shell.run_cell('STUDENT = ""  # yours\nown = check.own(STUDENT)', store_history=True)
    assert shell.rl_next_input == f'STUDENT = "{check.guest}"  # yours\nown = check.own(STUDENT)'
    assert f'STUDENT = "{check.guest}"' in capsys.readouterr().out
    assert check.variant == checks.variant_of(check.exercise, check.guest, 2)
    shell.rl_next_input = None
    shell.run_cell('STUDENT = "ada"\nown = check.own(STUDENT)', store_history=True)
    assert shell.rl_next_input is None
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("student", [..., None, 1.5, True, np.True_, ["ada"], "\u200b", " - "])
def test_a_name_that_is_none_is_refused(check, student):
    with pytest.raises(ValueError, match="between quotes"):
        check.own(student)


def test_a_number_is_a_name(check):
    assert check.own(np.int64(5)) == check.own(5) == check.own("5")


def test_numbers_come_before_short_answers(check):
    check.variant = None
    assert "run the cell with STUDENT first" in said(check, "count", {"ends": 5})


def test_the_grader_judges_short_answers_itself(check, monkeypatch, capsys):
    monkeypatch.setenv(checks.GRADING, "1")
    check("count", {"ends": 17})
    assert "by itself" in capsys.readouterr().out


def test_a_guess_goes_through_64_megabytes():
    assert REAL_COST * 128 * 8 == 2**26
    assert checks._hash("5", "salt", 2**5) != checks._hash("5", "salt", 2**6)


def test_dictionaries_with_entries_that_are_missing(check):
    text = said(check, "two", lambda size: {"one": size})
    assert "right so far: one" in text and "has no entry 'other': there are 'one'" in text
    text = said(check, "two", lambda size: (size, size))
    assert "should return a dictionary with an entry 'one', and a tuple came" in text
    assert "is there a `return`" in said(check, "two", lambda size: None)


def test_the_case_at_hand_is_the_first_that_failed(check):
    said(check, "two", lambda size: {"one": 0, "other": 0})
    assert check.arguments == {"size": 1}
    check("flip", lambda image: image[::-1])
    assert check.arguments is None


def test_exit_ends_no_notebook(check):
    def stop(size):
        raise SystemExit

    assert "raised SystemExit" in said(check, "square", stop)


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
    text = said(check, "square", lambda size: len)
    assert "square(size=3) gave what cannot be compared: the answer holds a builtin" in text
    assert "can be checked" in text and "raised" not in text


def test_an_error_that_cannot_be_shown_ends_no_check(check):
    class Odd(Exception):
        def __str__(self):
            raise ValueError

    def square(size):
        raise Odd

    assert "square(size=3) raised Odd: its text cannot be shown" in said(check, "square", square)


def test_the_course_is_the_course_behind_a_link(tmp_path):
    (tmp_path / "link").symlink_to(checks.ROOT, target_is_directory=True)
    assert not checks._is_theirs(str(tmp_path / "link" / "course_utils" / "convolution.py"))
    assert checks._is_theirs(str(tmp_path / "cell.py"))
    assert checks._is_theirs("<ipython-input-1-abc>") and not checks._is_theirs("<frozen os>")


def test_the_line_is_the_learners_wherever_packages_lie(check, tmp_path):
    """Not NumPy's: on Colab its files are nowhere near the course."""
    cell, theirs = tmp_path / "cell.py", {"np": np}
    cell.write_text("def square(size):\n    return np.pad(np.eye(2), 'x')\n")
    exec(compile(cell.read_text(), cell, "exec"), theirs)
    assert said(check, "square", theirs["square"]).endswith("(in `return np.pad(np.eye(2), 'x')`)")
    cell.write_text("import json\ndef square(size):\n    return json.loads('{')\n")
    exec(compile(cell.read_text(), cell, "exec"), theirs)
    assert said(check, "square", theirs["square"]).endswith("(in `return json.loads('{')`)")


def test_a_recursion_without_end_is_told_at_once(check, tmp_path, monkeypatch):
    cell, theirs, looked = tmp_path / "cell.py", {}, []
    cell.write_text("def square(size):\n    return square(size + 1)\n")
    exec(compile(cell.read_text(), cell, "exec"), theirs)
    is_theirs = checks._is_theirs
    monkeypatch.setattr(checks, "_is_theirs", lambda file: looked.append(file) or is_theirs(file))
    text = said(check, "square", theirs["square"])
    assert "RecursionError" in text and text.endswith("(in `return square(size + 1)`)")
    assert len(looked) < 20, "each look asks the disk, and there are a thousand frames to a case"


def test_arguments_cannot_be_spoiled(check):
    def flip(image):
        image[:] = 0
        return np.eye(3)[::-1]

    check("flip", flip)
    check("flip", flip)


def test_unknown_questions_and_exercises(check):
    assert "No question is called 'sqare': choose from count, square" in said(check, "sqare", 3)
    assert "No question is called ['square']" in said(check, ["square"], 3)
    for alone, says in (("square", "the answer is Ellipsis"), (len, "No question is called <built"),
                        ("count", "a dictionary with the entries 'ends'")):  # fmt: skip
        with pytest.raises(CheckFailed, match=says):
            check(alone)
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
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        narrow = checks.network(build, 7, branch_first=True)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert answers.difference(one, narrow, 1e-5) == ""
    with pytest.raises(TypeError, match="a Keras model should come back, not a int"):
        checks.network(lambda: 3, 7)
    with pytest.raises(TypeError, match="not nothing"):
        checks.network(lambda: None, 7)


def dropped(maps, training=None):
    """Dropout in a function of somebody's own."""
    import tensorflow as tf

    return tf.nn.dropout(maps, 0.5) if training else maps


def small(kind, dropout=False, input_shape=(6, 6, 2)):
    """One network in the forms that a course on Keras teaches."""
    import keras
    from keras import layers

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = layers.Conv2D(3, 3, activation="relu")
            self.drop = layers.Dropout(0.5)
            self.last = layers.Dense(4)

        def call(self, images, training=None):
            maps = self.first(images)
            maps = self.drop(maps, training=training) if dropout else maps
            return self.last(layers.Flatten()(maps))

    steps = [layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(4)]
    if dropout:
        steps[1:1] = [layers.Lambda(dropped) if kind == "lambda" else layers.Dropout(0.5)]
    if kind == "subclass":
        return Net()
    if kind == "subclass, built":
        model = Net()
        model.build((None, *input_shape))
        return model
    if kind == "subclass, called":
        model = Net()
        model(np.zeros((1, *input_shape), "float32"))
        return model
    if kind == "sequential":
        return keras.Sequential(steps)
    if kind == "sequential with input":
        return keras.Sequential([keras.Input(input_shape), *steps])
    image = outputs = keras.Input((None, None, 2) if kind == "any size" else input_shape)
    if kind == "any size":
        return keras.Model(image, layers.GlobalAveragePooling2D()(steps[0](image)))
    for step in steps:
        outputs = step(outputs)
    return keras.Model(image, outputs)


KINDS = ("subclass", "subclass, built", "subclass, called", "sequential", "sequential with input",
         "functional", "lambda")  # fmt: skip


def test_a_dropout_before_a_single_number_is_found_each_time():
    from keras import Input, Sequential, layers

    def build(input_shape):
        steps = [layers.Flatten(), layers.Dense(1), layers.Dropout(0.5)]
        return Sequential([Input(input_shape), *steps])

    for seed in range(10):
        came = checks.network(build, seed, batch=1, input_shape=(2, 2, 1))
        assert came["outputs"] == checks.RANDOM, seed


def test_a_network_counts_in_every_form():
    def answer(kind, dropout=False):
        return checks.network(
            lambda input_shape: small(kind, dropout, input_shape), 7, input_shape=(6, 6, 2)
        )

    right = answer("functional")
    for kind in KINDS:
        came = answers.decode(answers.encode(answer(kind)))
        assert answers.difference(right, came, 1e-5) == "", kind
        assert answer(kind, dropout=True)["outputs"] == checks.RANDOM
    assert "is there a Dropout?" in answers.difference(right, answer("functional", True))
    assert answer("any size")["output shape"] == [3]
    with pytest.raises(ValueError, match="takes images of shape .6, 6, 2., not of .5, 6, 2."):
        checks.network(lambda input_shape: small("functional"), 7, input_shape=(5, 6, 2))
