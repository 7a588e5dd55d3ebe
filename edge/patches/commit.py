# SPDX-License-Identifier: BSD-3-Clause
"""Say which commit this copy of eeg-edge is: git's answer in a checkout, else what the build wrote.

``.ci/build_hook.py`` asks :func:`of_checkout` when a wheel is made, and puts the answer into it as
:data:`FILE`. What is not known is said, with the reason, and never left out.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = "edge/commit.txt"
"""In a wheel or a source distribution: the commit, and its time. A checkout has none."""
SHIPPED = ("edge", "quantize", "firmware_bridge", "benchmarks", "pyproject.toml")
TIMEOUT_S = 10


class UnknownCommitError(Exception):
    """There is no telling; the message is the reason."""


def of_this_copy(root: Path = ROOT) -> str:
    """Return the commit in words, or ``unknown`` and why.

    ``with changes`` stands behind it where files of the packages are not as they were committed.
    """
    try:
        return of_checkout(root) if (root / ".git").exists() else _written(root / FILE)
    except UnknownCommitError as error:
        return f"unknown: {error}"


def of_checkout(root: Path) -> str:
    """Ask git.

    Raises
    ------
    UnknownCommitError
        When git is not there, does not answer, or refuses.
    """
    sha = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", *SHIPPED)
    return f"{sha}, with changes" if changed else sha


def for_build(root: Path) -> tuple[str, str]:
    """Return what :data:`FILE` is to hold, and SOURCE_DATE_EPOCH: the commit's time.

    Raises
    ------
    UnknownCommitError
        As :func:`of_checkout`; or where neither git nor a source distribution's file says it.
    """
    if not (root / ".git").exists():
        _written(root / FILE)
        text = (root / FILE).read_text(encoding="utf-8")
    else:
        text = f"{of_checkout(root)}\n{_git(root, 'log', '-1', '--format=%ct')}\n"
    return text, text.split("\n")[1]


def _written(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError:
        raise UnknownCommitError("neither a git checkout nor built from one") from None
    if len(lines) != 3 or not lines[0] or not lines[1].isdecimal():
        raise UnknownCommitError(f"{FILE} is damaged")
    return lines[0]


def _git(root: Path, *arguments: str) -> str:
    # git's own variables, set while a hook runs, would lead it to another repository
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}  # asking changes nothing
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise UnknownCommitError("git is not installed") from None
    except (OSError, subprocess.TimeoutExpired):
        raise UnknownCommitError("git does not answer") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UnknownCommitError(f"git says: {said[0]}")
    return done.stdout.strip()
