"""Large classes: every file has a fate, in little time and memory; killed, the same in the end."""

import json
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import time
import zipfile
from collections import Counter
from contextlib import closing, suppress

import psutil
from handed_in import answered, in_bytes, released
from quickly_graded import NAME, grade, points_of, without_boxes

from grading import collect, files
from grading.roster import Student

COUNT = 200
KILLED = 70  # students of the class whose grader is killed
WRONG = "def readers(size, **more):\n    return [0] * size"


def students():
    return [Student(f"s{at:03}", f"Student{at:03} Of{at:03}", "") for at in range(COUNT)]


def export(place, count=COUNT, pad=0):
    """A Moodle export: of 200 six are nobody's and four unreadable; and text companions."""
    notebooks = [in_bytes(answered()), in_bytes(answered(readers=WRONG)), in_bytes(released())]
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, student in enumerate(students()[:count]):
            name = f"Participant {at}" if at >= 194 else student.name
            folder = f"{name}_{5000 + at}_assignsubmission_file_"
            content = notebooks[at % 3]
            if at in (3, 50, 70, 90):
                content = [b"", b"%PDF-1.7", b"{", in_bytes(released("ex03"))][at % 4]
            archive.writestr(f"{folder}/my ex02.ipynb", content + b" " * pad)
            archive.writestr(f"{folder[:-5]}onlinetext_/onlinetext.html", "<p>see the file</p>")


def write_list(path):
    lines = [f"{student.id},{student.name}" for student in students()]
    path.write_text("\n".join(["id,name", *lines]) + "\n")


def test_every_file_has_a_fate_in_little_time(tmp_path):
    export(tmp_path / "export.zip", pad=200_000)
    began = time.process_time()
    found = collect.collect(tmp_path / "export.zip", NAME, students())
    spent = time.process_time() - began
    assert len(found.submissions) == COUNT and len(found.fates) == 2 * COUNT
    fates = Counter(found.fates.values())
    matched = sum(one.matched for one in found.submissions)
    assert matched == 194 and fates["of the platform"] == COUNT
    assert fates["graded"] + fates["unmatched, graded"] + fates["unreadable"] == COUNT
    assert len({one.file for one in found.submissions}) == COUNT
    assert len(found.missing) == 6
    # CPU, not the clock; on an idle machine it takes a fifth of this.
    assert spent < 5, spent


def one_run(place):
    """A grader in a process of its own, which may be killed; it says how much memory it took.

    A fork begins with all that the tests before it have imported: that is not the grader's.
    """
    import pytest

    os.setpgrp()
    inherited = psutil.Process().memory_info().rss // 1000
    with pytest.MonkeyPatch.context() as patched:
        without_boxes(patched)
        results = grade(place / "export.zip", place / "class.csv", place / "graded")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - inherited
    points = {student: points_of(result) for student, result in results.items()}
    files.write_json(place / "done.json", {"memory": memory, "points": points})


def entered(place):
    """How many submissions the gradebook holds."""
    with suppress(sqlite3.Error):
        address = f"file:{place / 'graded' / 'gradebook.db'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as gradebook:
            (count,) = gradebook.execute("select count(*) from submitted_assignment").fetchone()
            return count
    return 0


# At which a grader is killed: while it grades, enters points, and writes feedback.
MOMENTS = (
    lambda place: len(list((place / "graded").glob("results/*/*.json"))) >= 20,
    lambda place: entered(place) >= 10,
    lambda place: len(list((place / "graded").glob("feedback/*/*.html"))) >= 20,
)


def run(place, is_time=lambda place: False):
    """Start one, and kill it when it is time; what it came to, if it came so far."""
    process = multiprocessing.get_context("fork").Process(target=one_run, args=(place,))
    process.start()
    while process.is_alive():
        if is_time(place):
            os.kill(process.pid, signal.SIGKILL)
        process.join(0.02)
    return files.read_json(place / "done.json")


def test_killed_at_three_moments_it_comes_to_the_same(tmp_path, monkeypatch):
    without_boxes(monkeypatch)  # computes the right answers once, for the processes to inherit
    places = [tmp_path / "whole", tmp_path / "killed"]
    export(tmp_path / "export.zip", KILLED)
    for place in places:
        place.mkdir()
        shutil.copy(tmp_path / "export.zip", place / "export.zip")
        write_list(place / "class.csv")
    whole = run(places[0])
    for is_time in MOMENTS:
        assert run(places[1], is_time) is None
    again = run(places[1])
    assert again["points"] == whole["points"] and len(whole["points"]) == KILLED
    assert whole["memory"] < 800_000, "kilobytes: the grader itself, without the boxes"
    tables = [(place / "graded" / "reports" / NAME / "grades.csv").read_bytes() for place in places]
    assert tables[0] == tables[1]
    assert json.loads((places[1] / "graded" / "reports" / NAME / "collection.json").read_text())
