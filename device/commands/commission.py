"""`loupe commission`."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from device.base.command_line import FiniteRange
from device.base.errors import ImageError, LoupeError, ScaleNeeded, UploadTooLarge
from device.base.log import error_line
from device.base.texts import fill, words
from device.commands.command import EXIT_MISUSE, print_at_once, settings_command
from device.commands.verify import open_verified_bundles
from device.reading.site.instrument import MOST_NAME
from device.settings import BYTES_PER_MB, Settings

if TYPE_CHECKING:
    from device.reading.bundle import Bundle
    from device.reading.site.folders import FoundPicture
    from device.reading.site.instrument import Instrument

HELP = """Set a model to this clinic's pictures, measure it there where diagnoses are given, and sign what was found.

\b
About 50 ordinary pictures, in folders of patients, and foreign ones in folders of their kind:
  loupe commission --um-per-px 0.42 --pictures fields --foreign foreign --out site.profile
With a pathologist's diagnoses, and then a reading:
  loupe commission --um-per-px 0.42 --pictures fields --labels labels.csv --out site.profile
  loupe read --site site.profile field.jpg

Pictures are read once and dropped. The profile holds statistics: no picture and no name of a file or folder.
"""
STATUS = "Exit status: 0 written; 1 nothing was written, and why is told; 2 the arguments can't be right."
T = TypeVar("T")
WHITE = re.compile(r"([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3})\Z")


class White(click.ParamType[tuple[int, int, int]]):
    """A colour, `R,G,B`, each 0 to 255."""

    name = "R,G,B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        found = WHITE.match(str(value))
        levels = [int(each) for each in found.groups()] if found else []
        if len(levels) != 3 or max(levels) > 255:
            self.fail(f"{value!r:.60} isn't three numbers from 0 to 255, such as 243,240,238.", param, ctx)
        red, green, blue = levels
        return red, green, blue


class Called(click.ParamType[str]):
    """The name of an instrument: one line that a page can show."""

    name = "NAME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        called = str(value).strip()
        if not 0 < len(called) <= MOST_NAME or not called.isprintable():
            self.fail(f"a name has 1 to {MOST_NAME} characters, in one line.", param, ctx)
        return called


@settings_command("commission", "set a model to this clinic's pictures", help=HELP, epilog=STATUS)
@click.option(
    "--um-per-px", metavar="UM", help="size of the pictures' pixels, µm; a model that needs no scale needs none"
)
@click.option(
    "--pictures",
    type=click.Path(readable=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="ordinary pictures of this clinic: in folders, one a patient, or all in one folder, each of another patient",
)
@click.option(
    "--foreign",
    type=click.Path(readable=False, path_type=Path),
    metavar="DIR",
    help="pictures that should be refused, in folders of their kind: glass, other_stain, other_organ, photograph, …",
)
@click.option(
    "--labels",
    type=click.Path(readable=False, path_type=Path),
    metavar="FILE",
    help="diagnoses, CSV: file,label; a file is a picture or a patient's folder, a label one of the model's classes, or "
    "malignant and benign",
)
@click.option(
    "--out",
    type=click.Path(readable=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="the site profile to write",
)
@click.option(
    "--key",
    type=click.Path(readable=False, path_type=Path),
    metavar="FILE",
    help="the box's own key (default loupe.site.key beside --out), made where there is none",
)
@click.option("--instrument", type=Called(), help="what the microscope, camera and objective are called here")
@click.option("--white", type=White(), help="the colour of empty glass, 0 to 255 (default unknown)")
@click.option(
    "--floor",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="least accuracy: no class is given where the measured one may be lower",
)
@click.option("--json", "as_json", is_flag=True, help="print the report as JSON")
def commission(
    settings: Settings,
    language: str,
    um_per_px: str | None,
    pictures: Path,
    foreign: Path | None,
    labels: Path | None,
    out: Path,
    key: Path | None,
    instrument: str | None,
    white: tuple[int, int, int] | None,
    floor: float,
    as_json: bool,
) -> int:
    from device.documents.commissioning import report_document, report_in_words
    from device.documents.site import site_state
    from device.documents.verdict import reason_words
    from device.reading.decoding.budget import set_budget
    from device.reading.reading import Reader
    from device.reading.sections import parse_um_per_px
    from device.reading.site.box_key import box_key, key_beside
    from device.reading.site.colour import fit_colour, needs_colour, stain_of
    from device.reading.site.commission import ForeignPicture, LocalPicture
    from device.reading.site.commission import commission as commissioned
    from device.reading.site.diagnoses import read_diagnoses
    from device.reading.site.folders import find_pictures
    from device.reading.site.profile import check_writable, save_profile
    from device.reading.site.standing import Standing
    from device.reading.site.statistics import statistics_in

    texts = words(language)["commissioning"]
    set_budget(settings.decode_memory_mb * BYTES_PER_MB)
    bundles = open_verified_bundles(settings, language)
    if len(bundles) != 1:
        sys.stderr.write(f"{words(language)['command']['one_model']}\n")
        return EXIT_MISUSE
    (bundle,) = bundles
    device = _instrument(bundle, None if um_per_px is None else parse_um_per_px(um_per_px), instrument, white)
    own, others = find_pictures(pictures), find_pictures(foreign) if foreign else []
    diagnoses = read_diagnoses(labels, [each.below for each in own], bundle.manifest) if labels else {}
    check_writable(out)
    reader = Reader(bundle, settings.limits, threads=os.cpu_count() or 1)
    flat = not any(each.folder for each in own)
    if flat:
        sys.stderr.write(f"{fill(texts['flat'], {'folder': pictures}, language)}\n")
    size = device.um_per_px if device else None
    colour = None
    if needs_colour(bundle):  # what the network reads depends on it, so all pictures are looked at first
        stains = list(_each(own, partial(stain_of, reader, um_per_px=size), texts["looking"], settings, language))
        colour = fit_colour(bundle, [stain for _, stain in stains], [found.patient for found, _ in stains], white)
    means_of = partial(statistics_in, reader, colour, um_per_px=size)
    local = []
    for found, means in list(_each(own, means_of, texts["reading"], settings, language, told=True)):
        local.append(LocalPicture(means, found.patient, diagnoses.get(found.below, ())))
        if means.reason and not means.judgeable:
            reason = reason_words(means.reason, None, bundle.manifest.modality, language)["title"]
            _tell(fill(texts["skipped"], {"name": found.below, "reason": reason}, language))
    strangers = [
        ForeignPicture(means, found.folder or "other")
        for found, means in _each(others, means_of, texts["reading"], settings, language, told=True)
    ]
    result = commissioned(bundle, local, strangers, instrument=device, colour=colour, floor=floor)
    key_file = key or key_beside(out)
    is_new = not os.path.lexists(key_file)
    signed = save_profile(result.profile, out, box_key(key_file))
    document = report_document(result.report, bundle, language, flat=flat)
    if as_json:
        print_at_once(json.dumps(msgspec.to_builtins(document), ensure_ascii=False))
    else:
        print_at_once(report_in_words(document, language))
    if is_new:
        sys.stderr.write(f"{fill(texts['key_made'], {'key': key_file}, language)}\n")
    state = site_state(Standing(signed), language).title
    sys.stderr.write(f"{fill(texts['written'], {'profile': out, 'state': state}, language)}\n")
    return 0


def _instrument(
    bundle: Bundle, um_per_px: float | None, name: str | None, white: tuple[int, int, int] | None
) -> Instrument | None:
    """The instrument that the flags describe; None for a model that needs no scale, where none is given. Raises
    `ScaleNeeded`."""
    from device.reading.site.instrument import Instrument

    if um_per_px is None:
        if bundle.manifest.needs_scale:
            raise ScaleNeeded(model=bundle.manifest.id)
        return None
    called = name or f"{um_per_px:g} µm/px"
    slug = re.sub(r"[^a-z0-9]+", "-", called.lower().replace("µ", "u")).strip("-")[:40] or "instrument"
    return Instrument(id=slug, name=called, um_per_px=um_per_px, white=white, how="typed")


def _each(
    found: Sequence[FoundPicture],
    look: Callable[[bytes], T],
    label: str,
    settings: Settings,
    language: str,
    *,
    told: bool = False,
) -> Iterator[tuple[FoundPicture, T]]:
    """Each picture that can be read, with what is found in its file; one picture is in memory at a time. `told`: the others
    are named."""
    text, left_out = words(language)["commissioning"]["skipped"], list[str]()
    if not found:
        return
    with click.progressbar(found, label=label, file=sys.stderr) as pictures:
        for each in pictures:
            try:
                seen = look(_bytes_of(each.path, settings))
            except (OSError, ImageError) as error:
                reason = error_line(error, language, " ") if isinstance(error, LoupeError) else error.strerror or error
                left_out.append(fill(text, {"name": each.below, "reason": reason}, language))
                continue
            yield each, seen
    if told:
        for line in left_out:
            _tell(line)


def _tell(line: str) -> None:
    """A line that may hold the name of a file, in whatever bytes."""
    sys.stderr.write(f"{line.encode(errors='backslashreplace').decode()}\n")


def _bytes_of(path: Path, settings: Settings) -> bytes:
    """Raises `OSError`, and `UploadTooLarge`."""
    from device.base.files import read_file

    try:
        return read_file(path, settings.max_upload_bytes)
    except ValueError as error:
        raise UploadTooLarge(limit_mb=settings.max_upload_mb) from error
