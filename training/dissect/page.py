"""The unit atlas as one self-contained HTML page: an index of units to sort, and a card for each unit with patches."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from msgspec import to_builtins

from device.reading.atlas import Atlas, UnitEntry
from device.reading.reading import Reader

PAGE = "units.html"
BAR_QUANTILE = 0.98  # the weight that fills a bar: few are larger, and they are cut off
TEMPLATE = Path(__file__).with_name("page.html.j2")


def unit_weights(reader: Reader) -> np.ndarray[Any, np.dtype[np.float64]]:
    """float64 [channels, classes]: logit by which a unit's activation of 1.0 everywhere moves each class."""
    return np.asarray(reader.head.weights / reader.network.outputs["features"].scale)


def page_units(reader: Reader, atlas: Atlas, figures: Mapping[int, UnitEntry] | None) -> list[dict[str, Any]]:
    """The rows of the index, in the atlas's order and then the others': figures, weights, and patches as data URIs."""
    weights, labels = unit_weights(reader), reader.bundle.labels
    known = {int(unit): entry for unit, entry in atlas.index.units.items()}
    others = {unit: entry for unit, entry in (figures or {}).items() if unit not in known}
    rows = []
    for rank, (unit, entry) in enumerate({**known, **others}.items()):
        selectivity = entry.selectivity
        strongest = max(selectivity, key=lambda label: abs(selectivity[label] - 0.5))
        rows.append(
            {
                **to_builtins(entry),
                "unit": unit,
                "rank": rank + 1,
                "weights": dict(zip(labels, weights[unit].tolist(), strict=True)),
                "strongest": strongest,
                "images": [
                    {
                        **to_builtins(patch),
                        "uri": "data:image/jpeg;base64," + b64encode(atlas.patches[patch.file]).decode(),
                    }
                    for patch in entry.patches
                ],
            }
        )
    return rows


def write_page(reader: Reader, atlas: Atlas, figures: Mapping[int, UnitEntry] | None, folder: Path) -> Path:
    """Write the page into a folder; `figures` are those of units without patches, too."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    units = page_units(reader, atlas, figures)
    html = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        d=atlas.index,
        model=reader.bundle.manifest.title.en,
        names=reader.bundle.manifest.label_names("en"),
        concepts={concept: name.en for concept, name in atlas.index.concepts.items()},
        units=units,
        heaviest=float(np.quantile(np.abs([list(row["weights"].values()) for row in units]), BAR_QUANTILE)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    path.write_text(html, encoding="utf-8")
    return path
