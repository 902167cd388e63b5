"""The explorer `augmentation` without a browser: its draws are those of the course's pipeline."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from drawn import SVG, parsed, pictures, point, set_to, texts
from PIL import Image

from course_utils import data, plots
from course_utils.explorers import augmentation
from course_utils.explorers._augmentation import (
    ACROSS,
    CELL,
    DOWN,
    DRAWS,
    GREY,
    GRID,
    LEFT,
    Draw,
    Picture,
    _offered,
    count,
    drawn,
    draws,
    in_short,
    in_words,
    moves,
    window,
)

ROOT = Path(__file__).parents[1]
STILL = {"shift": 0, "flip": False, "seed": 1, "rotation": 0, "zoom": 0, "erased": 0}
STILL |= {"brightness": 0, "contrast": 0, "colour": 0}


def sheet(explorer):
    """The images in the picture: the original, the chosen draw, and the sixteen."""
    found = pictures(explorer)
    assert len(found) == 2 + DRAWS
    return found


def pipeline_draws(pixels, shift, flip, fill, seed):
    """What the function for the pipeline makes of sixteen copies."""
    copies = np.stack([pixels.reshape(*pixels.shape[:2], -1)] * DRAWS).astype(np.float32)
    moved = np.array(data.shift_and_flip(shift, flip, fill)(copies, np.array([0, seed])))
    return moved.astype(np.uint8).reshape(DRAWS, *pixels.shape)


@pytest.fixture(scope="module")
def car():
    return data.load("cifar10", "train").images[41]


@pytest.fixture(scope="module")
def square():
    """An image of 5×5 in which every pixel is another."""
    return (np.arange(25).reshape(5, 5) * 10).astype(np.uint8)


@pytest.fixture
def shown():
    return augmentation()


# ---------------------------------------------------------------------------------------------
# The draws
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize(
    ("shift", "flip"), [(4, True), (4, False), (8, True), (1, True), (0, True)]
)
def test_the_draws_are_those_of_the_pipeline(shown, car, shift, flip, seed):
    set_to(shown, shift=shift, flip=flip, seed=seed)
    np.testing.assert_array_equal(sheet(shown)[2:], pipeline_draws(car, shift, flip, GREY, seed))


def test_the_draws_are_those_of_the_pipeline_for_grey_and_oblong_images():
    pixels = np.random.default_rng(0).integers(1, 256, (9, 20), np.uint8)
    shown = augmentation(pixels)
    np.testing.assert_array_equal(sheet(shown)[2:], pipeline_draws(pixels, 4, True, 0, 1))


def test_the_first_picture_shows_the_draws_of_the_notebook(shown, car):
    """There the photographs are scaled from -2 to 2, and the seed is (0, 1)."""
    scaled = data.scale(car[None], -2, 2)
    moved = np.array(data.shift_and_flip(pixels=4)(np.repeat(scaled, 16, 0), np.array([0, 1])))
    visible = 255 * (moved + 2) / 4
    assert np.abs(np.array(sheet(shown)[2:], float) - visible).max() <= 0.51  # 127.5 is 128


@pytest.mark.parametrize(("shift", "flip"), [(0, False), (3, False), (8, True)])
def test_moves_stay_within_the_shift_and_reach_its_ends(shift, flip):
    found = [move for seed in range(30) for move in moves(shift, flip, seed)]
    for axis in (0, 1):
        assert {move[axis] for move in found} == set(range(-shift, shift + 1))
    assert {move[2] for move in found} == ({False, True} if flip else {False})


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_turn_by_right_angles_is_numpys(square, degrees):
    turned = drawn(Picture(square, 0), Draw(angle=degrees))
    expected = np.rot90(square, degrees // 90)  # anticlockwise
    np.testing.assert_allclose(turned, expected, atol=1)  # Pillow rounds down


def test_a_shift_and_a_mirror_come_before_a_turn(square):
    result = drawn(Picture(square, 0), Draw(right=2, down=-1, flipped=True, angle=90))
    expected = np.zeros_like(square)
    expected[:-1, 2:] = square[1:, :-2]
    np.testing.assert_allclose(result, np.rot90(expected[:, ::-1]), atol=1)


def test_a_zoom_magnifies_about_the_middle():
    pixels = np.zeros((8, 8), np.uint8)
    pixels[2:6, 2:6] = 200
    larger = drawn(Picture(pixels, 0), Draw(zoom=2.0))
    assert (larger[1:-1, 1:-1] == 200).all()
    smaller = drawn(Picture(np.full((8, 8), 200, np.uint8), 0), Draw(zoom=0.5))
    assert (smaller[2:6, 2:6] == 200).all()
    assert smaller.sum() == 16 * 200  # all around is black


def test_the_window_is_where_the_draw_looks(square):
    a, b, c, d, e, f = window(Draw(right=2, down=1, flipped=True), (5, 5))
    assert (a * 0 + b * 0 + c, d * 0 + e * 0 + f) == pytest.approx((5 - 2, -1))
    assert (a * 5 + b * 5 + c, d * 5 + e * 5 + f) == pytest.approx((-2, 5 - 1))


def test_light_and_colours_are_arithmetic(car):
    picture, pixels = Picture(car, GREY), car.astype(float)
    brighter = drawn(picture, Draw(brightness=25.5))
    np.testing.assert_allclose(brighter, np.clip(pixels + 25.5, 0, 255), atol=0.51)
    contrast = drawn(picture, Draw(contrast=1.5))
    expected = np.clip((pixels - pixels.mean()) * 1.5 + pixels.mean(), 0, 255)
    np.testing.assert_allclose(contrast, expected, atol=0.51)
    tinted = drawn(picture, Draw(colours=(1.2, 1.0, 0.5)))
    np.testing.assert_allclose(tinted, np.clip(pixels * [1.2, 1, 0.5], 0, 255), atol=0.51)


def test_the_erased_square_has_its_side_and_the_colour_of_outside(shown, car):
    set_to(shown, shift=0, flip=False, erased=9)
    places = set()
    for draw in sheet(shown)[2:]:
        rows, columns = np.nonzero((draw != car).any(-1))
        assert np.ptp(rows) <= 8 and np.ptp(columns) <= 8
        assert (draw[rows, columns] == GREY).all()
        places.add((rows.min(), columns.min()))
    assert len(places) > 8


def test_strengths_are_the_most_that_is_drawn(shown):
    set_to(shown, rotation=40, zoom=20, brightness=10, contrast=30, colour=50)
    found = []
    for seed in range(30):
        set_to(shown, seed=seed)
        found += draws((32, 32, 3), shown.state)
    for numbers, most in (
        ([draw.angle for draw in found], 40),
        ([draw.zoom - 1 for draw in found], 0.2),
        ([draw.brightness / 255 for draw in found], 0.1),
        ([draw.contrast - 1 for draw in found], 0.3),
        ([draw.colours[2] - 1 for draw in found], 0.5),
    ):
        assert 0.97 * most < max(numbers) <= most
        assert -0.97 * most > min(numbers) >= -most


def test_more_strength_makes_more_of_the_same(shown):
    set_to(shown, shift=0, flip=False, rotation=20, chosen=3)
    (few,) = [text for text in texts(shown) if text.startswith("turned")]
    set_to(shown, rotation=40)
    (more,) = [text for text in texts(shown) if text.startswith("turned")]
    assert few.split()[2] == more.split()[2]
    degrees = [float(text.split()[1].rstrip("°")) for text in (few, more)]
    assert degrees[1] == pytest.approx(2 * degrees[0], abs=1.5)


def test_the_same_state_gives_the_same_picture(shown):
    set_to(shown, rotation=30, zoom=20, colour=20, erased=5)
    before = shown.drawing.svg()
    set_to(shown, seed=2)
    assert shown.drawing.svg() != before
    set_to(shown, seed=1)
    assert shown.drawing.svg() == before


# ---------------------------------------------------------------------------------------------
# The count
# ---------------------------------------------------------------------------------------------


def test_the_course_default_has_162_versions(shown):
    """As notebook 05 counts them: 9×9 places and 2 mirrors."""
    assert "162" in texts(shown)
    assert "= (2·4 + 1)² · 2" in texts(shown)
    assert "the settings allow 162 versions" in shown.drawing.alt


@pytest.mark.parametrize(("shift", "flip"), [(0, False), (1, True), (2, False)])
def test_the_number_of_versions_is_what_the_pipeline_gives(square, shift, flip):
    pixels = square + 1  # no pixel is like the outside
    seen = {
        draw.tobytes()
        for seed in range(60)
        for draw in pipeline_draws(pixels, shift, flip, 0, seed)
    }
    number, _, different = count(Picture(pixels, 0), {**STILL, "shift": shift, "flip": flip})
    assert number == different == len(seen)


def test_versions_that_are_alike_are_counted_once():
    upright = np.tile(np.uint8([10, 20, 10]), (3, 1))  # its own mirror image
    shown = augmentation(upright, shift=1)
    assert {"18", "but only 9 different images"} <= set(texts(shown))
    assert "Only 9 of the 18 versions are different images." in shown.drawing.note
    set_to(shown, flip=False)
    assert "9" in texts(shown)
    assert not any("but only" in text for text in texts(shown))


def test_a_square_multiplies_the_count_by_its_places(shown):
    set_to(shown, erased=8)
    assert f"{162 * 25 * 25:,}" in texts(shown)
    assert "versions of each image, at most" in texts(shown)


def test_what_is_drawn_from_a_continuum_cannot_be_counted(shown):
    set_to(shown, zoom=5)
    assert {"countless", "zoom"} <= set(texts(shown))
    set_to(shown, zoom=0, colour=20)
    assert {"countless", "colour"} <= set(texts(shown))
    set_to(shown, picture="digit 2", flip=False)  # without colours that control does nothing
    assert "81" in texts(shown)


def test_without_augmentation_all_draws_are_the_original(shown, car):
    set_to(shown, shift=0, flip=False)
    assert {"Sixteen draws, all alike", "1", "version of each image", "left as it is"} <= set(
        texts(shown)
    )
    for draw in sheet(shown):
        np.testing.assert_array_equal(draw, car)


def test_the_different_ones_among_the_sixteen_are_counted(shown):
    set_to(shown, shift=1, flip=False)
    different = len({draw.tobytes() for draw in sheet(shown)[2:]})
    assert 1 < different <= 9
    assert f"Sixteen draws, {different} of them different" in texts(shown)


# ---------------------------------------------------------------------------------------------
# Words, controls, pointing
# ---------------------------------------------------------------------------------------------


def test_what_was_done_is_said():
    draw = Draw(2, -3, True, -12.0, 1.1, 0.9, -25.5, (1.1, 0.95, 1.02), (1, 2, 8))
    assert in_words(draw) == [
        "moved 2 right, 3 up",
        "then mirrored",
        "turned 12° clockwise",
        "zoomed ×1.10",
        "contrast ×0.90",
        "darker by 10 %",
        "red ×1.10, green ×0.95, blue ×1.02",
        "a square of 8×8 erased",
    ]
    assert in_words(Draw(flipped=True)) == ["mirrored"]
    assert in_words(Draw(colours=(2, 1, 1)), colour=False) == ["left as it is"]
    assert in_short(Draw(2, -3, True)) == ["→2 ↑3 mirrored"]
    assert in_short(Draw(-2, 3)) == ["←2 ↓3"]
    assert in_short(Draw()) == [""]


def test_captions_have_two_short_lines():
    rng = np.random.default_rng(0)
    for _ in range(300):
        right, down = rng.integers(-8, 9, 2).tolist()
        numbers = rng.uniform(0.5, 1.5, 7) * (rng.random(7) < 0.7)
        draw = Draw(right, down, bool(rng.integers(2)), 180 * numbers[0], *numbers[1:4])
        lines = in_short(draw._replace(colours=tuple(numbers[4:]), square=(0, 0, 16)))
        assert len(lines) <= 2
        assert max(map(len, lines)) <= 14, lines


def test_the_words_and_the_large_picture_are_those_of_the_chosen_draw(shown):
    for chosen in (1, 6, 16):
        set_to(shown, chosen=chosen)
        right, down, flipped = moves(4, True, 1)[chosen - 1]
        assert in_words(Draw(right, down, flipped))[0] in texts(shown)
        assert f"Draw {chosen} of 16" in texts(shown)
        _, large, *small = sheet(shown)
        np.testing.assert_array_equal(large, small[chosen - 1])
        assert f"Draw {chosen}: {in_words(Draw(right, down, flipped))[0]}" in shown.drawing.alt


def test_pointing_at_one_of_the_sixteen_chooses_it(shown):
    for number in (1, 8, 9, 14):
        place = LEFT + ACROSS * ((number - 1) % 8), GRID + DOWN * ((number - 1) // 8)
        point(shown, place[0] + CELL / 2, place[1] + CELL / 2)
        assert shown.controls["chosen"].value == number
    for x, y in ((100, 100), (2, GRID + 5), (LEFT + 8 * ACROSS + 3, GRID + 5), (300, GRID - 20)):
        point(shown, x, y)
        assert shown.controls["chosen"].value == 14


def test_draw_again_draws_again(shown):
    before = sheet(shown)[2:]
    shown.controls["again"].click()
    assert shown.controls["seed"].value == 2
    assert any((old != new).any() for old, new in zip(before, sheet(shown)[2:], strict=True))
    set_to(shown, seed=shown.controls["seed"].max)
    shown.controls["again"].click()
    assert shown.controls["seed"].value == 0


def test_digits_are_not_to_be_flipped(shown):
    assert shown.drawing.note == ""
    set_to(shown, picture="digit 2")
    assert "A mirrored 2 is no 2" in shown.drawing.note
    assert shown.controls["colour"].disabled
    set_to(shown, flip=False)
    assert shown.drawing.note == ""
    set_to(shown, picture="digit 6", rotation=180)
    assert "A 6 that is turned by 180° is a 9" in shown.drawing.note
    set_to(shown, rotation=60)
    assert "Nobody writes digits turned that far" in shown.drawing.note
    set_to(shown, picture="a frog")
    assert shown.drawing.note == ""
    assert not shown.controls["colour"].disabled


def test_the_digits_are_what_they_are_called():
    images, labels, _ = data.load("mnist", "test")
    offered, _ = _offered(None)
    for name in ("2", "6"):
        places = [index for index in range(100) if labels[index] == int(name)]
        assert any((offered[f"digit {name}"].pixels == images[k, ..., 0]).all() for k in places)
    photographs = data.load("cifar10", "train")
    for name, label in (("a car", "automobile"), ("a frog", "frog")):
        places = np.flatnonzero((photographs.images[:100] == offered[name].pixels).all((1, 2, 3)))
        assert [photographs.class_names[photographs.labels[k]] for k in places] == [label]


# ---------------------------------------------------------------------------------------------
# Images of one's own, and bad input
# ---------------------------------------------------------------------------------------------


def test_an_image_of_ones_own_comes_first_and_the_others_stay():
    shown = augmentation(np.full((6, 4, 3), 0.25), shift=2, flip=False, rotation=0)
    assert shown.state["picture"] == "yours"
    np.testing.assert_array_equal(sheet(shown)[0], np.full((6, 4, 3), 63))
    assert shown.state["shift"] == 2 and not shown.state["flip"]
    set_to(shown, picture="digit 6")
    assert "Original: digit 6, 28×28" in texts(shown)


def test_a_large_photograph_is_scaled_down():
    shown = augmentation(np.full((4000, 3000), 7, np.uint8))
    assert "4000×3000 pixels were scaled to 64×48" in shown.drawing.note
    assert "Original: yours, 64×48" in texts(shown)


def test_an_image_smaller_than_the_shift_is_said_to_leave():
    shown = augmentation(np.uint8([[1, 2], [3, 4]]), shift=8)
    assert "move the whole image out of sight" in shown.drawing.note
    set_to(shown, erased=5)
    assert "as small as the image" in shown.drawing.note


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": np.zeros((0, 5))}, "image: it is empty"),
        ({"image": np.zeros(5)}, "image: the shape must be"),
        ({"image": "a cat"}, "image: an array of numbers is needed"),
        ({"image": np.array([[1.0, np.nan]])}, "image: it contains numbers that are not finite"),
        ({"shift": 9}, "shift, pixels: 9 is not between 0 and 8"),
        ({"shift": "far"}, "shift must be a whole number, not 'far'"),
        ({"rotation": 400}, "rotation, degrees: 400 is not between 0 and 180"),
        ({"rotation": -5}, "rotation must be at least 0"),
    ],
)
def test_bad_arguments_get_a_message_in_place(arguments, words):
    shown = augmentation(**arguments)
    assert words in shown.problem
    assert shown.drawing is None
    assert words.split("'")[0] in shown._repr_mimebundle_()[0]["text/plain"]


def test_a_problem_leaves_the_last_picture(shown, monkeypatch):
    """No control can be set wrongly, so something else goes wrong."""
    before = shown.drawing

    def broken(*_):
        raise ValueError("the draw failed")

    monkeypatch.setitem(vars(sys.modules[augmentation.__module__]), "drawn", broken)
    shown.controls["seed"].value = 5
    assert shown.problem == "the draw failed"
    assert shown.drawing is before
    monkeypatch.undo()
    shown.controls["seed"].value = 6
    assert shown.problem == ""


# ---------------------------------------------------------------------------------------------
# The picture
# ---------------------------------------------------------------------------------------------


def test_the_picture_is_svg_and_png_within_its_width(shown):
    set_to(shown, rotation=180, zoom=50, brightness=50, contrast=90, colour=50, erased=16)
    for chosen in (2, 9):
        set_to(shown, chosen=chosen)
        for each in parsed(shown).iter(f"{SVG}polyline"):
            numbers = [
                float(number) for pair in each.get("points").split() for number in pair.split(",")
            ]
            assert min(numbers) >= 0 and max(numbers[::2]) <= 760
        for each in parsed(shown).iter(f"{SVG}text"):
            width = 0.62 * float(each.get("font-size")) * len(each.text or "")
            if each.get("text-anchor") == "start":
                assert float(each.get("x")) + width <= 790, each.text
    with Image.open(io.BytesIO(shown.drawing.png())) as png:
        assert png.size == (2 * 760, round(2 * shown.drawing.height))


def test_colours_keep_their_meaning_on_paper(shown):
    """A photograph takes many colours; the frames and the ground stay what they are."""
    set_to(shown, brightness=30, colour=30, erased=8)
    with Image.open(io.BytesIO(shown.drawing.png())) as png:
        colours = {colour for _, colour in png.convert("RGB").getcolors(1 << 20)}
        assert png.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    for role in ("input", "kernel", "output", "lost"):
        code = plots.PALETTE[role]
        assert tuple(int(code[k : k + 2], 16) for k in (1, 3, 5)) in colours


def test_drawing_is_fast(shown):
    times = [time.perf_counter()]
    for seed in range(10):
        shown.draw(**{**shown.state, "seed": seed % 2}).svg()
        times.append(time.perf_counter())
    assert min(later - sooner for sooner, later in pairwise(times)) < 0.05
