"""`course_utils.scenes`: exact labels, equal seeds equal scenes, no test picture in training."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cProfile
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from course_utils import data, metrics, scenes

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def material():
    return scenes.material("train")


@pytest.fixture(scope="module")
def painted(material):
    return scenes.paint(material, 100, seed=3)


def test_shapes_and_types(painted):
    assert (painted.images.shape, painted.images.dtype) == ((100, 64, 64, 3), np.uint8)
    assert (painted.masks.shape, painted.masks.dtype) == ((100, 64, 64), np.uint8)
    assert len(painted.boxes) == len(painted.labels) == 100
    counts = [len(each) for each in painted.boxes]
    assert (min(counts), max(counts)) == (2, 5)
    for boxes, labels in zip(painted.boxes, painted.labels, strict=True):
        assert boxes.shape == (len(labels), 4) and boxes.dtype == labels.dtype == np.int32
        assert set(labels) <= set(range(10))


def test_the_mask_has_the_digits_and_each_lies_in_its_box(painted):
    for mask, boxes, labels in zip(painted.masks, painted.boxes, painted.labels, strict=True):
        assert set(np.unique(mask)) == {0, *(int(label) + 1 for label in labels)}
        outside = np.ones_like(mask, bool)
        for top, left, bottom, right in boxes:
            outside[top:bottom, left:right] = False
        assert not mask[outside].any()
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= 64).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_a_box_is_the_smallest_around_the_strokes_of_a_digit_that_stands_alone(material):
    alone = scenes.paint(material, 50, seed=1, digits=1)
    for mask, (box,) in zip(alone.masks, alone.boxes, strict=True):
        rows, columns = np.nonzero(mask)
        assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]


def test_the_first_axis_is_the_row():
    """A lying stroke, in scenes that are painted so until it is seen to lie."""
    lying = np.zeros((1, 28, 28, 1), np.uint8)
    lying[0, 12:16, 4:24] = 255
    flat = scenes.Material(lying, np.array([7]), np.zeros((1, 32, 32, 3), np.uint8))
    painted = scenes.paint(flat, 5, digits=1, sides=20)
    for mask, (box,) in zip(painted.masks, painted.boxes, strict=True):
        top, left, bottom, right = box
        assert right - left > 2 * (bottom - top)
        assert (mask[top:bottom, left:right] == 8).all() and mask.any(axis=1).sum() == bottom - top


def test_the_image_shows_the_mask(material):
    """Where the mask says so, the photograph is painted over; elsewhere only beside a stroke."""
    plain = scenes.paint(material._replace(photographs=material.photographs[:1]), 20, digits=0)
    painted = scenes.paint(material._replace(photographs=material.photographs[:1]), 20, seed=1)
    assert (plain.images == plain.images[0]).all() and not plain.masks.any()
    assert [each.shape for each in plain.boxes] == [(0, 4)] * 20
    change = np.abs(painted.images.astype(int) - plain.images[0]).max(axis=-1)
    ink = painted.masks > 0
    assert (change[ink] > 30).mean() > 0.98
    near = ink.copy()
    for axis in (1, 2):
        near |= np.roll(near, 1, axis) | np.roll(near, -1, axis)
    near |= np.roll(near, 1, 1) | np.roll(near, -1, 1) | np.roll(near, 1, 2) | np.roll(near, -1, 2)
    assert (change[~near] > 0).mean() < 0.01


def test_the_same_seed_gives_the_same_scenes(material, painted):
    again = scenes.paint(material, 100, seed=3)
    np.testing.assert_array_equal(again.images, painted.images)
    np.testing.assert_array_equal(again.masks, painted.masks)
    other = scenes.paint(material, 100, seed=4)
    assert (other.images != painted.images).any(axis=(1, 2, 3)).all()
    few = scenes.paint(material, 10, seed=3)
    np.testing.assert_array_equal(few.images, painted.images[:10])


def test_overlap_is_as_asked(material):
    for overlap in (0.0, 0.4):
        painted = scenes.paint(material, 60, seed=2, digits=3, sides=(16, 26), overlap=overlap)
        largest = 0.0
        for boxes in painted.boxes:
            for number, first in enumerate(boxes):
                for second in boxes[:number]:
                    largest = max(largest, scenes._covered(first, second))
        # A box is a little smaller than the digit's rectangle where ink is thin.
        assert largest <= overlap + 0.1 and (overlap == 0 or largest > 0.05)
    assert (
        metrics.box_iou([0, 0, 4, 4], [0, 2, 4, 4])
        == 0.5
        != scenes._covered((0, 0, 4, 4), (0, 2, 4, 4))
    )


def test_any_size_will_do(material):
    painted = scenes.paint(material, 3, size=96, sides=(20, 40), digits=(2, 6))
    assert painted.images.shape == (3, 96, 96, 3) and painted.masks.shape == (3, 96, 96)
    tall = material._replace(photographs=np.zeros((2, 40, 70, 3), np.uint8))
    assert scenes.paint(tall, 1).images.shape == (1, 64, 64, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"digits": 12, "sides": 30}, "no room for 12 digits of up to 30 pixels .* fewer"),
        ({"digits": 9, "sides": 32, "overlap": 0}, "no room for 9 digits"),
        ({"sides": 65}, "a digit of 65 pixels has no room in a scene of 64×64"),
        ({"digits": (3, 2)}, r"digits must be \(least, most\), not \(3, 2\)"),
        ({"digits": -1}, "digits must be at least 0"),
        ({"sides": (2, 20)}, "sides must be at least 4"),
        ({"overlap": 1.5}, "overlap must be a finite number from 0 to 1, not 1.5"),
        ({"overlap": float("nan")}, "overlap must be a finite number from 0 to 1"),
        ({"count": 0}, "count must be at least 1"),
        ({"size": 7.5}, "size must be a whole number"),
    ],
)
def test_what_cannot_be_painted_is_refused(material, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        scenes.paint(material, **{"count": 20, **options})
    if "count" not in options:  # a pipeline says so before the training begins
        with pytest.raises(ValueError, match=sentence):
            scenes.pipeline(material, 2, 20, **options)


def test_digits_that_find_no_room_give_way_to_others(material):
    """Five wide ones do not fit at every try: a training must not end in its middle for that."""
    for seed in range(40):
        (boxes,) = scenes.paint(material, 1, (seed, 5), digits=5, sides=26, overlap=0).boxes
        assert len(boxes) == 5


def test_strokes_that_would_all_lie_outside_are_refused(material):
    digits = np.zeros((1, 28, 28, 1), np.uint8)
    digits[0, 3, 24] = digits[0, 24, 3] = 255
    dots = material._replace(digits=digits, labels=np.array([1]))
    with pytest.raises(ValueError, match="so few strokes"):
        scenes.paint(dots, 200, digits=1, sides=64)


# ---------------------------------------------------------------------------------------------
# Training and test
# ---------------------------------------------------------------------------------------------


def test_no_digit_and_no_photograph_of_the_test_split_is_in_a_training_scene(monkeypatch):
    """Followed from the file to the scene: what is loaded for a split, and what is painted."""
    asked = []
    load = data.load
    monkeypatch.setattr(data, "load", lambda *words: asked.append(words) or load(*words))
    train, test = scenes.material("train"), scenes.material("test")
    sets = ("mnist", "cifar10")
    assert asked == [(name, split, False) for split in ("train", "test") for name in sets]
    for ours, theirs in ((train.digits, test.digits), (train.photographs, test.photographs)):
        assert not {each.tobytes() for each in ours} & {each.tobytes() for each in theirs}


def test_what_is_painted_is_from_the_material_alone(material):
    """Digits of one class and one photograph: nothing else may come from anywhere."""
    sevens = scenes.Material(
        material.digits[material.labels == 7], np.full(1000, 7), material.photographs[:1]
    )
    painted = scenes.paint(sevens, 30)
    assert set(np.unique(painted.masks)) == {0, 8}
    batches = scenes.pipeline(sevens, 2, 8)
    assert all(set(np.unique(masks)) <= {0, 8} for _, masks in batches)


# ---------------------------------------------------------------------------------------------
# On the way to a network
# ---------------------------------------------------------------------------------------------


def test_an_epoch_is_new_and_a_training_that_goes_on_sees_what_it_would_have_seen(material):
    def epoch(batches):
        return np.concatenate([np.array(images) for images, _ in batches])

    batches = scenes.pipeline(material, 2, 4, seed=5)
    assert int(batches.cardinality()) == 2
    first, second = epoch(batches), epoch(batches)
    assert first.shape == (8, 64, 64, 3) and (first != second).any(axis=(1, 2, 3)).all()
    again = scenes.pipeline(material, 2, 4, seed=5)
    again.epoch.assign(1)
    np.testing.assert_array_equal(epoch(again), second)
    other = epoch(scenes.pipeline(material, 2, 4, seed=6))
    assert (other != first).any(axis=(1, 2, 3)).all()


def test_a_batch_is_scaled_and_has_its_targets(material):
    images, masks = next(iter(scenes.pipeline(material, 1, 6)))
    assert images.dtype == "float32" and masks.dtype == "uint8" and masks.shape == (6, 64, 64)
    assert -2 <= np.min(images) < -1 and 1 < np.max(images) <= 2
    images, cells = next(iter(scenes.pipeline(material, 1, 6, "cells", size=96)))
    assert images.shape == (6, 96, 96, 3) and cells.shape == (6, 12, 12, 6)
    with pytest.raises(ValueError, match="targets must be 'masks' or 'cells', not 'boxes'"):
        scenes.pipeline(material, 1, 6, "boxes")


def test_painting_leaves_pixels_and_photographs_to_numpy(material):
    """Counted are calls and bytes, which no busy machine changes.

    Painted pixel by pixel, a scene takes 4,096 calls and more; a copy of all digits or photographs
    takes many times the memory of a batch. A slow function of NumPy would not be seen.
    """
    counted = cProfile.Profile()
    counted.runcall(lambda: scenes.ready(scenes.paint(material, 32, seed=3), "cells"))
    assert sum(each.callcount for each in counted.getstats()) < 32 * 2_500
    tracemalloc.start()
    try:
        images, _ = scenes.ready(scenes.paint(material, 32, seed=3), "cells")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 3 * images.nbytes


def test_cells_lead_back_to_the_boxes(painted):
    lost = total = 0
    for boxes, labels in zip(painted.boxes, painted.labels, strict=True):
        cells = scenes.cells_from_boxes(boxes, labels)
        assert cells.shape == (8, 8, 6)
        outputs = np.zeros((8, 8, 15))
        outputs[..., 0] = np.where(cells[..., 0] > 0, 20, -20)
        outputs[..., 1:5] = cells[..., 1:5]
        np.put_along_axis(outputs, 5 + cells[..., 5:].astype(int), 20, axis=-1)
        found, scores, classes = scenes.boxes_from_cells(outputs)
        assert (scores > 0.99).all()
        expected = {(*box, label) for *box, label in np.c_[boxes, labels].tolist()}
        answer = {
            (*box, label) for *box, label in np.c_[found.round(), classes].astype(int).tolist()
        }
        assert answer <= expected
        lost, total = lost + len(expected) - len(answer), total + len(expected)
    assert lost / total < 0.03  # two digits whose middles lie in one cell


def test_detections_are_without_doubles():
    outputs = np.zeros((1, 8, 8, 15))
    outputs[..., 0] = -20
    outputs[0, 3, 3:5, 0] = 2, 3  # two neighbours mean the same box
    outputs[0, 3, 3, 1:5] = [12 / 32, 12 / 32, 12 / 32, 12 / 32]
    outputs[0, 3, 4, 1:5] = [12 / 32, 20 / 32, 12 / 32, 4 / 32]
    outputs[0, 3, 3:5, 5 + 4] = 9
    ((boxes, scores, labels),) = scenes.detections(outputs)
    np.testing.assert_allclose(boxes, [[16, 16, 40, 40]])
    assert labels.tolist() == [4] and scores[0] == pytest.approx(1 / (1 + np.exp(-3)), rel=2e-3)


def test_a_perfect_answer_scores_in_full(painted):
    masks = np.eye(11)[painted.masks]
    assert scenes.score(masks, painted) == {"mean_iou": 1.0, "place_iou": 1.0, "class_share": 1.0}


def test_a_score_tells_places_from_classes(painted):
    shifted = np.eye(11)[np.roll(painted.masks, 2, axis=2)]  # right classes, wrong places
    score = scenes.score(shifted, painted)
    assert score["place_iou"] < 0.7 < score["class_share"]
    other = np.where(painted.masks > 0, painted.masks % 10 + 1, 0)  # right places, wrong classes
    expected = {"mean_iou": 0.0, "place_iou": 1.0, "class_share": 0.0}
    assert scenes.score(np.eye(11)[other], painted) == expected
    nothing = np.eye(11)[np.zeros_like(painted.masks)]
    assert set(scenes.score(nothing, painted).values()) == {0.0}


def test_outputs_may_be_a_networks_and_must_be_those_of_the_scenes(painted):
    import tensorflow as tf

    masks = np.eye(11, dtype="float32")[painted.masks]
    assert scenes.score(tf.constant(masks), painted)["mean_iou"] == 1
    for wrong in (masks[1:], masks[..., 0], masks[0]):
        with pytest.raises(ValueError, match="outputs must be those for these scenes"):
            scenes.score(wrong, painted)


@pytest.mark.parametrize("cells", [(7, 7), (8, 4), (0, 8), (128, 128), (64, 32)])
def test_outputs_whose_cells_do_not_divide_the_scene_are_refused(painted, cells):
    with pytest.raises(ValueError, match="with a side that divides 64, not"):
        scenes.score(np.zeros((100, *cells, 15)), painted)
    with pytest.raises(ValueError, match="scenes must be what `paint` gives"):
        scenes.score(np.zeros((100, 8, 8, 15)), painted.masks)


@pytest.mark.parametrize("cell", [4, 16])
def test_a_detector_may_have_cells_of_another_size(material, cell):
    painted = scenes.paint(material, 20, digits=1)
    _, cells = scenes.ready(painted, "cells", cell)
    assert cells.shape == (20, 64 // cell, 64 // cell, 6)
    outputs = np.zeros((*cells.shape[:3], 15))
    outputs[..., 0] = np.where(cells[..., 0] > 0, 20, -20)
    outputs[..., 1:5] = cells[..., 1:5]
    np.put_along_axis(outputs, 5 + cells[..., 5:].astype(int), 20, axis=-1)
    for (found, _, labels), boxes, truth in zip(
        scenes.detections(outputs, cell=cell), painted.boxes, painted.labels, strict=True
    ):
        np.testing.assert_allclose(found, boxes, atol=1e-5)
        assert labels.tolist() == truth.tolist()
    assert scenes.score(outputs, painted) == {"average_precision": 1.0}
    _, batch = next(iter(scenes.pipeline(material, 1, 2, "cells", cell=cell)))
    assert batch.shape == (2, 64 // cell, 64 // cell, 6)


@pytest.mark.filterwarnings("error")
def test_a_logit_of_any_size_is_a_probability():
    outputs = np.zeros((8, 8, 15))
    outputs[..., 1:5] = 0.5
    outputs[0, 0, 0], outputs[1:, :, 0] = 1e4, -1e4
    scores = scenes.boxes_from_cells(outputs, least=0)[1].reshape(8, 8)
    assert scores[0, 0] == pytest.approx(0.1) and scores[0, 1] == pytest.approx(0.05)
    assert (scores[1:] == 0).all()


def test_importing_it_imports_no_tensorflow():
    line = "import course_utils.scenes, sys; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False", done.stderr


def test_the_smallest_digits_keep_their_strokes(material):
    painted = scenes.paint(material, 40, seed=2, sides=4, digits=(1, 6))
    for mask, boxes in zip(painted.masks, painted.boxes, strict=True):
        for top, left, bottom, right in boxes:
            assert mask[top:bottom, left:right].any()


def test_material_may_be_lists_or_a_tables_column(material):
    class Column:
        """As of a table of which rows were left out: looked up by its index, not by place."""

        shape = (50,)

        def __array__(self, dtype=None, copy=None):
            return np.asarray(material.labels[:50])

        def __getitem__(self, index):
            raise KeyError(index)

    few = scenes.Material(material.digits[:50], material.labels[:50], material.photographs[:3])
    expected = scenes.paint(few, 3, seed=1)
    for labels in (few.labels.tolist(), Column()):
        listed = scenes.Material(list(few.digits), labels, list(few.photographs))
        painted = scenes.paint(listed, 3, seed=1)
        np.testing.assert_array_equal(painted.masks, expected.masks)
        np.testing.assert_array_equal(painted.labels[0], expected.labels[0])


@pytest.mark.parametrize("seed", [[1, [2]], (1, None), [[1], [2]], np.ones((2, 2), int), "ab", {1}])
def test_a_seed_that_is_none_is_named(material, seed):
    with pytest.raises(ValueError, match="seed must be a whole number, not"):
        scenes.paint(material, 1, seed)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"digits": np.zeros((2, 28, 28, 1), np.uint8), "labels": [1, 2]}, "has no ink"),
        ({"digits": np.zeros((2, 28, 28), np.uint8)}, "digits must be uint8 of shape"),
        ({"photographs": np.zeros((2, 32, 32, 1), np.uint8)}, "photographs must be uint8"),
        ({"photographs": np.zeros((0, 32, 32, 3), np.uint8)}, "at least one"),
        ({"photographs": np.zeros((2, 32, 32, 3))}, "not float64"),
        ({"labels": np.arange(3)}, "each digit needs its label: 10000 digits, labels of shape"),
        ({"labels": np.zeros((10000, 1), int)}, "each digit needs its label"),
        ({"digits": [[1], [2]]}, "digits must be uint8 of shape"),
        ({"labels": np.full(10000, -1)}, "labels must be the digits 0 to 9"),
        ({"labels": np.full(10000, 10)}, "labels must be the digits 0 to 9"),
        ({"labels": np.full(10000, 2.5)}, "labels must be the digits 0 to 9"),
    ],
)
def test_material_that_is_none_is_refused(material, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        scenes.paint(material._replace(**change), 5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: scenes.cells_from_boxes([[5, 5, 5, 9]], [1]), "has no area"),
        (lambda: scenes.cells_from_boxes([[60, 60, 80, 80]], [1]), "outside the scene of 64×64"),
        (lambda: scenes.cells_from_boxes([[0, 0, 9, 9]], [1, 2]), "1 boxes, 2 labels"),
        (lambda: scenes.cells_from_boxes([[0, 0, 9, 9]], [-1]), "a label must be a digit"),
        (lambda: scenes.cells_from_boxes([], [], size=60), "size 60 must be a multiple of 8"),
        (lambda: scenes.boxes_from_cells(np.zeros((2, 8, 8, 15))), "several scenes take detect"),
        (lambda: scenes.boxes_from_cells(np.full((8, 8, 15), np.nan)), "finite numbers"),
    ],
)
def test_cells_and_boxes_that_do_not_fit_are_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_outputs_of_another_number_of_classes_are_refused():
    painted = scenes.paint(scenes.material("test"), 2, seed=0)
    for shape, said in (((2, 64, 64, 1), "11 classes"), ((2, 4, 4, 14), "15 numbers")):
        with pytest.raises(ValueError, match=f"outputs must have {said} for each"):
            scenes.score(np.zeros(shape, "float32"), painted)
    with pytest.raises(ValueError, match="a label must be a digit, 0 to 9, not 12"):
        scenes.cells_from_boxes([[0, 0, 4, 4]], [12])
