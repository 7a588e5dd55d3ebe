# SPDX-License-Identifier: BSD-3-Clause
"""Write plain data as JSON and read it back.

Keys are sorted, every file has a schema version, and what is wrong with one is said in one line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import tomllib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from quantize.errors import IncompatibleError, suggestion
from quantize.reading import MIB, read_bytes

if TYPE_CHECKING:
    from pydantic import ValidationError

T = TypeVar("T")

SCHEMA_VERSION = 1

MAX_BYTES = 8 * MIB
"""Of a JSON file that is read."""
MAX_DEPTH = 32
MAX_DIGITS = 40


def to_json(value: Any) -> str:
    """Return a dataclass (or plain data) as indented JSON, byte-identical when repeated."""
    return json.dumps(value, indent=2, sort_keys=True, default=_plain, allow_nan=False) + "\n"


IF_ANY = MappingProxyType({"written": "if any"})
"""Metadata of a field that is left out where it is empty."""


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: one for f, one in found if one or f.metadata != IF_ANY}
    raise TypeError(f"{type(value).__name__} is not plain data")


def encode(value: Any) -> bytes:
    """Return a dataclass with its schema version, as :func:`write` puts it into a file."""
    document = json.loads(to_json(value))
    return to_json({"schema_version": _version(value), **document}).encode()


def write(path: Path, value: Any) -> None:
    """Write a dataclass with its schema version."""
    path.write_bytes(encode(value))


def _version(kind: Any) -> int:
    """What a kind of file is at, where that is not :data:`SCHEMA_VERSION`: its attribute says."""
    return int(getattr(kind, "SCHEMA_VERSION", SCHEMA_VERSION))


def read(path: Path, kind: type[T]) -> T:
    """Read what :func:`write` wrote.

    Raises
    ------
    UsageError
        When the file does not exist.
    IncompatibleError
        When the file is not JSON, of another schema version, or does not fit ``kind``; one line
        that names the file and the first field that is wrong.
    """
    return decode(read_bytes(path, MAX_BYTES), kind, str(path))


def decode(data: bytes, kind: type[T], where: str) -> T:
    """Read the bytes that :func:`write` puts into a file; ``where`` opens the complaint.

    Raises
    ------
    IncompatibleError
        As :func:`read`.
    """
    document = parse(data, where)
    version = document.pop("schema_version", None) if isinstance(document, dict) else None
    if version != _version(kind):
        raise IncompatibleError(
            f"{where} has schema_version {version!r:.60}; this version of edge reads "
            f"{_version(kind)}."
        )
    return validate(document, kind, where)


def document(path: Path) -> Any:
    """Read somebody else's JSON file as plain data, by :func:`parse`.

    Raises
    ------
    UsageError
        When the file does not exist or cannot be opened.
    IncompatibleError
        When it is no regular file, larger than :data:`MAX_BYTES`, or not such JSON.
    """
    return parse(read_bytes(path, MAX_BYTES), str(path))


def toml(data: bytes | str, where: str) -> dict[str, Any]:
    """Return somebody else's TOML, bytes or text, as plain data; ``where`` opens the complaint.

    Raises
    ------
    IncompatibleError
        One line that says what is wrong.
    """
    try:
        return tomllib.loads(data if isinstance(data, str) else data.decode())
    except UnicodeError:
        raise IncompatibleError(f"{where} is not a TOML file: it is not text in UTF-8.") from None
    except (ValueError, RecursionError) as error:  # of an integer of 5000 digits it is no other
        raise IncompatibleError(f"{where} is not a TOML file: {error!s:.200}.") from None


def parse(data: bytes, where: str, *, nan: bool = False) -> Any:
    """Return somebody else's JSON as plain data; ``where`` opens the complaint.

    Stricter than :func:`json.loads`: no key twice, no NaN and no infinity, no text that cannot be
    written as UTF-8, :data:`MAX_DEPTH` brackets in each other at most. With ``nan`` the words NaN
    and Infinity are numbers: braindecode writes them for electrodes without a position.

    Raises
    ------
    IncompatibleError
        One line that says what is wrong.
    """
    if _depth(data) > MAX_DEPTH:
        raise IncompatibleError(f"{where} is nested more than {MAX_DEPTH} deep.")
    try:
        text = data.decode()
        document = json.loads(
            text,
            object_pairs_hook=_no_key_twice,
            parse_constant=float if nan else _no_constant,
            parse_float=_finite,
            parse_int=_short,
        )
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeError:
        raise IncompatibleError(f"{where} is not text in UTF-8.") from None
    except ValueError as error:
        raise IncompatibleError(f"{where} is not JSON: {error}.") from None
    return document


def _depth(data: bytes) -> int:
    """How many brackets stand in each other at most."""
    depth = deepest = 0
    for token in _TOKENS.finditer(data):
        if (first := token[0][:1]) in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


_TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
"""Texts, which are passed over, and brackets."""


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r:.80} stands there twice")
    return document


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"{text:.40} is too large")
    return value


def _short(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def validate(document: Any, kind: type[T], where: str) -> T:
    """Return plain data as a ``kind``; ``where`` opens the complaint."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        complaint = first_complaint(error)
        end = "" if complaint.endswith("?") else "."
        raise IncompatibleError(f"{where}: {complaint}{end}") from None


def first_complaint(error: ValidationError) -> str:
    """Say pydantic's first finding as ``field.name: what is wrong``, and count the others.

    A name that is not known comes first: what is missing is often what was misspelt.
    """
    findings = sorted(error.errors(), key=lambda finding: finding["type"] not in UNKNOWN_NAME)
    first = findings[0]
    place = ".".join(map(_shown, first["loc"]))
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    if first["type"] in UNKNOWN_NAME:
        absent = [str(f["loc"][-1]) for f in findings if f["type"] in MISSING]
        return f"{place} is not known.{suggestion(str(first['loc'][-1]), absent)}".rstrip(".")
    if first["type"] in MISSING:
        return f"{place} is missing{more}"
    return f"{place}: {first['msg'].rstrip('.')}, got {first['input']!r:.60}{more}"


def _shown(name: str | int) -> str:
    """A field's name as a line can hold it: 80 characters of it, escaped where it is no text."""
    text = str(name)
    return f"{text if text.isprintable() else repr(text):.80}"


UNKNOWN_NAME = ("extra_forbidden", "unexpected_keyword_argument")
MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")


def sha256(data: bytes) -> str:
    """Return the SHA-256 of data as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
