# SPDX-License-Identifier: BSD-3-Clause
"""Count the weights and constants of an artifact from the file's own buffers.

``weights`` is what the network computes with beside its tensors: weights and biases, in int8 also
the tables of activations and the weights of pools with a scale of their own, shapes and axes.
``quantization`` is what says how integers are meant: scales and zero points, in C multipliers and
shifts. It is counted apart, because TFLite keeps it with the tensors' descriptions and has no
buffer for it, while it is a constant like any other to ONNX and ExecuTorch.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.bundle import folder as bundle_folder
from edge.targets import c
from firmware_bridge.build import toolchain

C_QUANTIZATION = ("_multiplier", "_shift", "_right", "_scale")
"""How the C engine's constants are called that say what integers mean."""
C_CHECKSUM = "of_nibble"
"""How a table is called that belongs to no model: that of ``edge_crc``."""


@dataclass(frozen=True)
class Constants:
    """The bytes of weights and of quantization in a file."""

    weights: int
    quantization: int = 0


def count(target: str, path: Path) -> Constants:
    """Count the constants of an artifact of ours or of the stock route's."""
    return COUNTS[target.removeprefix("stock-")](path)


def constant_tensors(data: bytes) -> Mapping[int, bytes]:
    """Return the buffers of a ``.tflite`` file's constant tensors, by index."""
    from ai_edge_litert import schema_py_generated as schema

    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    tensors = enumerate(file.subgraphs[0].tensors)
    found = ((index, file.buffers[tensor.buffer].data) for index, tensor in tensors)
    return {index: bytes(data) for index, data in found if data is not None}


def _tflite(path: Path) -> Constants:
    from ai_edge_litert import schema_py_generated as schema

    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    buffers = {tensor.buffer for graph in file.subgraphs for tensor in graph.tensors}
    found = (file.buffers[buffer].data for buffer in buffers)
    return Constants(sum(len(data) for data in found if data is not None))


def _onnx(path: Path) -> Constants:
    import onnx

    graph = onnx.load(path).graph
    said = ("QuantizeLinear", "DequantizeLinear")
    scaling = {name for node in graph.node if node.op_type in said for name in node.input[1:]}
    sizes = {tensor.name: onnx.numpy_helper.to_array(tensor).nbytes for tensor in graph.initializer}
    sizes |= {
        node.output[0]: onnx.numpy_helper.to_array(attribute.t).nbytes
        for node in graph.node
        for attribute in node.attribute
        if node.op_type == "Constant" and attribute.name == "value"
    }
    quantization = sum(size for name, size in sizes.items() if name in scaling)
    return Constants(sum(sizes.values()) - quantization, quantization)


def _executorch(path: Path) -> Constants:
    from executorch.exir._serialize._program import deserialize_pte_binary

    file = deserialize_pte_binary(path.read_bytes())
    named: Any = file.named_data
    entries = {} if named is None else named.pte_data
    sizes = {name: len(named.buffers[entry.buffer_index]) for name, entry in entries.items()}
    quantization = sum(size for name, size in sizes.items() if name.startswith("scale_"))
    outside = sum(len(buffer.storage) for buffer in file.program.constant_buffer)
    return Constants(sum(sizes.values()) - quantization + outside, quantization)


def _c(path: Path) -> Constants:
    """As this machine's compiler lays them out: a ``_scaling`` is bias, multiplier and shift."""
    from elftools.elf.elffile import ELFFile

    symbols = ELFFile(io.BytesIO(compiled(path))).get_section_by_name(".symtab").iter_symbols()
    objects = (s for s in symbols if s["st_info"]["type"] == "STT_OBJECT")
    sizes = {s.name: s["st_size"] for s in objects if not s.name.startswith(C_CHECKSUM)}
    scaling = sum(size for name, size in sizes.items() if name.endswith("_scaling"))
    others = sum(s for name, s in sizes.items() if name.endswith(C_QUANTIZATION))
    quantization = scaling * 2 // 3 + others
    return Constants(sum(sizes.values()) - quantization, quantization)


def compiled(path: Path) -> bytes:
    """Return the C engine as this machine's compiler makes it, an object file."""
    with tempfile.TemporaryDirectory(prefix="edge-constants-") as name:
        folder = Path(name)
        bundle_folder.write_content(folder / "c", bundle_folder.read_content(path))
        options = ["-std=c99", "-O2", "-c", f"{c.NAME}.c", "-o", "model.o"]
        toolchain.compile_c(toolchain.host_compiler(), options, cwd=folder / "c")
        return (folder / "c" / "model.o").read_bytes()


COUNTS: Mapping[str, Callable[[Path], Constants]] = MappingProxyType(
    {"c": _c, "executorch": _executorch, "litert": _tflite, "onnx": _onnx, "tflite": _tflite}
)
