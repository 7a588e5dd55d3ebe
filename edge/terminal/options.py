# SPDX-License-Identifier: BSD-3-Clause
"""Share what commands have in common: types of arguments, options, and how one is run.

Commands of other packages may use it as ours do (``edge/commands``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from edge import registry
from edge.errors import MissingToolError, UsageError
from edge.patches import shadow

if TYPE_CHECKING:
    from edge.terminal.console import Console

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


class Names(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """A comma-separated list, completed with the names of a kind, or of all networks."""

    def __init__(self, kind: registry.Kind | None = None, *, networks: bool = False) -> None:
        self.kind, self.networks = kind, networks

    name = "A,B,…"

    def convert(self, value: Any, *_: object) -> tuple[str, ...]:
        """Split a text at commas; empty parts are dropped."""
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in str(value).split(",") if part.strip())
        if not names:
            raise UsageError(f"Invalid list {value!r}: type names with commas between them.")
        return tuple(map(registry.canonical, names)) if self.networks else names

    def shell_complete(self, _: object, __: object, incomplete: str) -> list[CompletionItem]:
        """Complete the last name of a list."""
        if self.kind is None and not self.networks:
            return []
        known = registry.networks() if self.kind is None else registry.names(self.kind)
        before, _, last = incomplete.rpartition(",")
        head = f"{before}," if before else ""
        return [CompletionItem(head + name) for name in known if name.startswith(last)]


class Real(click.FloatRange):
    """A finite number in a range; click's own range lets a NaN through."""

    name = "float"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """Convert a text to a finite number in the range."""
        number = float(super().convert(value, param, context))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, context)
        return number


class Model(click.ParamType):  # type: ignore[type-arg]
    """The name of a network, which is checked later; of a variant, its family may stand before."""

    name = "MODEL"

    def convert(self, value: Any, *_: object) -> str:
        """Return the name without a family before a variant."""
        return registry.canonical(str(value))

    def shell_complete(self, _: object, __: object, incomplete: str) -> list[CompletionItem]:
        """Return the networks that begin like this."""
        found = registry.networks()
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]


class Arguments(click.ParamType):  # type: ignore[type-arg]
    """A pair ``NAME=VALUE`` whose value is a JSON scalar or a word."""

    name = "NAME=VALUE"

    def convert(self, value: Any, *_: object) -> tuple[str, Any]:
        """Split a text at the first ``=``."""
        if isinstance(value, tuple):
            return value
        key, separator, text = str(value).partition("=")
        if not separator or not key:
            raise UsageError(f"Invalid argument {value!r}: type NAME=VALUE, e.g. kernel_size=7.")
        try:
            return key, json.loads(text)
        except ValueError:
            return key, text


def model(function: F) -> F:
    """Add the option that names a network."""
    return click.option(
        "--model",
        "--mode",
        "mode",
        type=Model(),
        help=f"The network: {', '.join(registry.networks())}.",
    )(function)


def common(function: F) -> F:
    """Add the options that every command has."""
    decorated = click.option(
        "-v", "--verbose", is_flag=True, help="Show what the toolchains print, on stderr."
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(
        decorated
    )


keep_bad = click.option(
    "--keep-bad",
    is_flag=True,
    help="Take windows that touch spans marked bad (BAD_…) too.",
)
"""Without it such windows are left out, as MNE leaves them out."""

uv_per_count = click.option(
    "--uv-per-count",
    type=Real(0, min_open=True),
    help="µV that a count of the converter stands for, where the contract does not say.",
)
"""What the signal chain in C must know."""


def print_json(console: Console, value: Any) -> None:
    """Print a value as one JSON document on stdout."""
    from quantize import plain as manifest

    console.print(manifest.to_json(value))


@contextmanager
def needs(extra: str = "export") -> Iterator[None]:
    """Imports in this block may need packages that are not installed; ``extra`` brings them.

    Raises
    ------
    MissingToolError
        When one is missing, with the line that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in shadow.PACKAGES:  # a fault of our own, not a package that is missing
            raise
        raise MissingToolError(
            f"This needs {package!r}, which is not installed. Type: pip install 'eeg-edge[{extra}]'"
        ) from None


def run(work: Callable[[Console], None], verbose: bool) -> None:
    """Do a command's work with our console."""
    from edge.terminal.console import console

    with console(verbose) as ours:
        work(ours)
