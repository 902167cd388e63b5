"""Reads what was handed in: folders, zips, and zips in them, each within limits.

Nothing is unpacked to the disk and nothing is ever written to the folder. Whoever sent a file may
have chosen its name and every byte of it, so what is wrong with one file is a problem of that file.
A student's zip that takes work (many entries, much to unpack, a rare way of packing) is read by a
process of its own, which has limits of memory and time: this module, started as a program.
"""

import io
import json
import os
import re
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from grading.platforms import NOBODY_SENT

MOST_BYTES = 25_000_000  # of one file
MOST_ZIP = 300_000_000  # of a student's zip, packed
MOST_UNPACKED = 100_000_000  # of all that is read of one zip
MOST_ENTRIES = 200_000  # of one student's zip
MOST_NOTEBOOKS = 60  # that are looked at, of one zip
DEEPEST = 3  # zips in zips
NOTEBOOK = re.compile(r"\.ipynb(\.\w{1,5})?$", re.IGNORECASE)
# Above these a zip is work, and another process does it.
EASY_ENTRIES, MANY_ENTRIES, EASY_BYTES = 3_000, 20_000, 60_000_000
EASY_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
SECONDS, MEMORY = 20, 1_500_000_000  # of that process


@dataclass(frozen=True)
class Item:
    """One file that was handed in.

    Attributes:
        path: where it was found, with zips as folders.
        time: that the export gives it, in seconds since 1970; 0 for none.
        inner: that it has in its student's zip, where they may have set it.
        size: in bytes.
        problem: why it cannot be read, or ''.
        load: reads it; None where only its name was looked at.
        packed: whether it lay in a student's zip.
    """

    path: str
    time: float = 0.0
    inner: float = 0.0
    size: int = 0
    problem: str = ""
    load: Callable[[], bytes] | None = field(default=None, compare=False)
    packed: bool = False

    @property
    def is_notebook(self) -> bool:
        """Whether its name is that of a notebook."""
        return NOTEBOOK.search(self.path) is not None


class Spool:
    """A temporary file without a name that holds what was read: memory is for one at a time."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()
        self.end = 0

    def keep(self, content: bytes) -> Callable[[], bytes]:
        """Keep some bytes; what it returns reads them again, from any thread."""
        at, self.end = self.end, self.end + len(content)
        self.file.seek(at)
        self.file.write(content)
        self.file.flush()
        return lambda: os.pread(self.file.fileno(), len(content), at)


class Reader:
    """Lists all files of an export.

    Attributes:
        notes: sentences on what was left out, by the path that they are about.
    """

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self.spool = Spool()
        self._open: list[zipfile.ZipFile] = []

    def read(self, place: Path) -> Iterator[Item]:
        """Every file that a student may have sent.

        Raises:
            ValueError: when the place itself is a zip that cannot be read.
        """
        if place.is_file():
            if place.suffix.lower() == ".zip":
                yield from self._export(place, place.name)
            else:
                yield self._file(place, place.name)
            return
        yield from self._folder(place, "")

    def _folder(self, folder: Path, name: str) -> Iterator[Item]:
        """A folder of the disk; one that cannot be entered is somebody's problem."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as problem:
            shown = name or str(folder)
            yield Item(shown, problem=f"the folder cannot be read ({problem.strerror})")
            return
        for entry in entries:
            path = f"{name}/{printable(entry.name)}" if name else printable(entry.name)
            if NOBODY_SENT.search(path):
                continue
            if entry.is_symlink():
                self.notes[path] = "is a link and was not followed"
            elif entry.is_dir(follow_symlinks=False):
                yield from self._folder(Path(entry.path), path)
            elif entry.is_file(follow_symlinks=False):
                if path.lower().endswith(".zip"):
                    yield from self._zip_on_disk(Path(entry.path), path)
                else:
                    yield self._file(Path(entry.path), path)

    def _file(self, path: Path, name: str) -> Item:
        """One file of the disk."""
        try:
            about = path.stat()
        except OSError as problem:
            return Item(name, problem=f"the file cannot be read ({problem.strerror})")
        if about.st_size > MOST_BYTES:
            return Item(name, about.st_mtime, about.st_mtime, about.st_size, too_large())
        return Item(
            name, about.st_mtime, about.st_mtime, about.st_size, load=lambda: read_file(path)
        )

    def _zip_on_disk(self, path: Path, name: str) -> Iterator[Item]:
        """A zip in a folder: a student's, or an export as a platform made it."""
        try:
            about = path.stat()
            time, size = about.st_mtime, about.st_size
            if size > MOST_ZIP:
                yield Item(name, time, time, size, f"the zip is larger than {MOST_ZIP // 10**6} MB")
                return
            entries = [] if _count(path) > MANY_ENTRIES else _entries(path)
        except Exception as problem:
            yield Item(name, problem=f"the zip is damaged or cannot be read ({_said(problem)})")
            return
        rare = any(entry.compress_type not in EASY_METHODS for entry in entries)
        if not entries or rare:
            yield from self._zip(read_file(path, MOST_ZIP), name, time)
            return
        for at, entry in enumerate(entries):
            inside = f"{name}/{printable(entry_name(entry))}"
            if not entry.is_dir() and not NOBODY_SENT.search(inside):
                yield from self._entry(entry, inside, time, partial(_read_at, path, at))

    def _entry(
        self,
        entry: zipfile.ZipInfo,
        name: str,
        time: float | None,
        load: Callable[[int], bytes],
    ) -> Iterator[Item]:
        """One file of a zip that stays where it is; `time` is that of a zip in a folder."""
        inner = entry_time(entry)
        outer = inner if time is None else time
        packed = time is not None
        if stat.S_ISLNK(entry.external_attr >> 16):
            self.notes[name] = "is a link and was not followed"
        elif entry.flag_bits & 1:
            why = "the file in the zip is encrypted"
            yield Item(name, outer, inner, entry.file_size, why, packed=packed)
        elif name.lower().endswith(".zip"):
            if entry.file_size > MOST_ZIP:
                why = f"the zip is larger than {MOST_ZIP // 10**6} MB"
                yield Item(name, outer, inner, entry.file_size, why, packed=packed)
                return
            try:
                content = load(MOST_ZIP)
            except Exception as problem:
                why = f"the zip is damaged ({_said(problem)})"
                yield Item(name, outer, inner, entry.file_size, why, packed=packed)
                return
            yield from self._zip(content, name, outer, 2 if packed else 1)
        elif entry.file_size > MOST_BYTES:
            yield Item(name, outer, inner, entry.file_size, too_large(), packed=packed)
        else:
            yield Item(
                name, outer, inner, entry.file_size, load=lambda: load(MOST_BYTES), packed=packed
            )

    def _export(self, path: Path, name: str) -> Iterator[Item]:
        """The zip that a platform made: its entries stay in it until they are wanted."""
        try:
            archive = zipfile.ZipFile(path)
        except Exception as problem:
            raise ValueError(f"{path} cannot be read as a zip: {_said(problem)}") from None
        self._open.append(archive)
        for entry in archive.infolist():
            inside = f"{name}/{printable(entry_name(entry))}"
            if not entry.is_dir() and not NOBODY_SENT.search(inside):
                yield from self._entry(entry, inside, None, partial(read_entry, archive, entry))

    def _zip(self, content: bytes, name: str, time: float, depth: int = 1) -> Iterator[Item]:
        """A student's zip, in this process or in one of its own."""
        parts = name.split("/")
        easy = is_easy(content)
        found = list(unpack(content, depth)) if easy else in_a_process(content, depth)
        if not found:
            yield Item(name, time, time, len(content), "the zip holds no files")
        for inside, entry_seconds, size, problem, body in found:
            path = "/".join([*parts, inside]) if inside else name
            load = self.spool.keep(body) if body is not None else None
            yield Item(path, time, entry_seconds, size, problem, load, packed=True)

    def close(self) -> None:
        """Close the archives; what is in the spool stays."""
        for archive in self._open:
            archive.close()
        _archive.cache_clear()


# --- One zip --------------------------------------------------------------------------------------

# A file of a zip: its name, time, size, problem, and its bytes where they were read.
Unpacked = tuple[str, float, int, str, bytes | None]


def is_easy(content: bytes) -> bool:
    """Whether a zip is no work: few entries, little to unpack, packed in the usual way."""
    if _entries_said(content) > EASY_ENTRIES:
        return False
    try:
        entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except Exception:
        return True  # it will be said what is wrong with it
    wanted = [entry for entry in entries if not NOBODY_SENT.search(entry.filename)]
    return (
        sum(min(entry.file_size, MOST_BYTES) for entry in wanted) <= EASY_BYTES
        and all(entry.compress_type in EASY_METHODS for entry in entries)
        and not any(entry.filename.lower().endswith(".zip") for entry in wanted)
    )


def _entries_said(content: bytes) -> int:
    """How many entries the end of a zip says that there are."""
    at = content.rfind(b"PK\x05\x06", -66_000)
    return int(struct.unpack_from("<H", content, at + 10)[0]) if 0 <= at <= len(content) - 22 else 0


def _count(path: Path) -> int:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 66_000))
        return _entries_said(file.read())


@lru_cache(maxsize=4)
def _archive(path: Path, changed: int) -> zipfile.ZipFile:
    """A zip of the disk, kept open for a while: its directory is read once."""
    return zipfile.ZipFile(path)


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    return _archive(path, path.stat().st_mtime_ns).infolist()


def _read_at(path: Path, at: int, most: int) -> bytes:
    archive = _archive(path, path.stat().st_mtime_ns)
    return read_entry(archive, archive.infolist()[at], most)


def unpack(content: bytes, depth: int) -> Iterator[Unpacked]:
    """What is in a zip, as far as it may matter: names of all, and the bytes of notebooks.

    Where there is no notebook, one other file is read, to say what it is.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    except Exception as problem:
        yield "", 0.0, len(content), f"the zip is damaged ({_said(problem)})", None
        return
    if len(entries) > MOST_ENTRIES:
        yield "", 0.0, len(content), f"the zip has more than {MOST_ENTRIES} entries", None
        return
    files = []
    for entry in entries:
        name = printable(entry_name(entry))
        if not entry.is_dir() and not NOBODY_SENT.search(name):
            files.append((name, entry))
    files.sort(key=lambda file: (NOTEBOOK.search(file[0]) is None, file[0].count("/"), file[0]))
    room, looked_at = MOST_UNPACKED, 0
    for name, entry in files:
        time, size = entry_time(entry), entry.file_size
        wanted = NOTEBOOK.search(name) is not None or (
            looked_at == 0 and not name.lower().endswith(".zip")
        )
        if stat.S_ISLNK(entry.external_attr >> 16):
            yield name, time, 0, "it is a link and was not followed", None
        elif name.lower().endswith(".zip"):
            inner = _read(archive, entry, min(room, MOST_UNPACKED))
            if isinstance(inner, str):
                yield name, time, size, inner, None
            elif depth < DEEPEST:
                room -= len(inner)
                for inside, seconds, length, why, found in unpack(inner, depth + 1):
                    room -= len(found or b"")
                    if room < 0:
                        yield name, time, size, _too_much(), None
                        break
                    yield (f"{name}/{inside}" if inside else name), seconds, length, why, found
            else:
                yield name, time, size, "zips lie in zips too deeply", None
        elif not wanted or looked_at >= MOST_NOTEBOOKS:
            yield name, time, size, "", None
        elif size > MOST_BYTES:
            yield name, time, size, too_large(), None
        elif size > room:
            yield name, time, size, _too_much(), None
        else:
            looked_at += 1
            body = _read(archive, entry, MOST_BYTES)
            if isinstance(body, str):
                yield name, time, size, body, None
            else:
                room -= len(body)
                yield name, time, size, "", body


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes | str:
    """The bytes of an entry, or what is wrong with it."""
    if entry.flag_bits & 1:
        return "the file in the zip is encrypted"
    try:
        return read_entry(archive, entry, most)
    except Exception as problem:  # whatever a damaged zip makes of its library
        return f"the file in the zip is damaged ({_said(problem)})"


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int = MOST_BYTES) -> bytes:
    """The bytes of an entry, whatever its directory says of their number.

    Raises:
        ValueError: when there are more than `most`; whatever the library raises on damage.
    """
    with archive.open(entry) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(too_large())
    return content


def read_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file of the disk."""
    with open(path, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(too_large())
    return content


def too_large() -> str:
    """Why a file is not read."""
    return f"the file is larger than {MOST_BYTES / 1_000_000:g} MB"


def _too_much() -> str:
    return f"the zip holds more than {MOST_UNPACKED // 1_000_000} MB: hand in the notebook alone"


def _said(problem: BaseException) -> str:
    return str(problem)[:150] or type(problem).__name__


def entry_name(entry: zipfile.ZipInfo) -> str:
    """The name of an entry: UTF-8 where it says so or may be so, else as Windows or DOS wrote it.

    Without the flag for UTF-8, Python reads a name as cp437. macOS writes UTF-8 without the flag,
    Windows the letters of its own table.
    """
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        raw = entry.filename.encode("cp437")
    except UnicodeEncodeError:
        return entry.filename
    if raw.isascii():
        return entry.filename
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    # In cp437 the letters of names lie from 0x80 to 0xA5 (ü is 0x81), in cp1252 above 0xC0.
    marks = [byte for byte in raw if byte > 127]
    high = sum(byte >= 0xC0 for byte in marks)
    return raw.decode("cp1252", "replace") if 2 * high > len(marks) else entry.filename


def printable(name: str) -> str:
    """A name without anything that leads out of its folder, and without unseen characters."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    text = "/".join(parts) or "without a name"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]


def entry_time(entry: zipfile.ZipInfo) -> float:
    """When an entry was changed last, in seconds since 1970; 0 where that is no time."""
    try:
        return datetime(*entry.date_time).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


# --- In a process of its own ----------------------------------------------------------------------


def in_a_process(content: bytes, depth: int = 1) -> list[Unpacked]:
    """`unpack` in another process, which ends when it takes too long or too much."""
    root = str(Path(__file__).resolve().parents[1])
    order = json.dumps(
        {"depth": depth, "limits": {"MOST_BYTES": MOST_BYTES, "MOST_UNPACKED": MOST_UNPACKED}}
    )
    command = [os.path.abspath(sys.executable), "-B", "-m", "grading.archives", order]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=2 * SECONDS, check=False,
            env={**os.environ, "PYTHONPATH": root}, cwd=root,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        why = f"the zip takes more than {2 * SECONDS} seconds to unpack"
        return [("", 0.0, len(content), why, None)]
    try:
        return list(_received(io.BytesIO(done.stdout)))
    except (ValueError, KeyError, TypeError):
        why = "the zip takes too much memory or time to unpack: hand in the notebook alone"
        return [("", 0.0, len(content), why, None)]


def _received(stream: BinaryIO) -> Iterator[Unpacked]:
    """What the other process sent: a line of JSON for each file, and its bytes."""
    while True:
        about: Any = json.loads(stream.readline())
        if about is None:
            return
        name, time, size, problem, length = about
        yield name, time, size, problem, None if length is None else stream.read(length)


def _main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    order = json.loads(sys.argv[1])
    globals().update(order["limits"])
    out = sys.stdout.buffer
    for name, time, size, problem, body in unpack(sys.stdin.buffer.read(), order["depth"]):
        about = (name, time, size, problem, None if body is None else len(body))
        out.write(json.dumps(about).encode() + b"\n")
        out.write(body or b"")
    out.write(b"null\n")
    out.flush()


if __name__ == "__main__":
    _main()
