"""Answers that are nearly the same: a hint to look at two submissions, and no proof of anything.

Answers are compared by their *fingerprints*: runs of five tokens of Python, without comments,
without white space, and with one placeholder for every name that the student chose, so that a copy
with other names, or in another order, is found all the same. What stood in the release counts for
nothing. A fingerprint weighs the more the fewer of the class have it: `return counts` is
everybody's. Source: Schleimer, Wilkerson and Aiken, "Winnowing" (2003), for the fingerprints,
without the thinning, which a class of two hundred does not need.
"""

import builtins
import io
import keyword
import math
import tokenize
from collections import Counter
from itertools import combinations
from typing import NamedTuple

LENGTH = 5  # tokens in a fingerprint
THRESHOLD = 0.85  # of the share, from which on a pair is shown
FEWEST = 25  # rare fingerprints that two answers must share
COMMON = ("np", "keras", "layers", "ops", "plt", "plots", "self")
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
          tokenize.ENCODING, tokenize.ENDMARKER)  # fmt: skip


class Pair(NamedTuple):
    """Two students with nearly the same answers.

    Attributes:
        share: of the rarer part of the shorter answers, how much stands in the other's, 0 to 1.
        shared: how many rare fingerprints both have.
        codes: from each question in which they share some to both codes.
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
        fewest: how many rare fingerprints two must share.
    """
    found = []
    for first, second, share, both in _shares(codes, release, fewest):
        if share >= threshold:
            names = [name for name in codes[first] if any(name == each for each, _ in both)]
            shown = {name: (codes[first][name], codes[second].get(name, "")) for name in names}
            found.append(Pair(first, second, share, len(both), shown))
    return sorted(found, key=lambda pair: (-pair.share, pair.first, pair.second))


def nearest(codes, release, fewest=FEWEST):
    """For each student the largest share with any other; 0 where nobody is near."""
    shares = dict.fromkeys(codes, 0.0)
    for first, second, share, _ in _shares(codes, release, fewest):
        for student in (first, second):
            shares[student] = max(shares[student], share)
    return shares


def _shares(codes, release, fewest):
    """Every two students with enough in common: their share, and the rare fingerprints of both."""
    given = {name: set(fingerprints(code)) for name, code in release.items()}
    prints = {
        student: {
            (name, each)
            for name, code in theirs.items()
            for each in fingerprints(code)
            if each not in given.get(name, ())
        }
        for student, theirs in codes.items()
    }
    holders = Counter(each for theirs in prints.values() for each in theirs)
    weight = {each: math.log((len(codes) + 1) / count) for each, count in holders.items()}
    total = {student: sum(weight[each] for each in theirs) for student, theirs in prints.items()}

    rare = max(2, len(codes) // 10)
    students_with = {}
    for student, theirs in prints.items():
        for each in theirs:
            if holders[each] <= rare:
                students_with.setdefault(each, []).append(student)
    in_common = Counter()
    for students in students_with.values():
        in_common.update(combinations(sorted(students), 2))
    for (first, second), count in in_common.items():
        if count >= fewest:
            both = prints[first] & prints[second]
            share = sum(weight[each] for each in both) / min(total[first], total[second])
            yield first, second, min(share, 1.0), {each for each in both if each in students_with}


def fingerprints(code):
    """The runs of tokens of a code; code that does not tokenize gives those before the mistake."""
    words = _words(code)
    return [" ".join(words[at : at + LENGTH]) for at in range(len(words) - LENGTH + 1)]


def _words(code):
    words, before, alone = [], "", True
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type in SILENT:
                alone = True
                continue
            if not (token.type == tokenize.STRING and alone):  # a text alone is a docstring
                words.append(_word(token, before))
            before, alone = token.string, False
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # what came before the mistake is kept
    return words


def _word(token, before):
    if token.type == tokenize.STRING:
        return "''"
    if token.type != tokenize.NAME or before == ".":
        return token.string
    known = keyword.iskeyword(token.string) or hasattr(builtins, token.string)
    return token.string if known or token.string in COMMON else "name"
