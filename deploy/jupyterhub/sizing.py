"""How much memory, how many cores and nodes a class needs on a JupyterHub.

    python deploy/jupyterhub/sizing.py                     20, 200 and 2,000 students
    python deploy/jupyterhub/sizing.py 60 --share 0.5      sixty, half of them at the same time
    python deploy/jupyterhub/sizing.py 60 --memory 2       in the week of 08, 11 or 13

Measured: what a student takes in notebook 04, and what the hub takes beside (`trial.json`, with the
machine that it was measured on). Counted: the minutes that 04 lasts (`tools/minutes.py`). Chosen:
what each is guaranteed (`values.yaml`), and the node, which you can give. It needs nothing
installed.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "tools"))

import minutes  # noqa: E402

NOTEBOOK = "04"
MEMORY = 1.5  # GB guaranteed to each, as in values.yaml
CORES = 0.25  # guaranteed to each, as in values.yaml
HOME = 2  # GB of disk for each, as in values.yaml
KEPT = 0.1  # of a node, for Kubernetes itself


class Node(NamedTuple):
    """A machine of the cluster."""

    cores: int = 16
    memory: float = 64  # GB

    def seats(self, memory=MEMORY, cores=CORES):
        """How many students fit on it."""
        free = 1 - KEPT
        return int(min(free * self.memory / memory, free * self.cores / cores))


class Need(NamedTuple):
    """What a class needs; memory and disk in GB."""

    students: int
    at_once: int
    memory: float
    cores: float
    nodes: int
    disk: float


def need(students, share=1.0, memory=MEMORY, cores=CORES, node=None):
    """The sum for a class of which a share works at the same time.

    Raises:
        ValueError: there is no class, or not one student fits on a node.
    """
    node = node or Node()
    if students < 1 or not 0 < share <= 1:
        raise ValueError("a class has one student or more, and a share is above 0 and at most 1")
    seats, at_once = node.seats(memory, cores), math.ceil(students * share)
    if seats < 1:
        raise ValueError(f"a node of {node.cores} cores and {node.memory} GB holds no student")
    nodes = math.ceil(at_once / seats)
    return Need(students, at_once, at_once * memory, at_once * cores, nodes, students * HOME)


def rests_on(trial, minutes_of_notebook):
    """In words, what the sum rests on."""
    spent, memory = trial["processor_seconds"]["student"]["most"], trial["megabytes"]
    mean = spent / (60 * minutes_of_notebook)
    return f"""\
Measured ({trial["what"]}; {trial["machine"]}):
- a student takes at most {memory["student"]["most"] / 1e3:.2f} GB and {spent:.0f} processor \
seconds in notebook {NOTEBOOK};
- the hub takes {memory["hub"]} MB, its proxy {memory["proxy"]} MB.
Counted: a learner is {minutes_of_notebook} minutes with it, so the cores stand still most of the \
time: {mean:.2f} of a core each in the mean.
Where all press Run at the same moment, {CORES} of a core each is {spent / CORES / 60:.0f} minutes \
for the whole notebook."""


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("students", type=int, nargs="*", default=[20, 200, 2000])
    parser.add_argument("--share", type=float, default=1.0, help="of them, at the same time")
    parser.add_argument("--memory", type=float, default=MEMORY, help="GB guaranteed to each")
    parser.add_argument("--node", default="16x64", help="cores x GB, as 16x64")
    options = parser.parse_args(arguments)
    try:
        node = Node(*(int(part) for part in options.node.split("x")))
        rows = [
            need(students, options.share, options.memory, node=node)
            for students in options.students
        ]
    except (TypeError, ValueError) as problem:
        parser.error(str(problem))
    trial = json.loads((HERE / "trial.json").read_text(encoding="utf-8"))
    print(f"Nodes of {node.cores} cores and {node.memory} GB.\n")
    print("| students | at once | memory, GB | cores | nodes | homes, GB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(
            f"| {row.students:,} | {row.at_once:,} | {row.memory:,.0f} | {row.cores:,.0f} "
            f"| {row.nodes} | {row.disk:,} |"
        )
    print("\n" + rests_on(trial, minutes.sum_of([NOTEBOOK])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
