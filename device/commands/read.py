"""`loupe read`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from device.base.errors import ImageError, OverlayUnwritable
from device.base.log import error_line
from device.base.texts import fill, number, percent, words
from device.commands.command import (
    EXIT_MISUSE,
    EXIT_PROBLEM,
    EXIT_REFUSED,
    complain,
    print_at_once,
    settings_command,
)
from device.commands.verify import open_verified_bundles
from device.reading.formats import FORMATS
from device.settings import BYTES_PER_MB, Settings

STANDARD_INPUT = "-"
HELP = """Read each IMAGE: the gate's verdict, the probability of each class and, if asked for, the class map drawn on it.

\b
One picture, with its class map drawn on it:
  loupe read field.jpg --overlay evidence.png
All of a folder, one JSON document a line:
  loupe read --json slides/*.png
"""
STATUS = (
    "Exit status: 0 all read; 3 some refused by the gate; 1 some couldn't be opened, or no model can be used; 2 the "
    "arguments can't be right."
)


@settings_command("read", "read pictures", help=HELP, epilog=STATUS)
@click.argument(
    "images",
    nargs=-1,
    required=True,
    metavar="IMAGE...",
    type=click.Path(readable=False, allow_dash=True),
    help=f"picture files ({', '.join(FORMATS)}); - is standard input",
)
@click.option("--model", metavar="ID", help="read with this model (default: the one whose gate knows the picture)")
@click.option(
    "--um-per-px",
    metavar="UM",
    help="size of the pictures' pixels, µm: they are read at the model's own scale, large ones as sections",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON reading a line, as the HTTP service gives it")
@click.option(
    "--overlay",
    type=click.Path(readable=False, path_type=Path),
    metavar="OUT.png",
    help="draw the map of the most likely class (of a section: of the class of concern), or where a refused picture looks "
    "foreign (one IMAGE only)",
)
@click.option("--cells", is_flag=True, help="draw the map's true cells instead of a smooth map")
def read(
    settings: Settings,
    language: str,
    images: tuple[str, ...],
    model: str | None,
    um_per_px: str | None,
    as_json: bool,
    overlay: Path | None,
    cells: bool,
) -> int:
    from device.documents.overlay import draw_overlay
    from device.documents.reading_document import reading_document
    from device.reading.decoding.budget import set_budget
    from device.reading.routing import Router
    from device.reading.sections import parse_um_per_px

    if misuse := _misuse(images, overlay, language):
        sys.stderr.write(f"{misuse}\n")
        return EXIT_MISUSE
    set_budget(settings.decode_memory_mb * BYTES_PER_MB)
    router = Router(open_verified_bundles(settings, language), settings.limits, threads=os.cpu_count() or 1)
    scale = None if um_per_px is None else parse_um_per_px(um_per_px)
    status = 0
    for name in images:
        try:
            data = _standard_input() if name == STANDARD_INPUT else Path(name).read_bytes()
            routed = router.read(data, model, scale)
        except OSError as error:
            sys.stderr.write(f"{name}: {error.strerror or error}\n")
            status = EXIT_PROBLEM
            continue
        except ImageError as error:
            complain(error, language, name)
            status = EXIT_PROBLEM
            continue
        document = reading_document(routed, language)
        if as_json:
            print_at_once(json.dumps({"file": name, **document}, ensure_ascii=False))
        else:
            print_at_once(_in_words(name, document, language))
        reading = routed.chosen.reading
        if not reading.verdict.accepted:
            status = status or EXIT_REFUSED
        if overlay and (reading.verdict.accepted or reading.strangeness is not None):
            section = document["section"]
            concern = section and section["concern"]
            shown = routed.chosen.reader.bundle.labels.index(concern["label"]) if concern else reading.best
            drawn = draw_overlay(reading, routed.chosen.reader, shown, cells=cells)
            try:
                drawn.save(overlay)
            except OSError as error:
                raise OverlayUnwritable(overlay=str(overlay), reason=error.strerror or str(error)) from error
        elif overlay:
            sys.stderr.write(f"{fill(words(language)['command']['overlay_none'], {'overlay': overlay}, language)}\n")
    if not as_json:
        print_at_once(f"\n{words(language)['notice']}")
    return status


def _misuse(images: Sequence[str], overlay: Path | None, language: str) -> str | None:
    """What is wrong with the arguments, in one line, before anything is read."""
    from device.documents.overlay import fault

    texts = words(language)["command"]
    if images.count(STANDARD_INPUT) > 1:
        return str(texts["one_standard_input"])
    if overlay is None:
        return None
    if len(images) != 1:
        return str(texts["one_image"])
    reason = fault(overlay, images[0])
    return reason and error_line(OverlayUnwritable(overlay=str(overlay), reason=reason), language)


def _standard_input() -> bytes:
    return sys.stdin.buffer.read() if sys.stdin else b""


def _in_words(name: str, document: dict[str, object], language: str) -> str:
    verdict, prediction = document["verdict"], document["prediction"]
    assert isinstance(verdict, dict)
    if not isinstance(prediction, dict):
        reason = verdict["reason"]
        return f"{name}: {reason['title']}. {reason['detail']}\n  → {reason['next_step']} [{reason['code']}]"
    rows = (
        f"  {row['name']:24}{row['probability']:7.1%}  {'█' * round(row['probability'] * 30):30} {row['likelihood']}"
        for row in prediction["probabilities"]
    )
    model = document["model"]
    assert isinstance(model, dict)
    mark = f"{' (?)' if verdict['caution'] else ''} [{model['id']} {model['version']}]"
    answer, section = document["answer"], document["section"]
    assert isinstance(answer, dict)
    lines = [f"{name}: {answer['headline']}{mark}", f"  → {answer['advice']}"]
    if verdict["caution_words"]:
        lines.append(f"  (?) {verdict['caution_words']}")
    if isinstance(section, dict):
        return "\n".join((*lines, *_section_in_words(section, language)))
    behind = [f"  {part['words']}" for part in (answer["record"], answer["promise"]) if part]
    return "\n".join((*lines, *_parts_in_words(document), *_sum_in_words(answer), *rows, *behind))


def _sum_in_words(answer: Mapping[str, Any]) -> list[str]:
    """The probability of all classes of concern together, where they have a name in common."""
    total = answer["concern_sum"]
    return [f"  {total['name']:24}{total['probability']:7.1%}  {'':30} {total['likelihood']}"] if total else []


def _parts_in_words(document: Mapping[str, Any]) -> list[str]:
    """The caution that a part of a field speaks for a class of concern, where there is one."""
    parts = document["parts"]
    return [f"  {parts['words']}"] if parts and parts["caution"] else []


def _section_in_words(section: Mapping[str, Any], language: str) -> list[str]:
    """What stands below a section's headline: its regions of concern, what was read, and the share of each class."""
    texts = words(language)
    names = {row["label"]: row["name"] for row in section["shares"]}
    lines = []
    if section["concern"] and section["concern"]["regions"]:
        lines.append(f"  {texts['regions']['section_regions']}")
        for region in section["concern"]["regions"]:
            area = fill(texts["regions"]["region_area"], {"area": number(region["area_mm2"], language)}, language)
            facts = {
                **region,
                "name": names[region["label"]],
                "share": percent(region["share"], language),
                "area": area,
            }
            lines.append(f"    {fill(texts['regions']['region_words'], facts, language)}")
    counts = {state: section[state] for state in ("read", "foreign", "glass")}
    shares = ", ".join(f"{row['name']} {percent(row['share'], language)}" for row in section["shares"])
    return [
        *lines,
        f"  {fill(texts['page']['section_words'], counts, language)}",
        f"  {fill(texts['regions']['section_shares'], {'shares': shares}, language)}",
    ]
