# SPDX-License-Identifier: BSD-3-Clause
"""Names in files of strangers are never compiled, whichever command reads them.

The name would leave its C comment by each of the means that C has: the comment's end, a line splice
between its two characters, a trigraph that is a backslash. Behind each stands a function that makes
a file as soon as the library is loaded.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import IncompatibleError
from firmware_bridge.emit.body import Step, steps_text
from firmware_bridge.emit.emitters import emit
from firmware_bridge.emit.generate import generate
from firmware_bridge.plan.operations import schedule
from firmware_bridge.signal.contract_values import MAX_NAME
from quantize.graph import files as qgraph_files
from tests.conftest import ROOT, Edge

KEPT = ROOT / "tests" / "golden" / "bundle-v2"
"""A small bundle: three channels, no gate."""

WAYS = {"end": "*/", "splice": "*\\\n/", "trigraph": "*??/\n/"}


def payload(proof: Path) -> str:
    """A name that, compiled and loaded, writes ``proof``."""
    ways = (
        f"{leave} extern int creat(const char *, unsigned); __attribute__((constructor)) static "
        f'void owned_{way}(void) {{ creat("{proof}", 0600); }} /*'
        for way, leave in WAYS.items()
    )
    return f"Cz{' '.join(ways)}"


def short_payload(proof: Path) -> str:
    """The same in one way, printable and no longer than a name may be."""
    name = (
        "Cz??/*/int creat(const char*,unsigned);"
        f'__attribute__((constructor))void owned_splice(void){{creat("{proof}",384);}}/*'
    )
    assert len(name) <= MAX_NAME
    return name


def rewritten(bundle: Path, folder: Path, name: str, text: str) -> Path:
    """A copy of a bundle with another text in one of its files, and the checksums that fit."""
    copy = folder / "bundle"
    shutil.copytree(bundle, copy)
    (copy / name).write_text(text)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((copy / name).read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return copy


def renamed(document: Any, names: dict[str, str]) -> Any:
    """The same document with tensors called otherwise."""
    if isinstance(document, dict):
        return {key: renamed(value, names) for key, value in document.items()}
    if isinstance(document, list):
        return [renamed(value, names) for value in document]
    return names.get(document, document) if isinstance(document, str) else document


def with_tensor(bundle: Path, folder: Path, name: str) -> Path:
    """A copy whose first pooled tensor is called ``name``."""
    document = json.loads((bundle / "qgraph.json").read_text())
    pool = next(node["output"] for node in document["nodes"] if node["kind"] == "average_pool")
    text = json.dumps(renamed(document, {pool: name}), indent=1, sort_keys=True) + "\n"
    return rewritten(bundle, folder, "qgraph.json", text)


@pytest.mark.parametrize("hostile", [payload, short_payload])
def test_channel_of_an_npz(edge: Edge, tmp_path: Path, hostile: Callable[[Path], str]) -> None:
    """``edge export`` compiles and runs C whose header names the channels.

    A name that no montage has is refused; one that could be one is text in a comment.
    """
    proof = tmp_path / "proof"
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "hostile.npz",
        X=rng.standard_normal((160, 3, 256)).astype(np.float32),
        y=np.arange(160) % 4,
        ch_names=np.array([hostile(proof), "Cz", "C4"]),
        session=np.repeat(["train", "test"], (120, 40)),
    )
    checkpoint = tmp_path / "checkpoint"  # without a contract: the channels are the file's
    checkpoint.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(KEPT / name, checkpoint)
    out = tmp_path / "bundle"
    done = edge(
        *("export", "--checkpoint", checkpoint, "--int8", "--targets", "c", "--out", out),
        *("--data", tmp_path / "hostile.npz", "--holdout", "test"),
    )
    assert not proof.exists()
    if hostile is payload:
        assert_refused(done, out)
        return
    assert done.returncode == 0, done.stderr
    assert_harmless((out / "c" / "edge.h").read_text())


def assert_refused(done: subprocess.CompletedProcess[str], out: Path) -> None:
    """One line says which names are allowed, and nothing is written."""
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"1 ... {MAX_NAME} printable characters are allowed.")
    assert done.returncode in (2, 3)
    assert not out.exists()


def assert_harmless(text: str) -> None:
    """The payload is there, to be read, within one comment."""
    assert "owned_splice" in text
    assert text.count("*/") == text.count("/*")
    assert "\\\n" not in text
    assert "??" not in text


@pytest.mark.parametrize("hostile", [payload, short_payload])
def test_channel_of_a_contract(edge: Edge, tmp_path: Path, hostile: Callable[[Path], str]) -> None:
    """``edge firmware`` writes the channels of ``contract.json`` into C, Markdown and CMake."""
    proof = tmp_path / "proof"
    contract = json.loads((KEPT / "contract.json").read_text())
    contract["channels"][0] = hostile(proof)
    contract["classes"][0] = "<script>x</script> $x$ | [y](z)"
    bundle = rewritten(KEPT, tmp_path, "contract.json", json.dumps(contract))
    out = tmp_path / "firmware"
    done = edge("firmware", bundle, "--device", "nrf5340", "--out", out, "--uv-per-count", 0.1)
    assert not proof.exists()
    if hostile is payload:
        assert_refused(done, out)
        return
    assert done.returncode == 0, done.stderr
    for header in ("edge.h", "edge_stream.h", "edge_signal.h"):
        assert_harmless((out / header).read_text())
    readme = (out / "README.md").read_text()
    assert r"\<script\>x\</script\> \$x\$ \| \[y\](z)" in readme


@pytest.mark.parametrize("command", ["firmware", "verify", "stream"])
def test_tensor_of_a_graph(edge: Edge, tmp_path: Path, command: str) -> None:
    """No command takes a tensor whose name is none, and nothing of it is compiled."""
    proof = tmp_path / "proof"
    bundle = with_tensor(KEPT, tmp_path, payload(proof))
    arguments: dict[str, tuple[object, ...]] = {
        "firmware": (bundle, "--device", "nrf5340", "--out", tmp_path / "firmware"),
        "verify": (bundle,),
        "stream": (bundle, "--source", f"file:{recording(tmp_path)}", "--engine", "c"),
    }
    done = edge(command, *arguments[command])
    assert not proof.exists()
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "firmware").exists()


def recording(folder: Path) -> Path:
    """Five seconds of the contract's channels, in volts."""
    import mne

    contract = json.loads((KEPT / "contract.json").read_text())
    x = np.random.default_rng(0).standard_normal((len(contract["channels"]), 640)) * 1e-5
    info = mne.create_info(contract["channels"], contract["sfreq"], "eeg")
    path = folder / "signal_raw.fif"
    mne.io.RawArray(x, info, verbose="error").save(path, verbose="error")
    return path


def test_generator_escapes_what_no_reader_has_refused() -> None:
    """The escaping does not rely on the judge of graphs: comments and names are safe without it."""
    graph = qgraph_files.load(KEPT / "qgraph")
    old = next(node.output for node in graph.nodes if node.kind == "average_pool")
    new = payload(Path("proof"))
    graph = replace(
        graph,
        tensors=tuple(replace(t, name=new) if t.name == old else t for t in graph.tensors),
        nodes=tuple(
            replace(n, output=new)
            if n.output == old
            else replace(n, input=new)
            if n.input == old
            else n
            for n in graph.nodes
        ),
    )
    with pytest.raises(IncompatibleError):
        generate(graph)
    steps = [Step(op, emit(graph, op, "edge")) for op in schedule(graph)[:3]]
    text = "\n".join(
        [
            *steps_text(steps),
            *(constant.text() for step in steps for constant in step.emission.constants),
        ]
    )
    assert_harmless(text)
