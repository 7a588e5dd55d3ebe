# SPDX-License-Identifier: BSD-3-Clause
"""`edge export --outputs logits,features`: what the head reads, out of every runtime."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

import edge
from edge import registry
from edge.bundle import read as bundle
from edge.cli import cli
from edge.errors import IncompatibleError
from edge.families import base as lower
from edge.spec import BRAINDECODE, ModelSpec, Precision
from edge.stream import streamer as streaming
from edge.targets import base as target
from edge.targets.base import Lowered, Sources
from edge.targets.runtimes import tflm
from firmware_bridge.emit.generate import generate
from firmware_bridge.stream.generate import generate_stream
from quantize import pipeline
from quantize.graph import files as graph_files
from quantize.graph import outputs, reference
from quantize.pt2e import ptq
from quantize.pt2e.extract import extract
from quantize.recipe import Recipe
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("se", 3, 300, 2, SMALL)
N_CHANNELS, N_TOKENS = 8, 14


@functools.cache
def sources() -> tuple[Sources, NDArray[np.float32], NDArray[np.float32]]:
    """Both graphs of a random network, unseen windows, and braindecode's features of them."""
    module = randomized(SPEC, 1)
    net, x = lower.lower(module, SPEC), windows(SPEC, 20, 7)
    made = pipeline.quantize(net, windows(SPEC, 100), Recipe())
    floats = extract(ptq.trace(net, SPEC.n_chans, SPEC.n_times))
    both = [outputs.give(graph, ["features"]) for graph in (floats, made.graph)]
    with torch.no_grad():
        features = module(torch.from_numpy(x), return_features=True)["features"].numpy()
    return Sources(Lowered(both[0], net), replace(made, graph=both[1])), x, features


def integers() -> NDArray[np.float32]:
    """The reference's features of the int8 graph."""
    made, x, _ = sources()
    graph = made.graph(Precision.INT8)
    return outputs.real(graph, "features", reference.run(graph, x).others["features"])


def test_every_form_has_every_value() -> None:
    """braindecode's, the lowered network's and the graphs' names are the same."""
    net = sources()[0].lowered.net
    assert list(outputs.VALUES) == list(lower.values("head", net))


def test_features_are_what_the_head_reads() -> None:
    """The last linear layer makes braindecode's logits of them, bit for bit."""
    module = randomized(SPEC, 1)
    x = torch.from_numpy(windows(SPEC, 5))
    with torch.no_grad():
        found = module(x, return_features=True)
        assert torch.equal(module.final_layer[1](found["features"]), module(x))
    assert found["cls_token"] is None
    assert found["features"].shape == (5, N_CHANNELS * N_TOKENS)


def test_reference() -> None:
    """The float graph's features are braindecode's, the integers' follow them."""
    made, x, wanted = sources()
    graph = made.lowered.graph
    floats = outputs.real(graph, "features", reference.run(graph, x).others["features"])
    np.testing.assert_allclose(floats, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    noise = np.square(integers() - wanted).sum()
    assert 10 * np.log10(np.square(wanted).sum() / noise) > 25


FILES = [
    (name, precision)
    for name in registry.names(registry.TARGETS)
    for precision in target.load(name).PRECISIONS
    if name != "executorch"  # lowered for every mode in test_modes_on_targets, features too
]


@pytest.mark.parametrize(("name", "precision"), FILES)
def test_targets(name: str, precision: Precision) -> None:
    """Every runtime's features: braindecode's in float, the integers' up to rounding in int8."""
    made, x, wanted = sources()
    chosen = target.load(name)
    graph = made.graph(precision)
    content = chosen.write(made, precision)
    for load in chosen.RUNTIMES.values():
        found = load(content, ("features",)).values(x)
        assert list(found) == ["logits", "features"]
        np.testing.assert_array_equal(load(content)(x), found["logits"])
        if precision == Precision.FLOAT:
            apart = np.abs(found["features"] - wanted).max()
            assert apart < 1e-5 * np.abs(wanted).max()
            continue
        steps = np.abs(found["features"] - integers()) / graph.quant("block_pool").scale
        assert steps.max() < (0.01 if chosen.EXACT else 3.5)
        assert (steps < 1.5).mean() > 0.98


def test_tflm_is_exact() -> None:
    """TensorFlow Lite Micro's second output is the reference's, each integer."""
    pytest.importorskip("tflite_micro")
    made, x, _ = sources()
    found = tflm.build(made).session.values(x[:5])
    np.testing.assert_array_equal(found["features"], integers()[:5])


def test_names_in_the_files() -> None:
    """TFLite's signature and ONNX's outputs call them what the command line does."""
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    made, _, _ = sources()
    data = target.load("tflite").write(made, Precision.INT8)
    signatures = Interpreter(model_content=data).get_signature_list()
    assert signatures == {
        "serving_default": {"inputs": ["input"], "outputs": ["features", "logits"]}
    }
    data = target.load("onnx").write(made, Precision.INT8)
    assert isinstance(data, bytes)
    values = onnx.load_from_string(data).graph.output
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    assert shapes == {"logits": [1, 2], "features": [1, N_CHANNELS, 1, N_TOKENS]}


def test_logits_alone_leave_no_trace() -> None:
    """A graph without others writes what it always wrote."""
    made, _, _ = sources()
    graph = made.graph(Precision.INT8)
    plain = outputs.give(graph, ["logits"])
    assert plain.outputs == {"logits": "logits"}
    assert b"others" not in graph_files.encode(plain)[0]
    assert "features" not in "".join(generate(plain).files.values())


def test_round_trip(tmp_path: Path) -> None:
    """``qgraph.json`` keeps what is given out."""
    made, _, _ = sources()
    graph = made.graph(Precision.INT8)
    graph_files.save(graph, tmp_path / "qgraph")
    loaded = graph_files.load(tmp_path / "qgraph")
    assert loaded.outputs == graph.outputs == {"logits": "logits", "features": "block_pool"}
    assert graph_files.digest(loaded) == graph_files.digest(graph)


def test_output_that_nothing_writes() -> None:
    """A graph names the tensors that it has."""
    made, _, _ = sources()
    with pytest.raises(ValueError, match=r"nothing writes the output 'gate\.gone'"):
        dataclasses.replace(made.lowered.graph, others={"features": "gate.gone"})


def test_any_tensor_survives_in_c() -> None:
    """The C engine fuses nothing away that is given out, and keeps it until the end."""
    from firmware_bridge.host import windowed as host

    made, x, _ = sources()
    graph = made.graph(Precision.INT8)
    tensors = {node.output for node in graph.nodes} - {graph.head.output, graph.output}
    others = {f"v{i}": name for i, name in enumerate(sorted(tensors))}
    all_of_them = dataclasses.replace(graph, others=others)
    wanted = reference.run(all_of_them, x[:2])
    library = host.build(generate(all_of_them), 2, others=tuple(others))
    infer = library.prepared()
    for i, window in enumerate(reference.to_input(graph, x[:2])[:, 0]):
        logits, *values = infer(np.ascontiguousarray(window))
        np.testing.assert_array_equal(logits, wanted.stored[i])
        for name, value in zip(others, values, strict=True):
            np.testing.assert_array_equal(value, wanted.others[name][i, 0], err_msg=others[name])


def test_streaming_refuses() -> None:
    """Neither engine streams more than logits, and says so."""
    made, _, _ = sources()
    graph = made.graph(Precision.INT8)
    text = (
        "{} gives logits only, and this bundle was exported with features too. "
        "Export it again without --outputs."
    )
    with pytest.raises(IncompatibleError) as error:
        streaming.NumpyEngine(graph, 5)
    assert str(error.value) == text.format("Streaming")
    with pytest.raises(IncompatibleError) as error:
        generate_stream(graph, 5)
    assert str(error.value) == text.format("The streaming form")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    """A bundle that gives both."""
    data = {
        "X": windows(SPEC, 200),
        "y": np.arange(200) % 2,
        "session": np.repeat([1, 2], 100),
    }
    return edge.export(
        randomized(SPEC, 1),
        data=data,
        targets=["c", "tflite"],
        outputs=("logits", "features"),
        out=tmp_path_factory.mktemp("outputs") / "both",
        quiet=True,
    )


def test_bundle(made: bundle.Bundle) -> None:
    """Manifest, golden vectors, verification and the Python API know of them."""
    assert made.outputs == ("logits", "features")
    other = made.manifest.others["features"]
    assert other.shape == (N_CHANNELS, N_TOKENS)
    rungs = {entry.rung for entry in other.parity}
    assert {"lowered features", "reference features", "qdq features", "c int8 features"} <= rungs
    checks = edge.verify(made)
    assert {check.rung for check in checks} >= {"float features", "tflite int8 features"}
    golden = made.golden()
    x = golden["x"]
    for name, rung in (("float", BRAINDECODE), ("c", "c int8"), ("reference", "reference")):
        found = edge.run(made, x, target=name, output="features")
        np.testing.assert_array_equal(found, golden[f"features/{rung}"], err_msg=name)
    assert golden["features_int8"].shape == (len(x), N_TOKENS, N_CHANNELS)
    assert edge.run(made, x, target="c").shape == (len(x), 2)


def run(made: bundle.Bundle, folder: Path, names: str, suffix: str) -> tuple[str, Path]:
    """``edge run --outputs``: what it prints and where it writes."""
    np.save(folder / "x.npy", made.golden()["x"])
    out = folder / f"out{suffix}"
    arguments = ["run", made.folder, "--target", "tflite", "--outputs", names]
    arguments += ["--input", folder / "x.npy", "--output", out]
    done = CliRunner().invoke(cli, [str(word) for word in arguments], catch_exceptions=False)
    return done.output, out


def test_command_line(made: bundle.Bundle, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    """One output as ``.npy``, both as ``.npz``."""
    golden = made.golden()
    _, out = run(made, tmp_path, "features", ".npy")
    assert capfd.readouterr().out == f"20 windows, 112 features each: {out}\n"
    np.testing.assert_array_equal(np.load(out), golden["features/tflite int8"])
    _, out = run(made, tmp_path, "logits,features", ".npz")
    assert capfd.readouterr().out == f"20 windows, 2 logits and 112 features each: {out}\n"
    with np.load(out) as both:
        assert {name: values.shape for name, values in both.items()} == {
            "logits": (20, 2),
            "features": (20, N_CHANNELS * N_TOKENS),
        }


def test_streams_of_a_bundle(made: bundle.Bundle) -> None:
    """Every streaming engine refuses in one line."""
    for engine, who in (("reference", "Streaming"), ("float", "Streaming")):
        with pytest.raises(IncompatibleError) as error:
            streaming.open_stream(made, engine, 5)
        assert str(error.value).startswith(f"{who} gives logits only")


def test_firmware(made: bundle.Bundle, tmp_path: Path) -> None:
    """Features from the windowed form; why there is no streaming form is in its README."""
    out = tmp_path / "f"
    arguments = ["firmware", made.folder, "--device", "rp2350", "--out", out]
    CliRunner().invoke(cli, [str(word) for word in arguments], catch_exceptions=False)
    assert "const int8_t *edge_features(const edge_t *m);" in (out / "edge.h").read_text()
    assert not (out / "edge_stream.h").exists()
    assert "The streaming form gives logits only" in (out / "README.md").read_text()
    refused = CliRunner().invoke(cli, [*map(str, arguments), "--engine", "executorch"])
    assert str(refused.exception) == (
        "--engine executorch gives logits only, and this bundle was exported with features too. "
        "Export it again without --outputs."
    )
