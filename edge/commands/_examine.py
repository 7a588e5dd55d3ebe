# SPDX-License-Identifier: BSD-3-Clause
"""Examine this machine for ``edge doctor`` without importing anything heavy."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge import registry
from edge.errors import MissingToolError
from edge.patches import shadow
from edge.patches.versions import installed
from quantize import plugins

if TYPE_CHECKING:
    from edge.targets.base import Target


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``fix`` is empty where nothing is amiss."""

    kind: str
    what: str
    found: str
    fix: str


@dataclass(frozen=True)
class Package:
    """A package, what it is for, and the line that installs it."""

    name: str
    purpose: str
    line: str


@dataclass(frozen=True)
class Tool:
    """A program, what it is for, and the line that installs it."""

    names: tuple[str, ...]
    purpose: str
    line: str


EXPORT = "pip install 'eeg-edge[export]'"
STREAM = "pip install 'eeg-edge[stream]'"

PACKAGES = (
    Package("torch", "train, lower, quantize", EXPORT),
    Package("torchao", "quantize", EXPORT),
    Package("braindecode", "the float model", EXPORT),
    Package("mne", "read recordings, simulate", EXPORT),
    Package("brainflow", "stream from a headset", STREAM),
    Package("mne-lsl", "stream over LSL", STREAM),
    Package("moabb", "public datasets, optional", "pip install moabb"),
)
COMPILERS = (
    Tool(("gcc", "clang", "cc"), "C for this machine", "apt-get install gcc"),
    Tool(("zig",), "C for every device", "pip install ziglang"),
    Tool(("arm-none-eabi-gcc",), "C for Cortex-M", "apt-get install gcc-arm-none-eabi"),
    Tool(("cmake",), "builds what edge firmware writes", "apt-get install cmake"),
)
EMULATORS = (
    Tool(("unicorn",), "Cortex-M4, M7, M33", "pip install unicorn"),
    Tool(("qemu-system-arm",), "Cortex-M55", "apt-get install qemu-system-arm"),
    Tool(("qemu-aarch64",), "Raspberry Pi 4 and 5", "apt-get install qemu-user"),
    Tool(("mmdebstrap",), "LiteRT on those two", "apt-get install mmdebstrap"),
)
PYTHON_TOOLS = {"zig": "ziglang", "unicorn": "unicorn"}
"""Programs that a Python package brings."""


def examine() -> tuple[Finding, ...]:
    """Look at this machine without importing anything heavy."""
    return (
        Finding("system", "python", f"{platform.python_version()} ({sys.executable})", ""),
        Finding("system", "machine", f"{platform.system()} {platform.machine()}", ""),
        Finding("system", "eeg-edge", _own_version(), ""),
        *(
            Finding("system", f"package {name}", f"shadowed by {path}", shadow.advice(path))
            for name, path in shadow.foreign().items()
        ),
        *(_package(package) for package in PACKAGES),
        *_torch_build(),
        *_targets(),
        *_plugins(),
        *(_tool("compiler", tool) for tool in COMPILERS),
        *(_tool("emulator", tool) for tool in EMULATORS),
    )


def _own_version() -> str:
    return f"{installed('eeg-edge') or 'run from source'} ({shadow.HERE})"


def _package(package: Package) -> Finding:
    version = installed(package.name)
    what = f"{package.name} ({package.purpose})"
    if version is None:
        return Finding("package", what, "not installed", package.line)
    return Finding("package", what, version, "")


def _targets() -> list[Finding]:
    every: Mapping[str, Any] = registry.every(registry.TARGETS)
    return [_target(name, chosen) for name, chosen in every.items()]


def _plugins() -> list[Finding]:
    """What other packages add, and whether it can be loaded."""
    return [
        _plugin(kind, name)
        for kind in registry.KINDS
        for name, point in plugins.offered(kind.group).items()
        if plugins.package(point) != "eeg-edge"
    ]


def _plugin(kind: registry.Kind, name: str) -> Finding:
    package = plugins.package(plugins.offered(kind.group)[name])
    what = f"{kind.noun} {name} (package {package})"
    try:
        plugins.load_module(kind.group, name, kind.noun)
    except MissingToolError as error:
        reason, _, advice = str(error).partition(" Type: ")
        return Finding("plugin", what, reason, advice)
    if name in registry.own_names(kind):
        return Finding("plugin", what, "hidden by our own of that name", f"rename it in {package}")
    return Finding("plugin", what, installed(package) or "installed", "")


def _target(name: str, chosen: Target) -> Finding:
    """Whether its files can be written and run here."""
    absent = {"write": _absent(chosen.WRITES_WITH), "run": _absent(chosen.RUNS_WITH)}
    able = " and ".join(f"{verb}s" for verb, missing in absent.items() if not missing)
    there = map(_alternative, (*chosen.WRITES_WITH, *chosen.RUNS_WITH))
    versions = ", ".join(dict.fromkeys(filter(None, there)))
    found = f"{able or 'cannot write or run'}{f' ({versions})' if versions else ''}"
    line = COMPILERS[0].line if not absent["write"] and chosen.WRITES_WITH == () else EXPORT
    return Finding("target", name, found, line if any(absent.values()) else "")


def _alternative(names: str) -> str | None:
    """The first of ``a|b`` that is installed, a package with its version or a program."""
    for name in names.split("|"):
        if (version := installed(name)) is not None:
            return f"{name} {version}"
        if shutil.which(name) is not None:
            return name
    return None


def _absent(packages: Sequence[str]) -> list[str]:
    return [package for package in packages if _alternative(package) is None]


def _tool(kind: str, tool: Tool) -> Finding:
    what = f"{tool.names[0]} ({tool.purpose})"
    for name in tool.names:
        if (path := shutil.which(name)) is not None:
            return Finding(kind, what, path, "")
        package = PYTHON_TOOLS.get(name, "")
        if package and (version := installed(package)) is not None:
            return Finding(kind, what, f"{package} {version}", "")
    return Finding(kind, what, "not installed", tool.line)


def _torch_build() -> tuple[Finding, ...]:
    """Whether torch is a CPU build; a CUDA build works and takes gigabytes for nothing."""
    version = installed("torch")
    if version is None:
        return ()
    cuda = installed("nvidia-cuda-runtime") or installed("nvidia-cuda-runtime-cu12")
    if version.endswith("+cpu") or (cuda is None and "+cu" not in version):
        return (Finding("package", "torch build", "CPU", ""),)
    fix = f"pip install 'torch=={version.partition('+')[0]}+cpu' --index-url {CPU_INDEX}"
    return (Finding("package", "torch build", "CUDA, gigabytes that nothing here uses", fix),)


CPU_INDEX = "https://download.pytorch.org/whl/cpu"
