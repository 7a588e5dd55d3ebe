# SPDX-License-Identifier: BSD-3-Clause
"""A folder is replaced whole: what was there stays until the new one is on the disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.bundle import folder
from edge.errors import UsageError


def a_bundle(out: Path, text: str = "x") -> None:
    """As little as is taken for a bundle."""
    with folder.writing(out) as made:
        (made / "a.bin").write_text(text)
        manifest = {"schema_version": 3, "artifacts": [], "files": {"a.bin": ""}}
        (made / "manifest.json").write_text(json.dumps(manifest))


def beside(out: Path) -> list[str]:
    """Everything in the folder around, but for the bundle."""
    return sorted(path.name for path in out.parent.iterdir() if path != out)


def test_files_of_somebody_else_stay(tmp_path: Path) -> None:
    """A bundle that the user has put notes into is not replaced."""
    out = tmp_path / "b"
    a_bundle(out)
    folder.refuse_destination(out)
    (out / "notes.txt").write_text("mine")
    (out / "more").mkdir()
    (out / "more" / "link").symlink_to("/nowhere")
    with pytest.raises(UsageError) as error:
        folder.refuse_destination(out)
    assert str(error.value) == (
        f"--out {str(out)!r} holds a file that edge did not write, 'more/link' and 1 more, and "
        f"would be replaced; it is left alone. Move what is yours, or give another folder."
    )


def test_a_symbolic_link_is_left_alone(tmp_path: Path) -> None:
    """It would become a folder, and what it leads to would keep the old bundle."""
    a_bundle(tmp_path / "b")
    (tmp_path / "link").symlink_to("b")
    with pytest.raises(UsageError) as error:
        folder.refuse_destination(tmp_path / "link")
    assert str(error.value) == (
        f"--out {str(tmp_path / 'link')!r} is a symbolic link; it is left alone. "
        f"Type the folder that it leads to: --out {tmp_path / 'b'}"
    )


KILLED = """
import sys
from pathlib import Path
from edge.bundle import folder
with folder.writing(Path(sys.argv[1])) as made:
    (made / "half").write_text("x")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    """By the next that writes there; what another process is writing stays."""
    out = tmp_path / "b"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, out],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    (torn,) = beside(out)
    folder.sweep(out, young_s=0)
    assert beside(out) == [torn]
    process.send_signal(signal.SIGKILL)
    process.wait()
    a_bundle(out)  # it is too young for anybody who does not know that nobody else writes
    assert beside(out) == [torn]
    folder.sweep(out, young_s=0)
    assert beside(out) == []
    assert (out / "a.bin").read_text() == "x"


def test_foreign_hidden_folders_stay(tmp_path: Path) -> None:
    """Only names that we give are swept."""
    for name in (".b.git", ".b.abcdefgh.keep", ".b.too-long-a-name"):
        (tmp_path / name).mkdir()
    folder.sweep(tmp_path / "b", young_s=0)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    """And nothing beside it."""
    out = tmp_path / "b"
    a_bundle(out, "old")

    def half() -> None:
        with folder.writing(out) as made:
            (made / "a.bin").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert (out / "a.bin").read_text() == "old"
    assert beside(out) == []


def test_bytes_are_on_the_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file and folder is synchronized first, the folder around it afterwards."""
    synced: list[tuple[str, bool]] = []
    out = tmp_path / "b"
    monkeypatch.setattr(folder, "_sync", lambda path: synced.append((path.name, out.exists())))
    a_bundle(out)
    names = [name for name, _ in synced]
    assert {"a.bin", "manifest.json", tmp_path.name} <= set(names)
    assert names[-1] == tmp_path.name
    assert [there for _, there in synced] == [False] * (len(synced) - 1) + [True]
