# SPDX-License-Identifier: BSD-3-Clause
"""The bundle on disk: all or nothing, checked when opened."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge.bundle import folder as bundle_folder
from edge.bundle import read as bundle
from edge.errors import IncompatibleError, UsageError


def fill(folder: Path, text: str) -> None:
    """Something that looks like a bundle."""
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text('{"schema_version": 1, "artifacts": []}')
    (folder / "file").write_text(text)


def names(folder: Path) -> list[str]:
    """What is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_older_bundles_are_refused(tmp_path: Path) -> None:
    """Their logits have 8 bits, their C other arguments."""
    fill(tmp_path / "old", "old")
    with pytest.raises(IncompatibleError) as caught:
        bundle.read(tmp_path / "old")
    assert str(caught.value) == (
        f"{tmp_path / 'old' / 'manifest.json'} has schema_version 1; this version of edge reads 2."
    )


def test_new_bundle(tmp_path: Path) -> None:
    """The folder appears when it is finished, not before."""
    out = tmp_path / "out"
    with bundle_folder.writing(out) as folder:
        fill(folder, "new")
        assert not out.exists()
    assert names(tmp_path) == ["out"]
    assert (out / "file").read_text() == "new"


def test_failure_leaves_the_old_bundle(tmp_path: Path) -> None:
    """An error in the middle changes nothing and leaves nothing behind."""
    out = tmp_path / "out"
    fill(out, "old")
    with pytest.raises(ZeroDivisionError), bundle_folder.writing(out) as folder:
        fill(folder, str(1 / len(names(folder))))
    assert names(tmp_path) == ["out"]
    assert (out / "file").read_text() == "old"


def test_old_bundle_is_replaced_whole(tmp_path: Path) -> None:
    """No file of the old one stays."""
    out = tmp_path / "out"
    fill(out, "old")
    (out / "only-in-the-old").write_text("")
    with bundle_folder.writing(out) as folder:
        fill(folder, "new")
    assert names(tmp_path) == ["out"]
    assert names(out) == ["file", "manifest.json"]
    assert (out / "file").read_text() == "new"


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    """A folder with something else in it, and a file, are refused."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("")
    (tmp_path / "file").write_text("")
    for name in ("folder", "file"):
        with pytest.raises(UsageError) as error:
            bundle_folder.refuse_destination(tmp_path / name)
        assert str(error.value) == (
            f"--out {str(tmp_path / name)!r} exists and is not a bundle; it is left alone. Give "
            f"another folder, or remove it first."
        )
    (tmp_path / "empty").mkdir()
    bundle_folder.refuse_destination(tmp_path / "empty")


def test_parent_must_exist(tmp_path: Path) -> None:
    """Folders are not made in passing."""
    with pytest.raises(UsageError) as error:
        bundle_folder.refuse_destination(tmp_path / "a" / "b")
    assert str(error.value) == (
        f"--out {str(tmp_path / 'a' / 'b')!r} cannot be made: {str(tmp_path / 'a')!r} is not a "
        f"folder. Make it first."
    )


def test_changed_file_is_noticed(eca_bundle: Path, tmp_path: Path) -> None:
    """One flipped bit in any file."""
    copy = tmp_path / "copy"
    shutil.copytree(eca_bundle, copy)
    path = copy / "model.tflite.int8.tflite"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IncompatibleError) as error:
        bundle.read(copy)
    assert str(error.value) == (
        f"{str(path)!r} is not the file that was exported: its sha256 differs from the manifest's. "
        f"Export again."
    )


def test_lost_file_is_noticed(eca_bundle: Path, tmp_path: Path) -> None:
    """The file is named."""
    copy = tmp_path / "copy"
    shutil.copytree(eca_bundle, copy)
    (copy / "golden.npz").unlink()
    with pytest.raises(IncompatibleError) as error:
        bundle.read(copy)
    assert str(error.value) == f"The bundle {str(copy)!r} has lost its file 'golden.npz'."


def test_no_bundle(tmp_path: Path) -> None:
    """What to type for one."""
    with pytest.raises(UsageError) as error:
        bundle.read(tmp_path)
    assert str(error.value) == (
        f"{str(tmp_path)!r} is not a bundle. Type 'edge export --int8 --out {tmp_path}' for one."
    )


def test_every_file_is_in_the_manifest(eca_bundle: Path) -> None:
    """Nothing in the bundle escapes its hashes."""
    opened = bundle.read(eca_bundle)
    files = sorted(str(p.relative_to(eca_bundle)) for p in eca_bundle.rglob("*") if p.is_file())
    assert sorted(opened.manifest.files) == [name for name in files if name != "manifest.json"]
    assert "c/edge.c" in files
