"""The explorer `upsampling` without a browser: stamps, sums and counts by another way."""

import re

import numpy as np
import pytest

from course_utils.explorers import upsampling
from course_utils.explorers._upsampling import KERNELS, SMALL_MAP, kernel_of, stamps

RNG = np.random.default_rng(0)


def texts(explorer):
    return re.findall(r"<text[^>]*>([^<]*)</text>", explorer.drawing.svg())


def set_to(explorer, **values):
    for name, value in values.items():
        explorer.controls[name].value = value
    assert not explorer.problem, explorer.problem


def by_hand(numbers, kernel, stride, padding):
    """Stamp after stamp on a large sheet, then cut."""
    rows, columns = numbers.shape
    taps = len(kernel)
    sheet = np.zeros(((rows - 1) * stride + taps, (columns - 1) * stride + taps))
    for (row, column), number in np.ndenumerate(numbers):
        down, across = row * stride, column * stride
        sheet[down : down + taps, across : across + taps] += number * kernel
    return sheet[padding : sheet.shape[0] - padding, padding : sheet.shape[1] - padding]


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 2, 0), (4, 2, 1), (2, 2, 0), (1, 3, 0), (6, 4, 3)]
)
def test_the_numbers_are_those_of_stamp_after_stamp(kind, size, stride, padding):
    kernel = kernel_of(kind, size)
    for position in (0, 5, 15):
        laid = stamps(SMALL_MAP, kind, size, stride, padding, position)
        np.testing.assert_allclose(laid.output, by_hand(SMALL_MAP, kernel, stride, padding))
        ones, flat = np.ones((4, 4)), np.ones((size, size))
        np.testing.assert_array_equal(laid.counts, by_hand(ones, flat, stride, padding))
        one = np.zeros((4, 4))
        one.flat[position] = SMALL_MAP.flat[position]
        np.testing.assert_allclose(laid.stamp, by_hand(one, kernel, stride, padding))
        one.flat[position] = 1
        np.testing.assert_array_equal(laid.reach, by_hand(one, flat, stride, padding) > 0)


def test_all_stamps_together_are_the_output():
    whole = [stamps(SMALL_MAP, "rising", 4, 3, 1, position) for position in range(16)]
    np.testing.assert_allclose(sum(each.stamp for each in whole), whole[0].output)
    np.testing.assert_array_equal(sum(each.reach for each in whole), whole[0].counts)


def test_the_default_says_what_it_shows():
    explorer = upsampling()
    assert not explorer.problem
    shown = texts(explorer)
    for words in ("input 4×4", "kernel 3×3", "output 9×9", "height: (4 − 1) · 2 + 3 − 2 · 0 = 9"):
        assert words in shown
    assert "framed: 3 × kernel, its stamp, from row 2, column 2 on" in shown
    assert "on 9 outputs" in explorer.drawing.alt and "a checkerboard" in explorer.drawing.alt


@pytest.mark.parametrize(
    ("size", "stride", "words"),
    [
        (3, 2, "From 1 to 4 stamps"),
        (4, 2, "but for the border"),
        (2, 2, "Stamps on each output: 1."),
        (2, 2, "2 is a multiple of 2: even."),
        (1, 2, "gaps that no stamp reaches"),
        (6, 4, "6 is no multiple of 4"),
    ],
)
def test_the_checkerboard_stands_where_the_kernel_is_no_multiple(size, stride, words):
    explorer = upsampling()
    set_to(explorer, kernel=size, stride=stride)
    assert any(words in text for text in texts(explorer))
    counts = stamps(SMALL_MAP, "ones", size, stride, 0, 0).counts
    middle = counts[size - 1 : -size + 1 or None, size - 1 : -size + 1 or None]
    assert (np.ptp(middle) > 0) == (size % stride > 0)


@pytest.mark.parametrize(
    ("shape", "controls", "words"),
    [
        ((1, 1), {"kernel": 3, "stride": 2}, ["Stamps on each output: 1."]),
        ((2, 2), {"kernel": 1, "stride": 4, "padding": 1}, ["Stamps on each output: 0."]),
        ((1, 8), {"kernel": 3, "stride": 2}, ["From 1 to 2 stamps on an output.", "stripes."]),
        (
            (3, 3),
            {"kernel": 4, "stride": 2, "padding": 3},
            ["Stamps on each output: 4.", "4 is a multiple of 2: even."],
        ),
    ],
)
def test_the_finding_is_that_of_the_counts_shown(shape, controls, words):
    """One stamp alone is no checkerboard, and what padding cuts off is not to be seen."""
    explorer = upsampling(np.ones(shape))
    set_to(explorer, **controls)
    shown = " ".join(texts(explorer))
    assert all(each in shown for each in words), shown
    assert "a checkerboard" not in shown


def test_pointing_goes_to_a_number_and_to_the_stamp_round_an_output():
    explorer = upsampling()
    explorer._pointer.value = f"{20 + 37.5 * 2.5} {62 + 37.5 * 3.5} 1"  # row 3, column 2
    assert explorer.controls["position"].value == 3 * 4 + 2
    cell = 320 / 9
    explorer._pointer.value = f"{214 + cell * 1.5} {62 + cell * 7.5} 2"  # output row 7, column 1
    assert explorer.controls["position"].value == 3 * 4 + 0
    before = explorer.drawing.alt
    for place in ("5 5 3", "740 470 4"):
        explorer._pointer.value = place
        assert explorer.drawing.alt == before


def test_what_leaves_nothing_is_said_in_place_and_the_picture_stays():
    explorer = upsampling()
    before = explorer.drawing
    set_to(explorer, kernel=1, stride=1)
    explorer.controls["padding"].value = 2
    assert "leaves nothing of the 4 outputs" in explorer.problem
    assert explorer.drawing is not before  # that of kernel 1, stride 1
    set_to(explorer, padding=0)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (np.zeros((9, 3)), r"at most 8 rows and 8 columns, not of shape \(9, 3\)"),
        (np.zeros((4, 4, 3)), "at most 8 rows"),
        (np.zeros((0, 4)), "it is empty"),
        ([[1.0, np.nan]], "not finite"),
        ([["a"]], "an array of numbers"),
    ],
)
def test_what_cannot_be_an_input_is_said_in_place(numbers, sentence):
    explorer = upsampling(numbers)
    assert re.search(sentence, explorer.problem), explorer.problem
    assert explorer.drawing is None


def test_any_small_input_will_do():
    for shape in ((1, 1), (1, 8), (8, 2)):
        explorer = upsampling(np.round(RNG.normal(size=shape), 1))
        for kind in KERNELS:
            set_to(explorer, kind=kind, kernel=5, stride=3, padding=1)
        assert f"input {shape[0]}×{shape[1]}" in texts(explorer)
        assert explorer.drawing.png()[:4] == b"\x89PNG"
