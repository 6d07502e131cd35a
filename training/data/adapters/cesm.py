"""CDD-CESM (Khaled et al. 2022): contrast-enhanced mammograms, `[mirrored_]PATIENT_{L,R}_{CM,DM}_{CC,MLO}.jpg`.

Every film here has a lesion. Each breast was taken twice after contrast agent was given: DM at low energy, which looks as a
plain mammogram does, and CM, the two energies subtracted, which shows where the agent is. A class is which of the two a
film is: the finding stands in tables that aren't read. Some films are there mirrored, few of them also as they were; a
patient is one group.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from training.data.adapters import Adapter, Foreign, Source
from training.data.sample import Sample

KINDS = {"DM": "low_energy", "CM": "subtracted"}
NAME = re.compile(
    r"(?P<mirrored>mirrored_)?(?P<patient>P\d+)_(?P<side>[LR])_(?P<kind>[CD]M)_(?P<view>CC|MLO)", re.IGNORECASE
)


def find(source: Source) -> list[Sample]:
    samples = []
    for file in source.files.pictures:
        name = NAME.fullmatch(PurePosixPath(file).stem)
        label = source.class_of(KINDS[name["kind"].upper()]) if name else None
        if name is None:
            source.leave(file, "expected a name like P105_R_CM_MLO")
        elif label is None:
            source.leave(file, "of a class that wasn't asked for")
        else:
            extra: dict[str, str | float] = {
                "side": name["side"].upper(),
                "view": name["view"].upper(),
                "mirrored": "yes" if name["mirrored"] else "no",
            }
            samples.append(Sample(file, label, name["patient"].upper(), extra=extra))
    return samples


ADAPTER = Adapter(
    find,
    "[mirrored_]PATIENT_{L,R}_{CM,DM}_{CC,MLO}.jpg at any depth",
    tuple(KINDS.values()),
    modality="mammography",
    foreign=Foreign(),
)
