"""Arguments of `loupe-train` that can't be meant are refused by name, before anything is read or fitted."""

from __future__ import annotations

import pytest

from training.cli import main


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("fit bach --epochs -1", "--epochs: '-1' isn't a whole number, 0 or more"),
        ("crossval bach --epochs 2.5", "--epochs: '2.5' isn't a whole number, 0 or more"),
        ("crossval bach --workers 0", "--workers: '0' isn't a whole number, 1 or more"),
        ("trials bach file.toml --random none", "--random: 'none' isn't a whole number, 1 or more"),
        ("score folder --batch 0", "--batch: '0' isn't a whole number, 1 or more"),
        ("faithful bach --pictures -5", "--pictures: '-5' isn't a whole number, 1 or more"),
        ("faithful bach --score-cam -1", "--score-cam: '-1' isn't a whole number, 0 or more"),
        ("faithful bach --windows many", "--windows: 'many' isn't a whole number, 0 or more"),
        ("routing --most 0", "--most: '0' isn't a whole number, 1 or more"),
        ("drift bach --orders 0", "--orders: '0' isn't a whole number, 1 or more"),
        ("sections idc --steps 0", "--steps: '0' isn't a number from 1 to 16"),
        ("sections idc --steps nan", "--steps: 'nan' isn't a number from 1 to 16"),
        ("dissect a.loupe phantoms --units 0", "--units: '0' isn't a whole number, 1 or more"),
        ("dissect a.loupe phantoms --quantile 1", "--quantile: '1' isn't a number from 0.001 to 0.999"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused_by_name(
    given: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(given.split())
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
