# SPDX-License-Identifier: BSD-3-Clause
"""Choose the windows that an export is judged on, and say what they decide about int8.

Of recordings there are as many windows as there are. Simulated ones can be made at will, so that an
export on simulated data makes as many as decide whether int8 loses more than half a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from edge.checkpoint import find as checkpoints
from edge.checkpoint.find import Resolved
from edge.data import source
from edge.data.dataset import Dataset
from edge.exporting import paired
from edge.exporting.rungs import HeldOut, Rung
from edge.spec import BRAINDECODE, Artifact, PairedAccuracy, Precision
from quantize.graph.measures import evenly

MAX_RECORDED = 480
"""Windows of recordings that are compared at most, spread evenly."""
SIMULATED = 1920
"""Simulated windows: eight sessions. Where int8 turns 0.25 % of the windows right and as many
wrong, which is what the shipped checkpoints do, that many show a loss below half a point in seven
of eight cases. A window more takes some 9 ms of an export: 2.6 to make it, 1.9 for braindecode's
forward pass, 1.0 for the integer reference, the rest for the files on every runtime."""


def choose(resolved: Resolved, request: checkpoints.Request) -> tuple[Resolved, HeldOut]:
    """Choose windows to compare on; simulate more of them where the data is simulated.

    Parameters
    ----------
    request
        ``held_out`` says how many at most; without it ``MAX_RECORDED`` or ``SIMULATED``.

    Returns
    -------
    Resolved
        The same; its rule says what was made.
    HeldOut
        The windows, spread evenly over those held out.
    """
    test = resolved.split.test
    wanted = request.held_out or (SIMULATED if test.simulated else MAX_RECORDED)
    windows, labels = test.windows, test.labels
    more = _made(resolved, request, wanted - len(windows))
    if more is not None:
        rule = f"{resolved.split.rule}, {len(more.group_names())} more made to compare on"
        resolved = replace(resolved, split=replace(resolved.split, rule=rule))
        windows = np.concatenate([windows, more.windows])
        labels = np.concatenate([labels, more.labels])
    if len(windows) > wanted:
        index = evenly(len(windows), wanted)
        windows, labels = windows[index], labels[index]
    return resolved, HeldOut(windows, resolved.contract.scale(windows), labels)


def _made(resolved: Resolved, request: checkpoints.Request, missing: int) -> Dataset | None:
    """Simulate windows of sessions that neither training nor calibration knows."""
    if missing <= 0 or isinstance(request.data, Dataset):
        return None
    file = checkpoints.contract_of(request, resolved.model)
    return source.beyond(resolved.split.test, file, missing)


def paired_accuracy(
    artifacts: Iterable[Artifact], rungs: Sequence[Rung], held_out: HeldOut
) -> tuple[PairedAccuracy, ...]:
    """Compare the decisions of each int8 artifact with the float model's, window by window."""
    logits = {rung.name: rung.logits for rung in rungs}
    float_right = logits[BRAINDECODE].argmax(1) == held_out.labels
    found = []
    for artifact in artifacts:
        if artifact.precision == Precision.INT8:
            name = f"{artifact.target} {artifact.precision}"
            counts = paired.pairs(float_right, logits[name].argmax(1) == held_out.labels)
            verdict = paired.non_inferiority(counts)
            found.append(
                PairedAccuracy(
                    rung=name,
                    n_windows=counts.n,
                    gained=counts.gained,
                    lost=counts.lost,
                    difference_points=100 * verdict.interval.value,
                    low_points=100 * verdict.interval.low,
                    high_points=100 * verdict.interval.high,
                    margin_points=100 * verdict.margin,
                    answer=verdict.answer,
                    need=verdict.need,
                )
            )
    return tuple(found)
