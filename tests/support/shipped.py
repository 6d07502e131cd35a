"""What the repository ships, and where the real images lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
BUNDLE, KEYS, SAMPLES = MODELS / "bach.loupe", MODELS / "keys", MODELS / "samples"
SHARED_DATA = ROOT.parent / "shared" / "data"
SIGNER = "loupe-project"  # whose key signs the shipped bundles
