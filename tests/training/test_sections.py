"""Sections against the labels of their tiles: places, tiles without a value, and the section as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from device.reading.image import decode
from device.reading.sections import FOREIGN, READ, Section
from training.data import Sample
from training.data.adapters.idc import TILE_PX, TILES
from training.data.pictures import LIMITS
from training.data.sections import Section as Tiles
from training.data.sections import sections
from training.errors import DataError
from training.evaluation.sections import as_table, measure, report_sections, section_png, values_at
from training.recipe import load_recipe


def test_values_between_cells_leave_out_what_does_not_count() -> None:
    values = np.array([[0.0, 2.0], [4.0, np.nan]])
    rows, columns = np.array([0.5, 0.5, 0.5, 1.0, 0.99, 1.5]), np.array([0.5, 1.5, 1.0, 0.5, 0.99, 1.5])
    found = values_at(values, rows, columns)
    assert found[:4] == pytest.approx([0, 2, 1, 2])
    # At the corner of all four cells: the mean of the three that count.
    assert found[4] == pytest.approx(2, abs=0.1)
    assert np.isnan(found[5])


def test_tiles_are_scored_where_they_lie() -> None:
    """Ten columns of tiles under five columns of cells; evidence grows to the right, the last column is foreign."""
    labels = np.tile(np.arange(10) >= 5, (4, 1)).astype(np.int64)
    tiles = Tiles("p", TILES, np.arange(40).reshape(4, 10), labels)
    values = np.tile(np.array([-2.0, -1.0, 0.0, 1.0, np.nan]), (2, 1))
    states = np.where(np.isnan(values), FOREIGN, READ).astype(np.uint8)
    section = Section(
        states, np.zeros((2, 5, 1), np.float32), np.zeros((2, 5), np.float32), {"unknown_content": 2}, (10, 10), {}
    )
    row = measure(tiles, 2, values, 0.0, section, "caution", 1.0)
    assert (row.tiles, row.positive, row.without_value) == (40, 20, 8)
    assert row.auroc == 1
    # The 8 tiles without a value tie with nothing on the left: their section's logit, 0, still lies above it.
    assert row.auroc_all == pytest.approx(1)
    mirrored = measure(replace(tiles, labels=1 - labels), 2, values, 0.0, section, "caution", 1.0)
    assert mirrored.auroc == 0
    assert (row.balanced_accuracy, mirrored.balanced_accuracy) == (1, 0)
    table = as_table([row, replace(row, auroc=0.5, balanced_accuracy=0.5)])
    assert "| mean of 2 | 2 | 80 (40) | 0.750 |" in table
    assert "| 16 |" in table


def test_the_section_is_written_without_loss_and_white_where_there_is_no_tile(tmp_path: Path) -> None:
    samples = []
    for x, grey in ((50, 10), (150, 200)):
        PIL.Image.new("RGB", (TILE_PX, TILE_PX), (grey,) * 3).save(tmp_path / f"{x}.png")
        samples.append(Sample(f"{x}.png", 0, "p", extra={"x": float(x), "y": 50.0}))
    (tiles,) = sections(samples, TILES)
    pixels = decode(section_png(tmp_path, tiles, samples), LIMITS).pixels
    assert pixels.shape == (TILE_PX, 3 * TILE_PX, 3)
    assert [int(part.mean()) for part in np.split(pixels, 3, axis=1)] == [10, 255, 200]


def test_another_set_has_no_sections(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the pictures of bach aren't tiles"):
        report_sections(load_recipe("bach"), tmp_path, tmp_path, ["p"])
