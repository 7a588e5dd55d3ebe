# SPDX-License-Identifier: BSD-3-Clause
"""Define what a bundle holds: the names of its files, and its manifest.

A bundle is one folder with everything that firmware, a Raspberry Pi or a reviewer needs:
``manifest.json`` (what it is and what was measured), ``contract.json``, ``config.json`` and
``model.safetensors`` (the float model), ``qgraph.json`` and ``qgraph.npz``, ``golden.npz``,
``decisions.npz`` (every rung's class of every held-out window), where it was asked for
``sensitivity.json`` and ``.svg``, and ``model.<target>.<precision>.<suffix>``, or a folder where an
artifact is several files (``c/``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from edge.errors import UsageError
from edge.spec import Accuracy, Artifact, Decision, ModelSpec, PairedAccuracy, Parity, Precision
from quantize import plain
from quantize.graph.bounds import Accumulator
from quantize.recipe import Recipe

MANIFEST = "manifest.json"
CONTRACT = "contract.json"
GOLDEN = "golden.npz"
DECISIONS = "decisions.npz"
TENSORS = "tensors.json"
SENSITIVITY = "sensitivity.json"
SENSITIVITY_FIGURE = "sensitivity.svg"
QGRAPH = "qgraph"
SIGNATURE = "model.sig"
UNLISTED = frozenset({SIGNATURE})
"""Files that a manifest does not list, since they come after it."""

LOGITS = "logits/"
"""Prefix of a rung's logits in the golden vectors; what else is given out is under its own name."""
STORED = "logits_int16"
"""The integer reference's logits in the golden vectors."""
LABELS = "labels"
DECISION = "decision/"
"""Prefix of a rung's decisions on every window that was compared."""

REFERENCE = "reference"
FLOAT = "float"


@dataclass(frozen=True)
class DataRecord:
    """What a bundle was calibrated and measured on.

    Attributes
    ----------
    spec
        The ``--data`` argument, or ``arrays``.
    simulated
        Whether the signal was made in code.
    split
        Which groups were held out, in words.
    scaling
        The contract's kind of scaling.
    n_calibration, n_held_out
        How many windows calibrated, and how many were compared.
    majority_share
        The most frequent class's share of the held-out windows; None in older bundles.
    left_out
        How many labelled windows touch a span marked bad; 0 in older bundles.
    """

    spec: str
    simulated: bool
    split: str
    scaling: str
    n_calibration: int
    n_held_out: int
    majority_share: float | None = None
    left_out: int = 0


@dataclass(frozen=True)
class Output:
    """Something that every file gives beside the logits, and how it compared.

    Attributes
    ----------
    shape
        (n_channels, n_times) of a window's values; one after the other in PyTorch's order they are
        a row of what ``edge run`` writes. Artifacts hold them in the layout of their input.
    parity
        As for the logits; ``agreement`` is of the largest value.
    """

    shape: tuple[int, int]
    parity: tuple[Parity, ...]


@dataclass(frozen=True)
class Manifest:
    """What a bundle is and what was measured; no dates, so that bytes repeat.

    Version 1 had logits of 8 bits.

    Attributes
    ----------
    model
        The mode, sizes and arguments of the network.
    source
        Where the float model came from, in words.
    data
        What it was calibrated and measured on.
    recipe
        How it was quantized; None in a bundle without int8.
    artifacts
        Every file for a runtime, with its verdict.
    parity
        How every form of the network compared with the form before it.
    accuracy
        How many held-out windows every form decided correctly.
    files
        The sha256 of every other file of the bundle, by name.
    versions
        The versions of the packages that made it.
    generator
        Hash of the code that wrote the C, of :func:`edge.targets.c.generator`; absent where there
        is no C, and in older bundles.
    policy
        How the parts that stay in float were chosen; None in a bundle without int8.
    others
        What files give beside the logits, by name; absent where that is nothing.
    paired
        Whether int8 decides worse than float; absent without int8 and in older bundles.
    accumulators
        How large the sums of the integer graph can become, and the ranges that this was proved for;
        absent without int8 and in older bundles.
    """

    SCHEMA_VERSION: ClassVar[int] = 2

    model: ModelSpec
    source: str
    data: DataRecord
    recipe: Recipe | None
    artifacts: tuple[Artifact, ...]
    parity: tuple[Parity, ...]
    accuracy: tuple[Accuracy, ...]
    files: Mapping[str, str]
    versions: Mapping[str, str]
    policy: Decision | None = None
    generator: str = field(default="", metadata=plain.IF_ANY)
    others: Mapping[str, Output] = field(default_factory=dict, metadata=plain.IF_ANY)
    paired: tuple[PairedAccuracy, ...] = field(default=(), metadata=plain.IF_ANY)
    accumulators: tuple[Accumulator, ...] = field(default=(), metadata=plain.IF_ANY)

    def artifact(self, target: str, precision: str | None) -> Artifact:
        """Return the artifact of a target; int8 where nothing else was asked for.

        Raises
        ------
        UsageError
            When there is none.
        """
        found = [a for a in self.artifacts if a.target == target]
        if precision is not None:
            found = [a for a in found if a.precision == precision]
        if not found:
            there = ", ".join(f"{a.target} ({a.precision})" for a in self.artifacts)
            wanted = target if precision is None else f"{target} ({precision})"
            raise UsageError(f"The bundle has no artifact {wanted}; it has {there}.")
        return max(found, key=lambda a: a.precision == Precision.INT8)
