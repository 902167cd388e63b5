"""What an exercise asks to be written is not to be called: while answers are asked, it refuses.

The functions themselves are changed, in place. So it does not matter by which name they are called,
nor whether somebody has kept them since the notebook's first cell. A package may call itself.
"""

import builtins
import gc
import importlib
import sys
import types

RECORDER = "_refuse_to_answer"


class Forbidden(BaseException):
    """An answer called what it was to be. No `except Exception` makes up for that."""


class Guard:
    """Watches over functions, classes and modules, given by their dotted names.

    Attributes:
        refused: what the question that is asked now may not call; none while none is asked.
        called: what it called all the same.
    """

    def __init__(self, names):
        self.names, self.refused, self.called = sorted(set(names)), (), []
        self.guarded, self.originals = {}, {}

    def begin(self, refused):
        """A question is going to be asked."""
        self.refused, self.called = tuple(refused), []

    def arm(self):
        """Guard all that is there now, and what is imported from now on."""
        if not self.names:
            return
        self._find()
        for place, name in ((builtins, "__import__"), (importlib, "import_module")):
            setattr(place, name, self._and_look(getattr(place, name)))

    def _and_look(self, original):
        def then_look(*arguments, **options):
            before = len(sys.modules)
            module = original(*arguments, **options)
            if len(sys.modules) != before:
                self._find()
            return module

        return then_look

    def _find(self):
        """Guard what the names stand for, as far as it has been imported."""
        for name in self.names:
            value = _value(name)
            if callable(value):
                self._protect(name, value)
        # Not from the modules' own lists: somebody may have thrown a module out of these.
        for function in gc.get_objects():
            if type(function) is types.FunctionType:
                module = function.__globals__.get("__name__")
                if isinstance(module, str) and any(_belongs(module, name) for name in self.names):
                    self._protect(f"{module}.{function.__qualname__}", function)

    def _protect(self, name, value):
        if id(value) in self.guarded:
            return
        self.guarded[id(value)] = value  # kept, so that its number stays its own
        if isinstance(value, type):
            self._protect_class(name, value)
            return
        function = value
        while not isinstance(function, types.FunctionType):
            function = getattr(function, "__wrapped__", None)
            if function is None:
                self._replace(name, value)
                return
        self._change(name, function)

    def _protect_class(self, name, kind):
        made = kind.__dict__.get("__init__")
        if isinstance(made, types.FunctionType):
            self._change(name, made)

    def _change(self, name, function):
        """Give a function a body that asks first."""
        original = types.FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        original.__kwdefaults__ = function.__kwdefaults__
        function.__globals__[RECORDER] = self._asked
        self.originals[name] = original
        function.__code__ = _body(name, function.__code__)

    def _replace(self, name, value):
        """Of something that has no code of Python, a compiled function say: stand in its place."""
        self.originals[name] = value

        def stand_in(*arguments, **options):
            return self._asked(name, arguments, options)

        for module in list(sys.modules.values()):
            for attribute, other in list(getattr(module, "__dict__", {}).items()):
                if other is value:
                    setattr(module, attribute, stand_in)

    def _asked(self, name, arguments, options):
        """What a guarded function does when it is called: refuse, unless its own package calls."""
        caller = sys._getframe(2).f_globals
        module = caller.get("__name__")
        known = vars(sys.modules.get(module, sys)) is caller  # a name alone is easily taken
        within = known and module.split(".")[0] == name.split(".")[0]
        if within or not any(_belongs(name, part) for part in self.refused):
            return self.originals[name](*arguments, **options)
        self.called.append(name)
        raise Forbidden(f"{name} is what this question asks you to write")


def _belongs(module, name):
    """Whether a dotted name is another or lies below it."""
    return module == name or module.startswith(f"{name}.")


def _value(name):
    """What has a dotted name; None as long as it is not imported."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        value = sys.modules.get(".".join(parts[:count]))
        if value is not None:
            for part in parts[count:]:
                value = getattr(value, part, None)
            return value
    return None


def _body(name, code):
    """The code of a function that asks first, with as many free variables as another has."""
    free = code.co_freevars
    lines = [f"def outer({', '.join(free)}):", "    def guarded(*given_, **named_):"]
    lines += [f"        {variable}" for variable in free]
    lines += [f"        return {RECORDER}({name!r}, given_, named_)", "    return guarded"]
    names = {}
    exec("\n".join(lines), names)
    return names["outer"](*[None] * len(free)).__code__
