"""The box's settings: defaults, then a TOML file, then flags of the command line, each checked against its limits.

`docs/technicians/settings.md` says what each one does; a test keeps the two in step.
"""

from __future__ import annotations

import os
import re
import tomllib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from device.base.errors import Phrase, SettingInvalid
from device.base.files import reason_of
from device.base.hosts import is_host_name
from device.reading.image import Limits

BYTES_PER_MB = 1_000_000
MAX_BYTES = BYTES_PER_MB  # of a file with settings
MODEL_ID = re.compile(r"[a-z][a-z0-9_-]{0,39}")
SYSTEM_FILE = Path("/etc/loupe/loupe.toml")


@dataclass(frozen=True)
class Settings:
    """Where the model is, where the service listens and how much it takes on."""

    bundle: Path = Path("models/bach.loupe")
    keys: Path = Path("models/keys")
    samples: Path = Path("models/samples")
    store: Path = Path("var/loupe.sqlite")
    technician_code_file: Path | None = None
    allow_older: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    port: int = 8000
    threads: int = 2
    queue: int = 64
    max_upload_mb: int = 32
    max_megapixels: int = 64
    decode_memory_mb: int = 200
    upload_memory_mb: int = 48

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * BYTES_PER_MB

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
    "decode_memory_mb": (64, 100_000),
    "upload_memory_mb": (1, 4096),
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
            raise SettingInvalid(setting=name, value=str(value), allowed=Phrase("dns_names"))
        return names
    if name == "allow_older":
        ids = value if isinstance(value, list | tuple) else [""]
        if not all(isinstance(each, str) and MODEL_ID.fullmatch(each) for each in ids):
            raise SettingInvalid(setting=name, value=str(value), allowed=Phrase("model_ids"))
        return tuple(ids)
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise SettingInvalid(setting=name, value=str(value), allowed=Phrase("text"))
    return Path(value) if kind.startswith("Path") else str(value)


def _table(file: Path) -> dict[str, Any]:
    """What a TOML file says; that Windows wrote it, with a byte-order mark or in UTF-16, is no harm. Raises
    `SettingInvalid`."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES // BYTES_PER_MB} MB")
        encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
        return tomllib.loads(data.decode(encoding))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingInvalid(
            setting="config", value=f"{file} ({reason_of(error)})", allowed=Phrase("toml_file")
        ) from error


def load_settings(file: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Settings from a file (`SYSTEM_FILE` where None is given and it exists) and flags (None: not given).

    Relative paths in a file are relative to the file. Raises `SettingInvalid` naming the setting.
    """
    chosen = file or (SYSTEM_FILE if os.path.lexists(SYSTEM_FILE) else None)
    settings = Settings()
    if chosen is not None:
        table = _table(chosen)
        values: dict[str, Any] = {name: _checked(name, value) for name, value in table.items()}
        for name, value in values.items():
            values[name] = chosen.parent / value if isinstance(value, Path) else value
        settings = replace(settings, **values)
    given = {name: _checked(name, value) for name, value in flags.items() if value is not None}
    return replace(settings, **given)
