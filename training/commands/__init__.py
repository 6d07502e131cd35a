"""The commands of `loupe-train`, in the order of its help: each module has a tuple `COMMANDS`."""

from __future__ import annotations

from training.commands import (
    crossval,
    data,
    depth_probe,
    dissect,
    evaluate,
    fit,
    gate,
    networks,
    pack,
    quantization,
    results,
    score,
    sections,
    trials,
)
from training.commands.options import Command

COMMANDS: tuple[Command, ...] = (
    *data.COMMANDS,
    *fit.COMMANDS,
    *pack.COMMANDS,
    *evaluate.COMMANDS,
    *results.COMMANDS,
    *depth_probe.COMMANDS,
    *dissect.COMMANDS,
    *gate.COMMANDS,
    *networks.COMMANDS,
    *quantization.COMMANDS,
    *crossval.COMMANDS,
    *trials.COMMANDS,
    *score.COMMANDS,
    *sections.COMMANDS,
)
