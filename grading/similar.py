"""Answers that are nearly the same: a hint to look at two submissions, and no proof of anything.

Answers are compared by their *fingerprints*: runs of five tokens of Python, without comments,
docstrings and white space, and with every name that a student may choose replaced by its place in
the run, so that a copy with other names, or in another order, is found all the same. What stood in
the release counts for nothing, and neither does what more than half of the class wrote.

What is left is weighed by how rare it is: a fingerprint that two students have counts 1, one that a
quarter of the class has about a half, one that half of the class has nothing. `return counts` is
everybody's; four students with the same forty lines are a reason to look, and so are ten.

The *share* of two answers to a question is the weight of what both have, divided by the weight of
all that the one with less has; what one of them added hides nothing. A pair is shown when its share
is high and when the weight of what both have is large enough: either over those questions in which
they are near-identical, or over all of them. So one copied answer is found among others of one's
own, if it is long enough.

What it cannot tell: who wrote it first, whether two worked together and may, whether both had it
from a third place. It does not find a copy that was rewritten with care, or a short one. One that
nearly half of the class or more shares cannot be told in this way from what everybody writes; so
whatever is *identical* is listed apart, however many have it: files, all answers of a student, and
answers in words.

Source: Schleimer, Wilkerson and Aiken, "Winnowing" (2003), for the fingerprints, without the
thinning: a class of two hundred does not need it.
"""

import builtins
import io
import keyword
import re
import token as kinds
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

LENGTH = 5  # tokens in a fingerprint
THRESHOLD = 0.85  # of the share, from which on a pair is shown
FEWEST = 30  # fingerprints that nobody else has, or more that are less rare, in both answers
LONGEST = 100_000  # characters of one answer that are looked at
COMMON = ("np", "keras", "layers", "ops", "plt", "plots", "self")
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
          tokenize.ENCODING, tokenize.ENDMARKER)  # fmt: skip
LINE_ENDS = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
TEXTS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
NAME = "\0"  # stands before a name that may be another in a copy
# For code that is no Python: the same tokens, as far as one can tell.
ROUGH = re.compile(
    r"#.*|'''[\s\S]*?'''|\"\"\"[\s\S]*?\"\"\"|'[^'\n]*'|\"[^\"\n]*\"|\d[\w.]*|\w+|"
    + "|".join(re.escape(each) for each in sorted(kinds.EXACT_TOKEN_TYPES, key=len, reverse=True))
    + r"|\S"
)


Codes = dict[str, dict[str, str]]  # from each student to their code by question
Share = tuple[str, str, float, int, list[str]]


class Pair(NamedTuple):
    """Two students with nearly the same answers.

    Attributes:
        share: of the rarer part of the shorter answers, how much stands in the other's, 0 to 1.
        shared: how many fingerprints both have, but for those that most of the class has.
        codes: from each question in which they are near to both codes.
    """

    first: str
    second: str
    share: float
    shared: int
    codes: dict[str, tuple[str, str]]


class Group(NamedTuple):
    """Students who have the same of something."""

    students: list[str]
    what: str = ""


class Near(NamedTuple):
    """A student whose answers are near to something that is not of the class."""

    student: str
    source: str
    questions: list[str]
    share: float


@dataclass(frozen=True)
class Likeness:
    """What is identical, and what is nearly so.

    Attributes:
        pairs: of students with nearly the same answers.
        nearest: for each student the largest share with any other.
        files: students with the same file; `answers` with the same code in every answer; `texts`
            with the same words.
        compared: students near to one of the `sources`.
    """

    pairs: list[Pair] = field(default_factory=list)
    nearest: dict[str, float] = field(default_factory=dict)
    files: list[Group] = field(default_factory=list)
    answers: list[Group] = field(default_factory=list)
    texts: list[Group] = field(default_factory=list)
    compared: list[Near] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def likeness(
    codes: Codes,
    release: dict[str, str],
    texts: Codes | None = None,
    digests: dict[str, str] | None = None,
    sources: Codes | None = None,
) -> Likeness:
    """Everything that two students, or a student and a source, have in common.

    Args:
        codes: from each student to their code by question.
        release: the code by question before anybody answered.
        texts: from each student to their written answers, by cell.
        digests: from each student to a digest of their file.
        sources: from the name of each thing to compare with to its code by question.
    """
    shares = list(_shares(codes, release, THRESHOLD, FEWEST))
    return Likeness(
        _pairs_of(codes, shares, THRESHOLD),
        _nearest_of(codes, shares),
        identical({student: [each] for student, each in (digests or {}).items()}),
        identical_answers(codes, release),
        identical_texts(texts or {}),
        near_to(codes, release, sources or {}),
        list(sources or {}),
    )


def identical(things: dict[str, list[Any]], what: str = "") -> list[Group]:
    """Those who have the same of something that is not empty, the largest groups first."""
    groups: dict[Any, list[str]] = defaultdict(list)
    for student, thing in sorted(things.items()):
        if any(thing):
            groups[tuple(thing)].append(student)
    found = [Group(students, what) for students in groups.values() if len(students) > 1]
    return sorted(found, key=lambda group: (-len(group.students), group.students))


def identical_answers(codes: Codes, release: dict[str, str]) -> list[Group]:
    """Those whose code is the same in every answer, names included; comments do not count.

    Who answered with less than a dozen tokens in all, or with the release, is nobody's copy.
    """
    given = {name: _tokens(code) for name, code in release.items()}
    things = {}
    for student, theirs in codes.items():
        own = [
            tokens if (tokens := _tokens(code)) != given.get(name) else ()
            for name, code in sorted(theirs.items())
        ]
        if sum(map(len, own)) >= 12:
            things[student] = own
    return identical(things, "all answers")


def identical_texts(texts: Codes) -> list[Group]:
    """Those who answered a question in the same words, but for white space and capitals."""
    found = []
    for cell in dict.fromkeys(cell for theirs in texts.values() for cell in theirs):
        words = {
            student: theirs.get(cell, "").casefold().split() for student, theirs in texts.items()
        }
        long = {student: theirs for student, theirs in words.items() if len(theirs) >= 5}
        found += identical(long, cell)
    return found


def near_to(codes: Codes, release: dict[str, str], sources: Codes) -> list[Near]:
    """Students whose answers are nearly those of a source: the published solution, say."""
    found = []
    for source, theirs in sources.items():
        for student, own in sorted(codes.items()):
            both, least, named = 0, 0, []
            for name, code in own.items():
                given = set(fingerprints(release.get(name, "")))
                one, other = (
                    set(fingerprints(text)) - given for text in (code, theirs.get(name, ""))
                )
                if one and other and len(one & other) >= THRESHOLD * min(len(one), len(other)):
                    both += len(one & other)
                    least += min(len(one), len(other))
                    named.append(name)
            if both >= FEWEST:
                found.append(Near(student, source, named, both / least))
    return sorted(found, key=lambda near: (-near.share, near.source, near.student))


def _tokens(code: str) -> tuple[str, ...]:
    """The tokens of a code, without comments, docstrings and white space."""
    return tuple(_words(code[:LONGEST]))


def pairs(
    codes: Codes, release: dict[str, str], threshold: float = THRESHOLD, fewest: float = FEWEST
) -> list[Pair]:
    """The pairs of students whose answers are nearly the same, the nearest first.

    Args:
        codes: from each student to their code by question.
        release: the code by question before anybody answered.
        threshold: the least `share` of a pair.
        fewest: the least weight of what two must share: so many fingerprints that nobody else has,
            or more that are less rare.
    """
    return _pairs_of(codes, _shares(codes, release, threshold, fewest), threshold)


def _pairs_of(codes: Codes, shares: Iterable[Share], threshold: float) -> list[Pair]:
    found = []
    for first, second, share, shared, names in shares:
        if share >= threshold:
            shown = {name: (codes[first][name], codes[second][name]) for name in names}
            found.append(Pair(first, second, share, shared, shown))
    return sorted(found, key=lambda pair: (-pair.share, -pair.shared, pair.first, pair.second))


def nearest(
    codes: Codes, release: dict[str, str], threshold: float = THRESHOLD, fewest: float = FEWEST
) -> dict[str, float]:
    """For each student the largest share with any other; 0 where nobody has enough in common."""
    return _nearest_of(codes, _shares(codes, release, threshold, fewest))


def _nearest_of(codes: Codes, shares: Iterable[Share]) -> dict[str, float]:
    largest = dict.fromkeys(codes, 0.0)
    for first, second, share, *_ in shares:
        for student in (first, second):
            largest[student] = max(largest[student], share)
    return largest


def _shares(
    codes: Codes, release: dict[str, str], threshold: float, fewest: float
) -> Iterator[Share]:
    """Every two students with enough in common: share, number of fingerprints, and questions."""
    students = sorted(codes)
    names = list(dict.fromkeys(name for theirs in codes.values() for name in theirs))
    if len(students) < 2 or not names:
        return
    tables = [_table(codes, release.get(name, ""), name, students) for name in names]
    both, least, counts = (np.stack(kind) for kind in zip(*tables, strict=True))
    near = both >= threshold * np.maximum(least, 1e-9)
    for chosen in (near, both > 0):
        weight, possible, count = (
            np.where(chosen, kind, 0).sum(axis=0) for kind in (both, least, counts)
        )
        # What was found by the questions that are near is not told twice.
        enough = np.triu(weight >= fewest, 1)
        if chosen is not near:
            enough &= ~np.triu(np.where(near, both, 0).sum(axis=0) >= fewest, 1)
        for one, other in np.argwhere(enough):
            share = float(min(weight[one, other] / possible[one, other], 1))
            where = [name for place, name in enumerate(names) if chosen[place, one, other]]
            yield students[one], students[other], share, int(count[one, other]), where


def _table(
    codes: Codes, stub: str, name: str, students: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For one question and every two students, as matrices.

    Returns:
        the weight of what both have, the weight of all that the one with less has, and the number
        of fingerprints that both have.
    """
    given = set(fingerprints(stub))
    prints = [set(fingerprints(codes[student].get(name, ""))) - given for student in students]
    holders = Counter(each for theirs in prints for each in theirs)
    # In a class of three, two are more than half, and two are what is looked for.
    size = max(len(students), 6)
    weights = {each: float(np.log(size / (2 * count)) / np.log(size / 4)) if count > 1 else 1.0
               for each, count in holders.items() if count <= max(size / 2, 2)}  # fmt: skip
    total = np.array([sum(weights.get(each, 0) for each in theirs) for theirs in prints])
    columns = {each: place for place, each in enumerate(
        each for each in weights if holders[each] > 1)}  # fmt: skip
    has = np.zeros((len(students), len(columns)), np.float32)
    for row, theirs in enumerate(prints):
        has[row, [columns[each] for each in theirs if each in columns]] = 1
    weight = np.array([weights[each] for each in columns], np.float32)
    return (has * weight) @ has.T, np.minimum.outer(total, total), has @ has.T


@lru_cache(maxsize=10_000)
def fingerprints(code: str) -> tuple[tuple[str | int, ...], ...]:
    """The runs of tokens of a code, each a tuple; code that is no Python has them as well."""
    words = _words(code[:LONGEST])
    return tuple(_run(words[at : at + LENGTH]) for at in range(len(words) - LENGTH + 1))


def _run(words: list[str]) -> tuple[str | int, ...]:
    """A run of tokens in which each name of the student's own is the number of its turn."""
    turns: dict[str, int] = {}
    return tuple(turns.setdefault(word, len(turns)) if word[0] == NAME else word for word in words)


def _words(code: str) -> list[str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return _rough_words(code)
    words, before, alone = [], "", True
    for each in tokens:
        if each.type in SILENT:
            alone = alone or each.type in LINE_ENDS
            continue
        if not (each.type == tokenize.STRING and alone):  # a text alone is a docstring
            words.append("''" if each.type in TEXTS else _word(each.string, before))
        before, alone = each.string, False
    return [word for word in words if word]


def _rough_words(code: str) -> list[str]:
    """The tokens of code that is no Python, by a rule that takes whatever comes."""
    words, before = [], ""
    for word in ROUGH.findall(code.replace("\0", " ")):
        if word[0] != "#" and not word.startswith(("'''", '"""')):
            words.append("''" if word[0] in "'\"" else _word(word, before))
            before = word
    return words


def _word(word: str, before: str) -> str:
    if not word.isidentifier() or before == ".":
        return word
    known = keyword.iskeyword(word) or hasattr(builtins, word) or word in COMMON
    return word if known else NAME + word
