"""`loupe-train pack` and `loupe-train samples`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import (
    SAMPLES,
    Command,
    add_bundle,
    add_recipe,
    add_run,
    bundle_file,
    recipe_and_data,
    run_folder,
)


def add_pack_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_run(parser)
    add_bundle(parser)
    parser.add_argument(
        "--crossval",
        type=Path,
        help="folder of the cross-validation that measured this recipe: calibration and figures",
    )
    parser.add_argument(
        "--samples", type=Path, default=SAMPLES, help=f"their textures become golden (default {SAMPLES})"
    )
    parser.add_argument(
        "--key", type=Path, help="private key (default ~/.config/loupe/development.pem, made if missing)"
    )


def pack_run(arguments: argparse.Namespace) -> None:
    from training.fitting.fit import load_run
    from training.packing.pack import pack
    from training.packing.signing import DEFAULT_KEY, publish_key, signing_key

    recipe, data = recipe_and_data(arguments)
    out = bundle_file(arguments, recipe)
    key_file = arguments.key or DEFAULT_KEY
    key = signing_key(key_file)
    bundle = pack(
        load_run(recipe, data, run_folder(arguments, recipe)), out, key, arguments.samples, arguments.crossval
    )
    publish_key(key, arguments.keys / f"{key_file.stem}.pub")
    print(bundle.card)
    print(f"packed {out}, {out.stat().st_size / 1e6:.2f} MB. Next: loupe verify --bundle {out}")


def add_samples_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_run(parser)
    parser.add_argument("--out", type=Path, default=SAMPLES, help=f"folder (default {SAMPLES})")


def make(arguments: argparse.Namespace) -> None:
    from training.fitting.fit import load_run
    from training.packing.samples import make_samples

    recipe, data = recipe_and_data(arguments)
    make_samples(load_run(recipe, data, run_folder(arguments, recipe)), arguments.out)


COMMANDS = (
    Command("samples", "make the page's synthetic sample pictures from a run's network", add_samples_arguments, make),
    Command(
        "pack",
        "quantize, calibrate, fit the gate, measure and sign",
        add_pack_arguments,
        pack_run,
        "Turns a fitted run into a signed bundle and prints its card.",
    ),
)
