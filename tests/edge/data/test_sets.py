# SPDX-License-Identifier: BSD-3-Clause
"""Splits, calibration windows, .npz files and the simulator."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.data import dataset, sim, source
from edge.data.dataset import Dataset
from edge.errors import EdgeError, IncompatibleError, UsageError
from edge.signal import contract_file
from quantize.recipe import MAX_WINDOWS


def write_npz(path: Path, n: int = 120, **arrays: Any) -> Path:
    """Windows of two classes in four sessions."""
    rng = np.random.default_rng(0)
    content: dict[str, Any] = {
        "X": rng.standard_normal((n, 3, 40)).astype(np.float32),
        "y": np.arange(n) % 2,
        "session": np.repeat([1, 2, 3, 4], n // 4),
    }
    content |= arrays
    np.savez(path, **{k: v for k, v in content.items() if v is not None})
    return path


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """A plain file of windows."""
    return write_npz(tmp_path / "w.npz")


def test_npz_without_particulars(npz: Path) -> None:
    """What the file does not say is unknown."""
    data = source.read(str(npz))
    contract = data.contract
    assert data.windows.shape == (120, 3, 40)
    assert (contract.channels, contract.sfreq) == (None, None)
    assert (contract.unit, contract.reference) == ("unknown", "unknown")
    assert contract.filter.kind == "unknown"
    assert contract.classes == ("0", "1")
    assert data.group_names() == ("1", "2", "3", "4")


def test_npz_with_particulars(tmp_path: Path) -> None:
    """Names, rate and unit are taken over."""
    path = write_npz(
        tmp_path / "w.npz",
        ch_names=["C3", "Cz", "C4"],
        sfreq=250.0,
        unit="uV",
        y=np.array(["left", "right"] * 60),
    )
    contract = source.read(str(path)).contract
    assert contract.channels == ("C3", "Cz", "C4")
    assert (contract.sfreq, contract.unit) == (250.0, "uV")
    assert contract.classes == ("left", "right")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": None}, "has no array y; it has X, session."),
        ({"X": np.zeros((120, 3))}, "holds X of shape (120, 3) and y of shape (120,); expected"),
        ({"y": np.zeros(120)}, "holds no other class than '0.0' in y; two are needed to decode."),
        ({"ch_names": ["C3"]}, "names 1 channels and X has 3."),
    ],
)
def test_npz_that_is_wrong(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """What it holds and what was expected."""
    path = write_npz(tmp_path / "w.npz", **arrays)
    with pytest.raises(UsageError) as error:
        source.read(str(path))
    assert str(error.value).startswith(f"{str(path)!r} {message}")


ORDERS: dict[str, tuple[dict[str, Any], tuple[str, ...], list[int]]] = {
    "the file's list": (
        {"y": ["a", "b", "c"] * 40, "classes": ["c", "a", "b"]},
        ("c", "a", "b"),
        [1, 2, 0],
    ),
    "numbers": ({"y": [2, 0, 1] * 40, "classes": ["c", "a", "b"]}, ("c", "a", "b"), [2, 0, 1]),
    "without a list": ({"y": ["b", "a", "c"] * 40}, ("a", "b", "c"), [1, 0, 2]),
    "numbers alone": ({"y": [7, 3, 5] * 40}, ("3", "5", "7"), [2, 0, 1]),
    "truth values": ({"y": [True, False] * 60, "classes": ["no", "yes"]}, ("no", "yes"), [1, 0, 1]),
}


@pytest.mark.parametrize("what", ORDERS)
def test_npz_order_of_classes(tmp_path: Path, what: str) -> None:
    """Names follow the file's list, and a window keeps the name that it was given."""
    arrays, classes, first = ORDERS[what]
    data = source.read(str(write_npz(tmp_path / "w.npz", **arrays)))
    assert data.contract.classes == classes
    assert data.labels[:3].tolist() == first


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is not listed": (
        {"y": ["left", "feet"] * 60, "classes": ["left", "right"]},
        "holds 'feet' in y, and its classes are 'left' and 'right'. Correct one of them.",
    ),
    "numbers from one": (
        {"y": [1, 2] * 60, "classes": ["left", "right"]},
        "holds '2' in y, and its classes are 'left' and 'right': numbers in y count these from 0. "
        "Renumber y, or store names in it.",
    ),
    "a name twice": (
        {"y": [0, 1] * 60, "classes": ["left", "left"]},
        "names a class twice: 'left' and 'left'.",
    ),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_npz_classes_that_contradict(tmp_path: Path, what: str) -> None:
    """A list that has no place for a label is refused with both."""
    arrays, message = CONTRADICTIONS[what]
    path = write_npz(tmp_path / "w.npz", **arrays)
    with pytest.raises(UsageError) as error:
        source.read(str(path))
    assert str(error.value) == f"{str(path)!r} {message}"


def test_npz_class_without_a_window(tmp_path: Path) -> None:
    """Every class of the list needs one."""
    path = write_npz(tmp_path / "w.npz", y=["a", "b"] * 60, classes=["b", "c", "a"])
    with pytest.raises(IncompatibleError, match=r"has no window of class 'c'"):
        source.read(str(path))


@pytest.mark.parametrize(("factor", "likely"), [(1e-6, "'V'"), (1e-3, None)])
def test_npz_in_another_unit(tmp_path: Path, factor: float, likely: str | None) -> None:
    """Volts that call themselves microvolts are refused; without a unit they are taken."""
    x = np.random.default_rng(0).normal(0, 10, (120, 3, 40)) * factor
    path = write_npz(tmp_path / "w.npz", X=x, unit="uV")
    with pytest.raises(IncompatibleError) as error:
        source.read(str(path))
    if likely:
        assert str(error.value).endswith(
            f"EEG deviates by 0.1 to 3,000 uV. Write unit={likely}, in the file or the contract."
        )
    assert source.read(str(write_npz(tmp_path / "v.npz", X=x))).contract.unit == "unknown"


def test_npz_with_a_hole(tmp_path: Path) -> None:
    """Where the sample is that is not finite."""
    x = np.ones((120, 3, 40))
    x[7, 2, 30] = np.nan
    path = write_npz(tmp_path / "w.npz", X=x)
    with pytest.raises(IncompatibleError, match="holds nan in window 7, channel 2, sample 30"):
        source.read(str(path))


def test_npz_that_is_none(tmp_path: Path) -> None:
    """A text file, and a file of Python objects, are refused."""
    (tmp_path / "a.npz").write_text("hello")
    np.savez(tmp_path / "b.npz", X=np.array([{}]), y=np.zeros(1))
    for name, why in (("a", "is not an .npz file, or is cut off."), ("b", "not an array of plain")):
        with pytest.raises(UsageError, match=re.escape(why)):
            source.read(str(tmp_path / f"{name}.npz"))


def test_npz_against_the_contract(tmp_path: Path) -> None:
    """A rate that contradicts the contract is refused with both values."""
    path = write_npz(tmp_path / "w.npz", sfreq=250.0)
    file = contract_file.parse(contract_file.EXAMPLE, "c.toml")
    with pytest.raises(IncompatibleError) as error:
        source.read(str(path), file)
    assert str(error.value) == (
        "w.npz has sfreq 250.0 and the contract says 160.0. Correct the contract."
    )


def test_last_third_of_the_sessions_is_held_out(npz: Path) -> None:
    """Whole sessions, and none on both sides."""
    parts = dataset.split(source.read(str(npz)))
    assert set(parts.train.groups) == {"1", "2"}
    assert set(parts.test.groups) == {"3", "4"}
    assert parts.rule == "last third of the groups (3, 4) held out"


def test_held_out_as_asked(npz: Path) -> None:
    """Patterns name the groups."""
    parts = dataset.split(source.read(str(npz)), ["1", "[2]"])
    assert set(parts.test.groups) == {"1", "2"}
    with pytest.raises(UsageError) as error:
        dataset.split(source.read(str(npz)), ["9"])
    assert str(error.value) == (f"Cannot hold out '9': {npz} has the groups '1', '2', '3' and '4'.")


def test_nothing_left_to_train_on(npz: Path) -> None:
    """Holding out everything is refused."""
    with pytest.raises(UsageError, match="leaves nothing to train on"):
        dataset.split(source.read(str(npz)), ["*"])


def test_a_class_in_one_part_only(tmp_path: Path) -> None:
    """The part that lacks it is named."""
    y = np.arange(120) % 2
    y[60:] = 0
    path = write_npz(tmp_path / "w.npz", y=y)
    with pytest.raises(
        IncompatibleError, match=r"^The held-out part of .* has no window of class '1'"
    ):
        dataset.split(source.read(str(path)))


def test_single_session_is_split_in_time(tmp_path: Path) -> None:
    """The last quarter, so that no window of the future is trained on."""
    data = source.read(str(write_npz(tmp_path / "w.npz", session=None)))
    parts = dataset.split(data)
    np.testing.assert_array_equal(parts.train.windows, data.windows[:90])
    np.testing.assert_array_equal(parts.test.windows, data.windows[90:])


def part(n: int, **settings: Any) -> Dataset:
    """A training part of ``n`` windows without recordings."""
    x = np.arange(n, dtype=np.float32)[:, None, None] * np.ones((1, 2, 5), np.float32)
    contract = dataclasses.replace(sim.DEFAULT.contract(), n_times=5, classes=("a", "b"))
    return Dataset("x.npz", False, contract, x, np.arange(n) % 2, np.full(n, "1"), **settings)


def test_calibration_takes_windows_evenly() -> None:
    """At most MAX_WINDOWS, first and last among them."""
    chosen = dataset.calibration_windows(part(1000))[:, 0, 0]
    assert len(chosen) == MAX_WINDOWS
    assert (chosen[0], chosen[-1]) == (0, 999)
    assert (np.diff(chosen) > 0).all()


def test_few_calibration_windows_are_warned_about() -> None:
    """From 48 to 99 with a warning, below not at all."""
    notes: list[str] = []
    assert len(dataset.calibration_windows(part(48), notes.append)) == 48
    assert notes == [
        "warning: 48 calibration windows; below 100 the int8 ranges depend on which windows they "
        "are"
    ]
    with pytest.raises(IncompatibleError) as error:
        dataset.calibration_windows(part(47))
    assert str(error.value) == (
        "x.npz gives 47 calibration windows in its training part; at least 48 are needed and 100 "
        "are safe. Add recordings, or hold out fewer groups."
    )


def test_sliding_windows_fill_up() -> None:
    """Where events are few and the recording is known, the rest of the signal calibrates too."""
    from edge.data.dataset import Recording

    signal = np.arange(1000, dtype=np.float32)[None] * np.ones((2, 1), np.float32)
    recording = Recording("1", signal, np.array([3, 10]), np.array([0, 1]))
    filled = dataset.calibration_windows(part(60, recordings=(recording,)))
    assert len(filled) == 200
    starts = filled[60:, 0, 0]
    np.testing.assert_array_equal(filled[60:, 0] - starts[:, None], np.tile(np.arange(5), (140, 1)))
    assert starts.min() == 0
    assert starts.max() > 990


@pytest.fixture(scope="module")
def simulated() -> Dataset:
    """The default simulation."""
    return source.read("sim")


def test_simulation_has_all_classes(simulated: Dataset) -> None:
    """Three sessions of 240 windows, as many of each class, marked as simulated."""
    assert simulated.simulated
    assert simulated.windows.shape == (720, 22, 1000)
    assert simulated.contract.classes == ("left hand", "right hand", "feet", "tongue")
    assert np.bincount(simulated.labels).tolist() == [180] * 4
    assert simulated.group_names() == ("session1", "session2", "session3")


def test_simulation_is_seeded(simulated: Dataset) -> None:
    """The same seed gives the same signal; another gives another."""
    again, other = sim.read("sim", 0), sim.read("sim:1", 1)
    np.testing.assert_array_equal(simulated.windows, again.windows)
    assert np.abs(simulated.windows - other.windows).max() > 1


def test_hands_desynchronize_the_other_side(simulated: Dataset) -> None:
    """Left hand: less mu over C4 than over C3, and the other way round."""
    names = simulated.contract.channels
    assert names is not None
    spectrum = np.abs(np.fft.rfft(simulated.windows[:, :, 250:], axis=2)) ** 2
    frequencies = np.fft.rfftfreq(750, 1 / 250)
    mu = spectrum[:, :, (frequencies > 9) & (frequencies < 13)].mean(2)
    ratio = np.log(mu[:, names.index("C4")] / mu[:, names.index("C3")])
    left, right = (np.median(ratio[simulated.labels == k]) for k in (0, 1))
    assert left < right - 0.5


def test_any_montage_can_be_simulated() -> None:
    """Electrodes of the 10-10 system, and no others."""
    text = contract_file.EXAMPLE
    file = contract_file.parse(text, "c.toml")
    small = dataclasses.replace(
        file, signal=dataclasses.replace(file.signal, channels=("Oz", "T7"))
    )
    assert sim.read("sim", 0, small).windows.shape[1:] == (2, 640)
    wrong = dataclasses.replace(file, signal=dataclasses.replace(file.signal, channels=("Q1",)))
    with pytest.raises(IncompatibleError) as error:
        sim.read("sim", 0, wrong)
    assert str(error.value) == "Cannot simulate channel 'Q1': not an electrode of the 10-10 system."


def test_bad_seed() -> None:
    """What to type."""
    with pytest.raises(EdgeError) as error:
        source.read("sim:x")
    assert str(error.value) == "Invalid seed in --data 'sim:x': type e.g. 'sim:3'."
