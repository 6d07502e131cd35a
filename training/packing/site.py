"""A bundle again, with what commissioning at a clinic needs: the manifest's section `site` (`training/gate/foreign.py`).

Network, head, gate and golden pictures are those of the bundle before, so its golden outputs stay bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from rich.progress import track

from device.reading.bundle import Bundle
from device.reading.manifest import Amendment, Scale
from device.reading.reading import Reader
from device.reading.site.records import PictureMeans
from training.data import LIMITS, Sample, picture_bytes
from training.data.sample import evenly
from training.gate.foreign import foreign_kinds, means_of, middle_of, read_foreign, site_rules
from training.packing.amend import check_same_model, write_again
from training.packing.container import npy
from training.recipe import Recipe
from training.stamp import commit

MOST_PROPER = 320


def add_site(
    before: Bundle, recipe: Recipe, samples: list[Sample], folder: Path, data: Path, out: Path, key: Ed25519PrivateKey
) -> Bundle:
    """Write `before` with the section, as the recipe's version, and verify it as the box would. Returns it opened.
    `samples`: all pictures of the recipe's data, in `folder`, on which `before` was fitted; `data`: the folder of the data
    sets that the foreign kinds are of.

    Raises `RunError` where the bundle is of another recipe, other pictures or the same version.
    """
    check_same_model(before, recipe, samples)
    reader = Reader(before, LIMITS)
    chosen = evenly(samples, MOST_PROPER)
    proper = means_of(reader, list(_proper(reader, chosen, folder)))
    kinds: dict[str, list[PictureMeans]] = {}
    for kind in track(foreign_kinds(before), "foreign kinds", transient=True):
        kinds |= read_foreign(reader, kind, data)
    made = Amendment(
        from_version=before.manifest.version,
        command=f"loupe-train pack {recipe.id} --add-site {before.name}",
        commit=commit(),
        created=date.today().isoformat(),
    )
    rules, arrays = site_rules(reader, proper, len({sample.group for sample in chosen}), kinds, made)
    scale: Scale = "needed" if before.manifest.needs_scale else "not_needed"
    manifest = replace(before.manifest, version=recipe.version, site=rules, scale=scale)
    return write_again(before, manifest, out, key, {member: npy(array) for member, array in arrays.items()})


def _proper(reader: Reader, samples: Sequence[Sample], folder: Path) -> list[tuple[bytes, float | None]]:
    """Each picture with the size of its pixels, and the middle of it; a model that needs no scale sees whole pictures."""
    pictures: list[tuple[bytes, float | None]] = []
    for sample in samples:
        data = picture_bytes(folder, sample)
        if reader.bundle.manifest.needs_scale:
            pictures += [(data, sample.um_per_px), (middle_of(data), sample.um_per_px)]
        else:
            pictures.append((data, None))
    return pictures
