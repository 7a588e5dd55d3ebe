# SPDX-License-Identifier: BSD-3-Clause
"""What braindecode's model card promises, through our loader, and exported behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import edge
from edge.checkpoint import files, live
from edge.checkpoint.forward import predict
from edge.families.attentionbasenet import family, network
from edge.spec import ModelSpec
from tests import hub
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 3, 300, 2, SMALL)
X = torch.from_numpy(windows(SPEC, 4))


@pytest.fixture(scope="module")
def theirs() -> Any:
    """braindecode's own module, of braindecode's own class."""
    module = family.FAMILY.served.from_config(randomized(SPEC, 0).get_config())
    module.load_state_dict(randomized(SPEC, 0).state_dict())
    return module.eval()


def logits(module: Any) -> torch.Tensor:
    """Of four windows, one by one as a bundle's float model runs them."""
    return torch.from_numpy(predict(module, X.numpy()))


def data(n_classes: int = 2) -> dict[str, np.ndarray]:
    """Windows to calibrate and measure on."""
    session = np.repeat([1, 2], 60)
    return {"X": windows(SPEC, 120), "y": np.arange(120) % n_classes, "session": session}


def exported(module: Any, folder: Path, n_classes: int = 2) -> np.ndarray:
    """Its float logits out of a bundle that was exported and verified."""
    out = folder / "bundle"
    made = edge.export(
        module, data=data(n_classes), targets=["c"], gate="int8", out=out, quiet=True
    )
    assert all(not check.problem for check in edge.verify(made))
    assert edge.run(made, X.numpy(), target="c").shape == (len(X), n_classes)
    return edge.run(made, X.numpy(), target="float")


def test_return_features(theirs: Any, tmp_path: Path) -> None:
    """Loaded by us, a checkpoint of theirs gives its features as braindecode's other models do."""
    theirs.save_pretrained(tmp_path)
    loaded = files.load(tmp_path).module
    with torch.no_grad():
        found = loaded(X, return_features=True)
        tokens = theirs.channel_attention_block(theirs.channel_expansion(theirs.input_block(X)))
        assert set(found) == {"features", "cls_token"}
        assert torch.equal(found["features"], theirs.final_layer[0](tokens))
        assert torch.equal(loaded(X), theirs(X))


def test_configuration(theirs: Any, tmp_path: Path) -> None:
    """``get_config`` through JSON and ``from_config``, in both classes and directions."""
    config = json.loads(json.dumps(live.from_module(theirs).module.get_config()))
    assert config == theirs.get_config()
    for kind in (family.FAMILY.served, network.AttentionBaseNet):
        again = kind.from_config(config).eval()
        again.load_state_dict(theirs.state_dict())
        assert again.get_config() == config
        assert torch.equal(logits(live.from_module(again).module), logits(theirs))


def test_new_head(theirs: Any, tmp_path: Path) -> None:
    """``reset_head`` on what was loaded: three classes, everything before them kept, exported."""
    theirs.save_pretrained(tmp_path / "two")
    loaded = files.load(tmp_path / "two").module
    loaded.reset_head(3)
    assert (loaded.n_outputs, loaded.get_config()["n_outputs"]) == (3, 3)
    with torch.no_grad():
        features = loaded(X, return_features=True)["features"]
        assert torch.equal(theirs.final_layer[1](features), theirs(X))
    loaded.save_pretrained(tmp_path / "three")
    assert torch.equal(logits(files.load(tmp_path / "three").module), logits(loaded))
    found = exported(loaded, tmp_path, 3)
    np.testing.assert_array_equal(found, logits(loaded).numpy())


def test_head_that_cannot_be(theirs: Any) -> None:
    """braindecode's own words."""
    with pytest.raises(ValueError, match=r"n_outputs must be positive; got 0\."):
        live.from_module(theirs).module.reset_head(0)


def test_pretrained(theirs: Any, tmp_path: Path) -> None:
    """What we load saves itself, for them and for us, with another number of classes too."""
    live.from_module(theirs).module.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in (family.FAMILY.served, network.AttentionBaseNet):
            assert torch.equal(logits(kind.from_pretrained(tmp_path).eval()), logits(theirs))
        other = network.AttentionBaseNet.from_pretrained(tmp_path, n_outputs=5).eval()
    assert logits(other).shape == (len(X), 5)
    assert torch.equal(other.input_block.bn.weight, theirs.input_block.bn.weight)
    assert torch.equal(logits(files.load(tmp_path).module), logits(theirs))


PUSH_AND_EXPORT = """
import sys
import numpy as np
import edge
from edge.checkpoint import files

loaded = files.load(sys.argv[1])
print(loaded.module.push_to_hub("lab/decoder", commit_message="first"))
again = files.load("hf:lab/decoder")
assert again.module.get_config() == loaded.module.get_config()
with np.load("x.npz") as file:
    made = edge.export(
        "hf:lab/decoder", data=dict(file), targets=["c"], gate="int8", out="bundle", quiet=True
    )
np.save("logits.npy", edge.run(made, np.load("some.npy"), target="float"))
"""


def test_push_to_hub(theirs: Any, tmp_path: Path) -> None:
    """Pushed over HTTP by what we loaded; loaded from there by us, exported, and by braindecode."""
    theirs.save_pretrained(tmp_path / "model")
    np.savez(tmp_path / "x.npz", **data())
    np.save(tmp_path / "some.npy", X.numpy())
    with hub.running() as ours:
        environment = os.environ | {
            "HF_ENDPOINT": ours.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": "hf_of_a_test",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE"):
            environment.pop(name, None)
        done = subprocess.run(
            [sys.executable, "-c", PUSH_AND_EXPORT, str(tmp_path / "model")],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{ours.address}/lab/decoder/commit/{hub.COMMIT}\n"
    found = np.load(tmp_path / "logits.npy")
    np.testing.assert_array_equal(found, logits(theirs).numpy())
    pushed = ours.repositories["lab/decoder"]
    assert sorted(pushed) == ["README.md", "config.json", "model.safetensors", "pytorch_model.bin"]
    assert "- AttentionBaseNet" in pushed["README.md"].decode()
    for name, content in pushed.items():
        (tmp_path / name).write_bytes(content)
    last = family.FAMILY.served.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(last), logits(theirs))
