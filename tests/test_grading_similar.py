"""Near-identical answers: copies are found under other names and orders, own work is not."""

import ast
from pathlib import Path

import pytest
from handed_in import cell_of, released, solutions

from grading import questions, similar

OTHERS = Path(__file__).parent / "other_answers"

LONG = """def readers(size, kernel, padding=0):
    counts = np.zeros(size + 2 * padding, int)
    for start in range(size + 2 * padding - kernel + 1):
        counts[start : start + kernel] += 1
    inside = counts[padding : padding + size]
    return [int(number) for number in inside]
"""
RENAMED = """def readers(size, kernel, padding=0):
    # my own idea
    anzahl = np.zeros( size + 2 * padding, int )

    for i in range(size + 2 * padding - kernel + 1):
        anzahl[i : i + kernel] += 1
    mitte = anzahl[padding : padding + size]
    return [int(n) for n in mitte]
"""
OTHER = """def readers(size, kernel, padding=0):
    row = np.pad(np.ones(size), padding)
    seen = np.lib.stride_tricks.sliding_window_view(np.arange(len(row)), kernel)
    return np.bincount(seen.ravel(), minlength=len(row))[padding : len(row) - padding]
"""
ALIKE = "def output_size(size, kernel):\n    return size - kernel + 1\n"
STUB = {"readers": "def readers(size, kernel, padding=0):\n    # YOUR CODE HERE\n    ..."}


def everybody(**codes):
    """A class of twelve with the same short answer and no long one, but for those named."""
    class_of = {f"s{number}": {"output_size": ALIKE, "readers": ""} for number in range(12)}
    return class_of | {
        name: {"output_size": ALIKE, "readers": code} for name, code in codes.items()
    }


def test_a_copy_with_other_names_is_found():
    (pair,) = similar.pairs(everybody(ada=LONG, ben=RENAMED, eve=OTHER), STUB)
    assert (pair.first, pair.second, list(pair.codes)) == ("ada", "ben", ["readers"])
    assert pair.share > 0.95


def test_a_copy_in_another_order_with_more_in_it_is_found():
    copy = "import math\n\ndef helper(x):\n    return math.sqrt(x) + 17\n\n" + RENAMED
    (pair,) = similar.pairs(everybody(ada=LONG, ben=copy), STUB)
    assert pair.share > 0.9


def test_different_answers_and_what_everybody_writes_are_not():
    assert similar.pairs(everybody(ada=LONG, eve=OTHER), STUB) == []
    assert similar.pairs(everybody(), STUB) == []
    assert similar.pairs({f"s{number}": {"readers": LONG} for number in range(30)}, STUB) == []
    untouched = everybody(ada=STUB["readers"], ben=STUB["readers"])
    assert similar.pairs(untouched, STUB) == []


@pytest.mark.parametrize(
    "code",
    [
        "def (",
        "'''",
        "\x00",
        "?print",
        "x = $",
        "%timeit f(",
        "\ud800",
        "f'{",
        "    x\n  y",
        "é" * 50,
        "",
        "(" * 500,
    ],
)
def test_code_that_is_no_python_stops_nothing(code):
    similar.pairs({"a": {"readers": code}, "b": {"readers": code}}, STUB)


def test_how_near_the_nearest_is():
    nearest = similar.nearest(everybody(ada=LONG, ben=RENAMED, eve=OTHER), STUB)
    assert nearest["ada"] == nearest["ben"] > 0.95
    assert nearest["eve"] == nearest["s0"] == 0


def test_docstrings_comments_and_white_space_do_not_count():
    with_words = LONG.replace("    counts =", '    """Counts."""\n    # count\n    counts =')
    assert similar.fingerprints(with_words) == similar.fingerprints(LONG)


def test_a_copied_answer_is_found_among_others_of_ones_own():
    everyone = everybody(ada=LONG, ben=RENAMED)
    everyone["ada"]["output_size"], everyone["ben"]["output_size"] = OTHER, own(7)
    (pair,) = similar.pairs(everyone, STUB)
    assert list(pair.codes) == ["readers"] and pair.share > 0.95


def own(seed):
    """Forty lines that nobody else has: every operator is drawn."""
    marks = ("+", "-", "*", "/", "%", "//", "**", "|", "&", "^", "<<", ">>", "@")
    steps = [(seed * 7919 + number * number * (seed + 3)) % 9973 for number in range(40)]
    return "\n".join(f"a = b[{step % 97}] {marks[step % 13]} {step} {marks[step % 11]} c(d, {step})"
                     for step in steps)  # fmt: skip


@pytest.mark.parametrize("copiers", [2, 3, 4, 5, 8, 10])
@pytest.mark.parametrize("exercise", questions.names())
def test_a_group_is_found_up_to_a_third_of_the_class(exercise, copiers):
    names = [question.name for question in questions.load(exercise).questions]
    cells = {name: name.replace("_", "-") for name in names}
    right = {name: solutions(exercise)[cell] for name, cell in cells.items()}
    stub = {name: cell_of(released(exercise), cell)["source"] for name, cell in cells.items()}
    group = {f"copy{number}": right for number in range(copiers)}
    rest = {f"own{number}": {name: own(number) for name in names} for number in range(30 - copiers)}
    found = similar.pairs({**group, **rest}, stub)
    assert len(found) == copiers * (copiers - 1) // 2
    assert all(pair.first in group and pair.second in group for pair in found)


@pytest.mark.parametrize("exercise", questions.names())
def test_right_answers_in_other_words_are_far_apart(exercise):
    names = [question.name for question in questions.load(exercise).questions]
    stub = {name: cell_of(released(exercise), name.replace("_", "-"))["source"] for name in names}
    codes = {"source": {name: solutions(exercise)[name.replace("_", "-")] for name in names}}
    for path in OTHERS.glob(f"{exercise}.*.py"):
        text = path.read_text(encoding="utf-8")
        codes[path.stem] = {
            defined(statement): ast.get_source_segment(text, statement)
            for statement in ast.parse(text).body if defined(statement) in names
        }  # fmt: skip
    assert len(codes) >= 2
    crowd = {f"s{number}": dict.fromkeys(names, "") for number in range(27)}
    assert similar.pairs({**codes, **crowd}, stub) == []
    assert max(similar.nearest({**codes, **crowd}, stub, fewest=1).values()) < 0.6


def defined(statement):
    """The name that a statement of a file defines, or None."""
    targets = getattr(statement, "targets", [None])
    return getattr(statement, "name", getattr(targets[0], "id", None))


def test_what_is_added_hides_nothing_and_changes_count():
    padded = everybody(ada=LONG, ben=LONG + own(1))
    assert similar.pairs(padded, STUB)[0].share > 0.95
    half = "\n".join(LONG.splitlines()[:3]) + "\n" + own(2)
    assert similar.pairs(everybody(ada=LONG, ben=half), STUB) == []


def test_broken_code_is_compared_as_well():
    broken = LONG + "\nprint('what was it?\n((("
    (pair,) = similar.pairs(everybody(ada=LONG, ben=broken), STUB)
    assert pair.share > 0.9
    (pair,) = similar.pairs(everybody(ada="?help\n" + LONG, ben="!ls\n" + RENAMED), STUB)
    assert pair.share > 0.9


def test_names_count_by_their_place_in_a_run():
    assert similar.fingerprints("a[b] = b + c") == similar.fingerprints("x[y] = y + z")
    assert similar.fingerprints("a[b] = b + c") != similar.fingerprints("x[y] = x + z")
    assert similar.fingerprints("np.pad(a, b)") != similar.fingerprints("np.zeros(a, b)")


def test_lists_of_texts_are_no_docstrings():
    assert similar.fingerprints("a = [\n 'b',\n 'c',\n]") == similar.fingerprints("a = ['b', 'c',]")
    assert len(similar.fingerprints("a = [\n 'b',\n 'c',\n]")) == 4


def test_a_large_class_reads_every_answer_once(monkeypatch):
    similar.fingerprints.cache_clear()
    read = []
    words = similar._words
    monkeypatch.setattr(similar, "_words", lambda code: read.append(code) or words(code))
    names = [f"question{number}" for number in range(3)]
    codes = {f"s{number:03}": {name: own(number) for name in names} for number in range(200)}
    codes["s000"] = codes["s199"]
    assert [(pair.first, pair.second) for pair in similar.pairs(codes, {})] == [("s000", "s199")]
    similar.nearest(codes, {})
    assert len(read) == 200  # 199 different answers, and the empty stub


def test_nobody_and_a_single_student():
    assert similar.pairs({}, STUB) == similar.pairs({"a": {"readers": LONG}}, STUB) == []
    assert similar.nearest({"a": {"readers": LONG}}, STUB) == {"a": 0.0}
    (pair,) = similar.pairs({"a": {"readers": LONG}, "b": {"readers": RENAMED}}, STUB)
    assert pair.share > 0.95
    assert similar.pairs({"a": {"readers": LONG}, "b": {}}, STUB) == []


@pytest.mark.parametrize("copiers", [2, 4, 6, 8])
def test_identical_answers_are_listed_however_many_have_them(copiers):
    codes = {f"s{number}": {"readers": own(number), "size": ALIKE} for number in range(8)}
    for number in range(copiers):
        codes[f"s{number}"] = {"readers": f"# {number}\n{LONG}", "size": ALIKE}
    (group,) = similar.likeness(codes, STUB).answers
    assert group.students == [f"s{number}" for number in range(copiers)]


def test_own_work_short_answers_and_the_release_are_nobody_s_copy():
    assert similar.identical_answers(everybody(), STUB) == [
        similar.Group(sorted(f"s{number}" for number in range(12)), "all answers")
    ], "the same code in every answer is listed; what it means is for a reader to say"
    untouched = {f"s{number}": dict(STUB) for number in range(4)}
    short = {f"s{number}": {"x": "x = 3"} for number in range(4)}
    renamed = {"a": {"readers": LONG}, "b": {"readers": RENAMED}}
    for codes in (untouched, short, renamed):
        assert similar.identical_answers(codes, STUB) == []


def test_the_same_file_and_the_same_words():
    found = similar.likeness(
        {},
        {},
        {
            "a": {"why": "It takes two pixels from each side."},
            "b": {"why": "it takes  two pixels\nfrom each side."},
            "c": {"why": "Yes."},
            "d": {"why": "Yes."},
        },
        {"a": "1f", "b": "1f", "c": "", "d": ""},
    )
    assert found.texts == [similar.Group(["a", "b"], "why")]
    assert found.files == [similar.Group(["a", "b"])]


def test_what_is_published_and_earlier_years_are_compared():
    codes = {"a": {"readers": RENAMED}, "b": {"readers": OTHER}, "c": {"readers": ""}}
    sources = {"the published solution": {"readers": LONG}, "2025/x.ipynb": {"readers": OTHER}}
    found = similar.likeness(codes, STUB, sources=sources)
    assert [(near.student, near.source) for near in found.compared] == [
        ("b", "2025/x.ipynb"),
        ("a", "the published solution"),
    ]
    assert found.sources == list(sources)
