# SPDX-License-Identifier: BSD-3-Clause
"""Plan a sweep: its cells, what they have in common, and where everything lies."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.report.sources import subject_of
from benchmarks.sweep import claim
from edge import registry
from edge.errors import IncompatibleError, UsageError, listing, suggestion
from quantize import plain as manifest
from quantize import reading
from quantize.recipe import Recipe

DEFAULT = "default"


@dataclass(frozen=True)
class Cell:
    """One training and what comes of it."""

    mode: str
    data: str
    seed: int
    recipe: str

    @property
    def model(self) -> str:
        """The name of the checkpoint, which all recipes share."""
        return f"{self.mode}-{subject_of(self.data).replace(':', '-')}-s{self.seed}"

    @property
    def name(self) -> str:
        """The name of the cell, of its bundle, and of its result."""
        return f"{self.model}-{self.recipe}"


@dataclass(frozen=True)
class Settings:
    """What all cells have in common; a folder holds cells of one of these.

    Attributes
    ----------
    bench_s
        Seconds for which every bundle is timed; 0 for not at all.
    """

    epochs: int = 60
    targets: tuple[str, ...] = ()
    contract: str | None = None
    bench_s: float = 0.0


@dataclass(frozen=True)
class Result:
    """What became of a cell that is finished; its file.

    Attributes
    ----------
    refused
        Why there is no bundle; empty where there is one.
    seconds
        How long it took.
    tool_sha256
        Of the code that did it; empty in older results.
    """

    mode: str
    data: str
    seed: int
    recipe: str
    refused: str
    seconds: float
    tool_sha256: str = ""


@dataclass(frozen=True)
class Plan:
    """The cells to be done below a folder."""

    folder: Path
    cells: tuple[Cell, ...]
    settings: Settings
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: {DEFAULT: Recipe()})

    def result(self, cell: Cell) -> Path:
        """Return the path of a cell's result, which appears last."""
        return self.folder / "results" / f"{cell.name}.json"

    def finished(self, cell: Cell) -> Result:
        """Read a cell's result.

        Raises
        ------
        UsageError, IncompatibleError
            When there is none, or it is damaged; the file is named.
        """
        return manifest.read(self.result(cell), Result)

    def bundle(self, cell: Cell) -> Path:
        """Return the path of a finished cell's bundle."""
        return self.folder / "bundles" / cell.name

    def samples(self, cell: Cell) -> Path:
        """Return the path of a cell's latencies, beside the bundle."""
        return self.folder / "bundles" / f"{cell.name}.bench.jsonl"

    def model(self, cell: Cell) -> Path:
        """Return the path of a cell's checkpoint."""
        return self.folder / "models" / cell.model

    def lock(self, name: str) -> Path:
        """Return the path of a lock; whoever works on that name holds it."""
        return self.folder / "locks" / name

    @property
    def journal(self) -> Path:
        """The path of a list of who started and finished what, in order."""
        return self.folder / "journal.jsonl"

    def missing(self) -> tuple[Cell, ...]:
        """Return the cells without a result."""
        return tuple(cell for cell in self.cells if not self.result(cell).exists())


def plan(
    folder: Path,
    modes: Sequence[str],
    data: Sequence[str],
    seeds: Sequence[int],
    recipes: Sequence[str],
    settings: Settings,
) -> Plan:
    """Return every combination, or refuse wrong names and a folder of another sweep.

    Raises
    ------
    UsageError
        With what to type instead.
    """
    for mode in modes:
        registry.refuse_unknown_network(mode, "--modes")
    for target in settings.targets:
        registry.refuse_unknown(registry.TARGETS, target, "--targets")
    names = [DEFAULT if recipe == DEFAULT else Path(recipe).stem for recipe in recipes]
    found = [_found(one) for one in data]
    cells = tuple(Cell(*of) for of in itertools.product(modes, found, seeds, names))
    twice = [name for name, n in Counter(cell.name for cell in cells).items() if n > 1]
    if twice:
        raise UsageError(
            f"Two cells would be called {twice[0]!r}. Name every mode, seed and recipe once, and "
            f"data and recipes whose files have different names."
        )
    known = {name: read_recipe(recipe) for name, recipe in zip(names, recipes, strict=True)}
    made = Plan(folder.absolute(), cells, settings, known)
    _settle(made)
    return made


def _found(data: str) -> str:
    """The same for a worker that was started elsewhere: a path from the root on."""
    return str(Path(data).absolute()) if Path(data).exists() else data


def read_recipe(name: str) -> Recipe:
    """Read ``default``, or a JSON file with fields of :class:`~quantize.recipe.Recipe`."""
    if name == DEFAULT:
        return Recipe()
    where = f"--recipes {name!r}"
    try:
        document = manifest.parse(reading.read_bytes(Path(name), manifest.MAX_BYTES), where)
        manifest.validate(document, dict[str, Any], where)
    except UsageError:
        raise UsageError(
            f"{where} is not a file. Type 'default' or the path of a JSON file."
        ) from None
    except IncompatibleError as error:
        raise UsageError(str(error)) from None
    allowed = [one.name for one in fields(Recipe)]
    unknown = [key for key in document if key not in allowed]
    if unknown:
        raise UsageError(
            f"--recipes {name!r}: {unknown[0]!r:.80} is not known. Allowed are {listing(allowed)}."
            f"{suggestion(unknown[0], allowed)}"
        )
    return manifest.validate(document, Recipe, f"--recipes {name!r}")


def _settle(made: Plan) -> None:
    """Make the folders and note the settings, or compare with those that are there."""
    if not made.folder.parent.is_dir():
        raise UsageError(f"--out {str(made.folder)!r} cannot be made. Make its parent first.")
    path, lock = made.folder / "sweep.json", made.lock("sweep")
    if not path.exists() and made.folder.exists() and set(made.folder.iterdir()) - {lock.parent}:
        raise UsageError(
            f"--out {str(made.folder)!r} exists and is not a sweep; it is left alone. Give another "
            f"folder, or remove it first."
        )
    document = {
        "settings": _plain(asdict(made.settings)),
        "recipes": _recipes(made),
        "contract_sha256": _contract_sha256(made.settings),
    }
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with claim.held(lock):
            if path.exists():
                there = _noted(path)
                _refuse_other(made.folder, there, document)
                document["recipes"] = there["recipes"] | document["recipes"]
            _refuse_other_data(made)
            claim.write(path, document)
        for name in ("results", "bundles", "models"):
            (made.folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot write --out {str(made.folder)!r}: {error.strerror}.") from None


def _noted(path: Path) -> dict[str, Any]:
    """What the sweep in a folder was asked for."""
    there = manifest.validate(manifest.document(path), dict[str, Any], str(path))
    for name in ("settings", "recipes"):
        manifest.validate(there.get(name), dict[str, Any], f"{path}: {name}")
    return there


def _contract_sha256(settings: Settings) -> str | None:
    if settings.contract is None:
        return None
    return manifest.sha256(reading.read_bytes(Path(settings.contract), reading.MIB))


def _recipes(made: Plan) -> dict[str, Any]:
    return {name: _plain(asdict(recipe)) for name, recipe in made.recipes.items()}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _refuse_other(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise where finished cells would not be what is asked for now."""
    pairs = [
        (f"--{name.replace('_', '-')}", there["settings"].get(name), value)
        for name, value in here["settings"].items()
    ]
    pairs += [
        (f"recipe {name}", there["recipes"].get(name, value), value)
        for name, value in here["recipes"].items()
    ]
    new = here["contract_sha256"]
    pairs.append(("a --contract of sha256", there.get("contract_sha256", new), new))
    for name, old, new in pairs:
        if old != new:
            raise UsageError(
                f"The sweep in {str(folder)!r} has {name:.80} {old!r:.200}, and {new!r:.200} is "
                f"asked for. Ask for the same, or name another --out."
            )


def _refuse_other_data(made: Plan) -> None:
    """Raise where a cell of this name is finished with data of the same name from elsewhere."""
    for cell in made.cells:
        if not made.result(cell).exists():
            continue
        old = made.finished(cell).data
        if "\0" in old or Path(old).resolve() != Path(cell.data).resolve():
            raise UsageError(
                f"The sweep in {str(made.folder)!r} has {cell.name} of --data {old!r:.200}, and "
                f"{cell.data!r} is asked for. Ask for the same, or name another --out."
            )
