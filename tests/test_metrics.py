"""`course_utils.metrics`: properties, and the same numbers by another way and by Keras."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from fractions import Fraction

import numpy as np
import pytest

from course_utils import metrics

RNG = np.random.default_rng(0)


def masks(classes=4):
    """Two masks of a random shape, often with few or no pixels of a class."""
    shape = tuple(RNG.integers(1, 6, size=RNG.integers(1, 4)))
    return [RNG.integers(0, RNG.integers(1, classes + 1), shape) for _ in range(2)]


def boxes(count, largest=9):
    corner = RNG.integers(-3, largest, (count, 2))
    return np.concatenate([corner, corner + RNG.integers(1, 6, (count, 2))], axis=1)


def pixels_of(box):
    top, left, bottom, right = box
    return {(row, column) for row in range(top, bottom) for column in range(left, right)}


def share(first, second):
    """Intersection over union of two sets, exactly."""
    return float(Fraction(len(first & second), len(first | second)))


# ---------------------------------------------------------------------------------------------
# Masks
# ---------------------------------------------------------------------------------------------


def test_iou_is_the_share_of_common_pixels_whichever_comes_first():
    for _ in range(200):
        truth, answer = (mask > 1 for mask in masks())
        sets = [set(np.flatnonzero(mask)) for mask in (truth, answer)]
        expected = share(*sets) if sets[0] | sets[1] else 1.0
        assert metrics.iou(truth, answer) == pytest.approx(expected)
        assert metrics.iou(answer, truth) == metrics.iou(truth, answer)
        assert 0 <= metrics.iou(truth, answer) <= 1
        assert metrics.iou(truth, truth) == 1


def test_two_empty_masks_are_the_same_and_an_empty_one_has_nothing_of_another():
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert metrics.iou(empty, empty) == 1
    assert metrics.iou(empty, full) == metrics.iou(full, empty) == 0
    assert metrics.iou(full, ~np.eye(3, dtype=bool)) == pytest.approx(6 / 9)


def test_mean_iou_is_that_of_keras():
    import keras

    for _ in range(30):
        truth, answer = masks()
        metric = keras.metrics.MeanIoU(num_classes=4)
        metric.update_state(truth, answer)
        assert metrics.mean_iou(truth, answer, range(4)) == pytest.approx(float(metric.result()))
        ones = keras.metrics.IoU(num_classes=4, target_class_ids=[1, 2])
        ones.update_state(truth, answer)
        if np.isin([1, 2], [truth, answer]).any():
            expected = float(ones.result())
            assert metrics.mean_iou(truth, answer, (1, 2)) == pytest.approx(expected)


def test_classes_that_occur_nowhere_do_not_count():
    ious = metrics.class_ious([[1, 1], [0, 2]], [[1, 0], [0, 3]], range(1, 5))
    np.testing.assert_array_equal(ious, [0.5, 0, 0, np.nan])
    assert metrics.mean_iou([1, 1], [1, 0], classes=(1, 7)) == 0.5
    with pytest.raises(ValueError, match=r"none of the classes \[7, 8\] is in the truth"):
        metrics.mean_iou([1, 1], [1, 0], classes=(7, 8))


def test_the_mean_over_scenes_is_over_all_their_pixels():
    truth, answer = RNG.integers(0, 3, (2, 5, 4, 4))
    together = metrics.class_ious(truth.reshape(-1), answer.reshape(-1), range(3))
    np.testing.assert_array_equal(metrics.class_ious(truth, answer, range(3)), together)


@pytest.mark.parametrize(
    ("truth", "answer", "sentence"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"same shape, not \(2, 3\) and \(3, 2\)$"),
        (np.zeros((2, 3)), np.zeros((2, 3, 11)), "take the argmax of the logits first"),
        ([0.0, np.nan], [0, 1], "there is a NaN"),
        ([0, 1], [0.2, 0.8], "whole numbers"),
        (["0", "1"], [0, 1], "truth must be an array of numbers"),
    ],
)
def test_masks_that_do_not_fit_are_refused(truth, answer, sentence):
    for measure in (metrics.iou, lambda *both: metrics.mean_iou(*both, range(2))):
        with pytest.raises(ValueError, match=sentence):
            measure(truth, answer)


def test_iou_refuses_classes():
    with pytest.raises(ValueError, match="for classes take mean_iou"):
        metrics.iou([0, 2], [0, 1])


# ---------------------------------------------------------------------------------------------
# Boxes
# ---------------------------------------------------------------------------------------------


def test_box_iou_is_that_of_the_pixels_in_the_boxes():
    for _ in range(100):
        first, second = boxes(3), boxes(2)
        found = metrics.box_iou(first, second)
        expected = [[share(pixels_of(one), pixels_of(two)) for two in second] for one in first]
        np.testing.assert_allclose(found, expected)
        np.testing.assert_allclose(metrics.box_iou(second, first), found.T)
        np.testing.assert_array_equal(np.diag(metrics.box_iou(first, first)), 1)


def test_boxes_that_touch_have_nothing_in_common():
    assert metrics.box_iou([0, 0, 2, 2], [0, 2, 2, 4]) == [[0]]


def test_no_boxes_are_boxes():
    assert metrics.box_iou([], boxes(2)).shape == (0, 2)
    assert metrics.non_maximum_suppression([], []).shape == (0,)
    assert metrics.average_precision([([], [])], [boxes(2)]) == 0
    assert metrics.average_precision([([], []), (boxes(1), [1.0])], [boxes(1), []]) == 0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([0, 0, 0, 4], r"\(0.0, 0.0, 0.0, 4.0\) has no area"),
        ([[0, 0, 1, 1], [3, 3, 2, 2]], r"\(3.0, 3.0, 2.0, 2.0\) has no area"),
        ([[0, 0, np.nan, 1]], "boxes must be finite numbers"),
        ([[0, 0, np.inf, 1]], "boxes must be finite numbers"),
        ([[0, 0, 1]], r"shape \(n, 4\), not \(1, 3\)"),
        ([[[0, 0, 1, 1]]], r"shape \(n, 4\)"),
    ],
)
def test_what_is_no_box_is_refused(wrong, sentence):
    fine = [[0, 0, 2, 2]]
    for call in (
        lambda: metrics.box_iou(wrong, fine),
        lambda: metrics.box_iou(fine, wrong),
        lambda: metrics.non_maximum_suppression(wrong, np.ones(np.shape(wrong)[:-1])),
        lambda: metrics.average_precision([(fine, [1.0])], [wrong]),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()


def suppressed_by_hand(found, scores, labels, threshold):
    """Another way: strike out, again and again, what the best of the rest overlaps."""
    rest, staying = set(range(len(found))), []
    while rest:
        best = max(rest, key=lambda place: (scores[place], -place))
        staying.append(best)
        rest = {
            place
            for place in rest - {best}
            if labels[place] != labels[best]
            or share(pixels_of(found[place]), pixels_of(found[best])) <= threshold
        }
    return staying


def test_non_maximum_suppression_by_another_way():
    for _ in range(100):
        count = int(RNG.integers(0, 9))
        found, scores = boxes(count, 4), RNG.integers(0, 5, count) / 4
        labels, threshold = RNG.integers(0, 2, count), RNG.choice([0.0, 0.3, 0.5, 1.0])
        expected = suppressed_by_hand(found, scores, labels, threshold)
        staying = metrics.non_maximum_suppression(found, scores, labels, threshold)
        assert staying.tolist() == expected
        without = metrics.non_maximum_suppression(found, scores, threshold=threshold)
        assert without.tolist() == suppressed_by_hand(found, scores, 0 * labels, threshold)
        again = metrics.non_maximum_suppression(
            found[staying], scores[staying], labels[staying], threshold
        )
        assert again.tolist() == list(range(len(staying)))  # nothing is left to suppress


def test_a_single_box_is_one_box():
    assert metrics.non_maximum_suppression([0, 0, 4, 4], [0.3]).tolist() == [0]
    with pytest.raises(ValueError, match="1 boxes, scores of shape"):
        metrics.non_maximum_suppression([0, 0, 4, 4], [0.1, 0.2, 0.3, 0.4])


def test_what_lies_under_a_mask_is_not_counted_in_silence():
    with pytest.raises(ValueError, match="truth must not be masked"):
        metrics.mean_iou(np.ma.masked_equal([1, 2, 2], 2), [1, 1, 1], range(1, 3))


def test_one_box_twice_stays_once():
    twice = [[0, 0, 3, 3]] * 2
    assert metrics.non_maximum_suppression(twice, [0.5, 0.5]).tolist() == [0]
    assert metrics.non_maximum_suppression(twice, [0.5, 0.6]).tolist() == [1]
    assert metrics.non_maximum_suppression(twice, [0.5, 0.6], labels=[1, 2]).tolist() == [1, 0]
    precision, recall = metrics.precision_recall([(twice, [0.9, 0.8])], [twice[:1]])
    assert precision.tolist() == [1, 0.5] and recall.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("scores", "labels", "sentence"),
    [
        ([0.5], None, "each box needs its score: 2 boxes"),
        ([0.5, np.nan], None, "scores must be finite numbers"),
        ([0.5, 0.4], [1], "each box needs its label"),
    ],
)
def test_scores_and_labels_that_do_not_fit_are_refused(scores, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        metrics.non_maximum_suppression(boxes(2), scores, labels)


# ---------------------------------------------------------------------------------------------
# Average precision
# ---------------------------------------------------------------------------------------------


def area_by_hand(detections, truths, threshold):
    """Another way: one list of all boxes, and for each recall the best precision from there on."""
    listed = [
        (-score, scene, place)
        for scene, (_, scores) in enumerate(detections)
        for place, score in enumerate(scores)
    ]
    free = [list(map(pixels_of, true_boxes)) for true_boxes in truths]
    total, hits, curve = sum(map(len, truths)), 0, []
    for taken, (_, scene, place) in enumerate(sorted(listed), start=1):
        box = pixels_of(detections[scene][0][place])
        overlaps = [share(box, each) for each in free[scene]]
        if overlaps and max(overlaps) >= threshold:
            hits += 1
            free[scene].pop(int(np.argmax(overlaps)))
        curve.append((hits / total, hits / taken))
    area = 0.0
    for hit in range(1, hits + 1):
        area += max(precision for recall, precision in curve if recall >= hit / total) / total
    return area


def test_average_precision_by_another_way():
    for _ in range(60):
        scenes = int(RNG.integers(1, 4))
        truths = [boxes(int(RNG.integers(1, 4)), 4) for _ in range(scenes)]
        detections = []
        for true_boxes in truths:  # some near a true box, some anywhere
            near = true_boxes + RNG.integers(-1, 2, true_boxes.shape) * [1, 1, 0, 0]
            near = near[(near[:, 2:] > near[:, :2]).all(axis=1)]
            found = np.concatenate([near, boxes(2, 4)])
            detections.append((found, RNG.permutation(50)[: len(found)] / 50 + 0.001 * scenes))
        for threshold in (0.3, 0.5):
            found = metrics.average_precision(detections, truths, threshold)
            assert found == pytest.approx(area_by_hand(detections, truths, threshold))
            assert 0 <= found <= 1


def test_what_is_found_wholly_has_1_and_the_order_of_scenes_does_not_matter():
    truths = [boxes(2), boxes(3), np.zeros((0, 4))]
    detections = [(each, np.linspace(0.9, 0.5, len(each))) for each in truths]
    spread = [np.array([[0, 0, 3, 3], [9, 9, 12, 12]])] * 2
    assert metrics.average_precision([(each, [0.9, 0.1]) for each in spread], spread) == 1
    forwards = metrics.average_precision(detections, truths)
    assert metrics.average_precision(detections[::-1], truths[::-1]) == pytest.approx(forwards)


def test_a_digit_is_found_once_whatever_the_threshold():
    near, far = [0, 0, 2, 2], [8, 8, 9, 9]
    found = [([near, near, far], [0.9, 0.8, 0.7])]
    for threshold in (0, 0.5, 1):
        _, recall = metrics.precision_recall(found, [[near]], threshold)
        assert recall.tolist() == [1, 1, 1]
        assert metrics.average_precision(found, [[near]], threshold) == 1


def test_the_mean_leaves_out_classes_without_a_true_box():
    truths = [([[0, 0, 2, 2], [4, 4, 6, 6]], [1, 2])]
    detections = [([[0, 0, 2, 2], [4, 4, 6, 6]], np.array([0.9, 0.8]), [1, 3])]
    assert metrics.mean_average_precision(detections, truths, range(4)) == 0.5
    with pytest.raises(ValueError, match=r"none of the classes \[7\] has a true box"):
        metrics.mean_average_precision(detections, truths, [7])


def test_nothing_to_find_is_refused():
    with pytest.raises(ValueError, match="there is no true box"):
        metrics.average_precision([(boxes(1), [0.5])], [[]])
    with pytest.raises(ValueError, match="detections of 1 scenes, truths of 2"):
        metrics.average_precision([(boxes(1), [0.5])], [boxes(1), boxes(1)])


def test_a_box_that_touches_nothing_is_wrong_at_any_threshold():
    far = [([[8, 8, 9, 9]], [0.9])]
    assert metrics.average_precision(far, [[[0, 0, 2, 2]]], threshold=0) == 0


def test_classes_are_counted_once():
    for measure in (metrics.mean_iou, metrics.class_ious):
        with pytest.raises(ValueError, match=r"classes must be all different, not \[1, 1, 2\]"):
            measure([1, 1, 2, 2], [1, 1, 1, 2], [1, 1, 2])
    with pytest.raises(ValueError, match="classes must be a list"):
        metrics.class_ious([1], [1], {1, 2})  # in what order would they come back?


def test_a_box_too_large_to_be_measured_is_told_so():
    with pytest.raises(ValueError, match="too large"):
        metrics.checked_boxes([[0, 0, 1e200, 1e200]])
    with pytest.raises(ValueError, match="no area"):
        metrics.checked_boxes([[0, 0, 0, 1e200]])


def test_a_list_of_masked_arrays_is_refused_like_one():
    masked = np.ma.masked_array([1, 0, 1], [False, True, False])
    with pytest.raises(ValueError, match=r"truth must not be masked: fill it first"):
        metrics.iou([masked], [[1, 1, 1]])
