# SPDX-License-Identifier: BSD-3-Clause
"""Write pieces of C: identifiers, constants in every port's layout, calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.escaping import c_text, expression
from quantize.errors import IncompatibleError, UsageError
from quantize.graph.qgraph import QGraph

PORTS: Mapping[str, str] = {
    "plain": "EDGE_PORT_PLAIN",
    "dsp": "EDGE_PORT_DSP",
    "mve": "EDGE_PORT_MVE",
    "neon": "EDGE_PORT_NEON",
    "dot": "EDGE_PORT_DOT",
}
"""Ports by name, and what ``edge_port.h`` calls them."""

KEYWORDS = frozenset(
    """
    alignas alignof and asm auto bool break case catch char class const continue default delete
    do double else enum explicit export extern false float for friend goto if inline int long
    namespace new not operator or private protected public register restrict return short signed
    sizeof static struct switch template this throw true try typedef typename union unsigned
    using virtual void volatile while xor
    """.split()  # noqa: SIM905
)
"""Words of C99 and C++17 that no symbol may be called."""

TAKEN = frozenset(
    """
    arena due first floats frame frames from_ring logits m memcpy memmove memset n n_times pad
    pending phase rows scaling sizes slot stem_scratch sums sums_of_blocks carries window
    """.split()  # noqa: SIM905
)
"""Variables of the generated functions, and what these call; no tensor is called so."""

RESERVED = frozenset({"main", "device"})
"""Files of ``edge firmware`` that no model may be called like; kernels are called ``edge_...``."""

HEADERS = frozenset(
    """
    assert complex ctype errno features fenv float inttypes iso646 limits locale malloc math memory
    setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string
    strings tgmath threads time uchar wchar wctype
    """.split()  # noqa: SIM905
)
"""Of C: a model's own ``NAME.h`` would be found in their place."""

TYPES = re.compile(
    r"u?int(_least|_fast)?(8|16|32|64)|u?int(ptr|max)|s?size|ptrdiff|l{0,2}div|fpos|off|clock|wint"
    r"|max_align|nullptr|char(8|16|32)"
)
"""Of C, less ``_t``, which a model's struct would be called."""

TARGETS = frozenset(
    """
    all clean depend edit_cache help install m package rebuild_cache replay test
    """.split()  # noqa: SIM905
)
"""Of the CMake project, or of CMake; ``m`` is the library of ``<math.h>``."""

LINE = 100
"""Columns of generated source, about."""

DEEPEST = 12
"""Columns that a call is indented at most."""


def refuse_name(name: str) -> None:
    """Raise unless a model may have this name.

    Raises
    ------
    UsageError
        When it is not a C identifier, or is reserved.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in KEYWORDS or "__" in name:
        raise UsageError(
            f"--name {name!r} is not a C identifier of one's own. Use letters, digits and single "
            f"underscores, a letter first: --name my_decoder."
        )
    taken = name in RESERVED | HEADERS | TARGETS or name.startswith("edge_")
    if taken or TYPES.fullmatch(name):
        raise UsageError(
            f"--name {name!r} is taken: by C, by CMake, or by a file of the engine's own. "
            f"Type e.g. --name my_decoder."
        )


def identifier(name: str) -> str:
    """Turn a tensor's name into a C identifier, ``stem_pool.blocks`` into ``stem_pool_blocks``.

    Lower case, so that it is no macro, and no word that C, its library or a kernel has taken.
    """
    word = re.sub(r"[^A-Za-z0-9_]", "_", name).lower()
    is_type = word.endswith("_t") and TYPES.fullmatch(word.removesuffix("_t"))
    taken = word in KEYWORDS | TAKEN or word.startswith("edge_") or is_type
    return word if re.match("[a-z]", word) and not taken else f"t_{word}"


def refuse_ambiguous(graph: QGraph) -> None:
    """Raise when two tensors would have the same name in C.

    Raises
    ------
    IncompatibleError
        With both names.
    """
    known: dict[str, str] = {}
    for tensor in graph.tensors:
        other = known.setdefault(identifier(tensor.name), tensor.name)
        if other != tensor.name:
            raise IncompatibleError(
                f"Tensors {other!r} and {tensor.name!r} have the same name in C, "
                f"{identifier(other)!r}. Rename one of them and export again."
            )


def symbol(model: str, output: str, role: str) -> str:
    """Return what a constant of an operation is called; the model's name comes first.

    So two models may be compiled as one file, as some makers' tools do.
    """
    return f"{model}_{identifier(output)}_{role}"


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array, in one layout for all ports or one for each of several.

    ``layouts`` maps names of :data:`PORTS` to arrays; a port without one uses ``plain``. A constant
    without ``plain`` exists in the named ports only.
    """

    name: str
    comment: str
    layouts: Mapping[str, NDArray[Any]]

    def text(self) -> str:
        """Return the definitions, among which the preprocessor chooses."""
        parts: list[str] = []
        for port, values in self.layouts.items():
            if port == "plain":
                continue
            keyword = "#elif" if parts else "#if"
            parts += [f"{keyword} EDGE_PORT == {PORTS[port]}", array(self.name, values)]
        if plain := [array(self.name, v) for p, v in self.layouts.items() if p == "plain"]:
            parts += ["#else", *plain] if parts else plain
        if any(part.startswith("#if") for part in parts):
            parts.append("#endif")
        return "\n".join([f"/* {c_text(self.comment)} */", *parts])


def array(name: str, values: NDArray[Any]) -> str:
    """Return one array definition with ``values`` flattened."""
    flat = values.ravel()
    kind = {"f": "float"}.get(flat.dtype.kind, f"{flat.dtype.name}_t")
    suffix = "u" if flat.dtype.kind == "u" else ""
    words = [_literal(value, suffix) for value in flat.tolist()]
    shape = ", ".join(map(str, values.shape))
    head = f"static const {kind} {name}[{flat.size}] EDGE_ALIGNED = {{ /* ({shape}) */"
    return "\n".join([head, *wrapped(words), "};"])


def _literal(value: Any, suffix: str) -> str:
    if isinstance(value, float):
        return float_literal(value)
    if value == -(2**31):
        return "-2147483647 - 1"
    return f"{value}{suffix}"


def float_literal(value: float) -> str:
    """Write a float32 in C, exactly.

    Raises
    ------
    IncompatibleError
        For NaN and infinity, which C has no literals for.
    """
    with np.errstate(over="ignore"):
        stored = float(np.float32(value))
    if not np.isfinite(stored):
        raise IncompatibleError(f"The graph holds {value}, which is no float32 that C can write.")
    return f"{stored.hex()}f"


def wrapped(words: Iterable[str]) -> list[str]:
    """Return the lines of an initializer."""
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > LINE:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return [*lines, line]


@dataclass(frozen=True, eq=False)
class Emission:
    """What one operation becomes: a call, constants, scratch memory.

    Attributes
    ----------
    call
        A statement; tensors are :func:`identifier`, scratch is :func:`scratch`.
    constants
        Its weights and factors.
    kernels
        Headers of ``c/`` that it includes.
    scratch_bytes
        Working memory while it runs.
    macros
        What its kernels want defined before they are included.
    """

    call: str
    constants: tuple[Constant, ...] = ()
    kernels: tuple[str, ...] = ()
    scratch_bytes: int = 0
    macros: Mapping[str, int] = field(default_factory=dict)


def scratch(output: str) -> str:
    """Return the pointer to the scratch memory of the operation that writes ``output``."""
    return f"{identifier(output)}_scratch"


def call(function: str, *arguments: object) -> str:
    """Return a call statement, wrapped."""
    for argument in (function, *arguments):
        expression(str(argument))
    text = f"{function}({', '.join(map(str, arguments))});"
    if len(text) + DEEPEST <= LINE:
        return text
    indent = " " * (len(function) + 1)
    lines, line = [], f"{function}("
    for i, argument in enumerate(arguments):
        piece = f"{argument}{');' if i == len(arguments) - 1 else ','}"
        if len(line) + len(piece) + DEEPEST > LINE:
            lines.append(line.rstrip())
            line = indent
        line += f"{piece} "
    return "\n".join([*lines, line.rstrip()])


def initializer(values: Mapping[str, object], deeper: Mapping[str, str] | None = None) -> str:
    """Return a struct's initializer, field by field in the order of its definition.

    ``EDGE_SET(field) value`` is ``.field = value`` wherever the language has that; C++17 takes the
    order (``edge_port.h``). ``deeper`` are initializers of structs that it begins with.
    """
    members = [f"    EDGE_SET({f}) {indented(v).lstrip()}," for f, v in (deeper or {}).items()]
    members += [f"    EDGE_SET({f}) {expression(str(v))}," for f, v in values.items()]
    return "\n".join(["{", *members, "}"])


def struct(kind: str, name: str, values: Mapping[str, object]) -> str:
    """Return the definition of a local struct, field by field."""
    return f"const {kind} {name} = {initializer(values)};"


def call_with_sizes(kind: str, sizes: Mapping[str, object], function: str, *others: object) -> str:
    """Return a call whose first argument is a struct of integers, which is defined before it.

    Kernels are inline, so that a compiler takes the integers from there and no struct exists.
    """
    return "\n".join([struct(kind, "sizes", sizes), call(function, "&sizes", *others)])


def indented(text: str) -> str:
    """Move lines of code four columns to the right, except those of the preprocessor."""
    return "\n".join(
        f"    {line}" if line and not line.startswith("#") else line for line in text.split("\n")
    )


def table_constant(model: str, output: str, table: Iterable[int]) -> Constant:
    """Return a 256-entry table as a constant."""
    values = np.array(list(table), np.int8)
    comment = f"{output}: outputs for -128 ... 127"
    return Constant(symbol(model, output, "table"), comment, {"plain": values})


def shape_text(graph: QGraph, name: str) -> str:
    """Write ``(n_times, n_chans)`` of a tensor for a comment."""
    n_times, n_chans = time_and_channels(graph, name)
    return f"({n_times}, {n_chans})"


def time_and_channels(graph: QGraph, name: str) -> tuple[int, int]:
    """Return samples and channels of a tensor; (1, n) counts as one sample."""
    shape = graph[name].shape
    return (shape[-2], shape[-1]) if len(shape) > 2 else (1, shape[-1])


def broadcast_steps(graph: QGraph, name: str) -> tuple[int, int]:
    """Return the values between times and between channels of a tensor."""
    n_times, n_chans = time_and_channels(graph, name)
    return (n_chans if n_times > 1 else 0, 1 if n_chans > 1 else 0)


def comment_lines(text: str) -> list[str]:
    """Wrapped lines of a block comment; nothing in them can end it."""
    words = c_text(text).split(" ")
    lines, line = [], " *  "
    for word in words:
        if len(line) + len(word) > 98:
            lines.append(line)
            line = " *  "
        line += f" {word}"
    return [*lines, line]
