# SPDX-License-Identifier: BSD-3-Clause
"""Compile a generated signal chain for this machine, and call it by ctypes."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.build import toolchain
from firmware_bridge.signal.chain import SignalChain

OPTIONS = ("-std=c99", "-O2", *toolchain.WARNINGS)


@dataclass(frozen=True)
class SignalLibrary:
    """A compiled signal chain."""

    chain: SignalChain
    handle: Any

    def steps(self, counts: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return frames (n, n_inputs), from rest, as unrounded int8 steps (n, n_chans)."""
        kind = np.int32 if self.chain.steps_bits else np.float32
        return self._run("signal_steps", counts, kind) / 2.0**self.chain.steps_bits

    def frames(self, counts: NDArray[np.int32]) -> NDArray[np.int8]:
        """Return frames (n, n_inputs), from rest, as int8 frames (n, n_chans)."""
        return np.asarray(self._run("signal", counts, np.int8))

    def _run(self, function: str, counts: NDArray[np.int32], kind: type) -> NDArray[Any]:
        name = self.chain.name
        call, reset = (getattr(self.handle, f"{name}_{f}") for f in (function, "signal_reset"))
        call.argtypes = [ctypes.c_void_p] * 3
        reset.argtypes = [ctypes.c_void_p]
        state = np.full(self.chain.state_bytes // 8 + 1, -1, np.int64)  # not initialized
        reset(state.ctypes.data)
        rows = np.ascontiguousarray(counts, np.int32)
        out: NDArray[Any] = np.empty((len(rows), self.chain.n_chans), kind)
        for i in range(len(rows)):
            call(state.ctypes.data, rows.ctypes.data + i * rows.strides[0], out[i].ctypes.data)
        return out


def build(chain: SignalChain, options: Sequence[str] = OPTIONS) -> SignalLibrary:
    """Compile a signal chain for this machine and load it.

    Raises
    ------
    MissingToolError
        When there is no compiler.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = toolchain.write(chain.files, Path(temporary))
        library = folder / f"lib{chain.name}_signal.so"
        arguments: list[str | Path] = [
            *options,
            "-shared",
            "-fPIC",
            f"{chain.name}_signal.c",
            "-o",
            library,
            "-lm",
        ]
        toolchain.compile_c(toolchain.host_compiler(), arguments, cwd=folder)
        return SignalLibrary(chain, ctypes.CDLL(str(library)))
