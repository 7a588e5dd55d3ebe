# SPDX-License-Identifier: BSD-3-Clause
"""Arrays from files of somebody else's: plain ones come in, bombs and oddities do not."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from quantize import arrays
from quantize.errors import EdgeError, IncompatibleError

LIMIT = 2**33

PLAIN = {
    "x": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "names": np.array(["left", "right", "Größe"]),
    "bytes": np.array([b"a", b"bc"]),
    "flag": np.array([True, False]),
    "scalar": np.array(250.0),
    "empty": np.zeros((0, 3), np.int16),
    "half": np.ones(3, np.float16),
    "big": np.arange(3, dtype=">i4"),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_comes_back(save: object, tmp_path: Path) -> None:
    """Every plain type, in either order of bytes and axes."""
    assert callable(save)
    save(tmp_path / "a.npz", **PLAIN)
    found = arrays.read_npz(tmp_path / "a.npz", LIMIT)
    assert set(found) == set(PLAIN)
    for name, value in PLAIN.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)
        np.save(tmp_path / "a.npy", value)
        np.testing.assert_array_equal(arrays.read_npy(tmp_path / "a.npy", LIMIT), value)


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip file of anything."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def array_bytes(descr: str, shape: str, data: bytes) -> bytes:
    """A file in NumPy's format with a header of one's own."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


ODD: dict[str, tuple[bytes, str]] = {
    "claims more than is there": (array_bytes("'<f4'", "(1000000000000,)", b""), "cut off"),
    "holds more than it claims": (array_bytes("'<f4'", "(1,)", bytes(8)), "padded"),
    "objects": (array_bytes("'|O'", "(1,)", bytes(8)), "not an array of plain numbers"),
    "a structure": (array_bytes("[('a', '<f4')]", "(1,)", bytes(4)), "not an array of plain"),
    "nested brackets": (array_bytes("'<f4'", "(" * 3000, b""), "not an array of plain"),
    "code": (array_bytes("__import__('os')", "(1,)", b""), "not an array of plain"),
    "a type that is none": (array_bytes("'<f3'", "(1,)", bytes(3)), "a type that NumPy"),
    "negative": (array_bytes("'<f4'", "(-1,)", b""), "not an array of plain"),
    "many axes": (array_bytes("'<f4'", "(" + "1," * 40 + ")", bytes(4)), "a shape that no"),
    "no magic": (b"hello", "not an array in NumPy's format"),
    "nothing": (b"", "not an array in NumPy's format"),
    "surrogates": (array_bytes("'<U1'", "(1,)", b"\x00\xd8\x00\x00"), "not Unicode"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_arrays_are_refused(name: str, tmp_path: Path) -> None:
    """Alone and in an archive, with a line."""
    data, why = ODD[name]
    (tmp_path / "a.npy").write_bytes(data)
    for read in (
        lambda: arrays.read_npy(tmp_path / "a.npy", LIMIT),
        lambda: arrays.read_npz(archive(tmp_path / "a.npz", {"x.npy": data}), LIMIT),
    ):
        with pytest.raises(IncompatibleError, match=why) as refused:
            read()
        assert "\n" not in str(refused.value)


BOMB = """
import resource, sys
from pathlib import Path
from quantize import arrays
from quantize.errors import IncompatibleError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    arrays.read_npz(Path(sys.argv[1]), 2**40)
except IncompatibleError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_bomb_costs_nothing(tmp_path: Path) -> None:
    """Three gigabytes of zeros in three megabytes are refused from the list of members."""
    path = tmp_path / "bomb.npz"
    header = array_bytes("'<f4'", f"({3 * 2**28},)", b"")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("X.npy", "w", force_zip64=True) as member,
    ):
        member.write(header)
        for _ in range(3 * 2**10):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**25
    command = [sys.executable, "-c", BOMB, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    said, grown_kib = done.stdout.splitlines()
    assert "no signal is so regular" in said
    assert int(grown_kib) < 50 * 1024


def test_too_much_is_refused(tmp_path: Path) -> None:
    """What is above the caller's limit, and an array twice."""
    np.savez(tmp_path / "a.npz", x=np.zeros(1000))
    with pytest.raises(IncompatibleError, match="8128 bytes of arrays; 8000 are read"):
        arrays.read_npz(tmp_path / "a.npz", 8000)
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as file:
        file.writestr("x.npy", stream.getvalue())
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("x.npy", stream.getvalue())
    with pytest.raises(IncompatibleError, match="holds an array twice"):
        arrays.read_npz(tmp_path / "b.npz", LIMIT)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A FIFO, a device, a folder, nothing: never waited for."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path, tmp_path / "none"):
        for read in (arrays.read_npz, arrays.read_npy):
            with pytest.raises(EdgeError):
                read(path, LIMIT)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_archives_give_one_line(seed: int, tmp_path: Path) -> None:
    """150 mutations of a good archive: it is read, or refused in one line."""
    np.savez_compressed(tmp_path / "good.npz", **PLAIN)
    good = (tmp_path / "good.npz").read_bytes()
    rng = np.random.default_rng(seed)
    path = tmp_path / "bad.npz"
    refused = []
    for _ in range(150):
        data = bytearray(good)
        match rng.integers(3):
            case 0:
                for at in rng.integers(0, len(data), rng.integers(1, 6)):
                    data[at] = rng.integers(256)
            case 1:
                del data[int(rng.integers(len(data))) :]
            case _:
                at = int(rng.integers(len(data)))
                data[at:at] = rng.bytes(int(rng.integers(1, 40)))
        path.write_bytes(data)
        try:
            arrays.read_npz(path, LIMIT)
        except EdgeError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not any("\n" in line for line in refused)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20
