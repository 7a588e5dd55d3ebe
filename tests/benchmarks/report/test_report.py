# SPDX-License-Identifier: BSD-3-Clause
"""`edge report`: what it says, what it leaves out by name, and how Chromium shows it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import statistics
from benchmarks.report import comparisons, document, markdown, sources
from benchmarks.report.comparisons import Comparison
from benchmarks.studies import browser
from benchmarks.studies.browser import Page
from edge import parity
from edge.bundle import read as bundle
from edge.bundle import types as bundle_types
from edge.errors import MissingToolError
from edge.exporting import paired
from edge.spec import Decision, Trial
from quantize import plain as manifest
from tests.conftest import Edge

SENSITIVITY = {
    "n_windows": 96,
    "everything": {"sqnr_db": 30.0, "logit_error": 0.03, "agreement": 0.99},
    "effects": [
        {
            "item": item,
            "kind": "activation",
            "alone": {"sqnr_db": None if error == 0 else 31.0, "logit_error": error,
                      "agreement": 1.0},
            "spared": {"sqnr_db": 32.0, "logit_error": 0.02, "agreement": 1.0},
        }
        for item, error in (("mix", 0.02), ("input", 0.01), ("gate.fc", 0.0))
    ],
}  # fmt: skip
TENSORS = {
    "tensors": [
        {"name": "input", "sqnr_db": 41.0},
        {"name": "mix", "sqnr_db": 33.5},
        {"name": "reshaped", "sqnr_db": None},
        {"name": "head", "sqnr_db": 30.1},
    ]
}


LADDER = {
    "climbs": [
        {
            "data": "made up", "subject": subject, "n_trials": 90,
            "accuracy": {
                "published": {"low": 0.4, "share": 0.5, "high": 0.6},
                "int8": {"low": 0.3, "share": 0.4, "high": 0.5},
            },
            "steps": [
                {
                    "rung": "int8", "p": 0.25,
                    "difference": {"low": -0.2, "value": -0.1, "high": 0.1},
                    "bootstrap": {"low": -0.15, "value": -0.1, "high": 0.05},
                }
            ],
        }
        for subject in ("S001", "S002")
    ]
}  # fmt: skip


def add_file(folder: Path, name: str, value: Any) -> None:
    """A JSON file that the manifest knows."""
    (folder / name).write_text(json.dumps(value))
    document = json.loads((folder / bundle_types.MANIFEST).read_text())
    document["files"][name] = manifest.sha256((folder / name).read_bytes())
    (folder / bundle_types.MANIFEST).write_text(json.dumps(document))


def write_samples(folder: Path, digest: str | None = None) -> None:
    """Latencies beside a bundle, as ``edge bench`` writes them."""
    own = manifest.sha256((folder / bundle_types.MANIFEST).read_bytes())
    head = {
        "schema_version": 1, "bundle": folder.name, "bundle_sha256": digest or own,
        "protocol": {}, "machine": {"cpu": "Test CPU", "cores": "2", "system": "Linux"},
        "devices": {"local": {}},
    }  # fmt: skip
    blocks = [
        {
            "device": "local",
            "round": i,
            "name": name,
            "us": [middle + (7 * i + j) % 5 for j in range(20)],
        }
        for i in range(8)
        for name, middle in (("tflite int8", 100), ("tflite float", 90), ("pytorch float", 4000))
    ]
    lines = "".join(json.dumps(line) + "\n" for line in (head, *blocks))
    (folder.parent / f"{folder.name}.bench.jsonl").write_text(lines)


@pytest.fixture(scope="module")
def whole(eca_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that has everything a report can show."""
    folder = tmp_path_factory.mktemp("whole") / "eca"
    shutil.copytree(eca_bundle, folder)
    add_file(folder, bundle_types.SENSITIVITY, SENSITIVITY)
    add_file(folder, bundle_types.TENSORS, TENSORS)
    write_samples(folder)
    (folder.parent / "ladder.json").write_text(json.dumps(LADDER))
    return folder


@pytest.fixture(scope="module")
def report(edge: Edge, whole: Path) -> Path:
    """Its report, by the command a user types."""
    out = whole.parent / "report.html"
    done = edge("report", whole, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"report: {out} ({out.stat().st_size:,} bytes)\n"
    return out


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Headless Chromium."""
    try:
        browser.find()
    except MissingToolError as error:
        pytest.skip(str(error))
    with browser.chromium() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_chromium(page: Page, report: Path, scheme: str) -> None:
    """No console error, no request, no horizontal scroll at 1280 px, words for every figure."""
    page.open(report, color_scheme=scheme)
    assert page.complaints() == []
    addresses = [a for a in page.requests() if not a.startswith("data:")]
    assert set(addresses) == {report.as_uri()}
    width = "[document.documentElement.scrollWidth, document.body.scrollWidth]"
    assert page.evaluate(width) == [1280, 1280]
    figures = page.evaluate(
        """[...document.querySelectorAll("svg")].map((svg) => [svg.getAttribute("role"),
        ...svg.getAttribute("aria-labelledby").split(" ").map(
          (id) => svg.querySelector(`#${id}`).textContent)])"""
    )
    assert len(figures) == page.evaluate('document.querySelectorAll("figure").length') == 6
    assert all(role == "img" and title and len(words) > 40 for role, title, words in figures)
    ids = page.evaluate('[...document.querySelectorAll("[id]")].map((one) => one.id)')
    assert len(ids) == len(set(ids))
    colours = 'getComputedStyle(document.body)["background-color"]'
    assert (
        page.evaluate(colours) == {"light": "rgb(244, 246, 248)", "dark": "rgb(15, 18, 22)"}[scheme]
    )


def column(page: Page, table: str, index: int) -> list[str]:
    """Words of a table's column, from top to bottom."""
    found: list[str] = page.evaluate(
        f'[...document.querySelectorAll("#table-{table} tbody tr")].map((r) => '
        f"r.cells[{index}].textContent)"
    )
    return found


def test_sorting(page: Page, report: Path) -> None:
    """By a click and by keyboard; numbers by value, what is absent last, and it is announced."""
    page.open(report)
    sizes = [int(text.replace(",", "")) for text in column(page, "files", 4)]
    head = 'document.querySelectorAll("#table-files th")[4]'
    page.evaluate(f"{head}.firstElementChild.click()")
    rising = [int(text.replace(",", "")) for text in column(page, "files", 4)]
    assert rising == sorted(sizes)
    assert rising != sizes
    assert page.evaluate(f'{head}.getAttribute("aria-sort")') == "ascending"
    page.evaluate(f"{head}.firstElementChild.focus()")
    page.press("Enter")
    falling = [int(text.replace(",", "")) for text in column(page, "files", 4)]
    assert falling == sorted(sizes, reverse=True)
    assert page.evaluate(f'{head}.getAttribute("aria-sort")') == "descending"
    page.press("Tab")
    page.press(" ")
    shares = column(page, "files", 5)
    known = [float(text) for text in shares if text]
    assert known == sorted(known)
    assert shares == [text for text in shares if text] + [""] * shares.count("")
    assert page.evaluate('document.querySelectorAll("#table-files th[aria-sort]").length') == 1
    assert page.complaints() == []


def test_print(page: Page, report: Path, tmp_path: Path) -> None:
    """Everything that is folded away is printed, in light colours."""
    page.open(report, color_scheme="dark")
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert page.evaluate('[...document.querySelectorAll("details")].every((one) => one.open)')
    page.show(1280, 1000, media="print")
    ink = 'getComputedStyle(document.documentElement).getPropertyValue("--ink")'
    assert page.evaluate(ink).strip() == "#16191d"
    page.show(703, 1000, media="print")  # A4 less its margins
    assert page.evaluate("document.documentElement.scrollWidth") == 703
    page.show(1280, 900, media="screen")


def test_what_it_says(report: Path, whole: Path) -> None:
    """Answers first; verdicts, intervals, latencies, memory, hashes and commands are there."""
    text = report.read_text()
    made = bundle.read(whole).manifest
    for words in (
        "Simulated data: all of it.", "FULL · ", "MIXED · ", "need ", "Worst subject: sim",
        "Measured on local: Test CPU, 2 cores, Linux.", "Memory map of eca",
        "SQNR per tensor of eca", "published, int8: S001 50.0, 40.0; S002 50.0, 40.0.",
        "-10.0 [-20.0, +10.0]", "Sensitivity of eca", "102 [", "edge verify eca",
        "edge export --mode eca --int8 --out eca",
        manifest.sha256((whole / bundle_types.MANIFEST).read_bytes()), *made.files.values(),
    ):  # fmt: skip
        assert words in text, words
    assert "Not here" not in text
    assert len(text) < 3_000_000 / 12


def test_bytes_are_the_same(edge: Edge, whole: Path, report: Path, tmp_path: Path) -> None:
    """No dates, no randomness."""
    assert edge("report", whole, "-o", tmp_path / "again.html").returncode == 0
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()


def test_markdown_and_csv(edge: Edge, whole: Path, tmp_path: Path) -> None:
    """The same in Markdown; in CSV a row an artifact, a column a variable."""
    assert edge("report", whole, "-o", tmp_path / "r.md").returncode == 0
    text = (tmp_path / "r.md").read_text()
    assert "<svg" not in text
    assert "*Memory map of eca.* Memory plan of the C engine:" in text
    assert "| tflite int8 | " in text
    done = edge("report", whole, "-o", tmp_path / "table", "--format", "csv", "--json")
    assert json.loads(done.stdout)["format"] == "csv"
    rows = list(csv.DictReader((tmp_path / "table").read_text().splitlines()))
    made = bundle.read(whole).manifest
    assert [(r["target"], r["precision"]) for r in rows] == [
        (a.target, str(a.precision)) for a in made.artifacts
    ]
    timed = {f"{r['target']} {r['precision']}": r["latency_median_us"] for r in rows}
    assert (timed["tflite int8"], timed["onnx int8"]) == ("102.0", "")
    assert {r["cpu"] for r in rows if r["latency_median_us"]} == {"Test CPU"}
    for r in rows:
        if r["precision"] == "int8":
            assert float(r["difference_low"]) <= float(r["difference"])
            assert r["not_worse"] in ("yes", "no", "not enough windows")


def test_what_is_missing_is_named(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """Samples of another export are not shown; nothing is invented."""
    folder = tmp_path / "<b>&"
    shutil.copytree(eca_bundle, folder)
    document = json.loads((folder / bundle_types.MANIFEST).read_text())
    if document["files"].pop(bundle_types.SENSITIVITY, None) is not None:
        (folder / bundle_types.SENSITIVITY).unlink()
    (folder / bundle_types.MANIFEST).write_text(json.dumps(document))
    write_samples(folder, digest="0" * 64)
    done = edge("report", folder, "-o", tmp_path / "r.html")
    assert done.returncode == 0
    notes = done.stderr.splitlines()
    assert notes[0] == (
        "not in the report: <b>&.bench.jsonl: it was measured on another export of this bundle; "
        "type: edge bench '<b>&'"
    )
    assert "not in the report: sensitivity of <b>&: " in done.stderr
    text = (tmp_path / "r.html").read_text()
    assert "not measured" in text
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text


def test_wrong_requests(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """One line, its exit code, and nothing written."""
    copy = tmp_path / "copy"
    shutil.copytree(eca_bundle, copy)
    (copy / "golden.npz").unlink()
    out = tmp_path / "r.html"
    nowhere = tmp_path / "no" / "r.html"
    cases: list[tuple[list[Any], int, str]] = [
        ([tmp_path, "-o", out], 2,
         f"{str(tmp_path)!r} is not a bundle. Type 'edge export --int8 --out {tmp_path}' for one."),
        ([eca_bundle, eca_bundle, "-o", out], 2,
         f"{str(eca_bundle)!r} is given more than once. Name every bundle once."),
        ([copy, "-o", out], 3, f"The bundle {str(copy)!r} has lost its file 'golden.npz'."),
        ([eca_bundle, "-o", "r.pdf"], 2,
         "--output 'r.pdf' has none of the suffixes '.html', '.md' and '.csv'. Name such a file, "
         "or add --format."),
        ([eca_bundle, "-o", nowhere], 2,
         f"--output {str(nowhere)!r} cannot be written. Name a file in a folder that exists."),
    ]  # fmt: skip
    for arguments, code, message in cases:
        done = edge("report", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", f"edge: {message}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def compared(subject: str, gained: int, lost: int, n: int = 400, **other: Any) -> Comparison:
    """A comparison of a subject of whose windows float got 300 right."""
    found = paired.Pairs(n, gained, lost)
    both = comparisons.Paired(
        found,
        statistics.bootstrap(found),
        statistics.mcnemar(found),
        paired.non_inferiority(found),
    )
    one = Comparison(
        subject, subject, "eca", "tflite", False, parity.wilson(300, n),
        parity.wilson(300 + gained - lost, n), parity.wilson(n - gained - lost, n), 30.0, both,
    )  # fmt: skip
    return replace(one, **other)


def test_subjects_are_the_unit() -> None:
    """A subject with several bundles counts once; simulated data is pooled apart."""
    found = [compared("B01", 0, 4), compared("B01", 0, 8), compared("B02", 2, 0)]
    pooled, simulated = comparisons.pool([*found, compared("sim", 0, 9, simulated=True)])
    assert pooled.subjects == ("B01", "B02")
    assert pooled.interval.value == pytest.approx((-0.015 + 0.005) / 2)
    assert pooled.worst == found[1]
    assert re.fullmatch(r"not enough subjects(, need [\d,]+)?", pooled.answer)
    assert (simulated.subjects, simulated.answer) == (("sim",), "one subject")


def test_pooled_answers() -> None:
    """Yes and no where the interval of the mean lies on one side of the margin."""
    close = [compared(f"B{i}", 1, i % 2) for i in range(9)]
    assert comparisons.pool(close)[0].answer == "yes"
    far = [compared(f"B{i}", 0, 20 + i % 3) for i in range(9)]
    assert comparisons.pool(far)[0].answer == "no"
    older = [replace(one, paired=None) for one in far]
    assert comparisons.pool(older)[0].answer == "no decisions kept"


def test_recipe_as_it_was_asked_for(eca_bundle: Path) -> None:
    """What the policy left in float is another thing with every subject, and no other recipe."""
    (found,) = sources.read([eca_bundle])
    made = found.opened.manifest
    assert made.recipe is not None
    recipe = replace(made.recipe, observer="min_max", float_parts=("gate",))
    int8, mixed = Trial((), 0, 0.9, 1.0), Trial(("gate",), 9, 1.0, 0.0)
    for trials, kind in (
        ((int8, mixed), "eca (observer min_max)"),
        ((mixed,), "eca (observer min_max, float_parts ('gate',))"),
    ):
        decision = Decision("agreement", trials, ("gate",), met=True)
        opened = replace(found.opened, manifest=replace(made, recipe=recipe, policy=decision))
        assert replace(found, opened=opened).kind == kind


def test_markdown_escapes_bars() -> None:
    """A bar in a cell does not end it; what is absent and what to type are marked."""
    table = document.Table("t", "c.", (document.Column("a"),), (document.row("x|y"),))
    absent = (document.Absent("it", "no", "b1"), document.Absent("it", "no", "b2"))
    blocks = document.gathered((*absent, table, document.Commands(("ls",))))
    made = document.Document("T", "s", "", (), (document.Section("n", "N", blocks),))
    text = markdown.render(made)
    assert "| x\\|y |" in text
    assert "> Not here: it of b1, b2. no." in text
    assert "$ ls" in text


WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from edge.cli import main
main()
"""


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "scipy"])
def test_without_a_package(package: str, eca_bundle: Path, tmp_path: Path) -> None:
    """The line that installs it names the extra of reports."""
    out = tmp_path / "report.html"
    command = [sys.executable, "-c", WITHOUT, package, "report", str(eca_bundle), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        f"edge: This needs '{package}', which is not installed. "
        f"Type: pip install 'eeg-edge[report]'"
    )
    assert done.returncode == 6
    assert not out.exists()
