"""What a bundle learns of foreign pictures, for the gate of a commissioned clinic (`device/reading/site/foreign.py`).

Each kind of foreign pictures is read by the bundle's network as a clinic would read it by mistake: at the size of its own
pixels, which nobody knows. So where the model works at a scale, each picture is read at three. Proper pictures are read at
theirs, whole and the middle of them alone, as clinics' fields differ in size.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from msgspec import UNSET
from numpy.typing import NDArray

from device.base.errors import ImageError
from device.reading.bundle import Bundle
from device.reading.manifest import Amendment, KnownKind, SiteRules
from device.reading.reading import Reader
from device.reading.site.foreign import KnownForeign, with_ridge
from device.reading.site.records import PictureMeans
from device.reading.site.statistics import statistics_of
from training.data.sample import evenly

Floats = NDArray[np.float64]
ENLARGED = (1, 2, 4)  # times that the model's pixels are as large as the foreign picture's are taken for
LEAST_OF_A_KIND = 5
MOST_OF_A_KIND = 60


@dataclass(frozen=True)
class ForeignKind:
    """Pictures of one kind: those of a glob below the data sets' folder. `modality`: of which bundles it shows what they
    read, so that it isn't foreign to them."""

    name: str
    glob: str
    modality: str | None = None

    def files(self, data: Path, most: int = MOST_OF_A_KIND) -> list[Path]:
        """At most so many, evenly spread."""
        files = sorted(file for file in data.glob(self.glob) if file.suffix in (".jpg", ".png"))
        return evenly(files, most)


KINDS = (
    ForeignKind("photograph", "ood/natural/*"),
    ForeignKind("chest_xray", "ood/chest_xray/*"),
    ForeignKind("blood_smear", "ood/blood_smear/*"),
    ForeignKind("immunostain", "ood/ihc/*"),
    ForeignKind("lung", "ood/lung_colon_he/lung_*"),
    ForeignKind("colon", "ood/lung_colon_he/colon_*"),
    ForeignKind("colorectal", "ood/colorectal_he/*"),
    ForeignKind("swapped_colours", "ood/pannuke/*"),
    ForeignKind("lymph_node", "pcam/*/*"),
    ForeignKind("contrast_mammogram", "ood/cesm/*", "mammography"),
    ForeignKind("mammogram", "mini_mias/*", "mammography"),
    ForeignKind("ultrasound", "busi/*/*", "ultrasound"),
    ForeignKind("breast_section", "bach/*/*", "histology"),
)


def foreign_kinds(bundle: Bundle) -> list[ForeignKind]:
    """The kinds that are foreign to a bundle."""
    return [kind for kind in KINDS if kind.modality != bundle.manifest.modality]


def middle_of(data: bytes) -> bytes:
    """A PNG of the middle of a picture file, half as wide and as high."""
    with PIL.Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
        piece = picture.crop((width // 4, height // 4, width // 4 + width // 2, height // 4 + height // 2))
    buffer = io.BytesIO()
    piece.save(buffer, "PNG")
    return buffer.getvalue()


def means_of(reader: Reader, pictures: Sequence[tuple[bytes, float | None]]) -> list[PictureMeans]:
    """The means of pictures with the size of their pixels; those that can't be read or judged are left out."""
    found = []
    for data, um_per_px in pictures:
        try:
            means = statistics_of(reader, data, um_per_px)
        except ImageError:  # too small at that size, say: no clinic could read it so
            continue
        if means.judgeable:
            found.append(means)
    return found


def read_foreign(reader: Reader, kind: ForeignKind, data: Path) -> dict[str, list[PictureMeans]]:
    """The means of a kind's pictures by a name: where the model works at a scale, each of several is a kind of its own."""
    pictures = [file.read_bytes() for file in kind.files(data)]
    if not reader.bundle.manifest.needs_scale:
        return {kind.name: means_of(reader, [(picture, None) for picture in pictures])}
    own = reader.bundle.manifest.preprocessing.um_per_px
    return {
        f"{kind.name}-{times}": means_of(reader, [(picture, own / times) for picture in pictures]) for times in ENLARGED
    }


def rows_of(means: Sequence[PictureMeans]) -> Floats:
    """All pictures' rows [n, d]."""
    return np.concatenate([each.windows.all for each in means])


def known_foreign(proper: Floats, kinds: Sequence[Floats], layers: slice) -> KnownForeign:
    """From rows of proper pictures [n, d] and of each kind. The general direction looks at the `layers` alone, among the
    entries."""
    centres, own = np.array([rows.mean(0) for rows in kinds]), np.cov(proper.T)
    spread = np.mean([np.cov(rows.T) for rows in kinds], 0)
    return KnownForeign(centres, spread, own, general_direction(centres, spread, own, proper.mean(0), layers))


def general_direction(centres: Floats, spread: Floats, own: Floats, centre: Floats, layers: slice) -> Floats:
    """From the `centre` [d] of proper pictures, of covariance `own` [d, d], to all kinds' `centres` [kinds, d] alike, of
    covariance `spread`: [d], zeros beside the `layers`."""
    between = np.cov(centres.T, bias=True)
    within = with_ridge((own + spread + between) / 2)[layers, layers]
    towards = (centres.mean(0) - centre)[layers]
    general = np.zeros(len(centre))
    general[layers] = np.linalg.solve(within, towards)
    return np.asarray(general / np.sqrt(general[layers] @ towards))


def without_kind(bundle: Bundle, name: str) -> KnownForeign:
    """What a bundle would know had it not seen a kind: neither its mean nor, in the general direction, where it lies. Only
    the mean of the kinds' covariances still has a part of it."""
    known, rules, layers = KnownForeign.of(bundle), bundle.manifest.site, middle_layer(bundle)
    assert known is not None
    assert rules is not UNSET
    centres = known.centres[[kind.name.partition("-")[0] != name for kind in rules.kinds]]
    centre = np.zeros(len(known.general))
    centre[layers] = bundle.array(bundle.manifest.gate.shows.centre)
    general = general_direction(centres, known.spread, known.proper, centre, layers)
    return KnownForeign(centres, known.spread, known.proper, general)


def site_rules(
    reader: Reader,
    proper: Sequence[PictureMeans],
    groups: int,
    kinds: Mapping[str, Sequence[PictureMeans]],
    made: Amendment,
) -> tuple[SiteRules, dict[str, NDArray[np.float32]]]:
    """The manifest's section `site`, and its arrays by member. `proper`: of so many `groups`."""
    enough = {name: means for name, means in kinds.items() if len(means) >= LEAST_OF_A_KIND}
    known = known_foreign(rows_of(proper), [rows_of(means) for means in enough.values()], middle_layer(reader.bundle))
    members = {f"site/{name}.npy": getattr(known, name) for name in ("centres", "spread", "proper", "general")}
    rules = SiteRules(
        density=reference_density(proper) if reader.bundle.manifest.modality == "histology" else UNSET,
        kinds=tuple(KnownKind(name, len(means)) for name, means in enough.items()),
        centres="site/centres.npy",
        spread="site/spread.npy",
        proper="site/proper.npy",
        general="site/general.npy",
        pictures=len(proper),
        groups=groups,
        made=made,
    )
    return rules, {member: array.astype(np.float32) for member, array in members.items()}


def middle_layer(bundle: Bundle) -> slice:
    """Where the middle layer stands among a row's entries."""
    outputs = bundle.manifest.network.outputs
    early = outputs["early"].channels
    return slice(early, early + outputs["middle"].channels)


def reference_density(proper: Sequence[PictureMeans]) -> tuple[float, float, float]:
    """The mean optical density of the tissue in proper pictures."""
    colours = np.concatenate([each.windows.colours for each in proper])
    red, green, blue = (round(float(level), 4) for level in np.exp(colours[:, :3]).mean(0))
    return red, green, blue
