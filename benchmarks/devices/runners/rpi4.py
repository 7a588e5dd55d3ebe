# SPDX-License-Identifier: BSD-3-Clause
"""Count instructions a window on a Raspberry Pi 4, a Cortex-A72 emulated by qemu-aarch64."""

from __future__ import annotations

from functools import partial

from benchmarks.devices.runners import _raspberry

run = partial(_raspberry.run, "cortex-a72")
