"""Training, watched, without a browser: what is kept, what goes on, what is refused."""

import gc
import io
import re
import subprocess
import sys
import time
import weakref
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import keras
import numpy as np
import pytest
from drawn import texts
from PIL import Image

from course_utils import data
from course_utils.explorers import training
from course_utils.explorers._training import Record, draw_record, smoothed

ROOT = Path(__file__).parents[1]
LONG = 600  # seconds that nothing here should take


def tiny(channels=1):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Flatten()]
    return keras.Sequential([keras.Input((8, 8, channels)), *layers, keras.layers.Dense(2)])


def batches(count=64, channels=1, size=8):
    """Dark images and bright ones, two classes that anything learns."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).normal(size=(count, size, size, channels)) / 4
    images = (noise + labels[:, None, None, None]).astype("float32")
    return data.pipeline(images, labels, batch_size=8, training=True)


def made(**more):
    return training(tiny(), batches(), batches(16), **more)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def same(weights, others):
    return all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))


def test_nothing_trains_before_it_is_asked():
    explorer = made()
    assert not explorer.running and explorer.wait(0)
    assert "Not trained yet: press 'train'." in texts(explorer)
    assert same(explorer.network.get_weights(), tiny().get_weights())


def test_a_training_shows_every_step_and_every_test():
    explorer = made()
    explorer.controls["epochs"].value = 4
    explorer.controls["rate"].value = 0.02
    explorer.controls["train"].click()
    assert explorer.wait(LONG)
    assert len(explorer._losses) == len(explorer._errors) == 4 * 8
    assert [step for step, _ in explorer._tests] == [8, 16, 24, 32]
    assert explorer._errors[-1] < explorer._errors[0] or explorer._errors[0] == 0
    assert "Trained 4 epochs" in explorer.drawing.alt
    # The last test error is that of the network as it now is.
    answers = [
        (np.argmax(explorer.network(images), axis=1) != labels.numpy()).mean()
        for images, labels in batches(16)
    ]
    assert explorer._tests[-1][1] == pytest.approx(100 * np.mean(answers))


def test_each_step_is_that_step_and_not_the_mean_of_the_epoch():
    explorer = made()
    explorer.controls["epochs"].value = 1
    with_steps = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            with_steps.append(float(logs["loss"]))

    explorer.train()
    explorer.wait(LONG)
    means = np.cumsum(explorer._losses) / np.arange(1, 9)
    other = tiny()
    from course_utils.training import fit

    fit(other, batches(), epochs=1, live="silent", callbacks=[Watch()])
    assert means == pytest.approx(with_steps, rel=1e-4)


def test_stopping_keeps_what_was_learned_and_training_goes_on_from_there():
    explorer = made()
    explorer.controls["epochs"].value = 20
    first = explorer.network.get_weights()
    explorer.train()
    until(lambda: len(explorer._losses) > 10)
    explorer.controls["stop"].click()
    assert explorer.wait(LONG) and 10 < len(explorer._losses) < 160
    learned = explorer.network.get_weights()
    assert not same(learned, first)
    assert "the network keeps what it has learned" in explorer.drawing.alt
    done = len(explorer._losses)
    assert np.array_equal(explorer._now, learned[0])
    explorer.controls["epochs"].value = 1
    explorer.train()
    explorer.wait(LONG)
    assert len(explorer._losses) == done + 8
    assert np.mean(explorer._losses[done:]) < explorer._losses[0]
    assert not same(explorer.network.get_weights(), learned)


def test_starting_over_gives_the_first_weights_but_not_while_it_trains():
    explorer = made()
    first = explorer.network.get_weights()
    explorer.controls["epochs"].value = 20
    explorer.train()
    until(lambda: len(explorer._losses) > 3)
    assert explorer.controls["start_over"].disabled and explorer.controls["train"].disabled
    explorer.start_over()
    assert explorer.running and len(explorer._losses) > 3
    explorer.stop()
    assert explorer.wait(LONG) and explorer.controls["stop"].disabled
    learned = explorer.network.get_weights()
    explorer.controls["start_over"].click()
    assert same(explorer.network.get_weights(), learned), "it asks once more"
    explorer.controls["start_over"].click()
    assert same(explorer.network.get_weights(), first)
    assert explorer._losses == [] and "Not trained yet" in explorer.drawing.alt


def test_a_second_click_on_train_does_nothing():
    explorer = made()
    explorer.controls["epochs"].value = 20
    explorer.train()
    thread = explorer._thread
    explorer.controls["train"].click()
    assert explorer._thread is thread
    explorer.stop()
    assert explorer.wait(LONG)


def test_an_interrupted_wait_stops_the_training(monkeypatch):
    explorer = made()
    explorer.controls["epochs"].value = 20
    explorer.train()
    until(lambda: len(explorer._losses) > 3)
    join, calls = explorer._thread.join, []

    def interrupted(timeout=None):
        calls.append(timeout)
        if len(calls) == 1:
            raise KeyboardInterrupt
        join(timeout)

    monkeypatch.setattr(explorer._thread, "join", interrupted)
    assert explorer.wait()
    assert len(explorer._losses) < 160


def test_start_begins_at_once():
    explorer = made(start=True)
    assert explorer.wait(LONG)
    assert len(explorer._losses) == 3 * 8


def test_a_failure_is_said_in_place_and_the_buttons_work_again():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Dense(2)]
    explorer = training(keras.Sequential(layers), batches())  # a score at each place: no labels
    explorer.train()
    assert explorer.wait(LONG)
    assert "The training failed:" in explorer.problem
    assert 'role="alert"' in explorer._message.value
    assert not explorer.controls["train"].disabled
    explorer.network = tiny()
    explorer.train()
    assert explorer.wait(LONG)
    assert explorer.problem == "" and "Trained" in explorer.drawing.alt


def test_a_failure_without_words_is_said_by_its_name(monkeypatch):
    def fails(*_, **__):
        raise AssertionError

    monkeypatch.setattr("course_utils.training.fit", fails)
    explorer = made(start=True)
    assert explorer.wait(LONG), "it would never be ready again"
    assert explorer.problem == "The training failed: AssertionError"
    assert not explorer.controls["train"].disabled


def test_stop_is_heard_while_the_test_is_measured():
    explorer = training(tiny(), batches(), batches(16).repeat(100_000))  # minutes of measuring
    explorer.train()
    until(lambda: len(explorer._losses) == 8)
    explorer.stop()
    assert explorer.wait(30)
    assert explorer._tests == [] and "Trained 1 epoch; " in explorer.drawing.alt


def test_it_can_be_drawn_at_any_moment():
    explorer, problems = made(), []

    class Drawn(list):
        def append(self, number):
            super().append(number)
            explorer.redraw()
            problems.append(explorer.problem)

    explorer._losses, explorer._errors, explorer._tests = Drawn(), Drawn(), Drawn()
    explorer.controls["epochs"].value = 1
    explorer.train()
    assert explorer.wait(LONG)
    assert problems == [""] * (8 + 8 + 1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"network": "lenet"}, "network: a Keras model is needed, not str"),
        ({"network": tiny, "train": np.zeros((4, 8, 8, 1))}, "train: batches of (images, labels)"),
        ({"network": tiny}, "train: the network takes images of 8×8×1, these are 28×28×1"),
        ({"network": keras.Sequential([keras.layers.Dense(2)])}, "begin it with keras.Input"),
        (
            {"network": tiny, "train": batches(), "test": batches(16, size=9)},
            "test: the network takes images of 8×8×1, these are 9×9×1",
        ),
        (
            {"network": tiny, "train": batches().map(lambda images, labels: images)},
            "train: batches of (images, labels) are needed",
        ),
    ],
)
def test_what_makes_no_sense_is_said_in_place(arguments, problem):
    arguments = {name: each() if each is tiny else each for name, each in arguments.items()}
    assert problem in training(**arguments).problem


def test_a_network_without_a_convolution_is_trained_all_the_same():
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    explorer = training(keras.Sequential(layers), batches())
    assert any("no convolution" in text for text in texts(explorer))
    explorer.train()
    explorer.wait(LONG)
    assert explorer.problem == "" and explorer._tests == []


def test_the_default_is_a_lenet_that_has_learned_nothing():
    explorer = training()
    assert explorer.network.name.startswith("lenet5") and explorer.problem == ""
    assert "the first 6 filters of the first convolution" in texts(explorer)


def test_the_running_mean_begins_without_a_bias():
    assert smoothed([5.0, 5.0, 5.0]) == pytest.approx([5, 5, 5])
    assert len(smoothed([])) == 0
    assert smoothed([0.0] * 50 + [1.0])[-1] == pytest.approx(0.1, rel=0.02)


def test_the_picture_bears_any_numbers():
    kernels = np.random.default_rng(0).normal(size=(3, 3, 3, 40))
    for losses in ((), (np.nan, 1), (np.inf, 2), (1e9, 2.0), tuple(np.linspace(3, 0, 5000))):
        errors = tuple(50.0 for _ in losses)
        lost = np.full_like(kernels, losses[0] if losses else np.nan)
        drawing = draw_record(Record(losses, errors, ((1, 0.0),), kernels, lost, "words", 10))
        assert drawing.alt and ElementTree.fromstring(drawing.svg()).get("role") == "img"
        places = re.findall(r'points="([^"]*)"', drawing.svg())
        assert places and not any("nan" in each or "inf" in each for each in places)
        assert len(drawing.svg()) < 60_000
        assert Image.open(io.BytesIO(drawing.png())).width == 1520


def test_ten_trainings_leave_nothing_behind():
    made_once = training()  # the images of MNIST are read once, and kept
    explorers, batches_of = [], set()
    for _ in range(10):
        explorer = training()
        batches_of.add(id(explorer._batches))
        explorers.append(weakref.ref(explorer))
        explorers.append(weakref.ref(explorer.view))
        del explorer
    gc.collect()
    assert [reference for reference in explorers if reference() is not None] == []
    assert batches_of == {id(made_once._batches)}


def test_a_training_that_nobody_names_ends_by_itself():
    explorer = made(start=True)
    explorer, thread = weakref.ref(explorer), explorer._thread
    thread.join(LONG)
    gc.collect()
    assert explorer() is None


def test_closing_stops_the_training():
    explorer = made()
    explorer.controls["epochs"].value = 20
    explorer.train()
    until(lambda: len(explorer._losses) > 3)
    explorer.close()
    assert explorer.wait(LONG) and len(explorer._losses) < 160


def test_python_ends_while_it_trains():
    code = (
        "import sys; sys.path.insert(0, 'tests'); from course_utils import explorers\n"
        "explorer = explorers.training(start=True)\n"
        "import time\n"
        "while len(explorer._losses) < 3: time.sleep(0.05)\n"
        "print('end')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip().endswith("end"), done.stderr[-2000:]
