"""`loupe-train gate-report` and `loupe-train gate-layers`."""

from __future__ import annotations

import argparse

from training.commands.options import Command, add_bundle, add_foreign, add_recipe, open_reader, recipe_and_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_bundle(parser)
    add_foreign(parser)


def report(arguments: argparse.Namespace) -> None:
    from training.gate_report import as_table, gate_report

    recipe, data = recipe_and_data(arguments)
    print(as_table(gate_report(open_reader(arguments, recipe), recipe, data, arguments.foreign)))


def layers(arguments: argparse.Namespace) -> None:
    from training.gate_layers import gate_layers

    recipe, data = recipe_and_data(arguments)
    print(gate_layers(open_reader(arguments, recipe), recipe, data, arguments.foreign))


COMMANDS = (
    Command("gate-report", "how often the gate refuses proper and foreign pictures", add_arguments, report),
    Command("gate-layers", "measure which of the network's layers tells foreign pictures best", add_arguments, layers),
)
