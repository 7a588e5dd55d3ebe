# SPDX-License-Identifier: BSD-3-Clause
"""The network's authors' own checkpoints, against an independent statement of their network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as f

import edge
from edge.checkpoint import files, pickled, torch_file
from tests.conftest import SHARED_DATA

FOLDER = SHARED_DATA / "authors-basenet"
NAMES = [f"{kind}-B0{subject}" for kind in ("within", "loso-riemann") for subject in range(1, 6)]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest) -> Path:
    """One of the ten files."""
    found = FOLDER / f"{request.param}.ckpt"
    if not found.exists():
        pytest.skip(f"the authors' checkpoints are not here: {found}")
    return found


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """The file's tensors, by PyTorch's own reader with numpy's scalars allowed."""
    core = np._core.multiarray
    allowed = [
        np.dtype,
        (core.scalar, "numpy.core.multiarray.scalar"),
        np.dtypes.Float64DType,
        np.dtypes.Int64DType,
    ]
    with torch.serialization.safe_globals(allowed):
        whole = torch.load(path, map_location="cpu", weights_only=True)
    return {k.removeprefix("model."): v.double() for k, v in whole["state_dict"].items()}


def basenet(w: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """BaseNet after the paper (Wimpff et al. 2023, section 2.2) and its hyperparameters.

    In float64, with none of braindecode's code: a temporal filter of 25 samples for each of 40
    maps, batch norm, a spatial filter over the electrodes, batch norm, ELU, a mean over 75 samples
    every 15; a 1x1 convolution to 16 maps, batch norm, ELU; a temporal filter of 15 samples for
    each map, a 1x1 convolution, batch norm, ELU; a mean over 8 every 8; one linear layer.
    """

    def norm(y: torch.Tensor, name: str) -> torch.Tensor:
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        scale = w[f"{name}.weight"] / torch.sqrt(var + 1e-5)
        return (y - mean[:, None]) * scale[:, None] + w[f"{name}.bias"][:, None]

    def elu(y: torch.Tensor) -> torch.Tensor:
        return torch.where(y > 0, y, torch.exp(y) - 1)

    def means(y: torch.Tensor, length: int, step: int) -> torch.Tensor:
        return y.unfold(-1, length, step).mean(-1)

    kernel = w["input_block.temporal_conv.weight"][:, 0]  # (40, 1, 25)
    n, n_chans, n_times = x.shape
    filtered = f.conv1d(x.reshape(n * n_chans, 1, n_times), kernel, padding=12)
    filtered = filtered.reshape(n, n_chans, 40, n_times).transpose(1, 2)
    filtered = norm(filtered.flatten(2), "input_block.intermediate_bn").reshape(filtered.shape)
    spatial = w["input_block.spatial_conv.weight"][:, 0, :, 0]  # (40, n_chans)
    y = torch.einsum("nfct,fc->nft", filtered, spatial)
    y = means(elu(norm(y, "input_block.bn")), 75, 15)
    y = torch.einsum("nft,gf->ngt", y, w["channel_expansion.0.weight"][:, :, 0, 0])
    y = elu(norm(y, "channel_expansion.1"))
    y = f.conv1d(y, w["channel_attention_block.conv.0.weight"][:, 0], padding=7, groups=16)
    y = torch.einsum("nft,gf->ngt", y, w["channel_attention_block.conv.1.weight"][:, :, 0, 0])
    y = means(elu(norm(y, "channel_attention_block.conv.2")), 8, 8)
    return y.flatten(1) @ w["classifier.1.weight"].T + w["classifier.1.bias"]


def noise(count: int) -> np.ndarray:
    """Windows of unit noise with a slow part, (count, 3, 1000) float32."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((count, 3, 1000))
    return (x + 0.3 * np.cumsum(x, -1) / 10).astype(np.float32)


def test_loaded_is_what_they_describe(path: Path) -> None:
    """Logits equal those of the statement above to float32's rounding."""
    loaded = files.load(path)
    assert (loaded.spec.mode, loaded.spec.n_chans, loaded.spec.n_times) == ("none", 3, 1000)
    x = torch.from_numpy(noise(16))
    with torch.no_grad():
        ours = loaded.module(x)
    expected = basenet(tensors(path), x.double())
    assert float((ours - expected).abs().max() / expected.abs().max()) < 2e-6
    assert loaded.notes == (
        f"{path} has no configuration beside it; its hyper_parameters describe the network",
    )


def test_exported_is_what_they_describe(tmp_path: Path) -> None:
    """The bundle's float artifact, and the decisions of its integers."""
    path = FOLDER / "within-B01.ckpt"
    if not path.exists():
        pytest.skip(f"the authors' checkpoints are not here: {path}")
    x = noise(240)
    data: dict[str, Any] = {"X": x, "y": np.arange(240) % 2, "session": np.repeat([1, 2], 120)}
    bundle = edge.export(path, data=data, out=tmp_path / "b", targets=["onnx"], quiet=True)
    expected = basenet(tensors(path), torch.from_numpy(x).double()).numpy()
    got = edge.run(bundle, x, "onnx", precision="float")
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())
    integers = edge.run(bundle, x, "reference")
    assert (integers.argmax(1) == expected.argmax(1)).mean() > 0.95
    assert json.loads((tmp_path / "b" / "manifest.json").read_text())["model"]["mode"] == "none"


def test_only_numpy_s_scalar_and_dtype_are_needed(path: Path) -> None:
    """Without them the file is refused, by name: nothing else is let in."""
    assert isinstance(torch_file.read(path).value["hyper_parameters"], dict)
    fewer = {k: v for k, v in pickled.CALLS.items() if not k.startswith("numpy")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickled, "CALLS", fewer)
        with pytest.raises(pickled.ForbiddenError, match=r"^numpy"):
            torch_file.read(path)
