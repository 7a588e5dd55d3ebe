# SPDX-License-Identifier: BSD-3-Clause
"""Define the interface of an operation; each file beside this one holds one operation.

A file says everything about its operation that holds wherever it runs: which fields describe it,
which constants it has, the shape that it gives, how large its sums can grow, and what it computes,
in integers and in float32. :mod:`quantize.graph.operations.table` lists them. What a runtime makes
of an operation is that runtime's: its writer is registered there under the operation's ``kind``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from quantize.errors import IncompatibleError
from quantize.graph.arithmetic import quantize_multiplier
from quantize.graph.tensors import Array

if TYPE_CHECKING:
    from quantize.graph.qgraph import QGraph

Shape = tuple[int, ...]
Values = Mapping[str, Array]
"""Tensors by name, (n_windows, 1, n_times, n_channels) each, int8 or float32."""

Reach = Literal["value", "neighbourhood", "everything"]
"""What of its inputs a value of the output depends on: those at the same place, those at times near
it, or any."""

FLOAT_ONLY = ("div", "exp", "log", "sqrt")
"""Functions without an int8 form: tables of three would be mostly saturated or zero, and quotients
have no kernel. The part of a network that holds one stays in float32 as a whole."""


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of one node, and what they are multiplied with.

    A sum is an accumulator before it is requantized.

    Attributes
    ----------
    bound
        (n,) no sum exceeds it in magnitude, whatever int8 values come in, stored or centred; n is
        the number of outputs of a convolution, else 1.
    factors
        (n,) real factors of the requantization; empty where sums are divided by an integer.
    """

    bound: NDArray[np.int64]
    factors: NDArray[np.float64]

    @property
    def shifted(self) -> int:
        """The largest magnitude once a factor above one has shifted a sum to the left."""
        if not self.factors.size:
            return int(self.bound.max())
        _, shift = quantize_multiplier(self.factors)
        return max(
            int(bound) << max(int(left), 0)
            for bound, left in zip(*np.broadcast_arrays(self.bound, shift), strict=True)
        )


@dataclass(frozen=True)
class Node(ABC):
    """One operation of a graph, named after the tensor that it writes.

    Attributes
    ----------
    output, input
        Names of the tensors that it writes and reads.
    kind
        What the operation is called: in a graph's file, and where writers are registered.
    names
        All that :meth:`needs` may return; none for conversions, which every runtime has.
    reach
        See :data:`Reach`.
    keeps_quant
        Whether its output is always quantized as its input is.
    renames
        Whether it hands on the stored values as they are, under another shape.
    converts
        Whether it reads and whether it writes integers, where the two differ.
    """

    output: str
    input: str

    kind: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    reach: ClassVar[Reach] = "everything"
    keeps_quant: ClassVar[bool] = False
    renames: ClassVar[bool] = False
    converts: ClassVar[tuple[bool, bool] | None] = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the tensors that it reads."""
        return (self.input,)

    @property
    def without_int8(self) -> str:
        """Which of :data:`FLOAT_ONLY` it computes; empty if it has an int8 form."""
        return ""

    def needs(self, graph: QGraph) -> str:
        """Return what it needs from a runtime, as the key of a table of abilities."""
        return self.kind

    def constants(
        self,
        graph: QGraph,
    ) -> Iterator[tuple[str, tuple[Shape | None, str]]]:
        """Yield what its constants have to be: name, shape (None for any), type."""
        return iter(())

    @abstractmethod
    def output_shape(self, graph: QGraph) -> Shape:
        """Return the shape that its output must have.

        Raises
        ------
        IncompatibleError
            When its fields or constants do not fit what it reads (:func:`refuse`).
        """

    def macs(self, graph: QGraph) -> int:
        """Return its multiply-accumulates for a window."""
        return max(math.prod(graph[name].shape) for name in (self.output, self.input))

    def kernel(self, graph: QGraph) -> tuple[int, int, int]:
        """Return length, stride and left padding, samples; (1, 1, 0) if it has no kernel."""
        return 1, 1, 0

    def sums(self, graph: QGraph) -> Sums | None:
        """Return its sums where it computes in integers; None if it has none."""
        return None

    def evaluate(self, graph: QGraph, values: Values) -> Array:
        """Run it on the values of its inputs, in integers or in float32 as the graph says."""
        compute = self.in_float if graph.is_float(self) else self.in_int8
        return compute(graph, values)

    @abstractmethod
    def in_int8(self, graph: QGraph, values: Values) -> Array:
        """Compute what TensorFlow Lite Micro computes, bit for bit."""

    @abstractmethod
    def in_float(self, graph: QGraph, values: Values) -> Array:
        """Compute in float32."""


def refuse(what: str, why: str) -> NoReturn:
    """Raise for a graph that is not valid, naming the node, tensor or constant that is wrong."""
    raise IncompatibleError(f"Not a valid graph: {what!r:.120}: {why}.")
