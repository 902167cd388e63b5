"""The recorded runs and their weights, and how `tools/record.py` makes them."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from course_utils import data, models, runs, training, watching

ROOT = Path(__file__).parents[1]
ALL_RUNS = {path.stem: path for path in sorted((ROOT / "data" / "runs").glob("*.json"))}
# The issue's own list, in its order.
KEYS = "name recipe seeds test_error history wall_seconds hardware versions".split()


def load_record():
    """`tools/record.py` as a module of its own, which a test may change."""
    specification = importlib.util.spec_from_file_location("record", ROOT / "tools" / "record.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


RECORD = load_record()
RECIPES = {**RECORD.RECIPES, **RECORD.speedrun.RECIPES}
# Those on scenes have measures of their own: `test_scene_runs.py`.
RUNS = {name: path for name, path in ALL_RUNS.items() if name not in RECORD.SCENE_RECIPES}
# A network's weights are kept from the run that has its name.
WITH_WEIGHTS = ["lenet5_modern", "lenet5", "alexnet_small", "vgg_small", "resnet20"]


def recipe_of(run):
    recipe = RECIPES[run["name"]]
    assert RECORD.is_recorded(RUNS[run["name"]], recipe)
    return recipe


# ---------------------------------------------------------------------------------------------
# What was recorded
# ---------------------------------------------------------------------------------------------


@pytest.fixture(params=RUNS)
def run(request):
    return json.loads(RUNS[request.param].read_text(encoding="utf-8"))


def test_every_recipe_has_its_run_and_its_weights():
    assert set(RECORD.RECIPES) <= set(RUNS) <= set(RECIPES)
    weights = {path.name for path in (ROOT / "data" / "weights").iterdir()}
    assert weights == {f"{name}.weights.h5" for name in WITH_WEIGHTS}


def test_a_run_has_the_keys_of_a_run(run):
    assert list(run) == KEYS + ["rate_search"] * ("rate_search" in run)
    assert RUNS[run["name"]].stem == run["name"]
    assert set(run["versions"]) == {"python", "tensorflow", "keras", "numpy"}


def test_a_run_follows_its_recipe(run):
    assert run["seeds"] == recipe_of(run)["seeds"]  # and all else, or there is no such recipe


def test_a_rate_was_chosen_on_images_held_out_from_training(run):
    search = run.get("rate_search")
    assert (search is None) == ("rate_search" not in recipe_of(run))
    if search:
        best = min(search["tried"], key=lambda row: row["held_out_error"])
        assert run["recipe"]["learning_rate"] == best["rate"]
        assert search["hold_out"] > 0 and search["seed"] not in run["seeds"]


def test_errors_that_are_compared_have_levelled_off(run):
    if run["name"].endswith("_16"):
        for history in run["history"]:
            last = 100 * (1 - np.array(history["accuracy"][-5:]))
            assert last.max() - last.min() < 1


def test_a_run_has_one_whole_history_for_each_seed(run):
    assert len(run["history"]) == len(run["test_error"]) == len(run["seeds"])
    for history in run["history"]:
        assert tuple(history) == watching.HISTORY_KEYS
        assert {len(values) for values in history.values()} == {run["recipe"]["epochs"]}
    assert len({tuple(history["loss"]) for history in run["history"]}) == len(run["seeds"])


def test_the_test_error_is_that_of_the_last_epoch(run):
    for error, history in zip(run["test_error"], run["history"], strict=True):
        assert error == pytest.approx(100 * (1 - history["val_accuracy"][-1]), abs=1e-3)
        images = run["recipe"].get("hold_out", run["recipe"].get("part", {}).get("test", 10_000))
        wrong = error / 100 * images
        assert wrong == pytest.approx(round(wrong), abs=1e-2)


def test_the_time_is_the_sum_of_the_epochs(run):
    seconds = sum(sum(history["seconds"]) for history in run["history"])
    assert run["wall_seconds"] == pytest.approx(seconds, abs=0.1)


def test_a_run_names_no_folder_and_no_address(run):
    text = json.dumps(run)
    assert not re.search(r"[/\\]|\blocalhost\b|\w\.(com|org|net|local|internal)\b", text)
    assert "cores" in run["hardware"]


def test_lenet5_modern_is_as_good_as_promised():
    assert np.mean(runs.recorded_run("lenet5_modern")["test_error"]) <= 0.85


def error_of(name):
    return np.mean(runs.recorded_run(name)["test_error"])


@pytest.mark.parametrize(
    ("name", "bar"), [("resnet20", 8.9), ("vgg_small", 9.0), ("alexnet_small", 12.5)]
)
def test_the_colour_networks_are_as_good_as_promised(name, bar):
    assert error_of(name) <= bar


def test_deeper_is_worse_without_shortcuts_and_not_with_them():
    """At the end of a training, on its own images, with every seed; and on the test images."""
    ends = {}
    for name in RECORD.LEVELLED:
        histories = runs.recorded_run(name)["history"]
        ends[name] = [1 - history["accuracy"][-1] for history in histories]
        assert len(histories) == 3
    assert min(ends["plain56_16"]) > max(ends["plain20_16"]) > max(ends["resnet20_16"])
    assert max(ends["resnet56_16"]) < min(ends["resnet20_16"])
    assert error_of("plain56_16") > error_of("plain20_16")
    assert error_of("resnet56_16") < error_of("resnet20_16")
    told = [
        {**recipe, "options": {**recipe["options"], "depth": 0, "residual": None}}
        for recipe in RECORD.LEVELLED.values()
    ]
    assert all(recipe == told[0] for recipe in told)  # in nothing but depth and shortcuts


@pytest.mark.parametrize("run", WITH_WEIGHTS, indirect=True)
def test_the_weights_are_those_of_the_run(run):
    network = runs.recorded_network(run["name"])
    assert network.name == run["name"]
    small = data.load(run["recipe"]["data"], "test")
    images = data.scale(small.images, **run["recipe"]["scale"])
    error = training.error_percent(network, data.pipeline(images, small.labels, 500))
    # The small test set is a part of the complete one: it may be a little harder or easier, but
    # not by four standard errors.
    expected = run["test_error"][0]
    standard_error = np.sqrt(expected * (100 - expected) / len(small.labels))
    assert abs(error - expected) < 4 * standard_error
    assert error / 100 * len(small.labels) <= expected * 100 + 0.5  # of 10,000


def test_the_weights_carry_nothing_else():
    paths = list((ROOT / "data" / "weights").iterdir())
    assert sum(path.stat().st_size for path in paths) < 10_000_000
    for path in paths:
        numbers = runs.recorded_network(path.name.partition(".")[0]).count_params()
        assert path.stat().st_size < 4.2 * numbers + 200_000, f"{path.name} carries more"


def test_what_was_not_recorded_is_named():
    with pytest.raises(ValueError, match="recorded run must be one of .*vgg_small.*, not 'vgg'"):
        runs.recorded_run("vgg")
    with pytest.raises(ValueError, match="no weights of 'plain20_16' are kept: choose .*resnet20"):
        runs.recorded_network("plain20_16")


@pytest.mark.parametrize("cut", [lambda text: text[:-9], lambda text: "", lambda text: "{}"])
def test_a_damaged_run_is_named_and_a_hidden_file_is_none(tmp_path, monkeypatch, cut):
    text = ALL_RUNS["lenet5"].read_text(encoding="utf-8")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "lenet5.json").write_text(cut(text), encoding="utf-8")
    (tmp_path / "runs" / "._lenet5.json").write_bytes(b"\x00\x05\x16\x07\xff")
    monkeypatch.setattr(runs, "DATA", tmp_path)
    assert runs.recorded_names() == ["lenet5"]
    for read in (lambda: runs.recorded_run("lenet5"), runs.results_table):
        with pytest.raises(ValueError, match=r"lenet5.json is damaged: bring it back with git ch"):
            read()


def test_the_readme_has_the_table_of_the_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("<!-- results -->\n")[2].partition("\n<!-- /results -->")[0]
    assert table == runs.results_table()
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == [
        f"| {name}"
        for name in sorted(RUNS)
        if not {"part", "hold_out"} & set(json.loads(RUNS[name].read_text())["recipe"])
    ]


# ---------------------------------------------------------------------------------------------
# How it is recorded
# ---------------------------------------------------------------------------------------------

TINY = {**RECIPES["lenet5_modern"], "batch_size": 16, "epochs": 2, "seeds": [0, 1]}
EPOCHS = len(TINY["seeds"]) * TINY["epochs"]


class Recorder:
    """`tools/record.py` on 64 images, in a folder of its own; counts the steps of training."""

    def __init__(self, folder, monkeypatch):
        self.module, self.folder = load_record(), folder
        self.steps, self.interrupt_at = 0, None
        self.loaded = set()
        marks = "before\n<!-- results -->\nold\n<!-- /results -->\nafter\n"
        (folder / "README.md").write_text(marks, encoding="utf-8")
        monkeypatch.setattr(self.module, "ROOT", folder)
        monkeypatch.setattr(self.module, "RECIPES", {"lenet5_modern": dict(TINY)})
        monkeypatch.setattr(data, "load", self.load)
        recorder = self

        def on_train_batch_begin(self, batch, logs=None):
            if recorder.steps == recorder.interrupt_at:
                recorder.interrupt_at = None
                raise KeyboardInterrupt
            recorder.steps += 1

        monkeypatch.setattr(
            watching.Watcher, "on_train_batch_begin", on_train_batch_begin, raising=False
        )

    def load(self, name, split, full=False):
        assert (name, full) == ("mnist", True), "a run is recorded on the complete set"
        self.loaded.add(split)
        numbers = np.random.default_rng(split == "test")
        images = numbers.integers(0, 256, (64, 28, 28, 1), dtype=np.uint8)
        return data.Dataset(images, np.arange(64, dtype=np.int32) % 10, tuple("0123456789"))

    def record(self, **options):
        self.module.record("lenet5_modern", **options)

    @property
    def place(self):
        return self.folder / "data" / "runs" / "lenet5_modern.json"

    @property
    def run(self):
        return json.loads(self.place.read_text(encoding="utf-8"))

    def files(self):
        return {
            str(path.relative_to(self.folder)): path.stat().st_mtime_ns
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != "README.md"
        }


STEPS = len(TINY["seeds"]) * TINY["epochs"] * 64 // TINY["batch_size"]


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    return Recorder(tmp_path, monkeypatch)


def test_a_run_is_recorded_once(recorder, capsys):
    recorder.record()
    assert recorder.steps == STEPS
    assert recorder.loaded == {"train", "test"}
    run = recorder.run
    assert list(run) == KEYS
    assert {**run["recipe"], "seeds": run["seeds"]} == TINY
    assert [len(history["loss"]) for history in run["history"]] == [2, 2]
    assert run["test_error"] == [
        round(100 * (1 - history["val_accuracy"][-1]), 4) for history in run["history"]
    ]
    assert str(recorder.folder) not in recorder.place.read_text(encoding="utf-8")
    assert "lenet5_modern: test error" in capsys.readouterr().out
    # The weights are the first seed's, bare, and nothing else stays behind.
    network = models.lenet5_modern()
    network.load_weights(recorder.folder / "data" / "weights" / "lenet5_modern.weights.h5")
    test = recorder.load("mnist", "test", full=True)
    batches = data.pipeline(data.scale(test.images), test.labels, 64)
    assert training.error_percent(network, batches) == pytest.approx(run["test_error"][0], abs=1e-3)
    readme = (recorder.folder / "README.md").read_text(encoding="utf-8")
    table = runs.results_table()
    assert readme == f"before\n<!-- results -->\n{table}\n<!-- /results -->\nafter\n"
    before = recorder.files()
    assert set(before) == {
        os.path.join("data", "runs", "lenet5_modern.json"),
        os.path.join("data", "weights", "lenet5_modern.weights.h5"),
    }

    recorder.record()
    assert "is there already: delete it to record the run anew" in capsys.readouterr().out
    assert recorder.steps == STEPS and recorder.files() == before

    recorder.place.unlink()
    recorder.interrupt_at = STEPS  # at the first step of a training that is really done anew
    with pytest.raises(SystemExit):
        recorder.record()


def test_an_interrupted_run_goes_on(recorder, capsys):
    recorder.interrupt_at = STEPS // 2 + 5  # in the second epoch of the second seed
    with pytest.raises(SystemExit, match="run the same command again to go on"):
        recorder.record()
    assert not recorder.place.exists()
    assert "stopped after 1 of 2 epochs" in capsys.readouterr().out

    recorder.steps = 0
    recorder.record()
    assert recorder.steps == STEPS // TINY["epochs"] // 2  # the last epoch, and no other
    assert [len(history["loss"]) for history in recorder.run["history"]] == [2, 2]


def test_what_another_recipe_has_left_is_not_gone_on_with(recorder):
    recorder.interrupt_at = 6  # in the second epoch
    with pytest.raises(SystemExit):
        recorder.record()
    recorder.module.RECIPES["lenet5_modern"].update(learning_rate=1e-3, seeds=[0])
    recorder.steps = 0
    recorder.record()
    assert recorder.steps == STEPS // 2
    assert recorder.run["recipe"]["learning_rate"] == 1e-3


def test_a_recipe_is_settled_on_images_held_out_from_training(recorder, monkeypatch):
    measured = []
    monkeypatch.setattr(
        training,
        "fit",
        lambda network, train, test, **options: measured.append((train, test)) or HISTORY,
    )
    recorder.record(hold_out=16)
    assert set(recorder.files()) == {os.path.join("build", "held-out", "lenet5_modern.json")}
    everything = data.scale(recorder.load("mnist", "train", full=True).images)
    held_out = [np.concatenate([images for images, _ in test]) for _, test in measured]
    np.testing.assert_array_equal(held_out[0], held_out[1])  # the same for each seed
    trained = np.concatenate([images for images, _ in measured[0][0]])
    assert (len(held_out[0]), len(trained)) == (16, 48)
    both = np.concatenate([held_out[0], trained]).reshape(64, -1)
    np.testing.assert_array_equal(  # every training image once, none in both parts
        both[np.lexsort(both.T)],
        everything.reshape(64, -1)[np.lexsort(everything.reshape(64, -1).T)],
    )


HISTORY = {key: [0.5] * TINY["epochs"] for key in watching.HISTORY_KEYS}


def test_a_run_of_another_name_keeps_no_weights(recorder):
    short = {**recorder.module.RECIPES.pop("lenet5_modern"), "seeds": [0], "epochs": 1}
    recorder.module.RECIPES["another"] = short
    recorder.module.record("another")
    assert set(recorder.files()) == {os.path.join("data", "runs", "another.json")}


# ---------------------------------------------------------------------------------------------
# A search for the rate, and several processes
# ---------------------------------------------------------------------------------------------

SEARCH = {"epochs": 1, "hold_out": 16, "seed": 100, "rates": [0.1, 0.2]}


@pytest.fixture
def searching(recorder, monkeypatch):
    """A recorder of a recipe with a search, whose trainings only say what they would do."""
    recipe = {**TINY, "rate_search": SEARCH, "mean_over": 2}
    del recipe["learning_rate"]
    recorder.module.RECIPES = {"lenet5_modern": recipe}
    recorder.trained = []

    def train_one(recipe, seed, state, train, test):
        recorder.trained.append((seed, recipe["learning_rate"], recipe["epochs"], len(test.images)))
        assert train.images.shape[1:] == (14, 14, 1)
        state.mkdir(parents=True)
        right = 0.9 if recipe["learning_rate"] == 0.2 else 0.5
        history = {key: [right] * recipe["epochs"] for key in watching.HISTORY_KEYS}
        return models.lenet5_modern(), history

    monkeypatch.setattr(recorder.module, "train_one", train_one)
    return recorder


def test_a_rate_is_searched_on_held_out_images_first(searching):
    searching.record()
    assert searching.trained == [
        (100, 0.1, 1, 16),
        (100, 0.2, 1, 16),
        (0, 0.2, 2, 64),
        (1, 0.2, 2, 64),
    ]
    run = searching.run
    assert run["recipe"]["learning_rate"] == 0.2 and "rate_search" not in run["recipe"]
    assert run["rate_search"] == {
        **{key: SEARCH[key] for key in ("epochs", "hold_out", "seed")},
        "tried": [
            {"rate": 0.1, "held_out_error": 50.0, "training_error": 50.0},
            {"rate": 0.2, "held_out_error": 10.0, "training_error": 10.0},
        ],
    }
    searching.record()  # it is there
    assert len(searching.trained) == 4


def test_processes_share_the_work_and_what_is_finished_can_be_kept(searching, capsys):
    with pytest.raises(SystemExit, match="the rates come first, these are missing: rate-0.1"):
        searching.record(only=["seed-0"])
    with pytest.raises(SystemExit, match="has no seed-7: choose among rate-0.1, "):
        searching.record(only=["seed-7"])
    searching.record(only=["rate-0.1", "rate-0.2", "seed-1"], keep=True)
    assert "finished but for seed-0" in capsys.readouterr().out and not searching.place.exists()
    shutil.rmtree(searching.folder / "build")  # another day, another machine
    searching.trained.clear()
    searching.record(keep=True)
    assert [seed for seed, *_ in searching.trained] == [0]
    assert set(searching.files()) == {
        os.path.join("data", "runs", "lenet5_modern.json"),
        os.path.join("data", "weights", "lenet5_modern.weights.h5"),
    }


def test_what_another_recipe_has_finished_is_left_alone(searching, capsys):
    searching.record(only=["rate-0.1"], keep=True)
    searching.module.RECIPES["lenet5_modern"]["epochs"] = 3
    searching.trained.clear()
    searching.record(only=["rate-0.1"])
    assert len(searching.trained) == 1
    assert "is of another recipe or version: left alone" in capsys.readouterr().out


def test_a_level_schedule_ends_on_a_hundredth_of_its_rate():
    curve = training.cosine_sgd(0.2, steps=100, end=0.01)._learning_rate
    rates = [float(curve(step)) for step in range(120)]
    assert rates[0] == 0 and max(rates) == pytest.approx(0.2) == rates[20]
    assert rates[100:] == pytest.approx([0.002] * 20) and min(rates[20:100]) > 0.002


def test_a_search_for_a_rate_falls_to_its_end(searching):
    """The level epochs belong to the recorded training; a search has none to spare for them."""
    recipe = searching.module.RECIPES["lenet5_modern"]
    recipe |= {"level": 1}
    levels = []
    train_one = searching.module.train_one
    searching.module.train_one = lambda recipe, *rest: (
        levels.append(recipe["level"]) or train_one(recipe, *rest)
    )
    searching.record()
    assert levels == [0, 0, 1, 1]


def test_images_are_reduced_to_the_means_of_their_windows(recorder):
    whole = recorder.load("mnist", "train", full=True).images
    reduced = recorder.module.part_of({"data": "mnist", "mean_over": 2}, "train").images
    assert reduced.dtype == np.uint8 and reduced.shape == (64, 14, 14, 1)
    means = whole[:, :2, 2:4].mean(axis=(1, 2))
    np.testing.assert_array_equal(reduced[:, 0, 1], np.rint(means))
