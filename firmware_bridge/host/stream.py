# SPDX-License-Identifier: BSD-3-Clause
"""Compile the streaming engine for this machine, and call it by ctypes."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.build import toolchain
from firmware_bridge.rendering import render
from firmware_bridge.stream.generate import StreamFirmware

OPTIONS = ("-O2",)

Function = Literal["push", "push_sums", "push_float"]
TYPES: dict[Function, type] = {"push": np.int16, "push_sums": np.int32, "push_float": np.float32}


class Stream:
    """A compiled model and its state."""

    def __init__(self, handle: Any, prefix: str) -> None:
        about = (ctypes.c_int * 4).in_dll(handle, f"{prefix}_about")
        self.n_outputs, self.n_chans, n_bytes, self.delay = about
        self._handle, self._prefix = handle, prefix
        self._state = np.full(n_bytes // 4, 0x55AA55AA, np.uint32)  # reset has to set all of it
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        call = getattr(self._handle, f"{self._prefix}_reset")
        call.argtypes, call.restype = [ctypes.c_void_p], None
        call(self._state.ctypes.data)
        self.n_samples = 0

    def push(
        self, frames: NDArray[np.int8], function: Function = "push"
    ) -> list[tuple[int, NDArray[Any]]]:
        """Take samples (n, n_chans) int8.

        Returns
        -------
        list
            Number of the window's last sample, counted from the reset, and what the function gives
            (n_outputs,): int16 logits, int32 sums or float32 logits.
        """
        frames = np.ascontiguousarray(frames, np.int8)
        assert frames.shape[1] == self.n_chans
        call = getattr(self._handle, f"{self._prefix}_until_{function}")
        pointer = ctypes.c_void_p
        call.argtypes, call.restype = [pointer, pointer, ctypes.c_int, pointer], ctypes.c_int
        found, begin, address = [], 0, frames.ctypes.data
        out: NDArray[Any] = np.zeros(self.n_outputs, TYPES[function])
        while begin < len(frames):
            n = len(frames) - begin
            at = address + begin * self.n_chans
            taken = call(self._state.ctypes.data, at, n, out.ctypes.data)
            begin += taken or n
            if taken:
                found.append((self.n_samples + begin - 1 - self.delay, out.copy()))
        self.n_samples += len(frames)
        return found


def open_stream(
    firmware: StreamFirmware, options: Sequence[str] = OPTIONS, folder: Path | None = None
) -> Stream:
    """Compile a model for this machine, load it and reset it.

    Raises
    ------
    MissingToolError
        When there is no compiler.
    """
    if folder is None:  # a library that is loaded needs its file no more
        with tempfile.TemporaryDirectory(prefix="edge-stream-") as temporary:
            return open_stream(firmware, options, Path(temporary))
    until = render("host/until.c", name=firmware.prefix, upper=firmware.prefix.upper())
    toolchain.write({**firmware.files, "until.c": until}, folder)
    arguments: list[str | Path] = ["-std=c99", *options, "-shared", "-fPIC"]
    arguments += [f"{firmware.name}.c", "until.c", "-o", "stream.so", "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), arguments, cwd=folder)
    stream = Stream(ctypes.CDLL(str(folder / "stream.so")), firmware.prefix)
    assert stream._state.nbytes == firmware.state_bytes
    return stream
