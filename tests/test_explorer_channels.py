"""The explorer `channels` without a browser: its sums against NumPy, its controls, refusals."""

from pathlib import Path

import numpy as np
import pytest
from drawn import SVG, parsed, pictures, point, texts

from course_utils import data, plots
from course_utils.explorers import channels
from course_utils.explorers._channels import (
    ADDITION,
    BELOW,
    CHANNEL,
    CHANNELS,
    LEFT,
    MAP,
    MAP_TOP,
    OWN,
    PITCH,
    PRESETS,
    RANDOM,
    SMALL,
    TOP,
    _left_of,
    random_filter,
    read_slices,
)
from course_utils.explorers.drawing import compact

ROOT = Path(__file__).parents[1]
RED_CAR = data.load("cifar10", "test").images[91]


def state(explorer, *names):
    values = tuple(explorer.controls[name].value for name in names)
    return values if len(names) > 1 else values[0]


def by_hand(image, weights, bias=0):
    """A map by its definition, and what each channel contributes."""
    height, width = image.shape[0] - 2, image.shape[1] - 2
    parts = np.zeros((height, width, 3))
    for row, column, channel in np.ndindex(parts.shape):
        window = image[row : row + 3, column : column + 3, channel].astype(float)
        parts[row, column, channel] = (window * weights[:, :, channel]).sum()
    return parts.sum(axis=2) + bias, parts


def weights_of(explorer):
    rows = [state(explorer, name).splitlines() for name in CHANNELS]
    return np.array([[line.split() for line in each] for each in rows], float).transpose(1, 2, 0)


def assert_numbers(explorer, image):
    """The three sums, the bias and their sum stand in the picture and in its alt text."""
    row, column, bias = state(explorer, "row", "column", "bias")
    found, parts = by_hand(image, weights_of(explorer), bias)
    shown = texts(explorer)
    place = shown.index("one number")
    assert shown[place + 1] == compact(found[row, column])
    for name, part in zip(CHANNELS, parts[row, column], strict=True):
        words = f"   {name}" if name == "red" else f"+ {name}"
        assert shown[shown.index(words) + 1] == compact(part)
        assert f"{name} {compact(part)}" in explorer.drawing.alt
    assert shown[shown.index("+ bias") + 1] == compact(bias)
    assert f"add up to {compact(found[row, column])}," in explorer.drawing.alt


def test_the_default_shows_three_sums_one_number_and_three_maps():
    explorer = channels()
    assert explorer.problem == ""
    assert_numbers(explorer, RED_CAR)
    shown = texts(explorer)
    for words in ("3 filters give 3 maps", "(30, 30, 3)", "(3·3·3 + 1)·3 = 84", "no filter"):
        assert words in shown
    row, column = state(explorer, "row", "column")
    found, _ = by_hand(RED_CAR, weights_of(explorer))
    assert found[row, column] == found.max(), "it begins where the filter finds most"


def test_the_picture_holds_channels_windows_and_maps():
    explorer = channels()
    row, column = state(explorer, "row", "column")
    drawn = pictures(explorer)
    for channel in range(3):
        assert np.array_equal(drawn[2 * channel], RED_CAR[..., channel])
        window = RED_CAR[row : row + 3, column : column + 3, channel]
        assert np.array_equal(drawn[2 * channel + 1], window)
    assert np.array_equal(drawn[7], RED_CAR)
    held = explorer.kept
    maps = [drawn[6], *drawn[8:]]
    assert len(maps) == 4  # one of them twice
    for number, shades in zip((1, 1, 2, 3), maps, strict=True):
        found, _ = by_hand(RED_CAR, read_slices(*held[number - 1][:3]))
        reach = np.abs(found).max()
        expected = 255 * (found + reach) / (2 * reach)
        assert np.abs(shades - expected).max() <= 1


def test_every_number_of_window_and_slice_is_compact():
    explorer = channels()
    row, column = state(explorer, "row", "column")
    shown = texts(explorer)
    for channel, name in enumerate(CHANNELS):
        window = RED_CAR[row : row + 3, column : column + 3, channel].ravel()
        place = shown.index(f"its {name}") + 1
        assert shown[place : place + 9] == [str(pixel) for pixel in window]
        place = shown.index(f"{name} slice") + 1
        weights = weights_of(explorer)[..., channel].ravel()
        assert shown[place : place + 9] == [compact(weight) for weight in weights]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset):
    explorer = channels()
    explorer.controls["preset"].value = "blur, all channels"
    explorer.controls["preset"].value = preset
    assert state(explorer, *CHANNELS) == PRESETS[preset]
    assert_numbers(explorer, RED_CAR)
    assert preset in texts(explorer)  # below its map


def test_what_presets_find():
    """Red beside green, of one brightness; dark beside bright, of one colour; and a flat area."""
    scenes = {
        "red to green": ([90, 10, 40], [10, 90, 40]),
        "dark to bright": ([10, 10, 10], [90, 90, 90]),
        "flat": ([50, 50, 50], [50, 50, 50]),
    }
    found = {}
    for scene, colours in scenes.items():
        image = np.repeat(np.array(colours, np.uint8)[None], 3, axis=0)[:, [0, 0, 1]]
        for preset in PRESETS:
            explorer = channels(image)
            explorer.controls["preset"].value = preset
            shown = texts(explorer)
            found[scene, preset] = shown[shown.index("one number") + 1]
    assert found["red to green", "red to green edges"] == str(3 * (80 + 80))
    assert found["dark to bright", "red to green edges"] == "0"
    assert found["dark to bright", "dark to bright edges"] == str(9 * 80)
    assert found["red to green", "dark to bright edges"] == "0"
    assert found["red to green", "red against green"] == str(3 * (80 + 80 - 80))
    assert found["flat", "red against green"] == found["flat", "red to green edges"] == "0"
    assert found["flat", "blur, all channels"] == str(27 * 50)
    assert found["red to green", "the red channel"] == "90"


def test_random_filters_come_from_the_seed_and_differ_from_each_other():
    explorer = channels()
    explorer.controls["preset"].value = RANDOM
    first = state(explorer, *CHANNELS)
    assert first == random_filter(0, 1)
    explorer.controls["seed"].value = 5
    assert state(explorer, *CHANNELS) == random_filter(5, 1) != first
    assert state(explorer, "preset") == RANDOM
    assert random_filter(5, 2) != random_filter(5, 1) == random_filter(5, 1)
    assert_numbers(explorer, RED_CAR)


def test_own_numbers_and_bias():
    explorer = channels()
    explorer.controls["green"].value = "1 2 3\n0.5 -1 0\n7 0 −2"
    assert state(explorer, "preset") == OWN
    explorer.controls["green"].value = "1 2 3\n0.5 -1 0\n7 0 -2"
    assert_numbers(explorer, RED_CAR)
    assert "The sums are rounded." in explorer.drawing.note
    before = pictures(explorer)[6].astype(int)
    explorer.controls["bias"].value = 200
    assert_numbers(explorer, RED_CAR)
    after = pictures(explorer)[6].astype(int)
    assert (after >= before).all() and after.sum() > before.sum(), "a bias brightens the map"
    explorer.controls["preset"].value = OWN
    assert state(explorer, "green") == "1 2 3\n0.5 -1 0\n7 0 -2"


def test_the_number_of_filters_is_the_number_of_maps():
    explorer = channels()
    for count in (4, 2, 1):
        explorer.controls["count"].value = count
        words = "1 filter gives 1 map" if count == 1 else f"{count} filters give {count} maps"
        shown = texts(explorer)
        assert words in shown
        assert f"(30, 30, {count})" in shown
        assert f"(3·3·3 + 1)·{count} = {28 * count}" in shown
        assert shown.count("no filter") == 4 - count
        assert len(pictures(explorer)) == 8 + count


def test_each_filter_keeps_its_own_numbers_and_its_own_bias():
    explorer = channels()
    explorer.controls["shown"].value = 2
    assert state(explorer, *CHANNELS) == PRESETS["dark to bright edges"]
    explorer.controls["bias"].value = -120
    explorer.controls["red"].value = "9 9 9\n9 9 9\n9 9 9"
    assert_numbers(explorer, RED_CAR)
    explorer.controls["shown"].value = 1
    assert state(explorer, *CHANNELS, "bias") == (*PRESETS["red to green edges"], 0)
    assert_numbers(explorer, RED_CAR)
    explorer.controls["shown"].value = 2
    assert state(explorer, "red", "bias") == ("9 9 9\n9 9 9\n9 9 9", -120)
    # With fewer filters the last one that is left is shown, and its numbers are in the boxes.
    explorer.controls["shown"].value = 3
    explorer.controls["count"].value = 1
    assert state(explorer, "shown") == 1
    assert state(explorer, *CHANNELS) == PRESETS["red to green edges"]
    assert_numbers(explorer, RED_CAR)


def test_row_and_column():
    explorer = channels()
    for row, column in ((0, 0), (29, 29), (4, 17)):
        explorer.controls["row"].value, explorer.controls["column"].value = row, column
        assert_numbers(explorer, RED_CAR)
        assert f"row {row}, column {column}:" in explorer.drawing.alt
    assert explorer.controls["play"].max == 29


def frames(explorer):
    """The orange frames, as (left, top, width, height)."""
    found = []
    for each in parsed(explorer).iter(f"{SVG}polyline"):
        if each.get("stroke") == plots.PALETTE["kernel"]:
            points = np.array([pair.split(",") for pair in each.get("points").split()], float)
            found.append((*points.min(axis=0), *np.ptp(points, axis=0)))
    return np.array(found)


def test_the_window_and_its_number_are_framed_wherever_they_are():
    explorer = channels()
    explorer.controls["row"].value, explorer.controls["column"].value = 4, 17
    cell = CHANNEL / 32
    expected = [
        (LEFT + 17 * cell, TOP + PITCH * channel + 4 * cell, 3 * cell, 3 * cell)
        for channel in range(3)
    ]
    cell = SMALL / 32
    expected.append((LEFT + 17 * cell, BELOW + 4 * cell, 3 * cell, 3 * cell))
    # One pixel of a map; a frame of 7 pixels of the picture is the smallest.
    for left, top, cell in ((ADDITION, MAP_TOP, MAP / 32), (_left_of(1), BELOW, SMALL / 32)):
        expected.append((left + 17.5 * cell - 3.5, top + 4.5 * cell - 3.5, 7, 7))
    found = frames(explorer)
    for each in expected:
        assert np.abs(found - each).max(axis=1).min() < 0.02, each


def test_images_to_choose_from():
    explorer = channels()
    seen = set()
    for name in explorer.controls["picture"].options:
        explorer.controls["picture"].value = name
        assert explorer.problem == ""
        seen.add(explorer.drawing.svg())
    assert len(seen) == 5
    assert "grey photograph" in explorer.drawing.note  # the ship, the last of them


def test_pointing_at_the_image_and_its_channels_lays_the_window_round_the_pixel():
    explorer = channels()
    cell = CHANNEL / 32
    for channel in range(3):
        point(explorer, LEFT + cell * (9.5 + channel), TOP + PITCH * channel + cell * 20.5)
        assert state(explorer, "row", "column") == (19, 8 + channel)
    cell = SMALL / 32
    point(explorer, LEFT + cell * 31.5, BELOW + cell * 0.5)
    assert state(explorer, "row", "column") == (0, 29)  # a corner has no window round it
    assert_numbers(explorer, RED_CAR)


def test_pointing_at_a_map_shows_its_filter_and_the_place():
    explorer = channels()
    cell = MAP / 32
    point(explorer, ADDITION + cell * 7.5, MAP_TOP + cell * 3.5)
    assert state(explorer, "row", "column", "shown") == (3, 7, 1)
    cell = SMALL / 32
    point(explorer, _left_of(3) + cell * 29.5, BELOW + cell * 11.5)
    assert state(explorer, "row", "column", "shown") == (11, 29, 3)
    assert state(explorer, *CHANNELS) == PRESETS["red against green"]
    assert "map 3, shown above" in texts(explorer)
    assert_numbers(explorer, RED_CAR)


@pytest.mark.parametrize(
    "x, y",
    [(2, 2), (400, 300), (LEFT + SMALL + 3, BELOW + 9), (755, 690)]
    + [(_left_of(4) + 20, BELOW + 20), (_left_of(1) + SMALL - 1, BELOW + 20)],
)
def test_pointing_beside_everything_changes_nothing(x, y):
    explorer = channels()
    before = explorer.state
    point(explorer, x, y)
    assert explorer.state == before


def test_an_own_image_and_own_filters():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (9, 14, 3)).astype(np.uint8)
    filters = rng.integers(-4, 5, (3, 3, 3, 2))
    explorer = channels(image, filters)
    assert state(explorer, "picture", "count") == ("yours", 2)
    assert np.array_equal(weights_of(explorer), filters[..., 0])
    assert_numbers(explorer, image)
    assert "(7, 12, 2)" in texts(explorer)
    assert (explorer.controls["row"].max, explorer.controls["column"].max) == (6, 11)
    explorer.controls["shown"].value = 2
    assert np.array_equal(weights_of(explorer), filters[..., 1])
    cell = SMALL / 14
    point(explorer, _left_of(1) + cell * 11.5, BELOW + cell * 6.5)
    assert state(explorer, "row", "column", "shown") == (6, 11, 1)
    explorer.controls["picture"].value = "red car"
    assert_numbers(explorer, RED_CAR)
    explorer.controls["row"].value = 29
    explorer.controls["picture"].value = "yours"
    assert state(explorer, "row") == 6, "what does not exist any more is left"
    assert_numbers(explorer, image)


def test_one_filter_of_a_layer_with_fractions():
    weights = np.random.default_rng(0).normal(size=(3, 3, 3)).astype(np.float32)
    explorer = channels(filters=weights)
    assert state(explorer, "count", "preset") == (1, OWN)
    assert np.allclose(weights_of(explorer), weights, rtol=1e-5)
    assert_numbers(explorer, RED_CAR)
    explorer.controls["count"].value = 4
    assert explorer.problem == ""


@pytest.mark.parametrize(
    "image, expected, words",
    [
        (np.linspace(0, 1, 48).reshape(4, 4, 3), lambda image: 255 * image, "from 0 to 1"),
        (np.arange(48.0).reshape(4, 4, 3), lambda image: image, ""),
        (np.arange(48).reshape(4, 4, 3) - 10, lambda image: 255 * (image + 10) / 47, "−10 to 37"),
        (np.full((4, 4, 3), 300), lambda image: 0 * image, "from 300 to 300"),
        (np.arange(16, dtype=np.uint8).reshape(4, 4), lambda image: image[..., None], "grey"),
        (np.eye(4, dtype=bool)[..., None], lambda image: 255.0 * image, "three channels"),
    ],
)
def test_numbers_of_any_kind_become_bytes(image, expected, words):
    explorer = channels(image)
    assert explorer.problem == ""
    assert words in explorer.drawing.note
    pixels = pictures(explorer)[7]
    assert pixels.shape == (4, 4, 3)
    assert np.array_equal(pixels, np.broadcast_to(np.round(expected(image)), (4, 4, 3)))


def test_a_large_photograph_is_scaled_down():
    explorer = channels(np.zeros((4000, 3000, 3), np.uint8))
    assert explorer.problem == ""
    assert "4000×3000 pixels were scaled to 64×48" in explorer.drawing.note
    assert "(62, 46, 3)" in texts(explorer)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"image": np.zeros((0, 5, 3))}, "image: it is empty"),
        ({"image": np.zeros((5, 5, 4))}, "image: the shape must be"),
        ({"image": np.zeros((2, 9, 3))}, "image: 2×9 pixels have no room for a filter"),
        ({"image": np.zeros((4000, 20, 3))}, "were scaled to 64×1. 64×1 pixels have no room"),
        ({"image": np.full((5, 5, 3), np.nan)}, "not finite"),
        ({"image": "a picture"}, "image: an array of numbers"),
        ({"image": [["a"] * 3] * 3}, "image: an array of numbers"),
        ({"filters": np.zeros((3, 3))}, "(3, 3, 3) or (3, 3, 3, n)"),
        ({"filters": np.zeros((5, 5, 3))}, "(3, 3, 3) or (3, 3, 3, n)"),
        ({"filters": np.zeros((3, 3, 3, 0))}, "(3, 3, 3) or (3, 3, 3, n)"),
        ({"filters": np.zeros((3, 3, 3, 32))}, "filters[..., :4]"),
        ({"filters": np.full((3, 3, 3), np.inf)}, "not finite"),
        ({"filters": "edges"}, "filters: an array of numbers"),
        ({"filters": np.full((3, 3, 3), 1e9)}, "red slice"),
        (
            {"filters": np.full((3, 3, 3), -1001)},
            "red slice: there is room for weights up to ±1000",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_words(arguments, words):
    explorer = channels(**arguments)
    assert words in explorer.problem
    assert explorer.drawing is None


@pytest.mark.parametrize(
    "control, value, words",
    [
        ("red", "1 b 1\n0 0 0\n0 0 0", "red slice: row 1 of it: 'b' is not a number"),
        ("green", "", "green slice: it is empty"),
        ("blue", "1 2\n3 4", "blue slice: it has 2 rows of 2 numbers, and must have 3 rows of 3"),
        ("blue", "1 2 3\n4 5\n6 7 8", "blue slice: row 2 of it has 2 numbers"),
        ("seed", -1, "seed: -1 is below 0"),
    ],
)
def test_what_is_typed_wrongly_is_said_and_the_picture_stays(control, value, words):
    explorer = channels()
    before, right = explorer.drawing, state(explorer, control)
    explorer.controls[control].value = value
    assert words in explorer.problem
    assert explorer.drawing is before and 'role="alert"' in explorer._message.value
    # A point does not wipe out what was typed, and the message stays.
    if control != "seed":
        point(explorer, LEFT + 30, BELOW + 30)
        assert words in explorer.problem and state(explorer, control) == value
        assert explorer.drawing is before
    explorer.controls[control].value = right
    assert explorer.problem == ""
    explorer.controls[control].value = value
    explorer.controls["preset"].value = "the red channel"
    assert explorer.problem == "", "a preset puts it right as well"
