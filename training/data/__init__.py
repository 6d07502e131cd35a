"""Data sets as lists of labelled pictures, and their splits.

An adapter (`adapters/`) turns a folder into `Sample`s. `group` is what must stay on one side of a split: a patient where
known. Pictures (`pictures.py`) are decoded by the box's own code. Splits (`splits.py`) keep groups together, and
`leaks.py` refuses those that share a picture nonetheless.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from training.data.adapters import Adapter, Source
from training.data.adapters.bach import BACH
from training.data.adapters.breakhis import BREAKHIS
from training.data.adapters.busi import BUSI
from training.data.adapters.cbis_ddsm import CBIS_DDSM
from training.data.adapters.folder import FOLDER
from training.data.adapters.idc import IDC
from training.data.adapters.mini_mias import MINI_MIAS
from training.data.leaks import check_leaks
from training.data.pictures import LIMITS, PICTURES, load_images, load_pixels, picture_bytes
from training.data.sample import Sample, labels_of
from training.data.splits import CALIBRATION, TEST, TRAINING, Fold, Split, make_folds, split_samples
from training.errors import DataError
from training.recipe import Recipe

__all__ = [
    "ADAPTERS",
    "CALIBRATION",
    "LIMITS",
    "PICTURES",
    "TEST",
    "TRAINING",
    "Fold",
    "Sample",
    "Split",
    "check_leaks",
    "default_labels",
    "find_samples",
    "labels_of",
    "list_samples",
    "load_images",
    "load_pixels",
    "make_folds",
    "picture_bytes",
    "split_samples",
]

_LOG = logging.getLogger(__name__)

ADAPTERS: dict[str, Adapter] = {
    "bach": BACH,
    "idc": IDC,
    "breakhis": BREAKHIS,
    "mini_mias": MINI_MIAS,
    "cbis_ddsm": CBIS_DDSM,
    "ddsm": CBIS_DDSM,
    "busi": BUSI,
    "folder": FOLDER,
}


def _adapter(name: str) -> Adapter:
    if name not in ADAPTERS:
        raise DataError(f"there is no adapter {name}; there are {', '.join(ADAPTERS)}")
    return ADAPTERS[name]


def default_labels(adapter: str, folder: Path) -> tuple[str, ...]:
    """Label ids when no recipe says any: the set's own, or the names of the folder's folders."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    inside = sorted(path.name for path in folder.glob("*/") if not path.name.startswith("."))
    return _adapter(adapter).labels or tuple(inside)


def list_samples(
    adapter: str,
    folder: Path,
    labels: Sequence[str],
    options: Mapping[str, str],
    note: Callable[[str], None] = _LOG.warning,
) -> list[Sample]:
    """The samples that an adapter finds, sorted by class, file and window. `note` is told what was left out.

    Raises `DataError` that names an unknown adapter or option, a missing folder, or a class without pictures.
    """
    chosen = _adapter(adapter)
    if unknown := sorted(options.keys() - chosen.options.keys()):
        known = ", ".join(chosen.options) or "none"
        raise DataError(f"the adapter {adapter} has no option {unknown[0]}; there are: {known}")
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    samples = chosen.find(Source(folder, tuple(labels), {**chosen.options, **options}, note))
    present = {sample.label for sample in samples}
    for index, label in enumerate(labels):
        if index not in present:
            raise DataError(
                f"{folder} has no pictures of class {label}: the adapter {adapter} expects {chosen.expects}"
            )
    return sorted(samples, key=lambda sample: (sample.label, sample.file, sample.box or ()))


def find_samples(recipe: Recipe, folder: Path) -> list[Sample]:
    """The samples of a recipe's data set in a folder; what is left out goes to the log as warnings. Raises `DataError`."""
    labels = [label.id for label in recipe.labels]
    return list_samples(recipe.data.adapter, folder, labels, recipe.data.options)
