# SPDX-License-Identifier: BSD-3-Clause
"""The streams of an XDF file: pyxdf loads them; which one is meant, and what its header says."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge.data.description import Channel, Samples, understood
from edge.data.formats._describe import unique
from edge.errors import MissingToolError, UsageError

WORDS = {"microvolts": "uV", "microvolt": "uV", "millivolts": "mV", "volts": "V"}
"""Units as LSL's conventions spell them."""

MAGIC = b"XDF:"

Stream = dict[str, Any]


def load(path: Path) -> tuple[list[Stream], list[str]]:
    """Every stream on one clock, and what pyxdf has to say, a line each.

    Raises
    ------
    MissingToolError, UsageError
        When pyxdf is not installed, or cannot make sense of the file.
    """
    try:
        import pyxdf
    except ImportError:
        raise MissingToolError(
            "Reading XDF needs pyxdf, which is not installed. Type: pip install 'eeg-edge[export]'"
        ) from None
    if path.suffix.lower() == ".xdf" and not _begins(path, MAGIC):
        raise UsageError(f"{str(path)!r} is not an XDF file: it does not begin with 'XDF:'.")
    with _heard("pyxdf") as said, np.errstate(all="ignore"):
        try:
            streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
        except Exception as error:  # pyxdf raises whatever it stumbles over
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(f"pyxdf cannot read {str(path)!r}: {first_line}") from error
    return list(streams), list(dict.fromkeys(said))


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(start)) == start


@contextmanager
def _heard(name: str) -> Iterator[list[str]]:
    """The first lines of what a package logs as a warning, instead of on the screen."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().strip().splitlines()[0])

    logger, listener = logging.getLogger(name), Listener(logging.WARNING)
    propagates = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagates


def field(stream: Stream, name: str) -> str:
    """A field of a stream's header; empty where it has none."""
    value = stream["info"].get(name) or [""]
    return str(value[0] or "")


def nominal(stream: Stream) -> float:
    """Return the rate in Hz that a stream's header says; 0 where it says none."""
    try:
        rate = float(field(stream, "nominal_srate") or 0)
    except ValueError:
        return 0.0
    return rate if 0 < rate < math.inf else 0.0


def samples(stream: Stream) -> Samples:
    """Return the samples (n, n_chans) of a stream of numbers; damaged ones may be NaN."""
    with np.errstate(invalid="ignore"):  # some bit patterns of NaN make numpy warn
        return np.asarray(stream["time_series"], np.float64)


def said(stream: Stream) -> str:
    return f"{field(stream, 'name')!r} (type {field(stream, 'type')!r})"


def matches(stream: Stream, text: str) -> bool:
    return text in (field(stream, key) for key in ("name", "type", "source_id"))


def signal(path: Path, streams: Sequence[Stream], asked: str | None) -> Stream:
    """The stream that is the signal."""
    regular = [s for s in streams if field(s, "channel_format") != "string" and nominal(s) > 0]
    if asked is None:
        found = [s for s in regular if field(s, "type").lower() == "eeg"]
    else:
        found = [s for s in streams if matches(s, asked)]
    if len(found) == 1 and field(found[0], "channel_format") != "string":
        return found[0]
    there = ", ".join(map(said, regular)) or "none with a rate"
    what = "of type 'EEG'" if asked is None else f"that is {asked!r}"
    raise UsageError(
        f"{str(path)!r} has {len(found)} streams of samples {what}; its streams are {there}. Name "
        f"one of them, or its source_id, under [file] in the contract, or as --arg of a replay: "
        f'stream = "…".'
    )


def channels(stream: Stream, sfreq: float) -> list[Channel]:
    """Labels and units of the stream's description, numbers where it has none."""
    n = int(field(stream, "channel_count"))
    desc = (stream["info"].get("desc") or [None])[0] or {}
    listed = ((desc.get("channels") or [None])[0] or {}).get("channel") or []
    if len(listed) != n:
        listed = [{}] * n
    labels = [str((one.get("label") or [""])[0] or i + 1) for i, one in enumerate(listed)]
    units = [str((one.get("unit") or [""])[0] or "") for one in listed]
    return [
        Channel(label, sfreq, unit, WORDS.get(unit.lower(), understood(unit)))
        for label, unit in zip(unique(labels), units, strict=True)
    ]
