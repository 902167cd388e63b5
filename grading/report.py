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

import mistune

from course_utils import plots
from grading import files, similar

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
LEFT_OUT = ("badges", "set-up")  # of the notebook, in the feedback
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; background: white;
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d5dce3; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-bottom: 1px solid #e4e9ee; }
td.number, th.number { text-align: right; white-space: nowrap; }
.status { font-weight: 600; white-space: nowrap; }
.part { color: #3c4a58; } .hint { font-style: italic; }
.cell { margin: .8rem 0; overflow-x: auto; }
.theirs { border-left: 4px solid #0072b2; padding-left: .8rem; }
pre { background: #f5f7f9; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem;
  line-height: 1.4; margin: .3rem 0; white-space: pre-wrap; word-break: break-word; }
pre.error { background: #fdf1ef; }
img { max-width: 100%; height: auto; }
.lead { font-size: 1.1rem; } .quiet { color: #51606f; }
.side { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
@media print { .cell, tr, figure { break-inside: avoid; } body { margin: 0; } }
@media (max-width: 40rem) { .side { grid-template-columns: 1fr; } }
"""
MARKDOWN = mistune.create_markdown(escape=True, plugins=["table"])


# --- Pieces of a page -----------------------------------------------------------------------------


def clean(value):
    """A text that any page can hold: no control characters, half characters, terminal colours."""
    value = str(value).encode("utf-8", "replace").decode("utf-8")
    value = re.sub(r"\x1b\[[0-9;]*m", "", value)
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\ufffd", value)


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
        f"{body}\n</body>\n</html>\n"
    )


def table(header, rows, numbers=()):
    """A table of HTML cells; the columns in `numbers` stand to the right."""
    kind = [' class="number"' if place in numbers else "" for place in range(len(header))]
    head = "".join(
        f'<th scope="col"{each}>{cell}</th>' for cell, each in zip(header, kind, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{each}>{cell}</td>" for cell, each in zip(row, kind, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def list_of(sentences):
    """A list of escaped sentences."""
    return "<ul>" + "".join(f"<li>{text(each)}</li>" for each in sentences) + "</ul>"


def status(name):
    """A status in words, and in a colour besides."""
    return f'<span class="status" style="color: {COLOURS.get(name, BAD)}">{text(name)}</span>'


def points(value):
    """Points without needless digits; a dash where there are none yet."""
    return "–" if value is None else f"{value:g}"


def total(result):
    """The points that a student has so far."""
    entries = [*result["questions"].values(), *result["written"].values()]
    return sum(entry["points"] or 0 for entry in entries)


def most(result):
    """The points that a student can have."""
    return sum(
        entry["max"] for entry in (*result["questions"].values(), *result["written"].values())
    )


def state(result):
    """A submission's status: one that is graded but for a written answer says so."""
    waits = any(entry["status"] == "needs manual grading" for entry in result["written"].values())
    return "needs manual grading" if result["status"] == "graded" and waits else result["status"]


def title_of(exercise):
    """'Exercise 2: output size and padding', as its notebook says."""
    return exercise.read_release().cells[0].source.splitlines()[0].removeprefix("# ")


# --- For a student --------------------------------------------------------------------------------


def feedback_page(result, exercise, notebook):
    """What a student gets back: points, what was wrong and how, and the notebook as it ran.

    Args:
        result: of `batch.Examiner.judged`, with the points by hand.
        notebook: as it ran, a dictionary; None when it could not be read.
    """
    title = title_of(exercise)
    parts = [
        f"<h1>{text(title)}</h1>",
        f'<p class="lead">{text(result["name"])}: {_points_so_far(result)}</p>',
    ]
    if result["problem"]:
        parts.append(f"<p><strong>It could not be graded:</strong> {text(result['problem'])}.</p>")
    else:
        parts.append(_table_of_points(result))
    if result["repairs"]:
        parts += ["<h2>What had to be mended</h2>", list_of(result["repairs"])]
    handed_in = f"Graded: {result['file']}."
    if result["earlier"]:
        handed_in += f" Not graded, because there was a later one: {', '.join(result['earlier'])}."
    parts.append(f'<p class="quiet">{text(handed_in)}</p>')
    if notebook is not None:
        parts.append("<h2>Your notebook, as it ran</h2>")
        parts += [_cell(cell) for cell in notebook["cells"] if cell["id"] not in LEFT_OUT]
    return page(f"{title}: {result['name']}", "\n".join(parts))


def _points_so_far(result):
    words = f"<strong>{points(total(result))} of {most(result)} points</strong>"
    if state(result) == "needs manual grading":
        words += " so far; a written answer is still to be read"
    return words + ("; nothing was answered" if result["status"] == "untouched" else "")


def _table_of_points(result):
    rows = []
    for name, entry in result["questions"].items():
        given = f"{points(entry['points'])} of {entry['max']}"
        rows.append([text(name), given, status(entry["status"]), _what_was_found(entry)])
    for name, entry in result["written"].items():
        given = f"{points(entry['points'])} of {entry['max']}"
        comment = f'<div class="part">{text(entry["comment"])}</div>' if entry["comment"] else ""
        rows.append([text(name), given, status(entry["status"]), comment])
    return table(["question", "points", "status", "what was found"], rows, numbers=(1,))


def _what_was_found(entry):
    """A line for each part that is not right; a hint stands once."""
    if entry["status"] in ("untouched", "missing"):
        return ""
    lines, hints = [], set()
    for part in entry["parts"]:
        if part["points"] == part["max"]:
            continue
        line = (
            f"<strong>{text(part['name'])}</strong> ({points(part['points'])} of {part['max']}): "
        )
        line += text(part["verdict"])
        if part["hint"] and part["hint"] not in hints:
            hints.add(part["hint"])
            line += f'<br><span class="hint">{text(part["hint"])}</span>'
        lines.append(f'<div class="part">{line}</div>')
    return "".join(lines)


def _cell(cell):
    """A cell of the notebook, with its outputs."""
    source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    marks = cell["metadata"].get("nbgrader", {})
    kind = "cell theirs" if marks.get("solution") or not marks else "cell"
    if cell["cell_type"] == "markdown":
        return f'<div class="{kind}">{MARKDOWN(clean(source))}</div>'
    outputs = "".join(_output(output) for output in cell.get("outputs", []))
    return f'<div class="{kind}"><pre><code>{text(source)}</code></pre>{outputs}</div>'


def _output(output):
    if output["output_type"] == "stream":
        return f"<pre>{text(_joined(output['text']))}</pre>"
    if output["output_type"] == "error":
        return f'<pre class="error">{text(chr(10).join(output["traceback"]))}</pre>'
    if "image/png" in output.get("data", {}):
        about = output.get("metadata", {}).get("image/png", {})
        alt = about.get("alt", "") or "A picture that this cell drew"
        content = re.sub(r"[^A-Za-z0-9+/=]", "", _joined(output["data"]["image/png"]))
        return f'<img alt="{text(alt)}" src="data:image/png;base64,{content}">'
    return f"<pre>{text(_joined(output.get('data', {}).get('text/plain', '')))}</pre>"


def _joined(lines):
    return lines if isinstance(lines, str) else "".join(lines)


# --- For a spreadsheet ----------------------------------------------------------------------------


def grades_table(results, exercise, missing=()):
    """The rows of `grades.csv`: points and a status for each question, the sum, and remarks."""
    rows = []
    for result in results:
        row = {"student": result["student"], "name": result["name"]}
        for name, entry in (*result["questions"].items(), *result["written"].items()):
            row[f"{name} points"] = "" if entry["points"] is None else points(entry["points"])
            row[f"{name} status"] = entry["status"] if not result["problem"] else "unreadable"
        remarks = [result["problem"]] if result["problem"] else []
        remarks += [] if result["matched"] else ["not in the roster"]
        remarks += [f"also handed in: {', '.join(result['earlier'])}"] if result["earlier"] else []
        row |= {"points": points(total(result)), "max": most(result), "status": state(result),
                "repaired": "yes" if result["repairs"] else "no",
                "remarks": "; ".join(remarks)}  # fmt: skip
        rows.append(row)
    for student in missing:
        row = dict.fromkeys(_columns(exercise), "")
        rows.append(row | {"student": student.id, "name": student.name, "points": "0",
                           "status": "not handed in", "repaired": "no"})  # fmt: skip
    return sorted(rows, key=lambda row: row["student"])


def _columns(exercise):
    written = [cell.id for cell in exercise.read_release().cells
               if cell.metadata.get("nbgrader", {}).get("grade")
               and cell.metadata.nbgrader.solution]  # fmt: skip
    names = [question.name for question in exercise.questions] + written
    parts = [f"{name} {what}" for name in names for what in ("points", "status")]
    return ["student", "name", *parts, "points", "max", "status", "repaired", "remarks"]


def write_grades(results, exercise, path, missing=()):
    """Write `grades.csv`, for a spreadsheet: UTF-8 with a mark, and no cell that is a formula."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, _columns(exercise), lineterminator="\n")
    writer.writeheader()
    for row in grades_table(results, exercise, missing):
        writer.writerow({name: _no_formula(value) for name, value in row.items()})
    files.write_atomically(path, lines.getvalue().encode("utf-8-sig", "replace"))


def _no_formula(value):
    value = re.sub(r"[\x00-\x1f]", " ", str(value))
    return f"'{value}" if value.lstrip()[:1] in ("=", "+", "-", "@") and value.strip() else value


# --- For the instructor ---------------------------------------------------------------------------


def class_page(results, exercise, pairs, nearest, missing, notes):
    """One page about the class: distributions, common mistakes, near-identical answers, remarks.

    Args:
        results: of all students, with the points by hand.
        pairs: of near-identical answers; `nearest` the share of each student (`similar`).
        missing: the students of the roster who did not hand in.
        notes: sentences of `collect`.
    """
    counts = Counter(state(result) for result in results)
    names = {"needs manual grading": "with a written answer to be read"}
    counted = [f"{count} {names.get(name, name)}" for name, count in sorted(counts.items())]
    lead = f"{len(results)} handed in: {', '.join(counted)}"
    lead += f"; {len(missing)} not handed in" if missing else ""
    parts = [
        f"<h1>{text(title_of(exercise))}: the class</h1>",
        f'<p class="lead">{text(lead)}.</p>',
    ]
    readable = [result for result in results if not result["problem"]]
    if readable:
        parts += ["<h2>Points by question</h2>", _figure(*_draw_questions(readable))]
        parts += ["<h2>Points in all</h2>", _figure(*_draw_totals(readable))]
        parts += ["<h2>Common mistakes</h2>", _mistakes(readable)]
    parts += ["<h2>Near-identical answers</h2>", _pairs(pairs, nearest, results)]
    remarks = [
        f"{result['student']}: {result['problem']}" for result in results if result["problem"]
    ]
    remarks += [f"{result['student']} is not in the roster ({result['file']})" for result in results
                if not result["matched"]]  # fmt: skip
    remarks += list(notes)
    remarks += [f"{student.id} ({student.name}) did not hand in" for student in missing]
    if remarks:
        parts += ["<h2>Remarks</h2>", list_of(remarks)]
    repaired = Counter(re.sub(r"the (answer's )?cell \S+", r"a \1cell", sentence)
                       for result in results for sentence in result["repairs"])  # fmt: skip
    if repaired:
        rows = [[text(sentence), count] for sentence, count in repaired.most_common()]
        parts += ["<h2>Repairs</h2>", table(["what was mended", "how often"], rows, numbers=(1,))]
    return page(f"{title_of(exercise)}: the class", "\n".join(parts))


def _figure(figure, alt):
    content = base64.b64encode(plots.to_png(figure)).decode("ascii")
    return f'<figure><img alt="{text(alt)}" src="data:image/png;base64,{content}"></figure>'


def _entries(result):
    return {**result["questions"], **result["written"]}


def _draw_questions(results):
    """A bar for each question, cut into its statuses."""
    names = list(_entries(results[0]))
    counts = {
        name: Counter(_entries(result)[name]["status"] for result in results) for name in names
    }
    shown = [look for look in LOOKS if any(counts[name][look] for name in names)]
    figure, axes = plots.subplots(height=0.42 * len(names) + 1.3)
    left = dict.fromkeys(names, 0)
    for look in shown:
        colour, hatch = LOOKS[look]
        widths = [counts[name][look] for name in names]
        axes.barh(names, widths, left=list(left.values()), color=colour, hatch=hatch,
                  edgecolor="#333333", linewidth=0.6, label=look)  # fmt: skip
        for name, width in zip(names, widths, strict=True):
            if width >= max(1, len(results) / 25):
                axes.text(left[name] + width / 2, name, width, ha="center", va="center", fontsize=8,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            left[name] += width
    axes.invert_yaxis()
    axes.set(xlabel="students", xlim=(0, len(results)))
    axes.set_title(_finding(results, names))
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    alt = "Students by status, for each question. " + " ".join(
        f"{name}: {', '.join(f'{count} {look}' for look, count in counts[name].most_common())}."
        for name in names
    )
    return figure, alt


def _finding(results, names):
    """Which question was the hardest, in the words of a title; unread answers are left out."""
    shares = {}
    for name in names:
        entries = [_entries(result)[name] for result in results]
        if all(entry["points"] is not None for entry in entries):
            whole = sum(entry["max"] for entry in entries)
            shares[name] = sum(entry["points"] for entry in entries) / whole
    hardest = min(shares, key=shares.get)
    return f"The hardest: {hardest}, {100 * shares[hardest]:.0f} per cent of its points"


def _draw_totals(results):
    """How many have how many points."""
    highest = most(results[0])
    counts = Counter(min(highest, int(total(result))) for result in results)
    figure, axes = plots.subplots(height=2.6)
    axes.bar(range(highest + 1), [counts[number] for number in range(highest + 1)],
             color=plots.PALETTE["output"], edgecolor="#333333", linewidth=0.6)  # fmt: skip
    mean = sum(map(total, results)) / len(results)
    axes.axvline(mean, color="black", linestyle="--", label=f"mean {mean:.1f}")
    axes.set(xlabel="points", ylabel="students", xlim=(-0.7, highest + 0.7))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"{mean:.1f} of {highest} points on average, as far as graded")
    axes.legend()
    listed = ", ".join(f"{number}: {count}" for number, count in sorted(counts.items()))
    return figure, f"Students by points. {listed}. Mean {mean:.1f}."


def _mistakes(results):
    hints, parts = Counter(), Counter()
    for result in results:
        for name, entry in result["questions"].items():
            if entry["status"] in ("untouched", "missing"):
                continue
            wrong = [part for part in entry["parts"] if part["points"] < part["max"]]
            parts.update((name, part["name"]) for part in wrong)
            hints.update({(name, part["hint"]) for part in wrong if part["hint"]})  # once each
    if not parts:
        return "<p>None.</p>"
    rows = [[text(name), text(part), count] for (name, part), count in parts.most_common()]
    listed = table(["question", "part that went wrong", "students"], rows, numbers=(2,))
    if not hints:
        return listed
    rows = [[text(name), text(hint), count] for (name, hint), count in hints.most_common()]
    listed = table(["question", "the hint that fits the mistake", "students"], rows, (2,)) + listed
    numbers = f"<details><summary>All of them, in numbers</summary>{listed}</details>"
    return _figure(*_draw_mistakes(hints, len(results))) + numbers


def _draw_mistakes(hints, count, most=12):
    """A bar for each of the most frequent known mistakes, named by its hint."""
    shown = hints.most_common(most)
    told = [clean(f"{name}: {hint}").replace("$", r"\$") for (name, hint), _ in shown]
    labels = ["\n".join(textwrap.wrap(each, 52)) for each in told]
    lines = sum(label.count("\n") + 1 for label in labels)
    figure, axes = plots.subplots(height=0.17 * lines + 0.2 * len(shown) + 0.9)
    bars = axes.barh(labels, [students for _, students in shown], color=LOOKS["wrong"][0],
                     hatch="xx", edgecolor="#333333", linewidth=0.6)  # fmt: skip
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="students", xlim=(0, count))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title("The mistakes that were recognised")
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
    axes.legend()
    listed = ", ".join(f"{left:.2f}: {count:.0f}" for left, count in zip(bins, counts, strict=False)
                       if count)  # fmt: skip
    return figure, f"Students by the share that they have in common with their nearest. {listed}."


def _pairs(pairs, nearest, results):
    names = {result["student"]: result["name"] for result in results}
    measure = (
        '<p class="quiet">Runs of five tokens that both have and few others, whatever the names, '
        "as a share of the shorter one's. A reason to look, and no proof.</p>"
    )
    drawn = _figure(*_draw_nearest(nearest)) if len(nearest) > 1 else ""
    if not pairs:
        return f"{drawn}<p>None.</p>{measure}"
    blocks = []
    for pair in pairs:
        who = [f"{student} ({names.get(student, '')})" for student in (pair.first, pair.second)]
        codes = ""
        for name, both in pair.codes.items():
            shown = "".join(f"<pre>{text(code)}</pre>" for code in both)
            codes += f'<h3>{text(name)}</h3><div class="side">{shown}</div>'
        head = f"{' and '.join(who)}: {100 * pair.share:.0f} per cent, in {', '.join(pair.codes)}"
        blocks.append(f"<details><summary>{text(head)}</summary>{codes}</details>")
    return drawn + "\n".join(blocks) + measure
