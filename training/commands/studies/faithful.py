"""`loupe-train faithful`: whether the class maps tell the truth, beside Grad-CAM, HiResCAM, Score-CAM and chance."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    RUNS,
    crossval_folder,
    crossval_option,
    examples,
    keys_option,
    open_reader,
    recipe_and_data_options,
    recipe_and_folder,
)

PICTURES, SCORE_CAM, WINDOWS = 40, 20, 100


@click.command(
    "faithful",
    short_help="whether the class maps tell the truth, beside Grad-CAM, HiResCAM, Score-CAM and chance",
    epilog=examples(
        "loupe-train faithful bach",
        "loupe-train faithful bach --pictures 8 --score-cam 0 --strides",
        "loupe-train faithful busi --bundle models/busi.loupe --windows 500",
    ),
)
@recipe_and_data_options
@crossval_option
@click.option(
    "--bundle",
    "bundle_file",
    type=PATH,
    metavar="FILE",
    help="a bundle instead of folds: its maps by known places alone, on pictures that it may have been trained on",
)
@keys_option
@click.option(
    "--pictures",
    type=click.IntRange(min=1),
    metavar="N",
    default=PICTURES,
    show_default=True,
    help="unseen pictures to explain, over all folds",
)
@click.option(
    "--score-cam",
    type=click.IntRange(min=0),
    metavar="N",
    default=SCORE_CAM,
    show_default=True,
    help="of them, and of places that are known, how many by Score-CAM; 0: none",
)
@click.option(
    "--windows",
    type=click.IntRange(min=0),
    metavar="N",
    default=WINDOWS,
    show_default=True,
    help="known places in mosaics or windows",
)
@click.option("--strides", is_flag=True, help="compare maps at stride 16 and 32 (lite0); later reports show it too")
@click.option("--out", type=PATH, metavar="DIR", help="folder of the report (default the folds', then faithful)")
def command(
    recipe_name: str,
    data: Path | None,
    crossval: Path | None,
    bundle_file: Path | None,
    keys: Path,
    pictures: int,
    score_cam: int,
    windows: int,
    strides: bool,
    out: Path | None,
) -> None:
    """Explains pictures by networks that never saw their groups, and measures how faithful the maps are.

    Whether the network behaves as the maps say, and whether they lie where the lesion is known to be. What was measured is
    kept: the same command goes on.
    """
    from training.packing.draft import open_drafts
    from training.run_files import DRAFT
    from training.studies.explain.measure import Extent, measure
    from training.studies.explain.report import load_strides, save_strides, write
    from training.studies.explain.stride_trial import try_strides
    from training.studies.explain.subject import Trained
    from training.studies.explain.summary import compare_strides, document
    from training.studies.explain.words import markdown

    recipe, folder = recipe_and_folder(recipe_name, data)
    crossval = crossval_folder(crossval, recipe)
    extent = Extent(pictures, score_cam, windows)
    if bundle_file:
        if strides:
            raise click.UsageError("--bundle and --strides exclude each other: a bundle has no float network")
        out = out or RUNS / f"{recipe.id}-faithful"
        trained = Trained(recipe, folder, open_reader(recipe_name, recipe, bundle_file, keys))
        measured = measure(recipe, folder, [trained], extent, out / "kept")
    else:
        out = out or crossval / "faithful"
        if strides:
            save_strides(compare_strides(try_strides(recipe, folder, crossval), len(recipe.labels)), out)
        measured = measure(recipe, folder, open_drafts(recipe, folder, crossval), extent, out / "kept")
    report = document(recipe, measured, load_strides(out))
    print(markdown(report))
    drafts = [bundle_file] if bundle_file else [crossval / fold / DRAFT for fold in report["folds"]]
    print(f"report: {write(report, out, measured.gallery, drafts)}")
