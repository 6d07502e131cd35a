"""Every command, flag, setting, page and error that people meet is documented."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import click
import pytest

from device.base.errors import BundleError, ImageError, LoupeError
from device.cli import _parser as box_parser
from device.reading.bundle import Bundle
from device.reading.manifest import SCHEMA_FILE
from device.reading.reading import Reader
from device.settings import Settings
from device.web.app import create_app
from tests.support.reading_json import reading_json
from tests.support.shipped import ROOT, SAMPLES, SHARED_DATA
from training.cli import loupe_train
from training.recipe import CHOICES, DEFAULTS, RANGES

PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCS = {path.relative_to(ROOT / "docs").as_posix(): path.read_text(encoding="utf-8") for path in PAGES}


@dataclass(frozen=True)
class Command:
    """A command as it is typed, and its parameters: a name, its flags (none for a position), its help."""

    words: str
    parameters: list[tuple[str, list[str], str | None]]


def commands_of(command: click.Command, words: str) -> Iterator[Command]:
    """A command, or all that a group holds."""
    context = click.Context(command, info_name=words)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner, f"{words} {name}"
            yield from commands_of(inner, f"{words} {name}")
        return
    parameters = [one for one in command.params if isinstance(one, click.Argument | click.Option)]
    yield Command(words, [(str(one.name), list(one.opts), one.help) for one in parameters])


def parsed_commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in action.choices.items():
        parameters = [(one.dest, list(one.option_strings), one.help) for one in command._actions]
        yield Command(f"{parser.prog} {name}", parameters)


@pytest.mark.parametrize(
    "commands",
    [list(parsed_commands(box_parser())), list(commands_of(loupe_train, "loupe-train"))],
    ids=["loupe", "loupe-train"],
)
def test_every_command_and_flag_is_documented(commands: list[Command]) -> None:
    """A command and its flags stand on one page."""
    settings = {field.name for field in fields(Settings)}
    for command in commands:
        pages = [page for page in DOCS.values() if f"`{command.words}" in page]
        assert pages, command.words
        for name, flags, described in command.parameters:
            assert described, f"{command.words} {name} has no help"
            for flag in flags:
                if flag.startswith("-") and flag not in ("-h", "--help") and name not in settings:
                    assert any(flag in page for page in pages), f"{command.words} {flag}"


def test_every_setting_is_documented_with_its_default() -> None:
    for field in fields(Settings):
        assert f"| `{field.name}` | " in DOCS["technicians/settings.md"]
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        assert str(default) in DOCS["technicians/settings.md"]


def test_every_recipe_setting_is_documented() -> None:
    for path in (*RANGES, *CHOICES, *(prefix + name for prefix, table in DEFAULTS.items() if prefix for name in table)):
        assert f"`{path}`" in DOCS["researchers/index.md"], path


def test_every_page_is_documented(bundle: Bundle) -> None:
    for rule in create_app(Settings(samples=SAMPLES), bundle).url_map.iter_rules():
        if rule.endpoint != "static":
            told = str(rule).replace("<path:file>", "FILE").replace("<int:unit>", "UNIT").replace("<int:rank>", "RANK")
            assert told in DOCS["engineers/api.md"]


def test_every_key_of_a_reading_is_documented(reader: Reader, bundle: Bundle) -> None:
    data_keys = {"values", "reasons", "timings_ms"}  # whose keys are labels, codes and steps

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for name, inner in value.items() if name not in data_keys for key in keys(inner)}
        return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()

    golden = bundle.members[bundle.manifest["golden"][0]["picture"]]
    readings = reader.read(golden), reader.read(golden, 5.0)
    found = set().union(*(keys(reading_json(reader, reading, "en")) for reading in readings))
    assert "window_px" in found
    assert {
        key
        for key in found
        if f'"{key}"' not in DOCS["engineers/api.md"] and f"`{key}`" not in DOCS["engineers/api.md"]
    } == set()


def test_every_error_is_documented() -> None:
    def named(base: type[LoupeError]) -> set[type[LoupeError]]:
        return {base, *(found for kind in base.__subclasses__() for found in named(kind))}

    for error in named(LoupeError) - {LoupeError, ImageError, BundleError}:
        page = "engineers/bundle.md" if issubclass(error, BundleError) else "engineers/api.md"
        assert f"`{error.code}`" in DOCS[page]


def test_every_manifest_key_is_documented() -> None:
    for key in json.loads(SCHEMA_FILE.read_text())["properties"]:
        assert f"`{key}" in DOCS["engineers/bundle.md"]


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *PAGES):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_no_real_image_is_in_the_repository() -> None:
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real images in ../shared/data")
    import hashlib

    real = {hashlib.sha256(p.read_bytes()).digest() for p in SHARED_DATA.rglob("*") if p.suffix in (".jpg", ".png")}
    for path in (*(ROOT / "docs").rglob("*"), *(ROOT / "models").rglob("*"), *(ROOT / "device").rglob("*")):
        assert not path.is_file() or hashlib.sha256(path.read_bytes()).digest() not in real


def test_the_site_builds_and_each_of_its_links_leads_somewhere(tmp_path: Path) -> None:
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    pages = {page: page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")}
    assert len(pages) > len(PAGES)
    fetched = [
        found for page in pages.values() for found in re.findall(r'(?:src="|<link[^>]* href=")(https?:[^"]+)', page)
    ]
    assert fetched == [], "a reader without internet sees all of it"
