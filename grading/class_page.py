"""One page about the class: distributions, common mistakes, near-identical answers, remarks."""

import base64
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from course_utils import plots
from grading import competition, pages, similar
from grading.feedback import UNANSWERED, title_of
from grading.grades import names
from grading.pages import clean, points
from grading.questions import Exercise
from grading.results import QuestionResult, Result, WrittenResult
from grading.roster import Student

# The statuses of a question in the order of the figures: colour, and hatch for those who see none.
LOOKS = {
    "correct": ("#009e73", ""),
    "partly correct": ("#e69f00", "//"),
    "wrong": ("#d55e00", "xx"),
    "crashed": ("#cc79a7", ".."),
    "timed out": ("#cc79a7", "oo"),
    "out of memory": ("#cc79a7", "**"),
    "too many processes": ("#cc79a7", "++"),
    "missing": ("#999999", "--"),
    "untouched": ("#dddddd", ""),
    "changed by hand": ("#56b4e9", "\\\\"),
    "given to all": ("#009e73", "//"),
    "dropped": ("#ffffff", "xx"),
    "needs manual grading": ("#ffffff", ".."),
    "graded": ("#56b4e9", ""),
}
MOST_PAIRS = 60  # of near-identical answers whose code is shown
Entry = QuestionResult | WrittenResult
Entries = dict[str, list[Entry]]


class Drawn(NamedTuple):
    """A picture as the page takes it: the base64 of a PNG, and what it shows in words."""

    png: str
    alt: str


def page(
    results: Sequence[Result],
    exercise: Exercise,
    likeness: similar.Likeness | None = None,
    missing: Sequence[Student] = (),
    notes: Iterable[str] = (),
) -> str:
    """The page about the class.

    Args:
        results: of all students, with the points by hand and what lateness costs.
        likeness: what is identical, and what is nearly so.
        missing: the students of the class list who did not hand in.
        notes: sentences on what was collected.
    """
    likeness = likeness or similar.Likeness()
    readable = [result for result in results if not result.problem]
    entries: Entries = {
        name: found
        for name in names(exercise)
        if (found := [result.entries[name] for result in readable if name in result.entries])
    }
    hints, parts = _mistakes(readable)
    order = [question.name for question in exercise.questions]
    drawn: dict[str, Drawn] = {}
    if readable and entries:
        drawn["points"] = _draw_points(entries)
        drawn["questions"] = _draw_questions(entries)
        drawn["totals"] = _draw_totals(readable, exercise.points)
        if hints:
            drawn["mistakes"] = _draw_mistakes(hints, order)
    networks = competition.ranked(readable, _competition_of(exercise))
    if networks:
        drawn["competition"] = _drawn(*competition.draw(networks, competition.landmarks()))
    if len(likeness.nearest) > 1:
        drawn["nearest"] = _draw_nearest(likeness.nearest)
    who = {result.student: _who(result) for result in results}
    return pages.render(
        "class.html",
        title=title_of(exercise),
        counts=_counts(results, missing),
        figures=drawn,
        numbers=_numbers(entries) if entries else None,
        ranking=competition.table(networks),
        networks_to_look_at=competition.to_look_at(networks) if networks else [],
        mistakes={
            "hints": [(*named, count) for named, count in _by_question(hints, order)],
            "parts": [(*named, count) for named, count in _by_question(parts, order)],
        },
        identical=_identical(likeness, who),
        identical_found=bool(likeness.files or likeness.answers or likeness.texts),
        pairs=_pairs(likeness.pairs, who),
        codes=[_side_by_side(pair, who) for pair in likeness.pairs[:MOST_PAIRS]],
        compared=_compared(likeness, who),
        variants=_variants(readable),
        repairs=_repairs(results),
        remarks=_remarks(results, missing, notes),
    )


def _competition_of(exercise: Exercise) -> str:
    return exercise.competition.name if exercise.competition else ""


def _who(result: Result) -> str:
    same = not result.name or result.name == result.student
    return result.student if same else f"{result.student} ({result.name})"


def _counts(results: Sequence[Result], missing: Sequence[Student]) -> list[tuple[int, str]]:
    """How many there are of each kind."""
    counts = Counter(result.state for result in results)
    told = [
        (len(results), "handed in"),
        (counts["graded"], "graded"),
        (counts["needs manual grading"], "need reading"),
        (counts["untouched"], "untouched"),
        (counts["unreadable"], "unreadable"),
        (len(missing), "not handed in"),
    ]
    unmatched = sum(not result.matched for result in results)
    late = sum(bool(result.penalty) for result in results)
    told += [(unmatched, "not matched")] if unmatched else []
    return told + ([(late, "late")] if late else [])


def _variants(results: Sequence[Result]) -> dict[str, Any]:
    """Who had which numbers in question 1, and whose answers fit somebody else's."""
    found = [result for result in results if result.variant.number is not None]
    told = []
    for result in found:
        own, who = result.variant, _who(result)
        if own.others:
            having = [_who(other) for other in found
                      if other.variant.number in own.others and other is not result]  # fmt: skip
            numbers = " or ".join(map(str, own.others))
            told.append(f"{who}: the short answers fit variant {numbers}, not variant "
                        f"{own.number}. Who has that one: {', '.join(having) or 'nobody here'}."
                        )  # fmt: skip
        if not own.student:
            told.append(f"{who}: no name in the notebook; variant {own.number} fits best.")
        elif not _named_the_same(own.student, result):
            told.append(f"{who}: the notebook names {own.student!r}.")
    rows = [[_who(result), result.variant.student, result.variant.number] for result in found]
    return {"rows": rows, "told": told}


def _named_the_same(name: str, result: Result) -> bool:
    """Whether a name in a notebook is that of the student, as far as words tell."""
    words = re.findall(r"\w+", f"{result.student} {result.name} {result.identity}".casefold())
    return bool(set(re.findall(r"\w+", name.casefold())) & set(words))


def _mistakes(
    results: Iterable[Result],
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """How many students were told each hint, by question, and missed each part."""
    hints: Counter[tuple[str, str]] = Counter()
    parts: Counter[tuple[str, str]] = Counter()
    for result in results:
        for name, entry in result.questions.items():
            if entry.status in UNANSWERED:
                continue
            wrong = [part for part in entry.parts if not part.right]
            parts.update((name, part.name) for part in wrong)
            hints.update({(name, part.hint) for part in wrong if part.hint})  # once each
    return hints, parts


# --- Who wrote the same ---------------------------------------------------------------------------


def _identical(likeness: similar.Likeness, who: dict[str, str]) -> list[dict[str, Any]]:
    """The lists of those whose work is the same, however many they are."""
    kinds = (
        ("The same file, byte for byte", likeness.files),
        ("The same code in every answer", likeness.answers),
        ("The same words in a written answer", likeness.texts),
    )
    return [
        {
            "title": title,
            "members": [
                f"{len(group.students)} students{f', {group.what}' if group.what else ''}: "
                + ", ".join(who.get(student, student) for student in group.students)
                for group in groups
            ],
        }
        for title, groups in kinds
    ]


def _pairs(pairs: Sequence[similar.Pair], who: dict[str, str]) -> list[tuple[Any, ...]]:
    return [
        (
            who.get(pair.first, pair.first),
            who.get(pair.second, pair.second),
            ", ".join(pair.codes),
            f"{100 * pair.share:.0f} %",
            pair.shared,
        )
        for pair in pairs
    ]


def _side_by_side(pair: similar.Pair, who: dict[str, str]) -> dict[str, Any]:
    """The codes of a pair, question by question."""
    both = [who.get(student, student) for student in (pair.first, pair.second)]
    return {"title": " and ".join(both), "who": both, "codes": list(pair.codes.items())}


def _compared(likeness: similar.Likeness, who: dict[str, str]) -> dict[str, Any] | None:
    if not likeness.sources:
        return None
    rows = [
        (who.get(near.student, near.student), near.source, ", ".join(near.questions),
         f"{100 * near.share:.0f} %")
        for near in likeness.compared
    ]  # fmt: skip
    return {"rows": rows, "sources": likeness.sources}


# --- What somebody should look at -----------------------------------------------------------------


def _repairs(results: Sequence[Result]) -> dict[str, Any]:
    """What was mended how often; cells and numbers are left out of the sentences."""
    repaired: Counter[str] = Counter()
    for result in results:
        for sentence in result.repairs:
            sentence = re.sub(r"\bthe (answer's )?cell \S+", r"a \1cell", sentence)
            repaired[re.sub(r"^\d+ of|\b\d+(?= times)", _loosely, sentence)] += 1
    count = sum(bool(result.repairs) for result in results)
    return {"rows": repaired.most_common(), "count": count, "all": len(results)}


def _loosely(number: re.Match[str]) -> str:
    return "some of" if number[0].endswith("of") else "several"


def _remarks(
    results: Sequence[Result], missing: Sequence[Student], notes: Iterable[str]
) -> list[tuple[str, list[str]]]:
    """Submissions that somebody should look at, one by one."""
    kinds = {
        "Unreadable": [f"{one.student}: {one.problem}" for one in results if one.problem],
        "Not in the roster": [
            f"{one.student} ({one.file})" + (f": {one.why}" if one.why else "")
            + (f"; perhaps {' or '.join(one.likeliest)}" if one.likeliest else "")
            for one in results
            if not one.matched
        ],
        "Late": [f"{one.student}: {one.lateness}" for one in results if one.lateness],
        "Points by hand that are held": [
            f"{one.student}, {name}: {entry.comment}"
            for one in results
            for name, entry in one.questions.items()
            if entry.status == "needs manual grading"
        ],
        "Calls what was to be written": [
            f"{one.student}, {name}: {entry.comment}"
            for one in results
            for name, entry in one.questions.items()
            if entry.flagged
        ],
        "Handed in more than once": [
            f"{one.student}: graded {one.file}, not graded {', '.join(one.earlier)}"
            for one in results
            if one.earlier
        ],
        "Not handed in": [f"{student.id} ({student.name})" for student in missing],
        "Notes": list(notes),
    }  # fmt: skip
    return [(kind, lines) for kind, lines in kinds.items() if lines]


# --- Pictures -------------------------------------------------------------------------------------


def _drawn(figure: Any, alt: str) -> Drawn:
    return Drawn(base64.b64encode(plots.to_png(figure)).decode("ascii"), alt)


def _mean(entries: list[Entry]) -> float | None:
    """The mean points of those that have some; None where nobody has yet."""
    given = [entry.points for entry in entries if entry.points is not None]
    return sum(given) / len(given) if given else None


def _draw_points(entries: Entries, columns: int = 3) -> Drawn:
    """For each question how many have how many of its points."""
    rows = -(-len(entries) // columns)
    figure, grid = plots.subplots(rows, columns, height=1.75 * rows + 0.3, squeeze=False)
    figure.get_layout_engine().set(hspace=0.1, wspace=0.05)
    alt = "Students by points, for each question."
    for axes in grid.flat[len(entries) :]:
        axes.axis("off")
    for axes, (name, found) in zip(grid.flat, entries.items(), strict=False):
        highest = int(max(entry.max for entry in found))
        given = [entry.points for entry in found if entry.points is not None]
        counts = Counter(min(highest, max(0, int(number))) for number in given)
        heights = [counts[number] for number in range(highest + 1)]
        bars = axes.bar(range(highest + 1), heights, color=plots.PALETTE["input"],
                        edgecolor="#333333", linewidth=0.6)  # fmt: skip
        axes.bar_label(bars, padding=1, fontsize=8)
        axes.set(xticks=range(highest + 1), yticks=[], ylim=(0, 1.2 * max(*heights, 1)))
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        axes.set_title(name, fontsize=9)
        unread = f", {len(found) - len(given)} unread" if len(given) < len(found) else ""
        mean = _mean(found)
        axes.set_xlabel(f"points (mean {'–' if mean is None else f'{mean:.1f}'}{unread})", size=8)
        listed = ", ".join(f"{number} points {count}" for number, count in sorted(counts.items()))
        alt += f" {name}: {listed or 'none yet'}{unread}."
    return _drawn(figure, alt)


def _statuses(entries: Entries) -> tuple[dict[str, Counter[str]], list[str]]:
    """How many have each status, by question; and the statuses, in order, that anybody has."""
    counts = {name: Counter(entry.status for entry in found) for name, found in entries.items()}
    found = set().union(*counts.values())
    return counts, [look for look in LOOKS if look in found] + sorted(found - set(LOOKS))


def _draw_questions(entries: Entries) -> Drawn:
    """A bar for each question, cut into its statuses."""
    names = list(entries)
    counts, shown = _statuses(entries)
    most = max(map(len, entries.values()))
    figure, axes = plots.subplots(height=0.42 * len(names) + 1.3)
    left = dict.fromkeys(names, 0)
    for look in shown:
        colour, hatch = LOOKS.get(look, ("#ffffff", ""))
        widths = [counts[name][look] for name in names]
        axes.barh(names, widths, left=list(left.values()), color=colour, hatch=hatch,
                  edgecolor="#333333", linewidth=0.6, label=look)  # fmt: skip
        for name, width in zip(names, widths, strict=True):
            if width and width >= most / 50:
                axes.text(left[name] + width / 2, name, width, ha="center", va="center", fontsize=8,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            left[name] += width
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="students", xlim=(0, most))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(_finding(entries))
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    alt = "Students by status, for each question. " + " ".join(
        f"{name}: {', '.join(f'{count} {look}' for look, count in counts[name].most_common())}."
        for name in names
    )
    return _drawn(figure, alt)


def _finding(entries: Entries) -> str:
    """Which question was the hardest, in the words of a title; unread answers are left out."""
    read = {name: found for name, found in entries.items()
            if found[0].max and all(entry.points is not None for entry in found)}  # fmt: skip
    shares = {name: (_mean(found) or 0) / found[0].max for name, found in read.items()}
    if not shares:
        return "Nothing is graded to its end yet"
    hardest = min(shares, key=lambda name: shares[name])
    return f"The hardest: {hardest}, {100 * shares[hardest]:.0f} per cent of its points"


def _numbers(entries: Entries) -> dict[str, Any]:
    """The figures of the questions as a table."""
    counts, shown = _statuses(entries)
    rows = []
    for name, found in entries.items():
        mean = _mean(found)
        given = "–" if mean is None else f"{mean:.1f} of {points(found[0].max)}"
        rows.append([name, given, *(counts[name][look] for look in shown)])
    return {"header": ["question", "mean points", *shown], "rows": rows}


def _draw_totals(results: list[Result], highest: float) -> Drawn:
    """How many have how many points."""
    highest = int(highest)
    counts = Counter(min(highest, max(0, int(result.total))) for result in results)
    figure, axes = plots.subplots(height=2.6)
    bars = axes.bar(range(highest + 1), [counts[number] for number in range(highest + 1)],
                    color=plots.PALETTE["output"], edgecolor="#333333", linewidth=0.6)  # fmt: skip
    axes.bar_label(bars, [str(counts[number] or "") for number in range(highest + 1)],
                   padding=2, fontsize=8, zorder=3,
                   bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    mean = sum(result.total for result in results) / len(results)
    axes.axvline(mean, color="black", linestyle="--", label=f"mean {mean:.1f}")
    axes.set(xlabel="points", ylabel="students", xlim=(-0.7, highest + 0.7))
    axes.set_ylim(0, 1.15 * max(counts.values()))
    axes.grid(axis="x", visible=False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"{mean:.1f} of {points(highest)} points on average, as far as graded")
    axes.legend(loc="upper left")
    listed = ", ".join(f"{number}: {count}" for number, count in sorted(counts.items()))
    return _drawn(figure, f"Students by points. {listed}. Mean {mean:.1f}.")


def _by_question(
    counts: Counter[tuple[str, str]], order: list[str]
) -> list[tuple[tuple[str, str], int]]:
    """Counts of what belongs to a question, in the exercise's order, the most frequent first."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(counts.items(), key=lambda item: (places.get(item[0][0], -1), -item[1], item[0]))


def _draw_mistakes(hints: Counter[tuple[str, str]], order: list[str], most: int = 12) -> Drawn:
    """A bar for each of the most frequent known mistakes, named by its hint, by question."""
    shown = _by_question(Counter(dict(hints.most_common(most))), order)
    told = [clean(f"{name}: {hint}").replace("$", r"\$") for (name, hint), _ in shown]
    labels = ["\n".join(textwrap.wrap(each, 52)) for each in told]
    lines = sum(label.count("\n") + 1 for label in labels)
    figure, axes = plots.subplots(height=0.17 * lines + 0.16 * len(shown) + 0.8)
    counts = [students for _, students in shown]
    bars = axes.barh(range(len(shown)), counts, color=LOOKS["wrong"][0], hatch="xx",
                     edgecolor="#333333", linewidth=0.6)  # fmt: skip
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.set_yticks(range(len(shown)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="students", xlim=(0, 1.15 * max(counts)))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title("The known mistakes" if len(hints) <= most else
                   f"The {most} most frequent known mistakes")  # fmt: skip
    alt = "; ".join(f"{name}: {hint} {students}" for (name, hint), students in shown)
    return _drawn(figure, f"How many students made each known mistake. {alt}.")


def _draw_nearest(nearest: dict[str, float]) -> Drawn:
    """How near to the nearest other each student's answers are."""
    figure, axes = plots.subplots(height=2.2)
    bins = [number / 20 for number in range(21)]
    counts, *_ = axes.hist(list(nearest.values()), bins=bins, color=plots.PALETTE["input"],
                           edgecolor="#333333", linewidth=0.6, label="students")  # fmt: skip
    axes.axvline(similar.THRESHOLD, color="black", linestyle="--", label="shown below from here on")
    axes.set(xlabel="share of the nearest other's rare runs of tokens", ylabel="students")
    axes.set(xlim=(0, 1))
    axes.yaxis.get_major_locator().set_params(integer=True)
    high = sum(share >= similar.THRESHOLD for share in nearest.values())
    axes.set_title(f"{high} of {len(nearest)} are very near to somebody else")
    axes.legend(loc="upper center")
    listed = ", ".join(f"{left:.2f}: {count:.0f}" for left, count in zip(bins, counts, strict=False)
                       if count)  # fmt: skip
    return _drawn(
        figure, f"Students by the share that they have in common with their nearest. {listed}."
    )
