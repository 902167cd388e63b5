"""A class on a JupyterHub, tried on this machine: everybody runs a notebook at the same time.

    .venv/bin/python deploy/jupyterhub/try_it.py --students 2 --notebook 00_start_here
    .venv/bin/python deploy/jupyterhub/try_it.py --record          twenty students, notebook 04

It installs JupyterHub and nbgitpuller (from PyPI) and the hub's proxy (from npm, so Node.js must be
there) into `build/hub`, starts a hub with a fresh home for each student, and has them all start a
server, open their own copy of a notebook, write a line of their own into it, run all its cells
through the hub, save, and come back after their server was stopped. What each took is printed;
`--record` keeps it in `trial.json`, with the machine, for the sum in `sizing.py`.

A student takes about 1 GB while 04 runs. The exit status is 1 where one of them failed or lost
work.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tools"), str(ROOT)]

import bench  # noqa: E402
import lab  # noqa: E402
import psutil  # noqa: E402
from student import Student  # noqa: E402
from tornado.httpclient import AsyncHTTPClient  # noqa: E402

from extras.distributed import free_ports  # noqa: E402

HUB = ROOT / "build" / "hub"
PYTHON = HUB / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
PROXY = HUB / "node_modules" / ".bin" / "configurable-http-proxy"
RECORD = HERE / "trial.json"
NEEDED = ["jupyterhub>=5,<6", "nbgitpuller>=1.2"]
PATIENCE = 3600  # seconds for a cell: twenty students share the cores
EVERY = 3  # seconds between two looks at the memory


def install():
    """Make `build/hub`: a hub, and a Python that finds the course's own packages as well.

    Raises:
        RuntimeError: there is no npm.
    """
    if shutil.which("npm") is None or shutil.which("git") is None:
        raise RuntimeError("the hub's proxy needs Node.js with npm, and the copies need git")
    if not PYTHON.is_file():
        subprocess.run([sys.executable, "-m", "venv", HUB / "venv"], check=True)
        asked = [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        packages = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        Path(packages, "course.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *NEEDED], check=True)
    if not PROXY.exists():
        proxy = ["npm", "install", "--no-fund", "--no-audit", "--prefix", HUB]
        subprocess.run([*proxy, "configurable-http-proxy@5"], check=True)


@contextmanager
def hub(folder):
    """A hub on this machine; gives its process, its address and a token that may do everything."""
    copy = [
        "git",
        "clone",
        "--quiet",
        "--bare",
        "--depth",
        "1",
        ROOT.as_uri(),
        folder / "course.git",
    ]
    subprocess.run(copy, check=True)
    name = ["git", "-C", folder / "course.git", "branch", "-m", "trial"]
    subprocess.run(name, check=True)
    ports, token = free_ports(3), secrets.token_hex(16)
    prefix = Path(sys.prefix)
    env = os.environ | {
        "TRIAL_FOLDER": str(folder),
        "TRIAL_PYTHON": str(PYTHON),
        "TRIAL_PROXY": str(PROXY),
        "TRIAL_PORTS": " ".join(map(str, ports)),
        "TRIAL_TOKEN": token,
        "JUPYTER_PATH": str(prefix / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(prefix / "etc" / "jupyter"),
        "PYTHONUNBUFFERED": "1",
    }
    command = [PYTHON, "-m", "jupyterhub", "--config", HERE / "hub_for_a_trial.py"]
    with open(folder / "hub.log", "w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{ports[0]}"
        lab.wait_for(process, f"{address}/hub/api/", folder / "hub.log", "the hub")
        yield process, address, token
    finally:
        lab.end(process)


class Watch(threading.Thread):
    """Looks at the memory of the hub, its proxy and every student's processes, now and then.

    Memory that processes share counts in parts (Linux' PSS), so that the sum is what is taken.
    """

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.done = psutil.Process(process.pid), threading.Event()
        self.most, self.processor, self.together, self.lowest = {}, {}, 0.0, float("inf")

    def run(self):
        while not self.done.wait(EVERY):
            self.look()

    def look(self):
        """One look, in MB."""
        memory = {}
        for each in [self.process, *self.process.children(recursive=True)]:
            try:
                owner = self.owner(each)
                used = bench.proportional(each.pid) / 1e6
                spent = sum(each.cpu_times()[:2])
            except (psutil.Error, OSError):
                continue  # it has ended meanwhile
            memory[owner] = memory.get(owner, 0) + used
            self.processor[owner, each.pid] = spent
        for owner, used in memory.items():
            self.most[owner] = max(self.most.get(owner, 0), used)
        self.together = max(self.together, sum(memory.values()))
        self.lowest = min(self.lowest, psutil.virtual_memory().available / 1e6)

    def owner(self, process):
        """Whose process it is: 'hub', 'proxy', or a student's home."""
        if process.pid == self.process.pid:
            return "hub"
        words = " ".join(process.cmdline())
        if "configurable-http-proxy" in words:
            return "proxy"
        return Path(process.environ().get("HOME", "hub")).name

    def seconds(self, owner):
        """Processor seconds of the hub, the proxy, or one student, as last seen."""
        return sum(spent for (name, _), spent in self.processor.items() if name == owner)


async def lesson(students):
    """All students at once, each with as many connections as a browser would have."""
    AsyncHTTPClient.configure(None, max_clients=8 * len(students))
    await asyncio.gather(*(student.work() for student in students))


def summary(values):
    """The middle and the largest of some numbers."""
    return {"median": round(statistics.median(values), 1), "most": round(max(values), 1)}


def results(students, watch, seconds, notebook, machine):
    """What the trial came to, as it is kept."""
    commit = ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(commit, capture_output=True, text=True).stdout.strip()
    well = [student for student in students if not student.errors]
    names = [student.name for student in students]
    return {
        "what": f"{len(students)} students run {notebook} at the same time",
        "machine": f"{machine}, {psutil.virtual_memory().total / 1e9:.0f} GB",
        "commit": commit,
        "versions": {name: version_of(name) for name in ("jupyterhub", "nbgitpuller")},
        "students": len(students),
        "finished": sum("run" in student.seconds for student in students),
        "lost_nothing": len(well),
        "errors": [f"{each.name}: {error}" for each in students for error in each.errors],
        "cells": max(student.cells for student in students),
        "turned_away": sum(student.turned_away for student in students),
        "seconds_in_all": round(seconds),
        "seconds": {
            part: summary([student.seconds[part] for student in well])
            for part in ("start", "open", "run", "start again")
            if well
        },
        "processor_seconds": {
            "hub": round(watch.seconds("hub"), 1),
            "proxy": round(watch.seconds("proxy"), 1),
            "student": summary([watch.seconds(name) for name in names]),
        },
        "megabytes": {
            "hub": round(watch.most.get("hub", 0)),
            "proxy": round(watch.most.get("proxy", 0)),
            "student": summary([watch.most.get(name, 0) for name in names]),
            "all_together": round(watch.together),
            "least_available": round(watch.lowest),
        },
    }


def version_of(package):
    """The version of a package of the hub's Python."""
    asked = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([PYTHON, "-c", asked], capture_output=True, text=True)
    return done.stdout.strip()


def trial(count, notebook, keep=None):
    """One trial; gives what is recorded of it."""
    machine = bench.machine()  # with its load before the students come
    with tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True) as place:
        with hub(Path(place)) as (process, address, token):
            path = f"course/work/notebooks/{notebook}.ipynb"
            names = [f"student-{number:02}" for number in range(1, count + 1)]
            students = [Student(name, address, token, path, PATIENCE) for name in names]
            watch, begin = Watch(process), time.perf_counter()
            watch.start()
            asyncio.run(lesson(students))
            watch.done.set()
            watch.join()
            found = results(students, watch, time.perf_counter() - begin, notebook, machine)
        if found["errors"] and keep:
            shutil.copy(Path(place, "hub.log"), keep)
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=20)
    parser.add_argument("--notebook", default="04_lenet")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    options = parser.parse_args(arguments)
    if not Path("/proc/self/smaps_rollup").exists():
        parser.error("the memory is measured as Linux tells it: try it on Linux")
    if not (ROOT / "notebooks" / f"{options.notebook}.ipynb").is_file():
        parser.error(f"there is no notebook {options.notebook!r}")
    try:
        install()
        found = trial(options.students, options.notebook, keep=HUB / "hub.log")
    except (RuntimeError, OSError, subprocess.CalledProcessError) as problem:
        print(f"trial: {problem}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1, ensure_ascii=False))
    if options.record:
        RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if found["lost_nothing"] == options.students else 1


if __name__ == "__main__":
    sys.exit(main())
