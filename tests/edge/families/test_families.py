# SPDX-License-Identifier: BSD-3-Clause
"""Families are found by name, class and configuration, and nothing outside them names a network."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

import edge
from edge import registry
from edge.checkpoint import configuration, live
from edge.errors import IncompatibleError, UsageError
from edge.families import base as families
from edge.spec import ModelSpec
from tests.networks import SMALL, randomized

ROOT = Path(edge.__file__).parents[1]
PARTS = {"mix", "temporal", "gate"}
"""Names of parts of deploy networks."""
EXEMPT = {"edge/registry.py", "edge/commands/export.py", "edge/lower/stem.py"}
"""The registry says which file a name is, ``--gate`` is an option, a pass names what it makes."""
NETWORKS = {"EEGNet": ModelSpec("eegnet", 3, 128, 2), "cat": ModelSpec("cat", 3, 200, 2, SMALL)}


def sources() -> Iterator[Path]:
    """Every source of the product outside the families."""
    for package in ("quantize", "firmware_bridge", "edge", "benchmarks"):
        for path in sorted((ROOT / package).rglob("*.py")):
            inside = path.relative_to(ROOT).as_posix()
            if not inside.startswith(("edge/families", "benchmarks/studies")) | (inside in EXEMPT):
                yield path


def texts(tree: ast.Module) -> Iterator[str]:
    """String constants that are no docstrings, and modules that are imported."""
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    documented = set(map(id, statements))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documented:
            if isinstance(node.value, str):
                yield node.value
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}"


def braindecode_classes() -> set[str]:
    """Names of all of braindecode's networks."""
    from braindecode import models

    return {name for name, one in vars(models).items() if inspect.isclass(one)} - {
        "EEGModuleMixin",
        "TCN",
    }


def test_nothing_else_names_a_network() -> None:
    """No class of braindecode, no variant and no part of a deploy network outside the families."""
    classes, exact = braindecode_classes(), PARTS | set(registry.networks()) - {"none"}
    found = [
        (path.relative_to(ROOT).as_posix(), text)
        for path in sources()
        for text in texts(ast.parse(path.read_text()))
        if text in exact
        or any(name in text for name in classes)
        or text.startswith(tuple(f"edge.families.{name}" for name in families.every()))
    ]
    assert found == []


def test_marks_belong_to_one_class() -> None:
    """A configuration does not name its class; no other class of braindecode has all the marks."""
    from braindecode import models

    for family in families.every().values():
        having = {
            name
            for name in braindecode_classes()
            if set(family.marks) <= set(inspect.signature(getattr(models, name)).parameters)
        }
        assert having in ({family.title}, set())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_found_by_its_class_and_by_its_configuration(name: str) -> None:
    """Both give the name that it was built by."""
    spec = NETWORKS[name]
    module = randomized(spec, 0)
    assert families.serving(module) is families.of(spec)
    described = configuration.describe(module.get_config(), "it").spec
    assert described.mode == spec.mode
    assert live.from_module(module).spec == described


def test_names() -> None:
    """A variant by its own name or behind its family's; a family without variants by its own."""
    assert registry.canonical("attentionbasenet:eca") == "eca"
    assert registry.full_name("eca") == "attentionbasenet:eca"
    assert registry.full_name("eegnet") == registry.canonical("eegnet") == "eegnet"
    assert {"eca", "none", "eegnet"} < set(registry.networks())
    assert "attentionbasenet" not in registry.networks()
    with pytest.raises(UsageError, match="Did you mean 'eegnet'"):
        families.of(ModelSpec("eegnett", 3, 128, 2))


def test_a_class_without_a_family_gets_the_list() -> None:
    """One line: what it is, which classes there are, where one is added."""
    from braindecode.models import EEGConformer

    module = EEGConformer(n_chans=3, n_outputs=2, n_times=400)
    with pytest.raises(IncompatibleError) as refused:
        live.from_module(module)
    assert str(refused.value) == (
        f"This is a braindecode.models.eegconformer.EEGConformer, expected {families.titles()}, or "
        f"a fitted EEGClassifier with one. A family for another class is one file: "
        f"docs/how-to/add-a-family.md."
    )
    with pytest.raises(IncompatibleError, match=r"it has F1, n_chans\.$"):
        configuration.describe({"F1": 4, "n_chans": 3}, "it")


def test_every_lowered_network_is_a_chain() -> None:
    """Its last part is the head, and its gates are parts of it."""
    for spec in NETWORKS.values():
        net = families.lower(randomized(spec, 0), spec)
        names = [name for name, _ in net.named_children()]
        assert names[-1] == "head"
        assert set(net.gates) <= set(names)
        assert isinstance(net.get_submodule("head"), nn.Conv2d)
