# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints that somebody made to do harm: one line each, little memory, no code run."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from edge.checkpoint import files
from edge.errors import EdgeError
from edge.spec import ModelSpec
from tests.conftest import Edge
from tests.edge.checkpoint.mutations import MUTATIONS
from tests.networks import SMALL, randomized

SPEC = ModelSpec("eca", 3, 300, 2, SMALL)
MUTATIONS_EACH = int(os.environ.get("EDGE_MUTATIONS", "80"))
"""Of every form of a checkpoint; ``EDGE_MUTATIONS=5000`` for a night."""
MAX_SECONDS = 20
MAX_BYTES = 500e6


@pytest.fixture(scope="module")
def module() -> Any:
    """A random network."""
    return randomized(SPEC, 0)


@pytest.fixture(scope="module")
def pristine(module: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint of every form, each in a folder of its own."""
    root = tmp_path_factory.mktemp("pristine")
    state, config = module.state_dict(), json.dumps(module.get_config())
    hyper = {"lr": np.float64(0.1), "n_chans": 3, "n_times": 300, "n_outputs": 2}
    hyper |= {"attention_mode": "eca", **SPEC.arguments}
    inside = {f"model.{k}": v for k, v in state.items()}
    for name in MUTATIONS:
        folder = root / name
        folder.mkdir()
        if name != "alone.ckpt":
            (folder / "config.json").write_text(config)
    torch.save(state, root / "w.pt" / "w.pt")
    torch.save(state, root / "old.pt" / "old.pt", _use_new_zipfile_serialization=False)
    torch.save(
        {"state_dict": inside, "hyper_parameters": hyper, "epoch": 3},
        root / "alone.ckpt" / "alone.ckpt",
    )
    save_file(state, root / "w.safetensors" / "w.safetensors", metadata={"format": "pt"})
    return root


def outcome(path: Path) -> str | None:
    """The line that loading ends with; None where it loads."""
    try:
        files.load(str(path))
    except EdgeError as error:
        return str(error)
    return None


def peak_bytes() -> float:
    """Most memory that this process has had."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutations(name: str, pristine: Path, tmp_path: Path) -> None:
    """Each loads or is refused in one printable line, within the stated time and memory."""
    path = tmp_path / name
    original = {file.name: file.read_bytes() for file in (pristine / name).iterdir()}
    assert outcome(pristine / name / name) is None
    refused = 0
    before = peak_bytes()
    for seed in range(MUTATIONS_EACH):
        rng = random.Random(f"{name} {seed}")
        changed = dict(original)
        rng.choice(MUTATIONS[name])(changed, rng)
        for file, data in changed.items():
            (tmp_path / file).write_bytes(data)
        start = time.process_time()
        line = outcome(path)
        assert time.process_time() - start < MAX_SECONDS, f"seed {seed}"
        if line is not None:
            refused += 1
            assert line.isprintable(), f"seed {seed}: {line!r}"
            assert len(line) < 1500, f"seed {seed}: {line!r}"
    assert peak_bytes() - before < MAX_BYTES
    assert refused > MUTATIONS_EACH // 3, "most of what was changed passed: were files changed?"


class Execute:
    """What a pickle calls when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave a trace."""
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("archived", [True, False])
def test_no_pickle_runs(archived: bool, protocol: int, pristine: Path, tmp_path: Path) -> None:
    """The call is named where the protocol is PyTorch's, and never made."""
    shutil.copytree(pristine / "w.pt", tmp_path / "c")
    path, trace = tmp_path / "c" / "w.pt", tmp_path / "trace"
    whole = {"state_dict": {}, "x": Execute(trace)}
    if archived:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(whole, protocol))
    else:
        path.write_bytes(pickle.dumps(whole, protocol))
    line = outcome(path)
    assert line is not None
    assert protocol < 2 or "posix.mkdir" in line or "its pickle" in line
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["this", "antigravity", "mine.Mine", "os.system", "torch.nn.Module"]
)
def test_an_activation_imports_nothing(
    name: str, edge: Edge, pristine: Path, tmp_path: Path
) -> None:
    """A name is looked up in a table; a file beside the checkpoint is not found."""
    shutil.copytree(pristine / "w.pt", tmp_path / "c")
    (tmp_path / "mine.py").write_text("print('imported'); open('trace', 'w')\nclass Mine: pass\n")
    config = json.loads((tmp_path / "c" / "config.json").read_text()) | {"activation": name}
    (tmp_path / "c" / "config.json").write_text(json.dumps(config))
    np.savez(tmp_path / "x.npz", X=np.zeros((8, 3, 300), np.float32), y=np.arange(8) % 2)
    done = edge("export", "--checkpoint", "c/w.pt", "--data", "x.npz", "--out", "b", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.strip().splitlines()[-1] == (
        f"edge: Invalid value for 'activation'. Allowed values are 'ELU', 'GELU', 'LeakyReLU', "
        f"'ReLU', 'SiLU', 'Sigmoid' and 'Tanh', but got {name!r} instead."
    )
    assert "Zen of Python" not in done.stdout
    assert not (tmp_path / "trace").exists()


def fifo(path: Path) -> None:
    """A pipe that nobody writes into."""
    os.mkfifo(path)


def endless(path: Path) -> None:
    """A link to a device without an end."""
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    """A folder of that name."""
    path.mkdir()


def three_gigabytes(path: Path) -> None:
    """Zeros that take no space on the disk."""
    with path.open("wb") as file:
        file.truncate(3 << 30)


def compressed(path: Path) -> None:
    """A description of 300 MB in 300 kB."""
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("archive/data.pkl", "w") as member:
        for _ in range(300):
            member.write(bytes(1_000_000))


def many_members(path: Path) -> None:
    """A directory that takes more memory than the file."""
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(20_000):
            archive.writestr(f"archive/{index}", b"")


def far_memory(path: Path) -> None:
    """A place in the pickle's memory that makes a list of 16 GB of it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}r\xff\xff\xff\x7f.")


def copies(path: Path) -> None:
    """A long list that is copied again and again."""
    long = b"](" + b"N" * 300_000 + b"eq\x00"
    again = b"ctorch\nSize\n" + b"h\x00\x85R"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + long + again * 30_000 + b".")


def deep(path: Path) -> None:
    """A tuple in a tuple, as a key."""
    with zipfile.ZipFile(path, "w") as archive:
        nested = b")" + b"\x85" * 900_000
        archive.writestr("archive/data.pkl", b"\x80\x02}" + nested + b"Ns.")


WHAT = (
    fifo, endless, folder, three_gigabytes, compressed, many_members, far_memory, copies, deep,
)  # fmt: skip


@pytest.mark.parametrize("make", WHAT, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "config.json"])
def test_what_is_no_checkpoint(
    name: str, make: Callable[[Path], None], pristine: Path, tmp_path: Path
) -> None:
    """Refused before it is read: within a second, in memory that does not grow."""
    weights = "w.safetensors" if name == "w.safetensors" else "w.pt"
    shutil.copytree(pristine / weights, tmp_path / "c")
    path = tmp_path / "c" / name
    path.unlink()
    make(path)
    before, start = peak_bytes(), time.process_time()
    line = outcome(tmp_path / "c" / weights)
    assert line is not None
    assert line.isprintable()
    assert time.process_time() - start < MAX_SECONDS
    assert peak_bytes() - before < MAX_BYTES


def huge(folder: Path) -> None:
    """A tensor of more values than there are atoms, of which the file holds none."""
    header = {"a": {"dtype": "F32", "shape": [2**39] * 8, "data_offsets": [0, 0]}}
    text = json.dumps(header).encode()
    (folder / "w.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)


def test_a_shape_without_values(pristine: Path, tmp_path: Path) -> None:
    """The product of a shape is held against the file before memory is asked for."""
    shutil.copytree(pristine / "w.safetensors", tmp_path / "c")
    huge(tmp_path / "c")
    path = tmp_path / "c" / "w.safetensors"
    assert outcome(path) == (
        f"{path} is not a safetensors file: a tensor's place in it does not fit its shape. Save "
        f"the weights alone: torch.save(model.state_dict(), FILE)."
    )


SIZES = {
    "n_times": (10**9, "n_times must be a whole number between 1 and 100,000, got 1000000000."),
    "n_chans": (-1, "n_chans must be a whole number between 1 and 100,000, got -1."),
    "n_outputs": (2.0, "n_outputs must be a whole number between 1 and 100,000, got 2.0."),
    "ch_dim": (
        50_000,
        "This network has 2,502,350,135 values of weights, at most 16,777,216 are built. Use fewer "
        "filters, channels or samples.",
    ),
    "n_temporal_filters": (
        100_000,
        "This network has 90,000,000 values in its largest tensor, at most 33,554,432 are "
        "built. Use fewer filters, channels or samples.",
    ),
    "temp_filter_length": (
        10**40,
        None,
    ),
    "drop_prob_inp": (float("nan"), None),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str, pristine: Path, tmp_path: Path) -> None:
    """No network is built that this machine's memory is not meant for."""
    shutil.copytree(pristine / "w.pt", tmp_path / "c")
    value, expected = SIZES[name]
    config = json.loads((tmp_path / "c" / "config.json").read_text()) | {name: value}
    (tmp_path / "c" / "config.json").write_text(json.dumps(config))
    before = peak_bytes()
    line = outcome(tmp_path / "c" / "w.pt")
    assert line is not None
    assert expected is None or line == expected
    assert peak_bytes() - before < MAX_BYTES
