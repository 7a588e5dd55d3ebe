# SPDX-License-Identifier: BSD-3-Clause
"""Build a network of a family from a specification, or say why that cannot work."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook

from edge.checkpoint.model import FloatModel
from edge.checkpoint.stored import shown
from edge.errors import IncompatibleError, suggestion
from edge.families import base as families
from edge.families.base import Family
from edge.lower import activations
from edge.spec import Argument, ModelSpec

SIZES = ("n_chans", "n_times", "n_outputs", "chs_info")
"""Constructor arguments that the data decides, as ``--mode`` decides the variant."""


MAX_ARGUMENT = 100_000
"""Largest size or length that is built: of a window in samples, of a filter, of a layer."""
MAX_PARAMETERS = 1 << 24
"""Most values of a network's weights; the default one has 3,000."""
MAX_ACTIVATIONS = 1 << 25
"""Most values of a network's largest tensor on one window; the default network has 900,000."""


def build(
    spec: ModelSpec, seed: int = 0, chs_info: Sequence[Mapping[str, Any]] | None = None
) -> FloatModel:
    """Build an untrained model and run it once.

    Raises
    ------
    UsageError
        For a mode that does not exist.
    IncompatibleError
        For arguments that cannot work, with the limit.
    """
    module = construct(spec, seed, chs_info)
    refuse_broken(module, spec)
    return FloatModel(module, spec)


def construct(
    spec: ModelSpec, seed: int = 0, chs_info: Sequence[Mapping[str, Any]] | None = None
) -> Any:
    """Construct an untrained module in evaluation mode, without running it; see :func:`build`."""
    _refuse_sizes(spec)
    family = families.of(spec)
    arguments = _constructor_arguments(family, spec.arguments)
    complaints = family.limits(spec)
    if complaints:
        raise IncompatibleError(" ".join(complaints))
    arguments |= {
        "n_chans": spec.n_chans,
        "n_times": spec.n_times,
        "n_outputs": spec.n_outputs,
        **family.variant_arguments(spec.mode),
    }
    with torch.device("meta"):  # shapes without values, however large
        _refuse_large(_module(family, arguments), spec)
    torch.manual_seed(seed)
    return _module(family, arguments | {"chs_info": chs_info}).eval()


def _module(family: Family, arguments: Mapping[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that kernels are shortened is said by `shortened`
            return family.built(**arguments)
    except Exception as error:  # whatever braindecode and PyTorch stumble over
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise IncompatibleError(
            f"braindecode cannot build this {family.title}: {reason.rstrip('.')}. "
            f"Correct its arguments (--arg, or the configuration)."
        ) from error


def _refuse_sizes(spec: ModelSpec) -> None:
    """Raise for a size of the window or of the head that is no size."""
    for name in ("n_chans", "n_times", "n_outputs"):
        value = getattr(spec, name)
        if type(value) is not int or not 1 <= value <= MAX_ARGUMENT:
            raise IncompatibleError(
                f"{name} must be a whole number between 1 and {MAX_ARGUMENT:,}, got {shown(value)}."
            )


def _refuse_large(module: Any, spec: ModelSpec) -> None:
    """Raise for a network that would fill this machine's memory."""
    n_parameters = sum(value.numel() for value in module.state_dict().values())
    n_values = _largest_tensor(module.eval(), spec)
    for count, limit, what in (
        (n_parameters, MAX_PARAMETERS, "values of weights"),
        (n_values, MAX_ACTIVATIONS, "values in its largest tensor"),
    ):
        if count > limit:
            raise IncompatibleError(
                f"This network has {count:,} {what}, at most {limit:,} are built. Use fewer "
                f"filters, channels or samples."
            )


def _largest_tensor(module: Any, spec: ModelSpec) -> int:
    """Return how many values the largest tensor has that a layer gives on one window.

    The module is on the device ``meta``, so that nothing is computed. What it cannot run is
    :func:`refuse_broken`'s to say.
    """
    sizes = [0]
    hook = register_module_forward_hook(lambda _, __, output: sizes.append(_n_values(output)))
    try:
        with torch.no_grad():
            module(torch.empty(1, spec.n_chans, spec.n_times, device="meta"))
    except RuntimeError:
        pass
    finally:
        hook.remove()
    return max(sizes)


def _n_values(output: Any) -> int:
    return output.numel() if isinstance(output, torch.Tensor) else 0


def refuse_broken(module: Any, spec: ModelSpec) -> None:
    """Run one window of noise, and raise if the network fails on it.

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


def _constructor_arguments(family: Family, arguments: Mapping[str, Argument]) -> dict[str, Any]:
    known = family.parameters
    for name in arguments:
        if name in own_fields(family):
            raise IncompatibleError(f"{name} is not free: --mode and the data decide it.")
        if name not in known:
            raise IncompatibleError(
                f"{family.title} has no argument {name!r}.{suggestion(name, list(known))}"
            )
        if not inspect.isclass(known[name].default):
            default = known[name].default
            _refuse_kind(name, arguments[name], float(default) if name in family.reals else default)
    return {
        name: activations.find(value, name, default) if inspect.isclass(default) else value
        for name, value in arguments.items()
        for default in (known[name].default,)
    }


def own_fields(family: Family) -> tuple[str, ...]:
    """Return the constructor arguments that ``--mode`` and the data decide."""
    return (*family.variant_arguments(""), *SIZES)


KINDS: Mapping[type, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((int, float), "a number"),
        type(None): ((int, float), "a number"),
    }
)
"""What an argument may be whose default is of a type, and that in words."""


def _refuse_kind(name: str, value: Argument, default: Any) -> None:
    """Raise where an argument is of another kind than its default, or of no size that is built."""
    kinds, words = KINDS.get(type(default), ((object,), ""))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in (*kinds, object)):
        raise IncompatibleError(f"{name} must be {words}, got {shown(value)}.{_advice(default)}")
    if isinstance(value, int | float) and not -MAX_ARGUMENT <= value <= MAX_ARGUMENT:
        limits = f"-{MAX_ARGUMENT:,} and {MAX_ARGUMENT:,}"
        raise IncompatibleError(
            f"{name} must lie between {limits}, got {shown(value)}.{_advice(default)}"
        )


def _advice(default: Any) -> str:
    """What to type behind ``--arg NAME=``, where there is a default."""
    return "" if default is None else f" Try {json.dumps(default)}."
