"""The JSON Schema files of what comes with a model, generated from its records.

python -m device.reading.schemas      writes them anew
"""

from __future__ import annotations

import os
from pathlib import Path

from device.base.json_schema import schema_text
from device.reading.atlas import AtlasIndex
from device.reading.manifest import Manifest, MetricFacts, SplitFacts

FOLDER = Path(__file__).parent


def schema_files() -> dict[Path, str]:
    """Each file and what it must hold."""
    return {
        FOLDER / "atlas.schema.json": schema_text("atlas.json of a unit atlas", AtlasIndex),
        FOLDER / "manifest.schema.json": schema_text("Manifest of a Loupe bundle", Manifest, MetricFacts, SplitFacts),
    }


if __name__ == "__main__":
    for path, text in schema_files().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {os.path.relpath(path)}")
