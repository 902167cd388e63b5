"""Exercise 10: a network that is handed in, what it may cost, and how it answers.

A network is handed in as data, never as code: the list of its layers, each one of Keras' own, and
its numbers. Both travel as the pixels of a PNG picture that the notebook keeps like any other
(`pack`). `unpack` builds the network anew, counts what it costs, and refuses what breaks a rule;
the grader does so in its sandbox, and `check` does the same beforehand. So what is counted is what
answers, and whatever else a notebook defines is never asked. Every refusal is a ValueError whose
sentence says what breaks which rule.

Importing this module imports neither TensorFlow nor Keras.
"""

import base64
import io
import json
import math
import re
from typing import NamedTuple

import numpy as np

from .anatomy import anatomy
from .arguments import choice, flag, numeric_array, whole_number
from .data import DATASETS, load

MOST_PARAMETERS = 500_000  # numbers in all weights
MOST_MULTIPLY_ADDS = 50_000_000  # for one picture, all views together
MOST_LAYERS, MOST_VIEWS = 300, 100
MOST_ACTIVATIONS = 20_000_000  # bytes of all layers' outputs for one picture
SHAPE, CLASSES = DATASETS["cifar10"].shape, len(DATASETS["cifar10"].class_names)
FARTHEST, BRIGHTER = 3, 0.15  # how far pictures are shifted, in pixels, and how much brighter
SHOWN = 1000  # training pictures that `check` asks
BATCH = 100  # pictures that go through a network at once

BEGINNING = b"network 1\n"
LONGEST_PLAN = 300_000  # bytes
# Kernels travel in 16 bits. Biases and batch norm's numbers are few: they stay in 32.
LARGEST = 3 * MOST_PARAMETERS + LONGEST_PLAN  # bytes of a picture's pixels

# The layers that may stand in a network: those whose cost `anatomy` knows, with their options.
CONV = ("kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")
POOL = ("pool_size", "strides", "padding")
OPTIONS = {
    "Rescaling": ("scale", "offset"),
    "Conv2D": ("filters", "groups", *CONV),
    "DepthwiseConv2D": ("depth_multiplier", *CONV),
    "Dense": ("units", "activation", "use_bias"),
    "BatchNormalization": ("epsilon", "center", "scale"),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "LeakyReLU": ("negative_slope",),
    "PReLU": ("shared_axes",),
    "ELU": ("alpha",),
    "Softmax": (),
    "MaxPooling2D": POOL,
    "AveragePooling2D": POOL,
    "GlobalMaxPooling2D": ("keepdims",),
    "GlobalAveragePooling2D": ("keepdims",),
    "ZeroPadding2D": ("padding",),
    "Cropping2D": ("cropping",),
    "Flatten": (),
    "PadShortcut": ("filters", "strides"),  # of `course_utils.models`
}
ROWS = ("scale", "offset", "kernel_size", "strides", "dilation_rate", "pool_size", "shared_axes")
PAIRS = ("padding", "cropping")  # rows of pairs
MOST_IN_ROW = 2048  # of `Rescaling`: a number for each channel
JOINING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
# What does something only while a network is trained; it is left out.
IDLE = (
    *("Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"),
    *("RandomFlip", "RandomTranslation", "RandomRotation", "RandomZoom", "RandomShear"),
    *("RandomBrightness", "RandomContrast"),
)
ACTIVATIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh"),
    *("sigmoid", "hard_sigmoid", "hard_silu", "softplus", "softsign", "softmax", "log_softmax"),
    SOFT_RELU := "soft_relu",  # SpeedNet's, of `course_utils.speednet`
)


class Entry(NamedTuple):
    """A network with the views of each picture that it takes the mean over.

    Attributes:
        network: a Keras model from pictures (32, 32, 3), numbers from 0 to 255, to ten scores.
        views: of each view how far the picture is moved down and right, and whether it is mirrored
            then.
    """

    network: object
    views: tuple = ((0, 0, False),)


class Cost(NamedTuple):
    """What an entry costs: numbers in its weights, and multiply-adds for one picture."""

    parameters: int
    multiply_adds: int


# --- Pictures and answers -------------------------------------------------------------------------


def with_views(network, shifts=((0, 0),), mirrored=True):
    """A network that answers by the mean over several views of each picture.

    Args:
        network: a Keras model.
        shifts: of each view how many pixels down and right the picture is moved, at most 8.
        mirrored: whether to take the mirror image of each as well.

    Returns:
        An `Entry`. Its multiply-adds are those of the network times the number of views.
    """
    try:
        pairs = [(down, right) for down, right in shifts]
    except (TypeError, ValueError):
        raise ValueError(f"shifts must be pairs, [(0, 0), (2, -2)] say, not {shifts!r}") from None
    if not pairs:
        raise ValueError("shifts must hold one pair at least: (0, 0) leaves a picture in its place")
    for pair in pairs:
        for pixels in pair:
            whole_number(pixels, "each shift", -8, 8)
    sides = (False, True) if flag(mirrored, "mirrored") else (False,)
    views = tuple((int(down), int(right), side) for down, right in pairs for side in sides)
    if len(views) > MOST_VIEWS:
        raise ValueError(f"those are {len(views)} views: {MOST_VIEWS} are allowed")
    return Entry(_model_of(network), views)


def shifted(images, down, right):
    """Pictures moved by whole pixels, in their shape and type; the edge left behind is repeated.

    Args:
        images: `(n, height, width, channels)`.
        down, right: pixels; negative ones move up and left.
    """
    images = _pictures(images)
    height, width = images.shape[1:3]
    down, right = (
        whole_number(pixels, name, -size, size)
        for pixels, name, size in ((down, "down", height), (right, "right", width))
    )
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return images[:, rows][:, :, columns]


def vary(images, seed):
    """Pictures as the grader shows them: shifted a little, mirrored or not, darker or brighter.

    Args:
        images: uint8 `(n, height, width, channels)`.
        seed: a whole number from 0 up; the same one gives the same pictures.

    Returns:
        uint8, of the same shape. Each picture is moved by at most `FARTHEST` pixels in each
        direction, mirrored or not, and its values are multiplied by at least 1 - `BRIGHTER` and at
        most 1 + `BRIGHTER`.
    """
    images = _pictures(images)
    if images.dtype != np.uint8:
        raise ValueError(f"images must be bytes from 0 to 255, uint8, not {images.dtype}")
    rng = np.random.default_rng(whole_number(seed, "seed", 0))
    moves = rng.integers(-FARTHEST, FARTHEST + 1, (len(images), 2))
    mirrored = rng.random(len(images)) < 0.5
    factors = rng.uniform(1 - BRIGHTER, 1 + BRIGHTER, len(images))
    moved = np.stack(
        [shifted(image[None], *move)[0] for image, move in zip(images, moves, strict=True)]
    )
    moved[mirrored] = moved[mirrored, :, ::-1]
    return np.clip(np.rint(moved * factors[:, None, None, None]), 0, 255).astype(np.uint8)


def classify(network, images):
    """The answers of a network: this is what the grader asks, and nothing else.

    Args:
        network: a Keras model, or an `Entry` that `with_views` gives.
        images: `(n, 32, 32, 3)`, numbers from 0 to 255.

    Returns:
        int64 `(n,)`: for each picture the class of its highest score, the scores being the mean
        over its views.
    """
    network, views = _entry(network)
    images, answered = _pictures(images), []
    if images.shape[1:] != SHAPE:
        raise ValueError(f"images must be of shape (n, 32, 32, 3), not {images.shape}")
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH].astype(np.float32)
        scores = 0
        for down, right, mirrored in views:
            view = shifted(batch, down, right)
            view = view[:, :, ::-1] if mirrored else view
            # Said in so many words: Keras' layers that flip at random would, if nobody says no.
            scores = scores + _scores_of(network, view)
        if scores.ndim != 2:
            raise ValueError(
                f"the network gives an array of shape {scores.shape[1:]} for a picture"
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                "a score is no number (NaN or infinite): the weights are, or they grow too large"
            )
        answered.append(scores.argmax(axis=1))
    return np.concatenate(answered)


def _scores_of(network, images):
    """What a network gives for pictures; what it raises becomes a sentence."""
    try:
        return np.asarray(network(images, training=False))
    except Exception as problem:  # of what could be built, but not be computed
        if isinstance(problem, MemoryError) or type(problem).__name__ == "ResourceExhaustedError":
            raise
        raise ValueError(f"the network cannot answer ({_said(problem)})") from None


def _pictures(images):
    images = numeric_array(images, "images")
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images must be of shape (n, height, width, channels), not {images.shape}"
        )
    return images


def _entry(network):
    return network if isinstance(network, Entry) else Entry(_model_of(network))


def _model_of(network):
    if not isinstance(network, _keras().Model):
        kind = "nothing (None)" if network is None else f"a {type(network).__name__}"
        raise ValueError(f"network must be a Keras model, not {kind}")
    return network


# --- A network as a list of layers ----------------------------------------------------------------


def plan_of(network):
    """The list of a network's layers, and their weights.

    Args:
        network: a functional or sequential Keras model that has been built.

    Returns:
        `(plan, weights)`. The plan has an entry for each layer, `(kind, options, sources)`, where
        the sources are places in the plan, -1 for the picture. The last one gives the scores.
    """
    from .graph import IMAGE, calls_of, has_graph

    network = _model_of(network)
    if not has_graph(network) or len(network.inputs) != 1:
        raise ValueError(
            "the network must be a functional or sequential model with one input, built: begin it "
            f"with keras.Input({SHAPE})"
        )
    read = tuple(network.inputs[0].shape[1:])
    if len(read) != len(SHAPE) or any(
        side not in (None, wanted) for side, wanted in zip(read, SHAPE, strict=True)
    ):
        raise ValueError(f"the network reads pictures of shape {read}, not {SHAPE}")
    calls, outputs = calls_of(network)
    places, plan, weights = {IMAGE: -1}, [], []
    for number, call in enumerate(calls):
        sources = [places[source] for source, _ in call.sources]
        if type(call.layer).__name__ in IDLE and _is_known(call.layer):
            places[number] = sources[0]
            continue
        plan.append((type(call.layer).__name__, _options_of(call.layer), sources))
        weights += [np.asarray(weight) for weight in call.layer.weights]
        places[number] = len(plan) - 1
    if len(outputs) != 1 or places[outputs[0][0]] != len(plan) - 1:
        raise ValueError("the network must have one output, its last layer's")
    return plan, weights


def _is_known(layer):
    """Whether a layer is Keras' own, or the course's, and no class of the same name."""
    kind = type(layer).__name__
    try:
        return type(layer) is _class_of(kind)
    except ValueError:
        return False


def _class_of(kind):
    """The class of a layer by its name."""
    if kind in IDLE:
        return getattr(_keras().layers, kind)
    _check_kind(kind)
    if kind == "PadShortcut":
        from .models import PadShortcut

        return PadShortcut
    return getattr(_keras().layers, kind)


def _check_kind(kind):
    if kind not in (*OPTIONS, *JOINING):
        raise ValueError(
            f"a layer is a {_said(kind)[:40]}, which may not stand in the network: take "
            f"{', '.join(OPTIONS)}, {', '.join(JOINING)}"
        )


def _keras():
    """Keras, imported when the first network is there: what is refused before needs none."""
    import keras

    return keras


def _options_of(layer):
    kind = type(layer).__name__
    if not isinstance(layer, _keras().layers.Layer):
        raise ValueError(
            f"{layer.name} is an operation outside a layer ({kind}), as x + y makes one: take "
            "a layer of keras.layers in its place, Add or Rescaling say"
        )
    if not _is_known(layer):
        _check_kind(kind)
        raise ValueError(f"{layer.name} is a {kind} of your own: take that of keras.layers")
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(f"{layer.name} has its channels first: leave out data_format")
    if kind in ("BatchNormalization", "Concatenate", "Softmax"):
        axis, rank = layer.axis, len(layer.output.shape)
        if axis not in (-1, rank - 1):
            raise ValueError(f"{layer.name} works along axis {axis}: leave out axis, the last")
    options = {}
    for name in OPTIONS.get(kind, ()):
        value = getattr(layer, name)
        if name == "activation":
            value = _activation_of(layer)
        elif kind == "Rescaling":
            value = np.asarray(value).tolist()
        options[name] = value
    return options


def _activation_of(layer):
    """The name of a layer's activation, if it is one of Keras'."""
    name = getattr(layer.activation, "__name__", "")
    known = name in ACTIVATIONS and _activation(name) is layer.activation
    return choice(name if known else None, f"the activation of {layer.name}", ACTIVATIONS)


def _activation(name):
    """The function that an activation's name stands for."""
    if name == SOFT_RELU:
        from .speednet import soft_relu

        return soft_relu
    return _keras().activations.get(name)


def _build(plan):
    """The network of a plan, with its first weights."""
    keras = _keras()
    image = keras.Input(SHAPE)
    tensors, read = [], set()
    for number, (kind, options, sources) in enumerate(plan):
        name = f"layer {number + 1} of {len(plan)}, {kind}"
        inputs = [image if source == -1 else tensors[source] for source in sources]
        read.update(sources)
        if kind == "Rescaling":
            _check_rows(name, options, inputs[0])
        if "activation" in options:
            options = {**options, "activation": _activation(options["activation"])}
        try:
            layer = _class_of(kind)(**options)
            outputs = layer(inputs if kind in JOINING else inputs[0])
        except Exception as problem:  # Keras raises what it likes
            raise ValueError(f"{name}: it cannot be built ({_said(problem)})") from None
        tensors.append(outputs)
    if read | {len(plan) - 1} != {*range(-1, len(plan))}:
        raise ValueError("a layer of the network leads nowhere")
    return keras.Model(image, tensors[-1])


def _check_rows(name, options, tensor):
    """Raises ValueError when `Rescaling` has rows of another length than its input has channels.

    Keras would not say so: it hands on more channels than it announces, and nobody counts them.
    """
    for row in options.values():
        if isinstance(row, list | tuple) and len(row) not in (1, tensor.shape[-1]):
            raise ValueError(
                f"{name}: a row of {len(row)} numbers does not fit {tensor.shape[-1]} channels"
            )


def _said(problem):
    """The beginning of an exception's text, in one line of letters that any file can hold."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(problem))  # Keras prints in bold
    text = " ".join(text.split())[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _check_plan(plan):
    """Raises ValueError when something is no plan; it may be anything that JSON can say."""
    if not isinstance(plan, list) or not 0 < len(plan) <= MOST_LAYERS:
        raise ValueError(f"a network has from 1 to {MOST_LAYERS} layers")
    for number, entry in enumerate(plan):
        if not isinstance(entry, list | tuple) or list(map(type, entry)) != [str, dict, list]:
            raise ValueError(f"layer {number + 1} is none: a kind, its options, what it reads")
        kind, options, sources = entry
        _check_kind(kind)
        if set(options) - set(OPTIONS.get(kind, ())):
            raise ValueError(f"layer {number + 1}, {kind}: it has options that it may not have")
        for name, value in options.items():
            _check_option(f"layer {number + 1}, {kind}: {name}", name, value)
        fitting = len(sources) >= 2 if kind in JOINING else len(sources) == 1
        if not fitting or not all(type(each) is int and -1 <= each < number for each in sources):
            raise ValueError(f"layer {number + 1}, {kind}: it does not read from layers before it")


def _check_option(place, name, value):
    """An option is a number or a word; only sizes and what `Rescaling` has may be rows of them.

    A table of numbers would be worth more: one that is as long as a batch tells pictures apart.
    """
    numbers = (int, float, type(None))
    if name == "activation":
        choice(value, place, ACTIVATIONS)
    elif isinstance(value, list | tuple):
        rows = [each if name in PAIRS and isinstance(each, list | tuple) else [each]
                for each in value]  # fmt: skip
        flat = [number for row in rows for number in row]
        known = name in (*ROWS, *PAIRS) and len(flat) <= MOST_IN_ROW
        if not known or not all(type(number) in numbers for number in flat):
            raise ValueError(f"{place} must be a number, or a row of them where Keras has one")
    elif not isinstance(value, bool | str | int | float | None):
        raise ValueError(f"{place} must be a number or a word")


def _check_views(views):
    kinds = [int, int, bool]
    good = isinstance(views, list | tuple) and 0 < len(views) <= MOST_VIEWS
    if not good or not all(
        isinstance(view, list | tuple)
        and [type(each) for each in view] == kinds
        and max(map(abs, view)) <= 8
        for view in views
    ):
        raise ValueError("the views are none: with_views(network, shifts, mirrored) makes them")


# --- Rules ----------------------------------------------------------------------------------------


def cost(network):
    """What a network costs, with its views.

    Returns:
        A `Cost`. Its parameters are all numbers in the weights, those that training does not
        change and batch norm's statistics included.
    """
    network, views = _entry(network)
    return _cost_of(plan_of(network)[0], views)


def _cost_of(plan, views):
    """The cost of a plan, counted before any weight is made; refuses what gives no ten scores."""
    counted = []

    def build():
        network = _build(plan)
        counted.append(sum(math.prod(weight.shape) for weight in network.weights))
        return network

    table = anatomy(build)
    shape = table.rows[-1].output_shape
    if shape != (CLASSES,):
        told = "×".join(map(str, shape))
        raise ValueError(f"the network gives {told} numbers for a picture, not {CLASSES} scores")
    if table.activation_bytes > MOST_ACTIVATIONS:
        raise ValueError(
            f"the outputs of all layers take {table.activation_bytes / 1e6:,.0f} MB for one "
            f"picture: {MOST_ACTIVATIONS / 1e6:,.0f} MB are allowed"
        )
    return Cost(counted[0], len(views) * table.multiply_adds)


def _check_cost(spent, views):
    if spent.parameters > MOST_PARAMETERS:
        raise ValueError(
            f"the network has {spent.parameters:,} parameters: {MOST_PARAMETERS:,} are allowed"
        )
    if spent.multiply_adds > MOST_MULTIPLY_ADDS:
        by = f", {len(views)} views together" if len(views) > 1 else ""
        raise ValueError(
            f"a picture takes {spent.multiply_adds:,} multiply-adds{by}: "
            f"{MOST_MULTIPLY_ADDS:,} are allowed"
        )


# --- A network as a picture -----------------------------------------------------------------------


def pack(network):
    """A network as the bytes of a PNG file, its numbers as pixels.

    Kernels are rounded to 16 bits; what `unpack` gives is what will be judged.
    """
    from PIL import Image

    network, views = _entry(network)
    plan, weights = plan_of(network)
    # Whoever computes the number of filters with NumPy has NumPy's numbers in the options.
    text = json.dumps({"plan": plan, "views": views}, default=lambda number: number.item()).encode()
    spent = _cost_of(plan, views)
    _check_cost(spent, views)
    if sum(weight.size for weight in weights) != spent.parameters:
        raise ValueError(
            f"the layers have {sum(weight.size for weight in weights):,} numbers in their weights, "
            f"where such layers of keras.layers have {spent.parameters:,}: hand the network in "
            "without quantize, enable_lora and the like"
        )
    with np.errstate(over="ignore"):
        numbers = [weight.astype(_kind_of(weight)) for weight in weights]
    if not all(np.isfinite(weight).all() for weight in numbers):
        raise ValueError("a weight is no number, or larger than 16 bits can say (65,504)")
    content = BEGINNING + len(text).to_bytes(4, "little") + text
    content += b"".join(weight.tobytes() for weight in numbers)
    side = math.ceil(math.sqrt(len(content) / 3))
    pixels = np.frombuffer(content.ljust(3 * side * side, b"\0"), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(side, side, 3)).save(buffer, format="PNG")
    return buffer.getvalue()


def _kind_of(weight):
    """The type in which a weight travels: 16 bits for a kernel, 32 for a row of numbers."""
    return np.dtype("<f2" if len(weight.shape) > 1 else "<f4")


def unpack(picture):
    """The network in a picture that `pack` has made, built anew.

    Args:
        picture: the bytes of a PNG file.

    Returns:
        An `Entry` and its `Cost`.
    """
    plan, views, content = _read(_pixels_of(picture))
    spent = _cost_of(plan, views)
    _check_cost(spent, views)
    network = _build(plan)
    kinds = [_kind_of(weight) for weight in network.weights]
    sizes = [math.prod(weight.shape) for weight in network.weights]
    needed = sum(kind.itemsize * size for kind, size in zip(kinds, sizes, strict=True))
    if needed > len(content):
        raise ValueError("the picture is cut off: it holds fewer numbers than its network has")
    at = 0
    for weight, kind, size in zip(network.weights, kinds, sizes, strict=True):
        numbers = np.frombuffer(content, kind, size, at).astype(np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError("a weight of the network is no number (NaN or infinite)")
        weight.assign(numbers.reshape(weight.shape))
        at += kind.itemsize * size
    return Entry(network, views), spent


def _pixels_of(picture):
    """The bytes in a PNG file's pixels."""
    from PIL import Image

    if not isinstance(picture, bytes):
        raise ValueError(f"picture must be the bytes of a PNG file, not {type(picture).__name__}")
    try:
        with Image.open(io.BytesIO(picture), formats=["PNG"]) as image:
            width, height = image.size
            if 3 * width * height > LARGEST:
                raise ValueError(f"the picture is too large for a network: {width}×{height} pixels")
            return image.convert("RGB").tobytes()
    except ValueError:
        raise
    except Exception as problem:  # Pillow raises what it likes
        raise ValueError(f"the picture cannot be read ({type(problem).__name__})") from None


def _read(content):
    """The plan, the views and the bytes of the weights."""
    start = len(BEGINNING) + 4
    if content[: len(BEGINNING)] != BEGINNING:
        raise ValueError('the picture holds no network: check("network", network) makes it')
    length = int.from_bytes(content[len(BEGINNING) : start], "little")
    if length > LONGEST_PLAN:
        raise ValueError("the description of the network is too long")
    try:
        whole = json.loads(content[start : start + length])
        plan, views = whole["plan"], whole["views"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("the description of the network cannot be read") from None
    _check_plan(plan)
    _check_views(views)
    return plan, tuple(map(tuple, views)), content[start + length :]


def hand_in(question, network):
    """Shows a network as a picture, which the notebook keeps, and says what it costs.

    How many pictures it gets right is told for training pictures alone: test pictures choose
    nothing, and the grader has those.
    """
    from IPython.display import display

    picture = pack(network)
    entry, spent = unpack(picture)
    images, labels, _ = load("cifar10", "train")
    shown = vary(images[:SHOWN], 0)
    right = np.mean(classify(entry, shown) == labels[:SHOWN])
    print(
        f"{question}: right, all 2 limits are kept: {spent.parameters:,} of {MOST_PARAMETERS:,} "
        f"parameters, {spent.multiply_adds:,} of {MOST_MULTIPLY_ADDS:,} multiply-adds for a "
        f"picture (views: {len(entry.views)}).\n{100 * right:.1f} % of {SHOWN:,} training pictures "
        "are right, shifted and mirrored as the hidden ones are; of pictures that it has not seen "
        "it will be fewer.\nThe picture below is your network: save the notebook with it."
    )
    alt = f"The numbers of a network as the pixels of a picture: {spent.parameters:,} parameters."
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": alt}
    display(data, metadata={"image/png": {"alt": alt, "width": 200}}, raw=True)


def measured(picture, images):
    """What the grader asks in its sandbox: the answers of a picture's network, and its cost.

    Args:
        picture: uint8 `(n,)`, the bytes of a PNG file.
        images: uint8 `(n, 32, 32, 3)`.

    Returns:
        A dict with `labels`, `parameters`, `multiply_adds` and `views`, or with `problem` alone, a
        sentence.
    """
    try:
        entry, spent = unpack(np.asarray(picture, np.uint8).tobytes())
        labels = classify(entry, images)
    except ValueError as problem:
        return {"problem": str(problem)}
    return {"labels": labels, **spent._asdict(), "views": len(entry.views)}
