# SPDX-License-Identifier: BSD-3-Clause
"""JSON of somebody else's is read strictly, and files are taken from inside their folder only."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from quantize import plain, reading
from quantize.errors import EdgeError, IncompatibleError, UsageError


@dataclass(frozen=True)
class Small:
    """A document of one field and no other."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    a: int


REFUSED = {
    "a key twice": (b'{"a": 1, "a": 2}', "x is not JSON: the key 'a' stands there twice."),
    "NaN": (b'{"a": NaN}', "x is not JSON: NaN is no number."),
    "infinity": (b"[-Infinity]", "x is not JSON: -Infinity is no number."),
    "a number too large": (b"[1e999]", "x is not JSON: 1e999 is too large."),
    "a number of many digits": (b"9" * 5000, "x is not JSON: a number has 5000 digits."),
    "deep lists": (b"[" * 100_000, "x is nested more than 32 deep."),
    "deep objects": (b'{"a":' * 40 + b"1" + b"}" * 40, "x is nested more than 32 deep."),
    "half a surrogate": (b'["\\ud800"]', "x is not text in UTF-8."),
    "Latin-1": (b'["\xe9"]', "x is not text in UTF-8."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_odd_json_is_refused(name: str) -> None:
    """With the whole line."""
    data, message = REFUSED[name]
    with pytest.raises(IncompatibleError) as refused:
        plain.parse(data, "x")
    assert str(refused.value) == message


def test_brackets_in_texts_do_not_count() -> None:
    """Nor does a quote behind a backslash end a text."""
    assert plain.parse(b'["' + b"[" * 99 + b'\\"[", {"a": "]"}]', "x")[1] == {"a": "]"}


def test_depth_is_measured_in_linear_time() -> None:
    """Eight megabytes of quotes and backslashes take no longer than they should."""
    begin = time.perf_counter()
    for data in (b'"\\' * 2**21, b'"' * 2**22, b'\\"' * 2**21):
        with pytest.raises(IncompatibleError):
            plain.parse(data, "x")
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "",
        ".",
        "a//b",
        "./a",
        "a\\b",
        "a\nb",
        "a/",
        "link",
        "to/x",
    ],
)
def test_names_that_leave_the_folder(name: str, tmp_path: Path) -> None:
    """Absolute, climbing, oddly written and linked ones are refused."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "to").symlink_to(tmp_path)
    (tmp_path / "x").touch()
    with pytest.raises(IncompatibleError):
        reading.inside(tmp_path, name)


def test_names_inside(tmp_path: Path) -> None:
    """A file, also in a folder."""
    assert reading.inside(tmp_path, "c/edge.c") == tmp_path / "c" / "edge.c"


def test_walk_lists_files_and_refuses_the_rest(tmp_path: Path) -> None:
    """Sorted names; links, FIFOs and deep trees are refused."""
    (tmp_path / "c").mkdir()
    for name in ("b", "a", "c/d"):
        (tmp_path / name).touch()
    assert list(reading.walk(tmp_path)) == ["a", "b", "c/d"]
    (tmp_path / "c" / "link").symlink_to("d")
    with pytest.raises(IncompatibleError, match="is a link or a device"):
        list(reading.walk(tmp_path))
    (tmp_path / "c" / "link").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IncompatibleError, match="is a link or a device"):
        list(reading.walk(tmp_path))
    (tmp_path / "pipe").unlink()
    (tmp_path / "1/2/3/4/5/6").mkdir(parents=True)
    (tmp_path / "1/2/3/4/5/6/x").touch()
    with pytest.raises(IncompatibleError, match="is deeper than 4 folders"):
        list(reading.walk(tmp_path))


def test_no_device_is_read(tmp_path: Path) -> None:
    """Neither endless ones nor ones that would be waited for; nor more than the limit."""
    os.mkfifo(tmp_path / "fifo")
    for path in (Path("/dev/zero"), Path("/dev/stdin"), tmp_path / "fifo", tmp_path):
        with pytest.raises(EdgeError):
            reading.read_bytes(path, 100)
    with pytest.raises(UsageError, match="does not exist"):
        reading.read_bytes(tmp_path / "none", 100)
    (tmp_path / "x").write_bytes(bytes(101))
    with pytest.raises(IncompatibleError, match="holds 101 bytes; at most 100 are read"):
        reading.read_bytes(tmp_path / "x", 100)


def test_documents_of_strangers(tmp_path: Path) -> None:
    """JSON and TOML that are no such text are one line with the file's name; nothing waits."""
    path = tmp_path / "d.json"
    for text in (b"", b"\xff", b'{"a": 1, "a": 2}', b"NaN", b"[" * 100_000):
        path.write_bytes(text)
        with pytest.raises(IncompatibleError, match=r"d\.json is n"):
            plain.document(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(IncompatibleError, match="is not a regular file"):
        plain.document(path)
    for text in (b"\xff", b"a = ", b"a = 1\na = 2", b"a = " + b"[" * 100_000):
        with pytest.raises(IncompatibleError, match=r"^d\.toml is not ") as refused:
            plain.toml(text, "d.toml")
        assert "\n" not in str(refused.value)
    assert plain.toml(b"a = 1", "d.toml") == {"a": 1}


LONG = "x" * 5000


@pytest.mark.parametrize(
    "document",
    [
        {"schema_version": LONG, "a": 1},
        {"schema_version": [LONG] * 9, "a": 1},
        {"schema_version": 1, "a": 1, LONG: 1},
        {"schema_version": 1, "a": 1, "b\nc\x1b[2J": 1},
        {"schema_version": 1, "a": LONG},
    ],
)
def test_what_is_quoted_is_short_and_printable(document: object) -> None:
    """A version, a name or a value of a stranger's cannot fill the terminal or steer it."""
    with pytest.raises(IncompatibleError) as refused:
        plain.decode(json.dumps(document).encode(), Small, "d.json")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_a_table_twice_is_quoted_short() -> None:
    """What TOML's reader complains of holds the file's own names."""
    with pytest.raises(IncompatibleError) as refused:
        plain.toml(f"[{LONG}]\n[{LONG}]\n".encode(), "d.toml")
    assert len(str(refused.value)) < 300
