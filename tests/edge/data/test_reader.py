# SPDX-License-Identifier: BSD-3-Clause
"""One reader: a file in any format becomes one description, or one line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import registry
from edge.data import reader
from edge.data.description import Annotation, Channel, Description, Span, split_at
from edge.errors import UsageError
from tests import recordings


@pytest.fixture(scope="module")
def edf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 40 s with 38 events."""
    return recordings.write_edf(tmp_path_factory.mktemp("edf") / "one.edf")


def test_every_format_says_its_suffixes() -> None:
    """Suffixes are in lower case, begin with a dot, and each file of the folder has some."""
    assert set(reader.formats()) == set(registry.names(registry.FORMATS))
    for each in reader.formats().values():
        assert each.SUFFIXES
        assert all(s.startswith(".") and s == s.lower() for s in each.SUFFIXES)


def test_the_longest_suffix_wins() -> None:
    """In any case of letters; a hidden file is no candidate."""
    assert reader.suffix_of(Path("a_raw.FIF.GZ")) == ".fif.gz"
    assert reader.suffix_of(Path("A.EDF")) == ".edf"
    assert reader.suffix_of(Path("notes.md")) == ""


def test_edf_described(edf: Path) -> None:
    """Names, rates, units, ranges, one piece, every event."""
    described = reader.open_recording(edf)
    assert isinstance(described, Description)
    assert [c.name for c in described.channels] == ["COUNT", "C3..", "C4.."]
    count = described.channels[0]
    assert (count.sfreq, count.written_unit, count.unit) == (100.0, "uV", "uV")
    assert (count.low, count.high) == (-5e-3, 5e-3)
    assert described.pieces == (Span(0.0, 40.0),)
    assert described.annotations[0] == Annotation(1.0, 0.5, "T1")
    assert len(described.annotations) == 38
    assert described.files == (edf,)


def test_a_unit_that_the_contract_says(edf: Path) -> None:
    """The written numbers stay; what they mean changes, for samples and ranges alike."""
    file_says, contract_says = (
        reader.open_continuous(edf, reader.Hints(unit=unit)) for unit in (None, "mV")
    )
    ours, theirs = (d.read(["C4.."], 0, 100) for d in (file_says, contract_says))
    assert theirs == pytest.approx(1000 * ours)
    assert contract_says.channel("C4..").high == pytest.approx(5.0)
    assert contract_says.channel("C4..").written_unit == "uV"


def test_suffix_that_nobody_reads(tmp_path: Path) -> None:
    """What can be read is listed."""
    path = tmp_path / "a.doc"
    path.write_text("hello")
    with pytest.raises(UsageError, match=r"is not a kind of file that can be read\. Allowed"):
        reader.open_recording(path)


def test_pieces() -> None:
    """Joints outside the recording cut nothing; each other one begins a piece."""
    assert split_at([0, 25, 25, 100, 130], 100, 50.0) == (Span(0.0, 0.5), Span(0.5, 2.0))
    assert Span(0.5, 2.0).samples(50.0) == (25, 100)


def test_bad_spans_as_mne_knows_them() -> None:
    """Any text that begins with "bad" in any case, except the marks of joints."""
    texts = ("BAD_blink", "bad", "Bad segment", "BAD boundary", "BAD_ACQ_SKIP", "good")
    assert [Annotation(0.0, 1.0, t).is_bad for t in texts] == [True, True, True, *[False] * 3]


def test_channels_are_found_by_name(edf: Path) -> None:
    """A description hands its channels out by name."""
    channel = reader.open_continuous(edf).channel("C3..")
    assert isinstance(channel, Channel)
    assert channel.name == "C3.."
