"""BUSI (Al-Dhabyani 2020): `{normal,benign,malignant}/….png`, breast ultrasound images; as published, in
`Dataset_BUSI_with_GT/{normal,benign,malignant}`.

The set names no patients, and it holds many copies and neighbouring frames, some under two classes. So each picture is
a group of its own, joined with those that are near-identical to it (`training/data/leaks.py`). Lesion masks, which lie
beside the pictures in the public archive (`benign (1)_mask.png`, `benign (4)_mask_1.png`), are no pictures.
"""

from __future__ import annotations

import re

from training.data.adapters import Adapter, Foreign, Source
from training.data.leaks import join_same
from training.data.sample import Sample

MASK = re.compile(r"_mask(_\d+)*\.\w+$", re.IGNORECASE)


def find(source: Source) -> list[Sample]:
    samples = []
    for file, index in source.in_class_folders():
        if MASK.search(file):
            source.leave(file, "a lesion's mask")
        else:
            samples.append(Sample(file, index, file))
    if source.choice("copies", ("join", "keep")) == "keep":
        return samples
    joined = join_same(source.folder, samples)
    if copies := len(samples) - len({sample.group for sample in joined}):
        source.note(f"{copies} pictures are copies of others, or nearly: each is in one group with what it resembles")
    return joined


ADAPTER = Adapter(
    find,
    "{normal,benign,malignant}/*.png, as in Dataset_BUSI_with_GT: the class folders at any depth, in any case",
    ("normal", "benign", "malignant"),
    {"copies": "join"},
    group="picture",  # with its copies
    modality="ultrasound",
    foreign=Foreign({"copies": "keep"}),
)
