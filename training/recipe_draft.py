"""A recipe of one's own, drafted from a folder of pictures: what can be measured is filled in, what can't is left to say.

Name, source, terms and the classes of concern are empty or missing in a draft, and `pack` refuses a recipe without them
(`training/claims.py`), so that no card says of a model what nobody wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device.reading.image import read_size
from training.data import Sample, default_labels, list_samples
from training.data.adapters import plain_name
from training.data.leaks import fingerprints
from training.data.scale import um_per_px_read
from training.errors import DataError

ADAPTER = "folder"
LARGEST_AREA_PX = 196608  # that of the shipped model for H&E fields
SQUARE = 0.75  # side of the squares that are trained on, of a picture's short side as the network reads it
MULTIPLE_PX = 32
FOLDS = 5
LOOKED_AT = 200
# Pictures with an up and a down are hardly turned; grey ones have no stain.
UPRIGHT = {
    "ultrasound": (
        "[augmentation]",
        "upright = true  # depth points down",
        "rotation_deg = 15",
        "stain = 0",
        "",
    ),
    "mammography": ("[augmentation]", "rotation_deg = 30", "stain = 0", ""),
}


@dataclass(frozen=True)
class Draft:
    """A recipe as text, and what is left to say in it."""

    text: str
    to_say: tuple[str, ...]


def draft(folder: Path, name: str, modality: str, um_per_px: float | None) -> Draft:
    """Draft a recipe for class folders. `um_per_px` is of the pictures' own pixels, None where it isn't known. Raises
    `DataError` for a folder without classes."""
    options = {} if um_per_px is None else {"um_per_px": f"{um_per_px:g}"}
    folders = default_labels(ADAPTER, folder)
    labels = {label_id(name): name for name in folders}
    if len(labels) < len(folders):
        raise DataError(f"two of the folders {', '.join(folders)} would be one label: rename one")
    samples = list_samples(ADAPTER, folder, tuple(labels), options)
    width, height = _median_size(folder, samples)
    area_px = int(np.prod(read_size(width, height, min(width * height, LARGEST_AREA_PX))))
    scale = um_per_px_read(folder, samples, area_px)
    short = min(read_size(width, height, area_px))
    square = max(2 * MULTIPLE_PX, round(SQUARE * short / MULTIPLE_PX) * MULTIPLE_PX)
    groups = len({sample.group for sample in samples})
    by_patient = any(sample.group != sample.file for sample in samples)
    lines = [
        f"# Drafted by `loupe-train recipe {folder}`. Every setting is explained in docs/researchers/index.md.",
        "",
        f"id = {_quoted(name)}",
        'version = "1.0.0"',
        f"title = {{ en = {_quoted(name)}, fr = {_quoted(name)} }}",
        f"modality = {_quoted(modality)}",
    ]
    for label, shown in labels.items():
        words = _quoted(shown[:1].upper() + shown[1:])
        lines += ["", "[[labels]]", f"id = {_quoted(label)}", f"name = {{ en = {words}, fr = {words} }}"]
    lines += [
        "",
        "[data]",
        f"adapter = {_quoted(ADAPTER)}",
        'name = ""                  # what the pictures are: the card says it',
        'source = ""                # where they come from',
        'terms = ""                 # on what terms they may be used',
        _scale_line(scale, width, height),
        f"area_px = {area_px:<16} # about as many pixels as the network sees of a picture ({width} × {height})",
        *([f'options = {{ um_per_px = "{um_per_px:g}" }}  # of the files\' own pixels'] if um_per_px else []),
        "",
        "[split]",
        f"folds = {max(2, min(FOLDS, groups))}",
        "",
        "[fit]",
        "epochs = 20                # 0 leaves a linear probe on ImageNet's features, in a minute",
        "batch = 8",
        f"square_px = [{square}]",
        'balance = "weights"        # each class counts alike, however many pictures it has',
        "refit_head = true",
        "",
        *UPRIGHT.get(modality, ()),
        "[gate]",
        f'unit = "{"patient" if by_patient else "picture"}"',
        "",
        "[answer]",
        "# The labels of concern, which are never shown as harmless; [] where none is:",
        f"# concern = [{_quoted(list(labels)[-1])}]",
    ]
    to_say = ["title and the labels' names, in English and French", "data.name, data.source, data.terms"]
    if scale is None:
        to_say.append("data.um_per_px, if you know the size of your pictures' pixels (or draft anew with --um-per-px)")
    return Draft("\n".join(lines) + "\n", (*to_say, "answer.concern"))


def label_id(folder: str) -> str:
    """A folder's name as a label id: small ASCII letters, digits and hyphens, a letter first."""
    name = re.sub(r"[^a-z0-9_]+", "-", folder.lower()).strip("-_")[:40]
    if not re.match(r"[a-z]", name) or plain_name(name) != plain_name(folder):
        raise DataError(
            f"the folder {folder} can't name a label: rename it to plain letters, digits and hyphens, a letter first"
        )
    return name


def _median_size(folder: Path, samples: Sequence[Sample]) -> tuple[int, int]:
    chosen = samples[:: max(1, len(samples) // LOOKED_AT)]
    sizes = [known.size for known in fingerprints(folder, [sample.file for sample in chosen]) if known.size]
    if not sizes:
        raise DataError(f"no picture in {folder} can be read: `loupe-train data check {folder}` says why")
    width, height = np.median(np.array(sizes), axis=0)
    return round(width), round(height)


def _scale_line(scale: float | None, width: int, height: int) -> str:
    if scale is None:
        return "um_per_px = 1.0            # NOT KNOWN: size of a pixel, µm, once a picture is brought to area_px"
    return f"um_per_px = {scale:<14.3g} # size of a pixel once a picture of {width} × {height} is brought to area_px"


def _quoted(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)
