"""Every picture of the benchmark, read once by the box's own code; the numbers that detectors need stay in a folder.

Each fold of the recipe's cross-validation brings its own network and gate, fitted without the fold's test groups: those are
its proper pictures. Corruptions are made of them. Foreign pictures are read by every fold's network. No picture is
stored, only numbers of the network's outputs: means and spreads over the picture, and means over the cells of a grid.

    OUT/FOLD/{fit,proper,teach,SET}.npz      a second run starts from these
    OUT/FOLD/float/SET.npz, odin-SET.npy     the same of a few pictures by the float network
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from device.base.errors import ImageError
from device.reading.image import decode_in_process
from device.reading.reading import Reader, Reading
from device.reading.tissue import counted_places
from training.data import LIMITS, Sample, adapter_module, load_pixels, picture_bytes
from training.data.pictures import counted
from training.errors import RunError
from training.networks.head import CLASS_MAP
from training.packing.draft import DraftFold
from training.run_files import WEIGHTS
from training.stamp import Source, file_sha256, keep_only, source
from training.studies.ood.cases import VALIDATION
from training.studies.ood.corruptions import Corruption, corrupt
from training.studies.ood.sets import ForeignSet, bmp, spread

if TYPE_CHECKING:
    from training.studies.ood.autoencoder import Similarity

FEATURES = "features"
DEPTHS = ("early", "middle", FEATURES)
CELL_PX = 64
"""Side of a cell of the grid, in pixels of the picture as read; each depth is averaged over it."""
FITTED, PROPER, CORRUPTED, TAUGHT = 1000, 150, 24, 4
"""At most so many pictures a fold: to fit on, to test, to corrupt of each kind, to teach the classifier of each kind."""
FIT, PROPER_SET, TEACH = "fit", "proper", "teach"
HEAD, FLOAT, ODIN_OF = "head.npz", "float", "odin-"
BESIDE_FLOAT = 8
"""Pictures of each set that the float network reads too, the first ones."""
NUMBERS = ("*.npz", "*.npy", "*.pickle")
"""The files of the numbers."""


@dataclass(frozen=True)
class Collected:
    """The pictures of a set, n of them with m cells in all, as one fold's network gives them, in real units (float32).

    `early`, `middle`, `features` [n, 2·channels]: mean, then standard deviation over places. `cell_early` [m, 2·channels]
    likewise, `cell_middle`, `cell_features` [m, channels]: means over a cell; `cell_map` [m, classes] of the class map;
    `cell_of` [m] is each cell's picture. `logits` [n, classes]. `ssim` [m]: the autoencoder's. `gate` [n]: the shipping
    gate's score, its question that is furthest over its threshold, of which 1 is the threshold; `refused` [n] bool.
    `network_ms`, `gate_ms`, `ssim_ms` [n]. `label` [n], −1 for foreign pictures; `unit` [n]: what is resampled together.
    """

    early: NDArray[np.float32]
    middle: NDArray[np.float32]
    features: NDArray[np.float32]
    cell_early: NDArray[np.float32]
    cell_middle: NDArray[np.float32]
    cell_features: NDArray[np.float32]
    cell_map: NDArray[np.float32]
    cell_of: NDArray[np.int64]
    logits: NDArray[np.float32]
    ssim: NDArray[np.float32]
    gate: NDArray[np.float32]
    refused: NDArray[np.bool_]
    network_ms: NDArray[np.float32]
    gate_ms: NDArray[np.float32]
    ssim_ms: NDArray[np.float32]
    label: NDArray[np.int64]
    unit: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def load(cls, file: Path) -> Collected:
        with np.load(file, allow_pickle=False) as arrays:
            return cls(**{
                field.name: arrays[field.name].astype(np.float32)
                if arrays[field.name].dtype == np.float16
                else arrays[field.name]
                for field in fields(cls)
            })  # fmt: skip

    def save(self, file: Path) -> None:
        """Cells take half precision: four hundredths of a per cent, far below the steps of 8 bits."""
        file.parent.mkdir(parents=True, exist_ok=True)
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        half = {
            name: array.astype(np.float16)
            for name, array in arrays.items()
            if name.startswith("cell_") and array.ndim == 2
        }
        written = file.with_suffix(".part.npz")
        np.savez(written, **(arrays | half))
        written.replace(file)

    def take(self, chosen: NDArray[np.bool_]) -> Collected:
        """Some of the pictures, `chosen` [n] bool, with their cells."""
        inside = chosen[self.cell_of]
        number = np.cumsum(chosen) - 1
        taken = {}
        for field in fields(self):
            array = getattr(self, field.name)
            of_cells = field.name.startswith("cell_") or field.name == "ssim"
            taken[field.name] = array[inside] if of_cells else array[chosen]
        taken["cell_of"] = number[taken["cell_of"]]
        return Collected(**taken)


@dataclass(frozen=True)
class Subject:
    """A fold of the cross-validation, and the folder of its numbers."""

    fold: DraftFold
    cache: Path

    @cached_property
    def fitted(self) -> list[Sample]:
        """Some of the pictures that network and gate were fitted on, to fit detectors on."""
        return spread(self.fold.fitted, FITTED)

    @cached_property
    def similarity(self) -> Similarity:
        from training.studies.ood.autoencoder import fit_autoencoder

        return fit_autoencoder(load_pixels(self.fold.data, self.fitted, self.fold.recipe.data))


@dataclass(frozen=True)
class Item:
    """A picture to be read: its bytes, its class (−1 where it is foreign) and what a resampling keeps it with."""

    data: Callable[[], bytes]
    label: int
    unit: str


def _proper(subject: Subject, samples: Sequence[Sample]) -> list[Item]:
    return [Item(partial(picture_bytes, subject.fold.data, sample), sample.label, sample.group) for sample in samples]


def _corrupted(subject: Subject, samples: Sequence[Sample], kind: str) -> list[Item]:
    def make(sample: Sample, seed: int) -> bytes:
        return bmp(corrupt(kind, decode_in_process(picture_bytes(subject.fold.data, sample), LIMITS).pixels, seed))

    return [Item(partial(make, sample, seed), -1, sample.group) for seed, sample in enumerate(samples)]


def _lessons(subject: Subject, corruptions: Mapping[str, Corruption]) -> list[Item]:
    """What the classifier is taught of the validation corruptions, made from fitting pictures; `unit` is the kind."""
    kinds = [kind for kind, corruption in corruptions.items() if corruption.side == VALIDATION]
    samples = spread(subject.fitted, TAUGHT)
    return [replace(item, unit=kind) for kind in kinds for item in _corrupted(subject, samples, kind)]


def _items(
    subject: Subject, sets: Sequence[ForeignSet], corruptions: Mapping[str, Corruption]
) -> dict[str, Callable[[], list[Item]]]:
    """All that a fold reads, by name."""
    tested = subject.fold.unseen
    items: dict[str, Callable[[], list[Item]]] = {
        FIT: lambda: _proper(subject, subject.fitted),
        PROPER_SET: lambda: _proper(subject, spread(tested, PROPER)),
        TEACH: lambda: _lessons(subject, corruptions),
    }
    for kind in corruptions:
        items[kind] = partial(_corrupted, subject, spread(tested, CORRUPTED), kind)
    for each in sets:
        items[each.name] = partial(
            lambda s: [Item(make, -1, name) for name, make in zip(s.names, s.pictures, strict=True)], each
        )
    return items


def cells(array: NDArray[Any], rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of an output [R, C, channels] over a grid: [rows · columns, channels] each."""
    down, right = (
        np.linspace(0, size, count + 1).round().astype(int)
        for size, count in zip(array.shape, (rows, columns), strict=False)
    )

    def total(values: NDArray[np.float32]) -> NDArray[np.float32]:
        # Where the output is coarser than the grid, neighbouring cells share a place.
        tops, lefts = np.minimum(down[:-1], values.shape[0] - 1), np.minimum(right[:-1], values.shape[1] - 1)
        return np.asarray(np.add.reduceat(np.add.reduceat(values, tops, 0), lefts, 1), np.float32)

    values = array.astype(np.float32)
    places = np.maximum(np.outer(np.diff(down), np.diff(right)), 1)[..., None].astype(np.float32)
    mean = (total(values) / places).reshape(rows * columns, -1)
    square = (total(values**2) / places).reshape(rows * columns, -1)
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def describe(
    outputs: Mapping[str, NDArray[np.float32]], class_map: NDArray[np.floating], there: NDArray[np.bool_],
    size: tuple[int, int],
) -> dict[str, NDArray[np.float32]]:  # fmt: skip
    """The rows of one picture of `size` (height, width as read): `Collected`'s names, pooled without their first axis.
    Features are pooled over the places `there` [rows, columns], which make the logits; elsewhere the map is 0."""
    rows, columns = (max(1, side // CELL_PX) for side in size)
    pooled: dict[str, NDArray[np.float32]] = {}
    for depth in DEPTHS:
        flat = outputs[depth][there] if depth == FEATURES else outputs[depth].reshape(-1, outputs[depth].shape[-1])
        pooled[depth] = np.concatenate([flat.mean(0), flat.std(0)])
        mean, spread_ = cells(outputs[depth], rows, columns)
        pooled[f"cell_{depth}"] = np.concatenate([mean, spread_], 1) if depth == "early" else mean
    pooled["cell_map"] = cells(np.where(there[..., None], class_map, 0), rows, columns)[0]
    return pooled


def real_outputs(reader: Reader, reading: Reading) -> dict[str, NDArray[np.float32]]:
    """A reading's int8 outputs in real units, by depth."""
    by_depth = {}
    for depth in DEPTHS:
        scale = reader.network.outputs[depth]
        by_depth[depth] = (reading.outputs[depth].astype(np.float32) - scale.zero_point) * np.float32(scale.scale)
    return by_depth


def gate_score(reading: Reading) -> float:
    """How far the question furthest over its threshold is: 1 is at the threshold."""
    return max(answer.excess for answer in reading.verdict.answers)


def gather(rows: Sequence[Mapping[str, Any]]) -> Collected:
    """One picture's arrays each → a set's."""
    arrays: dict[str, Any] = {}
    for name in rows[0]:
        of_cells = name.startswith("cell_") or name == "ssim"
        arrays[name] = (
            np.concatenate([row[name] for row in rows]) if of_cells else np.stack([row[name] for row in rows])
        )
    arrays["cell_of"] = np.repeat(np.arange(len(rows)), [len(row["ssim"]) for row in rows])
    return Collected(**arrays)


def _read(subject: Subject, name: str, items: Iterable[Item]) -> Collected:
    """Pictures that the box can't decode (too narrow, too small) are left out: it refuses them before any gate."""
    rows = []
    for item in counted(list(items), f"fold {subject.fold.name}, {name}"):
        try:
            reading = subject.fold.reader.read(item.data())
        except ImageError:
            continue
        size = reading.image.pixels.shape[:2]
        pooled = describe(
            real_outputs(subject.fold.reader, reading), reading.maps.values, reading.maps.counted, (size[0], size[1])
        )
        grid = [max(1, side // CELL_PX) for side in size]
        started = perf_counter()
        similarity = subject.similarity(reading.image.pixels)
        took_ms = (perf_counter() - started) * 1e3
        pooled["ssim"] = cells(similarity[..., None], grid[0], grid[1])[0][:, 0]
        rows.append(
            {
                **pooled,
                "logits": reading.maps.logits.astype(np.float32),
                "gate": np.float32(gate_score(reading)),
                "refused": np.bool_(not reading.verdict.accepted),
                "network_ms": np.float32(reading.timings_ms["network"]),
                "gate_ms": np.float32(reading.timings_ms["gate"]),
                "ssim_ms": np.float32(took_ms),
                "label": np.int64(item.label),
                "unit": np.str_(item.unit),
            }
        )
    if not rows:
        raise RunError(f"no picture of {name} could be read")
    return gather(rows)


def _read_float(
    subject: Subject, name: str, items: Iterable[Item], count: int | None
) -> tuple[Collected, NDArray[np.float32]]:
    """The first `count` pictures (all, where None) by the float network, the box's decoding before it; ODIN's scores [n]
    beside, empty where all are read."""
    from training.studies.ood.perturbation import float_forward, odin

    model, counts = subject.fold.run.model, subject.fold.recipe.network.counts
    forward, perturbed = float_forward(model, counts), odin(model, counts)
    rows: list[dict[str, Any]] = []
    scores: list[float] = []
    for item in counted(list(items)[: 2 * count if count else None], f"fold {subject.fold.name}, {name}, float"):
        if len(rows) == count:
            break
        try:
            pixels = subject.fold.reader.read(item.data()).image.pixels
        except ImageError:
            continue
        outputs, logits = forward(pixels)
        class_map = outputs.pop(CLASS_MAP)
        there = counted_places(counts, pixels, *class_map.shape[:2])
        pooled = describe(outputs, class_map, there, (pixels.shape[0], pixels.shape[1]))
        nothing = {field: np.float32(np.nan) for field in ("gate", "network_ms", "gate_ms", "ssim_ms")}
        rows.append(
            {
                **pooled,
                **nothing,
                "ssim": np.zeros(len(pooled["cell_map"]), np.float32),
                "logits": logits,
                "refused": np.bool_(False),
                "label": np.int64(item.label),
                "unit": np.str_(item.unit),
            }
        )
        if count:
            scores.append(perturbed(pixels))
    return gather(rows), np.array(scores, np.float32)


def source_of_numbers(subject: Subject, sets: Sequence[ForeignSet], corruptions: Mapping[str, Corruption]) -> Source:
    """What the numbers of a fold are made from, as code and sets are now."""
    named = [name for each in sets for name in (each.name, each.side, *each.names)] + list(corruptions)
    data = {
        "draft": subject.fold.bundle.sha256,
        "weights": file_sha256(subject.fold.folder / WEIGHTS),
        "split": subject.fold.split.sha256,
        "sets": hashlib.sha256("\n".join(named).encode()).hexdigest(),
    }
    recipe = subject.fold.recipe
    return source(f"`loupe-train ood {recipe.id}`", (__name__, adapter_module(recipe)), data, recipe=recipe.id)


def collect(
    subject: Subject, sets: Sequence[ForeignSet], corruptions: Mapping[str, Corruption], *, with_float: bool = False
) -> None:
    """Read what isn't in a fold's folder yet, by the integer network and, where asked, some of it by the float one.
    Interrupted, it goes on where it stopped."""
    keep_only(subject.cache, source_of_numbers(subject, sets, corruptions), NUMBERS)
    for name, items in _items(subject, sets, corruptions).items():
        if not (file := subject.cache / f"{name}.npz").is_file():
            _read(subject, name, items()).save(file)
    if with_float:
        for name, items in _items(subject, sets, corruptions).items():
            if name != TEACH and not (file := subject.cache / FLOAT / f"{name}.npz").is_file():
                numbers, scores = _read_float(subject, name, items(), None if name == FIT else BESIDE_FLOAT)
                np.save(file.parent.parent / f"{ODIN_OF}{name}.npy", scores)
                numbers.save(file)
    if not (subject.cache / HEAD).is_file():
        weights, bias = head_weights(subject.fold.reader)
        np.savez(subject.cache / HEAD, weights=weights, bias=bias)


def head_weights(reader: Reader) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The head in real units: weights [channels, classes] and bias [classes], logit = features @ weights + bias."""
    head = reader.bundle.manifest.head
    step = 2.0**head.scale_log2
    scale = reader.network.outputs["features"].scale
    weights, bias = (reader.bundle.array(member) * step for member in (head.weights, head.bias))
    return np.asarray(weights / scale, np.float32), np.asarray(bias, np.float32)


def load_numbers(subject: Subject) -> dict[str, Collected]:
    """The numbers that `collect` left of a fold, by set."""
    return {file.stem: Collected.load(file) for file in sorted(subject.cache.glob("*.npz")) if file.name != HEAD}


def load_head(subject: Subject) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The fold's head as `head_weights` gives it."""
    with np.load(subject.cache / HEAD) as arrays:
        return arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32)


def load_float(subject: Subject) -> tuple[dict[str, Collected], dict[str, NDArray[np.float32]]]:
    """What the float network gave of the first pictures of each set, and ODIN's scores of them."""
    files = sorted((subject.cache / FLOAT).glob("*.npz"))
    scores = {file.stem: np.load(subject.cache / f"{ODIN_OF}{file.stem}.npy") for file in files if file.stem != FIT}
    return {file.stem: Collected.load(file) for file in files}, scores
