# SPDX-License-Identifier: BSD-3-Clause
"""Answer first what was measured, what int8 costs, what is fastest, what it needs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report.comparisons import compare, pool, worst
from benchmarks.report.document import Tile
from benchmarks.report.sections.accuracy import POINTS, verdict
from benchmarks.report.sections.latency import Timing, timings
from benchmarks.report.sections.memory import constant_bytes, needs
from benchmarks.report.sources import Source
from edge.errors import EdgeError
from edge.spec import Artifact, Precision, Verdict
from firmware_bridge.project import device

NOT_MEASURED = "not measured"


def subtitle(sources: Sequence[Source]) -> str:
    """Say in one sentence what the report is about."""
    modes = tuple(dict.fromkeys(source.mode for source in sources))
    subjects = tuple(dict.fromkeys(source.subject for source in sources))
    targets = sorted({a.target for s in sources for a in s.opened.manifest.artifacts})
    windows = sum(source.opened.manifest.data.n_held_out for source in sources)
    return (
        f"{_count(sources, 'bundle')}, {_count(modes, 'mode')} ({', '.join(modes)}), "
        f"{_count(subjects, 'subject')} ({', '.join(subjects)}); {', '.join(targets)}; "
        f"{windows:,} held-out windows."
    )


def _count(items: Sequence[object], name: str) -> str:
    return f"{len(items)} {name}{'' if len(items) == 1 else 's'}"


def warning(sources: Sequence[Source]) -> str:
    """Say what a reader must not miss; empty if there is nothing."""
    made_up = [source.label for source in sources if source.opened.manifest.data.simulated]
    if not made_up:
        return ""
    n = f"{len(made_up)} of {len(sources)} bundles"
    which = "all of it" if len(made_up) == len(sources) else n
    return f"Simulated data: {which}. Accuracies there say nothing about real EEG."


def tiles(sources: Sequence[Source]) -> tuple[Tile, ...]:
    """Answer six questions, or say that they are open."""
    return (
        _accuracy(sources),
        _follows(sources),
        _fastest(timings(sources)),
        _size(sources),
        _memory(sources),
        _coverage(sources),
    )


def _accuracy(sources: Sequence[Source]) -> Tile:
    label = f"Is int8 not worse than float by more than {POINTS:g} points?"
    found = compare(sources)
    if not found:
        return Tile(label, NOT_MEASURED, "no int8 artifact; type: edge export --int8")
    one = worst(found)
    where = f"{one.subject} ({one.mode}, {one.target})"
    least = f"worst subject {where}: {100 * one.difference:+.2f} points"
    pooled = pool(found)
    answers = [one.answer if len(one.subjects) > 1 else verdict(one.worst).text for one in pooled]
    value, tone = _overall(answers)
    kind = "pairs of mode and target"
    return Tile(label, value, f"{_tally(answers)} of {len(answers)} {kind}; {least}", tone)


def _overall(answers: Sequence[str]) -> tuple[str, str]:
    if all(answer == "yes" for answer in answers):
        return "yes", "good"
    if "no" in answers:
        return "no", "bad"
    most = next(answer for answer in answers if answer != "yes")
    return most.partition(",")[0], "fair"


def _tally(answers: Sequence[str]) -> str:
    kinds = [answer.partition(",")[0] for answer in answers]
    return ", ".join(f"{kind} for {kinds.count(kind)}" for kind in dict.fromkeys(sorted(kinds)))


def _follows(sources: Sequence[Source]) -> Tile:
    label = "How often does int8 decide as float does?"
    found = compare(sources)
    if not found:
        return Tile(label, NOT_MEASURED, "no int8 artifact; type: edge export --int8")
    one = min(found, key=lambda c: c.agreement.share)
    detail = (
        f"of {one.agreement.n} windows at least, 95 % interval {100 * one.agreement.low:.1f} to "
        f"{100 * one.agreement.high:.1f} ({one.subject}, {one.mode}, {one.target})"
    )
    noises = [c.sqnr_db for c in found if c.sqnr_db is not None]
    if noises:
        detail += f"; logits: SQNR {min(noises):.1f} dB or more"
    return Tile(label, f"{100 * one.agreement.share:.1f} %", detail)


def _fastest(found: Sequence[Timing]) -> Tile:
    ours = [one for one in found if one.ours]
    if not ours:
        return Tile("What is fastest?", NOT_MEASURED, "no samples; type: edge bench BUNDLE")
    best = min(ours, key=lambda one: one.median.value)
    int8 = min(
        (one for one in ours if one.name.endswith(" int8")),
        key=lambda one: one.median.value,
        default=None,
    )
    others = [one for one in found if not one.ours and one.bench is best.bench]
    detail = f"{best.name}, mode {best.source.mode}, {best.bench.device}: {_machine(best)}"
    if int8 is not None and int8 is not best:
        detail += f"; fastest int8: {int8.name}, {int8.median.value:,.0f} µs"
    if others:
        stock = min(others, key=lambda one: one.median.value)
        ratio = stock.median.value / best.median.value
        detail += f"; {ratio:.1f} times as fast as {stock.name}"
    return Tile("What is fastest?", f"{best.median.value:,.0f} µs", detail)


def _machine(one: Timing) -> str:
    return one.bench.machine.get("cpu") or "machine unknown"


def _size(sources: Sequence[Source]) -> Tile:
    label = "How small are the files?"
    pairs: list[tuple[Artifact, Artifact]] = []
    for source in sources:
        by_name = {(a.target, a.precision): a for a in source.opened.manifest.artifacts}
        pairs += [
            (artifact, by_name[target, Precision.FLOAT])
            for (target, precision), artifact in by_name.items()
            if precision == Precision.INT8 and (target, Precision.FLOAT) in by_name
        ]
    if not pairs:
        return Tile(label, NOT_MEASURED, "no int8 artifact beside a float one")
    small, its_float = min(pairs, key=lambda pair: pair[0].bytes)
    value = f"{small.bytes / 1024:.1f} KiB"
    share = small.bytes / its_float.bytes
    return Tile(label, value, f"{small.target} int8, {share:.2f} of its float file")


def _memory(sources: Sequence[Source]) -> Tile:
    label = "What does a microcontroller need?"
    states = []
    for source in sources:
        try:
            states.append((source.firmware().state_bytes, source))
        except EdgeError:
            continue
    if not states:
        return Tile(label, NOT_MEASURED, "no bundle has an integer graph that the C engine takes")
    state, source = max(states, key=lambda need: need[0])
    weights = max(constant_bytes(one.opened.graph()) for _, one in states)
    of = "" if len(states) == 1 else f", at most ({source.mode} needs most)"
    detail = (
        f"of RAM for all state{of}, without stack and the caller's window; {weights / 1024:.1f} "
        f"KiB of weights and biases in flash, besides code; {_fitting(sources)}"
    )
    return Tile(label, f"{state / 1024:.1f} KiB", detail)


def _fitting(sources: Sequence[Source]) -> str:
    found = needs(sources)
    names = device.names()
    fit = [name for name in names if all(need.fits(device.load(name)) for need in found)]
    return f"with a window it fits {len(fit)} of {len(names)} devices"


def _coverage(sources: Sequence[Source]) -> Tile:
    label = "Does all of it run in int8?"
    int8 = [
        artifact
        for source in sources
        for artifact in source.opened.manifest.artifacts
        if artifact.precision == Precision.INT8
    ]
    if not int8:
        return Tile(label, NOT_MEASURED, "no int8 artifact; type: edge export --int8")
    full = [artifact for artifact in int8 if artifact.verdict == Verdict.FULL]
    targets = ", ".join(sorted({artifact.target for artifact in full})) or "no target"
    value = "yes" if len(full) == len(int8) else f"{len(full)} of {len(int8)} files"
    tone = "good" if len(full) == len(int8) else "fair"
    return Tile(label, value, f"every operation in int8 on {targets}; the rest says why not", tone)
