"""``edge doctor``: what is installed, what it can do, and the line that installs the rest."""

from __future__ import annotations

import importlib.util
import platform
import sys
from dataclasses import dataclass

from edge.versions import installed


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``fix`` is empty where nothing is amiss."""

    what: str
    found: str
    fix: str


@dataclass(frozen=True)
class Need:
    """A package, what for, and the extra that brings it."""

    package: str
    module: str
    purpose: str
    extra: str


NEEDS = (
    Need("torch", "torch", "train, lower, quantize", "export"),
    Need("torchao", "torchao", "quantize", "export"),
    Need("braindecode", "braindecode", "the float model", "export"),
    Need("mne", "mne", "read recordings, simulate", "export"),
    Need("executorch", "executorch", "target executorch", "export"),
    Need("ai-edge-litert", "ai_edge_litert", "target tflite", "run"),
)


def examine() -> tuple[Finding, ...]:
    """Look at this machine without importing anything heavy."""
    findings = [
        Finding("python", f"{platform.python_version()} ({sys.executable})", ""),
        Finding("machine", f"{platform.system()} {platform.machine()}", ""),
        Finding("eeg-edge", installed("eeg-edge") or "not installed, run from source", ""),
    ]
    return (*findings, *(_need(need) for need in NEEDS), *_torch_build())


def _need(need: Need) -> Finding:
    what = f"{need.package} ({need.purpose})"
    version = installed(need.package)
    if version is None or importlib.util.find_spec(need.module) is None:
        alternative = installed("tflite-runtime") if need.package == "ai-edge-litert" else None
        if alternative is not None:
            return Finding(what, f"tflite-runtime {alternative} in its place", "")
        return Finding(what, "not installed", f"pip install 'eeg-edge[{need.extra}]'")
    return Finding(what, version, "")


def _torch_build() -> tuple[Finding, ...]:
    """Whether torch is a CPU build; a CUDA build works and takes gigabytes for nothing."""
    version = installed("torch")
    if version is None:
        return ()
    cuda = installed("nvidia-cuda-runtime") or installed("nvidia-cuda-runtime-cu12")
    if version.endswith("+cpu") or (cuda is None and "+cu" not in version):
        return (Finding("torch build", "CPU", ""),)
    fix = f"pip install 'torch=={version.partition('+')[0]}+cpu' --index-url {CPU_INDEX}"
    return (Finding("torch build", "CUDA, gigabytes that nothing here uses", fix),)


CPU_INDEX = "https://download.pytorch.org/whl/cpu"
