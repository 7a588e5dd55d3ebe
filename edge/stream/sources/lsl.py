# SPDX-License-Identifier: BSD-3-Clause
"""Provide the source ``lsl``: a stream of the Lab Streaming Layer, by its name.

``lsl:NAME`` names it; ``--arg source_id=ID`` where several have one name, ``--arg timeout=SECONDS``
to look for it longer. ``--arg limit=VALUE`` is the greatest value that the amplifier delivers, in
the stream's unit, by which a saturated channel is seen; ``--arg ppm=VALUE`` is what its clock may
be off by, for streams whose stamps jitter by more than half a frame.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge.errors import IncompatibleError, MissingToolError, UsageError, listing
from edge.stream.frames import Block, Disconnected, Header, SourceRequest
from edge.stream.numbering.stamps import PPM, Stamped
from edge.stream.sources import _arguments
from edge.stream.sources._frames import Frames
from firmware_bridge.signal.contract import UNKNOWN

TIMEOUT_S = 5.0
POLL_S = 0.002
AT_END = 1 - 1e-5
"""Share of full scale that counts as its end; scaling rounds."""
ARGUMENTS = ("source_id", "timeout", "limit", "ppm")
UNITS: Mapping[str, str] = {
    **dict.fromkeys(("microvolts", "microvolt", "uv", "µv", "-6"), "uV"),
    **dict.fromkeys(("millivolts", "millivolt", "mv", "-3"), "mV"),
    **dict.fromkeys(("volts", "volt", "v", "0"), "V"),
}
"""How units are written in streams, mne-lsl's powers of ten among them."""
NOT_EEG = frozenset({"none", "na", ""})
"""Units of triggers and counters, which ride along."""


def connect(request: SourceRequest) -> Inlet:
    """Look for a stream and open it.

    Raises
    ------
    UsageError
        For a parameter that there is not, or another speed than its own.
    IncompatibleError
        When there is no such stream, or several.
    """
    request.refuse_speed()
    _arguments.refuse_unknown(request.arguments, ARGUMENTS)
    try:
        from mne_lsl import lsl
    except ImportError:
        raise MissingToolError(
            "--source lsl:NAME needs mne-lsl, which is not installed. "
            "Type: pip install 'eeg-edge[stream]'"
        ) from None
    return Inlet(lsl, request)


class Inlet:
    """An open stream.

    An outlet that ends is not always told by the library; :mod:`edge.stream.live.link` goes by
    silence.
    """

    def __init__(self, lsl: Any, request: SourceRequest) -> None:
        self.lsl = lsl
        timeout_s = _arguments.number(request.arguments, "timeout", "60") or TIMEOUT_S
        ppm = _arguments.number(request.arguments, "ppm", "500") or PPM
        found = _find(lsl, request, timeout_s)
        self.inlet = lsl.StreamInlet(found, recover=False, processing_flags=["clocksync"])
        try:
            self.inlet.open_stream(timeout=timeout_s)
            self.header = _header(request, self.inlet.get_sinfo())
        except (TimeoutError, RuntimeError) as error:
            reason = str(error).rstrip(".")
            raise IncompatibleError(f"lsl:{request.place} cannot be opened: {reason}.") from None
        self.frames = Frames(Stamped(self.header.sfreq, ppm), self.header.sfreq)

    def read(self, timeout_s: float) -> Block | None:
        """Return everything that has arrived."""
        end_s = time.monotonic() + timeout_s
        while True:
            if (block := self.frames.take()) is not None:
                return block
            try:
                samples, stamps = self.inlet.pull_chunk(timeout=0.0)
            except (RuntimeError, TimeoutError):
                raise Disconnected from None
            if len(stamps):
                rows = np.array(samples, np.float64)  # the inlet uses its buffer again
                self.frames.push(rows, np.array(stamps), None, time.monotonic())
            elif time.monotonic() >= end_s:
                return None
            else:
                time.sleep(POLL_S)

    def close(self) -> None:
        """Close the stream."""
        self.inlet.close_stream()


def _find(lsl: Any, request: SourceRequest, timeout_s: float) -> Any:
    source_id = _arguments.word(request.arguments, "source_id")
    wanted = {} if source_id is None else {"source_id": source_id}
    found = lsl.resolve_streams(timeout=timeout_s, name=request.place, **wanted)
    if not found:
        there = sorted({stream.name for stream in lsl.resolve_streams(timeout=1.0)})
        others = f"there are {listing(there)}" if there else "there is no other either"
        raise IncompatibleError(
            f"lsl:{request.place} was not found in {timeout_s:g} s; {others}. Start it, or look "
            f"longer: --arg timeout=60"
        )
    if len(found) > 1:
        ids = sorted(stream.source_id for stream in found)
        raise IncompatibleError(
            f"lsl:{request.place} is the name of {len(found)} streams. Name one of them: --arg "
            f"source_id=ID, of {listing(ids)}."
        )
    return found[0]


def _header(request: SourceRequest, info: Any) -> Header:
    own = info.get_channel_names() or [str(i + 1) for i in range(info.n_channels)]
    if request.channels and len(request.channels) != info.n_channels:
        raise UsageError(
            f"--channels names {len(request.channels)} channels and lsl:{request.place} has "
            f"{info.n_channels}."
        )
    if not info.sfreq:
        raise IncompatibleError(
            f"lsl:{request.place} has no rate of its own (0 Hz): its samples come when they come, "
            f"and a decoder needs them in step."
        )
    if info.dtype == "string":
        raise IncompatibleError(
            f"lsl:{request.place} carries text, and a decoder needs numbers. Name the stream with "
            f"the signal."
        )
    units = {str(unit).lower() for unit in info.get_channel_units() or ()} - NOT_EEG
    said = units.pop() if len(units) == 1 else UNKNOWN
    return Header(
        f"lsl:{request.place}",
        request.channels or tuple(map(str, own)),
        request.unit or UNITS.get(said, said),
        float(info.sfreq),
        _limits(request, info),
    )


def _limits(request: SourceRequest, info: Any) -> tuple[tuple[float, float], ...] | None:
    """Told, or what the stream's integers hold; None where neither is known."""
    limit = _arguments.number(request.arguments, "limit", "187500")
    dtype = np.dtype(info.dtype)
    if limit is not None:
        ends = (-AT_END * limit, AT_END * limit)
    elif dtype.kind in "iu":
        ends = (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
    else:
        return None
    return (ends,) * int(info.n_channels)
