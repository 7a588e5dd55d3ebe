# SPDX-License-Identifier: BSD-3-Clause
"""Say what decisions cost on a microcontroller of :mod:`firmware_bridge.project`: time and energy.

Such a device is no file in this folder but one in ``firmware_bridge/project/devices``, or one that
the user names by its path. Its core is emulated; its clock and its currents are those of its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.devices.runners import _cortex_m
from benchmarks.emulate import engine
from benchmarks.emulate.cycles import decision, model
from benchmarks.emulate.cycles.decision import Decision
from benchmarks.emulate.cycles.model import Cycles
from benchmarks.measure.findings import About, Findings, Request, Result
from edge.bundle.read import Bundle
from edge.terminal.console import Console
from firmware_bridge.project import device as boards
from firmware_bridge.project import power
from firmware_bridge.project.device import Device
from firmware_bridge.project.power import Beside, Power, Spent

MODELLED = (
    "decision: the frames of one hop through signal chain and network, modelled with zero wait "
    "states; energy is the processor's alone, at the interval's ends as at its middle"
)


def names() -> tuple[str, ...]:
    """Return the devices whose core is emulated."""
    return tuple(name for name in boards.names() if boards.load(name).core in _cortex_m.MEASURES)


def run(opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Count as on the device's core, and add time and energy of a decision."""
    board = boards.load(device)
    found = _cortex_m.run(board.core, opened, device, request, console)
    cycles = [result for result in found.results if result.metric == "cycles_per_window"]
    if not cycles:
        return replace(found, skipped={**found.skipped, "decision": model.missing(board.core)})
    window = Cycles(cycles[0].value, cycles[0].low or 0.0, cycles[0].high or 0.0)
    made = _decision(opened, device, request, board, window)
    about = engine.about(device)
    costs = list(_costs(about, made, board.power or Power(), request.beside))
    middle = power.spent(board.power or Power(), made.cycles.value, made.period_s, request.beside)
    why_not = power.missing(board.power, device)
    skipped = {f"decision, {number}": why for number, why in enumerate(made.why_not, 1)}
    headline = power.headline(middle)
    return replace(
        found,
        results=(*found.results, *costs),
        notes=(*found.notes, MODELLED, *_waits(board)),
        around={**({"currents": headline} if headline else {}), **found.around},
        skipped={**found.skipped, **skipped, **({"energy": why_not} if why_not else {})},
    )


def _decision(
    opened: Bundle, device: str, request: Request, board: Device, window: Cycles
) -> Decision:
    core_model = model.of(board.core)
    assert core_model is not None  # or there were no cycles of a window
    case = engine.case(opened, device, request)
    return decision.of(case, opened.contract(), board.processor, core_model, window)


def _costs(about: About, made: Decision, known: Power, beside: Beside) -> Iterator[Result]:
    """Everything that is known of a decision, each figure with what the cycles' interval makes."""
    yield about.modelled("cycles_per_decision", made.cycles, 1)
    if made.chain is not None:
        yield about.modelled("chain_cycles_per_decision", made.chain, 1)
    middle, low, high = (
        power.spent(known, cycles, made.period_s, beside)
        for cycles in (made.cycles.value, made.cycles.low, made.cycles.high)
    )
    for metric, unit, read in _FIGURES:
        values = [read(one) for one in (middle, low, high)]
        if None not in values:
            known_values = [value for value in values if value is not None]
            ends = sorted(known_values[1:])
            yield Result(
                *(about.target, about.precision, about.device, metric, unit),
                *(known_values[0], ends[0], ends[1], 1),
            )


_FIGURES: tuple[tuple[str, str, Callable[[Spent], float | None]], ...] = (
    ("decision_ms", "ms", lambda one: one.milliseconds),
    ("duty", "share", lambda one: one.duty),
    ("decision_uj", "uJ", lambda one: one.microjoules),
    ("average_ma", "mA", lambda one: None if one.average_ua is None else one.average_ua / 1000),
    ("battery_h", "h", lambda one: one.hours),
)


def _waits(board: Device) -> list[str]:
    """What the flash adds to modelled cycles."""
    known = board.power
    if known is None or known.wait_states in (power.UNKNOWN, 0):
        return []
    waits = f"its flash takes {known.wait_states:g} wait states at this clock"
    return [f"{board.title}: {waits}, which modelled cycles do not contain; a cache hides some"]
