# SPDX-License-Identifier: BSD-3-Clause
"""What stops a class that no family serves is said in one line."""

from __future__ import annotations

import pytest
import torch

from edge.errors import IncompatibleError
from edge.exporting import without_family

LINES = {
    "EEGNet": "EEGNet is served by the family eegnet. Type: --model eegnet",
    "SleepStagerChambon2018": "SleepStagerChambon2018 cannot be exported, no family serves it: ",
    "ATCNet": "ATCNet cannot be exported, no family serves it: its graph needs ",
}


@pytest.mark.parametrize("name", LINES)
def test_one_line(name: str) -> None:
    """Served by a family, without one, or with operations that nothing computes."""
    with pytest.raises(IncompatibleError) as refused:
        without_family.refuse(name)
    assert str(refused.value).startswith(LINES[name])
    assert "\n" not in str(refused.value)


def test_operations_are_named() -> None:
    """What passes rewrite is no obstacle, a sine is one."""

    class Net(torch.nn.Module):
        """A batch norm, then something that no target has."""

        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(22)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """A sum of sines."""
            return torch.sin(self.norm(x)).sum(2)

    assert without_family.missing_operations(Net().eval()) == ("sin", "sum")


def test_names_of_networks_and_of_nothing_are_left_alone() -> None:
    """The one works, and the other is refused elsewhere with the names that exist."""
    without_family.refuse("eegnet")
    without_family.refuse("NoSuchNet")
