# SPDX-License-Identifier: BSD-3-Clause
"""Represent a number that has a name in the generated C."""

from __future__ import annotations


class Count(int):
    """A number of positions that the generated code knows by name; its value is the largest."""

    name: str

    def __new__(cls, name: str, value: int) -> Count:
        """A value with a name."""
        made = super().__new__(cls, value)
        made.name = name
        return made

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__
