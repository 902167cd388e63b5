"""The set-up: what it asks for, that it does nothing twice, and what it says when it cannot."""

import ast
import functools
import gc
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import tomllib
import venv
import zipfile
from contextlib import redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import widen
import yaml
from packaging.requirements import Requirement

from course_utils import environment

ROOT = Path(__file__).parents[1]
NEEDED = ("Makefile", "pyproject.toml", "requirements.lock", "tools")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


@functools.cache
def tool():
    """tools/set_up.py as a module."""
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "tools" / "set_up.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(name):
    """A lock's versions by package, in lower case with hyphens."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        re.sub(r"[-_.]+", "-", pin.name).lower(): str(pin.specifier).removeprefix("==")
        for pin in wanted
    }


# --- The lists of packages ------------------------------------------------------------------------


def test_the_lock_names_versions_and_nothing_else():
    for name in ("requirements.lock", "tools/colab.lock"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                assert re.fullmatch(r"[a-zA-Z0-9._-]+==[a-z0-9.]+( ; .*)?", line), line
            assert "://" not in line and "www." not in line, line


def test_the_lock_serves_pyproject():
    locked = pins("requirements.lock")
    for line in PROJECT["dependencies"] + EXTRAS["lab"] + EXTRAS["test"] + EXTRAS["site"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(locked[wanted.name]), line


def test_pyproject_admits_the_versions_of_colab():
    colab = pins("tools/colab.lock")
    for line in PROJECT["dependencies"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(colab[wanted.name]), line


def test_the_weekly_try_of_the_next_versions_knows_no_upper_end():
    widened = tomllib.loads(widen.widened((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    extras = widened["project"]["optional-dependencies"]
    lines = [widened["project"]["dependencies"], *map(extras.get, ("lab", "test", "site"))]
    assert not [line for line in sum(lines, []) if "<" in line]


def listed_for_conda():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    python = next(line for line in listed if str(line).startswith("python="))
    return python, next(line["pip"] for line in listed if isinstance(line, dict))


# What pip is told of the machine: sys_platform, platform_machine; and which TensorFlow it has.
MACHINES = {
    "Binder, Linux": ("linux", "x86_64", "tensorflow-cpu"),
    "Linux on ARM": ("linux", "aarch64", "tensorflow"),
    "a Mac with an Apple chip": ("darwin", "arm64", "tensorflow"),
    "an Intel Mac": ("darwin", "x86_64", None),
    "Windows": ("win32", "AMD64", "tensorflow"),
    "Windows on ARM": ("win32", "ARM64", None),
}


@pytest.mark.parametrize("kind", MACHINES)
def test_conda_asks_for_what_pyproject_asks_for(kind):
    system, machine, tensorflow = MACHINES[kind]
    python, from_pip = listed_for_conda()
    assert Requirement("python" + PROJECT["requires-python"]).specifier.contains(
        python.removeprefix("python=") + ".0"
    )
    assert from_pip[0] == "--constraint requirements.lock", "only what was tested"
    here = {"sys_platform": system, "platform_machine": machine}
    asked = [Requirement(line) for line in from_pip[1:]]
    asked = [one for one in asked if one.marker is None or one.marker.evaluate(here)]
    names = {one.name: str(one.specifier) for one in asked}
    wanted = [Requirement(line) for line in PROJECT["dependencies"] + EXTRAS["lab"]]
    assert {name for name in names if name.startswith("tensorflow")} == {tensorflow} - {None}
    pinned = pins("requirements.lock")["tensorflow"]
    assert tensorflow != "tensorflow-cpu" or names["tensorflow-cpu"] == f"=={pinned}"
    for one in wanted:
        if one.name != "tensorflow":
            assert names[one.name] == str(one.specifier)
    assert len(names) == len(wanted) - (tensorflow is None)


def test_github_classroom_asks_for_what_pyproject_asks_for():
    """A second list of the same ranges: a student's repository has no pyproject.toml."""
    text = (ROOT / "grading" / "github_classroom.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["checks"]["steps"]
    installed = next(step["run"] for step in steps if "pip install" in step.get("run", ""))
    asked = {one.name.removesuffix("-cpu"): one.specifier
             for one in map(Requirement, shlex.split(installed)[4:])}  # fmt: skip
    wanted = {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}
    assert wanted.items() <= asked.items()


def test_the_package_builds(course_copy, tmp_path):
    course = course_copy("pyproject.toml", "README.md", "LICENSE", "course_utils")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", tmp_path]
    command = [sys.executable, "-m", "pip", "wheel", *options, "."]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.glob("*.whl")] == [
        f"course_utils-{PROJECT['version']}-py3-none-any.whl"
    ]


# --- make -----------------------------------------------------------------------------------------


def make(course, *arguments, **variables):
    """Run make as a learner would; give the exit status and what the course itself wrote."""
    done = subprocess.run(
        [shutil.which("make"), *arguments],
        cwd=course,
        capture_output=True,
        text=True,
        env=variables.pop("env") | variables,
        timeout=200,
    )
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, lines


def test_make_lists_every_target(learner_environment):
    status, listed, _ = make(ROOT, env=learner_environment)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()
    assert status == 0 and len(targets) > 9
    for target in targets:
        line = re.search(rf"^make {target} +(\w.*)$", listed, re.MULTILINE)
        assert line and len(line.group(0)) <= 100, target


def test_some_tools_need_nothing_installed(course_copy, learner_environment):
    course = course_copy(*NEEDED, "README.md")
    python = f"PYTHON={sys.executable}"
    status, said, _ = make(course, "address", python, env=learner_environment)
    assert status == 0 and "public address: not set" in said
    assert make(course, "zip", python, env=learner_environment)[0] == 0
    assert (course / "build" / "course.zip").is_file() and not (course / ".venv").exists()
    status, _, lines = make(course, "zip", "PYTHON=/not/there", env=learner_environment)
    assert status != 0 and "/not/there does not run" in lines[0]


def fake_python(folder, name="python", version=None, without=None, more=""):
    """A Python that says it is another version or of another machine, or that lacks a module."""
    modules = folder / f"modules of {name}"
    modules.mkdir(parents=True)
    text = "import platform, sys, sysconfig\n"
    if version:
        text += f"sys.version_info = ({version[0]}, {version[1]}, 1, 'final', 0)\n"
    (modules / "sitecustomize.py").write_text(text + more)
    if without:
        text = f"raise ModuleNotFoundError({f'No module named {without!r}'!r})\n"
        (modules / f"{without}.py").write_text(text)
    program = folder / name
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{modules}" exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("version", "verdict"), [((3, 10), "old"), ((3, 14), "new")])
def test_another_python(course_copy, learner_environment, tmp_path, version, verdict):
    course = course_copy(*NEEDED)
    python = fake_python(tmp_path / "bin", version=version)
    for target in ("lab", "test"):
        status, _, lines = make(course, target, f"PYTHON={python}", env=learner_environment)
        assert status != 0 and len(lines) == 1
        assert f"Python 3.{version[1]} (" in lines[0] and f"is too {verdict}" in lines[0]
        assert "3.11, 3.12 or 3.13" in lines[0] and "make lab PYTHON=" in lines[0]
    assert not (course / ".venv").exists()


# What such Pythons say of themselves, and what a learner is told to do.
NO_WHEEL = {
    "Intel Mac": ("macosx-14.0-x86_64", "x86_64", "if this Mac has an Apple chip"),
    "Intel Python on any Mac": ("macosx-10.13-universal2", "x86_64", "python.org"),
    "Windows on ARM": ("win-arm64", "ARM64", "(WSL)"),
    "Windows, 32 bits": ("win32", "AMD64", "for 64 bits"),
    "Linux, 32 bits": ("linux-x86_64", "x86_64", "for 64 bits"),
    "Alpine": ("linux-x86_64", "x86_64", "GNU C library"),
    "another processor": ("linux-riscv64", "riscv64", "Colab or Binder"),
}


@pytest.mark.parametrize("kind", NO_WHEEL)
def test_a_machine_without_tensorflow(course_copy, learner_environment, tmp_path, kind):
    name, machine, advice = NO_WHEEL[kind]
    more = f"sysconfig.get_platform = lambda: {name!r}\nplatform.machine = lambda: {machine!r}\n"
    more += "sys.maxsize = 2**31 - 1\n" if kind == "Linux, 32 bits" else ""
    if kind == "Alpine":
        more += "sysconfig.get_config_var = lambda name: 'cpython-312-x86_64-linux-musl'\n"
    course = course_copy(*NEEDED)
    python = fake_python(tmp_path / "bin", more=more)
    status, _, lines = make(course, "lab", f"PYTHON={python}", env=learner_environment)
    assert status != 0 and len(lines) == 1
    assert "there is no TensorFlow for this Python" in lines[0]
    assert advice.lower() in lines[0].lower() and "Colab or Binder" in lines[0]
    assert not (course / ".venv").exists() and not (course / "build").exists()


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("linux-x86_64", "x86_64"),
        ("linux-aarch64", "aarch64"),
        ("macosx-11.0-arm64", "arm64"),
        ("macosx-10.13-universal2", "arm64"),
        ("win-amd64", "AMD64"),
    ],
)
def test_a_machine_with_tensorflow(tmp_path, name, machine):
    more = f"sysconfig.get_platform = lambda: {name!r}\nplatform.machine = lambda: {machine!r}\n"
    python = fake_python(tmp_path / "bin", more=more)
    assert subprocess.run([python, ROOT / "tools" / "set_up.py", "--fits"]).returncode == 0


def test_the_lists_of_machines_are_one():
    assert tool().WHEELS == environment.WHEELS


def test_colab_asks_for_its_own_python(course_copy, learner_environment, tmp_path):
    course = course_copy(*NEEDED)
    python = fake_python(tmp_path / "bin", version=(3, 12))
    status, _, lines = make(course, "test-colab", f"PYTHON_COLAB={python}", env=learner_environment)
    assert status != 0 and len(lines) == 1
    assert "it takes Python 3.13" in lines[0] and "PYTHON_COLAB=" in lines[0]


def test_no_python_at_all(course_copy, learner_environment, tmp_path):
    course = course_copy(*NEEDED)
    shim = tmp_path / "bin" / "python3"  # pyenv leaves such ones for Pythons that are not there
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    bare = {"PATH": str(shim.parent), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    status, _, lines = make(course, "lab", env=learner_environment, **bare)
    assert status != 0 and len(lines) == 1
    assert "no Python 3 works here: install Python 3.12" in lines[0]

    status, _, lines = make(course, "lab", "PYTHON=/not there/python", env=learner_environment)
    assert status != 0 and len(lines) == 1
    assert "/not there/python does not run" in lines[0]


def test_the_first_python_that_fits_is_taken(course_copy, learner_environment, tmp_path):
    course, programs = course_copy(*NEEDED), tmp_path / "bin"
    fake_python(programs, "python3", version=(3, 10))
    fake_python(programs, "python3.12", without="ensurepip")
    status, _, lines = make(course, "lab", env=learner_environment, PATH=str(programs))
    assert status != 0 and len(lines) == 1
    assert "comes without its venv module" in lines[0]  # so it was python3.12 that was asked
    assert f"python3.{sys.version_info[1]}-venv" in lines[0]


# --- Installing -----------------------------------------------------------------------------------


def closed_index(port=9):
    """pip's settings for a package index that nobody answers for."""
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "1",
        "no_proxy": "*",
    }


def set_up(course, env, *arguments):
    """Run tools/set_up.py of a copy; give the exit status, its output, and its error lines."""
    command = [sys.executable, course / "tools" / "set_up.py", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr.splitlines()


@pytest.fixture(scope="module")
def empty_venv(tmp_path_factory):
    """An environment with nothing but pip in it."""
    folder = tmp_path_factory.mktemp("empty") / ".venv"
    venv.create(folder, with_pip=True)
    return folder


def finished(course, empty_venv, extras=("lab",)):
    """Give a copy an environment that looks as after a finished run (without its packages)."""
    shutil.copytree(empty_venv, course / ".venv", symlinks=True)
    groups, lock = tool().requirements(list(extras), colab=False)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stamp = tool().fingerprints(groups, lock, version)
    (course / ".venv" / tool().STAMP).write_text(json.dumps(stamp))


def test_no_network(course_copy, learner_environment):
    course, env = course_copy(*NEEDED), learner_environment | closed_index()
    (course / "bin").mkdir()
    (course / "bin" / "python").symlink_to(sys.executable)
    for _ in range(2):  # the second run goes on in the environment that the first one made
        # Named by a path with dots, which leads somewhere from the course's folder alone.
        status, said, lines = make(course, "lab", "PYTHON=tools/../bin/python", env=env)
        assert status != 0 and len(lines) == 1
        assert "no network" in lines[0] and "run this again" in lines[0]
        # pip came to an end before it changed anything: nothing is half done.
        assert not (course / ".venv" / tool().UNPACKING).exists()
    assert "Making" not in said
    assert "127.0.0.1" in (course / "build" / "install.log").read_text(encoding="utf-8")


def test_a_certificate_that_nobody_trusts(course_copy, learner_environment, empty_venv, tmp_path):
    """What a proxy that looks into everything does to pip."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("no openssl on this machine: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    command += ["-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # pip hangs up
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = learner_environment | closed_index()
    env |= {"PIP_INDEX_URL": f"https://127.0.0.1:{server.server_port}/simple"}
    course = course_copy(*NEEDED)
    shutil.copytree(empty_venv, course / ".venv", symlinks=True)
    status, _, lines = set_up(course, env)
    server.shutdown()
    server.server_close()
    assert status == 1 and len(lines) == 1
    assert "certificate is not trusted" in lines[0] and "PIP_CERT=" in lines[0]


def test_the_second_run_does_nothing(course_copy, learner_environment, empty_venv):
    course = course_copy(*NEEDED)
    finished(course, empty_venv, ("lab", "test"))
    for extras in ("lab", "lab,test"):
        assert set_up(course, learner_environment, "--extras", extras) == (0, "", [])
    assert not (course / "build").exists(), "pip was not called"


def wheel(folder, version, name="tiny", needs=""):
    """Write a package of one module; give its file."""
    folder.mkdir(exist_ok=True)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    info = f"{name}-{version}.dist-info"
    files = {f"{info}/METADATA": about, f"{info}/RECORD": "", f"{name}.py": f"at = {version!r}\n"}
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for place, text in files.items():
            made.writestr(place, text)
    return path


def tiny_course(course_copy, wheels):
    """A copy that wants one small package, and the variables with which pip finds it."""
    course = course_copy("Makefile", "tools")
    (course / "requirements.lock").write_text("tiny==2.0\n")
    (course / "pyproject.toml").write_text(
        '[project]\ndependencies = ["tiny"]\n[project.optional-dependencies]\nlab = []\n'
    )
    return course, closed_index() | {"PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1"}


def test_what_lies_in_pythonpath_is_not_installed(course_copy, learner_environment, tmp_path):
    """As ROS, Spark and a cluster's modules leave it: pip must install all the same."""
    wheels, elsewhere = tmp_path / "wheels", tmp_path / "elsewhere"
    wheel(wheels, "2.0")
    zipfile.ZipFile(wheel(elsewhere, "1.0")).extractall(elsewhere)
    course, offline = tiny_course(course_copy, wheels)
    env = learner_environment | offline
    env |= {"PYTHONPATH": str(elsewhere), "PIP_TARGET": str(elsewhere)}
    status, _, lines = set_up(course, env)
    assert status == 0, lines
    script = "import tiny; print(tiny.at, tiny.__file__)"
    python = course / ".venv" / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", script], capture_output=True, text=True)
    assert done.stdout.startswith("2.0 ") and str(course / ".venv") in done.stdout, done.stderr
    # And what make starts does not see the other one either.
    (course / "Makefile").write_text(
        (course / "Makefile").read_text(encoding="utf-8") + f"\ntry:\n\t@$(VENV) -c '{script}'\n"
    )
    assert make(course, "try", env=env)[1].startswith("2.0 ")


@pytest.mark.parametrize(
    ("setting", "variables"),
    [
        *(("target = {}", {}), ("prefix = {}", {}), ("root = {}", {}), ("user = true", {})),
        *(("no-deps = true", {}), ("dry-run = true\nquiet = 3", {"PIP_NO_DEPENDENCIES": "1"})),
        ("", {"PIP_PREFIX": "{}", "PIP_DRY_RUN": "1"}),
        ("", {"PIP_ROOT": "{}", "PIP_CONSTRAINT": "{}/old.txt"}),
    ],
)
def test_pips_own_settings_lead_to_no_other_place(
    course_copy, learner_environment, empty_venv, tmp_path, setting, variables
):
    wheel(tmp_path / "wheels", "2.0", needs="Requires-Dist: tinier\n")
    wheel(tmp_path / "wheels", "2.0", "tinier")
    course, offline = tiny_course(course_copy, tmp_path / "wheels")
    shutil.copytree(empty_venv, course / ".venv", symlinks=True)
    elsewhere, settings = tmp_path / "elsewhere", tmp_path / "pip.conf"
    elsewhere.mkdir()
    (elsewhere / "old.txt").write_text("tiny==1.0\n")
    settings.write_text(f"[install]\n{setting.format(elsewhere)}\n")
    env = learner_environment | offline | {"PIP_CONFIG_FILE": str(settings)}
    env |= {name: value.format(elsewhere) for name, value in variables.items()}
    status, said, lines = set_up(course, env)
    assert status == 0 and "is ready" in said, lines
    python = course / ".venv" / "bin" / "python"
    subprocess.run([python, "-I", "-c", "import tiny, tinier"], check=True)
    assert [path.name for path in elsewhere.iterdir()] == ["old.txt"]


def test_what_is_not_there_after_all_is_named(empty_venv):
    tool().check_installed(empty_venv, ["pip>=20"])
    with pytest.raises(tool().Problem, match="has no tiny, tinier: .* pip config list"):
        tool().check_installed(empty_venv, ["pip", "tiny[all]>=1,<2", "tinier==2.0"])


def test_an_environment_without_pip_is_kept(course_copy, learner_environment, tmp_path):
    """uv makes such ones."""
    wheel(tmp_path / "wheels", "2.0")
    course, offline = tiny_course(course_copy, tmp_path / "wheels")
    venv.create(course / ".venv", symlinks=True)
    (course / ".venv" / "mine").touch()
    status, said, lines = set_up(course, learner_environment | offline)
    assert status == 0 and "anew" not in said, lines
    assert (course / ".venv" / "mine").exists()


def test_an_environment_into_which_no_pip_can_be_put_is_left(tmp_path, monkeypatch):
    venv.create(tmp_path / ".venv", symlinks=True)
    answers = {"-c": "3.12", "import pip": None, "-m": None}
    monkeypatch.setattr(tool(), "ask", lambda _, how, what: answers.get(what, answers[how]))
    with pytest.raises(tool().Problem, match="has no pip that runs.*[Rr]ename"):
        tool().bring_venv(tmp_path / ".venv", "3.12", tmp_path / "log")
    assert (tmp_path / ".venv").exists()


@pytest.mark.parametrize("text", ["[]", "[1]", "3", "null", "half a st"])
def test_a_stamp_that_is_none_counts_as_no_stamp(tmp_path, text):
    (tmp_path / tool().STAMP).write_text(text)
    assert tool().read_stamp(tmp_path) == {}


@pytest.mark.parametrize("name", ["set_up", "address", "notes", "links", "minutes", "colab_today"])
def test_a_python_that_drops_docstrings_runs_the_tools(name):
    command = [sys.executable, "-OO", ROOT / "tools" / f"{name}.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "usage: " in done.stdout, done.stderr


def test_a_path_that_is_too_long_for_windows(tmp_path):
    script = "import sys; sys.path.insert(0, 'tools'); import set_up; from pathlib import Path; "
    script += "set_up.long_paths_allowed = lambda: {}; "
    script += "set_up.check_path(Path('C:/' + 'x' * {} + '/.venv'), True)"
    for allowed, length, fine in ((False, 56, True), (False, 57, False), (True, 200, True)):
        done = subprocess.run(
            [sys.executable, "-c", script.format(allowed, length)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == fine, done.stderr
        assert fine or "too long for Windows" in done.stderr and "shorter one" in done.stderr


@pytest.mark.parametrize("change", ["lock", "requirement", "extra"])
def test_a_change_is_installed(course_copy, learner_environment, empty_venv, change):
    course = course_copy(*NEEDED)
    finished(course, empty_venv)
    extras = "lab"
    if change == "lock":
        lock = course / "requirements.lock"
        lock.write_text(lock.read_text().replace("keras==3.", "keras==3.0"))
    elif change == "requirement":
        project = course / "pyproject.toml"
        project.write_text(
            project.read_text(encoding="utf-8").replace("keras>=3.13", "keras>=3.14")
        )
    else:
        extras = "lab,test"
    env = learner_environment | closed_index()
    status, said, lines = set_up(course, env, "--extras", extras)
    assert said.startswith("Installing into .venv") and status == 1 and "no network" in lines[0]


def test_a_python_that_is_gone(course_copy, learner_environment, empty_venv):
    course = course_copy(*NEEDED)
    finished(course, empty_venv)
    program = course / ".venv" / "bin" / "python"
    program.unlink()
    program.symlink_to("/usr/bin/a-python-that-was-removed")
    env = learner_environment | closed_index()
    status, said, _ = set_up(course, env)
    assert ".venv does not work (its Python does not run): making it anew" in said
    assert status == 1 and subprocess.run([program, "-c", ""]).returncode == 0


@pytest.mark.parametrize("program", ["echo 3.10", "exit 1", None])
def test_an_environment_of_somebody_else_is_left_alone(tmp_path, program):
    place = tmp_path / ".venv"
    (place / "bin").mkdir(parents=True)
    (place / "pyvenv.cfg").write_text("home = /usr/bin\n")
    if program:
        (place / "bin" / "python").write_text(f"#!/bin/sh\n{program}\n")
        (place / "bin" / "python").chmod(0o755)
    with pytest.raises(tool().Problem, match="not an environment that this script made.*--venv"):
        tool().bring_venv(place, "3.12", tmp_path / "log")
    assert (place / "pyvenv.cfg").exists()


def test_a_folder_with_a_file_called_as_the_stamp_is_left_alone(tmp_path):
    (tmp_path / tool().STAMP).write_text("{}")
    with pytest.raises(tool().Problem, match="rename or remove it"):
        tool().bring_venv(tmp_path, "3.12", tmp_path / "log")
    assert (tmp_path / tool().STAMP).exists()


def test_interrupted_while_the_environment_is_made(tmp_path, monkeypatch):
    place, version = tmp_path / ".venv", f"{sys.version_info[0]}.{sys.version_info[1]}"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tool().subprocess, "run", interrupted)
        tool().make_venv(place, tmp_path / "log")
    assert place.is_dir() and not tool().python_of(place).exists()
    monkeypatch.setattr(tool(), "make_venv", lambda *_: None)
    tool().bring_venv(place, version, tmp_path / "log")
    assert not place.exists(), "taken away, to be made anew"


def test_a_folder_of_somebody_else_is_left_alone(course_copy, learner_environment):
    course = course_copy(*NEEDED)
    (course / ".venv").mkdir()
    (course / ".venv" / "thesis.txt").write_text("all of it")
    status, _, lines = set_up(course, learner_environment)
    assert status == 1 and len(lines) == 1 and "rename or remove it" in lines[0]
    assert (course / ".venv" / "thesis.txt").read_text() == "all of it"


def test_interrupted(course_copy, learner_environment, empty_venv):
    course = course_copy(*NEEDED)
    shutil.copytree(empty_venv, course / ".venv", symlinks=True)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and never answers
        env = learner_environment | closed_index(silent.getsockname()[1])
        running = subprocess.Popen(
            [sys.executable, course / "tools" / "set_up.py"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Whoever runs the tests in the background may have them ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        silent.settimeout(100)
        silent.accept()  # pip is at work
        os.killpg(running.pid, signal.SIGINT)
        _, error = running.communicate(timeout=60)
    assert running.returncode == 130 and len(error.strip().splitlines()) == 1
    assert "run the same command again and it goes on" in error
    assert not (course / ".venv" / tool().STAMP).exists()

    status, said, _ = set_up(course, learner_environment | closed_index())
    assert status == 1 and "Making" not in said and "Installing" in said


def test_interrupted_while_unpacking(tmp_path, monkeypatch, capsys):
    """pip takes a package whose unpacking was cut off for an installed one: begin anew."""
    place, version = tmp_path / ".venv", f"{sys.version_info[0]}.{sys.version_info[1]}"
    venv.create(place)
    (place / tool().UNPACKING).touch()
    monkeypatch.setattr(tool(), "make_venv", lambda *_: None)
    tool().bring_venv(place, version, tmp_path / "log")
    assert ".venv was left half installed: making it anew" in capsys.readouterr().out
    assert not place.exists(), "taken away, to be made anew"


def in_a_sandbox(course, env, *options, command):
    """Run a shell command under bubblewrap, in the copy's folder."""
    sandbox = shutil.which("bwrap")
    if sandbox is None and not env.get("CI"):
        pytest.skip("bubblewrap is not installed")
    done = subprocess.run(
        [sandbox, "--dev-bind", "/", "/", *options, "sh", "-c", command],
        env=env,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    return done.returncode, lines


def test_no_room_is_seen_before_anything_is_installed(course_copy, learner_environment, tmp_path):
    course, small = course_copy(*NEEDED), tmp_path / "small disk"
    small.mkdir()
    status, lines = in_a_sandbox(
        course,
        learner_environment,
        *("--size", "100000000", "--tmpfs", small),
        command=f'cp -r "{course}"/. "{small}" && cd "{small}" && '
        f'make lab PYTHON="{sys.executable}"',
    )
    assert status != 0 and len(lines) == 1
    assert "no room on the disk: 0.1 GB are free" in lines[0]
    assert f"takes {tool().ROOM_IN_GB:.1f} GB" in lines[0]


def test_the_disk_fills_up(course_copy, learner_environment, tmp_path):
    course, small = course_copy(*NEEDED), tmp_path / "small disk"
    small.mkdir()
    unaware = "import sys; sys.path.insert(0, 'tools'); import set_up; set_up.ROOM_IN_GB = 0; "
    status, lines = in_a_sandbox(
        course,
        learner_environment,
        *("--size", "4000000", "--tmpfs", small),
        command=f'cp -r "{course}"/. "{small}" && cd "{small}" && '
        f'"{sys.executable}" -c "{unaware} sys.exit(set_up.main([]))"',
    )
    assert status == 1 and len(lines) == 1 and "no room on the disk (here, or" in lines[0]


def test_a_folder_that_cannot_be_written(course_copy, learner_environment):
    course = course_copy(*NEEDED)
    status, lines = in_a_sandbox(
        course,
        learner_environment,
        *("--ro-bind", course, course),
        command=f'cd "{course}" && make lab PYTHON="{sys.executable}"',
    )
    assert status != 0 and len(lines) == 1 and "this folder cannot be written" in lines[0]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "no room on the disk"),
        ("WARNING: Retrying after ReadTimeoutError\nERROR: No matching", "no network"),
        ("ERROR: Could not install: [Errno 13] Permission denied: 'x'", "cannot be written"),
        (
            "WARNING: Retrying after SSLError(SSLCertVerificationError(1, '[SSL: "
            "CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed')) broken\n"
            "ERROR: Could not find a version that satisfies the requirement keras",
            "PIP_CERT=",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 2] No such file: 'C:\\x'\n"
            "HINT: This error might have occurred since this system does not have Windows Long "
            "Path support enabled. You can find information on how to enable this",
            "too long for Windows",
        ),
        (
            "ERROR: Could not install: [WinError 5] Access is denied: 'C:\\x\\_bz2.pyd'\n"
            "Check the permissions.",
            "Close JupyterLab",
        ),
        (
            "ERROR: Cannot install a and b==1 because these package versions have conflicting "
            "dependencies.\n\nThe conflict is caused by:\n    a depends on b==2\n\n"
            "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/",
            "Cannot install a and b==1 because these package versions have conflicting",
        ),
        (
            "Configuration file could not be loaded.\nFile contains no section headers.\n"
            "file: '/own/pip.conf', line: 1\n'not a config\\n'",
            "pip cannot take its own settings: Configuration file could not be loaded. File "
            "contains no section headers. file: '/own/pip.conf', line: 1",
        ),
        (
            "\nUsage:   \n  python -m pip <command> [options]\n\nmaybe is not a valid value for "
            "no-input option, please specify a boolean value like yes/no instead.",
            "settings: maybe is not a valid value for no-input option",
        ),
        (
            "An error occurred during configuration: option timeout: invalid value: 'abc'",
            "settings: An error occurred during configuration: option timeout: invalid value",
        ),
        ("Collecting a\nERROR: No matching distribution found for a\n", "No matching distribution"),
    ],
)
def test_what_pip_says_becomes_one_line(text, answer):
    line = str(tool().explain(text, Path("build/install.log")))
    assert answer in line and "\n" not in line


def test_an_old_python_can_read_the_set_up():
    text = (ROOT / "tools" / "set_up.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    with pytest.raises(SyntaxError):  # the check can fail
        ast.parse(text + "\nif (x := 1): pass\n", feature_version=(3, 6))


# --- course_utils.environment ---------------------------------------------------------------------


def test_importing_it_does_not_import_tensorflow():
    script = "import sys, course_utils.environment; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_tensorflow_starts_without_a_word():
    script = "from course_utils.environment import quiet_tensorflow as q; q(); q(); print('done')"
    bare = {name: value for name, value in os.environ.items() if "TF_" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=bare
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_garbage_is_looked_for_in_what_a_learner_makes_afterwards_alone():
    script = """if True:
        import gc, weakref
        from course_utils.environment import quiet_tensorflow
        searches = []
        gc.callbacks.append(lambda phase, _: searches.append(phase))
        quiet_tensorflow()
        assert len(searches) < 20, "it was looked for during the import"
        there, frozen = len(gc.get_objects()), gc.get_freeze_count()
        assert gc.isenabled() and there < frozen / 100, (there, frozen)
        class Network: pass
        network = Network()
        network.itself, last = network, weakref.ref(network)
        quiet_tensorflow()
        assert gc.get_freeze_count() <= frozen
        del network
        gc.collect()
        assert last() is None
    """
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_after_an_import_that_failed_garbage_is_looked_for_as_before():
    frozen = gc.get_freeze_count()
    with pytest.raises(ImportError), environment._here_to_stay("not there"):
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled() and gc.get_freeze_count() <= frozen
    gc.disable()
    try:
        with environment._here_to_stay("not there"):
            pass
        assert not gc.isenabled(), "whoever has switched it off wants it off"
    finally:
        gc.enable()


def test_a_tensorflow_that_does_not_load_is_heard(tmp_path):
    text = "import os\nos.write(2, b'a library is missing')\nraise ImportError('no such symbol')\n"
    (tmp_path / "tensorflow.py").write_text(text)
    (tmp_path / "keras.py").touch()
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from course_utils.environment import quiet_tensorflow\n"
        "quiet_tensorflow()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "a library is missing" in done.stderr
    assert done.stderr.strip().endswith("ImportError: no such symbol")


def in_python(script, home, **variables):
    """Run a script in a process of its own, with a home that has these settings of Keras."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("KERAS", "TF_"))}
    env |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(
        [sys.executable, "-c", script], cwd=home, capture_output=True, text=True, env=env
    )


def keras_json(home, text):
    (home / ".keras").mkdir()
    (home / ".keras" / "keras.json").write_text(text, encoding="utf-8")


BEGIN = "from course_utils.environment import begin, quiet_tensorflow; begin('0.1.0'); "


def test_keras_settings_of_ones_own_are_left_aside(tmp_path):
    keras_json(
        tmp_path, '{"backend": "torch", "floatx": "float64", "image_data_format": "channels_first"}'
    )
    script = BEGIN + "quiet_tensorflow(); quiet_tensorflow(); import keras\n"
    script += "from course_utils import models\n"
    script += "print(keras.config.backend(), keras.config.floatx(), keras.config.dtype_policy())\n"
    script += "print(models.lenet5_modern().output_shape, keras.config.max_epochs())"
    done = in_python(script, tmp_path, KERAS_BACKEND="jax", KERAS_MAX_EPOCHS="1")
    assert done.returncode == 0, done.stderr
    told, *rest = done.stdout.splitlines()
    assert told.startswith("Keras' settings of your own are left aside in this notebook: ")
    assert all(
        setting in told
        for setting in (
            "KERAS_BACKEND = jax",
            "KERAS_MAX_EPOCHS = 1",
            "floatx = float64",
            "image_data_format = channels_first",
        )
    )
    assert rest == ['tensorflow float32 <DTypePolicy "float32">', "(None, 10) None"]


def test_a_keras_that_runs_already_is_set_as_it_runs(tmp_path):
    keras_json(tmp_path, '{"floatx": "float64", "image_data_format": "channels_first"}')
    script = "import keras; keras.config.set_max_steps_per_epoch(2)\n" + BEGIN
    script += "keras.config.set_dtype_policy('mixed_bfloat16'); begin('0.1.0')\n"
    script += "print(*(getattr(keras.config, name)() for name in ('floatx', 'image_data_format', "
    script += "'max_epochs', 'max_steps_per_epoch')), keras.config.dtype_policy().name)"
    done = in_python(script, tmp_path, KERAS_MAX_EPOCHS="1")
    assert done.returncode == 0, done.stderr
    first, second, rest = done.stdout.splitlines()
    told = ("floatx = float64", "format = channels_first", "max_epochs = 1", "per_epoch = 2")
    assert all(setting in first for setting in told)
    assert second.endswith("left aside in this notebook: dtype_policy = mixed_bfloat16")
    assert rest == "float32 channels_last None None float32"


def test_where_keras_has_its_usual_settings_nothing_is_said_or_imported(tmp_path):
    keras_json(
        tmp_path,
        '{"floatx": "float32", "epsilon": 1e-07, "backend": "jax", '
        '"image_data_format": "channels_last"}',
    )
    script = BEGIN + "import os, sys; print('keras' in sys.modules, os.environ['KERAS_BACKEND'])"
    done = in_python(script, tmp_path)
    assert (done.stdout, done.stderr) == ("False tensorflow\n", "")


@pytest.mark.parametrize("text", ["not json", "[]", '{"floatx": ["x"]}'])
def test_a_keras_json_that_is_wrong_is_named(tmp_path, text):
    keras_json(tmp_path, text)
    done = in_python(BEGIN, tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: ") and "keras.json is not right" in last
    assert done.stderr.count("Traceback") == 1


def test_a_keras_json_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "keras.json").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(RuntimeError, match="keras.json is not right .*Permission denied"):
        environment.set_keras()


def test_without_a_place_for_temporary_files_tensorflow_starts_all_the_same(monkeypatch):
    def none(*_, **__):
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(environment.tempfile, "TemporaryFile", none)
    with environment._quiet_error_stream():
        ran = True
    assert ran


def test_keras_that_runs_already_on_something_else(tmp_path):
    script = "import sys, types\nkeras = sys.modules['keras'] = types.ModuleType('keras')\n"
    script += "keras.config = types.SimpleNamespace(backend=lambda: 'jax')\n"
    done = in_python(script + BEGIN, tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert "Keras runs on jax here" in last and "restart the kernel" in last


def test_tensorflow_that_is_missing_is_a_sentence(tmp_path):
    script = "import sys; sys.modules['tensorflow'] = None\n" + BEGIN + "quiet_tensorflow()"
    done = in_python(script, tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ") and "make lab" in last and "README.md" in last
    assert done.stderr.count("Traceback") == 1


@pytest.mark.parametrize(
    ("name", "machine", "there"),
    [
        ("macosx-10.13-universal2", "x86_64", "macosx-x86_64"),
        ("win-arm64", "ARM64", "win-arm64"),
        ("win-amd64", "AMD64", None),
        ("linux-aarch64", "aarch64", None),
    ],
)
def test_check_says_where_there_is_no_tensorflow(monkeypatch, name, machine, there):
    monkeypatch.setattr(environment.sysconfig, "get_platform", lambda: name)
    monkeypatch.setattr(environment.platform, "machine", lambda: machine)
    monkeypatch.setattr(environment, "_installed", lambda name: None)
    (line,) = [line for line in checked()[1] if " tensorflow " in line]
    assert (f"there is none for {there}: use Colab" in line) if there else ("make lab" in line)


GIBIBYTE = 2**30
GROUP_FILES = {  # limit, in use, and the counts, of which 0.9 GiB are files
    "version 2": {
        "memory.max": "2147483648",
        "memory.current": "1327000000",
        "memory.stat": f"anon 1\ninactive_file {int(0.9 * GIBIBYTE)}\nactive_file 5",
    },
    "version 1": {
        "memory/memory.limit_in_bytes": "2147483648",
        "memory/memory.usage_in_bytes": "1327000000",
        "memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {int(0.9 * GIBIBYTE)}",
    },
    "no limit in version 2": {"memory.max": "max", "memory.current": "5", "memory.stat": ""},
    "no limit in version 1": {
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/memory.usage_in_bytes": "5",
        "memory/memory.stat": "",
    },
    "no group": {},
}


@pytest.mark.parametrize("kind", GROUP_FILES)
def test_files_that_are_kept_in_memory_count_as_free(tmp_path, monkeypatch, kind):
    """On Binder (2 GiB) the first check was a false alarm: 0.8 GB free."""
    monkeypatch.setattr(environment, "SYSTEM", tmp_path)
    assert environment.free_memory() is None, "where there is no such file, nothing is known"
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 12000000 kB\n")
    for name, text in GROUP_FILES[kind].items():
        path = tmp_path / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    limited = kind.startswith("version")
    free = (2147483648 - 1327000000 + int(0.9 * GIBIBYTE)) / 1e9 if limited else 12.288
    assert environment.free_memory() == free
    assert environment._check_memory(free)[0]


def checked():
    """What `check` returns, and its lines."""
    with redirect_stdout(io.StringIO()) as out:
        fine = environment.check()
    return fine, out.getvalue().splitlines()


def test_check_is_content_here():
    fine, lines = checked()
    assert fine and len(lines) == len(environment.PACKAGES) + 3
    assert all(line.startswith("OK ") for line in lines)


def test_check_says_what_to_do(monkeypatch):
    versions = {"numpy": "1.26.4", "keras": None}
    found = environment._installed
    monkeypatch.setattr(environment, "_installed", lambda name: versions.get(name, found(name)))
    monkeypatch.setattr(environment, "free_memory", lambda: 0.4)
    fine, lines = checked()
    assert not fine
    todo = {line.split()[2]: line for line in lines if line.startswith("TO DO")}
    assert set(todo) == {"numpy", "keras", "memory"}
    assert "1.26.4" in todo["numpy"] and ">=2.1,<3" in todo["numpy"] and "make lab" in todo["numpy"]
    assert "missing" in todo["keras"] and "make lab" in todo["keras"]
    assert "0.4 GB free" in todo["memory"]


def test_check_counts_the_cores_that_it_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 4, 5}, raising=False)
    assert environment._cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert environment._cores() == os.cpu_count()


@pytest.mark.parametrize("beside", [None, "", '[project]\nname = "my-work"\n'])
def test_a_package_that_was_copied_alone_says_so(tmp_path, monkeypatch, beside):
    def none(name):
        raise importlib.metadata.PackageNotFoundError(name)

    if beside is not None:
        (tmp_path / "pyproject.toml").write_text(beside)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "course_utils" / "environment.py"))
    monkeypatch.setattr(environment.importlib.metadata, "metadata", none)
    with pytest.raises(FileNotFoundError, match="pyproject.toml is missing: fetch the whole"):
        environment.check()


@pytest.mark.parametrize(
    ("version", "fits"),
    [("2.20.0", True), ("2.21.3", True), ("2.22.0", False), ("2.19.9", False), ("2.22", False)],
)
def test_versions_are_compared_as_numbers(version, fits):
    assert environment._within(version, ">=2.20,<2.22") is fits
    assert Requirement("t>=2.20,<2.22").specifier.contains(version) is fits


def test_the_ranges_are_those_of_pyproject():
    ranges = environment._ranges()
    assert ranges.pop("python") == PROJECT["requires-python"]
    assert sorted(name + supported for name, supported in ranges.items()) == sorted(
        PROJECT["dependencies"]
    )
    assert set(ranges) == set(environment.PACKAGES)


def test_the_range_of_keras_ends_before_the_first_minor_that_was_not_tested():
    """What patches Keras' layers is tried with each minor before it is let in."""
    locked = pins("requirements.lock")["keras"].split(".")
    following = f"{locked[0]}.{int(locked[1]) + 1}"
    assert not Requirement(PROJECT["dependencies"][1]).specifier.contains(following)
