"""Anybody's own pictures: a folder for each class, named by its label id, with any folders inside.

`groups.csv` beside them, with the columns `file` (as `CLASS/NAME.png`) and `group` (a patient's pseudonym), says what a
split keeps together. Without it each picture counts as a patient of its own, which is only right if that is so.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from training.data.adapters import Adapter, Source
from training.data.sample import Sample
from training.data.tables import read_table_file
from training.errors import DataError

GROUPS = "groups.csv"
# Somebody meant these, so that to pass them over would split patients.
OTHER_TABLES = tuple(f"groups.{suffix}" for suffix in ("txt", "tsv", "xls", "xlsx", "ods", "numbers"))
NAMED = 3  # files in a message


def find(source: Source) -> list[Sample]:
    um_per_px = source.number("um_per_px", 0.001, 10_000) if source.options["um_per_px"] else None
    files = []
    for file in source.files.pictures:
        index = source.class_of(PurePosixPath(file).parts[0]) if "/" in file else None
        if index is not None:
            files.append((file, index))
    groups = _groups(source, [file for file, _ in files])
    if not groups:
        source.note(f"There is no {GROUPS}: each picture counts as a patient of its own")
    return [Sample(file, index, groups.get(file, file), um_per_px) for file, index in files]


def _groups(source: Source, files: list[str]) -> dict[str, str]:
    """Group by file; none where there is no table. Raises `DataError` unless it names each file once and no others."""
    tables = [file for file in source.files.others if file.lower() == GROUPS]
    if not tables and (beside := [file for file in source.files.others if file.lower() in OTHER_TABLES]):
        raise DataError(
            f"{source.folder / beside[0]} isn't read: save that table as CSV, under the name {GROUPS}, or move it away"
        )
    if not tables:
        return {}
    source.tables.add(tables[0])
    table = read_table_file(source.folder / tables[0], ("file", "group"))
    file_of = {_key(file): file for file in files}
    groups: dict[str, str] = {}
    for row in table.rows:
        named, group = row.cells["file"], unicodedata.normalize("NFC", row.cells["group"])
        file = file_of.get(_key(named))
        if file is None:
            raise DataError(
                f"{table.path} names {named} (line {row.line}), which isn't there: check its spelling.{table.doubt}"
            )
        if file in groups:
            raise DataError(f"{table.path} names {named} twice (line {row.line})")
        if not group:
            raise DataError(f"{table.path} gives {named} no group (line {row.line})")
        groups[file] = group
    if missing := sorted(set(files) - groups.keys()):
        raise DataError(
            f"{table.path} misses {len(missing)} pictures, the first {', '.join(missing[:NAMED])}: add a line for each"
        )
    return groups


def _key(file: str) -> str:
    """One spelling of a path: a Mac writes é in two characters, Windows puts backslashes between folders."""
    return unicodedata.normalize("NFC", file.replace("\\", "/")).removeprefix("./")


ADAPTER = Adapter(find, "CLASS/**/*.png, with a folder for each label id", options={"um_per_px": ""})
