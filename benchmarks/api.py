# SPDX-License-Identifier: BSD-3-Clause
"""Provide the benchmark's part of the Python API; the entry-point group ``edge.api`` offers it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import bench as benching
from benchmarks.measure.findings import Report, Request
from benchmarks.measure.protocol import Protocol
from edge.api import StrPath, opened
from edge.bundle.read import Bundle
from edge.terminal.console import console


def bench(
    bundle: Bundle | StrPath,
    *,
    targets: Sequence[str] = (),
    device: str | Sequence[str] = "local",
    stock: bool = True,
    samples: StrPath | None = None,
    limit_s: float = 60.0,
    quiet: bool = False,
) -> Report:
    """Measure latency, memory and size of a bundle's artifacts.

    Parameters
    ----------
    targets
        Targets of the bundle; without them, all of its targets.
    device
        ``local``, ``ssh://[user@]host[:port]``, ``rpi4``, ``cortex-m4``, …, or several of them.
    stock
        Whether what stock tools make of the same weights is measured beside.
    samples
        File for every single latency, as JSON lines; ``BUNDLE.bench.jsonl`` without it.
    limit_s
        Seconds after which measuring stops although medians are not known to 1 % yet.

    Examples
    --------
    >>> import edge
    >>> report = edge.bench("decoder", targets=["c"], stock=False, limit_s=2, quiet=True)
    >>> sorted({result.metric for result in report.results})[:2]
    ['file_bytes', 'latency_median_us']
    """
    folder = opened(bundle).folder
    request = Request(
        bundle=folder,
        samples=Path(samples or f"{folder.resolve().name}.bench.jsonl"),
        targets=tuple(targets),
        devices=(device,) if isinstance(device, str) else tuple(device),
        stock=stock,
        protocol=Protocol(limit_s=limit_s),
    )
    with console(verbose=False, quiet=quiet) as ours:
        report = benching.bench(request, ours)
    benching.refuse(report)
    return report
