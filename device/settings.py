"""The box's settings: defaults, then a TOML file, then flags of the command line, each checked against its limits.

`Settings` is the one place that says a setting's name, default, limits and help. Checking, the flags of `loupe`,
`settings.schema.json` and the tests of the documentation and of the playbook's role follow it. To add a setting, write its
field there, its row in `docs/technicians/settings.md`, and run `python -m device.settings`, which writes the schema anew.
"""

from __future__ import annotations

import os
import tomllib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

from msgspec import Meta, Struct, ValidationError, convert, json, to_builtins
from msgspec.structs import fields, replace

from device.base.errors import Phrase, SettingInvalid
from device.base.files import reason_of
from device.base.hosts import is_host_name
from device.base.json_schema import file_text, portable
from device.reading.manifest import Name

if TYPE_CHECKING:
    from device.reading.image import Limits

BYTES_PER_MB = 1_000_000
MAX_FILE_BYTES = BYTES_PER_MB  # of a file with settings
SYSTEM_FILE = Path("/etc/loupe/loupe.toml")
SCHEMA_FILE = Path(__file__).with_name("settings.schema.json")

# The commands that take a setting as a flag.
EVERY_COMMAND = ("read", "serve", "verify", "bench")
WITH_MODELS = (*EVERY_COMMAND, "commission")
READING = ("read", "serve")
WITH_STORE = ("serve", "verify")
WITH_SITE = ("read", *WITH_STORE)
SERVING = ("serve",)
A_TEXT = Phrase("text")


class HostName(str):
    """A DNS name in lower case, without the dot at its end."""

    def __new__(cls, name: str) -> HostName:
        """Raises `ValueError`."""
        text = str(name).lower().removesuffix(".")
        if not is_host_name(text):
            raise ValueError("no DNS name")
        return super().__new__(cls, text)


TEXT = r"^[^\u0000]+\Z"  # `\Z`, because Python's `$` also matches before a line's end
ModelId: TypeAlias = Name  # as manifests have it
Text: TypeAlias = Annotated[str, Meta(pattern=TEXT)]


def about(
    help: str,
    values: str = "",
    *,
    commands: tuple[str, ...] = SERVING,
    placeholder: str = "N",
    phrase: Phrase = A_TEXT,
    unit: str = "",
    least: int | None = None,
    most: int | None = None,
) -> Meta:
    """The facts of a setting beside its name, type and default.

    `help`: what it means, for `--help` and the schema. `values`: what it may be, in words; of a whole number its bounds,
    `least` and `most`, in its `unit`, say that. `commands`: those that take it as a flag. `placeholder`: stands for its
    value in their help. `phrase`: what an error says is allowed.
    """
    facts = {"values": values, "commands": commands, "placeholder": placeholder, "phrase": phrase}
    return Meta(ge=least, le=most, description=f"{help}, {unit}" if unit else help, extra=facts)


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the model is, where the service listens and how much it takes on."""

    bundle: Annotated[
        Path, about("model, or folder of models", "a file or a folder", commands=WITH_MODELS, placeholder="PATH")
    ] = Path("models/bach.loupe")
    keys: Annotated[Path, about("trusted public keys", "a folder", commands=WITH_MODELS, placeholder="DIR")] = Path(
        "models/keys"
    )
    samples: Annotated[Path, about("sample pictures", "a folder", commands=EVERY_COMMAND, placeholder="DIR")] = Path(
        "models/samples"
    )
    store: Annotated[
        Path,
        about(
            "file with the names of units; what else is kept lies beside it",
            "a file",
            commands=WITH_STORE,
            placeholder="FILE",
        ),
    ] = Path("var/loupe.sqlite")
    site: Annotated[
        Path | None,
        about(
            "site profile, or folder of them, by which models read here; new ones are kept in the folder, or without one "
            "beside the store",
            "a file or a folder",
            commands=WITH_SITE,
            placeholder="PATH",
        ),
    ] = None
    technician_code_file: Annotated[
        Path | None,
        about(
            "file with the technician's code, for resetting a watch, importing names and taking names back; without it "
            "these need no code where only this machine can connect, and are refused otherwise",
            "a file",
            placeholder="FILE",
        ),
    ] = None
    allow_older: Annotated[
        tuple[ModelId, ...],
        about(
            "models that may be of an older version than this box has served",
            "a list of models' ids",
            commands=WITH_STORE,
            placeholder="ID",
            phrase=Phrase("model_ids"),
        ),
    ] = ()
    host: Annotated[
        Text,
        about(
            "address to listen on; 0.0.0.0 for the whole network",
            "an address of this machine or a name of one; IPv6 with or without brackets",
            placeholder="HOST",
        ),
    ] = "127.0.0.1"
    names: Annotated[
        tuple[HostName, ...],
        about(
            "DNS names of the box beside addresses and local names",
            "a list of DNS names, without ports; with accents as `xn--…`",
            placeholder="NAME",
            phrase=Phrase("dns_names"),
        ),
    ] = ()
    port: Annotated[int, about("port to listen on", least=1, most=65535)] = 8000
    threads: Annotated[int, about("pictures read at the same time", least=1, most=16)] = 2
    queue: Annotated[int, about("pictures that may wait", least=0, most=1000)] = 64
    max_upload_mb: Annotated[int, about("largest file", unit="MB", least=1, most=512)] = 32
    max_megapixels: Annotated[int, about("largest picture", unit="millions of pixels", least=1, most=512)] = 64
    decode_memory_mb: Annotated[int, about("memory for decoding pictures", unit="MB", least=64, most=100_000)] = 200
    upload_memory_mb: Annotated[
        int, about("memory for what is being sent and waits", unit="MB", least=1, most=4096)
    ] = 48
    assume_field: Annotated[
        bool,
        about(
            "read a picture whose size of a pixel nobody gives as if it showed a field as large as those the model learned "
            "from, and say so with each",
            "true or false",
            commands=READING,
            phrase=Phrase("true_or_false"),
        ),
    ] = False

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * BYTES_PER_MB

    @property
    def limits(self) -> Limits:
        from device.reading.image import Limits  # loads numpy, which help and completion need not wait for

        return Limits(max_megapixels=self.max_megapixels)


@dataclass(frozen=True)
class Setting:
    """One setting as `Settings` declares it; the words are those of `about`. `type`: with its limits, for msgspec."""

    name: str
    type: Any
    default: object
    help: str
    values: str
    commands: tuple[str, ...]
    placeholder: str
    phrase: Phrase
    bounds: tuple[int, int] | None

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        return f"{self.bounds[0]}…{self.bounds[1]}" if self.bounds else self.values

    @property
    def is_path(self) -> bool:
        return get_args(self.type)[0] in (Path, Path | None)

    @property
    def is_list(self) -> bool:
        return isinstance(self.default, tuple)

    @property
    def is_switch(self) -> bool:
        return isinstance(self.default, bool)


def _declared() -> Iterator[Setting]:
    for field in fields(Settings):
        meta = get_args(field.type)[-1]
        bounds = None if meta.ge is None else (meta.ge, meta.le)
        yield Setting(field.name, field.type, field.default, meta.description, bounds=bounds, **meta.extra)


SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _declared()}


def _path_or_host_name(kind: type, value: object) -> Path | HostName:
    """A value of the types that msgspec doesn't know. Raises `ValueError`."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("no text")
    return Path(value) if kind is Path else HostName(value)


def _checked(name: str, value: object) -> object:
    """The value of a setting as `Settings` has it. Raises `SettingInvalid`."""
    setting = SETTINGS.get(name)
    if setting is None:
        raise SettingInvalid(setting=name, value=str(value), allowed=", ".join(SETTINGS))
    try:
        return convert(value, setting.type, dec_hook=_path_or_host_name)
    except ValidationError as error:
        allowed = setting.allowed if setting.bounds else setting.phrase
        raise SettingInvalid(setting=name, value=str(value), allowed=allowed) from error


def _table(file: Path) -> dict[str, object]:
    """The values in a TOML file, by name. One that Windows wrote, with a byte-order mark or in UTF-16, is read too. Raises
    `SettingInvalid`."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"larger than {MAX_FILE_BYTES // BYTES_PER_MB} MB")
        encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
        return tomllib.loads(data.decode(encoding))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingInvalid(
            setting="config", value=f"{file} ({reason_of(error)})", allowed=Phrase("toml_file")
        ) from error


def load_settings(file: Path | None, flags: Mapping[str, object]) -> Settings:
    """Settings from a file (`SYSTEM_FILE` where None is given and it exists) and flags (None: not given).

    Relative paths in a file are relative to the file. Raises `SettingInvalid` naming the setting.
    """
    chosen = file or (SYSTEM_FILE if os.path.lexists(SYSTEM_FILE) else None)
    values: dict[str, object] = {}
    if chosen is not None:
        for name, value in _table(chosen).items():
            checked = _checked(name, value)
            values[name] = chosen.parent / checked if isinstance(checked, Path) else checked
    values |= {name: _checked(name, value) for name, value in flags.items() if value is not None}
    return replace(Settings(), **values)


def schema_text() -> str:
    """The text of `settings.schema.json`: the JSON Schema of a file with settings, which editors can use."""
    properties = {}
    for setting in SETTINGS.values():
        schema = portable(json.schema(setting.type, schema_hook=lambda _: {"type": "string", "pattern": TEXT}))
        if setting.default is not None:
            schema["default"] = to_builtins(setting.default, enc_hook=str)
        properties[setting.name] = schema
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return file_text("Settings of a Loupe box", schema)


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    print(f"wrote {os.path.relpath(SCHEMA_FILE)}")
