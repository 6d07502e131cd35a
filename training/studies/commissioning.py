"""How far commissioning carries: laboratories that a bundle has never seen, each in turn as the clinic.

Patients are halved at random, several times. One half commissions as `loupe commission` does, with at most `MOST` pictures;
the other half tells how many of the clinic's pictures are then refused. Foreign pictures are read as at the clinic: at the
size of its pixels, before commissioning as they are, after it in the clinic's colours. Each kind is once among those that
the bundle knows, and once left out of them. The clinic's colours are found once, from all of its patients, as each half
would need all pictures to be read anew: three numbers, found without diagnoses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import roc_auc_score

from device.base.errors import ImageError
from device.reading.bundle import Bundle
from device.reading.maps import softmax
from device.reading.reading import Reader
from device.reading.site.colour import fit_colour, needs_colour, stain_of
from device.reading.site.fit import fit_site, refused
from device.reading.site.records import PictureMeans, SiteFit
from device.reading.site.stain import SiteColour
from device.reading.site.statistics import statistics_in
from training.data.sample import evenly
from training.gate.foreign import foreign_kinds, without_kind

MOST = 50
FOREIGN = 30  # pictures of a kind
BREAKHIS = re.compile(r"SOB_[BM]_[A-Z]+-(\d+-\d+)[A-Z]*-")


@dataclass(frozen=True)
class Clinic:
    """A laboratory as a clinic of the bundle `model`: the files of globs below the data sets' folder, µm/px (None: the
    model needs no scale), and whose patient a file is of."""

    model: str
    globs: tuple[str, ...]
    um_per_px: float | None
    patient: Callable[[Path], str]


def breakhis_patient(file: Path) -> str:
    found = BREAKHIS.match(file.name)
    return found[1] if found else file.name


CLINICS = {
    "breakhis-100x": Clinic("bach", ("breakhis/*/*/*/100X/*.jpg",), 0.84, breakhis_patient),
    "breakhis-200x": Clinic("bach", ("breakhis_200x/*/*/*/200X/*.jpg",), 0.862, breakhis_patient),
    "buscot": Clinic("busi", ("ultrasound_other/buscot/*/*.jpg",), None, lambda file: file.name),
    "usg": Clinic("busi", ("ultrasound_other/usg/*/*.jpg",), None, lambda file: file.name),
}


@dataclass(frozen=True)
class Figures:
    """Of one clinic. `shares`: of the pictures of patients that did not commission, refused after each halving; `alphas`:
    what was promised then. `foreign`: for each kind how many pictures, and the mean share refused before, after with the
    kind known, and after with it left out."""

    name: str
    pictures: int
    patients: int
    positive: int
    before: float
    shares: tuple[float, ...]
    alphas: tuple[float, ...]
    auroc_before: float
    auroc_after: float
    foreign: Mapping[str, tuple[int, float, float, float]]

    @property
    def kept(self) -> int:
        """How often no more were refused than promised."""
        return sum(share <= alpha for share, alpha in zip(self.shares, self.alphas, strict=True))


def study(name: str, reader: Reader, data: Path, halves: int, most_files: int) -> Figures:
    """One clinic's figures. `most_files`: of the clinic, evenly spread."""
    bundle, clinic = reader.bundle, CLINICS[name]
    files = sorted(file for glob in clinic.globs for file in data.glob(glob))
    files = evenly(files, most_files)
    of = [clinic.patient(file) for file in files]
    before = [
        _means(reader, None, file, clinic.um_per_px) for file in track(files, f"{name}, as it is", transient=True)
    ]
    colour, after = None, before
    if needs_colour(bundle):
        stains = [stain_of(reader, file.read_bytes(), clinic.um_per_px) for file in files]
        colour = fit_colour(bundle, stains, of)
        after = [
            _means(reader, colour, file, clinic.um_per_px) for file in track(files, f"{name}, colours", transient=True)
        ]
    kinds = {
        kind.name: [_means(reader, colour, file, clinic.um_per_px) for file in kind.files(data, FOREIGN)]
        for kind in track(foreign_kinds(bundle), "foreign kinds", transient=True)
    }
    unknown = {kind: without_kind(bundle, kind) for kind in kinds}
    readable = [index for index, means in enumerate(after) if means is not None]
    shares, alphas = [], []
    foreign: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for halving in track(range(halves), "halves", transient=True):
        chance = np.random.default_rng(halving)
        names = chance.permutation(sorted(set(of)))
        commissioning = set(names[: len(names) // 2])
        first = [index for index in chance.permutation(readable) if of[index] in commissioning][:MOST]
        rest = [index for index in range(len(files)) if of[index] not in commissioning]
        own, patients = _all(after, first), [of[index] for index in first]
        fit = fit_site(bundle, own, patients)
        shares.append(_share(bundle, fit, [after[index] for index in rest]))
        alphas.append(fit.promise.alpha)
        for kind, means in kinds.items():
            unseen = fit_site(bundle, own, patients, known=unknown[kind])
            foreign[kind].append((_share(bundle, fit, means), _share(bundle, unseen, means)))
    truth = np.array(["/malignant/" in str(file) for file in files])
    return Figures(
        name=name,
        pictures=len(files),
        patients=len(set(of)),
        positive=int(truth.sum()),
        before=_refused_as_it_came(before),
        shares=tuple(shares),
        alphas=tuple(alphas),
        auroc_before=_auroc(bundle, before, truth),
        auroc_after=_auroc(bundle, after, truth),
        foreign={
            kind: (
                len(means),
                _refused_as_it_came(means),
                float(np.mean([known for known, _ in foreign[kind]])),
                float(np.mean([unseen for _, unseen in foreign[kind]])),
            )
            for kind, means in kinds.items()
        },
    )


def _refused_as_it_came(means: Sequence[PictureMeans | None]) -> float:
    """The share that the bundle's own gate refuses, or the box doesn't read."""
    return float(np.mean([each is None or each.reason is not None for each in means]))


def _means(reader: Reader, colour: SiteColour | None, file: Path, um_per_px: float | None) -> PictureMeans | None:
    """In a clinic's colours, if any. None where the box doesn't read the picture, as with too few µm."""
    try:
        return statistics_in(reader, colour, file.read_bytes(), um_per_px)
    except ImageError:
        return None


def _all(means: Sequence[PictureMeans | None], which: Sequence[int]) -> list[PictureMeans]:
    return [found for index in which if (found := means[index]) is not None]


def _share(bundle: Bundle, fit: SiteFit, means: Sequence[PictureMeans | None]) -> float:
    """Share of pictures that are refused; what the box doesn't read counts."""
    read = [each for each in means if each is not None]
    return (len(means) - len(read) + int(refused(bundle, fit, read).sum())) / len(means)


def _auroc(bundle: Bundle, means: Sequence[PictureMeans | None], truth: NDArray[np.bool_]) -> float:
    """Of the sum of the classes of concern, for malignant pictures, whether or not the gate refuses them."""
    read = [index for index, each in enumerate(means) if each is not None]
    logits = np.array([each.logits for each in means if each is not None])
    concern = [bundle.labels.index(label) for label in bundle.manifest.answer.concern]
    scores = softmax(logits, bundle.manifest.calibration.temperature)[:, concern].sum(1)
    return float(roc_auc_score(truth[read], scores))


def as_tables(figures: Sequence[Figures]) -> str:
    """Two Markdown tables: the clinics' own pictures, and foreign ones."""
    lines = [
        "| clinic | pictures | patients | malignant | refused before | refused after, of other patients (least to most) | "
        "promised (mean) | promise kept | AUROC before | AUROC after |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.name} | {f.pictures} | {f.patients} | {f.positive} | {f.before:.1%} | {np.mean(f.shares):.1%} "
        f"({min(f.shares):.1%} to {max(f.shares):.1%}) | {np.mean(f.alphas):.0%} | {f.kept} of {len(f.shares)} | "
        f"{f.auroc_before:.3f} | {f.auroc_after:.3f} |"
        for f in figures
    ]
    lines += ["", "| clinic | foreign kind | n | refused before | after, kind known | after, kind never seen |"]
    lines += ["|---|---|---|---|---|---|"]
    for f in figures:
        lines += [
            f"| {f.name} | {kind} | {n} | {before:.1%} | {known:.1%} | {unseen:.1%} |"
            for kind, (n, before, known, unseen) in f.foreign.items()
        ]
    return "\n".join(lines)
