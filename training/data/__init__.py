"""Data sets as lists of labelled pictures, and their splits.

An adapter (`adapters/`) turns a folder into `Sample`s. `group` is what must stay on one side of a split: a patient where
known. Pictures (`pictures.py`) are decoded by the box's own code. Splits (`splits.py`) keep groups together, and
`leaks.py` refuses those that share a picture nonetheless.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath
from pkgutil import iter_modules

from training.data import adapters
from training.data.adapters import Adapter, Source
from training.data.files import PICTURES, Files, folder_words, list_files, passed_over_words
from training.data.leaks import check_leaks, check_readable
from training.data.pictures import LIMITS, load_images, load_pixels, picture_bytes
from training.data.sample import Sample, kinds_of, labels_of, possible_labels, possible_of
from training.data.scale import scale_doubt
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
    "adapter_module",
    "adapter_named",
    "check_leaks",
    "check_readable",
    "default_labels",
    "find_samples",
    "kinds_of",
    "labels_of",
    "list_samples",
    "load_images",
    "load_pixels",
    "make_folds",
    "picture_bytes",
    "possible_labels",
    "possible_of",
    "ready_samples",
    "split_samples",
]

_LOG = logging.getLogger(__name__)


def _find_adapters() -> dict[str, Adapter]:
    """The adapter of each module of `adapters/`, by the module's name and by its other names."""
    named: dict[str, Adapter] = {}
    for module in iter_modules(adapters.__path__):
        adapter = import_module(f"{adapters.__name__}.{module.name}").ADAPTER
        assert isinstance(adapter, Adapter)
        named |= dict.fromkeys((module.name, *adapter.other_names), adapter)
    return named


ADAPTERS = _find_adapters()


def adapter_named(name: str) -> Adapter:
    """The adapter that a recipe names. Raises `DataError`."""
    if name not in ADAPTERS:
        raise DataError(f"there is no adapter {name}; there are {', '.join(ADAPTERS)}")
    return ADAPTERS[name]


def adapter_module(recipe: Recipe) -> str:
    """The module that reads a recipe's data set. No import names it, so a figure's stamp must."""
    return adapter_named(recipe.data.adapter).find.__module__


def default_labels(adapter: str, folder: Path) -> tuple[str, ...]:
    """Label ids when no recipe says any: the set's own, or the names of the folder's folders that hold pictures."""
    if labels := adapter_named(adapter).labels:
        return labels
    files = _files(folder)
    inside = {PurePosixPath(file).parts[0] for file in files.pictures if "/" in file}
    if not inside:
        raise DataError(
            f"{folder} has no folders with pictures: the adapter {adapter} expects {adapter_named(adapter).expects}. There "
            f"are: {folder_words(files)}. {passed_over_words(files)}".strip()
        )
    return tuple(sorted(inside))


def _files(folder: Path) -> Files:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    return list_files(folder)


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
    chosen = adapter_named(adapter)
    if unknown := sorted(options.keys() - chosen.options.keys()):
        raise DataError(
            f"the adapter {adapter} has no option {', '.join(unknown)}; there are: {', '.join(chosen.options) or 'none'}. "
            "In a recipe they are data.options: those of another adapter must go when the adapter is changed"
        )
    source = Source(folder, tuple(labels), {**chosen.options, **options}, note, _files(folder))
    samples = chosen.find(source)
    present = {index for sample in samples for index in possible_labels(sample)}
    if missing := [label for index, label in enumerate(labels) if index not in present]:
        raise DataError(_not_recognised(adapter, source, missing))
    for sentence in _left_out_words(adapter, source, samples):
        note(sentence)
    return sorted(samples, key=lambda sample: (sample.label, sample.file, sample.box or ()))


def _not_recognised(adapter: str, source: Source, missing: Sequence[str]) -> str:
    """What is there and what would be read, for somebody whose folder has not the adapter's layout."""
    reasons = "".join(f" {sentence}." for sentence in _reasons(source))
    passed_over = passed_over_words(source.files, source.tables)
    return (
        f"{source.folder} has no pictures of class {', '.join(missing)}: the adapter {adapter} expects "
        f"{adapter_named(adapter).expects}. There are: {folder_words(source.files)}.{reasons} {passed_over}".rstrip()
        + f"\n→ Name the folder that has this layout, or another adapter ({', '.join(ADAPTERS)}); "
        "docs/researchers/datasets.md shows the layouts"
    )


def _reasons(source: Source) -> Iterator[str]:
    for reason, files in source.left_out.items():
        if len(files) == 1:
            yield f"{files[0]} is left out: {reason}"
        else:
            yield f"{len(files)} files are left out, the first {files[0]}: {reason}"


def _left_out_words(adapter: str, source: Source, samples: Sequence[Sample]) -> Iterator[str]:
    """Everything in the folder that became no sample, by the reason."""
    yield from _reasons(source)
    left_out = {file for files in source.left_out.values() for file in files}
    taken = {sample.file for sample in samples}
    rest = [
        file
        for file in source.files.pictures
        if file not in taken and file not in left_out and file not in source.tables
    ]
    if rest:
        yield (
            f"{len(rest)} other picture{'s' * (len(rest) > 1)} left out, the first {rest[0]}: the adapter {adapter} takes "
            f"{adapter_named(adapter).expects}"
        )
    if words := passed_over_words(source.files, source.tables):
        yield words


def find_samples(recipe: Recipe, folder: Path) -> list[Sample]:
    """The samples of a recipe's data set in a folder; what is left out goes to the log as warnings. Raises `DataError`."""
    labels = [label.id for label in recipe.labels]
    return list_samples(recipe.data.adapter, folder, labels, recipe.data.options)


def ready_samples(recipe: Recipe, folder: Path) -> list[Sample]:
    """The samples of a recipe, to be fitted on: all can be read, and what is doubtful about their scale goes to the log.
    Raises `DataError` and `PicturesUnreadable`."""
    samples = find_samples(recipe, folder)
    check_readable(folder, samples)
    if doubt := scale_doubt(recipe, folder, samples):
        _LOG.warning("%s", doubt)
    return samples
