"""A picture made of a few kinds of shapes, given as SVG for the page or PNG for everywhere else.

An explorer draws into a `Drawing` with `rect`, `line`, `circle`, `text`, `image` and `hatch`. The
live page gets it as SVG, which is a string and therefore fast. Where nothing runs it is shown as
PNG: a notebook that nobody has run yet may not show SVG, and paper cannot.

Positions and sizes are in pixels of the picture, from the upper left corner: x to the right, y
down.
"""

import base64
import io
import re
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..plots import PALETTE

FONTS = "'DejaVu Sans', Verdana, sans-serif"
SHARPER = 2  # the PNG has this many pixels for each unit, in both directions


class Drawing:
    """A picture in the making.

    Attributes:
        width, height: of the picture.
        alt: a sentence or two for those who cannot see it, with the numbers that matter.
        note: what the person at the controls should know about it, or nothing.
    """

    def __init__(self, width, height, alt="", note=""):
        self.width, self.height, self.alt, self.note = width, height, alt, note
        self._shapes = []

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
        self._shapes.append(("text", x, y, str(words), size, anchor, bold, colour))

    def image(self, x, y, width, height, pixels, smooth=False):
        """An image, uint8 `(rows, columns)` or `(rows, columns, 3)`; its pixels stay squares.

        With `smooth` they are blended, as a photograph's should be.
        """
        self._shapes.append(("image", x, y, width, height, np.asarray(pixels, np.uint8), smooth))

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

    def svg(self):
        """The picture as a string of SVG that carries its alt text."""
        body = "".join(_SVG[shape[0]](*shape[1:]) for shape in self._shapes)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(self.alt)}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" '
            f'style="width:100%;max-width:{self.width:g}px;height:auto;display:block" '
            f'font-family="{FONTS}"><rect width="100%" height="100%" fill="white"/>{body}</svg>'
        )

    def png(self):
        """The picture as the bytes of a PNG file."""
        size = (round(self.width * SHARPER), round(self.height * SHARPER))
        canvas = Image.new("RGB", size, "white")
        pen = ImageDraw.Draw(canvas)
        for shape in self._shapes:
            _PNG[shape[0]](canvas, pen, *shape[1:])
        buffer = io.BytesIO()
        self._few_colours(canvas).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def _few_colours(self, canvas):
        """The same picture in 256 colours; those of the shapes stay what they are."""
        found = {each for shape in self._shapes for each in shape if isinstance(each, str)}
        found |= {"#000000", "#ffffff"}
        named = sorted(each for each in found if re.fullmatch("#[0-9a-fA-F]{6}", each))[:64]
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


def written(number):
    """A number in few characters, with a real minus sign."""
    number = float(number)
    if abs(number) >= 1e5:
        text = f"{number:.2g}"
    elif number == round(number):
        text = f"{number:.0f}"
    else:
        text = f"{number:.2f}" if abs(number) < 100 else f"{number:.0f}"
    return text.replace("-", "−")


# ---------------------------------------------------------------------------------------------
# Each shape as SVG
# ---------------------------------------------------------------------------------------------


def _svg_path(points, fill, stroke, line, dash, name):
    places = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash[0]} {dash[1]}"' if dash else ""
    title = f"<title>{escape(name)}</title>" if name else ""
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


_SVG = {
    "path": _svg_path,
    "circle": _svg_circle,
    "text": _svg_text,
    "image": _svg_image,
    "strokes": _svg_strokes,
}

# ---------------------------------------------------------------------------------------------
# Each shape as pixels
# ---------------------------------------------------------------------------------------------


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
    pieces = []
    for start, end in zip(points[:-1], points[1:], strict=True):
        start, end = np.array(start, float), np.array(end, float)
        length = float(np.hypot(*(end - start))) or 1.0
        for begin in np.arange(0, length, drawn + left_out):
            stop = min(begin + drawn, length)
            pieces.append(
                [tuple(start + (end - start) * share / length) for share in (begin, stop)]
            )
    return pieces


def _png_circle(canvas, pen, x, y, radius, fill, stroke, line):
    box = _scaled([(x - radius, y - radius), (x + radius, y + radius)])
    fill, stroke = (None if colour == "none" else colour for colour in (fill, stroke))
    pen.ellipse(box, fill=fill, outline=stroke, width=max(1, round(line * SHARPER)))


def _png_text(canvas, pen, x, y, words, size, anchor, bold, colour):
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
    pen.text(*_scaled([(x, y)]), words, fill=colour, font=_font(size, bold), anchor=anchor)


@cache
def _font(size, bold):
    """The font that matplotlib brings along, so that every machine draws the same."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(folder / name), size * SHARPER)


def _png_image(canvas, pen, x, y, width, height, pixels, smooth):
    size = (max(1, round(width * SHARPER)), max(1, round(height * SHARPER)))
    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    picture = Image.fromarray(pixels).convert("RGB").resize(size, way)
    canvas.paste(picture, (round(x * SHARPER), round(y * SHARPER)))


def _png_strokes(canvas, pen, strokes, stroke, line):
    for piece in strokes:
        pen.line(_scaled(piece), fill=stroke, width=max(1, round(line * SHARPER)))


_PNG = {
    "path": _png_path,
    "circle": _png_circle,
    "text": _png_text,
    "image": _png_image,
    "strokes": _png_strokes,
}
