# SPDX-License-Identifier: BSD-3-Clause
"""Write the decoder between an interrupt and a thread: ``NAME_live.h`` and ``NAME_live.c``."""

from __future__ import annotations

from importlib import resources

from firmware_bridge.emit.generate import Origin
from firmware_bridge.rendering import render
from firmware_bridge.stream.generate import StreamFirmware

KERNELS = ("edge_port.h", "edge_queue.h", "edge_status.h")


def generate_live(
    stream: StreamFirmware, n_chans: int, n_outputs: int, origin: Origin | None = None
) -> dict[str, str]:
    """Return the files by name; a thread may be late by the hop, rounded up to a power of two."""
    values = {
        "name": stream.prefix,
        "upper": stream.prefix.upper(),
        "version": (origin or Origin()).version,
        "n_chans": n_chans,
        "n_outputs": n_outputs,
        "lag": 1 << max(1, stream.hop).bit_length(),
    }
    kernels = resources.files("firmware_bridge") / "kernels"
    return {
        f"{stream.prefix}_live.c": render("live/live.c", **values),
        f"{stream.prefix}_live.h": render("live/live.h", **values),
        **{kernel: (kernels / kernel).read_text() for kernel in KERNELS},
    }
