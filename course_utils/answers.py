"""Answers as data: how they travel between processes, and how two of them are compared.

An answer is a number, a text, a yes or no, None, an array, or lists and dictionaries of these. It
travels as JSON, arrays as their bytes in base64. Nothing here ever runs what it reads, so the
grader can take an answer from a process that it does not trust.
"""

import base64
import json
import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np

KINDS = "biufc"  # NumPy's letters for booleans, whole numbers, floats and complex numbers
DTYPE = re.compile(r"[<>|=]?[biufc]\d{1,2}")
DEEPEST = 20  # lists in lists in lists
MOST_EMPTY = 10_000  # rows that hold nothing
MOST = 1_000_000  # items of a list
MOST_BYTES = 100_000_000  # of an array
MOST_SHORT = 1000  # numbers and characters of a short answer
DIGITS = 6  # of a short answer that are compared, and of a number that a message shows
NOISE = 1e-3  # by which floats may miss a whole number


def encode(value, depth=0):
    """What `json.dumps` can write of an answer.

    Args:
        value: numbers, texts, None, arrays (or anything that turns into one, such as a tensor),
            and lists, tuples and dictionaries of these.

    Raises:
        TypeError: when something in it is no data, a function for instance.
    """
    if depth > DEEPEST:
        raise TypeError(f"the answer has more than {DEEPEST} lists inside one another")
    if isinstance(value, int) and abs(value) >= 2**1024:
        raise TypeError("the answer holds a whole number of more than 300 digits")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        plain = value.item()
        return encode(float(plain) if isinstance(plain, np.generic) else plain, depth)
    if isinstance(value, Fraction | Decimal):
        return _as_float(value)
    if isinstance(value, range) and len(value) <= MOST:
        return list(value)
    if isinstance(value, list):
        return [encode(item, depth + 1) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item, depth + 1) for item in value]}
    if isinstance(value, dict):
        return {"dict": {str(key): encode(item, depth + 1) for key, item in value.items()}}
    if np.ma.is_masked(value):
        raise TypeError("the answer holds a masked array: fill it first, with .filled(0) say")
    if hasattr(value, "__array__"):
        try:
            array = np.asarray(value)
        except Exception as problem:  # a torch tensor that needs a gradient says what to do
            kind = type(value).__name__
            raise TypeError(f"the answer holds a {kind} that is no array: {problem}") from None
        if array.dtype.kind == "V" and array.dtype.type is not np.void:  # bfloat16
            array = array.astype(np.float32)
        if array.dtype.kind == "O" and array.size <= MOST:  # a list in the form of an array
            return encode(array.tolist(), depth + 1)
        if array.nbytes > MOST_BYTES:
            raise TypeError(f"the answer holds an array of shape {array.shape}, which is too large "
                            "to be checked")  # fmt: skip
        if array.dtype.kind in KINDS:
            content = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
            return {"dtype": array.dtype.str, "shape": list(array.shape), "bytes": content}
    raise TypeError(f"the answer holds a {type(value).__name__}: real numbers, texts, arrays of "
                    "numbers, lists and dictionaries can be checked")  # fmt: skip


def _as_float(value):
    try:
        return float(value)
    except (OverflowError, ValueError):  # a signalling NaN
        kind = type(value).__name__
        raise TypeError(f"the answer holds a {kind} that is no float") from None


def decode(data, depth=0):
    """The answer that `encode` wrote.

    Raises:
        ValueError: for anything that `encode` does not write.
    """
    if depth > DEEPEST:
        raise ValueError("lists too deep inside one another")
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, list):
        return [decode(item, depth + 1) for item in data]
    if isinstance(data, dict) and set(data) == {"tuple"} and isinstance(data["tuple"], list):
        return tuple(decode(item, depth + 1) for item in data["tuple"])
    if isinstance(data, dict) and set(data) == {"dict"} and isinstance(data["dict"], dict):
        return {key: decode(item, depth + 1) for key, item in data["dict"].items()}
    if isinstance(data, dict) and set(data) == {"dtype", "shape", "bytes"}:
        return _decode_array(**data)
    raise ValueError(f"no answer looks like {str(data)[:60]}")


def _decode_array(dtype, shape, bytes):
    try:
        if not DTYPE.fullmatch(dtype) or any(int(size) < 0 for size in shape):
            raise ValueError(f"no array of {dtype} and shape {shape}")
        content = base64.b64decode(bytes, validate=True)
        if not content and math.prod(size for size in shape if size) > MOST_EMPTY:
            raise ValueError("an empty array of that shape is no answer")
        array = np.frombuffer(content, np.dtype(dtype))
        return array.reshape([int(size) for size in shape]).copy()
    except (TypeError, ValueError, OverflowError) as problem:
        raise ValueError(f"not an array: {problem}") from None


def canonical(value):
    """A text that two equal short answers have in common, 3 and 3.0 or (1, 2) and [1, 2] say.

    Raises:
        TypeError: when something in it is no data.
        ValueError: when it is longer than any short answer.
    """
    if _is_long(value):
        raise ValueError(f"a short answer has at most {MOST_SHORT} numbers and characters")

    def plain(item):
        if isinstance(item, list):
            return [plain(entry) for entry in item]
        if isinstance(item, dict) and set(item) == {"tuple"}:
            return plain(item["tuple"])
        if isinstance(item, dict):
            return {key: plain(entry) for key, entry in item.items()}
        if isinstance(item, float) and math.isfinite(item):
            whole = math.isclose(item, round(item), rel_tol=1e-9, abs_tol=1e-9)
            return round(item) if whole else float(f"{item:.{DIGITS}g}")
        return item.strip().lower() if isinstance(item, str) else item

    if hasattr(value, "tolist"):
        value = value.tolist()
    return json.dumps(plain(encode(value)), sort_keys=True)


def _is_long(value):
    """Whether a value is longer than a short answer; a long one is not read to its end."""
    left, waiting = MOST_SHORT, [value]
    while waiting and left >= 0:
        item = waiting.pop()
        if isinstance(item, str) or hasattr(item, "shape"):
            left -= len(item) if isinstance(item, str) else math.prod(item.shape)
        elif isinstance(item, list | tuple | dict | range):
            left -= len(item)
            if left >= 0 and not isinstance(item, range):
                waiting += [*item, *item.values()] if isinstance(item, dict) else item
    return left < 0


# --- Comparing ------------------------------------------------------------------------------------


def difference(expected, came, tolerance=1e-6):
    """What is wrong with an answer, in a sentence; '' when it is right.

    Numbers may differ by `tolerance` times the largest number that is expected (or times 1), but
    where whole numbers are expected only by as little as `NOISE`. Whether an answer is a tuple or a
    list, a list or an array, an int or a float does not matter; shapes do.

    >>> difference([[1.0, 2.0]], [[1.0, 3.0]])
    'at index (0, 1): expected 2, came 3 (1 of 2 numbers differ)'
    """
    if came is None and expected is not None:
        return "nothing (None) came: is there a `return` at the end?"
    if isinstance(expected, dict):
        return _difference_of_dicts(expected, came, tolerance)
    if isinstance(came, np.ndarray | np.generic) and came.ndim == 0:
        came = came.item()
    if isinstance(expected, str | bool) or expected is None:
        same = isinstance(came, type(expected)) and came == expected
        return "" if same else f"expected {expected!r}, came {shown(came)}"
    if isinstance(expected, list | tuple) and not numeric(expected):
        return _difference_of_lists(expected, came, tolerance)
    return _difference_of_numbers(np.asarray(expected), came, tolerance)


def shown(value, digits=DIGITS):
    """A value as a message shows it, short."""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, np.ndarray):
        if value.size > 16:
            return f"an array of shape {value.shape}"
        value = np.round(value, digits).tolist() if value.dtype.kind in "fc" else value.tolist()
    try:
        text = repr(value)
    except Exception:  # a whole number of thousands of digits, or whatever the learner made
        text = f"a value of type {type(value).__name__} that cannot be shown"
    return text if len(text) <= 80 else text[:77] + "..."


def numeric(value):
    """Whether a value is an array of numbers, none of them masked, or lists that make one."""
    try:
        if np.ma.is_masked(value) or _holds_text(value):
            return False
        return np.asarray(value).dtype.kind in KINDS
    except Exception:  # rows of different lengths, or an object that makes no array
        return False


def _holds_text(value):
    """Whether there is a text in a list: NumPy would give every item the room of the longest."""
    if isinstance(value, list | tuple):
        return any(map(_holds_text, value))
    return isinstance(value, str)


def _difference_of_dicts(expected, came, tolerance):
    if not isinstance(came, dict):
        return f"expected a dictionary with {', '.join(expected)}, came {shown(came)}"
    for name, value in expected.items():
        if name not in came:
            return f"{name!r} is missing"
        if found := difference(value, came[name], tolerance):
            return f"{name!r}: {found}"
    return ""


def _difference_of_lists(expected, came, tolerance):
    if not isinstance(came, list | tuple):
        return f"expected {len(expected)} values in a list or tuple, came {shown(came)}"
    if len(came) != len(expected):
        return f"expected {len(expected)} values, came {len(came)}"
    for place, (value, other) in enumerate(zip(expected, came, strict=True)):
        if found := difference(value, other, tolerance):
            return f"number {place} of the {len(expected)} values: {found}"
    return ""


def _difference_of_numbers(expected, came, tolerance):
    if isinstance(came, str):
        return f"expected {shown(expected)}, came the text {shown(came)}"
    if isinstance(came, bool) or not numeric(came):
        return f"expected {shown(expected)}, came {shown(came)}"
    kind = "an array" if isinstance(came, np.ndarray) else f"a {type(came).__name__}"
    came = np.asarray(came)
    if not expected.shape and came.size == 1 and came.shape:
        return f"one number is expected, and {kind} with one number came: {shown(came)}"
    if came.shape != expected.shape:
        return f"expected shape {expected.shape}, came shape {came.shape}"
    if expected.size == 0:
        return ""
    scale = max(1.0, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)))
    allowed = tolerance * scale
    if expected.dtype.kind in "biu":
        allowed = min(allowed, NOISE)
    wrong = ~np.isclose(came, expected, rtol=0, atol=allowed, equal_nan=True)
    if not wrong.any():
        return ""
    index = tuple(int(place) for place in np.argwhere(wrong)[0])
    pair = _told_apart(expected[index].item(), came[index].item())
    if not index:
        return pair
    place = index if len(index) > 1 else index[0]
    return f"at index {place}: {pair} ({wrong.sum()} of {wrong.size} numbers differ)"


def _told_apart(expected, came):
    """Two numbers that differ, with as many digits as it takes to see that."""
    first = len(str(expected)) if isinstance(expected, int) else DIGITS
    for digits in range(min(max(first, DIGITS), 17), 18):
        texts = shown(expected, digits), shown(came, digits)
        if texts[0] != texts[1]:
            break
    return f"expected {texts[0]}, came {texts[1]}"
