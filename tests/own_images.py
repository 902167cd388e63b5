"""Runs the cells of notebook 10 on a folder, without a kernel and without drawing."""

import io
import tempfile
from pathlib import Path

import nbformat

from course_utils import plots

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "10_your_own_images.ipynb"
CELLS = {
    cell.id: cell.source
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells
    if cell.cell_type == "code"
}
READING = "split-check"  # the last cell before anything is drawn by classes or trained


def run(folder, until, monkeypatch, settings=()):
    """The names that the notebook has after the cell `until`, and the alt texts of its figures.

    Args:
        folder: FOLDER, or None for the example.
        until: the id of the last cell that is run.
        settings: pairs of texts, what stands in the notebook and what is put in its place.
    """
    shown = []

    def show(figure, alt):
        plots.to_png(figure)
        shown.append(alt)

    monkeypatch.setattr(plots, "show", show)
    given = None if folder is None else str(folder)
    replaced = [("FOLDER = None", f"FOLDER = {given!r}"), *settings]
    for old, _ in replaced:
        assert any(old in source for source in CELLS.values()), f"notebook 10 has no {old!r}"
    names = {"io": io, "Path": Path, "tempfile": tempfile}
    for cell_id, source in CELLS.items():
        if cell_id == "set-up":
            continue
        for old, new in replaced:
            source = source.replace(old, new)
        exec(compile(source, f"notebook 10, {cell_id}", "exec"), names)
        if cell_id == until:
            return names, shown
    raise AssertionError(f"notebook 10 has no cell {until!r}")
