"""Decodes damaged files, each kind in a process of its own whose memory is limited.

Each file must become a picture or a named error, within two seconds of computing and within bounded memory. Where a
process dies, the number of the file that did it is told. The worst files of a run are sent to a box afterwards.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device.base.errors import LoupeError
from device.reading.image import Limits, decode
from tests.support.shipped import ROOT
from tests.torture.damage import KINDS, files, one

SLOWEST_S = 2.0  # of this process's computing
LONGEST_S = 25.0  # of a file's decoding in all, on a machine that does other things too
ADDRESS_SPACE = 3 << 30
MOST_MB = 700  # what 64 megapixels may take, beside Python and the decoders themselves
LIMITS = Limits()
AREA_PX = 512 * 384
STUCK_S = 120  # without a word, a process is stopped


@dataclass(frozen=True)
class Decoded:
    """What became of one file: "read", the code of a named error, or what else was raised."""

    number: int
    result: str
    cpu_s: float
    wall_s: float
    grown_mb: float
    peak_mb: float

    @property
    def named(self) -> bool:
        return self.result == self.result.lower()


@dataclass(frozen=True)
class Run:
    """All files of a kind, and a sentence for each thing that went wrong."""

    kind: str
    files: tuple[Decoded, ...]
    wrong: tuple[str, ...]

    def row(self) -> str:
        counts = Counter(file.result if file.named else "unnamed" for file in self.files)
        refused = ", ".join(f"{code} {many}" for code, many in counts.most_common() if code != "read")
        slowest, peak = max(file.cpu_s for file in self.files), max(file.peak_mb for file in self.files)
        return f"{self.kind:8} {len(self.files):6} {counts['read']:6} {slowest:6.2f} s {peak:8.0f}  {refused}"


HEAD = f"{'kind':8} {'files':>6} {'read':>6} {'slowest':>8} {'peak MB':>8}  refused as"


def outcome(data: bytes) -> str:
    """ "read", the code of the named error, or what else was raised."""
    try:
        image = decode(data, LIMITS, AREA_PX)
    except LoupeError as error:
        return error.code
    except BaseException as failure:
        return f"UNNAMED {type(failure).__name__}: {str(failure)[:80]}"
    return "read" if image.pixels.ndim == 3 and image.pixels.dtype == np.uint8 else f"NO PICTURE {image.pixels.shape}"


def work(kind: str, count: int, seed: int) -> None:
    """Decode so many files of a kind; a line of JSON for each, before it is decoded and after."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    warnings.simplefilter("ignore")
    made = files(kind, seed)
    for number in range(count):
        data = next(made)
        print(json.dumps([number]), flush=True)
        cpu, wall, peak = time.process_time(), time.perf_counter(), peak_mb()
        result = outcome(data)
        spent = time.process_time() - cpu, time.perf_counter() - wall
        print(json.dumps([number, result, *spent, peak_mb() - peak, peak_mb()]), flush=True)


def peak_mb() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def fuzz(kind: str, count: int, seed: int) -> Run:
    """Decode so many damaged files of a kind in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.torture.fuzz", kind, str(count), str(seed)]
    limit_s = STUCK_S + count * SLOWEST_S
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=limit_s)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    done = tuple(Decoded(*line) for line in lines if len(line) > 1)
    wrong = [f"{kind} {file.number}: {file.result}" for file in done if not file.named]
    for file in done:
        if file.cpu_s > SLOWEST_S or file.wall_s > LONGEST_S:
            wrong.append(
                f"{kind} {file.number}: {file.cpu_s:.1f} s of computing, {file.wall_s:.1f} s in all ({file.result})"
            )
    if ran.returncode:
        last = lines[-1][0] if lines else -1
        wrong.append(f"{kind} {last}: the process ended with {ran.returncode}: {ran.stderr[-300:]}")
    if done and (peak := max(file.peak_mb for file in done)) > MOST_MB:
        wrong.append(f"{kind}: {peak:.0f} MB")
    return Run(kind, done, tuple(wrong))


def worst(runs: Sequence[Run], seed: int, count: int) -> list[bytes]:
    """The files of these runs that a box should be asked to read too: half of them the slowest, a quarter those for which
    memory grew most, the rest by chance among those that became no picture."""
    every = [(run.kind, file) for run in runs for file in run.files]
    slow = sorted(every, key=lambda each: -each[1].cpu_s)[: count // 2]
    large = sorted(every, key=lambda each: -each[1].grown_mb)[: count // 4]
    unread = [each for each in every if each[1].result != "read"]
    chosen = np.random.default_rng(seed).permutation(len(unread))[: count - len(slow) - len(large)]
    return [one(kind, seed, file.number) for kind, file in (*slow, *large, *(unread[i] for i in chosen))]


if __name__ == "__main__":
    assert sys.argv[1] in KINDS
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
