# SPDX-License-Identifier: BSD-3-Clause
"""Versions of what is installed, without importing it."""

from __future__ import annotations

from importlib import metadata

PACKAGES = (
    "eeg-edge",
    "numpy",
    "torch",
    "torchao",
    "executorch",
    "braindecode",
    "mne",
    "ai-edge-litert",
    "tflite-runtime",
    "onnx",
    "onnxruntime",
)


def installed(package: str) -> str | None:
    """Version of a distribution, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Every package of :data:`PACKAGES` that is installed."""
    found = ((package, installed(package)) for package in PACKAGES)
    return {package: version for package, version in found if version is not None}
