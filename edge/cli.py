# SPDX-License-Identifier: BSD-3-Clause
"""The command line: arguments in, results on stdout, everything else on stderr, one exit code.

Heavy modules are imported inside the commands, so that ``edge --help`` works in the bare install.
"""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from edge import registry
from edge.commands._common import PATH, Arguments, Mode, Names, Real, common
from edge.commands._common import load as _import
from edge.commands._common import print_json as _print_json
from edge.commands._common import run as _run
from edge.errors import EdgeError, ExitCode, UsageError, listing

if TYPE_CHECKING:
    from edge.terminal.console import Console

INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: edge export --mode eca --int8",
)
@click.version_option(package_name="eeg-edge", prog_name="edge", message="%(prog)s %(version)s")
def cli() -> None:
    """Take a trained EEG decoder to the device that is worn."""


@cli.command(epilog="Example: edge export --mode eca --int8 --targets tflite")
@click.option(
    "--mode",
    type=Mode(),
    help=f"Attention mode: {', '.join(registry.names(registry.MODES))}.",
)
@click.option("--int8", is_flag=True, help="Write int8 artifacts beside the float ones.")
@click.option(
    "--checkpoint", metavar="DIR|FILE|hf:REPO", help="The model; the shipped one without it."
)
@click.option("--data", help="sim[:SEED], an .npz file, a recording or a folder of recordings.")
@click.option("--contract", type=PATH, help="Contract file (TOML) for --data.")
@click.option("--holdout", type=Names(), default=(), help="Sessions or files to measure on.")
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
def export(as_json: bool, verbose: bool, **options: Any) -> None:
    """Export a model: lower, quantize, write every target's file, run and compare each of them."""

    def work(console: Console) -> None:
        _refuse_early(options)
        _import("edge.bundle.folder").refuse_destination(_export_out(options))
        with console.waiting("loading PyTorch and ExecuTorch"):
            pipeline = _import("edge.exporting.pipeline")
        made = pipeline.export(_export_request(options), console)
        out = _export_out(options)
        if as_json:
            _print_json(console, made)
            return
        from edge.terminal import tables

        console.print(tables.export_table(made))
        for line in (*tables.float_lines(made), *tables.other_lines(made)):
            console.print(line)
        console.print(f"bundle: {out}")

    _run(work, verbose)


def _export_out(options: dict[str, Any]) -> Path:
    if options["out"] is not None:
        return Path(options["out"])
    mode = options["mode"] or (
        "eca"
        if options["checkpoint"] is None
        else Path(options["checkpoint"].removeprefix("hf:")).stem
    )
    return Path(f"edge-{mode}-int8" if options["int8"] else f"edge-{mode}")


def _refuse_early(options: dict[str, Any]) -> None:
    """What can be refused before anything heavy is imported."""
    if options.get("full_int8") and not options["int8"]:
        raise UsageError("--full-int8 needs --int8. Type: edge export --int8 --full-int8")
    for asked in ("gate", "sensitivity"):
        if options.get(asked, False) not in ("auto", False) and not options["int8"]:
            raise UsageError(f"--{asked} needs --int8: it concerns what is rounded. Add --int8.")
    if options.get("full_int8") and options["gate"] == "float":
        raise UsageError("--full-int8 and --gate float contradict each other. Leave one out.")
    if options["mode"] is not None:
        registry.refuse_unknown(registry.MODES, options["mode"], "--mode")
    for name in options.get("targets") or ():
        registry.refuse_unknown(registry.TARGETS, name, "--targets")
    if "outputs" in options:
        _import("quantize.graph.outputs").refuse(options["outputs"])


def _export_request(options: dict[str, Any]) -> Any:
    pipeline, checkpoints = _import("edge.exporting.pipeline"), _import("edge.checkpoint.find")
    return pipeline.ExportRequest(
        checkpoint=checkpoints.Request(
            mode=options["mode"],
            checkpoint=options["checkpoint"],
            data=options["data"],
            contract=options["contract"],
            holdout=options["holdout"],
        ),
        out=_export_out(options),
        int8=options["int8"],
        targets=options["targets"] or _import("edge.targets.base").default_names(options["int8"]),
        full_int8=options["full_int8"],
        max_drop=options["max_drop"],
        gate=options["gate"],
        sensitivity=options["sensitivity"],
        outputs=options["outputs"],
    )


@cli.command(epilog="Example: edge train --mode eca --data S001/ --contract s001.toml --out model")
@click.option(
    "--mode",
    type=Mode(),
    help=f"Attention mode: {', '.join(registry.names(registry.MODES))}.",
)
@click.option("--data", help="sim[:SEED], an .npz file, a recording or a folder of recordings.")
@click.option("--contract", type=PATH, help="Contract file (TOML) for --data.")
@click.option("--holdout", type=Names(), default=(), help="Sessions or files to measure on.")
@click.option("--out", type=PATH, help="Folder of the checkpoint.")
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True)
@click.option("--batch-size", type=click.IntRange(2), default=16, show_default=True)
@click.option(
    "--learning-rate",
    type=Real(0, min_open=True),
    default=1e-3,
    show_default=True,
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--arg", "arguments", type=Arguments(), multiple=True, help="Constructor argument of the model."
)
@click.option("--example-contract", is_flag=True, help="Print a contract file to start from.")
@common
def train(as_json: bool, verbose: bool, example_contract: bool, **options: Any) -> None:
    """Train a model on recordings and save it as braindecode does."""

    def work(console: Console) -> None:
        if example_contract:
            example = _import("edge.signal.contract_file").EXAMPLE
            if as_json:
                _print_json(console, {"contract": example})
            else:
                console.print(example)
            return
        _refuse_early(options)
        absent = [f"--{name}" for name in ("mode", "data", "out") if options[name] is None]
        if absent:
            raise UsageError(
                f"edge train needs {listing(absent)}. "
                f"Type e.g.: edge train --mode eca --data sim --out model"
            )
        with console.waiting("loading PyTorch and braindecode"):
            training = _import("edge.training.train")
        trained = training.train(_train_request(options), console)
        record = trained.model.training
        if as_json:
            _print_json(console, record)
            return
        share, low, high = (100 * x for x in dataclasses.astuple(trained.accuracy)[2:])
        simulated = "simulated, " if record.simulated else ""
        console.print(
            f"accuracy {share:.1f} % [{low:.1f}, {high:.1f}] on {record.n_test} held-out windows "
            f"({simulated}{record.split})"
        )
        console.print(f"checkpoint: {options['out']}")

    _run(work, verbose)


def _train_request(options: dict[str, Any]) -> Any:
    training, fitting = (
        _import("edge.training.train"),
        _import("edge.families.attentionbasenet.fast_stem"),
    )
    settings = fitting.TrainingSettings(
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        seed=options["seed"],
    )
    return training.TrainRequest(
        mode=options["mode"],
        data=options["data"],
        out=options["out"],
        contract=options["contract"],
        holdout=options["holdout"],
        settings=settings,
        arguments=dict(options["arguments"]),
    )


@cli.command(epilog="Example: edge run edge-eca-int8 --target tflite --input X.npy --output y.npy")
@click.argument("bundle", type=PATH)
@click.option("--target", required=True, help="A target of the bundle, reference, or float.")
@click.option("--precision", type=click.Choice(["float", "int8"]), help="int8 where there is one.")
@click.option("--input", "source", type=PATH, required=True, help="Windows, float32 .npy.")
@click.option("--output", type=PATH, required=True, help="Logits, float32 .npy.")
@click.option(
    "--outputs", type=Names(), default=("logits",), help="What is written; several make an .npz."
)
@common
def run(bundle: Path, output: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Run windows (n, channels, samples), filtered and not scaled, through a bundle."""

    def work(console: Console) -> None:
        runner = _import("edge.bundle.run")
        names = options["outputs"]
        target, source, precision = (options[key] for key in ("target", "source", "precision"))
        found = runner.run(bundle, target, source, output, precision, console, names=names)
        if as_json:
            shapes = {name: list(values.shape) for name, values in found.items()}
            shape = shapes[names[0]] if len(shapes) == 1 else shapes
            _print_json(console, {"output": str(output), "shape": shape})
        else:
            each = " and ".join(f"{values.shape[1]} {name}" for name, values in found.items())
            console.print(f"{len(found[names[0]])} windows, {each} each: {output}")

    _run(work, verbose)


@cli.command(epilog="Example: edge verify edge-eca-int8")
@click.argument("bundle", type=PATH)
@common
def verify(bundle: Path, as_json: bool, verbose: bool) -> None:
    """Check a bundle's hashes, and run every artifact on its golden vectors."""

    def work(console: Console) -> None:
        runner = _import("edge.bundle.run")
        with console.waiting("running every artifact"):
            checks = runner.verify(bundle)
        if as_json:
            _print_json(console, {"checks": [dataclasses.asdict(check) for check in checks]})
        else:
            from edge.terminal import tables

            console.print(tables.verify_table(checks))
        runner.refuse(checks)

    _run(work, verbose)


@cli.command(epilog="Example: edge doctor")
@common
def doctor(as_json: bool, verbose: bool) -> None:
    """Say what is installed, and the line that installs what is not."""

    def work(console: Console) -> None:
        doctor = _import("edge.commands._doctor")
        findings = doctor.examine()
        if as_json:
            _print_json(console, {"findings": [dataclasses.asdict(f) for f in findings]})
        else:
            console.print(doctor.table(findings))

    _run(work, verbose)


for _name in registry.names(registry.COMMANDS):
    cli.add_command(registry.load(registry.COMMANDS, _name, "COMMAND").command, _name)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point: run a command and exit with its code."""
    sys.exit(_main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="edge", standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.DONE
    except EdgeError as error:
        return _fail(str(error), error.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "edge"
        return _fail(f"{error.format_message()} Type '{command} --help'.", ExitCode.USAGE)
    except click.ClickException as error:
        return _fail(error.format_message(), ExitCode.USAGE)
    except (KeyboardInterrupt, click.Abort) as error:
        said = str(error.__cause__ or error)  # click makes the one into the other
        return _fail(said or "Interrupted; nothing was written.", INTERRUPTED)
    except BrokenPipeError:
        return ExitCode.DONE
    except Exception:
        traceback.print_exc()
        return _fail("This is a bug in edge; the lines above say where.", ExitCode.BUG)


def _fail(message: str, code: int) -> int:
    print(f"edge: {message}", file=sys.stderr)
    return code
