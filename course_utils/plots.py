"""The figures of the course: one palette, always with alt text.

The colours mean the same thing in every notebook: what goes in is blue, the kernel orange, what
comes out green, a gradient pink. They are Okabe and Ito's, which people with any colour vision
tell apart; hatches, markers and labels say the same once more.

Importing this module sets matplotlib's style for the session. `subplots` gives a figure, `show`
displays it with its alt text. The other functions draw what the notebooks draw again and again,
and show it themselves.
"""

import base64
import io

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator

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

mpl.rcParams.update(
    {
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


# ---------------------------------------------------------------------------------------------
# A figure, and how it is shown
# ---------------------------------------------------------------------------------------------


def subplots(rows=1, columns=1, height=3.0, width=WIDTH, **options):
    """A figure in the style of the course, and its axes.

    Args:
        rows, columns: the grid of axes.
        height, width: of the figure, in inches.
        options: for `matplotlib.figure.Figure.subplots`.

    Returns:
        `(figure, axes)`, as `matplotlib.pyplot.subplots` gives them, but without a global state.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def to_png(figure):
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"optimize": True})
    return buffer.getvalue()


def mime_bundle(figure, alt):
    """What a notebook keeps of a figure: `(data, metadata)`, with the alt text in both.

    Raises:
        ValueError: `alt` is empty. Whoever cannot see the figure reads it instead.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what is to be seen in the figure")
    data = {"image/png": base64.b64encode(to_png(figure)).decode(), "text/plain": alt}
    width = round(figure.get_figwidth() * 96)  # shown at 96 dots an inch, stored with more
    return data, {"image/png": {"alt": alt, "width": width}}


def show(figure, alt):
    """Displays a figure in the notebook, with a sentence for those who cannot see it."""
    from IPython.display import display

    data, metadata = mime_bundle(figure, alt)
    display(data, metadata=metadata, raw=True)


# ---------------------------------------------------------------------------------------------
# Pictures and numbers
# ---------------------------------------------------------------------------------------------


def picture(axes, image, title="", role=None, limits=None):
    """Draws one image without ticks, framed in the colour of its role.

    Args:
        axes: where to draw.
        image: `(height, width)`, `(height, width, 1)` or `(height, width, 3)`.
        role: a name in `PALETTE`, or None for no frame.
        limits: `(darkest, brightest)`; when None, 0 to 255 for uint8 and else the image's own.
    """
    image = np.asarray(image)
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    if limits is None:
        limits = (0, 255) if image.dtype == np.uint8 else (image.min(), image.max())
    axes.imshow(image, vmin=limits[0], vmax=limits[1])
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, loc="center", fontweight="normal", fontsize=9)
    for spine in axes.spines.values():
        spine.set(visible=role is not None, color=PALETTE.get(role, "black"), linewidth=2)


def images(pictures, alt, titles=None, columns=10, title="", role=None, limits=None, size=None):
    """Shows a grid of images.

    Args:
        pictures: images as `picture` takes them.
        alt: what is to be seen.
        titles: one for each image, or None.
        columns: images in a row.
        size: inches for one image; when None, the row fills the text's width.
        limits: as for `picture`.
    """
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = size or WIDTH / columns
    height = rows * (size + (0.22 if titles is not None else 0)) + (0.3 if title else 0)
    figure, grid = subplots(rows, columns, height=height, width=size * columns, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index < len(pictures):
            picture(axes, pictures[index], titles[index] if titles else "", role, limits)
        else:
            axes.axis("off")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    show(figure, alt)


def number_grid(axes, numbers, title="", role="input", shade=True, digits=None, marked=()):
    """Draws a small matrix as a picture with its numbers written in.

    Args:
        axes: where to draw.
        numbers: `(rows, columns)`; NaN leaves a cell empty.
        role: whose colour the frame has.
        shade: paint each cell by its number, dark to bright.
        digits: decimals to write; when None, none for whole numbers and two for others.
        marked: cells `(row, column)` to frame.
    """
    numbers = np.asarray(numbers, dtype=float)
    rows, columns = numbers.shape
    known = numbers[np.isfinite(numbers)]
    if digits is None:
        digits = 0 if np.allclose(known, np.round(known)) else 2
    low, high = (known.min(), known.max()) if known.size else (0, 1)
    brightness = np.full(numbers.shape, 1.0)
    if shade and high > low:
        brightness = 0.25 + 0.75 * (np.nan_to_num(numbers, nan=high) - low) / (high - low)
    axes.imshow(brightness, cmap="gray", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(numbers):
        if np.isfinite(number):
            colour = "white" if brightness[row, column] < 0.46 else "black"  # the stronger contrast
            text = f"{number:.{digits}f}".replace("-", "−")  # a real minus sign
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    for row, column in marked:
        box = (column - 0.5, row - 0.5)
        axes.add_patch(
            Rectangle(box, 1, 1, fill=False, color=PALETTE["lost"], linewidth=3, zorder=3)
        )
    axes.set(xticks=np.arange(-0.5, columns), yticks=np.arange(-0.5, rows))
    axes.set(xticklabels=[], yticklabels=[])
    axes.grid(True, color="#bbbbbb", linewidth=0.6)
    axes.tick_params(length=0)
    axes.set_title(title, loc="center", fontweight="normal", fontsize=9)
    for spine in axes.spines.values():
        spine.set(visible=True, color=PALETTE[role], linewidth=2.5)


# How a pixel of a row is drawn, by what becomes of it; a key's words stand in the legend.
PIXELS = {
    "pixel": {"facecolor": "#cfe3f1", "edgecolor": PALETTE["input"]},
    "read by no window": {"facecolor": "white", "edgecolor": PALETTE["input"], "hatch": "////"},
    "padding": {"facecolor": "white", "edgecolor": PALETTE["neutral"], "hatch": "...."},
}


def windows(size, kernel, alt, stride=1, padding=0, dilation=1, title=None):
    """Shows which pixels of a row each window reads, and which none does.

    Real pixels are plain squares, padding is dotted, and a pixel that no window reads is hatched.
    Below them stands one line for each window, with a dot on every pixel that it reads.

    Args:
        size, kernel, stride, padding, dilation: as for `arithmetic.output_size`.
        alt: what is to be seen.
        title: the finding; when None, how many windows fit.
    """
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
        axes.text(pixel, 0.55, pixel if real else "0", ha="center", va="center")
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


# ---------------------------------------------------------------------------------------------
# Networks
# ---------------------------------------------------------------------------------------------


def architecture(rows, input_shape, alt, title=""):
    """Shows a network as a row of maps, left to right, as the pictures in papers do.

    Each layer is a stack of sheets: their side grows with the map's side, their number with the
    number of maps; a layer without maps is a bar. Colours tell the kind of layer, and so do the
    words below.

    Args:
        rows: of an `anatomy.Anatomy`, those that are to be drawn.
        input_shape: `(height, width, channels)`.
        alt: what is to be seen.
        title: the finding.
    """
    steps = [("input", "image", tuple(input_shape))]
    steps += [(row.name, row.kind, tuple(row.output_shape)) for row in rows]
    largest = max(shape[0] for _, _, shape in steps if len(shape) == 3)
    figure, axes = subplots(height=2.9)
    centre = 0.0
    for name, kind, shape in steps:
        colour = PALETTE[_role_of(kind)]
        if len(shape) == 3:
            side, sheets = 0.25 + 1.55 * shape[0] / largest, min(shape[2], 2 + shape[2] // 4, 9)
        else:
            side, sheets = 0.4 + 0.6 * np.log10(shape[0]), 1
        width = side if len(shape) == 3 else 0.16
        for sheet in range(sheets):
            corner = (centre + 0.06 * sheet, -side / 2 + 0.06 * sheet)
            axes.add_patch(
                Rectangle(corner, width, side, facecolor="white", edgecolor=colour, linewidth=1.2)
            )
        label = "×".join(map(str, shape))
        axes.text(centre + width / 2, -1.15, f"{name}\n{label}", ha="center", va="top", fontsize=8)
        centre += width + 0.06 * sheets + 0.5
    handles = [
        Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=PALETTE[role], label=text)
        for role, text in (
            ("input", "image"),
            ("kernel", "convolution"),
            ("neutral", "pooling"),
            ("output", "dense"),
        )
    ]
    axes.legend(handles=handles, ncols=4, loc="upper right", fontsize=8)
    axes.set(xlim=(-0.4, centre - 0.1), ylim=(-1.75, 1.75), title=title, aspect="equal")
    axes.axis("off")
    show(figure, alt)


def _role_of(kind):
    """The colour for a kind of layer."""
    if kind == "image":
        return "input"
    if "Conv" in kind:
        return "kernel"
    return "neutral" if "Pool" in kind or "ampling" in kind else "output"


# ---------------------------------------------------------------------------------------------
# Learning curves
# ---------------------------------------------------------------------------------------------

LINES = ("-", "--", ":", "-.")


def draw_curves(histories, title="", epochs=None):
    """A figure of loss and error against epochs.

    Args:
        histories: a name for each history, as `training.fit` gives it. The training curve is
            thin, the test curve thick with dots; each history has its own line style.
        title: the finding.
        epochs: right end of the axis, while a training is under way.
    """
    figure, (left, right) = subplots(1, 2, height=2.7)
    colours = [PALETTE[role] for role in ("output", "input", "kernel", "gradient")]
    for index, (name, history) in enumerate(histories.items()):
        prefix = f"{name}, " if len(histories) > 1 else ""
        steps = np.arange(1, len(history["loss"]) + 1)
        look = {"color": colours[index % 4], "linestyle": LINES[index % 4]}
        errors = {key: 100 * (1 - np.array(history[key])) for key in history if "accuracy" in key}
        for axes, curves in (
            (left, {"training": history["loss"], "test": history.get("val_loss")}),
            (right, {"training": errors["accuracy"], "test": errors.get("val_accuracy")}),
        ):
            axes.plot(steps, curves["training"], linewidth=1, label=f"{prefix}training", **look)
            if curves["test"] is not None and len(curves["test"]):
                axes.plot(
                    steps, curves["test"], marker="o", markersize=3, label=f"{prefix}test", **look
                )
    for axes, label in ((left, "loss"), (right, "error, per cent")):
        axes.set(xlabel="epoch", ylabel=label, yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.get_major_locator().set_params(integer=True)
        if epochs:
            axes.set_xlim(0.5, epochs + 0.5)
    if any(len(history["loss"]) for history in histories.values()):
        right.legend(fontsize=8)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def curves(histories, alt, title=""):
    """Shows the learning curves of one or more trainings, as `draw_curves` draws them."""
    show(draw_curves(histories, title), alt)
