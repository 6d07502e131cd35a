"""`loupe-train faithful`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least
from training.commands.options import Command, add_recipe, recipe_and_data

PICTURES, SCORE_CAM, WINDOWS = 40, 20, 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    parser.add_argument("--crossval", type=Path, help="folder of the folds (default runs/RECIPE-crossval)")
    parser.add_argument(
        "--pictures",
        type=at_least(1),
        default=PICTURES,
        help=f"unseen pictures to explain, over all folds (default {PICTURES})",
    )
    parser.add_argument(
        "--score-cam",
        type=at_least(0),
        default=SCORE_CAM,
        help=f"of them, and of places that are known, how many by Score-CAM; 0: none (default {SCORE_CAM})",
    )
    parser.add_argument(
        "--windows", type=at_least(0), default=WINDOWS, help=f"known places in mosaics or windows (default {WINDOWS})"
    )
    parser.add_argument(
        "--strides",
        action="store_true",
        help="compare maps at stride 16 and 32 (lite0); later reports show it too",
    )
    parser.add_argument("--out", type=Path, help="folder of the report (default the folds', then faithful)")


def run(arguments: argparse.Namespace) -> None:
    from training.studies.explain.measure import Extent, measure
    from training.studies.explain.report import load_strides, save_strides, write
    from training.studies.explain.stride_trial import try_strides
    from training.studies.explain.summary import compare_strides, document
    from training.studies.explain.words import markdown

    recipe, data = recipe_and_data(arguments)
    crossval = arguments.crossval or Path("runs") / f"{recipe.id}-crossval"
    out = arguments.out or crossval / "faithful"
    if arguments.strides:
        save_strides(compare_strides(try_strides(recipe, data, crossval), len(recipe.labels)), out)
    extent = Extent(arguments.pictures, arguments.score_cam, arguments.windows)
    measured = measure(recipe, data, crossval, extent, out / "kept")
    found = document(recipe, measured, load_strides(out))
    print(markdown(found))
    print(f"report: {write(found, out, measured.gallery)}")


COMMANDS = (
    Command(
        "faithful",
        "whether the class maps tell the truth, beside Grad-CAM, HiResCAM, Score-CAM and chance",
        add_arguments,
        run,
        "Explains pictures by networks that never saw their groups, and measures whether the network behaves as the maps "
        "say and whether they lie where the lesion is known to be. What was measured is kept: the same command goes on.",
    ),
)
