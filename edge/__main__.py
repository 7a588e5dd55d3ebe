# SPDX-License-Identifier: BSD-3-Clause
"""Run the command line as ``python -m edge``."""

from edge.cli import main

main()
