# SPDX-License-Identifier: BSD-3-Clause
"""A writer of small GDF 2.20 files (Schlögl, arXiv:cs/0608052), for want of one in MNE."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MICROVOLTS = 4275
INT16, FLOAT64 = 3, 17


def write(
    path: Path,
    names: tuple[str, ...],
    samples: NDArray[np.float64],
    sfreq: int,
    events: list[tuple[int, int]],
    *,
    durations: list[int] | None = None,
    counts_of: float | None = None,
) -> Path:
    """Write (n_chans, n_samples) in µV, one-second records, and events (sample, code).

    Parameters
    ----------
    durations
        Of the events, in samples; none are written without them.
    counts_of
        Full scale in µV of samples of 16 bits, of which the least stands for what is missing, NaN
        in ``samples``; samples are doubles without it.
    """
    n_chans, n_samples = samples.shape
    n_records = n_samples // sfreq
    assert n_records * sfreq == n_samples
    head = b"GDF 2.20" + b"X X".ljust(66) + bytes(10 + 4) + b"".ljust(64)
    head += struct.pack("<4BIIi", 0, 0, 0, 0, 0, 0, 0) + struct.pack("<QQ", 0, 0)
    head += struct.pack("<H", 1 + n_chans) + bytes(6 + 8 + 6 + 6 + 12 + 12)
    head += struct.pack("<qIIHH", n_records, 1, 1, n_chans, 0)
    assert len(head) == 256
    limit = float(np.abs(samples).max()) + 1 if counts_of is None else counts_of
    digital = limit if counts_of is None else 32767.0
    kind = FLOAT64 if counts_of is None else INT16
    columns = (
        b"".join(name.encode().ljust(16, b"\0") for name in names),
        bytes((80 + 6) * n_chans),
        struct.pack(f"<{n_chans}H", *[MICROVOLTS] * n_chans),
        *(
            struct.pack(f"<{n_chans}d", *[value] * n_chans)
            for value in (-limit, limit, -digital, digital)
        ),
        bytes((68 + 12) * n_chans),
        struct.pack(f"<{n_chans}i", *[sfreq] * n_chans),
        struct.pack(f"<{n_chans}i", *[kind] * n_chans),
        bytes((12 + 20) * n_chans),
    )
    if counts_of is not None:
        samples = np.where(np.isnan(samples), -32767, np.round(samples * 32767 / counts_of))
    records = samples.reshape(n_chans, n_records, sfreq).transpose(1, 0, 2)
    table = (
        struct.pack("<B", 1 if durations is None else 3)
        + len(events).to_bytes(3, "little")
        + struct.pack("<f", sfreq)
    )
    table += struct.pack(f"<{len(events)}I", *(sample + 1 for sample, _ in events))
    table += struct.pack(f"<{len(events)}H", *(code for _, code in events))
    if durations is not None:
        table += bytes(2 * len(events)) + struct.pack(f"<{len(events)}I", *durations)
    body = np.ascontiguousarray(records, "<f8" if counts_of is None else "<i2").tobytes()
    path.write_bytes(head + b"".join(columns) + body + table)
    return path
