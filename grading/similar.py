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
from a third place. It does not find a copy that was rewritten with care, a short one, or one that
nearly half of the class or more shares: that cannot be told from what everybody writes.

Source: Schleimer, Wilkerson and Aiken, "Winnowing" (2003), for the fingerprints, without the
thinning: a class of two hundred does not need it.
"""

import builtins
import io
import keyword
import re
import token as kinds
import tokenize
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

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
    codes: dict


def pairs(codes, release, threshold=THRESHOLD, fewest=FEWEST):
    """The pairs of students whose answers are nearly the same, the nearest first.

    Args:
        codes: from each student to their code by question.
        release: the code by question before anybody answered.
        threshold: the least `share` of a pair.
        fewest: the least weight of what two must share: so many fingerprints that nobody else has,
            or more that are less rare.
    """
    found = []
    for first, second, share, shared, names in _shares(codes, release, threshold, fewest):
        if share >= threshold:
            shown = {name: (codes[first][name], codes[second][name]) for name in names}
            found.append(Pair(first, second, share, shared, shown))
    return sorted(found, key=lambda pair: (-pair.share, -pair.shared, pair.first, pair.second))


def nearest(codes, release, threshold=THRESHOLD, fewest=FEWEST):
    """For each student the largest share with any other; 0 where nobody has enough in common."""
    shares = dict.fromkeys(codes, 0.0)
    for first, second, share, *_ in _shares(codes, release, threshold, fewest):
        for student in (first, second):
            shares[student] = max(shares[student], share)
    return shares


def _shares(codes, release, threshold, fewest):
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


def _table(codes, stub, name, students):
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
def fingerprints(code):
    """The runs of tokens of a code, each a tuple; code that is no Python has them as well."""
    words = _words(code[:LONGEST])
    return tuple(_run(words[at : at + LENGTH]) for at in range(len(words) - LENGTH + 1))


def _run(words):
    """A run of tokens in which each name of the student's own is the number of its turn."""
    turns = {}
    return tuple(turns.setdefault(word, len(turns)) if word[0] == NAME else word for word in words)


def _words(code):
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


def _rough_words(code):
    """The tokens of code that is no Python, by a rule that takes whatever comes."""
    words, before = [], ""
    for word in ROUGH.findall(code.replace("\0", " ")):
        if word[0] != "#" and not word.startswith(("'''", '"""')):
            words.append("''" if word[0] in "'\"" else _word(word, before))
            before = word
    return words


def _word(word, before):
    if not word.isidentifier() or before == ".":
        return word
    known = keyword.iskeyword(word) or hasattr(builtins, word) or word in COMMON
    return word if known else NAME + word
