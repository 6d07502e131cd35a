"""`loupe-train depth-probe`."""

from __future__ import annotations

import argparse

from training.commands.options import Command, add_recipe, recipe_and_data


def run(arguments: argparse.Namespace) -> None:
    from training.studies.depth_probe import depth_probe

    print(depth_probe(*recipe_and_data(arguments)))


COMMANDS = (
    Command(
        "depth-probe",
        "measure how deep into the frozen network a task should look",
        add_recipe,
        run,
        "Fits a linear probe on every block of ImageNet's Lite0, fold by fold.",
    ),
)
