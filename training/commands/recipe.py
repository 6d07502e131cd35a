"""`loupe-train recipe`: draft a recipe for a folder of your own pictures."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, examples
from training.errors import RecipeError
from training.recipe import LEAST_UM_PER_PX, MODALITIES, MOST_UM_PER_PX


@click.command(
    "recipe",
    short_help="draft a recipe for a folder of your own pictures",
    epilog=examples("loupe-train recipe mine --um-per-px 0.5", "loupe-train recipe scans --modality ultrasound"),
)
@click.argument("folder", type=PATH, metavar="DIR", help="folder with a folder of pictures for each class")
@click.option("--out", type=PATH, metavar="FILE", help="the recipe (default NAME.toml, NAME that of the folder)")
@click.option("--id", "recipe_id", metavar="NAME", help="of the model (default the recipe's file name)")
@click.option(
    "--modality", type=click.Choice(MODALITIES), default=MODALITIES[0], show_default=True, help="kind of pictures"
)
@click.option("--um-per-px", type=float, metavar="UM", help="size of the pictures' own pixels, µm, if you know it")
def command(folder: Path, out: Path | None, recipe_id: str | None, modality: str, um_per_px: float | None) -> None:
    """Looks at a folder with a folder of pictures for each class and writes a recipe with what it could measure."""
    from training.recipe_draft import draft, label_id

    out = out or Path(f"{label_id(folder.resolve().name)}.toml")
    if um_per_px is not None and not LEAST_UM_PER_PX <= um_per_px <= MOST_UM_PER_PX:
        raise RecipeError(f"--um-per-px {um_per_px:g} must lie in {LEAST_UM_PER_PX:g}…{MOST_UM_PER_PX:g}")
    if out.exists():
        raise RecipeError(f"{out} is there already: give --out, another file")
    drafted = draft(folder, recipe_id or label_id(out.stem), modality, um_per_px)
    out.write_text(drafted.text, encoding="utf-8")
    print(f"wrote {out}. Say in it what no program can know:")
    for words in drafted.to_say:
        print(f"- {words}")
    print(f"Next: loupe-train data split {out} --data {folder}")
