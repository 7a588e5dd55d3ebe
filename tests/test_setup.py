# SPDX-License-Identifier: BSD-3-Clause
"""The set-up script and .ci/run, with stand-ins for what they call: nothing is installed here."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

SIZES = ROOT / ".ci" / "sizes.txt"
BAR_MB = 1500
MISSING_TOOL = 6

PYTHON = """#!/bin/sh
case "$*" in
"-m venv "*)
    mkdir -p "$3/bin" "$3/lib/python3.11/site-packages"
    cp "$0" "$3/bin/python"
    cp "$(dirname "$0")/pip" "$3/bin/pip"
    ;;
*urllib*) exit 1 ;;
esac
"""
PIP = """#!/bin/sh
echo "pip $*" >> "$CALLS"
echo "Collecting click>=8.1 (from eeg-edge==0.1.0)"
echo "  Downloading click-8.5.1-py3-none-any.whl (126 kB)"
echo "Processing /wheels/numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (from eeg-edge==0.1.0)"
echo "Installing collected packages: click, numpy"
[ -z "${PIP_FAILS:-}" ] || { echo "ERROR: no space left"; exit 1; }
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of what setup.sh reads, and stand-ins of python and pip first on the path."""
    for name in ("setup.sh", "pyproject.toml", "constraints.txt", ".ci/run", ".ci/sizes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    stand_in(tmp_path, "python3", PYTHON)
    stand_in(tmp_path, "pip", PIP)
    return tmp_path


def stand_in(place: Path, name: str, text: str) -> None:
    """A program of that name, found before the real one."""
    program = place / "bin" / name
    program.write_text(text)
    program.chmod(0o755)


def run(place: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in the copy."""
    variables = os.environ | {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(place / "calls"),
    }
    return subprocess.run(
        command,
        cwd=place,
        env=variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_export_says_what_comes_before_it_starts(place: Path) -> None:
    """Packages, download and disk first; then a line for each file; then the stamp."""
    done = run(place, "./setup.sh", "venv", "export")
    assert done.returncode == 0, done.stderr
    n, download, disk = re.findall(r"^total (\d+) (\d+) (\d+)$", SIZES.read_text(), re.M)[0]
    lines = done.stdout.splitlines()
    assert lines[0] == (
        f"setup: an export needs {n} packages in venv: {download} MB to download, "
        f"{disk} MB on disk, of that"
    )
    assert lines[1].startswith("setup: torch ")
    assert lines[3:6] == [
        "setup: [1] click-8.5.1 (126 kB)",
        "setup: [2] numpy-2.4.6",
        "setup: unpacking 2 packages",
    ]
    (call,) = (place / "calls").read_text().splitlines()
    assert call.endswith("--no-compile --constraint constraints.txt --editable .[export]")
    assert (place / "venv" / ".installed-export").exists()


def test_a_second_call_installs_nothing_until_a_version_changes(place: Path) -> None:
    """The stamp is older than what it was made from when a pin changes."""
    assert run(place, "./setup.sh", "venv", "dev").returncode == 0
    again = run(place, "./setup.sh", "venv", "export")
    assert (again.returncode, again.stdout) == (0, "")
    later = (place / "venv" / ".installed-dev").stat().st_mtime + 10
    os.utime(place / "constraints.txt", (later, later))
    assert "setup: [1] click-8.5.1" in run(place, "./setup.sh", "venv", "dev").stdout


def test_tests_of_other_packages_go_from_a_new_export_environment_only(place: Path) -> None:
    """What an export does not need is removed from the environment that the script made."""
    kept = place / "theirs" / "lib" / "python3.11" / "site-packages" / "numpy" / "tests"
    kept.mkdir(parents=True)
    (place / "theirs" / "bin").mkdir()
    for name in ("python3", "pip"):
        shutil.copy(place / "bin" / name, place / "theirs" / "bin" / name.rstrip("3"))
    assert run(place, "./setup.sh", "theirs", "export").returncode == 0
    assert kept.is_dir()
    stand_in(
        place,
        "pip",
        PIP + 'mkdir -p "$(dirname "$0")/../lib/python3.11/site-packages/numpy/tests"\n',
    )
    assert run(place, "./setup.sh", "ours", "export").returncode == 0
    numpy = place / "ours" / "lib" / "python3.11" / "site-packages" / "numpy"
    assert numpy.is_dir()
    assert not (numpy / "tests").exists()


@pytest.mark.parametrize("is_offered", [True, False])
def test_a_torchaudio_that_does_not_load(is_offered: bool, place: Path) -> None:
    """The one of torch's minor version is looked for; where there is none, a line says so."""
    program = PYTHON.replace("*urllib*) exit 1", "*find_spec*) echo 2.13 ;;\n*urllib*) exit 1")
    stand_in(place, "python3", program)
    refuses = "" if is_offered else 'case "$*" in *torchaudio*) exit 1 ;; esac\n'
    stand_in(place, "pip", PIP + refuses)
    done = run(place, "./setup.sh", "venv", "export")
    assert done.returncode == 0, done.stderr
    calls = [c for c in (place / "calls").read_text().splitlines() if "torchaudio" in c]
    assert all(c.endswith("torchaudio==2.13.*") and "--no-deps" in c for c in calls)
    assert ["download.pytorch.org/whl/cpu" in c for c in calls] == [True, False][: 2 - is_offered]
    said = (
        "setup: torchaudio==2.13.*, which fits torch 2.13"
        if is_offered
        else "setup: no index offers torchaudio==2.13.*; braindecode is importable behind "
        "'import edge' all the same"
    )
    assert said in done.stdout.splitlines()


def test_a_disk_that_is_too_small_is_said_first(place: Path) -> None:
    """Before anything is fetched or made."""
    stand_in(place, "df", "#!/bin/sh\necho Filesystem\necho /dev/sda 9 9 500000 1% /\n")
    done = run(place, "./setup.sh", "venv", "export")
    assert done.returncode == MISSING_TOOL
    assert done.stderr == (
        "setup: 512 MB are free there, too few. Make room, or type: "
        "make export VENV=/elsewhere/venv\n"
    )
    assert not (place / "venv").exists()


def test_a_pip_that_fails_is_no_set_up(place: Path) -> None:
    """Its last words are shown, there is no stamp, and the exit code is that of a missing tool."""
    done = run(place, "./setup.sh", "venv", "export", PIP_FAILS="yes")
    assert done.returncode == MISSING_TOOL
    assert "ERROR: no space left" in done.stderr
    assert not list((place / "venv").glob(".installed-*"))


def test_sizes_are_those_of_what_is_installed() -> None:
    """The table that setup.sh reads out, against this environment; in all below the bar."""
    rows = [line.split() for line in SIZES.read_text().splitlines() if not line.startswith("#")]
    (_, n_packages, download, disk), *large = rows
    assert 0 < int(download) < int(disk) < BAR_MB
    assert int(n_packages) > len(large)
    assert sum(int(size) for _, size in large) < int(disk)
    sizes = load_sizes()
    for name, size in large:
        here = sizes.installed_bytes(distribution(name)) / sizes.MB
        assert int(size) == pytest.approx(here, rel=0.2, abs=2), name


def load_sizes() -> ModuleType:
    """The module ``.ci/sizes.py``."""
    spec = importlib.util.spec_from_file_location("sizes", ROOT / ".ci" / "sizes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DPKG = """#!/bin/sh
[ "$2" = cmake ] && [ ! -e "$CALLS.cmake" ] && exit 1
echo "Status: install ok installed"
"""


@pytest.mark.parametrize(
    ("apt", "user", "message"),
    [
        ("exit 100", "0", "CI: apt-get could not install cmake \n"),
        ("exit 0", "0", "CI: apt-get says it is done, and yet there is no cmake \n"),
        ("exit 0", "1000", "CI: not installed, and only root can: apt-get install cmake \n"),
    ],
)
def test_ci_fails_without_a_tool(place: Path, apt: str, user: str, message: str) -> None:
    """No test may skip in CI: what is missing ends the run before any test."""
    stand_in(place, "dpkg", DPKG)
    stand_in(place, "id", f"#!/bin/sh\necho {user}\n")
    stand_in(place, "apt-get", f'#!/bin/sh\n[ "$1" = update ] || {apt}\n')
    stand_in(place, "make", '#!/bin/sh\ntouch "$CALLS.make"\n')
    done = run(place, "sh", ".ci/run")
    assert (done.returncode, done.stderr) == (MISSING_TOOL, message)
    assert not (place / "calls.make").exists()


def test_ci_installs_what_is_missing_then_tests(place: Path) -> None:
    """Only what is missing is asked for."""
    stand_in(place, "dpkg", DPKG)
    stand_in(place, "id", "#!/bin/sh\necho 0\n")
    stand_in(place, "apt-get", '#!/bin/sh\necho "$@" >> "$CALLS"\ntouch "$CALLS.cmake"\n')
    stand_in(place, "make", '#!/bin/sh\necho "made $1"\n')
    done = run(place, "sh", ".ci/run")
    assert (done.returncode, done.stdout) == (0, "made test\n"), done.stderr
    calls = (place / "calls").read_text().splitlines()
    assert calls[1] == "install -qqy --no-install-recommends cmake"
