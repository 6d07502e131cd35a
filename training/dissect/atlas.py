"""The unit atlas as a file: figures of the units that matter most, and their patches (`device/reading/atlas.py` reads
it)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from msgspec import to_builtins
from msgspec.structs import replace

from device.base.records import Words
from device.reading.atlas import (
    INDEX,
    SCHEMA,
    Atlas,
    AtlasBundle,
    AtlasFigures,
    AtlasIndex,
    PatchEntry,
    PictureData,
    SelectiveUnits,
    UnitEntry,
    network_of,
)
from device.reading.reading import Reader
from training.dissect.patches import Patch
from training.dissect.subjects import CONCEPTS, Subjects
from training.dissect.survey import Survey

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same atlas gives the same bytes
DIGITS = 4
NOTICES = {
    True: {
        "en": "The patches were drawn by Loupe’s own code; no patient’s tissue is in them.",
        "fr": "Les vignettes ont été dessinées par le code de Loupe ; elles ne contiennent le tissu d’aucun patient.",
    },
    False: {
        "en": "The patches are cut from research data under its own terms: {terms}. Keep this file on your own boxes; "
        "don’t pass it on unless those terms allow it.",
        "fr": "Les vignettes sont découpées dans des données de recherche soumises à leurs propres conditions : {terms}. "
        "Gardez ce fichier sur vos propres boîtiers ; ne le transmettez que si ces conditions le permettent.",
    },
}


@dataclass(frozen=True)
class Origin:
    """How an atlas was made: by which command, at which quantile of a unit's own activations."""

    command: str
    quantile: float


def ranked(survey: Survey) -> list[int]:
    """All units that ever change: those that readings show most often first, then by the size of their part."""
    order = np.lexsort((-survey.importance, -survey.listed))
    return [int(unit) for unit in order if not survey.constant[unit]]


def data_entry(subjects: Subjects, survey: Survey, origin: Origin) -> PictureData:
    """Which pictures something was made from."""
    return PictureData(
        name=subjects.name,
        terms=subjects.terms,
        synthetic=subjects.synthetic,
        pictures=len(survey.read),
        groups=len({subjects.groups[i] for i in survey.read}),
        quantile=origin.quantile,
        created=date.today().isoformat(),
        command=origin.command,
    )


def figures(reader: Reader, subjects: Subjects, survey: Survey, chosen: Sequence[int], origin: Origin) -> AtlasFigures:
    """What holds for all units together. `covered`: the share of the units in readings' lists that the atlas has."""
    zero = reader.network.outputs["features"].zero_point
    return AtlasFigures(
        data=data_entry(subjects, survey, origin),
        units=len(survey.importance),
        constant=int(survey.constant.sum()),
        dead=int((survey.constant & (survey.highest - 128 == zero)).sum()),
        covered=float(survey.listed[list(chosen)].sum() / survey.listed.sum()),
        within=len(survey.within),
        selective=tuple(
            SelectiveUnits(auroc=level, units=count, by_chance=chance)
            for level, (count, chance) in survey.selective.items()
        ),
    )


def unit_entry(reader: Reader, subjects: Subjects, survey: Survey, unit: int) -> UnitEntry:
    """The figures of one unit, activations in real units; without patches."""
    quantization = reader.network.outputs["features"]
    labels = reader.bundle.labels
    counts = survey.histogram[unit]
    silent = int(np.clip(quantization.zero_point + 128, 0, len(counts) - 1))

    def real(steps: float) -> float:
        return round(float(steps) * quantization.scale, DIGITS)

    return UnitEntry(
        importance=round(float(survey.importance[unit]), DIGITS),
        listed=int(survey.listed[unit]),
        active=round(1 - float(counts[: silent + 1].sum() / counts.sum()), DIGITS),
        threshold=real(int(survey.thresholds[unit]) - quantization.zero_point),
        selectivity={label: round(float(survey.auroc[unit, k]), DIGITS) for k, label in enumerate(labels)},
        means={label: real(survey.class_means[unit, k]) for k, label in enumerate(labels)},
        overlap={concept: round(float(survey.overlap[unit, m]), DIGITS) for m, concept in enumerate(subjects.concepts)},
        inside={concept: round(float(survey.inside[unit, m]), DIGITS) for m, concept in enumerate(subjects.concepts)},
        patches=(),
    )


def file_name(unit: int, rank: int) -> str:
    return f"{unit}-{rank}.jpg"


def patch_entries(reader: Reader, unit: int, patches: Sequence[Patch]) -> tuple[PatchEntry, ...]:
    return tuple(
        PatchEntry(
            file=file_name(unit, rank),
            label=reader.bundle.labels[patch.label],
            activation=round(patch.activation, DIGITS),
        )
        for rank, patch in enumerate(patches)
    )


def make_atlas(
    reader: Reader,
    subjects: Subjects,
    survey: Survey,
    patches: Mapping[int, Sequence[Patch]],
    origin: Origin,
    figures_from: Atlas | None = None,
) -> Atlas:
    """The atlas of the units that have patches. With `figures_from` all figures are that atlas's, and only the patches
    are of these pictures."""
    manifest = reader.bundle.manifest
    if figures_from:
        measured = figures_from.index
        entries = {unit: measured.units[str(unit)] for unit in patches}
        listed_in_all = sum(entry.listed for entry in measured.units.values())
        share = sum(entry.listed for entry in entries.values()) / max(listed_in_all, 1)
        summary = replace(measured.figures, covered=measured.figures.covered * share)
        concepts = dict(measured.concepts)
    else:
        entries = {unit: unit_entry(reader, subjects, survey, unit) for unit in patches}
        summary = figures(reader, subjects, survey, list(patches), origin)
        concepts = {concept: CONCEPTS[concept] for concept in subjects.concepts}
    notice = {language: text.format(terms=subjects.terms) for language, text in NOTICES[subjects.synthetic].items()}
    index = AtlasIndex(
        schema=SCHEMA,
        notice=Words(**notice),
        bundle=AtlasBundle(
            id=manifest.id,
            version=manifest.version,
            sha256=reader.bundle.sha256,
            network=network_of(reader.bundle),
        ),
        labels=reader.bundle.labels,
        figures=summary,
        patches=data_entry(subjects, survey, origin),
        concepts=concepts,
        units={
            str(unit): replace(entry, patches=patch_entries(reader, unit, patches[unit]))
            for unit, entry in entries.items()
        },
    )
    files = {file_name(unit, rank): patch.jpeg for unit, cut in patches.items() for rank, patch in enumerate(cut)}
    return Atlas(index, files)


def write_atlas(atlas: Atlas, path: Path) -> None:
    """Write the zip: all of it or nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        text = json.dumps(to_builtins(atlas.index), ensure_ascii=False, separators=(",", ":"))
        archive.writestr(zipfile.ZipInfo(INDEX, EPOCH), text, zipfile.ZIP_DEFLATED)
        for name, patch in atlas.patches.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), patch, zipfile.ZIP_STORED)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(buffer.getvalue())
    part.replace(path)
