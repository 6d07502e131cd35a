"""The commands of `loupe-train`, in the order of its help: each module has a tuple `COMMANDS`."""

from __future__ import annotations

from training.commands import (
    crossval,
    data,
    depth_probe,
    dissect,
    evaluate,
    faithful,
    fit,
    gate,
    networks,
    ood,
    pack,
    parts,
    quantization,
    recipe,
    results,
    routing,
    score,
    sections,
    sets,
    trials,
)
from training.commands.options import Command

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
    *gate.COMMANDS,
    *ood.COMMANDS,
    *routing.COMMANDS,
    *networks.COMMANDS,
    *quantization.COMMANDS,
    *crossval.COMMANDS,
    *trials.COMMANDS,
    *score.COMMANDS,
    *sections.COMMANDS,
    *parts.COMMANDS,
)
