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
   runs, in threads of its own. All batches are equal, and optimizer and metric are built before
   the first, so that TensorFlow traces the step once: a training begins in half the time.
   One iterator serves all epochs: making one takes as long as some steps of a small network.
5. **Nothing in between.** What is shown is drawn twice a second, not after each step, and losses
   are added up where they are computed.

What brought nothing and is left out: another number of threads (fewer: 0.85 to 0.95 times; more:
the same), an optimizer whose update is one operation a weight (1.01), memory that is never given
back to the system (1.0), and XLA, which makes ResNet-20 three times slower on a processor.

A history is the same thing everywhere in the course, in a notebook as in `data/runs/`: a dict of
lists, one number for each epoch, under the keys in `watching.HISTORY_KEYS`. Losses and accuracies
called `val_...` are measured on the test set after the epoch; the others are means over the epoch,
while the weights were still changing. What cannot be trained or measured, a label
that has no score, a checkpoint of another training: each is refused with a ValueError that says
what to do.
"""

import re

import keras

from . import checkpoints as kept
from . import devices
from .arguments import choice, finite_number, flag, same_shape, text_of, whole_number
from .inside_keras import (
    all_layers,
    check_settings,
    computing_in,
    fused_batch_norm,
    nothing_kept,
    wrong_in_bfloat16,
)
from .watching import HISTORY_KEYS, Keeper, Notebook, Terminal, Watcher, in_notebook

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def set_seed(seed):
    """Seeds Python, NumPy and TensorFlow. Call it before the network is built."""
    keras.utils.set_random_seed(whole_number(seed, "seed", 0, 2**32 - 1))


def cosine_adam(learning_rate, steps):
    """Adam whose learning rate follows half a cosine from `learning_rate` down to 0.

    Large steps find the valley, ever smaller ones its floor, and there is no moment to choose.

    `steps` are those of the whole training: batches in an epoch times epochs.

    Source: Loshchilov and Hutter, "SGDR" (2017), eq. 5, without restarts.
    """
    learning_rate, steps = _positive(learning_rate), whole_number(steps, "steps", 1)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps=steps)
    return keras.optimizers.Adam(schedule)


def cosine_sgd(learning_rate, steps, warm_up=0.2, end=0.0):
    """SGD with Nesterov's momentum, whose learning rate rises in a line and falls along a cosine.

    It begins at 0, so that a network with batch normalisation survives a peak that is ten times
    what it could start with; then it falls to 0 as `cosine_adam`'s does.

    `learning_rate` is that of the peak, `steps` are those of the whole training, `warm_up` is the
    share of them until the peak.

    Source: Smith and Topin, "Super-convergence" (2018), for the rise and fall; momentum 0.9 as in
    He et al. 2016, section 3.4.
    """
    learning_rate, steps = _positive(learning_rate), whole_number(steps, "steps", 1)
    rise = max(1, round(finite_number(warm_up, "warm_up", 0, 1) * steps))
    fall, end = max(1, steps - rise), finite_number(end, "end", 0, 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, fall, end, warmup_target=learning_rate, warmup_steps=rise
    )
    return keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True)


def _positive(learning_rate):
    rate = finite_number(learning_rate, "learning_rate", 0)
    if not rate:
        raise ValueError("learning_rate must be above 0: nothing would be learned")
    return rate


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
    accuracy=None,
):
    """Compiles and trains a network, and shows how it goes.

    In a notebook a learning curve grows in place; in a terminal each epoch prints a line. Stop
    it whenever you like (the notebook's stop button, or Ctrl-C): what was learned is kept, and the
    history up to there is returned.

    Args:
        model: a Keras model with one output, logits, of any make.
        train: batches of (images, labels), as `data.pipeline(..., training=True)` gives them.
        test: batches to measure on after every epoch, or None. They choose nothing.
        epochs: how often `train` is gone through.
        learning_rate: where the default optimizer, `cosine_adam`, starts.
        optimizer: Keras' own, in place of the default one.
        loss: Keras' own, or a function, in place of the cross-entropy of the logits.
        title: of the learning curve.
        live: draw the curve (True), print lines (False) or show nothing ('silent'); None asks
            whether a notebook runs.
        checkpoints: a folder that keeps the state after every epoch (`checkpoints.py`). If it holds
            one, the training goes on from there as if it had never stopped, on another device and
            in another precision, too. Not kept are an `EarlyStopping`'s best weights, and what a
            callback of your own remembers.
        callbacks: more Keras callbacks. One that raises KeyboardInterrupt stops the training as
            you would. A `ModelCheckpoint` needs `save_weights_only=True` where layers compute in 16
            bits: else its file says so, too.
        precision: that the layers compute in while they train (`inside_keras.computing_in`):
            'float32', 'mixed_bfloat16', 'mixed_float16', or None for the fastest on this device
            that computes right (`inside_keras.wrong_in_bfloat16`).
        accuracy: a Keras metric called 'accuracy' in place of the share of right labels, where
            what is right is no label: `models.cell_accuracy()`, say.
    """
    epochs, steps = whole_number(epochs, "epochs", 1), _steps_of(train)
    scores, callbacks = _look_at(model, train, test, loss), _callbacks(callbacks, optimizer)
    if precision is None and wrong_in_bfloat16(model, train):
        precision = "float32"
    labels = train.element_spec[1]
    with model.distribute_strategy.scope():  # what trains the weights lives where they do
        if optimizer is None:
            optimizer = cosine_adam(learning_rate, steps * epochs)
        precision = _compile(model, optimizer, loss, accuracy, labels, scores, precision)
    title = text_of(title, "title") or model.name
    watcher, callbacks = _watching(model, train, epochs, title, live, checkpoints, callbacks)
    _run(model, train, test, watcher, callbacks, scores, precision)
    return watcher.history


def _watching(model, train, epochs, title, live, checkpoints, callbacks):
    """The `Watcher`, and all callbacks: the order of the images, it, the user's, checkpoints."""
    history, memories, recipe = {key: [] for key in HISTORY_KEYS}, [], None
    if isinstance(live, str) and live == "silent":
        watch = Watcher
    else:
        watch = Notebook if (in_notebook() if live is None else flag(live, "live")) else Terminal
    if checkpoints is not None:
        checkpoints, recipe = kept.folder_of(checkpoints), kept.recipe(model, train)
        history, memories = kept.resume(checkpoints, model, recipe) or (history, memories)
    done = len(history["loss"])
    if done > epochs:
        raise ValueError(f"{checkpoints} holds {done} epochs, more than the {epochs} asked for")
    same = [memory["kind"] for memory in memories] == [type(each).__name__ for each in callbacks]
    if same and any(memory["stopped"] for memory in memories):
        print(f"{title}: a callback ended it after {done} epochs; without it the training goes on")
        epochs = done
    watcher = watch(history, epochs, _steps_of(train), title)
    everything, counter = [watcher, *callbacks], getattr(train, "epoch", None)
    if checkpoints is not None:
        everything.append(Keeper(checkpoints, history, recipe, callbacks, memories))
    if counter is not None:  # seed and epoch decide the order of the images
        first = int(counter) if checkpoints is None else 0  # a second training gets orders anew
        order = keras.callbacks.LambdaCallback(lambda epoch, _: counter.assign(first + epoch))
        everything.insert(0, order)
    return watcher, everything


def _compile(model, optimizer, loss, accuracy, labels, scores, precision):
    """Ties optimizer, loss and the share of right answers to a model; gives the precision."""
    device = devices.detect()
    precision = choice(
        device.precision if precision is None else precision, "precision", PRECISIONS
    )
    try:
        optimizer = keras.optimizers.get(optimizer)
        keras.losses.get(loss)
    except (TypeError, ValueError, KeyError):
        given = f"{optimizer!r} and {loss!r}"
        raise ValueError(f"optimizer and loss must be Keras', or None, not {given}") from None
    if not isinstance(accuracy, keras.metrics.Metric | None):
        raise ValueError(f"accuracy must be a metric of Keras', or None, not {accuracy!r}")
    if precision == "mixed_float16":  # or small gradients would be 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    right = accuracy or _accuracy(model, labels, loss, scores)
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=[right], jit_compile=device.jit)
    # TensorFlow traces a step twice if it is the step that builds something.
    if model.built and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return precision


def _accuracy(model, labels, loss, scores):
    """The share of right answers as a metric of Keras', or its name where Keras has to choose."""
    if scores == 1:
        return keras.metrics.BinaryAccuracy("accuracy", threshold=_threshold(model, loss))
    numbers = loss is None or labels.shape.rank == 1  # not one-hot
    return keras.metrics.SparseCategoricalAccuracy("accuracy") if numbers else "accuracy"


def _run(model, train, test, watcher, callbacks, scores, precision):
    """Keras' own `fit`, with what the course changes, until it ends or is stopped."""
    import tensorflow as tf

    options = {"epochs": watcher.epochs, "initial_epoch": watcher.done_before, "verbose": 0}
    # The pipeline has shuffled already.
    options |= {"validation_data": test, "callbacks": callbacks, "shuffle": False}
    options |= {"x": train.repeat(), "steps_per_epoch": watcher.steps}  # one iterator for all

    def run_in(precision):
        with computing_in(precision, model), fused_batch_norm(model), nothing_kept(model):
            model.fit(**options)

    try:
        try:
            run_in(precision)
        except (TypeError, ValueError) as problem:
            begun = watcher.told  # then all layers can, and the fault is another's
            if precision == "float32" or begun or "float16" not in str(problem):
                raise
            print(f"{watcher.title}: a layer cannot compute in 16 bits, so all compute in float32")
            run_in("float32")
        watcher.finish()
    except KeyboardInterrupt:
        count = len(watcher.history["loss"])
        watcher.finish(f"stopped after {count} of {watcher.epochs} epochs")
    except tf.errors.InvalidArgumentError as error:  # in our words
        label = re.search(r"label value of (-?\d+)", str(error))
        if not label:
            raise
        raise ValueError(_wrong_label(label[1], scores)) from None


def _wrong_label(label, scores):
    remedy = "number the classes from 0, or give its last layer a unit for each class"
    return f"a label is {label}, and the network gives {scores} scores: {remedy}"


def _callbacks(callbacks, optimizer):
    """The callbacks as a list, which suit the optimizer."""
    try:
        callbacks = list(callbacks)
    except TypeError:
        callbacks = [callbacks]
    schedule = getattr(optimizer, "_learning_rate", None)
    planned = isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)
    setters = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)
    for callback in callbacks:
        kind = type(callback).__name__
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(f"callbacks must be a list of Keras callbacks, and one is a {kind}")
        if isinstance(callback, setters) and (planned or optimizer is None):
            other = "the optimizer's own schedule: pass optimizer=keras.optimizers.Adam(2e-3)"
            raise ValueError(f"{kind} sets the learning rate, and so does {other}")
    return callbacks


def _check_batches(batches, name):
    if not hasattr(batches, "cardinality") or not isinstance(batches.element_spec, tuple):
        raise ValueError(f"{name} must be batches: data.pipeline(images, labels, training=True)")
    if int(batches.cardinality()) == -1:
        raise ValueError(f"{name} never ends: leave out repeat(), epochs are counted here")


def _steps_of(train):
    """How many batches a `tf.data.Dataset` has; a ValueError where that is no use."""
    _check_batches(train, "train")
    steps = int(train.cardinality())
    if steps == 0:
        raise ValueError("train has no batch: give more images or a smaller batch_size")
    if steps < 0:
        raise ValueError("train must say how many batches it has: see tf.data's assert_cardinality")
    return steps


def _check_model(model):
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a Keras model, not a {type(model).__name__}")


def _look_at(model, train, test, loss):
    """Builds a model if need be, refuses what cannot be trained; gives the number of its scores."""
    check_settings()
    _check_model(model)
    if test is not None:
        _check_batches(test, "test")
    images, labels = (train.element_spec + (None,))[:2]
    if not hasattr(labels, "shape") or labels.dtype == "string":
        raise ValueError("train must give (images, labels), and the labels as numbers from 0 up")
    for layer in [model, *all_layers(model)]:
        if not re.fullmatch(r"[\w./>-]*", layer.name, re.ASCII):
            words = "is none for TensorFlow: letters from A to z, digits and _"
            raise ValueError(f"the name {layer.name!r} {words}")
        first = getattr(layer, "data_format", None) == "channels_first"
        if first and devices.detect().kind == "CPU":
            words = "which TensorFlow trains on a GPU only: leave out data_format"
            raise ValueError(f"{layer.name} has its channels first, {words}")
    _check_images(model, images)
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or []) if model.built else []
    if not outputs:  # a class of one's own
        image = keras.tree.map_structure(lambda batch: batch[:1], kept.first_batch(train)[0])
        outputs = keras.tree.flatten(model(image, training=False))
    if len(outputs) != 1:
        words = f"{len(outputs)} outputs, and fit trains one: keras.Model(inputs, the one you want)"
        raise ValueError(f"{model.name} has {words}")
    if not model.trainable_weights:
        raise ValueError(f"{model.name} has nothing to learn: no weights, or all are frozen")
    _check_outputs(model, outputs[0], labels, loss)
    return outputs[0].shape[-1]


def _check_images(model, images):
    """Refuses images that a model with a known input does not take."""
    wanted = getattr(model, "inputs", None)
    if not wanted:
        return
    if isinstance(images, dict):  # Keras finds each by its name
        wanted = [one for one in wanted if one.name in images]
        images = [images[one.name] for one in wanted]
    given = keras.tree.flatten(images)
    if len(wanted) != len(given):
        counts = f"{len(wanted)} images at once, train gives {len(given)}"
        raise ValueError(f"{model.name} takes {counts}")
    for one, other in zip(wanted, given, strict=True):
        if other.shape.rank is not None and not same_shape(one.shape[1:], other.shape[1:]):
            shapes = ["×".join(map(str, images.shape[1:])) for images in (one, other)]
            raise ValueError(f"{model.name} takes images of {shapes[0]}, train gives {shapes[1]}")


def _check_outputs(model, outputs, labels, loss):
    """Refuses outputs and labels that the default loss cannot compare."""
    if loss is not None or labels.shape.rank is None:
        return
    if outputs.shape[-1] == 1:
        remedy = "give it two, or pass loss=keras.losses.BinaryCrossentropy(from_logits=True)"
        raise ValueError(f"{model.name} ends in one number: {remedy}")
    shape = list(labels.shape)
    column = len(shape) == len(outputs.shape) and shape[-1] == 1
    if len(shape) != len(outputs.shape) - 1 and not column:
        ends = "×".join(map(str, outputs.shape[1:]))
        raise ValueError(
            f"{model.name} ends in {ends} scores for an image, and its label has the shape "
            f"{tuple(shape[1:])}: one whole number for each row of scores is needed (one-hot "
            "labels: labels.argmax(axis=-1); maps: GlobalAveragePooling2D, or Flatten and Dense)"
        )


def _threshold(model, loss):
    """Above which number a network with one score says yes: 0 for a logit, half for a share."""
    loss = (keras.tree.flatten(loss) or [None])[0]
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    logits = getattr(loss, "from_logits", None)
    if logits is None:
        name = getattr(getattr(loss, "fn", loss), "__name__", "")
        shares = name.startswith("binary_") or name in ("mean_squared_error", "mean_absolute_error")
        logits = not shares and not _ends_in_sigmoid(model)
    return 0.0 if logits else 0.5


def _ends_in_sigmoid(model):
    """Whether the last layer that changes numbers is a sigmoid."""
    if not type(model).__module__.startswith("keras."):
        words = "a logit or a probability: compile it with its loss, BinaryCrossentropy say"
        raise ValueError(f"{model.name} is a class of its own, and may end in {words}")
    for layer in reversed(model.layers):
        if hasattr(layer, "layers"):
            return _ends_in_sigmoid(layer)
        if getattr(layer, "activation", None) is not None or layer.weights:
            return getattr(layer, "activation", None) is keras.activations.sigmoid
    return False


def error_percent(model, batches):
    """The share of images that a network gets wrong, in per cent, computed in float32.

    Args:
        model: a Keras model with one output: a score for each class, or one for yes and no.
        batches: of (images, labels), as `data.pipeline` gives them.
    """
    _check_model(model)
    wrong = total = 0
    if hasattr(batches, "cardinality"):
        _check_batches(batches, "batches")
    for images, labels in _pairs(batches):
        outputs = keras.tree.flatten(model.predict_on_batch(images))
        if len(outputs) != 1:
            raise ValueError(f"{model.name} has {len(outputs)} outputs, and one is needed")
        scores, labels = outputs[0], keras.ops.convert_to_numpy(labels)
        several = scores.shape[-1] > 1
        if several:
            answers = scores.argmax(axis=-1)
        else:  # of a network with several scores the loss need not be known
            answers = scores[..., 0] > _threshold(model, getattr(model, "loss", None))
        if labels.size != answers.size:
            shapes = f"labels of shape {labels.shape}, answers of shape {answers.shape}"
            raise ValueError(f"one label for each answer is needed, and a batch has {shapes}")
        if several and not 0 <= labels.min() <= labels.max() < scores.shape[-1]:
            outside = labels.min() if labels.min() < 0 else labels.max()
            raise ValueError(_wrong_label(f"{outside:g}", scores.shape[-1]))
        wrong += int((answers != labels.reshape(answers.shape)).sum())
        total += answers.size
    if not total:
        raise ValueError("there is no batch to measure on")
    return 100 * wrong / total


def _pairs(batches):
    """The batches one by one; a ValueError where they are no pairs of images and labels."""
    for batch in batches if hasattr(batches, "__iter__") else [None]:
        pair = list(batch[:2]) if isinstance(batch, (tuple, list)) else []
        if len(pair) < 2 or not all(hasattr(part, "shape") for part in keras.tree.flatten(pair)):
            words = "batches must be pairs of images and labels: data.pipeline(images, labels)"
            raise ValueError(words)
        yield pair
