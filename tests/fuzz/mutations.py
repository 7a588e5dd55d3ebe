# SPDX-License-Identifier: BSD-3-Clause
"""Damage files as their formats are built: values of JSON and TOML, members of archives, bytes.

A mutation is a function from a file's bytes and a generator to other bytes, the same whenever the
generator is seeded alike. Bytes that are no longer of their format are damaged as bytes.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from copy import deepcopy
from typing import Any

Rng = random.Random
Mutation = Callable[[bytes, Rng], bytes]

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 127, 128, 255, 256, 65536, 2**31 - 1, 2**31, -(2**31), 2**53),
    *(2**63, 2**64, 10**30, 0.5, -0.0, 1e-320, 1e-9, 1e9, 1e38, 1e308, 5e-324),
    *("", " ", "a", "\0", "nan", "inf", "../x", "/etc/passwd", "x" * 300, "\ud7ff", "é", "a/b"),
    *("*/", "\\", "\n", "=1+1", "<b>", "%s%n", "{}", "0", "float32", "int8", "conv"),
    *([], {}, [0], [[]], {"a": 0}, [1e308] * 3),
)
"""Values that a field should not have, or has elsewhere."""

WORDS: tuple[bytes, ...] = (
    *(b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"99999999999999999999", b"1e-400", b'""'),
    *(
        b"true",
        b"[]",
        b"{}",
        b"[[[[",
        b'"\\u0000"',
        b"'''",
        b'"""',
        b"\xff",
        b"\xed\xa0\x80",
        b"\r",
    ),
    *(b"0x10", b"1_0", b"07:32:00", b"1979-05-27", b"=", b",", b".", b"#", b"\0", b"9" * 5000),
)
"""Text in the place of text."""


def raw(content: bytes, rng: Rng) -> bytes:
    """Change, add and remove bytes, most of them near the beginning, where headers are."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        reach = min(len(found), 600) if rng.random() < 0.6 else len(found)
        at = rng.randrange(max(1, reach))
        size = rng.choice((1, 2, 4, 8))
        match rng.randrange(7):
            case 0:
                found[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                found[at : at + size] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF))]) * size
            case 2:
                found[at : at + size] = _number(rng, size)
            case 3:
                del found[at : at + rng.choice((1, 3, 20, 200))]
            case 4:
                found[at:at] = rng.choice(WORDS)
            case 5:
                found[at:at] = found[at : at + rng.choice((1, 8, 64))]
            case _:
                if rng.random() < 0.3:
                    del found[at:]
    return bytes(found)


def _number(rng: Rng, size: int) -> bytes:
    value = rng.choice((0, 1, 2, 7, 8, 100, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63))
    if size in (4, 8) and rng.random() < 0.3:
        return struct.pack("<f" if size == 4 else "<d", rng.choice((0.0, -1.0, 1e38, float("nan"))))
    return (value % 2 ** (8 * size)).to_bytes(size, rng.choice(("little", "big")))


def text(content: bytes, rng: Rng) -> bytes:
    """Change lines of a text: their values, their order, their number."""
    rows = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(rows))
        match rng.randrange(6):
            case 0:
                rows.pop(at)
            case 1:
                rows.insert(at, rng.choice(rows))
            case 2:
                rows[at] = raw(rows[at], rng)
            case 3:
                rows.insert(at, rng.choice(WORDS))
            case _:
                key, mark, value = rows[at].partition(rng.choice((b"=", b",", b":", b" ")))
                parts = value.split(b",") if mark else [key]
                parts[rng.randrange(len(parts))] = rng.choice(WORDS)
                rows[at] = (key + mark if mark else b"") + b",".join(parts)
        rows = rows or [b""]
    return b"\n".join(rows)


def document(content: bytes, rng: Rng) -> bytes:
    """Change values of a JSON document, or its text."""
    if rng.random() < 0.15:
        return text(content, rng)
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return raw(content, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _changed(value, rng)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _changed(value: Any, rng: Rng) -> Any:
    """Walk to a random place and change what is there; copies, so that nothing holds itself."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        match rng.randrange(12):
            case 0:
                value.pop(key)
            case 1:
                value[str(rng.choice(ODD))] = deepcopy(value[key])
            case 2:
                value[key] = deepcopy(value[rng.choice(sorted(value))])
            case _:
                value[key] = _changed(value[key], rng)
        return value
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        match rng.randrange(12):
            case 0:
                value.pop(at)
            case 1:
                value.insert(at, deepcopy(value[rng.randrange(len(value))]))
            case 2:
                value.insert(at, deepcopy(rng.choice(ODD)))
            case 3:
                value *= rng.choice((0, 2, 50))
            case _:
                value[at] = _changed(value[at], rng)
        return value
    return _other(value, rng)


def _other(value: Any, rng: Rng) -> Any:
    """Another value, near this one or an odd one."""
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.6:
        change = rng.choice((lambda v: v + 1, lambda v: v - 1, lambda v: -v, lambda v: v * 1000))
        return change(value)
    if isinstance(value, str) and rng.random() < 0.4:
        return raw(value.encode(), rng).decode("utf-8", "replace")
    return deepcopy(rng.choice(ODD))


def archive(content: bytes, rng: Rng) -> bytes:
    """Change members of a zip whose checksums stay right, or bytes of the file around them."""
    if rng.random() < 0.2:
        return raw(content, rng)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            members = [(one.filename, opened.read(one)) for one in opened.infolist()]
    except Exception:  # of zipfile, which knows many
        return raw(content, rng)
    if not members:
        return raw(content, rng)
    at = rng.randrange(len(members))
    name, data = members[at]
    match rng.randrange(8):
        case 0:
            members.pop(at)
        case 1:
            members.append((name, data))
        case 2:
            members[at] = (str(rng.choice(("x", "../x", "", "x" * 200, name + "/", "y.npy"))), data)
        case 3:
            members[at] = (name, members[rng.randrange(len(members))][1])
        case _:
            members[at] = (name, header(data, rng) if data[:6] == b"\x93NUMPY" else raw(data, rng))
    made = io.BytesIO()
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(made, "w", kind) as out:
        for name, data in members:
            out.writestr(zipfile.ZipInfo(name), data, kind)
    return made.getvalue()


SHAPES = ("()", "(0,)", "(1,)", "(-1,)", "(2, 3)", "(99999999999,)", "(1,)*40", "(True,)", "(1.5,)")
DTYPES = ("<f4", "<f8", ">f4", "|i1", "<i8", "|b1", "|O", "<U4", "|S3", "<c8", "<M8[s]", "|V4", "x")


def header(content: bytes, rng: Rng) -> bytes:
    """Change the type, shape or order in the header of an .npy file, its length kept right."""
    if rng.random() < 0.3 or len(content) < 10:
        return raw(content, rng)
    length = int.from_bytes(content[8:10], "little")
    words = content[10 : 10 + length].decode("latin-1")
    for field, values in (("descr", DTYPES), ("shape", SHAPES), ("fortran_order", ("True", "3"))):
        if rng.random() < 0.5:
            value = rng.choice(values)
            shown = repr(value) if field == "descr" else value
            start = words.find(f"'{field}': ") + len(field) + 4
            end = words.find(")" if field == "shape" else ",", start) + (field == "shape")
            words = words[:start] + shown + words[end:]
    made = words.rstrip("\n ").encode("latin-1", "replace") + b" " * rng.randrange(16) + b"\n"
    return content[:8] + len(made).to_bytes(2, "little") + made + content[10 + length :]


def safetensors(content: bytes, rng: Rng) -> bytes:
    """Change the JSON that a safetensors file begins with, its length kept right most times."""
    length = int.from_bytes(content[:8], "little")
    if rng.random() < 0.2 or len(content) < 8 + length:
        return raw(content, rng)
    made = document(content[8 : 8 + length], rng)
    said = len(made) if rng.random() < 0.9 else rng.choice((0, 1, 2**40, len(made) + 1))
    return said.to_bytes(8, "little") + made + content[8 + length :]


BY_SUFFIX: dict[str, Mutation] = {
    **dict.fromkeys((".json", ".sig", ".jsonl"), document),
    **dict.fromkeys((".npz", ".pt", ".pth", ".ckpt", ".bin"), archive),
    **dict.fromkeys((".toml", ".csv", ".txt", ".vhdr", ".vmrk", ".pem", ".pub", ".key"), text),
    ".npy": header,
    ".safetensors": safetensors,
}
"""What suits a file, by its suffix; others are damaged as bytes."""


def mutation(name: str) -> Mutation:
    """Return what suits a file of this name."""
    return BY_SUFFIX.get("." + name.rpartition(".")[2], raw)
