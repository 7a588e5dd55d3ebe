# SPDX-License-Identifier: BSD-3-Clause
"""Say whether a change of the code changes a byte of what an export writes.

    python -m benchmarks.studies.same_artifacts            compare with the hashes that are kept
    python -m benchmarks.studies.same_artifacts --save     keep those of today

Exports eca and cat with every target and compares the sha256 of every file. A commit that only
moves code must change none; one that changes bytes says in its message which and why.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.studies import records
from edge import api
from edge.bundle import types as bundle_types

RESULTS = Path(__file__).parent / "results" / "artifacts.json"
MODES = ("cat", "eca")


def measure(folder: Path) -> dict[str, dict[str, str]]:
    """Return the sha256 of every file of a fresh export, by mode and name.

    The manifest is left out: it names the versions of what is installed here.
    """
    hashes = {}
    for mode in MODES:
        bundle = api.export(mode=mode, out=folder / mode, quiet=True)
        files = bundle.manifest.files
        hashes[mode] = {n: digest for n, digest in files.items() if n != bundle_types.MANIFEST}
    return hashes


def differences(kept: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> list[str]:
    """Return every file that is new, gone or of other bytes."""
    lines = []
    for mode in sorted({*kept, *now}):
        before, after = kept.get(mode, {}), now.get(mode, {})
        lines += [f"{mode}/{name} is new" for name in sorted(after.keys() - before)]
        lines += [f"{mode}/{name} is gone" for name in sorted(before.keys() - after)]
        both = sorted(before.keys() & after)
        lines += [f"{mode}/{name} has other bytes" for name in both if before[name] != after[name]]
    return lines


@click.command()
@click.option("--save/--no-save", default=False, help=f"Keep the hashes in {RESULTS.name}.")
def main(save: bool) -> None:
    """Export, hash and compare; exit 1 where a byte differs."""
    with TemporaryDirectory() as folder:
        now = measure(Path(folder))
    kept = json.loads(RESULTS.read_text())["sha256"] if RESULTS.exists() else {}
    lines = differences(kept, now)
    for line in lines:
        click.echo(line)
    n_files = sum(map(len, now.values()))
    click.echo(f"{n_files} files of {', '.join(now)}: {len(lines)} differ from what is kept")
    if save:
        records.save(RESULTS, {"schema_version": 1, "sha256": now})
    elif lines:
        sys.exit(1)


if __name__ == "__main__":
    main()
