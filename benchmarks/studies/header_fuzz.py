# SPDX-License-Identifier: BSD-3-Clause
"""Break headers of recordings at random: what is read is what MNE reads, or one line says why not.

    python -m benchmarks.studies.header_fuzz --count 10000 --save

A good file of every format is written, then some fields of its header get values that they should
not have. Each such file is described and read. A fault is anything but MNE's values or a refusal of
one line: a traceback, a message of several lines, other samples, another number of samples. Memory
is limited, so that a header that promises the earth is refused and does not bring the machine down.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.studies import records
from edge.data import reader
from edge.data.description import Description, Samples, Trials
from edge.errors import EdgeError

RESULTS = Path(__file__).parent / "results" / "header_fuzz.json"
MEMORY_BYTES = 3 * 2**30
SFREQ, SECONDS = 100.0, 4.0
NAMES = ("C3", "Cz", "C4")

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]

ODD = (
    *("", "0", "-1", "1", "2", "-0", "nan", "inf", "-inf", "1e9", "1e-9", "99999999", "0,5", "1,5"),
    *(" 12", "12 ", "+3", "0x10", "1_0", "1.", ".5", "abc", "uV", "mV", "V", "\xb5V", "\0", "\n"),
    *("EDF+D", "EDF+C", "BDF+D", "EDF Annotations", "Status", "C3", "INT_32", "UNKNOWN", "-32768"),
)
"""Values that a field should not have, or has elsewhere."""


@dataclass(frozen=True)
class Outcome:
    """What became of the files of one format."""

    format: str
    files: int
    read: int
    refused: int
    faults: tuple[str, ...]


def fuzz(good: Path, mutate: Mutation, count: int, seed: int, folder: Path) -> Outcome:
    """Break a good file ``count`` times and look at what the reader makes of it."""
    content = good.read_bytes()
    suffix = reader.suffix_of(good)
    verdicts = {"read": 0, "refused": 0}
    faults = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        path = folder / good.name
        path.write_bytes(mutate(content, rng))
        verdict = judge(path)
        if verdict in verdicts:
            verdicts[verdict] += 1
        else:
            faults.append(f"{suffix} [{seed}, {i}]: {verdict}")
    path.write_bytes(content)
    return Outcome(suffix, count, **verdicts, faults=tuple(faults))


def judge(path: Path) -> str:
    """``read``, ``refused``, or what is wrong with how a file was taken."""
    try:
        recording = reader.open_recording(path)
        ours = None if isinstance(recording, Trials) else _ours(recording)
    except EdgeError as error:
        return "refused" if _is_one_line(str(error)) else f"not one line: {str(error)!r}"
    except Exception as error:
        return f"{type(error).__name__} escaped: {error}"
    if ours is None:
        return "read"
    assert isinstance(recording, Description)
    return _compared(path, recording, ours)


def _is_one_line(text: str) -> bool:
    return bool(text) and "\n" not in text and len(text) < 1000


def _ours(recording: Description) -> dict[str, list[Samples]]:
    """Every piece of every channel that can be trusted; what was skipped may be vast."""
    fastest = max(channel.sfreq for channel in recording.channels)
    names = [c.name for c in recording.channels if c.sfreq == fastest and not c.fault]
    if not names:
        return {}
    pieces = [recording.read(names, *piece.samples(fastest)) for piece in recording.pieces]
    return {name: [piece[i] for piece in pieces] for i, name in enumerate(names)}


def _compared(path: Path, recording: Description, ours: dict[str, list[Samples]]) -> str:
    """``read`` where MNE has the same samples and names."""
    import mne

    suffix = path.suffix.lower()
    options = {"encoding": "latin-1"} if suffix in (".edf", ".bdf") else {}
    names = [channel.name for channel in recording.channels]
    fastest = max(channel.sfreq for channel in recording.channels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raw = mne.io.read_raw(path, verbose="ERROR", **options)
            if list(raw.ch_names) != names:
                return f"names {names} and MNE's {raw.ch_names}"
            spans = [piece.samples(fastest) for piece in recording.pieces]
            theirs = [raw.get_data(start=a, stop=b, verbose="ERROR") for a, b in spans]
        except Exception as error:
            return f"MNE refuses ({error}) and we do not"
    for name, pieces in ours.items():
        for piece, every in zip(pieces, theirs, strict=True):
            own = every[names.index(name)]
            if own.shape != piece.shape:
                return f"{piece.shape} samples of {name} and MNE has {own.shape}"
            if not np.allclose(own, piece, rtol=1e-9, atol=0, equal_nan=True):
                return f"other samples of {name} than MNE's"
    return "read"


def fields(places: list[tuple[int, int]]) -> Mutation:
    """Break one to three text fields (first byte, width)."""

    def mutate(content: bytes, rng: Rng) -> bytes:
        changed = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            first, width = places[rng.integers(len(places))]
            changed[first : first + width] = _value(rng, width)
        return bytes(changed)

    return mutate


def _value(rng: Rng, width: int) -> bytes:
    """A value for a field: odd, a number, or noise."""
    kind = rng.integers(4)
    if kind < 2:
        text = ODD[rng.integers(len(ODD))].encode("latin-1")
    elif kind == 2:
        text = f"{rng.normal() * 10.0 ** rng.integers(-3, 8):.6g}".encode()
    else:
        text = rng.integers(32, 256, width, dtype=np.uint8).tobytes()
    return text[:width].ljust(width)


def edf_fields(n_signals: int) -> list[tuple[int, int]]:
    """Every field of an EDF header."""
    widths = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
    columns = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    every = [*widths, *(w for w in columns for _ in range(n_signals))]
    edges = np.cumsum([0, *every])
    return [(int(a), w) for a, w in zip(edges, every, strict=False)]


def lines(content: bytes, rng: Rng) -> bytes:
    """Break lines of a text header: their values, or the lines themselves."""
    rows = content.decode("latin-1").split("\n")
    for _ in range(rng.integers(1, 4)):
        i = int(rng.integers(len(rows)))
        kind = rng.integers(5)
        if kind == 0:
            del rows[i : i + 1]
        elif kind == 1:
            rows.insert(i, rows[i] if rows else "")
        else:
            key, equals, value = rows[i].partition("=")
            parts = value.split(",") if equals else [key]
            parts[rng.integers(len(parts))] = ODD[rng.integers(len(ODD))]
            rows[i] = (key + equals if equals else "") + ",".join(parts)
        rows = rows or [""]
    return "\n".join(rows).encode("latin-1")


def numbers(first: int, last: int) -> Mutation:
    """Break numbers of a binary header: words of one to eight bytes at odd places."""
    extremes = (0, 1, 0x7F, 0x80, 0xFF)

    def mutate(content: bytes, rng: Rng) -> bytes:
        changed = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(first, min(last, len(changed))))
            size = int(rng.choice((1, 2, 4, 8)))
            kind = rng.integers(3)
            word = (
                rng.integers(0, 256, size, dtype=np.uint8).tobytes()
                if kind == 0
                else bytes([extremes[rng.integers(len(extremes))]]) * size
                if kind == 1
                else struct_of(rng, size)
            )
            changed[at : at + size] = word[: len(changed) - at]
        if rng.random() < 0.1:
            del changed[int(rng.integers(len(changed))) :]
        return bytes(changed)

    return mutate


def struct_of(rng: Rng, size: int) -> bytes:
    """A small number as an integer or a float of some size."""
    value = float(rng.choice((-1, 0, 1, 2, 100, 1e6, np.nan, np.inf)))
    if size in (4, 8) and rng.random() < 0.5:
        return np.array(value, f"<f{size}").tobytes()
    return int(np.nan_to_num(value, posinf=0x7F, neginf=0)).to_bytes(8, "little", signed=True)[
        :size
    ]


def matlab(content: bytes, rng: Rng) -> bytes:
    """Break fields of EEGLAB's structure, or bytes of the file around it."""
    import io

    from scipy.io import loadmat, savemat

    if rng.random() < 0.3:
        return numbers(0, len(content))(content, rng)
    eeg: dict[str, Any] = loadmat(io.BytesIO(content), simplify_cells=True)
    eeg = {k: v for k, v in eeg.get("EEG", eeg).items() if not k.startswith("__")}
    values: tuple[Any, ...] = (0.0, -1.0, 1.0, 2.0, np.nan, np.inf, 1e9, "x", "", [], 0.5, 400.0)
    for _ in range(rng.integers(1, 3)):
        name = str(rng.choice(sorted(eeg)))
        rows = eeg["event"] if name == "event" and rng.random() < 0.7 else None
        if isinstance(rows, list) and rows:  # it may be broken already
            row = rows[rng.integers(len(rows))]
            row[str(rng.choice(sorted(row)))] = values[rng.integers(len(values))]
        elif rng.random() < 0.2:
            eeg = {k: v for k, v in eeg.items() if k != name} or eeg
        else:
            eeg[name] = values[rng.integers(len(values))]
    stream = io.BytesIO()
    try:
        savemat(stream, {"EEG": eeg}, appendmat=False)
    except (TypeError, ValueError):  # what MATLAB cannot hold is no file
        return numbers(0, len(content))(content, rng)
    return stream.getvalue()


def write_good(folder: Path) -> dict[str, tuple[Path, Mutation]]:
    """Write a good file of every format that MNE can write, and how each is broken."""
    import mne

    rng = np.random.default_rng(0)
    n = round(SFREQ * SECONDS)
    samples: NDArray[np.float64] = rng.normal(0, 1e-5, (len(NAMES), n))
    raw = mne.io.RawArray(samples, mne.create_info(list(NAMES), SFREQ, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([1.0, 2.0, 3.0], 0.0, ["left", "right", "BAD_blink"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for suffix in ("edf", "bdf", "vhdr", "set"):
            limits = {"physical_range": (-5e3, 5e3)} if suffix in ("edf", "bdf") else {}
            mne.export.export_raw(folder / f"a.{suffix}", raw, verbose="error", **limits)
        raw.save(folder / "a_raw.fif", verbose="error")
    signals = len(NAMES) + 1
    size = (folder / "a_raw.fif").stat().st_size
    return {
        "edf": (folder / "a.edf", fields(edf_fields(signals))),
        "bdf": (folder / "a.bdf", fields(edf_fields(signals))),
        "brainvision": (folder / "a.vhdr", lines),
        "brainvision markers": (folder / "a.vmrk", lines),
        "eeglab": (folder / "a.set", matlab),
        "fif": (folder / "a_raw.fif", numbers(0, size)),
    }


def run(name: str, count: int, seed: int, folder: Path) -> Outcome:
    """Fuzz one format."""
    good, mutate = write_good(folder)[name]
    if good.suffix != ".vmrk":
        return replace(fuzz(good, mutate, count, seed, folder), format=name)
    # the markers are broken and the header beside them is read
    header = good.with_suffix(".vhdr")
    content = good.read_bytes()

    def broken(whole: bytes, rng: Rng) -> bytes:
        good.write_bytes(mutate(content, rng))
        return whole

    return replace(fuzz(header, broken, count, seed, folder), format=name)


def saved(document: dict[str, Any]) -> None:
    """Write the outcomes beside the other results; formats that were not run keep theirs."""
    fresh = {outcome["format"]: outcome for outcome in document["outcomes"]}
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else document
    if before["seed"] == document["seed"]:
        fresh = {outcome["format"]: outcome for outcome in before["outcomes"]} | fresh
    records.save(RESULTS, {**document, "outcomes": [fresh[name] for name in sorted(fresh)]})


FORMATS = ("edf", "bdf", "brainvision", "brainvision markers", "eeglab", "fif")


@click.command()
@click.option("--count", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--format", "chosen", type=click.Choice(FORMATS), multiple=True)
@click.option("--save", is_flag=True, help="Write the outcomes beside the other results.")
def main(count: int, seed: int, chosen: tuple[str, ...], save: bool) -> None:
    """Fuzz every format's header; outcomes as JSON, exit status 1 where there is a fault."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        outcomes = [run(name, count, seed, Path(folder)) for name in chosen or FORMATS]
    document = {
        "seed": seed,
        "outcomes": [asdict(o) for o in outcomes],
    }
    click.echo(records.text(document))
    if save:
        saved(document)
    sys.exit(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    main()
