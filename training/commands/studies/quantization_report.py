"""`loupe-train ops`, `loupe-train head-placement` and `loupe-train quantization-report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command, add_recipe, add_run, recipe_and_data, run_folder


def add_ops_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a .tflite or .loupe file")


def ops(arguments: argparse.Namespace) -> None:
    from training.quantization.convert import list_ops

    for op, count in sorted(list_ops(arguments.file.read_bytes()).items()):
        print(f"{count:4}  {op}")


def add_placement_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_run(parser)


def placement(arguments: argparse.Namespace) -> None:
    from training.fitting.fit import load_run
    from training.studies.head_placement import compare

    recipe, data = recipe_and_data(arguments)
    print(compare(load_run(recipe, data, run_folder(arguments, recipe))))


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_run(parser)
    parser.add_argument("--out", type=Path, help="folder of the page (default: the run's)")


def report(arguments: argparse.Namespace) -> None:
    from training.fitting.fit import load_run
    from training.studies.quantization_report import report_run

    recipe, data = recipe_and_data(arguments)
    folder = run_folder(arguments, recipe)
    print(report_run(load_run(recipe, data, folder), arguments.out or folder))


COMMANDS = (
    Command("ops", "list a network's operations with their types", add_ops_arguments, ops),
    Command(
        "head-placement",
        "measure the head inside the integer network against outside",
        add_placement_arguments,
        placement,
    ),
    Command(
        "quantization-report",
        "error of the integer network against the float one, layer by layer",
        add_report_arguments,
        report,
    ),
)
