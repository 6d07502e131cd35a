"""New figures for a bundle whose network stays: calibration and all that a later cross-validation of its recipe measured.

Network, head, gate and golden pictures are those of the bundle before, so its golden outputs stay bit for bit. What answers
and gate state, the calibration and the figures are put in anew, with a new version. The provenance says which parts are
from where.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from device.reading.bundle import Bundle
from device.reading.manifest import CARD, NETWORK, Amendment, Manifest
from training.data import CALIBRATION, TEST, TRAINING, Sample, Split
from training.errors import RunError
from training.evaluation.card import write_card
from training.fitting.fit import settings_sha256
from training.packing.container import write_bundle
from training.packing.measured import commits_of_folds, measured_by_folds
from training.packing.pack import open_signed, parts_rule
from training.recipe import Recipe

NOTHING_MORE: Mapping[str, bytes] = MappingProxyType({})


def amend(
    before: Bundle, recipe: Recipe, samples: list[Sample], out: Path, key: Ed25519PrivateKey, crossval: Path
) -> Bundle:
    """Write `before` with the figures of a cross-validation as the recipe's version, and verify it as the box would.
    Returns it opened. `samples`: all pictures of the recipe's data, on which `before` must have been fitted.

    Raises `RunError` where the bundle is of another recipe, other pictures or the same version, or where classes would be
    shifted, which would change golden outputs.
    """
    check_same_model(before, recipe, samples)
    commits = commits_of_folds(recipe.id, settings_sha256(recipe), crossval)
    measured = measured_by_folds(recipe, crossval)
    if recipe.calibration.offsets or before.manifest.calibration.offsets:
        raise RunError("calibration.offsets shifts the head: fit and pack anew instead of amending a bundle")
    amendment = Amendment(
        from_version=before.manifest.version,
        command=f"loupe-train crossval {recipe.id} && loupe-train pack {recipe.id} --amend {before.name} "
        f"--crossval runs/{recipe.id}-crossval",
        commit=commits,
        created=date.today().isoformat(),
    )
    manifest = replace(
        before.manifest,
        version=recipe.version,
        calibration=measured.calibration_facts(before.labels),
        provenance=replace(before.manifest.provenance, amended=amendment),
        metrics=measured.metrics,
        gate=measured.gate(before.manifest.gate, recipe, {sample.group for sample in samples}),
        answer=measured.answer,
        parts=parts_rule(crossval) or before.manifest.parts,
    )
    return write_again(before, manifest, out, key)


def write_again(
    before: Bundle, manifest: Manifest, out: Path, key: Ed25519PrivateKey, more: Mapping[str, bytes] = NOTHING_MORE
) -> Bundle:
    """Write `before` under another manifest, with the card that this makes and `more` members, and verify it as the box
    would. Returns it opened."""
    members = {name: content for name, content in before.members.items() if name != CARD} | dict(more)
    members[CARD] = write_card(manifest).encode()
    network = before.network_path.read_bytes()[: before.manifest.members[NETWORK].size]
    write_bundle(out, manifest, network, members, key)
    out.with_suffix(".md").write_bytes(members[CARD])
    return open_signed(out, key)


def check_same_model(before: Bundle, recipe: Recipe, samples: list[Sample]) -> None:
    manifest = before.manifest
    split = Split({TRAINING: samples, CALIBRATION: [], TEST: []})
    differing = [
        f"{name} {value}, not {wanted}"
        for name, value, wanted in (
            ("the id", manifest.id, recipe.id),
            ("the labels", before.labels, tuple(label.id for label in recipe.labels)),
            ("the area", manifest.preprocessing.area_px, recipe.data.area_px),
            ("the split", manifest.provenance.split["sha256"], split.sha256),
        )
        if value != wanted
    ]
    if differing:
        raise RunError(f"{before.name} is not of this recipe and data: it has {'; '.join(differing)}")
    if manifest.version == recipe.version:
        raise RunError(f"{before.name} is version {recipe.version} already: raise `version` in the recipe first")
