"""What `make lock` writes and every installation relies on."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from tests.support.shipped import ROOT

LOCKS = {path.stem: path.read_text() for path in (ROOT / "locks").glob("*.txt")}


def pins(lock: str) -> dict[str, str]:
    """Package to version."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", LOCKS[lock], re.MULTILINE))


def test_there_is_a_lock_for_each_use() -> None:
    assert LOCKS.keys() == {"box", "build", "dev", "fallback", "uv"}


@pytest.mark.parametrize("lock", LOCKS)
def test_each_file_of_each_package_is_pinned_by_its_hash(lock: str) -> None:
    entries = re.split(r"\n(?=[a-z])", LOCKS[lock].split("make lock\n")[1])
    assert entries
    assert all(re.match(r"[a-z0-9._-]+==\S+ .*\\\n    --hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_a_registry(lock: str) -> None:
    assert "://" not in LOCKS[lock]


@pytest.mark.parametrize("lock", ["box", "build", "uv"])
def test_development_has_the_boxs_versions(lock: str) -> None:
    assert pins(lock).items() <= pins("dev").items()


def test_the_box_carries_neither_training_nor_tools() -> None:
    assert not pins("box").keys() & {"tensorflow", "keras", "pytest", "selenium", "uv"}


def test_the_fallback_runtime_has_a_numpy_that_it_works_with() -> None:
    assert int(pins("fallback")["numpy"].split(".")[0]) < 2
    assert "tflite-runtime" in pins("fallback")


def test_locks_hold_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, lock in {"box": "box", "fallback": "fallback", "training": "dev", "dev": "dev"}.items():
        asked = {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in project["optional-dependencies"][extra]}
        asked |= {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in project["dependencies"]}
        assert asked - {"loupe"} <= pins(lock).keys(), extra


def test_what_writes_the_locks_is_installed_from_a_lock() -> None:
    rules = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    installed = re.findall(r"pip install (.*)", rules)
    assert installed
    assert [options for options in installed if "--require-hashes" not in options and "--no-index" not in options] == []


def test_what_checks_the_pages_scripts_is_pinned_by_hashes_and_names_no_registry() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all(re.match(r"sha512-[A-Za-z0-9+/]{86}==$", entry["integrity"]) for entry in packages.values())
    assert not [name for name, entry in packages.items() if "resolved" in entry]
    assert all(entry["dev"] for entry in packages.values())
