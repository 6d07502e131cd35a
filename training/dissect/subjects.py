"""The pictures that units are measured on: a data set's, by its recipe, or phantoms; with masks where there are any.

Masks say where something lies: a section's tiles with carcinoma, the lesions of films, the layers that a phantom was drawn
from. Other sets have none.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.base.records import Words
from device.reading.bundle import Bundle
from training.data import ADAPTERS, Sample, adapter_named, find_samples, picture_bytes
from training.data.adapters import Adapter, Films, Tiles
from training.data.sample import mosaic_files
from training.drawn.phantoms import KINDS, draw
from training.errors import DissectError
from training.recipe import Recipe

KEPT = 200  # phantoms in memory, about 1 MB each: drawing one takes longer than reading it
Mask = NDArray[np.bool_]

CONCEPTS: dict[str, Words] = {
    "carcinoma_tiles": Words("tiles with carcinoma", "tuiles avec carcinome"),
    "circle": Words("the radiologist’s circles", "les cercles du radiologue"),
    "lesion": Words("drawn glands or tumour", "glandes ou tumeur dessinées"),
    "nuclei": Words("drawn nuclei", "noyaux dessinés"),
    "empty": Words("drawn empty glass", "verre vide dessiné"),
}


@dataclass(frozen=True)
class Seen:
    """One picture: the bytes that the box would get, and masks by concept, bool [h, w] in the picture's pixels. `valid`
    (the same shape, None for everywhere) is where the masks say anything."""

    data: bytes
    masks: Mapping[str, Mask]
    valid: Mask | None = None


@dataclass(frozen=True)
class Subjects:
    """Pictures to measure on. `labels` are class indices [n] in the bundle's order, `groups` [n] what may be one patient;
    `load(i)` gives a picture. `synthetic`: drawn by our own code, so that patches of it may be given away."""

    name: str
    terms: str
    synthetic: bool
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    concepts: tuple[str, ...]
    load: Callable[[int], Seen]

    def __len__(self) -> int:
        return len(self.groups)


def subjects_of(recipe: Recipe, folder: Path, bundle: Bundle) -> Subjects:
    """The pictures of a recipe's data set. Raises `DissectError` when the bundle has other classes, and `DataError`."""
    if tuple(label.id for label in recipe.labels) != bundle.labels:
        raise DissectError(
            f"the recipe {recipe.id} has other classes than {bundle.name} ({', '.join(bundle.labels)}): give --recipe"
        )
    samples = find_samples(recipe, folder)
    concepts, masks = _masks_of(adapter_named(recipe.data.adapter), folder, samples)

    def load(index: int) -> Seen:
        return Seen(picture_bytes(folder, samples[index]), *masks(samples[index]))

    return Subjects(
        recipe.data.name,
        recipe.data.terms,
        False,
        np.array([sample.label for sample in samples], np.int64),
        tuple(sample.group for sample in samples),
        concepts,
        load,
    )


Masks = tuple[Mapping[str, Mask], Mask | None]


def _masks_of(
    adapter: Adapter, folder: Path, samples: Sequence[Sample]
) -> tuple[tuple[str, ...], Callable[[Sample], Masks]]:
    if (tiles := adapter.tiles) and mosaic_files(samples[0]):
        return ("carcinoma_tiles",), lambda sample: _tile_masks(sample, tiles)
    if films := adapter.films:
        lesions = films.lesions(folder)
        return ("circle",), lambda sample: ({"circle": _lesion_mask(sample, films, lesions)}, None)
    return (), lambda _: ({}, None)


def _tile_masks(sample: Sample, tiles: Tiles) -> Masks:
    """Places without a tile are white and say nothing."""
    rows = mosaic_files(sample)
    tile = np.ones((tiles.side_px, tiles.side_px), bool)
    positive = np.array([[tiles.is_positive(file) for file in row] for row in rows])
    there = np.array([[bool(file) for file in row] for row in rows])
    return {"carcinoma_tiles": np.kron(positive, tile)}, np.kron(there, tile)


def _lesion_mask(sample: Sample, films: Films, lesions: Mapping[str, Mask]) -> Mask:
    left, top, right, bottom = sample.box or (0, 0, films.side_px, films.side_px)
    whole = lesions.get(Path(sample.file).stem)
    return np.zeros((bottom - top, right - left), bool) if whole is None else whole[top:bottom, left:right]


def phantom_subjects(bundle: Bundle, count: int) -> Subjects:
    """Phantoms in the shape and at the magnification that the bundle reads, `count` in all, as many of each kind.

    Raises `DissectError` for a bundle whose classes no phantom stands for.
    """
    kinds_as_labels = [adapter.phantoms for adapter in ADAPTERS.values() if adapter.labels == bundle.labels]
    classes = next(filter(None, kinds_as_labels), None)
    if classes is None:
        raise DissectError(
            f"no phantoms are drawn for {bundle.name} ({', '.join(bundle.labels)}): name a folder instead"
        )
    preprocessing = bundle.manifest.preprocessing
    width = int(round((preprocessing.area_px * 4 / 3) ** 0.5 / 32) * 32)
    height = int(preprocessing.area_px / width / 32) * 32
    kinds = [KINDS[index % len(KINDS)] for index in range(count)]

    @lru_cache(maxsize=KEPT)
    def load(index: int) -> Seen:
        field = draw(kinds[index], 1000 + index // len(KINDS), width, height, preprocessing.um_per_px)
        buffer = io.BytesIO()
        PIL.Image.fromarray(field.pixels).save(buffer, "PNG", compress_level=0)
        return Seen(buffer.getvalue(), {"lesion": field.lesion, "nuclei": field.nuclei, "empty": field.empty})

    return Subjects(
        "phantoms: fields drawn by Loupe’s own code",
        "free: no photograph and no patient’s tissue is in them",
        True,
        np.array([bundle.labels.index(classes[kind]) for kind in kinds], np.int64),
        tuple(f"phantom {index}" for index in range(count)),
        ("lesion", "nuclei", "empty"),
        load,
    )
