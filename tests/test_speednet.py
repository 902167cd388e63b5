"""`course_utils/speednet.py`, its recorded runs, the climb to it, and the list of all who raced."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import csv
import importlib.util
import sys
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from keras import ops

from course_utils import data, runs, speednet, training
from course_utils.anatomy import anatomy

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))  # record.py imports its neighbour


def load(name):
    """A tool as a module of its own, which a test may change."""
    specification = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


SPEEDRUN, RECORD = load("speedrun"), load("record")
SMALL = (8, 16, 16)


@pytest.fixture(scope="module")
def photographs():
    return data.load("cifar10", "train")


@pytest.fixture
def model(photographs):
    keras.utils.set_random_seed(0)
    network = speednet.network(SMALL)
    speednet.whiten(network, photographs.images)
    return network


# ---------------------------------------------------------------------------------------------
# The network
# ---------------------------------------------------------------------------------------------


def test_the_essay_is_short_enough_to_be_read():
    lines = Path(speednet.__file__).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 300


def test_its_first_lines_are_the_result():
    run = runs.recorded_run("speednet")
    right = 100 - np.mean(run["test_error"])
    minutes = np.mean([sum(history["seconds"]) for history in run["history"]]) / 60
    first = " ".join(speednet.__doc__.split("\n\n")[1].split())
    assert first.startswith(f"{right:.2f} % right on the test set after {speednet.EPOCHS} epochs")
    assert f"in {minutes:.0f} minutes" in first
    assert f"(seed {', '.join(map(str, run['seeds']))};" in first


def test_whitened_windows_are_uncorrelated_and_of_deviation_1(model, photographs):
    first = model.get_layer("whitening")
    assert not first.kernel.trainable and first.bias.trainable
    shown = data.scale(photographs.images[:500], **speednet.SCALE)
    maps = np.array(ops.conv(shown, first.kernel))
    np.testing.assert_allclose(maps[..., 12:], -maps[..., :12], atol=1e-4)
    rows = maps[..., :12].reshape(-1, 12)
    covariance = rows.T @ rows / len(rows)
    beside = covariance - np.diag(np.diag(covariance))
    assert np.abs(beside).max() < 0.1  # 500 photographs are not quite the 5,000
    assert np.diag(covariance)[-6:] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("channels", "filters"), [(3, 8), (8, 3), (5, 5)])
def test_a_straight_start_hands_its_maps_on(channels, filters):
    kernel = np.array(speednet.Straight()((3, 3, channels, filters)))
    maps = np.random.default_rng(0).normal(size=(1, 6, 6, channels)).astype("float32")
    after = np.array(ops.conv(maps, kernel, padding="same"))
    both = min(channels, filters)
    np.testing.assert_array_equal(after[..., :both], maps[..., :both])
    assert np.all(np.abs(kernel) <= 1) and len(np.unique(kernel)) > 2 or filters <= channels


def test_smoothed_loss_by_hand():
    scores = np.random.default_rng(0).normal(size=(3, 10)).astype("float32")
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    target = np.full((3, 10), 0.02)
    target[np.arange(3), [1, 0, 9]] = 0.82
    expected = -(target * np.log(shares)).sum(axis=1)
    for labels in ([1, 0, 9], [[1], [0], [9]]):
        given = np.array(speednet.smoothed_loss(np.array(labels), scores))
        np.testing.assert_allclose(given, expected, rtol=1e-5)


# ---------------------------------------------------------------------------------------------
# The optimizer
# ---------------------------------------------------------------------------------------------


def polynomial(strengths, rounds=3):
    for _ in range(rounds):
        strengths = 3.4445 * strengths - 4.775 * strengths**3 + 2.0315 * strengths**5
    return strengths


@pytest.mark.parametrize("shape", [(27, 8), (9, 9), (8, 27)])
def test_orthogonal_changes_singular_values_and_nothing_else(shape):
    matrix = np.random.default_rng(0).normal(size=shape).astype("float32")
    left, strengths, right = np.linalg.svd(matrix, full_matrices=False)
    expected = left * polynomial(strengths / np.linalg.norm(strengths)) @ right
    given = np.array(speednet.orthogonal(ops.convert_to_tensor(matrix)))
    np.testing.assert_allclose(given, expected, atol=1e-4)


def test_a_step_of_muon_by_hand():
    """Filters turn and keep their size; the dense layer and the biases follow SGD."""
    rng = np.random.default_rng(0)
    shapes = {"conv": (3, 3, 4, 6), "dense": (5, 10), "bias": (6,), "whitening": (7,)}
    values = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    slopes = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    weights = [keras.Variable(value, name=name) for name, value in values.items()]
    optimizer = speednet.Muon(steps=4, first=1, batch_size=100)
    optimizer.build(weights)
    velocity = {name: np.zeros(shape) for name, shape in shapes.items()}
    for step in range(2):
        optimizer.apply([ops.convert_to_tensor(slope) for slope in slopes.values()], weights)
        share = 1 - step / 4
        for name, slope in slopes.items():
            value = values[name]
            if name == "conv":
                velocity[name] = 0.6 * velocity[name] + slope
                turned = (slope + 0.6 * velocity[name]).reshape(-1, 6)
                left, strengths, right = np.linalg.svd(turned, full_matrices=False)
                turned = left * polynomial(strengths / np.linalg.norm(strengths)) @ right
                value = value * np.sqrt(6) / np.linalg.norm(value)
                values[name] = value - 0.24 * share * turned.reshape(value.shape)
                continue
            rate = 100 * (0.67 if name == "dense" else 0.053)
            slope = slope + 2e-6 * 100 / rate * value
            velocity[name] = 0.85 * velocity[name] + slope
            left_over = max(1 - step, 0) if name == "whitening" else share
            values[name] = value - rate * left_over * (slope + 0.85 * velocity[name])
    for name, weight in zip(values, weights, strict=True):
        np.testing.assert_allclose(np.array(weight), values[name], rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------------------------------------
# The batches and the views
# ---------------------------------------------------------------------------------------------


def numbered(count=40):
    """Images that can be told apart, and where each row and column can be: a ramp of its own."""
    ramp = np.arange(32, dtype=np.uint8)
    images = np.zeros((count, 32, 32, 3), np.uint8)
    images[..., 0], images[..., 1] = ramp[:, None], ramp
    images[..., 2] = np.arange(count)[:, None, None]
    return images, np.arange(count)


def epochs_of(batches, count):
    """For each epoch the images as bytes, in the order of their labels."""
    for _ in range(count):
        parts = zip(*batches.as_numpy_iterator(), strict=True)
        images, labels = (np.concatenate(part) for part in parts)
        order = np.argsort(labels)
        yield np.rint((images[order] + 2) * 63.75).astype(int), labels[order]


def test_pictures_are_mirrored_in_turn_and_moved_by_two_pixels_at_most():
    images, labels = numbered()
    batches = speednet.batches(images, labels, batch_size=20, seed=1)
    assert int(batches.cardinality()) == 2
    ways = []
    for shown, order in epochs_of(batches, 4):
        assert list(order) == list(labels)
        assert list(shown[:, 9, 9, 2]) == list(labels)  # each with its own label
        ways.append(shown[:, 16, 15, 1] > shown[:, 16, 16, 1])
        straight = np.where(ways[-1][:, None, None, None], shown[:, :, ::-1], shown)
        moves = straight[:, 16, 16, :2] - 16
        assert np.abs(moves).max() == 2
    assert 0 < np.mean(ways[0]) < 1
    assert np.all(ways[0] != ways[1]) and np.all(ways[0] == ways[2]) and np.all(ways[1] == ways[3])


def test_a_coin_for_every_epoch_is_not_in_turn():
    batches = speednet.batches(*numbered(), batch_size=40, alternate=False)
    ways = [shown[:, 16, 15, 1] > shown[:, 16, 16, 1] for shown, _ in epochs_of(batches, 2)]
    assert 0 < np.mean(ways[0] == ways[1]) < 1


def test_the_seed_and_the_epoch_decide_what_is_shown():
    def shown(seed, epoch):
        batches = speednet.batches(*numbered(), batch_size=20, seed=seed)
        batches.epoch.assign(epoch)
        return next(batches.as_numpy_iterator())[0]

    np.testing.assert_array_equal(shown(3, 1), shown(3, 1))
    assert not np.array_equal(shown(3, 1), shown(4, 1))
    assert not np.array_equal(shown(3, 1), shown(3, 2))


def test_six_views_by_hand(model):
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    views = {0: images, 1: padded[:, :-2, :-2], 2: padded[:, 2:, 2:]}
    logits = [
        (np.array(model(view)) + np.array(model(view[:, :, ::-1]))) / 2 for view in views.values()
    ]
    expected = logits[0] / 2 + (logits[1] + logits[2]) / 4
    given = np.array(speednet.with_views(model)(images))
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_it_learns(photographs):
    images, labels = photographs.images[:100], photographs.labels[:100]
    model, history = speednet.train(images, labels, 0, 15, 50, SMALL, live="silent")
    assert history["accuracy"][-1] > 0.4 > history["accuracy"][0]
    batches = data.pipeline(data.scale(images, **speednet.SCALE), labels, 100)
    assert training.error_percent(speednet.with_views(model), batches) < 60


# ---------------------------------------------------------------------------------------------
# What was recorded
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPEEDRUN.RECIPES)
def test_every_recipe_is_recorded_and_measured_once(name):
    recipe, run = SPEEDRUN.RECIPES[name], runs.recorded_run(name)
    assert RECORD.is_recorded(ROOT / "data" / "runs" / f"{name}.json", recipe)
    for history in run["history"]:
        assert history["val_accuracy"][:-1] == [None] * (recipe["epochs"] - 1)


def test_the_climb_never_sees_a_test_image(monkeypatch):
    """The numbers stand for images: 0 to 49,999 are of the training set, the others of the test."""
    sets = {"train": np.arange(50_000), "test": np.arange(50_000, 60_000)}

    def numbers(name, split, full):
        count = len(sets[split])
        images = np.zeros((count, 2, 2, 3), np.uint8)
        return data.Dataset(images, sets[split], ("",) * 10)

    monkeypatch.setattr(data, "load", numbers)
    for name, recipe in SPEEDRUN.RECIPES.items():
        if name == "speednet":
            continue
        shown, measured = RECORD.images_of(recipe, recipe["hold_out"])
        assert max(*shown.labels, *measured.labels) < 50_000
        assert not set(shown.labels) & set(measured.labels)


def test_the_rate_of_sgd_was_searched_on_held_out_images():
    """For the two steps after `batch` it is the one found there: 0.8, the middle of three."""
    chosen = runs.recorded_run("climb_batch")["recipe"]["learning_rate"]
    assert {
        SPEEDRUN.RECIPES[f"climb_{name}"]["learning_rate"] for name in ("whitening", "start")
    } == {chosen}


def test_a_step_of_the_climb_changes_one_thing_and_spends_as_much():
    names, rates = [f"climb_{name}" for name in SPEEDRUN.CHANGES], {"rate_search", "learning_rate"}
    work = [SPEEDRUN.operations(SPEEDRUN.RECIPES[name], 5000, 0) for name in names]
    assert max(work) / min(work) < 1.03
    for one, other in zip(names[1:], names[2:], strict=False):
        before, after = SPEEDRUN.RECIPES[one], SPEEDRUN.RECIPES[other]
        changed = {key for key in before if before[key] != after.get(key)} - rates
        assert len(changed) == 1, (one, other, changed)


# ---------------------------------------------------------------------------------------------
# The list of all who raced
# ---------------------------------------------------------------------------------------------


def check_line(line):
    """One line of the leaderboard, as a reader would look at it."""
    assert tuple(line) == SPEEDRUN.COLUMNS and all(line.values())
    assert 10 <= float(line["accuracy"]) <= 100 and 0 < float(line["minutes"]) < 1000
    assert 1e9 < float(line["operations"]) < 1e17
    assert int(line["epochs"]) > 0 and int(line["seed"]) >= 0
    assert line["precision"] in ("float32", "bfloat16", "float16")
    assert "cores" in line["hardware"] and "/" not in line["hardware"]
    for package in ("python", "tensorflow", "keras"):
        assert line[package].split(".")[0].isdigit()


def test_every_line_of_the_leaderboard_can_be_believed():
    with SPEEDRUN.LEADERBOARD.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert lines
    for line in lines:
        check_line(line)


def test_a_speedrun_ends_in_a_line_for_the_list(monkeypatch, capsys, photographs):
    part = photographs._replace(images=photographs.images[:60], labels=photographs.labels[:60])
    monkeypatch.setattr(data, "load", lambda name, split, full: part)
    small = {"options": {"filters": SMALL}, "batch_size": 20, "epochs": 2}
    monkeypatch.setattr(SPEEDRUN, "SPEEDNET", {**SPEEDRUN.SPEEDNET, **small})
    SPEEDRUN.main(seed=7, precision=None)
    last = capsys.readouterr().out.splitlines()[-1]
    (line,) = csv.DictReader([last], SPEEDRUN.COLUMNS)
    check_line(line)
    assert line["seed"] == "7" and line["epochs"] == "2"


def test_what_is_no_picture_of_cifar_is_refused():
    network = speednet.network((8, 8, 8))
    for images in (np.zeros((3, 32, 32, 1), np.uint8), np.zeros((0, 32, 32, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"bytes of the shape \(n, 32, 32, 3\)"):
            speednet.whiten(network, images)


def test_a_matrix_of_16_bits_is_turned_in_32():
    large = (10 * np.random.default_rng(0).normal(size=(100, 100))).astype("float16")
    sizes = np.linalg.svd(np.array(speednet.orthogonal(large)), compute_uv=False)
    assert np.median(sizes) > 0.5


def test_the_notebook_asks_about_the_cost_that_the_network_and_its_run_have():
    notebook = nbformat.read(ROOT / "notebooks" / "13_speedrun.ipynb", as_version=4)
    asked = next(cell.source for cell in notebook.cells if cell.id == "cost-guess")
    cost, epochs = anatomy(speednet.network), runs.recorded_run("speednet")["recipe"]["epochs"]
    assert f"{cost.multiply_adds:,} multiply-adds a picture, {epochs} epochs" in asked
