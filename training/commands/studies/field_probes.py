"""`loupe-train field-probes`: try pooled sets, a second scale and another pooling on frozen features."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, RUNS, SHARED_DATA, examples, recipe_argument

POOLED = SHARED_DATA
FAR = SHARED_DATA / "pcam"


@click.command(
    "field-probes",
    short_help="try pooled sets, a second scale and another pooling on frozen features",
    epilog=examples(
        "loupe-train field-probes pooled --fine", "loupe-train field-probes pooled --crossval runs/pooled-crossval"
    ),
)
@recipe_argument
@click.option(
    "--data", type=PATH, metavar="DIR", default=POOLED, show_default=True, help="folder with the pooled sets' folders"
)
@click.option("--far", type=PATH, metavar="DIR", default=FAR, show_default=True, help="PCam, the far judge")
@click.option(
    "--crossval", type=PATH, metavar="DIR", help="take the networks of these folds (default ImageNet's Lite0 for all)"
)
@click.option("--fine", is_flag=True, help="with a second, finer scale, which takes nine times as long")
def command(recipe_name: str, data: Path, far: Path, crossval: Path | None, fine: bool) -> None:
    """Fits regressions on features of networks that stay as they are, fold by fold.

    Judged on left-out blocks of BACH, left-out patients of BreakHis and tiles of PCam.
    """
    from training import networks
    from training.data import adapter_module, check_leaks, make_folds, ready_samples
    from training.fitting.fit import load_run
    from training.recipe import load_recipe
    from training.run_files import FACTS
    from training.stamp import source, write_table
    from training.studies.field_probes import judge, report

    recipe = load_recipe(recipe_name)
    samples = ready_samples(recipe, data)
    folds = make_folds(samples, recipe.split)
    check_leaks(folds, data)
    if crossval:
        models = {
            fold.name: load_run(recipe, data, crossval / fold.name).model
            for fold in folds
            if (crossval / fold.name / FACTS).is_file()
        }
        words = f"Features of the folds {', '.join(models)} of {recipe.id}."
    else:
        model = networks.build("lite0", len(recipe.labels))
        networks.load_weights(model, "lite0", "imagenet")
        models = {fold.name: model for fold in folds}
        words = "Features of ImageNet's Lite0, all folds."
    table = report(recipe, judge(recipe, data, far, samples, models, fine=fine), words)
    print(table)
    made_from = source(
        f"`loupe-train field-probes {recipe_name}`",
        ("training.studies.field_probes", adapter_module(recipe)),
        recipe=recipe,
        networks=words,
        fine=fine,
    )
    name = "field-probes-folds.md" if crossval else "field-probes.md"
    print(f"wrote {write_table(table, RUNS / f'{recipe.id}-{name}', made_from)}")
