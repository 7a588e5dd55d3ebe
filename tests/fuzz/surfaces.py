# SPDX-License-Identifier: BSD-3-Clause
"""Name every reader of files that the user did not make, with small good files to damage.

Each surface does what a command does with such a file until a model would be loaded. Models of
runtimes are not here: they are parsed in a confined child (:mod:`edge.bundle.apart`).
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import keys, signature
from edge.bundle import read as bundle
from edge.bundle import run as runner
from edge.checkpoint import files as checkpoints
from edge.data import npz, reader
from edge.data.description import Description, Hints
from edge.errors import EdgeError
from edge.signal import contract_file
from edge.stream.frames import EndOfSignal, SourceRequest
from edge.stream.sources import file as replay
from firmware_bridge.emit.generate import generate
from firmware_bridge.project import device
from firmware_bridge.signal import chain, contract_values
from firmware_bridge.stream.generate import generate_stream
from quantize.graph import files as graph_files
from quantize.graph import reference
from tests.fuzz import mutated
from tests.fuzz.judge import ROOT, Files, Surface

KEPT = ROOT / "tests" / "golden" / "bundle-v2"
HOP = 15
"""Samples between decisions of the kept bundle: the stride of its first pool."""
READ_HERE = (".json", ".npz", ".safetensors", ".toml")
"""Files of a bundle that our own readers open."""


def _kept(*suffixes: str) -> Files:
    return {p.name: p.read_bytes() for p in sorted(KEPT.iterdir()) if p.suffix in suffixes}


def bundles() -> Surface:
    """A bundle whose hashes an attacker has made right again."""
    seeds, others = _kept(*READ_HERE), _kept(".pte", ".onnx", ".tflite")
    document = json.loads(seeds["manifest.json"])

    def read(folder: Path, name: str) -> None:
        if name != "manifest.json":
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            files = {**document["files"], name: digest}
            (folder / "manifest.json").write_text(json.dumps({**document, "files": files}))
        opened = bundle.read(folder)
        contract = opened.contract()
        golden = opened.golden()
        opened.decisions()
        reference.run(opened.graph(), contract.scale(golden["x"])[:1])

    return Surface("bundle", seeds, read, others)


def graphs() -> Surface:
    """An integer graph, which is run once and written as C in both forms."""

    def read(folder: Path, _: str) -> None:
        graph = graph_files.load(folder / "qgraph")
        *_, n_times, n_chans = graph[graph.input].shape
        reference.run(graph, np.zeros((1, n_chans, n_times), np.float32))
        generate(graph)
        generate_stream(graph, HOP)

    return Surface("graph", {n: c for n, c in _kept(*READ_HERE).items() if "qgraph" in n}, read)


def graphs_in_c() -> Surface:
    """An integer graph whose C, in both forms, is compiled and run with sanitizers."""

    def read(folder: Path, _: str) -> None:
        mutated.run(graph_files.load(folder / "qgraph"), HOP)

    return Surface("c-graph", graphs().seeds, read)


def contracts() -> Surface:
    """Both forms of a contract; the signal chain is written as C."""
    told = json.loads((KEPT / "contract.json").read_bytes()) | {"uv_per_count": 0.02}
    seeds = {"contract.json": json.dumps(told).encode()}
    seeds["contract.toml"] = (KEPT / "contract.toml").read_bytes()
    seeds["example.toml"] = contract_file.EXAMPLE.encode()

    def read(folder: Path, name: str) -> None:
        if name.endswith(".toml"):
            contract_file.read(folder / name)
        else:
            contract = contract_values.read(folder / name)
            contract.scale(np.zeros((1, 3, 256), np.float32))
            for arithmetic in chain.ARITHMETICS:
                chain.generate(contract, "edge", arithmetic)

    return Surface("contract", seeds, read)


def windows() -> Surface:
    """Windows that were cut elsewhere, as ``--data`` and as ``--input`` take them."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 20, (6, 3, 256)).astype(np.float32), np.array([0, 1, 0, 1, 0, 1])
    said = {"sfreq": 128.0, "unit": "uV", "channels": ["C3", "Cz", "C4"], "classes": ["a", "b"]}
    seeds = {
        "plain.npz": _saved(np.savez, X=x, y=y),
        "described.npz": _saved(np.savez, X=x, y=y, groups=y, **said),
        "input.npy": _saved(np.save, x),
    }
    contract = contract_values.read(KEPT / "contract.json")
    told = contract_file.read(KEPT / "contract.toml")

    def read(folder: Path, name: str) -> None:
        if name.endswith(".npy"):
            runner.read_windows(folder / name, contract, 3)
        else:
            npz.read(folder / name, name, None)
            npz.read(folder / name, name, told)

    return Surface("windows", seeds, read)


def _saved(save: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


def weights_files() -> Surface:
    """Checkpoints: a folder as we write it, and what PyTorch and Lightning write."""
    from safetensors.torch import load

    state = load((KEPT / "model.safetensors").read_bytes())
    config = json.loads((KEPT / "config.json").read_bytes())
    whole = {"state_dict": {f"model.{k}": v for k, v in state.items()}, "hyper_parameters": config}
    own = ("config.json", "model.safetensors", "training.json", "contract.json")
    seeds = {
        **{f"own/{name}": (KEPT / name).read_bytes() for name in own},
        "state/model.pt": _torch(state),
        "legacy/model.pth": _torch(state, _use_new_zipfile_serialization=False),
        "lightning/last.ckpt": _torch(whole),
    }
    beside = {
        f"{one}/config.json": (KEPT / "config.json").read_bytes() for one in ("state", "legacy")
    }

    def read(folder: Path, name: str) -> None:
        path = folder / name
        checkpoints.load(path.parent if name.startswith("own/") else path)

    return Surface("checkpoint", seeds, read, beside)


def _torch(value: Any, **how: Any) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save(value, stream, **how)
    return stream.getvalue()


def recordings() -> Surface:
    """Every format of ours and of MNE's, described and read to its end."""
    return Surface("recordings", _recordings(), _read_recording)


@functools.cache
def _options() -> Mapping[str, Mapping[str, Any]]:
    """What has to be told of a format that does not say it, by the folder of its seeds."""
    from tests.edge.data.formats.test_fuzz import BASES

    with tempfile.TemporaryDirectory() as folder:
        return {_short(name): make(Path(folder))[1] for name, make in BASES.items()}


@functools.cache
def _recordings() -> Files:
    from benchmarks.studies import header_fuzz
    from tests.edge.data.formats.test_fuzz import BASES

    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for base, make in BASES.items():
            path, _ = make(folder)
            found[f"{_short(base)}/{path.name}"] = path.read_bytes()
            path.unlink()
        header_fuzz.write_good(folder)
        for path in sorted(folder.iterdir()):
            found[f"mne-{path.stem}/{path.name}"] = path.read_bytes()
    return found


def _short(name: str) -> str:
    return name.replace(", ", "-")


def _opened(folder: Path, name: str) -> tuple[Path, Hints]:
    """The recording that a file belongs to, and what is told of it."""
    path = folder / name
    if path.suffix in (".vmrk", ".eeg"):
        path = path.with_suffix(".vhdr")
    return path, Hints(options=_options().get(path.parent.name, {}))


def _read_recording(folder: Path, name: str) -> None:
    path, hints = _opened(folder, name)
    recording = reader.open_recording(path, hints)
    if not isinstance(recording, Description):
        return
    for channel in recording.channels[:4]:
        if channel.fault:
            continue
        for piece in recording.pieces:
            start, stop = piece.samples(channel.sfreq)
            recording.read([channel.name], start, min(stop, start + 2**20))


def replays() -> Surface:
    """A captured stream that is played as a source, as fast as it goes."""

    def read(folder: Path, name: str) -> None:
        path, hints = _opened(folder, name)
        source = replay.connect(
            SourceRequest(str(path), arguments=hints.options, unit="uV", speed=float("inf"))
        )
        try:
            for _ in range(200):
                source.read(0.0)
        except EndOfSignal:
            pass
        finally:
            source.close()

    return Surface("replay", _recordings(), read)


def devices() -> Surface:
    """A microcontroller's file."""
    seeds = {path.name: path.read_bytes() for path in sorted(device.FOLDER.glob("*.toml"))[:3]}
    return Surface("device", seeds, lambda folder, name: device.load(str(folder / name)))


def sweeps() -> Surface:
    """A sweep's folder, gone on with; and a recipe."""
    from benchmarks.sweep import claim, plan, results
    from edge.exporting.prepare import Recipe
    from quantize import plain

    def planned(folder: Path) -> plan.Plan:
        recipe = str(folder / "recipe.json")
        return plan.plan(folder / "s", ["eca"], ["B.npz"], [0], [recipe], plan.Settings())

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.json").write_text(plain.to_json(Recipe()))
        made = planned(folder)
        cell = made.cells[0]
        done = plan.Result(cell.mode, cell.data, cell.seed, cell.recipe, "", 1.0, "0")
        document = {"schema_version": plain.SCHEMA_VERSION, **asdict(done)}
        claim.write(made.result(cell), document)
        seeds = {
            str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*.json"))
            if p.is_file()
        }

    def read(folder: Path, _: str) -> None:
        again = planned(folder)
        results.finished(again)
        results.older(again)

    return Surface("sweep", seeds, read)


def signatures() -> Surface:
    """A bundle's signature and the keys that are given for it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        private, public = folder / "k.key", folder / "k.pub"
        keys.generate(private, public, None)
        (folder / "b").mkdir()
        for one in ("manifest.json", "contract.json"):
            (folder / "b" / one).write_bytes((KEPT / one).read_bytes())
        signature.sign(folder / "b", keys.read_private(private, None), "m", 1)
        every = {
            str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        }
    seeds = {n: every.pop(n) for n in ("b/model.sig", "k.key", "k.pub")}

    def read(folder: Path, name: str) -> None:
        if name == "k.key":
            keys.read_private(folder / name, None)
            return
        key = keys.read_public(folder / "k.pub")
        signed = signature.read(folder / "b")
        assert signed is not None
        signature.check_key(signed, key, folder / "b")
        signature.check_files(signed, folder / "b")

    return Surface("signature", seeds, read, every)


SURFACES: Mapping[str, Callable[[], Surface]] = {
    "bundle": bundles,
    "graph": graphs,
    "contract": contracts,
    "windows": windows,
    "checkpoint": weights_files,
    "recordings": recordings,
    "replay": replays,
    "device": devices,
    "sweep": sweeps,
    "signature": signatures,
    "c-graph": graphs_in_c,
}
"""Makers by the name that ``make fuzz SURFACE=`` takes."""


def refuse_bad_seeds(surface: Surface, folder: Path) -> None:
    """Raise where a good file is not read, of which damage would show nothing."""
    for name in surface.seeds:
        try:
            surface.read(folder, name)
        except EdgeError as error:
            raise AssertionError(f"{surface.name}: the good {name} is refused: {error}") from error
