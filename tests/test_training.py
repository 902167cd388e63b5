"""Training on a few hundred points: what is recorded, what an interruption keeps, what is shown."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import base64
import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import IPython.display
import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import checkpoints, data, models, training, watching
from course_utils.runs import recorded_run
from course_utils.training import error_percent, fit, set_seed
from course_utils.watching import HISTORY_KEYS

ROOT = Path(__file__).parents[1]
STEPS = 6  # batches in an epoch


def examples(count=STEPS * 32, seed=0):
    """Images of 4×4, and whether they are bright."""
    images = np.random.default_rng(seed).standard_normal((count, 4, 4, 1)).astype("float32")
    return images, (images.sum(axis=(1, 2, 3)) > 0).astype("int32")


@functools.cache
def dealt_batches():
    return data.pipeline(*examples(), 32, training=True)


def train_batches():
    """From epoch 0; made once, because TensorFlow traces each pipeline anew."""
    dealt_batches().epoch.assign(0)
    return dealt_batches()


@functools.cache
def held_out_batches():
    return data.pipeline(*examples(100, seed=1), 50)


def network(seed=0, units=8):
    set_seed(seed)
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "relu"),
            keras.layers.Dense(2),
        ],
        name="small",
    )


def quick_fit(model, **options):
    """`fit` on the examples, in lines; `test=None` leaves out what takes a third of the time."""
    options = {"epochs": 2, "live": False, "test": held_out_batches(), **options}
    return fit(model, train_batches(), **options)


def steady():
    """An optimizer whose rate does not depend on the number of epochs."""
    return keras.optimizers.Adam(1e-3)


@pytest.fixture
def interrupt_at(monkeypatch):
    """Give a function: from now on, Ctrl-C is pressed once after so many training steps."""

    def arrange(step):
        left = [step]

        def on_train_batch_begin(self, batch, logs=None):
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt

        monkeypatch.setattr(
            watching.Watcher, "on_train_batch_begin", on_train_batch_begin, raising=False
        )

    return arrange


# ---------------------------------------------------------------------------------------------
# The history
# ---------------------------------------------------------------------------------------------


def test_a_history_has_one_number_for_each_epoch(finished):
    history, _ = finished
    assert tuple(history) == HISTORY_KEYS
    for values in history.values():
        assert len(values) == 3
        assert all(isinstance(value, float) and value >= 0 for value in values)
    assert all(value > 0 for value in history["seconds"])
    json.dumps(history)  # plain numbers, so that it can be kept


def test_a_network_learns():
    model = network()
    before = error_percent(model, held_out_batches())
    history = quick_fit(model, epochs=10, learning_rate=0.05)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert error_percent(model, held_out_batches()) < 10 < before
    assert 100 * (1 - history["val_accuracy"][-1]) == pytest.approx(
        error_percent(model, held_out_batches()), abs=1e-4
    )


def test_the_same_seed_gives_the_same_history():
    one, same, other = (quick_fit(network(seed), epochs=1) for seed in (1, 1, 2))
    for key in HISTORY_KEYS[:-1]:
        assert one[key] == same[key]
    assert one["loss"] != other["loss"]


def test_without_a_test_set_nothing_is_measured_on_it():
    history = fit(network(), train_batches(), epochs=2, live=False)
    assert tuple(history) == HISTORY_KEYS
    assert history["val_loss"] == history["val_accuracy"] == []
    assert len(history["loss"]) == len(history["seconds"]) == 2


def test_the_default_is_adam_on_half_a_cosine():
    model, steps = network(), np.arange(2 * STEPS + 1)
    quick_fit(model, learning_rate=0.01)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    rates = [model.optimizer._learning_rate(step) for step in steps]
    expected = 0.01 * (1 + np.cos(np.pi * steps / steps[-1])) / 2
    np.testing.assert_allclose(rates, expected, atol=1e-7)
    assert int(model.optimizer.iterations) == steps[-1]


def test_an_optimizer_and_a_loss_of_ones_own_are_used():
    model = network()
    before = model.get_weights()
    history = quick_fit(
        model,
        optimizer=keras.optimizers.SGD(0.0),
        loss=lambda labels, logits: 7 + 0 * keras.ops.sum(logits, axis=-1),
    )
    assert history["loss"] == [7, 7]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("precision", training.PRECISIONS)
@pytest.mark.parametrize("loss", [None, keras.losses.SparseCategoricalCrossentropy(True)])
def test_tensorflow_traces_the_step_once(loss, precision, monkeypatch):
    """Twice takes twice as long to begin: so it does where the step itself builds something."""
    traced, step = [], keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda *given: traced.append(given) or step(*given)
    )
    quick_fit(network(), loss=loss, precision=precision, test=None)
    assert len(traced) == 1


IN_A_PROCESS_OF_ITS_OWN = """
import os

import keras
import numpy as np
import tensorflow as tf

halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
tf.zeros(1) + 1
os.write(2, b"started")
from course_utils import data, models, training

images, labels = np.random.default_rng(0).random((64, 32, 32, 1), "float32"), np.arange(64) % 10
batches = data.pipeline(images, labels, 32, training=True)
training.fit(models.lenet5(), batches, batches, 1, loss=models.lenet5_loss)
os.write(2, b"trained")

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    layers = [keras.Input((32, 32, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
before = model.get_weights()
training.fit(model, batches, epochs=1, live="silent")
for old, new in zip(before, model.get_weights()):
    assert not np.array_equal(old, new)
assert model.optimizer.iterations.numpy() == 2  # a step of both, not one of each
for variable in model.weights:
    one, other = variable.value.values
    assert np.array_equal(one, other)
print("both devices learned")
"""


@pytest.fixture(scope="module")
def own_process():
    """What two trainings write in a process where nothing has been traced or warned about yet."""
    command = [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)


def test_a_first_training_writes_nothing_to_stderr_once_tensorflow_has_started(own_process):
    assert own_process.stderr.partition("started")[2].partition("trained")[:2] == ("", "trained")
    assert own_process.stdout.startswith("lenet5: 1 epoch in")


def test_a_network_on_two_devices_learns(own_process):
    assert own_process.returncode == 0, own_process.stderr
    assert own_process.stdout.endswith("both devices learned\n")


@pytest.mark.parametrize("epochs", [0, -1])
def test_at_least_one_epoch_must_be_asked_for(epochs):
    with pytest.raises(ValueError, match=f"epochs must be at least 1, not {epochs}"):
        quick_fit(network(), epochs=epochs)


def test_a_training_set_without_a_batch_is_refused():
    with pytest.raises(ValueError, match="train has no batch: give more images"):
        fit(network(), train_batches().take(0), live=False)


def test_a_training_set_of_unknown_length_is_refused():
    with pytest.raises(ValueError, match="train never ends: leave out repeat"):
        fit(network(), train_batches().repeat(), live=False)
    with pytest.raises(ValueError, match="how many batches"):
        fit(network(), train_batches().filter(lambda *batch: True), live=False)


def test_arrays_are_no_batches():
    with pytest.raises(ValueError, match="train must be batches: data.pipeline"):
        fit(network(), (np.zeros((4, 2)), np.zeros(4)), live=False)
    with pytest.raises(ValueError, match="epochs must be a whole number, not 1.5"):
        fit(network(), train_batches(), epochs=1.5, live=False)
    with pytest.raises(ValueError, match="no batch to measure on"):
        training.error_percent(network(), [])


# ---------------------------------------------------------------------------------------------
# The error
# ---------------------------------------------------------------------------------------------


def test_the_error_is_the_share_of_wrong_answers():
    # The answer of this network is the first number of its image.
    model = keras.Sequential([keras.Input((1,)), keras.layers.CategoryEncoding(3, "one_hot")])
    answers, labels = np.array([[0], [1], [2], [2], [1]]), np.array([0, 1, 0, 2, 2])
    batches = tf.data.Dataset.from_tensor_slices((answers, labels))
    # Batches of 2, 2 and 1: each image counts the same, not each batch.
    assert error_percent(model, batches.batch(2)) == 40
    assert error_percent(model, batches.take(2).batch(2)) == 0
    assert error_percent(model, batches.skip(4).batch(2)) == 100


# ---------------------------------------------------------------------------------------------
# Interruption and checkpoints
# ---------------------------------------------------------------------------------------------


def test_an_interruption_keeps_what_was_learned(interrupt_at, capsys):
    model, untouched = network(), network().get_weights()
    interrupt_at(STEPS + 3)  # within the second epoch
    history = quick_fit(model, epochs=5)
    assert {len(values) for values in history.values()} == {1}
    assert int(model.optimizer.iterations) == STEPS + 3  # the half epoch is kept too
    assert not np.array_equal(model.get_weights()[0], untouched[0])
    assert "small: stopped after 1 of 5 epochs" in capsys.readouterr().out


def test_an_interruption_within_the_first_epoch_is_no_error(interrupt_at, capsys):
    interrupt_at(2)
    assert quick_fit(network()) == {key: [] for key in HISTORY_KEYS}
    assert "stopped after 0 of 2 epochs" in capsys.readouterr().out


def test_a_callback_of_ones_own_is_called_and_may_stop_the_training(capsys):
    class Stop(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == STEPS + 2:
                raise KeyboardInterrupt

    stop, model = Stop(), network()
    first = model.get_weights()
    history = quick_fit(model, epochs=3, callbacks=[stop])
    assert stop.steps == STEPS + 2
    assert len(history["loss"]) == len(history["val_loss"]) == 1
    assert any((old != new).any() for old, new in zip(first, model.get_weights(), strict=True))
    assert "stopped after 1 of 3 epochs" in capsys.readouterr().out


def state_of(model):
    """Everything that a training changes: weights, and the optimizer's own variables."""
    variables = [*model.weights, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def test_a_training_goes_on_from_its_checkpoint(interrupt_at, tmp_path):
    first = network()
    interrupt_at(2 * STEPS)
    before = quick_fit(first, epochs=4, checkpoints=tmp_path / "kept")
    assert len(before["loss"]) == 2
    after_two = state_of(first)

    second = network(seed=5)
    interrupt_at(0)  # before its first step
    assert quick_fit(second, epochs=4, checkpoints=tmp_path / "kept") == before
    found = state_of(second)
    assert len(found) == len(after_two) > 8
    for old, new in zip(after_two, found, strict=True):
        np.testing.assert_array_equal(old, new)
    assert int(second.optimizer.iterations) == 2 * STEPS

    third = network(seed=6)
    history = quick_fit(third, epochs=4, checkpoints=str(tmp_path / "kept"))
    assert {len(values) for values in history.values()} == {4}
    for key in HISTORY_KEYS:
        assert history[key][:2] == before[key]  # not trained again
    assert int(third.optimizer.iterations) == 4 * STEPS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The history and the folder of a training over three epochs. Copy it before you change it."""
    folder = tmp_path_factory.mktemp("finished")
    return quick_fit(network(), epochs=3, checkpoints=folder, optimizer=steady()), folder


def as_finished():
    """A network that is compiled as that of `finished`, and what its training is of."""
    model = network(seed=4)
    model.compile(steady(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, checkpoints.recipe(model, train_batches())


@pytest.fixture
def kept(finished, tmp_path):
    """The same, to do with as you like."""
    history, folder = finished
    return history, Path(shutil.copytree(folder, tmp_path / "kept"))


def test_an_interruption_within_an_epoch_goes_on_before_it(interrupt_at, tmp_path):
    interrupt_at(STEPS + 3)
    quick_fit(network(), epochs=3, checkpoints=tmp_path)
    model = network()
    history = quick_fit(model, epochs=3, checkpoints=tmp_path)
    assert len(history["loss"]) == 3
    assert int(model.optimizer.iterations) == 3 * STEPS  # the half epoch does not count twice


def test_a_finished_training_is_only_read(kept, interrupt_at):
    history, folder = kept
    model = network(seed=3)
    interrupt_at(0)
    assert quick_fit(model, epochs=3, checkpoints=folder, optimizer=steady()) == history
    assert int(model.optimizer.iterations) == 3 * STEPS


def test_only_the_last_two_checkpoints_are_kept(kept):
    assert sorted(path.name for path in kept[1].iterdir()) == ["epoch-0002", "epoch-0003"]


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scramble(path):
    content = path.read_bytes()
    path.write_bytes(content[:96] + bytes(len(content) - 96))


def compress_oddly(path):
    """As a disk may alter the number of the way in which an archive's first file is compressed."""
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 99
    path.write_bytes(content)


def lose_an_array(path):
    with np.load(path) as state:
        np.savez(path, *[state[name] for name in state.files[:-1]])


@pytest.mark.parametrize(
    "damage, part",
    [
        (truncate, "history.json"),
        (truncate, "state.npz"),
        (scramble, "state.npz"),
        (Path.unlink, "state.npz"),
        (compress_oddly, "state.npz"),
        (lose_an_array, "state.npz"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(damage, part, kept, capsys):
    whole, folder = kept
    damage(folder / "epoch-0003" / part)
    model, recipe = as_finished()
    history, _ = checkpoints.resume(folder, model, recipe)
    (told,) = capsys.readouterr().out.splitlines()
    assert "epoch-0003 cannot be read" in told and "trying the checkpoint before it" in told
    assert history == {key: values[:2] for key, values in whole.items()}
    assert int(model.optimizer.iterations) == 2 * STEPS


def test_what_is_trained_anew_takes_the_place_of_a_damaged_checkpoint(kept, capsys):
    whole, folder = kept
    truncate(folder / "epoch-0003" / "state.npz")
    model = network(seed=4)
    history = quick_fit(model, epochs=3, checkpoints=folder, optimizer=steady())
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and "epoch-0003 cannot be read" in told[0]
    assert told[1].startswith("small: 3 epochs")
    assert {len(values) for values in history.values()} == {3}
    assert history["loss"][:2] == whole["loss"][:2]
    assert int(model.optimizer.iterations) == 3 * STEPS
    told = json.loads((folder / "epoch-0003" / "history.json").read_text())
    assert told["history"] == history
    np.load(folder / "epoch-0003" / "state.npz")


def test_a_half_written_checkpoint_is_ignored(kept):
    whole, folder = kept
    (folder / "epoch-0003").rename(folder / "half-done")
    truncate(folder / "half-done" / "state.npz")
    history = quick_fit(network(), epochs=3, checkpoints=folder, optimizer=steady())
    assert history["loss"][:2] == whole["loss"][:2]
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-0002", "epoch-0003"]


def test_an_interruption_while_a_checkpoint_is_written_loses_nothing(kept, monkeypatch):
    whole, folder = kept

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.os, "replace", interrupted)
    assert len(quick_fit(network(), epochs=5, checkpoints=folder, optimizer=steady())["loss"]) == 4
    assert (folder / "half-done").exists()
    monkeypatch.undo()
    model = network()
    history = quick_fit(model, epochs=4, checkpoints=folder, optimizer=steady())
    assert len(history["loss"]) == 4 and history["loss"][:3] == whole["loss"]
    assert int(model.optimizer.iterations) == 4 * STEPS


def test_a_training_that_goes_on_is_the_one_that_never_stopped(interrupt_at, tmp_path):
    """Order of the images, dropout's seeds, momentum and learning rate: all as if."""

    def dropping():
        set_seed(0)
        shape, layers = keras.Input((4, 4, 1)), keras.layers
        return keras.Sequential([shape, layers.Flatten(), layers.Dropout(0.5), layers.Dense(2)])

    whole = dropping()
    expected = quick_fit(whole, epochs=4)
    interrupt_at(2 * STEPS + 3)
    quick_fit(dropping(), epochs=4, checkpoints=tmp_path)
    set_seed(77)
    model = dropping()
    history = quick_fit(model, epochs=4, checkpoints=tmp_path)
    for key in HISTORY_KEYS[:-1]:
        assert history[key] == expected[key]
    for one, other in zip(state_of(whole), state_of(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_killed_three_times_ends_with_the_same_weights(tmp_path):
    """By hand with more: `python tests/killed.py FOLDER 20 1`."""
    command = [
        sys.executable,
        Path(__file__).with_name("killed.py"),
        tmp_path / "folder",
        "3",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("kept") > 0, "the last try went on from nothing"
    assert found == {"killed": 3, "difference": 0.0, "same history": True}


def test_a_second_training_sees_the_images_in_new_orders():
    seen, batches, model = [], train_batches(), network()
    for _ in range(2):
        fit(model, batches, epochs=2, live="silent")
        seen.append(int(batches.epoch))
    assert seen == [2, 4]


def test_a_full_disk_does_not_end_a_training(kept, monkeypatch, capsys):
    whole, folder = kept

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.np, "savez", full)
    history = quick_fit(network(), epochs=5, checkpoints=folder, optimizer=steady())
    assert len(history["loss"]) == 5
    told = capsys.readouterr().out
    assert told.count("No space left on device") == 2 and "no checkpoint of epoch 4" in told
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-0002", "epoch-0003"]
    monkeypatch.undo()
    history = quick_fit(
        network(), epochs=5, checkpoints=folder, optimizer=steady()
    )  # from what there is
    assert history["loss"][:3] == whole["loss"] and len(history["loss"]) == 5


def test_checkpoints_of_a_longer_training_are_refused(kept):
    with pytest.raises(ValueError, match="holds 3 epochs, more than the 2 asked for"):
        quick_fit(network(), epochs=2, checkpoints=kept[1], optimizer=steady())


def test_checkpoints_of_another_network_are_refused_and_stay(kept):
    history, folder = kept
    words = r"a layer \(Dense\) has units = 8 there and 9 here; name another folder, or delete this"
    with pytest.raises(ValueError, match=words):
        quick_fit(network(units=9), epochs=5, checkpoints=folder, optimizer=steady())
    assert quick_fit(network(), epochs=3, checkpoints=folder, optimizer=steady()) == history


ANOTHER = {
    "learning rate": (
        lambda: {"optimizer": keras.optimizers.Adam(2e-3)},
        "has learning_rate = 0.00",
    ),
    "optimizer": (lambda: {"optimizer": keras.optimizers.SGD(1e-3)}, "is Adam there and SGD here"),
    "schedule": (lambda: {"epochs": 9}, "learning_rate"),
    "loss": (lambda: {"loss": keras.losses.SparseCategoricalCrossentropy()}, "the loss"),
}


@pytest.mark.parametrize("what", ANOTHER)
def test_checkpoints_of_another_recipe_are_refused(what, kept):
    options, words = ANOTHER[what]
    options = {"optimizer": None if what == "schedule" else steady(), "epochs": 3, **options()}
    with pytest.raises(
        ValueError, match=f"is of another training: .*{words}.*; name another folder"
    ):
        quick_fit(network(), checkpoints=kept[1], **options)


def test_checkpoints_of_other_data_are_refused(kept):
    images, labels = examples()
    options = {"epochs": 3, "live": False, "optimizer": steady(), "checkpoints": kept[1]}
    for batches, words in (
        (data.pipeline(images, 1 - labels, 32, training=True), "labels, their order"),
        (data.pipeline(images, labels, 32, training=True, seed=1), "labels, their order"),
        (data.pipeline(images * 2, labels, 32, training=True), "its images were others"),
        (
            data.pipeline(images, labels, 16, training=True),
            "6 batches in an epoch, and here are 12",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            fit(network(), batches, held_out_batches(), **options)
    with pytest.raises(ValueError, match="activation = relu there and tanh here"):
        model = network()
        model.layers[-2].activation = keras.activations.tanh
        fit(model, train_batches(), held_out_batches(), **options)


@pytest.mark.parametrize(
    "there, here", [("mixed_float16", "float32"), ("float32", "mixed_float16")]
)
def test_a_training_goes_on_in_another_precision(there, here, tmp_path, interrupt_at):
    interrupt_at(STEPS)
    options = {"epochs": 2, "checkpoints": tmp_path, "test": None}
    before = quick_fit(network(), precision=there, **options)
    model = network(seed=3)
    history = quick_fit(model, precision=here, **options)
    assert len(history["loss"]) == 2 and history["loss"][:1] == before["loss"]
    assert int(model.optimizer.iterations) == 2 * STEPS


def test_callbacks_go_on_where_they_were(tmp_path):
    def stopping():
        return keras.callbacks.EarlyStopping("loss", patience=1, min_delta=100)  # nothing is enough

    options = {"epochs": 6, "checkpoints": tmp_path / "kept", "test": None}
    first = quick_fit(network(), callbacks=[stopping()], optimizer=steady(), **options)
    again = quick_fit(network(), callbacks=[stopping()], optimizer=steady(), **options)
    assert len(first["loss"]) == 2 and again == first  # it had been stopped, and stays so

    saving = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "loss", save_best_only=True)
    options["checkpoints"] = tmp_path / "other"
    quick_fit(network(), callbacks=[saving], optimizer=steady(), **{**options, "epochs": 1})
    best = saving.best
    later = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "loss", save_best_only=True)
    look = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: bests.append(later.best)
    )
    bests = []
    quick_fit(network(), callbacks=[later, look], optimizer=steady(), **{**options, "epochs": 2})
    assert bests == [best]


def test_a_callback_that_is_left_out_ends_nothing_any_more(tmp_path, capsys):
    stopping = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100)
    options = {"epochs": 4, "checkpoints": tmp_path / "kept", "test": None}
    quick_fit(network(), callbacks=[stopping], optimizer=steady(), **options)
    quick_fit(network(), callbacks=[stopping], optimizer=steady(), **options)
    assert "a callback ended it after 2 epochs; without it the training goes on" in (
        capsys.readouterr().out
    )
    history = quick_fit(network(), optimizer=steady(), **options)
    assert len(history["loss"]) == 4


def test_what_a_callback_of_ones_own_calls_best_need_be_no_number(tmp_path):
    own = keras.callbacks.Callback()
    own.best, own.wait = {"epoch": 0}, 3
    quick_fit(network(), epochs=1, callbacks=[own], checkpoints=tmp_path / "kept", test=None)
    told = json.loads((tmp_path / "kept" / "epoch-0001" / "history.json").read_text())
    assert told["callbacks"] == [{"kind": "Callback", "stopped": False, "wait": 3.0}]


def test_checkpoints_and_anything_else_share_a_folder(tmp_path):
    (tmp_path / "epoch-best").mkdir()
    name = str(tmp_path / "epoch-{epoch:02d}.weights.h5")
    saving = keras.callbacks.ModelCheckpoint(name, save_weights_only=True)
    options = {"checkpoints": tmp_path, "callbacks": [saving], "optimizer": steady()}
    history = quick_fit(network(), epochs=3, **options)
    assert quick_fit(network(), epochs=3, **options) == history
    assert {path.name for path in tmp_path.iterdir()} == {
        *("epoch-best", "epoch-0002", "epoch-0003"),
        *(f"epoch-0{number}.weights.h5" for number in (1, 2, 3)),
    }


def test_epochs_are_ordered_by_their_number(tmp_path):
    model = network()
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    for count in (9999, 10_000):
        checkpoints.keep(tmp_path, model, {"loss": [0.0] * count})
    history, _ = checkpoints.resume(tmp_path, model)
    assert len(history["loss"]) == 10_000


NO_HISTORY = [{}, [], {"history": None}, {"history": []}, {"history": {}}]
ODD = [
    {"history": {"loss": 2.0}},
    {"history": {"loss": ["x"]}},
    {"callbacks": "x"},
    {"callbacks": [{}]},
    *({"training": training} for training in ({}, [3], "x", {"layers": [], "optimizer": {}})),
    {"training": {"layers": "x", "optimizer": {}, "loss": {}, "batches in an epoch": 1}},
]


def test_a_checkpoint_that_tells_odd_things_is_passed_over(kept, capsys):
    _, folder = kept
    (model, recipe), path = as_finished(), folder / "epoch-0003" / "history.json"
    whole = json.loads(path.read_text())
    for odd in [*NO_HISTORY, *({**whole, **part} for part in ODD)]:
        path.write_text(json.dumps(odd))
        history, _ = checkpoints.resume(folder, model, recipe)
        assert len(history["loss"]) == 2, odd
        told = capsys.readouterr().out
        assert "epoch-0003 cannot be read (" in told
        assert odd not in NO_HISTORY or "there is no history in it" in told


def test_a_test_set_that_comes_later_is_measured_from_then_on(tmp_path):
    options = {"checkpoints": tmp_path, "live": "silent"}
    fit(network(), train_batches(), epochs=2, optimizer=steady(), **options)
    tested = network(), train_batches(), held_out_batches()
    history = fit(*tested, epochs=3, optimizer=steady(), **options)
    assert np.isnan(history["val_loss"]).tolist() == [True, True, False]
    assert len(history["val_accuracy"]) == 3


def test_a_lambda_goes_on_after_a_restart(tmp_path):
    """Keras keeps its code with the name of the file, which holds the number of the kernel."""

    def with_a_lambda(file):
        names = {}
        exec(compile("halve = lambda maps: maps / 2", file, "exec"), names)
        set_seed(0)
        end = [keras.layers.Flatten(), keras.layers.Dense(2)]
        return keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Lambda(names["halve"]), *end])

    for epochs, file in ((1, "/tmp/ipykernel_101/1.py"), (2, "/tmp/ipykernel_202/1.py")):
        options = {"epochs": epochs, "checkpoints": tmp_path, "optimizer": steady()}
        history = quick_fit(with_a_lambda(file), test=None, **options)
    assert len(history["loss"]) == 2


def test_a_layer_that_is_all_in_16_bits_is_kept_and_goes_on(tmp_path):
    def sixteen():
        set_seed(0)
        first = keras.layers.Conv2D(2, 3, dtype="bfloat16")
        normal = keras.layers.BatchNormalization(dtype="bfloat16")
        end = [keras.layers.Flatten(), keras.layers.Dense(2)]
        return keras.Sequential([keras.Input((4, 4, 1)), first, normal, *end])

    for epochs in (1, 2):
        options = {"checkpoints": tmp_path, "precision": "mixed_bfloat16", "optimizer": steady()}
        history = quick_fit(sixteen(), epochs=epochs, test=None, **options)
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all()


def test_checkpoints_in_the_old_form_are_read(kept):
    history, folder = kept
    for place in folder.glob("epoch-*"):
        told = json.loads((place / "history.json").read_text())
        (place / "history.json").write_text(json.dumps(told["history"]))
    assert quick_fit(network(), epochs=3, checkpoints=folder, optimizer=steady()) == history


def test_a_folder_for_checkpoints_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert checkpoints.folder_of("~/kept") == tmp_path / "kept"
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file"):
        checkpoints.folder_of(tmp_path / "file")
    with pytest.raises(ValueError, match="must name a folder, not 3"):
        checkpoints.folder_of(3)


# ---------------------------------------------------------------------------------------------
# What is shown
# ---------------------------------------------------------------------------------------------


def test_a_terminal_gets_a_line_for_each_epoch(capfd):
    quick_fit(network(), title="a try")
    output = capfd.readouterr()
    lines = output.out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("a try: 1 epoch in ")
    assert lines[1].startswith("a try: 2 epochs in ")
    assert "training error" in lines[1] and ", test error" in lines[1]
    assert output.err == ""


def test_the_title_is_the_networks_name_if_none_is_given(capsys):
    fit(network(), train_batches(), epochs=1, live=False)
    line = capsys.readouterr().out
    assert line.startswith("small: 1 epoch") and "test error" not in line


class Shown:
    """A display area as IPython gives it: remembers everything that it showed."""

    areas = []

    def __init__(self, data, metadata=None, raw=False, display_id=None):
        assert raw and display_id
        self.states = [(data, metadata)]
        self.areas.append(self)

    def update(self, data, metadata=None, raw=False):
        assert raw
        self.states.append((data, metadata))


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setattr(Shown, "areas", [])
    monkeypatch.setattr(IPython.display, "display", Shown)
    return Shown


def test_a_notebook_gets_a_line_and_a_curve_that_grow_in_place(shown, capfd):
    quick_fit(network(), epochs=3, live=True, title="a try")
    line, curve = shown.areas  # two areas, whatever the number of epochs
    assert line.states[0][0] == {"text/plain": "a try: the first step takes longest ..."}
    assert any("batch 1 of 6" in data["text/plain"] for data, _ in line.states)
    assert line.states[-1][0]["text/plain"].startswith("a try: 3 epochs in ")

    assert len(curve.states) == 3
    for epoch, (mime, metadata) in enumerate(curve.states, start=1):
        assert set(mime) == {"image/png", "text/plain"}
        assert base64.b64decode(mime["image/png"]).startswith(b"\x89PNG")
        alt = metadata["image/png"]["alt"]
        assert alt == mime["text/plain"]
        assert f"training and test. a try: {epoch} epoch" in alt
    assert len({mime["image/png"] for mime, _ in curve.states}) == 3
    assert capfd.readouterr() == ("", "")


def test_a_notebook_is_told_of_an_interruption(shown, interrupt_at):
    interrupt_at(STEPS + 1)
    quick_fit(network(), epochs=4, live=True)
    line, curve = shown.areas
    assert "stopped after 1 of 4 epochs; 1 epoch in" in line.states[-1][0]["text/plain"]
    assert len(curve.states) == 1


def test_a_notebook_is_told_if_no_epoch_was_finished(shown, interrupt_at):
    interrupt_at(1)
    quick_fit(network(), live=True)
    (line,) = shown.areas
    assert line.states[-1][0]["text/plain"].endswith("no epoch was finished")


def test_a_silent_training_shows_nothing(shown, capfd):
    history = quick_fit(network(), live="silent")
    assert len(history["loss"]) == 2
    assert capfd.readouterr().out == ""
    assert shown.areas == []


def test_a_curve_without_a_test_set_is_drawn(shown):
    fit(network(), train_batches(), epochs=1, live=True)
    alt = shown.areas[1].states[0][0]["text/plain"]
    assert "training error" in alt and "for training. " in alt and "test" not in alt


def test_a_script_is_no_notebook():
    assert not watching.in_notebook()


def test_progress_tells_the_time_that_is_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(watching.time, "perf_counter", lambda: now[0])
    watcher = watching.Terminal({key: [1.0] for key in HISTORY_KEYS}, 5, 10, "a try")
    watcher.on_epoch_begin(2)  # one was done before, this is the second of four to do
    now[0] += 30
    # One and a half of four epochs took 30 s: the other two and a half take 50.
    assert watcher.progress(5, {"loss": 0.25}) == (
        "a try: epoch 3 of 5, batch 5 of 10, loss 0.250, about 50 s to go"
    )


# ---------------------------------------------------------------------------------------------
# Recorded runs
# ---------------------------------------------------------------------------------------------


def test_a_recorded_run_is_the_file():
    for path in (ROOT / "data" / "runs").glob("*.json"):
        assert recorded_run(path.stem) == json.loads(path.read_text(encoding="utf-8"))
    assert recorded_run("lenet5_modern")["name"] == "lenet5_modern"


@pytest.mark.parametrize("name", ["lenet", "", "../runs/lenet5"])
def test_an_unknown_run_is_refused_with_a_list(name):
    with pytest.raises(ValueError) as refused:
        recorded_run(name)
    assert "the name of a recorded run must be one of" in str(refused.value)
    assert f"not {name!r}" in str(refused.value)
    assert "lenet5, lenet5_modern" in str(refused.value)


# ---------------------------------------------------------------------------------------------
# Precision, and what a network of one's own may be
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_network_computes_in_another_precision_only_while_it_trains(precision, monkeypatch):
    model, seen = network(), []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append([x.compute_dtype for x in model.layers])
    )
    history = quick_fit(model, epochs=8, learning_rate=0.05, callbacks=[look], precision=precision)
    assert seen[0] == ["float32", precision.removeprefix("mixed_"), "float32"]
    assert [layer.compute_dtype for layer in model.layers] == ["float32"] * 3
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert history["loss"][-1] < 0.6 * history["loss"][0]  # and it learns


def test_a_layer_of_ones_own_with_weights_keeps_its_precision():
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.weight = self.add_weight(shape=shape[1:], name="weight")

        def call(self, inputs):
            assert inputs.dtype == "float32"
            return inputs * np.float32(2) + self.weight

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), Own(), layers.Flatten(), layers.Dense(4), layers.Dense(2)]
    )
    history = quick_fit(model, epochs=1, precision="mixed_bfloat16")
    assert len(history["loss"]) == 1


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision must be one of float32, .* not 'int8'"):
        quick_fit(network(), precision="int8")


def test_fit_trains_a_normalised_network_and_leaves_keras_layers(tmp_path):
    set_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(4, 3, use_bias=False),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    used = []
    fused_kernel = tf.compat.v1.nn.fused_batch_norm
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tf.compat.v1.nn,
            "fused_batch_norm",
            lambda *arguments, **options: used.append(1) or fused_kernel(*arguments, **options),
        )
        quick_fit(model, epochs=1)
    assert used
    norm = model.get_layer("norm")
    assert "call" not in vars(norm) and np.any(norm.moving_mean)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images, _ = examples()
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)


def test_sgd_rises_and_falls():
    optimizer = training.cosine_sgd(0.4, steps=100)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)
    rates = np.array([float(optimizer._learning_rate(step)) for step in range(101)])
    np.testing.assert_allclose(rates[:21], 0.4 * np.arange(21) / 20, atol=1e-6)
    falling = np.arange(81) / 80
    np.testing.assert_allclose(rates[20:], 0.4 * (1 + np.cos(np.pi * falling)) / 2, atol=1e-6)
    assert np.isfinite(float(training.cosine_sgd(0.1, steps=1)._learning_rate(0)))


def test_labels_in_a_column_are_those_in_a_row():
    images, labels = examples(64)
    model = network()
    row, column = (
        tf.data.Dataset.from_tensor_slices((images, one)).batch(32)
        for one in (labels, labels[:, None])
    )
    history = fit(
        model, column, column, epochs=1, live="silent", optimizer=keras.optimizers.SGD(0.0)
    )
    error = error_percent(model, row)
    assert error_percent(model, column) == error <= 100
    assert 100 * (1 - history["val_accuracy"][0]) == pytest.approx(error, abs=1e-4)


@pytest.mark.parametrize("logits", [True, False])
def test_one_score_is_compared_with_the_threshold_that_suits_it(logits):
    images = np.linspace(-2, 2, 40, dtype="float32")[:, None]
    shift = 0.2 if logits else 0.0  # a logit of 0.4 is yes, a share of 0.4 is no
    labels = (images[:, 0] + shift > 0).astype("int32")
    score = keras.layers.Dense(1, None if logits else "sigmoid", kernel_initializer="ones")
    score.bias_initializer = keras.initializers.Constant(shift)
    model = keras.Sequential([keras.Input((1,)), score])
    batches = data_of(images, labels)
    options = {"optimizer": keras.optimizers.SGD(0.0), "epochs": 1, "live": "silent"}
    loss = keras.losses.BinaryCrossentropy(from_logits=logits)
    history = fit(model, batches, batches, loss=loss, **options)
    assert history["accuracy"] == history["val_accuracy"] == [1]
    assert error_percent(model, batches) == 0
    fresh = keras.models.clone_model(model)  # which was never compiled
    fresh.set_weights(model.get_weights())
    assert error_percent(fresh, batches) == 0


class OneOfItsOwn(keras.Model):
    def __init__(self):
        super().__init__()
        self.end = keras.layers.Dense(1, "sigmoid")

    def call(self, images):
        return self.end(images)


def shares(number=0):
    """Networks that end in a share, each in another way, and what they can be compiled with."""
    image, sigmoid = keras.Input((1,)), keras.layers.Dense(1, "sigmoid")
    inner = keras.Sequential([keras.Input((1,)), sigmoid])
    reshaped = keras.Sequential([keras.Input((1,)), sigmoid, keras.layers.Reshape((1,))])
    plain = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    return [
        (keras.Model(image, inner(image)), None),
        (reshaped, None),
        (reshaped, keras.losses.binary_crossentropy),
        (reshaped, ["binary_crossentropy"]),
        (plain, "mse"),
        (plain, keras.losses.MeanAbsoluteError()),
        (OneOfItsOwn(), "binary_focal_crossentropy"),
    ][number]


@pytest.mark.parametrize("number", range(7))
def test_a_share_is_compared_with_a_half(number):
    """All weights are 0 but a bias: the network's share is below a half, so it says no."""
    model, loss = shares(number)
    model(np.zeros((1, 1)))
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 0.3 if number in (4, 5) else -0.4))
    if loss is not None:
        model.compile("sgd", loss)
    scores = model.predict(np.zeros((4, 1)), verbose=0)
    batches = data_of(np.zeros((4, 1), "float32"), np.zeros(4, "int32"))
    assert 0 < scores.min() and scores.max() < 0.5 and error_percent(model, batches) == 0


def test_whether_a_class_of_ones_own_ends_in_a_share_is_not_guessed():
    batches = data_of(np.zeros((4, 1), "float32"), np.zeros(4, "int32"))
    with pytest.raises(ValueError, match="may end in a logit or a probability: compile it"):
        error_percent(OneOfItsOwn(), batches)


def test_batches_that_never_end_are_refused():
    endless = data_of(*examples(64)).repeat()
    with pytest.raises(ValueError, match="test never ends"):
        fit(network(), train_batches(), endless, epochs=1, live="silent")
    with pytest.raises(ValueError, match="batches never ends"):
        error_percent(network(), endless)


def test_images_with_names_are_found_by_them():
    image, extra = keras.Input((4, 4, 1), name="image"), keras.Input((3,), name="extra")
    flat = keras.layers.Flatten()(image)
    both = keras.Model(
        [image, extra], keras.layers.Dense(2)(keras.ops.concatenate([flat, extra], -1))
    )
    images, labels = examples(64)
    given = {"extra": np.zeros((64, 3), "float32"), "image": images}
    one = keras.Model(image, keras.layers.Dense(2)(flat))
    for model in (both, one):
        fit(model, data_of(given, labels), epochs=1, live="silent")
    with pytest.raises(ValueError, match="takes images of 4×4×1, train gives 3"):
        fit(one, data_of({"image": given["extra"]}, labels), epochs=1, live="silent")


def test_a_fault_of_a_callback_is_not_taken_for_a_layers(capsys):
    def fails(epoch, logs):
        raise TypeError("Object of type bfloat16 is not JSON serializable")

    callback = keras.callbacks.LambdaCallback(on_epoch_end=fails)
    with pytest.raises(TypeError, match="JSON"):
        quick_fit(network(), precision="mixed_bfloat16", callbacks=[callback])
    assert "cannot compute in 16 bits" not in capsys.readouterr().out


def test_numbers_are_standardised_before_they_lose_digits():
    """1000 and 1001 are one number in bfloat16."""
    images = np.repeat([[1000.0], [1001.0]], 32, axis=0).astype("float32")
    labels = np.repeat([0, 1], 32).astype("int32")
    normal = keras.layers.Normalization()
    normal.adapt(images)
    set_seed(0)
    layers = [normal, keras.layers.Dense(8, "relu"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((1,)), *layers])
    batches = data_of(images, labels, batch=64)
    options = {"epochs": 20, "live": "silent", "precision": "mixed_bfloat16"}
    history = fit(model, batches, optimizer=keras.optimizers.Adam(0.05), **options)
    assert history["accuracy"][-1] == 1


def data_of(*arrays, batch=20):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


def test_labels_that_the_network_does_not_have_are_refused():
    images, labels = examples(64)
    for wrong, label in ((labels + 1, 2), (labels - 1, -1)):
        with pytest.raises(ValueError, match=f"a label is {label}, and the network gives 2 scores"):
            fit(network(), data_of(images, wrong), epochs=1, live="silent")
        with pytest.raises(ValueError, match=f"a label is {label}, and the network gives 2 scores"):
            error_percent(network(), data_of(images, wrong))
    with pytest.raises(ValueError, match="the labels as numbers from 0 up"):
        fit(network(), data_of(images, np.where(labels, "cat", "dog")), live="silent")
    with pytest.raises(ValueError, match="one-hot labels: labels.argmax"):
        fit(network(), data_of(images, np.eye(2)[labels]), live="silent")


@pytest.mark.parametrize("kind", ["ReduceLROnPlateau", "LearningRateScheduler"])
def test_two_that_set_the_learning_rate_are_one_too_many(kind):
    made = {
        "ReduceLROnPlateau": lambda: keras.callbacks.ReduceLROnPlateau("loss"),
        "LearningRateScheduler": lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3),
    }[kind]
    with pytest.raises(ValueError, match=f"{kind} sets the learning rate, .* pass optimizer="):
        quick_fit(network(), callbacks=[made()])
    history = quick_fit(network(), callbacks=made(), epochs=1, optimizer=steady())
    assert len(history["loss"]) == 1


@pytest.mark.parametrize(
    "setting, value", [("image_data_format", "channels_first"), ("floatx", "float16")]
)
def test_settings_of_keras_that_fail_oddly_are_refused(setting, value):
    usual, change = getattr(keras.config, setting)(), getattr(keras.config, f"set_{setting}")
    change(value)
    try:
        with pytest.raises(ValueError, match=f"Keras is set to {value}, by its keras.json perhaps"):
            models.lenet5_modern()
        with pytest.raises(ValueError, match=f"Keras is set to {value}, by its keras.json perhaps"):
            fit(network(), train_batches())
    finally:
        change(usual)


def test_what_is_measured_is_computed_in_float32():
    model, measured = network(), []

    def look(epoch, logs):
        measured.append(error_percent(model, held_out_batches()))
        measured.append(model.evaluate(held_out_batches(), verbose=0)[0])

    watching = keras.callbacks.LambdaCallback(on_epoch_end=look)
    history = quick_fit(model, epochs=1, precision="mixed_bfloat16", callbacks=[watching])
    images, labels = examples(100, seed=1)
    logits = model(images)  # in float32
    exact = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    exact = pytest.approx(float(np.mean(exact)), rel=1e-5)
    assert [history["val_loss"][0], measured[1]] == [exact, exact]
    assert model.evaluate(held_out_batches(), verbose=0)[0] == exact
    assert 100 * (1 - history["val_accuracy"][0]) == pytest.approx(measured[0], abs=1e-4)
    assert error_percent(model, held_out_batches()) == measured[0]
    np.testing.assert_array_equal(model.predict(images, verbose=0).dtype, np.float32)
