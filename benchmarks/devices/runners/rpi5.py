# SPDX-License-Identifier: BSD-3-Clause
"""rpi5: Raspberry Pi 5, a Cortex-A76 emulated by qemu-aarch64; instructions a window."""

from __future__ import annotations

from functools import partial

from benchmarks.devices.runners import _raspberry

run = partial(_raspberry.run, "cortex-a76")
