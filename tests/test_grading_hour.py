"""An hour of an instructor: release, collect a few, grade, read in formgrader, give back."""

import csv
import io
import subprocess
import zipfile
from pathlib import Path

import lab as lab_tools
import pytest
from conftest import NEEDED, ROOT, copy_of_course, shell_of_learner
from handed_in import answered, cell_of, in_bytes, released

NAME = "ex02_output_size"
SHOTS = ROOT / "build" / "screenshots"
NAMES = [f"Student{number:02} Müller" for number in range(8)]
WRONG = "def readers(size, kernel, padding=0):\n    return [kernel] * size"


def export(path):
    """A zip as Moodle makes it: one student answered in words, two sent nonsense, one nothing."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(NAMES):
            if number == 7:
                continue
            notebook = answered(written=number < 3, readers=WRONG) if number % 3 else answered()
            if number == 0:
                notebook = answered(written=True)
                cell_of(notebook, "explain")["source"] = (
                    "Ten layers take 40 pixels: **24** are left."
                )
            content = in_bytes(released() if number == 5 else notebook)
            content = b"no notebook" if number == 6 else content
            folder = f"{name}_{5000 + number}_assignsubmission_file_"
            archive.writestr(f"{folder}/Copy of {NAME}.ipynb", content)


@pytest.fixture(scope="module")
def course(bubblewrap, tmp_path_factory):
    """A copy of the course with the instructor's files, in a place with a hard name."""
    stamp = ROOT / ".venv" / "course.json"
    assert stamp.exists(), "this test needs the course's own .venv: run it with make test"
    place = tmp_path_factory.mktemp("instructor")
    course = copy_of_course(place, *NEEDED, "exercises", "grading")
    (course / ".venv").symlink_to(ROOT / ".venv")
    (course / "class.csv").write_text(
        "id,name\n" + "".join(f"s{number:02},{name}\n" for number, name in enumerate(NAMES)),
        encoding="utf-8",
    )
    export(course / "all submissions.zip")
    return course


def make(course, *words):
    done = subprocess.run(
        ["make", *words], cwd=course, env=shell_of_learner(), capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def grades(course):
    text = (course / "graded" / "reports" / NAME / "grades.csv").read_text(encoding="utf-8-sig")
    return {row["student"]: row for row in csv.DictReader(io.StringIO(text))}


def read_in_formgrader(course, browser, settings):
    """Give two points and a comment to the first student's written answer, by keyboard."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    server = lab_tools.serving(
        lambda options: ["make", "review", f"LAB_ARGS={' '.join(options)}"],
        folder=course,
        settings=settings,
        env=shell_of_learner(),
    )
    with server as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/formgrader/gradebook/{NAME}/{NAME}")
        page.wait_for_selector("text=Submission #1")
        waiting = page.locator("tr", has=page.locator("td.needs-manual-grade .glyphicon-ok"))
        assert waiting.count() == 3
        first = waiting.filter(has_text="Student00")
        first.locator("a.name-hidden").click()  # 'Submission #3': formgrader hides who it is
        page.wait_for_selector("#explain")
        page.locator("#explain").scroll_into_view_if_needed()
        with page.expect_response(lambda reply: "/api/grade/" in reply.url):
            page.locator("#explain").fill("2")
            page.keyboard.press("Tab")
        with page.expect_response(lambda reply: "/api/comment/" in reply.url):
            page.locator("#explain-comment").fill("Right, but what does it cost?")
            page.keyboard.press("Tab")
        page.locator("#explain").scroll_into_view_if_needed()
        page.mouse.wheel(0, -260)
        page.wait_for_timeout(300)
        page.screenshot(path=SHOTS / "formgrader.png")
        page.close()


def test_an_hour(course, browser, tmp_path):
    before = (course / "exercises" / "release" / NAME / f"{NAME}.ipynb").read_bytes()
    assert f"exercises/release/{NAME}" in make(course, "release", "EXERCISE=ex02")
    assert (course / "exercises" / "release" / NAME / f"{NAME}.ipynb").read_bytes() == before

    said = make(
        course, "grade", "EXERCISE=ex02", "SUBMISSIONS=all submissions.zip", "ROSTER=class.csv"
    )
    assert "7 of 7" in said and "3 written answers are to be read: make review" in said
    table = grades(course)
    assert len(table) == 8
    statuses = [table[f"s{number:02}"]["status"] for number in range(8)]
    assert statuses[:3] == ["needs manual grading"] * 3
    assert statuses[3:5] == ["graded"] * 2
    assert statuses[5:] == ["untouched", "unreadable", "not handed in"]
    assert (table["s00"]["points"], table["s01"]["points"], table["s03"]["points"]) == (
        *("16", "14"),
        "16",
    )

    read_in_formgrader(course, browser, tmp_path)
    make(course, "report", "EXERCISE=ex02")
    row = grades(course)["s00"]
    assert (row["explain points"], row["points"], row["status"]) == ("2", "18", "graded")
    folder = course / "graded" / "feedback" / NAME
    feedback = (folder / "s00.html").read_text(encoding="utf-8")
    assert "18 of 19 points" in feedback and "Right, but what does it cost?" in feedback
    assert len(list(folder.glob("*.html"))) == 7

    # A late submission comes in, by itself: only it is graded, and what was read stays.
    with zipfile.ZipFile(course / "late.zip", "w") as archive:
        late = f"{NAMES[7]}_5007_assignsubmission_file_/late.ipynb"
        archive.writestr(late, in_bytes(answered()))
    said = make(course, "grade", "EXERCISE=ex02", "SUBMISSIONS=late.zip", "ROSTER=class.csv")
    assert "1 of 1: s07, 16 of 16 points" in said
    table = grades(course)
    assert len(table) == 8
    assert (table["s07"]["points"], table["s00"]["points"]) == ("16", "18")

    page = browser.new_page(viewport={"width": 1000, "height": 1100})
    for name, path in (
        ("class", course / "graded" / "reports" / NAME / "class.html"),
        ("feedback", folder / "s01.html"),
    ):
        page.goto(Path(path).as_uri())
        page.screenshot(path=SHOTS / f"{name}.png")
    page.close()
