"""Run generated C on this machine: compiled as a shared library, called by ctypes."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge import toolchain
from firmware_bridge.generate import Firmware

Int8 = NDArray[np.int8]


@dataclass(frozen=True)
class Library:
    """A compiled model.

    Attributes
    ----------
    name
        What its symbols begin with.
    n_outputs
        Logits.
    state_bytes
        Size of the struct.
    """

    name: str
    n_outputs: int
    state_bytes: int
    handle: Any

    def infer(self, windows: Int8) -> Int8:
        """(n, n_times, n_chans) int8, sample-major, to logits (n, n_outputs) int8."""
        return self._run("infer", windows, np.int8)

    def sums(self, windows: Int8) -> NDArray[np.int32]:
        """The head's sums, (n, n_outputs) int32."""
        return self._run("infer_sums", windows, np.int32)

    def infer_float(self, windows: Int8) -> NDArray[np.float32]:
        """The sums scaled to float, (n, n_outputs) float32."""
        return self._run("infer_float", windows, np.float32)

    def _run(self, function: str, windows: Int8, kind: type) -> NDArray[Any]:
        call = getattr(self.handle, f"{self.name}_{function}")
        call.argtypes = [ctypes.c_void_p] * 3
        call.restype = ctypes.c_int
        state = np.full(self.state_bytes // 4 + 4, 0x55AA55AA, np.uint32)  # not initialized
        out: NDArray[Any] = np.zeros((len(windows), self.n_outputs), kind)
        for window, row in zip(np.ascontiguousarray(windows, np.int8), out, strict=True):
            done = call(state.ctypes.data, window.ctypes.data, row.ctypes.data)
            assert done == 1
        return out


def build(
    firmware: Firmware,
    n_outputs: int,
    options: Sequence[str] = ("-O2",),
    folder: Path | None = None,
) -> Library:
    """Compile a model for this machine and load it.

    Raises
    ------
    MissingToolError
        When there is no compiler.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return build(firmware, n_outputs, options, Path(temporary))
    toolchain.write(firmware.files, folder)
    library = folder / f"lib{firmware.name}.so"
    compiler = toolchain.host_compiler()
    arguments: list[str | Path] = [
        "-std=c99",
        *options,
        "-shared",
        "-fPIC",
        f"{firmware.name}.c",
        "-o",
        library,
        "-lm",
    ]
    toolchain.compile_c(compiler, arguments, cwd=folder)
    return Library(firmware.name, n_outputs, firmware.state_bytes, ctypes.CDLL(str(library)))
