"""A table of the networks: what each weighs, and whether all of it runs on integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras

from training.drawn.phantoms import KINDS, draw
from training.errors import QuantizationError
from training.networks import build, output_strides
from training.quantization.convert import convert, list_ops

CLASSES = 4
PICTURE_PX = 64
MEGABYTE = 1e6


def rows(names: Sequence[str]) -> Iterator[str]:
    """Markdown, line by line: each network is built with random weights and converted at 64 px, which tells all but its
    accuracy."""
    yield "| network | parameters, millions | int8, MB | operations | units | stride | all integer |"
    yield "|---|---|---|---|---|---|---|"
    pictures = [draw(kind, 1, PICTURE_PX, PICTURE_PX).pixels for kind in KINDS]
    for name in names:
        keras.utils.clear_session()
        model = build(name, CLASSES)
        try:
            flatbuffer = convert(model, pictures)
            size, operations, integer = f"{len(flatbuffer) / MEGABYTE:.1f}", sum(list_ops(flatbuffer).values()), "yes"
        except QuantizationError as error:
            size, operations, integer = "–", 0, f"no: {error}"
        yield (
            f"| {name} | {model.count_params() / 1e6:.1f} | {size} | {operations} | {model.output['features'].shape[-1]} "
            f"| {output_strides(model)['features']} | {integer} |"
        )
