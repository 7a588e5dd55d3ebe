# SPDX-License-Identifier: BSD-3-Clause
"""Find the files of a checkpoint, in every form in which braindecode's users have them.

* a folder or a Hub repository (``hf:USER/REPO[@REVISION]``) from ``save_pretrained``,
  ``push_to_hub`` or ``edge train``;
* a ``state_dict`` in a ``.safetensors``, ``.pt``, ``.pth``, ``.bin`` or ``.ckpt`` file, skorch's
  ``save_params`` and the dictionaries of training loops among them, with ``model.get_config()`` as
  JSON beside it, under the same name or as ``config.json``;
* a ``.ckpt`` of Lightning whose ``hyper_parameters`` say the sizes.

Nothing is unpickled: a pickle runs whatever it says. :mod:`edge.checkpoint.pickled` reads it as
data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeGuard

import torch

from edge.checkpoint import pickled, safetensors_file, torch_file
from edge.checkpoint.stored import MalformedError, State, printable
from edge.errors import IncompatibleError, UsageError, listing

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
FOLDER_WEIGHTS = (WEIGHTS, "pytorch_model.bin", "params.safetensors", "params.pt")
"""In a folder, in this order: the Hub's names, then skorch's."""

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")

HUB = "hf:"
FORMS = (
    f"A checkpoint is a folder that 'edge train --out' or braindecode's save_pretrained wrote, a "
    f"file of weights ({', '.join(SUFFIXES)}) with get_config() as JSON beside it, or "
    f"{HUB}USER/REPO."
)


@dataclass(frozen=True)
class Files:
    """Where a checkpoint's configuration and weights are."""

    config: Path | None
    weights: Path

    def beside(self, name: str) -> Path | None:
        """Return another file of the checkpoint, or None if there is none."""
        if self.config is None or self.config.name != CONFIG:
            return None
        path = self.config.parent / name
        return path if path.is_file() else None


def find(spec: str | Path) -> Files:
    """Find the files behind what the user typed.

    Raises
    ------
    UsageError
        When there is no checkpoint, with what is missing.
    """
    if isinstance(spec, str) and spec.startswith(HUB):
        return _in_folder(_fetch(spec), spec)
    path = Path(spec)
    if path.is_dir():
        return _in_folder(path, str(spec))
    if not path.exists():
        raise UsageError(f"{str(spec)!r} is not a checkpoint: nothing is there. {FORMS}")
    return _with_config(path)


def _in_folder(folder: Path, spec: str) -> Files:
    found = [folder / name for name in FOLDER_WEIGHTS if (folder / name).is_file()]
    config = folder / CONFIG
    absent = [] if config.is_file() else [CONFIG]
    absent += [] if found else [WEIGHTS]
    if absent:
        raise UsageError(
            f"{spec!r} is not a checkpoint: it has no {' and no '.join(absent)}. {FORMS}"
        )
    return Files(config, found[0])


def _with_config(path: Path) -> Files:
    """A file of weights, and what describes them where there is such a file."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{str(path)!r} is not a file of weights. {FORMS}")
    beside = (config for config in _configurations(path) if config.is_file())
    return Files(next(beside, None), path)


def _configurations(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".json"), path.with_name(CONFIG)


def refuse_no_configuration(path: Path) -> NoReturn:
    """Raise for weights that nothing describes.

    Raises
    ------
    UsageError
        With the line that writes what is missing.
    """
    first, second = _configurations(path)
    raise UsageError(
        f"{str(path)!r} has no configuration beside it, neither {first.name!r} nor "
        f"{second.name!r}. Write it where the model is: json.dump(model.get_config(), "
        f"open({first.name!r}, 'w'))."
    )


def _fetch(spec: str) -> Path:
    """A folder with the repository's files, from the Hub's cache where they are there already."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repo, _, revision = spec.removeprefix(HUB).partition("@")
    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision or None,
                allow_patterns=["*.json", "*.toml", *FOLDER_WEIGHTS],
            )
        )
    except HFValidationError:
        raise UsageError(f"{spec!r} does not name a repository: type {HUB}USER/REPO.") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].partition(". ")[0]
        raise UsageError(
            f"{spec!r} is not in the Hub's cache {constants.HF_HUB_CACHE!r} and cannot be "
            f"fetched{offline}: {reason}. Give a folder instead, from "
            f"'huggingface-cli download {repo} --local-dir FOLDER'."
        ) from None


@dataclass(frozen=True)
class Saved:
    """What a file of weights holds.

    Attributes
    ----------
    state
        Tensors by name, not read yet.
    hyper_parameters
        What Lightning's ``save_hyperparameters`` wrote; empty where there is none.
    """

    state: State
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)


STATE_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
"""Names under which training loops keep a ``state_dict``: Lightning's, PyTorch's tutorial's, …"""


def read(path: Path) -> Saved:
    """Find the ``state_dict`` in a file.

    Raises
    ------
    IncompatibleError
        When the file holds something else, saying what.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            return Saved(safetensors_file.read(path))
        opened = torch_file.read(path)
    except pickled.ForbiddenError as error:
        raise IncompatibleError(
            f"{path} holds a pickled {error}, expected a state_dict; a pickle runs whatever it "
            f"says and is not opened. {SAVE}"
        ) from None
    except MalformedError as error:
        safe = path.suffix.lower() == ".safetensors"
        kind = "safetensors file" if safe else "file of weights that PyTorch can read"
        raise IncompatibleError(f"{path} is not a {kind}: {error}. {SAVE}") from None
    whole = opened.value
    found = _state_in(whole)
    if found is None:
        raise IncompatibleError(f"{path} holds {_kind(whole)}, expected a state_dict. {SAVE}")
    hyper = whole.get("hyper_parameters")
    state = {name: opened.stored(tensor) for name, tensor in found.items()}
    return Saved(state, hyper if isinstance(hyper, dict) else {})


def _state_in(whole: Any) -> Mapping[str, pickled.Tensor] | None:
    """The tensors by name in what a file holds; None where there are none."""
    if not isinstance(whole, dict):
        return None
    for candidate in (whole, *(whole.get(key) for key in STATE_KEYS)):
        if _is_state(candidate):
            return candidate
    return None


def _is_state(value: Any) -> TypeGuard[Mapping[str, pickled.Tensor]]:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(
            isinstance(name, str) and isinstance(one, pickled.Tensor) for name, one in value.items()
        )
    )


SAVE = "Save the weights alone: torch.save(model.state_dict(), FILE)."


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        others = [printable(key) for key, v in value.items() if not isinstance(v, pickled.Tensor)]
        return f"a dictionary with {listing(others[:3])}, not tensors" if others else "nothing"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


LOSSES = ("criterion", "loss")
"""Parts of a training loop that have weights and are not part of the network."""

COUNTER = "num_batches_tracked"
"""What batch norms count in training; files from before PyTorch 0.4.1 lack it."""

RENAMED = MappingProxyType({"classifier.": "final_layer."})
"""Parts that the network's authors called otherwise than braindecode does."""


@dataclass(frozen=True)
class Fitted:
    """The network's tensors, and in words what a file has beside them."""

    tensors: Mapping[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def fit(state: State, expected: Mapping[str, torch.Tensor], where: str) -> Fitted:
    """Return the weights under the names that the model has.

    A prefix is taken off that the names of all its tensors share (``module.`` of DataParallel,
    ``_orig_mod.`` of torch.compile, ``model.`` of Lightning). What stands outside of it, and a
    loss, is no part of the network; it is left out and noted.

    Raises
    ------
    IncompatibleError
        A missing or foreign name, another shape, or a value that is not finite, by name.
    """
    prefix = _prefix(state, expected, where)
    inside = {name: value for name, value in state.items() if name.startswith(prefix)}
    if not prefix:
        inside = {name: value for name, value in inside.items() if not name.startswith(LOSSES)}
    outside = [printable(name) for name in state if name not in inside]
    named = {_renamed(name.removeprefix(prefix), expected): one for name, one in inside.items()}
    problems = [
        f"it lacks {name}" for name in expected if name not in named and not name.endswith(COUNTER)
    ]
    problems += [
        f"it has {printable(name)}, which the model has not"
        for name in named
        if name not in expected
    ]
    problems += [
        f"{name} has shape {named[name].shape}, expected {tuple(value.shape)}"
        for name, value in expected.items()
        if name in named and named[name].shape != tuple(value.shape)
    ]
    _refuse(problems, where)
    try:
        tensors = {name: one.read() for name, one in named.items()}
    except MalformedError as error:
        raise IncompatibleError(f"{where}: {error}.") from None
    _refuse(list(_value_problems(tensors, expected)), where)
    notes = (f"left out, no part of the network: {', '.join(outside[:5])}",) if outside else ()
    return Fitted({**_counters(expected), **tensors}, notes)


def _prefix(state: State, expected: Mapping[str, torch.Tensor], where: str) -> str:
    """What stands before the names of the network's tensors."""
    anchor = next(iter(expected))
    prefixes = [name.removesuffix(anchor) for name in state if name.endswith(f".{anchor}")]
    if anchor in state:
        prefixes.insert(0, "")
    if len(prefixes) > 1:
        names = listing(printable(prefix) for prefix in prefixes)
        raise IncompatibleError(
            f"{where}: it has {len(prefixes)} networks, under {names}. Save the one that is meant: "
            f"torch.save(model.state_dict(), FILE)."
        )
    return prefixes[0] if prefixes else ""


def _renamed(name: str, expected: Mapping[str, torch.Tensor]) -> str:
    for theirs, ours in RENAMED.items():
        if name.startswith(theirs) and (other := ours + name.removeprefix(theirs)) in expected:
            return other
    return name


def _counters(expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in expected.items() if name.endswith(COUNTER)}


def _value_problems(
    tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> Iterator[str]:
    for name, value in tensors.items():
        if expected[name].is_floating_point() and not value.is_floating_point():
            yield f"{name} holds {str(value.dtype).removeprefix('torch.')} values, expected float32"
        elif not bool(value.to(expected[name].dtype).isfinite().all()):
            yield f"{name} holds values that are not finite"


def _refuse(problems: Sequence[str], where: str) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise IncompatibleError(f"{where}: {problems[0]}{more}.")
