# SPDX-License-Identifier: BSD-3-Clause
"""A pytest plugin that measures which tests are too slow for ``make check``.

``make slow`` runs every test with it. Measured is the processor time of a test with its fixtures
and its child processes, so that other work on the machine does not count. ``tests/slow.txt`` names
the functions of those that take long, and ``.cache/durations.tsv`` what each test took.
"""

from __future__ import annotations

import importlib
import re
import resource
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from tests import forked

SLOW = Path(__file__).with_name("slow.txt")
MEASURED = Path(__file__).parents[1] / ".cache" / "durations.tsv"
LIMIT_S = 0.7
"""Processor time of one test, from which ``make check`` leaves its function out."""
HEAVY = ("torch", "mne", "braindecode.models", "executorch.exir", "torchao")
"""Packages that are imported before, since the first test that needs one would pay for all."""
HEADER = f"""\
# SPDX-License-Identifier: BSD-3-Clause
# Tests that took more than {LIMIT_S} s of processor time; `make slow` wrote it.
"""
COST = "cost"
"""Under this name a worker's report carries what the test took."""


def function_of(nodeid: str) -> str:
    """Return a test's name without its parameters."""
    return re.sub(r"\[.*", "", nodeid, flags=re.DOTALL)


def slow_functions() -> frozenset[str]:
    """Return what the last measurement found."""
    lines = SLOW.read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def text(costs: Iterable[tuple[str, float]]) -> str:
    """Return the list of slow functions, of tests and the processor seconds that each took."""
    slow = {function_of(name) for name, cost_s in costs if cost_s > LIMIT_S}
    return HEADER + "".join(f"{name}\n" for name in sorted(slow))


def processor_s() -> float:
    """Return the processor time that this process, its children and its commands have taken."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both) + forked.Server.processor_s


class Plugin:
    """Measures every test where it runs, and writes the list where all reports arrive."""

    def __init__(self, *, worker: bool) -> None:
        self.worker = worker
        self.costs: dict[str, float] = {}
        self.before = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> None:
        """Look at the clock before a test and its fixtures."""
        self.before = processor_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write what a test has taken up to now into its report."""
        report = yield
        report.user_properties.append((COST, processor_s() - self.before))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the last one, which is that of the end."""
        costs = [value for name, value in report.user_properties if name == COST]
        self.costs[report.nodeid] = max(one for one in costs if isinstance(one, float))

    def pytest_sessionfinish(self) -> None:
        """Write the list and every figure."""
        if self.worker:
            return
        MEASURED.parent.mkdir(exist_ok=True)
        ranked = sorted(self.costs.items(), key=lambda item: -item[1])
        MEASURED.write_text("".join(f"{cost_s:.2f}\t{name!a}\n" for name, cost_s in ranked))
        SLOW.write_text(text(ranked))


def pytest_configure(config: pytest.Config) -> None:
    """Begin to measure."""
    for name in HEAVY:
        importlib.import_module(name)
    config.pluginmanager.register(Plugin(worker=hasattr(config, "workerinput")))
