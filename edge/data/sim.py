# SPDX-License-Identifier: BSD-3-Clause
"""Simulate motor imagery in code, from a seed; the result is always called simulated.

There is one continuous recording for each session, as a headset would deliver it: a pink background
from sources all over the scalp, an occipital alpha, mu (11 Hz) and beta (21 Hz) rhythms over the
motor strip that wax and wane, electrode offsets, line noise and blinks. Imagining a movement
desynchronizes the rhythms over its area: left hand C4, right hand C3, feet Cz, tongue the lower
strip on both sides (Pfurtscheller & Lopes da Silva 1999). How much differs from trial to trial,
which is what limits a decoder; the constants below put a float model at 75-90 % of four classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from edge.data.dataset import Dataset, Recording, from_recordings
from edge.errors import IncompatibleError, UsageError, listing
from edge.signal import chain
from edge.signal.contract_file import ContractFile, FilterSection, SignalSection, WindowSection
from firmware_bridge.signal.contract import SignalContract

CLASSES = ("left hand", "right hand", "feet", "tongue")

# fmt: off
CHANNELS_2A = (
    "Fz", "FC3", "FC1", "FCz", "FC2", "FC4", "C5", "C3", "C1", "Cz", "C2",
    "C4", "C6", "CP3", "CP1", "CPz", "CP2", "CP4", "P1", "Pz", "P2", "POz",
)
# fmt: on
"""The 22 electrodes of BCI Competition IV 2a."""

DEFAULT = ContractFile(
    signal=SignalSection(channels=CHANNELS_2A, sfreq=250.0),
    window=WindowSection(n_times=1000),
    filter=FilterSection(low_hz=4.0, high_hz=40.0),
)

N_SESSIONS = 3
TRIALS_PER_CLASS = 60
PAUSE_S = (1.5, 2.5)

BACKGROUND_UV = 9.0
SENSOR_UV = 1.0
N_BACKGROUND_SOURCES = 40
BACKGROUND_WIDTH = 0.55  # rad, of a source's Gaussian map on the unit sphere
ALPHA_UV = 6.0
MU_UV = 5.5
BETA_UV = 2.2
RHYTHM_WIDTH = 0.28
DESYNCHRONIZATION = (0.46, 0.25)  # mean and SD over trials of the share of amplitude lost
IPSILATERAL = 0.3  # of the contralateral desynchronization
LINE_UV = 2.0
BLINK_UV = 120.0
BLINKS_PER_S = 0.15
OFFSET_UV = 5000.0

SITES = {"C3": (0,), "C4": (1,), "Cz": (2,), "FC5": (3,), "FC6": (3,)}
"""Electrode over an area, and the index into :func:`_desynchronization`'s areas."""
AREA_OF_CLASS = {0: {1: 1.0, 0: IPSILATERAL}, 1: {0: 1.0, 1: IPSILATERAL}, 2: {2: 1.0}, 3: {3: 1.0}}
"""Class -> areas that desynchronize and how strongly."""


@dataclass(frozen=True)
class _Trial:
    onset: int
    label: int


MAX_SAMPLES = 1 << 25
"""Most samples of a simulated session, over all channels; the default has 8 million."""


def read(spec: str, seed: int, file: ContractFile | None = None) -> Dataset:
    """Simulate all sessions and cut their windows.

    Parameters
    ----------
    file
        Channels (any of the 10-10 system), rate, filter and window; the 22 electrodes of 2a at
        250 Hz, 4-40 Hz and 4 s without it. Events are the simulation's own.

    Raises
    ------
    IncompatibleError
        When a channel has no place in the 10-10 system.
    """
    return _sessions(spec, seed, file, range(N_SESSIONS))


def beyond(spec: str, seed: int, file: ContractFile | None, n_windows: int) -> Dataset:
    """Simulate further sessions, none of which :func:`read` gives.

    Parameters
    ----------
    n_windows
        At least so many windows, in whole sessions.
    """
    n_sessions = math.ceil(n_windows / (TRIALS_PER_CLASS * len(CLASSES)))
    return _sessions(spec, seed, file, range(N_SESSIONS, N_SESSIONS + n_sessions))


def _sessions(spec: str, seed: int, file: ContractFile | None, numbers: range) -> Dataset:
    settings = file or DEFAULT
    if settings.signal.unit != "uV":
        raise UsageError(
            f"Simulated signals are in 'uV', but the contract says {settings.signal.unit!r}."
        )
    contract = _contract(settings)
    recordings = [
        _session(f"session{i + 1}", np.random.default_rng([seed, i]), contract) for i in numbers
    ]
    shifts = tuple(round(shift * settings.signal.sfreq) for shift in settings.window.shifts_s)
    return from_recordings(spec, recordings, contract, simulated=True, shifts=shifts)


def _contract(file: ContractFile) -> SignalContract:
    return replace(file.contract(), classes=CLASSES)


def positions(channels: tuple[str, ...]) -> NDArray[np.float64]:
    """Return unit vectors from the head's centre to electrodes of the 10-10 system, (n, 3)."""
    places = _electrodes()
    missing = [name for name in channels if name not in places]
    if missing:
        raise IncompatibleError(
            f"Cannot simulate channel {listing(missing)}: not an electrode of the 10-10 system."
        )
    centre = np.mean([places[name] for name in ("T7", "T8", "Fpz", "Oz")], axis=0)
    vectors = np.array([places[name] for name in channels]) - centre
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@cache
def _electrodes() -> dict[str, NDArray[np.float64]]:
    import mne

    offered = mne.channels.get_builtin_montages()
    name = "colin27_1005" if "colin27_1005" in offered else "standard_1005"  # renamed in 1.13
    places: dict[str, NDArray[np.float64]] = mne.channels.make_standard_montage(
        name
    ).get_positions()["ch_pos"]
    return places


def _session(name: str, rng: np.random.Generator, contract: SignalContract) -> Recording:
    assert contract.channels is not None
    assert contract.sfreq is not None
    sfreq = contract.sfreq
    electrodes = positions(contract.channels)
    trials, n_samples = _schedule(rng, sfreq, contract.n_times)
    if n_samples * len(electrodes) > MAX_SAMPLES:
        raise IncompatibleError(
            f"A simulated session of {len(electrodes)} channels at {sfreq:g} Hz has "
            f"{n_samples * len(electrodes):,} samples, at most {MAX_SAMPLES:,} are made. Correct "
            f"the contract's sfreq or n_times."
        )
    samples = _background(rng, electrodes, n_samples, sfreq)
    samples += _rhythms(rng, electrodes, trials, n_samples, sfreq, contract.n_times)
    samples += _artifacts(rng, electrodes, n_samples, sfreq)
    filtered = chain.apply(contract, samples)
    return Recording(
        name,
        filtered,
        np.array([trial.onset for trial in trials], np.int64),
        np.array([trial.label for trial in trials], np.int64),
    )


def _schedule(rng: np.random.Generator, sfreq: float, n_times: int) -> tuple[list[_Trial], int]:
    labels = rng.permutation(np.repeat(np.arange(len(CLASSES)), TRIALS_PER_CLASS))
    pauses = np.round(rng.uniform(*PAUSE_S, len(labels) + 1) * sfreq).astype(int)
    onsets = np.cumsum(pauses[:-1]) + n_times * np.arange(len(labels))
    trials = [_Trial(int(onset), int(label)) for onset, label in zip(onsets, labels, strict=True)]
    return trials, int(onsets[-1] + n_times + pauses[-1])


def _map(
    electrodes: NDArray[np.float64], place: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """How strongly each electrode sees a source: Gaussian in the angle between them."""
    angle = np.arccos(np.clip(electrodes @ place, -1, 1))
    return np.asarray(np.exp(-0.5 * (angle / width) ** 2))


def _shaped_noise(
    rng: np.random.Generator, count: int, n_samples: int, shape: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(count, n_samples) Gaussian noise with an amplitude spectrum, unit RMS."""
    parts = rng.standard_normal((2, count, len(shape)), np.float32) * shape.astype(np.float32)
    noise = fft.irfft(parts[0] + 1j * parts[1], n=fft.next_fast_len(n_samples), axis=1)
    noise = noise[:, :n_samples]
    return np.asarray(noise / noise.std(axis=1, keepdims=True), np.float32)


def _frequencies(n_samples: int, sfreq: float) -> NDArray[np.float64]:
    """Bins for :func:`_shaped_noise`, of a length that transforms fast."""
    return np.asarray(fft.rfftfreq(fft.next_fast_len(n_samples), 1 / sfreq))


def _background(
    rng: np.random.Generator, electrodes: NDArray[np.float64], n_samples: int, sfreq: float
) -> NDArray[np.float64]:
    frequencies = _frequencies(n_samples, sfreq)
    pink = 1 / np.sqrt(np.maximum(frequencies, 0.5))
    sources = _shaped_noise(rng, N_BACKGROUND_SOURCES, n_samples, pink)
    places = rng.standard_normal((N_BACKGROUND_SOURCES, 3))
    places[:, 2] = np.abs(places[:, 2])
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    mixing = np.stack([_map(electrodes, place, BACKGROUND_WIDTH) for place in places], axis=1)
    mixing *= BACKGROUND_UV / np.sqrt((mixing**2).sum(1).mean())
    sensor = SENSOR_UV * rng.standard_normal((len(electrodes), n_samples), np.float32)
    return np.asarray(mixing.astype(np.float32) @ sources + sensor, np.float64)


def _band(frequencies: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * ((frequencies - centre) / width) ** 2))


def _rhythms(
    rng: np.random.Generator,
    electrodes: NDArray[np.float64],
    trials: list[_Trial],
    n_samples: int,
    sfreq: float,
    n_times: int,
) -> NDArray[np.float64]:
    frequencies = _frequencies(n_samples, sfreq)
    mu, beta = _band(frequencies, 11, 1.2), _band(frequencies, 21, 2.5)
    total = np.zeros((len(electrodes), n_samples))
    modulation = _desynchronization(rng, trials, n_samples, sfreq, n_times)
    for site, place in zip(SITES, positions(tuple(SITES)), strict=True):
        activity = (
            MU_UV * _shaped_noise(rng, 1, n_samples, mu)[0]
            + BETA_UV * _shaped_noise(rng, 1, n_samples, beta)[0]
        )
        area = SITES[site][0]
        total += np.outer(_map(electrodes, place, RHYTHM_WIDTH), activity * modulation[area])
    alpha = ALPHA_UV * _shaped_noise(rng, 1, n_samples, _band(frequencies, 10, 1.0))[0]
    total += np.outer(_map(electrodes, positions(("Oz",))[0], 0.6), alpha)
    return total


def _desynchronization(
    rng: np.random.Generator,
    trials: list[_Trial],
    n_samples: int,
    sfreq: float,
    n_times: int,
) -> NDArray[np.float64]:
    """(n_areas, n_samples) factors on the rhythms of each area, 1 at rest."""
    modulation = np.ones((len(CLASSES), n_samples))
    ramp = np.clip((np.arange(n_times) / sfreq - 0.4) / 0.4, 0, 1)
    for trial in trials:
        depth = np.clip(rng.normal(*DESYNCHRONIZATION), 0, 0.95)
        during = slice(trial.onset, trial.onset + n_times)
        for area, strength in AREA_OF_CLASS[trial.label].items():
            modulation[area, during] *= 1 - strength * depth * ramp
    return modulation


def _artifacts(
    rng: np.random.Generator, electrodes: NDArray[np.float64], n_samples: int, sfreq: float
) -> NDArray[np.float64]:
    times = np.arange(n_samples) / sfreq
    line = np.sin(2 * np.pi * 50 * times + rng.uniform(0, 2 * np.pi))
    total = np.outer(LINE_UV * rng.lognormal(0, 0.4, len(electrodes)), line)
    total += rng.uniform(-OFFSET_UV, OFFSET_UV, (len(electrodes), 1))
    blink = np.hanning(round(0.35 * sfreq))
    blinks = np.zeros(n_samples)
    for start in rng.integers(0, n_samples - len(blink), rng.poisson(BLINKS_PER_S * times[-1])):
        blinks[start : start + len(blink)] += rng.uniform(0.6, 1.4) * blink
    total += np.outer(BLINK_UV * _map(electrodes, positions(("Fpz",))[0], 0.5), blinks)
    return total
