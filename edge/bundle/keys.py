# SPDX-License-Identifier: BSD-3-Clause
"""Keys that bundles are signed with: ECDSA on P-256, as model signing and MCUboot accept it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import IncompatibleError, MissingToolError, UsageError
from quantize.reading import read_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

CURVE = "secp256r1"
MAX_KEY_BYTES = 16_384


def refuse_absent() -> None:
    """Raise unless ``cryptography`` is installed.

    Raises
    ------
    MissingToolError
        With the line that installs it.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise MissingToolError(
            "Signatures need the package cryptography, which is not installed. "
            "Type: pip install 'eeg-edge[sign]'"
        ) from None


def generate(private: Path, public: Path, passphrase: bytes | None) -> str:
    """Make a key pair and write both halves as PEM; nothing is ever overwritten.

    Returns
    -------
    str
        The fingerprint of the public key.

    Raises
    ------
    UsageError
        When one of the files exists or cannot be written.
    """
    refuse_absent()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{str(path)!r} exists and is left alone. Give another --out.")
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    _write_new(private, pem, 0o600)
    _write_new(public, public_pem(key.public_key()), 0o644)
    return fingerprint(key.public_key())


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise UsageError(f"Cannot write {str(path)!r}: {error.strerror}.") from None


def read_private(path: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    """A private key from a PEM file.

    Raises
    ------
    UsageError
        When there is none, or the passphrase is missing or wrong.
    IncompatibleError
        When it is a key of another kind.
    """
    refuse_absent()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    data = read_bytes(path, MAX_KEY_BYTES)
    try:
        key = serialization.load_pem_private_key(data, passphrase)
    except TypeError:
        words = "needs its passphrase" if passphrase is None else "has no passphrase, leave it out"
        raise UsageError(
            f"The key {str(path)!r} {words}. Type it when --passphrase asks, or set "
            f"EDGE_KEY_PASSPHRASE."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(
            f"{str(path)!r} is not a private key in PEM, or the passphrase is wrong."
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE:
        raise IncompatibleError(
            f"{str(path)!r} is not an ECDSA key on P-256. Type 'edge keygen' for one."
        )
    return key


def read_public(path: Path) -> ec.EllipticCurvePublicKey:
    """A public key from a PEM file.

    Raises
    ------
    UsageError
        When there is none.
    IncompatibleError
        When it is no public key, or of another kind.
    """
    return parse_public(read_bytes(path, MAX_KEY_BYTES), str(path))


def parse_public(data: bytes, where: str) -> ec.EllipticCurvePublicKey:
    """A public key from PEM; ``where`` is named in the complaint."""
    refuse_absent()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise IncompatibleError(f"{where!r} is not a public key in PEM.") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != CURVE:
        raise IncompatibleError(f"{where!r} is not an ECDSA key on P-256.")
    return key


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as PEM."""
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """sha256 of the PEM, as model signing names keys."""
    return hashlib.sha256(public_pem(key)).hexdigest()
