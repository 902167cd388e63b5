"""The bench's definitions, with a clock of our own: how fast this machine is, is not asserted."""

import importlib.util
import json
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("bench", ROOT / "tools" / "bench.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "build" / "bench.json")
    return module


def test_a_ratio_is_median_against_median(bench):
    now = 0.0

    def takes(*durations):
        calls = iter(durations)

        def work():
            nonlocal now
            now += next(calls)

        return work

    slow, fast = bench.times_of(
        takes(6, 6, 600, 6), takes(2, 2, 2, 0), rounds=2, calls=2, clock=lambda: now
    )
    assert (slow, fast) == ([6, 6, 600, 6], [2, 2, 2, 0])
    assert bench.ratio(slow, fast) == 3


def test_the_results_are_flat_and_only_keeps_the_rest(bench, monkeypatch, capsys):
    numbers = iter([1.25, 2, 3, 4, 5])
    monkeypatch.setattr(
        bench,
        "PARTS",
        {
            "walk": lambda: iter([bench.Row("walk.seconds", next(numbers), "at most 2")]),
            "run": lambda: [bench.Row("run.a.vs_b", next(numbers))],
        },
    )
    bench.main([])
    assert json.loads(bench.RESULTS.read_text()) == {"walk.seconds": 1.25, "run.a.vs_b": 2.0}
    bench.main(["--only", "run"])
    assert json.loads(bench.RESULTS.read_text()) == {"walk.seconds": 1.25, "run.a.vs_b": 3.0}
    bench.main(["--only", "walk,run"])
    assert json.loads(bench.RESULTS.read_text()) == {"walk.seconds": 4.0, "run.a.vs_b": 5.0}
    assert "at most 2" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        bench.main(["--only", "swim"])
    assert "choose from walk, run" in capsys.readouterr().err


def test_a_notebook_is_measured_with_its_memory_and_not_changed(bench, tmp_path, monkeypatch):
    cell = nbformat.v4.new_code_cell("held = b'x' * 300_000_000; del held; import this_folder")
    (tmp_path / "this_folder.py").write_text("")
    path = tmp_path / "07_tiny.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    before = path.read_bytes()
    monkeypatch.setattr(bench, "NOTEBOOKS", tmp_path)
    seconds, megabytes = bench.bench_notebook()
    assert seconds.name == "notebook.07_tiny.seconds" and seconds.value > 0
    assert megabytes.name == "notebook.07_tiny.peak_mb" and 300 < megabytes.value < 900
    assert path.read_bytes() == before
