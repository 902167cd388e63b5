"""What an exercise asks to be written is not to be called: while its question is asked, it refuses.

The functions themselves are changed, in place, and changed back. So it does not matter by which
name they are called, nor whether somebody has kept them since the notebook's first cell. A package
may call itself, and what it is built on.

A copy of the source is a function of its own, which no guard recognises without taking honest
answers for it: sums of one line have the same bytecode whoever writes them. `submission.mentions`
shows a reader the words that load code.
"""

import builtins
import gc
import importlib
import sys
import types
from functools import cache

RECORDER = "_refuse_to_answer"
MARK = "the name stands here"
BUILT_ON = {"keras": "tensorflow"}  # what a layer does is Keras' own affair


class Forbidden(BaseException):
    """An answer called what it was to be. No `except Exception` makes up for that."""


class Guard:
    """Watches over functions, classes and modules, given by their dotted names.

    Attributes:
        names: what the question that is asked now may not call; none while none is asked.
        called: what it called all the same.
    """

    def __init__(self):
        self.names, self.called, self.depth = (), [], 0
        self.guarded = {}  # from the name of each module to whether its functions are
        self.changed, self.originals, self.replaced = {}, {}, []
        gc.collect()  # what the cells have left

    def begin(self, names):
        """A question is going to be asked: guard all that is there, and what is imported."""
        self.names, self.called, self.guarded = tuple(names), [], {}
        if not self.names:
            return
        gc.collect(1)  # what the last question has left; to look at all else takes long
        gc.disable()  # what is thrown away by chance may belong to what is guarded
        for place, name in ((builtins, "__import__"), (importlib, "import_module")):
            self._set(place, name, self._and_look(getattr(place, name)))
        self._find()

    def end(self):
        """It has been asked: all is as it was."""
        for function, code in self.changed.values():
            function.__code__ = code
        for place, name, value in reversed(self.replaced):
            setattr(place, name, value)
        self.names = ()
        self.changed, self.originals, self.replaced = {}, {}, []
        gc.enable()

    def _set(self, place, name, value):
        self.replaced.append((place, name, getattr(place, name)))
        setattr(place, name, value)

    def _and_look(self, original):
        """An importing function that looks what is new, once the outermost import is done."""

        def then_look(*arguments, **options):
            before = len(sys.modules)
            self.depth += 1
            try:
                module = original(*arguments, **options)
            finally:
                self.depth -= 1
            if self.depth == 0 and len(sys.modules) != before:
                self._find()
            return module

        return then_look

    def _find(self):
        """Guard what the names stand for, as far as it has been imported."""
        for name in self.names:
            value = _value(name)
            self._protect(name, value)
            for attribute, other in _offered(value):
                self._protect(f"{name}.{attribute}", other)
        # Not from the modules' own lists: somebody may have thrown a module out of these.
        gc.unfreeze()  # or have frozen functions, which are no longer listed then
        functions = [each for each in gc.get_objects() if type(each) is types.FunctionType]
        theirs = [each for each in functions if self._module_of(each)]
        whole = {id(each.__code__): self._called(each) for each in theirs}
        for function in functions:  # and copies that somebody made of them
            if id(function.__code__) in whole:
                self._change(whole[id(function.__code__)], function)

    def _module_of(self, function):
        """The name of a function's module where it is guarded, or ''."""
        module = function.__globals__.get("__name__")
        if not issubclass(type(module), str):
            return ""
        module = str.__str__(module)  # a plain one: what is a text by its class may say anything
        if module not in self.guarded:
            self.guarded[module] = any(_belongs(module, name) for name in self.names)
        return module if self.guarded[module] and id(function) not in self.changed else ""

    def _called(self, function):
        return f"{self._module_of(function)}.{function.__qualname__}"

    def _protect(self, name, value):
        """Guard what has a name of its own in the exercise's list."""
        if isinstance(value, type):
            for made in ("__new__", "__init__"):
                function = value.__dict__.get(made)
                self._change(name, getattr(function, "__func__", function))
        elif isinstance(value, types.FunctionType):
            self._change(name, value)
        elif callable(value):
            self._replace(name, value)

    def _change(self, name, function):
        """Give a function a body that asks first."""
        known = type(function) is not types.FunctionType or id(function) in self.changed
        if known or function.__name__ == "__del__":
            return
        original = types.FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        original.__kwdefaults__ = function.__kwdefaults__
        for each in (function, original):  # or a later look would guard the original, too
            self.changed[id(each)] = each, each.__code__
        function.__globals__[RECORDER] = self._asked
        key = f"{name} {len(self.originals)}"
        self.originals[key] = original
        function.__code__ = _body(key, function.__code__.co_freevars)

    def _replace(self, name, value):
        """Of something that has no code of Python, a compiled function say: stand in its place."""
        key = f"{name} {len(self.originals)}"
        self.originals[key] = value

        def stand_in(*arguments, **options):
            return self._asked(key, arguments, options)

        for module in list(sys.modules.values()):
            for attribute, other in list(getattr(module, "__dict__", {}).items()):
                if other is value:
                    self._set(module, attribute, stand_in)

    def _asked(self, key, arguments, options):
        """What a guarded function does when it is called: refuse, unless its own package calls."""
        name = key.partition(" ")[0]
        caller = sys._getframe(2).f_globals
        module = caller.get("__name__")
        known = vars(sys.modules.get(module, sys)) is caller  # a name alone is easily taken
        asking, asked = module.split(".")[0] if known else "", name.split(".")[0]
        if asking and asked in (asking, BUILT_ON.get(asking)):
            return self.originals[key](*arguments, **options)
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


def _offered(module):
    """What a module offers that has nothing of its own, as `tensorflow.nn` does."""
    if not isinstance(module, types.ModuleType):
        return []
    offered = [(name, value) for name, value in list(vars(module).items())
               if isinstance(value, types.FunctionType)]  # fmt: skip
    own = any(value.__globals__ is vars(module) for _, value in offered)
    return [] if own else offered


def _body(key, free):
    """The code of a function that asks first, with the same free variables as another."""
    code = _template(free)
    constants = tuple(key if constant == MARK else constant for constant in code.co_consts)
    return code.replace(co_consts=constants)


@cache
def _template(free):
    lines = [f"def outer({', '.join(free)}):", "    def guarded(*given_, **named_):"]
    lines += [f"        {variable}" for variable in free]
    lines += [f"        return {RECORDER}({MARK!r}, given_, named_)", "    return guarded"]
    names = {}
    exec("\n".join(lines), names)
    return names["outer"](*[None] * len(free)).__code__
