"""Pages from templates: every text is escaped by the template engine, whatever it looks like.

Every page stands alone, runs no script and loads nothing.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import mistune
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parent / "templates"
LONGEST = 8000  # characters of a text that is set as Markdown: some take time like their square
MOST_SET = 50_000  # of all texts of a page
GOOD, HALF, BAD, OPEN = "#1b7f4d", "#8a6100", "#b3261e", "#51606f"
COLOURS = {
    "correct": GOOD,
    "graded": GOOD,
    "given to all": GOOD,
    "partly correct": HALF,
    "changed by hand": HALF,
    "untouched": OPEN,
    "missing": OPEN,
    "dropped": OPEN,
    "needs manual grading": OPEN,
}


def clean(value: Any) -> str:
    """A text that any page can hold: no control characters, half characters, terminal colours.

    Marks that turn the direction of writing go too: they let code look as it is not.
    """
    if isinstance(value, Markup):
        return value
    value = str(value).encode("utf-8", "replace").decode("utf-8")
    value = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?", "", value)
    value = value.replace("\r\n", "\n")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\ufffd", value)


def points(value: float | None) -> str:
    """Points without needless digits; a dash where there are none yet."""
    return "–" if value is None else f"{value:g}"


def joined(lines: str | Iterable[str]) -> str:
    """A text of a notebook's file, where it may stand as a list of lines."""
    return lines if isinstance(lines, str) else "".join(lines)


def _as_a_terminal(text: str) -> str:
    """What is to be seen where a progress bar wrote over its own line."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _base64_only(content: str) -> str:
    return re.sub(r"[^A-Za-z0-9+/=]", "", content)


def _sentence(words: str) -> str:
    """Words that end in a full stop, and in no second one."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


# --- Markdown -------------------------------------------------------------------------------------


class Pasted(NamedTuple):
    """A picture that was pasted into a text: its base64 and its form."""

    content: str
    form: str


def markdown(source: str, attachments: dict[str, Any]) -> Markup:
    """A text as HTML; one that is too long or too odd for that as it was written."""
    source = clean(source)
    if len(source) > LONGEST:
        return as_written(source)
    try:
        return _set(source, attachments) if attachments else _set_once(source)
    except Exception:  # whatever a student found: the others get their feedback
        return as_written(source)


def _set(source: str, attachments: dict[str, Any]) -> Markup:
    tokens = mistune.create_markdown(renderer="ast", plugins=["table", "math"])(source)
    template = environment().get_template("markdown.html")
    return Markup(template.render(tokens=tokens, attachments=attachments))


@lru_cache(200)
def _set_once(source: str) -> Markup:
    """Equal texts are set once, for the exercise's own stand in every student's feedback."""
    return _set(source, {})


def as_written(source: str) -> Markup:
    """A text in Markdown that is not set, and a line that says so."""
    return Markup(environment().get_template("as_written.html").render(text=source))


def _leads_outside(token: dict[str, Any]) -> str:
    """The address of a link that leads outside the course, where its text is not the address."""
    url = str((token.get("attrs") or {}).get("url", ""))
    return url if re.match(r"(?i)[a-z]+:", url) and url != _plain_text(token) else ""


def _pasted_picture(token: dict[str, Any], attachments: dict[str, Any]) -> Pasted | None:
    url = str((token.get("attrs") or {}).get("url", ""))
    forms = attachments.get(unquote(url.removeprefix("attachment:")), {})
    if url.startswith("attachment:") and isinstance(forms, dict):
        for form in ("image/png", "image/jpeg"):
            if form in forms:
                return Pasted(joined(forms[form]), form)
    return None


def _plain_text(token: dict[str, Any]) -> str:
    own = str(token.get("raw") or "")
    return own + "".join(_plain_text(child) for child in token.get("children") or ())


# --- Templates ------------------------------------------------------------------------------------


@cache
def environment() -> Environment:
    """The template engine, with what the templates use."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        as_a_terminal=_as_a_terminal,
        as_written=as_written,
        base64_only=_base64_only,
        clean=clean,
        joined=joined,
        leads_outside=_leads_outside,
        markdown=markdown,
        pasted_picture=_pasted_picture,
        plain_text=_plain_text,
        points=points,
        sentence=_sentence,
    )
    made.globals.update(colour_of=lambda name: COLOURS.get(name, BAD))
    return made


def render(template: str, **content: Any) -> str:
    """A whole page."""
    return environment().get_template(template).render(**content)
