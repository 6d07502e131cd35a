"""No older model without a word: the box remembers what it served, over restarts, and says where it can't."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.base.errors import BundleOlder, StoreUnusable
from device.cli import main
from device.reading.bundle import Bundle
from device.reading.manifest import NETWORK
from device.settings import Settings
from device.storage.served import MAX_BYTES, MOST_MODELS, check_served, order_of, read_served, remember, served_file
from device.web.app import create_app
from device.web.box import EXTENSION
from tests.support.manifests import changed_manifest
from tests.support.serving import serving
from tests.support.shipped import BUNDLE, KEYS, SAMPLES
from training.packing.container import write_bundle
from training.packing.signing import publish_key, signing_key


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Ed25519PrivateKey:
    return signing_key(tmp_path_factory.mktemp("key") / "private.pem")


@pytest.fixture
def packed(key: Ed25519PrivateKey, bundle: Bundle, tmp_path: Path) -> Callable[..., Path]:
    """Writes the shipped bundle as another version, signed by a key that is trusted in `tmp_path`/keys."""
    publish_key(key, tmp_path / "keys" / "throwaway.pub")
    network = BUNDLE.read_bytes()[: bundle.manifest.members[NETWORK].size]

    def pack(version: str, **changed: Any) -> Path:
        path = tmp_path / "models" / "bach.loupe"
        write_bundle(path, changed_manifest(bundle, version=version, **changed), network, bundle.members, key)
        return path

    return pack


def verify(path: Path, *more: str) -> int:
    keys, store = path.parents[1] / "keys", path.parents[1] / "loupe.sqlite"
    command = ["verify", "--bundle", str(path), "--keys", str(keys), "--store", str(store), "--language", "en"]
    return main([*command, *more])


def test_versions_are_compared_number_by_number() -> None:
    assert sorted(["10.0.0", "2.0.0", "1.10.0", "1.9.9"], key=order_of) == ["1.9.9", "1.10.0", "2.0.0", "10.0.0"]


def test_a_box_serves_no_older_version_than_it_served_unless_that_is_meant(
    packed: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service itself, started again and again on one store."""
    log, keys = tmp_path / "log", tmp_path / "keys"
    assert verify(packed("1.9.9")) == 0
    assert not served_file(tmp_path / "loupe.sqlite").exists(), "to verify is not to serve"
    with serving(log, packed("1.10.0"), keys):
        pass
    assert read_served(tmp_path / "loupe.sqlite")["bach"].version == "1.10.0"
    older = packed("1.9.9")
    assert verify(older) == 1
    assert "bach.loupe is version 1.9.9 of “bach”, but this box has already read with version 1.10.0" in (
        capsys.readouterr().err
    )
    with pytest.raises(RuntimeError, match="bundle_older"), serving(log, older, keys):
        pass
    assert verify(older, "--allow-older", "idc") == 1
    assert verify(older, "--allow-older", "bach", "idc") == 0
    (tmp_path / "loupe.toml").write_text(
        'bundle = "models/bach.loupe"\nkeys = "keys"\nstore = "loupe.sqlite"\nallow_older = ["bach"]\n'
    )
    assert main(["verify", "--config", str(tmp_path / "loupe.toml")]) == 0
    assert verify(packed("1.10.0")) == 0
    assert verify(packed("1.10.1")) == 0


def opened(path: Path) -> Bundle:
    return Bundle.open(path, path.parents[1] / "keys")


def test_an_older_version_that_is_meant_does_not_lower_what_is_remembered(
    packed: Callable[..., Path], tmp_path: Path
) -> None:
    store = tmp_path / "var" / "loupe.sqlite"
    remember(store, [opened(packed("2.0.0"))])
    held = served_file(store).read_bytes()
    older = opened(packed("1.0.0"))
    assert check_served(store, [older], ["bach"]) == []
    remember(store, [older])
    assert served_file(store).read_bytes() == held
    with pytest.raises(BundleOlder):
        check_served(store, [older], [])


def test_other_bytes_under_a_version_that_was_served_are_told_until_the_next_start(
    packed: Callable[..., Path], tmp_path: Path
) -> None:
    settings = Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "loupe.sqlite", threads=1)
    remember(settings.store, [opened(packed("1.0.0"))])
    again = opened(packed("1.0.0", title={"en": "other", "fr": "autre"}))
    client = create_app(settings, again).test_client()
    problems = client.get("/api/v1/health").json["problems"]
    assert [problem["code"] for problem in problems] == ["version_reused"]
    assert create_app(settings, again).test_client().get("/api/v1/health").json["problems"] == []


NO_MEMORY: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(os.urandom(500)),
    "folder": lambda path: path.mkdir(),
    "link into nothing": lambda path: path.symlink_to("none/x"),
    "pipe": lambda path: os.mkfifo(path),
    "huge": lambda path: path.write_bytes(b" " * (MAX_BYTES + 1)),
    "sparse": lambda path: (path.touch(), os.truncate(path, 4_000_000_000)),
    "nested": lambda path: path.write_bytes(b"[" * 90_000),
    "list": lambda path: path.write_text("[]"),
    "other schema": lambda path: path.write_text('{"schema": "loupe-served/9", "models": {}}'),
    "no version": lambda path: path.write_text('{"schema": "loupe-served/1", "models": {"bach": {"version": 3}}}'),
    "boundless version": lambda path: path.write_text(
        json.dumps({"schema": "loupe-served/1", "models": {"bach": {"version": "9" * 5000 + ".0.0", "sha256": "0" * 64}}})
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", NO_MEMORY.values(), ids=NO_MEMORY)
def test_a_memory_that_cannot_be_read_stops_no_box_and_is_told(
    damage: Callable[[Path], object], bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(BUNDLE, KEYS, SAMPLES, tmp_path / "loupe.sqlite", threads=1)
    path = served_file(settings.store)
    damage(path)
    command = ["verify", "--bundle", str(BUNDLE), "--keys", str(KEYS), "--store", str(settings.store)]
    assert main([*command, "--language", "en"]) == 0
    assert "[served_unreadable]" in capsys.readouterr().err
    app = create_app(settings, bundle)
    codes = [problem["code"] for problem in app.test_client().get("/api/v1/health?lang=en").json["problems"]]
    assert codes[0] == "served_unreadable"
    if path.is_dir():
        assert codes[1:] == ["store_unusable"]
    else:
        assert read_served(settings.store)["bach"].sha256 == bundle.sha256, "it remembers anew"


def test_a_store_that_cannot_be_written_stops_no_box_and_is_told(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = tmp_path / "file" / "loupe.sqlite"
    with pytest.raises(StoreUnusable):
        remember(store, [bundle])
    app = create_app(Settings(BUNDLE, KEYS, SAMPLES, store, threads=1), bundle)
    app.extensions[EXTENSION].start()
    problems = app.test_client().get("/api/v1/health").json["problems"]
    assert {problem["code"] for problem in problems} == {"store_unusable"}


def test_what_is_remembered_is_bounded_and_not_written_at_each_start(bundle: Bundle, tmp_path: Path) -> None:
    store = tmp_path / "loupe.sqlite"
    models = {f"m{k}": {"version": "1.0.0", "sha256": "0" * 64} for k in range(MOST_MODELS)}
    served_file(store).write_text(json.dumps({"schema": "loupe-served/1", "models": models}))
    remember(store, [bundle])
    assert list(read_served(store)) == [*list(models)[1:], "bach"]
    assert served_file(store).stat().st_size <= MAX_BYTES
    written = served_file(store).stat().st_mtime_ns
    remember(store, [bundle])
    assert served_file(store).stat().st_mtime_ns == written
