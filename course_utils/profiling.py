"""Where the time of a training step goes, as TensorFlow's profiler sees it."""

import tempfile
from pathlib import Path

import keras

from .arguments import whole_number


class Profile(keras.callbacks.Callback):
    """Profiles some steps of a training's first epoch: give it to `fit` among the callbacks.

    Args:
        first: the first of these steps, counted from 0; before it, all has been traced.
        steps: how many there are.

    Attributes:
        operations: a list of `(name, kind, milliseconds a step)`, once the training has ended:
            `("resnet20/conv1/convolution", "Conv2D", 1.9)`.
    """

    def __init__(self, first=5, steps=10):
        super().__init__()
        self.first, self.steps = whole_number(first, "first", 0), whole_number(steps, "steps", 1)
        self.operations = []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.first and not self.operations:
            import tensorflow as tf

            self.folder = tempfile.TemporaryDirectory()
            tf.profiler.experimental.start(self.folder.name)

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.first + self.steps - 1 and not self.operations:
            import tensorflow as tf

            tf.profiler.experimental.stop()
            self.operations = list(self._read(next(Path(self.folder.name).rglob("*.xplane.pb"))))
            self.folder.cleanup()

    def _read(self, path):
        """The events in a file of the profiler's; other than operations have no place or kind."""
        from tensorflow.tsl.profiler.protobuf import xplane_pb2

        space = xplane_pb2.XSpace()
        space.ParseFromString(path.read_bytes())
        for plane in space.planes:
            for event in (event for line in plane.lines for event in line.events):
                name, colon, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if colon and "/" in name and "::" not in name and kind.isidentifier():
                    yield name, kind, event.duration_ps / 1e9 / self.steps
