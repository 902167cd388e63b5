"""The graph of a Keras network: one reader for `anatomy` and for the explorers.

What is read here Keras keeps to itself, and a new version may break it: `tests/test_graph.py` says
so at once.
"""

from typing import NamedTuple

IMAGE = -1  # the number of the image, where calls are counted from 0


class Call(NamedTuple):
    """One call of a layer, or of an operation outside a layer.

    `sources` says of each tensor that goes in which call gives it, and as which of its outputs.
    """

    name: str
    layer: object
    arguments: object
    sources: tuple
    outputs: list

    def run(self, tensors, function):
        """Calls `function` with what the layer gets but `training`; `tensors[source]` has it."""
        import keras

        values = iter([tensors[source] for source in self.sources])
        args, options = keras.tree.map_structure(
            lambda part: next(values) if isinstance(part, keras.KerasTensor) else part,
            (self.arguments.args, self.arguments.kwargs),
        )
        options.pop("training", None)  # that was true when the graph was built
        return function(*args, **options)


def has_graph(model):
    """Whether it is a functional or sequential model that has been built, with its own `call`."""
    call = getattr(getattr(type(model), "call", None), "__qualname__", "")
    graph = getattr(model, "_functional", model)
    return call in ("Functional.call", "Sequential.call") and hasattr(graph, "_nodes_by_depth")


def calls_of(model):
    """The calls in a model's graph as data flows, and from which of them its outputs come.

    Models inside are followed. Give one for which `has_graph` is true.
    """
    calls, places = [], {id(tensor): (IMAGE, which) for which, tensor in enumerate(model.inputs)}
    _follow(model, places, calls, set())
    return calls, [places[id(tensor)] for tensor in model.outputs]


def _follow(model, places, calls, names):
    graph = getattr(model, "_functional", model)
    order = {id(operation): number for number, operation in enumerate(graph.operations)}
    nodes = [(depth, node) for depth, nodes in graph._nodes_by_depth.items() for node in nodes]
    for _, node in sorted(nodes, key=lambda at: (-at[0], order[id(at[1].operation)])):
        if node.is_input:
            continue
        layer, outputs = node.operation, list(map(id, node.outputs))
        sources = tuple(places[id(tensor)] for tensor in node.input_tensors)
        if has_graph(layer):
            places |= zip(map(id, layer.inputs), sources, strict=True)
            _follow(layer, places, calls, names)
            places |= zip(outputs, [places[id(end)] for end in layer.outputs], strict=True)
            continue
        name = layer.name if layer.name not in names else f"{model.name}/{layer.name}"
        while name in names:
            name += "'"
        names.add(name)
        places |= {output: (len(calls), which) for which, output in enumerate(outputs)}
        calls.append(Call(name, layer, node.arguments, sources, node.outputs))
