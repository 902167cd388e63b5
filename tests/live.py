"""An explorer on a page in a browser, for the tests that move it as learners do."""

import re
import time
from contextlib import contextmanager

from course_utils.convolution import conv2d

# The page compares its pictures itself: each is long, and there are many to send.
REMEMBER = "picture => { window.before = picture.outerHTML; }"
CHANGED = "picture => picture.outerHTML !== window.before"
AT_REST = """explorer => new Promise(done => {
    const rest = () => { observer.disconnect(); done(null); };
    let timer = setTimeout(rest, 150);
    const observer = new MutationObserver(() => {
        clearTimeout(timer);
        timer = setTimeout(rest, 150);
    });
    const all = {subtree: true, childList: true, attributes: true, characterData: true};
    observer.observe(explorer, all);
})"""


def filtered(image, kernel, **options):
    """What NumPy makes of a grey image and one kernel: what an explorer should show."""
    return conv2d(image[None, ..., None].astype(float), kernel[..., None, None], **options)[
        0, ..., 0
    ]


class Live:
    """An explorer on a page: what it shows, and hands to move its controls.

    Attributes:
        HANDLE, RAIL: what ipywidgets makes of a slider, as CSS selectors: what takes the focus, and
            what a click moves it on.
    """

    HANDLE, RAIL = "[role=slider]", ".noUi-base"

    def __init__(self, page, number=0):
        self.page = page
        self.explorer = page.locator(".course-explorer").nth(number)
        self.svg = self.explorer.locator("svg[role=img]")

    def alt(self):
        """The words for those who cannot see it."""
        return self.svg.get_attribute("aria-label")

    def texts(self):
        """Every text in the picture."""
        return self.svg.locator("text").all_text_contents()

    def message(self):
        """What stands above the picture, in the place of a traceback."""
        return " ".join(self.explorer.locator("[role=alert], [role=status]").all_inner_texts())

    def control(self, label, kind=None):
        """What takes the focus in the control with this label, or another part of it."""
        kind = kind or f"input, select, textarea, {self.HANDLE}, button"
        label = re.compile(f"^{re.escape(label)}$")
        found = self.explorer.locator(".jupyter-widgets, .jupyter-button").filter(
            has=self.page.locator(".widget-label, .jupyter-button", has_text=label)
        )
        return found.last.locator(kind).first

    def press(self, label, *keys):
        """Moves a control by keyboard."""
        self.control(label).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, label, text):
        """Types a text in the place of the present one."""
        self.control(label).focus()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Tab")

    def slide(self, label, share):
        """Clicks on a slider, at this share of its length."""
        self.control(label, self.RAIL).scroll_into_view_if_needed()
        box = self.control(label, self.RAIL).bounding_box()
        self.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)

    def point(self, x, y):
        """Clicks on the picture, at a place in its own pixels."""
        self.svg.scroll_into_view_if_needed()
        box, width = self.svg.bounding_box(), float(self.svg.get_attribute("viewBox").split()[2])
        scale = box["width"] / width
        self.page.mouse.click(box["x"] + x * scale, box["y"] + y * scale)

    def wait_until(self, condition, what, seconds=20):
        """Waits for the page to be so."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}\nmessage: {self.message()}\n{self.alt()}"
            self.page.wait_for_timeout(30)

    @contextmanager
    def changes(self):
        """What is done inside must change the picture, which then comes to rest."""
        self.svg.evaluate(REMEMBER)
        yield
        self.wait_until(lambda: self.svg.evaluate(CHANGED), "the picture did not change")
        self.rest()

    def rest(self):
        """Waits until nothing has changed for a moment."""
        self.explorer.evaluate(AT_REST)
