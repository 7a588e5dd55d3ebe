"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path

from edge.versions import versions


def machine() -> dict[str, str]:
    """CPU, cores, kernel, governor, load, Python and the versions of what is installed."""
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "governor": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        **versions(),
    }


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
    """Most memory this process has had resident.

    Linux keeps it in ``VmHWM``; ``getrusage`` there begins with the parent's.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
