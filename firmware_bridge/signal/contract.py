# SPDX-License-Identifier: BSD-3-Clause
"""Describe everything between the electrode and the window that the decoder sees.

One chain serves training, calibration, export and the device (:mod:`edge.signal.chain`)::

    counts -> unit -> reference -> filter -> scaling -> quantization -> window

What nobody told us is stored as unknown and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantize.errors import IncompatibleError
from quantize.graph.qgraph import Quant

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "unknown"

AS_RECORDED = "as recorded"
AVERAGE = "average"


@dataclass(frozen=True)
class Filter:
    """A causal filter, applied to the continuous signal before anything is cut.

    Attributes
    ----------
    kind
        ``band_pass``, ``high_pass``, ``none``, or ``unknown`` for windows that were filtered
        elsewhere.
    low_hz, high_hz
        -3 dB edges of the Butterworth filter; a high-pass has no ``high_hz``.
    order
        Order of the Butterworth prototype; a band-pass has twice as many poles.
    notch_hz
        Centre of a second-order notch (quality 30), or None.
    sos
        Second-order sections (n_sections, 6), b0 b1 b2 a0 a1 a2, in the order of application.
    """

    kind: Literal["band_pass", "high_pass", "none", "unknown"]
    low_hz: float | None = None
    high_hz: float | None = None
    order: int | None = None
    notch_hz: float | None = None
    sos: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Scaling:
    """How each channel is scaled before the network: ``(x - mean) / std``, or not at all.

    Attributes
    ----------
    kind
        ``per_channel`` (fitted on the training part), ``moving`` (both follow the signal),
        ``none`` (x as it is), or ``unknown`` for a model that was trained elsewhere; windows are
        then taken as they are.
    mean, std
        Of ``per_channel``, in the contract's unit.
    factor_new, eps
        Of ``moving``: how much a new sample weighs in the exponential averages, and the least
        standard deviation that is divided by, in the contract's unit. braindecode's
        ``exponential_moving_standardize`` without its initial block, which looks ahead.
    """

    kind: Literal["per_channel", "moving", "none", "unknown"]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    factor_new: float | None = None
    eps: float | None = None


@dataclass(frozen=True)
class SignalContract:
    """What a decoder expects of the signal: channels, unit, rate, filter, window.

    Attributes
    ----------
    channels
        Names in the model's order; None where unknown.
    reference
        ``as recorded``, ``average`` over ``channels``, the name of an electrode, or ``unknown``.
    unit
        Unit of a sample before scaling, e.g. ``uV``, or ``unknown``.
    sfreq
        Sampling rate in Hz, the recording's own; None where unknown.
    n_times, hop
        Length of a window and distance between decisions, in samples.
    filter, scaling
        What is done to the signal before windows are cut.
    classes
        Names of the classes in the order of the logits.
    input_quant
        Scale and zero point of the int8 input; None until the network is quantized.
    rename
        Name in a recording or stream = name here, for channels that are called otherwise there.
    uv_per_count
        µV that one count of the converter stands for, which a device needs; None where unknown.
    resampled_from
        Rate in Hz that the signal was resampled from before it came to us; None where it is as it
        was recorded. No device resamples as an offline tool does, so such a contract cannot be
        streamed.
    """

    channels: tuple[str, ...] | None
    reference: str
    unit: str
    sfreq: float | None
    filter: Filter
    scaling: Scaling
    n_times: int
    hop: int
    classes: tuple[str, ...]
    input_quant: Quant | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    uv_per_count: float | None = None
    resampled_from: float | None = None

    @property
    def n_chans(self) -> int | None:
        """The number of channels, where their names are known."""
        return None if self.channels is None else len(self.channels)

    def scale(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale windows (n, n_chans, n_times) in the contract's unit for the network.

        Moving standardization needs the signal before the window, so there it is part of what
        makes windows (:mod:`edge.signal.chain`) and nothing is left to do here.
        """
        if self.scaling.kind != "per_channel":
            return windows
        mean = np.array(self.scaling.mean, np.float32)[:, None]
        std = np.array(self.scaling.std, np.float32)[:, None]
        return np.asarray((windows - mean) / std, np.float32)

    def with_counts(self, uv_per_count: float | None) -> SignalContract:
        """Return the contract with what a count of the converter stands for.

        Raises
        ------
        IncompatibleError
            When it knows better.
        """
        if uv_per_count is None:
            return self
        if self.uv_per_count not in (None, uv_per_count):
            raise IncompatibleError(
                f"--uv-per-count is {uv_per_count:g} and the contract says {self.uv_per_count:g}. "
                f"Leave it out, or export with the right contract."
            )
        return replace(self, uv_per_count=uv_per_count)

    def fitted(self, windows: NDArray[np.float32]) -> SignalContract:
        """Return the contract with per-channel scaling fitted on training windows.

        Raises
        ------
        IncompatibleError
            When a channel is constant, so that it cannot be scaled.
        """
        if self.scaling.kind != "per_channel":
            return self
        mean = windows.mean((0, 2), dtype=np.float64)
        std = windows.std((0, 2), dtype=np.float64)
        flat = np.flatnonzero(std == 0)
        if len(flat):
            raise IncompatibleError(
                f"Channel {self.channel_name(int(flat[0]))} is constant in the training part, so "
                f"it cannot be scaled. Leave it out of the contract's channels."
            )
        fitted = Scaling("per_channel", tuple(_float32(mean)), tuple(_float32(std)))
        return replace(self, scaling=fitted)

    def unstreamable(self) -> tuple[str, ...]:
        """Say why a live signal cannot be what this decoder expects, if so."""
        unknown = [
            what
            for what, absent in (
                ("channels", self.channels is None),
                ("sampling rate", self.sfreq is None),
                ("unit", self.unit == UNKNOWN),
                ("reference", self.reference == UNKNOWN),
                ("filter", self.filter.kind == UNKNOWN),
                ("scaling", self.scaling.kind == UNKNOWN),
            )
            if absent
        ]
        reasons = [f"{what} unknown" for what in unknown]
        if self.resampled_from is not None:
            reasons.append(f"resampled offline from {self.resampled_from:g} Hz")
        return tuple(reasons)

    def channel_name(self, index: int) -> str:
        """Return a channel's name, or its number where names are unknown."""
        return str(index) if self.channels is None else self.channels[index]

    def refuse(self, windows: NDArray[np.float32], where: str, n_chans: int | None = None) -> None:
        """Raise unless ``windows`` are what this contract describes.

        ``n_chans`` is the model's number of channels, where the contract does not know it.

        Raises
        ------
        IncompatibleError
            Wrong shape, no window, or a sample that is not finite (which window, channel and
            sample).
        """
        n_chans = self.n_chans or n_chans
        if windows.ndim != 3:
            raise IncompatibleError(
                f"{where} has shape {windows.shape}; expected (windows, channels, samples)."
            )
        if windows.shape[2] != self.n_times or (
            n_chans is not None and windows.shape[1] != n_chans
        ):
            expected = f"(n, {n_chans or 'channels'}, {self.n_times})"
            raise IncompatibleError(f"{where} has shape {windows.shape}; expected {expected}.")
        if not len(windows):
            raise IncompatibleError(f"{where} holds no window.")
        finite = np.isfinite(windows)
        if not finite.all():
            window, channel, sample = (int(i) for i in np.argwhere(~finite)[0])
            raise IncompatibleError(
                f"{where} holds {windows[window, channel, sample]} in window {window}, channel "
                f"{self.channel_name(channel)}, sample {sample} ({(~finite).sum()} non-finite "
                f"samples in all). Cut or interpolate them first."
            )


def is_real(array: Any) -> bool:
    """Return whether an array holds integers or real numbers."""
    return np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)


def _float32(values: NDArray[np.float64]) -> Sequence[float]:
    return [float(value) for value in values.astype(np.float32)]
