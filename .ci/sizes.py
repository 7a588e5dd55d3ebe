# SPDX-License-Identifier: BSD-3-Clause
"""Print what ``make export`` downloads and installs, by distribution, in MB of a million bytes.

``make sizes`` runs this in the environment that ``setup.sh VENV export`` has just made and
that has exported once, and writes ``.ci/sizes.txt``, which setup.sh reads out before it starts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

MB = 1_000_000
SMALLEST = 4 * MB
HEADER = """\
# SPDX-License-Identifier: BSD-3-Clause
# What an export needs, measured by `make sizes` on Linux x86-64 with Python 3.11 and torch's CPU
# build: packages, MB to download, MB on disk after the first export; then every distribution of
# 4 MB or more, without its tests and its byte code.
"""
UNUSED = ("/tests/", "/torch/test/", "/onnx/backend/test/", "/torch/bin/")


def installed_bytes(found: Distribution) -> int:
    """Disk space of a distribution's files, without what setup.sh removes and without byte code."""
    paths = (Path(str(found.locate_file(file))) for file in found.files or ())
    kept = (p for p in paths if p.suffix != ".pyc" and not any(part in str(p) for part in UNUSED))
    return sum(path.stat().st_blocks * 512 for path in kept if path.is_file())


def disk_bytes(folder: Path) -> int:
    """Disk space of everything in a folder."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def download_bytes(root: Path) -> int:
    """Size of the files that pip fetches for an export."""
    with tempfile.TemporaryDirectory() as folder:
        constraint = root / "constraints.txt"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder]
        command += ["--constraint", str(constraint), f"{root}[export]"]
        subprocess.run(command, check=True)
        return sum(file.stat().st_size for file in Path(folder).iterdir())


def main(root: Path) -> None:
    """Print the whole file."""
    every = {one.metadata["Name"]: installed_bytes(one) for one in distributions()}
    total = disk_bytes(Path(sys.prefix))
    print(HEADER, end="")
    # pip was there before, the project itself is not fetched.
    print(f"total {len(every) - 2} {download_bytes(root) // MB} {total // MB}")
    for name, size in sorted(every.items(), key=lambda pair: -pair[1]):
        if size >= SMALLEST and name != "pip":
            print(f"{name} {size // MB}")


if __name__ == "__main__":
    main(Path(__file__).resolve().parents[1])
