"""The script that gives an explorer's sliders and buttons names, as axe sees what it does."""

from accessible import findings

from course_utils.explorers.frame import FIRST_SCRIPT

# A slider and the buttons for playing as ipywidgets 8 makes them; the script of the frame beside.
SLIDER = """<div class="widget-slider widget-hslider"><label class="widget-label">{label}</label>
<div class="noUi-handle" tabindex="0" role="slider" aria-valuenow="1"></div></div>"""
PLAY = "".join(
    f'<button><i class="fa fa-{sign}"></i></button>' for sign in ("play", "stop", "retweet")
)
PAGE = f"""<!doctype html><html lang="en"><title>x</title><main><div class="course-explorer"><div>
{SLIDER.format(label="stride")}<div class="widget-play">{PLAY}</div></div>{FIRST_SCRIPT}</div>
</main>"""
NAMES = "all => all.map(each => each.getAttribute('aria-label'))"


def test_sliders_and_buttons_have_names(browser):
    page = browser.new_page()
    page.set_content(PAGE)
    page.wait_for_function("document.querySelector('[role=slider]').hasAttribute('aria-label')")
    parts = page.locator("[role=slider], button")
    names = ["stride", "play or pause", "back to the start", "again and again"]
    assert parts.evaluate_all(NAMES) == names
    add = "(row, slider) => row.insertAdjacentHTML('beforeend', slider)"
    page.locator(".course-explorer > div").evaluate(add, SLIDER.format(label="dilation"))
    page.wait_for_function(
        "[...document.querySelectorAll('[role=slider]')].every(each => each.ariaLabel)"
    )
    assert parts.evaluate_all(NAMES) == [*names, "dilation"]
    assert not findings(page, ".course-explorer")
    page.close()
