# SPDX-License-Identifier: BSD-3-Clause
"""Hash our own source code, as a cache key."""

from __future__ import annotations

import hashlib
import json

from edge.patches.versions import versions
from quantize import own_code

MAKERS = ("edge", "quantize", "firmware_bridge")
"""Packages that a bundle is made by, shipped weights included."""


def sha256(*places: str) -> str:
    """The hash of our code at some places, of :data:`MAKERS` if none are given."""
    return own_code.sha256(*(places or MAKERS))


def key(*others: str) -> str:
    """Return a key of bundles and of what ``others`` make: our code, and what is installed."""
    words = [sha256(), *(sha256(other) for other in others), json.dumps(versions())]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()
