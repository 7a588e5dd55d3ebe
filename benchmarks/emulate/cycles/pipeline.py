# SPDX-License-Identifier: BSD-3-Clause
"""Count what costs cycles in a straight run on an in-order core with three stages (Cortex-M4).

Each instruction has a cycle, and events on top of it. An event that an instruction and the one
behind it make together is counted at the first, since that is the one which takes longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from benchmarks.emulate.cycles import fetch
from benchmarks.emulate.cycles.model import Model
from benchmarks.emulate.cycles.thumb import MEMORY, Decoder, Instruction, Kind
from benchmarks.emulate.cycles.trace import Place, Trace

INSTRUCTION = "instruction"
FETCH_STALL = "fetch_stall"
Places = Mapping[int, Place]
_IN_TIME = frozenset({Kind.LOAD, Kind.LOADS, Kind.IT})
"""What an address behind it does not wait for, beyond the load's own cycles."""
_NOWHERE = Place()


def events(trace: Trace, decoder: Decoder, model: Model) -> Counter[str]:
    """Return the events of everything that a trace recorded."""
    total: Counter[str] = Counter()
    for run in trace.runs:
        for event, count in of_run(decoder.run(run.begin, run.end), trace.places, model).items():
            total[event] += run.count * count
    for place in trace.places.values():
        total["access_in_two"] += place.in_two
        total["access_in_three"] += place.in_three
    return total


def of_run(run: Sequence[Instruction], places: Places, model: Model) -> Counter[str]:
    """Return the events of a straight run that is executed once."""
    costs: list[int] = []
    total: Counter[str] = Counter()
    followers: list[Instruction | None] = [*run[1:], None]
    before: Instruction | None = None
    for one, behind in zip(run, followers, strict=True):
        found = [INSTRUCTION, *_own(one, before)]
        if behind is not None:
            found += _with_next(one, behind, places)
        elif one.kind is Kind.LOAD and "pc" not in one.writes:
            found.append("load_alone")
        counted = Counter(found)
        counted.update(_words(one))
        total.update(counted)
        costs.append(model.cycles(counted))
        before = one
    total[FETCH_STALL] += fetch.stalls(run, costs)
    total[_taken(run[-1])] += 1
    return total


def _own(one: Instruction, before: Instruction | None) -> list[str]:
    """What one instruction costs by itself."""
    found = []
    if one.kind is Kind.DIVIDE:
        found.append("divide")
    elif one.kind is Kind.FLOAT_DIVIDE:
        found.append("float_divide")
    elif one.kind is Kind.FLOAT_MULTIPLY_ADD:
        found.append("float_multiply_add")
    elif one.kind is Kind.IT and before is not None and before.size == 4:
        found.append("folded_it")
    if one.is_two_register_move:
        found.append("two_register_move")
    return found


def _words(one: Instruction) -> Mapping[str, int]:
    """The words of an access of several."""
    if one.kind is Kind.LOADS:
        return {"load_word": one.words}
    return {"store_word": one.words} if one.kind is Kind.STORES else {}


def _with_next(one: Instruction, behind: Instruction, places: Places) -> list[str]:
    """What one instruction and the one behind it cost together."""
    found = []
    if one.kind is Kind.LOAD:
        found += _load(one, behind, places)
    if one.kind is Kind.STORE and behind.kind in (Kind.LOAD, Kind.LOADS):
        found.append("store_then_load")
    shared = (behind.addresses & one.writes) - {"pc"}
    if behind.kind in MEMORY and shared:
        if one.kind is Kind.LOAD and one.writes_back and shared <= {one.base}:
            found.append("base_of_load")
        elif one.kind not in _IN_TIME:
            found.append("address_late")
    return found


def _load(one: Instruction, behind: Instruction, places: Places) -> list[str]:
    """Why a single load keeps its second cycle; a load right behind it would hide it."""
    if "pc" in one.writes:
        return []
    if behind.kind is not Kind.LOAD:
        return ["load_alone"]
    if behind.addresses & one.writes:
        return ["load_needs_load"]
    here, there = (places.get(i.address, _NOWHERE).memory for i in (one, behind))
    return [] if here == there else ["load_other_memory"]


def _taken(last: Instruction) -> str:
    """The branch that ends a run."""
    if last.kind is Kind.CALL:
        return "taken_call"
    if last.kind is Kind.TABLE:
        return "taken_table"
    if last.kind is Kind.LOAD and "pc" in last.writes:
        return "taken_load"
    return "taken"


def reader(segments: Sequence[tuple[int, bytes]]) -> Callable[[int, int], bytes]:
    """Return what a decoder reads a linked image with."""

    def read(address: int, size: int) -> bytes:
        for begin, data in segments:
            if begin <= address < begin + len(data):
                return data[address - begin : address - begin + size]
        raise ValueError(f"nothing is linked at {address:#x}")

    return read
