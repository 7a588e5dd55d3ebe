# SPDX-License-Identifier: BSD-3-Clause
"""Match a source with a contract: which of its channels, in which order and unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.data.picking import refuse_collisions
from edge.errors import IncompatibleError, listing
from edge.signal import rates
from edge.signal.chain import PER_VOLT, rereferenced
from edge.stream.frames import Header
from firmware_bridge.signal.contract import AS_RECORDED, AVERAGE, UNKNOWN, SignalContract


@dataclass(frozen=True)
class Montage:
    """How frames of a source become samples of a contract.

    Attributes
    ----------
    picks
        Columns of a frame in the contract's order, and behind them the reference electrode's.
    channels
        What the contract calls them.
    limits
        (n_picks, 2) least and greatest value in the source's unit.
    factor
        From the source's unit to the contract's.
    """

    picks: tuple[int, ...]
    channels: tuple[str, ...]
    reference: str
    limits: NDArray[np.float64]
    factor: float

    def samples(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return picked frames (n, n_picks) as (n_chans, n) in the contract's unit."""
        columns = np.ascontiguousarray(frames.T)
        if self.reference == AVERAGE:
            columns = rereferenced(columns, None)
        elif self.reference != AS_RECORDED:
            columns = rereferenced(columns[:-1], columns[-1])
        return columns * self.factor


def montage(header: Header, contract: SignalContract) -> Montage:
    """Match a source with a contract, or refuse it.

    Raises
    ------
    IncompatibleError
        With the source's value and the contract's, where they contradict each other.
    """
    assert contract.sfreq is not None
    if not rates.agree(header.sfreq, contract.sfreq):
        here, there = rates.words(header.sfreq, contract.sfreq)
        raise IncompatibleError(
            f"{header.name} delivers {here} Hz and the contract says {there} Hz. Set the device "
            f"to the contract's rate; nothing is resampled."
        )
    names = [contract.rename.get(name, name) for name in header.channels]
    wanted = list(contract.channels or ())
    if contract.reference not in (AS_RECORDED, AVERAGE):
        wanted.append(contract.reference)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise IncompatibleError(
            f"{header.name} has no channel {listing(missing)}; it has {', '.join(names)}, and the "
            f"contract says {', '.join(wanted)}. Name what is plugged in, in the source's order: "
            f"--channels A,B,…"
        )
    refuse_collisions(header.channels, contract.rename, wanted, header.name)
    picks = tuple(names.index(name) for name in wanted)
    unit = _unit(header, contract, picks)
    limits = np.tile([-np.inf, np.inf], (len(picks), 1))
    if header.limits is not None:
        limits = np.array([header.limits[pick] for pick in picks])
    factor = PER_VOLT[contract.unit] / PER_VOLT[unit]
    return Montage(picks, tuple(wanted), contract.reference, limits, factor)


def _unit(header: Header, contract: SignalContract, picks: Sequence[int]) -> str:
    """The unit that the picked channels share."""
    units = list(dict.fromkeys(header.unit_of(pick) for pick in picks))
    if len(units) > 1:
        raise IncompatibleError(
            f"{header.name} has channels in {listing(units)}. Take channels of one unit."
        )
    if units[0] not in PER_VOLT:
        said = "does not say its unit" if units[0] == UNKNOWN else f"is in {units[0]!r}"
        raise IncompatibleError(
            f"{header.name} {said} and the contract says {contract.unit!r}. If you know better, "
            f"add --unit {contract.unit}."
        )
    return units[0]
