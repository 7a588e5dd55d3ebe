# SPDX-License-Identifier: BSD-3-Clause
"""Reports of bundles whose names, and what lies beside them, were made to do harm."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest

from benchmarks.report import sources, tidy, write
from benchmarks.report.document import Absent
from benchmarks.report.sections import ladder
from edge.bundle.types import MANIFEST
from edge.terminal.console import console
from firmware_bridge import escaping
from tests.conftest import ROOT

KEPT = ROOT / "tests" / "golden" / "bundle-v2"
NAMES = (
    "=1+1",
    "@SUM(A1)",
    r"$\frac$ and $",
    "<script>alert(1)<",
    "![x](javascript:y)|z",
    os.fsdecode(b"half\xff"),
    "bell\x07\x1b[31m",
)


@pytest.fixture
def bundles(tmp_path: Path) -> list[Path]:
    """A bundle under each of the names, and trained on data that are called so."""
    made = []
    for name in NAMES:
        folder = Path(shutil.copytree(KEPT, tmp_path / name))
        document = json.loads((folder / MANIFEST).read_text())
        if name.isprintable():
            document["data"]["spec"] = f"made:{name}"
        (folder / MANIFEST).write_text(json.dumps(document))
        made.append(folder)
    return made


def test_names_are_text_in_every_format(bundles: list[Path], tmp_path: Path) -> None:
    """No tag in HTML, none and no link in Markdown, no formula in CSV; nothing crashes."""
    texts = {}
    for kind in write.FORMATS:
        with console(verbose=False, quiet=True) as quiet:
            write.write(bundles, tmp_path / f"r.{kind}", None, quiet)
        texts[kind] = (tmp_path / f"r.{kind}").read_bytes().decode()  # it is UTF-8
    assert "<script>alert" not in texts["html"]
    assert "&lt;script&gt;alert(1)&lt;" in texts["html"]
    typed = [line[2:] for line in texts["md"].splitlines() if line.startswith("$ ")]
    words = [shlex.split(line) for line in typed if line.startswith("edge verify")]
    assert [word for _, _, word in words] == [escaping.printable(name) for name in NAMES]
    prose = "\n".join(line for line in texts["md"].splitlines() if not line.startswith("$ "))
    assert "<script" not in prose.replace("\\<script", "")
    assert "[x](" not in prose
    assert r"\$\\frac\$" in texts["md"]
    for text in texts.values():
        assert not {"\x07", "\x1b"} & set(text)
    rows = list(csv.DictReader(texts["csv"].splitlines()))
    assert {"'=1+1", "'@SUM(A1)"} < {row["bundle"] for row in rows}
    for row in rows:
        for name, value in row.items():
            assert not value.startswith(("=", "+", "@")), name
            if value.startswith("-"):
                float(value)


def test_numbers_stay_numbers() -> None:
    """Those that are negative too; text that begins like one is no formula."""
    assert tidy.to_csv([{"a": -1.5, "b": "-1+2", "c": None}]) == "a,b,c\n-1.5,'-1+2,\n"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"climbs": 3}', '{"climbs": [3]}', '{"climbs": [{"data": []}]}',
        '{"climbs": [], "climbs": []}', '{"climbs": NaN}', "[" * 100_000,
        '{"climbs": [{"data": "a", "subject": "b", "steps": [{}], "accuracy": {}}]}',
    ],
)  # fmt: skip
def test_what_is_no_ladder_is_absent(text: str, tmp_path: Path) -> None:
    """It lies beside the bundles, and may be anybody's."""
    folder = Path(shutil.copytree(KEPT, tmp_path / "b"))
    (tmp_path / "ladder.json").write_text(text)
    (block,) = ladder.section(sources.read([folder])).blocks
    assert isinstance(block, Absent)
    assert "ladder.json is not what benchmarks.studies.ladder writes" in block.why


@pytest.mark.parametrize(
    "text", [b"", b"[]\n", b"\xff\n", b"3\n3\n", b'{"a": 1, "a": 2}\n', b"[" * 100_000]
)
def test_what_are_no_latencies_is_absent(text: bytes, tmp_path: Path) -> None:
    """Named, where it is called as this bundle's; a pipe of that name is not waited for."""
    folder = Path(shutil.copytree(KEPT, tmp_path / "b"))
    path = tmp_path / "b.bench.jsonl"
    path.write_bytes(text)
    (source,) = sources.read([folder])
    assert [absent.what for absent in source.absent] == [path.name]
    path.unlink()
    os.mkfifo(path)
    (source,) = sources.read([folder])
    assert [absent.what for absent in source.absent] == [path.name]
