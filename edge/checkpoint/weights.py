# SPDX-License-Identifier: BSD-3-Clause
"""The files of a checkpoint, in every form in which braindecode's users have them.

* a folder or a Hub repository (``hf:USER/REPO[@REVISION]``) from ``save_pretrained``,
  ``push_to_hub`` or ``edge train``;
* a ``state_dict`` in a ``.safetensors``, ``.pt``, ``.pth`` or ``.bin`` file, skorch's
  ``save_params`` among them, with ``model.get_config()`` as JSON beside it, under the same name or
  as ``config.json``.

Nothing is unpickled: a pickle runs whatever it says.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from edge.errors import IncompatibleError, UsageError, listing

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
FOLDER_WEIGHTS = (WEIGHTS, "pytorch_model.bin", "params.safetensors", "params.pt")
"""In a folder, in this order: the Hub's names, then skorch's."""

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")

HUB = "hf:"
FORMS = (
    f"A checkpoint is a folder that 'edge train --out' or braindecode's save_pretrained wrote, a "
    f"file of weights ({', '.join(SUFFIXES)}) with get_config() as JSON beside it, or "
    f"{HUB}USER/REPO."
)

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Files:
    """Where a checkpoint's configuration and weights are."""

    config: Path
    weights: Path

    def beside(self, name: str) -> Path | None:
        """Another file of the checkpoint; None where there is none, or weights came alone."""
        path = self.config.parent / name
        return path if self.config.name == CONFIG and path.is_file() else None


def find(spec: str | Path) -> Files:
    """The files behind what the user typed.

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
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{str(path)!r} is not a file of weights. {FORMS}")
    candidates = [path.with_suffix(".json"), path.with_name(CONFIG)]
    for config in candidates:
        if config.is_file():
            return Files(config, path)
    raise UsageError(
        f"{str(path)!r} has no configuration beside it, neither "
        f"{' nor '.join(repr(c.name) for c in candidates)}. Write it where the model is: "
        f"json.dump(model.get_config(), open({candidates[0].name!r}, 'w'))."
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


def read(path: Path) -> State:
    """A ``state_dict``.

    Raises
    ------
    IncompatibleError
        When the file holds something else, saying what.
    """
    if path.suffix.lower() == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:  # safetensors raises its own Rust errors
            raise IncompatibleError(f"{path} is not a safetensors file: {error}.") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle's protocol
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise whatever they stumble over
        raise IncompatibleError(_refused(path, str(error))) from None
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]  # Lightning's checkpoints
    if not isinstance(found, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in found.values()
    ):
        raise IncompatibleError(f"{path} holds {_kind(found)}, expected a state_dict. {SAVE}")
    return found


SAVE = "Save the weights alone: torch.save(model.state_dict(), FILE)."


def _refused(path: Path, error: str) -> str:
    """Why torch would not read a file with ``weights_only``."""
    named = re.search(r"GLOBAL (\S+) was not an allowed global", error)
    if named is not None:
        return (
            f"{path} holds a pickled {named[1]}, expected a state_dict; a pickle runs whatever it "
            f"says and is not opened. {SAVE}"
        )
    return f"{path} is not a file of weights that PyTorch can read. {SAVE}"


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        others = [str(key) for key, v in value.items() if not isinstance(v, torch.Tensor)]
        return f"a dictionary with {listing(others[:3])}, not tensors"
    return f"a {type(value).__name__}"


def fit(state: State, expected: State, where: str) -> State:
    """The weights under the names that the model has.

    One prefix that all names share and that the model does not know is taken off (``module.`` of
    DataParallel, ``_orig_mod.`` of torch.compile).

    Raises
    ------
    IncompatibleError
        A missing or foreign name, another shape, or a value that is not finite, by name.
    """
    anchor = next(iter(expected))
    prefix = next((name.removesuffix(anchor) for name in state if name.endswith(f".{anchor}")), "")
    stripped = {name.removeprefix(prefix): value for name, value in state.items()}
    if prefix and stripped.keys() == expected.keys():
        state = stripped
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
        raise IncompatibleError(f"{where}: {problems[0]}{more}.")
    return state
