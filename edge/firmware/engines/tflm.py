# SPDX-License-Identifier: BSD-3-Clause
"""Provide the engine ``tflm``: the bundle's .tflite for TensorFlow Lite Micro."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from edge.errors import IncompatibleError
from edge.firmware.project import Job
from edge.targets.runtimes import tflm
from firmware_bridge.project import project
from firmware_bridge.project.project import Project, Use
from firmware_bridge.rendering import render

FORMS = ("windowed",)
MARGIN_PERCENT = 10
"""On top of what TFLite Micro's interpreter takes here; a 32-bit core needs less than that."""
LIBRARY_BYTES = 109 * 1024
"""Interpreter and kernels with CMSIS-NN, measured once on a Cortex-M4, lowered eca."""
STACK_BYTES = 2048

RESOLVER: Mapping[str, str] = MappingProxyType(
    {
        "ADD": "AddAdd",
        "AVERAGE_POOL_2D": "AddAveragePool2D",
        "CAST": "AddCast",
        "CONV_2D": "AddConv2D",
        "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
        "DEQUANTIZE": "AddDequantize",
        "DIV": "AddDiv",
        "ELU": "AddElu",
        "EXP": "AddExp",
        "LEAKY_RELU": "AddLeakyRelu",
        "LOG": "AddLog",
        "LOGISTIC": "AddLogistic",
        "MAX_POOL_2D": "AddMaxPool2D",
        "MEAN": "AddMean",
        "MUL": "AddMul",
        "PAD": "AddPad",
        "QUANTIZE": "AddQuantize",
        "REDUCE_MAX": "AddReduceMax",
        "RELU": "AddRelu",
        "RESHAPE": "AddReshape",
        "SQRT": "AddSqrt",
        "SUB": "AddSub",
        "TANH": "AddTanh",
    }
)
"""Methods of ``tflite::MicroMutableOpResolver``."""


def make(job: Job) -> Project:
    """Write the file as an aligned array, the resolver, the arena's size, and a test.

    Raises
    ------
    UsageError
        When the bundle has no int8 .tflite file.
    IncompatibleError
        When TFLite Micro lacks an operator.
    MissingToolError
        When its interpreter is not installed.
    """
    graph, contract = job.opened.graph(), job.contract
    artifact = job.opened.manifest.artifact("tflite", "int8")
    data = (job.opened.folder / artifact.file).read_bytes()
    ops = operators(data)
    refuse(ops)
    measured = tflm.arena_bytes(data)
    arena = -(-measured * (100 + MARGIN_PERCENT) // 100 // 1024) * 1024
    how = f"{measured:,} in its interpreter here, {MARGIN_PERCENT} % more, whole KB"
    library = "estimate, measured once on a Cortex-M4"
    programs = (
        job.program(
            "windowed",
            Use("model", 0, len(data), artifact.file),
            Use("TensorFlow Lite Micro", 0, LIBRARY_BYTES, library),
            Use("arena, the window in it", arena, 0, how),
            Use(project.STACK, STACK_BYTES, 0, "estimate"),
        ),
    )
    job.check(programs)
    golden = job.fitting(job.golden(graph), programs)
    values = {
        "name": job.name,
        "upper": job.name.upper(),
        "device": job.device,
        "programs": programs,
        "chain": job.chain,
        "golden": golden,
        "contract": contract,
        "graph": graph,
        "arena": arena,
        "measured": measured,
        "margin": MARGIN_PERCENT,
        "methods": [RESOLVER[op] for op in ops],
        "n_bytes": len(data),
        "data": project.numbers(np.frombuffer(data, np.uint8)),
    }
    files = {
        f"{job.name}_{kind}": render(f"tflm/{kind}", **values).encode()
        for kind in ("model.cc", "model.h", "ops.h")
    }
    for template in ("CMakeLists.txt", "NOTICE.txt", "README.md", "main.cc"):
        files[template] = render(f"tflm/{template}", **values).encode()
    files[f"{job.name}_golden.h"] = project.golden_header(job.name, golden)
    return Project(files, programs, ops)


def operators(data: bytes) -> tuple[str, ...]:
    """Return the builtin operators of a file, sorted."""
    from ai_edge_litert import schema_py_generated as schema

    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    model = schema.Model.GetRootAs(data, 0)
    codes = (model.OperatorCodes(i) for i in range(model.OperatorCodesLength()))
    return tuple(sorted({names[code.BuiltinCode()] for code in codes}))


def refuse(ops: tuple[str, ...]) -> None:
    """Raise for an operator that TFLite Micro does not have.

    Raises
    ------
    IncompatibleError
        With its name, and what to do.
    """
    absent = [op for op in ops if op not in RESOLVER]
    if absent:
        raise IncompatibleError(
            f"TensorFlow Lite Micro has no {absent[0]}. Type --engine c, which computes it, or "
            f"train with another activation."
        )
