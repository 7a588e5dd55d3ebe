# SPDX-License-Identifier: BSD-3-Clause
"""Judge what a reader makes of a damaged file: a value, or one line with an exit code; no more.

A fault is any other exception, a message of several lines or of none, 20 s without an answer, or
500 MB beyond the file. Memory is limited by the kernel, so that MemoryError is what shows it.
"""

from __future__ import annotations

import contextlib
import hashlib
import resource
import shutil
import signal
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import EdgeError, ExitCode
from tests.fuzz import mutations

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
MEMORY_BYTES = 500 * 2**20

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Surface:
    """A reader of files that the user did not make, with good files to damage.

    Attributes
    ----------
    name
        As ``make fuzz SURFACE=`` takes it.
    seeds
        Good files by name in one folder; the first byte of an input says which is replaced.
    read
        What reads the folder, given the name of the file that was replaced.
    """

    name: str
    seeds: Files
    read: Callable[[Path, str], object]
    fixed: Files = field(default_factory=dict)

    def inputs(self) -> list[bytes]:
        """Every good file as an input."""
        return [bytes([i]) + content for i, content in enumerate(self.seeds.values())]

    def split(self, given: bytes) -> tuple[str, bytes]:
        """Return the name of the file that an input replaces, and its content."""
        names = list(self.seeds)
        return names[(given[0] if given else 0) % len(names)], given[1:]

    def mutated(self, given: bytes, seed: int) -> bytes:
        """Return an input with its file damaged as its format is built; seldom as another file."""
        name, content = self.split(given)
        rng = mutations.Rng(seed)
        chosen = list(self.seeds).index(name) if rng.random() < 0.99 else rng.randrange(256)
        return bytes([chosen]) + mutations.mutation(name)(content, rng)


class HangError(BaseException):
    """Raised by the clock; no reader's ``except Exception`` takes it."""


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Allow :data:`MEMORY_BYTES` more than there are, and no core dump."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        pages = int(file.read().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    allowed = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (allowed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextlib.contextmanager
def opened(surface: Surface) -> Iterator[Path]:
    """Make a folder in memory that holds a surface's good files."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="edge-fuzz-", dir=place))
    try:
        for name, content in {**surface.fixed, **surface.seeds}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def judge(surface: Surface, folder: Path, given: bytes) -> str:
    """Return what is wrong with how an input was taken; empty where nothing is."""
    name, content = surface.split(given)
    (folder / name).write_bytes(content)
    try:
        return verdict(lambda: surface.read(folder, name))
    finally:
        (folder / name).write_bytes(surface.seeds[name])


def verdict(read: Callable[[], object]) -> str:
    """Return what is wrong with how something was read; empty where nothing is."""

    def ring(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read()
    except EdgeError as error:
        return _of_message(error)
    except HangError:
        return f"no answer within {SECONDS} s\n{traceback.format_exc()}"
    except BaseException as error:  # SystemExit and KeyboardInterrupt are faults, too
        return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return ""


def _of_message(error: EdgeError) -> str:
    text = str(error)
    if error.exit_code in (ExitCode.DONE, ExitCode.BUG):
        return f"exit code {error.exit_code} for {text!r}"
    if not text or "\n" in text or len(text) > 1500 or not text.isprintable():
        return f"not one line: {text!r:.3000}"
    return ""


def kept_name(name: str, content: bytes) -> str:
    """Return what a damaged file is called in the corpus, after the file whose place it takes."""
    return f"{name.replace('/', '__')}.{hashlib.sha256(content).hexdigest()[:12]}"


def kept_input(surface: Surface, path: Path) -> bytes:
    """Return a file of the corpus as an input."""
    name = path.name.rpartition(".")[0].replace("__", "/")
    return bytes([list(surface.seeds).index(name)]) + path.read_bytes()


def place_of(fault: str) -> str:
    """Return where a fault was raised, by which equal ones are known."""
    lines = [line.strip() for line in fault.splitlines() if line.strip().startswith("File ")]
    ours = [line for line in lines if "/tests/" not in line and "site-packages" not in line]
    return f"{fault.partition(':')[0][:60]} {ours[-1] if ours else ''} {lines[-1] if lines else ''}"
