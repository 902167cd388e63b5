"""A diff of notebooks that a person can read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOL = ROOT / "tools" / "notebook_text.py"
NOTEBOOK = ROOT / "notebooks" / "01_convolution.ipynb"


def test_git_shows_a_change_as_its_words(tmp_path):
    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    (tmp_path / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    git("init", "--quiet")
    git("config", "diff.notebook.textconv", f'"{sys.executable}" "{TOOL}"')
    git("add", ".")
    git("commit", "--quiet", "--message", "before")
    notebook["cells"][0]["source"].append("\nA new sentence.")
    picture = next(
        output
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    )
    picture["data"]["image/png"] = "AAAA"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    shown = git("diff").splitlines()
    changed = [line for line in shown if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert "+A new sentence." in changed and "+[image/png, 4 bytes]" in changed
    assert len(changed) <= 4 and max(map(len, shown)) < 2_000


def test_what_is_no_notebook_is_shown_as_it_is(tmp_path):
    path = tmp_path / "half a merge.ipynb"
    path.write_text("<<<<<<< ours", encoding="utf-8")
    done = subprocess.run([sys.executable, TOOL, path], capture_output=True, text=True, check=True)
    assert done.stdout == "<<<<<<< ours\n"


@pytest.mark.parametrize(
    ("tool", "names"),
    [
        ("notebook_text", []),
        ("notebook_text", ["not there.ipynb"]),
        ("execute", ["not there.ipynb"]),
    ],
)
def test_a_name_that_leads_to_nothing_is_a_sentence(tmp_path, tool, names):
    command = [sys.executable, TOOL.with_name(f"{tool}.py"), *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith(f"{tool}: ")
    assert ("not there.ipynb" if names else "give it the name of one notebook") in line
