# SPDX-License-Identifier: BSD-3-Clause
"""A file as training reads it and as live replay does, both compared with what it should hold."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.data import source
from edge.signal import contract_file
from edge.spec import Argument
from edge.stream.frames import EndOfSignal, SourceRequest
from edge.stream.sources.file import Replay

N_TIMES = 20
"""Samples of a training window."""


def contract_text(
    channels: Sequence[str], sfreq: float, texts: Sequence[str], options: Mapping[str, Argument]
) -> str:
    """A contract without filter or scaling, so that windows are the file's own samples in µV."""
    classes = ", ".join(f"{json.dumps(text)} = {json.dumps(f'class {text}')}" for text in texts)
    told = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return (
        f"[signal]\nchannels = {json.dumps(list(channels))}\nsfreq = {sfreq}\n"
        f"[file]\n{told}\n"
        f'[scaling]\nkind = "none"\n[window]\nn_times = {N_TIMES}\n'
        f'[[events]]\nfiles = ["*"]\nclasses = {{ {classes} }}\n'
    )


def check(
    path: Path,
    channels: Sequence[str],
    sfreq: float,
    pieces: Sequence[NDArray[np.float64]],
    events: Sequence[tuple[int, str]],
    *,
    options: Mapping[str, Argument] | None = None,
    atol_uv: float = 1e-3,
) -> None:
    """Hold training's windows and replay's frames to the signal that a file was made of.

    Parameters
    ----------
    pieces
        The signal between joints, each (n_chans, n) in µV, channels in the order of ``channels``.
    events
        Samples, counted over all pieces, and texts. Each has a window inside its piece.
    atol_uv
        What float32 and the file's own digits leave.
    """
    texts = list(dict.fromkeys(text for _, text in events))
    text = contract_text(channels, sfreq, texts, options or {})
    whole = np.concatenate(pieces, axis=1)
    data = source.read(str(path), contract_file.parse(text, "c.toml"))
    expected = np.array([whole[:, at : at + N_TIMES] for at, _ in events])
    assert data.windows.shape == expected.shape
    np.testing.assert_allclose(data.windows, expected, rtol=1e-6, atol=atol_uv)
    assert [data.contract.classes[k] for k in data.labels] == [f"class {t}" for _, t in events]
    frames, begins = replayed(path, channels, options or {})
    np.testing.assert_allclose(frames, whole, rtol=1e-9, atol=atol_uv)
    lengths = [piece.shape[1] for piece in pieces]
    assert begins == list(itertools.accumulate(lengths, initial=0))[:-1]


def replayed(
    path: Path, channels: Sequence[str], options: Mapping[str, Argument]
) -> tuple[NDArray[np.float64], list[int]]:
    """Frames (n_chans, n) of a replay in µV, and the samples at which it said that it begins anew.

    It is the first sample too.
    """
    replay = Replay(SourceRequest(str(path), options, speed=math.inf))
    names = replay.header.channels
    assert replay.header.unit == "V"
    blocks, begins, n = [], [], 0
    while True:
        try:
            block = replay.read(0.0)
        except EndOfSignal:
            break
        assert block is not None
        if block.restart:
            begins.append(n)
        n += len(block.samples)
        blocks.append(block.samples)
    picked = [names.index(name) for name in channels]
    return np.concatenate(blocks)[:, picked].T * 1e6, begins
