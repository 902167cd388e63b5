"""Any Keras network as a table: what each layer gives, and what it costs.

`anatomy(network)` reads shapes, parameters, multiply-adds, activation memory and receptive
fields from the network itself, in the order in which data flows, through branches too. Given a
function that builds a network instead of a network, it reads all this without making the
weights, so that a network of a gigabyte is read in a few megabytes.
"""

import math
import threading
from typing import NamedTuple

from .arithmetic import Field, grow, pair

BYTES = 4  # of a float32
UNKNOWN = "?"

# Layers whose receptive field follows from their kernel or pool size.
WINDOWS = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D"}
# Layers that look at one place at a time, or move numbers without looking at their neighbours.
PLACES = {
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "BatchNormalization"),
    *("Dropout", "SpatialDropout2D", "GaussianNoise", "Rescaling", "Identity", "Flatten"),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"),
    *("ZeroPadding2D", "Cropping2D"),
}


class Row(NamedTuple):
    """One layer, for one image.

    `multiply_adds` is None for a layer whose arithmetic is not known here. `receptive_field` is
    `(height, width)` in input pixels, None where a unit sees the whole image, and `UNKNOWN` from
    the first layer on whose window is not known here.
    """

    name: str
    kind: str
    output_shape: tuple
    parameters: int
    multiply_adds: int | None
    activation_bytes: int
    receptive_field: tuple | None


class Anatomy:
    """The table of a network. Print it, or let a notebook show it.

    Attributes:
        name: of the network.
        rows: a list of `Row`.
        parameters: trainable numbers, in all.
        multiply_adds: of one image, in all; a lower bound if there is a layer where it is None.
        activation_bytes: of all layers' outputs for one image, in float32.
    """

    def __init__(self, name, rows, parameters):
        self.name, self.rows, self.parameters = name, rows, parameters
        self.multiply_adds = sum(row.multiply_adds or 0 for row in rows)
        self.activation_bytes = sum(row.activation_bytes for row in rows)

    HEADER = ("layer", "kind", "output", "parameters", "multiply-adds", "kB", "sees")

    def cells(self):
        """The table as strings: one tuple for each layer, and the last one for the total."""
        for row in self.rows:
            unknown = row.multiply_adds is None
            yield (
                row.name,
                row.kind,
                "×".join(map(str, row.output_shape)),
                f"{row.parameters:,}",
                "?" if unknown else f"{row.multiply_adds:,}",
                f"{row.activation_bytes / 1000:,.1f}",
                "all" if row.receptive_field is None else "×".join(map(str, row.receptive_field)),
            )
        at_least = "≥ " if any(row.multiply_adds is None for row in self.rows) else ""
        total = f"{self.parameters:,}", f"{at_least}{self.multiply_adds:,}"
        yield ("total", "", "", *total, f"{self.activation_bytes / 1000:,.1f}", "")

    def __str__(self):
        table = [self.HEADER, *self.cells()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index < 3 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        import html

        def row(cells, tag):
            marked = (
                f'<{tag} style="text-align:{"left" if index < 3 else "right"}">'
                f"{html.escape(cell)}</{tag}>"
                for index, cell in enumerate(cells)
            )
            return f"<tr>{''.join(marked)}</tr>"

        *layers, total = self.cells()
        return (
            f"<table><caption>{html.escape(self.name)}, for one image</caption>"
            f"<thead>{row(self.HEADER, 'th')}</thead>"
            f"<tbody>{''.join(row(cells, 'td') for cells in layers)}</tbody>"
            f"<tfoot>{row(total, 'th')}</tfoot></table>"
        )


def anatomy(network):
    """Reads a network layer by layer.

    Args:
        network: a built functional or sequential Keras model, or a function without arguments
            that builds one (`models.lenet5`, or `lambda: models.vgg("D")`): its weights are then
            never allocated.

    Returns:
        An `Anatomy`.

    Raises:
        TypeError: it is neither.
        ValueError: the model has more than one input or one without a size, has not been built,
            is made by writing a class, has a model inside, computes something outside a layer, or
            has its channels first.
    """
    import keras

    if isinstance(network, keras.Model):
        return _read(network)
    if callable(network) and not isinstance(network, keras.layers.Layer):
        return _without_weights(lambda: _read(network()))
    raise TypeError(f"anatomy reads a Keras model or a function that builds one, not {network!r}")


def _without_weights(build):
    """Calls `build` where Keras knows the shapes of variables but does not make them.

    Keras would make them later, at the end of some other scope, from a list that each thread
    keeps for itself. A thread of our own takes that list with it when it ends.
    """
    import keras

    answer = []

    def work():
        try:
            with keras.StatelessScope(initialize_variables=False):
                answer.append(build())
        except BaseException as error:  # handed over to the caller's thread below
            answer.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(answer[0], BaseException):
        raise answer[0]
    return answer[0]


def _read(model):
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"the function must build a Keras model, but it gives {model!r}")
    if not model.built or len(getattr(model, "inputs", None) or ()) != 1:
        raise ValueError(
            f"{model.name} must be a functional or sequential model, built and with one input, "
            "to be read"
        )
    if None in model.inputs[0].shape[1:]:
        raise ValueError(f"{model.name} takes images of any size: give its input a size to read it")
    fields = {id(model.inputs[0]): (Field(), Field())}
    rows = []
    for layer in _in_order(model):
        inputs, output = layer.input, layer.output
        inputs = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        if getattr(layer, "data_format", None) == "channels_first":
            raise ValueError(f"{layer.name} has its channels first: this table reads NHWC only")
        if any(id(each) not in fields for each in inputs):
            raise _broken_off(model)
        before = [fields[id(each)] for each in inputs]
        fields[id(output)] = after = _fields_after(layer, before)
        shape = tuple(output.shape[1:])
        rows.append(
            Row(
                name=layer.name,
                kind=type(layer).__name__,
                output_shape=shape,
                parameters=_count(layer.trainable_weights),
                multiply_adds=_multiply_adds(layer, output.shape),
                activation_bytes=BYTES * math.prod(shape),
                receptive_field=after
                if after in (None, UNKNOWN)
                else tuple(axis.size for axis in after),
            )
        )
    if any(id(output) not in fields for output in model.outputs):
        raise _broken_off(model)
    return Anatomy(model.name, rows, _count(model.trainable_weights))


def _broken_off(model):
    return ValueError(
        f"the layers of {model.name} do not lead from its input to its output: call each layer "
        "once, for one model, and write additions and the like as layers (keras.layers.Add)"
    )


def _in_order(model):
    """The layers in the order in which data flows, without the input."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, keras.Model):
            raise ValueError(f"{layer.name} is a model inside {model.name}: read it by itself")
        yield layer


def _count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def _fields_after(layer, before):
    """The receptive fields along both axes; None for the whole image, or UNKNOWN."""
    kind = type(layer).__name__
    if kind.startswith("Global") or (kind == "Dense" and len(layer.output.shape) == 2):
        return None  # pooled over the whole map, or connected to all of it
    if None in before:
        return None
    # The course's own layers say their window as Keras' do, and count for themselves.
    own = hasattr(layer, "multiply_adds")
    if UNKNOWN in before or not (own or kind in WINDOWS | PLACES | {"Dense"}):
        return UNKNOWN
    # Where branches meet, a unit sees what any of them sees.
    widest = tuple(
        Field(max(axis.size for axis in axes), max(axis.jump for axis in axes))
        for axes in zip(*before, strict=True)
    )
    kernel = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if kernel is None:
        return widest
    strides = getattr(layer, "strides", None) or 1
    dilation = getattr(layer, "dilation_rate", 1)
    return tuple(map(grow, widest, pair(kernel), pair(strides), pair(dilation)))


def _multiply_adds(layer, output_shape):
    """For one image, or None. A layer of the course's own may answer for itself."""
    if hasattr(layer, "multiply_adds"):
        return layer.multiply_adds(output_shape)
    kind = type(layer).__name__
    if kind in ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense"):
        # Each weight is used once at every place of the output.
        return math.prod(output_shape[1:-1]) * math.prod(layer.kernel.shape)
    if kind in PLACES or "Pooling" in kind:
        return 0  # comparisons and element-by-element work are not counted, as is usual
    return None
