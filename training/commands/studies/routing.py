"""`loupe-train routing`: which of several bundles reads which pictures."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import MODELS, PATH, RUNS, SHARED_DATA, examples, keys_option
from training.commands.studies.set_options import default_sets, sets_options


@click.command(
    "routing",
    short_help="which of several bundles reads which pictures",
    epilog=examples("loupe-train routing --most 100", "loupe-train routing bach idc --bundles models"),
)
@sets_options
@click.option(
    "--bundles",
    "bundles_path",
    type=PATH,
    metavar="PATH",
    default=MODELS,
    show_default=True,
    help="bundle or folder of them",
)
@keys_option
def command(sets: tuple[str, ...], most: int, foreign: Path, bundles_path: Path, keys: Path) -> None:
    """Reads sets of pictures with the box's own router and counts which bundle reads what."""
    from device.reading.bundle import Bundle, bundle_files
    from device.reading.routing import Router
    from training.data import LIMITS
    from training.stamp import source, write_table
    from training.studies.routing import as_table, pictures_of, share_out

    bundles = [Bundle.open(path, keys) for path in bundle_files(bundles_path)]
    router = Router(bundles, LIMITS)
    names = sets or default_sets(foreign)
    rows = [share_out(router, *pictures_of(name, SHARED_DATA, most)) for name in names]
    table = as_table(rows, [bundle.manifest.id for bundle in bundles])
    print(table)
    read_by = {f"bundle {bundle.name}": bundle.sha256 for bundle in bundles}
    made_from = source("`loupe-train routing`", ("training.studies.routing",), read_by, sets=" ".join(names), most=most)
    print(f"wrote {write_table(table, RUNS / 'routing.md', made_from)}")
