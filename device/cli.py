"""The box's command line, `loupe`: read pictures, serve the page, verify the bundles, measure this machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from device import __version__
from device.arguments import at_least
from device.base.errors import ImageError, LoupeError, OutputUnwritable, OverlayUnwritable
from device.base.log import error_line
from device.base.texts import DEFAULT_LANGUAGE, LANGUAGES, fill, number, percent, words
from device.reading.bundle import Bundle
from device.reading.formats import FORMATS
from device.reading.keys import key_problems
from device.settings import BYTES_PER_MB, RANGES, Settings, load_settings
from device.storage.served import check_served

EXIT_PROBLEM, EXIT_MISUSE, EXIT_REFUSED, EXIT_STOPPED = 1, 2, 3, 130
STANDARD_INPUT = "-"
NEW_LINE = "\n"


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="loupe",
        description="Reads breast-cancer images on a box without internet. Research use only.",
        epilog="Settings come from their defaults, then --config (or /etc/loupe/loupe.toml), then flags.",
    )
    parser.add_argument("--version", action="version", version=f"loupe {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    common.add_argument(
        "--bundle", type=Path, metavar="PATH", help=f"model, or folder of models (default {defaults.bundle})"
    )
    common.add_argument("--keys", type=Path, metavar="DIR", help=f"trusted public keys (default {defaults.keys})")
    common.add_argument("--samples", type=Path, metavar="DIR", help=f"sample pictures (default {defaults.samples})")
    common.add_argument("--language", choices=LANGUAGES, default=None, help="of messages (default: of $LANG)")
    remembering = argparse.ArgumentParser(add_help=False)
    remembering.add_argument(
        "--store", type=Path, metavar="FILE", help=f"what outlives a restart (default {defaults.store})"
    )
    remembering.add_argument(
        "--allow-older",
        nargs="+",
        metavar="ID",
        help="models that may be of an older version than this box has served (default none)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    read = commands.add_parser(
        "read",
        parents=[common],
        help="read pictures",
        description="Reads each IMAGE: gate verdict, class probabilities, optionally the class map drawn on it.",
        epilog="Exit status: 0 all read; 3 some refused by the gate; 1 some couldn't be opened, or no model can be used; "
        "2 the arguments can't be right.",
    )
    read.add_argument(
        "images", nargs="+", metavar="IMAGE", help=f"picture files ({', '.join(FORMATS)}); - is standard input"
    )
    read.add_argument(
        "--model", metavar="ID", help="read with this model (default: the one whose gate knows the picture)"
    )
    read.add_argument(
        "--um-per-px",
        metavar="UM",
        help="size of the pictures' pixels, µm: they are read at the model's own scale, large ones as sections",
    )
    read.add_argument("--json", action="store_true", help="print one JSON reading a line, as the HTTP service gives it")
    read.add_argument(
        "--overlay",
        type=Path,
        metavar="OUT.png",
        help="draw the map of the most likely class (of a section: of the class of concern), or where a refused picture "
        "looks foreign (one IMAGE only)",
    )
    read.add_argument("--cells", action="store_true", help="draw the map's true cells instead of a smooth map")

    serve = commands.add_parser(
        "serve",
        parents=[common, remembering],
        help="serve the page and the API",
        description="Verifies all bundles, then serves the page and the API.",
    )
    serve.add_argument(
        "--technician-code-file",
        type=Path,
        metavar="FILE",
        help="file with the code that resetting a watch, importing names and taking names back need (default none: "
        "they need no code where only this machine can connect, and are refused otherwise)",
    )
    serve.add_argument("--host", help=f"address to listen on (default {defaults.host}; 0.0.0.0 for the whole network)")
    serve.add_argument(
        "--names", nargs="+", metavar="NAME", help="DNS names of the box beside addresses and local names"
    )
    for name, told in (
        ("port", "port to listen on"),
        ("threads", "pictures read at the same time"),
        ("queue", "pictures that may wait"),
        ("max_upload_mb", "largest file, MB"),
        ("max_megapixels", "largest picture, millions of pixels"),
        ("decode_memory_mb", "memory for decoding pictures, MB"),
        ("upload_memory_mb", "memory for what is being sent and waits, millions of bytes"),
    ):
        low, high = RANGES[name]
        serve.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            metavar="N",
            help=f"{told} ({low}…{high}, default {getattr(defaults, name)})",
        )

    commands.add_parser(
        "verify",
        parents=[common, remembering],
        help="check the bundles on this machine",
        description="Checks signature, hashes and schema, that this machine reproduces each golden picture's outputs, and "
        "that the store remembers no newer version.",
    )
    bench = commands.add_parser(
        "bench",
        parents=[common],
        help="measure this machine",
        description="Times the bare network, the pipeline and HTTP in one run; prints memory.",
    )
    bench.add_argument("-n", type=at_least(1), default=50, metavar="N", help="repeats (default 50)")
    return parser


def _language(asked: str | None) -> str:
    if asked:
        return asked
    system = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return system[:2] if system[:2] in LANGUAGES else DEFAULT_LANGUAGE


def _complain(error: LoupeError, language: str, about: str = "") -> None:
    prefix = f"{about}: " if about else ""
    sys.stderr.write(f"{prefix}{error_line(error, language, NEW_LINE)}\n")


def _print(text: str) -> None:
    """Print at once, for the next reading may take minutes. Raises `BrokenPipeError` and `OutputUnwritable`."""
    try:
        print(text, flush=True)
    except OSError as error:
        # What is left of it would be tried again, and fail again, when the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputUnwritable(detail=error.strerror or str(error)) from error


def _open_verified(settings: Settings, language: str) -> tuple[Bundle, ...]:
    """The bundles of the settings; what is wrong with other keys is told. Raises a `LoupeError`."""
    from device.documents.rehearsal import open_verified

    bundles = open_verified(settings)
    for problem in key_problems(settings.keys):
        _complain(problem, language)
    return bundles


def _read(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from device.documents.overlay import draw_overlay
    from device.documents.reading_document import reading_document
    from device.reading.decoding.budget import set_budget
    from device.reading.routing import Router
    from device.reading.sections import parse_um_per_px

    if misuse := _misuse(arguments, language):
        sys.stderr.write(f"{misuse}\n")
        return EXIT_MISUSE
    set_budget(settings.decode_memory_mb * BYTES_PER_MB)
    router = Router(_open_verified(settings, language), settings.limits, threads=os.cpu_count() or 1)
    um_per_px = None if arguments.um_per_px is None else parse_um_per_px(arguments.um_per_px)
    status = 0
    for name in arguments.images:
        try:
            data = _standard_input() if name == STANDARD_INPUT else Path(name).read_bytes()
            routed = router.read(data, arguments.model, um_per_px)
        except OSError as error:
            sys.stderr.write(f"{name}: {error.strerror or error}\n")
            status = EXIT_PROBLEM
            continue
        except ImageError as error:
            _complain(error, language, name)
            status = EXIT_PROBLEM
            continue
        document = reading_document(routed, language)
        if arguments.json:
            _print(json.dumps({"file": name, **document}, ensure_ascii=False))
        else:
            _print(_in_words(name, document, language))
        reading = routed.chosen.reading
        if not reading.verdict.accepted:
            status = status or EXIT_REFUSED
        if arguments.overlay and (reading.verdict.accepted or reading.strangeness is not None):
            section = document["section"]
            concern = section and section["concern"]
            shown = routed.chosen.reader.bundle.labels.index(concern["label"]) if concern else reading.best
            overlay = draw_overlay(reading, routed.chosen.reader, shown, cells=arguments.cells)
            try:
                overlay.save(arguments.overlay)
            except OSError as error:
                raise OverlayUnwritable(overlay=str(arguments.overlay), reason=error.strerror or str(error)) from error
        elif arguments.overlay:
            sys.stderr.write(
                f"{fill(words(language)['command']['overlay_none'], {'overlay': arguments.overlay}, language)}\n"
            )
    if not arguments.json:
        _print(f"\n{words(language)['notice']}")
    return status


def _misuse(arguments: argparse.Namespace, language: str) -> str | None:
    """What is wrong with the arguments of `read`, in one line, before anything is read."""
    from device.documents.overlay import fault

    told = words(language)["command"]
    if arguments.images.count(STANDARD_INPUT) > 1:
        return str(told["one_standard_input"])
    if arguments.overlay is None:
        return None
    if len(arguments.images) != 1:
        return str(told["one_image"])
    reason = fault(arguments.overlay, arguments.images[0])
    return reason and error_line(OverlayUnwritable(overlay=str(arguments.overlay), reason=reason), language)


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
    told = answer["concern_sum"]
    return [f"  {told['name']:24}{told['probability']:7.1%}  {'':30} {told['likelihood']}"] if told else []


def _parts_in_words(document: Mapping[str, Any]) -> list[str]:
    """The caution that a part of a field speaks for a class of concern, where there is one."""
    parts = document["parts"]
    return [f"  {parts['words']}"] if parts and parts["caution"] else []


def _section_in_words(section: Mapping[str, Any], language: str) -> list[str]:
    """What stands below a section's headline: its regions of concern, what was read, and the share of each class."""
    told = words(language)
    names = {row["label"]: row["name"] for row in section["shares"]}
    lines = []
    if section["concern"] and section["concern"]["regions"]:
        lines.append(f"  {told['regions']['section_regions']}")
        for region in section["concern"]["regions"]:
            area = fill(told["regions"]["region_area"], {"area": number(region["area_mm2"], language)}, language)
            facts = {
                **region,
                "name": names[region["label"]],
                "share": percent(region["share"], language),
                "area": area,
            }
            lines.append(f"    {fill(told['regions']['region_words'], facts, language)}")
    counts = {state: section[state] for state in ("read", "foreign", "glass")}
    shares = ", ".join(f"{row['name']} {percent(row['share'], language)}" for row in section["shares"])
    return [
        *lines,
        f"  {fill(told['page']['section_words'], counts, language)}",
        f"  {fill(told['regions']['section_shares'], {'shares': shares}, language)}",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `loupe`; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, TextIOWrapper
        ):  # a name of a file, or a bar, may have no place in the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(argv)
    except BrokenPipeError:  # whoever read the output has read enough
        return EXIT_PROBLEM
    except KeyboardInterrupt:
        return EXIT_STOPPED


def _run(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    language = _language(arguments.language)
    flags = {setting.name: getattr(arguments, setting.name, None) for setting in fields(Settings)}
    try:
        settings = load_settings(arguments.config, flags)
        if arguments.command == "read":
            return _read(arguments, settings, language)
        if arguments.command == "serve":
            from device.web.server import serve

            sys.stderr.write(f"Loupe {__version__}: verifying {settings.bundle}\n")
            serve(settings)
        elif arguments.command == "verify":
            bundles = _open_verified(settings, language)
            for problem in check_served(settings.store, bundles, settings.allow_older):
                _complain(problem, language)
            for bundle in bundles:
                _print(
                    f"{bundle.name}: signature by {bundle.signer}, {len(bundle.manifest['members'])} members and "
                    f"{len(bundle.manifest['golden'])} golden pictures are as recorded (sha256 {bundle.sha256})"
                )
        elif arguments.command == "bench":
            from device.bench import run_bench

            _print(run_bench(settings, arguments.n))
    except LoupeError as error:
        _complain(error, language)
        return EXIT_PROBLEM
    return 0


if __name__ == "__main__":
    sys.exit(main())
