# SPDX-License-Identifier: BSD-3-Clause
"""Run ``edge`` in processes that start with the libraries imported.

Importing PyTorch, ExecuTorch, braindecode and MNE takes seven seconds of a processor, which is most
of what a short command takes. One process imports them once, touches nothing of them, and forks
for each command: the child gets the command's arguments, folder, variables and descriptors, and
goes the way of ``python -m edge`` from there to its end. ``tests/forked_command.py`` stands for
``edge`` where a shell types it. Tests of what an import says or costs, or of how the environment
is read at the start, start Python afresh (``edge(..., env=...)``).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar

HEAVY = (
    *("edge", "torch", "mne", "braindecode.models", "executorch.exir", "torchao", "onnx"),
    *("scipy.signal", "scipy.stats", "pydantic", "jinja2", "rich.console"),
)
"""``edge`` first: it makes braindecode importable where there is no torchaudio. No
onnxruntime: it starts a thread, which a fork leaves behind and its end waits for."""

TIMEOUT_S = 900
"""After this a command is killed, so that a test fails where it would hang."""
CLIENT = Path(__file__).with_name("forked_command.py")
MAX_REQUEST = 1 << 20


class Server:
    """The process that forks, started with the first command.

    Attributes
    ----------
    processor_s
        Processor time that the commands have taken so far, of all servers of this process.
    """

    processor_s: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="edge-forked-")

    def run(
        self, arguments: Sequence[str], cwd: Path | None, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one command, with variables added to the environment, and wait for its end."""
        out, err = (Path(self._folder.name) / name for name in ("out", "err"))
        with out.open("wb") as said, err.open("wb") as told:
            connection = self._ask(arguments, cwd, variables, said.fileno(), told.fileno())
        process = Process(connection)
        code = process.wait()
        Server.processor_s += process.processor_s
        texts = (path.read_text(encoding="utf-8") for path in (out, err))
        return subprocess.CompletedProcess(list(arguments), code, *texts)

    def start(self, arguments: Sequence[str], cwd: Path) -> Process:
        """Start one command whose stderr is read as it is written."""
        reading, writing = os.pipe()
        try:
            connection = self._ask(arguments, cwd, {}, writing, writing)
        finally:
            os.close(writing)
        return Process(connection, os.fdopen(reading, encoding="utf-8"))

    def _ask(
        self,
        arguments: Sequence[str],
        cwd: Path | None,
        variables: Mapping[str, str],
        out: int,
        err: int,
    ) -> socket.socket:
        """Send a request and return the connection that the answer will come on."""
        request = {
            "arguments": [*map(str, arguments)],
            "cwd": str(cwd if cwd is not None else Path.cwd()),
            "variables": self._variables()
            | dict(variables),  # as they are now: a test may set HOME
        }
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address())
        with Path(os.devnull).open("rb") as nothing:
            descriptors = [nothing.fileno(), out, err]
            socket.send_fds(connection, [json.dumps(request).encode()], descriptors)
        connection.shutdown(socket.SHUT_WR)
        return connection

    def program(self) -> str:
        """Return what a shell runs for ``edge``, up to its arguments."""
        return shlex.join([sys.executable, "-S", "-E", str(CLIENT), self._address()])

    def close(self) -> None:
        """End the process; its children have ended."""
        if self._process is not None:
            self._process.communicate()
        self._folder.cleanup()

    def _address(self) -> str:
        if self._process is None:
            address = str(Path(self._folder.name) / "socket")
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", __file__, address],
                env=self._variables(),
                stdin=subprocess.PIPE,  # its end is the server's
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._process.stdout is not None
            self._process.stdout.readline()
        return str(Path(self._folder.name) / "socket")

    def _variables(self) -> dict[str, str]:
        """The environment as it is now, without the Hub and without threads."""
        variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHONWARN")}
        hub = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(Path(self._folder.name) / "hf")}
        one_thread = {"OMP_NUM_THREADS": "1"}  # a thread would not survive the fork
        return variables | hub | one_thread


class Process:
    """A command that runs, as far as tests use :class:`subprocess.Popen`.

    Attributes
    ----------
    pid
        Of the command itself.
    stderr
        What it writes, where it was started to be read.
    processor_s
        Processor time that it took, when it has ended.
    """

    def __init__(self, connection: socket.socket, stderr: IO[str] | None = None) -> None:
        self._answers = connection.makefile("rb", buffering=0)  # for select: nothing is read ahead
        connection.close()
        self.pid = int(self._line())
        self.stderr = stderr
        self.processor_s = 0.0
        self._code: int | None = None

    def send_signal(self, number: int) -> None:
        """Send the command a signal."""
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        ready, _, _ = select.select([self._answers], [], [], 0)
        return self.wait() if ready else self._code

    def wait(self) -> int:
        """Wait for the end and return the exit status, negative for a signal."""
        if self._code is None:
            code, cost_s = self._line().split()
            self._code, self.processor_s = int(code), float(cost_s)
            self._answers.close()
        return self._code

    def _line(self) -> str:
        line = self._answers.readline().decode()
        if not line:
            raise RuntimeError("the process that forks has ended")
        return line


def serve(listening: socket.socket) -> None:
    """Fork for every request; returns in a child alone, which is to be the command.

    A command is waited for by a process of its own, so that commands of a pipe run side by side.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in ready:  # closed: who started this has ended
            os._exit(0)
        connection, _ = listening.accept()
        with connection:
            if os.fork() == 0:
                listening.close()
                if _run(connection):
                    return


def _run(connection: socket.socket) -> bool:
    """Fork the command and answer when it has ended; True in the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, descriptors, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
    while part := connection.recv(MAX_REQUEST):
        text += part
    child = os.fork()
    if child == 0:
        connection.close()
        _become(descriptors=descriptors, **json.loads(text))
        return True
    connection.sendall(f"{child}\n".encode())
    for descriptor in descriptors:
        os.close(descriptor)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(TIMEOUT_S)
    _, status, used = os.wait4(child, 0)
    signal.alarm(0)
    cost_s = used.ru_utime + used.ru_stime
    with contextlib.suppress(BrokenPipeError):  # who asked has gone
        connection.sendall(f"{os.waitstatus_to_exitcode(status)} {cost_s}\n".encode())
    os._exit(0)


def _become(
    arguments: list[str], cwd: str, variables: dict[str, str], descriptors: list[int]
) -> None:
    """Take over what a new process would have been started with."""
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    for number, opened in enumerate(descriptors):
        os.dup2(opened, number)
        os.close(opened)
    more = variables.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [path for path in more if path and path not in sys.path]
    sys.argv = ["edge", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Import, listen, fork, and be the command."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(sys.argv[1])
    listening.listen()
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    sys.path[0] = str(Path(__file__).parents[1])
    for name in HEAVY:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    os.write(out, b"ready\n")
    os.close(out)
    serve(listening)
    from edge.__main__ import run

    run()


if __name__ == "__main__":
    main()
