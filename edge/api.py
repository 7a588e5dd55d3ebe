# SPDX-License-Identifier: BSD-3-Clause
"""The Python API does what the command line does, with Python values.

:mod:`edge` itself offers these functions and imports this module when one is first used, so that
``import edge`` stays light. Where the command line would print its line and exit, a function raises
:class:`edge.errors.EdgeError`. Notes and progress go to stderr unless ``quiet``. While a function
runs, what the toolchains print on file descriptors 1 and 2 is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge import registry
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
    keep_bad: bool = False,
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
    """Export a model: lower it, quantize it, write every target's file, run and compare each.

    Parameters
    ----------
    checkpoint
        What ``--checkpoint`` takes, a live network (compiled or in a ``DataParallel`` too),
        or a fitted ``EEGClassifier`` with one. Without it, the checkpoint that ships for
        ``mode`` is taken.
    data
        Windows to calibrate and measure on. A checkpoint that ``train`` made knows its own.
    keep_bad
        Whether windows that touch spans marked bad are taken too.
    targets
        Names of targets; without them, every target is written.
    out
        Folder of the bundle; an older bundle there is replaced.
    full_int8
        Whether any operation in float is refused.
    max_drop
        Largest loss of accuracy, in percentage points, that is accepted.
    gate
        What the attention gate is computed in; ``auto`` leaves it, or another part, in float only
        where int8 would decide differently.
    sensitivity
        Whether the bundle gets a report of what every tensor's rounding costs.
    outputs
        What every file gives: ``logits``, and ``features`` where wanted.

    Returns
    -------
    Bundle
        The bundle as it was written.

    Examples
    --------
    >>> import edge
    >>> bundle = edge.export(mode="eca", targets=["c", "tflite"], out="decoder", quiet=True)
    >>> for artifact in bundle.manifest.artifacts:
    ...     print(artifact.target, artifact.precision, artifact.verdict)
    c int8 FULL
    tflite float FULL
    tflite int8 FULL
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
            _network(mode), source, _data(data, contract), _path(contract), tuple(holdout), keep_bad
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
    keep_bad: bool = False,
    class_weights: Literal["none", "balanced"] = "none",
    epochs: int = 60,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    seed: int = 0,
    arguments: Mapping[str, Argument] | None = None,
    quiet: bool = False,
) -> Trained:
    """Train a model on recordings, and save it as braindecode does.

    Parameters
    ----------
    mode
        The network, as ``--model`` takes it: ``eca``, ``attentionbasenet:eca``, …
    data
        What to train on, see :data:`Data`; whole sessions or files of it are held out.
    out
        Folder of the checkpoint.
    contract
        Contract file that says what recordings mean.
    holdout
        Sessions or files to hold out; without them, the last third.
    keep_bad
        Whether windows that touch spans marked bad are taken too.
    class_weights
        ``balanced`` lets every class weigh the same, however few windows it has.
    arguments
        Constructor arguments of the network.

    Returns
    -------
    Trained
        The model, and its accuracy on windows that it has not seen.

    Examples
    --------
    >>> import edge
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(240) % 2
    >>> x = rng.standard_normal((240, 3, 200))
    >>> x[y == 1, 0] *= 3
    >>> data = {"X": x, "y": y, "session": np.repeat([1, 2], 120)}
    >>> small = {"n_temporal_filters": 4, "ch_dim": 8}
    >>> trained = edge.train("none", data, out="model", epochs=20, arguments=small, quiet=True)
    >>> trained.accuracy.n
    120
    """
    from edge.training import train as training
    from edge.training.fit import TrainingSettings

    request = training.TrainRequest(
        mode=registry.canonical(mode),
        data=_data(data, contract) or "",
        out=Path(out),
        contract=_path(contract),
        holdout=tuple(holdout),
        settings=TrainingSettings(
            epochs, batch_size, learning_rate, seed=seed, class_weights=class_weights
        ),
        keep_bad=keep_bad,
        arguments=dict(arguments or {}),
    )
    with console(verbose=False, quiet=quiet) as ours:
        return training.train(request, ours)


def load(folder: StrPath) -> Bundle:
    """Open a bundle, and check its files against their hashes.

    Examples
    --------
    >>> import edge
    >>> bundle = edge.load("decoder")
    >>> bundle.manifest.model.mode, bundle.contract().sfreq
    ('eca', 250.0)
    """
    return bundles.read(Path(folder))


def run(
    bundle: Bundle | StrPath,
    windows: ArrayLike,
    target: str = bundle_types.REFERENCE,
    precision: str | None = None,
    output: str = "logits",
) -> NDArray[np.float32]:
    """Compute a bundle's logits (n, n_outputs) of windows (n, n_chans, n_times).

    Parameters
    ----------
    windows
        Float samples in the contract's unit and channel order, filtered and not scaled.
    target
        A target of the bundle, ``reference`` (the integer graph in numpy) or ``float``.
    precision
        ``float`` or ``int8``; int8 where the bundle has both.
    output
        Something else that the bundle gives, instead of logits, (n, n_values).

    Examples
    --------
    >>> import edge
    >>> bundle = edge.load("decoder")
    >>> x = bundle.golden()["x"]
    >>> edge.run(bundle, x, target="tflite").shape
    (20, 4)
    >>> bool((edge.run(bundle, x, "c") == edge.run(bundle, x, "reference")).all())
    True
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

    Examples
    --------
    >>> import edge
    >>> checks = edge.verify("decoder")
    >>> {check.problem for check in checks}
    {''}
    """
    from edge.bundle import run as runner

    with console(verbose=False, quiet=True):
        checks = runner.verify(opened(bundle).folder)
    runner.refuse(checks)
    return checks


def opened(bundle: Bundle | StrPath) -> Bundle:
    """Return a bundle as it is, or open the one at a path."""
    return bundle if isinstance(bundle, Bundle) else bundles.read(Path(bundle))


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def _network(name: str | None) -> str | None:
    return None if name is None else registry.canonical(name)


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
