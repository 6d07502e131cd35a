"""Splits: which samples are trained on, which calibrate, which test. Groups (patients) are never divided.

A split is a file that can be read back: its hash covers every sample with its side, label, group and window, so the same
hash means the same split of the same data.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from training.data.sample import SET, Sample, kinds_of
from training.errors import SplitError
from training.recipe import SplitRule

TRAINING, CALIBRATION, TEST = "training", "calibration", "test"


@dataclass(frozen=True)
class Split:
    """Samples by part. `sha256` names it: same samples, same sides, same hash."""

    parts: dict[str, list[Sample]]

    @property
    def sha256(self) -> str:
        canonical = json.dumps(self._plain(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _plain(self) -> dict[str, list[dict[str, Any]]]:
        return {part: [asdict(sample) for sample in samples] for part, samples in self.parts.items()}

    def to_json(self) -> str:
        """The split's file: its hash, then one line a sample."""
        lines = ",\n".join(
            f"{json.dumps(part)}: [\n" + ",\n".join(json.dumps(row, sort_keys=True) for row in rows) + "\n]"
            for part, rows in self._plain().items()
        )
        return f'{{"sha256": "{self.sha256}",\n"parts": {{\n{lines}\n}}}}\n'

    @classmethod
    def from_json(cls, text: str) -> Split:
        """Read a split's file. Raises `SplitError` when it isn't one, or isn't as it was written."""
        try:
            table = json.loads(text)
            split = cls({part: [_sample(row) for row in rows] for part, rows in table["parts"].items()})
            named = table["sha256"]
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise SplitError(f"this is no split's file ({error!r}): write one with loupe-train data split") from error
        if split.sha256 != named:
            raise SplitError(
                f"the split was changed after it was written (it says {named[:12]}…, its content has "
                f"{split.sha256[:12]}…): write it anew with loupe-train data split"
            )
        return split

    def save(self, path: Path) -> None:
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Split:
        """Raises `SplitError` that names the file."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, SplitError) as error:
            raise SplitError(f"{path}: {error}") from error

    def counts(self) -> str:
        return ", ".join(f"{part} {len(samples)}" for part, samples in self.parts.items())


def _sample(row: Mapping[str, Any]) -> Sample:
    box = row["box"]
    return Sample(**{**row, "box": None if box is None else (box[0], box[1], box[2], box[3])})


@dataclass(frozen=True)
class Fold:
    """One round of a cross-validation: what is tested, and all the rest."""

    name: str
    test: list[Sample]
    rest: list[Sample]


def make_folds(samples: Sequence[Sample], rule: SplitRule) -> list[Fold]:
    """The rule's folds: stratified ones of whole groups, or one for each group with enough samples of every class.

    Raises `SplitError` when there are too few groups, or a fold would leave a class without a picture to train on.
    """
    folds = _leave_one_group_out(samples, rule) if rule.scheme == "leave-one-group-out" else _stratified(samples, rule)
    classes = {sample.label for sample in samples}
    for fold in folds:
        if lost := classes - {sample.label for sample in fold.rest}:
            raise SplitError(
                f"fold {fold.name} leaves no picture of class number {min(lost)} to train on: all are in its groups. "
                "Add patients of that class, or use fewer folds"
            )
    return folds


def _stratified(samples: Sequence[Sample], rule: SplitRule) -> list[Fold]:
    """Folds of each pooled set by itself, put together: a set's folds are then the same whatever it is pooled with."""
    sets = sorted({str(sample.extra.get(SET, "")) for sample in samples})
    by_set = [_folds_of_one([s for s in samples if s.extra.get(SET, "") == name], rule) for name in sets]
    return [
        Fold(
            str(number),
            [sample for folds in by_set for sample in folds[number].test],
            [sample for folds in by_set for sample in folds[number].rest],
        )
        for number in range(rule.folds)
    ]


def _folds_of_one(samples: Sequence[Sample], rule: SplitRule) -> list[Fold]:
    kinds = kinds_of(samples)
    groups = [sample.group for sample in samples]
    if len(set(groups)) < rule.folds:
        raise SplitError(f"{len(set(groups))} groups can't fill {rule.folds} folds: lower split.folds")
    if (most := max(Counter(kinds.tolist()).values())) < rule.folds:
        raise SplitError(
            f"{rule.folds} folds can't be made of at most {most} pictures of a class: lower split.folds, or add pictures"
        )
    folder = StratifiedGroupKFold(rule.folds, shuffle=True, random_state=rule.seed)
    with warnings.catch_warnings():
        # A class with fewer pictures than folds can't be in each of them; the counts say so.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            rounds = list(folder.split(np.zeros(len(samples)), kinds, groups))
        except ValueError as error:
            raise SplitError(f"{rule.folds} folds can't be made: {error}") from error
    return [
        Fold(str(number), [samples[i] for i in test], [samples[i] for i in rest])
        for number, (rest, test) in enumerate(rounds)
    ]


def _leave_one_group_out(samples: Sequence[Sample], rule: SplitRule) -> list[Fold]:
    classes = {sample.label for sample in samples}
    each = Counter((sample.group, sample.label) for sample in samples)
    least = max(1, rule.min_each)
    tested = [
        group
        for group in sorted({sample.group for sample in samples})
        if all(each[group, label] >= least for label in classes)
    ]
    if not tested:
        raise SplitError(f"no group has {least} pictures of every class: lower split.min_each, or use folds")
    return [
        Fold(group, [s for s in samples if s.group == group], [s for s in samples if s.group != group])
        for group in tested
    ]


def split_samples(samples: Iterable[Sample], rule: SplitRule) -> Split:
    """One split: a fold is tested, another calibrates, the rest is trained on. Raises `SplitError`."""
    everything = list(samples)
    folds = make_folds(everything, rule)
    for name, index in (("test_fold", rule.test_fold), ("calibration_fold", rule.calibration_fold)):
        if index >= len(folds):
            raise SplitError(f"split.{name} = {index}, but there are {len(folds)} folds, counted from 0")
    if rule.test_fold == rule.calibration_fold:
        raise SplitError(f"fold {rule.test_fold} can't both test and calibrate: change split.calibration_fold")
    tested, calibrating = folds[rule.test_fold], folds[rule.calibration_fold]
    held = {sample.group for sample in (*tested.test, *calibrating.test)}
    split = Split(
        {
            TRAINING: [sample for sample in everything if sample.group not in held],
            CALIBRATION: list(calibrating.test),
            TEST: list(tested.test),
        }
    )
    if lost := {s.label for s in everything} - {s.label for s in split.parts[TRAINING]}:
        raise SplitError(f"the split leaves no picture of class number {min(lost)} to train on: choose other folds")
    return split
