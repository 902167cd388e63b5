"""Networks as the explorers read them: the rows of `anatomy`, and what their units see.

The networks of the course are read when they are first asked for, once, and never with weights.
Importing this module imports neither TensorFlow nor Keras.
"""

import math
from collections import Counter
from functools import cache, cached_property

from ..anatomy import BYTES, SIZES, Fields, Row, anatomy, meet, role_of, windows_of
from ..arithmetic import Conv, Pool
from ..arithmetic import read_stack as read_layers
from ..graph import IMAGE

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


class Network:
    """A network that has been read.

    Attributes:
        name: to be shown.
        input_shape: of one image.
        rows: the rows of its anatomy, in the order in which data flows.
        note: what must be known of it, or nothing.
    """

    def __init__(self, name, input_shape, rows, note=""):
        self.name, self.input_shape, self.rows, self.note = name, tuple(input_shape), rows, note

    @cached_property
    def fields(self):
        """For each layer its `Fields` down and across; None where a unit sees everything."""
        known = {IMAGE: (Fields(), Fields())}
        for number, row in enumerate(self.rows):
            seen = row.windows and isinstance(row.receptive_field, tuple)
            before = meet([known[source] for source in row.inputs]) if seen else None
            known[number] = tuple(map(Fields.after, before, row.windows)) if before else None
        return known

    def widest_input(self, number):
        """The input of a layer whose units see most."""

        def width(source):
            return sum(axis.size for axis in self.fields[source] or [Fields(size=math.inf)])

        return max(self.rows[number].inputs, key=width)

    def way_to(self, number):
        """The layers on the widest way from the image that change what a unit sees."""
        way = []
        while number != IMAGE:
            if self.rows[number].changes:
                way.append(number)
            number = self.widest_input(number)
        return way[::-1]

    def without_resizing(self):
        """The same network, as it looks at the images that its `Resizing` gives."""
        sized = [n for n, row in enumerate(self.rows) if row.kind in SIZES and row.windows]
        if not sized:
            return self
        row, start = self.rows[sized[-1]], sized[-1] + 1
        rows = [
            row._replace(inputs=tuple(max(IMAGE, source - start) for source in row.inputs))
            for row in self.rows[start:]
        ]
        note = f"Its pixels are those of the image that {row.name} gives."
        return Network(self.name, row.output_shape, rows, note)


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
            known = ", ".join(BUILDERS)
            raise ValueError(f"{argument}: there is no {network!r}, choose one of {known}")
        return named(network)
    wanted = f"{argument}: a Keras model or a function without arguments that builds one is needed"
    if not callable(network):
        raise ValueError(f"{wanted}, not a {type(network).__name__}")
    try:
        table = anatomy(network)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"{wanted} ({problem})") from None
    return Network(table.name, table.input_shape, table.rows)


@cache
def named(name):
    """A network of the course, read without its weights."""
    from .. import models

    function, options = BUILDERS[name]
    network = read(lambda: getattr(models, function)(**options))
    return Network(name, network.input_shape, network.rows)


def read_stack(name, input_shape, stack):
    """Reads a list of `Conv`, `Pool`, `GlobalPool` and `Dense` layers of `arithmetic`.

    Raises:
        ValueError: something in the list is no layer, or does not fit the image.
    """
    rows, shape, counts = [], tuple(input_shape), Counter()
    for number, reading in enumerate(read_layers(input_shape, stack)):
        kind, windows = type(reading.layer).__name__, None
        counts[kind] += 1
        if isinstance(reading.layer, (Conv, Pool)):
            windows = windows_of(reading.layer, shape[:2])
        shape = reading.output_shape
        rows.append(
            Row(
                name=f"{kind.lower()}{counts[kind]}",
                kind=kind,
                output_shape=shape,
                parameters=reading.parameters,
                multiply_adds=reading.multiply_adds,
                activation_bytes=BYTES * math.prod(shape),
                receptive_field=None if windows is None else reading.receptive_field,
                role=role_of(kind),
                inputs=(number - 1,),
                windows=windows,
            )
        )
    return Network(name, input_shape, rows)
