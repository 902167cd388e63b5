"""Sixteen draws of one image: what augmentation does to it, and how many versions there are."""

import textwrap
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..arguments import whole_number
from ..plots import PALETTE
from .controls import button, checkbox, choice, slider
from .drawing import Drawing, Grid, as_bytes, compact
from .frame import Explorer
from .images import as_image

DRAWS = 16
LARGEST = {"shift": 8, "rotation": 180, "erased": 16}
LARGEST |= {"zoom": 50, "brightness": 50, "contrast": 90, "colour": 50}  # per cent
GREY = 128  # byte of 0, once `data.scale` has made -2 to 2 of 0 to 255: see notebook 05

LEFT, TOP, SIDE = 20, 44, 212  # the original; the chosen draw stands beside it
CHOSEN, WORDS = 258, 496  # where it begins, and where what was done to it is said
GRID, CELL, ACROSS, DOWN = 340, 84, 91, 122  # the sixteen: top, side, steps from one to the next


class Augmentation(Explorer):
    """Draws one image sixteen times, each time changed at random as in a training.

    Point at one of the sixteen to see it large, with the window that was cut out of the original.

    Shifts and mirrors are those of `data.shift_and_flip(pixels=shift, flip=flip)`, for the seed
    `(0, seed)`. Every other strength is the most that is drawn: a rotation of 30 gives angles
    from −30 to 30 degrees, a zoom of 20 factors from 0.8 to 1.2, and so on.

    Args:
        image: `(height, width)` or `(height, width, 3)`. When None, there are photographs of 32×32
            and digits to choose from; they can be chosen beside your own, too.
        shift: pixels, 0 to 8.
        flip: whether every second draw, on average, is mirrored.
        rotation: degrees, 0 to 180.
    """

    def __init__(self, image=None, shift=4, flip=True, rotation=0):
        self.images, self.note = _offered(image)
        shift, rotation = whole_number(shift, "shift", 0), whole_number(rotation, "rotation", 0)
        controls = {
            "picture": choice("image", list(self.images), next(iter(self.images))),
            "shift": slider("shift, pixels", 0, LARGEST["shift"], shift),
            "flip": checkbox("flip", flip),
            "rotation": slider("rotation, degrees", 0, LARGEST["rotation"], rotation, 5),
        }
        for name in ("zoom", "brightness", "contrast", "colour"):
            controls[name] = slider(f"{name}, %", 0, LARGEST[name], 0, 5)
        controls |= {
            "erased": slider("erased, pixels", 0, LARGEST["erased"], 0),
            "chosen": slider("draw", 1, DRAWS, 1),
            "seed": slider("seed", 0, 99, 1),
            "again": button("draw again"),
        }
        super().__init__(controls)

    def again(self):
        """Draws with the next seed."""
        seed = self.controls["seed"]
        seed.value = (seed.value + 1) % (seed.max + 1)

    def react(self, name):
        """Turns the control of colours off where there are none."""
        picture = self.images[self.controls["picture"].value]
        self.controls["colour"].disabled = picture.pixels.ndim == 2

    def draw(self, picture, chosen, **state):
        """The picture: the original, the chosen draw beside it, the count, all sixteen below."""
        name, picture = picture, self.images[picture]
        made = draws(picture.pixels.shape, state)
        results = [drawn(picture, draw) for draw in made]
        draw, colour = made[chosen - 1], picture.pixels.ndim == 3
        number, formula, different = count(picture, state)
        words = in_words(draw, colour)

        drawing = Drawing(760, GRID + 2 * DOWN)
        _draw_original(drawing, name, picture, draw, state)
        _draw_chosen(drawing, results[chosen - 1], draw, chosen)
        drawing.text(WORDS, TOP - 14, "What was done to it", 14, bold=True)
        for index, line in enumerate(words):
            drawing.text(WORDS, TOP + 10 + 17 * index, line, 12)
        total = "countless" if number is None else f"{number:,}"
        _draw_count(drawing, total, formula, different, number)
        alike = len({result.tobytes() for result in results})
        captions = [in_short(draw, colour) for draw in made]
        _draw_all(drawing, results, captions, chosen, alike)

        drawing.say(self.note, *_notes(picture, state, number, different))
        drawing.alt = (
            f"Sixteen draws of the image '{name}', {alike} of them different; the settings allow "
            f"{total} versions. Draw {chosen}: {', '.join(words)}."
        )
        return drawing


class Picture(NamedTuple):
    """An image to be augmented."""

    pixels: np.ndarray  # uint8, (height, width) or (height, width, 3)
    fill: int  # the byte that comes in from outside
    digit: str = ""  # which one, if it is a digit


@lru_cache(maxsize=1)
def _known():
    """The course's own images to choose from, by name."""
    from .. import data

    photographs, digits = data.load("cifar10", "train").images, data.load("mnist", "test").images
    return {
        "a car": Picture(photographs[41].copy(), GREY),
        "a frog": Picture(photographs[26].copy(), GREY),
        "digit 2": Picture(digits[12, ..., 0].copy(), 0, "2"),
        "digit 6": Picture(digits[26, ..., 0].copy(), 0, "6"),
    }


def _offered(image):
    """The images to choose from, by name, and what was done to the reader's own."""
    if image is None:
        return _known(), ""
    image, note = as_image(image)
    limits = None
    if image.dtype != np.uint8 and image.min() >= 0 and image.max() <= 255:
        limits = (0, 1) if image.max() <= 1 else (0, 255)
    pixels = as_bytes(image, limits)
    return {"yours": Picture(pixels, GREY if pixels.ndim == 3 else 0), **_known()}, note


class Draw(NamedTuple):
    """What is done to an image, in this order; a window is cut out, then its bytes change."""

    right: int = 0  # pixels, before it is mirrored
    down: int = 0
    flipped: bool = False
    angle: float = 0.0  # degrees, anticlockwise
    zoom: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0  # bytes that are added
    colours: tuple = (1.0, 1.0, 1.0)
    square: tuple = (0, 0, 0)  # left, top, side


@lru_cache(maxsize=256)
def moves(shift, flip, seed):
    """How `data.shift_and_flip` moves each of sixteen images: `(right, down, flipped)`, pixels.

    It says so itself: what it moves is an image whose pixels know their own place.
    """
    from .. import data

    side = 2 * shift + 2
    places = np.stack(np.mgrid[:side, :side], axis=-1).astype(np.float32)
    moved = data.shift_and_flip(shift, flip)(np.stack([places] * DRAWS), np.array([0, seed]))
    top, left, second = (
        np.array(moved)[:, shift, column, axis].astype(int)
        for column, axis in ((shift, 0), (shift, 1), (shift + 1, 1))
    )
    return [
        (shift - min(one, other), shift - row, bool(other < one))
        for row, one, other in zip(top.tolist(), left.tolist(), second.tolist(), strict=True)
    ]


def draws(shape, state):
    """The sixteen draws for an image of this shape.

    The chances of a draw come from the seed alone, so that more strength makes more of the same.
    """
    seed = state["seed"]
    chances = np.random.default_rng([seed, 1]).uniform(-1, 1, (DRAWS, 7)).tolist()
    corners = np.random.default_rng([seed, 2]).uniform(0, 1, (DRAWS, 2)).tolist()
    height, width = shape[:2]
    side = min(state["erased"], height, width)
    share = {name: state[name] / 100 for name in ("zoom", "contrast", "brightness", "colour")}

    def made(move, chance, corner):
        down, right = corner
        place = (int(right * (width - side + 1)), int(down * (height - side + 1)), side)
        return Draw(
            *move,
            angle=state["rotation"] * chance[0],
            zoom=1 + share["zoom"] * chance[1],
            contrast=1 + share["contrast"] * chance[2],
            brightness=255 * share["brightness"] * chance[3],
            colours=tuple(1 + share["colour"] * each for each in chance[4:]),
            square=place if side else (0, 0, 0),
        )

    return list(map(made, moves(state["shift"], state["flip"], seed), chances, corners))


def window(draw, shape):
    """Where in the original a draw looks: `(a, b, c, d, e, f)`, in pixels from the upper left.

    What stands at x, y of the draw stood at a·x + b·y + c, d·x + e·y + f.
    """
    height, width = shape[:2]
    turn = np.deg2rad(draw.angle)
    cosine, sine = np.cos(turn) / draw.zoom, np.sin(turn) / draw.zoom
    mirror = -1 if draw.flipped else 1
    return (
        *(mirror * cosine, mirror * -sine),
        width / 2 - draw.right - mirror * (cosine * width - sine * height) / 2,
        *(sine, cosine),
        height / 2 - draw.down - (sine * width + cosine * height) / 2,
    )


def drawn(picture, draw):
    """The image of a draw, uint8 like the original."""
    shape = picture.pixels.shape
    height, width = shape[:2]
    fill = (picture.fill,) * 3 if len(shape) == 3 else picture.fill
    ways = Image.Transform.AFFINE, window(draw, shape), Image.Resampling.BILINEAR
    pixels = Image.fromarray(picture.pixels).transform((width, height), *ways, fillcolor=fill)
    pixels = np.array(pixels)
    if (draw.contrast, draw.brightness, *draw.colours) != (1, 0, 1, 1, 1):
        light, mean = pixels.astype(np.float32), pixels.mean(dtype=np.float32)
        light = (light - mean) * draw.contrast + mean + draw.brightness
        if len(shape) == 3:
            light = light * np.float32(draw.colours)
        pixels = np.clip(np.round(light), 0, 255).astype(np.uint8)
    left, top, side = draw.square
    if side:
        pixels[top : top + side, left : left + side] = picture.fill
    return pixels


def count(picture, state):
    """How many versions the settings allow, and how that comes about.

    Returns:
        `(number, formula, different)`: `number` is None where it cannot be counted, and `formula`
        then names what is drawn from a continuum; `different` is how many of the versions are
        different images, None where that is not known.
    """
    names = "rotation", "zoom", "brightness", "contrast", "colour"
    grey = picture.pixels.ndim == 2
    endless = [name for name in names[: -1 if grey else None] if state[name]]
    if endless:
        return None, ", ".join(endless), None
    places = 2 * state["shift"] + 1
    number, formula = places**2, f"(2·{state['shift']} + 1)²"
    if state["flip"]:
        number, formula = 2 * number, f"{formula} · 2"
    height, width = picture.pixels.shape[:2]
    side = min(state["erased"], height, width)
    if side:
        squares = height - side + 1, width - side + 1
        number *= squares[0] * squares[1]
        return number, f"{formula} · {squares[0]} · {squares[1]}", None
    content = picture.pixels.tobytes(), picture.pixels.shape, picture.fill
    return number, formula, _different(*content, state["shift"], state["flip"])


@lru_cache(maxsize=256)
def _different(content, shape, fill, shift, flip):
    """How many different images there are among all shifts and mirrors: made, and compared."""
    pixels = np.frombuffer(content, np.uint8).reshape(shape)
    ends = [(shift, shift)] * 2 + [(0, 0)] * (len(shape) - 2)
    framed = np.pad(pixels, ends, constant_values=fill)
    images = set()
    for top, left in np.ndindex(2 * shift + 1, 2 * shift + 1):
        cut = framed[top : top + shape[0], left : left + shape[1]]
        images |= {cut.tobytes(), cut[:, ::-1].tobytes()} if flip else {cut.tobytes()}
    return len(images)


def _told(draw, colour):
    """What was done to a draw: in words, and in signs, those of the same step in one."""
    shifts, signs = [], []
    for step, words, arrows in ((draw.right, "left right", "←→"), (draw.down, "up down", "↑↓")):
        if step:
            shifts.append(f"{abs(step)} {words.split()[step > 0]}")
            signs.append(f"{arrows[step > 0]}{abs(step)}")
    if shifts:
        yield f"moved {', '.join(shifts)}", signs
    if draw.flipped:
        yield "then mirrored" if shifts else "mirrored", ["mirrored"]
    if draw.angle:
        way = "anticlockwise" if draw.angle > 0 else "clockwise"
        sign = "+" if round(draw.angle) > 0 else ""
        yield f"turned {abs(draw.angle):.0f}° {way}", [f"{sign}{compact(round(draw.angle))}°"]
    if draw.zoom != 1:
        yield f"zoomed ×{draw.zoom:.2f}", [f"×{draw.zoom:.2f}"]
    if draw.contrast != 1:
        yield f"contrast ×{draw.contrast:.2f}", ["light"]
    if draw.brightness:
        way = "brighter" if draw.brightness > 0 else "darker"
        signs = ["light"] if draw.contrast == 1 else []
        yield f"{way} by {abs(draw.brightness) / 2.55:.0f} %", signs
    if draw.colours != (1, 1, 1) and colour:
        yield "red ×{:.2f}, green ×{:.2f}, blue ×{:.2f}".format(*draw.colours), ["colour"]
    if draw.square[2]:
        yield "a square of {0}×{0} erased".format(draw.square[2]), ["square"]


def in_words(draw, colour=True):
    """What was done to a draw, one thing in each line."""
    return [words for words, _ in _told(draw, colour)] or ["left as it is"]


def in_short(draw, colour=True):
    """The same in signs, for the caption of a small picture: two lines of 14 letters at most."""
    signs = " ".join(sign for _, signs in _told(draw, colour) for sign in signs)
    lines = textwrap.wrap(signs, 14, max_lines=2, placeholder=" …", break_long_words=False)
    return lines or [""]


def _notes(picture, state, number, different):
    """What a reader may not have expected, a sentence each."""
    digit = picture.digit
    if digit and state["flip"]:
        yield f"A mirrored {digit} is no {digit}, but would be trained as one: do not flip digits."
    if digit == "6" and state["rotation"] > 90:
        yield "A 6 that is turned by 180° is a 9, and would still be trained as a 6."
    elif digit and state["rotation"] > 45:
        yield "Nobody writes digits turned that far."
    if different is not None and different < number:
        yield f"Only {different:,} of the {number:,} versions are different images."
    if state["shift"] >= min(picture.pixels.shape[:2]):
        yield "A shift that large can move the whole image out of sight."
    if state["erased"] > min(picture.pixels.shape[:2]):
        yield "The erased square is made as small as the image."


def _draw_original(drawing, name, picture, draw, state):
    """The original, in what lies outside of it, with the window that the draw cuts out."""
    height, width = picture.pixels.shape[:2]
    drawing.text(LEFT, TOP - 14, f"Original: {name}, {height}×{width}", 14, bold=True)
    # As much of the outside as the settings can reach, so that nothing jumps from draw to draw.
    turns = np.deg2rad(np.linspace(0, state["rotation"], 37))
    sines, cosines = np.abs(np.sin(turns)), np.abs(np.cos(turns))
    reach = np.max([width * cosines + height * sines, width * sines + height * cosines])
    reach = reach / (1 - state["zoom"] / 100) + 2 * state["shift"]
    unit = SIDE / reach
    drawing.rect(LEFT, TOP, SIDE, SIDE, f"#{picture.fill:02x}{picture.fill:02x}{picture.fill:02x}")
    left, top = LEFT + (SIDE - unit * width) / 2, TOP + (SIDE - unit * height) / 2
    grid = Grid.fit(left, top, unit * max(height, width), picture.pixels.shape)
    drawing.pixels(grid, picture.pixels, "input")
    a, b, c, d, e, f = window(draw, picture.pixels.shape)
    corners = [(0, 0), (width, 0), (width, height), (0, height), (0, 0)]
    corners = [grid.corner(d * x + e * y + f, a * x + b * y + c) for x, y in corners]
    drawing.line(corners, "black", 4)
    drawing.line(corners, PALETTE["kernel"], 2.2)
    drawing.circle(*corners[0], 5, PALETTE["kernel"], "black", 1.2)
    outside = "grey" if picture.fill else "black"
    entries = (
        (("none", PALETTE["input"], 2), f"the image; outside all is {outside}"),
        (("none", PALETTE["kernel"], 2), "the window that this draw shows"),
    )
    drawing.legend(LEFT, TOP + SIDE + 18, entries, 17)


def _draw_chosen(drawing, pixels, draw, chosen):
    height, width = pixels.shape[:2]
    drawing.text(CHOSEN, TOP - 14, f"Draw {chosen} of {DRAWS}", 14, bold=True)
    unit = SIDE / max(height, width)
    left, top = CHOSEN + (SIDE - unit * width) / 2, TOP + (SIDE - unit * height) / 2
    grid = Grid.fit(left, top, SIDE, pixels.shape)
    drawing.pixels(grid, pixels, "output", 2.5)
    column, row, side = draw.square
    if side:
        drawing.rect(*grid.part(row, column, side, side), "none", "white", 3)
        drawing.rect(*grid.part(row, column, side, side), "none", PALETTE["lost"], 2, (5, 4))
    drawing.circle(left, top, 5, PALETTE["kernel"], "black", 1.2)

    def corner(x, y):
        drawing.circle(x + 6, y + 6, 5, PALETTE["kernel"], "black", 1.2)

    entries = [(corner, "the same corner in both")]
    if side:
        entries.append((("none", PALETTE["lost"], 2, (3, 2)), "erased"))
    drawing.legend(CHOSEN, TOP + SIDE + 18, entries, 17)


def _draw_count(drawing, total, formula, different, number):
    place = TOP + SIDE - 40
    drawing.line([(WORDS, place - 26), (740, place - 26)], "#bbbbbb", 1)
    drawing.text(WORDS, place, total, 22, bold=True)
    words = "versions of each image" if number != 1 else "version of each image"
    words += ", at most" if number is not None and different is None else ""
    drawing.text(WORDS, place + 19, words, 12)
    if number is None:
        drawing.text(WORDS, place + 37, "drawn from a continuum:", 12)
        drawing.text(WORDS, place + 54, formula, 10.5)
    else:
        drawing.text(WORDS, place + 37, f"= {formula}", 12)
        if different is not None and different < number:
            drawing.text(WORDS, place + 54, f"but only {different:,} different images", 12)
    paper = "AlexNet's paper: 32 · 32 · 2 = 2,048"
    drawing.text(WORDS, place + 75, paper, 11, colour=PALETTE["neutral"])


def _draw_all(drawing, results, captions, chosen, alike):
    words = {1: "all alike", DRAWS: "all different"}.get(alike, f"{alike} of them different")
    drawing.text(LEFT, GRID - 12, f"Sixteen draws, {words}", 14, bold=True)
    hint = "point at one to choose it"
    drawing.text(740, GRID - 12, hint, 11, "end", colour=PALETTE["neutral"])
    sheet = Grid(LEFT, GRID, 8 * ACROSS, 2 * DOWN, 2, 8)
    drawing.on(sheet, lambda row, column: {"chosen": 8 * row + column + 1})
    for index, (pixels, lines) in enumerate(zip(results, captions, strict=True)):
        left, top = sheet.corner(*divmod(index, 8))
        height, width = (CELL * side / max(pixels.shape[:2]) for side in pixels.shape[:2])
        place = left + (CELL - width) / 2, top + (CELL - height) / 2, width, height
        drawing.image(*place, pixels)
        if index == chosen - 1:
            drawing.rect(*place, "none", "black", 6)
            drawing.rect(*place, "none", PALETTE["output"], 3)
        for number, line in enumerate(lines):
            place = left + CELL / 2, top + CELL + 13 + 12 * number
            drawing.text(*place, line, 10, "middle", index == chosen - 1)
