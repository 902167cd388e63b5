"""The course's public address, and everything that carries it.

    make address                                     show it
    make address URL=https://github.com/owner/name   set it
    make address URL=                                unset it
    python tools/address.py --check                  exit with 1 when something does not carry it

The address stands in `pyproject.toml` ([project.urls]). From there it goes into the set-up cell
(`tools/set_up_cell.py` is its source, and it stands in every notebook's cell with the id `set-up`),
into every notebook's cell with the id `badges`, and between two markers in `README.md`.
"""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_SET = "https://address-not-set.invalid"
# What the set-up cell says in a notebook, and what in an exercise.
IN_NOTEBOOKS_AND_EXERCISES = (
    ("every notebook:", "every exercise:"),
    (
        "# it once) and starts TensorFlow without its log lines. It installs nothing.",
        "# it once) and brings `check`. It installs nothing.",
    ),
    (
        "from course_utils.environment import quiet_tensorflow\n\nquiet_tensorflow()",
        'from course_utils.checks import checks_of\n\ncheck = checks_of("<exercise>")',
    ),
)
ADDRESS_LINE = re.compile(r'^(Repository = ")([^"]*)(")$', re.MULTILINE)
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
MARKERS = ("<!-- badges -->", "<!-- /badges -->")
NO_BADGES = (
    "*Links that open this notebook on Colab and Binder stand here once the course has its "
    "public address.*"
)
BADGES = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/HEAD/{notebook})\n"
    "[![Open in Binder](https://mybinder.org/badge_logo.svg)]"
    "(https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/{notebook})"
)


def present_address(root=ROOT):
    """The address in `pyproject.toml`, or '' when none is set."""
    found = ADDRESS_LINE.search((root / "pyproject.toml").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError('pyproject.toml has no line Repository = "..." under [project.urls]')
    return "" if found.group(2) == NOT_SET else found.group(2)


def checked(url):
    """The address without a closing slash or `.git`; '' means none.

    Raises ValueError when it is not https://github.com/owner/name: the badges' services and the
    set-up cell's download rest on GitHub's addresses.
    """
    url = url.strip().removesuffix("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://github\.com/[A-Za-z0-9-]+/[A-Za-z0-9._-]+", url):
        raise ValueError(f"{url!r} is not an address like https://github.com/owner/name")
    return url


def badge_text(notebook, url):
    """What the badge cell of a notebook says; `notebook` is its path from the top of the course."""
    if not url:
        return NO_BADGES
    return BADGES.format(repository=url.removeprefix("https://github.com/"), notebook=notebook)


def set_up_cell(url, root=ROOT, exercise=None):
    """The text of the set-up cell with this address in it; that of an exercise brings its checks.

    An exercise does without TensorFlow until a cell of its own wants it: most need NumPy only.
    """
    source = (root / "tools" / "set_up_cell.py").read_text(encoding="utf-8").rstrip("\n")
    if exercise:
        for words in IN_NOTEBOOKS_AND_EXERCISES:
            source = source.replace(*words)
        source = source.replace("<exercise>", exercise)
    return re.sub(r'^ADDRESS = ".*"$', f'ADDRESS = "{url}"', source, count=1, flags=re.MULTILINE)


def notebooks(root=ROOT):
    """The course's notebooks, in order."""
    return sorted(
        path
        for folder in ("notebooks", "exercises")
        for path in (root / folder).rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    )


def texts(url, root=ROOT):
    """Every file that carries the address, with the text that it should have."""
    wanted = {}
    pyproject = root / "pyproject.toml"
    wanted[pyproject] = ADDRESS_LINE.sub(
        rf"\g<1>{url or NOT_SET}\g<3>", pyproject.read_text(encoding="utf-8"), count=1
    )
    wanted[root / "tools" / "set_up_cell.py"] = set_up_cell(url, root) + "\n"

    readme = root / "README.md"
    if readme.is_file():
        text = readme.read_text(encoding="utf-8")
        start, end = MARKERS
        if start not in text or end not in text.split(start, 1)[1]:
            raise ValueError(f"README.md needs the markers {start} and {end}, in this order")
        before, rest = text.split(start, 1)
        after = rest.split(end, 1)[1]
        badges = badge_text(FIRST_NOTEBOOK, url).replace("this notebook", "the course")
        wanted[readme] = f"{before}{start}\n{badges}\n{end}{after}"

    for path in notebooks(root):
        wanted[path] = _notebook_text(path, url, root)
    return wanted


def _notebook_text(path, url, root):
    """A notebook's text with both cells as they should be; nothing else in it changes."""
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    name = path.relative_to(root).as_posix()
    exercise = path.stem if name.startswith("exercises/") else None
    sources = {
        "set-up": set_up_cell(url, root, exercise),
        "badges": badge_text(_released(name), url),
    }
    changed = False
    for cell in notebook["cells"]:
        source = sources.get(cell.get("id"))
        if source is not None and "".join(cell["source"]) != source:
            cell["source"] = source.splitlines(keepends=True)
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


def write(url, root=ROOT):
    """Write the address everywhere, and return the files that changed."""
    wanted = texts(checked(url), root)
    changed = []
    for path, text in wanted.items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


def main(arguments=None):
    """Show, set or check the address; the exit status is 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", nargs="?", help="https://github.com/owner/name; '' unsets it")
    parser.add_argument("--check", action="store_true", help="only say what is out of step")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            for path in stale():
                print(f"{path.relative_to(ROOT)} does not carry the course's address: make address")
            return 1 if stale() else 0
        if options.url is None:
            print(f"The course's public address: {present_address() or 'not set'}")
            print("Set it with: make address URL=https://github.com/owner/name")
            changed = write(present_address())
        else:
            changed = write(options.url)
    except ValueError as problem:
        print(f"address: {problem}", file=sys.stderr)
        return 1
    for path in changed:
        print(f"written: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
