"""The sample pictures that a box offers to try it with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypedDict

from device.documents.records import Record, about


class SampleEntry(TypedDict):
    """A sample picture. An entry has the further keys that `samples.json` gives it, such as `label` or `made_by`."""

    id: Annotated[str, about("The sample, for programs.")]
    file: Annotated[str, about("The name of its file.")]
    kind: Annotated[str, about("What it is, such as `texture` or `foreign`.")]
    title: Annotated[str, about("Its name for people.")]
    description: Annotated[str, about("What it is and how it was made.")]
    um_per_px: Annotated[float | None, about("The size of a pixel, µm; null where the picture has none.")]
    url: Annotated[str, about("The address of its picture.")]


class SamplesDocument(Record, frozen=True):
    """The sample pictures that a box offers."""

    samples: Annotated[Sequence[SampleEntry], about("The samples, in the order of `samples.json`.")]
