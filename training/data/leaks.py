"""Pictures that stand twice in a data set, and splits that they leak through.

Two files are the same picture when their bytes are, and near-identical when their perceptual hashes (256 bits of the
library imagehash) differ in at most `NEAR` bits. Measured on the real sets (docs/engineers/decisions.md): pictures saved
again, halved or brightened lie within 28 bits of themselves (one IDC tile at JPEG quality 30: 40), different pictures of
different patients at least 50 apart. The library's usual 64 bits don't tell two breasts of different women apart.

A flat picture has no structure to compare, so it is nobody's duplicate. Windows are compared by the file that they are
cut from: one file is one group.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import imagehash
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from device.base.errors import ImageError
from device.reading.image import decode_in_process
from training.data.pictures import LIMITS, Problem, counted, file_bytes, problem_of, unreadable
from training.data.sample import Sample
from training.data.splits import Fold, Split
from training.errors import LeakError

NEAR = 32
HASH_SIDE = 16
WORDS = HASH_SIDE**2 // 64
AREA_PX = 128 * 128  # at which pictures are compared
# Standard deviation of grey under which a picture is flat. The flattest IDC tile with tissue has 5.
FLAT = 4.0
ROWS = 512  # compared at a time, against all others
NAMED = 5  # culprits in a message


@dataclass(frozen=True)
class Fingerprint:
    """What a file is known by. `bits` uint64 [4] is None for a flat picture, and for one that can't be read; the latter has
    a `problem` and no size, and where it can't even be opened no `sha256`."""

    file: str
    sha256: str | None
    bits: tuple[int, ...] | None
    size: tuple[int, int] | None
    problem: Problem | None


@dataclass(frozen=True)
class Pair:
    """Two files, by their index, that are one picture: `distance` in bits; None when their bytes are the same."""

    first: int
    second: int
    distance: int | None


def fingerprint(folder: Path, file: str) -> Fingerprint:
    """A file's fingerprint; kept for as long as the file is the same."""
    try:
        state = (folder / file).stat()
        return _fingerprint(folder, file, state.st_mtime_ns, state.st_size)
    except OSError as error:
        return Fingerprint(file, None, None, None, problem_of(error))


@cache
def _fingerprint(folder: Path, file: str, _changed_ns: int, _bytes: int) -> Fingerprint:
    path = folder / file
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        picture = decode_in_process(file_bytes(path), LIMITS, AREA_PX)
    except ImageError as error:
        return Fingerprint(file, sha256, None, None, problem_of(error))
    grey = PIL.Image.fromarray(picture.pixels).convert("L")
    size = (picture.width, picture.height)
    if np.asarray(grey).std() < FLAT:
        return Fingerprint(file, sha256, None, size, None)
    packed = np.packbits(imagehash.phash(grey, hash_size=HASH_SIDE).hash).view(np.uint64)
    return Fingerprint(file, sha256, tuple(int(word) for word in packed), size, None)


def fingerprints(folder: Path, files: Iterable[str]) -> list[Fingerprint]:
    """Fingerprints of files in a data folder, with a bar that shows how far it is."""
    return [fingerprint(folder, file) for file in counted(list(files), "compare pictures")]


def check_readable(folder: Path, samples: Iterable[Sample]) -> None:
    """Raises `PicturesUnreadable` that names files which can't be opened or decoded: before a network is loaded, so that
    nobody waits for what can't be done."""
    prints = fingerprints(folder, sorted({sample.file for sample in samples}))
    if problems := [(known.file, known.problem) for known in prints if known.problem]:
        raise unreadable(folder, problems, len(prints))


def same_pictures(prints: Sequence[Fingerprint]) -> list[Pair]:
    """Pairs of files that are one picture: identical ones first, then near-identical ones by distance."""
    return [*_identical(prints), *sorted(_near(prints), key=lambda pair: pair.distance or 0)]


def _identical(prints: Sequence[Fingerprint]) -> Iterator[Pair]:
    first: dict[str, int] = {}
    for index, known in enumerate(prints):
        if known.sha256 is None:
            continue
        if known.sha256 in first:
            yield Pair(first[known.sha256], index, None)
        else:
            first[known.sha256] = index


def _near(prints: Sequence[Fingerprint]) -> Iterator[Pair]:
    which = [index for index, known in enumerate(prints) if known.bits is not None]
    bits = np.array([prints[index].bits for index in which], np.uint64).reshape(-1, WORDS)
    for start in range(0, len(bits), ROWS):
        for row, column, distance in _close(bits[start : start + ROWS], bits[start:]):
            first, second = which[start + row], which[start + column]
            if row < column and prints[first].sha256 != prints[second].sha256:
                yield Pair(first, second, distance)


def _close(some: NDArray[np.uint64], others: NDArray[np.uint64]) -> Iterator[tuple[int, int, int]]:
    """(row, column, Hamming distance) where it is at most `NEAR`."""
    distances = np.zeros((len(some), len(others)), np.uint16)
    for word in range(WORDS):
        distances += np.bitwise_count(some[:, None, word] ^ others[None, :, word])
    rows, columns = np.nonzero(distances <= NEAR)
    for row, column in zip(rows, columns, strict=True):
        yield int(row), int(column), int(distances[row, column])


def join_same(folder: Path, samples: Sequence[Sample]) -> list[Sample]:
    """The samples with groups joined that share a picture; a joined group is called after its first."""
    files = sorted({sample.file for sample in samples})
    groups = sorted({sample.group for sample in samples})
    number = {group: index for index, group in enumerate(groups)}
    group_of = {sample.file: number[sample.group] for sample in samples}
    pairs = same_pictures(fingerprints(folder, files))
    ends = np.array([(group_of[files[p.first]], group_of[files[p.second]]) for p in pairs], np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(groups), len(groups)))
    _, component = connected_components(links, directed=False)
    leader: dict[int, str] = {}
    for group, joined in zip(groups, component, strict=True):
        leader.setdefault(int(joined), group)
    return [replace(sample, group=leader[int(component[number[sample.group]])]) for sample in samples]


def check_leaks(split: Split | Sequence[Fold] | Mapping[str, Sequence[Sample]], folder: Path) -> None:
    """Refuse sides of which two share a group, or a picture in identical or near-identical files.

    `split` is one split, all folds of a cross-validation (which costs no more), or any samples by the name of their side.
    Raises `LeakError` that names the culprits.
    """
    if isinstance(split, Split):
        parts: Mapping[str, Sequence[Sample]] = split.parts
    elif isinstance(split, Mapping):
        parts = split
    else:
        parts = _parts_of(split)
    leaks = [*_shared_groups(parts), *_shared_pictures(parts, folder)]
    if leaks:
        more = f"\n… and {len(leaks) - NAMED} more" if len(leaks) > NAMED else ""
        listed = "\n".join(leaks[:NAMED])
        raise LeakError(
            f"the split leaks, so its figures would flatter:\n{listed}{more}\n"
            "Put pictures that belong together into one group, then split anew "
            "(loupe-train data check DIR --groups groups.csv writes groups in which copies are together)"
        )


def _parts_of(folds: Sequence[Fold]) -> dict[str, list[Sample]]:
    """Each fold's test part, and what is never tested: what two of them share leaks in one of the folds."""
    parts = {f"fold {fold.name}": fold.test for fold in folds}
    tested = {(sample.file, sample.box) for fold in folds for sample in fold.test}
    every = {(sample.file, sample.box): sample for fold in folds for sample in (*fold.rest, *fold.test)}
    return {**parts, "what is never tested": [sample for key, sample in every.items() if key not in tested]}


def _where(parts: Mapping[str, Sequence[Sample]], what: Callable[[Sample], str]) -> dict[str, set[str]]:
    """The sides on which each group, or each file, is."""
    where: dict[str, set[str]] = defaultdict(set)
    for part, samples in parts.items():
        for sample in samples:
            where[what(sample)].add(part)
    return where


def _in_two_parts(where: Mapping[str, set[str]], kind: str) -> Iterator[str]:
    for name, both in where.items():
        if len(both) > 1:
            yield f"- {kind}{name} is in {' and in '.join(sorted(both))}"


def _shared_groups(parts: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    return _in_two_parts(_where(parts, lambda sample: sample.group), "group ")


def _shared_pictures(parts: Mapping[str, Sequence[Sample]], folder: Path) -> Iterator[str]:
    """A sentence for each pair of files on two sides; a file that is on two sides is one such pair."""
    where = _where(parts, lambda sample: sample.file)
    yield from _in_two_parts(where, "")
    if len(where) < 2:
        return
    prints = fingerprints(folder, sorted(where))
    for pair in same_pictures(prints):
        first, second = prints[pair.first].file, prints[pair.second].file
        if where[first] != where[second]:
            kind = "identical" if pair.distance is None else f"near-identical ({pair.distance} of 256 bits differ)"
            yield f"- {first} ({min(where[first])}) and {second} ({min(where[second])}) are {kind}"
