"""How much of the gradient arrives at each layer of a deep network, before any training."""

import math
from functools import cache, lru_cache, partial
from typing import NamedTuple

import numpy as np

from .. import data
from ..arithmetic import whole_number
from ..convolution import average_pool2d
from ..plots import PALETTE
from . import shell
from .drawing import Drawing

DEEPEST, FILTERS, PHOTOGRAPHS, SIDE = 50, 16, 2, 16
EPSILON = 1e-5  # of batch normalisation
VANISHED, EXPLODED = 1e-3, 1e3  # the first layer's gradient as a share of the last one's
MOST_KEPT = 3

ACTIVATIONS = ("sigmoid", "tanh", "ReLU")
# The deviation of a kernel's first weights, from the inputs and outputs that a weight connects.
INITIALISATIONS = {
    "Glorot": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "He": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "twice He's variance": lambda fan_in, fan_out: math.sqrt(4 / fan_in),
    "normal 0.01": lambda fan_in, fan_out: 0.01,
}

WIDTH, HEIGHT = 760, 590
LEFT, RIGHT, TOP, BOTTOM = 84, 736, 92, 390  # of the axes
LEGEND, LINE = 446, 20  # the legend's first line, and from one to the next


@shell.message_in_place
def gradient_flow(
    depth=30,
    activation="sigmoid",
    initialisation="Glorot",
    batch_norm=False,
    shortcuts=False,
    yours=None,
):
    """Shows the gradient that arrives at each layer of a stack, and lets you change the stack.

    The stack is that of notebook 07, smaller so that it answers at once: `depth` convolutions of
    3×3 with 16 filters and no bias, an average over each map, ten scores; 2 photographs of
    16×16, the first weights, always the same draw. A shortcut leads around every two layers, as
    in ResNet, but for the first one or two. What is drawn is the notebook's `arriving`: the norm
    of the loss's gradient with respect to the maps after each activation.

    Point at the picture to read the values of a layer.

    Args:
        depth: convolutions, 2 to 50.
        activation: 'sigmoid', 'tanh' or 'ReLU'.
        initialisation: 'Glorot', 'He', "twice He's variance" or 'normal 0.01'.
        batch_norm: whether every convolution is followed by batch normalisation.
        shortcuts: whether they are there.
        yours: norms that you measured on a network of your own, one for each layer,
            `measure(network)["arriving"]` of notebook 07, say. They are drawn beside.

    Returns:
        An `Explorer`; the last line of a cell shows it.
    """
    yours, depth = _norms(yours), whole_number(depth, "depth", 2)
    controls = {
        "depth": shell.slider("depth", 2, DEEPEST, depth),
        "activation": shell.choice("activation", ACTIVATIONS, activation),
        "initialisation": shell.choice("first weights", list(INITIALISATIONS), initialisation),
        "layer": shell.slider("layer", 1, max(depth, len(yours)), 1),
        "batch_norm": shell.tick("batch norm", bool(batch_norm)),
        "shortcuts": shell.tick("shortcuts", bool(shortcuts)),
        "before": shell.hidden("the setting before"),
        "kept": shell.hidden("kept curves"),
    }
    controls["keep"] = shell.button("keep this curve", partial(_keep, controls))
    controls["forget"] = shell.button("forget kept curves", partial(_forget, controls))
    changes = {"by": None, "last": _setting(controls)}
    return shell.Explorer(
        partial(render, yours), controls, partial(react, yours, changes), partial(point, yours)
    )


def _norms(yours):
    """The learner's own norms as an array."""
    if yours is None:
        return np.empty(0)
    try:
        yours = np.asarray(yours, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            "yours: a list of numbers is needed, the norm of the gradient for each layer"
        ) from None
    if yours.ndim != 1 or not 2 <= len(yours) <= 400:
        raise ValueError(
            "yours: a norm for each of 2 to 400 layers is needed, not an array of the shape "
            f"{yours.shape}"
        )
    if not np.isfinite(yours).all() or (yours < 0).any():
        raise ValueError("yours: a norm is a finite number from 0 up, and one of these is not")
    return yours


# ---------------------------------------------------------------------------------------------
# The network
# ---------------------------------------------------------------------------------------------


class Setting(NamedTuple):
    """A network, before any training."""

    depth: int
    activation: str
    initialisation: str
    batch_norm: bool
    shortcuts: bool

    @property
    def words(self):
        """All of it in words, which `read` understands."""
        ticked = ["batch norm"] * self.batch_norm + ["shortcuts"] * self.shortcuts
        return ", ".join([f"{self.depth} layers", self.activation, self.initialisation, *ticked])

    @classmethod
    def read(cls, words):
        """The setting that these words describe."""
        depth, activation, initialisation, *ticked = words.split(", ")
        ticks = "batch norm" in ticked, "shortcuts" in ticked
        return cls(int(depth.split()[0]), activation, initialisation, *ticks)

    def carried(self, layer):
        """The layer whose maps a shortcut adds to this one's, None if none ends here.

        Layers are counted from 0. The last one ends a block of two, and so does every second one
        before it; one or two layers at the beginning are in no block.
        """
        ends = self.shortcuts and layer >= 2 and (self.depth - 1 - layer) % 2 == 0
        return layer - 2 if ends else None


@lru_cache(maxsize=1)
def photographs():
    """The photographs `(2, 16, 16, 3)`, half as wide and high as they were, and their labels."""
    images, labels, _ = data.load("cifar10", "test")
    scaled = data.scale(images[:PHOTOGRAPHS], low=-2.0, high=2.0).astype(float)
    return average_pool2d(scaled, images.shape[1] // SIDE), labels[:PHOTOGRAPHS]


@cache
def _draw(number, shape):
    """Normal numbers with the deviation 1, for each number and shape the same."""
    return np.random.default_rng([0, number]).normal(size=shape)


def weights(setting):
    """The first weights: a kernel `(3, 3, channels, 16)` for each layer, then the scores'."""
    deviation, kernels, channels = INITIALISATIONS[setting.initialisation], [], 3
    for layer in range(setting.depth):
        drawn = _draw(layer, (3, 3, channels, FILTERS))
        kernels.append(deviation(9 * channels, 9 * FILTERS) * drawn)
        channels = FILTERS
    return kernels, math.sqrt(2 / (FILTERS + 10)) * _draw(DEEPEST, (FILTERS, 10))


@lru_cache(maxsize=1024)
def flow(setting):
    """The norm of the loss's gradient with respect to each layer's maps, from the first layer on.

    It is what notebook 07's `measure` calls `arriving`, in float64: in float32 a gradient that
    has vanished would be 0, and its square long before. Plain operations take a tenth of the time
    that building the layers of a Keras network does.
    """
    import tensorflow as tf

    (images, labels), (kernels, to_scores) = photographs(), weights(setting)
    activate = {"sigmoid": tf.sigmoid, "tanh": tf.tanh, "ReLU": tf.nn.relu}[setting.activation]
    outputs = []
    with tf.device("CPU"), tf.GradientTape() as tape:
        maps = tf.constant(images)
        tape.watch(maps)
        for layer, kernel in enumerate(kernels):
            sums = tf.nn.conv2d(maps, kernel, strides=1, padding="SAME")
            if setting.batch_norm:
                mean, variance = tf.nn.moments(sums, axes=(0, 1, 2))
                sums = (sums - mean) * tf.math.rsqrt(variance + EPSILON)
            carried = setting.carried(layer)
            maps = activate(sums if carried is None else sums + outputs[carried])
            outputs.append(maps)
        scores = tf.reduce_mean(maps, axis=(1, 2)) @ to_scores
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
        loss = tf.reduce_mean(losses)
    return np.array([np.linalg.norm(each) for each in tape.gradient(loss, outputs)])


# ---------------------------------------------------------------------------------------------
# Controls that hang on each other, and pointing
# ---------------------------------------------------------------------------------------------


def _setting(controls):
    """The network that the controls describe."""
    return Setting(*(controls[name].value for name in Setting._fields))


def _keep(controls):
    """Pins the present curve; of more than three the oldest goes."""
    words = _setting(controls).words
    kept = [each for each in controls["kept"].value.split("; ") if each not in ("", words)]
    controls["kept"].value = "; ".join([*kept, words][-MOST_KEPT:])


def _forget(controls):
    controls["kept"].value = ""


def react(yours, changes, name, controls):
    """Notes which network there was before the control that moves now began to move."""
    setting = _setting(controls)
    if setting != changes["last"]:
        if name != changes["by"]:
            controls["before"].value = changes["last"].words
        changes["by"], changes["last"] = name, setting
    others = controls["before"].value, controls["kept"].value
    # ipywidgets moves the value along
    controls["layer"].max = _deepest(yours, setting.depth, *others)


def _deepest(yours, depth, before, kept):
    """How many layers the picture has room for."""
    others = [words for words in (before, *kept.split("; ")) if words]
    return max([depth, len(yours), *(Setting.read(words).depth for words in others)])


def point(yours, x, y, depth, before, kept, **_):
    """The layer that somebody pointed at."""
    deepest = _deepest(yours, depth, before, kept)
    if not TOP - 10 <= y <= BOTTOM + 10 or not LEFT - 12 <= x <= RIGHT + 12:
        return {}
    layer = 1 + round((x - LEFT) / (RIGHT - LEFT) * (deepest - 1))
    return {"layer": min(max(layer, 1), deepest)}


# ---------------------------------------------------------------------------------------------
# The picture
# ---------------------------------------------------------------------------------------------


class Curve(NamedTuple):
    """One line of the picture, and how it looks."""

    role: str
    words: str
    norms: np.ndarray
    colour: str
    line: float
    dash: tuple | None
    marker: str

    @property
    def share(self):
        """The first layer's norm as a share of the last one's."""
        return self.norms[0] / self.norms[-1] if self.norms[-1] > 0 else math.nan


def curves(yours, setting, before, kept):
    """What is drawn, the present network first."""
    found = [Curve("now", setting.words, flow(setting), PALETTE["gradient"], 3, None, "disc")]
    if before and before != setting.words and before not in kept.split("; "):
        norms = flow(Setting.read(before))
        found.append(Curve("before", before, norms, "#9a9a9a", 2, (7, 4), ""))
    looks = zip(((9, 3), (2, 3), (5, 2)), ("square", "diamond", "cross"), strict=True)
    for words, (dash, marker) in zip(filter(None, kept.split("; ")), looks, strict=False):
        norms = flow(Setting.read(words))
        found.append(Curve("kept", words, norms, "black", 1.4, dash, marker))
    if len(yours):
        words = f"{len(yours)} layers of your own"
        found.append(Curve("yours", words, yours, PALETTE["output"], 2, None, "triangle"))
    return found


class Axes(NamedTuple):
    """Where a layer and a norm lie in the picture; `low` and `high` are powers of ten."""

    layers: int
    low: int
    high: int

    def x(self, layer):
        """Of a layer, from 1 up."""
        return LEFT + (RIGHT - LEFT) * (layer - 1) / max(1, self.layers - 1)

    def y(self, norm):
        """Of a norm above 0."""
        return BOTTOM - (BOTTOM - TOP) * (math.log10(norm) - self.low) / (self.high - self.low)


def render(yours, layer, before, kept, **state):
    """The picture: one line for each network, and the verdict on the present one."""
    setting = Setting(**state)
    found = curves(yours, setting, before, kept)
    positive = np.concatenate([each.norms[each.norms > 0] for each in found])
    low, high = (math.log10(end) for end in (positive.min(), positive.max()))
    layers = _deepest(yours, setting.depth, before, kept)
    axes = Axes(layers, math.floor(low - 0.2), math.ceil(high + 0.3))
    drawing = Drawing(WIDTH, HEIGHT)
    _draw_axes(drawing, axes)
    for curve in reversed(found):
        _draw_curve(drawing, axes, curve)
    _draw_share(drawing, axes, found[0])
    _draw_layer(drawing, axes, layer)
    verdict, factor = _verdict(found[0], setting)
    drawing.text(24, 30, verdict, 14, bold=True)
    drawing.text(24, 50, factor, 12, colour="#505050")
    _draw_legend(drawing, found, layer)
    drawing.alt = (
        f"The gradient that arrives at each layer of a stack, on a logarithmic scale: "
        f"{setting.words}. {verdict} {factor}"
    )
    return drawing


def _verdict(curve, setting):
    """What became of the gradient on its way back, in two sentences."""
    share, last = curve.share, setting.depth
    if not share > 0:
        return "Nothing arrives: the gradient at layer 1 is 0.", ""
    times = f"{scientific(share)} times what layer {last} gets."
    fate = "arrives"
    if share < VANISHED:
        fate = "vanishes"
    if share > EXPLODED:
        fate = "explodes"
    factor = share ** (1 / (last - 1))
    details = f"On its way back each layer multiplies it by {factor:.2f}, on average."
    if setting.shortcuts and last > 2:
        details += " The zigzag: every second layer lies inside a block."
    return f"The gradient {fate}: layer 1 gets {times}", details


def scientific(number):
    """A number above 0 in few characters, with a power of ten where it is needed."""
    if 0.01 <= number < 9999.5:
        return f"{number:.2f}" if number < 10 else f"{number:,.0f}"
    if number == 0:
        return "0"
    exponent = math.floor(math.log10(number))
    mantissa = round(number / 10.0**exponent, 1)
    if mantissa == 10:
        mantissa, exponent = 1.0, exponent + 1
    return f"{mantissa:.1f}·{power(exponent)}"


def power(exponent):
    """A power of ten: '10⁻⁷'."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _draw_axes(drawing, axes):
    drawing.text(24, TOP - 16, "norm of the gradient that arrives at a layer's maps", 11)
    step = math.ceil((axes.high - axes.low) / 8)
    for exponent in range(axes.low, axes.high + 1, step):
        y = axes.y(10.0**exponent)
        drawing.line([(LEFT, y), (RIGHT, y)], "#e2e2e2", 1)
        drawing.text(LEFT - 12, y + 4, power(exponent), 11, "end")
    step = next(step for step in (1, 2, 5, 10, 20, 50) if axes.layers / step <= 12)
    for layer in sorted({1, *range(step, axes.layers + 1, step)}):
        if layer == 1 or axes.x(layer) - axes.x(1) > 18:
            drawing.line([(axes.x(layer), BOTTOM), (axes.x(layer), BOTTOM + 5)], "black", 1)
            drawing.text(axes.x(layer), BOTTOM + 19, layer, 11, "middle")
    drawing.line([(LEFT - 8, TOP), (LEFT - 8, BOTTOM), (RIGHT + 8, BOTTOM)], "black", 1)
    drawing.text(LEFT, BOTTOM + 37, "layer: 1 is next to the image", 11)
    drawing.text(RIGHT, BOTTOM + 37, "← the gradient comes from here", 11, "end")


def _draw_curve(drawing, axes, curve):
    """A line with its markers; it is interrupted where nothing arrives."""
    places = [
        (axes.x(layer), axes.y(norm)) if norm > 0 else None
        for layer, norm in enumerate(curve.norms, start=1)
    ]
    piece = []
    for place in [*places, None]:
        if place is not None:
            piece.append(place)
            continue
        if len(piece) > 1:
            drawing.line(piece, curve.colour, curve.line, curve.dash)
        piece = []
    every = 1 if curve.marker == "disc" else max(1, len(places) // 7)
    for place in places[::every]:
        if place is not None:
            _draw_marker(drawing, *place, curve)


def _draw_marker(drawing, x, y, curve):
    colour, size = curve.colour, 4
    if curve.marker == "disc":
        drawing.circle(x, y, 3.6, colour, "black", 0.8)
    elif curve.marker == "square":
        drawing.rect(x - size, y - size, 2 * size, 2 * size, "white", colour, 1.4)
    elif curve.marker == "diamond":
        corners = [(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)]
        drawing.line(corners, colour, 1.4, fill="white")
    elif curve.marker == "triangle":
        corners = [(x - 5, y + 4), (x, y - 5), (x + 5, y + 4), (x - 5, y + 4)]
        drawing.line(corners, "black", 0.8, fill=colour)
    elif curve.marker == "cross":
        drawing.line([(x - size, y - size), (x + size, y + size)], colour, 1.6)
        drawing.line([(x - size, y + size), (x + size, y - size)], colour, 1.6)


def _draw_share(drawing, axes, curve):
    """The way from what the last layer gets to what the first one gets, beside the first."""
    if not curve.share > 0:
        return
    above, below = axes.y(curve.norms[-1]), axes.y(curve.norms[0])
    x = axes.x(1)
    drawing.line([(x, above), (axes.x(len(curve.norms)), above)], "black", 1, (2, 4))
    if abs(above - below) < 16:
        return
    drawing.line([(x, above), (x, below)], "black", 1.2)
    way = 1 if below > above else -1
    tip = below - 5 * way
    head = [(x, tip), (x - 4, tip - 8 * way), (x + 4, tip - 8 * way), (x, tip)]
    drawing.line(head, "black", 1, fill="black")
    # In the wedge between this line and the curve, if there is room, or else on the other side.
    roomy = abs(above - below) > 40
    y = above + 20 if (way == 1) == roomy else above - 9
    words = f"× {scientific(curve.share)}"
    drawing.rect(x + 8, y - 14, 8.5 * len(words) + 8, 18, "white")
    drawing.text(x + 12, y, words, 14, bold=True)


def _draw_layer(drawing, axes, layer):
    """A line through the layer whose values stand in the legend."""
    x = axes.x(layer)
    drawing.line([(x, TOP), (x, BOTTOM)], PALETTE["neutral"], 1, (1, 3))
    corners = [(x - 5, TOP - 9), (x + 5, TOP - 9), (x, TOP), (x - 5, TOP - 9)]
    drawing.line(corners, PALETTE["neutral"], 1, fill=PALETTE["neutral"])


def _draw_legend(drawing, found, layer):
    for x, words in ((596, "first / last"), (682, f"at layer {layer}")):
        drawing.text(x, LEGEND, words, 10, colour=PALETTE["neutral"])
    y = LEGEND
    for curve in found:
        y += LINE
        drawing.line([(24, y - 4), (72, y - 4)], curve.colour, curve.line, curve.dash)
        if curve.marker:
            _draw_marker(drawing, 48, y - 4, curve)
        bold = curve.role == "now"
        share = "–" if math.isnan(curve.share) else scientific(curve.share)
        there = scientific(curve.norms[layer - 1]) if layer <= len(curve.norms) else "–"
        for x, words in ((84, curve.role), (136, curve.words), (596, share), (682, there)):
            drawing.text(x, y, words, 12, bold=bold)
    words = (
        f"{PHOTOGRAPHS} photographs of {SIDE}×{SIDE}, 3×3 convolutions with {FILTERS} filters, "
        "first weights, nothing trained. Dotted: what the last layer gets."
    )
    drawing.text(24, HEIGHT - 10, words, 10, colour=PALETTE["neutral"])
