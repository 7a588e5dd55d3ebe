# SPDX-License-Identifier: BSD-3-Clause
"""`edge sweep`: nothing lost, nothing done twice, on one machine and on a cluster with a death."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.measure import tool
from benchmarks.sweep import claim, plan, results, run, work
from benchmarks.sweep.plan import Cell, Plan, Settings
from edge.errors import IncompatibleError, MissingToolError, UsageError
from edge.spec import ModelSpec
from edge.terminal import console
from quantize import plain as manifest
from tests.conftest import Edge
from tests.networks import windows

FORKS = multiprocessing.get_context("fork")


def planned(folder: Path, n: int = 6) -> Plan:
    """Cells that differ in their seed."""
    return plan.plan(folder, ["eca"], ["B01.npz"], range(n), ["default"], Settings())


def events(made: Plan) -> Counter[tuple[str, str]]:
    """How often every cell was started and finished."""
    if not made.journal.exists():
        return Counter()
    lines = [json.loads(line) for line in made.journal.read_text().splitlines()]
    return Counter((line["event"], line["cell"]) for line in lines)


def sweep(made: Plan, do: work.Work, **how: Any) -> tuple[work.Outcome, ...]:
    """Without words."""
    with console.console(verbose=False, quiet=True) as quiet:
        return run.sweep(made, quiet, do=do, **how)


def nothing(made: Plan, cell: Cell) -> None:
    """A cell that takes no time."""


@pytest.mark.parametrize("jobs", [1, 2])
def test_finished_cells_are_never_done_again(tmp_path: Path, jobs: int) -> None:
    """A second run does nothing; a larger plan does what is new."""

    def quick(made: Plan, cell: Cell) -> None:
        time.sleep(0.01)

    made = planned(tmp_path / "s")
    assert all(outcome.done for outcome in sweep(made, quick, jobs=jobs))
    assert sweep(made, quick, jobs=jobs) == ()
    larger = planned(tmp_path / "s", 8)
    assert len(sweep(larger, quick, jobs=jobs)) == 2
    assert events(larger) == {
        (event, cell.name): 1 for event in ("started", "finished") for cell in larger.cells
    }


def test_killed_run_goes_on(tmp_path: Path) -> None:
    """The cell that was being done is done again, the others are not."""
    made = planned(tmp_path / "s", 4)

    def slow_third(made: Plan, cell: Cell) -> None:
        if cell.seed == 2:
            time.sleep(60)

    process = FORKS.Process(target=sweep, args=(made, slow_third))
    process.start()
    while ("started", made.cells[2].name) not in events(made):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert made.missing() == made.cells[2:]
    sweep(made, nothing)
    assert made.missing() == ()
    started = {cell.seed: events(made)["started", cell.name] for cell in made.cells}
    assert started == {0: 1, 1: 1, 2: 2, 3: 1}
    assert all(events(made)["finished", cell.name] == 1 for cell in made.cells)


def test_two_runs_at_once_share_the_work(tmp_path: Path) -> None:
    """Side by side: whoever comes second to a cell does another one first."""
    made = planned(tmp_path / "s", 6)

    def quick(made: Plan, cell: Cell) -> None:
        time.sleep(0.2)

    others = [FORKS.Process(target=sweep, args=(made, quick)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert all(other.exitcode == 0 for other in others)
    assert set(events(made).values()) == {1}
    assert made.missing() == ()
    lines = [json.loads(line) for line in made.journal.read_text().splitlines()]
    at_once, most = 0, 0
    for line in lines:
        at_once += 1 if line["event"] == "started" else -1
        most = max(most, at_once)
    assert most > 1
    assert len({line["pid"] for line in lines}) > 1


def test_process_that_dies(tmp_path: Path) -> None:
    """Killed from outside, as one is when memory runs out; the same command goes on."""
    made = planned(tmp_path / "s", 3)

    def dies(made: Plan, cell: Cell) -> None:
        if cell.seed == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(UsageError) as error:
        sweep(made, dies, jobs=2)
    assert str(error.value) == (
        "The processes that do the cells broke down (TerminatedWorkerError): one was killed, or "
        "memory ran out. What is finished is kept; type the same again, with fewer at once."
    )
    sweep(made, nothing, jobs=2)
    assert made.missing() == ()
    assert all(events(made)["finished", cell.name] == 1 for cell in made.cells)


def test_worker_of_a_cluster_is_killed(tmp_path: Path) -> None:
    """Two workers, one killed in the middle: no cell lost, none done twice."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not here")
    made = planned(tmp_path / "s", 12)
    folder = str(made.folder)

    def part(made: Plan, cell: Cell) -> None:
        # a cell of the doomed worker that is under way when it dies
        time.sleep(0.3)

    def kill_one(pids: dict[str, int]) -> None:
        victim = sorted(pids.values())[0]
        while True:
            lines = [json.loads(line) for line in made.journal.read_text().splitlines()]
            own = [line["event"] for line in lines if line["pid"] == victim]
            if own.count("finished") >= 2 and own[-1] == "started":
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
                return
            time.sleep(0.005)

    killed: list[int] = []
    made.journal.touch()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs=50, local_directory=folder,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        pids = client.run(os.getpid)
        assert len(pids) == 2
        killer = threading.Thread(target=kill_one, args=(pids,), daemon=True)
        killer.start()
        outcomes = sweep(made, part, dask=cluster.scheduler_address)
        killer.join(60)
    assert len(killed) == 1
    assert {outcome.cell for outcome in outcomes} == {cell.name for cell in made.cells}
    assert not any(outcome.failure for outcome in outcomes)
    assert made.missing() == ()
    found = events(made)
    assert all(found["finished", cell.name] == 1 for cell in made.cells)
    twice = [cell.name for cell in made.cells if found["started", cell.name] > 1]
    assert len(twice) == 1  # the one that died with its worker
    lines = [json.loads(line) for line in made.journal.read_text().splitlines()]
    ends = {line["cell"]: line["pid"] for line in lines if line["event"] == "finished"}
    assert ends[twice[0]] not in killed
    assert sum(pid in killed for pid in ends.values()) >= 2  # they were not done again


def test_refusals_are_results_and_failures_are_not(tmp_path: Path) -> None:
    """A cell that cannot be is kept with its reason; what can be mended is tried again."""
    made = planned(tmp_path / "s", 4)
    failures = {
        0: IncompatibleError("it does not fit."),
        1: MissingToolError("This needs a tool."),
        2: UsageError("Cannot write 'b': No space left on device."),
    }

    def fickle(made: Plan, cell: Cell) -> None:
        if cell.seed in failures:
            raise failures[cell.seed]

    outcomes = sweep(made, fickle)
    with pytest.raises(MissingToolError) as error:
        run.refuse(outcomes)
    assert str(error.value) == (
        "2 cells of 4 failed; the same command tries again what has no result. "
        "eca-B01-s1-default: This needs a tool."
    )
    assert made.missing() == made.cells[1:3]
    refused = json.loads(made.result(made.cells[0]).read_text())
    assert refused["refused"] == "it does not fit."
    assert [run.trouble(outcome) for outcome in outcomes] == [
        "eca-B01-s0-default refused: it does not fit.",
        "eca-B01-s1-default failed: This needs a tool.",
        "eca-B01-s2-default failed: Cannot write 'b': No space left on device.",
        "",
    ]

    def broken(made: Plan, cell: Cell) -> None:
        raise ZeroDivisionError("one divided by none")

    with pytest.raises(RuntimeError, match="one divided by none"):
        run.refuse(sweep(made, broken))
    assert made.missing() == made.cells[1:3]
    found = events(made)
    assert [found["failed", cell.name] for cell in made.cells] == [0, 2, 2, 0]
    run.refuse(sweep(made, nothing))
    assert made.missing() == ()


def test_full_disk_while_a_result_is_written(tmp_path: Path) -> None:
    """In our words, and without a result that is cut off."""
    made = planned(tmp_path / "s", 1)

    def fill(made: Plan, cell: Cell) -> None:
        made.result(cell).parent.rmdir()  # a folder that takes no file

    (outcome,) = sweep(made, fill)
    assert (outcome.failure, outcome.exit_code) == (
        f"Cannot write --out {str(made.folder)!r}: No such file or directory.",
        2,
    )


def test_interrupted_sweep_says_what_there_is(tmp_path: Path) -> None:
    """What is finished stays, and the line says so."""
    made = planned(tmp_path / "s", 3)

    def interrupted(made: Plan, cell: Cell) -> None:
        if cell.seed == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error, run.interruptible(made):
        sweep(made, interrupted)
    assert str(error.value) == ("Interrupted; 1 of 3 cells are finished, the same command goes on.")
    assert made.missing() == made.cells[1:]


def test_two_different_sweeps_at_once(tmp_path: Path) -> None:
    """Of those that ask for other settings one is let in; the rest are told what is there."""
    refused = FORKS.Queue()

    def start(epochs: int) -> None:
        try:
            plan.plan(tmp_path / "s", ["eca"], ["b"], [0], ["default"], Settings(epochs=epochs))
        except UsageError as error:
            refused.put(str(error))

    others = [FORKS.Process(target=start, args=(epochs,)) for epochs in range(1, 7)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    kept = json.loads((tmp_path / "s" / "sweep.json").read_text())["settings"]["epochs"]
    messages = [refused.get(timeout=10) for _ in range(5)]
    assert all(f"has --epochs {kept}, and " in message for message in messages)


def test_timing_is_alone_on_its_machine(tmp_path: Path) -> None:
    """Work goes on side by side; whoever wants the machine alone waits for all of it."""
    lock = tmp_path / "machine"
    order = []

    def alone() -> None:
        with claim.held(lock):
            order.append("alone")

    with claim.held(lock, shared=True), claim.held(lock, shared=True):
        thread = threading.Thread(target=alone)
        thread.start()
        thread.join(0.05)
        order.append("shared")
    thread.join()
    assert order == ["shared", "alone"]


def test_wrong_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole messages."""
    made = planned(tmp_path / "s")
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    bad = tmp_path / "bad.json"
    bad.write_text('{"observr": "min_max"}')

    def message(*arguments: Any) -> str:
        with pytest.raises(UsageError) as error:
            plan.plan(*arguments)
        return str(error.value)

    assert message(other, ["eca"], ["B01.npz"], [0], ["default"], Settings()) == (
        f"--out {str(other)!r} exists and is not a sweep; it is left alone. Give another folder, "
        f"or remove it first."
    )
    assert message(made.folder, ["eca"], ["B01.npz"], [0], ["default"], Settings(epochs=5)) == (
        f"The sweep in {str(made.folder)!r} has --epochs 60, and 5 is asked for. Ask for the same, "
        f"or name another --out."
    )
    assert message(made.folder, ["eca"], ["a/B01.npz", "b/B01.npz"], [0], ["default"],
                   Settings()) == (
        "Two cells would be called 'eca-B01-s0-default'. Name every mode, seed and recipe once, "
        "and data and recipes whose files have different names."
    )  # fmt: skip
    assert message(made.folder, ["eca"], ["B01.npz"], [0], ["default", "x/default.json"],
                   Settings()).startswith("Two cells would be called")  # fmt: skip
    assert message(made.folder, ["eca"], ["B01.npz"], [0], [str(bad)], Settings()) == (
        f"--recipes {str(bad)!r}: 'observr' is not known. Allowed are "
        f"{plan.listing(f.name for f in plan.fields(plan.Recipe))}. Did you mean 'observer'?"
    )
    data = [tmp_path / name / "B01.npz" for name in ("one", "two")]
    for path in data:
        path.parent.mkdir()
        path.touch()
    asked = (tmp_path / "t", ["eca"], [str(data[0])], [0], ["default"], Settings())
    sweep(plan.plan(*asked), nothing)
    monkeypatch.chdir(data[0].parent)  # the same, typed from there
    assert plan.plan(asked[0], ["eca"], ["B01.npz"], [0], ["default"], Settings()).missing() == ()
    assert message(asked[0], ["eca"], [str(data[1])], [0], ["default"], Settings()) == (
        f"The sweep in {str(asked[0])!r} has eca-B01-s0-default of --data {str(data[0])!r}, and "
        f"{str(data[1])!r} is asked for. Ask for the same, or name another --out."
    )
    contract = tmp_path / "c.toml"
    shas = []
    for text in ("", "hop = 3"):
        contract.write_text(text)
        shas.append(manifest.sha256(contract.read_bytes()))
        settings = Settings(contract=str(contract))
        if not text:
            plan.plan(tmp_path / "u", ["eca"], ["b"], [0], ["default"], settings)
    assert message(tmp_path / "u", ["eca"], ["b"], [0], ["default"], settings) == (
        f"The sweep in {str(tmp_path / 'u')!r} has a --contract of sha256 {shas[0]!r}, and "
        f"{shas[1]!r} is asked for. Ask for the same, or name another --out."
    )
    monkeypatch.setattr(run, "CONNECT_S", 1)
    with pytest.raises(UsageError) as error:
        sweep(made, nothing, dask="tcp://127.0.0.1:1")
    assert str(error.value) == (
        "--dask 'tcp://127.0.0.1:1' does not answer (OSError). Start one with: dask scheduler, "
        "and on every machine: dask worker tcp://127.0.0.1:1"
    )


def test_time_left() -> None:
    """In words."""
    assert run.remaining(60, 2, 6) == "about 2 min"
    assert run.remaining(10, 1, 4) == "about 30 s"
    assert run.remaining(7200, 1, 3) == "about 4 h"


def test_locks_die_with_their_process(tmp_path: Path) -> None:
    """Nobody has to clean up behind one that was killed."""

    def hold() -> None:
        with claim.held(tmp_path / "lock"):
            (tmp_path / "held").touch()
            time.sleep(60)

    process = FORKS.Process(target=hold)
    process.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    process.kill()
    process.join()
    with claim.held(tmp_path / "lock"):
        pass


@pytest.fixture(scope="module")
def real(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes on one checkpoint, one target and epoch, by the command a user types."""
    folder = tmp_path_factory.mktemp("sweep")
    spec = ModelSpec("none", 3, 1000, 2, {})
    x, y = windows(spec, 120), np.arange(120) % 2
    x[y == 1, 0] *= 3
    np.savez(folder / "b.npz", X=x, y=y, session=np.repeat([1, 2], 60))
    (folder / "plain.json").write_text('{"observer": "min_max", "equalize": false}')
    done = edge(
        "sweep", "--modes", "none", "--data", "b.npz", "--recipes", "default,plain.json",
        "--targets", "tflite", "--epochs", "1", "--out", "s", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "2 cells, 0 of them finished"
    assert lines[1].startswith("sweep 1/2: none-b-s0-default done, about ")
    assert lines[2] == "sweep 2/2: none-b-s0-plain done"
    assert "int8 against float, subjects as the unit" in done.stdout
    return folder / "s"


def test_a_real_sweep(real: Path) -> None:
    """One training for both recipes; a table with a row an artifact; a report of both."""
    assert [path.name for path in (real / "models").iterdir()] == ["none-b-s0"]
    rows = list(csv.DictReader((real / "sweep.csv").read_text().splitlines()))
    assert [(row["recipe"], row["target"], row["precision"]) for row in rows] == [
        ("default", "tflite", "float"), ("default", "tflite", "int8"),
        ("plain", "tflite", "float"), ("plain", "tflite", "int8"),
    ]  # fmt: skip
    assert {row["refused"] for row in rows} == {""}
    assert rows[1]["sqnr_db"] != rows[3]["sqnr_db"]
    text = (real / "report.html").read_text()
    assert "none (observer min_max, equalize False" in text  # and what the policy left in float


def test_parquet_holds_the_same_table(real: Path) -> None:
    """Types kept."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not here")
    rows = parquet.read_table(real / "sweep.parquet").to_pylist()
    assert [row["precision"] for row in rows] == ["float", "int8"] * 2
    assert isinstance(rows[1]["difference"], float)
    assert rows[0]["difference"] is None


def test_a_real_sweep_is_resumed(edge: Edge, real: Path) -> None:
    """Nothing is done again; a lost result is."""
    folder = real.parent
    arguments = (
        "sweep", "--modes", "none", "--data", "b.npz", "--recipes", "default,plain.json",
        "--targets", "tflite", "--epochs", "1", "--out", "s", "--json",
    )  # fmt: skip
    before = (real / "journal.jsonl").read_text()
    table = (real / "sweep.csv").read_bytes()
    done = edge(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "2 cells, 2 of them finished\n"
    assert sorted(json.loads(done.stdout)["cells"]) == ["none-b-s0-default", "none-b-s0-plain"]
    assert (real / "journal.jsonl").read_text() == before
    assert (real / "sweep.csv").read_bytes() == table
    torn = real / "bundles" / ".none-b-s0-plain.abcdefgh"  # of an export that was killed
    torn.mkdir()
    (real / "results" / "none-b-s0-plain.json").unlink()
    done = edge(*arguments, cwd=folder)
    assert done.stderr == ("2 cells, 1 of them finished\nsweep 1/1: none-b-s0-plain done\n")
    assert sorted(path.name for path in torn.parent.iterdir()) == [
        "none-b-s0-default",
        "none-b-s0-plain",
    ]
    jobs_and_dask = edge(*arguments, "--jobs", "2", "--dask", "tcp://127.0.0.1:1", cwd=folder)
    assert (jobs_and_dask.returncode, jobs_and_dask.stderr) == (
        2,
        "edge: --jobs is for this machine, and a cluster does as many cells at once as it has "
        "workers. Leave out --jobs or --dask.\n",
    )


def test_refused_cells_are_in_the_table(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their reason, beside those that are there."""
    folder = tmp_path / "s"
    shutil.copytree(real, folder)
    made = plan.plan(
        folder, ["none"], [str(real.parent / "b.npz"), "c.npz"], [0], ["default"],
        Settings(epochs=1, targets=("tflite",)),
    )  # fmt: skip

    def refuse(made: Plan, cell: Cell) -> None:
        raise IncompatibleError("no.")

    sweep(made, refuse)
    found, _ = results.write(made)
    assert len(found) == 1
    rows = list(csv.DictReader((folder / "sweep.csv").read_text().splitlines()))
    assert [row["refused"] for row in rows] == ["", "", "no."]
    assert rows[2]["subject"] == "c"
    assert results.older(made) == ""
    monkeypatch.setattr(tool, "sha256", lambda: "of another day")
    assert results.older(made) == (
        f"2 of 2 finished cells were made by other code than this (column tool_sha256), and are "
        f"kept. To do them again, remove their files in {str(folder / 'results')!r}."
    )
