# SPDX-License-Identifier: BSD-3-Clause
"""Run models in a process that can do nothing else: for bundles that nobody we trust has signed.

Native libraries parse a model file, and a hostile file may take them over. So one child process a
command loads the libraries, gives up everything but its own memory (:mod:`edge.bundle.sandbox`),
and only then is handed the file, through a pipe. Plain numbers come back, never objects. When it
crashes, the command ends with one line.

    with Child(["tflite"]) as child:
        session = child.load("tflite", "tflite", data)
        logits = session.values(windows)["logits"]
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EdgeError, IncompatibleError, of_code
from edge.targets.base import Content
from quantize.graph.qgraph import LOGITS

CPU_S = 900
"""CPU seconds of a command's models together, all threads."""
ANSWER_S = 900.0
"""Seconds until an answer; far beyond what any window takes."""
MAX_HEAD_BYTES = 2**20
MAX_DATA_BYTES = 2**31
KINDS = ("float32", "float64", "uint8")

Arrays = Mapping[str, NDArray[Any]]
Told = Callable[[Sequence[str]], None]


def _ignored(_: Sequence[str]) -> None:
    pass


class PipeClosedError(Exception):
    """The other end of the pipe is gone."""


def send(stream: IO[bytes], head: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Write a message: a length, JSON with names, types and shapes, then the numbers."""
    found = {name: np.ascontiguousarray(value) for name, value in (arrays or {}).items()}
    described = {name: [str(value.dtype), value.shape] for name, value in found.items()}
    text = json.dumps({**head, "arrays": described}).encode()
    try:
        stream.write(len(text).to_bytes(4, "little") + text)
        for value in found.values():
            stream.write(value.tobytes())
        stream.flush()
    except (BrokenPipeError, OSError):
        raise PipeClosedError from None


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a message; what is not one is :class:`PipeClosedError`, since nobody sane sent it."""
    length = int.from_bytes(_exactly(stream, 4), "little")
    if length > MAX_HEAD_BYTES:
        raise PipeClosedError
    try:
        head: dict[str, Any] = json.loads(_exactly(stream, length))
        described = {
            str(n): (np.dtype(k), tuple(map(int, s))) for n, (k, s) in head["arrays"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise PipeClosedError from None
    arrays = {}
    for name, (kind, shape) in described.items():
        size = math.prod(shape) * kind.itemsize
        if kind.name not in KINDS or min(shape, default=0) < 0 or size > MAX_DATA_BYTES:
            raise PipeClosedError
        arrays[name] = np.frombuffer(_exactly(stream, size), kind).reshape(shape)
    return head, arrays


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise PipeClosedError
    return data


@dataclass(frozen=True, eq=False)
class Session:
    """A model that the child has loaded; called as :class:`edge.targets.base.Session` is."""

    child: Child
    number: int
    title: str

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (n, n_outputs) of scaled windows (n, n_chans, n_times)."""
        return self.values(windows)[LOGITS]

    def values(self, windows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """All that the model gives for every window, by name, (n, n_values) each."""
        asked = {"do": "values", "number": self.number}
        _, arrays = self.child.ask(asked, {"windows": np.asarray(windows, np.float32)}, self.title)
        if any(len(rows) != len(windows) for rows in arrays.values()) or LOGITS not in arrays:
            raise IncompatibleError(f"{self.title} gave something else than logits.")
        return {name: np.asarray(rows, np.float32) for name, rows in arrays.items()}

    def block(self, window: NDArray[np.float32], count: int) -> list[float]:
        """Microseconds of ``count`` calls of the runtime, measured inside the child.

        One call that is not counted comes first; ``window`` is (n_chans, n_times).
        """
        asked = {"do": "block", "number": self.number, "count": count}
        _, arrays = self.child.ask(asked, {"windows": window[None]}, self.title)
        return [float(value) for value in arrays["us"]]


class Child:
    """The process; it is started by the first :meth:`load` and ends with the command.

    Parameters
    ----------
    targets
        Targets whose libraries are loaded before the process gives up what it may do.
    cpu_s
        CPU seconds that it may use; None for a stream.
    told
        Is told what this machine could not take away from it, in words.
    """

    def __init__(
        self, targets: Sequence[str], cpu_s: int | None = CPU_S, told: Told = _ignored
    ) -> None:
        self.targets = tuple(targets)
        self.cpu_s = cpu_s
        self.told = told
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.kill()
        process.wait()

    def load(
        self,
        target: str,
        runtime: str,
        content: Content,
        others: Sequence[str] = (),
        threads: int = 1,
    ) -> Session:
        """Load an artifact's content in the child.

        Raises
        ------
        MissingToolError
            When the runtime is not installed.
        IncompatibleError
            When the file is not a model, or the child crashed over it.
        """
        title = f"{runtime}: the model"
        parts = {"": content} if isinstance(content, bytes) else dict(content)
        arrays = {name: np.frombuffer(data, np.uint8) for name, data in parts.items()}
        asked = {
            "do": "load",
            "target": target,
            "runtime": runtime,
            "others": list(others),
            "threads": threads,
        }
        self.ask(asked, arrays, title)
        self._count += 1
        return Session(self, self._count - 1, title)

    def overhead_us(self, shape: tuple[int, int], repeats: int = 50) -> float:
        """What the pipe adds to one decision: median µs of sending a window and hearing back."""
        window = np.zeros((1, *shape), np.float32)
        times = []
        for _ in range(repeats):
            start = time.perf_counter_ns()
            self.ask({"do": "echo"}, {"windows": window}, "the child")
            times.append((time.perf_counter_ns() - start) / 1000)
        return float(np.median(times))

    def ask(
        self, asked: Mapping[str, Any], arrays: Arrays, title: str
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Send a request and wait for its answer.

        Raises
        ------
        EdgeError
            Of the kind that the child met, or an IncompatibleError where it crashed.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, asked, arrays)
            _await(process.stdout)
            head, found = receive(process.stdout)
        except PipeClosedError:
            raise self._crashed(title) from None
        if "error" in head:
            raise _error(head)
        return head, found

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "edge.bundle.child_main",
            ",".join(self.targets),
            str(self.cpu_s or ""),
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
        )
        assert self._process.stdout is not None
        try:
            _await(self._process.stdout)
            head, _ = receive(self._process.stdout)
        except PipeClosedError:
            raise self._crashed("the process that runs models") from None
        self.told(tuple(str(word)[:200] for word in head.get("absent", ())))
        return self._process

    def _crashed(self, title: str) -> IncompatibleError:
        """The error of a process that is gone or talks nonsense, and its end."""
        process = self._process
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        code = process.poll()
        self.close()
        if code is None:
            how = "gave no sensible answer"
        elif code < 0:
            how = f"crashed its process ({signal.Signals(-code).name})"
        else:
            how = f"ended its process (exit code {code})"
        return IncompatibleError(
            f"{title} {how}; it was loaded apart from edge and harmed nothing. The file is damaged "
            f"or hostile: get the bundle again from who made it."
        )


def _await(stream: IO[bytes]) -> None:
    """Wait until an answer begins."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        if not selector.select(ANSWER_S):
            raise PipeClosedError


def _error(head: Mapping[str, Any]) -> EdgeError:
    """The child's error as ours; its words are printable and short, whoever chose them."""
    words = "".join(c if c.isprintable() else " " for c in str(head["error"]))[:500]
    try:
        kind = of_code(int(head["code"]))
    except (KeyError, ValueError, StopIteration):
        kind = IncompatibleError
    return kind(words)


def _environment() -> dict[str, str]:
    """The child imports what we import, in the same order."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
