# SPDX-License-Identifier: BSD-3-Clause
"""Say what decisions cost on a device in time, energy and battery life.

Everything follows from the cycles of a decision and the table ``[power]`` of the device's file. A
figure that the file calls ``"unknown"`` is not replaced by a guess: what depends on it is missing,
and :func:`missing` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

UNKNOWN: Literal["unknown"] = "unknown"
Known = float | Literal["unknown"]


@dataclass(frozen=True)
class Power:
    """The table ``[power]`` of a device's file; each figure is a number or ``"unknown"``.

    Attributes
    ----------
    clock_hz
        Of the processor, as the other figures are stated for it.
    wait_states
        Of the flash at this clock. Modelled cycles are for none.
    supply_v
        The voltage that the currents are stated for.
    run_ua_per_mhz
        What the processor draws while it computes.
    pj_per_cycle
        The same as energy, where that was measured; else it is ``run_ua_per_mhz * supply_v``.
    sleep_ua
        What it draws while it waits for the next sample, memory kept.
    regulator
        The one that the currents are stated for.
    sources
        Where each known figure was read: the document and its page, table or file.
    """

    clock_hz: Known = UNKNOWN
    wait_states: Known = UNKNOWN
    supply_v: Known = UNKNOWN
    run_ua_per_mhz: Known = UNKNOWN
    pj_per_cycle: Known = UNKNOWN
    sleep_ua: Known = UNKNOWN
    regulator: str = UNKNOWN
    sources: Mapping[str, str] | None = None
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    def complaint(self) -> str:
        """Return what is wrong with the table; empty where nothing is."""
        sources = self.sources or {}
        for name in figures():
            value = getattr(self, name)
            if value == UNKNOWN:
                continue
            if not isinstance(value, str) and value <= 0 and name != "wait_states":
                return f"power.{name}: got {value:g}, which has to be more than 0"
            if not sources.get(name):
                return f"power.sources.{name} is missing: say where {name} was read"
        return ""

    @property
    def energy_pj(self) -> float | None:
        """The energy of a cycle in pJ; µA per MHz times volts are pJ per cycle."""
        if self.pj_per_cycle != UNKNOWN:
            return self.pj_per_cycle
        if self.run_ua_per_mhz == UNKNOWN or self.supply_v == UNKNOWN:  # noqa: PLR1714 (mypy narrows)
            return None
        return self.run_ua_per_mhz * self.supply_v

    @property
    def run_ua(self) -> float | None:
        """What the processor draws while it computes, in µA."""
        if self.clock_hz == UNKNOWN:
            return None
        if self.run_ua_per_mhz != UNKNOWN:
            return self.run_ua_per_mhz * self.clock_hz / 1e6
        if self.pj_per_cycle == UNKNOWN or self.supply_v == UNKNOWN:  # noqa: PLR1714
            return None
        return self.pj_per_cycle * self.clock_hz / 1e6 / self.supply_v


def figures() -> tuple[str, ...]:
    """Return the names of what needs a source."""
    return tuple(field.name for field in fields(Power) if field.name != "sources")


@dataclass(frozen=True)
class Beside:
    """What a user says about the rest of the headset, in mA and mAh.

    Attributes
    ----------
    afe_ma, radio_ma
        Average currents of the converter with its amplifiers, and of the radio.
    battery_mah
        None where no battery was named.
    """

    afe_ma: float = 0.0
    radio_ma: float = 0.0
    battery_mah: float | None = None


@dataclass(frozen=True)
class Spent:
    """What decisions cost; None where the device's file does not know enough.

    Attributes
    ----------
    milliseconds
        Of one decision.
    duty
        Share of the time in which the processor computes; more than 1 is too slow.
    microjoules
        Of one decision, the processor alone.
    shares_ua
        Average currents by who draws them.
    hours
        On the battery.
    """

    milliseconds: float | None
    duty: float | None
    microjoules: float | None
    shares_ua: Mapping[str, float] | None
    hours: float | None

    @property
    def average_ua(self) -> float | None:
        """All currents together."""
        return None if self.shares_ua is None else sum(self.shares_ua.values())


def spent(power: Power, cycles: float, period_s: float | None, beside: Beside) -> Spent:
    """Return what a decision of so many cycles costs, one every ``period_s``."""
    seconds = None if power.clock_hz == UNKNOWN else cycles / power.clock_hz
    duty = None if seconds is None or period_s is None else seconds / period_s
    energy = power.energy_pj
    shares = _shares(power, duty, beside)
    hours = None
    if shares is not None and beside.battery_mah is not None:
        hours = 1000 * beside.battery_mah / sum(shares.values())
    return Spent(
        None if seconds is None else 1000 * seconds,
        duty,
        None if energy is None else cycles * energy / 1e6,
        shares,
        hours,
    )


def _shares(power: Power, duty: float | None, beside: Beside) -> dict[str, float] | None:
    """Average currents in µA, where all are known and the processor keeps up."""
    run_ua = power.run_ua
    if duty is None or duty > 1 or run_ua is None or power.sleep_ua == UNKNOWN:
        return None
    shares = {"decoding": duty * run_ua, "sleep": (1 - duty) * power.sleep_ua}
    shares |= {"AFE": 1000 * beside.afe_ma, "radio": 1000 * beside.radio_ma}
    return {name: value for name, value in shares.items() if value}


def missing(power: Power | None, name: str) -> str:
    """Return the sentence why a device has no average current or energy; empty where it has."""
    where = f"The table [power] of {name}"
    if power is None:
        return f"{name} has no table [power], so there is no time, energy or battery life."
    if power.clock_hz == UNKNOWN:
        return f"{where} calls clock_hz unknown, so there is no time, energy or battery life."
    current = "run_ua_per_mhz" if power.pj_per_cycle == UNKNOWN else "supply_v"
    absent = [] if power.run_ua is not None else [current]
    absent += [] if power.sleep_ua != UNKNOWN else ["sleep_ua"]
    if not absent:
        return ""
    lost = "average current and battery life"
    if power.energy_pj is None:
        lost = f"energy, {lost}"
    return (
        f"{where} calls {' and '.join(absent)} unknown, so there is no {lost}. Copy the file, fill "
        f"in what its data sheet says, and name the copy: --device my-board.toml"
    )


def headline(found: Spent) -> str:
    """Return what takes most of the current, first of all; empty where that is not known."""
    if found.shares_ua is None:
        return ""
    total = sum(found.shares_ua.values())
    ordered = sorted(found.shares_ua.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{who} {100 * value / total:.0f} %" for who, value in ordered[1:])
    who, value = ordered[0]
    return (
        f"{who} takes {100 * value / total:.0f} % of {total / 1000:.3g} mA on average"
        f"{f' ({parts})' if parts else ''}"
    )
