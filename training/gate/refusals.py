"""How often a bundle's gate refuses: proper pictures of unseen groups against foreign ones, as read by the box's code."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from device.reading.reading import Reader
from training.evaluation.refusals import Refusals, folder_pictures, refusals


def proper_refusals(name: str, table: pd.DataFrame) -> Refusals:
    """Of a cross-validation's readings, each read by a gate that was fitted without its group."""
    read = table[table["error"].isna()]
    reasons = {str(reason): int(count) for reason, count in read["reason"].value_counts().items()}
    return Refusals(name, len(read), reasons, int(read["caution"].sum()))


def gate_report(reader: Reader, proper: Refusals, foreign: Path) -> list[Refusals]:
    """The refusals of proper pictures, then those of each foreign folder."""
    rows = [proper]
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
