"""The commands of `loupe-train`, in the order of its help: each module has a tuple `COMMANDS`."""

from __future__ import annotations

from training.commands import (
    crossval,
    data,
    dissect,
    evaluate,
    fit,
    gate_report,
    networks,
    pack,
    parts,
    recipe,
    results,
    score,
    sections,
    sets,
    trials,
)
from training.commands.options import Command
from training.commands.studies import depth_probe, faithful, ood, quantization_report, routing

COMMANDS: tuple[Command, ...] = (
    *data.COMMANDS,
    *recipe.COMMANDS,
    *fit.COMMANDS,
    *pack.COMMANDS,
    *evaluate.COMMANDS,
    *faithful.COMMANDS,
    *results.COMMANDS,
    *sets.COMMANDS,
    *depth_probe.COMMANDS,
    *dissect.COMMANDS,
    *gate_report.COMMANDS,
    *ood.COMMANDS,
    *routing.COMMANDS,
    *networks.COMMANDS,
    *quantization_report.COMMANDS,
    *crossval.COMMANDS,
    *trials.COMMANDS,
    *score.COMMANDS,
    *sections.COMMANDS,
    *parts.COMMANDS,
)
