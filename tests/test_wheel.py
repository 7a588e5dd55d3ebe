# SPDX-License-Identifier: BSD-3-Clause
"""The wheel: the same bytes whoever builds it, the commit in it, and commands that run from it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge.patches import commit
from tests.conftest import ROOT

SECONDS = 1_700_000_000
WHEN = f"{SECONDS} +0000"
AUTHOR = {
    "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_AUTHOR_DATE": WHEN,
    "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t", "GIT_COMMITTER_DATE": WHEN,
}  # fmt: skip
LATER = 1_800_000_000


def run(*command: object, cwd: Path, umask: int = 0o022, **environment: str) -> str:
    """What a command prints; it has to succeed, and sees nothing of this checkout's path."""
    hidden = ("PYTHONPATH", "SOURCE_DATE_EPOCH", "GIT_")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=variables | environment,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def checkout(folder: Path, umask: int = 0o022) -> Path:
    """Return this tree as a repository of one commit, of the same time wherever it is made."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
            executable = os.access(ROOT / name, os.X_OK)
            (folder / name).chmod((0o777 if executable else 0o666) & ~umask)
    run("git", "-c", "core.autocrlf=false", "init", "-q", cwd=folder)
    run("git", "add", "--all", "--force", cwd=folder)
    run("git", "commit", "-q", "-m", "all", cwd=folder, **AUTHOR)
    return folder


def built(tree: Path, out: Path, kind: str = "wheel", umask: int = 0o022) -> Path:
    """The only file that hatchling leaves."""
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", out, cwd=tree, umask=umask)
    (path,) = out.iterdir()
    return path


def sha(path: Path) -> str:
    """sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without changes."""
    return checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is built from it."""
    return built(tree, tmp_path_factory.mktemp("wheel"))


def head(tree: Path) -> str:
    """The commit that is checked out."""
    return run("git", "rev-parse", "HEAD", cwd=tree).strip()


def test_two_builds_give_the_same_bytes(tree: Path, wheel: Path, tmp_path: Path) -> None:
    """In another folder, by another umask, with other times of files; from a sdist too."""
    other = checkout(tmp_path / "elsewhere" / "copy", umask=0o077)
    assert head(other) == head(tree)
    for path in (other / "edge").rglob("*"):
        os.utime(path, (LATER, LATER))
    assert sha(built(other, tmp_path / "second", umask=0o077)) == sha(wheel)
    with tarfile.open(built(tree, tmp_path / "source", "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert not (unpacked / ".git").exists()
    assert sha(built(unpacked, tmp_path / "third")) == sha(wheel)


def test_a_wheel_has_its_commit_and_its_time(tree: Path, wheel: Path) -> None:
    """Both of the checkout that it was built from; every package is in it, the laboratory not."""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(commit.FILE).decode() == f"{head(tree)}\n{SECONDS}\n"
        assert {one.date_time for one in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
        names = archive.namelist()
    assert not [name for name in names if name.startswith(("benchmarks/studies", "tests"))]
    assert {name for name in names if name.endswith(".j2")}


def test_a_checkout_asks_git(tree: Path, tmp_path: Path) -> None:
    """A change of what is shipped is told, any other is not; nothing is silently left out."""
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy)
    assert commit.of_this_copy(copy) == head(tree)
    (copy / "README.md").write_text("changed")
    assert commit.of_this_copy(copy) == head(tree)
    (copy / "edge" / "new.py").write_text("")
    assert commit.of_this_copy(copy) == f"{head(tree)}, with changes"
    shutil.rmtree(copy / ".git")
    assert commit.of_this_copy(copy) == "unknown: neither a git checkout nor built from one"
    (copy / ".git").mkdir()
    assert commit.of_this_copy(copy).startswith("unknown: git says: fatal: not a git repository")
    shutil.rmtree(copy / ".git")
    (copy / commit.FILE).write_text("abc\n")
    assert commit.of_this_copy(copy) == "unknown: edge/commit.txt is damaged"


def test_without_git_the_reason_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has no git."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert commit.of_this_copy(tree) == "unknown: git is not installed"


@pytest.mark.slow
def test_the_wheel_alone_does_its_work(tree: Path, wheel: Path, tmp_path: Path) -> None:
    """Installed into an environment of its own that has our requirements and not this checkout."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", venv, *install, cwd=tmp_path)
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "requirements.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    edge, work = venv / "bin" / "edge", tmp_path / "work"
    work.mkdir()
    shown = run(edge, "--version", cwd=work)
    assert shown.startswith("edge ")
    assert shown.endswith(f" (commit {head(tree)})\n")
    for package in ("edge", "quantize", "firmware_bridge", "benchmarks"):
        code = f"import {package}; print({package}.__file__)"
        assert run(venv / "bin" / "python", "-c", code, cwd=work).startswith(str(site))
    assert "torch" in run(edge, "doctor", cwd=work)
    export = ("export", "--mode", "none", "--int8", "--targets", "c,tflite", "--out", "b")
    run(edge, *export, "--held-out", "96", cwd=work)
    run(edge, "firmware", "b", "--device", "nrf52840", "--out", "f", cwd=work)
    assert (work / "f" / "main.c").is_file()
    assert "tflite" in run(edge, "verify", "b", cwd=work)
