# SPDX-License-Identifier: BSD-3-Clause
"""Signed bundles: others verify ours and we theirs; whatever is changed is refused by name."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies import tampering
from edge.bundle import apart, keys, signature, trust
from edge.bundle import read as bundle
from edge.bundle.trust import Standing
from edge.errors import IncompatibleError, UsageError
from tests.conftest import Edge


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of trusted keys for one test."""
    monkeypatch.setenv("EDGE_TRUST", str(tmp_path / "trust"))
    return tmp_path


@pytest.fixture
def signed(eca_bundle: Path, home: Path) -> Path:
    """A copy of the bundle, signed as version 3 by a key that is trusted."""
    copy = Path(shutil.copytree(eca_bundle, home / "copy"))
    keys.generate(home / "k.key", home / "k.pub", None)
    signature.sign(copy, keys.read_private(home / "k.key", None), "eca", 3)
    trust.add(home / "k.pub")
    return copy


def test_keys(home: Path) -> None:
    """Private ones are the owner's alone; nothing is overwritten; a passphrase is asked for."""
    private, public = home / "k.key", home / "k.pub"
    name = keys.generate(private, public, b"word")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert keys.fingerprint(keys.read_public(public)) == name
    assert keys.fingerprint(keys.read_private(private, b"word").public_key()) == name
    for word in (None, b"other"):
        with pytest.raises(UsageError):
            keys.read_private(private, word)
    before = private.read_bytes()
    with pytest.raises(UsageError, match="exists and is left alone"):
        keys.generate(private, home / "other.pub", None)
    assert private.read_bytes() == before
    with pytest.raises(IncompatibleError, match="is not a public key"):
        keys.read_public(private)


def test_who_is_trusted_runs_here(signed: Path, eca_bundle: Path, home: Path) -> None:
    """Unsigned bundles and unknown keys still open, apart; it is said once."""
    assert trust.judge(signed) == Standing.TRUSTED
    assert trust.judge(eca_bundle) == Standing.UNSIGNED
    said: list[str] = []
    opened = bundle.read(eca_bundle)
    place = apart.Apart(opened, opened.manifest.artifacts, said.append)
    assert (place.standing, place.standing) == (Standing.UNSIGNED, Standing.UNSIGNED)
    assert said == ["note: the bundle is not signed: its models run in a process of their own."]
    (key,) = trust.trusted()
    assert key.seen == {"eca": 3}
    trust.remove(key.fingerprint[:8])
    assert trust.judge(signed) == Standing.UNKNOWN_KEY


def test_an_older_version_is_refused(signed: Path, home: Path) -> None:
    """Unless that is allowed; the newest stays known."""
    private = keys.read_private(home / "k.key", None)
    trust.judge(signed)
    signature.sign(signed, private, "eca", 2)
    with pytest.raises(IncompatibleError, match="is version 2 of 'eca', and version 3 of the same"):
        trust.judge(signed)
    token = trust.ALLOW_OLDER.set(True)
    assert trust.judge(signed) == Standing.TRUSTED
    trust.ALLOW_OLDER.reset(token)
    signature.sign(signed, private, "another", 1)
    assert trust.judge(signed) == Standing.TRUSTED
    assert trust.trusted()[0].seen == {"another": 1, "eca": 3}


def test_another_key(signed: Path, home: Path) -> None:
    """Is named."""
    keys.generate(home / "m.key", home / "m.pub", None)
    with pytest.raises(IncompatibleError, match="is signed by the key"):
        trust.require(signed, home / "m.pub")


@pytest.mark.parametrize("seed", range(3))
def test_tampering_is_refused_by_name(seed: int, signed: Path, home: Path) -> None:
    """A sample of what :mod:`benchmarks.studies.tampering` does 500 times."""
    rng = np.random.default_rng(seed)
    every = [*tampering.every_field(signed), *tampering.every_file(signed)]
    some = [every[int(i)] for i in rng.choice(len(every), 12, replace=False)]
    for kind, way in (*some, *tampering.ways(rng, 14)):
        assert tampering.tried(kind, way, signed, home / "k.pub") == []


def test_the_study_notices_what_is_not_refused(signed: Path, home: Path) -> None:
    """Nothing done is a complaint on both ways in; a stranger's bundle opens, and is no more."""
    nothing = tampering.tried("nothing", lambda _: "x", signed, home / "k.pub")
    assert nothing == [
        "nothing: verify --pub: was not refused",
        "nothing: opening: was not refused",
    ]
    keys.generate(home / "s.key", home / "s.pub", None)
    for kind, way in tampering.strangers(home / "s.key"):
        assert tampering.tried(kind, way, signed, home / "k.pub", stranger=True) == []


def model_signing(*arguments: object) -> subprocess.CompletedProcess[str]:
    """OpenSSF's own command."""
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_others_verify_ours_and_we_theirs(signed: Path, home: Path) -> None:
    """By OpenSSF's command; theirs says no version, so that ours says what is missing."""
    pytest.importorskip("model_signing")
    public, theirs = home / "k.pub", signed / "model.sig"
    arguments = ("verify", "key", signed, "--signature", theirs, "--public_key", public)
    done = model_signing(*arguments)
    assert done.returncode == 0, done.stderr
    config = signed / "config.json"
    config.write_text(config.read_text() + " ")
    assert model_signing(*arguments).returncode != 0
    theirs.unlink()
    private = ("--private_key", home / "k.key")
    done = model_signing("sign", "key", signed, "--signature", theirs, *private)
    assert done.returncode == 0, done.stderr
    made = signature.read(signed)
    assert made is not None
    signature.check_key(made, keys.read_public(public), signed)
    signature.check_files(made, signed)


def test_commands(eca_bundle: Path, home: Path, edge: Edge) -> None:
    """From a key to a bundle that is verified with it, as a user types it."""
    copy = Path(shutil.copytree(eca_bundle, home / "mine"))
    for arguments in (
        ("keygen", "--out", "lab"),
        ("sign", copy, "--key", "lab.key"),
        ("trust", "add", "lab.pub"),
        ("sign", copy, "--key", "lab.key"),
    ):
        done = edge(*arguments, cwd=home)
        assert done.returncode == 0, done.stderr
    assert "mine version 2: " in done.stdout
    kept = json.loads(edge("trust", "list", "--json", cwd=home).stdout)["keys"]
    assert list(kept.values()) == [{"mine": 2}]
    done = edge("verify", copy, "--pub", "lab.pub", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "signed by" in done.stderr
    assert "process of their own" not in done.stderr
    document = json.loads((copy / "model.sig").read_text())
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(b"0" * 70).decode()
    (copy / "model.sig").write_text(json.dumps(document))
    done = edge("verify", copy, "--pub", "lab.pub", cwd=home)
    assert done.returncode == 3
    assert "model.sig" in done.stderr
