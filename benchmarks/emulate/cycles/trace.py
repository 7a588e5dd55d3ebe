# SPDX-License-Identifier: BSD-3-Clause
"""Record what an emulated Thumb core executes: straight runs, and where loads and stores go."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.build import toolchain

SOURCE = Path(__file__).parents[1] / "programs" / "trace.c"


@dataclass(frozen=True)
class Run:
    """A straight run: from where a taken branch led to the next taken branch.

    Attributes
    ----------
    begin, end
        The address of its first instruction, and the one behind its last.
    count
        How often it was executed.
    """

    begin: int
    end: int
    count: int


@dataclass(frozen=True)
class Place:
    """What the loads and stores of one instruction did.

    Attributes
    ----------
    flash, sram
        Accesses to each memory.
    in_two
        Accesses that the bus split in two: words on a halfword, halfwords on an odd byte.
    in_three
        Words on an odd byte, which it split in three.
    """

    flash: int = 0
    sram: int = 0
    in_two: int = 0
    in_three: int = 0

    @property
    def memory(self) -> str:
        """The memory that most accesses went to."""
        return "flash" if self.flash > self.sram else "sram"


@dataclass(frozen=True)
class Trace:
    """Everything that was executed since :meth:`Tracer.start`; places by instruction address."""

    runs: tuple[Run, ...]
    places: Mapping[int, Place]


class _Run(ctypes.Structure):
    _fields_ = (
        ("begin", ctypes.c_uint32),
        ("end", ctypes.c_uint32),
        ("count", ctypes.c_uint64),
    )


class _Place(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint32) for name in ("address", "flash", "sram", "in_two", "in_three")
    )


N_ENTRIES = 65536
"""Of each table of trace.c."""


class Tracer:
    """Hooks on an emulated Thumb core that record what it executes."""

    def __init__(self, machine: Any) -> None:
        import unicorn
        from unicorn.unicorn_py3.unicorn import uclib

        self._library, self._unicorn = _library(), uclib
        self._pc = unicorn.arm_const.UC_ARM_REG_PC
        data = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
        for kind, hook in (
            (unicorn.UC_HOOK_BLOCK, self._library.on_block),
            (data, self._library.on_access),
        ):
            error = uclib.uc_hook_add(
                machine._uch,
                ctypes.byref(ctypes.c_size_t()),
                kind,
                ctypes.cast(hook, ctypes.c_void_p),
                None,
                ctypes.c_uint64(1),
                ctypes.c_uint64(0),
            )
            if error:
                raise RuntimeError(f"Unicorn refused the hook: error {error}")
        machine.ctl_flush_tb()  # what was translated before does not call the hooks
        self.start()

    def start(self) -> None:
        """Forget what was recorded; call this before the emulation."""
        reads = ctypes.cast(self._unicorn.uc_reg_read, ctypes.c_void_p)
        self._library.start(reads, ctypes.c_int(self._pc))

    def trace(self) -> Trace:
        """Return what was executed since :meth:`start`.

        Raises
        ------
        RuntimeError
            When there were more distinct runs than the tables hold.
        """
        self._library.finish()
        if ctypes.c_int.in_dll(self._library, "is_full").value:
            raise RuntimeError(f"more than {N_ENTRIES} distinct runs or loads in one trace")
        runs = (_Run * N_ENTRIES).in_dll(self._library, "runs")
        places = (_Place * N_ENTRIES).in_dll(self._library, "places")
        return Trace(tuple(_runs(runs)), dict(_places(places)))


def _runs(table: Iterable[Any]) -> Iterable[Run]:
    ordered = sorted((run for run in table if run.count), key=lambda run: (run.begin, run.end))
    return (Run(run.begin, run.end, run.count) for run in ordered)


def _places(table: Iterable[Any]) -> Iterable[tuple[int, Place]]:
    for place in table:
        if place.flash or place.sram:
            counted = (place.flash, place.sram, place.in_two, place.in_three)
            yield place.address, Place(*counted)


@functools.cache
def _library() -> Any:
    """The hooks, compiled for this machine."""
    library = Path(tempfile.mkdtemp(prefix="edge-trace-")) / "trace.so"
    arguments: list[str | Path] = ["-O2", "-shared", "-fPIC", SOURCE, "-o", library]
    toolchain.compile_c(toolchain.host_compiler(), arguments)
    return ctypes.CDLL(str(library))
