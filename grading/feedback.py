"""What a student gets back: points, what was wrong and how, and the notebook as it ran."""

from typing import Any

from grading import pages
from grading.pages import joined
from grading.questions import Exercise, marks_of
from grading.results import Result
from grading.schedule import shown

UNANSWERED = {"untouched": "Left as it was handed out.", "missing": "Its cell was not there."}
LEFT_OUT = ("badges", "set-up")  # of the notebook


def title_of(exercise: Exercise) -> str:
    """'Exercise 2: output size and padding', as its notebook says."""
    first: str = exercise.released.cells[0].source.splitlines()[0]
    return first.removeprefix("# ")


def page(result: Result, exercise: Exercise, notebook: dict[str, Any] | None) -> str:
    """The page of one student.

    Args:
        result: with the points by hand, and what lateness costs.
        notebook: as it ran, a dictionary; None when it could not be read.
    """
    cells = None
    if notebook is not None:
        cells = [_cell(cell) for cell in notebook["cells"] if cell["id"] not in LEFT_OUT]
        left = pages.MOST_SET
        for cell in cells:
            if cell["cell_type"] == "markdown":
                left -= len(cell["source"])
                cell["is_set"] = left >= 0
    return pages.render(
        "feedback.html",
        title=title_of(exercise),
        result=result,
        unanswered=UNANSWERED,
        cells=cells,
        handed_in="" if result.time is None else shown(result.time),
    )


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell as the template takes it; the student's own are marked."""
    marks = marks_of(cell)
    return {
        "cell_type": cell["cell_type"],
        "kind": "cell theirs" if marks.get("solution") or not marks else "cell",
        "source": joined(cell["source"]),
        "attachments": cell.get("attachments", {}),
        "outputs": cell.get("outputs", []),
    }


def summary(result: Result) -> str:
    """The feedback as a text of some lines, for a platform that takes no page."""
    if result.problem:
        return f"It could not be graded: {result.problem}"
    lines = []
    for name, entry in result.entries.items():
        given = "–" if entry.points is None else f"{entry.points:g}"
        lines.append(f"{name}: {given} of {entry.max:g} ({entry.status})")
        for part in getattr(entry, "parts", ()):
            if not part.right and entry.status not in UNANSWERED:
                lines.append(f"  {part.name}: {part.verdict}. {part.hint}".rstrip())
        if entry.comment:
            lines.append(f"  {entry.comment}")
    if result.lateness:
        lines.append(f"{result.lateness} {result.penalty:g} points less.")
    lines.append(f"In all: {result.total:g} of {result.max:g} points")
    return "\n".join(lines)
