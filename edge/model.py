"""The float model: braindecode's ``AttentionBaseNet``, built, saved and loaded.

A checkpoint is a folder with ``config.json`` and ``model.safetensors``, exactly as braindecode's
``save_pretrained`` writes them, so that ``AttentionBaseNet.from_pretrained(folder)`` loads it; and,
where they are known, ``contract.json`` (the signal contract), ``contract.toml`` (the contract file
it came from) and ``training.json`` (how it was trained).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize

from edge import manifest, registry
from edge.data.contract import SignalContract
from edge.errors import IncompatibleError, UsageError
from edge.spec import Argument, ModelSpec
from edge.torch_import import ensure_torchaudio

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CONTRACT = "contract.json"
CONTRACT_FILE = "contract.toml"
TRAINING = "training.json"

OWN_FIELDS = ("attention_mode", "n_chans", "n_times", "n_outputs")


@dataclass(frozen=True)
class TrainingRecord:
    """How a checkpoint came to be."""

    data: str
    simulated: bool
    holdout: tuple[str, ...]
    split: str
    n_train: int
    n_test: int
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    test_accuracy: float
    versions: Mapping[str, str]


@dataclass(frozen=True)
class FloatModel:
    """A braindecode module in evaluation mode, what it is, and what it expects of the signal."""

    module: Any  # braindecode.models.AttentionBaseNet: untyped
    spec: ModelSpec
    contract: SignalContract | None = None
    training: TrainingRecord | None = None
    contract_file: str | None = None


def network_class() -> Any:
    """The class ``braindecode.models.AttentionBaseNet``."""
    ensure_torchaudio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braindecode.models import AttentionBaseNet
    return AttentionBaseNet


def build(spec: ModelSpec, seed: int = 0) -> FloatModel:
    """An untrained model.

    Raises
    ------
    UsageError
        For a mode that does not exist.
    IncompatibleError
        For arguments that cannot work, with the limit.
    """
    mode = registry.load("edge.modes", spec.mode, "--mode")
    complaints = mode.limits(spec)
    if complaints:
        raise IncompatibleError(" ".join(complaints))
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that kernels are shortened is said by `shortened`
        module = network_class()(
            n_chans=spec.n_chans,
            n_times=spec.n_times,
            n_outputs=spec.n_outputs,
            attention_mode=None if spec.mode == "none" else spec.mode,
            **_constructor_arguments(spec.arguments),
        )
    return FloatModel(module.eval(), spec)


def _constructor_arguments(arguments: Mapping[str, Argument]) -> dict[str, Any]:
    import pydoc

    resolved: dict[str, Any] = dict(arguments)
    if isinstance(activation := resolved.get("activation"), str):
        found = pydoc.locate(activation)
        if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
            raise IncompatibleError(
                f"Invalid activation {activation!r}: not a torch.nn.Module class. "
                f"Type its import path, e.g. 'torch.nn.modules.activation.ELU'."
            )
        resolved["activation"] = found
    return resolved


def changes(model: FloatModel) -> dict[str, tuple[int, int]]:
    """Lengths that braindecode changed unasked because the window is short: (asked, built)."""
    block, attention = model.module.input_block, model.module.channel_attention_block
    built = {
        "temp_filter_length_inp": block.temporal_conv.kernel_size[1],
        "pool_length_inp": _last(block.pool.kernel_size),
        "pool_stride_inp": _last(block.pool.stride),
        "temp_filter_length": attention.conv[0].kernel_size[1],
        "pool_length": _last(attention.pool.kernel_size),
        "pool_stride": _last(attention.pool.stride),
    }
    asked = model.module.get_config()
    return {name: (asked[name], value) for name, value in built.items() if asked[name] != value}


def shortened(model: FloatModel) -> str | None:
    """:func:`changes` in words; None if there are none."""
    found = [f"{name} {asked} -> {built}" for name, (asked, built) in changes(model).items()]
    if not found:
        return None
    n_times = model.spec.n_times
    return f"braindecode shortened this network for {n_times} samples: {', '.join(found)}"


def refuse_degenerate(model: FloatModel) -> None:
    """Raise when a filter or pool was shortened to a single sample.

    Raises
    ------
    IncompatibleError
        The window is too short for the network that was asked for.
    """
    single = [f"{name} {asked}" for name, (asked, built) in changes(model).items() if built == 1]
    if single:
        raise IncompatibleError(
            f"A window of {model.spec.n_times} samples is too short: braindecode would shorten "
            f"{', '.join(single)} to 1. Use a longer window, or ask for shorter lengths with --arg."
        )


def _last(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[-1]


def save(model: FloatModel, folder: Path) -> None:
    """Write a checkpoint into an existing folder."""
    import braindecode

    config = model.module.get_config() | {"braindecode_version": braindecode.__version__}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    state = {k: v.contiguous() for k, v in model.module.state_dict().items()}
    (folder / WEIGHTS).write_bytes(serialize(state, metadata={"format": "pt"}))
    if model.contract is not None:
        manifest.write(folder / CONTRACT, model.contract)
    if model.training is not None:
        manifest.write(folder / TRAINING, model.training)
    if model.contract_file is not None:
        (folder / CONTRACT_FILE).write_text(model.contract_file)


def load(folder: Path) -> FloatModel:
    """Read a checkpoint.

    Raises
    ------
    UsageError
        When there is no checkpoint.
    IncompatibleError
        When configuration and weights do not fit each other.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise UsageError(
                f"{str(folder)!r} is not a checkpoint: it has no {name}. A checkpoint is a folder "
                f"that 'edge train --out' or braindecode's save_pretrained wrote."
            )
    model = build(read_spec(folder / CONFIG))
    _load_weights(model.module, folder / WEIGHTS)
    return replace(
        model,
        contract=_optional(folder / CONTRACT, SignalContract),
        training=_optional(folder / TRAINING, TrainingRecord),
        contract_file=(
            (folder / CONTRACT_FILE).read_text() if (folder / CONTRACT_FILE).is_file() else None
        ),
    )


def read_spec(path: Path) -> ModelSpec:
    """The model that a ``config.json`` describes.

    Raises
    ------
    IncompatibleError
        When it is not the configuration of an ``AttentionBaseNet``.
    """
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise IncompatibleError(f"{path} is not JSON: {error}.") from None
    absent = [name for name in OWN_FIELDS if name not in config]
    if absent:
        raise IncompatibleError(
            f"{path} is not the configuration of an AttentionBaseNet: it has no "
            f"{', '.join(absent)}."
        )
    skipped = (*OWN_FIELDS, "braindecode_version")
    return ModelSpec(
        mode=config["attention_mode"] or "none",
        n_chans=config["n_chans"],
        n_times=config["n_times"],
        n_outputs=config["n_outputs"],
        arguments={k: v for k, v in config.items() if k not in skipped and v is not None},
    )


def _load_weights(module: Any, path: Path) -> None:
    try:
        state = load_file(path)
    except Exception as error:  # safetensors raises its own Rust errors
        raise IncompatibleError(f"{path} is not a safetensors file: {error}.") from None
    expected = module.state_dict()
    problems = [f"it lacks {name}" for name in expected if name not in state]
    problems += [
        f"it has {name}, which the model has not" for name in state if name not in expected
    ]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    problems += [
        f"{name} holds values that are not finite"
        for name, value in state.items()
        if value.is_floating_point() and not bool(value.isfinite().all())
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise IncompatibleError(f"{path} does not fit its config.json: {problems[0]}{more}.")
    module.load_state_dict(state)


def _optional(path: Path, kind: type[Any]) -> Any:
    return manifest.read(path, kind) if path.is_file() else None
