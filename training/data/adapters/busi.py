"""BUSI (Al-Dhabyani 2020): `{normal,benign,malignant}/….png`, breast ultrasound images.

The set names no patients, and it holds many copies and neighbouring frames, some under two classes. So each picture is
a group of its own, joined with those that are near-identical to it (`training/data/leaks.py`). Lesion masks, which lie
beside the pictures in the public archive (`benign (1)_mask.png`), are no pictures.
"""

from __future__ import annotations

import re

from training.data.adapters import Adapter, Source
from training.data.adapters.folder import class_files
from training.data.leaks import join_same
from training.data.sample import Sample

MASK = re.compile(r"_mask(_\d+)?\.\w+$")


def find(source: Source) -> list[Sample]:
    samples = [
        Sample(file, index, file)
        for index, label in enumerate(source.labels)
        for file in class_files(source.folder, label)
        if not MASK.search(file)
    ]
    if source.choice("copies", ("join", "keep")) == "keep":
        return samples
    joined = join_same(source.folder, samples)
    if copies := len(samples) - len({sample.group for sample in joined}):
        source.note(f"{copies} pictures are copies of others, or nearly: each is in one group with what it resembles")
    return joined


BUSI = Adapter(find, "{normal,benign,malignant}/*.png", ("normal", "benign", "malignant"), {"copies": "join"})
