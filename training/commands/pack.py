"""`loupe-train pack`: quantize, calibrate, fit the gate, measure and sign."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    SAMPLES,
    SHARED_DATA,
    bundle_of,
    bundle_option,
    data_folder,
    examples,
    keys_option,
    recipe_and_data_options,
    run_folder_of,
    run_option,
)
from training.errors import RunError
from training.recipe import load_recipe


@click.command(
    "pack",
    short_help="quantize, calibrate, fit the gate, measure and sign",
    epilog=examples(
        "loupe-train pack bach --crossval runs/bach-crossval --bundle runs/bach.loupe",
        "loupe-train pack mine.toml --data mine --owner ada",
        "loupe-train pack bach --amend models/bach.loupe --crossval runs/bach-crossval --bundle runs/bach.loupe",
        "loupe-train pack bach --add-site models/bach.loupe --bundle runs/bach.loupe",
    ),
)
@recipe_and_data_options
@run_option
@bundle_option
@keys_option
@click.option(
    "--crossval",
    type=PATH,
    metavar="DIR",
    help="folder of the cross-validation that measured this recipe: calibration and figures",
)
@click.option(
    "--amend",
    "amended",
    type=PATH,
    metavar="BUNDLE",
    help="instead of packing a run: this bundle again, with calibration, figures, bound and stated coverage of --crossval",
)
@click.option(
    "--add-site",
    "without_site",
    type=PATH,
    metavar="BUNDLE",
    help="instead of packing a run: this bundle again, with what commissioning at a clinic needs",
)
@click.option(
    "--sets",
    type=PATH,
    metavar="DIR",
    default=SHARED_DATA,
    show_default=True,
    help="with --add-site: folder of the data sets that foreign pictures are taken from",
)
@click.option(
    "--samples",
    type=PATH,
    metavar="DIR",
    default=SAMPLES,
    show_default=True,
    help="sample pictures whose textures become golden",
)
@click.option("--owner", metavar="NAME", help="who signs: names the key's files (default git's user.name)")
@click.option(
    "--key",
    type=PATH,
    metavar="PEM",
    help="private key (default ~/.config/loupe/OWNER.pem, made if missing)",
)
def command(
    recipe_name: str,
    data: Path | None,
    run_folder: Path | None,
    bundle_file: Path | None,
    keys: Path,
    crossval: Path | None,
    amended: Path | None,
    without_site: Path | None,
    sets: Path,
    samples: Path,
    owner: str | None,
    key: Path | None,
) -> None:
    """Turns a fitted run into a signed bundle and prints its card."""
    from training.claims import check_claims
    from training.packing.signing import check_bundle_file, find_signer, publish

    recipe = load_recipe(recipe_name)
    check_claims(recipe_name, recipe)
    pictures = data_folder(data, recipe)
    out = bundle_of(bundle_file, recipe)
    signer = find_signer(owner, key, keys)
    check_bundle_file(out, signer)
    print(publish(signer))
    if amended:
        if crossval is None:
            raise RunError(
                "--amend needs --crossval, the folder of the cross-validation whose figures go into the bundle"
            )

        from device.reading.bundle import Bundle
        from training.data import find_samples
        from training.packing.amend import amend

        before = Bundle.open(amended, keys)
        bundle = amend(before, recipe, find_samples(recipe, pictures), out, signer.key, crossval)
    elif without_site:
        from device.reading.bundle import Bundle
        from training.data import find_samples
        from training.packing.site import add_site

        before = Bundle.open(without_site, keys)
        bundle = add_site(before, recipe, find_samples(recipe, pictures), pictures, sets, out, signer.key)
    else:
        from training.fitting.fit import load_run
        from training.packing.pack import pack

        run = load_run(recipe, pictures, run_folder_of(run_folder, recipe))
        bundle = pack(run, out, signer.key, samples, crossval)
    print(bundle.card)
    print(f"packed {out}, {out.stat().st_size / 1e6:.2f} MB. Next: loupe verify --bundle {out} --keys {keys}")
