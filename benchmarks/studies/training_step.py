# SPDX-License-Identifier: BSD-3-Clause
"""Time one epoch of training through the rewritten stem, beside braindecode's forward pass.

    python -m benchmarks.studies.training_step

Both run in one process, in turn, on the same batches; the ratio is what counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.measure.machine import machine
from benchmarks.studies import records
from edge.checkpoint import build
from edge.families.attentionbasenet.fast_stem import FastStem, behind_stem
from edge.spec import ModelSpec

RESULTS = Path(__file__).parent / "results" / "training_step.json"
N_WINDOWS = 64
BATCH = 16


def epoch(module: torch.nn.Module, forward: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """Seconds for forward and backward passes over all windows."""
    start = time.perf_counter()
    for index in torch.arange(N_WINDOWS).split(BATCH):  # type: ignore[no-untyped-call]
        module.zero_grad()
        forward(index).square().mean().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start


@click.command()
@click.option("--repeats", default=7, show_default=True)
def main(repeats: int) -> None:
    """Time 22 channels, 1000 samples, eca."""
    spec = ModelSpec("eca", 22, 1000, 4)
    module = build.build(spec).module.train()
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((N_WINDOWS, 22, 1000)).astype(np.float32))
    stem = FastStem(module.input_block, x)
    stock_s, ours_s = [], []
    for _ in range(repeats + 1):
        stock_s.append(epoch(module, lambda index: module(x[index])))
        ours_s.append(epoch(module, lambda index: behind_stem(module, stem(x[index], index))))
    ratios = [a / b for a, b in zip(stock_s[1:], ours_s[1:], strict=True)]  # the first warms up
    ms = {
        name: 1e3 * statistics.median(values[1:]) / N_WINDOWS
        for name, values in (("braindecode", stock_s), ("ours", ours_s))
    }
    click.echo(
        f"per window: braindecode {ms['braindecode']:.2f} ms, ours {ms['ours']:.2f} ms; "
        f"{statistics.median(ratios):.1f} times faster (median of {repeats} pairs)"
    )
    document = {"schema_version": 1, "ms_per_window": ms, "ratios": ratios, "machine": machine()}
    records.save(RESULTS, document)


if __name__ == "__main__":
    main()
