"""`loupe-train evaluate`."""

from __future__ import annotations

import argparse

from training.commands.options import Command, add_bundle, add_recipe, open_reader, recipe_and_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_bundle(parser)


def run(arguments: argparse.Namespace) -> None:
    from training.evaluate import evaluate

    recipe, data = recipe_and_data(arguments)
    print(evaluate(open_reader(arguments, recipe), recipe, data))


COMMANDS = (Command("evaluate", "print the model card of a bundle, measured again on its test part", add_arguments, run),)
