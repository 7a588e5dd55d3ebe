# SPDX-License-Identifier: BSD-3-Clause
"""Take from this process what reading a model file does not need: network, files, programs, memory.

Called once the libraries are loaded, by a process that does nothing else than run models
(:mod:`edge.bundle.child`). On Linux a seccomp filter forbids system calls that open a connection,
write a file, start a program or look into another process; threads stay possible. Limits of memory
and CPU time hold on every Unix. What this machine does not offer is said, never passed over.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

MEMORY_BYTES = 4 * 2**30
"""Address space beyond what libraries take."""
LOG_BYTES = 16 * 2**20
"""What libraries may say on a stderr that is a file; no other file is open for writing."""


@dataclass(frozen=True)
class Architecture:
    """Numbers of Linux's interface to a processor.

    Attributes
    ----------
    audit
        ``AUDIT_ARCH`` of <linux/audit.h>.
    forbidden
        System calls that fail with EPERM.
    openings
        System calls that open a file: number, and index of the argument with the flags.
    clone, clone3, seccomp
        Numbers of these.
    """

    audit: int
    forbidden: tuple[int, ...]
    openings: tuple[tuple[int, int], ...]
    clone: int
    clone3: int
    seccomp: int


_NEW = (425, 426, 427, 428, 429, 430, 432, 434, 437, 438, 442, 446)
"""The same on every processor: io_uring, mounts, pidfd, openat2, landlock's last."""

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "x86_64": Architecture(
            audit=0xC000003E,
            forbidden=(
                *(41, 42, 43, 44, 46, 49, 50, 53, 288, 307),  # socket ... sendmmsg
                *(57, 58, 59, 322),  # fork, vfork, execve, execveat
                *(62, 101, 129, 200, 310, 311),  # kill, ptrace, queued signals, other memory
                *(76, 77, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 132, 133, 188, 189, 190),
                *(235, 258, 259, 260, 261, 263, 264, 265, 266, 268, 280, 285, 316),  # files by name
                *(155, 161, 165, 166, 169, 175, 176, 246, 272, 308, 313, 320),  # the machine
                *(248, 249, 250, 298, 321, 323),  # keys, perf, bpf, userfaultfd
                *_NEW,
            ),
            openings=((2, 1), (257, 2)),
            clone=56,
            clone3=435,
            seccomp=317,
        ),
        "aarch64": Architecture(
            audit=0xC00000B7,
            forbidden=(
                *(198, 199, 200, 201, 202, 203, 206, 211, 242, 269),
                *(221, 281),
                *(117, 129, 130, 138, 270, 271),
                *(5, 6, 7, 33, 34, 35, 36, 37, 38, 45, 46, 47, 52, 53, 54, 55, 88, 276),
                *(39, 40, 41, 51, 97, 104, 105, 106, 142, 268, 273, 294),
                *(217, 218, 219, 241, 280, 282),
                *_NEW,
            ),
            openings=((56, 2),),
            clone=220,
            clone3=435,
            seccomp=277,
        ),
    }
)

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000
_THREAD = 0x00010000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def confine(cpu_s: int | None, memory_bytes: int = MEMORY_BYTES) -> tuple[str, ...]:
    """Give up everything that running a model does not need, for good.

    Parameters
    ----------
    cpu_s
        CPU seconds from now on; None for a stream, which has no end.
    memory_bytes
        Address space that may be taken beyond what is taken already.

    Returns
    -------
    tuple of str
        What this machine could not do, in words; empty on Linux with seccomp.
    """
    absent = list(_limit(cpu_s, memory_bytes))
    if why := _filter_calls():
        absent.append(why)
    return tuple(absent)


def _limit(cpu_s: int | None, memory_bytes: int) -> Iterator[str]:
    try:
        import resource
    except ImportError:
        yield "no limit of memory and CPU time on this system"
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LOG_BYTES, LOG_BYTES))
    if cpu_s is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        end = int(usage.ru_utime + usage.ru_stime) + cpu_s
        resource.setrlimit(resource.RLIMIT_CPU, (end, end))
    status = Path("/proc/self/statm")
    if not status.exists():
        yield "no limit of memory without /proc"
        return
    taken = int(status.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory_bytes, taken + memory_bytes))


def _filter_calls() -> str:
    """Install the filter on every thread of this process; why not, where that is impossible."""
    chosen = ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or chosen is None or struct.calcsize("P") != 8:
        return "no filter of system calls on this system"
    libc = ctypes.CDLL(None, use_errno=True)
    program = _program(chosen)
    instructions = ctypes.create_string_buffer(program, len(program))
    length = len(program) // 8
    described = struct.pack("HxxxxxxP", length, ctypes.addressof(instructions))
    filter_ = ctypes.create_string_buffer(described, len(described))
    no_new_privileges, set_mode_filter, on_all_threads = 38, 1, 1
    if libc.prctl(no_new_privileges, 1, 0, 0, 0):
        return f"no filter of system calls ({os.strerror(ctypes.get_errno())})"
    if libc.syscall(chosen.seccomp, set_mode_filter, on_all_threads, filter_):
        return f"no filter of system calls ({os.strerror(ctypes.get_errno())})"
    return ""


def _program(chosen: Architecture) -> bytes:
    """The filter in classic BPF: eight bytes an instruction."""

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    def low_word(argument: int) -> bytes:
        return step(_LOAD, _ARGUMENTS + 8 * argument)

    refuse = step(_RETURN, _ERRNO | errno.EPERM)
    parts = [
        step(_LOAD, _ARCH),
        step(_EQUAL, chosen.audit, yes=1),
        step(_RETURN, _KILL),
        step(_LOAD, _NUMBER),
        step(_AT_LEAST, _X32, no=1),
        refuse,
    ]
    for number in sorted(set(chosen.forbidden)):
        parts += [step(_EQUAL, number, no=1), refuse]
    # the C library falls back to clone, whose flags can be looked at
    parts += [step(_EQUAL, chosen.clone3, no=1), step(_RETURN, _ERRNO | errno.ENOSYS)]
    parts += [step(_EQUAL, chosen.clone, no=4), low_word(0), step(_ANY_BIT, _THREAD, yes=1)]
    parts += [refuse, step(_RETURN, _ALLOW)]
    for number, flags in chosen.openings:
        parts += [step(_EQUAL, number, no=4), low_word(flags), step(_ANY_BIT, _WRITES, no=1)]
        parts += [refuse, step(_RETURN, _ALLOW)]
    parts.append(step(_RETURN, _ALLOW))
    return b"".join(parts)
