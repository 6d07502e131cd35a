"""How often a bundle's gate refuses the pictures of a set, proper or foreign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from device.reading.reading import Reader
from training.data.files import list_files


@dataclass(frozen=True)
class Refusals:
    """How many of a set's pictures the gate refused, and why."""

    name: str
    n: int
    reasons: dict[str, int]
    caution: int

    @property
    def rate(self) -> float:
        return sum(self.reasons.values()) / self.n


def refusals(reader: Reader, name: str, pictures: Sequence[bytes]) -> Refusals:
    """Read pictures (files' bytes) and count the gate's verdicts."""
    verdicts = [reader.read(data).verdict for data in track(pictures, name, transient=True)]
    reasons = Counter(verdict.reason for verdict in verdicts if verdict.reason)
    return Refusals(name, len(pictures), dict(reasons), sum(verdict.caution for verdict in verdicts))


def folder_pictures(folder: Path) -> list[bytes]:
    """The bytes of each picture file under a folder, by name."""
    return [(folder / file).read_bytes() for file in list_files(folder).pictures]
