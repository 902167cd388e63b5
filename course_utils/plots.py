"""The figures of the course: one palette, always with alt text.

The colours mean the same thing in every notebook: what goes in is blue, the kernel orange, what
comes out green, a gradient pink. They are Okabe and Ito's, which people with any colour vision
tell apart; hatches, markers and labels say the same once more.

Text from outside (names of files and classes, titles) is never read as a formula, and letters that
no installed font has are spelled: a cat's face becomes ‹cat face›, 三 becomes ‹4E09›.

Importing this module sets matplotlib's style for the session. `subplots` gives a figure, `show`
displays it with its alt text. The other functions draw what the notebooks draw again and again,
and show it themselves: `alt` is what is to be seen, `title` the finding. What they cannot draw they
refuse with a ValueError.
"""

import base64
import io
import math
import re
import unicodedata
import warnings
from functools import lru_cache

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager, ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL.Image import Image

from .anatomy import role_of
from .arguments import choice, finite_number, flag, listed, numeric_array, text_of, whole_number
from .arithmetic import padding_amounts
from .arithmetic import windows as windows_of

PALETTE = {
    "input": "#0072B2",
    "kernel": "#E69F00",
    "output": "#009E73",
    "gradient": "#CC79A7",
    "lost": "#D55E00",
    "neutral": "#767676",
}

# Matplotlib's own font, and those with other scripts that Linux, Windows and macOS come with.
FONTS = """DejaVu Sans, Noto Sans CJK SC, Noto Sans CJK JP, Noto Sans CJK KR, WenQuanYi Zen Hei,
Microsoft YaHei, Yu Gothic, Malgun Gothic, Nirmala UI, Segoe UI Symbol, PingFang SC, Hiragino Sans,
Apple SD Gothic Neo, Arial Unicode MS, Noto Sans Devanagari, Noto Sans Thai, Symbola"""
_INSTALLED = {font.name for font in font_manager.fontManager.ttflist}

mpl.rcParams.update(
    {
        "font.family": [name for name in re.split(r",\s*", FONTS) if name in _INSTALLED],
        "text.parse_math": False,
        "figure.dpi": 120,
        "savefig.dpi": 120,
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#e6e6e6",
        "axes.axisbelow": True,
        "legend.frameon": False,
        "image.cmap": "gray",
        "image.interpolation": "nearest",
        "lines.linewidth": 1.8,
        "hatch.linewidth": 0.6,
    }
)

WIDTH = 7.5  # inches: the width of a notebook's text


# --- A figure, and how it is shown ----------------------------------------------------------------


def subplots(rows=1, columns=1, height=3.0, width=WIDTH, **options):
    """`(figure, axes)` in the style of the course, as pyplot's, but without a global state.

    Args:
        rows, columns: the grid of axes.
        height, width: of the figure, in inches.
        options: for `matplotlib.figure.Figure.subplots`.
    """
    rows, columns = whole_number(rows, "rows", 1, 100), whole_number(columns, "columns", 1, 100)
    whole_number(rows * columns, "the number of axes", 1, 400)
    size = finite_number(width, "width", 0.1, 100), finite_number(height, "height", 0.1, 300)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def to_png(figure):
    """The figure as the bytes of a PNG file; its log axes get ticks that can be read."""
    if not isinstance(figure, Figure):
        raise ValueError(f"figure must be one that subplots gives, not {type(figure).__name__}")
    _make_readable(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a category's name: boxes tell enough
        figure.savefig(buffer, format="png", pil_kwargs={"optimize": True})
    return buffer.getvalue()


def mime_bundle(figure, alt):
    """What a notebook keeps of a figure: `(data, metadata)`, with the alt text in both.

    Raises:
        ValueError: `alt` is empty. Whoever cannot see the figure reads it instead.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt is empty: say in a sentence what is to be seen in the figure")
    data = {"image/png": base64.b64encode(to_png(figure)).decode(), "text/plain": alt}
    width = round(figure.get_figwidth() * 96)  # shown at 96 dots an inch, stored with more
    return data, {"image/png": {"alt": alt, "width": width}}


def show(figure, alt):
    """Displays a figure in the notebook, with a sentence for those who cannot see it."""
    from IPython.display import display

    data, metadata = mime_bundle(figure, alt)
    display(data, metadata=metadata, raw=True)


# --- Text and ticks -------------------------------------------------------------------------------


def label(text, most=24):
    """Anybody's text as one line of at most `most` letters; of a longer one the middle goes.

    >>> label("holiday\\n2024_in_the_mountains_001.jpg", 20)
    'holiday 20…s_001.jpg'
    """
    most = whole_number(most, "most", 3)
    printable = (letter if letter.isprintable() else " " for letter in str(text))
    line = " ".join("".join(printable).split()) or "(no name)"
    line = f" {line}" if line.startswith("_") else line  # matplotlib's legends leave those out
    return line if len(line) <= most else f"{line[: most // 2]}…{line[most // 2 + 1 - most :]}"


@lru_cache
def _letters():
    """The code points that the installed fonts have."""
    fonts = (font_manager.findfont(name) for name in mpl.rcParams["font.family"])
    return frozenset().union(*(font_manager.get_font(font).get_charmap() for font in fonts))


def _spelled(text):
    """A text in which the letters that no font has are written in others."""

    def spell(letter):
        kind, name = unicodedata.category(letter), unicodedata.name(letter, "").lower()
        if letter == "\n" or ord(letter) in _letters():
            return letter
        if kind == "Cf" or "variation selector" in name:  # they choose a letter's look
            return ""
        return f"‹{name}›" if kind == "So" and name else f"‹{ord(letter):04X}›"

    return text if text.isascii() else "".join(map(spell, text))


def _make_readable(figure):
    """Spells what no font has, and gives log axes their ticks where nobody chose others."""
    for text in figure.findobj(Text):
        text.set_text(_spelled(text.get_text()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        locator = axis.get_major_locator()
        if isinstance(axis.get_major_formatter(), ticker.LogFormatter):
            log_ticks(axis, axis.get_scale() == "log" and isinstance(locator, ticker.LogLocator))
        elif isinstance(locator, ticker.FixedLocator) and len(locator.locs):
            texts = [text.get_text() for text in axis.get_ticklabels()]
            if texts != (spelled := list(map(_spelled, texts))):
                axis.set_ticklabels(spelled)


class _LogTicks(ticker.Locator):
    """At least three ticks on a log axis, short or long, that can be labelled with a number."""

    def __call__(self):
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, low, high):
        low, high = min(low, high), max(low, high)
        if not 0 < low < high < math.inf:
            return []
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        powers = powers[:: max(1, len(powers) // 6)]
        for parts in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
            ticks = [float(f"{part}e{power}") for power in powers for part in parts]
            ticks = [tick for tick in ticks if low <= tick <= high]
            if len(ticks) >= 4:
                return ticks
        ticks = ticker.MaxNLocator(5, min_n_ticks=3).tick_values(low, high)
        return [tick for tick in ticks if low <= tick <= high]


def log_ticks(axis, places=True, zero=None):
    """Gives a log axis ticks with plain numbers, three or more of them, however short it is.

    Args:
        axis: `axes.xaxis` or `axes.yaxis`.
        places: whether to choose where the ticks stand, or only how they are written.
        zero: where a value of 0 was drawn, which has no place on a log axis; labelled with 0.
    """

    def written(value, _=None):
        if zero is not None and value <= zero:
            return "0" if value == zero else ""
        if 1e-4 <= value < 1e6 or value <= 0:
            return f"{value:g}"
        digits, power = f"{value:.2e}".split("e")
        power = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"10{power}" if digits == "1.00" else f"{float(digits):g}·10{power}"

    if places:
        axis.set_major_locator(_LogTicks())
        axis.set_minor_locator(ticker.NullLocator())
    if zero is not None:
        low, high = axis.get_view_interval()
        ticks = [tick for tick in _LogTicks().tick_values(low, high) if tick > 1.5 * zero]
        axis.set_ticks([zero, *ticks])
    axis.set_major_formatter(ticker.FuncFormatter(written))


def _check_axes(axes):
    if not isinstance(axes, Axes):
        raise ValueError(f"axes must be some that subplots gives, not {type(axes).__name__}")


# --- Pictures and numbers -------------------------------------------------------------------------


def _array(numbers, name):
    """An array of real numbers that is not empty; it may hold NaN."""
    array = numeric_array(numbers, name, finite=False)
    if not array.size:
        raise ValueError(f"{name} must be an array of numbers, and not an empty one")
    return array


def picture(axes, image, title="", role=None, limits=None):
    """Draws one image without ticks, framed in the colour of its role.

    Args:
        image: `(height, width)`, `(height, width, 1)` or `(height, width, 3)`; or Pillow's.
        role: a name in `PALETTE`, or None for no frame.
        limits: `(darkest, brightest)`; when None, 0 to 255 for uint8, 0 to 1 for colours within
            these, and else the image's own.
    """
    _check_axes(axes)
    text_of(title, "title")
    if role is not None:
        choice(role, "role", PALETTE)
    if isinstance(image, Image) and image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")  # of a palette the colours, not their numbers
    image = _array(image, "image")
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    if image.ndim != 2 and image.shape[2:] != (3,):
        hint = ": leave the opacity out, image[..., :3]" if image.shape[2:] == (4,) else ""
        shape = f"not {image.shape}{hint}"
        raise ValueError(f"an image is (height, width), with 1 or 3 channels behind, {shape}")
    known = image[np.isfinite(image)]
    if limits is None:
        bytes_ = image.dtype == np.uint8 or not known.size
        limits = (0, 255) if bytes_ else (known.min(), known.max())
        shares = image.ndim == 3 and not bytes_ and 0 <= limits[0] <= limits[1] <= 1
        if shares or limits[0] == limits[1]:  # one grey is as bright as it says
            limits = min(limits[0], 0), max(limits[1], 1)
    low, high = (finite_number(limit, "a limit") for limit in _several(limits, "limits", 2))
    if image.ndim == 3:  # matplotlib would take the limits for greys alone
        image = np.clip((image.astype(float) - low) / ((high - low) or 1), 0, 1)
    axes.imshow(image, vmin=low, vmax=high)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, loc="center", fontweight="normal", fontsize=9)
    for spine in axes.spines.values():
        spine.set(visible=role is not None, color=PALETTE.get(role, "black"), linewidth=2)


def images(pictures, alt, titles=None, columns=10, title="", role=None, limits=None, size=None):
    """Shows a grid of images.

    Args:
        pictures: images as `picture` takes them, at least one and at most 400. An array of shape
            `(n, height, 3)` would be one picture in colour: list(pictures) says that it is n.
        titles: one for each image, or None. A line that is too long loses its middle.
        columns: images in a row.
        size: inches for one image; when None, the row fills the text's width.
        limits: as for `picture`.
    """
    text_of(title, "title")
    if getattr(pictures, "ndim", 0) == 3 and pictures.shape[-1] in (1, 3):
        raise ValueError(
            f"pictures must be a list, and shape {tuple(pictures.shape)} is that of one picture: "
            f"[picture], or list(pictures) if they are {len(pictures)}, {pictures.shape[-1]} wide"
        )
    pictures = _several(pictures, "pictures")
    titles = [""] * len(pictures) if titles is None else _several(titles, "titles", len(pictures))
    titles = list(map(str, titles))
    columns = min(whole_number(columns, "columns", 1), len(pictures))
    rows = -(-len(pictures) // columns)
    size = finite_number(WIDTH / columns if size is None else size, "size", 0.05, 20)
    height = rows * (size + (0.22 if any(titles) else 0)) + (0.3 if title else 0)
    figure, grid = subplots(rows, columns, height=height, width=size * columns, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index < len(pictures):
            lines = (label(line, max(6, int(15 * size))) for line in titles[index].splitlines())
            picture(axes, pictures[index], "\n".join(lines), role, limits)
        else:
            axes.axis("off")
    _headline(figure, title)
    show(figure, alt)


def _several(values, name, count=None):
    """The things of a list, at least one; `count` of them, if that is given."""
    values = listed(values, name)
    if not values:
        raise ValueError(f"{name} must be a list with at least one thing in it")
    if count is not None and len(values) != count:
        raise ValueError(f"{count} {name} are needed, one for each, and there are {len(values)}")
    return values


def _headline(figure, title):
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")


def number_grid(axes, numbers, title="", role="input", shade=True, digits=None, marked=()):
    """Draws a small matrix as a picture with its numbers written in.

    Args:
        numbers: `(rows, columns)`, 10,000 at most; NaN leaves a cell empty.
        role: whose colour the frame has.
        shade: paint each cell by its number, dark to bright.
        digits: decimals to write; when None, none for whole numbers and two for others, and as
            many as it takes for one that would read 0.
        marked: cells `(row, column)` to frame.
    """
    _check_axes(axes)
    text_of(title, "title")
    choice(role, "role", PALETTE)
    numbers = _array(numbers, "numbers").astype(float)
    if numbers.ndim != 2 or numbers.size > 10_000:
        raise ValueError(f"a grid is (rows, columns), 10,000 cells at most, not {numbers.shape}")
    rows, columns = numbers.shape
    known = numbers[np.isfinite(numbers)]
    usual = 0 if np.allclose(known, np.round(known), rtol=0, atol=1e-6) else 2
    decimals = usual if digits is None else whole_number(digits, "digits", 0, 10)
    low, high = (known.min(), known.max()) if known.size else (0, 1)
    brightness = np.full(numbers.shape, 1.0)
    if flag(shade, "shade") and high > low:
        filled = np.nan_to_num(numbers, nan=high, posinf=high, neginf=low)
        brightness = 0.25 + 0.75 * (filled - low) / (high - low)
    axes.imshow(brightness, cmap="gray", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(numbers):
        if not np.isnan(number):
            colour = "white" if brightness[row, column] < 0.46 else "black"  # the stronger contrast
            text = f"{round(number, decimals) + 0.0:.{decimals}f}"  # no minus before a 0
            text = f"{number:.1g}" if digits is None and number and not float(text) else text
            text = text.replace("-", "−").replace("inf", "∞")
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    for cell in listed(marked, "marked", "[(0, 1)]"):
        cell = _several(cell, "places of a cell", 2)
        limits = zip(cell, numbers.shape, strict=True)
        row, column = (whole_number(place, "a marked cell", 0, size - 1) for place, size in limits)
        box = (column - 0.5, row - 0.5)
        look = {"fill": False, "color": PALETTE["lost"], "linewidth": 3, "zorder": 3}
        axes.add_patch(Rectangle(box, 1, 1, **look))
    axes.set(xticks=np.arange(-0.5, columns), yticks=np.arange(-0.5, rows))
    axes.set(xticklabels=[], yticklabels=[])
    axes.grid(True, color="#bbbbbb", linewidth=0.6)
    axes.tick_params(length=0)
    axes.set_title(title, loc="center", fontweight="normal", fontsize=9)
    for spine in axes.spines.values():
        spine.set(visible=True, color=PALETTE[role], linewidth=2.5)


def confusion(counts, class_names, alt, title=None):
    """Shows which classes a network takes for which.

    A row is a true class, a column the network's answer. A cell has how many, and below it the
    share of its row, which also shades it: so rows of unequal size can be compared. The diagonal,
    what is right, is framed. Of more than 12 classes the 12 with most mistakes are shown.

    Args:
        counts: `(classes, classes)`, whole numbers from 0 up.
        class_names: one for each class.
        title: the finding; when None, how many are right.
    """
    counts, names = _array(counts, "counts"), _several(class_names, "class_names", len(counts))
    numeric_array(counts, "counts")  # no NaN among them
    if counts.shape != (len(counts),) * 2 or (counts < 0).any() or (counts % 1).any():
        raise ValueError(f"counts must be a square of whole numbers, not {counts.shape}")
    if counts.sum(dtype=float) > 2**53:
        raise ValueError("counts must be numbers of images: these are too large to be counted")
    counts = counts.astype(int)  # of unsigned numbers a difference would wrap round
    right, total = int(np.trace(counts)), int(counts.sum())
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    worst = np.argsort(np.diag(counts) - counts.sum(axis=1), kind="stable")
    shown = np.sort(worst[:12])
    side = 1.6 + 0.46 * len(shown)
    figure, axes = subplots(height=side, width=min(WIDTH, side + 1.6))
    axes.imshow(1 - shares[np.ix_(shown, shown)], cmap="gray", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares[np.ix_(shown, shown)]):
        count = counts[shown[row], shown[column]]
        colour = "white" if share > 0.54 else "black" if count else PALETTE["neutral"]
        rounded = "<1%" if share < 0.01 else ">99%" if 0.99 < share < 1 else f"{share:.0%}"
        text = f"{count:,}\n{rounded}" if count else "0"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    for place in range(len(shown)):
        look = {"fill": False, "edgecolor": PALETTE["output"], "linewidth": 2.5, "zorder": 3}
        axes.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, **look))
    words = [label(names[index], 16) for index in shown]
    turned = {"rotation": 30, "ha": "right"} if max(map(len, words)) > 3 else {}
    axes.set_xticks(range(len(shown)), labels=words, **turned)
    axes.set_yticks(range(len(shown)), labels=words)
    axes.set(xlabel="the network says", ylabel="it is")
    axes.grid(False)
    axes.set_title(f"{right:,} of {total:,} are right: the diagonal" if title is None else title)
    show(figure, alt)


# How a pixel of a row is drawn, by what becomes of it; a key's words stand in the legend.
PIXELS = {
    "pixel": {"facecolor": "#cfe3f1", "edgecolor": PALETTE["input"]},
    "read by no window": {"facecolor": "white", "edgecolor": PALETTE["input"], "hatch": "////"},
    "padding": {"facecolor": "white", "edgecolor": PALETTE["neutral"], "hatch": "...."},
}


def windows(size, kernel, alt, stride=1, padding=0, dilation=1, title=None):
    """Shows which pixels of a row, 200 at most, each window reads, and which none does.

    Pixels are plain squares with their numbers, those that no window reads hatched; padding, which
    has none, is dotted.
    Below them stands one line for each window, with a dot on every pixel that it reads.

    Args:
        size, kernel, stride, padding, dilation: as for `arithmetic.output_size`.
        title: the finding; when None, how many windows fit.
    """
    text_of("" if title is None else title, "title")
    size = whole_number(size, "size", 1, 200)
    before, after = padding_amounts(size, kernel, stride, padding, dilation)
    reads = windows_of(size, kernel, stride, padding, dilation)
    seen = {pixel for window in reads for pixel in window}
    width = min(WIDTH, 1.2 + 0.42 * (size + before + after))
    figure, axes = subplots(height=1.4 + 0.2 * len(reads), width=width)
    drawn = {}  # what the legend shows: each look once
    for pixel in range(-before, size + after):
        real = 0 <= pixel < size
        look = "padding" if not real else "pixel" if pixel in seen else "read by no window"
        square = Rectangle((pixel - 0.45, 0.1), 0.9, 0.9, **PIXELS[look])
        drawn.setdefault(look, axes.add_patch(square))
        axes.text(pixel, 0.55, pixel if real else "", ha="center", va="center")
    dots = {"color": PALETTE["kernel"], "markersize": 5, "markeredgecolor": "black"}
    for line, window in enumerate(reads):
        height = -0.25 - 0.35 * line
        (drawn["window"],) = axes.plot(window, [height] * len(window), "o-", **dots)
        axes.text(size + after - 0.3, height, f"output {line}", va="center", fontsize=8)
    count = f"{len(reads)} window{'s' if len(reads) != 1 else ''}"
    axes.set_title(count if title is None else title)
    axes.set(xlim=(-before - 0.7, size + after + 1.1), ylim=(-0.35 * len(reads) - 0.1, 1.2))
    axes.axis("off")
    figure.legend(drawn.values(), drawn, loc="outside lower left", ncols=4, fontsize=8)
    show(figure, alt)


# --- Networks -------------------------------------------------------------------------------------


# What a layer is, and the name of its colour.
LAYERS = {"image": "input", "convolution": "kernel", "pooling": "neutral", "dense": "output"}


def architecture(rows, input_shape, alt, title=""):
    """Shows a network as a row of maps, left to right, as the pictures in papers do.

    Each layer is a stack of sheets: their side grows with the map's side, their number with the
    number of maps; a layer without maps is a bar. Colours tell the kind of layer, and so do the
    words below.

    Args:
        rows: of an `anatomy.Anatomy`, those that are to be drawn.
        input_shape: `(height, width, channels)`.
    """
    text_of(title, "title")
    steps = [("input", "image", listed(input_shape, "input_shape", "(height, width, channels)"))]
    for row in _several(rows, "rows"):
        if not hasattr(row, "output_shape"):
            raise ValueError(f"rows must be of an anatomy, not {row!r}: anatomy(network).rows")
        steps.append((row.name, row.kind, row.output_shape))
    for name, _, shape in steps:
        if len(shape) not in (1, 3) or len(steps[0][2]) != 3:
            raise ValueError(f"{name} gives {shape}: only (height, width, maps) or (n,) is drawn")
        for length in shape:
            whole_number(length, f"each length of {name}", 1)
    largest = max(shape[0] for _, _, shape in steps if len(shape) == 3)
    figure, axes = subplots(height=2.9)
    centre = 0.0
    for name, kind, shape in steps:
        role = LAYERS.get("image" if kind == "image" else role_of(kind), "output")
        look = {"facecolor": "white", "edgecolor": PALETTE[role], "linewidth": 1.2}
        if len(shape) == 3:
            side, sheets = 0.25 + 1.55 * shape[0] / largest, min(shape[2], 2 + shape[2] // 4, 9)
        else:
            side, sheets = min(0.4 + 0.6 * np.log10(shape[0]), 2.1), 1  # above the words
        width = side if len(shape) == 3 else 0.16
        for sheet in range(sheets):
            corner = (centre + 0.06 * sheet, -side / 2 + 0.06 * sheet)
            axes.add_patch(Rectangle(corner, width, side, **look))
        label = "×".join(map(str, shape))
        axes.text(centre + width / 2, -1.15, f"{name}\n{label}", ha="center", va="top", fontsize=8)
        centre += max(width + 0.06 * sheets + 0.5, 0.95)  # words stand apart
    handles = [
        Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=PALETTE[role], label=text)
        for text, role in LAYERS.items()
    ]
    axes.legend(handles=handles, ncols=4, loc="upper right", fontsize=8)
    axes.set(xlim=(-0.4, centre - 0.1), ylim=(-1.75, 1.75), title=title, aspect="equal")
    axes.axis("off")
    show(figure, alt)


# --- Learning curves ------------------------------------------------------------------------------

LINES = ("-", "--", ":", "-.")


def draw_curves(histories, title="", epochs=None):
    """A figure of loss and error against epochs.

    Args:
        histories: a name for each history, as `training.fit` gives it; accuracies are shares, 0
            to 1. The training curve is thin, the test curve thick with dots; each history has its
            own line style. An error of 0 has no place on a log axis: it is drawn at its foot, where
            the axis says 0.
        epochs: right end of the axis, while a training is under way.

    Without 'accuracy' in a history there is no panel of errors.
    """
    text_of(title, "title")
    figure, panels = subplots(1, 2, height=2.9)
    colours = [PALETTE[role] for role in ("output", "input", "kernel", "gradient")]
    drawn = ({}, {})
    all_curves = _losses_and_errors(histories)
    names = [label(name) for name in all_curves]
    for index, curves_of in enumerate(all_curves.values()):
        name = names[index] if names.count(names[index]) == 1 else f"{index + 1}: {names[index]}"
        prefix = f"{name}, " if len(histories) > 1 else ""
        look = {"color": colours[index % 4], "linestyle": LINES[(index + index // 4) % 4]}
        for axes, lines, kinds in zip(panels, drawn, curves_of, strict=True):
            for kind, values in kinds.items():
                dots = {"linewidth": 1} if kind == "training" else {"marker": "o", "markersize": 3}
                steps = np.arange(1, len(values) + 1)
                (line,) = axes.plot(steps, values, label=f"{prefix}{kind}", **look, **dots)
                lines[line.get_label()] = line
    for axes, lines, word in zip(panels, drawn, ("loss", "error, per cent"), strict=True):
        axes.set(xlabel="epoch", ylabel=word)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if epochs is not None:
            axes.set_xlim(0.5, whole_number(epochs, "epochs", 1) + 0.5)
        _log_with_zero(axes, lines.values())
    if drawn[0]:
        handles, ncols = drawn[0].values(), min(4, len(drawn[0]))
        figure.legend(handles, drawn[0], loc="outside lower center", ncols=ncols, fontsize=8)
    if drawn[0] and not drawn[1]:
        panels[1].axis("off")
    _headline(figure, title)
    return figure


def _losses_and_errors(histories):
    """For each name two dicts, of losses and of errors in per cent: the training's, the test's."""
    if not isinstance(histories, dict) or not histories or "loss" in histories:
        raise ValueError("histories must have a name for each: {'ours': history}")
    found = {}
    for name, history in histories.items():
        if not isinstance(history, dict) or "loss" not in history:
            raise ValueError(f"{name} is no history with a 'loss', as fit gives it")
        losses, errors = found[name] = {}, {}
        for panel, measure in ((losses, "loss"), (errors, "accuracy")):
            for kind, key in (("training", measure), ("test", f"val_{measure}")):
                values = history.get(key)
                if values is not None and np.size(values):
                    panel[kind] = _array(values, f"{key} of {name}").astype(float)
                    if panel[kind].ndim != 1:
                        raise ValueError(f"{name} must have one number for each epoch")
        for kind, shares in errors.items():
            if (np.abs(shares - 0.5) > 0.5 + 1e-5).any():
                words = "must be shares from 0 to 1: divide per cent by 100"
                raise ValueError(f"the accuracies of {name} {words}")
            errors[kind] = 100 * (1 - np.clip(shares, 0, 1))  # by a rounding above 1
    return found


def _log_with_zero(axes, lines):
    """Makes the vertical axis logarithmic, where no value is negative, with a place for 0."""
    values = np.concatenate([line.get_ydata() for line in lines] or [[]])
    values = values[np.isfinite(values)]
    if (values < 0).any():
        return
    zero = None
    if (values == 0).any():
        zero = float(values[values > 0].min() / 3) if values.any() else 0.01
        for line in lines:
            line.set_ydata(np.where(line.get_ydata() == 0, zero, line.get_ydata()))
        axes.set_ylim(zero / 1.3, max(values.max(), 10 * zero) * 1.3)
    elif not values.size:
        axes.set_ylim(0.01, 1)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, high / 2), high)  # magnified, a curve that is level seems to fall
    log_ticks(axes.yaxis, zero=zero)


def curves(histories, alt, title=""):
    """Shows the learning curves of one or more trainings, as `draw_curves` draws them."""
    show(draw_curves(histories, title), alt)
