# SPDX-License-Identifier: BSD-3-Clause
"""Whether the values of a signal contract can be: what a file may hold and no signal has.

A contract is read from a file that somebody else made and becomes divisions, filters and C, so
every number in it is checked once, here.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from firmware_bridge.signal.contract import Filter, Scaling, SignalContract
from quantize import plain
from quantize.errors import IncompatibleError
from quantize.graph.qgraph import Quant

MAX_NAMES = 4096
MAX_TIMES = 2**20
MAX_NAME = 200
MAX_SECTIONS = 64
LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).tiny)


def read(path: Path) -> SignalContract:
    """The contract in a ``contract.json``.

    Raises
    ------
    UsageError
        When there is none.
    IncompatibleError
        When it is no contract, or a value in it cannot be.
    """
    contract = plain.read(path, SignalContract)
    check(contract, str(path))
    if contract.scaling.kind == "per_channel" and not contract.scaling.mean:
        raise IncompatibleError(f"{path}: scaling.mean is empty; 'per_channel' needs it fitted.")
    return contract


def check(contract: SignalContract, where: str) -> None:
    """Raise for the first value that cannot be; ``where`` opens the complaint.

    Raises
    ------
    IncompatibleError
        One line that names the field.
    """

    def refuse(field: str, value: object, allowed: str) -> None:
        raise IncompatibleError(f"{where}: {field} is {value!r:.60}; {allowed}.")

    def positive(field: str, value: float | None) -> None:
        if value is not None and not SMALLEST <= value <= LARGEST:
            refuse(field, value, "it must be positive and finite")

    names = (*(contract.channels or ()), *contract.classes, *contract.rename)
    for name in (*names, *contract.rename.values(), contract.unit, contract.reference):
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            refuse("a name", name, f"1 ... {MAX_NAME} printable characters are allowed")
    for field, values in (("channels", contract.channels), ("classes", contract.classes)):
        if values is not None and not len(set(values)) == len(values) <= MAX_NAMES:
            refuse(field, values, f"at most {MAX_NAMES} names, each once, are allowed")
    if contract.n_chans == 0:
        refuse("channels", contract.channels, "at least one is needed")
    for field, count in (("n_times", contract.n_times), ("hop", contract.hop)):
        if not 1 <= count <= MAX_TIMES:
            refuse(field, count, f"1 ... {MAX_TIMES} samples are allowed")
    positive("sfreq", contract.sfreq)
    positive("uv_per_count", contract.uv_per_count)
    positive("resampled_from", contract.resampled_from)
    try:
        _check_scaling(contract.scaling, contract.n_chans)
        _check_filter(contract.filter)
        _check_quant(contract.input_quant)
    except ValueError as error:
        raise IncompatibleError(f"{where}: {error}.") from None


def _check_scaling(scaling: Scaling, n_chans: int | None) -> None:
    for field in ("mean", "std"):
        values = getattr(scaling, field)
        if not all(abs(value) <= LARGEST for value in values):
            raise ValueError(f"scaling.{field} holds a value that is not finite")
        if values and n_chans is not None and len(values) != n_chans:
            raise ValueError(f"scaling.{field} has {len(values)} values for {n_chans} channels")
    if not all(value >= SMALLEST for value in scaling.std):
        raise ValueError(f"scaling.std holds {min(scaling.std)!r}; it must be positive")
    if len(scaling.mean) != len(scaling.std):
        raise ValueError("scaling.mean and scaling.std differ in length")
    if scaling.factor_new is not None and not 0 < scaling.factor_new <= 1:
        raise ValueError(
            f"scaling.factor_new is {scaling.factor_new!r}; above 0 and up to 1 are allowed"
        )
    if scaling.eps is not None and not SMALLEST <= scaling.eps <= LARGEST:
        raise ValueError(f"scaling.eps is {scaling.eps!r}; it must be positive")


def _check_filter(chosen: Filter) -> None:
    for field in ("low_hz", "high_hz", "notch_hz"):
        value = getattr(chosen, field)
        if value is not None and not SMALLEST <= value <= LARGEST:
            raise ValueError(f"filter.{field} is {value!r}; it must be positive")
    if len(chosen.sos) > MAX_SECTIONS:
        raise ValueError(f"filter.sos has {len(chosen.sos)} sections; {MAX_SECTIONS} are allowed")
    for section in chosen.sos:
        if len(section) != 6 or not all(math.isfinite(value) for value in section):
            raise ValueError("filter.sos holds a section that is not six finite numbers")
        *_, a0, a1, a2 = section
        if a0 != 1 or not (abs(a2) < 1 and abs(a1) < 1 + a2):
            raise ValueError("filter.sos holds a section that is not stable, or whose a0 is not 1")


def _check_quant(quant: Quant | None) -> None:
    if quant is None:
        return
    if quant.bits != 8 or not SMALLEST <= quant.scale <= LARGEST:
        raise ValueError(f"input_quant.scale is {quant.scale!r}; it must be positive")
    low, high = quant.limits
    if not low <= quant.zero_point <= high:
        raise ValueError(
            f"input_quant.zero_point is {quant.zero_point}; {low} ... {high} are allowed"
        )
