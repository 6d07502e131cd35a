"""PCam (Veeling et al. 2018): `{normal,tumour}/….jpg`, H&E tiles of lymph nodes, 96 × 96 px, with or without metastatic
breast cancer in their middle 32 px.

Cut from the slides of Camelyon16. The set names neither slides nor patients, so each tile is a group of its own, joined
with those that are near-identical to it (`training/data/leaks.py`). A slide gives many tiles, which no split here can keep
together: figures on it flatter, and it is for training beforehand, or for judging a network that never saw it.
"""

from __future__ import annotations

from training.data.adapters import Adapter, Source
from training.data.leaks import join_same
from training.data.sample import Sample

# Scanned at 0.243 µm/px (at 0.226 in one of the two hospitals), reduced fourfold.
UM_PER_PX = 0.97


def find(source: Source) -> list[Sample]:
    samples = [Sample(file, index, file, UM_PER_PX) for file, index in source.in_class_folders()]
    joined = join_same(source.folder, samples)
    if copies := len(samples) - len({sample.group for sample in joined}):
        source.note(f"{copies} tiles are copies of others, or nearly: each is in one group with what it resembles")
    return joined


ADAPTER = Adapter(
    find,
    "{normal,tumour}/*.jpg: the class folders at any depth, in any case",
    ("normal", "tumour"),
    group="picture",  # with its copies
    modality="histology",
)
