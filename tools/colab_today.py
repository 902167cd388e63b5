"""Write `tools/colab.lock` anew from what Colab has today: once a week, and before a term.

    python tools/colab_today.py                    fetch Google's list
    python tools/colab_today.py pip-freeze.txt     read it from a file
    python tools/colab_today.py --check            exit with 1 when Colab has other versions by now
    python tools/colab_today.py --ranges           exit with 1 where pyproject.toml refuses the lock

Google publishes what Colab's default runtime has installed. Of it the lock keeps the packages that
it names already; those below its empty line are not Colab's (they run the tests) and stay. `make
test-colab` then runs the course with them. It needs nothing installed, but for `--ranges` the
package `packaging`.
"""

import argparse
import datetime
import re
import sys
import tomllib
from pathlib import Path
from urllib.request import urlopen

LOCK = Path(__file__).resolve().parent / "colab.lock"
LIST = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt"
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([\w.!+-]+)\s*$", re.MULTILINE)
PUBLISHED = re.compile(r"(published them in )\w+ \d{4}")


def canonical(name):
    """A package's name as indexes compare it: 'ml_dtypes' and 'ml-dtypes' are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def renewed(lock, freeze, month=""):
    """The lock's text with the versions of a `pip freeze`.

    Raises:
        ValueError: the list lacks a package that the lock has of Colab, so it is no list of Colab's
            or Colab has dropped the package, which the course should know.
    """
    today = {canonical(name): version for name, version in PIN.findall(freeze)}
    colab, blank, ours = lock.partition("\n\n")
    lost = [name for name, _ in PIN.findall(colab) if canonical(name) not in today]
    if lost:
        raise ValueError(f"the list has no {', '.join(lost)}: is it Colab's `pip freeze`?")

    def pin(found):
        # '+cpu' and the like name a build, which no index has.
        return f"{found[1]}=={today[canonical(found[1])].partition('+')[0]}"

    colab = PIN.sub(pin, colab)
    if month:
        colab = PUBLISHED.sub(rf"\g<1>{month}", colab)
    return colab + blank + ours


def differences(lock, other):
    """What two locks differ in, a line for each package."""
    before, after = dict(PIN.findall(lock)), dict(PIN.findall(other))
    return [
        f"{name}: {before[name]} is {after[name]} now"
        for name in before
        if before[name] != after[name]
    ]


def refused(lock, project):
    """Where the ranges of a `pyproject.toml`'s text do not admit the lock's versions."""
    from packaging.requirements import Requirement

    pins = {canonical(name): version for name, version in PIN.findall(lock)}
    wanted = map(Requirement, tomllib.loads(project)["project"]["dependencies"])
    return [
        f"pyproject.toml wants {each}, Colab has {pins[canonical(each.name)]}"
        for each in wanted
        if not each.specifier.contains(pins[canonical(each.name)], prereleases=True)
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("list", nargs="?", help="a file with Colab's `pip freeze`")
    parser.add_argument("--check", action="store_true", help="only say what has changed")
    parser.add_argument("--ranges", action="store_true", help="whether the course admits the lock")
    options = parser.parse_args(arguments)
    lock = LOCK.read_text(encoding="utf-8")
    if options.ranges:
        out = refused(lock, (LOCK.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        print("\n".join(out) or "pyproject.toml admits what Colab has")
        return 1 if out else 0
    try:
        if options.list:
            freeze = Path(options.list).read_text(encoding="utf-8")
        else:
            freeze = urlopen(LIST, timeout=60).read().decode()
        new = renewed(lock, freeze, f"{datetime.date.today():%B %Y}")
    except (OSError, ValueError) as problem:
        print(f"colab: {problem}", file=sys.stderr)
        return 1
    changed = differences(lock, new)
    print("\n".join(changed) or "Colab has what tools/colab.lock says")
    if options.check:
        return 1 if changed else 0
    if changed:
        LOCK.write_text(new, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
