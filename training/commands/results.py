"""`loupe-train results`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="folder of a report of evaluate, or of ood"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave what is in the file of other recipes, instead of writing it anew"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/researchers/results.md"),
        help="Markdown file (default docs/researchers/results.md)",
    )


def run(arguments: argparse.Namespace) -> None:
    from training.evaluation.report import load_report
    from training.evaluation.results import write_results
    from training.studies.ood.report import TABLE

    tables = [folder / TABLE for folder in arguments.folders if (folder / TABLE).is_file()]
    reports = [load_report(folder) for folder in arguments.folders if folder / TABLE not in tables]
    before = arguments.out.read_text(encoding="utf-8") if arguments.keep else None
    text = write_results(reports, [table.read_text(encoding="utf-8") for table in tables], before)
    arguments.out.write_text(text, encoding="utf-8")
    print(f"{arguments.out}: {len(reports)} evaluation{'s' if len(reports) > 1 else ''}, {len(tables)} of detectors")


COMMANDS = (Command("results", "put several evaluations beside published figures, as Markdown", add_arguments, run),)
