"""The explorer `pooling` without a browser: windows, winners and the shift test by hand."""

import io
from pathlib import Path

import numpy as np
import pytest
from drawn import SVG, parsed, pictures, point, set_to, texts
from PIL import Image

from course_utils import data, plots
from course_utils.convolution import conv2d
from course_utils.explorers import pooling
from course_utils.explorers._pooling import KINDS, LEFT, RIGHT, SIDE, SMALL_MAP, TOP
from course_utils.explorers.drawing import compact

ROOT = Path(__file__).parents[1]
DIGIT = "the edges of a digit"


def dots(explorer):
    """Where the green dots are: the pixels of the input, and among them the larger one."""
    found, large = [], []
    height, width = pictures(explorer)[0].shape
    cell = SIDE / max(height, width)
    for each in parsed(explorer).iter(f"{SVG}circle"):
        if each.get("fill") == plots.PALETTE["output"]:
            x, y = float(each.get("cx")), float(each.get("cy"))
            place = int((y - TOP) // cell), int((x - LEFT) // cell)
            if place[0] < height:  # what lies below is the legend
                found.append(place)
                large.append(float(each.get("r")))
    return set(found), found[int(np.argmax(large))] if large else None


def by_hand(image, kind, size, stride):
    """A pooled map by its definition."""
    if kind.startswith("global"):
        return np.array([[image.max() if kind == "global max" else image.mean()]])
    starts = [range(0, extent - size + 1, stride) for extent in image.shape]
    pool = np.max if kind == "max" else np.mean
    return np.array(
        [[pool(image[y : y + size, x : x + size]) for x in starts[1]] for y in starts[0]]
    )


def change(after, before):
    return np.sqrt(((after - before) ** 2).sum()) / np.sqrt((before**2).sum())


def assert_numbers(explorer, image):
    """The pooled map, the number of the window and both changes are those computed by hand."""
    kind, size, stride, shift, position = (
        explorer.controls[name].value for name in ("kind", "window", "stride", "shift", "position")
    )
    moved = np.concatenate([image[:, image.shape[1] - shift :], image[:, : -shift or None]], axis=1)
    before, after = (by_hand(each, kind, size, stride) for each in (image, moved))
    shown, drawn = texts(explorer), pictures(explorer)
    assert explorer.controls["position"].max == after.size - 1
    assert f"{kind}: {after.shape[0]}×{after.shape[1]}" in shown
    row, column = divmod(position, after.shape[1])
    result = compact(after[row, column])
    assert f"row {row}, column {column} gives {result}" in explorer.drawing.alt
    assert any(text.endswith(f" = {result}") for text in shown)
    place = shown.index("pooled map")
    assert shown[shown.index("input") + 1] == f"{change(moved, image):.2f}"
    assert shown[place + 1] == f"{change(after, before):.2f}"
    count = np.count_nonzero(np.abs(after - before) > 1e-9)
    many = "s" * (after.size != 1)
    assert f"{count} of {after.size} place{many} of the pooled map changed" in shown

    low, high = image.min(), image.max()
    for pixels, numbers in zip(drawn[:3], (moved, after, before), strict=True):
        expected = 255 * (numbers - low) / (high - low)
        assert np.abs(pixels - expected).max() <= 1
    reach = max(np.abs(moved - image).max(), np.abs(after - before).max()) or 1
    for pixels, numbers in zip(drawn[3:], (moved - image, after - before), strict=True):
        assert np.abs(pixels - 255 * (numbers + reach) / (2 * reach)).max() <= 1


def test_the_default_is_a_small_map_moved_by_one():
    explorer = pooling()
    assert explorer.problem == ""
    assert_numbers(explorer, SMALL_MAP)
    shown = texts(explorer)
    assert "max(1, 0, 8, 3) = 8" in shown
    assert "winner: row 1, column 2 of the input" in shown
    assert "▲ was 3" in shown and "▼ was 8" in shown
    assert "height: ⌊(6 − 2) / 2⌋ + 1 = 3" in shown and "width: ⌊(6 − 2) / 2⌋ + 1 = 3" in shown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size, stride", [(2, 2), (3, 2), (1, 1), (2, 3), (4, 4), (6, 8), (5, 1)])
def test_kinds_windows_and_strides(kind, size, stride):
    explorer = pooling()
    set_to(explorer, kind=kind, window=size, stride=stride)
    for position in {0, explorer.controls["position"].max}:
        set_to(explorer, position=position)
        assert_numbers(explorer, SMALL_MAP)


@pytest.mark.parametrize("shift", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_the_shift_test(kind, shift):
    explorer = pooling()
    set_to(explorer, kind=kind, shift=shift)
    assert_numbers(explorer, SMALL_MAP)
    set_to(explorer, picture=DIGIT, window=4, stride=4)
    if kind == "max" and shift:
        assert any(text in "▲▼" for text in texts(explorer))
    assert explorer.controls["window"].value == 4
    if not shift:
        assert "not moved" in texts(explorer)


def test_the_edges_are_those_of_notebook_03_and_change_as_much():
    explorer = pooling()
    set_to(explorer, picture=DIGIT)
    digit = data.scale(data.load("mnist", "test").images[7:8], border=2)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])[..., None, None]

    def edges(images):
        return np.maximum(conv2d(images, sobel, padding="same"), 0)[0, ..., 0]

    for shift in range(5):
        set_to(explorer, shift=shift)
        assert_numbers(explorer, edges(digit).astype(float))
        # The notebook moves the digit and then looks for edges.
        expected = change(edges(np.roll(digit, shift, axis=2)), edges(digit))
        assert texts(explorer)[texts(explorer).index("input") + 1] == f"{expected:.2f}"


def test_a_global_pool_does_not_change_and_needs_no_window():
    explorer = pooling()
    for kind in ("global max", "global average"):
        set_to(explorer, kind=kind, shift=3)
        assert explorer.controls["window"].disabled and explorer.controls["stride"].disabled
        shown = texts(explorer)
        assert shown[shown.index("pooled map") + 1] == "0.00"
        assert shown[shown.index("input") + 1] != "0.00"
    set_to(explorer, kind="max")
    assert not explorer.controls["window"].disabled


def test_the_winners_are_marked():
    explorer = pooling()
    set_to(explorer, shift=0, position=0)
    found, large = dots(explorer)
    expected = set()
    for row, column in np.ndindex(3, 3):
        window = SMALL_MAP[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        place = np.unravel_index(window.argmax(), window.shape)  # the first of equals
        expected.add((2 * row + place[0], 2 * column + place[1]))
    assert found == expected and large == (1, 1)
    set_to(explorer, position=2)
    assert dots(explorer)[1] == (0, 4)
    assert "winner: row 0, column 4, first of 2 equals" in texts(explorer)
    set_to(explorer, kind="average")
    assert dots(explorer) == (set(), None)
    assert "no winner: every pixel counts 1/4" in texts(explorer)
    set_to(explorer, kind="global max")
    assert dots(explorer)[0] == {(1, 1)}


def test_a_pixel_may_win_more_than_once_where_windows_overlap():
    explorer = pooling()
    set_to(explorer, shift=0, window=3, stride=1)
    found, _ = dots(explorer)
    expected = set()
    for row, column in np.ndindex(4, 4):
        window = SMALL_MAP[row : row + 3, column : column + 3]
        place = np.unravel_index(window.argmax(), window.shape)
        expected.add((row + place[0], column + place[1]))
    assert found == expected and len(found) < 16


def test_a_window_of_equals_has_a_winner_only_while_it_is_looked_at():
    explorer = pooling(np.zeros((4, 4)) + np.eye(4)[0])  # one bright column
    set_to(explorer, shift=0, position=0)
    assert dots(explorer)[0] == {(0, 0), (2, 0)}
    set_to(explorer, position=3)
    assert dots(explorer) == ({(0, 0), (2, 0), (2, 2)}, (2, 2))
    assert "winner: row 2, column 2, first of 4 equals" in texts(explorer)


def hatched(explorer):
    """The extent of each hatched area in the input, in pixels of the picture."""
    areas = []
    for each in parsed(explorer).iter(f"{SVG}path"):
        if each.get("stroke") == plots.PALETTE["lost"]:
            ends = each.get("d").replace("M", " ").replace("L", " ").split()
            x, y = np.array(ends[::2], float), np.array(ends[1::2], float)
            if y.min() < TOP + SIDE:
                areas.append((x.min(), x.max(), y.min(), y.max()))
    return areas


def test_pixels_that_no_window_reads_are_hatched():
    explorer = pooling()
    assert hatched(explorer) == [] and explorer.drawing.note == ""
    set_to(explorer, window=3, stride=2)  # reads 0 to 4
    assert "No window reads 1 of the 6 rows (hatched)." in explorer.drawing.note
    cell = SIDE / 6
    rows, columns = hatched(explorer)
    assert rows[2] >= TOP + 5 * cell - 0.1 and rows[0] < LEFT + cell
    assert columns[0] >= LEFT + 5 * cell - 0.1 and columns[2] < TOP + cell
    set_to(explorer, window=1, stride=2)  # every second one, between windows
    assert len(hatched(explorer)) == 6
    assert "No window reads 3 of the 6 columns" in explorer.drawing.note
    set_to(explorer, kind="global max")
    assert hatched(explorer) == []


def test_the_numbers_are_written_where_there_is_room():
    explorer = pooling()
    shown = texts(explorer)
    moved = np.roll(SMALL_MAP, 1, axis=1).ravel()
    start = shown.index("black 0, white 8") + 1
    assert shown[start : start + 36] == [f"{number:.0f}" for number in moved]
    set_to(explorer, picture=DIGIT)
    assert texts(explorer).count("0") < 5, "32×32 numbers have no room"
    set_to(explorer, window=8, stride=8)
    assert texts(explorer).count("0") >= 4, "4×4 numbers have"


def test_the_largest_window_and_the_last_position_follow_the_image():
    explorer = pooling()
    assert explorer.controls["window"].max == 6
    set_to(explorer, picture=DIGIT, window=8)
    assert (explorer.controls["window"].max, explorer.controls["position"].max) == (8, 13 * 13 - 1)
    assert explorer.controls["position"].value == 1
    set_to(explorer, position=150)
    set_to(explorer, picture="a map of 6×6")
    assert explorer.controls["window"].value == 6
    assert explorer.controls["position"].value == 0
    assert_numbers(explorer, SMALL_MAP)
    assert explorer.controls["play"].min == 0


def test_pointing_at_the_pooled_map_and_at_the_input():
    explorer = pooling()
    point(explorer, RIGHT + 60 * 2.5, TOP + 60 * 1.5)
    assert explorer.controls["position"].value == 5
    cell = SIDE / 6
    point(explorer, LEFT + cell * 0.5, TOP + cell * 5.5)
    assert explorer.controls["position"].value == 6
    assert_numbers(explorer, SMALL_MAP)
    set_to(explorer, window=4, stride=2)
    point(explorer, LEFT + cell * 2.5, TOP + cell * 3.5)  # where all four windows overlap
    assert explorer.controls["position"].value == 2, "the one whose middle is nearest"
    set_to(explorer, window=2, stride=4)
    point(explorer, LEFT + cell * 3.9, TOP + cell * 2.1)  # read by none: the nearest window
    assert explorer.controls["position"].value == 1
    set_to(explorer, kind="global average")
    point(explorer, LEFT + cell * 3.9, TOP + cell * 2.1)
    assert explorer.controls["position"].value == 0 and explorer.problem == ""


@pytest.mark.parametrize("x, y", [(3, 3), (350, 100), (LEFT + 10, TOP - 5), (RIGHT + 185, TOP + 5)])
def test_pointing_beside_everything_changes_nothing(x, y):
    explorer = pooling()
    before = explorer.state
    point(explorer, x, y)
    assert explorer.state == before


def test_the_window_and_its_number_are_framed():
    explorer = pooling()
    set_to(explorer, window=3, stride=2, position=1)
    found = []
    for each in parsed(explorer).iter(f"{SVG}polyline"):
        if each.get("stroke") == plots.PALETTE["kernel"]:
            points = np.array([pair.split(",") for pair in each.get("points").split()], float)
            found.append(
                (*points.min(axis=0), *np.ptp(points, axis=0), each.get("stroke-dasharray"))
            )
    cell = SIDE / 6
    assert (LEFT + 2 * cell, TOP, 3 * cell, 3 * cell, None) in found
    assert (LEFT + 2 * cell, TOP + 2 * cell, 3 * cell, 3 * cell, "5 4") in found, "its neighbour"
    assert (RIGHT + 60, TOP, 60, 60, None) in found


def test_an_own_image():
    image = np.random.default_rng(0).normal(size=(5, 9))
    explorer = pooling(image)
    assert explorer.controls["picture"].value == "yours"
    assert explorer.controls["window"].max == 5
    for kind in KINDS:
        set_to(explorer, kind=kind, window=2, stride=2, shift=2)
        assert_numbers(explorer, image)
    set_to(explorer, picture="a map of 6×6")
    assert_numbers(explorer, SMALL_MAP)


def test_colours_become_grey_and_a_photograph_smaller():
    explorer = pooling(np.full((300, 400, 3), 9, np.uint8) * np.arange(3, dtype=np.uint8))
    assert explorer.problem == ""
    assert "300×400 pixels were scaled to 48×64" in explorer.drawing.note
    assert "its colours became grey" in explorer.drawing.note
    assert "All numbers are equal" in explorer.drawing.note
    assert "black 9, white 9" in texts(explorer)
    assert pooling(np.zeros((4000, 20))).problem == "", "one column is left, and can be pooled"


def test_what_is_zero_has_no_relative_change():
    explorer = pooling(np.zeros((6, 6)))
    assert explorer.problem == "" and texts(explorer).count("–") == 2
    assert "zero everywhere has no relative change" in explorer.drawing.note


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (64, 3), (2, 64)])
def test_images_of_any_shape(shape):
    image = np.random.default_rng(1).random(shape)
    explorer = pooling(image)
    for kind in KINDS:
        for shift in (0, 4):
            set_to(explorer, kind=kind, shift=shift)
            height, width, problem = *shape, explorer.problem
            assert f"{height}×{width} pixels" in explorer.drawing.alt and problem == ""
    Image.open(io.BytesIO(explorer.drawing.png())).load()


@pytest.mark.parametrize(
    "image, words",
    [
        (np.zeros((0, 5)), "image: it is empty"),
        (np.zeros(5), "image: the shape must be"),
        (np.zeros((5, 5, 2)), "image: the shape must be"),
        (np.full((5, 5), np.inf), "image: it contains numbers that are not finite"),
        (np.full((5, 5), 1e300), "image: it contains numbers above a billion"),
        (np.full((5, 5), 1j), "image: an array of numbers is needed"),
        ("a picture", "image: an array of numbers is needed"),
        ([["a", "b"]], "image: an array of numbers is needed"),
    ],
)
def test_an_image_that_makes_no_sense_is_refused_in_words(image, words):
    explorer = pooling(image)
    assert words in explorer.problem and words in explorer._message.value
    assert explorer.drawing is None
