"""Records a training on a complete data set: `make record RUN=lenet5`.

Trains with each seed of the recipe and writes `data/runs/<run>.json` and, from the first seed,
`data/weights/<run>.weights.h5`. Interrupt it whenever you like and start it again: it goes on
after the last finished epoch. The state until then lies in `build/record/`.

The test error is that of the last epoch. The test set chooses nothing: no epoch, no seed, and no
recipe (a recipe is settled on a part of the training set that is held out, see `--hold-out`).
"""

import argparse
import json
import os
import platform
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

COURSE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(COURSE))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

from course_utils import data, models, training  # noqa: E402

RECIPES = {
    "lenet5_modern": {
        "network": "lenet5_modern",
        "data": "mnist",
        "scale": {"low": 0.0, "high": 1.0, "border": 0},
        "loss": "cross-entropy",
        "optimizer": "Adam, cosine decay to 0",
        "learning_rate": 2e-3,
        "batch_size": 128,
        "epochs": 15,
        "augmentation": "none",
        "seeds": [0, 1, 2],
    },
    "lenet5": {
        "network": "lenet5",
        "data": "mnist",
        "scale": {"low": -0.1, "high": 1.175, "border": 2},
        "loss": "lenet5_loss",
        "optimizer": "Adam, cosine decay to 0",
        "learning_rate": 5e-3,
        "batch_size": 128,
        "epochs": 20,
        "augmentation": "none",
        "seeds": [0, 1, 2],
    },
}
LOSSES = {"cross-entropy": None, "lenet5_loss": models.lenet5_loss}


def train_one(recipe, seed, state, hold_out=0):
    """Trains with one seed, going on from `state`; gives the network and its history."""
    train = data.load(recipe["data"], "train", full=True)
    test = data.load(recipe["data"], "test", full=True)
    if hold_out:  # the same images for every seed, taken at random
        order = np.random.default_rng(0).permutation(len(train.images))
        test = train._replace(
            images=train.images[order[:hold_out]], labels=train.labels[order[:hold_out]]
        )
        train = train._replace(
            images=train.images[order[hold_out:]], labels=train.labels[order[hold_out:]]
        )
    training.set_seed(seed)
    network = getattr(models, recipe["network"])()
    history = training.fit(
        network,
        data.pipeline(
            data.scale(train.images, **recipe["scale"]),
            train.labels,
            recipe["batch_size"],
            training=True,
            seed=seed,
        ),
        data.pipeline(data.scale(test.images, **recipe["scale"]), test.labels, 1000),
        epochs=recipe["epochs"],
        learning_rate=recipe["learning_rate"],
        loss=LOSSES[recipe["loss"]],
        title=f"{recipe['network']}, seed {seed}",
        live=False,
        checkpoints=state,
    )
    if len(history["loss"]) < recipe["epochs"]:
        sys.exit("interrupted: run the same command again to go on")
    return network, history


def hardware():
    """The processor and what else matters for speed, in words."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.split(": ")[1] for line in lines if "model name" in line), name)
    import tensorflow as tf

    devices = [
        tf.config.experimental.get_device_details(device).get("device_name", "GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]
    return f"{name}, {os.cpu_count()} cores, {', '.join(devices) or 'no GPU'}"


def write(path, text):
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name(path.name + ".half-done")
    half_done.write_text(text, encoding="utf-8")
    os.replace(half_done, path)


def record(name, hold_out=0):
    """Trains a recipe with all its seeds and writes what came out."""
    recipe = RECIPES[name]
    place = COURSE / ("build/held-out" if hold_out else "data/runs") / f"{name}.json"
    state = COURSE / "build" / "record" / (f"{name}-held-out" if hold_out else name)
    if place.exists():
        print(f"{place.relative_to(COURSE)} is there already: delete it to record the run anew")
        return
    # What an interrupted run has left is of use only if it was made with the same recipe.
    settled = json.dumps({**recipe, "hold_out": hold_out}, indent=1)
    kept = state / "recipe.json"
    if state.exists() and not (kept.exists() and kept.read_text(encoding="utf-8") == settled):
        shutil.rmtree(state)
    write(kept, settled)
    histories = []
    for seed in recipe["seeds"]:
        network, history = train_one(recipe, seed, state / f"seed-{seed}", hold_out)
        histories.append(history)
        if seed == recipe["seeds"][0] and not hold_out:
            weights = COURSE / "data" / "weights" / f"{name}.weights.h5"
            weights.parent.mkdir(parents=True, exist_ok=True)
            bare = getattr(models, recipe["network"])()  # without the optimizer's state
            bare.set_weights(network.get_weights())
            bare.save_weights(weights)
    run = {
        "name": name,
        "recipe": {key: value for key, value in recipe.items() if key != "seeds"},
        "seeds": recipe["seeds"],
        "test_error": [round(100 * (1 - history["val_accuracy"][-1]), 4) for history in histories],
        "history": histories,
        "wall_seconds": round(sum(sum(history["seconds"]) for history in histories), 1),
        "hardware": hardware(),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("tensorflow", "keras", "numpy")},
        },
    }
    write(place, json.dumps(run, indent=1) + "\n")
    shutil.rmtree(state)  # or the next recording would find it and train nothing
    errors = ", ".join(f"{error:.2f}" for error in run["test_error"])
    mean = sum(run["test_error"]) / len(run["test_error"])
    held = "held-out" if hold_out else "test"
    print(f"{name}: {held} error {errors} %, mean {mean:.2f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", choices=RECIPES, help="which recipe")
    parser.add_argument(
        "--hold-out",
        type=int,
        default=0,
        metavar="N",
        help="measure on N training images instead of the test set, "
        "to settle a recipe; writes to build/, not to data/",
    )
    arguments = parser.parse_args()
    record(arguments.run, arguments.hold_out)
