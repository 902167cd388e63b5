"""Ruff's form and ruff's rules, for the package, the tests, the tools and the notebooks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("question", [["check"], ["format", "--check"]], ids=["rules", "form"])
def test_ruff_has_nothing_to_say(question):
    command = [sys.executable, "-m", "ruff", *question, "--no-cache", "."]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


# Folders of somebody's machine, and where packages come from: neither belongs into the course.
ELSEWHERE = re.compile(
    r"(?<![\w.:/~}])/(?:home|root|work|Users|opt|mnt)/\w|(?:pypi|pythonhosted|registry)\.\w+\.?\w*"
)


def test_no_file_names_a_machine_or_a_registry():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    texts = [
        ROOT / name
        for name in listed.stdout.split("\0")
        if name and not name.endswith((".png", ".h5")) and (ROOT / name).is_file()
    ]
    assert len(texts) > 40
    mine = Path(__file__).name
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in texts
        if path.name not in (mine, "test_notebooks.py")
        for match in ELSEWHERE.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found, found
    assert ELSEWHERE.search("in /home/somebody/course") and ELSEWHERE.search("https://pypi.org")


def test_ruff_looks_at_notebooks_too():
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "--no-cache", "."]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "04_lenet.ipynb" in answer.stdout
