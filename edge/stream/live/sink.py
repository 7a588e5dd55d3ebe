# SPDX-License-Identifier: BSD-3-Clause
"""Send decisions on: as JSON lines to a file or stdout, or to the Lab Streaming Layer.

Every line is written and flushed as soon as it is known, so that nothing is lost however the
program ends.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from edge.errors import MissingToolError, UsageError

Line = Mapping[str, Any]

LSL = "lsl:"
"""How ``--output`` names a stream."""


class Sink(Protocol):
    """Something that takes lines of plain data, whose ``kind`` says what each is."""

    def write(self, line: Line) -> None:
        """Take one line."""

    def close(self) -> None:
        """Close the sink; no more lines will come."""


def rounded(value: Any) -> Any:
    """Return plain data with floats to six significant digits, arrays as lists."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        return rounded(value.tolist())
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return value


def text(line: Line) -> str:
    """Return a line as JSON."""
    return json.dumps(rounded(line), ensure_ascii=False, allow_nan=False)


class Printed:
    """A sink that hands JSON lines to a function that prints."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write_text = write

    def write(self, line: Line) -> None:
        """Print one line."""
        self.write_text(text(line))

    def close(self) -> None:
        """Do nothing, since stdout stays open."""


class JsonLines:
    """A sink that writes JSON lines to a file, each handed to the operating system at once.

    The file is begun with the first line, so that a source that is refused leaves an older one be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: FileIO | None = None

    def write(self, line: Line) -> None:
        """Write one line."""
        rest = (text(line) + "\n").encode()
        try:
            self.file = self.file or self.path.open("wb", buffering=0)
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Wait until the disk has it."""
        if self.file is None:
            return
        with contextlib.suppress(OSError):  # a pipe or a terminal has no disk
            os.fsync(self.file.fileno())
        self.file.close()

    def _failure(self, error: OSError) -> UsageError:
        return UsageError(f"Cannot write --output {str(self.path)!r}: {error.strerror}.")


class LslStream:
    """A stream with a channel for each class (averaged probability) and one for the decision.

    The decision is the class's number from 0, or -1 for none; probabilities are 0 then if there are
    none.
    """

    def __init__(self, name: str, classes: tuple[str, ...], rate_hz: float) -> None:
        try:
            from mne_lsl.lsl import StreamInfo, StreamOutlet
        except ImportError:
            raise MissingToolError(
                "--output lsl:NAME needs mne-lsl, which is not installed. "
                "Type: pip install 'eeg-edge[stream]'"
            ) from None
        self.n_classes = len(classes)
        names = [*classes, "decision"]
        info = StreamInfo(name, "Decision", len(names), rate_hz, "float32", f"edge-{name}")
        info.set_channel_names(names)
        self.outlet = StreamOutlet(info)

    def write(self, line: Line) -> None:
        """Send a decision; other lines have no place in a stream of numbers."""
        if line["kind"] != "decision":
            return
        import numpy as np

        shares = line["smoothed"]
        choice = -1 if line["choice"] is None else line["choice"]
        values = [*([0.0] * self.n_classes if shares is None else shares), choice]
        self.outlet.push_sample(np.array(values, np.float32))

    def close(self) -> None:
        """End the stream."""
        del self.outlet
