"""A short run of the torture of `torture.py`: `make torture` is the long one."""

from __future__ import annotations

import pytest
import torture

FILES = 60


@pytest.mark.parametrize("kind", torture.KINDS)
def test_damaged_files_become_pictures_or_named_errors(kind: str) -> None:
    figures, wrong = torture.torture(kind, FILES, seed=10)
    assert wrong == []
    assert figures["files"] == FILES


def test_each_kind_of_file_that_the_box_reads_is_tortured() -> None:
    from device.formats import FORMATS, kind_of

    drawn = {found.name for files in torture.KINDS.values() for data in files() if (found := kind_of(data))}
    assert drawn == set(FORMATS)


def test_a_file_of_a_run_can_be_made_alone() -> None:
    made = torture.files("BMP", seed=3)
    third = [next(made) for _ in range(3)][2]
    seeds = list(torture.KINDS["BMP"]())
    rng = torture.np.random.default_rng([3, list(torture.KINDS).index("BMP"), 2])
    assert torture.damaged(seeds, rng) == third
