"""The box's settings: defaults, then a TOML file, then flags of the command line, each checked against its limits.

`docs/settings.md` says what each one does; a test keeps the two in step.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from device.errors import SettingInvalid
from device.hosts import is_host_name
from device.image import Limits

SYSTEM_FILE = Path("/etc/loupe/loupe.toml")


@dataclass(frozen=True)
class Settings:
    """Where the model is, where the service listens and how much it takes on."""

    bundle: Path = Path("models/bach.loupe")
    keys: Path = Path("models/keys")
    samples: Path = Path("models/samples")
    store: Path = Path("var/loupe.sqlite")
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    port: int = 8000
    threads: int = 2
    queue: int = 16
    max_upload_mb: int = 32
    max_megapixels: int = 64

    @property
    def limits(self) -> Limits:
        return Limits(max_megapixels=self.max_megapixels)


# The whole numbers that a setting may be.
RANGES = {
    "port": (1, 65535),
    "threads": (1, 16),
    "queue": (0, 1000),
    "max_upload_mb": (1, 512),
    "max_megapixels": (1, 512),
}


def _checked(name: str, value: Any) -> Any:
    kind = next((field.type for field in fields(Settings) if field.name == name), None)
    if kind is None:
        raise SettingInvalid(setting=name, value=str(value), allowed=", ".join(f.name for f in fields(Settings)))
    if name in RANGES:
        low, high = RANGES[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise SettingInvalid(setting=name, value=str(value), allowed=f"{low}…{high}")
        return value
    if name == "names":
        names = (
            tuple(str(each).lower().removesuffix(".") for each in value) if isinstance(value, list | tuple) else ("",)
        )
        if not all(map(is_host_name, names)):
            raise SettingInvalid(setting=name, value=str(value), allowed="a list of DNS names, without ports")
        return names
    if not isinstance(value, str | Path) or not str(value):
        raise SettingInvalid(setting=name, value=str(value), allowed="text")
    return Path(value) if kind == "Path" else str(value)


def load_settings(file: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Settings from a file (`SYSTEM_FILE` where None is given and it exists) and flags (None: not given).

    Relative paths in a file are relative to the file. Raises `SettingInvalid` naming the setting.
    """
    chosen = file or (SYSTEM_FILE if SYSTEM_FILE.is_file() else None)
    settings = Settings()
    if chosen is not None:
        try:
            table = tomllib.loads(chosen.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingInvalid(setting="config", value=str(chosen), allowed=f"a TOML file ({error})") from error
        values: dict[str, Any] = {name: _checked(name, value) for name, value in table.items()}
        for name, value in values.items():
            values[name] = chosen.parent / value if isinstance(value, Path) else value
        settings = replace(settings, **values)
    given = {name: _checked(name, value) for name, value in flags.items() if value is not None}
    return replace(settings, **given)
