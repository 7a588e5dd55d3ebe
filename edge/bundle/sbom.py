# SPDX-License-Identifier: BSD-3-Clause
"""Write what a bundle consists of as CycloneDX 1.6: a software bill of materials with a model card.

Everything in it is read from the bundle, so that the same bundle gives the same bytes: no date, and
a serial number that follows from the manifest. cyclonedx-python-lib has no model card; this module
writes plain data, and the tests hold it to the official schema.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from edge import registry
from edge.bundle.read import Bundle
from edge.bundle.types import MANIFEST, Manifest
from edge.spec import Accuracy
from firmware_bridge.signal.contract import SignalContract
from quantize import plain, reading

SPEC_VERSION = "1.6"
PROJECT = "eeg-edge"
MODEL, ENGINE = "model", "c-engine"
"""References between the parts of a document."""
LICENCE = [{"license": {"id": "BSD-3-Clause"}}]
NOT_MEDICAL = {
    "name": "Neither the network nor the software around it is a medical device.",
    "mitigationStrategy": "Do not let anybody's safety depend on a decision.",
}


def document(opened: Bundle) -> dict[str, Any]:
    """Return the bill of materials of a bundle as plain data."""
    manifest = opened.manifest
    digest = reading.sha256(opened.folder / MANIFEST)
    files = [_file(name, sha256) for name, sha256 in sorted(manifest.files.items())]
    engine = [_engine(manifest)] if any(a.target == "c" for a in manifest.artifacts) else []
    parts = [_file(MANIFEST, digest), *files, *engine]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'sha256:{digest}')}",
        "version": 1,
        "metadata": {
            "component": _model(manifest, opened.contract()),
            "tools": {"components": [*_tools(manifest)]},
        },
        "components": parts,
        "dependencies": [
            {"ref": MODEL, "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }


def _file(name: str, sha256: str) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": sha256}]
    return {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": hashes}


def _engine(manifest: Manifest) -> dict[str, Any]:
    """The code of ours that the bundle's C consists of beside the model's numbers."""
    return {
        "type": "library",
        "bom-ref": ENGINE,
        "name": f"{PROJECT} C kernels and generated code",
        "version": manifest.versions.get(PROJECT, "unknown"),
        "licenses": LICENCE,
    }


def _tools(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """What made the bundle: this project, and the packages that it ran on."""
    for name, version in sorted(manifest.versions.items(), key=lambda one: one[0] != PROJECT):
        ours = {"type": "application", "licenses": LICENCE} if name == PROJECT else {}
        purl = f"pkg:pypi/{quote(name.lower(), safe='')}@{quote(version, safe='')}"
        yield {"type": "library", "name": name, "version": version, "purl": purl, **ours}


def _model(manifest: Manifest, contract: SignalContract) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": registry.full_name(manifest.model.mode),
        "description": f"From {manifest.source}. Whether its weights may be shipped depends on the "
        f"data and the checkpoint that they were made from, which no file of the bundle says.",
        "modelCard": {
            "modelParameters": _parameters(manifest, contract),
            "quantitativeAnalysis": {"performanceMetrics": [*_metrics(manifest)]},
            "considerations": {
                "useCases": [f"Tell {', '.join(contract.classes)} apart in windows of EEG."],
                "technicalLimitations": [*_limitations(manifest, contract)],
                "performanceTradeoffs": [*_tradeoffs(manifest)],
                "ethicalConsiderations": [NOT_MEDICAL],
            },
        },
        "properties": [
            {"name": f"{PROJECT}:argument:{key}", "value": plain.to_json(value).strip()}
            for key, value in sorted(manifest.model.arguments.items())
        ],
    }


def _parameters(manifest: Manifest, contract: SignalContract) -> dict[str, Any]:
    model, data = manifest.model, manifest.data
    about = {
        "simulated": str(data.simulated).lower(),
        "split": data.split,
        "calibration windows": str(data.n_calibration),
        "held-out windows": str(data.n_held_out),
    }
    rate = "an unknown rate" if contract.sfreq is None else f"{contract.sfreq:g} Hz"
    window = f"window ({model.n_chans} channels, {model.n_times} samples)"
    return {
        "approach": {"type": "supervised"},
        "task": "classification",
        "architectureFamily": "convolutional neural network",
        "modelArchitecture": f"braindecode {registry.full_name(model.mode)}",
        "datasets": [
            {
                "type": "dataset",
                "name": data.spec,
                "contents": {
                    "properties": [{"name": name, "value": text} for name, text in about.items()]
                },
            }
        ],
        "inputs": [
            {"format": f"{window} at {rate} in {contract.unit}, made as contract.json says"}
        ],
        "outputs": [{"format": f"{model.n_outputs} logits: {', '.join(contract.classes)}"}],
    }


def _metrics(manifest: Manifest) -> Iterator[dict[str, Any]]:
    where = f"held-out windows of {manifest.data.spec} ({manifest.data.split})"
    for one in manifest.accuracy:
        yield _share("accuracy", one, f"{one.rung}, {where}")
        for name, value in (("balanced accuracy", one.balanced), ("Cohen's kappa", one.kappa)):
            if value is not None:
                yield {"type": name, "value": f"{value:.4f}", "slice": f"{one.rung}, {where}"}
    for rung in manifest.parity:
        yield {
            "type": "same decision",
            "value": f"{rung.agreement.share:.4f}",
            "slice": f"{rung.rung} against {rung.reference}, {where}",
        }


def _share(kind: str, of: Accuracy, where: str) -> dict[str, Any]:
    ends = {"lowerBound": f"{of.correct.low:.4f}", "upperBound": f"{of.correct.high:.4f}"}
    value = f"{of.correct.share:.4f}"
    return {"type": kind, "value": value, "slice": where, "confidenceInterval": ends}


def _limitations(manifest: Manifest, contract: SignalContract) -> Iterator[str]:
    yield "It decodes only a signal that is made as contract.json says: channels, rate, filter."
    if manifest.data.simulated:
        yield "It was measured on a simulated signal, which says nothing about people."
    for reason in contract.unstreamable():
        yield f"It cannot be fed a live signal: {reason}."


def _tradeoffs(manifest: Manifest) -> Iterator[str]:
    for one in manifest.paired:
        yield (
            f"{one.rung} decides {one.difference_points:+.2f} points (95 % "
            f"{one.low_points:+.2f} ... {one.high_points:+.2f}) against float; loses less than "
            f"{one.margin_points:g} points: {one.answer}."
        )
    for artifact in manifest.artifacts:
        if artifact.float_operations:
            share = f"{len(artifact.float_operations)} of {artifact.operations}"
            yield f"{artifact.file} computes {share} operations in float."
