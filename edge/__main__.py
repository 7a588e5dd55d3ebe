# SPDX-License-Identifier: BSD-3-Clause
"""``python -m edge``."""

from edge.cli import main

main()
