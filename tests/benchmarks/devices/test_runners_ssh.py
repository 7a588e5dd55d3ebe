# SPDX-License-Identifier: BSD-3-Clause
"""Devices behind ssh: a real ``sshd`` on 127.0.0.1 with throw-away keys, and how links fail.

Every key is a device of its own: what it may run is set by ``command=`` in authorized_keys.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path

import pytest

from benchmarks.devices import link, parcel
from benchmarks.measure.findings import Request
from benchmarks.measure.protocol import Protocol
from edge.bundle import read as bundle
from edge.errors import UsageError
from tests.conftest import Edge

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
if SSHD is None or shutil.which("ssh") is None:
    pytest.skip("apt-get install openssh-server", allow_module_level=True)
pytest.importorskip("ziglang", reason="ziglang is not installed: pip install '.[firmware]'")

BARE_TOOLS = ("sh", "mktemp", "rm", "uname", "grep", "cut", "cat", "head", "tar")
ENVIRONMENTS = {
    "library": f"PATH={Path(sys.executable).parent}:$PATH",
    "bare": "PATH={folder}/bin",
    "python": "PATH=/usr/bin:/bin",
    "full": "ulimit -f 200; PATH={folder}/bin",
    "unwritable": "TMPDIR=/proc",
}
"""What a device has: every runtime, no Python, Python without a runtime, a full disk."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keys, configuration and the devices' folder for temporary files, with ``sshd`` running."""
    made = tmp_path_factory.mktemp("ssh")
    (made / "tmp").mkdir()
    (made / "bin").mkdir()
    for tool in BARE_TOOLS:
        (made / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    for key in ("host", "other", "stranger", *ENVIRONMENTS):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made / key)]
        subprocess.run(command, check=True)
    port = _configure(made)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd drops its privileges
    assert SSHD is not None
    command = [SSHD, "-D", "-E", str(made / "log"), "-f", str(made / "sshd_config")]
    with subprocess.Popen(command) as server:
        _wait_for(port, made)
        yield made
        server.terminate()


def _configure(made: Path) -> int:
    """Write every file of ssh's and of sshd's; a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (made / "authorized_keys").write_text(
        "".join(
            f'command="TMPDIR={made}/tmp; export TMPDIR; export {environment.format(folder=made)}; '
            f'exec /bin/sh -c \\"$SSH_ORIGINAL_COMMAND\\"" {(made / f"{name}.pub").read_text()}'
            for name, environment in ENVIRONMENTS.items()
        ).replace("export ulimit -f 200; ", "ulimit -f 200; export ")
    )
    (made / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {made}/host\nPidFile none\n"
        f"AuthorizedKeysFile {made}/authorized_keys\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    for name in ("host", "other"):
        (made / f"known_{name}").write_text(f"* {(made / f'{name}.pub').read_text()}")
    hosts = "".join(
        f"Host {name}\n  IdentityFile {made}/{name}\n" for name in (*ENVIRONMENTS, "stranger")
    )
    (made / "config").write_text(
        f"Host imposter\n  IdentityFile {made}/bare\n  UserKnownHostsFile {made}/known_other\n"
        f"Host twin\n  IdentityFile {made}/bare\n{hosts}"
        f"Host *\n  HostName 127.0.0.1\n  Port {port}\n  IdentitiesOnly yes\n  BatchMode yes\n"
        f"  UserKnownHostsFile {made}/known_host\n  GlobalKnownHostsFile /dev/null\n"
    )
    return port


def _wait_for(port: int, made: Path) -> None:
    for _ in range(100):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"sshd does not listen: {(made / 'log').read_text()}")


@pytest.fixture
def options(folder: Path) -> dict[str, str]:
    """The environment in which ``edge`` finds the devices."""
    return {link.OPTIONS: f"-F {folder}/config"}


def left(folder: Path) -> list[Path]:
    """Folders of ours on the device; ONNX Runtime leaves a file of its own."""
    return list((folder / "tmp").glob("edge-bench.*"))


Found = dict[tuple[str, str, str], set[str]]


def figures(document: dict[str, object]) -> Found:
    """Metrics by device, target and precision."""
    found: Found = {}
    results = document["results"]
    assert isinstance(results, list)
    for r in results:
        found.setdefault((r["device"], r["target"], r["precision"]), set()).add(r["metric"])
    return found


LATENCY = {"latency_median_us", "latency_p95_us", "latency_p99_us", "latency_spread"}
ENGINE = LATENCY | {"golden_max_steps", "load_us", "resident_bytes", "file_bytes"}
ENGINE |= {"planned_bytes"}
SHORT = ("--limit-s", "1", "--json")


def test_runtimes(
    edge: Edge, eca_bundle: Path, tmp_path: Path, folder: Path, options: dict[str, str]
) -> None:
    """Every runtime that is there, checked, timed and loaded anew; nothing stays behind."""
    done = edge(
        "bench", eca_bundle, "--device", "ssh://library", "--target", "tflite,onnx,c", *SHORT,
        cwd=tmp_path, env=options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    loaded = LATENCY | {"load_us", "resident_bytes", "file_bytes", "planned_bytes"}
    device = "ssh://library"
    assert figures(document) == {
        (device, "tflite", "float"): loaded | {"golden_max_relative_error"},
        (device, "tflite", "int8"): loaded | {"golden_max_steps"},
        (device, "onnx", "float"): loaded | {"golden_max_relative_error"},
        (device, "onnx", "int8"): loaded | {"golden_max_steps"},
        (device, "c", "int8"): ENGINE,
    }
    exact = {(r["target"], r["value"]) for r in document["results"] if r["metric"][:6] == "golden"}
    assert ("c", 0) in exact
    assert document["devices"][device]["cpu"] == document["machine"]["cpu"]
    lines = (tmp_path / "edge-eca-int8.bench.jsonl").read_text().splitlines()[1:]
    assert {json.loads(line)["device"] for line in lines} == {device}
    assert not left(folder)


def test_two_devices_are_two_runs(
    edge: Edge, eca_bundle: Path, tmp_path: Path, folder: Path, options: dict[str, str]
) -> None:
    """Without Python the C engine alone; one table holds what two commands would give."""

    def run(*devices: str) -> Found:
        wanted = [word for device in devices for word in ("--device", device)]
        done = edge("bench", eca_bundle, *wanted, *SHORT, cwd=tmp_path, env=options)
        assert done.returncode == 0, done.stderr
        return figures(json.loads(done.stdout))

    both = run("ssh://bare", "ssh://twin")
    assert both == {(f"ssh://{name}", "c", "int8"): ENGINE for name in ("bare", "twin")}
    assert both == run("ssh://bare") | run("ssh://twin")
    assert not left(folder)


FAILURES = {
    "imposter": (2, "Cannot log in to 'ssh://imposter': Host key verification failed."),
    "stranger": (2, "Cannot log in to 'ssh://stranger': *: Permission denied (publickey)."),
    "full": (2, "'ssh://full' cannot store the benchmark; is its disk full? *"),
    "unwritable": (2, "'ssh://unwritable' has no folder for temporary files: *"),
    "python": (6, "ssh://python cannot run it: No module named *. Type there: pip install *"),
}


@pytest.mark.parametrize("device", FAILURES)
def test_failures(
    device: str,
    edge: Edge,
    eca_bundle: Path,
    tmp_path: Path,
    folder: Path,
    options: dict[str, str],
) -> None:
    """One line that says which device, what ssh or the device said, and what to try."""
    if device == "python" and shutil.which("python3", path="/usr/bin:/bin") is None:
        pytest.skip("no Python of the system's here")
    target = "tflite" if device == "python" else "c"
    asked = ("bench", eca_bundle, "--device", f"ssh://{device}", "--target", target, *SHORT)
    done = edge(*asked, cwd=tmp_path, env=options)
    code, message = FAILURES[device]
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    last = done.stderr.splitlines()[-1]
    assert fnmatch(last, f"edge: {message}*")
    if "Cannot log in" in message:
        assert last.endswith(f"Try: ssh -F {folder}/config {device} true")
    assert not left(folder)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("device", ["library", "bare"])
def test_link_that_breaks(
    device: str,
    eca_bundle: Path,
    folder: Path,
    options: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut while it measures: said here, and on the device nothing is left, neither file nor run."""
    monkeypatch.setenv(link.OPTIONS, options[link.OPTIONS])
    opened = bundle.read(eca_bundle)
    request = Request(eca_bundle, Path("s"), ("tflite",), protocol=Protocol(limit_s=60, tight=0))
    with link.connect(link.parse(f"ssh://{device}")) as session:
        engine = b"#!/bin/sh\necho 20 0 0 0\ncat\n"
        data = parcel.pack(opened, request, engine)
        session.send(b"%d\n%s" % (len(data), data))
        assert session.line() == "unpacked"
        assert session.line()
        (there,) = left(folder)
        session.process.kill()
        with pytest.raises(UsageError) as caught:
            _listen_on(session)
    assert str(caught.value).startswith(f"The link to 'ssh://{device}' broke while measuring")
    end = time.monotonic() + 15
    while there.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not there.exists()
    assert not _processes_in(there)


def _listen_on(session: link.Session) -> None:
    while session.line():
        pass


def _processes_in(path: Path) -> list[str]:
    """Processes whose working folder is, or was, that one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str((process / "cwd").readlink()).startswith(str(path)):
                found.append(process.name)
    return found


def test_caller_that_falls_silent() -> None:
    """A link that breaks without a word: the runner ends by itself."""
    program = (
        "import time; from benchmarks.devices import on_device as d; "
        "d.SILENCE_S = 0.5; d.end_with_caller(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        assert process.wait(timeout=20) == 1


def test_what_is_sent_needs_only_python_3_9() -> None:
    """Syntax of 3.9; beside the standard library nothing is imported before a runtime is."""
    for name in parcel.MODULES:
        tree = ast.parse((parcel.ROOT / name).read_text(), feature_version=(3, 9))
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
            for node in top
            for alias in node.names
        }
        own = {module.removesuffix(".py").replace("/", ".") for module in parcel.MODULES}
        foreign = {n for n in names if n.partition(".")[0] not in sys.stdlib_module_names}
        packages = {module.rpartition(".")[0] for module in own}
        assert foreign <= own | packages


@pytest.mark.parametrize(
    ("text", "host", "port", "python"),
    [
        ("ssh://pi", "pi", None, None),
        ("ssh://me@pi.local:22", "me@pi.local", "22", None),
        ("ssh://me@[fe80::1]:22/opt/venv/bin/python", "me@fe80::1", "22", "/opt/venv/bin/python"),
    ],
)
def test_addresses(text: str, host: str, port: str | None, python: str | None) -> None:
    """User, host, port and Python of an address."""
    found = link.parse(text)
    assert (found.host, found.port, found.python) == (host, port, python)


@pytest.mark.parametrize("text", ["ssh://", "ssh://-F", "ssh://-x@pi", "ssh://a b", "ssh://a/$(x)"])
def test_addresses_that_are_none(text: str) -> None:
    """Nothing that ssh or a shell would take for something else."""
    with pytest.raises(UsageError):
        link.parse(text)
