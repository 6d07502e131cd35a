"""What refused pictures are called by their own colours: `loupe-train colours`.

The limits of `device/reading/colours.py` were set on drawn pictures and on one half of each set. The other half is for
reporting. A group (a patient where known) lies in one half. In a folder without groups, pairs of files in a row stay
together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.reading.colours import colours_of
from device.reading.gate import COLOURED, GREY, IMMUNOSTAIN
from device.reading.reading import Reader
from training.data import find_samples, picture_bytes
from training.data.pictures import counted
from training.data.sample import evenly
from training.drawn import foreign
from training.evaluation.refusals import folder_pictures
from training.evaluation.words import markdown_table
from training.recipe import load_recipe
from training.studies.ood.sets import bmp

DRAWN = "drawn"
DRAWN_EACH = 6
SETTING, REPORTING = "setting", "reporting"
NAMES = (GREY, COLOURED, IMMUNOSTAIN)


@dataclass(frozen=True)
class Half:
    """Of one half of a set: pictures, those refused; by their colours alone, and by name in the refusal."""

    name: str
    half: str
    n: int
    refused: int
    colours: Counter[str]
    named: Counter[str]


def halves_of(name: str, shared: Path, most: int) -> Iterator[tuple[str, str, list[bytes]]]:
    """A set's name, which half, and the bytes of at most `most` pictures of it, evenly spread: of our own drawings, of the
    folder `name`, else of the shipped recipe `name` with its data below `shared`."""
    if name == DRAWN:
        for kind, make in (foreign.DRAWN | foreign.PLAIN).items():
            yield f"{DRAWN} {kind}", SETTING, [bmp(make(seed)) for seed in range(DRAWN_EACH)]
        return
    if Path(name).is_dir():
        title, pictures = Path(name).name, folder_pictures(Path(name))
        halves = [index // 2 % 2 for index in range(len(pictures))]
    else:
        recipe = load_recipe(name)
        folder = recipe.data.folder_below(shared)
        samples = find_samples(recipe, folder)
        samples = evenly(samples, 2 * most)
        groups = sorted({sample.group for sample in samples})
        halves = [groups.index(sample.group) % 2 for sample in samples]
        title, pictures = recipe.id, [picture_bytes(folder, sample) for sample in samples]
    for number, half in enumerate((SETTING, REPORTING)):
        chosen = [data for data, own in zip(pictures, halves, strict=True) if own == number]
        yield title, half, evenly(chosen, most)


def look(reader: Reader, name: str, half: str, pictures: Sequence[bytes]) -> Half:
    """Read pictures as the box does."""
    readings = [reader.read(data) for data in counted(pictures, name)]
    seen = [colours_of(reading.image.pixels) for reading in readings]
    named = Counter(reading.verdict.variant or "" for reading in readings)
    return Half(
        name,
        half,
        len(readings),
        sum(not reading.verdict.accepted for reading in readings),
        Counter({kind: sum(getattr(colours, kind) for colours in seen) for kind in NAMES}),
        Counter({kind: named[kind] for kind in NAMES}),
    )


def as_table(rows: Sequence[Half]) -> str:
    """Markdown: half a set a row."""
    head = [
        "set",
        "half",
        "n",
        "refused",
        *(f"{kind} by colours" for kind in NAMES),
        "refused as",
        "immunostain of refused",
    ]
    return markdown_table(
        head,
        [
            [
                row.name,
                row.half,
                str(row.n),
                str(row.refused),
                *(str(row.colours[kind]) for kind in NAMES),
                ", ".join(f"{kind} {row.named[kind]}" for kind in NAMES if row.named[kind]) or "–",
                f"{row.named[IMMUNOSTAIN] / row.refused:.1%}" if row.refused else "–",
            ]
            for row in rows
        ],
    )
