"""What a cell shows, made plain and bounded when it is made: texts and PNG pictures, as JSON.

Whatever cannot be kept is replaced by a line that says so. An output never costs an answer.
"""

import base64
import json

MOST_IN_CELL = 200_000  # bytes of a cell's texts, as they are sent
MOST_TEXT = 4_000_000  # bytes of all texts of a notebook
MOST_PICTURES = 10_000_000  # bytes of all pictures of a notebook
MOST_OUTPUTS = 300  # of one cell
MOST_LINES, MOST_IN_LINE = 40, 2000  # of a traceback
LEFT_OUT = "\n[the rest of this cell's output is left out]\n"
NOT_KEPT = "\n[an output of this cell could not be kept]\n"


class Room:
    """The bytes that a notebook's outputs may still take."""

    def __init__(self, text=MOST_TEXT, pictures=MOST_PICTURES):
        self.text, self.pictures = text, pictures


class Outputs:
    """The outputs of one cell, in the notebook's format."""

    def __init__(self, room):
        self.whole, self.kept, self.full = room, [], False
        self.text_left = min(MOST_IN_CELL, room.text)
        self.pictures_left = room.pictures

    def close(self):
        """All outputs; the notebook's room gets smaller by them."""
        used = sum(size(output) for output in self.kept)
        pictures = self.whole.pictures - self.pictures_left
        self.whole.pictures = self.pictures_left
        self.whole.text -= max(0, used - pictures)
        return self.kept

    def text(self, name, text):
        """Add what was printed to a stream."""
        text = plain(text)
        if not text or self.full:
            return
        if size(text) > self.text_left:
            text = shortened(text, self.text_left) + LEFT_OUT
            self.full = True
        self.text_left -= size(text)
        if self.kept and self.kept[-1].get("name") == name:
            self.kept[-1]["text"] += text
        else:
            self._add({"output_type": "stream", "name": name, "text": text})

    def data(self, data, metadata):
        """Add what was displayed: its picture with its alternative text, and its plain text."""
        try:
            forms = self._forms(data)
            alt = plain((metadata.get("image/png") or {}).get("alt", ""))[:MOST_IN_LINE]
        except Exception:  # whatever an object makes of being displayed
            self.text("stdout", NOT_KEPT)
            return
        if not forms and ("image/png" in data or "text/plain" in data):
            self.text("stdout", NOT_KEPT)
        if forms and not self.full:
            about = {"image/png": {"alt": alt}} if "image/png" in forms and alt else {}
            self._add({"output_type": "display_data", "data": forms, "metadata": about})

    def error(self, name, value, lines):
        """Add the error that a cell ended in; it is kept whatever was there before."""
        self.kept.append({
            "output_type": "error",
            "ename": plain(name)[:100],
            "evalue": plain(value)[:MOST_IN_LINE],
            "traceback": [plain(line)[:MOST_IN_LINE] for line in lines[-MOST_LINES:]],
        })  # fmt: skip

    def has_error(self):
        """Whether an error is among them."""
        return any(output["output_type"] == "error" for output in self.kept)

    def _forms(self, data):
        forms = {}
        picture, text = data.get("image/png"), data.get("text/plain")
        if isinstance(picture, bytes):
            picture = base64.b64encode(picture).decode("ascii")
        if isinstance(picture, str) and size(picture) <= self.pictures_left:
            forms["image/png"] = plain(picture)
            self.pictures_left -= size(picture)
        if isinstance(text, str) and size(plain(text)) <= self.text_left:
            forms["text/plain"] = plain(text)
            self.text_left -= size(plain(text))
        return forms

    def _add(self, output):
        self.text_left -= 100  # its frame
        if len(self.kept) >= MOST_OUTPUTS or self.text_left < 0:
            self.full = True
            output = {"output_type": "stream", "name": "stdout", "text": LEFT_OUT}
        self.kept.append(output)


def plain(text):
    """Any text without half characters, which no file could hold."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def size(value):
    """The bytes of something as it is sent."""
    return len(json.dumps(value, ensure_ascii=False).encode())


def shortened(text, most):
    """The beginning of a text that takes at most so many bytes."""
    text = text[: max(0, most)]
    while text and size(text) > most:
        text = text[: min(len(text) - 1, len(text) * most // size(text))]
    return text
