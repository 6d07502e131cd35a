"""Attacks a box that it starts itself, and says for each attack how a good client beside it fared.

    make torture                    # all of it, about 25 minutes
    make torture-short              # less of each, at most 5 minutes: CI runs it
    make torture ONLY=slow-body     # one part; make torture LIST=1 says which there are
    make torture GOAL=10            # the goal alone: 32 connections that send anything, for 10 minutes

Each attack comes from another address than the good client ("from" is empty) and once more from the same. "fields read":
of the fields that the good client sent, how many were answered with a reading; the others were answered 503 with
Retry-After. "×p50", "×p95": its times over those in quiet, measured before and after each attack. "page": p95 of the page
and /readyz. "MB": resident memory of all the box's processes, at most and afterwards. A claim that doesn't hold is told
below its line, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.shipped import MODELS
from tests.torture import fuzz, harm, outward, single
from tests.torture.attacks import ATTACKS, SHORT
from tests.torture.beside import OTHER, SAME, Ordeal
from tests.torture.box import Memory, running
from tests.torture.damage import KINDS
from tests.torture.good import GoodClient
from tests.torture.table import HEAD, RATIO, Beside, Findings

FUZZ, BOMBS, WORST, HARM, OUTWARD, GOAL = "fuzz", "bombs-each", "worst-files", "harm", "outward", "goal"
PARTS = {
    FUZZ: "damaged files of all kinds, decoded in a process that may not crash",
    WORST: "the worst 200 of them, by HTTP",
    BOMBS: "each bomb alone: what came back, after how long, with how much memory",
    **{attack.name: attack.what for attack in ATTACKS.values()},
    **harm.PARTS,
    OUTWARD: "what the box connects to, as strace sees it",
    GOAL: "the mixed attack for long, a good client beside it",
}


class Report:
    """Prints as it goes, and counts what doesn't hold."""

    def __init__(self, ratio: float) -> None:
        self.wrong: list[str] = []
        self.ratio = ratio

    def heading(self, text: str) -> None:
        print(f"\n{text}", flush=True)

    def line(self, text: str) -> None:
        print(text, flush=True)

    def failed(self, part: str, sentences: list[str] | tuple[str, ...]) -> None:
        for sentence in sentences:
            self.wrong.append(f"{part}: {sentence}")
            print(f"  WRONG {sentence}", flush=True)

    def findings(self, part: str, found: Findings) -> None:
        for sentence in found.seen:
            self.line(f"  {sentence}")
        self.failed(part, found.wrong)

    def singly(self, told: Iterator[str | Beside]) -> None:
        for each in told:
            if isinstance(each, str):
                self.line(each)
            else:
                self.beside(each)

    def beside(self, found: Beside) -> None:
        found.judge(ratio=self.ratio)
        self.line(found.row())
        self.failed(f"{found.name} {found.source}".strip(), found.wrong)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="make torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--short", action="store_true", help="less of each: at most 5 minutes on two cores")
    made.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help="these parts alone")
    made.add_argument("--list", action="store_true", help="say which parts there are")
    made.add_argument("--seconds", type=float, help="of each attack (default 8, short 3)")
    made.add_argument("--goal", type=float, metavar="MINUTES", help="the goal alone, for so long")
    made.add_argument("--seed", type=int, default=1, help="of everything that is drawn by chance (default 1)")
    made.add_argument("--files", type=int, help="damaged files (default 20000, short 1200)")
    made.add_argument("--kills", type=int, help="of the worker while names are written (default 300, short 6)")
    made.add_argument(
        "--clients", type=int, help="connections of an attack, where another number than its own is wanted"
    )
    return made


def main(arguments: list[str]) -> int:
    asked = parser().parse_args(arguments)
    if asked.list:
        print("\n".join(f"{name:16} {what}" for name, what in PARTS.items()))
        return 0
    # The words that are looked for are looked for by the tests too.
    short = [part for part in PARTS if part in SHORT or part not in (*ATTACKS, "markers")]
    every = short if asked.short else list(PARTS)
    parts = [GOAL] if asked.goal else asked.only or [part for part in every if part != GOAL]
    seconds = asked.seconds or (3.0 if asked.short else 8.0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the box is stopped too
    # In three seconds there are too few fields to time, and CI's machines do other work.
    report, start, memory = Report(4 * RATIO if asked.short else RATIO), time.monotonic(), Memory()
    print(f"seed {asked.seed}; the box is limited by {memory.limit}", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="loupe-torture-") as folder:
            _run(asked, parts, seconds, report, memory, Path(folder))
    finally:
        memory.close()
    report.heading(f"{time.monotonic() - start:.0f} s; {len(report.wrong)} claims don't hold")
    for sentence in report.wrong:
        report.line(f"WRONG {sentence}")
    return bool(report.wrong)


def _run(
    asked: argparse.Namespace, parts: list[str], seconds: float, report: Report, memory: Memory, folder: Path
) -> None:
    runs: list[fuzz.Run] = []
    if FUZZ in parts or WORST in parts:
        count = asked.files or (1200 if asked.short else 20_000)
        report.heading(f"{count} damaged files\n{fuzz.HEAD}")
        for kind in KINDS:
            runs.append(fuzz.fuzz(kind, count // len(KINDS), asked.seed))
            report.line(runs[-1].row())
            report.failed(FUZZ, runs[-1].wrong)
    beside = [part for part in parts if part in ATTACKS or part in (WORST, BOMBS, GOAL)]
    if beside:
        with running(folder / "box", memory) as box:
            good = GoodClient(box.port, MODELS / "samples")
            ordeal = Ordeal(box, good, 10.0 if asked.goal else 1.5 if asked.short else 3.0)
            report.heading(f"Beside a good client; {ordeal.quiet_mb:.0f} MB resident in quiet\n{HEAD}")
            if WORST in parts:
                worst = folder / WORST
                worst.mkdir()
                for number, data in enumerate(fuzz.worst(runs, asked.seed, 30 if asked.short else 200)):
                    (worst / f"{number:03}").write_bytes(data)
                report.singly(single.told(ordeal, WORST, str(worst)))
            if BOMBS in parts:
                report.singly(single.told(ordeal, BOMBS, "some-bombs" if asked.short else "bombs"))
            for part in beside:
                if part in ATTACKS:
                    for source in (SAME,) if asked.short else (OTHER, SAME):
                        report.beside(ordeal.attacked(part, source, seconds, asked.seed, asked.clients))
            if GOAL in parts:
                for source in (OTHER, SAME):
                    length = 60 * (asked.goal or 0.5)
                    report.beside(ordeal.attacked("mixed", source, length, asked.seed, asked.clients or 32))
    for part in parts:
        if part in harm.PARTS:
            report.heading(harm.PARTS[part])
            count = asked.kills or (6 if asked.short else 300)
            report.findings(part, harm.run(part, folder / part, memory, asked.seed, asked.short, count))
    if OUTWARD in parts:
        report.heading(PARTS[OUTWARD])
        report.findings(OUTWARD, outward.run(folder / OUTWARD, memory, asked.seed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
