# SPDX-License-Identifier: BSD-3-Clause
"""Prepare a bundle's C engine for runners that compile it themselves."""

from __future__ import annotations

from benchmarks.emulate.cost import Case, case_of
from benchmarks.measure.findings import About, Request
from edge.bundle.read import Bundle
from edge.errors import AccuracyError, UsageError
from edge.spec import Precision
from quantize.graph.qgraph import FINER

TARGET = "c"
INSTRUCTIONS = (
    "instructions_per_window: of the worst of the golden windows, emulated, the same in every run; "
    "instructions are not cycles and not time"
)
SIZES = (
    "ram_bytes: state, scratch and stack, without the caller's window; code_bytes: code and "
    "constants without weights"
)
CYCLES = (
    "cycles_per_window: modelled from the instructions that were executed, zero wait states; the "
    "interval is what the model earned on functions measured on silicon"
)
NOTES = (INSTRUCTIONS, SIZES)
"""What figures of emulated devices mean."""


def targets(opened: Bundle) -> tuple[str, ...]:
    """Return ``c`` if the bundle has an integer graph to write it from."""
    return () if opened.manifest.recipe is None else (TARGET,)


def is_asked(request: Request) -> bool:
    """Return whether the C engine takes part."""
    return not request.targets or TARGET in request.targets


def case(opened: Bundle, device: str, request: Request) -> Case:
    """Return the engine and its golden vectors, for a device that runs nothing else.

    Raises
    ------
    UsageError
        When another target is asked for, or the bundle holds a float network only.
    """
    refuse_others(opened, device, request)
    return case_of(opened.folder)


def refuse_others(opened: Bundle, device: str, request: Request) -> None:
    """Raise if anything but the C engine is asked for, which is all that a device runs.

    Raises
    ------
    UsageError
        With the line to type.
    """
    others = [name for name in request.targets if name != TARGET]
    if others:
        raise UsageError(
            f"{device} runs the C engine, it has no {others[0]}. "
            f"Type: edge bench {opened.folder} --device {device} --target {TARGET}"
        )


def about(device: str) -> About:
    """Return what figures of the engine have in common."""
    return About(TARGET, Precision.INT8, device)


def allowed_steps(case: Case) -> int:
    """Return how far logits may lie from the reference's: one step behind a float gate."""
    return FINER if case.graph.float_nodes() else 0


def refuse_steps(case: Case, max_steps: int, device: str) -> None:
    """Raise if logits are not the golden ones.

    Raises
    ------
    AccuracyError
        With the distance.
    """
    if max_steps > allowed_steps(case):
        raise AccuracyError(
            f"The C engine's logits on {device} lie up to {max_steps} quantization steps from the "
            f"golden vectors; {allowed_steps(case)} are allowed."
        )
