# SPDX-License-Identifier: BSD-3-Clause
"""The memory plan: what is needed at the same time never overlaps, whatever is planned."""

from __future__ import annotations

import random
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.plan.memory import ALIGNMENT, SLACK_BYTES, Buffer, plan, whole


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    """Some tensors of a network of a few steps, of sizes that repeat and that differ."""
    n_steps = draw(st.integers(1, 12))
    sizes = st.one_of(st.integers(1, 64), st.sampled_from([16, 992, 2640]), st.integers(1, 5000))
    made = []
    for i in range(draw(st.integers(0, 20))):
        first = draw(st.integers(0, n_steps - 1))
        last = draw(st.integers(first, n_steps - 1))
        made.append(Buffer(f"tensor {i}", draw(sizes), first, last))
    return made


@given(buffers())
def test_buffers_alive_together_never_overlap(made: list[Buffer]) -> None:
    """Each pair that shares a step lies apart; each buffer lies whole in the arena, aligned."""
    planned = plan(made)
    assert sorted(placed.buffer.name for placed in planned.placed) == sorted(b.name for b in made)
    for one, other in combinations(planned.placed, 2):
        alive = set(range(one.buffer.first, one.buffer.last + 1))
        if alive & set(range(other.buffer.first, other.buffer.last + 1)):
            assert one.end <= other.offset or other.end <= one.offset, (one, other)
    for placed in planned.placed:
        assert placed.offset >= 0
        assert placed.offset % ALIGNMENT == 0
        assert placed.end + SLACK_BYTES <= planned.n_bytes
        assert planned.offset(placed.buffer.name) == placed.offset


@given(buffers())
def test_the_arena_is_no_larger_than_all_of_them_and_no_smaller_than_a_step_needs(
    made: list[Buffer],
) -> None:
    """Between the largest sum of a step and the sum of all, each rounded up."""
    rounded = [-(-b.n_bytes // ALIGNMENT) * ALIGNMENT for b in made]
    steps = {step for b in made for step in (b.first, b.last)}
    busiest = max(
        (sum(b.n_bytes for b in made if b.first <= step <= b.last) for step in steps), default=0
    )
    assert busiest <= plan(made).n_bytes <= sum(rounded) + SLACK_BYTES


@given(buffers(), st.integers(0, 2**16))
def test_the_order_of_the_list_changes_nothing(made: list[Buffer], seed: int) -> None:
    """The same plan whenever the buffers are the same."""
    shuffled = random.Random(seed).sample(made, len(made))
    assert plan(made) == plan(shuffled)


def test_nothing_needs_nothing() -> None:
    """And a plan of which the size alone is known has that size."""
    assert plan([]).n_bytes == whole(0).n_bytes == 0
    assert whole(4096).n_bytes == 4096
