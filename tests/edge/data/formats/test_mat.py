# SPDX-License-Identifier: BSD-3-Clause
"""MATLAB files are looked at before they are loaded: whole ones pass, broken ones are refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from edge.data.formats import _mat
from edge.errors import UsageError

CONTENT: dict[str, Any] = {
    "numbers": np.arange(12.0).reshape(3, 4),
    "small": np.array([1, 2], np.int8),
    "complex": np.array([1 + 2j]),
    "text": "Elektrode µ",
    "rows": np.array(["a", "bcd"]),
    "nothing": [],
    "no text": "",
    "truth": True,
    "cell": np.array([1, "x", np.zeros(0)], object),
    "structure": {"a": 1, "b": {"c": "d"}, "e": []},
    "structures": np.array([(1, "x"), (2, "y")], [("n", float), ("s", object)]),
    "sparse": csc_matrix(np.eye(3)),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("what", CONTENT)
def test_whole_files(tmp_path: Path, what: str, compressed: bool) -> None:
    """Whatever scipy writes."""
    path = tmp_path / "a.mat"
    savemat(path, {"x": CONTENT[what]}, do_compression=compressed)
    _mat.refuse_broken(path)


BROKEN = {
    "cut off": (lambda raw: raw[:-9], "bytes where"),
    "dimensions": (lambda raw: raw[:160] + struct.pack("<i", -3) + raw[164:], "dimensions"),
    "too many": (lambda raw: raw[:160] + struct.pack("<i", 30) + raw[164:], "values where the"),
    "class": (lambda raw: raw[:144] + b"\x15" + raw[145:], "a matrix of the class 21"),
    "cell": (lambda raw: raw[:144] + b"\x01" + raw[145:], "members where its dimensions give 12"),
    "type": (lambda raw: raw[:128] + b"\x63" + raw[129:], "an element of the type 99"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files(tmp_path: Path, what: str) -> None:
    """One line that says what does not add up."""
    path = tmp_path / "a.mat"
    savemat(path, {"x": CONTENT["numbers"]})
    change, why = BROKEN[what]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UsageError) as error:
        _mat.refuse_broken(path)
    assert why in str(error.value)


def test_other_levels_are_left_alone(tmp_path: Path) -> None:
    """HDF5 and level 4 have readers of their own."""
    path = tmp_path / "a.mat"
    path.write_bytes(b"\x89HDF\r\n" + bytes(300))
    _mat.refuse_broken(path)
