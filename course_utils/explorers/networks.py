"""Networks as the explorers read them: each layer's numbers, its window, and where it reads.

The networks of the course are read when they are first asked for, once, and never with weights.
Importing this module imports neither TensorFlow nor Keras.
"""

import math
from functools import cache, cached_property
from typing import NamedTuple

from ..anatomy import BYTES, Row, anatomy
from ..arithmetic import Conv, Field, Pool, grow, padding_amounts, padding_by_axis, pair
from ..arithmetic import read_stack as read_layers

IMAGE = -1  # the number of the image, where the layers are counted from 0

# A name for each network of the course, and how it is built.
BUILDERS = {
    "LeNet-5": ("lenet5", {}),
    "LeNet, modern": ("lenet5_modern", {}),
    "AlexNet": ("alexnet", {}),
    "alexnet_small": ("alexnet_small", {}),
    "VGG-11": ("vgg", {"configuration": "A"}),
    "VGG-16": ("vgg", {"configuration": "D"}),
    "VGG-19": ("vgg", {"configuration": "E"}),
    "vgg_small": ("vgg_small", {}),
    "ResNet-18": ("resnet", {"depth": 18}),
    "ResNet-34": ("resnet", {"depth": 34}),
    "ResNet-50": ("resnet", {"depth": 50}),
    "ResNet-101": ("resnet", {"depth": 101}),
    "ResNet-152": ("resnet", {"depth": 152}),
    "resnet20": ("resnet_cifar", {"depth": 20}),
    "resnet56": ("resnet_cifar", {"depth": 56}),
    "plain56": ("resnet_cifar", {"depth": 56, "residual": False}),
}


class Window(NamedTuple):
    """What a layer reads along one axis; `first` is where its first window begins."""

    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    first: int = 0

    @property
    def changes(self):
        """Whether a unit sees more through it, or lies farther from the next one."""
        return self.kernel > 1 or self.stride > 1

    def middle(self, unit):
        """The place in the middle of what a unit reads, the first of two if there are two."""
        return self.first + self.stride * unit + self.dilation * ((self.kernel - 1) // 2)


class Layer(NamedTuple):
    """One layer.

    `inputs` are the numbers of the layers whose output it reads, `windows` are vertical and
    horizontal. They are None where the layer reads everything, or nobody knows what.
    """

    row: Row
    inputs: tuple
    windows: tuple | None

    @property
    def changes(self):
        """Whether its units see more than those before, or lie farther apart."""
        return self.windows is not None and any(window.changes for window in self.windows)


class Seen(NamedTuple):
    """What the units of a map see along one axis: unit u sees `size` pixels from `start + u·jump`.

    Positions below 0 are in the padding.
    """

    start: int = 0
    size: int = 1
    jump: int = 1

    def by(self, unit):
        """The first and the last pixel that a unit sees."""
        first = self.start + unit * self.jump
        return first, first + self.size - 1

    def nearest(self, place):
        """The unit in the middle of whose region a place lies."""
        return round((place - self.start - (self.size - 1) / 2) / self.jump)


class Network:
    """A network that has been read.

    Attributes:
        name: to be shown.
        input_shape: of one image.
        layers: a list of `Layer`, in the order in which data flows.
    """

    def __init__(self, name, input_shape, layers):
        self.name, self.input_shape, self.layers = name, tuple(input_shape), layers

    @cached_property
    def seen(self):
        """For each layer what its units see, down and across; None where they see everything.

        Where branches meet, it is what the widest one sees.
        """
        known = {IMAGE: (Seen(), Seen())}
        for number, layer in enumerate(self.layers):
            before = known[self.widest_input(number, known)]
            if before is None or layer.windows is None:
                known[number] = None
                continue
            known[number] = tuple(map(_seen_after, before, layer.windows))
        return known

    def widest_input(self, number, known=None):
        """The input of a layer whose units see most."""
        known = self.seen if known is None else known

        def width(source):
            return (
                float("inf") if known[source] is None else sum(axis.size for axis in known[source])
            )

        return max(self.layers[number].inputs, key=width)

    def way_to(self, number):
        """The layers on the widest way from the image that change what a unit sees."""
        way = []
        while number != IMAGE:
            if self.layers[number].changes:
                way.append(number)
            number = self.widest_input(number)
        return way[::-1]


def _seen_after(before, window):
    field = grow(Field(before.size, before.jump), window.kernel, window.stride, window.dilation)
    return Seen(before.start + window.first * before.jump, *field)


# ---------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------


def read(network, argument="network"):
    """Reads a network that somebody brings.

    Args:
        network: a name of `BUILDERS`, a Keras model, or a function without arguments that builds
            one: its weights are then never made. For a list of `arithmetic` layers see
            `read_stack`.
        argument: what a message calls it.

    Returns:
        A `Network`.

    Raises:
        ValueError: it is none of these, or cannot be read.
    """
    if isinstance(network, str):
        if network not in BUILDERS:
            raise ValueError(
                f"{argument}: there is no {network!r}, choose one of {', '.join(BUILDERS)}"
            )
        return named(network)
    wanted = f"{argument}: a Keras model or a function without arguments that builds one is needed"
    if not callable(network):
        raise ValueError(f"{wanted}, not a {type(network).__name__}")
    kept = [network]

    def build():
        kept[0] = network()
        return kept[0]

    try:
        table = anatomy(network if hasattr(network, "layers") else build)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"{wanted} ({problem})") from None
    return Network(table.name, kept[0].inputs[0].shape[1:], list(_layers_of(kept[0], table.rows)))


@cache
def named(name):
    """A network of the course, read without its weights."""
    from .. import models

    function, options = BUILDERS[name]
    made = read(lambda: getattr(models, function)(**options))
    return Network(name, made.input_shape, made.layers)


def read_stack(name, input_shape, stack):
    """Reads a list of `Conv`, `Pool`, `GlobalPool` and `Dense` layers of `arithmetic`.

    Raises:
        ValueError: something in the list is no layer, or does not fit the image.
    """
    layers, shape, counts = [], tuple(input_shape), {}
    for number, reading in enumerate(read_layers(input_shape, stack)):
        kind = type(reading.layer).__name__
        counts[kind] = counts.get(kind, 0) + 1
        windows = None
        if isinstance(reading.layer, (Conv, Pool)):
            windows = windows_of(reading.layer, shape[:2])
        field = None if windows is None else reading.receptive_field
        row = Row(
            f"{kind.lower()}{counts[kind]}",
            kind,
            reading.output_shape,
            reading.parameters,
            reading.multiply_adds,
            BYTES * math.prod(reading.output_shape),
            field,
        )
        layers.append(Layer(row, (number - 1,), windows))
        shape = reading.output_shape
    return Network(name, input_shape, layers)


def _layers_of(model, rows):
    """The graph of a Keras model, beside the rows of its anatomy."""
    numbers = {id(model.inputs[0]): IMAGE}
    shapes = {IMAGE: tuple(model.inputs[0].shape[1:])}
    kept = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    for number, (layer, row) in enumerate(zip(kept, rows, strict=True)):
        inputs = layer.input if isinstance(layer.input, (list, tuple)) else [layer.input]
        sources = tuple(numbers[id(each)] for each in inputs)
        numbers[id(layer.output)], shapes[number] = number, row.output_shape
        shape, windows = shapes[sources[0]], None
        if len(shape) == 3 and isinstance(row.receptive_field, tuple):
            windows = windows_of(layer, shape[:2])
        yield Layer(row, sources, windows)


def windows_of(layer, extents):
    """What a layer of Keras or `arithmetic` reads of a map with these extents, down and across."""
    kind = type(layer).__name__
    if kind in ("ZeroPadding2D", "Cropping2D"):
        edges = layer.padding if kind == "ZeroPadding2D" else layer.cropping
        sign = -1 if kind == "ZeroPadding2D" else 1
        return tuple(Window(first=sign * before) for before, _ in edges)
    taps = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if taps is None:
        return Window(), Window()
    taps = pair(taps)
    strides = getattr(layer, "strides", None)
    strides = pair(strides if strides is not None else taps if hasattr(layer, "pool_size") else 1)
    dilation = pair(getattr(layer, "dilation_rate", 1))
    paddings = padding_by_axis(getattr(layer, "padding", "valid"))
    ends = map(padding_amounts, extents, taps, strides, paddings, dilation)
    firsts = [-before for before, _ in ends]
    return tuple(map(Window, taps, strides, dilation, firsts))


def shortened(name, longest):
    """A name of at most so many characters; what is left out is in the middle."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"
