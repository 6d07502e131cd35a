"""A draft bundle: what each fold of a cross-validation leaves, and the one way in which everything after it opens a fold.

    OUT/FOLD/draft.loupe    the fold's integer network, head and gate, a bundle like any other (docs/engineers/bundle.md)
    OUT/FOLD/draft.pub      the key that it opens with

A draft is read by the box's own code and refused by every box: it is signed with a key that is made for it and thrown away,
and no box trusts that key. Nothing was measured with it: its temperature is 1, its answers leave no class out, and its card
says so. A fold's float network, which needs TensorFlow, is loaded when it is first asked for.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from device.base.errors import BundleError
from device.reading.bundle import Bundle
from device.reading.manifest import CARD
from device.reading.reading import Reader
from training.data import LIMITS, TEST, TRAINING, Sample, Split
from training.errors import RunError
from training.packing.container import write_bundle
from training.packing.samples import HEIGHT, WIDTH
from training.packing.signing import publish_key
from training.recipe import Recipe
from training.run_files import DRAFT, DRAFT_KEY, FACTS, FOLDS, SPLIT, WEIGHTS
from training.stamp import inputs, source, stamp, warn_of

if TYPE_CHECKING:
    from training.fitting.fit import Run

_LOG = logging.getLogger(__name__)

RULE = "a fold of a cross-validation: trained on all groups but those that it tests"
UNMEASURED = "a draft: nothing was measured with it"
GOLDEN = "phantom-normal"


def write_draft(run: Run) -> None:
    """Convert a run to integers, fit its gate, and leave the draft in the run's folder."""
    from training.drawn.phantoms import draw
    from training.packing.assembly import as_png, assemble, provenance

    recipe, assembly = run.recipe, assemble(run, within_budget=False)
    assembly.manifest = replace(
        assembly.manifest,
        provenance=provenance(run, RULE, f"loupe-train crossval {recipe.id}"),
        metrics={"scheme": UNMEASURED, "n": 1},
    )
    assembly.put_golden({f"{GOLDEN}.png": as_png(draw("normal", 1, WIDTH, HEIGHT).pixels)})
    assembly.members[CARD] = (
        f"# {recipe.id} {recipe.version}\n\n{UNMEASURED.capitalize()}. No box reads with it.\n".encode()
    )
    key, public = Ed25519PrivateKey.generate(), run.folder / DRAFT_KEY
    (run.folder / DRAFT).unlink(missing_ok=True)  # an interruption leaves no draft rather than one that can't be opened
    public.unlink(missing_ok=True)
    publish_key(key, public)
    write_bundle(run.folder / DRAFT, assembly.manifest, assembly.network.read_bytes(), assembly.members, key)
    assembly.network.unlink()  # it is in the draft
    data = {"split": run.split.sha256, **inputs(run.folder / DRAFT, run.folder / WEIGHTS)}
    stamp(run.folder / DRAFT, source(f"`loupe-train crossval {recipe.id}`", ("training.packing.draft",), data))


@dataclass(frozen=True)
class DraftFold:
    """A fold of a cross-validation with its draft bundle, opened. `data` is the folder of the data set's pictures."""

    name: str
    recipe: Recipe
    data: Path
    folder: Path
    bundle: Bundle

    @cached_property
    def split(self) -> Split:
        """What the fold was fitted on, and what it tests."""
        return Split.load(self.folder / SPLIT)

    @property
    def fitted(self) -> list[Sample]:
        """The samples that network and gate were fitted on."""
        return self.split.parts[TRAINING]

    @property
    def unseen(self) -> list[Sample]:
        """The samples of groups that neither network nor gate has seen."""
        return self.split.parts[TEST]

    @cached_property
    def reader(self) -> Reader:
        """The box's reader of the draft: integer network, head and gate."""
        return Reader(self.bundle, LIMITS)

    @cached_property
    def run(self) -> Run:
        """The fold's run with its float network."""
        from training.fitting.fit import load_run

        return load_run(self.recipe, self.data, self.folder)


def open_draft(recipe: Recipe, data: Path, folder: Path) -> DraftFold:
    """A finished fold. Raises `RunError` where the folder has none, or one of another recipe."""
    if not (folder / FACTS).is_file():
        raise RunError(f"{folder} is no finished fold: run `loupe-train crossval` with this recipe first")
    if not (folder / DRAFT).is_file():
        raise RunError(
            f"{folder} has no {DRAFT}: it was left by an earlier program, or interrupted. Run `loupe-train crossval` with "
            "this recipe again; what is fitted is not fitted anew"
        )
    try:
        bundle = Bundle.open(folder / DRAFT, folder)
    except BundleError as error:
        raise RunError(
            f"{folder / DRAFT} can't be opened ({error.code}): remove it and run `loupe-train crossval` again"
        ) from error
    if (bundle.manifest.id, bundle.labels) != (recipe.id, tuple(label.id for label in recipe.labels)):
        raise RunError(
            f"{folder} is a fold of {bundle.manifest.id} ({', '.join(bundle.labels)}), not of the recipe {recipe.id}"
        )
    return DraftFold(folder.name, recipe, data, folder, bundle)


def open_drafts(recipe: Recipe, data: Path, crossval: Path) -> list[DraftFold]:
    """The finished folds of a cross-validation. Raises `RunError` where there is none; folds without a draft are told and
    left out."""
    try:
        names: list[str] = list(json.loads((crossval / FOLDS).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{crossval} is no cross-validation: run `loupe-train crossval` with this recipe first"
        ) from error
    fitted = [name for name in names if (crossval / name / FACTS).is_file()]
    drafted = [name for name in fitted if (crossval / name / DRAFT).is_file()]
    if not fitted:
        raise RunError(f"{crossval} has no finished fold: run `loupe-train crossval` with this recipe again")
    for name in set(fitted) - set(drafted) if drafted else ():
        _LOG.warning("fold %s of %s has no %s and is left out: run `loupe-train crossval` again", name, crossval, DRAFT)
    warn_of(*(crossval / name / DRAFT for name in drafted))
    return [open_draft(recipe, data, crossval / name) for name in drafted or fitted]
