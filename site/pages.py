"""The pages of the site, made from the repository's own files: nothing is written down twice.

`write(folder)` lays them at the places that their originals have, so that links between them hold.
A notebook comes with its outputs as committed, and what follows a question is folded.
"""

import json
import posixpath
import re
import shutil
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tools"))

import address as addresses  # noqa: E402
import minutes  # noqa: E402
import strips  # noqa: E402
import work  # noqa: E402

NOTEBOOKS = work.notebooks()
EXERCISES = work.exercises()
WHOLE = (
    *("notebooks/glossary.md", "grading/README.md", "data/README.md", "CHANGELOG.md"),
    "deploy/jupyterhub/README.md",
)
# A line of a page that stands for a part of another file.
SECTION = re.compile(r"^<!-- ([\w./]+\.md): (.*?) -->$", re.MULTILINE)
CELLS = re.compile(r"^<!-- ([\w./]+\.ipynb): (.*?) -->$", re.MULTILINE)
CODE = re.compile(r"<!-- (\w+)\(\) -->")
SUM = re.compile(r"<!-- sum ([\w ]+) -->")
LINK = re.compile(r"(!?)\[((?:\[[^\]]*\]|!\[[^\]]*\]\([^)]*\)|[^\[\]])*)\]\(([^()\s]+)\)")
TERM = re.compile(r"^\| (.+?) \| (.+? \| \[\d\d\])\((\d\d_\w+)\.ipynb#cell-id=([\w-]+)\) \|$")
GUESS = re.compile(r"^(guess_\w+) = predict\(", re.MULTILINE)
AGAINST = re.compile(r"\b(guess_\w+)\.against\(")
HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
# In a notebook's sources: a title and what follows it; in references.bib: a key and its title.
SOURCE = re.compile(r"(?<!\*)\*([^*]+)\*([^*]*)")
YEAR = re.compile(r"\(\d{4}\)")
NEXT_AUTHORS = re.compile(r"[.;] [A-Z]\. [^.]*(?:\.[^.]*)*$")
BIB = re.compile(r"^@\w+\{(\w+),.* title = \{(.+?)\}, ", re.MULTILINE)
PREDICT_FIRST = "**Predict first:**"
EXPLORER = re.compile(
    r"^explorers\.(\w+)\(\)", re.MULTILINE
)  # without arguments: as the site has it
ADDRESS = addresses.present_address()


def write(folder):
    """Lay all pages in `folder`; what is there and has not changed keeps its time."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in HERE.glob("*.md")}
    texts = {name: (name, filled(text)) for name, text in pages.items()}
    texts |= {name: (name, (ROOT / name).read_text(encoding="utf-8")) for name in WHOLE}
    texts |= api()
    notebooks = {path.relative_to(ROOT).as_posix(): path for path in NOTEBOOKS + EXERCISES}
    published = {*texts, *notebooks}
    laid, pictures = {}, set()

    def linked(text, name):
        return LINK.sub(lambda link: _link(link, name, published, pictures), text)

    for name, (origin, text) in texts.items():
        laid[name] = linked(glossary(text) if name.endswith("glossary.md") else text, origin)
    for name, path in notebooks.items():
        notebook = work.read_notebook(path)
        notebook["cells"] = readable(notebook["cells"], path.stem)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = linked("".join(cell["source"]), name)
        laid[name] = json.dumps(notebook, ensure_ascii=False)

    for name, text in laid.items():
        place = folder / name
        if not place.is_file() or place.read_text(encoding="utf-8") != text:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    for name in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in {*laid, *pictures}:
            path.unlink()


def _link(link, origin, published, pictures):
    """A link as the site has it: to a page, to a picture, to the repository, or plain words."""
    is_picture, words, target = link[1], link[2], link[3]
    # The pictures of badges lie on other servers; their words do as well.
    words = re.sub(r"!\[([^\]]*)\]\(https?:[^)]*\)", r"\1", words)
    if re.match(r"https?:|mailto:|#|/api/", target):
        return f"{is_picture}[{words}]({target})"
    path, _, anchor = target.partition("#")
    name = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    module = re.fullmatch(r"course_utils/(\w+)\.py", name)
    if name in published:
        return link[0]
    if name in ("README.md", "grading"):
        return f"[{words}](/{'index.md' if name == 'README.md' else 'grading/README.md'})"
    if name == "exercises/release":
        return f"[{words}](/exercises.md)"
    if name.endswith(".png") and (ROOT / name).is_file():
        pictures.add(name)
        return f"{is_picture}[{words}](/{name})"
    if module:
        page = "index" if module[1] == "__init__" else module[1]
        return f"[{words}](/api/{page}.md)"
    if not (ROOT / name).exists():
        raise ValueError(f"{origin}: there is no {target}")
    return f"[{words}]({ADDRESS.url}/blob/{ADDRESS.tag}/{name})" if ADDRESS.url else words


# --- Notebooks ------------------------------------------------------------------------------------


def readable(cells, notebook):
    """The cells as a page shows them: answers folded, pictures with their words, places to link."""
    if not ADDRESS.url:
        cells = [cell for cell in cells if cell.get("id") != "badges"]
    aims, result = {cell for _, _, name, cell in terms() if name == notebook}, []
    for cell in folded([cell for cell in cells if "instructor" not in tags_of(cell)]):
        if cell.get("id") == "set-up":
            cell["metadata"] = {"tags": ["hide-input"]}
        # A mark for the tests, of no use to a reader.
        cell["source"] = "".join(cell["source"]).removeprefix("# NBVAL_CHECK_OUTPUT\n")
        for output in cell.get("outputs", []):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt:
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
        titles = re.findall(r"^#{1,6} (.+)$", cell["source"], re.MULTILINE)
        places = {re.sub(r"\W+", "-", title.lower()).strip("-") for title in titles}
        if cell.get("id") in aims - places:  # a heading is a place already
            result.append(markdown_cell(f'<span id="{cell["id"]}"></span>', "place"))
        result.append(cell)
        shown = EXPLORER.search(cell["source"]) if cell["cell_type"] == "code" else None
        if shown and shown[1] in strips.STRIPS:
            words = (
                f"[Move it here, without a kernel](../explorers.md#{shown[1].replace('_', '-')})"
            )
            result.append(markdown_cell(words, "strip"))
    for number, cell in enumerate(result):
        cell["id"] = f"{cell.get('id', 'cell')[:50]}-{number}"
    return result


def folded(cells):
    """The cells with what answers a question inside `<details>`, up to the next heading.

    A question is a `guess = predict(...)`, answered by the cell with `guess.against(...)`, or a
    text with 'Predict first', answered by the next cell that shows something. The text that follows
    tells the answer, too, but for its last part where that asks the next question. An explorer
    stays in view: it is there to be asked.
    """
    result, waiting, is_open, told = [], set(), False, False

    def fold(begin):
        nonlocal is_open
        if begin != is_open:
            mark = '<details class="answer">\n<summary>What comes out</summary>\n'
            result.append(markdown_cell(mark if begin else "</details>\n", "fold"))
        is_open = begin

    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        following = "".join(cells[number + 1]["source"]) if number + 1 < len(cells) else ""
        if cell["cell_type"] == "markdown":
            if HEADING.search(source) or not (waiting or told):
                fold(False)
                told = False
                waiting.discard("first")
                result.append(cell)
            else:
                fold(True)
                answer, question = _parted(source, asks=bool(GUESS.search(following)))
                result.append(cell | {"source": answer})
                if told or waiting == {"first"}:
                    fold(False)
                    told = False
                    waiting.discard("first")
                if question:
                    fold(False)
                    result.append(markdown_cell(question, "question"))
            if PREDICT_FIRST in source and not GUESS.search(following):
                waiting.add("first")
            continue
        answered = {*AGAINST.findall(source)} & waiting
        if GUESS.search(source):
            fold(False)
            told = False
            waiting = waiting - {"first"} | {*GUESS.findall(source)}
        elif "explorers." in source:
            fold(False)
        elif answered or is_open or "first" in waiting:
            fold(True)
            waiting -= answered | ({"first"} if cell.get("outputs") else set())
            told = not waiting
        elif waiting and cell.get("outputs"):
            fold(True)
        result.append(cell)
    fold(False)
    return result


def _parted(text, asks):
    """What tells an answer, and the last paragraph where that asks the next question."""
    before, blank, last = text.rpartition("\n\n")
    return (before, last) if blank and (asks or PREDICT_FIRST in last) else (text, "")


def markdown_cell(source, name):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def tags_of(cell):
    return cell["metadata"].get("tags", ())


# --- Pages ----------------------------------------------------------------------------------------


def filled(text):
    """A page of this folder, with the parts that it takes from other files."""
    text = SECTION.sub(lambda mark: section(ROOT / mark[1], mark[2]), text)
    text = CELLS.sub(lambda mark: cells_of(ROOT / mark[1], mark[2].split()), text)
    text = SUM.sub(lambda mark: str(minutes.sum_of(mark[1].split())), text)
    return CODE.sub(lambda mark: MADE[mark[1]](), text)


def section(path, title):
    """What stands below a heading of a Markdown file; '' is what stands below its title."""
    for part in re.split(r"^##? ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        if title in ("", heading):
            return re.sub(r"<!-- badges -->.*<!-- /badges -->", "", body, flags=re.S).strip()
    raise ValueError(f"{path.name} has no part {title!r}")


def cells_of(path, ids):
    """Cells of a notebook, by id, without their headings."""
    cells = {cell["id"]: cell for cell in work.read_notebook(path)["cells"]}
    sources = ["".join(cells[name]["source"]) for name in ids]
    return "\n\n".join(re.sub(r"^#+ .*\n", "", source).strip() for source in sources)


def terms():
    """The rows of the glossary: term, what it says up to the link's words, notebook, cell."""
    text = (ROOT / "notebooks" / "glossary.md").read_text(encoding="utf-8")
    return [row.groups() for row in map(TERM.match, text.splitlines()) if row]


def slug(term):
    """Where a term stands on the page of the glossary."""
    return "term-" + re.sub(r"\W+", "-", term.lower()).strip("-")


def glossary(text):
    """The glossary with a place for each term, and links to the very cells."""

    def row(match):
        term, said, notebook, cell = match.groups()
        words, number = said.rsplit(" | ", 1)
        place = f'<span id="{slug(term)}">{term}</span>'
        link = f'<a href="{notebook}.html#{cell}">{number.strip("[]")}</a>'
        return f"| {place} | {words} | {link} |"

    text = "\n".join(TERM.sub(row, line) for line in text.splitlines()) + "\n"
    return re.sub(r" \(In JupyterLab .*?\)", "", text)


def results():
    """The recorded runs as a table; the files themselves say more."""
    lines = [
        "| run | network | data | epochs | seeds | error, % | spread | score | minutes |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for path in sorted((ROOT / "data" / "runs").glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        recipe, errors = run["recipe"], run["test_error"]
        part = recipe.get("part")
        data = f"{recipe['data']} ({part['train']:,})" if part else recipe["data"]
        if "hold_out" in recipe:  # not a test error, but one on training images set aside
            of_them = "digits and photographs" if recipe["data"] == "scenes" else "of them"
            data += f", {recipe['hold_out']:,} {of_them} held out and measured"
        scores = run.get("score", [{}])
        score = ", ".join(
            f"{statistics.mean(each[kind] for each in scores):.3f} {kind.replace('_', ' ')}"
            for kind in scores[0]
        )
        spread = f"{statistics.stdev(errors):.2f}" if len(errors) > 1 else "–"
        numbers = (recipe["epochs"], len(errors), f"{statistics.mean(errors):.2f}", spread)
        minutes_each = f"{run['wall_seconds'] / len(errors) / 60:.0f}"
        row = (run["name"], recipe["network"], data, *numbers, score or "–", minutes_each)
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines)


def references():
    """What the notebooks take from each paper: their sources, as a table."""
    bib = (HERE / "references.bib").read_text(encoding="utf-8")
    keys = {title.lower().replace("\\%", "%"): key for key, title in BIB.findall(bib)}
    lines = ["| paper | notebook | what of it |", "| --- | --- | --- |"]
    for path in NOTEBOOKS:
        for line in cells_of(path, ["sources"]).splitlines():
            for title, text in SOURCE.findall(line):
                where = YEAR.split(text, maxsplit=1)[1:]
                if not where:  # a page of documentation, not a paper
                    continue
                found = [key for full, key in keys.items() if full.startswith(title.lower())]
                if not found:
                    raise ValueError(f"references.bib has no {title!r}, which {path.name} names")
                part = NEXT_AUTHORS.sub("", where[0]).strip(" ,:;.")
                link = f"[{path.stem[:2]}](notebooks/{path.name}#sources)"
                lines.append(f"| {{cite:t}}`{found[0]}` | {link} | {part} |")
    return "\n".join(lines)


def notes(paths=NOTEBOOKS):
    """What the notebooks say to whoever teaches: their cells with the tag `instructor`."""
    lines = []
    for path in paths:
        cells = work.read_notebook(path)["cells"]
        said = ["".join(cell["source"]) for cell in cells if "instructor" in tags_of(cell)]
        if said:
            lines += [
                f"### {path.stem.replace('_', ' ')}",
                *(HEADING.sub("", text) for text in said),
            ]
    return "\n\n".join(lines or ["There are none yet."])


def entries(paths):
    """Notebooks as the entries of a table of contents."""
    return "\n".join(path.relative_to(ROOT).with_suffix("").as_posix() for path in paths)


def api():
    """A page for each module of `course_utils`, and one that leads to them."""
    package, pages = ROOT / "course_utils", {}
    modules = {path.stem: path for path in sorted(package.glob("*.py"))}
    modules["explorers"] = package / "explorers" / "__init__.py"
    start = modules.pop("__init__")
    for name in modules:
        options = "   :exclude-members: multiply_adds\n" if name == "models" else ""
        directive = f"```{{eval-rst}}\n.. automodule:: course_utils.{name}\n{options}```"
        pages[f"api/{name}.md"] = ("api/x.md", f"# {name}\n\n{directive}\n")
    words = start.read_text(encoding="utf-8").split('"""')[1]
    words = re.sub(r"^\| `(\w+)` \|", r"| [`\1`](/api/\1.md) |", words, flags=re.MULTILINE)
    toctree = "```{toctree}\n:hidden:\n\n" + "\n".join(sorted(modules)) + "\n```"
    pages["api/index.md"] = ("api/x.md", f"# The package `course_utils`\n\n{words}\n{toctree}\n")
    return pages


MADE = {
    "references": references,
    "results": results,
    "notebooks": lambda: entries(NOTEBOOKS),
    "exercises": lambda: entries(EXERCISES),
    "measured": minutes.measured_on,
    "minutes": minutes.table,
    "notes": notes,
    "strips": strips.page,
}
