# SPDX-License-Identifier: BSD-3-Clause
"""Headsets and streams: BrainFlow's synthetic board and a real LSL outlet on this machine."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge.errors import IncompatibleError, UsageError
from edge.signal import filters
from edge.stream.frames import SourceRequest
from edge.stream.live.engine import Windowed
from edge.stream.live.link import Patience
from edge.stream.live.session import Session
from edge.stream.live.settings import Settings
from edge.stream.live.sink import LslStream
from edge.stream.sources import brainflow, lsl
from tests.edge.stream.live.live_source import CONTRACT, runnable

HEADSET = dataclasses.replace(
    CONTRACT, sfreq=250.0, filter=filters.design(4.0, 30.0, 2, 250.0), channels=("C4", "Cz")
)
PATIENCE = Patience()


def unique(name: str) -> str:
    """A name for a stream that nobody else on this network has."""
    return f"edge-{name}-{os.getpid()}"


class Lines:
    """A sink that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def write(self, line: Any) -> None:
        """One more."""
        self.lines.append(line)

    def close(self) -> None:
        """Nothing to do."""


def decode(
    connect: Any,
    contract: Any,
    limit_s: float,
    patience: Patience = PATIENCE,
    kept: Lines | None = None,
) -> list[Any]:
    """Lines of a short live stream."""
    kept = kept or Lines()
    streamer = Windowed(contract, runnable)
    settings = Settings(patience=patience, limit_s=limit_s)
    Session(contract, connect, streamer, settings, [kept], threading.Event()).run()
    return kept.lines


def test_synthetic_board() -> None:
    """A second of signal, none of it lost, decided on in time."""
    lines = decode(lambda: brainflow.connect(SourceRequest("synthetic")), HEADSET, 1.0)
    summary = lines[-1]
    assert (summary["lost"], summary["restarts"], summary["repeated"]) == (0, 1, 0)
    assert summary["received"] >= 250
    full = [line for line in lines if line["kind"] == "decision" and line["logits"] is not None]
    assert len(full) >= (250 - 50) // 7
    assert 0 < summary["latency_p50_ms"] < 1000


def test_boards_are_known_by_name() -> None:
    """All of BrainFlow's, without its suffix."""
    with pytest.raises(UsageError) as error:
        brainflow.connect(SourceRequest("cytone"))
    message = str(error.value)
    assert message.startswith("Invalid value for 'brainflow:BOARD'. Allowed values are ")
    assert message.endswith("but got 'cytone' instead. Did you mean 'cyton'?")


def test_parameters_of_boards() -> None:
    """BrainFlow's own names."""
    with pytest.raises(UsageError) as error:
        brainflow.connect(SourceRequest("cyton", {"serialport": "/dev/null"}))
    assert "Did you mean 'serial_port'?" in str(error.value)


def test_a_board_that_is_not_there() -> None:
    """What BrainFlow says, in one line."""
    with pytest.raises(IncompatibleError) as error:
        brainflow.connect(SourceRequest("cyton", {"serial_port": "/dev/edge-none"}))
    message = str(error.value)
    assert message.startswith("brainflow:cyton cannot be opened (")
    assert message.endswith("Its parameters (serial_port) are given as --arg NAME=VALUE.")


def test_live_sources_have_their_own_speed() -> None:
    """Twice real time is for replays."""
    for connect in (brainflow.connect, lsl.connect):
        with pytest.raises(UsageError) as error:
            connect(SourceRequest("synthetic", speed=2.0))
        assert str(error.value) == "--speed 2 is for replays; 'synthetic' is live."


def outlet(name: str, units: str | list[str] = "microvolts") -> Any:
    """A stream of C4, Cz and a trigger, of 250 Hz."""
    from mne_lsl.lsl import StreamInfo, StreamOutlet

    info = StreamInfo(name, "EEG", 3, 250.0, "float32", f"edge-test-{name}")
    info.set_channel_names(["Cz", "TRIGGER", "C4"])
    info.set_channel_units([units, "none", units] if isinstance(units, str) else units)
    return StreamOutlet(info)


@pytest.fixture
def playing() -> Iterator[list[Any]]:
    """Blocks to play, and the thread that plays them as a headset would, once there is a reader."""
    from mne_lsl.lsl import local_clock

    plan: list[Any] = []
    stop = threading.Event()

    def play() -> None:
        stream = outlet(unique("headset"))
        plan.append(stream)
        rng = np.random.default_rng(0)
        number, begin_s = 0, local_clock()
        while not stop.is_set():
            if number not in (300, 301):  # lost on the way
                frame = 20 * rng.standard_normal(3).astype(np.float32)
                stream.push_sample(frame, timestamp=begin_s + number / 250)
            number += 1
            time.sleep(max(0, begin_s + number / 250 - local_clock()))

    thread = threading.Thread(target=play)
    thread.start()
    yield plan
    stop.set()
    thread.join()


def test_lsl_stream(playing: list[Any]) -> None:
    """A real outlet is found by name, its units and names are read, lost frames show."""
    request = SourceRequest(unique("headset"))
    source = lsl.connect(request)
    assert source.header.channels == ("Cz", "TRIGGER", "C4")
    assert (source.header.unit, source.header.sfreq) == ("uV", 250.0)
    source.close()
    lines = decode(lambda: lsl.connect(request), HEADSET, 2.0)
    summary = lines[-1]
    assert summary["received"] >= 490
    assert summary["lost"] in (0, 2)  # 2 where the inlet was open before they were lost
    assert summary["decisions"] > 50


def test_lsl_outlet_that_comes_back() -> None:
    """It ends in the middle and another of its name begins: connected again, decided on again."""
    kept = Lines()
    end_s = time.monotonic() + 60

    def decided(last: int) -> bool:
        return any(line["kind"] == "decision" and line["sample"] >= last for line in kept.lines)

    def play() -> None:
        for last in (290, 590):
            stream = outlet(unique("fickle"))
            stream.wait_for_consumers(20)
            frames = 20 * np.random.default_rng(0).standard_normal((300, 3))
            stream.push_chunk(np.asarray(frames, np.float32))
            while not decided(last) and time.monotonic() < end_s:
                time.sleep(0.05)
            del stream

    thread = threading.Thread(target=play)
    thread.start()
    patience = Patience(stalled_s=0.3, lost_s=0.8, attempts=20, first_s=0.2, longest_s=0.2)
    request = SourceRequest(unique("fickle"), {"timeout": 2})
    lines = decode(lambda: lsl.connect(request), HEADSET, 2.4, patience, kept)
    thread.join()
    events = [line["event"] for line in lines if line["kind"] == "event"]
    assert [e for e in events if e != "stalled"] == [
        *("restart", "disconnected", "reconnected", "restart"),
    ]
    assert lines[-1]["received"] == 600
    after = [line for line in lines if line["kind"] == "decision" and line["sample"] >= 300]
    assert sum(line["logits"] is not None for line in after) == (300 - 50) // 7 + 1


def test_lsl_stream_that_is_not_there() -> None:
    """What was looked for and what to try."""
    with pytest.raises(IncompatibleError) as error:
        lsl.connect(SourceRequest(unique("nobody"), {"timeout": 0.5}))
    message = str(error.value)
    assert message.startswith(f"lsl:{unique('nobody')} was not found in 0.5 s; there ")
    assert message.endswith("look longer: --arg timeout=60")


def test_lsl_stream_of_unknown_unit() -> None:
    """Contradicting units are unknown, until somebody says."""
    stream = outlet(unique("mixed"), ["microvolts", "none", "volts"])
    for said, unit in ((None, "unknown"), ("mV", "mV")):
        source = lsl.connect(SourceRequest(unique("mixed"), unit=said))
        assert source.header.unit == unit
        source.close()
    del stream


def test_decisions_as_a_stream() -> None:
    """``--output lsl:NAME``: probabilities of every class and the decision's number."""
    from mne_lsl.lsl import StreamInlet, resolve_streams

    sink = LslStream(unique("decisions"), ("left", "right"), 16.0)
    [found] = resolve_streams(timeout=5, name=unique("decisions"))
    inlet = StreamInlet(found)
    inlet.open_stream(timeout=5)
    sink.outlet.wait_for_consumers(5)
    sink.write({"kind": "event"})
    sink.write({"kind": "decision", "smoothed": np.array([0.25, 0.75]), "choice": 1})
    sink.write({"kind": "decision", "smoothed": None, "choice": None})
    rows: list[Any] = []
    while len(rows) < 2:
        rows += list(inlet.pull_chunk(timeout=0.5)[0])
    assert inlet.get_sinfo().get_channel_names() == ["left", "right", "decision"]
    np.testing.assert_array_equal(rows, [[0.25, 0.75, 1], [0, 0, -1]])
    inlet.close_stream()
    sink.close()
