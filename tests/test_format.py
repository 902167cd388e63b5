"""Ruff's form and ruff's rules, for the package, the tests, the tools and the notebooks."""

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


def test_ruff_looks_at_notebooks_too():
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "--no-cache", "."]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "04_lenet.ipynb" in answer.stdout
