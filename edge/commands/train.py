# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge train``, which trains a checkpoint on recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.errors import UsageError, listing
from edge.terminal.options import (
    PATH,
    Arguments,
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
    from edge.terminal.console import Console
    from edge.training.train import TrainRequest


@click.command(
    "train", epilog="Example: edge train --mode eca --data S001/ --contract s001.toml --out model"
)
@model
@click.option("--data", help="sim[:SEED], an .npz file, a recording or a folder of recordings.")
@click.option("--contract", type=PATH, help="Contract file (TOML) for --data.")
@click.option("--holdout", type=Names(), default=(), help="Sessions or files to measure on.")
@keep_bad
@click.option(
    "--class-weights",
    type=click.Choice(["none", "balanced"]),
    default="none",
    show_default=True,
    help="balanced: every class weighs the same, however few its windows.",
)
@click.option("--out", type=PATH, help="Folder of the checkpoint.")
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True)
@click.option("--batch-size", type=click.IntRange(2), default=16, show_default=True)
@click.option("--learning-rate", type=Real(0, min_open=True), default=1e-3, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--arg", "arguments", type=Arguments(), multiple=True, help="Constructor argument of the model."
)
@click.option("--example-contract", is_flag=True, help="Print a contract file to start from.")
@common
def command(as_json: bool, verbose: bool, example_contract: bool, **options: Any) -> None:
    """Train a model on recordings and save it as braindecode does."""

    def work(console: Console) -> None:
        if example_contract:
            _print_example(console, as_json)
            return
        _refuse_early(options)
        with console.waiting("loading PyTorch and braindecode"), needs():
            from edge.training import train
        trained = train.train(_request(options), console)
        record = trained.model.training
        if as_json:
            print_json(console, record)
            return
        assert record is not None  # what has been trained has its record
        from edge.terminal import tables

        share, low, high = (
            100 * x for x in (trained.accuracy.share, trained.accuracy.low, trained.accuracy.high)
        )
        simulated = "simulated, " if record.simulated else ""
        console.print(
            f"accuracy {share:.1f} % [{low:.1f}, {high:.1f}] on {record.n_test} held-out windows "
            f"({simulated}{record.split})"
        )
        told = trained.scores
        console.print(tables.among_classes(told.majority, told.balanced, told.kappa))
        console.print(f"checkpoint: {options['out']}")

    run(work, verbose)


def _print_example(console: Console, as_json: bool) -> None:
    with needs():
        from edge.signal.contract_file import EXAMPLE
    if as_json:
        print_json(console, {"contract": EXAMPLE})
    else:
        console.print(EXAMPLE)


def _refuse_early(options: dict[str, Any]) -> None:
    """Refuse what can be refused before anything heavy is imported."""
    if options["mode"] is not None:
        registry.refuse_unknown_network(options["mode"], "--mode")
    absent = [f"--{name}" for name in ("mode", "data", "out") if options[name] is None]
    if absent:
        raise UsageError(
            f"edge train needs {listing(absent)}. "
            f"Type e.g.: edge train --mode eca --data sim --out model"
        )


def _request(options: dict[str, Any]) -> TrainRequest:
    from edge.training.fit import TrainingSettings
    from edge.training.train import TrainRequest

    return TrainRequest(
        mode=options["mode"],
        data=options["data"],
        out=options["out"],
        contract=options["contract"],
        holdout=options["holdout"],
        settings=TrainingSettings(
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            learning_rate=options["learning_rate"],
            seed=options["seed"],
            class_weights=options["class_weights"],
        ),
        keep_bad=options["keep_bad"],
        arguments=dict(options["arguments"]),
    )
