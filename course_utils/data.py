"""The pictures of the course: load them, scale them, feed them to a network.

Two sets of real pictures lie in the folder `data`, small enough to come with the course and kept
as *contact sheets*, which open in any browser. `load` cuts a sheet into its pictures; with
`full=True` it gives the complete set. `scale` turns bytes into the numbers that a network
expects, `pipeline` deals them out in shuffled batches, and `photo` gives a photograph to try a
filter on. `data/README.md` says where every picture comes from. An argument that is of no use is
refused with a ValueError that says what would be.

Importing this module imports neither TensorFlow nor Keras.
"""

import functools
import hashlib
import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from .arguments import choice, finite_number, flag, numeric_array, whole_number

DATA = Path(__file__).resolve().parent.parent / "data"
SPLITS = ("train", "test")
PHOTOS = ("bricks", "cat", "photographer")
BATCH_SIZE = 128  # images in a batch where nobody says how many


class Source(NamedTuple):
    """What is known of a set before any file is opened.

    `shape` is that of one picture, (height, width, channels). `small` and `complete` give, for
    each split, how many pictures there are of each class, in the order of `class_names`.
    """

    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    small: dict[str, tuple[int, ...]]
    complete: dict[str, tuple[int, ...]]


DATASETS = {
    "mnist": Source(
        class_names=tuple("0123456789"),
        shape=(28, 28, 1),
        small={"train": (1000,) * 10, "test": (200,) * 10},
        complete={
            "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
            "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
        },
    ),
    "cifar10": Source(
        class_names=(
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
        shape=(32, 32, 3),
        small={"train": (500,) * 10, "test": (100,) * 10},
        complete={"train": (5000,) * 10, "test": (1000,) * 10},
    ),
}


# --- Loading --------------------------------------------------------------------------------------


class Dataset(NamedTuple):
    """One split of a set.

    Attributes:
        images: uint8 `(n, height, width, channels)`, with 1 channel (grey) or 3 (red, green, blue).
        labels: int32 `(n,)`, the class of each image as an index into `class_names`.
        class_names: one name for each class.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


def load(name, split, full=False):
    """The images, labels and class names of a set, a `Dataset`: `load("mnist", "train")`.

    The images are dealt like cards, one of each class in turn: class 0, 1, ..., 9, 0, 1, ...; a
    class that has run out is passed over. Within a class they lie in the order of the SHA-256 sums
    of their pixels: as good as shuffled, and nobody's choice. So for every k the first k images
    are a balanced sample, the order is the same wherever the set came from, and the small set is
    the beginning of the complete one.

    Args:
        name: 'mnist' (28×28, grey) or 'cifar10' (32×32, colour).
        split: 'train' or 'test'.
        full: False gives the small set, which needs nothing but the folder `data`. True gives the
            complete one: from the folder of sheets that the environment variable `COURSE_DATA`
            names if it is set; otherwise Keras downloads it once, checks its sum, and keeps it. A
            download that was interrupted leaves nothing behind that could be mistaken for the
            set: run the call again and it starts over. In a copy of the course without a set's
            folder (CIFAR-10 has no licence) the small set is cut from the complete one, and that
            is said.

    Raises:
        ValueError: an unknown name or split, `full` is neither True nor False, or a sheet is
            truncated or altered.
        FileNotFoundError: a sheet is missing.
        ConnectionError: the complete set cannot be downloaded.

    >>> images, labels, class_names = load("mnist", "test")
    >>> images.shape, labels[:12].tolist()
    ((2000, 28, 28, 1), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    """
    source = DATASETS[choice(name, "name", DATASETS)]
    choice(split, "split", SPLITS)
    cut = not flag(full, "full") and _is_left_out(DATA / name)
    if not (full or cut):
        images, labels = _from_sheets(_small_folder(), name, split, source.small[split])
    elif os.environ.get("COURSE_DATA"):
        images, labels = _from_sheets(_complete_folder(), name, split, source.complete[split])
    else:
        images, labels = _from_keras(name, split)
    order = _deal(images, labels)[: sum(source.small[split]) if cut else None]
    return Dataset(images[order], labels[order], source.class_names)


@functools.cache
def _is_left_out(folder):
    """Whether this copy of the course came without the pictures of a set; says so, once."""
    left_out = (DATA / "SHA256SUMS").is_file() and not folder.is_dir()
    if left_out:
        print(
            f"data/{folder.name} is not in this copy of the course: its images are the beginning "
            "of the complete set, which Keras downloads once (or COURSE_DATA names its folder)"
        )
    return left_out


def _deal(images, labels):
    """The order in which the images lie when one of each class is dealt in turn.

    Sources sort a class as they please (one has CIFAR-10's ships by the alphabet, all banana boats
    together), so each class is shuffled first: by a number that only the pixels decide.
    """
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    sums = b"".join(hashlib.sha256(row).digest()[:8] for row in rows)
    by_class = np.lexsort((np.frombuffer(sums, dtype=">u8"), labels))
    turn = np.concatenate([np.arange(count) for count in np.bincount(labels)])
    return by_class[np.argsort(turn, kind="stable")]


# --- Contact sheets -------------------------------------------------------------------------------


class _Folder(NamedTuple):
    """A folder of sheets, the file with their sums, and what to do if a sheet is not right."""

    path: Path
    sums: Path
    suffix: dict[str, str]
    remedy: str


AGAIN = "bring it back with 'git checkout -- data', or fetch the course again"


def _small_folder():
    return _Folder(DATA, DATA / "SHA256SUMS", {"mnist": ".png", "cifar10": ".png"}, AGAIN)


def _complete_folder():
    folder = Path(os.environ["COURSE_DATA"]).expanduser()
    unset = "or unset COURSE_DATA to download the complete set instead"
    if not folder.is_dir():
        raise FileNotFoundError(f"COURSE_DATA names {folder}, which is no folder: mend it, {unset}")
    suffix = {"mnist": ".png", "cifar10": ".webp"}
    return _Folder(folder, DATA / "SHA256SUMS-complete", suffix, f"copy it again, {unset}")


def _from_sheets(folder, name, split, counts):
    """All images of a split, class after class, and their labels."""
    images, (height, width, channels) = [], DATASETS[name].shape
    for class_name, count in zip(DATASETS[name].class_names, counts, strict=True):
        sheet = _read(folder, f"{name}/{split}/{class_name}{folder.suffix[name]}")
        rows, columns = sheet.shape[0] // height, sheet.shape[1] // width
        tiles = sheet.reshape(rows, height, columns, width, channels).swapaxes(1, 2)
        # From left to right, then from top to bottom; the last row need not be full.
        images.append(tiles.reshape(-1, height, width, channels)[:count])
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return np.concatenate(images), labels


def _read(folder, file_name):
    """The pixels of one picture file, after its bytes have been compared with their sum."""
    path, expected = folder.path / file_name, _expected_sum(folder, file_name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing (SHA-256 {expected}): {folder.remedy}")
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        sums = f"its SHA-256 is {found}, expected is {expected}"
        raise ValueError(f"{path} is truncated or altered: {sums}: {folder.remedy}")
    return np.array(Image.open(io.BytesIO(content)))


def _expected_sum(folder, file_name):
    """The SHA-256 sum of a file as its folder's list has it (in the format of `sha256sum`)."""
    if not folder.sums.is_file():
        raise FileNotFoundError(f"{folder.sums} is missing: {AGAIN}")
    for line in folder.sums.read_text(encoding="utf-8").splitlines():
        sha256, _, listed = line.partition("  ")
        if listed == file_name:
            return sha256
    raise ValueError(f"{folder.sums} is truncated: it does not list {file_name}: {AGAIN}")


# --- The complete sets through Keras --------------------------------------------------------------


def _from_keras(name, split):
    """All images of a split in their original order, and their labels.

    Keras removes a file whose download fails or is interrupted, and compares the sum of a file
    in its cache each time, so that a broken one is fetched again (`keras.utils.get_file`).
    """
    import http.client

    import keras

    try:
        train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:
        # For a failed download Keras raises a bare Exception, for a wrong sum a ValueError.
        # What has another cause, such as a full disk, is not ours to explain.
        network = (ConnectionError, TimeoutError, http.client.HTTPException, ValueError)
        if type(error) is not Exception and not isinstance(error, network):
            raise
        small = f"use the small set, load({name!r}, {split!r}), "
        raise ConnectionError(
            f"the complete set {name!r} could not be downloaded ({error}): is there a network? "
            f"Run this again when there is, {small if (DATA / name).is_dir() else ''}"
            "or let COURSE_DATA name a folder that holds the complete set"
        ) from None
    images, labels = train if split == "train" else test
    images = images.reshape(-1, *DATASETS[name].shape)
    return images, labels.reshape(-1).astype(np.int32)


# --- Photographs ----------------------------------------------------------------------------------


def photo(name):
    """A photograph to try a filter on: `photo("cat")`.

    Args:
        name: 'bricks' (512×512, grey), 'cat' (300×451, colour) or 'photographer' (512×512, grey).

    Returns:
        uint8, `(height, width)` if grey, `(height, width, 3)` if in colour. Errors are those of
        `load`.

    >>> photo("cat").shape
    (300, 451, 3)
    """
    return _read(_small_folder(), f"photos/{choice(name, 'name', PHOTOS)}.png")


# --- On the way to a network ----------------------------------------------------------------------


def scale(images, low=0.0, high=1.0, border=0):
    """Bytes as numbers that suit a network: 0 becomes `low`, 255 becomes `high`, float32.

    Args:
        images: uint8 `(n, height, width, channels)`.
        low, high: what 0 and 255 become.
        border: so many pixels of value `low` are put around each image; LeNet-5 sees digits of
            28×28 in a frame of 32×32.

    Returns:
        float32 `(n, height + 2 * border, width + 2 * border, channels)`.

    Source of LeNet-5's values, -0.1 for the background and 1.175 for the ink: LeCun et al. 1998,
    section II.B.

    >>> scale(np.array([[[[0], [255]]]], dtype=np.uint8), low=-0.1, high=1.175).ravel().tolist()
    [-0.10000000149011612, 1.1749999523162842]
    """
    images, border = numeric_array(images, "images"), whole_number(border, "border", 0, 1000)
    if images.dtype != np.uint8 or images.ndim != 4:
        hint = ". Have they been scaled before?" if images.dtype.kind == "f" else ""
        hint = (
            ": images.astype('uint8') makes bytes of 0 to 255"
            if images.dtype.kind in "iu"
            else hint
        )
        given = f"{images.dtype} of shape {images.shape}{hint}"
        raise ValueError(f"scale takes uint8 (n, height, width, channels), these are {given}")
    frame = ((0, 0), (border, border), (border, border), (0, 0))
    return _values_of_bytes(low, high)[np.pad(images, frame)]


def _values_of_bytes(low, high):
    """What each of the 256 bytes becomes; to look it up is quick, and the two ends are exact."""
    low, high = finite_number(low, "low"), finite_number(high, "high")
    if low == high:
        raise ValueError(f"low and high must differ, not both be {low:g}")
    return np.linspace(low, high, 256, dtype=np.float32)


def pipeline(images, labels, batch_size=None, training=False, augment=None, seed=0, scaling=None):
    """Batches for `model.fit` and `model.evaluate`, as a `tf.data.Dataset`, in one call.

    Args:
        images: `(n, height, width, channels)`, as `scale` gives them.
        labels: `(n,)`, whole numbers from 0 up; a column `(n, 1)`, as Keras' own sets have them, is
            made a row.
        batch_size: images in a batch; None takes 128, or all where there are fewer.
        training: True gives the images in a new order every epoch, and all batches of equal size:
            the n modulo `batch_size` images at the end of the order sit this epoch out. False
            gives every image, in order.
        augment: for training only: a function `(images, seed) -> images` of a float32 batch and
            an int64 tensor of shape (2,), such as `shift_and_flip()`; each batch has a new seed.
        seed: the same one gives the same epochs, in order and in augmentation.
        scaling: `{"low": -2.0, "high": 2.0}` takes bytes and scales them batch by batch, which
            needs a quarter of the memory.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`. For training it has a variable `epoch`, the
        number of the epoch that comes next: seed and epoch decide the order and the augmentation,
        so a training that goes on from its third epoch sees what it would have seen. Give
        `model.fit` its `shuffle=False`: it cannot shuffle batches, and warns that it will not.
    """
    import tensorflow as tf

    images, table = _images_and_table(images, scaling)
    if augment is not None and not callable(augment):
        raise ValueError(f"augment must be a function (images, seed) -> images, not {augment!r}")
    count, seed = len(images), whole_number(seed, "seed", -(2**63), 2**63 - 1)
    labels = _labels(labels, count)
    batch_size = min(count, BATCH_SIZE) if batch_size is None else batch_size
    batch_size = whole_number(batch_size, "batch_size", 1)
    if flag(training, "training") and batch_size > count:
        text = f"a batch of {batch_size} cannot be filled from {count} images"
        raise ValueError(f"{text}: use a batch_size from 1 to {count}")
    with tf.device("CPU"):  # where the batches are put together, also if there is a GPU
        images, labels = tf.convert_to_tensor(images), tf.convert_to_tensor(labels)

    def batch_of(chosen, seeds=None):
        shown = tf.gather(images, chosen)
        if table is not None:
            shown = tf.gather(table, tf.cast(shown, tf.int32))
        if training and augment is not None:
            shown = augment(shown, seeds)
        return shown, tf.gather(labels, chosen)

    numbers = tf.data.Dataset.range(count).batch(batch_size)
    if training:
        numbers, epoch = _shuffled(count, batch_size, seed)
    options = tf.data.Options()  # on a few cores, epochs then take equal time
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 2
    batches = numbers.map(batch_of).prefetch(2).with_options(options)
    if training:
        batches.epoch = epoch
    return batches


def _images_and_table(images, scaling):
    """The images of a pipeline, and what each byte becomes, None if they are no bytes."""
    images = numeric_array(images, "images")
    if scaling is None and images.dtype.kind in "bui":
        if images.dtype != np.uint8:
            first = "images.astype('uint8'), of True and False 255 times that, and then scale"
            raise ValueError(
                f"these images are {images.dtype}, and not bytes (uint8): take {first}"
            )
        raise ValueError("these images are bytes from 0 to 255: scale(images) makes fractions")
    if scaling is None:
        return images, None
    if not isinstance(scaling, dict) or set(scaling) != {"low", "high"}:
        raise ValueError(f"scaling must be {{'low': ..., 'high': ...}}, not {scaling!r}")
    if images.dtype != np.uint8:
        raise ValueError(f"scaling takes bytes, and these images are {images.dtype}: leave it out")
    return images, _values_of_bytes(**scaling)


def _labels(labels, count):
    """The labels of a pipeline, as a row of whole numbers from 0 up."""
    try:
        labels = numeric_array(labels, "labels")
    except ValueError as problem:
        raise ValueError(f"{problem}: number the classes from 0") from None
    if len(labels) != count or count == 0:
        counts = f"there are {count} images, {len(labels)} labels"
        raise ValueError(f"each image needs its label: {counts}")
    labels = labels[:, 0] if labels.shape == (count, 1) else labels
    if labels.ndim != 1:
        hint = f"not of shape {labels.shape}: of one-hot labels take labels.argmax(axis=1)"
        raise ValueError(f"labels must be one whole number for each image, {hint}")
    if (labels % 1 != 0).any() or labels.min() < 0:
        ends = f"{labels.min():g} to {labels.max():g}"
        raise ValueError(f"labels must be whole numbers from 0 up, not {ends}")
    return labels.astype(np.int32) if labels.dtype == bool else labels


def _shuffled(count, batch_size, seed):
    """For each step of an epoch the numbers of its images and a seed; and the epoch's variable.

    Shuffling the numbers of the images, not the images, is quick and takes no memory. For the
    same reason there is no cache: the images lie in memory already, and stay there.
    """
    import tensorflow as tf

    steps, epoch = count // batch_size, tf.Variable(0, dtype="int64", trainable=False)

    def one_epoch(_):
        now = epoch.read_value()
        epoch.assign(now + 1)
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed=(seed, now))
        # A last, smaller batch would make TensorFlow trace the training step a second time.
        chosen = tf.reshape(order[: steps * batch_size], (steps, batch_size))
        seeds = tf.random.stateless_uniform(
            (steps, 2), seed=(now, seed), minval=None, maxval=None, dtype="int64"
        )
        return tf.data.Dataset.from_tensor_slices((chosen, seeds))

    numbers = tf.data.Dataset.from_tensors(0).flat_map(one_epoch)
    return numbers.apply(tf.data.experimental.assert_cardinality(steps)), epoch


def shift_and_flip(pixels=4, flip=True, fill=0.0):
    """A function that moves every image of a batch a little, each its own way.

    Each image is framed by `pixels` pixels of value `fill` (the background after `scale`) and cut
    out again at a random place; with `flip` every second one on average is mirrored, left to right.
    Do not flip digits: a mirrored 2 is no 2.

    Args:
        pixels: how far at most, in each direction.
        flip: whether to mirror.
        fill: the value of the frame.

    Returns:
        A function `(images, seed) -> images` for `pipeline(..., augment=...)`: images float32
        `(n, height, width, channels)`, seed an integer tensor of shape (2,). The same seed gives
        the same moves.

    Source: He et al., "Deep residual learning for image recognition" (2016), section 4.2.
    """
    pixels, fill = whole_number(pixels, "pixels", 0, 1000), finite_number(fill, "fill")
    flag(flip, "flip")

    def move(images, seed):
        import tensorflow as tf

        count, height, width, _ = tf.unstack(tf.shape(images))
        down, right, mirror = tf.unstack(tf.random.stateless_uniform((count, 3), seed), axis=1)
        places = 2 * pixels + 1
        top = tf.cast(down * places, tf.int32)[:, None]
        left = tf.cast(right * places, tf.int32)[:, None]
        # For each image, which rows and which columns of the framed one to take, in which order.
        rows = top + tf.range(height)
        columns = left + tf.range(width)
        if flip:
            columns = tf.where(mirror[:, None] < 0.5, columns[:, ::-1], columns)
        frame = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
        framed = tf.pad(images, frame, constant_values=fill)
        framed = tf.gather(framed, rows, axis=1, batch_dims=1)
        return tf.gather(framed, columns, axis=2, batch_dims=1)

    return move
