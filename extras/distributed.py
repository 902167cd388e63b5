"""One training on several machines: `python -m extras.distributed`.

*Data-parallel*: every machine has all the weights and a share of each batch. Each computes the
gradient of its share; the gradients are added up over the network, and all take the same step. So
the weights stay equal everywhere, and equal to those of one machine that takes the whole batch, up
to rounding. Sums are taken in another order, and a training makes any rounding grow: in float32 two
runs drift apart, as they do on two numbers of cores. With `--float64` the rounding is so small that
they agree to 1e-9, and that is how tests hold it. It pays when computing a share takes longer than
sending the gradients, which are as many numbers as there are weights: notebook 11 does the
arithmetic.

Keras' `fit` does not run on several machines with TensorFlow ('unsupported type PerReplica'), so
the step is written out here, on TensorFlow's `MultiWorkerMirroredStrategy`.

Each line below is run in the course's folder.

**By hand**, the same line on each machine, with its own index; all must reach each other's ports:

    python -m extras.distributed --workers ada:2222,bob:2222 --index 0 --checkpoints kept
    python -m extras.distributed --workers ada:2222,bob:2222 --index 1 --checkpoints kept

**Slurm** tells each process which it is, and starts the job again when a machine is lost:

    sbatch --nodes=8 --ntasks-per-node=1 --requeue \\
        --wrap "srun --kill-on-bad-exit python -m extras.distributed --checkpoints kept"

**Kubernetes**: an Indexed Job sets `JOB_COMPLETION_INDEX`, and a headless service gives the names.
With `backoffLimit` a worker that ended is started again. In the container:

    python -m extras.distributed --checkpoints /shared/kept \\
        --workers train-0.train:2222,train-1.train:2222

**To try it** on one machine, two processes that are watched, and started again when one dies:

    python -m extras.distributed --local 2 --checkpoints kept

The folder of the checkpoints must be one that all machines share. A worker that loses another ends
with an error; when all have been started again, they go on from the last checkpoint.

Batch normalisation is synchronised: mean and variance are those of the whole batch. Dropout draws
on each machine for itself, so with it the weights are not those of one machine.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PORT = 2222  # for Slurm's machines, where no address names one
LOST = 75  # exit status of a worker that lost another; sysexits.h: try again later


class Problem(Exception):
    """What is in the way, in one line that says what to do about it."""


# --- Who is there, and who am I? ------------------------------------------------------------------


def cluster(options, environment):
    """The addresses of all workers and the index of this one: `(["ada:2222", ...], 0)`.

    The command line comes first, then what an engine has set: TF_CONFIG, Slurm, Kubernetes. Nobody
    named means one worker, alone.

    Raises:
        Problem: addresses and index do not fit each other.
    """
    workers = [address for address in (options.workers or "").split(",") if address]
    index = options.index
    if not workers and "TF_CONFIG" in environment:
        try:
            config = json.loads(environment["TF_CONFIG"])
            workers, index = config["cluster"]["worker"], int(config["task"]["index"])
        except (ValueError, KeyError, TypeError):
            raise Problem("TF_CONFIG must name cluster.worker and task.index, as JSON") from None
    elif not workers and int(environment.get("SLURM_NTASKS", 1)) > 1:
        names = ["scontrol", "show", "hostnames", environment["SLURM_JOB_NODELIST"]]
        listed = subprocess.run(names, capture_output=True, text=True, check=True).stdout
        workers = [f"{name}:{PORT}" for name in listed.split()]
        index = int(environment["SLURM_PROCID"])
    elif index is None and "JOB_COMPLETION_INDEX" in environment:
        index = int(environment["JOB_COMPLETION_INDEX"])
    if len(workers) > 1 and (index is None or not 0 <= index < len(workers)):
        raise Problem(f"--index must be 0 to {len(workers) - 1} for {len(workers)} workers")
    return workers or ["alone"], index or 0


# --- One worker -----------------------------------------------------------------------------------


def work(options, workers, index):
    """Trains as one of the workers; the first also prints, keeps checkpoints and writes weights.

    Raises:
        Problem: the batch cannot be shared out, or the checkpoints do not fit.
    """
    if options.batch % len(workers):
        raise Problem(f"--batch {options.batch} cannot be shared by {len(workers)} workers")
    if options.epochs < 1:
        raise Problem(f"--epochs must be at least 1, not {options.epochs}")
    if options.steps is not None and options.steps < 1:
        raise Problem(f"--steps must be at least 1, not {options.steps}")
    if not options.learning_rate > 0:
        raise Problem(f"--learning-rate must be above 0, not {options.learning_rate}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    if len(workers) > 1:  # it must be there before TensorFlow does anything else
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        os.environ["TF_CONFIG"] = json.dumps(task)
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import keras

    from course_utils import checkpoints, training

    if options.float64:
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
    batches = pictures(options)
    steps = min(int(batches.cardinality()), options.steps or sys.maxsize)
    training.set_seed(options.seed)
    with strategy.scope():
        model = network(options, steps)
        history = {"loss": [], "accuracy": [], "seconds": []}
        if options.checkpoints:
            try:
                kept = checkpoints.resume(options.checkpoints, model)
                history = kept[0] if kept else history
            except ValueError as problem:
                raise Problem(f"--checkpoints: {problem}") from None
    step = step_of(model, strategy, options.batch)
    for epoch in range(len(history["loss"]), options.epochs):
        began, sums = time.perf_counter(), 0
        batches.epoch.assign(epoch)
        for images, labels in batches.take(steps):
            share = slice(index, None, len(workers))  # every n-th image, each worker its own
            sums = step(images[share], labels[share]) + sums
        loss, correct = (float(number) for number in sums)
        history["loss"].append(loss / steps)
        history["accuracy"].append(correct / steps / options.batch)
        history["seconds"].append(time.perf_counter() - began)
        if index == 0:
            tell(history, options.epochs)
            if options.checkpoints:
                checkpoints.keep(options.checkpoints, model, history)
    if index == 0 and options.weights:
        import numpy as np

        np.savez(options.weights, *model.get_weights())


def pictures(options):
    """The batches, the same on every worker: seed and epoch alone decide their order.

    So those that were started again see what they would have seen.
    """
    import keras

    from course_utils import data

    try:
        whole = data.load(options.data, "train", full=options.full)
    except ValueError as problem:
        raise Problem(f"--data: {problem}") from None
    if not 0 < options.batch <= len(whole.images):
        raise Problem(f"--batch must be from 1 to {len(whole.images)}, not {options.batch}")
    images = data.scale(whole.images).astype(keras.config.floatx())
    return data.pipeline(images, whole.labels, options.batch, training=True, seed=options.seed)


def network(options, steps):
    """The network to train, compiled: that ties the optimizer to it. Call it in the scope."""
    import keras

    from course_utils import data, models, training
    from course_utils.inside_keras import without_weights

    build = models.NETWORKS.get(options.network)
    if build is None:
        known = ", ".join(models.NETWORKS)
        raise Problem(f"--network must be one of {known}, not {options.network!r}")
    if without_weights(build).input_shape[1:] != data.DATASETS[options.data].shape:
        raise Problem(f"--network: {options.network} does not take the images of {options.data}")
    model = build()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    model.compile(training.cosine_sgd(options.learning_rate, steps * options.epochs))
    model.optimizer.build(model.trainable_variables)
    return model


def step_of(model, strategy, batch):
    """A function that trains on everybody's share of a batch; gives loss and right answers."""
    import keras
    import tensorflow as tf

    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")

    def on_a_share(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            # Divided by the whole batch, not by the share: so the shares' gradients add up to the
            # whole batch's. A penalty on weights is the same everywhere, and counts once.
            loss = cross_entropy(labels, logits) / batch
            loss += sum(model.losses) / strategy.num_replicas_in_sync
        gradients = tape.gradient(loss, model.trainable_variables)
        # The optimizer adds the gradients up over all workers. Who did it here as well would
        # count them twice.
        model.optimizer.apply(gradients, model.trainable_variables)
        right = tf.equal(tf.argmax(logits, axis=-1, output_type=labels.dtype), labels)
        return tf.stack([loss, tf.reduce_sum(tf.cast(right, loss.dtype))])

    @tf.function
    def step(images, labels):
        sums = strategy.run(on_a_share, args=(images, labels))
        return strategy.reduce("SUM", sums, axis=None)

    return step


def tell(history, epochs):
    """Prints a line like 'epoch 2 of 5: loss 0.312, accuracy 90.1 %, 3.1 s'."""
    loss, accuracy, seconds = (values[-1] for values in history.values())
    done = f"epoch {len(history['loss'])} of {epochs}"
    print(f"{done}: loss {loss:.4f}, accuracy {100 * accuracy:.1f} %, {seconds:.1f} s", flush=True)


# --- Several workers on this machine --------------------------------------------------------------


def watch(options, arguments):
    """Starts workers on this machine; when one dies, ends the others and starts all again."""
    for round_ in range(options.restarts + 1):
        addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(options.local))
        command = [sys.executable, "-m", "extras.distributed", *arguments, "--local", "0"]
        command += ["--workers", addresses, "--index"]
        place = Path(__file__).resolve().parents[1]
        paths = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])
        variables = {**os.environ, "PYTHONPATH": paths}
        started = [
            subprocess.Popen([*command, str(index)], env=variables)
            for index in range(options.local)
        ]
        try:
            status = first_failure(started)
        finally:
            for worker in started:
                worker.kill()
                worker.wait()
        if not status:
            return
        if status not in (LOST, -9, -15):  # nothing that another try would mend
            raise Problem("a worker ended with an error; its message stands above")
        if round_ < options.restarts:
            after = "the last checkpoint" if options.checkpoints else "the beginning"
            print(f"a worker died: all are started again, from {after}", flush=True)
    raise Problem(f"workers died {options.restarts + 1} times: look for the cause, then run again")


def first_failure(workers, pause=0.1):
    """Waits until all workers have ended well (0) or one has not (its status)."""
    while True:
        statuses = [worker.poll() for worker in workers]
        failed = [status for status in statuses if status]
        if failed:
            return failed[0]
        if None not in statuses:
            return 0
        time.sleep(pause)


def free_ports(count):
    """Numbers of `count` ports that nobody uses, and that no system gives to who asks for any.

    Whom they are for takes them seconds later, when it has imported what it needs.

    Raises:
        OSError: of a thousand that were tried, too few are free.
    """
    ports = []
    for port in random.SystemRandom().sample(range(20_000, 32_768), 1000):  # whatever the seed
        if len(ports) < count:
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                ports.append(port)
    if len(ports) < count:
        raise OSError(f"no {count} free ports from 20000 to 32767 on 127.0.0.1")
    return ports


# --- The command ----------------------------------------------------------------------------------


def parser():
    """What the command line takes."""
    line = argparse.ArgumentParser(
        prog="python -m extras.distributed", description=__doc__.partition("\n")[0]
    )
    line.add_argument("--network", default="lenet5_modern", help="a function of models")
    line.add_argument("--data", default="mnist", help="'mnist' or 'cifar10'")
    line.add_argument("--full", action="store_true", help="the complete set, not the small one")
    line.add_argument("--epochs", type=int, default=3)
    line.add_argument("--steps", type=int, help="of an epoch, for a short try; without it all")
    line.add_argument("--batch", type=int, default=128, help="images in a batch, of all workers")
    line.add_argument("--learning-rate", type=float, default=0.01, help="at its peak")
    line.add_argument("--float64", action="store_true", help="64 bits: to compare, not to be fast")
    line.add_argument("--seed", type=int, default=0)
    line.add_argument("--checkpoints", help="a folder that all workers share")
    line.add_argument("--weights", help="where the weights go in the end, as .npz")
    line.add_argument("--workers", help="all addresses, as host:port,host:port")
    line.add_argument("--index", type=int, help="which of them this is, from 0")
    line.add_argument("--local", type=int, default=0, help="so many workers on this machine")
    line.add_argument("--restarts", type=int, default=3, help="of --local, when a worker dies")
    return line


def main(arguments=None):
    """Runs one worker, or with --local several; gives the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    try:
        if options.local:
            watch(options, arguments)
        else:
            work(options, *cluster(options, os.environ))
    except Problem as problem:
        print(f"distributed: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = "run the same line again to go on" if options.checkpoints else "nothing was kept"
        print(f"\ndistributed: interrupted; {again}", file=sys.stderr)
        return 130
    except Exception as error:
        if "tensorflow" not in sys.modules:
            raise
        import tensorflow as tf

        if not isinstance(error, tf.errors.OpError):
            raise
        reason = str(error).partition("\n")[0][:120]
        print(f"distributed: lost another worker ({reason}): start all again", file=sys.stderr)
        sys.stderr.flush()
        os._exit(LOST)  # without waiting for the others
    return 0


if __name__ == "__main__":
    sys.exit(main())
