# SPDX-License-Identifier: BSD-3-Clause
"""Plan where in the caller's struct every tensor and scratch buffer lies, and when.

The plan is greedy by size, as TFLite Micro's is (Pisarchyk and Lee 2020, arXiv:2001.03288): the
largest buffer comes first, and each lies at the lowest offset where nothing lives at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 16
"""Of every buffer, in bytes: a vector register."""
SLACK_BYTES = 32
"""Behind the last buffer: vector kernels may read, never write, this far beyond a row."""


@dataclass(frozen=True)
class Buffer:
    """Something that needs memory from step ``first`` to step ``last``, both included."""

    name: str
    n_bytes: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """Return whether both are alive at some step."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Placed:
    """A buffer and its offset."""

    buffer: Buffer
    offset: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.buffer.n_bytes


@dataclass(frozen=True)
class Plan:
    """Placed buffers in the order in which they come alive."""

    placed: tuple[Placed, ...]

    @property
    def n_bytes(self) -> int:
        """The size of the arena, slack included."""
        end = max((p.end for p in self.placed), default=0)
        return aligned(end) + SLACK_BYTES if self.placed else 0

    def offset(self, name: str) -> int:
        """Return where a buffer lies."""
        return next(p.offset for p in self.placed if p.buffer.name == name)


def aligned(n_bytes: int) -> int:
    """Return the next multiple of :data:`ALIGNMENT`."""
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT


def plan(buffers: Sequence[Buffer]) -> Plan:
    """Place every buffer; the plan is the same whenever the buffers are."""
    placed: list[Placed] = []
    for buffer in sorted(buffers, key=lambda b: (-b.n_bytes, b.first, b.name)):
        offset = 0
        for other in sorted(placed, key=lambda p: p.offset):
            if not other.buffer.meets(buffer):
                continue
            if offset + buffer.n_bytes <= other.offset:
                break
            offset = max(offset, aligned(other.end))
        placed.append(Placed(buffer, offset))
    return Plan(tuple(sorted(placed, key=lambda p: (p.buffer.first, p.offset, p.buffer.name))))


def whole(n_bytes: int) -> Plan:
    """Return a plan of which only the size is known."""
    if n_bytes == 0:
        return Plan(())
    return Plan((Placed(Buffer("everything", n_bytes - SLACK_BYTES, 0, 0), 0),))
