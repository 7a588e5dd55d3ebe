# SPDX-License-Identifier: BSD-3-Clause
"""Write the comparison as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.measure.findings import Result
from benchmarks.studies.peers.measure import RUNTIMES, Measured

Row = Mapping[str, Result]

NAMES: Mapping[str, str] = {
    "c": "C engine",
    "executorch": "ours in ExecuTorch",
    "onnx": "ours in ONNX Runtime",
    "tflite": "ours in LiteRT",
    "pytorch": "PyTorch",
    "torch-compile": "torch.compile",
    "stock-executorch": "stock ExecuTorch",
    "stock-onnx": "stock ONNX Runtime",
    "stock-litert": "litert-torch, ai-edge-quantizer",
}
HEAD = (
    "",
    "µs [95 %]",
    "file KB",
    "resident MB",
    "SQNR dB",
    "agreement %",
    "export s",
    "install MB to run, export",
)


def table(mode: str, measured: Measured) -> str:
    """Write one mode as a table, with the error of what failed."""
    rows: dict[tuple[str, str], dict[str, Result]] = {}
    for result in measured.results:
        rows.setdefault((result.target, result.precision), {})[result.metric] = result
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(_cells(*key, rows[key])) for key in rows]
    lines += [
        _line([_named(*name.split()), why, *[""] * (len(HEAD) - 2)])
        for name, why in measured.failures.items()
    ]
    around = measured.machine
    said = (
        f"{mode}, {measured.date}, {around['cpu']}, {around['cores']} cores, load "
        f"{around['load_average']} before the start; one thread, calls interleaved; "
        f"{measured.n_windows} simulated windows held out. Ours are exported and proven by one "
        f"command, whose time stands in each of their rows."
    )
    return "\n".join([said, "", *lines]) + "\n"


def bars(measured: Mapping[str, Measured]) -> str:
    """Write how many times the fastest of the others takes, by mode and runtime."""
    head = ("mode", *RUNTIMES)
    lines = [_line(head), _line(["---"] * len(head))]
    for mode, found in measured.items():
        ratios = {bar.runtime: _said(f"{bar.ratio:.1f}", bar.met) for bar in found.bars}
        cells = [ratios.get(name, "no other runs") for name in RUNTIMES]
        lines.append(_line([mode, *cells]))
    return "\n".join(lines) + "\n"


def _said(figure: str, met: bool) -> str:
    return figure if met else f"**{figure} MISSED**"


def _cells(target: str, precision: str, row: Row) -> Sequence[str]:
    install = (f"{row[f'install_{to}_bytes'].value / 1e6:,.0f}" for to in ("run", "export"))
    return (
        _named(target, precision),
        _interval(row["latency_median_us"]),
        f"{row['file_bytes'].value / 1e3:.1f}",
        f"{row['resident_bytes'].value / 1e6:.0f}",
        f"{row['sqnr_db'].value:.1f}" if "sqnr_db" in row else "equal",
        f"{100 * row['agreement'].value:.1f}",
        f"{row['export_s'].value:.0f}" if "export_s" in row else "",
        ", ".join(install),
    )


def _named(target: str, precision: str) -> str:
    return f"{NAMES.get(target, target)}, {precision}"


def _interval(result: Result) -> str:
    return f"{result.value:,.0f} [{result.low:,.0f}, {result.high:,.0f}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
