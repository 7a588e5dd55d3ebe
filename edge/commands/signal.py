"""``edge signal``: the signal contract as C."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.commands._common import PATH, common, load, print_json, run
from edge.errors import IncompatibleError

if TYPE_CHECKING:
    from edge.console import Console
    from edge.data.contract import SignalContract


@click.command(
    "signal", epilog="Example: edge signal edge-eca-int8 --uv-per-count 0.02235 --out firmware"
)
@click.argument("bundle", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder, e.g. that of edge firmware.")
@click.option(
    "--arithmetic", default="float", show_default=True, help="float, or fixed without an FPU."
)
@click.option(
    "--uv-per-count",
    type=click.FloatRange(0, min_open=True),
    help="µV that a count of the converter stands for, where the contract does not say.",
)
@click.option("--name", default="edge", show_default=True, help="What C symbols begin with.")
@common
def command(bundle: Path, out: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Write the C that makes int8 frames of a converter's counts, as the contract says."""

    def work(console: Console) -> None:
        generator, toolchain = load("firmware_bridge.signal"), load("firmware_bridge.toolchain")
        bundles = load("edge.bundle")
        contract = _with_counts(bundles.read(bundle).contract(), options["uv_per_count"])
        made = generator.generate(contract, options["name"], options["arithmetic"])
        bundles.refuse_parent(out)
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


def _with_counts(contract: SignalContract, uv_per_count: float | None) -> SignalContract:
    """The contract, and what it did not know.

    Raises
    ------
    IncompatibleError
        When it knows better.
    """
    known = contract.uv_per_count
    if uv_per_count is None:
        return contract
    if known not in (None, uv_per_count):
        raise IncompatibleError(
            f"--uv-per-count is {uv_per_count:g} and the contract says {known:g}. Leave it out, or "
            f"export with the right contract."
        )
    return dataclasses.replace(contract, uv_per_count=uv_per_count)
