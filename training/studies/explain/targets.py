"""Pictures in which the place of a class is known, for localisation: each is read by a network that never saw its group.

- Mosaics of fields in four classes: a quarter of one unseen field of each class, at its own scale; the map of a class
  should lie in that class's quarter (Arias-Duart et al. 2022). A field's label needn't hold in every corner of it, for any
  method alike.
- Phantoms: drawn fields, whose tumour cells are known, and mosaics of them.
- Windows of sections: a tile amid its neighbours, of which the pathologist labelled some carcinoma and others not.
- Windows of films: where the lesion is.
- Pictures with a mask of their lesion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data import Sample, adapter_named, load_pixels
from training.data.adapters import Films, Lesion
from training.data.sample import mosaic_files, spread
from training.drawn.phantoms import KINDS, draw
from training.studies.explain.places import MOST, shares
from training.studies.explain.subject import Subject

Mask = NDArray[np.bool_]
TUMOURS = ("insitu", "invasive")
MOSAICS, LESIONS, PHANTOM_MOSAICS = "mosaics of fields", "lesions of phantoms", "mosaics of phantoms"
SECTION_WINDOWS, FILM_WINDOWS, MASKED = "windows of sections", "windows of films", "lesions with a mask"
FIRST_SEED = 1000  # none that another use of phantoms draws
LEAST_AREA, MOST_AREA = 0.05, 0.95
MOSAIC_CLASSES = 4  # a quarter each


@dataclass(frozen=True)
class Target:
    """`pixels` uint8 [h, w, 3] as the network reads them; `mask` bool [h, w], where class `label` is; `known` bool [h, w],
    where that can be said. `group` is what intervals resample."""

    set: str
    name: str
    pixels: NDArray[np.uint8]
    label: int
    mask: Mask
    known: Mask
    group: str


def _everywhere(mask: Mask) -> Mask:
    return np.ones_like(mask)


def _mosaic(parts: Sequence[NDArray[np.uint8]], places: NDArray[np.int64]) -> tuple[NDArray[np.uint8], list[Mask]]:
    """The middle quarter of each of four pictures of one shape, part i in quadrant `places[i]`; and each part's mask."""
    height, width, _ = parts[0].shape
    rows, columns = height // 2, width // 2
    pixels, masks = np.empty_like(parts[0]), []
    for part, quadrant in zip(parts, places.tolist(), strict=True):
        mask = np.zeros((height, width), bool)
        top, left = quadrant // 2 * rows, quadrant % 2 * columns
        mask[top : top + rows, left : left + columns] = True
        pixels[mask] = part[rows // 2 : rows // 2 + rows, columns // 2 : columns // 2 + columns].reshape(-1, 3)
        masks.append(mask)
    return pixels, masks


def _each_class(set_name: str, name: str, pixels: NDArray[np.uint8], masks: list[Mask], group: str) -> list[Target]:
    return [Target(set_name, name, pixels, label, mask, _everywhere(mask), group) for label, mask in enumerate(masks)]


def mosaics(subject: Subject, count: int) -> Iterator[Target]:
    """Each unseen field at most once, four classes a mosaic, within one block of numbers; as many as give `count` targets,
    the same number from each block."""
    rng = np.random.default_rng(1)
    by_group: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in subject.samples:
        by_group[sample.group][sample.label].append(sample)
    for group, classes in sorted(by_group.items()):
        if len(classes) != MOSAIC_CLASSES:
            continue
        most = -(-count // (MOSAIC_CLASSES * len(by_group)))
        for number, samples in enumerate(islice(zip(*(classes[k] for k in sorted(classes)), strict=False), most)):
            parts = load_pixels(subject.data, samples, subject.recipe.data)
            if len({part.shape for part in parts}) == 1:
                yield from _each_class(MOSAICS, f"{group}-{number}", *_mosaic(parts, rng.permutation(4)), group)


def phantoms(labels: Sequence[str], seeds: Sequence[int]) -> Iterator[Target]:
    """Drawn tumours with their cells as mask, and mosaics of drawn fields; a phantom is nobody's patient."""
    for seed in seeds:
        drawn = {kind: draw(kind, FIRST_SEED + seed) for kind in KINDS}
        for kind in TUMOURS:
            mask = drawn[kind].lesion
            yield Target(
                LESIONS,
                f"{kind}-{seed}",
                drawn[kind].pixels,
                labels.index(kind),
                mask,
                _everywhere(mask),
                str(seed),
            )
        order = np.random.default_rng(seed).permutation(4)
        made = _mosaic([drawn[label].pixels for label in labels], order)
        yield from _each_class(PHANTOM_MOSAICS, f"mosaic-{seed}", *made, str(seed))


def section_windows(subject: Subject, count: int) -> Iterator[Target]:
    """Windows with tiles of both classes, the same number with either class in the middle."""
    by_file = {sample.file: sample.label for sample in subject.samples}
    mixed = []
    for sample in subject.samples:
        tiles = mosaic_files(sample)
        classes = {by_file[file] for row in tiles for file in row if file}
        if len(classes) == 2:
            mixed.append(sample)
    for sample in spread(mixed, count):
        (pixels,) = load_pixels(subject.data, [sample], subject.recipe.data)
        tiles = mosaic_files(sample)
        height, width = (side // len(tiles) for side in pixels.shape[:2])
        mask, known = np.zeros(pixels.shape[:2], bool), np.zeros(pixels.shape[:2], bool)
        for row, files in enumerate(tiles):
            for column, file in enumerate(files):
                here = slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)
                known[here], mask[here] = bool(file), bool(file) and by_file[file] == 1
        yield Target(SECTION_WINDOWS, sample.file, pixels, 1, mask, known, sample.group)


def film_windows(subject: Subject, films: Films, count: int) -> Iterator[Target]:
    """Windows that show part of a lesion, neither hardly any of it nor nothing else."""
    masks = films.lesions(subject.data)
    shown = []
    for sample in subject.samples:
        if sample.label and sample.box:
            left, top, right, bottom = sample.box
            mask = masks[Path(sample.file).stem][top:bottom, left:right]
            if LEAST_AREA <= mask.mean() <= MOST_AREA:
                shown.append((sample, mask))
    picked = {id(sample) for sample in spread([sample for sample, _ in shown], count)}
    for sample, mask in shown:
        if id(sample) in picked:
            (pixels,) = load_pixels(subject.data, [sample], subject.recipe.data)
            sized = _mask_of_size(mask, pixels.shape)
            yield Target(
                FILM_WINDOWS, f"{sample.file} {sample.box}", pixels, 1, sized, _everywhere(sized), sample.group
            )


def masked_pictures(subject: Subject, lesion: Lesion, count: int) -> Iterator[Target]:
    """Unseen pictures with a mask of their lesion, a set for each class; the map of the picture's own class should lie in
    it."""
    masks = {sample: mask for sample in subject.samples if (mask := lesion(subject.data, sample.file)) is not None}
    for sample in spread(list(masks), count):
        (pixels,) = load_pixels(subject.data, [sample], subject.recipe.data)
        sized = _mask_of_size(masks[sample], pixels.shape)
        name = f"{MASKED}, {subject.recipe.labels[sample.label].id}"
        yield Target(name, sample.file, pixels, sample.label, sized, _everywhere(sized), sample.group)


def _mask_of_size(mask: Mask, shape: tuple[int, ...]) -> Mask:
    return np.asarray(shares(mask, (shape[0], shape[1])) >= MOST)


def known_places(subject: Subject, count: int) -> Iterator[Target]:
    """About `count` pictures of the fold's data set in which places are known, by what its adapter knows of them."""
    adapter = adapter_named(subject.recipe.data.adapter)
    if adapter.tiles:
        return section_windows(subject, count)
    if adapter.films:
        return film_windows(subject, adapter.films, count)
    if adapter.lesion:
        return masked_pictures(subject, adapter.lesion, count)
    return mosaics(subject, count)
