# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints: ours are braindecode's, and what does not fit is named."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from edge.checkpoint import build, files, shortened, weights
from edge.checkpoint.model import FloatModel
from edge.data import sim
from edge.errors import IncompatibleError, UsageError
from edge.families import base as families
from edge.families.attentionbasenet import family
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 4, 300, 3, SMALL)
CONTRACT = sim.DEFAULT.contract().fitted(windows(dataclasses.replace(SPEC, n_chans=22), 20))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A random model, saved."""
    files.save(FloatModel(randomized(SPEC, 0), SPEC, CONTRACT), tmp_path)
    return tmp_path


def test_round_trip(checkpoint: Path) -> None:
    """What is loaded computes the same bits and is described by the same values."""
    loaded = files.load(checkpoint)
    assert dataclasses.replace(loaded.spec, arguments={}) == dataclasses.replace(SPEC, arguments={})
    assert dict(SPEC.arguments).items() <= dict(loaded.spec.arguments).items()
    assert loaded.contract == CONTRACT
    x = torch.from_numpy(windows(SPEC, 3))
    with torch.no_grad():
        assert torch.equal(loaded.module(x), randomized(SPEC, 0)(x))


def test_braindecode_loads_it(checkpoint: Path) -> None:
    """``AttentionBaseNet.from_pretrained`` takes our folder as its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = family.FAMILY.served.from_pretrained(checkpoint).eval()
    x = torch.from_numpy(windows(SPEC, 3))
    with torch.no_grad():
        assert torch.equal(theirs(x), randomized(SPEC, 0)(x))


def test_we_load_braindecodes(tmp_path: Path) -> None:
    """A folder from ``save_pretrained`` is a checkpoint without a contract."""
    randomized(SPEC, 0).save_pretrained(tmp_path)
    loaded = files.load(tmp_path)
    assert loaded.contract is None
    x = torch.from_numpy(windows(SPEC, 3))
    with torch.no_grad():
        assert torch.equal(loaded.module(x), randomized(SPEC, 0)(x))


def test_folder_without_weights(tmp_path: Path) -> None:
    """What is missing is named."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError) as error:
        files.load(tmp_path)
    assert str(error.value) == (
        f"{str(tmp_path)!r} is not a checkpoint: it has no model.safetensors. {weights.FORMS}"
    )


def test_other_model(checkpoint: Path) -> None:
    """The configuration of another class is not guessed at."""
    (checkpoint / "config.json").write_text(json.dumps({"n_chans": 22, "F1": 8}))
    with pytest.raises(IncompatibleError) as error:
        files.load(checkpoint)
    assert str(error.value) == (
        f"{checkpoint / 'config.json'} is not the configuration of a network that can be "
        f"exported, which are {families.titles()}: it has F1, n_chans."
    )


def test_wrong_shape(checkpoint: Path) -> None:
    """A tensor that does not fit is named with both shapes."""
    state = load_file(checkpoint / "model.safetensors")
    state["final_layer.1.bias"] = torch.zeros(7)
    save_file(state, checkpoint / "model.safetensors")
    with pytest.raises(IncompatibleError) as error:
        files.load(checkpoint)
    assert str(error.value) == (
        f"{checkpoint / 'model.safetensors'} does not fit config.json: final_layer.1.bias has "
        f"shape (7,), expected (3,)."
    )


def test_weights_that_are_not_finite(checkpoint: Path) -> None:
    """NaN in a checkpoint is found when it is loaded."""
    state = load_file(checkpoint / "model.safetensors")
    state["final_layer.1.bias"][0] = np.nan
    save_file(state, checkpoint / "model.safetensors")
    with pytest.raises(
        IncompatibleError, match=r"final_layer.1.bias holds values that are not finite"
    ):
        files.load(checkpoint)


def test_shortened_kernels_are_said() -> None:
    """braindecode shortens its filters for short windows without being asked."""
    built = build.build(ModelSpec("none", 4, 120, 2))
    assert shortened.shortened(built) == (
        "braindecode shortened this network for 120 samples: temp_filter_length_inp 25 -> 16, "
        "pool_length_inp 75 -> 50, pool_stride_inp 15 -> 10, temp_filter_length 15 -> 10, "
        "pool_length 8 -> 5, pool_stride 8 -> 5"
    )
    assert shortened.shortened(build.build(ModelSpec("none", 4, 400, 2))) is None


def test_windows_too_short_for_any_filter() -> None:
    """A network whose filters were shortened to one sample is refused."""
    with pytest.raises(IncompatibleError) as error:
        shortened.refuse_degenerate(build.build(ModelSpec("none", 4, 12, 2)))
    assert str(error.value) == (
        "A window of 12 samples is too short: braindecode would shorten temp_filter_length_inp 25, "
        "pool_stride_inp 15, temp_filter_length 15, pool_length 8, pool_stride 8 to 1. Use a "
        "longer window, or ask for shorter lengths with --arg."
    )


def test_even_kernel_for_eca() -> None:
    """The mode's own limit, with what would work."""
    with pytest.raises(IncompatibleError) as error:
        build.build(ModelSpec("eca", 4, 400, 2, {"kernel_size": 8}))
    assert str(error.value) == "kernel_size must be odd and positive for eca, got 8. Try 9."
