"""`loupe-train dissect`: measure what excites a bundle's units, for the page and the box's unit survey."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from device.base.command_line import FiniteRange
from training.commands.options import PATH, RUNS, RecipeName, examples, keys_option, typed_command

if TYPE_CHECKING:
    from device.reading.atlas import AtlasIndex

PHANTOMS = "phantoms"
PICTURES, UNITS, PATCHES, QUANTILE = 200, 256, 8, 0.995


@click.command(
    "dissect",
    short_help="measure what excites a bundle's units, for the page and the box's unit survey",
    epilog=examples(
        "loupe-train dissect models/bach.loupe ../shared/data/bach",
        "loupe-train dissect models/bach.loupe phantoms --figures runs/dissect/bach/bach.atlas --out runs/dissect/phantoms",
    ),
)
@click.argument("bundle_file", type=PATH, metavar="BUNDLE", help="bundle file whose units are measured")
@click.argument("data", metavar="DATA", help=f"folder of its data set, or {PHANTOMS}: fields drawn by Loupe's own code")
@click.option(
    "--recipe",
    "recipe_name",
    type=RecipeName(),
    metavar="RECIPE",
    help="recipe that says how the data set is laid out (default the bundle's id)",
)
@click.option(
    "--out", type=PATH, metavar="DIR", help=f"folder of the page and the atlas (default {RUNS}/dissect/BUNDLE)"
)
@click.option(
    "--units",
    "most_units",
    type=click.IntRange(min=1),
    metavar="N",
    default=UNITS,
    show_default=True,
    help="units that get patches",
)
@click.option(
    "--patches",
    "patches_each",
    type=click.IntRange(min=1),
    metavar="N",
    default=PATCHES,
    show_default=True,
    help="patches a unit",
)
@click.option(
    "--quantile",
    type=FiniteRange(0.001, 0.999),
    metavar="Q",
    default=QUANTILE,
    show_default=True,
    help="a unit is active above this quantile of its values",
)
@click.option(
    "--pictures",
    type=click.IntRange(min=1),
    metavar="N",
    default=PICTURES,
    show_default=True,
    help="phantoms to draw",
)
@click.option(
    "--figures",
    type=PATH,
    metavar="ATLAS",
    help="atlas that gives units, order and figures; DATA gives patches alone",
)
@keys_option
def command(
    bundle_file: Path,
    data: str,
    recipe_name: str | None,
    out: Path | None,
    most_units: int,
    patches_each: int,
    quantile: float,
    pictures: int,
    figures: Path | None,
    keys: Path,
) -> None:
    """Network dissection of a bundle's units: one HTML page, and the atlas that a technician puts beside the bundle.

    Reads pictures as the box would and writes, for the units that matter most, the patches that excite them, how well they
    tell classes apart and how they overlap with masks. Patches of research data stay under its terms.
    """
    from device.reading.atlas import SUFFIX, open_atlas
    from device.reading.bundle import Bundle
    from device.reading.reading import Reader
    from training.data import LIMITS
    from training.dissect import atlas as atlases
    from training.dissect.page import write_page
    from training.dissect.patches import cut_patches
    from training.dissect.subjects import phantom_subjects, subjects_of
    from training.dissect.survey import survey
    from training.errors import DissectError
    from training.recipe import load_recipe
    from training.stamp import inputs, source, stamp

    bundle = Bundle.open(bundle_file, keys)
    reader = Reader(bundle, LIMITS)
    known = open_atlas(figures, bundle) if figures else None
    if figures and known is None:
        raise DissectError(f"there is no atlas {figures}: make it with loupe-train dissect on a folder first")
    if data == PHANTOMS:
        subjects = phantom_subjects(bundle, pictures)
    else:
        recipe = load_recipe(recipe_name or bundle.manifest.id)
        subjects = subjects_of(recipe, Path(data), bundle)
    origin = atlases.Origin(typed_command(without="--out"), quantile)
    measured = survey(reader, subjects, quantile)
    units = [int(unit) for unit in known.index.units] if known else atlases.ranked(measured)
    patches = cut_patches(reader, subjects, measured, units[:most_units], patches_each)
    made = atlases.make_atlas(reader, subjects, measured, patches, origin, known)
    folder = out or RUNS / "dissect" / bundle.manifest.id
    file = folder / (bundle_file.stem + SUFFIX)
    atlases.write_atlas(made, file)
    read = {f"bundle {bundle.name}": bundle.sha256, **(inputs(file, figures) if figures else {})}
    made_by = (
        "training.dissect.atlas",
        "training.dissect.survey",
        "training.dissect.patches",
        "training.dissect.subjects",
    )
    stamp(file, source(f"`{origin.command}`", made_by, read, quantile=quantile, patches=patches_each))
    everything = None if known else {unit: atlases.unit_entry(reader, subjects, measured, unit) for unit in units}
    page = write_page(reader, made, everything, folder)
    print(atlas_summary(made.index))
    print(f"wrote {file} ({file.stat().st_size / 1e6:.2f} MB) and {page}")


def atlas_summary(index: AtlasIndex) -> str:
    """An atlas's figures in a few lines."""
    figures, data = index.figures, index.figures.data
    lines = [
        f"{figures.units} units on {data.pictures} pictures of {data.groups} groups ({data.name})",
        f"never change: {figures.constant}, of them always 0: {figures.dead}",
    ]
    how = f"within {figures.within} groups" if figures.within else "over all pictures"
    for level in figures.selective:
        lines.append(
            f"tell a class apart with AUROC ≥ {level.auroc} {how}: {level.units} (by chance {level.by_chance:.0f})"
        )
    lines.append(f"the atlas's {len(index.units)} units are {figures.covered:.0%} of those that readings list")
    return "\n".join(lines)
