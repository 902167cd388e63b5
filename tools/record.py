"""Records a training on a complete data set: `make record RUN=lenet5`.

Trains with each seed of the recipe and writes `data/runs/<run>.json`. A classifier's run that has
the name of its network also writes `data/weights/<run>.weights.h5`, from the first seed (but for
SpeedNet's, which would be 8 MB). Interrupt it whenever you like and start it again: it goes on
after the last finished epoch as if it had never been interrupted. The state until then lies in
`build/record/`; with `--keep`, what is finished also lies in `data/runs/unfinished/`, where it can
be committed for another day or another machine.

A recipe with a `rate_search` first tries its learning rates on training images that are held out,
takes the one with the fewest errors there, and records what all of them did.

The test error is that of the last epoch. The test set chooses nothing: no epoch, no seed, and no
recipe (a recipe is settled on a part of the training set that is held out, see `--hold-out`).

Several processes share the work: `--only seed-0 seed-1` in one, `--only seed-2` in another, each
with `--threads 1`. Who finds that all is there puts the run together.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import speedrun  # noqa: E402

from course_utils.environment import quiet_tensorflow  # noqa: E402

ADAM = "Adam, cosine decay to 0"
SGD = "SGD, Nesterov momentum 0.9, warm-up in a fifth of the steps, cosine decay to 0"
LEVEL = f"{SGD.removesuffix(' 0')} a hundredth, then level"
MODERN = {
    "network": "lenet5_modern",
    "data": "mnist",
    "scale": {"low": 0.0, "high": 1.0, "border": 0},
    "loss": "cross-entropy",
    "optimizer": ADAM,
    "learning_rate": 2e-3,
    "batch_size": 128,
    "epochs": 15,
    "augmentation": "none",
    "seeds": [0, 1, 2],
}
# Images of about mean 0 and deviation 1, moved and mirrored anew each time.
CIFAR = {
    "network": "resnet_cifar",
    "options": {"weight_decay": 5e-4},
    "data": "cifar10",
    "scale": {"low": -2.0, "high": 2.0, "border": 0},
    "loss": "cross-entropy",
    "optimizer": SGD,
    "learning_rate": 0.2,
    "batch_size": 128,
    "augmentation": {"pixels": 4, "flip": True},
    "seeds": [0],
}
# Nothing of these was chosen by a test image: the rates are searched, the lengths are what time
# allows. They compute in 16 bits, which cost SpeedNet nothing that three seeds could show
# (`climb_float32`).
RATE_SEARCH = {"epochs": 4, "hold_out": 5000, "seed": 100}
SETTLED = {
    **CIFAR,
    "rate_search": {**RATE_SEARCH, "rates": [0.05, 0.1, 0.2]},
    "seeds": [0, 1, 2],
    "precision": "mixed_bfloat16",
}
del SETTLED["learning_rate"]
# Degradation is a matter of errors that have levelled off: so the last epochs go on at a hundredth
# of the rate, and the images are of 16×16.
LEVELLED = {
    f"{kind}{depth}_16": {
        **SETTLED,
        "options": {
            **CIFAR["options"],
            "depth": depth,
            "residual": kind == "resnet",
            "input_shape": [16, 16, 3],
        },
        "mean_over": 2,
        "augmentation": {"pixels": 2, "flip": True},
        "rate_search": {**RATE_SEARCH, "rates": [0.02, 0.05, 0.1, 0.2]},
        "optimizer": LEVEL,
        "level": 5,
        "epochs": 20,
    }
    for depth in (20, 56)
    for kind in ("plain", "resnet")
}
ABLATION = {
    **CIFAR,
    "network": "alexnet_small",
    "options": {"filters": 64, "dropout": 0.0, "weight_decay": 0.0},
    "part": {"train": 5000, "test": 5000},
    "learning_rate": 0.01,
    "batch_size": 32,
    "augmentation": "none",
    "epochs": 30,
    "seeds": [0, 1, 2],
}
RECIPES = {
    "lenet5_modern": MODERN,
    "lenet5_modern_shifted": {**MODERN, "augmentation": {"pixels": 2, "flip": False}},
    "lenet5": {
        **MODERN,
        "network": "lenet5",
        "scale": {"low": -0.1, "high": 1.175, "border": 2},
        "loss": "lenet5_loss",
        "learning_rate": 5e-3,
        "epochs": 20,
    },
    # Where notebook 13's chart begins: the network of 1998 on photographs.
    "lenet_cifar": {
        **CIFAR,
        "network": "lenet5_modern",
        "options": {"input_shape": [32, 32, 3]},
        "optimizer": ADAM,
        "learning_rate": 2e-3,
        "epochs": 15,
        "seeds": [0, 1, 2],
    },
    "alexnet_small": {
        **SETTLED,
        "network": "alexnet_small",
        # Many small steps: without batch normalisation it needs them.
        "options": {"dropout": 0.25, "weight_decay": 5e-4},
        "rate_search": {**RATE_SEARCH, "rates": [0.005, 0.01, 0.02]},
        "batch_size": 32,
        "epochs": 40,
    },
    "vgg_small": {**SETTLED, "network": "vgg_small", "epochs": 50},
    "resnet20": {**SETTLED, "options": {**CIFAR["options"], "depth": 20}, "epochs": 40},
    # One thing changed at a time, on a tenth of the data and with half the filters: what does each
    # of AlexNet's ideas bring?
    "ablation_base": ABLATION,
    "ablation_tanh": {**ABLATION, "options": {**ABLATION["options"], "activation": "tanh"}},
    "ablation_augmented": {**ABLATION, "augmentation": CIFAR["augmentation"]},
    "ablation_l2": {**ABLATION, "options": {**ABLATION["options"], "weight_decay": 5e-3}},
    "ablation_dropout": {**ABLATION, "options": {**ABLATION["options"], "dropout": 0.5}},
    # Is deeper better, with shortcuts and without? And is it the 16 bits?
    **LEVELLED,
    "plain56_16_float32": {
        **{key: value for key, value in LEVELLED["plain56_16"].items() if key != "rate_search"},
        "learning_rate": 0.05,
        "precision": "float32",
        "seeds": [0],
    },
}


# Where, and which pixel: scenes painted anew for every step.
SCENES = {
    "data": "scenes",
    "optimizer": ADAM,
    "learning_rate": 0.004,
    "batch_size": 8,
    "test_scenes": 500,
    "seeds": [0, 1, 2],
}
SHORT = {
    **SCENES,
    "network": "unet",
    "loss": "digits_weigh_more",
    "full": False,
    "steps": 200,
    "epochs": 7,
}
SCENE_RECIPES = {
    "unet_scenes": {
        **SCENES,
        "full": True,
        "network": "unet",
        "loss": "digits_weigh_more",
        "steps": 300,
        "epochs": 12,
    },
    "detector_scenes": {
        **SCENES,
        "full": True,
        "network": "detector",
        "loss": "detector_loss",
        "steps": 300,
        "epochs": 15,
    },
    # Notebook 12's own minute, with one thing changed at a time.
    "unet_short": SHORT,
    "unet_short_plain": {**SHORT, "options": {"shortcuts": False}},
    "unet_short_even": {**SHORT, "loss": "cross-entropy"},
    "detector_short": {
        **SHORT,
        "network": "detector",
        "loss": "detector_loss",
        "trunk": "unet_short",
        "steps": 100,
        "epochs": 4,
    },
    # How long that minute is was settled here: on digits and photographs held out from training.
    **{
        f"unet_held_out_{epochs}": {
            **SHORT,
            "epochs": epochs,
            "hold_out": 1000,
            "seeds": [100, 101, 102],
        }
        for epochs in (5, 7)
    },
}


def recipes():
    """All recipes by name."""
    return {**RECIPES, **SCENE_RECIPES, **speedrun.RECIPES}


def part_of(recipe, split):
    """A split of the complete set, or as many of its first images as the recipe asks for.

    With `mean_over`, each image is reduced to the means of its windows of so many pixels.
    """
    import numpy as np

    from course_utils import data

    whole = data.load(recipe["data"], split, full=True)
    count = recipe.get("part", {}).get(split)  # any number of first images is a balanced sample
    images, window = whole.images[:count], recipe.get("mean_over", 1)
    if window > 1:
        size, side, _, channels = images.shape
        windows = images.reshape(size, side // window, window, side // window, window, channels)
        images = np.rint(windows.mean(axis=(2, 4))).astype(np.uint8)
    return whole._replace(images=images, labels=whole.labels[:count])


def images_of(recipe, hold_out=0):
    """What a recipe trains on and what it is measured on: two of `data.Dataset`."""
    import numpy as np

    from course_utils import data

    train, test = (part_of(recipe, split) for split in data.SPLITS)
    if not hold_out:
        return train, test
    order = np.random.default_rng(0).permutation(len(train.images))
    held, kept = order[:hold_out], order[hold_out:]
    return (
        train._replace(images=train.images[kept], labels=train.labels[kept]),
        train._replace(images=train.images[held], labels=train.labels[held]),
    )


def train_one(recipe, seed, state, train, test):
    """Trains with one seed, going on from `state`; gives the network and its history."""
    from course_utils import data, models, runs, training

    augmentation = recipe["augmentation"]
    losses = {"cross-entropy": None, "lenet5_loss": models.lenet5_loss}
    in_epoch = len(train.images) // recipe["batch_size"]
    steps, level = in_epoch * recipe["epochs"], in_epoch * recipe.get("level", 0)
    optimizers = {
        ADAM: training.cosine_adam,
        SGD: training.cosine_sgd,
        LEVEL: lambda rate, steps: training.cosine_sgd(rate, steps - level, end=0.01),
    }
    training.set_seed(seed)
    network = runs.network_of(recipe)
    history = training.fit(
        network,
        data.pipeline(
            data.scale(train.images, **recipe["scale"]),
            train.labels,
            recipe["batch_size"],
            training=True,
            augment=None if augmentation == "none" else data.shift_and_flip(**augmentation),
            seed=seed,
        ),
        data.pipeline(data.scale(test.images, **recipe["scale"]), test.labels, 1000),
        epochs=recipe["epochs"],
        optimizer=optimizers[recipe["optimizer"]](recipe["learning_rate"], steps),
        loss=losses[recipe["loss"]],
        title=f"{network.name}, seed {seed}",
        live=False,
        checkpoints=state,
        precision=recipe.get("precision", "float32"),  # on every machine alike
    )
    if len(history["loss"]) < recipe["epochs"]:
        sys.exit("interrupted: run the same command again to go on")
    return network, history


def scenes_of(recipe, seed, hold_out=0):
    """What a recipe on scenes trains on, and the scenes that it is measured on."""
    from course_utils import scenes

    train, test = (scenes.material(split, recipe["full"]) for split in ("train", "test"))
    if hold_out:  # so many digits and photographs of the training set
        test = scenes.Material(*(each[-hold_out:] for each in train))
        train = scenes.Material(*(each[:-hold_out] for each in train))
    targets = "cells" if recipe["network"] == "detector" else "masks"
    batches = scenes.pipeline(
        train, recipe["steps"], recipe["batch_size"], targets, seed, **recipe.get("paint", {})
    )
    painted = scenes.paint(test, recipe["test_scenes"], seed=0, **recipe.get("paint", {}))
    return batches, painted, scenes.ready(painted, targets)


def train_on_scenes(recipe, seed, state, hold_out=0):
    """As `train_one`, on scenes; gives the scores on the scenes of the test split, too."""
    import tensorflow as tf

    from course_utils import models, runs, scenes, training

    batches, painted, measured = scenes_of(recipe, seed, hold_out)
    training.set_seed(seed)
    network = runs.network_of(recipe)
    if "trunk" in recipe:  # it begins with the way down of another network, trained from this seed
        for layer in trunk_of(recipe["trunk"], seed, hold_out).layers:
            if layer.name in {each.name for each in network.layers}:
                network.get_layer(layer.name).set_weights(layer.get_weights())
    steps = recipe["steps"] * recipe["epochs"]
    detects = recipe["network"] == "detector"
    history = training.fit(
        network,
        batches,
        tf.data.Dataset.from_tensor_slices(measured).batch(100),
        epochs=recipe["epochs"],
        optimizer=training.cosine_adam(recipe["learning_rate"], steps),
        loss=None if recipe["loss"] == "cross-entropy" else getattr(models, recipe["loss"]),
        title=f"{network.name}, seed {seed}",
        live=False,
        checkpoints=state,
        precision="float32",
        accuracy=models.cell_accuracy() if detects else None,
    )
    if len(history["loss"]) < recipe["epochs"]:
        sys.exit("interrupted: run the same command again to go on")
    outputs = network.predict(measured[0], batch_size=100, verbose=0)
    save_weights(network, recipe, trunk_path(state.parent.name, seed))
    return network, history, scenes.score(outputs, painted)


def trunk_path(name, seed):
    """Where a network trained on scenes stays, for another recipe that begins with it."""
    return ROOT / "build" / "trunks" / f"{name}-{seed}.weights.h5"


def trunk_of(name, seed, hold_out=0):
    """The network of another recipe on scenes, as it was trained from this seed."""
    from course_utils import runs

    name_of_state = f"{name}-held-out" if hold_out else name
    path = trunk_path(name_of_state, seed)
    if not path.exists():
        sys.exit(f"{path.name} is not in build/trunks: record {name} first, on this machine")
    network = runs.network_of(SCENE_RECIPES[name])
    network.load_weights(path)
    return network


def processor():
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def hardware():
    """The processor and what else matters for speed, in words."""
    import tensorflow as tf

    devices = [
        tf.config.experimental.get_device_details(device).get("device_name", "GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    used = f" ({threads} used)" if threads else ""
    return f"{processor()}, {os.cpu_count()} cores{used}, {', '.join(devices) or 'no GPU'}"


def write(path, save):
    """Lets `save` write a file under another name, and puts it in its place when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name("half-done." + path.name)
    save(half_done)
    os.replace(half_done, path)


def save_weights(network, recipe, path):
    """Writes the weights without the optimizer's state."""
    from course_utils import runs

    bare = runs.network_of(recipe)
    bare.set_weights(network.get_weights())
    write(path, bare.save_weights)


def update_readme():
    """Puts the tables of all recorded runs into the README, each between its two marks."""
    from course_utils import runs

    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for mark, table in (("results", runs.results_table), ("scores", scores_table)):
        before, begin, rest = text.partition(f"<!-- {mark} -->\n")
        _, end, after = rest.partition(f"<!-- /{mark} -->\n")
        if begin:
            text = before + begin + table() + "\n" + end + after
    write(readme, lambda path: path.write_text(text, encoding="utf-8"))


def scores_table():
    """All recorded runs on scenes as a table in Markdown: notebook 12's own, and longer ones.

    The score is a mean over seeds with the standard deviation, on scenes of the test split. What
    was measured on held-out digits, to settle a recipe, is left out.
    """
    from course_utils import runs

    rows = [
        ("run", "data", "scenes seen", "measure", "on test scenes"),
        ("---", "---", "---:", "---", "---:"),
    ]
    for name in runs.recorded_names():
        run = runs.recorded_run(name)
        recipe = run["recipe"]
        if recipe["data"] != "scenes" or "hold_out" in recipe:
            continue
        seen = recipe["steps"] * recipe["epochs"] * recipe["batch_size"]
        measure = next(iter(run["score"][0]))
        values = [score[measure] for score in run["score"]]
        spread = f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
        made_of = "complete sets" if recipe["full"] else "small sets"
        found = f"{spread} ({len(values)} seeds)"
        rows.append(
            (name, made_of, f"{seen:,}", measure.replace("_", " ").replace("iou", "IoU"), found)
        )
    return runs.in_markdown(rows)


def items_of(recipe):
    """What there is to train: 'rate-0.1' for each rate to search, then 'seed-0' for each seed."""
    rates = recipe.get("rate_search", {}).get("rates", [])
    return [f"rate-{rate}" for rate in rates] + [f"seed-{seed}" for seed in recipe["seeds"]]


def chosen_rate(search, finished):
    """The rate with the fewest errors on held-out images, and a table of what all of them did."""
    tried = []
    for rate in search["rates"]:
        history = finished[f"rate-{rate}"]["history"]
        errors = {
            "held_out_error": 100 * (1 - history["val_accuracy"][-1]),
            "training_error": 100 * (1 - history["accuracy"][-1]),
        }
        tried.append({"rate": rate, **{key: round(error, 4) for key, error in errors.items()}})
    best = min(tried, key=lambda row: row["held_out_error"])["rate"]
    return best, {**{key: search[key] for key in RATE_SEARCH}, "tried": tried}


class Work:
    """What has been trained of a recipe so far, and what is still to do."""

    def __init__(self, name, hold_out=0, keep=False):
        self.name, self.hold_out = name, hold_out
        self.recipe = recipes()[name]
        self.state = ROOT / "build" / "record" / (f"{name}-held-out" if hold_out else name)
        self.kept = ROOT / "data" / "runs" / "unfinished" / name
        self.folders = [self.state, *([self.kept] if keep else [])]
        versions = {package: version(package) for package in ("tensorflow", "keras", "numpy")}
        self.versions = {"python": platform.python_version(), **versions}
        # What an interrupted run has left is of use only if it was made in the same way.
        # (How many seeds there are to be makes no difference to one of them.)
        recipe = {key: value for key, value in self.recipe.items() if key != "seeds"}
        told = {**recipe, "hold_out": hold_out, "versions": self.versions}
        self.settled = json.loads(json.dumps(told))
        begun = self.state / "recipe.json"
        if self.state.exists() and not (begun.exists() and read(begun) == self.settled):
            place = self.state.relative_to(ROOT)
            print(f"{place} was made by another recipe or version: starting anew")
            shutil.rmtree(self.state)
        write_json(begun, self.settled)

    def finished(self):
        """What is finished, by item."""
        done = {}
        for folder in [self.state] if self.hold_out else [self.kept, self.state]:
            for path in (folder / f"{item}.json" for item in items_of(self.recipe)):
                if path.is_file() and read(path)["made_by"] == self.settled:
                    done[path.stem] = read(path)
                elif path.is_file():
                    print(f"{path.relative_to(ROOT)} is of another recipe or version: left alone")
        return done

    def do(self, item):
        """Trains one item and writes down what came of it."""
        begun = time.perf_counter()
        kind, _, which = item.partition("-")
        recipe, seed = dict(self.recipe), int(which) if kind == "seed" else 0
        hold_out = self.hold_out or recipe.get("hold_out", 0)
        if kind == "rate":
            search = recipe["rate_search"]
            seed, hold_out = search["seed"], search["hold_out"]
            recipe |= {"learning_rate": float(which), "epochs": search["epochs"], "level": 0}
        elif "rate_search" in recipe:
            finished = self.finished()
            missing = [
                one for one in items_of(recipe) if one.startswith("rate") and one not in finished
            ]
            if missing:
                sys.exit(
                    f"{self.name}: the rates come first, these are missing: {', '.join(missing)}"
                )
            recipe["learning_rate"], _ = chosen_rate(recipe["rate_search"], finished)
        scores = {}
        if recipe["data"] == "scenes":
            network, history, score = train_on_scenes(recipe, seed, self.state / item, hold_out)
            scores = {"score": score}
        elif self.name in speedrun.RECIPES:
            network, history = speedrun.train(recipe, seed, *images_of(recipe, hold_out), begun)
        else:
            images = images_of(recipe, hold_out)
            network, history = train_one(recipe, seed, self.state / item, *images)
        for folder in self.folders:
            named = self.name == network.name and self.name not in speedrun.RECIPES
            if seed == recipe["seeds"][0] and named and not hold_out:
                save_weights(network, recipe, folder / f"{item}.weights.h5")
            told = {"history": history, **scores, "hardware": hardware(), "made_by": self.settled}
            write_json(folder / f"{item}.json", told)
        shutil.rmtree(self.state / item, ignore_errors=True)  # its checkpoints have done their work

    def put_together(self, finished, place):
        """Writes the run, its weights and the README's table, and removes what led to them."""
        recipe, seeds = dict(self.recipe), self.recipe["seeds"]
        items = [finished[f"seed-{seed}"] for seed in seeds]
        searched = {}
        if "rate_search" in recipe:
            rate, table = chosen_rate(recipe["rate_search"], finished)
            recipe["learning_rate"], searched = rate, {"rate_search": table}
        histories = [item["history"] for item in items]
        errors = [round(100 * (1 - history["val_accuracy"][-1]), 4) for history in histories]
        run = {
            "name": self.name,
            "recipe": {
                key: value for key, value in recipe.items() if key not in ("seeds", "rate_search")
            },
            "seeds": seeds,
            "test_error": errors,
            **({"score": [item["score"] for item in items]} if "score" in items[0] else {}),
            "history": histories,
            "wall_seconds": round(sum(sum(history["seconds"]) for history in histories), 1),
            "hardware": "; ".join(dict.fromkeys(item["hardware"] for item in items)),
            "versions": self.versions,
            **searched,
        }
        for folder in (self.state, self.kept):
            weights = folder / f"seed-{seeds[0]}.weights.h5"
            if weights.is_file() and not self.hold_out:
                target = ROOT / "data" / "weights" / f"{self.name}.weights.h5"
                write(target, lambda path, weights=weights: shutil.copy(weights, path))
                break
        write_json(place, run)
        if "part" not in recipe:  # the tables hold complete sets only
            update_readme()
        shutil.rmtree(self.state)  # or the next recording would find it and train nothing
        if not self.hold_out:
            shutil.rmtree(self.kept, ignore_errors=True)
        return run


def read(path):
    """What a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path, content):
    """Writes a JSON file, all of it or nothing."""
    text = json.dumps(content, indent=1) + "\n"
    write(path, lambda place: place.write_text(text, encoding="utf-8"))


def is_recorded(place, recipe):
    """Whether a run is there, made by this recipe."""
    if not place.exists():
        return False
    run, same = read(place), set(recipe) - {"rate_search"}
    made_by = {**run["recipe"], "seeds": run["seeds"]}
    searched = "rate_search" not in recipe or "rate_search" in run
    return searched and all(made_by.get(key) == recipe[key] for key in same)


def record(name, hold_out=0, only=(), keep=False):
    """Trains a recipe with all its seeds and writes what came out."""
    recipe = recipes()[name]
    place = ROOT / ("build/held-out" if hold_out else "data/runs") / f"{name}.json"
    if is_recorded(place, recipe):
        print(f"{place.relative_to(ROOT)} is there already: delete it to record the run anew")
        return
    unknown = sorted(set(only) - set(items_of(recipe)))
    if unknown:
        sys.exit(f"{name} has no {unknown[0]}: choose among {', '.join(items_of(recipe))}")
    work = Work(name, hold_out, keep)
    for item in only or items_of(recipe):
        if item not in work.finished():
            work.do(item)
    finished = work.finished()
    missing = [item for item in items_of(recipe) if item not in finished]
    if missing:
        print(f"{name}: finished but for {', '.join(missing)}")
        return
    run = work.put_together(finished, place)
    errors = ", ".join(f"{error:.2f}" for error in run["test_error"])
    mean = sum(run["test_error"]) / len(run["test_error"])
    held = "held-out" if hold_out else "test"
    print(f"{name}: {held} error {errors} %, mean {mean:.2f} %", *run.get("score", ()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", choices=sorted(recipes()), help="which recipe")
    parser.add_argument(
        "--hold-out",
        type=int,
        default=0,
        metavar="N",
        help="measure on N training images instead of the test set, "
        "to settle a recipe; writes to build/, not to data/",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="use N processor cores, so that several runs share a machine (0: all)",
    )
    parser.add_argument(
        "--only", nargs="+", default=(), metavar="ITEM", help="seed-0, rate-0.1 ..."
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep what is finished in data/runs/unfinished, too"
    )
    arguments = parser.parse_args()
    if arguments.threads:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
        tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    quiet_tensorflow()
    record(arguments.run, arguments.hold_out, arguments.only, arguments.keep)
