"""The table of diagnoses that comes with a clinic's pictures: a CSV file, `file,label`.

`file` is a picture below the folder of pictures, or a patient's folder, whose pictures then all have the diagnosis. `label`
is a class of the model, by its id or by its name; or a group, "malignant" (all of concern) or "benign" (all others).
In a table that has the group "malignant", "benign" is its counterpart, even where the model has a class of that id.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from device.base.errors import LabelsInvalid, LabelsUnreadable, Phrase, echoed
from device.base.files import read_file, reason_of
from device.reading.manifest import Manifest

MAX_BYTES = 1_000_000
MOST_ROWS = 10_000
DELIMITERS = ",;\t"
FILE, LABEL = "file", "label"
OF_CONCERN = ("malignant", "concern", "maligne", "malin")
OF_NONE = ("benign", "no_concern", "not_malignant", "bénin", "bénigne", "benin", "benigne")


def read_diagnoses(path: Path, pictures: Collection[str], manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """For each picture that the table names the ids of the classes that its diagnosis allows. `pictures`: their paths below
    the folder, with slashes. Raises a `CommissioningError`."""
    rows = list(_rows(path))
    known = _classes_by_word(manifest, grouped=any(label in OF_CONCERN for _, _, label in rows))
    below = _below(pictures)
    found: dict[str, tuple[str, ...]] = {}
    for line, file, label in rows:

        def wrong(reason: Phrase, value: str, line: int = line) -> LabelsInvalid:
            classes = ", ".join([*(each.id for each in manifest.labels), OF_CONCERN[0]])
            shown = str(echoed(value))
            return LabelsInvalid(file=path.name, line=line, reason=reason, value=shown, classes=classes)

        if not label:
            raise wrong(Phrase("label_missing"), file)
        if label not in known:
            raise wrong(Phrase("label_class"), label)
        if file not in below:
            raise wrong(Phrase("label_file"), file)
        for picture in below[file]:
            if found.setdefault(picture, known[label]) != known[label]:
                raise wrong(Phrase("label_twice"), file)
    return found


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, file and label of each row. Raises `LabelsUnreadable`."""
    try:
        data = read_file(path, MAX_BYTES)
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        head = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=head.count)
        table = csv.DictReader(text.splitlines(), delimiter=delimiter, strict=True)
        names = {(name or "").strip().lower(): name for name in table.fieldnames or ()}
        if FILE not in names or LABEL not in names:
            raise LabelsUnreadable(file=str(path), detail=Phrase("label_columns"))
        for number, row in enumerate(table):
            if number >= MOST_ROWS:
                raise LabelsUnreadable(file=str(path), detail=Phrase("label_rows"))
            file, label = (row.get(names[column]) or "" for column in (FILE, LABEL))
            if file.strip():
                yield table.line_num, _normal(file), label.strip().lower()
    except UnicodeDecodeError as error:
        raise LabelsUnreadable(file=str(path), detail=Phrase("label_encoding")) from error
    except (OSError, ValueError, csv.Error) as error:
        raise LabelsUnreadable(file=str(path), detail=reason_of(error)) from error


def _normal(file: str) -> str:
    """A path as it is compared: with slashes, also where Windows wrote it, and an accent as one letter, also where a Mac
    wrote it as two."""
    return str(PurePosixPath(unicodedata.normalize("NFC", file.strip().replace("\\", "/"))))


def _below(pictures: Collection[str]) -> Mapping[str, list[str]]:
    """The pictures that each path means: a picture's own, its name alone where no other has it, and each folder's."""
    below: dict[str, list[str]] = {}
    by_name: dict[str, list[str]] = {}
    for picture in pictures:
        path = PurePosixPath(_normal(picture))
        for each in (path, *path.parents[:-1]):
            below.setdefault(str(each), []).append(picture)
        by_name.setdefault(path.name, []).append(picture)
    return {**{name: found for name, found in by_name.items() if len(found) == 1}, **below}


def _classes_by_word(manifest: Manifest, *, grouped: bool) -> dict[str, tuple[str, ...]]:
    """The ids of the classes that each word allows. `grouped`: the table speaks of groups."""
    ids = [label.id for label in manifest.labels]
    concern = tuple(each for each in ids if each in manifest.answer.concern)
    others = tuple(each for each in ids if each not in concern)
    words: dict[str, tuple[str, ...]] = {
        word: (label.id,) for label in manifest.labels for word in (label.id, label.name.en, label.name.fr)
    }
    if concern and others:
        if grouped and not any(word in words for word in OF_CONCERN):
            words |= dict.fromkeys(OF_NONE, others)
        words = {**dict.fromkeys(OF_CONCERN, concern), **dict.fromkeys(OF_NONE, others), **words}
    return {word.lower(): classes for word, classes in words.items()}
