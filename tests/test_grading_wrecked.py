"""Classes of honest submissions beside what might wreck them: theirs stay exact.

Nobody's file may cost another points, time or place, whatever it is: the grader reads, mends and
runs all of them here as it does for an instructor.
"""

import os
import zipfile
from itertools import islice

import pytest
from handed_in import answered, in_bytes, own_cell, released
from quickly_graded import points_of, without_pictures
from run_once import equal_boxes_once

from grading import archives, batch, files

HONEST = """id,name,email
s1,Ada Lovelace,ada@example.org
s2,Bob Miller,bob@example.org
li1,Wei Li,li1@example.org
li2,Wei Li,li2@example.org
"""
# Who sends what might wreck the class: one or two of them for each way.
OTHERS = ("Mal Lory", "Nel Orr", "Ida Kern", "Tom Busch", "Eva Prinz", "Kai Wolter", "Lea Sommer",
          "Jan Huber", "Uta Falk", "Max Zander")  # fmt: skip
WRONG = "def readers(size, **more):\n    return [0] * size"


def folder_of(name):
    """Where Moodle puts what one of the others hands in."""
    return f"{name}_{70 + OTHERS.index(name)}_assignsubmission_file_"


def id_of(name):
    return name.split()[0].lower()


def put(place, path, content):
    """A file of the export; a notebook where `content` is none in bytes."""
    path = place / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else in_bytes(content))
    return path


def zipped(place, path, contents, method=zipfile.ZIP_DEFLATED):
    """A zip of the export, made of names and what they hold."""
    path = place / path
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


# --- What might wreck a class, and what becomes of whoever sent it --------------------------------
# Each takes the names of those who send it, and gives what is expected for each of their ids.


def impostors(place, monkeypatch, mal, nel):
    """Files that are named after somebody else, with a later time in the name."""
    wrong = answered(readers=WRONG, output_size="output_size = 3")
    put(place, f"{folder_of(mal)}/Ada Lovelace.ipynb", wrong)
    put(place, f"{folder_of(nel)}/x bob@example.org 2099-01-01 00-00.ipynb", wrong)
    return {id_of(mal): 10, id_of(nel): 10}


def projects_with_a_venv(place, monkeypatch, mal, nel):
    """The whole folder of the course, with some 12,000 files that are no work."""
    for folder in map(folder_of, (mal, nel)):
        junk = {f"course/.venv/lib/{number}.py": "" for number in range(12_000)}
        zipped(place, f"{folder}/course.zip", junk | {"course/ex02.ipynb": in_bytes(answered())})
    return {id_of(mal): 16, id_of(nel): 16}


def a_damaged_lzma(place, monkeypatch, mal):
    """A zip of a rare method, with 60 of its bytes inverted."""
    contents = {"ex02.ipynb": in_bytes(answered())}
    path = zipped(place, f"{folder_of(mal)}/a.zip", contents, zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(255 - byte for byte in content[200:260])
    path.write_bytes(content)
    return {id_of(mal): "damaged"}


def two_of_one_name(place, monkeypatch):
    """Two students of one name: neither is the other, and both are graded."""
    for number in (10101, 10102):
        put(place, f"Wei Li_{number}_assignsubmission_file_/ex02.ipynb", answered())
    return {"unmatched-wei-li-10101": 16, "unmatched-wei-li-10102": 16}


def a_zip_of_two_exercises(place, monkeypatch, mal):
    """This exercise, and another that was saved later."""
    contents = {"ex02.ipynb": in_bytes(answered()), "ex03.ipynb": in_bytes(released("ex03"))}
    path = zipped(place, f"{folder_of(mal)}/all.zip", {})
    with zipfile.ZipFile(path, "w") as archive:
        for day, (name, content) in enumerate(contents.items(), start=1):
            archive.writestr(zipfile.ZipInfo(name, (2026, 5, day, 12, 0, 0)), content)
    return {id_of(mal): 16}


def what_cannot_be_read(place, monkeypatch, mal, nel):
    """A file and a folder that belong to somebody else; root, who may read all, is told so."""
    put(place, f"{folder_of(mal)}/ex02.ipynb", answered())
    put(place, f"{folder_of(nel)}/ex02.ipynb", answered())
    read, scan = archives.read_file, os.scandir

    def refuses(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(archives, "read_file", lambda path, *more: (
        refuses(path) if folder_of(mal) in str(path) else read(path, *more)))  # fmt: skip
    monkeypatch.setattr(archives.os, "scandir", lambda path: (
        refuses(path) if str(path).endswith(folder_of(nel)) else scan(path)))  # fmt: skip
    return {id_of(mal): "Permission denied", id_of(nel): "Permission denied"}


def what_unpacks_without_end(place, monkeypatch, mal, nel):
    """Notebooks of nothing but zeros, just small enough each, and larger ones packed by bzip2."""
    large = {f"{number}.ipynb": bytes(24_900_000) for number in range(6)}
    zipped(place, f"{folder_of(mal)}/a.zip", large)
    larger = {f"{number}.ipynb": bytes(26_000_000) for number in range(6)}
    zipped(place, f"{folder_of(nel)}/b.zip", larger, zipfile.ZIP_BZIP2)
    return {id_of(mal): "", id_of(nel): "larger than 25 MB"}


def as_many_threads_as_there_can_be(place, monkeypatch, mal, nel):
    """Threads without end in one box, a pool of processes in the next."""
    bomb = """import threading, time
try:
    while True: threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
except RuntimeError: time.sleep(3)"""
    pool = """import multiprocessing
with multiprocessing.get_context("fork").Pool(8) as workers:
    assert workers.map(abs, range(-8, 0)) == list(range(8, 0, -1))
"""
    hostile, honest = answered(), answered()
    hostile["cells"].insert(6, own_cell(bomb))
    source = next(cell for cell in honest["cells"] if cell["id"] == "readers")
    source["source"] = pool + source["source"]
    put(place, f"{folder_of(mal)}/ex02.ipynb", hostile)
    put(place, f"{folder_of(nel)}/ex02.ipynb", honest)
    return {id_of(nel): 16}


def what_keeps_a_parser_busy(place, monkeypatch, mal, nel):
    """A cell without an id that Python's parser takes minutes for, and a file of 20 MB."""
    notebook = answered()
    for cell in notebook["cells"]:
        cell["id"], cell["metadata"] = "", {}
    busy = "(" * 190 + "1" + ")" * 190 + "\n"
    notebook["cells"].append(own_cell(busy * 700, "own-0"))
    put(place, f"{folder_of(mal)}/ex02.ipynb", notebook)
    large = answered()
    large["metadata"]["widgets"] = "x" * 20_000_000
    put(place, f"{folder_of(nel)}/ex02.ipynb", large)
    return {id_of(nel): 16}


# The files that are hard to read all come in one class; what is hard to run has one of its own.
FILES = {
    impostors: 2,
    projects_with_a_venv: 2,
    a_damaged_lzma: 1,
    two_of_one_name: 0,
    a_zip_of_two_exercises: 1,
    what_cannot_be_read: 2,
    what_unpacks_without_end: 2,
}
CLASSES = {
    "files": FILES,
    "threads": {as_many_threads_as_there_can_be: 2},
    "parser": {what_keeps_a_parser_busy: 2},
}


@pytest.mark.parametrize("wreckings", CLASSES.values(), ids=CLASSES)
def test_honest_work_stays_exact(bubblewrap, tmp_path, monkeypatch, wreckings):
    without_pictures(monkeypatch)
    equal_boxes_once(monkeypatch)
    place = tmp_path / "handed in"
    put(place, "Ada Lovelace_5_assignsubmission_file_/my notebook.ipynb", answered())
    put(place, "Bob Miller_6_assignsubmission_file_/ex02.ipynb", answered(readers=WRONG))
    names, expected = iter(OTHERS), {}
    for wrecking, count in wreckings.items():
        expected |= wrecking(place, monkeypatch, *islice(names, count))
    listed = "".join(f"{id_of(name)},{name},{id_of(name)}@example.org\n" for name in OTHERS)
    (tmp_path / "list.csv").write_text(HONEST + listed, encoding="utf-8")
    files.write_atomically(tmp_path / "graded" / "secret_seed", "20261126\n")
    found = batch.grade("ex02", place, tmp_path / "list.csv", tmp_path / "graded",
                        batch.Options(seconds=10), lambda line: None)  # fmt: skip
    for student, points in (("s1", 16), ("s2", 14)):
        assert (points_of(found[student]), found[student].status) == (points, "graded")
        assert found[student].matched and not found[student].earlier
    for student, wanted in expected.items():
        result = next(one for name, one in found.items() if name.startswith(student))
        if isinstance(wanted, str):
            assert result.status == "unreadable" and wanted in result.problem
        else:
            assert points_of(result) == wanted, result
