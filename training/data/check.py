"""What there is to know about a data set before anything is trained on it: what is in it, and what would mislead.

Facts only; `training/data/check_page.py` shows them.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from training.data.leaks import NEAR, fingerprints, join_same, same_pictures
from training.data.pictures import Problem
from training.data.sample import UNKNOWN, Sample, labels_of

# Cramér's V up to which class and group hang together so: Cohen's small, medium and large effect.
STRENGTHS = ((0.1, "hardly"), (0.3, "weakly"), (0.5, "markedly"), (1.0, "strongly"))


@dataclass(frozen=True)
class Confounding:
    """How much the group (patient) gives the class away.

    `pure_groups` and `pure_pictures` are shares: groups with one class only, pictures in such groups. `cramers_v` is
    bias-corrected (Bergsma 2013); None when each group has one picture. `by_group` is the share of pictures whose
    class one names by always saying the commonest of their group, `by_majority` by the commonest of the set.
    """

    pure_groups: float
    pure_pictures: float
    cramers_v: float | None
    by_group: float
    by_majority: float
    mixed: list[str]

    def words(self) -> list[str]:
        """The figures in sentences, with what follows from them."""
        if self.cramers_v is None:
            return ["Each picture is a group of its own, so nothing can be said of patients."]
        strength = next(word for limit, word in STRENGTHS if self.cramers_v <= limit)
        sentences = [
            f"Class and group are {strength} linked (Cramér's V {self.cramers_v:.2f}).",
            f"{self.pure_groups:.0%} of groups have pictures of one class only; they hold {self.pure_pictures:.0%} of all.",
            f"Whoever knew the group and nothing of the picture would name {self.by_group:.0%} of classes rightly, "
            f"against {self.by_majority:.0%} without knowing the group.",
        ]
        if self.cramers_v > STRENGTHS[1][0]:
            sentences.append("A random split would measure how well patients are recognised: split by group.")
            if self.mixed:
                listed = ", ".join(self.mixed[:10]) + (" …" if len(self.mixed) > 10 else "")
                sentences.append(f"Groups with every class, which tell most when each is tested alone: {listed}.")
        return sentences


@dataclass(frozen=True)
class Copy:
    """Two files with one picture: `distance` in bits of 256, None when their bytes are the same."""

    first: str
    second: str
    distance: int | None
    same_group: bool
    same_class: bool


@dataclass(frozen=True)
class Check:
    """The facts about a data set. `table` [groups, classes] counts pictures, in the order of `groups` and `labels`."""

    folder: Path
    adapter: str
    labels: tuple[str, ...]
    samples: list[Sample]
    files: int
    groups: list[str]
    table: NDArray[np.int64]
    sizes: list[tuple[str, int]]
    um_per_px: list[float]
    unreadable: list[tuple[str, Problem]]
    copies: list[Copy]
    flat: int
    confounding: Confounding
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The facts without the samples, to be stored as JSON."""
        return {
            "folder": str(self.folder),
            "adapter": self.adapter,
            "pictures": len(self.samples),
            "files": self.files,
            "classes": {
                label: {"pictures": int(self.table[:, i].sum()), "groups": int((self.table[:, i] > 0).sum())}
                for i, label in enumerate(self.labels)
            },
            "groups": {
                group: {label: int(n) for label, n in zip(self.labels, row, strict=True)}
                for group, row in zip(self.groups, self.table, strict=True)
            },
            "sizes": dict(self.sizes),
            "um_per_px": self.um_per_px,
            "unreadable": {file: problem.code for file, problem in self.unreadable},
            "copies": [asdict(copy) for copy in self.copies],
            "near_bits": NEAR,
            "flat": self.flat,
            "confounding": asdict(self.confounding),
            "notes": self.notes,
        }


def check(folder: Path, adapter: str, labels: Sequence[str], samples: list[Sample], notes: list[str]) -> Check:
    """Open every file of the samples and gather the facts. `notes` are what the adapter left out.

    Pictures whose label leaves several classes open are opened and compared, but no table of classes can have them: a note
    says how many they are."""
    files = sorted({sample.file for sample in samples})
    prints = fingerprints(folder, files)
    group_of = {sample.file: sample.group for sample in samples}
    classes_of: dict[str, set[int]] = {file: set() for file in files}
    for sample in samples:
        classes_of[sample.file].add(sample.label)
    copies = [
        Copy(a, b, pair.distance, group_of[a] == group_of[b], classes_of[a] == classes_of[b])
        for pair in same_pictures(prints)
        for a, b in [(prints[pair.first].file, prints[pair.second].file)]
    ]
    sizes = Counter(f"{known.size[0]} × {known.size[1]}" for known in prints if known.size)
    if partial := sum(sample.label == UNKNOWN for sample in samples):
        notes = [
            *notes,
            f"Labels that leave several classes open: {partial}. Their pictures are in no table of classes",
        ]
        samples = [sample for sample in samples if sample.label != UNKNOWN]
    groups = sorted({sample.group for sample in samples}, key=_numbers_last)
    table = count(samples, groups, len(labels))
    return Check(
        folder=folder,
        adapter=adapter,
        labels=tuple(labels),
        samples=samples,
        files=len(files),
        groups=groups,
        table=table,
        sizes=sizes.most_common(),
        um_per_px=sorted({sample.um_per_px for sample in samples if sample.um_per_px is not None}),
        unreadable=[(known.file, known.problem) for known in prints if known.problem],
        copies=copies,
        flat=sum(known.bits is None and known.problem is None for known in prints),
        confounding=confounding(table, groups),
        notes=notes,
    )


def _numbers_last(group: str) -> tuple[int, str]:
    """Numbers in their own order: "2" before "10"."""
    return len(group) if group.isdigit() else 0, group


def count(samples: Sequence[Sample], groups: Sequence[str], classes: int) -> NDArray[np.int64]:
    """Pictures by group and class [groups, classes]."""
    row = {group: index for index, group in enumerate(groups)}
    cells = np.array([row[sample.group] for sample in samples], np.int64) * classes + labels_of(samples)
    return np.bincount(cells, minlength=len(groups) * classes).reshape(len(groups), classes)


def confounding(table: NDArray[np.int64], groups: Sequence[str]) -> Confounding:
    """How much the group gives the class away, from counts [groups, classes]."""
    n = table.sum()
    pure = (table > 0).sum(axis=1) == 1
    return Confounding(
        pure_groups=float(pure.mean()),
        pure_pictures=float(table[pure].sum() / n),
        cramers_v=None if len(table) == n else cramers_v(table),
        by_group=float(table.max(axis=1).sum() / n),
        by_majority=float(table.sum(axis=0).max() / n),
        mixed=[group for group, row in zip(groups, table, strict=True) if row.all()],
    )


def cramers_v(table: NDArray[np.int64]) -> float:
    """Cramér's V, 0 … 1, corrected for the bias of many small groups (Bergsma 2013); 0 for a single group or class."""
    rows, columns = table.shape
    n = int(table.sum())
    if min(rows, columns) < 2:
        return 0.0
    chi2 = float(chi2_contingency(table, correction=False).statistic)
    phi2 = max(0.0, chi2 / n - (rows - 1) * (columns - 1) / (n - 1))
    smaller = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(min(1.0, np.sqrt(phi2 / smaller))) if smaller > 0 else 0.0


def write_groups(folder: Path, samples: Sequence[Sample], out: Path) -> None:
    """Write `groups.csv` for the adapter `folder`: the groups as they are, joined where they share a picture."""
    groups = {sample.file: sample.group for sample in join_same(folder, samples)}
    with out.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(("file", "group"))
        writer.writerows(sorted(groups.items()))
