"""How good are masks and boxes? Overlap, suppression, precision and recall: NumPy only.

Masks hold a class for each pixel, or True and False. Boxes are `(top, left, bottom, right)` in
pixels, half open: `(0, 0, 1, 1)` is one pixel. Each function exists to be read. What is no mask, no
box with an area or no number, or does not fit the rest, is refused with a ValueError; so is a
measure of nothing, where no class occurs or no box is true.
"""

import numpy as np

from .arguments import finite_number, listed, numeric_array, whole_number

# --- Masks ----------------------------------------------------------------------------------------


def iou(truth, answer):
    """Intersection over union of two masks: the pixels in both, of those in either.

    Args:
        truth, answer: of the same shape, True (or 1) where the object is.

    Returns:
        A number from 0 (nothing in common) to 1 (the same pixels). Two empty masks are the same: 1.

    >>> iou([1, 1, 1, 0], [0, 1, 1, 1])
    0.5
    """
    truth, answer = _same_shape(truth, answer)
    for mask in (truth, answer):
        if not np.isin(mask, (0, 1)).all():
            raise ValueError(
                "iou compares two masks of true and false: for classes take mean_iou, for "
                "probabilities compare them with a threshold first (mask > 0.5)"
            )
    truth, answer = truth.astype(bool), answer.astype(bool)
    union = (truth | answer).sum()
    return float((truth & answer).sum() / union) if union else 1.0


def class_ious(truth, answer, classes):
    """Intersection over union of each class, over all pixels of all masks together.

    Args:
        truth, answer: of the same shape, the class of each pixel.
        classes: for which classes, `range(1, 11)` say. The others count as background.

    Returns:
        float, one for each of `classes`; NaN for a class that is in neither.
    """
    truth, answer = _same_shape(truth, answer)
    ious = []
    for value in _classes(classes):
        union = ((truth == value) | (answer == value)).sum()
        both = ((truth == value) & (answer == value)).sum()
        ious.append(both / union if union else np.nan)
    return np.array(ious)


def mean_iou(truth, answer, classes):
    """The mean of `class_ious` over the classes that occur in the truth or in the answer.

    >>> mean_iou([1, 1, 2, 2], [1, 1, 1, 2], classes=(1, 2, 3))
    0.5833333333333333
    """
    classes = _classes(classes)
    ious = class_ious(truth, answer, classes)
    if np.isnan(ious).all():
        raise ValueError(f"none of the classes {classes} is in the truth or in the answer")
    return float(np.nanmean(ious))


def _classes(classes):
    classes = [whole_number(value, "each of classes", 0) for value in listed(classes, "classes")]
    if len(set(classes)) < len(classes):
        raise ValueError(f"classes must be all different, not {classes}")
    return classes


def _same_shape(truth, answer):
    truth, answer = numeric_array(truth, "truth"), numeric_array(answer, "answer")
    if truth.shape != answer.shape:
        raise ValueError(
            f"the masks must have the same shape, not {truth.shape} and {answer.shape}"
            + (": take the argmax of the logits first" if answer.ndim == truth.ndim + 1 else "")
        )
    if any((mask != np.round(mask)).any() for mask in (truth, answer) if mask.dtype.kind == "f"):
        raise ValueError("a mask must hold whole numbers: its classes")
    return truth, answer


# --- Boxes ----------------------------------------------------------------------------------------


def box_iou(first, second):
    """Intersection over union of every box of `first` with every box of `second`.

    Args:
        first, second: `(n, 4)` and `(m, 4)`, or a single box `(4,)`.

    Returns:
        float `(n, m)`.

    >>> box_iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2]]).round(3).tolist()
    [[1.0, 0.143, 0.0]]
    """
    first, second = checked_boxes(first)[:, None], checked_boxes(second)[None]
    top_left = np.maximum(first[..., :2], second[..., :2])
    bottom_right = np.minimum(first[..., 2:], second[..., 2:])
    both = np.prod(np.maximum(bottom_right - top_left, 0), axis=-1)
    either = _area(first) + _area(second) - both
    return both / either


def _area(boxes):
    return np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def checked_boxes(boxes):
    """Boxes as float `(n, 4)`; a ValueError where they are none."""
    boxes = numeric_array(boxes, "boxes").astype(float)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    boxes = np.atleast_2d(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be of shape (n, 4), not {boxes.shape}")
    with np.errstate(over="ignore"):
        areas = _area(boxes)
    for box, area in zip(boxes, areas, strict=True):
        in_order = (box[2:] > box[:2]).all()
        if in_order and not area < np.inf:
            raise ValueError(f"the box {tuple(box.tolist())} is too large: its area has no number")
        if not (in_order and area > 0):
            raise ValueError(
                f"the box {tuple(box.tolist())} has no area: a box is (top, left, bottom, right), "
                "bottom below top and right of left"
            )
    return boxes


def non_maximum_suppression(boxes, scores, labels=None, threshold=0.5):
    """Of boxes that mean the same object, the one with the highest score.

    From the highest score down: a box stays unless it overlaps a box that stays by more than
    `threshold`. With labels, only boxes of the same class suppress each other.

    Args:
        boxes: `(n, 4)`.
        scores: `(n,)`; between equals the first one wins.
        labels: `(n,)`, or None if there are no classes.
        threshold: intersection over union, 0 to 1.

    Returns:
        int, the places of the boxes that stay, highest score first.

    Source: Girshick et al., "Rich feature hierarchies", CVPR (2014), section 2.2.

    >>> boxes = [[0, 0, 4, 4], [0, 1, 4, 5], [9, 9, 12, 12]]
    >>> non_maximum_suppression(boxes, [0.8, 0.9, 0.3]).tolist()
    [1, 2]
    """
    threshold = finite_number(threshold, "threshold", 0, 1)
    boxes = checked_boxes(boxes)
    scores = _one_each(scores, boxes, "score")
    labels = np.zeros(len(boxes)) if labels is None else _one_each(labels, boxes, "label")
    overlaps = box_iou(boxes, boxes) * (labels[:, None] == labels)
    staying = []
    for place in np.argsort(-scores, kind="stable"):
        if not (overlaps[place, staying] > threshold).any():
            staying.append(place)
    return np.array(staying, dtype=int)


def _one_each(values, boxes, name):
    values = numeric_array(values, f"{name}s").astype(float)
    if values.shape != (len(boxes),):
        raise ValueError(
            f"each box needs its {name}: {len(boxes)} boxes, {name}s of shape {values.shape}"
        )
    return values


def _scenes(values, name, *parts):
    """A list with as many parts for each scene as are named here."""
    scenes = [listed(scene, f"each of {name}") for scene in listed(values, name)]
    if any(len(scene) != len(parts) for scene in scenes):
        raise ValueError(f"{name} must have ({', '.join(parts)}) for each scene")
    return scenes


def precision_recall(detections, truths, threshold=0.5):
    """Precision and recall of one class, as the boxes are taken in from the highest score down.

    A box is right if it overlaps a true box of its scene by at least `threshold`, and no box with a
    higher score was right for that one before: one object found twice is found once.

    Args:
        detections: for each scene (boxes `(n, 4)`, scores `(n,)`).
        truths: for each scene its true boxes `(k, 4)`.
        threshold: intersection over union, 0 to 1.

    Returns:
        precision and recall, float, one number after each box.

    Source: Everingham et al., "The Pascal visual object classes challenge", IJCV (2010), section 4.
    """
    threshold = finite_number(threshold, "threshold", 0, 1)
    detections = _scenes(detections, "detections", "boxes", "scores")
    truths = [checked_boxes(boxes) for boxes in listed(truths, "truths")]
    if len(detections) != len(truths):
        raise ValueError(f"detections of {len(detections)} scenes, truths of {len(truths)}")
    total = sum(map(len, truths))
    if not total:
        raise ValueError("there is no true box, so nothing could be found: recall has no meaning")
    scored, right = [], []
    for (boxes, scores), true_boxes in zip(detections, truths, strict=True):
        boxes = checked_boxes(boxes)
        scores = _one_each(scores, boxes, "score")
        overlaps = box_iou(boxes, true_boxes)
        for place in np.argsort(-scores, kind="stable"):
            best = overlaps[place].argmax() if len(true_boxes) else 0
            overlap = overlaps[place, best] if len(true_boxes) else 0
            right.append(overlap > 0 and overlap >= threshold)
            if right[-1]:
                overlaps[:, best] = -1  # found: it is not to be found again
            scored.append(scores[place])
    hits = np.cumsum(np.array(right, bool)[np.argsort(-np.array(scored), kind="stable")])
    return hits / np.arange(1, len(hits) + 1), hits / total


def average_precision(detections, truths, threshold=0.5):
    """The area under precision against recall, for one class: 0 to 1.

    Precision at a recall is the best that can be had with at least that recall, so that the curve
    only falls. Arguments and errors are those of `precision_recall`.

    Source: Everingham et al., "The Pascal visual object classes challenge: a retrospective", IJCV
    (2015), section 2.2: all points, not eleven.

    >>> found = [([[0, 0, 2, 2], [5, 5, 7, 7]], [0.9, 0.8])]
    >>> average_precision(found, [[[0, 0, 2, 2], [9, 9, 12, 12]]])
    0.5
    """
    precision, recall = precision_recall(detections, truths, threshold)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * best))


def mean_average_precision(detections, truths, classes, threshold=0.5):
    """The mean of `average_precision` over the classes that have a true box.

    Boxes of a class that has no true box in any scene do not count, not even as wrong.

    Args:
        detections: for each scene (boxes, scores, labels).
        truths: for each scene (boxes, labels).
        classes: the labels that count, `range(10)` say.
    """
    detections = _scenes(detections, "detections", "boxes", "scores", "labels")
    truths = _scenes(truths, "truths", "boxes", "labels")
    values, classes = [], _classes(classes)
    for value in classes:
        true_boxes = [_of_class(value, boxes, labels)[0] for boxes, labels in truths]
        if any(map(len, true_boxes)):
            chosen = [
                _of_class(value, boxes, labels, scores) for boxes, scores, labels in detections
            ]
            values.append(average_precision(chosen, true_boxes, threshold))
    if not values:
        raise ValueError(f"none of the classes {classes} has a true box")
    return float(np.mean(values))


def _of_class(value, boxes, labels, scores=None):
    """The boxes that have a label, and their scores."""
    boxes = checked_boxes(boxes)
    chosen = _one_each(labels, boxes, "label") == value
    return boxes[chosen], None if scores is None else _one_each(scores, boxes, "score")[chosen]
