"""How often a bundle's gate refuses: held-out proper pictures against foreign ones, as read by the box's code."""

from __future__ import annotations

from pathlib import Path

from device.reading import Reader
from training.data import TEST, find_samples, picture_bytes, split_samples
from training.evaluation.refusals import Refusals, folder_pictures, refusals
from training.recipe import Recipe


def gate_report(reader: Reader, recipe: Recipe, data: Path, foreign: Path) -> list[Refusals]:
    """Refusals on the test part of the recipe's data (the gate was fitted on the others), then on each foreign folder."""
    tested = split_samples(find_samples(recipe, data), recipe.split).parts[TEST]
    rows = [refusals(reader, f"{recipe.id}, {TEST}", [picture_bytes(data, sample) for sample in tested])]
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
