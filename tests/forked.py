# SPDX-License-Identifier: BSD-3-Clause
"""Run ``edge`` in processes that start with the libraries imported.

Importing PyTorch, ExecuTorch, braindecode and MNE takes seven seconds of a processor, which is most
of what a short command takes. One process imports them once, touches nothing of them, and forks
for each command: the child gets the command's arguments, folder and descriptors, and goes the way
of ``python -m edge`` from there to its end. Tests of what an import says or costs, or of the
environment, start Python afresh (``edge(..., env=...)``).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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

    def run(self, arguments: Sequence[str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
        """Run one command and wait for its end."""
        folder = Path(self._folder.name)
        out, err = folder / "out", folder / "err"
        where = str(cwd if cwd is not None else Path.cwd())
        request = {
            "arguments": list(arguments),
            "cwd": where,
            "out": str(out),
            "err": str(err),
            "variables": self._variables(),  # as they are now: a test may have set HOME
        }
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that forks has ended: {err.read_text()}")
        code, cost_s = answer.split()
        Server.processor_s += float(cost_s)
        texts = (path.read_text(encoding="utf-8") for path in (out, err))
        return subprocess.CompletedProcess(list(arguments), int(code), *texts)

    def close(self) -> None:
        """End the process; its children have ended."""
        if self._process is not None:
            self._process.communicate()
        self._folder.cleanup()

    def _variables(self) -> dict[str, str]:
        """The environment as it is now, without the Hub and without threads."""
        variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHONWARN")}
        hub = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(Path(self._folder.name) / "hf")}
        one_thread = {"OMP_NUM_THREADS": "1"}  # a thread would not survive the fork
        return variables | hub | one_thread

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            env=self._variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Fork for every request; returns in a child alone, which is to be the command."""
    for line in iter(requests.readline, ""):
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(**request)
            return
        signal.signal(signal.SIGALRM, lambda *_, child=child: os.kill(child, signal.SIGKILL))
        signal.alarm(TIMEOUT_S)
        _, status, used = os.wait4(child, 0)
        signal.alarm(0)
        cost_s = used.ru_utime + used.ru_stime
        answers.write(f"{os.waitstatus_to_exitcode(status)} {cost_s}\n")
        answers.flush()
    os._exit(0)


def _become(arguments: list[str], cwd: str, out: str, err: str, variables: dict[str, str]) -> None:
    """Take over what a new process would have been started with."""
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["edge", *arguments]
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Import, fork, and be the command."""
    requests = os.fdopen(os.dup(0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    sys.path[0] = str(Path(__file__).parents[1])
    for name in HEAVY:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    serve(requests, answers)
    from edge.__main__ import run

    run()


if __name__ == "__main__":
    main()
