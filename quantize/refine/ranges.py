# SPDX-License-Identifier: BSD-3-Clause
"""Choose for every tensor the share of its values that its range keeps, by what the logits lose.

One share for all tensors clips too much of some, where outliers decide, and wastes the steps of
others. So every tensor is rounded alone with every candidate range, with everything else in float,
and what that does to the logits is kept, window by window. Errors of different tensors hardly
correlate, so their squares add up; this predicts the error of any choice, and coordinate descent
finds one that no change of a single tensor improves. What is maximized is the mean over windows of
their SQNR in dB: unlike the SQNR over all windows, outliers do not own it, and unlike the median,
it knows them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.fx import GraphModule, Node

from quantize.graph import reference
from quantize.graph.measures import evenly
from quantize.graph.qgraph import INPUT, QGraph, Quant
from quantize.pt2e import naming
from quantize.pt2e.observers import PercentileObserver
from quantize.pt2e.quantizer import is_fused_relu

Array = NDArray[Any]
Percentiles = Mapping[str, float]
"""Share of values, in percent, that a tensor's range keeps; by the tensor's name."""

CANDIDATES = (99.5, 99.8, 99.9, 99.95, 99.99, 100.0)
MAX_WINDOWS = 96
"""Windows simulated at most, spread evenly."""
CHUNK = 16
FLOOR_DB = 15.0
"""Windows below this are lost to int8 whatever the ranges; how far below does not count."""
SWEEPS = 4
TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Shared:
    """Tensors with one scale, and the observers of them."""

    names: frozenset[str]
    observer: PercentileObserver

    def quant(self, percentile: float) -> Quant:
        """Return their quantization when that share of values is kept."""
        before, self.observer.percentile = self.observer.percentile, percentile
        scale, zero_point = self.observer.calculate_qparams()
        self.observer.percentile = before
        return Quant(float(np.float32(scale.item())), int(zero_point.item()))


def choose(observed: GraphModule, graph: QGraph, windows: NDArray[np.float32]) -> Percentiles:
    """Return the best share for every tensor but the logits, which follow from the sums.

    Parameters
    ----------
    observed
        PyTorch's graph with observers that have seen the calibration windows.
    graph
        The same network in float.
    windows
        (n, n_chans, n_times) float32, scaled; from the training part only.
    """
    groups = [group for group in _shared(observed) if graph.head.output not in group.names]
    if not groups:
        return {}
    some = windows[evenly(len(windows), MAX_WINDOWS, down=True)]
    signal, noise = _simulate(groups, graph, some)
    chosen = _descend(signal, noise, [_nearest(group.observer.percentile) for group in groups])
    return {
        name: CANDIDATES[i]
        for group, i in zip(groups, chosen, strict=True)
        for name in sorted(group.names)
    }


def apply(observed: GraphModule, percentiles: Percentiles) -> None:
    """Make the observers of the named tensors keep these shares."""
    for group in _shared(observed):
        for name in group.names & percentiles.keys():
            group.observer.percentile = percentiles[name]


def _shared(observed: GraphModule) -> list[Shared]:
    """Every observer of percentiles, in the order of the graph."""
    names = naming.names(observed.graph.nodes)
    found: dict[int, Shared] = {}
    for node in observed.graph.nodes:
        if node.op != "call_module":
            continue
        observer = observed.get_submodule(str(node.target))
        if isinstance(observer, PercentileObserver):
            known = found.get(id(observer), Shared(frozenset(), observer))
            name = _name(node.args[0], names)
            found[id(observer)] = replace(known, names=known.names | {name})
    return list(found.values())


def _name(source: Any, names: Mapping[Node, str]) -> str:
    """What the float graph calls an observed value; a ReLU belongs to its convolution."""
    if source.op == "placeholder":
        return INPUT
    return names[source.args[0] if is_fused_relu(source) else source]


def _simulate(
    groups: Sequence[Shared], graph: QGraph, windows: NDArray[np.float32]
) -> tuple[Array, Array]:
    """Squared logits (n_windows,), and the squared errors (n_groups, n_candidates, n_windows)."""
    quants = [[group.quant(percentile) for percentile in CANDIDATES] for group in groups]
    signals, noises = [], []
    for start in range(0, len(windows), CHUNK):
        x = windows[start : start + CHUNK]
        values = {graph.input: reference.to_input(graph, x), **reference.trace(graph, x)}
        wanted = values[graph.output]
        signals.append(_energy(wanted))
        noises.append(
            [
                [_energy(_rounded(group.names, quant, graph, values) - wanted) for quant in each]
                for group, each in zip(groups, quants, strict=True)
            ]
        )
    return np.concatenate(signals), np.concatenate(noises, axis=2)


def _rounded(
    names: Collection[str], quant: Quant, graph: QGraph, values: Mapping[str, Array]
) -> Array:
    """Logits with these tensors rounded and nothing else."""
    changed = dict(values)

    def through_int8(name: str, value: Array) -> Array:
        if name not in names:
            return value
        return reference.dequantize(reference.quantize(value, quant), quant)

    changed[graph.input] = through_int8(graph.input, values[graph.input])
    differs = graph.input in names
    for node in graph.nodes:
        value = values[node.output]
        if differs:
            value = node.evaluate(graph, changed)
        differs = differs or node.output in names
        changed[node.output] = through_int8(node.output, value)
    return changed[graph.output]


def _energy(logits: Array) -> Array:
    """Sum of squares of every window."""
    energy: Array = np.square(logits, dtype=np.float64).reshape(len(logits), -1).sum(1)
    return energy


def _nearest(percentile: float) -> int:
    """Index of the candidate that a recipe's percentile comes next to."""
    return int(np.argmin(np.abs(np.subtract(CANDIDATES, percentile))))


def _descend(signal: Array, noise: Array, chosen: Sequence[int]) -> list[int]:
    """Index of a candidate for every group, from ``chosen`` on."""
    best = list(chosen)
    groups = range(len(best))
    for _ in range(SWEEPS):
        before = list(best)
        for group in groups:
            others = sum(noise[g, best[g]] for g in groups if g != group)
            scores = [_score(signal, others + candidate) for candidate in noise[group]]
            if max(scores) > scores[best[group]]:
                best[group] = int(np.argmax(scores))
        if best == before:
            break
    return best


def _score(signal: Array, noise: Array) -> float:
    """Mean SQNR of a window in dB, lost ones at the floor."""
    each = 10 * np.log10((signal + TINY) / (noise + TINY))
    return float(np.maximum(each, FLOOR_DB).mean())
