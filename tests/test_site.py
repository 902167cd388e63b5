"""The site: it builds without a warning, its links resolve, and in a browser it asks nobody else.

It is built once. What needs no built pages (folding, sections, the teaching plan) is tested on
pages made here.
"""

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from accessible import findings_on_one_of_many as findings

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "site"))

import minutes  # noqa: E402
import pages  # noqa: E402
import strips  # noqa: E402

# Offline, so that a build that wants the network fails; a proxy at which nobody listens.
NOWHERE = dict.fromkeys(
    ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
)
PHONE, SCREEN = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def cell(kind, source, name="x", **more):
    outputs = {"outputs": more.pop("outputs", [])} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": more, "source": source, **outputs}


SHOWN = [{"output_type": "stream", "name": "stdout", "text": "5"}]


# --- What is made of the repository's files -------------------------------------------------------


def shape(cells):
    """Sources, in order; what is folded stands in brackets."""
    words = []
    for each in pages.folded(cells):
        source = "".join(each["source"])
        opened, closed = source.startswith("<details"), source.startswith("</details")
        words.append("[" if opened else "]" if closed else source)
    return words


def test_what_answers_a_question_is_folded():
    guess = 'guess_a = predict("how many?")'
    cells = [
        cell("markdown", "How many windows?"),
        cell("code", guess, outputs=SHOWN),
        cell("code", "guess_a.against(5)", outputs=SHOWN),
        cell("markdown", "Five."),
        cell("code", "more()", outputs=SHOWN),
        cell("markdown", "And so on."),
    ]
    said = ["How many windows?", guess, "[", "guess_a.against(5)", "Five.", "]", "more()"]
    assert shape(cells) == [*said, "And so on."]


def test_a_fold_never_goes_over_a_heading():
    guess = 'guess_a = predict("how many?")'
    cells = [
        cell("code", guess),
        cell("code", "steps()", outputs=SHOWN),
        cell("markdown", "## Next"),
        cell("code", "guess_a.against(5)", outputs=SHOWN),
        cell("markdown", "### Then"),
    ]
    said = [guess, "[", "steps()", "]", "## Next", "[", "guess_a.against(5)", "]", "### Then"]
    assert shape(cells) == said


def test_the_next_question_and_an_explorer_stay_in_view():
    first, second = "guess_a = predict('a?')", "guess_b = predict('b?')"
    cells = [
        cell("code", first),
        cell("code", "guess_a.against(1)", outputs=SHOWN),
        cell("markdown", "One.\n\nAnd b?"),
        cell("code", second),
        cell("code", "guess_b.against(2)", outputs=SHOWN),
        cell("markdown", "Two.\n\n**Predict first:** what happens when you drag?"),
        cell("code", "explorers.convolution()", outputs=SHOWN),
        cell("markdown", "It grows."),
    ]
    one = [first, "[", "guess_a.against(1)", "One.", "]", "And b?", second]
    two = ["[", "guess_b.against(2)", "Two.", "]", "**Predict first:** what happens when you drag?"]
    assert shape(cells) == [*one, *two, "explorers.convolution()", "[", "It grows.", "]"]


@pytest.mark.parametrize("path", pages.NOTEBOOKS, ids=lambda path: path.stem)
def test_no_answer_of_a_notebook_is_in_view(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    depth, answers = 0, 0
    for each in pages.folded(cells):
        source = "".join(each["source"])
        depth += source.startswith("<details") - source.startswith("</details")
        assert depth in (0, 1), source
        if each["cell_type"] == "code" and pages.AGAINST.search(source):
            answers += 1
            assert depth == 1, source
        assert not (depth and each["cell_type"] == "markdown" and pages.HEADING.search(source))
    assert answers >= 1 and depth == 0


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[![Open it](https://x.org/badge.svg)](https://c.org/n)", "[Open it](https://c.org/n)"),
        ("[04 LeNet](04_lenet.ipynb) and [below](#sources)", None),
        ("[the code](../course_utils/data.py)", "[the code](/api/data.md)"),
        ("[the recipes](../tools/record.py)", "the recipes"),  # without an address
        ("![A cat, asleep](../data/photos/cat.png)", "![A cat, asleep](/data/photos/cat.png)"),
    ],
)
def test_links_lead_to_pages_or_become_words(monkeypatch, text, expected):
    monkeypatch.setattr(pages, "ADDRESS", pages.ADDRESS._replace(url=""))
    published, pictures = {"notebooks/04_lenet.ipynb"}, set()
    made = pages.LINK.sub(
        lambda link: pages._link(link, "notebooks/00_x.ipynb", published, pictures), text
    )
    assert made == (expected or text)
    assert pictures == ({"data/photos/cat.png"} if "cat" in text else set())


def test_a_link_to_nothing_is_refused():
    with pytest.raises(ValueError, match="notebooks/x.ipynb: there is no 13_lost.ipynb"):
        link = pages.LINK.match("[13](13_lost.ipynb)")
        pages._link(link, "notebooks/x.ipynb", set(), set())


def test_a_part_that_is_not_there_is_named(tmp_path):
    (tmp_path / "README.md").write_text("# Title\n\nwords\n\n## Start\n\nmore\n")
    assert pages.section(tmp_path / "README.md", "") == "words"
    assert pages.section(tmp_path / "README.md", "Start") == "more"
    with pytest.raises(ValueError, match="README.md has no part 'End'"):
        pages.section(tmp_path / "README.md", "End")


def test_every_notebook_and_exercise_is_in_both_schedules():
    text = (ROOT / "site" / "teaching.md").read_text(encoding="utf-8")
    for title in ("Twelve sessions", "Five days"):
        plan = re.search(rf"## {title}\n(.*?)(?=\n## |\Z)", text, re.DOTALL)[1]
        for path in pages.NOTEBOOKS + pages.EXERCISES:
            short = path.stem[:4] if path.stem.startswith("ex") else path.stem[:2]
            assert re.search(rf"\b{short}\b", plan), (title, short)


def test_what_is_for_teachers_stands_in_their_plan_and_on_no_page(tmp_path):
    note = "## For the room\n\nAsk for hands before this cell."
    cells = [cell("markdown", "# 00 Title"), cell("markdown", note, "note", tags=["instructor"])]
    path = tmp_path / "00_x.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert pages.notes([path]) == "### 00 x\n\nFor the room\n\nAsk for hands before this cell."
    assert "Ask for hands" not in str(pages.readable(cells, "00_x"))
    path.write_text(json.dumps({"cells": cells[:1]}))
    assert pages.notes([path]) == "There are none yet."


def test_an_explorer_in_frames_is_linked_where_it_stands():
    cells = [
        cell("code", "explorers.receptive_field()  # or your own", "see"),
        cell("code", "explorers.pooling(mine)"),
    ]
    said = ["".join(each["source"]) for each in pages.readable(cells, "02_x")]
    assert said[1] == "[Move it here, without a kernel](../explorers.md#receptive-field)"
    assert len(said) == 3, "with a picture of its own it would be another one"


@pytest.mark.parametrize("name", strips.STRIPS)
def test_a_strip_has_a_frame_for_every_state(name):
    label, frames = strips.frames(name)
    made = strips.html(name)
    assert 4 <= len(frames) <= 20 and len(made) < 400_000
    assert len({frame.svg for frame in frames}) == len(frames), "two frames are alike"
    assert len({frame.words for frame in frames}) == len(frames)
    # All but the first are hidden, and the slider where no script runs.
    assert made.count('<div class="frame"') == len(frames) == made.count(" hidden>")
    assert f"<span>{label}</span>" in made and f'max="{len(frames) - 1}"' in made


def test_minutes_are_counted(tmp_path):
    cells = [
        cell("markdown", "one two three **Predict first:** four"),
        cell("code", "set_up()"),
        cell("code", 'guess_a = predict("?")'),
        cell("code", "guess_a.against(1)"),
        cell("markdown", "only for teachers", tags=["instructor"]),
    ]
    path = tmp_path / "00_x.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    counted = minutes.read(path, {"00_x": 240.0})
    assert counted == minutes.Notebook("00_x", 6, 2, 2, 240.0)
    # 6 words in 6 minutes, 2 cells and 2 predictions in 3, a run of 4: 13, so 15 to plan with.
    assert counted.minutes(words=1) == 15


def test_links_for_a_hub():
    import address
    import links

    course = address.Address("https://git.uni.example/ml/convnets", "gitlab", "0.2.0")
    made = links.link("https://hub.uni.example/", course, "notebooks/04_lenet.ipynb", "autumn")
    parts = urlsplit(made)
    assert made.startswith("https://hub.uni.example/hub/user-redirect/git-pull?")
    assert dict(parse_qsl(parts.query)) == {
        "repo": "https://git.uni.example/ml/convnets.git",
        "branch": "autumn",
        "urlpath": "lab/tree/convnets/notebooks/04_lenet.ipynb",
    }
    copy = links.link("https://hub.uni.example", course, "notebooks/x.ipynb", copies=True)
    assert dict(parse_qsl(urlsplit(copy).query))["urlpath"] == (
        "lab/tree/convnets/work/notebooks/x.ipynb"
    )
    # nbgitpuller cannot follow a tag: without a branch it takes the default one.
    assert "branch" not in links.link("https://hub.uni.example", course, "x.ipynb")
    with pytest.raises(ValueError, match="'hub' is not the address of a hub"):
        links.link("hub", course, "x.ipynb")
    with pytest.raises(ValueError, match="no public address yet"):
        links.link("https://hub.uni.example", course._replace(url=""), "x.ipynb")


# --- The pages that come out ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder with the built pages; what imports TensorFlow to build them is told off."""
    place = tmp_path_factory.mktemp("site")
    source, built = place / "source", place / "site"
    source.mkdir()
    stub = "raise SystemExit('to describe the package, TensorFlow is imported')"
    (place / "tensorflow.py").write_text(stub)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    done = subprocess.run(
        [*command, "-c", ROOT / "site", source, built],
        env=os.environ | NOWHERE | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return built


class Links(HTMLParser):
    """What a page links to or loads, and the places in it."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.ids = [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids += [values["id"]] if values.get("id") else []
        self.targets += [values[name] for name in ("href", "src") if values.get(name)]


def html_pages(site):
    """The pages; what the theme leaves among its own files is none."""
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


@pytest.fixture(scope="session")
def links(site):
    return {path: Links(path) for path in html_pages(site)}


def test_every_notebook_has_its_page(site):
    for path in pages.NOTEBOOKS + pages.EXERCISES:
        assert (site / path.relative_to(ROOT)).with_suffix(".html").is_file()
    for name in ("results", "references", "notation", "trouble", "teaching", "notebooks/glossary"):
        assert (site / f"{name}.html").is_file()
    assert (site / "grading" / "README.html").is_file() and (site / "api" / "data.html").is_file()


def test_all_links_resolve(site, links):
    lost = []
    for page, found in links.items():
        for target in found.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            path = path / "index.html" if path.is_dir() else path
            if not path.is_file():
                lost.append((page.relative_to(site).as_posix(), target))
            elif parts.fragment and path in links and path.suffix == ".html":
                if unquote(parts.fragment) not in links[path].ids:
                    lost.append((page.relative_to(site).as_posix(), target))
    assert not lost


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = r"<(?:script|img|iframe)[^>]* src=\"(https?:)?//|<link[^>]* rel=\"stylesheet\"[^>]*//"
    for page in html_pages(site):
        assert not re.search(loaded, page.read_text(encoding="utf-8")), page


def test_places_are_unique(links):
    for page, found in links.items():
        assert len(found.ids) == len(set(found.ids)), page


def test_pictures_carry_their_words(site):
    for page in html_pages(site):
        for picture in re.findall(r"<img [^>]*>", page.read_text(encoding="utf-8")):
            alt = re.search(r'alt="([^"]*)"', picture)
            assert alt and len(alt[1]) > 20 and ".png" not in alt[1], (page, picture)


def test_every_term_has_its_place(site):
    text = (ROOT / "notebooks" / "glossary.md").read_text(encoding="utf-8")
    page = (site / "notebooks" / "glossary.html").read_text(encoding="utf-8")
    places = [pages.slug(row[0]) for row in pages.terms()]
    assert len(set(places)) == len(places) == text.count("\n| ") - 2
    assert all(f'id="{place}"' in page for place in places)


def test_first_uses_lead_to_the_glossary(site):
    page = (site / "notebooks" / "02_output_size.html").read_text(encoding="utf-8")
    assert page.count('href="glossary.html#term-receptive-field"') == 1
    linked = set(re.findall(r'glossary\.html#(term-[\w-]+)"', page))
    assert len(linked) >= 15


def test_the_package_is_described(site):
    text = (site / "api" / "models.html").read_text(encoding="utf-8")
    assert "lenet5" in text
    text = (site / "api" / "watching.html").read_text(encoding="utf-8")
    signature = re.search(r'<dt [^>]*id="course_utils.watching.Watcher">.*?</dt>', text, re.DOTALL)
    assert '<span class="pre">epochs</span>' in signature[0], "not that of Keras' mock"
    assert "output_size" in (site / "api" / "arithmetic.html").read_text(encoding="utf-8")


# --- In a browser ---------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(site):
    """The address of the site, on this machine."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def visit(browser, served):
    """A function that opens a page of the site, its formulas drawn; what it asks is noted.

    Each size and scheme has one tab, which is quicker than a new one for each page.
    """
    asked, complaints, tabs = [], [], {}

    def tab(size, scheme):
        page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append((page.url, str(error))))
        page.on(
            "console",
            lambda message: message.type == "error" and complaints.append((page.url, message.text)),
        )
        return page

    def open_page(name, size=SCREEN, scheme="light"):
        key = (size["width"], scheme)
        page = tabs[key] = tabs.get(key) or tab(size, scheme)
        page.goto(f"{served}/{name}", wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise.then(() => null)")
        return page

    open_page.asked, open_page.complaints = asked, complaints
    return open_page


# Code and formulas look alike on all pages; to look at each of their pieces would take minutes.
WITHOUT_CODE = "() => document.querySelectorAll('.highlight, .math').forEach(each => each.remove())"
# All that is folded, and faded in.
OPEN = """() => {
    document.querySelectorAll('details').forEach(each => { each.open = true; });
    return Promise.all(document.getAnimations().map(each => each.finished)).then(() => null);
}"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_every_page_on_a_phone(site, served, visit):
    """Each page, with all that is folded open: it fits, and what axe finds is not serious."""
    problems = {}
    for path in html_pages(site):
        name = path.relative_to(site).as_posix()
        page = visit(name, PHONE)
        page.evaluate(OPEN)
        too_wide = page.evaluate(TOO_WIDE)
        page.evaluate(WITHOUT_CODE)
        found = findings(page)
        if found or too_wide > 0:
            problems[name] = (found, too_wide)
    assert not problems, json.dumps(problems, indent=1)
    assert not visit.complaints
    assert {url for url in visit.asked if not url.startswith((served, "data:"))} == set()


def test_what_is_too_pale_is_found_on_a_later_page_too(visit):
    page, good = visit("index.html", PHONE), "<html lang=en><title>A</title><main><h1>Good</h1>"
    pale = "style='color: #bbb; background: #fff'"
    later = f"<p {pale}>too pale</p><label>Name <input {pale} value='too pale as well'></label>"
    page.set_content(good)
    assert not findings(page)
    page.set_content(good + later)
    assert [found.split()[0] for found in findings(page)] == ["<p", "<input"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_some_pages_with_all_that_is_on_them(visit, scheme):
    for name in ("notebooks/00_start_here.html", "explorers.html", "results.html", "api/data.html"):
        page = visit(name, scheme=scheme)
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        page.evaluate(OPEN)
        assert not findings(page), name
    assert not visit.complaints


@pytest.mark.parametrize("name", strips.STRIPS)
def test_an_explorer_is_moved_by_keyboard_without_a_kernel(visit, name):
    strip = visit("explorers.html").locator(f"#strip-{name}")
    slider, frames = strip.get_by_role("slider"), strips.frames(name)[1]
    assert strip.locator("svg:visible").get_attribute("aria-label") == frames[0].words
    slider.focus()
    slider.press("ArrowRight")
    assert strip.locator("svg:visible").get_attribute("aria-label") == frames[1].words
    assert strip.locator("output").inner_text() == frames[1].value
    assert frames[1].words in slider.get_attribute("aria-valuetext")
    slider.press("End")
    assert strip.locator("svg:visible").get_attribute("aria-label") == frames[-1].words
    slider.press("Home")
    assert strip.locator("svg:visible").count() == 1
    assert not visit.complaints


def test_formulas_are_drawn(visit):
    page = visit("notebooks/02_output_size.html")
    assert page.locator("mjx-container").count() > 20
    assert page.locator("mjx-merror").count() == 0


def test_an_answer_is_folded_until_asked_for(visit):
    page = visit("notebooks/02_output_size.html")
    answer = page.locator("details.answer").first
    assert not answer.locator(".cell").first.is_visible()
    answer.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert answer.locator(".cell").first.is_visible()
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0, "on paper nothing can be unfolded"


def test_results_are_sorted(visit):
    page = visit("results.html")
    table = page.locator("article table").first
    button, column = table.get_by_role("button", name="error, %"), "tbody td:nth-child(6)"
    button.click()
    rising = [float(text) for text in table.locator(column).all_inner_texts()]
    button.press("Enter")
    falling = [float(text) for text in table.locator(column).all_inner_texts()]
    assert rising == sorted(rising) and falling == sorted(rising, reverse=True)
    assert len(set(rising)) > 5


def test_search_finds(visit):
    page = visit("search.html?q=dilation")
    page.locator("#search-results li").first.wait_for(timeout=20_000)
    assert "02 Output size" in page.locator("#search-results").inner_text()
