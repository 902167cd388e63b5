"""The grader may be killed at any moment, and does the rest when it is started again."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from handed_in import answered, in_bytes
from quickly_graded import without_pictures

from grading import batch, files

ROOT = Path(__file__).parents[1]
COUNT = 3  # submissions
WRONG = "def readers(size, **more):\n    return [0] * size"


def command(place, folder):
    """How an instructor starts it."""
    words = [sys.executable, "-m", "grading", "grade", "ex02", place / "submissions"]
    return [*words, "--folder", folder, "--seconds", "10"]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """What is graded in this process is looked at as grades: nobody looks at the class page."""
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def handed_in(bubblewrap, tmp_path_factory):
    """A folder of submissions, with different points each."""
    place = tmp_path_factory.mktemp("interrupted")
    for number in range(COUNT):
        path = place / "submissions" / f"student-{number}" / "ex02.ipynb"
        path.parent.mkdir(parents=True)
        changes = {"readers": WRONG} if number % 2 else {}
        path.write_bytes(in_bytes(answered(written=number == 2, **changes)))
    return place


def finish(place, folder):
    """Grade to the end, in this process; the grades, and what the grader said."""
    told = []
    options = batch.Options(seconds=10)
    batch.grade("ex02", place / "submissions", None, folder, options, told.append)
    return grades_in(folder), "\n".join(told)


def grades_in(folder):
    grades = folder / "reports" / "ex02_output_size" / "grades.csv"
    return grades.read_text(encoding="utf-8-sig")


def new_folder(place, name):
    """An instructor's folder whose secret seed is always the same."""
    folder = place / name
    folder.mkdir()
    (folder / "secret_seed").write_text("7\n")
    return folder


@pytest.fixture(scope="module")
def undisturbed(handed_in):
    """The folder of a run of the command that nobody kills."""
    folder = new_folder(handed_in, "undisturbed")
    done = subprocess.run(
        command(handed_in, folder), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("graded", range(COUNT))
def test_killed_when_so_many_are_graded_and_a_box_is_open(handed_in, undisturbed, graded):
    folder = new_folder(handed_in, f"killed-{graded}")
    grader = psutil.Popen(
        command(handed_in, folder),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(list(folder.glob("results/*/*.json"))) < graded or not grader.children():
        assert grader.poll() is None, "it has ended before it could be killed"
        time.sleep(0.01)
    boxes = [child for child in grader.children(recursive=True)
             if child.status() != psutil.STATUS_ZOMBIE]  # fmt: skip
    grader.kill()
    grader.wait()
    gone, alive = psutil.wait_procs(boxes, timeout=20)
    assert not alive, "a submission outlives its grader"

    done = {path: path.stat().st_mtime_ns for path in folder.glob("results/*/*.json")}
    grades, told = finish(handed_in, folder)
    assert grades == grades_in(undisturbed)
    for path, moment in done.items():
        assert path.stat().st_mtime_ns == moment, "graded twice"
    assert told.count("points") == COUNT - len(done)
    assert len(list(folder.glob("results/*/*.json"))) == COUNT
    assert not list(folder.rglob(".half-done-*"))
    book = sqlite3.connect(folder / "gradebook.db")
    assert book.execute("select count(*) from submitted_assignment").fetchone() == (COUNT,)
    book.close()


def test_an_interruption_is_answered_at_once_and_what_is_graded_stays(bubblewrap, tmp_path):
    """Two that are done, two that never end: the grader does not wait for their limit."""
    for number in range(4):
        endless = {"readers": "import time\ntime.sleep(100_000)"} if number > 1 else {}
        path = tmp_path / "submissions" / f"student-{number}" / "ex02.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(in_bytes(answered(**endless)))
    folder = new_folder(tmp_path, "stopped")
    words = [*command(tmp_path, folder)[:-1], "100000", "--workers", "4"]
    grader = subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test that runs in the background inherits that nobody may interrupt it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    done = []
    for line in grader.stdout:
        done += [line] if " of 4: " in line else []
        if len(done) == 2:
            break
    boxes = psutil.Process(grader.pid).children(recursive=True)
    grader.send_signal(signal.SIGINT)
    assert grader.wait(timeout=300) == 130
    assert "interrupted; what is graded is kept" in grader.stderr.read()
    gone, alive = psutil.wait_procs(boxes, timeout=60)
    assert not alive, "a submission outlives its grader"
    assert len(list(folder.glob("results/*/*.json"))) == 2


def test_two_graders_do_not_share_a_folder(handed_in):
    folder = new_folder(handed_in, "shared")
    with files.Folder(folder).prepare():
        done = subprocess.run(
            command(handed_in, folder), cwd=ROOT, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 1 and "another grader is at work" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_result_is_graded_anew(handed_in, undisturbed):
    folder = handed_in / "damaged"
    shutil.copytree(undisturbed, folder)
    path = folder / "results" / "ex02_output_size" / "student-2.json"
    path.write_text(path.read_text()[:100])
    grades, told = finish(handed_in, folder)
    assert grades == grades_in(undisturbed) and f"{COUNT - 1} are graded already" in told
    assert json.loads(path.read_text())["student"] == "student-2"


def test_a_dask_cluster_gives_the_same_grades(handed_in, undisturbed):
    from distributed import LocalCluster

    folder = new_folder(handed_in, "cluster")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        options = batch.Options(seconds=10, cluster=cluster.scheduler_address)
        batch.grade("ex02", handed_in / "submissions", None, folder, options, lambda line: None)
    assert grades_in(folder) == grades_in(undisturbed)
