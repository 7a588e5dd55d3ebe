# SPDX-License-Identifier: BSD-3-Clause
"""Read what the bundle's C costs on a board that is connected by a serial line.

The board runs the example of ``edge firmware --package``: it replays the golden vectors and prints
one line for programs and PASS. The figures are the board's own, by its own counter.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.emulate import engine
from benchmarks.measure.findings import About, Findings, Request, Result
from edge.bundle import types as bundle_types
from edge.bundle.read import Bundle
from edge.errors import AccuracyError, IncompatibleError, MissingToolError, UsageError
from edge.terminal.console import Console
from edge.terminal.options import needs
from quantize import plain

ADDRESS = ":PORT"
BAUD = 115_200
MARK = b"edge-replay "
TIMEOUT_S = 60.0
MAX_LINE = 4096
UNITS = ("cycles", "us", "ticks")
NOTES = (
    (
        "on the board: its own counter around each call; cycles are the processor's, us "
        "microseconds, ticks those of its timer"
    ),
    "push: the work of one sample of the streaming form; its longest is what an interrupt meets",
)


@dataclass(frozen=True)
class Replayed:
    """What the board says.

    Attributes
    ----------
    schema
        1.
    bundle
        sha256 of the manifest of the bundle that the firmware was made of.
    unit
        One of :data:`UNITS`; empty where nothing counts.
    window, push
        Calls, and the least, the mean and the most of them in ``unit``; None where nothing counts
        or the form is not there.
    """

    schema: int
    bundle: str
    unit: str
    window: tuple[int, int, int, int] | None
    push: tuple[int, int, int, int] | None
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def run(opened: Bundle, device: str, request: Request, console: Console) -> Findings:
    """Wait for the board's lines and return its figures.

    Raises
    ------
    UsageError
        When the port cannot be opened.
    MissingToolError
        When the board says nothing, or pyserial is not installed.
    IncompatibleError
        When the board runs another model, or its line cannot be read.
    AccuracyError
        When its logits are not the golden ones.
    """
    engine.refuse_others(opened, device, request)
    port = device.partition(":")[2]
    with console.waiting(f"waiting for {port}: press the board's reset"):
        said = listen(_lines(port, device), device)
    ours = plain.sha256((opened.folder / bundle_types.MANIFEST).read_bytes())
    if said.bundle != ours:
        raise IncompatibleError(
            f"The board on {port} runs a model of another bundle ({said.bundle:.12} and not "
            f"{ours:.12}). Type: edge firmware {opened.folder} --package KIND, build and flash it."
        )
    results = tuple(_results(said, engine.about(device)))
    skipped = {} if results else {"cost of a call": "the board has no cycle counter"}
    around = {"counter": said.unit or "none", "port": port}
    return Findings(results, NOTES, skipped, around=around)


def _results(said: Replayed, about: About) -> Iterator[Result]:
    for form, values in (("window", said.window), ("push", said.push)):
        if values is not None:
            calls, *figures = values
            for which, value in zip(("least", "mean", "most"), figures, strict=True):
                yield about.exact(f"{said.unit}_per_{form}_{which}", said.unit, value, calls)


def listen(lines: Iterator[bytes], device: str) -> Replayed:
    """Return what a board says before its PASS; what it prints besides is passed over.

    Raises
    ------
    AccuracyError
        When it says FAIL.
    IncompatibleError
        When its line is none of ours.
    MissingToolError
        When the lines end before.
    """
    said = None
    for line in lines:
        text = line.strip()
        if text.startswith(MARK):
            said = plain.validate(plain.parse(text[len(MARK) :], device), Replayed, device)
            if said.schema != 1 or (said.unit not in UNITS and (said.window or said.push)):
                raise IncompatibleError(
                    f"{device}: a line of schema {said.schema} in {said.unit!r:.40}, which this "
                    f"edge does not know. Flash an example that it wrote."
                )
        elif text.startswith(b"FAIL"):
            raise AccuracyError(
                f"{device}: the board says {text.decode('ascii', 'replace')!r:.120}."
            )
        elif text.startswith(b"PASS") and said is not None:
            return said
    raise MissingToolError(
        f"{device}: no replay was heard in {TIMEOUT_S:.0f} s. Flash the example of edge firmware "
        f"--package, and reset the board while edge bench waits."
    )


def _lines(port: str, device: str) -> Iterator[bytes]:
    """What comes from a port, line by line, until nothing was heard for long."""
    with needs("firmware"):
        import serial
    try:
        connection = serial.Serial(port, BAUD, timeout=1.0)
    except (serial.SerialException, ValueError, OSError) as error:
        number = getattr(error, "errno", None)
        why = str(error) if number is None else os.strerror(number)
        raise UsageError(
            f"Cannot open {port!r}: {why}. Type the port of the board, e.g. --device "
            f"serial:/dev/ttyACM0."
        ) from None
    with connection:
        until = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            try:
                yield connection.readline(MAX_LINE)
            except serial.SerialException as error:
                raise MissingToolError(f"{device}: the line broke: {error}.") from None
