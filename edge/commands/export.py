# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge export``, which makes a bundle of a checkpoint and compares every file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.checkpoint import alone
from edge.errors import UsageError
from edge.terminal.options import (
    PATH,
    Names,
    Real,
    common,
    keep_bad,
    model,
    needs,
    print_json,
    run,
)

if TYPE_CHECKING:
    from edge.exporting.prepare import ExportRequest
    from edge.terminal.console import Console


@click.command("export", epilog="Example: edge export --mode eca --int8 --targets tflite")
@model
@click.option("--int8", is_flag=True, help="Write int8 artifacts beside the float ones.")
@click.option(
    "--checkpoint", metavar="DIR|FILE|hf:REPO", help="The model; the shipped one without it."
)
@click.option("--data", help="sim[:SEED], an .npz file, a recording or a folder of recordings.")
@click.option("--contract", type=PATH, help="Contract file (TOML) for --data.")
@click.option("--holdout", type=Names(), default=(), help="Sessions or files to measure on.")
@keep_bad
@click.option(
    "--held-out",
    type=click.IntRange(1),
    help="Windows to compare on at most: 480 of recordings, 1920 simulated ones without it.",
)
@click.option(
    "--targets", type=Names(registry.TARGETS), default=None, help="All that fit without it."
)
@click.option("--out", type=PATH, help="Folder of the bundle; edge-MODE[-int8] without it.")
@click.option("--full-int8", is_flag=True, help="Refuse any operation in float.")
@click.option(
    "--gate",
    type=click.Choice(["auto", "int8", "float"]),
    default="auto",
    show_default=True,
    help="What the attention gate is computed in.",
)
@click.option("--max-drop", type=Real(), help="Refuse a larger loss of accuracy, in points.")
@click.option("--sensitivity", is_flag=True, help="Report what every tensor's rounding costs.")
@click.option(
    "--outputs", type=Names(), default=("logits",), help="logits, or logits,features (for run too)."
)
@common
def command(as_json: bool, verbose: bool, **options: Any) -> None:
    """Export a model: lower, quantize, write every target's file, run and compare each of them."""

    def work(console: Console) -> None:
        _refuse_early(options)
        out = _out(options)
        with needs():
            from edge.bundle import folder
        folder.refuse_destination(out)
        with console.waiting("loading PyTorch and ExecuTorch"), needs():
            from edge.exporting import pipeline
        made = pipeline.export(_request(options), console)
        if as_json:
            print_json(console, made)
            return
        from edge.terminal import tables

        console.print(tables.export_table(made))
        for line in (
            *tables.paired_lines(made),
            *tables.class_lines(made),
            *tables.float_lines(made),
            *tables.other_lines(made),
        ):
            console.print(line)
        console.print(f"bundle: {out}")

    run(work, verbose)


def _out(options: dict[str, Any]) -> Path:
    """The folder of the bundle, called after the network or the checkpoint where none was named."""
    if options["out"] is not None:
        return Path(options["out"])
    name = options["mode"]
    if name is None and options["checkpoint"] is not None:
        name = Path(options["checkpoint"].removeprefix("hf:")).stem
    folder = f"edge-{name or registry.DEFAULT_NETWORK}"
    return Path(f"{folder}-int8" if options["int8"] else folder)


def _refuse_early(options: dict[str, Any]) -> None:
    """Refuse what can be refused before anything heavy is imported."""
    if options["full_int8"] and not options["int8"]:
        raise UsageError("--full-int8 needs --int8. Type: edge export --int8 --full-int8")
    for asked in ("gate", "sensitivity"):
        if options[asked] not in ("auto", False) and not options["int8"]:
            raise UsageError(f"--{asked} needs --int8: it concerns what is rounded. Add --int8.")
    if options["full_int8"] and options["gate"] == "float":
        raise UsageError("--full-int8 and --gate float contradict each other. Leave one out.")
    if options["mode"] is not None:
        registry.refuse_unknown_network(options["mode"], "--mode")
    for name in options["targets"] or ():
        registry.refuse_unknown(registry.TARGETS, name, "--targets")
    if options["data"] is not None and options["checkpoint"] is None:
        alone.refuse(options["data"], options["mode"] or registry.DEFAULT_NETWORK)
    from quantize.graph import outputs

    outputs.refuse(options["outputs"])


def _request(options: dict[str, Any]) -> ExportRequest:
    from edge.checkpoint import find
    from edge.exporting.prepare import ExportRequest
    from edge.targets import base

    return ExportRequest(
        checkpoint=find.Request(
            mode=options["mode"],
            checkpoint=options["checkpoint"],
            data=options["data"],
            contract=options["contract"],
            holdout=options["holdout"],
            keep_bad=options["keep_bad"],
            held_out=options["held_out"],
        ),
        out=_out(options),
        int8=options["int8"],
        targets=options["targets"] or base.default_names(options["int8"]),
        full_int8=options["full_int8"],
        max_drop=options["max_drop"],
        gate=options["gate"],
        sensitivity=options["sensitivity"],
        outputs=options["outputs"],
    )
