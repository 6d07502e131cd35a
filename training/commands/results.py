"""`loupe-train results`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folder with a report.json of evaluate")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/results.md"), help="Markdown file (default docs/results.md)"
    )


def run(arguments: argparse.Namespace) -> None:
    from training.evaluation.report import load_report
    from training.evaluation.results import write_results

    reports = [load_report(folder) for folder in arguments.folders]
    arguments.out.write_text(write_results(reports), encoding="utf-8")
    print(f"{arguments.out}: {len(reports)} evaluation{'s' if len(reports) > 1 else ''}")


COMMANDS = (Command("results", "put several evaluations beside published figures, as Markdown", add_arguments, run),)
