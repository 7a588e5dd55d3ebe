# SPDX-License-Identifier: BSD-3-Clause
"""The page about checkpoints says what the code does."""

from __future__ import annotations

from edge.checkpoint import build, pickled, stored, torch_file, unwrap, weights
from edge.exporting import as_given
from edge.lower import activations
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference" / "checkpoints.md").read_text()


def test_names() -> None:
    """Every suffix, file name, key, wrapper and activation stands on the page."""
    wrappers = [name.rpartition(".")[2] for name in unwrap.MODULES if "Optimized" not in name]
    for name in (
        *weights.SUFFIXES,
        *weights.FOLDER_WEIGHTS,
        *weights.STATE_KEYS,
        *wrappers,
    ):
        assert f"`{name}`" in PAGE, name
    assert f"other than {', '.join(activations.CLASSES)} |" in PAGE


def test_limits() -> None:
    """Every limit, as a number."""
    assert f"more than {torch_file.MAX_MEMBERS:,} members" in PAGE
    assert f"beyond {build.MAX_ARGUMENT:,}" in PAGE
    assert f"more than {build.MAX_PARAMETERS:,} weights" in PAGE
    assert f"more than {build.MAX_ACTIVATIONS:,} values" in PAGE
    assert stored.MAX_FILE_BYTES == 1 << 30  # 1 GiB
    assert as_given.TOLERANCE == 1e-5


def test_what_a_pickle_may_call() -> None:
    """The list is as short as the page says; a name more is a decision, not an accident."""
    assert set(pickled.CALLS) == {
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch._tensor._rebuild_from_type_v2",
        "torch.Size",
        "torch.device",
        "collections.OrderedDict",
        "collections.Counter",
        "builtins.set",
        "__builtin__.set",
        "_codecs.encode",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
    }
