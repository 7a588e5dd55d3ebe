# SPDX-License-Identifier: BSD-3-Clause
"""Measure how heavy a report is and how fast Chromium opens it.

    python -m benchmarks.studies.report_bars BUNDLE…

The figure is the median of nine openings in fresh browsers, from navigation to the end of the load
event, with first contentful paint beside it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.measure.machine import machine
from benchmarks.report import write
from benchmarks.studies import records
from benchmarks.studies.browser import chromium
from edge.errors import EdgeError
from edge.terminal.console import console

RESULTS = Path(__file__).parent / "results" / "report.json"
BYTES_BAR = 3_000_000
OPEN_BAR_MS = 1000.0
OPENINGS = 9

TIMES = """(() => {
  const [load] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [load.loadEventEnd - load.startTime, paint ? paint.startTime : null];
})()"""


def opening_ms(page_file: Path) -> tuple[float, float]:
    """Milliseconds until a page is loaded, and until something is painted."""
    with chromium() as page:
        page.open(page_file)
        loaded, painted = page.evaluate(TIMES)
        while painted is None:  # a frame follows the load event
            time.sleep(0.02)
            loaded, painted = page.evaluate(TIMES)
    return loaded, painted


@click.command()
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, required=True)
def main(bundles: tuple[Path, ...]) -> None:
    """Measure, print, keep; exit code 4 when a bar is missed."""
    try:
        with tempfile.TemporaryDirectory() as folder, console(verbose=False) as ours:
            written = write.write(bundles, Path(folder) / "report.html", None, ours)
            times = [opening_ms(Path(written.file)) for _ in range(OPENINGS)]
    except EdgeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    loaded = statistics.median(each for each, _ in times)
    found = {
        "schema_version": 1,
        "bundles": len(bundles),
        "bytes": written.bytes,
        "bytes_bar": BYTES_BAR,
        "load_ms": round(loaded, 1),
        "load_ms_each": sorted(round(each, 1) for each, _ in times),
        "load_ms_bar": OPEN_BAR_MS,
        "first_paint_ms_each": sorted(round(paint, 1) for _, paint in times),
        "machine": machine(),
    }
    records.save(RESULTS, found)
    print(f"{len(bundles)} bundles: {written.bytes:,} bytes (bar {BYTES_BAR:,})")
    print(f"opens in {loaded:.0f} ms (bar {OPEN_BAR_MS:.0f}), median of {OPENINGS}")
    sys.exit(0 if written.bytes < BYTES_BAR and loaded < OPEN_BAR_MS else 4)


if __name__ == "__main__":
    main()
