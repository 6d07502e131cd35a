"""The store: what was committed survives, one bad page costs no name, and damage is said."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from device.base.errors import StoreMended, StoreNewer, StorePartlyLost, StoreUnusable, UnitNamesFull
from device.reading.bundle import Bundle
from device.settings import Settings
from device.storage.drift import STEPS as DRIFT_STEPS
from device.storage.drift import DriftLog
from device.storage.migrations import Step, migrate, statements, version_of
from device.storage.names import STEPS, UNIT_LIMIT, Given, Names
from device.storage.salvage import MOST_ASIDE
from device.storage.store import PATIENCE_S, Store, beside, connect
from device.web.app import create_app
from device.web.box import EXTENSION
from tests.support.shipped import AT_SCALE, BUNDLE, KEYS, ROOT, SAMPLES

PAGE = 4096
AT = "2026-01-01T00:00:00.000Z"
NAMES = [Given(unit, f"E{unit % 7}", None, f"swirls of {unit} and some words more", AT) for unit in range(300)]
Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "zeros": lambda page: bytes(len(page)),
    "noise": lambda page: bytes((k * 7919 + 13) % 251 for k in range(len(page))),
    "another page": lambda page: page[2048:] + page[:2048],
}


def given_all(store: Path) -> list[Given]:
    return Names(store).given("n")


def close(store: Store) -> None:
    """As at the end of a process: what the logs hold goes into the files."""
    for access in (store._writer, store._reader, store._copy):
        if access:
            access.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of names on many pages, as a box leaves it that was switched off in order."""
    folder = tmp_path_factory.mktemp("filled")
    names = Names(folder / "loupe.sqlite")
    names.give("n", NAMES[:-1])
    names.give("n", NAMES[-1:])
    close(names._store)
    assert not list(folder.glob("*-wal"))
    return folder


def damaged(folder: Path, name: str, page: int, damage: Damage) -> None:
    with (folder / name).open("r+b") as file:
        file.seek(page * PAGE)
        held = file.read(PAGE)
        file.seek(page * PAGE)
        file.write(damage(held))


def pages(file: Path) -> range:
    return range(-(-file.stat().st_size // PAGE))


def fresh(folder: Path, to: Path) -> Path:
    """A copy of a folder's files; the path of its store."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to / "loupe.sqlite"


# --- power cuts ------------------------------------------------------------------------------------------------------


def test_what_was_committed_survives_a_process_that_dies_at_once(tmp_path: Path) -> None:
    store = tmp_path / "made" / "on" / "first use.sqlite"
    code = (
        "import os, sys; from pathlib import Path; from device.storage.store import Store\n"
        "from device.storage.migrations import statements\n"
        "store = Store(Path(sys.argv[1]), [statements('CREATE TABLE kept (n)')], copied=True)\n"
        "store.write(lambda connection: connection.execute('INSERT INTO kept VALUES (1)'))\n"
        "store.write(lambda connection: (connection.execute('INSERT INTO kept VALUES (2)'), os._exit(9)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(store)], check=False).returncode == 9
    again = Store(store, [statements("CREATE TABLE kept (n)")], copied=True)
    assert again.read(lambda connection: connection.execute("SELECT n FROM kept").fetchall()) == [(1,)]
    assert again.mended() == []


def test_each_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = connect(tmp_path / "store.sqlite")
    assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_copy_that_a_power_cut_left_behind_is_made_again(filled: Path, tmp_path: Path) -> None:
    """Between the commit in the file and that in its copy."""
    path = fresh(filled, tmp_path / "box")
    with closing(sqlite3.connect(beside(path, "copy"))) as copy, copy:
        (count,) = copy.execute("PRAGMA user_version").fetchone()
        copy.execute("DELETE FROM unit_names WHERE unit = 299")
        copy.execute(f"PRAGMA user_version = {count - 1}")
    assert given_all(path) == NAMES
    path.unlink()
    assert given_all(path) == NAMES


def test_a_change_that_is_refused_reaches_neither_file(tmp_path: Path) -> None:
    path = tmp_path / "loupe.sqlite"
    names = Names(path)
    many = [Given(1, f"X{k}", None, "many", AT) for k in range(UNIT_LIMIT + 1)]
    with pytest.raises(UnitNamesFull):
        names.give("n", many)
    names.give("n", NAMES[:1])
    assert given_all(path) == NAMES[:1]
    path.unlink()
    assert given_all(path) == NAMES[:1]


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("file", ["loupe.sqlite", "loupe.copy.sqlite"])
def test_one_bad_page_anywhere_costs_no_name(file: str, damage: Damage, filled: Path, tmp_path: Path) -> None:
    """Each page in turn: header, tables, indexes."""
    assert len(pages(filled / file)) > 10
    for page in pages(filled / file):
        path = fresh(filled, tmp_path / "box")
        damaged(path.parent, file, page, damage)
        names = Names(path)
        assert names.given("n") == NAMES, f"page {page}"
        names.give("n", [Given(1, "new", None, "after it", AT)])
        assert len(names.given("n")) == len(NAMES) + 1
        for problem in names.problems:  # a page whose bytes nobody misses may go unnoticed
            assert isinstance(problem, StoreMended)
            assert (path.parent / problem.aside).exists()


def test_a_bad_page_of_the_log_costs_no_name(tmp_path: Path) -> None:
    """Of a box that was killed: what was committed last lies in the write-ahead log alone, and so it does of the copy."""
    names = Names(tmp_path / "live" / "loupe.sqlite")
    for each in NAMES[:40]:
        names.give("n", [each])
    log = tmp_path / "live" / "loupe.sqlite-wal"
    assert len(pages(log)) > 40
    for page in [0, 1, *range(2, len(pages(log)), 9)]:
        path = fresh(tmp_path / "live", tmp_path / "box")
        damaged(path.parent, log.name, page, DAMAGES["noise"])
        assert given_all(path) == NAMES[:40], f"page {page}"


def test_damage_while_the_box_runs_costs_no_name(filled: Path, tmp_path: Path) -> None:
    path = fresh(filled, tmp_path / "box")
    names = Names(path)
    assert names.given("n", [5])
    for page in pages(path):
        damaged(path.parent, path.name, page, DAMAGES["noise"])
    for unit in (5, 299):
        assert names.given("n", [unit]) == [NAMES[unit]]
    names.give("n", [Given(1, "new", None, "after it", AT)])
    assert len(given_all(path)) == len(NAMES) + 1


def test_pages_that_are_bad_in_both_files_cost_only_what_lay_on_both(filled: Path, tmp_path: Path) -> None:
    path = fresh(filled, tmp_path / "box")
    leaves = [page for page in pages(path) if b"swirls" in path.read_bytes()[page * PAGE : (page + 1) * PAGE]]
    assert len(leaves) > 3
    damaged(path.parent, path.name, leaves[0], DAMAGES["zeros"])
    damaged(path.parent, "loupe.copy.sqlite", leaves[-1], DAMAGES["zeros"])
    names = Names(path)
    assert names.given("n") == NAMES
    assert [type(problem) for problem in names.problems] == [StorePartlyLost, StorePartlyLost]
    fresh(filled, tmp_path / "box")
    for name in (path.name, "loupe.copy.sqlite"):
        damaged(path.parent, name, leaves[1], DAMAGES["zeros"])
    names = Names(path)
    assert len(NAMES) > len(names.given("n")) > len(NAMES) / 2
    assert set(names.given("n")) < set(NAMES)


def test_a_card_that_fails_again_and_again_is_not_filled_with_damaged_files(filled: Path, tmp_path: Path) -> None:
    path = fresh(filled, tmp_path / "box")
    for _ in range(MOST_ASIDE + 3):
        damaged(path.parent, path.name, 1, DAMAGES["zeros"])
        assert given_all(path) == NAMES
    assert len([file for file in path.parent.glob("*damaged*") if not file.name.endswith("-wal")]) == MOST_ASIDE


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_bad_counts_of_the_drift_watch_cost_no_name_and_are_told(
    damage: Damage, filled: Path, tmp_path: Path, bundle: Bundle
) -> None:
    path = fresh(filled, tmp_path / "box")
    golden = bundle.members[bundle.manifest.golden[0].picture]
    app = create_app(Settings(BUNDLE, KEYS, SAMPLES, path, threads=1), bundle)
    assert app.test_client().post(f"/api/v1/readings?{AT_SCALE}", data=golden).status_code == 200
    close(app.extensions[EXTENSION].drift._store)
    drift = beside(path, "drift")
    assert not drift.with_name(f"{drift.name}-wal").exists()
    drift.write_bytes(damage(drift.read_bytes()))
    client = create_app(Settings(BUNDLE, KEYS, SAMPLES, path, threads=1), bundle).test_client()
    assert client.post(f"/api/v1/readings?{AT_SCALE}", data=golden).status_code == 200
    health = client.get("/api/v1/health").json
    assert health["store"]["works"]
    assert health["models"][0]["lately"]["readings"] >= 1
    assert {problem["code"] for problem in health["problems"]} <= {"store_partly_lost", "store_mended"}
    assert health["problems"]
    assert given_all(path) == NAMES


# --- a store of an earlier version -----------------------------------------------------------------------------------


def earlier(path: Path) -> list[tuple[str, str, str]]:
    """Names and counts in one file, as versions before 2026-11-28 kept them."""
    days = [("b", f"2026-01-{day:02}", '{"n": 1}') for day in range(1, 29)]
    with closing(sqlite3.connect(path)) as store, store:
        for step in (*STEPS, *DRIFT_STEPS):
            step(store)
        store.executemany(
            "INSERT INTO unit_names VALUES ('n', ?, ?, ?, ?, ?, NULL)", [tuple(vars(each).values()) for each in NAMES]
        )
        store.executemany("INSERT INTO drift_day VALUES (?, ?, ?)", days)
        store.execute("INSERT INTO drift_watch VALUES ('b', '{}')")
    return days


@pytest.mark.parametrize("names_first", [True, False])
def test_an_earlier_store_is_taken_apart_without_loss(names_first: bool, tmp_path: Path) -> None:
    path = tmp_path / "loupe.sqlite"
    days = earlier(path)
    if names_first:
        assert given_all(path) == NAMES
    drift = Store(beside(path, "drift"), DRIFT_STEPS, inherits=path)
    for _ in range(2):
        found = drift.read(lambda connection: connection.execute("SELECT * FROM drift_day ORDER BY day").fetchall())
        assert found == days
    assert given_all(path) == NAMES
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("SELECT name FROM sqlite_master WHERE name LIKE 'drift%'").fetchall() == []


def test_each_bad_page_of_an_earlier_store_costs_no_name_that_lies_on_another(tmp_path: Path) -> None:
    """Its names have no copy yet: those on the bad page are lost, and that is told."""
    earlier(tmp_path / "loupe.sqlite")
    content = (tmp_path / "loupe.sqlite").read_bytes()
    for page in pages(tmp_path / "loupe.sqlite"):
        on_page = content[page * PAGE : (page + 1) * PAGE]
        path = tmp_path / "box" / "loupe.sqlite"
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        path.write_bytes(content)
        damaged(path.parent, path.name, page, DAMAGES["zeros"])
        names = Names(path)
        kept = names.given("n")
        lost = [each for each in NAMES if each not in kept]
        if page > 1:  # the header and the table's root say where all else lies
            assert all(str(each.text).encode() in on_page for each in lost), f"page {page}"
        assert [type(problem) for problem in names.problems] == [StorePartlyLost if lost else StoreMended], (
            f"page {page}"
        )


# --- a store of another version ---------------------------------------------------------------------------------------

OLD = Path(__file__).with_name("stores")
WATCHED = "ac1235dbe73c3a0bd627a51046169a8d674f0f00bd58f493f5f00bf7b366ce13"  # the bundle whose watch is in the stores
NETWORK = "d046cd5fbae635195769d7f0aa5abef50bf2808aab815d58e84a7a0be8521576"
OLD_NAMES = {
    "2026-11-21": [
        Given(5, "ÉL", None, "swirls, pink", "2026-11-28T06:22:54.321Z"),
        Given(7, "", "fat", None, "2026-11-28T06:22:54.336Z"),
        Given(7, "MK", "fat", None, "2026-11-28T06:22:54.348Z"),
        Given(9, "ÉL", None, "edge of tissue", "2026-11-28T06:22:54.359Z"),
    ],
    "2026-11-28": [
        Given(5, "ÉL", None, "swirls of pink", "2026-11-28T06:23:00.573Z"),
        Given(5, "AB", None, "pink", "2026-11-28T06:23:01.049Z"),
        Given(7, "", "fat", None, "2026-11-28T06:23:01.068Z"),
        Given(7, "MK", "fat", None, "2026-11-28T06:23:01.089Z"),
        Given(9, "ÉL", None, "edge of tissue", "2026-11-28T06:23:01.105Z"),
    ],
}
# What the program after this one may add.
MORE: list[Step] = [*STEPS, statements("CREATE TABLE people (name TEXT PRIMARY KEY)")]


def looked_at(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as store:
        return store.execute(query).fetchall()


def version_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as store:
        return version_of(store)


@pytest.mark.parametrize("day", OLD_NAMES)
def test_a_store_of_an_earlier_program_keeps_every_name_and_count(day: str, tmp_path: Path) -> None:
    path = fresh(OLD / day, tmp_path / "box")
    drift_file = beside(path, "drift") if beside(path, "drift").exists() else path
    counts = looked_at(drift_file, "SELECT * FROM drift_day")
    assert counts
    names, drift = Names(path), Store(beside(path, "drift"), DRIFT_STEPS, inherits=path)
    assert names.given(NETWORK) == OLD_NAMES[day]
    assert drift.read(lambda store: store.execute("SELECT * FROM drift_day").fetchall()) == counts
    assert [*names.problems, *drift.mended()] == []
    names.give(NETWORK, [Given(9, "él", None, "rim", AT)])
    assert names.given(NETWORK, [9]) == [Given(9, "ÉL", None, "rim", AT)], "one expert, whatever the case"
    assert (version_in(path), version_in(beside(path, "copy"))) == (len(STEPS), len(STEPS))
    path.unlink()
    assert len(given_all_of(path, NETWORK)) == len(OLD_NAMES[day]), "from the copy"


def given_all_of(path: Path, network: str) -> list[Given]:
    return Names(path).given(network)


def test_the_watch_of_an_earlier_program_goes_on(bundle: Bundle, tmp_path: Path) -> None:
    path = fresh(OLD / "2026-11-28", tmp_path / "box")
    bundle = replace(bundle, sha256=WATCHED)
    drift, now = DriftLog(path), datetime(2026, 11, 28, 12)
    assert drift.days(bundle, 5, now)["2026-11-28"].readings == 3
    assert drift.watch(bundle, now).pictures == 3


@pytest.mark.parametrize("day", OLD_NAMES)
def test_the_file_as_it_was_stays_beside_the_one_that_went_through_steps(day: str, tmp_path: Path) -> None:
    path = fresh(OLD / day, tmp_path / "box")
    backup = path.with_name("loupe.sqlite.version-0")
    for _ in range(2):
        assert given_all_of(path, NETWORK) == OLD_NAMES[day]
        for query in ("SELECT * FROM unit_names", "SELECT name, sql FROM sqlite_master", "PRAGMA user_version"):
            assert looked_at(backup, query) == looked_at(OLD / day / "loupe.sqlite", query)
    (names := Store(path, MORE, copied=True)).write(lambda store: store.execute("INSERT INTO people VALUES ('x')"))
    close(names)
    assert not backup.exists()
    assert version_in(path.with_name(f"loupe.sqlite.version-{len(STEPS)}")) == len(STEPS)
    assert not list(path.parent.glob("*.new*"))


def test_a_new_store_begins_at_the_version_of_the_program(tmp_path: Path) -> None:
    path = tmp_path / "loupe.sqlite"
    Names(path).give("n", NAMES[:1])
    assert version_in(path) == version_in(beside(path, "copy")) == len(STEPS)
    assert not list(tmp_path.glob("*version*"))


def test_a_step_that_fails_leaves_the_file_as_it_was_and_is_told(tmp_path: Path) -> None:
    """As a power cut in the middle would."""
    path = fresh(OLD / "2026-11-28", tmp_path / "box")
    before = looked_at(path, "SELECT name, sql FROM sqlite_master")
    broken = [STEPS[0], statements("DELETE FROM unit_names", "DROP INDEX unit_names_by_time", "no SQL at all")]
    store = Store(path, broken, copied=True)
    with pytest.raises(StoreUnusable, match="syntax error"):
        store.read(lambda connection: connection.execute("SELECT * FROM unit_names"))
    assert store.problem
    assert looked_at(path, "SELECT name, sql FROM sqlite_master") == before
    assert version_in(path) == 0
    assert given_all_of(path, NETWORK) == OLD_NAMES["2026-11-28"]


@pytest.mark.parametrize("cut", ["before its copy", "before anything"])
def test_a_power_cut_between_the_steps_of_a_file_and_of_its_copy_costs_nothing(cut: str, tmp_path: Path) -> None:
    path = fresh(OLD / "2026-11-28", tmp_path / "box")
    if cut == "before its copy":
        with closing(sqlite3.connect(path)) as store, store:
            store.execute("BEGIN")
            migrate(store, STEPS)
    else:
        path.with_name("loupe.sqlite.new").write_bytes(b"half a backup")
    assert given_all_of(path, NETWORK) == OLD_NAMES["2026-11-28"]
    assert version_in(beside(path, "copy")) == len(STEPS)


def test_of_a_damaged_file_the_copy_goes_through_the_steps_too(tmp_path: Path) -> None:
    for page in pages(OLD / "2026-11-28" / "loupe.sqlite"):
        path = fresh(OLD / "2026-11-28", tmp_path / "box")
        damaged(path.parent, path.name, page, DAMAGES["noise"])
        names = Names(path)
        assert names.given(NETWORK) == OLD_NAMES["2026-11-28"], f"page {page}"
        names.give(NETWORK, [Given(9, "él", None, "rim", AT)])
        assert len(names.given(NETWORK)) == len(OLD_NAMES["2026-11-28"])
        assert version_in(path) == version_in(beside(path, "copy")) == len(STEPS)


def test_what_is_left_of_a_damaged_file_of_an_earlier_program_goes_through_the_steps(tmp_path: Path) -> None:
    path = fresh(OLD / "2026-11-21", tmp_path / "box")
    with closing(sqlite3.connect(path)) as store:
        (root,) = store.execute("SELECT rootpage FROM sqlite_master WHERE name = 'drift_day'").fetchone()
    damaged(path.parent, path.name, root - 1, DAMAGES["zeros"])  # another table's
    names = Names(path)
    assert names.given(NETWORK) == OLD_NAMES["2026-11-21"]
    assert names.take_back(NETWORK, 5, "él"), "its expert was folded"


def test_on_a_full_disk_an_earlier_store_stays_as_it_was(tmp_path: Path) -> None:
    path = fresh(OLD / "2026-11-28", tmp_path / "box")
    names = Names(path)
    with full_disk(), pytest.raises(StoreUnusable):
        names.given(NETWORK)
    assert version_in(path) == 0
    assert names.given(NETWORK) == OLD_NAMES["2026-11-28"]
    assert names.problems == []


def store_of_a_newer_program(folder: Path) -> Path:
    path = folder / "loupe.sqlite"
    (names := Names(path)).give("n", NAMES[:5])
    close(names._store)
    (newer := Store(path, MORE, copied=True)).write(lambda store: store.execute("INSERT INTO people VALUES ('x')"))
    close(newer)
    return path


def test_a_store_of_a_newer_program_is_told_and_not_touched(bundle: Bundle, tmp_path: Path) -> None:
    path = store_of_a_newer_program(tmp_path)
    files = {file: file.read_bytes() for file in tmp_path.glob("*.sqlite")}
    app = create_app(Settings(BUNDLE, KEYS, SAMPLES, path, threads=1), bundle)
    client = app.test_client()
    golden = bundle.members[bundle.manifest.golden[0].picture]
    for _ in range(2):
        assert client.post(f"/api/v1/readings?{AT_SCALE}", data=golden).status_code == 200
        answer = client.put("/api/v1/units/5/name", json={"text": "swirls"})
        assert (answer.status_code, answer.json["code"]) == (503, "store_newer")
        health = client.get("/api/v1/health").json
        assert (health["store"]["works"], health["store"]["problem"]["code"]) == (False, "store_newer")
        assert (
            f"in version {len(MORE)} of its form; this one knows versions up to {len(STEPS)}"
            in (health["store"]["problem"]["detail"])
        )
    assert {file: file.read_bytes() for file in files} == files
    with pytest.raises(StoreNewer):
        given_all(path)
    again = Store(path, MORE, copied=True)
    assert again.read(lambda store: store.execute("SELECT * FROM people").fetchall()) == [("x",)]


def test_a_damaged_file_beside_a_copy_of_a_newer_program_is_left_for_that(tmp_path: Path) -> None:
    path = store_of_a_newer_program(tmp_path)
    damaged(tmp_path, path.name, 0, DAMAGES["zeros"])
    files = {file: file.read_bytes() for file in tmp_path.glob("*.sqlite")}
    with pytest.raises(StoreNewer):
        given_all(path)
    assert {file: file.read_bytes() for file in files} == files
    again = Store(path, MORE, copied=True)
    assert again.read(lambda store: store.execute("SELECT * FROM people").fetchall()) == [("x",)]


def test_a_table_is_added_by_one_step_more(tmp_path: Path) -> None:
    path = tmp_path / "loupe.sqlite"
    Names(path).give("n", NAMES)
    store = Store(path, MORE, copied=True)
    store.write(lambda connection: connection.execute("INSERT INTO people VALUES ('somebody')"))
    assert store.read(lambda connection: connection.execute("SELECT count(*) FROM unit_names").fetchone()) == (300,)
    close(store)
    path.unlink()
    assert store.read(lambda connection: connection.execute("SELECT * FROM people").fetchall()) == [("somebody",)]


def test_a_file_of_another_program_is_of_no_version_of_ours(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as store:
        store.execute("PRAGMA application_id = 252006673")  # Fossil's
        assert version_of(store) == 0


# --- a store that can't be used --------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    for path in (tmp_path / "file" / "store.sqlite", tmp_path):
        store = Store(path, STEPS)
        with pytest.raises(StoreUnusable) as caught:
            store.read(lambda connection: connection.execute("SELECT * FROM unit_names"))
        assert caught.value.facts["store"] == str(path)
        assert store.problem is caught.value


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow in this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_names_can_be_read_and_giving_one_says_why(filled: Path, tmp_path: Path) -> None:
    path = fresh(filled, tmp_path / "box")
    names = Names(path)
    assert names.given("n") == NAMES
    with full_disk(), pytest.raises(StoreUnusable):
        names.give("n", [Given(1, "new", None, "too much", AT)])
    with full_disk():
        assert names.given("n") == NAMES
    assert [type(problem) for problem in names.problems] == [StoreUnusable]
    names.give("n", [Given(1, "new", None, "fits again", AT)])
    assert names.problems == []


def test_a_copy_that_cannot_be_written_stops_no_name_and_is_told(filled: Path, tmp_path: Path) -> None:
    path = fresh(filled, tmp_path / "box")
    beside(path, "copy").unlink()
    beside(path, "copy").mkdir()
    names = Names(path)
    names.give("n", [Given(1, "new", None, "kept", AT)])
    assert len(names.given("n")) == len(NAMES) + 1
    (problem,) = names.problems
    assert isinstance(problem, StoreUnusable)
    assert problem.store.endswith("loupe.copy.sqlite")
    beside(path, "copy").rmdir()
    names.give("n", [Given(1, "new", None, "kept again", AT)])
    assert names.problems == []
    path.unlink()
    assert len(given_all(path)) == len(NAMES) + 1


def test_the_documentation_says_what_the_store_consists_of() -> None:
    told = (ROOT / "docs" / "technicians" / "index.md").read_text(encoding="utf-8")
    for file in ("loupe.sqlite", "loupe.copy.sqlite", "loupe.drift.sqlite", ".damaged-1", ".lost-1"):
        assert file in told
    assert PATIENCE_S < 10
    assert os.sep not in beside(Path("loupe.sqlite"), "drift").name
