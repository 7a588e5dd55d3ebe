# SPDX-License-Identifier: BSD-3-Clause
"""Run public workloads, written anew from their description, through a cycle model.

Embench publishes the cycles of each on an STM32F407. What is compared is a repetition of our own
code for the same work, compiled here, so the error is the model's and the other code's together.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate import emulator
from benchmarks.emulate.cycles import pipeline
from benchmarks.emulate.cycles.model import Model
from benchmarks.emulate.cycles.thumb import Decoder
from benchmarks.emulate.cycles.trace import Tracer
from firmware_bridge.build import link

SOURCE = Path(__file__).parent / "kernels.c"
WORK_BYTES = 16_384
"""At least the size of ``work`` in kernels.c; checked."""
FLAGS = ("-mthumb", "-mfloat-abi=soft")
"""Embench's code computes without the FPU too."""
M, P, Q = 0xFAE849273928F89F, 0x0549372187237FEF, 0x14736DEFB9330573


@dataclass(frozen=True)
class Kernel:
    """A workload.

    Attributes
    ----------
    embench
        What Embench calls it.
    repetitions
        In Embench's published figure, at 1 MHz.
    expected
        Returns what it has to compute, as int32.
    result
        The function that says what it computed, where that is another one.
    """

    embench: str
    repetitions: int
    expected: Callable[[], list[int]]
    result: str = ""


@dataclass(frozen=True)
class Ran:
    """One repetition of a workload."""

    name: str
    embench: str
    repetitions: int
    instructions: int
    cycles: int
    is_right: bool


def _crc32() -> list[int]:
    """A CRC by bits, where the kernel has a table."""
    crc, seed = 0xFFFFFFFF, 0
    for _ in range(1024):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        crc ^= seed >> 16 & 0xFF
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return [crc ^ 0xFFFFFFFF]


def _matmult() -> list[int]:
    values, seed = [], 0
    for _ in range(800):
        seed = (seed * 133 + 81) % 8095
        values.append(seed)
    a, b = np.array(values, np.int64).reshape(2, 20, 20)
    return [int(np.fliplr(a @ b).trace())]


def _ud() -> list[int]:
    """The system's integers, whose quotients are cut off as C cuts them."""
    a = [[(i + j + 2) * (2 if i == j else 1) for j in range(6)] for i in range(6)]
    b = [sum(row) for row in a]
    for i in range(5):
        for j in range(i + 1, 6):
            a[j][i] = _cut(a[j][i] - sum(a[j][k] * a[k][i] for k in range(i)), a[i][i])
        for j in range(i + 1, 6):
            a[i + 1][j] -= sum(a[i + 1][k] * a[k][j] for k in range(i + 1))
    for i in range(6):
        b[i] -= sum(a[i][j] * b[j] for j in range(i))
    x = [0] * 6
    for i in reversed(range(6)):
        x[i] = _cut(b[i] - sum(a[i][j] * x[j] for j in range(i + 1, 6)), a[i][i])
    number = 0
    for value in x:
        number = 10 * number + value
    return [number]


def _cut(dividend: int, divisor: int) -> int:
    return int(dividend / divisor)


def _mont64() -> list[int]:
    power = pow(P * Q, 4, M)
    return [power & 0xFFFFFFFF, power >> 32, 1]


def _sha256() -> list[int]:
    message = bytes(97 + i // 4 + i % 4 for i in range(56))
    return list(struct.unpack(">8I", hashlib.sha256(message).digest()))


def _minver() -> list[int]:
    f = np.array([[3, -6, 7], [9, 0, -5], [5, -8, 6]], np.float64)
    g = np.array([[-3, 0, 2], [3, -2, 0], [0, 2, -3]], np.float64)
    found = np.concatenate([np.rint(1000 * np.linalg.inv(f)), f @ g])
    return [int(value) for value in found.ravel()]


KERNELS: Mapping[str, Kernel] = {
    "crc32": Kernel("crc32", 170, _crc32),
    "matmult": Kernel("matmult-int", 46, _matmult),
    "ud": Kernel("ud", 1478, _ud),
    "mont64": Kernel("aha-mont64", 423, _mont64),
    "sha256": Kernel("nettle-sha256", 475, _sha256),
    "minver": Kernel("minver", 555, _minver, "minver_result"),
}


class Bench:
    """The kernels, linked for a core."""

    def __init__(self, model: Model) -> None:
        self.model = model
        core = replace(emulator.CORES[model.core], gcc=(f"-mcpu={model.core}", *FLAGS))
        names = ("prepare", *KERNELS, *(one.result for one in KERNELS.values() if one.result))
        entries = [f"kernel_{name}" for name in names]
        files = {"kernels.c": SOURCE.read_text()}
        elf = link.image(files, ["kernels.c"], entries, core, ("-O2",), "gcc").elf
        program = emulator.Program(core, "kernel", elf, WORK_BYTES, 0, ())
        self.machine = emulator.Machine(program)
        self.tracer = Tracer(self.machine.uc)
        self.decoder = Decoder(pipeline.reader(link.elf_segments(elf)))
        (size,) = self._call("prepare", 1)
        if size > WORK_BYTES:
            raise RuntimeError(f"kernels.c works on {size} bytes, WORK_BYTES is {WORK_BYTES}")

    def _call(self, name: str, n_results: int) -> list[int]:
        results: NDArray[Any] = np.zeros(n_results, np.int32)
        run = self.machine.call(name, np.zeros((1, 1), np.int8), results)
        return [int(value) for value in run.output]

    def run(self, name: str) -> Ran:
        """Run one repetition, and compare what it computes with Python."""
        kernel = KERNELS[name]
        expected = np.array(kernel.expected(), np.int64).astype(np.int32).tolist()
        self.tracer.start()
        found = self._call(name, len(expected))
        counted: Counter[str] = pipeline.events(self.tracer.trace(), self.decoder, self.model)
        if kernel.result:
            found = self._call(kernel.result, len(expected))
        return Ran(
            name,
            kernel.embench,
            kernel.repetitions,
            counted[pipeline.INSTRUCTION],
            self.model.cycles(counted),
            found == expected,
        )
