# SPDX-License-Identifier: BSD-3-Clause
"""Results of studies: JSON that comes back as it was, short enough to be diffed."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.studies import records
from tests.conftest import ROOT

RESULTS = ROOT / "benchmarks" / "studies" / "results"

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=60,
)  # fmt: skip


@given(plain)
def test_comes_back(value: object) -> None:
    """Whatever the layout, it is the same JSON."""
    assert json.loads(records.text(value)) == value


def test_a_record_has_a_line() -> None:
    """So that a figure that changes is one line of a diff."""
    rows = [{"core": f"cortex-m{i}", "instructions": i, "what": "x" * 80} for i in range(9)]
    assert len(records.text({"rows": rows}).splitlines()) == 9 + 4


def test_results_stay_short() -> None:
    """All together at most 6,000 lines, each file as :func:`records.save` writes it."""
    files = sorted(RESULTS.iterdir())
    assert files
    assert sum(len(path.read_text().splitlines()) for path in files) <= 6000
    for path in files:
        assert path.suffix == ".json", path
        assert path.read_text() == records.text(json.loads(path.read_text())) + "\n", path
