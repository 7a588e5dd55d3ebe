# SPDX-License-Identifier: BSD-3-Clause
"""`make peers`: what is counted, what is named, what the documentation shows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measure import constants, entrants, tool
from benchmarks.studies import modes, pages, weights
from benchmarks.studies.peers import __main__ as command
from benchmarks.studies.peers import exports, install, litert, markdown, measure
from benchmarks.studies.peers.exports import Made, Work
from edge import registry
from edge.bundle import read as bundle
from quantize import own_code
from quantize.graph.qgraph import Conv


def test_the_notes_show_the_results() -> None:
    """Generated: `make peers` writes both."""
    text = command.PAGE.read_text()
    part = command.sections(command.read())
    assert part in text
    assert pages.spliced(text, "make peers", part) == text


def test_the_notes_show_weights_and_constants() -> None:
    """int8 is at most 0.35 of float in every mode on every runtime, but for cbam's tables in C."""
    found = weights.read()
    assert tuple(found) == registry.names(registry.MODES)
    missed = [(mode, e.target) for mode, row in found.items() for e in row if not e.met]
    assert missed == [("cbam", "c")]
    assert [entry.target for entry in found["eca"]] == list(measure.OURS)
    text = weights.PAGE.read_text()
    assert pages.spliced(text, weights.COMMAND, weights.table(found)) == text


def test_constants_are_those_of_the_graph(eca_bundle: Path) -> None:
    """Weights and biases, counted from each file, are what the integer graph holds."""
    opened = bundle.read(eca_bundle)
    graph = opened.graph()
    convs = [node.output for node in graph.nodes if isinstance(node, Conv)]
    n_weights = sum(graph.constants[f"{name}.weight"].size for name in convs)
    n_biases = sum(graph.constants[f"{name}.bias"].size for name in convs)
    found = {e.name: constants.count(e.target, e.path) for e in entrants.ours(opened, ())}
    integers, floats = n_weights + 4 * n_biases, 4 * (n_weights + n_biases)
    shapes = 16
    assert found["onnx int8"].weights == integers + shapes
    assert found["onnx float"].weights == floats + shapes
    assert found["executorch float"].weights <= floats  # what is equal is stored once
    assert integers - 320 < found["executorch int8"].weights <= integers  # equal zeros too
    tables = 4 * 256
    assert 0 <= found["c int8"].weights - integers - tables <= shapes
    pools = found["tflite int8"].weights - integers
    assert 700 < pools < 1200
    assert all(entry.quantization == 0 for name, entry in found.items() if "float" in name)


def test_what_is_stale_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours when our code has changed, everything when what makes the others has."""
    (tmp_path / "model.safetensors").touch()
    folder = tmp_path / "work"
    files = (folder / exports.OURS / "manifest.json", folder / "stock.file")

    def kept(again: bool = False) -> list[bool]:
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        exports._forget(folder, tmp_path, again)
        return [file.exists() for file in files]

    assert kept() == [False, False]  # nobody knows what made them
    assert kept() == [True, True]
    assert kept(again=True) == [False, True]
    monkeypatch.setattr(tool, "key", lambda: "our code has changed")
    assert kept() == [False, True]
    assert kept() == [True, True]
    monkeypatch.setattr(tool, "sha256", lambda *_: "theirs has")
    assert kept() == [False, False]


def test_code_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any change of a file of ours, or a new one, gives another; what is compiled or said not."""
    monkeypatch.setattr(own_code, "ROOT", tmp_path)
    for package in tool.MAKERS:
        (tmp_path / package).mkdir()

    def name() -> str:
        own_code.sha256.cache_clear()
        return tool.sha256()

    names = [name()]
    for path, text in (("edge/a.py", "1"), ("edge/a.py", "2"), ("quantize/a.py", "2")):
        (tmp_path / path).write_text(text)
        names.append(name())
    assert len(set(names)) == 4
    (tmp_path / "edge" / "README.md").touch()
    assert name() == names[-1]
    own_code.sha256.cache_clear()
    work = modes.made_by(tmp_path / "work")
    (tmp_path / "edge" / "a.py").write_text("3")
    own_code.sha256.cache_clear()
    assert modes.made_by(tmp_path / "work") != work
    own_code.sha256.cache_clear()


def test_an_export_that_fails_is_named(tmp_path: Path) -> None:
    """With the error that its tool gave; litert-torch is not installed beside ours."""
    windows = tmp_path / "windows.npy"
    np.save(windows, np.zeros((1, 4, 300), np.float32))
    script = [sys.executable, litert.__file__, "module.pt2", str(windows), "float", "out"]
    assert exports.run(script).error == "ModuleNotFoundError: No module named 'litert_torch'"
    two = "raise RuntimeError('one,\\n  two')"
    assert exports.run([sys.executable, "-c", two]).error == "RuntimeError: one, two"
    absent = [str(tmp_path / "bin" / "python"), *script[1:]]
    assert exports.run(absent) == Made(0.0, "not installed; type: make peers")


def test_a_file_that_does_not_load_is_named(eca_bundle: Path, tmp_path: Path) -> None:
    """And the others are measured."""
    opened = bundle.read(eca_bundle)
    (good, _) = entrants.ours(opened, ("tflite",))
    bad = entrants.Entrant("stock-litert", "float", tmp_path / "model.tflite")
    bad.path.write_bytes(good.path.read_bytes()[:1000])
    window = opened.contract().scale(opened.golden()["x"][:1])
    failures: dict[str, str] = {}
    sessions = measure._open(Work(opened, window, (good, bad), {}), failures)
    assert set(sessions) == {"tflite float"}
    assert list(failures) == ["stock-litert float"]
    assert failures["stock-litert float"].startswith("ValueError: ")


def test_bars() -> None:
    """The fastest of ours against the fastest of theirs, round by round."""
    one = {
        "tflite float": [10.0] * 3,
        "tflite int8": [20.0] * 3,
        "stock-litert float": [30.0] * 3,
        "onnx float": [50.0] * 3,
        "stock-onnx float": [40.0] * 3,
    }
    found = measure.bars([one] * 12)
    assert [(bar.runtime, bar.ours, bar.peer, bar.ratio, bar.met) for bar in found] == [
        ("ONNX Runtime", "onnx float", "stock-onnx float", 0.8, False),
        ("LiteRT", "tflite float", "stock-litert float", 3.0, True),
        ("any", "tflite float", "stock-litert float", 3.0, True),
    ]


def test_what_is_missed_and_what_failed_is_shown() -> None:
    """In the tables, each in its row."""
    measured = command.read()["eca"]
    changed = measure.Measured(**{**vars(measured), "failures": {"stock-litert int8": "Oh: no"}})
    assert "| litert-torch, ai-edge-quantizer, int8 | Oh: no |" in markdown.table("eca", changed)
    slower = tuple(measure.Bar(**{**vars(b), "ratio": 0.5, "low": 0.4}) for b in measured.bars)
    changed = measure.Measured(**{**vars(measured), "bars": slower})
    assert markdown.bars({"eca": changed}).count("**0.5 MISSED**") == len(measured.bars)


def test_installed_size_is_that_of_what_is_required(tmp_path: Path) -> None:
    """Each distribution once, extras only where they are asked for, what is not here left out."""
    for name, requires in (
        ("top", ["middle[more]", "gone"]),
        ("middle", ["Base_Part", 'extra-part; extra == "more"', 'other; extra == "else"']),
        ("base-part", ["middle"]),
        ("extra-part", []),
        ("other", []),
    ):
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        lines = [f"Requires-Dist: {text}" for text in requires]
        lines += ["Provides-Extra: more", "Provides-Extra: else"]
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(head + "\n".join(lines) + "\n")
        (tmp_path / f"{name}.py").write_bytes(b"x" * 10)
        (info / "RECORD").write_text(f"{name}.py,,\n")
    assert install.size(("top",), str(tmp_path)) == 40
    assert install.size(("middle",), str(tmp_path)) == 20


def test_every_row_has_its_install() -> None:
    """What runs it and what makes it are known."""
    targets = {
        name.removeprefix("stock-") for own in measure.RUNTIMES.values() for name in sum(own, ())
    }
    assert set(install.RUN) == targets
    assert install.to_run("c") == 0 < install.to_run("onnx")
