"""Explorers for a page that runs nothing: every state of one control as a frame, and a slider.

The frames are drawn by the explorers themselves when the site is built; those of `STRIPS` need no
TensorFlow for it. `static/site.js` moves them. Where no script runs, the first frame stays, and on
paper the one that was chosen.
"""

import functools
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Strip(NamedTuple):
    """Which control of an explorer moves, and what to look at."""

    control: str
    question: str


STRIPS = {
    "convolution": Strip(
        "position", "Which of the sixteen windows gives the largest number, and where does it lie?"
    ),
    "receptive_field": Strip(
        "layer", "How much does the region grow at a convolution, and how much after a pooling?"
    ),
    "pooling": Strip("shift", "The map moves by a pixel: how many of the winners are new?"),
    "upsampling": Strip(
        "kernel", "The stride is 2: at which kernel sizes do all inner outputs get as many stamps?"
    ),
}


class Frame(NamedTuple):
    """A state of the explorer: what the slider says, what the picture says, the picture."""

    value: str
    words: str
    svg: str


@functools.cache
def frames(name):
    """The frames of an explorer, in the order of its control, and the control's own label.

    Raises:
        ValueError: one of the states is none.
    """
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from course_utils import explorers

    explorer, control = getattr(explorers, name)(), STRIPS[name].control
    moved, found = explorer.controls[control], []
    for value, words in _values(moved):
        moved.value = value
        if explorer.problem:
            raise ValueError(f"{name}, {control} = {value}: {explorer.problem}")
        found.append(Frame(words, explorer.drawing.alt, explorer.drawing.svg()))
    label = moved.description
    explorer.close()
    return label, found


def _values(control):
    """The values of a control, each with its word."""
    if hasattr(control, "options"):
        options = [each if isinstance(each, tuple) else (each, each) for each in control.options]
        return [(value, str(word)) for word, value in options]
    return [(value, str(value)) for value in range(control.min, control.max + 1, control.step)]


def html(name):
    """A strip as a piece of a page."""
    label, found = frames(name)
    parts = []
    for number, frame in enumerate(found):
        hidden = " hidden" if number else ""
        parts.append(
            f'<div class="frame" data-value="{escape(frame.value)}"{hidden}>{frame.svg}</div>'
        )
    # The picture says its words by itself; the slider says them, too, when it is moved.
    return (
        f'<figure class="strip" id="strip-{name}">\n'
        f'<label hidden><span>{escape(label)}</span> <input type="range" min="0" '
        f'max="{len(found) - 1}" value="0" aria-valuetext="{escape(found[0].value)}">'
        f"<output>{escape(found[0].value)}</output></label>\n"
        f"{''.join(parts)}\n</figure>\n"
    )


def page():
    """All strips, each with its question."""
    parts = []
    for name, strip in STRIPS.items():
        picture = f"```{{raw}} html\n{html(name)}```"
        parts.append(f"### {name.replace('_', ' ').capitalize()}\n\n{strip.question}\n\n{picture}")
    return "\n\n".join(parts)
