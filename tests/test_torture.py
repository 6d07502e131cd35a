"""A few seconds of each part of the torture: `make torture` is the long run, `make torture-short` CI's."""

from __future__ import annotations

from itertools import islice

import pytest
from torture import damage, fuzz

FILES = 60


@pytest.mark.parametrize("kind", damage.KINDS)
def test_damaged_files_become_pictures_or_named_errors(kind: str) -> None:
    run = fuzz.fuzz(kind, FILES, seed=10)
    assert run.wrong == ()
    assert len(run.files) == FILES


def test_each_kind_of_file_that_the_box_reads_is_tortured() -> None:
    from device.formats import FORMATS, kind_of

    drawn = {found.name for files in damage.KINDS.values() for data in files() if (found := kind_of(data))}
    assert drawn == set(FORMATS)


def test_a_file_of_a_run_can_be_made_alone() -> None:
    assert list(islice(damage.files("BMP", seed=3), 3))[2] == damage.one("BMP", seed=3, number=2)
