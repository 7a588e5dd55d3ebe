# SPDX-License-Identifier: BSD-3-Clause
"""From samples in the contract's unit to decisions, through a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.bundle import read as bundle
from edge.bundle import run as runner
from edge.errors import IncompatibleError, UsageError
from edge.stream import streamer as streaming

N_DECISIONS = 4
HOP = 30


@pytest.fixture(scope="module")
def opened(eca_bundle: Path) -> bundle.Bundle:
    """The embedded default."""
    return bundle.read(eca_bundle)


@pytest.fixture(scope="module")
def signal(opened: bundle.Bundle) -> NDArray[np.float32]:
    """Two golden windows one after the other, (n, n_chans), in the contract's unit."""
    x = opened.golden()["x"]
    n = opened.contract().n_times + (N_DECISIONS - 1) * HOP
    return np.ascontiguousarray(np.concatenate([x[0], x[1]], axis=1).T[:n])


@pytest.mark.parametrize("engine", streaming.ENGINES)
def test_engines_decide_what_the_window_decides(
    engine: str, opened: bundle.Bundle, signal: NDArray[np.float32]
) -> None:
    """Frame by frame or in pieces; ``edge run``'s logits on the same windows."""
    stream = streaming.open_stream(opened, engine, HOP)
    n_times = opened.contract().n_times
    found = [d for i in range(0, len(signal), 7) for d in stream.push(signal[i : i + 7])]
    assert [d.sample for d in found] == [n_times - 1 + HOP * i for i in range(N_DECISIONS)]
    windows = np.stack([signal[HOP * i : HOP * i + n_times].T for i in range(N_DECISIONS)])
    name = "float" if engine == "float" else "reference"
    expected = runner.open_runnable(opened, name)(opened.contract().scale(windows))
    logits = np.stack([d.logits for d in found])
    if engine == "float":
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    else:
        np.testing.assert_array_equal(logits, expected)
        assert all(d.stored is not None and d.stored.dtype == np.int16 for d in found)
    stream.reset()
    again = stream.push(signal)
    np.testing.assert_array_equal([d.logits for d in again], logits)


def test_quantized_samples_are_taken_as_they_are(
    opened: bundle.Bundle, signal: NDArray[np.float32]
) -> None:
    """A device's own int8 samples give the same decisions."""
    stream = streaming.open_stream(opened, "reference")
    assert stream.engine.hop == opened.contract().hop
    stored = stream.prepare(signal)
    assert stored.dtype == np.int8
    first = stream.push(signal)
    stream.reset()
    again = stream.push(stored)
    np.testing.assert_array_equal([d.stored for d in first], [d.stored for d in again])


def test_wrong_samples(opened: bundle.Bundle, signal: NDArray[np.float32]) -> None:
    """Shape, values and type, each in one line."""
    stream = streaming.open_stream(opened, "reference")
    with pytest.raises(IncompatibleError) as caught:
        stream.push(signal.T[:, :5])
    assert str(caught.value) == "Samples have shape (22, 5); expected (n, 22)."
    broken = signal.copy()
    broken[3, 2] = np.nan
    with pytest.raises(IncompatibleError) as caught:
        stream.push(broken)
    name = opened.contract().channel_name(2)
    assert str(caught.value) == (
        f"Samples hold nan in channel {name}, sample 3. Interpolate them first, or reset."
    )


def test_wrong_engine(opened: bundle.Bundle) -> None:
    """The names there are."""
    with pytest.raises(UsageError) as caught:
        streaming.open_stream(opened, "fast")
    assert str(caught.value).startswith("Invalid value for 'engine'. Allowed values are ")
