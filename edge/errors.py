# SPDX-License-Identifier: BSD-3-Clause
"""Hand the error classes on from :mod:`quantize.errors`, under the name that users import."""

from __future__ import annotations

from quantize.errors import (
    AccuracyError,
    BudgetError,
    EdgeError,
    ExitCode,
    IncompatibleError,
    MissingToolError,
    UsageError,
    invalid_value,
    listing,
    of_code,
    suggestion,
)

__all__ = [
    "AccuracyError",
    "BudgetError",
    "EdgeError",
    "ExitCode",
    "IncompatibleError",
    "MissingToolError",
    "UsageError",
    "invalid_value",
    "listing",
    "of_code",
    "suggestion",
]
