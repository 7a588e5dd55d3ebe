# SPDX-License-Identifier: BSD-3-Clause
"""Read a ``.safetensors`` file: eight bytes of length, a JSON header, values.

The format is https://huggingface.co/docs/safetensors/index, section "Format".
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import torch

from edge.checkpoint.stored import (
    MAX_HEADER_BYTES,
    MalformedError,
    State,
    Stored,
    opened,
    refuse_budget,
    refuse_shape,
    view,
)
from quantize import plain

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
METADATA = "__metadata__"


def read(path: Path) -> State:
    """Read the header; values are read when they are asked for.

    Raises
    ------
    IncompatibleError
        When it is not a regular file, or too large.
    MalformedError
        When the header does not describe the file.
    """
    with opened(path) as (file, size):
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise MalformedError("its header is longer than it should be, or it is cut off")
        text = file.read(length)
    header = plain.parse(text, f"The header of {path}")
    if not isinstance(header, dict):
        raise MalformedError("its header is not a dictionary")
    values = size - 8 - length
    return {
        name: _stored(path, entry, 8 + length, values)
        for name, entry in header.items()
        if name != METADATA
    }


def _stored(path: Path, entry: Any, start: int, n_bytes: int) -> Stored:
    """Describe one tensor; its bytes lie within ``n_bytes`` behind ``start``."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise MalformedError("its header does not describe tensors")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise MalformedError("it holds values of a type that PyTorch's networks have not")
    dtype, shape = DTYPES[entry["dtype"]], refuse_shape(entry["shape"], "a tensor")
    span = refuse_shape(entry["data_offsets"], "a tensor")
    size = math.prod(shape) * dtype.itemsize
    if len(span) != 2 or span[1] - span[0] != size or span[1] > n_bytes:
        raise MalformedError("a tensor's place in it does not fit its shape")
    stride = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))

    def values() -> torch.Tensor:
        refuse_budget(size, "a tensor")
        with opened(path) as (file, _):
            file.seek(start + span[0])
            data = file.read(size)
        return view(data, dtype, shape, stride, 0)

    return Stored(shape, values)
