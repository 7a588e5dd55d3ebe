# SPDX-License-Identifier: BSD-3-Clause
"""Open a session on a device by the system's ``ssh``, which knows keys, agents and jump hosts.

There is one connection. A line of shell makes a folder there and says what the device is; then the
parcel is sent, unpacked and run. The folder goes when the shell ends, whatever ended it: everything
that runs there ends with its stdin, which closes when the link breaks, or when nothing has come for
a minute.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO

from edge.errors import MissingToolError, UsageError

OPTIONS = "EDGE_SSH_OPTIONS"
"""Environment variable with more options for ssh, e.g. ``-F config``."""
DEFAULTS = ("-T", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=10")
ADDRESS = "://[user@]host[:port][/python]"
BEAT_S = 10.0
NO_FOLDER, NO_PYTHON, NO_SPACE = 73, 69, 74
"""Exit codes of the device's shell."""

_SHELL = r"""
umask 077
d=$(mktemp -d "${TMPDIR:-/tmp}/edge-bench.XXXXXX") || exit 73
trap "rm -rf \"$d\"" EXIT
trap "exit 1" HUP INT TERM
cd "$d" || exit 73
p=PYTHON
if [ -z "$p" ]; then p=$(command -v python3) || p=; else command -v "$p" >/dev/null || exit 69; fi
[ -z "$p" ] || "$p" -c "import sys; sys.exit(sys.version_info < (3, 9))" || p=
echo "edge-device $(uname -m) $(grep -c asimddp /proc/cpuinfo) ${p:-none}"
cpu=$(grep -m1 -E "^(model name|Model)" /proc/cpuinfo | cut -d: -f2)
governor=$(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null)
echo "$cpu|$(grep -c ^processor /proc/cpuinfo)|$(uname -srm)|$governor|$(cat /proc/loadavg)"
read -r n
head -c "$n" >parcel.tar && tar xf parcel.tar && rm parcel.tar || exit 74
echo unpacked
if [ -n "$p" ]; then "$p" runner.pyz plan.json; else ./engine windows.bin logits.bin; fi
exit $?
"""
"""What the device's ``sh`` is given, in one line and without a single quote, so that every login
shell passes it on as it is. dash and busybox have all that it needs."""


@dataclass(frozen=True)
class Address:
    """Where a device is, and its Python; None stands for the ``python3`` of its path."""

    text: str
    host: str
    port: str | None
    python: str | None

    def arguments(self) -> list[str]:
        """Return what a user types behind ``ssh`` to reach it."""
        port = [] if self.port is None else ["-p", self.port]
        return [*shlex.split(os.environ.get(OPTIONS, "")), *port, self.host]


def parse(device: str) -> Address:
    """Parse ``ssh://[user@]host[:port][/python]``.

    Raises
    ------
    UsageError
        When it is written otherwise.
    """
    found = re.fullmatch(
        r"ssh://(?P<host>(?:[^-@/\s:][^@/\s:]*@)?(?:\[[0-9a-fA-F:.]+\]|[^-:/@\s\[][^:/@\s]*))"
        r"(?::(?P<port>\d+))?(?P<python>/[\w./+-]+)?",
        device,
    )
    if found is None:
        raise UsageError(
            f"Invalid value for '--device'. {device!r} is not ssh{ADDRESS}, "
            f"e.g. ssh://pi@raspberrypi.local."
        )
    host = found["host"].replace("[", "").replace("]", "")
    return Address(device, host, found["port"], found["python"])


@dataclass(frozen=True)
class Session:
    """An open connection: what the device said of itself, and its two streams.

    Attributes
    ----------
    architecture
        ``uname -m``.
    has_dot_product
        Whether an aarch64 has SDOT.
    has_python
        Whether the runner can run; otherwise the C engine alone.
    around
        The device's environment, as :func:`benchmarks.measure.machine.machine` has it.
    """

    address: Address
    architecture: str
    has_dot_product: bool
    has_python: bool
    around: Mapping[str, str]
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def send(self, data: bytes) -> None:
        """Write to the device; a broken link shows when it is read from."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def line(self) -> str:
        """Return the next line that the device says.

        Raises
        ------
        UsageError
            When there is none, with what ssh said.
        """
        assert self.process.stdout is not None
        text = self.process.stdout.readline().decode(errors="replace")
        if not text.endswith("\n"):
            raise self.broken()
        return text.strip()

    def broken(self) -> UsageError:
        """Say why the device says nothing any more."""
        code = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        last = said[-1].strip() if said else f"exit code {code}"
        where = repr(self.address.text)
        if code == NO_FOLDER:
            return UsageError(f"{where} has no folder for temporary files: {last}")
        if code == NO_PYTHON:
            return UsageError(f"{where} has no Python at {self.address.python!r}.")
        if code == NO_SPACE:
            return UsageError(f"{where} cannot store the benchmark; is its disk full? {last}")
        if not self.architecture:
            tried = shlex.join(["ssh", *self.address.arguments(), "true"])
            return UsageError(f"Cannot log in to {where}: {last.rstrip('.')}. Try: {tried}")
        return UsageError(
            f"The link to {where} broke while measuring, nothing of it is reported: {last}"
        )

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Tell the device every few seconds that we are still here."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(BEAT_S):
                self.send(b"\n")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@contextlib.contextmanager
def connect(address: Address) -> Iterator[Session]:
    """Log in and let the device say what it is; the connection closes with the block.

    Raises
    ------
    MissingToolError
        When there is no ``ssh`` here.
    UsageError
        When the device cannot be reached, with the command to try.
    """
    ssh = shutil.which("ssh")
    if ssh is None:
        raise MissingToolError("ssh is not installed. Type: apt-get install openssh-client")
    script = "; ".join(_SHELL.strip().splitlines()).replace("PYTHON", address.python or "")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [ssh, *DEFAULTS, *address.arguments(), f"exec sh -c '{script}'"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            yield _greeted(Session(address, "", False, False, {}, process, errors))
        finally:
            _close(process)


def _greeted(session: Session) -> Session:
    line = session.line()
    while not line.startswith("edge-device "):  # a message of the day
        line = session.line()
    _, architecture, dots, python = line.split(maxsplit=3)
    said = (part.strip() or "unknown" for part in session.line().split("|"))
    around = dict(zip(("cpu", "cores", "system", "governor", "load_average"), said, strict=True))
    return replace(
        session,
        architecture=architecture,
        has_dot_product=dots != "0",
        has_python=python != "none",
        around={**around, "load_average": around["load_average"].split()[0]},
    )


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close stdin, which ends what runs there, and wait until its folder is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdin = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=10)
    process.kill()
    process.wait()
    process.stdout.close()
