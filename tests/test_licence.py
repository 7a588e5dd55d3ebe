# SPDX-License-Identifier: BSD-3-Clause
"""Every source says its licence, and so does every file of code that the tool writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from firmware_bridge.rendering import render
from tests.conftest import ROOT, Edge

LICENCE_OF_MODEL = render("licence.h")
IDENTIFIER = "SPDX-License-Identifier: BSD-3-Clause"
CODE = {
    ".c", ".cc", ".cff", ".cmake", ".css", ".h", ".html", ".j2", ".js", ".ld", ".py", ".sh",
    ".toml", ".yaml", ".yml",
}  # fmt: skip
NAMED = {"Makefile", "run", "constraints.txt", "requirements.txt", "sizes.txt", "slow.txt"}
KEPT = ROOT / "tests" / "golden"
"""What an earlier state of the tool wrote is not changed."""
GENERATED = {".c", ".cc", ".h", ".cmake", ".txt"}
FIRST_LINES = 3
LINKED = {
    "c": (),
    "tflm": (
        "TensorFlow Lite Micro, Apache-2.0",
        "FlatBuffers and gemmlowp",
        "CMSIS-NN, Apache-2.0",
    ),
    "executorch": ("ExecuTorch, BSD-3-Clause", "flatcc", "CMSIS-NN, Apache-2.0"),
}
"""What other people's code a firmware is linked with, by engine."""


def sources() -> list[Path]:
    """Files of code that git knows, or would, apart from the empty ones."""
    command = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return [
        file
        for file in files
        if (file.suffix in CODE or file.name in NAMED)
        and KEPT not in file.parents
        and file.is_file()
        and file.stat().st_size
    ]


def states_its_licence(file: Path) -> bool:
    """Whether one of the first lines has the identifier."""
    return any(IDENTIFIER in line for line in file.read_text().splitlines()[:FIRST_LINES])


def test_every_source_states_its_licence() -> None:
    """Python, C, templates, linker scripts, shell, TOML, style sheets and scripts."""
    files = sources()
    assert {file.suffix for file in files} >= {".py", ".h", ".j2", ".toml", ".sh", ".css", ".js"}
    missing = [str(file.relative_to(ROOT)) for file in files if not states_its_licence(file)]
    assert missing == []


def test_an_example_contract_is_the_user_s(edge: Edge) -> None:
    """What a user makes of the printed contract carries no licence of ours."""
    shown = edge("train", "--example-contract").stdout
    assert shown.startswith("# A signal contract")
    assert IDENTIFIER not in shown


@pytest.fixture(scope="module")
def kept() -> Path:
    """A small bundle that is here already."""
    return KEPT / "bundle-v2"


@pytest.mark.parametrize("engine", ["c", "tflm", "executorch"])
def test_firmware_states_its_licence(engine: str, kept: Path, edge: Edge, tmp_path: Path) -> None:
    """Every file of code; those with the model's numbers say whose these are; the README too."""
    out = tmp_path / "firmware"
    done = edge("firmware", kept, "--device", "nrf5340", "--engine", engine, "--out", out)
    assert done.returncode == 0, done.stderr
    files = [file for file in out.rglob("*") if file.suffix in GENERATED]
    assert len(files) >= 3
    assert [file.name for file in files if not states_its_licence(file)] == []
    holding = {"c": "edge.c", "tflm": "edge_model.cc", "executorch": "edge_program.cc"}[engine]
    for name in (holding, "edge_golden.h"):
        if (out / name).exists():
            assert (out / name).read_text().startswith(LICENCE_OF_MODEL), name
    assert (out / holding).exists()
    assert "## Licence" in (out / "README.md").read_text()
    notice = (out / "NOTICE.txt").read_text()
    assert notice.endswith((ROOT / "LICENSE").read_text())
    assert [one for one in LINKED[engine] if f"   - {one}" not in notice] == []
    assert notice.count("   - ") == len(LINKED[engine])


def test_a_notice_says_what_the_project_s_does() -> None:
    """Everything that an engine's firmware is linked with is in NOTICE too."""
    ours = (ROOT / "NOTICE").read_text()
    for one in {name for names in LINKED.values() for name in names}:
        assert one.split(",")[0].split(" ")[0] in ours


def test_signal_chain_states_its_licence(kept: Path, edge: Edge, tmp_path: Path) -> None:
    """``edge signal`` writes code only."""
    out = tmp_path / "chain"
    done = edge("signal", kept, "--uv-per-count", "0.02", "--out", out)
    assert done.returncode == 0, done.stderr
    files = list(out.iterdir())
    assert len(files) >= 3
    assert [file.name for file in files if not states_its_licence(file)] == []


@pytest.mark.slow
def test_a_bundle_s_c_states_its_licence(eca_bundle: Path) -> None:
    """The C that ``edge export`` writes, kernels included."""
    files = list((eca_bundle / "c").iterdir())
    assert len(files) > 10
    assert [file.name for file in files if not states_its_licence(file)] == []
    assert (eca_bundle / "c" / "edge.c").read_text().startswith(LICENCE_OF_MODEL)
