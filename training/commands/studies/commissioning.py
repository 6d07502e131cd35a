"""`loupe-train commissioning`: how far commissioning carries, laboratory by laboratory."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import MODELS, PATH, RUNS, SHARED_DATA, examples, keys_option


@click.command(
    "commissioning",
    short_help="how far commissioning carries, with unseen laboratories as the clinic",
    epilog=examples("loupe-train commissioning", "loupe-train commissioning buscot usg --halves 20"),
)
@click.argument(
    "clinics",
    nargs=-1,
    metavar="[STUDY]...",
    help="which laboratory is the clinic: breakhis-100x, breakhis-200x, buscot, usg (default: all, one after the other)",
)
@click.option(
    "--sets", type=PATH, metavar="DIR", default=SHARED_DATA, show_default=True, help="folder of the data sets"
)
@click.option(
    "--bundles", type=PATH, metavar="DIR", default=MODELS, show_default=True, help="folder of the bundles bach and busi"
)
@keys_option
@click.option(
    "--halves",
    type=click.IntRange(1, 100),
    metavar="N",
    default=10,
    show_default=True,
    help="so often patients are halved at random",
)
@click.option(
    "--most",
    type=click.IntRange(20, 10_000),
    metavar="N",
    default=350,
    show_default=True,
    help="pictures of a laboratory, evenly spread",
)
@click.option(
    "--out", type=PATH, metavar="FILE", default=RUNS / "commissioning.md", show_default=True, help="where the tables go"
)
def command(clinics: tuple[str, ...], sets: Path, bundles: Path, keys: Path, halves: int, most: int, out: Path) -> None:
    """Commissions on half of a laboratory's patients and counts what is refused of the others' and of foreign kinds."""
    from device.reading.bundle import Bundle
    from device.reading.reading import Reader
    from training.data import LIMITS
    from training.errors import DataError
    from training.stamp import source, write_table
    from training.studies.commissioning import CLINICS, as_tables, study

    if unknown := [name for name in clinics if name not in CLINICS]:
        raise DataError(f"there is no study {unknown[0]}; there are {', '.join(CLINICS)}")
    readers: dict[str, Reader] = {}
    figures = []
    for name in clinics or CLINICS:
        model = CLINICS[name].model
        if model not in readers:
            readers[model] = Reader(Bundle.open(bundles / f"{model}.loupe", keys), LIMITS)
        figures.append(study(name, readers[model], sets, halves, most))
        print(as_tables(figures[-1:]), flush=True)
    table = as_tables(figures)
    read_by = {f"bundle {reader.bundle.name}": reader.bundle.sha256 for reader in readers.values()}
    made_from = source(
        "`loupe-train commissioning`",
        ("training.studies.commissioning",),
        read_by,
        clinics=" ".join(clinics),
        halves=halves,
    )
    print(table)
    print(f"wrote {write_table(table, out, made_from)}")
