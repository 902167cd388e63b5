"""Any Keras network as a table: what each layer gives, and what it costs.

`anatomy(network)` reads shapes, parameters, multiply-adds, activation memory and receptive
fields from the network itself, in the order in which data flows, through branches and through
models inside it. Given a function that builds a network instead of a network, it reads all this
without making the weights, so that a network of a gigabyte is read in a few megabytes.
"""

import math
import sys
from typing import NamedTuple

from .arithmetic import Field, grow, padding_amounts, padding_by_axis, window_of
from .graph import IMAGE, calls_of, has_graph
from .inside_keras import without_weights

BYTES = 4  # of a float32
UNKNOWN = "?"

# Layers whose receptive field follows from their kernel or pool size.
WINDOWS = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D"}
# Layers that look at one place at a time, or move numbers without looking at their neighbours.
PLACES = {
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "BatchNormalization"),
    *("Dropout", "SpatialDropout2D", "GaussianNoise", "Rescaling", "Normalization", "Identity"),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"),
    *("ZeroPadding2D", "Cropping2D", "Flatten"),
    # What changes images at random changes nothing but while the network is trained.
    *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomShear"),
    *("RandomBrightness", "RandomContrast", "RandomColorJitter", "RandomHue", "RandomSaturation"),
}
# In front of all windows: what follows is counted in pixels of the image that they give.
SIZES = {"Resizing", "CenterCrop", "RandomCrop"}
# What a layer is: that with the first word in the name of its class, or of one it comes from.
ROLES = {
    "other": ("Shortcut", "Padding"),
    "convolution": ("Conv",),
    "pooling": ("Pool", "Subsampling"),
    "dense": ("Dense", "RadialOutput"),
    "normalisation": ("Normalization",),
    "activation": ("Activation", "LU", "Softmax"),
    "joining": ("Add", "Concatenate", "Multiply", "Subtract", "Average", "Maximum", "Minimum"),
}


class Window(NamedTuple):
    """What a layer reads along one axis; `first` is where its first window begins."""

    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    first: int = 0


class Fields(NamedTuple):
    """What the units of a map see along one axis: unit u sees `size` pixels from `start + u·jump`.

    Positions below 0 are in the padding.
    """

    start: int = 0
    size: int = 1
    jump: int = 1

    def region(self, unit):
        """The first and the last pixel that a unit sees."""
        first = self.start + unit * self.jump
        return first, first + self.size - 1

    def nearest(self, place):
        """The unit in the middle of whose region a place lies."""
        return round((place - self.start - (self.size - 1) / 2) / self.jump)

    def after(self, window):
        """What the units of the next layer see, which look through this window."""
        field = grow(Field(self.size, self.jump), *window[:3])
        return Fields(self.start + window.first * self.jump, *field)


class Row(NamedTuple):
    """One layer, for one image.

    `multiply_adds` is None for a layer whose arithmetic is not known here. `receptive_field` is
    `(height, width)` in input pixels, None where a unit sees the whole image, and `UNKNOWN` from
    the first layer on whose window is not known here. `inputs` are the numbers of the rows that
    it reads, `IMAGE` or from 0 up; `windows` are vertical and horizontal, None where it reads
    everything or nobody knows what. `kind` is the name of its class, `role` one of `ROLES`.
    """

    name: str
    kind: str
    output_shape: tuple
    parameters: int
    multiply_adds: int | None
    activation_bytes: int
    receptive_field: tuple | None
    role: str = "other"
    inputs: tuple = ()
    windows: tuple | None = None

    @property
    def changes(self):
        """Whether its units see more than those before, or lie farther apart."""
        return any(window.kernel > 1 or window.stride > 1 for window in self.windows or ())


class Anatomy:
    """The table of a network. Print it, or let a notebook show it.

    Attributes:
        name: of the network.
        input_shape: of one image.
        rows: a list of `Row`.
        parameters: trainable numbers, in all.
        multiply_adds: of one image, in all; a lower bound if there is a layer where it is None.
        activation_bytes: of all layers' outputs for one image, in float32.
    """

    def __init__(self, name, rows, parameters, input_shape=()):
        self.name, self.rows, self.parameters = name, rows, parameters
        self.input_shape = tuple(input_shape)
        self.multiply_adds = sum(row.multiply_adds or 0 for row in rows)
        self.activation_bytes = sum(row.activation_bytes for row in rows)

    HEADER = ("layer", "kind", "output", "parameters", "multiply-adds", "kB", "sees")

    def cells(self):
        """The table as strings: one tuple for each layer, and the last one for the total."""
        for row in self.rows:
            yield (
                " ".join(row.name.split()),
                row.kind,
                "×".join(map(str, row.output_shape)),
                f"{row.parameters:,}",
                UNKNOWN if row.multiply_adds is None else f"{row.multiply_adds:,}",
                f"{row.activation_bytes / 1000:,.1f}",
                "all" if row.receptive_field is None else "×".join(map(str, row.receptive_field)),
            )
        at_least = "≥ " if any(row.multiply_adds is None for row in self.rows) else ""
        total = f"{self.parameters:,}", f"{at_least}{self.multiply_adds:,}"
        yield ("total", "", "", *total, f"{self.activation_bytes / 1000:,.1f}", "")

    def __str__(self):
        table = [self.HEADER, *self.cells()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        sides = zip("<<<>>>>", widths, strict=True)  # words to the left, numbers to the right
        form = "  ".join(f"{{:{side}{width}}}" for side, width in sides)
        lines = [form.format(*row).rstrip() for row in table]
        rule = "-" * max(map(len, lines))
        text = "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
        console = getattr(sys.stdout, "encoding", None) or "utf-8"
        if not "≥".encode(console, "ignore"):
            text = text.replace("≥ ", ">=")
        return text.encode(console, "replace").decode(console)  # a name has any letters

    __repr__ = __str__

    def _repr_html_(self):
        import html

        def row(cells, tag):
            begins = [f'<{tag} style="text-align:{side}">' for side in ["left"] * 3 + ["right"] * 4]
            marked = (begin + html.escape(cell) for begin, cell in zip(begins, cells, strict=True))
            return f"<tr>{f'</{tag}>'.join(marked)}</{tag}></tr>"

        *layers, total = self.cells()
        return (
            f'<table class="mathjax_ignore tex2jax_ignore"><caption>'
            f"{html.escape(self.name)}, for one image</caption>"
            f"<thead>{row(self.HEADER, 'th')}</thead>"
            f"<tbody>{''.join(row(cells, 'td') for cells in layers)}</tbody>"
            f"<tfoot>{row(total, 'th')}</tfoot></table>"
        )


def anatomy(network):
    """Reads a network layer by layer, and gives an `Anatomy`.

    Args:
        network: a built functional or sequential Keras model, or a function without arguments
            that builds one (`models.lenet5`, or `lambda: models.vgg("D")`): its weights are then
            never allocated. Models inside it are read with it.

    Raises:
        TypeError: it is neither.
        ValueError: the model has more than one input or one without a size, has not been built,
            is made by writing a class, calls a layer twice, computes something outside a layer,
            or has its channels first.
    """
    import keras

    if isinstance(network, keras.Model):
        return _read(network)
    if callable(network) and not isinstance(network, keras.layers.Layer):
        return without_weights(lambda: _read(network()))
    raise TypeError(f"anatomy reads a Keras model or a function that builds one, not {network!r}")


def _read(model):
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"the function must build a Keras model, but it gives {model!r}")
    if not has_graph(model) or len(model.inputs) != 1:
        words = "built and with one input: begin it with keras.Input((32, 32, 3)), say"
        raise ValueError(f"{model.name} must be a functional or sequential model, {words}")
    if None in model.inputs[0].shape[1:]:
        raise ValueError(f"{model.name} takes images of any size: give its input a size to read it")
    calls, _ = calls_of(model)
    if len({id(call.layer) for call in calls}) < len(calls) or not all(
        isinstance(call.layer, keras.layers.Layer) for call in calls
    ):
        words = (
            "call each layer once, and write additions and the like as layers (keras.layers.Add)"
        )
        raise ValueError(f"{model.name} is more than a graph of layers: {words}")
    rows, fields = [], {IMAGE: (Fields(), Fields())}
    tensors = {(IMAGE, 0): model.inputs[0]}
    for number, call in enumerate(calls):
        if getattr(call.layer, "data_format", None) == "channels_first":
            raise ValueError(f"{call.name} has its channels first: this table reads NHWC only")
        outputs = call.outputs
        if any(None in output.shape[1:] for output in outputs):  # in a model that takes any size
            outputs = keras.tree.flatten(call.run(tensors, call.layer.compute_output_spec))
            if any(None in output.shape[1:] for output in outputs):
                raise ValueError(f"{call.name} gives {outputs[0].shape[1:]}, of no known size")
        tensors |= {(number, which): output for which, output in enumerate(outputs)}
        inputs = tuple(dict.fromkeys(source for source, _ in call.sources))
        shapes = [tensors[source].shape for source in call.sources]
        before = [fields[other] for other in inputs]
        after, windows = _seen(call.layer, shapes, outputs[0].shape, before)
        fields[number] = after
        rows.append(
            Row(
                name=call.name,
                kind=type(call.layer).__name__,
                output_shape=tuple(outputs[0].shape[1:]),
                parameters=_count(call.layer.trainable_weights),
                multiply_adds=_multiply_adds(call.layer, outputs[0].shape),
                activation_bytes=BYTES * sum(math.prod(output.shape[1:]) for output in outputs),
                receptive_field=tuple(axis.size for axis in after) if windows else after,
                role=role_of(*(cls.__name__ for cls in type(call.layer).__mro__)),
                inputs=inputs,
                windows=windows,
            )
        )
    return Anatomy(model.name, rows, _count(model.trainable_weights), model.inputs[0].shape[1:])


def role_of(*names):
    """What a layer is, `ROLES`, by the names of its class and those that it comes from."""
    roles = (role for name in names for role in ROLES if any(word in name for word in ROLES[role]))
    return next(roles, "other")


def _count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def windows_of(layer, extents):
    """What a layer of Keras or `arithmetic` reads of a map with these extents, down and across."""
    if edges := getattr(layer, "cropping", None):
        return tuple(Window(first=before) for before, _ in edges)
    if type(layer).__name__ == "ZeroPadding2D":
        return tuple(Window(first=-before) for before, _ in layer.padding)
    if not hasattr(layer, "kernel_size") and not hasattr(layer, "pool_size"):
        return Window(), Window()
    kernel, strides, dilation = window_of(layer)
    paddings = padding_by_axis(getattr(layer, "padding", "valid"))
    ends = map(padding_amounts, extents, kernel, strides, paddings, dilation)
    return tuple(map(Window, kernel, strides, dilation, (-before for before, _ in ends)))


def _seen(layer, shapes, output_shape, before):
    """The receptive fields along both axes, None for the whole image or UNKNOWN; the windows."""
    kind, shape = _kind(layer), shapes[0]
    if kind.startswith("Global") or (kind == "Dense" and len(output_shape) == 2) or None in before:
        return None, None  # pooled over the whole map, or connected to all of it
    known = WINDOWS | PLACES | {"Dense"}
    if all(fields == (Fields(), Fields()) for fields in before):
        known = known | SIZES
    # Side by side, or one repeated over the other: not every unit sees the place where it stands.
    if len(shapes) > 1 and any(joined[1:-1] != output_shape[1:-1] for joined in shapes):
        known = known - {kind}
    if kind == "Softmax" and layer.axis not in (-1, len(shape) - 1):
        known = known - {kind}  # over a whole map, say
    # The course's own layers say their window as Keras' do, and count for themselves.
    if UNKNOWN in before or not (hasattr(layer, "multiply_adds") or kind in known):
        return UNKNOWN, None
    windows = windows_of(layer, shape[1:3]) if len(shape) == 4 else (Window(), Window())
    fields = meet(before)
    return tuple(map(Fields.after, fields, windows)) if fields else UNKNOWN, windows


def meet(branches):
    """The `Fields` down and across where branches meet: a unit sees what any of them sees.

    None where that differs from unit to unit, because their steps in the image do.
    """
    axes = list(zip(*branches, strict=True))
    if any(len({field.jump for field in axis}) > 1 for axis in axes):
        return None
    starts = [min(field.start for field in axis) for axis in axes]
    ends = [max(field.start + field.size for field in axis) for axis in axes]
    return tuple(
        Fields(start, end - start, axis[0].jump)
        for start, end, axis in zip(starts, ends, axes, strict=True)
    )


def _kind(layer):
    """The name of a layer's class; nothing for a stranger's, which may do what it likes."""
    ours = type(layer).__module__.startswith(("keras.", "course_utils."))
    return type(layer).__name__ if ours else ""


def _multiply_adds(layer, output_shape):
    """For one image, or None. A layer of the course's own may answer for itself."""
    if hasattr(layer, "multiply_adds"):
        return layer.multiply_adds(output_shape)
    kind = _kind(layer)
    if kind in ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense"):
        # Each weight is used once at every place of the output.
        return math.prod(output_shape[1:-1]) * math.prod(layer.kernel.shape)
    if kind in PLACES | SIZES or "Pooling" in kind:
        return 0  # comparisons and element-by-element work are not counted, as is usual
    return None
