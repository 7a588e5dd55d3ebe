# SPDX-License-Identifier: BSD-3-Clause
"""List the parameters of live sources, for help; nothing is imported and BrainFlow is not asked.

Boards and their parameters follow BrainFlow's documentation (Supported Boards).
"""

from __future__ import annotations

from collections.abc import Mapping

OURS: Mapping[str, str] = {
    "lsl": "source_id, timeout, limit (full scale), ppm (of its clock)",
    "any board": "limit (full scale, uV), counter (its values; 0: timestamps), ppm",
    "cyton, cyton_daisy, …_wifi": "gain (24 without), from which limit follows",
}
"""Parameters that this project adds, by source."""

BOARDS: Mapping[str, tuple[str, ...]] = {
    "serial_port": ("cyton", "cyton_daisy", "freeeeg32", "freeeeg128"),
    "serial_port, mac_address, timeout": ("ganglion", "brainbit_bled"),
    "serial_port, serial_number, timeout": ("muse_2_bled", "muse_s_bled", "muse_2016_bled"),
    "mac_address, serial_number, timeout": (
        *("ganglion_native", "muse_2", "muse_s", "muse_2016", "muse_s_athena"),
        *("brainalive", "aavaa_v3"),
    ),
    "mac_address": ("enophone", "explore_4_chan", "explore_8_chan", "explore_plus_8_chan"),
    "serial_number, timeout": ("brainbit", "unicorn", "notion_1", "notion_2", "crown"),
    "ip_port, ip_address, timeout": ("cyton_wifi", "cyton_daisy_wifi", "ganglion_wifi"),
    "ip_address, timeout": ("galea",),
    "ip_address, ip_port, master_board": ("streaming",),
    "file, master_board": ("playback_file",),
    "none": ("synthetic", "ant_neuro_ee_410 and its like"),
}
"""Parameters and the boards that take them, for help; BrainFlow checks them itself."""
