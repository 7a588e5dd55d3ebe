# SPDX-License-Identifier: BSD-3-Clause
"""The list of slow tests, which decides what ``make check`` leaves out."""

from __future__ import annotations

import ast

from tests import durations
from tests.conftest import ROOT


def test_every_slow_test_is_there() -> None:
    """A test that was renamed or removed leaves no line behind."""
    names = durations.slow_functions()
    assert names
    for name in sorted(names):
        file, _, rest = name.partition("::")
        assert (ROOT / file).is_file(), name
        if rest:
            tree = ast.parse((ROOT / file).read_text())
            functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert rest.rpartition("::")[2] in functions, name


def test_a_parameter_is_no_part_of_a_test_s_name() -> None:
    """Also where it holds brackets and lines of its own."""
    assert durations.function_of("tests/a.py::test_b[x[1]\n]") == "tests/a.py::test_b"
    assert durations.function_of("tests/a.py::test_b") == "tests/a.py::test_b"


def test_a_function_is_slow_where_one_of_its_cases_is() -> None:
    """What takes a second is listed once, what takes a tenth is not."""
    listed = durations.text([("a.py::test_b[1]", 1.0), ("a.py::test_b[2]", 0.1), ("a.py::c", 0.1)])
    assert listed == durations.HEADER + "a.py::test_b\n"
