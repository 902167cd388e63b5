"""What the explorer `inside` runs through a network: maps, scores, occlusion, Grad-CAM.

A `Subject` runs the network once for each image, each class and each size of the square, and
keeps what came out.
"""

import inspect
import math
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from ..anatomy import anatomy
from ..graph import IMAGE, calls_of
from .drawing import as_bytes

MAPS, FILTERS, OCCLUSION, GRAD_CAM = "feature maps", "filters", "occlusion", "Grad-CAM"
PREDICTED = -1  # the class to explain is whichever the network answers
DEAR = 4e10  # multiply-adds of an occlusion map that take too long


class Picture(NamedTuple):
    """What goes into the network, `(height, width, channels)`, and which numbers look how."""

    numbers: np.ndarray
    black: float
    white: float

    @property
    def grey(self):
        """The number in the middle: that of the square which covers a part."""
        return (self.black + self.white) / 2

    def shown(self, numbers=None):
        """The image, or another one of its kind, as bytes to be drawn."""
        numbers = self.numbers if numbers is None else numbers
        shades = as_bytes(numbers, (self.black, self.white))
        return shades[..., 0] if shades.shape[-1] == 1 else shades


class Occlusion(NamedTuple):
    """The scores with a grey square at each place, `(down, across, classes)`."""

    scores: np.ndarray
    size: int
    stride: int

    def nearest(self, row, column):
        """The place whose square is centred next to a pixel, `(down, across)`."""
        steps = (np.array([row, column]) - (self.size - 1) / 2) / self.stride
        last = np.array(self.scores.shape[:2]) - 1
        return tuple(np.clip(np.floor(steps + 0.5), 0, last).astype(int).tolist())


class Subject:
    """A network with the images to look at. What was run once is kept.

    Attributes:
        pictures: a `Picture` for each name; `first` is the name of the one to begin with.
        class_names: a word for each class.
        size: of the images, `(height, width)`.
        shapes: of what comes out of each layer, `(height, width, maps)` or `(units,)`, by name.
        filters: the names of the layers whose filters can be drawn.
        convolutions: the names of the convolutions that give maps.
        score: what the network's scores are.
        note: what was done to the images.
    """

    def __init__(self, network, pictures, first, class_names, note):
        self.pictures, self.first, self.class_names = pictures, first, class_names
        self.size, self.note = pictures[first].numbers.shape[:2], note
        self._calls, (self._end,) = calls_of(network)
        self._dtype = network.inputs[0].dtype
        self._drawable = {
            number: call.name
            for number, call in enumerate(self._calls)
            if len(call.outputs[0].shape) in (2, 4) and "float" in call.outputs[0].dtype
        }
        named = [(self._calls[number], name) for number, name in self._drawable.items()]
        self._kernels = {name: call.layer.kernel for call, name in named if has_filters(call)}
        self.filters = list(self._kernels)
        try:
            self._cost = anatomy(network).multiply_adds
        except (TypeError, ValueError):  # it has something that anatomy cannot read
            self._cost = 0
        self.forward = lru_cache(maxsize=2)(self._forward)
        self.grad_cams = lru_cache(maxsize=32)(self._grad_cams)
        self.occlusion = lru_cache(maxsize=64)(self._occlusion)
        self.kernel = lru_cache(maxsize=None)(self._kernel)
        self._logits, self.score = _logits(self._calls[self._end[0]].layer), "logit"
        answer = self.forward(first)[1]
        if self._logits is None and answer.min() >= 0 and abs(answer.sum() - 1) < 1e-3:
            self.score = "log probability"
            self.forward.cache_clear()
        self.shapes = {name: maps.shape for name, maps in self.forward(first)[0].items()}
        with_maps = self.layers_for(GRAD_CAM)
        if not with_maps:
            words = "gives maps in a way that can be looked at: use keras.Model(inputs, outputs)"
            raise ValueError(f"network: none of its layers {words}")
        self.convolutions = [name for name in self.filters if name in with_maps] or with_maps

    def layers_for(self, view):
        """The names of the layers that a view can show."""
        if view == FILTERS:
            return self.filters
        return [name for name, of in self.shapes.items() if view != GRAD_CAM or len(of) == 3]

    def last_like(self, name):
        """The last layer whose maps have the size of this one's."""
        size = self.shapes[name][:2]
        alike = [other for other in self.layers_for(GRAD_CAM) if self.shapes[other][:2] == size]
        return alike[-1]

    def count(self, layer):
        """How many maps (or units) a layer gives."""
        return self.shapes[layer][-1]

    def explained(self, name, label):
        """The number of the class to explain."""
        return int(np.argmax(self.forward(name)[1])) if label == PREDICTED else label

    def run(self, images, keep=(), watch=None):
        """What some layers give for a batch of images, by their numbers, and the scores.

        It runs one layer after the other, through models inside the network, too, and keeps no
        more than it needs. `watch` is called with what is kept, before it goes on.
        """
        import keras

        images = keras.ops.convert_to_tensor(images, self._dtype)
        last_use = {source: n for n, call in enumerate(self._calls) for source in call.sources}
        tensors, kept = {(IMAGE, 0): images}, {}
        for number, call in enumerate(self._calls):
            if number == self._end[0] and self._logits:
                scores = call.run(tensors, self._logits)
            ends = keras.tree.flatten(call.run(tensors, _as_it_answers(call.layer)))
            tensors |= {(number, which): end for which, end in enumerate(ends)}
            if number in keep:
                kept[number] = ends[0]
                if watch:
                    watch(ends[0])
            for source in set(call.sources):
                if last_use[source] == number and source != self._end:
                    del tensors[source]
        scores = scores if self._logits else tensors[self._end]
        if self.score == "log probability":
            scores = keras.ops.log(keras.ops.maximum(scores, 1e-30))
        return kept, scores

    def _forward(self, name):
        """What each layer gives for an image, by name, and the scores `(classes,)`."""
        try:
            maps, scores = self.run(self.pictures[name].numbers[None], self._drawable)
        except Exception as problem:
            size = "×".join(map(str, self.pictures[name].numbers.shape))
            reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
            raise ValueError(f"network: it cannot take an image of {size}: {reason}") from None
        maps = {self._drawable[number]: np.array(of[0], np.float32) for number, of in maps.items()}
        scores = np.array(scores[0], float)
        for layer, numbers in {**maps, "the output": scores}.items():
            if not np.isfinite(numbers).all():
                hint = "Has its training diverged? Train it anew with a lower learning rate"
                raise ValueError(f"network: {layer} gives numbers that are not finite. {hint}")
        return maps, scores

    def _grad_cams(self, name, label):
        """Where the maps of each layer speak for a class: `(height, width)`, from 0 up.

        Source: Selvaraju et al., "Grad-CAM" (2017), section 3, equations 1 and 2.
        """
        import tensorflow as tf

        with tf.GradientTape() as tape:
            maps, scores = self.run(self.pictures[name].numbers[None], self._drawable, tape.watch)
            score = scores[0, label]
        maps = {self._drawable[number]: of for number, of in maps.items() if len(of.shape) == 4}
        slopes = tape.gradient(score, maps, unconnected_gradients="zero")
        cams = {}
        for layer, of in maps.items():
            alpha = tf.reduce_mean(slopes[layer], axis=(1, 2), keepdims=True)
            cam = tf.nn.relu(tf.reduce_sum(alpha * of, axis=-1))
            cams[layer] = np.array(cam[0], np.float32)
        return cams

    def _occlusion(self, name, size):
        """The scores while a grey square slides over the image, `Occlusion`.

        Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014),
        section 4.2.
        """
        picture = self.pictures[name]
        stride = math.ceil(max(self.size) / (8 if self._cost * 200 > DEAR else 16))
        starts = [range(0, length - size + 1, stride) for length in self.size]
        places = [(top, left) for top in starts[0] for left in starts[1]]
        scores = []
        for begin in range(0, len(places), 32):  # a few at a time saves memory
            some = places[begin : begin + 32]
            covered = np.stack([picture.numbers] * len(some))
            for copy, (top, left) in zip(covered, some, strict=True):
                copy[top : top + size, left : left + size] = picture.grey
            scores.append(np.array(self.run(covered)[1], float))
        scores = np.concatenate(scores).reshape(len(starts[0]), len(starts[1]), -1)
        return Occlusion(scores, size, stride)

    def _kernel(self, layer):
        """The filters of a convolution, `(height, width, depth, filters)`."""
        kernel = self._kernels[layer].numpy().astype(np.float32)
        if kernel.shape[-1] == self.count(layer):
            return kernel
        return kernel.reshape(*kernel.shape[:2], 1, -1)  # one depth each: a depthwise convolution


def has_filters(call):
    """Whether a layer has filters that can be drawn."""
    kernel, output = getattr(call.layer, "kernel", None), call.outputs[0]
    if len(getattr(kernel, "shape", ())) != 4 or "Transpose" in type(call.layer).__name__:
        return False  # the kernel of a transposed convolution goes the other way round
    return output.shape[-1] in (kernel.shape[-1], kernel.shape[-1] * kernel.shape[-2])


def _as_it_answers(layer):
    """The layer as it computes when nothing is trained."""
    trains = "training" in inspect.signature(layer.call).parameters
    return partial(layer, training=False) if trains else layer


def _logits(layer):
    """What makes scores of what a softmax gets, None if the layer is none."""
    import keras

    kinds = keras.layers.Softmax, keras.layers.Activation, keras.layers.Dense
    softmax = getattr(layer, "activation", None) is keras.activations.softmax
    if not isinstance(layer, kinds[0]) and not (softmax and isinstance(layer, kinds)):
        return None
    if getattr(layer, "quantization_mode", None):  # its kernel is not what it multiplies by
        return None
    if not isinstance(layer, keras.layers.Dense):
        return lambda scores, *_, **__: scores
    bias = layer.bias if layer.use_bias else 0.0
    return lambda units: keras.ops.matmul(units, layer.kernel) + bias
