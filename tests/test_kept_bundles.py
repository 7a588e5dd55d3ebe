# SPDX-License-Identifier: BSD-3-Clause
"""Bundles that an earlier state of the tool wrote are still read: docs/reference/compatibility.md.

``tests/golden/bundle-vN`` was written once, by the code that introduced schema version N, and is
never written again.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from edge.bundle.types import Manifest
from edge.errors import ExitCode
from tests.conftest import ROOT, Edge

GOLDEN = ROOT / "tests" / "golden"
KEPT = sorted(GOLDEN.glob("bundle-v*"))
POLICY = ROOT / "docs" / "reference" / "compatibility.md"
MAX_BYTES = 400_000


def accepted() -> list[int]:
    """The schema versions that the policy's table says this release reads."""
    rows = re.findall(r"^\| (\d+) \|[^|]+\| ([^|]+) \|", POLICY.read_text(), re.M)
    return [int(version) for version, readers in rows if readers != "no release"]


def test_every_version_that_is_accepted_is_kept() -> None:
    """The policy's table, the kept folders and what they say of themselves agree."""
    assert [int(folder.name.removeprefix("bundle-v")) for folder in KEPT] == accepted()
    for folder in KEPT:
        for name in ("manifest.json", "qgraph.json"):
            document = json.loads((folder / name).read_text())
            assert f"bundle-v{document['schema_version']}" == folder.name, name
        assert sum(file.stat().st_size for file in folder.iterdir()) < MAX_BYTES


def test_what_is_written_now_is_accepted() -> None:
    """A release that raises the schema version keeps a bundle of it, and a row in the table."""
    assert Manifest.SCHEMA_VERSION in accepted()


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_a_kept_bundle_verifies(folder: Path, edge: Edge) -> None:
    """Every runnable of a bundle of that day gives its golden vectors today."""
    done = edge("verify", folder, "--json")
    assert done.returncode == ExitCode.DONE, done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert {check["rung"] for check in checks} >= {
        "reference",
        "float",
        "tflite int8",
        "onnx int8",
        "executorch int8",
    }
    assert not [check for check in checks if check["skipped"] or check["problem"]]


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_a_kept_bundle_becomes_firmware(folder: Path, edge: Edge, tmp_path: Path) -> None:
    """C is generated from the graph that the bundle holds."""
    done = edge("firmware", folder, "--device", "nrf52840", "--out", tmp_path / "firmware")
    assert done.returncode == ExitCode.DONE, done.stderr
    assert (tmp_path / "firmware" / "edge.c").is_file()


def test_a_version_that_is_not_read_is_refused(edge: Edge, tmp_path: Path) -> None:
    """Newer than the tool: both versions in one line, nothing is changed."""
    folder = tmp_path / "newer"
    shutil.copytree(KEPT[-1], folder)
    manifest = folder / "manifest.json"
    document = json.loads(manifest.read_text()) | {"schema_version": 99}
    manifest.write_text(json.dumps(document))
    done = edge("verify", folder)
    assert done.returncode == ExitCode.INCOMPATIBLE
    (line,) = done.stderr.splitlines()
    assert "schema_version 99" in line
    assert str(accepted()[-1]) in line
