# SPDX-License-Identifier: BSD-3-Clause
"""Write the function that compares a model's constants with their checksum."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from firmware_bridge.plan.source import PORTS, Constant
from firmware_bridge.rendering import Code

KERNEL = "edge_check.h"


def values(constants: Sequence[Constant], function: str) -> dict[str, object]:
    """Return what ``engine/check.c`` is told.

    Every port has its own layouts, so each has its own checksum.
    """
    last = len(PORTS) - 1
    order = [port for port in PORTS if port != "plain"] + ["plain"]
    crcs = [
        (Code("#else" if i == last else f"#{'elif' if i else 'if'} EDGE_PORT == {PORTS[port]}"),
         Code(f"0x{crc(constants, port):08x}u"))
        for i, port in enumerate(order)
    ]  # fmt: skip
    return {"check": function, "crcs": crcs, "checked": [_line(one) for one in constants]}


def crc(constants: Sequence[Constant], port: str) -> int:
    """Return the CRC-32 of what a port is compiled with, each value in little-endian order."""
    found = 0
    for constant in constants:
        array = constant.layouts.get(port, constant.layouts.get("plain"))
        if array is not None:
            found = zlib.crc32(array.astype(array.dtype.newbyteorder("<")).tobytes(), found)
    return found


def _line(constant: Constant) -> Code:
    name = constant.name
    text = f"    crc = edge_crc(crc, {name}, (uint32_t)sizeof {name}, (uint32_t)sizeof *{name});"
    if "plain" in constant.layouts:
        return Code(text)
    ports = " || ".join(f"EDGE_PORT == {PORTS[port]}" for port in constant.layouts)
    return Code(f"#if {ports}\n{text}\n#endif")
