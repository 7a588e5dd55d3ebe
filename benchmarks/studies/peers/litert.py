# SPDX-License-Identifier: BSD-3-Clause
"""Make a ``.tflite`` file by the stock route, in an environment of its own (``make peers``).

    PYTHON litert.py PROGRAM WINDOWS PRECISION OUT

``litert_torch.convert`` converts braindecode's module (as ``torch.export`` saved it) and, for int8,
ai-edge-quantizer's own recipe ``static_wi8_ai8`` quantizes it, calibrated on WINDOWS (n, n_chans,
n_times). Nothing of ours is imported: neither the project nor braindecode is installed there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np


def convert(program: str, window: Any, out: str) -> None:
    """Write the float file."""
    import litert_torch
    import torch

    module = torch.export.load(program).module()
    litert_torch.convert(module, (torch.from_numpy(window[None]),)).export(out)


def quantize(file: str, windows: Any) -> bytes:
    """Write a float file in int8."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    ((signature, names),) = Interpreter(model_path=file).get_signature_list().items()
    (name,) = names["inputs"]

    quantizing = quantizer.Quantizer(file, recipe.static_wi8_ai8())
    found = quantizing.calibrate({signature: [{name: window[None]} for window in windows]})
    return bytes(quantizing.quantize(found).quantized_model)


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    program, windows_file, precision, out = arguments
    windows = np.load(windows_file)
    convert(program, windows[0], out)
    if precision == "int8":
        Path(out).write_bytes(quantize(out, windows))


if __name__ == "__main__":
    main(sys.argv[1:])
