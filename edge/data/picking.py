# SPDX-License-Identifier: BSD-3-Clause
"""Pick the columns of a recording that a contract means, in training as in replay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.data import amplitude
from edge.data.description import PER_VOLT, Channel, Description, Samples
from edge.errors import IncompatibleError, listing
from edge.signal import chain, rates
from firmware_bridge.signal.contract import AS_RECORDED, AVERAGE, UNKNOWN, SignalContract

JUDGED_S = 60.0
"""Signal by which a unit is judged."""


@dataclass(frozen=True)
class Voice:
    """What to do about a recording that cannot be used as it is, where it was asked for.

    Attributes
    ----------
    unit
        How to say the unit, with ``{}`` for it.
    rate, channels
        What to do where these do not fit.
    """

    unit: str
    rate: str
    channels: str


TRAINING = Voice(
    unit='write file_unit = "{}" under [signal] in the contract',
    rate="Set signal.sfreq to the recording's rate; nothing is resampled.",
    channels="Correct signal.channels or [rename] in the contract.",
)
REPLAY = Voice(
    unit="add --unit {}",
    rate="Replay a recording of the contract's rate; nothing is resampled.",
    channels="Name what was plugged in, in the file's order: --channels A,B,…",
)


@dataclass(frozen=True)
class Picks:
    """The columns of a recording that a contract means.

    Attributes
    ----------
    columns
        Names in the recording, in the contract's order; behind them the reference electrode's.
    sfreq
        The rate that they share, Hz, the recording's own.
    """

    columns: tuple[str, ...]
    sfreq: float


def pick(
    recording: Description,
    contract: SignalContract,
    voice: Voice = TRAINING,
    believe_unit: bool = False,
) -> Picks:
    """Return the columns of a contract's channels if every one of them can be believed.

    Parameters
    ----------
    voice
        What to do about what does not fit.
    believe_unit
        Whether somebody has said the unit, so that the amplitude is not to judge it.

    Raises
    ------
    IncompatibleError
        When channels are missing, two are renamed to one, a scale or unit is not to be had, or
        rates differ; and when the amplitude contradicts the unit.
    """
    columns = _columns(recording, contract, voice)
    chosen = [recording.channel(name) for name in columns]
    for channel in chosen:
        if channel.fault:
            raise IncompatibleError(
                f"{recording.name} has a channel {channel.name!r} that cannot be read: "
                f"{channel.fault}. Leave it out of the contract's channels, or export the "
                f"recording anew."
            )
    sfreq = _rate(recording, chosen, contract, voice)
    _refuse_unknown_units(recording, chosen, sfreq, voice)
    if not believe_unit:
        _refuse_amplitude(recording, chosen, sfreq, voice)
    return Picks(columns, sfreq)


def samples(
    recording: Description, picks: Picks, contract: SignalContract, start: int, stop: int
) -> Samples:
    """Return samples (n_chans, stop - start) in the contract's unit, order and reference."""
    volts = recording.read(picks.columns, start, stop)
    if contract.reference == AVERAGE:
        volts = chain.rereferenced(volts, None)
    elif contract.reference != AS_RECORDED:
        volts = chain.rereferenced(volts[:-1], volts[-1])
    return volts * chain.PER_VOLT[contract.unit]


def refuse_collisions(
    names: Iterable[str], rename: Mapping[str, str], wanted: Sequence[str], where: str
) -> None:
    """Raise when two columns of one recording or stream have the name of one wanted channel.

    Raises
    ------
    IncompatibleError
        With both columns and what to write.
    """
    sources: dict[str, list[str]] = {}
    for name in names:
        sources.setdefault(rename.get(name, name), []).append(name)
    for name in wanted:
        columns = sources.get(name, [])
        if len(columns) > 1 and len(set(columns)) == 1:
            raise IncompatibleError(
                f"{where} has {len(columns)} channels called {columns[0]!r}, and which of them is "
                f"meant it does not say. Name what is plugged in, in order: --channels A,B,…"
            )
        if len(columns) > 1:
            raise IncompatibleError(
                f"{where} has the columns {listing(columns)}, and with [rename] each of them is "
                f"{name!r}. Rename the one that is not meant to something else, e.g. "
                f'"{_other(columns, rename)}" = "{name}-unused".'
            )


def _other(columns: Sequence[str], rename: Mapping[str, str]) -> str:
    """The column that nobody renamed, which is hardly the one that is meant."""
    return next((column for column in columns if column not in rename), columns[-1])


def _columns(recording: Description, contract: SignalContract, voice: Voice) -> tuple[str, ...]:
    extra = [] if contract.reference in (AS_RECORDED, AVERAGE) else [contract.reference]
    wanted = [*(contract.channels or ()), *extra]
    every = [channel.name for channel in recording.channels]
    names = {contract.rename.get(name, name): name for name in every}
    missing = [name for name in wanted if name not in names]
    if missing:
        raise IncompatibleError(
            f"{recording.name} has no channel {listing(missing)}; it has {some(sorted(names))}. "
            f"{voice.channels}"
        )
    refuse_collisions(every, contract.rename, wanted, recording.name)
    return tuple(names[name] for name in wanted)


def _rate(
    recording: Description, chosen: Sequence[Channel], contract: SignalContract, voice: Voice
) -> float:
    rate_hz = chosen[0].sfreq
    for channel in chosen:
        if channel.sfreq != rate_hz:
            one, other = rates.words(rate_hz, channel.sfreq)
            raise IncompatibleError(
                f"{recording.name} has channel {chosen[0].name!r} at {one} Hz and "
                f"{channel.name!r} at {other} Hz. Take channels of one rate; nothing is resampled."
            )
    if contract.sfreq is not None and not rates.agree(rate_hz, contract.sfreq):
        here, there = rates.words(rate_hz, contract.sfreq)
        raise IncompatibleError(
            f"{recording.name} was recorded at {here} Hz and the contract says {there} Hz. "
            f"{voice.rate}"
        )
    return rate_hz


def _refuse_unknown_units(
    recording: Description, chosen: Sequence[Channel], sfreq: float, voice: Voice
) -> None:
    unknown = [channel for channel in chosen if channel.unit == UNKNOWN]
    if not unknown:
        return
    written = unknown[0].written_unit
    said = f"says the unit {written!r}, which is not understood," if written else "says no unit"
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    deviation = _deviation(recording, unknown, sfreq)
    likely = amplitude.likely_unit(deviation)
    why = "" if likely is None else f", as their deviation of {deviation:.3g} suggests"
    raise IncompatibleError(
        f"{recording.name} {said} for channel {unknown[0].name!r}{more}. If the numbers are "
        f"{likely or 'uV'}{why}, {voice.unit.format(likely or 'uV')}."
    )


def _refuse_amplitude(
    recording: Description, chosen: Sequence[Channel], sfreq: float, voice: Voice
) -> None:
    deviation_uv = _deviation(recording, chosen, sfreq) * PER_VOLT["uV"]
    if amplitude.is_plausible(deviation_uv):
        return
    unit = chosen[0].unit
    likely = amplitude.likely_unit(deviation_uv * PER_VOLT[unit] / PER_VOLT["uV"])
    remedies = (
        f"If its numbers are {likely}, {voice.unit.format(likely)}."
        if likely is not None
        else f"It is EEG in no unit; if it is right nevertheless, {voice.unit.format(unit)}."
    )
    raise IncompatibleError(
        f"{recording.name} deviates by {deviation_uv:,.{3 if deviation_uv < 1 else 0}f} uV if its "
        f"numbers are {unit}, as it says; EEG deviates by {amplitude.LEAST_UV:g} to "
        f"{amplitude.MOST_UV:,.0f} uV. {remedies}"
    )


def _deviation(recording: Description, chosen: Sequence[Channel], sfreq: float) -> float:
    """Deviation in volts, or in the file's numbers where the unit is unknown."""
    longest = max(recording.pieces, key=lambda piece: piece.stop_s - piece.start_s)
    start, stop = longest.samples(sfreq)
    stop = min(stop, start + round(JUDGED_S * sfreq))
    return amplitude.deviation(recording.read([c.name for c in chosen], start, stop), sfreq)


def some(names: Sequence[str], limit: int = 80) -> str:
    """Join names with commas, the first of very many."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
