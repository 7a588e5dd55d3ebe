# SPDX-License-Identifier: BSD-3-Clause
"""Read what ``--data`` names: ``sim[:SEED]``, ``moabb:NAME:SUBJECT``, a file, a folder."""

from __future__ import annotations

from pathlib import Path

from edge.data import moabb, npz, reader, recordings, sim
from edge.data.dataset import Dataset
from edge.errors import UsageError, listing
from edge.signal.contract_file import ContractFile

SIMULATED = "sim"
"""The name of data that is made in code."""

MAX_SEED_DIGITS = 18
"""Longest seed of a simulation."""


def read(spec: str, file: ContractFile | None = None, keep_bad: bool = False) -> Dataset:
    """Return windows, labels and contract behind a ``--data`` argument.

    With ``keep_bad`` windows may touch spans that are marked bad.

    Raises
    ------
    UsageError
        When the argument is none of the forms, or a recording comes without a contract.
    """
    name, _, seed = spec.partition(":")
    if name == SIMULATED:
        if seed and not (seed.isdecimal() and len(seed) <= MAX_SEED_DIGITS):
            raise UsageError(f"Invalid seed in --data {spec!r:.40}: type e.g. 'sim:3'.")
        return sim.read(spec, int(seed or 0), file)
    if spec.startswith(moabb.PREFIX):
        return moabb.read(spec, file, keep_bad)
    path = Path(spec)
    refuse_absent(spec)
    if path.suffix.lower() == ".npz":
        return npz.read(path, spec, file)
    if path.is_file() and not reader.suffix_of(path):
        raise UsageError(
            f"--data {spec!r} is not a kind of file that can be read. Allowed suffixes are "
            f"{listing((*reader.suffixes(), '.npz'))}."
        )
    if file is None:
        raise UsageError(
            f"--data {spec!r} is a recording, and what its channels and events mean is not known. "
            f"Add --contract FILE.toml; 'edge train --example-contract' prints one to start from."
        )
    return recordings.read(path, spec, file, keep_bad)


def beyond(dataset: Dataset, file: ContractFile | None, n_windows: int) -> Dataset | None:
    """Make more windows of the kind of a simulated data set, from sessions that it does not hold.

    Parameters
    ----------
    file
        The contract that the data set was read with.
    n_windows
        At least so many.

    Returns
    -------
    Dataset or None
        None for recordings, of which there are no more.
    """
    name, _, seed = dataset.spec.partition(":")
    if name != SIMULATED or not dataset.simulated:
        return None
    return sim.beyond(dataset.spec, int(seed or 0), file, n_windows)


def refuse_absent(spec: str) -> None:
    """Raise if ``--data`` names a file or a folder that does not exist.

    Raises
    ------
    UsageError
        With what can be typed.
    """
    if spec.partition(":")[0] == SIMULATED or spec.startswith(moabb.PREFIX) or Path(spec).exists():
        return
    raise UsageError(
        f"--data {spec!r} does not exist. Type 'sim', 'moabb:NAME:SUBJECT', or the path of an "
        f".npz file, of a recording ({listing(reader.suffixes())}) or of a folder of them."
    )
