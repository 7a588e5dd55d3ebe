# SPDX-License-Identifier: BSD-3-Clause
"""List the processors and what compilers are told for each, by the name that devices use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Core:
    """A processor and the options that compilers need for it.

    Attributes
    ----------
    triple, zig_cpu
        What zig compiles for.
    emulated
        What Unicorn calls it, or another core of Unicorn's with the same instructions; empty where
        there is none.
    compiler, gcc
        A gcc for it, and what that is told.
    has_fpu
        Whether ``float`` is the processor's own.
    """

    name: str
    triple: str
    zig_cpu: str
    emulated: str
    compiler: str
    gcc: tuple[str, ...] = ()
    has_fpu: bool = True

    @property
    def is_thumb(self) -> bool:
        """Whether it is a Cortex-M."""
        return self.triple.startswith("thumb")


def _cortex_m(name: str, zig_cpu: str, emulated: str, *gcc: str) -> Core:
    flags = (f"-mcpu={name}", *gcc, "-mthumb", "-mfloat-abi=hard")
    return Core(name, "thumb-freestanding-eabihf", zig_cpu, emulated, "arm-none-eabi-gcc", flags)


def _cortex_a(name: str, emulated: str) -> Core:
    zig_cpu, flags = name.replace("-", "_"), (f"-mcpu={name}",)
    return Core(name, "aarch64-freestanding", zig_cpu, emulated, "aarch64-linux-gnu-gcc", flags)


CORES: Mapping[str, Core] = MappingProxyType(
    {
        core.name: core
        for core in (
            _cortex_m("cortex-m4", "cortex_m4+vfp4d16sp", "ARM_CORTEX_M4", "-mfpu=fpv4-sp-d16"),
            _cortex_m("cortex-m7", "cortex_m7+fp_armv8d16sp", "ARM_CORTEX_M7", "-mfpu=fpv5-sp-d16"),
            _cortex_m(
                "cortex-m33", "cortex_m33+dsp+fp_armv8d16sp", "ARM_CORTEX_M33", "-mfpu=fpv5-sp-d16"
            ),
            _cortex_m("cortex-m55", "cortex_m55+mve_fp+fp_armv8d16", "", "-mfpu=auto"),
            _cortex_a("cortex-a72", "ARM64_A72"),
            _cortex_a("cortex-a76", "ARM64_MAX"),
            Core(
                "riscv32-imc",
                "riscv32-freestanding",
                "generic_rv32+m+c",
                "",
                "riscv32-esp-elf-gcc",
                ("-march=rv32imc", "-mabi=ilp32"),
                has_fpu=False,
            ),
            Core(
                "mips32-m4k",
                "mipsel-freestanding-eabi",
                "mips32r2+soft_float",
                "",
                "xc32-gcc",
                ("-mprocessor=32MX250F128B",),
                has_fpu=False,
            ),
        )
    }
)
