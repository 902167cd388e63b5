"""A picture made of a few kinds of shapes, given as SVG for the page or PNG for everywhere else.

An explorer draws into a `Drawing` with `rect`, `line`, `circle`, `text`, `image` and `hatch`. The
live page gets it as SVG, which is a string and therefore fast. Where nothing runs it is shown as
PNG: a notebook that nobody has run yet may not show SVG, and paper cannot. What is laid out in
rows and columns has a `Grid`; `on` says there and then what a click on it does.

Positions and sizes are in pixels of the picture, from the upper left corner: x to the right, y
down.
"""

import base64
import io
import math
import re
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..plots import PALETTE

FONTS = "'DejaVu Sans', Verdana, sans-serif"
SHARPER = 2  # the PNG has this many pixels for each unit, in both directions


class Grid(NamedTuple):
    """Rows and columns of equal cells somewhere in the picture; `grid[:4]` is its rectangle."""

    left: float
    top: float
    width: float
    height: float
    rows: int
    columns: int

    @classmethod
    def fit(cls, left, top, side, shape):
        """The grid of an image of `shape` whose longer side is `side`."""
        rows, columns = shape[:2]
        cell = side / max(rows, columns)
        return cls(left, top, cell * columns, cell * rows, rows, columns)

    @property
    def cell(self):
        """The width and the height of a cell."""
        return self.width / self.columns, self.height / self.rows

    def at(self, x, y):
        """The `(row, column)` at a place of the picture, None outside."""
        row = math.floor((y - self.top) / self.height * self.rows)
        column = math.floor((x - self.left) / self.width * self.columns)
        return (row, column) if 0 <= row < self.rows and 0 <= column < self.columns else None

    def corner(self, row, column):
        """Where a cell begins, `(x, y)`."""
        return self.left + column * self.cell[0], self.top + row * self.cell[1]

    def part(self, row, column, rows=1, columns=1):
        """The rectangle of some cells: left, top, width, height."""
        return *self.corner(row, column), columns * self.cell[0], rows * self.cell[1]


class Drawing:
    """A picture in the making.

    Attributes:
        width, height: of the picture.
        alt: a sentence or two for those who cannot see it, with the numbers that matter.
        note: what the person at the controls should know about it, or nothing.
    """

    def __init__(self, width, height, alt="", note=""):
        self.width, self.height, self.alt, self.note = width, height, alt, note
        self._shapes, self._answers = [], []

    def say(self, *sentences):
        """Makes the note of those that are not empty."""
        self.note = " ".join(filter(None, sentences))

    def on(self, grid, answer):
        """What a click does: `answer(row, column)` gives new values of controls, by name."""
        self._answers.append((grid, answer))

    def answer(self, x, y):
        """What a click at a place of the picture does, `{control: value}`."""
        for grid, answer in self._answers:
            place = grid.at(x, y)
            values = place and answer(*place)
            if values:
                return values
        return {}

    def rect(self, x, y, width, height, fill="none", stroke="none", line=1, dash=None, name=""):
        """A rectangle. `dash` is `(drawn, left out)`; `name` is its tooltip."""
        points = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        self._shapes.append(("path", points, fill, stroke, line, dash, name))

    def line(self, points, stroke="black", line=1.5, dash=None, fill="none"):
        """A line through two or more points `(x, y)`, or with `fill` the area it goes round."""
        self._shapes.append(("path", list(points), fill, stroke, line, dash, ""))

    def circle(self, x, y, radius, fill="black", stroke="none", line=1):
        """A disc around a point."""
        self._shapes.append(("circle", x, y, radius, fill, stroke, line))

    def text(self, x, y, words, size=12, anchor="start", bold=False, colour="black"):
        """A line of text; `y` is where the letters stand. `anchor` is start, middle or end."""
        self._shapes.append(("text", x, y, plain(words), size, anchor, bold, colour))

    def heading(self, x, y, title, below, size=14, small=11, step=16):
        """A title, and in grey a line of words `step` below it."""
        self.text(x, y, title, size, bold=True)
        self.text(x, y + step, below, small, colour=PALETTE["neutral"])

    def image(self, x, y, width, height, pixels, smooth=False):
        """An image, uint8 `(rows, columns)` or `(rows, columns, 3)`; its pixels stay squares.

        With `smooth` they are blended, as a photograph's should be.
        """
        self._shapes.append(("image", x, y, width, height, np.asarray(pixels, np.uint8), smooth))

    def handlers(self, script):
        """The attributes of HTML that run a script where somebody points, if that does anything."""
        if not self._answers:
            return ""
        moved = f"if (event.buttons) {{ {script} }}"
        return f' style="cursor:crosshair" onpointerdown="{script}" onpointermove="{moved}"'

    def pixels(self, grid, pixels, role, line=2, smooth=False):
        """An image on a grid, with a frame in the colour of its role."""
        self.image(*grid[:4], pixels, smooth)
        self.rect(*grid[:4], "none", PALETTE[role], line)

    def numbers(self, grid, numbers, limits, role, largest=14, known=None):
        """Numbers as an image in a frame, written out where there is room.

        `limits` are black and white; only so many as are `known` are shown, row by row.
        """
        shades = as_bytes(numbers, limits)
        known = numbers.size if known is None else known
        shades.ravel()[known:] = 255
        self.image(*grid[:4], shades)
        if grid.cell[0] >= 22:
            self.values(grid, numbers, shades, largest, known)
        self.rect(*grid[:4], "none", PALETTE[role], 2)

    def values(self, grid, numbers, shades, largest=14, known=None, words=None):
        """Numbers written over an image, black on bright pixels and white on dark ones."""
        cell, bright = min(grid.cell), shades if shades.ndim == 2 else shades.mean(axis=-1)
        for index, number in enumerate(numbers.ravel()[:known]):
            row, column = divmod(index, grid.columns)
            text = (words or compact)(number)
            size = round(min(largest, cell / 3, 1.5 * cell / len(text)))
            x, y = grid.corner(row + 0.5, column + 0.5)
            colour = "white" if bright[row, column] < 118 else "black"
            self.text(x, y + size / 3, text, size, "middle", colour=colour)

    def table(self, grid, numbers, role, shades=None):
        """Numbers in cells with thin lines, on their own greys if there are `shades`."""
        if shades is not None:
            self.image(*grid[:4], shades)
        for (row, column), number in np.ndenumerate(numbers):
            left, top, width, height = grid.part(row, column)
            self.rect(left, top, width, height, "none", "#bbbbbb", 0.7)
            words = compact(number)
            size = min(11, int(1.5 * width / len(words)))
            colour = "white" if shades is not None and shades[row, column] < 118 else "black"
            self.text(left + width / 2, top + height / 2 + 4, words, size, "middle", colour=colour)
        self.rect(*grid[:4], "none", PALETTE[role], 2.5)

    def legend(self, x, y, entries, step=None, size=11):
        """Symbols and what they mean, below each other `step` apart, or beside each other.

        A symbol is `(fill, stroke, line, dash)` of a rectangle, or a function that draws it into
        14×12 pixels, `symbol(x, y)`. Gives back where the next one would stand.
        """
        for symbol, words in entries:
            if callable(symbol):
                symbol(x, y - 10)
            else:
                self.rect(x, y - 10, 14, 11, *symbol)
            self.text(x + 20, y, words, size)
            x, y = (x, y + step) if step else (x + 38 + 0.58 * size * len(words), y)
        return x, y

    def frame(self, x, y, width, height, colour, line=2.5):
        """A frame between two black lines: seen on any ground."""
        self.rect(x, y, width, height, "none", "black", line + 2)
        self.rect(x, y, width, height, "none", colour, line)

    def hatch(self, x, y, width, height, stroke=PALETTE["neutral"], step=6, line=1):
        """Strokes from lower left to upper right over a rectangle: seen without colours, too."""
        strokes = []
        for offset in np.arange(step / 2, width + height, step):
            start = (x + max(0, offset - height), y + min(offset, height))
            end = (x + min(offset, width), y + max(0, offset - width))
            strokes.append((start, end))
        self._shapes.append(("strokes", strokes, stroke, line))

    def unread(self, grid, rows, columns):
        """Hatches the rows and columns of an input that no window reads."""
        for row in rows:
            self.hatch(*grid.part(row, 0, 1, grid.columns), PALETTE["lost"])
        for column in columns:
            self.hatch(*grid.part(0, column, grid.rows, 1), PALETTE["lost"])

    def svg(self):
        """The picture as a string of SVG that carries its alt text."""
        body = "".join(_KINDS[kind][0](*shape) for kind, *shape in self._shapes)
        alt = escape(plain(self.alt))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{alt}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" '
            f'style="width:100%;max-width:{self.width:g}px;height:auto;display:block" '
            f'font-family="{FONTS}"><rect width="100%" height="100%" fill="white"/>{body}</svg>'
        )

    def png(self):
        """The picture as the bytes of a PNG file."""
        size = (round(self.width * SHARPER), round(self.height * SHARPER))
        canvas = Image.new("RGB", size, "white")
        pen = ImageDraw.Draw(canvas)
        for kind, *shape in self._shapes:
            _KINDS[kind][1](canvas, pen, *shape)
        buffer = io.BytesIO()
        self._few_colours(canvas).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def _few_colours(self, canvas):
        """The same picture in 256 colours; those of the shapes stay what they are."""
        words = {"#000000", "#ffffff"}
        words |= {word for shape in self._shapes for word in shape if isinstance(word, str)}
        named = sorted(word for word in words if re.fullmatch("#[0-9a-fA-F]{6}", word))[:64]
        free = 256 - len(named)
        few = canvas.quantize(free, dither=Image.Dither.NONE)
        if canvas.getcolors(free) is not None:
            return few
        palette = few.getpalette()[: 3 * free]  # a photograph would take all of them
        palette += [0] * (3 * free - len(palette))
        indices, pixels = np.array(few), np.asarray(canvas).astype(np.uint32) @ [65536, 256, 1]
        for number, name in enumerate(named, start=free):
            indices[pixels == int(name[1:], 16)] = number
            palette += ImageColor.getrgb(name)
        few = Image.fromarray(indices)
        few.putpalette(palette)
        return few


def as_bytes(numbers, limits=None):
    """Numbers as grey values or colours from 0 to 255; `limits` are the darkest and brightest."""
    numbers = np.asarray(numbers)
    if numbers.dtype == np.uint8 and limits is None:
        return numbers
    low, high = (numbers.min(), numbers.max()) if limits is None else limits
    span = (high - low) or 1.0
    return np.clip(255 * (numbers.astype(float) - low) / span, 0, 255).astype(np.uint8)


def plain(words):
    """Words in one line: what is no letter, a line's end say, becomes a space."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]", " ", str(words))


def compact(number):
    """A number in few characters, with a real minus sign."""
    number = float(number)
    if abs(number) >= 1e5:
        text = f"{number:.2g}"
    elif number == round(number):
        text = f"{number:.0f}"
    else:
        text = f"{number:.2f}" if abs(number) < 100 else f"{number:.0f}"
    return (text if float(text) else text.removeprefix("-")).replace("-", "−")


# --- Each shape as SVG ----------------------------------------------------------------------------


def _svg_path(points, fill, stroke, line, dash, name):
    places = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash[0]} {dash[1]}"' if dash else ""
    title = f"<title>{escape(plain(name))}</title>" if name else ""
    return (
        f'<polyline points="{places}" fill="{fill}" stroke="{stroke}" stroke-width="{line}"'
        f"{dashes}>{title}</polyline>"
    )


def _svg_circle(x, y, radius, fill, stroke, line):
    return (
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="{line}"/>'
    )


def _svg_text(x, y, words, size, anchor, bold, colour):
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{colour}"{weight} xml:space="preserve">{escape(words)}</text>'
    )


def _svg_image(x, y, width, height, pixels, smooth):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)  # it never leaves this machine
    content = base64.b64encode(buffer.getvalue()).decode()
    rendering = "" if smooth else ' style="image-rendering:pixelated"'
    return (
        f'<image x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" '
        f'preserveAspectRatio="none"{rendering} href="data:image/png;base64,{content}"/>'
    )


def _svg_strokes(strokes, stroke, line):
    steps = "".join(f"M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" for (x, y), (u, v) in strokes)
    return f'<path d="{steps}" stroke="{stroke}" stroke-width="{line}" fill="none"/>'


# --- Each shape as pixels -------------------------------------------------------------------------


def _scaled(points):
    return [(x * SHARPER, y * SHARPER) for x, y in points]


def _png_path(canvas, pen, points, fill, stroke, line, dash, name):
    if fill != "none":
        pen.polygon(_scaled(points), fill=fill)
    if stroke == "none":
        return
    closed = points[0] == points[-1]  # then the first corner wants a joint, too
    for piece in [points + points[1:2] * closed] if dash is None else _dashes(points, *dash):
        pen.line(_scaled(piece), fill=stroke, width=max(1, round(line * SHARPER)), joint="curve")


def _dashes(points, drawn, left_out):
    """The pieces of a line that are drawn when it is dashed."""
    for start, end in zip(np.array(points[:-1], float), np.array(points[1:], float), strict=True):
        length = math.dist(start, end) or 1.0
        for begin in np.arange(0, length, drawn + left_out):
            ends = begin, min(begin + drawn, length)
            yield [tuple(start + (end - start) * place / length) for place in ends]


def _png_circle(canvas, pen, x, y, radius, fill, stroke, line):
    box = _scaled([(x - radius, y - radius), (x + radius, y + radius)])
    fill, stroke = (None if colour == "none" else colour for colour in (fill, stroke))
    pen.ellipse(box, fill=fill, outline=stroke, width=max(1, round(line * SHARPER)))


def _png_text(canvas, pen, x, y, words, size, anchor, bold, colour):
    words = "".join(letter if _font_with(letter, bold) else "□" for letter in words)
    runs = groupby(words, lambda letter: _font_with(letter, bold))
    runs = [(_font(path, size), "".join(letters)) for path, letters in runs]
    (left, level), width = *_scaled([(x, y)]), sum(font.getlength(part) for font, part in runs)
    left -= {"start": 0, "middle": 0.5, "end": 1}[anchor] * width
    for font, part in runs:
        pen.text((left, level), part, fill=colour, font=font, anchor="ls")
        left += font.getlength(part)


@cache
def _font(path, size):
    return ImageFont.truetype(path, size * SHARPER)


@cache
def _font_with(letter, bold):
    """The file of a font that has a letter, None if there is none here.

    It is the one that matplotlib brings along, so that every machine draws the same; letters that
    it lacks, Chinese ones say, come from whatever else is installed, and at last from the font
    that says which script is missing.
    """
    import matplotlib
    from matplotlib import font_manager, ft2font

    own = f"fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf"
    others = {font.fname for font in font_manager.fontManager.ttflist if font.weight == 400}
    others = sorted(others, key=lambda file: ("LastResort" in file, file))
    files = [str(Path(matplotlib.get_data_path(), own)), *others[:200], *others[-1:]]
    for file in files:
        try:
            if ft2font.FT2Font(file).get_char_index(ord(letter)) and _font(file, 10):
                return file
        except (OSError, RuntimeError):  # damaged, or of pictures in one size
            continue


def _png_image(canvas, pen, x, y, width, height, pixels, smooth):
    size = max(1, round(width * SHARPER)), max(1, round(height * SHARPER))
    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    picture = Image.fromarray(pixels).convert("RGB").resize(size, way)
    canvas.paste(picture, (round(x * SHARPER), round(y * SHARPER)))


def _png_strokes(canvas, pen, strokes, stroke, line):
    for piece in strokes:
        pen.line(_scaled(piece), fill=stroke, width=max(1, round(line * SHARPER)))


_KINDS = {
    "path": (_svg_path, _png_path),
    "circle": (_svg_circle, _png_circle),
    "text": (_svg_text, _png_text),
    "image": (_svg_image, _png_image),
    "strokes": (_svg_strokes, _png_strokes),
}
