# SPDX-License-Identifier: BSD-3-Clause
"""Decode Thumb instructions into what matters to a pipeline: loads, addresses, results, jumps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from edge.errors import MissingToolError


class Kind(Enum):
    """What an instruction is to the pipeline."""

    LOAD = "one word or less into a core register"
    STORE = "one word or less from a core register"
    LOADS = "several words, or into a register of the FPU"
    STORES = "several words, or from a register of the FPU"
    BRANCH = "a jump inside the program"
    CALL = "BL"
    RETURN = "a jump to an address in a register"
    TABLE = "TBB, TBH"
    DIVIDE = "SDIV, UDIV"
    FLOAT_DIVIDE = "VDIV, VSQRT"
    FLOAT_MULTIPLY_ADD = "VMLA, VFMA and their like"
    IT = "IT"
    NOP = "NOP"
    OTHER = "one cycle"


MEMORY = frozenset({Kind.LOAD, Kind.STORE, Kind.LOADS, Kind.STORES})


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes
    ----------
    address, size
        Where it lies, and its 2 or 4 bytes.
    words
        What it loads or stores, where that is several.
    writes
        Registers that it changes.
    addresses
        Registers that its address is made of; empty where it accesses no memory, and of PUSH and
        POP, which do not wait for the stack pointer.
    base
        The first of them.
    writes_back
        Whether the base is changed by the access itself.
    is_two_register_move
        VMOV between two core registers and the FPU.
    """

    address: int
    size: int
    kind: Kind
    words: int
    writes: frozenset[str]
    addresses: frozenset[str]
    base: str
    writes_back: bool
    is_two_register_move: bool = False

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.size


_CONDITION = re.compile(r"(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al)$")
_BRANCH = re.compile(r"(b|cbn?z|b(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le))$")
_KINDS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(f"(?:{pattern})$"), kind)
    for pattern, kind in (
        (r"v?pop|v?ldm.*|ldrd|vldr", Kind.LOADS),
        (r"v?push|v?stm.*|strd|vstr", Kind.STORES),
        (r"ldr(b|h|sb|sh|t|bt|ht|sbt|sht|ex|exb|exh)?", Kind.LOAD),
        (r"str(b|h|t|bt|ht|ex|exb|exh)?", Kind.STORE),
        (r"tb[bh]", Kind.TABLE),
        (r"bl", Kind.CALL),
        (r"blx?|bx", Kind.RETURN),
        (r"it[te]*", Kind.IT),
        (r"[su]div", Kind.DIVIDE),
        (r"vdiv|vsqrt", Kind.FLOAT_DIVIDE),
        (r"v(fma|fms|fnm|mla|mls|nml).*", Kind.FLOAT_MULTIPLY_ADD),
        (r"nop", Kind.NOP),
    )
)


class Decoder:
    """Decodes runs of a program; each distinct run once.

    Parameters
    ----------
    read
        Gives so many bytes of the program from an address on.
    """

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        try:
            import capstone
        except ImportError as error:
            raise MissingToolError(
                f"Modelling cycles needs {error.name!r}, which is not installed. "
                f"Type: pip install 'eeg-edge[firmware]'"
            ) from None
        self._arm = capstone.arm
        self._capstone = capstone.Cs(
            capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
        )
        self._capstone.detail = True
        self._read = read
        self._kept: dict[tuple[int, int], tuple[Instruction, ...]] = {}

    def run(self, begin: int, end: int) -> tuple[Instruction, ...]:
        """Return the instructions from an address to another.

        Raises
        ------
        ValueError
            When there is something in between that is no instruction.
        """
        if (begin, end) not in self._kept:
            self._kept[begin, end] = tuple(self._decoded(begin, end))
        return self._kept[begin, end]

    def _decoded(self, begin: int, end: int) -> list[Instruction]:
        made: list[Instruction] = []
        conditional, at = 0, begin
        for one in self._capstone.disasm(self._read(begin, end - begin), begin):
            made.append(self._instruction(one, conditional > 0))
            conditional = max(0, conditional - 1)
            if made[-1].kind is Kind.IT:
                conditional = len(one.mnemonic) - 1
            at = made[-1].end
        if at != end:
            raise ValueError(f"no instruction at {at:#x}")
        return made

    def _instruction(self, one: Any, is_conditional: bool) -> Instruction:
        name = one.mnemonic.split(".")[0]
        if is_conditional:
            name = _CONDITION.sub("", name)
        _, written = one.regs_access()
        writes = frozenset(one.reg_name(register) for register in written)
        registers = [one.reg_name(o.reg) for o in one.operands if o.type == self._arm.ARM_OP_REG]
        memory = next((o.mem for o in one.operands if o.type == self._arm.ARM_OP_MEM), None)
        kind = _kind(name, writes)
        addresses: tuple[str, ...] = ()
        if memory is not None:
            used = (memory.base, memory.index)
            addresses = tuple(one.reg_name(register) for register in used if register)
        elif kind in MEMORY and "m" in name[:4]:  # LDM, STM: the base is the first operand
            addresses = (registers[0],)
        return Instruction(
            one.address,
            one.size,
            kind,
            _words(name, registers) if kind in MEMORY else 0,
            writes,
            frozenset(addresses if kind in MEMORY else ()),
            addresses[0] if addresses else "",
            bool(addresses) and bool(one.writeback),
            name == "vmov" and _moves_two(registers),
        )


def _kind(name: str, writes: frozenset[str]) -> Kind:
    """What a mnemonic without its condition stands for."""
    if _BRANCH.match(name):
        return Kind.BRANCH
    for pattern, kind in _KINDS:
        if pattern.match(name):
            return kind
    return Kind.RETURN if "pc" in writes else Kind.OTHER


def _words(name: str, registers: list[str]) -> int:
    """Words that an access moves: a register of two words of the FPU counts twice."""
    if name in ("ldrd", "strd"):
        return 2
    if name.startswith("v"):
        return sum(_FLOAT_WORDS.get(register[0], 0) for register in registers if register != "sp")
    return len(registers) - (1 if "m" in name[:4] else 0)


_FLOAT_WORDS: Mapping[str, int] = {"s": 1, "d": 2}


def _moves_two(registers: list[str]) -> bool:
    """Whether a VMOV has two core registers among its operands."""
    in_fpu = [register[0] in "sd" and register[1:].isdigit() for register in registers]
    return any(in_fpu) and in_fpu.count(False) == 2
