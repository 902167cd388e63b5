"""Checkpoints: what a training has changed, kept after every epoch, all of it or nothing.

A checkpoint is a folder `epoch-0007` with two files. `state.npz` holds every variable of the
network (weights, moving statistics, the seeds of its dropout) and of its optimizer (momentum, and
the number of steps, by which the learning rate's schedule counts); `history.json` holds the history
so far. Arrays and text: reading one never runs anything.

Two rules make it safe. A checkpoint is written under another name and renamed when it is whole,
because a rename is never half done. And the one before it stays, in case a disk spoils the new one.
"""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np

# What a file that was cut off, altered or taken away raises when it is read.
UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile)


def keep(folder, model, history):
    """Keeps the state after the history's last epoch, and removes all but it and the one before.

    Args:
        folder: where the checkpoints lie; it is made if need be.
        model: a compiled Keras model, or one whose `optimizer` is built for it.
        history: a dict of lists, one number for each epoch, `"loss"` among them.

    Raises:
        OSError: the disk is full, or the folder cannot be written. What was kept before stays.
    """
    folder = Path(folder)
    half_done = folder / "half-done"
    place = folder / f"epoch-{len(history['loss']):04d}"
    shutil.rmtree(half_done, ignore_errors=True)
    try:
        half_done.mkdir(parents=True)
        arrays = [np.asarray(variable.numpy()) for variable in _variables(model)]
        np.savez(half_done / "state.npz", *arrays)
        (half_done / "history.json").write_text(json.dumps(history), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)  # one that could not be read
        os.replace(half_done, place)
    except OSError:
        shutil.rmtree(half_done, ignore_errors=True)  # it only takes room
        raise
    for old in sorted(folder.glob("epoch-*"))[:-2]:
        shutil.rmtree(old)


def resume(folder, model):
    """Puts the newest checkpoint that can be read into a model and its optimizer.

    One that cannot be read is named and passed over, and nothing of it is used.

    Args:
        folder: where `keep` put them.
        model: as for `keep`: the same network with the same kind of optimizer.

    Returns:
        The checkpoint's history, or None where there is no checkpoint.

    Raises:
        ValueError: there are checkpoints, but none can be read and fits the model.
    """
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    places = sorted(Path(folder).glob("epoch-*"), reverse=True)
    for place in places:
        try:
            history = json.loads((place / "history.json").read_text(encoding="utf-8"))
            arrays = _read(place / "state.npz", variables)
        except UNREADABLE as error:
            reason = str(error).partition("\n")[0]
            print(f"{place} cannot be read ({reason}): trying the checkpoint before it")
            continue
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        return history
    if places:
        raise ValueError(
            f"no checkpoint in {folder} can be read and fits {model.name}: "
            "name another folder, or delete this one to begin anew"
        )
    return None


def _variables(model):
    """Every variable that a training step may change, always in the same order."""
    return [*model.variables, *model.optimizer.variables]


def _read(path, variables):
    """One array for each variable; ValueError where they are those of another network."""
    with np.load(path, allow_pickle=False) as kept:
        arrays = [kept[name] for name in kept.files]
    shapes = [array.shape for array in arrays]
    if shapes != [tuple(variable.shape) for variable in variables]:
        raise ValueError("it is of another network or another optimizer")
    return arrays
