"""How many minutes each notebook takes a learner: reading, predicting, and waiting for its cells.

    python tools/minutes.py                 the table
    python tools/minutes.py --words 120     for slower readers
    python tools/minutes.py --measure       run every notebook first and keep its seconds
    python tools/minutes.py --measure 04 05 run these two

Words and cells are counted in the notebooks. The seconds of a whole run, the kernel's start
included, are measured on a machine with nothing else to do, and lie in `site/seconds.json` with the
machine that they belong to, and with the most memory that the run's processes took together. (11
starts one process fewer where memory is short; what is kept of it is a run that had 2 GB.) How fast
somebody reads is no measurement: the three rates are assumptions, and one of them, the words, can
be given. Exercises are not in it; what they are made for stands in their heads.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import work

ROOT = Path(__file__).resolve().parent.parent
SECONDS = ROOT / "site" / "seconds.json"
WORDS_A_MINUTE = 150  # text with formulas
SECONDS_A_CELL = 30  # to read code and what it prints
SECONDS_A_PREDICTION = 60  # to think, and to say it
EXERCISE = 60  # minutes that an exercise is made for, as its own head says
LONGER = dict.fromkeys(("ex01", "ex04", "ex06", "ex08"), 90) | {"ex10": 120}


class Notebook(NamedTuple):
    """What is counted in a notebook; `seconds` is None where no run was measured."""

    name: str
    words: int
    cells: int
    predictions: int
    seconds: float | None

    def minutes(self, words=WORDS_A_MINUTE):
        """Minutes for one learner, to the next multiple of five."""
        seconds = self.words / words * 60 + self.cells * SECONDS_A_CELL
        seconds += self.predictions * SECONDS_A_PREDICTION + (self.seconds or 0)
        return 5 * max(1, round(seconds / 300))


def read(path, seconds):
    """Count words, code cells and questions of a notebook; its set-up cell is not read."""
    cells = work.read_notebook(path)["cells"]
    cells = [cell for cell in cells if "instructor" not in cell["metadata"].get("tags", ())]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    asked = len(re.findall(r"^guess_\w+ = predict\(", "\n".join(code), re.MULTILINE))
    asked += sum(text.count("**Predict first:**") for text in texts)
    words = sum(len(text.split()) for text in texts)
    return Notebook(path.stem, words, len(code) - 1, asked, seconds.get(path.stem))


def notebooks(root=ROOT):
    """All notebooks of the course, counted."""
    seconds = json.loads(SECONDS.read_text(encoding="utf-8"))["seconds"]
    return [read(path, seconds) for path in work.notebooks(root)]


def table(words=WORDS_A_MINUTE):
    """The minutes of every notebook as a table in Markdown, with what they are made of."""
    lines = [
        "| notebook | words | code cells | predictions | seconds to run | minutes |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    counted = notebooks()
    for each in counted:
        run = "–" if each.seconds is None else f"{each.seconds:.0f}"
        numbers = f"{each.words:,} | {each.cells} | {each.predictions} | {run}"
        lines.append(f"| {each.name} | {numbers} | {each.minutes(words)} |")
    total = sum(each.minutes(words) for each in counted)
    return "\n".join([*lines, f"| all | | | | | {total} |"])


def measured_on():
    """In words, where the seconds come from."""
    machines = json.loads(SECONDS.read_text(encoding="utf-8"))["machines"]
    if not machines:
        return "no run has been measured yet, and the minutes are without it"
    return "the seconds of a whole run were measured (" + "; ".join(machines) + ")"


def sum_of(names):
    """Minutes for some notebooks and exercises, by the beginning of their names: `["00", "ex01"]`.

    Raises:
        ValueError: there is no such notebook.
    """
    counted = {each.name[:2]: each.minutes() for each in notebooks()}
    lost = [name for name in names if name not in counted and not name.startswith("ex")]
    if lost:
        raise ValueError(f"no notebook begins with {', '.join(lost)}")
    exercises = {name: LONGER.get(name, EXERCISE) for name in names if name not in counted}
    return sum({**counted, **exercises}[name] for name in names)


def measure(names=()):
    """Run notebooks, each in a kernel of its own, and keep the seconds; nothing else is saved."""
    import bench

    kept = json.loads(SECONDS.read_text(encoding="utf-8"))
    for path in work.notebooks():
        if not names or path.stem[:2] in names:
            seconds, megabytes = map(round, bench.run_notebook(path))
            kept["seconds"][path.stem], kept["megabytes"][path.stem] = seconds, megabytes
            print(f"{path.stem}: {seconds} s, {megabytes} MB", flush=True)
    here = bench.machine()
    kept["machines"] = [*(each for each in kept["machines"] if names and each != here), here]
    SECONDS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--words", type=int, default=WORDS_A_MINUTE, help="words read a minute")
    parser.add_argument("--measure", nargs="*", help="run notebooks first: all, or those named")
    options = parser.parse_args(arguments)
    if options.measure is not None:
        measure(options.measure)
    print(table(options.words))
    return 0


if __name__ == "__main__":
    sys.exit(main())
