"""`deploy/jupyterhub`: the values, the sum, the simulated student. The trial itself is a tool."""

import ast
import json
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HUB = ROOT / "deploy" / "jupyterhub"
sys.path.insert(0, str(HUB))

import sizing  # noqa: E402
import student  # noqa: E402

VALUES = yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8"))
TRIAL = json.loads((HUB / "trial.json").read_text(encoding="utf-8"))
# What the chart knows at the places where we set something, from its own `values.yaml`.
KNOWN = {
    "": {"hub", "proxy", "singleuser", "scheduling", "prePuller", "cull"},
    "singleuser": {
        *("image", "defaultUrl", "startTimeout", "memory", "cpu", "extraEnv", "lifecycleHooks"),
        *("storage", "cloudMetadata", "networkPolicy"),
    },
    "hub": {"concurrentSpawnLimit", "activeServerLimit", "config"},
    "cull": {"enabled", "every", "timeout"},
    "scheduling": {"userScheduler", "podPriority", "userPlaceholder"},
    "prePuller": {"hook", "continuous"},
}


def test_the_values_are_those_of_the_chart():
    for place, names in KNOWN.items():
        assert set(VALUES[place] if place else VALUES) <= names, place


def test_the_values_and_the_sum_speak_of_the_same_guarantees():
    one = VALUES["singleuser"]
    assert one["memory"] == {"guarantee": f"{sizing.MEMORY}G", "limit": "2G"}
    assert one["cpu"]["guarantee"] == sizing.CORES
    assert one["storage"]["capacity"] == f"{sizing.HOME}Gi"
    threads = {name: value for name, value in one["extraEnv"].items() if "THREADS" in name}
    assert set(threads.values()) == {str(one["cpu"]["limit"])}, "as many threads as cores"


def test_what_is_guaranteed_is_enough_for_what_was_measured():
    assert TRIAL["megabytes"]["student"]["most"] / 1e3 <= sizing.MEMORY
    assert TRIAL["finished"] == TRIAL["lost_nothing"] == TRIAL["students"] == 20
    assert TRIAL["errors"] == [] and "04_lenet" in TRIAL["what"]


def test_shared_data_cannot_be_written():
    storage, env = VALUES["singleuser"]["storage"], VALUES["singleuser"]["extraEnv"]
    (volume,), (mount,) = storage["extraVolumes"], storage["extraVolumeMounts"]
    assert volume["persistentVolumeClaim"]["readOnly"] and mount["readOnly"]
    assert mount["mountPath"] == env["COURSE_DATA"] and mount["name"] == volume["name"]


def test_a_failed_pull_does_not_keep_the_server_from_starting():
    command = VALUES["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    assert command[:2] == ["sh", "-c"] and command[2].endswith("|| true")
    assert "gitpuller " in command[2] and "tools/work.py" in command[2]


@pytest.mark.parametrize(
    ("students", "share", "memory", "nodes"),
    [
        (20, 1, 30, 1),  # 38 fit on a node: nine tenths of 64 GB
        (38, 1, 57, 1),
        (39, 1, 58.5, 2),
        (200, 1, 300, 6),
        (2000, 0.25, 750, 14),
    ],
)
def test_the_sum(students, share, memory, nodes):
    need = sizing.need(students, share)
    assert (need.memory, need.nodes) == (memory, nodes)
    assert need.cores == need.at_once * 0.25 and need.disk == 2 * students


def test_few_cores_or_little_memory_hold_fewer():
    assert sizing.Node(cores=4).seats() == 14 and sizing.Node(memory=8).seats() == 4
    with pytest.raises(ValueError, match="a node of 16 cores and 1 GB holds no student"):
        sizing.need(20, node=sizing.Node(memory=1))
    with pytest.raises(ValueError, match="one student or more"):
        sizing.need(0)


def test_the_table_says_what_it_rests_on(capsys):
    assert sizing.main([]) == 0
    said = capsys.readouterr().out
    assert "| 20 | 20 | 30 | 5 | 1 | 40 |" in said and "| 2,000 |" in said
    assert TRIAL["machine"] in said and "processor seconds in notebook 04" in said
    with pytest.raises(SystemExit):
        sizing.main(["20", "--node", "large"])


def test_what_a_kernel_says_becomes_an_output():
    assert student._output("stream", {"name": "stdout", "text": "5"}) == [
        {"output_type": "stream", "name": "stdout", "text": "5"}
    ]
    shown = {"data": {"text/plain": "5"}, "metadata": {}, "transient": {}}
    assert student._output("display_data", shown) == [
        {"output_type": "display_data", "data": {"text/plain": "5"}, "metadata": {}}
    ]
    (result,) = student._output("execute_result", shown | {"execution_count": 3})
    assert result["execution_count"] == 3
    error = {"ename": "NameError", "evalue": "x", "traceback": [], "status": "error"}
    (told,) = student._output("error", error)
    assert told["evalue"] == "x" and "status" not in told
    assert student._output("comm_open", {}) == []


def test_a_student_whose_work_is_gone_says_so():
    """Without it the trial could not fail."""
    import asyncio

    one = student.Student("a", "http://127.0.0.1:9", "token", "x.ipynb", patience=1)
    cells = [{"id": "c", "source": "x", "outputs": [1]}, {"id": "mine", "source": one.own_words}]

    async def lost(method, path, content=None):
        return {"content": {"cells": [cells[0] | {"outputs": []}, {"id": "mine", "source": ""}]}}

    one.ask = lost
    asyncio.run(one._come_back({"cells": cells}))
    assert one.errors == [
        "cell c is not as it was saved",
        "cell mine is not as it was saved",
        "the student's own line is lost",
    ]


def test_a_hub_that_cannot_be_reached_is_a_students_error_and_no_crash():
    import asyncio

    one = student.Student("a", "http://127.0.0.1:9", "token", "x.ipynb", patience=1)
    asyncio.run(one.work())
    assert len(one.errors) == 1 and "run" not in one.seconds


def test_the_trials_files_are_python():
    for path in HUB.glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))
