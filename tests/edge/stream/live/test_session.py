# SPDX-License-Identifier: BSD-3-Clause
"""A stream decoded from end to end, with every interruption injected."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import IncompatibleError
from edge.signal import chain
from edge.stream.frames import Disconnected, Header
from edge.stream.live.decision import Rule
from edge.stream.live.engine import Windowed
from edge.stream.live.link import Patience
from edge.stream.live.session import Session
from edge.stream.live.settings import Settings
from firmware_bridge.signal.contract import SignalContract
from tests.edge.stream.live import live_source
from tests.edge.stream.live.live_source import (
    CONTRACT,
    HEADER,
    Clock,
    Script,
    blocks,
    runnable,
    signal,
)

SETTINGS = Settings(rule=Rule(smooth=1, threshold=0.0, release=0.0), max_gap_s=0.03)
N_TIMES, HOP = CONTRACT.n_times, CONTRACT.hop


class Kept:
    """A sink that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.closed = False

    def write(self, line: Any) -> None:
        """One more."""
        self.lines.append(line)

    def close(self) -> None:
        """Once."""
        assert not self.closed
        self.closed = True

    def of(self, kind: str) -> list[Any]:
        """Lines of a kind."""
        return [line for line in self.lines if line["kind"] == kind]

    def events(self) -> list[tuple[str, int, int]]:
        """What happened, where and to how many."""
        return [(e["event"], e["sample"], e["count"]) for e in self.of("event")]


def run(
    steps: list[Any], contract: SignalContract = CONTRACT, settings: Settings = SETTINGS
) -> tuple[Kept, Script, Any]:
    """Decode a script."""
    clock, kept = Clock(), Kept()
    script = Script(steps, clock)
    streamer = Windowed(contract, runnable)
    session = Session(contract, script.connect, streamer, settings, [kept], clock, clock=clock)  # type: ignore[arg-type]
    summary = session.run()
    assert kept.closed
    return kept, script, summary


def expected(samples: NDArray[np.float64], contract: SignalContract = CONTRACT) -> Any:
    """Logits of every window of a recording without interruption, computed whole."""
    x = 1e6 * samples[:, [2, 0]].T
    if contract.reference == "average":
        x = chain.rereferenced(x, None)
    scaled = contract.scale(chain.apply(contract, x)[None])[0]
    ends = range(N_TIMES, len(samples) + 1, HOP)
    return runnable(np.stack([scaled[:, end - N_TIMES : end] for end in ends]))


def logits_of(decisions: list[Any]) -> NDArray[np.float32]:
    """Logits of decisions that have some."""
    return np.stack([d["logits"] for d in decisions if d["logits"] is not None])


@pytest.mark.parametrize("length", [1, 9, 1000])
@pytest.mark.parametrize("reference", ["as recorded", "average"])
def test_every_hop_is_the_window_computed_whole(length: int, reference: str) -> None:
    """Bit for bit, however the frames arrive."""
    contract = dataclasses.replace(CONTRACT, reference=reference)
    x = signal(400)
    kept, _, summary = run(blocks(x, np.arange(400), length), contract)
    decisions = kept.of("decision")
    np.testing.assert_array_equal(logits_of(decisions), expected(x, contract))
    full = [d["sample"] for d in decisions if d["logits"] is not None]
    assert full == list(range(N_TIMES - 1, 400, HOP))
    assert summary["decisions"] == len(decisions)
    assert summary["received"] == 400
    late_ms = {round(d["latency_ms"]) for d in decisions}
    assert late_ms <= set(range(0, 10 * min(length, 400), 10))  # waiting for the block to end


def test_before_the_first_windows() -> None:
    """A line every hop from the beginning: filling, then settling, then decisions."""
    kept, script, _ = run(blocks(signal(400), np.arange(400)))
    why = [d["abstain"] for d in kept.of("decision")]
    settling = 27  # of the 4 Hz edge, at 100 Hz
    n_filling = len(range(N_TIMES % HOP - 1, N_TIMES - 1, HOP))
    n_settling = len(range(0, settling, HOP))
    assert why[: n_filling + n_settling] == ["filling"] * n_filling + ["settling"] * n_settling
    assert set(why[n_filling + n_settling :]) == {None}
    assert script.closed == 1


def test_head_and_summary() -> None:
    """The first line says what follows, the last one what it was."""
    kept, _, summary = run(blocks(signal(100), np.arange(100)))
    assert kept.lines[0]["kind"] == "stream"
    assert kept.lines[0]["classes"] == ("left", "right")
    assert kept.lines[-1] == summary


def test_a_bridged_gap() -> None:
    """Three frames lost: the windows are those of the signal with a straight line in it."""
    x = signal(400)
    keep = np.r_[0:200, 203:400]
    bridged = x.copy()
    share = np.arange(1, 4)[:, None] / 4
    bridged[200:203] = x[199] + share * (x[203] - x[199])
    kept, _, summary = run(blocks(x[keep], keep))
    np.testing.assert_allclose(logits_of(kept.of("decision")), expected(bridged), rtol=1e-5)
    assert kept.events()[1:] == [("interpolated", 203, 3)]
    assert (summary["lost"], summary["interpolated"], summary["restarts"]) == (3, 3, 1)


def test_a_long_gap() -> None:
    """Filter, network and grid begin anew; no decision until a clean window has passed."""
    x = signal(500)
    keep = np.r_[0:200, 220:500]
    kept, _, summary = run(blocks(x[keep], keep))
    after = [d for d in kept.of("decision") if d["sample"] >= 220]
    np.testing.assert_array_equal(logits_of(after), expected(x[220:]))
    first = next(d for d in after if d["abstain"] is None)
    assert first["sample"] - 220 + 1 >= N_TIMES + 27
    assert kept.events()[1:] == [("gap", 220, 20), ("restart", 220, 0)]
    assert (summary["lost"], summary["restarts"]) == (20, 2)


def test_repeated_frames() -> None:
    """They change nothing."""
    x = signal(400)
    numbers = np.r_[0:100, 90:200, 200:400]
    kept, _, summary = run(blocks(x[numbers], numbers))
    np.testing.assert_array_equal(logits_of(kept.of("decision")), expected(x))
    assert summary["repeated"] == 10


@pytest.mark.parametrize(("value", "event"), [(5e-5, "flat"), (1e-3, "saturated")])
def test_a_bad_channel(value: float, event: str) -> None:
    """No decision as long as a window holds a faulty sample, and the channel is named."""
    x = signal(600)
    x[200:260, 2] = value
    kept, _, summary = run(blocks(x, np.arange(600)))
    begin = 200 + (24 if event == "flat" else 2)
    bad = [d for d in kept.of("decision") if (d["abstain"] or "").startswith("bad channel")]
    assert {d["abstain"] for d in bad} == {"bad channel C3"}
    grid = range(N_TIMES - 1, 600, HOP)
    assert [d["sample"] for d in bad] == [s for s in grid if begin <= s < 260 + N_TIMES - 1]
    assert kept.events()[1:] == [(event, begin, 0), ("recovered", 260, 0)]
    assert summary["faulty"] == {"C3": 260 - begin}


def test_a_stall_that_loses_nothing() -> None:
    """It is reported; the decisions are those of the signal."""
    x = signal(400)
    steps = blocks(x, np.arange(400))
    steps.insert(20, 3.0)
    kept, script, summary = run(steps)
    np.testing.assert_array_equal(logits_of(kept.of("decision")), expected(x))
    assert kept.events()[1:] == [("stalled", 180, 0)]
    assert (summary["stalls"], summary["disconnects"], len(script.made)) == (1, 0, 1)


def test_a_source_that_disconnects() -> None:
    """Connected again after the third attempt, with growing pauses; the signal begins anew."""
    x, y = signal(300), signal(300, seed=2)
    steps = [*blocks(x, np.arange(300)), Disconnected, "refuse", "refuse"]
    kept, script, summary = run([*steps, *blocks(y, np.arange(1000, 1300))])
    assert np.diff(script.made).tolist() == [0.5, 1.0, 2.0]
    assert kept.events()[1:] == [
        ("disconnected", 300, 0),
        ("reconnected", 300, 0),
        ("restart", 300, 0),
    ]
    after = [d for d in kept.of("decision") if d["sample"] >= 300]
    np.testing.assert_array_equal(logits_of(after), expected(y))
    assert (summary["disconnects"], summary["reconnects"]) == (1, 1)


def test_a_source_that_falls_silent() -> None:
    """After five seconds it counts as lost."""
    x = signal(100)
    steps = [*blocks(x, np.arange(100)), 5.5, *blocks(x, np.arange(100))]
    kept, _, summary = run(steps)
    names = [event for event, _, _ in kept.events()]
    assert names == ["restart", "stalled", "disconnected", "reconnected", "restart"]
    assert (summary["stalls"], summary["reconnects"]) == (1, 1)


def test_a_source_that_does_not_come_back() -> None:
    """It says so, and everything before was written."""
    steps = [*blocks(signal(100), np.arange(100)), Disconnected, *["refuse"] * 10]
    clock, kept = Clock(), Kept()
    script = Script(steps, clock)
    streamer = Windowed(CONTRACT, runnable)
    session = Session(CONTRACT, script.connect, streamer, SETTINGS, [kept], clock, clock=clock)  # type: ignore[arg-type]
    with pytest.raises(IncompatibleError) as error:
        session.run()
    assert str(error.value) == (
        "script was lost and did not come back in 10 attempts. Everything decided so far was "
        "written."
    )
    assert kept.closed
    assert kept.lines[-1]["kind"] == "summary"
    assert np.diff(script.made).tolist() == [0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8]


def test_a_source_that_comes_back_as_another() -> None:
    """Another rate is not the same headset."""
    other = dataclasses.replace(HEADER, sfreq=128.0)
    with pytest.raises(IncompatibleError) as error:
        run([*blocks(signal(100), np.arange(100)), other])
    assert str(error.value) == (
        "script came back as another: 3 channels at 128 Hz, and it had 3 at 100 Hz."
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            {"sfreq": 250.0},
            "script delivers 250 Hz and the contract says 100 Hz. Set the device to the "
            "contract's rate; nothing is resampled.",
        ),
        (
            {"channels": ("C4", "EOG", "C5")},
            "script has no channel 'C3'; it has C4, EOG, C5, and the contract says C3, C4. Name "
            "what is plugged in, in the source's order: --channels A,B,…",
        ),
        (
            {"channels": ("C4", "EOG", "C3", "C3"), "limits": None},
            "script has 2 channels called 'C3', and which of them is meant it does not say. Name "
            "what is plugged in, in order: --channels A,B,…",
        ),
        (
            {"units": ("V", "celsius", "mV")},
            "script has channels in 'mV' and 'V'. Take channels of one unit.",
        ),
        (
            {"units": ("celsius", "V", "celsius")},
            "script is in 'celsius' and the contract says 'uV'. If you know better, add --unit uV.",
        ),
        (
            {"unit": "celsius"},
            "script is in 'celsius' and the contract says 'uV'. If you know better, add --unit uV.",
        ),
        (
            {"unit": "unknown"},
            "script does not say its unit and the contract says 'uV'. If you know better, add "
            "--unit uV.",
        ),
    ],
)
def test_a_source_that_contradicts_the_contract(header: dict[str, Any], message: str) -> None:
    """Both values are named, nothing is decided, the device is let go."""
    kept, clock = Kept(), Clock()
    script = Script([], clock, dataclasses.replace(HEADER, **header))
    streamer = Windowed(CONTRACT, runnable)
    session = Session(CONTRACT, script.connect, streamer, SETTINGS, [kept], clock, clock=clock)  # type: ignore[arg-type]
    with pytest.raises(IncompatibleError) as error:
        session.run()
    assert str(error.value) == message
    assert (kept.lines, script.closed) == ([], 1)


def test_renamed_channels_and_a_reference_electrode() -> None:
    """Names in the source are the contract's after renaming; the reference need not be decoded."""
    contract = dataclasses.replace(
        CONTRACT, reference="EOG", rename={"c3.": "C3"}, channels=("C3", "C4")
    )
    header = Header("script", ("C4", "EOG", "c3."), "V", 100.0)
    made = live_source.signal(400)
    clock, kept = Clock(), Kept()
    script = Script(blocks(made, np.arange(400)), clock, header)
    streamer = Windowed(CONTRACT, runnable)
    Session(contract, script.connect, streamer, SETTINGS, [kept], clock, clock=clock).run()  # type: ignore[arg-type]
    referenced = made - made[:, 1:2]
    got = logits_of(kept.of("decision"))
    np.testing.assert_allclose(got, expected(referenced), rtol=1e-4, atol=1e-4)


def test_a_limit_in_seconds_of_signal() -> None:
    """It ends with the block that reaches it."""
    settings = dataclasses.replace(SETTINGS, limit_s=1.0)
    _, _, summary = run(blocks(signal(400), np.arange(400)), settings=settings)
    assert summary["received"] == 108


def test_silence_counts_from_the_last_frame() -> None:
    """Short pauses, however many, are no stall."""
    steps: list[Any] = []
    for block in blocks(signal(90), np.arange(90)):
        steps += [block, 0.75]
    settings = dataclasses.replace(SETTINGS, patience=Patience(stalled_s=1.0))
    _, _, summary = run(steps, settings=settings)
    assert (summary["stalls"], summary["disconnects"]) == (0, 0)


@pytest.mark.parametrize("length", [1, 3, 7, 50, 400])
@pytest.mark.parametrize(("n_times", "hop"), [(50, 7), (50, 50), (10, 60), (1, 1)])
def test_windowed_engine(length: int, n_times: int, hop: int) -> None:
    """Every window once, whatever arrives when; a hop may be longer than a window."""
    x = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    contract = dataclasses.replace(CONTRACT, n_times=n_times, hop=hop)
    engine = Windowed(contract, lambda windows: windows[:, :, -1])
    for _ in range(2):
        found = [d for i in range(0, 200, length) for d in engine.push(x[i : i + length])]
        assert [d.sample for d in found] == list(range(n_times - 1, 200, hop))
        scaled = contract.scale(x.T[None])[0].T
        np.testing.assert_array_equal([d.logits for d in found], scaled[n_times - 1 :: hop])
        engine.reset()
