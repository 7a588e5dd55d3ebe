# SPDX-License-Identifier: BSD-3-Clause
"""Compare two forms of a network on the same windows, in quantization steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.scores import scores
from edge.spec import Accuracy, Parity, Proportion
from quantize.graph import reference
from quantize.graph.measures import FLOOR_DB, sqnr_db
from quantize.graph.qgraph import LOGITS, AveragePool, Conv, Mean, Multiply, Node, QGraph

Logits = NDArray[np.float32]

Z95 = 1.959963984540054

FLOAT_TOLERANCE = 1e-4
"""Largest ``max|difference| / max|reference|`` between two float networks."""
MAX_STEPS = 2.0
WITHIN_ONE_STEP = 0.99
"""An int8 runtime against the reference: at least this share within one step, none beyond two."""
NOISY_STEPS = 16.0
"""No runtime may be further off than this, however noisy the network: a sixteenth of the range."""
MEDIAN_SQNR_DB = 15.0
GAIN = (0.9, 1.1)
SATURATED = 0.05
"""int8 against float: less than this is not a quantized copy of the network but a broken one."""


def title(rung: str, output: str) -> str:
    """Return the name of a rung where one of its outputs is compared."""
    return rung if output == LOGITS else f"{rung} {output}"


def wilson(count: int, n: int) -> Proportion:
    """Return a share with its 95 % score interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
    if n == 0:
        return Proportion(0, 0, 0.0, 0.0, 1.0)
    share = count / n
    centre = share + Z95**2 / (2 * n)
    spread = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    low = (centre - spread) / scale if count > 0 else 0.0
    high = (centre + spread) / scale if count < n else 1.0
    return Proportion(count, n, share, low, high)


def median_window_sqnr_db(ref: Logits, out: Logits) -> float | None:
    """Median over windows of :func:`sqnr_db`; None where at least half of them are equal."""
    each = [sqnr_db(a, b) for a, b in zip(ref, out, strict=True)]
    middle = float(np.median([math.inf if value is None else value for value in each]))
    return None if math.isinf(middle) else middle


def steps_apart(ref: Logits, out: Logits, step: float) -> NDArray[np.float64]:
    """Return how many whole quantization steps logits lie apart, rounded or not."""
    return np.rint(np.abs(out.astype(np.float64) - ref) / step)


def compare(
    rung: str,
    against: str,
    ref: Logits,
    out: Logits,
    *,
    again: Logits,
    step: float | None = None,
    noise_db: float | None = None,
    saturated: float | None = None,
    allowed_steps: int | None = None,
) -> Parity:
    """Measure how a runnable's logits (n, n_outputs) compare with a reference's.

    Parameters
    ----------
    ref, out
        Logits of the reference and of the runnable.
    again
        The runnable's logits of a second run on the same windows.
    step
        What is counted, where the comparison is between integer runnables: a quantization step.
    noise_db
        SQNR of the integer reference against float, see :class:`~edge.spec.Parity`.
    saturated
        Largest share of clipped values, where int8 is compared with float.
    allowed_steps
        Of a runtime that must equal the reference, see :class:`~edge.spec.Parity`.
    """
    finite = bool(np.isfinite(out).all())
    steps = None if step is None else steps_apart(ref, out, step)
    power = float((ref.astype(np.float64) ** 2).sum())
    return Parity(
        rung=rung,
        reference=against,
        n_windows=len(ref),
        sqnr_db=sqnr_db(ref, out) if finite else FLOOR_DB,
        sqnr_median_window_db=median_window_sqnr_db(ref, out) if finite else FLOOR_DB,
        gain=float((ref * out).sum()) / power if power > 0 and finite else math.nan,
        agreement=wilson(int((ref.argmax(1) == out.argmax(1)).sum()), len(ref)),
        max_steps=None if steps is None else float(steps.max()),
        within_one_step=(None if steps is None else float((steps <= 1).mean())),
        max_relative_error=float(np.abs(out - ref).max() / max(np.abs(ref).max(), 1e-30)),
        noise_db=noise_db,
        saturated=saturated,
        repeatable=bool(np.array_equal(out[: len(again)], again)),
        allowed_steps=allowed_steps,
    )


def complaint(parity: Parity) -> str | None:
    """Say why a rung is not close enough; None if it is."""
    name = f"{parity.rung} against {parity.reference}"
    if not math.isfinite(parity.max_relative_error) or math.isnan(parity.gain):
        return f"{name}: logits that are not finite"
    if not parity.repeatable:
        return f"{name}: two runs on the same windows differ"
    if parity.max_steps is not None:
        return None if _below_noise(parity) else _steps_complaint(parity, name)
    if parity.saturated is not None:
        return _quantization_complaint(parity, name)
    if parity.max_relative_error > FLOAT_TOLERANCE:
        found, allowed = f"{parity.max_relative_error:.1e}", f"{FLOAT_TOLERANCE:.0e}"
        return f"{name}: relative error {found}, at most {allowed} is allowed"
    return None


def exception(parity: Parity) -> str | None:
    """Say why a rung is accepted although it is not close enough; None if none is needed.

    Such networks have logits that hardly vary, so that one step of them is very little. A runtime
    that computes something else is off by more than that error.
    """
    found = None if parity.max_steps is None else _steps_complaint(parity, parity.rung)
    if found is None or not _below_noise(parity):
        return None
    if parity.sqnr_db is None or parity.noise_db is None:
        return None
    below = parity.sqnr_db - parity.noise_db
    return f"{found}; accepted, the difference is {below:.1f} dB below int8's own error"


def _below_noise(parity: Parity) -> bool:
    if parity.noise_db is None or parity.allowed_steps is not None:
        return False
    if parity.max_steps is not None and parity.max_steps > NOISY_STEPS:
        return False
    return parity.sqnr_db is None or parity.sqnr_db > parity.noise_db


def _steps_complaint(parity: Parity, name: str) -> str | None:
    assert parity.max_steps is not None
    assert parity.within_one_step is not None
    if parity.allowed_steps is not None:
        if parity.max_steps <= parity.allowed_steps:
            return None
        return (
            f"{name}: a logit is {parity.max_steps:.0f} steps off, {parity.allowed_steps} are "
            f"allowed"
        )
    if parity.max_steps > MAX_STEPS:
        return (
            f"{name}: a logit is {parity.max_steps:.0f} steps off, at most {MAX_STEPS:g} are "
            f"allowed"
        )
    if parity.within_one_step < WITHIN_ONE_STEP:
        return (
            f"{name}: {100 * parity.within_one_step:.2f} % of logits are within one step, "
            f"{100 * WITHIN_ONE_STEP:g} % are needed"
        )
    return None


def _quantization_complaint(parity: Parity, name: str) -> str | None:
    median = parity.sqnr_median_window_db
    if median is not None and median < MEDIAN_SQNR_DB:
        return (
            f"{name}: SQNR of the median window is {median:.1f} dB, {MEDIAN_SQNR_DB:g} are needed"
        )
    if not GAIN[0] <= parity.gain <= GAIN[1]:
        return f"{name}: logits are {parity.gain:.2f} times the float ones"
    if parity.saturated is not None and parity.saturated > SATURATED:
        return f"{name}: {100 * parity.saturated:.1f} % of a tensor's values saturate"
    return None


def accuracy(rung: str, logits: Logits, labels: NDArray[np.int64]) -> Accuracy:
    """Return the share of windows whose largest logit is the label, and the scores beside it."""
    choices = logits.argmax(1)
    told = scores(choices, labels)
    right = wilson(int((choices == labels).sum()), len(labels))
    return Accuracy(rung, right, told.balanced, told.kappa)


def saturation(graph: QGraph, windows: NDArray[Any]) -> dict[str, float]:
    """Return the share of clipped values of every tensor where clipping loses something.

    Bounded functions are left out: an ELU is at its bound because its input is far below zero. So
    is the lower bound of a mean over values that are never negative, behind a ReLU: it is a zero.
    """
    values = reference.trace(graph, windows)
    linear = {
        node.output: _bounds(graph, node)
        for node in graph.nodes
        if isinstance(node, AveragePool | Mean | Multiply)
        or (isinstance(node, Conv) and not node.relu)
    }
    linear = {graph.input: graph.quant(graph.input).limits, **linear}
    return {
        name: float(np.isin(values[name], bounds).mean())
        for name, bounds in linear.items()
        if graph[name].quant is not None
    }


def _bounds(graph: QGraph, node: Node) -> tuple[int, ...]:
    """Return the stored values of an output that may have been clipped."""
    source, target = graph[node.input].quant, graph[node.output].quant
    if target is None:
        return ()
    both = source is not None and all(q.zero_point == q.limits[0] for q in (source, target))
    return target.limits[1:] if both and isinstance(node, AveragePool | Mean) else target.limits
