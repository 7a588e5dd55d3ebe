# SPDX-License-Identifier: BSD-3-Clause
"""Define the plain values that flow through the pipeline; nothing heavy is imported here.

    ModelSpec -> FloatModel -> Chain -> QGraph -> Artifact(s) -> Bundle

All are frozen. Units are in the names of fields: ``_bytes``, ``_db``, and ``_steps`` for
quantization steps of logits (steps of 8 bits; of 16 bits where every integer has to be the same).
Shares lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

BRAINDECODE = "braindecode"
"""The rung that all others are compared with: braindecode's own forward pass in float32."""

Argument = int | float | bool | str | None


@dataclass(frozen=True)
class ModelSpec:
    """The name, sizes and constructor arguments of a network.

    Attributes
    ----------
    mode
        The network's name, as ``--model`` takes it: that of its family, or of its variant where the
        family has several.
    n_chans, n_times, n_outputs
        Channels and samples of a window, classes.
    arguments
        The other constructor arguments as in braindecode's ``config.json``; what is absent has
        braindecode's default.
    """

    mode: str
    n_chans: int
    n_times: int
    n_outputs: int
    arguments: Mapping[str, Argument] = field(default_factory=dict)

    def argument(self, name: str, default: int | float) -> int | float:
        """Return a numeric constructor argument, or its default."""
        value = self.arguments.get(name, default)
        return value if isinstance(value, int | float) else default


class Precision(StrEnum):
    """What a file computes in; part of its name."""

    FLOAT = "float"
    INT8 = "int8"


class Verdict(StrEnum):
    """How much of a network a target computes in int8: all, some, or it cannot run it."""

    FULL = "FULL"
    MIXED = "MIXED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True)
class Reason:
    """Why a node is not computed in int8, or cannot run at all.

    Attributes
    ----------
    node
        Name of the tensor that the operation writes.
    operation
        What it needs from the runtime.
    why
        Why it is not int8, in words.
    fix
        What a user can do, in words; empty where nothing helps.
    """

    node: str
    operation: str
    why: str
    fix: str = ""


MANY = 16
"""Operations of one part that are named each; of more their number is said."""


def describe(reasons: Iterable[Reason]) -> list[str]:
    """Write reasons as lines of text, nodes with the same reason together."""
    nodes: dict[tuple[str, str], list[str]] = {}
    for reason in reasons:
        nodes.setdefault((reason.why, reason.fix), []).append(reason.node)
    return [
        f"{_of_parts(names)}: {why}" + (f" ({fix})" if fix else "")
        for (why, fix), names in nodes.items()
    ]


def _of_parts(nodes: Iterable[str]) -> str:
    parts: dict[str, list[str]] = {}
    for node in nodes:
        parts.setdefault(node.partition(".")[0], []).append(node)
    return ", ".join(
        f"{part} ({len(names)} operations)" if len(names) > MANY else ", ".join(names)
        for part, names in parts.items()
    )


@dataclass(frozen=True)
class Artifact:
    """One file that a target wrote, or one folder of files, with its verdict.

    Attributes
    ----------
    target
        Which target wrote it.
    precision
        What it computes in.
    file
        Its name in the bundle.
    sha256, bytes
        Of the file, or of a folder's files one after the other in the order of their names.
    operations
        How many operations the graph has.
    float_operations
        Names of the operations that stay in float although int8 was asked for.
    verdict
        How much of it is int8.
    reasons
        Why the others stay in float.
    """

    target: str
    precision: Precision
    file: str
    sha256: str
    bytes: int
    operations: int
    float_operations: tuple[str, ...]
    verdict: Verdict
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Trial:
    """One choice of parts that stay in float, and how it decided on training windows.

    Attributes
    ----------
    float_parts
        Parts of the network that were left in float on purpose.
    float_macs
        What they cost, in multiply-accumulates a window.
    agreement
        Share of windows with float's decision, on the worst head of the targets.
    drop_points
        Accuracy lost against float, in percentage points.
    """

    float_parts: tuple[str, ...]
    float_macs: int
    agreement: float
    drop_points: float


@dataclass(frozen=True)
class Decision:
    """Which parts stay in float, and how that was found: what was wanted and tried.

    Attributes
    ----------
    wanted
        What the user asked for, in words.
    trials
        Everything that was tried, in order.
    float_parts
        The parts that stay in float on purpose.
    met
        Whether that gives what was wanted.
    """

    wanted: str
    trials: tuple[Trial, ...]
    float_parts: tuple[str, ...]
    met: bool


@dataclass(frozen=True)
class Proportion:
    """A share of windows with its 95 % Wilson interval.

    Attributes
    ----------
    count, n
        How many windows of how many.
    share, low, high
        The share and the ends of its interval, in [0, 1].
    """

    count: int
    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Parity:
    """How one form of the network compared with another on the same windows.

    Attributes
    ----------
    rung, reference
        Names of the runnable and of what it is compared with.
    n_windows
        Windows compared.
    sqnr_db
        ``10 log10(sum ref**2 / sum (ref - out)**2)`` over raw logits; None where they are equal.
    sqnr_median_window_db
        Median over windows of the same per window; None where most are equal.
    gain
        ``<ref, out> / <ref, ref>``.
    agreement
        Windows with the same argmax.
    max_steps, within_one_step
        Largest difference in quantization steps of the logits and the share of logits at most one
        step apart; None where a float network is compared.
    max_relative_error
        ``max|out - ref| / max|ref|``.
    noise_db
        SQNR of the int8 reference against float, where a runtime is compared with that reference:
        what its differences are small against, or are not.
    saturated
        Largest share of clipped values of any int8 tensor; None except where int8 is compared with
        float.
    repeatable
        Whether a second run gave the same bits.
    allowed_steps
        What ``max_steps`` may be where that is not two for one logit in a hundred: of a runtime
        that must equal the reference.
    """

    rung: str
    reference: str
    n_windows: int
    sqnr_db: float | None
    sqnr_median_window_db: float | None
    gain: float
    agreement: Proportion
    max_steps: float | None
    within_one_step: float | None
    max_relative_error: float
    noise_db: float | None
    saturated: float | None
    repeatable: bool
    allowed_steps: int | None = None


@dataclass(frozen=True)
class PairedAccuracy:
    """Whether an int8 artifact decides worse than the float model on the same labelled windows.

    Attributes
    ----------
    rung
        Target and precision.
    n_windows, gained, lost
        Windows compared, those that only the artifact gets right, and those that only float does.
    difference_points, low_points, high_points
        Accuracy of the artifact minus float's in percentage points, with its 95 % score interval.
    margin_points
        The loss that is asked about.
    answer
        ``yes``: it loses less than the margin; ``no``: it loses more; ``not enough windows``.
    need
        So many windows would decide; None where it is decided, or no number would.
    """

    rung: str
    n_windows: int
    gained: int
    lost: int
    difference_points: float
    low_points: float
    high_points: float
    margin_points: float
    answer: str
    need: int | None


@dataclass(frozen=True)
class Accuracy:
    """How many held-out, labelled windows one form of the network decided correctly.

    Attributes
    ----------
    rung, correct
        Name of the form, and its correct windows.
    balanced
        Mean over classes of the share that was recognized; None in bundles of before.
    kappa
        Cohen's kappa: 0 at chance, 1 when all is right; None in bundles of before.
    """

    rung: str
    correct: Proportion
    balanced: float | None = None
    kappa: float | None = None
