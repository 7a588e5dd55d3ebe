# SPDX-License-Identifier: BSD-3-Clause
"""``edge stream`` and its C decide the same, frame by frame, whatever happens to the signal."""

from __future__ import annotations

import ctypes
import dataclasses
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.firmware.rules import rules_of
from edge.signal import filters
from edge.stream.frames import Disconnected, Header
from edge.stream.live.decision import Decider, Rule
from edge.stream.live.session import Session
from edge.stream.live.settings import Settings
from edge.stream.streamer import CEngine, Streamer
from firmware_bridge.build import toolchain
from firmware_bridge.host import signal as host_signal
from firmware_bridge.host.signal import SignalLibrary
from firmware_bridge.signal import chain as signal_chain
from firmware_bridge.signal import settling
from firmware_bridge.signal.contract import Scaling, SignalContract
from firmware_bridge.stream.generate import generate_stream
from firmware_bridge.stream.session import generate_session
from quantize.errors import IncompatibleError
from quantize.graph.qgraph import QGraph
from tests.edge.stream.live.live_source import Clock, Script, blocks
from tests.edge.stream.live.test_session import Kept
from tests.synthetic import Shape, network

SHAPE = Shape(n_chans=4, n_times=120, stride=5, pool=10, length=9)
SFREQ, HOP, UV = 100.0, 10, 0.1
RAIL = 8388607
RULE = Rule(smooth=2, threshold=0.41, release=0.4)
SETTINGS = Settings(rule=RULE, max_gap_s=0.03)
WHY = {"": 0, "undecided": 1, "filling": 2, "settling": 3}
FAULTS = {"flat": 4, "saturated": 5}
NOTICED = {"restart": 1, "interpolated": 2, "gap": 4, "repeated": 8}


def decoder() -> tuple[QGraph, SignalContract]:
    """A small network, and a contract whose noise fills its input."""
    graph = network(SHAPE)
    n_outputs = graph[graph.output].shape[-1]
    contract = SignalContract(
        channels=tuple(f"E{i}" for i in range(SHAPE.n_chans)),
        reference="as recorded",
        unit="uV",
        sfreq=SFREQ,
        filter=filters.design(4.0, 30.0, 2, SFREQ),
        scaling=Scaling("per_channel", (0.0,) * SHAPE.n_chans, (0.3,) * SHAPE.n_chans),
        n_times=SHAPE.n_times,
        hop=HOP,
        classes=tuple(f"class {i}" for i in range(n_outputs)),
        input_quant=graph.quant(graph.input),
        uv_per_count=UV,
    )
    return graph, contract


@dataclass
class InC:
    """The session's library, its struct and its event."""

    handle: Any
    n_inputs: int
    n_outputs: int
    delay: int
    chain: SignalLibrary

    def __post_init__(self) -> None:
        self.state = np.full(2**14, 0x55AA55AA, np.uint32)  # the reset sets all of it
        self.event = np.zeros(512, np.uint8)
        self.handle.edge_session_reset(ctypes.c_void_p(self.state.ctypes.data))

    def feed(
        self, counts: NDArray[np.int32], number: int, off: NDArray[np.uint32] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One frame."""
        lead_off = 0 if off is None else off.ctypes.data
        frame = np.array([number & 0xFFFFFFFF, lead_off], np.uint64)  # padded to a pointer
        addresses = [a.ctypes.data for a in (self.state, counts, frame, self.event)]
        status = self.handle.edge_session_feed(*map(ctypes.c_void_p, addresses))
        words = self.event[:24].view(np.int32).tolist()
        names = ("choice", "why", "channel", "noticed", "lost", "is_settling")
        event = dict(zip(names, words, strict=True))
        event["faults"] = self.event[24 : 24 + self.n_inputs].tolist()
        at = 24 + (self.n_inputs + 3) // 4 * 4
        shares = self.event[at : at + 8 * self.n_outputs].view(np.uint32)
        event["smoothed"] = shares[self.n_outputs :] / 2.0**30
        return status, event


@pytest.fixture(scope="module", params=["float", "fixed", "fixed spread"])
def in_c(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Compile a session for this machine, with warnings as errors; opens one at a time."""
    arithmetic, _, spread = request.param.partition(" ")
    graph, contract = decoder()
    chain = signal_chain.generate(contract, "edge", arithmetic)
    stream = generate_stream(graph, HOP, spread=bool(spread))
    session = generate_session(graph, contract, chain, stream, rules_of(contract, SETTINGS))
    folder = toolchain.write(
        {**chain.files, **stream.files, **session}, tmp_path_factory.mktemp("session")
    )
    flags = ["-std=c99", *toolchain.WARNINGS, "-O1", "-shared", "-fPIC"]
    flags += ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    sources = ["edge_session.c", "edge_signal.c", "edge_stream.c", "-o", "session.so", "-lm"]
    toolchain.compile_c(toolchain.host_compiler(), [*flags, *sources], cwd=folder)
    handle = ctypes.CDLL(str(folder / "session.so"))
    library = host_signal.build(chain)
    return lambda: InC(handle, chain.n_inputs, len(contract.classes), stream.delay, library)


def noise(n: int, seed: int = 0) -> NDArray[np.int32]:
    """(n, n_chans) counts of 10 µV on offsets, its amplitude and rhythm changing slowly."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, SHAPE.n_chans))
    x += 2 * np.sin(2 * np.pi * 10 / SFREQ * np.arange(n))[:, None] * rng.standard_normal(4)
    x *= 1 + np.sin(np.arange(n) / 70)[:, None]
    offsets = np.array([1000, -2000, 30000, 4])
    return np.asarray(np.round(x * 10 / UV) + offsets, np.int32)


def microvolts(counts: NDArray[np.int32]) -> NDArray[np.float64]:
    """What counts stand for."""
    return np.asarray(UV * counts, np.float64)


class ChainInC:
    """The generated signal chain in the place of Python's, whose roundings are others.

    Contracts are in whole counts of ``UV``; what is between two of them was bridged.
    """

    def __init__(self, library: SignalLibrary) -> None:
        self.library = library
        self.reset()

    def reset(self) -> None:
        """Forget the signal."""
        self.seen = np.zeros((0, SHAPE.n_chans), np.int32)

    def push(self, samples: NDArray[np.float64]) -> NDArray[np.int8]:
        """Samples (n_chans, n) in µV, as int8 of the same shape."""
        counts = np.floor(samples.T / UV + 0.5 + 1e-6).astype(np.int32)
        before = len(self.seen)
        self.seen = np.concatenate([self.seen, counts])
        return self.library.frames(self.seen)[before:].T


def in_python(
    steps: list[Any], library: SignalLibrary | None, monkeypatch: pytest.MonkeyPatch
) -> Kept:
    """What ``edge stream`` writes about a script, with the exact engine.

    Behind the chain in C where a library is given, else behind its own in float64.
    """
    if library is not None:
        monkeypatch.setattr("edge.stream.live.session.Chain", lambda _: ChainInC(library))
    graph, contract = decoder()
    header = Header(
        "script", contract.channels or (), "uV", SFREQ, ((-UV * (RAIL + 1), UV * RAIL),) * 4
    )
    clock, kept = Clock(), Kept()
    script = Script(steps, clock, header)
    streamer = Streamer(contract, SHAPE.n_chans, CEngine(graph, HOP))
    Session(contract, script.connect, streamer, SETTINGS, [kept], clock, clock=clock).run()  # type: ignore[arg-type]
    return kept


SCENARIOS = {
    "clean": np.arange(900),
    "a bridged gap": np.r_[0:400, 403:900],
    "three bridged gaps": np.r_[0:301, 302:405, 407:650, 651:900],
    "a long gap": np.r_[0:400, 420:900],
    "a gap in the first window": np.r_[0:50, 90:600],
    "repeated frames": np.r_[0:200, 190:400, 395:900],
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_frames_that_are_lost_or_repeated(
    in_c: Any, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bridged, begun anew or dropped as in Python."""
    numbers = SCENARIOS[scenario]
    agree(in_c(), noise(1000)[numbers], numbers, monkeypatch)


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_channels(in_c: Any, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One channel, then another; a window that holds a faulty sample is not decided on."""
    x = noise(1000)
    value = RAIL if fault == "saturated" else 55
    x[300:360, 2] = value
    x[600:633, 1] = -RAIL - 1 if fault == "saturated" else 7
    agree(in_c(), x, np.arange(1000), monkeypatch)


def test_faults_across_a_gap(in_c: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that stands still, or is at its rail, on both sides of a bridged gap."""
    x = noise(1000)
    x[300:360, 2] = 55
    x[500:510, 1] = RAIL
    numbers = np.r_[0:320, 323:501, 503:1000]
    agree(in_c(), x[numbers], numbers, monkeypatch)


def test_a_device_that_comes_back(in_c: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disconnected device counts from elsewhere; C is reset where it is connected again."""
    x, y = noise(400), noise(400, seed=2)
    steps = [*blocks(microvolts(x), np.arange(400)), Disconnected]
    session = in_c()
    again = [*steps, *blocks(microvolts(y), np.arange(1000, 1400))]
    kept = in_python(again, session.chain, monkeypatch)
    found = [moment for moment, _ in fed(session, x, np.arange(400))]
    found += [(n + 400, *rest) for (n, *rest), _ in fed(in_c(), y, np.arange(400))]
    late = set(range(400 - session.delay, 400)) | set(range(800 - session.delay, 800))
    assert found == [moment for moment in moments(kept) if moment[0] not in late]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_behind_the_chain_in_float64(
    in_c: Any, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain in C rounds otherwise: nothing but a class near its threshold may differ."""
    numbers = SCENARIOS[scenario]
    session, x = in_c(), noise(1000)[numbers]
    kept = in_python(blocks(microvolts(x), numbers), None, monkeypatch)
    late = never_told(numbers, session.delay)
    expected = [moment for moment in moments(kept) if moment[0] not in late]
    found = [moment for moment, _ in fed(session, x, numbers) if moment[0] not in late]
    assert [m[0] for m in found] == [m[0] for m in expected]
    differing = [a for a, b in zip(found, expected, strict=True) if a != b]
    assert len(differing) <= 2
    assert {why for *_, why in differing} <= {WHY[""], WHY["undecided"]}


def fed(session: InC, x: NDArray[np.int32], numbers: NDArray[Any]) -> list[Any]:
    """Decisions (frame, choice, why) with the means that they rest on."""
    found = []
    for counts, number in zip(x, numbers, strict=True):
        status, event = session.feed(counts, int(number))
        assert status in (0, 1)
        if status == 1:
            late = session.delay if event["why"] != WHY["filling"] else 0
            found.append(((number - late, event["choice"], event["why"]), event["smoothed"]))
    return found


def moments(kept: Kept) -> list[tuple[int, int, int]]:
    """The same of Python; of a bad channel the fault that was told last."""
    found: list[tuple[int, int, int]] = []
    faults: dict[str, list[tuple[int, str]]] = {}
    for line in kept.lines:
        if line["kind"] == "event" and line["channel"]:
            faults.setdefault(line["channel"], []).append((line["sample"], line["event"]))
        if line["kind"] == "decision":
            why = line["abstain"] or ""
            if why.startswith("bad channel "):
                told = faults[why.removeprefix("bad channel ")]
                events = [e for sample, e in told if sample <= line["sample"] and e in FAULTS]
                code = FAULTS[events[-1]]
            else:
                code = WHY[why]
            choice = -1 if line["choice"] is None else line["choice"]
            found.append((line["sample"], choice, code))
    return found


def never_told(numbers: NDArray[Any], delay: int) -> set[int]:
    """Ends of windows whose decision is still worked on where the signal ends or begins anew."""
    after = np.append(np.diff(numbers) > 4, True)
    return {int(n) - k for n in numbers[after] for k in range(delay)}


def agree(
    session: InC, x: NDArray[np.int32], numbers: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every decision of both, and at least some of every kind that there should be."""
    kept = in_python(blocks(microvolts(x), numbers), session.chain, monkeypatch)
    late = never_told(numbers, session.delay)
    expected = [moment for moment in moments(kept) if moment[0] not in late]
    found = [moment for moment, _ in fed(session, x, numbers) if moment[0] not in late]
    assert found == expected
    assert {choice for _, choice, _ in found} == {-1, 0}
    assert {why for *_, why in found} >= {WHY[""], WHY["filling"]}
    again = dataclasses.replace(session)
    noticed: dict[str, list[int]] = {}
    for counts, number in zip(x, numbers, strict=True):
        _, event = again.feed(counts, int(number))
        for name, bit in NOTICED.items():
            if event["noticed"] & bit:
                noticed.setdefault(name, []).append(int(number))
    told: dict[str, list[int]] = {}
    for line in kept.of("event"):
        if line["event"] in NOTICED:
            told.setdefault(line["event"], []).append(line["sample"])
    repeated = noticed.pop("repeated", []), told.pop("repeated", [])
    assert noticed == told
    assert repeated[0][:1] == repeated[1][:1]  # Python tells of many at once


def test_lead_off(in_c: Any) -> None:
    """What the converter says of its electrodes is a fault, and ends with it."""
    session, x = in_c(), noise(600)
    whys = {}
    for number, counts in enumerate(x):
        off = np.array([0b100 if 300 <= number < 310 else 0], np.uint32)
        status, event = session.feed(counts, number, off)
        assert (event["faults"][2] == 6) == (300 <= number < 310)
        if status == 1 and number > 200:
            whys[number] = (event["why"], event["channel"])
    ends = [n - session.delay for n, (why, _) in whys.items() if why == 6]
    assert ends == [n for n in range(219, 600, HOP) if 300 <= n < 310 + SHAPE.n_times - 1]
    assert {channel for why, channel in whys.values() if why == 6} == {2}


def test_settling_is_told(in_c: Any) -> None:
    """After a rail the filter answers to it for a while, and the event says so."""
    session, x = in_c(), noise(700)
    lasting = settling.samples(decoder()[1].filter)
    x[300:310, 2] = RAIL
    told = [session.feed(counts, n)[1]["is_settling"] for n, counts in enumerate(x)]
    assert told == [int(n + 1 < lasting or 302 <= n < 309 + lasting) for n in range(len(x))]


def test_counter_that_wraps(in_c: Any) -> None:
    """32 bits come round without a gap."""
    session, x = in_c(), noise(400)
    noticed = [session.feed(c, 2**32 - 200 + n)[1]["noticed"] for n, c in enumerate(x)]
    assert [n for n, bits in enumerate(noticed) if bits & 15] == [0]


INT16, INT32, INT16_BE, INT24_BE = range(4)


@pytest.mark.parametrize("by_channel", [0, 1])
@pytest.mark.parametrize(
    ("code", "dtype", "skip"),
    [(INT16, "<i2", 0), (INT32, "<i4", 0), (INT16_BE, ">i2", 2), (INT24_BE, ">i4", 3)],
)
def test_buffers_of_dma(in_c: Any, code: int, dtype: str, skip: int, by_channel: int) -> None:
    """As frame by frame, whatever the converter's format; two frames were lost between buffers."""
    x = np.clip(noise(600), -(2**15), 2**15 - 1)
    n = 20
    starts = [k * n + (2 if k >= 20 else 0) for k in range(30)]
    numbers = np.concatenate([np.arange(start, start + n) for start in starts])
    one, expected = in_c(), []
    for counts, number in zip(x, numbers, strict=True):
        status, event = one.feed(counts, int(number))
        if status == 1:
            expected.append((event["choice"], event["why"]))
    two, found, noticed = in_c(), [], 0
    for k, start in enumerate(starts):
        data = buffer(x[k * n : (k + 1) * n], code, dtype, skip, by_channel)
        block = struct.pack("=qiiiixxxx", data.ctypes.data, code, n, by_channel, skip)
        frame, at = np.array([start, 0], np.uint64), ctypes.c_int32(0)
        while True:
            status = two.handle.edge_session_feed_block(
                ctypes.c_void_p(two.state.ctypes.data), ctypes.c_char_p(block),
                ctypes.c_void_p(frame.ctypes.data), ctypes.byref(at),
                ctypes.c_void_p(two.event.ctypes.data),
            )  # fmt: skip
            choice, why, _, bits, _, _ = two.event[:24].view(np.int32).tolist()
            noticed |= bits
            if status != 1:
                break
            found.append((choice, why))
        assert (status, at.value) == (0, n)
    assert found == expected
    assert noticed & 15 == NOTICED["restart"] | NOTICED["interpolated"]
    at.value = n + 1
    assert two.handle.edge_session_feed_block(
        ctypes.c_void_p(two.state.ctypes.data), ctypes.c_char_p(block),
        ctypes.c_void_p(frame.ctypes.data), ctypes.byref(at),
        ctypes.c_void_p(two.event.ctypes.data),
    ) == -1  # fmt: skip


def buffer(
    frames: NDArray[np.int32], code: int, dtype: str, skip: int, by_channel: int
) -> NDArray[np.uint8]:
    """Frames (n, n_inputs) as a converter leaves them, with bytes before each that are none."""
    rows = frames.T if by_channel else frames
    raw = np.ascontiguousarray(rows, dtype).view(np.uint8).reshape(len(rows), -1)
    if code == INT24_BE:
        raw = raw.reshape(len(rows), -1, 4)[:, :, 1:].reshape(len(rows), -1)
    status = np.full((len(rows), skip), 0xC0, np.uint8)
    return np.ascontiguousarray(np.concatenate([status, raw], axis=1)).ravel()


def test_null(in_c: Any) -> None:
    """An error."""
    session = in_c()
    at = [a.ctypes.data for a in (session.state, noise(1), np.zeros(2, np.uint64), session.event)]
    for i in range(4):
        given = [None if k == i else ctypes.c_void_p(a) for k, a in enumerate(at)]
        assert session.handle.edge_session_feed(*given) == -1


def test_any_logits(tmp_path: Path) -> None:
    """20,000 rows of logits: the integer decider's every choice and mean is the float one's."""
    files = dict(kernel_files())
    toolchain.write({**files, "decide.c": DECIDE}, tmp_path)
    flags = ["-std=c99", *toolchain.WARNINGS, "-O1", "-shared", "-fPIC", "decide.c", "-o", "d.so"]
    toolchain.compile_c(toolchain.host_compiler(), flags, cwd=tmp_path)
    handle = ctypes.CDLL(str(tmp_path / "d.so"))
    rng = np.random.default_rng(0)
    for scale in (1e-4, 3e-3, 0.1):
        from firmware_bridge.stream.session import powers

        spread = min(1.5 / scale, 9_000)
        rows = np.clip(rng.normal(0, spread, (20_000, 4)), -32768, 32767).astype(np.int16)
        rows[::97] = rows[::97, :1]  # all equal
        decider = Decider(RULE)
        expected = [decider.push((scale * row).astype(np.float64)) for row in rows]
        table = powers(scale)
        choices = np.zeros(len(rows), np.int32)
        means = np.zeros((len(rows), 4), np.uint32)
        addresses = (rows, table, choices, means)
        limits = [round(share * 2**30) for share in (RULE.threshold, RULE.release)]
        handle.decide(len(rows), *limits, *(ctypes.c_void_p(a.ctypes.data) for a in addresses))
        smoothed = np.stack([d.smoothed for d in expected if d.smoothed is not None])
        assert np.abs(means / 2.0**30 - smoothed).max() < 1e-8
        there = [-1 if d.choice is None else d.choice for d in expected]
        np.testing.assert_array_equal(choices, there)
        assert set(there) == {-1, 0, 1, 2, 3}, scale


DECIDE = """
#include "edge_decide.h"
void decide(int32_t n, uint32_t threshold, uint32_t release, const int16_t *rows,
            const uint32_t *powers, int32_t *choices, uint32_t *means);
void decide(int32_t n, uint32_t threshold, uint32_t release, const int16_t *rows,
            const uint32_t *powers, int32_t *choices, uint32_t *means)
{
    static uint32_t recent[2 * 4];
    edge_decider d;
    edge_decider_forget(&d);
    for (int32_t i = 0; i < n; i++) {
        edge_probabilities(rows + 4 * i, 4, powers, recent + 4 * d.next);
        edge_decider_push(&d, recent, 2, 4, threshold, release, means + 4 * i);
        choices[i] = d.choice;
    }
}
"""


def kernel_files() -> Any:
    """What the decider is compiled from."""
    from importlib import resources

    folder = resources.files("firmware_bridge") / "kernels"
    return {name: (folder / name).read_text() for name in ("edge_port.h", "edge_decide.h")}


def test_hop_within_a_bridged_gap() -> None:
    """Refused with what to type."""
    graph, contract = decoder()
    chain = signal_chain.generate(contract, "edge", "fixed")
    stream = generate_stream(graph, HOP)
    rules = dataclasses.replace(rules_of(contract, SETTINGS), max_gap=10)
    with pytest.raises(IncompatibleError) as caught:
        generate_session(graph, contract, chain, stream, rules)
    assert str(caught.value) == (
        "No decisions in C for this contract: 10 lost frames are bridged at once and a decision is "
        "due every 10, so two could fall on one frame. Type --hop 11 or more."
    )
