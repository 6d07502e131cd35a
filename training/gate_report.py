"""How often a bundle's gate refuses: held-out proper pictures against foreign ones, as read by the box's code."""

from __future__ import annotations

from pathlib import Path

from device.reading import Reader
from training.data import CALIBRATION, TEST, find_samples, split_samples
from training.evaluate import Refusals, folder_pictures, refusals
from training.recipe import Recipe


def gate_report(reader: Reader, recipe: Recipe, data: Path, foreign: Path) -> list[Refusals]:
    """Refusals on the calibration and test parts of the recipe's data, then on each folder of foreign pictures."""
    split = split_samples(find_samples(recipe, data), recipe.split)
    rows = []
    for part in (CALIBRATION, TEST):
        pictures = [(data / sample.file).read_bytes() for sample in split.parts[part]]
        rows.append(refusals(reader, f"{recipe.id}, {part}", pictures))
    for folder in sorted(path for path in foreign.iterdir() if path.is_dir()):
        if pictures := folder_pictures(folder):
            rows.append(refusals(reader, folder.name, pictures))
    return rows


def as_table(rows: list[Refusals]) -> str:
    """A Markdown table: set, n, share refused, reasons, cautions."""
    lines = ["| set | n | refused | caution | reasons |", "|---|---|---|---|---|"]
    for row in rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(row.reasons.items(), key=lambda r: -r[1]))
        lines.append(f"| {row.name} | {row.n} | {row.rate:.1%} | {row.caution} | {reasons or '–'} |")
    return "\n".join(lines)
