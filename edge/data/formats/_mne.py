# SPDX-License-Identifier: BSD-3-Clause
"""Share what the formats that MNE reads have in common: open a file, describe a ``Raw``."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.data.description import (
    JOINT_TEXTS,
    Annotation,
    Channel,
    Description,
    Samples,
    Span,
    split_at,
)
from edge.errors import MissingToolError, UsageError
from firmware_bridge.signal.contract import UNKNOWN

TRIGGER_BITS = 0xFFFF
"""Trigger codes are 16 bits wide; BioSemi keeps its own state in the bits above."""

SKIPPED = "bad_acq_skip"
"""In lower case, MNE's annotation of a stretch that was not recorded; it reads zeros there."""

HARMLESS = re.compile(
    "|".join(
        (
            "measurement date",
            "naming conventions",
            "(highpass|lowpass|different|hardware) ?.*filter",
            "cutoff frequency",
            "[cC]hannel (type|location|position)",
            "digitization|fiducial|montage|coordinate|head radius",
            "boundary",  # described as joints
            "outside data range|outside the data range",  # events outside give no window
            "[pP]hysical range is not defined|Scaling factor",  # a fault of the channel
            "patient information",
        )
    )
)
"""MNE's warnings that change no value, or that a description says in another way."""

VOLT = 107
"""FIFF's code of the unit volt."""


def import_mne() -> Any:
    """Return the package, or say which line installs it."""
    try:
        import mne
    except ImportError:
        raise MissingToolError(
            "Reading recordings needs MNE, which is not installed. "
            "Type: pip install 'eeg-edge[export]'"
        ) from None
    return mne


def call(path: Path, function: Callable[[], Any]) -> tuple[Any, tuple[str, ...]]:
    """Run one of MNE's readers; its result, and those of its warnings that matter, a line each.

    Raises
    ------
    UsageError
        With the first line of what it raised.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function()
        except Exception as error:  # MNE raises whatever its readers stumble over
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(f"MNE cannot read {str(path)!r}: {first_line}") from error
    said = dict.fromkeys(
        " ".join(str(warning.message).split())
        for warning in caught
        if issubclass(warning.category, RuntimeWarning)
    )
    return result, tuple(f"{path.name}: {text}" for text in said if not HARMLESS.search(text))


def describe(
    raw: Any,
    path: Path,
    channels: Sequence[Channel] | None = None,
    annotations: Sequence[Annotation] | None = None,
    joints: Iterable[int] = (),
    notes: tuple[str, ...] = (),
) -> Description:
    """Describe a ``Raw``.

    Parameters
    ----------
    channels, annotations
        Where the format knows more of them than MNE tells; MNE's without.
    joints
        Samples at which the recording begins anew, beside those that annotations mark.
    """
    sfreq = float(raw.info["sfreq"])
    texts = annotations_of(raw) if annotations is None else tuple(annotations)
    files = tuple(Path(name) for name in raw.filenames if name is not None)
    return Description(
        path=path,
        files=files or (path,),
        channels=channels_of(raw) if channels is None else tuple(channels),
        pieces=pieces_of(texts, joints, int(raw.n_times), sfreq),
        annotations=tuple(sorted((*texts, *triggers(raw)), key=lambda a: a.onset_s)),
        source=reading(raw),
        notes=notes,
    )


def reading(raw: Any) -> Callable[[Sequence[str], int, int], Samples]:
    """Return a function that reads a ``Raw``'s samples by the numbers of its channels."""
    numbers = {name: i for i, name in enumerate(raw.ch_names)}

    def read(names: Sequence[str], start: int, stop: int) -> Samples:
        picks = [numbers[name] for name in names]
        found: Samples = raw.get_data(picks, start=start, stop=stop, verbose="ERROR")
        return found

    return read


def channels_of(raw: Any) -> tuple[Channel, ...]:
    """Return channels as MNE knows them: in volts, or of no unit that is understood."""
    sfreq = float(raw.info["sfreq"])
    written = getattr(raw, "_orig_units", None) or {}
    return tuple(
        Channel(
            name=info["ch_name"],
            sfreq=sfreq,
            written_unit=str(written.get(info["ch_name"], "")),
            unit="V" if int(info["unit"]) == VOLT else UNKNOWN,
        )
        for info in raw.info["chs"]
    )


def annotations_of(raw: Any) -> tuple[Annotation, ...]:
    """Return annotations in seconds from the first sample, also of a cropped recording."""
    own = raw.annotations
    return tuple(
        Annotation(
            float(onset) - raw.first_time, float(np.nan_to_num(max(duration, 0.0))), str(text)
        )
        for onset, duration, text in zip(own.onset, own.duration, own.description, strict=True)
    )


def triggers(raw: Any) -> tuple[Annotation, ...]:
    """Return every trigger of a stimulus channel, its code as a text."""
    mne = import_mne()
    if not len(mne.pick_types(raw.info, meg=False, stim=True)):
        return ()
    events = mne.find_events(
        raw, shortest_event=1, mask=TRIGGER_BITS, mask_type="and", verbose="ERROR"
    )
    return tuple(
        Annotation(float(sample - raw.first_samp) / raw.info["sfreq"], 0.0, str(code))
        for sample, _, code in events
    )


def pieces_of(
    annotations: Iterable[Annotation], joints: Iterable[int], n_samples: int, sfreq: float
) -> tuple[Span, ...]:
    """Pieces between joints, without what was skipped."""
    found = set(joints)
    skipped = []
    for each in annotations:
        text = each.text.lower()
        if text not in JOINT_TEXTS:
            continue
        start = round(each.onset_s * sfreq)
        found.add(start)
        if text == SKIPPED:
            stop = round((each.onset_s + each.duration_s) * sfreq)
            found.add(stop)
            skipped.append((start, stop))
    pieces = split_at(sorted(found), n_samples, sfreq)
    return tuple(
        piece for piece in pieces if not any(a <= piece.samples(sfreq)[0] < b for a, b in skipped)
    )
