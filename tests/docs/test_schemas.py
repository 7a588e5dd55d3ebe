# SPDX-License-Identifier: BSD-3-Clause
"""The published JSON Schemas take the files that we write, and nothing that our readers refuse."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from docs.tools.pages import DOCS
from edge.signal import contract_file
from firmware_bridge.project import device

SCHEMAS = DOCS / "reference" / "schemas"


def check(name: str, document: Mapping[str, Any]) -> None:
    """Raise where a document is not of its kind."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["manifest", "contract"])
def test_files_of_a_bundle(name: str, eca_bundle: Path) -> None:
    """A real manifest and contract; each is refused without a field, and with a wrong one."""
    document = json.loads((eca_bundle / f"{name}.json").read_text())
    check(name, document)
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    assert set(document) <= set(schema["properties"])
    for field in schema["required"]:
        with pytest.raises(jsonschema.ValidationError):
            check(name, {k: v for k, v in document.items() if k != field})
    with pytest.raises(jsonschema.ValidationError):
        check(name, document | {"schema_version": 0})
    wrong = {"manifest": {"artifacts": "none"}, "contract": {"n_times": "long"}}
    with pytest.raises(jsonschema.ValidationError):
        check(name, document | wrong[name])


@pytest.mark.parametrize("path", sorted(SCHEMAS.iterdir()), ids=lambda path: path.name)
def test_every_field_is_explained(path: Path) -> None:
    """A field without a meaning is missing in a docstring's Attributes."""
    schema = json.loads(path.read_text())
    kinds = {path.stem: schema, **schema.get("$defs", {})}
    silent = [
        f"{kind}.{name}"
        for kind, definition in kinds.items()
        for name, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    assert not silent


def test_contract_files() -> None:
    """The printed example; a name that is not known is refused as our reader refuses it."""
    document = tomllib.loads(contract_file.EXAMPLE)
    check("contract-file", document)
    with pytest.raises(jsonschema.ValidationError):
        check("contract-file", document | {"singal": {}})


@pytest.mark.parametrize("name", device.names())
def test_device_files(name: str) -> None:
    """Every device that we ship."""
    check("device", tomllib.loads((device.FOLDER / f"{name}.toml").read_text()))
