# SPDX-License-Identifier: BSD-3-Clause
"""Write a bundle's folder beside its destination, and rename it when it is complete.

So the destination holds the old bundle or the new one, and never a mixture.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.bundle.types import MANIFEST
from edge.errors import UsageError
from edge.targets.base import Content
from quantize import plain


def is_bundle(folder: Path) -> bool:
    """Return whether a folder looks like something that :func:`writing` wrote."""
    try:
        document = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and "artifacts" in document and "schema_version" in document


def refuse_destination(
    out: Path, is_ours: Callable[[Path], bool] = is_bundle, kind: str = "a bundle"
) -> None:
    """Raise unless ``out`` may become a bundle, or what else ``is_ours`` recognizes.

    Raises
    ------
    UsageError
        When it is there and is neither one nor an empty folder, or cannot be made.
    """
    if out.exists() and not is_ours(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(
            f"--out {str(out)!r} exists and is not {kind}; it is left alone. "
            f"Give another folder, or remove it first."
        )
    refuse_parent(out)


def refuse_parent(out: Path) -> None:
    """Raise unless the folder that ``out`` is to be made in exists and can be written."""
    if not out.absolute().parent.is_dir():
        raise UsageError(
            f"--out {str(out)!r} cannot be made: {str(out.absolute().parent)!r} is not a folder. "
            f"Make it first."
        )
    _temporary(out).rmdir()


def _temporary(out: Path) -> Path:
    """A new hidden folder beside ``out``."""
    out = out.absolute()
    try:
        return Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UsageError(f"Cannot write beside {str(out)!r}: {error.strerror}.") from None


def clear(out: Path) -> None:
    """Remove what processes that were killed while :func:`writing` left; nobody else may write."""
    for torn in out.parent.glob(f".{glob.escape(out.name)}.{'?' * 8}"):
        shutil.rmtree(torn, ignore_errors=True)


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``out`` when the block ends without error.

    Raises
    ------
    UsageError
        When the folder cannot be written.
    """
    out = out.absolute()
    temporary = _temporary(out)
    try:
        temporary.chmod(0o755)
        yield temporary
        _replace(out, temporary)
    except OSError as error:
        raise UsageError(
            f"Cannot write {str(out)!r}: {error.strerror}. Nothing was changed."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(out: Path, temporary: Path) -> None:
    """Swap a finished folder in; the old one comes back if that fails."""
    if not out.exists():
        temporary.rename(out)
    elif not _exchange(out, temporary):
        _replace_in_two_steps(out, temporary)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step, so that there is no moment without; Linux only.

    Returns
    -------
    bool
        Whether that was possible here.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    at_cwd, swap = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <linux/fs.h>
    done: int = rename(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), swap)
    return done == 0


def _replace_in_two_steps(out: Path, temporary: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old)
    try:
        temporary.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_content(path: Path, content: Content) -> None:
    """Write an artifact: a file, or a folder of files."""
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    path.mkdir()
    for name, data in content.items():
        (path / name).write_bytes(data)


def read_content(path: Path) -> Content:
    """Read what :func:`write_content` wrote."""
    if path.is_file():
        return path.read_bytes()
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def content_sha256(content: Content) -> str:
    """Return the sha256 of an artifact, see :class:`~edge.spec.Artifact`."""
    return plain.sha256(_joined(content))


def content_bytes(content: Content) -> int:
    """Return the size of an artifact."""
    return len(_joined(content))


def _joined(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    return b"".join(content[name] for name in sorted(content))


def checksums(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file but the manifest, by name in the folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {str(p.relative_to(folder)): plain.sha256(p.read_bytes()) for p in files}
