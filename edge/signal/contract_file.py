# SPDX-License-Identifier: BSD-3-Clause
"""Read the contract file, a TOML file that says how recordings become labelled windows.

``edge train --example-contract`` prints :data:`EXAMPLE`; its comments are the documentation.
"""

from __future__ import annotations

import codecs
import fnmatch
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from edge.errors import EdgeError, IncompatibleError, UsageError
from edge.signal import filters
from edge.spec import Argument
from firmware_bridge.signal import contract_values
from firmware_bridge.signal.contract import AS_RECORDED, Filter, Scaling, SignalContract
from quantize import plain as manifest
from quantize import reading
from quantize.reading import read_bytes

EXAMPLE = Path(__file__).with_name("eegmmidb.toml").read_text().split("\n", 1)[1]
"""A commented contract without its licence line: what a user makes of it is the user's."""

MAX_BYTES = reading.MIB
MAX_ORDER = 16
"""Of a Butterworth filter; beyond some ten its sections are no more what was designed."""

FACTOR_NEW, EPS = 1e-3, 1e-4
"""braindecode's defaults of moving standardization."""

Forbid = Mapping[str, Any]
FORBID_OTHER_KEYS: Forbid = {"extra": "forbid"}


@dataclass(frozen=True)
class SignalSection:
    """The table ``[signal]``: channels, rate, unit, reference.

    Attributes
    ----------
    channels
        Names in the model's order, after ``[rename]``.
    sfreq
        Sampling rate in Hz, the recording's own.
    unit
        Unit of samples before scaling.
    reference
        ``as recorded``, ``average`` over the channels, or the name of an electrode.
    uv_per_count
        µV that one count of the converter stands for, which a device needs.
    resampled_from
        Rate in Hz that somebody resampled from; such a contract cannot be streamed.
    file_unit
        Unit of the numbers in the file, where the file does not say it, or says it wrongly.
    encoding
        Encoding of the file's texts, where it is neither UTF-8 nor what the format prescribes.
    """

    channels: tuple[str, ...]
    sfreq: float
    unit: Literal["uV", "mV", "V"] = "uV"
    reference: str = AS_RECORDED
    uv_per_count: float | None = None
    resampled_from: float | None = None
    file_unit: Literal["uV", "mV", "V"] | None = None
    encoding: str | None = None
    __pydantic_config__: ClassVar[Forbid] = FORBID_OTHER_KEYS


@dataclass(frozen=True)
class FilterSection:
    """The table ``[filter]``: a causal band-pass or high-pass, and a notch.

    Attributes
    ----------
    low_hz, high_hz
        -3 dB edges of the Butterworth filter; without ``high_hz`` it is a high-pass.
    order
        Order of the prototype; a band-pass has twice as many poles.
    notch_hz
        Centre of a notch behind it.
    """

    low_hz: float
    high_hz: float | None = None
    order: int = 4
    notch_hz: float | None = None
    __pydantic_config__: ClassVar[Forbid] = FORBID_OTHER_KEYS


@dataclass(frozen=True)
class ScalingSection:
    """The table ``[scaling]``: how each channel is scaled.

    Attributes
    ----------
    kind
        ``per_channel`` (fitted on the training part), ``moving`` (follows the signal), or ``none``.
    factor_new
        How much a new sample weighs in moving averages.
    eps
        Least standard deviation that ``moving`` divides by, in the contract's unit.
    """

    kind: Literal["per_channel", "moving", "none"] = "per_channel"
    factor_new: float | None = None
    eps: float | None = None
    __pydantic_config__: ClassVar[Forbid] = FORBID_OTHER_KEYS

    def scaling(self) -> Scaling:
        """Return the contract's scaling, which is not fitted yet."""
        if self.kind != "moving":
            return Scaling(self.kind)
        factor_new = FACTOR_NEW if self.factor_new is None else self.factor_new
        return Scaling("moving", factor_new=factor_new, eps=EPS if self.eps is None else self.eps)


@dataclass(frozen=True)
class WindowSection:
    """The table ``[window]``: length, start, hop and shifted copies.

    Attributes
    ----------
    n_times
        Samples of a window.
    start_s
        Seconds from the event to the window's first sample.
    hop
        Samples between decisions on the device; a multiple of the first pool's stride.
    shifts_s
        Seconds by which training windows are also cut earlier (-) and later (+).
    """

    n_times: int
    start_s: float = 0.0
    hop: int = 15
    shifts_s: tuple[float, ...] = ()
    __pydantic_config__: ClassVar[Forbid] = FORBID_OTHER_KEYS


@dataclass(frozen=True)
class EventRule:
    """A table of ``[[events]]``: what the annotations of some files mean.

    Attributes
    ----------
    files
        Patterns of file names that the rule is for.
    classes
        Annotation = class.
    """

    files: tuple[str, ...]
    classes: Mapping[str, str]
    __pydantic_config__: ClassVar[Forbid] = FORBID_OTHER_KEYS


@dataclass(frozen=True)
class SplitSection:
    """The table ``[split]``: which files are held out.

    Attributes
    ----------
    holdout
        Patterns of files, without suffix, that neither training nor calibration sees.
    """

    holdout: tuple[str, ...] = ()
    __pydantic_config__: ClassVar[Forbid] = FORBID_OTHER_KEYS


@dataclass(frozen=True)
class ContractFile:
    """Everything that a contract file says.

    Attributes
    ----------
    signal
        Channels, rate, unit and reference.
    window
        What a decision looks at.
    events
        What annotations mean, file by file; files that no rule matches are left out.
    rename
        Name in the recording = name in the contract.
    filter
        A causal filter over the whole recording; none without it.
    scaling
        How each channel is scaled.
    split
        Which files are held out; the last third without it.
    file
        What the recordings' format has to be told, e.g. ``board = "cyton"``; see
        ``docs/reference/recordings.md``.
    """

    signal: SignalSection
    window: WindowSection
    events: tuple[EventRule, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    filter: FilterSection | None = None
    scaling: ScalingSection = ScalingSection()
    split: SplitSection = SplitSection()
    file: Mapping[str, Argument] = field(default_factory=dict)
    __pydantic_config__: ClassVar[Forbid] = FORBID_OTHER_KEYS

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class once, in the order of the file, which is that of the logits."""
        return tuple(dict.fromkeys(c for rule in self.events for c in rule.classes.values()))

    def rule(self, file_name: str) -> EventRule | None:
        """Return the first rule whose pattern matches a file's name."""
        for rule in self.events:
            if any(_matches(file_name, pattern) for pattern in rule.files):
                return rule
        return None

    def contract(self) -> SignalContract:
        """Return the signal contract, whose scaling is not fitted yet."""
        settings = Filter("none")
        if self.filter is not None:
            f = self.filter
            settings = filters.design(f.low_hz, f.high_hz, f.order, self.signal.sfreq, f.notch_hz)
        return SignalContract(
            channels=self.signal.channels,
            reference=self.signal.reference,
            unit=self.signal.unit,
            sfreq=self.signal.sfreq,
            filter=settings,
            scaling=self.scaling.scaling(),
            n_times=self.window.n_times,
            hop=self.window.hop,
            classes=self.classes,
            rename=self.rename,
            uv_per_count=self.signal.uv_per_count,
            resampled_from=self.signal.resampled_from,
        )


def _matches(file_name: str, pattern: str) -> bool:
    """Whether a name matches a pattern; the suffix in any case, the rest as it is written."""
    return fnmatch.fnmatchcase(_with_small_suffix(file_name), _with_small_suffix(pattern))


def _with_small_suffix(name: str) -> str:
    return re.sub(r"(\.[A-Za-z0-9]+)(\.gz)?$", lambda m: m[0].lower(), name, flags=re.IGNORECASE)


def parse(text: str | bytes, where: str) -> ContractFile:
    """Parse what a contract file contains.

    Raises
    ------
    UsageError
        One line that names the file and the first thing that is wrong in it.
    """
    try:
        document = manifest.toml(text, where)
    except IncompatibleError as error:
        raise UsageError(str(error)) from None
    if (bad := _not_finite(document)) is not None:
        raise UsageError(f"{where}: {bad} is no number that a signal has.")
    events = document.get("events", [])
    for rule in events if isinstance(events, list) else []:
        if isinstance(rule, dict) and isinstance(rule.get("files"), str):
            rule["files"] = [rule["files"]]
    try:
        parsed = manifest.validate(document, ContractFile, where)
    except IncompatibleError as error:
        raise UsageError(
            f"{error} Type 'edge train --example-contract' for a file that works."
        ) from None
    _refuse_values(parsed, where)
    try:
        contract_values.check(parsed.contract(), where)
    except IncompatibleError as error:
        raise UsageError(str(error)) from None
    return parsed


def _not_finite(document: Any) -> float | None:
    """The first NaN or infinity in a document, None where it has none."""
    if isinstance(document, float) and not math.isfinite(document):
        return document
    parts = document.values() if isinstance(document, dict) else document
    if isinstance(document, dict | list):
        return next((bad for part in parts if (bad := _not_finite(part)) is not None), None)
    return None


def read(path: Path) -> ContractFile:
    """Read and check a contract file."""
    if not path.exists():
        raise UsageError(
            f"Cannot read the contract {str(path)!r}: No such file or directory. Type 'edge train "
            f"--example-contract > contract.toml' for one to start from."
        )
    try:
        text = read_bytes(path, MAX_BYTES)
    except EdgeError as error:
        raise UsageError(f"Cannot read the contract: {error}") from None
    return parse(text, str(path))


def _refuse_values(file: ContractFile, where: str) -> None:
    channels = file.signal.channels
    twice = sorted({name for name in channels if channels.count(name) > 1})
    problems = [
        (not channels, "signal.channels is empty"),
        (bool(twice), f"signal.channels names {', '.join(twice)} twice"),
        (file.signal.sfreq <= 0, f"signal.sfreq must be positive, got {file.signal.sfreq:g}"),
        (file.window.n_times < 1, f"window.n_times must be positive, got {file.window.n_times}"),
        (
            file.filter is not None and not 1 <= file.filter.order <= MAX_ORDER,
            f"filter.order must be 1 ... {MAX_ORDER}",
        ),
        (file.window.hop < 1, f"window.hop must be positive, got {file.window.hop}"),
        (
            not _is_encoding(file.signal.encoding),
            f'signal.encoding {file.signal.encoding!r} is no encoding; write e.g. "latin-1"',
        ),
        *_scaling_problems(file.scaling),
    ]
    for name in ("uv_per_count", "resampled_from"):
        value = getattr(file.signal, name)
        problems.append(
            (value is not None and value <= 0, f"signal.{name} must be positive, got {value}")
        )
    for wrong, what in problems:
        if wrong:
            raise UsageError(f"{where}: {what}.")


def _is_encoding(name: str | None) -> bool:
    try:
        return name is None or bool(codecs.lookup(name))
    except LookupError:
        return False


def _scaling_problems(scaling: ScalingSection) -> list[tuple[bool, str]]:
    moving, factor, eps = scaling.kind == "moving", scaling.factor_new, scaling.eps
    given = [name for name, value in (("factor_new", factor), ("eps", eps)) if value is not None]
    return [
        (
            bool(given) and not moving,
            f"scaling.{' and '.join(given)} belongs to kind 'moving', but kind is {scaling.kind!r}",
        ),
        (
            moving and factor is not None and not 0 < factor < 1,
            f"scaling.factor_new must lie between 0 and 1, got {factor}",
        ),
        (
            moving and eps is not None and eps <= 0,
            f"scaling.eps must be positive, got {eps}",
        ),
    ]
