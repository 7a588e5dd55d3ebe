# SPDX-License-Identifier: BSD-3-Clause
"""Completeness: files == names == checkpoints == tests == docs; nothing exists on paper only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.tools.pages import every_page
from edge import registry
from edge.checkpoint import find as checkpoints
from edge.cli import commands
from tests.conftest import ROOT

MODES = registry.names(registry.MODES)
TARGETS = registry.names(registry.TARGETS)


@pytest.mark.parametrize("mode", MODES)
def test_mode_is_complete(mode: str) -> None:
    """A mode has its deploy form, hazards in words, a checkpoint and a test file."""
    module = registry.load(registry.MODES, mode, "--mode")
    assert module.HAZARDS
    assert callable(module.deploy)
    assert callable(module.limits)
    assert (checkpoints.ZOO / mode / "model.safetensors").exists()
    assert (ROOT / "tests/edge/families/attentionbasenet/gates" / f"test_{mode}.py").exists()


@pytest.mark.parametrize("mode", MODES)
def test_no_mode_names_a_target(mode: str) -> None:
    """What a runtime can do stands in that runtime's file."""
    words = set(
        re.findall(
            r"[a-z0-9]+",
            (ROOT / "edge/families/attentionbasenet/gates" / f"{mode}.py").read_text().lower(),
        )
    )
    assert not words & {"executorch", "litert", "onnx", "onnxruntime", "tflite", "tflm", "xnnpack"}


@pytest.mark.parametrize("target", TARGETS)
def test_target_is_complete(target: str) -> None:
    """A target has the interface of ``targets/base.py``, its own name as a runtime, a test."""
    module = registry.load(registry.TARGETS, target, "--targets")
    assert next(iter(module.RUNTIMES)) == target
    assert isinstance(module.EXACT, bool)
    assert module.PRECISIONS
    assert callable(module.write)
    assert all(row.int8 or row.why for row in module.ABILITIES.values())
    assert (ROOT / "tests/edge/targets" / f"test_{target}.py").exists()


@pytest.mark.parametrize("name", registry.names(registry.FAMILIES))
def test_family_is_complete(name: str) -> None:
    """A family says what it serves, and is documented and tested."""
    family = registry.load(registry.FAMILIES, name, "--model").FAMILY
    assert family.marks
    tests = ROOT / "tests/edge/families"
    assert (tests / name).is_dir() or (tests / f"test_{name}.py").exists()
    assert family.title in (ROOT / "docs/reference/checkpoints.md").read_text()


def test_one_checkpoint_a_network() -> None:
    """The zoo holds one checkpoint of every network, trained on simulated data."""
    names = sorted(path.name for path in checkpoints.ZOO.iterdir() if path.is_dir())
    assert names == sorted(registry.networks())


def test_every_init_is_empty() -> None:
    """Importing a package imports nothing, so that the command line starts fast.

    edge's own offers the Python API, lazily.
    """
    packages = ("edge", "quantize", "firmware_bridge", "benchmarks")
    found = [path for package in packages for path in (ROOT / package).rglob("__init__.py")]
    assert len(found) >= 7
    assert [path for path in found if path.read_text().strip()] == [ROOT / "edge" / "__init__.py"]


def test_every_command_is_documented() -> None:
    """README or docs show every command, and every command has an example."""
    pages = every_page()
    shown = "".join(p.read_text() for p in pages if p.name != "commands.md")
    for name, command in commands().items():
        assert f"edge {name}" in shown, name
        assert command.epilog, name
        assert command.epilog.startswith("Example: edge "), name


def test_modules_stay_small() -> None:
    """No module of ours outgrows 400 lines."""
    for package in ("edge", "quantize", "firmware_bridge", "benchmarks"):
        for path in Path(ROOT / package).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 400, path
