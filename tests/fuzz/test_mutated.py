# SPDX-License-Identifier: BSD-3-Clause
"""The C of graphs beside the reference, with sanitizers; and that a fault of it would show."""

from __future__ import annotations

from string import Template

import pytest

from quantize.graph import files as graph_files
from quantize.graph.qgraph import QGraph
from tests.fuzz import mutated, native
from tests.fuzz.surfaces import HOP, KEPT


@pytest.fixture(scope="module")
def graph() -> QGraph:
    """The graph of the kept bundle."""
    return graph_files.load(KEPT / "qgraph")


def test_a_good_graph(graph: QGraph) -> None:
    """Nothing to complain of."""
    mutated.run(graph, HOP)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("window[n] = 1;", "heap-buffer-overflow"),
        ("first[0] = (int16_t)(0x7FFFFFFF + (int)size);", "signed integer overflow"),
        ('printf("1 ");', "in the reference"),
    ],
)
def test_faults_show(
    wrong: str, complaint: str, graph: QGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte beyond a buffer, an overflow, and another integer."""
    text = native.ENGINE.template.replace("    free(window);", f"    {wrong}\n    free(window);")
    monkeypatch.setattr(native, "ENGINE", Template(text))
    with pytest.raises(AssertionError, match=complaint):
        mutated.run(graph, HOP)
