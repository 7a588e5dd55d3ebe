# SPDX-License-Identifier: BSD-3-Clause
"""Time the main job, ``edge export --mode eca --int8``, in a fresh process.

    python -m benchmarks.studies.export_time

The limit is 60 s on two cores, the aim 25 s, imports included.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.measure.machine import machine
from benchmarks.studies import records

LIMIT_S = 60.0
AIM_S = 25.0
RESULTS = Path(__file__).parent / "results" / "export_time.json"


@click.command()
@click.option("--repeats", default=3, show_default=True)
def main(repeats: int) -> None:
    """Time the command from start to exit."""
    seconds = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "edge", "export", "--mode", "eca", "--int8"]
            start = time.perf_counter()
            subprocess.run([*command, "--out", f"{folder}/b"], check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    each = ", ".join(f"{value:.1f}" for value in seconds)
    click.echo(f"median {median:.1f} s of {repeats} ({each}); aim {AIM_S:g} s, limit {LIMIT_S:g} s")
    document = {"schema_version": 1, "seconds": seconds, "machine": machine()}
    records.save(RESULTS, document)
    sys.exit(median > LIMIT_S)


if __name__ == "__main__":
    main()
