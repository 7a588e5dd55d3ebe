# SPDX-License-Identifier: BSD-3-Clause
"""The decoder in WebAssembly gives the reference's integers in Node, with and without SIMD128."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_bridge.build import wasm
from firmware_bridge.emit.generate import generate
from firmware_bridge.host import signal as signal_host
from firmware_bridge.signal import chain
from firmware_bridge.signal.contract import Filter, Scaling, SignalContract
from firmware_bridge.stream.generate import generate_stream
from quantize.graph import reference
from quantize.graph.qgraph import QGraph
from tests.synthetic import Shape, network, windowed

pytest.importorskip("ziglang", reason="pip install '.[firmware]'")

SHAPE = Shape(22, 1000, 40, 25, 75, 15, 16, 15, 8, 4)
"""That of the shipped networks."""
HOP, N_DECISIONS = 15, 40
SCRIPT = """
import { readFileSync, writeFileSync } from "node:fs";
import { load } from "./index.js";
const read = (name, Kind) => {
  const bytes = readFileSync(name);
  return new Kind(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};
for (const simd of [false, true]) {
  const decoder = await load({ simd });
  const x = read("signal.bin", Int8Array), counts = read("counts.bin", Int32Array);
  const n = decoder.nChans, size = n * decoder.nTimes;
  const found = { infer: [], push: [], again: [], take: [], messages: [] };
  for (let at = 0; at + size <= x.length; at += n * decoder.hop) {
    found.infer.push([...decoder.infer(x.subarray(at, at + size))]);
  }
  for (const name of ["push", "again"]) {
    decoder.reset();
    for (let at = 0; at < x.length; at += n) {
      const logits = decoder.push(x.subarray(at, at + n));
      if (logits) found[name].push([...logits]);
    }
  }
  decoder.reset();
  for (let at = 0; at < counts.length; at += n) {
    const logits = decoder.take(counts.subarray(at, at + n));
    if (logits) found.take.push([...logits]);
  }
  for (const wrong of [() => decoder.infer(x.subarray(1, 3)), () => decoder.push([])]) {
    try { wrong(); } catch (error) { found.messages.push(error.message); }
  }
  found.values = decoder.values([decoder.output.zeroPoint + 1]);
  writeFileSync(simd ? "simd.json" : "plain.json", JSON.stringify(found));
}
"""


def contract(graph: QGraph) -> SignalContract:
    """A chain that only scales, so that its frames are spread over int8."""
    quant = graph.quant(graph.input)
    n_chans = graph[graph.input].shape[-1]
    return SignalContract(
        channels=tuple(f"E{i}" for i in range(n_chans)),
        reference="as recorded",
        unit="uV",
        sfreq=250.0,
        filter=Filter("none"),
        scaling=Scaling("none"),
        n_times=SHAPE.n_times,
        hop=HOP,
        classes=("a", "b"),
        input_quant=quant,
        uv_per_count=quant.scale / 3,
    )


def signal(graph: QGraph, n: int) -> NDArray[np.int8]:
    """Uniform noise (n, n_chans) with a stretch of either extreme."""
    x = np.random.default_rng(0).integers(-128, 128, (n, graph[graph.input].shape[-1]))
    x[n // 2 : n // 2 + 9], x[-9:] = -128, 127
    return x.astype(np.int8)


def test_same_bits_in_node(tmp_path: Path) -> None:
    """Windows, two streams with a reset between, and counts through the signal chain."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("apt-get install nodejs")
    graph = network(SHAPE)
    made = chain.generate(contract(graph), "edge", "float")
    parts = wasm.Parts(generate(graph), generate_stream(graph, HOP), made)
    files = wasm.package(parts, "decoder", "0.1.0")
    n_samples = SHAPE.n_times + (N_DECISIONS - 1) * HOP
    x = signal(graph, n_samples)
    counts = np.random.default_rng(1).integers(-500, 500, x.shape, np.int32)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "signal.bin").write_bytes(x.tobytes())
    (tmp_path / "counts.bin").write_bytes(counts.tobytes())
    (tmp_path / "run.mjs").write_text(SCRIPT)
    done = subprocess.run(
        [node, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = windowed(graph, HOP, x).stored.tolist()
    frames = signal_host.build(made).frames(counts)
    filtered = windowed(graph, HOP, frames).stored.tolist()
    assert len(expected) == N_DECISIONS
    for name in ("plain", "simd"):
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert found["infer"] == expected, name
        assert found["push"] == expected, name
        assert found["again"] == expected, name
        assert found["take"] == filtered, name
        assert found["messages"] == [
            "a window has 22000 values, but got 2",
            "a frame has 22 values, but got 0",
        ]
    assert sum(map(len, files.values())) <= wasm.LIMIT_BYTES
    assert files["decoder.wasm"] != files["decoder-simd.wasm"]
    assert json.loads(files["package.json"])["files"] == sorted(set(files) - {"package.json"})
    assert "dependencies" not in json.loads(files["package.json"])


def test_without_stream_and_chain() -> None:
    """What a network has not is not exported."""
    parts = wasm.Parts(generate(network(SHAPE)))
    exports = parts.sources["exports.c"]
    assert "EXPORT(infer)" in exports
    for absent in ("EXPORT(push)", "EXPORT(hop)", "EXPORT(filter)", "_stream.h", "_signal.h"):
        assert absent not in exports


def test_the_reference_is_what_it_says() -> None:
    """The windows of the script are the reference's: one by one and all at once."""
    graph = network(SHAPE)
    x = signal(graph, SHAPE.n_times)
    alone = reference.run(graph, reference.dequantize(x.T[None, :, :], graph.quant(graph.input)))
    np.testing.assert_array_equal(alone.stored, windowed(graph, HOP, x).stored)
