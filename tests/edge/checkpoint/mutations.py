# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints that are broken on purpose, by what their formats are made of; seeded.

Each mutation takes a folder's files as bytes and a random generator, and changes one thing:
a value of the configuration, an instruction of a pickle, a member of an archive, a field of a
header, or any byte.
"""

from __future__ import annotations

import io
import json
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

Files = dict[str, bytes]
Mutation = Callable[[Files, random.Random], None]

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 10**5, 10**9, 10**30, -(10**30), 0.5, -0.0, 1e308, 9.0,
    float("nan"), float("inf"), "", "eca", "this", "antigravity", "os.system", "builtins.eval",
    "torch.nn.modules.activation.ELU", "../../etc/passwd", "\x1b[31m", "\ud800", "a\x00b",
    "x" * 5000, [], {}, [1], [[1]], {"a": 1}, [None] * 1000,
)  # fmt: skip
"""Values that some field, somewhere, does not expect."""


def config_value(files: Files, rng: random.Random) -> None:
    """Another value for a key of the configuration."""
    config = json.loads(files["config.json"])
    config[rng.choice(sorted(config))] = rng.choice(HOSTILE)
    files["config.json"] = json.dumps(config).encode()


def config_key(files: Files, rng: random.Random) -> None:
    """A key less, or one more."""
    config = json.loads(files["config.json"])
    del config[rng.choice(sorted(config))]
    if rng.random() < 0.5:
        config[str(rng.choice(HOSTILE))] = rng.choice(HOSTILE)
    files["config.json"] = json.dumps(config).encode()


def config_text(files: Files, rng: random.Random) -> None:
    """JSON that is none, or says more than it may."""
    text = files["config.json"]
    files["config.json"] = rng.choice(
        (
            b"",
            b"[]",
            b"null",
            b"\xff\xfe{}",
            b"[" * 100_000,
            b'{"a":' * 50_000,
            text[: rng.randrange(len(text))],
            text.replace(b"{", b'{"n_chans": 3, "n_chans": 4, ', 1),
            text.replace(b"300", b"9" * 5000),
            text.replace(b'"eca"', b'"' + b"e" * 3_000_000 + b'"'),
        )
    )


def any_byte(name: str) -> Mutation:
    """A few bytes of a file, or its end."""

    def mutate(files: Files, rng: random.Random) -> None:
        data = bytearray(files[name])
        for _ in range(rng.choice((1, 1, 4, 32))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        files[name] = bytes(data)

    return mutate


def _rebuilt(data: bytes, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> bytes:
    """An archive with changed members and right checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if (member := change(name, old.read(name))) is not None:
                new.writestr(*member)
    return out.getvalue()


def pickle_instruction(name: str) -> Mutation:
    """One instruction of the pickle is left out, doubled, swapped or given another argument."""

    def mutate(files: Files, rng: random.Random) -> None:
        def change(member: str, data: bytes) -> tuple[str, bytes]:
            return member, _instruction(data, rng) if member.endswith("data.pkl") else data

        files[name] = _rebuilt(files[name], change)

    return mutate


def _instruction(data: bytes, rng: random.Random) -> bytes:
    places = [place for _, _, place in pickletools.genops(data) if place is not None]
    parts = [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]
    index = rng.randrange(len(parts) - 1)
    match rng.randrange(6):
        case 0:
            del parts[index]
        case 1:
            parts[index:index] = [parts[index]] * rng.choice((1, 2, 1000))
        case 2:
            other = rng.randrange(len(parts) - 1)
            parts[index], parts[other] = parts[other], parts[index]
        case 3:
            parts[index] = rng.choice(HOSTILE_OPCODES)
        case 4:
            parts.insert(index, rng.choice(HOSTILE_OPCODES))
        case _:
            changed = bytearray(parts[index])
            changed[rng.randrange(len(changed))] = rng.randrange(256)
            parts[index] = bytes(changed)
    return b"".join(parts)


HOSTILE_OPCODES = (
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch\nload\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"R", b"b", b"Q", b"0", b"1", b"2", b"t", b"(", b"]", b"}", b")", b"N", b"a", b"e", b"s", b"u",
    b"\x81", b"\x93", b"r\xff\xff\xff\x7f", b"j\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\x7f",
    b"X\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 8, b"\x8e" + b"\xff" * 7 + b"\x7f", b"K\x00",
    b"J\xff\xff\xff\xff", b"\x8a\x10" + b"\xff" * 15 + b"\x7f", b"G" + b"\xff" * 8, b"I99999\n",
    b"(" * 100_000, b"]" * 100_000, b"\x85" * 100_000,
)  # fmt: skip
"""Instructions that a pickle from elsewhere may hold."""


def archive_member(name: str) -> Mutation:
    """A member of the archive is missing, renamed, doubled, cut, compressed or long."""

    def mutate(files: Files, rng: random.Random) -> None:
        with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
            chosen = rng.choice(archive.namelist())
        kind = rng.randrange(5)

        def change(member: str, data: bytes) -> tuple[str, bytes] | None:
            if member != chosen:
                return member, data
            cut = data[: rng.randrange(len(data) + 1)]
            return (None, (f"{member}x", data), (member, cut), (member, data * 2), (member, b""))[
                kind
            ]

        files[name] = _rebuilt(files[name], change)

    return mutate


def header_field(files: Files, rng: random.Random) -> None:
    """A field of the safetensors header."""
    data = files["w.safetensors"]
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    entry = header[rng.choice([key for key in sorted(header) if key != "__metadata__"])]
    if rng.random() < 0.5:
        entry[rng.choice(sorted(entry))] = rng.choice(HOSTILE)
    else:
        field = rng.choice(("shape", "data_offsets"))
        if entry[field]:
            entry[field][rng.randrange(len(entry[field]))] = rng.choice(HOSTILE)
    if rng.random() < 0.2:
        header[str(rng.choice(HOSTILE))] = rng.choice(HOSTILE)
    text = json.dumps(header).encode()
    stated = len(text) if rng.random() < 0.9 else rng.choice((0, 1, 2**31, 2**63, len(text) + 1))
    files["w.safetensors"] = struct.pack("<Q", stated) + text + data[8 + length :]


CONFIGURATION: tuple[Mutation, ...] = (config_value, config_value, config_key, config_text)
MUTATIONS: dict[str, tuple[Mutation, ...]] = {
    "w.pt": (
        any_byte("w.pt"),
        pickle_instruction("w.pt"),
        pickle_instruction("w.pt"),
        archive_member("w.pt"),
        *CONFIGURATION,
    ),
    "old.pt": (any_byte("old.pt"), *CONFIGURATION),
    "alone.ckpt": (
        any_byte("alone.ckpt"),
        pickle_instruction("alone.ckpt"),
        pickle_instruction("alone.ckpt"),
        archive_member("alone.ckpt"),
    ),
    "w.safetensors": (any_byte("w.safetensors"), header_field, header_field, *CONFIGURATION),
}
"""What is tried on each form of a checkpoint, by the file of its weights."""
