# SPDX-License-Identifier: BSD-3-Clause
"""A board on a serial line: a pseudo-terminal that the example of a firmware package writes to."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.devices import devices
from benchmarks.devices.runners import serial as runner
from benchmarks.measure import table
from benchmarks.measure.bench import bench
from benchmarks.measure.findings import Report, Request
from edge.errors import AccuracyError, IncompatibleError, MissingToolError, UsageError
from edge.firmware import project as firmware
from edge.terminal.console import console
from tests.edge.firmware.test_packages import STAND_IN, cmake

pytest.importorskip("serial", reason="pip install pyserial")


@pytest.fixture(scope="module")
def board(eca_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample for Zephyr, as a program of this machine whose counter is a clock."""
    if shutil.which("cmake") is None:
        pytest.skip("apt-get install cmake")
    folder = tmp_path_factory.mktemp("board")
    with console(verbose=False) as quiet:
        request = firmware.Request(
            eca_bundle, "nrf52840", folder / "f", "c", "decoder", package="zephyr"
        )
        firmware.write(request, quiet)
    sample = folder / "f" / "samples" / "replay"
    cmake(sample, folder / "build", f"-DZephyr_DIR={STAND_IN}", "-DCMAKE_BUILD_TYPE=Release")
    return folder / "build" / "app"


def measured(bundle: Path, port: str, samples: Path) -> Report:
    """What the command finds."""
    with console(verbose=False) as quiet:
        return bench(Request(bundle, samples, devices=(f"serial:{port}",)), quiet)


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """Our end of a serial line, and the port at its other end."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_board_is_measured(
    board: Path, eca_bundle: Path, line: tuple[int, str], tmp_path: Path
) -> None:
    """Its own figures, least below mean below most, with the calls that they are of."""
    ours, port = line
    reset = threading.Timer(0.5, lambda: subprocess.run([board], stdout=ours, check=True))
    reset.start()
    report = measured(eca_bundle, port, tmp_path / "s.jsonl")
    reset.join()
    found = {result.metric: result for result in report.results}
    for form, calls in (("window", 20), ("push", 20_000)):
        least, mean, most = (
            found[f"cycles_per_{form}_{which}"] for which in ("least", "mean", "most")
        )
        assert 0 < least.value <= mean.value <= most.value
        assert (least.unit, least.n) == ("cycles", calls)
    assert len(found) == 6
    [made] = table.tables(report)
    assert made.title == "on the board"
    assert made.row_count == 2
    assert report.devices == {f"serial:{port}": {"counter": "cycles", "port": port}}


def said(**changes: object) -> bytes:
    """The line of a board, and its PASS."""
    values = {
        "schema": "1", "bundle": '"ab"', "unit": '"us"', "window": "[20, 5, 6, 7]", "push": "null",
    } | changes  # fmt: skip
    inner = ", ".join(f'"{key}": {value}' for key, value in values.items())
    return f"edge-replay {{{inner}}}".encode()


def test_what_a_board_may_say() -> None:
    """Boot messages before, figures or none, PASS at the end."""
    lines = [b"boot v2\r\n", b"", said() + b"\r\n", b"PASS 20 windows\r\n"]
    heard = runner.listen(iter(lines), "d")
    assert heard == runner.Replayed(1, "ab", "us", (20, 5, 6, 7), None)
    silent = said(unit='""', window="null")
    assert runner.listen(iter([silent, b"PASS"]), "d").window is None


WRONG = {
    "it fails": ([b"FAIL window 3, logit 0: 1, expected 2"], AccuracyError, "FAIL window 3"),
    "nothing": ([b"boot"], MissingToolError, "no replay was heard in 60 s"),
    "PASS alone": ([b"PASS 20 windows"], MissingToolError, "no replay was heard"),
    "no JSON": ([b"edge-replay {"], IncompatibleError, "d is not JSON"),
    "another key": ([said(more="1")], IncompatibleError, "more"),
    "another schema": ([said(schema="2")], IncompatibleError, "schema 2"),
    "another unit": ([said(unit='"fortnights"')], IncompatibleError, "'fortnights'"),
    "three numbers": ([said(window="[1, 2, 3]")], IncompatibleError, "window"),
    "no number": ([said(window="[NaN, 2, 3, 4]")], IncompatibleError, "NaN"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_it_may_not_say(what: str) -> None:
    """One line that says what is wrong."""
    lines, kind, words = WRONG[what]
    with pytest.raises(kind) as caught:
        runner.listen(iter(lines), "d")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_model_on_the_board(
    eca_bundle: Path, line: tuple[int, str], tmp_path: Path
) -> None:
    """Refused with what to flash."""
    ours, port = line
    threading.Timer(0.2, lambda: os.write(ours, said() + b"\nPASS 20 windows\n")).start()
    with pytest.raises(IncompatibleError, match="runs a model of another bundle \\(ab and not"):
        measured(eca_bundle, port, tmp_path / "s.jsonl")


def test_ports_and_targets_that_cannot_be(eca_bundle: Path, tmp_path: Path) -> None:
    """A port that is not there, none at all, and a target that no board of ours runs."""
    with pytest.raises(UsageError) as caught:
        measured(eca_bundle, "/dev/nothing", tmp_path / "s.jsonl")
    assert str(caught.value) == (
        "Cannot open '/dev/nothing': No such file or directory. Type the port of the board, e.g. "
        "--device serial:/dev/ttyACM0."
    )
    for wrong in ("serial", "serial:", "ssh:host", "cortex-m4:0"):
        with pytest.raises(UsageError, match="Invalid value for '--device'"):
            devices.load(wrong)
    request = Request(eca_bundle, tmp_path / "s.jsonl", ("tflite",), ("serial:/dev/null",))
    with console(verbose=False) as quiet, pytest.raises(UsageError, match="it has no tflite"):
        bench(request, quiet)
