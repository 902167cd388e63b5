"""Measures what the course promises about speed and memory: `make bench`.

Prints a table and writes `build/bench.json`, a flat mapping of dotted names to numbers. A run
without `--only` measures everything and starts the file afresh; `--only conv2d,import` measures
these parts and keeps the rest of the file.

To add rows: write a function that yields a `Row` for each number, and enter it in `PARTS`.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import bench_training  # it must not import NumPy: see bench_conv2d
import lab

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "build" / "bench.json"
INSTALL = '.venv/bin/python -m pip install "torch>=2.5" "scipy>=1.13"'


class Row(NamedTuple):
    """One number, and what it should be."""

    name: str
    value: float
    bar: str = ""


# ---------------------------------------------------------------------------------------------
# How we measure
# ---------------------------------------------------------------------------------------------


def times_of(*functions, rounds=20, calls=10, clock=time.perf_counter):
    """Seconds of every call of each function: a few calls of one, then of the next, and again.

    Taking turns spreads what else the machine does over all of them; several calls a turn let the
    threads of one library fall asleep before those of the other are timed.
    """
    times = [[] for _ in functions]
    for _ in range(rounds):
        for function, seconds in zip(functions, times, strict=True):
            for _ in range(calls):
                start = clock()
                function()
                seconds.append(clock() - start)
    return times


def ratio(times, other_times):
    """How many times longer the first takes, median against median."""
    return statistics.median(times) / statistics.median(other_times)


def proportional(pid):
    """Bytes that a process holds, with its part of what it shares (Linux only)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def memory_of_children():
    """MB that all our child processes hold now or, if it is more, that one of them ever held."""
    import psutil

    held, peaks = 0, [0]
    ourselves = psutil.Process()
    for process in ourselves.children(recursive=True):
        try:
            if process.cmdline() == ourselves.cmdline():
                continue  # just forked: what it holds is still ours
            status = Path(f"/proc/{process.pid}/status")  # Linux only: the high-water mark
            linux = status.exists()
            held += proportional(process.pid) if linux else process.memory_info().rss
            if linux:
                peaks += [int(line.split()[1]) * 1024 for line in status.open() if "VmHWM" in line]
        except (psutil.Error, OSError):  # it has just ended
            pass
    return max(held, *peaks) / 1e6


@contextmanager
def peak_memory(pause=0.1):
    """Watches the child processes in the background; gives a function that tells their peak."""
    samples, done = [0.0], threading.Event()

    def watch():
        while not done.wait(pause):
            samples.append(memory_of_children())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: max(samples)
    finally:
        done.set()
        watcher.join()


# ---------------------------------------------------------------------------------------------
# What we measure
# ---------------------------------------------------------------------------------------------


def bench_conv2d():
    """`conv2d` on 32 images of 32×32×3 with 32 filters of 3×3, float32, no padding.

    NumPy gets one thread. With more, its matrix library's threads now and then wait for each other
    and for TensorFlow's, for several times as long as they compute; one core against all of
    TensorFlow's is the harder test, and a steady one.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import numpy as np

    from course_utils.environment import quiet_tensorflow

    quiet_tensorflow()
    del os.environ["OPENBLAS_NUM_THREADS"]  # it is read at the import; others shall not inherit it
    import tensorflow as tf

    from course_utils.convolution import conv2d, conv2d_loops

    random = np.random.default_rng(0)
    images = random.normal(size=(32, 32, 32, 3)).astype("float32")
    kernels = random.normal(size=(3, 3, 3, 32)).astype("float32")
    tensors = tf.constant(images), tf.constant(kernels)
    ours, tensorflows = times_of(
        lambda: conv2d(images, kernels), lambda: tf.nn.conv2d(*tensors, 1, "VALID")
    )
    yield Row("conv2d.vs_tensorflow", ratio(ours, tensorflows), "at most 3")
    # The loops run once, on the full case: they take seconds.
    (loops,) = times_of(lambda: conv2d_loops(images, kernels), rounds=1, calls=1)
    yield Row("conv2d.vs_loops", ratio(loops, ours), "at least 100")
    if not installed("scipy"):
        print(f"  SciPy is not installed, so it is left out ({INSTALL})")
        return
    from scipy import signal

    def by_scipy():  # it knows no channels and no filters: each pair by itself, and their sum
        for image in images:
            for kernel in kernels.transpose(3, 0, 1, 2):
                sum(
                    signal.correlate2d(image[..., depth], kernel[..., depth], "valid")
                    for depth in range(3)
                )

    (scipys,) = times_of(by_scipy, rounds=1, calls=3)
    yield Row("conv2d.vs_scipy", ratio(scipys, ours), "at least 1")


def bench_train(rounds=3):
    """Training, in images a second: ours against PyTorch (channels-last) and against plain Keras.

    The same network, batch of 128, optimizer and precision; each framework in a process of its
    own, in turns. `fraction_of_peak` is the share of the machine's best matrix product that our
    training reaches in float32, counting three times the multiply-adds of the forward pass (once
    forward, twice backward) and nothing else: no normalisation, no pooling, no update. The first
    layer needs no gradient of its input, so that three times is a little too much.

    All of it runs on the processor: PyTorch is asked to use no GPU, so ours must not either.
    """
    from course_utils.environment import quiet_tensorflow

    quiet_tensorflow()
    from course_utils import devices, models
    from course_utils.anatomy import anatomy

    frameworks = list(bench_training.FRAMEWORKS)
    if not installed("torch"):
        print(f"  PyTorch is not installed, so it is left out ({INSTALL})")
        frameworks.remove("pytorch")
    fastest = devices.suited([], devices.processor_flags()).precision
    precisions = dict.fromkeys(["float32", fastest])  # without doubles
    peak = matrix_peak()
    yield Row("peak.gflops", peak / 1e9)
    for name, (network, _, _) in bench_training.NETWORKS.items():
        for precision in precisions:
            short = precision.removeprefix("mixed_")
            print(f"  {name} in {short} ...", flush=True)
            if "pytorch" in frameworks:
                bench_training.check_parameters(name)
            # Plain Keras computes in float32 unless it is told otherwise.
            taking_part = [each for each in frameworks if each != "keras" or short == "float32"]
            turns = rounds if short == "float32" else 1
            rate = median_rates(name, taking_part, precision, turns)
            where = f"train.{name}" if short == "float32" else f"train.{name}.{short}"
            yield Row(f"{where}.images_per_second", rate["ours"])
            if "pytorch" in rate:
                yield Row(f"{where}.vs_pytorch", rate["ours"] / rate["pytorch"], "at least 1")
            if short == "float32":
                bar = "at least 1.4" if name == "resnet20" else ""
                yield Row(f"{where}.vs_keras", rate["ours"] / rate["keras"], bar)
                in_float32 = rate["ours"]
                work = 3 * 2 * anatomy(getattr(models, network)).multiply_adds
                yield Row(f"{where}.fraction_of_peak", work * rate["ours"] / peak)
            else:
                yield Row(f"{where}.vs_float32", rate["ours"] / in_float32)


def bench_speednet(rounds=2):
    """SpeedNet with its whole recipe, against the same in PyTorch, in the device's precision.

    The share of the peak is told twice: of a matrix product in float32, as everywhere in this
    file, and of one in the precision that the training computes in.
    """
    from course_utils.environment import quiet_tensorflow

    quiet_tensorflow()
    from course_utils import devices, speednet
    from course_utils.anatomy import anatomy

    precision = devices.suited([], devices.processor_flags()).precision
    short = precision.removeprefix("mixed_")
    frameworks = ("pytorch", "ours") if installed("torch") else ("ours",)
    rate = median_rates("speednet", frameworks, precision, rounds)
    yield Row(f"speednet.{short}.images_per_second", rate["ours"])
    if "pytorch" in rate:
        yield Row(f"speednet.{short}.vs_pytorch", rate["ours"] / rate["pytorch"], "at least 1")
    work = 3 * 2 * anatomy(speednet.network).multiply_adds * rate["ours"]
    yield Row(f"speednet.{short}.fraction_of_peak", work / matrix_peak(), "at least 0.6")
    if short != "float32":
        own = matrix_peak(dtype=short)
        yield Row(f"speednet.{short}.fraction_of_{short}_peak", work / own)


def installed(package):
    """Whether a package is there to be compared with."""
    return importlib.util.find_spec(package) is not None


def median_rates(name, frameworks, precision, rounds):
    """Images a second of each framework, which take turns: the median over all epochs."""
    rates = {framework: [] for framework in frameworks}
    for _ in range(rounds):
        for framework in frameworks:
            rates[framework] += images_per_second(name, framework, precision)
    return {framework: statistics.median(each) for framework, each in rates.items()}


def images_per_second(name, framework, precision):
    """Of each timed epoch of one training, in a process of its own."""
    script = ROOT / "tools" / "bench_training.py"
    command = [sys.executable, script, name, framework, precision]
    variables = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=variables)
    if done.returncode:
        sys.exit(f"bench: {name} by {framework} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def matrix_peak(size=2048, dtype="float32"):
    """Floating-point operations a second of the fastest matrix product we can get."""
    import numpy as np
    import tensorflow as tf

    factor = np.random.default_rng(0).standard_normal((size, size), dtype="float32")
    with tf.device("CPU"):
        tensor = tf.cast(tf.constant(factor), dtype)
        (seconds,) = times_of(lambda: tf.linalg.matmul(tensor, tensor).numpy(), rounds=5, calls=5)
    return 2 * size**3 / min(seconds)


def bench_import(repeats=7):
    """`import course_utils`, timed inside fresh interpreters."""
    code = (
        "import time; start = time.perf_counter(); import course_utils; "
        "print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", code]
    times = [
        float(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
        for _ in range(repeats)
    ]
    yield Row("import.course_utils.seconds", statistics.median(times), "at most 0.3")


def bench_notebook():
    """Every notebook, in a kernel of its own; nothing is saved."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        print(f"  {path.name} ...", flush=True)
        seconds, megabytes = run_notebook(path)
        yield Row(f"notebook.{path.stem}.seconds", seconds, "at most 120")
        yield Row(f"notebook.{path.stem}.peak_mb", megabytes, "at most 1500")


def run_notebook(path):
    """Seconds and peak memory in MB of a notebook, the kernel's start and all imports included."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.perf_counter()
    with peak_memory() as peak:
        client.execute()
    return time.perf_counter() - start, peak()


# Milliseconds from the next key press to the next painting of a changed picture.
WATCH = """() => {
    const explorer = document.querySelector('.course-explorer');
    window.answered = new Promise(resolve => {
        let pressed;
        explorer.addEventListener('keydown', () => { pressed = performance.now(); },
            {capture: true, once: true});
        const observer = new MutationObserver(changes => {
            const drawn = changes.some(({addedNodes}) => [...addedNodes].some(
                node => node.querySelector?.('svg') || node.tagName === 'svg'));
            if (drawn && pressed) {
                observer.disconnect();
                requestAnimationFrame(() => resolve(performance.now() - pressed));
            }
        });
        observer.observe(explorer, {childList: true, subtree: true});
        setTimeout(() => resolve(null), 3000);  // at the end of a slider nothing changes
    });
}"""
DRAGGED = ("convolution", "channels", "pooling", "receptive_field", "augmentation", "upsampling")


def bench_explorer(presses=30):
    """Explorers: drawing alone, and from key press to changed page in JupyterLab in a browser."""
    sys.path.insert(0, str(ROOT))
    from course_utils import explorers

    for name in explorers.__all__:
        explorer = getattr(explorers, name)()
        explorer.draw(**explorer.state).svg()
        draw = (lambda shown: lambda: shown.draw(**shown.state).svg())(explorer)
        (times,) = times_of(draw, rounds=5)
        yield Row(f"explorer.{name}.render_ms", 1000 * statistics.median(times), "at most 10")
    chromium = lab.find_chromium()
    if chromium is None:
        sys.exit("bench: no chromium on this machine: apt-get install chromium")
    with jupyterlab(DRAGGED) as address, lab.browsing(chromium) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        for name in DRAGGED:
            print(f"  {name} in a browser ...", flush=True)
            latencies = [each for each in key_presses(page, address, name, presses) if each]
            yield Row(f"explorer.{name}.latency_ms", statistics.median(latencies), "at most 50")


def key_presses(page, address, name, presses):
    """Milliseconds of each arrow key on an explorer's first slider, there and back again."""
    page.goto(f"{address}/lab/workspaces/{name}/tree/{name}.ipynb")
    page.wait_for_function(lab.IDLE, timeout=90_000)
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(".course-explorer svg[role=img]").wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    page.locator(".course-explorer [role=slider]:not([disabled])").first.focus()
    for press in range(presses):
        page.evaluate(WATCH)
        page.keyboard.press(("ArrowRight", "ArrowLeft")[press % 2])
        yield page.evaluate("() => window.answered")
        page.wait_for_timeout(100)
    page.evaluate(lab.SHUT_DOWN)


@contextmanager
def jupyterlab(names):
    """The address of a JupyterLab with one notebook for each of these explorers."""
    import nbformat

    start = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom course_utils import explorers\n"
    command = [sys.executable, "-m", "jupyterlab", "--allow-root"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as settings:
        for name in names:
            notebook = lab.notebook_of(f"{start}explorers.{name}()")
            nbformat.write(notebook, Path(folder) / f"{name}.ipynb")
        with lab.serving(lambda options: command + options, folder, settings) as address:
            yield address


def bench_grading(submissions=20):
    """Our grader, sandbox and all, against plain `nbgrader autograde`, on the same submissions.

    Both are timed as whole commands, from nothing graded to all points in the database.
    """
    sys.path.insert(0, str(ROOT))
    from grading import gradebook

    with tempfile.TemporaryDirectory(dir=RESULTS.parent) as place:
        place = Path(place)
        name = hand_in(place, submissions)
        variables = gradebook.with_programs(dict(os.environ))
        nbgrader = [sys.executable, "-m", "nbgrader"]
        subprocess.run(
            [*nbgrader, "generate_assignment", name],
            cwd=place,
            env=variables,
            check=True,
            capture_output=True,
        )
        ours = [sys.executable, "-m", "grading", "grade", name, place / "submitted"]
        ours += ["--folder", place / "graded"]
        seconds = []
        for command, folder in (([*nbgrader, "autograde", name], place), (ours, ROOT)):
            start = time.perf_counter()
            subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    theirs, ours = seconds
    yield Row("grading.nbgrader_seconds_each", theirs / submissions)
    yield Row("grading.seconds_each", ours / submissions)
    yield Row("grading.vs_nbgrader", theirs / ours, "at least 2.2")


def hand_in(place, submissions):
    """Put submissions of exercise 2 where nbgrader expects them; returns the exercise's name."""
    from grading import questions

    exercise = questions.load("ex02")
    (place / "nbgrader_config.py").write_text("c = get_config()\n")
    source = place / "source" / exercise.name / exercise.source.name
    source.parent.mkdir(parents=True)
    shutil.copy(exercise.source, source)
    for number in range(submissions):
        path = place / "submitted" / f"student-{number:02}" / exercise.name / exercise.source.name
        path.parent.mkdir(parents=True)
        shutil.copy(exercise.source, path)  # a student who has everything right
    return exercise.name


PARTS = {
    "conv2d": bench_conv2d,  # first: it decides how many threads NumPy starts with
    "train": bench_train,
    "speednet": bench_speednet,
    "import": bench_import,
    "explorer": bench_explorer,
    "grading": bench_grading,
    "notebook": bench_notebook,
}

# ---------------------------------------------------------------------------------------------
# The command
# ---------------------------------------------------------------------------------------------


def machine():
    """What the numbers were measured on, in one line."""
    from record import processor

    load = f" (load {os.getloadavg()[0]:.1f} at the start)" if hasattr(os, "getloadavg") else ""
    versions = (f"{name} {version(name)}" for name in ("numpy", "tensorflow", "keras"))
    python = f"Python {platform.python_version()}"
    return ", ".join([f"{processor()}, {os.cpu_count()} cores{load}", python, *versions])


def main(arguments=None):
    """Measures, prints the table, and writes the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="PARTS", help=f"some of {','.join(PARTS)}")
    only = parser.parse_args(arguments).only
    wanted = only.split(",") if only else list(PARTS)
    for part in wanted:
        if part not in PARTS:
            parser.error(f"unknown part {part!r}: choose from {', '.join(PARTS)}")
    parts = [part for part in PARTS if part in wanted]  # in our order, whatever was typed

    measured_on, rows = machine(), []
    for part in parts:
        print(f"{part} ...", flush=True)
        for row in PARTS[part]():
            rows.append(row)
            print(f"  {row.name} {row.value:.4g}", flush=True)  # a long run shows how far it is

    kept = json.loads(RESULTS.read_text()) if only and RESULTS.exists() else {}
    measured = {row.name.split(".")[0] for row in rows} | set(parts)
    kept = {name: value for name, value in kept.items() if name.split(".")[0] not in measured}
    results = kept | {row.name: round(float(row.value), 4) for row in rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")

    print(f"\n{measured_on}")
    for row in rows:
        print(f"{row.name:<44} {row.value:>9.4g}   {row.bar}{verdict(row)}")
    print(f"-> {RESULTS.relative_to(RESULTS.parents[1])}")
    table = RESULTS.with_suffix(".md")
    table.write_text(markdown(measured_on, rows), encoding="utf-8")
    print(f"-> {table.relative_to(table.parents[1])}")
    picture = RESULTS.with_suffix(".png")
    if draw(rows, picture):
        print(f"-> {picture.relative_to(picture.parents[1])}")


def verdict(row):
    """' (missed)' behind a bar that a number does not reach, else ''."""
    sign, _, bound = row.bar.rpartition(" ")
    missed = {
        "at least": lambda: row.value < float(bound),
        "at most": lambda: row.value > float(bound),
    }
    return " (missed)" if sign in missed and missed[sign]() else ""


def markdown(measured_on, rows):
    """The rows of one run as a table for a page, with what they were measured on."""
    lines = ["| what | measured | should be |", "| --- | ---: | --- |"]
    lines += [f"| `{row.name}` | {row.value:.4g} | {row.bar}{verdict(row)} |" for row in rows]
    return "\n".join([*lines, "", measured_on, ""])


def draw(rows, path):
    """A picture of the ratios, one line each, on a logarithmic axis; tells whether there is one."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    from course_utils import plots

    ratios = [row for row in rows if ".vs_" in row.name][::-1]
    if not ratios:
        return False
    looks = {"reaches its bar, or has none": ("output", "o"), "misses it": ("lost", "X")}
    figure = Figure(figsize=(7.5, 1.2 + 0.26 * len(ratios)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(1, color=plots.PALETTE["neutral"], linewidth=1)
    for place, row in enumerate(ratios):
        role, marker = list(looks.values())[bool(verdict(row))]
        axes.plot(row.value, place, marker, color=plots.PALETTE[role])
        where = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(f"{row.value:.3g}", (row.value, place), **where)
        if row.bar:
            axes.plot(float(row.bar.split()[-1]), place, "|", color="black", markersize=11)
    for name, (role, marker) in looks.items():
        axes.plot([], [], marker, color=plots.PALETTE[role], label=name)
    axes.plot([], [], "|", color="black", markersize=11, label="the bar")
    figure.legend(loc="outside lower left", ncols=3, fontsize=8)
    axes.set(xscale="log", yticks=range(len(ratios)), xlabel="ratio, on a logarithmic axis")
    how = {True: "times as long as", False: "times as fast as"}
    parts = [row.name.partition(".vs_") for row in ratios]
    long = [row.bar.startswith("at most") for row in ratios]
    labels = [
        f"{ours}: {how[each]} {other}" for (ours, _, other), each in zip(parts, long, strict=True)
    ]
    axes.set_yticklabels([label.replace("train.", "training ") for label in labels])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(LogFormatter())  # only where all lie close together
    axes.margins(x=0.12)
    axes.set_title("What one run measured")
    figure.savefig(path)
    return True


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
