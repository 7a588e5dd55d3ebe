# SPDX-License-Identifier: BSD-3-Clause
"""Write a bundle's folder beside its destination, and rename it when it is complete.

So the destination holds the old bundle or the new one, and never a mixture.
"""

from __future__ import annotations

import ctypes
import fcntl
import glob
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.bundle.types import MANIFEST, UNLISTED
from edge.errors import EdgeError, UsageError
from edge.targets.base import Content
from quantize import plain, reading
from quantize.reading import read_bytes

Owned = Callable[[Path], "frozenset[str] | None"]
"""Names of the files that we wrote into a folder, relative to it; None where it is not ours."""


def is_bundle(folder: Path) -> bool:
    """Whether a folder looks like something :func:`writing` wrote."""
    return owned_by_bundle(folder) is not None


def owned_by_bundle(folder: Path) -> frozenset[str] | None:
    """Names of a bundle's files as its manifest lists them; None where it is no bundle."""
    try:
        document = plain.parse(read_bytes(folder / MANIFEST, plain.MAX_BYTES), MANIFEST)
    except EdgeError:
        return None
    if not (isinstance(document, dict) and {"artifacts", "schema_version"} <= document.keys()):
        return None
    names = document.get("files")
    listed = [name for name in names if isinstance(name, str)] if isinstance(names, dict) else []
    return frozenset((*listed, MANIFEST, *UNLISTED))


def refuse_destination(out: Path, owned: Owned = owned_by_bundle, kind: str = "a bundle") -> None:
    """Raise unless ``out`` may become a bundle, or what else ``owned`` recognizes.

    Raises
    ------
    UsageError
        When it is there and is neither one nor an empty folder, is a symbolic link, holds files of
        somebody else's, or cannot be made.
    """
    if out.is_symlink():
        raise UsageError(
            f"--out {str(out)!r} is a symbolic link; it is left alone. "
            f"Type the folder that it leads to: --out {out.resolve()}"
        )
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        ours = owned(out)
        if ours is None:
            raise UsageError(
                f"--out {str(out)!r} exists and is not {kind}; it is left alone. "
                f"Give another folder, or remove it first."
            )
        _refuse_foreign(out, ours)
    refuse_parent(out)


def _refuse_foreign(out: Path, ours: frozenset[str]) -> None:
    """Raise where a folder that would be replaced holds files that we did not write."""
    files = (path for path in out.rglob("*") if path.is_symlink() or not path.is_dir())
    foreign = sorted({str(path.relative_to(out)) for path in files} - ours)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise UsageError(
            f"--out {str(out)!r} holds a file that edge did not write, {foreign[0]!r}{more}, and "
            f"would be replaced; it is left alone. Move what is yours, or give another folder."
        )


def refuse_parent(out: Path) -> None:
    """Raise unless the folder that ``out`` is to be made in exists and can be written."""
    if not out.absolute().parent.is_dir():
        raise UsageError(
            f"--out {str(out)!r} cannot be made: {str(out.absolute().parent)!r} is not a folder. "
            f"Make it first."
        )
    with _temporary(out):
        pass


@contextmanager
def _temporary(out: Path) -> Iterator[Path]:
    """A new hidden folder beside ``out``, locked as long as the block runs, and gone after it.

    The kernel gives the lock back when the process dies, however it dies; so :func:`sweep` knows
    what nobody works on.
    """
    out = out.absolute()
    sweep(out)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"Cannot write beside {str(out)!r}: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


YOUNG_S = 10.0
"""A folder that is younger may not have its lock yet."""


def sweep(out: Path, young_s: float = YOUNG_S) -> None:
    """Remove what processes that were killed left beside ``out``, unless it is very young."""
    for torn in out.absolute().parent.glob(f".{glob.escape(out.name)}.*"):
        if not re.fullmatch(r"(old\.)?\w{8}", torn.name[len(out.name) + 2 :]):
            continue
        try:
            lock = os.open(torn, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(lock).st_ctime >= young_s:
                shutil.rmtree(torn, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``out`` when the block ends without error.

    Its bytes are on the disk before it is renamed, so that a power cut leaves the old folder or the
    new one, whole.

    Raises
    ------
    UsageError
        When the folder cannot be written.
    """
    out = out.absolute()
    try:
        with _temporary(out) as temporary:
            temporary.chmod(0o755)
            yield temporary
            for path in (*temporary.rglob("*"), temporary):
                _sync(path)
            _replace(out, temporary)
            _sync(out.parent)
    except OSError as error:
        raise UsageError(
            f"Cannot write {str(out)!r}: {error.strerror}. Nothing was changed."
        ) from error


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    """What :func:`write_content` wrote."""
    if not path.is_dir():
        return read_bytes(path, reading.MAX_FILE_BYTES)
    names = reading.walk(path)
    return {name: read_bytes(path / name, reading.MAX_FILE_BYTES) for name in names}


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
