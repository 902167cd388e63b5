"""The frame that all explorers share: controls above, a message in place, the picture below.

An explorer is a pure function that draws, `render(**state) -> Drawing`, and the controls whose
values are its arguments. The `Explorer` calls it again whenever a control changes. What is wrong
with an input is said above the picture, which stays as it was.

Only ipywidgets' own controls are used, and of them what versions 7.7.1 and 8 have in common.
"""

import base64
from functools import wraps
from html import escape

import ipywidgets as widgets
import numpy as np
from PIL import Image

from ..plots import PALETTE
from .drawing import written

VIEW = "application/vnd.jupyter.widget-view+json"
# Controls that do something and have no value of their own.
DEEDS = (widgets.Play, widgets.Button)

# Writes where the pointer is, in the picture's own pixels, into the hidden text box beside it. A
# click reaches Python that way with ipywidgets alone.
POINTER = (
    "const picture = this.querySelector('svg'), box = picture.getBoundingClientRect(),"
    " view = picture.viewBox.baseVal, hidden = this.closest('.course-explorer')"
    ".querySelector('.course-pointer input');"
    " hidden.value = [(event.clientX - box.left) * view.width / box.width,"
    " (event.clientY - box.top) * view.height / box.height, event.timeStamp]"
    ".map(Math.round).join(' ');"  # the time, so that the same place counts twice
    " hidden.dispatchEvent(new Event('change', {bubbles: true}));"
)
# JupyterLab takes the arrows and letters that reach it for its own shortcuts: nobody could make a
# choice by keyboard. So they end at the explorer.
KEYS = (
    '<img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=" onload="'
    "const ask = () =&gt; { const explorer = this.closest('.course-explorer');"
    " if (explorer) explorer.onkeydown = event =&gt; event.stopPropagation();"
    ' else setTimeout(ask, 100); }; ask();">'
)


class Explorer:
    """A picture that answers to its controls.

    Args:
        render: a function that takes the value of each control by its name and gives a `Drawing`.
            It raises ValueError where a value makes no sense, and its text is shown.
        controls: a name for each control (a widget of ipywidgets); see the functions below.
        react: `react(name, controls)`, called before drawing when the control `name` has changed
            (None at the start): sets what depends on it, a range or another control's value.
        point: `point(x, y, **state)`, called when somebody points at the picture: gives new
            values for some controls, `{name: value}`, or nothing.

    Attributes:
        controls: as given.
        drawing: the `Drawing` on the page, None if there never was one.
        problem: what is wrong with the controls as they are, or nothing.
    """

    def __init__(self, render, controls, react=None, point=None):
        self._render, self.controls = render, controls
        self._react, self._point = react, point
        self._busy = False
        self.drawing, self.problem = None, ""
        self._message, self._picture = widgets.HTML(), widgets.HTML()
        self._pointer = widgets.Text(layout=widgets.Layout(display="none"))
        self._pointer.add_class("course-pointer")
        keys = widgets.HTML(KEYS, layout=widgets.Layout(display="none"))
        row = widgets.HBox(
            list(controls.values()), layout=widgets.Layout(flex_flow="row wrap", width="100%")
        )
        children = [row, self._message, self._picture, self._pointer, keys]
        self.view = widgets.VBox(children, layout=widgets.Layout(width="100%", max_width="800px"))
        self.view.add_class("course-explorer")
        for name, control in controls.items():
            if not isinstance(control, widgets.Button):
                control.observe(lambda change, name=name: self._changed(name), "value")
        self._pointer.observe(lambda change: self._pointed(change["new"]), "value")
        self._changed(None)

    @property
    def state(self):
        """The value of each control, by its name."""
        return {
            name: control.value
            for name, control in self.controls.items()
            if not isinstance(control, DEEDS)
        }

    def redraw(self):
        """Draws again, with the controls as they are."""
        self._changed(None)

    def _changed(self, name):
        if self._busy:
            return  # `react` and `point` set several controls, and the picture is drawn once
        self._busy = True
        try:
            if self._react:
                self._react(name, self.controls)
            self.drawing = self._render(**self.state)
        except Exception as problem:  # whatever it is, a traceback would be seen by nobody
            self.problem = str(problem) or type(problem).__name__
            self._say(self.problem, wrong=True)
        else:
            self.problem = ""
            self._say(self.drawing.note)
            self._show(self.drawing.svg())
        finally:
            self._busy = False

    def _pointed(self, place):
        if not place or self._point is None or self.drawing is None:
            return
        try:
            x, y = (float(number) for number in place.split()[:2])
        except ValueError:
            return
        self._busy = True
        try:
            for name, value in (self._point(x, y, **self.state) or {}).items():
                self.controls[name].value = value
        finally:
            self._busy = False
        self._changed("pointer")

    def _say(self, text, wrong=False):
        frame = PALETTE["lost" if wrong else "neutral"]
        style = f"border-left:4px solid {frame};padding:2px 8px;margin:2px;line-height:1.4"
        role = "alert" if wrong else "status"
        self._message.value = (
            f'<div role="{role}" style="{style}">{escape(text)}</div>' if text else ""
        )

    def _show(self, svg):
        handlers = ""
        if self._point:
            handlers = (
                f' style="cursor:crosshair" onpointerdown="{POINTER}"'
                f' onpointermove="if (event.buttons) {{ {POINTER} }}"'
            )
        self._picture.value = f"<div{handlers}>{svg}</div>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The live view, and for a page that runs nothing the picture and its text."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id}
        data, metadata = {VIEW: view}, {}
        if self.drawing is not None:
            png = base64.b64encode(self.drawing.png()).decode()
            data |= {"image/png": png, "text/plain": self.drawing.alt}
            metadata = {"image/png": {"alt": self.drawing.alt, "width": round(self.drawing.width)}}
        else:
            data["text/plain"] = self.problem
        return data, metadata


def message_in_place(explorer):
    """Makes an explorer whose arguments make no sense a message, in the place of a traceback."""

    @wraps(explorer)
    def made(*arguments, **options):
        try:
            return explorer(*arguments, **options)
        except ValueError as problem:
            return Explorer(lambda problem=problem: _refuse(problem), {})

    return made


def _refuse(problem):
    raise problem


# ---------------------------------------------------------------------------------------------
# Controls, each with its label
# ---------------------------------------------------------------------------------------------

STYLE = {"description_width": "initial"}


def slider(label, low, high, value, step=1):
    """A whole number between two ends, to be dragged or moved with the arrow keys.

    Raises:
        ValueError: `value` is not between them.
    """
    if not low <= value <= high:
        raise ValueError(f"{label}: {value!r} is not between {low} and {high}")
    layout = widgets.Layout(width="260px")
    return widgets.IntSlider(
        min=low, max=high, value=value, step=step, description=label, style=STYLE, layout=layout
    )


def choice(label, options, value):
    """One of a few; `options` are words, or pairs `(word, value)`.

    Raises:
        ValueError: `value` is none of them.
    """
    values = [each[1] if isinstance(each, tuple) else each for each in options]
    if value not in values:
        raise ValueError(f"{label}: {value!r} is none of {', '.join(map(str, values))}")
    layout = widgets.Layout(width="240px")
    return widgets.Dropdown(
        options=options, value=value, description=label, style=STYLE, layout=layout
    )


def number(label, value):
    """A whole number to be typed."""
    layout = widgets.Layout(width="140px")
    return widgets.IntText(value=value, description=label, style=STYLE, layout=layout)


def words(label, value, rows=1, width="240px"):
    """A text to be typed, in one line or several."""
    kind = widgets.Text if rows == 1 else widgets.Textarea
    more = {} if rows == 1 else {"rows": rows}
    layout = widgets.Layout(width=width)
    return kind(value=value, description=label, style=STYLE, layout=layout, **more)


def hidden(label, value=""):
    """A text that the picture needs and nobody types."""
    made = words(label, value)
    made.layout.display = "none"
    return made


def tick(label, value=False):
    """A box to be ticked."""
    layout = widgets.Layout(width="auto")
    return widgets.Checkbox(
        value=value, description=label, indent=False, style=STYLE, layout=layout
    )


def button(label, deed):
    """A button that calls `deed()`."""
    made = widgets.Button(description=label, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: deed())
    return made


def play(of, interval=300):
    """Buttons that move a slider by themselves."""
    made = widgets.Play(min=of.min, max=of.max, value=of.value, interval=interval)
    widgets.jslink((made, "value"), (of, "value"))
    widgets.jslink((made, "max"), (of, "max"))
    return made


# ---------------------------------------------------------------------------------------------
# Images that people bring, and how numbers become images
# ---------------------------------------------------------------------------------------------

LARGEST_NUMBER = 1e9  # of an image; sums of squares of such numbers are still numbers


def as_image(image, name="image", largest=64):
    """Any image as an array that an explorer can draw, and what was done to it.

    Args:
        image: `(height, width)`, `(height, width, 1)` or `(height, width, 3)`, of any numbers.
        name: what a message calls it.
        largest: a longer side is scaled down to this many pixels.

    Returns:
        `(array, note)`: the array is float or uint8 with two or three axes, the note is empty if
        nothing was done.

    Raises:
        ValueError: it is empty, has another shape, or contains numbers that are not finite
            or above a billion.
    """
    image = np.asarray(image)
    if image.dtype.kind not in "biuf":
        raise ValueError(f"{name}: an array of numbers is needed, not of {image.dtype}")
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or image.ndim == 3 and image.shape[-1] != 3:
        raise ValueError(
            f"{name}: the shape must be (height, width), (height, width, 1) or "
            f"(height, width, 3), not {image.shape}"
        )
    if 0 in image.shape:
        raise ValueError(f"{name}: it is empty, its shape is {image.shape}")
    if not np.isfinite(image).all():
        raise ValueError(f"{name}: it contains numbers that are not finite")
    if max(abs(float(image.min())), abs(float(image.max()))) > LARGEST_NUMBER:
        raise ValueError(f"{name}: it contains numbers above a billion, divide them by something")
    if image.dtype != np.uint8:
        image = image.astype(float)
    height, width = image.shape[:2]
    if max(height, width) <= largest:
        return image, ""
    share = largest / max(height, width)
    size = max(1, round(height * share)), max(1, round(width * share))
    note = f"{name}: {height}×{width} pixels were scaled to {size[0]}×{size[1]}."
    return resized(image, *size, Image.Resampling.BOX), note


def resized(image, height, width, way):
    """An image of any numbers, with two or three axes, in another size; `way` is Pillow's."""
    planes = image[..., None] if image.ndim == 2 else image
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize((width, height), way)
        for plane in np.moveaxis(planes, -1, 0)
    ]
    found = np.stack(planes, axis=-1).reshape(height, width, *image.shape[2:])
    if image.dtype == np.uint8:
        return np.clip(np.round(found), 0, 255).astype(np.uint8)
    return found


def middle(image, height, width):
    """The middle of an image, as much as there is in the proportions of `height` to `width`."""
    rows, columns = image.shape[:2]
    share = min(rows / height, columns / width)
    down, across = max(1, round(height * share)), max(1, round(width * share))
    top, left = (rows - down) // 2, (columns - across) // 2
    return image[top : top + down, left : left + across]


def as_bytes(image, limits=None):
    """Numbers as grey values or colours from 0 to 255; `limits` are the darkest and brightest."""
    image = np.asarray(image)
    if image.dtype == np.uint8 and limits is None:
        return image
    low, high = (image.min(), image.max()) if limits is None else limits
    span = (high - low) or 1.0
    return np.clip(255 * (image.astype(float) - low) / span, 0, 255).astype(np.uint8)


def draw_numbers(drawing, numbers, limits, left, top, cell, role, largest=14, known=None):
    """Numbers as an image in a frame, written out where there is room.

    Args:
        drawing: a `Drawing`.
        numbers: `(rows, columns)`.
        limits: what is black and what is white.
        left, top, cell: where it begins, and the side of one number's square.
        role: whose colour the frame has.
        largest: size of the letters, at most.
        known: only so many are shown, row by row; the rest is white.
    """
    rows, columns = numbers.shape
    shades = as_bytes(numbers, limits)
    known = numbers.size if known is None else known
    shades.ravel()[known:] = 255
    drawing.image(left, top, cell * columns, cell * rows, shades)
    if cell >= 22:
        for index, number in enumerate(numbers.ravel()[:known]):
            row, column = divmod(index, columns)
            text = written(number)
            size = min(largest, cell / 3, 1.5 * cell / len(text))
            x, y = left + cell * (column + 0.5), top + cell * (row + 0.5) + size / 3
            colour = "white" if shades[row, column] < 118 else "black"
            drawing.text(x, y, text, round(size), "middle", colour=colour)
    drawing.rect(left, top, cell * columns, cell * rows, "none", PALETTE[role], 2)
