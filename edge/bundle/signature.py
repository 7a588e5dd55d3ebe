# SPDX-License-Identifier: BSD-3-Clause
"""A bundle's signature: ``model.sig``, in OpenSSF's format for signing models, by a key.

An in-toto statement with the hash of every file in a DSSE envelope in a Sigstore bundle, so that
``model_signing verify key`` of other people's tools reads it too. The statement also says the
model's name, its version and the hash of its signal contract.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.bundle import keys
from edge.bundle.types import CONTRACT, SIGNATURE
from edge.errors import IncompatibleError, UsageError
from quantize import plain, reading

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
SERIALIZATION = {
    "method": "files",
    "hash_type": "sha256",
    "allow_symlinks": False,
    "ignore_paths": [SIGNATURE],
}
OURS = "edge"
"""What of the statement is ours; verifiers of the format pass over what they do not know."""
MAX_VERSION = 2**31 - 1
MAX_NAME = 100


@dataclass(frozen=True)
class Signed:
    """What a signature says, whether or not it is valid.

    Attributes
    ----------
    model, version
        Name of the model and its version, from 1 on; 0 where another tool signed.
    contract_sha256
        Hash of ``contract.json``.
    files
        sha256 of every file by its name in the bundle.
    fingerprint
        Of the key that is said to have signed.
    payload, signature
        What was signed, and the signature of it.
    """

    model: str
    version: int
    contract_sha256: str
    files: Mapping[str, str]
    fingerprint: str
    payload: bytes
    signature: bytes


def sign(folder: Path, key: ec.EllipticCurvePrivateKey, model: str, version: int) -> Signed:
    """Sign every file of a bundle and write :data:`~edge.bundle.types.SIGNATURE` beside them.

    Raises
    ------
    UsageError
        For a name or version that cannot be, or a folder that cannot be written.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    if not 0 < len(model) <= MAX_NAME or not model.isprintable():
        raise UsageError(f"--name {model!r:.120} is not 1 ... {MAX_NAME} printable characters.")
    if not 1 <= version <= MAX_VERSION:
        raise UsageError(f"--version {version} is not 1 ... {MAX_VERSION}.")
    files = hashes_of(folder)
    payload = _statement(files, model, version)
    signature = key.sign(_envelope_bytes(payload), ec.ECDSA(hashes.SHA256()))
    made = Signed(
        model,
        version,
        files[CONTRACT],
        files,
        keys.fingerprint(key.public_key()),
        payload,
        signature,
    )
    _write(folder / SIGNATURE, _document(made))
    return made


def hashes_of(folder: Path) -> dict[str, str]:
    """sha256 of every file of a bundle but its signature, by name."""
    names = [name for name in reading.walk(folder) if name != SIGNATURE]
    return {name: reading.sha256(folder / name) for name in names}


def _statement(files: Mapping[str, str], model: str, version: int) -> bytes:
    resources = [
        {"name": name, "algorithm": "sha256", "digest": digest}
        for name, digest in sorted(files.items())
    ]
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": model, "digest": {"sha256": _root(files)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": SERIALIZATION,
            "resources": resources,
            OURS: {"model": model, "version": version, "contract_sha256": files[CONTRACT]},
        },
    }
    return json.dumps(statement, sort_keys=True).encode()


def _root(files: Mapping[str, str]) -> str:
    """The hash over all hashes in the order of the names."""
    joined = b"".join(bytes.fromhex(digest) for _, digest in sorted(files.items()))
    return hashlib.sha256(joined).hexdigest()


def _envelope_bytes(payload: bytes) -> bytes:
    """What a DSSE signature is over."""
    return b"DSSEv1 %d %s %d %s" % (
        len(PAYLOAD_TYPE),
        PAYLOAD_TYPE.encode(),
        len(payload),
        payload,
    )


def _document(made: Signed) -> str:
    document = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": made.fingerprint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(made.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(made.signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(document, sort_keys=True) + "\n"


def _write(path: Path, text: str) -> None:
    """Write beside the destination and rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"Cannot write {str(path)!r}: {error.strerror}.") from None


def read(folder: Path) -> Signed | None:
    """The signature of a bundle, not verified; None where it has none.

    Raises
    ------
    IncompatibleError
        When it is not of the format.
    """
    path = folder / SIGNATURE
    if not path.exists() and not path.is_symlink():
        return None
    document = plain.parse(
        reading.read_bytes(reading.inside(folder, SIGNATURE), plain.MAX_BYTES), str(path)
    )
    try:
        return _parsed(document, f"{str(path)!r}: the statement")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__} {error}" if isinstance(error, KeyError) else str(error)
        raise IncompatibleError(
            f"{str(path)!r} is not a model signature: {why.splitlines()[0]:.200}."
        ) from None


def _parsed(document: Any, statement_is: str) -> Signed:
    envelope = document["dsseEnvelope"]
    material = document["verificationMaterial"]
    (entry,) = envelope["signatures"]
    _same("mediaType", document["mediaType"], MEDIA_TYPE)
    _same("payloadType", envelope["payloadType"], PAYLOAD_TYPE)
    _same("tlogEntries", material["tlogEntries"], [])
    _same("keyid", entry.get("keyid", ""), "")
    for where, keys_there, allowed in (
        ("the document", document, {"mediaType", "verificationMaterial", "dsseEnvelope"}),
        ("dsseEnvelope", envelope, {"payload", "payloadType", "signatures"}),
        ("signatures", entry, {"sig", "keyid"}),
        ("publicKey", material["publicKey"], {"hint", "rawBytes", "keyDetails"}),
        ("verificationMaterial", material, {"publicKey", "tlogEntries"}),
    ):
        if extra := sorted(set(keys_there) - allowed):
            raise ValueError(f"{where} has a field {extra[0]!r}")
    payload = _decoded("payload", envelope["payload"])
    statement = plain.parse(payload, statement_is)
    predicate = statement["predicate"]
    _same("_type", statement["_type"], STATEMENT_TYPE)
    _same("predicateType", statement["predicateType"], PREDICATE_TYPE)
    files = {}
    for one in predicate["resources"]:
        _same("algorithm", one["algorithm"], "sha256")
        if one["name"] in files:
            raise ValueError(f"it names {one['name']!r:.80} twice")
        files[str(one["name"])] = _digest(one["digest"])
    (subject,) = statement["subject"]
    theirs = {"model": subject["name"], "version": 0, "contract_sha256": files[CONTRACT]}
    ours = predicate.get(OURS, theirs)  # other tools' signatures know no version
    version = ours["version"]
    if type(version) is not int or not 0 <= version <= MAX_VERSION:
        raise ValueError(f"its version is {version!r:.40}")
    _same("the digest over all files", subject["digest"]["sha256"], _root(files))
    return Signed(
        model=str(ours["model"]),
        version=version,
        contract_sha256=_digest(ours["contract_sha256"]),
        files=files,
        fingerprint=_digest(material["publicKey"]["hint"]),
        payload=payload,
        signature=_decoded("sig", entry["sig"]),
    )


def _same(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise ValueError(f"{what} is {found!r:.80}, not {expected!r}")


def _decoded(what: str, text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError(f"{what} is not base64 as it is written")
    return data


def _digest(text: str) -> str:
    if len(bytes.fromhex(text)) != 32 or text != text.lower() or len(text) != 64:
        raise ValueError(f"{text!r:.80} is not a sha256")
    return text


def check_key(signed: Signed, key: ec.EllipticCurvePublicKey, where: Path) -> None:
    """Raise unless ``key`` signed what the signature says.

    Raises
    ------
    IncompatibleError
        When another key did, or the statement was changed afterwards.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    if signed.fingerprint != (given := keys.fingerprint(key)):
        raise IncompatibleError(
            f"The bundle {str(where)!r} is signed by the key {signed.fingerprint[:16]}, not by "
            f"{given[:16]}."
        )
    try:
        key.verify(signed.signature, _envelope_bytes(signed.payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise IncompatibleError(
            f"{str(where / SIGNATURE)!r} is not the signature of the key {given[:16]}: it was "
            f"changed after it was signed."
        ) from None


def check_files(signed: Signed, folder: Path) -> None:
    """Raise unless a bundle's files are those that were signed, all of them and no others.

    Raises
    ------
    IncompatibleError
        Naming the first file that is missing, changed or new.
    """
    here = hashes_of(folder)
    for name in sorted({*here, *signed.files}):
        if name not in here:
            raise IncompatibleError(f"The bundle {str(folder)!r} has lost its file {name!r}.")
        if name not in signed.files:
            raise IncompatibleError(f"{str(folder / name)!r} is not among the files signed.")
        if here[name] != signed.files[name]:
            raise IncompatibleError(f"{str(folder / name)!r} is not the file that was signed.")
    if here.get(CONTRACT) != signed.contract_sha256:
        raise IncompatibleError(f"{str(folder / CONTRACT)!r} is not the contract that was signed.")
