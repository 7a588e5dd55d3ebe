# SPDX-License-Identifier: BSD-3-Clause
"""Every format has its row in the documentation, with all that it reads and can be told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.data import reader
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "reference" / "recordings.md"
ROWS = {
    cells[1].strip("` "): cells
    for line in PAGE.read_text().splitlines()
    if len(cells := line.split("|")) == 9 and cells[1].strip().startswith("`")
}


def test_the_table_is_the_folder() -> None:
    """No format without a row, no row without a format."""
    assert list(ROWS) == sorted(reader.formats())


@pytest.mark.parametrize("name", reader.formats())
def test_a_row_says_it_all(name: str) -> None:
    """Suffixes and options in the columns that are theirs."""
    each = reader.formats()[name]
    row = ROWS[name]
    assert re.findall(r"`([^`]+)`", row[2]) == list(each.SUFFIXES)
    assert set(re.findall(r"`(\w+)`", row[6])) == set(reader.options_of(each))


@pytest.mark.parametrize("name", sorted(n for n in ROWS if ROWS[n][7].strip() != "MNE"))
def test_a_test_follows_a_public_file(name: str) -> None:
    """What the row names, the format's test or the format names too."""
    repository = ROWS[name][7].split()[0]
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
    module = name.replace("-", "_")
    texts = (
        Path(__file__).with_name(f"test_{module}.py").read_text(),
        (ROOT / "edge" / "data" / "formats" / f"{module}.py").read_text(),
    )
    assert any(repository in text for text in texts)
