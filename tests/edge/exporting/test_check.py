# SPDX-License-Identifier: BSD-3-Clause
"""`edge check`: verdicts from the tables and for real equal the golden file and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.studies import compatibility, pages
from edge import registry
from edge.errors import IncompatibleError, MissingToolError
from edge.exporting import check
from edge.exporting import refuse as fits
from edge.exporting import rungs as ladder
from edge.exporting.check import Cell
from edge.exporting.rungs import HeldOut, Rung, Yardstick
from edge.spec import BRAINDECODE, Precision, Reason, Verdict, describe
from edge.targets import base as target
from edge.targets import runtime
from edge.targets.base import Ability, Session, Sources
from edge.targets.runtime import Built
from quantize.graph import outputs, reference
from tests.conftest import Edge, Once
from tests.edge.targets.test_modes_on_targets import sources
from tests.firmware_bridge.models import shipped_graph

MODES, RUNTIMES = registry.networks(), runtime.names()
REBUILT = ("cat", "cbam", "eca")
"""Networks that the suite builds and runs for real; the rest is held against the tables."""

GOLDEN = json.loads(compatibility.GOLDEN.read_text())


@pytest.fixture(scope="session")
def report(edge: Edge, once: Once) -> dict[str, Any]:
    """The command's own document for the modes that are rebuilt."""

    def make(folder: Path) -> None:
        done = edge("check", "--mode", ",".join(REBUILT), "--json")
        assert done.returncode == 0, done.stderr
        (folder / "report.json").write_text(done.stdout)

    document: dict[str, Any] = json.loads((once("check", make) / "report.json").read_text())
    return document


def test_for_real(report: dict[str, Any]) -> None:
    """Every cell ran, decides as float does, and has the golden verdict and reasons."""
    cells = [
        Cell(**{**cell, "reasons": tuple(Reason(**r) for r in cell["reasons"])})
        for cell in report["cells"]
    ]
    assert [(cell.mode, cell.target) for cell in cells] == [
        (mode, name) for mode in REBUILT for name in RUNTIMES
    ]
    for cell in cells:
        assert cell.skipped == "", cell
        assert cell.agreement is not None
        assert cell.agreement >= 0.97, cell
        assert cell.sqnr_db is not None
        assert cell.sqnr_db >= 20, cell
    assert check.verdicts(cells) == {mode: GOLDEN[mode] for mode in REBUILT}


def test_integer_runtimes_are_exact(report: dict[str, Any]) -> None:
    """TensorFlow Lite Micro and C give the reference's integers, and say what memory they take."""
    for cell in report["cells"]:
        if runtime.load(cell["target"]).EXACT:
            assert cell["max_steps"] == 0, cell
            assert cell["memory_bytes"] > 0


@pytest.mark.parametrize("mode", sorted(set(MODES) - set(REBUILT)))
def test_from_the_tables(mode: str) -> None:
    """The shipped checkpoint's graph, against every table."""
    graph = shipped_graph(mode)
    judged = {name: target.judge(graph, runtime.load(name).ABILITIES) for name in RUNTIMES}
    cells = [Cell(mode, name, found.verdict, found.reasons) for name, found in judged.items()]
    assert check.verdicts(cells) == {mode: GOLDEN[mode]}


def test_golden_file_is_complete() -> None:
    """Networks and runtimes in it are those that there are."""
    assert sorted(GOLDEN) == sorted(MODES)
    assert all(sorted(cells) == sorted(RUNTIMES) for cells in GOLDEN.values())


def test_nothing_is_blocked_and_seven_modes_are_full() -> None:
    """What the project promises of its networks."""
    for mode, cells in GOLDEN.items():
        for name in ("executorch-xnnpack", "tflite", "onnxruntime"):
            assert cells[name]["verdict"] != "BLOCKED", (mode, name)
    for mode in ("none", "se", "eca", "ge", "fca", "cbam", "gsop", "eegnet"):
        for name in ("tflite", "tflite-plain", "tflm"):
            assert GOLDEN[mode][name]["verdict"] == "FULL", (mode, name)


def test_the_reference_shows_the_golden_table() -> None:
    """Generated: `make compatibility` writes both."""
    text = compatibility.PAGE.read_text()
    assert compatibility.markdown(GOLDEN) in text
    part = compatibility.markdown(GOLDEN)
    assert pages.spliced(text, compatibility.COMMAND, part) == text


@pytest.mark.parametrize("name", RUNTIMES)
def test_runtime_is_complete(name: str) -> None:
    """A runtime runs a target's artifact, under a name that the target knows, and is documented."""
    chosen = runtime.load(name)
    if chosen.TARGET:
        assert chosen.TARGET in registry.names(registry.TARGETS)
    if chosen.IN_EXPORT:
        assert chosen.IN_EXPORT in target.load(chosen.TARGET).RUNTIMES
    assert all(row.int8 or row.why for row in chosen.ABILITIES.values())
    assert name in compatibility.PAGE.read_text()


def test_every_target_is_judged() -> None:
    """Each way in which an export runs a target has a table."""
    for name in registry.names(registry.TARGETS):
        judged = {chosen.IN_EXPORT for chosen in runtime.of_target(name).values()} - {""}
        assert judged == set(target.load(name).RUNTIMES), name


def test_blocked_names_every_node() -> None:
    """Where the table has no row, or one that says no: node, operation, why, fix."""
    graph = shipped_graph("eca")
    table = {"conv": Ability(int8=True), "elu": Ability(False, "no ELU", "use ReLU", runs=False)}
    judged = target.judge(graph, table)
    assert judged.verdict == Verdict.BLOCKED
    reasons = {reason.node: reason for reason in judged.reasons}
    assert reasons["expand_act"] == Reason("expand_act", "elu", "no ELU", "use ReLU")
    assert reasons["gate.mean"] == Reason(
        "gate.mean",
        "mean",
        "the runtime has no such operation",
        "name another target, or train without it",
    )
    assert "mix" not in reasons


@dataclass(frozen=True)
class Fake:
    """A runtime that gives the reference's logits, changed."""

    change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    TARGET = IN_EXPORT = ""
    RUNS_WITH: tuple[str, ...] = ()
    ABILITIES: Mapping[str, Ability] = field(default_factory=dict)
    EXACT = False

    def build(self, made: Sources) -> Built:
        """Runs in numpy."""

        def invoke(window: NDArray[np.float32]) -> NDArray[np.float32]:
            return self.change(reference.run(made.graph(Precision.INT8), window[None]).real[0])

        return Built(Session(lambda window: window, invoke, lambda logits: logits), 1)


def broken(_: object) -> NDArray[np.float32]:
    """What a runtime says of a file that it cannot run."""
    raise RuntimeError("failed to allocate tensors\nand more")


def uninstalled(_: object) -> NDArray[np.float32]:
    """What a loader says where its package is missing."""
    raise MissingToolError("not here")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (broken, "failed to allocate tensors"),
        (
            lambda logits: logits * np.nan,
            "fake against reference: logits that are not finite. Nothing was written",
        ),
        (
            lambda logits: logits + 9,
            "fake against reference: a logit is 99 steps off, at most 2 are allowed. "
            "Nothing was written",
        ),
    ],
)
def test_what_fails_is_blocked(change: Any, why: str) -> None:
    """Whatever the table says: a file that does not load, or logits that are not the network's."""
    cell = measured(change)
    assert cell.verdict == Verdict.BLOCKED
    assert [reason.node for reason in cell.reasons] == [check.WHOLE]
    assert re.sub(r"\d+ steps", "99 steps", cell.reasons[0].why) == why


def test_a_runtime_that_is_not_here() -> None:
    """The table's verdict stands, and the line that installs the runtime is kept."""
    cell = measured(uninstalled)
    assert (cell.verdict, cell.skipped, cell.agreement) == (Verdict.FULL, "not here", None)


def measured(change: Any) -> Cell:
    """A small network in a fake runtime."""
    made, x = sources("eca")
    graph = outputs.give(made.graph(Precision.INT8), ())
    made = replace(made, quantized=replace(made.int8, graph=graph))
    logits = reference.run(made.graph(Precision.INT8), x).real
    top = Rung(BRAINDECODE, logits)
    runs = [logits, logits]
    known = {top.name: top, "reference": ladder.climb("reference", runs, [Yardstick(top)])}
    held_out = HeldOut(x, x, np.zeros(len(x), np.int64))
    return check._measured(
        Cell("eca", "fake", Verdict.FULL, ()), Fake(change), made, held_out, known
    )


def test_refusal_of_a_blocked_cell() -> None:
    """One line, exit code 3."""
    reasons = (Reason("expand_act", "gelu", "no GELU", "train with ELU"),)
    cells = (Cell("eca", "tflm", Verdict.BLOCKED, reasons),) * 2
    with pytest.raises(IncompatibleError) as caught:
        check.refuse(check.Report(cells))
    assert str(caught.value) == (
        "eca is BLOCKED on tflm: expand_act: no GELU (train with ELU) (and 1 more)."
    )


def test_modes_in_full() -> None:
    """What an export suggests in the place of a mode that cannot is what the golden file says."""
    full = [mode for mode, cells in GOLDEN.items() if cells["tflite"]["verdict"] == "FULL"]
    assert fits.modes_in_full("tflite") == tuple(sorted(full))
    assert fits.modes_in_full("onnx") == ()


def test_many_operations_of_a_part_are_counted() -> None:
    """A few by their names; a gate of fifty is one word."""
    gate = [Reason(f"gate.{i}", "exp", "no int8 form", "") for i in range(17)]
    few = [Reason(name, "exp", "no int8 form", "") for name in ("head", "stem.a", "stem.b")]
    assert describe([*few, *gate]) == ["head, stem.a, stem.b, gate (17 operations): no int8 form"]
    (line,) = describe(gate[:16])
    assert line.startswith("gate.0, gate.1, ")
