"""Architectures: a network as a row of blocks, and where its parameters, work and memory sit."""

import math
from collections import Counter
from functools import lru_cache, partial
from itertools import takewhile
from typing import NamedTuple

from ..anatomy import UNKNOWN
from ..graph import IMAGE
from ..plots import PALETTE, label
from .controls import choice, slider
from .drawing import Drawing, Grid
from .frame import Explorer
from .networks import BUILDERS, named, read

OWN, OWN_BESIDE, NOTHING = "yours", "yours beside", "nothing"
DETAILS = "stages", "blocks", "layers"
COSTS = ("parameters", "multiply-adds", "activation memory")
SIDES = "the left one", "the right one"

LEFT, WIDTH, BETWEEN = 20, 720, 30  # of the picture; between two networks side by side
TOP, ROOM = 62, 340  # where a diagram begins, and how high it may be
BARS = 92  # the height of the highest bar
WIDEST = {"stages": 120, "blocks": 72, "layers": 60}  # a part, in pixels of the picture
ONE_ROW = {"stages": 56, "blocks": 30, "layers": 22}  # narrower ones go to several rows

# What a layer is: a letter, its colour and what the legend calls it.
LOOKS = {
    "convolution": ("C", PALETTE["kernel"], "convolution"),
    "pooling": ("P", "#b9b9b9", "pooling"),
    "dense": ("D", PALETTE["output"], "dense"),
    "normalisation": ("N", "#ffffff", "normalisation"),
    "activation": ("A", "#ffffff", "activation"),
    "joining": ("+", "#ffffff", "joining"),
    "other": ("·", "#ffffff", "other"),
}
MAIN = ("convolution", "dense", "pooling", "other", "joining", "activation", "normalisation")


class Architecture(Explorer):
    """Draws a network from left to right, one or two of them, and where its cost sits.

    Point at a block or at a bar to read its shape, parameters, multiply-adds, memory and field.

    Args:
        network: a functional or sequential Keras model, a function without arguments that builds
            one (its weights are then never made), or the name of a network of the course, such
            as 'ResNet-50'. When None, ResNet-18.
        beside: another one, to be compared with it, or None.
    """

    def __init__(self, network=None, beside=None):
        self.own, values = {}, []
        for given, argument, name, without in (
            (network, "network", OWN, "ResNet-18"),
            (beside, "beside", OWN_BESIDE, NOTHING),
        ):
            if given is None or (isinstance(given, str) and given in BUILDERS):
                values.append(given or without)
            else:
                self.own[name] = read(given, argument)
                values.append(name)
        choices = [*self.own, *BUILDERS]
        controls = {
            "network": choice("network", choices, values[0]),
            "beside": choice("beside it", [NOTHING, *choices], values[1]),
            "detail": choice("detail", list(DETAILS), "blocks"),
            "cost": choice("bars", list(COSTS), COSTS[0]),
            "side": choice("look at", list(SIDES), SIDES[0]),
            "part": choice("part", [("", 0)], 0, width="340px"),
            "number": slider("number", 1, 1, 1, width="340px"),
        }
        super().__init__(controls)

    def network(self, name):
        """The network with this name."""
        return self.own[name] if name in self.own else named(name)

    def react(self, name):
        """Keeps the parts to choose, their slider and the sides in line with the rest."""
        part, number = self.controls["part"], self.controls["number"]
        if name in (None, "network", "beside", "detail", "side"):
            share = 0.3 if name is None else (number.value - 0.5) / number.max
            self._offer_parts(share, keep=name == "detail")
        elif name == "number":
            part.index = number.value - 1
        elif name == "part":
            number.value = part.index + 1

    def _offer_parts(self, share, keep=False):
        """Offers the parts of the network looked at; `share` or the layer says which one."""
        controls = self.controls
        controls["side"].disabled = controls["beside"].value == NOTHING
        if controls["side"].disabled:
            controls["side"].value = SIDES[0]
        shown = "beside" if controls["side"].value == SIDES[1] else "network"
        parts = plan(self.network(controls[shown].value), controls["detail"].value).parts
        layer, index = controls["part"].value, int(share * len(parts))
        if keep:
            index = next(index for index, part in enumerate(parts) if layer in part.numbers)
        controls["part"].options = [
            (f"{number}: {part.name}", part.numbers[-1])
            for number, part in enumerate(parts, start=1)
        ]
        controls["part"].index = index
        controls["number"].max = len(parts)
        controls["number"].value = index + 1

    def _choose(self, side, layout, index):
        """What a click on a part does."""
        self.controls["side"].value = side
        self._offer_parts(0)
        return {"part": layout.plan.parts[index].numbers[-1], "number": index + 1}

    def draw(self, network, beside, detail, cost, side, number, part):
        """The picture: one network or two in blocks, the bars, the chosen part in numbers."""
        names = [network] if beside == NOTHING else [network, beside]
        width = (WIDTH - BETWEEN * (len(names) - 1)) / len(names)
        layouts = [
            _layout(self.network(name), detail, LEFT + (width + BETWEEN) * index, width)
            for index, name in enumerate(names)
        ]
        measure, number = COSTS.index(cost), number - 1
        bars = max(layout.below for layout in layouts) + 44 + BARS  # as low for both networks
        chosen = layouts[min(SIDES.index(side), len(layouts) - 1)]
        drawing = Drawing(760, bars + 186)
        highest = max(part.costs[measure] for layout in layouts for part in layout.plan.parts)
        for side, layout in zip(SIDES, layouts, strict=False):
            here = number if layout is chosen else None
            _draw_title(drawing, layout)
            _draw_skips(drawing, layout)
            _draw_parts(drawing, layout, here)
            _draw_bars(drawing, layout, bars, measure, highest, here)
            layout.answer(drawing, bars, partial(self._choose, side, layout))
        _draw_chosen(drawing, chosen, number, bars + 44)
        _draw_legend(drawing, layouts, bars + 148)
        part = chosen.plan.parts[number]
        if inexact := [layout.network.name for layout in layouts if not _exact(layout)]:
            why = "has layers whose multiply-adds are not known: the sums are lower bounds."
            drawing.say(" and ".join(inexact), why)
        drawing.alt = (
            f"{' beside '.join(_told(layout) for layout in layouts)}. Chosen: {part.name} of "
            f"{chosen.network.name}, output {_extent(part.shape)}, {part.costs[0]:,} parameters, "
            f"{part.costs[1]:,} multiply-adds, {_memory(part.costs[2])} of activations, "
            f"sees {_field(part)}."
        )
        return drawing


# --- A network in parts ---------------------------------------------------------------------------


class Part(NamedTuple):
    """What is drawn as one block: a layer, or several in a row.

    `numbers` are those of its layers, `inside` counts the ways round some of them, and `group`
    is the same for parts that stay in one row.
    """

    name: str
    kind: str
    numbers: tuple
    shape: tuple
    costs: tuple
    exact: bool
    field: tuple | str | None
    inside: int
    group: int
    letters: str


class Plan(NamedTuple):
    """A network in parts, and the connections that pass parts by: pairs of places."""

    parts: list
    skips: list
    totals: tuple


def in_order(network):
    """The numbers of the layers, each branch in one piece and the longest branch first."""
    followers = {number: [] for number in range(IMAGE, len(network.rows))}
    for number, row in enumerate(network.rows):
        for source in set(row.inputs):
            followers[source].append(number)
    length = {}  # of the longest way to the end
    for number in range(len(network.rows) - 1, IMAGE - 1, -1):
        length[number] = 1 + max((length[later] for later in followers[number]), default=0)
    order, placed, waiting = [], {IMAGE}, [IMAGE]
    while waiting:
        number = waiting.pop()
        order.append(number)
        placed.add(number)
        ready = (n for n in followers[number] if placed.issuperset(network.rows[n].inputs))
        waiting += sorted(ready, key=length.get)
    return order[1:]  # without the image


def in_blocks(network):
    """The layers in blocks, and how many ways lead round something in each.

    A block ends where one map alone carries everything that comes later. So what lies between a
    fork and the place where its branches meet is one block. Normalisations, activations and the
    like go with what stands before them; paddings and flattenings with what comes after.
    """
    order = in_order(network)
    place = {number: index for index, number in enumerate(order)} | {IMAGE: -1}
    last_use = dict(place)
    for number in order:
        for source in network.rows[number].inputs:
            last_use[source] = max(last_use[source], place[number])
    pieces, piece, needed = [], [], -1
    for index, number in enumerate(order):
        piece.append(number)
        # What came before is not needed any more, except this layer's own output.
        if max(needed, last_use[IMAGE]) <= index:
            pieces.append(piece)
            piece = []
        needed = max(needed, last_use[number])
    blocks, ahead = [], []
    for piece in pieces:
        row = network.rows[piece[0]]
        small = len(piece) == 1 and not _stands_alone(row)
        if small and (row.kind in ("ZeroPadding2D", "Flatten") or not blocks):
            ahead += piece
        elif small and not ahead:
            numbers, inside = blocks.pop()
            blocks.append((numbers + piece, inside))
        else:
            inside = sum(len(set(network.rows[number].inputs)) > 1 for number in piece)
            blocks.append((ahead + piece, inside))
            ahead = []
    return blocks + ([(ahead, 0)] if ahead else [])


def _stands_alone(row):
    weighted = row.parameters and row.role == "other"
    return row.role in ("convolution", "pooling", "dense") or weighted


def in_stages(network):
    """The blocks in stages: a stage ends after a pooling, and before a stride or the last layers.

    The last layers are those that give no maps.
    """
    stages, closed, maps = [], True, True
    for numbers, inside in in_blocks(network):
        rows = [network.rows[number] for number in numbers]
        gives_maps = len(rows[-1].output_shape) == 3
        weighted = any(row.role == "convolution" for row in rows)
        strided = any(window.stride > 1 for row in rows for window in row.windows or ())
        if closed or (weighted and strided and gives_maps) or gives_maps != maps:
            stages.append([])
        stages[-1].append((numbers, inside))
        pools = any(row.role == "pooling" for row in rows)
        closed, maps = strided and not inside and pools, gives_maps
    return [
        (sum((numbers for numbers, _ in stage), []), sum(inside for _, inside in stage))
        for stage in stages
    ]


@lru_cache(maxsize=64)
def plan(network, detail):
    """A `Network` in parts: stages, blocks or layers."""
    blocks = in_blocks(network)
    block_of = {number: index for index, (block, _) in enumerate(blocks) for number in block}
    if detail == "layers":
        pieces = [([number], 0) for number in in_order(network)]
    else:
        pieces = blocks if detail == "blocks" else in_stages(network)
    parts = [_part(network, *piece, block_of) for piece in pieces]
    part_of = {number: index for index, part in enumerate(parts) for number in part.numbers}
    part_of[IMAGE] = -1
    skips = {
        (part_of[source], part_of[number])
        for number, row in enumerate(network.rows)
        for source in row.inputs
        if part_of[number] > part_of[source] + 1
    }
    totals = tuple(sum(part.costs[index] for part in parts) for index in range(3))
    return Plan(parts, sorted(skips), totals)


def _part(network, numbers, inside, block_of):
    rows = [network.rows[number] for number in numbers]
    kinds = {row.role for row in rows}
    costs = ((row.parameters, row.multiply_adds or 0, row.activation_bytes) for row in rows)
    return Part(
        name=_common_name(rows),
        kind=next(kind for kind in MAIN if kind in kinds),
        numbers=tuple(numbers),
        shape=rows[-1].output_shape,
        costs=tuple(map(sum, zip(*costs, strict=True))),
        exact=all(row.multiply_adds is not None for row in rows),
        field=rows[-1].receptive_field,
        inside=inside,
        group=block_of[numbers[0]],
        letters=_letters(rows),
    )


def _letters(rows):
    """What is in a block, in a few letters: 3C P for three convolutions and a pooling."""
    counts = Counter(row.role for row in rows)
    main = [kind for kind in ("convolution", "pooling", "dense") if counts[kind]]
    if not main:
        return LOOKS[next(kind for kind in MAIN if counts[kind])][0]
    return " ".join(f"{counts[kind] if counts[kind] > 1 else ''}{LOOKS[kind][0]}" for kind in main)


def _common_name(rows):
    """What the names of some layers have in common, or the first and the last of them."""
    main = [row.name for row in rows if _stands_alone(row)] or [rows[0].name]
    if len(main) == 1:
        return main[0]
    words = zip(*(row.name.split("_") for row in rows), strict=False)
    common = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, words)]
    return "_".join(common) or f"{main[0]} … {main[-1]}"


# --- Where everything lies ------------------------------------------------------------------------


class Layout:
    """The places of a network's parts: in rows, and of its bars."""

    def __init__(self, network, detail, left, width):
        self.network, self.detail, self.left, self.width = network, detail, left, width
        self.plan = plan(network, detail)
        one_row = width / len(self.plan.parts)
        if one_row >= ONE_ROW[detail]:
            self.pitch = min(WIDEST[detail], one_row)
            self.rows = [list(range(len(self.plan.parts)))]
        else:
            for pitch in range(ONE_ROW[detail] + 12, 3, -1):
                self.pitch = pitch
                self.rows = list(self._rows(int(width // pitch)))
                if len(self.rows) * self.row_height <= ROOM:
                    break
        # In a single row each bar stands below its block.
        self.step = self.pitch if len(self.rows) == 1 else min(60, one_row)
        self.places = [
            (left + self.pitch * column, TOP + self.row_height * row)
            for row, members in enumerate(self.rows)
            for column in range(len(members))
        ]
        self.row_of = [row for row, members in enumerate(self.rows) for _ in members]

    def _rows(self, length):
        """The places in the plan row by row; what belongs together stays together if it can."""
        row, groups = [], {}
        for index, part in enumerate(self.plan.parts):
            groups.setdefault(part.group if self.detail == "layers" else index, []).append(index)
        for members in groups.values():
            if row and len(row) + len(members) > length:
                yield row
                row = []
            while len(members) > length:
                yield members[:length]
                members = members[length:]
            row += members
        if row:
            yield row

    @property
    def heights(self):
        """From the top of a row: the room for arcs, the highest block, the words below."""
        words = 42 if self.detail == "stages" else 11
        return max(7, min(24, 0.75 * self.pitch)), max(16, min(60, 1.3 * self.pitch)), words

    @property
    def row_height(self):
        """From one row to the next."""
        return sum(self.heights) + 3

    @property
    def below(self):
        """Where the diagram ends."""
        return TOP + self.row_height * len(self.rows)

    def size(self, part):
        """Width and height of a part's block: as high as its maps are, on a scale of roots."""
        width = self.pitch * 0.8 if self.pitch > 6 else self.pitch - 1
        share = part.shape[0] / self.network.input_shape[0] if len(part.shape) == 3 else 0
        return width, self.heights[1] * (0.45 + 0.55 * min(1, math.sqrt(share)))

    def box(self, index):
        """A part's block: left, top, width, height; all of a row share the middle."""
        x, y = self.places[index]
        width, height = self.size(self.plan.parts[index])
        arch, block, _ = self.heights
        return x, y + arch + (block - height) / 2, width, height

    def bar(self, index):
        """Left end and width of a part's bar."""
        return self.left + self.step * index, self.step * (0.8 if self.step > 3 else 1)

    @property
    def grid(self):
        """The blocks' places in the picture."""
        columns = max(map(len, self.rows))
        size = self.pitch * columns, self.row_height * len(self.rows)
        return Grid(self.left, TOP, *size, len(self.rows), columns)

    def part_in(self, row, column):
        """The part in a cell of the grid, or None."""
        return self.rows[row][column] if column < len(self.rows[row]) else None

    def answer(self, drawing, bars, choose):
        """Has a click on a block or a bar call `choose(index)`."""

        def block(row, column):
            index = self.part_in(row, column)
            return None if index is None else choose(index)

        drawing.on(self.grid, block)
        parts = len(self.plan.parts)
        grid = Grid(self.left, bars - BARS - 14, self.step * parts, BARS + 28, 1, parts)
        drawing.on(grid, lambda _, index: choose(index))


@lru_cache(maxsize=64)
def _layout(network, detail, left, width):
    return Layout(network, detail, left, width)


def _exact(layout):
    return all(part.exact for part in layout.plan.parts)


def _told(layout):
    parts = f"{len(layout.plan.parts)} {layout.detail}"
    memory = f"{_memory(layout.plan.totals[2])} of activations"
    return f"{layout.network.name}: {parts}, {_work(layout, 'at least ')}, {memory}"


def _work(layout, at_least):
    parameters, multiply_adds, _ = layout.plan.totals
    at_least = "" if _exact(layout) else at_least
    return f"{parameters:,} parameters, {at_least}{multiply_adds:,} multiply-adds"


def _extent(shape):
    return "×".join(map(str, shape))


def _memory(amount):
    if amount < 1000:
        return f"{amount} bytes"
    if amount < 100_000:
        return f"{amount / 1000:.1f} kB"
    return f"{amount / 1e6:.1f} MB"


def _field(part):
    if part.field is None:
        return "the whole image"
    return "what is not known" if part.field == UNKNOWN else f"{_extent(part.field)} pixels"


def _written(amount, measure):
    return _memory(amount) if measure == 2 else f"{amount:,}"


def _draw_title(drawing, layout):
    drawing.text(layout.left, 20, layout.network.name, 15, bold=True)
    image = f"image {_extent(layout.network.input_shape)}"
    drawing.text(layout.left + layout.width, 20, image, 11, "end", colour=PALETTE["input"])
    drawing.text(layout.left, 37, _work(layout, "≥ "), 11)
    words = f"{_memory(layout.plan.totals[2])} of activations for one image, as float32"
    if layout.width > 400:
        drawing.text(layout.left + layout.width, 37, words, 11, "end")
    else:
        drawing.text(layout.left, 52, words, 11)


def _draw_parts(drawing, layout, chosen):
    before, free = None, (0, 0)  # a row, and from where on it has room for words
    for index, part in enumerate(layout.plan.parts):
        x, y, width, height = layout.box(index)
        _draw_block(drawing, x, y, width, height, part.kind, part.letters, part.name)
        if part.inside:
            _draw_inside(drawing, layout, index)
        if layout.detail == "stages":
            _draw_stage_words(drawing, layout, index)
        elif part.shape[:-1] != before:
            row = layout.row_of[index]
            words = _extent(part.shape[:2]) if len(part.shape) == 3 else "vector"
            if free[0] != row or x >= free[1]:
                drawing.text(x, layout.places[index][1] + layout.row_height - 4, words, 8)
                free = row, x + 6 * len(words)
                before = part.shape[:-1]
        if index == chosen:
            drawing.rect(x - 2, y - 2, width + 4, height + 4, "none", "black", 2.5)


def _draw_block(drawing, x, y, width, height, kind, letters, name=""):
    drawing.rect(x, y, width, height, LOOKS[kind][1])
    if kind == "pooling":
        drawing.hatch(x, y, width, height, "white", 6, 1.2)
    drawing.rect(x, y, width, height, "none", "black", 0.7, None, name)
    size = int(min(12, 1.5 * width / (len(letters) + 0.4), height - 1))
    if size > 4:
        drawing.text(x + width / 2, y + height / 2 + size * 0.36, letters, size, "middle", True)


def _draw_stage_words(drawing, layout, index):
    part = layout.plan.parts[index]
    x, y = layout.places[index]
    y += layout.row_height - layout.heights[2]
    maps = len(part.shape) == 3
    words = _extent(part.shape[:2] if maps else part.shape)
    drawing.text(x, y + 6, words, 10 if len(words) < 7 else 9, bold=True)
    if maps:
        drawing.text(x, y + 18, f"{part.shape[2]} maps", 9)
    name = part.name.split(" … ")[0] if len(part.name) > layout.pitch / 5 else part.name
    drawing.text(x, y + (30 if maps else 18), name[: int(layout.pitch / 5)], 9)


def arc(left, right, base, height):
    """The points of half an ellipse over a line."""
    middle, radius = (left + right) / 2, (right - left) / 2
    angles = (math.pi * step / 12 for step in range(13))
    return [(middle - radius * math.cos(a), base - height * math.sin(a)) for a in angles]


def _draw_inside(drawing, layout, index):
    """A small arc over a block that has ways round something inside, and how many."""
    part = layout.plan.parts[index]
    x, y, width, height = layout.box(index)
    points = arc(x + width * 0.1, x + width * 0.9, y, layout.heights[0] * 0.7)
    drawing.line(points, PALETTE["lost"], 1.6)
    if part.inside > 1 and layout.pitch > 20:
        drawing.text(x + width / 2, y - 4, f"{part.inside}×", 10, "middle", True)


def _draw_skips(drawing, layout):
    """An arc for each connection that passes parts by; over a row's end it goes on in the next."""
    for source, target in layout.plan.skips:
        reach = min(1, 0.45 + 0.08 * (target - source))
        ends = []
        for index, side in ((source, 0.75), (target, 0.25)):
            if index < 0:
                ends.append((layout.left - 6, TOP + layout.heights[0], 0))
            else:
                x, y, width, _ = layout.box(index)
                ends.append((x + width * side, y, layout.row_of[index]))
        (x, y, row), (u, v, last) = ends
        height = layout.heights[0] * reach * 0.95
        if row == last:
            base = TOP + layout.row_height * row + layout.heights[0]
            points = [(x, y), *arc(x, u, base, height), (u, v)]
            drawing.line(points, PALETTE["lost"], 1.4)
        elif source + 1 == layout.rows[last][0]:  # it comes in with everything else
            base = TOP + layout.row_height * last + layout.heights[0]
            drawing.line([*arc(layout.left - 7, u, base, height), (u, v)], PALETTE["lost"], 1.4)
        else:
            edge = layout.left + layout.width
            for start, end, at in ((x, edge, row), (layout.left, u, last)):
                base = TOP + layout.row_height * at + layout.heights[0]
                up = [(start, base), (start, base - height)]
                drawing.line([*up, (end, base - height), (end, base)], PALETTE["lost"], 1.4)


def _draw_bars(drawing, layout, base, measure, highest, chosen):
    parts = layout.plan.parts
    scale = BARS / max(1, highest)
    largest = max(range(len(parts)), key=lambda index: parts[index].costs[measure])
    head = f"{COSTS[measure]} of each {layout.detail[:-1]}"
    drawing.text(layout.left, base - BARS - 28, head, 12, bold=True)
    share = 100 * parts[largest].costs[measure] / max(1, layout.plan.totals[measure])
    most = _written(parts[largest].costs[measure], measure)
    words = f"most: {label(parts[largest].name, 23)}, {most}, {share:.0f} % of all"
    drawing.text(layout.left, base - BARS - 13, words, 10)
    for index, part in enumerate(parts):
        x, width = layout.bar(index)
        height = scale * part.costs[measure]
        if height:
            edge = "#555555" if width > 4 or part.kind not in ("convolution", "dense") else "none"
            drawing.rect(x, base - height, width, height, LOOKS[part.kind][1], edge, 0.5)
            if part.kind == "pooling" and height > 4 and width > 5:
                drawing.hatch(x, base - height, width, height, "white", 6, 1.2)
            if width >= 9 and height >= 12:
                letter = LOOKS[part.kind][0]
                drawing.text(x + width / 2, base - 3, letter, 9, "middle", True)
    drawing.line([(layout.left, base), (layout.left + layout.width, base)], "#555555", 1)
    if chosen is not None:
        x, width = layout.bar(chosen)
        height = scale * parts[chosen].costs[measure]
        drawing.rect(x - 1, base - height - 1, width + 2, height + 2, "none", "black", 2.2)
        tip = x + width / 2
        drawing.line([(tip, base + 3), (tip - 5, base + 11), (tip + 5, base + 11)], fill="black")


def _draw_chosen(drawing, layout, number, top):
    """The chosen part in numbers."""
    part, totals = layout.plan.parts[number], layout.plan.totals
    drawing.rect(LEFT - 8, top - 20, WIDTH + 16, 108, "#f6f6f6", "#bbbbbb", 1)
    kinds = Counter(layout.network.rows[number].kind for number in part.numbers)
    words = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())
    drawing.heading(LEFT, top, label(part.name, 43), label(words, 111), step=17)
    drawing.text(LEFT + WIDTH, top, f"of {layout.network.name}", 12, "end")
    shares = [
        f"{100 * one / whole:.1f} % of all" if whole else ""
        for one, whole in zip(part.costs, totals, strict=True)
    ]
    at_least = "" if part.exact else "≥ "
    cells = (
        ("output", _extent(part.shape), f"{math.prod(part.shape):,} numbers"),
        ("parameters", f"{part.costs[0]:,}", shares[0]),
        ("multiply-adds", f"{at_least}{part.costs[1]:,}", shares[1]),
        ("activation memory", _memory(part.costs[2]), shares[2]),
        ("a unit sees", _field(part), "receptive field"),
    )
    for column, (head, value, below) in enumerate(cells):
        x = LEFT + (0, 140, 270, 420, 560)[column]
        drawing.text(x, top + 40, head, 11, colour=PALETTE["neutral"])
        drawing.text(x, top + 58, value, 14, bold=True)
        drawing.text(x, top + 74, below, 11, colour=PALETTE["neutral"])


def _draw_arc(drawing, x, y):
    drawing.line(arc(x - 4, x + 16, y + 12, 11), PALETTE["lost"], 1.6)


def _draw_legend(drawing, layouts, top):
    parts = [part for layout in layouts for part in layout.plan.parts]
    letters = {letter for part in parts for letter in part.letters}
    entries = [
        (partial(_draw_block, drawing, width=14, height=13, kind=kind, letters=letter), words)
        for kind, (letter, _, words) in LOOKS.items()
        if letter in letters
    ]
    if any(layout.plan.skips for layout in layouts) or any(part.inside for part in parts):
        entries.append((partial(_draw_arc, drawing), "shortcut or branch"))
    drawing.legend(LEFT, top, entries, size=10)
    words = "The higher a block, the larger its map (on a scale of square roots)."
    if letters & set("23456789"):
        words += " 2C: two convolutions."
    if len(layouts) > 1:
        words += " The bars of both networks have the same scale."
    drawing.text(LEFT, top + 18, words, 10, colour=PALETTE["neutral"])
