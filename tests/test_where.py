"""The page 'Where it runs': sixteen fields, and what each names is there."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "site" / "where.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| **")]
BINDER = 2000  # MB
NAMED = re.compile(r"`(test_[\w*]+\.py)(?:::(test_\w+))?`")


def test_there_are_sixteen_fields():
    assert [len(row) for row in ROWS] == [5] * 4
    assert all(len(field) > 20 for row in ROWS for field in row[1:])


def test_every_test_that_is_named_is_there():
    named = NAMED.findall(PAGE)
    assert len(named) >= 12
    for file, test in named:
        paths = list((ROOT / "tests").glob(file))
        assert paths, file
        if test:
            tree = ast.parse(paths[0].read_text(encoding="utf-8"))
            names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
            assert test in names, f"{file} has no {test}"


def test_every_file_and_job_that_is_named_is_there():
    for name in re.findall(r"`(\w+\.yml)`", PAGE):
        text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
        assert "make test-colab" in text or "tools/set_up.py" in text, name
    for name in re.findall(r"`((?:tools|site)/[\w.]+|notebooks/)`", PAGE):
        assert (ROOT / name).exists(), name
    assert re.search(r"^test-colab:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_test_colab_runs_notebooks_exercises_and_explorers():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ntest-colab:")[1]
    recipe = recipe.split("\n\n")[0]
    assert "notebooks" in recipe and "exercises/source" in recipe and "test_explorer_" in recipe
    assert "tests/test_explorers_in_classic.py" in recipe


def test_the_jobs_that_run_test_colab_have_a_browser():
    """In CI a browser that is missing is a failure, elsewhere a line that says so."""
    jobs = [
        job
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        if any("make test-colab" in step.get("run", "") for step in job["steps"])
    ]
    assert len(jobs) == 2
    for job in jobs:
        runs = [step.get("run", "") for step in job["steps"]]
        assert any("apt-get install" in run and "chromium" in run for run in runs)


def test_no_notebook_takes_more_than_binder_has():
    """Measured by `python tools/minutes.py --measure`, as a tree of processes."""
    kept = json.loads((ROOT / "site" / "seconds.json").read_text(encoding="utf-8"))
    if not kept["seconds"]:
        pytest.skip("no run has been recorded yet")
    assert set(kept["megabytes"]) == set(kept["seconds"])
    assert {name: size for name, size in kept["megabytes"].items() if size > BINDER} == {}
    missing = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} - set(kept["seconds"])
    assert not missing, f"no run was recorded of {sorted(missing)}"
