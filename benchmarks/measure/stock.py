# SPDX-License-Identifier: BSD-3-Clause
"""Export the same weights by the stock route, which braindecode's user has without this tool.

``torch.export`` of braindecode's own module, ExecuTorch's default XNNPACK partitioner, for int8 its
default quantizer (symmetric, per channel); ``torch.onnx.export`` for ONNX, for int8 ONNX Runtime's
own static quantizer with what its documentation recommends for processors with VNNI; and the module
itself, eager and by ``torch.compile``. Files of litert-torch are made elsewhere
(:mod:`benchmarks.studies.peers`) and only loaded here. Inputs are braindecode's, (1, n_chans,
n_times).
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.targets.base import Session
from edge.targets.executorch import target as executorch
from edge.targets.onnx import target as onnx
from edge.targets.onnx.write import OPSET
from edge.targets.tflite import target as tflite

Windows = NDArray[np.float32]

INPUT = "windows"
"""What the input of an ``.onnx`` file is called."""


def executorch_float(module: Any, windows: Windows) -> bytes:
    """Write a ``.pte`` program in float."""
    import torch

    return _program(torch.export.export(module, _example(windows)))


def executorch_int8(module: Any, windows: Windows) -> bytes:
    """Write a ``.pte`` program that ExecuTorch's XNNPACKQuantizer quantized."""
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer()
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
    example = _example(windows)
    prepared = prepare_pt2e(torch.export.export(module, example).module(), quantizer)
    with torch.no_grad():
        for window in torch.from_numpy(windows):
            prepared(window[None])
    return _program(torch.export.export(convert_pt2e(prepared), example))


def onnx_float(module: Any, windows: Windows) -> bytes:
    """Write an ``.onnx`` file in float."""
    import torch

    stream = io.BytesIO()
    target: Any = stream  # typed for paths only
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is a newer exporter; it needs onnxscript
        torch.onnx.export(
            module,
            _example(windows),
            target,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
        )
    return stream.getvalue()


def onnx_int8(module: Any, windows: Windows) -> bytes:
    """Write an ``.onnx`` file that ONNX Runtime quantized (QDQ, per channel)."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped base
        left = iter(windows)

        def get_next(self) -> dict[str, Windows] | None:
            window = next(self.left, None)
            return None if window is None else {INPUT: window[None]}

    with tempfile.TemporaryDirectory(prefix="edge-stock-") as folder:
        exported, prepared, made = (Path(folder) / f"{n}.onnx" for n in ("float", "ready", "int8"))
        exported.write_bytes(onnx_float(module, windows))
        quant_pre_process(exported, prepared, skip_symbolic_shape=True)
        types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(prepared, made, Reader(), per_channel=True, **types)
        return made.read_bytes()


def _example(windows: Windows) -> tuple[Any]:
    import torch

    return (torch.from_numpy(windows[:1]),)


def _program(exported: Any) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    return bytes(lowered.to_executorch().buffer)


EXPORTS: Mapping[tuple[str, str], Callable[[Any, Windows], bytes]] = MappingProxyType(
    {
        ("stock-executorch", "float"): executorch_float,
        ("stock-executorch", "int8"): executorch_int8,
        ("stock-onnx", "float"): onnx_float,
        ("stock-onnx", "int8"): onnx_int8,
    }
)


def load_executorch(data: bytes, threads: int = 1) -> Session:
    """Load a stock program in ExecuTorch."""
    import torch

    def encode(window: Windows) -> list[Any]:
        return [torch.from_numpy(np.ascontiguousarray(window)[None])]

    return replace(executorch.load(data, (), threads), encode=encode)


def load_onnx(data: bytes, threads: int = 1) -> Session:
    """Load a stock file in ONNX Runtime."""
    session = onnx.load(data, (), threads)

    def encode(window: Windows) -> dict[str, Windows]:
        (name,) = session.encode(window)
        return {name: np.ascontiguousarray(window)[None]}

    return replace(session, encode=encode)


def load_litert(data: bytes, threads: int = 1) -> Session:
    """Load a file of litert-torch's in LiteRT."""
    session = tflite.load(data, (), threads)

    def encode(window: Windows) -> Any:
        turned = session.encode(np.ascontiguousarray(window).T)  # our files are sample-major
        return np.ascontiguousarray(turned.reshape(1, *window.shape))

    return replace(session, encode=encode)


def compiled(module: Any, threads: int = 1) -> Session:
    """Return the module by ``torch.compile``, after the first window, which compiles it."""
    import torch

    session = eager(torch.compile(module), threads)
    session(np.zeros((1, module.n_chans, module.n_times), np.float32))
    return session


def eager(module: Any, threads: int = 1) -> Session:
    """Return braindecode's module in PyTorch, which from here on uses so many threads."""
    import torch

    torch.set_num_threads(threads)

    def invoke(x: Any) -> Any:
        with torch.inference_mode():
            return module(x)

    return Session(
        lambda window: torch.from_numpy(np.ascontiguousarray(window)[None]),
        invoke,
        lambda logits: logits[0].numpy().copy(),
    )
