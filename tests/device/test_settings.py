"""Settings: defaults, file, flags, and their limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.errors import SettingInvalid
from device.settings import RANGES, Settings, load_settings


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
        ("names = 'loupe.clinic.example'", "names"),
        ("names = ['http://loupe.clinic.example']", "names"),
        *((f"{name} = {low - 1}", name) for name, (low, _) in RANGES.items()),
        *((f"{name} = {high + 1}", name) for name, (_, high) in RANGES.items()),
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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid):
        load_settings(tmp_path / "none.toml", {})
