# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge check``, which tries every network on every runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.terminal.options import Names, common, needs, print_json, run

if TYPE_CHECKING:
    from edge.terminal.console import Console

RUNTIMES = registry.names(registry.RUNTIMES)


@click.command(epilog="Example: edge check --mode eca,cbam --target tflite,tflm")
@click.option(
    "--model",
    "--mode",
    "modes",
    type=Names(networks=True),
    default=registry.networks(),
    help="All without it.",
)
@click.option(
    "--target",
    "targets",
    type=Names(registry.RUNTIMES),
    default=RUNTIMES,
    help=f"All without it: {', '.join(RUNTIMES)}.",
)
@click.option("--run/--no-run", "really", default=True, help="--no-run asks the tables only.")
@common
def command(as_json: bool, verbose: bool, really: bool, **options: Any) -> None:
    """Say what every network is on every runtime: FULL (all int8), MIXED or BLOCKED, and why.

    Runtimes are finer than the --targets of edge export, which are artifacts: an executorch program
    runs in executorch-xnnpack; a tflite file in tflite (LiteRT with XNNPACK), tflite-plain (without
    a delegate) and tflm (TensorFlow Lite Micro); an onnx file in onnxruntime; c is c.
    executorch-cortex-m has no --targets name: it is lowered for this table only.

    Of a class of braindecode that no family serves, --model CLASS says which operations stop it.
    """

    def work(console: Console) -> None:
        for mode in options["modes"]:
            if not mode[:1].isupper():  # the name of a class, which is looked at later
                registry.refuse_unknown_network(mode, "--mode")
        for name in options["targets"]:
            registry.refuse_unknown(registry.RUNTIMES, name, "--target")
        with console.waiting("loading PyTorch and ExecuTorch"), needs():
            from edge.exporting import check
            from edge.terminal import tables
        request = check.Request(options["modes"], options["targets"], run=really)
        report = check.check(request, console)
        if as_json:
            print_json(console, report)
        else:
            console.print(tables.check_table(report))
            for line in tables.check_lines(report):
                console.print(line)
        check.refuse(report)

    run(work, verbose)
