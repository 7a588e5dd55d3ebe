# SPDX-License-Identifier: BSD-3-Clause
"""Time, energy and battery life: by hand, against MLPerf Tiny, and where a figure is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import IncompatibleError
from firmware_bridge.project import device, power
from firmware_bridge.project.power import Beside, Power
from tests.firmware_bridge.project.test_device import GOOD

KNOWN = Power(clock_hz=64e6, supply_v=3.0, run_ua_per_mhz=50.0, sleep_ua=3.0)
TABLE = """
[power]
clock_hz = 64_000_000
sleep_ua = "unknown"

[power.sources]
clock_hz = "data sheet, page 1"
"""


def test_by_hand() -> None:
    """64,000 cycles at 64 MHz every 10 ms: 1 ms, a tenth of the time, 9.6 µJ, 100 mAh."""
    found = power.spent(KNOWN, 64_000, 0.010, Beside(afe_ma=1.5, radio_ma=2.0, battery_mah=100))
    assert found.milliseconds == pytest.approx(1.0)
    assert found.duty == pytest.approx(0.1)
    assert found.microjoules == pytest.approx(64_000 * 150e-6)
    assert found.shares_ua == pytest.approx(
        {"decoding": 320.0, "sleep": 2.7, "AFE": 1500.0, "radio": 2000.0}
    )
    assert found.hours == pytest.approx(100_000 / 3822.7)
    assert power.headline(found) == (
        "radio takes 52 % of 3.82 mA on average (AFE 39 %, decoding 8 %, sleep 0 %)"
    )


@pytest.mark.parametrize(
    ("clock_mhz", "inferences_a_second", "microjoules", "pj"),
    [(120, 23.03, 1430, 274), (160, 34.49, 664, 143), (96, 20.70, 245, 53)],
)
def test_against_mlperf_tiny(
    clock_mhz: float, inferences_a_second: float, microjoules: float, pj: float
) -> None:
    """Keyword spotting of v1.3 on STM32L4R5, U575 and U385: the published energies, in µJ."""
    cycles = 1e6 * clock_mhz / inferences_a_second
    found = power.spent(Power(clock_hz=1e6 * clock_mhz, pj_per_cycle=pj), cycles, None, Beside())
    assert found.milliseconds == pytest.approx(1000 / inferences_a_second)
    assert found.microjoules == pytest.approx(microjoules, rel=0.01)


def test_the_board_of_mlperf() -> None:
    """The file of the STM32L4R5 carries that energy, and no current that nobody published."""
    known = device.load("stm32l4r5").power
    assert known is not None
    assert (known.energy_pj, known.run_ua) == (274, None)
    assert power.missing(known, "stm32l4r5").startswith(
        "The table [power] of stm32l4r5 calls supply_v and sleep_ua unknown, so there is no "
        "average current and battery life."
    )


@pytest.mark.parametrize(
    ("known", "gone"),
    [
        (Power(), ("milliseconds", "duty", "microjoules", "shares_ua", "hours")),
        (Power(clock_hz=64e6), ("microjoules", "shares_ua", "hours")),
        (Power(clock_hz=64e6, run_ua_per_mhz=50.0), ("microjoules", "shares_ua", "hours")),
        (Power(clock_hz=64e6, supply_v=3.0, run_ua_per_mhz=50.0), ("shares_ua", "hours")),
        (KNOWN, ()),
    ],
)
def test_nothing_is_guessed(known: Power, gone: tuple[str, ...]) -> None:
    """What depends on an unknown figure is missing, and a sentence says which figure."""
    found = power.spent(known, 1e5, 0.06, Beside(battery_mah=100))
    names = ("milliseconds", "duty", "microjoules", "shares_ua", "hours")
    assert tuple(name for name in names if getattr(found, name) is None) == gone
    assert bool(power.missing(known, "x")) == bool(gone)


def test_too_slow_is_no_battery_life() -> None:
    """A processor that does not keep up has a duty above 1, and no average current."""
    found = power.spent(KNOWN, 1e9, 0.06, Beside(battery_mah=100))
    assert found.duty == pytest.approx(1e9 / 64e6 / 0.06)
    assert (found.shares_ua, found.hours, power.headline(found)) == (None, None, "")


def test_devices_say_where_a_figure_is_from() -> None:
    """Our own files hold no figure without its document."""
    for name in device.names():
        known = device.load(name).power
        if known is not None:
            assert known.complaint() == ""
            assert all(len(source) > 20 for source in (known.sources or {}).values())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("", ""), ""),
        (("64_000_000", "0"), "power.clock_hz: got 0, which has to be more than 0."),
        (
            ('"unknown"', "3"),
            "power.sources.sleep_ua is missing: say where sleep_ua was read.",
        ),
        (("sleep_ua", "slep_ua"), "power.slep_ua is not known."),
    ],
)
def test_a_file(change: tuple[str, str], complaint: str, tmp_path: Path) -> None:
    """A wrong table is refused by the name of the figure."""
    path = tmp_path / "board.toml"
    path.write_text(GOOD + TABLE.replace(*change, 1))
    if not complaint:
        assert device.load("board", tmp_path).power == Power(
            clock_hz=64e6, sources={"clock_hz": "data sheet, page 1"}
        )
        return
    with pytest.raises(IncompatibleError) as caught:
        device.load("board", tmp_path)
    assert str(caught.value) == f"{path}: {complaint}"
