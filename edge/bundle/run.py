# SPDX-License-Identifier: BSD-3-Clause
"""Run and verify what is in a bundle; torch is needed only where an artifact needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import parity
from edge.bundle import read as bundle
from edge.bundle import types as bundle_types
from edge.bundle.apart import Apart, unheard
from edge.bundle.content import Note, loadable
from edge.bundle.read import Bundle
from edge.errors import AccuracyError, IncompatibleError, MissingToolError, UsageError
from edge.spec import Artifact, Precision
from edge.targets import base as target
from edge.targets.base import Content, Loader, Runnable
from edge.terminal.console import Console
from firmware_bridge.signal.contract import SignalContract, is_real
from quantize import arrays
from quantize.graph import outputs, reference
from quantize.graph.qgraph import LOGITS, QGraph

Logits = NDArray[np.float32]
Values = Mapping[str, Logits]
"""What windows give, by name, (n, n_values) each."""
Runner = Callable[[NDArray[np.float32]], Values]

MAX_INPUT_BYTES = 2**36

PART = 500
"""Windows between two steps of the progress bar."""


ONLY_PRECISION = {bundle_types.REFERENCE: Precision.INT8, bundle_types.FLOAT: Precision.FLOAT}
"""Runnables that are no artifact and have one precision."""


def read_windows(path: Path, contract: SignalContract, n_chans: int) -> NDArray[np.float32]:
    """Read windows (n, n_chans, n_times), filtered and not scaled, from an ``.npy`` file.

    Raises
    ------
    UsageError
        When the file is not an array of numbers.
    IncompatibleError
        When it does not fit the contract.
    """
    try:
        array = arrays.read_npy(path, MAX_INPUT_BYTES)
    except UsageError as error:
        raise UsageError(f"--input {error}") from None
    except IncompatibleError:
        raise UsageError(
            f"--input {str(path)!r} is not an .npy file, or is cut off. Write one: "
            f"np.save({path.name!r}, windows)."
        ) from None
    if not isinstance(array, np.ndarray) or not is_real(array):
        raise UsageError(f"--input {str(path)!r} is not one array of real numbers in an .npy file.")
    windows = np.asarray(array, np.float32)
    contract.refuse(windows, f"--input {str(path)!r}", n_chans)
    return windows


def open_runnable(
    opened: Bundle, name: str, precision: str | None = None, *, apart: Apart | None = None
) -> Runnable:
    """The logits of :func:`open_values`."""
    run = open_values(opened, name, precision, apart=apart)
    return lambda windows: run(windows)[LOGITS]


def open_values(
    opened: Bundle,
    name: str,
    precision: str | None = None,
    *,
    note: Note = unheard,
    apart: Apart | None = None,
) -> Runner:
    """A runnable of a bundle by the name that ``edge run --target`` takes.

    It takes scaled windows, and quantizes them itself; it gives :attr:`Bundle.outputs`.

    Parameters
    ----------
    note
        Is told what a user should know of the bundle.
    apart
        Where models of the bundle are loaded; a place of its own without.

    Raises
    ------
    UsageError
        When the bundle has nothing of that name.
    MissingToolError
        When its runtime is not installed.
    """
    bundle.refuse_target(opened, name)
    only = ONLY_PRECISION.get(name)
    if only is not None and precision not in (None, only):
        raise UsageError(
            f"--target {name} computes in {only}, but --precision is {precision}. Leave it out."
        )
    if name == bundle_types.REFERENCE:
        return _reference(opened.graph())
    if name == bundle_types.FLOAT:
        return _float(opened)
    artifact = opened.manifest.artifact(name, precision)
    with_it = apart or Apart(opened, (artifact,), note)
    return with_it.load(artifact, name, loadable(opened, artifact, note)).values


def runtimes(artifact: Artifact) -> Mapping[str, Loader]:
    """Return the ways to run an artifact, see :mod:`edge.targets.base`."""
    return target.load(artifact.target).RUNTIMES


def _reference(graph: QGraph) -> Runner:
    def run(windows: NDArray[np.float32]) -> Values:
        found = reference.run(graph, windows)
        others = {name: outputs.real(graph, name, one) for name, one in found.others.items()}
        return {LOGITS: found.real, **others}

    return run


def _float(opened: Bundle) -> Runner:
    try:
        from edge.checkpoint import files
        from edge.checkpoint.forward import predict
        from edge.families import base as families
    except ImportError as error:
        raise MissingToolError(
            f"Running the float model needs PyTorch and braindecode ({error}). "
            f"Type: pip install 'eeg-edge[export]'"
        ) from None
    model = files.load(opened.folder)
    forms = families.of(model.spec).values(model.module)
    return lambda windows: {name: predict(forms[name], windows) for name in opened.outputs}


def run(
    folder: Path,
    name: str,
    windows_path: Path,
    out: Path,
    precision: str | None,
    console: Console,
    *,
    names: Sequence[str] = (LOGITS,),
) -> Values:
    """Scale, quantize and run windows, and write what they give.

    Parameters
    ----------
    names
        Outputs of the bundle: (n, n_values) float32 each, one as ``.npy``, several as ``.npz``.

    Raises
    ------
    UsageError
        When the bundle does not give one of them.
    """
    opened = bundle.read(folder)
    contract = opened.contract()
    bundle.refuse_target(opened, name)
    bundle.refuse_outputs(opened, names)
    windows = contract.scale(read_windows(windows_path, contract, opened.manifest.model.n_chans))
    with console.waiting(f"loading {name}"):
        runnable = open_values(opened, name, precision, note=console.note)
    found = _with_progress(runnable, windows, console)
    wanted = {output: found[output] for output in names}
    _save(out, wanted)
    return wanted


def _with_progress(runnable: Runner, windows: NDArray[np.float32], console: Console) -> Values:
    """What windows give; a bar where there are many."""
    n_parts = -(-len(windows) // PART)
    if n_parts < 2:
        return runnable(windows)
    parts = []
    with console.progress("run", n_parts) as advance:
        for start in range(0, len(windows), PART):
            parts.append(runnable(windows[start : start + PART]))
            advance(f"{min(start + PART, len(windows))} windows")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _save(out: Path, values: Values) -> None:
    """Write beside the destination and rename."""
    temporary = out.with_name(f".{out.name}.part")
    arrays: dict[str, Any] = dict(values)
    try:
        with temporary.open("wb") as file:
            if len(arrays) == 1:
                np.save(file, *arrays.values())
            else:
                np.savez(file, **arrays)
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"Cannot write --output {str(out)!r}: {error.strerror}.") from None


@dataclass(frozen=True)
class Check:
    """How one runnable compared with the golden vectors of its bundle.

    ``max_steps`` is measured against the reference's logits and None for float; ``same_bits`` says
    whether this machine gave the stored bits; ``problem`` is empty where it holds.
    """

    rung: str
    n_windows: int
    max_steps: int | None
    max_relative_error: float | None
    same_bits: bool
    skipped: str
    problem: str


def verify(folder: Path, note: Note = unheard) -> tuple[Check, ...]:
    """Check a bundle's hashes, then every runnable against the golden vectors.

    A runtime that is not installed is skipped, with the line that installs it.

    Raises
    ------
    UsageError, IncompatibleError
        When the folder is not a bundle, or a file is not the one that was exported.
    """
    opened = bundle.read(folder)
    golden = opened.golden()
    windows = opened.contract().scale(golden["x"])
    checks: list[Check] = []
    if opened.manifest.recipe is not None:
        checks.append(_check_reference(opened, golden, windows))
    own = {name: golden[f"{name}/braindecode"] for name in opened.outputs}
    floats = {name: Expected(values, values) for name, values in own.items()}
    checks += _check(bundle_types.FLOAT, lambda: _float(opened), windows, floats)
    apart = Apart(opened, opened.manifest.artifacts, note)
    for artifact in opened.manifest.artifacts:
        content = loadable(opened, artifact, note)
        for name in runtimes(artifact):
            rung = f"{name} {artifact.precision}"
            expected = {
                output: _expected(opened, artifact, rung, output, golden)
                for output in opened.outputs
            }
            open_it = partial(_values, apart, artifact, name, content)
            checks += _check(rung, open_it, windows, expected)
    return tuple(checks)


def _values(apart: Apart, artifact: Artifact, runtime: str, content: Content) -> Runner:
    return apart.load(artifact, runtime, content).values


def refuse(checks: Sequence[Check]) -> None:
    """Raise for the first check that failed."""
    failed = [check for check in checks if check.problem]
    if failed:
        more = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
        raise AccuracyError(f"{failed[0].problem}{more}.")


@dataclass(frozen=True, eq=False)
class Expected:
    """What a runnable gave when it was exported, and how close it must come to that."""

    stored: Logits
    against: Logits
    step: float | None = None
    noise_db: float | None = None
    allowed_steps: int | None = None


def _expected(
    opened: Bundle,
    artifact: Artifact,
    rung: str,
    output: str,
    golden: Mapping[str, NDArray[Any]],
) -> Expected:
    stored = golden[f"{output}/{rung}"]
    if artifact.precision == Precision.FLOAT:
        return Expected(stored, golden[f"{output}/braindecode"])
    graph = opened.graph()
    terms = target.terms(target.load(artifact.target), graph, output)
    rung = parity.title(bundle_types.REFERENCE, output)
    own = next(p for p in opened.parity(output) if p.rung == rung)
    against = golden[f"{output}/{bundle_types.REFERENCE}"]
    return Expected(stored, against, terms.step, own.sqnr_db, terms.allowed)


def _check_reference(
    opened: Bundle, golden: Mapping[str, NDArray[Any]], windows: NDArray[np.float32]
) -> Check:
    logits = reference.run(opened.graph(), windows)
    assert logits.accumulator is not None
    pairs = [
        (logits.stored, golden[bundle_types.STORED]),
        (logits.accumulator, golden["accumulator_int32"]),
        *((one[:, 0], golden[f"{name}_int8"]) for name, one in logits.others.items()),
    ]
    same = all(np.array_equal(one, wanted) for one, wanted in pairs)
    problem = "" if same else "reference: its integers are not the golden ones"
    steps = np.abs(logits.stored.astype(int) - golden[bundle_types.STORED].astype(int)).max()
    return Check(bundle_types.REFERENCE, len(windows), int(steps), None, same, "", problem)


def _check(
    rung: str,
    open_it: Callable[[], Runner],
    windows: NDArray[np.float32],
    expected: Mapping[str, Expected],
) -> Iterator[Check]:
    """One check for each output."""
    try:
        runnable = open_it()
    except MissingToolError as error:
        yield Check(rung, 0, None, None, False, str(error), "")
        return
    first, again = runnable(windows), runnable(windows)
    for output, wanted in expected.items():
        title = parity.title(rung, output)
        yield _compare(title, first[output], again[output], wanted)


def _compare(rung: str, first: Logits, again: Logits, expected: Expected) -> Check:
    measured = parity.compare(
        rung,
        "golden vectors",
        expected.against,
        first,
        again=again,
        step=expected.step,
        noise_db=expected.noise_db,
        allowed_steps=expected.allowed_steps,
    )
    return Check(
        rung,
        len(first),
        None if measured.max_steps is None else int(measured.max_steps),
        measured.max_relative_error,
        np.array_equal(first, expected.stored),
        "",
        parity.complaint(measured) or "",
    )
