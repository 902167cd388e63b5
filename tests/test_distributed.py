"""One training on two processes is that of one, whoever dies on the way."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from extras import distributed

EPOCHS = 30  # more than are over before each has been ended that is to be ended
# Rounding differs between one process and two, as it does between numbers of threads. A ReLU that
# falls on the other side makes a small difference a larger one, and training makes that grow: in
# float32 to some 1e-4 here. In float64 it stays far below 1e-9, whatever the number of threads.
RECIPE = ["--epochs", str(EPOCHS), "--steps", "10", "--batch", "32", "--learning-rate", "0.01"]
RECIPE += ["--float64"]
# The program with a ResNet of fewer blocks: normalisation is the same, and sooner traced.
SHALLOW = """
import sys
from course_utils import models
from extras import distributed

models.NETWORKS["resnet_cifar"] = lambda: models.resnet_cifar(8)
sys.exit(distributed.main())
"""


def places(folder):
    """The options that put checkpoints and weights into `folder`."""
    options = ["--checkpoints", folder / "kept", "--weights", folder / "weights.npz"]
    return list(map(str, options))


def train_here(folder, *options):
    """Trains as one worker, which needs no process of its own."""
    import keras

    usual, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.utils.clear_session()
    try:
        assert distributed.main([*options, *places(folder)]) == 0
    finally:
        keras.config.set_floatx(usual)
        keras.config.set_dtype_policy(policy)


def start(folder, *options, program=("-m", "extras.distributed")):
    """Starts the program."""
    return subprocess.Popen(
        [sys.executable, *program, *options, *places(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell would hand on that Ctrl-C is to be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def end(program):
    """What a program printed and its status; the test fails if it hangs."""
    try:
        out, errors = program.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        for each in [*psutil.Process(program.pid).children(recursive=True), program]:
            each.kill()
        raise
    return SimpleNamespace(lines=out.splitlines(), errors=errors, status=program.returncode)


def kept_in(folder):
    """The names of the checkpoints that are there."""
    return {path.name for path in (folder / "kept").glob("epoch-*")}


def start_two(folder, *options, **program):
    """Starts two workers as it is done by hand."""
    addresses = ",".join(f"127.0.0.1:{port}" for port in distributed.free_ports(2))
    named = [*options, "--workers", addresses, "--index"]
    return [start(folder, *named, str(index), **program) for index in (0, 1)]


def wait_for_a_checkpoint(folder, *programs):
    """Waits until there is one that is not there now."""
    before = kept_in(folder)
    while kept_in(folder) <= before:
        for program in programs:
            assert program.poll() is None, program.stderr.read()
        time.sleep(0.005)


def workers_of(program):
    """The processes of both workers, in their order."""
    return sorted(psutil.Process(program.pid).children(), key=lambda each: each.cmdline()[-1])


def epochs_in(lines):
    """The numbers of the epochs that a program has told of."""
    return [int(line.split()[1]) for line in lines if f" of {EPOCHS}: " in line]


def weights_of(folder):
    with np.load(folder / "weights.npz") as kept:
        return [kept[name] for name in kept.files]


def difference(one, other):
    return max(np.abs(a - b).max() for a, b in zip(weights_of(one), weights_of(other), strict=True))


def losses(folder):
    newest = sorted((folder / "kept").glob("epoch-*"))[-1]
    return json.loads((newest / "history.json").read_text())["history"]["loss"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    train_here(folder, *RECIPE)
    return folder


def test_one_process_tells_how_it_goes_and_learns(alone, capsys):
    train_here(alone, *RECIPE)  # all is there: nothing is trained again
    assert capsys.readouterr().out == ""
    first, *_, last = losses(alone)
    assert last < 0.8 * first


def test_a_training_is_that_of_one_whoever_ends_it_on_the_way(alone, tmp_path, capsys):
    """Two that were started by hand lose one; two that are watched do, and then comes Ctrl-C.

    Each start goes on from the last checkpoint, and one worker alone trains what is left.
    """
    first, second = start_two(tmp_path, *RECIPE)
    wait_for_a_checkpoint(tmp_path, first, second)
    second.kill()
    left = end(first)  # nobody watches: whoever started them can start all again
    assert left.status == distributed.LOST
    assert left.errors.splitlines()[-1].startswith("distributed: lost another worker")
    end(second)

    program = start(tmp_path, *RECIPE, "--local", "2")
    wait_for_a_checkpoint(tmp_path, program)
    before = workers_of(program)
    before[0].kill()
    wait_for_a_checkpoint(tmp_path, program)
    after = workers_of(program)
    for each in [program, *after]:  # as a terminal does
        os.kill(each.pid, signal.SIGINT)
    found = end(program)
    assert found.status == 130 and "run the same line again to go on" in found.errors
    assert found.lines.count("a worker died: all are started again, from the last checkpoint") == 1
    assert not [each for each in {*before, *after} if each.is_running()]
    together = epochs_in([*left.lines, *found.lines])
    assert len(together) >= 3, "one worker must not train alone what two are to show"

    train_here(tmp_path, *RECIPE)
    told = [*together, *epochs_in(capsys.readouterr().out.splitlines())]
    assert told == sorted(told) and set(told) == set(range(1, EPOCHS + 1))
    assert told.count(1) == 1  # of which there was a checkpoint: it is not trained again
    assert {weights.dtype for weights in weights_of(alone)} == {np.dtype("float64")}
    assert difference(alone, tmp_path) < 1e-9
    np.testing.assert_allclose(losses(tmp_path), losses(alone), rtol=1e-9)


def test_normalisation_is_that_of_the_whole_batch(tmp_path, monkeypatch):
    from course_utils import models

    recipe = ["--network", "resnet_cifar", "--data", "cifar10", "--batch", "16", "--epochs", "1"]
    recipe += ["--steps", "3", "--float64", "--learning-rate", "0.001"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setitem(models.NETWORKS, "resnet_cifar", lambda: models.resnet_cifar(8))
    train_here(tmp_path / "one", *recipe)
    for worker in start_two(tmp_path / "two", *recipe, program=("-c", SHALLOW)):
        found = end(worker)
        assert found.status == 0, found.errors
    for one, two in zip(weights_of(tmp_path / "one"), weights_of(tmp_path / "two"), strict=True):
        # Keras computes a variance as a difference of two means, which leaves fewer digits.
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)


def test_workers_that_end_well_or_with_an_error_are_not_started_again(monkeypatch, capsys):
    """Programs that only end stand in for them."""
    for name, status in (("true", 0), ("false", 1)):
        monkeypatch.setattr(sys, "executable", shutil.which(name))
        assert distributed.main(["--local", "2"]) == status
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("a worker ended with an error") == 1


def test_workers_that_go_on_dying_are_given_up(monkeypatch, capsys):
    monkeypatch.setattr(distributed, "first_failure", lambda workers: -signal.SIGKILL)
    assert distributed.main(["--local", "2", "--restarts", "1"]) == 1
    told = capsys.readouterr()
    assert told.out.count("a worker died: all are started again, from the beginning") == 1
    assert "workers died 2 times" in told.err


# --- Who am I? ------------------------------------------------------------------------------------


def found(environment, *arguments):
    return distributed.cluster(distributed.parser().parse_args(arguments), environment)


def test_the_command_line_names_the_workers():
    assert found({}, "--workers", "a:1,b:2", "--index", "1") == (["a:1", "b:2"], 1)
    assert found({}) == (["alone"], 0)


def test_an_engine_may_name_them():
    config = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    assert found({"TF_CONFIG": json.dumps(config)}) == (["a:1", "b:2"], 1)
    kubernetes = {"JOB_COMPLETION_INDEX": "1"}
    assert found(kubernetes, "--workers", "a:1,b:2") == (["a:1", "b:2"], 1)


def test_slurm_names_them(monkeypatch):
    asked = []

    def scontrol(command, **_):
        asked.append(command)
        return SimpleNamespace(stdout="node07\nnode08\n")

    monkeypatch.setattr(distributed.subprocess, "run", scontrol)
    slurm = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_NODELIST": "node[07-08]"}
    assert found(slurm) == (["node07:2222", "node08:2222"], 1)
    assert asked == [["scontrol", "show", "hostnames", "node[07-08]"]]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--workers", "a:1,b:2"], "--index must be 0 to 1 for 2 workers"),
        (["--workers", "a:1,b:2", "--index", "2"], "--index must be 0 to 1 for 2 workers"),
        (
            ["--workers", "a:1,b:2", "--index", "0", "--batch", "127"],
            "--batch 127 cannot be shared by 2 workers",
        ),
        (["--data", "imagenet"], "--data: name must be 'mnist' or 'cifar10', not 'imagenet'"),
        (["--network", "l2"], "--network must be one of .*, not 'l2'"),
        (["--network", "vgg"], "--network: vgg does not take the images of mnist"),
        (["--epochs", "0"], "--epochs must be at least 1, not 0"),
        (["--steps", "0"], "--steps must be at least 1, not 0"),
        (["--learning-rate", "nan"], "--learning-rate must be above 0, not nan"),
        (
            ["--network", "lenet6"],
            "--network must be one of lenet5, lenet5_modern, .*, not 'lenet6'",
        ),
        (["--batch", "99999"], "--batch must be from 1 to 10000, not 99999"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, message, capsys):
    assert distributed.main(arguments) == 1
    told = capsys.readouterr().err
    assert re.match(f"distributed: {message}", told) and told.count("\n") == 1
