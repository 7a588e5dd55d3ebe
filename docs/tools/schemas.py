# SPDX-License-Identifier: BSD-3-Clause
"""Write JSON Schemas of the files that we read and write, and their reference pages, from types."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from docs.tools.texts import attributes, first_sentence

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Published:
    """A kind of file whose form is published.

    Attributes
    ----------
    name
        Of the page and of the schema's file.
    title
        Heading of the page.
    kind
        The type that a reader of ours checks such a file against.
    intro
        What the page says first.
    version
        The file's ``schema_version``; None where it has none.
    """

    name: str
    title: str
    kind: type
    intro: str
    version: int | None


def published() -> tuple[Published, ...]:
    """Every kind of file whose schema is published."""
    from edge.bundle.types import Manifest
    from edge.signal.contract_file import ContractFile
    from firmware_bridge.project.device import Device
    from firmware_bridge.signal.contract import SignalContract
    from quantize import plain

    return (
        Published(
            "manifest",
            "manifest.json",
            Manifest,
            "What a bundle is: the model, every artifact with its verdict, how each compared with "
            "the float model, what it was made with, and the sha256 of every file. It holds no "
            "date, so that the same export gives the same bytes.",
            Manifest.SCHEMA_VERSION,
        ),
        Published(
            "contract",
            "contract.json",
            SignalContract,
            "What a decoder must be fed. Training, calibration, live decoding and firmware all "
            "follow this one description of the signal.",
            plain.SCHEMA_VERSION,
        ),
        Published(
            "contract-file",
            "The contract file (TOML)",
            ContractFile,
            "What `--contract` takes: how recordings become labelled windows. "
            "`edge train --example-contract` prints a commented example.",
            None,
        ),
        Published(
            "device",
            "Device files (TOML)",
            Device,
            "What `edge firmware --device` knows of a microcontroller: its core and its memory, "
            "each figure with the public file that it was read in.",
            None,
        ),
    )


def schema(entry: Published) -> dict[str, Any]:
    """The JSON Schema of a kind of file, with the descriptions of our docstrings."""
    from pydantic import TypeAdapter

    document = TypeAdapter(entry.kind).json_schema(mode="validation")
    types = {kind.__name__: kind for kind in dataclasses_in(entry.kind)}
    definitions = document.get("$defs", {})
    for name, definition in {**definitions, entry.kind.__name__: document}.items():
        if name in types:
            _describe(definition, types[name])
    document["properties"] = dict(document["properties"])
    if entry.version is not None:
        document["properties"]["schema_version"] = {
            "const": entry.version,
            "type": "integer",
            "description": "Version of this kind of file.",
        }
        document["required"] = sorted([*document.get("required", []), "schema_version"])
    return {
        "$schema": DIALECT,
        "title": entry.title,
        **{k: v for k, v in document.items() if k != "title"},
    }


def _describe(definition: dict[str, Any], kind: type) -> None:
    definition["description"] = first_sentence(kind)
    for name, words in attributes(kind).items():
        if name in definition.get("properties", {}):
            definition["properties"][name]["description"] = words


def dataclasses_in(kind: Any, seen: set[Any] | None = None) -> Iterator[type]:
    """A dataclass and all those that its fields hold."""
    import typing

    seen = set() if seen is None else seen
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind in seen:
            return
        seen.add(kind)
        yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from dataclasses_in(hint, seen)
    for argument in typing.get_args(kind):
        yield from dataclasses_in(argument, seen)


def _file(entry: Published) -> str:
    return f"schemas/{entry.name}.schema.json"


def text(entry: Published) -> str:
    """A schema as a file."""
    return json.dumps(schema(entry), indent=1, sort_keys=True) + "\n"


def page(entry: Published) -> str:
    """The reference page of a kind of file."""
    document = schema(entry)
    lines = [
        f"# {entry.title}",
        "",
        entry.intro,
        "",
        f"The same as a JSON Schema: [{entry.name}.schema.json]({_file(entry)}).",
        "",
    ]
    lines += _table(document)
    for name, definition in sorted(document.get("$defs", {}).items()):
        lines += [f"## {name}", "", definition.get("description", ""), ""]
        if "properties" in definition:
            lines += _table(definition)
        elif "enum" in definition:
            lines += [f"One of {', '.join(f'`{value}`' for value in definition['enum'])}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(definition: Mapping[str, Any]) -> Iterator[str]:
    required = set(definition.get("required", ()))
    yield "| field | type | needed | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, field in definition["properties"].items():
        cells = (
            f"`{name}`",
            _type(field),
            "yes" if name in required else _default(field),
            field.get("description", ""),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _default(field: Mapping[str, Any]) -> str:
    if field.get("default") in (None, [], {}, ""):
        return "no"
    value = field["default"]
    return "no" if isinstance(value, dict) else f"no: `{json.dumps(value)}`"


def _type(field: Mapping[str, Any]) -> str:
    """A field's type in words, with links to the definitions on the same page."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(one) for one in field["anyOf"]))
    match field.get("type"):
        case "array" if "prefixItems" in field:
            return f"[{', '.join(_type(one) for one in field['prefixItems'])}]"
        case "array":
            return f"list of {_type(field.get('items', {}))}"
        case "object":
            return f"table of {_type(field.get('additionalProperties', {}))}"
        case str(kind):
            return kind
    return "any"
