"""The bench's definitions, with a clock of our own: how fast this machine is, is not asserted."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course_utils import devices

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


def test_training_is_compared_in_turns_and_by_medians(bench, monkeypatch, capsys):
    """With rates of our own; nothing is trained."""
    turns = []
    rates = {"pytorch": [90, 100, 5], "keras": [70, 50, 60], "ours": [120, 110, 999]}

    def measured(name, framework, precision):
        turns.append((name, framework, precision))
        return [rate * (2 if precision == "mixed_bfloat16" else 1) for rate in rates[framework]]

    monkeypatch.setattr(bench, "images_per_second", measured)
    monkeypatch.setattr(bench, "matrix_peak", lambda: 1e12)
    monkeypatch.setattr(bench.bench_training, "check_parameters", lambda name: None)
    monkeypatch.setattr(devices, "processor_flags", lambda: {"avx512_bf16"})
    monkeypatch.setattr(bench, "installed", lambda package: True)
    rows = {row.name: row for row in bench.bench_train(rounds=2)}
    assert [turn[1] for turn in turns[:6]] == ["pytorch", "keras", "ours"] * 2
    assert rows["train.resnet20.images_per_second"].value == 120
    assert rows["train.resnet20.vs_pytorch"].value == pytest.approx(120 / 90)
    assert rows["train.resnet20.vs_keras"] == ("train.resnet20.vs_keras", 2, "at least 1.4")
    assert rows["train.vgg_small.bfloat16.vs_float32"].value == 2
    work = 3 * 2 * 40_551_040 * 120 / 1e12
    assert rows["train.resnet20.fraction_of_peak"].value == pytest.approx(work)
    for name in ("lenet5_modern", "alexnet_small", "vgg_small", "resnet20"):
        assert rows[f"train.{name}.vs_pytorch"].bar == "at least 1"

    monkeypatch.setattr(bench, "installed", lambda package: False)
    names = {row.name for row in bench.bench_train(rounds=1)}
    assert "train.resnet20.vs_keras" in names
    assert not [name for name in names if "pytorch" in name]  # nothing is made up
    assert "PyTorch is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("framework", ["keras", "ours"])
def test_a_training_is_timed_by_its_epochs(bench, framework, monkeypatch, capsys):
    """On fewer images, and in the process of the test."""
    from course_utils import models

    small = {"lenet5_modern": ("lenet5_modern", (28, 28, 1), 256)}
    monkeypatch.setattr(bench.bench_training, "NETWORKS", small)
    monkeypatch.setattr(models.PadShortcut, "call", models.PadShortcut.call)  # it comes back
    bench.bench_training.main("lenet5_modern", framework, "float32")
    rates = json.loads(capsys.readouterr().out)
    assert len(rates) == 3 and min(rates) > 0


def test_a_process_that_fails_ends_the_bench_and_says_why(bench):
    with pytest.raises(SystemExit, match="(?s)lenet5_modern by jax failed:.*KeyError: 'jax'"):
        bench.images_per_second("lenet5_modern", "jax", "float32")


def test_a_missed_bar_is_said(bench):
    assert bench.verdict(bench.Row("a", 0.99, "at least 1")) == " (missed)"
    assert bench.verdict(bench.Row("a", 1.0, "at least 1")) == ""
    assert bench.verdict(bench.Row("a", 3.01, "at most 3")) == " (missed)"
    assert bench.verdict(bench.Row("a", 2.9, "at most 3")) == ""
    assert bench.verdict(bench.Row("a", 7)) == ""


def test_conv2d_still_decides_how_many_threads_numpy_has(bench):
    """The number is read at NumPy's import: nothing that the bench imports may come before."""
    code = "import sys; sys.path.insert(0, 'tools'); import bench; print('numpy' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert next(iter(bench.PARTS)) == "conv2d"


def test_no_framework_gets_a_gpu_that_the_others_have_not(bench, monkeypatch):
    seen = {}

    def run(command, env, **options):
        seen.update(env)
        return subprocess.CompletedProcess(command, 0, "[1.0, 2.0]\n", "")

    monkeypatch.setattr(bench.subprocess, "run", run)
    assert bench.images_per_second("resnet20", "ours", "float32") == [1, 2]
    assert seen["CUDA_VISIBLE_DEVICES"] == "-1"


def test_a_table_for_a_page(bench):
    rows = [bench.Row("walk.vs_run", 0.5, "at least 1"), bench.Row("walk.seconds", 2)]
    lines = bench.markdown("a machine", rows).splitlines()
    assert lines[2:4] == [
        "| `walk.vs_run` | 0.5 | at least 1 (missed) |",
        "| `walk.seconds` | 2 |  |",
    ]
    assert lines[-1] == "a machine"


def test_ratios_are_drawn(bench, tmp_path):
    rows = [bench.Row("train.a.vs_b", 1.3, "at least 1"), bench.Row("train.a.vs_c", 0.7)]
    assert bench.draw(rows, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 5000
    assert not bench.draw([bench.Row("walk.seconds", 2)], tmp_path / "none.png")
