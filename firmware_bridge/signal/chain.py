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
from firmware_bridge.signal.contract import AS_RECORDED, AVERAGE, UNKNOWN, SignalContract
from quantize.errors import IncompatibleError, UsageError, invalid_value
from quantize.graph.qgraph import Quant

UV: Mapping[str, float] = MappingProxyType({"uV": 1.0, "mV": 1e3, "V": 1e6})

RANGE_UV = 250_000.0
"""How far a channel may move from its first sample, in fixed point; beyond it saturates."""
STATE_BITS, STEP_BITS = 24, 16
"""``edge_chain_fixed.h`` says the same."""
STILL = 1e-9
"""Sum of b0, b1 and b2 below which a section lets no constant through."""
HEAD_ROOM_BITS = 2
"""A filter's output, inside and behind it, may be that much larger than its input."""
COUNT_BITS = 24

Section = tuple[float, float, float, float, float]


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


def _unit_per_input(contract: SignalContract) -> float:
    """The contract's unit that one step of what is filtered stands for."""
    averaged = len(contract.channels or ()) if contract.reference == AVERAGE else 1
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
    n_chans, _ = _shape(contract)
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
        "sections": [_row(section) for section in sections],
        "gains": [_row(pair) for pair in gains],
        "moving": moving,
    }
    n_bytes = 4 + 4 * n_chans + 8 * n_chans * max(1, len(sections))
    n_bytes += 4 + 8 * n_chans if moving else 0
    return _chain(contract, name, values, n_bytes, 0)


def _fixed(contract: SignalContract, name: str) -> SignalChain:
    n_chans, _ = _shape(contract)
    sections, remaining = balanced(contract.filter.sos)
    unit = _unit_per_input(contract)
    largest = RANGE_UV / UV[contract.unit] / unit
    bits = 31 - HEAD_ROOM_BITS - math.ceil(math.log2(largest))
    if bits < 0:
        raise IncompatibleError(
            f"No signal chain in fixed point for this contract: {RANGE_UV:g} µV are {largest:.0f} "
            f"counts, which do not fit. Use float arithmetic."
        )
    bits = min(bits, 30)
    gains = []
    for gain, offset in _steps(contract):
        factor = _factor(gain * unit * remaining * 2.0 ** (STEP_BITS - bits), 1)
        gains.append(Code(f"{{{factor}, {round(offset * 2**STEP_BITS)}}}"))
    rows = [Code("{" + ", ".join(_factor(c, STATE_BITS + 1) for c in s) + "}") for s in sections]
    values = {
        "kind": "fixed",
        "value": Code("int32_t"),
        "sections": rows,
        "gains": gains,
        "moving": None,
        "limit": 2 ** (31 - bits) - 1,
        "factor": 2**bits,
    }
    n_bytes = 8 * -(-(1 + n_chans) // 2) + 16 * n_chans * max(1, len(sections))
    return _chain(contract, name, values, n_bytes, STEP_BITS)


ARITHMETICS: Mapping[str, Callable[[SignalContract, str], SignalChain]] = MappingProxyType(
    {"float": _float, "fixed": _fixed}
)
"""Arithmetics by name."""


def _row(values: tuple[float, ...]) -> Code:
    return Code("{" + ", ".join(map(float_literal, values)) + "}")


def _factor(value: float, least: int) -> str:
    """``{m, e}`` with ``value`` = m * 2^-e, as many bits as there are, e at least ``least``."""
    if value == 0:
        return f"{{0, {max(least, 31)}}}"
    exponent = max(30 - math.frexp(value)[1] + 1, least)
    exponent = min(exponent, 62)
    m = round(math.ldexp(value, exponent))
    if abs(m) >= 2**31:
        exponent, m = exponent - 1, round(math.ldexp(value, exponent - 1))
    return f"{{{m}, {exponent}}}"


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
