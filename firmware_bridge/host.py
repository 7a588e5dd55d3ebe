"""Run generated C on this machine: compiled as a shared library, called by ctypes."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge import toolchain
from firmware_bridge.generate import Firmware
from quantize.qgraph import Quant

Int8 = NDArray[np.int8]

OPTIONS = ("-O2",)


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
    source, target
        Quantization of windows and logits.
    """

    name: str
    n_outputs: int
    state_bytes: int
    handle: Any
    source: Quant
    target: Quant

    def infer(self, windows: Int8) -> Int8:
        """(n, n_times, n_chans) int8, sample-major, to logits (n, n_outputs) int8."""
        return self._run("infer", windows, np.int8)

    def sums(self, windows: Int8) -> NDArray[np.int32]:
        """The head's sums, (n, n_outputs) int32."""
        return self._run("infer_sums", windows, np.int32)

    def infer_float(self, windows: Int8) -> NDArray[np.float32]:
        """The sums scaled to float, (n, n_outputs) float32."""
        return self._run("infer_float", windows, np.float32)

    def prepared(self) -> Callable[[Int8], Int8]:
        """From a window (n_times, n_chans), contiguous, to logits: the bare call.

        State and logits lie in memory of the function's own, which the next call overwrites.
        """
        call = self._function("infer")
        state, logits = self._state(), np.zeros(self.n_outputs, np.int8)
        state_at, logits_at = state.ctypes.data, logits.ctypes.data

        def infer(window: Int8) -> Int8:
            assert state.size  # keeps it alive
            call(state_at, window.ctypes.data, logits_at)
            return logits

        return infer

    def _run(self, function: str, windows: Int8, kind: type) -> NDArray[Any]:
        call, state = self._function(function), self._state()
        out: NDArray[Any] = np.zeros((len(windows), self.n_outputs), kind)
        for window, row in zip(np.ascontiguousarray(windows, np.int8), out, strict=True):
            done = call(state.ctypes.data, window.ctypes.data, row.ctypes.data)
            assert done == 1
        return out

    def _function(self, name: str) -> Any:
        call = getattr(self.handle, f"{self.name}_{name}")
        call.argtypes = [ctypes.c_void_p] * 3
        call.restype = ctypes.c_int
        return call

    def _state(self) -> NDArray[np.uint32]:
        """The model's struct, not initialized."""
        return np.full(self.state_bytes // 4 + 4, 0x55AA55AA, np.uint32)


def build(
    firmware: Firmware,
    n_outputs: int,
    options: Sequence[str] = OPTIONS,
    folder: Path | None = None,
) -> Library:
    """Compile a model for this machine and load it.

    Raises
    ------
    MissingToolError
        When there is no compiler.
    """
    library = _compiled(firmware.files, firmware.name, options, folder)
    assert (library.n_outputs, library.state_bytes) == (n_outputs, firmware.state_bytes)
    return library


def load(files: Mapping[str, str], name: str) -> Library:
    """Compile sources by file name; in this process once.

    Raises
    ------
    MissingToolError
        When there is no compiler.
    """
    return _loaded(tuple(sorted(files.items())), name)


@functools.lru_cache(maxsize=8)
def _loaded(files: tuple[tuple[str, str], ...], name: str) -> Library:
    return _compiled(dict(files), name, OPTIONS, None)


_ABOUT = """\
#include "{name}.h"
const int {name}_about[] = {{
    {upper}_N_OUTPUTS, (int)sizeof({name}_t), {upper}_INPUT_ZERO_POINT, {upper}_OUTPUT_ZERO_POINT}};
const float {name}_scales[] = {{{upper}_INPUT_SCALE, {upper}_OUTPUT_SCALE}};
"""
"""What the header says, readable from outside."""


def _compiled(
    files: Mapping[str, str], name: str, options: Sequence[str], folder: Path | None
) -> Library:
    if folder is None:  # a library that is loaded needs its file no more
        with tempfile.TemporaryDirectory(prefix="edge-host-") as temporary:
            return _compiled(files, name, options, Path(temporary))
    about = {"about.c": _ABOUT.format(name=name, upper=name.upper())}
    toolchain.write({**files, **about}, folder)
    library = folder / f"lib{name}.so"
    flags = ["-std=c99", *options, "-shared", "-fPIC"]
    sources = [f"{name}.c", "about.c", "-o", library.name, "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), [*flags, *sources], cwd=folder)
    handle = ctypes.CDLL(str(library))
    n_outputs, state_bytes, *zeros = (ctypes.c_int * 4).in_dll(handle, f"{name}_about")
    scales = (ctypes.c_float * 2).in_dll(handle, f"{name}_scales")
    source, target = (Quant(scale, zero) for scale, zero in zip(scales, zeros, strict=True))
    return Library(name, n_outputs, state_bytes, handle, source, target)
