# SPDX-License-Identifier: BSD-3-Clause
"""Every public function of the Python API has an example in its docstring that runs."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import edge

ORDER = ("export", "train", "load", "run", "verify", "bench")
"""The example of ``export`` writes the bundle that the later ones open."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples write."""
    return tmp_path_factory.mktemp("examples")


def test_every_function_is_here() -> None:
    """A new function of the API needs an example, too."""
    assert sorted(ORDER) == sorted(edge.__all__)


@pytest.mark.slow
def test_examples_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prints what its docstring says, one after the other in one folder."""
    monkeypatch.chdir(folder)
    finder = doctest.DocTestFinder(recurse=False)
    for name in ORDER:
        (example,) = finder.find(getattr(edge, name), name, module=False, globs={})
        assert len(example.examples) >= 2, f"edge.{name} has no example"
        failures: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=failures.append)
        assert not failures, "".join(failures)
