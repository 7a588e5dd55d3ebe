# SPDX-License-Identifier: BSD-3-Clause
"""Describe samples that lie in memory, as formats that are text give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.data.description import (
    PER_VOLT,
    Annotation,
    Channel,
    Description,
    Samples,
    split_at,
)
from firmware_bridge.signal.contract import UNKNOWN


def described(
    path: Path,
    channels: Sequence[Channel],
    samples: Samples,
    joints: Sequence[int],
    annotations: Sequence[Annotation],
    notes: Sequence[str] = (),
) -> Description:
    """Describe a recording of channels that share a rate.

    Parameters
    ----------
    samples
        (n_chans, n) in the unit of each channel, or the file's own numbers where it is unknown.
    joints
        Samples at which the signal begins anew.
    """
    sfreq = channels[0].sfreq
    row = {channel.name: i for i, channel in enumerate(channels)}
    per_volt = [1.0 if c.unit == UNKNOWN else PER_VOLT[c.unit] for c in channels]

    def read(names: Sequence[str], start: int, stop: int) -> Samples:
        picked = [row[name] for name in names]
        found: Samples = samples[picked, start:stop].copy()
        for i, which in enumerate(picked):
            found[i] /= per_volt[which]
        return found

    return Description(
        path=path,
        files=(path,),
        channels=tuple(channels),
        pieces=split_at(joints, samples.shape[1], sfreq),
        annotations=tuple(sorted(annotations, key=lambda a: a.onset_s)),
        source=read,
        notes=tuple(notes),
    )


def unique(names: Sequence[str]) -> list[str]:
    """Make names unique as MNE does, by a number behind those that occur more than once."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        if names.count(name) == 1:
            found.append(name)
            continue
        seen[name] = seen.get(name, -1) + 1
        found.append(f"{name}-{seen[name]}")
    return found
