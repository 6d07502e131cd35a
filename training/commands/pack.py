"""`loupe-train pack` and `loupe-train samples`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.options import (
    SAMPLES,
    Command,
    add_bundle,
    add_recipe,
    add_run,
    bundle_file,
    data_folder,
    recipe_and_data,
    run_folder,
)
from training.errors import RunError
from training.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from device.reading.bundle import Bundle


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
        "--amend",
        type=Path,
        metavar="BUNDLE",
        help="instead of packing a run: this bundle again, with the calibration, figures and promises of --crossval",
    )
    parser.add_argument(
        "--samples", type=Path, default=SAMPLES, help=f"their textures become golden (default {SAMPLES})"
    )
    parser.add_argument("--owner", metavar="NAME", help="who signs: names the key's files (default git's user.name)")
    parser.add_argument(
        "--key", type=Path, metavar="PEM", help="private key (default ~/.config/loupe/OWNER.pem, made if missing)"
    )


def pack_run(arguments: argparse.Namespace) -> None:
    from training.claims import check_claims
    from training.packing.signing import check_bundle_file, find_signer, publish

    recipe = load_recipe(arguments.recipe)
    check_claims(arguments.recipe, recipe)
    data = data_folder(arguments, recipe)
    out = bundle_file(arguments, recipe)
    signer = find_signer(arguments.owner, arguments.key, arguments.keys)
    check_bundle_file(out, signer)
    print(publish(signer))
    if arguments.amend:
        bundle = _amend(arguments, recipe, data, out, signer.key)
    else:
        bundle = _pack(arguments, recipe, data, out, signer.key)
    print(bundle.card)
    print(f"packed {out}, {out.stat().st_size / 1e6:.2f} MB. Next: loupe verify --bundle {out} --keys {arguments.keys}")


def _pack(arguments: argparse.Namespace, recipe: Recipe, data: Path, out: Path, key: Ed25519PrivateKey) -> Bundle:
    from training.fitting.fit import load_run
    from training.packing.pack import pack

    run = load_run(recipe, data, run_folder(arguments, recipe))
    return pack(run, out, key, arguments.samples, arguments.crossval)


def _amend(arguments: argparse.Namespace, recipe: Recipe, data: Path, out: Path, key: Ed25519PrivateKey) -> Bundle:
    """Raises `RunError` without `--crossval`."""
    if arguments.crossval is None:
        raise RunError("--amend needs --crossval, the folder of the cross-validation whose figures go into the bundle")

    from device.reading.bundle import Bundle
    from training.data import find_samples
    from training.packing.amend import amend

    before = Bundle.open(arguments.amend, arguments.keys)
    return amend(before, recipe, find_samples(recipe, data), out, key, arguments.crossval)


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
