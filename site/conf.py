"""The site: `make site` builds it into build/site, without a network, and executes nothing.

What it shows is made by `pages.py`. Fonts and scripts come from the packages of the extra `site`
and are served with the pages: no page asks another server for anything.
"""

import inspect
import re
import sys
from pathlib import Path
from types import MethodType

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import pages  # noqa: E402
from docutils import nodes  # noqa: E402

project = "Convolutional networks"
author = "the authors of the course"
html_title = "Convolutional networks"
version = release = pages.ADDRESS.version
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
    "sphinx-mathjax-offline",
]
nb_execution_mode = "off"
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
bibtex_bibfiles = [str(HERE / "references.bib")]
bibtex_default_style = "plain"
# The signatures and docstrings are wanted, not TensorFlow itself. `multiply_adds` of the layers is
# for `anatomy`, and a mocked decorator hides it.
autodoc_mock_imports = ["keras", "tensorflow"]


class Unwanted:
    """Refuses what is mocked: Sphinx would import it all the same, twice, to look for comments."""

    @staticmethod
    def find_spec(name, *_):
        if name in autodoc_mock_imports:
            raise ImportError(f"the site is built without {name}")


sys.meta_path.insert(0, Unwanted)  # the mocks go before it where they serve
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"
napoleon_use_ivar = True
default_role = "code"

# A button leads to the repository, once it has a public address.
REPOSITORY = {"repository_url": pages.ADDRESS.url, "use_repository_button": True}
html_theme = "sphinx_book_theme"
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "navbar_persistent": [],  # one field to search in is enough
    "navigation_with_keys": True,
    **(REPOSITORY if pages.ADDRESS.url else {}),
}
html_static_path = [str(HERE / "static")]
html_favicon = str(HERE / "static" / "favicon.svg")
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False
html_domain_indices = html_use_index = False  # the list of modules and the search do more


def link_terms(app, doctree, name):
    """Link the first use of each of the glossary's terms on a page of the course."""
    if not re.match(r"notebooks/\d|exercises/release/", name):
        return
    glossary = app.builder.get_relative_uri(name, "notebooks/glossary")
    left = {row[0].lower(): pages.slug(row[0]) for row in pages.terms()}
    # The longest first: 'max pooling' is no use of a shorter word in it.
    words = "|".join(map(re.escape, sorted(left, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
    for text in list(doctree.findall(nodes.Text)):
        if not pattern.search(text) or _is_special(text):
            continue
        parts, end = [], 0
        for found in pattern.finditer(text):
            place = left.pop(found[0].lower(), None)
            if place:
                link = nodes.reference("", found[0], refuri=f"{glossary}#{place}")
                link["classes"].append("term")
                parts += [nodes.Text(text[end : found.start()]), link]
                end = found.end()
        text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def _is_special(text):
    """Whether a text is no running text: a title, code, a formula, a link, an output."""
    kinds = (nodes.title, nodes.literal, nodes.literal_block, nodes.reference, nodes.math)
    parent = text.parent
    while parent is not None:
        if isinstance(parent, (*kinds, nodes.math_block, nodes.raw, nodes.table, nodes.image)):
            return True
        parent = parent.parent
    return False


def leave_out(app, kind, name, value, skip, options):
    """Leave out what Python itself says of a NamedTuple's fields; the class says it better."""
    return True if (getattr(value, "__doc__", "") or "").startswith("Alias for field") else None


def sign(app, kind, name, value, options, signature, returns):
    """A class on top of a mocked one is called as its own `__init__` says, not as the mock."""
    if kind == "class" and signature == "(*args, **kwargs)":
        return str(inspect.signature(MethodType(value.__init__, value))), returns
    return None


def setup(app):
    pages.write(Path(app.srcdir))
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-signature", sign)
    app.connect("doctree-resolved", link_terms)
