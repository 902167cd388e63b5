"""Training, watched: loss, error and filters while a network trains, stoppable at any step."""

import atexit
import threading
import time
import weakref
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from .. import data
from ..arguments import flag, same_shape
from ..plots import PALETTE
from .chart import Chart, draw_curve, draw_marker
from .controls import button, choice, slider
from .drawing import Drawing, as_bytes
from .frame import Explorer

PAUSE = 0.25  # seconds between two drawings, so that training has the processor to itself
SMOOTH = 0.9  # the share of a curve's last value in its next one
POINTS = 300  # of a curve, at most
FILTERS = 12  # that are shown
RATES = (0.0002, 0.002, 0.02, 0.2)

WIDTH, HEIGHT = 760, 470
TOP, TALL, WIDE = 104, 170, 290  # the plots
LOSS, ERROR = 60, 450  # where they begin


def _brought(network, train, test):
    """The network and its batches; what does not fit together is a ValueError."""
    from ..environment import quiet_tensorflow

    quiet_tensorflow()
    import keras

    from .. import models
    from .. import training as course_training

    if network is None:
        course_training.set_seed(0)
        network = models.lenet5_modern()
    if not isinstance(network, keras.Model):
        raise ValueError(f"network: a Keras model is needed, not {type(network).__name__}")
    if train is None:
        train, test = _mnist()[0], _mnist()[1] if test is None else test
    wanted = _shape(lambda: network.input_shape[1:])
    if wanted is None:
        raise ValueError("network: it does not say what images it takes: begin it with keras.Input")
    for name, batches in (("train", train), ("test", test)):
        given = _shape(lambda batches=batches: batches.element_spec[0].shape[1:])
        if given is None and batches is not None:
            words = "batches of (images, labels) are needed: data.pipeline(images, labels)"
            raise ValueError(f"{name}: {words}")
        if given and not same_shape(wanted, given):
            shapes = ["×".join(map(str, shape)) for shape in (wanted, given)]
            words = f"the network takes images of {shapes[0]}, these are {shapes[1]}"
            raise ValueError(f"{name}: {words}")
    return network, train, test


@cache
def _mnist():
    """The small MNIST as batches, to train on and to test on."""
    images = [data.load("mnist", split) for split in ("train", "test")]
    scaled = [(data.scale(some.images), some.labels) for some in images]
    return data.pipeline(*scaled[0], training=True), data.pipeline(*scaled[1], batch_size=200)


def _shape(ask):
    """The shape of one image, or None where there is no single one to be had."""
    try:
        shape = tuple(ask())
    except (AttributeError, TypeError, ValueError, IndexError):
        return None
    return shape if all(size is None or isinstance(size, int) for size in shape) else None


class Record(NamedTuple):
    """All that the picture needs: a training so far.

    `losses` and `errors` have a number for each step, errors in per cent; `tests` has pairs
    `(step, error)`, `before` and `now` the first filters, `(rows, columns, channels, filters)`.
    """

    losses: tuple = ()
    errors: tuple = ()
    tests: tuple = ()
    before: np.ndarray | None = None
    now: np.ndarray | None = None
    words: str = "Not trained yet: press 'train'."
    steps: int = 0


class Watched(Explorer):
    """Trains a network while you watch: loss and error at every step, and the first filters.

    *stop* ends it at the next step and keeps what was learned; *train* goes on from there, with
    an optimizer that begins anew. Both answer at once, because the training runs beside the
    notebook. In a notebook that runs from top to bottom, `wait` in the next cell.

    Args:
        network: a Keras model that gives logits; when None, a new `lenet5_modern`.
        train: batches of (images, labels), as `data.pipeline(..., training=True)` gives them;
            when None, the small MNIST.
        test: batches to measure the error on after each epoch; when None, MNIST's if `train` is.
        start: begin at once, as if *train* had been pressed.

    Attributes:
        network: the network, with the weights that it has learned so far.
        running: whether it trains.
    """

    def __init__(self, network=None, train=None, test=None, start=False):
        self._shared = train is None
        network, train, test = _brought(network, train, test)
        self.network, self._batches, self._test = network, train, test
        self._first = network.get_weights()
        self._per_epoch = max(1, int(train.cardinality()))
        self._thread, self._stop, self._failure = None, threading.Event(), ""
        self._active = self._asked = False
        self._drawing_now = threading.RLock()
        self._forget()
        controls = {
            "epochs": slider("epochs", 1, 20, 3),
            "rate": choice("learning rate", [(f"{rate:g}", rate) for rate in RATES], 0.002),
            "train": button("train"),
            "stop": button("stop"),
            "start_over": button("start over"),
        }
        super().__init__(controls)
        if flag(start, "start"):
            self.train()

    @property
    def running(self):
        """Whether the training is under way."""
        return self._active

    def train(self):
        """Trains for the chosen epochs, beside whatever else runs. While it trains: nothing."""
        if self.running:
            return
        self._stop.clear()
        self._failure, self._asked, self._active = "", False, True
        _under_way.add(self)
        self._thread = threading.Thread(target=self._work, kwargs=self.state, daemon=True)
        self._thread.start()
        self.redraw()

    def stop(self):
        """Ends the training at its next step; the weights stay. `wait` tells when it has ended."""
        self._stop.set()

    def start_over(self):
        """Gives the network its first weights again, when asked twice. Not while it trains."""
        if self.running:
            return
        if not self._asked:
            self._asked = True
        else:
            self.network.set_weights(self._first)
            self._failure, self._asked = "", False
            self._forget()
        self.redraw()

    def wait(self, timeout=None):
        """Waits until the training has ended, at most `timeout` seconds; tells whether it has.

        Interrupt it (the notebook's stop button, or Ctrl-C), and the training stops as well.
        """
        if self._thread is not None:
            try:
                self._thread.join(timeout)
            except KeyboardInterrupt:
                self.stop()
                self._thread.join(60)
        return not self.running

    def close(self):
        """Ends the training and takes it off the page: its cell runs again."""
        self.stop()
        super().close()

    def _forget(self):
        self._losses, self._errors, self._tests = [], [], []
        self._planned, self._done = 0, 0
        self._before = self._now = self._filters()
        self._words = Record().words

    def _filters(self):
        """The kernels of the first convolution, or None."""
        kernels = (getattr(layer, "kernel", None) for layer in self.network.layers)
        return next((np.array(k) for k in kernels if len(getattr(k, "shape", ())) == 4), None)

    def _work(self, epochs, rate):
        """The training, in a thread of its own."""
        from .. import training as course_training

        if self._shared:  # all share it, and begin with its first order
            self._batches.epoch.assign(-(-len(self._losses) // self._per_epoch))
        self._planned = len(self._losses) + epochs * self._per_epoch
        self._words = f"Training: epoch 1 of {epochs}."
        watch = _callback(self, epochs)
        try:
            fit = partial(course_training.fit, self.network, self._batches, self._test)
            fit(epochs=epochs, learning_rate=rate, live="silent", callbacks=[watch])
        except Exception as problem:  # in a thread a traceback would be seen by nobody
            words = str(problem).strip() or type(problem).__name__
            self._failure = f"The training failed: {words.splitlines()[0][:300]}"
        self._now, self._planned = self._filters(), len(self._losses)
        self._words, self._active = self._ended(watch), False
        self.redraw()

    def _ended(self, watch):
        trained = f"{self._done} epoch{'s' if self._done != 1 else ''}"
        stopped = ", stopped in the next one" if watch.inside else ""
        again = "" if watch.inside else " 'train' goes on from here."
        return f"Trained {trained}{stopped}; the network keeps what it has learned.{again}"

    def _changed(self, name):
        with self._drawing_now:  # the notebook and the training both draw
            over = self.controls["start_over"]
            self.controls["train"].disabled = over.disabled = self.running
            self.controls["stop"].disabled = not self.running
            over.description = "press again to forget all" if self._asked else "start over"
            super()._changed(name)
            if self._failure:
                self.problem = self._failure
                self._say(self.problem, wrong=True)

    def draw(self, epochs, rate):
        """The picture of the training so far."""
        ahead = 0 if self.running else epochs * self._per_epoch
        steps = max(self._planned, len(self._losses) + ahead)
        series = map(tuple, (self._losses, self._errors, self._tests))
        return draw_record(Record(*series, self._before, self._now, self._words, steps))


_under_way = weakref.WeakSet()


@atexit.register
def _end_all():
    """Python shall not end in the middle of a step."""
    for watched in list(_under_way):
        watched.stop()
        watched.wait(60)


def _callback(watched, epochs):
    """What Keras tells about each step, kept by the explorer; ends the training if it shall."""
    import keras

    class Callback(keras.callbacks.Callback):
        inside, drawn = False, 0.0

        def on_epoch_begin(self, epoch, logs=None):
            self.sums = {"loss": 0.0, "accuracy": 0.0}
            watched._words = f"Training: epoch {epoch + 1} of {epochs}."

        def on_train_batch_end(self, batch, logs=None):
            # Keras gives the mean of the epoch so far; a step's own number is the difference.
            own = {}
            for key in self.sums:
                total = float(logs[key]) * (batch + 1)
                own[key], self.sums[key] = total - self.sums[key], total
            # Somebody may draw in between: a loss is never without its error.
            watched._errors.append(100 * (1 - own["accuracy"]))
            watched._losses.append(own["loss"])
            self.inside = batch + 1 < watched._per_epoch
            watched._done += not self.inside
            self.stop_if_asked()
            if time.monotonic() - self.drawn > PAUSE:
                watched._now = watched._filters()
                watched.redraw()
                self.drawn = time.monotonic()

        def on_test_batch_end(self, batch, logs=None):
            self.stop_if_asked()

        def stop_if_asked(self):
            if watched._stop.is_set():
                raise KeyboardInterrupt  # `fit` ends in peace

        def on_epoch_end(self, epoch, logs=None):
            if "val_accuracy" in (logs or {}):
                step = len(watched._losses)
                watched._tests.append((step, 100 * (1 - float(logs["val_accuracy"]))))

    return Callback()


def draw_record(record):
    """The picture of a `Record`."""
    drawing = Drawing(WIDTH, HEIGHT)
    drawing.text(20, 28, record.words, 14, bold=True)
    losses, errors = smoothed(record.losses), smoothed(record.errors)
    early = losses[: len(losses) // 4 + 1]
    early = early[np.isfinite(early) & (early < 1e6)]
    ceiling = max(1.0, float(np.ceil(early.max()))) if len(early) else 3.0
    steps = max(record.steps, len(losses), 1)
    across, shares = (0, steps), [ceiling * quarter / 4 for quarter in range(5)]
    chart = Chart(LOSS, TOP, WIDE, TALL, across, (0, ceiling))
    _draw_plot(drawing, chart, "loss", losses, {f"{number:g}": number for number in shares})
    chart = Chart(ERROR, TOP, WIDE, TALL, across, (1, 100), log=True)
    ticks = {str(error): error for error in (1, 3, 10, 30, 100)}
    _draw_plot(drawing, chart, "error, per cent", errors, ticks, record.tests)
    _draw_legend(drawing, bool(record.tests))
    _draw_filters(drawing, record)
    drawing.alt = f"Loss and error of a training against its steps. {record.words}"
    if len(losses):
        drawing.alt += f" After {len(losses)} steps the loss is {losses[-1]:.2f}"
        drawing.alt += f" and the training error {errors[-1]:.1f} per cent."
    if record.tests:
        drawing.alt += f" The test error is {record.tests[-1][1]:.1f} per cent."
    return drawing


def smoothed(numbers):
    """A running mean that forgets: each step moves it a tenth of the way, the first ones more."""
    means, mean = np.empty(len(numbers)), 0.0
    for step, number in enumerate(numbers):
        mean = SMOOTH * mean + (1 - SMOOTH) * number
        means[step] = mean / (1 - SMOOTH ** (step + 1))  # as Adam corrects its means
    return means


def _draw_plot(drawing, chart, label, numbers, ticks, tests=()):
    """One plot: its axes with `ticks`, the curve, and a diamond for each test."""
    right, steps = chart.left + chart.width, chart.across[1]
    drawing.text(chart.left - 40, TOP - 16, label, 12, bold=True)
    if len(numbers):
        drawing.text(right, TOP - 16, f"now {numbers[-1]:.3g}", 12, "end", bold=True)
    chart.draw(drawing, {f"{steps * share:.0f}": steps * share for share in (0, 0.5, 1)}, ticks)
    drawing.text((chart.left + right) / 2, TOP + TALL + 32, "step", 10, "middle")
    every = -(-len(numbers) // POINTS) or 1
    steps = [*range(0, len(numbers), every), len(numbers) - 1]
    if len(numbers) > 1:
        places = [(chart.x(step + 1), chart.y(numbers[step])) for step in steps]
        draw_curve(drawing, places, PALETTE["input"])
    for step, error in tests:
        place = chart.x(step), chart.y(error)
        draw_marker(drawing, "diamond", *place, PALETTE["output"])


def _draw_legend(drawing, tested):
    drawing.line([(20, 48), (46, 48)], PALETTE["input"], 2)
    drawing.text(52, 52, "training, a running mean over its steps", 10)
    draw_marker(drawing, "diamond", 320, 48, PALETTE["output"])
    drawing.text(332, 52, f"test, after each epoch{'' if tested else ': none yet'}", 10)


def _draw_filters(drawing, record):
    """The first filters at the start and now, on one scale."""
    top = TOP + TALL + 60
    if record.before is None:
        drawing.text(20, top, "This network has no convolution whose filters could be shown.", 12)
        return
    count = min(FILTERS, record.before.shape[-1])
    both = np.nan_to_num([record.before, record.now], posinf=0, neginf=0)
    reach = max(np.abs(both).max(), 1e-9)
    drawing.text(20, top, f"the first {count} filters of the first convolution", 12, bold=True)
    ends = f"black −{reach:.2g}, grey 0, white {reach:.2g}"
    drawing.text(WIDTH - 20, top, ends, 10, "end", colour=PALETTE["neutral"])
    for row, kernels in enumerate(both):
        y = top + 12 + 52 * row
        drawing.text(20, y + 26, ("start", "now")[row], 11)
        for number in range(count):
            kernel = kernels[..., number]
            kernel = kernel if kernel.shape[-1] == 3 else kernel.mean(axis=-1)
            x = 62 + 56 * number
            drawing.image(x, y, 44, 44, as_bytes(kernel, (-reach, reach)))
            drawing.rect(x, y, 44, 44, "none", PALETTE["kernel"], 1.5)
