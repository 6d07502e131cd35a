"""BACH and BreakHis as one set, at one scale: `bach/…`, `breakhis/…` and, if it is there, `breakhis_200x/…` in one folder.

BACH has four classes and few laboratories; BreakHis has patients of another laboratory, and its labels say less. What it
calls benign is a benign lesion of BACH's. What it calls malignant is carcinoma in situ or invasive carcinoma, which its
labels don't tell apart, so that such a picture has a partial label (`training/data/sample.py`).

A patient of BreakHis gives many fields that are much alike. Of each patient and magnification at most `most` are taken,
evenly spread over the sorted names. Groups are blocks of BACH and patients of BreakHis; each set has folds of its own, and
fold k of the whole is fold k of both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from training.data.adapters import Adapter, Source, bach, breakhis
from training.data.files import Files
from training.data.sample import OR, POSSIBLE, SET, UNKNOWN, Sample
from training.errors import DataError

BACH, BREAKHIS, REDUCED = "bach", "breakhis", "breakhis_200x"
MALIGNANT = ("insitu", "invasive")
MAGNIFICATIONS = "100X,200X"


def find(source: Source) -> list[Sample]:
    if source.labels != bach.LABELS:
        raise DataError(f"the adapter pooled knows the labels {', '.join(bach.LABELS)}, in this order, and no others")
    wanted = source.choice("sets", (BACH, BREAKHIS, "both"))
    samples: list[Sample] = []
    if wanted != BREAKHIS:
        samples += _of_bach(source)
    if wanted != BACH:
        samples += _of_breakhis(source)
    return samples


def _of_bach(source: Source) -> list[Sample]:
    below = _below(source, (BACH,), bach.ADAPTER, bach.LABELS)
    return [_placed(sample, BACH) for sample in bach.find(below)]


def _of_breakhis(source: Source) -> list[Sample]:
    below = _below(source, (BREAKHIS, REDUCED), breakhis.ADAPTER, ("benign", "malignant"))
    below = replace(below, options={**below.options, "magnification": MAGNIFICATIONS})
    found = [_placed(sample, BREAKHIS) for sample in breakhis.find(below)]
    malignant = OR.join(str(bach.LABELS.index(label)) for label in MALIGNANT)
    labelled = [
        replace(sample, label=UNKNOWN, extra={**sample.extra, POSSIBLE: malignant})
        if sample.label
        else replace(sample, label=bach.LABELS.index("benign"))
        for sample in found
    ]
    return _spread(source, labelled, int(source.number("most", 1, 10_000)))


def _below(source: Source, folders: Sequence[str], adapter: Adapter, labels: tuple[str, ...]) -> Source:
    """What another adapter is asked: the files in some folders, by their path from the pooled folder."""
    pictures = tuple(file for file in source.files.pictures if file.split("/")[0] in folders)
    files = Files(pictures, (), source.files.folders, {})
    return replace(source, labels=labels, options=adapter.options, files=files)


def _placed(sample: Sample, name: str) -> Sample:
    return replace(sample, group=f"{name}-{sample.group}", extra={**sample.extra, SET: name})


def _spread(source: Source, samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most so many samples of each patient and magnification."""
    alike: defaultdict[tuple[str, str | float], list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda sample: sample.file):
        alike[sample.group, sample.extra["magnification"]].append(sample)
    taken = []
    for members in alike.values():
        chosen = members[:: -(-len(members) // most)]
        taken += chosen
        for sample in members:
            if sample not in chosen:
                source.leave(sample.file, f"its patient has {most} fields of this magnification already")
    return taken


ADAPTER = Adapter(
    find,
    "bach/ and breakhis/, as the adapters of these names expect them, and breakhis_200x/ if it is there",
    bach.LABELS,
    {"sets": "both", "most": "4"},
    modality="histology",
)
