"""`loupe-train table`: the field's own tables, each by one command."""

from __future__ import annotations

from pathlib import Path

import click

from device.base.command_line import ListCommand, ListOption
from training.commands.options import PATH, RUNS, data_folder, data_option, examples

NAMES = ("idc-conv", "breakhis-networks", "mammogram-networks")
MINUTES = 20.0


@click.command(
    "table",
    cls=ListCommand,
    short_help="the field's own tables: its networks under one honest split, published figures beside",
    epilog=examples(
        "loupe-train table idc-conv --minutes 60",
        "loupe-train table breakhis-networks --minutes 600 --weights densenet201=densenet201_notop.h5",
        "loupe-train table mammogram-networks --minutes 10 --epochs 1 --pictures 60 --folds 0",
    ),
)
@click.argument("name", metavar="NAME", type=click.Choice(NAMES), help=f"which table: {', '.join(NAMES)}")
@data_option
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, max=100_000),
    metavar="N",
    default=MINUTES,
    show_default=True,
    help="for fitting in this call, shared among networks and folds; a pass that was begun is ended; 0: fit nothing",
)
@click.option(
    "--epochs", type=click.IntRange(1, 10_000), metavar="N", help="passes over the pictures (default the table's: 10)"
)
@click.option(
    "--pictures",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="at most so many are fitted on and so many tested, by fold; 0: all",
)
@click.option("--folds", cls=ListOption, metavar="NAME...", help="only these folds (default all)")
@click.option(
    "--weights",
    "weight_files",
    multiple=True,
    metavar="NETWORK=FILE",
    help="a local file of first weights for a network (default random; lite0: ImageNet's); may be repeated",
)
@click.option("--out", type=PATH, metavar="DIR", help=f"folder of the table (default {RUNS}/table-NAME)")
def command(
    name: str,
    data: Path | None,
    minutes: float,
    epochs: int | None,
    pictures: int,
    folds: tuple[str, ...],
    weight_files: tuple[str, ...],
    out: Path | None,
) -> None:
    """Fits the field's networks on its data, patients left out, and writes them as a table beside what was published.

    The same command goes on where it stopped: at the next pass, network or fold. A table tells exactly how many passes over
    how many pictures each network got.
    """
    from training.recipe import load_recipe
    from training.studies.tables.measure import Extent, measure
    from training.studies.tables.page import markdown, write
    from training.studies.tables.plans import PLANS

    plan = PLANS[name]
    networks = [entry.network for entry in plan.entries]
    weights = dict(_weights(given, networks) for given in weight_files)
    folder, out = data_folder(data, load_recipe(plan.recipe)), out or RUNS / f"table-{name}"
    extent = Extent(minutes, plan.epochs if epochs is None else epochs, pictures, folds or None)
    measured = measure(plan, folder, out, extent, weights)
    print(markdown(measured))
    table, curves = write(measured, out)
    print(f"\nwrote {table}" + (f" and {len(curves)} files of curves beside it" if curves else ""))


def _weights(given: str, networks: list[str]) -> tuple[str, Path]:
    """`densenet201=FILE` → the network and the file."""
    network, _, file = given.partition("=")
    if network not in networks:
        raise click.BadParameter(
            f"{given}: the networks of this table are {', '.join(dict.fromkeys(networks))}", param_hint="--weights"
        )
    if not Path(file).is_file():
        raise click.BadParameter(f"{given}: there is no file {file or '(no name)'}", param_hint="--weights")
    return network, Path(file).resolve()
