# SPDX-License-Identifier: BSD-3-Clause
"""Describe the machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from pathlib import Path

from edge.patches.versions import versions

ROOT = Path(__file__).resolve().parents[2]


def machine() -> dict[str, str]:
    """Return CPU, cores, kernel, governor, load, Python, and versions of what is installed."""
    return {
        **_revision(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "governor": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        **versions(),
    }


def _revision() -> dict[str, str]:
    """The commit that this code is, where it is a checkout, and ``-dirty`` where it is changed.

    An installed wheel has a version instead (``eeg-edge`` among the others); what is sent to a
    device is the tool of whoever sent it.
    """
    if not (ROOT / ".git").exists():
        return {}
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {"revision": "unknown"}
    return {"revision": done.stdout.strip()}


def _line(path: str) -> str:
    """A one-line file of the kernel's; ``unknown`` where it is not there."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unknown"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def resident_bytes() -> int:
    """Return the most memory that this process has had resident.

    Linux keeps it in ``VmHWM``; ``getrusage`` there begins with the parent's.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
