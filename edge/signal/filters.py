# SPDX-License-Identifier: BSD-3-Clause
"""Design causal filters as second-order sections with scipy, and run them from rest."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edge.errors import UsageError
from firmware_bridge.signal.contract import Filter

NOTCH_QUALITY = 30.0


def design(
    low_hz: float,
    high_hz: float | None,
    order: int,
    sfreq: float,
    notch_hz: float | None = None,
) -> Filter:
    """Design a Butterworth band-pass, or a high-pass without ``high_hz``, and a notch if asked.

    There is none without a lower edge: the offset of an electrode is a thousand times the signal.

    Raises
    ------
    UsageError
        When the edges do not fit the sampling rate.
    """
    nyquist = sfreq / 2
    if high_hz is None and not 0 < low_hz < nyquist:
        raise UsageError(
            f"Invalid filter: 0 < low_hz < sfreq / 2 = {nyquist:g} Hz is needed, but got low_hz = "
            f"{low_hz:g} instead."
        )
    if high_hz is not None and not 0 < low_hz < high_hz < nyquist:
        raise UsageError(
            f"Invalid filter: 0 < low_hz < high_hz < sfreq / 2 = {nyquist:g} Hz is needed, but got "
            f"low_hz = {low_hz:g} and high_hz = {high_hz:g} instead."
        )
    if notch_hz is not None and not 0 < notch_hz < nyquist:
        raise UsageError(
            f"Invalid filter: notch_hz lies between 0 and {nyquist:g} Hz, but got {notch_hz:g}."
        )
    if high_hz is None:
        sections = signal.butter(order, low_hz, "highpass", fs=sfreq, output="sos")
    else:
        sections = signal.butter(order, [low_hz, high_hz], "bandpass", fs=sfreq, output="sos")
    if notch_hz is not None:
        b, a = signal.iirnotch(notch_hz, NOTCH_QUALITY, fs=sfreq)
        sections = np.vstack([sections, signal.tf2sos(b, a)])
    sos = tuple(tuple(float(c) for c in section) for section in sections)
    kind: Literal["band_pass", "high_pass"] = "high_pass" if high_hz is None else "band_pass"
    return Filter(kind, low_hz, high_hz, order, notch_hz, sos)


class Running:
    """A filter that is fed piece by piece, in float64, with bits that do not depend on the cuts.

    The first sample is subtracted first: a filter with a lower edge removes a constant anyway, and
    starting at rest from zero then has no step to ring on. A device does the same with integers.
    """

    def __init__(self, settings: Filter) -> None:
        self.sos = np.array(settings.sos).reshape(-1, 6)
        self.first: NDArray[np.float64] | None = None
        self.state = np.zeros(0)

    def push(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filter the next samples (n_chans, n)."""
        if not len(self.sos):
            return samples
        if self.first is None:
            self.first = samples[:, :1].copy()
            self.state = np.zeros((len(self.sos), len(samples), 2))
        filtered, self.state = signal.sosfilt(self.sos, samples - self.first, axis=1, zi=self.state)
        return np.asarray(filtered)


def apply(settings: Filter, samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Filter a continuous recording (n_chans, n_samples) causally, from rest."""
    return Running(settings).push(samples)


def group_delay(settings: Filter, sfreq: float) -> tuple[float, float]:
    """Return the delay in seconds over the passband: its median, and the longest.

    The passband ends at -3 dB; a frequency at the notch does not belong to it.
    """
    sos = np.array(settings.sos).reshape(-1, 6)
    if not len(sos):
        return 0.0, 0.0
    frequencies = np.linspace(0, sfreq / 2, 4001)[1:-1]
    _, response = signal.freqz_sos(sos, frequencies, fs=sfreq)
    delay = sum(
        signal.group_delay((section[:3], section[3:]), frequencies, fs=sfreq)[1] for section in sos
    )
    inside = delay[np.abs(response) >= np.sqrt(0.5)] / sfreq
    return float(np.median(inside)), float(inside.max())
