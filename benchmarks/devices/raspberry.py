# SPDX-License-Identifier: BSD-3-Clause
"""Count the instructions of one LiteRT inference in an emulated Raspberry Pi, exactly.

The process sees the Raspberry Pi's processor in ``/proc/cpuinfo`` and ``/sys``, because XNNPACK
chooses its kernels by what stands there.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.devices import parcel, raspberry_root
from benchmarks.devices.linux import counted
from benchmarks.devices.on_device import COUNTED
from benchmarks.emulate.emulator import FOLDER
from benchmarks.measure.findings import Request
from edge.bundle.read import Bundle
from edge.errors import AccuracyError
from firmware_bridge.build import toolchain

N_CORES = 4
PREFIX = Path("prefix")
"""In the process's own folder, so that a user's longer paths move nothing in its memory: where a
copy begins within a cache line costs LiteRT some twenty instructions a window."""
TARGET = "tflite"


@dataclass(frozen=True)
class Board:
    """What Linux says of a processor.

    Attributes
    ----------
    part
        ``CPU part`` of ``/proc/cpuinfo``.
    features
        Of the same file.
    max_khz
        Of ``/sys/devices/system/cpu/cpu0/cpufreq``.
    """

    part: str
    features: str
    max_khz: int


BOARDS: Mapping[str, Board] = {
    "cortex-a72": Board("0xd08", "fp asimd evtstrm crc32 cpuid", 1_500_000),
    "cortex-a76": Board(
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
        2_400_000,
    ),
}


@dataclass(frozen=True)
class Counted:
    """What an emulated processor made of an artifact.

    Attributes
    ----------
    name
        Target and precision.
    check
        How far its logits lie from the golden ones, by
        :func:`benchmarks.devices.on_device.distances`.
    instructions
        Of one inference, the mean of ten.
    """

    name: str
    check: Mapping[str, float]
    instructions: float


def count(
    opened: Bundle, root: Path, cpu: str, device: str, request: Request
) -> tuple[Counted, ...]:
    """Check a bundle's TFLite files against its golden vectors and count them, twice.

    Parameters
    ----------
    root
        Of :func:`benchmarks.devices.raspberry_root.ready`.

    Raises
    ------
    AccuracyError
        When logits are not the golden ones.
    """
    data = parcel.pack(opened, replace(request, targets=(TARGET,)), None)
    with tempfile.TemporaryDirectory(prefix="edge-raspberry-") as name:
        folder = Path(name)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(folder, filter="data")
        _compile_markers(folder)
        _prefix(folder / PREFIX, root, BOARDS[cpu])
        counted, again = (_run(folder, cpu, device) for _ in range(2))
    if counted != again:
        raise RuntimeError(f"{device}: two runs differ, {counted} and {again}")
    return counted


def _compile_markers(folder: Path) -> None:
    target = ("-target", "aarch64-linux-gnu", "-O2", "-shared", "-fPIC", "-nostdlib")
    arguments = (*target, FOLDER / "markers.c", "-o", "markers.so")
    toolchain.compile_c(toolchain.zig("cc"), arguments, cwd=folder)


def _prefix(folder: Path, root: Path, board: Board) -> None:
    """The root's files, and a board's /proc and /sys."""
    folder.mkdir()
    for entry in root.iterdir():
        if entry.name not in ("proc", "sys"):
            (folder / entry.name).symlink_to(entry)
    fields = {
        "BogoMIPS": "108.00",
        "Features": board.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x0",
        "CPU part": board.part,
        "CPU revision": "3",
    }
    text = "".join(f"{key}\t: {value}\n" for key, value in fields.items())
    cores = "".join(f"processor\t: {core}\n{text}\n" for core in range(N_CORES))
    everyone = f"0-{N_CORES - 1}"
    cpus = "sys/devices/system/cpu"
    files = {"proc/cpuinfo": cores, f"{cpus}/kernel_max": "255"}
    files |= {f"{cpus}/{name}": everyone for name in ("possible", "present", "online")}
    for core in range(N_CORES):
        at = f"{cpus}/cpu{core}"
        files |= {
            f"{at}/topology/physical_package_id": "0",
            f"{at}/topology/cluster_cpus_list": everyone,
            f"{at}/topology/core_siblings_list": everyone,
            f"{at}/cpufreq/cpuinfo_max_freq": str(board.max_khz),
            f"{at}/cpufreq/cpuinfo_min_freq": "600000",
        }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if content.endswith("\n") else content + "\n")


def _run(folder: Path, cpu: str, device: str) -> tuple[Counted, ...]:
    arguments = ("-B", "runner.pyz", "count", "plan.json")
    command = raspberry_root.emulated(PREFIX, PREFIX, cpu, arguments)
    output, regions = counted(command, folder, raspberry_root.environment(PREFIX))
    said = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    wrong = [f"{line['name']}: {line['problem']}" for line in said if line["problem"]]
    if wrong:
        raise AccuracyError(f"Not the golden logits on {device}: {'; '.join(wrong)}.")
    return tuple(
        Counted(line["name"], line["check"], _one(regions[at : at + len(COUNTED)]))
        for at, line in zip(range(0, len(regions), len(COUNTED)), said, strict=True)
    )


def _one(regions: Sequence[int]) -> float:
    """Instructions of one inference, from what lies between the markers of :data:`COUNTED`."""
    return (regions[2] - regions[1]) / (COUNTED[2] - COUNTED[1])
