# SPDX-License-Identifier: BSD-3-Clause
"""Provide the package ``platformio``: the folder that ``arduino`` names, which both take."""

from __future__ import annotations

from edge.firmware.packages.arduino import arrange

__all__ = ["arrange"]
