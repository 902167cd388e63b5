"""Lines over axes, for the explorers that draw curves."""

import math
from itertools import groupby
from typing import NamedTuple

import numpy as np


class Chart(NamedTuple):
    """Axes somewhere in the picture; `across` and `up` are the numbers at their two ends."""

    left: float
    top: float
    width: float
    height: float
    across: tuple
    up: tuple
    log: bool = False

    def x(self, number):
        """Where a number lies on the horizontal axis."""
        low, high = self.across
        return self.left + self.width * (number - low) / ((high - low) or 1)

    def y(self, number):
        """Where a number lies on the vertical axis; what is too large for it, at its end."""
        if not np.isfinite(number):
            return self.top
        scale = math.log10 if self.log else float
        low, high = map(scale, self.up)
        share = (scale(max(number, self.up[0])) - low) / (high - low)
        return self.top + self.height * (1 - min(1.0, share))

    def draw(self, drawing, across, up, beside=0):
        """The axes, `beside` the plot, with a number at each tick: `{words: number}`."""
        right, bottom = self.left + self.width, self.top + self.height
        for words, number in up.items():
            y = self.y(number)
            drawing.line([(self.left, y), (right, y)], "#dddddd", 0.8)
            drawing.text(self.left - beside - 6, y + 4, words, 10, "end")
        for words, number in across.items():
            x = self.x(number)
            drawing.line([(x, bottom), (x, bottom + 4)], "black", 1)
            drawing.text(x, bottom + 17, words, 10, "middle")
        corner = self.left - beside, bottom
        drawing.line([(corner[0], self.top), corner, (right + beside, bottom)], "black", 1)

    def places(self, numbers, first=1):
        """Where a curve's points lie; on a logarithmic axis None for a 0."""
        return [
            (self.x(place), self.y(number)) if number > 0 or not self.log else None
            for place, number in enumerate(numbers, start=first)
        ]


def draw_curve(drawing, places, colour, line=2, dash=None):
    """A line through places of the picture, interrupted where one is None."""
    for there, piece in groupby(places, key=bool):
        piece = list(piece)
        if there and len(piece) > 1:
            drawing.line(piece, colour, line, dash)


def draw_marker(drawing, marker, x, y, colour):
    """A disc, square, diamond, triangle or cross on a point of a curve."""
    if marker == "disc":
        drawing.circle(x, y, 3.6, colour, "black", 0.8)
    elif marker == "square":
        drawing.rect(x - 4, y - 4, 8, 8, "white", colour, 1.4)
    elif marker == "diamond":
        corners = [(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)]
        drawing.line(corners, "black", 1, fill=colour)
    elif marker == "triangle":
        corners = [(x - 5, y + 4), (x, y - 5), (x + 5, y + 4), (x - 5, y + 4)]
        drawing.line(corners, "black", 0.8, fill=colour)
    elif marker == "cross":
        drawing.line([(x - 4, y - 4), (x + 4, y + 4)], colour, 1.6)
        drawing.line([(x - 4, y + 4), (x + 4, y - 4)], colour, 1.6)


def log_ticks(low, high):
    """Three numbers at least between two powers of ten, for a logarithmic axis."""
    powers = [10.0**power for power in range(low, high + 1, math.ceil((high - low) / 8))]
    return powers if len(powers) > 2 else [*(n * powers[0] for n in (1, 2, 5)), *powers[1:]]


def near(places, left, top, width, height):
    """Whether a curve passes through a rectangle."""
    for start, end in zip(places[:-1], places[1:], strict=True):
        if start and end:
            shares = np.linspace(0, 1, 2 + int(math.dist(start, end) / 3))[:, None]
            x, y = (np.array(start) * (1 - shares) + np.array(end) * shares).T
            inside = (left <= x) & (x <= left + width) & (top <= y) & (y <= top + height)
            if inside.any():
                return True
    return False
