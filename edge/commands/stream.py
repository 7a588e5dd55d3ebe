# SPDX-License-Identifier: BSD-3-Clause
"""Provide ``edge stream``, which decodes a live signal."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import registry
from edge.commands._signed import allow_older
from edge.errors import UsageError
from edge.terminal.options import PATH, Arguments, Names, Real, needs, run

if TYPE_CHECKING:
    from edge.stream.frames import Source
    from edge.stream.live.session import Session
    from edge.stream.live.settings import Settings
    from edge.terminal.console import Console
    from firmware_bridge.signal.contract import SignalContract

EXTRA = "stream"
EXAMPLE = "Example: edge stream edge-eca-int8 --source file:S001R03.edf --output decisions.jsonl"


class _Command(click.Command):
    """A command whose help lists the parameters of devices."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then what ``--arg`` takes."""
        from edge.stream import parameters

        super().format_options(ctx, formatter)
        with formatter.section("Parameters of devices, --arg NAME=VALUE"):
            rows = [(", ".join(boards), names) for names, boards in parameters.BOARDS.items()]
            formatter.write_dl([*parameters.OURS.items(), *rows], col_max=44)


@click.command("stream", cls=_Command, epilog=EXAMPLE)
@click.argument("bundle", type=PATH)
@click.option(
    "--source",
    required=True,
    metavar="NAME:PLACE",
    help="file:REC.edf, brainflow:BOARD or lsl:STREAM.",
)
@click.option(
    "--arg", "arguments", type=Arguments(), multiple=True, help="Of a device; listed by --help."
)
@click.option("--channels", type=Names(), default=(), help="What is plugged in, in order.")
@click.option("--unit", type=click.Choice(["uV", "mV", "V"]), help="Where the source says none.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="Of a replay; inf.")
@click.option("--engine", help="reference, c or float; the fastest there is without.")
@click.option("--target", help="Compute whole windows with this runnable of the bundle instead.")
@click.option("--hop", type=click.IntRange(1), help="Samples between decisions.")
@click.option("--output", help="JSON lines into a file, or lsl:NAME.")
@click.option("--smooth", type=click.IntRange(1), default=4, show_default=True)
@click.option("--threshold", type=Real(), default=0.5, show_default=True)
@click.option("--release", type=Real(), default=0.4, show_default=True)
@click.option("--max-gap-s", type=Real(0), default=0.02, show_default=True)
@click.option("--limit-s", type=Real(0), help="Seconds of signal; all of it without.")
@allow_older
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the toolchains print, on stderr.")
def command(bundle: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Decode a live signal: from a recording, a headset or a stream."""

    def work(console: Console) -> None:
        if options["engine"] is not None and options["target"] is not None:
            raise UsageError("--engine streams and --target computes whole windows: give one.")
        settings = _settings(options)
        with needs(EXTRA):
            from edge.bundle import read
            from edge.stream.live import engine as engines
            from edge.stream.live import session
        opened = read.read(bundle)
        contract = opened.contract()
        session.refuse_unstreamable(contract)
        if options["hop"] is not None:
            contract = dataclasses.replace(contract, hop=options["hop"])
        connect = _connector(options, contract)
        engine, streamer = engines.streamer(
            opened, contract, options["engine"], options["target"], console.note
        )
        with _stopping() as stop:
            made = session.Session(
                contract=contract,
                connect=connect,
                streamer=streamer,
                settings=settings,
                sinks=_sinks(options, contract, console, as_json),
                stop=stop,
                about={"bundle": bundle.name, "engine": engine},
            )
            summary = _watched(made, console)
        if not as_json:
            from edge.stream.live import view

            console.print(view.summary_table(summary))

    run(work, verbose)


def _settings(options: dict[str, Any]) -> Settings:
    with needs(EXTRA):
        from edge.stream.live import decision, settings
    rule = decision.Rule(options["smooth"], options["threshold"], options["release"])
    rule.refuse()
    return settings.Settings(rule=rule, max_gap_s=options["max_gap_s"], limit_s=options["limit_s"])


def _connector(options: dict[str, Any], contract: SignalContract) -> Callable[[], Source]:
    """What connects to the source, as often as needed."""
    name, separator, place = options["source"].partition(":")
    if not separator:
        raise UsageError(
            f"Invalid source {options['source']!r}: type NAME:PLACE, e.g. file:S001R03.edf."
        )
    registry.refuse_unknown(registry.SOURCES, name, "--source")
    with needs(EXTRA):
        from edge.stream import frames

        module: Any = registry.load(registry.SOURCES, name, "--source")
    request = frames.SourceRequest(
        place=place,
        arguments=dict(options["arguments"]),
        channels=options["channels"],
        unit=options["unit"],
        speed=options["speed"],
        contract=contract,
    )
    return lambda: module.connect(request)


def _sinks(options: dict[str, Any], contract: Any, console: Console, as_json: bool) -> list[Any]:
    with needs(EXTRA):
        from edge.stream.live import sink
    printed: list[Any] = [sink.Printed(console.print)] if as_json else []
    output = options["output"]
    if output is None:
        return printed
    if output.startswith(sink.LSL):
        rate_hz = contract.sfreq / contract.hop
        stream = sink.LslStream(output.removeprefix(sink.LSL), contract.classes, rate_hz)
        return [stream, *printed]
    return [sink.JsonLines(Path(output)), *printed]  # what is seen is in the file already


def _watched(session: Session, console: Console) -> Any:
    """Run, with the live view where stderr is a terminal."""
    if not console.err.is_terminal:
        return session.run()
    from edge.stream.live.view import View

    with View(console.err) as view:
        session.show = view.show
        return session.run()


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts whatever hangs."""
    stop = threading.Event()

    def ask(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
