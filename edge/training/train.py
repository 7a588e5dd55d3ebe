# SPDX-License-Identifier: BSD-3-Clause
"""Train on recordings and write a checkpoint that braindecode can load."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from edge import parity
from edge.bundle import folder as bundle_folder
from edge.checkpoint import build, files, shortened, weights
from edge.checkpoint.forward import predict
from edge.checkpoint.model import FloatModel, TrainingRecord
from edge.data import dataset, source
from edge.families import base as families
from edge.patches.versions import versions
from edge.scores import Scores, scores
from edge.signal import contract_file
from edge.spec import Argument, ModelSpec, Proportion
from edge.terminal.console import Console
from edge.training.fit import Progress, TrainingSettings, fit


@dataclass(frozen=True)
class TrainRequest:
    """What ``edge train`` was asked for.

    Attributes
    ----------
    arguments
        Constructor arguments of braindecode's class, beside the mode and what the data decides.
    """

    mode: str
    data: str | dataset.Dataset
    out: Path
    contract: Path | None = None
    holdout: tuple[str, ...] = ()
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    keep_bad: bool = False
    arguments: dict[str, Argument] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """A trained model and its accuracy on windows that it has not seen."""

    model: FloatModel
    accuracy: Proportion
    scores: Scores


def train(request: TrainRequest, console: Console) -> Trained:
    """Train a model and write its checkpoint.

    Raises
    ------
    EdgeError
        When the data or the request is refused; nothing is left behind then.
    """
    refuse_destination(request.out)
    file = None if request.contract is None else contract_file.read(request.contract)
    with console.waiting("reading data"):
        data = (
            request.data
            if isinstance(request.data, dataset.Dataset)
            else source.read(request.data, file, request.keep_bad)
        )
    for line in data.notes:
        console.note(f"note: {line}")
    split = dataset.split(data, request.holdout)
    windows, labels = dataset.training_windows(split.train)
    contract = split.train.contract.fitted(split.train.windows)
    spec = ModelSpec(
        request.mode, windows.shape[1], contract.n_times, len(contract.classes), request.arguments
    )
    model = build.build(spec, request.settings.seed)
    shortened.refuse_degenerate(model)
    if (changed := shortened.shortened(model)) is not None:
        console.note(f"note: {changed}")
    console.note(
        f"{len(labels)} training windows, {len(split.test.labels)} held out ({split.rule})"
    )
    with console.progress("train", request.settings.epochs) as advance:
        fit(
            model.module,
            contract.scale(windows),
            labels,
            request.settings,
            lambda progress: advance(_line(progress)),
            families.of(spec).training_form,
        )
    logits = predict(model.module, contract.scale(split.test.windows))
    accuracy = parity.accuracy("float", logits, split.test.labels).correct
    told = scores(logits.argmax(1), split.test.labels)
    trained = dataclasses.replace(
        model,
        contract=contract,
        training=_record(request, split, len(labels), accuracy, told),
        contract_file=None if request.contract is None else request.contract.read_text(),
    )
    with bundle_folder.writing(request.out) as folder:
        files.save(trained, folder)
    return Trained(trained, accuracy, told)


def refuse_destination(out: Path) -> None:
    """Raise unless ``out`` may become a checkpoint.

    Raises
    ------
    UsageError
        When it is there and is neither a checkpoint nor an empty folder.
    """
    bundle_folder.refuse_destination(out, _owned, "a checkpoint")


def _owned(folder: Path) -> frozenset[str] | None:
    """Names of a checkpoint's files; None where the folder is none, or a bundle."""
    parts = (folder / weights.CONFIG, folder / weights.WEIGHTS)
    if bundle_folder.is_bundle(folder) or not all(part.is_file() for part in parts):
        return None
    return frozenset(files.NAMES)


def _line(progress: Progress) -> str:
    return f"loss {progress.loss:.3f}, training accuracy {progress.train_accuracy:.2f}"


def _record(
    request: TrainRequest,
    split: dataset.Split,
    n_train: int,
    accuracy: Proportion,
    told: Scores,
) -> TrainingRecord:
    settings = request.settings
    return TrainingRecord(
        data=split.train.spec,
        simulated=split.train.simulated,
        holdout=split.holdout,
        split=split.rule,
        n_train=n_train,
        n_test=accuracy.n,
        seed=settings.seed,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        test_accuracy=accuracy.share,
        versions=versions(),
        keep_bad=request.keep_bad,
        left_out=split.test.left_out,
        class_weights=settings.class_weights,
        majority_share=told.majority,
        balanced_accuracy=told.balanced,
        kappa=told.kappa,
    )
