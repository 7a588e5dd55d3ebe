# SPDX-License-Identifier: BSD-3-Clause
"""Compile generated C for this machine, and call it by ctypes."""

from __future__ import annotations

import ctypes
import functools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.build import toolchain
from firmware_bridge.emit.generate import Firmware
from firmware_bridge.rendering import render
from quantize.graph.qgraph import Quant

Int8 = NDArray[np.int8]
Int16 = NDArray[np.int16]

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
    others
        What else it gives, by name: shape (n_times, n_chans) and quantization.
    """

    name: str
    n_outputs: int
    state_bytes: int
    handle: Any
    source: Quant
    target: Quant
    others: Mapping[str, tuple[tuple[int, int], Quant]] = field(default_factory=dict)

    def infer(self, windows: Int8) -> Int16:
        """Compute logits (n, n_outputs) int16 of windows (n, n_times, n_chans) int8."""
        return self._run("infer", windows, np.int16)

    def sums(self, windows: Int8) -> NDArray[np.int32]:
        """Compute the head's sums, (n, n_outputs) int32."""
        return self._run("infer_sums", windows, np.int32)

    def infer_float(self, windows: Int8) -> NDArray[np.float32]:
        """Compute the sums scaled to float, (n, n_outputs) float32."""
        return self._run("infer_float", windows, np.float32)

    def prepared(self) -> Callable[[Int8], tuple[NDArray[Any], ...]]:
        """Return a function from a contiguous window to logits in int16 and the others.

        State and outputs lie in memory of the function's own, which the next call overwrites.
        """
        call = self._function("infer")
        state, logits = self._state(), np.zeros(self.n_outputs, np.int16)
        state_at, logits_at = state.ctypes.data, logits.ctypes.data
        given: tuple[NDArray[Any], ...] = (
            logits,
            *(self._view(name, state) for name in self.others),
        )

        def infer(window: Int8) -> tuple[NDArray[Any], ...]:
            assert state.size  # keeps it alive
            call(state_at, window.ctypes.data, logits_at)
            return given

        return infer

    def _view(self, name: str, state: NDArray[np.uint32]) -> Int8:
        """An output's place in the model's struct, (n_times, n_chans)."""
        find = getattr(self.handle, f"{self.name}_{name}")
        find.argtypes, find.restype = [ctypes.c_void_p], ctypes.c_void_p
        shape, _ = self.others[name]
        start = find(state.ctypes.data) - state.ctypes.data
        return state.view(np.int8)[start : start + math.prod(shape)].reshape(shape)

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
    others: Sequence[str] = (),
) -> Library:
    """Compile a model for this machine and load it.

    Raises
    ------
    MissingToolError
        When there is no compiler.
    """
    library = _compiled(firmware.files, firmware.name, options, folder, tuple(others))
    assert (library.n_outputs, library.state_bytes) == (n_outputs, firmware.state_bytes)
    return library


def load(files: Mapping[str, str], name: str, others: Sequence[str] = ()) -> Library:
    """Compile sources by file name, once in this process; they give ``others``, too.

    Raises
    ------
    MissingToolError
        When there is no compiler.
    """
    return _loaded(tuple(sorted(files.items())), name, tuple(others))


@functools.lru_cache(maxsize=8)
def _loaded(files: tuple[tuple[str, str], ...], name: str, others: tuple[str, ...]) -> Library:
    return _compiled(dict(files), name, OPTIONS, None, others)


def _compiled(
    files: Mapping[str, str],
    name: str,
    options: Sequence[str],
    folder: Path | None,
    others: tuple[str, ...],
) -> Library:
    if folder is None:  # a library that is loaded needs its file no more
        with tempfile.TemporaryDirectory(prefix="edge-host-") as temporary:
            return _compiled(files, name, options, Path(temporary), others)
    about = render("host/about.c", name=name, upper=name.upper(), others=others)
    toolchain.write({**files, "about.c": about}, folder)
    library = folder / f"lib{name}.so"
    flags = ["-std=c99", *options, "-shared", "-fPIC"]
    sources = [f"{name}.c", "about.c", "-o", library.name, "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), [*flags, *sources], cwd=folder)
    handle = ctypes.CDLL(str(library))
    n_outputs, state_bytes, *zeros = (ctypes.c_int * 4).in_dll(handle, f"{name}_about")
    scales = (ctypes.c_float * 2).in_dll(handle, f"{name}_scales")
    source, target = Quant(scales[0], zeros[0]), Quant(scales[1], zeros[1], bits=16)
    described = {other: _described(handle, name, other) for other in others}
    return Library(name, n_outputs, state_bytes, handle, source, target, described)


def _described(handle: Any, name: str, other: str) -> tuple[tuple[int, int], Quant]:
    n_times, n_chans, zero_point = (ctypes.c_int * 3).in_dll(handle, f"{name}_about_{other}")
    scale = ctypes.c_float.in_dll(handle, f"{name}_scale_{other}").value
    return (n_times, n_chans), Quant(scale, zero_point)
