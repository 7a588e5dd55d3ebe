# SPDX-License-Identifier: BSD-3-Clause
"""Provide the engine ``executorch``: a program for ExecuTorch's Cortex-M backend."""

from __future__ import annotations

import numpy as np

from edge.errors import IncompatibleError
from edge.firmware.engines import _cortex_m
from edge.firmware.project import Job
from edge.targets.executorch import cortex_m
from firmware_bridge.project import project
from firmware_bridge.project.project import Project, Use
from firmware_bridge.rendering import render
from quantize.graph.outputs import refuse_others

CORES = ("cortex-m33", "cortex-m4", "cortex-m55", "cortex-m7")
FORMS = ("windowed",)
RUNTIME = "not counted: ExecuTorch's wheels hold no runtime and no kernels to measure"


def make(job: Job) -> Project:
    """Write the ``.pte`` file, also as an aligned array, its operators, and its memory plan.

    Raises
    ------
    IncompatibleError
        For a device that is no Cortex-M, a node that the backend cannot compute, or a bundle that
        gives more than logits.
    MissingToolError
        When ExecuTorch is not installed.
    """
    if job.device.core not in CORES:
        raise IncompatibleError(
            f"ExecuTorch's Cortex-M backend does not run on {job.device.title}, which has a "
            f"{job.device.core}. Type --engine c."
        )
    wide, contract = job.opened.graph(), job.contract
    refuse_others(wide, "--engine executorch")
    graph = cortex_m.narrowed(wide)
    golden = _cortex_m.narrowed(graph, job.golden(wide))
    program = _cortex_m.write(graph, job.device.core, golden)
    planned = sum(program.planned_bytes)
    programs = (
        job.program(
            "windowed",
            Use("program", 0, len(program.data), f"{job.name}.pte"),
            Use(
                "tensors and scratch, the window's among them", planned, 0, "planned by ExecuTorch"
            ),
            Use("runtime, kernels and stack", 0, 0, RUNTIME),
        ),
    )
    job.check(programs)
    golden = job.fitting(golden, programs)
    values = {
        "name": job.name,
        "upper": job.name.upper(),
        "device": job.device,
        "programs": programs,
        "chain": job.chain,
        "golden": golden,
        "contract": contract,
        "graph": graph,
        "ops": program.ops,
        "planned": program.planned_bytes,
        "n_bytes": len(program.data),
        "data": project.numbers(np.frombuffer(program.data, np.uint8)),
    }
    files = {
        f"{job.name}_{kind}": render(f"executorch/{kind}", **values).encode()
        for kind in ("program.cc", "program.h")
    }
    for template in ("NOTICE.txt", "README.md", "ops.cmake"):
        files[template] = render(f"executorch/{template}", **values).encode()
    files[f"{job.name}_golden.h"] = project.golden_header(job.name, golden)
    files[f"{job.name}.pte"] = program.data
    return Project(files, programs, program.ops)
