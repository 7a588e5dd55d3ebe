# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge signal``, which writes the signal contract as C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.terminal.options import PATH, common, needs, print_json, run, uv_per_count

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command(
    "signal", epilog="Example: edge signal edge-eca-int8 --uv-per-count 0.02235 --out firmware"
)
@click.argument("bundle", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder, e.g. that of edge firmware.")
@click.option(
    "--arithmetic", default="float", show_default=True, help="float, or fixed without an FPU."
)
@uv_per_count
@click.option("--name", default="edge", show_default=True, help="What C symbols begin with.")
@common
def command(bundle: Path, out: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Write the C that makes int8 frames of a converter's counts, as the contract says."""

    def work(console: Console) -> None:
        with needs("firmware"):
            from edge.bundle import folder as bundle_folder
            from edge.bundle import read
            from firmware_bridge.build import toolchain
            from firmware_bridge.signal import chain
        contract = read.read(bundle).contract().with_counts(options["uv_per_count"])
        made = chain.generate(contract, options["name"], options["arithmetic"])
        bundle_folder.refuse_parent(out)
        toolchain.write(made.files, out)
        if as_json:
            print_json(
                console,
                {
                    "files": sorted(made.files),
                    "n_inputs": made.n_inputs,
                    "n_chans": made.n_chans,
                    "state_bytes": made.state_bytes,
                },
            )
            return
        console.print(
            f"{made.n_inputs} counts in, {made.n_chans} int8 out, {made.arithmetic} arithmetic, "
            f"{made.state_bytes:,} bytes of state: {', '.join(sorted(made.files))} in {out}"
        )

    run(work, verbose)
