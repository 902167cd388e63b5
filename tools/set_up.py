"""Make the course's own Python environment, `.venv`, and say plainly what is in the way.

    python3 tools/set_up.py                      for learners: the course and JupyterLab
    python3 tools/set_up.py --extras lab,test,grading    what the tests and graders need as well
    python3 tools/set_up.py --colab              `.venv-colab`, with the versions that Colab has

`make` calls this; on Windows, where there is no make, call it by hand. Running it again is safe:
it does nothing when all is there, and goes on where an interrupted run stopped.

The versions come from `requirements.lock` (or `tools/colab.lock`), the packages from
`pyproject.toml`. The course itself is not installed: notebooks and tests find it beside them.

This file keeps to the standard library and to the Python of 2016 (3.6), because it is also what
tells the owner of an old Python that it is too old.
"""

import argparse
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 13)
COLAB = (3, 13)
# Measured with TensorFlow 2.21 on Linux: 2.8 GB for lab, test and grading; and what pip downloads.
ROOM_IN_GB = 3.5
# The machines that TensorFlow 2.20 and 2.21 are built for, and what to do on some others.
WHEELS = ("linux-x86_64", "linux-aarch64", "macosx-arm64", "win-amd64")
ELSEWHERE = "Open the course on Colab or Binder, or use another machine"
INSTEAD = {
    "macosx-x86_64": "If this Mac has an Apple chip, its Python is one for Intel Macs: install the "
    "one of python.org and name it (make lab PYTHON=/usr/local/bin/python3). " + ELSEWHERE,
    "win-arm64": "Use it under Windows' Linux (WSL). " + ELSEWHERE,
    "32 bits": "Install the Python of python.org for 64 bits. " + ELSEWHERE,
    "linux-musl": "Use a Linux with the GNU C library (Alpine has another). " + ELSEWHERE,
}
# The longest name of a file of TensorFlow, counted from site-packages, and Windows' longest path.
LONGEST_NAME, LONGEST_PATH = 175, 259
# Variables that make a Python, or pip, look into folders other than the environment's, or bring
# other packages there than the pins say.
ASTRAY = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PIP_PYTHON"),
    *("PIP_CONSTRAINT", "PIP_NO_DEPENDENCIES"),
)
# These outdo pip's settings file, in which proxies and certificates stand as well.
PIP = {"PIP_USER": "0", "PIP_NO_DEPS": "0", "PIP_DRY_RUN": "0", "PIP_QUIET": "0"}
ABSENT = """
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        print(name)
"""
STAMP = "course.json"
UNPACKING = "course.half-done"  # lies in an environment while it is made, or pip is at work in it


class Problem(Exception):
    """What is in the way, in one line that says what to do about it."""


# --- Is this Python the right one? ----------------------------------------------------------------


def python_fits(colab=False):
    """Whether the Python that runs this file can hold the course (or Colab's versions)."""
    here = tuple(sys.version_info[:2])
    fits = here == COLAB if colab else OLDEST <= here <= NEWEST
    return fits and machine() in WHEELS


def machine():
    """What this Python was built for, in the words of the packages' names: 'linux-x86_64'."""
    system, _, rest = sysconfig.get_platform().partition("-")
    if sys.maxsize < 2**32 or system == "win32":
        return "32 bits"
    if "musl" in (sysconfig.get_config_var("SOABI") or ""):
        return "linux-musl"
    # Only Windows says it exactly: on a Mac the name is that of the installer, for both chips.
    return "{}-{}".format(system, rest if system == "win" else platform.machine().lower())


def check_python(colab=False):
    """Raise `Problem` when the Python that runs this file is too old or too new."""
    if machine() not in WHEELS:
        what_to_do = INSTEAD.get(machine(), ELSEWHERE)
        raise Problem(
            f"there is no TensorFlow for this Python ({machine()}: {sys.executable}). {what_to_do}"
        )
    if python_fits(colab):
        return
    here = f"Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})"
    if colab:
        raise Problem(
            "{} is not the Python that Colab has: it takes Python {}.{}. Install it, or name it: "
            "make test-colab PYTHON_COLAB=/path/to/python{}.{}".format(here, *(COLAB + COLAB))
        )
    verdict = "old" if tuple(sys.version_info[:2]) < OLDEST else "new"
    raise Problem(
        f"{here} is too {verdict}: the course needs Python 3.11, 3.12 or 3.13. Install one of "
        "them from python.org or your system's packages, or name one that you have: "
        "make lab PYTHON=/path/to/python3.12"
    )


# --- What is to be installed, and is it there already? --------------------------------------------


def requirements(extras, colab):
    """The wanted packages by group: `{'course': [...], 'lab': [...]}`, and the file of pins."""
    if colab:
        pins = ROOT / "tools" / "colab.lock"
        lines = pins.read_text(encoding="utf-8").splitlines()
        return {"colab": [line for line in lines if line and not line.startswith("#")]}, pins

    import tomllib  # Python 3.11 has it, and `check_python` came first

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    choices = project["optional-dependencies"]
    for extra in extras:
        if extra not in choices:
            raise Problem(f"no extra is called {extra!r}: choose from {', '.join(choices)}")
    groups = {"course": project["dependencies"]}
    groups.update({extra: choices[extra] for extra in extras})
    return groups, ROOT / "requirements.lock"


def fingerprints(groups, pins, version):
    """One hash for each group of packages: it changes when that group has to be installed anew."""
    versions = pins.read_text(encoding="utf-8")
    return {
        name: hashlib.sha256("\n".join([version, versions] + wanted).encode()).hexdigest()
        for name, wanted in groups.items()
    }


def read_stamp(venv):
    """The fingerprints of the groups that a finished run left in `venv`."""
    try:
        return dict(json.loads((venv / STAMP).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


# --- The environment itself -----------------------------------------------------------------------


def python_of(venv):
    """The environment's own Python."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def alone():
    """The environment variables for a Python that shall see its own packages only."""
    kept = {name: value for name, value in os.environ.items() if name not in ASTRAY}
    return dict(kept, PYTHONUNBUFFERED="1", PYTHONNOUSERSITE="1", **PIP)


def ask(venv, *arguments):
    """What the environment's Python prints when it is called so; None when it fails."""
    try:
        done = subprocess.run(
            [str(python_of(venv)), "-I"] + list(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=alone(),
            timeout=200,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def remove(venv, why):
    """Take away an environment that cannot be used, but nothing that this script did not make."""
    # A `pyvenv.cfg` lies in every environment, and a file with the stamp's name in other folders.
    finished = (venv / STAMP).exists() and (venv / "pyvenv.cfg").exists()
    if venv.is_symlink() or not (finished or (venv / UNPACKING).exists()):
        raise Problem(
            f"{venv.name} is not an environment that this script made ({why}): rename or remove "
            "it, or name another folder (--venv), then run this again"
        )
    print(f"{venv.name} {why}: making it anew", flush=True)
    shutil.rmtree(str(venv))


def bring_venv(venv, version, log):
    """See that `venv` is an environment of this Python with a pip in it: make it where needed."""
    if venv.exists() or venv.is_symlink():
        answer = ask(venv, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        if not answer:
            remove(venv, "does not work (its Python does not run)")
        elif answer != version:
            remove(venv, f"holds Python {answer}, not {version}")
        elif (venv / UNPACKING).exists():
            # pip takes a package whose unpacking was cut off for an installed one.
            remove(venv, "was left half installed")
        elif ask(venv, "-c", "import pip") is None and ask(venv, "-m", "ensurepip") is None:
            # uv makes such ones.
            raise Problem(
                f"{venv.name} has no pip that runs, and none can be put in. Rename or remove that "
                "folder, then run this again"
            )
    if not venv.exists():
        make_venv(venv, log)


def make_venv(venv, log):
    """Make an empty environment with the Python that runs this file."""
    try:
        import ensurepip.__main__  # noqa: F401
        import venv as _  # noqa: F401
    except ImportError:
        raise Problem(
            "this Python ({}) comes without its venv module. On Debian and Ubuntu: "
            "sudo apt-get install python{}.{}-venv, then run this again; elsewhere install "
            "Python from python.org".format(sys.executable, *sys.version_info[:2])
        ) from None
    print(f"Making {venv.name} with Python {platform.python_version()}", flush=True)
    # Called from inside an environment, the Python that this one was made from.
    base = getattr(sys, "_base_executable", None) or sys.executable
    venv.mkdir(parents=True)
    (venv / UNPACKING).touch()  # so that what an interruption leaves can be made anew
    done = subprocess.run(
        [base, "-m", "venv", str(venv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=alone(),
    )
    text = done.stdout.decode("utf-8", "replace")
    with open(str(log), "a", encoding="utf-8") as record:
        record.write(text)
    if done.returncode != 0:
        raise explain(text, log)


def size_in_gb(folder):
    """What lies in a folder, in GB; a folder that is not there is empty."""
    total = 0
    for place, _, names in os.walk(str(folder)):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                pass
    return total / 1e9


def check_room(venv):
    """Raise `Problem` when the packages would not fit on the disk."""
    free = shutil.disk_usage(str(venv.resolve().parent)).free / 1e9
    needed = ROOM_IN_GB - size_in_gb(venv)
    if free < needed:
        raise Problem(
            f"no room on the disk: {free:.1f} GB are free in {venv.resolve().parent}, and the "
            f"installation takes {needed:.1f} GB. Make room, or move the course to a larger disk, "
            "then run this again"
        )


def check_path(venv, windows=os.name == "nt"):
    """Raise `Problem` when Windows could not name the files of TensorFlow in this folder."""
    length = len(str(venv / "Lib" / "site-packages")) + 1 + LONGEST_NAME
    if windows and length > LONGEST_PATH and not long_paths_allowed():
        raise Problem(
            f"the path of this folder is {length - LONGEST_PATH} characters too long for Windows: "
            f"{ROOT}. Move the course to a shorter one, C:\\course say, then run this again"
        )


def long_paths_allowed():
    """Whether this Windows has been told to take long paths."""
    import winreg

    place = r"SYSTEM\CurrentControlSet\Control\FileSystem"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False


# --- pip ------------------------------------------------------------------------------------------

NO_NETWORK = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "NameResolutionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Connection refused",
    "Network is unreachable",
    "Cannot connect to proxy",
)
NO_TRUST = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed")
IN_USE = ("WinError 5]", "WinError 32]", "Access is denied", "being used by another process")
BAD_SETTING = re.compile(
    r"^.*(Configuration file co|error occurred during config|is not a valid value for)[\s\S]*", re.M
)
CONFLICT = re.compile(r"^ERROR: (Cannot install [^\n]*)", re.M)
LONG_PATH = ("Windows Long Path support", "WinError 206]", "filename or extension is too long")
NO_ROOM = ("No space left on device", "Disk quota exceeded", "enough space on the disk")


def explain(text, log):
    """The `Problem` behind what pip or venv wrote."""
    again = "then run this again: it goes on where it stopped"
    # When pip itself does not fit, venv does not pass its reason on: so look at the disk as well.
    if any(sign in text for sign in NO_ROOM) or shutil.disk_usage(str(ROOT)).free < 50e6:
        return Problem(
            "no room on the disk (here, or in the folder for temporary files): the installation "
            f"takes {ROOM_IN_GB} GB. Make room, {again}"
        )
    if any(sign in text for sign in NO_TRUST):  # before the network: pip retries, and says both
        return Problem(
            "the package index's certificate is not trusted: a proxy may stand in between. Ask "
            "whoever runs the network for its certificate, name the file "
            f"(PIP_CERT=/path/to/certificate.pem), {again}"
        )
    if any(sign in text for sign in LONG_PATH):
        return Problem(
            "a path became too long for Windows. Move the course to a shorter one, C:\\course say, "
            f"{again}"
        )
    if any(sign in text for sign in IN_USE):
        return Problem(
            "a file of .venv is in use, or may not be changed. Close JupyterLab and every other "
            f"program that runs from .venv, {again}"
        )
    if any(sign in text for sign in NO_NETWORK):
        return Problem(
            "no network: pip could not reach the package index. Check the connection (and the "
            f"proxy, if there is one), {again}"
        )
    if "Permission denied" in text or "Errno 13" in text:
        return Problem(
            f"this folder cannot be written: {ROOT}. Move the course to a folder of yours, {again}"
        )
    return explain_the_rest(text, log, again)


def explain_the_rest(text, log, again):
    """The `Problem` where nothing of the machine is in the way: in pip's own words."""
    setting, conflict = BAD_SETTING.search(text), CONFLICT.search(text)
    if setting:
        said = " ".join(setting[0].split())[:300].rstrip(".")
        return Problem(
            f"pip cannot take its own settings: {said}. Mend the settings file, or the variable "
            f"PIP_... that says so, {again}"
        )
    if conflict:
        return Problem(
            f"the wanted versions do not go together: {conflict[1][:300].rstrip('.')}. If pip's "
            f"settings name versions of their own (constraint), take them out, {again} "
            f"(everything it wrote is in {log})"
        )
    errors = [line.strip() for line in text.splitlines() if re.match(r"\s*(ERROR|error)\b", line)]
    lines = errors or [line.strip() for line in text.splitlines() if line.strip()] or ["no output"]
    return Problem(f"the installation failed: {lines[-1][:300]} (everything it wrote is in {log})")


def progress(text, seconds):
    """A short line on where pip is, or '' when there is nothing to tell yet."""
    if "Installing collected packages:" in text:
        names = text.rsplit("Installing collected packages:", 1)[1].splitlines()[0].split(",")
        what = f"unpacking {len(names)} packages"
    else:
        found = len(re.findall(r"^(?:Collecting|Processing|Requirement already) ", text, re.M))
        what = f"{found} packages found"
        last = text.rstrip().rsplit("\n", 1)[-1]
        if last.lstrip().startswith("Downloading "):  # the file's name and size, not its address
            what += ", downloading " + last.split("Downloading ", 1)[1].rsplit("/", 1)[-1][:40]
    return "  {}, {:d}:{:02d} min".format(what, *divmod(int(seconds), 60))


def pip_install(venv, wanted, pins, log):
    """Run pip with its whole output in `log`; show where it is; raise `Problem` when it fails.

    The file UNPACKING is left in `venv` when pip was stopped after it began to change packages.
    """
    command = [str(python_of(venv)), "-m", "pip", "install", "--no-input", "--progress-bar=off"]
    command += ["--disable-pip-version-check", "--constraint", str(pins.relative_to(ROOT))]
    # Into the environment, wherever pip's settings file wants it.
    command += ["--target=", f"--prefix={venv}", f"--root={venv.anchor}"]
    start, shown, status = time.time(), 0.0, None
    half_done = venv / UNPACKING
    half_done.touch()
    on_terminal = sys.stdout.isatty()
    with open(str(log), "ab") as record:
        begin = record.tell()
        pip = subprocess.Popen(
            command + wanted,
            stdout=record,
            stderr=subprocess.STDOUT,
            cwd=str(ROOT),
            env=alone(),
        )
        try:
            while True:
                try:
                    status = pip.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    pass
                # A terminal gets one line that changes, a log file a line now and then.
                if time.time() - shown >= (1 if on_terminal else 15):
                    shown = time.time()
                    line = progress(read_from(log, begin), shown - start)
                    print(line, end="\r" if on_terminal else "\n", flush=True)
        except BaseException:
            pip.terminate()
            pip.wait()
            raise
        finally:
            if on_terminal:
                print(" " * 60, end="\r", flush=True)
            if status == 0 or "Installing collected packages:" not in read_from(log, begin):
                half_done.unlink()  # pip did all of it, or nothing
    if status != 0:
        raise explain(read_from(log, begin), log)


def check_installed(venv, wanted):
    """Raise `Problem` when the environment's own Python does not find what pip was to install."""
    absent = ask(venv, "-c", ABSENT, *[re.match(r"[\w.-]+", package)[0] for package in wanted])
    if absent:
        raise Problem(
            f"pip was content, but {venv.name} has no {', '.join(absent.split())}: a setting of "
            f"pip's own may stand behind it. Look for it with {python_of(venv)} -m pip config "
            "list, take it out, then run this again"
        )


def read_from(log, begin):
    """What was written to a log since byte `begin`."""
    with open(str(log), "rb") as record:
        record.seek(begin)
        return record.read().decode("utf-8", "replace")


# --- All of it ------------------------------------------------------------------------------------


def set_up(venv, extras, colab):
    """Bring `venv` to what is wanted; do nothing when it is there already."""
    check_python(colab)
    groups, pins = requirements(extras, colab)
    version = "{}.{}".format(*sys.version_info[:2])
    done, wanted = read_stamp(venv), fingerprints(groups, pins, version)
    if all(done.get(name) == wanted[name] for name in wanted) and python_of(venv).exists():
        return

    log = ROOT / "build" / "install.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("", encoding="utf-8")
    check_path(venv)
    check_room(venv)
    bring_venv(venv, version, log)

    # What an earlier run installed stays at the versions that the rest is brought to.
    if not colab:
        earlier = [name for name in done if name != "course" and name not in extras]
        try:
            groups, pins = requirements(list(extras) + earlier, colab)
        except Problem:
            pass  # an extra that is no longer in pyproject.toml
        wanted = fingerprints(groups, pins, version)
    packages = sorted({package for group in groups.values() for package in group})
    print(f"Installing into {venv.name}; the log is {log.relative_to(ROOT)}", flush=True)
    pip_install(venv, packages, pins, log)
    check_installed(venv, packages)
    # Written last: an interrupted run leaves no stamp, and the next one goes on.
    (venv / STAMP).write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    print(f"{venv.name} is ready", flush=True)


def main(arguments=None):
    """Set up, or print one line on what is in the way; the exit status is 0 or 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--extras", default="lab", help="groups of pyproject.toml, with commas")
    parser.add_argument("--colab", action="store_true", help="the versions that Colab has")
    parser.add_argument("--venv", help="folder, default .venv (.venv-colab with --colab)")
    parser.add_argument("--fits", action="store_true", help="only say whether this Python fits")
    options = parser.parse_args(arguments)
    if options.fits:
        return 0 if python_fits(options.colab) else 1
    venv = ROOT / (options.venv or (".venv-colab" if options.colab else ".venv"))
    extras = [name for name in options.extras.split(",") if name]
    try:
        set_up(venv, extras, options.colab)
    except Problem as problem:
        print(f"set-up: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        if problem.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            text = "Permission denied"
        else:
            text = str(problem)
        print("set-up: {}".format(explain(text, ROOT / "build" / "install.log")), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; run the same command again and it goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
