# SPDX-License-Identifier: BSD-3-Clause
"""Bundles that somebody made to do harm: each is refused in one line, and none runs its own C."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import folder as bundle_folder
from edge.bundle import read as bundle
from edge.bundle import run as runner
from edge.bundle.content import FOREIGN
from edge.errors import EdgeError, ExitCode, IncompatibleError
from edge.targets import c
from quantize import plain
from tests.conftest import Edge

Change = Callable[[Path], None]


def rehash(folder: Path, **changes: Any) -> None:
    """Make a bundle's hashes right again, as an attacker does, and change its manifest."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["files"] = bundle_folder.checksums(folder)
    for artifact in document["artifacts"]:
        content = bundle_folder.read_content(folder / artifact["file"])
        artifact["sha256"] = bundle_folder.content_sha256(content)
        artifact["bytes"] = bundle_folder.content_bytes(content)
    path.write_text(json.dumps(document | changes))


def edit(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Change a JSON file of a bundle, its hashes right."""

    def work(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        change(document)
        (folder / name).write_text(json.dumps(document))
        rehash(folder)

    return work


def manifest(**changes: Any) -> Change:
    """Change the manifest itself."""
    return lambda folder: rehash(folder, **changes)


def first_artifact(**changes: Any) -> Change:
    """Change what the manifest says of the first artifact."""

    def work(folder: Path) -> None:
        document = json.loads((folder / "manifest.json").read_text())
        document["artifacts"][0] |= changes
        (folder / "manifest.json").write_text(json.dumps(document))

    return work


def golden(**changes: Any) -> Change:
    """Change golden vectors."""

    def work(folder: Path) -> None:
        with np.load(folder / "golden.npz") as file:
            arrays = {name: file[name] for name in file.files}
        np.savez(folder / "golden.npz", **(arrays | changes))
        rehash(folder)

    return work


def empty_golden(folder: Path) -> None:
    """An archive of no bytes."""
    (folder / "golden.npz").write_bytes(b"")
    rehash(folder)


def link(folder: Path) -> None:
    """A file that is a link to one outside."""
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/etc/hostname")


def fifo(folder: Path) -> None:
    """A file that nobody ever writes."""
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def unlisted(folder: Path) -> None:
    """A file that the manifest does not name."""
    (folder / "extra.so").write_bytes(b"")


def rename_mix(folder: Path) -> None:
    """A tensor whose name ends a comment of C, everywhere."""
    path = folder / "qgraph.json"
    path.write_text(path.read_text().replace('"mix"', '"a*/ int evil;/*"'))
    rehash(folder)


HOSTILE: dict[str, tuple[Change, str]] = {
    "no files listed": (manifest(files={}), "is not in the bundle's manifest"),
    "a file that is not listed": (unlisted, "extra.so' is not in the bundle's manifest"),
    "an absolute name": (manifest(files={"/etc/passwd": "0" * 64}), "only plain names inside"),
    "a name that climbs out": (manifest(files={"../x": "0" * 64}), "only plain names inside"),
    "an artifact elsewhere": (first_artifact(file="/etc/passwd"), "only plain names inside"),
    "an artifact that is no file": (first_artifact(file="nothing"), "that is none of its files"),
    "an artifact of another hash": (first_artifact(sha256="0" * 64), "its sha256 differs"),
    "a link": (link, "is a link"),
    "a FIFO": (fifo, "is not a regular file"),
    "an empty golden.npz": (empty_golden, "golden.npz' is not an .npz file"),
    "golden windows of another shape": (golden(x=np.zeros((2, 3, 4))), "expected (n, 22, "),
    "golden windows of NaN": (golden(x=np.full((20, 22, 1000), np.nan)), "nan in window 0"),
    "golden logits of text": (golden(**{"logits/c int8": np.array(["a"] * 20)}), "not numbers"),
    "deviations of zero": (
        edit("contract.json", lambda d: d["scaling"].update(std=[0.0] * 22)),
        "scaling.std holds 0.0; it must be positive",
    ),
    "negative deviations": (
        edit("contract.json", lambda d: d["scaling"].update(std=[-1.0] * 22)),
        "scaling.std holds -1.0; it must be positive",
    ),
    "another number of channels": (
        edit("contract.json", lambda d: d["channels"].pop()),
        "scaling.mean has 22 values for 21 channels",
    ),
    "windows of no length": (
        edit("contract.json", lambda d: d.update(n_times=0)),
        "n_times is 0",
    ),
    "C in a channel's name": (
        edit("contract.json", lambda d: d["channels"].__setitem__(0, "*\\\n/ int evil;")),
        "printable characters are allowed",
    ),
    "a filter that explodes": (
        edit("contract.json", lambda d: d["filter"]["sos"][0].__setitem__(5, 1.5)),
        "not stable",
    ),
    "C in a tensor's name": (
        rename_mix,
        "names are ASCII letters",
    ),
    "a pad of a billion": (
        edit("qgraph.json", lambda d: d["nodes"][1].update(pad=[10**9, 0])),
        "its pad is (1000000000, 0)",
    ),
    "a scale of zero": (
        edit("qgraph.json", lambda d: d["tensors"][0]["quant"].update(scale=0.0)),
        "its scale is 0.0",
    ),
    "a bound that was not proved": (
        edit("manifest.json", lambda d: d["accumulators"][0].update(bound=1)),
        "says other bounds of sums (accumulators) than follow from",
    ),
    "a graph of another network": (
        manifest(model={"mode": "eca", "n_chans": 3, "n_times": 1000, "n_outputs": 4}),
        "of windows (22, 1000) and the manifest of (3, 1000)",
    ),
}


@pytest.fixture
def copied(eca_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that may be changed."""
    return Path(shutil.copytree(eca_bundle, tmp_path / "copy"))


def read_all(folder: Path) -> None:
    """Everything that is read of a bundle before a model is loaded."""
    opened = bundle.read(folder)
    opened.contract()
    opened.graph()
    opened.golden()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bundles_are_refused(name: str, copied: Path) -> None:
    """By everything that verifying reads before a model is loaded."""
    change, why = HOSTILE[name]
    change(copied)
    with pytest.raises(EdgeError) as refused:
        read_all(copied)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == ExitCode.INCOMPATIBLE


def test_the_command_ends_with_one_line(copied: Path, edge: Edge) -> None:
    """An empty ``golden.npz`` once looked like an interruption."""
    empty_golden(copied)
    done = edge("verify", copied)
    assert done.returncode == ExitCode.INCOMPATIBLE
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("edge: ")]
    assert "golden.npz" in line


def infect(folder: Path) -> None:
    """C that leaves a trace when it is loaded, its hashes right."""
    source = folder / "c" / "edge.c"
    evil = (
        "#include <stdio.h>\n__attribute__((constructor)) static void evil(void)\n"
        f'{{ FILE *f = fopen("{folder.parent}/evil", "w"); if (f) fclose(f); }}\n'
    )
    source.write_text(source.read_text() + evil)
    rehash(folder)


def test_changed_c_of_ours_is_refused(copied: Path) -> None:
    """By name, and it is not compiled."""
    infect(copied)
    with pytest.raises(IncompatibleError, match=r"c/edge\.c' is not what the bundle's graph"):
        runner.verify(copied)
    assert not (copied.parent / "evil").exists()


def test_c_of_another_version_is_not_compiled(copied: Path) -> None:
    """What runs is what this version generates; one line says that nothing was compared."""
    infect(copied)
    rehash(copied, generator="0" * 64)
    opened, said = bundle.read(copied), list[str]()
    logits = runner.open_values(opened, "c", note=said.append)
    windows = opened.contract().scale(opened.golden()["x"])
    np.testing.assert_array_equal(logits(windows)["logits"], opened.golden()["logits/reference"])
    assert said == [FOREIGN]
    assert not (copied.parent / "evil").exists()


def test_the_manifest_says_who_generated(eca_bundle: Path) -> None:
    """So that a difference can be told from another version."""
    made = plain.parse((eca_bundle / "manifest.json").read_bytes(), "manifest")
    assert made["generator"] == c.generator()
