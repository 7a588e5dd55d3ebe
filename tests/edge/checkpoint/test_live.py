# SPDX-License-Identifier: BSD-3-Clause
"""Live models: the module as it was given is the reference, and what differs is named."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn
from torch.nn.utils import parametrizations

import edge
from edge.checkpoint import files, live, one_logit
from edge.errors import IncompatibleError
from edge.exporting import as_given
from edge.families import base as families
from edge.families.attentionbasenet import family
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized, windows

SPEC = ModelSpec("eca", 3, 300, 2, SMALL)
X = windows(SPEC, 12)


@pytest.fixture(scope="module")
def module() -> Any:
    """A random network of braindecode's own class."""
    theirs = family.FAMILY.served.from_config(randomized(SPEC, 0).get_config())
    theirs.load_state_dict(randomized(SPEC, 0).state_dict())
    return theirs.eval()


def logits(module: Any) -> torch.Tensor:
    """Of :data:`X`, in the module's own precision."""
    dtype = next(module.parameters()).dtype
    with torch.no_grad():
        given: torch.Tensor = module(torch.from_numpy(X).to(dtype)).float()
    return given


def classifier(module: Any) -> Any:
    """A fitted ``EEGClassifier`` around a module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braindecode import EEGClassifier

        return EEGClassifier(module, criterion=nn.CrossEntropyLoss).initialize()


def averaged(module: Any) -> Any:
    """``torch.optim.swa_utils.AveragedModel``."""
    return torch.optim.swa_utils.AveragedModel(module).eval()


def passing_pipeline(module: Any) -> Any:
    """A pipeline that does nothing before the network."""
    return make_pipeline("passthrough", classifier(module))


def searched(module: Any) -> Any:
    """A search over parameters that has found its best."""
    search = GridSearchCV(classifier(module), {})
    search.best_estimator_ = search.estimator
    return search


WRAPPED: tuple[Callable[[Any], Any], ...] = (
    torch.compile,
    nn.DataParallel,
    averaged,
    classifier,
    passing_pipeline,
    searched,
    lambda module: torch.compile(nn.DataParallel(module)),
)


@pytest.mark.parametrize("wrap", range(len(WRAPPED)))
def test_wrapped(wrap: int, module: Any) -> None:
    """What compiles, averages or trains a network is taken off."""
    inner = copy.deepcopy(module)
    model = live.from_module(WRAPPED[wrap](inner))
    assert torch.equal(logits(model.module), logits(module))
    as_given.refuse_difference(model, X, "windows")


def in_training(module: Any) -> Any:
    """Dropout at work, statistics of the batch."""
    return module.train()


def weight_norm(module: Any) -> Any:
    """A head whose weight is computed."""
    parametrizations.weight_norm(module.final_layer[1])
    module.final_layer[1].parametrizations.weight.original0.data *= 1.5
    return module


def three_outputs(module: Any) -> Any:
    """A head for three classes, put in by hand."""
    module.final_layer[1] = nn.Linear(module.final_layer[1].in_features, 3)
    return module


def other_momentum(module: Any) -> Any:
    """A setting that matters in training only."""
    module.input_block.bn.momentum = 0.2
    module.input_block.dropout.p = 0.9
    return module


STATES: dict[Callable[[Any], Any], tuple[str, ...]] = {
    in_training: ("the model is in training mode; its evaluation mode is exported",),
    lambda module: module.half(): ("the model is in float16; it is exported in float32",),
    lambda module: module.double(): ("the model is in float64; it is exported in float32",),
    weight_norm: ("final_layer.1.weight is exported as its parametrization (WeightNorm) gives it",),
    other_momentum: (),
    three_outputs: ("the head was replaced: it has 3 outputs and get_config() says 2",),
}


@pytest.mark.parametrize("state", STATES)
def test_taken_with_a_note(state: Callable[[Any], Any], module: Any) -> None:
    """Each is exported as what it computes in evaluation mode, and said."""
    given = state(copy.deepcopy(module))
    before = {name: value.clone() for name, value in given.state_dict().items()}
    was_training = given.training
    model = live.from_module(given)
    assert model.notes == STATES[state]
    assert given.training == was_training
    assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())
    expected = logits(copy.deepcopy(given).float().eval())
    torch.testing.assert_close(logits(model.module), expected, rtol=1e-5, atol=1e-5)
    as_given.refuse_difference(model, X, "windows")


class Scaled(family.FAMILY.served):  # type: ignore[misc]  # untyped base
    """A network that computes something before."""

    def forward(self, x: torch.Tensor) -> Any:
        """Half of the window."""
        return super().forward(x * 0.5)


def replaced_activations(module: Any) -> Any:
    """ReLU where ELU was."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ELU):
                setattr(parent, name, nn.ReLU())
    return module


def subclass(module: Any) -> Any:
    """The same weights in a class with a forward of its own."""
    made = Scaled.from_config(module.get_config())
    made.load_state_dict(module.state_dict())
    return made.eval()


def tenth(_module: Any, arguments: tuple[torch.Tensor, ...]) -> Any:
    """A pre-hook that changes what comes in."""
    return (arguments[0] * 0.1,)


def pre_hook(module: Any) -> Any:
    """On the network."""
    module.register_forward_pre_hook(tenth)
    return module


def hook_inside(module: Any) -> Any:
    """On one of its layers."""
    module.input_block.pool.register_forward_hook(lambda *_: None)
    return module


def hook_on_the_wrapper(module: Any) -> Any:
    """On what wraps the network."""
    wrapped = nn.DataParallel(module)
    wrapped.register_forward_hook(lambda *_: None)
    return wrapped


def forward_on_the_instance(module: Any) -> Any:
    """Monkey-patched."""
    module.input_block.forward = lambda x: x
    return module


def other_alpha(module: Any) -> Any:
    """An ELU of another slope."""
    module.input_block.nonlinearity = nn.ELU(alpha=0.5)
    return module


def no_bias(module: Any) -> Any:
    """A head without a bias."""
    module.final_layer[1] = nn.Linear(module.final_layer[1].in_features, 2, bias=False)
    return module


def other_stride(module: Any) -> Any:
    """A pool that steps otherwise."""
    module.input_block.pool = nn.AvgPool2d((1, 20), (1, 6))
    return module


def on_no_device(module: Any) -> Any:
    """Shapes without values."""
    return module.to("meta")


def scaling_pipeline(module: Any) -> Any:
    """A step before the network."""
    return make_pipeline(FunctionTransformer(np.tanh), classifier(module))


def not_fitted(module: Any) -> Any:
    """A classifier before ``fit``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braindecode import EEGClassifier

        return EEGClassifier(module, criterion=nn.CrossEntropyLoss)


def in_a_sequence(module: Any) -> Any:
    """A softmax behind it."""
    return nn.Sequential(module, nn.Softmax(1))


CODE = "which would not be exported. Export the model without it, and do with the windows "
PARTS = "The model is not the AttentionBaseNet that its get_config() describes: "
OTHER = f"expected {families.titles()}, or a fitted EEGClassifier with one."
ADD = "A family for another class is one file: docs/how-to/add-a-family.md."
REFUSED: dict[Callable[[Any], Any], str] = {
    replaced_activations: (
        f"{PARTS}input_block.nonlinearity is ReLU(), expected ELU(alpha=1.0) (and 2 more). "
    ),
    other_alpha: f"{PARTS}input_block.nonlinearity is ELU(alpha=0.5), expected ELU(alpha=1.0). ",
    other_stride: f"{PARTS}input_block.pool is AvgPool2d(kernel_size=(1, 20), stride=(1, 6), ",
    no_bias: f"{PARTS}final_layer.1 is Linear(in_features=",
    subclass: f"The model has a forward of its own, {__name__}.Scaled.forward, {CODE}",
    pre_hook: f"The model has a forward pre-hook, tenth, {CODE}",
    hook_inside: (
        f"The model has a forward hook on input_block.pool, hook_inside.<locals>.<lambda>, {CODE}"
    ),
    hook_on_the_wrapper: (
        f"The model has a forward hook, hook_on_the_wrapper.<locals>.<lambda>, {CODE}"
    ),
    forward_on_the_instance: (
        f"The model has a forward put on the instance on input_block, {CODE}"
    ),
    on_no_device: (
        "The model's input_block.temporal_conv.weight holds no values: it is on the device meta."
    ),
    scaling_pipeline: (
        "This Pipeline computes FunctionTransformer before the network, which no bundle does. Give "
        "the network and what it is given: edge.export(pipeline[-1], "
        'data={"X": pipeline[:-1].transform(X), "y": y}).'
    ),
    not_fitted: "This EEGClassifier holds no network yet: it has no module_. Fit it, or ",
    in_a_sequence: (
        f"This is a torch.nn.modules.container.Sequential, {OTHER} It has one inside: give "
        f"model[0], if nothing else in it changes what is decided."
    ),
    lambda _: nn.Linear(2, 2): f"This is a torch.nn.modules.linear.Linear, {OTHER} {ADD}",
}


@pytest.mark.parametrize("change", REFUSED)
def test_refused_by_name(change: Callable[[Any], Any], module: Any) -> None:
    """What no bundle computes, in one line that names it."""
    with pytest.raises(IncompatibleError) as error:
        live.from_module(change(copy.deepcopy(module)))
    assert str(error.value).startswith(REFUSED[change])
    assert "\n" not in str(error.value)


def test_a_hook_on_every_module(module: Any) -> None:
    """PyTorch's global hooks run in every forward pass."""
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        with pytest.raises(IncompatibleError, match="a forward hook for every module"):
            live.from_module(copy.deepcopy(module))
    finally:
        handle.remove()


def data(n: int = 200) -> dict[str, Any]:
    """Windows in two sessions."""
    labels = np.arange(n) % 2
    return {"X": windows(SPEC, n), "y": labels, "session": np.repeat([1, 2], n // 2)}


def test_what_no_look_at_the_parts_finds(module: Any, tmp_path: Path) -> None:
    """A pool that prints like the described one and divides otherwise: the windows find it."""
    given = copy.deepcopy(module)
    given.input_block.pool = nn.AvgPool2d((1, 20), (1, 5), divisor_override=10)
    assert repr(given) == repr(module)
    with pytest.raises(IncompatibleError) as error:
        edge.export(given, data=data(), out=tmp_path / "b", targets=["onnx"], quiet=True)
    assert str(error.value).startswith(
        "The model computes something else than the AttentionBaseNet that its get_config() "
        "describes: on 100 of 100 calibration windows its logits differ, by "
    )
    assert not (tmp_path / "b").exists()


def test_one_logit(tmp_path: Path) -> None:
    """A binary head is exported as two logits whose difference is its own."""
    spec = ModelSpec("eca", 3, 300, 1, SMALL)
    given = randomized(spec, 1)
    bundle = edge.export(
        given, data=data(), out=tmp_path / "b", targets=["onnx"], int8=False, quiet=True
    )
    z = logits(given).numpy()[:, 0]
    for name in ("onnx", "float"):
        two = edge.run(bundle, X, name)
        np.testing.assert_allclose(two[:, 1] - two[:, 0], z, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(two.argmax(1), z > 0)
    given.save_pretrained(tmp_path / "saved")
    loaded = files.load(tmp_path / "saved")
    assert loaded.notes == (one_logit.NOTE,)
    halves = logits(loaded.module).numpy()
    np.testing.assert_allclose(halves[:, 1] - halves[:, 0], z, rtol=1e-5, atol=1e-6)
