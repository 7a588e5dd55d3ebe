# SPDX-License-Identifier: BSD-3-Clause
"""Say what stops a class of braindecode that no family serves: the operations that no graph has."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import torch

from edge import registry
from edge.errors import IncompatibleError, listing
from edge.families import base as families
from quantize.pt2e import naming
from quantize.pt2e.operations import READERS

MODELS = "braindecode.models"
SIZES = {"n_chans": 22, "n_times": 1000, "n_outputs": 4}
"""What a class is built for; which operations it has does not depend on it."""
SFREQ = 250.0

REWRITTEN = frozenset(
    {
        *("alias", "batch_norm", "clone", "contiguous", "conv2d", "detach", "dropout", "dropout_"),
        *("elu_", "identity", "lift_fresh_copy", "linear", "permute", "relu_", "squeeze"),
        *("transpose", "unsqueeze", "zeros_like"),
    }
)
"""Operations that the passes of :mod:`edge.lower` fold, or write as others."""


def refuse(name: str) -> None:
    """Raise if a name is that of a class of braindecode without a family.

    Raises
    ------
    IncompatibleError
        In one line: which operations stop it, or that a family is all that it lacks.
    """
    kind = None if name in registry.networks() else _class(name)
    if kind is None:
        return
    served = {family.title for family in families.every().values()}
    if name in served:
        own = next(n for n, family in families.every().items() if family.title == name)
        raise IncompatibleError(f"{name} is served by the family {own}. Type: --model {own}")
    missing = missing_operations(_built(name, kind))
    if missing:
        why = f"its graph needs {listing(missing)}, which no graph here has"
    else:
        why = "all its operations are known, a family is one file: docs/how-to/add-a-family.md"
    raise IncompatibleError(f"{name} cannot be exported, no family serves it: {why}.")


def _class(name: str) -> Any:
    kind = getattr(families.import_module(MODELS), name, None)
    return kind if inspect.isclass(kind) and issubclass(kind, torch.nn.Module) else None


def _built(name: str, kind: Any) -> torch.nn.Module:
    """The class with its default arguments.

    Raises
    ------
    IncompatibleError
        When it cannot be built without more.
    """
    wanted = inspect.signature(kind).parameters
    sizes: dict[str, Any] = {key: value for key, value in SIZES.items() if key in wanted}
    sizes |= {"sfreq": SFREQ} if "sfreq" in wanted else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module: torch.nn.Module = kind(**sizes).eval()
    except Exception as error:  # whatever a class asks for beyond the sizes of a window
        raise IncompatibleError(
            f"{name} cannot be exported, no family serves it, and it is not built from the sizes "
            f"of a window alone: {_first_line(error)}."
        ) from None
    return module


def missing_operations(module: torch.nn.Module) -> tuple[str, ...]:
    """Return the operations of a module, sorted, that no graph has and no pass rewrites.

    Raises
    ------
    IncompatibleError
        When PyTorch cannot trace it.
    """
    window = torch.zeros(1, SIZES["n_chans"], SIZES["n_times"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = torch.export.export(module, (window,), strict=False).graph
    except Exception as error:  # control flow that depends on values, sizes that do not fit, …
        raise IncompatibleError(
            f"{type(module).__name__} cannot be exported, no family serves it, and PyTorch cannot "
            f"trace it: {_first_line(error)}."
        ) from None
    known = {str(target).split(".")[1] for target in READERS} | REWRITTEN
    targets = {str(node.target) for node in graph.nodes if naming.is_compute(node)}
    names = {target.split(".")[1] for target in targets if target.startswith("aten.")}
    return tuple(sorted(names - known))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160].rstrip(".")
