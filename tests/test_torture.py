"""A few seconds of the torture, and that it tells what is wrong: `make torture` is the long run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.support.shipped import MODELS
from tests.torture import __main__ as program
from tests.torture import attacks, bombs, damage, fuzz, harm, wire
from tests.torture.beside import SAME, Ordeal
from tests.torture.box import Memory, running
from tests.torture.good import Asked, GoodClient, Served
from tests.torture.table import After, Beside

FILES = 60


@pytest.mark.parametrize("kind", damage.KINDS)
def test_damaged_files_become_pictures_or_named_errors(kind: str) -> None:
    run = fuzz.fuzz(kind, FILES, seed=10)
    assert run.wrong == ()
    assert len(run.files) == FILES


def test_each_kind_of_file_that_the_box_reads_is_tortured() -> None:
    from device.reading.formats import FORMATS, kind_of

    drawn = {found.name for files in damage.KINDS.values() for data in files() if (found := kind_of(data))}
    assert drawn == set(FORMATS)
    assert {name.split()[0] for name in bombs.BOMBS} == set(FORMATS)


def test_a_file_of_a_run_can_be_made_alone() -> None:
    assert list(islice(damage.files("BMP", seed=3), 3))[2] == damage.one("BMP", seed=3, number=2)


@pytest.fixture(scope="module")
def memory() -> Iterator[Memory]:
    made = Memory()
    yield made
    made.close()


def test_a_good_client_is_served_beside_attacks_from_his_own_address(tmp_path: Path, memory: Memory) -> None:
    """Its times are `make torture`'s to judge, on a machine that does nothing else."""
    with running(tmp_path, memory) as box:
        ordeal = Ordeal(box, GoodClient(box.port, MODELS / "samples"), quiet_s=0.5)
        for name in ("malformed", "slow-body"):
            found = ordeal.attacked(name, SAME, seconds=2.0, seed=5)
            found.judge(ratio=float("inf"))
            assert found.wrong == []
            assert sum(found.attack.values()) > 10


def test_names_outlive_kills(tmp_path: Path, memory: Memory) -> None:
    found = harm.kills(tmp_path, memory, random.Random(1), True, 3)
    assert found.wrong == [], found.seen


def test_what_an_attack_breaks_is_told() -> None:
    def served(outcome: str, seconds: float) -> Served:
        return Served(
            tuple(Asked(kind, 0.0, outcome, seconds) for kind in ("field", "page", "name") for _ in range(50))
        )

    calm = After(0.5, 150.0, True, (), 0)
    quiet = served("200", 0.05)

    def judged(attack: dict[str, int], beside: Served, after: After = calm, log: str = "", most: float = 300.0) -> str:
        found = Beside("drawn", "", Counter(attack), quiet, beside, most, "", 150.0, 0, log, after)
        found.judge()
        return "; ".join(found.wrong)

    assert judged({"400": 9, "closed": 3, "503": 1, "left waiting": 2, "held": 1}, quiet) == ""
    assert "ConnectionResetError" in judged({}, served("ConnectionResetError", 0.05))
    assert "503 without Retry-After" in judged({}, served("503 without Retry-After", 0.05))
    assert "only 0%" in judged({}, served("503", 0.05))
    assert "times as long" in judged({}, served("200", 0.2))
    assert all("the attacker got" in judged({outcome: 1}, quiet) for outcome in ("500", "HUNG", "400 WITH A TRACEBACK"))
    assert "in the journal" in judged({}, quiet, log="[ERROR] the door failed")
    assert "resident" in judged({}, quiet, most=451.0)
    assert "names are gone" in judged({}, quiet, After(0.5, 150.0, True, ("1 by X",), 0))
    assert "weren't counted" in judged({}, quiet, After(0.5, 150.0, True, (), 2))
    assert "started anew" in judged({}, quiet, After(0.5, 150.0, False, (), 0))
    assert "stayed busy" in judged({}, quiet, After(None, 150.0, True, (), 0))


def test_each_part_is_listed_and_ci_runs_one_of_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(program.PARTS)
    assert set(attacks.SHORT) <= set(attacks.ATTACKS)
    assert not any(wire.is_wrong(outcome) for outcome in ("200", "404", "413", "501", "503", "505", "closed", "left"))
