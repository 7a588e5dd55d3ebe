# SPDX-License-Identifier: BSD-3-Clause
"""Read the pickle inside a PyTorch file as data, without running it.

A pickle is a program: it names functions and calls them. Here its instructions are walked through
one by one, and the only ones that are followed build dictionaries, lists, tuples, numbers and
text. A function that it names is not imported. It stands for itself, and a call of it means
something only where :data:`CALLS` says so: PyTorch's tensors, ordered dictionaries and numpy's
scalars, which is what ``torch.save`` and Lightning write. Any other name ends the reading, by name.
"""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge.checkpoint.stored import MalformedError, printable, refuse_shape

MAX_INTEGER_BYTES = 16
"""Longest number, and longest value of numpy's scalars."""


@dataclass(frozen=True)
class Global:
    """A class or function that a pickle names."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Its name with dots."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Storage:
    """A block of values that lies elsewhere in the file.

    Attributes
    ----------
    kind
        PyTorch's name of its type, e.g. ``FloatStorage``.
    key
        Its name in the file.
    n_values
        How many values it has.
    """

    kind: str
    key: str
    n_values: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides are in values."""

    storage: Storage
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class Opaque:
    """A value that is recognized and of no use here: a device, a set, a random state."""

    path: str


class ForbiddenError(Exception):
    """Raised for a pickle that calls something which is not in :data:`CALLS`."""


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise MalformedError("a tensor has no storage")
    sizes, steps = refuse_shape(shape, "a tensor"), refuse_shape(stride, "a tensor")
    (start,) = refuse_shape((offset,), "a tensor")
    if len(sizes) != len(steps):
        raise MalformedError("a tensor has a shape that cannot be")
    return Tensor(storage, sizes, steps, start)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _dictionary(items: Any = ()) -> dict[Any, Any]:
    """An empty dictionary, or the given one, which is not copied: a call costs nothing."""
    if isinstance(items, dict):
        return items
    if items != ():
        raise MalformedError("it holds a dictionary that Python 3 does not write so")
    return {}


def _encoded(text: Any, encoding: Any = "utf-8") -> Any:
    """Bytes of a few characters, as numpy's scalars have them."""
    if not isinstance(text, str) or encoding not in ("latin1", "utf-8"):
        raise MalformedError("its bytes are written in another way than Python does")
    return text.encode(encoding) if len(text) <= MAX_INTEGER_BYTES else Opaque("bytes")


NUMPY_SCALARS: Mapping[str, str] = MappingProxyType(
    {
        "f2": "<e", "f4": "<f", "f8": "<d", "i1": "<b", "i2": "<h", "i4": "<i", "i8": "<q",
        "u1": "<B", "u2": "<H", "u4": "<I", "u8": "<Q", "b1": "<?",
    }
)  # fmt: skip
"""How :mod:`struct` reads what numpy's type codes mean."""


def _numpy_scalar(dtype: Any, data: Any = None, *_: Any) -> Any:
    code = dtype.path.removeprefix("numpy.dtype ") if isinstance(dtype, Opaque) else ""
    layout = NUMPY_SCALARS.get(code.lstrip("<|="))
    if layout is None or not isinstance(data, bytes) or len(data) != struct.calcsize(layout):
        return Opaque("numpy.scalar")
    return struct.unpack(layout, data)[0]


def _numpy_dtype(code: Any = "", *_: Any) -> Opaque:
    return Opaque(f"numpy.dtype {code}" if isinstance(code, str) else "numpy.dtype")


def _opaque(path: str) -> Callable[..., Opaque]:
    return lambda *_: Opaque(path)


CALLS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
        "torch._tensor._rebuild_from_type_v2": _opaque("torch.Tensor"),
        "torch.Size": lambda sizes=(): refuse_shape(sizes, "a tensor"),
        "torch.device": _opaque("torch.device"),
        "collections.OrderedDict": _dictionary,
        "collections.Counter": _dictionary,
        "builtins.set": _opaque("set"),
        "__builtin__.set": _opaque("set"),
        "_codecs.encode": _encoded,
        "numpy.dtype": _numpy_dtype,
        "numpy.core.multiarray.scalar": _numpy_scalar,
        "numpy._core.multiarray.scalar": _numpy_scalar,
    }
)
"""What a call of a name means; nothing else is called, and nothing is imported."""

VALUES = ("torch", "torch.storage")
"""Modules whose names may stand as values, uncalled: types of storages and of numbers."""


def load(source: io.BytesIO) -> Any:
    """Read one pickle from where ``source`` stands.

    Returns
    -------
    Any
        Dictionaries, lists, tuples, numbers, text, bytes, :class:`Tensor`, :class:`Global`,
        :class:`Storage` and :class:`Opaque`.

    Raises
    ------
    ForbiddenError
        When it calls what is not in :data:`CALLS`.
    MalformedError
        When it is no pickle, or uses what ``torch.save`` does not.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(source):
            if opcode.name == "STOP":
                return machine.pop()
            machine.step(opcode.name, argument)
    except (ForbiddenError, MalformedError):
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise MalformedError("its pickle is damaged") from error
    raise MalformedError("its pickle is damaged")


_MARK = object()


class _Machine:
    """The stack and the memory of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise MalformedError("its pickle is damaged")
        return value

    def above_mark(self) -> list[Any]:
        """Take everything down to the last mark, and the mark."""
        values: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in LITERALS:
            self.stack.append(_literal(argument))
        elif name in FRESH:
            self.stack.append(FRESH[name]())
        elif name in FOLLOWED:
            FOLLOWED[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise MalformedError(f"its pickle has the instruction {name}, torch.save writes none")

    def name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_allowed(Global(module, name)))

    def name_from_stack(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise MalformedError("its pickle is damaged")
        self.stack.append(_allowed(Global(module, name)))

    def call(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise MalformedError("its pickle is damaged")
        if function.path not in CALLS:
            raise ForbiddenError(printable(function.path))
        self.stack.append(CALLS[function.path](*arguments))

    def build(self, _: Any) -> None:
        """Drop a state: that of ordered dictionaries is PyTorch's ``_metadata``."""
        self.pop()
        if not isinstance(self.stack[-1], dict | Opaque | Tensor):
            raise MalformedError("its pickle is damaged")

    def storage(self, _: Any) -> None:
        found = self.pop()
        if not isinstance(found, tuple) or len(found) < 5 or found[0] != "storage":
            raise MalformedError("a storage is not described as torch.save does")
        _, kind, key, _, n_values, *rest = found
        if not isinstance(kind, Global) or not isinstance(key, str) or any(rest):
            raise MalformedError("a storage is not described as torch.save does")
        (n_values,) = refuse_shape((n_values,), "a storage")
        self.stack.append(Storage(kind.name, key, n_values))

    def append(self, _: Any) -> None:
        value = self.pop()
        self._list().append(value)

    def appends(self, _: Any) -> None:
        values = self.above_mark()
        self._list().extend(values)

    def _list(self) -> list[Any]:
        if not isinstance(self.stack[-1], list):
            raise MalformedError("its pickle is damaged")
        return self.stack[-1]

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        _set(self.stack[-1], key, value)

    def set_items(self, _: Any) -> None:
        items = self.above_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            _set(self.stack[-1], key, value)

    def remember(self, argument: Any) -> None:
        self.memory[len(self.memory) if argument is None else argument] = self.stack[-1]

    def recall(self, argument: int) -> None:
        self.stack.append(self.memory[argument])

    def tuple_of_mark(self, _: Any) -> None:
        self.stack.append(tuple(self.above_mark()))

    def discard(self, _: Any) -> None:
        self.stack.pop()


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def make(machine: _Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(values[::-1]))

    return make


def _allowed(found: Global) -> Global:
    if found.path in CALLS or found.module in VALUES:
        return found
    raise ForbiddenError(printable(found.path))


def _literal(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > 8 * MAX_INTEGER_BYTES:
        raise MalformedError("it holds a number of more than 16 bytes")
    return value


def _set(target: Any, key: Any, value: Any) -> None:
    """Put into a dictionary; its keys are text and numbers, so that comparing them is cheap."""
    if not isinstance(target, dict):
        raise MalformedError("its pickle is damaged")
    if not isinstance(key, str | int | float | bytes | None):
        raise MalformedError("it holds a dictionary whose keys are neither text nor numbers")
    target[key] = value


CONSTANTS: Mapping[str, Any] = MappingProxyType(
    {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK, "EMPTY_TUPLE": ()}
)
FRESH: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": list}
)
LITERALS = frozenset(
    {
        "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE",
        "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
        "SHORT_BINSTRING", "BINSTRING",
    }
)  # fmt: skip
FOLLOWED: Mapping[str, Callable[[_Machine, Any], None]] = MappingProxyType(
    {
        "GLOBAL": _Machine.name,
        "STACK_GLOBAL": _Machine.name_from_stack,
        "REDUCE": _Machine.call,
        "BUILD": _Machine.build,
        "BINPERSID": _Machine.storage,
        "APPEND": _Machine.append,
        "APPENDS": _Machine.appends,
        "ADDITEMS": _Machine.appends,
        "SETITEM": _Machine.set_item,
        "SETITEMS": _Machine.set_items,
        "PUT": _Machine.remember,
        "BINPUT": _Machine.remember,
        "LONG_BINPUT": _Machine.remember,
        "MEMOIZE": _Machine.remember,
        "BINGET": _Machine.recall,
        "LONG_BINGET": _Machine.recall,
        "TUPLE": _Machine.tuple_of_mark,
        "TUPLE1": _tuple_of(1),
        "TUPLE2": _tuple_of(2),
        "TUPLE3": _tuple_of(3),
        "POP": _Machine.discard,
    }
)
"""Instructions that ``torch.save`` writes."""
