"""Watching a training: its history, its checkpoints, and how it is shown while it runs."""

import math
import sys
import time
from numbers import Real

import keras

from .checkpoints import keep

HISTORY_KEYS = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")


class Keeper(keras.callbacks.Callback):
    """Keeps a checkpoint after every epoch, and with it how far the other callbacks are."""

    # What Keras' own callbacks remember from epoch to epoch.
    MEMORY = ("best", "best_epoch", "wait", "stopped_epoch", "cooldown_counter")

    def __init__(self, folder, history, recipe, callbacks, memories):
        super().__init__()
        self.folder, self.history, self.recipe = folder, history, recipe
        self.callbacks, self.memories = callbacks, memories

    def on_train_begin(self, logs=None):
        """Each callback has forgotten all by now, and gets its memory back."""
        for callback, memory in zip(self.callbacks, self.memories, strict=False):
            if memory["kind"] == type(callback).__name__:
                vars(callback).update({key: memory[key] for key in self.MEMORY if key in memory})

    def on_epoch_end(self, epoch, logs=None):
        """Keeps a checkpoint; where there is no room for it, the training is worth more."""
        memories = []
        for callback in self.callbacks:
            memory = {key: vars(callback)[key] for key in self.MEMORY if key in vars(callback)}
            kept = {
                key: value if value is None else float(value)
                for key, value in memory.items()
                if isinstance(value, Real | None)  # one's own callback may call anything so
            }
            kind, stopped = type(callback).__name__, self.model.stop_training
            memories.append({"kind": kind, "stopped": stopped, **kept})
        try:
            keep(self.folder, self.model, self.history, self.recipe, memories)
        except OSError as problem:
            why = problem.strerror or problem
            print(f"no checkpoint of epoch {epoch + 1} in {self.folder} ({why}): the training goes")
            print("on, and if it is interrupted it will go on from the checkpoint before")


class Watcher(keras.callbacks.Callback):
    """Writes the history, and tells how far the training is."""

    def __init__(self, history, epochs, steps, title):
        super().__init__()
        self.history, self.epochs, self.steps, self.title = history, epochs, steps, title
        self.epoch = self.done_before = len(history["loss"])
        self.began, self.told = time.perf_counter(), 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_began = epoch, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if now - self.told > 0.5:  # twice a second is enough for the eye, and costs nothing
            self.told = now
            self.tell(self.progress(batch + 1, logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        for key in HISTORY_KEYS[:-1]:
            if key in logs or not key.startswith("val_"):  # a step of one's own need not tell
                before = [math.nan] * (epoch - len(self.history[key]))  # a test set came later
                self.history[key] += [*before, float(logs.get(key, math.nan))]
        self.history["seconds"].append(time.perf_counter() - self.epoch_began)
        self.draw()

    def progress(self, batch, logs):
        """A line like 'epoch 3 of 5, batch 20 of 78, loss 0.131, about 6 s to go'."""
        done = self.epoch - self.done_before + batch / self.steps
        left = (time.perf_counter() - self.began) * ((self.epochs - self.done_before) / done - 1)
        return (
            f"{self.title}: epoch {self.epoch + 1} of {self.epochs}, batch {batch} of "
            f"{self.steps}, loss {logs.get('loss', float('nan')):.3f}, about {left:.0f} s to go"
        )

    def summary(self):
        """A line like '5 epochs in 31 s: training error 2.1 %, test error 2.6 %'."""
        count = len(self.history["loss"])
        if not count:
            return "no epoch was finished"
        line = f"{count} epoch{'s' if count != 1 else ''} in {sum(self.history['seconds']):.0f} s"
        if math.isfinite(self.history["accuracy"][-1]):
            line += f": training error {100 * (1 - self.history['accuracy'][-1]):.2f} %"
        if self.history["val_accuracy"]:
            line += f", test error {100 * (1 - self.history['val_accuracy'][-1]):.2f} %"
        return line

    def tell(self, line):
        """Shows a line of progress."""

    def draw(self):
        """Shows the history after an epoch."""

    def finish(self, remark=""):
        """Shows the last state."""


class Terminal(Watcher):
    """A line for each epoch."""

    over = "\r\033[K"  # back to the start of the line, and wipe it

    def tell(self, line):
        if sys.stdout.isatty():
            print(self.over + line, end="", flush=True)

    def draw(self):
        self.tell("")
        print(f"{self.title}: {self.summary()}", flush=True)

    def finish(self, remark=""):
        if remark:
            print(f"{self.title}: {remark}", flush=True)


class Notebook(Watcher):
    """A line that changes, and a curve that grows."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        from IPython.display import display

        text = {"text/plain": f"{self.title}: the first step takes longest ..."}
        self.line = display(text, raw=True, display_id=True)
        if self.line is None:
            raise ValueError("live=True draws in a notebook, and none runs here: leave it out")
        self.figure = None

    def tell(self, line):
        self.line.update({"text/plain": line}, raw=True)

    def draw(self):
        from IPython.display import display

        from . import plots

        finding = f"{self.title}: {self.summary()}"
        figure = plots.draw_curves({"this run": self.history}, finding, self.epochs)
        kinds = "training and test" if self.history.get("val_loss") else "training"
        alt = f"Loss and error against epochs, for {kinds}. {finding}."
        data, metadata = plots.mime_bundle(figure, alt)
        if self.figure is None:
            self.figure = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.figure.update(data, metadata=metadata, raw=True)

    def finish(self, remark=""):
        self.tell(f"{self.title}: " + (f"{remark}; " if remark else "") + self.summary())


def in_notebook():
    """Whether a Jupyter kernel runs us (a terminal, even IPython's, cannot draw)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
