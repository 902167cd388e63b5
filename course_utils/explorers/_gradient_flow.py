"""How much of the gradient arrives at each layer of a deep network, before any training."""

import math
from functools import cache, lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from .. import data
from ..arguments import whole_number
from ..convolution import average_pool2d
from ..plots import PALETTE
from .chart import Chart, draw_curve, draw_marker, log_ticks, near
from .controls import button, checkbox, choice, slider
from .drawing import Drawing, Grid
from .frame import Explorer
from .images import real_numbers

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


class GradientFlow(Explorer):
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
    """

    def __init__(
        self,
        depth=30,
        activation="sigmoid",
        initialisation="Glorot",
        batch_norm=False,
        shortcuts=False,
        yours=None,
    ):
        self.yours, depth = _norms(yours), whole_number(depth, "depth", 2)
        controls = {
            "depth": slider("depth", 2, DEEPEST, depth),
            "activation": choice("activation", ACTIVATIONS, activation),
            "initialisation": choice("first weights", list(INITIALISATIONS), initialisation),
            "layer": slider("layer", 1, max(depth, len(self.yours)), 1),
            "batch_norm": checkbox("batch norm", batch_norm),
            "shortcuts": checkbox("shortcuts", shortcuts),
            "keep": button("keep this curve"),
            "forget": button("forget kept curves"),
        }
        # The setting before the control that moves now began to move, and those that are pinned.
        self.before, self.kept, self._mover, self._last = None, [], None, None
        super().__init__(controls)

    @property
    def setting(self):
        """The network that the controls describe."""
        return Setting(*(self.controls[name].value for name in Setting._fields))

    def keep(self):
        """Pins the present curve; of more than three the oldest goes."""
        others = [other for other in self.kept if other != self.setting]
        self.kept = [*others, self.setting][-MOST_KEPT:]
        self.redraw()

    def forget(self):
        """Unpins all curves."""
        self.kept = []
        self.redraw()

    def react(self, name):
        """Notes which network there was before the control that moves now began to move."""
        if self.setting != self._last:
            if self._last and name != self._mover:
                self.before = self._last
            self._mover, self._last = name, self.setting
        self.controls["layer"].max = self.deepest  # ipywidgets moves the value along

    @property
    def deepest(self):
        """How many layers the picture has room for."""
        shown = filter(None, [self.setting, self.before, *self.kept])
        return max(len(self.yours), *(setting.depth for setting in shown))

    def draw(self, layer, **state):
        """The picture: one line for each network, and the verdict on the present one."""
        setting = Setting(**state)
        shown = curves(self.yours, setting, self.before, self.kept)
        chart = _chart(shown, self.deepest)
        drawing = Drawing(WIDTH, HEIGHT)
        _draw_axes(drawing, chart)
        for curve in reversed(shown):
            _draw_curve(drawing, chart, curve)
        _draw_share(drawing, chart, shown)
        _draw_layer(drawing, chart, layer)
        verdict, factor = _verdict(shown[0], setting)
        drawing.text(24, 30, verdict, 14, bold=True)
        drawing.text(24, 50, factor, 12, colour="#505050")
        _draw_legend(drawing, shown, layer)
        drawing.alt = (
            f"The gradient that arrives at each layer of a stack, on a logarithmic scale: "
            f"{setting.words}. {verdict} {factor}"
        )
        return drawing


def _norms(yours):
    """The learner's own norms as an array."""
    if yours is None:
        return np.empty(0)
    try:
        yours = real_numbers([yours] if np.ndim(yours) == 0 else yours, "yours").astype(float)
    except ValueError:
        raise ValueError("yours: a list of numbers is needed, a norm for each layer") from None
    if yours.ndim != 1 or not 2 <= len(yours) <= 400:
        words = "a norm for each of 2 to 400 layers is needed, not an array of the shape"
        raise ValueError(f"yours: {words} {yours.shape}")
    if not np.isfinite(yours).all() or (yours < 0).any():
        raise ValueError("yours: a norm is a finite number from 0 up, and one of these is not")
    return yours


class Setting(NamedTuple):
    """A network, before any training."""

    depth: int
    activation: str
    initialisation: str
    batch_norm: bool
    shortcuts: bool

    @property
    def words(self):
        """All of it in words."""
        ticked = ["batch norm"] * self.batch_norm + ["shortcuts"] * self.shortcuts
        return ", ".join([f"{self.depth} layers", self.activation, self.initialisation, *ticked])

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
    return np.array([np.linalg.norm(gradient) for gradient in tape.gradient(loss, outputs)])


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
    shown = [Curve("now", setting.words, flow(setting), PALETTE["gradient"], 3, None, "disc")]
    if before and before != setting and before not in kept:
        shown.append(Curve("before", before.words, flow(before), "#9a9a9a", 2, (7, 4), ""))
    looks = zip(((9, 3), (2, 3), (5, 2)), ("square", "diamond", "cross"), strict=True)
    for pinned, (dash, marker) in zip(kept, looks, strict=False):
        shown.append(Curve("kept", pinned.words, flow(pinned), "black", 1.4, dash, marker))
    if len(yours):
        words = f"{len(yours)} layers of your own"
        shown.append(Curve("yours", words, yours, PALETTE["output"], 2, None, "triangle"))
    return shown


def _chart(shown, layers):
    """Axes with room for all curves, between two powers of ten."""
    positive = np.concatenate([curve.norms[curve.norms > 0] for curve in shown])
    low = max(-307, math.floor(math.log10(positive.min()) - 0.2))  # floats end there
    high = max(low + 1, math.ceil(math.log10(positive.max()) + 0.3))
    size = RIGHT - LEFT, BOTTOM - TOP
    return Chart(LEFT, TOP, *size, (1, max(2, layers)), (10.0**low, 10.0**high), log=True)


def _verdict(curve, setting):
    """What became of the gradient on its way back, in two sentences."""
    share, last = curve.share, setting.depth
    if not share > 0:
        return "Nothing arrives: the gradient at layer 1 is 0.", ""
    times = f"{scientific(share)} times what layer {last} gets."
    fate = "vanishes" if share < VANISHED else "explodes" if share > EXPLODED else "arrives"
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
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa}·{power(int(exponent))}"


def power(exponent):
    """A power of ten: '10⁻⁷'."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _draw_axes(drawing, chart):
    drawing.text(24, TOP - 16, "norm of the gradient that arrives at a layer's maps", 11)
    layers = chart.across[1]
    step = next(step for step in (1, 2, 5, 10, 20, 50) if layers / step <= 12)
    ticks = [layer for layer in range(step, layers + 1, step) if chart.x(layer) - LEFT > 18]
    low, high = (round(math.log10(end)) for end in chart.up)
    heights = {_tick(number): number for number in log_ticks(low, high)}
    chart.draw(drawing, {str(layer): layer for layer in (1, *ticks)}, heights, beside=8)
    drawing.text(LEFT, BOTTOM + 37, "layer: 1 is next to the image", 11)
    drawing.text(RIGHT, BOTTOM + 37, "← the gradient comes from here", 11, "end")
    half = (RIGHT - LEFT) / (layers - 1) / 2
    grid = Grid(LEFT - half, TOP - 10, RIGHT - LEFT + 2 * half, BOTTOM - TOP + 20, 1, layers)
    drawing.on(grid, lambda row, column: {"layer": column + 1})


def _tick(number):
    factor, exponent = f"{number:.0e}".split("e")
    return f"{factor}·{power(int(exponent))}".removeprefix("1·")


def _draw_curve(drawing, chart, curve):
    """A line with its markers; it is interrupted where nothing arrives."""
    places = chart.places(curve.norms)
    draw_curve(drawing, places, curve.colour, curve.line, curve.dash)
    every = 1 if curve.marker == "disc" else max(1, len(places) // 7)
    for place in filter(None, places[::every]):
        draw_marker(drawing, curve.marker, *place, curve.colour)


def _draw_share(drawing, chart, shown):
    """The way from what the last layer gets to what the first one gets, beside the first."""
    curve = shown[0]
    if not curve.share > 0:
        return
    above, below = chart.y(curve.norms[-1]), chart.y(curve.norms[0])
    drawing.line([(LEFT, above), (chart.x(len(curve.norms)), above)], "black", 1, (2, 4))
    if abs(above - below) < 16:
        return
    drawing.line([(LEFT, above), (LEFT, below)], "black", 1.2)
    way = 1 if below > above else -1
    tip = below - 5 * way
    head = [(LEFT, tip), (LEFT - 4, tip - 8 * way), (LEFT + 4, tip - 8 * way), (LEFT, tip)]
    drawing.line(head, "black", 1, fill="black")
    # Beside the arrow if there is room, or else wherever no curve passes.
    words, middle = f"× {scientific(curve.share)}", (above + below) / 2 - 9
    width = 8.5 * len(words) + 8
    places = [[(LEFT, above), (chart.x(len(curve.norms)), above)]]
    places += [chart.places(other.norms) for other in shown]
    tops = sorted(range(TOP + 2, BOTTOM - 20, 4), key=lambda top: abs(top - middle))
    free = (
        (left, top)
        for left, top in product((LEFT + 8, LEFT + 120, LEFT + 300), tops)
        if not any(near(line, left - 4, top - 5, width + 8, 28) for line in places)
    )
    left, top = next(free, (RIGHT - width, TOP - 30))
    drawing.text(left + 4, top + 14, words, 14, bold=True)


def _draw_layer(drawing, chart, layer):
    """A line through the layer whose values stand in the legend."""
    x = chart.x(layer)
    drawing.line([(x, TOP), (x, BOTTOM)], PALETTE["neutral"], 1, (1, 3))
    corners = [(x - 5, TOP - 9), (x + 5, TOP - 9), (x, TOP), (x - 5, TOP - 9)]
    drawing.line(corners, PALETTE["neutral"], 1, fill=PALETTE["neutral"])


def _draw_legend(drawing, shown, layer):
    for x, words in ((596, "first / last"), (682, f"at layer {layer}")):
        drawing.text(x, LEGEND, words, 10, colour=PALETTE["neutral"])
    y = LEGEND
    for curve in shown:
        y += LINE
        drawing.line([(24, y - 4), (72, y - 4)], curve.colour, curve.line, curve.dash)
        if curve.marker:
            draw_marker(drawing, curve.marker, 48, y - 4, curve.colour)
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
