"""`loupe-train evaluate`: figures of a bundle or of a cross-validation, as a report."""

from __future__ import annotations

from pathlib import Path

import click

from device.base.command_line import ListCommand, ListOption
from training.commands.options import (
    PATH,
    bundle_of,
    bundle_option,
    examples,
    keys_option,
    open_reader,
    recipe_and_data_options,
    recipe_and_folder,
    run_folder_of,
)


@click.command(
    "evaluate",
    cls=ListCommand,
    short_help="figures of a bundle or of a cross-validation, as a report",
    epilog=examples(
        "loupe-train evaluate bach --readings runs/bach-crossval/readings.parquet",
        "loupe-train evaluate idc --readings runs/idc-crossval/readings.parquet --only idc_more --out runs/lone",
        "loupe-train evaluate mine.toml --data mine --split split.json --run runs/mine",
    ),
)
@recipe_and_data_options
@bundle_option
@keys_option
@click.option(
    "--readings",
    type=PATH,
    metavar="TABLE",
    help="a readings table, as crossval writes it, instead of reading the test part now",
)
@click.option(
    "--only", metavar="START", default="", help="with --readings: the pictures whose file begins so, a folder's say"
)
@click.option("--folds", cls=ListOption, metavar="NAME...", help="with --readings: pictures of these folds only")
@click.option(
    "--split",
    "split_file",
    type=PATH,
    metavar="FILE",
    help="the split that the bundle was made with, where not the recipe's",
)
@click.option(
    "--run",
    "run_folder",
    type=PATH,
    metavar="DIR",
    help="the run behind the bundle: adds the float network and training curves",
)
@click.option(
    "--before",
    type=PATH,
    metavar="TABLE",
    help="a readings table of another network on the same pictures, for a before/after table",
)
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    help="folder for report.html and report.json (default the table's, or runs/RECIPE)",
)
def command(
    recipe_name: str,
    data: Path | None,
    bundle_file: Path | None,
    keys: Path,
    readings: Path | None,
    only: str,
    folds: tuple[str, ...],
    split_file: Path | None,
    run_folder: Path | None,
    before: Path | None,
    out: Path | None,
) -> None:
    """Measures by the box's own code and writes one self-contained report, as a page and as JSON."""
    from dataclasses import replace

    from training.data import Split
    from training.evaluation.measure import evaluate_bundle, evaluate_readings, print_summary
    from training.evaluation.report import report_document, write_report
    from training.evaluation.table import load_table

    if (only or folds) and not readings:
        raise click.UsageError("--only and --folds choose among --readings")
    recipe, pictures = recipe_and_folder(recipe_name, data)
    if readings:
        evaluation = evaluate_readings(recipe, readings, only, folds)
    else:
        split = Split.load(split_file) if split_file else None
        reader = open_reader(recipe_name, recipe, bundle_file, keys)
        print(f"{reader.bundle.name} reads the test part of {recipe.id}'s split, as the box reads")
        evaluation = evaluate_bundle(reader, recipe, pictures, split=split, run=run_folder)
    if before:
        name = f"{before.parent.name}/{before.name}"
        evaluation = replace(evaluation, before=load_table(before), before_name=name)
    document = report_document(evaluation)
    print_summary(document)
    default = readings.parent if readings else run_folder_of(None, recipe)
    rests_on = [file for file in (readings or bundle_of(bundle_file, recipe), before) if file]
    table = f" --readings {readings.parent.name}/{readings.name}" if readings else ""  # no folder of a person's
    table += (f" --only {only}" if only else "") + (f" --folds {' '.join(folds)}" if folds else "")
    again = f"`loupe-train evaluate {recipe.id}{table}`"
    print(f"report: {write_report(document, out or default, again, rests_on)}")
