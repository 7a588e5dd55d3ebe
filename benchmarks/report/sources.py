# SPDX-License-Identifier: BSD-3-Clause
"""Read what a report is made from: bundles, and what lies beside them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure.protocol import Samples
from benchmarks.report.document import Absent
from edge.bundle import read as bundle
from edge.bundle import types as bundle_types
from edge.bundle.read import Bundle
from edge.errors import EdgeError, IncompatibleError, UsageError
from firmware_bridge import escaping
from firmware_bridge.emit.generate import Firmware, generate
from quantize import plain as manifest
from quantize import reading
from quantize.recipe import Recipe

SAMPLES = ".bench.jsonl"
"""End of the names of files that ``edge bench`` writes."""


@dataclass(frozen=True, eq=False)
class Bench:
    """Every latency of one ``edge bench`` run on a bundle."""

    file: str
    device: str
    machine: Mapping[str, str]
    rounds: tuple[Samples, ...]

    def names(self) -> tuple[str, ...]:
        """The entrants that took part."""
        return tuple(dict.fromkeys(name for samples in self.rounds for name in samples))

    def latencies(self, name: str) -> NDArray[np.float64]:
        """Return all of an entrant's latencies, µs, sorted."""
        blocks = [samples[name] for samples in self.rounds if name in samples]
        return np.sort(np.concatenate([np.asarray(block, np.float64) for block in blocks]))

    def of(self, name: str) -> tuple[Samples, ...]:
        """Return the rounds in which an entrant took part."""
        return tuple(samples for samples in self.rounds if name in samples)


@dataclass(frozen=True, eq=False)
class Source:
    """One bundle and what belongs to it.

    Attributes
    ----------
    label
        Its name in the report, unique there.
    subject
        Whose recordings it was trained and measured on.
    sha256
        Of its manifest, which holds the hashes of everything else.
    benches
        Runs of ``edge bench`` on exactly this bundle.
    absent
        What was found beside it and left out, and why.
    """

    label: str
    subject: str
    opened: Bundle
    sha256: str
    benches: tuple[Bench, ...]
    absent: tuple[Absent, ...]

    @property
    def mode(self) -> str:
        """The attention mode."""
        return self.opened.manifest.model.mode

    @property
    def kind(self) -> str:
        """The mode, and what its recipe has that the default does not.

        The recipe as it was asked for: bundles differ in what the policy left in float, by
        subject, and are pooled all the same.
        """
        made = self.opened.manifest
        if made.recipe is None:
            return self.mode
        asked = made.recipe
        if made.policy is not None:
            asked = replace(asked, float_parts=made.policy.trials[0].float_parts)
        words = [
            f"{one.name} {getattr(asked, one.name)}"
            for one in fields(Recipe)
            if getattr(asked, one.name) != getattr(Recipe(), one.name)
        ]
        return f"{self.mode} ({', '.join(words)})" if words else self.mode

    def document(self, name: str) -> Any:
        """Return a JSON file of the bundle, or None if it has none of that name."""
        if name not in self.opened.manifest.files:
            return None
        return manifest.document(self.opened.folder / name)

    def firmware(self) -> Firmware:
        """Return what the C engine makes of the integer graph.

        Raises
        ------
        EdgeError
            When there is no integer graph, or it has an operation without a kernel.
        """
        return generate(self.opened.graph())


def read(folders: Sequence[Path]) -> tuple[Source, ...]:
    """Open bundles and what lies beside them.

    Raises
    ------
    UsageError
        When a folder is not a bundle or given twice.
    IncompatibleError
        When a file of a bundle is not what its manifest says.
    """
    twice = [path for path, n in Counter(folder.resolve() for folder in folders).items() if n > 1]
    if twice:
        raise UsageError(f"{str(twice[0])!r} is given more than once. Name every bundle once.")
    labels = map(escaping.printable, _labels(folders))
    return tuple(_source(f, label) for f, label in zip(folders, labels, strict=True))


def _labels(folders: Sequence[Path]) -> list[str]:
    """Names of the folders, with as many of their parents as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    labels = [names[-1] for names in parts]
    depth = 1
    while len(set(labels)) < len(labels):
        depth += 1
        labels = ["/".join(names[-depth:]) for names in parts]
    return labels


def _source(folder: Path, label: str) -> Source:
    opened = bundle.read(folder)
    digest = manifest.sha256(reading.read_bytes(folder / bundle_types.MANIFEST, manifest.MAX_BYTES))
    benches, absent = _benches(folder.resolve(), digest)
    subject = escaping.printable(subject_of(opened.manifest.data.spec))
    return Source(label, subject, opened, digest, benches, absent)


def subject_of(spec: str) -> str:
    """Return whose data a ``--data`` argument names: its file or folder, or itself."""
    if ":" in spec:
        return spec
    path = Path(spec)
    return path.name.removesuffix(path.suffix) or spec


def _benches(folder: Path, digest: str) -> tuple[tuple[Bench, ...], tuple[Absent, ...]]:
    """Runs of this very bundle; its own file is named where it cannot be used."""
    found, absent = [], []
    for path in sorted(folder.parent.glob(f"*{SAMPLES}")):
        own = path.name == f"{folder.name}{SAMPLES}"
        try:
            head, found_here = _read_samples(path)
        except IncompatibleError as error:
            if own:
                absent.append(Absent(escaping.printable(path.name), str(error)))
            continue
        if head.get("bundle_sha256") == digest:
            found += found_here
        elif own:
            word = shlex.quote(escaping.printable(folder.name))
            why = f"it was measured on another export of this bundle; type: edge bench {word}"
            absent.append(Absent(escaping.printable(path.name), why))
    return tuple(found), tuple(absent)


def _read_samples(path: Path) -> tuple[dict[str, Any], list[Bench]]:
    """What ``edge bench`` wrote: a head, then a block of latencies a line; by device."""
    try:
        text = reading.read_bytes(path, reading.MAX_FILE_BYTES)
        head, *lines = [manifest.parse(line, path.name) for line in text.splitlines()]
        if not isinstance(head, dict):
            raise TypeError
        rounds: dict[str, dict[int, dict[str, list[float]]]] = {}
        for line in lines:
            of_device = rounds.setdefault(line["device"], {})
            of_device.setdefault(line["round"], {})[line["name"]] = line["us"]
        return head, [
            Bench(
                escaping.printable(path.name),
                device,
                head["machine"] | head["devices"][device],
                tuple(r.values()),
            )
            for device, r in rounds.items()
        ]
    except (EdgeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IncompatibleError(
            f"{path.name} is not what edge bench writes, or is cut off ({type(error).__name__})"
        ) from None
