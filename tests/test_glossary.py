"""The glossary: each term leads to the cell that defines it, and stands in that cell."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ROW = re.compile(r"\| (.+?) \| (.+?) \| \[\d\d\]\((.+?)#cell-id=(.+?)\) \|")
TEXT = (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8")
ROWS = ROW.findall(TEXT)


def words(text):
    return re.sub(r"[*`\s]+", " ", text).lower()


def test_the_glossary_is_complete_and_in_order():
    assert len(ROWS) == TEXT.count("\n| ") - 2 >= 60
    terms = [term.lower() for term, *_ in ROWS]
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("notebook", sorted({row[2] for row in ROWS}))
def test_each_term_stands_in_the_cell_that_it_leads_to(notebook):
    cells = {cell.id: cell.source for cell in nbformat.read(NOTEBOOKS / notebook, 4).cells}
    for term, _, name, cell in ROWS:
        if name == notebook:
            assert words(term) in words(cells[unquote(cell)]), (term, cell)
