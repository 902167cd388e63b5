"""Controls of an explorer, each with its label: ipywidgets' own, alike in versions 7.7.1 and 8."""

import ipywidgets as widgets

from ..arguments import flag, whole_number

STYLE = {"description_width": "initial"}


def _made(kind, width, label, **more):
    layout = widgets.Layout(width=width)
    return kind(description=label, style=STYLE, layout=layout, **more)


def slider(label, low, high, value, step=1, width="260px"):
    """A whole number between two ends, to be dragged or moved with the arrow keys.

    Raises:
        ValueError: `value` is not between them.
    """
    value = whole_number(value, label, float("-inf"))
    if not low <= value <= high:
        raise ValueError(f"{label}: {value!r} is not between {low} and {high}")
    return _made(widgets.IntSlider, width, label, min=low, max=high, value=value, step=step)


def choice(label, options, value, width="240px"):
    """One of a few; `options` are words, or pairs `(word, value)`.

    Raises:
        ValueError: `value` is none of them.
    """
    values = [option[1] if isinstance(option, tuple) else option for option in options]
    if not any(isinstance(value, type(other)) and value == other for other in values):
        raise ValueError(f"{label}: {value!r} is none of {', '.join(map(str, values))}")
    return _made(widgets.Dropdown, width, label, options=options, value=value)


def number_box(label, value):
    """A whole number to be typed."""
    return _made(widgets.IntText, "140px", label, value=value)


def text_box(label, value, rows=1):
    """A text to be typed, in one line or several."""
    return _made(widgets.Textarea, "230px", label, value=value, rows=rows)


def checkbox(label, value=False):
    """A box to be ticked.

    Raises:
        ValueError: `value` is neither True nor False.
    """
    return _made(widgets.Checkbox, "auto", label, value=flag(value, label), indent=False)


def button(label):
    """A button; it calls the explorer's method that has the name of the control."""
    return widgets.Button(description=label, layout=widgets.Layout(width="auto"))


def play(of, interval=300):
    """Buttons that move a slider by themselves."""
    control = widgets.Play(min=of.min, max=of.max, value=of.value, interval=interval)
    widgets.jslink((control, "value"), (of, "value"))
    widgets.jslink((control, "max"), (of, "max"))
    return control
