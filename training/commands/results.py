"""`loupe-train results`: put several evaluations beside published figures, as Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, examples


@click.command(
    "results",
    short_help="put several evaluations beside published figures, as Markdown",
    epilog=examples("loupe-train results runs/bach-crossval runs/idc-crossval runs/bach-ood"),
)
@click.argument(
    "folders", nargs=-1, required=True, type=PATH, metavar="DIR...", help="folder of a report of evaluate, or of ood"
)
@click.option("--keep", is_flag=True, help="leave what is in the file of other recipes, instead of writing it anew")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    default=Path("docs/researchers/results.md"),
    show_default=True,
    help="Markdown file",
)
def command(folders: tuple[Path, ...], keep: bool, out: Path) -> None:
    """Puts several reports beside published figures, and the tables of ood after them, into one Markdown file."""
    from training.evaluation.report import REPORT_JSON, load_report
    from training.evaluation.results import heading, heading_of, write_results
    from training.stamp import stale, warn_of
    from training.studies.ood.report import TABLE

    tables = {file: file.read_text(encoding="utf-8") for folder in folders if (file := folder / TABLE).is_file()}
    reports = {folder / REPORT_JSON: load_report(folder) for folder in folders if folder / TABLE not in tables}
    doubts = {heading(report): stale(file) for file, report in reports.items()}
    doubts |= {heading_of(table): stale(file) for file, table in tables.items()}
    for file in (*reports, *tables):
        warn_of(file)
    before = out.read_text(encoding="utf-8") if keep else None
    text = write_results(list(reports.values()), list(tables.values()), before, doubts)
    out.write_text(text, encoding="utf-8")
    print(f"{out}: {len(reports)} evaluation{'s' if len(reports) > 1 else ''}, {len(tables)} of detectors")
