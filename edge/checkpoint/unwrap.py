# SPDX-License-Identifier: BSD-3-Clause
"""Find the network inside what people wrap around it: compilers, trainers, pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edge.errors import IncompatibleError
from edge.families import base as families

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
        "torch.nn.parallel.data_parallel.DataParallel": "module",
        "torch.nn.parallel.distributed.DistributedDataParallel": "module",
        "torch.optim.swa_utils.AveragedModel": "module",
    }
)
"""Modules that compute what the module in an attribute of theirs computes."""

ESTIMATORS: Mapping[str, str] = MappingProxyType(
    {
        "skorch.net.NeuralNet": "module_",
        "sklearn.model_selection._search.BaseSearchCV": "best_estimator_",
    }
)
"""Estimators that hold what they fitted in an attribute, which is there once they are fitted."""

PIPELINE = "sklearn.pipeline.Pipeline"
MAX_WRAPPERS = 8


def unwrap(given: Any) -> tuple[Any, ...]:
    """Return everything from what was given down to the network, the network last.

    Raises
    ------
    IncompatibleError
        When there is no network of a family, or something else computes before it.
    """
    chain = [given]
    while families.serving(chain[-1]) is None:
        inner = _inner(chain[-1]) if len(chain) < MAX_WRAPPERS else None
        if inner is None:
            _refuse_other(chain[-1])
        chain.append(inner)
    return tuple(chain)


def _inner(outer: Any) -> Any | None:
    """What a wrapper wraps; None for what is none."""
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(outer).__mro__]
    for name in names:
        if name in MODULES:
            return getattr(outer, MODULES[name])
        if name in ESTIMATORS:
            return _fitted(outer, ESTIMATORS[name])
        if name == PIPELINE:
            return _last_step(outer)
    return None


def _fitted(outer: Any, attribute: str) -> Any:
    if not hasattr(outer, attribute):
        raise IncompatibleError(
            f"This {type(outer).__name__} holds no network yet: it has no {attribute}. Fit it, or "
            f"initialize() it and load_params()."
        )
    return getattr(outer, attribute)


def _last_step(pipeline: Any) -> Any:
    steps = [type(step).__name__ for _, step in pipeline.steps[:-1] if not _passes_through(step)]
    if steps:
        raise IncompatibleError(
            f"This Pipeline computes {', '.join(steps)} before the network, which no bundle does. "
            f"Give the network and what it is given: edge.export(pipeline[-1], "
            f'data={{"X": pipeline[:-1].transform(X), "y": y}}).'
        )
    return pipeline.steps[-1][1]


def _passes_through(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _refuse_other(other: Any) -> None:
    kind = f"{type(other).__module__}.{type(other).__qualname__}"
    expected = f"expected {families.titles()}, or a fitted EEGClassifier with one"
    children = getattr(other, "named_children", None)
    for name, child in children() if callable(children) else ():
        if families.serving(child) is not None:
            where = f"[{name}]" if name.isdigit() else f".{name}"
            raise IncompatibleError(
                f"This is a {kind}, {expected}. It has one inside: give model{where}, if nothing "
                f"else in it changes what is decided."
            )
    raise IncompatibleError(
        f"This is a {kind}, {expected}. A family for another class is one file: "
        f"docs/how-to/add-a-family.md."
    )
