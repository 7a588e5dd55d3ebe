# SPDX-License-Identifier: BSD-3-Clause
"""Build a TFLite file from tensors and operators with the official schema classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from quantize.graph.qgraph import Quant

ALIGNMENT = 16
"""The schema's ``force_align`` of buffers, which the generated classes do not apply."""

TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.float32): schema.TensorType.FLOAT32,
}


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # generated, untyped
    """A buffer whose bytes begin at a multiple of :data:`ALIGNMENT` in the file."""

    def Pack(self, builder: Any) -> Any:
        payload = bytes(self.data)
        builder.StartVector(1, len(payload), ALIGNMENT)
        builder.head -= len(payload)
        builder.Bytes[builder.head : builder.head + len(payload)] = payload
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class FileBuilder:
    """A builder of one subgraph; tensors and operators come in the order in which they run."""

    def __init__(self, description: str) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = description
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.subgraph = schema.SubGraphT()
        self.subgraph.name = "main"
        self.subgraph.tensors = []
        self.subgraph.operators = []
        self.model.subgraphs = [self.subgraph]
        self._codes: dict[tuple[int, int], int] = {}
        self._buffers: dict[bytes, int] = {}

    def tensor(self, name: str, shape: Sequence[int], quant: Quant | None) -> int:
        """Add an activation, integers with ``quant`` or else float32; return its index."""
        dtype = np.dtype(np.float32) if quant is None else quant.dtype
        parameters = None if quant is None else _quantization([quant.scale], quant.zero_point, 0)
        return self._tensor(name, shape, dtype, parameters)

    def constant(
        self, name: str, data: NDArray[Any], scale: NDArray[np.float32] | None, axis: int = 0
    ) -> int:
        """Add a constant, equal ones once; ``scale`` runs along ``axis``."""
        parameters = None if scale is None else _quantization(scale.tolist(), 0, axis)
        index = self._tensor(name, data.shape, data.dtype, parameters)
        payload = np.ascontiguousarray(data).tobytes()
        if payload not in self._buffers:
            buffer = _AlignedBuffer()
            buffer.data = payload
            self._buffers[payload] = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.subgraph.tensors[index].buffer = self._buffers[payload]
        return index

    def operator(
        self,
        code: str,
        version: int,
        inputs: Sequence[int],
        output: int,
        options: Any = None,
    ) -> None:
        """Add an operator by its schema name, e.g. ``CONV_2D``."""
        builtin = getattr(schema.BuiltinOperator, code)
        key = (builtin, version)
        if key not in self._codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode = builtin
            entry.deprecatedBuiltinCode = min(builtin, 127)
            entry.version = version
            self._codes[key] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes[key]
        operator.inputs, operator.outputs = list(inputs), [output]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.subgraph.operators.append(operator)

    def signature(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
        """Name the file's ends, for ``get_signature_runner()``."""
        made = schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = "serving_default", 0
        made.inputs, made.outputs = _tensor_map(inputs), _tensor_map(outputs)
        self.model.signatureDefs = [made]

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the bytes of the file."""
        self.subgraph.inputs, self.subgraph.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _tensor(
        self, name: str, shape: Sequence[int], dtype: np.dtype[Any], quantization: Any
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = [int(n) for n in shape]
        tensor.type = TYPES[dtype]
        tensor.quantization = quantization
        tensor.buffer = 0
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1


def _tensor_map(indices: Mapping[str, int]) -> list[Any]:
    found = []
    for name, index in indices.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        found.append(entry)
    return found


def _quantization(scale: Sequence[float], zero_point: int, axis: int) -> Any:
    parameters = schema.QuantizationParametersT()
    parameters.scale = list(scale)
    parameters.zeroPoint = [zero_point] * len(scale)
    parameters.quantizedDimension = axis
    return parameters
