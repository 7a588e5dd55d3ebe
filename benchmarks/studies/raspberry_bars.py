# SPDX-License-Identifier: BSD-3-Clause
"""Count LiteRT and the C engine on both emulated Raspberry Pi, beside what was measured before.

python -m benchmarks.studies.raspberry_bars BUNDLE --save
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from benchmarks.devices import raspberry_root
from benchmarks.measure.bench import bench
from benchmarks.measure.findings import Report, Request
from benchmarks.studies import records
from benchmarks.studies.firmware import BARS, REFERENCES, opened_digest
from edge.errors import EdgeError
from edge.patches.versions import installed
from edge.terminal import console

RESULTS = Path(__file__).parent / "results" / "raspberry.json"
DEVICES = ("rpi4", "rpi5")
ROWS = (("tflite", "float"), ("tflite", "int8"), ("c", "int8"))


def table(report: Report) -> Table:
    """Return instructions a window, beside references and bars."""
    made = Table(title="instructions a window, emulated", title_justify="left")
    columns = ("device", "runtime", "precision", "instructions", "measured before", "bar")
    for column in (*columns, "LiteRT int8 / this"):
        made.add_column(column, justify="left" if column in columns[:3] else "right")
    found = {(r.device, r.target, r.precision, r.metric): r.value for r in report.results}
    for device in DEVICES:
        cpu = report.devices[device]["cpu"]
        for target, precision in ROWS:
            key = (device, target, precision)
            reference = f"{REFERENCES[cpu][0]:,}" if (target, precision) == ROWS[1] else ""
            bar = f"{BARS[cpu]:,}" if target == "c" else ""
            count = f"{found[*key, 'instructions_per_window']:,.0f}"
            made.add_row(*key, count, reference, bar, f"{found[*key, 'litert_ratio']:.2f}")
    return made


@click.command()
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name} beside the others.")
def main(folder: Path, save: bool) -> None:
    """Count a bundle's TFLite files and its C on a Raspberry Pi 4 and 5."""
    with console.console(verbose=False) as ours, tempfile.TemporaryDirectory() as name:
        try:
            samples = Path(name) / "samples.jsonl"
            report = bench(Request(folder, samples, ("tflite", "c"), DEVICES), ours)
        except EdgeError as error:
            ours.note(f"raspberry: {error}")
            sys.exit(error.exit_code)
        if report.failures:
            ours.note(f"raspberry: {report.failures[0].why}")
            sys.exit(report.failures[0].exit_code)
        ours.print(table(report))
    if save:
        packages = ("eeg-edge", "ziglang")
        document = {
            "schema_version": 1,
            "bundle": opened_digest(folder),
            "devices": report.devices,
            "results": [asdict(result) for result in report.results],
            "references": {cpu: _reference(cpu) for cpu in ("cortex-a72", "cortex-a76")},
            "packages": {"debian": raspberry_root.SUITE, "wheels": list(raspberry_root.WHEELS)},
            "versions": {package: installed(package) for package in packages},
        }
        records.save(RESULTS, document)


def _reference(cpu: str) -> dict[str, object]:
    """What LiteRT took in int8 on an older lowering, and the engine's bar."""
    instructions, name = REFERENCES[cpu]
    return {"name": name, "instructions_per_window": instructions, "bar": BARS[cpu]}


if __name__ == "__main__":
    main()
