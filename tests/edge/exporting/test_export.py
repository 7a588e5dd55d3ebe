# SPDX-License-Identifier: BSD-3-Clause
"""The main job: `edge export --mode eca --int8` as a user types it, and what comes of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import folder as bundle_folder
from edge.bundle import read as bundle
from edge.bundle import types as bundle_types
from edge.bundle.types import Manifest
from edge.exporting import held_out
from edge.spec import Verdict
from quantize import plain
from tests.conftest import Edge

FILES = [
    "c",
    "config.json",
    "contract.json",
    "decisions.npz",
    "golden.npz",
    "manifest.json",
    "model.executorch.float.pte",
    "model.executorch.int8.pte",
    "model.onnx.float.onnx",
    "model.onnx.int8.onnx",
    "model.safetensors",
    "model.tflite.float.tflite",
    "model.tflite.int8.tflite",
    "qgraph.json",
    "qgraph.npz",
    "tensors.json",
    "training.json",
]


def test_bundle_is_complete(eca_bundle: Path) -> None:
    """Every file that the documentation lists, and no other."""
    assert sorted(path.name for path in eca_bundle.iterdir()) == FILES


def test_every_rung_holds(eca_bundle: Path) -> None:
    """Held-out windows: runtimes within a step of the reference, int8 close to float."""
    made = bundle.read(eca_bundle).manifest
    assert made.data.n_held_out == held_out.SIMULATED
    for entry in made.parity:
        assert entry.repeatable
        if entry.max_steps is not None:
            assert entry.max_steps <= 2
            assert entry.within_one_step is not None
            assert entry.within_one_step >= 0.99
        if entry.rung.endswith("int8") and entry.reference == "braindecode":
            assert entry.sqnr_median_window_db is not None
            assert entry.sqnr_median_window_db > 30
            assert entry.agreement.share >= 0.98
        if entry.rung.endswith("float") or entry.rung == "lowered":
            assert entry.max_relative_error < 1e-4


def test_every_decision_is_kept(eca_bundle: Path) -> None:
    """Labels and decisions of every rung that ran on every held-out window, as the manifest counts.

    PyTorch's graph, which is no file, is run on the first windows only, and its decisions compare
    with nobody's.
    """
    opened = bundle.read(eca_bundle)
    kept = opened.decisions()
    labels = kept.pop(bundle_types.LABELS)
    correct = {name: int((decided == labels).sum()) for name, decided in kept.items()}
    counts = {
        f"{bundle_types.DECISION}{a.rung}": a.correct.count
        for a in opened.manifest.accuracy
        if a.rung != "qdq"
    }
    assert correct == counts
    assert all(len(decided) == len(labels) for decided in kept.values())
    assert len(labels) == opened.manifest.data.n_held_out == held_out.SIMULATED


def test_the_default_decides_about_half_a_point(eca_bundle: Path) -> None:
    """The windows that are simulated suffice for every int8 file, by the counts that are kept."""
    opened = bundle.read(eca_bundle)
    kept = opened.decisions()
    labels = kept[bundle_types.LABELS]
    entries = opened.manifest.paired
    assert {entry.rung for entry in entries} == {
        f"{name} int8" for name in ("c", "executorch", "onnx", "tflite")
    }
    for entry in entries:
        float_right = kept[f"{bundle_types.DECISION}braindecode"] == labels
        int8_right = kept[f"{bundle_types.DECISION}{entry.rung}"] == labels
        assert entry.gained == int((int8_right & ~float_right).sum())
        assert entry.lost == int((float_right & ~int8_right).sum())
        assert (entry.n_windows, entry.answer, entry.need) == (len(labels), "yes", None)
        assert entry.low_points > -entry.margin_points
    assert opened.manifest.data.split == "groups session3 held out, 7 more made to compare on"


def test_all_int8_was_enough(eca_bundle: Path) -> None:
    """The manifest says what was wanted, and that nothing else had to be tried."""
    decision = bundle.read(eca_bundle).manifest.policy
    assert decision is not None
    assert (decision.wanted, decision.met) == ("agreement of at least 98.5 %", True)
    assert [trial.float_parts for trial in decision.trials] == [()]


def test_sensitivity(edge: Edge, tmp_path: Path) -> None:
    """Ranked, every tensor once, its files among those that the manifest has hashes of."""
    made = tmp_path / "b"
    wanted = ("--mode", "eca", "--int8", "--targets", "c", "--held-out", "96", "--sensitivity")
    done = edge("export", *wanted, "--out", made)
    assert done.returncode == 0, done.stderr
    report = json.loads((made / bundle_types.SENSITIVITY).read_text())
    errors = [effect["alone"]["logit_error"] for effect in report["effects"]]
    assert errors == sorted(errors, reverse=True)
    items = [effect["item"] for effect in report["effects"]]
    assert len(set(items)) == len(items)
    assert {"input", "mix", "gate.conv.weight", "head.weight"} <= set(items)
    assert {bundle_types.SENSITIVITY, bundle_types.SENSITIVITY_FIGURE} <= set(
        bundle.read(made).manifest.files
    )


def test_verdicts(eca_bundle: Path) -> None:
    """TFLite is all int8; what ExecuTorch computes in float is named with its reason."""
    artifacts = {
        (a.target, str(a.precision)): a for a in bundle.read(eca_bundle).manifest.artifacts
    }
    assert artifacts["tflite", "int8"].verdict == Verdict.FULL
    mixed = artifacts["executorch", "int8"]
    assert mixed.verdict == Verdict.MIXED
    assert mixed.float_operations == ("stem_pool.blocks", "stem_pool.windows", "block_pool", "head")
    assert all(reason.why for reason in mixed.reasons)


def test_shipped_checkpoints_learned(eca_bundle: Path) -> None:
    """The float model lands at 75-90 % on the session that it was not trained on."""
    made = bundle.read(eca_bundle).manifest
    float_accuracy = next(a for a in made.accuracy if a.rung == "braindecode").correct.share
    assert 0.75 <= float_accuracy <= 0.90


def test_two_exports_are_byte_identical(edge: Edge, tmp_path: Path) -> None:
    """No dates, no randomness, no matter how many threads: the same bytes in every file."""
    one, two = tmp_path / "one", tmp_path / "two"
    export = ("export", "--mode", "eca", "--int8", "--sensitivity", "--held-out", "96", "--out")
    for out, env in ((one, None), (two, {"OMP_NUM_THREADS": "2"})):  # forked ones have one
        done = edge(*export, out, env=env)
        assert done.returncode == 0, done.stderr
    assert bundle_folder.checksums(one) == bundle_folder.checksums(two)
    for name in ("manifest.json", "c/edge.c"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_result_and_chatter(edge: Edge, tmp_path: Path) -> None:
    """The table on stdout; on stderr our own lines and not one of the toolchains'."""
    export = ("export", "--mode", "none", "--int8", "--targets", "tflite", "--held-out", "96")
    done = edge(*export, cwd=tmp_path, env={})
    assert done.returncode == 0, done.stderr
    assert "model.tflite.int8.tflite" in done.stdout
    assert done.stdout.rstrip().endswith("bundle: edge-none-int8")
    assert done.stderr.splitlines() == [
        "data: sim, as recorded when the model was trained",
        "note: simulated data; accuracies say nothing about real EEG",
        "export 1/5: quantized",
        "export 2/5: compared",
        "export 3/5: tflite float",
        "export 4/5: tflite int8",
        "export 5/5: bundle",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["edge-none-int8"]


def test_run_on_every_target(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """`edge run` gives the golden logits on the golden windows, whatever runs them."""
    golden = bundle.read(eca_bundle).golden()
    np.save(tmp_path / "x.npy", golden["x"])
    rungs = {
        "c": "c int8",
        "tflite": "tflite int8",
        "executorch": "executorch int8",
        "onnx": "onnx int8",
        "reference": "reference",
        "float": "braindecode",
    }
    for target, rung in rungs.items():
        out = tmp_path / f"{target}.npy"
        done = edge(
            "run", eca_bundle, "--target", target, "--input", tmp_path / "x.npy", "--output", out
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"20 windows, 4 logits each: {out}\n"
        np.testing.assert_array_equal(np.load(out), golden[f"logits/{rung}"])


def test_run_the_float_artifact(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """``--precision`` chooses where a target has both."""
    golden = bundle.read(eca_bundle).golden()
    np.save(tmp_path / "x.npy", golden["x"])
    done = edge(
        "run", eca_bundle, "--target", "tflite", "--precision", "float",
        "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--json",
    )  # fmt: skip
    assert json.loads(done.stdout) == {"output": str(tmp_path / "y.npy"), "shape": [20, 4]}
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), golden["logits/tflite float"])


UNSIGNED = "note: the bundle is not signed: its models run in a process of their own.\n"


def test_verify(edge: Edge, eca_bundle: Path) -> None:
    """Every runnable holds, and on the machine that exported them gives the same bits."""
    done = edge("verify", eca_bundle, "--json")
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert [check["rung"] for check in checks] == [
        "reference",
        "float",
        "c int8",
        "executorch float",
        "executorch int8",
        "onnx float",
        "onnx int8",
        "tflite float",
        "tflite without delegate float",
        "tflite int8",
        "tflite without delegate int8",
    ]
    assert all(check["same_bits"] and not check["problem"] for check in checks)
    assert done.stderr == UNSIGNED


def test_verify_notices_other_weights(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """A graph that computes something else is refused, though its hashes are right.

    Its sums have other bounds; its C, which is always generated anew, is another; where a manifest
    has neither, its integers are others (exit code 5).
    """
    copy = tmp_path / "copy"
    shutil.copytree(eca_bundle, copy)
    with np.load(copy / "qgraph.npz") as file:
        constants = {name: file[name] for name in file.files}
    constants["head.weight"] = constants["head.weight"][::-1]
    np.savez(copy / "qgraph.npz", **constants)
    made = plain.read(copy / "manifest.json", Manifest)
    made = replace(made, files=bundle_folder.checksums(copy))
    plain.write(copy / "manifest.json", made)
    done = edge("verify", copy)
    assert done.returncode == 3
    assert done.stderr.endswith(f"than follow from {copy / 'qgraph'}.json. Export again.\n")
    made = replace(made, accumulators=())
    plain.write(copy / "manifest.json", made)
    done = edge("verify", copy)
    assert done.returncode == 3
    assert done.stderr.endswith(
        "c/edge.c' is not what the bundle's graph gives, though this version of edge wrote it: it "
        "was changed. Export again.\n"
    )
    shutil.rmtree(copy / "c")
    others = tuple(artifact for artifact in made.artifacts if artifact.target != "c")
    made = replace(made, artifacts=others, files=bundle_folder.checksums(copy))
    plain.write(copy / "manifest.json", made)
    done = edge("verify", copy)
    assert done.returncode == 5
    assert done.stderr == f"{UNSIGNED}edge: reference: its integers are not the golden ones.\n"


@pytest.mark.parametrize(
    "option", [["--max-drop", "-101", "--gate", "int8", "--targets", "tflite"], ["--full-int8"]]
)
def test_gates_leave_nothing_behind(edge: Edge, tmp_path: Path, option: list[str]) -> None:
    """An accuracy gate that cannot be met, and int8 throughout where a target pools in float."""
    export = ("export", "--mode", "eca", "--int8", "--held-out", "96")
    done = edge(*export, *option, "--out", "b", cwd=tmp_path)
    expected = {
        "--max-drop": (5, "edge: model.tflite.float.tflite loses 0.00 points on 96 held-out"),
        "--full-int8": (3, "edge: --full-int8 is not possible for these targets. executorch: "),
    }[option[0]]
    assert done.returncode == expected[0]
    assert done.stderr.splitlines()[-1].startswith(expected[1])
    assert list(tmp_path.iterdir()) == []


def test_full_int8_on_tflite(edge: Edge, tmp_path: Path) -> None:
    """The target that can."""
    done = edge(
        "export", "--mode", "eca", "--int8", "--full-int8", "--targets", "tflite",
        "--held-out", "96", "--out", "b", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert [a["verdict"] for a in made["artifacts"]] == ["FULL", "FULL"]
    assert made["recipe"]["observer"] == "percentile"
