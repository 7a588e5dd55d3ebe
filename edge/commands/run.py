# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge run``, which runs windows from a file through a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.commands._signed import allow_older
from edge.terminal import options as common_options
from edge.terminal.options import PATH, Names, common, needs, print_json

if TYPE_CHECKING:
    from edge.terminal.console import Console


@click.command(
    "run", epilog="Example: edge run edge-eca-int8 --target tflite --input X.npy --output y.npy"
)
@click.argument("bundle", type=PATH)
@click.option("--target", required=True, help="A target of the bundle, reference, or float.")
@click.option("--precision", type=click.Choice(["float", "int8"]), help="int8 where there is one.")
@click.option("--input", "source", type=PATH, required=True, help="Windows, float32 .npy.")
@click.option("--output", type=PATH, required=True, help="Logits, float32 .npy.")
@click.option(
    "--outputs", type=Names(), default=("logits",), help="What is written; several make an .npz."
)
@allow_older
@common
def command(bundle: Path, output: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Run windows (n, channels, samples), filtered and not scaled, through a bundle."""

    def work(console: Console) -> None:
        with needs():
            from edge.bundle import run
        names = options["outputs"]
        target, source, precision = (options[key] for key in ("target", "source", "precision"))
        values = run.run(bundle, target, source, output, precision, console, names=names)
        if as_json:
            shapes = {name: list(one.shape) for name, one in values.items()}
            shape = shapes[names[0]] if len(shapes) == 1 else shapes
            print_json(console, {"output": str(output), "shape": shape})
        else:
            each = " and ".join(f"{one.shape[1]} {name}" for name, one in values.items())
            console.print(f"{len(values[names[0]])} windows, {each} each: {output}")

    common_options.run(work, verbose)
