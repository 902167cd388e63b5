"""A race against yourself: `make speedrun` trains `course_utils/speednet.py` once and times it.

The clock starts before TensorFlow is imported and stops when the last test image is measured:
loading, tracing, whitening and evaluation lie inside. What it prints last is a line for
`data/runs/leaderboard.csv`; send it as a pull request if you like.

The recorded runs of notebook 13 are made from here as well, by `make record RUN=speednet` and the
runs whose names begin with `climb_`: each of them changes one thing in the one before, but for
`climb_shape`, a bundle.
"""

import time

BEGUN = time.perf_counter()  # before anything large is imported

import argparse  # noqa: E402
import csv  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

LEADERBOARD = ROOT / "data" / "runs" / "leaderboard.csv"
COLUMNS = (
    *("accuracy", "minutes", "operations", "epochs", "seed", "precision", "hardware"),
    *("python", "tensorflow", "keras"),
)

SPEEDNET = {
    "network": "speednet",
    "data": "cifar10",
    "scale": {"low": -2.0, "high": 2.0, "border": 0},
    "whitening": True,
    "optimizer": "Muon",
    "schedule": "line",
    "smoothing": 0.2,
    "batch_size": 2000,
    "augmentation": {"pixels": 2, "mirror": "in turn"},
    "average": False,
    "views": 6,
    "precision": "mixed_bfloat16",
    "epochs": 12,
    "seeds": [0, 1, 2, 3, 4],
}
# The climb: half the filters, 5,000 images, measured on 5,000 that are held out of the training
# set. All have the same operations to spend, within two per cent: VGG-small costs more a picture.
START = {
    **SPEEDNET,
    "network": "vgg_small",
    "options": {"weight_decay": 5e-4},
    "part": {"train": 10000},
    "hold_out": 5000,
    "whitening": False,
    "optimizer": "SGD",
    "rate_search": {"epochs": 6, "hold_out": 5000, "seed": 100, "rates": [0.01, 0.02, 0.05]},
    "schedule": "warm-up and cosine",
    "smoothing": 0.0,
    "batch_size": 128,
    "augmentation": {"pixels": 2, "mirror": "at random"},
    "views": 1,
    "epochs": 6,
    "seeds": [0, 1, 2],
}
SHAPE = {"network": "speednet", "options": {"filters": [32, 128, 128], "straight": False}}
CHANGES = {
    "vgg_small": {},
    "shape": {
        **SHAPE,
        "epochs": 7,
        "rate_search": {**START["rate_search"], "epochs": 7, "rates": [0.05, 0.2, 0.8]},
    },
    "batch": {
        "batch_size": 250,
        "rate_search": {**START["rate_search"], "epochs": 7, "rates": [0.2, 0.8, 3.2]},
    },
    "whitening": {"whitening": True, "learning_rate": 0.8, "rate_search": None},  # batch's own
    "start": {"options": {**SHAPE["options"], "straight": True}},
    "muon": {"optimizer": "Muon", "learning_rate": None},  # its rates are those of its source
    "line": {"schedule": "line"},
    "smoothing": {"smoothing": 0.2},
    "mirror": {"augmentation": SPEEDNET["augmentation"]},
    "views": {"views": 6},
}


def climb():
    """The recipes of the climb by name; the last two change what the one before them has."""
    recipes, recipe = {}, START
    for name, change in CHANGES.items():
        changed = {**recipe, **change}
        recipe = {key: value for key, value in changed.items() if value is not None}
        recipes[f"climb_{name}"] = recipe
    recipes["climb_average"] = {**recipe, "average": True}
    recipes["climb_float32"] = {**recipe, "precision": "float32"}
    return recipes


# How long SpeedNet trains was settled on 5,000 training images held out: 9 epochs were too few.
HELD_OUT = {**SPEEDNET, "hold_out": 5000, "epochs": 9, "seeds": [100]}
RECIPES = {"speednet": SPEEDNET, "speednet_held_out": HELD_OUT, **climb()}


def network_for(recipe, images):
    """The network of a recipe, and its first layer's filters where they are known beforehand."""
    from course_utils import runs, speednet

    network = runs.network_of(recipe)
    if recipe["whitening"]:
        speednet.whiten(network, images)
    return network


def optimizer_for(recipe, steps):
    """Muon or SGD, with the schedule that the recipe names; `steps` are those of an epoch."""
    from course_utils import speednet, training

    total = steps * recipe["epochs"]
    if recipe["network"] == "vgg_small":
        return training.cosine_sgd(recipe["learning_rate"], total)
    curve = training.cosine_sgd(1.0, total)._learning_rate
    schedule = None if recipe["schedule"] == "line" else curve
    options = {"use_ema": True, "ema_momentum": 0.95} if recipe["average"] else {}
    optimizer = speednet.Muon(total, 3 * steps, recipe["batch_size"], schedule, **options)
    if recipe["optimizer"] == "SGD":
        optimizer.turn = sgd_for_filters(optimizer, recipe["learning_rate"])
    return optimizer


def sgd_for_filters(optimizer, rate):
    """What Muon is measured against: SGD for the filters too, all else as it is."""

    def turn(gradient, kernels, learning_rate, velocity):
        decay = 2e-6 * optimizer.batch_size / rate
        step = optimizer.nesterov(gradient + decay * kernels, velocity, 0.85)
        optimizer.assign_sub(kernels, rate * learning_rate * step)

    return turn


def train(recipe, seed, train, test, begun=None):
    """Trains with one seed; gives the network and its history, the whole clock in its seconds.

    What lies before the first epoch is counted with it, the measuring with the last. The network
    is measured once, at the end, so the earlier epochs have None in its place.
    """
    from course_utils import data, speednet, training

    begun = time.perf_counter() if begun is None else begun
    training.set_seed(seed)
    network = network_for(recipe, train.images)
    in_turn = recipe["augmentation"]["mirror"] == "in turn"
    batches = speednet.batches(train.images, train.labels, recipe["batch_size"], seed, in_turn)
    smoothing = recipe["smoothing"]
    history = training.fit(
        network,
        batches,
        epochs=recipe["epochs"],
        optimizer=optimizer_for(recipe, int(batches.cardinality())),
        loss=lambda labels, logits: speednet.smoothed_loss(labels, logits, smoothing),
        title=f"{network.name}, seed {seed}",
        live=False,
        precision=recipe["precision"],
    )
    trained = time.perf_counter()
    asked = speednet.with_views(network) if recipe["views"] == 6 else network
    measured = data.pipeline(data.scale(test.images, **recipe["scale"]), test.labels, 1000)
    error = training.error_percent(asked, measured)
    pause = [None] * (recipe["epochs"] - 1)
    history["val_loss"], history["val_accuracy"] = [*pause, None], [*pause, 1 - error / 100]
    seconds = history["seconds"]
    seconds[0] += trained - begun - sum(seconds)
    seconds[-1] += time.perf_counter() - trained
    return network, history


def operations(recipe, count, tested=10_000):
    """Additions and multiplications of a training on `count` images, and of its test.

    A step costs three times what the way forward does: once forward, once for the gradient of the
    maps, once for that of the filters.
    """
    from course_utils import runs
    from course_utils.anatomy import anatomy

    forward = 2 * anatomy(lambda: runs.network_of(recipe)).multiply_adds
    seen = count // recipe["batch_size"] * recipe["batch_size"] * recipe["epochs"]
    return forward * (3 * seen + tested * recipe["views"])


def main(seed, precision):
    """One run on the complete set, and its line."""
    from record import hardware

    from course_utils import data, devices
    from course_utils.environment import quiet_tensorflow

    quiet_tensorflow()
    recipe = {**SPEEDNET, "precision": precision or devices.detect().precision}
    images = [data.load("cifar10", split, full=True) for split in ("train", "test")]
    _, history = train(recipe, seed, *images, begun=BEGUN)
    line = {
        "accuracy": f"{100 * history['val_accuracy'][-1]:.2f}",
        "minutes": f"{sum(history['seconds']) / 60:.1f}",
        "operations": f"{operations(recipe, len(images[0].images)):.2e}",
        "epochs": recipe["epochs"],
        "seed": seed,
        "precision": recipe["precision"].removeprefix("mixed_"),
        "hardware": hardware(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("tensorflow", "keras")},
    }
    print("\nFor data/runs/leaderboard.csv:\n")
    csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n").writerow(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first weights")
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        help="that the layers compute in; the device's fastest by default",
    )
    arguments = parser.parse_args()
    main(arguments.seed, arguments.precision)
