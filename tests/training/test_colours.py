"""What refused pictures are called by their colours, counted by halves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from device.reading.reading import Reader
from tests.support.pictures import png
from tests.support.shipped import SAMPLES, SHARED_DATA
from training.studies.colours import REPORTING, SETTING, as_table, halves_of, look


def test_each_picture_lies_in_one_half_and_neighbours_together(tmp_path: Path) -> None:
    for index in range(8):
        (tmp_path / f"{index}.png").write_bytes(png(Pillow.fromarray(np.full((80, 80, 3), index, np.uint8))))
    halves = {half: pictures for _, half, pictures in halves_of(str(tmp_path), Path("unused"), 100)}
    files = [(tmp_path / f"{index}.png").read_bytes() for index in range(8)]
    assert [files.index(data) for data in halves[SETTING]] == [0, 1, 4, 5]
    assert [files.index(data) for data in halves[REPORTING]] == [2, 3, 6, 7]


def test_the_table_counts_what_is_named(reader: Reader) -> None:
    names = ("foreign-chest-xray", "foreign-blood-smear", "texture-normal")
    row = look(reader, "samples", REPORTING, [(SAMPLES / f"{name}.jpg").read_bytes() for name in names])
    assert (row.n, row.refused, row.colours["grey"], row.named["grey"]) == (3, 2, 1, 1)
    assert "| samples | reporting | 3 | 2 | 1 | 2 | 0 | grey 1 | 0.0% |" in as_table([row])


@pytest.mark.shared_data
def test_most_immunostains_are_named_and_h_and_e_is_not(reader: Reader) -> None:
    named = {}
    for name in ("ihc", "colorectal_he"):
        for _, half, pictures in halves_of(str(SHARED_DATA / "ood" / name), SHARED_DATA, 12):
            if half == REPORTING:
                named[name] = look(reader, name, half, pictures).named["immunostain"]
    assert named["ihc"] >= 10
    assert named["colorectal_he"] == 0
