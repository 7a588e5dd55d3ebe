# SPDX-License-Identifier: BSD-3-Clause
"""The target c: sources in the bundle that give the reference's integers."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import folder as bundle_folder
from edge.bundle import read as bundle
from edge.bundle import run as runner
from edge.spec import Artifact, Precision, Verdict
from edge.targets import c
from firmware_bridge.build import toolchain
from firmware_bridge.host import windowed as host
from quantize import plain as manifest
from tests.sources import of_graphs


def artifact(eca_bundle: Path) -> Artifact:
    """The default export's."""
    return bundle.read(eca_bundle).manifest.artifact("c", None)


def test_artifact_is_a_folder(eca_bundle: Path) -> None:
    """Int8 throughout, its size and hash those of its files, each of them in the manifest."""
    found = artifact(eca_bundle)
    assert (found.file, found.precision, found.verdict) == ("c", Precision.INT8, Verdict.FULL)
    files = sorted((eca_bundle / "c").iterdir())
    joined = b"".join(path.read_bytes() for path in files)
    assert (found.bytes, found.sha256) == (len(joined), hashlib.sha256(joined).hexdigest())
    listed = [n for n in bundle.read(eca_bundle).manifest.files if n.startswith("c/")]
    assert sorted(listed) == [f"c/{path.name}" for path in files]


def test_same_bits_as_the_reference(eca_bundle: Path) -> None:
    """Every held-out logit, which the ladder measured, and the golden ones."""
    made = bundle.read(eca_bundle).manifest
    entry = next(p for p in made.parity if p.rung == "c int8" and p.reference == "reference")
    assert (entry.max_steps, entry.allowed_steps, entry.sqnr_db) == (0, 0, None)
    golden = bundle.read(eca_bundle).golden()
    np.testing.assert_array_equal(golden["logits/c int8"], golden["logits/reference"])


def test_header_says_where_it_comes_from(eca_bundle: Path) -> None:
    """The hash of the bundle's two graph files, and the channels in order."""
    header = (eca_bundle / "c" / "edge.h").read_text()
    graph = b"".join((eca_bundle / f"qgraph.{kind}").read_bytes() for kind in ("json", "npz"))
    assert hashlib.sha256(graph).hexdigest() in header
    channels = bundle.read(eca_bundle).contract().channels
    assert channels is not None
    assert ", ".join(channels[:5]) in header


def test_writing_is_deterministic(eca_bundle: Path) -> None:
    """The bundle's graph and contract give the bundle's sources, byte for byte."""
    opened = bundle.read(eca_bundle)
    graph, channels = opened.graph(), opened.contract().channels
    written = c.write(of_graphs(graph, graph, channels or ()), Precision.INT8)
    assert written == bundle_folder.read_content(eca_bundle / "c")


def only_c(eca_bundle: Path, folder: Path) -> Path:
    """A copy of the bundle with no artifact but its C; hashes are right."""
    copy = folder / "copy"
    shutil.copytree(eca_bundle, copy)
    made = bundle.read(eca_bundle).manifest
    made = dataclasses.replace(made, artifacts=(artifact(eca_bundle),))
    manifest.write(copy / "manifest.json", made)
    return copy


def test_one_step_is_one_too_many(
    eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rounding that other runtimes may do otherwise is an error here."""
    compiled = c.compiled

    def wrong(files: Mapping[str, bytes], others: Sequence[str] = ()) -> host.Library:
        text = files["edge.c"].decode()
        right = "logits[o] = edge_requantize_wide("
        assert right in text
        text = text.replace(right, "logits[o] = 1 + edge_requantize_wide(")
        return compiled({**files, "edge.c": text.encode()}, others)

    monkeypatch.setattr(c, "compiled", wrong)
    *_, check = runner.verify(only_c(eca_bundle, tmp_path))
    assert (check.rung, check.max_steps) == ("c int8", 1)
    assert check.problem == "c int8 against golden vectors: a logit is 1 steps off, 0 are allowed"


def test_without_a_compiler(
    eca_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sources are skipped, with the line that installs one."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(toolchain, "has_zig", lambda: False)
    host._loaded.cache_clear()  # what another test has compiled
    *_, check = runner.verify(only_c(eca_bundle, tmp_path))
    assert check.skipped == (
        "Compiling C needs a compiler, and neither gcc nor clang nor pip's zig is installed. "
        "Type: pip install ziglang"
    )
