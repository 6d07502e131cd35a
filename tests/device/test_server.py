"""What a worker makes sure of before it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.base.errors import BundleChanged
from device.settings import Settings
from device.web.server import Server
from tests.support.shipped import BUNDLE, KEYS, SAMPLES


def test_a_worker_serves_no_model_that_was_changed_in_place_after_it_was_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["loupe"])
    file = tmp_path / "bach.loupe"
    file.write_bytes(BUNDLE.read_bytes())
    server = Server(Settings(file, KEYS, SAMPLES, tmp_path / "store.sqlite", threads=1))
    server._start_readers()
    with file.open("r+b") as held:
        held.seek(100_000)
        held.write(b"changed")
    with pytest.raises(BundleChanged) as raised:
        server._start_readers()
    assert raised.value.facts["bundle"] == "bach.loupe"
