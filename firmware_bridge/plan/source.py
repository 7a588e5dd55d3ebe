# SPDX-License-Identifier: BSD-3-Clause
"""Pieces of C: identifiers, constants in the layouts that the ports want, emissions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.errors import UsageError
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

LICENCE = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
"""The first line of every generated file: our code and the kernels that it includes."""
LICENCE_OF_MODEL = """\
/* SPDX-License-Identifier: BSD-3-Clause
 *
 * That is the licence of the code, which is by the eeg-edge authors. The numbers of the model in it
 * (weights, scales, names) are not theirs: they belong to whoever made the model.
 */
"""
"""The same where a file holds a model's numbers as well."""

TAKEN = frozenset({"arena", "floats", "m", "sums", "window"})
"""Variables of the generated function."""

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


def refuse_name(name: str) -> None:
    """Raise unless a model may be called so.

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
    """A tensor's name as a C identifier; ``stem_pool.blocks`` is ``stem_pool_blocks``."""
    word = re.sub(r"\W", "_", name)
    if word[0].isdigit() or word in KEYWORDS | TAKEN:
        word = f"t_{word}"
    return word


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
        """The definitions, chosen by the preprocessor."""
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
        return "\n".join([f"/* {self.comment} */", *parts])


def array(name: str, values: NDArray[Any]) -> str:
    """One array definition, ``values`` flattened."""
    flat = values.ravel()
    kind = {"f": "float"}.get(flat.dtype.kind, f"{flat.dtype.name}_t")
    suffix = "u" if flat.dtype.kind == "u" else ""
    words = [_literal(value, suffix) for value in flat.tolist()]
    shape = ", ".join(map(str, values.shape))
    head = f"static const {kind} {name}[{flat.size}] EDGE_ALIGNED = {{ /* ({shape}) */"
    return "\n".join([head, *wrapped(words), "};"])


def _literal(value: Any, suffix: str) -> str:
    if isinstance(value, float):
        return f"{value.hex()}f"
    if value == -(2**31):
        return "-2147483647 - 1"
    return f"{value}{suffix}"


def wrapped(words: Iterable[str]) -> list[str]:
    """Lines of an initializer."""
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > LINE:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return [*lines, line]


@dataclass(frozen=True, eq=False)
class Emission:
    """What one operation becomes.

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
    """The pointer to the scratch memory of the operation that writes ``output``."""
    return f"{identifier(output)}_scratch"


def call(function: str, *arguments: object) -> str:
    """A call statement, wrapped."""
    text = f"{function}({', '.join(map(str, arguments))});"
    if len(text) + 4 <= LINE:
        return text
    indent = " " * (len(function) + 5)
    lines, line = [], f"{function}("
    for i, argument in enumerate(arguments):
        piece = f"{argument}{');' if i == len(arguments) - 1 else ','}"
        if len(line) + len(piece) + 5 > LINE:
            lines.append(line.rstrip())
            line = indent
        line += f"{piece} "
    return "\n".join([*lines, line.rstrip()])


def table_constant(output: str, table: Iterable[int]) -> Constant:
    """A 256-entry table as a constant."""
    values = np.array(list(table), np.int8)
    comment = f"{output}: outputs for -128 ... 127"
    return Constant(f"{identifier(output)}_table", comment, {"plain": values})


def shape_text(graph: QGraph, name: str) -> str:
    """``(n_times, n_chans)`` of a tensor in a comment."""
    n_times, n_chans = time_and_channels(graph, name)
    return f"({n_times}, {n_chans})"


def time_and_channels(graph: QGraph, name: str) -> tuple[int, int]:
    """Samples and channels of a tensor (1, 1, n_times, n_chans), or (1, n) as one sample."""
    shape = graph[name].shape
    return (shape[-2], shape[-1]) if len(shape) > 2 else (1, shape[-1])


def broadcast_steps(graph: QGraph, name: str) -> tuple[int, int]:
    """Values between times and between channels of a tensor that may be one long in either."""
    n_times, n_chans = time_and_channels(graph, name)
    return (n_chans if n_times > 1 else 0, 1 if n_chans > 1 else 0)
