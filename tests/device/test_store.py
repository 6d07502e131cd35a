"""The store: what was committed survives, and damage is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from device.errors import StoreUnusable
from device.store import connect


def test_what_was_committed_survives_a_process_that_dies_at_once(tmp_path: Path) -> None:
    store = tmp_path / "made" / "on" / "first use.sqlite"
    code = (
        "import os, sys; from pathlib import Path; from device.store import connect\n"
        "store = connect(Path(sys.argv[1]))\n"
        "with store: store.execute('CREATE TABLE kept (n)'); store.execute('INSERT INTO kept VALUES (1)')\n"
        "store.execute('INSERT INTO kept VALUES (2)')\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(store)], check=False).returncode == 9
    assert connect(store).execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_each_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = connect(tmp_path / "store.sqlite")
    assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_store_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    under_a_file = damaged / "store.sqlite"
    for path in (damaged, under_a_file, tmp_path):
        with pytest.raises(StoreUnusable) as caught:
            connect(path)
        assert caught.value.facts["store"] == str(path)
