"""Bad input: one whole line, the right exit code, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.data import contract_file
from tests import recordings
from tests.conftest import Edge

HERE = "{here}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with good and bad files in it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 3, 400)).astype(np.float32)
    y, session = np.arange(80) % 2, np.repeat([1, 2], 40)
    np.savez(tmp_path / "few.npz", X=x, y=y, session=session)
    np.savez(tmp_path / "short.npz", X=x[:, :, :12], y=y, session=session)
    recordings.write_edf(tmp_path / "one.edf")
    whole = (tmp_path / "one.edf").read_bytes()
    (tmp_path / "cut.edf").write_bytes(whole[:5000])
    (tmp_path / "c.toml").write_text(recordings.CONTRACT)
    missing = recordings.CONTRACT.replace('"C4", "COUNT"', '"C4", "Cz"')
    (tmp_path / "missing.toml").write_text(missing)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("years of work")
    np.save(tmp_path / "nan.npy", np.full((2, 22, 1000), np.nan, np.float32))
    np.save(tmp_path / "shape.npy", np.zeros((2, 22, 999), np.float32))
    return tmp_path


CASES = {
    "unknown mode": (
        "export --mode ecca --int8",
        2,
        "Invalid value for '--mode'. Allowed values are 'eca' and 'none', but got 'ecca' instead. "
        "Did you mean 'eca'?",
    ),
    "unknown mode when training": (
        "train --mode x --data sim --out m",
        2,
        "Invalid value for '--mode'. Allowed values are 'eca' and 'none', but got 'x' instead.",
    ),
    "unknown target": (
        "export --mode eca --targets tflite,tensorrt",
        2,
        "Invalid value for '--targets'. Allowed values are 'executorch', 'onnx' and 'tflite', but "
        "got 'tensorrt' instead.",
    ),
    "unknown option": (
        "export --int4",
        2,
        "No such option '--int4'. Did you mean '--int8'? Type 'edge export --help'.",
    ),
    "unknown command": (
        "exprot",
        2,
        "No such command 'exprot'. Did you mean 'export'? Type 'edge --help'.",
    ),
    "export does not train": (
        "export --mode eca --data few.npz --int8",
        2,
        "'edge export' does not train, and --data 'few.npz' comes without a --checkpoint. Type: "
        "edge train --mode eca --data few.npz --out model && edge export --mode eca --checkpoint "
        "model",
    ),
    "full int8 of nothing": (
        "export --mode eca --full-int8",
        2,
        "--full-int8 needs --int8. Type: edge export --int8 --full-int8",
    ),
    "no checkpoint there": (
        "export --checkpoint nowhere --int8",
        2,
        "'nowhere' is not a checkpoint: nothing is there. A checkpoint is a folder that 'edge "
        "train --out' or braindecode's save_pretrained wrote, a file of weights (.safetensors, "
        ".pt, .pth, .bin) with get_config() as JSON beside it, or hf:USER/REPO.",
    ),
    "other mode than the checkpoint's": (
        "export --mode eca --checkpoint {zoo}/none --int8",
        3,
        "--mode 'eca' was asked for and the checkpoint is 'none'. Type --mode none, or train a "
        "model of the other mode.",
    ),
    "data that does not fit the model": (
        "export --checkpoint {zoo}/eca --data few.npz --int8",
        3,
        "The model has channels 22 and few.npz has 3. Give data that fits, or its --contract.",
    ),
    "output taken": (
        "export --mode eca --int8 --out taken",
        2,
        "--out 'taken' exists and is not a bundle; it is left alone. Give another folder, or "
        "remove it first.",
    ),
    "output taken when training": (
        "train --mode eca --data few.npz --out taken",
        2,
        "--out 'taken' exists and is not a checkpoint; it is left alone. Give another folder, or "
        "remove it first.",
    ),
    "missing channel": (
        "train --mode eca --data one.edf --contract missing.toml --out m",
        3,
        "one.edf has no channel 'Cz'; it has C3, C4, COUNT. Correct signal.channels or [rename] in "
        "the contract.",
    ),
    "truncated EDF": (
        "train --mode eca --data cut.edf --contract c.toml --out m",
        2,
        "'cut.edf' is truncated: its header promises {promised} bytes and it has 5,000. Fetch it "
        "again.",
    ),
    "window too short": (
        "train --mode eca --data short.npz --out m",
        3,
        "A window of 12 samples is too short: braindecode would shorten temp_filter_length_inp 25, "
        "pool_stride_inp 15, temp_filter_length 15, pool_length 8, pool_stride 8 to 1. Use a "
        "longer window, or ask for shorter lengths with --arg.",
    ),
    "nothing said": (
        "train",
        2,
        "edge train needs '--mode', '--data' and '--out'. Type e.g.: edge train --mode eca --data "
        "sim --out model",
    ),
    "argument without a value": (
        "train --mode eca --data sim --out m --arg kernel_size",
        2,
        "Invalid argument 'kernel_size': type NAME=VALUE, e.g. kernel_size=7.",
    ),
    "not a bundle": (
        "verify taken",
        2,
        "'taken' is not a bundle. Type 'edge export --int8 --out taken' for one.",
    ),
    "unknown runnable": (
        "run {bundle} --target coreml --input nan.npy --output y.npy",
        2,
        "Invalid value for '--target'. Allowed values are 'executorch', 'onnx', 'tflite', "
        "'reference' and 'float', but got 'coreml' instead.",
    ),
    "windows with NaN": (
        "run {bundle} --target reference --input nan.npy --output y.npy",
        3,
        "--input 'nan.npy' holds nan in window 0, channel Fz, sample 0 (44000 non-finite samples "
        "in all). Cut or interpolate them first.",
    ),
    "windows of another shape": (
        "run {bundle} --target reference --input shape.npy --output y.npy",
        3,
        "--input 'shape.npy' has shape (2, 22, 999); expected (n, 22, 1000).",
    ),
    "no windows": (
        "run {bundle} --target reference --input x.npy --output y.npy",
        2,
        "--input 'x.npy' does not exist.",
    ),
    "windows that are none": (
        "run {bundle} --target reference --input c.toml --output y.npy",
        2,
        "--input 'c.toml' is not an .npy file: {numpy}.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_message_and_exit_code(
    case: str, folder: Path, edge: Edge, eca_bundle: Path, zoo: Path
) -> None:
    """The whole of stderr is one line, stdout is empty, and the folder is as it was."""
    command, code, message = CASES[case]
    before = listing(folder)
    head = (folder / "one.edf").stat().st_size
    done = edge(*command.format(bundle=eca_bundle, zoo=zoo).split(), cwd=folder)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("data: ", "note: "))]
    expected = message.format(promised=f"{head:,}", numpy=numpy_complaint(folder / "c.toml"))
    assert lines == [f"edge: {expected}"]
    assert (done.returncode, done.stdout) == (code, "")
    assert listing(folder) == before


@pytest.fixture(scope="session")
def zoo() -> Path:
    """The shipped checkpoints."""
    from edge import checkpoints

    return checkpoints.ZOO


def listing(folder: Path) -> list[tuple[str, int]]:
    """Every file and its size, hidden ones too."""
    return sorted((str(p.relative_to(folder)), p.stat().st_size) for p in folder.rglob("*"))


def numpy_complaint(path: Path) -> str:
    """What numpy says of a file that is not its own."""
    try:
        np.load(path, allow_pickle=False)
    except ValueError as error:
        return str(error)
    raise AssertionError


def test_few_calibration_windows(edge: Edge, folder: Path) -> None:
    """40 training windows train a model, and are refused for calibration."""
    small = ["--arg", "n_temporal_filters=4", "--arg", "ch_dim=4", "--epochs", "1"]
    done = edge("train", "--mode", "eca", "--data", "few.npz", "--out", "m", *small, cwd=folder)
    assert done.returncode == 0, done.stderr
    done = edge("export", "--checkpoint", "m", "--int8", "--out", "b", cwd=folder)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        "edge: few.npz gives 40 calibration windows in its training part; at least 48 are needed "
        "and 100 are safe. Add recordings, or hold out fewer groups."
    )
    assert not (folder / "b").exists()


def test_checkpoint_from_elsewhere_needs_data(edge: Edge, folder: Path, zoo: Path) -> None:
    """A braindecode folder is never calibrated on simulated data."""
    foreign = folder / "foreign"
    foreign.mkdir()
    for name in ("config.json", "model.safetensors"):
        (foreign / name).write_bytes((zoo / "eca" / name).read_bytes())
    done = edge("export", "--checkpoint", "foreign", "--int8", cwd=folder)
    assert (done.returncode, done.stderr) == (
        2,
        "edge: The checkpoint 'foreign' was trained elsewhere and int8 needs windows to be "
        "calibrated on. Type: edge export --checkpoint foreign --data RECORDINGS\n",
    )


def test_example_contract_is_the_file(edge: Edge) -> None:
    """Printed alone, so that it can be redirected."""
    done = edge("train", "--example-contract")
    assert (done.returncode, done.stdout) == (0, contract_file.EXAMPLE)
