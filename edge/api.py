# SPDX-License-Identifier: BSD-3-Clause
"""The Python API: what the command line does, from Python.

Offered by :mod:`edge` itself, lazily: ``import edge`` imports nothing heavy. Every function raises
:class:`edge.errors.EdgeError` where the command line would print its line and exit; notes and
progress go to stderr unless ``quiet``. While a function runs, what the toolchains print on file
descriptors 1 and 2 is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.bundle import read as bundles
from edge.bundle import types as bundle_types
from edge.bundle.read import Bundle
from edge.spec import Argument
from edge.terminal.console import console

if TYPE_CHECKING:
    from edge.bundle.run import Check
    from edge.data.dataset import Dataset
    from edge.training.train import Trained

StrPath = str | PathLike[str]

Data = str | PathLike[str] | Mapping[str, ArrayLike]
"""What ``--data`` takes, or arrays ``X`` (n, n_chans, n_times) and ``y`` (n,) with what else an
``.npz`` file may hold: ``session``, ``ch_names``, ``sfreq``, ``unit``, ``classes``."""

ARRAYS = "arrays"
"""What messages and the manifest call data that came as arrays."""


def export(
    checkpoint: Any = None,
    *,
    mode: str | None = None,
    data: Data | None = None,
    contract: StrPath | None = None,
    holdout: Sequence[str] = (),
    targets: Sequence[str] | None = None,
    out: StrPath,
    int8: bool = True,
    full_int8: bool = False,
    max_drop: float | None = None,
    gate: Literal["auto", "int8", "float"] = "auto",
    sensitivity: bool = False,
    outputs: Sequence[str] = ("logits",),
    quiet: bool = False,
) -> Bundle:
    """Lower, quantize, write every target's file, run and compare each of them.

    Parameters
    ----------
    checkpoint
        What ``--checkpoint`` takes, a live ``AttentionBaseNet`` (compiled or in a ``DataParallel``
        too), or a fitted ``EEGClassifier`` with one; the shipped checkpoint of ``mode`` without it.
    data
        Windows to calibrate and measure on; the checkpoint's own where it knows them.
    targets
        Names of targets; all of them without.
    out
        Folder of the bundle; an older bundle there is replaced.
    max_drop
        Largest loss of accuracy in percentage points.
    gate
        What the attention gate is computed in; ``auto`` leaves it, or another part, in float only
        where int8 would decide differently.
    sensitivity
        Whether the bundle gets a report of what every tensor's rounding costs.
    outputs
        What artifacts give: logits, and ``features`` where wanted.

    Returns
    -------
    Bundle
        What was written.
    """
    from edge.checkpoint import find as checkpoints
    from edge.checkpoint import live
    from edge.exporting import pipeline
    from edge.exporting.prepare import ExportRequest
    from edge.targets import base as target

    if checkpoint is not None and not isinstance(checkpoint, str | PathLike):
        source: Any = live.from_module(checkpoint)
    else:
        source = None if checkpoint is None else str(checkpoint)
    request = ExportRequest(
        checkpoint=checkpoints.Request(
            mode, source, _data(data, contract), _path(contract), tuple(holdout)
        ),
        out=Path(out),
        int8=int8,
        targets=target.default_names(int8) if targets is None else tuple(targets),
        full_int8=full_int8,
        max_drop=max_drop,
        gate=gate,
        sensitivity=sensitivity,
        outputs=tuple(outputs),
    )
    with console(verbose=False, quiet=quiet) as ours:
        pipeline.export(request, ours)
    return bundles.read(Path(out))


def train(
    mode: str,
    data: Data,
    *,
    out: StrPath,
    contract: StrPath | None = None,
    holdout: Sequence[str] = (),
    epochs: int = 60,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    seed: int = 0,
    arguments: Mapping[str, Argument] | None = None,
    quiet: bool = False,
) -> Trained:
    """Train a model on recordings and save it as braindecode does.

    Parameters
    ----------
    arguments
        Constructor arguments of ``AttentionBaseNet``.

    Returns
    -------
    Trained
        The model, and its accuracy on windows that it has not seen.
    """
    from edge.families.attentionbasenet.fast_stem import TrainingSettings
    from edge.training import train as training

    request = training.TrainRequest(
        mode=mode,
        data=_data(data, contract) or "",
        out=Path(out),
        contract=_path(contract),
        holdout=tuple(holdout),
        settings=TrainingSettings(epochs, batch_size, learning_rate, seed=seed),
        arguments=dict(arguments or {}),
    )
    with console(verbose=False, quiet=quiet) as ours:
        return training.train(request, ours)


def load(folder: StrPath) -> Bundle:
    """Open a bundle and check its files against their hashes."""
    return bundles.read(Path(folder))


def run(
    bundle: Bundle | StrPath,
    windows: ArrayLike,
    target: str = bundle_types.REFERENCE,
    precision: str | None = None,
    output: str = "logits",
) -> NDArray[np.float32]:
    """Logits (n, n_outputs) of windows (n, n_chans, n_times), filtered and not scaled.

    Parameters
    ----------
    target
        A target of the bundle, ``reference`` or ``float``.
    precision
        ``float`` or ``int8``; int8 where the bundle has both.
    output
        What else the bundle gives in the place of logits, (n, n_values).
    """
    from edge.bundle import run as runner

    ours = opened(bundle)
    contract = ours.contract()
    samples = np.asarray(windows, np.float32)
    contract.refuse(samples, "windows", ours.manifest.model.n_chans)
    bundles.refuse_outputs(ours, [output])
    with console(verbose=False, quiet=True):
        found = runner.open_values(ours, target, precision)(contract.scale(samples))
    return np.asarray(found[output], np.float32)


def verify(bundle: Bundle | StrPath) -> tuple[Check, ...]:
    """Check a bundle's hashes, and run every artifact on its golden vectors.

    Raises
    ------
    AccuracyError
        When an artifact does not give what it gave when it was exported.
    """
    from edge.bundle import run as runner

    with console(verbose=False, quiet=True):
        checks = runner.verify(opened(bundle).folder)
    runner.refuse(checks)
    return checks


def opened(bundle: Bundle | StrPath) -> Bundle:
    """A bundle as it is, or the one at a path."""
    return bundle if isinstance(bundle, Bundle) else bundles.read(Path(bundle))


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def _data(data: Data | None, contract: StrPath | None) -> str | Dataset | None:
    if data is None or isinstance(data, str):
        return data
    if isinstance(data, PathLike):
        return str(data)
    from edge.data import npz
    from edge.signal import contract_file

    npz.refuse_missing(data, ARRAYS)
    file = None if contract is None else contract_file.read(Path(contract))
    return npz.from_arrays(data, Path(ARRAYS), ARRAYS, file)
