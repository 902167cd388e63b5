"""What an argument may be: the checks that all modules share.

Each gives the value as what it stands for, or raises a ValueError that names the argument and says
what it must be. NumPy is imported only where an array is looked at, so that `arithmetic` stays pure
Python.
"""

import math
import operator
from numbers import Real


def whole_number(value, name, smallest, largest=None):
    """`value` as an int, if it is a whole number from `smallest` to `largest`."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None
    if number < smallest:
        raise ValueError(f"{name} must be at least {smallest}, not {number}")
    if largest is not None and number > largest:
        raise ValueError(f"{name} must be at most {largest}, not {number}")
    return number


def finite_number(value, name, smallest=-math.inf, largest=math.inf):
    """`value` as a float, if it is one number from `smallest` to `largest`."""
    try:
        dtype = str(getattr(value, "dtype", "float"))  # NumPy's True is 1.0, its 1+2j as well
        one_number = ("int" in dtype or "float" in dtype) and not getattr(value, "ndim", 0)
        if isinstance(value, (bool, str, bytes, bytearray)) or not one_number:
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    if not (math.isfinite(number) and smallest <= number <= largest):
        bounds = "" if math.isinf(smallest) else f" from {smallest:g} to {largest:g}"
        raise ValueError(f"{name} must be a finite number{bounds}, not {value!r}")
    return number


def flag(value, name):
    """`value`, if it is True or False: a text that says no would count as yes."""
    if type(value).__name__ not in ("bool", "bool_"):  # Python's or NumPy's
        raise ValueError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def choice(value, name, allowed):
    """`value`, if it is one of the texts in `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        several = len(allowed) > 2
        texts = "one of " + ", ".join(allowed) if several else " or ".join(map(repr, allowed))
        raise ValueError(f"{name} must be {texts}, not {value!r}")
    return value


def text_of(value, name):
    """`value` as a text; a number will do."""
    if not isinstance(value, (str, Real)):
        raise ValueError(f"{name} must be a text, not {type(value).__name__}")
    return str(value)


def listed(values, name, example="[...]"):
    """What a list, a tuple, an array or a generator holds, as a list."""
    try:
        if isinstance(values, (str, bytes, dict, set, frozenset)):  # a set has no order
            raise TypeError
        _check_mask(values, name)
        return list(_as_array(values, name) if hasattr(values, "__array__") else values)
    except TypeError:
        raise ValueError(f"{name} must be a list, {example} say, not {values!r}") from None


def _check_mask(values, name):
    """Refuses a masked array, or a list of them: what is hidden would be counted."""
    several = values if isinstance(values, (list, tuple)) else [values]
    if any(getattr(value, "mask", False) is not False for value in several):
        import numpy as np

        if any(np.ma.is_masked(value) for value in several):
            raise ValueError(f"{name} must not be masked: fill it first, {name}.filled(0) say")


def _as_array(values, name):
    """What NumPy makes of them, or a refusal with their own reason: a torch tensor gives one."""
    import numpy as np

    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as problem:
        ragged = isinstance(values, (list, tuple)) and isinstance(problem, ValueError)
        kind = f", not {type(values).__name__}: {problem}"
        end = ", with as many in each row" if ragged else kind
        raise ValueError(f"{name} must be an array of numbers{end}") from None


def same_shape(wanted, given):
    """Whether two shapes are the same, as far as both are known."""
    pairs = zip(wanted, given, strict=False)
    return len(wanted) == len(given) and all(None in pair or pair[0] == pair[1] for pair in pairs)


def numeric_array(values, name, finite=True):
    """Real numbers as an array of one axis or more, also those of a tensor, a bfloat16 one say."""
    import numpy as np

    _check_mask(values, name)
    array = _as_array(values, name)
    if array.dtype.kind == "V" and array.dtype.type is not np.void:  # bfloat16
        array = array.astype(np.float32)
    if array.dtype.kind not in "buif" or array.ndim == 0:
        kind = array.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise ValueError(f"{name} must be an array of numbers, not {kind}")
    if finite and array.size and not np.isfinite([array.min(), array.max()]).all():
        raise ValueError(f"{name} must be finite numbers: there is a NaN, or one is infinite")
    return array
