"""Links that open each notebook on your JupyterHub, for a page of your learning platform.

    make links HUB=https://hub.uni.example
    make links HUB=https://hub.uni.example ARGS="--branch autumn --copies"

A link copies the course into the learner's home and opens the notebook in JupyterLab; the second
time it brings what is new and keeps what the learner wrote. The hub needs nbgitpuller for it, and
the course its public address (`make address`). nbgitpuller follows branches, not the tags of
releases: with a branch of your own a class is not surprised in mid-term.

With `--copies` a link opens the learner's own copy, without outputs, in `work/`: for a hub that
lays the copies when a server starts, as `deploy/jupyterhub/values.yaml` has it. nbgitpuller alone
does not, and the file would not be there.
"""

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import urlencode

import address
from work import FOLDER, exercises, notebooks

ROOT = Path(__file__).resolve().parent.parent


def link(hub, course, notebook, branch="", copies=False):
    """The link to one notebook, given by its path in the course, or to the learner's copy of it.

    A branch '' is the default one.

    Raises:
        ValueError: `hub` is no address, or the course has none.
    """
    if not re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[\w.~-]+)*/?", hub, re.ASCII):
        raise ValueError(f"{hub!r} is not the address of a hub, like https://hub.uni.example")
    if not course.url:
        raise ValueError("the course has no public address yet: make address URL=https://...")
    folder = course.url.rsplit("/", 1)[-1] + (f"/{FOLDER}" if copies else "")
    asked = {"repo": course.url + ".git", "urlpath": f"lab/tree/{folder}/{notebook}"}
    asked |= {"branch": branch} if branch else {}
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(asked)}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("hub", help="the address of your JupyterHub")
    parser.add_argument("--branch", default="", help="of the course's repository")
    parser.add_argument("--copies", action="store_true", help="to the copies that the hub lays")
    options, course = parser.parse_args(arguments), address.present_address()
    try:
        for path in [*exercises(), *notebooks()]:
            name = path.relative_to(ROOT).as_posix()
            made = link(options.hub, course, name, options.branch, options.copies)
            print(f"- [{path.stem}]({made})")
    except ValueError as problem:
        print(f"links: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
