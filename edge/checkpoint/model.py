# SPDX-License-Identifier: BSD-3-Clause
"""The float model: braindecode's ``AttentionBaseNet``, built, saved and loaded.

A checkpoint is a folder with ``config.json`` and ``model.safetensors``, exactly as braindecode's
``save_pretrained`` writes them, so that ``AttentionBaseNet.from_pretrained(folder)`` loads it; and,
where they are known, ``contract.json`` (the signal contract), ``contract.toml`` (the contract file
it came from) and ``training.json`` (how it was trained).
"""

from __future__ import annotations

import inspect
import json
import pydoc
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import save as serialize

from edge import registry
from edge.checkpoint import weights
from edge.errors import IncompatibleError, suggestion
from edge.patches.torch_import import ensure_torchaudio
from edge.spec import Argument, ModelSpec
from firmware_bridge.signal.contract import SignalContract
from quantize import plain as manifest

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
    """A braindecode module in evaluation mode, what it is, and what it expects of the signal.

    ``channels`` are the names in braindecode's ``chs_info``, where the model has it.
    """

    module: Any  # AttentionBaseNet of the family's network.py: all that braindecode's card promises
    spec: ModelSpec
    contract: SignalContract | None = None
    training: TrainingRecord | None = None
    contract_file: str | None = None
    channels: tuple[str, ...] | None = None


def network_class() -> Any:
    """The class ``braindecode.models.AttentionBaseNet``."""
    ensure_torchaudio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braindecode.models import AttentionBaseNet
    return AttentionBaseNet


def build(
    spec: ModelSpec, seed: int = 0, chs_info: Sequence[Mapping[str, Any]] | None = None
) -> FloatModel:
    """An untrained model.

    Raises
    ------
    UsageError
        For a mode that does not exist.
    IncompatibleError
        For arguments that cannot work, with the limit.
    """
    mode = registry.load(registry.MODES, spec.mode, "--mode")
    complaints = mode.limits(spec)
    if complaints:
        raise IncompatibleError(" ".join(complaints))
    arguments = _constructor_arguments(spec.arguments)
    from edge.families.attentionbasenet.network import AttentionBaseNet

    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that kernels are shortened is said by `shortened`
            module = AttentionBaseNet(
                n_chans=spec.n_chans,
                n_times=spec.n_times,
                n_outputs=spec.n_outputs,
                chs_info=chs_info,
                attention_mode=None if spec.mode == "none" else spec.mode,
                **arguments,
            )
    except Exception as error:  # whatever braindecode and PyTorch stumble over
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IncompatibleError(
            f"braindecode cannot build this AttentionBaseNet: {reason.rstrip('.')}. "
            f"Correct its arguments (--arg, or the configuration)."
        ) from error
    refuse_broken(module.eval(), spec)
    return FloatModel(module, spec)


def refuse_broken(module: Any, spec: ModelSpec) -> None:
    """Run one window of noise.

    Raises
    ------
    IncompatibleError
        When braindecode can build the network and not run it: a gate that expects another number
        of tokens, or one that divides by the only token there is.
    """
    noise = torch.randn(1, spec.n_chans, spec.n_times, generator=torch.Generator().manual_seed(0))
    built = f"braindecode builds this {spec.mode} network for {spec.n_times} samples, but"
    advice = "Use a longer window, an odd temp_filter_length or shorter pools (--arg)."
    try:
        with torch.no_grad():
            logits = module(noise)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise IncompatibleError(f"{built} cannot run it: {reason}. {advice}") from None
    if not bool(torch.isfinite(logits).all()):
        raise IncompatibleError(f"{built} its logits are not numbers. {advice}")


def _constructor_arguments(arguments: Mapping[str, Argument]) -> dict[str, Any]:
    known = inspect.signature(network_class()).parameters
    for name in arguments:
        if name in OWN_FIELDS:
            raise IncompatibleError(f"{name} is not free: --mode and the data decide it.")
        if name not in known:
            raise IncompatibleError(
                f"AttentionBaseNet has no argument {name!r}.{suggestion(name, list(known))}"
            )
        _refuse_kind(name, arguments[name], known[name].default)
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


KINDS: Mapping[type, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((int, float), "a number"),
    }
)
"""What an argument may be whose default is of a type, and that in words."""


def _refuse_kind(name: str, value: Argument, default: Any) -> None:
    """Raise where an argument is of another kind than its default."""
    kinds, words = KINDS.get(type(default), ((object,), ""))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in (*kinds, object)):
        raise IncompatibleError(f"{name} must be {words}, got {value!r}. Try {_typed(default)}.")


def _typed(value: Any) -> str:
    """As it is typed behind ``--arg NAME=``."""
    return json.dumps(value)


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
    (folder / weights.CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    state = {k: v.contiguous() for k, v in model.module.state_dict().items()}
    (folder / weights.WEIGHTS).write_bytes(serialize(state, metadata={"format": "pt"}))
    if model.contract is not None:
        manifest.write(folder / CONTRACT, model.contract)
    if model.training is not None:
        manifest.write(folder / TRAINING, model.training)
    if model.contract_file is not None:
        (folder / CONTRACT_FILE).write_text(model.contract_file)


def load(source: Path | str) -> FloatModel:
    """Read a checkpoint, in any form that :mod:`edge.checkpoint.weights` knows.

    Raises
    ------
    UsageError
        When there is no checkpoint.
    IncompatibleError
        When configuration and weights do not fit each other.
    """
    files = weights.find(source)
    model = _from_config(_read_config(files.config), str(files.config))
    where = f"{files.weights} does not fit {files.config.name}"
    model.module.load_state_dict(
        weights.fit(weights.read(files.weights), model.module.state_dict(), where)
    )
    contract_path = files.beside(CONTRACT_FILE)
    return replace(
        model,
        contract=_optional(files.beside(CONTRACT), SignalContract),
        training=_optional(files.beside(TRAINING), TrainingRecord),
        contract_file=None if contract_path is None else contract_path.read_text(),
    )


def from_module(module: Any) -> FloatModel:
    """A live model: braindecode's, or a fitted skorch ``EEGClassifier`` around one.

    It is copied to the CPU, in float32 and evaluation mode, and not changed.

    Raises
    ------
    IncompatibleError
        When it is of another class, or holds values that are not finite.
    """
    inner = getattr(module, "module_", module)
    if not isinstance(inner, network_class()):
        raise IncompatibleError(
            f"This is a {type(inner).__module__}.{type(inner).__qualname__}, expected "
            f"braindecode.models.AttentionBaseNet, or a fitted EEGClassifier with one."
        )
    model = _from_config(inner.get_config(), "The model's get_config()")
    state = {name: value.detach().cpu() for name, value in inner.state_dict().items()}
    where = "The model does not fit its own get_config()"
    model.module.load_state_dict(weights.fit(state, model.module.state_dict(), where))
    return model


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise IncompatibleError(f"{path} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise IncompatibleError(f"{path} holds a {type(config).__name__}, expected a dictionary.")
    return config


def _from_config(config: Mapping[str, Any], where: str) -> FloatModel:
    """An untrained model as a configuration describes it."""
    spec = spec_of(config, where)
    channels = config.get("chs_info")
    model = build(spec, chs_info=channels)
    if not channels:
        return model
    return replace(model, channels=tuple(str(channel.get("ch_name")) for channel in channels))


def spec_of(config: Mapping[str, Any], where: str) -> ModelSpec:
    """The model that a ``get_config()`` describes.

    Raises
    ------
    IncompatibleError
        When it is not the configuration of an ``AttentionBaseNet``.
    """
    if "attention_mode" not in config:
        raise IncompatibleError(
            f"{where} is not the configuration of an AttentionBaseNet: it has no attention_mode; "
            f"it has {', '.join(sorted(config)) or 'nothing'}."
        )
    sizes: dict[str, Any] = {
        "n_chans": config.get("n_chans") or len(config.get("chs_info") or ()),
        "n_times": config.get("n_times") or _samples(config),
        "n_outputs": config.get("n_outputs"),
    }
    absent = [name for name, value in sizes.items() if not value]
    if absent:
        raise IncompatibleError(f"{where} does not say {', '.join(absent)}.")
    skipped = (*OWN_FIELDS, "braindecode_version", "chs_info", "input_window_seconds")
    return ModelSpec(
        mode=config["attention_mode"] or "none",
        n_chans=sizes["n_chans"],
        n_times=sizes["n_times"],
        n_outputs=config["n_outputs"],
        arguments={k: v for k, v in config.items() if k not in skipped and v is not None},
    )


def _samples(config: Mapping[str, Any]) -> int:
    """Samples of a window, where seconds and rate are given in their stead."""
    return round((config.get("input_window_seconds") or 0) * (config.get("sfreq") or 0))


def _optional(path: Path | None, kind: type[Any]) -> Any:
    return None if path is None else manifest.read(path, kind)
