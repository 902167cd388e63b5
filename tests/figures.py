"""What a test asks of a figure."""

from course_utils import plots


def few_log_ticks(figure):
    """The log axes of a figure that show fewer than three numbers, for a test to refuse."""
    plots.to_png(figure)
    few = []
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        texts = [text for tick in ticks for text in (tick.label1, tick.label2)]
        numbers = [text.get_text() for text in texts if text.get_visible() and text.get_text()]
        shown = axis.axes.axison and any(text.get_visible() for text in texts)
        if axis.get_scale() == "log" and (shown or not ticks) and len(numbers) < 3:
            few.append(f"{axis.axes.get_title(loc='left')} {axis.get_label_text()}: {numbers}")
    return few
