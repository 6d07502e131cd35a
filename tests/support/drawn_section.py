"""A section made of the samples: known tissue, bare glass, and in a corner something foreign."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

FIELD_PX = (512, 384)
GLASS_RGB = (246, 243, 247)
UM_PER_PX = 1.5
COLUMNS, ROWS = 4, 3


def draw_section(known: Sequence[Path], foreign: Path, file: Path) -> None:
    """Write the section: four columns of samples, the last of them foreign, and one of glass."""
    wide, high = FIELD_PX
    picture = Image.new("RGB", ((COLUMNS + 1) * wide, ROWS * high), GLASS_RGB)
    for place in range(COLUMNS * ROWS):
        sample = foreign if place == COLUMNS * ROWS - 1 else known[place % len(known)]
        tile = Image.open(sample).convert("RGB").resize(FIELD_PX)
        picture.paste(tile, (place % COLUMNS * wide, place // COLUMNS * high))
    picture.save(file)
