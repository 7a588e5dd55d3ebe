# SPDX-License-Identifier: BSD-3-Clause
"""Read the versions of installed packages without importing them."""

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
    """Return the version of a distribution, or None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return the version of every package of :data:`PACKAGES` that is installed."""
    found = ((package, installed(package)) for package in PACKAGES)
    return {package: version for package, version in found if version is not None}
