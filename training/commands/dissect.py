"""`loupe-train dissect`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least, between
from training.commands.options import Command, add_keys

PHANTOMS = "phantoms"
PICTURES, UNITS, PATCHES, QUANTILE = 200, 256, 8, 0.995


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle file whose units are measured")
    parser.add_argument("data", help=f"folder of its data set, or {PHANTOMS}: fields drawn by Loupe's own code")
    parser.add_argument("--recipe", help="recipe that says how the data set is laid out (default the bundle's id)")
    parser.add_argument("--out", type=Path, help="folder of the page and the atlas (default runs/dissect/BUNDLE)")
    parser.add_argument("--units", type=at_least(1), default=UNITS, help=f"units that get patches (default {UNITS})")
    parser.add_argument("--patches", type=at_least(1), default=PATCHES, help=f"patches a unit (default {PATCHES})")
    parser.add_argument(
        "--quantile",
        type=between(0.001, 0.999),
        default=QUANTILE,
        help=f"a unit is active above this (default {QUANTILE})",
    )
    parser.add_argument("--pictures", type=at_least(1), default=PICTURES, help=f"phantoms to draw (default {PICTURES})")
    parser.add_argument(
        "--figures", type=Path, help="atlas that gives units, order and figures; DATA gives patches alone"
    )
    add_keys(parser)


def run(arguments: argparse.Namespace) -> None:
    import shlex
    import sys

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

    bundle = Bundle.open(arguments.bundle, arguments.keys)
    reader = Reader(bundle, LIMITS)
    known = open_atlas(arguments.figures, bundle) if arguments.figures else None
    if arguments.figures and known is None:
        raise DissectError(f"there is no atlas {arguments.figures}: make it with loupe-train dissect on a folder first")
    if arguments.data == PHANTOMS:
        subjects = phantom_subjects(bundle, arguments.pictures)
    else:
        recipe = load_recipe(arguments.recipe or bundle.manifest["id"])
        subjects = subjects_of(recipe, Path(arguments.data), bundle)
    words = sys.argv[1:]
    if "--out" in words:  # it says nothing of how the atlas was made, and may name a person's folder
        del words[words.index("--out") : words.index("--out") + 2]
    origin = atlases.Origin(f"loupe-train {shlex.join(words)}", arguments.quantile)
    measured = survey(reader, subjects, arguments.quantile)
    units = [int(unit) for unit in known.index["units"]] if known else atlases.ranked(measured)
    patches = cut_patches(reader, subjects, measured, units[: arguments.units], arguments.patches)
    made = atlases.make_atlas(reader, subjects, measured, patches, origin, known)
    folder = arguments.out or Path("runs/dissect") / bundle.manifest["id"]
    file = folder / (arguments.bundle.stem + SUFFIX)
    atlases.write_atlas(made, file)
    everything = None if known else {unit: atlases.unit_entry(reader, subjects, measured, unit) for unit in units}
    page = write_page(reader, made, everything, folder)
    print(told(made.index))
    print(f"wrote {file} ({file.stat().st_size / 1e6:.2f} MB) and {page}")


def told(index: dict[str, object]) -> str:
    """What a person wants to know of an atlas, in lines."""
    from typing import Any, cast

    figures = cast(dict[str, Any], index["figures"])
    data = figures["data"]
    lines = [
        f"{figures['units']} units on {data['pictures']} pictures of {data['groups']} groups ({data['name']})",
        f"never change: {figures['constant']}, of them always 0: {figures['dead']}",
    ]
    how = f"within {figures['within']} groups" if figures["within"] else "over all pictures"
    for level in figures["selective"]:
        lines.append(
            f"tell a class apart with AUROC ≥ {level['auroc']} {how}: {level['units']} (by chance {level['by_chance']:.0f})"
        )
    units = cast(dict[str, Any], index["units"])
    lines.append(f"the atlas's {len(units)} units are {figures['covered']:.0%} of those that readings list")
    return "\n".join(lines)


COMMANDS = (
    Command(
        "dissect",
        "measure what excites a bundle's units, for the page and the box's unit survey",
        add_arguments,
        run,
        "Network dissection: reads pictures as the box would and writes, for the units that matter most, the patches that "
        "excite them, how well they tell classes apart and how they overlap with masks: one HTML page, and the atlas that "
        "a technician puts beside the bundle. Patches of research data stay under its terms.",
    ),
)
