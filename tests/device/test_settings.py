"""Settings: defaults, file, flags, and their limits."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from device.base.errors import Phrase, SettingInvalid
from device.settings import SCHEMA_FILE, SETTINGS, Settings, load_settings, schema_text

BOUNDS = {setting.name: setting.bounds for setting in SETTINGS.values() if setting.bounds}


def write(folder: Path, text: str) -> Path:
    file = folder / "loupe.toml"
    file.write_text(text)
    return file


def test_flags_override_the_file_which_overrides_defaults(tmp_path: Path) -> None:
    file = write(tmp_path, 'port = 9000\nthreads = 3\nbundle = "bundles/a.loupe"\n')
    settings = load_settings(file, {"port": 9001, "host": None})
    assert (settings.port, settings.threads, settings.host) == (9001, 3, Settings().host)
    assert settings.bundle == tmp_path / "bundles/a.loupe"


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("prot = 1", "prot"),
        ("port = '80'", "port"),
        ("threads = true", "threads"),
        ("host = 3", "host"),
        ("bundle = ''", "bundle"),
        ("port =", "config"),
        ("a = " + "[" * 100_000, "config"),
        ('bundle = "a\\u0000b"', "bundle"),
        ('host = "a\\u0000b"', "host"),
        ("bundle = 2026-11-27", "bundle"),
        ("[port]", "port"),
        ("names = 'loupe.clinic.example'", "names"),
        ("names = ['http://loupe.clinic.example']", "names"),
        ("names = [3]", "names"),
        ("names = ['loupe.clinic.example\\n']", "names"),
        ("allow_older = 'bach'", "allow_older"),
        ("allow_older = ['models/bach.loupe']", "allow_older"),
        ("allow_older = ['bach\\n']", "allow_older"),
        *((f"{name} = {low - 1}", name) for name, (low, _) in BOUNDS.items()),
        *((f"{name} = {high + 1}", name) for name, (_, high) in BOUNDS.items()),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, text: str, setting: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load_settings(write(tmp_path, text), {})
    assert caught.value.facts["setting"] == setting


def test_names_are_a_list(tmp_path: Path) -> None:
    file = write(tmp_path, 'names = ["Loupe.Clinic.example"]\n')
    assert load_settings(file, {}).names == ("loupe.clinic.example",)
    assert load_settings(file, {"names": ["other.example."]}).names == ("other.example",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_file_that_windows_wrote_is_read(encoding: str, line_end: str, tmp_path: Path) -> None:
    (file := tmp_path / "loupe.toml").write_bytes(f"# réglages{line_end}port = 9000{line_end}".encode(encoding))
    assert load_settings(file, {}).port == 9000


@pytest.mark.parametrize("damage", ["latin-1", "zeros", "picture", "folder", "circle of links", "sparse"])
def test_a_file_that_cannot_be_read_is_named(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "loupe.toml"
    harm: dict[str, Callable[[], object]] = {
        "latin-1": lambda: file.write_bytes("# réglages".encode("latin-1")),
        "zeros": lambda: file.write_bytes(bytes(100)),
        "picture": lambda: file.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF"),
        "folder": file.mkdir,
        "circle of links": lambda: file.symlink_to(file.name),
        "sparse": lambda: (file.touch(), os.truncate(file, 4_000_000_000)),
    }
    harm[damage]()
    with pytest.raises(SettingInvalid) as caught:
        load_settings(file, {})
    assert caught.value.setting == "config"
    assert caught.value.value.startswith(str(file))


def test_the_systems_file_is_named_where_it_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.settings.SYSTEM_FILE", tmp_path / "loupe.toml")
    assert load_settings(None, {}) == Settings()
    (tmp_path / "loupe.toml").mkdir()
    with pytest.raises(SettingInvalid):
        load_settings(None, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid):
        load_settings(tmp_path / "none.toml", {})


def test_an_error_says_what_a_setting_may_be(tmp_path: Path) -> None:
    for text, value, allowed in (
        ("threads = 17", "17", "1…16"),
        ("names = 'x'", "x", Phrase("dns_names")),
        ("allow_older = ['X']", "['X']", Phrase("model_ids")),
        ("host = 3", "3", Phrase("text")),
        ("prot = 1", "1", ", ".join(SETTINGS)),
    ):
        with pytest.raises(SettingInvalid) as caught:
            load_settings(write(tmp_path, text), {})
        assert (caught.value.value, caught.value.allowed) == (value, allowed)
        assert type(caught.value.allowed) is type(allowed)


def test_the_schema_that_ships_is_the_records() -> None:
    """`python -m device.settings` writes it."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("", True),
        ('bundle = "m"\nallow_older = ["bach"]\nnames = ["a.example"]\nport = 80', True),
        ("port = 0", False),
        ("port = '80'", False),
        ("prot = 80", False),
        ("bundle = ''", False),
        ("allow_older = ['X']", False),
    ],
)
def test_the_schema_takes_and_refuses_what_the_program_does(text: str, valid: bool, tmp_path: Path) -> None:
    file = write(tmp_path, text)
    validator = Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert validator.is_valid(tomllib.loads(text)) == valid
    with nullcontext() if valid else pytest.raises(SettingInvalid):
        load_settings(file, {})
