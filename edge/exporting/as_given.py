# SPDX-License-Identifier: BSD-3-Clause
"""Compare the network that is exported with the module that was given, before all else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge.checkpoint.model import FloatModel
from edge.errors import IncompatibleError
from edge.families import base as families

TOLERANCE = 1e-5
"""Largest ``max|difference| / max|reference|``; the same operations on other memory layouts."""
BATCH = 32


def refuse_difference(model: FloatModel, windows: NDArray[np.float32], what: str) -> None:
    """Raise where a live module computes something else than the network built from it.

    Parameters
    ----------
    windows
        (n, n_chans, n_times) float32, scaled as the network expects them.
    what
        Which windows they are: ``calibration windows``.

    Raises
    ------
    IncompatibleError
        With the largest difference and the window it is on.
    """
    if model.given is None:
        return
    theirs, ours = _logits(model.given, windows), _logits(model.module, windows)
    if theirs.shape == (len(windows), 1) and ours.shape == (len(windows), 2):
        ours = ours[:, 1:] - ours[:, :1]  # see edge.checkpoint.one_logit
    if theirs.shape != ours.shape:
        raise IncompatibleError(
            f"The model's forward gives shape {theirs.shape[1:]} for a window, expected "
            f"{ours.shape[1:]}."
        )
    apart = np.abs(theirs - ours).max(1)
    wrong = ~(apart <= TOLERANCE * np.nanmax(np.abs(theirs), initial=1e-30))
    same = np.isnan(theirs) & np.isnan(ours)
    wrong &= ~same.any(1)
    if wrong.any():
        title = families.of(model.spec).title
        worst = int(np.nanargmax(np.where(wrong, np.nan_to_num(apart, nan=np.inf), -1.0)))
        raise IncompatibleError(
            f"The model computes something else than the {title} that its get_config() "
            f"describes: on {int(wrong.sum())} of {len(windows)} {what} its logits differ, by "
            f"{apart[worst]:.2g} on number {worst}, where the largest is "
            f"{np.abs(theirs[worst]).max():.2g}. Build the network that it is by "
            f"{title}'s own arguments, load the weights into that and export it."
        )


def _logits(module: Any, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits (n, n_outputs) of a module in its own precision."""
    dtype = next(module.parameters()).dtype
    given = []
    try:
        with torch.no_grad():
            for start in range(0, len(windows), BATCH):
                batch = torch.from_numpy(windows[start : start + BATCH]).to(dtype)
                given.append(module(batch).double().numpy())
    except Exception as error:  # whatever a foreign forward raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise IncompatibleError(
            f"The model's forward fails on windows of shape {windows.shape[1:]}: "
            f"{reason.rstrip('.')}."
        ) from None
    return np.concatenate(given)
