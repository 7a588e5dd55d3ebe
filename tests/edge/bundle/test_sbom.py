# SPDX-License-Identifier: BSD-3-Clause
"""What ``edge sbom`` writes, held to CycloneDX's own schema."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from edge.bundle import read, sbom
from quantize import plain
from tests.conftest import ROOT, Edge

KEPT = ROOT / "tests" / "golden" / "bundle-v2"


def wrong(document: dict[str, Any]) -> str:
    """What the official schema has against a document; empty where nothing."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(plain.to_json(document))
    return "" if found is None else str(found)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Of a bundle that is here."""
    return sbom.document(read.read(KEPT))


def test_the_official_schema_has_nothing_against_it(document: dict[str, Any]) -> None:
    """And does have something against a card that is wrong, so that it is really looked at."""
    assert wrong(document) == ""
    card = document["metadata"]["component"]["modelCard"]
    for key, value in (("modelParameters", {"approach": {"type": "guessing"}}), ("mood", "good")):
        model = document["metadata"]["component"] | {"modelCard": card | {key: value}}
        bad = document | {"metadata": document["metadata"] | {"component": model}}
        assert wrong(bad) != ""


def test_every_file_is_listed_with_its_hash(document: dict[str, Any]) -> None:
    """The files of the bundle, the manifest too, and the packages that made it."""
    listed = {
        one["name"]: one["hashes"][0]["content"]
        for one in document["components"]
        if one["type"] == "file"
    }
    there = {
        str(path.relative_to(KEPT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in KEPT.rglob("*")
        if path.is_file()
    }
    assert listed == there
    versions = json.loads((KEPT / "manifest.json").read_text())["versions"]
    tools = {one["name"]: one["version"] for one in document["metadata"]["tools"]["components"]}
    assert tools == versions
    (root, *parts) = document["dependencies"]
    assert root["dependsOn"] == [part["ref"] for part in parts]


def test_the_card_says_what_was_measured(document: dict[str, Any]) -> None:
    """Every rung's accuracy with its interval, on which data, and that nobody is in it."""
    manifest = json.loads((KEPT / "manifest.json").read_text())
    card = document["metadata"]["component"]["modelCard"]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    shares = [one for one in metrics if one["type"] == "accuracy"]
    for of, metric in zip(manifest["accuracy"], shares, strict=True):
        assert metric["value"] == f"{of['correct']['share']:.4f}"
        assert metric["slice"].startswith(f"{of['rung']}, ")
        assert metric["confidenceInterval"]["lowerBound"] == f"{of['correct']['low']:.4f}"
    agreements = [one for one in metrics if one["type"] == "same decision"]
    assert len(agreements) == len(manifest["parity"])
    limits = card["considerations"]["technicalLimitations"]
    assert ("simulated" in limits[1]) == manifest["data"]["simulated"]


def test_the_same_bundle_gives_the_same_bytes(edge: Edge, tmp_path: Path) -> None:
    """On stdout and in a file; nothing is written into a bundle."""
    copy = tmp_path / "copy"
    shutil.copytree(KEPT, copy)
    shown = edge("sbom", KEPT)
    assert shown.returncode == 0, shown.stderr
    done = edge("sbom", "copy", "--out", "copy.cdx.json", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy.cdx.json").read_text() == shown.stdout.rstrip("\n") + "\n"
    assert json.loads(done.stdout)["serial_number"] == json.loads(shown.stdout)["serialNumber"]
    refused = edge("sbom", "copy", "--out", "copy/bom.json", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "lies in the bundle" in refused.stderr
    nowhere = edge("sbom", "copy", "--out", "no/bom.json", cwd=tmp_path)
    assert nowhere.returncode == 2
    assert "Cannot write --out 'no/bom.json': No such file or directory." in nowhere.stderr


def test_text_of_a_stranger_stays_text(document: dict[str, Any], tmp_path: Path) -> None:
    """Control characters are escaped, as JSON does; versions that are none stay in their place."""
    copy = tmp_path / "b"
    shutil.copytree(KEPT, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["spec"] = manifest["source"] = "µ\x1b[31m<script>"
    manifest["versions"]["torch/../x"] = "1 2?"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    made = sbom.document(read.read(copy))
    assert plain.to_json(made).isascii()
    assert "\x1b" not in plain.to_json(made)
    assert wrong(made) == ""
    assert made["serialNumber"] != document["serialNumber"]
