"""Tables as spreadsheet programs save them: encodings and separators are read, or named with the line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from training.data import Sample, default_labels, list_samples
from training.data.tables import read_table_file
from training.errors import DataError

ROWS = [("benign/é0.jpg", "Zoë"), ("benign/1.jpg", "p 1"), ("invasive/0.jpg", "p;2"), ("invasive/1.jpg", "p,3")]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for file, _ in ROWS:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def table(separator: str, line_end: str = "\r\n", head: tuple[str, ...] = ("file", "group")) -> str:
    rows = [head, *((file, f'"{group}"' if separator in group else group) for file, group in ROWS)]
    return line_end.join(separator.join(row) for row in rows) + line_end


def groups(folder: Path) -> dict[str, str]:
    samples: list[Sample] = list_samples("folder", folder, default_labels("folder", folder), {}, lambda _: None)
    return {sample.file: sample.group for sample in samples}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom", "utf-32", "cp1252"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
def test_whatever_a_spreadsheet_saves_is_read(own: Path, separator: str, encoding: str, line_end: str) -> None:
    text = table(separator, line_end)
    data = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
    (own / "groups.csv").write_bytes(data)
    assert groups(own) == dict(ROWS)


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\n" + table(";"),
        table(",", head=("File", " GROUP ")),
        table(";", head=("file", "group", "remark")) + ";;\r\n\r\n",
        table(",").replace("benign/", "benign\\"),
        unicodedata.normalize("NFD", table(",")),
        table(",").replace("benign/1.jpg,p 1", '"./benign/1.jpg","p 1"'),
    ],
    ids=["directive", "capitals", "more columns", "backslashes", "a Mac's accents", "quotes"],
)
def test_what_people_and_programs_vary_is_read(own: Path, text: str) -> None:
    (own / "groups.csv").write_text(text, encoding="utf-8", newline="")
    assert groups(own) == dict(ROWS)


def test_a_table_is_found_in_any_case_and_one_that_is_not_csv_is_not_ignored(own: Path) -> None:
    (own / "Groups.CSV").write_text(table(","))
    assert groups(own) == dict(ROWS)
    (own / "Groups.CSV").rename(own / "groups.xlsx")
    with pytest.raises(DataError, match=r"groups\.xlsx isn't read: save that table as CSV"):
        groups(own)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"file,group\nbenign/\x81.jpg,p\n", r"neither UTF-8 nor Windows-1252 \(line 2\)"),
        (b"\xef\xbb\xbffile,group\na,b\nbenign/\xe9.jpg,p\n", r"not valid utf-8-sig \(line 3\)"),
        (table(",").encode("utf-16")[2:], "UTF-16 without a byte-order mark"),
        (b"PK\x03\x04\x00\x00 a spreadsheet", "no text"),
        (b"file|group\nbenign/1.jpg|p\n", r"commas, semicolons or tabs. It is: file\|group"),
        (b"file;patient\nbenign/1.jpg;p\n", "no column group"),
        (b"", r"\(empty\)"),
        (b'file,group\nbenign/1.jpg,"' + b"x" * 200_000, "line 2, is no row with commas"),
        ("file;group\nbenign/\x8e0.jpg;p\n".encode("latin-1"), "read as Windows-1252: if accents look wrong"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_encoding_or_separator(own: Path, data: bytes, named: str) -> None:
    (own / "groups.csv").write_bytes(data)
    with pytest.raises(DataError, match=named):
        groups(own)


def test_lines_count_as_a_person_counts_them(own: Path) -> None:
    (own / "groups.csv").write_text("sep=;\nfile;group\n\nbenign/x.jpg;p\n")
    with pytest.raises(DataError, match=r"benign/x\.jpg \(line 4\)"):
        groups(own)
    (row,) = read_table_file(own / "groups.csv", ("group",)).rows
    assert (row.line, row.cells) == (4, {"file": "benign/x.jpg", "group": "p"})
