# SPDX-License-Identifier: BSD-3-Clause
"""Whom this user trusts: public keys in a folder, and the highest version seen of every model.

The folder is ``$EDGE_TRUST``, else ``edge/trust`` in ``$XDG_CONFIG_HOME`` or ``~/.config``. A
bundle that none of its keys has signed still opens; its models run in a process of their own
(:mod:`edge.bundle.child`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge.bundle import keys, signature
from edge.errors import IncompatibleError, UsageError
from quantize import plain, reading

SEEN = "seen.json"
LOCK = ".lock"

ALLOW_OLDER: ContextVar[bool] = ContextVar("allow_older", default=False)
"""Whether this command was told ``--allow-older``."""


class Standing(StrEnum):
    """What is known of who made a bundle."""

    TRUSTED = "trusted"
    UNKNOWN_KEY = "signed by a key that you do not trust"
    UNSIGNED = "not signed"


@dataclass(frozen=True)
class Key:
    """A public key that is trusted: its fingerprint, its file, and versions seen by model."""

    fingerprint: str
    path: Path
    seen: Mapping[str, int]


def place() -> Path | None:
    """The folder of trusted keys; None where there is no home."""
    if given := os.environ.get("EDGE_TRUST"):
        return Path(given)
    if config := os.environ.get("XDG_CONFIG_HOME"):
        return Path(config) / "edge" / "trust"
    try:
        return Path.home() / ".config" / "edge" / "trust"
    except RuntimeError:
        return None


def add(path: Path) -> str:
    """Trust the public key in a PEM file; its fingerprint.

    Raises
    ------
    UsageError
        When the folder of keys cannot be written.
    IncompatibleError
        When it is no such key.
    """
    key = keys.read_public(path)
    name = keys.fingerprint(key)
    folder = _made()
    try:
        (folder / f"{name}.pem").write_bytes(keys.public_pem(key))
    except OSError as error:
        raise UsageError(f"Cannot write to {str(folder)!r}: {error.strerror}.") from None
    return name


def remove(beginning: str) -> str:
    """Trust a key no longer; what was seen of its models stays known.

    Raises
    ------
    UsageError
        When no key, or more than one, has a fingerprint that begins so.
    """
    matching = [key for key in trusted() if key.fingerprint.startswith(beginning.lower())]
    if len(matching) != 1 or len(beginning) < 4:
        raise UsageError(
            f"{len(matching)} trusted keys have a fingerprint that begins with {beginning!r:.80}. "
            f"Type 'edge trust list' and give at least four digits of one."
        )
    matching[0].path.unlink(missing_ok=True)
    return matching[0].fingerprint


def trusted() -> tuple[Key, ...]:
    """Every trusted key."""
    folder = place()
    if folder is None or not folder.is_dir():
        return ()
    seen = _seen(folder)
    return tuple(
        Key(path.stem, path, seen.get(path.stem, {})) for path in sorted(folder.glob("*.pem"))
    )


def _made() -> Path:
    folder = place()
    if folder is None:
        raise UsageError("There is no home folder to keep keys in. Set EDGE_TRUST to a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"Cannot make {str(folder)!r}: {error.strerror}.") from None
    return folder


def _seen(folder: Path) -> dict[str, dict[str, int]]:
    path = folder / SEEN
    if not path.exists():
        return {}
    return plain.validate(
        plain.parse(reading.read_bytes(path, plain.MAX_BYTES), str(path)),
        dict[str, dict[str, int]],
        str(path),
    )


def highest(fingerprint: str, model: str) -> int:
    """The highest version seen of a key's model; 0 where none was."""
    folder = place()
    if folder is None or not folder.is_dir():
        return 0
    return _seen(folder).get(fingerprint, {}).get(model, 0)


def note_version(fingerprint: str, model: str, version: int) -> None:
    """Remember that a version was seen, if it is the highest.

    Raises
    ------
    UsageError
        When the folder of keys cannot be written.
    """
    if version <= highest(fingerprint, model):
        return
    folder = _made()
    try:
        with _locked(folder):
            seen = _seen(folder)
            of_key = seen.setdefault(fingerprint, {})
            of_key[model] = max(version, of_key.get(model, 0))
            temporary = folder / f".{SEEN}.{os.getpid()}"
            temporary.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n")
            temporary.replace(folder / SEEN)
    except OSError as error:
        raise UsageError(
            f"Cannot remember the version in {str(folder)!r}: {error.strerror}."
        ) from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def judge(folder: Path) -> Standing:
    """Who made a bundle, as far as its signature and the trusted keys say.

    Raises
    ------
    IncompatibleError
        When a signature does not fit its key or its files, or an older version is replayed.
    """
    signed = signature.read(folder)
    if signed is None:
        return Standing.UNSIGNED
    signature.check_files(signed, folder)
    key = next((key for key in trusted() if key.fingerprint == signed.fingerprint), None)
    if key is None:
        return Standing.UNKNOWN_KEY
    signature.check_key(signed, keys.read_public(key.path), folder)
    _refuse_older(signed, folder)
    note_version(signed.fingerprint, signed.model, signed.version)
    return Standing.TRUSTED


def require(folder: Path, public: Path) -> signature.Signed:
    """What a bundle's signature says, verified with one key.

    Raises
    ------
    IncompatibleError
        When the bundle is not signed, or not so by this key; or an older version is replayed.
    """
    key = keys.read_public(public)
    signed = signature.read(folder)
    if signed is None:
        raise IncompatibleError(f"The bundle {str(folder)!r} is not signed.")
    signature.check_key(signed, key, folder)
    signature.check_files(signed, folder)
    _refuse_older(signed, folder)
    return signed


def _refuse_older(signed: signature.Signed, folder: Path) -> None:
    newest = highest(signed.fingerprint, signed.model)
    if signed.version < newest and not ALLOW_OLDER.get():
        raise IncompatibleError(
            f"The bundle {str(folder)!r} is version {signed.version} of {signed.model!r}, and "
            f"version {newest} of the same key was seen here. Add --allow-older if that is meant."
        )
