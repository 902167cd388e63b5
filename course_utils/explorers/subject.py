"""What the explorer `inside` looks at: a network, and the images that go through it.

`read_subject` makes a `Subject` of what a learner brings. It runs the network once for each image,
each Grad-CAM and each size of the square, and keeps what came out.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from .. import data
from ..anatomy import anatomy
from . import shell
from .drawing import written

MAPS, FILTERS, OCCLUSION, GRAD_CAM = "feature maps", "filters", "occlusion", "Grad-CAM"
PREDICTED = -1  # the class to explain is whichever the network answers
BYTES = {"low": -2.0, "high": 2.0}  # what 0 and 255 become for most networks of the course
DEAR = 4e10  # multiply-adds of an occlusion map that take too long
MOST_IMAGES, MOST_PIXELS = 20, 128  # to choose from; a side, where the network takes any size


# ---------------------------------------------------------------------------------------------
# The network, with the images that go through it
# ---------------------------------------------------------------------------------------------


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
        shades = shell.as_bytes(numbers, (self.black, self.white))
        return shades[..., 0] if shades.shape[-1] == 1 else shades


class Falls(NamedTuple):
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
        import keras

        self.pictures, self.first, self.class_names = pictures, first, class_names
        self.size, self.note = pictures[first].numbers.shape[:2], note
        outputs = {
            layer.name: _output(layer)
            for layer in network.layers
            if not isinstance(layer, keras.layers.InputLayer)
        }
        outputs = {name: each for name, each in outputs.items() if each is not None}
        logits, self.score = _logits(network, pictures[first])
        self._names, image = list(outputs), network.inputs[0]
        try:
            self._reader = keras.Model(image, [*outputs.values(), logits])
            self._scorer = keras.Model(image, logits)
        except ValueError:
            raise ValueError(
                "network: its layers do not lead from its input to its output. Call each layer "
                "once, and build the network with keras.Model(inputs, outputs)"
            ) from None
        self._kernels = {layer.name: layer.kernel for layer in network.layers if _filters(layer)}
        self.filters = list(self._kernels)
        try:
            self._cost = anatomy(network).multiply_adds
        except (TypeError, ValueError):  # it has something that anatomy cannot read
            self._cost = 0
        self.passed = lru_cache(maxsize=2)(self._passed)
        self.grad_cams = lru_cache(maxsize=32)(self._grad_cams)
        self.falls = lru_cache(maxsize=64)(self._falls)
        self.kernel = lru_cache(maxsize=None)(self._kernel)
        self.shapes = {name: maps.shape for name, maps in self.passed(first)[0].items()}
        with_maps = self.layers_for(GRAD_CAM)
        if not with_maps:
            raise ValueError(
                "network: none of its own layers gives maps, (batch, height, width, maps). If its "
                "convolutions are in a model inside it, give that model"
            )
        self.convolutions = [name for name in self.filters if name in with_maps] or with_maps

    def layers_for(self, view):
        """The names of the layers that a view can show."""
        if view == FILTERS:
            return self.filters
        return [name for name, of in self.shapes.items() if view != GRAD_CAM or len(of) == 3]

    def last_like(self, name):
        """The last layer whose maps have the size of this one's."""
        size = self.shapes[name][:2]
        return [each for each in self.layers_for(GRAD_CAM) if self.shapes[each][:2] == size][-1]

    def count(self, layer):
        """How many maps (or units) a layer gives."""
        return self.shapes[layer][-1]

    def explained(self, name, label):
        """The number of the class to explain."""
        return int(np.argmax(self.passed(name)[1])) if label == PREDICTED else label

    def _passed(self, name):
        """What each layer gives for an image, by name, and the scores `(classes,)`."""
        try:
            *maps, scores = self._reader(self.pictures[name].numbers[None], training=False)
        except Exception as problem:
            size = "×".join(map(str, self.pictures[name].numbers.shape))
            raise ValueError(f"network: it cannot take an image of {size}: {problem}") from None
        found = {
            each: np.array(of[0], np.float32) for each, of in zip(self._names, maps, strict=True)
        }
        scores = np.array(scores[0], float)
        for layer, numbers in {**found, "the output": scores}.items():
            if not np.isfinite(numbers).all():
                raise ValueError(
                    f"network: {layer} gives numbers that are not finite. Has its training "
                    "diverged? Train it anew with a lower learning rate"
                )
        return found, scores

    def _grad_cams(self, name, label):
        """Where the maps of each layer speak for a class: `(height, width)`, from 0 up.

        Source: Selvaraju et al., "Grad-CAM" (2017), section 3, equations 1 and 2.
        """
        import tensorflow as tf

        image = tf.constant(self.pictures[name].numbers[None])
        with tf.GradientTape() as tape:
            tape.watch(image)
            *maps, scores = self._reader(image, training=False)
            score = scores[0, label]
        named = zip(self._names, maps, strict=True)
        maps = {each: of for each, of in named if len(of.shape) == 4}
        slopes = tape.gradient(score, maps, unconnected_gradients="zero")
        cams = {}
        for layer, of in maps.items():
            alpha = tf.reduce_mean(slopes[layer], axis=(1, 2), keepdims=True)
            cam = tf.nn.relu(tf.reduce_sum(alpha * of, axis=-1))
            cams[layer] = np.array(cam[0], np.float32)
        return cams

    def _falls(self, name, size):
        """The scores while a grey square slides over the image, `Falls`.

        Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014),
        section 4.2.
        """
        picture = self.pictures[name]
        stride = math.ceil(max(self.size) / 16)
        if self._cost * 200 > DEAR:
            stride = math.ceil(max(self.size) / 8)
        starts = [range(0, length - size + 1, stride) for length in self.size]
        places = [(top, left) for top in starts[0] for left in starts[1]]
        scores = []
        for begin in range(0, len(places), 32):  # a few at a time saves memory
            some = places[begin : begin + 32]
            covered = np.stack([picture.numbers] * len(some))
            for copy, (top, left) in zip(covered, some, strict=True):
                copy[top : top + size, left : left + size] = picture.grey
            scores.append(np.array(self._scorer(covered, training=False), float))
        scores = np.concatenate(scores).reshape(len(starts[0]), len(starts[1]), -1)
        return Falls(scores, size, stride)

    def _kernel(self, layer):
        """The filters of a convolution, `(height, width, depth, filters)`."""
        kernel = self._kernels[layer].numpy().astype(np.float32)
        if kernel.shape[-1] == self.count(layer):
            return kernel
        return kernel.reshape(*kernel.shape[:2], 1, -1)  # one depth each: a depthwise convolution


def _output(layer):
    """What comes out of a layer, with two or four axes, None if it is something else."""
    if hasattr(layer, "layers"):
        return None  # a model inside: what it calls its output belongs to a graph of its own
    try:
        output = layer.output
    except (AttributeError, ValueError):  # it was never called by itself
        return None
    drawable = len(getattr(output, "shape", ())) in (2, 4) and "float" in str(output.dtype)
    return output if drawable else None


def _filters(layer):
    """Whether a layer has filters that can be drawn."""
    kernel, output = getattr(layer, "kernel", None), _output(layer)
    if output is None or len(getattr(kernel, "shape", ())) != 4:
        return False
    if "Transpose" in type(layer).__name__:
        return False  # its kernel goes the other way round
    return output.shape[-1] in (kernel.shape[-1], kernel.shape[-1] * kernel.shape[-2])


def _logits(network, picture):
    """The scores before a softmax, as a tensor of the network, and what they are."""
    import keras

    answer = network.outputs[0]
    last = next((layer for layer in network.layers if _output(layer) is answer), None)
    is_softmax = getattr(last, "activation", None) is keras.activations.softmax
    if isinstance(last, keras.layers.Softmax):
        return last.input, "logit"
    if is_softmax and isinstance(last, keras.layers.Activation):
        return last.input, "logit"
    if is_softmax and isinstance(last, keras.layers.Dense):
        twin = keras.layers.Dense(last.units, use_bias=last.use_bias, dtype=last.dtype_policy)
        logits = twin(last.input)
        twin.set_weights(last.get_weights())
        return logits, "logit"
    found = np.array(network(picture.numbers[None], training=False), float)
    if found.min() >= 0 and abs(found.sum() - 1) < 1e-3:
        return keras.ops.log(keras.ops.maximum(answer, 1e-30)), "log probability"
    return answer, "logit"


# ---------------------------------------------------------------------------------------------
# Reading the arguments
# ---------------------------------------------------------------------------------------------


def read_subject(network, image, class_names, scale):
    """Reads the arguments of `inside`."""
    network, recipe = _network(network)
    _, height, width, channels = network.inputs[0].shape
    source = recipe.get("data") or ("mnist" if channels == 1 else "cifar10")
    if image is None:
        raw, first, notes = *_from_set(source, max(height or 0, width or 0)), []
    else:
        raw, first, notes = _brought(image)
    tall, wide = raw[first].shape[:2]
    share = min(1, MOST_PIXELS / max(tall, wide))  # of a large image, for a network of any size
    size = height or max(1, round(share * tall)), width or max(1, round(share * wide))
    unsaid, scale, limits = scale is None, _scale(scale, recipe, network), None
    if recipe:
        limits = scale["low"], scale["high"]
    pictures = {}
    for name, each in raw.items():
        pictures[name], done = _prepared(each, (*size, channels), scale, limits)
        notes += [words for words in done if words not in notes]
    if unsaid and not recipe and raw[first].dtype == np.uint8:
        ends = f"{written(scale['low'])} and 255 became {written(scale['high'])}"
        notes.append(
            f"In the images 0 became {ends}; scale={{'low': ..., 'high': ...}} sets others."
        )
    classes = network.outputs[0].shape[-1]
    if class_names is None:
        known = data.DATASETS[source].class_names if recipe or first in _titles(source) else ()
        numbers = tuple(f"class {number}" for number in range(classes))
        class_names = known if len(known) == classes else numbers
    return Subject(network, pictures, first, _words(class_names, classes), " ".join(notes))


def _network(network):
    """The network, and the recipe of its recorded run (or nothing)."""
    import keras

    from .. import runs

    if network is None or isinstance(network, str):
        name = network or "vgg_small"
        return runs.recorded_network(name), runs.recorded_run(name)["recipe"]
    if not isinstance(network, keras.Model):
        kind = type(network).__name__
        raise ValueError(f"network: a Keras model or the name of a recorded run, not a {kind}")
    inputs, outputs = (getattr(network, name, None) or [] for name in ("inputs", "outputs"))
    if not inputs:
        raise ValueError(
            "network: a functional or sequential model is needed that knows its input: begin it "
            "with keras.Input((32, 32, 3)), say"
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"network: it has {len(inputs)} inputs and {len(outputs)} outputs, and one of each "
            "is needed: images in, scores of the classes out"
        )
    came, goes = tuple(inputs[0].shape), tuple(outputs[0].shape)
    if len(came) != 4 or came[-1] not in (1, 3):
        raise ValueError(
            f"network: its input must be (batch, height, width, 1 or 3), channels last, not {came}"
        )
    if not any(_convolves(layer) for layer in network.layers):
        raise ValueError("network: it has no convolution, so there are no filters and no maps")
    if len(goes) != 2 or (goes[-1] or 0) < 2:
        raise ValueError(
            f"network: its output must be (batch, classes) with two classes or more, not {goes}"
        )
    return network, {}


def _convolves(layer):
    """Whether a layer is a convolution, or a model that has one."""
    if hasattr(layer, "layers"):
        return any(_convolves(each) for each in layer.layers)
    return "Conv" in type(layer).__name__ or _filters(layer)


def _scale(scale, recipe, network):
    """How bytes become numbers: the arguments of `data.scale`."""
    import keras

    if scale is None:
        scalers = keras.layers.Rescaling, keras.layers.Normalization
        scales_itself = any(isinstance(layer, scalers) for layer in network.layers[:3])
        own = {"low": 0.0, "high": 255.0} if scales_itself else BYTES
        return recipe.get("scale", own)
    wrong = not isinstance(scale, dict) or not {"low", "high"} <= set(scale)
    wrong = wrong or set(scale) - {"low", "high", "border"}
    if wrong or not np.isfinite(scale["high"] - scale["low"]) or scale["low"] == scale["high"]:
        raise ValueError("scale: two different numbers: {'low': -2.0, 'high': 2.0}, say")
    return scale


def _titles(source):
    """What the first test images of a set are called."""
    names = data.DATASETS[source].class_names
    return [f"digit {name}" if name.isdigit() else name for name in names]


def _from_set(source, side):
    """Images to begin with, by name, and the name of the first one to show."""
    if side > 96 and source == "cifar10":  # 32×32 would be a blur
        return {"cat": data.photo("cat")}, "cat"
    images, titles = data.load(source, "test").images, _titles(source)  # one of each class in turn
    return dict(zip(titles, images, strict=False)), titles[7]


def _brought(image):
    """The images that somebody brings, by name, the name of the first, and what was done."""
    try:
        image = np.asarray(image)
    except ValueError:
        raise ValueError("image: several images must have the same size") from None
    if image.ndim != 4:
        found, note = shell.as_image(image, "image", largest=4096)
        return {"yours": found}, "yours", [note] if note else []
    if len(image) == 0:
        raise ValueError(f"image: there is none, the shape is {image.shape}")
    notes = [f"image: the first {MOST_IMAGES} of {len(image)}."] if len(image) > MOST_IMAGES else []
    images = {}
    for number, each in enumerate(image[:MOST_IMAGES]):
        images[f"image {number}"], note = shell.as_image(each, "image", largest=4096)
        notes += [note] if note and note not in notes else []
    return images, "image 0", notes


def _prepared(image, shape, scale, limits):
    """A `Picture` of the shape `(height, width, channels)`, and what was done to get there.

    `limits` are the numbers that a recorded network was trained on, or None.
    """
    border = scale.get("border", 0) if image.dtype == np.uint8 else 0
    height, width, channels = shape
    image, notes = _fitted(image, height - 2 * border, width - 2 * border, channels)
    if image.dtype == np.uint8:
        return Picture(data.scale(image[None], **scale)[0], scale["low"], scale["high"]), notes
    low, high = float(image.min()), float(image.max())
    ends = f"{written(low)} to {written(high)}"
    if limits is None:
        # Numbers on both sides of 0 were scaled round mid-grey, others from black to white.
        most = max(-low, high)
        limits = (-most, most) if low < 0 else (0.0, 1.0 if high <= 1 else max(255.0, high))
    else:
        slack = (limits[1] - limits[0]) / 100
        if low < limits[0] - slack or high > limits[1] + slack:
            raise ValueError(
                f"image: its numbers go from {ends}, and this network was trained on "
                f"{written(limits[0])} to {written(limits[1])}. Give bytes (uint8), or scale it "
                "with data.scale"
            )
    notes.append(f"image: its numbers, {ends}, go into the network as they are.")
    return Picture(image.astype(np.float32), *limits), notes


def _fitted(image, height, width, channels):
    """An image of any size and colours in the shape that a network takes, and what was done."""
    notes = []
    if min(height, width) < 1:
        raise ValueError("scale: this border leaves no room for the image")
    if image.shape[2:] == (1,):
        image = image[..., 0]
    if image.ndim == 3 and channels == 1:
        image = image.mean(axis=-1).astype(image.dtype)
        notes.append("image: its colours became grey.")
    if image.ndim == 2:
        image = np.repeat(image[..., None], channels, axis=-1)
        if channels == 3:
            notes.append("image: red, green and blue are alike, as it is grey.")
    tall, wide = image.shape[:2]
    if (tall, wide) == (height, width):
        return image, notes
    # The middle, in the proportions of the network's images, then larger or smaller.
    part = shell.middle(image, height, width)
    high, broad = part.shape[:2]
    smaller = min(tall / height, wide / width) > 1
    way = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    fitted = shell.resized(part, height, width, way)
    part = "" if (high, broad) == (tall, wide) else f", the middle {high}×{broad} of them"
    notes.append(f"image: {tall}×{wide} pixels{part}, became the {height}×{width} it takes.")
    return fitted, notes


def _words(class_names, classes):
    """The names of the classes, as a tuple of words."""
    listed = isinstance(class_names, (list, tuple, np.ndarray))
    if not listed or len(class_names) != classes:
        found = f"{len(class_names)} names" if listed else f"a {type(class_names).__name__}"
        raise ValueError(
            f"class_names: a list of {classes} is needed, a word for each, not {found}"
        )
    return tuple(map(str, class_names))
