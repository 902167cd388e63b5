"""What was recorded: trainings on complete data sets, their weights, and what the papers report.

`make record RUN=lenet5` (`tools/record.py`) makes them. What was not recorded, or not kept, is
refused with a ValueError that lists what there is, and so is a damaged file. Importing this module
imports no Keras.
"""

import functools
import json
import statistics

from .anatomy import anatomy
from .arguments import choice
from .checks import content_of
from .data import DATA

# What the papers report for the same network, and after how long: 64,000 steps of 128 images from
# 45,000 are 182 epochs. (LeCun et al. 1998, section III.C; He et al. 2016, table 6.)
PAPER_ERROR = {
    "lenet5": "0.95",
    "lenet5_modern_shifted": "0.8 (LeNet-5 with distorted digits)",
    "resnet20": "8.75 (182 epochs)",
}

# What a whole run holds, and of which kind it is.
KINDS = {
    **{"recipe": dict, "seeds": list, "test_error": list, "history": list},
    **{"wall_seconds": int | float, "hardware": str},
}


def recorded_run(name):
    """A training on a complete data set, as `make record` left it in `data/runs/`.

    Returns:
        A dict with `name`, `recipe`, `seeds`, `test_error` (per cent after the last epoch, one
        for each seed), `history` (one for each seed), `wall_seconds`, `hardware`, `versions`.
    """
    choice(name, "the name of a recorded run", recorded_names())
    return content_of(DATA / "runs" / f"{name}.json", **KINDS)


def recorded_names():
    """The names of all recorded runs, without the `._lenet5.json` that a Mac leaves beside one."""
    return sorted(path.stem for path in (DATA / "runs").glob("[!.]*.json"))


def results_table():
    """All recorded runs on complete data sets as a table in Markdown, one line for each.

    The test error is a mean, with the standard deviation over seeds where there are several.
    """
    columns = (
        *("run", "data", "parameters", "multiply-adds", "epochs", "test error, %"),
        *("the paper's, %", "bits", "minutes a seed", "hardware"),
    )
    rows = [columns, ("---", "---", *["---:"] * 4, "---", "---:", "---:", "---")]
    for name in recorded_names():
        run = recorded_run(name)
        recipe, errors = run["recipe"], run["test_error"]
        # An error after a part of the data does not belong beside the others, nor one of pixels:
        # for those see `tools/record.py`; for what led to SpeedNet see notebook 13.
        if {"part", "hold_out"} & set(recipe) or recipe["data"] == "scenes":
            continue
        cost = _cost(recipe["network"], json.dumps(recipe.get("options", {})))
        error = f"{statistics.mean(errors):.2f} (1 seed)"
        if len(errors) > 1:
            spread = statistics.stdev(errors)
            error = f"{statistics.mean(errors):.2f} ± {spread:.2f} ({len(errors)} seeds)"
        rows.append(
            (
                *(name, recipe["data"], f"{cost.parameters:,}", f"{cost.multiply_adds:,}"),
                *(recipe["epochs"], error, PAPER_ERROR.get(name, "–")),
                16 if recipe.get("precision", "float32").endswith("16") else 32,
                *(round(run["wall_seconds"] / len(errors) / 60), run["hardware"]),
            )
        )
    return in_markdown(rows)


@functools.cache
def _cost(network, options):
    """The anatomy of a network, by its options as JSON: several runs have the same."""
    return anatomy(lambda: network_of({"network": network, "options": json.loads(options)}))


def in_markdown(rows):
    """Rows of cells as a table in Markdown."""
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def network_of(recipe):
    """The network that a recorded run's `recipe` trains, with its first weights."""
    from . import models, speednet

    networks = {**models.NETWORKS, "speednet": speednet.network}
    if not isinstance(recipe, dict):
        raise ValueError(f"recipe must be recorded_run(...)['recipe'], not {recipe!r}")
    name = choice(recipe.get("network"), "the network of a recipe", networks)
    return networks[name](**recipe.get("options", {}))


def recorded_network(name):
    """The trained network of a recorded run: `recorded_network("vgg_small")`.

    Feed it images that were scaled as in the run: `data.scale(images, **run["recipe"]["scale"])`.
    """
    weights = DATA / "weights" / f"{name}.weights.h5"
    network = network_of(recorded_run(name)["recipe"])
    if not weights.is_file():
        kept = sorted(
            path.name.partition(".")[0] for path in weights.parent.glob("[!.]*.weights.h5")
        )
        raise ValueError(f"no weights of {name!r} are kept: choose one of {', '.join(kept)}")
    network.load_weights(weights)
    return network
