# SPDX-License-Identifier: BSD-3-Clause
"""Ways to tamper with a signed bundle; each says which file its refusal has to name."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Way = Callable[[Path], str]


def ways(rng: np.random.Generator, count: int) -> Iterator[tuple[str, Way]]:
    """So many ways, of every kind in turn."""
    kinds: tuple[Callable[[np.random.Generator, Path], str], ...] = (
        flip_bit,
        insert_bytes,
        cut_off,
        swap_files,
        remove_file,
        add_file,
        signature_field,
        statement_field,
        signature_bytes,
    )
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind.__name__, _bound(kind, rng)


def _bound(kind: Callable[[np.random.Generator, Path], str], rng: np.random.Generator) -> Way:
    return lambda folder: kind(rng, folder)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "model.sig")


def _any(rng: np.random.Generator, folder: Path) -> Path:
    files = _files(folder)
    return files[int(rng.integers(len(files)))]


def flip_bit(rng: np.random.Generator, folder: Path) -> str:
    """One bit of any file."""
    path = _any(rng, folder)
    data = bytearray(path.read_bytes())
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return path.name


def insert_bytes(rng: np.random.Generator, folder: Path) -> str:
    """Bytes of one class, somewhere in a file: zeros, text, white space, high ones."""
    path = _any(rng, folder)
    data = bytearray(path.read_bytes())
    classes = (b"\x00", b"A", b" ", b"\n", b"\xff", b"\x80")
    at = int(rng.integers(len(data) + 1))
    data[at:at] = classes[int(rng.integers(len(classes)))] * int(rng.integers(1, 9))
    path.write_bytes(data)
    return path.name


def cut_off(rng: np.random.Generator, folder: Path) -> str:
    """The end of a file."""
    path = _any(rng, folder)
    data = path.read_bytes()
    path.write_bytes(data[: int(rng.integers(len(data)))])
    return path.name


def swap_files(rng: np.random.Generator, folder: Path) -> str:
    """Two signed files take each other's place."""
    files = _files(folder)
    first = files[int(rng.integers(len(files)))]
    others = [file for file in files if file.read_bytes() != first.read_bytes()]
    second = others[int(rng.integers(len(others)))]
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    return min(first, second, key=lambda path: str(path.relative_to(folder))).name


def remove_file(rng: np.random.Generator, folder: Path) -> str:
    """A file is gone."""
    path = _any(rng, folder)
    path.unlink()
    return path.name


def add_file(rng: np.random.Generator, folder: Path) -> str:
    """A file is new."""
    name = f"new-{int(rng.integers(1000))}.so"
    (folder / ("c" if rng.integers(2) else ".") / name).write_bytes(b"")
    return name


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a document are that hold no others."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(part, dict | list) and part:
            yield from leaves(part, (*path, key))
        else:
            yield (*path, key)


def _change_leaf(rng: np.random.Generator, document: Any) -> None:
    """Another value of the same kind, or none, in one field."""
    every = list(leaves(document))
    *way, last = every[int(rng.integers(len(every)))]
    place = document
    for key in way:
        place = place[key]
    old = place[last]
    if isinstance(place, dict) and rng.integers(4) == 0:
        del place[last]
    elif isinstance(old, str):
        place[last] = old[:-1] + ("B" if old[-1:] == "A" else "A")
    elif isinstance(old, bool):
        place[last] = not old
    elif isinstance(old, int):
        place[last] = old + 1
    else:
        place[last] = "x"


def signature_field(rng: np.random.Generator, folder: Path) -> str:
    """Any field of ``model.sig``."""
    path = folder / "model.sig"
    document = json.loads(path.read_text())
    before = json.dumps(document)
    while json.dumps(document) == before or _only_keyid(document):
        document = json.loads(before)
        _change_leaf(rng, document)
    path.write_text(json.dumps(document))
    return "model.sig"


def _only_keyid(document: Any) -> bool:
    """Whether nothing but the empty name of the key is gone, which means the same."""
    try:
        return "keyid" not in document["dsseEnvelope"]["signatures"][0]
    except (KeyError, IndexError):
        return False


def statement_field(rng: np.random.Generator, folder: Path) -> str:
    """Any field of what is signed; the signature stays."""
    path = folder / "model.sig"
    document = json.loads(path.read_text())
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    _change_leaf(rng, statement)
    payload = base64.b64encode(json.dumps(statement, sort_keys=True).encode()).decode()
    document["dsseEnvelope"]["payload"] = payload
    path.write_text(json.dumps(document))
    return ""  # a hash in it makes a file wrong, a name one that is lost: either is named


def signature_bytes(rng: np.random.Generator, folder: Path) -> str:
    """Bytes of the signature itself."""
    path = folder / "model.sig"
    document = json.loads(path.read_text())
    entry = document["dsseEnvelope"]["signatures"][0]
    data = bytearray(base64.b64decode(entry["sig"]))
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    entry["sig"] = base64.b64encode(data).decode()
    path.write_text(json.dumps(document))
    return "model.sig"
