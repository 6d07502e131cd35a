"""Anybody's own pictures: a folder for each class, named by its label id, with any folders inside.

`groups.csv` beside them, with the columns `file` (as `CLASS/NAME.png`) and `group` (a patient's pseudonym), says what a
split keeps together. Without it each picture counts as a patient of its own, which is only right if that is so.
"""

from __future__ import annotations

import csv
from pathlib import Path

from training.data.adapters import Adapter, Source
from training.data.pictures import PICTURES
from training.data.sample import Sample
from training.errors import DataError

GROUPS = "groups.csv"


def class_files(folder: Path, label: str) -> list[str]:
    """Picture files of a class in any depth, relative to the data folder, sorted."""
    found = (path for path in (folder / label).rglob("*") if path.suffix.lower() in PICTURES)
    return sorted(path.relative_to(folder).as_posix() for path in found)


def find(source: Source) -> list[Sample]:
    um_per_px = source.number("um_per_px", 0.001, 10_000) if source.options["um_per_px"] else None
    files = [(file, index) for index, label in enumerate(source.labels) for file in class_files(source.folder, label)]
    table = source.folder / GROUPS
    groups = _groups(table, {file for file, _ in files}) if table.exists() else {}
    if not groups:
        source.note(f"there is no {GROUPS}: each picture counts as a patient of its own")
    return [Sample(file, index, groups.get(file, file), um_per_px) for file, index in files]


def _groups(table: Path, files: set[str]) -> dict[str, str]:
    """Group by file. Raises `DataError` unless the table names each file once and no others."""
    with table.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        if missing := {"file", "group"} - set(rows.fieldnames or ()):
            raise DataError(f"{table} has no column {min(missing)}: its first line must be file,group")
        groups: dict[str, str] = {}
        for row in rows:
            file, group = (row["file"] or "").strip(), (row["group"] or "").strip()
            if file in groups:
                raise DataError(f"{table} names {file} twice (line {rows.line_num})")
            if file not in files:
                raise DataError(f"{table} names {file} (line {rows.line_num}), which isn't there: check its spelling")
            if not group:
                raise DataError(f"{table} gives {file} no group (line {rows.line_num})")
            groups[file] = group
    if missing := files - groups.keys():
        raise DataError(f"{table} misses {len(missing)} pictures, the first {min(missing)}: add a line for each")
    return groups


FOLDER = Adapter(find, "CLASS/**/*.png, with a folder for each label id", options={"um_per_px": ""})
