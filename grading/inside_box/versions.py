"""The answers to the questions as they were when their cells had run.

A name may be used again in a later cell, for a plot say. So of each question the notebook's names
are kept when its answer's cell and its check have run, and again when a cell further down gives
the name a new value of the right kind. Large arrays are not kept: they would fill the memory.
"""

from typing import Any, NamedTuple

LARGEST = 250_000  # numbers of an array that is kept


class Version(NamedTuple):
    """The notebook's names at one moment.

    Attributes:
        values: of the names, but for large arrays.
        names: all of them.
    """

    values: dict[str, Any]
    names: set[str]


class Versions:
    """Of each question the version at its check, and a later one where there is one."""

    def __init__(self, names, questions):
        self.names = names  # the notebook's own dictionary: its functions look there
        self.questions = questions  # from each name to its probe
        self.cells = {}
        for name in questions:
            cell = name.replace("_", "-")
            self.cells[cell] = self.cells[f"{cell}-check"] = name
        self.taken, self.later = {}, {}

    def look(self, cell_id):
        """Keep what there is to be kept after a cell."""
        version = None
        for name, probe in self.questions.items():
            if name not in self.names:
                continue
            value = self.names[name]
            own = self.cells.get(cell_id) == name
            known = [kept[name].values.get(name) for kept in (self.taken, self.later)
                     if name in kept]  # fmt: skip
            if not own and (any(value is other for other in known) or not fits(value, probe)):
                continue
            version = version or self.current()
            (self.taken if own else self.later)[name] = version

    def current(self):
        """The names as they are now."""
        values = {name: value for name, value in self.names.items() if not _is_large(value)}
        return Version(values, set(self.names))

    def restore(self, version):
        """Make the notebook's names those of a version."""
        for name in set(self.names) - version.names:
            del self.names[name]
        self.names.update(version.values)

    def candidates(self, name, end):
        """The versions in which a question is asked, one or two, and a word on the name's end.

        Args:
            end: the version at the end of the notebook.

        Returns:
            a list, empty where there never was such a name; and 'gone', 'changed' or ''.
        """
        versions = [kept[name] for kept in (self.taken, self.later) if name in kept]
        if len(versions) == 2 and all(
            version.values.get(name) is versions[0].values.get(name) for version in versions
        ):
            versions.pop()
        if not versions:
            return ([end], "") if name in end.names else ([], "")
        if name not in end.names:
            return versions, "gone"
        value = end.values.get(name)
        same = any(value is version.values.get(name) for version in versions)
        return versions, "" if same else "changed"


def fits(value, probe):
    """Whether a value can be the answer to a question of this kind."""
    return isinstance(value, dict) if probe == "values" else callable(value)


def _is_large(value):
    """Whether a value is an array or tensor of many numbers."""
    try:
        if not hasattr(type(value), "__array__"):
            return False
        count = 1
        for length in value.shape:
            count *= length
        return count > LARGEST
    except Exception:  # an object may answer by anything
        return False
