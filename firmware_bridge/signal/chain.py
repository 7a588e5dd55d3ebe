# SPDX-License-Identifier: BSD-3-Clause
"""Write the signal contract in C: ``NAME_signal.h`` and ``NAME_signal.c``, from counts to int8.

The steps are reference, filter, scaling and quantization, as :mod:`edge.signal.chain` and
``SignalContract.scale`` do them in Python; the unit is in the last factor. There are two
arithmetics: ``float`` for cores with an FPU, ``fixed`` for others. Measurements decided which
number formats they use (``python -m benchmarks.studies.signal_chain``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np

from firmware_bridge.plan.source import comment_lines, float_literal, refuse_name
from firmware_bridge.rendering import Code, render
from firmware_bridge.signal import ranges
from firmware_bridge.signal.contract import AS_RECORDED, AVERAGE, UNKNOWN, SignalContract
from firmware_bridge.signal.ranges import Section
from quantize.errors import IncompatibleError, UsageError, invalid_value
from quantize.graph.qgraph import Quant

UV: Mapping[str, float] = MappingProxyType({"uV": 1.0, "mV": 1e3, "V": 1e6})

RANGE_UV = 250_000.0
"""How far a channel may move from its first sample, in fixed point; beyond it saturates."""
STEP_BITS = 16
"""``edge_chain_fixed.h`` says the same."""
FACTOR_BITS, SUM_BITS = 31, 60
"""Of a factor, and of a state; sums of states and products then have 63, and a sign beside."""
LARGEST_SHIFT = 16
"""Bits behind the point of a count that fixed point may give up to hold the range."""
STILL = 1e-9
"""Sum of b0, b1 and b2 below which a section lets no constant through."""
COUNT_BITS = 24
WHOLE_CHANS = 64
"""Channels whose distance from their mean, times their number, is less than 2^31 counts."""


@dataclass(frozen=True)
class SignalChain:
    """Generated sources by file name, and what they take.

    Attributes
    ----------
    n_chans, n_inputs
        Channels of a frame that comes out, and of one that goes in: a reference electrode is last.
    state_bytes
        Size of the struct.
    steps_bits
        Bits behind the point of ``NAME_signal_steps``; 0 where it gives floats.
    """

    name: str
    arithmetic: str
    files: Mapping[str, str]
    n_chans: int
    n_inputs: int
    state_bytes: int
    steps_bits: int


def increments(section: tuple[float, ...]) -> Section:
    """Rewrite a section b0 b1 b2 a0 a1 a2 as d0 d1 d2 c1 c2, see ``edge_chain.h``."""
    b0, b1, b2, a0, a1, a2 = section
    assert a0 == 1
    return b0, 2 * b0 + b1, math.fsum((b0, b1, b2)), 2 + a1, math.fsum((1, a1, a2))


def balanced(sos: tuple[tuple[float, ...], ...]) -> tuple[list[Section], float]:
    """Order sections and move gains so that rounding loses little; drift is removed first.

    Behind every section the largest gain so far is one; what remains at the end is the factor that
    is returned. scipy puts all of the gain into the first section, behind which little is left of a
    signal in fixed point, and the sections that remove drift last, so that float32 has to carry it
    through all of them.
    """
    z = np.exp(-1j * np.geomspace(1e-5, np.pi, 20_000))
    powers = np.stack([np.ones_like(z), z, z * z])
    so_far, remaining, found = np.ones_like(z), 1.0, []
    for section in sorted(sos, key=lambda section: abs(sum(section[:3])) > STILL):
        so_far = so_far * (np.array(section[:3]) @ powers) / (np.array(section[3:]) @ powers)
        largest = float(np.abs(so_far).max())
        so_far, remaining = so_far / largest, remaining * largest
        d0, d1, d2, c1, c2 = increments(section)
        found.append((d0 / largest, d1 / largest, d2 / largest, c1, c2))
    return found, remaining


def generate(
    contract: SignalContract, name: str = "edge", arithmetic: str = "float"
) -> SignalChain:
    """Return the C of a contract.

    Parameters
    ----------
    arithmetic
        ``float`` or ``fixed``.

    Raises
    ------
    UsageError
        When ``name`` is not a C identifier, or there is no such arithmetic.
    IncompatibleError
        When something that a device must know is unknown, or fixed point cannot do it.
    """
    refuse_name(name)
    if arithmetic not in ARITHMETICS:
        raise UsageError(invalid_value("arithmetic", arithmetic, tuple(ARITHMETICS)))
    _refuse(contract, arithmetic)
    return ARITHMETICS[arithmetic](contract, name)


def _refuse(contract: SignalContract, arithmetic: str) -> None:
    reasons = list(contract.unstreamable())
    if contract.uv_per_count is None:
        reasons.append(
            "µV per count unknown (signal.uv_per_count in the contract file, or --uv-per-count)"
        )
    if contract.unit not in (*UV, UNKNOWN):
        reasons.append(f"unit {contract.unit!r} is none of {', '.join(UV)}")
    if contract.input_quant is None:
        reasons.append("input quantization unknown (export with --int8)")
    if arithmetic == "fixed" and contract.scaling.kind == "moving":
        reasons.append("moving standardization needs float arithmetic")
    if reasons:
        raise IncompatibleError(f"No signal chain in C for this contract: {', '.join(reasons)}.")


def _shape(contract: SignalContract) -> tuple[int, int]:
    n_chans = len(contract.channels or ())
    return n_chans, n_chans + (contract.reference not in (AS_RECORDED, AVERAGE))


def average_shift(n_chans: int) -> int:
    """Return the bits that the distance from the channels' mean, times their number, gives up.

    Counts of 24 bits less those of the first frame have 25; one channel and the mean of the others
    may lie at opposite ends.
    """
    return max(0, math.ceil(math.log2(n_chans / WHOLE_CHANS)))


def _unit_per_input(contract: SignalContract) -> float:
    """The contract's unit that one step of what is filtered stands for."""
    averaged = 1.0
    if contract.reference == AVERAGE:
        n_chans = len(contract.channels or ())
        averaged = n_chans / 2 ** average_shift(n_chans)
    return (contract.uv_per_count or 0.0) / UV[contract.unit] / averaged


def _steps(contract: SignalContract) -> list[tuple[float, float]]:
    """(gain, offset) of every channel: steps of the int8 input for the contract's unit."""
    scaling, quant = contract.scaling, contract.input_quant or Quant(1.0, 0)
    if scaling.kind != "per_channel":
        return [(1 / quant.scale, 0.0)] * len(contract.channels or ())
    return [
        (1 / (std * quant.scale), -mean / (std * quant.scale))
        for mean, std in zip(scaling.mean, scaling.std, strict=True)
    ]


def _float(contract: SignalContract, name: str) -> SignalChain:
    n_chans, n_inputs = _shape(contract)
    sections, remaining = balanced(contract.filter.sos)
    unit = _unit_per_input(contract) * remaining
    moving: dict[str, Code] | None = None
    gains = _steps(contract)
    if contract.scaling.kind == "moving":
        scaling = contract.scaling
        factors = {"unit": unit, "eps": scaling.eps, "kept": 1 - (scaling.factor_new or 0)}
        moving = {key: Code(float_literal(value or 0.0)) for key, value in factors.items()}
    else:
        gains = [(gain * unit, offset) for gain, offset in gains]
    values = {
        "kind": "float",
        "value": "float",
        "state": "float",
        "sections": [{"factors": _row(section), "slow": _is_slow(section)} for section in sections],
        "gains": [_row(pair) for pair in gains],
        "moving": moving,
    }
    n_bytes = 4 + 4 * n_inputs + 8 * n_chans * max(1, len(sections))
    n_bytes += 4 + 8 * n_chans if moving else 0
    return _chain(contract, name, values, n_bytes, 0)


def _fixed(contract: SignalContract, name: str) -> SignalChain:
    n_chans, n_inputs = _shape(contract)
    sections, remaining = balanced(contract.filter.sos)
    unit = _unit_per_input(contract)
    largest = RANGE_UV / UV[contract.unit] / unit
    bounds = ranges.of(sections)
    growth = max(1.0, *bounds.outputs) if sections else 1.0
    range_bits = math.ceil(math.log2(largest))
    bits = FACTOR_BITS - range_bits - math.ceil(math.log2(growth))
    if bits < -LARGEST_SHIFT:
        raise IncompatibleError(
            f"No signal chain in fixed point for this contract: {RANGE_UV:g} µV are {largest:.0f} "
            f"counts, which do not fit. Use float arithmetic."
        )
    bits, range_bits = min(bits, FACTOR_BITS - 1), min(range_bits, FACTOR_BITS)
    scales = [gain * unit * remaining * 2.0 ** (STEP_BITS - bits) for gain, _ in _steps(contract)]
    highest = (
        SUM_BITS - STEP_BITS - math.frexp(max(abs(offset) for _, offset in _steps(contract)))[1]
    )
    exponent = max(1, min(_exponent(max(map(abs, scales))), highest))
    gains = [
        (round(math.ldexp(scale, exponent)), round(math.ldexp(offset, STEP_BITS + exponent)))
        for scale, (_, offset) in zip(scales, _steps(contract), strict=True)
    ]
    half = 1 << (exponent - 1)
    values = {
        "kind": "fixed",
        "value": Code("int32_t"),
        "state": Code("int64_t"),
        "sections": [
            _fixed_section(section, state, bits + range_bits)
            for section, state in zip(sections, bounds.states, strict=True)
        ],
        "gains": [Code(f"{{{gain}, INT64_C({added + half})}}") for gain, added in gains],
        "gain_exponent": exponent,
        "moving": None,
        "range": range_bits,
        "bits": Code(bits),
        "proof": {"largest": f"{growth:.3g}", "state": f"{max(bounds.states, default=0):.3g}"},
    }
    n_bytes = 8 * -(-(1 + n_inputs) // 2) + 16 * n_chans * max(1, len(sections))
    return _chain(contract, name, values, n_bytes, STEP_BITS)


def _is_slow(section: Section) -> int:
    """Whether a section lets nothing through but what changes: d1 and d2 are 0."""
    _, d1, d2, _, _ = section
    return int(d1 == d2 == 0)


def _exponent(largest: float) -> int:
    """The largest e for which ``largest`` * 2^e is a factor."""
    return FACTOR_BITS - 1 - math.frexp(largest)[1] if largest else FACTOR_BITS


def _fixed_section(section: Section, state: float, input_bits: int) -> dict[str, Any]:
    """Factors with one exponent, with which no state leaves 64 bits."""
    exponent = _exponent(max(map(abs, section)))
    exponent = max(1, min(exponent, SUM_BITS - input_bits - math.ceil(math.log2(max(state, 1)))))
    d0, d1, d2, c1, c2 = (round(math.ldexp(factor, exponent)) for factor in section)
    factors = Code("{" + ", ".join(map(str, (d0, d1, d2, -c1, -c2))) + "}")
    return {"factors": factors, "exponent": exponent, "slow": _is_slow(section)}


ARITHMETICS: Mapping[str, Callable[[SignalContract, str], SignalChain]] = MappingProxyType(
    {"float": _float, "fixed": _fixed}
)
"""Arithmetics by name."""


def _row(values: tuple[float, ...]) -> Code:
    return Code("{" + ", ".join(map(float_literal, values)) + "}")


def _chain(
    contract: SignalContract,
    name: str,
    values: Mapping[str, Any],
    state_bytes: int,
    steps_bits: int,
) -> SignalChain:
    n_chans, n_inputs = _shape(contract)
    arithmetic = values["kind"]
    given = {
        **values,
        "name": name,
        "upper": name.upper(),
        "n_chans": n_chans,
        "n_inputs": n_inputs,
        "state_sections": max(1, len(values["sections"])),
        "steps_bits": steps_bits,
        "channels": Code("\n".join(comment_lines(", ".join(contract.channels or ())))),
        "average": int(contract.reference == AVERAGE),
        "shift": average_shift(n_chans) if contract.reference == AVERAGE else 0,
        "reference": contract.reference,
        "sfreq": f"{contract.sfreq:g}",
        "uv": f"{contract.uv_per_count:g}",
        "zero_point": 0 if contract.input_quant is None else contract.input_quant.zero_point,
    }
    folder = resources.files("firmware_bridge") / "kernels"
    kernels = ("edge_port.h", "edge_status.h", "edge_chain.h", f"edge_chain_{arithmetic}.h")
    files = {
        f"{name}_signal.c": render("signal/signal.c", **given),
        f"{name}_signal.h": render("signal/signal.h", **given),
        **{kernel: (folder / kernel).read_text() for kernel in kernels},
    }
    return SignalChain(name, arithmetic, files, n_chans, n_inputs, state_bytes, steps_bits)
