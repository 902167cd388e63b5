"""The lock of Colab's versions, renewed from a list as Google publishes it."""

import importlib.util
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("colab_today", ROOT / "tools" / "colab_today.py")
TOOL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TOOL)

LOCK = """# As Google published them in August 2026 (Python 3.13).
ml_dtypes==0.6.0
tensorflow==2.20.0

pytest==9.2.0
"""
FREEZE = """absl-py==1.4.0
ml-dtypes==0.7.1
pytest==8.0.0
tensorflow==2.21.0+cpu
torch @ https://download.example/torch.whl
"""


def test_the_versions_of_colab_are_renewed_and_ours_stay():
    new = TOOL.renewed(LOCK, FREEZE, "May 2027")
    assert new == LOCK.replace("0.6.0", "0.7.1").replace("2.20.0", "2.21.0").replace(
        "August 2026", "May 2027"
    )
    assert TOOL.differences(LOCK, new) == [
        "ml_dtypes: 0.6.0 is 0.7.1 now",
        "tensorflow: 2.20.0 is 2.21.0 now",
    ]


def test_a_list_of_something_else_is_refused():
    with pytest.raises(ValueError, match="no ml_dtypes, tensorflow"):
        TOOL.renewed(LOCK, "<html>Not found</html>")


def test_the_courses_own_lock_can_be_renewed(tmp_path, monkeypatch, capsys):
    text = TOOL.LOCK.read_text(encoding="utf-8")
    assert TOOL.renewed(text, text) == text, "an equal list changes nothing"
    copy, freeze = tmp_path / "colab.lock", tmp_path / "pip-freeze.txt"
    copy.write_text(text)
    freeze.write_text(text.replace("numpy==2.", "numpy==3."))
    monkeypatch.setattr(TOOL, "LOCK", copy)
    assert TOOL.main([str(freeze), "--check"]) == 1 and copy.read_text() == text
    assert TOOL.main([str(freeze)]) == 0 and "numpy==3." in copy.read_text()
    assert "numpy: 2." in capsys.readouterr().out
    assert TOOL.main([str(tmp_path / "nothing.txt")]) == 1
    assert capsys.readouterr().err.startswith("colab: ")


def test_versions_outside_the_courses_ranges_are_named():
    project = '[project]\ndependencies = ["ml-dtypes>=0.5,<0.6", "tensorflow>=2.20"]'
    assert TOOL.refused(LOCK, project) == [
        "pyproject.toml wants ml-dtypes<0.6,>=0.5, Colab has 0.6.0"
    ]
    assert TOOL.main(["--ranges"]) == 0, "the committed lock is within them"


def test_a_workflow_does_it_every_week():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "colab.yml").read_text())
    assert workflow[True]["schedule"], "yaml reads the key `on` as true"
    (job,) = workflow["jobs"].values()
    steps = [step.get("run", "") for step in job["steps"]]
    order = [any(words in step for step in steps) for words in ("colab_today.py", "test-colab")]
    assert all(order) and job["container"] == "python:3.13-bookworm"
