"""Causal filters as second-order sections, designed by scipy, run from rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edge.data.contract import Filter
from edge.errors import UsageError

NOTCH_QUALITY = 30.0


def band_pass(
    low_hz: float, high_hz: float, order: int, sfreq: float, notch_hz: float | None = None
) -> Filter:
    """A Butterworth band-pass, and a notch where asked.

    Raises
    ------
    UsageError
        When the edges do not fit the sampling rate.
    """
    nyquist = sfreq / 2
    if not 0 < low_hz < high_hz < nyquist:
        raise UsageError(
            f"Invalid filter: 0 < low_hz < high_hz < sfreq / 2 = {nyquist:g} Hz is needed, but got "
            f"low_hz = {low_hz:g} and high_hz = {high_hz:g} instead."
        )
    if notch_hz is not None and not 0 < notch_hz < nyquist:
        raise UsageError(
            f"Invalid filter: notch_hz lies between 0 and {nyquist:g} Hz, but got {notch_hz:g}."
        )
    sections = signal.butter(order, [low_hz, high_hz], "bandpass", fs=sfreq, output="sos")
    if notch_hz is not None:
        b, a = signal.iirnotch(notch_hz, NOTCH_QUALITY, fs=sfreq)
        sections = np.vstack([sections, signal.tf2sos(b, a)])
    sos = tuple(tuple(float(c) for c in section) for section in sections)
    return Filter("band_pass", low_hz, high_hz, order, notch_hz, sos)


def apply(settings: Filter, samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Filter a continuous recording (n_chans, n_samples) causally, in float64.

    The first sample is subtracted first: a band-pass removes a constant anyway, and starting at
    rest from zero then has no step to ring on. A device does the same with integers.
    """
    if settings.kind != "band_pass":
        return samples
    filtered = signal.sosfilt(np.array(settings.sos), samples - samples[:, :1], axis=1)
    return np.asarray(filtered)
