"""Take the upper ends of the ranges in `pyproject.toml` away: for trying the next versions.

python tools/widen.py       the weekly workflow calls it; never commit what it leaves
"""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
UPPER_END = re.compile(r'^(    "[\w-]+(?:>=[\d.]+)?),?<[\d.]+"', re.MULTILINE)


def widened(text):
    """The text of pyproject.toml with `keras>=3.13` in place of `keras>=3.13,<3.16`."""
    return UPPER_END.sub(r'\1"', text)


if __name__ == "__main__":
    text = widened(PROJECT.read_text(encoding="utf-8"))
    PROJECT.write_text(text, encoding="utf-8", newline="\n")
