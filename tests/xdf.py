# SPDX-License-Identifier: BSD-3-Clause
"""A writer of small XDF files (https://github.com/sccn/xdf/wiki/Specifications), for tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FORMATS = {"float32": "<f4", "double64": "<f8", "int16": "<i2"}
CHUNK = 32
"""Samples of a chunk."""


@dataclass(frozen=True)
class Stream:
    """A stream: samples (n, n_chans), or a text for each time.

    Attributes
    ----------
    rate
        As its header says; 0 for irregular.
    clock_s
        What its clock is behind the recorder's, measured every five seconds.
    channels
        Label and unit of each channel; none written where empty.
    """

    name: str
    kind: str
    rate: float
    times_s: NDArray[np.float64]
    values: NDArray[np.float64] | Sequence[str]
    fmt: str = "float32"
    clock_s: float = 0.0
    channels: Sequence[tuple[str, str]] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


def write(path: Path, streams: Sequence[Stream]) -> Path:
    """Write a file as LabRecorder does: headers, chunks of samples, clock offsets, footers."""
    body = b"XDF:" + chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    for number, stream in enumerate(streams, 1):
        body += chunk(2, struct.pack("<I", number) + header(stream))
    for number, stream in enumerate(streams, 1):
        for start in range(0, len(stream.times_s), CHUNK):
            body += chunk(3, struct.pack("<I", number) + samples(stream, start))
        times = stream.times_s if len(stream.times_s) else np.zeros(1)
        for at in np.arange(times[0] - 5, times[-1] + 10, 5.0):
            body += chunk(4, struct.pack("<Idd", number, at, stream.clock_s))
    for number, stream in enumerate(streams, 1):
        body += chunk(6, struct.pack("<I", number) + footer(stream))
    path.write_bytes(body)
    return path


def chunk(tag: int, content: bytes) -> bytes:
    """A chunk with its length before it."""
    return b"\x04" + struct.pack("<I", 2 + len(content)) + struct.pack("<H", tag) + content


def header(stream: Stream) -> bytes:
    """A stream's meta-data."""
    n = 1 if stream.fmt == "string" else np.shape(stream.values)[1]
    labels = "".join(
        f"<channel><label>{label}</label><unit>{unit}</unit><type>EEG</type></channel>"
        for label, unit in stream.channels
    )
    desc = f"<desc><channels>{labels}</channels></desc>" if labels else "<desc />"
    extra = "".join(f"<{key}>{value}</{key}>" for key, value in stream.extra.items())
    return (
        f"<?xml version='1.0'?><info><name>{stream.name}</name><type>{stream.kind}</type>"
        f"<channel_count>{n}</channel_count><nominal_srate>{stream.rate}</nominal_srate>"
        f"<channel_format>{stream.fmt}</channel_format>{extra}"
        f"<created_at>50942.723319709003</created_at>{desc}</info>"
    ).encode()


def samples(stream: Stream, start: int) -> bytes:
    """One chunk's samples, each with its time."""
    stop = min(start + CHUNK, len(stream.times_s))
    content = b"\x04" + struct.pack("<I", stop - start)
    for i in range(start, stop):
        content += b"\x08" + struct.pack("<d", stream.times_s[i])
        value = stream.values[i]
        if isinstance(value, str):
            content += b"\x04" + struct.pack("<I", len(value.encode())) + value.encode()
        else:
            content += np.asarray(value).astype(FORMATS[stream.fmt]).tobytes()
    return content


def footer(stream: Stream) -> bytes:
    """First and last time, and how many."""
    times = stream.times_s if len(stream.times_s) else np.zeros(1)
    return (
        f"<?xml version='1.0'?><info><first_timestamp>{times[0]}</first_timestamp>"
        f"<last_timestamp>{times[-1]}</last_timestamp>"
        f"<sample_count>{len(stream.times_s)}</sample_count></info>"
    ).encode()
