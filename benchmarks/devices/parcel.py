# SPDX-License-Identifier: BSD-3-Clause
"""Pack what is sent to a device: the runner, artifacts, windows and golden logits."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate import engine
from benchmarks.emulate.cost import case_of
from benchmarks.measure import entrants
from benchmarks.measure.entrants import Entrant
from benchmarks.measure.findings import Request
from edge import parity
from edge.bundle import types as bundle_types
from edge.bundle.read import Bundle
from edge.spec import Precision

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "benchmarks/devices/on_device.py",
    "benchmarks/measure/protocol.py",
    "benchmarks/measure/machine.py",
    "edge/patches/versions.py",
)
"""All of ours that runs on a device; Python 3.9, standard library, and numpy with a runtime."""


def runner() -> bytes:
    """Return the module ``on_device`` and what it imports as one file that ``python3`` runs."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        main = (
            "import sys\nfrom benchmarks.devices import on_device\n\non_device.main(sys.argv[1:])\n"
        )
        archive.writestr("__main__.py", main)
        packages = {str(above) for name in MODULES for above in Path(name).parents}
        for package in sorted(packages - {"."}):
            archive.writestr(f"{package}/__init__.py", "")
        for name in MODULES:
            archive.writestr(name, (ROOT / name).read_text())
    return stream.getvalue()


def scaled_windows(opened: Bundle) -> NDArray[np.float32]:
    """Return the golden windows (n, n_chans, n_times) as the networks take them."""
    return opened.contract().scale(np.asarray(opened.golden()["x"], np.float32))


def pack(opened: Bundle, request: Request, program: bytes | None) -> bytes:
    """Return a tar archive for a device.

    Parameters
    ----------
    program
        The C engine for the device's processor; None where there is none.
    """
    chosen = [
        entrant
        for entrant in entrants.ours(opened, request.targets)
        if entrant.target != engine.TARGET
    ]
    files: dict[str, bytes] = {"runner.pyz": runner(), "windows.npy": _npy(scaled_windows(opened))}
    planned = []
    for number, entrant in enumerate(chosen):
        name = f"{number}{entrant.path.suffix}"
        golden, terms = _terms(opened, entrant)
        files |= {name: entrant.path.read_bytes(), f"{number}.npy": _npy(golden)}
        planned.append({**_named(entrant), "file": name, "golden": f"{number}.npy", **terms})
    if program is not None:
        case = case_of(opened.folder)
        allowed = {"max_steps": engine.allowed_steps(case), "within_one_step": 0.99}
        own = Entrant(engine.TARGET, str(Precision.INT8), Path())
        planned.append({**_named(own), "file": "engine", "allowed": allowed})
        files |= {"engine": program, "windows.bin": case.windows.tobytes()}
        files["logits.bin"] = case.logits.tobytes()
    plan = {"entrants": planned, "threads": request.threads, "protocol": asdict(request.protocol)}
    files["plan.json"] = json.dumps(plan).encode()
    return _tar(files)


def _named(entrant: Entrant) -> dict[str, Any]:
    return {"name": entrant.name, "target": entrant.target}


def _terms(opened: Bundle, entrant: Entrant) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Golden logits of an artifact, and how far a device may be from them.

    As :func:`edge.bundle.run.verify` has it; where the export itself accepted more, that much.
    """
    golden = opened.golden()
    if entrant.precision == Precision.FLOAT:
        allowed = {"max_relative_error": parity.FLOAT_TOLERANCE}
        return golden[f"{bundle_types.LOGITS}braindecode"], {"step": None, "allowed": allowed}
    own = next(p for p in opened.manifest.parity if p.rung == entrant.name)
    allowed = {
        "max_steps": max(parity.MAX_STEPS, own.max_steps or 0),
        "within_one_step": min(parity.WITHIN_ONE_STEP, own.within_one_step or 1),
    }
    graph = opened.graph()
    step = graph.quant(graph.output).step
    return golden[f"{bundle_types.LOGITS}{bundle_types.REFERENCE}"], {
        "step": step,
        "allowed": allowed,
    }


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _tar(files: Mapping[str, bytes], executable: Sequence[str] = ("engine",)) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o700 if name in executable else 0o600
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
