# SPDX-License-Identifier: BSD-3-Clause
"""Tamper with a signed bundle in 500 ways; each has to be refused in one line that names the file.

    python -m benchmarks.studies.tampering --count 500 --seed 0 --save

First everything there is one of: every field of ``model.sig`` and of the statement in it, changed
and taken away; every field of the manifest, changed; every file exchanged for a link, a pipe or a
folder; properly signed bundles that are older, or another's. Then random ways of seven kinds (bits,
bytes of every class, ends, exchanged files and so on), until there are enough. Each way is tried on
what opens a bundle (:func:`edge.bundle.trust.judge`, with the key trusted) and on ``edge verify
--pub`` (:func:`edge.bundle.trust.require`).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from benchmarks.studies import records
from edge.bundle import keys, signature, trust
from edge.bundle.types import MANIFEST, SIGNATURE
from edge.errors import EdgeError

RESULTS = Path(__file__).parent / "results" / "tampering.json"
AT_RANDOM = 140
"""Random ways at least: twenty of every kind."""
VERSION = 3
"""Of the signed bundle; so high that there are older ones."""
HINT = ("verificationMaterial", "publicKey", "hint")
"""The one field that is not proved: who is said to have signed. Another name there makes the bundle
one of an unknown key, as taking the signature away would; ``verify --pub`` refuses it."""

Rng = np.random.Generator
Way = Callable[[Path], str]


def ways(rng: Rng, count: int) -> Iterator[tuple[str, Way]]:
    """So many random ways, of every kind in turn; each returns what its refusal has to name."""
    kinds: tuple[Callable[[Rng, Path], str], ...] = (
        flip_bit,
        insert_bytes,
        cut_off,
        swap_files,
        remove_file,
        add_file,
        signature_bytes,
    )
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind.__name__, _bound(kind, rng)


def _bound(kind: Callable[[Rng, Path], str], rng: Rng) -> Way:
    return lambda folder: kind(rng, folder)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SIGNATURE)


def _any(rng: Rng, folder: Path) -> Path:
    files = _files(folder)
    return files[int(rng.integers(len(files)))]


def flip_bit(rng: Rng, folder: Path) -> str:
    """One bit of any file."""
    path = _any(rng, folder)
    data = bytearray(path.read_bytes())
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return path.name


def insert_bytes(rng: Rng, folder: Path) -> str:
    """Bytes of one class, somewhere in a file: zeros, text, white space, high ones."""
    path = _any(rng, folder)
    data = bytearray(path.read_bytes())
    classes = (b"\x00", b"A", b" ", b"\n", b"\xff", b"\x80")
    at = int(rng.integers(len(data) + 1))
    data[at:at] = classes[int(rng.integers(len(classes)))] * int(rng.integers(1, 9))
    path.write_bytes(data)
    return path.name


def cut_off(rng: Rng, folder: Path) -> str:
    """The end of a file."""
    path = _any(rng, folder)
    data = path.read_bytes()
    path.write_bytes(data[: int(rng.integers(len(data)))])
    return path.name


def swap_files(rng: Rng, folder: Path) -> str:
    """Two signed files take each other's place."""
    files = _files(folder)
    first = files[int(rng.integers(len(files)))]
    others = [file for file in files if file.read_bytes() != first.read_bytes()]
    second = others[int(rng.integers(len(others)))]
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    return min(first, second, key=lambda path: str(path.relative_to(folder))).name


def remove_file(rng: Rng, folder: Path) -> str:
    """A file is gone."""
    path = _any(rng, folder)
    path.unlink()
    return path.name


def add_file(rng: Rng, folder: Path) -> str:
    """A file is new."""
    name = f"new-{int(rng.integers(1000))}.so"
    (folder / ("c" if rng.integers(2) else ".") / name).write_bytes(b"")
    return name


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a document are that hold no others."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(part, dict | list) and part:
            yield from leaves(part, (*path, key))
        else:
            yield (*path, key)


def change(document: Any, path: tuple[Any, ...], drop: bool) -> None:
    """Another value of the same kind in one field, or none."""
    *way, last = path
    place = document
    for key in way:
        place = place[key]
    old = place[last]
    if drop:
        del place[last]
    elif isinstance(old, str):
        place[last] = old[:-1] + ("b" if old[-1:] == "a" else "a")
    elif isinstance(old, bool):
        place[last] = not old
    elif isinstance(old, int | float):
        place[last] = old + 1
    else:
        place[last] = "x"


def statement_of(document: Any) -> Any:
    """What is signed, as it stands in ``model.sig``."""
    return json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))


def _put(document: Any, statement: Any) -> None:
    payload = json.dumps(statement, sort_keys=True).encode()
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()


def _field_of(name: str, path: tuple[Any, ...], drop: bool) -> Way:
    """A field of a JSON file of the bundle."""

    def way(folder: Path) -> str:
        document = json.loads((folder / name).read_text())
        change(document, path, drop)
        (folder / name).write_text(json.dumps(document))
        return name

    return way


def _field_of_statement(path: tuple[Any, ...], drop: bool) -> Way:
    """A field of what is signed; the signature stays.

    A hash in it makes a file wrong and a name one that is lost, which is what is named then.
    """

    def way(folder: Path) -> str:
        document = json.loads((folder / SIGNATURE).read_text())
        statement = statement_of(document)
        change(statement, path, drop)
        _put(document, statement)
        (folder / SIGNATURE).write_text(json.dumps(document))
        return ""

    return way


def every_field(folder: Path) -> Iterator[tuple[str, Way]]:
    """Each field of signature and statement, another value and none; the manifest's, another."""
    document = json.loads((folder / SIGNATURE).read_text())
    for drop in (False, True):
        word = "without" if drop else "another"
        for path in leaves(document):
            if path != HINT and not (drop and path[-1] == "keyid"):  # empty, as good as gone
                yield f"{word} field of the signature", _field_of(SIGNATURE, path, drop)
        for path in leaves(statement_of(document)):
            yield f"{word} field of the statement", _field_of_statement(path, drop)
    for path in leaves(json.loads((folder / MANIFEST).read_text())):
        yield "another field of the manifest", _field_of(MANIFEST, path, drop=False)


def every_file(folder: Path) -> Iterator[tuple[str, Way]]:
    """Each file exchanged for something that is none."""
    for path in _files(folder):
        name = path.relative_to(folder)
        for kind in (link, pipe, directory):
            yield f"a {kind.__name__} in the place of a file", _of_file(kind, name)


def _of_file(kind: Callable[[Path, Path], None], name: Path) -> Way:
    def way(folder: Path) -> str:
        kind(folder / name, folder.parent)
        return name.name

    return way


def link(path: Path, outside: Path) -> None:
    """A link to the very same bytes elsewhere."""
    path.replace(outside / "elsewhere")
    path.symlink_to(outside / "elsewhere")


def pipe(path: Path, _: Path) -> None:
    """A FIFO, on which whoever opens it carelessly waits for ever."""
    path.unlink()
    os.mkfifo(path)


def directory(path: Path, _: Path) -> None:
    """A folder with a file in it."""
    path.unlink()
    path.mkdir()
    (path / "x").write_bytes(b"")


def signature_bytes(rng: Rng, folder: Path) -> str:
    """Bytes of the signature itself."""
    path = folder / "model.sig"
    document = json.loads(path.read_text())
    entry = document["dsseEnvelope"]["signatures"][0]
    data = bytearray(base64.b64decode(entry["sig"]))
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    entry["sig"] = base64.b64encode(data).decode()
    path.write_text(json.dumps(document))
    return "model.sig"


def every_author(private: Path, other: Path) -> Iterator[tuple[str, Way]]:
    """Signatures that are right by themselves: of an older version, and of other files."""
    key = keys.read_private(private, None)

    def older(folder: Path) -> str:
        signature.sign(folder, key, "model", VERSION - 1)
        return f"version {VERSION - 1}"

    def of_another(folder: Path) -> str:
        shutil.copyfile(other / SIGNATURE, folder / SIGNATURE)
        return MANIFEST

    def with_files(folder: Path) -> str:
        shutil.rmtree(folder)
        shutil.copytree(other, folder)
        return f"version {VERSION - 2}"

    yield "replay of an older version", older
    yield "signature of another bundle", of_another
    yield "replay of an older bundle", with_files


def strangers(stranger: Path) -> Iterator[tuple[str, Way]]:
    """Bundles whose signature says that somebody else made them."""
    key = keys.read_private(stranger, None)

    def hint(folder: Path) -> str:
        document = json.loads((folder / SIGNATURE).read_text())
        document[HINT[0]][HINT[1]][HINT[2]] = "0" * 64
        (folder / SIGNATURE).write_text(json.dumps(document))
        return "signed by the key"

    def signed(folder: Path) -> str:
        signature.sign(folder, key, "model", VERSION)
        return "signed by the key"

    def none(folder: Path) -> str:
        (folder / SIGNATURE).unlink()
        return "is not signed"

    yield "another name of the key", hint
    yield "signed by another key", signed
    yield "no signature", none


def complaints(folder: Path, named: str, public: Path, *, stranger: bool) -> Iterator[str]:
    """What is wrong with how a bundle was refused, when it is opened and when it is verified."""
    there = {SIGNATURE, *(path.name for path in _files(folder)), "lost its file"}
    ways_in: dict[str, Callable[[], Any]] = {
        "verify --pub": lambda: trust.require(folder, public),
        "opening": lambda: trust.judge(folder),
    }
    for name, enter in ways_in.items():
        try:
            found = enter()
        except EdgeError as error:
            text = str(error)
            if "\n" in text:
                yield f"{name}: more than one line: {text}"
            if not (named in text if named else any(one in text for one in there)):
                yield f"{name}: does not name {named or 'a file'}: {text}"
        except Exception as error:  # the study goes on
            yield f"{name}: {type(error).__name__}: {error}"
        else:
            if not stranger or name != "opening" or found is trust.Standing.TRUSTED:
                yield f"{name}: was not refused"


def tried(kind: str, way: Way, signed: Path, public: Path, *, stranger: bool = False) -> list[str]:
    """Tamper with a copy; what is wrong with what happens then."""
    with TemporaryDirectory(dir=signed.parent) as place:
        copy = Path(shutil.copytree(signed, Path(place) / "b", symlinks=True))
        named = way(copy)
        return [f"{kind}: {one}" for one in complaints(copy, named, public, stranger=stranger)]


def bundle(folder: Path) -> Path:
    """A small bundle with a folder in it, exported anew."""
    command = ["export", "--mode", "none", "--int8", "--targets", "c", "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "edge", *command], check=True, stderr=subprocess.DEVNULL)
    return folder


def prepare(place: Path, made: Path) -> tuple[Path, Path]:
    """Two keys, a signed bundle that was seen, and an older one; which files are signed and whose.

    Returns
    -------
    tuple of Path
        The signed bundle, and the older one.
    """
    for name in ("k", "stranger"):
        keys.generate(place / f"{name}.key", place / f"{name}.pub", None)
    key = keys.read_private(place / "k.key", None)
    signed, older = (Path(shutil.copytree(made, place / name)) for name in ("signed", "older"))
    manifest = older / MANIFEST
    manifest.write_text(manifest.read_text() + "\n")
    signature.sign(older, key, "model", VERSION - 2)
    signature.sign(signed, key, "model", VERSION)
    trust.add(place / "k.pub")
    if trust.judge(signed) is not trust.Standing.TRUSTED:
        raise RuntimeError("the bundle is not trusted before anybody tampers with it")
    return signed, older


@click.command()
@click.option("--count", default=500, show_default=True, help="Ways, at least.")
@click.option("--seed", default=0, show_default=True)
@click.option("--save/--no-save", default=False, help=f"Write {RESULTS.name}.")
def main(count: int, seed: int, save: bool) -> None:
    """Tamper; exit 1 where a way was not refused, or not by name."""
    done: Counter[str] = Counter()
    wrong: list[str] = []
    with TemporaryDirectory(prefix="edge-tampering-") as name:
        place = Path(name)
        os.environ["EDGE_TRUST"] = str(place / "trust")
        signed, older = prepare(place, bundle(place / "made"))
        single = [*every_field(signed), *every_file(signed)]
        single += every_author(place / "k.key", older)
        foreign = [*strangers(place / "stranger.key")]
        more = max(AT_RANDOM, count - len(single) - len(foreign))
        random = ways(np.random.default_rng(seed), more)
        for known, group in ((False, single), (True, foreign), (False, random)):
            for kind, way in group:
                done[kind] += 1
                wrong += tried(kind, way, signed, place / "k.pub", stranger=known)
    for one in wrong:
        click.echo(one)
    click.echo(f"{done.total()} ways, {len(wrong)} complaints (seed {seed})")
    if save:
        ways_done = [{"kind": kind, "ways": number} for kind, number in sorted(done.items())]
        records.save(
            RESULTS, {"schema_version": 1, "seed": seed, "ways": ways_done, "wrong": wrong}
        )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
