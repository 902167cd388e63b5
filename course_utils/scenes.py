"""Scenes: handwritten digits painted on photographs, with a mask of classes and a box for each.

A classifier is asked *what*. These scenes ask *where* and *which pixel*, and because they are
painted here, every label is exact. `material` loads what is painted and on what, `paint` paints as
many scenes as one likes, `pipeline` feeds them to a network, always new ones. The digits and the
photographs of the test split are never in a training scene.

Axes and units: images and masks are `[row, column]`, row 0 at the top. A box is
`(top, left, bottom, right)` in pixels, half open: its rows are `top` to `bottom - 1`, its height
is `bottom - top`. In a mask 0 is background, and digit d is d + 1.

What is no material, no scene or no label is refused with a ValueError, and so are digits that find
no room. Importing this module imports neither TensorFlow nor Keras.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageOps

from . import data, metrics
from .arguments import choice, finite_number, listed, numeric_array, whole_number
from .arithmetic import pair

CLASSES = ("background", *"0123456789")
CELL = 8  # pixels along the side of a detector's cell
REACH = 32  # pixels: the unit of a detector's distances
COLOURS = [ImageColor.getrgb(name) for name in "white gold orange lime cyan hotpink".split()]
DIMMED = 0.5  # a photograph's brightness: digits stand out, and are learned within minutes
USUAL = {"digits": (2, 5), "sides": (20, 28)}  # how many there are, and how large
OUTSIDE = 0.15  # of a digit's side may lie outside the scene
TARGETS = ("masks", "cells")
TRIES = 200  # places to try, digit by digit, before a scene counts as full


class Material(NamedTuple):
    """What scenes are made of.

    Attributes:
        digits: uint8 `(n, height, width, 1)`, 255 is ink.
        labels: int `(n,)`, 0 to 9.
        photographs: uint8 `(m, height, width, 3)`.
    """

    digits: np.ndarray
    labels: np.ndarray
    photographs: np.ndarray


class Scenes(NamedTuple):
    """Painted scenes.

    Attributes:
        images: uint8 `(n, size, size, 3)`.
        masks: uint8 `(n, size, size)`, the class of each pixel: 0 is background, digit d is d + 1.
            Where strokes lie over each other, the upper one counts.
        boxes: for each scene int32 `(k, 4)`, a box for each digit, the lowest-lying first: the
            smallest that holds all its strokes in the scene, also those that another covers.
        labels: for each scene int32 `(k,)`, the digits 0 to 9.
    """

    images: np.ndarray
    masks: np.ndarray
    boxes: list
    labels: list


def material(split, full=False):
    """The digits (MNIST) and photographs (CIFAR-10) of a split: 'train' or 'test'.

    `full` is that of `data.load`.

    Raises:
        ValueError: there is no such split, or `full` is neither True nor False.
        FileNotFoundError: a sheet is missing.
        ConnectionError: a complete set cannot be downloaded.
    """
    digits, photographs = data.load("mnist", split, full), data.load("cifar10", split, full)
    return Material(digits.images, digits.labels, photographs.images)


# --- Painting -------------------------------------------------------------------------------------


def paint(material, count, seed=0, size=64, digits=(2, 5), sides=(20, 28), overlap=0.2):
    """`Scenes`, newly painted: `paint(material("train"), 100)`.

    Args:
        material: a `Material`.
        count: how many scenes.
        seed: a whole number, or several; the same seed gives the same scenes.
        size: height and width of a scene in pixels.
        digits: how many digits a scene has, `(fewest, most)` or one number.
        sides: the longer side of a digit in pixels, `(shortest, longest)` or one number.
        overlap: the share of the smaller of two boxes that the other may cover, 0 (they lie
            apart) to 1.

    >>> scenes = paint(material("train"), 2, seed=1, digits=3)
    >>> scenes.images.shape, scenes.masks.shape, scenes.boxes[0].shape
    ((2, 64, 64, 3), (2, 64, 64), (3, 4))
    """
    material = _checked_material(material)
    count, size = whole_number(count, "count", 1, 10**6), whole_number(size, "size", 8, 2048)
    fewest, most = _in_order(digits, "digits", 0)
    shortest, longest = _in_order(sides, "sides", 4)
    overlap = finite_number(overlap, "overlap", 0, 1)
    if longest > size:
        raise ValueError(
            f"a digit of {longest} pixels has no room in a scene of {size}×{size}: "
            "make the scene larger or the digits smaller (sides)"
        )
    numbers = np.random.default_rng(_seeds(seed))
    images = np.empty((count, size, size, 3), np.uint8)
    masks = np.zeros((count, size, size), np.uint8)
    boxes, labels = [], []
    for image, mask in zip(images, masks, strict=True):
        photograph = Image.fromarray(material.photographs[numbers.integers(len(material[2]))])
        photograph = ImageOps.fit(photograph, (size, size), Image.Resampling.BILINEAR)
        image[:] = DIMMED * np.asarray(photograph)
        wanted = numbers.integers(fewest, most + 1)
        chosen, inks, places = _find_room(
            numbers, material.digits, wanted, (shortest, longest), size, overlap
        )
        for index, ink, place in zip(chosen, inks, places, strict=True):
            _lay(numbers, image, mask, ink, place, int(material.labels[index]) + 1)
        boxes.append(_boxes(inks, places, size))
        labels.append(material.labels[chosen].astype(np.int32))
    return Scenes(images, masks, boxes, labels)


def _seeds(seed):
    """A seed, or several, as a list of whole numbers."""
    many = isinstance(seed, (list, tuple, range)) or getattr(seed, "ndim", 0)
    several = listed(seed, "seed") if many else [seed]
    return [whole_number(number, "seed", 0) for number in several]


def _checked_material(material):
    """The material as arrays: a list has no shape, and a table's column has its own index."""
    if not isinstance(material, Material):
        raise ValueError(f"material must be what `material` gives, not {material!r}")
    digits, labels, photographs = map(numeric_array, material, Material._fields)
    for name, array, last in (("digits", digits, 1), ("photographs", photographs, 3)):
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != last or not array.size:
            raise ValueError(
                f"{name} must be uint8 of shape (n, height, width, {last}), at least one, "
                f"not {array.dtype} of shape {array.shape}"
            )
    if labels.shape != (len(digits),):
        raise ValueError(
            f"each digit needs its label: {len(digits)} digits, labels of shape {labels.shape}"
        )
    if not np.isin(labels, range(10)).all():
        raise ValueError("labels must be the digits 0 to 9, as whole numbers")
    return Material(digits, labels, photographs)


def _in_order(value, name, smallest):
    low, high = pair(value, name, smallest)
    if low > high:
        raise ValueError(f"{name} must be (least, most), not {value!r}")
    return low, high


def _ink(digit, side):
    """A digit cut out along its ink, its longer side `side` pixels; 255 is full ink."""
    rows, columns = np.flatnonzero(digit.max(axis=1) > 127), np.flatnonzero(digit.max(axis=0) > 127)
    if not rows.size:
        raise ValueError("a digit has no ink: none of its pixels is above 127")
    digit = Image.fromarray(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = side / max(digit.size)
    size = [max(2, round(scale * length)) for length in digit.size]
    ink = np.asarray(digit.resize(size, Image.Resampling.BILINEAR))
    if ink.max() > 127:
        return ink
    return np.round(ink * (255 / ink.max())).astype(np.uint8)  # made small, thin strokes had faded


def _find_room(numbers, digits, wanted, sides, size, overlap):
    """Which digits a scene has, their inks and places; others where the first find no room."""
    for _ in range(5):
        chosen = numbers.integers(len(digits), size=wanted)
        lengths = numbers.integers(sides[0], sides[1] + 1, size=wanted)
        inks = [
            _ink(digits[index, ..., 0], side) for index, side in zip(chosen, lengths, strict=True)
        ]
        places = _places(numbers, inks, size, overlap)
        if places is not None:
            return chosen, inks, places
    raise ValueError(
        f"no room for {wanted} digits of up to {max(lengths)} pixels in a scene of {size}×{size} "
        f"with overlap {overlap}: ask for fewer (digits) or smaller ones (sides), a larger scene "
        "(size), or more overlap"
    )


def _places(numbers, inks, size, overlap):
    """(top, left) for each digit, no two boxes overlapping too much; None if there is no room."""
    for _ in range(10):  # a first digit in the middle may be the reason that the last has no room
        taken = []
        for ink in inks:
            spill = [int(OUTSIDE * length) for length in ink.shape]
            for _ in range(TRIES):
                top, left = (
                    int(numbers.integers(-out, size - length + out + 1))
                    for out, length in zip(spill, ink.shape, strict=True)
                )
                box = (top, left, top + ink.shape[0], left + ink.shape[1])
                if all(_covered(box, other) <= overlap for other in taken):
                    taken.append(box)
                    break
            else:
                break
        else:
            return [box[:2] for box in taken]
    return None


def _covered(first, second):
    """The share of the smaller of two boxes that the other covers."""
    height = min(first[2], second[2]) - max(first[0], second[0])
    width = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return max(height, 0) * max(width, 0) / smaller


def _lay(numbers, image, mask, ink, place, value):
    """Paints one digit into image and mask, in a bright colour."""
    top, left = max(place[0], 0), max(place[1], 0)
    ink = ink[top - place[0] :, left - place[1] :][: len(image) - top, : len(image) - left]
    under = image[top : top + ink.shape[0], left : left + ink.shape[1]]
    colour = COLOURS[numbers.integers(len(COLOURS))]
    share = ink[..., None] / np.float32(255)
    under[:] = np.round(under * (1 - share) + share * np.float32(colour))
    mask[top : top + ink.shape[0], left : left + ink.shape[1]][ink > 127] = value


def _boxes(inks, places, size):
    """The boxes around strokes, as far as they lie in the scene: int32 `(k, 4)`."""
    boxes = np.zeros((len(inks), 4), np.int32)
    for box, ink, (top, left) in zip(boxes, inks, places, strict=True):
        rows, columns = np.nonzero(ink > 127)
        rows, columns = rows + top, columns + left
        seen = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        if not seen.any():
            raise ValueError("a digit has so few strokes that all of them lie outside its scene")
        box[:2] = rows[seen].min(), columns[seen].min()
        box[2:] = rows[seen].max() + 1, columns[seen].max() + 1
    return boxes


# --- A detector's cells ---------------------------------------------------------------------------


def cells_from_boxes(boxes, labels, size=64, cell=CELL):
    """What a detector should say for one scene: float32 `(size/cell, size/cell, 6)`.

    The cell that holds the middle of a box is responsible for it. Its six numbers: 1; the
    distances from the cell's middle up, left, down and right to the edges of the box, in units of
    32 pixels (negative where an edge lies on the other side); the label. All other cells are 0. Of
    two digits in one cell the later one counts.
    """
    boxes, labels = metrics.checked_boxes(boxes), numeric_array(labels, "labels")
    size, cell = whole_number(size, "size", 1, 2048), whole_number(cell, "cell", 1)
    if size % cell or labels.shape != (len(boxes),) or (labels % 1).any():
        raise ValueError(
            f"size {size} must be a multiple of {cell}, and each box needs its label, a whole "
            f"number: {len(boxes)} boxes, {labels.size} labels"
        )
    cells = np.zeros((size // cell, size // cell, 6), np.float32)
    if strange := [label for label in labels.tolist() if not 0 <= label <= 9]:
        raise ValueError(f"a label must be a digit, 0 to 9, not {strange[0]}")
    for (top, left, bottom, right), label in zip(boxes.tolist(), labels, strict=True):
        row, column = int((top + bottom) / 2 // cell), int((left + right) / 2 // cell)
        if not (0 <= row < len(cells) and 0 <= column < len(cells)):
            box = (top, left, bottom, right)
            raise ValueError(f"the middle of the box {box} lies outside the scene of {size}×{size}")
        down, across = (row + 0.5) * cell, (column + 0.5) * cell  # the cell's middle
        edges = np.array([down - top, across - left, bottom - down, right - across])
        cells[row, column] = 1, *edges / REACH, label
    return cells


def boxes_from_cells(outputs, least=0.05, cell=CELL):
    """A detector's answer for one scene as boxes: the way back from `cells_from_boxes`.

    Args:
        outputs: `(rows, columns, 5 + classes)`, logits and distances.
        least: scores below it are left out; 0 to 1.
        cell: pixels along the side of a cell, as for `cells_from_boxes`.

    Returns:
        boxes float `(k, 4)`, scores `(k,)` and labels `(k,)`. A score is the probability of a
        digit times that of its class. Boxes turned inside out are left out.
    """
    outputs, least = numeric_array(outputs, "outputs"), finite_number(least, "least", 0, 1)
    cell = whole_number(cell, "cell", 1)
    if outputs.ndim != 3 or outputs.shape[2] < 6:
        raise ValueError(
            "a detector's answer for one scene is (rows, columns, 5 + classes), "
            f"not of shape {outputs.shape}: for several scenes take detections"
        )
    outputs = outputs.astype(np.float64)
    logits = outputs[..., 5:] - outputs[..., 5:].max(axis=-1, keepdims=True)
    classes = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    scores = classes.max(axis=-1) * (1 + np.tanh(outputs[..., 0] / 2)) / 2  # the logistic function
    down, across = (np.indices(scores.shape) + 0.5) * cell
    up, left, below, right = np.moveaxis(outputs[..., 1:5], -1, 0) * REACH
    boxes = np.stack([down - up, across - left, down + below, across + right], axis=-1)
    kept = (scores >= least) & (boxes[..., 2:] > boxes[..., :2]).all(axis=-1)
    return boxes[kept], scores[kept], classes.argmax(axis=-1)[kept]


def detections(outputs, least=0.05, threshold=0.5, cell=CELL):
    """A detector's answers as one list of boxes for each scene, without doubles.

    Args:
        outputs: `(n, rows, columns, 5 + classes)`.
        least, cell: as for `boxes_from_cells`.
        threshold: as for `metrics.non_maximum_suppression`, within each class.

    Returns:
        for each scene (boxes, scores, labels), highest score first.
    """
    answers, outputs = [], numeric_array(outputs, "outputs")
    if outputs.ndim != 4:
        raise ValueError(f"outputs must be (n, rows, columns, 5 + classes), not {outputs.shape}")
    for cells in outputs:
        boxes, scores, labels = boxes_from_cells(cells, least, cell)
        kept = metrics.non_maximum_suppression(boxes, scores, labels, threshold)
        answers.append((boxes[kept], scores[kept], labels[kept]))
    return answers


def score(outputs, scenes):
    """How good a network's outputs for scenes are, as numbers with their names.

    For `unet`'s logits `mean_iou`, over the ten digit classes, and what it is made of: `place_iou`,
    as if all digits were one class, and `class_share`, of the pixels that are a digit's in truth
    and answer the share with the right class. For `detector`'s outputs `average_precision` at an
    overlap of 0.5, the mean over the ten digits.
    """
    _check_scenes(scenes)
    count, size = scenes.masks.shape[:2]
    outputs = numeric_array(outputs, "outputs")
    grids = [(count, side, side) for side in range(1, size + 1) if size % side == 0]
    if outputs.ndim != 4 or outputs.shape[:3] not in grids:
        shape = f"({count}, side, side, classes) with a side that divides {size}"
        raise ValueError(f"outputs must be those for these scenes, {shape}, not {outputs.shape}")
    channels = 11 if outputs.shape[1] == size else 15
    if outputs.shape[-1] != channels:
        of = "11 classes for each pixel" if channels == 11 else "15 numbers for each cell"
        raise ValueError(
            f"outputs must have {of}, as those of models have, not {outputs.shape[-1]}"
        )
    if outputs.shape[1] == size:
        truth, answer = scenes.masks, outputs.argmax(axis=-1)
        both = (truth > 0) & (answer > 0)
        return {
            "mean_iou": metrics.mean_iou(truth, answer, range(1, 11)),
            "place_iou": metrics.iou(truth > 0, answer > 0),
            "class_share": float((truth == answer)[both].mean()) if both.any() else 0.0,
        }
    truths = list(zip(scenes.boxes, scenes.labels, strict=True))
    found = detections(outputs, cell=size // outputs.shape[1])
    return {"average_precision": metrics.mean_average_precision(found, truths, range(10))}


def _check_scenes(scenes):
    if not isinstance(scenes, Scenes):
        raise ValueError(f"scenes must be what `paint` gives, not {scenes!r}")


# --- On the way to a network ----------------------------------------------------------------------


def pipeline(material, steps, batch_size=8, targets="masks", seed=0, cell=CELL, **options):
    """Batches of scenes that no training has seen before, as a `tf.data.Dataset`.

    Args:
        material: a `Material`.
        steps: batches in an epoch.
        batch_size: scenes in a batch.
        targets: 'masks', or 'cells' for a detector.
        seed: the same one gives the same scenes in the same order.
        cell: of 'cells', pixels along the side: 2 to the `depth + 1` for `models.detector`.
        options: of `paint`: size, digits, sides, overlap.

    Returns:
        A `tf.data.Dataset` of (images, targets): images scaled to -2 ... 2 as for the course's
        other networks; masks uint8 `(batch_size, size, size)`, or cells float32 as
        `cells_from_boxes` gives them. It has a variable `epoch`, as that of `data.pipeline` has:
        every epoch brings new scenes, and a training that goes on sees what it would have seen.

    Raises:
        ValueError: as for `paint`, at once and not in the middle of a training: twenty of the
            fullest scenes are tried.
    """
    import tensorflow as tf

    steps = whole_number(steps, "steps", 1, 10**9)
    batch_size = whole_number(batch_size, "batch_size", 1, 10**4)
    choice(targets, "targets", TARGETS)
    seeds = _seeds(seed)

    def batch(epoch, step):
        scenes = paint(material, batch_size, (*seeds, int(epoch), int(step)), **options)
        return ready(scenes, targets, cell)

    # The worst that may come, now: an error in the middle of a training helps nobody.
    worst = {name: pair(options.get(name, usual), name, 0)[1] for name, usual in USUAL.items()}
    paint(material, 20, seed, **{**options, **worst})
    images, answers = batch(0, 0)
    epoch = tf.Variable(0, dtype="int64", trainable=False)

    def numbers(_):
        now = epoch.read_value()
        epoch.assign(now + 1)
        return tf.data.Dataset.zip(
            tf.data.Dataset.from_tensors(now).repeat(steps), tf.data.Dataset.range(steps)
        )

    def drawn(now, step):
        both = tf.numpy_function(batch, (now, step), (images.dtype, answers.dtype), stateful=False)
        return tuple(map(tf.ensure_shape, both, (images.shape, answers.shape)))

    settings = tf.data.Options()
    settings.autotune.enabled = False
    settings.threading.private_threadpool_size = 2
    batches = tf.data.Dataset.from_tensors(0).flat_map(numbers)
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    batches = batches.map(drawn).prefetch(4).with_options(settings)
    batches.epoch = epoch
    return batches


def ready(scenes, targets="masks", cell=CELL):
    """`Scenes` as (images, targets) for a network, in one array each: see `pipeline`."""
    choice(targets, "targets", TARGETS)
    _check_scenes(scenes)
    images = data.scale(scenes.images, low=-2.0, high=2.0)
    if targets == "masks":
        return images, scenes.masks
    size = scenes.images.shape[1]
    return images, np.stack(
        [
            cells_from_boxes(*each, size, cell)
            for each in zip(scenes.boxes, scenes.labels, strict=True)
        ]
    )
