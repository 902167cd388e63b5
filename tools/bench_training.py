"""Trains one network in one framework and prints images a second, for `make bench`.

    python tools/bench_training.py resnet20 ours float32

The frameworks are 'ours' (training.fit), 'keras' (compile and fit as Keras' own guides do) and
'pytorch'. Each runs in a process of its own: two in one would fight over the threads. The first
epoch warms up and is not counted.
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

# For each network its name in `models`, the shape of an image, and the images of an epoch.
NETWORKS = {
    "lenet5_modern": ("lenet5_modern", (28, 28, 1), 12_800),
    "alexnet_small": ("alexnet_small", (32, 32, 3), 1_280),
    "vgg_small": ("vgg_small", (32, 32, 3), 2_560),
    "resnet20": ("resnet_cifar", (32, 32, 3), 2_560),
}
FRAMEWORKS = ("pytorch", "keras", "ours")
BATCH, EPOCHS = 128, 4
SPEEDNET = (2000, 8_000, 3)  # images in a batch and in an epoch, epochs


def examples(name):
    """Random images and labels: what they show makes no difference to the time."""
    import numpy as np

    _, shape, count = NETWORKS[name]
    random = np.random.default_rng(0)
    images = random.standard_normal((count, *shape), dtype="float32")
    return images, random.integers(0, 10, count).astype("int32")


def by_pytorch(name, precision, images, labels):
    import bench_pytorch

    return bench_pytorch.train(name, precision, images, labels, BATCH, EPOCHS)


def by_keras(name, precision, images, labels):
    """Plain Keras. Option A is written by slicing, as the paper tells it and notebook 08 has it."""
    keras, models = start_keras()

    def slicing(layer, maps):
        kept = maps[:, :: layer.strides, :: layer.strides]
        missing = layer.filters - maps.shape[-1]
        return keras.ops.pad(kept, ((0, 0), (0, 0), (0, 0), (0, missing)))

    models.PadShortcut.call = slicing
    keras.config.set_dtype_policy(precision)
    model, optimizer, loss, watch = prepared(name)
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.fit(images, labels, BATCH, EPOCHS, verbose=0, callbacks=[watch])
    return [len(images) / seconds for seconds in watch.seconds]


def by_ours(name, precision, images, labels):
    start_keras()
    from course_utils import data, training

    model, optimizer, _, watch = prepared(name)
    batches = data.pipeline(images, labels, BATCH, training=True)
    options = {"optimizer": optimizer, "precision": precision, "callbacks": [watch]}
    training.fit(model, batches, epochs=EPOCHS, live="silent", **options)
    return [len(images) / seconds for seconds in watch.seconds]


def speednet_by_pytorch(precision):
    import bench_pytorch
    import numpy as np

    images, labels = bytes_of(SPEEDNET[1])
    scaled = images.astype(np.float32) / 63.75 - 2
    return bench_pytorch.train_speednet(precision, scaled, labels, SPEEDNET[0], SPEEDNET[2])


def speednet_by_ours(precision):
    keras, _ = start_keras()
    from course_utils import speednet

    batch_size, count, epochs = SPEEDNET
    watch = watch_of(keras)
    options = {"precision": precision, "callbacks": [watch], "live": "silent"}
    speednet.train(*bytes_of(count), 0, epochs, batch_size, **options)
    return [count / seconds for seconds in watch.seconds]


def bytes_of(count):
    """Random photographs as bytes, and labels."""
    import numpy as np

    random = np.random.default_rng(0)
    images = random.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
    return images, random.integers(0, 10, count).astype("int32")


def start_keras():
    from course_utils.environment import quiet_tensorflow

    quiet_tensorflow()
    import keras

    from course_utils import models

    return keras, models


def prepared(name):
    """A network, its optimizer and loss, and a callback that keeps the seconds of each epoch."""
    import keras

    from course_utils import models

    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    if name == "lenet5_modern":
        optimizer = keras.optimizers.Adam(1e-3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return getattr(models, NETWORKS[name][0])(), optimizer, loss, watch_of(keras)


def watch_of(keras):
    """A callback that keeps the seconds of each epoch."""

    class Watch(keras.callbacks.Callback):
        seconds = []

        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append(time.perf_counter() - self.began)

    return Watch()


def check_parameters(name):
    """Raises where PyTorch's network is not the course's."""
    import bench_pytorch
    import numpy as np

    _, models = start_keras()
    model = getattr(models, NETWORKS[name][0])()
    ours = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    theirs = sum(weight.numel() for weight in bench_pytorch.NETWORKS[name]().parameters())
    if ours != theirs:
        raise AssertionError(f"{name} has {ours} parameters here and {theirs} in PyTorch")


def main(name, framework, precision):
    if name == "speednet":
        run = {"pytorch": speednet_by_pytorch, "ours": speednet_by_ours}[framework]
        print(json.dumps(run(precision)[1:]))
        return
    images, labels = examples(name)
    run = {"pytorch": by_pytorch, "keras": by_keras, "ours": by_ours}[framework]
    print(json.dumps(run(name, precision, images, labels)[1:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
