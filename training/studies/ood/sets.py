"""The foreign sets of the benchmark, each with its case and side, fixed here before anything was measured.

Validation, on which the detector that ships is chosen: pictures drawn by our code, other data sets of ours, and
half of the corruptions. Test, which is only reported: every folder of foreign pictures and the other corruptions. A class
left out stands on the test side too.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from training.data import ADAPTERS, adapter_named, find_samples, list_samples, load_pixels, picture_bytes
from training.data.adapters import Adapter
from training.data.files import list_files
from training.data.sample import Sample
from training.drawn import foreign
from training.errors import DataError
from training.recipe import Recipe
from training.studies.ood.cases import ACQUISITION, CONTENT, TEST, UNRELATED, VALIDATION
from training.studies.ood.corruptions import CORRUPTIONS, Corruption

_LOG = logging.getLogger(__name__)

A_SET = 60
"""Pictures of a validation set, evenly spread."""
A_FOLDER = 100
"""Pictures of a test folder, evenly spread."""
DRAWN_EACH = 6
TISSUE = ("immunostain", "magnified")  # drawings of tissue, wrongly taken

HISTOLOGY = "histology"
MODALITIES = ("mammography", "ultrasound", HISTOLOGY)  # in the order of their sets

# What a known folder shows to a model of H&E; one that isn't here is unrelated, and all are to other models.
KNOWN_FOLDERS: Mapping[str, str] = {
    "ihc": ACQUISITION,
    "lung_colon_he": CONTENT,
    "colorectal_he": CONTENT,
    "pannuke": CONTENT,
}

COLOURED = 8.0
"""Mean difference between a pixel's strongest and weakest channel, grey levels, above which pictures have colours."""


@dataclass(frozen=True)
class ForeignSet:
    """A set of foreign pictures, each given as a function that returns the bytes of its file; `names` tell them apart."""

    name: str
    case: str
    side: str
    names: tuple[str, ...]
    pictures: tuple[Callable[[], bytes], ...] = field(repr=False)


def spread(items: Sequence[Sample], count: int) -> list[Sample]:
    """At most `count` of the items, evenly spread."""
    return [items[index] for index in np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).astype(int))]


def bmp(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as the bytes of a picture file: the format that is written fastest, without loss."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()


def _drawn(recipe: Recipe) -> list[ForeignSet]:
    """Our own drawings, at the size at which they are drawn best. Tissue is unrelated only to models of something else."""

    def one(make: Callable[..., NDArray[np.uint8]], seed: int) -> Callable[[], bytes]:
        return lambda: bmp(make(seed))

    tissue = ACQUISITION if _modality(recipe) == HISTOLOGY else UNRELATED
    sets: dict[str, dict[str, Callable[[], bytes]]] = {"drawn_pictures": {}, "drawn_tissue": {}, "drawn_textures": {}}
    for name, make in (foreign.DRAWN | foreign.PLAIN).items():
        chosen = "drawn_textures" if name in foreign.PLAIN else "drawn_tissue" if name in TISSUE else "drawn_pictures"
        for seed in range(DRAWN_EACH):
            sets[chosen][f"{name}-{seed}"] = one(make, seed)
    return [
        ForeignSet(
            name, tissue if name == "drawn_tissue" else UNRELATED, VALIDATION, tuple(pictures), tuple(pictures.values())
        )
        for name, pictures in sets.items()
    ]


def _siblings(recipe: Recipe, beside: Path) -> list[ForeignSet]:
    """Other data sets that lie beside the recipe's. One of another modality is unrelated; one of the same modality shows
    the same organ at another scale, under another scanner. The recipe's own adapter is left out."""
    modality, sets = _modality(recipe), []
    for name, adapter in sorted(ADAPTERS.items(), key=_order):
        folder = beside / name
        if modality is None or adapter.foreign is None or name == recipe.data.adapter or not folder.is_dir():
            continue
        try:
            listed = list_samples(name, folder, adapter.labels, adapter.foreign.options, lambda _: None)
        except DataError as error:
            _LOG.warning("%s is left out: %s", name, error)
            continue
        samples = spread([sample for sample in listed if adapter.foreign.takes(sample)], A_SET)
        sets.append(
            ForeignSet(
                name,
                ACQUISITION if adapter.modality == modality else UNRELATED,
                VALIDATION,
                tuple(f"{sample.file} {sample.box}" for sample in samples),
                tuple(_sample(folder, sample) for sample in samples),
            )
        )
    return sets


def _modality(recipe: Recipe) -> str | None:
    """What the set's pictures show. Of anybody's own pictures nothing is assumed: None."""
    return adapter_named(recipe.data.adapter).modality


def _order(named: tuple[str, Adapter]) -> tuple[int, str]:
    """By modality, then by name: the order decides no figure, but in which rows tables have them."""
    name, adapter = named
    return (MODALITIES.index(adapter.modality) if adapter.modality else len(MODALITIES), name)


def _sample(folder: Path, sample: Sample) -> Callable[[], bytes]:
    return lambda: picture_bytes(folder, sample)


def _folders(recipe: Recipe, folder: Path) -> list[ForeignSet]:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder} of foreign pictures: give --foreign")
    histology, sets = _modality(recipe) == HISTOLOGY, []
    for inside in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = [inside / file for file in list_files(inside).pictures]
        chosen = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, min(A_FOLDER, len(files))).astype(int))]
        if chosen:
            case = KNOWN_FOLDERS.get(inside.name, UNRELATED) if histology else UNRELATED
            names = tuple(path.relative_to(folder).as_posix() for path in chosen)
            sets.append(ForeignSet(inside.name, case, TEST, names, tuple(path.read_bytes for path in chosen)))
    return sets


def foreign_sets(recipe: Recipe, data: Path, folder: Path) -> list[ForeignSet]:
    """All sets but the corruptions, validation first. `folder` holds a folder for each test set. Raises `DataError`."""
    return [*_drawn(recipe), *_siblings(recipe, data.resolve().parent), *_folders(recipe, folder)]


def fitting_corruptions(recipe: Recipe, data: Path) -> dict[str, Corruption]:
    """The corruptions that make sense for the recipe's pictures: those of colours where there are any, those of
    haematoxylin and eosin for histology."""
    some = load_pixels(data, spread(find_samples(recipe, data), 20), recipe.data)
    colourful = float(np.median([np.ptp(picture.astype(np.int16), axis=-1).mean() for picture in some])) > COLOURED
    stained = colourful and _modality(recipe) in (HISTOLOGY, None)
    return {
        name: kind
        for name, kind in CORRUPTIONS.items()
        if (colourful or not kind.colour) and (stained or not kind.stained)
    }
