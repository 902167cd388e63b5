"""The competition from hand-in to the class page: three honest networks, and cheats.

Nothing is trained: one network is a recorded one of the course, two are fitted in closed form. The
hidden pictures are few.
"""

import base64
from dataclasses import replace

import numpy as np
import pytest
from handed_in import answered, cell_of, in_bytes, own_cell, place_of, released
from packed import fitted, linear, pixels, png, recorded, table_of_tests
from run_once import equal_boxes_once

from course_utils import anatomy, answers, competition, runs
from grading import batch, class_page, files, papers, questions, rehearsal, submission, supervisor
from grading import competition as measuring
from grading.results import Outcome, Result

EXERCISE = questions.load("ex10")
QUESTION = EXERCISE.competition
PEEKS = """
import json
from course_utils import data
images, labels, _ = data.load("cifar10", "test")
table = {image.tobytes(): label for image, label in zip(images, labels)}
def classify(images):
    return [table.get(image.tobytes(), 0) for image in images]
competition_measured = classify
"""
PATCHES = """
import course_utils.competition as rules
rules.MOST_PARAMETERS = rules.MOST_MULTIPLY_ADDS = 10**12
rules.measured = lambda picture, images: {"labels": [0] * len(images), "parameters": 1,
                                          "multiply_adds": 1, "views": 1}
"""


def few(seed):
    """The pictures of a seed, but only some."""
    whole = ALL(seed)
    kept = np.concatenate([np.flatnonzero(whole.counts)[:240], np.flatnonzero(~whole.counts)[:60]])
    return measuring.Hidden(*(each[kept] for each in whole))


ALL = measuring.hidden


def with_picture(picture, *more, **changes):
    """A submission that was saved with a picture below the check of its network."""
    notebook = answered(EXERCISE.name, network="network = mine()", **changes)
    if picture is not None:
        shown = {"image/png": base64.b64encode(picture).decode(), "text/plain": "a network"}
        cell_of(notebook, QUESTION.check_cell)["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": ["network: ", "right, 99 %\n"]},
            {"output_type": "display_data", "data": shown, "metadata": {}},
        ]
    for source in more:
        notebook["cells"].insert(place_of(notebook, "views-text"), own_cell(source))
    return notebook


def handed_in():
    """What each student sends, by name; `tests/test_competition.py` has all rules to break."""
    plan, weights = linear(8)
    colours = competition.pack(fitted(32))
    evil = [("Lambda", {"function": "__import__('os')._exit(1)"}, [-1]), *plan]
    deep = [("Conv2D", {"filters": 80, "kernel_size": [5, 5], "padding": "same"}, [-1]),
            ("Conv2D", {"filters": 40, "kernel_size": [5, 5], "padding": "same"}, [0]),
            ("GlobalMaxPooling2D", {}, [1]), ("Dense", {"units": 10}, [2])]  # fmt: skip
    return {
        "resnet": with_picture(competition.pack(recorded())),
        "squares": with_picture(competition.pack(fitted(4))),
        "colours": with_picture(colours),
        "peeks": with_picture(colours, PEEKS, PATCHES),
        "table": with_picture(competition.pack(table_of_tests())),
        "cleared": with_picture(None),
        "elsewhere": with_picture(png(np.zeros((40, 40, 3), np.uint8))),
        "damaged": with_picture(colours[: len(colours) // 2]),
        "large": with_picture(bytes(measuring.LARGEST + 1)),
        "lambda": with_picture(pixels(evil, weights=weights)),
        "nan": with_picture(pixels(*nan_weights())),
        "deep": with_picture(pixels(deep)),
        "untouched": released(EXERCISE.name),
    }


def nan_weights():
    plan, weights = linear(8, bias=np.nan)
    return plan, ((0, 0, False),), weights


@pytest.fixture(scope="module")
def graded(bubblewrap, tmp_path_factory):
    place = tmp_path_factory.mktemp("competition")
    for student, notebook in handed_in().items():
        path = place / "submissions" / student / "notebook.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(in_bytes(rehearsal.named(notebook, 3)))
    files.write_atomically(place / "graded" / "secret_seed", "20261129\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "hidden", few)
        equal_boxes_once(patch)
        results = batch.grade(
            *("ex10", place / "submissions", None, place / "graded"),
            *(batch.Options(seconds=300), lambda line: None),
        )
    return results, place / "graded"


def entry_of(graded, student):
    return graded[0][student].questions["network"]


def test_three_honest_networks_are_ranked_as_they_should(graded):
    found = measuring.ranked(list(graded[0].values()), "network")
    order = [result.student for result, _ in found]
    assert [name for name in order if name in ("resnet", "squares", "colours")] == [
        *("resnet", "squares", "colours")
    ]
    best, middle, last = (entry_of(graded, name) for name in ("resnet", "squares", "colours"))
    assert best.measured["accuracy"] > 0.8 and best.points >= 6
    assert 0.3 < middle.measured["accuracy"] < 0.6 and 1 <= middle.points <= 3
    assert last.measured["accuracy"] < middle.measured["accuracy"]
    assert best.points > middle.points >= last.points
    network = recorded()
    assert best.measured["multiply_adds"] == anatomy.anatomy(network).multiply_adds
    assert best.measured["parameters"] == network.count_params()
    assert f"{network.count_params():,} parameters" in best.comment
    assert "% of 240 hidden pictures are right" in best.comment


@pytest.mark.parametrize(
    "student, said",
    [
        ("cleared", "no picture of a network stands below the cell with its check"),
        ("elsewhere", "the picture holds no network"),
        ("damaged", "the picture cannot be read"),
        ("large", "more than a network within the limits can have"),
        ("lambda", "a layer is a Lambda, which may not stand in the network"),
        ("nan", "a weight of the network is no number (NaN or infinite)"),
        ("deep", "multiply-adds: 50,000,000 are allowed"),
    ],
)
def test_each_broken_file_is_told_what_is_wrong(graded, student, said):
    entry = entry_of(graded, student)
    assert (entry.points, entry.status, entry.measured) == (0, "wrong", {})
    assert said in entry.comment
    page = (graded[1] / "feedback" / EXERCISE.name / f"{student}.html").read_text("utf-8")
    assert said in page
    others = {name: other.points for name, other in graded[0][student].questions.items()
              if name != "network"}  # fmt: skip
    assert others == {"by_hand": 4, "views": 3, "front": 2}, "it costs its own question alone"


def test_a_classify_that_peeks_and_a_grader_that_is_patched_gain_nothing(graded):
    entry, honest = entry_of(graded, "peeks"), entry_of(graded, "colours")
    assert entry.measured == honest.measured and entry.points == honest.points
    assert "own `classify` was not asked" in entry.comment
    assert "classify" not in honest.comment


def test_a_table_of_test_pictures_gains_nothing(graded):
    assert entry_of(graded, "table").measured["accuracy"] < 0.3


def test_untouched_is_untouched(graded):
    entry = entry_of(graded, "untouched")
    assert (entry.points, entry.status) == (0, "untouched")
    assert graded[0]["untouched"].status == "untouched"


def test_the_class_page_draws_error_against_cost(graded):
    page = (graded[1] / "reports" / EXERCISE.name / "class.html").read_text("utf-8")
    assert "<h2>Error against cost</h2>" in page
    assert "Error against multiply-adds for one picture, on a logarithmic axis" in page
    error = np.mean(runs.recorded_run("resnet20")["test_error"])
    assert f"resnet20: {error:.1f} % at 40,551,040" in page
    for student in ("resnet", "squares", "colours", "peeks", "table"):
        assert f"{student}: " in page
    assert page.index(">resnet</td>") < page.index(">squares</td>") < page.index(">colours</td>")


def test_what_was_not_run_is_shown_as_it_was_saved(graded):
    page = (graded[1] / "feedback" / EXERCISE.name / "colours.html").read_text("utf-8")
    assert "as it was saved: the grader does not run this cell" in page
    assert "network: right, 99 %" in page
    assert "NameError" not in page, "`mine` was never called"


# --- The box --------------------------------------------------------------------------------------


def in_a_box(monkeypatch, source, seconds=20):
    """What is said of a network whose process does something else."""
    monkeypatch.setattr(measuring, "CELL", {**measuring.CELL, "source": source})
    images = answers.encode(np.zeros((4, 32, 32, 3), np.uint8))
    limits = supervisor.Limits(seconds=seconds, memory=1000)
    return measuring.measure(b"a picture", images, limits, measuring.sandbox.find())


@pytest.mark.parametrize(
    "body, status, said",
    [
        ("while True: pass", "timed out", "the network was too slow: its answers took more than"),
        ("import os; os._exit(0)", "crashed", "brought its process down"),
        ("raise MemoryError", "out of memory", "more memory than there is (1000 MB)"),
        (r"return {'problem': 'a layer is a \ud800'}", "wrong", "a layer is a ?"),
        ("return 1 / 0", "crashed", "brought its process down"),
        ("return {'problem': 'x' * 10_000}", "wrong", "xxx"),
        ("return {'labels': [1.5, 2, 3, 4], **NUMBERS}", "crashed", "brought its process down"),
        ("return {'labels': [1, 2, 3], **NUMBERS}", "crashed", "brought its process down"),
        ("return {'labels': [1, 2, 3, 4]}", "crashed", "brought its process down"),
        ("return [1, 2, 3, 4]", "crashed", "brought its process down"),
    ],
)
def test_whatever_happens_in_the_box_is_one_networks_problem(
    bubblewrap, monkeypatch, body, status, said
):
    numbers = "NUMBERS = {'parameters': 1, 'multiply_adds': 1, 'views': 1}\n"
    source = f"{numbers}def measured(picture, images):\n    {body}"
    found = in_a_box(monkeypatch, source, seconds=2 if status == "timed out" else 20)
    assert found["status"] == status and said in found["problem"]
    assert len(found["problem"]) <= measuring.LONGEST


def test_labels_do_not_enter_the_box(monkeypatch):
    asked = {}

    def run(notebook, requests, limits, box):
        asked.update(requests[measuring.ASKED]["cases"][0])
        return supervisor.Ran(lost={measuring.ASKED: "crashed"})

    monkeypatch.setattr(supervisor, "run", run)
    shown = ALL(3)
    measuring.measure(b"x", answers.encode(shown.images), supervisor.Limits(), None)
    assert set(asked) == {"picture", "images"}


# --- Hidden pictures ------------------------------------------------------------------------------


def test_hidden_pictures_are_another_secrets_and_in_no_order():
    asked = EXERCISE.competition
    seeds = [papers.Papers(EXERCISE, secret).seed(asked, "all") for secret in ("a", "b")]
    first, other = map(ALL, seeds)
    again = ALL(seeds[0])
    np.testing.assert_array_equal(first.images, again.images)
    assert (first.images != other.images).any() and (first.labels != other.labels).any()
    assert (int(first.counts.sum()), len(first.labels)) == (2000, 3000)
    assert np.bincount(first.labels[first.counts]).tolist() == [200] * 10
    assert np.mean(np.diff(first.labels) == 1) < 0.2, "classes do not come in turn"


def test_no_hidden_picture_is_a_test_picture():
    tests = {image.tobytes() for image in measuring.data.load("cifar10", "test").images}
    same = sum(image.tobytes() in tests for image in ALL(5).images)
    assert same <= 5, "at most one that is neither moved nor mirrored nor changed in brightness"


# --- Points ---------------------------------------------------------------------------------------


def judged(share, picture=True):
    """The result of a network that is right about a share of the pictures."""
    shown = measuring.Hidden(np.zeros((300, 1)), np.arange(300) % 10, np.arange(300) < 200)
    labels = shown.labels.copy()
    labels[round(200 * share) : 200] += 1
    found = {"labels": labels.tolist(), "parameters": 5, "multiply_adds": 7, "views": 2}
    return measuring.judged(QUESTION, Outcome(measured=found if picture else {}), shown)


@pytest.mark.parametrize(
    "share, points, status",
    [(0.1, 0, "wrong"), (0.295, 0, "wrong"), (0.3, 1, "partly correct"), (0.645, 4,
     "partly correct"), (0.9, 8, "correct"), (1.0, 8, "correct")],
)  # fmt: skip
def test_points_follow_the_scale(share, points, status):
    entry = judged(share)
    assert (entry.points, entry.max, entry.status) == (points, 8, status)
    digest = entry.measured.pop("digest")
    assert digest == judged(share).measured["digest"] != judged(0.05).measured["digest"]
    assert entry.measured == {"accuracy": pytest.approx(share), "on_training": 1.0,
                              "parameters": 5, "multiply_adds": 7, "views": 2}  # fmt: skip


def test_the_scale_and_the_limits_are_those_of_the_text():
    text = cell_of(released(EXERCISE.name), "network-text")["source"]
    scale = " | ".join(str(round(100 * part.least)) for part in QUESTION.parts)
    assert f"| right, % | {scale} |" in text
    assert f"at most {competition.MOST_PARAMETERS:,} parameters" in text
    assert f"at most {competition.MOST_MULTIPLY_ADDS:,} multiply-adds" in text
    assert f"up to {competition.FARTHEST} pixels" in text
    assert f"up to {100 * competition.BRIGHTER:.0f} per cent" in text
    assert f"{measuring.VERSIONS * 1000:,} hidden pictures" in text


def test_a_result_keeps_what_was_measured():
    entry = judged(0.5)
    result = Result("s", "S", True, EXERCISE.name, "f", questions={"network": entry})
    assert Result.from_json(result.to_json()).questions["network"].measured == entry.measured


# --- Landmarks, and networks to look at -----------------------------------------------------------


def test_landmarks_are_recorded_runs_and_counted_networks():
    from course_utils import models

    found = {each.name: each for each in measuring.landmarks()}
    for name, build in (("vgg_small", models.vgg_small), ("alexnet_small", models.alexnet_small)):
        errors = runs.recorded_run(name)["test_error"]
        assert found[name].error == pytest.approx(np.mean(errors))
        assert found[name].multiply_adds == anatomy.anatomy(build).multiply_adds
    for name in found:
        recipe = runs.recorded_run(name)["recipe"]
        assert recipe["data"] == "cifar10" and "part" not in recipe and "short" not in name


def result_of(student, accuracy, on_training, multiply_adds=1_000_000, digest=None):
    measured = {"accuracy": accuracy, "on_training": on_training, "parameters": 1000, "views": 1,
                "multiply_adds": multiply_adds, "digest": digest or student}  # fmt: skip
    entry = replace(judged(0.5), measured=measured)
    return Result(student, student, True, EXERCISE.name, "f", questions={"network": entry})


def test_those_who_know_the_test_pictures_too_well_are_pointed_at():
    results = [result_of("fair", 0.7, 0.8), result_of("chance", 0.71, 0.68),
               result_of("tested", 0.85, 0.6), result_of("great", 0.97, 0.97)]  # fmt: skip
    told = measuring.to_look_at(measuring.ranked(results, "network"))
    assert [sentence.split(":")[0] for sentence in told] == ["great", "tested"]
    assert "less than any recorded network of the course" in told[0]
    assert "known better than the training pictures (85.0 against 60.0 %)" in told[1]


def test_one_network_that_two_hand_in_is_pointed_at():
    results = [result_of("anna", 0.7, 0.8, digest="x"), result_of("ben", 0.7, 0.8, digest="x"),
               result_of("carl", 0.7, 0.8), result_of("dora", 0.1, 0.1, digest="zeros"),
               result_of("emil", 0.1, 0.1, digest="zeros")]  # fmt: skip
    told = measuring.to_look_at(measuring.ranked(results, "network"))
    assert len(told) == 1 and told[0].startswith("anna, ben: the same answer to every picture")


def test_of_equal_errors_the_cheapest_is_first():
    results = [result_of("dear", 0.7, 0.8, 9), result_of("cheap", 0.7, 0.8, 3)]
    found = measuring.ranked(results, "network")
    assert [result.student for result, _ in found] == ["cheap", "dear"]
    rows = measuring.table(found)["rows"]
    assert rows[0][:3] == [1, "cheap", "30.0"]


def test_other_exercises_have_no_chart():
    page = class_page.page([], questions.load("ex02"))
    assert "Error against cost" not in page


# --- What is not run ------------------------------------------------------------------------------


def test_cells_with_the_tag_and_own_cells_behind_them_are_not_run():
    notebook = answered(EXERCISE.name)
    notebook["cells"].insert(place_of(notebook, "views-text"), own_cell("1", "own-1"))
    notebook["cells"].insert(place_of(notebook, "plot-text"), own_cell("2", "own-2"))
    assert submission.not_run(notebook) == [
        *("network-imports", "network", "network-check", "own-2", "plot")
    ]
    assert submission.not_run(released("ex02")) == []


def test_saved_outputs_are_texts_and_pictures_and_few():
    script = {"output_type": "display_data", "data": {"text/html": "<script>"}, "metadata": {}}
    large = {"image/png": "iVBOR" + "A" * 400_000, "text/plain": "large"}
    saved = [script, {"output_type": "display_data", "data": large}, 3, None,
             {"output_type": "stream", "text": ["a", 3, "b"]}] + [{"output_type": "stream",
             "text": "x"}] * 100  # fmt: skip
    notebook = {"cells": [{**own_cell("", "plot"), "outputs": []}]}
    kept = submission.checked(supervisor.Ran(), notebook, {"plot": saved})["cells"][0]["outputs"]
    assert kept[0]["text"] == submission.AS_SAVED
    assert kept[1] == {"output_type": "stream", "name": "stdout", "text": "ab"}
    assert len(kept) < 20 and all(output["output_type"] == "stream" for output in kept)
