# SPDX-License-Identifier: BSD-3-Clause
"""Damage files for every reader, and windows for the generated C, as long as asked.

    python -m tests.fuzz --seconds 1800 [--surface NAME] [--plain] [--seed N]

Python readers are guided by coverage (atheris), unless ``--plain``; C by libFuzzer. What is found
is written to ``.cache/fuzz/SURFACE`` and said; exit status 1 if there is any. Put what was found
and mended into ``tests/fuzz/corpus/SURFACE``, where every test run reads it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from tests.fuzz import native
from tests.fuzz.judge import ROOT, Surface, judge, kept_name, limits, opened, place_of

FOUND = ROOT / ".cache" / "fuzz"


class Findings:
    """What was found on one surface, each place once, and how much was tried."""

    def __init__(self, surface: Surface, folder: Path) -> None:
        self.surface, self.folder = surface, folder
        self.places: dict[str, Path] = {}
        self.runs = 0
        self.started_s = time.monotonic()

    def try_it(self, given: bytes) -> None:
        """Judge an input, and keep it where it shows a fault of a new place."""
        self.runs += 1
        fault = judge(self.surface, self.folder, given)
        if fault and (place := place_of(fault)) not in self.places:
            out = FOUND / self.surface.name
            out.mkdir(parents=True, exist_ok=True)
            name, content = self.surface.split(given)
            path = out / kept_name(name, content)
            self.places[place] = path
            path.write_bytes(content)
            click.echo(f"{self.surface.name}: {name}: {fault}\n-> {path}", err=True)

    def summary(self) -> str:
        """One JSON line: what was tried, for how long, what was found, the memory's peak."""
        return json.dumps(
            {
                "surface": self.surface.name,
                "runs": self.runs,
                "seconds": round(time.monotonic() - self.started_s),
                "faults": sorted(self.places),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )


def plain(found: Findings, seconds: float, seed: int, count: int) -> None:
    """Damage good files in turn, as the seed says; ``count`` times at most."""
    inputs, end, number = found.surface.inputs(), time.monotonic() + seconds, 0
    while time.monotonic() < end and number < count:
        given = inputs[number % len(inputs)]
        found.try_it(found.surface.mutated(given, seed * 2**32 + number))
        number += 1


def guided(found: Findings, seconds: float, seed: int, count: int) -> None:
    """Let atheris choose which damage is damaged further; the last input ends the process."""
    import atheris

    end = time.monotonic() + seconds

    def one(given: bytes) -> None:
        found.try_it(given)
        is_last = time.monotonic() > end or found.runs >= count
        if is_last:  # libFuzzer's own end would pass over all of Python's
            click.echo(found.summary())
            sys.stdout.flush()
            shutil.rmtree(found.folder, ignore_errors=True)
            os._exit(bool(found.places))

    corpus = FOUND / "corpus" / found.surface.name
    corpus.mkdir(parents=True, exist_ok=True)
    for given in found.surface.inputs():
        (corpus / hashlib.sha256(given).hexdigest()[:16]).write_bytes(given)

    def mutate(given: bytes, largest: int, number: int) -> bytes:
        return found.surface.mutated(given, number)[:largest]

    largest = 2 * max(map(len, found.surface.inputs()))
    options = [f"-max_len={largest}", "-rss_limit_mb=0", "-timeout=60", "-len_control=0"]
    options += [f"-seed={seed + 1}", "-verbosity=0"]
    atheris.Setup(["fuzz", *options, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


def run_one(
    name: str,
    seconds: float,
    seed: int,
    count: int,
    how: Callable[[Findings, float, int, int], None],
) -> None:
    """Fuzz one Python surface in this process, which ends here."""
    from tests.fuzz.surfaces import SURFACES, refuse_bad_seeds

    surface = SURFACES[name]()
    with opened(surface) as folder:
        refuse_bad_seeds(surface, folder)
        found = Findings(surface, folder)
        with limits():
            try:
                how(found, seconds, seed, count)
            finally:
                click.echo(found.summary())
                sys.stdout.flush()
    sys.exit(bool(found.places))


PYTHON = (
    *("bundle", "graph", "contract", "windows", "checkpoint", "recordings", "replay", "device"),
    *("sweep", "signature", "c-graph"),
)
"""Every name of :data:`tests.fuzz.surfaces.SURFACES`, which takes seconds to import."""


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0), default=60, help="For each surface.")
@click.option("--surface", "names", multiple=True, type=click.Choice([*PYTHON, *native.SURFACES]))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--count", type=click.IntRange(1), default=10**9, help="Of inputs, at most.")
@click.option("--plain", "is_plain", is_flag=True, help="Without coverage, in a fixed order.")
def main(seconds: float, names: tuple[str, ...], seed: int, count: int, is_plain: bool) -> None:
    """Fuzz surfaces, all without a name; each in a process of its own."""
    every = names or (*PYTHON, *native.SURFACES)
    if len(every) > 1:
        arguments = ["--seconds", str(seconds), "--seed", str(seed), "--count", str(count)]
        arguments += ["--plain"] * is_plain
        again = [sys.executable, "-W", "ignore", "-m", "tests.fuzz", *arguments]
        codes = [subprocess.run([*again, "--surface", n], check=False).returncode for n in every]
        sys.exit(any(codes))
    (name,) = every
    if name in native.SURFACES:
        sys.exit(native.fuzz(name, seconds, seed, count, FOUND))
    if is_plain:
        run_one(name, seconds, seed, count, plain)
    import atheris

    with atheris.instrument_imports(include=["edge", "quantize", "firmware_bridge", "benchmarks"]):
        from tests.fuzz import surfaces

        assert tuple(surfaces.SURFACES) == PYTHON
    run_one(name, seconds, seed, count, guided)


if __name__ == "__main__":
    main()
