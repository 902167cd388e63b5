"""What the explorer `inside` looks at: reads a network, its images and their scale."""

import numpy as np
from PIL import Image

from .. import data
from ..arguments import listed
from ..graph import calls_of, has_graph
from .drawing import compact
from .grad_cam import Picture, Subject, has_filters
from .images import as_image, middle, real_numbers, resized

BYTES = {"low": -2.0, "high": 2.0}  # what 0 and 255 become for most networks of the course
MOST_IMAGES, MOST_PIXELS = 20, 128  # to choose from; a side, where the network takes any size


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
    for name, numbers in raw.items():
        pictures[name], done = _prepared(numbers, (*size, channels), scale, limits)
        notes += [words for words in done if words not in notes]
    if unsaid and not recipe and raw[first].dtype == np.uint8:
        ends = f"{compact(scale['low'])} and 255 became {compact(scale['high'])}"
        ways = "scale={'low': ..., 'high': ...} sets others."
        notes.append(f"In the images 0 became {ends}; {ways}")
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
        name = "vgg_small" if network is None else network
        return runs.recorded_network(name), runs.recorded_run(name)["recipe"]
    if not isinstance(network, keras.Model):
        kind = type(network).__name__
        raise ValueError(f"network: a Keras model or the name of a recorded run, not a {kind}")
    if problem := _problem(network):
        raise ValueError(f"network: {problem}")
    return network, {}


def _problem(network):
    """Why a Keras model cannot be looked into; nothing if it can."""
    if not has_graph(network):
        return (
            "a functional or sequential model is needed that knows its input: begin it with "
            "keras.Input((32, 32, 3)), say"
        )
    inputs, outputs = network.inputs, network.outputs
    if len(inputs) != 1 or len(outputs) != 1:
        return (
            f"it has {len(inputs)} inputs and {len(outputs)} outputs, and one of each is needed: "
            "keras.Model(network.inputs, network.outputs[0]) takes the first output"
        )
    image, scores = tuple(inputs[0].shape), tuple(outputs[0].shape)
    if len(image) != 4 or image[-1] not in (1, 3):
        return f"its input must be (batch, height, width, 1 or 3), channels last, not {image}"
    if len(scores) != 2 or (scores[-1] or 0) < 2:
        return f"its output must be (batch, classes) with two classes or more, not {scores}"
    calls, _ = calls_of(network)
    for call in calls:
        if getattr(call.layer, "data_format", "") == "channels_first":
            return f"{call.name} has its channels first, and must have them last"
    if not any("Conv" in type(call.layer).__name__ or has_filters(call) for call in calls):
        return (
            "it has no convolution that can be looked at, so there are no filters and no maps; a "
            "class of your own hides those that it calls"
        )
    return ""


def _scale(scale, recipe, network):
    """How bytes become numbers: the arguments of `data.scale`."""
    import keras

    if scale is None:
        scalers = keras.layers.Rescaling, keras.layers.Normalization
        first = [call.layer for call in calls_of(network)[0][:6]]
        scales_itself = any(isinstance(layer, scalers) for layer in first)
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
        several = np.ndim(image) == 4
    except ValueError:
        raise ValueError("image: several images must have the same size") from None
    if not several:
        numbers, note = as_image(image, "image", largest=4096)
        return {"yours": numbers}, "yours", [note] if note else []
    image = real_numbers(image, "image")
    if len(image) == 0:
        raise ValueError(f"image: there is none, the shape is {image.shape}")
    notes = [f"image: the first {MOST_IMAGES} of {len(image)}."] if len(image) > MOST_IMAGES else []
    images = {}
    for number, one in enumerate(image[:MOST_IMAGES]):
        images[f"image {number}"], note = as_image(one, "image", largest=4096)
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
    ends = f"{compact(low)} to {compact(high)}"
    if limits is None:
        # Numbers on both sides of 0 were scaled round mid-grey, others from black to white.
        most = max(-low, high)
        limits = (-most, most) if low < 0 else (0.0, 1.0 if high <= 1 else max(255.0, high))
    else:
        slack = (limits[1] - limits[0]) / 100
        if low < limits[0] - slack or high > limits[1] + slack:
            wanted = f"{compact(limits[0])} to {compact(limits[1])}: give bytes, or use data.scale"
            raise ValueError(f"image: it has {ends}, and this network was trained on {wanted}")
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
    part = middle(image, height, width)
    high, broad = part.shape[:2]
    smaller = min(tall / height, wide / width) > 1
    way = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    fitted = resized(part, height, width, way)
    part = "" if (high, broad) == (tall, wide) else f", the middle {high}×{broad} of them"
    notes.append(f"image: {tall}×{wide} pixels{part}, became the {height}×{width} it takes.")
    return fitted, notes


def _words(class_names, classes):
    """The names of the classes, as a tuple of words."""
    names = tuple(map(str, listed(class_names, "class_names")))
    if len(names) != classes:
        raise ValueError(f"class_names: a list of {classes} is needed, not of {len(names)}")
    return names
