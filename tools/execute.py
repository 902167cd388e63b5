"""Runs notebooks from top to bottom and saves them with their outputs: `make notebooks`.

With names (`python tools/execute.py notebooks/04_lenet.ipynb`) only those. What a reader of the
repository does not need (widget state, timings, the name of somebody's environment) is left out,
so that a rerun that changes nothing changes no line.
"""

import sys
import time
from pathlib import Path

import nbformat
import work
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT = {"tags", "nbgrader", "cellView", "jupyter"}  # of a cell's metadata
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def joined(outputs):
    """A printed text is one output, in however many pieces it arrived."""
    whole = []
    for output in outputs:
        kind = output.output_type, output.get("name")
        if kind[0] == "stream" and whole and kind == (whole[-1].output_type, whole[-1].get("name")):
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def clean(notebook):
    """Leaves what a reader needs: sources, ids, tags and outputs; of an explorer the picture."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
        cell.metadata = nbformat.from_dict(
            {key: value for key, value in cell.metadata.items() if key in KEPT}
        )
    return notebook


def execute(path):
    """Runs one notebook in its own folder and saves it; raises what a cell raised."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        extra_arguments=["--log-level=ERROR"],  # the kernel's own words, not the notebook's
        resources={"metadata": {"path": path.parent}},
    )
    client.execute()
    nbformat.write(clean(notebook), path)


def main(names):
    paths = [Path(name) for name in names] or work.notebooks()
    for path in paths:
        try:
            work.read_notebook(path)
        except (OSError, ValueError) as problem:
            sys.exit(f"execute: {problem}")
        began = time.perf_counter()
        print(f"{path.name} ...", end=" ", flush=True)
        try:
            execute(path)
        except CellExecutionError as error:
            sys.exit(f"failed, and was left as it is:\n{error}")
        print(f"{time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
