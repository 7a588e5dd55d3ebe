# SPDX-License-Identifier: BSD-3-Clause
"""Count instructions and bytes of the bundle's C on a Cortex-M55 with Helium, by QEMU."""

from __future__ import annotations

from functools import partial

from benchmarks.devices.runners import _cortex_m

run = partial(_cortex_m.run, "cortex-m55")
