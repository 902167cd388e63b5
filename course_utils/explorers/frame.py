"""The frame that all explorers share: controls above, a message in place, the picture below.

An explorer is a subclass of `Explorer`, and a line `name = message_in_place(Subclass)` in
`__init__.py`. Its `__init__` keeps what is shown and passes the controls on; `draw` takes the
value of each control by its name and gives a `Drawing`, on which `drawing.on(grid, answer)` says
where it is drawn what a click does; `react` keeps controls in line; a button calls the method of
its name.

What is wrong with an input is said above the picture, which stays as it was. Only ipywidgets' own
controls are used, and of them what versions 7.7.1 and 8 have in common.
"""

import base64
import weakref
from functools import wraps
from html import escape

import ipywidgets as widgets

from ..plots import PALETTE
from .drawing import plain

VIEW = "application/vnd.jupyter.widget-view+json"
WITHOUT_VALUE = (widgets.Play, widgets.Button)  # of their own

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
# choice by keyboard. So they end at the explorer. And ipywidgets gives its sliders and its buttons
# for playing no names that a screen reader could say: a slider gets its label's.
BEGIN = (
    "const explorer = this.closest('.course-explorer'); if (explorer) {"
    " explorer.onkeydown = event => event.stopPropagation();"
    " const named = () => explorer.querySelectorAll('[role=slider], .widget-play button').forEach("
    " part => { const sign = part.firstElementChild?.className ?? '',"
    " label = part.closest('.widget-slider, .widget-hslider')?.querySelector('.widget-label');"
    " part.setAttribute('aria-label', label ? label.textContent : /play|pause/.test(sign) ?"
    " 'play or pause' : /stop/.test(sign) ? 'back to the start' : 'again and again'); });"
    " new MutationObserver(named).observe(explorer.firstElementChild,"
    " {childList: true, subtree: true}); named(); }"
    " else setTimeout(ask, 100);"
)
FIRST_SCRIPT = (
    '<img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=" onload="'
    f'{escape(f"const ask = () => {{ {BEGIN} }}; ask();", quote=False)}">'
)


class Explorer:
    """A picture that answers to its controls.

    Args:
        controls: a name for each control, see `controls`.

    Attributes:
        controls: as given.
        drawing: the `Drawing` on the page, None if there never was one.
        problem: what is wrong with the controls as they are, or nothing.
    """

    def __init__(self, controls):
        self.controls, self._busy = controls, False
        self.drawing, self.problem = None, ""
        self._message, self._picture = widgets.HTML(), widgets.HTML()
        self._pointer = widgets.Text(layout=widgets.Layout(display="none"))
        self._pointer.add_class("course-pointer")
        script = widgets.HTML(FIRST_SCRIPT, layout=widgets.Layout(display="none"))
        row = widgets.HBox(
            list(controls.values()), layout=widgets.Layout(flex_flow="row wrap", width="100%")
        )
        children = [row, self._message, self._picture, self._pointer, script]
        self.view = widgets.VBox(children, layout=widgets.Layout(width="100%", max_width="800px"))
        self.view.add_class("course-explorer")
        for name, control in controls.items():
            if isinstance(control, widgets.Button):
                control.on_click(_weakly(self, lambda own, _, name=name: getattr(own, name)()))
            else:
                changed = _weakly(self, lambda own, _, name=name: own._changed(name))
                control.observe(changed, "value")
        self._pointer.observe(_weakly(self, lambda own, new: own._pointed(new["new"])), "value")
        everything = [self.view, *children, *controls.values()]
        self._end_of_widgets = weakref.finalize(self, _close, everything)
        self._end_of_widgets.atexit = False
        self._changed(None)

    def draw(self, **state):
        """The `Drawing` for these values of the controls.

        Raises:
            ValueError: a value makes no sense; the text is shown.
        """
        raise NotImplementedError

    def react(self, name):
        """Sets what depends on the control `name`, before the picture is drawn.

        `name` is 'pointer' after a click, and None at the start.
        """

    @property
    def state(self):
        """The value of each control, by its name."""
        return {
            name: control.value
            for name, control in self.controls.items()
            if not isinstance(control, WITHOUT_VALUE)
        }

    def redraw(self):
        """Draws again, with the controls as they are."""
        self._changed(None)

    def close(self):
        """Takes the controls and the picture off the page and out of memory."""
        self._end_of_widgets()

    def _changed(self, name):
        if self._busy:
            return  # several controls are being set, and the picture is drawn once
        self._busy = True
        try:
            self.react(name)
            self.drawing = self.draw(**self.state)
        except Exception as problem:  # whatever it is, a traceback would be seen by nobody
            self.problem = str(problem) or type(problem).__name__
            self._say(self.problem, wrong=True)
        else:
            self.problem = ""
            self._say(self.drawing.note)
            self._picture.value = f"<div{self.drawing.handlers(POINTER)}>{self.drawing.svg()}</div>"
        finally:
            self._busy = False

    def _pointed(self, place):
        try:
            x, y = (float(number) for number in place.split()[:2])
        except ValueError:
            return
        if self.drawing is None:
            return
        self._busy = True
        try:
            for name, value in self.drawing.answer(x, y).items():
                self.controls[name].value = value
        finally:
            self._busy = False
        self._changed("pointer")

    def _say(self, text, wrong=False):
        frame = PALETTE["lost" if wrong else "neutral"]
        style = f"border-left:4px solid {frame};padding:2px 8px;margin:2px;line-height:1.4"
        role = "alert" if wrong else "status"
        self._message.value = (
            f'<div role="{role}" style="{style}">{escape(plain(text))}</div>' if text else ""
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The live view, and for a page that runs nothing the picture and its text."""
        _shown(self)
        view = {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id}
        data, metadata = {VIEW: view}, {}
        if self.drawing is not None:
            png = base64.b64encode(self.drawing.png()).decode()
            data |= {"image/png": png, "text/plain": self.drawing.alt}
            metadata = {"image/png": {"alt": self.drawing.alt, "width": round(self.drawing.width)}}
        else:
            data["text/plain"] = self.problem
        return data, metadata


def _weakly(explorer, react):
    """Calls `react(explorer, change)`, but does not keep the explorer: ipywidgets keeps widgets."""
    own = weakref.ref(explorer)

    def called(change):
        if own() is not None:
            react(own(), change)

    return called


def _close(everything):
    """Widgets are kept for ever unless they are closed, and so are their layouts and styles."""
    for widget in everything:
        for part in (widget.layout, getattr(widget, "style", None), widget):
            if part is not None:
                part.close()


_kept = {}  # for each cell of the notebook its run, and the explorers that it shows


def _cell():
    """The notebook's cell that runs and the number of the run, as far as the page tells."""
    import IPython

    kernel = IPython.get_ipython()
    parent = getattr(kernel, "get_parent", dict)() or {}
    run = parent.get("header", {}).get("msg_id")
    return kernel, parent.get("metadata", {}).get("cellId"), run


def _shown(explorer):
    """Keeps an explorer alive that is on a page."""
    kernel, cell, run = _cell()
    if kernel is not None:
        _kept.setdefault((cell, run if cell else None), []).append(explorer)


def _close_replaced():
    """Closes what this cell showed when it ran before."""
    _, cell, run = _cell()
    for other in [other for other in _kept if cell and other[0] == cell and other[1] != run]:
        for explorer in _kept.pop(other):
            explorer.close()


def message_in_place(explorer):
    """A function that makes this kind of explorer, or of a ValueError a message in its place."""

    @wraps(explorer, assigned=("__module__", "__doc__"))
    def function(*arguments, **options):
        _close_replaced()
        try:
            return explorer(*arguments, **options)
        except ValueError as problem:
            return _Refusal(problem)

    return function


class _Refusal(Explorer):
    """The message alone."""

    def __init__(self, problem):
        self._reason = str(problem) or type(problem).__name__
        super().__init__({})

    def draw(self):
        raise ValueError(self._reason)
