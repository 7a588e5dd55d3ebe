# SPDX-License-Identifier: BSD-3-Clause
"""Whether a command that is cut off, anywhere and however, leaves the old result or the new one.

    python -m benchmarks.studies.faults --count 500 --seed 0 --save

A seeded driver starts a command over an old result, cuts it off after a random part of the time
that it takes undisturbed (SIGKILL, SIGTERM, SIGINT, SIGHUP), takes something away from it (address
space, the size that files may have, a home, a folder for temporary files, stdout), or starts it
twice at once; and then asks: is the result the old one or the new one
(:mod:`benchmarks.studies.faults_actions`); is nothing else beside it, once a killed process is
swept up after; does the exit code say what happened; is stderr without a traceback.

Each fault depends on the seed and its number alone and is noted in ``--journal`` when it is done,
so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.studies import faults_actions as actions
from benchmarks.studies import records
from benchmarks.studies.faults_actions import SIGNALS, Action, Fault

RESULTS = Path(__file__).parent / "results" / "faults.json"
MIB = 1 << 20
WEIGHTS = {"train": 2, "export": 4, "firmware": 8, "sign": 8, "stream": 8, "sweep": 1}
"""How often each command is drawn; a sweep is done twice for each fault, and takes longest."""
OURS = re.compile(r'File ".*?/((?:edge|quantize|firmware_bridge|benchmarks)/[^"]+)"')
STARTING = {"edge/__init__.py", "edge/__main__.py", "edge/patches/torch_import.py"}
"""What Python imports before a program of ours can say what Ctrl-C shall do."""
SURROUNDINGS = (
    Fault("no HOME", environment={"HOME": None, "XDG_CONFIG_HOME": None, "XDG_CACHE_HOME": None}),
    Fault("no TMPDIR", environment={"TMPDIR": "/nonexistent"}),
    Fault("full stdout", stdout="/dev/full"),
    Fault("closed stdout", stdout="closed"),
    Fault("twice at once", twice=True),
)


def draw(rng: random.Random) -> Fault:
    """One of the faults."""
    kind = rng.random()
    if kind < 0.75:
        number = rng.choice(SIGNALS)
        return Fault(signal.Signals(number).name, number=number, share=rng.uniform(0, 1.1))
    if kind < 0.83:
        size = rng.choice((0, 512, 4_096, 16_384, 65_536))
        return Fault("small files", limits={resource.RLIMIT_FSIZE: size})
    if kind < 0.91:
        size = rng.randint(200, 3_000) * MIB
        return Fault("little memory", limits={resource.RLIMIT_AS: size})
    return rng.choice(SURROUNDINGS)


def inject(action: Action, fault: Fault, folder: Path) -> list[str]:
    """Do it once; what is wrong afterwards, in words."""
    out = folder / action.out
    actions.restore(out)
    process = actions.start(action.command, folder, fault)
    other = actions.start(action.command, folder, fault) if fault.twice else None
    if fault.number:
        try:
            process.wait(action.seconds * fault.share)
        except subprocess.TimeoutExpired:
            process.send_signal(fault.number)
    _, stderr = process.communicate()
    code = process.returncode
    if other is not None:
        stderr += other.communicate()[1]
        code = min(code, other.returncode) if min(code, other.returncode) >= 0 else 1
    if fault.number == signal.SIGKILL:
        actions.swept(out)
    hidden = [path.name for path in out.parent.glob(f".{out.name}.*")]
    wrong = [f"left beside it: {', '.join(hidden)}"] if hidden else []
    if fault.number and code not in (0, -fault.number, 128 + fault.number):
        wrong.append(f"exit code {code}")
    if not fault.limits and _has_traceback(stderr, fault.number == signal.SIGINT):
        wrong.append(f"traceback: {stderr.strip().splitlines()[-1]}")
    return wrong + action.judge(out, code)


def _has_traceback(stderr: str, is_ctrl_c: bool) -> bool:
    """Whether one was printed that we could have kept from the user."""
    if is_ctrl_c and not set(OURS.findall(stderr)) - STARTING and "bug in edge" not in stderr:
        return False  # the interpreter was starting
    return "Traceback" in stderr or "bug in edge" in stderr


def document(seed: int, done: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept: how often each fault met each command, and what was wrong."""
    counts = Counter(f"{one['action']}, {one['fault']}" for one in done)
    wrong = [{"number": one["number"], "wrong": word} for one in done for word in one["wrong"]]
    return {"schema_version": 2, "seed": seed, "faults": dict(counts), "wrong": wrong}


def journal_of(path: Path | None) -> list[dict[str, Any]]:
    """Faults that were done before; whole lines alone."""
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


@click.command()
@click.option("--count", default=500, show_default=True, help="Faults.")
@click.option("--seed", default=0, show_default=True)
@click.option("--journal", type=click.Path(path_type=Path), help="Note each fault; go on from it.")
@click.option("--only", type=int, help="One fault, by its number.")
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name}.")
def main(count: int, seed: int, journal: Path | None, only: int | None, save: bool) -> None:
    """Inject faults; exit 1 where one left something that is neither old nor new."""
    done = journal_of(journal)
    begun = {one["number"] for one in done}
    with TemporaryDirectory(prefix="edge-faults-") as name:
        folder = Path(name)
        known = actions.prepare(folder, click.echo)
        for number in range(count) if only is None else [only]:
            if number in begun:
                continue
            rng = random.Random(f"{seed}-{number}")
            (action,) = rng.choices(known, [WEIGHTS[one.name] for one in known])
            fault = draw(rng)
            complaints = inject(action, fault, folder)
            what = f"{fault.what} at {fault.share:.2f} {dict(fault.limits) or ''}"
            for complaint in complaints:
                click.echo(f"{number}: {action.name}, {what}: {complaint}")
            done.append(
                {"number": number, "action": action.name, "fault": fault.what, "wrong": complaints}
            )
            if journal is not None:
                with journal.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
    found = document(seed, done)
    click.echo(f"{len(done)} faults, {len(found['wrong'])} complaints (seed {seed})")
    if save:
        records.save(RESULTS, found)
    sys.exit(1 if found["wrong"] else 0)


if __name__ == "__main__":
    main()
