"""What a figure of a notebook says: its title a finding, its alt text a sentence, its axes numbers.

Titles and ticks are read in the source of the cells. A cell whose figure shows a result is tagged
`finding`; one that shows pictures, a layout or an explorer is not.
"""

import ast
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"\d|\{\}|\b(no|none|one|two|three|four|five|seven|half|twice|every)\b", re.I)
VERBS = """
agree answer answers appear are ask asks becomes become brings bring can cancel change
changes comes costs cut dampens darkens decides depends differ differs do does fall
falls falling fare forgets gets goes grow grows has have helps is keep keeps leads
leaves learns let lets lies look looks make makes meet moves multiplies names need needs
notice point reads resemble scores see sees send sends shares share shifts show shows
stay stays takes turns wants waters widens will works
""".split()
ALT = 40  # letters: less is a label
TICKS = 3


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def readable(source):
    """The source without lines that are IPython's and not Python's."""
    return "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))


def findings(path):
    return [cell for cell in code_cells(path) if "finding" in cell.metadata.get("tags", [])]


def assigned(tree):
    """`{name: [expression, ...]}` of the assignments and loops whose values stand in the source."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple | ast.List):
            pairs = [(node.target, value) for value in node.iter.elts]
        elif isinstance(node, ast.For) and getattr(node.iter, "args", ()):  # zip(axes, ["a", "b"])
            targets = getattr(node.target, "elts", ())
            sides = zip(targets, node.iter.args, strict=False)
            pairs = [
                (target, value) for target, side in sides for value in getattr(side, "elts", ())
            ]
        else:
            continue
        for target, value in pairs:
            together = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple | ast.List)
            parts = zip(target.elts, value.elts, strict=False) if together else [(target, value)]
            for one, its in parts:
                if isinstance(one, ast.Name):
                    found.setdefault(one.id, []).append(its)
    return found


def text_of(node, names):
    """What an expression writes, as far as its source tells; `{}` for what is put in."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(text_of(part, names) for part in node.values)
        case ast.FormattedValue():
            return "{}"
        case ast.Call(func=ast.Attribute(attr="format", value=ast.Constant(value=text))):
            return re.sub(r"\{.*?\}", "{}", text)
        case ast.BinOp():
            return text_of(node.left, names) + text_of(node.right, names)
        case ast.Call():
            return "".join(text_of(part, names) for part in node.args)
        case ast.GeneratorExp():
            return text_of(node.elt, names)
        case ast.IfExp():
            return text_of(node.body, names)
        case ast.Name() if node.id in names:
            others = {name: values for name, values in names.items() if name != node.id}
            return text_of(names[node.id][-1], others)
    return ""


def titles_in(source):
    """The titles that a cell gives its figure: the headline, or else those of the panels."""
    tree = ast.parse(source)
    names, headlines, panels = assigned(tree), [], []
    places = {"suptitle": 0, "set_title": 0, "architecture": 3, "against_base": 1, "sheet": 2}
    places |= {"draw_errors": 2, "confusion": 3}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [keyword.value for keyword in call.keywords if keyword.arg == "title"]
        if name in places:
            given += call.args[places[name] : places[name] + 1]
        (headlines if name == "suptitle" else panels).extend(text_of(each, names) for each in given)
    return [title for title in headlines or panels if title]


def says_something(title):
    return bool(NUMBER.search(title) or set(re.findall(r"[a-z]+", title.lower())) & set(VERBS))


def lengths(node, names):
    """How many values the expression can have; what its source does not tell counts as none."""
    if isinstance(node, ast.Name):
        others = {name: values for name, values in names.items() if name != node.id}
        return [count for value in names.get(node.id, [None]) for count in lengths(value, others)]
    return [len(getattr(node, "elts", ()))]


def few_ticks(source, names):
    """The log axes of a cell that got ticks of its own, and fewer than three.

    For all other log axes `plots` chooses; tests/test_plots.py holds it to three.
    """
    few = []
    for axis in "xy":
        if not re.search(rf"""{axis}scale(=|\()["']log["']""", source):
            continue
        for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
            options = {keyword.arg: keyword.value for keyword in call.keywords}
            given = [options[f"{axis}ticks"]] if f"{axis}ticks" in options else []
            minor = ast.unparse(options["minor"]) == "True" if "minor" in options else False
            if getattr(call.func, "attr", "") == f"set_{axis}ticks" and not minor:
                given.append(call.args[0])
            few += [ast.unparse(ticks) for ticks in given if min(lengths(ticks, names)) < TICKS]
    return few


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_finding_is_said_by_its_title(path):
    for cell in findings(path):
        titles = titles_in(cell.source)
        assert titles, f"{cell.id}: its figure has no title"
        assert any(map(says_something, titles)), f"{cell.id}: neither verb nor number: {titles}"


@pytest.mark.parametrize("path", NOTEBOOKS[1:12], ids=lambda path: path.stem)
def test_a_notebook_marks_its_findings(path):
    tagged = findings(path)
    assert len(tagged) >= 4
    for cell in tagged:
        assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.id


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_alt_text_is_a_sentence(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            assert alt is None or (len(alt) >= ALT and " " in alt), (cell.id, alt)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_log_axis_keeps_three_ticks(path):
    cells = code_cells(path)
    names = assigned(ast.parse("\n".join(readable(cell.source) for cell in cells)))
    for cell in cells:
        assert not few_ticks(readable(cell.source), names), cell.id


def test_what_says_nothing_is_found():
    label = 'axes.set_title("The photograph")\nplots.show(figure, alt)'
    finding = 'title = f"{error:.0f} % wrong"\nfigure.suptitle(title)'
    assert titles_in(label) == ["The photograph"] and not says_something("The photograph")
    assert titles_in(finding) == ["{} % wrong"] and says_something("{} % wrong")
    assert says_something("Pooling dampens a shift") and not says_something("Smaller and deeper")
    assert titles_in("plots.show(figure, alt)") == []


def test_a_log_axis_with_two_ticks_is_found():
    cell = 'axes.set(yscale="log")\naxes.set_yticks(ticks, labels=ticks, minor=False)'
    for ticks, found in (("[20, 50]", ["ticks"]), ("[1, 2, 5]", []), ("range(two)", ["ticks"])):
        assert few_ticks(cell, assigned(ast.parse(f"ticks = {ticks}"))) == found
    assert few_ticks('axes.set(xscale="log", xticks=[1, 10])', {}) == ["[1, 10]"]
    assert (
        few_ticks('axes.set(yscale="log", xticks=[1, 10])\naxes.set_yticks([], minor=True)', {})
        == []
    )
    assert few_ticks('axes.set_xscale("log")', {}) == []
