"""What comes out: feedback for each student, `grades.csv`, and one page about the class.

Every page stands alone, runs no script and loads nothing. What students wrote is text in it,
whatever it looks like.
"""

import base64
import csv
import html
import io
import re
import textwrap
from collections import Counter
from urllib.parse import unquote

import mistune

from course_utils import plots
from grading import files, similar
from grading.questions import marks_of

GOOD, HALF, BAD, OPEN = "#1b7f4d", "#8a6100", "#b3261e", "#51606f"
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
    "needs manual grading": ("#ffffff", ".."),
    "graded": ("#56b4e9", ""),
}
COLOURS = {"correct": GOOD, "graded": GOOD, "partly correct": HALF, "changed by hand": HALF,
           "untouched": OPEN, "missing": OPEN, "needs manual grading": OPEN}  # fmt: skip
UNANSWERED = {"untouched": "Left as it was handed out.", "missing": "Its cell was not there."}
LEFT_OUT = ("badges", "set-up")  # of the notebook, in the feedback
# A spreadsheet takes what begins so for a formula; some take the wide forms as well.
FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
LONGEST = 20_000  # characters of a text that is set as Markdown; a longer one is shown as it is
MOST_PAIRS = 60  # of near-identical answers whose code is shown
STYLE = """
*, ::before, ::after { box-sizing: border-box; }
body { margin: 0; color: #1c2733; background: white; font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; text-wrap: balance; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; border-bottom: 1px solid #d5dce3; }
h3 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
h4, h5, h6 { font-size: 1rem; margin: 1rem 0 .3rem; }
p, li { max-width: 44rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0;
  border-bottom: 1px solid #e4e9ee; overflow-wrap: break-word; }
thead th { color: #51606f; font-weight: 500; font-size: .9rem; border-color: #aeb9c4; }
tbody th { font-weight: 400; } .points tbody th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
.wide { overflow-x: auto; }
.status { font-weight: 600; white-space: nowrap; }
.part { color: #3c4a58; max-width: 34rem; } .part + .part { margin-top: .4rem; }
.hint { font-style: italic; } .address { color: #51606f; overflow-wrap: anywhere; }
.cell { margin: .8rem 0; overflow-x: auto; }
.theirs { border-left: 4px solid #0072b2; padding-left: .8rem; }
pre { background: #f5f7f9; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem;
  line-height: 1.45; margin: .3rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code, .math { font-size: .9em; } pre code { font-size: 1em; }
.math { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
.display { display: block; margin: .8rem 0; }
pre.output { background: white; border: 1px solid #e4e9ee; }
pre.error { background: #fdf1ef; border: 1px solid #f0cfca; }
img { max-width: 100%; height: auto; }
figure { margin: .8rem 0; overflow-x: auto; } figure img { min-width: 36rem; }
summary { cursor: pointer; padding: .3rem 0; }
.counts { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; margin: 1rem 0;
  list-style: none; }
.counts li { border: 1px solid #d5dce3; border-radius: .4rem; padding: .4rem .9rem; }
.counts strong { display: block; font-size: 1.4rem; line-height: 1.3; }
.lead { font-size: 1.15rem; margin-top: 0; } .quiet { color: #51606f; }
.side { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem; }
@media (max-width: 40rem) {
  main { padding: 1.2rem 1rem 3rem; }
  .side { grid-template-columns: minmax(0, 1fr); }
  .points thead { position: absolute; clip-path: inset(50%); }
  .points tr { display: grid; grid-template-columns: 1fr auto; border-bottom: 1px solid #e4e9ee;
    padding: .5rem 0; gap: 0 1rem; }
  .points th, .points td { border: 0; padding: 0; }
  .points .status { grid-column: 1; } .points td:nth-child(n + 3) { grid-column: 1 / -1; }
}
@media print {
  main { max-width: none; padding: 0; } body { font-size: 10pt; }
  tr, figure, img { break-inside: avoid; } h1, h2, h3, h4 { break-after: avoid; }
  figure img { min-width: 0; }
}
"""


# --- Pieces of a page -----------------------------------------------------------------------------


def clean(value):
    """A text that any page can hold: no control characters, half characters, terminal colours.

    Marks that turn the direction of writing go too: they let code look as it is not.
    """
    value = str(value).encode("utf-8", "replace").decode("utf-8")
    value = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?", "", value)
    value = value.replace("\r\n", "\n")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\ufffd", value)


def text(value):
    """A text as HTML shows it."""
    return html.escape(clean(value))


def page(title, body):
    """A whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def table(header, rows, numbers=(), kind="wide"):
    """A table of HTML cells, whose first column names the rows.

    Args:
        numbers: the columns that stand to the right.
        kind: how it behaves where it is too wide: `wide` can be moved, `points` is stacked.
    """
    where = [' class="number"' if place in numbers else "" for place in range(len(header))]
    head = "".join(
        f'<th scope="col"{each}>{cell}</th>' for cell, each in zip(header, where, strict=True)
    )
    body = ""
    for row in rows:
        first, *others = (f"{each}>{cell}" for cell, each in zip(row, where, strict=True))
        cells = "".join(f"<td{cell}</td>" for cell in others)
        body += f'<tr><th scope="row"{first}</th>{cells}</tr>\n'
    return (
        f'<div class="{kind}"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>"
    )


def list_of(sentences):
    """A list of escaped sentences."""
    return "<ul>" + "".join(f"<li>{text(each)}</li>" for each in sentences) + "</ul>"


def status(name):
    """A status in words, and in a colour besides."""
    return f'<span class="status" style="color: {COLOURS.get(name, BAD)}">{text(name)}</span>'


def points(value):
    """Points without needless digits; a dash where there are none yet."""
    return "–" if value is None else f"{value:g}"


def title_of(exercise):
    """'Exercise 2: output size and padding', as its notebook says."""
    return exercise.released.cells[0].source.splitlines()[0].removeprefix("# ")


# --- For a student --------------------------------------------------------------------------------


def feedback_page(result, exercise, notebook):
    """What a student gets back: points, what was wrong and how, and the notebook as it ran.

    Args:
        result: a `results.Result`, with the points by hand.
        notebook: as it ran, a dictionary; None when it could not be read.
    """
    title = title_of(exercise)
    parts = [
        f"<h1>{text(title)}</h1>",
        f'<p class="lead">{text(result.name)}: {_points_so_far(result)}</p>',
    ]
    if result.problem:
        parts.append(
            f"<p><strong>It could not be graded:</strong> {text(_sentence(result.problem))}</p>"
        )
    else:
        parts.append(_table_of_points(result))
    if result.repairs:
        parts += ["<h2>What had to be mended</h2>", list_of(result.repairs)]
    handed_in = f"{'Handed in' if result.problem else 'Graded'}: {result.file}."
    if result.earlier:
        handed_in += f" Not graded, because there was a later one: {', '.join(result.earlier)}."
    parts.append(f'<p class="quiet">{text(handed_in)}</p>')
    if notebook is not None:
        parts.append("<h2>Your notebook, as it ran</h2>")
        parts += [_cell(cell) for cell in notebook["cells"] if cell["id"] not in LEFT_OUT]
    return page(f"{title}: {result.name}", "\n".join(parts))


def _points_so_far(result):
    words = f"<strong>{points(result.points)} of {points(result.max)} points</strong>"
    if result.state == "needs manual grading":
        words += " so far; a written answer is still to be read"
    return words + ("; nothing was answered" if result.status == "untouched" else "")


def _sentence(words):
    """Words that end in a full stop, and in no second one."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _table_of_points(result):
    rows = []
    for name, entry in result.entries.items():
        given = f"{points(entry.points)} of {points(entry.max)}"
        found = _what_was_found(entry) if name in result.questions else _what_was_said(entry)
        rows.append([text(name), given, status(entry.status), found])
    return table(["question", "points", "status", "what was found"], rows, (1,), "points")


def _what_was_said(entry):
    """The comment on a written answer."""
    return f'<div class="part">{text(entry.comment)}</div>' if entry.comment else ""


def _what_was_found(entry):
    """A line for each part that is not right, and one for those that are; a hint stands once."""
    if entry.status in UNANSWERED:
        return f'<div class="part">{UNANSWERED[entry.status]}</div>'
    lines, hints = [], set()
    for part in entry.parts:
        if part.right:
            continue
        given = f"{points(part.points)} of {points(part.max)}"
        line = f"<strong>{text(part.name)}</strong> ({given}): {text(part.verdict)}"
        if part.hint and part.hint not in hints:
            hints.add(part.hint)
            line += f'<br><span class="hint">{text(part.hint)}</span>'
        lines.append(line)
    right = [part.name for part in entry.parts if part.right]
    lines += [f"Right: {text(', '.join(right))}"] if right else []
    return "".join(f'<div class="part">{line}</div>' for line in lines)


def _cell(cell):
    """A cell of the notebook, with its outputs."""
    source = joined(cell["source"])
    marks = marks_of(cell)
    kind = "cell theirs" if marks.get("solution") or not marks else "cell"
    if cell["cell_type"] == "markdown":
        return f'<div class="{kind}">{_markdown(source, cell.get("attachments", {}))}</div>'
    outputs = "".join(_output(output) for output in cell.get("outputs", []))
    return f'<div class="{kind}"><pre><code>{text(source)}</code></pre>{outputs}</div>'


def _markdown(source, attachments):
    """A text as HTML; one that is too long or too odd for that as it was written."""
    reader = mistune.create_markdown(renderer=_Renderer(attachments), plugins=["table", "math"])
    source = clean(source)
    try:
        return reader(source) if len(source) <= LONGEST else f"<pre>{text(source)}</pre>"
    except Exception:  # whatever a student found: the others get their feedback
        return f"<pre>{text(source)}</pre>"


class _Renderer(mistune.HTMLRenderer):
    """Sets Markdown without addresses: nothing is loaded, and no link leads out of the page."""

    def __init__(self, attachments):
        super().__init__(escape=True)
        self.attachments = attachments

    def block_math(self, formula):
        """A formula as it was written: to set it takes a script."""
        return f'<span class="math display">{text(formula.strip())}</span>\n'

    def inline_math(self, formula):
        """A formula in a line."""
        return f'<span class="math">{text(formula.strip())}</span>'

    def heading(self, words, level, **attributes):
        """A heading below the page's own."""
        level = min(level + 2, 6)
        return f"<h{level}>{words}</h{level}>\n"

    def link(self, words, url, title=None):
        """What a link says, and where it leads if that is outside the course."""
        outside = re.match(r"(?i)[a-z]+:", url) and url != words
        return f'{words} <span class="address">({html.escape(url)})</span>' if outside else words

    def image(self, words, url, title=None):
        """A picture that was pasted into the text; of any other its name."""
        alt = mistune.util.striptags(words)
        forms = self.attachments.get(unquote(url.removeprefix("attachment:")), {})
        for form in ("image/png", "image/jpeg"):
            if url.startswith("attachment:") and form in forms:
                return _picture(forms[form], alt or "A picture that was pasted here", form)
        return f'<span class="address">[picture: {alt or html.escape(url)}]</span>'


def _output(output):
    if output["output_type"] == "stream":
        lines = joined(output["text"]).split("\n")
        # What a progress bar wrote over is not to be seen.
        shown = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
        return f'<pre class="output">{text(shown)}</pre>'
    if output["output_type"] == "error":
        return f'<pre class="output error">{text(chr(10).join(output["traceback"]))}</pre>'
    if "image/png" in output.get("data", {}):
        about = output.get("metadata", {}).get("image/png", {})
        alt = text(about.get("alt", "") or "A picture that this cell drew")
        return _picture(joined(output["data"]["image/png"]), alt)
    return f'<pre class="output">{text(joined(output.get("data", {}).get("text/plain", "")))}</pre>'


def _picture(content, alt, form="image/png"):
    """A picture from its base64; `alt` is HTML already."""
    content = re.sub(r"[^A-Za-z0-9+/=]", "", content)
    return f'<img alt="{alt}" src="data:{form};base64,{content}">'


def joined(lines):
    """A text of a notebook's file, where it may stand as a list of lines."""
    return lines if isinstance(lines, str) else "".join(lines)


# --- For a spreadsheet ----------------------------------------------------------------------------


def grades_table(results, exercise, missing=()):
    """The rows of `grades.csv`: points and a status for each question, the sum, and remarks.

    Args:
        results: of all students, with the points by hand.
        missing: the students of the roster who did not hand in, with an `id` and a `name`.
    """
    rows = []
    for result in results:
        row = {"student": result.student, "name": result.name}
        for name, entry in result.entries.items():
            row[f"{name} points"] = "" if entry.points is None else points(entry.points)
            row[f"{name} status"] = entry.status if not result.problem else "unreadable"
        remarks = [result.problem] if result.problem else []
        remarks += [] if result.matched else ["not in the roster"]
        remarks += [f"also handed in: {', '.join(result.earlier)}"] if result.earlier else []
        row |= {"points": points(result.points), "max": points(result.max),
                "status": result.state, "repaired": "yes" if result.repairs else "no",
                "remarks": "; ".join(remarks)}  # fmt: skip
        rows.append(row)
    for student in missing:
        row = dict.fromkeys(_columns(exercise), "")
        rows.append(row | {"student": student.id, "name": student.name, "points": "0",
                           "max": points(exercise.points), "status": "not handed in",
                           "repaired": "no"})  # fmt: skip
    return sorted(rows, key=lambda row: row["student"])


def _names(exercise):
    """The questions of an exercise, those that somebody reads behind the others."""
    return [question.name for question in exercise.questions] + list(exercise.written)


def _columns(exercise):
    parts = [f"{name} {what}" for name in _names(exercise) for what in ("points", "status")]
    return ["student", "name", *parts, "points", "max", "status", "repaired", "remarks"]


def write_grades(results, exercise, path, missing=()):
    """Write `grades.csv`, for a spreadsheet: UTF-8 with a mark, and no cell that is a formula."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, _columns(exercise), lineterminator="\n")
    writer.writeheader()
    for row in grades_table(results, exercise, missing):
        writer.writerow({name: _no_formula(name, value) for name, value in row.items()})
    files.write_atomically(path, lines.getvalue().encode("utf-8-sig", "replace"))


def _no_formula(name, value):
    """A cell that no spreadsheet computes: a text that begins like a formula begins with '."""
    if name == "max" or name.endswith("points"):
        return value  # a number, which may be below 0
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", value)
    begins = plain.lstrip(" \xa0\u200b\ufeff")[:1]
    return f"'{plain}" if begins in FORMULAS or value[:1] in ("\t", "\r") else plain


# --- For the instructor ---------------------------------------------------------------------------


def class_page(results, exercise, pairs, nearest, missing, notes):
    """One page about the class: distributions, common mistakes, near-identical answers, remarks.

    Args:
        results: of all students, with the points by hand.
        pairs: of near-identical answers; `nearest` the share of each student (`similar`).
        missing: the students of the roster who did not hand in.
        notes: sentences of `collect`.
    """
    readable = [result for result in results if not result.problem]
    parts = [f"<h1>{text(title_of(exercise))}: the class</h1>", _counts(results, missing)]
    if readable:
        entries = {name: found for name in _names(exercise) if (
            found := [result.entries[name] for result in readable if name in result.entries]
        )}  # fmt: skip
        parts += ["<h2>Points by question</h2>", _figure(*_draw_points(entries))]
        parts += ["<h2>What became of the questions</h2>", _figure(*_draw_questions(entries))]
        parts += [_folded("The same in numbers", _numbers(entries))]
        parts += ["<h2>Points in all</h2>", _figure(*_draw_totals(readable, exercise.points))]
        parts += ["<h2>Common mistakes</h2>", _mistakes(readable)]
    parts += ["<h2>Near-identical answers</h2>", _pairs(pairs, nearest, results)]
    parts += _variants(readable) + _repairs(results) + _remarks(results, missing, notes)
    return page(f"{title_of(exercise)}: the class", "\n".join(parts))


def _counts(results, missing):
    """How many there are of each kind."""
    counts = Counter(result.state for result in results)
    told = [(len(results), "handed in"), (counts["graded"], "graded"),
            (counts["needs manual grading"], "need reading"),
            (counts["untouched"], "untouched"), (counts["unreadable"], "unreadable"),
            (len(missing), "not handed in")]  # fmt: skip
    items = "".join(f"<li><strong>{count}</strong> {words}</li>" for count, words in told)
    return f'<ul class="counts">{items}</ul>'


def _folded(title, content):
    """What is to be seen by those who open it."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"


def _figure(figure, alt):
    content = base64.b64encode(plots.to_png(figure)).decode("ascii")
    return f"<figure>{_picture(content, text(alt))}</figure>"


def _mean(entries):
    """The mean points of those that have some; None where nobody has yet."""
    given = [entry.points for entry in entries if entry.points is not None]
    return sum(given) / len(given) if given else None


def _draw_points(entries, columns=3):
    """For each question how many have how many of its points."""
    rows = -(-len(entries) // columns)
    figure, grid = plots.subplots(rows, columns, height=1.75 * rows + 0.3, squeeze=False)
    figure.get_layout_engine().set(hspace=0.1, wspace=0.05)
    alt = "Students by points, for each question."
    for axes in grid.flat[len(entries) :]:
        axes.axis("off")
    for axes, (name, found) in zip(grid.flat, entries.items(), strict=False):
        highest = int(found[0].max)
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
    return figure, alt


def _statuses(entries):
    """How many have each status, by question; and the statuses, in order, that anybody has."""
    counts = {name: Counter(entry.status for entry in found) for name, found in entries.items()}
    found = set().union(*counts.values())
    return counts, [look for look in LOOKS if look in found] + sorted(found - set(LOOKS))


def _draw_questions(entries):
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
    return figure, alt


def _finding(entries):
    """Which question was the hardest, in the words of a title; unread answers are left out."""
    read = {name: found for name, found in entries.items()
            if found[0].max and all(entry.points is not None for entry in found)}  # fmt: skip
    shares = {name: _mean(found) / found[0].max for name, found in read.items()}
    if not shares:
        return "Nothing is graded to its end yet"
    hardest = min(shares, key=shares.get)
    return f"The hardest: {hardest}, {100 * shares[hardest]:.0f} per cent of its points"


def _numbers(entries):
    """The figures of the questions as a table."""
    counts, shown = _statuses(entries)
    rows = []
    for name, found in entries.items():
        mean = _mean(found)
        given = "–" if mean is None else f"{mean:.1f} of {points(found[0].max)}"
        rows.append([text(name), given, *(counts[name][look] for look in shown)])
    header = ["question", "mean points", *map(text, shown)]
    return table(header, rows, range(1, len(header)))


def _draw_totals(results, highest):
    """How many have how many points."""
    counts = Counter(min(highest, max(0, int(result.points))) for result in results)
    figure, axes = plots.subplots(height=2.6)
    bars = axes.bar(range(highest + 1), [counts[number] for number in range(highest + 1)],
                    color=plots.PALETTE["output"], edgecolor="#333333", linewidth=0.6)  # fmt: skip
    axes.bar_label(bars, [str(counts[number] or "") for number in range(highest + 1)],
                   padding=2, fontsize=8, zorder=3,
                   bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    mean = sum(result.points for result in results) / len(results)
    axes.axvline(mean, color="black", linestyle="--", label=f"mean {mean:.1f}")
    axes.set(xlabel="points", ylabel="students", xlim=(-0.7, highest + 0.7))
    axes.set_ylim(0, 1.15 * max(counts.values()))
    axes.grid(axis="x", visible=False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"{mean:.1f} of {points(highest)} points on average, as far as graded")
    axes.legend(loc="upper left")
    listed = ", ".join(f"{number}: {count}" for number, count in sorted(counts.items()))
    return figure, f"Students by points. {listed}. Mean {mean:.1f}."


def _mistakes(results):
    """What went wrong, by question: how many students were told each hint, and missed each part."""
    hints, parts = Counter(), Counter()
    for result in results:
        for name, entry in result.questions.items():
            if entry.status in UNANSWERED:
                continue
            wrong = [part for part in entry.parts if not part.right]
            parts.update((name, part.name) for part in wrong)
            hints.update({(name, part.hint) for part in wrong if part.hint})  # once each
    if not parts:
        return "<p>None.</p>"
    order = list(results[0].questions)
    rows = [[text(name), text(part), count] for (name, part), count in _by_question(parts, order)]
    listed = table(["question", "part that went wrong", "students"], rows, numbers=(2,))
    if not hints:
        return listed
    rows = [[text(name), text(hint), count] for (name, hint), count in _by_question(hints, order)]
    listed = table(["question", "the hint that fits the mistake", "students"], rows, (2,)) + listed
    return _figure(*_draw_mistakes(hints, order)) + _folded("All of them, in numbers", listed)


def _by_question(counts, order):
    """Counts of what belongs to a question, in the exercise's order, the most frequent first."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(counts.items(), key=lambda item: (places.get(item[0][0], -1), -item[1], item[0]))


def _draw_mistakes(hints, order, most=12):
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
    return figure, f"How many students made each known mistake. {alt}."


def _draw_nearest(nearest):
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
    return figure, f"Students by the share that they have in common with their nearest. {listed}."


MEASURE = """<p class="quiet">How it is measured: answers are cut into runs of five tokens, whatever
the names, comments and white space. What stood in the release, or in more than half of the class's
answers, counts for nothing; of the rest, the rarer counts the more. The similarity is what both
have, as a share of all that the one with less has, in the questions that are named. Short answers
that many write alike are left out. It is a hint to look, and no proof: it cannot tell who wrote
what, two may have worked together, or both have it from a third place. A copy that was rewritten
with care is not found, nor one that nearly half of the class shares.</p>"""


def _pairs(pairs, nearest, results):
    drawn = _figure(*_draw_nearest(nearest)) if len(nearest) > 1 else ""
    if not pairs:
        return f"{drawn}<p>None.</p>{MEASURE}"
    names = {result.student: result.name for result in results}
    rows, blocks = [], []
    for place, pair in enumerate(pairs):
        who = [text(_who(student, names)) for student in (pair.first, pair.second)]
        rows.append([who[0], who[1], text(", ".join(pair.codes)), f"{100 * pair.share:.0f} %",
                     pair.shared])  # fmt: skip
        if place < MOST_PAIRS:
            blocks.append(_folded(f"{_who(pair.first, names)} and {_who(pair.second, names)}",
                                  _side_by_side(pair, who)))  # fmt: skip
    header = ["student", "and student", "questions", "similarity", "runs in common"]
    listed = table(header, rows, (3, 4))
    head = "<h3>The answers side by side</h3>"
    if len(pairs) > MOST_PAIRS:
        head += f"<p>Of the first {MOST_PAIRS} pairs.</p>"
    return "\n".join([drawn, listed, MEASURE, head, *blocks])


def _who(student, names):
    name = names.get(student, "")
    return f"{student} ({name})" if name and name != student else student


def _side_by_side(pair, who):
    """The codes of a pair, question by question."""
    blocks = ""
    for name, both in pair.codes.items():
        shown = "".join(
            f'<div><p class="quiet">{whose}</p><pre>{text(code)}</pre></div>'
            for whose, code in zip(who, both, strict=True)
        )
        blocks += f'<h4>{text(name)}</h4><div class="side">{shown}</div>'
    return blocks


def _variants(results):
    """Who had which numbers in question 1, and whose answers fit somebody else's."""
    found = [result for result in results if result.variant.number is not None]
    if not found:
        return []
    told = []
    for result in found:
        own, student = result.variant, result.student
        if own.others:
            having = [other.student for other in found
                      if other.variant.number in own.others and other is not result]  # fmt: skip
            numbers = " or ".join(map(str, own.others))
            told.append(f"{student}: the answers fit variant {numbers}, not variant {own.number}; "
                        f"that is the variant of {', '.join(having) or 'nobody here'}")  # fmt: skip
        if not own.student:
            told.append(f"{student}: no name in the notebook, so the variant is the best fitting")
        elif not _names_the_same(own.student, result):
            told.append(f"{student}: the notebook names {own.student!r}")
    rows = [[text(result.student), text(result.variant.student), result.variant.number]
            for result in found]  # fmt: skip
    listed = table(["student", "name in the notebook", "variant"], rows, (2,))
    return ["<h2>Numbers of one's own</h2>", list_of(told) if told else "",
            _folded("Who has which variant", listed)]  # fmt: skip


def _names_the_same(name, result):
    """Whether a name in a notebook is that of the student, as far as words tell."""
    words = [set(re.findall(r"\w+", words.casefold()))
             for words in (name, f"{result.student} {result.name}")]  # fmt: skip
    return bool(words[0] & words[1])


def _repairs(results):
    """What was mended how often; cells and numbers are left out of the sentences."""
    repaired = Counter()
    for result in results:
        for sentence in result.repairs:
            sentence = re.sub(r"\bthe (answer's )?cell \S+", r"a \1cell", sentence)
            repaired[re.sub(r"^\d+ of|\b\d+(?= times)", _loosely, sentence)] += 1
    if not repaired:
        return []
    count = sum(bool(result.repairs) for result in results)
    rows = [[text(sentence), times] for sentence, times in repaired.most_common()]
    return ["<h2>Repairs</h2>", f"<p>In {count} of {len(results)} submissions.</p>",
            table(["what was mended", "how often"], rows, numbers=(1,))]  # fmt: skip


def _loosely(number):
    return "some of" if number[0].endswith("of") else "several"


def _remarks(results, missing, notes):
    """Submissions that somebody should look at, one by one."""
    kinds = {
        "Unreadable": [f"{result.student}: {result.problem}" for result in results
                       if result.problem],
        "Not in the roster": [f"{result.student} ({result.file})" for result in results
                              if not result.matched],
        "Handed in more than once": [
            f"{result.student}: graded {result.file}, not graded "
            f"{', '.join(result.earlier)}" for result in results if result.earlier],
        "Not handed in": [f"{student.id} ({student.name})" for student in missing],
        "Notes": list(notes),
    }  # fmt: skip
    found = [f"<h3>{kind}</h3>{list_of(lines)}" for kind, lines in kinds.items() if lines]
    return ["<h2>Remarks</h2>", *found] if found else []
