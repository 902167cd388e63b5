"""What notebooks promise of their own cells, where a run of the notebook would not show it."""

from pathlib import Path

import nbformat
import numpy as np
import pytest

from course_utils import models, runs, training

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def cells_of(name):
    (path,) = NOTEBOOKS.glob(f"{name}_*.ipynb")
    return {cell.id: cell.source for cell in nbformat.read(path, 4).cells}


def test_the_sanity_check_refuses_a_seed_that_gives_a_layer_its_own_start():
    names = {"training": training, "models": models, "np": np}
    exec(cells_of("09")["randomised"], names)
    recorded = runs.recorded_network("vgg_small")
    own_seed = runs.recorded_run("vgg_small")["seeds"][0]
    training.set_seed(own_seed)
    own_start = models.vgg_small()
    assert own_seed not in names["SEEDS"] and len(names["SEEDS"]) >= 5
    for count in (1, 8):
        with pytest.raises(ValueError, match="no control"):
            names["randomised"](recorded, count, own_seed, own_start)
    copy = names["randomised"](recorded, 1, names["SEEDS"][0], own_start)
    kept = [network.get_layer("dense1").get_weights()[0] for network in (copy, recorded)]
    gone = [network.get_layer("logits").get_weights()[0] for network in (copy, recorded)]
    assert np.array_equal(*kept) and not np.allclose(*gone)


def test_the_network_in_numpy_takes_at_most_sixty_lines():
    cells = cells_of("04")
    parts = ("numpy-weights", "numpy-forward", "numpy-backward", "numpy-train")
    lines = [line for part in parts for line in cells[part].splitlines() if line.strip()]
    assert len(lines) <= 60


def test_the_notebook_of_alexnet_keeps_its_length():
    (path,) = NOTEBOOKS.glob("05_*.ipynb")
    cells = nbformat.read(path, 4).cells
    told = [cell for cell in cells if "instructor" not in cell.metadata.get("tags", [])]
    words = sum(len(cell.source.split()) for cell in told if cell.cell_type == "markdown")
    assert words <= 3_500
    assert sum(cell.cell_type == "code" for cell in cells) <= 45
