"""A signed network may still end the process that runs it, or ask for all memory: the box says so and doesn't die of it."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.base.errors import GoldenMismatch, ModelUnusable
from device.cli import main
from device.documents.rehearsal import open_verified
from device.reading import trial
from device.reading.bundle import Bundle
from device.reading.manifest import NETWORK
from device.reading.trial import MORE_MEMORY_BYTES, try_apart
from device.settings import Settings
from tests.support.manifests import changed_manifest
from tests.support.shipped import BUNDLE
from training.packing.container import write_bundle
from training.packing.signing import publish_key, signing_key

# Found among 1,200 changes of the shipped network's tables: with it ai-edge-litert 2.3 ends the process (SIGABRT).
FATAL_BYTE, FATAL_VALUE = 3_422_464, 140
TABLES = range(3_360_000, 3_440_000)  # where most of its tables lie


def endless() -> None:
    while True:
        pass


FATAL: dict[str, tuple[Callable[[], object], str]] = {
    "abort": (os.abort, "SIGABRT"),
    "bad address": (lambda: ctypes.string_at(1), "SIGSEGV"),
    "exit": (lambda: os._exit(3), "status"),
    "sys.exit": (sys.exit, "ended"),
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"),
    "endless": (endless, "took too long"),
    "asleep": (lambda: time.sleep(60), "took too long"),
    "all memory": (lambda: np.ones(2 * MORE_MEMORY_BYTES, np.uint8), "MemoryError"),
    "divided by zero": (lambda: 1 / 0, "ZeroDivisionError"),
    "boundless message": (lambda: int("x" * 100_000), "ValueError"),
}


def children_of_this() -> set[int]:
    """Process ids, those of other tests' services among them."""
    return {int(child) for file in Path("/proc/self/task").glob("*/children") for child in file.read_text().split()}


@pytest.mark.parametrize(("work", "told"), FATAL.values(), ids=FATAL)
def test_whatever_becomes_of_it_is_a_named_error_here(
    work: Callable[[], object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told == "took too long":
        monkeypatch.setattr(trial, "WALL_S", 1.5)
    gc.collect()  # files that earlier tests left to it
    open_files, children = len(list(Path("/proc/self/fd").iterdir())), children_of_this()
    with pytest.raises(ModelUnusable) as caught:
        try_apart(work, "x.loupe: to read with it")
    assert caught.value.detail.startswith("x.loupe: to read with it ")
    assert told in caught.value.detail
    assert len(caught.value.detail) < 400
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files
    assert children_of_this() <= children


def test_an_error_that_has_a_name_keeps_it() -> None:
    def work() -> None:
        raise GoldenMismatch(bundle="b", golden="g", output="o")

    with pytest.raises(GoldenMismatch) as caught:
        try_apart(work, "x")
    assert caught.value.facts == {"bundle": "b", "golden": "g", "output": "o"}
    try_apart(lambda: None, "x")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Ed25519PrivateKey:
    return signing_key(tmp_path_factory.mktemp("key") / "private.pem")


def packed(folder: Path, key: Ed25519PrivateKey, bundle: Bundle, network: bytes, **changed: object) -> Settings:
    publish_key(key, folder / "keys" / "k.pub")
    write_bundle(folder / "b.loupe", changed_manifest(bundle, **changed), network, bundle.members, key)
    return Settings(folder / "b.loupe", folder / "keys")


def test_a_damaged_network_that_is_validly_signed_is_refused_by_name(
    key: Ed25519PrivateKey, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = BUNDLE.read_bytes()[: bundle.manifest.members[NETWORK].size]
    fatal = bytearray(sound)
    fatal[FATAL_BYTE] = FATAL_VALUE
    networks = [bytes(fatal), sound[: len(sound) // 2], os.urandom(1_000_000)]
    for seed in range(4):
        chance, changed = random.Random(seed), bytearray(sound)
        for _ in range(40):
            changed[chance.choice(TABLES)] = chance.randrange(256)
        networks.append(bytes(changed))
    for network in networks:
        settings = packed(tmp_path, key, bundle, network)
        with pytest.raises((ModelUnusable, GoldenMismatch)):
            open_verified(settings)
    settings = packed(tmp_path, key, bundle, networks[0])
    assert main(["verify", "--bundle", str(settings.bundle), "--keys", str(settings.keys), "--language", "en"]) == 1
    assert "b.loupe: to read with it ended the process that tried it (SIGABRT)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "metrics",
    [
        {"classes": {"other": {"n": 1}}},
        {"confusion": [[1]]},
        {"accuracy": {"value": "high", "low": None, "high": None}},
    ],
    ids=str,
)
def test_figures_that_no_page_could_show_are_found_before_any_page_is_asked_for(
    metrics: dict[str, object], key: Ed25519PrivateKey, bundle: Bundle, tmp_path: Path
) -> None:
    network = BUNDLE.read_bytes()[: bundle.manifest.members[NETWORK].size]
    settings = packed(tmp_path, key, bundle, network, metrics={"scheme": "x", "n": 1, **metrics})
    with pytest.raises(ModelUnusable):
        open_verified(settings)
