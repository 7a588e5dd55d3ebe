# SPDX-License-Identifier: BSD-3-Clause
"""Say where everything comes from: hashes, versions, and the lines that repeat it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.report.document import Block, Column, Commands, Part, Section, Table, row, words
from benchmarks.report.sources import Source
from edge import registry
from edge.patches.versions import versions
from edge.spec import Precision
from firmware_bridge import escaping


def section(sources: Sequence[Source]) -> Section:
    """Return bundles and versions, then the files of every bundle."""
    blocks: tuple[Block, ...] = (
        _bundles(sources),
        words("To repeat it, type:"),
        Commands(tuple(line for source in sources for line in commands(source))),
        _versions(sources),
    )
    return Section("provenance", "Provenance", blocks, tuple(_part(source) for source in sources))


def _bundles(sources: Sequence[Source]) -> Table:
    columns = (
        Column("bundle"), Column("model"), Column("data"), Column("held out"), Column("recipe"),
        Column("manifest, sha256", code=True),
    )  # fmt: skip
    rows = []
    for source in sources:
        made = source.opened.manifest
        shape = f"{made.model.n_chans} channels x {made.model.n_times} samples"
        kind = " (simulated)" if made.data.simulated else ""
        rows.append(
            row(
                source.label,
                f"{made.model.mode}, {shape}, {made.model.n_outputs} classes; {made.source}",
                f"{made.data.spec}{kind}",
                f"{made.data.n_held_out} windows ({made.data.split})",
                _recipe(source),
                source.sha256,
            )
        )
    return Table("bundles", "What was read.", columns, tuple(rows))


def _recipe(source: Source) -> str:
    recipe = source.opened.manifest.recipe
    if recipe is None:
        return "float only"
    return ", ".join(f"{name} {_value(value)}" for name, value in asdict(recipe).items())


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)


def commands(source: Source) -> list[str]:
    """Return the lines that make this bundle again, check it, and measure it.

    A reader types them into a shell: what comes from the bundle is quoted, and is one line.
    """
    label = _word(source.label)
    return [_export_line(source), f"edge verify {label}", f"edge bench {label}"]


def _word(text: str) -> str:
    return shlex.quote(escaping.printable(text))


def _export_line(source: Source) -> str:
    made = source.opened.manifest
    named = re.fullmatch(r"checkpoint '(.+)'", made.source)
    if named is not None:
        start = f"edge export --checkpoint {_word(named.group(1))} --data {_word(made.data.spec)}"
    elif made.source.startswith("shipped checkpoint"):
        start = f"edge export --mode {_word(made.model.mode)}"
    else:
        return f"# {source.label}: made in Python from {escaping.printable(made.source)}"
    int8 = " --int8" if any(a.precision == Precision.INT8 for a in made.artifacts) else ""
    targets = tuple(sorted({artifact.target for artifact in made.artifacts}))
    some = (
        ""
        if targets == registry.names(registry.TARGETS)
        else f" --targets {_word(','.join(targets))}"
    )
    return f"{start}{int8}{some} --out {_word(source.label)}"


def _versions(sources: Sequence[Source]) -> Table:
    """One column a set of versions that exported, and one for what wrote the report."""
    sets = list(dict.fromkeys(_items(source) for source in sources))
    here = tuple(sorted(versions().items()))
    names = sorted({name for one in (*sets, here) for name, _ in one})
    titles = ["exported with"] if len(sets) == 1 else [f"export {i + 1}" for i in range(len(sets))]
    columns = (Column("package"), *map(Column, titles), Column("report written with"))
    rows = tuple(
        row(name, *(dict(one).get(name, "not installed") for one in (*sets, here)))
        for name in names
    )
    return Table("versions", "Versions.", columns, rows)


def _items(source: Source) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(source.opened.manifest.versions.items()))


def _part(source: Source) -> Part:
    title = f"Files of {source.label}"
    rows = tuple(row(name, digest) for name, digest in sorted(source.opened.manifest.files.items()))
    name = "hashes-" + re.sub(r"\W", "-", source.label)
    columns = (Column("file"), Column("sha256", code=True))
    return Part(title, (Table(name, "As the manifest has them.", columns, rows),))
