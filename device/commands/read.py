"""`loupe read`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from device.base.errors import ImageError, OverlayUnwritable, ProfileOfOtherScale
from device.base.log import error_line
from device.base.texts import fill, words
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

if TYPE_CHECKING:
    from device.documents.reading_document import ReadingDocument
    from device.reading.bundle import Bundle
    from device.reading.routing import Opinion
    from device.reading.site.standing import Standing

STANDARD_INPUT = "-"
HELP = """Read each IMAGE: the gate's verdict, the probability of each class and, if asked for, the class map drawn on it.

\b
One picture, with its class map drawn on it:
  loupe read field.jpg --overlay evidence.png
All of a folder, one JSON document a line:
  loupe read --json slides/*.png
"""
STATUS = (
    "Exit status: 0 all read; 3 some got no class: refused by the gate, or of unknown scale; 1 some couldn't be opened, or "
    "no model can be used; 2 the arguments can't be right."
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
    help="size of the pictures' pixels, µm: they are read at the model's own scale, large ones as sections. Without it a "
    "picture of tissue gets no class",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON reading a line, as the HTTP service gives it")
@click.option(
    "--overlay",
    type=click.Path(readable=False, path_type=Path),
    metavar="OUT.png",
    help="draw the map of the most likely class (of a section, and where the scale is unknown: of a class of concern), or "
    "where a refused picture looks foreign (one IMAGE only)",
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
    from device.documents.reading_words import reading_in_words
    from device.reading.decoding.budget import set_budget
    from device.reading.routing import Router
    from device.reading.sections import parse_um_per_px

    if misuse := _misuse(images, overlay, language):
        sys.stderr.write(f"{misuse}\n")
        return EXIT_MISUSE
    set_budget(settings.decode_memory_mb * BYTES_PER_MB)
    bundles = open_verified_bundles(settings, language)
    router = Router(bundles, settings.limits, threads=os.cpu_count() or 1)
    scale = None if um_per_px is None else parse_um_per_px(um_per_px)
    standings = standings_of(settings, bundles, scale, language)
    status = 0
    for name in images:
        try:
            data = _standard_input() if name == STANDARD_INPUT else Path(name).read_bytes()
            routed = router.read(data, model, scale, standings=standings)
        except OSError as error:
            sys.stderr.write(f"{name}: {error.strerror or error}\n")
            status = EXIT_PROBLEM
            continue
        except ImageError as error:
            complain(error, language, name)
            status = EXIT_PROBLEM
            continue
        document = reading_document(routed, language, assume_field=settings.assume_field)
        if as_json:
            # A file's name may be no Unicode, which `json` alone can write.
            print_at_once(json.dumps({"file": name, **msgspec.to_builtins(document)}, ensure_ascii=False))
        else:
            print_at_once(reading_in_words(name, document, language))
        reading = routed.chosen.reading
        if document.answer is None:
            status = status or EXIT_REFUSED
        if overlay and (reading.verdict.accepted or reading.strangeness is not None):
            drawn = draw_overlay(reading, routed.chosen.reader, _shown(routed.chosen, document), cells=cells)
            try:
                drawn.save(overlay)
            except OSError as error:
                raise OverlayUnwritable(overlay=str(overlay), reason=error.strerror or str(error)) from error
        elif overlay:
            sys.stderr.write(f"{fill(words(language)['command']['overlay_none'], {'overlay': overlay}, language)}\n")
    if not as_json:
        print_at_once(f"\n{words(language)['notice']}")
    return status


def _shown(chosen: Opinion, document: ReadingDocument) -> int:
    """The number of the class whose map is drawn. Which class is most likely isn't told where there is no answer."""
    from device.reading.regions import concern_of

    manifest = chosen.reader.bundle.manifest
    if document.section is not None and document.section.concern is not None:
        return chosen.reader.bundle.labels.index(document.section.concern.label)
    return chosen.reading.best if document.answer is not None else [*concern_of(manifest), 0][0]


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


def standings_of(
    settings: Settings, bundles: Sequence[Bundle], um_per_px: float | None, language: str
) -> Mapping[str, Standing]:
    """How the models stand by the profiles of the setting `site`. Raises a `ProfileError` where that names one profile, and
    it can't be used for these models and pixels of this size; other problems go to standard error."""
    from device.storage.sites import Sites

    if settings.site is None:
        return {}
    sites = Sites(settings.store, settings.site, bundles)
    for problem in sites.problems:
        if sites.is_one_file:
            raise problem
        complain(problem, language)
    standings = sites.standings(um_per_px, scale_of_profile=True)
    if sites.is_one_file and um_per_px is not None and not any(each.signed for each in standings.values()):
        (only,) = sites.all()
        if only.profile.instrument is not None:
            of_profile = only.profile.instrument.um_per_px
            raise ProfileOfOtherScale(profile=settings.site.name, given=um_per_px, um_per_px=of_profile)
    return standings


def _standard_input() -> bytes:
    return sys.stdin.buffer.read() if sys.stdin else b""
