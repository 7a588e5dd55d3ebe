# SPDX-License-Identifier: BSD-3-Clause
"""Write ``edge stream`` as C: ``NAME_session.h`` and ``NAME_session.c``, from counts to decisions.

The rules are those of :mod:`edge.stream.live`, in integers: lost frames, faults of channels,
smoothing, threshold with hysteresis, abstention.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.emit.generate import Origin
from firmware_bridge.plan.source import wrapped
from firmware_bridge.rendering import Code, render
from firmware_bridge.signal.chain import SignalChain
from firmware_bridge.signal.contract import SignalContract
from firmware_bridge.stream.generate import StreamFirmware
from quantize.errors import IncompatibleError
from quantize.graph.qgraph import QGraph

KERNELS = ("edge_port.h", "edge_counts.h", "edge_decide.h", "edge_guard.h", "edge_status.h")
DIGITS, DIGIT_BITS = 4, 4
"""``edge_decide.h`` says the same: 16 bits of a difference of logits."""
POWER_BITS, SHARE_BITS = 31, 30


@dataclass(frozen=True)
class Rules:
    """When a class is decided for, and when a signal is not trusted; counts of samples.

    Attributes
    ----------
    smooth
        Decisions whose probabilities are averaged.
    threshold, release
        Averaged probability from which a class is decided for, and below which it is given up.
    max_gap
        Lost frames in a row that are bridged by straight lines.
    flat
        Equal samples in a row that make a channel flat.
    railed
        Samples in a row at the end of the range that make a channel saturated.
    settling
        Samples until the filter has settled.
    """

    smooth: int
    threshold: float
    release: float
    max_gap: int
    flat: int
    railed: int
    settling: int


def powers(scale: float) -> NDArray[np.uint32]:
    """Return exp(-scale * d) of each value of d's digits, (4, 16), in steps of 2^-31."""
    values = np.arange(2**DIGIT_BITS) * 2.0 ** (DIGIT_BITS * np.arange(DIGITS))[:, None]
    return np.asarray(np.round(np.exp(-scale * values) * 2.0**POWER_BITS), np.uint32)


def generate_session(
    graph: QGraph,
    contract: SignalContract,
    chain: SignalChain,
    stream: StreamFirmware,
    rules: Rules,
    origin: Origin | None = None,
) -> dict[str, str]:
    """Return the files by name.

    Raises
    ------
    IncompatibleError
        When classes have no names, or more than one decision may fall into a bridged gap.
    """
    n_outputs = graph[graph.output].shape[-1]
    if len(contract.classes) != n_outputs:
        raise IncompatibleError(
            f"No decisions in C for this contract: it names {len(contract.classes)} classes and "
            f"the network has {n_outputs} logits."
        )
    if rules.max_gap >= contract.hop:
        raise IncompatibleError(
            f"No decisions in C for this contract: {rules.max_gap} lost frames are bridged at "
            f"once and a decision is due every {contract.hop}, so two could fall on one frame. "
            f"Type --hop {rules.max_gap + 1} or more."
        )
    name = stream.prefix
    values = {
        "name": name,
        "upper": name.upper(),
        "version": (origin or Origin()).version,
        "rules": rules,
        "threshold": round(rules.threshold * 2**SHARE_BITS),
        "release": round(rules.release * 2**SHARE_BITS),
        "n_outputs": n_outputs,
        "n_inputs": chain.n_inputs,
        "delay": stream.delay,
        "clean": max(contract.n_times, rules.settling),
        "first_window": contract.n_times % contract.hop or contract.hop,
        "classes": contract.classes,
        "powers": Code(
            "\n".join(wrapped(f"{v}u" for v in powers(graph.quant(graph.output).scale).flat))
        ),
    }
    kernels = resources.files("firmware_bridge") / "kernels"
    return {
        f"{name}_session.c": render("session/session.c", **values),
        f"{name}_session.h": render("session/session.h", **values),
        **{kernel: (kernels / kernel).read_text() for kernel in KERNELS},
    }
