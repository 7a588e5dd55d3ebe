# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints in every form in which braindecode's users have them, and what is refused."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edge.checkpoint import files, live, weights
from edge.checkpoint.model import FloatModel
from edge.errors import EdgeError, IncompatibleError, UsageError
from edge.families import base as families
from edge.families.attentionbasenet import family
from edge.spec import ModelSpec
from tests.conftest import Edge
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 3, 300, 2, {**SMALL, "activation": "torch.nn.modules.activation.GELU"})


@pytest.fixture(scope="module")
def module() -> Any:
    """A random network of braindecode's."""
    return randomized(SPEC, 0)


def same(loaded: FloatModel, module: Any) -> bool:
    """Whether a loaded model computes the module's bits."""
    x = torch.from_numpy(windows(SPEC, 3))
    with torch.no_grad():
        return torch.equal(loaded.module(x), module(x))


def pretrained(module: Any, folder: Path) -> Path:
    """``save_pretrained``."""
    module.save_pretrained(folder)
    return folder


def only_pickled_weights(module: Any, folder: Path) -> Path:
    """``save_pretrained`` where safetensors was not installed."""
    module.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    return folder


def state_dict(module: Any, folder: Path) -> Path:
    """``torch.save(state_dict)``, the configuration under the same name."""
    torch.save(module.state_dict(), folder / "w.pt")
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.pt"


def safetensors(module: Any, folder: Path) -> Path:
    """A bare ``.safetensors``, beside a config.json."""
    save_file(module.state_dict(), folder / "weights.safetensors")
    (folder / "config.json").write_text(json.dumps(module.get_config()))
    return folder / "weights.safetensors"


def data_parallel(module: Any, folder: Path) -> Path:
    """Names with the prefix of a wrapper."""
    state = {f"module.{name}": value for name, value in module.state_dict().items()}
    torch.save(state, folder / "w.pth")
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.pth"


def lightning(module: Any, folder: Path) -> Path:
    """Weights inside a dictionary, with a prefix."""
    state = {f"net.{name}": value for name, value in module.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, folder / "w.pt")
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.pt"


def lightning_ckpt(module: Any, folder: Path) -> Path:
    """Lightning's own suffix, a class-weighted loss beside the network, numbers of numpy."""
    state = {f"model.{name}": value for name, value in module.state_dict().items()}
    rates = [np.float64(0.001)]
    whole = {"epoch": 3, "state_dict": {**state, "criterion.weight": torch.ones(2)}, "lr": rates}
    torch.save(whole, folder / "w.ckpt")
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.ckpt"


def hyper_parameters(module: Any, folder: Path) -> Path:
    """Lightning with ``save_hyperparameters``, and no file beside it."""
    state = {f"model.{name}": value for name, value in module.state_dict().items()}
    hyper = {"lr": 1e-3, "n_classes": np.int64(2), "n_channels": 3, "input_window_samples": 300}
    arguments = {k: v for k, v in SPEC.arguments.items() if k != "n_temporal_filters"}
    hyper |= {**arguments, "n_temporal_filters": np.int64(6), "attention_mode": "eca"}
    torch.save({"state_dict": state, "hyper_parameters": hyper}, folder / "w.ckpt")
    return folder / "w.ckpt"


def tutorial(module: Any, folder: Path) -> Path:
    """What PyTorch's tutorial saves while it trains."""
    copied = copy.deepcopy(module)
    optimizer = torch.optim.Adam(copied.parameters(), lr=0.0)
    copied(torch.zeros(2, SPEC.n_chans, SPEC.n_times)).sum().backward()
    optimizer.step()
    whole = {
        "epoch": 3,
        "model_state_dict": copied.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": 0.1,
    }
    torch.save(whole, folder / "w.pt")
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.pt"


def class_weights_beside(module: Any, folder: Path) -> Path:
    """The loss's weights among the network's, without a prefix."""
    torch.save({**module.state_dict(), "criterion.weight": torch.ones(2)}, folder / "w.pt")
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.pt"


def before_pytorch_1_6(module: Any, folder: Path) -> Path:
    """The form that is no archive."""
    state = module.state_dict()
    torch.save(state, folder / "w.pt", _use_new_zipfile_serialization=False)
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.pt"


def one_storage(module: Any, folder: Path) -> Path:
    """Tensors that are views of one block, with strides."""
    views, start = {}, 0
    flat = torch.zeros(2 * sum(v.numel() for v in module.state_dict().values()))
    for name, value in module.state_dict().items():
        if not value.is_floating_point():
            views[name] = value
            continue
        steps = tuple(2 * step for step in value.contiguous().stride())
        views[name] = flat.as_strided(value.shape, steps, start)
        views[name].copy_(value)
        start += 2 * value.numel()
    torch.save(views, folder / "w.pt")
    (folder / "w.json").write_text(json.dumps(module.get_config()))
    return folder / "w.pt"


def another_version(module: Any, folder: Path) -> Path:
    """Keys that this braindecode has not, as its ``from_pretrained`` reads them."""
    module.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"add_log_softmax": False}))
    return folder


def skorch(module: Any, folder: Path) -> Path:
    """``EEGClassifier.save_params``, config.json beside."""
    classifier(module).save_params(f_params=folder / "params.pt")
    (folder / "config.json").write_text(json.dumps(module.get_config()))
    return folder


def classifier(module: Any) -> Any:
    """A fitted skorch classifier around the module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braindecode import EEGClassifier

        return EEGClassifier(module, criterion=nn.CrossEntropyLoss).initialize()


FORMS = (
    pretrained,
    only_pickled_weights,
    state_dict,
    safetensors,
    data_parallel,
    lightning,
    lightning_ckpt,
    hyper_parameters,
    tutorial,
    class_weights_beside,
    before_pytorch_1_6,
    one_storage,
    another_version,
    skorch,
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_forms(form: Callable[[Any, Path], Path], module: Any, tmp_path: Path) -> None:
    """Each is loaded to the same bits, without a contract."""
    loaded = files.load(str(form(module, tmp_path)))
    assert same(loaded, module)
    assert loaded.contract is None
    assert loaded.spec.arguments["activation"] == "torch.nn.modules.activation.GELU"


NOTES = {
    lightning_ckpt: "{path}: left out, no part of the network: criterion.weight",
    class_weights_beside: "{path}: left out, no part of the network: criterion.weight",
    hyper_parameters: (
        "{path} has no configuration beside it; its hyper_parameters describe the network"
    ),
    another_version: (
        "{path}/config.json: add_log_softmax left out, as braindecode leaves out keys it has not."
    ),
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_what_is_left_out_is_said(
    form: Callable[[Any, Path], Path], module: Any, tmp_path: Path
) -> None:
    """Each thing by its name; nothing where nothing is."""
    path = form(module, tmp_path)
    expected = (NOTES[form].format(path=path),) if form in NOTES else ()
    assert files.load(str(path)).notes == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precision(dtype: torch.dtype, module: Any, tmp_path: Path) -> None:
    """Half, bfloat16 and double become float32 as PyTorch makes it."""
    other = {k: v.to(dtype) if v.is_floating_point() else v for k, v in module.state_dict().items()}
    torch.save(other, tmp_path / "w.pt")
    (tmp_path / "w.json").write_text(json.dumps(module.get_config()))
    loaded = files.load(tmp_path / "w.pt").module.state_dict()
    assert all(torch.equal(loaded[name], value.to(loaded[name])) for name, value in other.items())


def test_two_networks_in_one_file(module: Any, tmp_path: Path) -> None:
    """None of them is chosen for the user."""
    state = module.state_dict()
    both = {f"{prefix}.{k}": v for prefix in ("model", "ema") for k, v in state.items()}
    torch.save(both, tmp_path / "w.pt")
    (tmp_path / "w.json").write_text(json.dumps(module.get_config()))
    assert refused(tmp_path / "w.pt") == (
        IncompatibleError,
        f"{tmp_path / 'w.pt'} does not fit w.json: it has 2 networks, under 'model.' and 'ema.'. "
        f"Save the one that is meant: torch.save(model.state_dict(), FILE).",
    )


def test_live_module(module: Any) -> None:
    """A module or a fitted classifier, copied and left as it was."""
    training = copy.deepcopy(module).train()
    for given in (module, training, classifier(copy.deepcopy(module))):
        assert same(live.from_module(given), module)
    assert training.training


def test_live_module_of_another_class() -> None:
    """It is named."""
    with pytest.raises(IncompatibleError) as error:
        live.from_module(nn.Linear(2, 2))
    assert str(error.value) == (
        f"This is a torch.nn.modules.linear.Linear, expected {families.titles()}, or a fitted "
        f"EEGClassifier with one. A family for another class is one file: "
        f"docs/how-to/add-a-family.md."
    )


def test_sizes_from_channels_and_seconds(tmp_path: Path) -> None:
    """``chs_info``, ``sfreq`` and ``input_window_seconds`` in place of numbers; names are kept."""
    chs_info = [{"ch_name": name, "kind": "eeg"} for name in ("C3", "Cz", "C4")]
    built = family.FAMILY.served(
        chs_info=chs_info, n_outputs=2, sfreq=100.0, input_window_seconds=3.0, **SMALL
    ).eval()
    built.save_pretrained(tmp_path)
    loaded = files.load(tmp_path)
    assert (loaded.spec.n_chans, loaded.spec.n_times) == (3, 300)
    assert loaded.channels == ("C3", "Cz", "C4")
    assert loaded.spec.arguments["sfreq"] == 100.0
    assert same(loaded, built)
    files.save(loaded, tmp_path)
    assert files.load(tmp_path).channels == loaded.channels


def hub_cache(module: Any, home: Path) -> None:
    """The Hub's cache as ``huggingface_hub`` lays it out, made by hand."""
    repo, commit = home / "hub" / "models--lab--mi-decoder", "0123456789" * 4
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    module.save_pretrained(snapshot)


LOAD = """
import sys
from edge.checkpoint import files
from edge.errors import EdgeError
try:
    print(files.load(sys.argv[1]).spec.mode)
except EdgeError as error:
    print(error)
"""


def from_hub(spec: str, home: Path) -> str:
    """Load in a process of its own, whose Hub is offline and whose cache is ``home``."""
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, spec],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_hub_cache(module: Any, tmp_path: Path) -> None:
    """A repository in the cache is loaded without a network; one that is not is named."""
    hub_cache(module, tmp_path)
    assert from_hub("hf:lab/mi-decoder", tmp_path) == "eca"
    assert from_hub("hf:lab/mi-decoder@main", tmp_path) == "eca"
    message = from_hub("hf:lab/other", tmp_path)
    assert message.startswith(
        f"'hf:lab/other' is not in the Hub's cache {str(tmp_path / 'hub')!r} and cannot be fetched "
        f"(HF_HUB_OFFLINE is set): "
    )
    assert message.endswith(
        "Give a folder instead, from 'huggingface-cli download lab/other --local-dir FOLDER'."
    )
    assert from_hub("hf:a/b/c", tmp_path) == (
        "'hf:a/b/c' does not name a repository: type hf:USER/REPO."
    )


def refused(path: Path) -> tuple[type[EdgeError], str]:
    """What loading a path raises."""
    with pytest.raises(EdgeError) as error:
        files.load(str(path))
    return type(error.value), str(error.value)


def test_pickled_model(module: Any, tmp_path: Path) -> None:
    """A pickle is never opened, and its class is named."""
    torch.save(
        family.FAMILY.served.from_config(module.get_config()),
        tmp_path / "w.pt",
    )
    (tmp_path / "w.json").write_text(json.dumps(module.get_config()))
    assert refused(tmp_path / "w.pt") == (
        IncompatibleError,
        f"{tmp_path / 'w.pt'} holds a pickled "
        f"braindecode.models.attentionbasenet.AttentionBaseNet, expected a state_dict; a pickle "
        f"runs whatever it says and is not opened. {weights.SAVE}",
    )


def test_plain_pickle(tmp_path: Path) -> None:
    """Python's own pickle under a suffix of weights."""
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": np.zeros(3)}))
    (tmp_path / "w.json").write_text("{}")
    (tmp_path / "w.json").write_text(json.dumps(randomized(SPEC, 0).get_config()))
    kind, message = refused(tmp_path / "w.pt")
    assert kind is IncompatibleError
    assert message.startswith(f"{tmp_path / 'w.pt'} ")
    assert message.endswith(weights.SAVE)


def test_what_is_no_state_dict(module: Any, tmp_path: Path) -> None:
    """The kind of thing is named."""
    (tmp_path / "w.json").write_text(json.dumps(module.get_config()))
    cases = (
        (torch.zeros(3), "a Tensor"),
        ({"epoch": 3, "note": "x"}, "a dictionary with 'epoch' and 'note', not tensors"),
    )
    for value, kind in cases:
        torch.save(value, tmp_path / "w.pt")
        assert refused(tmp_path / "w.pt") == (
            IncompatibleError,
            f"{tmp_path / 'w.pt'} holds {kind}, expected a state_dict. {weights.SAVE}",
        )
    (tmp_path / "w.pt").write_text("not weights")
    assert refused(tmp_path / "w.pt") == (
        IncompatibleError,
        f"{tmp_path / 'w.pt'} is not a file of weights that PyTorch can read: its pickle is "
        f"damaged. {weights.SAVE}",
    )


def test_missing_and_foreign_names(module: Any, tmp_path: Path) -> None:
    """The first of them by name, and how many more."""
    state = dict(module.state_dict())
    state["head.weight"] = state.pop("final_layer.1.weight")
    torch.save(state, tmp_path / "w.pt")
    (tmp_path / "w.json").write_text(json.dumps(module.get_config()))
    assert refused(tmp_path / "w.pt") == (
        IncompatibleError,
        f"{tmp_path / 'w.pt'} does not fit w.json: it lacks final_layer.1.weight (and 1 more).",
    )


def test_file_without_configuration(module: Any, tmp_path: Path) -> None:
    """Both names that are looked for, and the line that writes it."""
    torch.save(module.state_dict(), tmp_path / "w.pt")
    assert refused(tmp_path / "w.pt") == (
        UsageError,
        f"{str(tmp_path / 'w.pt')!r} has no configuration beside it, neither 'w.json' nor "
        f"'config.json'. Write it where the model is: json.dump(model.get_config(), "
        f"open('w.json', 'w')).",
    )


def test_other_suffix(tmp_path: Path) -> None:
    """A file that is not one of weights."""
    (tmp_path / "net.pkl").write_bytes(b"")
    assert refused(tmp_path / "net.pkl") == (
        UsageError,
        f"{str(tmp_path / 'net.pkl')!r} is not a file of weights. {weights.FORMS}",
    )


CONFIGS = {
    "no number of samples": ({"n_times": None}, "{path} does not say n_times."),
    "an activation that there is not": (
        {"activation": "torch.nn.Swish"},
        "Invalid value for 'activation'. Allowed values are 'ELU', 'GELU', 'LeakyReLU', 'ReLU', "
        "'SiLU', 'Sigmoid' and 'Tanh', but got 'torch.nn.Swish' instead.",
    ),
    "a number that cannot be": (
        {"ch_dim": 0},
        "braindecode cannot build this AttentionBaseNet: groups must be a positive integer. "
        "Correct its arguments (--arg, or the configuration).",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configurations(case: str, module: Any, tmp_path: Path) -> None:
    """What braindecode would stumble over, in our words where we know them."""
    change, message = CONFIGS[case]
    torch.save(module.state_dict(), tmp_path / "w.pt")
    (tmp_path / "w.json").write_text(json.dumps(module.get_config() | change))
    assert refused(tmp_path / "w.pt") == (
        IncompatibleError,
        message.format(path=tmp_path / "w.json"),
    )


def test_export_without_a_contract(edge: Edge, module: Any, tmp_path: Path) -> None:
    """Windows are taken as they are, and the bundle says so."""
    module.save_pretrained(tmp_path / "theirs")
    x = windows(SPEC, 200)
    np.savez(tmp_path / "x.npz", X=x, y=np.arange(200) % 2, session=np.repeat([1, 2], 100))
    done = edge(
        "export", "--checkpoint", "theirs", "--data", "x.npz", "--int8", "--targets", "tflite",
        "--out", "b", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    note = "note: scaling unknown, windows are taken as they are: the checkpoint has no contract"
    assert note in done.stderr.splitlines()
    data = json.loads(done.stdout)["data"]
    assert data["scaling"] == "unknown"
    assert data["split"].endswith("; held out from calibration; training split unknown")
    contract = json.loads((tmp_path / "b" / "contract.json").read_text())
    assert contract["scaling"]["kind"] == "unknown"
    golden = np.load(tmp_path / "b" / "golden.npz")["x"]
    assert all((x[100:] == window).all((1, 2)).any() for window in golden)
