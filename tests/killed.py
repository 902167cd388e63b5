"""Trains a network twice, once undisturbed and once killed on the way, and compares the ends.

    python killed.py FOLDER KILLS SEED

prints what it found as JSON; tests/test_training.py runs it in a process of its own. Each try is a
fork of this process, which has imported TensorFlow and never used it: the import is paid once.
"""

import json
import os
import random
import signal
import statistics
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from course_utils import data, training  # noqa: E402

STEPS, BATCH = 4, 8


def network():
    """One block of a ResNet: what is traced in each try takes longer than what is trained."""
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    maps = layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    inner = layers.ReLU()(layers.BatchNormalization()(maps))
    inner = layers.Conv2D(8, 3, padding="same", use_bias=False)(inner)
    maps = layers.ReLU()(layers.Add()([maps, layers.BatchNormalization()(inner)]))
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(maps)))


def train(folder, epochs):
    """One try, which may be the last: to the end, and the weights are written."""
    tf.config.experimental.enable_op_determinism()
    training.set_seed(0)
    images = np.random.default_rng(0).normal(size=(STEPS * BATCH, 16, 16, 3)).astype("float32")
    labels = np.arange(STEPS * BATCH) % 10
    batches = data.pipeline(
        images, labels, BATCH, training=True, augment=data.shift_and_flip(), seed=0
    )
    model = network()
    begun = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: (folder / "begun").touch()
    )
    training.fit(
        model,
        batches,
        epochs=epochs,
        optimizer=training.cosine_sgd(0.1, epochs * STEPS),
        live="silent",
        checkpoints=folder / "kept",
        callbacks=[begun],
    )
    np.savez(folder / "weights.npz", *model.get_weights())


def fork(folder, epochs):
    """Starts a try; gives its process."""
    child = os.fork()
    if not child:
        train(folder, epochs)
        os._exit(0)
    return child


def killed_try(folder, epochs, seconds):
    """A try that is killed so many seconds after its first step; tells whether it was."""
    (folder / "begun").unlink(missing_ok=True)
    child = fork(folder, epochs)
    while not (folder / "begun").exists():
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def end_of(folder, epochs):
    """The last weights, and the history, of a try that came to its end."""
    assert os.waitpid(fork(folder, epochs), 0)[1] == 0
    with np.load(folder / "weights.npz") as weights:
        arrays = [weights[name] for name in weights.files]
    newest = sorted((folder / "kept").glob("epoch-*"))[-1]
    return arrays, json.loads((newest / "history.json").read_text())["history"]


def main(folder, kills, seed):
    whole, other = folder / "whole", folder / "killed"
    whole.mkdir(parents=True)
    other.mkdir()
    epochs = 8 * kills  # twice as many as the tries that are killed can get through
    expected, history = end_of(whole, epochs)
    epoch = statistics.median(history["seconds"])
    moments = random.Random(seed)
    # A kill falls anywhere in four epochs: within a step, or while a checkpoint is written.
    killed = sum(killed_try(other, epochs, moments.uniform(0, 4 * epoch)) for _ in range(kills))
    kept = len(list((other / "kept").glob("epoch-*")))
    found, gone_on = end_of(other, epochs)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    same = all(gone_on[key] == history[key] for key in ("loss", "accuracy"))
    answer = {"killed": killed, "kept": kept, "difference": difference, "same history": same}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
