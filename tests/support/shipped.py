"""What the repository ships, and where the real images lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
BUNDLE, KEYS, SAMPLES = MODELS / "bach.loupe", MODELS / "keys", MODELS / "samples"
SHARED_DATA = ROOT.parent / "shared" / "data"
UM_PER_PX = 1.68  # of the bundle's golden pictures and of the samples: the model's own
AT_SCALE = f"um_per_px={UM_PER_PX}"  # in the query of a reading's address
SIGNER = "loupe-project"  # whose key signs the shipped bundles
