# SPDX-License-Identifier: BSD-3-Clause
"""Simulate the prefetch queue of a Cortex-M4: wide instructions off word boundaries starve it.

The queue holds three words of 32 bits. A taken branch empties it. Word 0 of a run is usable at
cycle 0; word k is asked for one cycle after word k-1, and not before the cycle after word k-3 has
left, and is usable two cycles after that. An instruction enters decode when its last word is
usable, when the one before has left decode, and a cycle after that one entered. It executes at the
later of one cycle after its decode and the end of the one before. A word leaves when decode takes
its last halfword.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.emulate.cycles.thumb import Instruction

WORDS = 3
LATENCY = 2
"""Cycles from asking for a word to its use, zero wait states."""


class _Queue:
    """When each word of a run is usable."""

    def __init__(self) -> None:
        self._asked = [-LATENCY]
        self._left: list[int] = []

    def usable(self, word: int) -> int:
        """Return the cycle from which a word can be decoded."""
        while len(self._asked) <= word:
            number = len(self._asked)
            asked = self._asked[-1] + 1
            if number >= WORDS:
                asked = max(asked, self._left[number - WORDS] + 1)
            self._asked.append(asked)
        return self._asked[word] + LATENCY

    def leave(self, word: int, cycle: int) -> None:
        """Say that all words before this one were decoded by a cycle."""
        self._left += [cycle] * (word - len(self._left))


def stalls(run: Sequence[Instruction], costs: Sequence[int]) -> int:
    """Return the cycles that a run waits for its own instructions.

    Parameters
    ----------
    costs
        Cycles of each instruction of the run when nothing has to be waited for.
    """
    base = run[0].address & ~3
    queue = _Queue()
    decoded, executed, end = -1, 0, 0
    for number, (one, cost) in enumerate(zip(run, costs, strict=True)):
        ready = queue.usable((one.end - 1 - base) >> 2)
        if number:
            ready = max(ready, executed, decoded + 1)
        queue.leave((one.end - base) >> 2, ready)
        executed = max(ready + 1, end) if number else ready + 1
        decoded, end = ready, executed + cost
    return end - 1 - sum(costs)
