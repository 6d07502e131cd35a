"""`loupe-train` itself: which commands there are, in which order, and where each is written."""

from __future__ import annotations

from importlib import import_module

import click

STUDIES = "Studies"

# In the order in which a model is made, then what only looks into how well it works.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Data": ("data", "recipe"),
    "Fit": ("networks", "fit", "crossval", "trials"),
    "Quantize": ("ops",),
    "Gate": ("gate-report",),
    "Evaluate": ("evaluate", "results", "sets", "sections", "parts", "score"),
    "Pack": ("samples", "pack", "dissect"),
    STUDIES: (
        "faithful",
        "ood",
        "colours",
        "routing",
        "drift",
        "commissioning",
        "depth-probe",
        "field-probes",
        "pixel-size",
        "head-placement",
        "quantization-report",
        "table",
    ),
}


def module_of(command: str) -> str | None:
    """The module of a command, by its name; None where there is no such command."""
    for section, commands in SECTIONS.items():
        if command in commands:
            package = "training.commands.studies" if section == STUDIES else "training.commands"
            return f"{package}.{command.replace('-', '_')}"
    return None


class SectionedGroup(click.Group):
    """A group whose help has a list of commands for each section, and which imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [command for commands in SECTIONS.values() for command in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = module_of(cmd_name)
        if module is None:
            return None
        command = import_module(module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for section, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(section):
                # Names are padded, so that the helps of all sections stand in one column.
                formatter.write_dl(
                    [
                        (name.ljust(width), command.get_short_help_str(limit=120))
                        for name, command in commands
                        if command
                    ]
                )
