"""Checkpoints: what a training has changed, kept after every epoch, all of it or nothing.

A checkpoint is a folder `epoch-0007` with two files. `state.npz` holds every variable of the
network (weights, moving statistics, the seeds of its dropout) and of its optimizer (momentum, and
the number of steps, by which the learning rate's schedule counts). `history.json` holds the history
so far, what the training is of (`recipe`), and how far its callbacks are. Arrays and text: reading
one never runs anything. The scale of a loss in float16 is not kept, because it finds itself anew;
so a training goes on in another precision than it began in.

Two rules make it safe. A checkpoint is written under another name and renamed when it is whole,
because a rename is never half done. And the one before it stays, in case a disk spoils the new one.
"""

import json
import os
import re
import shutil
from itertools import chain
from numbers import Real
from pathlib import Path

import numpy as np

from .inside_keras import all_layers

# Settings that differ between two networks of the same kind, or decide only how they begin. (The
# code of a lambda holds the name of the kernel's own file.)
PASSING = ("name", "dtype", "seed", "shared_object_id", "build_config", "code")


def folder_of(place):
    """A folder for checkpoints as a `Path`: `~` is the home folder. A ValueError if it is none."""
    try:
        folder = Path(place).expanduser()
    except (TypeError, RuntimeError):
        raise ValueError(f"checkpoints must name a folder, not {place!r}") from None
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"checkpoints must name a folder, and {folder} is a file")
    return folder


def keep(folder, model, history, recipe=None, callbacks=()):
    """Keeps the state after the history's last epoch, and removes all but it and the one before.

    Args:
        folder: where the checkpoints lie; it is made if need be.
        model: a compiled Keras model, or one whose `optimizer` is built for it.
        history: a dict of lists, one number for each epoch, `"loss"` among them.
        recipe: what the training is of, as `recipe` gives it.
        callbacks: how far the training's callbacks are, a dict for each.

    Raises:
        OSError: the disk is full, or the folder cannot be written. What was kept before stays.
    """
    folder = folder_of(folder)
    half_done = folder / "half-done"
    place = folder / f"epoch-{len(history['loss']):04d}"
    shutil.rmtree(half_done, ignore_errors=True)
    try:
        half_done.mkdir(parents=True)
        arrays = [np.asarray(variable.numpy()) for variable in _variables(model)]
        # A file knows no bfloat16.
        arrays = [each.astype("float32") if each.dtype.kind == "V" else each for each in arrays]
        np.savez(half_done / "state.npz", *arrays)
        told = {"history": history, "training": recipe, "callbacks": list(callbacks)}
        (half_done / "history.json").write_text(json.dumps(told), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)  # one that could not be read
        os.replace(half_done, place)
    except OSError:
        shutil.rmtree(half_done, ignore_errors=True)  # it only takes room
        raise
    for old in _kept_in(folder)[:-2]:
        shutil.rmtree(old)


def _kept_in(folder):
    """The checkpoints in a folder, the newest last; what else lies there is somebody's own."""
    places = (path for path in folder.glob("epoch-*") if path.is_dir())
    numbered = (path for path in places if re.fullmatch(r"epoch-\d{4,}", path.name))
    return sorted(numbered, key=lambda path: int(path.name.partition("-")[2]))


def resume(folder, model, recipe=None):
    """Puts the newest checkpoint that can be read into a model and its optimizer.

    One that cannot be read is named and passed over, and nothing of it is used.

    Args:
        folder: where `keep` put them.
        model: as for `keep`: the same network with the same kind of optimizer.
        recipe: what the training is of, as `recipe` gives it; None asks for nothing.

    Returns:
        The checkpoint's history and how far its callbacks are, or None where there is none.

    Raises:
        ValueError: they are of another training, and the message names what differs; or there
            are checkpoints, but none can be read and fits the model.
    """
    model.optimizer.build(model.trainable_variables)
    variables, folder = _variables(model), folder_of(folder)
    shapes = [tuple(variable.shape) for variable in variables]
    places = _kept_in(folder)[::-1]
    again = "name another folder, or delete this one to begin anew"
    for place in places:
        try:
            history, callbacks, differs = _told_in(place, recipe)
            with np.load(place / "state.npz", allow_pickle=False) as state:
                arrays = [state[name] for name in state.files]
            if not differs and [array.shape for array in arrays] != shapes:
                raise ValueError(f"its weights do not fit {model.name} and its optimizer")
        except Exception as error:  # what zip, JSON and NumPy make of damaged bytes has no end
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            print(f"{place} cannot be read ({reason}): trying the checkpoint before it")
            continue
        if differs:
            raise ValueError(f"{folder} is of another training: {differs}; {again}")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        return history, callbacks
    if places:
        raise ValueError(f"no checkpoint in {folder} can be read and fits {model.name}: {again}")
    return None


def _told_in(place, recipe):
    """A checkpoint's history, how far its callbacks are, and how its training differs, in words."""
    told = json.loads((place / "history.json").read_text(encoding="utf-8"))
    if "history" not in told:  # as they were before they told what they are of
        told = {"history": told}
    history, callbacks, of = told["history"], told.get("callbacks", []), told.get("training")
    if not isinstance(history, dict) or not history.get("loss"):
        raise ValueError("there is no history in it")
    whole = all(isinstance(values, list) for values in [callbacks, *history.values()])
    whole = whole and all(isinstance(number, Real) for number in chain(*history.values()))
    if not whole or not all({"kind", "stopped"} <= {*memory} for memory in callbacks):
        raise ValueError("its history or its callbacks are damaged")
    return history, callbacks, difference(of, recipe) if recipe and of is not None else ""


def _variables(model):
    """Every variable that a training step may change, always in the same order."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return [*model.variables, *optimizer.variables]


# --- What a training is of ------------------------------------------------------------------------


def recipe(model, batches):
    """What a compiled model's training is of, as plain data that can be compared.

    Of `batches`, what it is trained on, the first is looked at if `data.pipeline` has made them.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    told = {
        "layers": list(map(_described, all_layers(model))),
        "optimizer": _described(optimizer),
        "loss": _described(model.loss),
        "batches in an epoch": int(batches.cardinality()),
    }
    if getattr(batches, "epoch", None) is not None:  # whose order is always the same
        images, labels = first_batch(batches)
        told["first labels"] = np.asarray(labels).tolist()
        numbers = np.asarray(images, dtype="float32")
        told["first images"] = [*numbers.shape, float(numbers.mean()), float(numbers.std())]
    return json.loads(json.dumps(told, default=_kind))


def first_batch(batches):
    """The first batch, of epoch 0 where epochs differ; the epoch that comes next stays."""
    epoch = getattr(batches, "epoch", None)
    if epoch is None:
        return next(iter(batches.take(1)))
    now = int(epoch)
    epoch.assign(0)
    batch = next(iter(batches.take(1)))
    epoch.assign(now)
    return batch


def _described(thing):
    """A layer, an optimizer or a loss as its settings, and under '' its kind."""
    try:
        settings = {} if hasattr(thing, "layers") else thing.get_config()
    except Exception:  # a class of one's own need not be able to tell
        settings = {}
    return {**_flat(settings), "": _kind(thing)}


def _kind(thing):
    return getattr(thing, "__name__", type(thing).__name__)


def _flat(value, path=""):
    """Settings within settings as one dict: {'units': 8, 'learning_rate.decay_steps': 18, ...}."""
    if isinstance(value, (list, tuple)) and any(isinstance(part, dict) for part in value):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {path: value}
    flat = {}
    for key, inner in value.items():
        if key not in PASSING and not str(key).endswith("_initializer"):
            flat |= _flat(inner, f"{path}.{key}" if path else str(key))
    return flat


def difference(kept, asked):
    """What differs between two recipes, in words; nothing if they are the same."""
    pairs = [("a layer", *both) for both in zip(kept["layers"], asked["layers"], strict=False)]
    pairs += [(f"the {part}", kept[part], asked[part]) for part in ("optimizer", "loss")]
    for name, there, here in pairs:
        for key in {"": "", **there, **here}:
            before, now = (settings.get(key, "not set") for settings in (there, here))
            if before != now:
                what = f"({here['']}) has {key} =" if key else "is"
                hint = " (the default one's steps follow from `epochs`)"
                hint = hint if name == "the optimizer" else ""
                return f"{name} {what} {before} there and {now} here{hint}"
    for count, sizes in (
        ("layers", [len(recipe["layers"]) for recipe in (kept, asked)]),
        ("batches in an epoch", [recipe["batches in an epoch"] for recipe in (kept, asked)]),
    ):
        if sizes[0] != sizes[1]:
            return f"it has {sizes[0]} {count}, and here are {sizes[1]}"
    if kept.get("first labels") != asked.get("first labels"):
        return "its labels, their order (the seed) or the batch size were others"
    there, here = (recipe.get("first images", []) for recipe in (kept, asked))
    if len(there) != len(here) or not np.allclose(there, here, rtol=0.01, atol=0.01):
        return "its images were others, or scaled in another way"
    return ""
