# SPDX-License-Identifier: BSD-3-Clause
"""Wrong input: one whole line, the right exit code, nothing left behind.

Each file in ``errors/`` is a case: the arguments, the files that they name, the exit code, and all
of stderr but notes and progress.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from edge.checkpoint import find as checkpoints
from edge.signal import contract_file
from tests.conftest import Edge
from tests.edge import wrong_inputs

CASES = sorted((Path(__file__).parent / "errors").glob("*.toml"))
OTHER_LINES = ("data: ", "note: ", "export ", "train ", "40 training windows, ")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_message_and_exit_code(case: Path, tmp_path: Path, edge: Edge, eca_bundle: Path) -> None:
    """The message is one line, stdout is empty, and the folder is as it was."""
    wanted = tomllib.loads(case.read_text())
    wrong_inputs.make(wanted.get("input", []), tmp_path)
    before = listing(tmp_path)
    command = wanted["arguments"].format(bundle=eca_bundle, zoo=checkpoints.ZOO)
    hub = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")} if "hf:" in command else None
    done = edge(*command.split(), cwd=tmp_path, env=hub)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(OTHER_LINES)]
    message = wanted["message"].replace("{here}", str(tmp_path))
    assert lines == ["edge: " + message.replace("{bundle}", str(eca_bundle))]
    assert (done.returncode, done.stdout) == (wanted["code"], "")
    assert listing(tmp_path) == before


def listing(folder: Path) -> list[tuple[str, int]]:
    """Every file and its size, hidden ones too."""
    return sorted((str(p.relative_to(folder)), p.stat().st_size) for p in folder.rglob("*"))


def test_there_are_enough() -> None:
    """Some forty at least, and every input is used."""
    assert len(CASES) >= 40
    used = {name for case in CASES for name in tomllib.loads(case.read_text()).get("input", [])}
    assert used == set(wrong_inputs.MAKERS)


def test_few_calibration_windows(edge: Edge, tmp_path: Path) -> None:
    """40 training windows train a model, and are refused for calibration."""
    wrong_inputs.make(["few.npz"], tmp_path)
    small = ["--arg", "n_temporal_filters=4", "--arg", "ch_dim=4", "--epochs", "1"]
    done = edge("train", "--mode", "eca", "--data", "few.npz", "--out", "m", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = edge("export", "--checkpoint", "m", "--int8", "--out", "b", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        "edge: few.npz gives 40 calibration windows in its training part; at least 48 are needed "
        "and 100 are safe. Add recordings, or hold out fewer groups."
    )
    assert not (tmp_path / "b").exists()


def test_example_contract_is_the_file(edge: Edge) -> None:
    """Printed alone, so that it can be redirected; as JSON where that is asked for."""
    done = edge("train", "--example-contract")
    assert (done.returncode, done.stdout) == (0, contract_file.EXAMPLE)
    done = edge("train", "--example-contract", "--json")
    assert json.loads(done.stdout) == {"contract": contract_file.EXAMPLE}
