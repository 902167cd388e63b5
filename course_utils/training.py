"""Training: compile and fit in one call, watched while it runs, reproducible, and resumable.

What makes training fast, in the order of what it brings on two cores of a processor. The factors
are those of `make bench` on one machine, in images a second; yours will differ.

1. **Precision.** In bfloat16 a number takes half the memory and, where the processor has the
   instructions, half the time: 1.2 to 1.8 times as many images. Weights, sums and logits stay in
   float32 (`inside_keras.computing_in`). `devices` tells which precision suits.
2. **One kernel in place of many.** Keras puts batch normalisation together from small operations,
   each of which reads and writes all maps; TensorFlow has it as one. ResNet-20: 1.3 times as many
   images (`inside_keras.fused_batch_norm`). TensorFlow then takes the ReLU behind it in, too.
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
lists, one number for each epoch, under the keys in `watching.HISTORY_KEYS`. Losses and accuracies
called `val_...` are measured on the test set after the epoch; the others are means over the epoch,
while the weights were still changing.
"""

import keras

from . import devices
from .arithmetic import whole_number
from .checkpoints import resume
from .inside_keras import computing_in, fused_batch_norm
from .watching import HISTORY_KEYS, Notebook, Order, Terminal, Watcher, in_notebook

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

    Returns:
        The history.

    Raises:
        ValueError: `epochs` is not positive, `train` has no batch (or does not say how many), the
            precision is unknown, or the checkpoints are of a longer training than this, or of
            another network.
    """
    epochs, steps = whole_number(epochs, "epochs", 1), _batches_in(train)
    device = devices.detect()
    precision = precision or device.precision
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    optimizer = optimizer or cosine_adam(learning_rate, steps * epochs)
    if precision == "mixed_float16":  # or small gradients would be 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(
        optimizer,
        loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=device.jit,
    )
    history = {key: [] for key in HISTORY_KEYS}
    if checkpoints is not None:
        history = resume(checkpoints, model) or history
    done = len(history["loss"])
    if done > epochs:
        raise ValueError(f"{checkpoints} holds {done} epochs, more than the {epochs} asked for")

    watch = Watcher
    if live != "silent":
        watch = Notebook if (in_notebook() if live is None else live) else Terminal
    watcher = watch(history, epochs, steps, title or model.name, checkpoints)
    try:
        with computing_in(precision, model), fused_batch_norm(model):
            model.fit(
                train,
                validation_data=test,
                epochs=epochs,
                initial_epoch=done,
                verbose=0,
                shuffle=False,  # the pipeline has shuffled already
                callbacks=[Order(train, checkpoints), watcher, *callbacks],
            )
        watcher.finish()
    except KeyboardInterrupt:
        watcher.finish(f"stopped after {len(history['loss'])} of {epochs} epochs")
    return history


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
