"""Every command, flag, setting, page and error that people meet is documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from msgspec import structs

from device.base.errors import BundleError, CommissioningError, ImageError, LoupeError, ProfileError
from device.cli import loupe
from device.documents.reading_document import ReadingDocument
from device.reading.bundle import Bundle
from device.reading.manifest import Manifest
from device.reading.reading import Reader
from device.settings import SETTINGS, Settings
from device.web.app import create_app
from tests.support.reading_json import reading_json
from tests.support.shipped import ROOT, SAMPLES, SHARED_DATA
from training.cli import loupe_train
from training.data import ADAPTERS
from training.recipe import RECIPES, Recipe
from training.setting_words import settings_of

PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCS = {path.relative_to(ROOT / "docs").as_posix(): path.read_text(encoding="utf-8") for path in PAGES}


def commands_of(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    """A command, or all that a group holds, each with what is typed for it."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command, info_name=words)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner, f"{words} {name}"
        yield from commands_of(inner, f"{words} {name}")


COMMANDS = dict([*commands_of(loupe, "loupe"), *commands_of(loupe_train, "loupe-train")])


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_flag_is_documented(words: str) -> None:
    """A command and its flags stand on one page; the flags of settings stand on that of settings."""
    pages = [page for page in DOCS.values() if f"`{words}" in page]
    assert pages
    for parameter in COMMANDS[words].params:
        assert isinstance(parameter, click.Argument | click.Option)
        assert parameter.help, f"{parameter.name} has no help"
        for flag in parameter.opts if isinstance(parameter, click.Option) else ():
            assert parameter.name in SETTINGS or any(flag in page for page in pages), flag


def test_the_table_of_settings_has_each_with_its_default_and_limits_in_the_order_of_the_record() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", DOCS["technicians/settings.md"], re.MULTILINE)

    def as_documented(default: object) -> str:
        return "none" if default is None else "[]" if default == () else "false" if default is False else str(default)

    assert [(name, default.strip("`"), allowed) for name, default, allowed in rows] == [
        (name, as_documented(setting.default), setting.allowed) for name, setting in SETTINGS.items()
    ]


def test_every_recipe_setting_is_documented() -> None:
    for setting in settings_of(Recipe):
        assert f"`{setting.path}`" in DOCS["researchers/index.md"], setting.path


@pytest.mark.parametrize("adapter", sorted({each.find.__module__.rpartition(".")[2] for each in ADAPTERS.values()}))
def test_every_data_set_is_described(adapter: str) -> None:
    headings = [line for line in DOCS["researchers/datasets.md"].splitlines() if line.startswith("##")]
    assert any(f"`{adapter}`" in heading for heading in headings), "describe it under Adapters of public sets"


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_shipped_recipe_is_named(recipe: str) -> None:
    sentence = DOCS["researchers/index.md"].split("Shipped are ")[1].split(". ")[0]
    assert f"`{recipe}`" in sentence, "name it under Recipe settings"


def test_every_page_is_documented(bundle: Bundle) -> None:
    for rule in create_app(Settings(samples=SAMPLES), bundle).url_map.iter_rules():
        if rule.endpoint != "static":
            told = str(rule).replace("<path:file>", "FILE").replace("<int:unit>", "UNIT").replace("<int:rank>", "RANK")
            for place in ("instrument", "profile"):
                told = told.replace(f"<{place}>", place.upper())
            told = told.replace("<int:picture>", "PICTURE")
            assert told in DOCS["engineers/api.md"]


def test_every_key_of_a_reading_is_documented(reader: Reader, bundle: Bundle) -> None:
    data_keys = {"values", "reasons", "timings_ms"}  # whose keys are labels, codes and steps

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for name, inner in value.items() if name not in data_keys for key in keys(inner)}
        return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()

    golden = bundle.members[bundle.manifest.golden[0].picture]
    readings = reader.read(golden), reader.read(golden, 5.0)
    sent = set().union(*(keys(reading_json(reader, reading, "en")) for reading in readings))
    assert "window_px" in sent
    page = DOCS["engineers/api.md"]
    missing = {key for key in sent if f'"{key}"' not in page and f"`{key}`" not in page}
    assert missing == set(), "describe them in docs/engineers/api.md, under A reading"


def test_the_examples_of_a_reading_have_the_keys_of_its_records() -> None:
    """Key names alone don't tell: many records have `words` or `label`."""
    schema = msgspec.json.schema(ReadingDocument)
    records = schema["$defs"]

    def differing(value: Any, kind: Mapping[str, Any], place: str) -> Iterator[str]:
        kinds = [
            records[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in kind.get("anyOf", [kind])
        ]
        if isinstance(value, list):
            items: Mapping[str, Any] = next((each["items"] for each in kinds if "items" in each), {})
            for each in value:
                yield from differing(each, items, f"{place}[]")
        elif isinstance(value, dict):
            record: Mapping[str, Any] = next((each for each in kinds if each.get("type") == "object"), {})
            of_all = record.get("additionalProperties") or {}
            fields = record.get("properties") or dict.fromkeys(value, of_all)
            yield from (f"{place}.{key}" for key in sorted(value.keys() ^ fields.keys()))
            for key in value.keys() & fields.keys():
                yield from differing(value[key], fields[key], f"{place}.{key}")

    field, section = re.findall(r"```json\n(.*?)```", DOCS["engineers/api.md"], re.DOTALL)
    found = [*differing(json.loads(field), schema, "reading")]
    found += differing(json.loads(f"{{{section}}}")["section"], schema["$defs"]["SectionSummary"], "section")
    assert found == [], "write the examples in docs/engineers/api.md with just the keys of the records"


def test_every_error_is_documented() -> None:
    def named(base: type[LoupeError]) -> set[type[LoupeError]]:
        return {base, *(found for kind in base.__subclasses__() for found in named(kind))}

    for error in named(LoupeError) - {LoupeError, ImageError, BundleError, ProfileError, CommissioningError}:
        page = "engineers/bundle.md" if issubclass(error, BundleError) else "engineers/api.md"
        assert f"`{error.code}`" in DOCS[page]


def test_every_manifest_key_is_documented() -> None:
    for key in structs.fields(Manifest):
        assert f"`{key.encode_name}" in DOCS["engineers/bundle.md"]


def test_links_between_pages_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *PAGES):
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


def test_the_drawing_of_the_floors_shows_the_imports_as_they_are() -> None:
    from tools.drawing import FILE, drawn

    assert FILE.read_text(encoding="utf-8") == drawn(), "run `make drawing`"


def test_each_file_that_a_page_names_is_there() -> None:
    made_by_the_reader = re.compile(r"rivers|mine|ada\.pub|NAME|inventory\.yml")
    pages = [*PAGES, *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
    named = re.compile(r"`((?:device|docs|locks|models|provisioning|systemd|tests|tools|training)/[\w./*-]+)`")
    gone = [
        f"{page.relative_to(ROOT)}: {path}"
        for page in pages
        for path in named.findall(page.read_text(encoding="utf-8"))
        if not made_by_the_reader.search(path) and not any(ROOT.glob(path.rstrip("/")))
    ]
    assert gone == []
