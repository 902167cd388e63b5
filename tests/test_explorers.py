"""All explorers together: one notebook, one page that runs nothing, one table in the README."""

import base64
import io
import re
from pathlib import Path

import nbclient
import nbconvert
import nbformat
import pytest
from PIL import Image

from course_utils import explorers

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {
    "convolution": "01_convolution",
    "channels": "01_convolution",
    "pooling": "03_pooling",
    "receptive_field": "02_output_size",
    "architecture": "06_vgg",
    "inside": "09_what_convnets_see",
    "gradient_flow": "07_going_deeper",
    "augmentation": "05_alexnet",
    "training": "04_lenet",
    "upsampling": "12_where_and_which_pixel",
}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A notebook with every explorer in a cell of its own, run and saved without widget state."""
    lines = [f"import sys; sys.path.insert(0, {str(ROOT)!r}); from course_utils import explorers"]
    lines += [f"explorers.{name}()" for name in explorers.__all__]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    notebook.metadata.pop("widgets", None)
    path = tmp_path_factory.mktemp("page") / "explorers.ipynb"
    nbformat.write(notebook, path)
    return path


def test_there_are_ten():
    assert sorted(explorers.__all__) == sorted(NOTEBOOKS)


def test_a_notebook_with_all_of_them_is_small(executed):
    assert executed.stat().st_size < 1_500_000


def test_a_page_that_runs_nothing_shows_a_picture_of_each(executed):
    # As the course's own site does: a picture before a widget that cannot come alive.
    pictures_first = ["image/png", "text/plain"]
    exporter = nbconvert.HTMLExporter()
    for step in (exporter, *exporter._preprocessors):
        step.display_data_priority = pictures_first
    page, _ = exporter.from_filename(str(executed))
    found = re.findall(r'<img[^>]*?alt="([^"]+)"[^>]*?src="data:image/png;base64,([^"]+)"', page)
    found += [
        (alt, content)
        for content, alt in re.findall(
            r'<img[^>]*?src="data:image/png;base64,([^"]+)"[^>]*?alt="([^"]+)"', page
        )
    ]
    assert len(found) == len(explorers.__all__)
    for alt, content in found:
        assert len(alt) > 40
        picture = Image.open(io.BytesIO(base64.b64decode(content)))
        assert picture.width >= 1000 and len(picture.getcolors(1 << 20)) > 10


@pytest.mark.parametrize("name", sorted(explorers.__all__))
def test_each_stands_in_its_notebook_after_a_prediction(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{NOTEBOOKS[name]}.ipynb", as_version=4)
    place = [cell.id for cell in notebook.cells].index("try-" + name.replace("_", "-"))
    before, explorer = notebook.cells[place - 1 : place + 1]
    assert f"explorers.{name}(" in explorer.source
    assert "**Predict first:**" in before.source
    assert any("image/png" in each.get("data", {}) for each in explorer.outputs)


@pytest.mark.parametrize("name", sorted(explorers.__all__))
def test_the_readme_shows_each_with_its_picture(name):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    alt = re.search(rf"!\[([^\]]+)\]\(pictures/{name}\.png\)", readme)
    assert alt and len(alt[1]) > 40
    assert f"notebooks/{NOTEBOOKS[name]}.ipynb" in readme
    assert Image.open(ROOT / "pictures" / f"{name}.png").width >= 1000
