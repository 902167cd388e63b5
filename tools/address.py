"""The course's public address and version, and everything that carries them.

    make address                                            show it
    make address URL=https://github.com/owner/name          set it
    make address URL=https://git.uni.example/a/b HOST=gitlab   where the name does not tell
    make address URL=                                       unset it
    python tools/address.py --check                         exit with 1 when something is stale

The address stands in `pyproject.toml` ([project.urls]), and so does the version. From there they
go into the set-up cell (`tools/set_up_cell.py` is its source, and it stands in every notebook's
cell with the id `set-up`), into every notebook's cell with the id `badges`, between two markers in
`README.md`, and the version into the package and `CITATION.cff`. It runs on any Python 3.11 or
newer: nothing has to be installed.
"""

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import work

ROOT = Path(__file__).resolve().parent.parent
NOT_SET = "https://address-not-set.invalid"
# What the set-up cell says in a notebook, and what in an exercise.
IN_NOTEBOOKS_AND_EXERCISES = (
    ("starts TensorFlow without its log lines. Installs", "brings `check`. It installs"),
    ("import begin_notebook", "import begin_exercise"),
    ("begin_notebook(VERSION)", 'check = begin_exercise(VERSION, "<exercise>")'),
)
# JupyterLab and VS Code, then Colab: the cell is folded until somebody wants to see it.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
ADDRESS_LINE = re.compile(r'^(Repository = ")([^"]*)(")$', re.MULTILINE)
HOST_LINE = re.compile(r'^(host = ")([^"]*)(")$', re.MULTILINE)
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
MARKERS = ("<!-- badges -->", "<!-- /badges -->")
NO_BADGES = (
    "*Links that open this notebook on Colab and Binder stand here once the course has its "
    "public address.*"
)
COLAB = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/{tag}/{notebook})"
)
BINDER = (
    "[![Open in Binder](https://mybinder.org/badge_logo.svg)]"
    "(https://mybinder.org/v2/{place}/{tag}?urlpath=lab/tree/work/{notebook})"
)
# How the kinds of git hosts name the archive of a tag. GitHub's form is also that of Gitea,
# Forgejo (Codeberg) and Gogs.
ARCHIVES = {
    "github": "{url}/archive/{tag}.zip",
    "gitea": "{url}/archive/{tag}.zip",
    "gitlab": "{url}/-/archive/{tag}/{name}-{tag}.zip",
    "bitbucket": "{url}/get/{tag}.zip",
}
HINTS = {"github.com": "github", "codeberg.org": "gitea", "bitbucket.org": "bitbucket"}


class Address(NamedTuple):
    """Where the course is to be had; without an address `url` is ''."""

    url: str
    host: str  # a key of ARCHIVES
    version: str

    @property
    def tag(self):
        return f"v{self.version}"

    @property
    def archive(self):
        """The address of the release's archive, or ''."""
        name = self.url.rsplit("/", 1)[-1]
        form = ARCHIVES[self.host] if self.url else ""
        return form.format(url=self.url, tag=self.tag, name=name)


def present_address(root=ROOT):
    """The `Address` in `pyproject.toml`."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    url, host = ADDRESS_LINE.search(text), HOST_LINE.search(text)
    if url is None or host is None:
        raise ValueError(
            'pyproject.toml needs Repository = "..." in [project.urls] and host = "..." in '
            "[tool.course]"
        )
    version = tomllib.loads(text)["project"]["version"]
    return Address("" if url.group(2) == NOT_SET else url.group(2), host.group(2), version)


def checked(url, host=""):
    """The address without a closing slash or `.git`, and the kind of its host; '' means none.

    Raises ValueError when it is no address of a repository, or when neither its name nor `host`
    tells what kind of git host it is.
    """
    url = url.strip().removesuffix("/").removesuffix(".git")
    if not url:
        return "", ""
    here = r"http://(localhost|127\.0\.0\.1)(:\d+)?"  # to try things out
    if not re.fullmatch(rf"(https://[\w.-]+(:\d+)?|{here})(/[\w.~-]+){{2,}}", url, re.ASCII):
        raise ValueError(f"{url!r} is not an address like https://github.com/owner/name")
    server, path = urlsplit(url).hostname, urlsplit(url).path
    guess = next((kind for kind in ARCHIVES if kind in server), "")
    host = host.strip().lower() or HINTS.get(server) or guess
    if host not in ARCHIVES:
        raise ValueError(
            f"which kind of git host is {server}? Say it: make address URL={url} HOST=gitlab "
            f"(or {', '.join(kind for kind in ARCHIVES if kind != 'gitlab')})"
        )
    if host != "gitlab" and path.count("/") != 2:  # GitLab alone has groups in groups
        raise ValueError(f"{url!r} is not an address like https://{server}/owner/name")
    return url, host


def badge_text(notebook, address):
    """What the badge cell of a notebook says; `notebook` is its path from the top of the course.

    Colab opens notebooks of GitHub alone, Binder those of any git host.
    """
    if not address.url:
        return NO_BADGES
    repository = urlsplit(address.url).path.strip("/")
    if address.url.startswith("https://github.com/"):
        place, badges = f"gh/{repository}", [COLAB, BINDER]
    else:
        place, badges = f"git/{quote(address.url + '.git', safe='')}", [BINDER]
    return "\n".join(badges).format(
        repository=repository, notebook=notebook, tag=address.tag, place=place
    )


def set_up_cell(address, root=ROOT, exercise=None):
    """The text of the set-up cell with this address in it; that of an exercise brings its checks.

    An exercise does without TensorFlow until a cell of its own wants it: most need NumPy only.
    """
    source = (root / "tools" / "set_up_cell.py").read_text(encoding="utf-8").rstrip("\n")
    if exercise:
        for words in IN_NOTEBOOKS_AND_EXERCISES:
            source = source.replace(*words)
        source = source.replace("<exercise>", exercise)
    line = f'ARCHIVE, VERSION = "{address.archive}", "{address.version}"'
    return re.sub(r"^ARCHIVE, VERSION = .*$", line, source, count=1, flags=re.MULTILINE)


def notebooks(root=ROOT):
    """The course's notebooks, in order."""
    released, sources = work.exercises(root), work.exercises(root, "source")
    return [*work.notebooks(root), *released, *sources]


def texts(address, root=ROOT):
    """Every file that carries the address, with the text that it should have."""
    wanted = {}
    pyproject = root / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    text = ADDRESS_LINE.sub(rf"\g<1>{address.url or NOT_SET}\g<3>", text, count=1)
    wanted[pyproject] = HOST_LINE.sub(rf"\g<1>{address.host}\g<3>", text, count=1)
    wanted[root / "tools" / "set_up_cell.py"] = set_up_cell(address, root) + "\n"
    package = root / "course_utils" / "__init__.py"
    if package.is_file():
        text = package.read_text(encoding="utf-8")
        line = f'__version__ = "{address.version}"'
        wanted[package] = re.sub(r"^__version__ = .*$", line, text, count=1, flags=re.MULTILINE)

    citation = root / "CITATION.cff"
    if citation.is_file():
        text = citation.read_text(encoding="utf-8")
        line = f"version: {address.version}"
        wanted[citation] = re.sub(r"^version: .*$", line, text, count=1, flags=re.MULTILINE)

    readme = root / "README.md"
    if readme.is_file():
        text = readme.read_text(encoding="utf-8")
        start, end = MARKERS
        if start not in text or end not in text.split(start, 1)[1]:
            raise ValueError(f"README.md needs the markers {start} and {end}, in this order")
        before, rest = text.split(start, 1)
        after = rest.split(end, 1)[1]
        badges = badge_text(FIRST_NOTEBOOK, address).replace("this notebook", "the course")
        wanted[readme] = f"{before}{start}\n{badges}\n{end}{after}"

    for path in notebooks(root):
        wanted[path] = _notebook_text(path, address, root)
    return wanted


def _notebook_text(path, address, root):
    """A notebook's text with both cells as they should be; nothing else in it changes."""
    notebook, text = work.read_notebook(path), path.read_text(encoding="utf-8")
    name = path.relative_to(root).as_posix()
    exercise = path.stem if name.startswith("exercises/") else None
    sources = {
        "set-up": set_up_cell(address, root, exercise),
        "badges": badge_text(_released(name), address),
    }
    changed = False
    for cell in notebook["cells"]:
        source = sources.get(cell.get("id"))
        folded = FOLDED if cell.get("id") == "set-up" else {}
        metadata = dict(sorted({**cell["metadata"], **folded}.items()))
        if source is not None and ("".join(cell["source"]), cell["metadata"]) != (source, metadata):
            cell["source"], cell["metadata"] = source.splitlines(keepends=True), metadata
            changed = True
    # As nbformat writes it; an unchanged notebook keeps its very bytes.
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n" if changed else text


def _released(name):
    """The notebook that a badge opens: of an exercise never the source with the solutions."""
    return name.replace("exercises/source/", "exercises/release/")


def stale(root=ROOT):
    """The files that do not carry the address of `pyproject.toml`."""
    wanted = texts(present_address(root), root)
    return [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]


def write(address, root=ROOT):
    """Write the address everywhere, and return the files that changed."""
    changed = []
    for path, text in texts(address, root).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


def main(arguments=None):
    """Show, set or check the address; the exit status is 0 or 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("url", nargs="?", help="https://github.com/owner/name; '' unsets it")
    parser.add_argument("--host", default="", help=f"{', '.join(ARCHIVES)}: where no name tells")
    parser.add_argument("--check", action="store_true", help="only say what is out of step")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            for path in stale():
                print(f"{path.relative_to(ROOT)} does not carry the course's address: make address")
            return 1 if stale() else 0
        address = present_address()
        if options.url is None:
            print(f"The course's public address: {address.url or 'not set'}")
            print("Set it with: make address URL=https://github.com/owner/name")
        else:
            address = Address(*checked(options.url, options.host), address.version)
        changed = write(address)
    except ValueError as problem:
        print(f"address: {problem}", file=sys.stderr)
        return 1
    for path in changed:
        print(f"written: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
