"""Training: compile and fit in one call, watched while it runs, reproducible, and resumable.

What makes training fast, in the order of what it brings on two cores of a processor. The factors
are those of `make bench` on one machine, in images a second; yours will differ.

1. **Precision.** In bfloat16 a number takes half the memory and, where the processor has the
   instructions, half the time: 1.2 to 1.8 times as many images. Weights, sums and logits stay in
   float32 (`_computing_in`). `devices` tells which precision suits.
2. **One kernel in place of many.** Keras puts batch normalisation together from small operations,
   each of which reads and writes all maps; TensorFlow has it as one. ResNet-20: 1.3 times as many
   images (`_fused_batch_norm`). TensorFlow then takes the ReLU behind it in, too.
3. **The cheap way to say the same.** Every second pixel by slicing has a gradient that takes six
   times as long as that of a mean over one pixel, `models.PadShortcut`: ResNet-20, 1.06 times.
4. **A step that never waits.** `data.pipeline` puts the next two batches together while a step
   runs, in threads of its own, and all batches are equal, so that the step is traced once.
5. **Nothing in between.** What is shown is drawn twice a second, not after each step, and losses
   are added up where they are computed.

What brought nothing and is left out: another number of threads (fewer: 0.85 to 0.95 times; more:
the same), an optimizer whose update is one operation a weight (1.01), memory that is never given
back to the system (1.0), and XLA, which makes ResNet-20 three times slower on a processor.

A history is the same thing everywhere in the course, in a notebook as in `data/runs/`: a dict of
lists, one number for each epoch, under the keys in `HISTORY_KEYS`. Losses and accuracies called
`val_...` are measured on the test set after the epoch; the others are means over the epoch,
while the weights were still changing.
"""

import json
import statistics
import sys
import time
from contextlib import contextmanager

import keras

from . import devices, models
from .anatomy import anatomy
from .arithmetic import whole_number
from .checkpoints import keep, resume
from .data import DATA

HISTORY_KEYS = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def set_seed(seed):
    """Seeds Python, NumPy and TensorFlow. Call it before the network is built."""
    keras.utils.set_random_seed(seed)


def cosine_adam(learning_rate, steps):
    """Adam whose learning rate follows half a cosine from `learning_rate` down to 0.

    Large steps find the valley, ever smaller ones its floor, and there is no moment to choose.

    Args:
        learning_rate: of the first step.
        steps: in the whole training: batches in an epoch times epochs.

    Source: Loshchilov and Hutter, "SGDR" (2017), eq. 5, without restarts.
    """
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps=steps)
    return keras.optimizers.Adam(schedule)


def cosine_sgd(learning_rate, steps, warm_up=0.2):
    """SGD with Nesterov's momentum, whose learning rate rises in a line and falls along a cosine.

    It begins at 0, so that a network with batch normalisation survives a peak that is ten times
    what it could start with; then it falls to 0 as `cosine_adam`'s does.

    Args:
        learning_rate: at the peak.
        steps: in the whole training: batches in an epoch times epochs.
        warm_up: the share of the steps until the peak.

    Source: Smith and Topin, "Super-convergence" (2018), for the rise and fall; momentum 0.9 as in
    He et al. 2016, section 3.4.
    """
    rise = max(1, round(warm_up * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - rise), warmup_target=learning_rate, warmup_steps=rise
    )
    return keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True)


def fit(
    model,
    train,
    test=None,
    epochs=5,
    learning_rate=2e-3,
    optimizer=None,
    loss=None,
    title="",
    live=None,
    checkpoints=None,
    callbacks=(),
    precision=None,
    metrics=("accuracy",),
):
    """Compiles and trains a network, and shows how it goes.

    In a notebook a learning curve grows in place; in a terminal each epoch prints a line. Stop
    it whenever you like (the notebook's stop button, or Ctrl-C): what was learned is kept, and
    you get the history up to there.

    Args:
        model: a Keras model that gives logits.
        train: batches of (images, labels), as `data.pipeline(..., training=True)` gives them.
        test: batches to measure on after every epoch, or None. They choose nothing: no epoch is
            picked by them.
        epochs: how often `train` is gone through.
        learning_rate: where the default optimizer, `cosine_adam`, starts.
        optimizer: a Keras optimizer instead of the default one.
        loss: a Keras loss instead of the default cross-entropy of the logits.
        title: of the learning curve.
        live: draw the curve (True), print lines (False) or show nothing ('silent'); None asks
            whether a notebook runs.
        checkpoints: a folder in which the state after every epoch is kept: weights, optimizer,
            seeds and history. If it holds one, the training goes on from there as if it had never
            stopped. Ask for the same `epochs`, or the default optimizer's steps shrink to another
            rhythm.
        callbacks: more Keras callbacks. One that raises KeyboardInterrupt stops the training as
            you would.
        precision: that the layers compute in while they train: 'float32', 'mixed_bfloat16',
            'mixed_float16', or None for the fastest on this device. The weights are float32 always,
            and so is what the network computes once it is trained.
        metrics: of Keras; one of them must be called 'accuracy', for the history.

    Returns:
        The history.

    Raises:
        ValueError: `epochs` is not positive, `train` has no batch (or does not say how many), the
            precision is unknown, or the checkpoints are of a longer training than this, or of
            another network.
    """
    epochs, steps = whole_number(epochs, "epochs", 1), _batches_in(train)
    device = devices.found()
    precision = precision or device.precision
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    optimizer = optimizer or cosine_adam(learning_rate, steps * epochs)
    if precision == "mixed_float16":  # or small gradients would be 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(
        optimizer,
        loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=list(metrics),
        jit_compile=device.jit,
    )
    history = {key: [] for key in HISTORY_KEYS}
    if checkpoints is not None:
        history = resume(checkpoints, model) or history
    done = len(history["loss"])
    if done > epochs:
        raise ValueError(f"{checkpoints} holds {done} epochs, more than the {epochs} asked for")

    watch = _Watcher
    if live != "silent":
        watch = _Notebook if (_in_notebook() if live is None else live) else _Terminal
    watcher = watch(history, epochs, steps, title or model.name, checkpoints)
    try:
        with _computing_in(precision, model), _fused_batch_norm(model):
            model.fit(
                train,
                validation_data=test,
                epochs=epochs,
                initial_epoch=done,
                verbose=0,
                shuffle=False,  # the pipeline has shuffled already
                callbacks=[_Order(train, checkpoints), watcher, *callbacks],
            )
        watcher.finish()
    except KeyboardInterrupt:
        watcher.finish(f"stopped after {len(history['loss'])} of {epochs} epochs")
    return history


@contextmanager
def _computing_in(precision, model):
    """Lets a network's layers compute in another precision for as long as the training lasts.

    The weights stay float32, and so does the last layer: a loss is a small difference of numbers.
    A layer of one's own that has weights is left alone, because it need not know of precisions.

    Source: Micikevicius et al., "Mixed precision training" (2018), section 3.
    """
    changed = [
        layer
        for layer in model.layers[:-1]
        if layer.dtype_policy.name == "float32"
        and (type(layer).__module__.startswith("keras.") or not layer.weights)
    ]
    for layer in changed:
        layer.dtype_policy = precision
    try:
        yield
    finally:
        for layer in changed:
            layer.dtype_policy = "float32"


@contextmanager
def _fused_batch_norm(model):
    """Lets batch normalisation use TensorFlow's fused kernel while a network trains on a CPU.

    Keras composes it from many small operations there, and ResNet-20 then spends a third of its
    time in them. The weights, the moving statistics and the saved file are Keras' own: only the
    `call` of each layer is another for as long as the training lasts.
    """
    import tensorflow as tf

    def fused(layer):
        def call(inputs, training=None, mask=None):
            if not training:
                return type(layer).call(layer, inputs, training=training, mask=mask)
            outputs, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
                inputs, layer.gamma, layer.beta, epsilon=layer.epsilon, is_training=True
            )
            # The kernel estimates the variance of all images there are (n - 1), Keras that of
            # these (n).
            count = tf.cast(tf.math.reduce_prod(tf.shape(inputs)[:-1]), "float32")
            keep, take = layer.momentum, 1 - layer.momentum
            layer.moving_mean.assign(layer.moving_mean * keep + mean * take)
            variance = variance * (count - 1) / count
            layer.moving_variance.assign(layer.moving_variance * keep + variance * take)
            return outputs

        return call

    suited = [
        layer
        for layer in model.layers
        if type(layer) is keras.layers.BatchNormalization
        and (layer.scale, layer.center, layer.trainable) == (True, True, True)
        and layer.compute_dtype in ("float32", "bfloat16")
        and len(layer.input.shape) == 4
        and layer.axis in (-1, 3)
        and not layer.synchronized
    ]
    if tf.config.list_physical_devices("GPU"):
        suited = []
    for layer in suited:
        layer.call = fused(layer)
    try:
        yield
    finally:
        for layer in suited:
            del layer.call


def _batches_in(train):
    """How many batches a `tf.data.Dataset` has; a ValueError where that is no use."""
    if not hasattr(train, "cardinality"):
        raise ValueError("train must be batches: data.pipeline(images, labels, training=True)")
    steps = int(train.cardinality())
    if steps == 0:
        raise ValueError("train has no batch: give more images or a smaller batch_size")
    if steps == -1:
        raise ValueError("train never ends: leave out repeat(), epochs are counted here")
    if steps < 0:
        raise ValueError("train must say how many batches it has: see tf.data's assert_cardinality")
    return steps


def recorded_run(name):
    """A training on a complete data set, as `make record` left it in `data/runs/`.

    Returns:
        A dict with `name`, `recipe`, `seeds`, `test_error` (per cent after the last epoch, one
        for each seed), `history` (one for each seed), `wall_seconds`, `hardware`, `versions`.

    Raises:
        ValueError: there is no such run; the message lists those there are.
    """
    if name not in recorded_names():
        known = ", ".join(recorded_names())
        raise ValueError(f"there is no recorded run {name!r}: choose one of {known}")
    return json.loads((DATA / "runs" / f"{name}.json").read_text(encoding="utf-8"))


def recorded_names():
    """The names of all recorded runs."""
    return sorted(path.stem for path in (DATA / "runs").glob("*.json"))


# What the papers report for the same network, and after how long: 64,000 steps of 128 images from
# 45,000 are 182 epochs. (LeCun et al. 1998, section III.C; He et al. 2016, table 6.)
PAPER_ERROR = {
    "lenet5": "0.95",
    "lenet5_modern_shifted": "0.8 (LeNet-5 with distorted digits)",
    "resnet20": "8.75 (182 epochs)",
    "resnet20_short": "8.75 (182 epochs)",
    "resnet56_short": "6.97 (182 epochs)",
}


def results_table():
    """All recorded runs on complete data sets as a table in Markdown, one line for each.

    The test error is a mean, with the standard deviation over seeds where there are several.
    """
    columns = (
        *("run", "data", "parameters", "multiply-adds", "epochs", "test error, %"),
        *("the paper's, %", "minutes a seed", "hardware"),
    )
    rows = [columns, ("---", "---", *["---:"] * 4, "---", "---:", "---")]
    for name in recorded_names():
        run = recorded_run(name)
        recipe, errors = run["recipe"], run["test_error"]
        # An error after a part of the data does not belong beside the others, nor one of pixels.
        if "part" in recipe or recipe["data"] == "scenes":
            continue
        cost = anatomy(lambda recipe=recipe: network_of(recipe))
        error = f"{statistics.mean(errors):.2f} (1 seed)"
        if len(errors) > 1:
            spread = statistics.stdev(errors)
            error = f"{statistics.mean(errors):.2f} ± {spread:.2f} ({len(errors)} seeds)"
        rows.append(
            (
                *(name, recipe["data"], f"{cost.parameters:,}", f"{cost.multiply_adds:,}"),
                *(recipe["epochs"], error, PAPER_ERROR.get(name, "–")),
                *(round(run["wall_seconds"] / len(errors) / 60), run["hardware"]),
            )
        )
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def network_of(recipe):
    """The network that a recorded run's `recipe` trains, with its first weights."""
    return getattr(models, recipe["network"])(**recipe.get("options", {}))


def recorded_network(name):
    """The trained network of a recorded run: `recorded_network("vgg_small")`.

    Feed it images that were scaled as in the run: `data.scale(images, **run["recipe"]["scale"])`.

    Raises:
        ValueError: there is no such run, or its weights were not kept.
    """
    weights = DATA / "weights" / f"{name}.weights.h5"
    network = network_of(recorded_run(name)["recipe"])
    if not weights.is_file():
        kept = sorted(path.name.partition(".")[0] for path in weights.parent.glob("*.weights.h5"))
        raise ValueError(f"no weights of {name!r} are kept: choose one of {', '.join(kept)}")
    network.load_weights(weights)
    return network


def error_percent(model, batches):
    """The share of images that a network gets wrong, in per cent.

    Args:
        model: a Keras model that gives logits.
        batches: of (images, labels), as `data.pipeline` gives them.

    Raises:
        ValueError: there is no batch.
    """
    wrong = total = 0
    for images, labels in batches:
        answers = model.predict_on_batch(images).argmax(axis=-1)
        wrong += int((answers != keras.ops.convert_to_numpy(labels)).sum())
        total += len(answers)
    if not total:
        raise ValueError("there is no batch to measure on")
    return 100 * wrong / total


# ---------------------------------------------------------------------------------------------
# Watching
# ---------------------------------------------------------------------------------------------


class _Order(keras.callbacks.Callback):
    """Tells the training images which epoch it is: seed and epoch decide their order."""

    def __init__(self, train, checkpoints):
        super().__init__()
        self.counter, self.first = getattr(train, "epoch", None), 0
        if self.counter is not None and checkpoints is None:
            self.first = int(self.counter)  # a second training gets orders that are new

    def on_epoch_begin(self, epoch, logs=None):
        if self.counter is not None:
            self.counter.assign(self.first + epoch)


class _Watcher(keras.callbacks.Callback):
    """Writes the history, keeps checkpoints, and tells how far the training is."""

    def __init__(self, history, epochs, steps, title, checkpoints):
        super().__init__()
        self.history, self.epochs, self.steps, self.title = history, epochs, steps, title
        self.checkpoints = checkpoints
        self.epoch, self.told = len(history["loss"]), 0.0
        self.began = time.perf_counter()
        self.done_before = self.epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_began = epoch, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if now - self.told > 0.5:  # twice a second is enough for the eye, and costs nothing
            self.told = now
            self.tell(self.progress(batch + 1, logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        for key in HISTORY_KEYS:
            if key in logs:
                self.history[key].append(float(logs[key]))
        self.history["seconds"].append(time.perf_counter() - self.epoch_began)
        if self.checkpoints is not None:
            self.keep_checkpoint()
        self.draw()

    def keep_checkpoint(self):
        """Keeps a checkpoint; where there is no room for it, the training is worth more."""
        try:
            keep(self.checkpoints, self.model, self.history)
        except OSError as problem:
            print(
                f"no checkpoint of epoch {self.epoch + 1} in {self.checkpoints} "
                f"({problem.strerror or problem}): the training goes on, and if it is interrupted "
                "it will go on from the checkpoint before"
            )

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


class _Terminal(_Watcher):
    over = "\r\033[K"  # back to the start of the line, and wipe it

    def tell(self, line):
        if sys.stdout.isatty():
            print(self.over + line, end="", flush=True)

    def draw(self):
        print(
            (self.over if sys.stdout.isatty() else "") + f"{self.title}: {self.summary()}",
            flush=True,
        )

    def finish(self, remark=""):
        if remark:
            print(f"{self.title}: {remark}", flush=True)


class _Notebook(_Watcher):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        from IPython.display import display

        text = {"text/plain": f"{self.title}: the first step takes longest ..."}
        self.line = display(text, raw=True, display_id=True)
        self.figure = None

    def tell(self, line):
        self.line.update({"text/plain": line}, raw=True)

    def draw(self):
        from IPython.display import display

        from . import plots

        finding = f"{self.title}: {self.summary()}"
        figure = plots.draw_curves({"this run": self.history}, finding, self.epochs)
        alt = f"Loss and error against epochs, for training and test. {finding}."
        data, metadata = plots.mime_bundle(figure, alt)
        if self.figure is None:
            self.figure = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.figure.update(data, metadata=metadata, raw=True)

    def finish(self, remark=""):
        self.tell(f"{self.title}: " + (f"{remark}; " if remark else "") + self.summary())


def _in_notebook():
    """Whether a Jupyter kernel runs us (a terminal, even IPython's, cannot draw)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
