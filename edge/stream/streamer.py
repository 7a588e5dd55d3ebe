# SPDX-License-Identifier: BSD-3-Clause
"""Decode a continuous signal: samples in, decisions out, from a bundle and without torch.

    streamer = edge.stream.streamer.open_stream(bundle.read(folder))
    for decision in streamer.push(samples):     # (n_frames, n_chans), as many as there are
        print(decision.sample, decision.logits)

The engine computes every window's logits from what changed since the last one
(:mod:`quantize.graph.streaming`): the integer engines give the same windows' logits, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.bundle.read import Bundle
from edge.errors import IncompatibleError, MissingToolError, UsageError, invalid_value
from firmware_bridge.host import stream as host_stream
from firmware_bridge.signal.contract import SignalContract
from firmware_bridge.stream.generate import generate_stream
from quantize.graph import outputs, reference
from quantize.graph.qgraph import QGraph, Quant
from quantize.graph.streaming import Streaming

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Decision:
    """What an engine says about one window.

    Attributes
    ----------
    sample
        Number of the window's last sample; the first after a reset is 0.
    logits
        (n_outputs,) float32.
    stored
        (n_outputs,) int16, what ``logits`` are in quantization steps; None in a float engine.
    """

    sample: int
    logits: NDArray[np.float32]
    stored: NDArray[np.int16] | None


class Engine(Protocol):
    """A network that is fed with samples as its input tensor holds them.

    Attributes
    ----------
    hop
        Samples between decisions.
    input_quant
        How int8 samples come from scaled ones; None where the network takes float32.
    """

    hop: int
    input_quant: Quant | None

    def push(self, frames: Array) -> list[Decision]:
        """Take samples (n, n_chans), scaled and, where int8, quantized."""

    def reset(self) -> None:
        """Forget all samples; the next decision falls on the next whole window."""


class NumpyEngine:
    """An engine that runs a graph in numpy, float or integer."""

    def __init__(self, graph: QGraph, hop: int) -> None:
        self._streaming = Streaming(graph, hop)
        self.hop = hop
        self.input_quant = graph[graph.input].quant

    def push(self, frames: Array) -> list[Decision]:
        """Take samples, see :class:`Engine`."""
        found = []
        for step in self._streaming.push(frames):
            stored = None if self.input_quant is None else step.logits.stored[0]
            found.append(Decision(step.sample, step.logits.real[0], stored))
        return found

    def reset(self) -> None:
        """Forget all samples, see :class:`Engine`."""
        self._streaming.reset()


class CEngine:
    """An engine that runs the generated C, compiled for this machine."""

    def __init__(self, graph: QGraph, hop: int) -> None:
        self._stream = host_stream.open_stream(generate_stream(graph, hop))
        self._target = graph.quant(graph.output)
        self.hop = hop
        self.input_quant: Quant | None = graph.quant(graph.input)

    def push(self, frames: Array) -> list[Decision]:
        """Take samples, see :class:`Engine`."""
        return [
            Decision(sample, reference.dequantize(stored, self._target), stored)
            for sample, stored in self._stream.push(frames)
        ]

    def reset(self) -> None:
        """Forget all samples, see :class:`Engine`."""
        self._stream.reset()


def _compiled(opened: Bundle, hop: int) -> Engine:
    return CEngine(opened.graph(), hop)


def _integers(opened: Bundle, hop: int) -> Engine:
    return NumpyEngine(opened.graph(), hop)


def _floats(opened: Bundle, hop: int) -> Engine:
    try:
        from edge.checkpoint import files
        from edge.families.base import lower
        from quantize.pt2e import ptq
        from quantize.pt2e.extract import extract
    except ImportError as error:
        raise MissingToolError(
            f"Streaming the float model needs PyTorch and braindecode ({error}). "
            f"Type: pip install 'eeg-edge[export]'"
        ) from None
    loaded = files.load(opened.folder)
    net = lower(loaded.module, loaded.spec)
    graph = extract(ptq.trace(net, loaded.spec.n_chans, loaded.spec.n_times))
    return NumpyEngine(outputs.give(graph, opened.outputs), hop)


ENGINES: Mapping[str, Callable[[Bundle, int], Engine]] = MappingProxyType(
    {"c": _compiled, "reference": _integers, "float": _floats}
)
"""Engines by name."""


def open_engine(opened: Bundle, name: str = "reference", hop: int | None = None) -> Engine:
    """Open an engine of a bundle.

    Parameters
    ----------
    name
        Of :data:`ENGINES`.
    hop
        Samples between decisions; the contract's without.

    Raises
    ------
    UsageError
        When there is no engine of that name, or the hop is not a multiple of the pool's stride.
    MissingToolError
        When the engine needs something that is not installed.
    """
    if name not in ENGINES:
        raise UsageError(invalid_value("engine", name, tuple(ENGINES)))
    return ENGINES[name](opened, opened.contract().hop if hop is None else hop)


class Streamer:
    """An engine behind the contract's scaling and the network's input quantization."""

    def __init__(self, contract: SignalContract, n_chans: int, engine: Engine) -> None:
        self.contract = contract
        self.n_chans = n_chans
        self.engine = engine

    def push(self, samples: Array) -> list[Decision]:
        """Take samples and give the decisions that they complete.

        Parameters
        ----------
        samples
            (n, n_chans) in the contract's unit and channel order, filtered and not scaled; int8
            samples are taken as the network's input.

        Raises
        ------
        IncompatibleError
            Wrong shape, samples that are not finite, or int8 for a float network.
        """
        return self.engine.push(self.prepare(samples))

    def prepare(self, samples: Array) -> Array:
        """Return samples as the network's input holds them, (n, n_chans)."""
        if samples.ndim != 2 or samples.shape[1] != self.n_chans:
            raise IncompatibleError(
                f"Samples have shape {samples.shape}; expected (n, {self.n_chans})."
            )
        quant = self.engine.input_quant
        if samples.dtype == np.int8:
            if quant is None:
                raise IncompatibleError("int8 samples fit an int8 engine; this one computes float.")
            return samples
        if not np.isfinite(samples).all():
            row, channel = (int(i) for i in np.argwhere(~np.isfinite(samples))[0])
            raise IncompatibleError(
                f"Samples hold {samples[row, channel]} in channel "
                f"{self.contract.channel_name(channel)}, sample {row}. "
                f"Interpolate them first, or reset."
            )
        scaled = self.contract.scale(np.asarray(samples.T[None], np.float32))[0].T
        return scaled if quant is None else reference.quantize(scaled, quant)

    def reset(self) -> None:
        """Forget all samples."""
        self.engine.reset()


def open_stream(opened: Bundle, engine: str = "reference", hop: int | None = None) -> Streamer:
    """Open a bundle's decoder for a continuous signal; see :func:`open_engine`."""
    n_chans = opened.manifest.model.n_chans
    return Streamer(opened.contract(), n_chans, open_engine(opened, engine, hop))
